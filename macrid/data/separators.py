"""What divides the fields of a text file: found by looking at its first lines."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from macrid.data import column_names

SEPARATORS = ("\t", ",", ";", "|", "::", " ")
NAMES = {"\t": "tabs", ",": "commas", " ": "blanks"}
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+", re.ASCII)
AMOUNT = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+", re.ASCII)  # also 1.234,50


def fields(lines: Iterable[str], separator: str, is_quoted: bool = True):
    """An iterator over the fields of each line, with the number of the last line as `line_num`.

    Quotes mean something to `csv` only: with one character as separator, where it `is_quoted`.

    >>> list(fields(["a::b", 'c::"'], "::"))
    [['a', 'b'], ['c', '"']]
    """
    if separator in ("::", " "):
        return _Split(lines, separator)
    return csv.reader(
        lines,
        delimiter=separator,
        strict=True,
        skipinitialspace=True,
        quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE,
    )


class _Split:
    """Lines divided by a separator of two characters, or by any blanks."""

    def __init__(self, lines: Iterable[str], separator: str):
        self.lines, self.separator, self.line_num = iter(lines), separator, 0

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        line = next(self.lines)
        self.line_num += 1
        if self.separator == " " or not line.strip():
            return line.split()
        return line.rstrip("\r\n").split(self.separator)


def sample(lines: list[str], separator: str, is_quoted: bool = True) -> list[list[str]]:
    """The rows of some lines that are not blank, as far as they can be read."""
    rows = []
    try:
        for row in fields(lines, separator, is_quoted):
            if len(row) > 1 or "".join(row).strip():
                rows.append(row)
    except csv.Error:
        pass
    return rows


def sniffed(lines: list[str]) -> str:
    """What divides the fields of a file that begins with these lines.

    >>> sniffed(["1;2;4,5", "3;2;1,0"]), sniffed(["1::2::3::4"])
    (';', '::')
    """
    tables = {mark: sample(lines, mark) for mark in SEPARATORS if any(mark in x for x in lines)}
    tables = {mark: rows for mark, rows in tables.items() if rows}
    for mark, rows in tables.items():
        known = column_names.known(rows[0])
        if known["user"] and known["item"]:
            return mark
    regular = [mark for mark, rows in tables.items() if _is_regular(rows, mark)]
    for mark in regular[1:]:
        if regular[0] == "," and _holds_decimals_only(tables[mark]):
            return mark
    if regular:
        return regular[0]
    first = next(line for line in lines if line.strip())
    return next((mark for mark in SEPARATORS[:-1] if mark in first), ",")


def _is_regular(rows, mark):
    """Whether nearly all rows have one number of fields, at least two; the first has some, too."""
    (width, count), *others = Counter(map(len, rows)).most_common()
    if mark == " ":  # prose has blanks too
        has_digits = all(any(map(str.isdigit, "".join(row))) for row in rows[1:])
        return not others and 2 <= width <= 4 and len(rows) > 1 and has_digits
    return width > 1 and len(rows[0]) > 1 and count >= 0.9 * len(rows)


def _holds_decimals_only(rows):
    """Whether each comma in these fields is that of a decimal number."""
    with_comma = [field for row in rows for field in row if "," in field]
    return all(AMOUNT.fullmatch(field.strip()) for field in with_comma)
