"""The model by outside ids: what a practitioner calls."""

import csv
import os
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from scipy import sparse

from macrid import Recommender, UserError, data, model
from macrid.config import Config
from macrid.model import steering

OPTIONS = {
    "K": 2,
    "d": 8,
    "batch_size": 20,
    "max_epochs": 12,
    "tau": 0.2,
    "seed": 1,
    "start": "adoptions",
}


def rows(users=120, items=40):
    """Two worlds: even users take even items, mostly."""
    rng = np.random.default_rng(5)
    taken = rng.random((users, items)) < np.where(
        np.arange(items) % 2 == np.arange(users)[:, None] % 2, 0.4, 0.03
    )
    return [(f"u{u}", f"i{i}") for u, i in zip(*np.nonzero(taken))]


def same_world(first, second):
    return int(first[1:]) % 2 == int(second[1:]) % 2


@pytest.fixture(scope="module")
def trained():
    return Recommender(**OPTIONS).fit(rows())


def test_users_get_items_of_their_world_that_they_do_not_have(trained):
    items, scores = trained.recommend(trained.users.tolist(), n=5)
    have = set(rows())
    assert items.shape == scores.shape == (len(trained.users), 5)
    assert (np.diff(scores, axis=1) <= 0).all()
    inside = []
    for user, row in zip(trained.users, items):
        assert not any((user, item) in have for item in row)
        inside += [same_world(user, item) for item in row]
    assert np.mean(inside) > 0.8, "nearly all, where chance gives half"


def test_one_user_gets_what_she_gets_among_others(trained):
    items, scores = trained.recommend(["u2", "u3"], n=5)
    alone, alone_scores = trained.recommend("u2", n=5)
    np.testing.assert_array_equal(alone, items[0])
    np.testing.assert_allclose(alone_scores, scores[0], rtol=1e-5)


def test_seen_items_on_request_and_padding_when_few_are_left(trained):
    items, scores = trained.recommend("u2", n=len(trained.items), exclude_seen=False)
    assert set(items) == set(trained.items.tolist())
    items, scores = trained.recommend("u2", n=len(trained.items))
    seen = trained.histories[trained.users == "u2"].nnz
    assert (items == "").sum() == seen == np.isneginf(scores).sum()


def test_new_users_by_their_history_as_lists_or_as_a_matrix(trained):
    known = trained.histories[trained.users == "u2"]
    history = trained.items[known.indices].tolist()
    for new in ([history], known, sparse.csr_matrix(known)):
        np.testing.assert_array_equal(
            trained.recommend(new, 5)[0][0], trained.recommend("u2", 5)[0]
        )
    with pytest.warns(UserWarning, match="1 items .* 'nonsense'"):
        trained.recommend([[*history, "nonsense"]], 5)
    assert trained.recommend([[]], 3)[0].shape == (1, 3)


def steered_by_hand(trained, user, factors):
    """{item: score} of the items that a user may get: ln P_ui, the linear path, and kappa ln f of
    its concept.
    """
    X = trained.histories[trained.users == user]
    mu, _ = model.represent(trained.parameters, X, trained.config)
    H = trained.parameters["H"] / np.linalg.norm(trained.parameters["H"], axis=1, keepdims=True)
    E = np.exp(mu[0] @ H.T / trained.config.tau)  # (K, M)
    L = trained.parameters.get("L", np.zeros((len(H), 1)))
    path = (X @ L @ L.T)[0]
    kappa = steering.kappa(
        trained.parameters,
        trained.histories[np.linspace(0, len(trained.users) - 1, 100).astype(int)],
        trained.config,
        model.prepare(trained.parameters, trained.config),
    )
    scores = {}
    for i, item in enumerate(trained.items.tolist()):
        factor = factors[int(trained.concepts[i].argmax())]
        if factor > 0 and not X.toarray()[0, i]:
            log_P = np.log(trained.concepts[i] @ E[:, i])
            scores[item] = log_P + path[i] + kappa * np.log(factor)
    return scores


@pytest.mark.parametrize("concepts", [{0: 3.0, 1: 0.5}, {1: 0.0}, {0: 1e6}, {1: 1e-6}], ids=str)
def test_a_factor_raises_the_items_of_a_concept(trained, concepts):
    by_hand = steered_by_hand(trained, "u2", [concepts.get(k, 1.0) for k in range(2)])
    items, scores = trained.recommend("u2", 40, concepts=concepts)
    items = items[items != ""]
    assert items.tolist() == sorted(by_hand, key=by_hand.get, reverse=True)
    expected = np.array([by_hand[item] for item in items])
    np.testing.assert_allclose(scores[: len(items)], expected, atol=1e-4)


def test_factors_count_by_their_ratio_and_name_known_concepts(trained):
    plain = trained.recommend("u2", 20)[0]
    np.testing.assert_array_equal(trained.recommend("u2", 20, concepts={0: 3, 1: 3})[0], plain)
    np.testing.assert_array_equal(trained.recommend("u2", 20, concepts={})[0], plain)
    with pytest.raises(UserError, match="concept 2 is unknown; concepts are numbered 0 to 1"):
        trained.recommend("u2", concepts={2: 1.0})
    with pytest.raises(UserError, match="expected a number of at least 0"):
        trained.recommend("u2", concepts={0: -1.0})


def test_what_is_prepared_is_that_of_the_latest_fit():
    again = Recommender(**OPTIONS).fit(rows())
    again.recommend("u2", concepts={0: 2.0})
    again.fit([row for row in rows() if row[0] != "u3"])
    fresh = Recommender(**OPTIONS).fit([row for row in rows() if row[0] != "u3"])
    for concepts in (None, {0: 2.0}):
        for mine, theirs in zip(
            again.recommend("u2", concepts=concepts), fresh.recommend("u2", concepts=concepts)
        ):
            np.testing.assert_array_equal(mine, theirs)


def test_similar_items_are_of_the_same_world(trained):
    inside = []
    for item in trained.items:
        items, scores = trained.similar_items(item, 5)
        assert item not in items
        assert (np.diff(scores) <= 0).all() and scores[0] <= 1 + 1e-6
        inside += [same_world(item, other) for other in items]
    assert np.mean(inside) > 0.75, "nearly all, where chance gives half"


def test_similar_items_inside_a_concept(trained):
    k = int(trained.concepts[trained.items == "i4"].argmax())
    inside, _ = trained.similar_items("i4", 100, concept=k)
    assert set(inside) == {
        item for item, row in zip(trained.items, trained.concepts) if row.argmax() == k
    } - {"i4"}


