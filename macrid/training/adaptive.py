r"""The adaptive number of concepts, section 4.1.4: of two that are much alike, one is dropped.

    p_{i|k}  = p(c_ik = 1) / sum_{i'} p(c_{i'k} = 1)
    JS(p, q) = 1/2 KL(p || (p + q) / 2) + 1/2 KL(q || (p + q) / 2)
             = H((p + q) / 2) - (H(p) + H(q)) / 2

in bits, H the entropy: 0 for equal distributions, 1 for those that share no item. After every
epoch, while the smallest divergence of two concepts is below `config.adaptive_K`, the one of the
two with fewer items goes. K only ever falls.
"""

import numpy as np

from macrid.backend import array_module, to_host
from macrid.model.scoring import concepts


def divergences(C):
    r"""JS of every two columns of C (M, K) as distributions over the items: (K, K), bits.

    In double precision.
    """
    xp = array_module(C)
    p = C.astype(np.float64)
    p /= xp.maximum(p.sum(axis=0), np.finfo(np.float64).tiny)  # (M, K)
    H = _entropy(p)  # (K,)
    D = xp.zeros((len(H), len(H)))
    for k in range(len(H) - 1):
        D[k, k + 1 :] = _entropy((p[:, k + 1 :] + p[:, k : k + 1]) / 2) - (H[k + 1 :] + H[k]) / 2
    return xp.maximum(D + D.T, 0)


def closest(C):
    r"""The two columns of C (M, K > 1) with the smallest divergence: (kept, dropped, divergence).

    Kept is the one that holds more, sum_i c_ik; the first where they hold the same.
    """
    D = to_host(divergences(C))
    rows, columns = np.triu_indices(len(D), 1)
    nearest = D[rows, columns].argmin()
    k, other = int(rows[nearest]), int(columns[nearest])
    held = to_host(C.sum(axis=0))
    return (
        (k, other, float(D[k, other])) if held[k] >= held[other] else (other, k, float(D[k, other]))
    )


def shrink(state, config, targets=None):
    r"""Drop concepts as section 4.1.4 says, at the end of an epoch.

    Returns the `targets` (M, K) of those that are left.

    Without `config.adaptive_K` nothing happens. A concept goes with its row of m and of Adam's
    moments; the best parameters so far keep theirs. The one that is kept takes over what the other
    was taught: its column of the targets. The last record of `state.history` says how many concepts
    the epoch had, `K`, their smallest divergence (None for one concept), and which were `dropped`,
    as [dropped, kept] in order, each pair numbered as the concepts were then.
    """
    if not config.adaptive_K:
        return targets
    record = state.history[-1]
    record |= {"K": len(state.parameters["m"]), "divergence": None, "dropped": []}
    while len(state.parameters["m"]) > 1:
        kept, dropped, divergence = closest(
            concepts(state.parameters, config.replace(hard_concepts=False))
        )
        record["divergence"] = divergence if record["divergence"] is None else record["divergence"]
        if divergence >= config.adaptive_K:
            break
        record["dropped"].append([dropped, kept])
        state.parameters["m"] = _without(state.parameters["m"], dropped)
        state.moments["m"] = tuple(_without(moment, dropped) for moment in state.moments["m"])
        if state.average:
            state.average["m"] = _without(state.average["m"], dropped)
        targets = _taken_over(targets, dropped, kept)
    return targets


def replay(targets, history):
    r"""The targets (M, K) of the concepts left after the epochs of `history`; None stays None."""
    for record in history:
        for dropped, kept in record.get("dropped", ()):
            targets = _taken_over(targets, dropped, kept)
    return targets


def left(K, history, epoch):
    """How many of K concepts there are while `epoch` trains; epochs count from 1."""
    return K - sum(len(record.get("dropped", ())) for record in history[: max(epoch - 1, 0)])


def _entropy(p):
    """H of each column of p (M, K), in bits."""
    xp = array_module(p)
    return -(p * xp.log2(xp.maximum(p, np.finfo(np.float64).tiny))).sum(axis=0)


def _without(rows, k):
    return array_module(rows).concatenate([rows[:k], rows[k + 1 :]])


def _taken_over(targets, dropped, kept):
    if targets is None:
        return None
    targets = targets.copy()
    targets[:, kept] += targets[:, dropped]
    return array_module(targets).concatenate(
        [targets[:, :dropped], targets[:, dropped + 1 :]], axis=1
    )
