r"""Controllable recommendation, section 3.5: turn one dimension and retrieve items step by step.

1. `nearest_range`  the range (a, b) of h_*j in which prototype k_* stays the nearest
2. `subranges`      a = a_0 < a_1 < ... < a_B = b, with about as many of the concept's items in each
3. `beam_search`    one item from each subrange, by equation (12)

`trajectory` puts them together, and `rank_dimensions` says which dimensions are worth turning. All
is NumPy on the host.

Under cosine a representation is its direction, so h_*j is coordinate j of the unit vector, and to
turn it is to walk along the half circle through h_* and the axis of j: the other d-1 coordinates
keep their ratios. Raising coordinate j of the vector before it is normalised makes the same walk,
so the range is the paper's; it ends at -1 and 1 at the latest. With the inner product nothing is
normalised, the other coordinates stay, and an unbounded range is cut where the concept's items end.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from macrid import model
from macrid.backend import to_host
from macrid.errors import UserError
from macrid.model.objective import compared
from macrid.model.ops import normalise

HALVINGS = 60  # of an interval of length 2 at most: to the last bit of a double
WIDTH = 20  # of the beam
GAMMA = 1.0  # the paper leaves gamma open
USER_GAMMA = 0.1  # from a user's component: what comes is still to her taste (docs/control.md)


@dataclass(frozen=True)
class Space:
    r"""What retrieval needs of a trained model, in double precision on the host.

    H (M, d) items and m (K, d) prototypes, unit rows under cosine; tau; concept (M,) = argmax_k
    c_ik of each item.
    """

    H: np.ndarray
    m: np.ndarray
    tau: float
    cosine: bool
    concept: np.ndarray


@dataclass(frozen=True)
class Trajectory:
    r"""The items retrieved while dimension j of h_* is turned, in ascending order of j.

    items    (n,) rows of H, one from each of n <= B subranges
    values   (n,) = h_{i_t, j}
    edges    (n+1,) = a_0, ..., a_n
    concept  k_*
    score    as of `objective`
    """

    items: np.ndarray
    values: np.ndarray
    edges: np.ndarray
    concept: int
    score: float


def space(parameters: dict, config) -> Space:
    """The `Space` of a model's parameters, which may lie on a device."""
    unit = compared(config)
    H, m = (unit(to_host(parameters[name]).astype(float))[0] for name in ("H", "m"))
    return Space(H, m, config.tau, config.cosine, (H @ m.T).argmax(axis=1))


def component(parameters: dict, X, k: int, config) -> np.ndarray:
    r"""Component k of a user as h_*: mu^(k) of her items X (1, M) CSR. -> (d,)."""
    mu, _ = model.represent(parameters, X, config)
    return to_host(mu)[0, k].astype(float)


def turned(h, j: int, value: float, cosine: bool = True) -> np.ndarray:
    r"""h (d,) with coordinate j set to `value`. -> (d,).

    Under cosine it stays on the unit sphere: the other coordinates are scaled by one factor.
    """
    h = np.array(h, float)
    h[j] = 0
    if cosine:
        h = normalise(h)[0] * max(0.0, 1 - value * value) ** 0.5
    h[j] = value
    return h


def nearest_range(
    h, j: int, m, low: float = -1.0, high: float = 1.0, cosine: bool = True
) -> tuple[float, float, int]:
    r"""The range (a, b) of h_j in which the nearest prototype k stays the nearest: (a, b, k).

    h (d,) and m (K, d) as in `Space`. Where k stays the nearest up to `low` or `high`, the range
    ends there. Before normalising, <m_k - m_l, h> >= 0 is linear in h_j for every l, so the range
    is one interval and binary search outward from h_j finds its ends.
    """
    k = int((m @ h).argmax())
    stays = lambda value: (m @ turned(h, j, value, cosine)).argmax() == k
    return _end(stays, h[j], min(low, h[j])), _end(stays, h[j], max(high, h[j])), k


def _end(stays, inside, bound):
    """Where, between a value that stays and `bound`, staying ends; `bound` if it does not."""
    if stays(bound):
        return float(bound)
    outside = bound
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if stays(middle) else (inside, middle)
    return float(inside)


