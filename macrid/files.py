"""Files that are written whole or not at all, locks, the cache, and JSON from anybody."""

import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import socket
import stat
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from macrid.errors import UserError, shown_line

STANDARD = (1, 2)  # the descriptors of standard output and error
TEMPORARY = re.compile(r"\.macrid-([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{8}\.part")
A_DAY = 24 * 3600
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}

LONGEST_ID = 1000  # characters of a user's or an item's id
LONGEST_TITLE = 1000  # characters kept of an item's title: an array is as wide as its longest
HALF = re.compile("[\ud800-\udfff]")
MOST_JSON = 10_000_000  # bytes of a JSON file


# Writing: whole or not at all, under a name of our own until then


@contextmanager
def replacing(path, mode="wb"):
    """Open a file to write that takes the place of `path` only when it is whole.

    That is, when it is on the disk. A link is followed: what it links to is replaced. Until then it
    has a name of this process's own beside it, so two processes that write one file leave that of
    one of them.

    What cannot be replaced, a device, a pipe or this process's own output, is written as it is. An
    OSError names `path`.
    """
    direct = _direct(path)
    target = Path(os.path.realpath(path))
    temporary = None if direct else temporary_path(target.parent)
    exclusive = mode if direct else mode.replace("w", "x")  # never what somebody else put there
    as_text: dict[str, Any] = {}
    if "b" not in mode:
        as_text = {"encoding": "utf-8", "errors": "backslashreplace"}
    opened = False
    try:
        place: Any = direct or temporary
        with open(place, exclusive, closefd=direct not in STANDARD, **as_text) as file:
            opened = True
            yield file
            file.flush()
            if temporary:
                os.fsync(file.fileno())
        if temporary:
            os.replace(temporary, target)
    except BaseException as error:
        if temporary and (opened or not isinstance(error, OSError)):  # a signal may come between
            with suppress(OSError):  # it is the first error that tells
                temporary.unlink()
        if (
            isinstance(error, OSError)
            and error.errno
            and str(error.filename) in ("None", str(temporary))
        ):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise


@contextmanager
def replacing_folder(path, unless_there=True):
    """A temporary folder beside `path` that takes its name at the end.

    If another process has made `path` by then, that is kept, or an OSError without `unless_there`.
    After an error or Ctrl-C nothing is left of the temporary one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path.parent)
    temporary.mkdir()
    try:
        yield temporary
        try:
            os.replace(temporary, path)
        except OSError:
            if not (unless_there and path.is_dir()):
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_path(folder) -> Path:
    """A name in a folder for what is being made: it tells our own, and which process makes it.

    What killed processes left under such names is removed first, once for each folder.
    """
    place = os.path.realpath(folder)
    if place not in _looked_into:
        _looked_into.add(place)
        remove_leftovers(place)
    name = f".macrid-{_machine()}-{os.getpid()}-{secrets.token_hex(4)}.part"
    _in_use.add(name)
    return Path(folder) / name


def is_temporary(name: str) -> bool:
    """Is this the name of a file or folder that is being made, as `temporary_path` gives them?"""
    return bool(TEMPORARY.fullmatch(name))


def remove_leftovers(folder) -> None:
    """Remove what processes that are no more left half-made in a folder, by its name.

    On another machine's, and where a process has the number now, a day without a change decides.
    """
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            match = TEMPORARY.fullmatch(entry.name)
            if match and _is_left_over(entry, match[1], int(match[2])):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


_looked_into: set[str] = set()
_in_use: set[str] = set()  # names that this process gave


def _is_left_over(entry, machine, process):
    facts = entry.stat(follow_symlinks=False)
    if entry.name in _in_use or facts.st_uid != _user(facts.st_uid):
        return False
    if machine == _machine() and (process == os.getpid() or not runs(process)):
        return True
    times = [facts.st_mtime]
    if entry.is_dir(follow_symlinks=False):
        times += [inside.stat(follow_symlinks=False).st_mtime for inside in os.scandir(entry.path)]
    return time.time() - max(times) > A_DAY


@cache
def _machine() -> str:
    """Where the numbers of processes count: this machine or, in a container, that."""
    try:
        numbers = os.readlink("/proc/self/ns/pid")
    except OSError:
        numbers = ""
    return hashlib.sha256(f"{socket.gethostname()} {numbers}".encode()).hexdigest()[:8]


def runs(process: int) -> bool:
    """Is there a process of this number, as far as this system says?"""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _user(otherwise):
    """The number of this process's user, where there are such."""
    return os.geteuid() if hasattr(os, "geteuid") else otherwise


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


# Locks, and the user's cache


