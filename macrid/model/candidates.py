r"""Sampled softmax (Jean et al., 2015), Algorithm 1 line 29: a step over a few items, not all M.

The candidates of a step are S, the items that its users adopted, and items drawn from the whole
catalogue. With q_i the probability of a draw and f_i how often i was drawn in n draws,

    Z_u = sum_{i in S} P_ui  +  sum_{i not in S} (f_i / (n q_i)) P_ui

has the expectation sum_i P_ui: an unbiased estimate of the partition function, though its logarithm
is not (the bias falls as 1/n). The weights multiply c_ik, so that the decoder is the same function
over a subset of items.
"""

import numpy as np

from macrid.errors import UserError


def draw(rng: np.random.Generator, X, config, counts=None) -> tuple[np.ndarray, np.ndarray]:
    r"""Candidates (m,), sorted and unique, and their weights (m,) for a batch X (B, M).

    config.candidates is n. 'uniform' draws without replacement, so that n >= M gives every item
    with weight 1, the full softmax; 'popularity' draws with replacement and q_i in proportion to
    1 + `counts` (M,), the training adoptions.
    """
    M = X.shape[1]
    adopted = np.unique(X.indices)
    n = min(config.candidates, M)
    if config.candidate_sampling == "uniform":
        drawn, weight = np.sort(rng.choice(M, n, replace=False)), np.full(n, M / n)
    else:
        if counts is None:
            raise UserError("candidates by popularity need the training counts of the items")
        cumulative = np.cumsum(1.0 + counts)
        places = np.searchsorted(cumulative, rng.random(n) * cumulative[-1], side="right")
        drawn, often = np.unique(np.minimum(places, M - 1), return_counts=True)
        weight = often * cumulative[-1] / (n * (1.0 + counts[drawn]))
    new = ~np.isin(drawn, adopted, assume_unique=True)
    items = np.concatenate([adopted, drawn[new]])
    weights = np.concatenate([np.ones(len(adopted)), weight[new]]).astype(config.dtype)
    order = np.argsort(items)
    return items[order], weights[order]


def restrict(X, items: np.ndarray):
    """The columns `items` (sorted, holding every item of X) of X (B, M) CSR -> (B, len(items))."""
    columns = np.searchsorted(items, X.indices).astype(X.indices.dtype)
    return type(X)((X.data, columns, X.indptr), shape=(X.shape[0], len(items)))
