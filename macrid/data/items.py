"""A table of items: titles, categories, brands, prices, pictures, and other numbers.

One row an item. A column is known by its name, as `KNOWN_NAMES` has it, or as `columns` says;
every other column that holds numbers is kept under its own name, and the rest is ignored.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from macrid.data import checks, column_names, ids, in_memory, parquet, ratings_file, separators
from macrid.data.adoptions import Interactions, csr_of_rows, with_categories
from macrid.data.catalogue import Catalogue, path_of
from macrid.data.opening import is_pipe, opened
from macrid.errors import UserError
from macrid.files import LONGEST_TITLE

KNOWN_NAMES = {
    "item": column_names.KNOWN_NAMES["item"] | {"id"},
    "title": set("title name itemname productname itemtitle producttitle movietitle".split()),
    "category": set(
        """category categories genre genres department departments class categoryname categorypath
        productcategory itemcategory producttype""".split()
    ),
    "brand": set("brand brandname manufacturer maker".split()),
    "price": set("price unitprice listprice sellingprice".split()),
    "picture": set("picture pictures image photo img imagepath picturepath imagefile".split()),
}
HOW_TO_SAY = "say which they are by item_columns (--item-columns item=SKU,title=NAME)"
ADDRESS = re.compile(r"[a-z]{2,9}://", re.IGNORECASE)
FEWEST_KNOWN = 0.5  # share of the items whose number is known, for a column of no known name


def read(source: Any, columns: str = "", or_known: bool = False) -> Catalogue:
    """The table in a file (CSV, TSV and the like, Parquet), a DataFrame, or a dict of columns.

    `columns` says which columns hold what, 'item=SKU,title=NAME', where their names do not; with
    `or_known`, a name that is not there gives way to known ones. What is wrong is a UserError with
    the line: an item that comes again, a price that is no number.

    >>> read({"sku": ["tea", "jam"], "price": [2.5, None]}).numbers
    {'price': array([2.5, nan])}
    """
    if isinstance(source, Catalogue):
        return source
    if not isinstance(source, (str, Path)):
        return _of_frame(source, columns, or_known, "the table of items", Path())
    if parquet.is_parquet(source):
        frame = parquet.read(source)
        return _of_frame(frame, columns, or_known, str(source), Path(source).parent)
    separator = _separator(source, columns)

    def read_rows(is_quoted):
        with ratings_file.text_table(source, is_quoted, separator) as table:
            header = [name.strip() for name in table.sample[0]]
            place = _places(header, columns, or_known, table.where)
            everything = ratings_file.Layout(table.sample[0], True, list(range(len(header))))
            rows = ((f"{source}, line {n}", texts) for n, texts in table.rows(everything))
            return _read(header, place, rows, str(source), Path(source).parent)

    return ratings_file.with_or_without_quotes(source, read_rows)


def with_items(interactions: Interactions, source: Any, config) -> Interactions:
    """The same interactions with what a table of items says, a path or a frame as `read` takes it.

    `config` says which columns are which, at which level categories are taken, and what is given
    otherwise: a column that says the same is a UserError. The rows of items that nobody has are
    kept apart, as `unadopted`.
    """
    table = read(source, config.item_columns)
    for option, column, known in (
        ("categories", "category", table.paths_of_item is not None),
        ("pictures", "picture", table.pictures is not None),
    ):
        if (value := getattr(config, option)) and known:
            raise UserError(
                f"{option} is {value}, but {table.source} has a column of its own"
                f" ({table.columns_used}); leave out {option}, or the {column} there"
            )
    return _described(interactions, table, config.category_level, config.K)


def _described(interactions, table, level, fewest):
    """The same interactions with what a table says of their items.

    Categories are taken at a `level`, or if that is 0, at the first with as many as `fewest`.
    """
    items = interactions.items
    place_of = {name: place for place, name in enumerate(table.ids.tolist())}
    places = np.array([place_of.get(name, -1) for name in items.tolist()])
    if not (places >= 0).any():
        hint = checks.mismatch(table.ids.tolist(), interactions.users, items)
        raise UserError(
            f"{table.source}: has a row of none of the items ({table.columns_used});"
            f" {hint or 'are its ids those of the items?'}"
        )
    of_items = table.rows(places)
    others = np.setdiff1d(np.arange(len(table.ids)), places)
    changes: dict[str, Any] = {"catalogue": of_items, "unadopted": table.rows(others)}
    if of_items.titles is not None:
        changes["titles"] = np.where(of_items.titles == "", items, of_items.titles)
    if of_items.pictures is not None:
        changes["pictures"] = of_items.pictures
    report = [f"{table.columns_used}; {(places >= 0).sum():,} of {len(items):,} items have a row"]
    if len(others):
        report.append(f"{len(others):,} rows are of items without adoptions")
    level = level or of_items.level(fewest)
    if any(len(path) > 1 for path in table.paths):
        report.append(f"categories of level {level}")
    changes["report"] = interactions.report | {"items": "; ".join(report)}
    interactions = replace(interactions, **changes)
    if of_items.paths_of_item is not None:
        interactions = with_categories(interactions, of_items.categories(level))
    remarks = checks.otherwise_written(place_of, items, "row")
    remarks += checks.missing_pictures(of_items.pictures or [])
    return checks.with_remarks(interactions, remarks)


def _of_frame(frame, columns, or_known, source, folder):
    """The table of a DataFrame, a Table of PyArrow, dicts, or a dict of columns."""
    try:
        header, column = in_memory.columns_of(frame)
        values = [column(j) for j in range(len(header))]
        lengths = sorted({len(of_column) for of_column in values})
    except (AttributeError, TypeError):
        raise UserError(
            f"items is of type {type(frame).__name__}, expected a path, a DataFrame, or a dict of"
            " columns"
        ) from None
    if len(lengths) > 1:
        raise UserError(f"{source}: the columns have {lengths} rows; expected equally many")
    place = _places(header, columns, or_known, source)
    rows = (
        (
            f"{source}, row {n} (the first is 0)",
            [ids.as_id(v) if j == place["item"] else _text(v) for j, v in enumerate(row)],
        )
        for n, row in enumerate(zip(*values))
    )
    return _read(header, place, rows, source, folder)


def _text(value):
    """A value of a frame as a field of text, several of them as 'a|b', '' for a missing one."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()  # half a character is none
    if isinstance(value, (list, tuple, np.ndarray)):
        return "|".join(map(str, value))
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return "" if text in ids.MISSING else text


