"""What all commands share: flags, printing, progress bars, tables, one line for a mistake."""

import argparse
import dataclasses
import logging
import os
import re
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Container, Iterable
from contextlib import contextmanager, suppress

from tqdm import tqdm

from macrid import backend, config, early
from macrid.config import Config
from macrid.errors import UserError, nearest, one_line, shown_line
from macrid.evaluation.metrics import PerUser, paired, summary

WIDTH = 80  # columns of a terminal
CELL = 18  # of them, for a mean and its standard error


NUMBERS = {"int": "a whole number", "float": "a number such as 0.5"}


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line and exit status 2."""

    def parse_args(self, args=None, namespace=None):  # type: ignore[override]
        self.words = sys.argv[1:] if args is None else list(args)
        return super().parse_args(args, namespace)

    def error(self, message):
        raise UserError(f"{message}; {self._remedy(message)}")

    def _remedy(self, message):
        wrong = re.match(r"argument \S+: invalid (\w+) value", message)
        if wrong and wrong[1] in NUMBERS:
            return f"expected {NUMBERS[wrong[1]]} (see --help)"
        near = self._meant(message)
        meant = f"did you mean {near}? (see --help)" if near else self._value_with_dash(message)
        return meant or "see --help"

    def _meant(self, message):
        """What was probably meant by a first word that is no flag, nor the value of one."""
        unknown = re.match(r"unrecognized arguments: ([^\s=]+)", message)
        word, flags = unknown[1] if unknown else "", self._option_string_actions
        if word.startswith("--"):
            return nearest(word, flags)
        if f"-{word}" in flags:
            return f"-{word}"
        lacks_data = "--data" in flags and "--data" not in self.words
        if lacks_data and word[:1] != "-" and os.path.exists(word):
            return f"--data {shlex.quote(word)}"
        return None

    def _value_with_dash(self, message):
        """The remedy for an id that begins with '-', which looks like a flag."""
        lacks_value = re.match(r"argument (?:\S+/)?(--\S+): expected (?:one|at least one)", message)
        for flag, word in zip(self.words, self.words[1:]):
            is_it = lacks_value and flag == lacks_value[1]
            if word.startswith("-") and (is_it or message.endswith(f"arguments: {word}")):
                flags = [
                    given for given in self.words[: self.words.index(word)] if given[:2] == "--"
                ]
                if flags and "=" not in flags[-1]:
                    return f"if '{word}' is its value, use {flags[-1]}={shlex.quote(word)}"
        return None


def parser(name: str, description: str, example: str) -> Parser:
    """A parser for `python -m macrid.<name>` with an example at the foot of --help."""
    layout = argparse.RawDescriptionHelpFormatter
    return Parser(
        prog=f"python -m macrid.{name}",
        description=description,
        epilog=f"example:\n  {example}",
        allow_abbrev=False,
        formatter_class=lambda prog: layout(prog, max_help_position=28, width=100),
    )


def add_quiet_flag(arguments) -> None:
    """--quiet, for `say` and `bar`."""
    arguments.add_argument("--quiet", action="store_true", help="print nothing but errors")


def add_backend_flag(arguments) -> None:
    """--backend, for `run_folder.load`."""
    text = "numpy, cupy or auto (default: as the run was made)"
    arguments.add_argument("--backend", choices=backend.NAMES, help=text)


def add_config_flags(
    arguments, leave_out: Iterable[str] = (), by_data: Container[str] = ()
) -> None:
    """A flag for each field of `Config` but those left out.

    Only those that are given appear in the namespace. The data choose the defaults `by_data`.
    """
    for field in dataclasses.fields(Config):
        if field.name in leave_out:
            continue
        meaning = field.metadata["help"]
        if field.default not in (None, "") and "(default: " not in meaning:
            default = "by the data" if field.name in by_data else field.default
            meaning += f" (default: {default})"
        text = meaning.replace("%", "%%")
        names = [name for name in (field.name, field.metadata["alias"]) if name]
        flags = ["--" + name.replace("_", "-") for name in names]
        common = {"dest": field.name, "default": argparse.SUPPRESS, "help": text}
        if field.type is bool:
            arguments.add_argument(*flags, action=argparse.BooleanOptionalAction, **common)
        else:
            kind: type = field.type  # type: ignore[assignment]  # no field has its type as text
            word = field.metadata["word"]
            parsed = _number_or(word) if word else kind
            name = f"FLOAT|{word}" if word else kind.__name__.upper()
            arguments.add_argument(*flags, type=parsed, metavar=name, **common)


def _number_or(word):
    """What makes a text a number, unless it is the word."""

    def number(text):
        try:
            return text if text == word else float(text)
        except ValueError:
            expected = f"found '{text}', expected a number or '{word}'"
            raise argparse.ArgumentTypeError(expected) from None

    return number


def given_config(flags) -> dict:
    """The configuration fields that were given as flags, as a dict."""
    names = config.option_names()
    return {name: value for name, value in vars(flags).items() if name in names}


def options(flags) -> dict:
    """The configuration fields of the file --config, if there is one, and of the flags, as a dict.

    The flags go before the file.
    """
    in_file = config.read_toml(flags.config) if flags.config else {}
    for name in in_file.keys() & vars(flags).keys() - {*config.option_names()}:
        flag = f"--{name.replace('_', '-')}"
        raise UserError(f"{flags.config}: {name} is no option of a file; give the flag {flag}")
    config.from_dict(in_file, where=flags.config)  # a mistake in the file is reported with its name
    return in_file | given_config(flags)


def say(quiet: bool = False) -> Callable[..., None]:
    """How a command speaks: a function that prints lines at once, or nothing if `quiet`.

    What ids and titles of others bring along is shown, not obeyed: see `errors.shown`.
    """

    def lines(*texts):
        if texts and not quiet:
            of_all = (line for text in texts for line in str(text).split("\n"))
            print(*map(shown_line, of_all), sep="\n", flush=True)

    return lines


def warn(text: object) -> None:
    """Print a line on standard error, where output that is data stays free of it."""
    print(one_line(f"warning: {text}"), file=sys.stderr)


def command(*words: object) -> str:
    """A line for a shell, such as `command("python -m macrid.train --out", folder)`.

    The first word stands as it is; the others are quoted where a shell would change them.
    """
    first, *others = map(str, words)
    return " ".join([first, *map(shlex.quote, others)])


def bar(quiet: bool, iterable=None, **options) -> tqdm:
    """A progress bar that goes when done; silent if `quiet`, or where no terminal reads it."""
    return tqdm(iterable, disable=True if quiet else None, leave=False, **options)


@contextmanager
def log_lines(quiet: bool):
    """Within it, what is logged goes to standard error, unless a terminal reads the bar there."""
    if quiet or sys.stderr.isatty():
        yield
        return
    logger = logging.getLogger("macrid")
    before, handler = logger.level, logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def run(main: Callable, argv: list[str] | None = None) -> int:
    """Run a command's main; a user's mistake ends with one line on standard error and status 2.

    So does Ctrl-C; a signal that asks to end (SIGTERM, SIGHUP) does with its own status. Warnings
    are one line too. A letter that the output's encoding lacks is written out.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    with warnings.catch_warnings(), _signals() as received:
        warnings.showwarning = lambda message, *_: warn(message)
        message = _message_of(main, argv)
    if message is None:
        return 0
    with suppress(OSError):  # the terminal may be gone
        print(one_line(f"error: {message}"), file=sys.stderr, flush=True)
    return early.status(received[0]) if received else 2


