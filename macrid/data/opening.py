"""A text file to read, plain or gzip, or a pipe: what is wrong with it is a UserError."""

import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from macrid.errors import UserError

NO_TEXT = {  # how a file begins that is none: what it is, and the remedy
    b"PK\x03\x04": "a zip or an Excel workbook; unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel workbook; save the sheet as CSV",
    b"PAR1": "Parquet; save it as CSV",
    b"BZh": "packed by bzip2; unpack it with bunzip2, or pack it by gzip, which is read",
    b"\xfd7zXZ": "packed by xz; unpack it with unxz, or pack it by gzip, which is read",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it with unzstd, or pack it by gzip, which is read",
    b"7z\xbc\xaf": "packed by 7-Zip; unpack it",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"\x89HDF": "HDF5; save it as CSV",
    b"\x93NUMPY": "a NumPy array; give it to Recommender.fit, or save it as CSV",
    b"\xff\xfe": "UTF-16 text; save it as plain UTF-8 text",
    b"\xfe\xff": "UTF-16 text; save it as plain UTF-8 text",
}
LONGEST_LINE = 10_000_000  # bytes


class _Lines(io.BufferedIOBase):
    """A file that is read as long as its lines come to an end: a few bytes may pack very many."""

    def __init__(self, file, path):
        self.file, self.path = file, path
        self.in_line = 0  # bytes since the last line ended

    def readable(self):
        return True

    def read1(self, size=-1):
        part = self.file.read1(size)
        end = max(part.rfind(b"\n"), part.rfind(b"\r"))
        self.in_line = self.in_line + len(part) if end < 0 else len(part) - end - 1
        if self.in_line > LONGEST_LINE:
            raise UserError(
                f"{self.path}: has a line of more than {LONGEST_LINE:,} bytes; is it a table?"
            )
        return part


@contextmanager
def opened(path: str | Path, encoding: str = "utf-8-sig") -> Iterator[TextIO]:
    """A text file to read, which gzip may have packed; what is wrong is a UserError with its line.

    It is read once, from its beginning to its end: a pipe will do.
    """
    try:
        with open(path, "rb") as raw:
            start = raw.peek(16)[:16]
            for magic, what in NO_TEXT.items():
                if start.startswith(magic):
                    raise UserError(f"{path}: is {what}")
            packed = gzip.GzipFile(fileobj=raw) if start.startswith(b"\x1f\x8b") else None
            lines: Any = _Lines(packed or raw, path)
            with io.TextIOWrapper(lines, encoding, newline="") as file:
                yield file
    except UnicodeDecodeError as error:
        byte, line = error.object[error.start], _undecodable_line(path)
        raise UserError(
            f"{path}{line}: is not UTF-8 text (byte {byte:#04x}); save the file as plain UTF-8"
            " text, in a spreadsheet as 'CSV UTF-8'"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: is cut or damaged ({error}); fetch it or pack it again") from None
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be read ({reason}); check the path") from None


def one_a_line(path: str | Path) -> Iterator[tuple[int, str]]:
    """(line, text) of what a file has on a line each, such as ids; blank lines are left out."""
    with opened(path) as file:
        for line, text in enumerate(file, 1):
            if name := text.strip():
                yield line, name


def is_pipe(path: str | Path) -> bool:
    """Whether a path is no file but a pipe, such as a shell's <(zcat file), which is read once."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def _undecodable_line(path):
    """', line N' of the first line that is not UTF-8, '' where it cannot be read again."""
    if is_pipe(path):
        return ""
    with open(path, "rb") as raw:
        is_packed = raw.peek(2).startswith(b"\x1f\x8b")
        for line, text in enumerate(gzip.GzipFile(fileobj=raw) if is_packed else raw, 1):
            try:
                text.decode("utf-8")
            except UnicodeDecodeError:
                return f", line {line}"
    return ""
