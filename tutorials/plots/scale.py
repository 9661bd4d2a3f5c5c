"""The figures of notebook 12."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK

MEANING = {"B": "users of a batch", "K": "concepts", "d": "dimensions", "M": "items"}
LABELS = {
    "plain": "every array in full (decoder alone)",
    "full": "full softmax, in tiles",
    "sampled": "sampled softmax, 1,000 candidates",
}


def ratios(rows):
    """Times over the floor; rows of (which size is varied, its value, ours, plain twin / ours)."""
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), sharey=True)
    for axis, what in zip(axes, MEANING):
        of_size = [
            [size.replace(",", ""), ratio, twin] for of, size, ratio, twin in rows if of == what
        ]
        sizes, ours, twin = np.array(of_size, float).T
        axis.loglog(sizes, ours * twin, "s--", color=COLOURS[1], label="plain twin")
        axis.loglog(sizes, ours, "o-", color=COLOURS[0], label="macrid")
        axis.axhline(1, color=INK, lw=1)
        axis.set(xlabel=f"{what}, {MEANING[what]}", ylim=(0.8, 12))
        axis.set_xticks(sizes, [f"{size:,.0f}" for size in sizes], fontsize=8)
        axis.minorticks_off()
    axes[0].set_yticks([1, 2, 4, 8], ["1: the floor", "2", "4", "8"])
    axes[0].set_ylabel("time of a step / bare products")
    axes[-1].legend()
    what = "one size varied, the others at B = 256, K = 4, d = 100, M = 8,000"
    figure.suptitle(what, fontsize=10)
    plt.show()


def memory(sizes, peaks):
    """Peak memory in MB over the number of items, {what: numbers}."""
    _, axis = plt.subplots(figsize=(8, 4))
    for place, (what, several) in enumerate(sizes.items()):
        look = {"color": COLOURS[place], "marker": "so^"[place], "ls": ("--", "-", "-.")[place]}
        axis.loglog(several, peaks[what], label=LABELS[what], **look)
    five = 5 * 4e-6 * 100 * 4 * np.array(sizes["plain"])
    axis.loglog(sizes["plain"], five, color=GREY, ls=":", label="five (B, K, M) arrays")
    axis.set(xlabel="items in the catalogue, M", ylabel="peak memory of a step, MB")
    axis.set(title="beyond parameters and Adam's moments (B = 100, K = 4, d = 16)")
    axis.legend(fontsize=9)
    plt.show()