def nearest_range_plain(h, j, m, low=-1.0, high=1.0, cosine=True, points=2001) -> tuple:
    """The plain twin of `nearest_range`: a scan of a grid, right to the grid's step."""
    k = int((m @ h).argmax())
    values = np.linspace(min(low, h[j]), max(high, h[j]), points)
    staying = [value for value in values if (m @ turned(h, j, value, cosine)).argmax() == k]
    return min(staying, default=h[j]), max(staying, default=h[j]), k


def subranges(values, a: float, b: float, B: int) -> np.ndarray:
    r"""Cut (a, b] into subranges (a_{t-1}, a_t] with about as many of `values` (n,) in each.

    a_t is the value up to which nearest to t n / B of the values lie. Equal values share a
    subrange; none is empty: with fewer than B different values there are as many subranges as
    values, with none there is no subrange. -> edges (steps + 1,).
    """
    different, counts = np.unique(values[(values > a) & (values <= b)], return_counts=True)
    steps = min(B, len(different))
    if steps == 0:
        return np.array([a])
    below = np.cumsum(counts)
    cuts: list[int] = []
    first = 0
    for t in range(1, steps):
        last = len(different) - (steps - t)  # leaves a value for each subrange that follows
        allowed = np.arange(first, last)
        cuts.append(allowed[np.abs(below[allowed] - t * below[-1] / steps).argmin()])
        first = cuts[-1] + 1
    return np.array([a, *different[cuts], b]) if cuts else np.array([a, b])


def objective(chosen, start, gamma: float, tau: float) -> float:
    r"""Equation (12), times e^{-1 / tau}.

        sum_t e^{cos(h_t, h_*) / tau} + gamma sum_{t<t'} e^{cos(h_t, h_t') / tau}

    chosen (n, d-1) and start (d-1,) are h_{i_t, -j} and h_{*, -j} in unit length: dimension j is
    left out. The constant factor changes no order; it keeps a small tau from overflowing.
    """
    pairs = np.exp((chosen @ chosen.T - 1) / tau)
    return float(np.exp((chosen @ start - 1) / tau).sum() + gamma * np.triu(pairs, 1).sum())


def beam_search(
    groups: list, start, gamma: float, tau: float, width: int = WIDTH
) -> tuple[np.ndarray, float]:
    r"""One candidate of each group, so that equation (12) is large: (their places, `objective`).

    groups are (n_t, d-1) candidates' h_{i, -j}, start (d-1,) is h_{*, -j}; all in unit length.
    Group by group, the `width` best partial choices are kept, by the terms of (12) among what is
    chosen so far. Width 1 is greedy; a width of at least the number of choices is exhaustive. Equal
    values go to the candidate that comes first.
    """
    paths, scores = np.zeros((1, 0), int), np.zeros(1)
    for t, group in enumerate(groups):
        gains = np.tile(np.exp((group @ start - 1) / tau), (len(paths), 1))  # (width, n_t)
        for s in range(t):
            gains += gamma * np.exp((groups[s][paths[:, s]] @ group.T - 1) / tau)
        total = (scores[:, None] + gains).ravel()
        best = np.argsort(-total, kind="stable")[:width]
        path, last = np.divmod(best, len(group))
        paths, scores = np.column_stack([paths[path], last]), total[best]
    return paths[0], float(scores[0])


def exhaustive_search(groups: list, start, gamma: float, tau: float) -> tuple[np.ndarray, float]:
    r"""The plain twin of `beam_search`: every choice is tried, prod_t n_t of them."""
    choices = list(itertools.product(*(range(len(group)) for group in groups)))
    members = lambda choice: np.array([group[i] for group, i in zip(groups, choice)])
    scores = [objective(members(choice), start, gamma, tau) for choice in choices]
    return np.array(choices[np.argmax(scores)]), max(scores)


