"use strict";
// Titles and ids reach the page through textContent alone; data is never markup.
const data = JSON.parse(document.getElementById("data").textContent);
const { items, concepts, starts, users } = data;
const byId = (id) => document.getElementById(id);
const place = new Map(items.row.map((row, i) => [row, i]));  // row of H -> place in `items`

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

const kinds = (i) => (items.categories[i] || []).map((g) => data.category_names[g]).join(", ");

function picture(i) {  // nothing where there is none
  if (!items.picture[i]) return "";
  const image = make("img");
  image.src = "data:image/jpeg;base64," + items.picture[i];
  image.alt = "";  // the title stands beside it
  image.loading = "lazy";
  return image;
}

function tile(row, tag = "span") {
  const i = place.get(row);
  const node = make(tag, "item");
  const name = make("span", "name", items.title[i]);
  node.title = items.title[i];
  if (items.picture[i]) {
    node.append(picture(i), name);
  } else {  // a card of words
    const words = make("span", "blank");
    words.append(name, ...(kinds(i) ? [make("span", "kinds", kinds(i))] : []));
    node.append(words);
  }
  return node;
}

function facts(i) {
  return [kinds(i), items.about[i], concepts[items.concept[i]].name + " (" + Math.round(100 * items.share[i]) + "% sure)", "chosen by " + items.known[i] + " users"].filter(Boolean);
}

function option(value, text) {
  const node = make("option", "", text);
  node.value = value;
  return node;
}

// Concepts
function sign(dot, concept) {
  dot.style.color = concept.colour;
  dot.dataset.shape = concept.shape;
}
document.querySelectorAll(".card").forEach((card, k) => {
  card.style.borderTopColor = concepts[k].colour;
  sign(card.querySelector(".dot"), concepts[k]);
});
if (matchMedia("(max-width: 40rem)").matches) document.querySelectorAll(".card").forEach((card) => { card.open = false; });
document.body.classList.toggle("pictured", items.picture.some(Boolean));
for (const slot of document.querySelectorAll("[data-item]")) slot.replaceWith(tile(Number(slot.dataset.item)));

// The knob
const knob = { start: null, dimension: 0, step: 0 };

concepts.forEach((concept, k) => {
  const group = make("optgroup");
  group.label = concept.name;
  starts.forEach((start, s) => { if (start.item >= 0 && start.component === k) group.append(option(s, items.title[place.get(start.item)])); });
  if (group.children.length) byId("start").append(group);
});
const people = make("optgroup");
people.label = "A user's taste";
starts.forEach((start, s) => { if (start.user >= 0) people.append(option(s, users[start.user].id + " in " + concepts[start.component].name)); });
if (people.children.length) byId("start").append(people);

function describe(turned, here = "") {
  if (!turned.meanings.length) return { low: "lower", high: "higher", text: "coordinate " + turned.dimension, note: "Nothing that is known of the items was seen to change with it." };
  const [rho, low, high] = turned.meanings[0];
  const also = turned.meanings.slice(1).map(([r, l, h]) => "; also " + l + " to " + h + " (" + r.toFixed(2) + ")").join("");
  return { low, high, text: low + " – " + high, note: "From " + low + " to " + high + ": rank correlation " + rho.toFixed(2) + " on average" + here + also + "." };
}

const signed = (x) => (x < 0 ? "\u2212" : "") + Math.abs(x).toFixed(2);

function begin(s) {
  knob.start = starts[s];
  byId("start").value = s;
  const box = byId("knobs");
  box.replaceChildren(box.querySelector("legend"));
  const { knobs } = concepts[knob.start.concept], { order } = knob.start;
  for (const j of order) {
    const label = make("label");
    const radio = make("input");
    Object.assign(radio, { type: "radio", name: "knob", value: j, checked: j === order[0] });
    radio.addEventListener("change", () => turn(j));
    label.append(radio, " " + describe(knobs[j]).text);
    box.append(label);
  }
  turn(order[0]);
}

function turn(j) {
  knob.dimension = j;
  const turned = concepts[knob.start.concept].knobs[j], path = knob.start.turns[j];
  const words = describe(turned, ", " + signed(path.rho) + " from this start");
  byId("low").textContent = words.low;
  byId("high").textContent = words.high;
  byId("knob-label").textContent = "Coordinate " + turned.dimension + " in " + concepts[knob.start.concept].name + ". " + words.note;
  byId("slider").max = path.items.length - 1;
  byId("strip").replaceChildren(...path.items.map((row, t) => {
    const button = tile(row, "button");
    button.type = "button";
    button.append(make("span", "value", path.values[t]));
    button.addEventListener("click", () => step(t));
    return button;
  }));
  step(Math.min(path.at, path.items.length - 1));
}

