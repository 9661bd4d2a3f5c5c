"""What concepts are called, what is typical of them, and their map."""

import numpy as np
import pytest
from scipy import sparse

from macrid.interpret import maps


def test_a_concept_is_called_after_a_category_only_where_that_is_reliable():
    usual = np.array([0.45, 0.10, 0.02])
    names = lambda p, n: maps.namesake(np.array(p), usual, n)
    assert names([0.70, 0.10, 0.02], 200) == 0
    assert names([0.60, 0.10, 0.02], 2000) is None, (
        "most of its items, but nearly as many of all items"
    )
    assert names([0.45, 0.35, 0.02], 60) == 1, "no majority, but three times what is usual"
    assert names([0.45, 0.35, 0.02], 20) is None, "7 items"
    assert names([0.45, 0.10, 0.12], 2000) is None, (
        "six times what is usual, and still one item of eight"
    )
    assert names([0.70, 0.10, 0.02], 20) is None, (
        "14 items, where chance gives 9 and a standard error of 2.2"
    )
    assert names([0.0, 0.0, 0.0], 0) is None


def test_names_shares_and_typical_items_of_concepts():
    C = (
        np.repeat(np.eye(3)[:2], (30, 20), axis=0) * 0.8 + np.linspace(0, 0.1, 50)[:, None]
    )  # concept 2 holds no item
    categories = sparse.csr_array(np.eye(5)[np.r_[np.zeros(28, int), 1, 1, 1 + np.arange(20) % 4]])
    adopters = np.arange(149, 99, -1)
    first, second, empty = maps.described(
        C,
        categories,
        ("bag", "mug", "lamp", "shoe", "chair"),
        adopters,
        [f"t{i}" for i in range(50)],
    )
    assert (first.name, first.category, first.count, first.share, first.examples) == (
        "concept 0: bag",
        0,
        30,
        0.6,
        (),
    )
    of_bags, of_first, of_all = (adopters[:n].sum() for n in (28, 30, 50))
    expected = (of_bags / of_first, of_bags / of_all, 28 / 30)
    assert first.telling == [("bag", *map(pytest.approx, expected))]
    assert (second.name, second.category) == ("concept 1", None) and second.examples == (
        "t47",
        "t48",
        "t49",
    ), "equal to two digits: the better known first"
    assert second.best_known.tolist() == list(range(30, 38)) and [
        name for name, *_ in second.telling
    ] == ["lamp", "shoe", "chair"]
    assert (empty.name, empty.count, empty.telling) == ("concept 2", 0, [])
    assert maps.described(C, None, (), np.ones(50), [""] * 50)[0].name == "concept 0"


def test_a_concept_is_called_after_what_is_adopted_there():
    # concept 0: 60 bags that hardly anybody takes, 40 mugs; concept 1: 100 lamps, 20 more bags
    C = np.repeat(np.eye(2), (100, 120), axis=0)
    category = np.repeat([0, 1, 2, 0], (60, 40, 100, 20))
    categories = sparse.csr_array(np.eye(3)[category])
    names = lambda adopters: [
        concept.name
        for concept in maps.described(C, categories, ("bag", "mug", "lamp"), adopters, [""] * 220)
    ]
    assert names(np.ones(220)) == ["concept 0: bag", "concept 1: lamp"], "all adopted alike"
    sold = np.where(category == 0, 1, 30)
    first, _ = maps.described(C, categories, ("bag", "mug", "lamp"), sold, [""] * 220)
    assert (first.name, first.category) == ("concept 0: mug", 1)
    mugs, adopted = 40 * 30, 40 * 30 + 60
    expected = (mugs / adopted, mugs / (adopted + 100 * 30 + 20), 0.4)
    assert first.telling[0] == ("mug", *map(pytest.approx, expected))
    one_seller = np.where(np.arange(220) == 60, 3000, np.where(category == 0, 1, 0.1))
    assert names(one_seller)[0] == "concept 0", "one mug sells: its category says little"
    assert names(np.where(np.arange(220) < 100, 0, 1))[0] == "concept 0", "nothing is adopted"


@pytest.mark.parametrize("n, d", [(1, 3), (3, 2), (5, 1), (80, 60)])
def test_the_map_takes_few_points_and_one_dimension(rng, n, d):
    points = rng.standard_normal((n, d))
    places = maps.flatten(points)
    assert places.shape == (n, 2) and np.isfinite(places).all()
    np.testing.assert_array_equal(places, maps.flatten(points))
