r"""The search for options of section 4.1.3: TPE (Bergstra et al., 2011) on validation users alone.

A study is a list of trials in a database. Any number of processes may work on one study: each asks
it for a trial, trains, and tells it the best validation NDCG@100. A trial counts when it ended
(complete, pruned, or failed with a reason) or is at work; one that was interrupted does not, and is
made up for. The first tries the options as they are without a search. The t-th trial that counts
draws from a generator seeded by (seed, t), so that one process, stopped and called again, finds
what it would have found undisturbed.
"""

import csv
import json
import os
import re
import secrets
import signal
import socket
import time
import warnings
from collections.abc import Callable
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from macrid import early, files
from macrid.config import Config, option_names
from macrid.errors import UserError, shown

SPACE: dict[str, tuple] = {  # (lowest, highest, "linear", "log", or the step of whole numbers)
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
HOPELESS = 0.5  # of the best trial's figure at the same epoch: then a trial ends
LONGEST_REMARK = 1000  # characters of the first line of best.toml
HEARTBEAT = 60  # seconds between a trial's signs of life; two without one, and it is given up
UNOWNED = 20  # seconds that a trial may go without its process's name
THIS_PROCESS = secrets.token_hex(8)  # its number may have been another's, before a restart
MARK = {"held": {str: (None, bool, float, str)}, "searched": list, "data": str}
COLUMNS = ("trial", "state", "validation_ndcg@100", "epochs", "best_epoch", "seconds")


class Surplus(Exception):
    """Another process has taken the last trial that was asked for."""


@dataclass(frozen=True)
class Row:
    """One finished trial.

    number   from 0, among the trials that count
    state    'complete', 'pruned' or 'failed'; then `reason` says why
    score    the best validation NDCG@100, after `best_epoch` of `epochs`
    values   the options that were drawn
    """

    number: int
    state: str
    score: float | None
    epochs: int
    best_epoch: int
    seconds: float
    values: dict
    reason: str


def load_optuna():
    """The module Optuna, made quiet; a UserError says how to install it."""
    try:
        import optuna
    except ImportError as error:
        raise UserError(
            f"macrid.tune needs Optuna, which cannot be loaded ({error}); pip install"
            ' "macrid[tune]"'
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # the heartbeat and the constant liar are experiments to Optuna
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    return optuna


def database(path: Path) -> str:
    """The address of an SQLite file, whatever its path holds that means something in an address."""
    from sqlalchemy.engine import URL, make_url

    load_optuna()
    url = URL.create("sqlite", database=str(path)).render_as_string()
    if make_url(url).database != str(path) or "{" in url:  # SQLAlchemy before 2.1 quotes nothing
        raise UserError(f"{path}: cannot be the path of a database; give --out one without ?%#{{}}")
    return url


def open_study(url: str, name: str, tries: int = 5):
    """The Optuna study of that name in a database, made if it is missing.

    Two processes may make it at once: the second tries again.
    """
    from sqlalchemy.exc import SQLAlchemyError

    optuna = load_optuna()
    waiting = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else None
    pruner = optuna.pruners.MedianPruner(n_startup_trials=RANDOM_TRIALS, n_warmup_steps=WARM_UP)
    refusals: tuple = (SQLAlchemyError, optuna.exceptions.StorageInternalError)
    refusals += (ImportError, LookupError, ValueError, RuntimeError, TypeError, AttributeError)
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
    except refusals as error:
        cause = first_line(error.__cause__ or error)
        if tries == 1 or not ("exists" in cause or "UNIQUE" in cause):
            raise UserError(
                f"{without_password(url)}: cannot be used as --storage ({cause}); expected such as"
                " sqlite:///FILE"
            ) from None
    time.sleep(0.5)  # another process is just making it
    return open_study(url, name, tries - 1)


def without_password(url: str) -> str:
    """A database's address as it may be printed."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def check_study(study, url: str, settings: Config, searched: list[str], data: str) -> None:
    """Mark a new study with what it searches on which data; refuse one made for something else.

    Refused as well is one that holds what no search writes: it is damaged, or somebody else's.
    """
    where = f"{without_password(url)}, study '{study.study_name}'"
    try:
        _check_study(study, where, settings, searched, data)
    except UserError:
        raise
    except Exception as error:  # whatever Optuna and SQLAlchemy make of others' bytes
        cause = first_line(error.__cause__ or error)
        raise UserError(
            f"{where}: is damaged, or no study of macrid.tune ({cause}); give --study another name,"
            " or another --out"
        ) from None


def _check_study(study, where, settings, searched, data):
    no_part = (*searched, *option_names(paths=True), "backend", "threads")
    held = {name: value for name, value in asdict(settings).items() if name not in no_part}
    mark = {"held": held, "searched": searched, "data": data}
    earlier = study.user_attrs.get("macrid")
    if earlier is None and not study.get_trials(deepcopy=False):
        study.set_user_attr("macrid", mark)
        return
    remedy = "give --study another name, or another --out"
    if earlier is None or study.direction.name != "MAXIMIZE":
        raise UserError(f"{where}: is not a study of macrid.tune; {remedy}")
    files.check_form(earlier, MARK)

    def value(mark, name):
        return "searched" if name in mark["searched"] else mark["held"].get(name)

    for name in (*SPACE, *earlier["held"]):
        before, now = value(earlier, name), value(mark, name)
        if before != now:
            raise UserError(
                f"{where}: was made with {name} = {before}, not {now}; give the same options, or"
                f" {remedy}"
            )
    if earlier["data"] != data:
        raise UserError(
            f"{where}: was made from other data than {settings.data} holds now; restore the data,"
            f" or {remedy}"
        )
    for row in rows(study):
        score = float if row.state == "complete" else (None, float)
        files.check_form(asdict(row), {"score": score, "seconds": float, "reason": str})
        try:
            settings.replace(**row.values)  # an option that there is, and a value of it
        except UserError as error:
            raise ValueError(str(error)) from None


def draw(trial, searched: list[str], M: int) -> dict:
    """Values of the searched options; K is at most M, the number of items.

    Without a hidden layer its width and dropout are not drawn.
    """
    values: dict = {}
    for name in searched:
        low, high, kind = SPACE[name]
        if name in OF_LAYERS and values.get("hidden_layers") == 0:
            continue
        if kind in ("linear", "log"):
            values[name] = trial.suggest_float(name, low, high, log=kind == "log")
        else:
            high = min(high, M) if name == "K" else high
            values[name] = trial.suggest_int(name, low, high, step=kind)
    return values


def run(
    study,
    train: Callable,
    goal: int,
    seed: int,
    bar,
    say=print,
    publish=lambda: None,
    first: dict | None = None,
) -> None:
    """Add trials to a study until `goal` of them count.

    train     called as `train(trial, on_step, on_epoch)`; returns the final `fit.State`
    bar       a progress bar of `goal` trials
    say       prints a line for each new best trial
    publish   called after each trial, to write the files
    first     the values that the first trial takes, of the options that are searched
    """
    optuna = load_optuna()
    with bar, _interrupts_put_off() as check_interrupt:
        best = best_of(rows(study))

        def objective(trial):
            # say whose the trial is, and which place it has among those that count
            trial.set_user_attr("owner", _owner_of(os.getpid()))
            earlier = [other for other in _trials(study) if other.number < trial.number]
            place = sum(counts(other) for other in earlier)
            if place >= goal:
                raise Surplus
            study.sampler = _sampler(seed, place)
            if place == 0 and first:
                study.sampler = optuna.samplers.PartialFixedSampler(first, study.sampler)

            # train, and stop where others were better by this epoch, or the best one far better
            scores_of_best = _scores_of_best(study)

            def on_epoch(state):
                bar.set_postfix_str(
                    f"best {best.score if best else 0:.4f}, trial {place}: epoch {state.epoch},"
                    f" {state.best_score:.4f}"
                )
                trial.report(state.best_score, state.epoch)
                far_ahead = HOPELESS * scores_of_best.get(state.epoch, scores_of_best.get(0, 0.0))
                is_hopeless = state.epoch >= WARM_UP and state.best_score < far_ahead
                if is_hopeless or trial.should_prune():
                    raise optuna.TrialPruned

            try:
                return train(trial, lambda *step: check_interrupt(), on_epoch).best_score
            except FAILURES as error:
                trial.set_user_attr("reason", first_line(error))
                raise

        while True:
            check_interrupt()
            optuna.storages.fail_stale_trials(study)  # of other machines, by their heartbeat
            _fail_dead_trials(study)
            if any(_has_no_owner(trial) for trial in _trials(study)):
                time.sleep(0.1)  # it is about to name its owner, or was cut off just there
                continue
            if count(study) >= goal:
                return
            study.optimize(objective, n_trials=1, catch=(*FAILURES, Surplus))
            publish()
            finished = rows(study)
            bar.n = min(len(finished), goal)
            bar.refresh()
            new_best = best_of(finished)
            if new_best and _score(new_best) > _score(best):
                best = new_best
                with bar.external_write_mode():
                    say(f"          {describe(best)}")


def _scores_of_best(study):
    """{epoch: best so far} of the best complete trial, at 0 its last; {} if there is none."""
    complete = [trial for trial in _trials(study) if trial.state.name == "COMPLETE"]
    if not complete:
        return {}
    best = max(complete, key=lambda trial: trial.value)
    return {**best.intermediate_values, 0: best.value}


def counts(trial) -> bool:
    """Does this Optuna trial count: has it ended, or is it at work?

    One that was interrupted does not, nor one of a process that died.
    """
    if trial.state.name == "RUNNING":
        return _is_alive(trial)
    return trial.state.name in ("COMPLETE", "PRUNED") or "reason" in trial.user_attrs


def count(study) -> int:
    """How many trials of the study count."""
    return sum(counts(trial) for trial in _trials(study))


def rows(study) -> list[Row]:
    """The finished trials that count, in order."""
    counted = [trial for trial in _trials(study) if counts(trial)]
    ended = [(n, trial) for n, trial in enumerate(counted) if trial.state.name != "RUNNING"]
    return [_row(number, trial) for number, trial in ended]


def _row(number, trial):
    scores = trial.intermediate_values  # {epoch: best so far}
    score = max(scores.values(), default=None)
    return Row(
        number=number,
        state={"COMPLETE": "complete", "PRUNED": "pruned"}.get(trial.state.name, "failed"),
        score=score,
        epochs=max(scores, default=0),
        best_epoch=min((epoch for epoch in scores if scores[epoch] == score), default=0),
        seconds=trial.duration.total_seconds(),
        values=trial.params,
        reason=trial.user_attrs.get("reason", ""),
    )


def best_of(finished: list[Row]) -> Row | None:
    """The complete trial with the highest score, the first of equals; None if there is none."""
    complete = [row for row in finished if row.state == "complete"]
    return max(complete, key=_score, default=None)


def _score(row):
    return -1.0 if row is None else row.score


def describe(row: Row) -> str:
    """A trial in one line."""
    values = ", ".join(f"{name} {value:.4g}" for name, value in row.values.items())
    return (
        f"trial {row.number}: validation NDCG@100 {row.score:.4f} (epoch {row.best_epoch} of"
        f" {row.epochs}); {values}"
    )


def check_folder(folder: Path, study: str) -> None:
    """A UserError unless the folder is new, or holds an earlier part of the study of this name."""
    files.check_folder(folder)
    names = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    if names and not {"trials.csv", "trials.db"} & set(names):
        raise UserError(f"{folder}: holds '{names[0]}' but no search; give --out a new folder")
    if "best.toml" not in names:
        return
    files.check_regular(folder / "best.toml")
    with open(folder / "best.toml", encoding="utf-8", errors="replace") as file:
        remark = file.readline(LONGEST_REMARK).strip("# \n")
    if f"study '{shown(study)}'" not in remark:
        raise UserError(
            f"{folder}: holds another study than '{shown(study)}' ({shown(remark)}); give --study"
            " its name, or another --out"
        )


def publish(folder: Path, study, settings: Config, searched: list[str]) -> list[Row]:
    """Write trials.csv and best.toml, all or nothing, one process at a time; return the rows."""
    with files.locked(folder):
        finished = rows(study)
        with files.replacing(folder / "trials.csv", "w") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow([*COLUMNS, *searched, "reason"])
            for row in finished:
                score = "" if row.score is None else row.score
                cells = [row.number, row.state, score, row.epochs, row.best_epoch]
                values = [row.values.get(name, "") for name in searched]
                writer.writerow([*cells, f"{row.seconds:.2f}", *values, row.reason])
        best = best_of(finished)
        if best:
            remark = (
                f"macrid.tune, study '{shown(study.study_name)}', trial {best.number} of"
                f" {len(finished)}: validation NDCG@100 {best.score:.4f}"
            )
            with files.replacing(folder / "best.toml", "w") as file:
                file.write(toml(settings.replace(**best.values), remark))
    return finished


def toml(settings: Config, remark: str = "") -> str:
    """A configuration as TOML that `config.read_toml` reads back to the same values.

    >>> toml(Config(K=7), "a remark").splitlines()[:3]
    ['# a remark', 'data = "shop"', 'events = ""']
    """
    lines = [f"# {shown(remark, LONGEST_REMARK)}"] if remark else []
    for name, value in asdict(settings).items():
        if isinstance(value, float):
            lines.append(f"{name} = {value!r}")
        elif value is not None:
            text = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
            lines.append(f"{name} = {text}")
    text = "\n".join([*lines, ""])
    if re.search("[\ud800-\udfff]", text):
        raise UserError("an option is no text in UTF-8, as a TOML file has to be; rename the file")
    return text


def first_line(error: BaseException) -> str:
    """What an error says, in a line."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _trials(study):
    return study.get_trials(deepcopy=False)


def _sampler(seed, place):
    """TPE as in the paper's Hyperopt, each option by itself.

    Other processes' running trials are taken to be poor ones.
    """
    own_seed = int(np.random.SeedSequence([seed, place]).generate_state(1)[0])
    return load_optuna().samplers.TPESampler(
        n_startup_trials=RANDOM_TRIALS, multivariate=False, constant_liar=True, seed=own_seed
    )


def _is_alive(trial):
    """Is a trial that is marked as running at work?

    Of other machines we hear by heartbeat only: Optuna fails the trials without.
    """
    owner = _owner(trial)
    if owner is None:
        began = trial.datetime_start
        return bool(began) and abs((datetime.now() - began).total_seconds()) < UNOWNED
    host, pid, numbers, began, token = owner
    if token == THIS_PROCESS:
        return True
    here = _owner_of(pid)
    if host != here[0] or numbers not in ("", here[2]):
        return True
    if pid == os.getpid() or not files.runs(pid):
        return False
    return "" in (began, here[3]) or began == here[3]


def _owner_of(pid):
    """Who has a trial: host, number of the process, where such numbers count, since when, a token.

    The number alone comes again, in a container at each start; what the system does not say is ''.
    """
    numbers = began = ""
    with suppress(OSError):
        numbers = os.readlink("/proc/self/ns/pid")
        began = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    return [socket.gethostname(), pid, numbers, began, THIS_PROCESS]


def _owner(trial):
    """What `_owner_of` wrote, perhaps an earlier version of it, or None where nobody did."""
    owner = trial.user_attrs.get("owner")
    if not isinstance(owner, list) or len(owner) not in (2, 5):
        return None
    host, pid, *more = owner
    is_ours = (
        type(pid) is int and 0 < pid < 2**31 and all(isinstance(x, str) for x in (host, *more))
    )
    return (host, pid, *(more or ["", "", ""])) if is_ours else None


def _has_no_owner(trial):
    return trial.state.name == "RUNNING" and _owner(trial) is None


def _fail_dead_trials(study):
    """Fail the trials of processes that died, so that TPE does not wait for their scores."""
    for trial in _trials(study):
        if trial.state.name == "RUNNING" and not _is_alive(trial):
            failed = load_optuna().trial.TrialState.FAIL
            study.tell(trial.number, state=failed, skip_if_finished=True)


@contextmanager
def _interrupts_put_off():
    """Ctrl-C, and signals like it, are put off while the database is at work, which they break.

    Yields a function that does as they ask where all is well.
    """
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in early.ENDING}
    before = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in before:
        signal.signal(number, lambda number, _: received.append(number))

    def check_interrupt():
        if received:
            before[received[0]](received[0], None)

    try:
        yield check_interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
