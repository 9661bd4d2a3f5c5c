"use strict";
(() => {  // Gumbel-Softmax, line 15 of Algorithm 1: the same noise at every temperature
  const { COLOURS, INK, GREY, softmax, random, element, text, line, rect, mark, handle, number } = touch;
  const SAMPLES = 400, CORNERS = [[20, 285], [300, 285], [160, 42]];
  const uniform = random(5), NOISE = [...Array(SAMPLES)].map(() => [0, 1, 2].map(() => -Math.log(-Math.log(uniform()))));
  const place = (c) => [0, 1].map((axis) => c[0] * CORNERS[0][axis] + c[1] * CORNERS[1][axis] + c[2] * CORNERS[2][axis]);
  const largest = (c) => c.indexOf(Math.max(...c));

  function compute({ s1, s2, s3, temperature }, noise = NOISE) {
    const s = [s1, s2, s3], samples = noise.map((g) => softmax(s.map((value, k) => (value + g[k]) / temperature)));
    const winners = noise.map((g) => largest(s.map((value, k) => value + g[k])));
    return { samples, winners, p: softmax(s), won: [0, 1, 2].map((k) => winners.filter((w) => w === k).length / noise.length),
      mean: [0, 1, 2].map((k) => touch.sum(samples.map((c) => c[k])) / noise.length) };
  }

  function simplex(_, { samples, winners, p }) {
    const outline = element("path", { d: "M" + CORNERS.map((corner) => corner.join(" ")).join("L") + "z", fill: "none", stroke: GREY });
    const points = samples.map((c, n) => mark(winners[n], ...place(c), 3.2, { fill: COLOURS[winners[n]], "fill-opacity": 0.55 })).join("");
    const names = CORNERS.map(([x, y], k) => text(x, k < 2 ? y + 20 : y - 12, "k = " + (k + 1), { "text-anchor": ["start", "end", "middle"][k] })).join("");
    return outline + points + names + handle("p", ...place(p), INK);
  }

  function bars(_, { p, won, mean }) {
    let inside = text(0, 16, "share of each concept") + line(0, 250, 320, 250, { stroke: GREY });
    const kinds = [["softmax(s)", p, 0.35], ["samples won", won, 0.7], ["mean of c", mean, 1]];
    [0, 1, 2].forEach((k) => kinds.forEach(([, values, opacity], kind) => {
      const x = 6 + 108 * k + 31 * kind, high = 190 * values[k];
      inside += rect(x, 250 - high, 26, high, { fill: COLOURS[k], "fill-opacity": opacity, stroke: COLOURS[k] });
      inside += text(x + 13, 245 - high, number(values[k]).slice(1), { "text-anchor": "middle", "font-size": 12 });
      inside += text(x + 13, 266, "abc"[kind], { "text-anchor": "middle", "font-size": 12 });
    }));
    [0, 1, 2].forEach((k) => { inside += text(50 + 108 * k, 286, "k = " + (k + 1), { "text-anchor": "middle" }); });
    return inside + text(0, 310, "a: softmax(s)   b: samples won   c: mean of c");
  }

  const logit = (k) => ({ name: "s" + k, label: "s" + "₁₂₃"[k - 1], low: -3, high: 3, step: 0.1, say: (value) => number(value, 1) });
  touch.define("05_simplex", {
    title: "Cold samples sit in the corners, hot ones in the middle",
    state: { s1: 0.8, s2: 0, s3: 0.3, temperature: 0.5 },
    controls: [{ name: "temperature", label: "Gumbel temperature", low: 0.05, high: 5, step: 0.01, log: true, say: (value) => number(value) }, logit(1), logit(2), logit(3)],
    compute,
    panels: [{ height: 320, draw: simplex }, { height: 320, draw: bars }],
    drag: {
      p: (state, x, y) => {  // a point of the triangle: the softmax is there
        const third = Math.min(0.94, Math.max(0.02, (285 - y) / 243)), second = Math.min(0.96 - third, Math.max(0.02, (x - 20 - 140 * third) / 280));
        const p = [1 - second - third, second, third].map((value) => Math.max(0.02, value)), mean = touch.sum(p.map(Math.log)) / 3;
        p.forEach((value, k) => { state["s" + (k + 1)] = Math.min(3, Math.max(-3, Math.round(10 * (Math.log(value) - mean)) / 10)); });
      },
    },
    tell: ({ temperature }, { p, mean }) => `A point is one sample c; its colour and shape tell who wins, and no temperature changes that. The white handle is softmax(s): pull it. `
      + `At ${number(temperature)} the mean of the samples is off softmax(s) by up to ${number(Math.max(...p.map((value, k) => Math.abs(value - mean[k]))))}: relaxed samples lean towards the middle.`,
  });
})();
