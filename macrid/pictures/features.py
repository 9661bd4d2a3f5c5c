"""A folder of pictures to a file of AlexNet features, and that file's reader.

A feature file is an npz of `ids` (n,) text, `features` (n, p) float32, and a JSON description: the
network's hash and convention, whether its weights are random, and which pictures could not be read.
"""

import hashlib
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from macrid import files
from macrid.errors import UserError
from macrid.pictures.reading import Unreadable, read_square

SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")
BATCH = 32
BATCHES_A_CHUNK = 16  # what an interrupted run loses at most
AMAZON_ID, AMAZON_FEATURES = 10, 4096


@dataclass(frozen=True)
class Features:
    """Features (n, p) float32 of the items `ids` (n,) text, with the description of how they were
    made.
    """

    ids: np.ndarray
    features: np.ndarray
    description: dict

    def rows(self, ids):
        """For each of `ids` its row, or -1 where there is none."""
        place = {name: row for row, name in enumerate(self.ids)}
        return np.array([place.get(name, -1) for name in ids], dtype=int)


def load(path):
    """Read a feature file; one that is damaged, misshapen or not finite is a UserError."""
    arrays, description = files.load(
        path, what="feature file", remedy="make it again with python -m macrid.features"
    )
    ids, features = arrays.get("ids"), arrays.get("features")
    if (
        ids is None
        or features is None
        or ids.ndim != 1
        or features.ndim != 2
        or len(ids) != len(features)
        or ids.dtype.kind != "U"
    ):
        raise UserError(
            f"{path}: is not a feature file of macrid.features (ids and features of equal length)"
        )
    if len(set(ids.tolist())) != len(ids) or not np.isfinite(features).all():
        raise UserError(f"{path}: has an id twice or a feature that is not finite; make it again")
    return Features(ids, features.astype(np.float32), description)


def save(path, features):
    """Write a feature file, all or nothing."""
    files.save(path, {"ids": features.ids, "features": features.features}, features.description)


def extract(net, pictures, chunks=None, progress=None):
    """Features of `pictures`, a list of (id, path), by an `AlexNet`; pictures that cannot be read
    are left out and listed.

    `chunks` is a folder that keeps finished parts, so that an interrupted extraction continues; it
    is removed at the end. `progress(n)` is called after n more pictures. The batches are the same
    whether resumed or not.
    """
    ids, features, unreadable, remarks = [], [], {}, {}
    size = BATCH * BATCHES_A_CHUNK
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(pictures), size):
            part = pictures[start : start + size]
            path = None if chunks is None else Path(chunks) / f"{start // size:06d}.npz"
            done = _finished_chunk(path, key := _key(net, part))
            if done is None:
                done = _extract_chunk(net, part, pool, progress)
                if path is not None:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    files.save(
                        path,
                        {"ids": done[0], "features": done[1]},
                        {"key": key, "unreadable": done[2], "remarks": done[3]},
                    )
            elif progress:
                progress(len(part))
            ids.append(done[0])
            features.append(done[1])
            unreadable |= done[2]
            remarks |= done[3]
    description = {
        "sha256": net.sha256,
        "convention": net.convention,
        "random": net.random,
        "unreadable": unreadable,
        "remarks": remarks,
    }
    blank = np.zeros((0, net.width), np.float32)
    result = Features(
        np.concatenate([np.zeros(0, "U1"), *ids]), np.concatenate([blank, *features]), description
    )
    if not len(result.ids):
        raise UserError(
            f"none of {len(pictures)} pictures could be read; the first {_first(unreadable)}"
        )
    return result


def cached(net, pictures, progress=None):
    """`extract`, kept in the cache folder: the same network and the same files are not computed
    twice, even where two processes ask at once.
    """
    path = files.cache_folder() / f"features-{_key(net, pictures)[:16]}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(path.parent):
        if path.exists():
            return load(path)
        chunks = path.with_name(path.name + ".chunks")
        result = extract(net, pictures, chunks, progress)
        save(path, result)
        shutil.rmtree(chunks, ignore_errors=True)
    return result


def _extract_chunk(net, part, pool, progress):
    """(ids, features, unreadable, remarks) of a few hundred pictures, one batch for each core at a
    time.
    """
    batches = [part[start : start + BATCH] for start in range(0, len(part), BATCH)]
    ids, features, unreadable, remarks = [], [np.zeros((0, net.width), np.float32)], {}, {}
    for batch, (found, outcomes) in zip(batches, pool.map(partial(_batch, net), batches)):
        features.append(found)
        for (name, path), (read, remark) in zip(batch, outcomes):
            if read:
                ids.append(name)
            if remark:
                (remarks if read else unreadable)[str(path)] = remark
        if progress:
            progress(len(batch))
    return np.array(ids, dtype=None if ids else "U1"), np.concatenate(features), unreadable, remarks


