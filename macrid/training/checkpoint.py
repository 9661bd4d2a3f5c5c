"""The state of training on the disk.

Saved after each epoch; loaded to go on exactly, or refused with what differs.
"""

import hashlib
import json
from dataclasses import asdict

import numpy as np

from macrid import backend, files
from macrid.config import Config, option_names
from macrid.data.splits import Split
from macrid.errors import UserError
from macrid.model.objective import parameter_shapes
from macrid.training import adaptive
from macrid.training.fit import State

COUNTERS = ("step", "epoch", "best_epoch", "best_score", "history", "path")


def save(path, state: State, config: Config, split: Split) -> None:
    """Write the whole state to one npz file, all or nothing."""
    parameters, best, moments = backend.to_host((state.parameters, state.best, state.moments))
    arrays = {f"parameters/{name}": p for name, p in parameters.items()}
    arrays |= {f"best/{name}": p for name, p in best.items()}
    for name, (mean, square) in moments.items():
        arrays |= {f"mean/{name}": mean, f"square/{name}": square}
    counters = {name: getattr(state, name) for name in COUNTERS}
    files.save(path, arrays, {"config": asdict(config), "data": fingerprint(split), **counters})


def load(path, config: Config, split: Split) -> State:
    """Read a state that `save` wrote for the same configuration and data.

    A UserError says what differs. Options that only say when to stop may differ, and so may the
    paths of files and the backend.
    """
    arrays, description = files.load(path)
    try:
        parts = {part: _part(arrays, part) for part in ("parameters", "best", "mean", "square")}
        # options that are newer than the checkpoint have their defaults, which are off
        saved = asdict(Config()) | description["config"]
        counters = {name: ({"path": {}} | description)[name] for name in COUNTERS}
    except (KeyError, TypeError):
        raise UserError(
            f"{path}: is not a checkpoint of macrid.train; train again with --overwrite"
        ) from None

    # the same options and data?
    may_change = option_names(may_change=True)
    for name, value in asdict(config).items():
        if name not in may_change and saved.get(name) != value:
            raise UserError(
                f"{path}: was made with {name} = {saved.get(name)}, not {value}; give the same"
                " options, or --overwrite"
            )
    if description.get("data") != fingerprint(split):
        raise UserError(
            f"{path}: was made from other data than {config.data} holds now; restore the data, or"
            " --overwrite"
        )

    # the shapes that they ask for, with as many concepts as adaptive_K had left?
    history, M = counters["history"], len(split.items)
    K_now = adaptive.left(config.K, history, counters["epoch"] + 1)
    K_best = adaptive.left(config.K, history, counters["best_epoch"])
    for part, values in parts.items():
        best = part == "best"
        if not fit_shapes(values, M, config.replace(K=K_best if best else K_now), path=best):
            raise UserError(
                f"{path}: its {part} have other shapes than this configuration; train again with"
                " --overwrite"
            )
    moments = {name: (parts["mean"][name], parts["square"][name]) for name in parts["mean"]}
    return State(parts["parameters"], moments, parts["best"], **counters)


def fit_shapes(parameters: dict, M: int, config: Config, path: bool = False) -> bool:
    """Have these arrays the shapes of a model of M items?

    With `path`, a linear path (M, r) may be among them.
    """
    expected = parameter_shapes(M, config)
    if path and "L" in parameters:
        expected["L"] = (M, *parameters["L"].shape[1:2])
    return {name: p.shape for name, p in parameters.items()} == expected


def fingerprint(split: Split) -> str:
    """A hash of all that training and validation see, to notice data that changed under a run."""
    digest = hashlib.sha256(json.dumps(split.train.shape).encode())
    validation, test = split.validation, split.test
    held_out = (validation.fold_in, validation.held_out, test.fold_in, test.held_out)
    for X in (split.train, *held_out):
        digest.update(np.asarray(X.indptr, np.int64).tobytes())
        digest.update(np.asarray(X.indices, np.int64).tobytes())
    return digest.hexdigest()


def _part(arrays: dict, part: str) -> dict:
    """The arrays named `part/NAME`, by NAME; a KeyError if there are none."""
    prefix = part + "/"
    named = {name[len(prefix) :]: a for name, a in arrays.items() if name.startswith(prefix)}
    if not named:
        raise KeyError(part)
    return named
