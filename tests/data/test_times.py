"""Times of rows: as numbers of any unit, as dates, as a table's own; what is none is told."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest

from macrid import data
from macrid.data import times
from macrid.errors import UserError

MARCH = 1740787200.0  # 2025-03-01 in UTC


def read(*texts):
    collected = times.Times()
    for text in texts:
        collected.add(text, "log.csv, line 2")
    return collected.seconds("log.csv").tolist()


@pytest.mark.parametrize(
    "text",
    [
        "1740787200",
        "1740787200.0",
        "1740787200000",
        "1740787200000000",
        "1.7407872e18",
        "20250301",
        "2025-03-01",
        " 2025-03-01T00:00:00 ",
        "2025-03-01 00:00",
        "2025-03-01T00:00:00Z",
        "2025-03-01T01:00:00+01:00",
        "2025-02-28T19:00:00-05:00",
        "01.03.2025",
        "1.3.2025 0:00",
        "01.03.2025 12:00:00 AM",
    ],
)
def test_one_moment_in_all_its_spellings(text):
    assert read(text, text) == [MARCH, MARCH]
    assert times.instant(text.strip(), "since", np.array([MARCH])) == MARCH


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "nan", "inf", "1/3/25", "2025-02-30", "3.25.2025", "1.3.2025 13:00PM"],
)
def test_what_is_no_time_is_told_with_its_line(text):
    with pytest.raises(UserError, match=r"log.csv, line 2: the time is .*2025-03-01T08:30"):
        read(text)


def test_numbers_beside_dates_are_refused():
    with pytest.raises(UserError, match=r"log.csv: 1 of 3 times are numbers and the others dates"):
        read("2025-03-01", "2025-03-01", "7")


@pytest.mark.parametrize(
    "texts, expected",
    [
        (("25/12/2025", "1/3/2025 8:26"), ("2025-12-25", "2025-03-01T08:26:00")),
        (("3/1/2025 8:26:05", "12/25/2025"), ("2025-03-01T08:26:05", "2025-12-25")),
        (("3/25/2025 12:05 PM", "3/1/2025 1:00pm"), ("2025-03-25T12:05", "2025-03-01T13:00")),
        (("12/01/1960 23:59", "01-31-2025"), ("1960-12-01T23:59:00", "2025-01-31")),
        (("31-01-2025", "01-12-2024"), ("2025-01-31", "2024-12-01")),
        (("07/07/2025",), ("2025-07-07",)),
    ],
)
def test_a_day_above_12_tells_whether_days_or_months_are_first(texts, expected):
    stamps = np.array(read(*texts)).astype("datetime64[s]")
    assert stamps.tolist() == np.array(expected, "datetime64[s]").tolist()


@pytest.mark.parametrize(
    "texts, message",
    [
        (("03/04/2025", "05/06/2025"), "such as '03/04/2025' may have .*; write them as 2025-"),
        (("25/12/2025", "12/25/2025"), "'25/12/2025' has the day first, '12/25/2025' the month"),
        (("2025-03-01", "12/25/2025"), "1 of 2 times are such as '12/25/2025' and the others not"),
    ],
)
def test_dates_in_no_clear_order_are_refused(texts, message):
    with pytest.raises(UserError, match=f"^log.csv: .*{message}"):
        read(*texts)


def test_the_order_of_a_files_dates_is_told(tmp_path):
    (tmp_path / "log.csv").write_text("user,item,date\na,x,3/1/2025\na,y,3/25/2025\n")
    read = data.load(tmp_path / "log.csv", min_user_items=1, times=True)
    assert read.report["how_read"] == "dates with the month first"
    with pytest.raises(UserError, match="since is '3/4/2025', expected .*2025-03-01"):
        data.load(tmp_path / "log.csv", min_user_items=1, since="3/4/2025")


def test_small_numbers_are_places_in_an_order():
    assert read("3", "1", "2") == [3, 1, 2]
    assert times.in_words(3.0) == "3" and times.instant("2", "since", np.array([3.0])) == 2


def test_a_column_in_memory_is_the_same_in_every_type():
    stamps = np.array(["2025-03-01", "2025-03-01T00:01"], "datetime64[ns]")
    expected = [MARCH, MARCH + 60]
    zone = timezone(timedelta(hours=1))
    for column in (
        stamps,
        stamps.astype("datetime64[s]"),
        np.array(expected),
        np.array(expected, np.int64) * 1000,
        [date(2025, 3, 1), datetime(2025, 3, 1, 0, 1)],
        [datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 1, 1, 1, tzinfo=zone)],
        ["2025-03-01", "2025-03-01T00:01"],
    ):
        assert times.of_column(column, "the table").tolist() == expected


@pytest.mark.parametrize(
    "column",
    [
        np.array(["2025-03-01", "NaT"], "datetime64[s]"),
        np.array([1.0, np.nan]),
        ["2025-03-01", None],
    ],
)
def test_a_missing_time_in_memory_is_told_with_its_row(column):
    with pytest.raises(UserError, match=r"the table, row 1 \(the first is 0\): the time is"):
        times.of_column(column, "the table")


ROWS = "user,item,when\na,x,2025-03-05\na,y,2025-03-01\na,x,2025-03-02\nb,y,2025-04-01\n"


def test_adoptions_have_the_earliest_time_of_their_rows(tmp_path):
    (tmp_path / "log.csv").write_text(ROWS)
    read = data.load(tmp_path / "log.csv", min_user_items=1, times=True)
    X = read.X
    pairs = zip(np.repeat(read.users, np.diff(X.indptr)), read.items[X.indices])
    when = {pair: times.in_words(t) for pair, t in zip(pairs, read.times.tolist())}
    assert when == {("a", "x"): "2025-03-02", ("a", "y"): "2025-03-01", ("b", "y"): "2025-04-01"}
    assert "time=when" in read.report["columns"]


def test_rows_before_a_date_do_not_count_and_are_told(tmp_path):
    (tmp_path / "log.csv").write_text(ROWS)
    read = data.load(tmp_path / "log.csv", min_user_items=1, since="2025-03-02")
    assert read.X.nnz == 2 and read.report["rows_before"] == 1
    assert any("1 rows before 2025-03-02" in line for line in data.checks.describe(read))
    with pytest.raises(UserError, match="no row is from 2026-01 or later; the last is of 2025-04"):
        data.load(tmp_path / "log.csv", since="2026-01")
    with pytest.raises(UserError, match="since is '2025', but the times go from 2025-03-01 to"):
        data.load(tmp_path / "log.csv", since="2025")


@pytest.mark.parametrize(
    "text, columns",
    [
        ("user,item,rating,timestamp\na,x,5,10\nb,y,5,20\n", None),
        ("a,x,5,10\nb,y,5,20\n", None),
        ("a::x::5::10\nb::y::5::20\n", None),
        ("user_id:token\titem_id:token\ttimestamp:float\na\tx\t10\nb\ty\t20\n", None),
        ("a,x,z,10\nb,y,z,20\n", "1,2,time=4"),
        ("who,what,wann\na,x,10\nb,y,20\n", "who,what,time=wann"),
        ("user,item,wann\na,x,10\nb,y,20\n", "time=3"),
    ],
)
def test_the_column_of_times_is_known_or_named(text, columns, tmp_path):
    (tmp_path / "log.csv").write_text(text)
    read = data.load(tmp_path / "log.csv", min_user_items=1, columns=columns, times=True)
    assert read.times.tolist() == [10, 20] and read.items.tolist() == ["x", "y"]


@pytest.mark.parametrize(
    "text, columns, message",
    [
        ("user,item\na,x\n", None, "no column of times is known by its name among user,item; say"),
        ("a,x,5\n", None, "no column of times .*--columns time=NAME"),
        ("user,item,t\na,x,1\n", "user,item,time=when", "no column 'when' .*user,item,t, or"),
        ("0 1 2 3 4 5\n1 2 3\n", None, "'user item item ...', without a column of times; leave"),
    ],
)
def test_no_column_of_times_is_one_line(text, columns, message, tmp_path):
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        data.load(tmp_path / "log.csv", min_user_items=1, columns=columns, times=True)
