"""Ids from outside: what may be one, as which text, and what looks like damage to them."""

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import numpy as np

from macrid.errors import UserError

MISSING = set("nan NaN None <NA> NaT inf -inf Infinity -Infinity".split()) | {""}  # unless text
ID_TYPES = (str, bytes, int, float, np.integer, np.floating, Decimal, Fraction, UUID)
NUMBER = re.compile(r"[+-]?\d+(\.0*)?", re.ASCII)
SHORTENED = re.compile(r"\d([.,]\d+)?[eE]\+\d{1,3}|\d[.,]\d+[eE]\d{1,3}", re.ASCII)
DIGITS = set("+-0123456789")  # what a number begins with
NO_ID_WORDS = set(
    """nan none null n/a na #n/a <na> nat \\n undefined unknown anonymous guest""".split()
)
INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\xad"))


def is_id(value: Any) -> bool:
    """Whether a value is of a type that an id may have: text, a number, a UUID.

    >>> is_id(7), is_id(True), is_id(("a", "b"))
    (True, False, False)
    """
    return isinstance(value, ID_TYPES) and not isinstance(value, bool)


def as_id(value: Any) -> str:
    """An id as text, '' for a missing one.

    A whole float becomes an integer, as pandas makes floats of integers beside a missing one; bytes
    are UTF-8; blanks at the ends go, as from a file. What would not be one-to-one is a UserError.

    >>> as_id(" a"), as_id(7), as_id(7.0), as_id(None)
    ('a', '7', '7', '')
    """
    if isinstance(value, str):
        return value.strip()
    if fault := unusable(value):
        raise UserError(f"the id {value!r} {fault}")
    if isinstance(value, bytes):
        return value.decode().strip()
    is_fraction = isinstance(value, (float, np.floating, Decimal))
    is_whole = is_fraction and np.isfinite(float(value)) and value == int(value)
    text = str(int(value)) if is_whole else str(value)
    return "" if text in MISSING else text


def unusable(value: Any) -> str:
    """Why a value cannot be an id, such as 'is a tuple, expected ...', or ''.

    >>> unusable("a"), unusable(2.0**53)
    ('', 'is a float too large to tell its neighbours apart; keep ids as text or integers')
    """
    if isinstance(value, bytes):
        try:
            value.decode()
        except UnicodeDecodeError:
            return "is no UTF-8; decode it"
    if isinstance(value, (float, np.floating)):
        digits = np.finfo(type(value)).nmant + 1
        if 2**digits <= abs(float(value)) < np.inf:
            return "is a float too large to tell its neighbours apart; keep ids as text or integers"
    if is_id(value) or (not isinstance(value, Iterable) and str(value) in MISSING):
        return ""
    return f"is of type {type(value).__name__}, expected text, a number or a UUID"


def alike(text: str) -> str:
    """A text as all that mean the same may be written: 12.0 as 12, 007 as 7, by NFKC, no case.

    >>> alike("007"), alike("7.0"), alike("Ann@X.org ")
    ('7', '7', 'ann@x.org')
    """
    if text.isascii() and text.isdigit() and text[0] != "0":  # most are, so at once
        return text
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(INVISIBLE)
    text = text.strip()
    if text[:1] in DIGITS and NUMBER.fullmatch(text):
        return str(int(text.partition(".")[0][:4000]))
    return text.casefold() if len(text) > 5 else text  # short codes often mean their case


def by_spelling(known: Iterable[str]) -> dict[str, str]:
    """{as it is written alike: id} of the `known` ids, to find one in another spelling.

    >>> by_spelling(["6", "007"]).get(alike("7.0"))
    '007'
    """
    return {alike(name): name for name in known}


def other_spelling(text: str, known: Iterable[str]) -> str:
    """The one of the `known` ids that means the same as `text`, or ''.

    >>> other_spelling("7.0", ["6", "007"])
    '007'
    """
    return by_spelling(known).get(alike(text), "")


def remarks(texts: list[str], kind: str) -> list[str]:
    """What looks like damage to the ids of the `kind` 'user' or 'item', a line each.

    >>> remarks(["12", "12.0", "7"], "item")
    ["warning: 3 items are 2 if written alike, such as '12' and '12.0'; write each in one way"]
    """
    lines = []
    first: dict[str, str] = {}
    pair = None
    for text in texts:
        other = first.setdefault(alike(text), text)
        if other is not text:
            pair = pair or (other, text)
    if pair:
        lines.append(
            f"warning: {len(texts):,} {kind}s are {len(first):,} if written alike, such as"
            f" {pair[0]!r} and {pair[1]!r}; write each in one way"
        )
    numeric = [text for text in texts if text[0] in DIGITS]
    shortened = [text for text in numeric if not text.isdigit() and SHORTENED.fullmatch(text)]
    if shortened:
        lines.append(
            f"warning: {len(shortened):,} {kind} ids are shortened numbers whose digits are lost,"
            f" such as {shortened[0]!r}; export them as text again"
        )
    long = [text for text in numeric if len(text) > 15 and text.isdigit()]
    ending_in_0 = [text for text in long if text[-1] == "0"]
    if len(long) >= 20 and 2 * len(ending_in_0) > len(long):
        lines.append(
            f"warning: {len(ending_in_0):,} of {len(long):,} {kind} ids of 16 digits and more end"
            f" in 0, such as {ending_in_0[0]!r}: their last digits seem lost; export them as text"
            " again"
        )
    missing = [text for text in texts if len(text) < 10 and text.casefold() in NO_ID_WORDS]
    if missing:
        lines.append(
            f"warning: {len(missing):,} {kind} ids read like a missing one, such as"
            f" {missing[0]!r}; remove their rows if they are none"
        )
    return lines
