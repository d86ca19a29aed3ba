// Draws what the server blended; sends only where the cursor went. Text is set as text, never as HTML.
const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes, parent, text) {
  const isSvg = ["svg", "path", "text", "line", "g", "rect", "linearGradient", "stop", "defs"].includes(name);
  const element = isSvg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.appendChild(element);
  return element;
}

function opened(data) {
  const bytes = data instanceof Uint8Array ? data : new Uint8Array(data);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let start = 4 + length;
  const pictures = header.sizes.map((size) => bytes.subarray(start, (start += size)));
  return { header, pictures };
}

const path = (flat) => "M" + flat.map((v, n) => (n % 2 ? v : (n ? "L" : "") + v)).join(" ");

function toCursor(state, pane, across, down) {
  const p = pane.given;
  const cursor = [...state.cursor];
  const clamp = (v, low, high) => Math.min(Math.max(v, low), high);
  cursor[p.across] = clamp(across, p.box[0], p.box[0] + p.box[2]);
  cursor[p.down] = p.sign * clamp(down, p.box[1], p.box[1] + p.box[3]);
  return cursor;
}

function placeOf(pane, cursor) {
  const at = cursor[pane.given.through];
  let best = 0;
  pane.given.places.forEach((v, n) => { if (Math.abs(v - at) < Math.abs(pane.given.places[best] - at)) best = n; });
  return best;
}

function say(state, pane) {
  const place = placeOf(pane, state.cursor);
  const p = pane.given;
  const where = `${p.axis} ${p.places[place].toFixed(1)} mm`;
  pane.where.textContent = `${p.title} · ${where}`;
  pane.slider.max = p.places.length - 1;
  pane.slider.value = place;
  pane.slider.setAttribute("aria-valuetext", `${where}, slice ${place + 1} of ${p.places.length}`);
  pane.number.textContent = `${place + 1} / ${p.places.length}`;
}

function crosshair(state, pane) {
  const p = pane.given;
  const h = state.cursor[p.across], t = p.sign * state.cursor[p.down];
  const [x, y, w, d] = p.box, gap = 7 * pane.mm;
  const parts = [[x, t, h - gap, t], [h + gap, t, x + w, t], [h, y, h, t - gap], [h, t + gap, h, y + d]];
  pane.cross.forEach((line, n) => ["x1", "y1", "x2", "y2"].forEach((key, k) => line.setAttribute(key, parts[n >> 1][k])));
}

function lines(pane) {
  const p = pane.given, mm = pane.mm;
  pane.drawn.replaceChildren();
  for (const one of p.outlines) {
    const d = one.lines.map((flat) => path(flat) + (one.closed ? "Z" : "")).join("");
    make("path", { d, fill: "none", stroke: "#000", "stroke-width": 3, "stroke-opacity": 0.55, "vector-effect": "non-scaling-stroke" }, pane.drawn);
    make("path", { d, fill: "none", stroke: one.colour, "stroke-width": 1.6, "stroke-dasharray": one.dash, "vector-effect": "non-scaling-stroke" }, pane.drawn);
  }
  for (const one of p.isodoses) {
    const d = one.lines.map(path).join("");
    make("path", { d, fill: "none", stroke: "#000", "stroke-width": 2.2, "stroke-opacity": 0.5, "vector-effect": "non-scaling-stroke" }, pane.drawn);
    make("path", { d, fill: "none", stroke: "#fff", "stroke-width": 0.9, "vector-effect": "non-scaling-stroke" }, pane.drawn);
  }
  for (const one of p.isodoses) {
    if (!one.label) continue;
    make("text", { x: one.label[0], y: one.label[1], "font-size": 12 * mm, "text-anchor": "middle", "dominant-baseline": "central", fill: "#fff",
      stroke: "#000", "stroke-width": 3 * mm, "paint-order": "stroke", "stroke-linejoin": "round", "font-weight": 600 }, pane.drawn, one.text);
  }
  const [x, y, w, d] = p.box, right = x + w - 4 * mm, low = y + d - 8 * mm;
  make("path", { d: `M${right - 50} ${low - 5 * mm}V${low}H${right}V${low - 5 * mm}`, fill: "none", stroke: "#fff", "stroke-width": 1.5,
    "vector-effect": "non-scaling-stroke" }, pane.drawn);
  make("text", { x: right - 25, y: low - 5 * mm, "font-size": 12 * mm, "text-anchor": "middle", fill: "#fff", stroke: "#000", "stroke-width": 3 * mm,
    "paint-order": "stroke" }, pane.drawn, "5 cm");
}

