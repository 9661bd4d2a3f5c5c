"""From files to interactions: what is read, what is dropped and counted, and what is said of a bad file."""

import gzip

import numpy as np
import pytest

from macrid import checks, data
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
    assert pairs(data.load(table, min_user_items=1)) == {("u1", "a, the first"), ("u\n2", 'say "b"')}


def test_everything_dropped_is_counted(tmp_path):
    table = write(tmp_path, "u1,a,5\nu1,b,5\nu1,a,5\nu2,c,5\nu1,d,1\nu3,a,5\nu3,b,4\n")
    interactions = data.load(table, min_user_items=2)
    assert interactions.report == {
        "rows": 7, "rows_below_min_rating": 1, "min_rating": 4.0, "contradicting": 0, "duplicate_rows": 1, "users_dropped": 1, "adoptions_of_dropped_users": 1, "items_dropped": 1,
    }  # fmt: skip
    assert pairs(interactions) == {("u1", "a"), ("u1", "b"), ("u3", "a"), ("u3", "b")}
    assert "1 ratings below 4" in checks.describe(interactions)[1]


def test_rows_keep_the_order_of_the_file_and_ids_the_order_of_first_appearance(tmp_path):
    interactions = data.load(write(tmp_path, "z,9\ny,2\nz,1\nz,2\ny,9\n"), min_user_items=1)
    assert list(interactions.users) == ["z", "y"] and list(interactions.items) == ["9", "2", "1"]
    X = interactions.X
    assert [list(interactions.items[X.indices[X.indptr[u] : X.indptr[u + 1]]]) for u in (0, 1)] == [["9", "1", "2"], ["2", "9"]]


def test_the_thresholds_are_options(tmp_path):
    table = write(tmp_path, "u1,a,2\nu1,b,3\nu2,a,3\n")
    assert data.load(table, min_rating=3, min_user_items=1).X.nnz == 2
    assert data.load(table, min_rating=0, min_user_items=2).X.nnz == 2


def test_a_movielens_folder_brings_titles_and_all_genres(tmp_path):
    write(tmp_path, "userId,movieId,rating,timestamp\n1,7,5,0\n1,8,5,0\n1,9,5,0\n")
    write(tmp_path, 'movieId,title,genres\n7,"Heat, The (1995)",Crime|Action\n8,Other,(no genres listed)\n', "movies.csv")
    interactions = data.load(tmp_path, min_user_items=1)
    assert list(interactions.titles) == ["Heat, The (1995)", "Other", "9"]
    assert interactions.category_names == ("Action", "Crime")
    np.testing.assert_array_equal(interactions.categories.toarray(), [[1, 1], [0, 0], [0, 0]])


BAD = {
    "empty file": ("", "is empty"),
    "only a header": ("user,item,rating\n", "has no ratings"),
    "wrong header": ("user,colour,rating\nu,a,5\n", r"line 1: the header is 'user,colour,rating', expected columns such as"),
    "neither header nor rating": ("customer name,thing,score out of five\nu,a,5\n", "line 1: .*neither a header"),
    "one field": ("hello\n", "line 1: found 1 field, expected user,item"),
    "too few fields": ("u1,a,5\nu1,b\n", "line 2: found 2 fields, expected 3"),
    "too many fields": ("u1,a,5\nu1,b,5,1,1\n", "line 2: found 5 fields, expected 3"),
    "rating not a number": ("user,item,rating\nu1,a,5\nu1,b,good\n", "line 3: the rating 'good' is not a number"),
    "rating NaN": ("u1,a,5\nu1,b,nan\n", "line 2: the rating is nan"),
    "rating infinite": ("u1,a,5\nu1,b,inf\n", "line 2: the rating is inf"),
    "empty user": ("u1,a,5\n,b,5\n", "line 2: the user id is empty"),
    "empty item": ("u1,a,5\nu1,,5\n", "line 2: the item id is empty"),
    "open quote": ('u1,a,5\nu1,"b,5\n', "is not a CSV or TSV file"),
    "nobody left": ("u1,a,5\nu1,b,5\n", "no user has 5 adoptions or more"),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_bad_tables_name_file_line_and_remedy(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(UserError, match=message) as error:
        data.load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_other_encodings_and_binary_files_are_refused(tmp_path):
    with pytest.raises(UserError, match="is not UTF-8 text"):
        data.load(write(tmp_path, "u1,café,5\n" * 9, encoding="latin-1"))
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
    with pytest.raises(UserError, match="ratings go up to 10, not 5; say which count .* --min-rating 8"):
        data.load(table, min_user_items=1)
    assert pairs(data.load(table, min_rating=9, min_user_items=1)) == {("u1", "a"), ("u2", "a")}
    with pytest.raises(UserError, match="not 5; say which"):
        data.from_pairs(["u1", "u2"], ["a", "b"], ratings=[1, 250])  # counts


def test_timestamps_in_place_of_ratings_are_refused(tmp_path):
    with pytest.raises(UserError, match="so they are timestamps; name the columns in a first line user,item,timestamp"):
        data.load(write(tmp_path, "u1,a,1300000000\nu2,b,1300000001\n"), min_rating=1, min_user_items=1)
    named = write(tmp_path, "user,item,timestamp\nu1,a,1300000000\nu2,b,1300000001\n")
    assert pairs(data.load(named, min_user_items=1)) == {("u1", "a"), ("u2", "b")}


def test_contradicting_rows_are_counted_and_told(tmp_path):
    interactions = data.load(write(tmp_path, "u1,a,5\nu1,a,1\nu1,b,5\nu2,b,1\n"), min_user_items=1)
    assert interactions.report["contradicting"] == 1 and pairs(interactions) == {("u1", "a"), ("u1", "b")}
    assert any("1 pairs were rated both above and below" in line for line in checks.describe(interactions))


def test_a_large_loss_of_users_is_told(tmp_path):
    table = write(tmp_path, "".join(f"u{u},a,5\n" for u in range(9)) + "v,a,5\nv,b,5\n")
    lines = checks.describe(data.load(table, min_user_items=2))
    assert any("90% of the users are dropped" in line for line in lines)


def test_categories_of_other_ids_say_why(tmp_path):
    table = write(tmp_path, "u1,1\nu1,2\nu2,1\n")
    other = tmp_path / "items.csv"
    for text, why in (("item,kind\nu1,x\n", "columns swapped"), ("item,kind\n1.0,x\n", "'1.0' there is written otherwise than '1' here"), ("item,kind\nz,x\n", "are its ids those of")):
        other.write_text(text)
        with pytest.raises(UserError, match=why):
            data.load(table, min_user_items=1, categories=f"{other}:kind")


def test_very_few_users_and_many_items_look_swapped(tmp_path):
    table = write(tmp_path, "".join(f"u{u},i{i}\n" for u in range(2) for i in range(150 * u, 150 * u + 150)))
    assert any("swapped" in line for line in checks.describe(data.load(table, min_user_items=1)))
