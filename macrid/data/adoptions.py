"""`Interactions`: who adopted what, with the ids, titles, categories and pictures from outside."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy import sparse

from macrid.data import shop_pictures
from macrid.data.catalogue import Catalogue


@dataclass(frozen=True)
class Truth:
    """What stands behind the adoptions of the made shop: N users, M items, G categories, J traits.

    category    (M,) the category of each item
    attributes  (M, J) in [0, 1]; column J-1 means another detail in each category
    intentions  (N, G) shares, rows sum to one
    ideals      (N, G, J) the ideal attribute values inside each intention
    weights     (N, G, J) how much each of them matters
    """

    category: np.ndarray
    attributes: np.ndarray
    attribute_names: tuple[str, ...]
    intentions: np.ndarray
    ideals: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Interactions:
    """N users by M items, 0/1, with what is known about them.

    X               (N, M) CSR float32; rows and columns in order of first appearance, a row's items
                    in the order of the file
    users, items    (N,) and (M,) ids from outside, as text
    titles          (M,) text to show for an item, or None
    categories      (M, G) CSR 0/1, several or none for an item, or None
    category_names  G names
    pictures        M paths or None each, or None
    truth           what stands behind the adoptions, known of the made shop only
    catalogue       what a table of items says of these items (`macrid.data.items`), or None
    unadopted       its rows of items that nobody has, or None
    times           (nnz,) seconds, when each adoption of X happened, in the order of X.indices, or
                    None where nothing asked for them
    parts           (nnz,) in the same order: 0 for training, 1 for validation, 2 for the test, or
                    None where no split was given
    few_users       (n,) ids of those with too few adoptions to be trained on, or with none
    few             (n, M) CSR 0/1: what they have of the M items, or None
    refused         (N + n, M) CSR 0/1: what users, and after them few_users, gave back (events of
                    negative weight, no adoption): left out of their lists; or None
    matrix_columns  of the matrix that these were read from, whose column numbers the items are
    report          what was read ("columns", in words) and how much was dropped (counts)
    """

    X: sparse.csr_array
    users: np.ndarray
    items: np.ndarray
    titles: np.ndarray | None = None
    categories: sparse.csr_array | None = None
    category_names: tuple[str, ...] = ()
    pictures: Sequence[Path | None] | None = None
    truth: Truth | None = None
    catalogue: Catalogue | None = None
    unadopted: Catalogue | None = None
    times: np.ndarray | None = None
    parts: np.ndarray | None = None
    few_users: np.ndarray = field(default_factory=lambda: np.zeros(0, "<U1"))
    few: sparse.csr_array | None = None
    refused: sparse.csr_array | None = None
    matrix_columns: int | None = None
    report: dict = field(default_factory=dict)

    def item_titles(self, items: np.ndarray) -> list[str]:
        """What to call each of `items` (columns of X): its title, else its id.

        >>> interactions.item_titles(split.items)[:2]
        ['Toy Story (1995)', 'Grumpier Old Men (1995)']
        """
        names = self.items if self.titles is None else self.titles
        return [str(name) for name in names[items]]

    def item_categories(self, items: np.ndarray) -> list[str]:
        """The category names of each of `items` (columns of X), '' where none is known.

        >>> interactions.item_categories(split.items)[:2]
        ['Adventure, Animation, Children, Comedy, Fantasy', 'Comedy, Romance']
        """
        if self.categories is None:
            return [""] * len(items)
        rows = self.categories[items]
        return [
            ", ".join(self.category_names[g] for g in rows.indices[start:end])
            for start, end in zip(rows.indptr, rows.indptr[1:])
        ]

    def known_of(self, items: np.ndarray) -> Catalogue:
        """What is known of some items (columns of X), as one `Catalogue`.

        >>> interactions.known_of(split.items).paths[:2]
        (('Home', 'Kitchen', 'Mugs'), ('Home', 'Bath'))
        """
        known = Catalogue(self.items) if self.catalogue is None else self.catalogue
        if known.paths_of_item is None and self.categories is not None:
            paths = tuple((name,) for name in self.category_names)
            known = replace(known, paths=paths, paths_of_item=self.categories)
        titles, pictures = self.titles, self.pictures
        return replace(known, ids=self.items, titles=titles, pictures=pictures).rows(items)

    def within(self, category: str) -> np.ndarray:
        """(M,) bool: which items are of a category, by its name, or of a path at any level.

        >>> interactions.within("Kitchen").sum(), interactions.within("Home > Kitchen").sum()
        (310, 288)
        """
        return self.known_of(np.arange(len(self.items))).within(category)

    @property
    def has_pictures(self) -> bool:
        """Whether the data bring pictures of their own: then `picture_paths` finds some."""
        return self.pictures is not None or self.truth is not None

    def picture_paths(self) -> dict[str, Path]:
        """{item id: path} of the pictures that the data bring, {} where they bring none.

        Those of the shop are drawn at the first call, once into the user's cache folder: 1.5 ms an
        item.

        >>> shop.make().picture_paths()["bag-000"].name
        'bag-000.png'
        """
        paths = self.pictures
        if paths is None and self.truth is not None:
            paths = shop_pictures.in_cache(self.truth.category, self.truth.attributes, self.items)
        return {name: path for name, path in zip(self.items.tolist(), paths or []) if path}


def with_categories(
    interactions: Interactions, names: Sequence[Sequence[str]], titles: np.ndarray | None = None
) -> Interactions:
    """The same interactions with category names: `names` lists those of each item, some of none."""
    order = sorted({name for of_item in names for name in of_item})
    column = {name: j for j, name in enumerate(order)}
    rows = [[column[name] for name in sorted(set(of_item))] for of_item in names]
    return replace(
        interactions,
        categories=csr_of_rows(rows, len(order)),
        category_names=tuple(order),
        titles=interactions.titles if titles is None else titles,
    )


def csr_of_ones(
    indices: np.ndarray, indptr: np.ndarray, shape: tuple[int, int]
) -> sparse.csr_array:
    """A CSR matrix of float32 ones, those of row u in columns indices[indptr[u]:indptr[u+1]]."""
    return sparse.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=shape)


def csr_of_rows(rows: Sequence, M: int) -> sparse.csr_array:
    """A CSR matrix (n, M) of ones from n lists or arrays of column numbers, their order kept.

    >>> csr_of_rows([[2, 0], []], 3).toarray()
    array([[1., 0., 1.],
           [0., 0., 0.]], dtype=float32)
    """
    indptr = np.cumsum([0] + [len(row) for row in rows])
    indices = np.concatenate([np.empty(0, int), *rows]).astype(int)
    return csr_of_ones(indices, indptr, (len(rows), M))
