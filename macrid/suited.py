"""What suits the data: the options of training that the user has not given."""

import numpy as np

from macrid.config import Config


def suited(train) -> dict:
    """The options of training that suit the adoptions (N, M) CSR of the training users.

    >>> suited(split.train)["batch_size"]
    100
    """
    return {"batch_size": 100, "item_dropout": 0.3}


def fill(settings: Config, given, train) -> tuple[Config, list[str]]:
    """The settings with what suits the data wherever an option is not among the `given` names.

    With it a line that says what was filled in, or none.

    >>> settings, lines = fill(Config(), {"batch_size"}, split.train)
    """
    values = {name: value for name, value in suited(train).items() if name not in given}
    if not values:
        return settings, []
    shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
    return settings.replace(**values), [f"options   {shown}: by the data, see docs/cost.md"]


NAMES = tuple(suited(np.ones((1, 1))))  # of the options that may be filled in