@contextmanager
def locked(folder, wait=True):
    """Hold a folder for this process alone, after waiting for another one.

    Without `wait`, a folder that is held is a BlockingIOError.

    The lock is the system's, on the folder itself: it goes with the process, however that ends.
    (Not on Windows.) Where the file system has no locks, that is said once, and work goes on.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            _say_once_that_locks_fail(str(folder), error.strerror)
        yield
    finally:
        os.close(handle)


@cache
def _say_once_that_locks_fail(folder, reason):
    line = f"warning: {folder}: cannot be locked ({reason}); let no two commands work in it at once"
    print(shown_line(line), file=sys.stderr)


def cache_folder() -> Path:
    """Where pictures and features are kept between runs.

    $MACRID_CACHE, else a folder in the user's cache. In one that other users may write into, a
    folder for this user alone: what others put there is not trusted.
    """
    if os.environ.get("MACRID_CACHE"):
        folder = Path(os.environ["MACRID_CACHE"])
    elif os.environ.get("XDG_CACHE_HOME"):
        folder = Path(os.environ["XDG_CACHE_HOME"]) / "macrid"
    else:
        try:
            folder = Path.home() / ".cache" / "macrid"
        except RuntimeError:  # as in a container whose user has no name
            folder = Path(tempfile.gettempdir())
    if not _is_shared(folder):
        return folder
    own = folder / f"macrid-user-{_user(0)}"
    with suppress(FileExistsError):
        own.mkdir(mode=0o700)
    if own.is_symlink() or _is_shared(own):
        raise UserError(
            f"{own}: can be written by other users; remove it, or set MACRID_CACHE to a folder of"
            " your own"
        )
    return own


def _is_shared(folder):
    """May others than this user write into a folder? Root may, and the user's own group."""
    try:
        facts = os.stat(folder)
    except OSError:
        return False
    by_others = facts.st_mode & 0o002 or (facts.st_mode & 0o020 and facts.st_gid != facts.st_uid)
    return bool(by_others) or facts.st_uid not in (0, _user(facts.st_uid))


# JSON


def save_json(path, value):
    """Write a value as indented JSON, all or nothing."""
    with replacing(path, "w") as file:
        json.dump(value, file, indent=1, allow_nan=False)
        file.write("\n")


def save_lines(path, records):
    """Write records as JSON lines, all or nothing."""
    with replacing(path, "w") as file:
        file.writelines(json.dumps(record, allow_nan=False) + "\n" for record in records)


def load_json(path, form=None, remedy="train again with --overwrite"):
    """Read JSON, or raise a UserError that names the file.

    `form` says what it has to be, as `check_form` takes it.
    """
    try:
        check_regular(path)
        if os.path.getsize(path) > MOST_JSON:
            raise UserError(f"{path}: has more than {MOST_JSON:,} bytes, as no such file; {remedy}")
        value = parse_json(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); is this a run folder?"
        ) from None
    except UserError:
        raise
    except ValueError:
        raise UserError(f"{path}: is damaged (not JSON); {remedy}") from None
    if form is not None:
        try:
            check_form(value, form)
        except ValueError as error:
            raise UserError(f"{path}: is damaged ({error}); {remedy}") from None
    return value


def parse_json(text: str) -> Any:
    """The value of a JSON text; a ValueError too for NaN, 1e999, and brackets without end."""

    def finite(number):
        if not math.isfinite(float(number)):
            raise ValueError(f"{number[:20]} is no finite number")
        return float(number)

    try:
        return json.loads(text, parse_float=finite, parse_constant=finite)
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None


def check_form(value: Any, form: Any, name: str = "it") -> None:
    """Raise a ValueError unless a JSON value has a form.

    A form is a type; a tuple of forms, one of which will do; {str: form}, any names of one form
    each; or {name: form}, these at least, those that end in '?' perhaps.

    >>> check_form({"mean": 0.5, "users": 3}, {"mean": float, "stderr?": (None, float)})
    """
    if isinstance(form, tuple):
        for one_of_them in form[:-1]:
            with suppress(ValueError):
                return check_form(value, one_of_them, name)
        return check_form(value, form[-1], name)
    if isinstance(form, dict):
        if not isinstance(value, dict):
            raise ValueError(f"{name} is no object")
        for key, part in form.items():
            if key is str:
                for each, inside in value.items():
                    check_form(each, str, "a name")
                    check_form(inside, part, f"'{each[:40]}'")
            elif key.removesuffix("?") in value:
                check_form(value[key.removesuffix("?")], part, f"'{key.removesuffix('?')}'")
            elif not key.endswith("?"):
                raise ValueError(f"{name} has no '{key}'")
        return None
    kinds = {float: (int, float)}.get(form, form)
    if form is None and value is None:
        return None
    if isinstance(value, str) and form is str and HALF.search(value):
        raise ValueError(f"{name} holds half of a character (a lone surrogate)")
    if form is None or not isinstance(value, kinds) or isinstance(value, bool) != (form is bool):
        expected = {float: "a number", int: "a whole number", str: "text", None: "null"}
        raise ValueError(f"{name} is {str(value)[:40]!r}, expected {expected.get(form, form)}")
    return None


def check_regular(path) -> None:
    """Raise a UserError where `path` is a pipe or a device, which might never end."""
    if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
        raise UserError(f"{path}: is a pipe or a device; write what it holds to a file first")


def id_fault(text: str) -> str:
    """What is wrong with a text as the id of a user or an item, in words; '' if nothing is."""
    if not text.strip():
        return "is empty"
    if len(text) > LONGEST_ID:
        return f"has {len(text):,} characters, more than {LONGEST_ID:,}"
    if "\0" in text:
        return "holds a NUL character"
    if not text.isascii() and HALF.search(text):
        return "holds half of a character (a lone surrogate)"
    return ""
