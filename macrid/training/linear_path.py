r"""A linear path beside the concepts: ridge regression of users' items on themselves, added to the
trained model's logits.

    ln p_ui = ln P_ui + gamma (x_u W)_i + a constant of the user       W = V diag(f) V^T, see
    `macrid.baselines.Ridge`

P_ui is equation (7), and p_u the normalised product of the two experts. Gamma can be taken in,

    gamma W = L L^T      L = V diag(gamma f)^1/2      (M, r)

so that the path is one more array of the trained parameters. docs/linear.md: why it helps, and how
much.
"""

from macrid.backend import array_module, scalar
from macrid.evaluation.metrics import evaluate_ranking, summary
from macrid.model.scoring import predict, ranker
from macrid.training.ridge import Ridge

USERS_FOR_SPREAD = 500
TIMES = (1, 2, 4, 8, 16)


def add(parameters, split, config):
    r"""Trained parameters with "L" (M, r), and {"lambda", "gamma", "weight"}, which are found on
    validation users.

    lambda is the one with which W by itself ranks their held-out items best. Gamma makes both
    summands differ equally much from item to item, by the mean standard deviation over the items of
    a user, times a weight:

        gamma = weight mean_u std_i(ln P_ui) / mean_u std_i((x_u W)_i)

    The weight is `linear_path`, or 2, 4, 8 or 16 times that where validation users are served
    better, which protects against a poor model. It is never less: training was stopped where the
    model looked best for them, better than it is.
    """
    plain = {name: p for name, p in parameters.items() if name != "L"}
    xp = array_module(plain["H"])
    ridge = Ridge.fit(split.train, split.validation, xp=xp)
    X = split.validation.fold_in[:USERS_FOR_SPREAD]
    spread = lambda scores: float(scalar(scores.std(axis=1).mean()))  # noqa: E731
    even = spread(xp.log(predict(plain, X, config))) / spread(ridge.scores(X))

    def with_path(weight):
        return {**plain, "L": (ridge.V * xp.sqrt(weight * even * ridge.f)).astype(config.dtype)}

    def score(weight):
        return summary(evaluate_ranking(ranker(with_path(weight), config), split.validation))[
            "ndcg@100"
        ]["mean"]

    tried = {weight: score(weight) for weight in (config.linear_path * times for times in TIMES)}
    weight = max(tried, key=lambda one: tried[one])
    return with_path(weight), {
        "lambda": ridge.regularisation,
        "gamma": weight * even,
        "weight": weight,
    }
