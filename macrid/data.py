"""Ratings file or table -> Interactions: who adopted what, with the ids, titles and categories from outside."""

import math
from array import array
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import sparse

from macrid import checks
from macrid.errors import UserError
from macrid.tables import ITEM_NAMES, read_rows


@dataclass(frozen=True)
class Interactions:
    """N users by M items, 0/1, with what is known about them.

    X           (N, M) CSR float32; a row's items stand in the order of the file, rows and columns in order of
                first appearance
    users       (N,) ids from outside, as text
    items       (M,) ids from outside, as text
    titles      (M,) text to show for an item, or None
    categories  (M, G) CSR 0/1, several or none for an item, or None
    category_names  G names
    pictures    M paths or None each, or None
    report      what was read and what was dropped: a dict of counts
    """

    X: sparse.csr_array
    users: np.ndarray
    items: np.ndarray
    titles: np.ndarray | None = None
    categories: sparse.csr_array | None = None
    category_names: tuple = ()
    pictures: list | None = None
    report: dict = field(default_factory=dict)


def load(path, min_rating=None, min_user_items=5, categories=""):
    """Read a MovieLens folder or a CSV/TSV file into `Interactions`; `categories` as in `read_categories`."""
    path = Path(path)
    read = read_movielens if path.is_dir() else read_table
    interactions = read(path, min_rating, min_user_items)
    if not categories:
        return interactions
    file, _, column = categories.rpartition(":")
    names = read_categories(file or path, column)
    found = [names.get(item, []) for item in interactions.items]
    if not any(found):
        hint = checks.mismatch(list(names), interactions)
        raise UserError(f"{file or path}: column '{column}' names a category of none of the items; {hint or f'are its ids those of {path}?'}")
    return with_categories(interactions, found)


def read_categories(path, column):
    """The category names of each item, {id: [names]}, from a table with an item column and `column`.

    Several are divided by '|'. Rows of one item add up; an empty field is no category.
    """
    names = {}
    for _, (item, text) in read_rows(path, (ITEM_NAMES | {"id"}, column)):
        names.setdefault(item, []).extend(name.strip() for name in text.split("|") if name.strip())
    return names


def read_movielens(folder, min_rating=None, min_user_items=5):
    """Read a MovieLens folder: `ratings.csv`, and titles and genres from `movies.csv` where it is there.

    A film's categories are all its genres; "(no genres listed)" means none.
    """
    folder = Path(folder)
    if not (folder / "ratings.csv").is_file():
        raise UserError(f"{folder}: has no ratings.csv; give --data a MovieLens folder or a CSV/TSV file")
    interactions = read_table(folder / "ratings.csv", min_rating, min_user_items)
    if not (folder / "movies.csv").is_file():
        return interactions
    titles, genres = {}, {}
    for _, (movie, title, names) in read_rows(folder / "movies.csv", ("movieId", "title", "genres")):
        titles[movie] = title
        genres[movie] = [name for name in names.split("|") if name and name != "(no genres listed)"]
    return with_categories(
        interactions, [genres.get(item, []) for item in interactions.items],
        titles=np.array([titles.get(item, item) for item in interactions.items]),
    )


def with_categories(interactions, names, titles=None):
    """The same interactions with category names: `names` lists those of each item, some lists may be empty."""
    order = sorted({name for of_item in names for name in of_item})
    column = {name: j for j, name in enumerate(order)}
    indptr = np.cumsum([0] + [len(set(of_item)) for of_item in names])
    indices = np.array([column[name] for of_item in names for name in sorted(set(of_item))], dtype=np.int32)
    ones = np.ones(len(indices), np.float32)
    categories = sparse.csr_array((ones, indices, indptr), shape=(len(names), len(order)))
    return Interactions(**{**vars(interactions), "categories": categories, "category_names": tuple(order),
                           "titles": interactions.titles if titles is None else titles})  # fmt: skip


