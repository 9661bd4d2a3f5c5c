"""Fetch the pictures of Amazon's items, one at a time, politely; an interrupted run continues."""

import csv
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from http.client import HTTPException, IncompleteRead
from pathlib import Path

import web
from tqdm import tqdm

from macrid import terminal
from macrid.errors import UserError, shown
from macrid.files import replacing
from macrid.pictures import features
from macrid.pictures.reading import Unreadable, read_square

AGENT = "macrid data_scripts/amazon.py (one picture at a time)"
MOST_BYTES = 20 << 20
MOST_SECONDS = 120  # for one picture
MOST_ADDRESS = 2000  # characters
MOST_FIELD = 4 << 20  # characters of a field in the tables that these scripts write
FILE_NAME = re.compile("[0-9A-Za-z_-]{1,200}")  # what an item's id has to be
TRIES = 4  # of one picture, with growing pauses
PATIENCE = 3  # pictures in a row that a host may fail to send before the run leaves it alone
MOST_SHOWN = 10  # reasons of pictures that are left out
MAY_PASS = (  # failures after which it is worth asking again
    urllib.error.URLError,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
    IncompleteRead,
)


def fetch_pictures(out: Path, delay: float, quiet: bool, public: bool = True) -> list[str]:
    """Fetch what is missing of pictures.csv into pictures/; return lines that say how it went.

    An address that has no readable picture is written to pictures_failed.csv and not asked again
    (remove that file to ask again). A host that fails (5xx, 429, no connection) is tried again,
    then left alone: a later run asks it anew. With `public`, an address of this machine or of a
    private network has no picture.
    """
    folder, failed = out / "pictures", out / "pictures_failed.csv"
    folder.mkdir(exist_ok=True)
    settled = {path.stem for path in folder.iterdir() if path.suffix in features.SUFFIXES}
    if failed.is_file():
        settled |= set(column(failed))
    items, urls = column(out / "pictures.csv"), column(out / "pictures.csv", 1)
    listed = [(item, url) for item, url in zip(items, urls) if url]
    missing = [(item, url) for item, url in listed if item not in settled]
    reasons: list[str] = []
    failures: Counter[str] = Counter()  # in a row, by host
    postponed, first_failure = 0, ""
    with open(failed, "a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not failed.stat().st_size:
            writer.writerow(("item", "url", "reason"))
        bar = tqdm(missing, unit=" pictures", disable=True if quiet else None, leave=False)
        for item, url in bar:
            host = str(url.split("/")[2:3])
            if failures[host] >= PATIENCE:
                postponed += 1
                continue
            try:
                _fetch(folder, item, url, delay, public)
                failures[host] = 0
            except Unreadable as error:
                reasons.append(f"          left out: {shown(item)} {shown(url)} {error}")
                writer.writerow((item, url, error))
                file.flush()
            except _Failing as error:
                failures[host] += 1
                postponed += 1
                first_failure = first_failure or f"{shown(url)} {error}"
            except KeyboardInterrupt:
                message = "interrupted; run the same command again to continue"
                raise KeyboardInterrupt(message) from None
    got = len(missing) - len(reasons) - postponed
    if postponed:
        raise UserError(
            f"{folder}: {postponed:,} pictures could not be fetched, {got:,} were: {first_failure};"
            " run again later to continue"
        )
    before, left_out = len(listed) - len(missing), len(reasons)
    if left_out > MOST_SHOWN:
        more = f"          left out: {left_out - MOST_SHOWN:,} more, see {failed}"
        reasons[MOST_SHOWN:] = [more]
    return [
        f"pictures  {got:,} fetched, {before:,} settled before, {left_out:,} left out",
        *reasons,
        f"saved     {folder}: add {terminal.command('--pictures', folder)} --alexnet FILE",
    ]


class _Failing(Exception):
    """The server does not answer as it should; it may later."""


def _fetch(folder, item, url, delay, public):
    """Fetch one picture under its item's name; Unreadable says why there is none.

    Pauses after every request.
    """
    if len(url) > MOST_ADDRESS:
        raise Unreadable(f"has an address of more than {MOST_ADDRESS:,} characters")
    try:
        address = urllib.parse.urlsplit(url)
        quoted = urllib.parse.quote(url, safe=":/?&=%+,;@~!$'()*#[]")
        request = urllib.request.Request(quoted, headers={"User-Agent": AGENT})
    except ValueError as error:
        raise Unreadable(f"is no address ({error})") from None
    if address.scheme not in ("http", "https"):
        raise Unreadable("is no http or https address")
    if not FILE_NAME.fullmatch(item):
        raise Unreadable("belongs to an item whose id is no file name")
    suffix = Path(address.path).suffix.lower()
    path = folder / (item + (suffix if suffix in features.SUFFIXES else ".jpg"))
    for attempt in range(TRIES):
        pause = delay
        try:
            with web.opened(request, MOST_SECONDS, public) as answer:
                content, length = answer.read(MOST_BYTES + 1), answer.headers.get("Content-Length")
            if len(content) > MOST_BYTES:
                raise Unreadable(f"is larger than {MOST_BYTES:,} bytes")
            if length and len(content) < int(length):
                raise ConnectionError(f"ended after {len(content):,} of {length} bytes")
            with replacing(path) as file:
                file.write(content)
                file.flush()
                read_square(file.name)
            return
        except urllib.error.HTTPError as error:
            failure = f"answered {error.code} {error.reason}"
            if error.code < 500 and error.code not in (408, 429):
                raise Unreadable(failure) from None
            pause = delay * 2 ** (attempt + 1)
        except MAY_PASS as error:
            failure = f"failed ({getattr(error, 'reason', error)})"
            pause = delay * 2 ** (attempt + 1)
        except web.NotPublic as error:
            reason = f"({error}; to fetch it all the same: --private-addresses)"
            raise Unreadable(f"is not fetched {reason}") from None
        except (HTTPException, ValueError) as error:
            raise Unreadable(f"cannot be read ({error!r})") from None
        finally:
            time.sleep(pause)
    raise _Failing(f"{failure}, {TRIES} times")


def column(path: Path, number: int = 0) -> list[str]:
    """A column of a CSV file that these scripts wrote, without its header."""
    csv.field_size_limit(MOST_FIELD)
    with open(path, encoding="utf-8", newline="") as file:
        return [row[number] for row in csv.reader(file)][1:]
