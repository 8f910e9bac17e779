"use strict";
// A task's items, two models side by side. Data are scripts beside the page, loaded when
// needed (pages opened from disk may not fetch), and shown as text only.

const PAGE = 20; // items on a screen; more makes phones slow
const LONG = 2000; // characters of a text shown before "show all"
const received = new Map();
const asked = new Map();

function benchData(name, value) {
  received.set(name, value);
}

function load(name) {
  if (!asked.has(name)) {
    asked.set(name, new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = name;
      script.onload = () => resolve(received.get(name));
      script.onerror = () => { asked.delete(name); reject(new Error("cannot read " + name)); };
      document.head.append(script);
    }));
  }
  return asked.get(name);
}

// The entry of item `place` in the files `stem-0.js`, ..., which begin at `starts`.
async function entry(stem, starts, place) {
  if (!starts.length) return null;
  let file = starts.findIndex((start) => start > place);
  file = (file < 0 ? starts.length : file) - 1;
  return (await load(`${stem}-${file}.js`))[place - starts[file]];
}

// Characters that hide or reorder text are shown by their number.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
function visible(text) {
  return text.replace(UNSEEN, (mark) => "⟨U+" + mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0") + "⟩");
}

function element(name, kind, ...inner) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...inner);
  return made;
}

// A text, its beginning if it is long; `whole` gives the rest when asked.
function textBox(text, length, whole, name) {
  const shown = element("div", "answer", visible(text.slice(0, LONG)) || "(empty)");
  if (length <= LONG) return [shown];
  shown.tabIndex = 0;
  shown.setAttribute("role", "group");
  shown.setAttribute("aria-label", name);
  const more = element("button", "more-text", `show all ${length.toLocaleString("en")} characters`);
  more.type = "button";
  more.onclick = async () => {
    more.disabled = true;
    try { shown.textContent = visible(await whole()); more.remove(); shown.focus(); } catch (error) { more.textContent = error.message; }
  };
  return [shown, more];
}

function verdict(outcome) {
  if (!outcome) return "not run";
  const [status, right, value] = outcome;
  if (status !== "ok") return status;
  return right === null ? (value === null ? "not scored" : "scored") : right ? "right" : value > 0 ? "partly right" : "wrong";
}

// What was sent, read when it is opened: the beginning of all prompts of the draw, and the rest.
function promptBox(model, sent) {
  const box = element("details", "", element("summary", "", "Prompt as it was sent"));
  box.addEventListener("toggle", async () => {
    if (!box.open || box.children.length > 1) return;
    try {
      const [fronts, rest] = [await load(`${model.data}-front.js`), await sent.rest()];
      const text = rest === null ? "" : (fronts[sent.draw] || "") + rest;
      box.append(...textBox(text, text.length, () => text, "Prompt of " + model.label));
    } catch (error) { box.append(element("p", "quiet", error.message)); }
  }, { passive: true });
  return box;
}

function answerBox(model, outcome, data, sent) {
  const box = element("div", "side");
  const word = verdict(outcome);
  const line = element("p", "role", model.label + ": ", element("b", word.replace(" ", "-"), word));
  if (outcome && outcome[3]) line.append(`, ${outcome[3]}`);
  if (outcome && outcome[4]) line.append(", ", element("b", "leaked", "leaked"));
  box.append(line);
  if (data && data.answer !== undefined) {
    box.append(...textBox(data.answer, data.length || data.answer.length, () => data.rest ? load(data.rest) : data.answer, "Answer of " + model.label));
  }
  if (sent !== null) box.append(promptBox(model, sent));
  if (data && data.leak) {
    const { source, span, kind } = data.leak;
    box.append(element("p", "quiet", `Found in ${visible(source)} (${kind}): “${visible(span)}”`));
  }
  if (data && data.near) {
    const list = element("p", "quiet", "Nearest training examples: ");
    if (!data.near.length) {
      const all = element("a", "", "see all");
      all.href = model.examples + "-0.html";
      list.append("none shares a rare word; ", all);
    }
    data.near.forEach(([id, similarity, page], number) => {
      const link = element("a", "near", visible(id));
      link.href = `${model.examples}-${page}.html#x-${encodeURIComponent(id)}`;
      list.append(number ? ", " : "", link, ` (${similarity.toFixed(2)})`);
    });
    box.append(list);
  }
  return box;
}

