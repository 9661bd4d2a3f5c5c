"""A split that somebody has made: its parts are joined, and the split is what they say."""

import numpy as np
import pytest
from scipy import sparse

from macrid import Config, Recommender, data
from macrid.baselines import EASE, ItemKNN, Popularity, Ridge
from macrid.data import checks, parts, sources, splits
from macrid.errors import UserError
from macrid.evaluation.metrics import OF_LATER_ITEMS, by_scores, measured

TRAIN = {
    0: [0, 1, 2, 3, 4, 5, 6, 7],
    1: [3, 4, 5, 8],
    2: [0, 8, 9, 5, 6, 7],
    3: [1],
    5: [*range(10)],
}
TEST = {0: [8, 9], 1: [0], 2: [1, 77], 4: [0, 1]}


def lists(path, rows):
    path.write_text("".join(" ".join(map(str, [u, *own])) + " \n" for u, own in rows.items()))
    return str(path)


def atomic(path, rows):
    """As RecBole writes it."""
    text = "".join(f"{u}\t{i}\n" for u, own in rows.items() for i in own)
    path.write_text("user_id:token\titem_id:token\n" + text)
    return str(path)


def pairs(rows):
    return {(str(u), str(i)) for u, own in rows.items() for i in own}


def pairs_of(interactions, s, matrix, users):
    X = matrix.tocoo()
    return set(zip(interactions.users[users][X.row], interactions.items[s.items][X.col]))


@pytest.mark.parametrize("write", [lists, atomic])
def test_the_parts_are_those_of_the_files(write, tmp_path):
    train, test = write(tmp_path / "train", TRAIN), write(tmp_path / "test", TEST)
    read = sources.interactions_of(train, Config(split="given", test=test))
    s = splits.split(read, "given", 0)
    drawn = pairs_of(read, s, s.validation.held_out, s.validation.users)
    assert pairs_of(read, s, s.train, s.train_users) == pairs(TRAIN) - drawn
    assert len(drawn) == 3 and {u for u, _ in drawn} == {"0", "2", "5"}, "a tenth, of 5 and more"
    # what is known for the test is all of the training; who or what that lacks is counted
    scored = {u: TEST[u] for u in (0, 1, 2)}
    assert pairs_of(read, s, s.test.held_out, s.test.users) == pairs(scored) - {("2", "77")}
    assert pairs_of(read, s, s.test.fold_in, s.test.users) == pairs({u: TRAIN[u] for u in scored})
    assert s.unseen["test"] == 1 and s.new_users["test"] == 1
    assert any("test: 7 adoptions of 4 users" in line for line in checks.describe(read))


def test_what_is_given_back_in_one_part_and_kept_in_another_is_kept(tmp_path):
    train = "ann,tea,buy\nann,jam,buy\nann,jam,return\nann,pie,return\nbob,jam,buy\nbob,pie,buy\n"
    test = "ann,jam,buy\nbob,tea,return\nbob,ham,buy\nann,ham,buy\n"
    for name, text in (("train.csv", train), ("test.csv", test)):
        (tmp_path / name).write_text("user,item,event\n" + text)
    options = {"split": "given", "test": str(tmp_path / "test.csv"), "events": "buy=1,return=-1"}
    read = sources.interactions_of(tmp_path / "train.csv", Config(**options))
    found = read.refused.tocoo()
    assert set(zip(read.users[found.row], read.items[found.col])) == {("ann", "pie")}
    assert read.report["given_back"] == 1


def test_a_file_of_validation_is_taken_as_it_is(tmp_path):
    validation = {0: [8], 3: [0, 2]}
    files = [atomic(tmp_path / n, r) for n, r in (("a", TRAIN), ("v", validation), ("t", TEST))]
    config = Config(split="given", validation=files[1], test=files[2])
    read = sources.interactions_of(files[0], config)
    s = splits.split(read, "given", 0)
    assert pairs_of(read, s, s.train, s.train_users) == pairs(TRAIN) and not s.note
    assert pairs_of(read, s, s.validation.held_out, s.validation.users) == pairs(validation)
    assert ("0", "8") not in pairs_of(read, s, s.test.held_out, s.test.users), "it is known by then"
    assert any("1 pairs are in more than one part" in line for line in checks.describe(read))


