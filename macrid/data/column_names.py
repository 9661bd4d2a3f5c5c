"""Which columns hold users, items and ratings: by their known names, or as the user says."""

import re

from macrid.errors import UserError

KNOWN_NAMES = {
    "user": set(
        """user userid uid username userindex reviewer reviewerid customer customerid client
        clientid member memberid visitor visitorid profile profileid account accountid reader
        readerid listener listenerid""".split()
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
RECBOLE_TYPE = re.compile(":(token|token_seq|float|float_seq)$")
HOW_TO_SAY = (
    "say which they are by columns (--columns USER,ITEM[,RATING], by name or by number from 1)"
)


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
            f"columns is '{columns}', expected USER,ITEM[,RATING], two or three names or numbers"
            " from 1"
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
                f" {shortened(names)}, or numbers from 1 where that is data"
            )
    return [choices.index(part) for part in parts]


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
            " the name or the header"
        )
    if len({exactly[j] for j in places}) < len(places):
        twice = exactly[places[0]]
        raise UserError(f"{where}: several columns are called '{twice}'; give each its own name")
    return places[0]


def are_numbers(columns: str) -> bool:
    """Whether 'USER,ITEM[,RATING]' gives numbers rather than names."""
    return all(part.strip().isdecimal() for part in columns.split(","))


def in_words(names: list[str], columns: list[int]) -> str:
    """Which columns are used and which are ignored, for a report.

    >>> in_words(["client", "sku", "city"], [0, 1])
    'user=client, item=sku, no rating; ignored: city'
    """
    used = [f"{part}={names[j]}" for part, j in zip(KNOWN_NAMES, columns)]
    if len(columns) < 3:
        used.append("no rating")
    ignored = [name for j, name in enumerate(names) if j not in columns]
    return ", ".join(used) + (f"; ignored: {', '.join(ignored)}" if ignored else "")


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


def shortened(row: list[str]) -> str:
    """A row as one line of at most 80 characters."""
    text = " ".join(",".join(row).split())
    return text if len(text) <= 80 else text[:77] + "..."