def trajectory(
    space: Space, h, j: int, B: int, gamma: float = GAMMA, width: int = WIDTH
) -> Trajectory:
    r"""Turn dimension j of h (d,), an item's or a user's component, in B steps. -> `Trajectory`.

    An item that starts may be retrieved: it is the nearest to itself. Fewer than B steps come where
    the concept has fewer than B items of different h_ij in the range, none where it has none.
    """
    if not 0 <= j < space.H.shape[1]:
        raise UserError(
            f"dimension {j} is not there; dimensions are numbered 0 to {space.H.shape[1] - 1}"
        )
    if B < 1:
        raise UserError(f"the number of steps is {B}, expected at least 1")
    h = normalise(np.asarray(h, float))[0] if space.cosine else np.asarray(h, float)
    inside = np.flatnonzero(space.concept == (space.m @ h).argmax())
    values = space.H[inside, j]

    # 1. the range in which h stays in its concept
    low, high = -1.0, 1.0
    if len(inside) and not space.cosine:  # without a sphere the range may have no end
        low, high = np.nextafter(values.min(), -np.inf), values.max()  # the lowest lies above a
    a, b, k = nearest_range(h, j, space.m, low, high, space.cosine)

    # 2. its subranges, and the concept's items in each
    edges = subranges(values, a, b, B)
    pairs = zip(edges[:-1], edges[1:])
    members = [inside[(values > left) & (values <= right)] for left, right in pairs]

    # 3. one item from each, by what they are in all dimensions but j
    without_j = lambda rows: normalise(np.delete(rows, j, axis=-1))[0]
    groups = [without_j(space.H[rows]) for rows in members]
    places, score = beam_search(groups, without_j(h), gamma, space.tau, width)
    items = np.array([rows[place] for rows, place in zip(members, places)], int)
    return Trajectory(items, space.H[items, j], edges, k, score)


def rank_dimensions(
    space: Space, k: int, B=8, starts=20, gamma=GAMMA, attributes=None, seed=0, progress=None
) -> list[dict]:
    r"""Which dimensions of concept k are worth turning: a list of dicts, the best first.

    Along j itself every trajectory rises, by construction. What tells a good dimension without
    knowing the truth is how little else moves. From each of `starts` items of the concept, drawn at
    random, B items are retrieved:

    share     Var_t h_{i_t, j} / sum_j' Var_t h_{i_t, j'}, their variance along j as a share of all,
              averaged over starts
    steps     how many items were retrieved, averaged over starts

    With the true `attributes` (M, J), dimensions are ranked by `monotone`, else by `share`:

    rho       (J,) Spearman correlation of the step with each attribute of the retrieved items,
              averaged over starts
    monotone  the largest mean |rho| of an attribute over starts; `attribute` is its number
    information  the mutual information of h_ij and that attribute over the concept's items, in
                 nats, fifths by fifths
    """
    members = np.flatnonzero(space.concept == k)
    first = np.random.default_rng(seed).permutation(members)[:starts]
    rows = []
    for j in range(space.H.shape[1]):
        paths = [trajectory(space, space.H[i], j, B, gamma).items for i in first]
        row: dict = {"dimension": j, "share": 0.0, "steps": 0.0}
        if paths:
            row["share"] = float(np.mean([_share(space.H[items], j) for items in paths]))
            row["steps"] = float(np.mean([len(items) for items in paths]))
        if paths and attributes is not None:
            rho = np.array([step_correlation(attributes[items]) for items in paths])  # (starts, J)
            monotone = np.abs(rho).mean(axis=0)
            best = int(monotone.argmax())
            row |= {"rho": rho.mean(axis=0), "monotone": float(monotone[best]), "attribute": best}
            row["information"] = _information(space.H[members, j], attributes[members, best])
        rows.append(row)
        if progress:
            progress()
    return sorted(rows, key=lambda row: -row.get("monotone", row["share"]))


def step_correlation(values) -> np.ndarray:
    r"""Spearman correlation of the step 1, ..., n with each column of values (n, J). -> (J,).

    It is 0 where a column is constant.
    """
    from scipy.stats import rankdata

    n = len(values)
    ranks = rankdata(values, axis=0) - (n + 1) / 2
    steps = np.arange(n) - (n - 1) / 2
    lengths = np.sqrt((steps @ steps) * (ranks**2).sum(axis=0))
    return steps @ ranks / np.maximum(lengths, 1e-300)


def _share(rows, j):
    """The share of dimension j in the variance of rows (n, d)."""
    variance = rows.var(axis=0) if len(rows) > 1 else np.zeros(rows.shape[1])
    return variance[j] / max(variance.sum(), 1e-300)


def _information(x, y):
    """The mutual information of x and y (n,), each cut into fifths, in nats."""
    from sklearn.metrics import mutual_info_score

    fifths = lambda v: np.searchsorted(np.quantile(v, (0.2, 0.4, 0.6, 0.8)), v)
    return float(mutual_info_score(fifths(x), fifths(y)))