function step(t) {
  knob.step = t;
  const slider = byId("slider");
  const path = knob.start.turns[knob.dimension];
  const i = place.get(path.items[t]);
  slider.value = t;
  slider.setAttribute("aria-valuetext", "step " + (t + 1) + " of " + path.items.length + ": " + items.title[i] + ", " + path.values[t]);
  const text = make("div");
  const where = path.items[t] === knob.start.item ? "this is where you started" : t === path.at ? "the starting point lies here" : t < path.at ? "turned down" : "turned up";
  text.append(make("strong", "", items.title[i]), ...facts(i).map((line) => make("div", "", line)),
    make("div", "value", path.values[t] + "; coordinate " + signed(path.coordinates[t])), make("div", "quiet", "Step " + (t + 1) + " of " + path.items.length + ", " + where));
  const from = make("div");
  from.id = "from";
  from.append(make("span", "quiet", "Start"), knob.start.item >= 0 ? tile(knob.start.item) : make("p", "", users[knob.start.user].id + ", taste in " + concepts[knob.start.component].name));
  byId("current").replaceChildren(picture(i), text, from);
  [...byId("strip").children].forEach((button, at) => button.setAttribute("aria-pressed", String(at === t)));
  byId("said").textContent = items.title[i];
  draw();
}

byId("start").addEventListener("change", (event) => begin(Number(event.target.value)));
byId("slider").addEventListener("input", (event) => step(Number(event.target.value)));

// The map
const canvas = byId("canvas");
const view = { x: 500, y: 500, zoom: 1, chosen: -1, category: -1, found: new Set() };
const used = new Set(items.categories.flat());
data.category_names.forEach((name, g) => { if (used.has(g)) byId("colour").append(option(g, "by " + name)); });

const colour = (i) => view.category < 0 ? concepts[items.concept[i]].colour : items.categories[i].includes(view.category) ? "#D55E00" : "#9aa0a666";

function at(i) {  // place on the canvas in CSS pixels
  const side = Math.min(canvas.clientWidth, canvas.clientHeight) - 24;
  const wide = (canvas.clientWidth - 24) / 1000 * view.zoom, high = (canvas.clientHeight - 24) / 1000 * view.zoom;
  return [canvas.clientWidth / 2 + (items.x[i] - view.x) * (side > 0 ? wide : 0), canvas.clientHeight / 2 + (view.y - items.y[i]) * high];
}

let waiting = false;
function draw() {  // once a frame, however often it is asked for
  if (!waiting) requestAnimationFrame(paint);
  waiting = true;
}

function paint() {
  waiting = false;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  const radius = (items.row.length > 2500 ? 2 : 3) * Math.sqrt(view.zoom);
  const ink = getComputedStyle(document.body).color;
  const disc = (i, size, fill) => {
    const [x, y] = at(i), shape = view.category < 0 ? concepts[items.concept[i]].shape : 0, corners = [0, 3, 4, 4][shape], r = size * 1.3;
    const turned = shape === 2 ? Math.PI / 4 : 0;  // a square is a diamond turned
    pen.beginPath();
    if (!corners) pen.arc(x, y, size, 0, 7);
    for (let c = 0; c < corners; c++) pen.lineTo(x + r * Math.sin(turned + 2 * Math.PI * c / corners), y - r * Math.cos(turned + 2 * Math.PI * c / corners));
    pen.fillStyle = fill === "currentColor" ? ink : fill;
    pen.fill();
  };
  pen.globalAlpha = view.found.size ? 0.25 : 0.85;
  items.row.forEach((_, i) => disc(i, radius, colour(i)));
  pen.globalAlpha = 1;
  for (const i of view.found) disc(i, radius + 2, colour(i));
  if (knob.start) {
    const path = knob.start.turns[knob.dimension].items.map((row) => place.get(row));
    pen.strokeStyle = ink;
    pen.lineWidth = 1;
    pen.setLineDash([4, 4]);
    pen.beginPath();
    path.forEach((i) => pen.lineTo(...at(i)));
    pen.stroke();
    pen.setLineDash([]);
    disc(path[knob.step], radius + 3, ink);
    disc(path[knob.step], radius + 1, colour(path[knob.step]));
  }
  if (view.chosen >= 0) {
    pen.beginPath();
    pen.arc(...at(view.chosen), radius + 5, 0, 7);
    pen.strokeStyle = ink;
    pen.lineWidth = 2;
    pen.stroke();
  }
}

function choose(i) {
  if (i < 0 || i === view.chosen) return;
  view.chosen = i;
  const text = make("div");
  text.append(make("strong", "", items.title[i]), ...facts(i).map((line) => make("div", "quiet", line)));
  const s = starts.findIndex((start) => start.item === items.row[i]);
  if (s >= 0) {
    const button = make("button", "", "Turn the knob from here");
    button.type = "button";
    button.addEventListener("click", () => go(s));
    text.append(button);
  }
  byId("about").replaceChildren(picture(i), text);
  draw();
}

