"""Save and load arrays with their description: npz and JSON, no pickle, never half-written."""

import json
import os
import stat
import struct
import tempfile
import zipfile
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from macrid.errors import UserError

STANDARD = (1, 2)  # the descriptors of standard output and error


@contextmanager
def replacing(path, mode="wb"):
    """Open a file to write that takes the place of `path` only when it is whole.

    That is, when it is on the disk. A link is followed: what it links to is replaced.

    What cannot be replaced, a device, a pipe or this process's own output, is written as it is. An
    OSError names `path`.
    """
    direct = _direct(path)
    target = Path(os.path.realpath(path))
    temporary = target.with_name(target.name + ".part")
    try:
        with open(
            direct or temporary,
            mode,
            encoding=None if "b" in mode else "utf-8",
            closefd=direct not in STANDARD,
        ) as file:
            yield file
            file.flush()
            if not direct:
                os.fsync(file.fileno())
        if not direct:
            os.replace(temporary, target)
    except BaseException as error:
        if not direct:
            with suppress(OSError):  # it is the first error that tells
                temporary.unlink()
        if (
            isinstance(error, OSError)
            and error.errno
            and str(error.filename) in ("None", str(temporary))
        ):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


def check_file(path):
    """Raise a UserError unless `replacing` can write the file `path`: before the work begins.

    Its folder has to be there.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give --out a file in it, or another path")
    if _direct(path):
        return
    folder = (Path(os.path.realpath(path)) if path.is_symlink() else path).parent
    if not folder.is_dir():
        raise UserError(f"{folder}: is no folder; make it, or give --out another path")
    _check_writable(folder)


def check_folder(path):
    """Raise a UserError unless files can be written in the folder `path`.

    It is made later if it is missing.
    """
    place = Path(path)
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise UserError(f"{place}: is a file; give --out a folder")
    _check_writable(place)


def _check_writable(folder):
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written into ({error.strerror}); check its permissions and the"
            " free space, or give --out another path"
        ) from None


def _direct(path):
    """What to open where `path` is no file that could be replaced, else None.

    A device or a pipe itself, or the number of our own output.
    """
    try:
        there = os.stat(path)
    except OSError:
        return None
    for number in STANDARD:
        with suppress(OSError):  # it may be closed
            if os.path.samestat(there, os.fstat(number)):
                return number
    return None if stat.S_ISREG(there.st_mode) else path


@contextmanager
def locked(folder, wait=True):
    """Hold a folder for this process alone, after waiting for another one.

    Without `wait`, a folder that is held is a BlockingIOError.

    The lock is the system's, on the folder itself: it goes with the process, however that ends.
    (Not on Windows.)
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def cache_folder():
    """Where pictures and features are kept between runs.

    $MACRID_CACHE, else a folder in the user's cache.
    """
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
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); is this a run folder?"
        ) from None
    except ValueError:
        raise UserError(f"{path}: is damaged (not JSON); train again with --overwrite") from None


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


def load(path, what="checkpoint", remedy="train again with --overwrite"):
    """Read what `save` wrote: (arrays, description).

    A damaged or foreign file is a UserError, whose end, `remedy`, says what to do.
    """
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"PK":
                raise ValueError("it is no npz file")
        with np.load(path, allow_pickle=False) as file:
            if any(member.compress_type != zipfile.ZIP_STORED for member in file.zip.infolist()):
                raise ValueError(
                    "it is compressed, which we never write"
                )  # so memory is bounded by the size of the file
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(str(arrays.pop("description")))
    except FileNotFoundError:
        raise UserError(f"{path}: does not exist; check the path of the {what}") from None
    except (
        zipfile.BadZipFile,
        ValueError,
        KeyError,
        EOFError,
        OSError,
        RuntimeError,
        MemoryError,
        zlib.error,
        struct.error,
        SyntaxError,
        TypeError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: is not a whole {what} ({reason}); {remedy}") from None
