"""NDCG and recall against a plain loop over users, ties and users without held-out items too."""

import math

import numpy as np
import pytest
from helpers import users

from macrid.data.splits import HeldOut
from macrid.evaluation.metrics import (
    OF_LATER_ITEMS,
    by_scores,
    evaluate,
    measured,
    per_user,
    summary,
    top_k,
)


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


def of_the_field(ranked, held_out, k):
    """NDCG, recall, MRR and hit rate as the code of LightGCN computes them, and its kin."""
    r = [1.0 if item in held_out else 0.0 for item in ranked[:k]]
    recall = sum(r) / len(held_out)
    best = [1.0] * min(k, len(held_out)) + [0.0] * (k - min(k, len(held_out)))
    ideal = sum(value / np.log2(place + 2) for place, value in enumerate(best))
    ndcg = sum(value / np.log2(place + 2) for place, value in enumerate(r)) / ideal
    first = next((place for place, value in enumerate(r, 1) if value), None)
    return {
        "ndcg": ndcg,
        "recall_all": recall,
        "mrr": 1 / first if first else 0.0,
        "hit": float(any(r)),
    }


@pytest.mark.parametrize("k", [1, 3, 20])
def test_the_metrics_of_the_field_are_theirs(rng, k):
    """NDCG by scikit-learn where it is installed, the others by their definition; coverage too."""
    M, people = 60, 700
    scores = rng.random((people, M))
    order = rng.permuted(np.tile(np.arange(M), (people, 1)), axis=1)
    fold_in = [set(row[:10]) for row in order]
    held_out = [
        set(row[10 : 10 + n].tolist()) for row, n in zip(order, rng.integers(1, 40, people))
    ]
    part = HeldOut(np.arange(people), users(fold_in, M), users(held_out, M))
    given = iter(np.array_split(scores, [500]))
    cutoffs = [(k, kind) for _, kind in OF_LATER_ITEMS]
    metrics, means = measured(by_scores(lambda X: next(given).copy()), part, cutoffs)
    lists = []
    for u in range(people):
        left = [i for i in np.argsort(-scores[u]).tolist() if i not in fold_in[u]]
        lists.append(left[:k])
        for kind, value in of_the_field(left, held_out[u], k).items():
            assert metrics[f"{kind}@{k}"][u] == pytest.approx(value, abs=1e-12)
    shown = set().union(*lists)
    assert means[f"coverage@{k}"]["mean"] == len(shown) / M
    assert means[f"mrr@{k}"]["mean"] == pytest.approx(metrics[f"mrr@{k}"].mean())
    assert f"coverage@{k}" not in metrics

    sklearn = pytest.importorskip("sklearn.metrics")
    for u in range(0, people, 10):
        known = np.array(sorted(set(range(M)) - fold_in[u]))
        relevant = np.isin(known, list(held_out[u])).astype(float)
        expected = sklearn.ndcg_score([relevant], [scores[u][known]], k=k)
        assert metrics[f"ndcg@{k}"][u] == pytest.approx(expected, abs=1e-12)


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
