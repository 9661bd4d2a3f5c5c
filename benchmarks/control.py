"""Turning a dimension on the shop: does one true attribute change, and do the others stay put?

    for s in 0 1 2; do python -m macrid.train --faithful --seed $s --out runs/shop-$s; done
    python benchmarks/control.py runs/shop-0 runs/shop-1 runs/shop-2 --out docs/images/control.png

For every concept and dimension, from 20 items of the concept: Spearman's correlation of the step
with each true attribute along the 8 items retrieved, averaged over the starts with its sign. The
attribute that moves most is chosen on ten of the starts and measured on the other ten, so that the
best of five is not luck. All pairs count, not the best ones; chance is seen by shuffling the
attributes among the items.

From a user: the strongest component of the first 100 test users of each run, every dimension, 8
steps. How much better than the concept's items do those retrieved suit the taste that she was made
with, minus her weighted squared distances from her ideal, in standard deviations over the concept?
"""

import argparse

import numpy as np

from macrid import model, run_folder
from macrid.interpret import macro, trajectory
from macrid.interpret.drawing import COLOURS, INK

STARTS, STEPS, USERS = 20, 8, 100
GAMMAS = (0, 0.03, 0.1, 0.3, 1, 10)


def main():
    """Measure every dimension of every concept of all runs, print the distribution, draw it."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument(
        "runs", nargs="+", metavar="RUN", help="run folders of macrid.train on the shop"
    )
    arguments.add_argument("--gamma", type=float, default=trajectory.GAMMA)
    arguments.add_argument("--out", help="write the histogram to this .png file")
    flags = arguments.parse_args()
    real, shuffled, gains = [], [], []
    for seed, folder in enumerate(flags.runs):
        run = run_folder.load(folder)
        settings, made, split, state = run.settings, run.interactions, run.split, run.state
        space = trajectory.space(state.best, settings)
        attributes = made.truth.attributes[split.items]
        permuted = np.random.default_rng(seed).permutation(attributes)
        real += measured(space, attributes, flags.gamma)
        shuffled += measured(space, permuted, flags.gamma)
        gains += tastes(space, settings, made, split, state.best)
    real, shuffled = np.array(real), np.array(shuffled)
    report("true attributes", real)
    report("attributes shuffled among items", shuffled)
    clear = real[real[:, 0] >= 0.8, 2]
    counts = {name: int((clear == a).sum()) for a, name in enumerate(made.truth.attribute_names)}
    print("the attribute of those of .8 and more:", counts)
    print(f"from a user, how much better her true taste is met, over {len(gains)} users:")
    for gamma, column in zip(GAMMAS, np.array(gains).T):
        stderr = column.std(ddof=1) / len(column) ** 0.5
        print(f"  gamma {gamma:<4g}  {column.mean():.3f} ± {stderr:.3f}")
    if flags.out:
        draw(real, shuffled, len(flags.runs)).savefig(flags.out, dpi=130)


def measured(space, attributes, gamma):
    """(most, next, attribute) of every concept and dimension.

    They are the |mean correlation| of the attribute that moves most, that of the next, and which
    attribute it is.
    """

    def correlations(i, j):
        path = trajectory.trajectory(space, space.H[i], j, STEPS, gamma)
        return trajectory.step_correlation(attributes[path.items])

    rows = []
    for k in range(len(space.m)):
        starts = np.random.default_rng(0).permutation(np.flatnonzero(space.concept == k))[:STARTS]
        if len(starts) < STARTS:
            continue
        for j in range(space.H.shape[1]):
            rho = np.array([correlations(i, j) for i in starts])  # (STARTS, attributes)
            chosen, fresh = np.abs(rho[::2].mean(axis=0)), np.abs(rho[1::2].mean(axis=0))
            most = chosen.argmax()
            rows.append((fresh[most], np.delete(fresh, most).max(), most))
    return rows


def tastes(space, settings, made, split, parameters):
    """For test users the gain at each of GAMMAS, a mean over the dimensions.

    Users whose component is not of an intention of theirs are left out.
    """
    truth, part = made.truth, split.test
    category, attributes = truth.category[split.items], truth.attributes[split.items]
    X, users = part.fold_in[:USERS], part.users[:USERS]
    confidence = macro.confidence(X, model.concepts(parameters, settings))  # (B, K)
    rows = []
    for place, u in enumerate(users):
        h = trajectory.component(parameters, X[[place]], int(confidence[place].argmax()), settings)
        inside = np.flatnonzero(space.concept == (space.m @ h).argmax())
        g = np.bincount(category[inside]).argmax()
        if not truth.intentions[u, g]:
            continue
        suits = -((attributes - truth.ideals[u, g]) ** 2 @ truth.weights[u, g])  # (M,)
        suits = (suits - suits[inside].mean()) / suits[inside].std()

        def gain(gamma):
            paths = [
                trajectory.trajectory(space, h, j, STEPS, gamma).items
                for j in range(space.H.shape[1])
            ]
            return np.mean([suits[items].mean() for items in paths if len(items)])

        rows.append([gain(gamma) for gamma in GAMMAS])
    return rows


def report(title, rows):
    """The distribution of both over concepts and dimensions."""
    print(f"{title}: {len(rows)} pairs of concept and dimension")
    for name, column in (("moves most", rows[:, 0]), ("moves next", rows[:, 1])):
        quantiles = np.quantile(column, (0.1, 0.25, 0.5, 0.75, 0.9, 1))
        text = "  ".join(f"{q:.2f}" for q in quantiles)
        print(f"  {name}: 10, 25, 50, 75, 90 %, max  {text};  >= .8: {(column >= 0.8).sum()}")
    alone = (rows[:, 0] >= 0.8) & (rows[:, 1] <= 0.4)
    print(f"  most >= .8 and every other <= .4: {alone.sum()}")


def draw(real, shuffled, runs):
    """Histograms of both, and each pair as a point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    bins = np.linspace(0, 1, 21)
    filled = {"color": COLOURS[0], "alpha": 0.85}
    line = {"color": COLOURS[5], "histtype": "step", "linewidth": 2}
    dashes = {"color": INK, "histtype": "step", "linestyle": "--"}
    left.hist(real[:, 0], bins, label="the attribute that moves most", **filled)
    left.hist(real[:, 1], bins, label="the one that moves next", **line)
    left.hist(shuffled[:, 0], bins, label="moves most, attributes shuffled", **dashes)
    left.set_xlabel("|mean Spearman correlation with the step|", color=INK)
    left.set_ylabel("pairs of concept and dimension", color=INK)
    left.legend(frameon=False, fontsize=9)
    dots = {"s": 14, "color": COLOURS[0]}
    crosses = {"s": 12, "color": INK, "marker": "x", "linewidths": 0.7}
    right.scatter(real[:, 0], real[:, 1], label="true attributes", **dots)
    right.scatter(shuffled[:, 0], shuffled[:, 1], label="attributes shuffled", **crosses)
    right.axvline(0.8, color=INK, linestyle=":", linewidth=1)
    right.set(xlim=(0, 1), ylim=(0, 1))
    right.set_xlabel("the attribute that moves most", color=INK)
    right.set_ylabel("the one that moves next", color=INK)
    right.legend(frameon=False, fontsize=9, loc="upper left")
    title = f"Turning every dimension of every concept on the shop ({runs} runs, 10 starts each)"
    figure.suptitle(title, color=INK, fontsize=12)
    return figure


if __name__ == "__main__":
    main()
