"use strict";
// Makes tables sortable, and finds students. Without it the page still shows everything.
(() => {
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  // --- sorting ---
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  const number = (text) => {
    const plain = text.replace("−", "-").replace(/[\s\u202f]/g, "");
    const found = Number.parseFloat(plain);
    return Number.isNaN(found) ? -Infinity : found;
  };
  const sort = (table, header) => {
    const column = header.cellIndex;
    const numeric = header.classList.contains("n");
    // A column of numbers begins with its largest, a column of words with A.
    const first = numeric ? "descending" : "ascending";
    const other = numeric ? "ascending" : "descending";
    const order = header.getAttribute("aria-sort") === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    const keyed = Array.from(table.tBodies[0].rows, (row) => {
      const text = value(row, column);
      return [numeric ? number(text) : text, row];
    });
    keyed.sort(numeric ? (a, b) => sign * ((a[0] > b[0]) - (a[0] < b[0]))
      : (a, b) => sign * collator.compare(a[0], b[0]));
    table.tBodies[0].append(...keyed.map((pair) => pair[1]));
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", order);
  };
  for (const table of document.querySelectorAll("table[data-sortable]")) {
    for (const header of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sort(table, header));
    }
  }

  // --- finding ---
  const form = document.querySelector("form.find");
  const rows = Array.from(document.querySelectorAll("#table tbody tr"));
  const words = new Map(rows.map((row) => [row, fold(row.dataset.words)]));
  const find = () => {
    const wanted = fold(form.elements.find.value).split(/\s+/).filter(Boolean);
    const tag = form.elements.show.value;
    let shown = 0;
    for (const row of rows) {
      const text = words.get(row);
      const fits = wanted.every((word) => text.includes(word))
        && (!tag || row.dataset.tags.split(" ").includes(tag));
      row.hidden = !fits;
      shown += fits;
    }
    form.querySelector("output").textContent = shown === rows.length ? "" : `${shown} of ${rows.length}`;
  };
  form.hidden = false;
  form.addEventListener("input", find);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const link of document.querySelectorAll("a[data-find]")) {
    link.addEventListener("click", () => {
      form.elements.find.value = link.dataset.find;
      form.elements.show.value = "";
      find();
    });
  }

  // --- pages ---
  const title = document.title;
  const follow = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (target instanceof HTMLDetailsElement) target.open = true;
    if (!target || !target.matches(".student")) {
      document.title = title;
      return;
    }
    // Previous and next go through the table as it is sorted and filtered now.
    const order = Array.from(document.querySelectorAll("#table tbody tr"))
      .filter((row) => !row.hidden)
      .map((row) => row.querySelector("a").getAttribute("href"));
    const here = order.indexOf(`#${target.id}`);
    for (const [name, place] of [["before", here - 1], ["after", here + 1]]) {
      const link = target.querySelector(`a.${name}`);
      if (link && here >= 0) {
        link.hidden = !order[place];
        if (order[place]) link.setAttribute("href", order[place]);
      }
    }
    const heading = target.querySelector("h1");
    document.title = `${heading.textContent} · ${title}`;
    heading.focus({ preventScroll: true });
  };
  addEventListener("hashchange", follow);
  follow();
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.querySelector(".student:target")) location.hash = "students";
  });
  for (const button of document.querySelectorAll("button[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
})();
