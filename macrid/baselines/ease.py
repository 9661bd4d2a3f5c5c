r"""EASE, "Embarrassingly Shallow Autoencoders for Sparse Data" (Steck, 2019)."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class EASE:
    r"""A linear map from a user's items to all items that may not use an item to predict itself.

        min_W ||X - X W||^2 + lambda ||W||^2   with   diag(W) = 0

    has the closed form W_ij = -P_ij / P_jj off the diagonal, P = (X^T X + lambda I)^-1.
    """

    W: np.ndarray  # (M, M)

    @classmethod
    def fit(cls, X, regularisation=200.0):
        """Invert the (M, M) Gram matrix of X (N, M) CSR: M^3 operations and M^2 numbers in memory."""
        G = (X.T @ X).toarray().astype(float)
        G[np.diag_indices_from(G)] += regularisation
        P = np.linalg.inv(G)
        W = P / -np.diag(P)
        np.fill_diagonal(W, 0.0)
        return cls(W)

    def scores(self, X):
        """X W for the users of X (B, M) CSR -> (B, M)."""
        return np.asarray(X @ self.W)
