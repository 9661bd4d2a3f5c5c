"""What a run learned: its concepts, their names, and items and users in the plane, by t-SNE."""

from dataclasses import dataclass

import numpy as np

from macrid import model
from macrid.backend import to_host
from macrid.interpret import macro
from macrid.model.objective import compared
from macrid.run_folder import Run

MOST_ITEMS = 2000  # of a figure's map: more points cover one another
MOST_USERS = 400  # of a figure's map, two points each
COMPONENTS = 50  # more dimensions go through PCA first, as van der Maaten and Hinton (2008) do
PERPLEXITY = 30.0
FREQUENT = 8  # categories that are shown, or K if that is more: there are eight colours
EXCESS = 0.2  # by which a category's share of a concept's adoptions has to exceed that of all
FEWEST = 10  # items of a category that a concept has to hold, to be called after it
TYPICAL = 8  # items that show a concept


@dataclass(frozen=True)
class Concept:
    r"""Concept `number` for a reader.

    name        "concept 2: Drama", or "concept 2" where no category names it (see `namesake`)
    category    the column of the category that names it, or None
    count       items whose most probable concept it is
    share       of all items
    telling     [(category, share of the adoptions of the concept's items, share of all adoptions,
                share of the concept's items)], at most three in excess, the largest excess first
    typical     rows of H with the highest c_ik, to two digits, the better known first
    best_known  its items with the most adopters
    examples    the titles of the first three typical items, () where a category names the concept
    """

    number: int
    name: str
    category: int | None
    count: int
    share: float
    telling: list
    typical: np.ndarray
    best_known: np.ndarray
    examples: tuple


@dataclass(frozen=True)
class Learned:
    r"""What a run learned, on the host.

    H (M, d), m (K, d)  items and prototypes, unit rows with cosines
    C (M, K)            how strongly each item belongs to each concept
    assigned (M,)       arg max_k c_ik
    concepts            K `Concept`s
    category (M,)       the true one, -1 where unknown or several (see `macro.single_category`), or
                        None where the data has none
    matching            {concept: category}: the category that names a concept, and between what is
                        left, the nearest prototype and centre first as in section 4.3
    """

    H: np.ndarray
    m: np.ndarray
    C: np.ndarray
    assigned: np.ndarray
    concepts: list
    category: np.ndarray | None
    category_names: tuple
    matching: dict


def learned(run: Run) -> Learned:
    """What a run learned."""
    interactions, items = run.interactions, run.split.items
    unit = compared(run.settings)
    parameters = to_host(run.parameters)
    H, m = unit(parameters["H"])[0], unit(parameters["m"])[0]
    C = to_host(model.concepts(run.parameters, run.settings))
    categories = None if interactions.categories is None else interactions.categories[items]
    names, titles = interactions.category_names, interactions.item_titles(items)
    adopters = np.asarray(run.split.train.sum(axis=0)).ravel()
    concepts = described(C, categories, names, adopters, titles)
    category, matching = None, {}
    if categories is not None:
        category, matching = _matched(concepts, categories, H, m)
    return Learned(H, m, C, C.argmax(axis=1), concepts, category, names, matching)


def _matched(concepts, categories, H, m):
    """The items' single categories (M,), and {concept: category}; see `Learned`."""
    # categories that name a concept; the first of two concepts of one name
    named = {c.category: c.number for c in reversed(concepts) if c.category is not None}
    most_frequent = macro.frequent(categories, max(len(m), FREQUENT))
    shown = np.union1d(most_frequent, [*named]).astype(int)

    # what has no name yet is matched by distance
    concepts_left = np.setdiff1d(np.arange(len(m)), [*named.values()])
    categories_left = np.setdiff1d(shown, [*named])
    nearest = {}
    if len(concepts_left):
        nearest = macro.match_greedily(m[concepts_left], H, categories[:, categories_left])
    matching = {k: g for g, k in named.items()}
    matching |= {int(concepts_left[k]): int(categories_left[g]) for k, g in nearest.items()}
    return macro.single_category(categories, shown), matching


