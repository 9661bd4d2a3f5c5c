"""The state of training on the disk: saved after each epoch, loaded to go on exactly, or refused
with what differs.
"""

import hashlib
import json
from dataclasses import asdict

import numpy as np

from macrid import backend, files
from macrid.config import Config
from macrid.errors import UserError
from macrid.model.objective import parameter_shapes
from macrid.training import adaptive
from macrid.training.fit import State

COUNTERS = ("step", "epoch", "best_epoch", "best_score", "history", "path")
MAY_DIFFER = (
    "max_epochs",
    "patience",
    "data",
    "categories",
    "pictures",
    "features",
    "alexnet",
    "backend",
)  # between a run and its continuation


def save(path, state, config, split):
    """Write the whole state to one npz file, atomically."""
    parameters, best, moments = backend.to_host((state.parameters, state.best, state.moments))
    arrays = {f"parameters/{name}": p for name, p in parameters.items()}
    arrays |= {f"best/{name}": p for name, p in best.items()}
    for name, (mean, square) in moments.items():
        arrays |= {f"mean/{name}": mean, f"square/{name}": square}
    counters = {name: getattr(state, name) for name in COUNTERS}
    files.save(path, arrays, {"config": asdict(config), "data": fingerprint(split), **counters})


def load(path, config, split):
    """Read a state that `save` wrote for the same configuration and data, or raise a UserError that
    says what differs.

    Options that only say when to stop may differ, and so may the paths of files and the backend.
    """
    arrays, description = files.load(path)
    try:
        parts = {part: _part(arrays, part) for part in ("parameters", "best", "mean", "square")}
        saved = (
            asdict(Config()) | description["config"]
        )  # options that are newer than the checkpoint are off in it
        counters = {name: ({"path": {}} | description)[name] for name in COUNTERS}
    except (KeyError, TypeError):
        raise UserError(
            f"{path}: is not a checkpoint of macrid.train; train again with --overwrite"
        ) from None
    for name, value in asdict(config).items():
        if name not in MAY_DIFFER and saved.get(name) != value:
            raise UserError(
                f"{path}: was made with {name} = {saved.get(name)}, not {value}; give the same"
                " options, or --overwrite"
            )
    if description.get("data") != fingerprint(split):
        raise UserError(
            f"{path}: was made from other data than {config.data} holds now; restore the data, or"
            " --overwrite"
        )
    for part, values in parts.items():
        best = part == "best"
        K = adaptive.left(
            config.K, counters["history"], counters["best_epoch"] if best else counters["epoch"] + 1
        )
        if not fit_shapes(values, len(split.items), config.replace(K=K), path=best):
            raise UserError(
                f"{path}: its {part} have other shapes than this configuration; train again with"
                " --overwrite"
            )
    moments = {name: (parts["mean"][name], parts["square"][name]) for name in parts["mean"]}
    return State(parts["parameters"], moments, parts["best"], **counters)


def fit_shapes(parameters, M, config, path=False):
    """Have these arrays the shapes of a model of M items? With `path`, a linear path (M, r) may be
    among them.
    """
    expected = parameter_shapes(M, config)
    if path and "L" in parameters:
        expected["L"] = (M, *parameters["L"].shape[1:2])
    return {name: p.shape for name, p in parameters.items()} == expected


def fingerprint(split):
    """A hash of all that training and validation see, to notice data that changed under a run."""
    digest = hashlib.sha256(json.dumps(split.train.shape).encode())
    for X in (
        split.train,
        split.validation.fold_in,
        split.validation.held_out,
        split.test.fold_in,
        split.test.held_out,
    ):
        digest.update(np.asarray(X.indptr, np.int64).tobytes())
        digest.update(np.asarray(X.indices, np.int64).tobytes())
    return digest.hexdigest()


def _part(arrays, part):
    found = {
        name.split("/", 1)[1]: array
        for name, array in arrays.items()
        if name.startswith(part + "/")
    }
    if not found:
        raise KeyError(part)
    return found
