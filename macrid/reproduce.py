"""`python -m macrid.reproduce table2|table3|figure5`: the paper's tables, with the same split and
users for every system.
"""

import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
from tqdm import tqdm

import macrid
from macrid import backend as backends
from macrid import config, files, run_folder, terminal
from macrid.data import checks
from macrid.errors import UserError
from macrid.experiments import results, systems
from macrid.figures import write as write_figure
from macrid.interpret import drawing

TITLES = {
    "table2": "Table 2: overall comparison",
    "table3": "Table 3: ablations",
    "figure5": "Figure 5: independence and recommendation",
}
SET_HERE = ("seed", "split", "start")  # options of a row or of this command, not of the full model
FOLDS = 5
MOST_ITEMS_FOR_EASE = (
    10_000  # an (M, M) matrix of these takes 0.8 GB, and each process makes several
)
FULL = (
    f"With other defaults here: min-user-items {systems.PAPER_MIN_USER_ITEMS}, as in the paper;"
    f" category-weight {systems.CATEGORY_WEIGHT}; and the shop has its own."
)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
OWN_FILES = (
    "reproduce.json",
    "table.md",
    "table.csv",
    "table.json",
    *(
        f"{name}{kind}"
        for name in ("table2", "table3", "figure5", "figure5_recall20")
        for kind in (".png", ".svg")
    ),
)


@dataclass(frozen=True)
class Unit:
    """One fit of one system: what is kept as one file, and what an interrupted run loses at most."""

    system: systems.System
    config: config.Config
    options: dict
    fold: str

    @property
    def name(self):
        return f"{self.system.name}.{self.fold}" + (
            f".seed{self.config.seed}" if self.system.seeded else ""
        )

    def described(self, prints):
        """What must be equal for a file to stand for this unit: options, and hashes of the data."""
        own = {
            name: value
            for name, value in asdict(self.config).items()
            if name not in config.option_names(paths=True)
        } | self.options
        used = {
            "data": prints["data"],
            **({"features": prints["features"]} if self.config.start == "pictures" else {}),
        }
        return json.loads(
            json.dumps({**own, **{f"hash of the {name}": text for name, text in used.items()}})
        )  # as it is read again


def main(argv=None):
    """Plan the units, run those that are missing, write the table and its figures."""
    flags = parser().parse_args(argv)
    say = lambda *lines: None if flags.quiet or not lines else print(*lines, sep="\n", flush=True)  # noqa: E731
    given = given_options(flags)
    folder = Path(
        flags.out or Path("runs") / f"{Path(given.get('data', 'shop')).stem or 'run'}-{flags.table}"
    )
    files.check_folder(folder)
    full, interactions, missing = systems.full_model(given)
    backends.load(full.backend, full.precision)  # a device that is missing is said now
    units, left_out = plan(flags, full, missing, len(interactions.items))
    rows = {unit.system.name: unit.system for unit in units}
    reference = reference_row(flags.reference, list(rows))
    say(f"data      {full.data}", *(f"          {line}" for line in checks.describe(interactions)))
    say(*(f"left out  {name}: {why}" for name, why in left_out.items()))
    prints = _fingerprints(
        interactions, full, any(unit.config.start == "pictures" for unit in units), flags.quiet, say
    )

    made_of = {"table": flags.table, "folds": _folds(flags), "hash of the data": prints["data"]}
    made_of |= {
        name: value
        for name, value in asdict(full).items()
        if name not in (*config.option_names(paths=True), *SET_HERE)
    }
    _refuse(folder, made_of, flags.overwrite)
    with run_folder.held(folder):
        _begin(folder, made_of, flags.overwrite)
        finished = _run(folder, units, prints, flags)
        header = _header(flags, full, interactions, units, finished)
        grouped = {name: {} for name in rows}
        for unit in units:
            grouped[unit.system.name].setdefault(unit.config.seed, []).append(finished[unit.name])
        options = [
            (row, _differing(next(unit for unit in units if unit.system is row), full))
            for row in rows.values()
        ]
        table = {
            "table": flags.table,
            "title": TITLES[flags.table],
            "header": header,
            "left_out": left_out,
        }
        table = results.build(table, options, grouped, reference, flags.test)
        results.write(folder, table)
        say("", *results.markdown(table, whole=False), "")
        for name, figure in _figures(table).items():
            write_figure(folder, name, figure, say)
    say(f"saved     {folder}: table.md, table.csv, table.json, {len(units)} units")


