"""From rows to interactions: what is kept, dropped and counted; ids, titles and categories."""

import numpy as np
import pytest
from helpers import pairs, write

from macrid import data
from macrid.data import checks
from macrid.errors import UserError


def test_everything_dropped_is_counted(tmp_path):
    table = write(tmp_path, "u1,a,5\nu1,b,5\nu1,a,5\nu2,c,5\nu1,d,1\nu3,a,5\nu3,b,4\nu4,b,2\n")
    interactions = data.load(table, min_user_items=2)
    assert interactions.report == {
        "columns": "user=1, item=2, rating=3; the first line is data: u1,a,5",
        "rows": 8,
        "rows_below_min_rating": 2,
        "min_rating": 4.0,
        "contradicting": 0,
        "duplicate_rows": 1,
        "users_without_adoptions": 1,
        "users_dropped": 1,
        "adoptions_of_dropped_users": 1,
        "items_dropped": 1,
    }
    assert pairs(interactions) == {("u1", "a"), ("u1", "b"), ("u3", "a"), ("u3", "b")}
    assert (
        "2 ratings below 4, 1 duplicate rows, 1 users without an adoption, 1 users with too few"
        in checks.describe(interactions)[2]
    )


def test_rows_keep_the_order_of_the_file_and_ids_the_order_of_first_appearance(tmp_path):
    interactions = data.load(write(tmp_path, "z,9\ny,2\nz,1\nz,2\ny,9\n"), min_user_items=1)
    assert list(interactions.users) == ["z", "y"] and list(interactions.items) == ["9", "2", "1"]
    X = interactions.X
    assert [list(interactions.items[X.indices[X.indptr[u] : X.indptr[u + 1]]]) for u in (0, 1)] == [
        ["9", "1", "2"],
        ["2", "9"],
    ]


def test_the_thresholds_are_options(tmp_path):
    table = write(tmp_path, "u1,a,2\nu1,b,3\nu2,a,3\n")
    assert data.load(table, min_rating=3, min_user_items=1).X.nnz == 2
    assert data.load(table, min_rating=0, min_user_items=2).X.nnz == 2


def test_a_movielens_folder_brings_titles_and_all_genres(tmp_path):
    write(tmp_path, "userId,movieId,rating,timestamp\n1,7,5,0\n1,8,5,0\n1,9,5,0\n")
    write(
        tmp_path,
        'movieId,title,genres\n7,"Heat, The (1995)",Crime|Action\n8,Other,(no genres listed)\n',
        "movies.csv",
    )
    interactions = data.load(tmp_path, min_user_items=1)
    assert list(interactions.titles) == ["Heat, The (1995)", "Other", "9"]
    assert interactions.category_names == ("Action", "Crime")
    np.testing.assert_array_equal(interactions.categories.toarray(), [[1, 1], [0, 0], [0, 0]])


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        data.load(tmp_path / "nothing.csv")
    with pytest.raises(UserError, match="has no ratings.csv"):
        data.load(tmp_path)


def test_movielens_small_counts(movielens):
    interactions = data.load(movielens, min_user_items=15)
    assert interactions.X.shape == (531, 6277) and interactions.X.nnz == 47806
    assert interactions.report["rows"] == 100836 and len(interactions.category_names) == 19


def test_categories_say_which_column_and_how_many_items_have_one(tmp_path):
    table, items = (
        write(tmp_path, "kunde,artikel,kind\nu1,a,x\nu1,b,\nu2,a,x\n"),
        write(tmp_path, "item,kind,size\na,x,1\nb,,2\n", "items.csv"),
    )
    for source in (
        "kind",
        f"{items}:kind",
    ):  # of the ratings, whose item column has no known name; of a table of items
        interactions = data.load(
            table, min_user_items=1, categories=source, columns="kunde,artikel"
        )
        assert "1 categories; 1 of 2 items have one or more" in checks.describe(interactions)
    for source, message in (
        (items, "items.csv:COLUMN, one of item,kind,size"),
        (f"{items}:colour", "the header is 'item,kind,size', without a column 'colour'"),
    ):
        with pytest.raises(UserError, match=message):
            data.load(table, min_user_items=1, categories=str(source), columns="kunde,artikel")


class NA:
    """As pandas.NA: neither equal nor unequal, and only its text says what it is."""

    def __repr__(self):
        return "<NA>"

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = object.__hash__
    __eq__ = __ne__ = lambda self, other: self


@pytest.mark.parametrize("missing", [None, float("nan"), NA(), "", "  "], ids=str)
def test_a_missing_id_is_refused_with_its_row(missing):
    for kind, rows in (("user", [("u1", "a"), (missing, "b")]), ("item", [(1, "a"), (2, missing)])):
        with pytest.raises(UserError, match=f"row 1 .the first is 0.: the {kind} id is empty"):
            data.from_pairs(*zip(*rows))
    with pytest.raises(UserError, match="row 2 .the first is 0.: the user id is empty"):
        data.from_pairs(np.array([1.0, 2.0, np.nan]), np.arange(3))


def test_ids_of_all_types_meet_as_text():
    expected = {("1", "7"), ("10", "8")}
    for users in (
        [1, 10],
        [1.0, 10.0],
        ["1", "10"],
        np.array([1, 10]),
        np.array([1.0, 10.0]),
        np.array([1, "10"], object),
        np.float32([1, 10]),
    ):
        assert pairs(data.from_pairs(users, ["7", "8"])) == expected
    assert list(data.from_pairs([1, "1", 1.0, "None", 1.5], list("abcde")).users) == [
        "1",
        "1.5",
        "None",
    ]
    with pytest.raises(UserError, match="row 1 .the first is 0.: the user id 'a.x00' holds a NUL"):
        data.from_pairs(["a", "a\0"], [1, 2])
    with pytest.raises(UserError, match="the item ids: .*expected text or whole numbers"):
        data.from_pairs(["a"], [[1]])


@pytest.mark.parametrize("bad", ["good", None, float("inf"), NA()], ids=str)
def test_a_bad_rating_is_named_with_its_row(bad):
    with pytest.raises(
        UserError, match=f"row 1 .the first is 0.: the rating is {bad}, expected a finite number"
    ):
        data.from_pairs(["u", "v"], ["a", "b"], ratings=[5, bad])