def test_an_explanation_adds_up(trained):
    told = trained.explain("u2", "i4")
    assert told.concepts.sum() == pytest.approx(1) and told.concept == told.concepts.argmax()
    have = {item for user, item in rows() if user == "u2"} & set(trained.items.tolist())
    assert set(told.items) == have and (np.diff(told.effects) <= 0).all()
    without = [item for item in told.items if item != told.items[0]]
    full, less = (
        trained.recommend([history], len(trained.items), exclude_seen=False)
        for history in (told.items, without)
    )

    def log_p(found):
        scores = found[1][0].astype(float)
        return scores[found[0][0].tolist().index("i4")] - np.log(np.exp(scores).sum())

    assert told.effects[0] == pytest.approx(log_p(full) - log_p(less), abs=1e-4)
    taken_away = told.items[-1]
    assert told.effects[-1] < 0, "that one speaks against: without it, the item is more likely"
    fewer = [item for item in told.items if item != taken_away]
    less = trained.recommend([fewer], len(trained.items), exclude_seen=False)
    assert log_p(less) > log_p(full)
    by_history = trained.explain(told.items, "i4")
    assert by_history.items == told.items


def test_saved_and_loaded_is_the_same(trained, tmp_path):
    trained.save(tmp_path / "model.npz")
    again = Recommender.load(tmp_path / "model.npz")
    assert again.config == trained.config and again.figures == trained.figures
    for mine, theirs in zip(again.recommend(["u2", "u5"], 7), trained.recommend(["u2", "u5"], 7)):
        np.testing.assert_array_equal(mine, theirs)
    whole = (tmp_path / "model.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cut.npz: is not a whole model"):
        Recommender.load(tmp_path / "cut.npz")
    with pytest.raises(UserError, match="does not exist"):
        Recommender.load(tmp_path / "none.npz")


def test_all_kinds_of_data_give_the_same_model(trained, tmp_path):
    expected = trained.recommend("u2", 5)[0]
    path = tmp_path / "pairs.csv"
    path.write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in rows()))
    interactions = data.load(path)
    assert set(Recommender(**OPTIONS).fit(path).items) == set(trained.items)
    assert (
        Recommender(**OPTIONS).fit(interactions).figures
        == Recommender(**OPTIONS).fit(str(path)).figures
    )
    rated = [(user, item, 5.0) for user, item in rows()] + [("u2", "i1", 1.0)]
    np.testing.assert_array_equal(Recommender(**OPTIONS).fit(rated).recommend("u2", 5)[0], expected)
    matrix = sparse.coo_array(([1, 1, 1], ([0, 0, 1], [2, 3, 2])), shape=(3, 4))
    with pytest.raises(UserError):
        Recommender(**OPTIONS).fit(matrix)  # too few users, told clearly


class Frame:
    """What is used of a pandas DataFrame, so that pandas need not be installed."""

    def __init__(self, columns):
        self._columns, self.columns = columns, list(columns)

    def to_numpy(self):
        raise AssertionError("a column at a time is enough")

    def __getitem__(self, name):
        column = np.array(self._columns[name])
        return type("Series", (), {"to_numpy": lambda self: column})()


def test_a_data_frame(trained):
    users, items = zip(*rows())
    frame = Frame({"item_id": items, "Rating": [5.0] * len(items), "user_id": users})
    np.testing.assert_array_equal(
        Recommender(**OPTIONS).fit(frame).recommend("u2", 5)[0], trained.recommend("u2", 5)[0]
    )
    with pytest.raises(UserError, match="the columns are a, b, .*by columns"):
        Recommender(**OPTIONS).fit(Frame({"a": [1], "b": [2]}))
    chosen = Recommender(**OPTIONS, columns="wer,was").fit(
        Frame({"was": items, "city": items, "wer": users})
    )
    np.testing.assert_array_equal(chosen.recommend("u2", 5)[0], trained.recommend("u2", 5)[0])
    assert "columns: user=wer, item=was, no rating; ignored: city" in chosen.report


def test_a_real_data_frame(trained):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows(), columns=["user", "item"])
    np.testing.assert_array_equal(
        Recommender(**OPTIONS).fit(frame).recommend("u2", 5)[0], trained.recommend("u2", 5)[0]
    )


@pytest.mark.parametrize(
    "call, told",
    {
        "a user": (lambda m: m.explain("nobody", "i4"), "user 'nobody' is unknown"),
        "a user's spelling": (
            lambda m: m.recommend("\uff552"),
            "unknown .*; there it is 'u2'",
        ),
        "only": (lambda m: m.recommend("u2", only=["x", "y"]), "only names no item .* is 'x'; its"),
        "a number of only": (lambda m: m.recommend("u2", only=3.5), "only names no item .* '3.5'"),
        "no list": (lambda m: m.recommend("u2", only=None, without=object()), "without is <object"),
        "bools": (lambda m: m.recommend("u2", only=np.ones(3, bool)), "only has 3 bools, expected"),
        "nothing left": (lambda m: m.recommend("u2", only="i4", without=["i4"]), "leave no item"),
        "no categories known": (
            lambda m: m.recommend("u2", only="category=Tea"),
            "only is 'category=Tea', but the model knows no categories; train with",
        ),
        "no file": (lambda m: m.recommend("u2", without=Path("no.txt")), "no.txt: cannot be read"),
        "a count": (lambda m: m.recommend("u2", n=2.5), "n is 2.5, expected a whole number"),
        "a count of items": (lambda m: m.similar_items("i4", n=0), "n is 0"),
        "concepts": (lambda m: m.recommend("u2", concepts=[1]), "concepts is .1., expected a dict"),
        "no users": (lambda m: m.recommend(None), "users is None, expected an id"),
        "no history": (lambda m: m.explain(None, "i4"), "a history is None, expected a list"),
        "a folder": (lambda m: m.save("no/such/model.npz"), "no/such: is no folder; make it"),
        "a table": (
            lambda m: Recommender.load(__file__),
            "test_recommender.py: is not a whole model .it is no npz file",
        ),
        "pictures": (
            lambda m: Recommender(start="pictures").fit(rows()),
            "python -m macrid.train --pictures .* or choose start 'adoptions'",
        ),
        "categories": (
            lambda m: Recommender(categories="kind").fit(rows()),
            "categories is 'kind', expected FILE:COLUMN",
        ),
        "no categories": (
            lambda m: Recommender(category_weight=1).fit(rows()),
            "category_weight is 1 .*; give categories",
        ),
        "an item": (lambda m: m.similar_items("nothing"), "item 'nothing' is unknown"),
        "n": (lambda m: m.recommend("u2", n=0), "n is 0"),
        "mixed": (lambda m: m.recommend(["u2", ["i4"]]), "mixed"),
        "columns": (lambda m: m.recommend(sparse.csr_array((1, 3))), "have 3 columns"),
        "option": (lambda m: Recommender(k=3), "unknown option 'k'"),
        "untrained": (lambda m: Recommender().recommend("u2"), "not trained yet; call fit"),
    }.values(),
)
def test_mistakes_are_told(trained, call, told):
    with pytest.raises(UserError, match=told):
        call(trained)


