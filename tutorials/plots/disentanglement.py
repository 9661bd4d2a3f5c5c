"""The figures of notebook 10."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK

from macrid.interpret import macro


def confusions(assignment, category, names):
    """How many items of each category have each concept as their strongest, {start: C}."""
    G = len(names)
    _, axes = plt.subplots(1, len(assignment), figsize=(12, 3.4), sharey=True)
    for axis, (start, C) in zip(axes, assignment.items()):
        assigned = C.argmax(axis=1)
        counts, matched = macro.confusion(assigned, category), macro.match(assigned, category)
        order = np.argsort([matched.get(k, G) for k in range(len(counts))])
        axis.imshow(counts[order], cmap="Blues", vmin=0, vmax=250, aspect="auto")
        for (k, g), count in np.ndenumerate(counts[order]):
            colour = "white" if count > 125 else INK
            axis.text(g, k, count, ha="center", va="center", fontsize=8, color=colour)
        axis.set_xticks(range(G), names, rotation=45)
        axis.set_yticks(range(G), [f"matched to {name}" for name in names])
        axis.set(title=start, xlabel="true category")
    axes[0].set_ylabel("concept")
    plt.show()


def independence_curves(curve, ndcg):
    """Independence of mu, z and h over beta, and against NDCG@100; dicts by beta."""
    betas = list(curve)
    _, axes = plt.subplots(1, 2, figsize=(11, 4), width_ratios=(1, 1.2))
    means, errors = ([ndcg[beta][what] for beta in betas] for what in ("mean", "stderr"))
    labels = (("mu", "means μ"), ("z", "samples z"), ("h", "items h"))
    for place, (name, label) in enumerate(labels):
        values = [curve[beta][name] for beta in betas]
        look = {"color": COLOURS[place], "marker": "o^s"[place], "ls": ("-", "--", "-.")[place]}
        axes[0].semilogx(betas, values, label=label, **look)
        axes[1].errorbar(values, means, errors, capsize=2, lw=1, label=label, **look)
    look = {"textcoords": "offset points", "fontsize": 8, "color": INK}
    for beta, mean in zip(betas, means):
        beside = (5, 5 if beta != 0.01 else -12)
        axes[1].annotate(f"β={beta:g}", (curve[beta]["z"], mean), xytext=beside, **look)
    ceiling = curve[betas[0]]["users_ceiling"]
    axes[0].axhline(ceiling, color=GREY, ls=":")
    what = "ceiling for this many shoppers (or items)"
    axes[0].text(0.011, ceiling + 0.004, what, fontsize=8, color=INK)
    axes[0].set(xlabel="β", ylabel="independence (4.4.1)", ylim=(0.7, 1))
    axes[0].set(title="what β does to independence")
    axes[0].legend(loc="lower left")
    axes[1].set(xlabel="independence (4.4.1)", ylabel="test NDCG@100 ± standard error")
    axes[1].set(title="the paper's Figure 5, three ways (equal β, equal height)")
    plt.show()


COLOURS_OF = (COLOURS[5], COLOURS[0], COLOURS[4], COLOURS[2], COLOURS[1], GREY)
HATCHES = ("", "", "//", "xx", "..", "")


def scores(measured, spread, known, attributes):
    """MIG, SAP and DCI of several representations, {name: {score: value}}, the range of the
    rotated ones, and how well each attribute is predicted, {name: values}.
    """
    look = {
        name: {"color": colour, "hatch": hatch, "edgecolor": "white"}
        for name, colour, hatch in zip(measured, COLOURS_OF, HATCHES)
    }
    names = list(next(iter(measured.values())))
    _, axes = plt.subplots(1, 2, figsize=(12.5, 4.2), width_ratios=(1.9, 1))
    for place, (name, values) in enumerate(measured.items()):
        at = np.arange(5) + 0.14 * place - 0.35
        axes[0].bar(at, [values[score] for score in names], 0.14, label=name, **look[name])
        if "rotated" in name:
            axes[0].vlines(at, spread.min(axis=1), spread.max(axis=1), color=INK, lw=2)
    dci = ["DCI\ndisentanglement", "DCI\ncompleteness", "DCI\ninformativeness"]
    axes[0].set_xticks(range(5), ["MIG", "SAP", *dci])
    axes[0].set(ylabel="score", ylim=(0, 1.45), yticks=np.linspace(0, 1, 6))
    axes[0].set(title="items inside their concepts, five attributes (line: the rotations)")
    axes[0].legend(fontsize=8.5, ncols=2, loc="upper left")
    for place, (name, values) in enumerate(known.items()):
        at = np.arange(len(attributes)) + 0.27 * place - 0.27
        axes[1].bar(at, values, 0.27, **look[name])
    axes[1].set_xticks(range(len(attributes)), attributes)
    axes[1].set(ylabel="R² on held-out items", ylim=(0, 1), title="informativeness, one by one")
    plt.show()
