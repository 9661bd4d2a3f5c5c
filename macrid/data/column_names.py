"""Which columns hold users, items and ratings: by their known names, or as the user says."""

import re
from collections.abc import Collection, Mapping

from macrid.errors import UserError, nearest

KNOWN_NAMES = {
    "user": set(
        """user userid uid username userindex reviewer reviewerid customer customerid client
        clientid member memberid visitor visitorid buyer buyerid profile profileid account accountid
        reader readerid listener listenerid""".split()
    ),
    "item": set(
        """item itemid iid itemindex movie movieid film filmid asin product productid sku article
        articleid stockcode book bookid isbn track trackid song songid artist artistid game gameid
        anime animeid business businessid recipe recipeid content contentid""".split()
    ),
    "rating": set(
        """rating ratings score stars starrating overall grade rate preference bookrating userrating
        reviewscore reviewrating userscore ratingvalue ratingscore feedback userfeedback
        vote""".split()
    ),
}
MORE_NAMES = {  # of columns that are read only where an option needs them
    "event": set(
        """event events eventtype eventname action actiontype behavior behaviour behaviortype
        behaviourtype interaction interactiontype activity status orderstatus
        transactiontype""".split()
    ),
    "time": set(
        """time timestamp timestamps ts date datetime day when unixtime unixreviewtime reviewtime
        eventtime eventdate orderdate ordertime created createdat purchasedate invoicedate
        transactiondate ratingdate ratingtime zeit datum zeitstempel""".split()
    ),
}
NAMED_PART = re.compile(r"\s*(event|time)\s*=(.*)", re.DOTALL)
TIME_WITHOUT_HEADER = 3  # user,item,rating,timestamp
RECBOLE_TYPE = re.compile(":(token|token_seq|float|float_seq)$")
HOW_TO_SAY = (
    "say which they are by columns (--columns USER,ITEM[,RATING][,event=NAME][,time=NAME], by name"
    " or by number from 1)"
)


class NoColumn(UserError):
    """No column is known by its name to hold what is needed, and none is named."""


def plain(name: str) -> str:
    """A column's name without case, spaces, underscores and the ':type' that RecBole appends.

    >>> plain("User_ID"), plain("user_id:token")
    ('userid', 'userid')
    """
    return "".join(letter for letter in name.split(":")[0].lower() if letter.isalnum())


def known(names: list[str]) -> dict[str, list[int]]:
    """{"user": columns, "item": columns, "rating": columns} whose names are known, from 0.

    >>> known(["Movie ID", "stars", "when"])
    {'user': [], 'item': [0], 'rating': [1]}
    """
    plain_names = [plain(name) for name in names]
    return {
        part: [j for j, name in enumerate(plain_names) if name in of_part]
        for part, of_part in KNOWN_NAMES.items()
    }


def first_of_each(known_columns: dict[str, list[int]]) -> list[int]:
    """The columns to read, [user, item] or [user, item, rating], from what `known` returns."""
    return [columns[0] for columns in known_columns.values() if columns]


def chosen(names: list[str], columns: str, where: str) -> list[int]:
    """The columns, numbered from 0, that 'USER,ITEM[,RATING]' names or numbers from 1.

    `where` says in an error whose columns they are.

    >>> chosen(["stars", "sku", "client"], "client,sku", "sales.csv, line 1")
    [2, 1]
    """
    parts = [part.strip() for part in columns.split(",")]
    if len(parts) not in (2, 3) or len(set(parts)) < len(parts):
        raise UserError(
            f"columns is '{columns}', expected USER,ITEM[,RATING][,event=NAME][,time=NAME], two"
            " or three names or numbers from 1, and more by name=..."
        )
    if are_numbers(columns):
        choices = [str(j + 1) for j in range(len(names))]
    else:
        choices = [name.strip() for name in names]
    for part in parts:
        if choices.count(part) > 1:
            raise UserError(f"{where}: several columns are called '{part}'; name them by numbers")
        if part not in choices:
            raise UserError(
                f"{where}: there is no column '{part}' (columns is '{columns}'); its columns are"
                f" {shortened(names)}, or numbers from 1 where that is data{_meant(part, names)}"
            )
    return [choices.index(part) for part in parts]


def divided(columns: str | None) -> tuple[str | None, dict[str, str]]:
    """What the option `columns` says: the first part, USER,ITEM or more, and the named ones.

    >>> divided("client,sku,time=when"), divided("time=4")
    (('client,sku', {'time': 'when'}), (None, {'time': '4'}))
    """
    by_position, named = [], {}
    for part in columns.split(",") if columns else []:
        match = NAMED_PART.fullmatch(part)
        if match:
            named[match[1]] = match[2].strip()
        else:
            by_position.append(part)
    return ",".join(by_position) or None, named


