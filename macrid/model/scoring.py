r"""At test time: concepts without noise, representations of users, and the items that suit them.

A model may hold a linear path beside the concepts, one more array "L" (M, r) of its parameters
(`macrid.training.linear_path`); then ln P_ui has (x_u L L^T)_i added to it.
"""

from collections.abc import Callable

from macrid.backend import array_module, to_device
from macrid.model import prototypes
from macrid.model.decoder import bounded, log_scores, positives
from macrid.model.encoder import aggregate, f_nn, posterior
from macrid.model.objective import compared, mlp
from macrid.model.ops import identity, log_softmax, normalise, softmax
from macrid.model.ranking import above, top_k

# when ranking, a tile of the catalogue has so many scores, but at least so many items
TILE_SCORES = 1 << 22
TILE_ITEMS = 1024


def concepts(parameters: dict, config):
    r"""C at test time: softmax(s) without noise, or its mode if `hard_concepts`. -> (M, K)."""
    s = _concept_logits(parameters, config)
    return prototypes.mode(s) if config.hard_concepts else softmax(s)[0]


def represent(parameters: dict, X, config, C=None) -> tuple:
    r"""A user's representation at test time: the posterior's mean mu and deviation sigma.

    X (B, M) SciPy CSR -> (B, K, d) each. Under cosine only the direction of mu is ever used, and mu
    has unit length also without `unit_mu`.
    """
    C = concepts(parameters, config) if C is None else C
    A, _ = aggregate(X, C, parameters["T"])
    B, K, d = A.shape
    ab, _ = f_nn(A.reshape(B * K, d), mlp(parameters), None)
    unit_mu = normalise if config.unit_mu or config.cosine else identity
    (mu, b), _ = posterior(ab.reshape(B, K, 2 * d), unit_mu)
    return mu, config.sigma0 * array_module(b).exp(-0.5 * b)


def predict(parameters: dict, X, config):
    r"""P_ui of equation (7) for all items, divided by the user's largest: (B, M), 1 for the best.

    By the users' adopted items, X (B, M) SciPy CSR, with z = mu. Of items that are far behind it
    may be 0; `log_predict` tells those apart too.
    """
    log_P = log_predict(parameters, X, config)
    xp = array_module(log_P)
    return xp.exp(log_P - log_P.max(axis=1, keepdims=True))


def log_predict(parameters: dict, X, config):
    r"""ln P_ui of equation (7) for all items and the users of X (B, M) SciPy CSR: (B, M).

    With a linear path, ln P_ui + (x_u L L^T)_i. What users are served by: higher is better.
    """
    C = concepts(parameters, config)
    mu, _ = represent(parameters, X, config, C)
    H, _ = compared(config)(parameters["H"])
    score = _scorer(parameters, config, C, mu)
    path = linear_logits(parameters, X) if "L" in parameters else None
    every = slice(None)
    return score(H, every) if path is None else score(H, every) + path(every)


def rank(
    parameters: dict, X, config, n: int, exclude_seen=True, items_at_a_time=None, emphasis=None
) -> tuple:
    r"""The n best items of each user of X (B, M), best first, and their ln P_ui: (B, n) each.

    Goes through the catalogue in tiles and keeps a running best n: no (B, M) array is made. Without
    the items that a user has, unless `exclude_seen` is False; a user with fewer than n others gets
    those she has at the end, at -inf. Equal scores go to the item that comes first. `emphasis` (K,)
    are factors of the concepts: P_ui = sum_k emphasis_k c_ik E_uki.
    """
    C = concepts(parameters, config)
    mu, _ = represent(parameters, X, config, C)
    unit, H = compared(config), parameters["H"]
    xp, M, B = array_module(H), H.shape[0], X.shape[0]
    score = _scorer(parameters, config, C, mu, emphasis)
    path = linear_logits(parameters, X) if "L" in parameters else None
    seen_users, seen_items, _, _ = positives(X, xp, H.dtype)
    best_items, best = xp.zeros((B, 0), dtype=int), xp.zeros((B, 0), dtype=H.dtype)
    items_at_a_time = items_at_a_time or max(TILE_ITEMS, TILE_SCORES // max(B, 1))
    for start in range(0, M, items_at_a_time):
        # score the tile
        tile = slice(start, min(start + items_at_a_time, M))
        scores = score(unit(H[tile])[0], tile)
        if path:
            scores += path(tile)
        if exclude_seen:
            here = (seen_items >= tile.start) & (seen_items < tile.stop)
            scores[seen_users[here], seen_items[here] - tile.start] = -xp.inf

        # its columns that may be among the n best
        columns = top_k(scores, n) if best.shape[1] < n else above(scores, best[:, -1])
        better = xp.where(columns >= 0, xp.take_along_axis(scores, columns, axis=1), -xp.inf)

        # the n best of those and of the tiles before
        best_items = xp.concatenate([best_items, columns + start], axis=1)
        best = xp.concatenate([best, better.astype(H.dtype)], axis=1)
        keep = top_k(best, n)
        best_items = xp.take_along_axis(best_items, keep, axis=1)
        best = xp.take_along_axis(best, keep, axis=1)
    return best_items, best


def ranker(parameters: dict, config) -> Callable:
    """`rank` as `evaluate_ranking` asks for it: X (B, M) and k -> the k best items (B, k)."""
    return lambda X, k: rank(parameters, X, config, k)[0]


def linear_logits(parameters: dict, X) -> Callable:
    r"""The linear path for the users of X (B, M): a function of a slice of items -> (B, items).

    (x_u L) L^T
    """
    L = parameters["L"]
    XL = to_device(array_module(L), X.astype(L.dtype)) @ L  # (B, r)
    return lambda items: XL @ L[items].T


def _concept_logits(parameters, config):
    """s (M, K), equation (6)."""
    unit = compared(config)
    s, _ = prototypes.concept_logits(unit(parameters["H"])[0], unit(parameters["m"])[0], config.tau)
    return s


def _scorer(parameters, config, C, mu, emphasis=None):
    """ln P_ui for a tile: a function of H (items, d) of the tile and of its slice -> (B, items).

    With factors of the concepts, or where exponents leave the range of single precision, c is taken
    by its logarithm. A factor of 0 is exp(-10,000) then, so that items of the concepts that are
    left out come last, in an order of their own.
    """
    if bounded(config.tau, config.cosine) and emphasis is None:
        return lambda H, tile: log_scores(mu, H, C[tile], config.tau)
    xp = array_module(C)
    log_C = _log_softmax_or_mode(parameters, config)
    if emphasis is not None:
        factors = xp.asarray(emphasis, dtype=float)
        log_factors = xp.where(factors > 0, xp.log(xp.maximum(factors, 1e-300)), -1e4)
        log_C = log_C + log_factors.astype(C.dtype)
    return lambda H, tile: log_scores(mu, H, None, config.tau, log_C=log_C[tile])


def _log_softmax_or_mode(parameters, config):
    """ln C (M, K) of `concepts`, -10,000 where the mode's c is 0."""
    s = _concept_logits(parameters, config)
    if not config.hard_concepts:
        return log_softmax(s)[0]
    return (prototypes.mode(s) - 1) * 1e4
