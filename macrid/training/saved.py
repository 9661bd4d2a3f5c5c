"""Save and load a baseline, a dataclass of arrays, as one npz file.

`form` of its class says what each array or other value has to be: a dict, or a function of the
arrays.
"""

from dataclasses import dataclass, fields
from functools import partial

from scipy import sparse

from macrid import files, npz
from macrid.backend import to_host
from macrid.errors import UserError

PARTS = ("data", "indices", "indptr")  # of a CSR matrix
LARGEST = 1e15  # of any number in it: sums of products of some do not overflow


@dataclass(frozen=True)
class Matrix:
    """The names of a CSR matrix's axes."""

    rows: str
    columns: str


def array(*shape, low=-LARGEST, high=LARGEST):
    """What an array has to be, its lengths by number or by name."""
    return npz.Array("float", shape, low, high)


def matrix(name, rows, columns):
    """What a CSR matrix and its parts have to be, its lengths by name."""
    form = {part: npz.Array("integer", (None,)) for part in PARTS} | {"data": array(None)}
    parts = {f"{name}/{part}": expected for part, expected in form.items()}
    return {name: Matrix(rows, columns), **parts}


def save(baseline, path) -> None:
    """Write the fields of a baseline, all or nothing.

    They are arrays, dicts of arrays, CSR matrices, what JSON can hold, and None, which is left out.
    """
    arrays: dict = {}
    shapes: dict = {}
    values: dict = {}
    for field in fields(baseline):
        name, value = field.name, getattr(baseline, field.name)
        if value is None:
            continue
        if hasattr(value, "indptr"):
            arrays |= {f"{name}/{part}": getattr(value, part) for part in PARTS}
            shapes[name] = list(value.shape)
        elif isinstance(value, dict):
            arrays |= {f"{name}/{key}": array for key, array in value.items()}
        elif hasattr(value, "dtype"):
            arrays[name] = value
        else:
            values[name] = value
    description = {"baseline": type(baseline).__name__, "shapes": shapes, "values": values}
    npz.save(path, to_host(arrays), description)


def load(cls, path):
    """Read what `save` wrote of a `cls`, into NumPy arrays.

    Another baseline's file or a damaged one is a UserError.
    """
    check = partial(_check, cls, path)
    arrays, description = npz.load(path, f"saved {cls.__name__}", "fit and save it again", check)
    present = {name.partition("/")[0] for name in arrays} | set(description["values"])
    names = [field.name for field in fields(cls) if field.name in present]
    return cls(**{name: _field(name, arrays, description) for name in names})


def _check(cls, path, arrays, description):
    """A UserError or a ValueError unless these are the arrays of a saved `cls`."""
    kind = description.get("baseline") if isinstance(description, dict) else None
    if kind != cls.__name__:
        actual = f"a saved {str(kind)[:40]}" if kind else "not a saved baseline"
        raise UserError(
            f"{path}: is {actual}, expected a saved {cls.__name__}; load it with the class that"
            " saved it"
        )
    form = cls.form(arrays) if callable(cls.form) else cls.form
    of_arrays = {name: part for name, part in form.items() if isinstance(part, npz.Array)}
    matrices = {name: part for name, part in form.items() if isinstance(part, Matrix)}
    values = {name: form[name] for name in form if name not in {**of_arrays, **matrices}}
    shapes = dict.fromkeys(matrices, list)
    files.check_form(description, {"shapes": {str: list, **shapes}, "values": values})
    lengths = npz.check_arrays(arrays, of_arrays)
    for name, axes in matrices.items():
        data, indices, indptr = (arrays[f"{name}/{part}"] for part in PARTS)
        shape = description["shapes"][name]
        if not (len(shape) == 2 and all(type(length) is int for length in shape)):
            raise ValueError(f"'{name}' is no matrix")
        for axis, length in zip((axes.rows, axes.columns), shape):
            if lengths.setdefault(axis, length) != length:
                raise ValueError(f"'{name}' has {length} {axis}, expected {lengths[axis]}")
        npz.check_rows(indices, indptr, *shape)
        if len(data) != len(indices):
            raise ValueError(f"'{name}' has {len(data)} values at {len(indices)} places")


def _field(name, arrays, description):
    """The value of one field, in the form that it was saved in."""
    if name in description["values"]:
        return description["values"][name]
    if name in arrays:
        return arrays[name]
    prefix = f"{name}/"
    parts = {key[len(prefix) :]: array for key, array in arrays.items() if key.startswith(prefix)}
    if name in description["shapes"]:
        shape = tuple(description["shapes"][name])
        return sparse.csr_array(tuple(parts[part] for part in PARTS), shape=shape)
    return parts
