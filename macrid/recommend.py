"""`python -m macrid.recommend`: the best items for users, by their own ids, from a trained run."""

import argparse
import csv
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from macrid import backend, data, files, terminal
from macrid.data import checks, event_weights
from macrid.data.column_names import NoColumn, plain
from macrid.data.ids import alike, by_spelling, other_spelling
from macrid.data.loading import needed
from macrid.data.lookup import STRANGERS
from macrid.data.opening import is_pipe, one_a_line
from macrid.errors import UserError, shown
from macrid.recommender import USERS_AT_A_TIME, Recommender

LONGEST_SHOWN = 60  # letters of an id in a message


def main(argv: list[str] | None = None) -> None:
    """Load a run and write rows of recommendations to a file, all or nothing, or print them."""
    flags = _flags(argv)
    backend.keep_freed_memory()
    model = Recommender.load(flags.run, flags.backend)
    if flags.add_items:
        model.add_items(flags.add_items, flags.features or None, flags.item_columns or "")
    if flags.titles and model.titles is None:
        raise UserError(
            f"{flags.run}: has no titles; train with --items FILE, or leave --titles out"
        )
    concepts = dict(_factor(text) for text in flags.concept)
    if all(concepts.get(k, 1) == 0 for k in range(model.config.K)):
        raise UserError(
            "--concept gives every concept the factor 0, so that nothing speaks for any item; leave"
            " one of them above 0"
        )
    users = list(_users(flags, model))
    if not users:
        raise UserError(f"{flags.users}: has no user ids; expected one a line")
    chosen = {"concepts": concepts, "exclude_seen": not flags.include_seen}
    if flags.only or flags.without:
        chosen["only"] = model.select(_items(flags.only, model), _items(flags.without, model))
    with terminal.bar(flags.quiet or not flags.out, total=len(users), unit=" users") as bar:
        if flags.out:
            with files.replacing(flags.out, "w") as file:
                _write(file, model, users, flags, chosen, bar)
            terminal.say(flags.quiet)(f"saved {flags.out}")
        else:
            _write(_output(users, model), model, users, flags, chosen, bar)


def _output(users, model):
    """Standard output: in its own encoding, or in UTF-8 where that lacks a letter of the rows."""
    texts = [name for name, _ in users] + model.items.tolist()
    texts += [] if model.titles is None else model.titles.tolist()
    try:
        "".join(set().union(*texts)).encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    return sys.stdout


def _flags(argv):
    """The flags, as far as they can be checked without reading the run."""
    arguments = terminal.parser(
        "recommend",
        "Recommend items to users of a trained run, or to new ones by their history. A score is the"
        " logarithm of how likely the model finds it that a user takes the item, but for a constant"
        " of hers: compare scores inside one list only; of a run with --linear-path they are for"
        " order only, their differences are no odds. Who has no item that the run knows gets"
        " popular items, with the logarithm of the share of users who have them; the column 'by'"
        " says which.",
        "python -m macrid.recommend --run runs/mine --user alice --n 20\n"
        "  python -m macrid.recommend --run runs/mine --users users.txt --n 20 --out recs.csv",
    )
    arguments.add_argument(
        "--run", required=True, help="a run folder of macrid.train, or a file of Recommender.save"
    )
    who = arguments.add_mutually_exclusive_group()
    text = "user ids (default: all users of the run)"
    who.add_argument("--user", nargs="+", action="extend", help=text)
    who.add_argument("--users", help="a file with a user id a line")
    who.add_argument(
        "--histories",
        help=(
            "a CSV or TSV of user,item[,rating] rows, as --data of macrid.train: new users, by what"
            " they have; kinds of events weigh as in the run, where the file has a column of them"
        ),
    )
    arguments.add_argument(
        "--columns",
        metavar="USER,ITEM[,RATING][,event=NAME]",
        help="columns of --histories, by name or by number from 1 (default: by known names)",
    )
    arguments.add_argument(
        "--min-rating",
        type=float,
        help="a rating of --histories of at least this counts (default: as in the run)",
    )
    arguments.add_argument("--n", type=int, default=10, help="items for each user (default: 10)")
    arguments.add_argument(
        "--concept",
        nargs="+",
        default=[],
        metavar="K=FACTOR",
        help=(
            "factors of concepts: 2=3 makes the odds of concept 2 in a list about three times what"
            " they are, 2=0.3 a third, 2=0 leaves its items out (macrid.evaluate --concepts says"
            " what they hold)"
        ),
    )
    text = "a table of items: those that the run does not know are placed by those like them"
    arguments.add_argument("--add-items", metavar="FILE", help=text)
    text = "features of pictures of macrid.features for --add-items, of known and new items"
    arguments.add_argument("--features", metavar="FILE", help=text)
    text = "its columns (default: those that the run names, if it has them, else by known names)"
    arguments.add_argument("--item-columns", metavar="item=NAME,...", help=text)
    for name, what in (
        ("--only", "the only items that lists may have"),
        ("--without", "items that they may not"),
    ):
        arguments.add_argument(
            name,
            nargs="+",
            action="extend",
            metavar="ITEM",
            help=f"{what}: ids, category=NAME (of any level), or file=FILE of an id a line",
        )
    arguments.add_argument(
        "--include-seen",
        action="store_true",
        help="also items that the user has, or has given back",
    )
    arguments.add_argument(
        "--titles",
        action=argparse.BooleanOptionalAction,
        help="a column of titles (default: where the run has some)",
    )
    arguments.add_argument("--out", help="a CSV file (default: print)")
    terminal.add_backend_flag(arguments)
    text = "no progress bar, and not what was saved"
    arguments.add_argument("--quiet", action="store_true", help=text)
    flags = arguments.parse_args(argv)
    if flags.n < 1:
        raise UserError(f"--n is {flags.n}, expected at least 1")
    for flag, value in (("--features", flags.features), ("--item-columns", flags.item_columns)):
        if value and not flags.add_items:
            raise UserError(f"{flag} is given without --add-items; leave it out")
    if flags.out:
        files.check_file(flags.out)
    return flags


