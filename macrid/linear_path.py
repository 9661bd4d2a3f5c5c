r"""A linear path beside the concepts: ridge regression of users' items on themselves, added to the trained model's logits.

    ln p_ui = ln P_ui + gamma (x_u W)_i + a constant of the user       W = V diag(f) V^T, see `macrid.baselines.Ridge`

P_ui is equation (7), and p_u the normalised product of the two experts. Gamma can be taken in,

    gamma W = L L^T      L = V diag(gamma f)^1/2      (M, r)

so that the path is one more array of the trained parameters. docs/linear.md: why it helps, and how much.
"""

from macrid.backend import array_module, scalar
from macrid.baselines.ridge import Ridge
from macrid.model import predict

USERS_FOR_SPREAD = 500


def add(parameters, split, config):
    r"""Trained parameters with "L" (M, r), and {"lambda", "gamma"}, which are found on validation users.

    lambda is the one with which W by itself ranks their held-out items best. Gamma makes both summands differ equally much from
    item to item, by the mean standard deviation over the items of a user, times the weight `linear_path`:

        gamma = linear_path mean_u std_i(ln P_ui) / mean_u std_i((x_u W)_i)

    It looks at what users have alone, not at what they are to be recommended: the model was stopped where that came out best,
    so that by it the model would seem better than it is.
    """
    plain = {name: p for name, p in parameters.items() if name != "L"}
    xp = array_module(plain["H"])
    ridge = Ridge.fit(split.train, split.validation, xp=xp)
    X = split.validation.fold_in[:USERS_FOR_SPREAD]
    spread = lambda scores: float(scalar(scores.std(axis=1).mean()))  # noqa: E731
    gamma = config.linear_path * spread(xp.log(predict(plain, X, config))) / spread(ridge.scores(X))
    L = (ridge.V * xp.sqrt(gamma * ridge.f)).astype(config.dtype)
    return {**plain, "L": L}, {"lambda": ridge.regularisation, "gamma": gamma}
