r"""A factor on a concept: how far its items are raised in everybody's list.

An item is of the concept k(i) with its largest c_ik. With factors f user u's list is ordered by

    ln P_ui + kappa ln f_k(i)

whatever ln P_ui is made of: a linear path is part of it. Inside a concept the order stays hers; as
f_k grows the list becomes her best items of concept k, and a factor of 0 leaves them out. kappa is
a number of the model: with it a factor of 3 multiplies by 3 the odds of a concept in the ten best
items, s / (1 - s) with s its share of them over users, on average over the concepts.
docs/control.md derives and measures it.
"""

import math

from macrid.backend import array_module, to_host
from macrid.model.ranking import top_k
from macrid.model.scoring import Prepared, rank

LIST = 10  # the best items whose shares are meant
CANDIDATES = 1000  # ... and how many of a user's may come to be among them
REFERENCE = 3.0  # the factor with which the odds are measured
HALVINGS = 20


def offsets(C, factors, kappa: float):
    r"""What to add to ln P_ui of each item: kappa ln f_k(i), -inf where that is 0. -> (M,)

    C (M, K), factors (K,) at least 0.

    >>> offsets(np.array([[0.9, 0.1], [0.2, 0.8]]), [1.0, 0.0], 2.0)
    array([  0., -inf])
    """
    xp = array_module(C)
    log_f = [kappa * math.log(f) if f > 0 else -math.inf for f in factors]
    return xp.asarray(log_f, dtype=C.dtype)[C.argmax(axis=1)]


def kappa(parameters: dict, X, config, prepared: Prepared) -> float:
    r"""The kappa of a model, by the lists of the users of X (B, M) CSR.

    delta is looked for by halving: raised by it, each concept in its turn, the mean of their shares
    is what odds of 3 times as much would give, 3 s_k / (1 + 2 s_k); then kappa = delta / ln 3.
    """
    n = min(CANDIDATES, X.shape[1])
    items, scores = to_host(rank(parameters, X, config, n, prepared=prepared))  # (B, n)
    concept = to_host(prepared.C).argmax(axis=1)[items]
    scores = scores.astype(float)
    finite = scores[scores > -math.inf]
    if not finite.size:
        return 1.0
    K = prepared.C.shape[1]
    shares = [share(scores, concept == k, 0.0) for k in range(K)]
    target = sum(REFERENCE * s / (1 + (REFERENCE - 1) * s) for s in shares)
    low, high = 0.0, float(finite.max() - finite.min())
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if sum(share(scores, concept == k, middle) for k in range(K)) < target:
            low = middle
        else:
            high = middle
    return high / math.log(REFERENCE) or 1.0


def share(scores, inside, delta: float) -> float:
    """The share that items `inside`, raised by delta, have of the users' ten best, (B, n) both."""
    best = top_k(scores + delta * inside, LIST)
    rows = array_module(scores).arange(len(scores))[:, None]
    return float(inside[rows, best].mean())
