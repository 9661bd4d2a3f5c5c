"""Every public door against the same hostile inputs: what one refuses, none takes.

Doors of data are a file, rows, columns and a table; of matrices, `fit` and `recommend`; of options,
the class, TOML, JSON and flags; of paths, each flag of each command that takes one.
"""

import csv
import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from macrid import Recommender, UserError, config
from macrid.config import Config
from macrid.data import sources

SMALL = "--K 2 --d 4 --hidden-units 4 --max-epochs 1 --quiet".split()


def said(work):
    """What a door says: a refusal of one line, shortened, or what it took."""
    try:
        return "took", work()
    except UserError as error:
        message = str(error)
        assert "\n" not in message and len(message) < 1000, message
        return "refused", ""


def read(source):
    """What `fit` takes of a source."""
    return sources.interactions_of(source, Config(min_user_items=1))


# Data


def rows_with(value, part):
    """Rows of eight users and some items, one value of which is another; ratings are 5."""
    rows = [[f"u{u}", f"i{i}", "5"] for u in range(8) for i in range(6)]
    rows[20][part] = value
    return rows


def of_file(rows, folder, suffix="csv", separator=","):
    path = folder / f"ratings.{suffix}"
    with open(path, "w", encoding="utf-8", errors="surrogatepass", newline="") as file:
        csv.writer(file, delimiter=separator).writerows([["user", "item", "rating"], *rows])
    return read(path)


class Frame(dict):
    """What is used of a pandas DataFrame."""

    columns = property(list)

    def to_numpy(self):
        raise AssertionError("a column at a time is enough")

    def __getitem__(self, name):
        values = np.empty(48, object)
        values[:] = super().__getitem__(name)
        return SimpleNamespace(to_numpy=lambda: values)


def of_columns(rows):
    return dict(zip(("user", "item", "rating"), map(list, zip(*rows))))


IN_MEMORY = {
    "rows": lambda rows: rows,
    "tuples": lambda rows: [tuple(row) for row in rows],
    "dict of lists": of_columns,
    "list of dicts": lambda rows: [dict(zip(("user", "item", "rating"), row)) for row in rows],
    "frame": lambda rows: Frame(of_columns(rows)),
}
DATA_DOORS = {
    "csv": of_file,
    "tsv": lambda rows, folder: of_file(rows, folder, "tsv", "\t"),
    **{name: lambda rows, folder, form=form: read(form(rows)) for name, form in IN_MEMORY.items()},
}
TEXTS = {  # ids that are text: refused, or taken by all doors alike
    "empty": ("", "refused"),
    "blanks": ("  ", "refused"),
    "nul": ("a\0b", "refused"),
    "long": ("x" * 1001, "refused"),
    "very long": ("x" * 10**6, "refused"),
    "half of a letter": ("a\ud800", "refused"),
    "escape": ("\x1b[2J", "took"),
    "other direction": ("\u202eabc", "took"),
    "markup": ("$\\frac{$<b>&amp;", "took"),
    "formula": ("=cmd|' /C calc'!A0", "took"),
    "flag": ("--help", "took"),
    "path": ("../../etc/passwd", "took"),
    "emoji": ("👩\u200d🔬", "took"),
    "digits": ("0012", "took"),
    "comma and quote": ('a,"b"', "took"),
}


@pytest.mark.parametrize("part", [0, 1], ids=["user", "item"])
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("door", DATA_DOORS)
def test_an_id_of_text_is_the_same_through_every_door(door, name, part, tmp_path):
    value, expected = TEXTS[name]
    done, taken = said(lambda: DATA_DOORS[door](rows_with(value, part), tmp_path))
    assert done == expected
    if done == "took":
        assert value in (taken.users, taken.items)[part].tolist()


NO_IDS = [None, float("nan"), float("inf"), 2.0**53, 1.5j, object(), [], {}, np.datetime64("NaT")]


