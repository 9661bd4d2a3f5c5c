"""What a reader is told of the data, and which data are taken for a mistake."""

import re

import pytest
from helpers import pairs, write

from macrid import data
from macrid.data import checks
from macrid.errors import UserError


def test_ratings_on_another_scale_ask_for_the_threshold(tmp_path):
    table = write(tmp_path, "u1,a,9\nu1,b,3\nu2,a,10\n")
    with pytest.raises(
        UserError,
        match="ratings go up to 10, not 5; say by min_rating which count .*--min-rating 8",
    ):
        data.load(table, min_user_items=1)
    assert pairs(data.load(table, min_rating=9, min_user_items=1)) == {("u1", "a"), ("u2", "a")}
    with pytest.raises(UserError, match="not 5; say by min_rating which"):
        data.from_pairs(["u1", "u2"], ["a", "b"], ratings=[1, 250])  # counts


def test_timestamps_in_place_of_ratings_are_refused(tmp_path):
    with pytest.raises(
        UserError,
        match="so they are timestamps; name the columns in a first line user,item,timestamp",
    ):
        data.load(
            write(tmp_path, "u1,a,1300000000\nu2,b,1300000001\n"), min_rating=1, min_user_items=1
        )
    named = write(tmp_path, "user,item,timestamp\nu1,a,1300000000\nu2,b,1300000001\n")
    assert pairs(data.load(named, min_user_items=1)) == {("u1", "a"), ("u2", "b")}


def test_contradicting_rows_are_counted_and_told(tmp_path):
    interactions = data.load(write(tmp_path, "u1,a,5\nu1,a,1\nu1,b,5\nu2,b,1\n"), min_user_items=1)
    assert interactions.report["contradicting"] == 1 and pairs(interactions) == {
        ("u1", "a"),
        ("u1", "b"),
    }
    assert any(
        "1 pairs were rated both above and below" in line for line in checks.describe(interactions)
    )


def test_a_large_loss_of_users_is_told(tmp_path):
    table = write(tmp_path, "".join(f"u{u},a,5\n" for u in range(9)) + "v,a,5\nv,b,5\n")
    lines = checks.describe(data.load(table, min_user_items=2))
    assert any("90% of the users are dropped" in line for line in lines)


def test_categories_of_other_ids_say_why(tmp_path):
    table = write(tmp_path, "u1,1\nu1,2\nu2,1\n")
    other = tmp_path / "items.csv"
    for text, why in (
        ("item,kind\nu1,x\n", "columns swapped"),
        ("item,kind\n1.0,x\n", "'1.0' there is written otherwise than '1' here"),
        ("item,kind\nz,x\n", "are its ids those of"),
    ):
        other.write_text(text)
        with pytest.raises(UserError, match=why):
            data.load(table, min_user_items=1, categories=f"{other}:kind")


def note(path, **options):
    """The lines on the data that begin with a word such as warning."""
    lines = checks.describe(data.load(path, min_user_items=1, **options))
    return [line for line in lines if line.startswith(("warning: ", "note: "))]


def log(values, name="event"):
    return f"user,item,{name}\n" + "".join(f"u{k},i{k % 3},{v}\n" for k, v in enumerate(values))


@pytest.mark.parametrize(
    "text, columns, message",
    {
        "events": (
            log(["view", "view", "cart", "return"]),
            None,
            r"column 'event' is ignored, .*\(view 2, cart 1, return 1\); remove those",
        ),
        "without a header": (
            "u1,i1,7,pv,0\nu1,i2,7,buy,0\n",
            "1,2",
            r"column 4 is ignored, .*\(pv 1, buy 1\)",
        ),
        "kinds by numbers": (log([1, 2, 4, 1], "behavior_type"), None, "column 'behavior_type' is"),
        "returns": (log([0, 0, 1, 0], "is_returned"), None, r"'is_returned' .*\(0 3, 1 1\)"),
        "quantities": (log([1, 30, -2, 5], "Quantity"), None, "'Quantity' .*below 0, as in 1 of 4"),
        "beside a rating": (
            "user,item,rating,type\nu1,i1,5,buy\nu1,i2,5,return\n",
            None,
            "column 'type' is ignored",
        ),
        "a scale": (
            log([1, 3, 5, 4], "weight"),
            None,
            "no rating is read, but column 'weight' looks",
        ),
        "two ratings": (
            "user,item,score,rating\nu1,i1,5,1\n",
            None,
            "score and rating may both be the rating; score is read",
        ),
        "exchanged by columns": ("user,item\n1,2\n2,2\n", "item,user", "item is read as the user"),
        "a low scale": (
            "user,item,rating\nu1,a,4\nu1,b,3\nu2,b,.5\n",
            None,
            r"2 of 3 ratings are below 4 .* go from 0.5 to 4: .*--min-rating 3\)",
        ),
        "most below": (
            "user,item,rating\nu1,a,5\nu1,b,3\nu2,b,2\n",
            None,
            r"2 of 3 ratings are below 4 .* go from 2 to 5: .*--min-rating 3\)",
        ),
    }.values(),
)
def test_columns_that_are_read_wrongly_or_not_at_all_are_told(tmp_path, text, columns, message):
    (line,) = note(write(tmp_path, text), columns=columns)
    assert re.search(message, line)


@pytest.mark.parametrize(
    "values, name",
    [
        (["purchase"] * 4, "event"),
        (["Berlin", "Paris", "Rome", "Paris"], "city"),
        (["Drama", "Play", "Novel", "Poem"], "genre"),
        ([1, 2, 3, 7], "weekday"),
        ([1, 2, 1, 9], "quantity"),
    ],
)
def test_other_columns_are_left_in_peace(tmp_path, values, name):
    assert note(write(tmp_path, log(values, name))) == []


def test_a_threshold_that_is_given_is_not_doubted(tmp_path):
    table = write(tmp_path, "user,item,rating\nu1,a,4\nu1,b,3\nu2,b,.5\n")
    assert note(table, min_rating=4.0) == []


def test_errors_say_which_column_is_read_as_the_rating(tmp_path):
    for text, message in (
        ("user,item,score\nu,a,80\n", "csv, column score: ratings go up to 80, not 5"),
        ("u,a,1300000000,5\n", "column 3: ratings go up to 1300000000, so .*--columns USER"),
        ("user,item,score\nu,a,good\n", "the rating 'good' is not a number; .*column score"),
        ("user,item,score\nu,a,1\nu,b,0\n", r"at least 4 \(column score: 0 to 1\); lower"),
    ):
        with pytest.raises(UserError, match=message):
            data.load(write(tmp_path, text), min_user_items=1)


def test_very_few_users_and_many_items_look_swapped(tmp_path):
    table = write(
        tmp_path, "".join(f"u{u},i{i}\n" for u in range(2) for i in range(150 * u, 150 * u + 150))
    )
    assert any("swapped" in line for line in checks.describe(data.load(table, min_user_items=1)))
