"""Hooks of MkDocs: formulas that browsers draw themselves, and links to files outside the pages."""

import re

from latex2mathml.converter import convert

FORMULAS = {"block": r"\$\$(.+?)\$\$", "inline": r"\$([^$\n]+)\$"}
LINK_OUT_OF_DOCS = r"\[([^\]]+)\]\(\.\./([a-z]+/\w*\.md)\)"


def on_page_markdown(markdown, **_):
    """Formulas become MathML, without a script or the network; a link out of docs/ becomes text."""
    markdown = re.sub(LINK_OUT_OF_DOCS, r"\1 (`\2`)", markdown)
    for display, pattern in FORMULAS.items():
        markdown = re.sub(
            pattern, lambda formula: convert(formula[1], display=display), markdown, flags=re.DOTALL
        )
    return markdown