def test_lists_of_one_item_are_lists_if_the_training_is(tmp_path):
    train = lists(tmp_path / "train", TRAIN)
    test = lists(tmp_path / "test", {0: [8], 1: [0]})  # it looks like a table of two columns
    three = lists(tmp_path / "three", {0: [8, 9], 1: [0, 1]})  # like one with ratings
    for file, n in ((test, 2), (three, 4)):
        read = sources.interactions_of(train, Config(split="given", test=file))
        assert (read.parts == splits.TEST).sum() == n


def test_no_item_loses_its_only_training_adoption(rng):
    X = sparse.csr_array(rng.random((300, 400)) < 0.03)
    train = data.from_pairs(*map(list, X.nonzero()))
    test = data.from_pairs([0, 1, 2], [5, 6, 7])
    read = parts.joined(train, None, test)
    s = splits.split(read, "given", 3)
    assert s.validation.held_out.nnz > 100
    assert len(s.items) == train.X.shape[1] and (s.train.sum(axis=0) > 0).all()
    sizes = np.diff(train.X.indptr)[s.validation.users]
    hidden = np.diff(s.validation.held_out.indptr)
    assert (hidden <= np.floor(sizes / 10 + 0.5)).all() and (sizes >= 5).all()
    again, other = (splits.split(read, "given", seed) for seed in (3, 4))
    assert (again.validation.held_out != s.validation.held_out).nnz == 0
    assert other.validation.held_out.nnz and not np.array_equal(
        other.validation.held_out.indices, s.validation.held_out.indices
    )


def test_of_many_users_some_are_drawn_for_validation(rng):
    N = splits.MOST_VALIDATION_USERS + 500
    u, i = np.repeat(np.arange(N), 10), rng.integers(0, 50, N * 10)
    read = parts.joined(data.from_pairs(u, i), None, data.from_pairs([0], [60]))
    with pytest.raises(UserError, match="no user of whom .* has an item for test that"):
        splits.split(read, "given", 0)  # item 60 is nobody's
    read = parts.joined(data.from_pairs(u, i), None, data.from_pairs([0, 1, 2], [0, 1, 2]))
    s = splits.split(read, "given", 0)
    assert len(s.validation.users) <= splits.MOST_VALIDATION_USERS


def test_too_few_items_for_validation_are_told():
    read = parts.joined(data.from_pairs([0, 0, 1], [0, 1, 0]), None, data.from_pairs([1], [1]))
    with pytest.raises(UserError, match=r"no user .* has 5 training items .*--validation FILE"):
        splits.split(read, "given", 0)


def test_titles_and_categories_of_the_parts_are_joined():
    a = data.with_categories(
        data.from_pairs(["u", "u"], ["x", "y"]), [["red"], []], np.array(["X", "Y"])
    )
    b = data.with_categories(data.from_pairs(["u"], ["z"]), [["blue", "red"]], np.array(["Z"]))
    joined = parts.joined(a, None, b)
    assert joined.titles.tolist() == ["X", "Y", "Z"]
    assert joined.item_categories(np.arange(3)) == ["red", "", "blue, red"]


