"""The figures of notebook 11."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK


def prototypes(values, cosines, k, ends, start, names, j, item):
    """The cosine with each prototype, (values, K), as coordinate j turns; k is the nearest within
    `ends`.
    """
    _, axis = plt.subplots(figsize=(9, 3.8))
    dashes = ((0, (6, 2)), "--", "-.", ":", (0, (4, 1, 1, 1, 1, 1)), (0, (1, 3)))
    for other in range(len(names)):
        line = {"ls": "-", "lw": 2.4} if other == k else {"ls": dashes[other], "lw": 1.4}
        axis.plot(values, cosines[:, other], color=COLOURS[other], label=names[other], **line)
    axis.axvspan(*ends, color=COLOURS[k], alpha=0.12)
    axis.axvline(start, color=INK, lw=1)
    axis.text(start + 0.02, 0.5, "here we start", color=INK, fontsize=9)
    axis.set(xlabel=f"coordinate {j} of the turned vector, v", ylabel="cosine with the prototype")
    a, b = ends
    axis.set(title=f"{item} stays a {names[k]} for {a:.2f} < v < {b:.2f} (shaded)")
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1), title="prototype")
    plt.show()


def subranges(coordinate, edges, counts, j):
    """Coordinate j of the items of a concept, and the ends of the subranges."""
    _, axis = plt.subplots(figsize=(9, 3))
    axis.hist(coordinate, bins=60, color=COLOURS[4])
    for edge in edges:
        axis.axvline(edge, color=INK, lw=1, ls="--")
    axis.set(xlabel=f"$h_{{i,{j}}}$ of the {len(coordinate)} items of the concept", ylabel="items")
    many = f"{counts.min()} or {counts.max()} items each"
    axis.set(title=f"{len(counts)} subranges (dashed) with {many}")
    plt.show()


def beams(optimal, worst):
    """How often each width of the beam finds the optimum, and how far it falls short at worst."""
    _, axes = plt.subplots(1, 2, figsize=(9, 3.2))
    labels = [str(width) for width in optimal]
    axes[0].bar(labels, optimal.values(), color=COLOURS[0])
    axes[0].set(ylabel="share of problems", title="how often the optimum is found")
    axes[1].bar(labels, worst, color=COLOURS[1])
    axes[1].set(ylabel="value of (12) / optimum", title="the worst of 100 problems")
    for axis in axes:
        axis.set(xlabel="beam width", ylim=(0, 1.05))
    plt.show()


def knobs(rho, concept, attributes, curves):
    """What rises or falls as each dimension of one concept turns, rho (d, J); and the chosen knobs'
    correlations on fresh starts, sorted, {what: values}.
    """
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.8), width_ratios=(1.15, 1))
    image = axes[0].imshow(rho.T, cmap="PuOr", vmin=-1, vmax=1, aspect="auto")
    for (t, j), value in np.ndenumerate(rho.T):
        colour = "white" if abs(value) > 0.65 else INK
        axes[0].text(j, t, f"{value:.1f}", ha="center", va="center", fontsize=8, color=colour)
    axes[0].set_yticks(range(len(attributes)), attributes)
    axes[0].set(xticks=range(len(rho)), xlabel="dimension j that is turned")
    axes[0].set(title=f"concept of the {concept}s: what rises or falls")
    figure.colorbar(image, ax=axes[0], label="mean rank correlation with the step")
    for place, (what, values) in enumerate(curves.items()):
        line = {"color": COLOURS[place], "ls": ("-", "--")[place], "lw": 2}
        share = np.linspace(0, 1, values.size)
        axes[1].plot(np.sort(values.ravel()), share, label=what, **line)
    axes[1].set(xlabel="mean rank correlation on fresh starts", xlim=(-0.4, 1))
    axes[1].set(ylabel="share of the 30 pairs at or below")
    axes[1].set(title="the chosen knob of each concept and attribute")
    axes[1].legend(fontsize=8, loc="upper left")
    plt.show()


def strips(rows, title, picture, steps):
    """Rows of (label, start or None, items), each item as picture(item)."""
    inches = (0.82 * (steps + 3), 0.9 * len(rows) + 0.5)
    _, axes = plt.subplots(len(rows), steps + 1, figsize=inches, squeeze=False)
    for line, (label, origin, items) in zip(axes, rows):
        for axis in line:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        if origin is not None:
            line[0].imshow(picture(origin))
            line[0].spines[:].set(visible=True, color=INK)
        for axis, i in zip(line[1:], items):
            axis.imshow(picture(i))
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", color=INK)
    if any(origin is not None for _, origin, _ in rows):
        axes[0, 0].set_title("start", fontsize=9)
    axes[0, steps // 2].set_title(title, fontsize=10)
    plt.show()


def likeness(alike):
    """How alike the retrieved items are, by the way they were chosen, {way: cosines}."""
    _, axis = plt.subplots(figsize=(6, 2.6))
    means = [cosines.mean() for cosines in alike.values()]
    axis.barh(list(alike)[::-1], means[::-1], color=[COLOURS[0], COLOURS[4], GREY])
    axis.set(xlabel="mean cosine of two retrieved items, coordinate j left out", xlim=(0, 1))
    axis.set(ylabel="choice by", title="which item of a subrange?")
    plt.show()


def factors(values, shares, weights, names):
    """The share of each concept by the factor on it, (K, values): by the rule, and as a weight."""
    _, axis = plt.subplots(figsize=(7, 3.4))
    for k, name in enumerate(names):
        axis.plot(values, shares[k], color=COLOURS[k], lw=1.6, label=name)
        axis.plot(values, weights[k], color=GREY, lw=1, ls=":")
    axis.set(xscale="log", xlabel="factor", ylabel="share of the ten best", ylim=(0, 1.02))
    axis.legend(title="factor on", loc="upper left", bbox_to_anchor=(1, 1))
    axis.set(title="a factor by the rule, and (dotted) as a weight inside (7)")
    plt.show()
