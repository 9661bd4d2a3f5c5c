"""The figures of notebook 8."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK

from macrid.model.gradcheck import STEP, TOLERANCE

PLACES = {  # name: (x, y, label)
    "m": (0, 3.1, "m\n(K, d)"),
    "H": (0, 2.1, "H\n(M, d)"),
    "T": (0, 1.0, "T\n(M, d)"),
    "f": (0, 0, "W, b\nof f_nn"),
    "logits": (1.7, 3.1, "logits\n(M, K)"),
    "C": (3.1, 2.6, "C\n(M, K)"),
    "A": (3.9, 1.0, "A\n(B, K, d)"),
    "mu": (5.4, 0.5, "μ, b\n(B, K, d)"),
    "z": (6.7, 1.3, "z\n(B, K, d)"),
    "kl": (7.2, 0, "KL"),
    "rec": (8.1, 2.1, "ln p"),
    "cat": (5.6, 3.4, "cross-\nentropy"),
    "loss": (9.6, 2.6, "loss"),
}
EDGES = [
    ("m", "logits", "14"),
    ("H", "logits", "14"),
    ("logits", "C", "15"),
    ("logits", "cat", "34"),
    ("C", "A", "19"),
    ("T", "A", "19"),
    ("A", "mu", "19–21"),
    ("f", "mu", "19"),
    ("mu", "z", "25"),
    ("mu", "kl", "26"),
    ("z", "rec", "28, 29"),
    ("H", "rec", "28"),
    ("C", "rec", "28"),
    ("rec", "loss", "34"),
    ("kl", "loss", "34"),
    ("cat", "loss", "34"),
]
TWICE = {name for name in PLACES if sum(a == name for a, _, _ in EDGES) > 1}


def graph():
    """Lines 31 to 34 of Algorithm 1; what is used twice is orange."""
    figure, axis = plt.subplots(figsize=(11, 4.6))
    boxes = {}
    for name, (x, y, label) in PLACES.items():
        fill, edge = ("#fbe3b0", COLOURS[1]) if name in TWICE else ("#eeeeee", GREY)
        look = {"ha": "center", "va": "center", "color": INK, "fontsize": 10}
        look["bbox"] = {"boxstyle": "round,pad=0.35", "fc": fill, "ec": edge}
        boxes[name] = axis.text(x, y, label, **look).get_bbox_patch()
    for a, c, line in EDGES:
        (xa, ya, _), (xc, yc, _) = PLACES[a], PLACES[c]
        arrow = {"arrowstyle": "-|>", "color": GREY, "lw": 1.4, "shrinkA": 2, "shrinkB": 2}
        arrow |= {"patchA": boxes[a], "patchB": boxes[c]}
        axis.annotate("", (xc, yc), (xa, ya), arrowprops=arrow)
        look = {"fontsize": 8, "color": COLOURS[0], "ha": "center", "va": "center"}
        look["bbox"] = {"fc": "white", "ec": "none", "pad": 0.6}
        axis.text(0.52 * xa + 0.48 * xc, 0.52 * ya + 0.48 * yc, line, **look)
    along = "forward along the arrows, backward against them (blue: its lines)"
    axis.set(xlim=(-0.6, 10.1), ylim=(-0.5, 3.9), title=f"Algorithm 1 as a graph: {along}")
    axis.axis("off")
    plt.show()


def steps(step, errors, laws):
    """The error of a derivative over the step, for each method; `laws` are the lines of theory."""
    _, axis = plt.subplots(figsize=(10.5, 4.6))
    for place, (name, error) in enumerate(errors.items()):
        look = {"color": COLOURS[place], "marker": "os^D"[place], "ms": 4, "lw": 1.2}
        axis.loglog(step, error, label=name, **look)
    for (name, values), dashes in zip(laws.items(), ("-.", ":", "--")):
        axis.loglog(step, values, color=INK, ls=dashes, lw=1, label=name)
    axis.axvline(STEP, color=GREY, lw=1)
    axis.text(STEP * 1.2, 4, "the checker's step", color=INK, fontsize=9)
    axis.set(
        xlabel="step h",
        ylabel="absolute error of the derivative",
        ylim=(5e-18, 30),
        title="too large a step: truncation; too small: rounding (an error of 0 is drawn at 1e-17)",
    )
    axis.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    plt.show()


def errors_of_bugs(table, parameters):
    """The error of each parameter's gradient under each bug; {letter: errors}."""
    _, axis = plt.subplots(figsize=(7.5, 5.6))
    wrong = np.array([row > TOLERANCE for row in table.values()])
    colours = plt.matplotlib.colors.ListedColormap(["#d6e9f5", "#f3b48a"])
    axis.imshow(wrong, cmap=colours, aspect="auto")
    for row, errors in enumerate(table.values()):
        for column, error in enumerate(errors):
            text = f"{error:.0e}" if error < 1e-6 else f"{error:.2g}"
            look = {"ha": "center", "va": "center", "fontsize": 9, "color": INK}
            look["weight"] = "bold" if wrong[row, column] else "normal"
            axis.text(column, row, text, **look)
    axis.set_xticks(range(len(parameters)), parameters)
    axis.set_yticks(range(len(table)), table)
    axis.set(xlabel="parameter", ylabel="planted bug")
    axis.set(title="relative error of each gradient (orange, bold: wrong)")
    axis.spines[:].set_visible(False)
    plt.show()