def _separator(path, columns):
    """What divides the fields of a file: the mark that shows most known names in its header."""
    if is_pipe(path):
        return ""
    with opened(path) as file:
        lines = (line for line in file if line.strip())
        header = next(lines, "")
    named = set(_named(columns).values())

    def known(mark):
        fields = next(iter(separators.sample([header], mark)), [])
        plain = {column_names.plain(name) for name in fields}
        exact = {name.strip() for name in fields} & named
        return len(exact) + sum(bool(plain & names) for names in KNOWN_NAMES.values())

    best = max(separators.SEPARATORS[:-1], key=known)
    return best if known(best) > 1 else ""


def _named(columns):
    """{role: column} of 'item=SKU,title=NAME'."""
    pairs = [part.split("=", 1) for part in columns.split(",") if part.strip()]
    named = {pair[0].strip(): pair[-1].strip() for pair in pairs}
    for pair in pairs:
        if len(pair) != 2 or pair[0].strip() not in KNOWN_NAMES or not pair[1].strip():
            raise UserError(
                f"item_columns is '{columns}', expected {'=NAME, '.join(KNOWN_NAMES)}=NAME, some of"
                " them, divided by commas"
            )
    return named


def _places(header, columns, or_known, where):
    """{role: the number of its column}, from 0; an item column must be there, and another."""
    named = _named(columns)
    if or_known:
        there = {column_names.plain(name) for name in header}
        named = {role: name for role, name in named.items() if column_names.plain(name) in there}
    place = {role: column_names.place(header, name, where) for role, name in named.items()}
    for role, known in KNOWN_NAMES.items():
        taken = set(place.values())
        known_places = [j for j, name in enumerate(header) if column_names.plain(name) in known]
        free = [j for j in known_places if j not in taken]
        if role not in place and free:
            place[role] = free[0]
    if "item" not in place:
        raise UserError(
            f"{where}: the header is '{column_names.shortened(header)}', without a column of items,"
            f" such as 'item'; name the columns so, or {HOW_TO_SAY}"
        )
    if len(header) < 2:
        raise UserError(
            f"{where}: there is only the column '{header[0]}'; expected others beside it, such as"
            f" {', '.join(list(KNOWN_NAMES)[1:])}"
        )
    if len(set(place.values())) < len(place):
        raise UserError(f"item_columns is '{columns}', which names a column twice")
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise UserError(f"{where}: several columns are called '{twice[0]}'; give each its own name")
    return place