@pytest.mark.parametrize("part", [0, 1], ids=["user", "item"])
@pytest.mark.parametrize("value", NO_IDS, ids=range(len(NO_IDS)))
@pytest.mark.parametrize("door", IN_MEMORY)
def test_what_is_no_id_is_refused_by_every_door(door, value, part):
    done, _ = said(lambda: read(IN_MEMORY[door](rows_with(value, part))))
    assert done == "refused"


NO_RATINGS = ["nan", "inf", "-inf", "1e999", "x", "5\x00", "0x5", "\u202e5", "5 5", "1_0"]


@pytest.mark.parametrize("value", NO_RATINGS, ids=range(len(NO_RATINGS)))
@pytest.mark.parametrize("door", DATA_DOORS)
def test_what_is_no_rating_is_refused_by_every_door(door, value, tmp_path):
    done, _ = said(lambda: DATA_DOORS[door](rows_with(value, 2), tmp_path))
    assert done == "refused"


@pytest.mark.parametrize("value", [float("nan"), np.inf, 1j, object(), [5]], ids=range(5))
@pytest.mark.parametrize("door", IN_MEMORY)
def test_nor_is_what_is_no_number(door, value):
    done, _ = said(lambda: read(IN_MEMORY[door](rows_with(value, 2))))
    assert done == "refused"


# Histories and matrices


@pytest.fixture(scope="module")
def model():
    X = (np.random.default_rng(0).random((40, 12)) < 0.5).astype(np.float32)
    return Recommender(K=2, d=4, hidden_units=4, max_epochs=1, min_user_items=1).fit(
        sparse.csr_array(X)
    )


@pytest.mark.parametrize("value", [*NO_IDS, *(text for text, end in TEXTS.values())], ids=range(24))
def test_a_history_takes_no_id_that_data_does_not(model, value):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        done, _ = said(lambda: model.recommend([[value, "1"]], 3))
    assert done == "refused" or told, "it is no id, or none that the model knows"


def with_entry(value, kind):
    X = np.zeros((12, 12), np.result_type(np.float32, type(value)))
    X[:] = np.random.default_rng(1).random((12, 12)) < 0.6
    X[2, 3] = value
    return kind(X)


def out_of_place(name, value):
    """A CSR matrix that does not hold together."""
    X = sparse.csr_array(np.eye(12, dtype=np.float32))
    getattr(X, name)[3] = value
    return X


def of_three_axes():
    try:
        return sparse.coo_array(np.ones((2, 12, 12)))
    except ValueError:
        pytest.skip("this SciPy has no arrays of three dimensions")


