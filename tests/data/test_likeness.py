"""How alike items are, by what is known of them."""

import numpy as np

from macrid.data import items, likeness


def cosines(columns, pictures=None):
    n = len(next(iter(columns.values())))
    table = items.read({"item": [f"i{k}" for k in range(n)], **columns})
    v = likeness.vectors(table, pictures).toarray()
    lengths = np.linalg.norm(v, axis=1)
    assert all(np.isclose(lengths, 1) | (lengths == 0))
    return v @ v.T


def test_the_more_of_a_path_two_share_the_more_alike_they_are():
    paths = ["Home > Kitchen > Mugs", "Home > Kitchen > Cups", "Home > Bath", "Food", ""]
    found = cosines({"category": paths})
    assert found[0, 0] > found[0, 1] > found[0, 2] > found[0, 3] == 0
    assert not found[4].any(), "nothing is known of it"


def test_numbers_are_alike_by_rank():
    found = cosines({"price": [1, 2, 1000, None]})
    assert found[0, 1] > found[0, 2] and found[0, 2] < 0, "the cheapest and the dearest"
    assert not found[3].any()
    np.testing.assert_allclose(found, cosines({"price": [10, 20, 30, None]}), atol=1e-12)


def test_all_kinds_of_knowledge_count_alike():
    columns = {"brand": ["a", "a", "b", "b"], "category": ["x", "y", "x", "y"]}
    np.testing.assert_allclose(cosines(columns)[0], [1, 0.5, 0.5, 0])
    one_more = cosines({**columns, "weight": [1, 1, 2, 2]})
    np.testing.assert_allclose(one_more[0, 1], 2 / 3)


def test_pictures_that_look_alike(rng):
    looks = rng.standard_normal((2, 40))
    values = np.repeat(looks, 10, axis=0) + 0.3 * rng.standard_normal((20, 40))
    has_one = np.arange(20) != 7
    found = cosines({"title": ["t"] * 20}, (values.astype(np.float32), has_one))
    inside = found[:7, 10:].mean(), found[:7, :7][~np.eye(7, dtype=bool)].mean()
    assert inside[1] > inside[0] + 0.05 and not found[7].any()
    alike = cosines({"title": ["t"] * 3}, (np.ones((3, 4), np.float32), np.ones(3, bool)))
    assert np.isfinite(alike).all(), "pictures that are all alike say nothing"
