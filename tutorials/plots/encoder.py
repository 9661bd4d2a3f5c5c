"""The figures of notebook 6."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK


def her_tastes(T, A, mu, z, took, items):
    """For each concept: the t_i, the aggregate A, the mean mu and the sample z of one shopper."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.0), sharey=True)
    for k, axis in enumerate(axes):
        axis.add_patch(plt.Circle((0, 0), 1, fill=False, color=GREY, lw=0.8))
        for i, (x, y) in enumerate(T):
            axis.plot(x, y, "*" if took[i] else ".", ms=9 if took[i] else 5, color=INK)
            if took[i]:
                axis.annotate(items[i], (x, y), (4, -9), textcoords="offset points", fontsize=8)
        for vector, name, colour, width in (
            (A[k], "$\\mathbf{A}$, the aggregate", COLOURS[0], 2),
            (mu[k], "$\\mathbf{\\mu}$, on the circle", COLOURS[1], 2),
            (z[k], "$\\mathbf{z}$, the sample", COLOURS[5], 1.2),
        ):
            arrow = {"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0}
            axis.annotate("", vector, (0, 0), arrowprops=arrow)
            axis.plot([], [], color=colour, lw=width, label=name)
        axis.plot([], [], "*", color=INK, ls="", ms=9, label="$\\mathbf{t}_i$ of her items")
        axis.set(aspect="equal", xlim=(-1.5, 1.5), ylim=(-1.2, 1.2), title=f"concept {k + 1}")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=4, fontsize=9)
    plt.show()


def square_root(counts, rms, at, real, errors, shuffled):
    """The length of a sum of n vectors: random ones, those of real users, as many at random."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4))
    for values, name, style in (
        (rms, "sum", ":"),
        (rms / counts**0.5, "sum divided by $\\sqrt{n}$", "-"),
        (rms / counts, "average (divided by $n$)", "--"),
    ):
        axes[0].plot(counts, values, style, lw=2, label=name)
    axes[0].set(xlabel="items $n$", ylabel="length, in units of one $\\mathbf{t}_i$", ylim=(0, 4))
    axes[0].set_title("independent random vectors")
    axes[0].legend()
    root = np.sqrt(at)
    look = {"fmt": "o-", "capsize": 3, "color": COLOURS[5]}
    label = "items of real users, $\\pm$ 2 s.e."
    axes[1].errorbar(at, real / root, 2 * errors / root, label=label, **look)
    axes[1].plot(at, shuffled / root, "s--", color=COLOURS[0], label="as many items at random")
    label = "length of sum divided by $\\sqrt{n}$,\nin units of one $\\mathbf{t}_i$"
    axes[1].set(xlabel="items $n$", ylabel=label, ylim=(0, None))
    axes[1].set_title("$\\mathbf{t}_i$ of the trained model")
    axes[1].legend()
    plt.show()


def estimators(sigmas, table, signal, trained):
    """The noise of a sample's gradient by sigma: table (sigmas, 3) of trick, score, baseline."""
    figure, axis = plt.subplots(figsize=(8, 4))
    for column, name, place, marker in (
        (1, "score function", 5, "s"),
        (2, "score function with a baseline", 1, "^"),
        (0, "reparameterisation", 0, "o"),
    ):
        axis.plot(sigmas, table[:, column], marker + "-", color=COLOURS[place], label=name)
    itself = "length of the gradient itself, at $\\mathbf{z}=\\mathbf{\\mu}$"
    axis.axhline(signal, color=GREY, ls="--", label=itself)
    axis.axvline(trained, 0, 0.78, color=INK, ls=":", label="$\\sigma$ as trained")
    axis.set(xscale="log", yscale="log", ylim=(1, 3e6))
    axis.set(xlabel="standard deviation of $q$ (mean of $\\sigma_j$)")
    axis.set(ylabel="noise of one sample's gradient\n(standard deviation, all 60 numbers)")
    axis.set_xticks([0.02, 0.05, 0.1, 0.2, 0.4], ["0.02", "0.05", "0.1", "0.2", "0.4"])
    axis.minorticks_off()
    axis.legend(loc="upper right", fontsize=9, ncols=2)
    plt.show()
