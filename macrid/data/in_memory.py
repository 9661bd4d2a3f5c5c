"""A table of user,item[,rating] in memory: ids become text, ratings become finite numbers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from macrid.data import column_names, ids
from macrid.errors import UserError
from macrid.files import id_fault


@dataclass(frozen=True)
class Table:
    """The n rows of a table, before any is dropped.

    user_ids, item_ids  the different ids, as text
    u, i                (n,) each row's user and item, places in these lists
    ratings             (n,) or None
    source              where the rows come from, for error messages
    columns_used        which columns they are, in words
    """

    user_ids: list[str]
    item_ids: list[str]
    u: np.ndarray
    i: np.ndarray
    ratings: np.ndarray | None
    source: str
    columns_used: str


def frame_columns(frame: Any, columns: str | None = None) -> tuple[list[np.ndarray], str]:
    """The columns [user, item] or [user, item, rating] of a pandas DataFrame, and them in words."""
    names = [str(name) for name in frame.columns]
    if columns:
        taken = column_names.chosen(names, columns, "the DataFrame")
    else:
        known = column_names.known(names)
        if not (known["user"] and known["item"]):
            raise UserError(
                f"the columns are {', '.join(names)}, expected names such as user, item, rating;"
                f" name them so, or {column_names.HOW_TO_SAY}"
            )
        taken = column_names.first_of_each(known)
    arrays = [frame[frame.columns[j]].to_numpy() for j in taken]
    return arrays, column_names.in_words(names, taken)


def number_ids(values: Any, kind: str) -> tuple[list[str], np.ndarray]:
    """The different ids of a column, as sorted text, and each row's place among them (n,).

    `kind` is 'user' or 'item'. A missing or impossible id is a UserError with its row.

    >>> number_ids(["b", "a", "b"], "user")
    (['a', 'b'], array([1, 0, 1]))
    """
    distinct, place_of_row = _distinct(values, kind)
    texts = []
    for place, value in enumerate(distinct):
        fault = ids.unusable(value)
        text = "" if fault else ids.as_id(value)
        if fault or not is_possible_id(text):
            row = f"row {int(np.argmax(place_of_row == place))} (the first is 0)"
            if fault:
                raise UserError(f"{row}: the {kind} id {value!r} {fault}")
            refuse_id(text, kind, row, "remove the row")
        texts.append(text)
    names, place_of_text = np.unique(np.array(texts, str), return_inverse=True)
    return names.tolist(), place_of_text[place_of_row]


def _distinct(values, kind):
    """The different values of a column, and each row's place among them (n,)."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        unique, place_of_row = np.unique(values, return_inverse=True)
        return list(unique), place_of_row
    # values of two types may be equal and yet no one id, as True and 1
    is_mixed = len({type(value) for value in values}) > 1
    places: dict[Any, int] = {}
    try:
        keys = ((type(value), value) for value in values) if is_mixed else values
        numbers = (places.setdefault(key, len(places)) for key in keys)
        place_of_row = np.fromiter(numbers, int)
    except TypeError as error:
        raise UserError(f"the {kind} ids: {error}; expected text or whole numbers") from None
    return [key[1] for key in places] if is_mixed else list(places), place_of_row


def finite_ratings(values: Any) -> np.ndarray:
    """Ratings as floats (n,); one that is not a finite number is a UserError with its row."""
    try:
        ratings = np.asarray(values, float)
        row = int(np.argmax(~np.isfinite(ratings)))
        if np.isfinite(ratings[row]):
            return ratings
    except (TypeError, ValueError):
        row = next(row for row, value in enumerate(values) if not is_number(value))
    raise UserError(
        f"row {row} (the first is 0): the rating is {values[row]}, expected a finite number; mend"
        " or remove the row"
    )


def is_number(value: Any) -> bool:
    """Whether a value, such as a field of a file, is a finite number."""
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


def is_possible_id(text: str) -> bool:
    """Whether a text may be an id: not blank, not endless, and all of it text."""
    return not id_fault(text)


def refuse_id(text: str, kind: str, where: str, remedy: str) -> None:
    """Raise the UserError for a text that `is_possible_id` denies."""
    if not text.strip():
        raise UserError(f"{where}: the {kind} id is empty; {remedy}")
    shown = repr(text[:40]) + "..." * (len(text) > 40)
    raise UserError(f"{where}: the {kind} id {shown} {id_fault(text)}; mend it or remove it")
