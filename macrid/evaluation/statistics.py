r"""Is one system better than another over the same users? Paired differences with what is needed to
read them.

Two systems scored on the same users differ from user to user far less than users do: the difference
of each user is the observation. Its test assumes that users are independent, and speaks of the
models as they were trained: what another seed would have given is no part of it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from macrid.errors import UserError

FLIPS_AT_A_TIME = 1 << 22  # numbers in memory


@dataclass(frozen=True)
class Comparison:
    """First minus second over the users that both have figures of.

    mean, stderr       of the users' differences
    low, high          the 95% confidence interval of the mean
    p                  two-sided, for the hypothesis that the mean is zero; not corrected for other
                       comparisons
    detectable         `smallest_detectable_difference`
    users, left_out    how many were compared, and how many have no figure
    """

    mean: float
    stderr: float
    low: float
    high: float
    p: float
    detectable: float
    users: int
    left_out: int


def paired_comparison(first, second, test="t", level=0.05, seed=0):
    r"""Compare two systems' figures of the same users, (n,) each, NaN where a user has none.

        d_u = first_u - second_u      s.e. = std(d) / sqrt(n)      interval: mean +- t_{n-1, 1 -
                                      level/2} s.e.

    `test` gives p: 't', Student's paired test, or 'permutation', `sign_flip_p`, which needs no
    normal distribution. Fewer than two users with figures of both are a UserError.
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
    if (
        stderr == 0
    ):  # the same figures, or the same distance for everyone: nothing is left to chance
        return Comparison(mean, 0.0, mean, mean, float(mean == 0), 0.0, n, everyone - n)
    half = float(stats.t.ppf(1 - level / 2, n - 1)) * stderr
    p = float(stats.ttest_1samp(d, 0.0).pvalue) if test == "t" else sign_flip_p(d, seed=seed)
    return Comparison(
        mean,
        stderr,
        mean - half,
        mean + half,
        p,
        smallest_detectable_difference(stderr, n, level=level),
        n,
        everyone - n,
    )


def sign_flip_p(d, flips=9999, seed=0):
    r"""The two-sided p of the permutation test that flips the sign of each user's difference d
    (n,).

    If neither system is better, d_u and -d_u are equally likely. p is the share of random sign
    patterns, the observed one counted among them, whose |sum| is at least the observed one: never
    below 1 / (flips + 1).
    """
    rng = np.random.default_rng(seed)
    n = len(d)
    observed = abs(d.sum()) * (1 - 1e-12)  # equal sums in another order
    extreme, left, rows = 1, flips, max(1, FLIPS_AT_A_TIME // n)
    while left:
        signs = 2.0 * rng.integers(0, 2, (min(rows, left), n), dtype=np.int8) - 1
        extreme += int((np.abs(signs @ d) >= observed).sum())
        left -= len(signs)
    return extreme / (flips + 1)


def holm(p):
    r"""p values corrected for their number (Holm, 1979), in the order given.

    Sorted upwards, p_(i) is multiplied by the number of those not smaller, n - i + 1, and is at
    least its predecessor: whatever falls below a level then holds, with that level, for the whole
    family at once.
    """
    p = np.asarray(p, float)
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0))
    return corrected


def smallest_detectable_difference(stderr, n, power=0.8, level=0.05):
    r"""The true mean difference that a paired t test of n users at `level` finds with probability
    `power`.

        P(T > t_{n-1, 1 - level/2}) = power,   T noncentral t with n - 1 degrees of freedom and
        delta / s.e.

    (P(T < -t) is below 1e-6 there.) For many users 2.8 standard errors. A difference smaller than
    this can be real and still not be seen.
    """
    return _detectable_stderrs(n, power, level) * stderr


@lru_cache
def _detectable_stderrs(n, power, level):
    from scipy import optimize, stats

    critical = float(stats.t.ppf(1 - level / 2, n - 1))
    return float(
        optimize.brentq(
            lambda delta: stats.nct.sf(critical, n - 1, delta) - power, 0.0, 4 * critical + 4
        )
    )