const different = (a, b) => a[0] !== b[0] || a[2] !== b[2] || a[3] !== b[3];
const FILTERS = {
  all: () => true,
  changed: (a, b) => a && b && different(a, b),
  better: (a, b) => a && b && a[2] !== null && b[2] > a[2],
  worse: (a, b) => a && b && b[2] !== null && b[2] < a[2],
  wrong: (a, b) => [a, b].some((one) => one && one[1] === false),
  unparseable: (a, b) => [a, b].some((one) => one && one[0] === "unparseable"),
  failed: (a, b) => [a, b].some((one) => one && ["error", "refused"].includes(one[0])),
  leaked: (a, b) => [a, b].some((one) => one && one[4]),
};

function startCompare(form) {
  const { folder, models, shown } = JSON.parse(form.dataset.items);
  const list = document.getElementById("list");
  list.classList.toggle("bare", !shown);
  const told = document.getElementById("shown");
  const [before, after] = ["before", "after"].map((id) => document.getElementById(id));
  const fields = form.elements;
  const names = [...fields.only.options].map((option) => option.textContent);
  let start = 0;
  let turn = 0; // a slower, earlier load must not overwrite a later one
  let places = [];
  let state;

  function fromAddress() {
    const wanted = address();
    const place = (label) => models.findIndex((model) => model.label === label);
    const second = place(wanted.get("second"));
    if (second >= 0) {
      fields.second.value = second;
      const other = place(wanted.get("first") || models[second].other);
      fields.first.value = other >= 0 ? other : second;
      if (wanted.get("only") in FILTERS) fields.only.value = wanted.get("only");
    }
    return second >= 0;
  }

  function choiceToAddress() {
    const [first, second] = [models[fields.first.value], models[fields.second.value]];
    toAddress({ first: first.label, second: second.label, only: fields.only.value });
  }

  async function card(place) {
    const [id, draw] = state.items.keys[place];
    const [text, ...answers] = await Promise.all([
      entry(`${folder}/text`, state.items.starts, place),
      ...state.sides.map((side) => entry(side.model.data, side.starts, place)),
    ]);
    const made = element("article", "item", element("h3", "", visible(id) + (draw ? `, draw ${draw}` : "")));
    if (text && text.input) made.append(element("p", "role", "Question"), ...textBox(text.input, text.input.length, () => text.input, "Question"));
    if (text) made.append(element("p", "role", "Expected"), ...textBox(text.target.join("; "), text.target.join("; ").length, () => text.target.join("; "), "Expected"));
    made.append(element("div", "pair", ...state.sides.map((side, number) => answerBox(side.model, side.rows[place], answers[number], side.rows[place] && side.sent.length ? { draw, rest: () => entry(side.model.data + "-sent", side.sent, place) } : null))));
    return made;
  }

  async function draw() {
    const mine = ++turn;
    const cards = await Promise.all(places.slice(start, start + PAGE).map(card));
    if (mine !== turn) return;
    list.replaceChildren(...cards);
    told.textContent = places.length ? `${start + 1}–${Math.min(start + PAGE, places.length)} of ${places.length} items` : "no such item";
    before.disabled = start === 0;
    after.disabled = start + PAGE >= places.length;
  }

  async function update() {
    const mine = ++turn;
    told.textContent = "loading";
    try {
      const chosen = [models[fields.first.value], models[fields.second.value]];
      const [items, ...sides] = await Promise.all([load(`${folder}/items.js`), ...chosen.map((model) => load(`${model.data}.js`))]);
      if (mine !== turn) return;
      state = { items, sides: sides.map((side, number) => ({ ...side, model: chosen[number] })) };
      const [a, b] = state.sides.map((side) => side.rows);
      const passing = (name) => a.map((_, place) => place).filter((place) => FILTERS[name](a[place], b[place]));
      [...fields.only.options].forEach((option, number) => { option.textContent = `${names[number]} (${passing(option.value).length})`; });
      places = passing(fields.only.value);
      start = 0;
      await draw();
    } catch (error) { told.textContent = error.message; }
  }

  const turnPage = (step) => { start += step; draw(); document.getElementById("items").scrollIntoView(); };
  form.addEventListener("change", () => { choiceToAddress(); update(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  before.onclick = () => turnPage(-PAGE);
  after.onclick = () => turnPage(PAGE);
  addEventListener("hashchange", () => { if (fromAddress()) { update(); document.getElementById("items").scrollIntoView(); } });
  const linked = fromAddress();
  update().then(() => { if (linked) document.getElementById("items").scrollIntoView(); });
}

startCompare(document.getElementById("compare"));
