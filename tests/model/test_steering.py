"""A factor on a concept: its rule, its limits, and what 3 means."""

import numpy as np
import pytest
from helpers import Tiny

from macrid import backend, model
from macrid.model import steering


def plain_offsets(C, factors, kappa):
    """Item by item."""
    found = []
    for c in C.tolist():
        factor = factors[c.index(max(c))]
        found.append(kappa * np.log(factor) if factor > 0 else -np.inf)
    return np.array(found)


def test_an_item_is_raised_by_the_factor_of_its_largest_concept(rng):
    C = rng.dirichlet(np.ones(3), 20)
    for factors in ([1.0, 3.0, 0.0], [1e39, 1e-300, 1], [0, 0, 2]):
        np.testing.assert_allclose(
            steering.offsets(C, factors, 1.7), plain_offsets(C, factors, 1.7)
        )


@pytest.fixture
def lists(rng):
    """A model of random parameters with two concepts, 60 users, 300 items, and their C."""
    users = [tuple(rng.choice(300, 5, replace=False)) for _ in range(60)]
    t = Tiny(rng, users, M=300, K=2)
    return t, model.prepare(t.parameters, t.config)


@pytest.mark.parametrize("path", [False, True])
def test_three_multiplies_the_odds_in_the_ten_best_by_three(lists, rng, path):
    """A linear path spreads the scores ten times as far; kappa follows."""
    t, prepared = lists
    if path:
        t.parameters["L"] = 3 * rng.standard_normal((300, 4))
    kappa = steering.kappa(t.parameters, t.X, t.config, prepared)
    concept = prepared.C.argmax(axis=1)

    def share(k, factor):
        offset = steering.offsets(prepared.C, np.where(np.arange(2) == k, factor, 1.0), kappa)
        items, _ = model.rank(t.parameters, t.X, t.config, 10, offset=offset)
        return (concept[items] == k).mean()

    before, at_three = ([share(k, f) for k in range(2)] for f in (1, 3))
    expected = [3 * s / (1 + 2 * s) for s in before]
    assert np.mean(at_three) == pytest.approx(np.mean(expected), abs=0.01)
    for k in range(2):
        curve = [share(k, f) for f in (0, 0.01, 0.1, 0.3, 1, 3, 10, 100, 1e9)]
        assert curve[0] == 0 and curve[-1] == 1 and (np.diff(curve) >= 0).all()
    half = steering.kappa(t.parameters, t.X, t.config.replace(K=2), prepared) / 2
    assert half * 2 == kappa, "it is a number of the model, without chance"


def test_inside_a_concept_the_order_stays_and_the_others_keep_theirs(lists):
    t, prepared = lists
    concept = prepared.C.argmax(axis=1)
    before, _ = model.rank(t.parameters, t.X, t.config, 300)
    offset = steering.offsets(prepared.C, [1.0, 7.0], 0.8)
    after, _ = model.rank(t.parameters, t.X, t.config, 300, offset=offset)
    for first, second in zip(before, after):
        for k in range(2):
            np.testing.assert_array_equal(
                first[:295][concept[first[:295]] == k], second[:295][concept[second[:295]] == k]
            )


def test_one_concept_or_equal_scores_have_a_kappa_too(rng):
    t = Tiny(rng, ((0, 1), (2,)), M=12, K=1)
    assert steering.kappa(t.parameters, t.X, t.config, model.prepare(t.parameters, t.config)) > 0
    t = Tiny(rng, ((0, 1), (2,)), M=12, K=2)
    t.parameters["H"][:] = t.parameters["H"][0]
    assert steering.kappa(t.parameters, t.X, t.config, model.prepare(t.parameters, t.config)) > 0


def test_on_a_device_it_is_the_same(lists, xp):
    """Kappa, factors and what is left out, over the stand-in and, where there is one, a GPU."""
    t, prepared = lists
    config, parameters = t.config, backend.to_device(xp, t.parameters)
    there = model.prepare(parameters, config)
    kappa = steering.kappa(t.parameters, t.X, config, prepared)
    assert steering.kappa(parameters, t.X, config, there) == pytest.approx(kappa)
    for factors in ([3.0, 1.0], [0.0, 2.0]):
        offset = steering.offsets(there.C, factors, kappa)
        offset[20:] = -xp.inf  # few are left in
        items, values = model.rank(
            t.parameters, t.X, config, 9, offset=backend.to_host(offset), items_at_a_time=70
        )
        on_device = model.rank(parameters, t.X, config, 9, offset=offset, items_at_a_time=70)
        kept = np.isfinite(values)
        np.testing.assert_allclose(backend.to_host(on_device[1])[kept], values[kept])
        np.testing.assert_array_equal(backend.to_host(on_device[0])[kept], items[kept])
