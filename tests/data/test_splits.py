"""Strong generalisation: nobody's hidden items are seen, and the authors' procedure gives their
numbers.
"""

import hashlib

import numpy as np
import pytest

from macrid import data
from macrid.data import times
from macrid.data.splits import split
from macrid.errors import UserError


@pytest.fixture
def interactions(rng):
    rows = [
        (f"u{u}", f"i{i}")
        for u in range(40)
        for i in rng.choice(60, rng.integers(3, 30), replace=False)
    ]
    return data.from_pairs(*zip(*rows))


@pytest.mark.parametrize("how", ["holdout", "kfold:0/5", "kfold:4/5", "authors"])
def test_every_adoption_is_in_one_place_or_counted_as_dropped(interactions, how):
    s = split(interactions, how, 3)
    groups = [s.train_users, s.validation.users, s.test.users]
    assert sorted(np.concatenate(groups)) == list(range(40))
    parts = [s.train, s.validation.fold_in, s.validation.held_out, s.test.fold_in, s.test.held_out]
    assert sum(part.nnz for part in parts) + sum(s.unseen.values()) == interactions.X.nnz
    assert (s.train.sum(axis=0) > 0).all(), "items are those that a training user adopted"
    original = interactions.X[:, s.items].toarray()
    np.testing.assert_array_equal(s.train.toarray(), original[s.train_users])
    for part in (s.validation, s.test):
        both = part.fold_in.toarray() + part.held_out.toarray()
        np.testing.assert_array_equal(
            both, original[part.users]
        )  # 0/1: fold-in and held-out never overlap
        n, hidden = both.sum(axis=1), part.held_out.toarray().sum(axis=1)
        np.testing.assert_array_equal(hidden, np.where(n >= 5, np.floor(0.2 * n), 0))


def test_folds_cover_all_users_once_and_share_one_shuffle(interactions):
    folds = [split(interactions, f"kfold:{f}/5", 3) for f in range(5)]
    assert sorted(np.concatenate([s.test.users for s in folds])) == list(range(40))
    for f in range(5):
        np.testing.assert_array_equal(folds[f].validation.users, folds[f - 1].test.users)