def _write(file, model, users, flags, chosen, bar):
    """A row for each recommendation, users in the order asked for.

    Nothing is written before the first ones are there. `chosen` says more to `model.recommend`.
    """
    writer = csv.writer(file, lineterminator="\n")
    exact = shown if file.isatty() else str  # a terminal would obey an id
    titles = None
    if model.titles is not None and flags.titles is not False:
        titles = dict(zip(model.items.tolist(), model.titles.tolist()))
    by_popularity = []
    for start in range(0, len(users), USERS_AT_A_TIME):
        names, ids_or_histories = map(list, zip(*users[start : start + USERS_AT_A_TIME]))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", f".*{STRANGERS}")  # they are counted below
            items, scores = model.recommend(ids_or_histories, flags.n, **chosen)
            ways = model.list_by(ids_or_histories).tolist()
        if not start:
            more = ["title"] if titles else []
            writer.writerow(["user", "item", "rank", "score", "by", *more])
        for name, row, values, by in zip(names, items.tolist(), scores.tolist(), ways):
            for rank, (item, score) in enumerate(zip(row, values), 1):
                if item:
                    title = [exact(titles[item])] if titles else []
                    writer.writerow([exact(name), exact(item), rank, f"{score:.5g}", by, *title])
        by_popularity += [name for name, by in zip(names, ways) if by == "popularity"]
        bar.update(len(names))
    if by_popularity:
        terminal.warn(
            f"{len(by_popularity):,} of {len(users):,} users have no item that the run knows and"
            f" get popular ones, such as '{by_popularity[0]}' (by popularity)"
        )


def _items(words, model):
    """What `Recommender.select` takes for the words of --only or --without."""
    known = set(model.items.tolist())

    def meant(word):
        is_file = word.startswith("file=") and word not in known
        return Path(word.removeprefix("file=")) if is_file else word

    return None if words is None else [meant(word) for word in words]


def _users(flags, model):
    """Pairs of the name to print and the user's id or history."""
    if flags.histories:
        return _histories(flags, model)
    for name in ("columns", "min_rating"):
        if getattr(flags, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            raise UserError(f"{flag} is given without --histories; leave it out")
    if flags.users:
        return _lines(flags.users, set(model.users.tolist()))
    return ((name, name) for name in flags.user or model.users.tolist())


def _histories(flags, model):
    """(user, known items) of a file that is read as --data is.

    Users without an item that the run knows have an empty history.
    """
    table, events = _rows(flags, model.config.events)
    for remark in table.remarks:
        what, _, text = remark.partition(": ")
        if what == "warning":
            terminal.warn(f"{flags.histories}: {text.partition(', or weigh them by')[0]}")
    min_rating = flags.min_rating
    if min_rating is None and (table.ratings is not None or events):
        min_rating = model.config.min_rating
    read = data.from_table(table, min_rating, 1, events)
    known = np.isin(read.items, model.items)
    X, items = read.X[:, known], read.items[known]
    has_items = np.diff(X.indptr) > 0
    if not has_items.any():
        hint = checks.mismatch(read.items, model.users, model.items)
        hint = hint or "are its ids those of the data?"
        raise UserError(f"{flags.histories}: has no item that the run knows; {hint}")
    if not known.all():
        example = str(read.items[~known][0])
        near = other_spelling(example, model.items.tolist())
        terminal.warn(
            f"{(~known).sum():,} items of the histories are unknown to the run and left"
            f" out, such as '{example}'" + (f", which is '{near}' there" if near else "")
        )
    return [
        *(
            (str(user), items[X.indices[start:end]].tolist())
            for user, start, end in zip(read.users, X.indptr, X.indptr[1:])
        ),
        *((str(user), []) for user in read.few_users),
    ]


def _rows(flags, events):
    """The rows of --histories, and the run's weights of `events` if they have kinds of these.

    Without such a column every row counts, as in a list of what people have.
    """
    path = flags.histories
    if not events or is_pipe(path):  # which could not be read again
        return data.read_rows(path, flags.columns), ""
    try:
        table = data.read_rows(path, flags.columns, needed(events))
    except NoColumn:
        return data.read_rows(path, flags.columns), ""
    weights, known = event_weights.parsed(events), {plain(kind) for kind in table.kinds}
    absent = [kind for kind in weights if plain(kind) not in known]
    if len(absent) < len(weights):  # a few users need not have done all
        table = replace(table, kinds=(*table.kinds, *absent))
    return table, events


def _lines(path, known):
    """The ids of a file, a line each, checked as they are read."""
    other = by_spelling(known)
    names = []
    for line, name in one_a_line(path):
        if name not in known and (near := other.get(alike(name))):
            raise UserError(
                f"{path}, line {line}: user '{name}' is unknown to the run; there it is '{near}'"
            )
        names.append(name)
    if names and known.isdisjoint(names):
        first = names[0][:LONGEST_SHOWN]
        raise UserError(
            f"{path}: has no user that the run knows: the first is '{first}', but its ids look like"
            f" '{min(known)}'; give --histories of new users"
        )
    return [(name, name) for name in names]


def _factor(text):
    """(concept, factor) of 'K=FACTOR'."""
    try:
        k, factor = text.split("=")
        return int(k), float(factor)
    except ValueError:
        raise UserError(f"--concept is '{text}', expected K=FACTOR such as 2=3") from None


if __name__ == "__main__":
    sys.exit(terminal.run(main))
