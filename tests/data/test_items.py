"""A table of items: what is read of it, what is refused, and what interactions make of it."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from helpers import write

from macrid import Recommender, data
from macrid.config import Config
from macrid.data import checks, items
from macrid.data.sources import interactions_of
from macrid.errors import UserError

TABLE = '''\
sku;Name;Department;Brand;Price;Image;weight;colour;made
a;Mug, blue;Home > Kitchen > Mugs;Linnea;4,50;a.png;300;blue;
b;"Cup; ""red""";Home > Kitchen;;5;;250;red;
c;;Food>Tea|Gifts;Mole;;c.png;;;
d;Bowl;Home > Bath;Mole;12;;400;;1999
'''
HISTORIES = "user,item\n" + "".join(f"u{u},{i}\n" for u in range(4) for i in "abce")


def fitted(tmp_path, table=TABLE, level=1, **options):
    """The interactions of four users with a, b, c and e, and what a table says of their items."""
    path = write(tmp_path, table, "items.csv")
    config = Config(min_user_items=1, items=str(path), category_level=level, **options)
    return interactions_of(write(tmp_path, HISTORIES), config)


def test_everything_in_a_table_is_read(tmp_path):
    table = items.read(write(tmp_path, TABLE, "items.csv"))
    assert table.ids.tolist() == ["a", "b", "c", "d"]
    assert table.titles.tolist() == ["Mug, blue", 'Cup; "red"', "", "Bowl"]
    assert table.brands.tolist() == ["Linnea", "", "Mole", "Mole"]
    assert table.pictures == [tmp_path / "a.png", None, tmp_path / "c.png", None]
    np.testing.assert_array_equal(table.numbers["price"], [4.5, 5, np.nan, 12])
    np.testing.assert_array_equal(table.numbers["weight"], [300, 250, np.nan, 400])
    assert table.paths[0] == ("Home", "Kitchen", "Mugs") and ("Food", "Tea") in table.paths
    assert table.columns_used == (
        "item=sku, title=Name, category=Department, brand=Brand, price=Price, picture=Image,"
        " weight; ignored: colour, made"
    ), "a column of text is ignored, and one that says too little"


def test_the_same_table_from_elsewhere(tmp_path):
    columns = {"id": [7.0, 8], "genres": [["x", "y > z"], None], "price": [2, None]}
    rows = [{name: values[n] for name, values in columns.items()} for n in range(2)]
    packed = tmp_path / "items.tsv.gz"
    packed.write_bytes(gzip.compress(b"id\tgenres\tprice\n7\tx|y > z\t2\n8\t\t\n"))
    for source in (rows, columns, packed):
        table = items.read(source)
        assert table.ids.tolist() == ["7", "8"]
        assert table.paths == (("x",), ("y", "z"))
        np.testing.assert_array_equal(table.numbers["price"], [2, np.nan])
        assert table.categories(2) == [["x", "z"], []]


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_data_frames(library, tmp_path):
    module = pytest.importorskip(library)
    columns = {"sku": ["a", "b"], "title": ["A", None], "price": [1.5, None], "sold": [True, False]}
    frame = getattr(module, "table" if library == "pyarrow" else "DataFrame")(columns)
    table = items.read(frame)
    assert table.titles.tolist() == ["A", ""] and np.isnan(table.numbers["price"][1])
    assert "ignored: sold" in table.columns_used
    if library == "pyarrow":
        from pyarrow.parquet import write_table

        write_table(frame, tmp_path / "items.parquet")
        assert items.read(tmp_path / "items.parquet").titles.tolist() == ["A", ""]


def test_columns_are_named_where_their_names_are_not_known(tmp_path):
    path = write(tmp_path, "Artikel;Bezeichnung;Preis\n1;Becher;4,5\n2;Tasse, rot;5,0\n", "i.csv")
    table = items.read(path, "item=Artikel, title=Bezeichnung,price=Preis")
    assert table.titles.tolist() == ["Becher", "Tasse, rot"]
    assert table.numbers["price"].tolist() == [4.5, 5]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("item,title\na,A\nb,B\na,C\n", "", "line 4: item 'a' comes again .first in line 2.; keep"),
        ("item,price\na,1\nb,$2\n", "", "line 3: the price is '.2', expected a number; write it"),
        ("item,price\na,inf\n", "", "line 2: the price is 'inf', expected a number"),
        ("name,price\na,1\n", "", "line 1: the header is 'name,price', without a column of items"),
        ("a,b\n", "item=sku", "line 1: the header is 'a,b', without a column 'sku'"),
        ("code,name\nx,X\n", "item=cod", "without a column 'cod'; .*; did you mean 'code'?"),
        ("item,b\na,1\n", "name=b", "item_columns is 'name=b', expected item=NAME, title=NAME"),
        ("item,b\na,1\n", "item=b,title=b", "which names a column twice"),
        ("item,b\n,1\n", "", "line 2: the item id is empty; fill it in or remove the row"),
        ("item,b\n", "", "has no rows; expected one an item"),
        ("item\na\n", "", "there is only the column 'item'; expected others beside it, such as"),
        ("item,b,b\na,1,2\n", "", "several columns are called 'b'; give each its own name"),
        ("item,title\na,A,B\n", "", "line 2: found 3 fields, expected 2 as in the first"),
        ("", "", "is empty; expected"),
    ],
)
def test_bad_tables_are_refused_with_the_line(tmp_path, text, columns, message):
    path = write(tmp_path, text, "items.csv")
    with pytest.raises(UserError, match=f"items.csv.*{message}|^{message}|{message}$"):
        items.read(path, columns)


def test_bad_files_and_objects_are_refused(tmp_path):
    path = write(tmp_path, "item,title\na,Krug\nb,Schüssel\n", "items.csv", "latin-1")
    with pytest.raises(UserError, match="items.csv, line 3: is not UTF-8 text .byte 0xfc.; save"):
        items.read(path)
    with pytest.raises(UserError, match="nowhere.csv: cannot be read"):
        items.read(tmp_path / "nowhere.csv")
    with pytest.raises(UserError, match="items is of type int, expected a path, a DataFrame, or"):
        items.read(7)
    with pytest.raises(UserError, match="the columns have .1, 2. rows; expected equally many"):
        items.read({"item": ["a"], "title": ["A", "B"]})
    with pytest.raises(UserError, match="row 1 .the first is 0.: item 'a' comes again"):
        items.read({"item": ["a", "a"], "title": ["A", "B"]})


def test_pictures_that_are_addresses_are_not_fetched(tmp_path):
    table = items.read(write(tmp_path, "item,image\na,https://x.org/a.png\nb,\n", "items.csv"))
    assert table.pictures is None and "addresses, which are not fetched" in table.columns_used


def test_odd_fields_are_only_text(tmp_path):
    long, half = "p" * 3000, "x\ud800"
    table = {"item": ["a", "b", "c"], "title": [half, long, "\x1b[2J"], "image": [long, "a\0", ""]}
    made = interactions_of(write(tmp_path, HISTORIES), Config(min_user_items=1), table)
    assert made.titles.tolist()[:2] == ["x?", "p" * 1000]
    assert "2 pictures are not there" in str(checks.describe(made))
    model = Recommender(K=2, d=4, max_epochs=1, min_user_items=1)
    model.fit([(u, i) for u in range(30) for i in "abcdef"], items=table).save(
        tmp_path / "model.npz"
    )
    assert Recommender.load(tmp_path / "model.npz").titles[0] == "x?"


def test_interactions_with_a_table(tmp_path):
    (tmp_path / "a.png").touch()
    made = fitted(tmp_path)
    assert made.items.tolist() == ["a", "b", "c", "e"]
    assert made.titles.tolist() == ["Mug, blue", 'Cup; "red"', "c", "e"], "the id where none is"
    assert made.category_names == ("Food", "Gifts", "Home")
    assert made.item_categories(np.arange(4)) == ["Home", "Home", "Food, Gifts", ""]
    assert made.picture_paths() == {"a": tmp_path / "a.png", "c": tmp_path / "c.png"}
    assert made.unadopted.ids.tolist() == ["d"] and made.unadopted.numbers["price"] == [12]
    assert made.within("Kitchen").tolist() == [True, True, False, False]
    assert made.within("Home > Kitchen").tolist() == [True, True, False, False]
    assert made.within("Kitchen > Mugs").tolist() == [True, False, False, False]
    with pytest.raises(UserError, match="'kitchen' is unknown; did you mean 'Kitchen'?"):
        made.within("kitchen")
    lines = checks.describe(made)
    assert any("3 of 4 items have a row; 1 rows are of items without" in line for line in lines)
    assert f"warning: 1 pictures are not there, such as {tmp_path / 'c.png'}; left out" in lines
    assert "3 categories; 3 of 4 items have one or more" in lines
    assert fitted(tmp_path, level=0).category_names == made.category_names, "as many as K, 2"
    assert fitted(tmp_path, level=0, K=4).category_names == ("Gifts", "Kitchen", "Tea")
    assert fitted(tmp_path, level=2).category_names == ("Gifts", "Kitchen", "Tea")


def test_a_table_adds_nothing_to_what_was_adopted(tmp_path):
    plain = interactions_of(write(tmp_path, HISTORIES), Config(min_user_items=1))
    with_table = fitted(tmp_path)
    assert (plain.X != with_table.X).nnz == 0 and plain.items.tolist() == with_table.items.tolist()


def test_what_is_said_twice_is_refused(tmp_path):
    for option, column in (("categories", "category"), ("pictures", "picture")):
        value = f"{write(tmp_path, TABLE, 'items.csv')}:colour"
        with pytest.raises(UserError, match=f"{option} is .*leave out {option}, or the {column}"):
            fitted(tmp_path, **{option: value})
    table = TABLE.replace("Department", "shelf").replace("Image", "seen")
    made = fitted(tmp_path, table, categories=f"{write(tmp_path, table, 'items.csv')}:colour")
    assert made.category_names == ("blue", "red"), "categories from elsewhere stay possible"
    assert made.within("red").tolist() == [False, True, False, False]


def test_ids_that_do_not_fit_are_told(tmp_path):
    with pytest.raises(UserError, match="has a row of none of the items .*are its ids those of"):
        fitted(tmp_path, "sku,title\nx,X\n")
    with pytest.raises(UserError, match="are the user and item columns swapped"):
        fitted(tmp_path, "sku,title\nu1,X\n")
    rows = "user,item\n1,7\n2,8\n1,8\n2,7\n"
    table = {"item": ["007", "8"], "title": ["A", "B"]}
    made = interactions_of(write(tmp_path, rows), Config(min_user_items=1), table)
    assert "1 items have no row as they are written otherwise there, such as '007' for '7'" in str(
        checks.describe(made)
    )


def test_a_recommender_knows_the_titles_and_the_categories(tmp_path):
    rows = [(f"u{u}", f"i{i}") for u in range(40) for i in range(12) if (u + i) % 3]
    table = {
        "item": [f"i{i}" for i in range(13)],
        "title": [f"Thing {i}" for i in range(13)],
        "category": ["A > B", "A > C"] * 6 + ["D"],
    }
    options = {"K": 2, "d": 4, "max_epochs": 1, "min_user_items": 1, "category_level": 2}
    given = Recommender(**options).fit(rows, items=table)
    model = Recommender(items=table, **options).fit(rows)
    np.testing.assert_array_equal(model.parameters["H"], given.parameters["H"])
    model.save(tmp_path / "model.npz")
    for one in (model, Recommender.load(tmp_path / "model.npz")):
        ids, _ = one.recommend(["u1", "u2"], n=3)
        assert one.item_titles(ids).tolist() == [
            [f"Thing {name[1:]}" for name in row] for row in ids.tolist()
        ]
        assert one.item_titles("") == "" and one.item_titles(["i3"]) == ["Thing 3"]
        is_even = [int(name[1:]) % 2 == 0 for name in one.items]
        assert one.catalogue.within("B").tolist() == one.catalogue.within("A > B").tolist()
        assert one.catalogue.within("B").tolist() == is_even
    path = write(tmp_path, "item,title\ni1,One\n", "items.csv")
    named = Recommender(items=path, **options).fit(rows)
    assert named.config.items == str(path) and "One" in named.titles
    plain = Recommender(**options).fit(rows)
    assert plain.titles is None and plain.item_titles(["i1"]) == ["i1"]


def test_the_face_and_a_folder_of_movielens(tmp_path):
    write(tmp_path, "userId,movieId,rating,timestamp\n1,7,5,0\n1,8,5,0\n")
    write(tmp_path, "movieId,title,genres\n7,Heat,Crime\n8,Other,Drama\n", "movies.csv")
    films = data.load(tmp_path, min_user_items=1)
    made = items.with_items(films, {"movieId": [7], "title": ["Warm"]}, Config())
    assert made.titles.tolist() == ["Warm", "8"] and made.category_names == ("Crime", "Drama")
    assert made.known_of(np.array([0])).paths == (("Crime",), ("Drama",))
    assert isinstance(items.read({"id": ["a"], "photo": ["p.png"]}).pictures[0], Path)
