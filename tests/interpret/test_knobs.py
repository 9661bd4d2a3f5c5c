"""The dimensions that are worth turning, by planted traits."""

import numpy as np
import pytest

from macrid import config, run_folder
from macrid.data import shop, splits
from macrid.interpret import knobs, trajectory


def test_worth_turning_finds_the_planted_traits(rng):
    made = shop.make(users=60, items=360)
    parts = splits.split(made, "holdout", 0)
    known = knobs.traits(made, parts)
    M = len(parts.items)
    H = rng.standard_normal((M, 5))
    H[:, 3] = -known[0].values + 0.01 * rng.standard_normal(M)  # hue, upside down
    space = trajectory.Space(H, np.ones((1, 5)), 0.1, True, np.zeros(M, int))
    first = knobs.worth_turning(space, 0, known, 3)[0]
    assert (
        first.dimension == 3
        and first.meanings[0] == (pytest.approx(1, abs=0.05), "low hue", "high hue")
        and first.backwards
    )
    up, down = (
        knobs.turn(space, space.H[5], knobs.Knob(3, [], backwards), 6)
        for backwards in (False, True)
    )
    assert down == (up[0][::-1], 5 - up[1]) and (np.diff(known[0].values[down[0]]) > 0).all(), (
        "from low hue to high hue"
    )
    assert (
        len(knobs.worth_turning(space, 0, [known[-1]], 3)) <= 2
        and knobs.worth_turning(space, 1, known, 3) == []
    )


def test_traits_of_titles_and_categories(rng):
    from macrid.data.loading import from_pairs, with_categories

    plain = from_pairs(np.repeat(np.arange(40), 8), rng.integers(0, 20, 320))
    titles = np.array([f"Film {i} ({1980 + i})" for i in range(len(plain.items))])
    films = with_categories(plain, [["Drama"] if i % 2 else [] for i in range(len(titles))], titles)
    parts = splits.split(films, "holdout", 0)
    found = {trait.name: trait for trait in knobs.traits(films, parts)}
    assert set(found) == {"popularity", "year", "Drama"} and found["year"].values.min() >= 1980
    assert knobs.pictures(run_folder.Run(config.Config(data="x"), films, parts, None)) == {}


def space_of(rng, K=2, M=300, d=40):
    """Items at random, shared among K concepts."""
    return trajectory.Space(
        rng.standard_normal((M, d)), np.ones((K, d)), 0.1, True, rng.integers(0, K, M)
    )


def of(name, values):
    return knobs.Trait(name, f"low {name}", f"high {name}", values)


def test_a_planted_trait_is_beyond_chance_and_names_its_coordinate(rng):
    space = space_of(rng)
    price = np.exp(space.H[:, 27] + 0.5 * rng.standard_normal(300))
    price[::7] = np.nan
    known = [of("noise", rng.standard_normal(300)), of("price", price)]
    is_telling = knobs.beyond_chance(space, known)
    assert is_telling.shape == (2, 2, 40) and is_telling[:, 1, 27].all()
    for k in (0, 1):
        assert [row[:2] for row in knobs.names(space, k, known, is_telling[k])] == [(27, "price")]
        assert knobs.names(space, k, known, is_telling[k])[0][2] > 0.7
    found = knobs.worth_turning(space, 0, known, 3)[0]
    assert found.dimension == 27 and found.meanings[0][1:] == ("low price", "high price")


def test_pure_noise_gets_no_name():
    """In one run of twenty, as `CHANCE` says: without the control nearly every run has some."""
    named, without_control = 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        space = space_of(rng, K=4, M=200, d=100)
        known = [of(f"noise {t}", rng.standard_normal(200)) for t in range(5)]
        is_telling = knobs.beyond_chance(space, known)
        named += is_telling.any()
        everything = np.ones((5, 100), bool)
        without_control += any(knobs.names(space, k, known, everything) for k in range(4))
    assert named <= 4 and without_control == 20


def test_walks_along_noise_are_not_called_after_it(rng):
    space = space_of(rng, K=1, M=150)
    known = [of(f"noise {t}", rng.standard_normal(150)) for t in range(12)]
    everything = np.ones((12, 40), bool)
    assert all(knob.meanings == [] for knob in knobs.worth_turning(space, 0, known, 3))
    led_astray = knobs.worth_turning(space, 0, known, 3, is_telling=everything)
    assert any(knob.meanings for knob in led_astray), "two walks over the same few items agree"


def test_traits_of_a_table_of_items(rng):
    from macrid.data import items
    from macrid.data.loading import from_pairs

    plain = from_pairs(np.repeat(np.arange(40), 8), rng.integers(0, 20, 320))
    n = len(plain.items)
    table = {
        "item": plain.items.tolist(),
        "price": list(range(n)),
        "brand": ["Mole", "", "Linnea", "Mole"] * 5,
        "category": ["Home > Mugs", "Home > Bath"] * 10,
    }
    made = items.with_items(plain, table, config.Config())
    parts = splits.split(made, "holdout", 0)
    found = {trait.name: trait for trait in knobs.traits(made, parts)}
    assert set(found) == {"popularity", "price", "Mole", "Linnea", "Mugs", "Bath"}
    np.testing.assert_array_equal(found["price"].values, parts.items)
    assert (found["price"].low, found["Mole"].high) == ("low price", "more Mole")


def test_a_knob_says_what_it_turns_and_how_steadily():
    category = knobs.Trait("Drama", "less Drama", "more Drama", np.array([0.0, 1, 0]))
    price = knobs.Trait("price", "low price", "high price", np.array([2.5, np.nan, 1234.567]))
    assert [category.of(i) for i in (0, 1)] == ["not Drama", "Drama"]
    assert [price.of(i) for i in range(3)] == ["price 2.5", "price unknown", "price 1234.57"]
    year = knobs.Trait("year", "older", "newer", np.array([1990.0, 1991, np.nan, 1994, 1992]))
    knob = knobs.Knob(0, [(0.5, "older", "newer")], False, year)
    assert knobs.steadiness(knob, [0, 1, 2, 3]) == pytest.approx(1)
    assert knobs.steadiness(knob, [3, 4, 1, 0]) == pytest.approx(-1)
    assert knobs.steadiness(knob, [0, 2, 3]) == knobs.steadiness(knobs.Knob(0, [], False), [0]) == 0
    space = trajectory.Space(np.array([[-0.5]]), np.ones((1, 1)), 0.1, True, np.zeros(1, int))
    assert knobs.Knob(0, [], False).said_of(space, 0) == "-0.50"
    assert knob.said_of(space, 3) == "year 1994"
