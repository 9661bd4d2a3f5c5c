"""A table of user,item[,rating] in memory: ids become text, ratings become finite numbers."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from macrid.data import column_names, events, ids, times
from macrid.errors import UserError
from macrid.files import id_fault


@dataclass(frozen=True)
class Table:
    """The n rows of a table, before any is dropped.

    user_ids, item_ids  the different ids, as text
    u, i                (n,) each row's user and item, places in these lists
    ratings             (n,) or None
    times               (n,) seconds, or None where they were not asked for
    kind, kinds         (n,) which of the G kinds of events each row is, and what they are called;
                        None and () where they were not asked for
    source              where the rows come from, for error messages
    columns_used        which columns they are, in words
    rating_column       what the column of ratings is called, '' where it has no name
    how_read            what is not as usual in the file, such as 'decimal commas'
    remarks             what looks odd, a line each
    """

    user_ids: list[str]
    item_ids: list[str]
    u: np.ndarray
    i: np.ndarray
    ratings: np.ndarray | None
    source: str
    columns_used: str
    rating_column: str = ""
    how_read: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    times: np.ndarray | None = None
    kind: np.ndarray | None = None
    kinds: tuple[str, ...] = ()


def table_of_columns(
    values: Sequence,
    source: str,
    columns_used: str,
    rating_column: str = "",
    remarks: Sequence[str] = (),
) -> Table:
    """The table of equally long columns [users, items] or [users, items, ratings].

    >>> table_of_columns([["ann", "bob"], ["tea", "jam"]], "the data", "user,item").u
    array([0, 1])
    """
    lengths = {len(column) for column in values}
    if len(lengths) > 1:
        raise UserError(f"the columns have {sorted(lengths)} rows; expected equally many")
    if lengths == {0}:
        raise UserError("the data have no rows; expected rows of user,item[,rating]")
    (user_ids, u), (item_ids, i) = map(number_ids, values, ("user", "item"))
    ratings = finite_ratings(values[2]) if len(values) == 3 else None
    return Table(
        user_ids,
        item_ids,
        u,
        i,
        ratings,
        source,
        columns_used,
        rating_column,
        remarks=tuple(remarks),
    )


def table_of_frame(
    frame: Any,
    columns: str | None = None,
    source: str = "the DataFrame",
    also: Collection[str] = (),
) -> Table:
    """The table of a pandas DataFrame, a Table of PyArrow, dicts, or a dict of lists.

    `also` has "event" or "time" where that column is needed; with the kinds of events no ratings
    are read.
    """
    names, column = columns_of(frame)
    by_position = column_names.divided(columns)[0]
    if by_position:
        taken = column_names.chosen(names, by_position, source)
    else:
        known = column_names.known(names)
        if not (known["user"] and known["item"]):
            raise UserError(
                f"{source}: the columns are {', '.join(names)}, expected names such as user, item,"
                f" rating; name them so, or {column_names.HOW_TO_SAY}"
            )
        taken = column_names.first_of_each(known)
    more = {part: column_names.place_of(part, names, True, columns, source) for part in also}
    taken = column_names.without_rating(taken, by_position, source) if "event" in more else taken
    unread = column_names.unread(names, True, columns, also, source)
    all_taken = [*taken, *more.values()]
    watched = events.Watch(names, all_taken, lambda j: set(map(str, column(j, 1000))))
    for j in watched.columns:
        watched.count(j, map(str, column(j)))
    table = table_of_columns(
        [column(j) for j in taken],
        source,
        column_names.in_words(names, taken, more, unread),
        names[taken[2]] if len(taken) == 3 else "",
        column_names.doubts(names, taken) + watched.remarks(),
    )
    if "event" in more:
        kinds = Kinds(source)
        kind = np.fromiter((kinds[str(value)] for value in column(more["event"])), np.int32)
        table = replace(table, kind=kind, kinds=tuple(kinds.names))
    if "time" in more:
        table = replace(table, times=times.of_column(column(more["time"]), source))
    return table


class Kinds(dict):
    """{a field: its number} of the kinds of events in a table; these `names` in order."""

    MOST = 1000

    def __init__(self, source: str):
        self.source = source
        self.names: list[str] = []

    def __missing__(self, field: str) -> int:
        """The number of a field that is new; a field with blanks at its ends has that of the same
        without them.
        """
        text = field.strip()
        if text not in self:
            if len(self.names) == self.MOST:
                raise UserError(
                    f"{self.source}: the column of events has more than {self.MOST:,} different"
                    " values; say by columns which one has their kinds (--columns event=NAME)"
                )
            self.names.append(text)
            self[text] = len(self.names) - 1
        self[field] = self[text]
        return self[field]


def items_and(frame: Any, column: str, known: set[str], source: str) -> tuple[bool, list]:
    """Whether a column of a frame is one of RecBole's sequences, and its rows (item id, text)."""
    names, values = columns_of(frame)
    items, fields = (values(column_names.place(names, name, source)) for name in (known, column))
    return column.endswith(":token_seq"), list(zip(map(ids.as_id, items), map(_as_field, fields)))


def _as_field(value):
    """A value as a field of text, several of them as 'a|b'."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return "|".join(map(str, value))
    return ids.as_id(value)


def columns_of(frame: Any) -> tuple[list[str], Callable]:
    """The names of a frame's columns, and a function from a column's number to its first values.

    >>> names, values = columns_of({"user": ["ann", "bob"], "item": ["tea", "jam"]})
    >>> names, values(1), values(1, 1)
    (['user', 'item'], ['tea', 'jam'], ['tea'])
    """
    if isinstance(frame, list):
        names = list(dict.fromkeys(str(key) for row in frame for key in row))
        return names, lambda j, end=None: [row.get(names[j]) for row in frame[:end]]
    if isinstance(frame, Mapping):
        values = [v.to_numpy() if hasattr(v, "to_numpy") else v for v in frame.values()]
        return [str(name) for name in frame], lambda j, end=None: values[j][:end]
    if hasattr(frame, "column_names"):  # PyArrow
        return frame.column_names, lambda j, end=None: frame.column(j).to_numpy()[:end]
    names = [str(name) for name in frame.columns]
    if hasattr(frame, "iloc"):  # pandas, where two columns may have one name
        return names, lambda j, end=None: frame.iloc[:end, j].to_numpy()
    return names, lambda j, end=None: frame[frame.columns[j]].to_numpy()[:end]


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
