"""What is known of items: paths of categories, taken at any level."""

import numpy as np
import pytest

from macrid.data import items
from macrid.errors import UserError


def of(*categories):
    ids = [f"i{place}" for place in range(len(categories))]
    return items.read({"item": ids, "category": list(categories)})


def test_a_level_names_each_category_once():
    table = of("Home > Small > Mugs", "Phones > Small", "Home > Bath", "")
    assert table.categories(1) == [["Home"], ["Phones"], ["Home"], []]
    assert table.categories(2) == [["Home > Small"], ["Phones > Small"], ["Bath"], []]
    assert table.categories(3) == [["Mugs"], ["Small"], ["Bath"], []], "a short path has its last"


def test_a_level_has_enough_categories_or_the_most():
    assert of("All > Home > Mugs", "All > Food").level() == 2
    assert of("Home > Mugs", "Food").level() == 1
    assert of("Home", "Home").level() == 1 and of("", "").level() == 1
    table = of("A > B > C", "A > D > E", "A > D > F")
    assert [table.level(fewest) for fewest in (1, 2, 3, 9)] == [1, 2, 3, 3]


def test_within_finds_names_and_paths_at_any_level():
    table = of("Home > Kitchen > Mugs|Gifts", "Home > Bath", "Kitchen")
    found = {name: table.within(name).tolist() for name in ("Home", "Kitchen", "Home>Bath")}
    assert found["Home"] == [True, True, False] and found["Kitchen"] == [True, False, True]
    assert found["Home>Bath"] == [False, True, False]
    assert table.within("Gifts").tolist() == [True, False, False]
    with pytest.raises(UserError, match="category 'Home > Mugs' is unknown; did you mean|known"):
        table.within("Home > Mugs")
    with pytest.raises(UserError, match="category ' > ' is unknown; known are"):
        table.within(" > ")
    with pytest.raises(UserError, match="category 'x' is unknown; known are none"):
        items.read({"item": ["a"], "title": ["A"]}).within("x")


def test_rows_are_taken_and_missing_ones_are_empty():
    table = items.read({"item": ["a", "b"], "title": ["A", "B"], "price": [1, 2], "kind": ["", ""]})
    taken = table.rows(np.array([1, -1, 0]))
    assert taken.ids.tolist() == ["b", "", "a"] and taken.titles.tolist() == ["B", "", "A"]
    np.testing.assert_array_equal(taken.numbers["price"], [2, np.nan, 1])
    paths = of("Home", "Food").rows(np.array([-1, 1])).paths_of_item
    assert paths.toarray().tolist() == [[0, 0], [0, 1]] and paths.nnz == 1