def parser():
    arguments = terminal.parser(
        "reproduce",
        "Reproduce a table of the paper: all systems on the same folds, compared user by user. An"
        " interrupted run goes on where it was.",
        "python -m macrid.reproduce table2 --data ml-latest-small --folds 10 --seeds 0 1 2 --out"
        " runs/table2",
    )
    betas = " ".join(f"{beta:g}" for beta in systems.BETAS)
    arguments.add_argument(
        "table",
        choices=tuple(TITLES),
        help="table2: all systems; table3: ablations; figure5: independence as beta varies",
    )
    arguments.add_argument(
        "--out",
        help="the folder to write, or to continue (default: runs/<name of the data>-<table>)",
    )
    arguments.add_argument(
        "--folds",
        type=int,
        metavar="N",
        help=f"N folds: every user is a test user once (default: {FOLDS})",
    )
    arguments.add_argument(
        "--split",
        dest="one_split",
        choices=("authors", "holdout"),
        help="one split instead of folds; 'authors': as the paper's",
    )
    arguments.add_argument(
        "--seeds",
        type=int,
        nargs="+",
        default=[0],
        metavar="SEED",
        help="seeds of the systems that have randomness (default: 0)",
    )
    arguments.add_argument(
        "--systems", nargs="+", default=[], metavar="NAME", help="only these rows"
    )
    arguments.add_argument(
        "--reference",
        metavar="NAME",
        help="the row that the others are compared with (default: the first SEM row)",
    )
    arguments.add_argument(
        "--test",
        choices=("t", "permutation"),
        default="t",
        help="the paired test: Student's t (default), or sign flips",
    )
    arguments.add_argument(
        "--betas",
        type=float,
        nargs="+",
        metavar="BETA",
        help=f"figure5: the values of beta (default: {betas})",
    )
    arguments.add_argument(
        "--options", metavar="FILE", help="a TOML file: for a row [its name], its own options"
    )
    arguments.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="processes at a time, of one thread each (default: one a core; 1 on a GPU)",
    )
    arguments.add_argument("--overwrite", action="store_true", help="replace what is in --out")
    arguments.add_argument("--quiet", action="store_true", help="print nothing but errors")
    arguments.add_argument(
        "--config",
        help=(
            "a TOML file of the full model's options; flags go before it. Its seed, split and start"
            " are passed over"
        ),
    )
    terminal.add_config_flags(
        arguments.add_argument_group("options of the full model, which the rows change", FULL),
        SET_HERE,
    )
    return arguments


def given_options(flags):
    """The full model's options, from --config and flags; what this command decides itself is passed
    over in a file, as macrid.tune writes all.
    """
    varied = ("beta",) if flags.table == "figure5" else ()
    flagged = terminal.given_config(flags)
    if set(varied) & set(flagged):
        raise UserError("--beta is given, but figure5 varies it; give --betas")
    given = {
        name: value
        for name, value in terminal.options(flags).items()
        if name in flagged or name not in (*SET_HERE, *varied)
    }
    if flags.folds is not None and flags.one_split:
        raise UserError("--folds and --split exclude each other; give one of them")
    for name, least in (("folds", 3), ("jobs", 1)):
        if (getattr(flags, name) or least) < least:
            raise UserError(f"--{name} is {getattr(flags, name)}, expected at least {least}")
    if flags.betas and flags.table != "figure5":
        raise UserError("--betas is for figure5; give --beta instead")
    return given


