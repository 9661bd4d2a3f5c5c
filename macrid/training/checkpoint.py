"""The state of training on the disk.

Saved after each epoch; loaded to go on exactly, or refused with what differs.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from macrid import backend, files, npz
from macrid.config import Config, from_dict, option_names
from macrid.data.splits import Split
from macrid.errors import UserError
from macrid.model import ensemble, linear
from macrid.model.objective import parameter_shapes
from macrid.training import adaptive
from macrid.training.fit import State

PARTS = ("parameters", "best", "average", "mean", "square")
COUNTERS = ("step", "epoch", "best_epoch", "best_score", "history", "path", "seen")
FORM = {
    "config": dict,
    "data?": (None, str),
    "step": int,
    "epoch": int,
    "best_epoch": int,
    "best_score": float,
    "history": list,
    "path?": {str: float},
    "seen?": {str: str},
}
RECORD = {"epoch": int, "loss": float, "validation_ndcg@100?": float, "dropped?": list}
PATH = {"lambda": float, "weight": float}
SECONDS_BETWEEN, SMALL = 20.0, 1e6  # checkpoints of more bytes come no closer together
LARGEST = 1e9  # of a parameter: its square, summed over dimensions, is far from overflow


def is_due(state: State, seconds: float) -> bool:
    """Is it time to save, so many seconds after it was saved last?

    A small state is saved after every epoch; to save a large one can take as long as an epoch of
    few users. Training that was cut off goes on from an earlier epoch, and ends the same.
    """
    bytes_of_parameters = sum(p.nbytes for p in state.parameters.values())
    return bytes_of_parameters < SMALL or seconds >= SECONDS_BETWEEN


def save(path, state: State, config: Config, split: Split) -> None:
    """Write the whole state to one npz file, all or nothing."""
    held = (state.parameters, state.best, state.average, state.moments)
    parameters, best, average, moments = backend.to_host(held)
    arrays = {f"parameters/{name}": p for name, p in parameters.items()}
    arrays |= {f"best/{name}": p for name, p in best.items()}
    arrays |= {f"average/{name}": p for name, p in average.items()}
    for name, (mean, square) in moments.items():
        arrays |= {f"mean/{name}": mean, f"square/{name}": square}
    counters = {name: getattr(state, name) for name in COUNTERS}
    npz.save(path, arrays, {"config": asdict(config), "data": fingerprint(split), **counters})


def load(path, config: Config, split: Split, seen: Mapping[str, str] | None = None) -> State:
    """Read a state that `save` wrote for the same configuration and data.

    A UserError says what differs. Options that only say when to stop may differ, and so may the
    paths of files and the backend. `seen` has hashes of what else training sees now, as
    `State.seen` has of what it saw then; of what only one of them has, nothing is known.
    """
    check = partial(_check, path, config, split, seen or {})
    arrays, description = npz.load(path, check=check)
    counters = {name: ({"path": {}, "seen": {}} | description)[name] for name in COUNTERS}
    counters["seen"] |= seen or {}
    parts = {part: _part(arrays, part) for part in PARTS}
    moments = {name: (parts["mean"][name], parts["square"][name]) for name in parts["mean"]}
    return State(parts["parameters"], moments, parts["best"], parts["average"], **counters)


def choices(path) -> tuple[int, int, dict]:
    """What a run's validation chose, by its checkpoint.

    The best epoch, how many concepts there were then, and what `linear_path` chose, {} without it.
    """

    def check(arrays, description):
        files.check_form(description, FORM)
        if chosen := description.get("path"):
            files.check_form(chosen, PATH)
        _check_history(description, from_dict(description["config"], str(path)).K)

    _, description = npz.load(path, check=check)
    K, best_epoch = description["config"]["K"], description["best_epoch"]
    K_best = adaptive.left(K, description["history"], best_epoch)
    return best_epoch, K_best, description.get("path", {})


def _check(path, config, split, seen, arrays, description):
    """A UserError or a ValueError unless all of a checkpoint agrees with what is asked for."""
    # is it one, of the same options and data?
    try:
        files.check_form(description, FORM)
    except ValueError as error:
        raise UserError(
            f"{path}: is not a checkpoint of macrid.train ({error}); train again with --overwrite"
        ) from None
    # options that are newer than the checkpoint have their defaults, which are off
    saved = asdict(Config()) | description["config"]
    may_change = option_names(may_change=True)
    for name, value in asdict(config).items():
        if name not in may_change and saved.get(name) != value:
            raise UserError(
                f"{path}: was made with {name} = {str(saved.get(name))[:100]}, not {value}; give"
                " the same options, or --overwrite"
            )
    if description.get("data") != fingerprint(split):
        raise UserError(
            f"{path}: was made from other data than {config.data} holds now; restore the data, or"
            " --overwrite"
        )
    for name, before in description.get("seen", {}).items():
        if seen.get(name, before) != before:
            raise UserError(
                f"{path}: was made with other {name} than there are now; restore them, or"
                " --overwrite"
            )

    # as many concepts as adaptive_K had left
    K_now, K_best = _check_history(description, config.K)
    M = len(split.items)
    now, best = config.replace(K=K_now), config.replace(K=K_best)
    form = {
        **parameter_form(now, M, "parameters/"),
        **parameter_form(best, M, "best/", complete=True),
        **parameter_form(now, M, "mean/", -np.inf, np.inf),
        **parameter_form(now, M, "square/", 0.0, np.inf),
    }
    if config.averaging and description["epoch"]:
        form |= parameter_form(now, M, "average/")
    npz.check_arrays(arrays, form)
    linear.check(_part(arrays, "best"))


def parameter_form(
    config: Config,
    M: Any,
    prefix: str,
    low: float = -LARGEST,
    high: float = LARGEST,
    complete: bool = False,
) -> dict[str, npz.Array]:
    """What the arrays `prefix`NAME of a file have to be, for a model of M items.

    M is their number, or a name for it. Of a `complete` model a linear path may be among them, and
    the models of other seeds, each with a number of concepts of its own.
    """
    shapes = parameter_shapes(M, config)
    form = {name: npz.Array(config.dtype, shape, low, high) for name, shape in shapes.items()}
    if complete:
        form["L"] = npz.Array(config.dtype, (M, None), low, high, optional=True)
        form["nearest"] = npz.Array("int32", (M, "neighbours"), 0, optional=True)
        form["influence"] = npz.Array(config.dtype, (M, "neighbours"), low, high, optional=True)
        for seed in range(config.seed + 1, config.seed + config.seeds):
            for name, shape in shapes.items():
                expected = (None, config.d) if name == "m" else shape
                other = npz.Array(config.dtype, expected, low, high, optional=True)
                form[ensemble.of_seed(seed, name)] = other
    return {prefix + name: array for name, array in form.items()}


def _check_history(description, K):
    """How many of K concepts the last epoch left, and the best one; a ValueError if none did."""
    history, epoch, best_epoch = (description[name] for name in ("history", "epoch", "best_epoch"))
    if not 0 <= best_epoch <= epoch == len(history) or description["step"] < 0:
        raise ValueError("its counters do not agree")
    for number, record in enumerate(history, 1):
        files.check_form(record, RECORD, f"epoch {number} of its history")
        left = adaptive.left(K, history, number)
        for pair in record.get("dropped", ()):
            is_pair = isinstance(pair, list) and len(pair) == 2
            if not (is_pair and all(type(k) is int and 0 <= k < left for k in pair) and left > 1):
                raise ValueError(f"epoch {number} of its history drops what there is not")
            left -= 1
    return adaptive.left(K, history, epoch + 1), adaptive.left(K, history, best_epoch)


def fingerprint(split: Split) -> str:
    """A hash of all that training and validation see, to notice data that changed under a run."""
    digest = hashlib.sha256(json.dumps(split.train.shape).encode())
    validation, test = split.validation, split.test
    held_out = (validation.fold_in, validation.held_out, test.fold_in, test.held_out)
    for X in (split.train, *held_out):
        digest.update(np.asarray(X.indptr, np.int64).tobytes())
        digest.update(np.asarray(X.indices, np.int64).tobytes())
    return digest.hexdigest()


def hash_of(*arrays: np.ndarray) -> str:
    """A hash of arrays, of their shapes and types too."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _part(arrays: dict, part: str) -> dict:
    """The arrays named `part/NAME`, by NAME."""
    prefix = part + "/"
    return {name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)}
