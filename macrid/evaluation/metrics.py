r"""How good rankings are, user by user, with standard errors: NDCG, recall, MRR, hits; coverage.

NDCG@k and Recall@k are those of MultiVAE (Liang et al., 2018), `recall_all` the recall of LightGCN
(He et al., 2020) and its kin, which divides by all that is hidden.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy import sparse

from macrid.backend import array_module, to_device, to_host
from macrid.data.splits import HeldOut, is_weak
from macrid.model.ranking import top_k

FORM = {"mean": float, "stderr": (None, float), "users": int}  # of a metric in a file, at least
KINDS = ("ndcg", "recall", "recall_all", "mrr", "hit", "coverage")
CUTOFFS = ((100, "ndcg"), (20, "recall"), (50, "recall"))  # the paper's NDCG@100, Recall@20 and 50
OF_LATER_ITEMS = ((20, "ndcg"), (20, "recall_all"), (20, "mrr"), (20, "hit"), (20, "coverage"))
USERS_AT_A_TIME = 500

Cutoffs = Sequence[tuple[int, str]]
PerUser = dict[str, np.ndarray]  # {"ndcg@100": (n,), ...}, NaN where a user has nothing held out


def cutoffs_of(how: str) -> Cutoffs:
    """What is measured after a split: the paper's metrics, or of later or given items the usual
    ones of the field.

    >>> cutoffs_of("holdout")
    ((100, 'ndcg'), (20, 'recall'), (50, 'recall'))
    """
    return OF_LATER_ITEMS if is_weak(how) else CUTOFFS


def per_user(ranked: np.ndarray, held_out: sparse.csr_array, cutoffs: Cutoffs = CUTOFFS) -> PerUser:
    r"""Metrics of each user from ranked items.

        DCG@k        = sum_{r=1..k} hit_r / log2(r + 1)
        ndcg@k       = DCG@k / (DCG of min(k, n) hits in front)
        recall@k     = hits in the first k / min(k, n)
        recall_all@k = hits in the first k / n
        mrr@k        = 1 / the place of the first hit, 0 if there is none in the first k
        hit@k        = 1 if there is a hit in the first k, else 0

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
        elif kind == "mrr":
            values = first.max(axis=1) / (1 + first.argmax(axis=1))
        elif kind == "hit":
            values = first.max(axis=1)
        else:
            values = first.sum(axis=1) / np.maximum(n if kind == "recall_all" else most, 1)
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
    return evaluate_ranking(by_scores(score), part, cutoffs)


def by_scores(score: Callable[[sparse.csr_array], np.ndarray]) -> Callable:
    """The ranking, as `evaluate_ranking` asks for it, of a system that scores as for `evaluate`."""

    def rank(fold_in, k):
        scores = score(fold_in)
        seen = np.repeat(np.arange(fold_in.shape[0]), np.diff(fold_in.indptr))
        scores[to_device(array_module(scores), (seen, fold_in.indices))] = -np.inf
        return top_k(scores, k)

    return rank


def evaluate_ranking(
    rank: Callable[[sparse.csr_array, int], np.ndarray], part: HeldOut, cutoffs: Cutoffs = CUTOFFS
) -> PerUser:
    """As `evaluate`, where the system ranks by itself.

    `rank(fold_in, k)` gives the k best items (b, k), best first, without the fold-in items. Of a
    part without users there are no metrics, {}.
    """
    cutoffs = [(k, kind) for k, kind in cutoffs if kind != "coverage"]
    most = max((k for k, _ in cutoffs), default=0)
    batches = []
    for start in range(0, part.fold_in.shape[0], USERS_AT_A_TIME):
        users = slice(start, start + USERS_AT_A_TIME)
        ranked = to_host(rank(part.fold_in[users], most))
        batches.append(per_user(ranked, part.held_out[users], cutoffs))
    names = batches[0] if batches else ()
    return {name: np.concatenate([batch[name] for batch in batches]) for name in names}


def measured(
    rank: Callable[[sparse.csr_array, int], np.ndarray], part: HeldOut, cutoffs: Cutoffs = CUTOFFS
) -> tuple[PerUser, dict[str, dict]]:
    """`evaluate_ranking`, and its `summary`, to which coverage belongs, no metric of a user.

    coverage@k is the share of all items that stand in the first k of somebody's list.

    >>> measured(by_scores(EASE.fit(split.train).scores), split.test, OF_LATER_ITEMS)[1].keys()
    dict_keys(['ndcg@20', 'recall_all@20', 'mrr@20', 'hit@20', 'coverage@20'])
    """
    depths = [k for k, kind in cutoffs if kind == "coverage"]
    is_shown = {k: np.zeros(part.held_out.shape[1], bool) for k in depths}

    def watched(fold_in, k):
        ranked = to_host(rank(fold_in, max([k, *depths])))
        for depth in depths:
            is_shown[depth][ranked[:, :depth]] = True
        return ranked

    metrics = evaluate_ranking(watched, part, cutoffs)
    users = {"stderr": None, "users": len(part.users), "left_out": 0}
    shares = {f"coverage@{k}": {"mean": float(is_shown[k].mean()), **users} for k in depths}
    return metrics, summary(metrics) | shares


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
