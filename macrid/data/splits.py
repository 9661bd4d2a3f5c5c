"""What training sees, and for each user who is scored which items are known and which are hidden.

The known items are the fold-in: what the model is given to recommend from, and never recommends.
The hidden items are what a recommendation is judged by. Who the users are is the split's affair:

strong  'holdout', 'kfold:F/N', 'authors': whole users are held out, and a part of each one's items
        is hidden
weak    'temporal:DATE', 'given': users of the training are scored by items of theirs that it has
        not seen, as they are later, or as a file says
"""

import re
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from macrid.data import times
from macrid.data.adoptions import Interactions, csr_of_rows
from macrid.errors import UserError

AUTHORS_SEED = 98765
HELD_OUT_SHARE = 0.2
VALIDATION_SHARE = 0.1  # of the adoptions before the test
MOST_VALIDATION_USERS = 5000  # of a given split: enough to choose an epoch by
TRAIN, VALIDATION, TEST = 0, 1, 2  # `Interactions.parts`
MIN_SCORED_ITEMS = 5  # users with fewer keep all items as fold-in and are not scored


@dataclass(frozen=True)
class HeldOut:
    """n users who are scored, of the training or not.

    users     (n,) indices into Interactions.users
    fold_in   (n, M) CSR float32: the items that are known
    held_out  (n, M) CSR float32: the items that are hidden
    """

    users: np.ndarray
    fold_in: sparse.csr_array
    held_out: sparse.csr_array


@dataclass(frozen=True)
class Split:
    """What training sees, two groups of users who are scored, and what was dropped.

    train             (N, M) CSR float32: the training users' adoptions
    train_users       (N,) indices into Interactions.users
    items             (M,) indices into Interactions.items: those that a training user adopted
    validation, test  the users who are scored
    unseen            {"validation": n, "test": n}: how many of their adoptions were dropped, as no
                      training user adopted the item
    new_users         the same for users who are not scored, as nothing is known of them
    note              a line on where the split lies, or ''
    """

    train: sparse.csr_array
    train_users: np.ndarray
    items: np.ndarray
    validation: HeldOut
    test: HeldOut
    unseen: dict[str, int]
    new_users: dict[str, int] = field(default_factory=dict)
    note: str = ""


def needs_times(how: str) -> bool:
    """Whether a split goes by the time of adoptions.

    >>> needs_times("temporal:.1")
    True
    """
    return how.startswith("temporal")


def is_weak(how: str) -> bool:
    """Whether a split scores users of the training.

    >>> is_weak("given"), is_weak("kfold:0/10")
    (True, False)
    """
    return how == "given" or needs_times(how)


