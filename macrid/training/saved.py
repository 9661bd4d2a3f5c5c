"""Save and load a baseline, a dataclass of arrays, as one npz file.

`form` of its class says what each array or other value has to be: a dict, or a function of the
arrays.
"""

from dataclasses import fields
from functools import partial

from scipy import sparse

from macrid import files, npz
from macrid.backend import to_host
from macrid.errors import UserError

PARTS = ("data", "indices", "indptr")  # of a CSR matrix
LARGEST = 1e15  # of any number in it: sums of products of some do not overflow


def array(*shape, low=-LARGEST):
    """What an array has to be, its lengths by number or by name."""
    return npz.Array("float", shape, low, LARGEST)


def matrix(name):
    """What the parts of a CSR matrix have to be."""
    form = {part: npz.Array("integer", (None,)) for part in PARTS}
    return {f"{name}/{part}": expected for part, expected in (form | {"data": array(None)}).items()}


def save(baseline, path) -> None:
    """Write the fields of a baseline, all or nothing.

    They are arrays, dicts of arrays, CSR matrices, and what JSON can hold.
    """
    arrays: dict = {}
    shapes: dict = {}
    values: dict = {}
    for field in fields(baseline):
        name, value = field.name, getattr(baseline, field.name)
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
    return cls(**{field.name: _field(field.name, arrays, description) for field in fields(cls)})


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
    values = {name: part for name, part in form.items() if not isinstance(part, npz.Array)}
    files.check_form(description, {"shapes": {str: list}, "values": values})
    npz.check_arrays(arrays, {name: part for name, part in form.items() if name not in values})
    for name, shape in description["shapes"].items():
        data, indices, indptr = (arrays[f"{name}/{part}"] for part in PARTS)
        if not (len(shape) == 2 and type(shape[0]) is int and shape[0] == shape[1]):
            raise ValueError(f"'{name}' is no square matrix")
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
