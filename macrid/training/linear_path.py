r"""A linear path beside the concepts: ridge regression, added to the trained model's logits.

    ln p_ui = ln P_ui + gamma (x_u W)_i + a constant of the user      W = V diag(f) V^T, see `Ridge`

P_ui is equation (7), and p_u the normalised product of the two experts. Gamma can be taken in,

    gamma W = L L^T      L = V diag(gamma f)^1/2      (M, r)

so that the path is one more array of the trained parameters, which `macrid.model.scoring` reads.
docs/linear.md: why it helps, and how much.
"""

from macrid.backend import array_module, scalar
from macrid.data.splits import Split
from macrid.evaluation.metrics import evaluate_ranking, summary
from macrid.model.scoring import log_predict, ranker
from macrid.training.ridge import Ridge

USERS_FOR_SPREAD = 500
TIMES = (1, 2, 4, 8, 16)


def add(parameters: dict, split: Split, config, earlier: dict | None = None) -> tuple[dict, dict]:
    r"""Trained parameters with "L" (M, r), and what validation users chose.

    {"lambda", "gamma", "weight"}:

    lambda is the one with which W by itself ranks their held-out items best. Gamma makes both
    summands differ equally much from item to item, by the mean standard deviation over the items of
    a user, times a weight:

        gamma = weight mean_u std_i(ln P_ui) / mean_u std_i((x_u W)_i)

    The weight is `linear_path`, or 2, 4, 8 or 16 times that where validation users are served
    better, which protects against a poor model. It is never less: training was stopped where the
    model looked best for them, better than it is. Where no one is held out, lambda and weight are
    those that an `earlier` run chose, and training users tell the spread.
    """
    concepts_alone = {name: p for name, p in parameters.items() if name != "L"}
    xp = array_module(concepts_alone["H"])
    chosen = None if len(split.validation.users) else earlier
    regularisation = chosen and chosen["lambda"]
    ridge = Ridge.fit(split.train, split.validation, regularisation=regularisation, xp=xp)
    X = (split.train if chosen else split.validation.fold_in)[:USERS_FOR_SPREAD]
    spread_of_model = _spread(log_predict(concepts_alone, X, config))
    equal = spread_of_model / _spread(ridge.scores(X))  # gamma at weight 1

    def with_path(weight):
        L = ridge.V * xp.sqrt(weight * equal * ridge.f)
        return {**concepts_alone, "L": L.astype(config.dtype)}

    def validation_ndcg(weight):
        metrics = evaluate_ranking(ranker(with_path(weight), config), split.validation)
        return summary(metrics)["ndcg@100"]["mean"]

    weights = [config.linear_path * times for times in TIMES]
    weight = chosen["weight"] if chosen else max(weights, key=validation_ndcg)
    of_path = {"lambda": ridge.regularisation, "gamma": weight * equal, "weight": weight}
    return with_path(weight), of_path


def _spread(scores) -> float:
    """The mean over users of the standard deviation over items, scores (B, M)."""
    return float(scalar(scores.std(axis=1).mean()))
