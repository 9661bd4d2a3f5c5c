r"""`python -m macrid.tune`: the search for options of section 4.1.3, by TPE (Bergstra et al., 2011)
on validation users alone.

A study is a list of trials in a database. Any number of processes may work on one study: each asks
it for a trial, trains, and tells it the best validation NDCG@100. A trial counts when it ended
(complete, pruned, or failed with a reason) or is at work; one that was interrupted does not, and is
made up for. The t-th trial that counts draws from a generator seeded by (seed, t), so that one
process, stopped and called again, finds what it would have found undisturbed.
"""

import csv
import json
import os
import signal
import socket
import sys
import time
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from tqdm import tqdm

from macrid import backend, files, run_folder, terminal
from macrid.config import option_names
from macrid.data import checks
from macrid.errors import UserError
from macrid.interpret import drawing
from macrid.model import semantics
from macrid.training import checkpoint, fit

SPACE = {  # section 4.1.3: (lowest, highest, "linear", "log", or the step between whole numbers)
    "sigma0": (0.075, 0.5, "linear"),
    "beta": (0.0, 100.0, "linear"),
    "K": (1, 20, 1),
    "learning_rate": (1e-8, 1.0, "log"),
    "l2": (1e-12, 1.0, "log"),
    "hidden_layers": (0, 3, 1),
    "hidden_units": (50, 700, 50),
    "dropout": (0.05, 0.99, "linear"),  # the paper goes to 1, which leaves nothing
}
OF_LAYERS = ("hidden_units", "dropout")  # they do nothing without a hidden layer
FAILURES = (ValueError, ArithmeticError, MemoryError)  # a UserError is a ValueError
RANDOM_TRIALS = 10  # before TPE has something to go by, and before pruning
WARM_UP = 10  # epochs that no trial is denied
# seconds between signs of life of a trial; without one for twice as long it is given up by the
# others
HEARTBEAT = 60
UNOWNED = 20  # seconds that a trial may go without saying whose it is


class Surplus(Exception):
    """Another process has taken the last trial that was wanted."""


@dataclass(frozen=True)
class Row:
    """One finished trial: `number` from 0, `state` 'complete', 'pruned' or 'failed', the best
    validation NDCG@100, and what was drawn.
    """

    number: int
    state: str
    score: float | None
    epochs: int
    best_epoch: int
    seconds: float
    values: dict
    reason: str


