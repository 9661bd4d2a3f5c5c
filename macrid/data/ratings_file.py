"""CSV, TSV and their like: how a file is laid out, its rows, and what is wrong with it, by line."""

import csv
import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import TypeVar

import numpy as np

from macrid.data import column_names, events, separators
from macrid.data.column_names import HOW_TO_SAY, shortened
from macrid.data.in_memory import Kinds, Table, is_number, is_possible_id, refuse_id
from macrid.data.opening import is_pipe, opened
from macrid.data.times import Times
from macrid.errors import UserError

EXPECTED = "user,item[,rating[,timestamp]]"
SAMPLE_LINES, SAMPLE_LETTERS = 1000, 1 << 20  # that are looked at before the rows are read
NUMBERS = re.compile(r"\s*\d+( +\d+)*\s*", re.ASCII)
LISTS = "lines of 'user item item ...'"
Value = TypeVar("Value")


class QuoteError(UserError):
    """A quote that swallows what follows: perhaps the file is whole when quotes mean nothing."""


class Faults:
    """The broken lines of the file `path`: how many there are, and what is wrong with the first."""

    SHOWN, MOST = 3, 1000  # with so many there is no need to read on

    def __init__(self, path: str | Path):
        self.path, self.count = path, 0
        self.kind = UserError
        self.first: list[UserError] = []

    def add(self, error: UserError) -> None:
        """Count a broken line; the error is what is wrong with it."""
        self.count += 1
        if isinstance(error, QuoteError):
            self.kind = QuoteError
        if self.count <= self.SHOWN:
            self.first.append(error)
        if self.count == self.MOST:
            self.check()

    def check(self) -> None:
        """Raise the error of the broken line, or of several; do nothing if there is none."""
        if self.count == 1:
            raise self.first[0]
        if self.count:
            texts = [str(error).removeprefix(f"{self.path}, ") for error in self.first]
            (first, *others), _, remedies = zip(*(text.rpartition("; ") for text in texts))
            whats = [first, *(what.partition(", expected ")[0] for what in others)]
            remedy = "mend or remove them"
            if len(set(remedies)) == 1:
                remedy = remedies[0].replace("the line", "them")
            more = " or more" * (self.count == self.MOST)
            raise self.kind(
                f"{self.path}, {'; '.join(whats)}; {self.count:,}{more} broken lines in all:"
                f" {remedy}"
            )


