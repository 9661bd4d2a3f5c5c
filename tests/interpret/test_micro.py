"""Dimensions against attributes, on codes whose answer is known: perfect, random, rotated."""

import numpy as np
import pytest

from macrid.interpret import micro


@pytest.fixture
def category(rng):
    return rng.integers(0, 4, 400)


def rotation(d, rng):
    return np.linalg.qr(rng.standard_normal((d, d)))[0]


@pytest.fixture
def factors(rng):
    return rng.random((2000, 3))


def test_perfect_codes(factors, rng):
    """One dimension for each factor, one idle: every score is near 1."""
    Z = np.column_stack(
        [factors[:, 2], -factors[:, 0], rng.random(2000) * 1e-3, factors[:, 1] ** 3]
    )
    assert micro.mutual_information_gap(Z, factors) > 0.9
    assert micro.separated_attribute_predictability(Z, factors) > 0.85  # R^2 of v^3 with v is .84
    scores = micro.dci(Z, factors)
    assert min(scores.values()) > 0.97


@pytest.mark.parametrize("n", [160, 250, 500, 2000])
def test_a_perfect_code_has_a_gap_near_1_and_independent_columns_none_in_small_samples_too(n, rng):
    """As many samples as a concept of the shop has items: with 20 bins the first would read .7 and
    independent columns would share .8 nats.
    """
    v = rng.random((n, 5))
    Z = np.column_stack([v, rng.random((n, 5))])  # a dimension each, and five that know nothing
    assert micro.mutual_information_gap(Z, v) > 0.9
    assert micro.mutual_information_gap(rng.random((n, 10)), v) < 0.04
    if n < 300:
        assert micro.mutual_information_gap(Z, v, bins=20) < 0.8, "what it was"


def test_random_codes(factors, rng):
    Z = rng.standard_normal((2000, 4))
    assert micro.mutual_information_gap(Z, factors) < 0.02
    assert micro.separated_attribute_predictability(Z, factors) < 0.01
    scores = micro.dci(Z, factors)
    assert (
        scores["informativeness"] < 0.01
        and scores["disentanglement"] < 0.1
        and scores["completeness"] < 0.1
    )


def test_rotated_codes_know_everything_and_separate_nothing(factors, rng):
    Z = np.column_stack([(factors - 0.5) @ rotation(3, np.random.default_rng(3))])
    scores = micro.dci(Z, factors)
    perfect = micro.dci(factors, factors)
    assert (
        scores["informativeness"] > 0.8
        and scores["disentanglement"] < 0.7 * perfect["disentanglement"]
    )
    assert micro.mutual_information_gap(Z, factors) < 0.5 * micro.mutual_information_gap(
        factors, factors
    )


def test_a_factor_in_two_dimensions_has_no_gap(factors):
    Z = np.column_stack([factors, factors])
    assert micro.mutual_information_gap(Z, factors) == pytest.approx(0, abs=1e-12)
    assert micro.separated_attribute_predictability(Z, factors) == pytest.approx(0, abs=1e-12)
    assert micro.dci(Z, factors)["completeness"] < 0.7 < micro.dci(Z, factors)["disentanglement"]


def test_a_single_factor_has_scores(factors):
    found = micro.dci(factors, factors[:, [1]])
    assert (
        found["disentanglement"] == 1
        and found["completeness"] > 0.9
        and found["informativeness"] > 0.9
    )


def test_independence_and_its_ceiling(rng):
    Z = rng.standard_normal((425, 200))
    assert micro.independence(Z) == pytest.approx(micro.independence_ceiling(425), abs=0.001)
    assert micro.independence_ceiling(425) == pytest.approx(0.961, abs=0.0005)
    assert micro.independence(np.column_stack([Z[:, 0], -Z[:, 0]])) == pytest.approx(0)
    by_hand = 1 - abs(np.corrcoef(Z[:, 0], Z[:, 1])[0, 1])
    assert micro.independence(Z[:, :2]) == pytest.approx(by_hand)


def test_a_dimension_that_does_not_vary_is_not_an_independent_one(rng):
    """Two dimensions that say the same and eight dead ones are no independent code (it was .98)."""
    Z = rng.standard_normal((100, 1))
    dead = np.column_stack([Z, -Z, np.full((100, 8), 0.3)])
    assert micro.independence(dead) == pytest.approx(0)
    with np.errstate(all="raise"):
        assert micro.independence(dead[:, 1:]) == 1, "one is left: no pair"


def test_attribute_scores_look_inside_each_concept(factors, rng):
    """The same dimensions mean other attributes in another concept: over all items mixed up, within
    a concept clear.
    """
    category = np.arange(2000) % 2
    Z = np.where(category[:, None] == 0, factors, factors[:, [1, 2, 0]])
    inside = micro.attribute_scores(Z, category, category, factors)
    assert inside["mig"] > 0.8 and inside["items"] == 2000
    assert micro.mutual_information_gap(Z, factors) < 0.2
    assert micro.attribute_scores(Z[:20], category[:20], category[:20], factors[:20])["mig"] is None
