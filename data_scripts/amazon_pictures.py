"""Fetch the pictures of Amazon's items: one at a time, politely, and so that an interrupted run
continues.
"""

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

from download import SECONDS, web
from tqdm import tqdm

from macrid.errors import UserError
from macrid.files import replacing
from macrid.pictures import features
from macrid.pictures.reading import Unreadable, read_square

AGENT = "macrid data_scripts/amazon.py (one picture at a time)"
MOST_BYTES = 20 << 20
TRIES = 4  # of one picture, with growing pauses
PATIENCE = 3  # pictures in a row that a host may fail to send before the run leaves it alone


def fetch_pictures(out, delay, quiet):
    """Fetch what is missing of pictures.csv into pictures/; return lines that say how it went.

    An address that has no readable picture is written to pictures_failed.csv and not asked again
    (remove that file to ask again). A host that fails (5xx, 429, no connection) is tried again,
    then left alone: a later run asks it anew.
    """
    folder, failed = out / "pictures", out / "pictures_failed.csv"
    folder.mkdir(exist_ok=True)
    hopeless = set(column(failed)) if failed.is_file() else set()
    wanted = [
        (item, url)
        for item, url in zip(column(out / "pictures.csv"), column(out / "pictures.csv", 1))
        if url
    ]
    present = {path.stem for path in folder.iterdir() if path.suffix in features.SUFFIXES}
    missing = [(item, url) for item, url in wanted if item not in present and item not in hopeless]
    reasons, failures, postponed, first_failure = [], Counter(), 0, ""
    with open(failed, "a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not failed.stat().st_size:
            writer.writerow(("item", "url", "reason"))
        for item, url in tqdm(
            missing, unit=" pictures", disable=True if quiet else None, leave=False
        ):
            host = url.split("/")[2:3]
            if failures[str(host)] >= PATIENCE:
                postponed += 1
                continue
            try:
                _fetch(folder, item, url, delay)
                failures[str(host)] = 0
            except Unreadable as error:
                reasons.append(f"          left out: {item} {url} {error}")
                writer.writerow((item, url, error))
                file.flush()
            except _Failing as error:
                failures[str(host)] += 1
                postponed += 1
                first_failure = first_failure or f"{url} {error}"
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    "interrupted; run the same command again to continue"
                ) from None
    got = len(missing) - len(reasons) - postponed
    if postponed:
        raise UserError(
            f"{folder}: {postponed:,} pictures could not be fetched, {got:,} were: {first_failure};"
            " run again later to continue"
        )
    more = (
        [f"          left out: {len(reasons) - 10:,} more, see {failed}"]
        if len(reasons) > 10
        else []
    )
    return [
        (
            f"pictures  {got:,} fetched, {len(wanted) - len(missing):,} settled before,"
            f" {len(reasons):,} left out"
        ),
        *reasons[:10],
        *more,
        f"saved     {folder}: add --pictures {folder} --alexnet FILE",
    ]


class _Failing(Exception):
    """The server does not answer as it should; it may later."""


def _fetch(folder, item, url, delay):
    """Fetch one picture under its item's name; Unreadable says why there is none. Pauses after
    every request.
    """
    try:
        address = urllib.parse.urlsplit(url)
        request = urllib.request.Request(
            urllib.parse.quote(url, safe=":/?&=%+,;@~!$'()*#[]"), headers={"User-Agent": AGENT}
        )
    except ValueError as error:
        raise Unreadable(f"is no address ({error})") from None
    if address.scheme not in ("http", "https"):
        raise Unreadable("is no http or https address")
    if not re.fullmatch("[0-9A-Za-z_-]+", item):
        raise Unreadable("belongs to an item whose id is no file name")
    suffix = Path(address.path).suffix.lower()
    path = folder / (item + (suffix if suffix in features.SUFFIXES else ".jpg"))
    for attempt in range(TRIES):
        pause = delay
        try:
            with web.open(request, timeout=SECONDS) as answer:
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
        except (
            urllib.error.URLError,
            ConnectionError,
            TimeoutError,
            ssl.SSLError,
            IncompleteRead,
        ) as error:
            failure = f"failed ({getattr(error, 'reason', error)})"
            pause = delay * 2 ** (attempt + 1)
        except (HTTPException, ValueError) as error:
            raise Unreadable(f"cannot be read ({error!r})") from None
        finally:
            time.sleep(pause)
    raise _Failing(f"{failure}, {TRIES} times")


def column(path, number=0):
    """A column of a CSV file that these scripts wrote, without its header."""
    with open(path, encoding="utf-8", newline="") as file:
        return [row[number] for row in csv.reader(file)][1:]
