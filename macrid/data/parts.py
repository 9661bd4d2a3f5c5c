"""The parts of a split that somebody has made, joined to one `Interactions` that says which is
which.
"""

from dataclasses import replace

import numpy as np
from scipy import sparse

from macrid.data.adoptions import Interactions, csr_of_ones, with_categories
from macrid.data.splits import TEST, TRAIN, VALIDATION
from macrid.errors import UserError

NAMES = {VALIDATION: "validation", TEST: "test"}


def joined(
    train: Interactions, validation: Interactions | None, test: Interactions
) -> Interactions:
    """All adoptions of the parts, in `parts` which of them each is; a pair counts once, where it
    comes first: what the training has is no test.

    Users and items stand in the order of their first appearance, those of the training first.

    >>> joined(train, None, test).parts
    array([0, 0, 2], dtype=uint8)
    """
    present = {TRAIN: train, VALIDATION: validation, TEST: test}
    of_parts = {part: data for part, data in present.items() if data is not None}
    if len({data.matrix_columns for data in of_parts.values()}) > 1:
        raise UserError(
            "the matrices of the given split have different numbers of columns, or only some parts"
            " are matrices; give all of them in one form"
        )
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    columns = []
    for part, data in of_parts.items():
        user, item = _numbers(users, data.users), _numbers(items, data.items)
        u = np.repeat(user, np.diff(data.X.indptr))
        columns.append((u, item[data.X.indices], np.full(len(u), part, np.uint8)))
    u, i, part_of = map(np.concatenate, zip(*columns))

    # a pair once, rows in the order of the parts
    N, M = len(users), len(items)
    _, first = np.unique(u * M + i, return_index=True)
    first = first[np.lexsort((first, u[first]))]
    repeated = len(u) - len(first)
    u, i, part_of = u[first], i[first], part_of[first]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(u, minlength=N))])
    X = csr_of_ones(i, indptr, (N, M))
    refused = _refused(of_parts, users, items, X)
    given_back = {} if refused is None else {"given_back": refused.nnz}
    together = Interactions(
        X,
        np.array(list(users)),
        np.array(list(items)),
        parts=part_of,
        refused=refused,
        matrix_columns=train.matrix_columns,
        report=_report(of_parts, repeated) | given_back,
    )
    return _with_names(together, of_parts)


def _numbers(known, names):
    """The numbers of names, new ones counted on from those known: (n,)."""
    return np.array([known.setdefault(name, len(known)) for name in names.tolist()], int)


def _refused(of_parts, users, items, X):
    """What is given back in a part, less what is adopted in another; None if that is nothing."""
    refused = sparse.csr_array(X.shape, dtype=X.dtype)
    for data in of_parts.values():
        if data.refused is not None:
            own = data.refused[: len(data.users)].tocoo()
            pairs = (_numbers(users, data.users)[own.row], _numbers(items, data.items)[own.col])
            refused += sparse.csr_array((own.data, pairs), shape=X.shape)
    refused.data[:] = 1  # a pair of several parts
    refused = sparse.csr_array(refused - refused.multiply(X))
    refused.eliminate_zeros()
    return refused if refused.nnz else None


def _report(of_parts, repeated):
    """The report of the training, with what is to be said of the other parts."""
    report = of_parts[TRAIN].report
    remarks = list(report.get("remarks", []))
    for part, name in NAMES.items():
        if part in of_parts:
            data = of_parts[part]
            remarks.append(f"{name}: {data.X.nnz:,} adoptions of {data.X.shape[0]:,} users")
    if repeated:
        remarks.append(
            f"warning: {repeated:,} pairs are in more than one part of the given split; they count"
            " for the first of training, validation, test"
        )
    return report | {"remarks": remarks, "given_back": 0}


def _with_names(together, of_parts):
    """The joined interactions with the titles and categories that the parts bring."""
    titles: dict[str, str] = {}
    categories: dict[str, list[str]] = {}
    for data in of_parts.values():
        names = data.items.tolist()
        if data.titles is not None:
            titles |= dict(zip(names, data.titles.tolist()))
        if data.categories is not None:
            G, indptr = np.array(data.category_names), data.categories.indptr
            rows = np.split(data.categories.indices, indptr[1:-1])
            categories |= {name: G[row].tolist() for name, row in zip(names, rows)}
    items = together.items.tolist()
    if titles:
        together = replace(together, titles=np.array([titles.get(name, name) for name in items]))
    if categories:
        together = with_categories(together, [categories.get(name, []) for name in items])
    return together
