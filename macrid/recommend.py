"""`python -m macrid.recommend`: the best items for users, by their own ids, from a trained run to a CSV file."""

import csv
import sys
import warnings

from tqdm import tqdm

from macrid import backend, checkpoint, command
from macrid.errors import UserError
from macrid.recommender import USERS_AT_A_TIME, Recommender
from macrid.tables import ITEM_NAMES, USER_NAMES, read_rows


def main(argv=None):
    """Load a run and write user,item,rank,score rows, to a file all or nothing, or to the terminal."""
    arguments = command.parser(
        "recommend", "Recommend items to users of a trained run, or to new ones by their history.",
        "python -m macrid.recommend --run runs/mine --user alice --n 20\n"
        "  python -m macrid.recommend --run runs/mine --users users.txt --n 20 --out recs.csv",
    )  # fmt: skip
    arguments.add_argument("--run", required=True, help="a run folder of macrid.train, or a file of Recommender.save")
    who = arguments.add_mutually_exclusive_group()
    who.add_argument("--user", nargs="+", help="user ids (default: all users of the run)")
    who.add_argument("--users", help="a file with a user id a line")
    who.add_argument("--histories", help="a CSV of user,item rows: new users, by what they have")
    arguments.add_argument("--n", type=int, default=10, help="items for each user (default: 10)")
    arguments.add_argument("--concept", nargs="+", default=[], metavar="K=FACTOR", help="emphasise concepts, such as 2=3 0=0.5")
    arguments.add_argument("--include-seen", action="store_true", help="also items that the user has")
    arguments.add_argument("--out", help="a CSV file (default: print)")
    arguments.add_argument("--backend", choices=backend.NAMES, help="numpy, cupy or auto (default: as the run was made)")
    arguments.add_argument("--quiet", action="store_true", help="no progress bar")
    flags = arguments.parse_args(argv)
    if flags.n < 1:
        raise UserError(f"--n is {flags.n}, expected at least 1")
    if flags.out:
        checkpoint.check_file(flags.out)
    backend.keep_freed_memory()
    model = Recommender.load(flags.run, flags.backend)
    concepts = dict(_factor(text) for text in flags.concept)
    if all(concepts.get(k, 1) == 0 for k in range(model.config.K)):
        raise UserError("--concept gives every concept the factor 0, so that nothing speaks for any item; leave one of them above 0")
    users = list(_users(flags, model)[0])
    if not users:
        raise UserError(f"{flags.users}: has no user ids; expected one a line")
    with tqdm(total=len(users), unit=" users", disable=True if flags.quiet or not flags.out else None, leave=False) as bar:
        if flags.out:
            with checkpoint.replacing(flags.out, "w") as file:
                _write(file, model, users, flags, concepts, bar)
        else:
            _write(sys.stdout, model, users, flags, concepts, bar)


def _write(file, model, users, flags, concepts, bar):
    """A row for each recommendation, users in the order asked for; nothing before the first ones are there."""
    writer = csv.writer(file, lineterminator="\n")
    titles = None if model.titles is None else dict(zip(model.items.tolist(), model.titles.tolist()))
    for start in range(0, len(users), USERS_AT_A_TIME):
        names, wanted = zip(*users[start : start + USERS_AT_A_TIME])
        items, scores = model.recommend(list(wanted), flags.n, not flags.include_seen, concepts)
        if not start:
            writer.writerow(["user", "item", "rank", "score", *(["title"] if titles else [])])
        for name, row, values in zip(names, items.tolist(), scores.tolist()):
            writer.writerows(
                [name, item, place, f"{score:.5g}", *([titles[item]] if titles else [])]
                for place, (item, score) in enumerate(zip(row, values), 1) if item
            )  # fmt: skip
        bar.update(len(names))


def _users(flags, model):
    """An iterator of (name to print, user id or history) and how many there are, if that is known."""
    if flags.histories:
        histories = {}
        for _, (user, item) in read_rows(flags.histories, (USER_NAMES, ITEM_NAMES)):
            histories.setdefault(user, []).append(item)
        if not histories:
            raise UserError(f"{flags.histories}: has no rows; expected user,item")
        warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
        return iter(histories.items()), len(histories)
    if flags.users:
        return _lines(flags.users, set(model.users.tolist())), None
    names = flags.user or model.users.tolist()
    return iter([(name, name) for name in names]), len(names)


def _lines(path, known):
    """The ids of a file, a line each, checked as they are read."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            for line, text in enumerate(file, 1):
                name = text.strip()
                if name and name not in known:
                    raise UserError(f"{path}, line {line}: user '{name}' is unknown to the run, or had too few adoptions; remove the line, or give --histories")
                if name:
                    yield name, name
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from None


def _factor(text):
    """(concept, factor) of 'K=FACTOR'."""
    try:
        k, factor = text.split("=")
        return int(k), float(factor)
    except ValueError:
        raise UserError(f"--concept is '{text}', expected K=FACTOR such as 2=3") from None


if __name__ == "__main__":
    sys.exit(command.run(main))
