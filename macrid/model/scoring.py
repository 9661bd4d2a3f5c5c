r"""At test time: concepts without noise, representations of users, and the items that suit them.

A model may hold a linear path beside the concepts, one more array "L" (M, r) of its parameters
(`macrid.training.linear_path`); then ln P_ui has (x_u L L^T)_i added to it.
"""

from collections.abc import Callable

from macrid.backend import array_module, to_device
from macrid.model import prototypes
from macrid.model.decoder import positives, scores
from macrid.model.encoder import aggregate, f_nn, posterior
from macrid.model.objective import compared, mlp
from macrid.model.ops import identity, normalise, softmax
from macrid.model.ranking import above, top_k

# when ranking, a tile of the catalogue has so many scores, but at least so many items
TILE_SCORES = 1 << 22
TILE_ITEMS = 1024


def concepts(parameters: dict, config):
    r"""C at test time: softmax(s) without noise, or its mode if `hard_concepts`. -> (M, K)."""
    unit = compared(config)
    s, _ = prototypes.concept_logits(unit(parameters["H"])[0], unit(parameters["m"])[0], config.tau)
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
    r"""Scores of all items for the users of X by their adopted items, z = mu.

    X (B, M) SciPy CSR -> P (B, M), equation (7) up to a factor of the user; higher is better.
    """
    C = concepts(parameters, config)
    mu, _ = represent(parameters, X, config, C)
    H, _ = compared(config)(parameters["H"])
    P, shift = scores(mu, H, C, config.tau, config.cosine)
    if "L" in parameters:
        P, _ = with_logits(P, shift, linear_logits(parameters, X)(slice(None)))
    return P


def rank(
    parameters: dict, X, config, n: int, exclude_seen=True, items_at_a_time=None, emphasis=None
) -> tuple:
    r"""The n best items of each user of X (B, M), best first, and their ln P_ui: (B, n) each.

    ln P_ui is up to a constant of the user.

    Goes through the catalogue in tiles and keeps a running best n: no (B, M) array is made. Without
    the items that a user has, unless `exclude_seen` is False; a user with fewer than n others gets
    those she has at the end, at -inf. Equal scores go to the item that comes first. `emphasis` (K,)
    are factors of the concepts: P_ui = sum_k emphasis_k c_ik E_uki.
    """
    C = concepts(parameters, config)
    mu, _ = represent(parameters, X, config, C)
    C = C if emphasis is None else C * emphasis
    unit, H = compared(config), parameters["H"]
    xp, M, B = array_module(H), H.shape[0], X.shape[0]
    path = linear_logits(parameters, X) if "L" in parameters else None
    seen_users, seen_items, _, _ = positives(X, xp, H.dtype)
    best_items, best = xp.zeros((B, 0), dtype=int), xp.zeros((B, 0), dtype=H.dtype)
    items_at_a_time = items_at_a_time or max(TILE_ITEMS, TILE_SCORES // max(B, 1))
    for start in range(0, M, items_at_a_time):
        # score the tile
        tile = slice(start, min(start + items_at_a_time, M))
        P, shift = scores(mu, unit(H[tile])[0], C[tile], config.tau, config.cosine)
        if path:
            P, shift = with_logits(P, shift, path(tile))
        if exclude_seen:
            here = (seen_items >= tile.start) & (seen_items < tile.stop)
            P[seen_users[here], seen_items[here] - tile.start] = -xp.inf

        # its columns that may be among the n best
        if best.shape[1] < n:
            columns = top_k(P, n)
        else:  # better than the n-th best so far; 0.999 leaves room for rounding
            columns = above(P, 0.999 * xp.exp(xp.minimum(best[:, -1] - shift, 80)))
        P = xp.take_along_axis(P, columns, axis=1)
        possible = (P > 0) & (columns >= 0)
        log_P = xp.where(possible, xp.log(xp.maximum(P, 1e-38)) + shift[:, None], -xp.inf)

        # the n best of those and of the tiles before
        best_items = xp.concatenate([best_items, columns + start], axis=1)
        best = xp.concatenate([best, log_P.astype(H.dtype)], axis=1)
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


def with_logits(P, shift, logits) -> tuple:
    r"""The P (B, M) and shift (B,) of `decoder.scores` for P_ui exp(l_ui), l (B, M)."""
    xp = array_module(P)
    highest = logits.max(axis=1)
    logits -= highest[:, None]
    return xp.maximum(P * xp.exp(logits), xp.finfo(P.dtype).tiny), shift + highest
