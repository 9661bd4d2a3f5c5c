"""When a row happened: seconds from 1970 (UTC), from numbers, dates in text or a table's own."""

import re
from array import array
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from macrid.errors import UserError

EPOCH = datetime(1970, 1, 1)
EXPECTED = "seconds since 1970, or a date such as 2025-03-01, 2025-03-01T08:30 or 01.03.2025"
BY_PARTS = re.compile(
    r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:[ T,]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?: ?([AP])M)?)?",
    re.ASCII | re.IGNORECASE,
)
UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))  # from this number on, so many make a second
FIRST_REAL_TIME = 1e8  # in 1973: smaller numbers are days or places in an order


class Times:
    """Collects the times of rows one by one, as numbers or as dates; `seconds` gives them all.

    With dots the day is first. Dates such as 03/25/2025 or 03-25-2025 have the day or the month
    first, all of a file alike: some of them must tell which, by a day above 12.
    """

    def __init__(self) -> None:
        self.values, self.numbers, self.slashed = array("d"), 0, 0
        self.telling: dict[str, str] = {}  # {"day", "month" or "either" first: the first such date}

    def add(self, text: str, where: str, remedy: str = "mend or remove the line") -> None:
        """Take a time in; what is none is a UserError that begins with `where`."""
        try:
            value = float(text)
            self.numbers += 1
        except ValueError:
            value, first = _of_date(text.strip())
            if first:
                self.slashed += 1
                self.telling.setdefault(first, text.strip())
        if not np.isfinite(value):
            raise UserError(f"{where}: the time is '{text[:40]}', expected {EXPECTED}; {remedy}")
        self.values.append(value)

    def seconds(self, source: str) -> np.ndarray:
        """The times in seconds (n,); such of several kinds are a UserError about the `source`.

        So are dates that do not tell whether the day or the month is first.
        """
        example = next(iter(self.telling.values()), "")
        kinds = {
            "numbers and the others dates": self.numbers,
            f"such as '{example}' and the others not": self.slashed,
        }
        for what, count in kinds.items():
            if 0 < count < len(self.values):
                raise UserError(
                    f"{source}: {count:,} of {len(self.values):,} times are {what}; write all of"
                    " them in one way"
                )
        values = np.frombuffer(self.values) if self.values else np.zeros(0)
        if self.first(source) == "month":
            values = _with_the_month_first(values)
        return of_numbers(values) if self.numbers else values

    def first(self, source: str) -> str:
        """What dates such as 03/25/2025 have first, 'day' or 'month'; '' without such."""
        day, month, either = map(self.telling.get, ("day", "month", "either"))
        if day and month:
            raise UserError(
                f"{source}: the time '{day}' has the day first, '{month}' the month; write all of"
                " them as 2025-03-25"
            )
        if either and not (day or month):
            raise UserError(
                f"{source}: times such as '{either}' may have the day or the month first, and no"
                " day is above 12 to tell; write them as 2025-03-25 or 25.03.2025"
            )
        return "day" if day else "month" if month else ""


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
        dates = [_of_date(f"{value:.0f}")[0] for value in np.unique(values).tolist()]
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
        seconds = float(given.seconds(name)[0])
    except UserError:
        raise UserError(f"{name} is '{text[:40]}', expected {EXPECTED}") from None
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
def _of_date(text: str) -> tuple[float, str]:
    """A date in seconds, without a zone in UTC, NaN if it is none; what it has first.

    That is "day", "month" or "either", read as the day, where it is not said by how it is written.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return (moment - EPOCH).total_seconds(), ""
    except (ValueError, OverflowError):  # the latter at the ends of the calendar
        match = BY_PARTS.fullmatch(text)
    if not match:
        return float("nan"), ""
    first, mark, second, year, *clock, half = match.groups()
    hour, *others = (int(part or 0) for part in clock)
    if half and 1 <= hour <= 12:  # 12 AM is midnight, 12 PM is noon
        hour = hour % 12 + 12 * (half in "pP")
    elif half:
        return float("nan"), ""
    return _of_parts(mark, *map(int, (first, second, year)), hour, *others)


def _of_parts(mark, first, second, year, *clock):
    """What `_of_date` returns for the parts of a date such as 01.03.2025 or 03/25/2025 8:30."""
    seconds = []
    for month, day in ((second, first), (first, second)):
        try:
            seconds.append((datetime(year, month, day, *clock) - EPOCH).total_seconds())
        except ValueError:
            seconds.append(float("nan"))
    day_first, month_first = seconds
    if mark == "." or day_first == month_first:
        return day_first, "" if mark == "." else "same"
    if np.isnan(day_first):
        return month_first, "month" * bool(np.isfinite(month_first))
    return day_first, "day" if np.isnan(month_first) else "either"


def _with_the_month_first(values):
    """The times (n,) of dates that were read with the day first wherever they could be."""
    days = np.floor(values / 86400).astype("datetime64[D]")
    months, years = days.astype("datetime64[M]"), days.astype("datetime64[Y]")
    day, month = (days - months).astype(int), (months - years).astype(int)  # from 0
    swapped = (years.astype("datetime64[M]") + day).astype("datetime64[D]") + month
    moved = (swapped - days).astype(float) * 86400
    return np.where(day < 12, values + moved, values)
