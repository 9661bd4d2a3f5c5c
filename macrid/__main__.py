"""`python -m macrid`: the commands that there are, a line each: the first of their own docstrings."""

import ast
import re
import sys
from pathlib import Path

from macrid import terminal
from macrid.errors import UserError


def main(argv=None):
    """Print a command a line."""
    words = sys.argv[1:] if argv is None else argv
    if words and not {"-h", "--help"} & set(words):
        raise UserError(
            f"python -m macrid takes no arguments, found '{words[0]}'; a command is called such as"
            " python -m macrid.train"
        )
    for path in sorted(Path(__file__).parent.glob("*.py")):
        first = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition(
            "\n"
        )[0]
        told = re.match(r"`(python -m macrid\.\w+)[^`]*`: (.*)", first)
        if told:
            print(f"{told[1]:30}{told[2]}")
    print("\nEach has --help with an example.")


if __name__ == "__main__":
    sys.exit(terminal.run(main))
