"""The command `macrid`, which `python -m macrid` is too: `macrid train ...`, a line for each."""

import ast
import importlib
import re
import sys
from pathlib import Path

from macrid import __version__, terminal
from macrid.errors import UserError, meant


def main(argv: list[str] | None = None) -> None:
    """Call the command that the first word names, with the others; without one, list them."""
    name, *words = (sys.argv[1:] if argv is None else argv) or ["--help"]
    commands = _commands()
    if name == "--version":
        terminal.say()(f"macrid {__version__}")
    elif name in ("-h", "--help"):
        lines = [f"{command:12}{does}" for command, does in commands.items()]
        terminal.say()("usage: macrid COMMAND ..., or python -m macrid.COMMAND ...", "", *lines)
        terminal.say()("\nEach has --help with an example; macrid --version says which this is.")
    elif name in commands:
        importlib.import_module(f"macrid.{name}").main(words)
    else:
        raise UserError(f"macrid has no command '{name}'; {meant(name, commands)}")


def script() -> int:
    """What the console script `macrid` runs; its exit status."""
    return terminal.run(main)


def _commands():
    """{name: what it does} of each command: what the docstring of its file begins with."""
    commands = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        paragraph = docstring.partition("\n\n")[0].replace("\n", " ")
        if command := re.match(r"`python -m macrid\.(\w+)[^`]*`: (.*)", paragraph):
            commands[command[1]] = command[2].rstrip(".")
    return commands


if __name__ == "__main__":
    sys.exit(script())
