r"""EASE, "Embarrassingly Shallow Autoencoders for Sparse Data" (Steck, 2019)."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from macrid.backend import array_module, to_device, to_host
from macrid.training import saved
from macrid.training.ridge import TO_CHOOSE, best_for_validation, principal_directions

USERS_AT_A_TIME = 500


@dataclass(frozen=True)
class EASE:
    r"""A linear map from a user's items to all items that may not use an item to predict itself.

        min_W ||X - X W||^2 + lambda ||W||^2   with   diag(W) = 0

    has the closed form W_ij = -P_ij / P_jj off the diagonal, P = (X^T X + lambda I)^-1, an (M, M)
    matrix. With fewer users than items none is made: by Woodbury's identity

        P = (I - X^T A X) / lambda,   A = (X X^T + lambda I)^-1   (N, N)

    and with q_j = (X^T A X)_jj, 0 <= q_j < 1, a user's scores are

        (x W)_j = ((x X^T A X)_j - x_j q_j) / (1 - q_j)

    `most`: commands leave EASE out where users and items are more than this, unless it is asked for
    by name. The smaller of the two gives the matrix that is inverted: of 10,000 it takes 0.8 GB.
    """

    most: ClassVar[int] = 10_000

    W: Any = None  # (M, M), or where there are fewer users these:
    A: Any = None  # (N, N)
    q: Any = None  # (M,)
    X: Any = field(default=None, metadata={"host": True})  # (N, M) SciPy CSR

    @classmethod
    def fit(
        cls,
        X,
        validation=None,
        *,
        regularisation=200.0,
        directions=None,
        seed=0,
        xp=np,
        on_epoch=None,
    ) -> "EASE":
        """Invert the smaller Gram matrix of X (N, M) SciPy CSR: min(N, M)^3 operations.

        With `regularisation` None, for the one of `ridge.REGULARISATIONS` that ranks best for
        `validation`; all of them are tried by one decomposition, or by the `directions` of a
        `Ridge` of the same X.
        """
        X = sparse.csr_array(X, dtype=float)
        N, M = X.shape
        if regularisation is None:
            V, square = directions or _directions(X, xp)
            V = V.astype(TO_CHOOSE)
            trial = lambda value: _Trial(V, square / (square + value)).scores
            regularisation = best_for_validation(trial, validation, "EASE")
        G = (X @ X.T if N < M else X.T @ X).toarray()
        diagonal = np.arange(len(G))
        G[diagonal, diagonal] += regularisation
        inverse = _inverse(G, xp)
        if N < M:
            q = _diagonal(X, to_host(inverse))
            return cls(A=inverse, q=to_device(xp, q), X=X)
        diagonal = xp.arange(M)
        W = inverse / -inverse[diagonal, diagonal]
        W[diagonal, diagonal] = 0.0
        return cls(W)

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        """X W for the users of X (B, M) SciPy CSR -> (B, M)."""
        if self.W is not None:
            return to_device(array_module(self.W), X.astype(self.W.dtype)) @ self.W
        xp, X = array_module(self.A), X.astype(self.A.dtype)
        of_users, XT = to_device(xp, ((X @ self.X.T).toarray(), self.X.T))  # (B, N), (M, N)
        return _without_diagonal((XT @ (of_users @ self.A).T).T, X, self.q)

    @staticmethod
    def form(arrays: dict) -> dict:
        """What the arrays of a file have to be, as `saved.load` asks."""
        if "W" in arrays:
            return {"W": saved.array("M", "M")}
        parts = {"A": saved.array("N", "N"), "q": saved.array("M", low=0.0, high=1.0)}
        return parts | saved.matrix("X", "N", "M")

    save, load = saved.save, classmethod(saved.load)


@dataclass(frozen=True)
class _Trial:
    """EASE by the principal directions V (M, r), X^T A X = V diag(f) V^T: for any lambda at once.

    Its scores cost as much as the (M, r) products; without it, each lambda would cost a cube.
    """

    V: np.ndarray  # (M, r)
    f: np.ndarray  # (r,)

    def scores(self, X):
        X, f = X.astype(self.V.dtype), self.f.astype(self.V.dtype)
        on_device = to_device(array_module(self.V), X)
        return _without_diagonal((on_device @ self.V * f) @ self.V.T, X, self.V**2 @ f)


def _directions(X, xp):
    """V (M, r) and the squares of the singular values, of all principal directions."""
    V, s = principal_directions(X, xp, most_exact=max(X.shape))
    return V, s**2


def _without_diagonal(scores, X, q):
    """(x S - x diag(q)) / (1 - q) from x S (B, M), for the users of X (B, M) SciPy CSR."""
    users = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    users, items, values = to_device(array_module(q), (users, X.indices, X.data))
    scores[users, items] -= values * q[items]
    scores /= 1 - q
    return scores


def _inverse(G, xp):
    """The inverse of a positive definite matrix, which is overwritten: on the host by Cholesky."""
    if xp is not np:
        return xp.linalg.inv(to_device(xp, G))
    factor, _ = lapack.dpotrf(G.T, lower=1, overwrite_a=1)  # .T: in Fortran's order, no copy
    inverse, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse = np.tril(inverse)
    inverse += np.tril(inverse, -1).T
    return inverse


def _diagonal(X, A):
    """q_j = (X^T A X)_jj = sum_u x_uj (A X)_uj, some users at a time."""
    q = np.zeros(X.shape[1])
    for start in range(0, X.shape[0], USERS_AT_A_TIME):
        users = slice(start, start + USERS_AT_A_TIME)
        some = X[users].tocoo()
        AX = A[users] @ X  # (users, M)
        q += np.bincount(some.col, some.data * AX[some.row, some.col], X.shape[1])
    return q
