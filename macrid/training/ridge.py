r"""Ridge regression of users' items on themselves: EASE without its constraint."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from macrid.backend import array_module, to_device
from macrid.errors import UserError
from macrid.evaluation.metrics import evaluate, summary
from macrid.training import saved

REGULARISATIONS = (10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10_000.0)
MOST_EXACT = 4000  # up to so many users or items, all principal directions are found
STRONGEST = 1000  # above it, so many


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
        V, s = to_device(xp, principal_directions(X))

        def regularised(value):
            return cls(V, s**2 / (s**2 + value), value)

        def validation_ndcg(value):
            return summary(evaluate(regularised(value).scores, validation))["ndcg@100"]["mean"]

        if regularisation is None:
            if validation is None:
                raise UserError("Ridge needs a regularisation, or validation users to choose it by")
            regularisation = max(REGULARISATIONS, key=validation_ndcg)
        return regularised(regularisation)

    def scores(self, X):
        """X W for the users of X (B, M) SciPy CSR -> (B, M)."""
        X = to_device(array_module(self.V), X.astype(self.V.dtype))
        return (X @ self.V * self.f) @ self.V.T

    save, load = saved.save, classmethod(saved.load)


def principal_directions(X) -> tuple[np.ndarray, np.ndarray]:
    r"""V (M, r) and s (r,) of X = U diag(s) V^T, the largest first and without those of s = 0.

    X (N, M) SciPy CSR. All of them if N or M is at most 4,000, by the eigenvectors of the smaller
    Gram matrix; else the 1,000 strongest (ARPACK).
    """
    X = sparse.csr_array(X).astype(float)
    N, M = X.shape
    if min(N, M) > MOST_EXACT:
        _, s, Vt = sparse.linalg.svds(X, k=STRONGEST, random_state=0)
        V = Vt.T
    else:
        square, V = np.linalg.eigh((X @ X.T if N < M else X.T @ X).toarray())
        s = np.sqrt(np.maximum(square, 0))
        if N < M:  # so far U
            V = (X.T @ V) / np.maximum(s, 1e-300)
    kept = np.argsort(-s)[: np.count_nonzero(s > 1e-6 * s.max())]
    return np.ascontiguousarray(V[:, kept]), s[kept]
