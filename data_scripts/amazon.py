r"""The paper's four Amazon datasets (2014) for `macrid.train`: ratings, items, pictures, features.

Nobody publishes checksums of these files, and the server speaks plain http: a download is checked
by its length (and metadata by gzip's own checksum), and its SHA-256 is printed, so that two
downloads can be compared. Metadata is parsed as a Python or JSON literal and never evaluated.

Categories: metadata gives an item one or several paths, such as Musical Instruments > Guitars >
Picks. `second` takes the second name of each path (the first is the department, nearly the same for
all), `leaf` the last one.
"""

from macrid import early  # noqa: F401  # first: the others take their time

# isort: split
import ast
import csv
import gzip
import html
import json
import math
import sys
import warnings
import zlib
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from amazon_pictures import column, fetch_pictures
from download import download, hash_of
from prepare import TABLE_1, new_folder, paper_filter
from tqdm import tqdm

from macrid import terminal
from macrid.data.swapped import why_swapped
from macrid.errors import UserError, shown
from macrid.files import id_fault
from macrid.pictures import features

SERVER = "http://snap.stanford.edu/data/amazon/productGraph"
NAMES = [name for name in TABLE_1 if name != "ml-latest-small"]
SAMPLE = 1000  # rows that tell the order of the columns
MOST_LINE = 4 << 20  # characters
MOST_TEXT = 1000  # characters of a title or of a category's name
MOST_NAMES = 100  # categories of an item
LITERALS_RAISE = (  # what reading a line as a literal may raise
    ValueError,
    SyntaxError,
    TypeError,
    AttributeError,
    RecursionError,
    MemoryError,
)


def main(argv=None):
    """Make a folder of ratings.csv, items.csv and pictures.csv; fetch pictures and features."""
    example = "python data_scripts/amazon.py Musical_Instruments --out data/instruments --pictures"
    arguments = terminal.parser("amazon", __doc__.splitlines()[0], example)
    arguments.prog = "python data_scripts/amazon.py"
    arguments.add_argument("name", choices=NAMES, help="which dataset: " + ", ".join(NAMES))
    arguments.add_argument(
        "--out", help="the folder to make (default: the name); downloaded files stay beside it"
    )
    arguments.add_argument(
        "--from",
        dest="source",
        metavar="FOLDER",
        help="take ratings_<name>.csv, meta_<name>.json (plain or .gz) and"
        " image_features_<name>.b from here",
    )
    arguments.add_argument(
        "--url", default=SERVER, help=f"download from this server (default: {SERVER})"
    )
    arguments.add_argument(
        "--columns",
        choices=("auto", "user,item", "item,user"),
        default="auto",
        help="the order in the ratings file: 2014 has user,item, 2018 item,user"
        " (default: told by the ids)",
    )
    arguments.add_argument(
        "--category",
        choices=("second", "leaf"),
        default="second",
        help="which level of the paths (default: second)",
    )
    arguments.add_argument(
        "--pictures",
        action="store_true",
        help="fetch the pictures of the items that the paper's filter keeps;"
        " an interrupted run continues",
    )
    arguments.add_argument(
        "--features",
        action="store_true",
        help="take these items' rows of image_features_<name>.b into features.npz",
    )
    arguments.add_argument(
        "--delay", type=float, default=1.0, help="seconds between two pictures (default: 1)"
    )
    arguments.add_argument(
        "--private-addresses",
        action="store_true",
        help="fetch pictures also from this machine and private networks, such as a mirror of"
        " your own (default: from public addresses only)",
    )
    arguments.add_argument(
        "--quiet", action="store_true", help="print nothing but errors and warnings"
    )
    flags = arguments.parse_args(argv)
    if not 0 <= flags.delay < math.inf:
        raise UserError(f"--delay is {flags.delay}, expected seconds, 0 or more")
    out = Path(flags.out or flags.name)
    say = terminal.say(flags.quiet)
    if not ((flags.pictures or flags.features) and (out / "pictures.csv").is_file()):
        prepare(flags, out, say)
    train = "python -m macrid.train --min-user-items 15 --data"
    train = terminal.command(train, out, "--categories", f"{out / 'items.csv'}:category")
    say(f"folder    {out}: next: {train}")
    if flags.features:
        name, saved = f"image_features_{flags.name}.b", out / "features.npz"
        path = find(flags, out, name, "image_features/categoryFiles", say)
        extracted = features.read_amazon(path, set(column(out / "pictures.csv")))
        features.save(saved, extracted)
        add = terminal.command("--features", saved)
        say(*features.report(extracted), f"saved     {saved}: add {add}")
    if flags.pictures:
        public = not flags.private_addresses
        say(*fetch_pictures(out, flags.delay, flags.quiet, public))