function fit(state, pane) {
  const [, , w, d] = pane.given.box, width = pane.picture.clientWidth || 1, height = pane.picture.clientHeight || 1;
  pane.mm = Math.max(w / width, d / height);
  lines(pane);
  crosshair(state, pane);
}

function move(state, cursor) {
  state.cursor = cursor;
  state.waits = true;
  for (const pane of Object.values(state.panes)) { say(state, pane); crosshair(state, pane); }
  send(state);
}

function send(state) {
  if (!state.waits || state.busy) return;
  state.waits = false;
  state.busy = true;
  state.move += 1;
  state.trigger("moved", [...state.cursor, state.move]);
  clearTimeout(state.timer);
  state.timer = setTimeout(() => { state.busy = false; send(state); }, 3000);
}

function step(state, pane, steps) {
  const place = Math.min(Math.max(placeOf(pane, state.cursor) + steps, 0), pane.given.places.length - 1);
  const cursor = [...state.cursor];
  cursor[pane.given.through] = pane.given.places[place];
  move(state, cursor);
}

function newPane(state, view) {
  const pane = { mm: 1, rolled: 0 };
  pane.root = make("div", { class: "pane" });
  pane.picture = make("div", { class: "picture", role: "img" }, pane.root);
  pane.canvas = make("canvas", { "aria-hidden": "true" }, pane.picture);
  pane.svg = make("svg", { preserveAspectRatio: "xMidYMid meet", "aria-hidden": "true" }, pane.picture);
  pane.drawn = make("g", {}, pane.svg);
  pane.cross = [0, 1, 2, 3].flatMap(() => [["#000", 2.4, 0.45], ["#ffd54a", 1, 1]].map(([stroke, width, opacity]) =>
    make("line", { stroke, "stroke-width": width, "stroke-opacity": opacity, "vector-effect": "non-scaling-stroke" }, pane.svg)));
  pane.where = make("div", { class: "mark where" }, pane.picture);
  pane.words = make("div", { class: "mark words" }, pane.picture);
  pane.letters = ["left", "right", "top", "bottom"].map((side) => make("div", { class: `mark ${side}` }, pane.picture));
  const label = make("label", { class: "slide" }, pane.root);
  make("span", {}, label, `${view[0].toUpperCase()}${view.slice(1)} slice`);
  pane.slider = make("input", { type: "range", min: 0, step: 1 }, label);
  pane.number = make("span", { "aria-hidden": "true" }, label);
  pane.slider.addEventListener("input", () => step(state, pane, Number(pane.slider.value) - placeOf(pane, state.cursor)));
  pane.picture.addEventListener("wheel", (event) => {
    event.preventDefault();
    pane.rolled += event.deltaY * (event.deltaMode === 1 ? 34 : 1);
    const steps = Math.trunc(pane.rolled / 100);
    if (steps) { pane.rolled -= 100 * steps; step(state, pane, view === "axial" ? -steps : steps); }
  }, { passive: false });
  const point = (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(pane.svg.getScreenCTM().inverse());
    move(state, toCursor(state, pane, at.x, at.y));
  };
  pane.picture.addEventListener("pointerdown", (event) => { pane.picture.setPointerCapture(event.pointerId); pane.slider.focus(); point(event); event.preventDefault(); });
  pane.picture.addEventListener("pointermove", (event) => { if (event.buttons & 1) point(event); });
  new ResizeObserver(() => { if (pane.given) fit(state, pane); }).observe(pane.picture);
  return pane;
}

