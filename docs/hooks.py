"""Hooks of MkDocs: formulas, examples in docstrings, and links to files outside docs/."""

import re

from latex2mathml.converter import convert
from markdown import Extension
from markdown.preprocessors import Preprocessor

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
    """Formulas become MathML, without a script or the network; a link out of docs/ becomes text."""
    markdown = re.sub(LINK_OUT_OF_DOCS, r"\1 (`\2`)", markdown)
    for display, pattern in FORMULAS.items():
        markdown = re.sub(
            pattern, lambda formula: convert(formula[1], display=display), markdown, flags=re.DOTALL
        )
    return markdown