def test_baselines_are_measured_by_the_same_code_as_a_loop_says(tmp_path, rng):
    """Who likes one half of the items likes the rest of it: every baseline but popularity knows."""
    train, test = {}, {}
    for u in range(80):
        own = rng.permutation(20) + 20 * (u % 2)
        train[u], test[u] = own[:10].tolist(), own[10:13].tolist()
    files = lists(tmp_path / "train", train), lists(tmp_path / "test", test)
    read = sources.interactions_of(files[0], Config(split="given", test=files[1]))
    s = splits.split(read, "given", 0)
    recall = {}
    for baseline in (Popularity, EASE, Ridge, ItemKNN):
        fitted = baseline.fit(s.train, s.validation)
        metrics, means = measured(by_scores(fitted.scores), s.test, OF_LATER_ITEMS)
        recall[baseline] = means["recall_all@20"]["mean"]
        for row in range(0, 80, 8):  # by hand
            scores = np.array(fitted.scores(s.test.fold_in[[row]]))[0]
            scores[s.test.fold_in[[row]].indices] = -np.inf
            best = np.argsort(-scores, kind="stable")[:20]
            hits = np.isin(best, s.test.held_out[[row]].indices).sum()
            assert metrics["recall_all@20"][row] == pytest.approx(hits / 3)
    assert min(recall[b] for b in (EASE, Ridge, ItemKNN)) > 0.95 > 0.8 > recall[Popularity]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"split": "given"}, r"the items for the test are not; give them as test \(--test FILE\)"),
        ({"test": "x.csv"}, "test is given, but split is 'holdout'; say that split is 'given'"),
        ({"validation": "x.csv"}, "validation is given, but split is 'holdout'"),
    ],
)
def test_half_a_split_is_one_line(options, message):
    with pytest.raises(UserError, match=message):
        Recommender(**options).fit([("u", "i")])


def test_from_python_in_every_form(rng):
    X = sparse.csr_array(rng.random((40, 30)) < 0.4)
    hidden = sparse.csr_array(X.toarray() & (rng.random((40, 30)) < 0.2))
    known = sparse.csr_array(X.toarray() & ~hidden.toarray())
    options = {"split": "given", "K": 2, "d": 4, "max_epochs": 2, "seed": 1}
    as_matrix = Recommender(**options).fit(known, test=hidden)
    rows = [
        [(u, i) for u, i in zip(*map(np.ndarray.tolist, part.nonzero()))]
        for part in (known, hidden)
    ]
    as_rows = Recommender(**options).fit(rows[0], test=rows[1])
    assert as_matrix.metrics == as_rows.metrics
    assert as_matrix.metrics["ndcg@20"]["users"] == np.count_nonzero(hidden.sum(axis=1))
    with pytest.raises(UserError, match="different numbers of columns"):
        Recommender(**options).fit(known, test=sparse.csr_array(np.ones((3, 4))))


def test_a_run_of_a_given_split_goes_on_is_measured_and_recommends(call, tmp_path, rng):
    train, test = {}, {}
    for u in range(60):
        own = rng.permutation(40)
        train[u], test[u] = own[: 8 + u % 5].tolist(), own[20:23].tolist()
    files = lists(tmp_path / "train.txt", train), lists(tmp_path / "test.txt", test)
    out = tmp_path / "run"
    flags = ("--d", 4, "--max-epochs", 2, "--out", out)
    done = call("train", "--split", "given", "--train", files[0], "--test", files[1], *flags)
    assert done.returncode == 0, done.stderr
    assert "split     given: 60 training" in done.stdout and "coverage@20" in done.stdout
    again = call("train", "--resume", "--out", out, "--max-epochs", 3)
    assert again.returncode == 0 and "resume    after epoch 2" in again.stdout
    measured = call("evaluate", "--run", out, "--at", 5, "--metrics", "recall_all", "coverage")
    assert "recall_all@5" in measured.stdout and "coverage@5" in measured.stdout
    assert call("evaluate", "--run", out, "--metrics", "coverage").returncode == 0
    listed = call("recommend", "--run", out, "--user", "7", "--n", 40)
    known = {str(i) for i in train[7] + test[7]}
    assert known.isdisjoint(row.split(",")[1] for row in listed.stdout.splitlines()[1:])
    # the file of the test moves, then changes
    (tmp_path / "test.txt").rename(tmp_path / "elsewhere.txt")
    gone = call("evaluate", "--run", out)
    assert gone.returncode == 2 and "--test" in gone.stderr
    moved = ("train", "--resume", "--out", out, "--test", tmp_path / "elsewhere.txt")
    assert call(*moved).returncode == 0
    with open(tmp_path / "elsewhere.txt", "a") as file:
        file.write("59 39 38 37 36 35 34 33 32 31\n")
    changed = call("evaluate", "--run", out)
    assert changed.returncode == 2 and "made from other data" in changed.stderr
