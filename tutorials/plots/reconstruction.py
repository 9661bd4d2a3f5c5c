"""The figures of notebook 3."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK


def derivatives(by_P, by_ln_P, hers):
    """The derivative of a user's loss by P and by ln P, items in order of their probability."""
    rank = np.arange(1, len(hers) + 1)
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.5))
    others = {"ms": 4, "label": f"the {(~hers).sum():,} other items", "color": COLOURS[0]}
    mine = {"ms": 6, "label": f"her {hers.sum()} items", "color": COLOURS[5]}
    for axis, values, label in (
        (axes[0], by_P, "$\\partial\\,$loss$/\\partial P_{u,i}$"),
        (axes[1], by_ln_P, "$\\partial\\,$loss$/\\partial\\ln P_{u,i}=n_u p_{u,i}-x_{u,i}$"),
    ):
        axis.plot(rank[~hers], values[~hers], ".", **others)
        axis.plot(rank[hers], values[hers], "^", **mine)
        axis.axhline(0, color=GREY, lw=0.8)
        axis.set(xscale="log", xlabel="rank of the item, the most probable first", ylabel=label)
    axes[0].ticklabel_format(axis="y", scilimits=(-3, -3))
    axes[0].legend(loc="lower left")
    plt.show()


def temperatures(p_max, taus, sharpness, quality, M):
    """What the temperature allows, and what training makes of it."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.2))
    grid = np.geomspace(0.03, 1, 100)
    for size, style in ((1500, "-"), (100_000, "--")):
        axes[0].plot(grid, p_max(grid, size), style, color=INK, label=f"$M$ = {size:,}")
    axes[0].set(ylabel="largest possible probability of an item")
    axes[0].legend()
    axes[1].plot(taus, sharpness, "o-", color=COLOURS[0])
    axes[1].axhline(M, color=GREY, ls=":")
    axes[1].text(0.03, M, "all items alike", va="bottom", color=INK)
    label = "items among which a user's $p_u$ chooses\n(exp of its entropy)"
    axes[1].set(ylabel=label, yscale="log", ylim=(70, 2000))
    axes[2].plot(taus, quality, "o-", color=COLOURS[5])
    axes[2].set(ylabel="validation NDCG@100", ylim=(0, 0.4))
    for axis in axes:
        axis.set(xscale="log", xlabel="temperature $\\tau$")
        axis.set_xticks([0.03, 0.1, 0.3, 1], ["0.03", "0.1", "0.3", "1"])
        axis.minorticks_off()
    axes[1].set_yticks([100, 200, 400, 800, 1500], ["100", "200", "400", "800", "1,500"])
    axes[1].minorticks_off()
    plt.show()


def bias(sizes, curves, second_order, uncorrected):
    """The bias of ln Z by the number of draws: {kind: (bias, standard error)}."""
    figure, axis = plt.subplots(figsize=(7.5, 3.8))
    for place, (kind, (values, errors)) in enumerate(curves.items()):
        look = {"color": COLOURS[place], "marker": "o^"[place], "capsize": 3}
        label = f"{kind} draws, corrected by $w_i$"
        axis.errorbar(sizes, values, 2 * errors, label=label, **look)
    label = "$-$Var$(\\hat Z)/(2Z^2)$, uniform"
    axis.plot(sizes, second_order, ":", color=INK, label=label)
    axis.plot(sizes, uncorrected, "s--", color=COLOURS[5], label="uniform draws, not corrected")
    axis.axhline(0, color=GREY, lw=0.8)
    axis.set(xscale="log", xlabel="items drawn, $n$ (of 1,500)")
    axis.set(ylabel="bias of $\\ln\\hat Z_u$, nats")
    axis.set_xticks(sizes, sizes)
    axis.minorticks_off()
    axis.legend(fontsize=9)
    plt.show()
