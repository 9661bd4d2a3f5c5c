r"""NDCG@k and Recall@k as in MultiVAE (Liang et al., 2018), user by user, with standard errors."""

import numpy as np

from macrid.backend import array_module, to_device, to_host
from macrid.model.ranking import top_k

USERS_AT_A_TIME = 500


def per_user(ranked, held_out, cutoffs=((100, "ndcg"), (20, "recall"), (50, "recall"))):
    r"""Figures of each user from ranked items.

        DCG@k = sum_{r=1..k} hit_r / log2(r + 1)      NDCG@k = DCG@k / (DCG of min(k, n) hits in
        front)
        Recall@k = hits in the first k / min(k, n)

    ranked (B, >= max k or M) item columns, best first; held_out (B, M) CSR with n items a user.
    Returns {"ndcg@100": (B,), ...}; users without held-out items get NaN: they are to be left out,
    not scored 0.
    """
    n = np.diff(held_out.indptr)
    M = held_out.shape[1]
    rows = np.arange(ranked.shape[0])
    wanted = np.repeat(rows, n) * M + held_out.indices  # a number for each (user, item)
    hits = np.isin(rows[:, None] * M + ranked, wanted).astype(float)
    discount = 1 / np.log2(np.arange(2, max(ranked.shape[1], M) + 2))
    ideal = np.concatenate([np.zeros(1), np.cumsum(discount)])
    figures = {}
    for k, kind in cutoffs:
        found = hits[:, :k]
        best = np.minimum(n, k)
        if kind == "ndcg":
            value = found @ discount[: found.shape[1]] / np.where(n > 0, ideal[best], 1)
        else:
            value = found.sum(axis=1) / np.maximum(best, 1)
        figures[f"{kind}@{k}"] = np.where(n > 0, value, np.nan)
    return figures


def evaluate(score, part, cutoffs=((100, "ndcg"), (20, "recall"), (50, "recall"))):
    """Figures of each user of a `HeldOut` part: {"ndcg@100": (n,), ...}, NaN where nothing is held
    out.

    `score` takes fold-in rows (b, M) CSR and returns (b, M) scores of either backend; fold-in items
    are left out of the ranking.
    """

    def rank(fold_in, k):
        scores = score(fold_in)
        seen = np.repeat(np.arange(fold_in.shape[0]), np.diff(fold_in.indptr))
        scores[to_device(array_module(scores), (seen, fold_in.indices))] = -np.inf
        return top_k(scores, k)

    return evaluate_ranking(rank, part, cutoffs)


def evaluate_ranking(rank, part, cutoffs=((100, "ndcg"), (20, "recall"), (50, "recall"))):
    """As `evaluate`, where `rank(fold_in, k)` gives the k best items (b, k) itself, best first,
    without fold-in items.
    """
    most = max(k for k, _ in cutoffs)
    batches = []
    for start in range(0, part.fold_in.shape[0], USERS_AT_A_TIME):
        fold_in, held_out = (
            part.fold_in[start : start + USERS_AT_A_TIME],
            part.held_out[start : start + USERS_AT_A_TIME],
        )
        batches.append(per_user(to_host(rank(fold_in, most)), held_out, cutoffs))
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def summary(figures):
    """Mean, standard error over the scored users, and their number: {"ndcg@100": {"mean", "stderr",
    "users"}}.
    """
    result = {}
    for name, values in figures.items():
        scored = values[~np.isnan(values)]
        users = len(scored)
        stderr = float(scored.std(ddof=1) / users**0.5) if users > 1 else None
        result[name] = {
            "mean": float(scored.mean()),
            "stderr": stderr,
            "users": users,
            "left_out": len(values) - users,
        }
    return result


def paired(first, second):
    """The mean difference of two systems' figures over the same users: summaries of first - second."""
    return summary({name: first[name] - second[name] for name in first})