function legend(root, given) {
  const out = make("div", { class: "legend" });
  if (given.bar) {
    const scale = make("div", { class: "scale" }, out);
    make("div", { class: "title" }, scale, given.bar.title);
    const svg = make("svg", { viewBox: "0 0 360 34", role: "img", "aria-label": given.bar.words }, scale);
    const n = given.bar.colours.length;
    given.bar.colours.forEach((fill, k) => make("rect", { x: (360 * k) / n, y: 0, width: 360 / n + 0.6, height: 14, fill }, svg));
    for (const tick of given.bar.ticks) {
      make("line", { x1: 360 * tick.at, x2: 360 * tick.at, y1: 14, y2: 19, stroke: "#1b1f24" }, svg);
      make("text", { x: 360 * tick.at, y: 31, "font-size": 12, "text-anchor": tick.at < 0.03 ? "start" : tick.at > 0.97 ? "end" : "middle" }, svg, tick.text);
    }
  }
  const notes = make("div", { class: "notes" }, out);
  for (const swatch of given.swatches) {
    const row = make("div", {}, notes);
    make("span", swatch.colour ? { class: "swatch", style: `background:${swatch.colour}` } : { class: "hatch" }, row);
    make("span", {}, row, swatch.text);
  }
  for (const text of given.notes) make("div", {}, notes, text);
  const names = make("div", { class: "names" }, out);
  for (const one of given.names) {
    const item = make("span", {}, names);
    const svg = make("svg", { viewBox: "0 0 34 12", "aria-hidden": "true" }, item);
    make("line", { x1: 2, x2: 32, y1: 6, y2: 6, stroke: one.colour, "stroke-width": 2, "stroke-dasharray": one.dash }, svg);
    make("span", {}, item, one.name);
  }
  root.querySelector(".legend").replaceWith(out);
}

export default function (component) {
  const root = component.parentElement.querySelector(".viewer");
  const state = root.state || (root.state = { panes: {}, cursor: [0, 0, 0], busy: false, waits: false, move: 0, run: 0 });
  state.trigger = component.setTriggerValue;
  const { header, pictures } = opened(component.data);
  const run = (state.run += 1);
  const isNew = header.panes.map((given) => state.panes[given.view]?.given?.stamp !== given.stamp);
  const bitmaps = pictures.map((picture, n) => (isNew[n] ? createImageBitmap(new Blob([picture], { type: "image/png" })) : null));
  Promise.all(bitmaps).then((images) => {
    if (run !== state.run) return;
    if (!state.waits) state.cursor = header.cursor;
    state.move = Math.max(state.move, header.move);
    const holder = root.querySelector(".panes");
    header.panes.forEach((given, n) => {
      let pane = state.panes[given.view];
      if (!pane) { pane = state.panes[given.view] = newPane(state, given.view); holder.appendChild(pane.root); }
      pane.given = given;
      const isLarge = pane.root.classList.contains("large");
      pane.root.classList.toggle("large", given.view === header.large);
      say(state, pane);
      if (!isNew[n]) {
        if (isLarge === (given.view === header.large)) crosshair(state, pane);
        else fit(state, pane);
        return;
      }
      pane.canvas.width = images[n].width;
      pane.canvas.height = images[n].height;
      pane.canvas.getContext("2d").drawImage(images[n], 0, 0);
      const [x, y, w, d] = given.box;
      pane.svg.setAttribute("viewBox", `${x} ${y} ${w} ${d}`);
      pane.picture.setAttribute("aria-label", given.words);
      [given.left, given.right, given.top, given.bottom].forEach((text, k) => { pane.letters[k].textContent = text; });
      pane.words.replaceChildren(...given.marks.map((text, k) => make("div", { class: header.warns && k === 0 ? "warn" : "" }, null, text)));
      fit(state, pane);
    });
    const text = JSON.stringify(header.legend);
    if (text !== state.legend) { state.legend = text; legend(root, header.legend); }
    root.dataset.move = String(header.move);
    root.dataset.run = String(run);
    state.busy = false;
    send(state);
  });
}
