r"""NDCG@k and Recall@k as in MultiVAE (Liang et al., 2018), user by user, with standard errors."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import sparse

from macrid.backend import array_module, to_device, to_host
from macrid.data.splits import HeldOut
from macrid.model.ranking import top_k

FORM = {"mean": float, "stderr": (None, float), "users": int}  # of a metric in a file, at least
CUTOFFS = ((100, "ndcg"), (20, "recall"), (50, "recall"))  # the paper's NDCG@100, Recall@20 and 50
USERS_AT_A_TIME = 500

Cutoffs = Sequence[tuple[int, str]]
PerUser = dict[str, np.ndarray]  # {"ndcg@100": (n,), ...}, NaN where a user has nothing held out


def per_user(ranked: np.ndarray, held_out: sparse.csr_array, cutoffs: Cutoffs = CUTOFFS) -> PerUser:
    r"""Metrics of each user from ranked items.

        DCG@k    = sum_{r=1..k} hit_r / log2(r + 1)
        NDCG@k   = DCG@k / (DCG of min(k, n) hits in front)
        Recall@k = hits in the first k / min(k, n)

    ranked    (B, max k or more) item columns, best first (B, M if M is less)
    held_out  (B, M) CSR with n items a user

    Users without held-out items get NaN: they are to be left out, not scored 0.

    >>> per_user(np.array([[2, 0, 1]]), sparse.csr_array([[0, 0, 1]]), [(1, "recall")])
    {'recall@1': array([1.])}
    """
    B, M = ranked.shape[0], held_out.shape[1]
    n = np.diff(held_out.indptr)
    users = np.arange(B)
    pairs = np.repeat(users, n) * M + held_out.indices  # a number for each (user, item)
    hits = np.isin(users[:, None] * M + ranked, pairs).astype(float)
    discount = 1 / np.log2(np.arange(2, max(ranked.shape[1], M) + 2))
    ideal = np.concatenate([np.zeros(1), np.cumsum(discount)])  # DCG of 0, 1, 2, ... hits in front
    metrics = {}
    for k, kind in cutoffs:
        first = hits[:, :k]
        most = np.minimum(n, k)
        if kind == "ndcg":
            values = first @ discount[: first.shape[1]] / np.where(n > 0, ideal[most], 1)
        else:
            values = first.sum(axis=1) / np.maximum(most, 1)
        metrics[f"{kind}@{k}"] = np.where(n > 0, values, np.nan)
    return metrics


def evaluate(
    score: Callable[[sparse.csr_array], np.ndarray], part: HeldOut, cutoffs: Cutoffs = CUTOFFS
) -> PerUser:
    """Metrics of each user of a `HeldOut` part.

    `score` takes fold-in rows (b, M) CSR and returns scores (b, M) of either backend; fold-in items
    are left out of the ranking.

    >>> summary(evaluate(EASE.fit(split.train).scores, split.test))["ndcg@100"]["mean"]
    """

    def rank(fold_in, k):
        scores = score(fold_in)
        seen = np.repeat(np.arange(fold_in.shape[0]), np.diff(fold_in.indptr))
        scores[to_device(array_module(scores), (seen, fold_in.indices))] = -np.inf
        return top_k(scores, k)

    return evaluate_ranking(rank, part, cutoffs)


def evaluate_ranking(
    rank: Callable[[sparse.csr_array, int], np.ndarray], part: HeldOut, cutoffs: Cutoffs = CUTOFFS
) -> PerUser:
    """As `evaluate`, where the system ranks by itself.

    `rank(fold_in, k)` gives the k best items (b, k), best first, without the fold-in items. Of a
    part without users there are no metrics, {}.
    """
    most = max(k for k, _ in cutoffs)
    batches = []
    for start in range(0, part.fold_in.shape[0], USERS_AT_A_TIME):
        users = slice(start, start + USERS_AT_A_TIME)
        ranked = to_host(rank(part.fold_in[users], most))
        batches.append(per_user(ranked, part.held_out[users], cutoffs))
    names = batches[0] if batches else ()
    return {name: np.concatenate([batch[name] for batch in batches]) for name in names}


def summary(metrics: Mapping[str, np.ndarray]) -> dict[str, dict]:
    """{"ndcg@100": {"mean", "stderr", "users", "left_out"}, ...} over the users with a value.

    >>> summary({"ndcg@100": np.array([0.2, 0.4, np.nan])})["ndcg@100"]["users"]
    2
    """
    result = {}
    for name, values in metrics.items():
        scored = values[~np.isnan(values)]
        users = len(scored)
        result[name] = {
            "mean": float(scored.mean()),
            "stderr": float(scored.std(ddof=1) / users**0.5) if users > 1 else None,
            "users": users,
            "left_out": len(values) - users,
        }
    return result


def paired(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> dict[str, dict]:
    """`summary` of the users' differences, first - second, between two systems."""
    return summary({name: first[name] - second[name] for name in first})
