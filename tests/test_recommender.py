"""The model by outside ids: what a practitioner calls."""

import csv
import os

import numpy as np
import pytest
from scipy import sparse

from macrid import Recommender, UserError, data, model
from macrid.config import Config

OPTIONS = {"K": 2, "d": 8, "batch_size": 20, "max_epochs": 12, "tau": 0.2, "seed": 1, "start": "adoptions"}


def rows(users=120, items=40):
    """Two worlds: even users take even items, mostly."""
    rng = np.random.default_rng(5)
    taken = rng.random((users, items)) < np.where(np.arange(items) % 2 == np.arange(users)[:, None] % 2, 0.4, 0.03)
    return [(f"u{u}", f"i{i}") for u, i in zip(*np.nonzero(taken))]


@pytest.fixture(scope="module")
def trained():
    return Recommender(**OPTIONS).fit(rows())


def test_users_get_items_of_their_world_that_they_do_not_have(trained):
    items, scores = trained.recommend(["u2", "u3"], n=5)
    have = set(rows())
    assert items.shape == scores.shape == (2, 5)
    for user, parity, row in (("u2", 0, items[0]), ("u3", 1, items[1])):
        assert all(int(item[1:]) % 2 == parity for item in row)
        assert not any((user, item) in have for item in row)
    assert (np.diff(scores, axis=1) <= 0).all()
    one, one_scores = trained.recommend("u2", n=5)
    np.testing.assert_array_equal(one, items[0])
    np.testing.assert_allclose(one_scores, scores[0], rtol=1e-5)


def test_seen_items_on_request_and_padding_when_few_are_left(trained):
    items, scores = trained.recommend("u2", n=len(trained.items), exclude_seen=False)
    assert set(items) == set(trained.items.tolist())
    items, scores = trained.recommend("u2", n=len(trained.items))
    seen = trained.histories[[trained._user("u2")]].nnz
    assert (items == "").sum() == seen == np.isneginf(scores).sum()


def test_new_users_by_their_history_as_lists_or_as_a_matrix(trained):
    known = trained.histories[[trained._user("u2")]]
    history = trained.items[known.indices].tolist()
    for new in ([history], known, sparse.csr_matrix(known)):
        np.testing.assert_array_equal(trained.recommend(new, 5)[0][0], trained.recommend("u2", 5)[0])
    with pytest.warns(UserWarning, match="1 items .* 'nonsense'"):
        trained.recommend([[*history, "nonsense"]], 5)
    assert trained.recommend([[]], 3)[0].shape == (1, 3)


def test_emphasis_turns_the_recommendation_to_a_concept(trained):
    strongest = trained.concepts.argmax(axis=1)
    plain, turned = (trained.recommend("u2", 20, concepts=concepts)[0] for concepts in (None, {1: 0.0}))
    of = dict(zip(trained.items.tolist(), strongest))
    assert np.mean([of[item] == 0 for item in turned]) > np.mean([of[item] == 0 for item in plain])
    np.testing.assert_array_equal(trained.recommend("u2", 20, concepts={0: 3, 1: 3})[0], plain)
    with pytest.raises(UserError, match="concept 2 is unknown; concepts are numbered 0 to 1"):
        trained.recommend("u2", concepts={2: 1.0})
    with pytest.raises(UserError, match="expected a number of at least 0"):
        trained.recommend("u2", concepts={0: -1.0})


def test_similar_items_are_of_the_same_world(trained):
    items, scores = trained.similar_items("i4", 5)
    assert "i4" not in items and all(int(item[1:]) % 2 == 0 for item in items)
    assert (np.diff(scores) <= 0).all() and scores[0] <= 1 + 1e-6
    k = int(trained.concepts[trained._item("i4")].argmax())
    inside, _ = trained.similar_items("i4", 100, concept=k)
    assert set(inside) == {item for item, row in zip(trained.items, trained.concepts) if row.argmax() == k} - {"i4"}


def test_an_explanation_adds_up(trained):
    told = trained.explain("u2", "i4")
    assert told.concepts.sum() == pytest.approx(1) and told.concept == told.concepts.argmax()
    have = {item for user, item in rows() if user == "u2"} & set(trained.items.tolist())
    assert set(told.items) == have and (np.diff(told.effects) <= 0).all()
    without = [item for item in told.items if item != told.items[0]]
    full, less = (trained.recommend([history], len(trained.items), exclude_seen=False) for history in (told.items, without))

    def log_p(found):
        scores = found[1][0].astype(float)
        return scores[found[0][0].tolist().index("i4")] - np.log(np.exp(scores).sum())

    assert told.effects[0] == pytest.approx(log_p(full) - log_p(less), abs=1e-4)
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
    assert Recommender(**OPTIONS).fit(interactions).figures == Recommender(**OPTIONS).fit(str(path)).figures
    rated = [(user, item, 5.0) for user, item in rows()] + [("u2", "i1", 1.0)]
    np.testing.assert_array_equal(Recommender(**OPTIONS).fit(rated).recommend("u2", 5)[0], expected)
    matrix = sparse.coo_array(([1, 1, 1], ([0, 0, 1], [2, 3, 2])), shape=(3, 4))
    with pytest.raises(UserError):
        Recommender(**OPTIONS).fit(matrix)  # too few users, told clearly
    with pytest.raises(UserError, match="expected a path"):
        Recommender(**OPTIONS).fit([("u", "i"), ("u",)])


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
    np.testing.assert_array_equal(Recommender(**OPTIONS).fit(frame).recommend("u2", 5)[0], trained.recommend("u2", 5)[0])
    with pytest.raises(UserError, match="the columns are a, b"):
        Recommender(**OPTIONS).fit(Frame({"a": [1], "b": [2]}))


