r"""What turning a dimension means, in words: for the figures of strips and for the report.

A dimension has no name. What can be said of it is what changes along the items that are retrieved
when it is turned: a trait (price and other numbers of the table of items, year, category, brand,
popularity, on the shop the true attributes) that rises or falls with the step. Some trait goes with
some of K d coordinates by chance alone: `beyond_chance` says which are named nevertheless.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from macrid.data import Interactions
from macrid.data.splits import Split
from macrid.interpret import trajectory
from macrid.interpret.trajectory import Space
from macrid.pictures import features
from macrid.run_folder import Run

# a mean correlation below this is not worth a word: that of 12 random walks of 8 steps has
# deviation .11
FAINT = 0.3
STARTS = 12
PERMUTATIONS = 200
CHANCE = 0.05  # how often a run whose coordinates mean nothing is given a name
MOST_PERMUTED = 2000  # items of a concept: of more, a correlation below FAINT is beyond chance too
RARE = 0.02  # a category of a smaller share of the items is no trait


@dataclass(frozen=True)
class Trait:
    """Something known of each item: values (M,), NaN where unknown, and words for its two ends."""

    name: str
    low: str
    high: str
    values: np.ndarray

    def of(self, i: int) -> str:
        """What is known of item i, in words.

        >>> Trait("price", "cheap", "dear", np.array([2.5, np.nan])).of(0)
        'price 2.5'
        """
        value = self.values[i]
        if not np.isfinite(value):
            return f"{self.name} unknown"
        if self.low == f"less {self.name}":  # a category
            return self.name if value else f"not {self.name}"
        return f"{self.name} {round(float(value), 2):g}"


@dataclass(frozen=True)
class Knob:
    """A dimension of a concept that is worth turning.

    meanings   what changes along the retrieved items, the trait it was chosen for first, as (|mean
               rank correlation with the step|, words at the one end, at the other)
    backwards  the first end is the dimension's high one, so that the trait grows
    trait      what it was chosen for, or None
    """

    dimension: int
    meanings: list
    backwards: bool
    trait: Trait | None = None

    def said_of(self, space: Space, i: int) -> str:
        """What this knob turns, of item i: its trait, else its coordinate.

        >>> knob.said_of(space, 5)
        'hue 0.71'
        """
        return self.trait.of(i) if self.trait else f"{space.H[i, self.dimension]:+.2f}"


def traits(interactions: Interactions, split: Split) -> list[Trait]:
    """Traits of the training items: the shop's attributes, else what the data say; popularity.

    That is the numbers of the table of items, the year of titles that end in "(1994)", and those
    categories and brands that are neither rare nor of nearly all items.
    """
    adopters = np.asarray(split.train.sum(axis=0)).ravel()
    popularity = Trait("popularity", "little known", "well known", adopters)
    if interactions.truth is not None:
        names, values = interactions.truth.attribute_names, interactions.truth.attributes
        columns = values[split.items].T
        attributes = [
            Trait(a, f"low {a}", f"high {a}", column) for a, column in zip(names, columns)
        ]
        return [*attributes, popularity]
    result = [popularity]
    matches = [
        re.search(r"\(((?:18|19|20)\d\d)\)\s*$", title)
        for title in interactions.item_titles(split.items)
    ]
    years = np.array([float(match[1]) if match else np.nan for match in matches])
    if np.isfinite(years).mean() > 0.5:
        result.append(Trait("year", "older", "newer", years))
    known = interactions.known_of(split.items)
    for name, numbers in known.numbers.items():
        if np.isfinite(numbers).sum() > 2:
            result.append(Trait(name, f"low {name}", f"high {name}", numbers))
    kinds: list[tuple[str, np.ndarray]] = []
    if interactions.categories is not None:
        one_hot = interactions.categories[split.items].toarray()
        kinds += zip(interactions.category_names, one_hot.T)
    if known.brands is not None:
        brands, counts = np.unique(known.brands, return_counts=True)
        frequent = [brand for brand in brands[counts > RARE * len(known.brands)] if brand]
        kinds += [(str(brand), (known.brands == brand).astype(float)) for brand in frequent]
    return result + [
        Trait(name, f"less {name}", f"more {name}", column)
        for name, column in kinds
        if RARE < column.mean() < 1 - RARE
    ]


def correlations(values, known_traits: list[Trait], inside) -> np.ndarray:
    r"""Spearman's rank correlation of values (n, J) with each of T traits over the items `inside`.

    inside (n,) rows of H -> (T, J); 0 where undefined.
    """
    from scipy.stats import rankdata

    rho = np.zeros((len(known_traits), values.shape[1]))
    for t, trait in enumerate(known_traits):
        of_trait = trait.values[inside]
        known = np.isfinite(of_trait)
        if known.sum() > 2 and np.ptp(of_trait[known]) > 0:
            ranks = np.column_stack([rankdata(of_trait[known]), rankdata(values[known], axis=0)])
            with np.errstate(invalid="ignore", divide="ignore"):  # a dimension that does not vary
                rho[t] = np.nan_to_num(np.corrcoef(ranks, rowvar=False)[0, 1:])
    return rho


def beyond_chance(space: Space, known_traits: list[Trait], seed=0) -> np.ndarray:
    r"""Which traits go with which coordinates by more than chance: (K, T, d) bool.

    The measure is Spearman's rho over the n_k items of concept k, an unknown value taken for the
    middle rank, as z = rho sqrt(n_k - 1), whose deviation is one if trait and coordinate have
    nothing to do with each other. Of K T d such z the largest is large by chance alone. How large,
    permutations tell: PERMUTATIONS times the items of each concept exchange their traits at
    random, and the largest |z| of all is noted (Westfall and Young, 1993, who call it max T). What
    exceeds all but the share CHANCE of those is beyond chance: a run whose coordinates mean nothing
    is given a name, however many of them there are, in one of twenty cases.

    >>> beyond_chance(space, traits).any(axis=(0, 2))  # price, and not a column of random numbers
    array([ True, False])
    """
    rng = np.random.default_rng(seed)
    K, T, d = len(space.m), len(known_traits), space.H.shape[1]
    z, largest = np.zeros((K, T, d)), np.zeros(PERMUTATIONS)
    for k in range(K):
        inside = np.flatnonzero(space.concept == k)
        inside = rng.permutation(inside)[:MOST_PERMUTED]
        if len(inside) < 3:
            continue
        coordinates = _standard_ranks(space.H[inside])  # (n, d)
        of_traits = _standard_ranks(np.stack([t.values[inside] for t in known_traits], axis=1))
        z[k] = of_traits.T @ coordinates * (len(inside) - 1) ** 0.5
        for number in range(PERMUTATIONS):
            exchanged = of_traits[rng.permutation(len(inside))].T @ coordinates
            of_chance = np.abs(exchanged).max() * (len(inside) - 1) ** 0.5
            largest[number] = max(largest[number], of_chance)
    return np.abs(z) > np.quantile(largest, 1 - CHANCE)


def names(
    space: Space, k: int, known_traits: list[Trait], is_telling: np.ndarray
) -> list[tuple[int, str, float]]:
    r"""What coordinates of concept k turn: (dimension, trait, rho), the largest |rho| first.

    rho is Spearman's over the concept's items. Each trait names the dimension that goes with it
    most, if that is by FAINT or more and beyond chance: `is_telling` (T, d), see `beyond_chance`.

    >>> names(space, 0, traits, beyond_chance(space, traits)[0])
    [(27, 'price', 0.8)]
    """
    inside = np.flatnonzero(space.concept == k)
    rho = correlations(space.H[inside], known_traits, inside) * is_telling  # (T, d)
    best = np.abs(rho).argmax(axis=1) if len(inside) else []
    found = [(int(j), known_traits[t].name, float(rho[t, j])) for t, j in enumerate(best)]
    return sorted((row for row in found if abs(row[2]) >= FAINT), key=lambda row: -abs(row[2]))


def worth_turning(
    space: Space,
    k: int,
    known_traits: list[Trait],
    most: int,
    steps=8,
    starts=STARTS,
    seed=0,
    is_telling: np.ndarray | None = None,
) -> list[Knob]:
    r"""At most `most` dimensions of concept k to turn, the strongest first, each for another trait.

    For each trait the dimension with the highest |rank correlation| among the concept's items is
    tried: from `starts` random items of the concept, does the trait change monotonically along the
    items retrieved (mean Spearman correlation with the step)? The best are measured again from as
    many other items, as the best of many is partly luck; those of FAINT and more are kept, with
    what the second walks gave. A trait that does not go with the dimension beyond chance is not
    said of it: `is_telling` (T, d), by default that of `beyond_chance`. Where that leaves fewer
    than two, those follow in which the items differ most. `trajectory.rank_dimensions` asks the
    same of every dimension, which takes d times as long.
    """
    inside = np.flatnonzero(space.concept == k)
    if not len(inside):
        return []
    values = np.stack([_filled(trait.values) for trait in known_traits], axis=1)  # (M, T)
    # popularity comes last: it goes with everything a little
    last = np.array([trait.name == "popularity" for trait in known_traits])

    # for each trait, try the dimension that goes with it most
    if is_telling is None:
        is_telling = beyond_chance(space, known_traits)[k]
    rho = np.abs(correlations(space.H[inside], known_traits, inside)) * is_telling  # (T, d)
    strongest = np.argsort(-rho.max(axis=1), kind="stable")[: 3 * most]
    tried = list(dict.fromkeys(int(rho[t].argmax()) for t in strongest if rho[t].any()))
    order = np.random.default_rng(seed).permutation(inside)
    halves = (order[::2], order[1::2]) if len(order) > 1 else (order, order)
    first, second = (half[:starts] for half in halves)
    of_chance = ~is_telling.T  # (d, T)
    walks = np.zeros((len(tried), len(known_traits)))
    for place, j in enumerate(tried):
        walks[place] = _mean_correlations(space, j, first, values, steps)
        walks[place, of_chance[j]] = 0

    # each trait chooses among them, unless its dimension is taken already
    trait_of: dict[int, int] = {}
    for t in np.argsort(last - np.abs(walks).max(axis=0, initial=0), kind="stable"):
        if not tried:
            break
        best = int(np.abs(walks[:, t]).argmax())
        if abs(walks[best, t]) >= FAINT:
            trait_of.setdefault(tried[best], t)

    # measure the chosen again, from other items
    again = []
    for j, t in list(trait_of.items())[: most + 2]:
        rho = _mean_correlations(space, j, second, values, steps)  # (T,)
        rho[of_chance[j]] = 0
        if abs(rho[t]) >= FAINT:
            again.append((last[t] - abs(rho[t]), _knob(j, rho, known_traits, t)))
    knobs = [knob for _, knob in sorted(again, key=lambda pair: pair[0])]

    # make up to two with the dimensions in which the items differ most
    taken = {knob.dimension for knob in knobs}
    widest = np.argsort(-space.H[inside].std(axis=0), kind="stable")
    others = [Knob(int(j), [], False) for j in widest if j not in taken]
    return [*knobs, *others[: max(0, 2 - len(knobs))]][:most]


def turn(space: Space, h, knob: Knob, steps: int) -> tuple[list[int], int]:
    """The items (rows of H) from the knob's first end to the other, and the place of h among them.

    The place is the number of the subrange of `trajectory.trajectory` that h lies in.
    """
    path = trajectory.trajectory(space, h, knob.dimension, steps)
    items = path.items.tolist()
    place = int(np.searchsorted(path.edges[1:-1], h[knob.dimension]))  # subranges (a_t-1, a_t]
    return (items[::-1], max(0, len(items) - 1 - place)) if knob.backwards else (items, place)


def steadiness(knob: Knob, items: list[int]) -> float:
    """How steadily the knob's trait grows along the items of one turn, from 1 to -1.

    Spearman's rank correlation with the step; 0 where too little is known.
    """
    if knob.trait is None:
        return 0.0
    values = knob.trait.values[items]
    known = values[np.isfinite(values)]
    return float(trajectory.step_correlation(known[:, None])[0]) if len(known) > 2 else 0.0


def pictures(run: Run, folder=None) -> dict[int, Path]:
    """{row of H: path} of the training items that have a picture.

    They are in `folder`, in the run's --pictures, or drawn by the shop.
    """
    folder = folder or run.settings.pictures
    paths = dict(features.in_folder(folder)) if folder else run.interactions.picture_paths()
    ids = run.interactions.items[run.split.items].tolist()
    return {i: paths[name] for i, name in enumerate(ids) if name in paths}


def _standard_ranks(values):
    """The ranks in each column of values (n, c), of mean 0 and length 1.

    What is unknown has the middle rank; a column that does not vary is 0.
    """
    from scipy.stats import rankdata

    ranks = rankdata(values, axis=0, nan_policy="omit")
    ranks = np.nan_to_num(ranks - np.nanmean(ranks, axis=0))
    return ranks / np.maximum(np.linalg.norm(ranks, axis=0), 1e-12)


def _filled(values):
    """The same values with the median where they are unknown."""
    return np.where(np.isfinite(values), values, np.nanmedian(values))


def _mean_correlations(space, j, starts, values, steps):
    """The mean correlation of the step with each trait, values (M, T), over walks from `starts`.

    A walk retrieves items while dimension j is turned. -> (T,).
    """
    paths = [trajectory.trajectory(space, space.H[i], j, steps).items for i in starts]
    nothing = np.zeros(values.shape[1])
    rho = lambda items: trajectory.step_correlation(values[items]) if len(items) else nothing
    return np.mean([rho(items) for items in paths], axis=0)


def _knob(j, rho, known_traits, first):
    """Dimension j as a `Knob`, by the trait that it was chosen for and the strongest other one.

    rho (T,) are the mean correlations of the traits with the step.
    """
    backwards = bool(rho[first] < 0)
    rho = -rho if backwards else rho
    strongest = np.argsort(-np.abs(rho), kind="stable")
    others = [t for t in strongest if t != first and abs(rho[t]) >= FAINT]
    meanings = []
    for t in (first, *others[:1]):
        trait = known_traits[t]
        ends = (trait.low, trait.high) if rho[t] > 0 else (trait.high, trait.low)
        meanings.append((round(float(abs(rho[t])), 2), *ends))
    return Knob(j, meanings, backwards, known_traits[first])
