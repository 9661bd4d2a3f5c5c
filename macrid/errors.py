"""What a user can mend, which every command turns into one clear line, and how that is shown."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

MOST_SHOWN = 200  # characters of an id, a title, a path
MOST_OF_LINE = 2000
COMMANDS = re.compile(  # what a terminal obeys, and what turns the direction of the text around
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
LONG_WORD = re.compile(rf"\S{{{MOST_SHOWN + 1},}}")


class UserError(ValueError):
    """Something outside the code is wrong: a file, a flag, a value.

    The message is one line. It names the file and line where there is one, says what was found and
    what was expected, and ends with the remedy. Commands print it and exit with status 2.
    """


class NotTrained(UserError, AttributeError):
    """Something of a model was asked for that training makes."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, upper and lower case alike; None without such.

    >>> nearest("epochs", ["K", "max_epochs"]), nearest("k", ["K", "d"]), nearest("zzz", ["K", "d"])
    ('max_epochs', 'K', None)
    """
    by_lower = {other.lower(): other for other in known}
    near = get_close_matches(name.lower(), by_lower, 1)
    return by_lower[near[0]] if near else None


def meant(name: str, known: Iterable[str]) -> str:
    """A remedy for a name that is not known: the one that was probably meant, or all.

    >>> meant("ridge", ["Ridge", "EASE"]), meant("SVD", ["Ridge", "EASE"])
    ('did you mean Ridge?', 'known are Ridge, EASE')
    """
    known = list(known)
    near = nearest(name, known)
    return f"did you mean {near}?" if near else f"known are {', '.join(known)}"


def shown(text: object, most: int = MOST_SHOWN) -> str:
    r"""What a person is shown of a text that may be anybody's: an id, a title, a path.

    Characters that a terminal would obey are written out, and what is too long loses its middle.

    >>> shown("mug\x1b[2J")
    'mug\\x1b[2J'
    """
    plain = COMMANDS.sub(_written_out, _shortened(str(text), 10 * most))
    return _shortened(plain, most)


def shown_line(text: object) -> str:
    """A line for people, as `shown` shows it: its words as long as an id may be, itself longer."""
    line = shown(text, MOST_OF_LINE)
    return LONG_WORD.sub(lambda word: _shortened(word[0], MOST_SHOWN), line)


def one_line(message: object) -> str:
    """A message of perhaps several lines as one line for people."""
    return shown_line(re.sub(r"[ \t\r\n]+", " ", str(message)))


def _written_out(character):
    return ascii(character[0])[1:-1]


def _shortened(text, most):
    if len(text) <= most:
        return text
    return f"{text[: most * 2 // 3]}…{text[1 + most * 2 // 3 - most :]}"
