"use strict";
// Sorting, filtering and item comparison of a board's pages. No library, no network:
// item data are scripts beside the pages, loaded when asked for, shown as text only.

const PAGE = 25; // items on a screen; more makes phones slow
const LONG = 1500; // characters of an answer shown before "show all"
const loaded = new Map();
const waiting = new Map();

function benchItems(key, items) {
  loaded.set(key, items);
  (waiting.get(key) || []).forEach((resume) => resume(items));
  waiting.delete(key);
}

function load(key) {
  if (loaded.has(key)) return Promise.resolve(loaded.get(key));
  return new Promise((resolve, reject) => {
    if (waiting.has(key)) return waiting.get(key).push(resolve);
    waiting.set(key, [resolve]);
    const script = document.createElement("script");
    script.src = key;
    script.onerror = () => reject(new Error("cannot read " + key));
    document.head.append(script);
  });
}

function sortBy(button) {
  const head = button.closest("th");
  const table = head.closest("table");
  const place = [...head.parentNode.children].indexOf(head);
  const text = button.dataset.kind === "text";
  const up = head.getAttribute("aria-sort") === (text ? "ascending" : "descending") ? text ? -1 : 1 : text ? 1 : -1;
  table.querySelectorAll("thead th[aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
  head.setAttribute("aria-sort", up > 0 ? "ascending" : "descending");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [row.cells[place].dataset.value, row]);
  rows.sort(([a], [b]) => {
    if (a === "" || b === "") return (a === "") - (b === ""); // what is missing stays last
    return up * (text ? a.localeCompare(b, "en") : Number(a) - Number(b));
  });
  body.append(...rows.map(([, row]) => row));
}

function filterRows(input) {
  const wanted = input.value.trim().toLowerCase();
  const table = document.getElementById(input.dataset.table);
  let count = 0;
  for (const row of table.tBodies[0].rows) {
    row.hidden = !row.cells[0].dataset.value.toLowerCase().includes(wanted);
    count += !row.hidden;
  }
  document.querySelector(`output[data-table="${input.dataset.table}"]`).textContent = count + " models";
}

// Characters that hide or reorder text are shown by their number.
function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    (mark) => "⟨U+" + mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0") + "⟩");
}

function element(name, kind, text) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text !== undefined) made.textContent = text;
  return made;
}

function answerBox(item, label) {
  const box = element("div");
  const verdict = !item ? "not run" : item.status !== "ok" ? item.status : item.right ? "right" : "wrong";
  const line = element("div", "quiet", label + ": ");
  line.append(element("b", verdict, verdict));
  if (item && item.score !== null) line.append(" (" + JSON.stringify(item.score) + ")");
  if (item && item.leaked) line.append(", leaked");
  box.append(line);
  if (item && item.answer !== undefined) {
    const shown = element("div", "answer", visible(item.answer.slice(0, LONG)) || "(empty)");
    box.append(shown);
    if (item.answer.length > LONG) {
      const more = element("button", "", `show all ${item.answer.length} characters`);
      more.type = "button";
      more.onclick = () => { shown.textContent = visible(item.answer); more.remove(); };
      box.append(more);
    }
  }
  return box;
}

const FILTERS = {
  all: () => true,
  changed: (a, b) => a && b && (a.right !== b.right || a.status !== b.status || JSON.stringify(a.score) !== JSON.stringify(b.score)),
  better: (a, b) => a && b && b.right === true && a.right === false,
  worse: (a, b) => a && b && b.right === false && a.right === true,
  wrong: (a, b) => [a, b].some((item) => item && item.right === false),
  unparseable: (a, b) => [a, b].some((item) => item && item.status === "unparseable"),
  leaked: (a, b) => [a, b].some((item) => item && item.leaked),
};

function startCompare(form) {
  const list = document.getElementById("list");
  const told = document.getElementById("shown");
  const [before, after] = ["before", "after"].map((id) => document.getElementById(id));
  let start = 0;
  let pairs = [];
  const label = (name) => form.elements[name].selectedOptions[0].textContent;

  function draw() {
    list.replaceChildren(...pairs.slice(start, start + PAGE).map(([a, b]) => {
      const item = a || b;
      const card = element("article", "item");
      card.append(element("h3", "", visible(item.id) + (item.draw ? `, draw ${item.draw}` : "")));
      if (item.target) card.append(element("div", "quiet", "expected: " + visible(item.target.join("; "))));
      const both = element("div", "pair");
      both.append(answerBox(a, label("first")), answerBox(b, label("second")));
      card.append(both);
      return card;
    }));
    told.textContent = pairs.length ? `${start + 1}–${Math.min(start + PAGE, pairs.length)} of ${pairs.length}` : "no such item";
    before.disabled = start === 0;
    after.disabled = start + PAGE >= pairs.length;
  }

  async function update() {
    told.textContent = "loading";
    try {
      const [first, second] = await Promise.all(["first", "second"].map((name) => load(form.elements[name].value)));
      const key = (item) => item.id + "\u0000" + item.draw;
      const other = new Map(second.map((item) => [key(item), item]));
      const known = new Set(first.map(key));
      pairs = [...first.map((item) => [item, other.get(key(item))]), ...second.filter((item) => !known.has(key(item))).map((item) => [undefined, item])]
        .filter(([a, b]) => FILTERS[form.elements.only.value](a, b));
      start = 0;
      draw();
    } catch (error) { told.textContent = error.message; }
  }

  form.addEventListener("change", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  before.onclick = () => { start -= PAGE; draw(); };
  after.onclick = () => { start += PAGE; draw(); };
  update();
}

function remembered(theme) {
  try { // pages opened from disk may have no storage
    if (theme) localStorage.setItem("bench-theme", theme);
    return localStorage.getItem("bench-theme");
  } catch { return theme || null; }
}

const root = document.documentElement;
if (remembered()) root.dataset.theme = remembered();
document.getElementById("theme").onclick = () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  remembered(root.dataset.theme);
};
document.querySelectorAll("table.sortable thead button").forEach((button) => { button.onclick = () => sortBy(button); });
document.querySelectorAll("input.filter").forEach((input) => { input.oninput = () => filterRows(input); });
const form = document.getElementById("compare");
if (form) startCompare(form);