@contextmanager
def _signals():
    """A signal that asks to end raises a KeyboardInterrupt; yields the list of those received."""
    received: list[int] = []

    def end(number, _):
        received.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # it receives none
        yield received
        return
    before = {number: signal.getsignal(number) for number in early.ENDING}
    for number, handler in before.items():
        if handler not in (signal.SIG_IGN, None):  # as nohup has it
            signal.signal(number, end)
    try:
        yield received
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def _message_of(main, argv):
    """Call a command's main; what a person is to be told of how it ended, or None."""
    try:
        main(argv)
        # a full disk behind our output is noticed here, not at the interpreter's end
        print(end="", flush=True)
        return None
    except UserError as error:
        return str(error)
    except MemoryError as error:
        return (
            f"there is not enough memory ({error or 'no more is said'}); lower --d, --K,"
            " --hidden-units or --batch-size, or take fewer data"
        )
    except KeyboardInterrupt as interrupt:
        return str(interrupt) or "interrupted"
    except BrokenPipeError:
        _drop_output()  # its reader has gone; nothing is left to say
        return None
    except OSError as error:
        if not error.filename:
            _drop_output()
        return (
            f"{error.filename or 'output'}: {error.strerror or error}; check the path, its"
            " permissions and the free space"
        )


def _drop_output():
    """Throw away what is still to be written to standard output.

    The interpreter's end would complain of it again.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def metric_table(parts: dict[str, dict]) -> list[str]:
    """A table as lines: a row for each metric, a column for each part of {part: summary}."""
    summaries = list(parts.values())
    first, *_ = names = list(summaries[0])
    width = max(12, max(map(len, names)) + 1)
    lines = [_line("", width, parts, 22)]
    lines += [
        _line(name, width, [_cell(metrics[name]) for metrics in summaries], 22) for name in names
    ]
    return [*lines, _line("users", width, [_users(metrics[first]) for metrics in summaries], 22)]


def system_table(systems: dict[str, PerUser], reference: str) -> list[str]:
    """A table as lines: a row for each of {system: metrics of each user}, a column for each metric.

    Below, the reference minus each other system, paired by user. More metrics than stand beside
    each other on a terminal go below.
    """
    width = max(map(len, systems)) + len(reference) + 3
    names = list(systems[reference])
    per_table = -(-len(names) // -(-len(names) * CELL // (WIDTH - width)))  # as many in each
    lines: list[str] = []
    for start in range(0, len(names), per_table):
        some = names[start : start + per_table]
        rows: dict = {"test": some}
        for system, metrics in systems.items():
            cells = summary({name: metrics[name] for name in some})
            rows[system] = map(_cell, cells.values())
        for system, metrics in systems.items():
            if system != reference:
                differences = paired({name: systems[reference][name] for name in some}, metrics)
                rows[f"{reference} - {system}"] = [_cell(d, "+") for d in differences.values()]
        lines += ["" for _ in lines[:1]]
        lines += [_line(name, width, cells, CELL) for name, cells in rows.items()]
    return lines


def _line(name, width, cells, cell_width):
    """A row of a table: its name at the left, and cells at the right of their columns."""
    return "".join([f"{name:{width}}", *(f"{cell:>{cell_width}}" for cell in cells)])


def _cell(value, sign=""):
    """A mean and its standard error."""
    spread = "" if value["stderr"] is None else f" ± {value['stderr']:.4f}"
    return f"{value['mean']:{sign}.4f}{spread}"


def _users(value):
    """How many users a mean is of, and how many had nothing to score."""
    left_out = f" (+{value['left_out']} unscored)" if value["left_out"] else ""
    return f"{value['users']}{left_out}"
