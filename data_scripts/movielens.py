r"""MovieLens for `macrid.train --data`: download or take a zip or folder, check, convert, describe.

The checksums below are the MD5s that GroupLens publishes beside its zips. ml-latest-small changes
from time to time, so its MD5 is fetched from the same server, as is that of a zip from elsewhere
(--url): this guards against damage on the way, not against a forged server. MD5 itself guards
against no forger either.
"""

from macrid import early  # noqa: F401  # first: the others take their time

# isort: split
import argparse
import csv
import re
import shutil
import stat
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import web
from download import download
from prepare import new_folder, paper_filter

from macrid import terminal
from macrid.errors import UserError

SERVER = "https://files.grouplens.org/datasets/movielens"
MD5 = {
    "ml-latest-small": None,
    "ml-1m": "c4d9eecfca2ab87c1945afe126590906",
    "ml-20m": "cd245b17a1ae2cc31bb14903e1204af3",
    "ml-25m": "6b51fb2759a8657d3bfcbfc42b592ada",
    "ml-32m": "d472be332d4daa821edc399621853b57",
}
MOST_BYTES = 4 << 30  # unpacked: several times the largest of them
MOST_RATIO = 50  # unpacked to packed: ratings shrink by about 4, a bomb by 1,000
README_NAMES = ("README.txt", "README", "README.html")
TO_UNPACK = {"ratings.csv", "movies.csv", "ratings.dat", "movies.dat", *README_NAMES}
RATING = re.compile(r"([0-9]+)::([0-9]+)::([0-9.]+)::([0-9]+)")
MOVIE = re.compile(r"([0-9]+)::(.+)::(.*)")
LICENCE = re.compile(
    r"^[^\n]*usage licen[sc]e[^\n]*\n=+\n(.*?)(?=^[^\n]+\n=+$|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)


def main(argv=None):
    """Make a folder of ratings.csv and movies.csv."""
    example = "python data_scripts/movielens.py ml-1m --out data/ml-1m"
    arguments = terminal.parser("movielens", __doc__.splitlines()[0], example)
    arguments.prog = "python data_scripts/movielens.py"
    arguments.add_argument("name", choices=MD5, help="which MovieLens: " + ", ".join(MD5))
    arguments.add_argument(
        "--out", help="the folder to make (default: the name); a downloaded zip stays beside it"
    )
    arguments.add_argument(
        "--from",
        dest="source",
        metavar="PATH",
        help="take this zip or unpacked folder instead of downloading",
    )
    arguments.add_argument("--url", help=f"download this zip (default: {SERVER}/<name>.zip)")
    arguments.add_argument(
        "--md5",
        help="the zip's expected MD5 (default: the published one, see the head of this script)",
    )
    arguments.add_argument("--quiet", action="store_true", help="print nothing but errors")
    flags = arguments.parse_args(argv)
    if flags.md5 and not re.fullmatch("[0-9a-fA-F]{32}", flags.md5):
        raise UserError(f"--md5 is '{flags.md5}', expected 32 hexadecimal digits")
    out = Path(flags.out or flags.name)
    with new_folder(out) as folder:
        zip_path = out.with_name(f"{flags.name}.zip")
        source = Path(flags.source) if flags.source else fetch(flags, zip_path)
        (folder / "raw").mkdir()
        raw = source if source.is_dir() else unpack(source, folder / "raw")
        licence = convert(raw, folder, source)
        shutil.rmtree(folder / "raw")
        try:
            _, statistics = paper_filter(folder, flags.name)
        except UserError as error:  # name the file that the user has, not the temporary one
            raise UserError(str(error).replace(str(folder), str(source))) from None
    if not flags.quiet:
        readme = f"{flags.name}-README.{'txt' if flags.name == 'ml-1m' else 'html'}"
        train = terminal.command("python -m macrid.train --min-user-items 15 --data", out)
        say = terminal.say()
        say(licence or f"licence   see {SERVER}/{readme}", "")
        say(*statistics, "", f"saved     {out}; next: {train}")


def fetch(flags: argparse.Namespace, path: Path) -> Path:
    """Download the zip to `path`, or find it there from an earlier run, and check its MD5."""
    url = flags.url or f"{SERVER}/{flags.name}.zip"
    md5 = flags.md5 or (None if flags.url else MD5[flags.name]) or published_md5(url + ".md5")
    remedy = "fetch the zip elsewhere and give --from"
    return download([url], path, md5.lower(), quiet=flags.quiet, remedy=remedy)


def published_md5(url: str) -> str:
    """The MD5 in a small text file on the server.

    It reads 'MD5 (ml-1m.zip) = <digits>' or '<digits>  ml-1m.zip'.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "macrid"})
    try:
        with web.opened(request, web.SECONDS) as answer:
            digits = re.search(rb"\b[0-9a-fA-F]{32}\b", answer.read(1000))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{url}: the checksum cannot be fetched ({error}); give --md5, or fetch the zip"
            " elsewhere and give --from"
        ) from None
    if not digits:
        raise UserError(
            f"{url}: holds no MD5; give --md5, or fetch the zip elsewhere and give --from"
        )
    return digits[0].decode().lower()


def unpack(path: Path, folder: Path) -> Path:
    """Put the ratings, movies and README of a zip into `folder`, flat, and return it.

    A zip with a path that leads outside, a link, an encrypted file or more than it can honestly
    hold is refused whole, although only files with known names, wherever they stand, are ever
    written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            total = sum(member.file_size for member in members)
            if total > min(MOST_BYTES, MOST_RATIO * path.stat().st_size):
                raise UserError(
                    f"{path}: would unpack to {total:,} bytes, too many for its"
                    f" {path.stat().st_size:,}; is it MovieLens? fetch it again"
                )
            for member in members:
                name = PurePosixPath(member.filename.replace("\\", "/"))
                if name.is_absolute() or ".." in name.parts or ":" in member.filename:
                    raise UserError(
                        f"{path}: holds '{member.filename}', which leads outside; do not trust this"
                        " zip, fetch it again"
                    )
                if stat.S_ISLNK(member.external_attr >> 16) or member.flag_bits & 1:
                    raise UserError(
                        f"{path}: holds '{member.filename}', a link or an encrypted file; do not"
                        " trust this zip, fetch it again"
                    )
                if name.name in TO_UNPACK and len(name.parts) <= 2 and not member.is_dir():
                    # zipfile stops at the size that the member declares, and checks its CRC
                    with archive.open(member) as inside, open(folder / name.name, "xb") as file:
                        shutil.copyfileobj(inside, file)
    except FileNotFoundError:
        remedy = "check the path, or leave --from out to download"
        raise UserError(f"{path}: does not exist; {remedy}") from None
    except FileExistsError as error:
        name = Path(error.filename).name
        raise UserError(f"{path}: holds '{name}' twice; fetch it again") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(
            f"{path}: is not a whole zip ({error}); remove it and fetch it again"
        ) from None
    return folder


def convert(raw: Path, folder: Path, source: Path) -> str:
    """Put ratings.csv, movies.csv and the README into `folder`; return the licence in it.

    The tables are copied, or made of .dat files; `source` is what errors call them.
    """
    if (raw / "ratings.csv").is_file():
        for name in ("ratings.csv", "movies.csv"):
            if not (raw / name).is_file():
                raise UserError(f"{source}: has ratings.csv but no {name}; fetch it again")
            shutil.copyfile(raw / name, folder / name)
    elif (raw / "ratings.dat").is_file() and (raw / "movies.dat").is_file():
        for name, pattern, header in (
            ("ratings", RATING, ("userId", "movieId", "rating", "timestamp")),
            ("movies", MOVIE, ("movieId", "title", "genres")),
        ):
            dat = f"{name}.dat"
            _from_dat(raw / dat, folder / f"{name}.csv", pattern, header, source / dat)
    else:
        raise UserError(
            f"{source}: holds neither ratings.csv and movies.csv nor ratings.dat and movies.dat;"
            " give the zip or folder of a MovieLens"
        )
    for name in README_NAMES:
        if (raw / name).is_file():
            text = _text((raw / name).read_bytes()[: 1 << 20]).replace("\r\n", "\n")
            (folder / "README.txt").write_text(text, encoding="utf-8")
            licence = LICENCE.search(text)
            shown = licence[0].strip() if licence else f"licence   see {name}"
            return "".join(letter for letter in shown if letter.isprintable() or letter == "\n")
    return ""


def _from_dat(path, out, pattern, header, name):
    """Write a file of fields divided by '::', each line of a pattern, as CSV.

    `name` is what errors call it.
    """
    with open(out, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        # not splitlines, which would also break a title at a Latin-1 control character
        for number, line in enumerate(_text(path.read_bytes()).rstrip("\n").split("\n"), 1):
            fields = pattern.fullmatch(line.rstrip("\r"))
            if not fields:
                raise UserError(
                    f"{name}, line {number}: '{line[:80]}' is not {'::'.join(header)}; mend the"
                    " line or fetch it again"
                )
            writer.writerow(fields.groups())


def _text(content):
    """UTF-8 or Latin-1 as text.

    ml-1m is Latin-1; copies that someone has saved as UTF-8 exist, and Latin-1 names are
    practically never valid UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


if __name__ == "__main__":
    sys.exit(terminal.run(main))