@pytest.fixture(scope="module")
def run(command, tmp_path_factory):
    """A run folder made by the command."""
    folder = tmp_path_factory.mktemp("recommend")
    table = folder / "ratings.csv"
    table.write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in rows()))
    options = "--K 2 --d 8 --batch-size 20 --max-epochs 4 --quiet"
    done = command(f"train {options} --data", table, "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder / "run"


def read(text):
    return list(csv.DictReader(text.splitlines()))


def test_the_command_recommends_as_python_does(command, run, tmp_path):
    users = tmp_path / "users.txt"
    users.write_text("u3\nu2\n")
    out = tmp_path / "recs.csv"
    process = command("recommend", "--run", run, "--users", users, "--n", 4, "--out", out)
    assert process.returncode == 0 and process.stderr == "", process.stderr
    found = read(out.read_text())
    own = Recommender.load(run)
    expected = own.recommend(["u3", "u2"], 4)[0]
    assert [row["item"] for row in found] == expected.reshape(-1).tolist()
    assert [row["user"] for row in found] == ["u3"] * 4 + ["u2"] * 4 and [
        row["rank"] for row in found[:4]
    ] == list("1234")
    (run.parent / "ratings.csv").rename(
        run.parent / "away.csv"
    )  # the run is enough: the data are not read again
    printed = command("recommend", "--run", run, "--user", "u3", "u2", "--n", 4)
    (run.parent / "away.csv").rename(run.parent / "ratings.csv")
    assert read(printed.stdout) == found
    everyone = read(command("recommend", "--run", run, "--n", 1).stdout)
    assert [row["user"] for row in everyone] == own.users.tolist()


def test_the_command_takes_new_users_and_emphasis(command, run, tmp_path):
    table = tmp_path / "new.csv"
    table.write_text("item,user\ni4,new\ni6,new\nwhat,new\n")
    process = command(
        "recommend", "--run", run, "--histories", table, "--n", 3, "--concept", "0=2", "1=0.5"
    )
    assert process.returncode == 0 and "warning: 1 items" in process.stderr
    own = Recommender.load(run)
    expected = own.recommend(sparse_rows(own, ["i4", "i6"]), 3, concepts={0: 2, 1: 0.5})[0][0]
    assert [row["item"] for row in read(process.stdout)] == expected.tolist()


def sparse_rows(own, items):
    return sparse.csr_array([np.isin(own.items, items).astype(float)])


@pytest.mark.parametrize(
    "words, told",
    {
        "user": (["--user", "\uff552"], "there it is"),
        "category": (["--only", "category=Tea"], "the model knows no categories"),
        "no known item": (["--only", "x", "y"], "names no item that the model knows"),
        "concept": (["--concept", "3"], "expected K=FACTOR"),
        "n": (["--n", "0"], "--n is 0"),
        "columns": (["--columns", "1,2"], "--columns is given without --histories"),
        "file": (["--users", "missing.txt"], "missing.txt: cannot be read"),
        "folder": (["--out", "no/such/recs.csv"], "no/such: is no folder"),
        "nobody": (["--users", os.devnull], "has no user ids; expected one a line"),
        "nothing": (["--concept", "0=0", "1=0"], "leave one of them above 0"),
        "known first": (
            ["--user", "u2", "\uff552"],
            "there it is 'u2'",
        ),
        "file of items": (["--without", "file=no.txt"], "no.txt: cannot be read"),
    }.values(),
)
def test_the_command_tells_mistakes_in_one_line(call, run, tmp_path, words, told):
    process = call("recommend", "--run", run, *words, cwd=tmp_path)
    assert (
        process.returncode == 2
        and told in process.stderr
        and process.stderr.count("\n") == 1
        and process.stdout == ""
    )
    assert not list(tmp_path.iterdir())


def test_another_spelling_in_a_file_is_named_with_its_line_and_leaves_nothing(call, run, tmp_path):
    users = tmp_path / "users.txt"
    users.write_text("u2\n\n\uff553\n")
    for out in (["--out", tmp_path / "recs.csv"], []):
        process = call("recommend", "--run", run, "--users", users, *out)
        assert (
            process.returncode == 2
            and "users.txt, line 3: user" in process.stderr
            and "there it is 'u3'" in process.stderr
            and process.stdout == ""
        )
    assert [entry.name for entry in tmp_path.iterdir()] == ["users.txt"]


NOTHING = {
    "None": (None, "interactions is None, expected a path"),
    "an empty list": ([], "interactions is empty, expected a path"),
    "a dict": ({"u": ["i"]}, "expected a path"),
    "a number": (5, "interactions is 5"),
    "texts": (["ab", "cd"], "row 0 .the first is 0. is 'ab'"),
    "a short row": ([("u", "i"), ("u",)], "row 1 .the first is 0. has 1 value, expected 2"),
    "long rows": ([("u", "i", 5, 1)], "row 0 .* has 4 values, expected 2 or 3"),
    "an empty frame": (Frame({"user": [], "item": [], "rating": []}), "the data have no rows"),
    "NaN": (sparse.csr_array([[0, np.nan]]), "row 0, column 1 of the matrix is nan"),
    "negative": (
        sparse.csr_array([[1, 0], [0, -1]]),
        "row 1, column 1 of the matrix is -1; say by min_rating",
    ),
    "an empty matrix": (sparse.csr_array((2, 2)), "the data have no rows"),
}


@pytest.mark.parametrize("source, told", NOTHING.values(), ids=NOTHING)
def test_what_cannot_be_fitted_is_told(source, told):
    with pytest.raises(UserError, match=told):
        Recommender(min_user_items=1).fit(source)


def test_a_matrix_of_ratings_with_a_threshold(trained):
    users, items = (np.array([int(name[1:]) for name in names]) for names in zip(*rows()))
    values = np.where(np.arange(len(users)) % 7, 5.0, -2.0)
    found = Recommender(**OPTIONS, min_rating=4).fit(sparse.coo_array((values, (users, items))))
    liked = [(f"{u}", f"{i}") for u, i, value in zip(users, items, values) if value > 4]
    assert found.figures == Recommender(**OPTIONS).fit(liked).figures != trained.figures
    for source in (rows(), Frame({"user": ["u"], "item": ["i"]})):
        with pytest.raises(UserError, match="min_rating is 4 but there is no rating"):
            Recommender(min_rating=4).fit(source)


def test_whole_floats_and_numbers_are_the_ids_of_text():
    numbers = [(int(user[1:]), float(item[1:])) for user, item in rows()]
    found = Recommender(**OPTIONS).fit(numbers)
    np.testing.assert_array_equal(found.recommend("2", 5)[0], found.recommend(2.0, 5)[0])
    np.testing.assert_array_equal(
        found.recommend([["4", "6"]], 5)[0], found.recommend([[4, np.float64(6)]], 5)[0]
    )


def test_a_model_shows_what_it_is(trained):
    assert (
        repr(trained) == "<Recommender(K=2, d=8, tau=0.2, seed=1, batch_size=20, start='adoptions',"
        f" max_epochs=12): {len(trained.users)} users, {len(trained.items)} items>"
    )
    assert repr(Recommender(K=3)) == "<Recommender(K=3): not trained>"


HISTORIES = {
    "without a header": ("new,i4\nnew,i6\n", []),
    "with ratings": (
        "new\ti4\t5\nnew\ti6\t4\nnew\ti8\t1\nlow\ti2\t3\n",
        ["1 of 2 users have no item that the run knows and get popular ones, such as 'low'"],
    ),
    "of another scale": (
        "user,item,score\nnew,i4,10\nnew,i6,8\nnew,i8,1\n",
        [],
        "--min-rating",
        "8",
    ),
    "of named columns": ("was,wer\ni4,new\ni6,new\n", [], "--columns", "wer,was"),
    "with strangers": (
        "new,i4\nnew,i6\nother,what\n",
        ["1 items of the histories are unknown", "such as 'what'", "1 of 2 users have no"],
    ),
}


@pytest.mark.parametrize(
    "text, warnings, words",
    [(text, warnings, words) for text, warnings, *words in HISTORIES.values()],
    ids=HISTORIES,
)
def test_histories_are_read_as_the_data(command, run, tmp_path, text, warnings, words):
    table = tmp_path / "new.csv"
    table.write_text(text)
    process = command("recommend", "--run", run, "--histories", table, "--n", 3, *words)
    assert process.returncode == 0, process.stderr
    assert process.stderr.count("warning:") == (2 if "what" in text else len(warnings)) and all(
        told in process.stderr for told in warnings
    )
    found = [row for row in read(process.stdout) if row["user"] == "new"]
    assert {row["by"] for row in found} == {"history"}
    strangers = [row for row in read(process.stdout) if row["user"] != "new"]
    assert len(strangers) == (3 if warnings else 0)
    assert {row["by"] for row in strangers} <= {"popularity"}
    assert [row["item"] for row in found] == Recommender.load(run).recommend([["i4", "i6"]], 3)[0][
        0
    ].tolist()


@pytest.mark.parametrize(
    "text, told, words",
    [
        ("new,i4\n,i6\n", "new.csv, line 2: the user id is empty", []),
        ("new,what\n", "has no item that the run knows; are its ids those of the data?", []),
        ("i4,u2\n", "columns swapped?", []),
        ("new,i4\n", "min_rating is 3 but there is no rating", ["--min-rating", "3"]),
    ],
)
def test_histories_that_cannot_be_used(command, run, tmp_path, text, told, words):
    (tmp_path / "new.csv").write_text(text)
    process = command("recommend", "--run", run, "--histories", tmp_path / "new.csv", *words)
    assert (
        process.returncode == 2
        and told in process.stderr
        and process.stderr.count("\n") == 1
        and not process.stdout
    )


@pytest.fixture(scope="module")
def run_of_events(tmp_path_factory):
    """The file of a model whose adoptions are purchases, or five clicks, less returns."""
    path = tmp_path_factory.mktemp("events") / "model.npz"
    table = {"user": [u for u, _ in rows()], "item": [i for _, i in rows()]}
    table["event"] = ["purchase"] * (len(rows()) - 2) + ["click", "return"]
    Recommender(**OPTIONS, events="purchase=1,click=.2,return=-1").fit(table).save(path)
    return path


@pytest.mark.parametrize(
    "text, has, message",
    [
        ("user,item,event\nn,i4,Purchase\nn,i6,Purchase\nn,i8,view\n", ["i4", "i6"], ""),
        ("user,item,event\nn,i4,purchase\nn,i6,purchase\nn,i6,return\n", ["i4"], ""),
        ("user,item\nn,i4\nn,i6\n", ["i4", "i6"], ""),
        (
            "user,item,was\nn,i4,view\nn,i6,click\n",
            ["i4", "i6"],
            "column 'was' is ignored, and rows",
        ),
    ],
    ids=("kinds", "a return", "no column", "an unknown name"),
)
def test_histories_of_events_weigh_as_in_the_run(
    command, run_of_events, tmp_path, text, has, message
):
    (tmp_path / "new.csv").write_text(text)
    words = ("--run", run_of_events, "--histories", tmp_path / "new.csv", "--n", 3)
    done = command("recommend", *words)
    assert done.returncode == 0, done.stderr
    assert message in done.stderr and done.stderr.count("\n") == bool(message), done.stderr
    expected = Recommender.load(run_of_events).recommend([has], 3)[0][0].tolist()
    assert [row["item"] for row in read(done.stdout)] == expected


def test_histories_of_unknown_kinds_are_refused(command, run_of_events, tmp_path):
    (tmp_path / "new.csv").write_text("user,item,event\nn,i4,kauf\n")
    done = command("recommend", "--run", run_of_events, "--histories", tmp_path / "new.csv")
    assert done.returncode == 2 and "no event is of the kind 'purchase'" in done.stderr


def test_an_equals_sign_in_a_kind_hides_no_unknown_kinds(command, tmp_path):
    table = {"user": [u for u, _ in rows()], "item": [i for _, i in rows()]}
    table["event"] = ["step=buy"] * len(rows())
    Recommender(**OPTIONS, events="step=buy=1").fit(table).save(tmp_path / "model.npz")
    (tmp_path / "new.csv").write_text("user,item,event\nn,i4,kauf\n")
    words = ("--run", tmp_path / "model.npz", "--histories", tmp_path / "new.csv")
    done = command("recommend", *words)
    assert done.returncode == 2 and "no event is of the kind 'step=buy'" in done.stderr


def test_options_of_python_and_of_the_command_are_one(trained):
    assert isinstance(trained.config, Config) and trained.config.K == 2
    np.testing.assert_allclose(trained.concepts, model.concepts(trained.parameters, trained.config))


def matrix_model(rng, **options):
    """A model of a matrix with columns in no order of appearance, some of them empty."""
    X = (rng.random((60, 20)) < 0.4).astype("f4")
    X[:, [3, 11]] = 0
    X[7] = 0
    X = sparse.csr_array(X)
    settings = {"d": 8, "max_epochs": 3, "min_user_items": 1} | options
    return X, Recommender(**settings).fit(X)


def test_columns_of_a_matrix_mean_what_they_meant_in_fit(rng, tmp_path):
    X, model = matrix_model(rng)
    model.save(tmp_path / "model.npz")
    for trained in (model, Recommender.load(tmp_path / "model.npz")):
        for user in (0, 5, 59):
            by_id, scores_by_id = trained.recommend(str(user), n=5)
            by_row, scores_by_row = trained.recommend(X[[user]], n=5)
            np.testing.assert_array_equal(by_row[0], by_id)
            np.testing.assert_allclose(scores_by_row[0], scores_by_id, rtol=1e-5)
            assert not set(by_id.tolist()) & set(X[[user]].indices.astype(str))
    with pytest.raises(UserError, match="have 18 columns, expected 20, as the matrix"):
        model.recommend(X[:, :18])


def test_a_row_of_one_dimension_is_one_user(rng):
    X, model = matrix_model(rng)
    row = sparse.coo_array(X[[4]].toarray()[0])
    items, scores = model.recommend(row, n=5)
    assert items.shape == scores.shape == (5,)
    np.testing.assert_array_equal(items, model.recommend("4", n=5)[0])


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "coo twice", "lil", "zeros", "unsorted"])
def test_every_form_of_a_matrix_is_the_same_to_fit_and_recommend(rng, form):
    """Entries of one place are summed, so that two halves are a whole; stored zeros are nothing."""
    X, model = matrix_model(rng, min_rating=1.0)
    u, i = X.nonzero()
    if form == "coo twice":
        order = rng.permutation(2 * len(u))
        halves = np.full(2 * len(u), 0.5), (np.tile(u, 2)[order], np.tile(i, 2)[order])
        other = sparse.coo_array(halves, shape=X.shape)
    elif form == "zeros":
        values = np.concatenate([np.ones(len(u)), np.zeros(60)])
        places = np.concatenate([u, np.arange(60)]), np.concatenate([i, np.full(60, 19)])
        other = sparse.coo_array((values, places), shape=X.shape)
    elif form == "unsorted":
        other = X.copy()
        for start, end in zip(X.indptr, X.indptr[1:]):
            other.indices[start:end] = X.indices[start:end][::-1]
        other.has_sorted_indices = False
    else:
        other = X.asformat(form)
    again = Recommender(d=8, max_epochs=3, min_user_items=1, min_rating=1.0).fit(other)
    np.testing.assert_array_equal(again.parameters["H"], model.parameters["H"])
    np.testing.assert_array_equal(model.recommend(other)[0], model.recommend(X)[0])


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, 1j], ids=str)
def test_fit_and_recommend_refuse_the_same_values(rng, value):
    X, model = matrix_model(rng)
    wrong = X.astype(complex if isinstance(value, complex) else float)
    wrong.data[3] = value
    for door in (model.recommend, Recommender(min_user_items=1).fit):
        with pytest.raises(UserError, match="row 0, column|expected real numbers"):
            door(wrong)


