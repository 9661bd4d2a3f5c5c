"""At test time: concepts without noise, scores, and the best items found in tiles."""

import tracemalloc

import numpy as np
import pytest
from helpers import Tiny

from macrid import model
from macrid.config import Config
from macrid.model.ranking import above, top_k


def test_at_test_time_nothing_is_random_and_fold_in_alone_decides(tiny):
    t = tiny()
    scores = model.predict(t.parameters, t.X, t.config)
    assert scores.shape == (3, 7) and (scores > 0).all()
    np.testing.assert_array_equal(scores, model.predict(t.parameters, t.X, t.config))
    np.testing.assert_allclose(
        scores[[2]], model.predict(t.parameters, t.X[[2]], t.config), rtol=1e-12
    )


def test_hard_concepts_route_each_item_to_one_prototype(tiny):
    t = tiny(K=2)
    C = model.concepts(t.parameters, t.config.replace(hard_concepts=True))
    soft = model.concepts(t.parameters, t.config)
    np.testing.assert_array_equal(C.sum(axis=1), 1)
    np.testing.assert_array_equal(C.argmax(axis=1), soft.argmax(axis=1))


@pytest.mark.parametrize("similarity", ["cosine", "inner"])
@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_tiles_change_nothing(tiny, size, similarity):
    t = tiny(M=11, similarity=similarity)
    scores = model.predict(t.parameters, t.X, t.config)
    scores[t.X.nonzero()] = -np.inf
    items, values = model.rank(t.parameters, t.X, t.config, 5, items_at_a_time=size)
    np.testing.assert_array_equal(items, top_k(scores, 5))
    expected = np.log(np.take_along_axis(scores, items, axis=1))
    np.testing.assert_allclose(
        values - values[:, :1], expected - expected[:, :1], rtol=1e-9, atol=1e-9
    )


def test_equal_scores_go_to_the_first_item(tiny):
    t = tiny(M=11)
    t.parameters["H"][:] = t.parameters["H"][0]
    items, _ = model.rank(t.parameters, t.X, t.config, 4, exclude_seen=False, items_at_a_time=3)
    np.testing.assert_array_equal(items, [[0, 1, 2, 3]] * 3)


def test_what_is_above_a_bound_in_each_row():
    scores = np.array([[3.0, 1, 2, 3], [0, 0, 0, 0], [5, 6, 7, 8]])
    np.testing.assert_array_equal(
        above(scores, np.array([1.0, 0, 7])), [[0, 2, 3], [-1] * 3, [3, -1, -1]]
    )
    assert above(scores, np.full(3, 9.0)).shape == (3, 0)


@pytest.mark.parametrize("similarity", ["cosine", "inner"])
def test_the_best_of_many_tiles_are_the_best_of_all(rng, similarity):
    """Few items pass the n-th best so far; where a catalogue is in order of liking, all of each
    tile do, or none.
    """
    t = Tiny(rng, ((0, 2, 5), (), (1, 2, 3, 6)), M=400, similarity=similarity)
    for order in (
        np.arange(400),
        np.argsort(t.parameters["H"][:, 0]),
        np.argsort(-t.parameters["H"][:, 0]),
    ):
        parameters = {**t.parameters, "H": t.parameters["H"][order]}
        whole, expected = model.rank(parameters, t.X, t.config, 7, items_at_a_time=400)
        items, values = model.rank(parameters, t.X, t.config, 7, items_at_a_time=9)
        np.testing.assert_array_equal(items, whole)
        np.testing.assert_allclose(values, expected)


def test_seen_items_come_last_or_not(tiny):
    t = tiny()
    seen = t.X.toarray() > 0
    items, values = model.rank(t.parameters, t.X, t.config, 7, items_at_a_time=2)
    assert (np.isneginf(values) == np.take_along_axis(seen, items, axis=1)).all()
    assert (np.sort(items, axis=1) == np.arange(7)).all() and (
        values[:, 1:] <= values[:, :-1]
    ).all()
    _, values = model.rank(t.parameters, t.X, t.config, 7, exclude_seen=False, items_at_a_time=2)
    assert np.isfinite(values).all()


