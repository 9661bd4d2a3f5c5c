"""Which items a list may have: by their ids, a file of ids, or a category."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from macrid.data.catalogue import Catalogue
from macrid.data.ids import alike, as_id, by_spelling, is_id
from macrid.data.opening import one_a_line
from macrid.errors import UserError

CATEGORY = "category="


def selected(chosen: Any, items: dict[str, int], catalogue: Catalogue, option: str) -> np.ndarray:
    """(M,) bool: the items that are chosen, by any one of what `chosen` names.

    It is an array of M bools, or one or several of: an item's id, "category=NAME" (a name or a path
    of any level, see `Catalogue.within`), and a Path of a file with an id a line. `items` are the
    places of the ids. Unknown ids are left out with a warning; where all are, it is a UserError.

    >>> selected(["jam", "category=Food > Tea"], {"tea": 0, "jam": 1, "mug": 2}, catalogue, "only")
    array([ True,  True, False])
    """
    if isinstance(chosen, np.ndarray) and chosen.dtype == bool:
        if chosen.shape != (len(items),):
            raise UserError(
                f"{option} has {chosen.size} bools, expected {len(items)}, one an item of the model"
            )
        return chosen
    is_one = is_id(chosen) or isinstance(chosen, Path)
    if not is_one and not isinstance(chosen, Iterable):
        raise UserError(
            f"{option} is {chosen!r}, expected ids of items, 'category=NAME', or a Path to a file"
            " of ids"
        )
    mask = np.zeros(len(items), bool)
    ids: list[str] = []
    for word in [chosen] if is_one else chosen:
        if isinstance(word, Path):
            ids += _lines(word)
        elif (name := as_id(word)).startswith(CATEGORY) and name not in items:
            mask |= _within(name.removeprefix(CATEGORY), catalogue, option)
        else:
            ids.append(name)
    mask[[items[name] for name in ids if name in items]] = True
    unknown = [name for name in ids if name not in items]
    if unknown:
        near = by_spelling(items).get(alike(unknown[0]))
        hint = f", which is '{near}' there" if near else ""
        if len(unknown) == len(ids) and not mask.any():
            near = hint or f"; its ids look like '{next(iter(items))}'"
            raise UserError(
                f"{option} names no item that the model knows: the first is '{unknown[0]}'{near}"
            )
        warnings.warn(
            f"{len(unknown):,} items of {option} are unknown to the model and left out, such as"
            f" '{unknown[0]}'{hint}",
            stacklevel=4,
        )
    return mask


def _within(category, catalogue, option):
    if catalogue.paths_of_item is None:
        raise UserError(
            f"{option} is '{CATEGORY}{category}', but the model knows no categories; train with a"
            " table of items (--items) or with categories (--categories)"
        )
    return catalogue.within(category)


def _lines(path):
    """The ids of a file, a line each."""
    ids = [name for _, name in one_a_line(path)]
    if not ids:
        raise UserError(f"{path}: has no ids of items; expected one a line")
    return ids
