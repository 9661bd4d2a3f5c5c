"use strict";
(() => {  // equation (4), counted on a grid: what a rotation of the means and noise do to the parts of the KL term
  const { COLOURS, INK, GREY, sum, onCircle, element, text, line, rect, mark, handle, number } = touch;
  const EXTENT = 4, CELLS = 129, WIDTH = 2 * EXTENT / (CELLS - 1), SIDE = [...Array(CELLS).keys()].map((i) => -EXTENT + WIDTH * i);
  const CENTRE = 160, SCALE = 66;  // pixels a unit
  const normal = (x, mean, sigma) => Math.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * Math.sqrt(2 * Math.PI));
  const entropyOf = (p, width) => -sum(p.map((value) => (value > 1e-300 ? value * Math.log(value / width) : 0)));

  function compute({ users, turn, ratio, sigma0 }) {
    const sigma = ratio * sigma0, means = [...Array(users).keys()].map((u) => onCircle(turn + 360 * u / users));
    const columns = means.map(([x]) => SIDE.map((value) => normal(value, x, sigma) * WIDTH));
    const rows = means.map(([, y]) => SIDE.map((value) => normal(value, y, sigma) * WIDTH));
    const q = SIDE.map((_, i) => SIDE.map((_, j) => sum(means.map((_, u) => columns[u][i] * rows[u][j])) / users));
    const marginals = [q.map(sum), SIDE.map((_, j) => sum(q.map((row) => row[j])))];
    const together = entropyOf(q.flat(), WIDTH * WIDTH), [first, second] = marginals.map((p) => entropyOf(p, WIDTH));
    const own = Math.log(2 * Math.PI * Math.E * sigma * sigma);  // the entropy of one user's cloud
    const kl = Math.log(sigma0 / sigma) * 2 - 1 + (2 * sigma * sigma + 1) / (2 * sigma0 * sigma0);  // closed form, |mu| = 1
    const I = together - own, TC = first + second - together;
    return { means, q, I, TC, each: kl - I - TC, kl };
  }

  function plane({ turn, sigma0 }, { means, q }) {
    const most = Math.max(...q.flat()), step = WIDTH * SCALE;
    let inside = "";
    q.forEach((row, i) => row.forEach((value, j) => {  // two cells are one square, so that the picture stays small
      if (i % 2 || j % 2 || value < 0.03 * most) return;
      const [x, y] = [CENTRE + SCALE * SIDE[i], CENTRE - SCALE * SIDE[j]];
      if (Math.abs(x - CENTRE) < 150 && Math.abs(y - CENTRE) < 150) inside += rect(x - step, y - step, 2 * step + 0.4, 2 * step + 0.4, { fill: COLOURS[0], "fill-opacity": Math.round(75 * value / most) / 100 });
    }));
    inside += line(10, CENTRE, 310, CENTRE, { stroke: GREY }) + line(CENTRE, 10, CENTRE, 310, { stroke: GREY });
    inside += text(308, CENTRE + 16, "z₁", { "text-anchor": "end" }) + text(CENTRE + 6, 20, "z₂");
    inside += element("circle", { cx: CENTRE, cy: CENTRE, r: SCALE * sigma0, fill: "none", stroke: COLOURS[1], "stroke-width": 2, "stroke-dasharray": "6 4" });
    for (const [x, y] of means) inside += mark(0, CENTRE + SCALE * x, CENTRE - SCALE * y, 4, { fill: COLOURS[5] });
    const [x, y] = onCircle(turn);
    return inside + line(CENTRE + SCALE * x, CENTRE - SCALE * y, CENTRE + 1.7 * SCALE * x, CENTRE - 1.7 * SCALE * y, { stroke: COLOURS[5] }) + handle("turn", CENTRE + 1.7 * SCALE * x, CENTRE - 1.7 * SCALE * y, COLOURS[5]);
  }

  function bars(_, { I, TC, each, kl }) {
    const rows = [["I: who it is", I, COLOURS[0]], ["TC: z₁ tells of z₂", TC, COLOURS[5]], ["each: one axis against the prior", each, COLOURS[1]], ["KL, the sum: all that is trained", kl, INK]];
    return text(0, 16, "nats") + rows.map(([name, value, colour], place) => {
      const y = 36 + 70 * place;
      return text(0, y + 12, name) + rect(0, y + 20, 52 * value, 22, { fill: colour }) + text(52 * value + 6, y + 36, number(value, 3), { "font-weight": "bold" });
    }).join("");
  }

  touch.define("04_means", {
    title: "Rotate the means: TC moves, the KL does not",
    state: { users: 6, turn: 15, ratio: 0.3, sigma0: 0.6 },
    controls: [
      { name: "turn", label: "rotation", low: 0, high: 90, step: 1, say: (value) => value + "°" },
      { name: "ratio", label: "σ / σ₀", low: 0.2, high: 1.2, step: 0.02, say: (value) => number(value) },
      { name: "users", label: "users", choices: [[6, "six, a hexagon"], [4, "four, a square"], [3, "three"], [2, "two"]] },
    ],
    compute,
    panels: [{ height: 320, draw: plane }, { height: 320, draw: bars }],
    drag: { turn: (state, x, y) => { state.turn = Math.round(((Math.atan2(CENTRE - y, x - CENTRE) * 180 / Math.PI) % 90 + 90) % 90); } },
    tell: ({ users, ratio }, { TC, kl }) => `Rotate: TC and “each” trade with one another, and the KL, ${number(kl, 2)}, stays: neither noise nor prior knows an axis. Add noise (σ / σ₀): TC falls, whatever the means are.`
      + (users === 4 && TC < 0.02 ? " With means at the corners of a square, TC is 0 without any more noise." : ratio > 0.95 ? " At σ = σ₀ the KL is least, 1 / (2σ₀²)." : ""),
  });
})();
