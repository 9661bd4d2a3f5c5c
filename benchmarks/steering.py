"""A factor on a concept: what becomes of its share of the ten best items, and of NDCG?

    for s in 0 1 2; do
      python -m macrid.train --faithful --seed $s --out runs/shop-$s
      python -m macrid.train --faithful --data ml-latest-small --K 4 --seed $s --out runs/four-$s
      python -m macrid.train --faithful --data ml-latest-small --K 8 --category-weight .5 \\
        --seed $s --out runs/eight-$s
    done
    python benchmarks/steering.py shop runs/shop-* --out docs/images/steering-shop.png
    python benchmarks/steering.py "MovieLens, 4 concepts" runs/four-* --out ...

Each run as it is, and with a linear path (weight .5) added to it. Every concept in its turn gets
the factor; the lists are those of test and validation users. Rules that might have been, beside the
one of `macrid.model.steering`:

    inside P    ln sum_k f_k c_ik E_uki + path          mixture   ln P + path + ln sum_k c_ik f_k
    geometric   ln P + path + sum_k c_ik ln f_k         hard      ln P + path + ln f_k(i)

NDCG at factor 3 minus that at 1: users more than half of whose held-out items are of the concept,
and as a control the same users with items dealt at random to concepts of the same sizes. A user's
differences are averaged over the runs (and concepts) first; the standard error is over users.
"""

import argparse
import time

import numpy as np
from scipy import sparse

from macrid import model, run_folder
from macrid.evaluation import metrics
from macrid.interpret.drawing import COLOURS
from macrid.model import decoder, linear, steering
from macrid.model.ranking import top_k
from macrid.training import linear_path

FACTORS = (0, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 10000)
RULES = ("kept", "inside P", "mixture", "geometric", "hard")
SAMPLE = 100  # users whose lists give kappa, as in Recommender
TINY = 1e-30


class Lists:
    """The scores of all items for some users, by every rule."""

    def __init__(self, parameters, X, config, histories, rng):
        self.X, self.config = X, config
        self.prepared = model.prepare(parameters, config)
        self.log_P = model.log_predict(parameters, X, config)  # with the path
        self.mu, _ = model.represent(parameters, X, config, self.prepared.C)
        self.path = path(slice(None)) if (path := linear.logits(parameters, X)) else 0
        self.kappa = steering.kappa(parameters, histories, config, self.prepared)
        self.concept = self.prepared.C.argmax(axis=1)
        self.dealt = rng.permutation(self.concept)  # the control

    def best(self, rule, k, factor, n=10, users=slice(None)):
        """The n best items (B, n) with a factor on concept k, and which of them are left out."""
        C, X = self.prepared.C, self.X[users]
        factors = np.ones(C.shape[1])
        factors[k] = factor
        kept, log_factor = C[:, k], np.log(max(factor, TINY))
        if rule == "inside P":
            log_C = np.log(np.maximum(C, TINY)) + np.log(np.maximum(factors, TINY)).astype(C.dtype)
            scores = decoder.log_scores(
                self.mu[users], self.prepared.H, None, self.config.tau, log_C=log_C
            )
            scores = scores + (self.path if np.isscalar(self.path) else self.path[users])
        else:
            offset = {
                "kept": steering.offsets(C, factors, self.kappa),
                "control": steering.offsets(np.eye(C.shape[1])[self.dealt], factors, self.kappa),
                "mixture": np.log(np.maximum(1 - kept + kept * factor, TINY)),
                "geometric": kept * log_factor,
                "hard": (self.concept == k) * log_factor,
            }[rule]
            scores = self.log_P[users] + offset
        scores[X.nonzero()] = -np.inf
        items = top_k(scores, n)
        return items, np.isfinite(np.take_along_axis(scores, items, axis=1))

    def share(self, rule, k, factor):
        """The concept's share of the users' ten best."""
        items, is_in = self.best(rule, k, factor)
        return (self.concept[items] == k)[is_in].mean()


def measured(run, parameters, rng):
    """{rule: (K, factors) shares}, kappa, and {(rule, cutoff): {user: [differences]}}."""
    split, made, config = run.split, run.interactions, run.settings
    parts = split.test, split.validation
    X = sparse.csr_array(sparse.vstack([part.fold_in for part in parts]))
    held_out = sparse.csr_array(sparse.vstack([part.held_out for part in parts]))
    histories = sparse.csr_array(made.X[:, split.items])
    histories = histories[np.linspace(0, histories.shape[0] - 1, SAMPLE).astype(int)]
    lists = Lists(parameters, X, config, histories, rng)
    K = lists.prepared.C.shape[1]
    shares = {
        rule: [[lists.share(rule, k, factor) for factor in FACTORS] for k in range(K)]
        for rule in RULES
    }
    differences = {}
    for k in range(K):
        wanted = held_out @ (lists.concept == k).astype(float)
        users = np.flatnonzero(wanted > 0.5 * held_out.sum(axis=1))
        if not len(users):
            continue
        cutoffs = ((10, "ndcg"), (100, "ndcg"))
        before = metrics.per_user(lists.best("kept", k, 1, 100, users)[0], held_out[users], cutoffs)
        for rule in ("kept", "control"):
            items, _ = lists.best(rule, k, 3, 100, users)
            after = metrics.per_user(items, held_out[users], cutoffs)
            for name in ("ndcg@10", "ndcg@100"):
                for user, value in zip(users.tolist(), after[name] - before[name]):
                    differences.setdefault((rule, name), {}).setdefault(user, []).append(value)
    return shares, lists.kappa, differences


