"""When a row happened: seconds from 1970 (UTC), from numbers, ISO dates or a table's own dates."""

import re
from array import array
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from macrid.errors import UserError

EPOCH = datetime(1970, 1, 1)
EXPECTED = "seconds since 1970, or an ISO date such as 2025-03-01 or 2025-03-01T08:30"
UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))  # from this number on, so many make a second
FIRST_REAL_TIME = 1e8  # in 1973: smaller numbers are days or places in an order


class Times:
    """Collects the times of rows one by one, as numbers or as dates; `seconds` gives them all."""

    def __init__(self) -> None:
        self.values, self.numbers = array("d"), 0

    def add(self, text: str, where: str, remedy: str = "mend or remove the line") -> None:
        """Take a time in; what is none is a UserError that begins with `where`."""
        try:
            value = float(text)
            self.numbers += 1
        except ValueError:
            value = _of_date(text.strip())
        if not np.isfinite(value):
            raise UserError(f"{where}: the time is '{text[:40]}', expected {EXPECTED}; {remedy}")
        self.values.append(value)

    def seconds(self, source: str) -> np.ndarray:
        """The times in seconds (n,); numbers beside dates are a UserError about the `source`."""
        if 0 < self.numbers < len(self.values):
            raise UserError(
                f"{source}: {self.numbers:,} of {len(self.values):,} times are numbers and the"
                " others dates; write all of them in one way"
            )
        values = np.frombuffer(self.values) if self.values else np.zeros(0)
        return of_numbers(values) if self.numbers else values


def of_numbers(values: np.ndarray) -> np.ndarray:
    """Numbers as seconds: they are seconds, milli-, micro- or nanoseconds, or dates as 20250301.

    >>> of_numbers(np.array([1740787200000.0, 20250301.0]))[0]
    np.float64(1740787200.0)
    """
    largest = np.abs(values).max(initial=0.0)
    for least, unit in UNITS:
        if largest >= least:
            return values / unit
    if len(values) and 19000101 <= values.min() and largest <= 21001231:
        dates = [_of_date(f"{value:.0f}") for value in np.unique(values).tolist()]
        if np.isfinite(dates).all():
            return np.array(dates)[np.unique(values, return_inverse=True)[1]]
    return values


def of_column(values: Sequence[Any], source: str) -> np.ndarray:
    """The column of a table in memory as seconds (n,); what is no time is a UserError with its row.

    >>> of_column([date(1970, 1, 2), datetime(1970, 1, 1, 0, 1)], "the table")
    array([8.64e+04, 6.00e+01])
    """
    kind = getattr(getattr(values, "dtype", None), "kind", "")
    if kind in "iuf" and kind:
        numbers = np.asarray(values, float)
        if np.isfinite(numbers).all():
            return of_numbers(numbers)
    if kind == "M":
        stamps = np.asarray(values)
        if not np.isnat(stamps).any():
            return stamps.astype("datetime64[us]").astype(np.int64) / 1e6
    times = Times()
    for row, value in enumerate(values):
        if isinstance(value, date):  # a datetime is one too
            value = value.isoformat()
        where = f"{source}, row {row} (the first is 0)"
        times.add(str(value), where, "mend or remove the row")
    return times.seconds(source)


def instant(text: str, name: str, times: np.ndarray) -> float:
    """A time that a person gives, in seconds; `name` says in an error what it is.

    It may be a month, and must be of the kind of the data's `times` (n,): a number where these are
    numbers too small for dates.

    >>> instant("1990-02", "since", np.array([7e8]))
    633830400.0
    """
    given = Times()
    try:
        given.add(f"{text}-01" if re.fullmatch(r"\d{4}-\d{2}", text) else text, name)
    except UserError:
        raise UserError(f"{name} is '{text[:40]}', expected {EXPECTED}") from None
    seconds = float(given.seconds(name)[0])
    first, last = float(times.min()), float(times.max())
    if (abs(seconds) < FIRST_REAL_TIME) != (abs(last) < FIRST_REAL_TIME):
        raise UserError(
            f"{name} is '{text[:40]}', but the times go from {in_words(first)} to {in_words(last)};"
            " give one of that kind"
        )
    return seconds


def in_words(seconds: float) -> str:
    """A time as a date, without its hour at midnight, or as the number that it is.

    >>> in_words(86400.0 * 365 * 30), in_words(12.0)
    ('1999-12-25', '12')
    """
    if not FIRST_REAL_TIME <= abs(seconds) < 1e11:
        return f"{seconds:.15g}"
    return str(np.datetime64(int(seconds), "s")).removesuffix("T00:00:00")


@lru_cache(maxsize=100_000)
def _of_date(text: str) -> float:
    """An ISO date in seconds, without a zone in UTC; NaN if it is none."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):  # the latter at the ends of the calendar
        return float("nan")
    return (moment - EPOCH).total_seconds()
