"""Paired statistics against SciPy, by their definition, and by what they promise over many made
experiments.
"""

import numpy as np
import pytest
from scipy import stats

from macrid.errors import UserError
from macrid.evaluation.statistics import (
    holm,
    over_folds,
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


def test_over_folds_is_scipys_t_of_the_means_of_folds(rng):
    folds = [rng.standard_normal(n) + 0.3 for n in (20, 30, 25, 40)]
    means = [fold.mean() for fold in folds]
    folds[1] = np.append(folds[1], np.nan)
    found, expected = over_folds(folds), stats.ttest_1samp(means, 0)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12) and found.folds == 4
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-12)
    assert found.stderr == pytest.approx(stats.sem(means), rel=1e-12)
    assert over_folds(folds[:1]) is None, "one split has no folds to compare"
    assert over_folds([np.ones(3), np.ones(4)]).p == 0


def test_users_who_share_a_model_are_no_sample_of_models(rng):
    """Two methods of which neither is better. What the model of a fold happens to gain or lose, as
    much as its hundred users' mean is off by chance, is a difference for the test over users; the
    test over folds keeps its level.
    """
    experiments, folds, n = 2000, 5, 100
    model = rng.standard_normal((experiments, folds, 1)) * 0.1
    users = rng.standard_normal((experiments, folds, n)) + model
    of_users = stats.ttest_1samp(users.reshape(experiments, -1), 0, axis=1).pvalue
    of_folds = np.array([over_folds(list(each)).p for each in users])
    allowed = 4 * (0.05 * 0.95 / experiments) ** 0.5
    assert (of_users < 0.05).mean() > 0.1
    assert (of_folds < 0.05).mean() == pytest.approx(0.05, abs=allowed)


def test_folds_of_two_learners_that_are_equally_good(rng):
    """Real cross-validation, as `splits.kfold` has it, of two linear regressions that see one half
    of the features each: by symmetry neither is better, and their training sets overlap. The test
    over users errs most, that over folds less; Nadeau and Bengio's correction hardly ever errs,
    which is to say that it sees little.
    """
    experiments, k, N, p = 600, 5, 100, 27
    found = []
    for _ in range(experiments):
        X = rng.standard_normal((N, 2 * p))
        y = X.sum(axis=1) / (2 * p) ** 0.5 + 0.5 * rng.standard_normal(N)
        parts = np.array_split(rng.permutation(N), k)
        d = []
        for fold, test in enumerate(parts):
            train = np.setdiff1d(np.arange(N), np.concatenate([test, parts[fold - 1]]))
            errors = []
            for half in (slice(p), slice(p, None)):
                w, *_ = np.linalg.lstsq(X[train, half], y[train], rcond=None)
                errors.append((y[test] - X[test, half] @ w) ** 2)
            d.append(errors[0] - errors[1])
        by_folds = over_folds(d)
        corrected = np.mean([each.mean() for each in d]) / by_folds.stderr
        corrected /= (1 + k / (k - 2)) ** 0.5  # n_test / n_train = 1 / (k - 2)
        of_users = paired_comparison(np.concatenate(d), np.zeros(N)).p
        found.append((of_users, by_folds.p, 2 * stats.t.sf(abs(corrected), k - 1)))
    of_users, of_folds, corrected = (np.array(found) < 0.05).mean(axis=0)
    assert of_users > of_folds + 0.02 and corrected < 0.04
    both = (np.max(np.array(found)[:, :2], axis=1) < 0.05).mean()  # both must survive
    assert 0.02 < both < 0.1