MATRICES = {
    "nan": lambda: with_entry(np.nan, sparse.csr_array),
    "inf": lambda: with_entry(np.inf, sparse.coo_array),
    "complex": lambda: with_entry(1j, sparse.csc_array),
    "negative place": lambda: out_of_place("indices", -1),
    "place too far": lambda: out_of_place("indices", 12),
    "three axes": of_three_axes,
    "pointers": lambda: out_of_place("indptr", 5),
    "a pointer too far": lambda: out_of_place("indptr", 10**6),
}
MATRIX_DOORS = {
    "fit": lambda model, X: Recommender(K=2, d=4, max_epochs=1, min_user_items=1).fit(X),
    "read": lambda model, X: read(X),
    "recommend": lambda model, X: model.recommend(X, 3),
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("door", MATRIX_DOORS)
def test_a_matrix_that_is_none_is_refused_by_every_door(door, name, model):
    X = MATRICES[name]()
    done, _ = said(lambda: MATRIX_DOORS[door](model, X))
    assert done == "refused"


# Options


OPTIONS = [
    ("K", 0),
    ("K", 10**9),
    ("K", 1.5),
    ("K", "x"),
    ("d", -1),
    ("d", 10**30),
    ("tau", 0),
    ("tau", float("nan")),
    ("learning_rate", float("inf")),
    ("sigma0", 1e200),
    ("seed", -1),
    ("seed", 2**200),
    ("dropout", 2),
    ("backend", "\x1b[2J"),
    ("split", "x" * 10**5),
    ("start", "nowhere"),
    ("max_epochs", 0),
    ("data", "a\ud800"),
    ("data", "a\0b"),
]


def by_file(folder, text):
    path = folder / "options"
    path.write_text(text)
    return lambda: config.from_dict(config.read_toml(path), where=str(path))


def as_toml(value):
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


OPTION_DOORS = {
    "class": lambda name, value, folder: lambda: Config(**{name: value}),
    "replace": lambda name, value, folder: lambda: Config().replace(**{name: value}),
    "recommender": lambda name, value, folder: lambda: Recommender(**{name: value}),
    "toml": lambda name, value, folder: by_file(folder, f"{name} = {as_toml(value)}"),
    "json": lambda name, value, folder: by_file(folder, json.dumps({name: value})),
}


@pytest.mark.parametrize("name, value", OPTIONS, ids=lambda value: str(value)[:12])
@pytest.mark.parametrize("door", OPTION_DOORS)
def test_an_option_that_is_none_is_refused_by_every_door(door, name, value, tmp_path):
    assert said(OPTION_DOORS[door](name, value, tmp_path))[0] == "refused"


def one_line(done, most=1200):
    """Status 2 and one line for people, which no terminal obeys."""
    assert done.returncode == 2 and done.stderr.startswith("error: "), done.stderr
    assert done.stderr.count("\n") == 1 and len(done.stderr) < most
    assert "\x1b" not in done.stdout + done.stderr and done.stderr[:-1].isprintable()


@pytest.mark.parametrize("command", ["train", "tune", "reproduce"])
@pytest.mark.parametrize(
    "name, value", [*OPTIONS, ("split", "kfold:0/1000000000")], ids=lambda value: str(value)[:12]
)
def test_nor_taken_as_a_flag(command, name, value, call, tmp_path):
    if command != "train":
        pytest.importorskip("optuna")
    flag = f"--{name.replace('_', '-')}"
    if command == "reproduce" and name in ("seed", "split", "K"):
        pytest.skip("it has several of them, by flags of its own")
    one_line(call(command, f"{flag}={value}", "--out", tmp_path / "run"))
    assert not list(tmp_path.iterdir())


# Paths: each flag of each command, and files that anybody may have put there


FILES = {
    "missing": None,
    "empty": b"",
    "zeros": b"\0" * 100_000,
    "no text": bytes(range(256)) * 40,
    "utf-16": "user,item\nu,i\n".encode("utf-16"),
    "brackets": b"[" * 200_000,
    "one long line": b"x" * 3_000_000,
    "escapes": b"\x1b[2J\x9b31m\x07," * 100,
    "zip": b"PK\x05\x06" + b"\0" * 18,
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0",
    "png": b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
    "json": b'{"a": [1, {"b": null}]}',
}


@pytest.fixture(scope="module")
def run(ratings, tmp_path_factory):
    """A small finished run."""
    from macrid import terminal, train

    folder = tmp_path_factory.mktemp("doors") / "run"
    words = [*SMALL, "--data", str(ratings), "--out", str(folder)]
    assert terminal.run(train.main, words) == 0
    return folder


PATH_FLAGS = {  # flag: the words before it; RUN, RATINGS and OUT stand for paths
    "train --data": "train --out OUT",
    "train --config": "train --out OUT",
    "train --categories": "train --data RATINGS --category-weight 0.1 --out OUT",
    "train --features": "train --data RATINGS --start pictures --out OUT",
    "train --alexnet": "train --data RATINGS --start pictures --pictures PICTURES --out OUT",
    "train --test": "train --split given --train RATINGS --out OUT",
    "train --validation": "train --split given --train RATINGS --test RATINGS --out OUT",
    "tune --data": "tune --trials 1 --out OUT",
    "tune --config": "tune --trials 1 --out OUT",
    "reproduce --data": "reproduce table2 --out OUT",
    "recommend --run": "recommend",
    "recommend --users": "recommend --run RUN",
    "recommend --histories": "recommend --run RUN",
    "evaluate --run": "evaluate",
    "control --run": "control --item 1",
    "figures --run": "figures --out OUT",
    "report --run": "report --out OUT",
    "features --pictures": "features --alexnet random --out OUT",
    "features --alexnet": "features --pictures PICTURES --out OUT",
    "features --amazon": "features --out OUT",
    "features --ids": "features --amazon MISSING --out OUT",
}


def hostile_path(name, folder):
    """A path to one of FILES, in a folder whose name is hostile too."""
    folder = folder / "a b;\x1b[31m"
    folder.mkdir()
    path = folder / "it"
    if name == "folder":
        path.mkdir()
    elif FILES[name] is not None:
        path.write_bytes(FILES[name])
    return path


@pytest.mark.parametrize("name", [*FILES, "folder"])
@pytest.mark.parametrize("flag", PATH_FLAGS)
def test_a_path_to_anything_is_one_line(flag, name, call, run, ratings, tmp_path):
    if flag.startswith("tune"):
        pytest.importorskip("optuna")
    (tmp_path / "pictures").mkdir()
    path = hostile_path(name, tmp_path)
    stands_for = {
        "RUN": run,
        "RATINGS": ratings,
        "OUT": tmp_path / "out",
        "PICTURES": tmp_path / "pictures",
        "MISSING": tmp_path / "missing",
    }
    if flag.endswith("config") and name == "empty":
        pytest.skip("no options are options")
    command, *words = PATH_FLAGS[flag].split()
    value = f"{path}:kind" if flag.endswith("categories") else path
    words = [stands_for.get(word, word) for word in words]
    one_line(call(command, *words, f"{flag.split()[1]}={value}"))
    assert not (tmp_path / "out").exists(), "nothing is begun"


# Names in flags


NAMES = ["", " ", "\x1b[2J", "x" * 10**5, "\ud800", "\u202eab", "a\nb", "🙈", "$", "-1", "nan"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize(
    "words",
    ["control --user", "control --item", "recommend --concept"],
)
def test_a_name_that_nobody_has_is_one_line(words, name, call, run):
    command, flag = words.split()
    one_line(call(command, "--run", run, f"{flag}={name}"))


@pytest.mark.parametrize("name", NAMES[1:], ids=range(1, len(NAMES)))
@pytest.mark.parametrize(
    "words",
    ["train --data", "train --colour", "evaluate --run", "evaluate --at", "doctor --x", "--x"],
)
def test_a_word_that_nothing_is_called_is_one_line(words, name, call, tmp_path):
    command, *flag = words.split()
    words = ("__main__", f"{command}={name}") if not flag else (command, f"{flag[0]}={name}")
    one_line(call(*words, cwd=tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES[2:], ids=range(2, len(NAMES)))
@pytest.mark.parametrize("flag", ["--events", "--since", "--columns", "--split=temporal:"])
def test_nor_is_an_option_about_columns(flag, name, call, tmp_path):
    """Of a file that has events and times, so that the option itself is looked at."""
    log = tmp_path / "log.csv"
    log.write_text("user,item,event,time\n" + "u,i,buy,2025-01-01\n" * 3)
    flag = f"{flag}{'' if '=' in flag else '='}{name}"
    one_line(call("train", "--data", log, "--min-user-items", 1, flag, "--out", tmp_path / "o"))
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("header", ["item,item,kind", "item,kind,kind"])
def test_two_columns_of_one_name_are_refused(header, call, ratings, tmp_path):
    (tmp_path / "items.csv").write_text(f"{header}\n1,2,3\n")
    categories = f"{tmp_path / 'items.csv'}:kind"
    done = call("train", "--data", ratings, "--categories", categories, "--out", tmp_path / "run")
    one_line(done)
    assert "several columns are called" in done.stderr
