"use strict";

const specifications = JSON.parse(document.getElementById("figures").textContent);
const drawn = Object.entries(specifications).map(([name, specification]) =>
  vegaEmbed(document.getElementById(`figure-${name}`), specification, {
    renderer: "svg",
    actions: false,
  }),
);
Promise.all(drawn).then((views) => {
  window.hybridirViews = views.map((result) => result.view);
  document.body.dataset.ready = "true";
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
