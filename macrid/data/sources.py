"""Whatever holds adoptions, a file or something in memory -> `Interactions`."""

import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scipy import sparse

from macrid.data import parts
from macrid.data.adoptions import Interactions
from macrid.data.column_names import known as known_columns
from macrid.data.in_memory import table_of_columns, table_of_frame
from macrid.data.items import with_items
from macrid.data.loading import categorised, from_pairs, from_table, load, needed
from macrid.data.matrix import checked
from macrid.data.ratings_file import LISTS, read_ratings
from macrid.data.splits import needs_times
from macrid.errors import UserError

EXPECTED = "a path, Interactions, a SciPy matrix, a DataFrame, or a list of (user, item[, rating])"


def interactions_of(
    source: Any, config, items: Any = None, test: Any = None, validation: Any = None
) -> Interactions:
    """The interactions that a path, rows, a SciPy matrix or a pandas DataFrame hold.

    `config` says what counts as an adoption and who is dropped, by its options about the data.
    `items` is a table of items, a path or a frame (default: that of `config`). Of a given split,
    `source` is the training; `test` and `validation` hold the others (default: the files that
    `config` names). Nobody of it is dropped.

    >>> interactions_of([("ann", "tea"), ("ann", "jam")], Config(min_user_items=1)).users
    array(['ann'], dtype='<U3')
    """
    interactions = _with_parts(source, config, test, validation)
    items = (config.items or None) if items is None else items
    return interactions if items is None else with_items(interactions, items, config)


def _with_parts(source, config, test, validation):
    """The interactions of one source, or of all parts of a given split."""
    others = {"validation": validation, "test": test}
    for name in others:
        if others[name] is None:
            others[name] = getattr(config, name) or None
        if config.split not in ("given", "all") and others[name] is not None:
            raise UserError(
                f"{name} is given, but split is '{config.split}'; say that split is 'given'"
                f" (--split given), or leave {name} out"
            )
    has_parts = isinstance(source, Interactions) and source.parts is not None
    if others["test"] is None and (has_parts or config.split != "given"):
        return _interactions_of(source, config)
    if others["test"] is None:
        raise UserError(
            "split is 'given', but the items for the test are not; give them as test (--test FILE)"
        )
    return _joined(source, others["validation"], others["test"], config)


def _joined(train, validation, test, config):
    """The interactions of the three parts of a given split, by `parts.joined`."""
    whole = {"split": "holdout", "test": "", "validation": "", "categories": ""}
    plain = config.replace(min_user_items=1, **whole)
    known = _interactions_of(train, plain)
    is_of_lists = LISTS in known.report.get("how_read", "")

    def read(source):
        if is_of_lists and isinstance(source, (str, Path)):  # lists of one item look like a table
            return from_table(read_ratings(source, as_lists=True), None, 1)
        return _interactions_of(source, plain)

    joined = parts.joined(known, None if validation is None else read(validation), read(test))
    if not config.categories:
        return joined
    path = train if isinstance(train, (str, Path)) else None
    return categorised(joined, config.categories, path, config.columns)


def _interactions_of(source, config):
    """The interactions that one source holds."""
    if isinstance(source, Interactions):
        return source
    if isinstance(source, (str, Path)):
        return load(source, **options_of(config))
    if sparse.issparse(source):
        _refuse_columns(config)
        return _of_matrix(source, config)
    also = needed(config.events, config.since, needs_times(config.split))
    is_frame = hasattr(source, "columns") and hasattr(source, "to_numpy")  # pandas is not required
    if is_frame or _is_dict_of_columns(source, config.columns):
        table = table_of_frame(source, config.columns, "the table", also)
    else:
        rows = listed(source, "interactions", EXPECTED)
        if rows and all(isinstance(row, Mapping) for row in rows):
            table = table_of_frame(rows, config.columns, "the dicts", also)
        else:
            _refuse_columns(config)
            columns = list(_columns(rows))
            columns_used = f"rows of user,item{',rating' * (len(columns) - 2)}"
            table = table_of_columns(columns, "the data", columns_used)
    interactions = from_table(
        table, config.min_rating, config.min_user_items, config.events, config.since
    )
    return categorised(interactions, config.categories) if config.categories else interactions


def _is_dict_of_columns(source, columns):
    """Whether a source is {"user": values, "item": values, ...}, or has names that are given."""
    if not isinstance(source, Mapping):
        return False
    known = known_columns([str(name) for name in source])
    return bool(columns or (known["user"] and known["item"])) and all(
        hasattr(column, "__getitem__") and not isinstance(column, (str, bytes, Mapping))
        for column in source.values()
    )


def options_of(config) -> dict:
    """The options of `load`, from a `Config`.

    >>> load("ratings.csv", **options_of(Config(min_rating=3.0)))
    """
    names = ("min_rating", "min_user_items", "categories", "columns", "events", "since")
    return {name: getattr(config, name) for name in names} | {"times": needs_times(config.split)}


def _refuse_columns(config):
    if config.columns:
        raise UserError(
            "columns is given, but only a file or a DataFrame has columns to name; leave it out"
        )
    if also := needed(config.events, config.since, needs_times(config.split)):
        option = "events" if config.events else "since" if config.since else f"split {config.split}"
        raise UserError(
            f"{option} needs a column of {' and of '.join(f'{part}s' for part in also)}, which only"
            " a file or a table has; give a DataFrame, dicts, or a path"
        )


def listed(values: Any, name: str, expected: str) -> list:
    """A list of values that come as any iterable; `name` is what they are, for error messages."""
    if isinstance(values, Mapping) or not isinstance(values, Iterable):
        raise UserError(f"{name} is {reprlib.repr(values)}, expected {expected}")
    return list(values)


def _of_matrix(matrix, config):
    """Interactions of a matrix of users by items, whose ids are the numbers of rows and columns."""
    X = checked(matrix, config.min_rating)
    u, i = X.nonzero()
    interactions = from_pairs(
        u,
        i,
        config.min_user_items,
        ratings=None if config.min_rating is None else X.data,
        min_rating=config.min_rating,
        columns_used="a matrix of users by items",
    )
    interactions = replace(interactions, matrix_columns=X.shape[1])
    return categorised(interactions, config.categories) if config.categories else interactions


def _columns(rows):
    """Users, items and perhaps ratings of a list of (user, item[, rating])."""
    if not rows:
        raise UserError(f"interactions is empty, expected {EXPECTED}")
    for number, row in enumerate(rows):
        if isinstance(row, (str, Mapping)) or not isinstance(row, Iterable):
            raise UserError(
                f"row {number} (the first is 0) is {reprlib.repr(row)}, expected {EXPECTED}"
            )
    rows = [tuple(row) for row in rows]
    width = len(rows[0])
    for number, row in enumerate(rows):
        if len(row) != width or width not in (2, 3):
            length = f"has {len(row)} value{'s' * (len(row) != 1)}"
            widths = width if width in (2, 3) else "2 or 3"
            raise UserError(
                f"row {number} (the first is 0) {length}, expected {widths}: {EXPECTED}"
            )
    return zip(*rows)
