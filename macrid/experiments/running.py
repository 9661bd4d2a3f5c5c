"""The units of a table run side by side in processes of one thread, each kept as a file."""

import hashlib
import json
import logging
import math
import multiprocessing
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from macrid import files, npz
from macrid.config import Config
from macrid.data import Interactions
from macrid.errors import UserError
from macrid.experiments.planning import Unit
from macrid.experiments.results import METRICS
from macrid.experiments.systems import Result
from macrid.training.workers import cores, workers

logger = logging.getLogger(__name__)
PICTURES = ("table2", "table3", "figure5", "figure5_recall20", "suite")
FACTS: dict[str, Any] = {"validation": float, "seconds": float, "items": int, "epochs?": int}
FACTS |= {"best_epoch?": int, "independence?": {str: float}, "weight?": float}
FACTS |= {"rows?": {str: {"cpu": float, "wall": float, "peak_mb": float, "validation": float}}}
DESCRIPTION = {"made of": dict, "seen": FACTS, "commit": str}  # of a unit's file
FILES = [f"{name}{kind}" for name in PICTURES for kind in (".png", ".svg")]
ROUNDING = 1e-12  # a sum of a hundred discounts over their sum may come out above 1
FILES += ["reproduce.json", "table.md", "table.csv", "table.json"]


def hash_of_data(interactions: Interactions) -> str:
    """A hash of the adoptions, of the ids and of the categories."""
    users, items = interactions.users.tolist(), interactions.items.tolist()
    digest = hashlib.sha256(json.dumps([interactions.X.shape, users, items]).encode())
    for matrix in (interactions.X, interactions.categories):
        if matrix is not None:
            for part in (matrix.indptr, matrix.indices):
                digest.update(np.asarray(part, np.int64).tobytes())
    return digest.hexdigest()


def hash_of_features(values: np.ndarray, known: np.ndarray) -> str:
    """A hash of the features of pictures, (M, p), and of which items have some, (M,)."""
    return hashlib.sha256(np.ascontiguousarray(values).tobytes() + known.tobytes()).hexdigest()


def check_folder(folder: Path, made_of: dict, overwrite: bool) -> None:
    """A UserError unless the folder is new, holds a part of this run, or may be overwritten."""
    if (folder / "reproduce.json").is_file():
        if not overwrite:
            _compare(folder, files.load_json(folder / "reproduce.json"), made_of)
    elif folder.exists():
        names = sorted(path.name for path in folder.iterdir())
        strangers = [name for name in names if not files.is_temporary(name)]
        if strangers:
            raise UserError(
                f"{folder}: holds '{strangers[0]}' but no table; give --out a new folder"
            )


def begin(folder: Path, made_of: dict, overwrite: bool) -> None:
    """Make the folder ready: free of what is half-written and, with `overwrite`, of old files."""
    units = folder / "units"
    units.mkdir(exist_ok=True)
    for place in (folder, units):
        files.remove_leftovers(place)
    for path in (*folder.iterdir(), *units.iterdir()) if overwrite else ():
        if path.name in FILES or (path.parent == units and path.suffix == ".npz"):
            path.unlink()
    if not (folder / "reproduce.json").is_file():
        files.save_json(folder / "reproduce.json", made_of)