def main():
    """Measure all runs with and without a path; print Markdown; draw the kept rule's curves."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("name", help="what the runs are called in the tables")
    arguments.add_argument("runs", nargs="+", metavar="RUN", help="run folders of macrid.train")
    arguments.add_argument("--out", help="write the figure to this .png file")
    flags = arguments.parse_args()
    start = time.process_time()
    curves = {}
    for path in (False, True):
        shares, kappas, of_user = {rule: [] for rule in RULES}, [], {}
        for seed, folder in enumerate(flags.runs):
            run = run_folder.load(folder)
            parameters = run.parameters
            if path:
                with_path = run.settings.replace(linear_path=0.5)
                parameters, _, _ = linear_path.add(parameters, run.split, with_path)
            of_rule, kappa, differences = measured(run, parameters, np.random.default_rng(seed))
            kappas.append(kappa)
            for rule, rows in of_rule.items():
                shares[rule] += rows
            for key, users in differences.items():
                for user, values in users.items():
                    of_user.setdefault(key, {}).setdefault(user, []).extend(values)
        curves[path] = np.array(shares["kept"])
        report(f"{flags.name}, {'with' if path else 'without'} the path", shares, kappas, of_user)
    print(f"{time.process_time() - start:.0f} s of one core")
    if flags.out:
        draw(flags.name, curves, flags.out)


def report(name, shares, kappas, of_user):
    """Print a table of the curves, and the differences of NDCG."""
    print(f"\n{name}: kappa {', '.join(f'{kappa:.2f}' for kappa in kappas)}\n")
    print("| rule | " + " | ".join(f"{factor:g}" for factor in FACTORS) + " |")
    print("|---" * (len(FACTORS) + 1) + "|")
    for rule, rows in shares.items():
        print(f"| {rule} | " + " | ".join(f"{s:.3f}" for s in np.mean(rows, axis=0)) + " |")
    kept = np.array(shares["kept"])
    print("| lowest | " + " | ".join(f"{s:.3f}" for s in kept.min(axis=0)) + " |")
    print("| highest | " + " | ".join(f"{s:.3f}" for s in kept.max(axis=0)) + " |")
    one, three = kept[:, FACTORS.index(1)], kept[:, FACTORS.index(3)]
    times, odds = three / one, three / (1 - three) * (1 - one) / one
    for what, values in (("share at 3 over that at 1", times), ("odds", odds)):
        quartiles = ", ".join(f"{q:.2f}" for q in np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
        print(f"{what}, of {len(kept)} concepts: {quartiles} (least, quarters, most)")
    print("rises everywhere:", bool((np.diff(kept, axis=1) >= 0).all()))
    for (rule, cutoff), users in of_user.items():
        means = np.array([np.mean(values) for values in users.values()])
        stderr = means.std(ddof=1) / len(means) ** 0.5
        print(f"{rule}, {cutoff} at 3 minus at 1: {means.mean():+.4f} ± {stderr:.4f}", len(means))


def draw(name, curves, path):
    """A line a concept and run: its share of the ten best by the factor."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
    factors = FACTORS[1:]
    for axis, (with_path, rows) in zip(axes, curves.items()):
        for row in rows:
            axis.plot(factors, row[1:], color=COLOURS[0], lw=0.8, alpha=0.35)
        (mean,) = axis.plot(factors, rows.mean(axis=0)[1:], color=COLOURS[1], lw=2.2)
        axis.axvline(3, color="0.6", lw=0.8, ls="--")
        axis.axhline(0.9, color="0.6", lw=0.8, ls=":")
        axis.set(xscale="log", ylim=(0, 1.02), xlabel="factor on the concept")
        axis.set(title=f"{name}, {'with' if with_path else 'without'} the linear path")
    axes[1].legend([axes[1].lines[0], mean], ["a concept of a run", "their mean"], loc=(0.55, 0.1))
    axes[0].set(ylabel="its share of the ten best")
    axes[0].text(3.3, 0.02, "3", color="0.4")
    axes[0].text(0.11, 0.92, "0.9", color="0.4")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