def plan(flags, full, missing, items):
    """The units of a table, row by row, and {row: why it is left out}. A row that was named and
    cannot be run is a UserError.
    """
    table = {
        "table2": systems.TABLE2,
        "table3": systems.TABLE3,
        "figure5": systems.figure5(sorted(set(flags.betas or systems.BETAS))),
    }[flags.table]
    names = {name for row in table for name in (row.name, row.series) if name}
    for name in flags.systems:
        if name not in names:
            raise UserError(
                f"--systems: there is no '{name}' in {flags.table}; known are"
                f" {', '.join(row.series or row.name for row in table)}"
            )
    given, units, left_out, same = _row_options(flags.options), [], {}, {}
    for row in table:
        named = bool({row.name, row.series} & set(flags.systems))
        if flags.systems and not named:
            continue
        why = [missing[need] for need in row.needs if need in missing]
        if row.name == "EASE" and items > MOST_ITEMS_FOR_EASE and not named:
            why.append(
                f"it inverts a matrix of {items:,} by {items:,}; name it in --systems to have it"
                " nevertheless"
            )
        chosen, options = systems.settled(
            row, full, given.get(row.series, {}) | given.get(row.name, {})
        )
        if not why and row.score is systems.score_model:
            twin = same.setdefault(chosen, row.name)
            why += [f"it is the same as {twin} here"] * (twin != row.name)
        if why and named:
            raise UserError(f"--systems {row.name}: {'; '.join(why)}")
        if why:
            left_out[row.name] = "; ".join(why)
            continue
        for seed in dict.fromkeys(flags.seeds) if row.seeded else (0,):
            units += [
                Unit(row, chosen.replace(split=split, seed=seed), options, fold)
                for fold, split in _splits(flags)
            ]
    if not units:
        raise UserError(
            f"no row of {flags.table} can be run: "
            + "; ".join(f"{name}: {why}" for name, why in left_out.items())
        )
    return units, left_out


def _splits(flags):
    """[(name for files, --split)] of the folds."""
    folds = flags.folds or FOLDS
    return (
        [(flags.one_split,) * 2]
        if flags.one_split
        else [(f"fold{fold}", f"kfold:{fold}/{folds}") for fold in range(folds)]
    )


def _folds(flags):
    return flags.one_split or flags.folds or FOLDS


def _row_options(path):
    """{row: its options} from a TOML file of tables."""
    given = config.read_toml(path) if path else {}
    known = {name for row in (*systems.TABLE2, *systems.TABLE3) for name in (row.name, row.series)}
    for name, options in given.items():
        if (
            not isinstance(options, dict)
            or name not in known
            and not name.startswith(tuple(known - {""}))
        ):
            raise UserError(
                f"{path}: '{name}' is no row of a table; write  [MultiVAE]  and its options"
                " below it"
            )
    return given


def reference_row(name, rows):
    """The row to compare with: as named, else the first that begins with SEM, else the last."""
    if name is None:
        return next((row for row in rows if row.startswith("SEM")), rows[-1])
    if name not in rows:
        raise UserError(f"--reference: there is no row '{name}'; here are {', '.join(rows)}")
    return name


def _fingerprints(interactions, full, pictured, quiet, say):
    """Hashes of the data and, where a row needs them, of the pictures' features, which are made
    here, once for all processes.
    """
    digest = hashlib.sha256(
        json.dumps(
            [interactions.X.shape, interactions.users.tolist(), interactions.items.tolist()]
        ).encode()
    )
    for matrix in (
        interactions.X,
        *([interactions.categories] if interactions.categories is not None else []),
    ):
        digest.update(
            np.asarray(matrix.indptr, np.int64).tobytes()
            + np.asarray(matrix.indices, np.int64).tobytes()
        )
    prints = {"data": digest.hexdigest()}
    if pictured:
        with tqdm(
            desc="features of pictures",
            unit="",
            delay=1,
            disable=True if quiet else None,
            leave=False,
        ) as bar:
            (values, known), lines = systems.all_features(interactions, full, bar.update)
        say(*lines)
        prints["features"] = hashlib.sha256(
            np.ascontiguousarray(values).tobytes() + known.tobytes()
        ).hexdigest()
    return prints


def _refuse(folder, made_of, overwrite):
    """A UserError unless the folder is new, or holds an earlier part of the same run, or may be
    overwritten.
    """
    if not (folder / "reproduce.json").is_file():
        strangers = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        if strangers:
            raise UserError(
                f"{folder}: holds '{strangers[0]}' but no table; give --out a new folder"
            )
    elif not overwrite:
        _compare(folder, files.load_json(folder / "reproduce.json"), made_of)


