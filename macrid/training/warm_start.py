r"""A start from an earlier model, on newer data.

Items that both know, by their ids, keep h and t; m and the layers of f_nn are kept; new items start
as they would without the earlier model, and those that are gone go. Adam begins anew: its moments
are not part of a saved model, and keeping them made no difference where beta has its full weight at
once. To anneal beta again lost a little on one of two data sets (docs/nightly.md): give
`anneal_steps` 0.
"""

import numpy as np

from macrid.errors import UserError
from macrid.model import linear
from macrid.model.objective import OF_ITEMS, parameter_shapes
from macrid.training.fit import State


def warm(state: State, items: np.ndarray, earlier: dict, earlier_items: np.ndarray, config) -> str:
    """Put what an earlier model learned into a `State` at its start; what was kept, in words.

    items          (M,) the ids of the state's items, earlier_items (M',) those of the earlier model
    earlier        its parameters, in the host's memory
    """
    shapes = {name: p.shape for name, p in linear.without(earlier).items()}
    if shapes != parameter_shapes(len(earlier_items), config):
        raise UserError(_other_shape(earlier, config))
    kept, rows, earlier_rows = np.intersect1d(items, earlier_items, return_indices=True)
    if not len(kept):
        raise UserError(
            f"warm_start: the earlier model has none of the {len(items):,} items; its ids look like"
            f" '{earlier_items[0]}', those of the data like '{items[0]}'"
        )
    for name, p in state.parameters.items():
        if name in OF_ITEMS:
            p[rows] = earlier[name][earlier_rows]
            state.best[name][rows] = p[rows]
        else:
            p[:] = earlier[name]
            state.best[name][:] = p
    new, gone = len(items) - len(kept), len(earlier_items) - len(kept)
    return f"{len(kept):,} items go on from there, {new:,} are new, {gone:,} are gone"


def _other_shape(earlier, config):
    """Which options the earlier model had, as far as its arrays tell."""
    layers = sum(name.startswith("W") for name in earlier) - 1
    had = {"K": len(earlier["m"]), "d": earlier["H"].shape[1], "hidden_layers": layers}
    if layers:
        had["hidden_units"] = earlier["W0"].shape[1]
    others = [(name, value) for name, value in had.items() if getattr(config, name) != value]
    differ = ", ".join(f"{name} = {value}, not {getattr(config, name)}" for name, value in others)
    return f"warm_start: the earlier model has {differ}; give the same options to go on from it"
