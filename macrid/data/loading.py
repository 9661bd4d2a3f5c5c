"""From a ratings file, a MovieLens folder or lists of ids to `Interactions`."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from macrid.data import (
    checks,
    column_names,
    event_weights,
    in_memory,
    json_lines,
    movielens,
    opening,
    parquet,
    ratings_file,
)
from macrid.data import times as times_of
from macrid.data.adoptions import Interactions, csr_of_ones, with_categories
from macrid.data.column_names import KNOWN_NAMES
from macrid.data.in_memory import Table
from macrid.errors import UserError
from macrid.files import LONGEST_TITLE

TABLE_SUFFIXES = (".csv", ".tsv", ".inter", ".txt", ".dat", ".gz", ".parquet")


def load(
    path: str | Path,
    min_rating: float | None = None,
    min_user_items: int = 5,
    categories: str = "",
    columns: str | None = None,
    events: str = "",
    since: str = "",
    times: bool = False,
) -> Interactions:
    """Read a MovieLens folder or a CSV/TSV file.

    `categories` as in `categorised`, the other options as in `read_table`.

    >>> load("sales.csv", categories="products.csv:department")
    """
    path = Path(path)
    read = read_movielens if path.is_dir() else read_table
    interactions = read(path, min_rating, min_user_items, columns, events, since, times)
    return categorised(interactions, categories, path, columns) if categories else interactions


def read_table(
    path: str | Path,
    min_rating: float | None = None,
    min_user_items: int = 5,
    columns: str | None = None,
    events: str = "",
    since: str = "",
    times: bool = False,
) -> Interactions:
    """Read a CSV or TSV of user,item[,rating[,timestamp]], with or without a header.

    A header is recognised by its names (`column_names.KNOWN_NAMES`; any order, more columns
    allowed), or `columns` says which columns are user, item and rating. Fields may also be divided
    by ';', '|', '::' or blanks, and lines may be "user item item ..."; a file packed by gzip is
    read as it is, and Parquet where pandas or pyarrow is installed.

    Without a rating column every row is an adoption. Without `min_rating`, a rating of 4 or more
    is one, provided that no rating is above 5: what counts on another scale must be said. A pair
    that occurs more than once counts once. Users with fewer than `min_user_items` adoptions are
    dropped, then items that nobody is left for. What is wrong is a UserError with file and line.

    With `events`, such as "purchase=1,click=.2,return=-1", no rating is read: the weights of a
    pair's events are summed, and from 1 on, or `min_rating`, it is an adoption; a kind that is not
    named counts 0. A pair with a weight below 0 that is none is kept as `Interactions.refused`.
    Rows before the date `since` do not count. With `times` the interactions have those of their
    adoptions.

    >>> read_table("events.csv", events="purchase=1,click=.2,return=-1", since="2025-04-01")
    """
    table = read_rows(path, columns, needed(events, since, times))
    return from_table(table, min_rating, min_user_items, events, since)


def needed(events: str = "", since: str = "", times: bool = False) -> list[str]:
    """The columns that these options need beside users and items: of "event" and "time".

    >>> needed(since="2025-01-01")
    ['time']
    """
    return ["event"] * bool(events) + ["time"] * bool(since or times)


def read_rows(path: str | Path, columns: str | None = None, also: Collection[str] = ()) -> Table:
    """All rows of a file, before any is dropped; see `read_table`, and for `also`, `needed`."""
    if parquet.is_parquet(path):
        return in_memory.table_of_frame(parquet.read(path), columns, str(path), also)
    return ratings_file.read_ratings(path, columns, also)


def read_movielens(
    folder: str | Path,
    min_rating: float | None = None,
    min_user_items: int = 5,
    columns: str | None = None,
    events: str = "",
    since: str = "",
    times: bool = False,
) -> Interactions:
    """Read a folder of MovieLens: ratings and, for titles and genres, perhaps its movies.

    The files are called `ratings.csv`, in the raw folders of ml-1m and ml-10m `ratings.dat`, of
    ml-100k `u.data`. A film's categories are all its genres. The options are those of `read_table`.
    """
    folder = Path(folder)
    name = next((name for name in movielens.RATINGS if (folder / name).is_file()), None)
    if name is None:
        tables = sorted(file.name for file in folder.iterdir() if file.suffix in TABLE_SUFFIXES)
        raise UserError(
            f"{folder}: has no ratings.csv; expected a MovieLens folder or a CSV/TSV file"
            + (f", such as {folder / tables[0]}" if tables else "")
        )
    table = folder / name
    interactions = read_table(table, min_rating, min_user_items, columns, events, since, times)
    movies = movielens.movies(folder, name)
    if not movies:
        return interactions
    known = [movies.get(item) for item in interactions.items]
    return with_categories(
        interactions,
        [film.genres if film else [] for film in known],
        titles=np.array(
            [
                film.title[:LONGEST_TITLE] if film else item
                for film, item in zip(known, interactions.items)
            ]
        ),
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
    columns = [users, items] if ratings is None else [users, items, ratings]
    table = in_memory.table_of_columns(columns, "the data", columns_used)
    return from_table(table, min_rating, min_user_items)


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
    file, column = file_and_column(categories)
    if file and not column:
        raise UserError(
            f"categories is {categories}, a file; say which column of it: {categories}:COLUMN, one"
            f" of {','.join(_header(file))}"
        )
    if file:
        names_of = read_categories(file, column)
    elif ratings_path is None or Path(ratings_path).is_dir():
        raise UserError(
            f"categories is '{categories}', expected FILE:COLUMN of a table of items; only a file"
            " of ratings has columns of its own"
        )
    elif opening.is_pipe(ratings_path):
        raise UserError(
            f"{ratings_path}: is a pipe, which is read once; save it as a file, or give the"
            " categories in a file of their own"
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
    return checks.with_remarks(
        with_categories(interactions, names), checks.of_categories(names_of, interactions.items)
    )


def file_and_column(categories: str) -> tuple[str, str]:
    """The FILE, '' where there is none, and the COLUMN of 'FILE:COLUMN' or 'COLUMN'.

    Names of files and of columns may hold colons: a file that is there decides.

    >>> file_and_column("C:\\items.csv:class:token_seq"), file_and_column("class:token_seq")
    (('C:\\items.csv', 'class:token_seq'), ('', 'class:token_seq'))
    """
    colons = [place for place, letter in enumerate(categories) if letter == ":"]
    for place in [*colons, len(categories)]:
        file = categories[:place]
        if file and (Path(file).is_file() or opening.is_pipe(file) and not Path(file).is_dir()):
            return file, categories[place + 1 :]
    rest = categories
    kind = ""
    if column_names.RECBOLE_TYPE.search(rest):  # the colon is the column's own
        rest, _, kind = rest.rpartition(":")
        kind = f":{kind}"
    file, _, column = rest.rpartition(":")
    if len(file) == 1 and column[:1] in ("/", "\\"):  # a drive of Windows
        return rest, ""
    return file, column + kind


def read_categories(
    path: str | Path, column: str, columns: str | None = None
) -> dict[str, list[str]]:
    """{item id: its category names} from a table with a column of items and `column`.

    The column of items is the second of `columns`, else one with a known name. Several categories
    are divided by '|', in a column of RecBole's type token_seq by blanks. Rows of one item add up;
    an empty field is no category. A file of JSON lines has lists of them.
    """
    names_of: dict[str, list[str]] = {}
    if json_lines.is_of_objects(path):
        for item, own in json_lines.categories(path, column, KNOWN_NAMES["item"] | {"id"}):
            names_of.setdefault(item, []).extend(own)
        return names_of
    is_sequence, rows = _items_and(path, column, columns)
    for item, text in rows:
        parts = text.split() if is_sequence and "|" not in text else text.split("|")
        names = (name.strip() for name in parts)
        names_of.setdefault(item, []).extend(name for name in names if name)
    return names_of


def _items_and(path, column, columns):
    """Whether a column is one of RecBole's sequences, and the rows (item id, field) of a table."""
    known = KNOWN_NAMES["item"] | {"id"}
    if parquet.is_parquet(path):
        return in_memory.items_and(parquet.read(path), column, known, str(path))

    def read(is_quoted):
        with ratings_file.text_table(path, is_quoted) as table:
            item_column: set[str] | int = known
            if columns:  # of users and items; what the others are needed for is no matter here
                users_and_items = column_names.divided(columns)[0]
                item_column = ratings_file.layout(table, users_and_items).columns[1]
            layout = ratings_file.layout_by_names(table, item_column, column)
            name = layout.first_row[layout.columns[1]]
            rows = [(item.strip(), text) for _, (item, text) in table.rows(layout)]
            if not is_quoted and any('"' in text for row in rows for text in row):
                raise UserError(f"{path}: has quotes in columns that are read")
            return name.strip().endswith(":token_seq"), rows

    return ratings_file.with_or_without_quotes(path, read)


