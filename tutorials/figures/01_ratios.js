"use strict";
(() => {  // equations (7) and (8) on a circle: items of a concept are deaf to the other taste
  const { COLOURS, INK, GREY, dot, sum, onCircle, text, line, rect, mark, arrow, handle, number, element } = touch;
  const ANGLES = [10, 60, 100, 150, 190, 240, 280, 330], CONCEPT = [0, 0, 1, 0, 1, 1, 0, 1], ORDER = [0, 1, 3, 6, 2, 4, 5, 7];
  const CENTRE = 160, RADIUS = 112;
  const degrees = (x, y) => Math.round((Math.atan2(CENTRE - y, x - CENTRE) * 180 / Math.PI + 360) % 360);

  function compute({ z1, z2, tau }) {
    const tastes = [onCircle(z1), onCircle(z2)];
    const P = ANGLES.map((angle, i) => Math.exp(dot(tastes[CONCEPT[i]], onCircle(angle)) / tau));  // (7), c one-hot
    const p = P.map((value) => value / sum(P));
    const first = [0, 2];  // of each concept
    return { p, ratios: p.map((value, i) => value / p[first[CONCEPT[i]]]), shares: [0, 1].map((k) => sum(p.filter((_, i) => CONCEPT[i] === k))) };
  }

  function circle(state, { p }) {
    let inside = element("circle", { cx: CENTRE, cy: CENTRE, r: RADIUS, fill: "none", stroke: GREY });
    ANGLES.forEach((angle, i) => {
      const [x, y] = onCircle(angle), r = 4 + 26 * Math.sqrt(p[i]);
      inside += mark(CONCEPT[i], CENTRE + RADIUS * x, CENTRE - RADIUS * y, r, { fill: COLOURS[CONCEPT[i]] });
      inside += text(CENTRE + 146 * x, CENTRE - 146 * y + 5, i, { "text-anchor": "middle" });
    });
    ["z1", "z2"].forEach((name, k) => {
      const [x, y] = onCircle(state[name]), at = (r) => [CENTRE + r * x, CENTRE - r * y];
      inside += arrow(CENTRE, CENTRE, ...at(62), COLOURS[k]) + handle(name, ...at(72), COLOURS[k]);
      inside += text(CENTRE + 36 * x - 16 * y, CENTRE - 36 * y - 16 * x + 5, name[0] + (k ? "⁽²⁾" : "⁽¹⁾"), { fill: INK, "text-anchor": "middle", "font-weight": "bold" });
    });
    return inside;
  }

  function bars(_, { p, ratios }) {
    let inside = text(0, 16, "probability of each item") + line(0, 230, 320, 230, { stroke: GREY });
    ORDER.forEach((i, place) => {
      const x = 4 + 40 * place, high = 195 * p[i] / Math.max(...p, 0.5), k = CONCEPT[i];
      inside += rect(x, 230 - high, 32, high, { fill: COLOURS[k] }) + text(x + 16, 226 - high, number(p[i]), { "text-anchor": "middle", "font-size": 12 });
      inside += text(x + 16, 246, i, { "text-anchor": "middle" });
      inside += text(x + 16, 288, number(ratios[i], ratios[i] < 10 ? 2 : 1), { "text-anchor": "middle", "font-weight": "bold", "font-size": 12 });
    });
    inside += text(80, 270, "ratio to item 0", { "text-anchor": "middle" }) + text(240, 270, "ratio to item 2", { "text-anchor": "middle" });
    return inside + line(160, 30, 160, 292, { stroke: GREY, "stroke-dasharray": "4 4" }) + text(80, 310, "concept 1", { "text-anchor": "middle" }) + text(240, 310, "concept 2", { "text-anchor": "middle" });
  }

  const turn = (name) => (state, x, y) => { state[name] = degrees(x, y); };
  const angle = (name, label) => ({ name, label, low: 0, high: 359, step: 1, say: (value) => value + "°" });
  touch.define("01_ratios", {
    title: "Turn one taste: the ratios within the other concept stay",
    state: { z1: 40, z2: 220, tau: 0.5 },
    controls: [angle("z1", "z⁽¹⁾"), angle("z2", "z⁽²⁾"), { name: "tau", label: "τ", low: 0.1, high: 2, step: 0.01, log: true, say: (value) => number(value) }],
    compute,
    panels: [{ height: 320, draw: circle }, { height: 320, draw: bars }],
    drag: { z1: turn("z1"), z2: turn("z2") },
    tell: (_, { shares }) => `Pull an arrow. Turning z⁽²⁾ deals the items of concept 2 (squares) anew; those of concept 1 (discs) lose or gain by one common factor, and the bold numbers below them do not move. Concept 1 has ${number(100 * shares[0], 0)}% of the probability now.`,
  });
})();
