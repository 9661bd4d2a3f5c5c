"""Tables from outside, files or columns of a DataFrame: what is taken of them, their rows and ids,
and what is wrong with them.
"""

import csv
import math
from array import array
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter

import numpy as np

from macrid.errors import UserError

NAMES = {
    "user": {
        "user",
        "userid",
        "uid",
        "username",
        "userindex",
        "reviewer",
        "reviewerid",
        "customer",
        "customerid",
        "client",
        "clientid",
        "member",
        "memberid",
        "visitor",
        "visitorid",
        "profile",
        "profileid",
        "account",
        "accountid",
        "reader",
        "readerid",
        "listener",
        "listenerid",
    },
    "item": {
        "item",
        "itemid",
        "iid",
        "itemindex",
        "movie",
        "movieid",
        "film",
        "filmid",
        "asin",
        "product",
        "productid",
        "sku",
        "article",
        "articleid",
        "stockcode",
        "book",
        "bookid",
        "isbn",
        "track",
        "trackid",
        "song",
        "songid",
        "artist",
        "artistid",
        "game",
        "gameid",
        "anime",
        "animeid",
        "business",
        "businessid",
        "recipe",
        "recipeid",
        "content",
        "contentid",
    },
    "rating": {
        "rating",
        "ratings",
        "score",
        "stars",
        "starrating",
        "overall",
        "grade",
        "rate",
        "preference",
        "bookrating",
        "userrating",
        "reviewscore",
    },
}
MISSING = {"", "nan", "None", "<NA>", "NaT", "inf", "-inf"}  # what no id is, unless it came as text
SAY = "say which they are by columns (--columns USER,ITEM[,RATING], by name or by number from 1)"


@dataclass(frozen=True)
class Layout:
    """How a file is laid out: its delimiter, its first line, whether that is a header, and the
    columns taken, as numbers from 0.
    """

    delimiter: str
    first: list
    header: bool
    columns: list


def layout(path, columns=None):
    """The `Layout` of a file of user,item[,rating], by `columns` as in `Config`, else by its
    header, else by position.
    """
    where, delimiter, first, second = _start(path)
    known = _known(first)
    named = bool(known["user"] or known["item"] or known["rating"])
    if columns:
        taken = _chosen(first, columns, where)
        return Layout(
            delimiter, first, named or not _numbers(columns) or _unlike(first, second, taken), taken
        )
    if named:
        if not (known["user"] and known["item"]):
            raise UserError(
                f"{where}: the header is '{_text(first)}', expected columns such as"
                f" user,item[,rating[,timestamp]]; name the columns so, or {SAY}"
            )
        return Layout(delimiter, first, True, [found[0] for found in known.values() if found])
    if not 2 <= len(first) <= 4:
        remedy = (
            "divide the fields by commas or tabs"
            if len(first) == 1
            else f"name them in a first line, or {SAY}"
        )
        raise UserError(
            f"{where}: found {len(first)} field{'s' * (len(first) != 1)}, '{_text(first)}',"
            f" expected user,item[,rating[,timestamp]]; {remedy}"
        )
    taken = list(range(min(len(first), 3)))
    if _unlike(first, second, taken) or (len(taken) == 3 and not is_number(first[2])):
        found = (
            f"'{_text(first)}' is neither a header of known names, such as user,item,rating, nor a"
            " row of user,item[,rating]"
        )
        raise UserError(f"{where}: {found}; name the columns so, or {SAY}")
    return Layout(delimiter, first, False, taken)


def named(path, *wanted):
    """The `Layout` of a file whose header has the `wanted` columns: each a name, a set of names of
    which one will do, or a number from 0.
    """
    where, delimiter, first, _ = _start(path)
    names, taken = [plain(name) for name in first], []
    for one in wanted:
        known = {plain(one)} if isinstance(one, str) else one
        taken.append(
            one
            if isinstance(one, int)
            else next((j for j, name in enumerate(names) if name in known), None)
        )
        if taken[-1] is None:
            missing = f"'{one}'" if isinstance(one, str) else "of items, such as 'item'"
            raise UserError(
                f"{where}: the header is '{_text(first)}', without a column {missing}; correct the"
                " name or the header"
            )
    return Layout(delimiter, first, True, taken)