function go(s) {
  begin(s);
  byId("turn").scrollIntoView();
  byId("slider").focus({ preventScroll: true });
}

function nearest(x, y, reach) {
  let best = -1, least = reach * reach;
  items.row.forEach((_, i) => {
    const [px, py] = at(i);
    const far = (px - x) ** 2 + (py - y) ** 2;
    if (far < least) [best, least] = [i, far];
  });
  return best;
}

function walk(dx, dy) {  // to the nearest item in a quarter of the plane
  if (view.chosen < 0) return choose(nearest(canvas.clientWidth / 2, canvas.clientHeight / 2, Infinity));
  const [x, y] = at(view.chosen);
  let best = -1, least = Infinity;
  items.row.forEach((_, i) => {
    const [px, py] = at(i);
    const along = (px - x) * dx + (py - y) * dy, across = Math.abs((px - x) * dy + (py - y) * dx);
    const far = along * along + across * across;
    if (i !== view.chosen && along > 0 && across <= along && far < least) [best, least] = [i, far];
  });
  choose(best);
  show(view.chosen);
}

function show(i) {  // move the view if the item has left it
  const [x, y] = at(i);
  if (x < 0 || y < 0 || x > canvas.clientWidth || y > canvas.clientHeight) Object.assign(view, { x: items.x[i], y: items.y[i] });
  draw();
}

function zoom(factor) {
  view.zoom = Math.min(16, Math.max(1, view.zoom * factor));
  const [x, y] = view.zoom === 1 ? [500, 500] : view.chosen >= 0 ? [items.x[view.chosen], items.y[view.chosen]] : [view.x, view.y];
  Object.assign(view, { x, y });
  draw();
}

const pointed = (event) => { const box = canvas.getBoundingClientRect(); choose(nearest(event.clientX - box.left, event.clientY - box.top, 24)); };
canvas.addEventListener("pointermove", pointed);
canvas.addEventListener("pointerdown", pointed);
canvas.addEventListener("keydown", (event) => {
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const s = view.chosen < 0 ? -1 : starts.findIndex((start) => start.item === items.row[view.chosen]);
  if (ways[event.key]) walk(...ways[event.key]);
  else if (event.key === "+" || event.key === "=") zoom(1.5);
  else if (event.key === "-") zoom(1 / 1.5);
  else if (event.key === "Enter" && s >= 0) go(s);
  else return;
  event.preventDefault();
});
byId("in").addEventListener("click", () => zoom(1.5));
byId("out").addEventListener("click", () => zoom(1 / 1.5));
byId("colour").addEventListener("change", (event) => { view.category = Number(event.target.value); legend(); draw(); });
byId("find").addEventListener("input", (event) => {
  const text = event.target.value.trim().toLowerCase();
  view.found = new Set(text ? items.row.map((_, i) => i).filter((i) => items.title[i].toLowerCase().includes(text)) : []);
  const first = [...view.found].sort((i, j) => items.known[j] - items.known[i])[0];
  if (first !== undefined) { choose(first); show(first); }
  draw();
});
new ResizeObserver(draw).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

function legend() {
  const named = (name, colour) => ({ name, colour, such: "", shape: 0 });
  const entries = view.category < 0 ? concepts : [named(data.category_names[view.category], "#D55E00"), named("other", "#9aa0a6")];
  byId("legend").replaceChildren(...entries.map((one) => {
    const entry = make("span"), dot = make("span", "dot");
    sign(dot, one);
    entry.append(dot, one.name);
    entry.title = one.such;
    return entry;
  }));
}

// People
users.forEach((user, u) => byId("user").append(option(u, user.id)));

function meet(u) {
  const user = users[u];
  byId("bars").replaceChildren(...user.confidence.flatMap((share, k) => {
    const bar = make("i"), value = make("dd");
    bar.style.width = 80 * share + "%";
    bar.style.background = concepts[k].colour;
    value.append(bar, Math.round(100 * share) + "%");
    const name = make("dt", "", concepts[k].name);
    if (concepts[k].such) name.append(make("div", "quiet such", "such as " + concepts[k].such));
    return [name, value];
  }));
  byId("has").replaceChildren(...user.has.map((row) => tile(row)));
  byId("recommended").replaceChildren(...user.recommended.map(([row, hit]) => {
    const node = tile(row);
    if (hit) node.classList.add("hit");
    return node;
  }));
  const hits = user.recommended.filter(([, hit]) => hit).length;
  byId("hits").textContent = hits + " of these " + user.recommended.length + " are among the " + user.hidden + " items hidden from the model; it saw " + user.count + ".";
  const s = starts.findIndex((start) => start.user === u);
  byId("turn-user").disabled = s < 0;
  byId("turn-user").onclick = () => go(s);
}
if (users.length) byId("user").addEventListener("change", (event) => meet(Number(event.target.value)));

legend();
if (users.length) meet(0);
if (starts.length) begin(data.first);
draw();