def test_three_dimensions_are_refused(rng):
    _, model = matrix_model(rng)
    try:
        cube = sparse.coo_array(np.ones((2, 3, 4)))
    except ValueError:
        pytest.skip("this SciPy has no arrays of three dimensions")
    for door in (model.recommend, Recommender().fit):
        with pytest.raises(UserError, match="3 dimensions, expected users by items"):
            door(cube)


def test_a_threshold_counts_in_recommend_as_in_fit(rng):
    X, _ = matrix_model(rng)
    ratings = X.astype(float)
    ratings.data = rng.choice([1.0, 4.0, 4.0, 5.0], X.nnz)
    model = Recommender(d=8, max_epochs=2, min_user_items=1, min_rating=4).fit(ratings)
    by_id = [model.recommend(user, n=5)[0] for user in ("0", "20")]
    np.testing.assert_array_equal(model.recommend(ratings[[0, 20]], n=5)[0], by_id)


def test_a_second_fit_starts_from_the_options_that_were_asked_for(rng):
    for seed in range(20):  # until the best epoch is the second, when but one concept is left
        X, model = matrix_model(rng, K=4, adaptive_K=1.0, max_epochs=2, seed=seed)
        if model.config.K == 1:
            break
    assert model.config.K == 1, "concepts less than 1 bit apart are dropped"
    first = model.parameters["H"].copy()
    np.testing.assert_array_equal(model.fit(X).parameters["H"], first)


