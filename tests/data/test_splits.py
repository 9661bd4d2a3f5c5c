"""Strong generalisation: nobody's hidden items are seen, and the authors' procedure gives their
numbers.
"""

import numpy as np
import pytest

from macrid import data
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
