"""Hooks of MkDocs: a room's files, formulas, examples in docstrings, links out of docs/."""

import ast
import re
from pathlib import Path

from latex2mathml.converter import convert
from markdown import Extension
from markdown.preprocessors import Preprocessor

ROOT = Path(__file__).parents[1]
ROOM = r"^::: macrid\.(\w+)\n    options: .*members: false.*$"
FILE_OF_ROOM = r"^(\w+)(?:\.py)?  "  # a line of the docstring of the room's __init__.py
FORMULAS = {"block": r"\$\$(.+?)\$\$", "inline": r"\$([^$\n]+)\$"}
LINK_OUT_OF_DOCS = r"\[([^\]]+)\]\(\.\./([a-z]+/\w*\.md)\)"


class Examples(Extension, Preprocessor):
    """What follows >>> is code, down to the next empty line."""

    def extendMarkdown(self, md):
        md.preprocessors.register(self, "examples", 100)

    def run(self, lines):
        example = False
        for number, line in enumerate(lines):
            example = bool(line.strip()) and (example or line.startswith(">>>"))
            if example:
                lines[number] = "    " + line
        return lines


def on_config(config):
    config.markdown_extensions.append(Examples())


def on_page_markdown(markdown, **_):
    """A room is followed by its files; formulas become MathML; a link out of docs/ becomes text."""
    markdown = re.sub(ROOM, with_files, markdown, flags=re.MULTILINE)
    markdown = re.sub(LINK_OUT_OF_DOCS, r"\1 (`\2`)", markdown)
    for display, pattern in FORMULAS.items():
        markdown = re.sub(
            pattern, lambda formula: convert(formula[1], display=display), markdown, flags=re.DOTALL
        )
    return markdown


def with_files(room):
    """The reference to a room and to each file that its docstring lists, in that order."""
    source = (ROOT / "macrid" / room[1] / "__init__.py").read_text(encoding="utf-8")
    files = re.findall(FILE_OF_ROOM, ast.get_docstring(ast.parse(source)), re.MULTILINE)
    return "\n".join([room[0], "", *(f"::: macrid.{room[1]}.{file}" for file in files)])
