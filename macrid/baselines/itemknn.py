r"""ItemKNN: an item is recommended for its likeness to those of the user (Sarwar et al., 2001)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from macrid.backend import array_module, to_device
from macrid.errors import UserError
from macrid.evaluation.metrics import top_k
from macrid.training import saved

ITEMS_AT_A_TIME = 1000  # whose likeness to all M is in memory at once


@dataclass(frozen=True)
class ItemKNN:
    r"""Cosine likeness of each item to its nearest items, shrunk where few users speak for it.

        s_ji = x_j . x_i / (|x_j| |x_i| + shrink),   s_ii = 0

    with x_i column i of X, the users who adopted i. Column i of S keeps the `neighbours` largest
    s_ji: an item is judged by its own neighbours, so that every item has as many that can speak for
    it. (Cutting rows instead lets each of a user's items name its own.) Equally near items are
    taken in the order of their columns.
    """

    form: ClassVar = saved.matrix("S", "M", "M")

    S: sparse.csr_array  # (M, M); with CuPy its csr_matrix

    @classmethod
    def fit(
        cls, X, validation=None, *, neighbours=200, shrink=10.0, seed=0, xp=np, on_epoch=None
    ) -> "ItemKNN":
        """Compare all items of X (N, M) SciPy CSR, on the host.

        It takes the time of the sparse product X^T X, and M^2 comparisons.
        """
        if neighbours < 1 or shrink < 0:
            raise UserError(
                f"neighbours is {neighbours} and shrink {shrink}, expected at least 1 and at"
                " least 0"
            )
        X = sparse.csr_array(X, dtype=float)
        M = X.shape[1]
        XT = X.T.tocsr()
        length = np.sqrt(XT.multiply(XT).sum(axis=1))  # (M,)
        blocks = []
        for start in range(0, M, ITEMS_AT_A_TIME):
            s = (XT[start : start + ITEMS_AT_A_TIME] @ X).toarray()  # (b, M)
            rows = np.arange(len(s))
            s /= np.maximum(length[start + rows, None] * length + shrink, 1e-30)
            s[rows, start + rows] = 0.0
            nearest = np.sort(top_k(s, neighbours), axis=1)
            s = np.take_along_axis(s, nearest, axis=1)
            ends = np.arange(0, s.size + 1, s.shape[1])
            block = sparse.csr_array((s.ravel(), nearest.ravel(), ends), shape=(len(rows), M))
            block.eliminate_zeros()  # fewer than `neighbours` items share a user with it
            blocks.append(block)
        return cls(to_device(xp, sparse.vstack(blocks, format="csr").T.tocsr()))

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        """X S for the users of X (B, M) SciPy CSR -> (B, M).

        For each item, the sum over those of the user's items that are near to it.
        """
        X = to_device(array_module(self.S.data), X.astype(self.S.dtype))
        return (X @ self.S).toarray()

    save, load = saved.save, classmethod(saved.load)
