"""Parquet files, read where pandas or pyarrow is installed."""

from pathlib import Path
from typing import Any

from macrid.errors import UserError


def is_parquet(path: str | Path) -> bool:
    """Whether a file begins as Parquet does."""
    if not Path(path).is_file():
        return False
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"PAR1"
    except OSError:
        return False


def read(path: str | Path) -> Any:
    """The table in a Parquet file: PyArrow's, or a DataFrame of pandas."""
    try:
        from pyarrow.parquet import read_table
    except ImportError:
        try:
            from pandas import read_parquet as read_table
        except ImportError:
            raise UserError(
                f"{path}: is Parquet, which pyarrow reads; install it (pip install pyarrow), or"
                " save the file as CSV"
            ) from None
    try:
        return read_table(path)
    except Exception as error:  # of many kinds, by library
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path}: is no whole Parquet file ({reason}); save it again") from None
