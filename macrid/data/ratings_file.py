"""CSV and TSV files: how one is laid out, its rows, and what is wrong with it, by line."""

import csv
import math
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TextIO

import numpy as np

from macrid.data import column_names
from macrid.data.column_names import HOW_TO_SAY, shortened
from macrid.data.in_memory import Table, is_number, is_possible_id, refuse_id
from macrid.errors import UserError

EXPECTED = "user,item[,rating[,timestamp]]"


@dataclass(frozen=True)
class Layout:
    """How a file is laid out.

    delimiter   ',' or a tab
    first_row   the fields of its first row
    has_header  whether that row names the columns
    columns     those to read, numbered from 0
    """

    delimiter: str
    first_row: list[str]
    has_header: bool
    columns: list[int]


def layout(path: str | Path, columns: str | None = None) -> Layout:
    """The `Layout` of a ratings file: by `columns` (as in `Config`), its header, or position."""
    where, delimiter, first, second = _start(path)
    known = column_names.known(first)
    has_known_names = any(known.values())
    if columns:
        taken = column_names.chosen(first, columns, where)
        has_names = has_known_names or not column_names.are_numbers(columns)
        return Layout(delimiter, first, has_names or _is_header(first, second, taken), taken)
    if has_known_names:
        if not (known["user"] and known["item"]):
            raise UserError(
                f"{where}: the header is '{shortened(first)}', expected columns such as"
                f" {EXPECTED}; name the columns so, or {HOW_TO_SAY}"
            )
        return Layout(delimiter, first, True, column_names.first_of_each(known))
    return Layout(delimiter, first, False, _by_position(first, second, where))


def layout_by_names(path: str | Path, *names: str | set[str] | int) -> Layout:
    """The `Layout` of a file whose header has the columns `names`.

    Each is a name, a set of names of which one will do, or a number from 0.
    """
    where, delimiter, first, _ = _start(path)
    header = [column_names.plain(field) for field in first]
    taken = []
    for name in names:
        if isinstance(name, int):
            taken.append(name)
            continue
        choices = {column_names.plain(name)} if isinstance(name, str) else name
        places = [j for j, field in enumerate(header) if field in choices]
        if not places:
            missing = f"'{name}'" if isinstance(name, str) else "of items, such as 'item'"
            raise UserError(
                f"{where}: the header is '{shortened(first)}', without a column {missing}; correct"
                " the name or the header"
            )
        taken.append(places[0])
    return Layout(delimiter, first, True, taken)


def rows(path: str | Path, layout: Layout) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield (line, the layout's fields) of each row that is not blank.

    A row of another width than the first is a UserError.
    """
    fields_of, width = itemgetter(*layout.columns), len(layout.first_row)
    with opened(path) as file:
        records = _records(path, file, layout.delimiter)
        if layout.has_header:
            next(records, None)
        for line, row in records:
            if len(row) != width:
                raise UserError(
                    f"{path}, line {line}: found {_fields(row)}, expected {width} as in the first"
                    " line; mend the line"
                )
            yield line, fields_of(row)


def read_ratings(path: str | Path, columns: str | None = None) -> Table:
    """All rows of a file of user,item[,rating]; `columns` as in `Config`."""
    taken = layout(path, columns)
    has_ratings = len(taken.columns) == 3
    users, items = _Numbers("user", path), _Numbers("item", path)
    u, i, ratings = array("i"), array("i"), array("d")
    for line, fields in rows(path, taken):
        user, item = fields[0], fields[1]
        try:
            pair = users[user], items[item]
        except KeyError:  # a new id: check it once
            pair = users.number(user, line), items.number(item, line)
        u.append(pair[0])
        i.append(pair[1])
        if has_ratings:
            ratings.append(_rating(fields[2], path, line))
    if not u:
        raise UserError(f"{path}: has no ratings; expected lines of {EXPECTED}")
    return Table(
        users.ids,
        items.ids,
        np.frombuffer(u, np.int32),
        np.frombuffer(i, np.int32),
        np.frombuffer(ratings) if ratings else None,
        str(path),
        _columns_used(taken),
    )


class _Numbers(dict):
    """{a field: its number} of the ids of one `kind`, and these `ids` in order of first appearance.

    A field with blanks at its ends has the number of the same without them.
    """

    def __init__(self, kind: str, path: str | Path):
        self.kind, self.path = kind, path
        self.ids: list[str] = []

    def number(self, field: str, line: int) -> int:
        """The number of a field that may be new; an impossible id is a UserError."""
        if field not in self:
            text = field.strip()
            if not is_possible_id(text):
                where = f"{self.path}, line {line}"
                refuse_id(text, self.kind, where, "fill it in or remove the line")
            if text not in self:
                self[text] = len(self.ids)
                self.ids.append(text)
            self[field] = self[text]
        return self[field]


@contextmanager
def opened(path: str | Path) -> Iterator[TextIO]:
    """A UTF-8 text file to read; what is wrong with it is a UserError with its line."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise UserError(
            f"{path}, line {_undecodable_line(path)}: is not UTF-8 text (byte {byte:#04x}); save"
            " the file as plain UTF-8 text"
        ) from None
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be read ({reason}); check the path") from None