def _batch(net, batch):
    """Features of the readable pictures of a batch, and for each picture (was it read, a remark or
    None).
    """
    squares, outcomes = [], []
    for _, path in batch:
        try:
            square, remark = read_square(path)
            squares.append(square)
            outcomes.append((True, remark))
        except Unreadable as error:
            outcomes.append((False, str(error)))
    return (
        net.features(np.stack(squares)) if squares else np.zeros((0, net.width), np.float32)
    ), outcomes


def _key(net, part):
    """A hash of the network and of the pictures' names, sizes and times: a finished chunk is used
    only for the same.
    """
    stats = [path.stat() if path.exists() else None for path in (Path(path) for _, path in part)]
    facts = [
        (str(name), str(path), stat and (stat.st_size, stat.st_mtime_ns))
        for (name, path), stat in zip(part, stats)
    ]
    return hashlib.sha256(json.dumps([net.sha256, net.convention, facts]).encode()).hexdigest()


def _finished_chunk(path, key):
    if path is None or not path.exists():
        return None
    try:
        arrays, description = files.load(path)
    except UserError:
        return None
    return (
        (arrays["ids"], arrays["features"], description["unreadable"], description["remarks"])
        if description["key"] == key
        else None
    )


def in_folder(folder):
    """The pictures of a folder as a sorted list of (id, path): the id is the file's name without
    its ending.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(
            f"{folder}: is not a folder; give --pictures a folder of <item id>.jpg files"
        )
    found = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES:
            if path.stem in found:
                raise UserError(
                    f"{path}: is a second picture of item '{path.stem}' beside"
                    f" {found[path.stem].name}; remove one"
                )
            found[path.stem] = path
    if not found:
        raise UserError(f"{folder}: has no pictures ({', '.join(SUFFIXES)}) named by item id")
    return sorted(found.items())


def read_amazon(path, wanted=None):
    """Read Amazon's `image_features_*.b`: records of a 10-byte id and 4096 little-endian float32,
    one after another.

    Streams; only the ids in `wanted` (a set, or None for all) are kept. The first of two records of
    an id counts.
    """
    path = Path(path)
    record = AMAZON_ID + 4 * AMAZON_FEATURES
    rows, twice = {}, 0
    try:
        with open(path, "rb") as file:
            number = 0
            while block := file.read(record):
                number += 1
                if len(block) < record:
                    raise UserError(
                        f"{path}: ends in the middle of record {number} ({len(block)} of {record}"
                        " bytes); download it again"
                    )
                try:
                    name = block[:AMAZON_ID].decode("ascii")
                except UnicodeDecodeError:
                    raise UserError(
                        f"{path}: record {number} begins with no id but {block[:AMAZON_ID]!r}; is"
                        " it an image_features file?"
                    ) from None
                if wanted is None or name in wanted:
                    twice += name in rows
                    rows.setdefault(
                        name, np.frombuffer(block, "<f4", AMAZON_FEATURES, AMAZON_ID).copy()
                    )
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    if not rows:
        raise UserError(f"{path}: has none of the wanted items; are the ids Amazon's (asin)?")
    features = np.stack(list(rows.values()))
    if not np.isfinite(features).all():
        bad = list(rows)[int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])]
        raise UserError(f"{path}: item '{bad}' has a feature that is not finite; download it again")
    description = {
        "sha256": None,
        "convention": "amazon",
        "random": None,
        "unreadable": {},
        "remarks": {},
        "duplicates": twice,
    }
    return Features(np.array(list(rows)), features, description)


def report(found, most=10):
    """What a feature file holds and which pictures were left out, as lines."""
    description = found.description
    lines = [
        f"features  {len(found.ids):,} items, {found.features.shape[1]} numbers each, input"
        f" convention {description['convention']}"
    ]
    if description["random"]:
        lines.append(f"          NOT TRAINED: the network has {description['random']}")
    for what, title in (("unreadable", "left out"), ("remarks", "noted")):
        entries = list(description[what].items())
        lines += [f"          {title}: {path} {reason}" for path, reason in entries[:most]]
        if len(entries) > most:
            lines.append(
                f"          {title}: {len(entries) - most} more, listed in the feature file"
            )
    return lines


def _first(reasons):
    path, reason = next(iter(reasons.items()), ("", "nothing was given"))
    return f"{path} {reason}"
