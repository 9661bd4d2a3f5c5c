r"""Is one system better than another over the same users? Differences, and how sure they are.

Two systems scored on the same users differ from user to user far less than users do: the difference
of each user is the observation. `paired_comparison` assumes that users are independent, and speaks
of the models as they were trained. But the users of a fold share a model, and what another model
would have given is no part of it: `over_folds` takes the folds' means as the observations. A
difference that is to hold for the method passes both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from macrid.errors import UserError

FLIPS_AT_A_TIME = 1 << 22  # numbers in memory


@dataclass(frozen=True)
class Comparison:
    """First minus second over the users that both have values of.

    mean, stderr     of the users' differences
    low, high        the 95% confidence interval of the mean
    p                two-sided, for the hypothesis that the mean is zero; not corrected for other
                     comparisons
    detectable       `smallest_detectable_difference`
    users, left_out  how many were compared, and how many have no value
    """

    mean: float
    stderr: float
    low: float
    high: float
    p: float
    detectable: float
    users: int
    left_out: int


def paired_comparison(
    first: np.ndarray, second: np.ndarray, test: str = "t", level: float = 0.05, seed: int = 0
) -> Comparison:
    r"""Compare two systems by one metric of the same users, (n,) each, NaN where a user has none.

        d_u      = first_u - second_u
        s.e.     = std(d) / sqrt(n)
        interval = mean +- t_{n-1, 1 - level/2} s.e.

    `test` gives p: 't', Student's paired test, or 'permutation', `sign_flip_p`, which needs no
    normal distribution. Fewer than two users with values of both are a UserError.

    >>> paired_comparison(ours["ndcg@100"], theirs["ndcg@100"]).p
    """
    from scipy import stats

    d = np.asarray(first, float) - np.asarray(second, float)
    everyone = len(d)
    d = d[~np.isnan(d)]
    n = len(d)
    if n < 2:
        raise UserError(
            f"only {n} of {everyone} users have figures of both systems; a comparison needs two"
        )
    mean, stderr = float(d.mean()), float(d.std(ddof=1) / n**0.5)
    if stderr == 0:  # the same difference for everyone: nothing is left to chance
        return Comparison(mean, 0.0, mean, mean, float(mean == 0), 0.0, n, everyone - n)
    half = float(stats.t.ppf(1 - level / 2, n - 1)) * stderr
    p = float(stats.ttest_1samp(d, 0.0).pvalue) if test == "t" else sign_flip_p(d, seed=seed)
    detectable = smallest_detectable_difference(stderr, n, level=level)
    return Comparison(mean, stderr, mean - half, mean + half, p, detectable, n, everyone - n)


@dataclass(frozen=True)
class OverFolds:
    """First minus second, a fold as the unit.

    stderr     of the mean of the folds' means
    low, high  the 95% confidence interval of the mean
    p          two-sided, not corrected for other comparisons
    folds      how many
    """

    stderr: float
    low: float
    high: float
    p: float
    folds: int


def over_folds(differences: Sequence[np.ndarray], level: float = 0.05) -> OverFolds | None:
    r"""Student's paired t over folds, from the users' differences of each, NaN where there is none.

        m_f      = mean over the users u of fold f of d_u
        s.e.     = std(m) / sqrt(k)                              k folds, k - 1 degrees of freedom
        interval = mean(m) +- t_{k-1, 1 - level/2} s.e.

    With m_f = delta + a_f + (mean of users' deviations), s.e. holds both the users' spread and that
    of the folds' models, a_f, for which the spread of users alone has no place. It takes the a_f to
    be independent. Folds share training users, so that they are alike and s.e. is a little too
    small: no estimate without bias exists (Bengio and Grandvalet, 2004). The correction of Nadeau
    and Bengio (2003), s.e. sqrt(1 + k n_test / n_train), is for splits drawn again and again, whose
    test users overlap, too; the folds' do not (docs/results.md has both, measured).

    None for fewer than two folds.

    >>> round(over_folds([np.array([0.1, 0.3]), np.array([0.2, np.nan]), np.array([0.0])]).p, 4)
    0.1835
    """
    from scipy import stats

    m = np.array([np.nanmean(d) for d in differences])
    k = len(m)
    if k < 2:
        return None
    mean, stderr = float(m.mean()), float(m.std(ddof=1) / k**0.5)
    if stderr == 0:
        return OverFolds(0.0, mean, mean, float(mean == 0), k)
    half = float(stats.t.ppf(1 - level / 2, k - 1)) * stderr
    p = float(stats.ttest_1samp(m, 0.0).pvalue)
    return OverFolds(stderr, mean - half, mean + half, p, k)


def sign_flip_p(d: np.ndarray, flips: int = 9999, seed: int = 0) -> float:
    r"""The two-sided p of the permutation test that flips the signs of users' differences d (n,).

    If neither system is better, d_u and -d_u are equally likely. p is the share of random sign
    patterns, the observed one counted among them, whose |sum| is at least the observed one: never
    below 1 / (flips + 1).
    """
    rng = np.random.default_rng(seed)
    n = len(d)
    observed = abs(d.sum()) * (1 - 1e-12)  # equal sums in another order
    rows_at_a_time = max(1, FLIPS_AT_A_TIME // n)
    extreme, left = 1, flips
    while left:
        rows = min(rows_at_a_time, left)
        signs = 2.0 * rng.integers(0, 2, (rows, n), dtype=np.int8) - 1
        extreme += int((np.abs(signs @ d) >= observed).sum())
        left -= len(signs)
    return extreme / (flips + 1)


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    r"""p values corrected for their number (Holm, 1979), in the order given.

    Sorted upwards, p_(i) is multiplied by the number of those not smaller, n - i + 1, and is at
    least its predecessor: whatever falls below a level then holds, with that level, for the whole
    family at once.

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    p = np.asarray(p, float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    factors = np.arange(len(p), 0, -1)
    corrected[order] = np.maximum.accumulate(np.minimum(p[order] * factors, 1.0))
    return corrected


def smallest_detectable_difference(
    stderr: float, n: int, power: float = 0.8, level: float = 0.05
) -> float:
    r"""The true mean difference delta that a paired t test of n users finds with chance `power`.

        P(T > t_{n-1, 1 - level/2}) = power

    with T noncentral t of n - 1 degrees of freedom and noncentrality delta / s.e. (P(T < -t) is
    below 1e-6 there.) For many users it is 2.8 standard errors. A smaller difference can be real
    and still not be seen.
    """
    return _detectable_stderrs(n, power, level) * stderr


@lru_cache
def _detectable_stderrs(n, power, level):
    from scipy import optimize, stats

    critical = float(stats.t.ppf(1 - level / 2, n - 1))

    def missing_power(delta):
        return stats.nct.sf(critical, n - 1, delta) - power

    return float(optimize.brentq(missing_power, 0.0, 4 * critical + 4))
