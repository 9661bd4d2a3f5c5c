r"""At test time: concepts without noise, representations of users, and the items that suit them.

Beside the concepts, parameters may hold other models, over which ln P_ui is averaged
(`macrid.model.ensemble`), and a linear path (`macrid.model.linear`): then (x_u W)_i is added to it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from macrid.backend import array_module
from macrid.model import ensemble, linear, prototypes
from macrid.model.decoder import bounded, log_scores, positives
from macrid.model.encoder import aggregate, f_nn, posterior
from macrid.model.objective import compared, mlp
from macrid.model.ops import identity, log_softmax, normalise, softmax
from macrid.model.ranking import among, merged, spread

# when ranking, a tile of the catalogue has so many scores, but at least so many items
TILE_SCORES = {"numpy": 1 << 22, "cupy": 1 << 26}
TILE_ITEMS = 1024


def concepts(parameters: dict, config):
    r"""C at test time: softmax(s) without noise, or its mode if `hard_concepts`. -> (M, K)."""
    return prepare(ensemble.split(parameters)[0], config).C


class Prepared(NamedTuple):
    """What ranking takes of the parameters whoever the user is.

    H (M, d) as it is compared, C (M, K), and ln C where exponents leave single precision's range;
    of the first model, and `others`; W of `linear.prepare`.
    """

    H: Any
    C: Any
    log_C: Any
    others: tuple = ()
    W: Any = None


def prepare(parameters: dict, config) -> Prepared:
    """The `Prepared` of some parameters, to be kept for as long as these stay as they are."""
    first, *others = ensemble.split(parameters)
    H, _ = compared(config)(first["H"])
    s = concept_logits(first, config, H)
    C = prototypes.mode(s) if config.hard_concepts else softmax(s)[0]
    log_C = None if bounded(config.tau, config.cosine) else log_concepts(s, config)
    of_others = tuple(prepare(other, config) for other in others)
    return Prepared(H, C, log_C, of_others, linear.prepare(first))


def log_concepts(s, config):
    """ln C (M, K) of the logits s; where C is one-hot, -1e4 stands for ln 0."""
    return (prototypes.mode(s) - 1) * 1e4 if config.hard_concepts else log_softmax(s)[0]


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


def log_predict(parameters: dict, X, config, prepared: Prepared | None = None):
    r"""ln P_ui of equation (7) for all items and the users of X (B, M) SciPy CSR: (B, M).

    With other models its mean, with a linear path + (x_u W)_i. What users are served by: higher
    is better. `prepared` spares its making.
    """
    prepared = prepare(parameters, config) if prepared is None else prepared
    return _logits(parameters, X, config, prepared)(slice(None))


def rank(
    parameters: dict,
    X,
    config,
    n: int,
    exclude_seen=True,
    items_at_a_time=None,
    offset=None,
    prepared: Prepared | None = None,
) -> tuple:
    r"""The n best items of each user of X (B, M), best first, and their ln P_ui: (B, n) each.

    Goes through the catalogue in tiles and keeps a running best n: no (B, M) array is made. Without
    the items that a user has, unless `exclude_seen` is False; a user with fewer than n others gets
    those she has at the end, at -inf. Equal scores go to the item that comes first. `offset` (M,)
    is added to ln P_ui: -inf leaves an item out. `prepared` spares its making.
    """
    prepared = prepare(parameters, config) if prepared is None else prepared
    logits, H = _logits(parameters, X, config, prepared), prepared.H
    xp, M, B = array_module(H), len(H), X.shape[0]
    seen_users, seen_items, _, _ = positives(X, xp, H.dtype)
    best_items, best = xp.zeros((B, 0), dtype=int), xp.zeros((B, 0), dtype=H.dtype)
    items_at_a_time = items_at_a_time or max(TILE_ITEMS, TILE_SCORES[xp.__name__] // max(B, 1))
    for start in range(0, M, items_at_a_time):
        # score the tile
        tile = slice(start, min(start + items_at_a_time, M))
        items = among(tile, offset)
        scores = logits(items)
        if offset is not None:
            scores = spread(scores + offset[items], items, tile)
        if exclude_seen:
            here = (seen_items >= tile.start) & (seen_items < tile.stop)
            scores[seen_users[here], seen_items[here] - tile.start] = -xp.inf

        # the n best of it and of the tiles before
        best_items, best = merged(best_items, best, scores, start, n)
    return best_items, best


def ranker(parameters: dict, config) -> Callable:
    """`rank` as `evaluate_ranking` asks for it: X (B, M) and k -> the k best items (B, k)."""
    prepared = prepare(parameters, config)
    return lambda X, k: rank(parameters, X, config, k, prepared=prepared)[0]


def concept_logits(parameters, config, H):
    """s (M, K), equation (6), of H as it is compared."""
    return prototypes.concept_logits(H, compared(config)(parameters["m"])[0], config.tau)[0]


def _logits(parameters, X, config, prepared):
    """A function of some items, a slice or their numbers: what ranks them, (B, items)."""
    parts = zip(ensemble.split(parameters), [prepared, *prepared.others])
    models = [(represent(p, X, config, of.C)[0], of) for p, of in parts]
    path = linear.logits(parameters, X, prepared.W)

    def logits(items):
        log_P = [_log_P(mu, of, items, config) for mu, of in models]
        mean = sum(log_P) / len(models) if len(models) > 1 else log_P[0]
        return mean + path(items) if path else mean

    return logits


def _log_P(mu, prepared, tile, config):
    """ln P_ui of some items, a slice or their numbers: (B, items)."""
    H, C, log_C = prepared[:3]
    log_C = None if log_C is None else log_C[tile]
    return log_scores(mu, H[tile], C[tile], config.tau, config.cosine, log_C)
