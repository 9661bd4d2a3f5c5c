"""Arrays with their description in npz files, without pickle.

A file may come from anybody: `load` looks at all that it claims before memory is taken, and at all
that it holds before it is used.
"""

import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from macrid.errors import UserError
from macrid.files import check_regular, id_fault, parse_json, replacing

MOST_AT_ONCE = 1 << 20  # bytes; the list of members of an npz file is much smaller
MOST_AXES = 4


@dataclass(frozen=True)
class Array:
    """What an array of a file has to be.

    kind       'float', 'integer', 'text', 'ids' (texts that may be ids, each once), or the name of
               a type such as 'float32'
    shape      the length of each axis: a number, a name (those of one name are equal), None for any
    low, high  the range of its numbers
    """

    kind: str
    shape: tuple
    low: float = -math.inf
    high: float = math.inf
    optional: bool = False
    nan: bool = False


KINDS = {"float": "f", "integer": "iu", "text": "U", "ids": "U"}
Form = Mapping[str, Array]


def save(path, arrays, description):
    """Write a dict of arrays and a description to an npz file, all or nothing.

    Names may hold '/'; the description is anything that JSON can hold.
    """
    described = {"description": np.array(json.dumps(description, allow_nan=False)), **arrays}
    with (
        replacing(path) as file,
        zipfile.ZipFile(file, "w") as archive,
    ):  # as np.savez does, which may complain twice of a full disk
        for name, array in described.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
        archive.comment = _checksum(archive.infolist())


def load(
    path,
    what: str = "checkpoint",
    remedy: str = "train again with --overwrite",
    check: Callable[[dict[str, np.ndarray], Any], object] | None = None,
) -> tuple[dict[str, np.ndarray], Any]:
    """Read what `save` wrote: (arrays, description).

    The file itself is always checked; `check(arrays, description)` raises a ValueError unless they
    are what they have to be, by `check_arrays` and `check_form`. A damaged or foreign file is a
    UserError, whose end, `remedy`, says what to do.
    """
    try:
        arrays, description = _read(path)
        if check is not None:
            check(arrays, description)
        return arrays, description
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"{path}: does not exist; check the path of the {what}") from None
    except Exception as error:  # whatever zipfile, NumPy and json make of others' bytes
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        if isinstance(error, KeyError):
            reason = f"it lacks {reason}"
        raise UserError(f"{path}: is not a whole {what} ({reason}); {remedy}") from None


def check_arrays(arrays: Mapping[str, np.ndarray], form: Form) -> dict[str, int]:
    """Raise a ValueError unless the arrays are those of `form`: all of them and no others.

    Returns the lengths of the axes that have a name in it.
    """
    lengths: dict[str, int] = {}
    for name in arrays:
        if name not in form:
            raise ValueError(f"it holds '{name[:100]}', which is unknown")
    for name, expected in form.items():
        if name in arrays:
            _check_array(name, arrays[name], expected, lengths)
        elif not expected.optional:
            raise ValueError(f"it lacks '{name}'")
    return lengths


def _check_array(name, array, expected, lengths):
    is_kind = array.dtype.kind in KINDS.get(expected.kind, "") or array.dtype.name == expected.kind
    shape, fits = [], len(expected.shape) == array.ndim
    for length, size in zip(expected.shape, array.shape):
        if isinstance(length, str) and fits:
            length = lengths.setdefault(length, size)
        fits = fits and length in (None, size)
        shape.append("any" if length is None else str(length))
    if not is_kind or not fits:
        raise ValueError(
            f"'{name}' is {' x '.join(map(str, array.shape)) or 'one'} of {array.dtype.name},"
            f" expected {' x '.join(shape)} of {expected.kind}"
        )
    if array.dtype.kind == "U":
        _check_text(name, array, expected.kind == "ids")
    elif array.size:
        low, high = (np.nanmin, np.nanmax) if expected.nan else (np.min, np.max)
        if expected.nan and np.isnan(array).all():
            return
        for value in (low(array), high(array)):
            if not expected.low <= value <= expected.high or not np.isfinite(value):
                limits = f"{expected.low:g} to {expected.high:g}"
                limits = "finite numbers" if "inf" in limits else f"numbers from {limits}"
                raise ValueError(f"'{name}' holds {value}, expected {limits}")


