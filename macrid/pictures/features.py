"""A folder of pictures to a file of AlexNet features, and that file's reader.

A feature file is an npz of `ids` (n,) text, `features` (n, p) float32, and a JSON description: the
network's hash and convention, whether its weights are random, and which pictures could not be read.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from macrid import files, npz
from macrid.errors import UserError
from macrid.pictures.alexnet import LARGEST, AlexNet
from macrid.pictures.reading import Unreadable, read_square

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")
BATCH = 32
BATCHES_A_CHUNK = 16  # what an interrupted run loses at most
AMAZON_ID, AMAZON_FEATURES = 10, 4096  # bytes and numbers of a record

REASONS = {str: str}
OF_CHUNK = {"key": str, "unreadable": REASONS, "remarks": REASONS}  # descriptions, at least
OF_FILE = {"convention": str, "random": (None, str), "unreadable": REASONS, "remarks": REASONS}

Pictures = Sequence[tuple[str, Path]]  # (item id, path) of each


@dataclass(frozen=True)
class Features:
    """The pictures' features of n items.

    ids          (n,) text
    features     (n, p) float32
    description  how they were made: the JSON part of a feature file
    """

    ids: np.ndarray
    features: np.ndarray
    description: dict

    def rows(self, ids: Iterable[str]) -> np.ndarray:
        """For each of `ids` its row, or -1 where there is none.

        >>> Features(np.array(["a", "b"]), np.eye(2), {}).rows(["b", "x"])
        array([ 1, -1])
        """
        place = {name: row for row, name in enumerate(self.ids)}
        return np.array([place.get(name, -1) for name in ids], dtype=int)


@dataclass(frozen=True)
class _Chunk:
    """What came of a few hundred pictures: features of those that could be read, and {path: why}
    of those that could not, {path: what to know} of others.
    """

    ids: np.ndarray
    features: np.ndarray
    unreadable: dict[str, str]
    remarks: dict[str, str]


def load(path: str | Path) -> Features:
    """Read a feature file; one that is damaged, misshapen or not finite is a UserError."""
    remedy = "make it again with python -m macrid.features"
    arrays, description = npz.load(path, "feature file", remedy, partial(_check, OF_FILE))
    return Features(arrays["ids"], arrays["features"].astype(np.float32), description)


def _check(described, arrays, description):
    """A ValueError unless these are the arrays of a feature file, or of a chunk of one."""
    files.check_form(description, described)
    form = {
        "ids": npz.Array("ids", ("n",)),
        "features": npz.Array("float", ("n", "p"), -LARGEST, LARGEST),
    }
    npz.check_arrays(arrays, form)
    if arrays["features"].shape[1] == 0:
        raise ValueError("its features have no numbers")


def save(path: str | Path, features: Features) -> None:
    """Write a feature file, all or nothing."""
    npz.save(path, {"ids": features.ids, "features": features.features}, features.description)


def extract(
    net: AlexNet,
    pictures: Pictures,
    chunks: str | Path | None = None,
    progress: Callable[[int], object] | None = None,
) -> Features:
    """Features of `pictures`; those that cannot be read are left out and listed.

    `chunks` is a folder that keeps finished parts, so that an interrupted extraction continues.
    `progress(n)` is called after n more pictures. The batches are the same whether resumed or not.

    >>> extract(AlexNet("bvlcalexnet-12.onnx"), in_folder("posters")).features.shape[1]
    4096
    """
    size = BATCH * BATCHES_A_CHUNK
    done = []
    with _held(chunks), ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(pictures), size):
            part = pictures[start : start + size]
            path = None if chunks is None else Path(chunks) / f"{start // size:06d}.npz"
            done.append(_chunk(net, part, path, pool, progress))
    unreadable: dict[str, str] = {}
    remarks: dict[str, str] = {}
    for chunk in done:
        unreadable |= chunk.unreadable
        remarks |= chunk.remarks
    ids = np.concatenate([np.zeros(0, "U1"), *(chunk.ids for chunk in done)])
    if not len(ids):
        first, reason = next(iter(unreadable.items()), ("", "nothing was given"))
        raise UserError(
            f"none of {len(pictures)} pictures could be read; the first {first} {reason}"
        )
    description = {
        "sha256": net.sha256,
        "convention": net.convention,
        "random": net.random,
        "unreadable": unreadable,
        "remarks": remarks,
    }
    return Features(ids, np.concatenate([chunk.features for chunk in done]), description)


def cached(
    net: AlexNet, pictures: Pictures, progress: Callable[[int], object] | None = None
) -> Features:
    """`extract`, kept in the cache folder: the same network and files are not computed twice.

    That holds even where two processes ask at once.
    """
    path = files.cache_folder() / f"features-{_key(net, pictures)[:16]}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(path.parent):
        with suppress(UserError):  # none yet, or a damaged one
            return load(path)
        result = extract(net, pictures, chunks_beside(path), progress)
        save(path, result)
        remove_chunks(chunks_beside(path))
    return result


def chunks_beside(path: str | Path) -> Path:
    """The folder that keeps the chunks of a feature file while it is made, by a name of our own."""
    return Path(path).with_name(f".macrid-chunks-{Path(path).name}")


def remove_chunks(folder: str | Path) -> None:
    """Remove the chunks of a folder, and the folder unless something else is in it."""
    with suppress(OSError):
        for path in Path(folder).iterdir():
            if re.fullmatch(r"\d{6}\.npz", path.name):
                path.unlink()
        Path(folder).rmdir()


@contextmanager
def _held(chunks):
    """Hold the folder of chunks, made if it is missing, for this process alone."""
    if chunks is None:
        yield
        return
    folder = Path(chunks)
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():
        raise UserError(f"{folder}: is a link, expected a folder of our own; remove it")
    try:
        with files.locked(folder, wait=False):
            yield
    except BlockingIOError:
        raise UserError(
            f"{folder}: another process is at work on these pictures; wait for it, or give another"
            " --out"
        ) from None
    finally:
        with suppress(OSError):  # it stays if it keeps something
            folder.rmdir()


def in_folder(folder: str | Path) -> list[tuple[str, Path]]:
    """The pictures of a folder as sorted (id, path): the id is the file's name without its ending.

    >>> in_folder("posters")[0]
    ('1', PosixPath('posters/1.jpg'))
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(
            f"{folder}: is not a folder; give --pictures a folder of <item id>.jpg files"
        )
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem in paths:
            raise UserError(
                f"{path}: is a second picture of item '{path.stem}' beside"
                f" {paths[path.stem].name}; remove one"
            )
        paths[path.stem] = path
    if not paths:
        raise UserError(f"{folder}: has no pictures ({', '.join(SUFFIXES)}) named by item id")
    return sorted(paths.items())


