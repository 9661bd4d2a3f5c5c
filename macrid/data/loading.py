"""Ratings file or table -> Interactions: who adopted what, with the ids, titles and categories from
outside.
"""

from pathlib import Path

import numpy as np

from macrid.data import checks, ratings_file
from macrid.data.adoptions import Interactions, csr_of_ones, with_categories
from macrid.errors import UserError


def load(path, min_rating=None, min_user_items=5, categories="", columns=None):
    """Read a MovieLens folder or a CSV/TSV file into `Interactions`; `categories` as in
    `categorised`, `columns` as in `read_table`.
    """
    path = Path(path)
    read = read_movielens if path.is_dir() else read_table
    interactions = read(path, min_rating, min_user_items, columns)
    return categorised(interactions, categories, path, columns) if categories else interactions


def categorised(interactions, categories, table=None, columns=None):
    """The same interactions with the categories that 'COLUMN' of the file `table` or 'FILE:COLUMN'
    names.
    """
    file, _, column = categories.rpartition(":")
    if Path(categories).is_file():
        raise UserError(
            f"categories is {categories}, a file; say which column of it: {categories}:COLUMN, one"
            f" of {','.join(ratings_file.named(categories).first)}"
        )
    if not file and (table is None or Path(table).is_dir()):
        raise UserError(
            f"categories is '{categories}', expected FILE:COLUMN of a table of items; only a file"
            " of ratings has columns of its own"
        )
    names = read_categories(file or table, column, None if file else columns)
    found = [names.get(item, []) for item in interactions.items]
    if not any(found):
        hint = checks.mismatch(list(names), interactions)
        raise UserError(
            f"{file or table}: column '{column}' names a category of none of the items;"
            f" {hint or 'are its ids those of the items?'}"
        )
    return with_categories(interactions, found)


def read_categories(path, column, columns=None):
    """The category names of each item, {id: [names]}, from a table with an item column (that of
    `columns` if given) and `column`.

    Several are divided by '|'. Rows of one item add up; an empty field is no category.
    """
    names = {}
    item_column = (
        ratings_file.layout(path, columns).columns[1]
        if columns
        else ratings_file.NAMES["item"] | {"id"}
    )
    for _, (item, text) in ratings_file.rows(path, ratings_file.named(path, item_column, column)):
        names.setdefault(item, []).extend(name.strip() for name in text.split("|") if name.strip())
    return names


def read_movielens(folder, min_rating=None, min_user_items=5, columns=None):
    """Read a MovieLens folder: `ratings.csv`, and titles and genres from `movies.csv` where it is
    there.

    A film's categories are all its genres; "(no genres listed)" means none.
    """
    folder = Path(folder)
    if not (folder / "ratings.csv").is_file():
        raise UserError(
            f"{folder}: has no ratings.csv; expected a MovieLens folder or a CSV/TSV file"
        )
    interactions = read_table(folder / "ratings.csv", min_rating, min_user_items, columns)
    movies = folder / "movies.csv"
    if not movies.is_file():
        return interactions
    titles, genres = {}, {}
    for _, (movie, title, names) in ratings_file.rows(
        movies, ratings_file.named(movies, "movieId", "title", "genres")
    ):
        titles[movie] = title
        genres[movie] = [name for name in names.split("|") if name and name != "(no genres listed)"]
    return with_categories(
        interactions,
        [genres.get(item, []) for item in interactions.items],
        titles=np.array([titles.get(item, item) for item in interactions.items]),
    )


def read_table(path, min_rating=None, min_user_items=5, columns=None):
    """Read a CSV or TSV of user,item[,rating[,timestamp]], with or without a header.

    A header is recognised by its names (`tables.NAMES`; any order, more columns allowed), or
    `columns` says which columns are user, item and rating. Without a rating column every row is an
    adoption; without `min_rating`, a rating of 4 or more is one, provided that no rating is above
    5: what counts on another scale must be said. A pair that occurs more than once counts once.
    Users with fewer than `min_user_items` adoptions are dropped, then items that nobody is left
    for. Raises UserError that names the file and the line.
    """
    users, items, u, i, ratings, told = ratings_file.read_ratings(path, columns)
    return _adoptions(
        u, i, list(users), list(items), ratings, min_rating, min_user_items, path, told
    )


def from_pairs(
    users, items, min_user_items=1, ratings=None, min_rating=None, told="rows of user,item[,rating]"
):
    """Interactions from equally long lists of ids (text, or turned into it by `tables.as_id`) and,
    if given, ratings: one adoption a pair.
    """
    if len(users) == 0:
        raise UserError("the data have no rows; expected rows of user,item[,rating]")
    (user_ids, u), (item_ids, i) = (
        ratings_file.numbered(users, "user"),
        ratings_file.numbered(items, "item"),
    )
    ratings = None if ratings is None else ratings_file.numbers(ratings)
    return _adoptions(
        u, i, user_ids, item_ids, ratings, min_rating, min_user_items, "the data", told
    )


def _adoptions(u, i, users, items, ratings, min_rating, min_user_items, source, told):
    """Interactions of the rows whose rating reaches the threshold, which is 4 on a scale up to 5
    and must be said on another.
    """
    report = {"columns": told, "rows": len(u), "rows_below_min_rating": 0}
    threshold = checks.threshold(ratings, min_rating, source, told)
    if ratings is not None:
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
    report["users_without_adoptions"] = int((counts == 0).sum())
    report["users_dropped"] = int((~keep & (counts > 0)).sum())
    report["adoptions_of_dropped_users"] = int((~kept).sum())
    if not kept.any():
        few = f"no user has {min_user_items} adoptions or more"
        threshold = (
            "; lower min_user_items"
            if min_rating is None
            else f" of ratings of at least {min_rating:g}; lower min_rating or min_user_items"
        )
        raise UserError(f"{source}: {few}{threshold}")
    adopted = np.bincount(i, minlength=len(items)) > 0
    u, i = u[kept], i[kept]
    used = np.bincount(i, minlength=len(items)) > 0
    report["items_dropped"] = int((adopted & ~used).sum())
    u, i = (np.cumsum(keep) - 1)[u], (np.cumsum(used) - 1)[i]
    N, M = int(keep.sum()), int(used.sum())
    order = np.argsort(u, kind="stable")  # rows keep the order of the file
    indptr = np.concatenate([[0], np.cumsum(np.bincount(u, minlength=N))])
    X = csr_of_ones(i[order], indptr, (N, M))
    users = np.array([name for name, good in zip(users, keep) if good])
    items = np.array([name for name, good in zip(items, used) if good])
    return Interactions(X, users, items, report=report)
