"""From a ratings file to rows: the columns that are read, and what is said of a bad file."""

import gzip
import os
import re
import threading

import numpy as np
import pytest
from helpers import ROOT, pairs, write

from macrid import data
from macrid.config import Config
from macrid.data import checks, column_names, ratings_file
from macrid.data.sources import interactions_of
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
        "user~item~rating\nu~a~5\n",
        "line 1: found 1 field, 'user.item.rating', .*; divide the fields by commas or tabs",
    ),
    "lists of items, one of words": (
        "0 1 2 3\n1 5\n" * 1000 + "0 1\n0 x\n",
        "line 2002: found '0 x', expected whole numbers divided by blanks",
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
    (tmp_path / "x.csv").write_bytes(gzip.compress(b"u1,a,5\nu1,\xe9,5\n"))
    with pytest.raises(UserError, match="x.csv, line 2: is not UTF-8 text"):
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


ROWS = [(u, i, 1 + (u * i + u + i) % 5) for u in range(60) for i in range(u % 7, 40, 10)]


def lines(mark, title=lambda k: "a title", header="user item title rating", rows=ROWS):
    """A file whose third column, of titles, is ignored."""
    head = [mark.join(header.split())] if header else []
    body = [mark.join([str(u), str(i), title(k), str(r)]) for k, (u, i, r) in enumerate(rows)]
    return "\n".join(head + body) + "\n"


def lone(k):
    return {10: '"Heroes', 50: 'sea"'}.get(k, "a title")


@pytest.mark.parametrize("mark", ["\t", ",", ";", "|"])
@pytest.mark.parametrize(
    "title",
    {
        "one over 40 rows": lone,
        "one to the end": lambda k: '"Heroes' if k == 10 else "a title",
        "over two rows": lambda k: {10: '"Heroes', 11: 'sea"'}.get(k, "a title"),
        "at the end of a title": lambda k: {10: 'sea"', 20: '"Heroes'}.get(k, "a title"),
        "within": lambda k: '"Crocodile" Dundee' if k == 10 else "a title",
    }.values(),
)
def test_a_lone_quote_swallows_no_row(tmp_path, mark, title):
    whole = data.load(write(tmp_path, lines(mark)), min_user_items=1)
    quoted = data.load(write(tmp_path, lines(mark, title)), min_user_items=1)
    assert pairs(quoted) == pairs(whole) and quoted.report["rows"] == len(ROWS)
    (line,) = [line for line in checks.describe(quoted) if line.startswith("read: ")]
    assert f"read: {len(ROWS)} rows" in line and (
        "quotes read as they stand" in line or title(20) == '"Heroes'
    )


@pytest.mark.parametrize(
    "text",
    {
        "beside quotes that are needed": lines(
            ",", lambda k: lone(k) if k < 60 else '"a title, the"'
        ),
        "in an id": lines(",").replace("\n10,", '\n"10,', 1).replace("\n20,", '\n20",', 1),
        "in a rating": lines(",") + '70,1,x,"5\n71,1,x,5"\n',
    }.values(),
)
def test_a_lone_quote_that_may_mean_something_is_refused_with_its_line(tmp_path, text):
    opens = 1 + next(k for k, line in enumerate(text.splitlines()) if line.count('"') == 1)
    with pytest.raises(UserError, match=f"line {opens}: (a quote opens here|is not CSV or TSV)"):
        data.load(write(tmp_path, text), min_user_items=1)


def test_texts_of_several_lines_are_read(tmp_path):
    text = lines(",", lambda k: f'"good, yes\r\nbut {k}, really, no, 5\n\nbye, 1"')
    interactions = data.load(write(tmp_path, text), min_user_items=1)
    assert pairs(interactions) == pairs(data.load(write(tmp_path, lines(",")), min_user_items=1))
    assert interactions.report["rows"] == len(ROWS)


@pytest.mark.parametrize(
    "mark, name", {";": "';'", "|": "'|'", "::": "'::'", " ": "blanks"}.items()
)
@pytest.mark.parametrize("header", ["user item rating\n", ""])
@pytest.mark.parametrize("comma", [False, True])
def test_other_separators_and_decimal_commas_are_read_and_told(tmp_path, mark, name, header, comma):
    rows = [(f"{u}", f"{i}", f"{r - 0.5}") for u, i, r in ROWS]
    expected = {(u, i) for u, i, r in rows if float(r) >= 3}
    text = header + "".join(" ".join(row) + "\n" for row in rows)
    text = text.replace(" ", mark)
    if comma:
        text = text.replace(".", ",")
    interactions = data.load(write(tmp_path, text), min_rating=3, min_user_items=1)
    assert pairs(interactions) == expected
    (line,) = [line for line in checks.describe(interactions) if line.startswith("read: ")]
    assert line == f"read: {len(rows)} rows; fields divided by {name}" + ", decimal commas" * comma


def test_decimal_commas_between_commas(tmp_path):
    quoted = write(tmp_path, 'user,item,rating\nu1,a,"4,5"\nu1,b,"3,5"\n')
    assert pairs(data.load(quoted, min_user_items=1)) == {("u1", "a")}
    with pytest.raises(UserError, match="line 2: found 4 fields, .*by ';' if its comma is a dec"):
        data.load(write(tmp_path, "user,item,rating\nu1,a,4,5\n"))
    split = data.load(write(tmp_path, "u1,a,4,5\nu1,b,4,0\n"), min_user_items=1)
    assert "column 4 holds 0 and 5 only" in checks.describe(split)[-1]


@pytest.mark.parametrize(
    "text, columns, first",
    {
        "letters over numbers": ("A1,X1,5\n1,2,4\n3,2,4\n", "1,2,3", ("A1", "X1")),
        "a known name as an id": ("u1,book,5\nu2,film,4\n", "1,2,3", ("u1", "book")),
        "the same without columns": ("u1,book,5\nu2,film,4\n", None, ("u1", "book")),
        "without a rating": ("u1,book\nu2,film\n", "1,2", ("u1", "book")),
        "an id that comes again": ("ann,book\nbob,book\n", "1,2", ("ann", "book")),
    }.values(),
)
def test_a_row_of_data_is_not_taken_for_a_header(tmp_path, text, columns, first):
    interactions = data.load(write(tmp_path, text), min_user_items=1, columns=columns)
    assert first in pairs(interactions) and interactions.report["rows"] == text.count("\n")


@pytest.mark.parametrize("columns", ["1,2,3", "1,2"])
def test_a_header_is_not_taken_for_data(tmp_path, columns):
    for header in ("user,item,rating", "kunde,artikel,note"):
        text = f"{header}\n" + "".join(f"{u},{i},{r}\n" for u, i, r in ROWS)
        interactions = data.load(write(tmp_path, text), min_user_items=1, columns=columns)
        assert interactions.report["rows"] == len(ROWS)
        assert "the first line is the header" in interactions.report["columns"]


def test_the_separator_that_a_spreadsheet_declares(tmp_path):
    interactions = data.load(write(tmp_path, "sep=;\nu1;a;5\nu1;b;4\nu2;a;5\n"), min_user_items=1)
    assert pairs(interactions) == PLAIN
    with pytest.raises(UserError, match="line 3: the rating 'x' is not a number"):
        data.load(write(tmp_path, "sep=;\nu1;a;5\nu1;b;x\n"), min_user_items=1)


def test_a_header_that_comes_again_is_told(tmp_path):
    table = write(tmp_path, "user,item\nu1,a\nuser,item\nu1,b\n")
    lines = checks.describe(data.load(table, min_user_items=1))
    assert "the header, user,item, seems to come again as a row" in lines[-1]


def test_a_lone_quote_in_a_table_of_items_swallows_no_item(tmp_path):
    rows = "".join(f"{i}\t{lone(i)}\tkind {i % 3}\n" for i in range(80))
    items = write(tmp_path, "item\ttitle\tkind\n" + rows, "items.tsv")
    names_of = data.read_categories(items, "kind")
    assert names_of == {f"{i}": [f"kind {i % 3}"] for i in range(80)}
    with pytest.raises(UserError, match="items.tsv, line 12: a quote opens here and ends only in"):
        write(tmp_path, (tmp_path / "items.tsv").read_text() + '99\tx\t"y"\n', "items.tsv")
        data.read_categories(items, "kind")


def packed(text):
    return gzip.compress(text.encode())


def test_gzip_is_read_and_damage_told(tmp_path):
    path = tmp_path / "ratings.csv.gz"
    path.write_bytes(packed("u1,a,5\nu1,b,4\nu2,a,5\n"))
    assert pairs(data.load(path, min_user_items=1)) == PLAIN
    path.write_bytes(packed(lines(","))[:100])
    with pytest.raises(UserError, match="ratings.csv.gz: is cut or damaged .*fetch it"):
        data.load(path)


@pytest.mark.parametrize(
    "content, message",
    {
        "zip": (b"PK\x03\x04...", "is a zip or an Excel workbook; unpack it, or save"),
        "xz": (b"\xfd7zXZ...", "is packed by xz; unpack it"),
        "UTF-16": ("user,item\n".encode("utf-16"), "is UTF-16 text; save it as plain UTF-8 text"),
        "JSON lines": (
            b'{"asin": "B0", "overall": 5}\n',
            "line 1: is JSON; .*data_scripts/amazon.py",
        ),
        "a list of JSON": (b'[\n{"asin": "B0"}]\n', "line 1: is JSON"),
        "Parquet": (b"PAR1....", "is Parquet, which pyarrow reads|is no whole Parquet file"),
    }.values(),
)
def test_what_is_no_csv_says_so(tmp_path, content, message):
    (tmp_path / "ratings.csv").write_bytes(content)
    with pytest.raises(UserError, match=f"ratings.csv.* {message}"):
        data.load(tmp_path / "ratings.csv")


def test_a_pipe_is_read_once(tmp_path):
    def through_pipe(text, **options):
        path = tmp_path / "pipe"
        os.mkfifo(path)
        writer = threading.Thread(target=path.write_text, args=(text,))
        writer.start()
        try:
            return data.load(path, min_user_items=1, **options)
        finally:
            writer.join()
            path.unlink()

    interactions = through_pipe("user,item\nu1,a\nu1,b\nu2,a\n")
    assert pairs(interactions) == PLAIN
    assert "is a pipe, read once" in checks.describe(interactions)[-1]
    with pytest.raises(UserError, match="line 12: a quote opens here"):
        through_pipe(lines(",", lone))
    with pytest.raises(UserError, match="is a pipe, which is read once; save it as a file"):
        through_pipe("user,item,kind\nu1,a,x\n", categories="kind")


def test_parquet_is_read(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    path = tmp_path / "ratings.parquet"
    frame = pandas.DataFrame(ROWS, columns=["user", "item", "rating"])
    frame["kind"] = [["x", "y"]] * len(frame)
    frame.to_parquet(path)
    interactions = data.load(path, min_user_items=1, categories=f"{path}:kind")
    assert pairs(interactions) == {(f"{u}", f"{i}") for u, i, r in ROWS if r >= 4}
    assert interactions.category_names == ("x", "y")


def test_the_docs_list_the_known_names():
    text = (ROOT / "docs" / "data.md").read_text()
    for part, known in column_names.KNOWN_NAMES.items():
        assert set(re.search(rf"^\| {part} \| (.*) \|$", text, re.M)[1].split(", ")) == known


@pytest.mark.parametrize(
    "columns, message",
    [
        ("user,film", "line 1: there is no column 'film' .*; its columns are user,item"),
        ("1,3", "no column '3'"),
        ("user,itm", "its columns are user,item, .*; did you mean 'item'?"),
        ("user,item,time=wen", "'wen' .*columns are user,item, or numbers from 1$"),
        ("user,item,time=usr", "did you mean 'user'?"),
        ("user,item,event=item", "without events every row would count, .*--events .*leave event="),
        ("user", r"expected USER,ITEM\[,RATING\]\[,event=NAME\]\[,time=NAME\]"),
        ("1,1", "expected USER,ITEM"),
    ],
)
def test_columns_that_are_not_there(tmp_path, columns, message):
    with pytest.raises(UserError, match=message):
        data.load(write(tmp_path, "user,item\nu1,a\n"), columns=columns)


@pytest.mark.parametrize("form", ["a file", "dicts"])
def test_a_time_that_is_named_but_not_needed_is_not_called_ignored(tmp_path, form):
    options = {"columns": "buyer,sku,time=when", "min_user_items": 1}
    rows = [{"buyer": "u1", "sku": "a", "city": "x", "when": 7}] * 2
    text = "buyer,sku,city,when\n" + "u1,a,x,7\n" * 2
    source = rows if form == "dicts" else str(write(tmp_path, text))
    told = interactions_of(source, Config(**options)).report["columns"]
    assert "time=when is read where split or since asks; ignored: city" in told
    with pytest.raises(UserError, match="without events every row would count"):
        interactions_of(source, Config(**options | {"columns": "buyer,sku,event=city"}))
    by_name = interactions_of(source, Config(min_user_items=1)).report["columns"]
    assert "user=buyer, item=sku" in by_name


def test_kinds_of_events_are_named_for_categories_of_the_same_file_too(tmp_path):
    path = write(tmp_path, "who,sku,kind,what\nu1,a,buy,x\nu2,b,view,x\n")
    named = {"columns": "who,sku,event=what", "categories": "kind", "events": "x=1"}
    read = data.load(path, min_user_items=1, **named)
    assert tuple(read.category_names) == ("buy", "view")


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


@pytest.mark.parametrize("text", ["0 1 2 3\n1 5\n\n2\n", "0 5 3 5 2 1\n1 7 8 9 4 4\n"])
def test_lines_of_user_and_items_are_read_as_they_are(tmp_path, text):
    read = data.load(write(tmp_path, text), min_user_items=1)
    rows = [line.split() for line in text.splitlines() if line]
    pairs = zip(np.repeat(read.users, np.diff(read.X.indptr)), read.items[read.X.indices])
    assert set(pairs) == {(user, item) for user, *items in rows for item in items}
    assert "lines of 'user item item ...'" in read.report["columns"]


def test_a_table_divided_by_blanks_is_no_list(tmp_path):
    """Triples have one width, and a line of another makes no lists of them."""
    text = "".join(f"{k} {k % 7} {4 + k % 2}\n" for k in range(50))
    read = data.load(write(tmp_path, text), min_user_items=1)
    assert read.X.nnz == 50 and len(read.items) == 7
    with pytest.raises(UserError, match="line 1: found 1 field"):
        data.load(write(tmp_path, text + "8 1\n"))


GOOD = "user,item,rating\n" + "".join(f"u{k},i{k % 3},5\n" for k in range(20))


@pytest.mark.parametrize("header", ["Kunde;Artikel;Umsatz;Menge\n", ""])
def test_amounts_with_thousands_are_in_fields_divided_by_semicolons(tmp_path, header):
    rows = "".join(f"u{k};i{k % 3};1.234,{k + 10};2\n" for k in range(20))
    table = write(tmp_path, header + rows)
    found = data.load(table, min_user_items=1, columns="Kunde,Artikel" if header else "1,2")
    assert found.X.shape == (20, 3) and "';'" in found.report["how_read"]


def test_words_that_may_be_a_header_are_told_apart_from_rows(tmp_path):
    """Names in a first line are there already."""
    for first, remedy in (
        ("was,wer,wo,wann,wie\n", "give them known names, such as user,item,rating, or say which"),
        ("a,x,1,2,3\n", "name them in a first line, or say which"),
    ):
        with pytest.raises(UserError, match=f"line 1: found 5 fields, .*; {remedy}"):
            data.load(write(tmp_path, first + "a,x,1,2,3\n" * 5))


@pytest.mark.parametrize(
    "lines, message",
    [
        ("a,x\n", "^FILE, line 22: found 2 fields, expected 3 as in the first line; mend the line"),
        (
            "a,x\nb,y,abc\n",
            "^FILE, line 22: found 2 fields, expected 3 as in the first line; line 23: the rating"
            " 'abc' is not a number; 2 broken lines in all: mend or remove them$",
        ),
        (
            "a,x\na,x,5\n,y,4\nb,,4\nb,y,inf\nb,y,4,4\n",
            "^FILE, line 22: found 2 fields.*; line 24: the user id is empty; line 25: the item id"
            " is empty; 5 broken lines in all: mend or remove them$",
        ),
        (
            "a,x\n" * 2000,
            "line 22: .* line 24: found 2 fields; 1,000 or more broken lines in all: mend them$",
        ),
        (
            'a,x\n"b,y,4\n',
            "^FILE, line 22: found 2 fields.*; line 23: is not CSV.* 2 broken lines in all:",
        ),
    ],
    ids=("one", "two", "five", "very many", "a quote"),
)
def test_broken_lines_are_counted_and_the_first_of_them_told(tmp_path, lines, message):
    path = tmp_path / "ratings.csv"
    path.write_text(GOOD + lines)
    with pytest.raises(UserError, match=message.replace("FILE", re.escape(str(path)))):
        data.load(path)


def test_broken_lists_are_counted_too(tmp_path):
    (tmp_path / "train.txt").write_text("0 1 2 3 4 5 6\n" * 10 + "1 x\n2 3 4\n3 4 y\n")
    with pytest.raises(UserError, match="line 11: .*; line 13: found '3 4 y'; 2 broken lines"):
        ratings_file.read_ratings(tmp_path / "train.txt", as_lists=True)
