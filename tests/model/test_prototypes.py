"""Equation (6): cosine logits, and the Gumbel-Softmax sample of an item's concept."""

import numpy as np

from macrid.model import prototypes
from macrid.model.gradcheck import check_op
from macrid.model.ops import normalise, softmax


def test_logits_are_equation_6(rng):
    """COSINE(h_i, m_k) / tau, letter by letter."""
    H, m = rng.standard_normal((7, 5)), rng.standard_normal((3, 5))
    s, _ = prototypes.concept_logits(normalise(H)[0], normalise(m)[0], 0.1)
    by_hand = [
        [h @ prototype / (np.linalg.norm(h) * np.linalg.norm(prototype)) / 0.1 for prototype in m]
        for h in H
    ]
    np.testing.assert_allclose(s, by_hand, rtol=1e-12, err_msg="equation (6), line 14")


def test_concept_logits(rng):
    arguments = {"H": rng.standard_normal((7, 5)), "m": rng.standard_normal((2, 5)), "tau": 0.1}
    check_op(prototypes.concept_logits, arguments, rng, differentiable=["H", "m"])


def test_one_concept_one_item(rng):
    arguments = {"H": rng.standard_normal((1, 5)), "m": rng.standard_normal((1, 5)), "tau": 0.1}
    check_op(prototypes.concept_logits, arguments, rng, differentiable=["H", "m"])


def test_gumbel_logits(rng):
    arguments = {
        "s": rng.standard_normal((7, 2)),
        "gumbel": rng.gumbel(size=(7, 2)),
        "temperature": 0.7,
    }
    check_op(prototypes.gumbel_logits, arguments, rng, differentiable=["s"])


def test_the_largest_perturbed_logit_is_a_sample_of_the_softmax(rng):
    """The Gumbel-max trick: over many draws, argmax(s + g) has the frequencies softmax(s)."""
    s, draws = np.array([1.0, 0.0, -0.5]), 200_000
    logits, _ = prototypes.gumbel_logits(np.tile(s, (draws, 1)), rng.gumbel(size=(draws, 3)), 1.0)
    frequency = np.bincount(logits.argmax(axis=1), minlength=3) / draws
    p = softmax(s[None])[0][0]
    assert np.abs(frequency - p).max() < 4 * np.sqrt(p * (1 - p) / draws).max()


def test_a_low_temperature_gives_one_hot_rows(rng):
    logits, _ = prototypes.gumbel_logits(
        rng.standard_normal((50, 3)), rng.gumbel(size=(50, 3)), 1e-3
    )
    C = softmax(logits)[0]
    assert np.median(C.max(axis=1)) > 0.999999
    np.testing.assert_allclose(C.sum(axis=1), 1)


def test_mode_is_one_hot():
    np.testing.assert_array_equal(
        prototypes.mode(np.array([[0.1, 2.0, -1.0], [3.0, 1.0, 0.0]])), [[0, 1, 0], [1, 0, 0]]
    )
