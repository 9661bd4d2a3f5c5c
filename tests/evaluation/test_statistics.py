"""Paired statistics against SciPy, by their definition, and by what they promise over many made
experiments.
"""

import numpy as np
import pytest
from scipy import stats

from macrid.errors import UserError
from macrid.evaluation.statistics import (
    holm,
    paired_comparison,
    sign_flip_p,
    smallest_detectable_difference,
)


def test_the_t_test_and_its_interval_are_scipys(rng):
    first, second = rng.random(40), rng.random(40)
    found, expected = paired_comparison(first, second), stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    assert (found.low, found.high) == (
        pytest.approx(interval.low, rel=1e-12),
        pytest.approx(interval.high, rel=1e-12),
    )
    assert found.mean == pytest.approx((first - second).mean()) and found.stderr == pytest.approx(
        stats.sem(first - second)
    )


def test_users_without_a_value_are_left_out_and_counted():
    first, second = np.array([0.5, np.nan, 0.7, 0.1]), np.array([0.4, 0.2, 0.4, np.nan])
    found = paired_comparison(first, second)
    assert (found.users, found.left_out) == (2, 2) and found.mean == pytest.approx(0.2)
    with pytest.raises(UserError, match="only 1 of 2 users"):
        paired_comparison(first[:2], second[:2])


def test_equal_systems_and_a_constant_lead():
    values = np.array([0.25, 0.5, 0.75])
    assert paired_comparison(values, values).p == 1
    lead = paired_comparison(values + 0.25, values)
    assert (lead.p, lead.low, lead.high, lead.detectable) == (0, 0.25, 0.25, 0)


def test_sign_flips_agree_with_all_patterns_counted(rng):
    """For 12 users all 4096 sign patterns can be counted: SciPy does so."""
    for shift in (0.0, 0.3, 0.6):
        d = rng.standard_normal(12) + shift
        exact = stats.permutation_test(
            (d,), np.mean, permutation_type="samples", n_resamples=np.inf
        ).pvalue
        assert sign_flip_p(d) == pytest.approx(exact, abs=4 * (exact / 9999) ** 0.5)
    assert sign_flip_p(np.ones(50)) == 1e-4, "never below one over the number of patterns seen"
    assert paired_comparison(d, np.zeros(12), "permutation").p == sign_flip_p(d)


def test_holm_by_a_worked_example():
    """Smallest times 4, next times 3, ...; none below the one before, none above 1; the order given
    is kept.
    """
    np.testing.assert_allclose(holm([0.03, 0.01, 0.04, 0.005]), [0.06, 0.03, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.5]), [1, 1])
    assert holm([0.2]) == 0.2 and holm([]).shape == (0,)


def test_false_positives_and_coverage_are_as_promised(rng):
    """Users' differences as skewed as recall's, many of them zero, around a mean of zero: 5% false
    alarms, 95% covered.
    """
    experiments, n = 1000, 120
    draw = lambda: np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2.0, 0.1, n) - 0.2)
    drawn = [draw() for _ in range(experiments)]
    found = [paired_comparison(d, np.zeros(n)) for d in drawn]
    allowed = 4 * (0.05 * 0.95 / experiments) ** 0.5
    assert np.mean([one.p < 0.05 for one in found]) == pytest.approx(0.05, abs=allowed)
    assert np.mean(
        [sign_flip_p(d, flips=499, seed=k) < 0.05 for k, d in enumerate(drawn)]
    ) == pytest.approx(0.05, abs=allowed)
    assert np.mean([one.low <= 0 <= one.high for one in found]) == pytest.approx(0.95, abs=allowed)


def test_holm_holds_the_level_for_the_whole_family(rng):
    """Nine systems that do not differ from a reference, measured on the same users: uncorrected,
    one in four seems to.
    """
    alarms, corrected = 0, 0
    for _ in range(1000):
        users = rng.standard_normal((10, 60)) + rng.standard_normal(60)
        p = stats.ttest_rel(users[:1], users[1:], axis=1).pvalue
        alarms += p.min() < 0.05
        corrected += holm(p).min() < 0.05
    assert alarms > 200 and corrected <= 50 + 4 * 7


@pytest.mark.parametrize("n", [8, 300])
def test_the_smallest_detectable_difference_is_found_four_times_in_five(rng, n):
    delta = smallest_detectable_difference(1 / n**0.5, n)  # of differences with deviation 1
    found = stats.ttest_1samp(rng.standard_normal((2000, n)) + delta, 0, axis=1).pvalue < 0.05
    assert found.mean() == pytest.approx(0.8, abs=4 * (0.8 * 0.2 / 2000) ** 0.5)
    assert smallest_detectable_difference(1.0, 10**5) == pytest.approx(1.96 + 0.8416, abs=1e-3)
    assert smallest_detectable_difference(2.0, n, power=0.9) > 2 * smallest_detectable_difference(
        1.0, n
    )
