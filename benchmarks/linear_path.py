"""Which linear map is worth having beside the model, and how much of it: docs/linear.md.

    export OPENBLAS_NUM_THREADS=1
    python benchmarks/linear_path.py maps toys/ratings.csv
    python benchmarks/linear_path.py weights ml-latest-small --min-user-items 15 --out ml15.npz
    python benchmarks/linear_path.py compare *.npz

`maps`: NDCG@100 of the default split's validation users by maps of the training's adoptions, each
with the best of some lambdas. `weights`: sums of models with ridge regression at many weights, for
validation users and for a fifth of the users whom neither training nor validation has seen,
`--rotations` times; the default split's test users are left out of all. `compare`: rules that
choose a weight by the validation users, judged by the others.
"""

import argparse
import time

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from macrid import run_folder
from macrid.baselines import ItemKNN, Neighbours, Popularity, Ridge
from macrid.config import option_names
from macrid.data import splits
from macrid.evaluation.metrics import evaluate, evaluate_ranking, summary
from macrid.model.scoring import log_predict, ranker
from macrid.terminal import add_config_flags
from macrid.training import fit, linear_path, ridge

LAMBDAS = (10.0, 30.0, 100.0, 300.0, 1000.0)
WEIGHTS = (0.0, 0.125, 0.25, 0.5, 0.7, 1.0, 2.0, 4.0, 8.0, 1000.0)
NDCG = ((100, "ndcg"),)


def main():
    """Do what is asked for."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("what", choices=("maps", "weights", "compare"))
    arguments.add_argument("paths", nargs="+", help="data, or files that `weights` wrote")
    arguments.add_argument("--rotations", type=int, default=5)
    arguments.add_argument("--out", default="weights.npz")
    add_config_flags(arguments, leave_out=["data"])
    flags = arguments.parse_args()
    if flags.what == "compare":
        return compare(flags.paths)
    given = {name: value for name, value in vars(flags).items() if name in option_names()}
    settings = run_folder.fresh({"data": flags.paths[0], "start": "random"} | given)
    interactions = run_folder.load_data(settings)
    default = splits.split(interactions, "holdout", settings.split_seed)
    if flags.what == "maps":
        return maps(default)
    found = {}
    for rotation in range(flags.rotations):
        split = rotated(interactions, default.test.users, rotation)
        for name, values in weights(split, settings).items():
            found[f"{rotation}/{name}"] = values
    return np.savez(flags.out, **found)


# Which map


def maps(split):
    """Print NDCG@100 of the validation users by each map, and the CPU seconds of one lambda, those
    of finding directions not among them."""
    X = sparse.csr_array(split.train, dtype=np.float32)
    print(f"{X.shape[0]:,} x {X.shape[1]:,}, {len(split.validation.users):,} validation users")

    def show(name, fits):
        best = {"mean": -1.0}
        for of_lambda in fits:
            start = time.process_time()
            scores = of_lambda()
            seconds = time.process_time() - start
            figure = summary(evaluate(scores, split.validation, NDCG))["ndcg@100"]
            best = max(best, figure, key=lambda each: each["mean"])
        print(f"{name:28} {best['mean']:.4f} ± {best['stderr']:.4f}  {seconds:.1f} s", flush=True)

    show("popularity", [lambda: Popularity.fit(X).scores])
    show("ItemKNN, 100 neighbours", [lambda: ItemKNN.fit(X, neighbours=100).scores])
    for n in (20, 50, 100, 200):
        show(
            f"each on its {n} nearest",
            [lambda v=v: Neighbours.fit(X, regularisation=v, neighbours=n).scores for v in LAMBDAS],
        )
    for k in (300, 1000, 2000, 4000):
        if k < min(X.shape):
            square, V = ridge.strongest_directions(X.astype(float), k)
            fits = [lambda v=v: Ridge(V, square / (square + v), v).scores for v in LAMBDAS]
            show(f"ridge, {k} directions", fits)
    show("ridge, all directions", [lambda v=v: exact(X, v, False) for v in LAMBDAS])
    show("EASE", [lambda v=v: exact(X, v, True) for v in LAMBDAS])


def exact(X, regularisation, zero_diagonal):
    """Scores of the whole map, by P = (X^T X + lambda I)^-1: of items not owned -x P, EASE's over
    P_jj."""
    G = (X.T @ X).toarray()
    G[np.diag_indices_from(G)] += regularisation
    factor, _ = lapack.spotrf(G.T, lower=1, overwrite_a=1)
    P, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    P = np.tril(P)
    P += np.tril(P, -1).T
    by = np.diag(P).copy() if zero_diagonal else 1
    return lambda X: -(X.astype(np.float32) @ P) / by


# How much of it


def rotated(interactions, test_users, rotation):
    """A split without the default's test users: two tenths judge (as .test), one validates."""
    others = np.setdiff1d(np.arange(interactions.X.shape[0]), test_users)
    tenths = np.array_split(np.random.default_rng(7).permutation(others), 10)
    judges = np.sort(np.concatenate([tenths[2 * rotation % 10], tenths[(2 * rotation + 1) % 10]]))
    validation = np.sort(tenths[(2 * rotation + 2) % 10])
    train = np.setdiff1d(others, np.concatenate([judges, validation]))
    rng = np.random.default_rng([7, rotation])
    return splits._assemble(interactions, train, validation, judges, rng, rng)


