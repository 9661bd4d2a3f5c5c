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
