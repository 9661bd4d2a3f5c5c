"use strict";
// Figures that one can touch, without a kernel and without a network. A figure is defined once:
//
//   touch.define(name, {
//     title, state,                what is shown first; every control is a name in `state`
//     controls: [{ name, label, low, high, step, log, choices, say }],
//     compute(state) -> values,    the formulas, tested against macrid (tests/test_touch.py)
//     panels: [{ height, draw(state, values, isNarrow) -> SVG in 320 x height }],
//     drag: { handle: (state, x, y, isNarrow) },   what pulling a handle changes
//     tell(state, values) -> text  what is to be seen
//   })
//
// Panels stand side by side where there is room, else one below the other. Each handle also has a control, which
// works by keyboard. `touch.still(name)` is the picture for where nothing runs.
var touch = window.touch || (() => {
  const WIDTH = 320;
  const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"];  // Okabe and Ito's
  const INK = "#333333", GREY = "#999999";
  const figures = {};

  // formulas that several figures share
  const dot = (a, b) => a.reduce((sum, value, j) => sum + value * b[j], 0);
  const unit = (a) => { const length = Math.sqrt(dot(a, a)); return a.map((value) => value / length); };
  const sum = (a) => a.reduce((total, value) => total + value, 0);
  function softmax(s) {
    const top = Math.max(...s), e = s.map((value) => Math.exp(value - top)), total = sum(e);
    return e.map((value) => value / total);
  }
  const onCircle = (degrees) => [Math.cos(degrees * Math.PI / 180), Math.sin(degrees * Math.PI / 180)];
  function random(seed) {  // uniform in (0, 1): Mulberry32
    return () => {
      seed = (seed + 0x6D2B79F5) | 0;
      let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
    };
  }

  // SVG as text
  const escape = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const attributes = (look) => Object.entries(look).map(([name, value]) => ` ${name}="${typeof value === "number" ? +value.toFixed(2) : value}"`).join("");
  const element = (tag, look, inside = "") => `<${tag}${attributes(look)}>${inside}</${tag}>`;
  const text = (x, y, words, look = {}) => element("text", { x, y, fill: INK, "font-size": 13, ...look }, escape(words));
  const line = (x1, y1, x2, y2, look = {}) => element("line", { x1, y1, x2, y2, stroke: INK, ...look });
  const rect = (x, y, width, height, look = {}) => element("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height), ...look });
  function mark(shape, x, y, r, look = {}) {  // as concepts have them: disc, square, triangle
    if (shape === 1) return rect(x - r * 0.89, y - r * 0.89, r * 1.78, r * 1.78, look);
    if (shape === 2) return element("path", { d: `M${x} ${y - 1.2 * r}l${1.15 * r} ${2 * r}h${-2.3 * r}z`, ...look });
    return element("circle", { cx: x, cy: y, r, ...look });
  }
  const path = (points, look = {}) => element("path", { d: "M" + points.map(([x, y]) => `${+x.toFixed(2)} ${+y.toFixed(2)}`).join("L"), fill: "none", stroke: INK, ...look });
  function arrow(x1, y1, x2, y2, colour) {
    const along = Math.atan2(y2 - y1, x2 - x1), at = (turn) => `${(x2 - 11 * Math.cos(along + turn)).toFixed(2)} ${(y2 - 11 * Math.sin(along + turn)).toFixed(2)}`;
    return line(x1, y1, x2, y2, { stroke: colour, "stroke-width": 3 }) + element("path", { d: `M${x2.toFixed(2)} ${y2.toFixed(2)}L${at(0.45)}L${at(-0.45)}z`, fill: colour });
  }
  const handle = (name, x, y, colour) => element("g", { "data-handle": name, style: "cursor:grab;touch-action:none" },
    element("circle", { cx: x, cy: y, r: 22, fill: "transparent" }) + element("circle", { cx: x, cy: y, r: 9, fill: "white", stroke: colour, "stroke-width": 3 }));
  const number = (value, digits = 2) => (value < 0 && Number(value.toFixed(digits)) !== 0 ? "−" : "") + Math.abs(value).toFixed(digits);

  function drawing(figure, state, isNarrow) {
    const values = figure.compute(state);
    let x = 0, y = 0, right = 0, bottom = 0, inside = "";
    figure.panels.forEach((panel, place) => {
      const width = (panel.widths || [WIDTH, WIDTH])[Number(isNarrow)];
      if (isNarrow && place) { x = 0; y = bottom + 12; }
      inside += element("g", { transform: `translate(${x},${y})`, "data-panel": place }, panel.draw(state, values, isNarrow));
      right = Math.max(right, x + width);
      bottom = Math.max(bottom, y + panel.height);
      x += width + 20;
    });
    const look = { xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${right} ${bottom}`, "font-family": "sans-serif", role: "img", "aria-label": escape(figure.title).replace(/"/g, "&quot;") };
    return { svg: element("svg", look, rect(0, 0, right, bottom, { fill: "white" }) + inside), values, width: right };
  }

  const still = (name) => drawing(figures[name], { ...figures[name].state }, false).svg.replace(/ data-(handle|panel)="[^"]*"/g, "");

  function make(tag, className, words) {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (words !== undefined) node.textContent = words;
    return node;
  }

  function mount(place) {
    const figure = figures[place.dataset.touch];
    if (!figure || place.dataset.alive) return;
    place.dataset.alive = "yes";
    const state = { ...figure.state }, inputs = {};
    let isNarrow = null;
    const picture = make("div", "touch-picture"), controls = make("div", "touch-controls"), told = make("figcaption", "touch-told");
    told.setAttribute("aria-live", "polite");
    place.replaceChildren(make("strong", "touch-title", figure.title), picture, controls, told);

    function show() {
      const { svg, values } = drawing(figure, state, isNarrow);
      picture.innerHTML = svg;
      told.textContent = figure.tell(state, values);
      for (const control of figure.controls) {
        const { input, output } = inputs[control.name];
        const value = control.log ? Math.log10(state[control.name]) : state[control.name];
        if (input.type === "checkbox") input.checked = value; else input.value = value;
        const words = control.say ? control.say(state[control.name], state) : "";
        if (output) output.textContent = words;
        if (input.type === "range") input.setAttribute("aria-valuetext", words);
      }
    }

    for (const control of figure.controls) {
      const label = make("label"), name = make("span", "", control.label);
      const input = make(control.choices ? "select" : "input");
      const output = control.choices || control.toggle ? null : make("output");
      if (control.choices) for (const [value, words] of control.choices) input.append(new Option(words, value));
      else if (control.toggle) input.type = "checkbox";
      else Object.assign(input, { type: "range", step: control.step, min: control.log ? Math.log10(control.low) : control.low, max: control.log ? Math.log10(control.high) : control.high });
      input.name = control.name;
      input.addEventListener("input", () => {
        const value = control.toggle ? input.checked : control.choices && isNaN(input.value) ? input.value : Number(input.value);
        state[control.name] = control.log ? 10 ** value : value;
        if (control.then) control.then(state);
        show();
      });
      label.append(name, input, ...(output ? [output] : []));
      controls.append(label);
      inputs[control.name] = { input, output };
    }

    let held = null;  // the handle that the pointer pulls: its name and its panel
    const pull = (event) => {
      const svg = picture.firstChild, frame = svg.querySelector(`[data-panel="${held.panel}"]`).getScreenCTM();
      const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(frame.inverse());
      figure.drag[held.name](state, point.x, point.y, isNarrow);
      show();
    };
    picture.addEventListener("pointerdown", (event) => {
      const grip = event.target.closest("[data-handle]");
      if (!grip) return;
      held = { name: grip.dataset.handle, panel: grip.closest("[data-panel]").dataset.panel };
      picture.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    picture.addEventListener("pointermove", (event) => { if (held) pull(event); });
    for (const end of ["pointerup", "pointercancel"]) picture.addEventListener(end, () => { held = null; });
    picture.addEventListener("touchstart", (event) => { if (event.target.closest("[data-handle]")) event.preventDefault(); }, { passive: false });
    new ResizeObserver(() => { if (isNarrow !== (isNarrow = place.clientWidth < 560)) show(); }).observe(place);  // it calls at once
  }

  const STYLE = `figure.touch.touch { width: auto; box-sizing: border-box; text-align: left; margin: 1em 0; border: 1px solid #dddddd; border-radius: .5em; padding: .8em; max-width: 46em; background: white; color: ${INK}; font: 15px/1.4 sans-serif; display: block; }
.touch svg { width: 100%; height: auto; display: block; }
.touch-title { display: block; margin-bottom: .4em; }
.touch-controls { display: grid; grid-template-columns: repeat(auto-fit, minmax(15em, 1fr)); gap: .2em 1.2em; margin: .6em 0; }
.touch-controls label { display: flex; align-items: center; gap: .6em; min-height: 2.2em; }
.touch-controls span { flex: none; }
.touch-controls input[type=range] { flex: 1; min-width: 5em; height: 2em; accent-color: ${COLOURS[0]}; }
.touch-controls input[type=checkbox] { width: 1.3em; height: 1.3em; }
.touch-controls select { font: inherit; max-width: 100%; min-width: 0; border: 1px solid ${GREY}; border-radius: .3em; padding: .2em; appearance: auto; background: white; color: ${INK}; }
.touch-controls output { flex: none; min-width: 4em; text-align: right; font-variant-numeric: tabular-nums; }
.touch figcaption.touch-told.touch-told { font-size: 14px; min-height: 4.2em; margin: 0; max-width: none; text-align: left; font-style: normal; }`;

  function mountAll() {
    if (!document.getElementById("touch-style")) {
      const style = make("style");
      style.id = "touch-style";
      style.textContent = STYLE;
      document.head.append(style);
    }
    document.querySelectorAll("[data-touch]").forEach(mount);
  }

  return { define: (name, figure) => { figures[name] = figure; }, figures, still, mountAll, WIDTH, COLOURS, INK, GREY,
    dot, unit, sum, softmax, onCircle, random, element, text, line, rect, mark, path, arrow, handle, number };
})();
window.touch = touch;
