"""What all commands share: flags from the configuration, one clear line for a user's mistake,
tables.
"""

import argparse
import dataclasses
import os
import sys
from collections.abc import Callable

from tqdm import tqdm

from macrid import config
from macrid.config import Config
from macrid.errors import UserError
from macrid.evaluation.metrics import paired, summary


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line and exit status 2."""

    def error(self, message):
        raise UserError(f"{message}; see --help")


def parser(name, description, example):
    """A parser for `python -m macrid.<name>` with an example at the foot of --help."""
    return Parser(
        prog=f"python -m macrid.{name}",
        description=description,
        epilog=f"example:\n  {example}",
        allow_abbrev=False,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=28, width=100
        ),
    )


def add_config_flags(arguments, leave_out=()):
    """A flag for each field of `Config` but those left out; only those that are given appear in the
    namespace.
    """
    for field in dataclasses.fields(Config):
        if field.name in leave_out:
            continue
        default = "" if field.default is None else f" (default: {field.default})"
        help_text = (field.metadata["help"] + default).replace("%", "%%")
        flag = "--" + field.name.replace("_", "-")
        common = {"dest": field.name, "default": argparse.SUPPRESS, "help": help_text}
        if field.type is bool:
            arguments.add_argument(flag, action=argparse.BooleanOptionalAction, **common)
        else:
            arguments.add_argument(
                flag, type=field.type, metavar=field.type.__name__.upper(), **common
            )


def given_config(namespace):
    """The configuration fields that were given as flags, as a dict."""
    names = {field.name for field in dataclasses.fields(Config)}
    return {name: value for name, value in vars(namespace).items() if name in names}


def options(flags):
    """The configuration fields of the file --config, if there is one, and of the flags, which go
    before it, as a dict.
    """
    read = config.read_toml(flags.config) if flags.config else {}
    config.from_dict(read, where=flags.config)  # a mistake in the file is told with its name
    return read | given_config(flags)


def run(main, argv=None):
    """Run a command's main; a user's mistake ends with one line on standard error and status 2."""
    try:
        main(argv)
        print(
            end="", flush=True
        )  # a full disk behind our output is noticed here, not at the interpreter's end
        return 0
    except UserError as error:
        message = str(error)
    except KeyboardInterrupt as interrupt:
        message = str(interrupt) or "interrupted"
    except BrokenPipeError:
        _drop_output()  # its reader has gone; nothing is left to say
        return 0
    except OSError as error:
        if not error.filename:
            _drop_output()
        message = (
            f"{error.filename or 'output'}: {error.strerror or error}; check the path, its"
            " permissions and the free space"
        )
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _drop_output():
    """What is still to be written to standard output goes nowhere, where the interpreter's end
    would complain again.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def say(quiet: bool) -> Callable[..., None]:
    """How a command speaks: a function that prints lines at once, or nothing if `quiet`."""

    def lines(*texts):
        if texts and not quiet:
            print(*texts, sep="\n", flush=True)

    return lines


def bar(quiet: bool, iterable=None, **options) -> tqdm:
    """A progress bar that goes when done; silent if `quiet`, or where no terminal reads it."""
    return tqdm(iterable, disable=True if quiet else None, leave=False, **options)


def figure_table(parts):
    """Lines of a table: a row for each figure, a column for each part of {part: summary}."""
    names = list(next(iter(parts.values())))
    lines = ["".join([f"{'':12}", *(f"{part:>22}" for part in parts)])]
    for name in names:
        cells = (_cell(figures[name]) for figures in parts.values())
        lines.append("".join([f"{name:12}", *(f"{cell:>22}" for cell in cells)]))
    first = [figures[names[0]] for figures in parts.values()]
    lines.append("".join([f"{'users':12}", *(f"{_users(figure):>22}" for figure in first)]))
    return lines


def system_table(systems, reference):
    """Lines of a table: a row for each of {system: figures of each user}, then each paired with the
    reference.
    """
    names = list(systems[reference])
    width = max(len(system) for system in systems) + len(reference) + 5
    lines = ["".join([f"{'test':{width}}", *(f"{name:>20}" for name in names)])]
    for system, figures in systems.items():
        lines.append(
            "".join(
                [
                    f"{system:{width}}",
                    *(f"{_cell(figure):>20}" for figure in summary(figures).values()),
                ]
            )
        )
    for system, figures in systems.items():
        if system != reference:
            cells = (
                f"{_cell(figure, '+'):>20}"
                for figure in paired(systems[reference], figures).values()
            )
            lines.append("".join([f"{reference + ' - ' + system:{width}}", *cells]))
    return lines


def _cell(figure, sign=""):
    spread = "" if figure["stderr"] is None else f" ± {figure['stderr']:.4f}"
    return f"{figure['mean']:{sign}.4f}{spread}"


def _users(figure):
    return f"{figure['users']}" + (
        f" (+{figure['left_out']} unscored)" if figure["left_out"] else ""
    )
