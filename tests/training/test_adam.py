"""Adam against a worked example, and the two kinds of decay."""

import numpy as np
import pytest

from macrid.config import Config
from macrid.training import adam


def run(gradients, theta=1.0, **options):
    config = Config(**{"learning_rate": 0.1, "l2": 0.0, "precision": "float64", **options})
    parameters = {"theta": np.array([[theta]])}
    moments = adam.start(parameters)
    for step, g in enumerate(gradients, 1):
        adam.update(parameters, {"theta": np.array([[g]])}, moments, step, config)
    return float(parameters["theta"][0, 0])


def test_two_steps_by_hand():
    """g = 2 then -1. Step 1: mean_hat = 2, square_hat = 4, so theta falls by lr. Step 2:
    mean = .9*.2 - .1 = .08, mean_hat = .08/.19; square = .999*.004 + .001 = .004996, square_hat =
    .004996/.001999.
    """
    after_one = 1 - 0.1 * 2 / (2 + 1e-8)
    assert run([2.0]) == pytest.approx(after_one, rel=1e-14)
    expected = after_one - 0.1 * (0.08 / 0.19) / ((0.004996 / 0.001999) ** 0.5 + 1e-8)
    assert run([2.0, -1.0]) == pytest.approx(expected, rel=1e-12)


def test_l2_passes_through_the_moments_and_decoupled_decay_does_not():
    """From a gradient of 0, l2 alone makes a full step of lr; decoupled decay makes lr * decay *
    theta.
    """
    assert run([0.0], theta=5.0, l2=1e-3) == pytest.approx(5 - 0.1, rel=1e-5)
    assert run([0.0], theta=5.0, decoupled_decay=0.01) == pytest.approx(
        5 - 0.1 * 0.01 * 5, rel=1e-14
    )


def test_chunks_change_nothing(rng, monkeypatch):
    config, g = Config(), rng.standard_normal((50, 3)).astype(np.float32)
    results = []
    for chunk in (7, 1 << 20):
        monkeypatch.setattr(adam, "CHUNK", chunk)
        parameters = {"theta": np.ones((50, 3), np.float32)}
        moments = adam.start(parameters)
        for step in (1, 2, 3):
            adam.update(parameters, {"theta": g * step}, moments, step, config)
        results.append(parameters["theta"])
    np.testing.assert_array_equal(*results)


def test_it_finds_the_minimum_of_a_bowl():
    theta = np.array([3.0, -2.0])
    parameters, config = {"theta": theta}, Config(learning_rate=0.05, l2=0.0, precision="float64")
    moments = adam.start(parameters)
    for step in range(1, 500):
        adam.update(parameters, {"theta": 2 * (theta - [1.0, 5.0])}, moments, step, config)
    np.testing.assert_allclose(theta, [1, 5], atol=0.02)
