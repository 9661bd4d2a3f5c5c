"""The figures of notebook 1."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK

from macrid.data import shop, shop_pictures


def picture_row(axes, truth, items):
    """Pictures of items in a row of axes."""
    for axis in axes:
        axis.axis("off")
    for axis, i in zip(axes, items):
        drawing = shop_pictures.draw(shop.CATEGORIES[truth.category[i]], truth.attributes[i])
        axis.imshow(np.asarray(drawing.resize((64, 64))))


def shoppers(truth, people):
    """What shoppers came for, and the first ten items that they took: {user: items}."""
    figure, axes = plt.subplots(3, 11, figsize=(11, 4.6), width_ratios=[3.4] + [1] * 10)
    for row, (u, items) in zip(axes, people.items()):
        row[0].barh(shop.CATEGORIES, truth.intentions[u], color=COLOURS[:6])
        row[0].set(xlim=(0, 1), title=f"user {u}")
        row[0].tick_params(labelsize=9)
        picture_row(row[1:], truth, items[:10])
    axes[2, 0].set_xlabel("true share of her visits")
    axes[0, 5].set_title("the first ten items that she adopted")
    plt.show()


def circles(H, C, before, after):
    """Items and tastes on a circle, before and after; (tastes (K, 2), probabilities (M,)) each."""
    figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.3), width_ratios=[1, 1, 1.25])
    for axis, (tastes, p), title in (
        (axes[0], before, "before"),
        (axes[1], after, "after: $\\mathbf{z}^{(2)}$ turned"),
    ):
        axis.add_patch(plt.Circle((0, 0), 1, fill=False, color=GREY, lw=0.8))
        for k in range(2):
            arrow = {"arrowstyle": "-|>", "color": COLOURS[k], "lw": 2}
            axis.annotate("", 0.72 * tastes[k], (0, 0), arrowprops=arrow)
            beside = 0.4 * tastes[k] + 0.24 * tastes[k] @ [[0, 1], [-1, 0]]
            look = {"ha": "center", "va": "center", "color": COLOURS[k], "fontsize": 12}
            axis.text(*beside, f"$\\mathbf{{z}}^{{({k + 1})}}$", **look)
            mine = C[:, k] == 1
            marks = {"color": COLOURS[k], "marker": "os"[k], "zorder": 3}
            axis.scatter(*H[mine].T, s=1200 * p[mine], **marks)
        for i in range(len(H)):
            axis.text(*(1.38 * H[i]), str(i), ha="center", va="center", color=INK)
        axis.set(xlim=(-1.55, 1.55), ylim=(-1.55, 1.55), aspect="equal", title=title)
        axis.axis("off")
    order = np.argsort(C[:, 1], kind="stable")
    for k in range(2):
        at = np.flatnonzero(C[order, k])
        label = f"concept {k + 1}, "
        axes[2].bar(at - 0.2, before[1][order][at], 0.38, color=COLOURS[k], label=label + "before")
        faint = {"color": COLOURS[k], "alpha": 0.45, "hatch": "//", "label": label + "after"}
        axes[2].bar(at + 0.2, after[1][order][at], 0.38, **faint)
    axes[2].set(xticks=range(8), xticklabels=order, xlabel="item")
    axes[2].set(ylabel="probability $p(x_{u,i}\\mid\\mathbf{z}_u,\\mathbf{C})$")
    axes[2].legend(fontsize=8)
    plt.show()


def three_kinds(truth, hits, common, chance, rows):
    """Real shoppers, their twins and those born from the prior; eight items of one of each."""
    figure = plt.figure(figsize=(11, 3.3))
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.25])
    axis = left.subplots()
    for place, (shares, by_chance) in enumerate(((hits, chance), (common, 0.1))):
        for j, group in enumerate(rows):
            look = {"color": COLOURS[j], "hatch": ("", "//", "..")[j], "edgecolor": "white"}
            label = group if place == 0 else None
            bar = axis.bar(place + 0.27 * (j - 1), shares[group], 0.25, label=label, **look)
            axis.bar_label(bar, fmt="%.2f", fontsize=9, padding=4)
        line = {"color": INK, "ls": "--", "lw": 1, "label": None if place else "chance"}
        axis.plot([place - 0.42, place + 0.42], [by_chance] * 2, **line)
    names = ["of a category that\nher user came for", "among the tenth\nmost popular"]
    axis.set(xticks=[0, 1], xticklabels=names, ylim=(0, 1.05))
    axis.set(ylabel="share of a shopper's 15 items")
    axis.legend(fontsize=8)
    right.suptitle("a real user, her twin, and one who was born: eight items of each", fontsize=10)
    pictures = right.subplots(3, 9, gridspec_kw={"width_ratios": [1.2] + [1] * 8})
    for row, (name, items) in zip(pictures, rows.items()):
        picture_row(row, truth, [])
        row[0].text(0.5, 0.5, name, ha="center", va="center", transform=row[0].transAxes)
        picture_row(row[1:], truth, items[:8])
    plt.show()


def popularity(adoptions, of_twins, of_born):
    """How probable an item is, by how often it was adopted: for twins and for the born."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.0), sharey=True)
    M = len(adoptions)
    for axis, p, name, colour in (
        (axes[0], of_twins, "with the tastes of the users", COLOURS[1]),
        (axes[1], of_born, "with tastes from the prior", COLOURS[2]),
    ):
        axis.plot(adoptions, M * p, ".", ms=3, color=colour)
        axis.axhline(1, color=INK, ls="--", lw=1)
        axis.set(xscale="log", yscale="log", title=name, xlabel="adoptions of the item")
        axis.title.set_fontsize(10)
    axes[0].set(ylabel="its probability,\nin units of $1/M$")
    plt.show()
