"""Hooks of MkDocs: a room's files, formulas, examples in docstrings, links out of docs/."""

import ast
import re
import unicodedata
from contextlib import suppress
from html import unescape
from pathlib import Path

from latex2mathml.converter import convert
from markdown import Extension
from markdown.preprocessors import Preprocessor

ROOT = Path(__file__).parents[1]
ROOM = r"^::: macrid\.(\w+)\n    options: .*members: false.*$"
FILE_OF_ROOM = r"^(\w+)(?:\.py)?  "  # a line of the docstring of the room's __init__.py
FORMULAS = {"block": r"\$\$(.+?)\$\$", "inline": r"\$([^\s$](?:[^$\n]|\n(?!\n))*)\$"}
NUMBER = r"\\(?:tag|qquad *(?=\(\d+\)\s*$)) *[{(](\d+)[})]"  # of an equation of the paper
CODE = r"^(```|~~~~).*?^\1$|`[^`\n]+`"
HEADING = r"^#+ .*\$.*$"
ASIDE = r"FORMULA(\d+)ASIDE"  # stands for a formula
VARIANT = r'<(m[in]) mathvariant="(bold|bold-italic|double-struck|script)">([^<]+)</\1>'
TUTORIAL = r"\]\(\.\./tutorials/(\w+)\.(?:md|ipynb)((?:#[^)]*)?)\)"
LINK_OUT_OF_DOCS = r"\[([^\]]+)\]\(\.\./([a-z]+/[\w/]*\.(?:md|py))\)"


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


def on_page_markdown(markdown, page, **_):
    """A room is followed by its files; a link out of docs/ becomes text; formulas are put aside."""
    markdown = re.sub(ROOM, with_files, markdown, flags=re.MULTILINE)
    in_tutorials = page.file.src_uri.startswith("tutorials/")
    if not in_tutorials:
        name = lambda link: "index" if link[1] == "README" else link[1]
        markdown = re.sub(TUTORIAL, lambda link: f"](tutorials/{name(link)}.md{link[2]})", markdown)
        markdown = re.sub(LINK_OUT_OF_DOCS, r"\1 (`\2`)", markdown)
    markdown = re.sub(HEADING, _plain_heading, markdown, flags=re.MULTILINE)
    formulas = page.meta["formulas"] = []

    def aside(text):
        for display, pattern in FORMULAS.items():
            put = lambda formula: _put_aside(formula[1], display, in_tutorials, formulas)
            text = re.sub(pattern, put, text, flags=re.DOTALL)
        return text

    parts, end = [], 0
    for code in re.finditer(CODE, markdown, re.MULTILINE | re.DOTALL):
        parts += [aside(markdown[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, aside(markdown[end:])])


def on_page_content(html, page, **_):
    """The formulas that were put aside come back as MathML."""
    formulas = page.meta["formulas"]
    return re.sub(ASIDE, lambda token: formulas[int(token[1])], html)


def _put_aside(formula, display, in_tutorials, formulas):
    """What stands for a formula while Markdown is read; one with the paper's number has an anchor.

    In a notebook the number leads to the page of equations.
    """
    number = re.search(NUMBER, formula)
    math = mathml(re.sub(NUMBER, "", formula), display)
    formulas.append(f'<span class="equation">{math}</span>' if display == "block" else math)
    token = f"FORMULA{len(formulas) - 1}ASIDE"
    if not number:
        return token
    n = number[1]
    label = f"[({n})](../equations.md#eq-{n})" if in_tutorials else f"({n})"
    return f'<span class="numbered" id="eq-{n}">{token}<span>{label}</span></span>'


def _plain_heading(heading):
    """A heading with its formulas in plain letters: it is in the menu too."""
    letters = lambda formula: unescape(re.sub("<[^>]+>", "", mathml(formula[1], "inline")))
    return re.sub(FORMULAS["inline"], letters, heading[0])


def mathml(formula, display):
    """A formula as MathML; bold and double letters are letters, as browsers know no other way."""
    formula = re.sub(r"\\\n", r"\\ \n", formula).replace(r"\arg", r"\mathrm{arg}\,")
    return re.sub(VARIANT, _letters, convert(formula, display=display))


def _letters(match):
    """The letters of <mi mathvariant="bold"> and the like, found by their names in Unicode."""
    tag, variant, text = match.groups()
    return f"<{tag}>{''.join(_letter(variant, letter) for letter in unescape(text))}</{tag}>"


def _letter(variant, letter):
    """A letter in bold, bold italics, script or double strokes; itself, if Unicode has none."""
    name = re.sub("LATIN |GREEK |LETTER |LUNATE ", "", unicodedata.name(letter))
    for full in (f"MATHEMATICAL {variant} {name}", f"{variant} {name}"):
        with suppress(KeyError):
            return unicodedata.lookup(full.replace("-ITALIC", " ITALIC").upper())
    return letter


def with_files(room):
    """The reference to a room and to each file that its docstring lists, in that order."""
    source = (ROOT / "macrid" / room[1] / "__init__.py").read_text(encoding="utf-8")
    files = re.findall(FILE_OF_ROOM, ast.get_docstring(ast.parse(source)), re.MULTILINE)
    return "\n".join([room[0], "", *(f"::: macrid.{room[1]}.{file}" for file in files)])