def read_table(path, min_rating=None, min_user_items=5):
    """Read a CSV or TSV of user,item[,rating[,timestamp]], with or without a header.

    A header is recognised by its names (user, userId, item, movieId, rating, ...; any order, more columns allowed).
    Without a rating column every row is an adoption; without `min_rating`, a rating of 4 or more is one, provided that
    no rating is above 5: what counts on another scale must be said. A pair that occurs more than once counts once. Users with
    fewer than `min_user_items` adoptions are dropped, then items that nobody is left for.
    Raises UserError that names the file and the line.
    """
    users, items = {}, {}
    u, i, ratings = array("i"), array("i"), array("d")
    rows = 0
    for line, fields in read_rows(path):
        rows += 1
        user, item = fields[0], fields[1]
        if not user or not item:
            raise UserError(f"{path}, line {line}: the {'item' if user else 'user'} id is empty; fill it in or remove the line")
        if len(fields) > 2:
            ratings.append(_rating(fields[2], path, line))
        u.append(users.setdefault(user, len(users)))
        i.append(items.setdefault(item, len(items)))
    if rows == 0:
        raise UserError(f"{path}: has no ratings; expected lines of user,item[,rating[,timestamp]]")
    numbers = np.frombuffer(u, np.int32), np.frombuffer(i, np.int32)
    return _adoptions(*numbers, list(users), list(items), np.frombuffer(ratings) if ratings else None, min_rating, min_user_items, path)


def from_pairs(users, items, min_user_items=1, ratings=None, min_rating=None):
    """Interactions from equally long lists of ids (turned into text) and, if given, ratings: one adoption a pair."""
    user_ids, u = np.unique(np.asarray(users, dtype=str), return_inverse=True)
    item_ids, i = np.unique(np.asarray(items, dtype=str), return_inverse=True)
    ratings = None if ratings is None else np.asarray(ratings, float)
    if ratings is not None and not np.isfinite(ratings).all():
        raise UserError(f"row {int(np.argmax(~np.isfinite(ratings)))} has a rating that is not a finite number; mend or remove it")
    return _adoptions(u, i, list(user_ids), list(item_ids), ratings, min_rating, min_user_items, "the pairs")


def _adoptions(u, i, users, items, ratings, min_rating, min_user_items, source):
    """Interactions of the rows whose rating reaches the threshold, which is 4 on a scale up to 5 and must be said on another."""
    report = {"rows": len(u), "rows_below_min_rating": 0}
    threshold = None
    if ratings is not None:
        threshold = checks.threshold(ratings, min_rating, source)
        good = ratings >= threshold
        report |= {"rows_below_min_rating": int((~good).sum()), "min_rating": threshold}
        pair = u.astype(np.int64) * len(items) + i
        report["contradicting"] = len(np.intersect1d(pair[good], pair[~good]))
        u, i = u[good], i[good]
    return _filtered(u, i, users, items, min_user_items, report, source, threshold)


def _filtered(u, i, users, items, min_user_items, report, source, min_rating):
    """Drop duplicate pairs, then users with too few, then unused items; build the matrix."""
    pair = u.astype(np.int64) * max(len(items), 1) + i
    _, first = np.unique(pair, return_index=True)
    first.sort()  # the order of the file
    u, i = u[first], i[first]
    report["duplicate_rows"] = len(pair) - len(first)
    del pair, first
    counts = np.bincount(u, minlength=len(users))
    keep = counts >= min_user_items
    kept = keep[u]
    report["users_dropped"] = int((~keep & (counts > 0)).sum())
    report["adoptions_of_dropped_users"] = int((~kept).sum())
    if not kept.any():
        few = f"no user has {min_user_items} adoptions or more"
        threshold = "; lower --min-user-items" if min_rating is None else f" of ratings of at least {min_rating:g}; lower --min-rating or --min-user-items"
        raise UserError(f"{source}: {few}{threshold}")
    adopted = np.bincount(i, minlength=len(items)) > 0
    u, i = u[kept], i[kept]
    used = np.bincount(i, minlength=len(items)) > 0
    report["items_dropped"] = int((adopted & ~used).sum())
    u, i = (np.cumsum(keep) - 1)[u], (np.cumsum(used) - 1)[i]
    N, M = int(keep.sum()), int(used.sum())
    order = np.argsort(u, kind="stable")  # rows keep the order of the file
    indptr = np.concatenate([[0], np.cumsum(np.bincount(u, minlength=N))])
    ones = np.ones(len(u), np.float32)
    X = sparse.csr_array((ones, i[order].astype(np.int32), indptr), shape=(N, M))
    users = np.array([name for name, good in zip(users, keep) if good])
    items = np.array([name for name, good in zip(items, used) if good])
    return Interactions(X, users, items, report=report)


def _rating(text, path, line):
    """A finite number, or a UserError."""
    try:
        rating = float(text)
    except ValueError:
        raise UserError(f"{path}, line {line}: the rating '{text}' is not a number; mend or remove the line") from None
    if not math.isfinite(rating):
        raise UserError(f"{path}, line {line}: the rating is {text}, expected a finite number; mend or remove the line")
    return rating
