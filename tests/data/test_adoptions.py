"""What interactions say of their items, and matrices of ones."""

from pathlib import Path

import numpy as np

from macrid import data
from macrid.data import shop
from macrid.data.adoptions import csr_of_ones, csr_of_rows


def test_items_have_titles_and_categories_or_ids_and_blanks():
    plain = data.from_pairs(["u", "u", "v"], ["a", "b", "c"])
    assert plain.item_titles(np.array([2, 0])) == ["c", "a"]
    assert plain.item_categories(np.array([2, 0])) == ["", ""]
    titles = np.array(["Alpha", "Beta", "Gamma"])
    named = data.with_categories(plain, [["Drama", "Comedy"], [], ["Comedy"]], titles)
    assert named.category_names == ("Comedy", "Drama")
    assert named.item_titles(np.array([2, 0])) == ["Gamma", "Alpha"]
    assert named.item_categories(np.arange(3)) == ["Comedy, Drama", "", "Comedy"]
    assert plain.categories is None, "the first interactions are as they were"


def test_pictures_are_those_given_or_those_that_the_shop_draws(tmp_path, monkeypatch):
    monkeypatch.setenv("MACRID_CACHE", str(tmp_path))
    plain = data.from_pairs(["u", "u"], ["a", "b"])
    assert not plain.has_pictures and plain.picture_paths() == {}
    given = data.Interactions(plain.X, plain.users, plain.items, pictures=[None, Path("b.png")])
    assert given.has_pictures and given.picture_paths() == {"b": Path("b.png")}
    made = shop.make(users=5, items=60, fewest=2, most=5)
    assert made.has_pictures and not list(tmp_path.iterdir()), "drawn when they are asked for"
    paths = made.picture_paths()
    assert list(paths) == made.items.tolist() and all(path.is_file() for path in paths.values())


def test_matrices_of_ones_keep_the_order_of_a_row():
    X = csr_of_rows([[2, 0], [], [1]], 3)
    np.testing.assert_array_equal(X.toarray(), [[1, 0, 1], [0, 0, 0], [0, 1, 0]])
    assert X.indices.tolist() == [2, 0, 1] and X.dtype == np.float32
    assert csr_of_rows([], 3).shape == (0, 3) and csr_of_rows([[]], 3).nnz == 0
    assert (csr_of_ones(X.indices, X.indptr, X.shape) != X).nnz == 0