def main(argv=None):
    """Search, and write best.toml and trials.csv."""
    arguments = terminal.parser(
        "tune",
        "Search for good options (section 4.1.3: TPE, 200 trials) by the figures of validation"
        " users; test users are not looked at.\nCall it again to go on; several processes may"
        f" share one study.\n\nSearched are {', '.join(SPACE)}; any of them that is given as an"
        " option is held.",
        "python -m macrid.tune --data ratings.csv --trials 200 --out runs/tuned\n"
        "  python -m macrid.train --config runs/tuned/best.toml",
    )
    arguments.add_argument(
        "--out",
        help="the folder for best.toml and trials.csv (default: runs/<name of the data>-tune)",
    )
    arguments.add_argument(
        "--trials",
        type=int,
        default=200,
        help="how many trials the study is to have in all (default: 200)",
    )
    arguments.add_argument(
        "--storage",
        help="the study's database, such as sqlite:///FILE (default: trials.db in --out)",
    )
    arguments.add_argument(
        "--study",
        default="macrid",
        metavar="NAME",
        help="the study's name in its database (default: macrid)",
    )
    arguments.add_argument(
        "--figure",
        action="store_true",
        help="draw search.png: the best so far, and the figure against each option",
    )
    arguments.add_argument(
        "--config", help="a TOML file of options that are held; flags go before it"
    )
    arguments.add_argument("--quiet", action="store_true", help="print nothing but errors")
    terminal.add_config_flags(arguments)
    flags = arguments.parse_args(argv)
    optuna = load_optuna()
    backend.keep_freed_memory()
    held = terminal.options(flags)
    idle = OF_LAYERS if held.get("hidden_layers") == 0 else ()
    searched = [name for name in SPACE if name not in held and name not in idle]
    if not searched:
        raise UserError(
            f"{', '.join(SPACE)} are all given, so nothing is left to search; leave some out"
        )
    if flags.trials < 1:
        raise UserError(f"--trials is {flags.trials}, expected at least 1")
    settings = run_folder.fresh(held)
    folder = Path(flags.out or Path("runs") / f"{Path(settings.data).stem or 'run'}-tune")
    _check_folder(folder, flags.study)
    say = (
        (lambda *lines: None)
        if flags.quiet
        else (lambda *lines: print(*lines, sep="\n", flush=True))
    )

    backend.load(settings.backend, settings.precision)
    interactions = run_folder.load_data(settings)
    split, _ = run_folder.prepare(interactions, settings)
    say(
        f"data      {settings.data}",
        *(f"          {line}" for line in checks.describe(interactions)),
    )
    say(
        f"split     {settings.split}: {split.train.shape[0]:,} training,"
        f" {len(split.validation.users):,} validation users; {len(split.items):,} items"
    )
    with tqdm(
        desc="features of pictures",
        unit="",
        delay=1,
        disable=True if flags.quiet else None,
        leave=False,
    ) as bar:
        features, lines = run_folder.item_features(interactions, split.items, settings, bar.update)
    say(*lines, f"search    {', '.join(searched)}")
    folder.mkdir(parents=True, exist_ok=True)
    storage = flags.storage or f"sqlite:///{(folder / 'trials.db').resolve()}"
    study = open_study(optuna, storage, flags.study)
    _agree(study, storage, settings, searched, checkpoint.fingerprint(split))

    def train(trial, on_step, on_epoch):
        chosen = settings.replace(**_draw(trial, searched, len(split.items)))
        targets = semantics.targets(interactions, split, chosen)
        with np.errstate(all="ignore"):  # a learning rate of 1 is allowed to overflow
            return fit.fit(
                split,
                chosen,
                targets,
                fit.start(split, chosen, features, targets),
                on_step,
                on_epoch,
            )

    try:
        search(
            optuna,
            study,
            train,
            flags.trials,
            settings.seed,
            say,
            flags.quiet,
            lambda: _publish(folder, study, settings, searched),
        )
    except KeyboardInterrupt:
        done = len(rows(study))
        raise KeyboardInterrupt(
            f"interrupted after {done} of {flags.trials} trials; the same command goes on"
        ) from None
    except optuna.exceptions.StorageInternalError as error:
        raise UserError(
            f"{storage}: {_first_line(error.__cause__ or error)}; mend it, then the same command"
            " goes on"
        ) from None
    finished = _publish(folder, study, settings, searched)
    best = best_of(finished)
    running = sum(counts(trial) for trial in study.get_trials(deepcopy=False)) - len(finished)
    if best is None:
        raise UserError(
            f"none of {len(finished)} trials came to a figure; the first:"
            f" {next((row.reason for row in finished if row.reason), 'still running')}"
        )
    if flags.figure:
        searches = {name: SPACE[name] for name in searched}
        with files.locked(folder), files.replacing(folder / "search.png") as file:
            drawing.search_sheet(finished, searches).savefig(file, format="png", dpi=110)
    states = [row.state for row in finished]
    say(
        f"trials    {len(finished)}: "
        + ", ".join(f"{states.count(state)} {state}" for state in ("complete", "pruned", "failed"))
    )
    if running:
        say(f"          {running} more are at work elsewhere; call again to take them in")
    say(
        f"best      {describe(best)}",
        f"saved     {folder}",
        f"train     python -m macrid.train --config {folder / 'best.toml'}",
    )


def search(optuna, study, train, goal, seed, say=print, quiet=True, publish=lambda: None):
    """Add trials to a study until `goal` of them count. `train(trial, on_step, on_epoch)` returns
    the final `fit.State` of one.
    """
    bar = tqdm(
        total=goal, unit="trial", disable=True if quiet else None, leave=False, dynamic_ncols=True
    )
    with bar, _interrupts() as look_up:
        best = best_of(rows(study))

        def objective(trial):
            trial.set_user_attr("owner", [socket.gethostname(), os.getpid()])
            place = sum(
                counts(other)
                for other in study.get_trials(deepcopy=False)
                if other.number < trial.number
            )
            if place >= goal:
                raise Surplus
            study.sampler = _sampler(optuna, seed, place)

            def on_epoch(state):
                bar.set_postfix_str(
                    f"best {best.score if best else 0:.4f}, trial {place}: epoch {state.epoch},"
                    f" {state.best_score:.4f}"
                )
                trial.report(state.best_score, state.epoch)
                if trial.should_prune():
                    raise optuna.TrialPruned

            try:
                return train(trial, lambda *step: look_up(), on_epoch).best_score
            except FAILURES as error:
                trial.set_user_attr("reason", _first_line(error))
                raise

        while True:
            look_up()
            _bury(optuna, study)
            if any(
                _unowned(trial) for trial in study.get_trials(deepcopy=False)
            ):  # about to say whose it is, or cut off just there
                time.sleep(0.1)
                continue
            if sum(counts(trial) for trial in study.get_trials(deepcopy=False)) >= goal:
                return
            study.optimize(objective, n_trials=1, catch=(*FAILURES, Surplus))
            publish()
            finished = rows(study)
            bar.n = min(len(finished), goal)
            bar.refresh()
            better = best_of(finished)
            if better and (best is None or better.score > best.score):
                best = better
                with bar.external_write_mode():
                    say(f"          {describe(best)}")


