"""The figures of notebook 5."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK

LINES = ({"color": COLOURS[5], "ls": "-", "lw": 2}, {"color": COLOURS[0], "ls": "--", "lw": 2})


def winners(logits, values, who, frequency, target):
    """How high the winner comes out, by who wins; and how often each wins."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.3))
    bins = np.linspace(-4, 9, 66)
    for k, logit in enumerate(logits):
        line = {"color": COLOURS[k], "lw": 1.6, "ls": ("-", "--", ":", "-.")[k]}
        line["label"] = f"$k$ = {k + 1}, $s_k$ = {logit:g}"
        axes[0].hist(values[who == k], bins, density=True, histtype="step", **line)
    axes[0].set(xlabel="the winning value $s_k+g_k$", ylabel="density over the rolls that $k$ won")
    axes[0].legend()
    places = np.arange(1, len(logits) + 1)
    axes[1].bar(places - 0.2, frequency, 0.38, color=COLOURS[:4], label="how often $k$ won")
    hatched = {"color": "white", "edgecolor": INK, "hatch": "//"}
    axes[1].bar(places + 0.2, target, 0.38, label="Softmax$(\\mathbf{s})_k$", **hatched)
    axes[1].set(xticks=places, xlabel="concept $k$", ylabel="probability")
    axes[1].legend()
    plt.show()


def simplex(samples, hard):
    """Samples of three concepts in a triangle: {temperature: (n, 3)}; `hard` says who won."""
    corners = np.array([[0, 0], [1, 0], [0.5, 3**0.5 / 2]])
    figure, axes = plt.subplots(1, len(samples), figsize=(11, 2.9))
    for axis, (temperature, soft) in zip(axes, samples.items()):
        axis.fill(*corners.T, facecolor="none", edgecolor=GREY)
        for k in range(3):
            axis.plot(*(soft[hard == k] @ corners).T, "os^"[k], ms=2.5, alpha=0.4, color=COLOURS[k])
            beside = corners[k] + [[0, -0.11], [0, -0.11], [0, 0.05]][k]
            axis.text(*beside, f"$k$ = {k + 1}", fontsize=9, ha="center")
        axis.set(aspect="equal", xlim=(-0.15, 1.15), ylim=(-0.15, 1.0))
        axis.set_title(f"$\\tau_{{\\rm g}}$ = {temperature:g}", pad=8)
        axis.axis("off")
    plt.show()


def trade(grid, bias, spread, exact):
    """Bias and noise of a sample's gradient by the temperature."""
    figure, axis = plt.subplots(figsize=(6.5, 3.5))
    label = "standard deviation of one sample's gradient"
    axis.plot(grid, spread, "-", color=COLOURS[0], lw=2, label=label)
    axis.plot(grid, bias, "--", color=COLOURS[5], lw=2, label="bias of the gradient")
    axis.axhline(exact, color=GREY, ls=":", label="length of the exact gradient")
    axis.set(xscale="log", xlabel="Gumbel-Softmax temperature $\\tau_{\\rm g}$")
    axis.set(yscale="log", ylabel="length in the space of $\\mathbf{s}$, nats")
    axis.set_xticks([0.05, 0.1, 0.5, 1, 5], ["0.05", "0.1", "0.5", "1", "5"])
    axis.legend(fontsize=8)
    plt.show()


def collapse(factors, share, runs):
    """The largest concept's share: staged, and on the shop from two starts."""
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), sharey=True)
    for line, (name, values) in zip(LINES, share.items()):
        axes[0].plot(factors, values, label=name, **line)
    axes[0].set(xscale="log", xlabel="how much longer one prototype is", ylim=(0, 1.04))
    axes[0].set(ylabel="share of the largest concept", title="three clusters in a plane")
    axes[0].set_xticks([1, 2, 5, 10], [1, 2, 5, 10])
    axes[0].minorticks_off()
    axes[0].title.set_fontsize(10)
    axes[0].legend()
    for axis, kind, title in (
        (axes[1], "planted", "the shop, one prototype 10 times too long"),
        (axes[2], "random", "the shop, from a random start"),
    ):
        for line, similarity in zip(LINES, ("inner", "cosine")):
            for largest, _ in runs[kind, similarity]:
                axis.plot(largest, **{**line, "lw": 1.4})
        axis.axhline(1 / 6, color=GREY, ls=":")
        axis.text(25, 1 / 6 - 0.03, "a sixth", color=INK, ha="right", va="top", fontsize=9)
        axis.set(xlabel="epochs (a line for each seed)", title=title)
        axis.title.set_fontsize(10)
    plt.show()
