"""From a ratings file, a MovieLens folder or lists of ids to `Interactions`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from macrid.data import checks, in_memory, ratings_file
from macrid.data.adoptions import Interactions, csr_of_ones, with_categories
from macrid.data.column_names import KNOWN_NAMES
from macrid.data.in_memory import Table
from macrid.errors import UserError

NO_GENRES = "(no genres listed)"  # MovieLens's words for a film without any


def load(
    path: str | Path,
    min_rating: float | None = None,
    min_user_items: int = 5,
    categories: str = "",
    columns: str | None = None,
) -> Interactions:
    """Read a MovieLens folder or a CSV/TSV file.

    `categories` as in `categorised`, the other options as in `read_table`.

    >>> load("sales.csv", categories="products.csv:department")
    """
    path = Path(path)
    read = read_movielens if path.is_dir() else read_table
    interactions = read(path, min_rating, min_user_items, columns)
    return categorised(interactions, categories, path, columns) if categories else interactions


def read_table(
    path: str | Path,
    min_rating: float | None = None,
    min_user_items: int = 5,
    columns: str | None = None,
) -> Interactions:
    """Read a CSV or TSV of user,item[,rating[,timestamp]], with or without a header.

    A header is recognised by its names (`column_names.KNOWN_NAMES`; any order, more columns
    allowed), or `columns` says which columns are user, item and rating.

    Without a rating column every row is an adoption. Without `min_rating`, a rating of 4 or more
    is one, provided that no rating is above 5: what counts on another scale must be said. A pair
    that occurs more than once counts once. Users with fewer than `min_user_items` adoptions are
    dropped, then items that nobody is left for. What is wrong is a UserError with file and line.
    """
    table = ratings_file.read_ratings(path, columns)
    return _adoptions(table, min_rating, min_user_items)


def read_movielens(
    folder: str | Path,
    min_rating: float | None = None,
    min_user_items: int = 5,
    columns: str | None = None,
) -> Interactions:
    """Read a folder with `ratings.csv` and, for titles and genres, perhaps `movies.csv`.

    A film's categories are all its genres. The options are those of `read_table`.
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
    layout = ratings_file.layout_by_names(movies, "movieId", "title", "genres")
    for _, (movie, title, names) in ratings_file.rows(movies, layout):
        titles[movie] = title
        genres[movie] = [name for name in names.split("|") if name and name != NO_GENRES]
    return with_categories(
        interactions,
        [genres.get(item, []) for item in interactions.items],
        titles=np.array([titles.get(item, item) for item in interactions.items]),
    )


def from_pairs(
    users: Sequence | np.ndarray,
    items: Sequence | np.ndarray,
    min_user_items: int = 1,
    ratings: Sequence | np.ndarray | None = None,
    min_rating: float | None = None,
    columns_used: str = "rows of user,item[,rating]",
) -> Interactions:
    """Interactions from equally long lists of ids and, if given, ratings: a row for each pair.

    Ids that are not text become it by `ids.as_id`. `columns_used` says for the report which
    columns these are.

    >>> from_pairs(["ann", "ann", "bob"], ["tea", "jam", "tea"]).X.toarray()
    array([[1., 1.],
           [0., 1.]], dtype=float32)
    """
    if len(users) == 0:
        raise UserError("the data have no rows; expected rows of user,item[,rating]")
    user_ids, u = in_memory.number_ids(users, "user")
    item_ids, i = in_memory.number_ids(items, "item")
    numbers = None if ratings is None else in_memory.finite_ratings(ratings)
    table = Table(user_ids, item_ids, u, i, numbers, "the data", columns_used)
    return _adoptions(table, min_rating, min_user_items)


def categorised(
    interactions: Interactions,
    categories: str,
    ratings_path: str | Path | None = None,
    columns: str | None = None,
) -> Interactions:
    """The same interactions with the categories of the items that `categories` names.

    'FILE:COLUMN' is a column of a table of items, 'COLUMN' one of the file of ratings, whose path
    and `columns` are then needed.
    """
    file, _, column = categories.rpartition(":")
    if Path(categories).is_file():
        header = ",".join(ratings_file.layout_by_names(categories).first_row)
        raise UserError(
            f"categories is {categories}, a file; say which column of it: {categories}:COLUMN, one"
            f" of {header}"
        )
    if file:
        names_of = read_categories(file, column)
    elif ratings_path is None or Path(ratings_path).is_dir():
        raise UserError(
            f"categories is '{categories}', expected FILE:COLUMN of a table of items; only a file"
            " of ratings has columns of its own"
        )
    else:
        names_of = read_categories(ratings_path, column, columns)
    names = [names_of.get(item, []) for item in interactions.items]
    if not any(names):
        hint = checks.mismatch(list(names_of), interactions.users, interactions.items)
        raise UserError(
            f"{file or ratings_path}: column '{column}' names a category of none of the items;"
            f" {hint or 'are its ids those of the items?'}"
        )
    return with_categories(interactions, names)


