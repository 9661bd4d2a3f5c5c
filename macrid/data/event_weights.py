"""Events of several kinds -> adoptions: each kind has a weight, and a pair's weights are summed."""

import math
from typing import NamedTuple

import numpy as np

from macrid.data.column_names import plain
from macrid.errors import UserError

EXPECTED = "KIND=WEIGHT, several divided by commas, such as purchase=1,click=.2,return=-1"
ROUNDING = 1e-6  # ten times .1 is not quite 1


def parsed(text: str) -> dict[str, float]:
    """The weights of an option such as 'purchase=1,click=.2,return=-1'.

    >>> parsed("purchase=1,return=-1")
    {'purchase': 1.0, 'return': -1.0}
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        kind, _, number = (word.strip() for word in part.rpartition("="))
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not kind or not abs(weight) <= 1e6 or kind in weights:
            raise UserError(f"events is '{text[:200]}', expected {EXPECTED}")
        weights[kind] = weight
    if max(weights.values()) <= 0:
        raise UserError(
            f"events is '{text[:200]}', where no kind has a weight above 0; nothing would be an"
            " adoption"
        )
    return weights


def of_kinds(weights: dict[str, float], kinds: tuple[str, ...], source: str) -> np.ndarray:
    """The weight of each of the `kinds` in the data (G,), 0 of those not named.

    A name is meant exactly, else without case and blanks. One that the data do not have is a
    UserError: it would be a slip of the pen.

    >>> of_kinds({"purchase": 1.0}, ("view", "Purchase"), "log.csv")
    array([0., 1.])
    """
    values = np.zeros(len(kinds))
    for name, weight in weights.items():
        places = [g for g, kind in enumerate(kinds) if kind == name]
        places = places or [g for g, kind in enumerate(kinds) if plain(kind) == plain(name)]
        if not places:
            there = ", ".join(f"'{kind}'" for kind in kinds[:20])
            raise UserError(
                f"{source}: no event is of the kind '{name}', which events names; its kinds are"
                f" {there}{' ...' * (len(kinds) > 20)}"
            )
        values[places] = weight
    return values


class Pairs(NamedTuple):
    """The different pairs of user and item among n rows: the row where each stands first, and the
    number of each row's pair (n,).
    """

    first: np.ndarray
    of_row: np.ndarray

    @classmethod
    def of(cls, pair: np.ndarray) -> "Pairs":
        """From a number for each row's user and item: they are sorted once for all that is asked.

        >>> Pairs.of(np.array([7, 8, 7])).of_row
        array([0, 1, 0])
        """
        _, first, of_row = np.unique(pair, return_index=True, return_inverse=True)
        return cls(first, of_row)


def adopted(
    pairs: Pairs, weight: np.ndarray, threshold: float, times: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    r"""The pairs whose net weight reaches the threshold: a row of each, and when it did.

    weight  (n,) that of the row's kind
    times   (n,) or None

    The rows are those where a pair stands first, in their order; an adoption's time is that of the
    first event with which the sum, in the order of time, reached the threshold.

    >>> pairs, times = Pairs.of(np.array([7, 8, 7])), np.array([10.0, 20.0, 30.0])
    >>> adopted(pairs, np.array([0.5, 1.0, 0.5]), 1.0, times)
    (array([0, 1]), array([30., 20.]))
    """
    first, of_row = pairs
    is_adopted = np.bincount(of_row, weight) >= threshold - ROUNDING
    kept = np.flatnonzero(is_adopted)
    kept = kept[np.argsort(first[kept])]  # the order of the rows
    if times is None:
        return first[kept], None
    order = np.lexsort((times, of_row))
    total = np.cumsum(weight[order])
    starts = np.searchsorted(of_row[order], np.arange(len(first)))
    before = np.concatenate([[0.0], total])[starts]
    has_reached = total - before[of_row[order]] >= threshold - ROUNDING
    place = np.flatnonzero(has_reached & is_adopted[of_row[order]])
    reached, first_place = np.unique(of_row[order][place], return_index=True)
    when = np.full(len(first), np.nan)
    when[reached] = times[order][place[first_place]]
    return first[kept], when[kept]


def given_back(pairs: Pairs, weight: np.ndarray, threshold: float) -> np.ndarray:
    """The row where each pair stands first that has an event below 0 and ends below the threshold.

    >>> given_back(Pairs.of(np.array([7, 8, 7, 9])), np.array([1.0, 1.0, -1.0, 0.2]), 1.0)
    array([0])
    """
    if not (weight < 0).any():
        return np.zeros(0, int)
    first, of_row = pairs
    has_negative = np.bincount(of_row, weight < 0) > 0
    return first[has_negative & (np.bincount(of_row, weight) < threshold - ROUNDING)]


def brought(
    pairs: Pairs, kind: np.ndarray, weights: np.ndarray, kinds: tuple[str, ...], threshold
) -> str:
    """What each kind brought, in words: its rows, and the adoptions with it less those without.

    >>> pairs, kind = Pairs.of(np.array([7, 8, 7])), np.array([0, 0, 1])
    >>> brought(pairs, kind, np.array([1.0, -1.0]), ("buy", "return"), 1.0)
    'events: buy=1 (2 rows: +1 adoption), return=-1 (1 row: -1 adoption); net weight of at least 1'
    """
    net = np.bincount(pairs.of_row, weights[kind])
    adoptions = np.count_nonzero(net >= threshold - ROUNDING)
    rows = np.bincount(kind, minlength=len(kinds)).tolist()
    counted, others = [], []
    for g in np.argsort(-np.abs(weights), kind="stable"):
        n = f"{rows[g]:,} row{'s' * (rows[g] != 1)}"
        if weights[g] == 0:
            others.append(f"{kinds[g]} ({n})")
            continue
        own = np.bincount(pairs.of_row[kind == g], minlength=len(net)) * weights[g]
        more = int(adoptions - np.count_nonzero(net - own >= threshold - ROUNDING))
        counted.append(
            f"{kinds[g]}={weights[g]:g} ({n}: {more:+,} adoption{'s' * (abs(more) != 1)})"
        )
    ignored = f"; of weight 0: {', '.join(others[:20])}" if others else ""
    return f"events: {', '.join(counted)}{ignored}; net weight of at least {threshold:g}"
