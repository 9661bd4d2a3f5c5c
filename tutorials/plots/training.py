"""The figures of notebook 9."""

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK


def valley(paths):
    """Paths (steps, 2) of several methods to the minimum of (x^2 + 100 y^2) / 2."""
    _, axis = plt.subplots(figsize=(9, 3.6))
    x, y = np.meshgrid(np.linspace(-2.3, 0.6, 200), np.linspace(-1.15, 1.15, 200))
    levels, height = [0.1, 1, 4, 12, 30, 55], (x**2 + 100 * y**2) / 2
    axis.contour(x, y, height, levels=levels, colors=GREY, linewidths=0.7)
    for place, (name, path) in enumerate(paths.items()):
        axis.plot(*path.T, color=COLOURS[place], marker="o^s"[place], ms=3, lw=1, label=name)
    axis.plot(0, 0, "*", color=INK, ms=12)
    what = "60 steps in a valley a hundred times as steep in y as in x (star: the minimum)"
    axis.set(xlabel="x", ylabel="y", title=what)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
    plt.show()


def run(history, constant, best_epoch):
    """Loss, KL term and validation of one training, over its epochs."""
    epochs = history["epoch"]
    _, axes = plt.subplots(1, 3, figsize=(12, 3.6))
    axes[0].plot(epochs, history["loss"], color=COLOURS[0], label="loss")
    of_items = -history["reconstruction"]
    axes[0].plot(epochs, of_items, color=COLOURS[1], ls="--", label="−ln p of a user's items")
    axes[0].set(xlabel="epoch", ylabel="nats per user", title="the loss on training users")
    axes[1].plot(epochs, history["kl"], color=COLOURS[2], label="KL")
    axes[1].axhline(constant, color=GREY, ls=":", label="its constant part, K / (2 σ₀²)")
    axes[1].plot(epochs, 100 * history["beta"], color=COLOURS[3], ls="--", label="100 β")
    axes[1].set(xlabel="epoch", ylabel="nats per user", title="the KL term and β", ylim=(0, None))
    ndcg, recall = history["validation_ndcg@100"], history["validation_recall@20"]
    axes[2].plot(epochs, ndcg, color=COLOURS[0], label="NDCG@100")
    axes[2].plot(epochs, recall, color=COLOURS[5], ls="--", label="Recall@20")
    axes[2].axvline(best_epoch, color=GREY, ls=":")
    axes[2].text(
        best_epoch - 2, 0.1, f"best: epoch {best_epoch}", ha="right", fontsize=9, color=INK
    )
    axes[2].set(xlabel="epoch", title="validation users", ylim=(0, None))
    for axis in axes:
        axis.legend(fontsize=8)
    plt.show()


def variants(curves):
    """Training and validation over epochs of several variants, {name: history}."""
    _, axes = plt.subplots(1, 2, figsize=(10, 3.8))
    dashes = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
    for place, (name, curve) in enumerate(curves.items()):
        line = {"color": COLOURS[place], "ls": dashes[place], "lw": 2, "label": name}
        axes[0].plot(curve["epoch"], -curve["reconstruction"], **line)
        axes[1].plot(curve["epoch"], curve["validation_ndcg@100"], **line)
    axes[0].set(xlabel="epoch", ylabel="−ln p of a user's items, nats", ylim=(100, 200))
    axes[0].set(title="training users (with their noise and dropout)")
    axes[1].set(xlabel="epoch", ylabel="NDCG@100", title="validation users")
    axes[0].legend(fontsize=9)
    plt.show()


def differences(a, b, compared):
    """Two systems user by user; and {comparison: [(mean, paired error, unpaired error), ...]}, a
    row for each seed.
    """
    _, axes = plt.subplots(1, 2, figsize=(10.5, 4.2), width_ratios=(1, 1.3))
    axes[0].plot([0, 1], [0, 1], color=GREY, lw=1)
    axes[0].scatter(b, a, s=12, color=COLOURS[0], alpha=0.6, linewidths=0)
    axes[0].set(xlabel="NDCG@100 by EASE", ylabel="NDCG@100 by macrid", aspect="equal")
    axes[0].set(title=f"{len(a)} test users, correlation {np.corrcoef(a, b)[0, 1]:.2f}")
    ticks, labels = [], []
    for group, (name, seeds) in enumerate(compared.items()):
        for seed, (mean, *errors) in enumerate(seeds):
            at = 5 * group + seed
            for place, error in enumerate(errors):
                look = {"fmt": "so"[place], "color": COLOURS[place], "capsize": 3, "lw": 2 - place}
                what = ("paired", "as if on different users")[place]
                look["label"] = what if at == 0 else None
                axes[1].errorbar([mean], [at + 0.3 * place], xerr=[2 * error], **look)
        ticks.append(5 * group + 1.15)
        labels.append(f"{name}\nseeds 0, 1, 2")
    axes[1].set_yticks(ticks, labels)
    axes[1].axvline(0, ymax=0.85, color=INK, lw=1)
    axes[1].set(xlabel="difference of NDCG@100 ± 2 standard errors", ylim=(-0.8, 5 * group + 4.6))
    axes[1].set(title="two differences, three seeds each (upwards)")
    axes[1].legend(fontsize=9, loc="upper center", ncols=2)
    plt.show()
