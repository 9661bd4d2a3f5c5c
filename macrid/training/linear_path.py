r"""An ensemble of the trained model with ridge regression: a linear path beside the concepts.

    ln p_ui = ln P_ui + gamma (x_u W)_i + a constant of the user

P_ui is equation (7), and p_u the normalised product of the two experts. W is the closed form of
`Ridge`, and where users and items are too many for it, that of `Neighbours`. Gamma is taken in, so
that the path is one or two more arrays of the trained parameters, which `macrid.model.linear`
reads. docs/linear.md: why it helps, and how much.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from macrid.backend import array_module, scalar
from macrid.data.splits import HeldOut, Split
from macrid.evaluation.metrics import evaluate, summary
from macrid.model import linear
from macrid.model.scoring import log_predict
from macrid.training.neighbours import Neighbours
from macrid.training.ridge import MOST_EXACT, Ridge

USERS_FOR_SPREAD = 500
WEIGHTS = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 1000.0)  # from the model to ridge alone
FIRST = 1.0  # of them, the one that is kept if in doubt: the model and ridge have an equal say
DOUBT = 2.0  # standard errors, within which a difference counts as none
TILE_SCORES = 1 << 24

Scores = Callable[[Any], Any]  # of users' items X (b, M) SciPy CSR -> (b, M)


def regression(X) -> type[Ridge] | type[Neighbours]:
    """The one for adoptions X (N, M): all directions up to 6,000 users or items, or neighbours."""
    return Ridge if min(X.shape) <= MOST_EXACT else Neighbours


def add(
    parameters: dict, split: Split, config, earlier: dict | None = None
) -> tuple[dict, dict, Ridge | Neighbours]:
    r"""Trained parameters with a path; what was chosen; and the regression by itself.

    What was chosen is {"lambda", "gamma", "weight"}. lambda is the one with which W by itself ranks
    the held-out items of validation users best. Gamma makes both summands differ equally much from
    item to item, by the mean standard deviation over the items of a user, times a weight:

        gamma = weight mean_u std_i(ln P_ui) / mean_u std_i((x_u W)_i)

    The weight is `linear_path`, or where that is 'chosen' the one by `best_weight`. With the weight
    0 there is no path. An `earlier` call, for the same run or for the one that a final run goes by,
    has chosen before: a weight that is no longer to be chosen remains, and where no one is held
    out lambda does too, and training users tell the spread.
    """
    concepts_alone = linear.without(parameters)
    xp = array_module(concepts_alone["H"])
    before = earlier if not len(split.validation.users) else None
    regularisation = before and before["lambda"]
    fit = regression(split.train).fit
    ridge = fit(split.train, split.validation, regularisation=regularisation, xp=xp)
    model = partial(_log_predict, concepts_alone, config)
    equal = equal_say(model, ridge.scores, split.train if before else split.validation.fold_in)
    if earlier and (before or config.linear_path != "chosen"):
        weight = earlier["weight"]
    elif config.linear_path == "chosen":
        weight = best_weight(model, ridge.scores, equal, split.validation)
    else:
        weight = config.linear_path
    path = {"lambda": ridge.regularisation, "gamma": weight * equal, "weight": weight}
    arrays = ridge.path(path["gamma"], config.dtype) if weight else {}
    return concepts_alone | arrays, path, ridge


def equal_say(model: Scores, other: Scores, X) -> float:
    """Gamma at the weight 1, by some of the users of X (n, M)."""
    X = X[:USERS_FOR_SPREAD]
    return _spread(model(X)) / _spread(other(X))


def best_weight(model: Scores, other: Scores, equal: float, part: HeldOut) -> float:
    r"""The one of `WEIGHTS` by NDCG@100 of the users of `part`, `FIRST` if in doubt.

    The one with the best mean, of those that serve them better than `FIRST` by more than two
    standard errors of the difference, paired by user. The best without more ado would be chance,
    with few users, and too small: training was stopped where the model looked best for these very
    users, better than it is (docs/linear.md has the comparison).

    The scores are ln P_ui and (x_u W)_i, functions of users' items X (b, M); `equal` is gamma at
    the weight 1.
    """
    metrics = _metrics_by_weight(model, other, equal, part)
    best, most = FIRST, 0.0
    for weight in WEIGHTS:
        gain = summary({"gain": metrics[weight] - metrics[FIRST]})["gain"]
        if gain["stderr"] is not None and gain["mean"] > max(most, DOUBT * gain["stderr"]):
            best, most = weight, gain["mean"]
    return best


def _metrics_by_weight(model, other, equal, part):
    """{weight: NDCG@100 of each user of `part` (n,)}, both summands being made once."""
    n, M = part.fold_in.shape
    at_a_time = max(1, min(USERS_FOR_SPREAD, TILE_SCORES // M))
    metrics: dict = {weight: [] for weight in WEIGHTS}
    for start in range(0, n, at_a_time):
        users = slice(start, start + at_a_time)
        some = HeldOut(part.users[users], part.fold_in[users], part.held_out[users])
        of_model, of_other = model(some.fold_in), equal * other(some.fold_in)
        for weight in WEIGHTS:
            score = _constant(of_model + weight * of_other)
            metrics[weight].append(evaluate(score, some, ((100, "ndcg"),))["ndcg@100"])
    return {weight: np.concatenate(each) for weight, each in metrics.items()}


def _constant(scores):
    """`evaluate` asks for a function."""
    return lambda X: scores


def _log_predict(parameters, config, X):
    return log_predict(parameters, X, config)


def _spread(scores) -> float:
    """The mean over users of the standard deviation over items, scores (B, M)."""
    return float(scalar(scores.std(axis=1).mean()))
