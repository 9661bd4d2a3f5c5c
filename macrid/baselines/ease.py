r"""EASE, "Embarrassingly Shallow Autoencoders for Sparse Data" (Steck, 2019)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from macrid.backend import array_module, to_device
from macrid.training import saved


@dataclass(frozen=True)
class EASE:
    r"""A linear map from a user's items to all items that may not use an item to predict itself.

        min_W ||X - X W||^2 + lambda ||W||^2   with   diag(W) = 0

    has the closed form W_ij = -P_ij / P_jj off the diagonal, P = (X^T X + lambda I)^-1.

    `most_items`: commands leave EASE out for larger catalogues, unless it is asked for by name. An
    (M, M) matrix of as many takes 0.8 GB, and `fit` makes several.
    """

    most_items: ClassVar[int] = 10_000
    form: ClassVar = {"W": saved.array("M", "M")}

    W: np.ndarray  # (M, M)

    @classmethod
    def fit(
        cls, X, validation=None, *, regularisation=200.0, seed=0, xp=np, on_epoch=None
    ) -> "EASE":
        """Invert the (M, M) Gram matrix of X (N, M) SciPy CSR: M^3 operations, M^2 numbers."""
        G = to_device(xp, (X.T @ X).toarray().astype(float))
        diagonal = xp.arange(G.shape[0])
        G[diagonal, diagonal] += regularisation
        P = xp.linalg.inv(G)
        W = P / -P[diagonal, diagonal]
        W[diagonal, diagonal] = 0.0
        return cls(W)

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        """X W for the users of X (B, M) SciPy CSR -> (B, M)."""
        return to_device(array_module(self.W), X.astype(self.W.dtype)) @ self.W

    save, load = saved.save, classmethod(saved.load)
