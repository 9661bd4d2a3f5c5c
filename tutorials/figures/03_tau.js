"use strict";
(() => {  // equation (8): how sure the temperature lets the model be
  const { COLOURS, INK, GREY, dot, sum, onCircle, text, line, rect, mark, path, arrow, handle, number, element } = touch;
  const ANGLES = [...Array(24).keys()].map((i) => 15 * i), CENTRE = 160, RADIUS = 112;
  const LOW = 0.03, HIGH = 1, across = (tau) => 40 + 260 * Math.log(tau / LOW) / Math.log(HIGH / LOW);
  const up = (p) => 250 - 215 * p;
  const largest = (tau, M) => 1 / (1 + (M - 1) * Math.exp(-2 / tau));  // one item agrees, all others are opposite

  function compute({ z, tau, M }) {
    const taste = onCircle(z), P = ANGLES.map((angle) => Math.exp((dot(taste, onCircle(angle)) - 1) / tau));
    const p = P.map((value) => value / sum(P));
    const entropy = -sum(p.map((value) => (value > 0 ? value * Math.log(value) : 0)));
    return { p, among: Math.exp(entropy), most: largest(tau, M), half: 2 / Math.log(M - 1) };
  }

  function circle({ z }, { p }) {
    let inside = element("circle", { cx: CENTRE, cy: CENTRE, r: RADIUS, fill: "none", stroke: GREY });
    const [zx, zy] = onCircle(z);
    ANGLES.forEach((angle, i) => {
      const [x, y] = onCircle(angle);
      inside += mark(0, CENTRE + RADIUS * x, CENTRE - RADIUS * y, 2.5 + 34 * Math.sqrt(p[i]), { fill: COLOURS[0], "fill-opacity": 0.85 });
    });
    return inside + arrow(CENTRE, CENTRE, CENTRE + 56 * zx, CENTRE - 56 * zy, COLOURS[5]) + handle("z", CENTRE + 66 * zx, CENTRE - 66 * zy, COLOURS[5])
      + text(CENTRE, 314, "24 items; an area is a probability", { "text-anchor": "middle" });
  }

  function curve({ tau, M }, { most, half }) {
    const points = [...Array(121).keys()].map((t) => LOW * (HIGH / LOW) ** (t / 120)).map((value) => [across(value), up(largest(value, M))]);
    let inside = text(0, 16, `largest possible probability, ${M.toLocaleString("en")} items`);
    for (const value of [0, 0.5, 1]) inside += line(40, up(value), 300, up(value), { stroke: "#dddddd" }) + text(34, up(value) + 4, value, { "text-anchor": "end" });
    for (const value of [0.03, 0.1, 0.3, 1]) inside += text(across(value), 270, value, { "text-anchor": "middle" });
    inside += text(170, 292, "temperature τ", { "text-anchor": "middle" }) + path(points, { stroke: COLOURS[0], "stroke-width": 2.5 });
    inside += line(across(half), up(0), across(half), up(0.5), { stroke: INK, "stroke-dasharray": "4 4" });
    return inside + handle("tau", across(tau), up(most), COLOURS[5]);
  }

  touch.define("03_tau", {
    title: "The temperature says how sure the model can be",
    state: { z: 50, tau: 0.3, M: 1500 },
    controls: [
      { name: "tau", label: "τ", low: LOW, high: HIGH, step: 0.01, log: true, say: (value) => number(value, 3) },
      { name: "M", label: "M", low: 10, high: 1e6, step: 0.01, log: true, say: (value) => Math.round(value).toLocaleString("en"), then: (state) => { state.M = Math.round(state.M); } },
      { name: "z", label: "z", low: 0, high: 359, step: 1, say: (value) => value + "°" },
    ],
    compute,
    panels: [{ height: 320, draw: circle }, { height: 320, draw: curve }],
    drag: {
      z: (state, x, y) => { state.z = Math.round((Math.atan2(CENTRE - y, x - CENTRE) * 180 / Math.PI + 360) % 360); },
      tau: (state, x) => { state.tau = Math.min(HIGH, Math.max(LOW, LOW * (HIGH / LOW) ** ((x - 40) / 260))); },
    },
    tell: ({ tau, M }, { among, most, half }) => `At τ = ${number(tau, 3)} she chooses among ${number(among, 1)} of the 24 items (exp of the entropy). In a catalogue of ${M.toLocaleString("en")}, the best imaginable item has at most probability ${most < 0.001 ? most.toExponential(1) : number(most, 3)}; one half needs τ = 2 / ln(M − 1) = ${number(half, 2)} (dashed).`,
  });
})();
