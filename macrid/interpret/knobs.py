r"""What turning a dimension means, in words, and what an item looks like: for the figures of strips
and for the report.

A dimension has no name. What can be said of it is what changes along the items that are retrieved
when it is turned: a trait (year, category, popularity, on the shop the true attributes) that rises
or falls with the step.
"""

import re
from dataclasses import dataclass

import numpy as np

from macrid.interpret import trajectory
from macrid.pictures import features

# a mean correlation below this is not worth a word; that of 12 random walks of 8 steps has
# deviation .11
FAINT = 0.3
STARTS = 12
RARE = 0.02  # a category of a smaller share of the items is no trait


@dataclass(frozen=True)
class Trait:
    """Something known of each item: values (M,), NaN where unknown, and words for few and for much
    of it.
    """

    name: str
    low: str
    high: str
    values: np.ndarray


def traits(interactions, split):
    """The traits of the training items: on the shop its attributes, else year (a title that ends in
    "(1994)") and categories; popularity.
    """
    known_by = np.asarray(split.train.sum(axis=0)).ravel()
    found = [Trait("popularity", "little known", "well known", known_by)]
    if interactions.truth is not None:
        attributes = interactions.truth.attributes[split.items]
        return [
            Trait(name, f"low {name}", f"high {name}", attributes[:, j])
            for j, name in enumerate(interactions.truth.attribute_names)
        ] + found
    years = [
        re.search(r"\(((?:18|19|20)\d\d)\)\s*$", title)
        for title in interactions.item_titles(split.items)
    ]
    years = np.array([float(year[1]) if year else np.nan for year in years])
    if np.isfinite(years).mean() > 0.5:
        found.append(Trait("year", "older", "newer", years))
    if interactions.categories is not None:
        one_hot = interactions.categories[split.items].toarray()
        for name, column in zip(interactions.category_names, one_hot.T):
            if RARE < column.mean() < 1 - RARE:
                found.append(Trait(name, f"less {name}", f"more {name}", column))
    return found


def correlations(values, known, inside):
    r"""Rank correlations (Spearman, 1904) of values (n, J) with each of T traits over the items
    `inside` (n,): (T, J); 0 where undefined.
    """
    from scipy.stats import rankdata

    rho = np.zeros((len(known), values.shape[1]))
    for t, trait in enumerate(known):
        of_trait = trait.values[inside]
        good = np.isfinite(of_trait)
        if good.sum() > 2 and np.ptp(of_trait[good]) > 0:
            columns = np.column_stack([rankdata(of_trait[good]), rankdata(values[good], axis=0)])
            with np.errstate(invalid="ignore", divide="ignore"):  # a dimension that does not vary
                rho[t] = np.nan_to_num(np.corrcoef(columns, rowvar=False)[0, 1:])
    return rho


@dataclass(frozen=True)
class Knob:
    """A dimension of a concept that is worth turning.

    meanings: what changes along the retrieved items, the trait it was chosen for first, as (|mean
    rank correlation with the step|, words at the one end, at the other). backwards: the first end
    is the dimension's high one, so that the trait grows.
    """

    dimension: int
    meanings: list
    backwards: bool


def worth_turning(space, k, known, most, steps=8, starts=STARTS, seed=0):
    r"""At most `most` dimensions of concept k to turn, as `Knob`s, each for another trait, the
    strongest first, popularity last.

    For each trait the dimension with the highest |rank correlation| among the concept's items is
    tried: from `starts` random items of the concept, does the trait change monotonically along the
    items retrieved (mean Spearman correlation with the step)? The best are measured again from as
    many other items, as the best of many is partly luck; those of FAINT and more are kept, with
    what the second walks gave. Where that leaves fewer than two, those follow in which the items
    differ most. `control.rank_dimensions` asks the same of every dimension, which takes d times as
    long.
    """
    inside = np.flatnonzero(space.concept == k)
    if not len(inside):
        return []
    rho = np.abs(correlations(space.H[inside], known, inside))  # (T, d)
    tried = list(
        dict.fromkeys(
            int(rho[t].argmax()) for t in np.argsort(-rho.max(axis=1), kind="stable")[: 3 * most]
        )
    )
    values = np.stack(
        [
            np.where(np.isfinite(trait.values), trait.values, np.nanmedian(trait.values))
            for trait in known
        ],
        axis=1,
    )  # (M, T)
    order = np.random.default_rng(seed).permutation(inside)
    first, second = (
        (order[::2][:starts], order[1::2][:starts]) if len(order) > 1 else (order, order)
    )
    found = np.array([_walked(space, j, first, values, steps) for j in tried])  # (tried, T)
    last = np.array(
        [trait.name == "popularity" for trait in known]
    )  # it goes with everything a little
    chosen = {}
    for t in np.argsort(last - np.abs(found).max(axis=0), kind="stable"):
        best = int(np.abs(found[:, t]).argmax())
        if abs(found[best, t]) >= FAINT:
            chosen.setdefault(tried[best], t)
    again = [
        (j, t, _walked(space, j, second, values, steps))
        for j, t in list(chosen.items())[: most + 2]
    ]
    again = sorted(
        (entry for entry in again if abs(entry[2][entry[1]]) >= FAINT),
        key=lambda entry: last[entry[1]] - abs(entry[2][entry[1]]),
    )
    knobs = [_knob(j, rho, known, t) for j, t, rho in again]
    taken = {knob.dimension for knob in knobs}
    widest = [
        int(j) for j in np.argsort(-space.H[inside].std(axis=0), kind="stable") if j not in taken
    ]
    return [*knobs, *(Knob(j, [], False) for j in widest[: max(0, 2 - len(knobs))])][:most]


def _walked(space, j, starts, values, steps):
    """The mean Spearman correlation of the step with each trait, values (M, T), along the items
    that turning j from `starts` retrieves: (T,).
    """
    paths = [trajectory.trajectory(space, space.H[i], j, steps).items for i in starts]
    return np.mean(
        [
            trajectory.step_correlation(values[items]) if len(items) else np.zeros(values.shape[1])
            for items in paths
        ],
        axis=0,
    )


def _knob(j, rho, known, first):
    """Dimension j, by the trait that it was chosen for and the strongest other one; rho (T,)."""
    backwards = bool(rho[first] < 0)
    rho = -rho if backwards else rho
    order = [
        first,
        *(
            t
            for t in np.argsort(-np.abs(rho), kind="stable")
            if t != first and abs(rho[t]) >= FAINT
        ),
    ][:2]
    ends = lambda t: (known[t].low, known[t].high) if rho[t] > 0 else (known[t].high, known[t].low)  # noqa: E731
    return Knob(j, [(round(float(abs(rho[t])), 2), *ends(t)) for t in order], backwards)


def turn(space, h, knob, steps):
    """The items (rows of H) from the knob's first end to the other, `control.trajectory`, and the
    place of the subrange that h lies in.
    """
    path = trajectory.trajectory(space, h, knob.dimension, steps)
    items, at = (
        path.items.tolist(),
        int(np.searchsorted(path.edges[1:-1], h[knob.dimension])),
    )  # subranges (a_t-1, a_t]
    return (items[::-1], max(0, len(items) - 1 - at)) if knob.backwards else (items, at)


def pictures(run, folder=None):
    """{row of H: path} of the training items that have a picture: in `folder`, the run's
    --pictures, or drawn by the shop.
    """
    interactions, split = run.interactions, run.split
    folder = folder or run.settings.pictures
    paths = dict(features.in_folder(folder)) if folder else interactions.picture_paths()
    ids = interactions.items[split.items].tolist()
    return {i: paths[name] for i, name in enumerate(ids) if name in paths}
