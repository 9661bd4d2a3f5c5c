r"""Two fitted systems as one: the sum of their scores, as `macrid.training.linear_path` has it.

    s_ui = a_ui + gamma b_ui      gamma = weight mean_u std_i(a_ui) / mean_u std_i(b_ui)

Whether it is the concepts that gain from a linear map beside them, or whatever is added to it, can
be told only by a sum without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from macrid.backend import scalar
from macrid.data.splits import HeldOut
from macrid.evaluation.metrics import evaluate, summary
from macrid.training.linear_path import TIMES, USERS_FOR_SPREAD

WEIGHTS = tuple(0.5 * times for times in TIMES)


@dataclass(frozen=True)
class Ensemble:
    """Scores a + gamma b of two systems that score all items, such as MultiVAE and `Ridge`."""

    model: Any
    linear: Any
    weight: float
    gamma: float

    @classmethod
    def of(
        cls, model, linear, validation: HeldOut, weights: Sequence[float] = WEIGHTS
    ) -> "Ensemble":
        """Take the weight that ranks best for `validation`; the first of equals.

        At weight 1 both differ equally much from item to item of a user of `validation`.
        """
        X = validation.fold_in[:USERS_FOR_SPREAD]
        equal = _spread(model.scores(X)) / _spread(linear.scores(X))
        sums = [cls(model, linear, weight, weight * equal) for weight in weights]
        return max(sums, key=lambda one: _ndcg(one, validation))

    def scores(self, X):
        """(B, M), higher is better, for the users of X (B, M) SciPy CSR."""
        return self.model.scores(X) + self.gamma * self.linear.scores(X)


def _spread(scores):
    """The mean over users of the standard deviation over items, scores (B, M)."""
    return float(scalar(scores.std(axis=1).mean()))


def _ndcg(system, validation):
    return summary(evaluate(system.scores, validation))["ndcg@100"]["mean"]