def rows(path, layout):
    """Yield (line where it begins, the layout's fields) of each row that is not blank; a row of
    another width is a UserError.
    """
    pick, width = itemgetter(*layout.columns), len(layout.first)
    with opened(path) as file:
        records = _records(path, file, layout.delimiter)
        if layout.header:
            next(records, None)
        for line, row in records:
            if len(row) != width:
                raise UserError(
                    f"{path}, line {line}: found {len(row)} field{'s' * (len(row) != 1)}, expected"
                    f" {width} as in the first line; mend the line"
                )
            yield line, pick(row)


def read_ratings(path, columns=None):
    """All rows of a file: {user: number}, {item: number}, numbers of users and items (n,), ratings
    (n,) or None, what was taken in words.
    """
    found = layout(path, columns)
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    u, i, ratings = array("i"), array("i"), array("d")
    rated = len(found.columns) == 3
    for line, fields in rows(path, found):
        user, item = fields[0], fields[1]
        try:
            pair = users[user], items[item]
        except KeyError:
            _check_id(user, "user", f"{path}, line {line}")
            _check_id(item, "item", f"{path}, line {line}")
            pair = users.setdefault(user, len(users)), items.setdefault(item, len(items))
        u.append(pair[0])
        i.append(pair[1])
        if rated:
            ratings.append(_rating(fields[2], path, line))
    if not u:
        raise UserError(f"{path}: has no ratings; expected lines of user,item[,rating[,timestamp]]")
    names = found.first if found.header else [str(j + 1) for j in range(len(found.first))]
    line = (
        "the first line is the header"
        if found.header
        else f"the first line is data: {_text(found.first)}"
    )
    numbers = np.frombuffer(u, np.int32), np.frombuffer(i, np.int32)
    return (
        users,
        items,
        *numbers,
        np.frombuffer(ratings) if ratings else None,
        f"{_told(names, found.columns)}; {line}",
    )


def frame_columns(frame, columns=None):
    """The columns of a pandas DataFrame that are taken, [user, item[, rating]] as arrays, and what
    was taken in words.
    """
    names = [str(name) for name in frame.columns]
    if columns:
        taken = _chosen(names, columns, "the DataFrame")
    else:
        known = _known(names)
        if not (known["user"] and known["item"]):
            raise UserError(
                f"the columns are {', '.join(names)}, expected names such as user, item, rating;"
                f" name them so, or {SAY}"
            )
        taken = [found[0] for found in known.values() if found]
    return [frame[frame.columns[j]].to_numpy() for j in taken], _told(names, taken)


def as_id(value):
    """An id as text; a whole float as an integer, as pandas makes floats of integers beside a
    missing one; '' for what is missing.
    """
    if isinstance(value, str):
        return value
    text = (
        str(int(value))
        if isinstance(value, (float, np.floating)) and value.is_integer()
        else str(value)
    )
    return "" if text in MISSING else text


def numbered(values, kind):
    """(ids, numbers (n,)) of a column of ids, the ids as text in order; a missing or impossible one
    is a UserError with its row.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        unique, of_row = np.unique(values, return_inverse=True)
        distinct = unique.tolist()
    else:
        places: dict = {}
        try:
            of_row = np.fromiter((places.setdefault(value, len(places)) for value in values), int)
        except TypeError as error:
            raise UserError(f"the {kind} ids: {error}; expected text or whole numbers") from None
        distinct = list(places)
    texts = [as_id(value) for value in distinct]
    for place, text in enumerate(texts):
        if not text.strip() or "\0" in text:
            _check_id(
                text,
                kind,
                f"row {int(np.argmax(of_row == place))} (the first is 0)",
                "remove the row",
            )
    ids, of_text = np.unique(np.array(texts, str), return_inverse=True)
    return ids.tolist(), of_text[of_row]


def numbers(values):
    """Ratings (n,) as floats; what is no finite number is a UserError with its row."""
    try:
        ratings = np.asarray(values, float)
        row = int(np.argmax(~np.isfinite(ratings)))
        if np.isfinite(ratings[row]):
            return ratings
    except (TypeError, ValueError):
        row = next(row for row, value in enumerate(values) if not is_number(value))
    raise UserError(
        f"row {row} (the first is 0): the rating is {values[row]}, expected a finite number; mend"
        " or remove the row"
    )


def plain(name):
    """A column's name without case, spaces, underscores and RecBole's ':type': 'User_ID' and
    'user_id:token' are 'userid'.
    """
    return "".join(character for character in name.split(":")[0].lower() if character.isalnum())


def is_number(value):
    """Whether a value, such as a field, is a finite number."""
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


@contextmanager
def opened(path):
    """A text file, in UTF-8, to read; what is wrong with it is a UserError with its line."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        where = f"{path}, line {_undecodable_line(path)}"
        raise UserError(
            f"{where}: is not UTF-8 text (byte {error.object[error.start]:#04x}); save the file as"
            " plain UTF-8 text"
        ) from None
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror or error}); check the path"
        ) from None


