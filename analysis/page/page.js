"use strict";

const specifications = JSON.parse(document.getElementById("figures").textContent);
const phone = window.matchMedia("(max-width: 760px)");
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
const folds = [...document.querySelectorAll("details")];
let closed = [];
window.addEventListener("beforeprint", () => {
  closed = folds.filter((fold) => !fold.open);
  for (const fold of closed) fold.open = true;
});
window.addEventListener("afterprint", () => {
  for (const fold of closed) fold.open = false;
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
