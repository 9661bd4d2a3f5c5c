"""From rows to interactions: what is kept, dropped and counted; ids, titles and categories."""

import numpy as np
import pytest
from helpers import pairs, write

from macrid import data
from macrid.config import Config
from macrid.data import checks
from macrid.data.sources import interactions_of
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


def test_the_raw_folders_of_ml_1m_and_ml_100k_are_read(tmp_path):
    old, older = tmp_path / "ml-1m", tmp_path / "ml-100k"
    for folder in (old, older):
        folder.mkdir()
    (old / "ratings.dat").write_text("1::7::5::9\n1::8::4::9\n2::7::3::9\n")
    films = "7::Heat, The (1995)::Crime|Action\n8::Caf\u00e9 (1999)::Drama\n"
    (old / "movies.dat").write_bytes(films.encode("latin-1"))
    (older / "u.data").write_text("1\t7\t5\t9\n1\t8\t4\t9\n2\t7\t3\t9\n")
    films = '7|Heat, "The (1995)|01-Jan-1995||http|1|1|0\n8|Caf\u00e9 (1999)||||0|0|1\n'
    (older / "u.item").write_bytes(films.encode("latin-1"))
    (older / "u.genre").write_text("Action|0\nCrime|1\nDrama|2\n\n")
    for folder, title in ((old, "Heat, The (1995)"), (older, 'Heat, "The (1995)')):
        interactions = data.load(folder, min_user_items=1)
        assert pairs(interactions) == {("1", "7"), ("1", "8")}
        assert list(interactions.titles) == [title, "Caf\u00e9 (1999)"]
        assert interactions.category_names == ("Action", "Crime", "Drama")
        np.testing.assert_array_equal(interactions.categories.toarray(), [[1, 1, 0], [0, 0, 1]])


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        data.load(tmp_path / "nothing.csv")
    with pytest.raises(UserError, match="has no ratings.csv"):
        data.load(tmp_path)
    write(tmp_path, "u,a\n", "x.inter")
    with pytest.raises(UserError, match="has no ratings.csv; .* a CSV/TSV file, such as .*x.inter"):
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


SEQUENCES = "item_id:token\tclass:token_seq\na\tAction Drama\nb\tDrama\nc\t\n"


def test_columns_with_a_colon_are_columns_of_categories(tmp_path, monkeypatch):
    table = write(tmp_path, "user,item\nu1,a\nu1,b\nu2,c\n")
    items = write(tmp_path, SEQUENCES, "ml:100k.item")
    monkeypatch.chdir(tmp_path)
    for source in (f"{items}:class:token_seq", f"{items}:class", "ml:100k.item:class:token_seq"):
        interactions = data.load(table, min_user_items=1, categories=source)
        assert interactions.category_names == ("Action", "Drama")
        np.testing.assert_array_equal(interactions.categories.toarray(), [[1, 1], [0, 1], [0, 0]])
    own = "user_id:token\titem_id:token\tclass:token_seq\nu1\ta\tx y\nu1\tb\tz\n"
    own = data.load(write(tmp_path, own), min_user_items=1, categories="class:token_seq")
    assert own.category_names == ("x", "y", "z")
    two = write(tmp_path, "item,kind:a,kind:b\na,x,y\n", "two.csv")
    assert data.read_categories(two, "kind:b") == {"a": ["y"]}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("kind", ("", "kind")),
        ("items.csv:kind", ("items.csv", "kind")),
        ("no/items.csv:class:token_seq", ("no/items.csv", "class:token_seq")),
        ("class:token_seq", ("", "class:token_seq")),
        (r"C:\data\items.csv:kind", (r"C:\data\items.csv", "kind")),
        (r"C:\data\items.csv:class:token", (r"C:\data\items.csv", "class:token")),
        (r"C:\data\items.csv", (r"C:\data\items.csv", "")),
        ("", ("", "")),
    ],
)
def test_file_and_column(text, expected):
    assert data.file_and_column(text) == expected


def test_categories_that_seem_undivided_or_otherwise_written_are_told(tmp_path):
    table = write(tmp_path, "user,item\n" + "".join(f"u,{k}\nv,{k}\n" for k in range(64)))
    kinds = [" ".join(letter for j, letter in enumerate("abcdef") if k >> j & 1) for k in range(64)]
    items = write(
        tmp_path,
        "item,kind\n"
        + "".join(f"0{k},{kinds[k]}\n" for k in range(9))
        + "".join(f"{k},{kinds[k]}\n" for k in range(9, 64)),
        "items.csv",
    )
    lines = checks.describe(data.load(table, categories=f"{items}:kind"))
    assert (
        "9 items have no category as they are written otherwise there, such as '00' for"
        in lines[-2]
    )
    assert (
        "63 categories are 6 if divided at blanks; divide several of one item by '|'" in lines[-1]
    )


def test_dicts_are_rows_with_names():
    rows = [{"user": "u1", "item": "a", "rating": 5, "event": "buy"}]
    rows += [{"rating": 1, "item": "b", "user": "u1"}, {"user": "u2", "item": "a", "rating": 4}]
    found = interactions_of(rows, Config(min_user_items=1))
    assert pairs(found) == {("u1", "a"), ("u2", "a")}
    assert "user=user, item=item, rating=rating; ignored: event" in found.report["columns"]
    named = [{"wer": "u1", "was": "a"}, {"wer": "u2", "was": "b"}]
    found = interactions_of(named, Config(min_user_items=1, columns="wer,was"))
    assert pairs(found) == {("u1", "a"), ("u2", "b")}
    columns = {"item": ["a", "b"], "user": np.array(["u1", "u2"]), "rating": (5, 1)}
    assert pairs(interactions_of(columns, Config(min_user_items=1))) == {("u1", "a")}
    for rows, message in (
        ({"user": 1, "item": 2}, "interactions is {'item': 2, 'user': 1}, expected a path"),
        ({"user": [1], "item": [2, 3]}, "the columns have .1, 2. rows"),
        ({"user": list(range(999))}, "interactions is {'user': .0, 1, 2, .*, expected a path"),
        ([{"user": 1, "item": 2}, {"user": 3}], "row 1 .the first is 0.: the item id is empty"),
        (
            [{"wer": 1, "was": 2}],
            "the dicts: the columns are wer, was, expected names such as user",
        ),
        ([(1, 2), {"user": 3}], "row 1 .the first is 0. is {'user': 3}, expected a path"),
    ):
        with pytest.raises(UserError, match=message):
            interactions_of(rows, Config(min_user_items=1))


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(UserError, match="the columns have .1, 2. rows"):
        data.from_pairs(["u", "v"], ["a"])


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
