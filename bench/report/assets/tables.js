// Sorting and filtering. Tables are whole without it.
"use strict";
(() => {
  function keyOf(row, column) {
    const cell = row.cells[column];
    const key = cell.dataset.key;
    if (key === undefined) return cell.textContent.trim();
    return cell.dataset.figure === undefined ? key : Number(key);
  }

  function compare(a, b) {
    // No difference: that of two infinite figures is no number.
    if (typeof a === "number" && typeof b === "number") return (a > b) - (a < b);
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }

  function sortBy(table, column, heading) {
    const sorted = heading.getAttribute("aria-sort");
    // Figures are looked at from the top, so they go down first; text goes up first.
    const first = heading.dataset.figure !== undefined ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = sorted === first ? other : first;
    for (const each of table.tHead.rows[0].cells) each.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", order);
    const body = table.tBodies[0];
    const rows = Array.from(body.rows).map((row, index) => [keyOf(row, column), index, row]);
    const sign = order === "ascending" ? 1 : -1;
    // Equal keys keep their order, so that sorting by two columns in turn works. What is
    // unknown stays at the end either way.
    const unknown = (key) => Number.isNaN(key);
    rows.sort(
      (a, b) =>
        unknown(a[0]) - unknown(b[0]) ||
        (unknown(a[0]) ? 0 : sign * compare(a[0], b[0])) ||
        a[1] - b[1],
    );
    body.append(...rows.map((entry) => entry[2]));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
      heading
        .querySelector("button")
        .addEventListener("click", () => sortBy(table, column, heading));
    });
  }

  for (const box of document.querySelectorAll(".filtered")) {
    const input = box.querySelector(".filter");
    const choices = Array.from(box.querySelectorAll(".controls select"));
    const count = box.querySelector(".count");
    const rows = Array.from(box.querySelector("tbody").rows);
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const apply = () => {
      // Every word must occur, and every choice must be met.
      const words = input ? input.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
      let shown = 0;
      rows.forEach((row, k) => {
        const fits =
          words.every((word) => texts[k].includes(word)) &&
          choices.every(
            (choice) =>
              !choice.value || String(keyOf(row, Number(choice.dataset.column))) === choice.value,
          );
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      count.textContent =
        shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
    };
    if (input) input.addEventListener("input", apply);
    for (const choice of choices) choice.addEventListener("change", apply);
    if (choices.some((choice) => choice.value)) apply();
  }

  for (const scroller of document.querySelectorAll(".scroll")) {
    // Shadows at the edges say that there is more.
    const mark = () => {
      const most = scroller.scrollWidth - scroller.clientWidth;
      scroller.classList.toggle("more-left", scroller.scrollLeft > 2);
      scroller.classList.toggle("more-right", scroller.scrollLeft < most - 2);
    };
    scroller.addEventListener("scroll", mark, { passive: true });
    new ResizeObserver(mark).observe(scroller);
  }
})();