def read_amazon(path: str | Path, ids: set[str] | None = None) -> Features:
    """Read Amazon's `image_features_*.b`: records of a 10-byte id and 4096 little-endian float32.

    Only the `ids` that are given are kept, else all; the first of two records of an id counts. No
    more than the kept ones is ever in memory.
    """
    path = Path(path)
    size = AMAZON_ID + 4 * AMAZON_FEATURES
    rows: dict[str, np.ndarray] = {}
    duplicates = 0
    try:
        files.check_regular(path)
        with open(path, "rb") as file:
            number = 0
            while record := file.read(size):
                number += 1
                if len(record) < size:
                    raise UserError(
                        f"{path}: ends in the middle of record {number} ({len(record)} of {size}"
                        " bytes); download it again"
                    )
                try:
                    name = record[:AMAZON_ID].decode("ascii")
                    if files.id_fault(name):
                        raise ValueError(name)
                except ValueError:
                    raise UserError(
                        f"{path}: record {number} begins with no id but {record[:AMAZON_ID]!r}; is"
                        " it an image_features file?"
                    ) from None
                if name in rows:
                    duplicates += 1
                elif ids is None or name in ids:
                    rows[name] = np.frombuffer(record, "<f4", AMAZON_FEATURES, AMAZON_ID).copy()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if not rows:
        raise UserError(f"{path}: has none of the wanted items; are the ids Amazon's (asin)?")
    features = np.stack(list(rows.values()))
    is_finite = (np.abs(features) <= LARGEST).all(axis=1)
    if not is_finite.all():
        bad = list(rows)[int(is_finite.argmin())]
        raise UserError(f"{path}: item '{bad}' has a feature that is not finite; download it again")
    description: dict[str, Any] = {
        "sha256": None,
        "convention": "amazon",
        "random": None,
        "unreadable": {},
        "remarks": {},
        "duplicates": duplicates,
    }
    return Features(np.array(list(rows)), features, description)