def counts(trial):
    """Is this Optuna trial one of those wanted: ended, or at work? An interrupted one, or one of a
    process that died, is not.
    """
    if trial.state.name == "RUNNING":
        return _alive(trial)
    return trial.state.name in ("COMPLETE", "PRUNED") or "reason" in trial.user_attrs


def rows(study):
    """The finished trials that count, in order, as `Row`s."""
    found = []
    numbered = enumerate(trial for trial in study.get_trials(deepcopy=False) if counts(trial))
    for number, trial in numbered:
        if trial.state.name == "RUNNING":
            continue
        scores = trial.intermediate_values  # {epoch: best so far}
        score = max(scores.values(), default=None)
        best_epoch = min((epoch for epoch in scores if scores[epoch] == score), default=0)
        state = {"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed")
        seconds = trial.duration.total_seconds()
        found.append(
            Row(
                number,
                state,
                score,
                max(scores, default=0),
                best_epoch,
                seconds,
                trial.params,
                trial.user_attrs.get("reason", ""),
            )
        )
    return found


def best_of(finished):
    """The complete trial with the highest figure, the first of equals; None if there is none."""
    return max(
        (row for row in finished if row.state == "complete"),
        key=lambda row: row.score,
        default=None,
    )


def describe(row):
    """A trial in one line."""
    values = ", ".join(f"{name} {value:.4g}" for name, value in row.values.items())
    return (
        f"trial {row.number}: validation NDCG@100 {row.score:.4f} (epoch {row.best_epoch} of"
        f" {row.epochs}); {values}"
    )


def toml(settings, remark=""):
    """A configuration as TOML that `config.read_toml` reads back to the same values."""
    lines = [f"# {remark}"] if remark else []
    for name, value in asdict(settings).items():
        if value is not None:
            text = (
                repr(value)
                if isinstance(value, float)
                else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            )
            lines.append(f"{name} = {text}")
    return "\n".join([*lines, ""])


def _draw(trial, searched, M):
    """Values of the searched options. Without a hidden layer its width and dropout are not drawn; K
    is at most M, the items.
    """
    drawn = {}
    for name in searched:
        low, high, kind = SPACE[name]
        if name in OF_LAYERS and drawn.get("hidden_layers") == 0:
            continue
        if kind in ("linear", "log"):
            drawn[name] = trial.suggest_float(name, low, high, log=kind == "log")
        else:
            drawn[name] = trial.suggest_int(
                name, low, min(high, M) if name == "K" else high, step=kind
            )
    return drawn


def _sampler(optuna, seed, place):
    """TPE as in the paper's Hyperopt, each option by itself; other processes' running trials are
    taken to be poor ones.
    """
    own = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
    return optuna.samplers.TPESampler(
        n_startup_trials=RANDOM_TRIALS, multivariate=False, constant_liar=True, seed=own
    )


