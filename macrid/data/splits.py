"""Strong generalisation: whole users are held out, and part of each held-out user's items is
hidden.

A held-out user's remaining items are the fold-in: what the model is given to recommend from. Hidden
items are what a recommendation is judged by.
"""

import re
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from macrid.errors import UserError

AUTHORS_SEED = 98765
HELD_OUT_SHARE = 0.2
MIN_SCORED_ITEMS = 5  # users with fewer keep all items as fold-in and are not scored


@dataclass(frozen=True)
class HeldOut:
    """Users (indices into Interactions.users) with fold_in and held_out items, both (n, M) CSR
    float32.
    """

    users: np.ndarray
    fold_in: sparse.csr_array
    held_out: sparse.csr_array


@dataclass(frozen=True)
class Split:
    """Training users' matrix (N, M), the two groups of held-out users, and what was dropped.

    items      (M,) indices into Interactions.items: those that some training user adopted
    unseen     a dict: held-out users' adoptions of items that no training user adopted, dropped
    """

    train: sparse.csr_array
    train_users: np.ndarray
    items: np.ndarray
    validation: HeldOut
    test: HeldOut
    unseen: dict


def split(interactions, how, seed):
    """Split by `how`: 'holdout', 'kfold:F/N' (fold F of N over all users) or 'authors'."""
    if how == "holdout":
        return holdout(interactions, seed)
    if how == "authors":
        return authors(interactions)
    match = re.fullmatch(r"kfold:(\d+)/(\d+)", how)
    if not match:
        raise UserError(
            f"split is '{how}', expected holdout, kfold:F/N (such as kfold:0/10) or authors"
        )
    fold, folds = int(match[1]), int(match[2])
    if folds < 3 or fold >= folds:
        raise UserError(
            f"split is '{how}', expected kfold:F/N with N of at least 3 and F from 0 to N-1"
        )
    return kfold(interactions, fold, folds, seed)


def holdout(interactions, seed):
    """A tenth of the users for validation, a tenth for test, by a seeded shuffle."""
    return kfold(interactions, 9, 10, seed)


def kfold(interactions, fold, folds, seed):
    """Fold `fold` of the shuffled users is the test set, the fold before it validation, all others
    train.
    """
    rng = np.random.default_rng(seed)
    parts = np.array_split(rng.permutation(interactions.X.shape[0]), folds)
    test, validation = parts[fold], parts[fold - 1]
    held = np.isin(np.arange(interactions.X.shape[0]), np.concatenate([test, validation]))
    return _assemble(
        interactions, np.flatnonzero(~held), np.sort(validation), np.sort(test), rng, rng
    )


def authors(interactions):
    """The procedure that the paper's authors published, reproduced draw by draw with legacy NumPy
    seeding.

    Users in order of first appearance are shuffled; the last tenth (rounded down) is the test set,
    the tenth before it validation. Items stand in order of first appearance among training users.
    Re-seeded before validation and before test, users in ascending id draw int(0.2 n) of their n >=
    5 items, in the file's order, as held out.
    """
    N = interactions.X.shape[0]
    order = np.random.RandomState(AUTHORS_SEED).permutation(N)
    tenth = N // 10
    train, validation, test = (
        order[: N - 2 * tenth],
        order[N - 2 * tenth : N - tenth],
        order[N - tenth :],
    )
    rngs = np.random.RandomState(AUTHORS_SEED), np.random.RandomState(AUTHORS_SEED)
    ascending = lambda part: np.array(
        sorted(part, key=lambda u: _ascending(interactions.users[u])), dtype=int
    )  # noqa: E731
    return _assemble(interactions, np.sort(train), ascending(validation), ascending(test), *rngs)


def _assemble(interactions, train_users, validation_users, test_users, validation_rng, test_rng):
    X = interactions.X
    if min(len(train_users), len(validation_users), len(test_users)) == 0:
        raise UserError(
            f"{X.shape[0]} users are left, too few to split into training, validation and test: at"
            " least 10 are needed; lower min_user_items or min_rating, or bring more data"
        )
    _, first = np.unique(X[train_users].indices, return_index=True)
    items = X[train_users].indices[np.sort(first)]  # in order of first appearance
    column = np.full(X.shape[1], -1)
    column[items] = np.arange(len(items))
    unseen = {}

    def rows(users, name):
        """Each user's items as columns of this split, in the file's order."""
        lists = [column[X.indices[X.indptr[u] : X.indptr[u + 1]]] for u in users]
        unseen[name] = int(sum((row < 0).sum() for row in lists))
        return [row[row >= 0] for row in lists]

    def hide(users, rng, name):
        fold_in, held_out = [], []
        for row in rows(users, name):
            hidden = np.zeros(len(row), bool)
            if len(row) >= MIN_SCORED_ITEMS:
                hidden[rng.choice(len(row), size=int(HELD_OUT_SHARE * len(row)), replace=False)] = (
                    True
                )
            fold_in.append(row[~hidden])
            held_out.append(row[hidden])
        return HeldOut(
            np.asarray(users), _matrix(fold_in, len(items)), _matrix(held_out, len(items))
        )

    train = _matrix(rows(train_users, "train"), len(items))
    validation = hide(validation_users, validation_rng, "validation")
    test = hide(test_users, test_rng, "test")
    for name, part in (("validation", validation), ("test", test)):
        if part.held_out.nnz == 0:
            raise UserError(
                f"no {name} user has {MIN_SCORED_ITEMS} items or more, so nothing can be scored;"
                " bring more data"
            )
    del unseen["train"]
    return Split(train, np.asarray(train_users), items, validation, test, unseen)


def _matrix(rows, M):
    """CSR (n, M) of ones from a list of index arrays, columns sorted."""
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    indices = np.concatenate([np.sort(row) for row in rows] + [np.empty(0, int)]).astype(np.int32)
    return sparse.csr_array(
        (np.ones(len(indices), np.float32), indices, indptr), shape=(len(rows), M)
    )


def _ascending(user):
    """Sort key: ids that are whole numbers by value, before all others by text."""
    return (0, int(user), "") if user.isdecimal() else (1, 0, user)