def _header(path):
    """The fields of the first row of a table."""
    with ratings_file.text_table(path) as table:
        return table.sample[0]


def from_table(
    table: Table,
    min_rating: float | None = None,
    min_user_items: int = 5,
    events: str = "",
    since: str = "",
) -> Interactions:
    """The interactions of a table's rows that count; the options are those of `read_table`."""
    report: dict = {"columns": table.columns_used, "rows": len(table.u)}
    if table.how_read:
        report["how_read"] = ", ".join(table.how_read)
    if remarks := checks.remarks(table, min_rating):
        report["remarks"] = remarks
    weight_of = _event_weights(table, events) if events else None
    if since:
        table = _since(table, since, report)

    # which pairs are adoptions, and when they happened
    u, i, t = table.u, table.i, table.times
    pair = u.astype(np.int64) * len(table.item_ids) + i
    if weight_of is not None and table.kind is not None:
        least = 1.0 if min_rating is None else min_rating
        pairs, weight = event_weights.Pairs.of(pair), weight_of[table.kind]
        rows, t = event_weights.adopted(pairs, weight, least, t)
        back = event_weights.given_back(pairs, weight, least)
        report["events"] = event_weights.brought(pairs, table.kind, weight_of, table.kinds, least)
        given_back = (u[back], i[back])
        return _filtered(table, u[rows], i[rows], t, None, min_user_items, report, given_back)
    threshold = checks.adoption_threshold(table, min_rating)
    report["rows_below_min_rating"] = 0
    if table.ratings is not None:
        good = table.ratings >= threshold
        report |= {"rows_below_min_rating": int((~good).sum()), "min_rating": threshold}
        report["contradicting"] = len(np.intersect1d(pair[good], pair[~good]))
        u, i, t = u[good], i[good], None if t is None else t[good]
    del pair
    return _filtered(table, u, i, t, threshold, min_user_items, report)


