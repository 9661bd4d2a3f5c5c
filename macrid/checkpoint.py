"""Save and load arrays with their description: npz and JSON, no pickle, never half-written."""

import json
import os
import struct
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from macrid.errors import UserError


@contextmanager
def replacing(path, mode="wb"):
    """Open a temporary file beside `path` that takes its name only when it is whole and on the disk."""
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    try:
        with open(temporary, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def cache_folder():
    """Where pictures and features are kept between runs: $MACRID_CACHE, else the user's cache folder."""
    if os.environ.get("MACRID_CACHE"):
        return Path(os.environ["MACRID_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "macrid"


def save_json(path, value):
    """Write a value as indented JSON, all or nothing."""
    with replacing(path, "w") as file:
        json.dump(value, file, indent=1, allow_nan=False)
        file.write("\n")


def save_lines(path, records):
    """Write records as JSON lines, all or nothing."""
    with replacing(path, "w") as file:
        file.writelines(json.dumps(record, allow_nan=False) + "\n" for record in records)


def load_json(path):
    """Read JSON, or raise a UserError that names the file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); is this a run folder?") from None
    except ValueError:
        raise UserError(f"{path}: is damaged (not JSON); train again with --overwrite") from None


def save(path, arrays, description):
    """Write a dict of arrays (names may hold '/') and a JSON-able description to an npz file, all or nothing."""
    described = {"description": np.array(json.dumps(description, allow_nan=False)), **arrays}
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:  # as np.savez does, which may complain twice of a full disk
        for name, array in described.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def load(path, what="checkpoint", remedy="train again with --overwrite"):
    """Read what `save` wrote: (arrays, description). A damaged or foreign file is a UserError; `remedy` says what to do."""
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"PK":
                raise ValueError("it is no npz file")
        with np.load(path, allow_pickle=False) as file:
            if any(member.compress_type != zipfile.ZIP_STORED for member in file.zip.infolist()):
                raise ValueError("it is compressed, which we never write")  # so memory is bounded by the size of the file
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(str(arrays.pop("description")))
    except FileNotFoundError:
        raise UserError(f"{path}: does not exist; check the path of the {what}") from None
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError, RuntimeError, MemoryError, zlib.error, struct.error, SyntaxError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: is not a whole {what} ({reason}); {remedy}") from None
