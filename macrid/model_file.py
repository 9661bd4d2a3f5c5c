"""A recommender in one file, model.npz: what is written, and what it has to be to be read."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from scipy import sparse

from macrid import config as configs
from macrid import files, npz
from macrid.backend import to_host
from macrid.data.adoptions import csr_of_ones
from macrid.data.catalogue import Catalogue
from macrid.errors import UserError
from macrid.evaluation import metrics
from macrid.model import linear
from macrid.training import checkpoint

VALUES = (  # of a `macrid.Recommender`
    "config",
    "parameters",
    "items",
    "users",
    "titles",
    "catalogue",
    "histories",
    "refused",
    "metrics",
    "matrix_columns",
)
PREFIX = "parameters/"


def save(path, values: dict) -> None:
    """Write `VALUES` by name, all or nothing."""
    if not Path(path).parent.is_dir():
        raise UserError(f"{Path(path).parent}: is no folder; make it, or save to another path")
    parameters, histories = to_host(values["parameters"]), values["histories"]
    arrays = {f"{PREFIX}{name}": value for name, value in parameters.items()}
    arrays |= {name: values[name] for name in ("items", "users")}
    arrays |= {"indices": histories.indices, "indptr": histories.indptr}
    if values["refused"].nnz:
        arrays["refused_indices"] = values["refused"].indices
        arrays["refused_indptr"] = values["refused"].indptr
    if values["titles"] is not None:
        arrays["titles"] = values["titles"]
    arrays |= values["catalogue"].arrays()
    description: dict = {"config": asdict(values["config"]), "figures": values["metrics"]}
    if values["catalogue"].numbers:
        description["numbers"] = list(values["catalogue"].numbers)
    if values["matrix_columns"] is not None:
        description["matrix_columns"] = values["matrix_columns"]
    npz.save(path, arrays, description)


def load(path: Path) -> dict:
    """Read `VALUES` by name, the parameters on the host; a UserError if the file is no such one."""
    remedy = "train again, or save it again"
    arrays, description = npz.load(path, "model", remedy, partial(_check, path))
    shape = (len(arrays["users"]), len(arrays["items"]))
    refused = sparse.csr_array(shape, dtype=np.float32)
    if "refused_indptr" in arrays:
        refused = csr_of_ones(arrays["refused_indices"], arrays["refused_indptr"], shape)
    return {
        "config": configs.from_dict(description["config"], where=str(path)),
        "parameters": _parameters(arrays),
        "items": arrays["items"],
        "users": arrays["users"],
        "titles": arrays.get("titles"),
        "catalogue": Catalogue.of_arrays(arrays, description.get("numbers", [])),
        "histories": csr_of_ones(arrays["indices"], arrays["indptr"], shape),
        "refused": refused,
        "metrics": description["figures"],
        "matrix_columns": description.get("matrix_columns"),
    }


def _check(path, arrays, description):
    """A UserError or a ValueError unless a file's arrays are those of one model."""
    figures = (None, {str: metrics.FORM})
    described = {"config": dict, "figures": figures, "matrix_columns?": (None, int)}
    described["numbers?"] = list
    files.check_form(description, described)
    config = configs.from_dict(description["config"], where=str(path))
    form = checkpoint.parameter_form(config, "M", PREFIX, complete=True)
    form |= {
        "items": npz.Array("ids", ("M",)),
        "users": npz.Array("ids", ("N",)),
        "titles": npz.Array("text", ("M",), optional=True),
        "paths": npz.Array("text", ("P",), optional=True),
        "path_indices": npz.Array("integer", (None,), optional=True),
        "path_indptr": npz.Array("integer", (None,), optional=True),
        "brands": npz.Array("text", ("M",), optional=True),
        "numbers": npz.Array("float64", ("M", "c"), -np.inf, np.inf, optional=True, nan=True),
        "indices": npz.Array("integer", (None,)),
        "indptr": npz.Array("integer", (None,)),
        "refused_indices": npz.Array("integer", (None,), optional=True),
        "refused_indptr": npz.Array("integer", (None,), optional=True),
    }
    npz.check_arrays(arrays, form)
    linear.check(_parameters(arrays))
    N, M = len(arrays["users"]), len(arrays["items"])
    if M == 0:
        raise ValueError("it has no items")
    npz.check_rows(arrays["indices"], arrays["indptr"], N, M)
    if "refused_indices" in arrays or "refused_indptr" in arrays:
        npz.check_rows(arrays["refused_indices"], arrays["refused_indptr"], N, M)
    names, numbers = description.get("numbers", []), arrays.get("numbers", np.zeros((M, 0)))
    are_names = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    if not are_names or len(names) != numbers.shape[1]:
        raise ValueError("its columns of numbers are not those that it names")
    if "paths" in arrays:
        npz.check_rows(arrays["path_indices"], arrays["path_indptr"], M, len(arrays["paths"]))
    columns = description.get("matrix_columns")
    if columns is not None and not all(
        name.isdecimal() and name.isascii() and len(name) < 10 and int(name) < columns
        for name in arrays["items"].tolist()
    ):
        raise ValueError(f"its items are not all columns of a matrix of {columns}")


def _parameters(arrays):
    """Those of a file's arrays that are the model's parameters."""
    return {name[len(PREFIX) :]: a for name, a in arrays.items() if name.startswith(PREFIX)}
