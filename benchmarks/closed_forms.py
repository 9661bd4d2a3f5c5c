"""EASE and Ridge, as they are fitted, against their plain ways: CPU seconds, memory, NDCG@100.

    OPENBLAS_NUM_THREADS=1 python benchmarks/closed_forms.py DATA [DATA ...] [--min-user-items 5]

EASE (regularisation 200) beside the inverse of the whole (M, M) matrix, where that has at most
10,000 items, and Ridge with all its
principal directions beside the 1,000 strongest: by ARPACK, and by the randomised range finder that
takes over above 6,000 users and items. A fit and the scores of all test users are timed apart.
Differences are paired by test user, ± their standard error; "of the map" is ||W - W'|| / ||W'||
(Frobenius), W' being the row that it is compared with.
"""

import argparse
import time
import tracemalloc
from functools import partial
from unittest import mock

import numpy as np
from scipy import sparse

from macrid import run_folder
from macrid.baselines import EASE, Ridge
from macrid.config import Config
from macrid.evaluation.metrics import evaluate, paired, summary
from macrid.training import ridge

PLAIN, RIDGE, ARPACK = "EASE, (M, M) inverse", "Ridge, all directions", "ARPACK, 1,000"


def plain_ease(X):
    """By the inverse of the (M, M) matrix, whatever N is."""
    P = np.linalg.inv((X.T @ X).toarray() + 200.0 * np.eye(X.shape[1]))
    W = P / -np.diag(P)
    np.fill_diagonal(W, 0)
    return EASE(W)


def ridge_of(directions, value):
    """Ridge from V (M, r) and s (r,)."""
    V, s = directions
    return Ridge(V, s**2 / (s**2 + value), value)


def arpack(X):
    """The 1,000 strongest directions by ARPACK."""
    _, s, Vt = sparse.linalg.svds(X, k=ridge.STRONGEST, rng=0)
    return Vt.T[:, ::-1], s[::-1]


def range_finder(X):
    """The 1,000 strongest directions as above the limit."""
    with mock.patch.object(ridge, "MOST_EXACT", 0):
        return ridge.principal_directions(X)


def measured(fit, split):
    """What was fitted, CPU seconds and peak bytes of that, CPU seconds of scoring, metrics."""
    tracemalloc.start()
    start = time.process_time()
    fitted = fit()
    middle = time.process_time()
    metrics = evaluate(fitted.scores, split.test)
    end = time.process_time()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return fitted, middle - start, peak, end - middle, metrics


def distance(first, second):
    """||W - W'|| / ||W'|| of two ridges, without their (M, M) matrices."""
    cross = first.V.T @ second.V  # (r, r')
    between = (first.f[:, None] * cross**2 * second.f).sum()
    squares = [(one.f**2).sum() for one in (first, second)]
    return np.sqrt(max(squares[0] + squares[1] - 2 * between, 0) / squares[1])


def main():
    """Print a table for each data set."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("data", nargs="+")
    arguments.add_argument("--min-user-items", type=int, default=5)
    flags = arguments.parse_args()
    for path in flags.data:
        config = Config(data=path, min_user_items=flags.min_user_items)
        split, _ = run_folder.prepare(run_folder.load_data(config), config)
        X = sparse.csr_array(split.train, dtype=float)
        print(f"\n{path}: {X.shape[0]:,} x {X.shape[1]:,}, {len(split.test.users)} test users\n")
        print("| what | fit s | scores s | peak MB | NDCG@100 | minus that of | of the map |")
        print("|---|---|---|---|---|---|---|")
        value = Ridge.fit(X, split.validation).regularisation
        ways = {}  # {name: (the row that it is compared with, how it is fitted)}
        plain = X.shape[1] <= EASE.most
        if plain:
            ways[PLAIN] = PLAIN, partial(plain_ease, X)
        ways["EASE"] = PLAIN if plain else "EASE", partial(EASE.fit, X)
        ways[RIDGE] = RIDGE, partial(Ridge.fit, X, regularisation=value)
        if min(X.shape) > ridge.STRONGEST:
            ways[ARPACK] = RIDGE, lambda X=X, v=value: ridge_of(arpack(X), v)
            ways["range finder, 1,000"] = ARPACK, lambda X=X, v=value: ridge_of(range_finder(X), v)
        done: dict = {}
        for name, (reference, way) in ways.items():
            fitted, fit, peak, scores, metrics = measured(way, split)
            done[name] = fitted, metrics
            other, its_metrics = done[reference]
            difference = paired(metrics, its_metrics)["ndcg@100"]
            is_ridge = name != reference and isinstance(other, Ridge)
            of_map = f"{distance(fitted, other):.2g}" if is_ridge else ""
            print(
                f"| {name} | {fit:.2f} | {scores:.2f} | {peak / 1e6:.0f} |"
                f" {summary(metrics)['ndcg@100']['mean']:.4f} | {reference}:"
                f" {difference['mean']:+.4f} ± {difference['stderr']:.4f} | {of_map} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
