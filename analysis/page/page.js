"use strict";

const specifications = JSON.parse(document.getElementById("figures").textContent);
const phone = window.matchMedia("screen and (max-width: 760px)");
async function draw() {
  document.body.dataset.ready = "false";
  const options = { renderer: "svg", actions: false };
  const embedded = Object.entries(specifications).map(async ([name, shapes]) => {
    const place = document.getElementById(`figure-${name}`);
    const label = place.getAttribute("aria-label");
    const result = await vegaEmbed(place, shapes[Number(phone.matches)], options);
    place.setAttribute("aria-label", label);
    return result.view;
  });
  window.hybridirViews = await Promise.all(embedded);
  document.body.dataset.ready = "true";
}
phone.addEventListener("change", draw);
draw();

// A link opens the section that it leads to, and printing opens all.
function open(id) {
  const target = id && document.getElementById(id);
  if (target instanceof HTMLDetailsElement) target.open = true;
}
window.addEventListener("hashchange", () => open(location.hash.slice(1)));
open(location.hash.slice(1));
for (const link of document.querySelectorAll("nav a")) {
  link.addEventListener("click", () => open(link.hash.slice(1)));
}

// A table that is wider than its column gets tight, and if that does not do, a card a row. Closed
// folds have no width yet.
function fit(box) {
  const table = box.querySelector("table");
  if (!table || !box.clientWidth) return;
  table.classList.remove("tight", "cards");
  for (const shape of ["tight", "cards"]) {
    if (box.scrollWidth > box.clientWidth) table.classList.add(shape);
  }
}
const boxes = [...document.querySelectorAll(".scroll")];
const widths = new WeakMap();
const seen = new ResizeObserver((entries) => {
  // In the next frame, since a card is higher than a row.
  requestAnimationFrame(() => {
    for (const { target } of entries) {
      if (widths.get(target) === target.clientWidth) continue;
      widths.set(target, target.clientWidth);
      fit(target);
    }
  });
});
for (const box of boxes) seen.observe(box);

const folds = [...document.querySelectorAll("details")];
let closed = [];
window.addEventListener("beforeprint", () => {
  closed = folds.filter((fold) => !fold.open);
  for (const fold of closed) fold.open = true;
  // Printed letters are smaller: a printed page has room for what fits a wide screen.
  document.body.style.width = document.body.style.maxWidth = "1040px";
  boxes.forEach(fit);
  document.body.style.width = document.body.style.maxWidth = "";
});
window.addEventListener("afterprint", () => {
  for (const fold of closed) fold.open = false;
  boxes.forEach(fit);
});

// Numbers sort by value, everything else as text; missing values stay last in both directions.
function compare(first, second, direction) {
  if (first === "" || second === "") return (first === "") - (second === "");
  const [a, b] = [Number(first), Number(second)];
  const order = Number.isNaN(a) || Number.isNaN(b) ? first.localeCompare(second) : a - b;
  return direction * order;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const body = table.tBodies[0];
      const value = (row) => row.cells[column].dataset.value;
      body.append(
        ...[...body.rows].sort((a, b) => compare(value(a), value(b), ascending ? 1 : -1)),
      );
    });
  });
}
