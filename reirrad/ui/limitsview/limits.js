// Shows what the server calculated; sends only what a person moved, one message at a time. Rows come as escaped HTML, all other text is set as text.
const AGAIN_MS = 700; // until what is still being calculated is asked for again
const PAUSE_MS = 90; // after an answer, so that the charts below get their turn
const LOST_MS = 8000; // an answer that takes longer may be lost

function make(name, attributes, parent, text) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
}

function ask(state, part) {
  Object.assign(state.waiting, part);
  state.waits = true;
  if (!part.tick) age(state, true);
  send(state);
}

function send(state) {
  if (!state.waits || state.busy) return;
  clearTimeout(state.again);
  state.waits = false;
  state.busy = true;
  state.serial += 1;
  const message = { ...state.waiting, n: state.serial };
  state.waiting = {};
  state.trigger("changed", message);
  clearTimeout(state.lost);
  state.lost = setTimeout(() => { state.busy = false; state.waiting = { ...message, ...state.waiting }; state.waits = true; send(state); }, LOST_MS);
}

// What was made with other assumptions than the sliders show says so at once, and grows pale when the answer takes long.
function age(state, isOld) {
  state.root.classList.toggle("old", isOld);
  state.root.querySelector("tbody").setAttribute("aria-busy", String(isOld));
}

function control(state, given) {
  const box = make("div", { class: "control" });
  const id = `limits-${given.name}`;
  const label = make("label", { for: id }, box);
  const one = { box, name: make("span", {}, label), hint: make("span", { class: "hint", id: `${id}-hint` }), kind: given.kind };
  if (given.kind === "slider") {
    one.shown = make("output", { for: id }, label);
    one.input = make("input", { type: "range", id, "aria-describedby": `${id}-hint` }, box);
    one.input.addEventListener("input", () => {
      const value = Number(one.input.value);
      say(one, value);
      ask(state, { [one.given.name]: one.given.of === undefined ? value : [one.given.of, value] });
    });
  } else {
    one.input = make("select", { id }, box);
    one.input.addEventListener("change", () => ask(state, { [one.given.name]: one.input.value }));
  }
  box.appendChild(one.hint);
  return one;
}

function say(one, value) {
  const text = `${Number(value.toFixed(1))} ${one.given.unit}`;
  one.shown.textContent = text;
  one.input.setAttribute("aria-valuetext", text);
}

function fill(state, given, isMoving) {
  let one = state.controls[given.name];
  if (!one) {
    one = state.controls[given.name] = control(state, given);
    state.form.insertBefore(one.box, state.back);
  }
  one.given = given;
  one.name.textContent = given.label;
  one.box.classList.toggle("other", Boolean(given.isOther));
  if (given.kind === "slider") {
    one.input.disabled = Boolean(given.why);
    one.hint.textContent = given.why || `case file: ${given.stated}`;
    if (isMoving) return;
    one.input.min = given.min;
    one.input.max = given.max;
    one.input.step = given.step;
    one.input.value = given.value;
    if (given.why) one.shown.textContent = "–"; else say(one, given.value);
    return;
  }
  const options = JSON.stringify(given.options);
  if (one.options !== options) {
    one.options = options;
    one.input.replaceChildren(...given.options.map((o) => make("option", { value: o.value }, null, o.label)));
  }
  if (!isMoving) one.input.value = given.value;
}

function rows(state, given, chosen) {
  const body = state.root.querySelector("tbody");
  const seen = new Set();
  let before = body.firstChild;
  for (const [key, html] of given) {
    seen.add(key);
    let row = state.rows.get(key);
    if (!row || row.html !== html) {
      const holder = document.createElement("template");
      holder.innerHTML = html;
      const made = holder.content.firstElementChild;
      const wasOpen = row && row.element.querySelector("details[open]");
      if (wasOpen) made.querySelector("details").open = true;
      const focused = row && row.element.contains(state.shadow.activeElement) ? state.shadow.activeElement.tagName : "";
      if (row) {
        if (before === row.element) before = made;
        row.element.replaceWith(made);
      }
      row = { element: made, html };
      state.rows.set(key, row);
      if (focused) { if (!made.isConnected) body.insertBefore(made, before); made.querySelector(focused)?.focus(); }
    }
    if (row.element !== before) body.insertBefore(row.element, before); else before = before.nextSibling;
    row.element.classList.toggle("chosen", row.element.querySelector("th button")?.dataset.structure === chosen);
  }
  for (const [key, row] of state.rows) if (!seen.has(key)) { row.element.remove(); state.rows.delete(key); }
}

function start(root) {
  const state = { root, shadow: root.getRootNode(), busy: false, waits: false, waiting: {}, serial: 0, controls: {}, rows: new Map() };
  state.form = root.querySelector("form");
  state.form.addEventListener("submit", (event) => event.preventDefault());
  state.back = make("button", { type: "button", class: "back" }, state.form, "Back to case file");
  state.back.addEventListener("click", () => ask(state, { reset: true }));
  root.querySelector("tbody").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-structure]");
    if (button) ask(state, { structure: button.dataset.structure });
  });
  return state;
}

export default function (component) {
  const root = component.parentElement.querySelector(".limits");
  const state = root.state || (root.state = start(root));
  const data = component.data;
  state.trigger = component.setTriggerValue;
  if (data.token !== state.token) { Object.assign(state, { token: data.token, serial: data.serial, busy: false, waits: false, waiting: {} }); }
  if (data.serial < state.serial) return; // the answer to an older question
  state.serial = data.serial;
  clearTimeout(state.lost);
  for (const given of data.controls) fill(state, given, state.waits && given.name in state.waiting);
  state.back.disabled = !data.banner;
  const verdict = root.querySelector(".verdict-box"), banner = root.querySelector(".banner"), problem = root.querySelector(".problem");
  if (state.verdict !== data.verdict) { state.verdict = data.verdict; verdict.innerHTML = data.verdict; }
  banner.hidden = !data.banner;
  banner.replaceChildren();
  if (data.banner) {
    make("strong", {}, banner, `${data.banner.title} `);
    make("span", {}, banner, data.banner.text);
  }
  problem.hidden = !data.problem;
  problem.textContent = data.problem || "";
  root.querySelector(".scroll").hidden = root.querySelector(".notes").hidden = !data.head;
  root.querySelector("caption").textContent = data.caption;
  if (state.head !== data.head) { state.head = data.head; root.querySelector("thead").innerHTML = data.head; }
  rows(state, data.rows, data.chosen);
  root.querySelector(".notes").replaceChildren(...data.notes.map((text) => make("div", {}, null, text)));
  root.dataset.serial = String(data.serial);
  age(state, false);
  if (state.waits) { void root.offsetWidth; age(state, true); }
  clearTimeout(state.again);
  if (data.pending) state.again = setTimeout(() => ask(state, { tick: true }), AGAIN_MS);
  clearTimeout(state.pause);
  state.pause = setTimeout(() => { state.busy = false; send(state); }, PAUSE_MS);
}
