"""The figures of notebook 0: products as pictures."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, INK

from macrid.data import shop, shop_pictures


def of_shop(made):
    """A function that draws rows of a shop's products: a list of (label, ids), and a title;
    `captions` is a function of an id that says what to write under it.
    """
    number = {name: i for i, name in enumerate(made.items)}

    def picture(name):
        i = number[name]
        category, attributes = made.truth.category[i], made.truth.attributes[i]
        drawing = shop_pictures.draw(shop.CATEGORIES[category], attributes)
        return np.asarray(drawing.resize((72, 72)))

    def rows_of_pictures(rows, title, size=0.78, captions=None):
        width = max(len(names) for _, names in rows)
        inches = (2.0 + size * width, 0.45 + size * 1.05 * len(rows))
        figure, axes = plt.subplots(len(rows), width, figsize=inches, squeeze=False)
        for line, (label, names) in zip(axes, rows):
            for axis in line:
                axis.set(xticks=[], yticks=[])
                axis.spines[:].set_visible(False)
            for axis, name in zip(line, names):
                axis.imshow(picture(name))
                if captions:
                    axis.set_xlabel(captions(name), fontsize=8, labelpad=1)
            line[0].set_ylabel(label, rotation=0, ha="right", va="center", color=INK)
        figure.suptitle(title, fontsize=11, color=INK)
        plt.show()

    return rows_of_pictures


def why(explanation, title, shown=5):
    """The share of each concept in a product's score; the products that speak most for it."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), width_ratios=(1, 2))
    K = len(explanation.concepts)
    axes[0].bar(np.arange(K), explanation.concepts, color=COLOURS[:K])
    axes[0].set(xlabel="concept $k$", xticks=range(K), ylabel="share of the score", ylim=(0, 1))
    axes[0].set_title(title)
    places = np.arange(shown)[::-1]
    axes[1].barh(places, explanation.effects[:shown], color=COLOURS[0])
    axes[1].set_yticks(places, explanation.items[:shown])
    axes[1].set(xlabel="how much ln p falls without it, nats")
    axes[1].set_title("her products that speak most for it")
    plt.show()


def knob(names, rho, by_luck):
    """The correlation of the step with every attribute."""
    figure, axis = plt.subplots(figsize=(6, 2.6))
    bars = axis.bar(range(len(names)), rho, color=COLOURS[0])
    axis.bar_label(bars, fmt="%+.2f", fontsize=9, padding=2)
    axis.axhline(0, color=INK, lw=0.8)
    axis.set(xticks=range(len(names)), xticklabels=names, ylim=(-1.1, 1.1))
    axis.set(ylabel="rank correlation\nwith the step")
    axis.set_title(f"margin of lightness over the next, by luck: {by_luck:.2f} at most", fontsize=9)
    plt.show()
