"""Categories in a file of JSON lines: an object a line, with an item and its categories."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from macrid.data import column_names, ids
from macrid.data.opening import is_pipe, opened
from macrid.errors import UserError


def is_of_objects(path: str | Path) -> bool:
    """Whether the first line of a file that is not blank is a JSON object."""
    if is_pipe(path):
        return False
    with opened(path) as file:
        first = next((line for line in file if line.strip()), "")
    return first.lstrip().startswith("{") and isinstance(_parsed(first), dict)


def categories(path: str | Path, key: str, item_names: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield (item id, category names) of each line: those under `key`, none where it is missing.

    The item is under a key of a known name. A list is of several categories; a list in it is a
    path, 'Home > Kitchen'. What is wrong is a UserError with its line.

    >>> list(categories("meta.json", "genres", {"id"}))
    [('tea', ['drinks', 'Home > Kitchen'])]
    """
    has_key = False
    with opened(path) as file:
        for line, text in enumerate(file, 1):
            if not text.strip():
                continue
            values = _parsed(text)
            if not isinstance(values, dict):
                raise UserError(
                    f"{path}, line {line}: '{text.strip()[:40]}' is no JSON object, as in the lines"
                    " before; mend or remove the line"
                )
            keys = [name for name in values if column_names.plain(name) in item_names]
            if not keys:
                raise UserError(
                    f"{path}, line {line}: has no key of items, such as 'item', but"
                    f" {column_names.shortened(list(values))}; call it so"
                )
            if key in values:
                has_key = True
                yield _text(values[keys[0]]), _names(values[key])
    if not has_key:
        raise UserError(f"{path}: no line has a key '{key}'; correct the name")


def _parsed(text):
    """What a line of JSON holds, None if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _names(value: Any) -> list[str]:
    """The categories that a value lists."""
    values = value if isinstance(value, list) else [value]
    paths = (part if isinstance(part, list) else [part] for part in values)
    names = (" > ".join(filter(None, map(_text, path))) for path in paths)
    return [name for name in names if name]


def _text(value):
    """A value as text, '' for what is neither text nor a number."""
    return ids.as_id(value) if ids.is_id(value) else ""
