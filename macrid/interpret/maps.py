"""What a run learned: its concepts, their names, and items and users in the plane, by t-SNE."""

from dataclasses import dataclass

import numpy as np

from macrid import model
from macrid.backend import to_host
from macrid.interpret import macro
from macrid.model.objective import compared

MOST_ITEMS = 2000  # of a figure's map: more points cover one another
MOST_USERS = 400  # of a figure's map, two points each
COMPONENTS = (
    50  # more dimensions than this go through PCA first, as van der Maaten and Hinton (2008) do
)
PERPLEXITY = 30.0
FREQUENT = 8  # categories that are shown, or K if that is more: there are eight colours
EXCESS, FEWEST = (
    0.2,
    10,
)  # of a category's share in a concept over its share of all items, and of items, for it to name the concept
TYPICAL = 8  # items that show a concept


@dataclass(frozen=True)
class Concept:
    r"""Concept `number` for a reader.

    name      "concept 2: Drama", or "concept 2" where no category names it (see `namesake`);
              category: its column, or None
    count     items whose most probable concept it is, `share` of all
    telling   [(category, share of the concept's items, share of all items)], at most three in
              excess, the largest excess first
    typical   rows of H with the highest c_ik, to two digits, the better known first; best_known:
              the concept's by training users
    such      the titles of the first three typical items, () where a category names the concept
    """

    number: int
    name: str
    category: int | None
    count: int
    share: float
    telling: list
    typical: np.ndarray
    best_known: np.ndarray
    such: tuple


@dataclass(frozen=True)
class Learned:
    r"""What a run learned, on the host: H (M, d) and m (K, d) (unit rows with cosines), C (M, K),
    and the items' categories.

    assigned (M,) is arg max_k c_ik; concepts, K `Concept`s; category (M,) the true one (-1 unknown
    or several, see `macro.single_category`), or None where the data has none; matching {concept:
    category}: the category that names a concept, and between what is left, the nearest prototype
    and centre first as in section 4.3.
    """

    H: np.ndarray
    m: np.ndarray
    C: np.ndarray
    assigned: np.ndarray
    concepts: list
    category: np.ndarray | None
    category_names: tuple
    matching: dict


def learned(run):
    """What a `run_folder.Run` learned."""
    settings, interactions, split = run.settings, run.interactions, run.split
    unit = compared(settings)
    parameters = to_host(run.parameters)
    H, m = unit(parameters["H"])[0], unit(parameters["m"])[0]
    C = to_host(model.concepts(parameters, settings))
    categories = None if interactions.categories is None else interactions.categories[split.items]
    found = described(
        C,
        categories,
        interactions.category_names,
        np.asarray(split.train.sum(axis=0)).ravel(),
        interactions.item_titles(split.items),
    )
    category, matching = None, {}
    if categories is not None:
        named = {
            concept.category: concept.number
            for concept in reversed(found)
            if concept.category is not None
        }  # the first of two of one name
        among = np.union1d(macro.frequent(categories, max(len(m), FREQUENT)), [*named]).astype(int)
        category = macro.single_category(categories, among)
        k, g = np.setdiff1d(np.arange(len(m)), [*named.values()]), np.setdiff1d(among, [*named])
        rest = macro.match_greedily(m[k], H, categories[:, g]) if len(k) else {}
        matching = {named[g]: g for g in named} | {
            int(k[at]): int(g[to]) for at, to in rest.items()
        }
    return Learned(
        H, m, C, C.argmax(axis=1), found, category, interactions.category_names, matching
    )


def described(C, categories, category_names, known_by, titles):
    """The `Concept`s of C (M, K): categories (M, G) 0/1 CSR or None; known_by (M,), how many users
    know each item; M titles.
    """
    assigned, found = C.argmax(axis=1), []
    usual = None if categories is None else _shares(categories)[0]
    for k in range(C.shape[1]):
        inside = np.flatnonzero(assigned == k)
        telling, g = [], None
        if usual is not None and len(inside):
            share, n = _shares(categories[inside])
            telling = [
                (category_names[g], share[g], usual[g])
                for g in np.argsort(usual - share, kind="stable")[:3]
                if share[g] > usual[g]
            ]
            g = namesake(share, usual, n)
        typical = np.lexsort((-known_by, -np.round(C[:, k], 2)))[:TYPICAL]
        found.append(
            Concept(
                k,
                f"concept {k}" if g is None else f"concept {k}: {category_names[g]}",
                g,
                len(inside),
                len(inside) / len(C),
                telling,
                typical,
                inside[np.argsort(-known_by[inside], kind="stable")[:TYPICAL]],
                () if g is not None else tuple(titles[i] for i in typical[:3]),
            )
        )
    return found


def namesake(share, usual, n):
    r"""The category that names a concept, or None: the one whose share p in it exceeds its share q
    of all items the most, if that is reliable.

    It is if p - q >= max(.2, 3 sqrt(q (1 - q) / n)), a fifth of the concept and three standard
    errors, and at least 10 of its items are of it. share, usual (G,) are p and q; n, the concept's
    items whose category is known.
    """
    g = int((share - usual).argmax())
    p, q = share[g], usual[g]
    return (
        g
        if p - q >= max(EXCESS, 3 * (q * (1 - q) / max(n, 1)) ** 0.5) and p * n >= FEWEST - 0.5
        else None
    )


def _shares(categories):
    """(the share of the items with a known category that have each (G,), how many such items) of
    categories (n, G) CSR.
    """
    n = int((np.asarray(categories.sum(axis=1)).ravel() > 0).sum())
    return np.asarray(categories.sum(axis=0)).ravel() / max(1, n), n


def flatten(points, seed=0):
    r"""t-SNE (van der Maaten and Hinton, 2008) of points (n, d) -> (n, 2). Fixed seed, start from
    PCA.

    Neighbours are Euclidean, which for unit rows is the order of cosines. About 6 s for 1,000
    points on two cores, 40 s for 6,000. Distances inside a cluster mean something; those between
    clusters, and their sizes, do not.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n, d = points.shape
    if n < 4:
        return np.column_stack([np.arange(n), np.zeros(n)]).astype(float)
    if min(n, d) > COMPONENTS:
        points = PCA(COMPONENTS, random_state=seed).fit_transform(points)
    start = "pca" if d > 1 else "random"
    return (
        TSNE(init=start, perplexity=min(PERPLEXITY, (n - 1) / 3), random_state=seed)
        .fit_transform(points)
        .astype(float)
    )


def sample(n, most, seed=0):
    """At most `most` of n places, in order, drawn with a fixed seed."""
    return (
        np.arange(n)
        if n <= most
        else np.sort(np.random.default_rng(seed).choice(n, most, replace=False))
    )


def components(run, C, users):
    r"""The two most confident components of training users `users` (B,): (points (2B, d), their
    concepts (2B,)).

    A component is mu_u^(k), of unit length: it lives where the items' h_i do.
    """
    X = run.split.train[users]
    mu = to_host(model.represent(run.parameters, X, run.settings)[0])  # (B, K, d)
    kept = macro.strongest(X, C)  # (B, 2)
    return mu[np.arange(len(users))[:, None], kept].reshape(-1, mu.shape[2]), kept.ravel()
