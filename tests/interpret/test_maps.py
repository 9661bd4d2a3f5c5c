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
    first, second, empty = maps.described(
        C,
        categories,
        ("bag", "mug", "lamp", "shoe", "chair"),
        np.arange(50)[::-1],
        [f"t{i}" for i in range(50)],
    )
    assert (first.name, first.category, first.count, first.share, first.examples) == (
        "concept 0: bag",
        0,
        30,
        0.6,
        (),
    )
    assert first.telling == [("bag", pytest.approx(28 / 30), pytest.approx(28 / 50))]
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


@pytest.mark.parametrize("n, d", [(1, 3), (3, 2), (5, 1), (80, 60)])
def test_the_map_takes_few_points_and_one_dimension(rng, n, d):
    points = rng.standard_normal((n, d))
    places = maps.flatten(points)
    assert places.shape == (n, 2) and np.isfinite(places).all()
    np.testing.assert_array_equal(places, maps.flatten(points))