def test_scikit_learn_can_clone_it_and_set_its_options(trained):
    from sklearn.base import clone
    from sklearn.utils import estimator_checks

    for recommender in (Recommender(K=4, beta=1), trained):
        for name in (
            "check_parameters_default_constructible",
            "check_get_params_invariance",
            "check_no_attributes_set_in_init",
        ):
            getattr(estimator_checks, name)("Recommender", recommender)
        copy = clone(recommender)
        assert copy.get_params() == recommender.get_params() and not hasattr(copy, "items")
    table = {"item": ["i0", "i1"], "title": ["Tea", "Jam"]}
    named = clone(Recommender(**OPTIONS, items=table)).set_params(max_epochs=1).fit(rows())
    assert named.get_params()["items"] == table
    assert "Tea" in named.titles and "Tea" in clone(named).fit(rows()).titles
    assert Recommender(K=4, beta=1).get_params()["beta"] == 1
    assert Recommender(Config(K=3)).set_params(d=7).get_params().items() >= {"K": 3, "d": 7}.items()
    with pytest.raises(UserError, match="unknown option 'k'; did you mean K?"):
        Recommender().set_params(k=3)


def test_options_that_are_set_are_those_of_the_next_fit(rng):
    X, model = matrix_model(rng, K=4)
    before = model.recommend("0")
    model.set_params(K=2, max_epochs=1)
    assert model.config.K == 4 and model.get_params()["K"] == 2
    np.testing.assert_array_equal(model.recommend("0"), before)
    assert model.fit(X).config.K == 2 == len(model.parameters["m"])