def read_categories(
    path: str | Path, column: str, columns: str | None = None
) -> dict[str, list[str]]:
    """{item id: its category names} from a table with a column of items and `column`.

    The column of items is the second of `columns`, else one with a known name. Several categories
    are divided by '|'. Rows of one item add up; an empty field is no category.
    """
    item_column: int | set[str] = KNOWN_NAMES["item"] | {"id"}
    if columns:
        item_column = ratings_file.layout(path, columns).columns[1]
    layout = ratings_file.layout_by_names(path, item_column, column)
    names_of: dict[str, list[str]] = {}
    for _, (item, text) in ratings_file.rows(path, layout):
        names = (name.strip() for name in text.split("|"))
        names_of.setdefault(item, []).extend(name for name in names if name)
    return names_of


def _adoptions(table, min_rating, min_user_items):
    """The interactions of a table's rows whose rating reaches the threshold."""
    u, i = table.u, table.i
    threshold = checks.adoption_threshold(table, min_rating)
    report = {"columns": table.columns_used, "rows": len(u), "rows_below_min_rating": 0}
    if table.ratings is not None:
        good = table.ratings >= threshold
        report |= {"rows_below_min_rating": int((~good).sum()), "min_rating": threshold}
        pair = u.astype(np.int64) * len(table.item_ids) + i
        report["contradicting"] = len(np.intersect1d(pair[good], pair[~good]))
        u, i = u[good], i[good]
    if remarks := checks.remarks(table):
        report["remarks"] = remarks
    return _filtered(table, u, i, threshold, min_user_items, report)


def _filtered(table, u, i, min_rating, min_user_items, report):
    """The interactions of users u with items i; `report` is completed with what is dropped."""
    # a pair counts once, where it stands first
    pair = u.astype(np.int64) * max(len(table.item_ids), 1) + i
    _, first = np.unique(pair, return_index=True)
    first.sort()  # the order of the file
    u, i = u[first], i[first]
    report["duplicate_rows"] = len(pair) - len(first)
    del pair, first

    # users with too few adoptions go
    adoptions = np.bincount(u, minlength=len(table.user_ids))
    is_kept_user = adoptions >= min_user_items
    is_kept = is_kept_user[u]
    report["users_without_adoptions"] = int((adoptions == 0).sum())
    report["users_dropped"] = int((~is_kept_user & (adoptions > 0)).sum())
    report["adoptions_of_dropped_users"] = int((~is_kept).sum())
    if not is_kept.any():
        remedy = "; lower min_user_items"
        if min_rating is not None:
            remedy = f" of ratings of at least {min_rating:g}; lower min_rating or min_user_items"
        raise UserError(f"{table.source}: no user has {min_user_items} adoptions or more{remedy}")

    # then items that nobody is left for
    was_adopted = np.bincount(i, minlength=len(table.item_ids)) > 0
    u, i = u[is_kept], i[is_kept]
    is_kept_item = np.bincount(i, minlength=len(table.item_ids)) > 0
    report["items_dropped"] = int((was_adopted & ~is_kept_item).sum())

    # the matrix of what is left, numbered anew
    u, i = (np.cumsum(is_kept_user) - 1)[u], (np.cumsum(is_kept_item) - 1)[i]
    N, M = int(is_kept_user.sum()), int(is_kept_item.sum())
    order = np.argsort(u, kind="stable")  # rows keep the order of the file
    indptr = np.concatenate([[0], np.cumsum(np.bincount(u, minlength=N))])
    X = csr_of_ones(i[order], indptr, (N, M))
    users = np.array([name for name, kept in zip(table.user_ids, is_kept_user) if kept])
    items = np.array([name for name, kept in zip(table.item_ids, is_kept_item) if kept])
    return Interactions(X, users, items, report=report)