def _check_text(name, array, are_ids):
    codes = np.ascontiguousarray(array).view(np.uint32)
    if codes.size and (codes.max() > 0x10FFFF or ((codes >= 0xD800) & (codes < 0xE000)).any()):
        raise ValueError(f"'{name}' holds what is no text")
    if are_ids:
        texts = array.tolist()
        for text in texts:
            if fault := id_fault(text):
                raise ValueError(f"an id of '{name}' {fault}")
        if len(set(texts)) < len(texts):
            raise ValueError(f"'{name}' holds an id twice")


def check_rows(indices: np.ndarray, indptr: np.ndarray, rows: int, columns: int) -> None:
    """Raise a ValueError unless the arrays are those of a CSR matrix (rows, columns).

    The columns of a row ascend, each once: row u has indices[indptr[u]:indptr[u+1]].
    """
    ends, own = indptr.astype(np.int64), indices.astype(np.int64)
    if len(ends) != rows + 1 or ends[0] != 0 or ends[-1] != len(own) or (np.diff(ends) < 0).any():
        raise ValueError("'indptr' does not divide the indices into rows")
    if len(own) and not (own.min() >= 0 and own.max() < columns):
        raise ValueError(f"'indices' are not all from 0 to {columns - 1}")
    ascends = np.diff(own) > 0
    starts = ends[1:-1]
    ascends[starts[(starts > 0) & (starts < len(own))] - 1] = True  # where the next row begins
    if not ascends.all():
        raise ValueError("'indices' do not ascend in each row")


class _Frugal(io.FileIO):
    """A file that is not read much at a time: else a zip's own list is, whatever its length."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = MOST_AT_ONCE
        elif size > MOST_AT_ONCE:
            raise ValueError("its list of members is too long")
        return super().read(size)


def _read(path):
    """(arrays, description) of a file, which memory is taken for only after its size was seen."""
    check_regular(path)
    with _Frugal(path) as file:
        if file.read(2) != b"PK":
            raise ValueError("it is no npz file")
        with zipfile.ZipFile(file) as archive:  # type: ignore[arg-type]
            members = archive.infolist()
            _check_members(members, os.fstat(file.fileno()).st_size)
            if archive.comment and archive.comment != _checksum(members):  # older files have none
                raise ValueError("its checksum differs")
            arrays = {
                member.filename.removesuffix(".npy"): _array(archive, member) for member in members
            }
    description = arrays.pop("description")
    if description.dtype.kind != "U" or description.shape != ():
        raise ValueError("its description is no text")
    return arrays, parse_json(str(description))


def _check_members(members, size):
    """No more bytes than the file has, no byte for two members, no name twice."""
    end = 0
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ValueError("it is compressed, which we never write")
        if member.header_offset < end:
            raise ValueError("its members overlap")
        end = member.header_offset + 30 + len(member.filename) + member.file_size
    if end > size:
        raise ValueError("its members are longer than the file")
    names = [member.filename for member in members]
    if len(set(names)) < len(names) or not all(
        name.isascii() and name.endswith(".npy") for name in names
    ):
        raise ValueError("its members are not arrays of different names")


def _array(archive, member):
    """An array of a file, in this machine's order of bytes."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"'{member.filename[:100]}' is of an unknown version")
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
        size = member.file_size - file.tell()
        if (
            dtype.kind not in "biufU"
            or dtype.itemsize < 1
            or len(shape) > MOST_AXES
            or not all(0 <= length <= member.file_size for length in shape)
            or math.prod(shape) * dtype.itemsize != size
        ):
            raise ValueError(
                f"'{member.filename[:100]}' claims {str(shape)[:60]} of {str(dtype)[:60]} in"
                f" {size:,} bytes"
            )
        file.seek(0)
        array = np.lib.format.read_array(file, allow_pickle=False)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _checksum(members) -> bytes:
    """What tells accidental damage: the names, lengths and CRCs of all that an npz file holds."""
    facts = [[member.filename, member.file_size, member.CRC] for member in members]
    return f"macrid {hashlib.sha256(json.dumps(facts).encode()).hexdigest()}".encode()