def _event_weights(table, events):
    """The weight of each kind of event that a table has."""
    return event_weights.of_kinds(event_weights.parsed(events), table.kinds, table.source)


def _since(table, since, report):
    """The rows of a table from a date on; the others are counted in the report."""
    is_later = table.times >= times_of.instant(since, "since", table.times)
    report |= {"rows_before": int((~is_later).sum()), "since": since}
    if not is_later.any():
        last = times_of.in_words(table.times.max())
        raise UserError(f"{table.source}: no row is from {since} or later; the last is of {last}")
    rows = {
        name: None if (values := getattr(table, name)) is None else values[is_later]
        for name in ("u", "i", "ratings", "times", "kind")
    }
    return replace(table, **rows)


def _filtered(table, u, i, t, min_rating, min_user_items, report, given_back=None):
    """The interactions of users u with items i at times t, or None; `report` is completed with
    what is dropped. `given_back` are the users and items (u, i) of the pairs that are.
    """
    # a pair counts once, where it stands first, at its earliest time
    pair = u.astype(np.int64) * max(len(table.item_ids), 1) + i
    if t is None:
        first = np.unique(pair, return_index=True)[1]
    else:
        _, first, of_pair = np.unique(pair, return_index=True, return_inverse=True)
        earliest = np.full(len(first), np.inf)
        np.minimum.at(earliest, of_pair, t)
        t = earliest[np.argsort(first)]
    first.sort()  # the order of the file
    u, i = u[first], i[first]
    if "events" not in report:
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
            lowest, highest = table.ratings.min(), table.ratings.max()
            column = f"column {table.rating_column}" if table.rating_column else "they"
            remedy = (
                f" of ratings of at least {min_rating:g} ({column}: {lowest:g} to {highest:g});"
                " lower min_rating or min_user_items"
            )
        if doubts := report.get("remarks"):
            remedy += f" ({doubts[0].partition(': ')[2]})"
        raise UserError(f"{table.source}: no user has {min_user_items} adoptions or more{remedy}")

    # then items that nobody is left for
    was_adopted = np.bincount(i, minlength=len(table.item_ids)) > 0
    u_few, i_few = u[~is_kept], i[~is_kept]
    u, i, t = u[is_kept], i[is_kept], None if t is None else t[is_kept]
    is_kept_item = np.bincount(i, minlength=len(table.item_ids)) > 0
    report["items_dropped"] = int((was_adopted & ~is_kept_item).sum())

    # the matrix of what is left, and what the users with too few have of its items
    X = _matrix(u, i, is_kept_user, is_kept_item)
    still = is_kept_item[i_few]
    few = _matrix(u_few[still], i_few[still], ~is_kept_user, is_kept_item)
    times = None if t is None else t[np.argsort(u, kind="stable")]
    users, items = np.array(table.user_ids), np.array(table.item_ids)[is_kept_item]
    of_users, of_few = users[is_kept_user], users[~is_kept_user]
    refused = None if given_back is None else _refused(given_back, is_kept_user, is_kept_item)
    if refused is not None:
        report["given_back"] = refused.nnz
    kept = Interactions(X, of_users, items, times=times, few_users=of_few, few=few, report=report)
    return replace(kept, refused=refused)


def _refused(given_back, is_kept_user, is_kept_item):
    """The pairs (u, i) of kept items as CSR, the kept users' rows first; None if there are none."""
    u, i = given_back
    u, i = u[is_kept_item[i]], i[is_kept_item[i]]
    row_of = np.argsort(np.argsort(~is_kept_user, kind="stable"))
    every_user = np.ones_like(is_kept_user)
    return _matrix(row_of[u], i, every_user, is_kept_item) if len(u) else None


def _matrix(u, i, is_row, is_column):
    """The ones at (u, i) as CSR over the rows and columns that are kept, numbered anew."""
    u, i = (np.cumsum(is_row) - 1)[u], (np.cumsum(is_column) - 1)[i]
    N, M = int(is_row.sum()), int(is_column.sum())
    order = np.argsort(u, kind="stable")  # rows keep the order of the file
    indptr = np.concatenate([[0], np.cumsum(np.bincount(u, minlength=N))])
    return csr_of_ones(i[order], indptr, (N, M))
