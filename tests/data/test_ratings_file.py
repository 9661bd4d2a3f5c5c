"""From a ratings file to rows: the columns that are read, and what is said of a bad file."""

import gzip
import re

import pytest
from helpers import ROOT, pairs, write

from macrid import data
from macrid.data import checks, column_names
from macrid.errors import UserError

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
