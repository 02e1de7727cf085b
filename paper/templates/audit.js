// Sorts the table of claims by a column and hides the rows that lack the words asked for.
// Without it the page is complete, in the paper's order.
"use strict";
(function () {
  const table = document.getElementById("table");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);

  function key(row, column) {
    const cell = row.cells[column];
    return cell.dataset.sort !== undefined ? cell.dataset.sort : cell.textContent.trim();
  }

  function compare(a, b) {
    if (a === "" || b === "") return (a === "") - (b === "");
    const difference = Number(a) - Number(b);
    return Number.isNaN(difference) ? a.localeCompare(b, "en", { numeric: true }) : difference;
  }

  heads.forEach(function (head, column) {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", function () {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach(function (other) {
        if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
      });
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sorted = rows.slice().sort(function (a, b) {
        const first = key(a, column), second = key(b, column);
        const order = compare(first, second);
        return down && first !== "" && second !== "" ? -order : order;
      });
      body.append(...sorted);
    });
  });

  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");
  function apply() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach(function (row) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every(function (word) { return text.includes(word); });
      if (!row.hidden) count += 1;
    });
    shown.textContent = count + " of " + rows.length;
  }
  filter.addEventListener("input", apply);
  document.querySelector(".tools").hidden = false;
  apply();

  // A link from the paper must not land on a row that the filter hides.
  window.addEventListener("hashchange", function () {
    const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (row && row.hidden) {
      filter.value = "";
      apply();
      row.scrollIntoView();
    }
  });
})();
