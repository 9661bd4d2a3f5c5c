r"""Ridge regression of each item on the items nearest to it: EASE for catalogues of any size.

    min_g sum_u (x_ui - sum_j g_ij x_uj)^2 + sum_j (lambda + n_j) g_ij^2      for each item i

over the items j whose adopters, n_j of them, are most like those of i, by the cosine. The penalty
n_j is what it comes to on average to hide half of the x_uj and to double the others:

    E (x_ui - sum_j g_ij 2 delta_uj x_uj)^2 = (x_ui - sum_j g_ij x_uj)^2 + sum_j g_ij^2 x_uj^2

With all other items among them it is EASE (Steck, 2019) with that dropout of 1/2 (Steck, 2020);
with a hundred, M small systems take the place of one of M rows.
"""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from scipy import sparse

from macrid.backend import to_device
from macrid.model.linear import by_nearest
from macrid.npz import Array
from macrid.training import saved
from macrid.training.ridge import REGULARISATIONS, best_for_validation

MOST = 100  # neighbours of an item
SHRINK = 10.0  # of the cosine, where few users speak for it
ITEMS_AT_A_TIME = 256


@dataclass(frozen=True)
class Neighbours:
    """Which items speak for each, and how strongly.

    nearest    (M, n) items, the nearest first; then the item itself, where there are fewer
    influence  (M, n), 0 of the item itself
    """

    form: ClassVar = {
        "nearest": Array("integer", ("M", "n"), 0),
        "influence": saved.array("M", "n"),
        "regularisation": float,
    }

    nearest: np.ndarray
    influence: np.ndarray
    regularisation: float

    @classmethod
    def fit(
        cls,
        X,
        validation=None,
        *,
        regularisation=None,
        neighbours=MOST,
        seed=0,
        xp=np,
        on_epoch=None,
    ) -> "Neighbours":
        """Solve M systems of X (N, M) SciPy CSR, on the host.

        Without a regularisation, for each of `ridge.REGULARISATIONS`, of which the one that ranks
        best for `validation` is kept.
        """
        X = sparse.csr_array(X, dtype=np.float32)
        values = REGULARISATIONS if regularisation is None else (regularisation,)
        nearest = nearest_items(X, neighbours)
        solved = dict(zip(values, _influences(X, nearest, values)))
        on_device = partial(to_device, xp)
        fitted = lambda value: cls(on_device(nearest), on_device(solved[value]), value)
        if regularisation is None:
            trial = lambda value: fitted(value).scores
            regularisation = best_for_validation(trial, validation, "Neighbours")
        return fitted(regularisation)

    def scores(self, X):
        """(B, M), higher is better, for the users of X (B, M) SciPy CSR."""
        return by_nearest(self.nearest, self.influence, X)(slice(None))

    def path(self, gamma: float, dtype: str) -> dict:
        """Gamma times it as `macrid.model.linear` reads it."""
        return {"nearest": self.nearest, "influence": (gamma * self.influence).astype(dtype)}

    save, load = saved.save, classmethod(saved.load)


def nearest_items(X, n: int) -> np.ndarray:
    """The n other items of each with the highest cosine of X (N, M) SciPy CSR: (M, n) int32.

        x_i . x_j / (|x_i| |x_j| + SHRINK)

    The nearest first, of equals the lower; the item itself where fewer share a user with it.
    """
    XT = X.T.tocsr()
    M = XT.shape[0]
    length = np.sqrt(XT.multiply(XT).sum(axis=1))
    nearest = np.repeat(np.arange(M, dtype=np.int32)[:, None], min(n, M - 1), axis=1)
    for start in range(0, M, ITEMS_AT_A_TIME):
        shared = (XT[start : start + ITEMS_AT_A_TIME] @ X).tocsr()
        for row in range(shared.shape[0]):
            i, entries = start + row, slice(shared.indptr[row], shared.indptr[row + 1])
            others, cosine = shared.indices[entries], shared.data[entries]
            cosine = cosine / (length[i] * length[others] + SHRINK)
            others, cosine = others[others != i], cosine[others != i]
            order = np.lexsort((others, -cosine))[:n]
            nearest[i, : len(order)] = others[order]
    return nearest


def _influences(X, nearest, regularisations):
    """The influences (M, n) of each regularisation: (G + diag(G) + lambda I) g = b."""
    XT = X.T.tocsr()
    M, n = nearest.shape
    solved = [np.zeros((M, n), np.float32) for _ in regularisations]
    for start in range(0, M, ITEMS_AT_A_TIME):
        block = np.arange(start, min(start + ITEMS_AT_A_TIME, M))
        is_one = nearest[block] != block[:, None]
        shared = np.zeros((len(block), n + 1, n + 1))  # users that two items have in common
        for place, i in enumerate(block):
            rows = XT[np.append(nearest[i], i)]
            shared[place] = (rows @ rows.T).toarray()
        G = shared[:, :n, :n] * (is_one[:, :, None] & is_one[:, None])
        b = shared[:, :n, n:] * is_one[:, :, None]
        for influence, value in zip(solved, regularisations):
            influence[block] = np.linalg.solve(G + (G + value) * np.eye(n), b)[..., 0]
    return solved