def split(interactions: Interactions, how: str, seed: int) -> Split:
    """Split by `how`, which says as well where the parts lie:

    holdout, kfold:F/N       `holdout`, fold F of N by `kfold`
    authors                  `authors`
    temporal:DATE or :SHARE  `temporal`, from a date on, or the last share of the adoptions
    all                      `everyone`
    given                    `given`, by `Interactions.parts`

    >>> split(interactions, "kfold:0/10", seed=0).test.fold_in.shape
    (200, 1500)
    """
    if how == "holdout":
        return holdout(interactions, seed)
    if how == "authors":
        return authors(interactions)
    if how == "all":
        return everyone(interactions)
    if how == "given":
        return given(interactions, seed)
    if needs_times(how):
        return temporal(interactions, how)
    match = re.fullmatch(r"kfold:(\d{1,9})/(\d{1,9})", how)
    if not match:
        raise UserError(
            f"split is '{how[:200]}', expected holdout, kfold:F/N (such as kfold:0/10), authors,"
            " temporal:DATE, temporal:SHARE (such as temporal:.1), given or all"
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
    items, column = _numbered(interactions.X.indices, interactions.X.shape[1])
    train = _sorted_csr(_rows(interactions.X, users, column), len(items))
    no_one = _hide([], len(items), users[:0], None)
    return Split(train, users, items, no_one, no_one, {"validation": 0, "test": 0})


def temporal(interactions: Interactions, how: str) -> Split:
    """Training is what came before, each user's later items are hidden: `how` is 'temporal:DATE',
    or 'temporal:SHARE' for the last share of all adoptions.

    Validation is the last tenth of what came before; training ends where it begins. To recommend
    for the test, a user's items of all that time are known.

    >>> temporal(interactions, "temporal:2025-04-01").note
    'validation from 2025-03-24T12:04:11, test from 2025-04-01'
    """
    t = interactions.times
    if t is None:
        raise UserError(
            f"split is '{how[:200]}', but these data have no times; give a file or a table with a"
            " column of them, or another split"
        )
    text = how.partition(":")[2]
    try:
        share = float(text)
    except ValueError:
        share = 1.0  # a date
    if not text or not share > 0:
        raise UserError(
            f"split is '{how[:200]}', expected temporal:DATE, such as temporal:2025-04-01, or"
            " temporal:SHARE with a share between 0 and 1, such as temporal:.1"
        )
    test_from = _last(t, share) if share < 1 else times.instant(text, "the date of split", t)
    if not (t < test_from).any() or not (t >= test_from).any():
        first, last = times.in_words(t.min()), times.in_words(t.max())
        raise UserError(
            f"split is '{how[:200]}', but the adoptions go from {first} to {last}: there must be"
            " some before it and some later"
        )
    validation_from = _last(t[t < test_from], VALIDATION_SHARE)
    parts = np.where(t < validation_from, TRAIN, np.where(t < test_from, VALIDATION, TEST))
    begins = times.in_words(validation_from), times.in_words(test_from)
    return _by_parts(interactions, parts, "validation from {}, test from {}".format(*begins))


def given(interactions: Interactions, seed: int) -> Split:
    """By `Interactions.parts`, as the files of training, validation and test had them.

    Where nothing was given for validation, a tenth of the training adoptions of up to
    `MOST_VALIDATION_USERS` users with 5 or more is drawn for it, by the seed; no item loses its
    only training adoption. What is hidden that the training has too is not hidden.
    """
    if interactions.parts is None:
        raise UserError(
            "split is 'given', but nothing says which adoptions are for the test; give their file"
            " (--test FILE), or another split"
        )
    parts = interactions.parts
    note = ""
    if not (parts == VALIDATION).any():
        parts = _with_validation(interactions.X, parts, np.random.default_rng(seed))
        note = "validation: a tenth of the training adoptions, drawn"
        if not (parts == VALIDATION).any():
            raise UserError(
                f"no user of the given split has {MIN_SCORED_ITEMS} training items or more, so"
                " nothing can be drawn for validation; give its items as validation (--validation"
                " FILE)"
            )
    return _by_parts(interactions, parts, note)


def _last(t, share):
    """The time from which on the last `share` of the times t lie, more where several are one."""
    return np.sort(t)[min(int((1 - share) * len(t)), len(t) - 1)]


def _with_validation(X, parts, rng):
    """The parts with some of each user's training adoptions for validation."""
    parts = parts.copy()
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    trained = np.flatnonzero(parts == TRAIN)
    u, i = rows[trained], X.indices[trained]
    n = np.bincount(u, minlength=X.shape[0])
    users = np.flatnonzero(n >= MIN_SCORED_ITEMS)
    is_drawn = np.zeros(X.shape[0], bool)
    is_drawn[rng.permutation(users)[:MOST_VALIDATION_USERS]] = True

    # of each of these users' adoptions in a random order, the first tenth
    order = np.lexsort((rng.random(len(u)), u))
    place = np.arange(len(u)) - np.concatenate([[0], np.cumsum(n)])[u[order]]
    hidden = order[is_drawn[u[order]] & (place < np.floor(VALIDATION_SHARE * n + 0.5)[u[order]])]

    # an item keeps one adoption
    left = np.bincount(np.delete(i, hidden), minlength=X.shape[1])
    of_item = i[hidden]
    _, first = np.unique(of_item, return_index=True)
    hidden = np.delete(hidden, first[left[of_item[first]] == 0])
    parts[trained[hidden]] = VALIDATION
    return parts


def _by_parts(interactions, parts, note):
    """The `Split` whose training is part 0, and that hides part 1 and then part 2 from users of
    whom something earlier is known.
    """
    X = interactions.X
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    items, column = _numbered(X.indices[parts == TRAIN], X.shape[1])
    columns = column[X.indices]

    def matrix(users, chosen):
        """Which of the chosen adoptions these users have, as CSR."""
        kept = np.flatnonzero(chosen & (columns >= 0))
        pairs = (np.ones(len(kept), np.float32), (rows[kept], columns[kept]))
        found = sparse.csr_array(pairs, shape=(X.shape[0], len(items)))[users]
        found.sort_indices()
        return found

    train_users = np.unique(rows[parts == TRAIN])
    held, unseen, new_users = {}, {}, {}
    for name, part in (("validation", VALIDATION), ("test", TEST)):
        is_hidden, is_known = parts == part, (parts < part) & (columns >= 0)
        users, known = np.unique(rows[is_hidden]), np.unique(rows[is_known])
        scored = np.intersect1d(users, known)
        held[name] = HeldOut(scored, matrix(scored, is_known), matrix(scored, is_hidden))
        is_scored = np.isin(rows, scored)
        unseen[name] = int((is_hidden & is_scored & (columns < 0)).sum())
        new_users[name] = len(users) - len(scored)
        if held[name].held_out.nnz == 0:
            raise UserError(
                f"no user of whom something is known has an item for {name} that the training has"
                " too, so nothing can be scored; split elsewhere, or bring more data"
            )
    train = matrix(train_users, parts == TRAIN)
    return Split(
        train, train_users, items, held["validation"], held["test"], unseen, new_users, note
    )


def _assemble(interactions, train_users, validation_users, test_users, validation_rng, test_rng):
    """The `Split` of these users; the generators draw what is hidden."""
    X = interactions.X
    if min(len(train_users), len(validation_users), len(test_users)) == 0:
        raise UserError(
            f"{X.shape[0]} users are left, too few to split into training, validation and test: at"
            " least 10 are needed; lower min_user_items or min_rating, or bring more data"
        )

    items, column = _numbered(X[train_users].indices, X.shape[1])
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


def _numbered(adopted, M):
    """The different items adopted, by first appearance, and the number of each of M, or -1."""
    _, first = np.unique(adopted, return_index=True)
    items = adopted[np.sort(first)]
    column = np.full(M, -1)
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