def prepare(flags, out, say):
    """Everything but pictures and features: all or nothing."""
    with new_folder(out) as folder:
        ratings = find(flags, out, f"ratings_{flags.name}.csv", "categoryFiles", say)
        metadata = find(flags, out, f"meta_{flags.name}.json.gz", "categoryFiles", say)
        rated = convert_ratings(ratings, folder / "ratings.csv", flags.columns, flags.quiet)
        try:
            kept, statistics = paper_filter(folder, flags.name)
        except UserError as error:  # name the file that the user has, not the temporary one
            raise UserError(str(error).replace(str(folder / "ratings.csv"), str(ratings))) from None
        kept, seen, described, pictured = set(kept.tolist()), set(), 0, 0
        entries = read_metadata(metadata, flags.category, flags.quiet)
        with (
            csv_writer(folder / "items.csv", ("item", "title", "category")) as items,
            csv_writer(folder / "pictures.csv", ("item", "url")) as pictures,
        ):
            for item, title, categories, url in entries:
                if item not in rated or item in seen:
                    continue
                seen.add(item)
                described += bool(categories)
                items.writerow((item, title, "|".join(categories)))
                if item in kept:
                    pictures.writerow((item, url))
                    pictured += bool(url)
        if not seen:
            raise UserError(
                f"{metadata}: describes none of the items of {ratings}; are both of {flags.name},"
                " and is --columns right?"
            )
        say(
            *statistics,
            f"metadata  of {len(seen):,} of {len(rated):,} rated items, {described:,} with a"
            f" category; {pictured:,} of the {len(kept):,} that the filter keeps have a picture's"
            " address",
        )


def find(flags, out, name, path, say):
    """A file of the dataset: in --from (packed or not), else downloaded beside `out`."""
    if flags.source:
        stem = name.removesuffix(".gz")
        for candidate in (Path(flags.source) / stem, Path(flags.source) / f"{stem}.gz"):
            if candidate.is_file():
                return candidate
        raise UserError(
            f"{flags.source}: has no {stem} (plain or .gz); put it there, or leave --from out to"
            " download"
        )
    urls, remedy = [f"{flags.url}/{path}/{name}"], "fetch it elsewhere and give --from FOLDER"
    path = download(urls, out.with_name(name), None, quiet=flags.quiet, remedy=remedy)
    say(f"have      {path}, SHA-256 {hash_of(path)}")
    return path


