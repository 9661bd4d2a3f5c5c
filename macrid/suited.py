"""What suits the data: the options of training that the user has not given.

docs/cost.md says how each rule was found, and what it is worth.
"""

import math
from collections.abc import Collection

import numpy as np

from macrid.config import Config
from macrid.errors import UserError

USERS_A_STEP = (1, 100)
STEPS_AN_EPOCH = 4  # at least
FEW_USERS, MANY_USERS = 500, 3000  # many need many steps: larger ones, and more items hidden
STEPS_WITHOUT_BETTER = 75
EPOCHS_WITHOUT_BETTER = (5, 8)
MANY_ITEMS, MANY_PAIRS = 10_000, 5e7  # above both, of items and users times items, a step samples
CANDIDATES = (2000, 10_000)  # at least and at most, a tenth of the items between
ENSEMBLE = "ensemble  the model and ridge regression, weighed by validation users (docs/linear.md)"


def suited(train, batch_size: int | None = None) -> dict:
    """The options of training that suit the adoptions (N, M) CSR of the training users.

    Training is counted in steps, of which an epoch of few users has few: it ends after so many
    steps without a better validation, however many epochs they are. `batch_size` is one that is
    given.

    >>> suited(split.train)["averaging"]
    0.7
    """
    N, M = train.shape
    batch_size = batch_size or _within(USERS_A_STEP, N // STEPS_AN_EPOCH)
    steps = math.ceil(N / batch_size)  # an epoch
    sampled = M > MANY_ITEMS and N * M > MANY_PAIRS
    return {
        "batch_size": batch_size,
        "learning_rate": 2e-3 if FEW_USERS <= N < MANY_USERS else 4e-3,
        "averaging": 0.7,
        "item_dropout": 0.0 if N < FEW_USERS else 0.3 if N < MANY_USERS else 0.5,
        "patience": _within(EPOCHS_WITHOUT_BETTER, math.ceil(STEPS_WITHOUT_BETTER / steps)),
        "candidates": _within(CANDIDATES, M // 10) if sampled else 0,
        "linear_path": "chosen",
    }


def fill(settings: Config, given: Collection[str], train) -> tuple[Config, list[str]]:
    """The settings with what suits the data for each option that is not among the `given` names.

    With them lines that say what was filled in, as they are to be printed.

    >>> settings, lines = fill(Config(), {"batch_size"}, split.train)
    """
    options = suited(train, settings.batch_size if "batch_size" in given else None)
    if settings.split == "all":  # nobody to choose by
        del options["linear_path"]
    changed = {
        name: value
        for name, value in options.items()
        if name not in given and value != getattr(settings, name)
    }
    shown = [f"{name} {value}" for name, value in changed.items() if value != "chosen"]
    lines: list[str] = []
    if shown:
        lines.append(f"options   by the data, as not given: {', '.join(shown)} (docs/cost.md)")
    if "chosen" in changed.values():
        lines.append(ENSEMBLE)
    return settings.replace(**changed), lines


def refuse_path(linear_path) -> None:
    """A UserError where a linear path is asked for beside `faithful`: the paper has none."""
    if linear_path:
        raise UserError(
            f"faithful is the paper and nothing else, but linear_path is {linear_path}; leave one"
            " of them out"
        )


def _within(bounds, value):
    return min(max(value, bounds[0]), bounds[1])


NAMES = frozenset(suited(np.ones((1, 1))))
