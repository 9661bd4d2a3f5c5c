r"""At test time: concepts without noise, users' representations, and the items that suit them best."""

from macrid.backend import array_module, to_device
from macrid.model import prototypes
from macrid.model.decoder import positives, scores
from macrid.model.encoder import aggregate, f_nn, posterior
from macrid.model.objective import _layers
from macrid.model.ops import identity, normalise, softmax
from macrid.model.ranking import above, top_k

SCORES_AT_A_TIME = (
    1 << 22
)  # when ranking: a tile of the catalogue is this over the number of users, but 1,024 items at least


def concepts(parameters, config):
    r"""C at test time: softmax(s) without noise, or its mode if `hard_concepts`. -> (M, K)."""
    unit = normalise if config.similarity == "cosine" else identity
    s, _ = prototypes.concept_logits(unit(parameters["H"])[0], unit(parameters["m"])[0], config.tau)
    return prototypes.mode(s) if config.hard_concepts else softmax(s)[0]


def represent(parameters, X, config, C=None):
    r"""A user's representation at test time: the posterior's mean mu and deviation sigma, (B, K, d)
    each.

    Under cosine only the direction of mu is ever used, and mu has unit length also without
    `unit_mu`.
    """
    C = concepts(parameters, config) if C is None else C
    A, _ = aggregate(X, C, parameters["T"])
    B, K, d = A.shape
    ab, _ = f_nn(A.reshape(B * K, d), _layers(parameters), None)
    (mu, b), _ = posterior(
        ab.reshape(B, K, 2 * d),
        normalise if config.unit_mu or config.similarity == "cosine" else identity,
    )
    return mu, config.sigma0 * array_module(b).exp(-0.5 * b)


def predict(parameters, X, config):
    r"""Scores of all items for the users of X by their adopted items, z = mu: (B, M), higher is
    better.
    """
    C = concepts(parameters, config)
    mu, _ = represent(parameters, X, config, C)
    unit = normalise if config.similarity == "cosine" else identity
    P, shift = scores(mu, unit(parameters["H"])[0], C, config.tau, config.similarity == "cosine")
    return (
        tilted(P, shift, linear_logits(parameters, X)(slice(None)))[0] if "L" in parameters else P
    )


def rank(parameters, X, config, n, exclude_seen=True, items_at_a_time=None, emphasis=None):
    r"""The n best items of each user of X (B, M), best first, and their ln P_ui up to a constant
    per user: (B, n) each.

    Goes through the catalogue in tiles and keeps a running best n: no (B, M) array is made. Without
    the items that a user has, unless `exclude_seen` is False; a user with fewer than n others gets
    those she has at the end, at -inf. Equal scores go to the item that comes first. `emphasis` (K,)
    are factors of the concepts: P_ui = sum_k emphasis_k c_ik E_uki.
    """
    C = concepts(parameters, config)
    mu, _ = represent(parameters, X, config, C)
    C = C if emphasis is None else C * emphasis
    cosine = config.similarity == "cosine"
    H = parameters["H"]
    xp = array_module(H)
    M = H.shape[0]
    items_at_a_time = items_at_a_time or max(1024, SCORES_AT_A_TIME // max(X.shape[0], 1))
    path = linear_logits(parameters, X) if "L" in parameters else None
    seen_users, seen_items, _, _ = positives(X, xp, H.dtype)
    best_items, best = (
        xp.zeros((X.shape[0], 0), dtype=int),
        xp.zeros((X.shape[0], 0), dtype=H.dtype),
    )
    for start in range(0, M, items_at_a_time):
        tile = slice(start, min(start + items_at_a_time, M))
        P, shift = scores(
            mu, (normalise if cosine else identity)(H[tile])[0], C[tile], config.tau, cosine
        )
        if path:
            P, shift = tilted(P, shift, path(tile))
        if exclude_seen:
            here = (seen_items >= tile.start) & (seen_items < tile.stop)
            P[seen_users[here], seen_items[here] - tile.start] = -xp.inf
        if best.shape[1] < n:
            columns = top_k(P, n)
        # few items are still better than the n-th best so far; 0.999 leaves room for rounding
        else:
            columns = above(P, 0.999 * xp.exp(xp.minimum(best[:, -1] - shift, 80)))
        P = xp.take_along_axis(P, columns, axis=1)
        found = xp.where(
            (P > 0) & (columns >= 0), xp.log(xp.maximum(P, 1e-38)) + shift[:, None], -xp.inf
        )
        best_items = xp.concatenate([best_items, columns + start], axis=1)
        best = xp.concatenate([best, found.astype(H.dtype)], axis=1)
        keep = top_k(best, n)
        best_items, best = (
            xp.take_along_axis(best_items, keep, axis=1),
            xp.take_along_axis(best, keep, axis=1),
        )
    return best_items, best


def ranker(parameters, config):
    """`rank` as `metrics.evaluate_ranking` asks for it: a function of X (B, M) and k to the k best
    items (B, k).
    """
    return lambda X, k: rank(parameters, X, config, k)[0]


def linear_logits(parameters, X):
    r"""The linear path for the users of X (B, M), gamma x_u W = (x_u L) L^T: a function of a slice
    of items -> (B, items).
    """
    L = parameters["L"]
    XL = to_device(array_module(L), X.astype(L.dtype)) @ L  # (B, r)
    return lambda items: XL @ L[items].T


def tilted(P, shift, logits):
    r"""The P and shift of `decoder.scores` for P_ui exp(l_ui): P (B, M), shift (B,), l (B, M)."""
    xp = array_module(P)
    highest = logits.max(axis=1)
    logits -= highest[:, None]
    return xp.maximum(P * xp.exp(logits), xp.finfo(P.dtype).tiny), shift + highest
