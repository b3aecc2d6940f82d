// Sorting, filtering, series on and off, light and dark. Pages are whole without it.
"use strict";

function keyOf(row, column) {
  const cell = row.cells[column];
  const key = cell.dataset.key;
  if (key === undefined) return cell.textContent.trim();
  const number = Number(key);
  return key !== "" && !Number.isNaN(number) && cell.classList.contains("number") ? number : key;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(table, column, heading) {
  const ascending = heading.getAttribute("aria-sort") !== "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows).map((row, index) => [keyOf(row, column), index, row]);
  // Equal keys keep their order, so that sorting by two columns in turn works.
  rows.sort((a, b) => (ascending ? compare(a[0], b[0]) : compare(b[0], a[0])) || a[1] - b[1]);
  body.append(...rows.map((entry) => entry[2]));
}

for (const table of document.querySelectorAll("table.sortable")) {
  Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => sortBy(table, column, heading));
  });
}

for (const box of document.querySelectorAll(".filtered")) {
  const input = box.querySelector(".filter");
  const count = box.querySelector(".count");
  const rows = Array.from(box.querySelector("tbody").rows);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  input.addEventListener("input", () => {
    // Every word must occur.
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    rows.forEach((row, k) => {
      const fits = words.every((word) => texts[k].includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    count.textContent = shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  });
}

for (const figure of document.querySelectorAll("figure.chart")) {
  for (const button of figure.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      const marks = figure.querySelectorAll(`g[data-series="${button.dataset.series}"]`);
      for (const mark of marks) mark.classList.toggle("off", !on);
    });
  }
}

const root = document.documentElement;
try {
  const kept = localStorage.getItem("splitopt-theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
} catch (error) {
  // Pages opened from disk may have no storage: the choice then holds for one page.
}
document.getElementById("theme").addEventListener("click", () => {
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try {
    localStorage.setItem("splitopt-theme", root.dataset.theme);
  } catch (error) {
    // As above.
  }
});
document.documentElement.dataset.ready = "true";