def test_a_hook_sees_each_epoch_and_may_end_the_training(caplog):
    caplog.set_level("INFO", logger="macrid")
    epochs, options = [], {**OPTIONS, "max_epochs": 6, "patience": 6}

    def hook(epoch, figures):
        epochs.append((epoch, figures))
        return True  # as the update of a progress bar does

    whole = Recommender(**options).fit(rows(), on_epoch=hook)
    assert [epoch for epoch, _ in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[0][1].keys() >= {"loss", "kl", "validation_ndcg@100"}
    logged = [record.getMessage() for record in caplog.records]
    assert whole.report == logged[0].splitlines()
    assert [line.split("  ")[0] for line in logged[1:]] == [f"epoch {n}/6" for n in range(1, 7)]

    def stop(epoch, figures):
        if epoch == 2:
            raise StopIteration

    short, two = Recommender(**options), Recommender(**{**options, "max_epochs": 2})
    short.fit(rows(), on_epoch=stop), two.fit(rows())
    np.testing.assert_array_equal(short.parameters["H"], two.parameters["H"])
    assert not np.array_equal(short.parameters["H"], whole.parameters["H"])


def test_a_program_that_asks_for_no_logs_sees_none(tmp_path):
    code = "from macrid import Recommender; Recommender(d=4, max_epochs=2).fit('ratings.csv')"
    (tmp_path / "ratings.csv").write_text("\n".join(map(",".join, rows())))
    words = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    silent = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")
    words[2] = f"import logging; logging.basicConfig(level='INFO'); {code}"
    told = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert told.stderr.count("INFO:macrid.") == 3 and "epoch 2/2" in told.stderr


def test_what_is_not_trained_has_no_items_and_a_bool_is_no_number(rng):
    assert not hasattr(Recommender(), "items") and not hasattr(Recommender(), "no_such_thing")
    with pytest.raises(UserError, match="not trained yet"):
        _ = Recommender().items
    _, model = matrix_model(rng)
    for wrong in (True, 0, 2.5, "3"):
        with pytest.raises(UserError, match="expected a whole number of at least 1"):
            model.recommend("0", n=wrong)
    with pytest.warns(UserWarning, match="n is 100, but the model knows 18 items"):
        assert model.recommend("0", n=100)[0].shape == (18,)


def test_an_id_of_any_type_that_fit_takes_finds_its_user(rng):
    ids = [uuid.UUID(int=n) for n in range(20)]
    rows = [(user, item) for user in ids for item in rng.choice(12, 6, replace=False).tolist()]
    model = Recommender(d=4, max_epochs=1, min_user_items=1).fit(rows)
    np.testing.assert_array_equal(
        model.recommend(ids[3], n=3)[0], model.recommend([ids[3], ids[4]], n=3)[0][0]
    )


# New items


def world(names, other=()):
    """A table of items whose category is their world, of the `other` the wrong one."""
    kinds = ["even" if (int(name[1:]) % 2 == 0) != (name in other) else "odd" for name in names]
    return {"item": list(names), "category": [f"all > {kind}" for kind in kinds]}


def lists(model, n=15):
    """{user: her list} of the even and of the odd users."""
    found, _ = model.recommend(model.users.tolist(), n=n)
    return found[[int(name[1:]) % 2 == 0 for name in model.users]], found[
        [int(name[1:]) % 2 == 1 for name in model.users]
    ]


def shares(model, name):
    """How often an item is in the lists of even and of odd users."""
    return [(part == name).any(axis=1).mean() for part in lists(model)]


def test_new_items_go_to_those_who_like_what_they_are_like(tmp_path):
    known = [f"i{i}" for i in range(40)]
    first = Recommender(**OPTIONS).fit(rows(), items=world(known))
    first.save(tmp_path / "model.npz")
    for wrong in (False, True):
        model = Recommender.load(tmp_path / "model.npz")  # it knows what its items are
        before, scores = model.recommend(["u2", "u3"], n=5)
        new = world(["i100", "i101"], other=("i100", "i101") if wrong else ())
        added = model.add_items(new | {"title": ["A", ""]})
        assert added is model and model.items.tolist()[-2:] == ["i100", "i101"]
        assert len(model.concepts) == len(model.items) == model.histories.shape[1]
        even, odd = shares(model, "i100"), shares(model, "i101")
        assert (even[0] > even[1]) != wrong and (odd[1] > odd[0]) != wrong, "a control"
        assert model.item_titles(["i100", "i101", "i3"]).tolist() == ["A", "i101", "i3"]
        kept, same = model.recommend(["u2", "u3"], n=42)
        for row in range(2):
            old = ~np.isin(kept[row], ["i100", "i101"]) & (kept[row] != "")
            assert kept[row][old][:5].tolist() == before[row].tolist(), "the others stay in order"
            np.testing.assert_allclose(same[row][old][:5], scores[row], rtol=1e-5)
    model.save(tmp_path / "larger.npz")
    again = Recommender.load(tmp_path / "larger.npz")
    np.testing.assert_array_equal(again.recommend("u2")[0], model.recommend("u2")[0])
    assert again.catalogue.within("even").sum() == 21
    assert again.recommend([["i100"]])[0].shape == (1, 10), "a history of a new item"
    assert model.add_items(new).items.tolist() == again.items.tolist(), "known now"


def test_new_items_by_a_table_that_has_the_known_ones_too(trained, tmp_path):
    trained.save(tmp_path / "model.npz")
    model = Recommender.load(tmp_path / "model.npz")
    with pytest.raises(UserError, match="nothing is known of the model's own items that new ones"):
        model.add_items(world(["i100"]))
    with pytest.warns(UserWarning, match="1 of 2 new items are left out, such as 'i102', as noth"):
        table = world([*model.items.tolist(), "i100", "i102"])
        table["category"][-1] = ""
        model.add_items(table)
    assert model.items[-1] == "i100" and model.titles is None
    even = shares(model, "i100")
    assert even[0] > even[1]


def test_new_items_in_a_table_of_other_columns(command, tmp_path):
    """By the training's names as far as they are there, else by known ones, or as is said."""
    known = world([f"i{i}" for i in range(40)])
    table = {"artikel": known["item"], "kategorie": known["category"]}
    names = "item=artikel,category=kategorie"
    Recommender(**OPTIONS | {"item_columns": names}).fit(rows(), items=table).save(
        tmp_path / "model.npz"
    )
    lists_of = {}
    for header, more in (
        ("artikel;kategorie;title", []),
        ("artikel;category;title", []),
        ("sku;category;name", []),
        ("code;kind;wort", ["--item-columns", "item=code,category=kind,title=wort"]),
    ):
        path = tmp_path / "new.csv"
        path.write_text(f"{header}\ni100;all > even;Hundred\ni101;all > odd;\n")
        added = Recommender.load(tmp_path / "model.npz").add_items(
            path, item_columns=more[-1] if more else ""
        )
        assert added.items[-2:].tolist() == ["i100", "i101"]
        assert added.item_titles("i100") == "Hundred"
        lists_of[header] = added.recommend("u2", 12)[0].tolist()
        words = ("--run", tmp_path / "model.npz", "--add-items", path, *more)
        done = command("recommend --user u2 --n 12", *words)
        assert done.returncode == 0, done.stderr
        assert [row["item"] for row in read(done.stdout)] == lists_of[header]
    assert len(set(map(tuple, lists_of.values()))) == 1 and "i100" in lists_of[header]
    done = command("recommend", *words[:-1], "item=sku")
    assert done.returncode == 2 and "without a column 'sku'" in done.stderr, "said: no other name"
    done = command("recommend --item-columns item=a", *words[:2])
    assert done.returncode == 2 and "without --add-items; leave it out" in done.stderr


def test_new_items_by_pictures(trained, tmp_path, rng):
    from macrid.pictures import features

    trained.save(tmp_path / "model.npz")
    ids = np.array([*trained.items.tolist(), "i100"])
    looks = rng.standard_normal((2, 20))
    values = looks[[int(name[1:]) % 2 for name in ids]] + 0.1 * rng.standard_normal((len(ids), 20))
    made = features.Features(ids, values.astype(np.float32), {})
    model = Recommender.load(tmp_path / "model.npz").add_items({"item": ["i100"], "x": [""]}, made)
    even = shares(model, "i100")
    assert even[0] > even[1]


def test_new_items_of_a_matrix_are_columns():
    X = sparse.csr_array(np.random.default_rng(0).random((40, 12)) < 0.5, dtype=float)
    model = Recommender(**OPTIONS | {"start": "random"}).fit(X)
    table = {"item": list(range(12)), "kind": list(range(12))}
    with pytest.raises(UserError, match="items are numbers of columns; found 'new', expected"):
        model.add_items({"item": ["new"], "price": [1]})
    assert model.matrix_columns == 12
    model.add_items({"item": [*table["item"], 14], "price": [*table["kind"], 3]})
    assert model.matrix_columns == 15 and model.items[-1] == "14"
    assert model.recommend(sparse.csr_array(np.eye(15)[[14]]), n=2)[0].shape == (1, 2)


def in_order(trained, user, allowed, n):
    """The n best of the allowed items, from the list of all: the plain twin of a selection."""
    items, scores = trained.recommend(user, len(trained.items))
    kept = [place for place, item in enumerate(items.tolist()) if item in allowed][:n]
    return items[kept].tolist(), scores[kept]


def test_only_and_without_leave_the_order_of_the_others(trained, tmp_path):
    every = set(trained.items.tolist())
    stock = tmp_path / "stock.txt"
    stock.write_text("i4\n\n i8 \ni13\nnot-ours\n")
    few = {"i4", "i7", "i9", "i20", "i31"}
    for only, without, allowed in (
        (few, None, few),
        (list(few), "i9", few - {"i9"}),
        (None, few, every - few),
        (np.isin(trained.items, list(few)), None, few),
        ([stock, "i9"], None, {"i4", "i8", "i13", "i9"}),
        (trained.select(without=["i4"]), None, every - {"i4"}),
    ):
        for user in ("u2", "u5"):
            if isinstance(only, list) and stock in only:
                with pytest.warns(UserWarning, match="1 items of only are unknown .* 'not-ours'"):
                    items, scores = trained.recommend(user, 6, only=only, without=without)
            else:
                items, scores = trained.recommend(user, 6, only=only, without=without)
            expected, values = in_order(trained, user, allowed, 6)
            assert items[items != ""].tolist() == expected
            np.testing.assert_allclose(scores[: len(expected)], values, rtol=1e-5)
            assert np.isneginf(scores[len(expected) :]).all()
    items, _ = trained.recommend("u2", 6, only=few, concepts={0: 0.0})
    of_one = trained.items[trained.concepts.argmax(axis=1) == 1]
    assert set(items.tolist()) <= (few & set(of_one.tolist())) | {""}


def test_a_category_of_any_level_is_selected_also_after_saving(tmp_path):
    kinds = ["Home > Kitchen > Mugs|Gifts", "Home > Bath", "Food > Tea", ""]
    table = {
        "item": [f"i{i}" for i in range(40)],
        "category": [kinds[i % 4] for i in range(40)],
    }
    made = Recommender(**OPTIONS).fit(rows(), items=table)
    made.save(tmp_path / "model.npz")
    for model_of in (made, Recommender.load(tmp_path / "model.npz")):
        for category, places in (
            ("Home", {0, 1}),
            ("Kitchen", {0}),
            ("Home > Bath", {1}),
            ("Gifts", {0}),
            ("Tea", {2}),
        ):
            items, _ = model_of.recommend("u2", 5, only=f"category={category}")
            assert {int(item[1:]) % 4 for item in items if item} <= places
            items, _ = model_of.recommend("u2", 40, without=[f"category={category}", "i3"])
            assert not {int(item[1:]) % 4 for item in items if item} & places
            assert "i3" not in items
    with pytest.raises(UserError, match="category 'Kitchn' is unknown; did you mean 'Kitchen'"):
        made.recommend("u2", only="category=Kitchn")


FEW = [("short", "i4"), ("short", "i6"), ("stranger's", "nothing-else-has-this")]


@pytest.fixture(scope="module")
def with_few():
    """The same data and two users with too few adoptions, of items that the others have, or not."""
    return Recommender(**OPTIONS).fit(rows() + FEW)


def popular(trained, n):
    """The plain twin: ids by how many have them, the first of equals first."""
    counts = trained.histories.sum(axis=0)
    order = np.argsort(-counts, kind="stable")[:n]
    return trained.items[order], np.log(counts[order] / len(trained.users))


def test_users_with_few_adoptions_get_lists_but_teach_nothing(with_few, trained, tmp_path):
    with_few.save(tmp_path / "model.npz")
    np.testing.assert_array_equal(with_few.parameters["H"], trained.parameters["H"])
    for again in (with_few, Recommender.load(tmp_path / "model.npz")):
        items, scores = again.recommend(["short", "stranger's", "u2"], 5)
        np.testing.assert_array_equal(items[0], trained.recommend([["i4", "i6"]], 5)[0][0])
        expected, log_share = popular(again, 5)
        np.testing.assert_array_equal(items[1], expected)
        np.testing.assert_allclose(scores[1], log_share, rtol=1e-6)
        np.testing.assert_array_equal(items[2], trained.recommend("u2", 5)[0])
        ways = again.list_by(["short", "stranger's", "u2"])
        assert ways.tolist() == ["history", "popularity", "history"]
        np.testing.assert_array_equal(again.recommend("stranger's", 5)[0], expected)


def test_strangers_get_popular_items_and_are_counted(with_few):
    with pytest.warns(UserWarning, match="2 users are unknown to the model and get .* 'nobody'"):
        items, _ = with_few.recommend(["u2", "nobody", "none"], 4, without=["i0"])
    expected = [item for item in popular(with_few, 5)[0].tolist() if item != "i0"][:4]
    assert items[1].tolist() == items[2].tolist() == expected
    np.testing.assert_array_equal(items[0], with_few.recommend("u2", 4, without=["i0"])[0])
    with pytest.warns(UserWarning, match="1 users"):
        assert with_few.list_by("nobody").tolist() == ["popularity"]
    assert with_few.list_by([[], ["i4"]]).tolist() == ["popularity", "history"]


def test_the_command_selects_and_says_what_a_list_goes_by(command, tmp_path):
    table, run = tmp_path / "ratings.csv", tmp_path / "run"
    lines = [f"{user},{item},{5}\n" for user, item in rows() + FEW] + ["low,i4,1\n"]
    table.write_text("user,item,rating\n" + "".join(lines))
    names = [f"i{i},{'Home > Kitchen' if i % 3 else 'Food'}\n" for i in range(40)]
    (tmp_path / "items.csv").write_text("item,category\n" + "".join(names))
    (tmp_path / "sold_out.txt").write_text("i1\ni2\n")
    options = "--K 2 --d 8 --batch-size 20 --max-epochs 2 --quiet --items"
    done = command(f"train {options}", tmp_path / "items.csv", "--data", table, "--out", run)
    assert done.returncode == 0, done.stderr

    chosen = "--only category=Kitchen --without".split()
    sold_out = f"file={tmp_path / 'sold_out.txt'}"
    process = command("recommend", "--run", run, *chosen, sold_out, "i5", "--n", 3)
    assert process.returncode == 0, process.stderr
    assert "warning: 2 of 123 users have no item that the run knows and get" in process.stderr
    found = read(process.stdout)
    own = Recommender.load(run)
    assert list(dict.fromkeys(row["user"] for row in found)) == own.users.tolist()
    assert {"short", "stranger's", "low"} <= set(own.users.tolist())
    by = {row["user"]: row["by"] for row in found}
    assert [name for name, way in by.items() if way == "popularity"] == ["stranger's", "low"]
    kitchen = {f"i{i}" for i in range(40) if i % 3} - {"i1", "i2", "i5"}
    assert {row["item"] for row in found} <= kitchen
    items, _ = own.recommend(own.users.tolist(), 3, only=sorted(kitchen))
    assert [row["item"] for row in found] == items.ravel().tolist()

    with pytest.warns(UserWarning, match=r"'i4', which is an item's id; a history is \[\['i4'\]\]"):
        own.recommend(["i4"])
    for quiet in ([], ["--quiet"]):
        words = ["--user", "u2", "--out", tmp_path / "recs.csv", *quiet]
        process = command("recommend", "--run", run, *words)
        said = "" if quiet else f"saved {tmp_path / 'recs.csv'}\n"
        assert process.returncode == 0 and process.stdout == said

    process = command("recommend", "--run", run, "--user", "u2", "ghost", "--n", 2)
    assert process.returncode == 0
    assert "1 of 2 users have no item that the run knows and get popular ones, such as 'ghost'" in (
        process.stderr
    )
    assert [row["by"] for row in read(process.stdout)] == ["history"] * 2 + ["popularity"] * 2
    (tmp_path / "users.txt").write_text("ghost\nspirit\n")
    process = command("recommend", "--run", run, "--users", tmp_path / "users.txt")
    assert process.returncode == 2 and process.stdout == ""
    assert "users.txt: has no user that the run knows: the first is 'ghost'" in process.stderr


def test_what_a_user_has_given_back_is_left_out_of_her_list(command, tmp_path):
    """Against the plain twin: all items in the order of the model, less what she had or returned.

    Of users who are trained on, of few adoptions and of none at all; each list is full.
    """
    rng = np.random.default_rng(2)
    bought = [*rows(), ("short", "i4"), ("short", "i6")]
    back = [pair for pair in bought if rng.random() < 0.05]
    back += [("short", "i8"), ("none", "i0"), ("none", "i2"), ("u2", "i1")]
    log = [f"{user},{item},buy" for user, item in bought]
    log += [f"{user},{item},return" for user, item in back]
    (tmp_path / "log.csv").write_text("user,item,event\n" + "\n".join(log) + "\n")
    options = "--K 2 --d 8 --batch-size 20 --max-epochs 3 --events buy=1,return=-1 --data"
    run = tmp_path / "run"
    done = command(f"train {options}", tmp_path / "log.csv", "--out", run)
    assert done.returncode == 0, done.stderr
    assert f"{len(back)} pairs given back: left out of their users' lists" in done.stdout
    own = Recommender.load(run)
    own.save(tmp_path / "model.npz")
    returned = {user: {item for u, item in back if u == user} for user in own.users.tolist()}
    has = {user: {i for u, i in bought if u == user} - returned[user] for user in returned}

    every, _ = own.recommend(own.users.tolist(), 40, exclude_seen=False)
    assert (every != "").all(), "with what is seen, all items are there"
    expected, unmended = [], 0
    for user, row in zip(own.users.tolist(), every.tolist()):
        left = [item for item in row if item not in has[user]]
        unmended += bool(returned[user] & set(left[:5]))
        expected.append([item for item in left if item not in returned[user]][:5])
    assert unmended > 5, "without the rule some would get again what they gave back"
    for again in (own, Recommender.load(tmp_path / "model.npz")):
        items, scores = again.recommend(iter(own.users.tolist()), 5)
        assert items.tolist() == expected and np.isfinite(scores).all()
        for user in ("u2", "short", "none"):
            alone, _ = again.recommend(user, 5)
            assert alone.tolist() == expected[own.users.tolist().index(user)]
        rest, scores = again.recommend("u2", 40)
        assert len(rest) == 40 and (rest == "").sum() == len(has["u2"] | returned["u2"])
        assert ((rest == "") == np.isneginf(scores)).all()
    with pytest.warns(UserWarning, match="1 users"):
        assert (
            own.recommend(["nobody", "u2"], 5)[0].tolist()[1] == own.recommend("u2", 5)[0].tolist()
        )
    found = read(command("recommend --n 5", "--run", run).stdout)
    assert [row["item"] for row in found] == sum(expected, [])
    found = read(command("recommend --n 40 --user none --include-seen", "--run", run).stdout)
    assert {"i0", "i2"} < {row["item"] for row in found}


def test_new_items_leave_what_is_given_back_as_it_was(tmp_path):
    log = {
        "user": [user for user, _ in rows()] + ["u2", "u4"],
        "item": [item for _, item in rows()] + ["i8", "i8"],
        "event": ["buy"] * len(rows()) + ["return"] * 2,
    }
    options = OPTIONS | {"events": "buy=1,return=-5"}
    model = Recommender(**options).fit(log, items=world([f"i{i}" for i in range(40)]))
    model.add_items(world(["i100"])).save(tmp_path / "model.npz")
    assert model.refused.shape == (len(model.users), 41) and model.refused.nnz == 2
    items, _ = Recommender.load(tmp_path / "model.npz").recommend(["u2", "u4"], 41)
    assert "i100" in items[0] and not (items == "i8").any()
