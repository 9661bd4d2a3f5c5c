"""Strong generalisation: whole users are held out, and a part of each one's items is hidden.

A held-out user's remaining items are the fold-in: what the model is given to recommend from. The
hidden items are what a recommendation is judged by.
"""

import re
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from macrid.data.adoptions import Interactions, csr_of_rows
from macrid.errors import UserError

AUTHORS_SEED = 98765
HELD_OUT_SHARE = 0.2
MIN_SCORED_ITEMS = 5  # users with fewer keep all items as fold-in and are not scored


@dataclass(frozen=True)
class HeldOut:
    """n held-out users.

    users     (n,) indices into Interactions.users
    fold_in   (n, M) CSR float32: the items that are shown to the model
    held_out  (n, M) CSR float32: the items that are hidden from it
    """

    users: np.ndarray
    fold_in: sparse.csr_array
    held_out: sparse.csr_array


@dataclass(frozen=True)
class Split:
    """Training users, two groups of held-out users, and what was dropped.

    train             (N, M) CSR float32: the training users' adoptions
    train_users       (N,) indices into Interactions.users
    items             (M,) indices into Interactions.items: those that a training user adopted
    validation, test  the held-out users
    unseen            {"validation": n, "test": n}: how many of their adoptions were dropped, as no
                      training user adopted the item
    """

    train: sparse.csr_array
    train_users: np.ndarray
    items: np.ndarray
    validation: HeldOut
    test: HeldOut
    unseen: dict[str, int]


def split(interactions: Interactions, how: str, seed: int) -> Split:
    """Split by `how`: 'holdout', 'kfold:F/N' (fold F of N over all users), 'authors' or 'all'.

    >>> split(interactions, "kfold:0/10", seed=0).test.fold_in.shape
    (200, 1500)
    """
    if how == "holdout":
        return holdout(interactions, seed)
    if how == "authors":
        return authors(interactions)
    if how == "all":
        return everyone(interactions)
    match = re.fullmatch(r"kfold:(\d{1,9})/(\d{1,9})", how)
    if not match:
        raise UserError(
            f"split is '{how}', expected holdout, kfold:F/N (such as kfold:0/10), authors or all"
        )
    fold, folds = int(match[1]), int(match[2])
    if folds < 3 or fold >= folds:
        raise UserError(
            f"split is '{how}', expected kfold:F/N with N of at least 3 and F from 0 to N-1"
        )
    if folds > (N := interactions.X.shape[0]):
        raise UserError(f"split is '{how}', but there are {N:,} users; lower the number of folds")
    return kfold(interactions, fold, folds, seed)


def holdout(interactions: Interactions, seed: int) -> Split:
    """A tenth of the users for validation, a tenth for test, by a seeded shuffle."""
    return kfold(interactions, 9, 10, seed)


def kfold(interactions: Interactions, fold: int, folds: int, seed: int) -> Split:
    """Fold `fold` of the shuffled users is for test, the one before for validation."""
    rng = np.random.default_rng(seed)
    N = interactions.X.shape[0]
    parts = np.array_split(rng.permutation(N), folds)
    test, validation = np.sort(parts[fold]), np.sort(parts[fold - 1])
    train = np.setdiff1d(np.arange(N), np.concatenate([test, validation]))
    return _assemble(interactions, train, validation, test, rng, rng)


def authors(interactions: Interactions) -> Split:
    """The procedure that the paper's authors published, draw by draw, with NumPy's legacy seeds.

    Users in order of first appearance are shuffled; the last tenth (rounded down) is for test, the
    tenth before it for validation. Items stand in order of first appearance among training users.
    Re-seeded before validation and before test, users in ascending id draw int(0.2 n) of their
    n >= 5 items, in the file's order, as held out.
    """
    N = interactions.X.shape[0]
    order = np.random.RandomState(AUTHORS_SEED).permutation(N)
    tenth = N // 10
    train, validation, test = np.split(order, [N - 2 * tenth, N - tenth])
    return _assemble(
        interactions,
        np.sort(train),
        _by_id(validation, interactions.users),
        _by_id(test, interactions.users),
        np.random.RandomState(AUTHORS_SEED),
        np.random.RandomState(AUTHORS_SEED),
    )


def everyone(interactions: Interactions) -> Split:
    """All users train and no one is held out: for a model that is put to use, without a figure."""
    users = np.arange(interactions.X.shape[0])
    items, column = _numbered(interactions.X)
    train = _sorted_csr(_rows(interactions.X, users, column), len(items))
    no_one = _hide([], len(items), users[:0], None)
    return Split(train, users, items, no_one, no_one, {"validation": 0, "test": 0})


def _assemble(interactions, train_users, validation_users, test_users, validation_rng, test_rng):
    """The `Split` of these users; the generators draw what is hidden."""
    X = interactions.X
    if min(len(train_users), len(validation_users), len(test_users)) == 0:
        raise UserError(
            f"{X.shape[0]} users are left, too few to split into training, validation and test: at"
            " least 10 are needed; lower min_user_items or min_rating, or bring more data"
        )

    items, column = _numbered(X[train_users])
    train = _sorted_csr(_rows(X, train_users, column), len(items))
    held, unseen = {}, {}
    for name, users, rng in (
        ("validation", validation_users, validation_rng),
        ("test", test_users, test_rng),
    ):
        all_rows = _rows(X, users, column)
        unseen[name] = int(sum((row < 0).sum() for row in all_rows))
        held[name] = _hide([row[row >= 0] for row in all_rows], len(items), users, rng)
    for name, part in held.items():
        if part.held_out.nnz == 0:
            raise UserError(
                f"no {name} user has {MIN_SCORED_ITEMS} items or more, so nothing can be scored;"
                " bring more data"
            )
    return Split(train, train_users, items, held["validation"], held["test"], unseen)


def _numbered(X):
    """The items that some user of X has, by first appearance, and the number of each, or -1."""
    _, first = np.unique(X.indices, return_index=True)
    items = X.indices[np.sort(first)]
    column = np.full(X.shape[1], -1)
    column[items] = np.arange(len(items))
    return items, column


def _rows(X, users, column):
    """Each user's items as numbers, in the file's order, -1 for those that have none."""
    return [column[X.indices[X.indptr[u] : X.indptr[u + 1]]] for u in users]


def _hide(rows, M, users, rng):
    """The `HeldOut` of users whose items are `rows`: a fifth of each, drawn by `rng`, is hidden."""
    fold_in, held_out = [], []
    for row in rows:
        hidden = np.zeros(len(row), bool)
        if len(row) >= MIN_SCORED_ITEMS:
            size = int(HELD_OUT_SHARE * len(row))
            hidden[rng.choice(len(row), size=size, replace=False)] = True
        fold_in.append(row[~hidden])
        held_out.append(row[hidden])
    return HeldOut(users, _sorted_csr(fold_in, M), _sorted_csr(held_out, M))


def _sorted_csr(rows, M):
    return csr_of_rows([np.sort(row) for row in rows], M)


def _by_id(users, ids):
    """Users in ascending order of their ids: whole numbers by value, before all others by text."""

    def key(u):
        return (0, int(ids[u]), "") if ids[u].isdecimal() else (1, 0, ids[u])

    return np.array(sorted(users, key=key), dtype=int)