def weights(split, settings):
    """NDCG@100 of each user at each weight, of the model stopped by all validation users and by
    each half of them: {"all/validation": (weights, users), ..., "half": (users,)}."""
    n = len(split.validation.users)
    half = np.random.default_rng(8).permutation(n) < n // 2
    groups = {"all": np.ones(n, bool), "first": half, "second": ~half}
    best = dict.fromkeys(groups, (-1.0, None))

    def keep_best(state):
        rank = ranker(state.parameters, settings)
        ndcg = evaluate_ranking(rank, split.validation, NDCG)["ndcg@100"]
        for name, users in groups.items():
            if (mean := np.nanmean(ndcg[users])) > best[name][0]:
                best[name] = mean, {key: p.copy() for key, p in state.parameters.items()}

    fit.fit(split, settings, on_epoch=keep_best)
    linear = linear_path.regression(split.train).fit(split.train, split.validation)
    found = {"half": half}
    for name, (_, parameters) in best.items():
        model = lambda X, p=parameters: log_predict(p, X, settings)
        equal = linear_path.equal_say(model, linear.scores, split.validation.fold_in)
        for part, users in (("validation", split.validation), ("judges", split.test)):
            score = lambda X, w: model(X) + w * equal * linear.scores(X)
            found[f"{name}/{part}"] = np.array(
                [evaluate(lambda X, w=w: score(X, w), users, NDCG)["ndcg@100"] for w in WEIGHTS]
            )
    return found


def best_of(ndcg):
    """The weight with the best mean."""
    return int(np.nanmean(ndcg, axis=1).argmax())


def unless(first, errors):
    """`first`, unless another is better by so many paired standard errors."""

    def choose(ndcg):
        start = WEIGHTS.index(first)
        gains = [summary({"gain": of_weight - ndcg[start]})["gain"] for of_weight in ndcg]
        clear = [
            place
            for place, gain in enumerate(gains)
            if place != start and gain["mean"] > max(0, errors * gain["stderr"])
        ]
        return max(clear, key=lambda place: gains[place]["mean"], default=start)

    return choose


def compare(paths):
    """Print each rule minus the weight .5, by data, over the judging users."""
    rules = {f"always {w:g}": unless(w, np.inf) for w in (0, 0.25, 0.5, 0.7, 1, 2, 1000)}
    rules["the best"] = best_of
    rules |= {f"{w:g}, unless {z} errors": unless(w, z) for w in (0.25, 0.5, 1) for z in (1, 2)}
    for path in paths:
        with np.load(path) as file:
            runs = [
                {name.partition("/")[2]: file[name] for name in file if name.startswith(f"{r}/")}
                for r in range(sum(name.endswith("/half") for name in file))
            ]
        print(path)
        outcomes = {name: [] for name in (*rules, "halves, the best", "crossed, the best")}
        for run in runs:
            chosen = {name: ("all", rule(run["all/validation"])) for name, rule in rules.items()}
            chosen["halves, the best"] = "first", best_of(run["first/validation"][:, ~run["half"]])
            crossed = np.where(run["half"], run["second/validation"], run["first/validation"])
            chosen["crossed, the best"] = "all", best_of(crossed)
            start = run["all/judges"][WEIGHTS.index(0.5)]
            for name, (model, place) in chosen.items():
                outcomes[name].append(run[f"{model}/judges"][place] - start)
        for name, differences in outcomes.items():
            gain = summary({"gain": np.concatenate(differences)})["gain"]
            print(f"  {name:24} {gain['mean']:+.4f} ± {gain['stderr'] or 0:.4f}")


if __name__ == "__main__":
    main()