def _undecodable_line(path):
    with open(path, "rb") as file:
        for line, text in enumerate(file, 1):
            try:
                text.decode("utf-8")
            except UnicodeDecodeError:
                return line
    return 1


def _start(path):
    """The place of a file's first row in words, the file's delimiter, its first row and its second
    (None where there is none).
    """
    with opened(path) as file:
        first_line = next((line for line in file if line.strip()), "")
        if not first_line:
            raise UserError(f"{path}: is empty; expected lines of user,item[,rating[,timestamp]]")
        delimiter = "\t" if "\t" in first_line else ","
        file.seek(0)
        records = _records(path, file, delimiter)
        line, first = next(records, (1, [""]))
        return f"{path}, line {line}", delimiter, first, next(records, (0, None))[1]


def _records(path, file, delimiter):
    """Yield (line where it begins, fields) of each row that is not blank."""
    reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=True)
    line = 1
    try:
        for row in reader:
            if row and (row[0] or len(row) > 1):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path}, line {line}: is not CSV or TSV ({error}); a field that begins with a quote"
            " must end with one, quotes within it doubled"
        ) from None


def _known(names):
    """{part: the columns with a known name of it} for user, item and rating."""
    found = [plain(name) for name in names]
    return {
        part: [j for j, name in enumerate(found) if name in known] for part, known in NAMES.items()
    }


def _numbers(columns):
    return all(part.strip().isdecimal() for part in columns.split(","))


def _chosen(names, columns, where):
    """The columns, as numbers from 0, that 'USER,ITEM[,RATING]' names, or numbers from 1."""
    wanted = [part.strip() for part in columns.split(",")]
    if len(wanted) not in (2, 3) or len(set(wanted)) < len(wanted):
        raise UserError(
            f"columns is '{columns}', expected USER,ITEM[,RATING], two or three names or numbers"
            " from 1"
        )
    known = (
        [str(j + 1) for j in range(len(names))]
        if _numbers(columns)
        else [name.strip() for name in names]
    )
    for part in wanted:
        if part not in known:
            raise UserError(
                f"{where}: there is no column '{part}' (columns is '{columns}'); its columns are"
                f" {_text(names)}"
            )
    return [known.index(part) for part in wanted]


def _unlike(first, second, taken):
    """Whether the first row looks like a header: words over numbers."""
    if second is None or len(second) != len(first):
        return False
    over = [(not is_number(first[j])) and is_number(second[j]) for j in taken]
    return all(over[:2]) or any(over[2:])


def _told(names, taken):
    """Which columns were taken, in words."""
    parts = [f"{part}={names[j]}" for part, j in zip(NAMES, taken)] + ["no rating"] * (
        len(taken) < 3
    )
    ignored = [name for j, name in enumerate(names) if j not in taken]
    return ", ".join(parts) + (f"; ignored: {', '.join(ignored)}" if ignored else "")


def _text(row):
    """A row to show, cut where it is long."""
    text = " ".join(",".join(row).split())
    return text if len(text) <= 80 else text[:77] + "..."


def _check_id(name, kind, where, remedy="fill it in or remove the line"):
    if not name.strip():
        raise UserError(f"{where}: the {kind} id is empty; {remedy}")
    if "\0" in name:
        raise UserError(
            f"{where}: the {kind} id {name!r} holds a NUL character; mend it or remove it"
        )


def _rating(text, path, line):
    """A finite number, or a UserError."""
    try:
        rating = float(text)
    except ValueError:
        raise UserError(
            f"{path}, line {line}: the rating '{text}' is not a number; mend or remove the line"
        ) from None
    if not math.isfinite(rating):
        raise UserError(
            f"{path}, line {line}: the rating is {text}, expected a finite number; mend or remove"
            " the line"
        )
    return rating
