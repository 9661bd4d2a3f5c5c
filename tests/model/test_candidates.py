"""Sampled softmax: the full one when all items are candidates, unbiased, differentiated rightly,
and blind to the catalogue's size.
"""

import tracemalloc

import numpy as np
import pytest
from helpers import SMALL, users

from macrid import model
from macrid.config import Config
from macrid.evaluation import metrics
from macrid.model import candidates
from macrid.model.gradcheck import check, negative_control
from macrid.model.objective import rows_of_step
from macrid.training import adam, fit
from macrid.training.batch import draw_noise


def test_all_items_as_candidates_are_the_full_softmax(tiny):
    t = tiny(category_weight=0.5, candidates=7)
    np.testing.assert_array_equal(t.noise.candidates, np.arange(7))
    np.testing.assert_array_equal(t.noise.weight, 1)
    full = tiny(category_weight=0.5).noise
    full = type(full)(t.noise.gumbel, t.noise.epsilon, t.noise.dropout)
    ours = model.loss_and_gradients(t.parameters, t.X, t.noise, t.config, 0.7, t.targets)
    theirs = model.loss_and_gradients(t.parameters, t.X, full, t.config, 0.7, t.targets)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-12)
    for name, gradient in theirs[1].items():
        np.testing.assert_allclose(ours[1][name], gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("sampling", ["uniform", "popularity"])
def test_the_estimate_of_the_partition_function_is_unbiased(rng, sampling):
    """Over 4000 draws the mean of sum_i weight_i P_i is sum_i P_i, within four standard errors;
    weights of adopted items are 1.
    """
    M = 30
    X, P, counts = users([(1, 4), (4, 9)], M), rng.random(M) ** 3, rng.integers(0, 50, M)
    config = Config(candidates=6, candidate_sampling=sampling, precision="float64")
    estimates = []
    for _ in range(4000):
        items, weight = candidates.draw(rng, X, config, counts)
        assert (
            (np.diff(items) > 0).all()
            and set(items) >= {1, 4, 9}
            and (weight[np.isin(items, (1, 4, 9))] == 1).all()
        )
        estimates.append(weight @ P[items])
    estimates = np.array(estimates)
    assert estimates.std() > 0.01
    assert abs(estimates.mean() - P.sum()) < 4 * estimates.std() / 4000**0.5


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"candidate_sampling": "popularity"},
        {"similarity": "inner"},
        {"item_dropout": 0.4},
        {"K": 1},
    ],
)
def test_gradients(tiny, rng, options):
    """Every coordinate of the whole catalogue: rows that took no part have gradient zero."""
    t = tiny(category_weight=0.5, candidates=2, M=12, **options)
    noise = draw_noise(rng, t.X, t.config, np.arange(12))
    assert 6 < len(noise.candidates) < 12 and noise.weight.max() > 1

    def loss(**parameters):
        return model.elbo(parameters, t.X, noise, t.config, 0.7, t.targets)[0]["loss"]

    _, gradients = model.loss_and_gradients(t.parameters, t.X, noise, t.config, 0.7, t.targets)
    for name in ("H", "T"):
        assert gradients[name].shape == (len(noise.candidates), 5)
        full = np.zeros_like(t.parameters[name])
        full[noise.candidates] = gradients[name]
        gradients[name] = full
    check(loss, t.parameters, gradients)
    negative_control(loss, t.parameters, gradients)


def test_restrict_keeps_each_users_items():
    X = users([(0, 5), (), (2,)], 9)
    small = candidates.restrict(X, np.array([0, 2, 5, 7]))
    np.testing.assert_array_equal(small.toarray(), X.toarray()[:, [0, 2, 5, 7]])


@pytest.mark.parametrize("chunk", [3, adam.CHUNK])
def test_adam_leaves_untouched_rows_and_their_moments_alone(rng, monkeypatch, chunk):
    monkeypatch.setattr(adam, "CHUNK", chunk)
    config = Config(learning_rate=0.1, l2=1e-3)
    rows = np.array([1, 4])
    parameters = {"H": rng.standard_normal((6, 3)), "m": rng.standard_normal((2, 3))}
    dense = {name: p.copy() for name, p in parameters.items()}
    before = parameters["H"].copy()
    moments, dense_moments = adam.start(parameters), adam.start(dense)
    for step in (1, 2, 3):
        g = {"H": rng.standard_normal((2, 3)), "m": rng.standard_normal((2, 3))}
        full = np.zeros((6, 3))
        full[rows] = g["H"]
        adam.update(parameters, g, moments, step, config, {"H": rows})
        adam.update(dense, {**g, "H": full}, dense_moments, step, config)
    np.testing.assert_array_equal(parameters["H"][rows], dense["H"][rows])
    np.testing.assert_array_equal(parameters["m"], dense["m"])
    others = [0, 2, 3, 5]
    np.testing.assert_array_equal(parameters["H"][others], before[others])
    assert not moments["H"][0][others].any() and (dense["H"][others] != before[others]).any(), (
        "dense Adam moves them by L2"
    )


def step_peak(M):
    """The most memory that NumPy takes during a step beyond what was there before, bytes."""
    config = Config(K=3, d=16, candidates=200, hidden_layers=0)
    rng = np.random.default_rng(0)
    X = users([()], 1)
    X = type(X)(
        (np.ones(400, np.float32), rng.integers(0, M, 400).astype(np.int32), np.arange(0, 401, 20)),
        shape=(20, M),
    )
    parameters = model.initial_parameters(M, config, rng)
    moments = adam.start(parameters)
    tracemalloc.start()
    noise = draw_noise(rng, X, config)
    _, gradients = model.loss_and_gradients(parameters, X, noise, config, 0.2)
    adam.update(parameters, gradients, moments, 1, config, rows_of_step(noise))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_the_memory_of_a_step_does_not_depend_on_the_catalogue():
    assert step_peak(1_000_000) < 1.2 * step_peak(10_000)


@pytest.mark.parametrize("sampling", ["uniform", "popularity"])
def test_it_learns_with_few_candidates(two_worlds, sampling):
    config = SMALL.replace(
        max_epochs=40, learning_rate=0.02, candidates=15, candidate_sampling=sampling
    )
    state = fit.fit(two_worlds, config)
    figures = metrics.evaluate(
        lambda X: model.predict(state.best, X, config), two_worlds.test, ((21, "recall"),)
    )
    assert metrics.summary(figures)["recall@21"]["mean"] > 0.8  # where chance gives .4