def test_a_real_data_frame(trained):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows(), columns=["user", "item"])
    np.testing.assert_array_equal(Recommender(**OPTIONS).fit(frame).recommend("u2", 5)[0], trained.recommend("u2", 5)[0])


@pytest.mark.parametrize(
    "call, told",
    {
        "a user": (lambda m: m.recommend("nobody"), "user 'nobody' is unknown"),
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
def run(tmp_path_factory):
    """A run folder made by the command."""
    from macrid import command as commands
    from macrid import train

    folder = tmp_path_factory.mktemp("recommend")
    table = folder / "ratings.csv"
    table.write_text("user,item\n" + "".join(f"{user},{item}\n" for user, item in rows()))
    words = ["--data", table, "--K", 2, "--d", 8, "--batch-size", 20, "--max-epochs", 4, "--quiet", "--out", folder / "run"]
    assert commands.run(train.main, [str(word) for word in words]) == 0
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
    assert [row["user"] for row in found] == ["u3"] * 4 + ["u2"] * 4 and [row["rank"] for row in found[:4]] == list("1234")
    (run.parent / "ratings.csv").rename(run.parent / "away.csv")  # the run is enough: the data are not read again
    printed = command("recommend", "--run", run, "--user", "u3", "u2", "--n", 4)
    (run.parent / "away.csv").rename(run.parent / "ratings.csv")
    assert read(printed.stdout) == found
    everyone = read(command("recommend", "--run", run, "--n", 1).stdout)
    assert [row["user"] for row in everyone] == own.users.tolist()


def test_the_command_takes_new_users_and_emphasis(command, run, tmp_path):
    table = tmp_path / "new.csv"
    table.write_text("item,user\ni4,new\ni6,new\nwhat,new\n")
    process = command("recommend", "--run", run, "--histories", table, "--n", 3, "--concept", "0=2", "1=0.5")
    assert process.returncode == 0 and "warning: 1 items" in process.stderr
    own = Recommender.load(run)
    expected = own.recommend(sparse_rows(own, ["i4", "i6"]), 3, concepts={0: 2, 1: 0.5})[0][0]
    assert [row["item"] for row in read(process.stdout)] == expected.tolist()


def sparse_rows(own, items):
    X = np.zeros((1, len(own.items)))
    X[0, [own._item(item) for item in items]] = 1
    return sparse.csr_array(X)


@pytest.mark.parametrize(
    "words, told",
    {
        "user": (["--user", "nobody"], "nobody"),
        "concept": (["--concept", "3"], "expected K=FACTOR"),
        "n": (["--n", "0"], "--n is 0"),
        "file": (["--users", "missing.txt"], "missing.txt: cannot be read"),
        "folder": (["--out", "no/such/recs.csv"], "no/such: is no folder"),
        "nobody": (["--users", os.devnull], "has no user ids; expected one a line"),
        "nothing": (["--concept", "0=0", "1=0"], "leave one of them above 0"),
        "known first": (["--user", "u2", "nobody"], "nobody"),
    }.values(),
)
def test_the_command_tells_mistakes_in_one_line(command, run, tmp_path, words, told):
    process = command("recommend", "--run", run, *words, cwd=tmp_path)
    assert process.returncode == 2 and told in process.stderr and process.stderr.count("\n") == 1 and process.stdout == ""
    assert not list(tmp_path.iterdir())


def test_an_unknown_user_in_a_file_is_named_with_its_line_and_leaves_nothing(command, run, tmp_path):
    users = tmp_path / "users.txt"
    users.write_text("u2\n\nghost\n")
    for out in (["--out", tmp_path / "recs.csv"], []):
        process = command("recommend", "--run", run, "--users", users, *out)
        assert process.returncode == 2 and "users.txt, line 3: user 'ghost'" in process.stderr and process.stdout == ""
    assert [entry.name for entry in tmp_path.iterdir()] == ["users.txt"]


def test_options_of_python_and_of_the_command_are_one(trained):
    assert isinstance(trained.config, Config) and trained.config.K == 2
    np.testing.assert_allclose(trained.concepts, model.concepts(trained.parameters, trained.config))
