"""Outside ids -> rows and columns: whom a caller asks for, and about which item."""

import warnings
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from macrid.data.adoptions import csr_of_rows
from macrid.data.ids import alike, as_id, by_spelling, is_id
from macrid.data.matrix import adoptions
from macrid.data.sources import listed
from macrid.errors import UserError

STRANGERS = "are unknown to the model and get popular items"


class Lookup:
    """Finds users and items by their ids from outside.

    items (M,) and users (N,) are ids, histories (N, M) CSR what each user has. Where they came as a
    matrix, `matrix_columns` is how many columns it had. `min_rating` is that of the training.
    refused (N, M) CSR is what each user has given back.
    """

    def __init__(
        self,
        items: np.ndarray,
        users: np.ndarray,
        histories: sparse.csr_array,
        matrix_columns: int | None = None,
        min_rating: float | None = None,
        refused: sparse.csr_array | None = None,
    ):
        self.histories, self.matrix_columns = histories, matrix_columns
        self.min_rating, self.refused = min_rating, refused
        self.items = {name: i for i, name in enumerate(items.tolist())}
        self.users = {name: u for u, name in enumerate(users.tolist())}

    def item(self, item: Any) -> int:
        """The column of an item.

        >>> lookup.item("tea")
        1
        """
        if (name := as_id(item)) in self.items:
            return self.items[name]
        near = self._items_by_spelling.get(alike(name))
        advice = (
            f"there it is '{near}'" if near else f"its ids look like '{next(iter(self.items))}'"
        )
        raise UserError(f"item '{item}' is unknown to the model; {advice}")

    def user(self, user: Any) -> int:
        """The row of a user.

        >>> lookup.user("ann")
        0
        """
        if (name := as_id(user)) in self.users:
            return self.users[name]
        if near := self._users_by_spelling.get(alike(name)):
            raise UserError(f"user '{user}' is unknown to the model; there it is '{near}'")
        raise UserError(
            f"user '{user}' is unknown to the model; give a history of item ids instead, or an id"
            f" such as '{next(iter(self.users))}'"
        )

    def rows(self, users: Any, strangers: bool = False) -> tuple[sparse.csr_array, bool]:
        """What some users have, as CSR (B, M), and whether one user was asked for.

        `users` is an id, a list of ids, a list of histories (lists of item ids), or a SciPy matrix
        of histories, a row of one dimension being one user. Its columns are those of the matrix
        that the model was trained on, or if that was no matrix, the items (M,) in their order. With
        `strangers` an unknown id is a user who has nothing, and a warning.

        >>> lookup.rows([["tea", "jam"]])[0].toarray()
        array([[1., 1.]], dtype=float32)
        """
        if sparse.issparse(users):
            return self._matrix(users), users.ndim == 1
        if is_id(users):
            return self._known([users], strangers), True
        expected = "an id, a list of ids, a list of histories, or a SciPy matrix"
        several = listed(users, "users", expected)
        ids = [is_id(user) for user in several]
        if all(ids):
            return self._known(several, strangers), False
        if any(ids):
            raise UserError(
                "found ids and histories mixed; give a list of user ids, or a list of lists of"
                " item ids"
            )
        return self._histories(several), False

    def _known(self, users, strangers):
        """The histories of users by their ids."""
        places = [self.users.get(as_id(user), -1) for user in users]
        unknown = [user for user, place in zip(users, places) if place < 0]
        for user in unknown:
            if not strangers or alike(as_id(user)) in self._users_by_spelling:
                self.user(user)  # says what is wrong
        X = _rows(self.histories, places)
        if unknown:
            is_item = as_id(unknown[0]) in self.items
            hint = f", which is an item's id; a history is [['{unknown[0]}']]" * is_item
            warnings.warn(
                f"{len(unknown):,} users {STRANGERS}, such as '{unknown[0]}'{hint}",
                stacklevel=4,
            )
        return X

    def refused_by(self, users: Any) -> sparse.csr_array | None:
        """What users have given back, as CSR (B, M); None of histories, and where it is nothing.

        `users` as for `rows`, which has checked them.

        >>> lookup.refused_by("ann").toarray()
        array([[0., 1.]], dtype=float32)
        """
        if self.refused is None or not self.refused.nnz or sparse.issparse(users):
            return None
        several = [users] if is_id(users) else users
        if not all(map(is_id, several)):
            return None
        refused = _rows(self.refused, [self.users.get(as_id(user), -1) for user in several])
        return refused if refused.nnz else None

    def _matrix(self, matrix):
        """A SciPy matrix of histories with the items as its columns."""
        X = adoptions(matrix, self.min_rating, "the histories")
        expected, whose = len(self.items), "one for each of model.items"
        if self.matrix_columns is not None:
            expected, whose = self.matrix_columns, "as the matrix that the model was trained on"
        if X.shape[1] != expected:
            raise UserError(
                f"the histories have {X.shape[1]} columns, expected {expected}, {whose}"
            )
        if self.matrix_columns is None:
            return X
        item = np.full(expected, -1)
        item[[int(column) for column in self.items]] = list(self.items.values())
        users, columns = X.nonzero()
        known = item[columns] >= 0
        pairs = (users[known], item[columns[known]])
        ones = np.ones(known.sum(), np.float32)
        return sparse.csr_array((ones, pairs), shape=(X.shape[0], len(self.items)))

    def _histories(self, histories):
        """Lists of item ids as rows; a warning says which items are unknown."""
        rows, unknown = [], []
        for history in histories:
            names = [as_id(item) for item in listed(history, "a history", "a list of item ids")]
            rows.append(sorted({self.items[name] for name in names if name in self.items}))
            unknown += [name for name in names if name not in self.items]
        if unknown:
            near = self._items_by_spelling.get(alike(unknown[0]))
            warnings.warn(
                f"{len(unknown)} items of the histories are unknown to the model and left out, such"
                f" as '{unknown[0]}'" + (f", which is '{near}' there" if near else ""),
                stacklevel=4,  # the line that called a method of Recommender
            )
        return csr_of_rows(rows, len(self.items))

    @cached_property
    def _items_by_spelling(self):
        return by_spelling(self.items)

    @cached_property
    def _users_by_spelling(self):
        return by_spelling(self.users)


def _rows(matrix, places):
    """Rows of a CSR matrix, one without anything for each place of -1."""
    X = matrix[np.maximum(places, 0)]
    known = np.array(places) >= 0
    if not known.all():
        X = sparse.csr_array(sparse.diags_array(known.astype(X.dtype)) @ X)
        X.eliminate_zeros()
    return X