def load_optuna():
    try:
        import optuna
    except ImportError as error:
        raise UserError(
            f"macrid.tune needs Optuna, which cannot be loaded ({error}); pip install"
            ' "macrid[tune]"'
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter(
        "ignore", optuna.exceptions.ExperimentalWarning
    )  # the heartbeat, the constant liar
    return optuna


def open_study(optuna, url, name, tries=5):
    """The study of that name in a database, made if it is missing. Two processes may make it at
    once.
    """
    from sqlalchemy.exc import SQLAlchemyError

    waiting = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None
    pruner = optuna.pruners.MedianPruner(n_startup_trials=RANDOM_TRIALS, n_warmup_steps=WARM_UP)
    try:
        storage = optuna.storages.RDBStorage(
            url, engine_kwargs=waiting, heartbeat_interval=HEARTBEAT
        )
        return optuna.create_study(
            storage=storage,
            study_name=name,
            direction="maximize",
            load_if_exists=True,
            pruner=pruner,
        )
    except (
        SQLAlchemyError,
        optuna.exceptions.StorageInternalError,
        ImportError,
        LookupError,
        ValueError,
        RuntimeError,
    ) as error:
        cause = _first_line(error.__cause__ or error)
        if tries == 1 or not ("exists" in cause or "UNIQUE" in cause):
            raise UserError(
                f"{url}: cannot be used as --storage ({cause}); expected such as sqlite:///FILE"
            ) from None
    time.sleep(0.5)  # another process is just making it
    return open_study(optuna, url, name, tries - 1)


def _agree(study, url, settings, searched, data):
    """Mark a new study with what it searches, and on which data; refuse one that was made for
    something else.
    """
    held = {
        name: value
        for name, value in asdict(settings).items()
        if name not in (*searched, *option_names(paths=True), "backend")
    }
    wanted = {"held": held, "searched": searched, "data": data}
    found = study.user_attrs.get("macrid")
    if found is None and not study.get_trials(deepcopy=False):
        study.set_user_attr("macrid", wanted)
        return
    where = f"{url}, study '{study.study_name}'"
    remedy = "give --study another name, or another --out"
    if found is None:
        raise UserError(f"{where}: is not a study of macrid.tune; {remedy}")
    for name in (*SPACE, *found["held"]):
        before, now = (
            "searched" if name in which["searched"] else which["held"].get(name)
            for which in (found, wanted)
        )
        if before != now:
            raise UserError(
                f"{where}: was made with {name} = {before}, not {now}; give the same options, or"
                f" {remedy}"
            )
    if found["data"] != data:
        raise UserError(
            f"{where}: was made from other data than {settings.data} holds now; restore the data,"
            f" or {remedy}"
        )


def _alive(trial):
    """Is a trial that is marked as running at work? Of other machines we hear by heartbeat only:
    Optuna fails those without.
    """
    if _unowned(trial):
        return (datetime.now() - trial.datetime_start).total_seconds() < UNOWNED
    host, pid = trial.user_attrs["owner"]
    if host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _unowned(trial):
    return trial.state.name == "RUNNING" and "owner" not in trial.user_attrs


def _bury(optuna, study):
    """Mark the trials of processes that died, so that TPE does not wait for their figures."""
    for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        if not _alive(trial):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)


def _publish(folder, study, settings, searched):
    """Write trials.csv and best.toml, all or nothing, one process at a time; return the rows."""
    with files.locked(folder):
        finished = rows(study)
        with files.replacing(folder / "trials.csv", "w") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(
                [
                    "trial",
                    "state",
                    "validation_ndcg@100",
                    "epochs",
                    "best_epoch",
                    "seconds",
                    *searched,
                    "reason",
                ]
            )
            for row in finished:
                values = [row.values.get(name, "") for name in searched]
                score = "" if row.score is None else row.score
                writer.writerow(
                    [
                        row.number,
                        row.state,
                        score,
                        row.epochs,
                        row.best_epoch,
                        f"{row.seconds:.2f}",
                        *values,
                        row.reason,
                    ]
                )
        best = best_of(finished)
        if best:
            remark = (
                f"macrid.tune, study '{study.study_name}', trial {best.number} of {len(finished)}:"
                f" validation NDCG@100 {best.score:.4f}"
            )
            with files.replacing(folder / "best.toml", "w") as file:
                file.write(toml(settings.replace(**best.values), remark))
    return finished


@contextmanager
def _interrupts():
    """Ctrl-C is put off while the database is at work, which it would break: the function given
    raises it where all is well.
    """
    heard: list = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(True))

    def look_up():
        if heard:
            raise KeyboardInterrupt

    try:
        yield look_up
    finally:
        signal.signal(signal.SIGINT, before)


def _check_folder(folder, study):
    files.check_folder(folder)
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    if names and not {"trials.csv", "trials.db"} & set(names):
        raise UserError(f"{folder}: holds '{names[0]}' but no search; give --out a new folder")
    found = (
        (folder / "best.toml").read_text(encoding="utf-8").partition("\n")[0]
        if "best.toml" in names
        else f"study '{study}'"
    )
    if f"study '{study}'" not in found:
        raise UserError(
            f"{folder}: holds another study than '{study}' ({found.strip('# ')}); give --study its"
            " name, or another --out"
        )


def _first_line(error):
    return str(error).splitlines()[0] if str(error) else type(error).__name__


if __name__ == "__main__":
    sys.exit(terminal.run(main))