def described(C, categories, category_names, adopters, titles) -> list[Concept]:
    """The `Concept`s of C (M, K).

    Shares of categories count each item by its adoptions: a list shows what is adopted, and a
    concept may hold many items of a category of which hardly one is. Items whose category is
    unknown do not count.

    categories  (M, G) 0/1 CSR, or None
    adopters    (M,) how many users have each item
    titles      M texts
    """
    assigned = C.argmax(axis=1)
    overall = None if categories is None else _shares(categories, adopters)[0]
    concepts = []
    for k in range(C.shape[1]):
        inside = np.flatnonzero(assigned == k)
        telling, category = [], None
        if overall is not None and len(inside):
            share, n = _shares(categories[inside], adopters[inside])
            of_items, _ = _shares(categories[inside], np.ones(len(inside)))
            largest = np.argsort(overall - share, kind="stable")[:3]
            in_excess = [g for g in largest if share[g] > overall[g]]
            telling = [(category_names[g], share[g], overall[g], of_items[g]) for g in in_excess]
            category = namesake(share, overall, n)
        typical = np.lexsort((-adopters, -np.round(C[:, k], 2)))[:TYPICAL]
        best_known = inside[np.argsort(-adopters[inside], kind="stable")[:TYPICAL]]
        name, examples = f"concept {k}", tuple(titles[i] for i in typical[:3])
        if category is not None:
            name, examples = f"concept {k}: {category_names[category]}", ()
        count, part = len(inside), len(inside) / len(C)
        concepts.append(
            Concept(k, name, category, count, part, telling, typical, best_known, examples)
        )
    return concepts


def namesake(share, overall, n: float) -> int | None:
    r"""The category that names a concept, or None.

    It is the one whose share p of the concept's adoptions exceeds its share q of all adoptions the
    most, if that is reliable: p - q >= max(.2, 3 sqrt(q (1 - q) / n)), a fifth of the concept and
    three standard errors, and p n >= 10 items. share, overall (G,) are p and q; n, how many items
    of a known category the concept holds: fewer, where a few of them have most of the adoptions.
    """
    g = int((share - overall).argmax())
    p, q = share[g], overall[g]
    stderr = (q * (1 - q) / max(n, 1)) ** 0.5
    reliable = p - q >= max(EXCESS, 3 * stderr) and p * n >= FEWEST - 0.5
    return g if reliable else None


def _shares(categories, weight):
    r"""Of categories (n, G) CSR: the share of each (G,) among items with a known one, and n'.

    An item counts weight (n,) times. n' is how many equally weighty items would tell the share as
    well, (sum w)^2 / sum w^2 (Kish, 1965): their number, if all weigh the same.
    """
    w = np.where(np.asarray(categories.sum(axis=1)).ravel() > 0, weight, 0.0)
    total = w.sum()
    if total == 0:
        return np.zeros(categories.shape[1]), 0
    return np.asarray(w @ categories) / total, total**2 / (w**2).sum()


def flatten(points, seed: int = 0) -> np.ndarray:
    r"""t-SNE (van der Maaten and Hinton, 2008) of points (n, d) -> (n, 2).

    The seed is fixed, and it starts from PCA. Neighbours are Euclidean, which for unit rows is the
    order of cosines. About 6 s for 1,000 points on two cores, 40 s for 6,000. Distances inside a
    cluster mean something; those between clusters, and their sizes, do not.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n, d = points.shape
    if n < 4:
        return np.column_stack([np.arange(n), np.zeros(n)]).astype(float)
    if min(n, d) > COMPONENTS:
        points = PCA(COMPONENTS, random_state=seed).fit_transform(points)
    start, perplexity = "pca" if d > 1 else "random", min(PERPLEXITY, (n - 1) / 3)
    tsne = TSNE(init=start, perplexity=perplexity, random_state=seed)
    return tsne.fit_transform(points).astype(float)


def sample(n: int, most: int, seed: int = 0) -> np.ndarray:
    """At most `most` of n places, in order, drawn with a fixed seed."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def components(run: Run, C, users) -> tuple[np.ndarray, np.ndarray]:
    r"""The two most confident components of training users (B,): points (2B, d), concepts (2B,).

    A component is mu_u^(k), of unit length: it lives where the items' h_i do.
    """
    X = run.split.train[users]
    mu = to_host(model.represent(run.parameters, X, run.settings)[0])  # (B, K, d)
    kept = macro.strongest(X, C)  # (B, 2)
    return mu[np.arange(len(users))[:, None], kept].reshape(-1, mu.shape[2]), kept.ravel()
