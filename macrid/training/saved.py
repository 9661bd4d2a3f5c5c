"""Save and load a baseline, any dataclass of arrays and plain values, as one npz file."""

from dataclasses import fields

from scipy import sparse

from macrid import files
from macrid.backend import to_host
from macrid.errors import UserError

PARTS = ("data", "indices", "indptr")  # of a CSR matrix


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
    files.save(path, to_host(arrays), description)


def load(cls, path):
    """Read what `save` wrote of a `cls`, into NumPy arrays.

    Another baseline's file or a damaged one is a UserError.
    """
    arrays, description = files.load(path, f"saved {cls.__name__}", "fit and save it again")
    kind = description.get("baseline") if isinstance(description, dict) else None
    if kind != cls.__name__:
        actual = f"a saved {kind}" if kind else "not a saved baseline"
        raise UserError(
            f"{path}: is {actual}, expected a saved {cls.__name__}; load it with the class that"
            " saved it"
        )
    try:
        return cls(**{field.name: _field(field.name, arrays, description) for field in fields(cls)})
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: is not a whole saved {cls.__name__} ({error}); fit and save it again"
        ) from None


def _field(name, arrays, description):
    """The value of one field, in the form that it was saved in."""
    if name in description["values"]:
        return description["values"][name]
    if name in arrays:
        return arrays[name]
    prefix = f"{name}/"
    parts = {key.removeprefix(prefix): arrays[key] for key in arrays if key.startswith(prefix)}
    if name in description["shapes"]:
        shape = tuple(description["shapes"][name])
        return sparse.csr_array(tuple(parts[part] for part in PARTS), shape=shape)
    if not parts:
        raise KeyError(name)
    return parts
