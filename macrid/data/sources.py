"""Whatever holds adoptions, a file or something in memory -> `Interactions`."""

import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scipy import sparse

from macrid.data.adoptions import Interactions
from macrid.data.column_names import known as known_columns
from macrid.data.in_memory import table_of_columns, table_of_frame
from macrid.data.items import with_items
from macrid.data.loading import categorised, from_pairs, from_table, load
from macrid.data.matrix import checked
from macrid.errors import UserError

EXPECTED = "a path, Interactions, a SciPy matrix, a DataFrame, or a list of (user, item[, rating])"


def interactions_of(source: Any, config, items: Any = None) -> Interactions:
    """The interactions that a path, rows, a SciPy matrix or a pandas DataFrame hold.

    `config` says what counts as an adoption and who is dropped, by its options about the data.
    `items` is a table of items, a path or a frame (default: that of `config`).

    >>> interactions_of([("ann", "tea"), ("ann", "jam")], Config(min_user_items=1)).users
    array(['ann'], dtype='<U3')
    """
    interactions = _interactions(source, config)
    items = (config.items or None) if items is None else items
    return interactions if items is None else with_items(interactions, items, config)


def _interactions(source, config):
    if isinstance(source, Interactions):
        return source
    if isinstance(source, (str, Path)):
        threshold, fewest = config.min_rating, config.min_user_items
        return load(source, threshold, fewest, config.categories, config.columns)
    if sparse.issparse(source):
        _refuse_columns(config)
        return _of_matrix(source, config)
    is_frame = hasattr(source, "columns") and hasattr(source, "to_numpy")  # pandas is not required
    if is_frame or _is_dict_of_columns(source, config.columns):
        table = table_of_frame(source, config.columns, "the table")
    else:
        rows = listed(source, "interactions", EXPECTED)
        if rows and all(isinstance(row, Mapping) for row in rows):
            table = table_of_frame(rows, config.columns, "the dicts")
        else:
            _refuse_columns(config)
            columns = list(_columns(rows))
            columns_used = f"rows of user,item{',rating' * (len(columns) - 2)}"
            table = table_of_columns(columns, "the data", columns_used)
    interactions = from_table(table, config.min_rating, config.min_user_items)
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


def _refuse_columns(config):
    if config.columns:
        raise UserError(
            "columns is given, but only a file or a DataFrame has columns to name; leave it out"
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
