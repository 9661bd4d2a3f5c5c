"use strict";
(() => {  // a gradient check's error against its step, with bugs of notebook 8 planted in the pullbacks
  const { COLOURS, INK, GREY, dot, sum, random, text, line, path, handle, number } = touch;
  const SIGMA0 = 0.3, TAU = 0.5, BETA = 0.5, EPSILON = [0.7, -1.1, 0.4];
  const M = [[0.8, -0.4, 0.5], [-0.3, 0.9, 0.2], [0.1, 0.6, -0.8], [-0.7, -0.2, -0.6]];  // made unit rows below
  const AT = { x: [0.6, -0.9, 0.3], b: [0.4, -0.2, 0.7] };
  const BUGS = [["none", "no bug"], ["A", "A: 1/τ is missing"], ["B", "B: normalise, half of its Jacobian"], ["C", "C: noise drawn anew"], ["F", "F: an average is missing"],
    ["H", "H: 1 − x² in tanh"], ["I", "I: softmax without its sum"], ["J", "J: a lost factor ½"], ["L", "L: +b for −b, both ways"], ["1.001", "the gradient times 1.001"]];

  // Each op returns its value and its pullback, as macrid's do; `round` is single precision's rounding, or none.
  function loss({ x, b }, bug, round, fresh) {
    const each = (values) => values.map(round), sign = bug === "L" ? 1 : -1;
    const t = each(x.map(Math.tanh));
    const normalise = (a) => {
      const length = round(Math.sqrt(dot(a, a))), y = each(a.map((value) => value / length));
      return [y, (dy) => { const along = dot(dy, y); return dy.map((value, j) => (bug === "B" ? value : value - along * y[j]) / length); }];
    };
    const [mu, pullMu] = normalise(t);
    const epsilon = bug === "C" ? EPSILON.map(() => Math.sqrt(-2 * Math.log(fresh())) * Math.cos(2 * Math.PI * fresh())) : EPSILON;
    const noise = each(b.map((value, j) => epsilon[j] * SIGMA0 * Math.exp(sign * value / 2)));
    const [z, pullZ] = normalise(each(mu.map((value, j) => value + noise[j])));
    const rows = M.map((row) => { const length = Math.sqrt(dot(row, row)); return row.map((value) => value / length); });
    const s = each(rows.map((row) => dot(row, z) / TAU)), top = Math.max(...s), e = each(s.map((value) => Math.exp(value - top))), total = round(sum(e));
    const p = each(e.map((value) => value / total));
    const kl = round(0.5 * sum(b.map((value, j) => Math.exp(-value) + value - 1 + (mu[j] / SIGMA0) ** 2)) / 2);  // a mean over two users
    const value = round(-Math.log(p[0]) + BETA * kl);
    function gradient() {
      const dp = p.map((_, i) => (i ? 0 : -1 / p[0])), along = bug === "I" ? 0 : dot(p, dp);
      const ds = p.map((value, i) => value * (dp[i] - along)), scale = bug === "A" ? 1 : 1 / TAU;
      const dz = z.map((_, j) => scale * sum(ds.map((value, i) => value * rows[i][j])));
      const share = bug === "F" ? 1 : 0.5, half = bug === "J" ? 1 : 0.5, factor = bug === "1.001" ? 1.001 : 1;
      const dnoisy = pullZ(dz), dt = pullMu(dnoisy.map((value, j) => value + BETA * share * mu[j] / SIGMA0 ** 2));
      const dx = dt.map((value, j) => factor * value * (1 - (bug === "H" ? x[j] : t[j]) ** 2));
      const db = dnoisy.map((value, j) => factor * (value * noise[j] * sign * half + BETA * share * 0.5 * (1 - Math.exp(-b[j]))));
      return { x: dx, b: db };
    }
    return { value, gradient };
  }

  function errorAt(h, { bug, scheme, single }) {  // the largest error of an entry, relative to the largest entry
    const round = single ? Math.fround : (value) => value, fresh = random(8);
    const ours = loss(AT, bug, (value) => value, random(7)).gradient();
    const at = (name, j, step) => { const moved = { x: [...AT.x], b: [...AT.b] }; moved[name][j] = round(moved[name][j] + step); return loss(moved, bug, round, fresh).value; };
    let worst = 0, most = 0;
    for (const name of ["x", "b"]) for (const j of [0, 1, 2]) {
      const central = (at(name, j, h) - at(name, j, -h)) / (2 * h), estimate = scheme === "central" ? central : (at(name, j, h) - at(name, j, 0)) / h;
      worst = Math.max(worst, Math.abs(estimate - ours[name][j]));
      most = Math.max(most, Math.abs(estimate), Math.abs(ours[name][j]));
    }
    return Math.max(worst / most, 1e-17);
  }

  const STEPS = [...Array(59).keys()].map((i) => 10 ** (-14.5 + i / 4));
  function compute(state) {
    const curve = (bug) => STEPS.map((h) => errorAt(h, { ...state, bug }));
    return { right: curve("none"), planted: curve(state.bug), here: errorAt(state.h, state), gradient: loss(AT, state.bug, (value) => value, random(7)).gradient() };
  }

  const wide = (isNarrow) => (isNarrow ? 250 : 590), across = (h, isNarrow) => 60 + wide(isNarrow) * (Math.log10(h) + 15) / 15, up = (error) => 262 - 232 * (Math.log10(error) + 14) / 15.5;
  function draw({ bug, h }, { right, planted, here }, isNarrow) {
    const end = 60 + wide(isNarrow), at = (value) => across(value, isNarrow);
    let inside = text(0, 16, "relative error of the gradient");
    for (const power of [-12, -9, -6, -3, 0]) inside += line(60, up(10 ** power), end, up(10 ** power), { stroke: "#dddddd" }) + text(54, up(10 ** power) + 4, "10" + superscript(power), { "text-anchor": "end" });
    for (const power of [-15, -12, -9, -6, -3, 0]) inside += text(at(10 ** power), 290, "10" + superscript(power), { "text-anchor": power ? "middle" : "end" });
    inside += text((60 + end) / 2, 310, "step h", { "text-anchor": "middle" }) + line(60, up(1e-6), end, up(1e-6), { stroke: GREY, "stroke-dasharray": "6 4" }) + text(end, up(1e-6) + 16, "passes below", { "text-anchor": "end" });
    const points = (errors) => errors.map((error, i) => [at(STEPS[i]), Math.min(272, up(Math.max(error, 1e-14)))]);
    inside += path(points(right), { stroke: COLOURS[0], "stroke-width": 2.5 });
    if (bug !== "none") inside += path(points(planted), { stroke: COLOURS[5], "stroke-width": 2.5, "stroke-dasharray": "8 4" });
    const [x, y] = [at(h), Math.min(272, up(Math.max(here, 1e-14)))];
    return inside + line(x, 30, x, 272, { stroke: INK, "stroke-dasharray": "2 4" }) + handle("h", x, y, bug === "none" ? COLOURS[0] : COLOURS[5]);
  }
  const superscript = (power) => String(power).replace("-", "⁻").replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]);

  touch.define("08_steps", {
    title: "The V of a gradient check, and what a bug does to it",
    state: { bug: "none", scheme: "central", single: false, h: 1e-5 },
    controls: [
      { name: "h", label: "h", low: 1e-14, high: 1, step: 0.05, log: true, say: (value) => value.toExponential(1).replace("-", "−") },
      { name: "bug", label: "bug", choices: BUGS },
      { name: "scheme", label: "differences", choices: [["central", "central"], ["one", "one-sided"]] },
      { name: "single", label: "single precision", toggle: true },
    ],
    compute,
    panels: [{ height: 316, widths: [660, 320], draw }],
    drag: { h: (state, x, y, isNarrow) => { state.h = 10 ** Math.min(0, Math.max(-14, 15 * (x - 60) / wide(isNarrow) - 15)); } },
    tell: ({ bug, h }, { here, planted }) => `At h = ${h.toExponential(1)} the check sees an error of ${here.toExponential(0)}: it ${here < 1e-6 ? "passes" : "fails"}. `
      + (bug === "none" ? "Right of the tip the step is too large (truncation), left of it too small (rounding)."
        : bug === "L" ? "L is wrong both ways, value and gradient agree: no step finds it. A gradient check proves consistency, not truth."
          : bug === "C" ? "With noise drawn anew two calls differ whatever h is: the smaller the step, the larger the “derivative”."
            : `The V is cut off at ${Math.min(...planted).toExponential(0)}: no step makes a wrong gradient right.`),
  });
})();