def run(
    folder: Path,
    units: Sequence[Unit],
    hashes: Mapping[str, Any],
    commit: str,
    jobs: int | None,
    bar: Callable,
    *,
    alone: bool = False,
    seconds: float = math.inf,
) -> dict[str, Result]:
    """Run the units that are missing in the folder; {unit: its result} of all.

    hashes   of the "data" and, where a unit starts from pictures, of the "features"; or whatever
             `Unit.made_of` of these units takes
    commit   says with which code
    jobs     processes at a time; by default one a core, or one on a GPU
    bar      makes a progress bar, by the keywords of tqdm
    alone    each unit in a new process, so that its memory is its own
    seconds  after these no unit is begun, and what is missing then is left out
    """
    ends = time.monotonic() + seconds
    # what an earlier call has finished
    path_of = {unit.name: folder / "units" / f"{unit.name}.npz" for unit in units}
    finished = {
        unit.name: _load(path_of[unit.name], unit, hashes)
        for unit in units
        if path_of[unit.name].exists()
    }
    missing = [unit for unit in units if unit.name not in finished]
    if not missing or seconds <= 0:
        return finished

    # the others, side by side; each is kept as it ends
    jobs = min(len(missing), jobs or cores(missing[0].config))
    try:
        with (
            _alone(jobs, ends) if alone else workers(jobs) as submit,
            bar(total=len(units), initial=len(finished), unit="fit") as progress,
        ):
            running = {
                submit(_fit, unit.system.score, unit.config, unit.options): unit for unit in missing
            }
            for future in as_completed(running):
                unit = running[future]
                try:
                    result = future.result()
                except CancelledError:
                    continue
                except UserError as error:
                    raise UserError(f"{unit.name}: {error}") from None
                except BrokenProcessPool:
                    raise UserError(
                        "a process was killed, perhaps for want of memory; what is finished is"
                        f" kept: try fewer --jobs than {jobs}"
                    ) from None
                _save(path_of[unit.name], unit, hashes, commit, result)
                finished[unit.name] = _load(path_of[unit.name], unit, hashes)
                count, took = f"{len(finished):,} of {len(units):,}", result.facts["seconds"]
                logger.info(f"fit {count}  {unit.name}  {took:,.1f} s")
                progress.set_postfix_str(unit.name, refresh=False)
                progress.update()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; {len(finished)} of {len(units)} fits are kept: the same command goes on"
            " from there"
        ) from None
    return finished


def _save(path, unit, hashes, commit, result):
    description = {"made of": unit.made_of(hashes), "seen": result.facts, "commit": commit}
    npz.save(path, {"users": result.users, **result.metrics}, description)


def _load(path, unit, hashes):
    """The result of a finished unit; its facts tell the commit, too."""
    remedy = "delete it, and give the same command again"
    arrays, description = npz.load(path, "unit", remedy, _check)
    _compare(path, description["made of"], unit.made_of(hashes))
    metrics = {name: values for name, values in arrays.items() if name != "users"}
    return Result(arrays["users"], metrics, description["seen"] | {"commit": description["commit"]})


def _check(arrays, description):
    """A ValueError unless these are the arrays of a unit."""
    files.check_form(description, DESCRIPTION)
    share = npz.Array("float", ("n",), 0.0, 1.0 + ROUNDING, nan=True)
    rows = description["seen"].get("rows")
    metrics = [f"{row}/{metric}" for row in rows for metric in METRICS] if rows else METRICS
    form = {"users": npz.Array("integer", ("n",), 0), **dict.fromkeys(metrics, share)}
    npz.check_arrays(arrays, form)


def _compare(path, before, now):
    """A UserError that names the first difference between what `path` was made of and now is.

    Options that are newer than the file have their defaults, which are off.
    """
    newer = {name: value for name, value in asdict(Config()).items() if name in now}
    before = newer | before if isinstance(before, dict) else {}
    for name in now | before:
        if name not in before or name not in now or before[name] != now[name]:
            was, expected = before.get(name, "unknown"), now.get(name, "unknown")
            raise UserError(
                f"{path}: was made with {name} = {was}, not {expected}; give the same options,"
                " another --out, or --overwrite"
            )


@contextmanager
def _alone(jobs, ends):
    """As `workers`, but each call has a process of its own; after the time `ends` none begins."""
    threads, is_over = ThreadPoolExecutor(jobs), threading.Event()

    def in_new_process(*call):
        if is_over.is_set() or time.monotonic() > ends:
            raise CancelledError
        with workers(1) as submit:
            future = submit(*call)
            wait([future])  # what it raises is not for this pool
        return future.result()

    with workers(jobs):  # of which only the environment is used
        try:
            yield partial(threads.submit, in_new_process)
        except BaseException:
            is_over.set()
            for child in multiprocessing.active_children():
                child.kill()
            raise
        finally:
            threads.shutdown(cancel_futures=True)


def _fit(score, config, options):
    start = time.perf_counter()
    result = score(config, options)
    return replace(result, facts=result.facts | {"seconds": time.perf_counter() - start})
