"""The figures of notebook 2."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY


def guesses(fine, densities, H, C, adopted):
    """A plane for each concept: contours of prior, posterior and guess, and its items.

    densities   for each concept a list of (density on the grid, colour, line style, name)
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.4), sharey=True)
    for k, axis in enumerate(axes):
        axis.add_patch(plt.Circle((0, 0), 1, fill=False, color=GREY, lw=0.8))
        for density, colour, style, name in densities[k]:
            levels, grid = density.max() * np.array([0.1, 0.4, 0.8]), density.reshape(len(fine), -1)
            line = {"colors": colour, "linestyles": style, "linewidths": 1.6}
            axis.contour(fine, fine, grid.T, levels=levels, **line)
            axis.plot([], [], color=colour, ls=style, label=name)
        for i in np.flatnonzero(C[:, k]):
            mark, colour, size = ("*", "black", 11) if i in adopted else ("o", GREY, 6)
            axis.plot(*H[i], mark, color=colour, ms=size)
            axis.text(*(H[i] + [0.2, -0.1]), f"$\\mathbf{{h}}_{i}$")
        axis.plot([], [], "*", color="black", ms=11, label="item that she adopted")
        axis.plot([], [], "o", color=GREY, ms=6, label="item that she did not")
        axis.set(aspect="equal", title=f"concept {k + 1}")
        axis.set(xlabel=f"$z^{{({k + 1})}}_1$", ylabel=f"$z^{{({k + 1})}}_2$")
    handles = axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=3, fontsize=9)
    plt.show()


def climb(steps, values, ceiling, of_concepts):
    """The ELBO while the encoder is trained, below ln p(x)."""
    figure, axis = plt.subplots(figsize=(7, 3.4))
    axis.axhline(ceiling, color=COLOURS[0], lw=2, label="$\\ln p(\\mathbf{x})$")
    best = "the best that any encoder could do: only the concepts' room is left"
    axis.axhline(ceiling - of_concepts, color=COLOURS[2], ls="--", lw=1.5, label=best)
    axis.plot(steps, values, color=COLOURS[1], lw=2, label="ELBO")
    axis.fill_between(steps, values, ceiling, color=GREY, alpha=0.2, label="the gap")
    axis.set(xlim=(0, steps[-1]), xlabel="steps of Adam on the encoder", ylabel="nats")
    axis.legend(loc="lower right")
    plt.show()


def importance(sizes, bounds, errors, ceiling, elbo):
    """L_S against S, between the ELBO and ln p(x)."""
    figure, axis = plt.subplots(figsize=(7, 3.2))
    axis.axhline(ceiling, color=COLOURS[0], lw=2, label="$\\ln p(\\mathbf{x})$ from the grid")
    axis.axhline(elbo, color=COLOURS[1], ls="--", label="ELBO from the grid")
    look = {"color": COLOURS[2], "marker": "o", "ms": 4, "capsize": 3}
    label = "$\\mathcal{L}_S$ from samples, $\\pm$ 2 s.e."
    axis.errorbar(sizes, bounds, 2 * errors, label=label, **look)
    axis.set(xscale="log", xlabel="samples averaged inside the logarithm, $S$", ylabel="nats")
    axis.legend()
    plt.show()
