"""From files to interactions: what is read, what is dropped and counted, and what is said of a bad
file.
"""

import gzip
import re

import numpy as np
import pytest
from helpers import ROOT

from macrid import data
from macrid.data import checks, column_names
from macrid.errors import UserError


def write(folder, text, name="ratings.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def pairs(interactions):
    """The set of (user, item) ids."""
    X = interactions.X.tocoo()
    return {(str(interactions.users[u]), str(interactions.items[i])) for u, i in zip(X.row, X.col)}


PLAIN = {("u1", "a"), ("u1", "b"), ("u2", "a")}


@pytest.mark.parametrize(
    "text",
    [
        "u1,a\nu1,b\nu2,a\n",
        "u1,a,5\nu1,b,4\nu2,a,4.5\nu2,b,3.5\n",
        "u1,a,5,100\nu1,b,4,101\nu2,a,4.5,102\n",
        "user,item\nu1,a\nu1,b\nu2,a\n",
        "userId,movieId,rating,timestamp\nu1,a,5,1\nu1,b,4,1\nu2,a,4.0,1\nu2,b,0.5,1\n",
        "rating\tuser_id\titem_id\tweather\n5\tu1\ta\tfine\n5\tu1\tb\train\n4\tu2\ta\t\n",
        '"user","item"\n"u1","a"\n"u1","b"\n\n"u2","a"\n',
        "\ufeffuser,item\r\nu1,a\r\nu1,b\r\nu2,a\r\n",
        "u1,a\nu1,b\nu1,b\nu2,a\nu2,a\n",
    ],
)
def test_tables_with_and_without_header_rating_timestamp_quotes(tmp_path, text):
    assert pairs(data.load(write(tmp_path, text), min_user_items=1)) == PLAIN


def test_quoted_ids_may_hold_the_delimiter_and_line_breaks(tmp_path):
    table = write(tmp_path, 'u1,"a, the first",5\n"u\n2","say ""b""",5\n')
    assert pairs(data.load(table, min_user_items=1)) == {
        ("u1", "a, the first"),
        ("u\n2", 'say "b"'),
    }


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


BAD = {
    "empty file": ("", "is empty"),
    "only a header": ("user,item,rating\n", "has no ratings"),
    "wrong header": (
        "user,colour,rating\nu,a,5\n",
        r"line 1: the header is 'user,colour,rating', expected columns such as",
    ),
    "neither header nor rating": (
        "customer name,thing,score out of five\nu,a,5\n",
        "line 1: .*neither a header",
    ),
    "one field": ("hello\n", "line 1: found 1 field, 'hello', expected user,item"),
    "another separator": (
        "user|item|rating\nu|a|5\n",
        "line 1: found 1 field, 'user.item.rating', .*; divide the fields by commas or tabs",
    ),
    "five fields": ("u1,a,5,1,x\n", "line 1: found 5 fields, .* say which they are by columns"),
    "an unknown header over numbers": (
        "kunde,artikel\n1,2\n",
        "line 1: 'kunde,artikel' is neither a header of known names",
    ),
    "an unknown header of ratings": (
        "kunde,artikel,note\nu,a,5\n",
        "line 1: 'kunde,artikel,note' is neither .* say which they are by columns",
    ),
    "a quote that stays open, with its line": (
        'u1,a,5\nu1,"b,5\nu2,a,5\n',
        "line 2: is not CSV or TSV .*a quote must end with one",
    ),
    "too few fields": ("u1,a,5\nu1,b\n", "line 2: found 2 fields, expected 3"),
    "too many fields": ("u1,a,5\nu1,b,5,1,1\n", "line 2: found 5 fields, expected 3"),
    "rating not a number": (
        "user,item,rating\nu1,a,5\nu1,b,good\n",
        "line 3: the rating 'good' is not a number",
    ),
    "rating NaN": ("u1,a,5\nu1,b,nan\n", "line 2: the rating is nan"),
    "rating infinite": ("u1,a,5\nu1,b,inf\n", "line 2: the rating is inf"),
    "empty user": ("u1,a,5\n,b,5\n", "line 2: the user id is empty"),
    "empty item": ("u1,a,5\nu1,,5\n", "line 2: the item id is empty"),
    "a user of blanks": ("u1,a,5\n  ,b,5\n", "line 2: the user id is empty"),
    "an item of blanks": ('u1,a,5\nu1," \t",5\n', "line 2: the item id is empty"),
    "NUL": ("u1,a,5\nu\0,b,5\n", "line 2: the user id 'u.x00' holds a NUL"),
    "nobody left": ("u1,a,5\nu1,b,5\n", "no user has 5 adoptions or more"),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_bad_tables_name_file_line_and_remedy(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=message) as error:
        data.load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_other_encodings_and_binary_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="ratings.csv, line 4: is not UTF-8 text .byte 0xe9.; save"):
        data.load(write(tmp_path, "u1,a,5\n" * 3 + "u1,café,5\n", encoding="latin-1"))
    (tmp_path / "x.csv").write_bytes(gzip.compress(b"u1,a,5\n"))
    with pytest.raises(UserError, match="is not UTF-8 text"):
        data.load(tmp_path / "x.csv")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        data.load(tmp_path / "nothing.csv")
    with pytest.raises(UserError, match="has no ratings.csv"):
        data.load(tmp_path)


def test_movielens_small_counts(movielens):
    interactions = data.load(movielens, min_user_items=15)
    assert interactions.X.shape == (531, 6277) and interactions.X.nnz == 47806
    assert interactions.report["rows"] == 100836 and len(interactions.category_names) == 19


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


@pytest.mark.parametrize(
    "text, columns, told",
    {
        "known names in any order": (
            "city,stars,sku,customer\nx,5,a,u1\nx,5,b,u1\n,4,a,u2\nx,1,b,u2\n",
            None,
            "user=customer, item=sku, rating=stars; ignored: city; .*header",
        ),
        "a grade": ("user,item,grade\nu1,a,5\nu1,b,5\nu2,a,4\nu2,b,1\n", None, "rating=grade"),
        "RecBole": (
            "user_id:token\titem_id:token\trating:float\nu1\ta\t5\nu1\tb\t5\nu2\ta\t4\nu2\tb\t1\n",
            None,
            "user=user_id:token, item=item_id:token, rating=rating:float",
        ),
        "a shop": (
            "InvoiceNo,StockCode,Quantity,CustomerID\n1,a,9,u1\n1,b,9,u1\n2,a,9,u2\n",
            None,
            "item=StockCode, no rating; ignored: InvoiceNo, Quantity",
        ),
        "by name": (
            "kunde,artikel,note\nu1,a,5\nu1,b,5\nu2,a,4\nu2,b,1\n",
            "kunde,artikel,note",
            "user=kunde, item=artikel, rating=note; the first line is the header",
        ),
        "by number, over a header": (
            "a,note,b\na,5,u1\nb,5,u1\na,4,u2\nb,1,u2\n",
            "3,1,2",
            "user=b, item=a, rating=note; the first line is the header",
        ),
        "by number, without one": (
            "a,x,y,z,u1\nb,x,y,z,u1\na,x,y,z,u2\n",
            "5,1",
            "user=5, item=1, no rating; ignored: 2, 3, 4; the first line is data: a,x,y,z,u1",
        ),
        "blanks after commas": (
            "user, item, rating\nu1, a, 5\nu1, b, 5\nu2, a, 4\nu2, b, 1\n",
            None,
            "user=user, item=item, rating=rating",
        ),
    }.values(),
)
def test_the_columns_are_found_or_named_and_told(tmp_path, text, columns, told):
    interactions = data.load(write(tmp_path, text), min_user_items=1, columns=columns)
    assert pairs(interactions) == PLAIN
    assert re.search(f"^columns: .*{told}", checks.describe(interactions)[1])


def test_the_docs_list_the_known_names():
    text = (ROOT / "docs" / "data.md").read_text()
    for part, known in column_names.KNOWN_NAMES.items():
        assert set(re.search(rf"^\| {part} \| (.*) \|$", text, re.M)[1].split(", ")) == known


@pytest.mark.parametrize(
    "columns, message",
    [
        ("user,film", "line 1: there is no column 'film' .*; its columns are user,item"),
        ("1,3", "no column '3'"),
        ("user", "expected USER,ITEM"),
        ("1,1", "expected USER,ITEM"),
    ],
)
def test_columns_that_are_not_there(tmp_path, columns, message):
    with pytest.raises(UserError, match=message):
        data.load(write(tmp_path, "user,item\nu1,a\n"), columns=columns)


def test_a_threshold_without_ratings_is_refused(tmp_path):
    with pytest.raises(
        UserError,
        match=(
            "ratings.csv: min_rating is 3 but there is no rating .*ignored: verdict.*--columns"
            " USER,ITEM,RATING"
        ),
    ):
        data.load(write(tmp_path, "user,item,verdict\nu1,a,5\n"), min_rating=3.0, min_user_items=1)
    with pytest.raises(UserError, match="min_rating is 3 but there is no rating"):
        data.from_pairs(["u"], ["a"], min_rating=3.0)


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
