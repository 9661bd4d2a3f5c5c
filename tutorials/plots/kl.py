"""The figures of notebook 4."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK


def closeness(loads, cosines):
    """Cosine of z and mu against sigma sqrt(d): {d: samples (loads, n)}, and the formula."""
    figure, axis = plt.subplots(figsize=(6.5, 3.5))
    for place, (d, sampled) in enumerate(cosines.items()):
        look = {"ms": 4, "color": COLOURS[place], "label": f"sampled, $d$ = {d}"}
        axis.plot(loads, sampled.mean(axis=1), ("s", "o", "^")[place], **look)
        low, high = np.quantile(sampled, [0.1, 0.9], axis=1)
        axis.fill_between(loads, low, high, color=COLOURS[place], alpha=0.12, lw=0)
    axis.plot(loads, 1 / np.sqrt(1 + loads**2), color=INK, label="$1/\\sqrt{1+d\\sigma^2}$")
    label = "cosine of $\\mathbf{z}$ and $\\mathbf{\\mu}$ (mean; band: 80%)"
    axis.set(xlabel="$\\sigma\\sqrt{d}$", ylabel=label, ylim=(-1, 1.02))
    axis.legend(fontsize=8, loc="lower left")
    plt.show()


def heaps(side, panels, sigma0):
    """Everybody's tastes as a heap: panels of (title, means (n, 2), density on the grid)."""
    figure, axes = plt.subplots(1, len(panels), figsize=(3.5 * len(panels), 3.9), sharey=True)
    for axis, (title, mu, density) in zip(axes, panels):
        axis.contourf(side, side, density.T, levels=8, cmap="Blues")
        axis.add_patch(plt.Circle((0, 0), 1, fill=False, color=GREY, lw=0.8))
        prior = {"fill": False, "color": COLOURS[1], "ls": "--", "lw": 1.5}
        axis.add_patch(plt.Circle((0, 0), sigma0, **prior))
        axis.plot(*mu.T, "o", color=COLOURS[5], ms=4)
        axis.set(aspect="equal", xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), xlabel="$z_1$")
        axis.set_title(title, fontsize=10)
    axes[0].set_ylabel("$z_2$")
    plt.show()


def betas(results, sigma0):
    """{beta: parts of the KL, TC of the shuffled twin, sigma / sigma0, cosine, NDCG} as bars and
    lines.
    """
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), width_ratios=[1.5, 1, 1])
    places = np.arange(len(results))
    information, total, each, shuffled = np.array([r["parts"] for r in results.values()]).T
    bottom = np.zeros(len(results))
    for values, name, colour, hatch in (
        (information, "mutual information $I_q$", COLOURS[0], ""),
        (shuffled, "total correlation that shuffling leaves", COLOURS[1], "xx"),
        (total - shuffled, "total correlation beyond it", COLOURS[5], "//"),
        (each, "each dimension against the prior", COLOURS[2], ".."),
    ):
        look = {"color": colour, "hatch": hatch, "edgecolor": "white", "label": name}
        axes[0].bar(places, values, bottom=bottom, **look)
        bottom += values
    constant = 1 / (2 * sigma0**2)
    axes[0].axhline(constant, color=INK, ls="--", lw=1)
    axes[0].text(4.5, constant, "$1/(2\\sigma_0^2)$ ", va="bottom", ha="right")
    axes[0].set(ylabel="KL of a concept, nats")
    axes[0].legend(fontsize=8)
    column = lambda name: [r[name] for r in results.values()]
    axes[1].plot(places, column("noise"), "o-", label="mean of $\\sigma/\\sigma_0$")
    cosine = {"color": COLOURS[5], "label": "cosine of $\\mathbf{z}$ and $\\mathbf{\\mu}$"}
    axes[1].plot(places, column("cosine"), "^--", **cosine)
    axes[1].set(ylim=(0, 1.05), ylabel="mean over users and concepts")
    axes[1].legend(fontsize=8, loc="lower right")
    axes[2].plot(places, column("ndcg"), "o-", color=COLOURS[2])
    axes[2].set(ylim=(0, 0.4), ylabel="validation NDCG@100")
    for axis in axes:
        axis.set(xticks=places, xticklabels=[f"{b:g}" for b in results], xlabel="$\\beta$")
    plt.show()


def turning(turned, labels):
    """How far the means have turned, in degrees, step by step: a line for each of `turned`."""
    figure, axis = plt.subplots(figsize=(6.5, 3.0))
    for place, (values, label) in enumerate(zip(turned, labels)):
        axis.plot(values, ("-", "--")[place], color=COLOURS[(5, 0)[place]], lw=2, label=label)
    axis.set(
        xlabel="steps of Adam on the KL term alone", ylabel="angle to where\nit began, degrees"
    )
    axis.legend(fontsize=9)
    plt.show()