def _undecodable_line(path):
    with open(path, "rb") as file:
        for line, text in enumerate(file, 1):
            try:
                text.decode("utf-8")
            except UnicodeDecodeError:
                return line
    return 1


def _start(path):
    """(its place in words, delimiter, first row, second row or None) of a file's beginning."""
    with opened(path) as file:
        first_line = next((line for line in file if line.strip()), "")
        if not first_line:
            raise UserError(f"{path}: is empty; expected lines of {EXPECTED}")
        delimiter = "\t" if "\t" in first_line else ","
        file.seek(0)
        records = _records(path, file, delimiter)
        line, first = next(records, (1, [""]))
        _, second = next(records, (0, None))
        return f"{path}, line {line}", delimiter, first, second


def _records(path, file, delimiter):
    """Yield (line where it begins, fields) of each row that is not blank."""
    reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=True)
    line = 1
    try:
        for row in reader:
            if row and (row[0] or len(row) > 1):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path}, line {line}: is not CSV or TSV ({error}); a field that begins with a quote"
            " must end with one, quotes within it doubled"
        ) from None


def _by_position(first, second, where):
    """The columns of a file without a header: user, item and, if there are three, rating."""
    if not 2 <= len(first) <= 4:
        divide = "divide the fields by commas or tabs"
        remedy = divide if len(first) == 1 else f"name them in a first line, or {HOW_TO_SAY}"
        raise UserError(
            f"{where}: found {_fields(first)}, '{shortened(first)}', expected {EXPECTED}; {remedy}"
        )
    taken = list(range(min(len(first), 3)))
    if _is_header(first, second, taken) or (len(taken) == 3 and not is_number(first[2])):
        raise UserError(
            f"{where}: '{shortened(first)}' is neither a header of known names, such as"
            " user,item,rating, nor a row of user,item[,rating]; name the columns so, or"
            f" {HOW_TO_SAY}"
        )
    return taken


def _is_header(first, second, taken):
    """Whether the first row looks like a header: words over numbers."""
    if second is None or len(second) != len(first):
        return False
    words_over_numbers = [not is_number(first[j]) and is_number(second[j]) for j in taken]
    return all(words_over_numbers[:2]) or any(words_over_numbers[2:])


def _columns_used(layout):
    """The columns of a file and its first line, in words."""
    first = layout.first_row
    if layout.has_header:
        return f"{column_names.in_words(first, layout.columns)}; the first line is the header"
    names = [str(j + 1) for j in range(len(first))]
    used = column_names.in_words(names, layout.columns)
    return f"{used}; the first line is data: {shortened(first)}"


def _fields(row):
    return f"{len(row)} field{'s' * (len(row) != 1)}"


def _rating(text, path, line):
    """A field as a finite number, or a UserError."""
    try:
        rating = float(text)
    except ValueError:
        raise UserError(
            f"{path}, line {line}: the rating '{text}' is not a number; mend or remove the line"
        ) from None
    if not math.isfinite(rating):
        raise UserError(
            f"{path}, line {line}: the rating is {text}, expected a finite number; mend or remove"
            " the line"
        )
    return rating
