"use strict";
// Tables: sorting by a column's button, filtering, details on hover and focus, arrow keys.

// The first click on a column puts the best on top: names and ranks from below, numbers from above.
const FIRST = { text: 1, rank: 1, number: -1 };

function sortBy(button) {
  const head = button.closest("th");
  const table = head.closest("table");
  const place = head.cellIndex;
  const kind = button.dataset.kind;
  const now = { ascending: 1, descending: -1, none: 0 }[head.getAttribute("aria-sort")];
  const way = now ? -now : FIRST[kind];
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [row.cells[place].dataset.value, row]);
  rows.sort(([a], [b]) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // what is missing stays last
    return way * (kind === "text" ? a.localeCompare(b, "en") : a - b);
  });
  body.append(...rows.map(([, row]) => row));
}

const FIXED = 5; // columns before the tasks

function filter(form) {
  const table = document.getElementById(form.dataset.table);
  const wanted = (name) => form.elements[name].value.trim().toLowerCase();
  const [models, tasks, kind] = [wanted("models"), wanted("tasks"), wanted("kind")];
  const heads = [...table.tHead.rows[0].cells];
  const hidden = heads.map((head, place) => place >= FIXED && !head.querySelector("button").textContent.toLowerCase().includes(tasks));
  let shown = 0;
  for (const row of table.tBodies[0].rows) {
    row.hidden = !row.cells[0].dataset.value.toLowerCase().includes(models) || (kind && row.dataset.kind !== kind);
    shown += !row.hidden;
  }
  for (const row of table.rows) {
    hidden.forEach((hide, place) => { if (row.cells[place].hidden !== hide) row.cells[place].hidden = hide; });
  }
  const columns = hidden.filter((hide) => !hide).length - FIXED;
  table.style.setProperty("--n", columns);
  form.querySelector("output").textContent = `${shown} models, ${columns} tasks`;
}

// Thousands of cells are one stop of the tab key: arrow keys move among them.
function oneStop(table) {
  const links = table.tBodies[0].querySelectorAll("td a");
  links.forEach((link) => { link.tabIndex = -1; });
  if (links.length) links[0].tabIndex = 0;
  table.addEventListener("focusin", (event) => {
    if (!event.target.matches("td a")) return;
    table.querySelectorAll('td a[tabindex="0"]').forEach((link) => { link.tabIndex = -1; });
    event.target.tabIndex = 0;
  });
  table.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const cell = event.target.closest("td");
    if (!step || !cell || !event.target.matches("a")) return;
    const rows = [...table.tBodies[0].rows].filter((row) => !row.hidden);
    let [row, place] = [rows.indexOf(cell.parentNode), cell.cellIndex];
    for (;;) {
      [row, place] = [row + step[0], place + step[1]];
      const next = rows[row] && rows[row].cells[place];
      if (!next) return;
      const link = !next.hidden && next.matches("td") && next.querySelector("a");
      if (link) { event.preventDefault(); link.focus(); return; }
    }
  });
}

const tip = document.getElementById("tip");

function showTip(event) {
  const told = event.target.closest("[data-tip]");
  if (!told) { hideTip(); return; }
  tip.textContent = told.dataset.tip;
  tip.hidden = false;
  const box = told.getBoundingClientRect();
  const left = Math.min(Math.max(8, box.left), innerWidth - tip.offsetWidth - 8);
  const below = box.bottom + 4 + tip.offsetHeight < innerHeight;
  tip.style.left = left + "px";
  tip.style.top = (below ? box.bottom + 4 : Math.max(4, box.top - tip.offsetHeight - 4)) + "px";
  if (event.type === "focusin") event.target.setAttribute("aria-describedby", "tip");
}

function hideTip() {
  tip.hidden = true;
}

document.querySelectorAll("table.sortable").forEach((table) => {
  table.tHead.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) sortBy(button);
  });
  table.addEventListener("mouseover", showTip);
  table.addEventListener("focusin", showTip);
  table.addEventListener("mouseleave", hideTip);
  table.addEventListener("focusout", (event) => { event.target.removeAttribute("aria-describedby"); hideTip(); });
});
addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
addEventListener("scroll", hideTip, true);
document.querySelectorAll("table.wide").forEach(oneStop);
document.querySelectorAll("form[data-table]").forEach((form) => {
  form.addEventListener("input", () => filter(form));
  form.addEventListener("submit", (event) => event.preventDefault());
});
