"use strict";
// Tables: sorting by a column's button, filtering, details on hover and focus, arrow keys.

// The first click on a column puts the best on top: names, ranks and losses from below,
// numbers from above.
const FIRST = { text: 1, rank: 1, low: 1, number: -1 };
const WAYS = { up: 1, down: -1 };

// What is chosen on a page lives in its address, so that a link shows the same.
function address() {
  return new URLSearchParams(location.hash.slice(1));
}

function toAddress(changes) {
  const wanted = address();
  for (const [key, value] of Object.entries(changes)) {
    if (value) wanted.set(key, value); else wanted.delete(key);
  }
  for (const [key, value] of [...wanted]) if (!value) wanted.delete(key); // an anchor
  try { history.replaceState(null, "", "#" + wanted); } catch { /* some browsers forbid it on disk */ }
}

const heading = (head) => head.querySelector("button").textContent;

function order(table, head, way) {
  const place = head.cellIndex;
  const kind = head.querySelector("button").dataset.kind;
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

function sortBy(button) {
  const head = button.closest("th");
  const table = head.closest("table");
  const now = { ascending: 1, descending: -1, none: 0 }[head.getAttribute("aria-sort")];
  const way = now ? -now : FIRST[button.dataset.kind];
  order(table, head, way);
  toAddress({ [table.id + ".sort"]: heading(head) + (way > 0 ? " up" : " down") });
}

// The order that the address names, or the one the page came with.
function sortAsAddressed(table) {
  const [, name, way] = /^(.*) (up|down)$/.exec(address().get(table.id + ".sort") || "") || [];
  const head = [...table.tHead.rows[0].cells].find((one) => heading(one) === name);
  if (head) { order(table, head, WAYS[way]); return; }
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  table.tBodies[0].append(...table.written);
}

function sortAgain(table) {
  const head = [...table.tHead.rows[0].cells].find((one) => one.getAttribute("aria-sort") !== "none");
  if (head) order(table, head, head.getAttribute("aria-sort") === "ascending" ? 1 : -1);
}

const FIXED = 5; // columns before the tasks
const [RANK, AVERAGE] = [1, 2];
const FIELDS = ["models", "kind", "tasks"];

function filter(form) {
  const table = document.getElementById(form.dataset.table);
  const wanted = (name) => form.elements[name].value.trim().toLowerCase();
  const [models, tasks, kind] = [wanted("models"), wanted("tasks"), wanted("kind")];
  const heads = [...table.tHead.rows[0].cells];
  const hidden = heads.map((head, place) => place >= FIXED && !heading(head).toLowerCase().includes(tasks));
  const gone = new Set();
  for (const row of table.tBodies[0].rows) {
    row.hidden = Boolean(!row.cells[0].dataset.value.toLowerCase().includes(models) || (kind && row.dataset.kind !== kind));
    if (row.hidden) gone.add(row.cells[0].dataset.value);
  }
  for (const row of table.rows) {
    hidden.forEach((hide, place) => { if (row.cells[place].hidden !== hide) row.cells[place].hidden = hide; });
  }
  for (const paper of document.querySelectorAll(`table.printed[data-of="${table.id}"]`)) filterPaper(paper, hidden, table);
  const shown = heads.filter((head, place) => place >= FIXED && !hidden[place]);
  const width = shown.reduce((sum, head) => sum + (parseFloat(head.style.getPropertyValue("--col")) || 0), 0);
  table.style.setProperty("--tasks", width + "rem");
  overShown(table, tasks ? shown.filter((head) => "counted" in head.dataset).map((head) => head.cellIndex) : null);
  form.parentNode.querySelector(".of-shown").hidden = !tasks;
  form.querySelector("output").textContent = `${table.tBodies[0].rows.length - gone.size} models, ${shown.length} tasks`;
}

function filterPaper(paper, hidden, table) {
  const start = FIXED + Number(paper.dataset.start) - 1;
  for (const row of paper.rows) {
    [...row.cells].forEach((cell, place) => { if (place) cell.hidden = hidden[start + place]; });
  }
  table.written.forEach((row, place) => { if (paper.tBodies[0].rows[place]) paper.tBodies[0].rows[place].hidden = row.hidden; });
  paper.hidden = [...paper.tHead.rows[0].cells].slice(1).every((cell) => cell.hidden);
}

// Rank and average over the counted columns `places`; null brings back those of all tasks.
// A resampled interval, a test and a share of unparseable answers cannot be had from scores.
function overShown(table, places) {
  const rows = [...table.tBodies[0].rows];
  const means = rows.map((row) => {
    const values = (places || []).map((place) => row.cells[place].dataset.value);
    return values.length && !values.includes("") ? values.reduce((sum, one) => sum + Number(one), 0) / values.length : null;
  });
  rows.forEach((row, number) => {
    for (const place of [RANK, AVERAGE]) {
      const cell = row.cells[place];
      cell.whole ||= { nodes: [...cell.childNodes], value: cell.dataset.value, style: cell.getAttribute("style") || "" };
      const mean = means[number];
      const rank = mean === null ? "" : 1 + means.filter((one) => one !== null && one > mean + 1e-12).length;
      const part = place === RANK ? rank : mean === null ? "" : (100 * mean).toFixed(1);
      cell.setAttribute("style", places ? "" : cell.whole.style);
      cell.dataset.value = !places ? cell.whole.value : place === RANK || mean === null ? part : mean;
      cell.replaceChildren(...(places ? [part === "" ? "–" : String(part)] : cell.whole.nodes));
    }
    for (let place = AVERAGE + 1; place < FIXED; place++) row.cells[place].classList.toggle("of-all", Boolean(places));
  });
  sortAgain(table);
}

function filterAsAddressed(form) {
  const chosen = address();
  for (const name of FIELDS) form.elements[name].value = chosen.get(`${form.dataset.table}.${name}`) || "";
  filter(form);
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
  table.written = [...table.tBodies[0].rows];
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
  form.addEventListener("input", () => {
    filter(form);
    toAddress(Object.fromEntries(FIELDS.map((name) => [`${form.dataset.table}.${name}`, form.elements[name].value])));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
});

function asAddressed() {
  document.querySelectorAll("form[data-table]").forEach(filterAsAddressed);
  document.querySelectorAll("table.sortable").forEach(sortAsAddressed);
}
addEventListener("hashchange", asAddressed);
if (location.hash) asAddressed();