def report(features: Features, most: int = 10) -> list[str]:
    """What a feature file holds and which pictures were left out, as lines, `most` of a kind."""
    description = features.description
    n, p = features.features.shape
    lines = [
        f"features  {n:,} items, {p} numbers each, input convention {description['convention']}"
    ]
    if description["random"]:
        lines.append(f"          NOT TRAINED: the network has {description['random']}")
    for key, title in (("unreadable", "left out"), ("remarks", "noted")):
        entries = [f"{path} {reason}" for path, reason in description[key].items()]
        if len(entries) > most:
            entries[most:] = [f"{len(entries) - most} more, listed in the feature file"]
        lines += [f"          {title}: {entry}" for entry in entries]
    return lines


def _chunk(net, part, path, pool, progress):
    """The `_Chunk` of a few hundred pictures, kept in the file `path` unless that is None."""
    key = _key(net, part)
    chunk = _load_chunk(path, key)
    if chunk is None:
        chunk = _extract_chunk(net, part, pool, progress)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            arrays = {"ids": chunk.ids, "features": chunk.features}
            reasons = {"unreadable": chunk.unreadable, "remarks": chunk.remarks}
            npz.save(path, arrays, {"key": key, **reasons})
    elif progress:
        progress(len(part))
    return chunk


def _load_chunk(path, key):
    """The `_Chunk` of a file, None where there is none or it was made of other pictures."""
    if path is None or not path.exists():
        return None
    try:
        arrays, description = npz.load(path, check=partial(_check, OF_CHUNK))
    except UserError:
        return None
    if description["key"] != key:
        return None
    reasons = description["unreadable"], description["remarks"]
    return _Chunk(arrays["ids"], arrays["features"], *reasons)


def _extract_chunk(net, part, pool, progress):
    """The `_Chunk` of a few hundred pictures, one batch for each core at a time."""
    batches = [part[start : start + BATCH] for start in range(0, len(part), BATCH)]
    ids: list[str] = []
    features = [np.zeros((0, net.width), np.float32)]
    unreadable: dict[str, str] = {}
    remarks: dict[str, str] = {}
    for batch, (rows, outcomes) in zip(batches, pool.map(partial(_batch, net), batches)):
        features.append(rows)
        for (name, path), (is_read, remark) in zip(batch, outcomes):
            if is_read:
                ids.append(name)
            if remark:
                (remarks if is_read else unreadable)[str(path)] = remark
        if progress:
            progress(len(batch))
    names = np.array(ids, dtype=None if ids else "U1")
    return _Chunk(names, np.concatenate(features), unreadable, remarks)


def _batch(net, batch):
    """Features of a batch's readable pictures; of each picture (was it read, a remark or None)."""
    squares, outcomes = [], []
    for name, path in batch:
        try:
            if fault := files.id_fault(str(name)):
                raise Unreadable(f"has a name that {fault}, which no item has")
            square, remark = read_square(path)
            squares.append(square)
            outcomes.append((True, remark))
        except Unreadable as error:
            outcomes.append((False, str(error)))
    rows = net.features(np.stack(squares)) if squares else np.zeros((0, net.width), np.float32)
    return rows, outcomes


def _key(net, pictures):
    """A hash of the network and of pictures' names, sizes and times: same key, same features."""
    facts = []
    for name, path in pictures:
        path = Path(path)
        stat = path.stat() if path.exists() else None
        facts.append((str(name), str(path), stat and (stat.st_size, stat.st_mtime_ns)))
    return hashlib.sha256(json.dumps([net.sha256, net.convention, facts]).encode()).hexdigest()