def test_inner_products_far_apart_in_different_tiles(tiny):
    """Each tile has its own shift; exponents of hundreds still compare rightly."""
    t = tiny(similarity="inner", M=11)
    t.parameters["H"] *= np.linspace(1, 20, 11)[:, None]
    whole, whole_values = model.rank(t.parameters, t.X, t.config, 3, items_at_a_time=100)
    tiled, values = model.rank(t.parameters, t.X, t.config, 3, items_at_a_time=2)
    np.testing.assert_array_equal(tiled, whole)
    np.testing.assert_allclose(values, whole_values)
    assert np.abs(values).max() > 100


def test_no_array_of_users_by_items_is_made(rng):
    from helpers import users

    config, M, B = Config(K=2, d=4, hidden_layers=0), 200_000, 500
    parameters = model.initial_parameters(M, config, rng)
    X = users([(0, 1)] * B, 3)
    X = type(X)((X.data.astype(np.float32), X.indices, X.indptr), shape=(B, M))
    tracemalloc.start()
    items, _ = model.rank(parameters, X, config, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert items.shape == (B, 10) and peak < 0.4 * B * M * 4


@pytest.mark.parametrize("tau", [0.001, 0.01, 0.1])
@pytest.mark.parametrize("similarity", ["cosine", "inner"])
def test_only_seen_items_are_at_minus_infinity(rng, tau, similarity):
    """Whatever tau, in single precision, all others are told apart."""
    t = Tiny(rng, ((0, 2, 5), (), (1, 2)), M=30, similarity=similarity, tau=tau)
    config = t.config.replace(precision="float32")
    parameters = {name: p.astype(np.float32) for name, p in t.parameters.items()}
    for hard in (False, True):
        settings = config.replace(hard_concepts=hard)
        X = t.X.astype(np.float32)
        items, values = model.rank(parameters, X, settings, 30)
        assert (np.isfinite(values).sum(axis=1) == [27, 30, 28]).all()
        assert (np.diff(values[1]) <= 0).all() and len(set(values[1].tolist())) > 20


@pytest.mark.parametrize("share", [0.1, 0.9])
@pytest.mark.parametrize("path", [False, True])
@pytest.mark.parametrize("tau", [0.1, 0.01])
def test_an_offset_is_added_and_what_is_at_minus_infinity_left_out(rng, tau, path, share):
    """Of tiles with few items left in only those are scored."""
    t = Tiny(rng, ((0, 2, 5), (), (1, 2)), M=30, tau=tau)
    if path:
        t.parameters["L"] = rng.standard_normal((30, 3))
    offset = rng.standard_normal(30) * 5
    out = rng.random(30) > share
    offset[out] = -np.inf
    scores = model.log_predict(t.parameters, t.X, t.config) + offset
    scores[t.X.nonzero()] = -np.inf
    for size in (None, 7):
        items, values = model.rank(
            t.parameters, t.X, t.config, 30, items_at_a_time=size, offset=offset
        )
        np.testing.assert_allclose(values, -np.sort(-scores, axis=1))
        assert not out[items][np.isfinite(values)].any()


def test_prepared_arrays_change_nothing(rng):
    for tau, similarity, hard in ((0.1, "cosine", False), (0.01, "cosine", True), (1, "inner", 0)):
        t = Tiny(rng, ((0, 2, 5), (), (1, 2)), M=30, similarity=similarity, tau=tau)
        config = t.config.replace(hard_concepts=bool(hard))
        prepared = model.prepare(t.parameters, config)
        np.testing.assert_array_equal(prepared.C, model.concepts(t.parameters, config))
        for array, again in zip(
            model.rank(t.parameters, t.X, config, 9, prepared=prepared),
            model.rank(t.parameters, t.X, config, 9),
        ):
            np.testing.assert_array_equal(array, again)