def test_the_seed_decides(interactions):
    first, again, other = (split(interactions, "holdout", seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.test.users, again.test.users)
    np.testing.assert_array_equal(first.test.held_out.toarray(), again.test.held_out.toarray())
    assert list(first.test.users) != list(other.test.users)


@pytest.mark.parametrize("how", ["kfold:5/5", "kfold:0/2", "kfold", "random", "kfold:-1/5"])
def test_unknown_splits_are_refused(interactions, how):
    with pytest.raises(UserError, match="split is"):
        split(interactions, how, 0)


def test_too_few_users_are_refused():
    with pytest.raises(UserError, match="too few to split"):
        split(data.from_pairs(list("aaabbbccc"), list("xyzxyzxyz")), "holdout", 0)


def test_the_authors_split_of_movielens_small(movielens):
    """The counts that the paper's published procedure gives with at least 15 ratings."""
    s = split(data.load(movielens, min_user_items=15), "authors", 0)
    assert s.train.shape == (425, 5297) and s.train.nnz == 36954
    assert (s.validation.fold_in.nnz, s.validation.held_out.nnz) == (4684, 1144)
    assert (s.test.fold_in.nnz, s.test.held_out.nnz) == (3197, 772)
    assert len(s.validation.users) == len(s.test.users) == 53


def test_the_authors_split_equals_an_independent_plain_computation(movielens):
    """Their script in plain Python over the rows of the file, with global legacy seeding as they
    did.
    """
    import csv

    with open(movielens / "ratings.csv", newline="") as file:
        rows = [
            (int(r["userId"]), r["movieId"])
            for r in csv.DictReader(file)
            if float(r["rating"]) >= 4
        ]
    count = {}
    for user, _ in rows:
        count[user] = count.get(user, 0) + 1
    rows = [row for row in rows if count[row[0]] >= 15]
    users = np.array(list(dict.fromkeys(user for user, _ in rows)))
    state = np.random.get_state()
    np.random.seed(98765)
    users = users[np.random.permutation(len(users))]
    tenth = int(len(users) * 0.1)
    train, test = set(users[: len(users) - 2 * tenth]), set(users[-tenth:])
    items = list(dict.fromkeys(item for user, item in rows if user in train))
    known, held = set(items), set()
    np.random.seed(98765)
    for user in sorted(test):
        own = [item for u, item in rows if u == user and item in known]
        if len(own) >= 5:
            held |= {
                (user, own[j])
                for j in np.random.choice(len(own), size=int(0.2 * len(own)), replace=False)
            }
    np.random.set_state(state)

    interactions = data.load(movielens, min_user_items=15)
    s = split(interactions, "authors", 0)
    assert [str(item) for item in interactions.items[s.items]] == items
    ours = s.test.held_out.tocoo()
    assert {
        (int(interactions.users[s.test.users[u]]), items[i]) for u, i in zip(ours.row, ours.col)
    } == held


def test_the_authors_published_lists(movielens):
    """With users of five ratings and more, as their repository has it (commit 5efefff, users.txt
    and items.txt of ml-latest-small): 603 users in their order, 5,660 items in theirs, by hashes
    of the lists. Theirs were compared with ours when the hashes were taken: all users, the end of
    the items and their file's length, and 516 pairs of test_te.txt, which are numbered by both.
    """
    interactions = data.load(movielens, min_user_items=5)
    s = split(interactions, "authors", 0)
    order = np.random.RandomState(98765).permutation(len(interactions.users))
    users = [str(interactions.users[u]) for u in order]
    items = [str(interactions.items[i]) for i in s.items]
    assert (len(users), len(items)) == (603, 5660)
    assert sorted(order[-60:]) == sorted(s.test.users)
    assert sorted(order[-120:-60]) == sorted(s.validation.users)
    assert sha256_of(users) == "e764a07d1f77184e50dd27adaf2d8034a3434b54f3b329ef78ef97ef60cb241f"
    assert sha256_of(items) == "33e12b1beb913ecf5ce696dfbbedd729f2c1638f41d3ef86a24bc6269cd56e2c"
    assert (s.test.fold_in.nnz, s.test.held_out.nnz) == (3879, 935)


def sha256_of(ids):
    """Of the ids, a line each."""
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()


# By time, and as given: users of the training are scored


@pytest.fixture
def timed(rng, tmp_path):
    """Users who come at some time and go on; items that come at some time; in a random order."""
    rows = []
    for u in range(60):
        first = rng.integers(0, 80)
        for day in rng.integers(first, 100, rng.integers(5, 25)):
            rows.append((f"u{u}", f"i{rng.integers(0, min(60, 10 + day))}", int(day)))
    rows = [rows[k] for k in rng.permutation(len(rows))]
    path = tmp_path / "log.csv"
    path.write_text("user,item,day\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows))
    first: dict = {}
    for u, i, t in rows:
        first[u, i] = min(t, first.get((u, i), t))
    return data.load(path, min_user_items=1, times=True), first


def pairs_of(interactions, s, matrix, users):
    X = matrix.tocoo()
    names = interactions.users[users], interactions.items[s.items]
    return set(zip(names[0][X.row].tolist(), names[1][X.col].tolist()))


@pytest.mark.parametrize("how", ["temporal:45", "temporal:.1", "temporal:.3"])
def test_what_is_known_came_before_and_what_is_hidden_later(timed, how):
    """Against sets of pairs, made from the rows by the definition."""
    interactions, day = timed
    s = split(interactions, how, 0)
    days = sorted(day.values())

    def last(of, share):
        return of[min(int((1 - share) * len(of)), len(of) - 1)]

    share = float(how.partition(":")[2])
    test_from = last(days, share) if share < 1 else share
    validation_from = last([t for t in days if t < test_from], 0.1)
    assert s.note == f"validation from {validation_from}, test from {test_from:g}"
    train = {pair for pair, t in day.items() if t < validation_from}
    items = {i for _, i in train}
    assert pairs_of(interactions, s, s.train, s.train_users) == train
    assert set(interactions.items[s.items]) == items
    for name, start, end in (
        ("validation", validation_from, test_from),
        ("test", test_from, days[-1] + 1),
    ):
        part = getattr(s, name)
        known = {pair for pair, t in day.items() if t < start and pair[1] in items}
        later = {pair for pair, t in day.items() if start <= t < end}
        old = {u for u, _ in known}
        scored = {u for u, _ in later} & old
        assert set(interactions.users[part.users]) == scored
        of_scored = {pair for pair in later if pair[0] in scored}
        hidden = {pair for pair in of_scored if pair[1] in items}
        assert pairs_of(interactions, s, part.held_out, part.users) == hidden
        assert pairs_of(interactions, s, part.fold_in, part.users) == {
            pair for pair in known if pair[0] in scored
        }
        assert s.unseen[name] == len(of_scored - hidden)
        assert s.new_users[name] == len({u for u, _ in later} - old)
    assert share < 1 or (s.new_users["test"] and s.unseen["test"]), "the test tests nothing"


def test_the_seed_does_not_matter_by_time(timed):
    a, b = (split(timed[0], "temporal:.2", seed) for seed in (0, 1))
    assert (a.test.held_out != b.test.held_out).nnz == 0


@pytest.mark.parametrize(
    "how, message",
    [
        ("temporal", "expected temporal:DATE"),
        ("temporal:", "expected temporal:DATE"),
        ("temporal:0", "expected temporal:DATE"),
        ("temporal:-1", "expected temporal:DATE"),
        ("temporal:nan", "expected temporal:DATE"),
        ("temporal:soon", "the date of split is 'soon', expected seconds since 1970"),
        ("temporal:2020-01-01", "but the times go from 6 to 99; give one of that kind"),
        ("temporal:1000", "the adoptions go from 6 to 99: there must be some before it"),
        ("given", "nothing says which adoptions are for the test"),
    ],
)
def test_impossible_times_are_one_line(timed, how, message):
    with pytest.raises(UserError, match=message):
        split(timed[0], how, 0)


def test_without_times_there_is_no_split_by_time(interactions):
    with pytest.raises(UserError, match="these data have no times; give a file or a table"):
        split(interactions, "temporal:.1", 0)


def test_by_time_on_movielens(movielens):
    read = data.load(movielens, times=True)
    s = split(read, "temporal:2016-01-01", 0)
    X, t = read.X, read.times
    u = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    border = times.instant("2016-01-01", "split", t)
    assert s.train.nnz + s.validation.held_out.nnz < (t < border).sum()
    for row, user in enumerate(s.test.users):
        hidden = s.items[s.test.held_out[[row]].indices]
        own, when = X.indices[u == user], t[u == user]
        assert set(hidden) <= set(own[when >= border])
        assert set(s.items[s.test.fold_in[[row]].indices]) <= set(own[when < border])
