"""Micro disentanglement: independence of dimensions, and scores against known attributes."""

import math

import numpy as np

from macrid.interpret.macro import match

BINS = 20  # at most, on either side of a table of two columns ...
CELL = 10  # ... and fewer where a cell of it would hold fewer samples than this


def independence(Z) -> float:
    r"""Independence of the dimensions of Z (n, d), section 4.4.1; 1 is uncorrelated.

    1 - 2 / (d (d - 1)) sum_{i<j} |corr_ij|

    A dimension that does not vary has no correlation with any: it is left out, d being those that
    are left. Where no two are, there is no pair that could depend on each other, and this is 1.

    >>> Z = np.random.default_rng(0).random((100, 2))
    >>> dead = np.column_stack([Z, np.zeros((100, 8))])
    >>> independence(dead) == independence(Z)
    True
    """
    Z = Z[:, np.ptp(Z, axis=0) > 0]
    d = Z.shape[1]
    if d < 2:
        return 1.0
    r = np.abs(np.corrcoef(Z, rowvar=False))
    return float(1 - (r.sum() - d) / (d * (d - 1)))


def independence_ceiling(n: int) -> float:
    r"""What `independence` gives on average for n samples of independent normal dimensions.

    It is 1 - E|r|, E|r| = Gamma((n-1)/2) / (sqrt(pi) Gamma(n/2)), about sqrt(2 / (pi n)): no
    finite sample reaches 1.
    """
    return 1 - math.exp(math.lgamma((n - 1) / 2) - math.lgamma(n / 2)) / math.sqrt(math.pi)


def mutual_information_gap(Z, factors, bins: int | None = None) -> float:
    r"""MIG (Chen et al., 2018): the mean over factors of (I(z_first; v) - I(z_second; v)) / H(v).

    z_first and z_second are the two dimensions that know most of factor v. Dimensions and factors
    are cut into `bins` bins of equal counts. Z (n, d), factors (n, J) -> float in [0, 1].

    Independent columns share about (bins - 1)^2 / (2 n) nats in a sample of n, where a column and
    itself share no more than they should: so a perfect code loses that share of its score, and with
    20 bins and 250 samples it reads .7. Left out, bins are as many, up to 20, as leave ten samples
    to a cell of their square: a bias of .05 nats at most, 5 bins for 250 samples.

    disentanglement_lib (Locatello et al., 2019) has discrete factors, and samples as many as it
    likes: it cuts the dimensions alone, into bins of equal width. Its figures and these are not to
    be compared.

    >>> v = np.random.default_rng(0).random((250, 3))
    >>> [round(mutual_information_gap(v, v, bins), 1) for bins in (20, None)]
    [0.7, 1.0]
    """
    from sklearn.metrics import mutual_info_score

    bins = bins or max(2, min(BINS, int((len(Z) / CELL) ** 0.5)))
    codes, values = _binned(Z, bins), _binned(factors, bins)
    gaps = []
    for v in values.T:
        information = np.sort([mutual_info_score(z, v) for z in codes.T])
        gaps.append((information[-1] - information[-2]) / mutual_info_score(v, v))
    return float(np.mean(gaps))


def separated_attribute_predictability(Z, factors) -> float:
    r"""SAP (Kumar et al., 2018): how far the best dimension's R^2 lies above the second's.

    The mean over factors. For continuous factors R^2 of the linear regression on one dimension is
    its squared correlation with the factor. Z (n, d), factors (n, J) -> float in [0, 1].
    """
    d = Z.shape[1]
    r2 = np.nan_to_num(np.corrcoef(Z, factors, rowvar=False)[:d, d:]) ** 2  # (d, J)
    ordered = np.sort(r2, axis=0)
    return float((ordered[-1] - ordered[-2]).mean())


def dci(Z, factors, seed: int = 0) -> dict[str, float]:
    r"""Disentanglement, completeness, informativeness (Eastwood and Williams, 2018), by forests.

    R_jv is the importance of dimension j in a forest that predicts factor v from Z.
    disentanglement  mean over dimensions, weighted by their importance, of 1 - H_J(R_j. / sum):
                     does a dimension serve one factor?
    completeness     mean over factors of 1 - H_d(R_.v / sum): is a factor served by one dimension?
    informativeness  mean over factors of R^2 on a held-out quarter of the samples, at least 0.
    Entropies are to the base J and d. Z (n, d), factors (n, J) -> dict of three floats in [0, 1].

    disentanglement_lib has boosted trees, which classify, as its factors are discrete: its
    informativeness is their accuracy on new samples. Its completeness weighs the factors by their
    importance; here, as in the paper that defines it, all count alike.
    """
    from sklearn.ensemble import RandomForestRegressor

    order = np.random.default_rng(seed).permutation(len(Z))
    test, train = order[: len(Z) // 4], order[len(Z) // 4 :]
    importance, informativeness = [], []
    for v in factors.T:
        forest = RandomForestRegressor(50, min_samples_leaf=3, random_state=seed % 2**32)
        forest.fit(Z[train], v[train])
        importance.append(forest.feature_importances_)
        informativeness.append(max(0.0, forest.score(Z[test], v[test])))
    R = np.array(importance).T  # (d, J)
    weight = R.sum(axis=1) / R.sum()
    return {
        "disentanglement": float(weight @ (1 - _entropy(R))),
        "completeness": float((1 - _entropy(R.T)).mean()),
        "informativeness": float(np.mean(informativeness)),
    }


def attribute_scores(H, assigned, category, attributes, fewest: int = 40) -> dict:
    r"""MIG, SAP and DCI of items against attributes, concept by concept, averaged by items.

    Micro factors live inside a concept: H (M, d) unit rows of the items of category g that were
    assigned to the concept matched to g, against their attributes (M, J). Concepts with fewer than
    `fewest` of them are left out. Returns a dict of floats and "items", how many were used; None
    values if no concept is large enough.
    """
    rows, weights = [], []
    for k, g in match(assigned, category).items():
        inside = (assigned == k) & (category == g)
        if inside.sum() >= fewest:
            Z, factors = H[inside], attributes[inside]
            gap, separation = mutual_information_gap, separated_attribute_predictability
            scores = {"mig": gap(Z, factors), "sap": separation(Z, factors)}
            rows.append(scores | dci(Z, factors))
            weights.append(int(inside.sum()))
    names = ("mig", "sap", "disentanglement", "completeness", "informativeness")
    average = lambda name: float(np.average([row[name] for row in rows], weights=weights))
    averages = {name: average(name) if rows else None for name in names}
    return {**averages, "items": int(np.sum(weights))}


def _binned(values, bins):
    """Each column cut at its quantiles into bins of equal counts; equal values share a bin."""
    edges = np.quantile(values, np.arange(1, bins) / bins, axis=0)  # (bins - 1, columns)
    numbers = [np.searchsorted(edge, column) for edge, column in zip(edges.T, values.T)]
    return np.stack(numbers, axis=1)


def _entropy(rows):
    """Entropy of each row, normalised to sum one, to the base of its length.

    A row of zeros has entropy 1, a row of a single number 0.
    """
    total = rows.sum(axis=1, keepdims=True)
    p = np.where(total > 0, rows / np.where(total > 0, total, 1), 1 / rows.shape[1])
    logs = np.log(np.where(p > 0, p, 1))
    return -(p * logs).sum(axis=1) / math.log(max(rows.shape[1], 2))
