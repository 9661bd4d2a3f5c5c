"""What the dataset scripts share: a folder that appears only whole, its statistics, and Table 1."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from macrid import data
from macrid.errors import UserError
from macrid.files import replacing_folder

MIN_RATING, MIN_USER_ITEMS = 4, 15  # the paper's section 4.1.1
TABLE_1 = {  # users, items, ratings
    "ml-latest-small": (531, 4807, 46217),
    "Movies_and_TV": (15187, 46234, 623239),
    "Musical_Instruments": (655, 10377, 15540),
    "Home_and_Kitchen": (6640, 52900, 154622),
    "Clothing_Shoes_and_Jewelry": (9575, 130742, 197708),
}


@contextmanager
def new_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder beside `path` that takes its name at the end.

    After an error or Ctrl-C nothing is left of it.
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{path}: is there already; give another --out, or remove it")
    with replacing_folder(path, unless_there=False) as temporary:
        yield temporary


def paper_filter(folder: Path, name: str) -> tuple[np.ndarray, list[str]]:
    """The item ids that the paper's filter keeps, and lines of statistics beside Table 1.

    Ratings of 4 and more are kept, then users with at least 15 of them. Reading checks every line
    of ratings.csv.
    """
    interactions = data.load(folder, MIN_RATING, 1)
    X = interactions.X[np.diff(interactions.X.indptr) >= MIN_USER_ITEMS]
    kept = interactions.items[np.unique(X.indices)]
    lines = [
        f"ratings of {MIN_RATING} and more, users with at least {MIN_USER_ITEMS} of them (section"
        " 4.1.1):",
        f"{'':28}{'users':>10}{'items':>10}{'ratings':>12}{'density':>10}",
        _row(name, X.shape[0], len(kept), X.nnz),
    ]
    if name in TABLE_1:
        lines.append(_row("the paper's Table 1", *TABLE_1[name]))
    return kept, lines


def _row(name, users, items, ratings):
    density = f"{ratings / users / items:.4%}" if ratings else "-"
    return f"{name:28}{users:>10,}{items:>10,}{ratings:>12,}{density:>10}"