def _compare(path, found, expected):
    found = found if isinstance(found, dict) else {}
    for name in expected | found:
        if name not in found or name not in expected or found[name] != expected[name]:
            was, now = found.get(name, "unknown"), expected.get(name, "unknown")
            raise UserError(
                f"{path}: was made with {name} = {was}, not {now}; give the same options, another"
                " --out, or --overwrite"
            )


def _begin(folder, made_of, overwrite):
    """Make the folder ready: free of what is half-written, and with --overwrite of what was there."""
    units = folder / "units"
    units.mkdir(exist_ok=True)
    for path in (*folder.iterdir(), *units.iterdir()):
        old = path.name in OWN_FILES or path.parent == units and path.suffix == ".npz"
        if path.suffix == ".part" or overwrite and old:
            path.unlink()
    if not (folder / "reproduce.json").is_file():
        files.save_json(folder / "reproduce.json", made_of)


def _run(folder, units, prints, flags):
    """Run the units that are missing; {unit: (users, figures, what else was seen)} of all."""
    path = lambda unit: folder / "units" / f"{unit.name}.npz"  # noqa: E731
    finished = {unit.name: _load(path(unit), unit, prints) for unit in units if path(unit).exists()}
    todo = [unit for unit in units if unit.name not in finished]
    if not todo:
        return finished
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    jobs = min(len(todo), flags.jobs or (cores if todo[0].config.backend == "numpy" else 1))
    commit = _commit()
    try:
        with (
            _workers(jobs) as submit,
            tqdm(
                total=len(units),
                initial=len(finished),
                unit="fit",
                disable=True if flags.quiet else None,
                leave=False,
            ) as bar,
        ):
            running = {
                submit(_fit, unit.system.score, unit.config, unit.options): unit for unit in todo
            }
            for future in as_completed(running):
                unit = running[future]
                try:
                    users, figures, seen = future.result()
                except UserError as error:
                    raise UserError(f"{unit.name}: {error}") from None
                except BrokenProcessPool:
                    raise UserError(
                        "a process was killed, perhaps for want of memory; what is finished is"
                        f" kept: try fewer --jobs than {jobs}"
                    ) from None
                description = {"made of": unit.described(prints), "seen": seen, "commit": commit}
                files.save(path(unit), {"users": users, **figures}, description)
                finished[unit.name] = _load(path(unit), unit, prints)
                bar.set_postfix_str(unit.name, refresh=False)
                bar.update()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"interrupted; {len(finished)} of {len(units)} fits are kept: the same command goes on"
            " from there"
        ) from None
    return finished


def _load(path, unit, prints):
    """A finished unit: (users (n,), {metric: (n,)}, what else was seen)."""
    arrays, description = files.load(path, "unit", "delete it, and give the same command again")
    try:
        _compare(path, description["made of"], unit.described(prints))
        figures = {metric: arrays[metric] for metric in results.METRICS}
        return arrays["users"], figures, description["seen"] | {"commit": description["commit"]}
    except (KeyError, TypeError):
        raise UserError(
            f"{path}: is not a unit of macrid.reproduce; delete it, and give the same command again"
        ) from None


@contextmanager
def _workers(jobs):
    """A pool of processes of one thread each, whatever `jobs` is: figures do not depend on it.
    Yields its `submit`.

    Ctrl-C is for this process, which then ends the others; they end too when it is killed.
    """
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    pool = ProcessPoolExecutor(
        jobs, multiprocessing.get_context("spawn"), initializer=_begin_worker
    )

    def submit(*words):  # processes are started in here, and inherit what is blocked
        mask = (
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            if hasattr(signal, "pthread_sigmask")
            else None
        )
        try:
            return pool.submit(*words)
        finally:
            if mask is not None:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    try:
        yield submit
    except BaseException:
        for child in multiprocessing.active_children():
            child.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _begin_worker():
    backends.keep_freed_memory()
    parent = multiprocessing.parent_process().sentinel
    threading.Thread(target=lambda: (wait([parent]), os._exit(1)), daemon=True).start()


