"""`Catalogue`: what a table says of items: titles, categories, brands, pictures, numbers."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy import sparse

from macrid.errors import UserError, nearest


@dataclass(frozen=True)
class Catalogue:
    """What a table says of n items.

    ids            (n,) text
    titles         (n,) text, '' where unknown, or None where the table has no such column
    paths          the different paths of categories, such as ('Home', 'Kitchen', 'Mugs')
    paths_of_item  (n, len(paths)) CSR 0/1: which of them an item has; or None
    brands         (n,) text, '' where unknown, or None
    pictures       n paths or None each, or None
    numbers        {column: (n,) floats, NaN where unknown}, the price among them
    source         where it comes from, for messages
    columns_used   which columns were read and which were ignored, in words
    """

    ids: np.ndarray
    titles: np.ndarray | None = None
    paths: tuple[tuple[str, ...], ...] = ()
    paths_of_item: sparse.csr_array | None = None
    brands: np.ndarray | None = None
    pictures: Sequence[Path | None] | None = None
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    source: str = "the table of items"
    columns_used: str = ""

    def rows(self, places: np.ndarray) -> "Catalogue":
        """The same table with the rows `places`, empty rows where a place is -1.

        >>> table.rows(np.array([1, -1])).ids
        array(['tea', ''], dtype='<U3')
        """
        known = places >= 0
        taken = np.where(known, places, 0)

        def of(values, unknown):
            return None if values is None else np.where(known, values[taken], unknown)

        paths, pictures = self.paths_of_item, self.pictures
        if paths is not None:
            paths = sparse.csr_array(sparse.diags_array(known.astype(np.float32)) @ paths[taken])
            paths.eliminate_zeros()
        if pictures is not None:
            pictures = [pictures[place] if place >= 0 else None for place in places.tolist()]
        return replace(
            self,
            ids=of(self.ids, ""),
            titles=of(self.titles, ""),
            paths_of_item=paths,
            brands=of(self.brands, ""),
            pictures=pictures,
            numbers={name: of(values, np.nan) for name, values in self.numbers.items()},
        )

    def joined(self, other: "Catalogue") -> "Catalogue":
        """The items of both, these first; what only one says is unknown of the other's items.

        >>> table.joined(table.rows(np.array([0]))).ids
        array(['mug', 'tea', 'mug'], dtype='<U3')
        """
        lengths = len(self.ids), len(other.ids)

        def of(first, second, unknown):
            if first is None and second is None:
                return None
            pairs = zip((first, second), lengths)
            return np.concatenate([np.full(n, unknown) if v is None else v for v, n in pairs])

        place = {path: p for p, path in enumerate(dict.fromkeys([*self.paths, *other.paths]))}
        paths = sparse.vstack([_wide(self, place), _wide(other, place)]) if place else None
        names = dict.fromkeys([*self.numbers, *other.numbers])
        mine, others = (c.pictures or [None] * n for c, n in zip((self, other), lengths))
        return Catalogue(
            np.concatenate([self.ids, other.ids]),
            of(self.titles, other.titles, ""),
            tuple(place),
            None if paths is None else sparse.csr_array(paths),
            of(self.brands, other.brands, ""),
            [*mine, *others] if self.pictures or other.pictures else None,
            {name: of(self.numbers.get(name), other.numbers.get(name), np.nan) for name in names},
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file holds of it beside ids, titles and the names of the numbers.

        >>> sorted(table.arrays())
        ['brands', 'numbers', 'path_indices', 'path_indptr', 'paths']
        """
        arrays = {}
        if self.paths_of_item is not None:
            rows = sparse.csr_array(self.paths_of_item, copy=True)
            rows.sort_indices()
            arrays["paths"] = np.array([" > ".join(path) for path in self.paths], str)
            arrays |= {"path_indices": rows.indices, "path_indptr": rows.indptr}
        if self.brands is not None:
            arrays["brands"] = self.brands
        if self.numbers:
            arrays["numbers"] = np.column_stack(list(self.numbers.values()))
        return arrays

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray], names: Sequence[str]) -> "Catalogue":
        """The catalogue of such arrays, "items" and perhaps "titles"; `names` are the numbers'.

        >>> Catalogue.of_arrays({"items": table.ids, **table.arrays()}, ["price"]).paths[0]
        ('Home', 'Kitchen', 'Mugs')
        """
        paths: tuple[tuple[str, ...], ...] = ()
        of_item = None
        if "paths" in arrays:
            paths = tuple(map(path_of, arrays["paths"].tolist()))
            indices, indptr = arrays["path_indices"], arrays["path_indptr"]
            shape = (len(arrays["items"]), len(paths))
            of_item = sparse.csr_array((np.ones(len(indices), np.float32), indices, indptr), shape)
        return cls(
            arrays["items"],
            arrays.get("titles"),
            paths,
            of_item,
            arrays.get("brands"),
            numbers={name: arrays["numbers"][:, column] for column, name in enumerate(names)},
        )

    def categories(self, level: int) -> list[list[str]]:
        """The names of each item's categories at a level of their paths, 1 the uppermost.

        Of a shorter path it is the last one. It is called by its name alone, or where two
        categories of the level share one, by its path from the top.

        >>> table.categories(1), table.categories(2)
        ([['Home'], ['Food']], [['Kitchen'], ['Tea']])
        """
        if self.paths_of_item is None:
            return [[] for _ in self.ids]
        cut = [path[:level] for path in self.paths]
        parents: dict[str, set] = {}
        for path in cut:
            parents.setdefault(path[-1], set()).add(path)
        names = [path[-1] if len(parents[path[-1]]) == 1 else " > ".join(path) for path in cut]
        rows = self.paths_of_item
        return [
            list(dict.fromkeys(names[p] for p in rows.indices[start:end]))
            for start, end in zip(rows.indptr, rows.indptr[1:])
        ]

    def level(self, fewest: int = 2) -> int:
        """The uppermost level with at least so many categories, else the one with the most.

        >>> table.level()
        1
        """
        deepest = max(map(len, self.paths), default=1)
        counts = [len({path[:n] for path in self.paths}) for n in range(1, deepest + 1)]
        enough = (n for n, count in enumerate(counts, 1) if count >= fewest)
        return next(enough, counts.index(max(counts)) + 1)

    def within(self, category: str) -> np.ndarray:
        """(n,) bool: which items are of a category of any level, by its name or its path.

        >>> table.within("Kitchen"), table.within("Home > Kitchen")
        (array([ True, False]), array([ True, False]))
        """
        asked = path_of(category)
        n = len(asked)
        is_within = [
            n > 0 and any(path[at : at + n] == asked for at in range(len(path) - n + 1))
            for path in self.paths
        ]
        if not any(is_within) or self.paths_of_item is None:
            known = sorted({name for path in self.paths for name in path}) or ["none"]
            near = nearest(category, known)
            hint = f"did you mean '{near}'?" if near else f"known are {', '.join(known[:8])}"
            raise UserError(f"category '{category}' is unknown; {hint}")
        return np.asarray(self.paths_of_item @ np.array(is_within, np.float32)) > 0


def _wide(catalogue, place):
    """Which paths its items have, as columns of {path: column}."""
    if catalogue.paths_of_item is None:
        return sparse.csr_array((len(catalogue.ids), len(place)), dtype=np.float32)
    rows, columns = np.arange(len(catalogue.paths)), [place[path] for path in catalogue.paths]
    ones = np.ones(len(rows), np.float32)
    shape = (len(rows), len(place))
    return catalogue.paths_of_item @ sparse.csr_array((ones, (rows, columns)), shape=shape)


def path_of(text: str) -> tuple[str, ...]:
    """The names of a path of categories.

    >>> path_of("Home > Kitchen>Mugs")
    ('Home', 'Kitchen', 'Mugs')
    """
    return tuple(name for part in text.split(">") if (name := part.strip()))
