"""Outside ids -> rows and columns: whom a caller asks for, and about which item."""

import warnings
from typing import Any

import numpy as np
from scipy import sparse

from macrid.data.adoptions import csr_of_rows
from macrid.data.in_memory import as_id
from macrid.data.sources import listed
from macrid.errors import UserError


class Lookup:
    """Finds users and items by their ids from outside.

    items (M,) and users (N,) are ids, histories (N, M) CSR what each user has; `fewest` adoptions
    were needed to be one of the users, for error messages.
    """

    def __init__(
        self, items: np.ndarray, users: np.ndarray, histories: sparse.csr_array, fewest: int
    ):
        self.histories, self.fewest = histories, fewest
        self.items = {name: i for i, name in enumerate(items.tolist())}
        self.users = {name: u for u, name in enumerate(users.tolist())}

    def item(self, item: Any) -> int:
        """The column of an item.

        >>> lookup.item("tea")
        1
        """
        if (name := as_id(item)) in self.items:
            return self.items[name]
        example = next(iter(self.items))
        raise UserError(f"item '{item}' is unknown to the model; its ids look like '{example}'")

    def user(self, user: Any) -> int:
        """The row of a user.

        >>> lookup.user("ann")
        0
        """
        if (name := as_id(user)) in self.users:
            return self.users[name]
        raise UserError(
            f"user '{user}' is unknown, or had fewer than {self.fewest} adoptions and was left out;"
            f" give a history of item ids instead, or an id such as '{next(iter(self.users))}'"
        )

    def rows(self, users: Any) -> tuple[sparse.csr_array, bool]:
        """What some users have, as CSR (B, M), and whether it is one user who was asked for by id.

        `users` is an id, a list of ids, a list of histories (lists of item ids), or a SciPy matrix
        (B, M) of histories.

        >>> lookup.rows([["tea", "jam"]])[0].toarray()
        array([[1., 1.]], dtype=float32)
        """
        if sparse.issparse(users):
            return self._matrix(users), False
        if is_id(users):
            return self.histories[[self.user(users)]], True
        expected = "an id, a list of ids, a list of histories, or a SciPy matrix"
        several = listed(users, "users", expected)
        ids = [is_id(user) for user in several]
        if all(ids):
            return self.histories[[self.user(user) for user in several]], False
        if any(ids):
            raise UserError(
                "found ids and histories mixed; give a list of user ids, or a list of lists of"
                " item ids"
            )
        return self._histories(several), False

    def _matrix(self, matrix):
        """A SciPy matrix of histories as sorted ones."""
        if matrix.shape[1] != len(self.items):
            raise UserError(
                f"the histories have {matrix.shape[1]} columns, expected {len(self.items)}, one"
                " for each of model.items"
            )
        X = sparse.csr_array(matrix).astype(np.float32)
        X.eliminate_zeros()
        X.sort_indices()
        X.data[:] = 1
        return X

    def _histories(self, histories):
        """Lists of item ids as rows; a warning says which items are unknown."""
        rows, unknown = [], []
        for history in histories:
            names = [as_id(item) for item in listed(history, "a history", "a list of item ids")]
            rows.append(sorted({self.items[name] for name in names if name in self.items}))
            unknown += [name for name in names if name not in self.items]
        if unknown:
            warnings.warn(
                f"{len(unknown)} items of the histories are unknown to the model and left out, such"
                f" as '{unknown[0]}'",
                stacklevel=4,  # the line that called a method of Recommender
            )
        return csr_of_rows(rows, len(self.items))


def is_id(value: Any) -> bool:
    """Is this one id, and not several or a history?"""
    return isinstance(value, (str, int, float, np.integer, np.floating))