def _fit(score, chosen, options):
    start = time.perf_counter()
    users, figures, seen = score(chosen, options)
    return users, figures, seen | {"seconds": time.perf_counter() - start}


def _commit():
    """The commit of this package's repository, marked where files differ from it; the version where
    it was installed.
    """
    here = ["git", "-C", str(Path(__file__).parent)]
    ask = lambda *words: subprocess.run(
        [*here, *words], capture_output=True, text=True, check=False
    )  # noqa: E731
    try:
        if ask("ls-files", "--error-unmatch", Path(__file__).name).returncode == 0:
            return ask("rev-parse", "--short=12", "HEAD").stdout.strip() + (
                "-dirty" if ask("status", "--porcelain", "-uno").stdout.strip() else ""
            )
    except OSError:
        pass  # no git here
    return f"macrid {macrid.__version__}"


def _header(flags, full, interactions, units, finished):
    """The text above the table: {"data": ..., "split": ..., ...}."""
    N, M = interactions.X.shape
    told = [finished[unit.name] for unit in units]
    once = [
        finished[unit.name]
        for unit in units
        if (unit.system, unit.config.seed) == (units[0].system, units[0].config.seed)
    ]
    scored = ~np.isnan(np.concatenate([of_users["ndcg@100"] for _, of_users, _ in once]))
    unscored = int((~scored).sum())
    items = sorted({seen["items"] for _, _, seen in told})
    how = (
        f"{flags.folds or FOLDS} folds of the users: each is tested once, by models that were not"
        " trained on them"
    )
    seeds = ", ".join(map(str, dict.fromkeys(flags.seeds)))
    default = config.Config()
    model = {
        name: value
        for name, value in asdict(full).items()
        if name not in (*config.option_names(about="data"), *SET_HERE, "split_seed")
        and value != getattr(default, name)
    }
    return {
        "data": (
            f"{full.data}: {N:,} users with at least {full.min_user_items} adoptions, {M:,} items,"
            f" {interactions.X.nnz:,} adoptions"
        ),
        "split": (
            (f"'{flags.one_split}', one split" if flags.one_split else how)
            + ("" if flags.one_split == "authors" else f" (split seed {full.split_seed})")
        ),
        "items": (
            f"{items[0]:,}" + (f" to {items[-1]:,}" if len(items) > 1 else "") + " seen in training"
        ),
        "test users": (
            f"{scored.sum():,}"
            + (
                f"; {unscored:,} more are left out, as nothing of theirs is held out"
                if unscored
                else ""
            )
        ),
        "seeds": f"{seeds}; systems without randomness are run once a fold",
        "compared by": {
            "t": "Student's paired t test",
            "permutation": "sign flips of the users' differences",
        }[flags.test],
        "full model": (
            ", ".join(f"{name} {value}" for name, value in model.items()) or "the defaults"
        ),
        "commit": ", ".join(sorted({seen["commit"] for _, _, seen in told})),
        "time": (
            f"{sum(seen['seconds'] for _, _, seen in told):,.0f} s of one core, in {len(units)}"
            " fits"
        ),
    }


def _differing(unit, full):
    """The options of a row: a baseline's, or what differs from the full model."""
    if unit.options:
        return unit.options
    if unit.system.score is not systems.score_model:
        return {}
    leave = ("seed", "split")
    return {
        name: value
        for name, value in asdict(unit.config).items()
        if name not in leave and value != getattr(full, name)
    }


def _figures(table):
    """{file: figure} of a table."""
    if table["table"] != "figure5":
        return {table["table"]: drawing.comparison(table)}
    runs = []
    for row in table["systems"]:
        independence = {name: found["mean"] for name, found in row["independence"].items()}
        spread = {name: found["stderr"] for name, found in row["independence"].items()}
        runs.append(
            (
                row["series"],
                row["beta"],
                {
                    "independence": independence,
                    "independence_stderr": spread,
                    "test": row["figures"],
                },
            )
        )
    return {
        "figure5": drawing.independence_curve(runs),
        "figure5_recall20": drawing.independence_curve(runs, "recall@20"),
    }


if __name__ == "__main__":
    sys.exit(terminal.run(main))
