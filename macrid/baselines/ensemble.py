r"""Two fitted systems as one: the sum of their scores, as `macrid.training.linear_path` has it.

    s_ui = a_ui + gamma b_ui      gamma = weight mean_u std_i(a_ui) / mean_u std_i(b_ui)

Whether it is the concepts that gain from a linear map beside them, or whatever is added to it, can
be told only by a sum without them.
"""

from dataclasses import dataclass
from typing import Any

from macrid.data.splits import HeldOut
from macrid.training.linear_path import best_weight, equal_say


@dataclass(frozen=True)
class Ensemble:
    """Scores a + gamma b of two systems that score all items, such as MultiVAE and `Ridge`."""

    model: Any
    linear: Any
    weight: float
    gamma: float

    @classmethod
    def of(cls, model, linear, validation: HeldOut) -> "Ensemble":
        """With the weight that `macrid.training.linear_path` would choose by `validation`.

        At weight 1 both differ equally much from item to item of a user of `validation`.
        """
        equal = equal_say(model.scores, linear.scores, validation.fold_in)
        weight = best_weight(model.scores, linear.scores, equal, validation)
        return cls(model, linear, weight, weight * equal)

    def scores(self, X):
        """(B, M), higher is better, for the users of X (B, M) SciPy CSR."""
        return self.model.scores(X) + self.gamma * self.linear.scores(X)
