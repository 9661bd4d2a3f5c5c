"""Download a file: resumed where it was cut, checked by its checksum, and named when whole."""

import hashlib
import http.client
import os
import re
import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import web
from tqdm import tqdm

from macrid import files
from macrid.errors import UserError, shown

BLOCK = 1 << 20
A_DAY = 24 * 3600  # seconds that a file may take; what has arrived is kept
MOST_BYTES = 64 << 30  # of a file whose size nobody has published
KINDS = {32: "MD5", 64: "SHA-256"}  # by the number of hexadecimal digits


def download(
    urls: Sequence[str],
    path: str | Path,
    checksum: str | None,
    size: int | None = None,
    quiet: bool = False,
    remedy: str = "fetch it elsewhere and give --file",
) -> Path:
    """Fetch the first of `urls` that works to `path`; a file that is there already will do.

    `checksum` is an MD5 or a SHA-256; None where nobody has published one: then only the length is
    checked. What has arrived is kept beside it, under a name that only we give, and the next call
    asks the server for the rest; a server's file that has changed meanwhile is fetched anew. A file
    with another checksum is removed. UserError says for each address what went wrong and what can
    be done.
    """
    path = Path(path)
    kind = KINDS[len(checksum or "0" * 64)]
    if _is_there(path, kind, checksum):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".macrid-download-{path.name}.part")
    try:
        with _opened(part) as file, files.locked(part, wait=False):
            try:
                if not _is_there(path, kind, checksum):  # another process may just have finished
                    _fetch_first(urls, path, part, file, checksum, kind, size, quiet, remedy)
            finally:
                if not file.seek(0, os.SEEK_END):
                    part.unlink(missing_ok=True)
                    _mark(part).unlink(missing_ok=True)
    except BlockingIOError:
        raise UserError(
            f"{path}: another process is downloading it; wait for that, then run again"
        ) from None
    return path


def _is_there(path, kind, checksum):
    """Whether the file is there already; one with another checksum is a UserError."""
    if not path.exists():
        return False
    if checksum is None or hash_of(path, kind) == checksum:
        return True
    raise UserError(
        f"{path}: is there already, with another {kind} than {checksum}; move it away to"
        " download anew"
    )


def _opened(part):
    """The file of what has arrived, to go on with; what others put in its place is a UserError."""
    ours = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        file = open(part, "r+b", opener=lambda name, _: os.open(name, ours, 0o666))
    except OSError as error:
        if os.path.lexists(part):
            raise UserError(f"{part}: is no file ({error.strerror}); remove it") from None
        raise OSError(error.errno, error.strerror, str(part)) from None
    facts = os.fstat(file.fileno())
    is_own = not hasattr(os, "geteuid") or facts.st_uid == os.geteuid()
    if not (stat.S_ISREG(facts.st_mode) and is_own and facts.st_nlink == 1):
        file.close()
        raise UserError(f"{part}: is no file of yours alone; remove it")
    return file


def _fetch_first(urls, path, part, file, checksum, kind, size, quiet, remedy):
    """Fetch the first of `urls` that works to the open file `part`, which then becomes `path`."""
    failures = []
    for url in urls:
        try:
            _fetch(url, file, part, path.name, checksum, size, quiet)
            arrived = hash_of(part, kind)
            if checksum in (None, arrived):
                os.replace(part, path)
                _mark(part).unlink(missing_ok=True)
                return
            file.truncate(0)
            failures.append(f"{url} sent a file with {kind} {arrived}, expected {checksum}")
        except urllib.error.HTTPError as error:
            if error.code == 416:  # the part is longer than the file
                file.truncate(0)
            failures.append(f"{url} answered {error.code} {error.reason}")
        except (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError) as error:
            failures.append(f"{url} cannot be reached ({getattr(error, 'reason', error)})")
        except (http.client.HTTPException, ValueError) as error:  # not HTTP at all, or no address
            failures.append(f"{url} cannot be read ({error!r})")
        except _Cut as cut:
            failures.append(f"{url} {cut}")
    kept = ""
    if arrived := file.seek(0, os.SEEK_END):
        kept = f"; {arrived:,} bytes are kept, run again to continue"
    raise UserError(f"{path}: could not be downloaded: {'; '.join(failures)}{kept}; or {remedy}")


class _Cut(Exception):
    """The connection ended early."""


def _fetch(url, file, part, name, checksum, size, quiet):
    """Append what is missing of `url` to the open file `part`."""
    have, most = file.seek(0, os.SEEK_END), MOST_BYTES if size is None else size
    if size is not None and have == size:
        return
    version = _version(part, url)
    if not (version or checksum):  # nothing would tell that the rest is of another file
        have = 0
    headers = {"User-Agent": "macrid"}
    if have:
        headers |= {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {})
    with web.opened(urllib.request.Request(url, headers=headers), A_DAY) as answer:
        have = _begin(answer, have, version, file)
        if not have:
            files.save_json(_mark(part), {"url": url, "version": _version_of(answer)})
        length = answer.headers.get("Content-Length")
        total = have + int(length) if length else size
        if total is not None and total > most:
            raise _Cut(f"offers {total:,} bytes, expected {'' if size else 'at most '}{most:,}")
        with tqdm(
            total=total,
            initial=have,
            unit="B",
            unit_scale=True,
            desc=shown(name),
            disable=True if quiet else None,
            leave=False,
        ) as bar:
            while block := answer.read1(BLOCK):
                have += len(block)
                if have > most:
                    raise _Cut(f"sends more than {most:,} bytes")
                file.write(block)
                bar.update(len(block))
            file.flush()
    if total is not None and have < total:
        raise _Cut(f"ended after {have:,} of {total:,} bytes")


def _begin(answer, have, version, file):
    """How many of the bytes that we have are kept: none where the server sends the whole file."""
    if answer.status == 206:
        where = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
        if not where or int(where[1]) != have:
            raise _Cut(f"sent another part than the one from byte {have:,} on")
        if version and _version_of(answer) not in ("", version):
            file.truncate(0)
            raise _Cut("has another file now than when the download began; run again")
    else:
        have = 0
    file.truncate(have)
    file.seek(have)
    return have


def _mark(part):
    """Beside what has arrived: the version of the server's file that it is of."""
    return part.with_suffix(".json")


def _version(part, url):
    """What the server called the file that has begun to arrive; '' if it, or we, did not say."""
    try:
        mark = files.load_json(_mark(part), {"url": str, "version": str})
    except UserError:
        return ""
    return mark["version"] if mark["url"] == url and mark["version"].isprintable() else ""


def _version_of(answer):
    """The name of the version that an answer is of: its ETag unless that is weak, or its date."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def hash_of(path: str | Path, kind: str = "SHA-256") -> str:
    """The SHA-256, or the MD5, of a file."""
    digest = hashlib.sha256() if kind == "SHA-256" else hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
