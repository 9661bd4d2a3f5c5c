"""`python -m macrid`: the commands that there are, a line each."""

import ast
import re
import sys
from pathlib import Path

from macrid import __version__, terminal
from macrid.errors import UserError


def main(argv: list[str] | None = None) -> None:
    """Print a command a line: what the docstring of its file begins with."""
    words = sys.argv[1:] if argv is None else argv
    if words == ["--version"]:
        terminal.say()(f"macrid {__version__}")
        return
    if words and not {"-h", "--help"} & set(words):
        raise UserError(
            f"python -m macrid takes no arguments but --version, found '{words[0]}'; a command is"
            " called such as python -m macrid.train"
        )
    for path in sorted(Path(__file__).parent.glob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        paragraph = docstring.partition("\n\n")[0].replace("\n", " ")
        command = re.match(r"`(python -m macrid\.\w+)[^`]*`: (.*)", paragraph)
        if command:
            print(f"{command[1]:30}{command[2]}")
    print("\nEach has --help with an example.")


if __name__ == "__main__":
    sys.exit(terminal.run(main))