@contextmanager
def csv_writer(path, header):
    """A CSV file to write rows to, below its header."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        yield writer


def lines_of(path, quiet):
    """Yield (number, line) of a text file, plain or gzip by its first bytes; damage is refused."""
    number, disable = 0, True if quiet else None
    try:
        with open(path, "rb") as file:
            opened = gzip.open if file.read(2) == b"\x1f\x8b" else open
        with (
            opened(path, "rt", encoding="utf-8-sig", newline="\n") as file,
            tqdm(
                desc=shown(path.name), unit=" lines", unit_scale=True, disable=disable, leave=False
            ) as bar,
        ):
            while line := file.readline(MOST_LINE):
                number += 1
                bar.update()
                if len(line) == MOST_LINE:
                    raise UserError(
                        f"{path}, line {number}: is longer than {MOST_LINE:,} characters; is it the"
                        " right file?"
                    )
                if line.strip():
                    yield number, line.rstrip("\r\n")
    except UnicodeDecodeError:
        raise UserError(
            f"{path}, line {number + 1} or soon after: is not UTF-8 text; fetch it again"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path}, after line {number}: is cut or damaged ({error}); remove it and fetch it"
            " again"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def convert_ratings(path, out, columns, quiet):
    """Write user,item,rating,timestamp with a header; return the items.

    Warns where the columns stand in the order of 2018, by `macrid.data.swapped`.
    """
    rows = (_rating(path, number, line) for number, line in lines_of(path, quiet))
    first = [row for _, row in zip(range(SAMPLE), rows)]
    if not first:
        raise UserError(f"{path}: has no ratings; expected lines of user,item,rating,time")
    swapped = columns == "item,user"
    users, items, *_ = (list(dict.fromkeys(ids)) for ids in zip(*first))
    if columns == "auto" and why_swapped(users, items):
        swapped = True
        terminal.warn(
            f"{path}: the columns are item,user,rating,time, the order of 2018, and are"
            " read so; the other way round: --columns user,item"
        )
    rated = set()
    with csv_writer(out, ("user", "item", "rating", "timestamp")) as writer:
        for a, b, *rest in chain(first, rows):
            user, item = (b, a) if swapped else (a, b)
            rated.add(item)
            writer.writerow((user, item, *rest))
    return rated


def _rating(path, number, line):
    """The four fields of a line of ratings."""
    fields = [field.strip() for field in line.split(",")]
    try:
        user, item, rating, seconds = fields
        if user and item and 1 <= float(rating) <= 5 and float(seconds) < math.inf:
            return fields
    except ValueError:
        pass
    raise UserError(
        f"{path}, line {number}: '{line[:80]}' is not user,item,rating,time with a rating from 1 to"
        " 5; mend or remove the line"
    )


def read_metadata(path, level, quiet):
    """Yield (item, title, category names, picture address or '') of each line of metadata."""
    with warnings.catch_warnings():
        # Python's literals there hold backslashes that mean nothing
        warnings.simplefilter("ignore", SyntaxWarning)
        for number, line in lines_of(path, quiet):
            try:
                yield _item(line, level)
            except LITERALS_RAISE as error:
                reason = f"{type(error).__name__}: {str(error)[:80]}"
                raise UserError(
                    f"{path}, line {number}: '{line[:40]}' is no item as a Python or JSON literal"
                    f" ({reason}); mend or remove the line"
                ) from None


def _item(line, level):
    """One item of a metadata line. A literal holds no call and no name: nothing of it ever runs."""
    try:
        value = json.loads(line)
    except ValueError:
        value = ast.literal_eval(line.strip())
    item, title, url = (value.get(key) or "" for key in ("asin", "title", "imUrl"))
    if not item or not all(isinstance(text, str) for text in (item, title, url)):
        raise ValueError("asin, title and imUrl must be text, and asin not empty")
    if fault := id_fault(item):
        raise ValueError(f"asin {fault}")
    paths = value.get("categories") or []
    is_list = isinstance(paths, list) and all(isinstance(path, list) for path in paths)
    if not is_list or not all(isinstance(name, str) for path in paths for name in path):
        raise ValueError("categories must be a list of lists of text")
    names = [path[1] if level == "second" else path[-1] for path in paths if len(path) > 1]
    names = list(dict.fromkeys(_tidy(name).replace("|", "/") for name in names))[:MOST_NAMES]
    url = "" if "/no-img" in url else url.strip()
    return item, _tidy(title), [name for name in names if name], url


def _tidy(text):
    """On one line, without control characters, and &amp; as &; only so much of it."""
    text = "".join(c if c.isprintable() else " " for c in html.unescape(text))
    return " ".join(text.split())[:MOST_TEXT]


if __name__ == "__main__":
    sys.exit(terminal.run(main))