@dataclass(frozen=True)
class Layout:
    """How a file is laid out.

    first_row   the fields of its first row
    has_header  whether that row names the columns
    columns     those to read, numbered from 0
    more        {"event" or "time": a column} that is read too
    unread      the same of a column that is named, but needed by no option
    """

    first_row: list[str]
    has_header: bool
    columns: list[int]
    more: dict[str, int] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of all columns, their numbers from 1 where there is no header."""
        numbers = [str(j + 1) for j in range(len(self.first_row))]
        return self.first_row if self.has_header else numbers

    def in_words(self) -> str:
        """Which columns are taken, and what the first line is."""
        used = column_names.in_words(self.names, self.columns, self.more, self.unread)
        if self.has_header:
            return f"{used}; the first line is the header"
        return f"{used}; the first line is data: {shortened(self.first_row)}"


class TextTable:
    """An open file of rows, its beginning looked at; it is read once, see `text_table`.

    sample       the rows of the beginning, the first one included
    separator    what divides the fields
    where        the place of the first row, for error messages
    is_of_lists  whether its lines seem to be "user item item ..." rather than rows
    lines        all of them, to be read once
    """

    def __init__(self, path: str | Path, lines: Iterator[str], is_quoted: bool, separator: str):
        head = _beginning(lines)
        first_line = next((k for k, line in enumerate(head, 1) if line.strip()), None)
        if first_line is None:
            raise UserError(f"{path}: is empty; expected lines of {EXPECTED}")
        self.path, self.is_quoted, self.where = path, is_quoted, f"{path}, line {first_line}"
        if re.match(r'\s*(\{\s*("|$)|\[\s*(\{|$))', head[first_line - 1]):
            raise UserError(
                f"{self.where}: is JSON; write its fields as CSV, such as by pandas.read_json(FILE,"
                " lines=True).to_csv('ratings.csv', index=False); data_scripts/amazon.py does it"
                " for Amazon's metadata"
            )
        if declared := re.fullmatch(r'"?sep=(.)"?\s*', head[first_line - 1]):  # by a spreadsheet
            separator, head[first_line - 1] = declared[1], "\n"
        self.separator = separator or separators.sniffed(head)
        self.sample = separators.sample(head, self.separator, is_quoted)
        self.is_of_lists = _is_of_lists(head)
        self.lines = chain(head, lines)
        if not self.sample:
            raise QuoteError(
                f"{self.where}: is not CSV or TSV; a field that begins with a quote must end with"
                " one, quotes within it doubled"
            )

    @cached_property
    def numbers(self) -> list[int]:
        """The columns that hold numbers below the first row."""
        width = len(self.sample[0])
        rows = [row for row in self.sample[1:] if len(row) == width]
        return [j for j in range(width) if all(is_number(row[j]) for row in rows)] if rows else []

    def beginning(self, has_header: bool) -> Callable[[int], set[str]]:
        """A function from a column's number to its different values in the sample."""
        width = len(self.sample[0])
        rows = [row for row in self.sample[has_header:] if len(row) == width]
        return lambda j: {row[j].strip() for row in rows}

    def rows(
        self, layout: Layout, faults: Faults | None = None
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Yield (line, the layout's fields) of each row that is not blank, but the header.

        A row of another width than the first is a UserError, and so is a record that spans lines
        which look like rows; or these go to the `faults` and are passed over.
        """
        fields_of, width = itemgetter(*layout.columns), len(layout.first_row)
        reader = separators.fields(self.lines, self.separator, self.is_quoted)
        is_header = layout.has_header
        line = 1
        try:
            for row in reader:
                if len(row) != width or reader.line_num != line:
                    if not row or (len(row) == 1 and not row[0].strip()):
                        line = reader.line_num + 1
                        continue
                    try:
                        self._check_record(row, width, line, reader.line_num, layout)
                    except QuoteError as error:
                        if faults is None:
                            raise
                        faults.add(error)
                        line = reader.line_num + 1
                        continue
                if is_header:
                    is_header = False
                else:
                    yield line, fields_of(row)
                line = reader.line_num + 1
        except csv.Error as error:
            faults = faults or Faults(self.path)
            faults.add(
                QuoteError(
                    f"{self.path}, line {line}: is not CSV or TSV ({error}); a field that begins"
                    " with a quote must end with one, quotes within it doubled"
                )
            )
            faults.check()

    def _check_record(self, row, width, line, last_line, layout):
        """Refuse a record of another width, or one whose quote swallows rows."""
        if last_line > line and (len(row) != width or self._swallows_rows(row, width)):
            raise QuoteError(
                f"{self.path}, line {line}: a quote opens here and ends only in line {last_line},"
                " over lines that look like rows; remove it, or double it within a quoted field"
            )
        if len(row) != width:
            remedy = "mend the line"
            if self.separator == "," and len(row) == width + 1 and len(layout.columns) == 3:
                remedy += ", or divide the fields by ';' if its comma is a decimal one"
            raise QuoteError(
                f"{self.path}, line {line}: found {_fields(row)}, expected {width} as in the first"
                f" line; {remedy}"
            )

    def _swallows_rows(self, row, width):
        """Whether each line of a record that spans several looks like a row of its own."""
        lines = re.split("[\r\n]+", self.separator.join(row))
        parts = [line.split(self.separator) for line in lines if line.strip()]
        numbers = self.numbers
        return all(
            len(fields) == width and all(is_number(fields[j]) for j in numbers) for fields in parts
        )


def _is_of_lists(head):
    """Whether lines are whole numbers divided by blanks, and their widths not those of a table."""
    lines = [line for line in head if line.strip()]
    (width, count), *_ = Counter(len(line.split()) for line in lines).most_common()
    is_table = width <= 4 and count >= 0.9 * len(lines)
    return not is_table and all(map(NUMBERS.fullmatch, lines))


def _beginning(lines):
    """The first lines of many, fewer where they are long."""
    head, letters = [], 0
    for line in islice(lines, SAMPLE_LINES):
        head.append(line)
        letters += len(line)
        if letters > SAMPLE_LETTERS:
            break
    return head


@contextmanager
def text_table(
    path: str | Path, is_quoted: bool = True, separator: str = "", encoding: str = "utf-8-sig"
) -> Iterator[TextTable]:
    """An open file of rows; quotes mean nothing unless it `is_quoted`."""
    with opened(path, encoding) as file:
        yield TextTable(path, file, is_quoted, separator)


def with_or_without_quotes(path: str | Path, read: Callable[[bool], Value]) -> Value:
    """What `read(is_quoted)` makes of a file: a lone quote, which swallows rows, may mean nothing.

    Without quotes everything must fit, and none may be in the columns that are read.
    """
    try:
        return read(True)
    except QuoteError as error:
        if is_pipe(path):
            raise
        try:
            return read(False)
        except UserError:
            raise error from None


def layout(table: TextTable, columns: str | None = None, also: Collection[str] = ()) -> Layout:
    """The `Layout` of a ratings file: by `columns` (as in `Config`), its header, or position.

    `also` has "event" or "time" where that column is needed; with the kinds of events no ratings
    are read.
    """
    by_position, _ = column_names.divided(columns)
    taken = _layout(table, by_position)
    names, where = taken.names, table.where
    for part in also:
        taken.more[part] = column_names.place_of(part, names, taken.has_header, columns, where)
    unread = column_names.unread(names, taken.has_header, columns, also, where)
    taken = replace(taken, unread=unread)
    if "event" in also:
        users_and_items = column_names.without_rating(taken.columns, by_position, where)
        taken = replace(taken, columns=users_and_items)
    return taken


def _layout(table, columns):
    """The `Layout` without what is read beside users, items and ratings."""
    first, others = table.sample[0], table.sample[1:]
    known = column_names.known(first)
    if columns:
        taken = column_names.chosen(first, columns, table.where)
        by_number = column_names.are_numbers(columns)
        return Layout(first, not by_number or _is_header(first, others, taken), taken)
    if known["user"] and known["item"]:
        return Layout(first, True, column_names.first_of_each(known))
    if any(known.values()) and _is_header(first, others, list(range(min(len(first), 3)))):
        raise UserError(
            f"{table.where}: the header is '{shortened(first)}', expected columns such as"
            f" {EXPECTED}; name the columns so, or {HOW_TO_SAY}"
        )
    return Layout(first, False, _by_position(table))


def layout_by_names(table: TextTable, *names: str | set[str] | int) -> Layout:
    """The `Layout` of a file whose header has the columns `names`.

    Each is a name, a set of names of which one will do, or a number from 0.
    """
    header = table.sample[0]
    return Layout(header, True, [column_names.place(header, name, table.where) for name in names])


def read_ratings(
    path: str | Path,
    columns: str | None = None,
    also: Collection[str] = (),
    as_lists: bool = False,
) -> Table:
    """All rows of a file of user,item[,rating]; `columns` as in `Config`, `also` as in `layout`.

    A file whose lines are "user item item ...", whole numbers, is read so: where it can be no
    table, or if it is said by `as_lists`.
    """
    return with_or_without_quotes(
        path, lambda is_quoted: _ratings(path, columns, also, as_lists, is_quoted)
    )


def _lists(table, path, also):
    """The rows of an open file of lines "user item item ..."."""
    if also:
        columns = " or of ".join(f"{part}s" for part in also)
        raise UserError(
            f"{path}: has {LISTS}, without a column of {columns}; leave out the option that"
            " needs it"
        )
    users, items = _Numbers("user", path, False), _Numbers("item", path, False)
    u, i, faults = array("i"), array("i"), Faults(path)
    for line, text in enumerate(table.lines, 1):
        if not NUMBERS.fullmatch(text):
            if text.strip():
                what = f"found '{text.strip()[:40]}', expected whole numbers divided by blanks"
                remedy = "'user item item ...', as before; mend the line"
                faults.add(UserError(f"{path}, line {line}: {what}, {remedy}"))
            continue
        user, *own = text.split()
        u.extend([users.number(user, line)] * len(own))
        i.extend(items.number(item, line) for item in own)
    faults.check()
    if not u:
        raise UserError(f"{path}: has {LISTS}, but no items; is it whole?")
    u_and_i = np.frombuffer(u, np.int32), np.frombuffer(i, np.int32)
    return Table(users.ids, items.ids, *u_and_i, None, str(path), LISTS, how_read=(LISTS,))


def _ratings(path, columns, also, as_lists, is_quoted):
    """All rows of a file in which quotes mean something, or not."""
    users, items = _Numbers("user", path, is_quoted), _Numbers("item", path, is_quoted)
    u, i, ratings, kind = array("i"), array("i"), array("d"), array("i")
    kinds, times, faults = Kinds(str(path)), Times(), Faults(path)
    has_decimal_commas = False
    with text_table(path, is_quoted) as table:
        if as_lists or (table.is_of_lists and not columns):
            return _lists(table, path, also)
        taken = layout(table, columns, also)
        has_ratings = len(taken.columns) == 3
        read = [*taken.columns, *taken.more.values()]
        event_place, time_place = (
            read.index(taken.more[part], len(taken.columns)) if part in taken.more else None
            for part in ("event", "time")
        )
        watched = events.Watch(taken.names, read, table.beginning(taken.has_header))
        extended = replace(taken, columns=read + watched.columns)
        for line, fields in watched.counted(table.rows(extended, faults), len(read)):
            try:
                try:
                    pair = users[fields[0]], items[fields[1]]
                except KeyError:  # a new id: check it once
                    pair = users.number(fields[0], line), items.number(fields[1], line)
                if time_place is not None:
                    times.add(fields[time_place], f"{path}, line {line}")
                if has_ratings:
                    try:
                        rating = float(fields[2])
                    except ValueError:
                        rating = _decimal(fields[2], path, line, taken)
                        has_decimal_commas = True
                    if not math.isfinite(rating):
                        raise UserError(
                            f"{path}, line {line}: the rating is {fields[2]}, expected a finite"
                            " number; mend or remove the line"
                        )
                    ratings.append(rating)
            except UserError as error:
                faults.add(error)
                continue
            u.append(pair[0])
            i.append(pair[1])
            if event_place is not None:
                kind.append(kinds[fields[event_place]])
    faults.check()
    if not u:
        raise UserError(f"{path}: has no ratings; expected lines of {EXPECTED}")

    how_read = []
    remarks = column_names.doubts(taken.names, taken.columns) + watched.remarks()
    header = [taken.first_row[j].strip() for j in taken.columns[:2]]
    if taken.has_header and header[0] in users and header[1] in items:
        remarks.append(
            f"warning: the header, {shortened(taken.first_row)}, seems to come again as a row; if"
            " files were joined, remove it"
        )
    if table.separator not in "\t,":
        mark = separators.NAMES.get(table.separator, f"'{table.separator}'")
        how_read.append(f"fields divided by {mark}")
    if has_decimal_commas:
        how_read.append("decimal commas")
    if first := times.first(str(path)):
        how_read.append(f"dates with the {first} first")
    if not is_quoted:
        how_read.append("quotes read as they stand, as one of them has no end")
    if is_pipe(path):
        remarks.append(
            f"warning: {path} is a pipe, read once: a command that needs the data of this run again"
            " will ask for it (--data FILE); gzip files are read as they are"
        )
    return Table(
        users.ids,
        items.ids,
        np.frombuffer(u, np.int32),
        np.frombuffer(i, np.int32),
        np.frombuffer(ratings) if ratings else None,
        str(path),
        taken.in_words(),
        taken.names[taken.columns[2]] if has_ratings else "",
        tuple(how_read),
        tuple(remarks),
        times.seconds(str(path)) if "time" in also else None,
        np.frombuffer(kind, np.int32) if "event" in also else None,
        tuple(kinds.names),
    )


class _Numbers(dict):
    """{a field: its number} of the ids of one `kind`, and these `ids` in order of first appearance.

    A field with blanks at its ends has the number of the same without them.
    """

    def __init__(self, kind: str, path: str | Path, is_quoted: bool):
        self.kind, self.path, self.is_quoted = kind, path, is_quoted
        self.ids: list[str] = []

    def number(self, field: str, line: int) -> int:
        """The number of a field that may be new; an impossible id is a UserError."""
        if field not in self:
            text = field.strip()
            where = f"{self.path}, line {line}"
            if not is_possible_id(text):
                refuse_id(text, self.kind, where, "fill it in or remove the line")
            if '"' in text and not self.is_quoted:
                raise UserError(f"{where}: the {self.kind} id has a quote; remove it")
            if text not in self:
                self[text] = len(self.ids)
                self.ids.append(text)
            self[field] = self[text]
        return self[field]


def _by_position(table):
    """The columns of a file without a header: user, item and, if there are three, rating."""
    first = table.sample[0]
    if not 2 <= len(first) <= 4:
        divide = "divide the fields by commas or tabs"
        name = "name them in a first line"
        if not any(map(_is_rating, first)):  # it may be one
            name = "give them known names, such as user,item,rating"
        remedy = divide if len(first) == 1 else f"{name}, or {HOW_TO_SAY}"
        raise UserError(
            f"{table.where}: found {_fields(first)}, '{shortened(first)}', expected {EXPECTED};"
            f" {remedy}"
        )
    taken = list(range(min(len(first), 3)))
    if _is_header(first, table.sample[1:], taken) or (len(taken) == 3 and not _is_rating(first[2])):
        raise UserError(
            f"{table.where}: '{shortened(first)}' is neither a header of known names, such as"
            " user,item,rating, nor a row of user,item[,rating]; name the columns so, or"
            f" {HOW_TO_SAY}"
        )
    return taken


def _is_header(first, others, taken):
    """Whether the first row looks like a header of the columns that are taken: of words.

    Where a rating is taken, it tells: a word over numbers. Else there must be numbers below both
    words, or one is a known name and neither occurs below.
    """
    others = [row for row in others if len(row) == len(first)]
    words = [first[j].strip() for j in taken]
    is_over_numbers = [bool(others) and all(_is_rating(row[j]) for row in others) for j in taken]
    if len(taken) == 3 and (is_over_numbers[2] or _is_rating(words[2])):
        return bool(words[2]) and not _is_rating(words[2])
    if any(not word or _is_rating(word) for word in words):
        return False
    looks_like_id = [any(map(str.isdigit, word)) for word in words[:2]]
    if all(is_over_numbers[:2]):
        return len(others) > 10 or not any(looks_like_id)
    occurs_below = any(word == row[j].strip() for word, j in zip(words, taken) for row in others)
    return any(column_names.known(words).values()) and not occurs_below and not any(looks_like_id)


def _is_rating(text):
    return is_number(text) or bool(separators.DECIMAL_COMMA.fullmatch(text.strip()))


def _fields(row):
    return f"{len(row)} field{'s' * (len(row) != 1)}"


def _decimal(text, path, line, layout):
    """A field with a decimal comma as a number, or a UserError."""
    if separators.DECIMAL_COMMA.fullmatch(text.strip()):
        return float(text.replace(",", "."))
    raise UserError(
        f"{path}, line {line}: the rating '{text}' is not a number; mend or remove the line, or if"
        f" column {layout.names[layout.columns[2]]} holds no ratings, {HOW_TO_SAY}"
    )
