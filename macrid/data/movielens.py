"""The films of a MovieLens folder, prepared or raw: titles and genres."""

from pathlib import Path
from typing import NamedTuple

from macrid.data.ratings_file import Layout, TextTable, layout_by_names, text_table
from macrid.errors import UserError

RATINGS = {"ratings.csv": "movies.csv", "ratings.dat": "movies.dat", "u.data": "u.item"}
NO_GENRES = "(no genres listed)"  # MovieLens's words for a film without any


class Film(NamedTuple):
    title: str
    genres: list[str]


def movies(folder: Path, ratings: str) -> dict[str, Film]:
    """{id: title and genres} of the films beside a file of `ratings`; {} where there are none.

    >>> movies(Path("ml-1m"), "ratings.dat")["1"]
    Film(title='Toy Story (1995)', genres=['Animation', "Children's", 'Comedy'])
    """
    path = folder / RATINGS[ratings]
    if not path.is_file():
        return {}
    if path.suffix == ".csv":
        with text_table(path) as table:
            return _with_named_genres(table, layout_by_names(table, "movieId", "title", "genres"))
    separator = "::" if path.suffix == ".dat" else "|"
    with text_table(path, False, separator, _encoding(path)) as table:
        width = len(table.sample[0])
        if separator == "::":
            return _with_named_genres(table, Layout(table.sample[0], False, [0, 1, 2]))
        layout = Layout(table.sample[0], False, list(range(width)))
        names = _genre_names(folder / "u.genre", width - 5)
        return {
            film: Film(title, [name for name, flag in zip(names, flags) if flag == "1"])
            for _, (film, title, _, _, _, *flags) in table.rows(layout)
        }


def _with_named_genres(table: TextTable, layout: Layout) -> dict[str, Film]:
    """The films of rows of id, title and genres divided by '|'."""
    return {
        film.strip(): Film(
            title, [name for name in genres.split("|") if name not in ("", NO_GENRES)]
        )
        for _, (film, title, genres) in table.rows(layout)
    }


def _genre_names(path, count):
    """The names of the flags in u.item: of u.genre, whose rows are name|number."""
    if not path.is_file():
        return []
    with text_table(path, False, "|") as table:
        names = [name for _, (name, _) in table.rows(Layout(table.sample[0], False, [0, 1]))]
    if len(names) != count:
        raise UserError(f"{path}: has {len(names)} genres, expected {count}; fetch it again")
    return names


def _encoding(path):
    """Raw files are Latin-1; copies that someone has saved as UTF-8 exist."""
    try:
        path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"