def place_of(part: str, names: list[str], has_header: bool, columns: str | None, where: str) -> int:
    """The column, from 0, of the 'event' or the 'time': as `columns` says, else by a known name.

    >>> place_of("time", ["user", "item", "when"], True, None, "log.csv")
    2
    """
    named = divided(columns)[1]
    if part in named:
        numbers = [str(j + 1) for j in range(len(names))]
        for choices in ([name.strip() for name in names] * has_header, numbers):
            if choices.count(named[part]) == 1:
                return choices.index(named[part])
        raise UserError(
            f"{where}: there is no column '{named[part]}' (columns is '{columns}'); its columns are"
            f" {shortened(names)}, or numbers from 1{_meant(named[part], names)}"
        )
    if has_header:
        places = [j for j, name in enumerate(names) if plain(name) in MORE_NAMES[part]]
        if places:
            return places[0]
    elif part == "time" and len(names) == TIME_WITHOUT_HEADER + 1:
        return TIME_WITHOUT_HEADER
    what = {"event": "kinds of events", "time": "times"}[part]
    raise NoColumn(
        f"{where}: no column of {what} is known by its name among {shortened(names)}; say which it"
        f" is by columns (--columns {part}=NAME, by name or by number from 1)"
    )


def unread(
    names: list[str], has_header: bool, columns: str | None, also: Collection[str], where: str
) -> dict[str, int]:
    """The columns, from 0, that `columns` calls the 'event' or 'time' although no option needs it.

    A time is merely not read; without weights of the kinds of events every row would count.

    >>> unread(["user", "item", "when"], True, "time=when", [], "log.csv")
    {'time': 2}
    """
    named = divided(columns)[1].keys() - set(also)
    if "event" in named:
        raise UserError(
            f"{where}: columns names event= ('{columns}'), but without events every row would"
            " count, returns too; give events (--events purchase=1,return=-1), or leave event= out"
        )
    return {part: place_of(part, names, has_header, columns, where) for part in named}


def without_rating(taken: list[int], by_position: str | None, where: str) -> list[int]:
    """The columns of users and items alone: with the kinds of events no rating is read."""
    if by_position and len(taken) == 3:
        raise UserError(
            f"{where}: columns names a rating ('{by_position}'), but events says what counts; leave"
            " one of them out"
        )
    return taken[:2]


def place(header: list[str], name: str | set[str] | int, where: str) -> int:
    """The number of the column that is called so: exactly, else by its plain name.

    `name` is a name, a set of plain names of which one will do, or the number itself.

    >>> place(["Item_ID", "class:token_seq"], "class", "items.csv")
    1
    """
    if isinstance(name, int):
        return name
    exactly = [field.strip() for field in header]
    if isinstance(name, str) and exactly.count(name) > 1:
        raise UserError(f"{where}: several columns are called '{name}'; give each its own name")
    if isinstance(name, str) and name in exactly:
        return exactly.index(name)
    choices = {plain(name)} if isinstance(name, str) else name
    places = [j for j, field in enumerate(header) if plain(field) in choices]
    if not places:
        missing = f"'{name}'" if isinstance(name, str) else "of items, such as 'item'"
        raise UserError(
            f"{where}: the header is '{shortened(header)}', without a column {missing}; correct"
            f" the name or the header{_meant(name, exactly)}"
        )
    if len({exactly[j] for j in places}) < len(places):
        twice = exactly[places[0]]
        raise UserError(f"{where}: several columns are called '{twice}'; give each its own name")
    return places[0]


def are_numbers(columns: str) -> bool:
    """Whether 'USER,ITEM[,RATING]' gives numbers rather than names."""
    return all(part.strip().isdecimal() for part in columns.split(","))


def in_words(
    names: list[str],
    columns: list[int],
    more: Mapping[str, int] | None = None,
    unread: Mapping[str, int] | None = None,
) -> str:
    """Which columns are used, named in vain, and ignored, for a report.

    >>> in_words(["client", "sku", "city"], [0, 1])
    'user=client, item=sku, no rating; ignored: city'
    """
    more, unread = more or {}, unread or {}
    used = [f"{part}={names[j]}" for part, j in zip(KNOWN_NAMES, columns)]
    if len(columns) < 3 and "event" not in more:
        used.append("no rating")
    used += [f"{part}={names[j]}" for part, j in more.items()]
    told = (*columns, *more.values(), *unread.values())
    ignored = [name for j, name in enumerate(names) if j not in told]
    idle = [f"; {part}={names[j]} is read where split or since asks" for part, j in unread.items()]
    return "".join([", ".join(used), *idle, f"; ignored: {', '.join(ignored)}" * bool(ignored)])


def doubts(names: list[str], columns: list[int]) -> list[str]:
    """What is doubtful about the columns that are used, a line each.

    >>> doubts(["user", "item", "stars", "score"], [0, 1, 2])
    ['note: stars and score may both be the rating; stars is read; if that is wrong, say which ...']
    """
    lines = []
    known_columns = known(names)
    for part, j in zip(KNOWN_NAMES, columns):
        others = [names[other] for other in known_columns[part] if other != j]
        if others and j in known_columns[part]:
            lines.append(
                f"note: {names[j]} and {', '.join(others)} may both be the {part}; {names[j]} is"
                f" read; if that is wrong, {HOW_TO_SAY}"
            )
    user, item = columns[:2]
    if user in known_columns["item"] and item in known_columns["user"]:
        lines.append(
            f"warning: {names[user]} is read as the user and {names[item]} as the item; are they"
            " swapped in columns?"
        )
    return lines


def _meant(part, names):
    """'; did you mean NAME?', where a column's name is near to what was given."""
    near = nearest(part, [name.strip() for name in names]) if isinstance(part, str) else None
    return f"; did you mean '{near}'?" if near else ""


def shortened(row: list[str]) -> str:
    """A row as one line of at most 80 characters."""
    text = " ".join(",".join(row).split())
    return text if len(text) <= 80 else text[:77] + "..."
