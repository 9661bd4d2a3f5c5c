r"""MovieLens for `macrid.train --data`: download (or take a local zip or folder), check, unpack,
convert, describe.

The checksums below are the MD5s that GroupLens publishes beside its zips. ml-latest-small changes
from time to time, so its MD5 is fetched from the same server, as is that of a zip from elsewhere
(--url): this guards against damage on the way, not against a forged server. MD5 itself guards
against no forger either.
"""

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

from download import download, web
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
RATING = re.compile(r"([0-9]+)::([0-9]+)::([0-9.]+)::([0-9]+)")
MOVIE = re.compile(r"([0-9]+)::(.+)::(.*)")
LICENCE = re.compile(
    r"^[^\n]*usage licen[sc]e[^\n]*\n=+\n(.*?)(?=^[^\n]+\n=+$|\Z)",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)


def main(argv=None):
    """Make a folder of ratings.csv and movies.csv."""
    arguments = terminal.parser(
        "movielens",
        __doc__.splitlines()[0],
        "python data_scripts/movielens.py ml-1m --out data/ml-1m",
    )
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
        source = (
            Path(flags.source) if flags.source else fetch(flags, out.with_name(f"{flags.name}.zip"))
        )
        (folder / "raw").mkdir()
        raw = source if source.is_dir() else unpack(source, folder / "raw")
        licence = convert(raw, folder, source)
        shutil.rmtree(folder / "raw")
        try:
            _, statistics = paper_filter(folder, flags.name)
        except UserError as error:  # name the file that the user has, not the temporary one
            raise UserError(str(error).replace(str(folder), str(source))) from None
    if not flags.quiet:
        print(
            licence
            or f"licence   see {SERVER}/{flags.name}-README.{'txt' if flags.name == 'ml-1m' else 'html'}",
            "",
            sep="\n",
        )
        print(
            *statistics,
            "",
            f"saved     {out}; next: python -m macrid.train --data {out} --min-user-items 15",
            sep="\n",
        )


def fetch(flags, path):
    """Download the zip to `path`, or find it there from an earlier run, and check its MD5."""
    url = flags.url or f"{SERVER}/{flags.name}.zip"
    md5 = flags.md5 or (None if flags.url else MD5[flags.name]) or published_md5(url + ".md5")
    return download(
        [url],
        path,
        md5.lower(),
        quiet=flags.quiet,
        remedy="fetch the zip elsewhere and give --from",
    )


def published_md5(url):
    """The MD5 in a small text file on the server: 'MD5 (ml-1m.zip) = <digits>' or '<digits>  ml-1m.zip'."""
    try:
        with web.open(
            urllib.request.Request(url, headers={"User-Agent": "macrid"}), timeout=60
        ) as answer:
            found = re.search(rb"\b[0-9a-fA-F]{32}\b", answer.read(1000))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{url}: the checksum cannot be fetched ({error}); give --md5, or fetch the zip"
            " elsewhere and give --from"
        ) from None
    if not found:
        raise UserError(
            f"{url}: holds no MD5; give --md5, or fetch the zip elsewhere and give --from"
        )
    return found[0].decode().lower()


def unpack(path, folder):
    """Put the ratings, movies and README of a zip into `folder`, flat, and return it.

    A zip with a path that leads outside, a link, an encrypted file or more than it can honestly
    hold is refused whole, although only files with known names, wherever they stand, are ever
    written.
    """
    wanted = {"ratings.csv", "movies.csv", "ratings.dat", "movies.dat", *README_NAMES}
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
                if name.name in wanted and len(name.parts) <= 2 and not member.is_dir():
                    with archive.open(member) as inside, open(folder / name.name, "xb") as file:
                        shutil.copyfileobj(
                            inside, file
                        )  # zipfile stops at the size that the member declares, and checks its CRC
    except FileNotFoundError:
        raise UserError(
            f"{path}: does not exist; check the path, or leave --from out to download"
        ) from None
    except FileExistsError as error:
        raise UserError(
            f"{path}: holds '{Path(error.filename).name}' twice; fetch it again"
        ) from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(
            f"{path}: is not a whole zip ({error}); remove it and fetch it again"
        ) from None
    return folder


def convert(raw, folder, source):
    """ratings.csv and movies.csv into `folder`, as they are or from .dat files; with the README,
    whose licence is returned.
    """
    if (raw / "ratings.csv").is_file():
        for name in ("ratings.csv", "movies.csv"):
            if not (raw / name).is_file():
                raise UserError(f"{source}: has ratings.csv but no {name}; fetch it again")
            shutil.copyfile(raw / name, folder / name)
    elif (raw / "ratings.dat").is_file() and (raw / "movies.dat").is_file():
        _from_dat(
            raw / "ratings.dat",
            folder / "ratings.csv",
            RATING,
            ("userId", "movieId", "rating", "timestamp"),
            source / "ratings.dat",
        )
        _from_dat(
            raw / "movies.dat",
            folder / "movies.csv",
            MOVIE,
            ("movieId", "title", "genres"),
            source / "movies.dat",
        )
    else:
        raise UserError(
            f"{source}: holds neither ratings.csv and movies.csv nor ratings.dat and movies.dat;"
            " give the zip or folder of a MovieLens"
        )
    for name in README_NAMES:
        if (raw / name).is_file():
            text = _text((raw / name).read_bytes()[: 1 << 20]).replace("\r\n", "\n")
            (folder / "README.txt").write_text(text, encoding="utf-8")
            found = LICENCE.search(text)
            shown = found[0].strip() if found else f"licence   see {name}"
            return "".join(
                character for character in shown if character.isprintable() or character == "\n"
            )
    return ""


def _from_dat(path, out, pattern, header, name):
    """Write a file of fields divided by '::', each line of a pattern, as CSV; `name` is what errors
    call it.
    """
    with open(out, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        # not splitlines, which would also break a title at a Latin-1 control character
        for number, line in enumerate(_text(path.read_bytes()).rstrip("\n").split("\n"), 1):
            found = pattern.fullmatch(line.rstrip("\r"))
            if not found:
                raise UserError(
                    f"{name}, line {number}: '{line[:80]}' is not {'::'.join(header)}; mend the"
                    " line or fetch it again"
                )
            writer.writerow(found.groups())


def _text(content):
    """ml-1m is Latin-1; copies that someone has saved as UTF-8 exist, and Latin-1 names are
    practically never valid UTF-8.
    """
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


if __name__ == "__main__":
    sys.exit(terminal.run(main))
