"""NDCG and recall against a plain loop over users, ties and users without held-out items too."""

import math

import numpy as np
import pytest
from helpers import users

from macrid.data.splits import HeldOut
from macrid.evaluation.metrics import evaluate, per_user, summary, top_k


def plain(scores, fold_in, held_out, k):
    """(NDCG@k, recall@k) of one user by the definition; None without held-out items."""
    if not held_out:
        return None
    ranked = sorted(
        (i for i in range(len(scores)) if i not in fold_in), key=lambda i: (-scores[i], i)
    )[:k]
    dcg = sum(1 / math.log2(r + 2) for r, i in enumerate(ranked) if i in held_out)
    ideal = sum(1 / math.log2(r + 2) for r in range(min(k, len(held_out))))
    return dcg / ideal, sum(i in held_out for i in ranked) / min(k, len(held_out))


@pytest.mark.parametrize("levels", [3, 10**9], ids=["many ties", "few ties"])
@pytest.mark.parametrize("k", [1, 5, 20, 100])
def test_equal_to_a_plain_loop(rng, levels, k):
    M, people = 40, 600  # more users than are scored at a time, fewer items than the largest cutoff
    scores = rng.integers(0, levels, (people, M)).astype(float)
    order = rng.permuted(np.tile(np.arange(M), (people, 1)), axis=1)
    fold_in = [set(row[:5]) for row in order]
    held_out = [set(row[5 : 5 + n]) for row, n in zip(order, rng.integers(0, 8, people))]
    part = HeldOut(np.arange(people), users(fold_in, M), users(held_out, M))
    given = iter(np.array_split(scores, [500]))
    metrics = evaluate(lambda X: next(given).copy(), part, ((k, "ndcg"), (k, "recall")))
    expected = [plain(*row, k) for row in zip(scores, fold_in, held_out)]
    for u, values in enumerate(expected):
        if values is None:
            assert np.isnan(metrics[f"ndcg@{k}"][u]) and np.isnan(metrics[f"recall@{k}"][u])
        else:
            assert metrics[f"ndcg@{k}"][u] == pytest.approx(values[0], abs=1e-12)
            assert metrics[f"recall@{k}"][u] == pytest.approx(values[1], abs=1e-12)


def test_top_k_is_the_stable_order(rng):
    scores = rng.integers(0, 4, (50, 30)).astype(np.float32)
    np.testing.assert_array_equal(
        top_k(scores, 7), np.argsort(-scores, axis=1, kind="stable")[:, :7]
    )


def test_users_without_held_out_items_are_left_out_and_counted():
    metrics = per_user(
        np.array([[0, 1], [0, 1], [0, 1]]), users([(0,), (), (1,)], 2), ((2, "ndcg"), (1, "recall"))
    )
    result = summary(metrics)["recall@1"]
    assert result == {"mean": 0.5, "stderr": 0.5, "users": 2, "left_out": 1}


def test_standard_error_is_the_deviation_over_the_root_of_users():
    values = np.array([0.1, 0.4, np.nan, 0.7, 0.2])
    result = summary({"x": values})["x"]
    scored = [0.1, 0.4, 0.7, 0.2]
    assert result["mean"] == pytest.approx(np.mean(scored)) and result["stderr"] == pytest.approx(
        np.std(scored, ddof=1) / 2
    )
    assert summary({"x": np.array([0.5])})["x"]["stderr"] is None
