"""What a reader is told of the data, and which data are taken for a mistake."""

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


def test_very_few_users_and_many_items_look_swapped(tmp_path):
    table = write(
        tmp_path, "".join(f"u{u},i{i}\n" for u in range(2) for i in range(150 * u, 150 * u + 150))
    )
    assert any("swapped" in line for line in checks.describe(data.load(table, min_user_items=1)))