def _read(
    header: list[str],
    place: dict[str, int],
    rows: Iterable[tuple[str, Sequence[str]]],
    source: str,
    folder: Path,
) -> Catalogue:
    """The table of rows (where, fields); `place` says which columns are known, see `_places`."""
    of_item = place["item"]
    first_row: dict[str, str] = {}
    texts: dict[str, list[str]] = {role: [] for role in ("title", "brand", "picture")}
    texts = {role: column for role, column in texts.items() if role in place}
    number_of_path: dict[tuple[str, ...], int] = {}
    paths_of_item: list[list[int]] = []
    names = {j: header[j] for j in range(len(header)) if j not in place.values()}
    names |= {place["price"]: "price"} if "price" in place else {}
    numbers = {j: array("d") for j in names}
    is_sequence = header[place["category"]].endswith(":token_seq") if "category" in place else False

    for where, fields in rows:
        item = fields[of_item].strip()
        if not in_memory.is_possible_id(item):
            in_memory.refuse_id(item, "item", where, "fill it in or remove the row")
        if item in first_row:
            earlier = first_row[item].removeprefix(f"{source}, ")
            raise UserError(
                f"{where}: item '{item}' comes again (first in {earlier}); keep one row an item,"
                " several categories divided by '|'"
            )
        first_row[item] = where
        for role, column in texts.items():
            column.append(fields[place[role]].strip()[:LONGEST_TITLE])
        if "category" in place:
            paths = _paths(fields[place["category"]], is_sequence)
            paths_of_item.append([number_of_path.setdefault(p, len(number_of_path)) for p in paths])
        for j in list(numbers):
            value = _number(fields[j])
            if value is not None:
                numbers[j].append(value)
            elif j == place.get("price"):
                raise UserError(
                    f"{where}: the price is '{fields[j].strip()}', expected a number; write it"
                    " without a currency, or leave it empty"
                )
            else:
                del numbers[j]  # a column of something else
    if not first_row:
        raise UserError(f"{source}: has no rows; expected one an item")

    kept = {j: np.array(values) for j, values in numbers.items()}
    kept = {j: v for j, v in kept.items() if j == place.get("price") or _is_telling(v)}
    pictures = texts.get("picture")
    are_addresses = pictures is not None and any(map(ADDRESS.match, pictures))
    used = [f"{role}={header[j]}" for role, j in place.items()]
    used += [names[j] for j in kept if j != place.get("price")]
    ignored = [header[j] for j in names if j not in kept]
    in_words = ", ".join(used) + (f"; ignored: {', '.join(ignored)}" if ignored else "")
    if are_addresses:
        in_words += "; the pictures are addresses, which are not fetched"
    has_categories = "category" in place
    return Catalogue(
        np.array(list(first_row)),
        np.array(texts["title"]) if "title" in place else None,
        tuple(number_of_path),
        csr_of_rows(paths_of_item, len(number_of_path)) if has_categories else None,
        np.array(texts["brand"]) if "brand" in place else None,
        None
        if pictures is None or are_addresses
        else [folder / path if path else None for path in pictures],
        {names[j]: values for j, values in kept.items()},
        source,
        in_words,
    )


def _paths(text: str, is_sequence: bool) -> Iterator[tuple[str, ...]]:
    """The different paths in a field of categories, several of which are divided by '|'."""
    parts = text.split() if is_sequence and "|" not in text else text.split("|")
    return iter(dict.fromkeys(path for part in parts if (path := path_of(part))))


def _number(text):
    """A field as a number, NaN where it is empty, None where it is something else."""
    text = text.strip()
    if not text or text.casefold() in ids.NO_ID_WORDS:
        return np.nan
    if separators.DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    return float(text) if in_memory.is_number(text) else None


def _is_telling(values):
    """Whether numbers of a column that has no known name differ, and are known of enough items."""
    known = np.isfinite(values)
    return known.mean() >= FEWEST_KNOWN and np.ptp(values[known]) > 0
