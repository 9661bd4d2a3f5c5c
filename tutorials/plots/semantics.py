"""The figures of notebook 7."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK


def neighbours(draw, queries, cosine):
    """A picture in each row, and its seven nearest by the cosine of features."""
    _, axes = plt.subplots(len(queries), 8, figsize=(8, 6))
    for row, i in zip(axes, queries):
        for axis, shown in zip(row, [i, *np.argsort(-cosine[i])[:7]]):
            axis.imshow(draw(shown))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].spines[:].set(visible=True, color=INK)
    axes[0, 0].set_title("picture", fontsize=10)
    axes[0, 4].set_title("its seven nearest by the cosine of features", fontsize=10)
    plt.show()


def components(shares, coordinates, category, names):
    """The variance of each component, and the items along the first two."""
    d = coordinates.shape[1]
    _, axes = plt.subplots(1, 2, figsize=(10, 3.8))
    axes[0].bar(np.arange(1, 31), shares[:30], color=[COLOURS[0]] * d + [GREY] * (30 - d))
    held = f"the first {d} of 1,024 components hold {shares[:d].sum():.0%}"
    axes[0].set(xlabel="component j", ylabel="share of the variance", title=held)
    for g, name in enumerate(names):
        look = {"s": 9, "color": COLOURS[g], "marker": "o^sDvP"[g]}
        axes[1].scatter(*coordinates[category == g, :2].T, label=name, **look)
    what = "the items, seen along two of them"
    axes[1].set(xlabel="component 1", ylabel="component 2", title=what)
    axes[1].legend(fontsize=8, markerscale=1.6, ncols=2)
    plt.show()


def scales(starts, accuracies):
    """The deviation of each dimension of a start, {name: H}, and how much k-means has right."""
    _, axes = plt.subplots(1, 2, figsize=(10, 3.2), width_ratios=(3, 2))
    colours = (COLOURS[1], COLOURS[0])
    for place, (name, H) in enumerate(starts.items()):
        at = np.arange(1, H.shape[1] + 1)
        axes[0].plot(at, H.std(axis=0), ("s--", "o-")[place], color=colours[place], label=name)
    axes[0].set(
        xlabel="dimension j of h",
        ylabel="standard deviation over items",
        yscale="log",
        ylim=(0.1, 40),
        xticks=at,
        title="the scale of the start",
    )
    axes[0].legend(loc="center right")
    axes[1].bar(list(starts), accuracies, color=colours)
    for place, accuracy in enumerate(accuracies):
        axes[1].text(place, accuracy - 0.02, f"{accuracy:.1%}", ha="center", va="top")
    axes[1].set(ylim=(0, 1), ylabel="share of items in the right cluster")
    axes[1].set(title="k-means before any training")
    plt.show()


def learning(curves):
    """Validation and concepts over epochs, {variant: {"ndcg", "accuracy"}}."""
    _, axes = plt.subplots(1, 2, figsize=(10, 3.8), sharex=True)
    for place, (name, curve) in enumerate(curves.items()):
        look = {"color": COLOURS[place], "ls": ("-", "--", "-.", ":")[place], "lw": 2}
        axes[0].plot(np.arange(1, 41), curve["ndcg"], label=name, **look)
        axes[1].plot(np.arange(41), curve["accuracy"], label=name, **look)
    axes[0].set(xlabel="epoch", ylabel="validation NDCG@100", title="recommendation")
    axes[1].set(xlabel="epoch", ylabel="share of items in the concept of their category")
    axes[1].set(ylim=(0, 1.03), title="concepts")
    axes[0].legend(fontsize=9)
    plt.show()
