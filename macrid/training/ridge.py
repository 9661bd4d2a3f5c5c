r"""Ridge regression of users' items on themselves: EASE without its constraint."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from macrid.backend import array_module, to_device, to_host
from macrid.errors import UserError
from macrid.evaluation.metrics import evaluate, summary
from macrid.training import saved

REGULARISATIONS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0)
MOST_EXACT = 6000  # up to so many users or items, all principal directions are found
STRONGEST = 1000  # above it, so many
BESIDE, ITERATIONS = 20, 6  # directions beside them, and rounds, of `strongest_directions`
TO_CHOOSE = "float32"  # whose products take half the time; enough to choose a regularisation by
ROWS_AT_A_TIME = 1 << 14


@dataclass(frozen=True)
class Ridge:
    r"""A linear map from a user's items to all items.

        min_W ||X - X W||^2 + lambda ||W||^2   has the closed form   W = (X^T X + lambda I)^-1 X^T X

    With X = U diag(s) V^T it is W = V diag(f) V^T, f = s^2 / (s^2 + lambda): each principal
    direction of the adoptions is kept by a share. No (M, M) array is made.
    """

    form: ClassVar = {
        "V": saved.array("M", "r"),
        "f": saved.array("r", low=0.0),
        "regularisation": float,
    }

    V: np.ndarray  # (M, r)
    f: np.ndarray  # (r,)
    regularisation: float

    @classmethod
    def fit(cls, X, validation=None, *, regularisation=None, seed=0, xp=np, on_epoch=None):
        """Decompose X (N, M) SciPy CSR.

        Without a regularisation, the one of `REGULARISATIONS` that ranks best for `validation`.
        """
        V, s = principal_directions(X, xp)
        regularised = lambda V, value: cls(V, s**2 / (s**2 + value), value)
        if regularisation is None:
            roughly = V.astype(TO_CHOOSE)
            trial = lambda value: regularised(roughly, value).scores
            regularisation = best_for_validation(trial, validation, "Ridge")
        return regularised(V, regularisation)

    def directions(self) -> tuple:
        """V (M, r) and the squares of the singular values (r,): `EASE.fit` takes them too."""
        return self.V, self.regularisation * self.f / (1 - self.f)

    def scores(self, X):
        """X W for the users of X (B, M) SciPy CSR -> (B, M)."""
        X = to_device(array_module(self.V), X.astype(self.V.dtype))
        return (X @ self.V * self.f.astype(self.V.dtype)) @ self.V.T

    def path(self, gamma: float, dtype: str) -> dict:
        """gamma W = L L^T as `macrid.model.linear` reads it, L = V diag(gamma f)^1/2 (M, r)."""
        xp = array_module(self.V)
        return {"L": (self.V * xp.sqrt(gamma * self.f)).astype(dtype)}

    save, load = saved.save, classmethod(saved.load)


def best_for_validation(scores: Callable, validation, name: str) -> float:
    """The one of `REGULARISATIONS` whose `scores(value)` rank best for `validation`."""
    if validation is None:
        raise UserError(f"{name} needs a regularisation, or validation users to choose it by")

    def ndcg(value):
        return summary(evaluate(scores(value), validation))["ndcg@100"]["mean"]

    return max(REGULARISATIONS, key=ndcg)


def principal_directions(X, xp=np, most_exact=None) -> tuple:
    r"""V (M, r) and s (r,) of X = U diag(s) V^T, the largest first and without those of s = 0.

    X (N, M) SciPy CSR. All of them if N or M is at most `most_exact` (6,000), by the eigenvectors
    of the smaller Gram matrix; else the 1,000 strongest.
    """
    X = sparse.csr_array(X).astype(float)
    N, M = X.shape
    if min(N, M) > (MOST_EXACT if most_exact is None else most_exact):
        square, V = strongest_directions(X if M <= N else X.T.tocsr(), STRONGEST)
    else:
        G = (X @ X.T if N < M else X.T @ X).toarray()
        square, V = to_host(tuple(xp.linalg.eigh(to_device(xp, G))))
    s = np.sqrt(np.maximum(square, 0))
    if N < M:  # so far U
        V = (X.T @ V) / np.maximum(s, 1e-300)
    kept = np.argsort(-s)[: np.count_nonzero(s > 1e-6 * s.max())]
    return to_device(xp, (np.ascontiguousarray(V[:, kept]), s[kept]))


def strongest_directions(X, k: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    r"""The k largest eigenvalues of X^T X, about, and their eigenvectors (m, k); X (n, m) CSR.

    A randomised range finder (Halko, Martinsson and Tropp, 2011): random directions, to which
    X^T X is applied again and again, turn into its strongest ones. Some directions beside the k are
    carried along. How far the map of `Ridge` comes out from the exact one: benchmarks/README.md.
    """
    m = X.shape[1]
    Q = np.random.default_rng(seed).standard_normal((m, min(k + BESIDE, m)))
    for _ in range(ITERATIONS):
        Q, _ = np.linalg.qr(Q)
        Q, before = _gram_times(X, Q), Q
    square, u = np.linalg.eigh(before.T @ Q)  # of X^T X within their span
    return square[::-1][:k], before @ u[:, ::-1][:, :k]


def _gram_times(X, Q):
    """X^T (X Q), some rows of X at a time."""
    product = np.zeros_like(Q)
    for start in range(0, X.shape[0], ROWS_AT_A_TIME):
        rows = X[start : start + ROWS_AT_A_TIME]
        product += rows.T @ (rows @ Q)
    return product
