"""Rows that another package fits: ALS and BM25 of `implicit`, where it is installed.

Both have the interface of `macrid.baselines`, without files: `fit` and `scores`. They use one
thread, whatever the machine has.
"""

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from scipy import sparse

MISSING = "the package implicit is not installed; pip install 'macrid[suite]' brings it"


def is_installed() -> bool:
    """Whether `implicit` can be imported."""
    return find_spec("implicit") is not None


@dataclass(frozen=True)
class ALS:
    r"""Matrix factorisation of implicit feedback (Hu, Koren and Volinsky, 2008).

        min  sum_ui c_ui (x_ui - p_u . q_i)^2 + regularisation (|P|^2 + |Q|^2)

    with c_ui = `confidence` where the user has the item, else 1. A new user's p_u solves the same
    least squares, the items as they are.
    """

    model: Any

    @classmethod
    def fit(
        cls,
        X,
        validation=None,
        *,
        factors=64,
        regularisation=1.0,
        confidence=10.0,
        seed=0,
        xp=np,
        on_epoch=None,
    ) -> "ALS":
        """Fifteen alternations over X (N, M) SciPy CSR, on the host."""
        from implicit.cpu.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(
            factors, regularisation, confidence, num_threads=1, random_state=seed
        )
        model.fit(_matrix(X), show_progress=False)
        return cls(model)

    def scores(self, X) -> np.ndarray:
        """p_u . q_i of all items, (B, M), for the users of X (B, M) SciPy CSR."""
        users = self.model.recalculate_user(np.arange(X.shape[0]), _matrix(X))
        return users @ self.model.item_factors.T


@dataclass(frozen=True)
class BM25:
    """Nearest items by their users, weighted as BM25 weighs the words of a text."""

    S: sparse.csr_array  # (M, M)

    @classmethod
    def fit(
        cls, X, validation=None, *, neighbours=100, K1=1.2, B=0.75, seed=0, xp=np, on_epoch=None
    ) -> "BM25":
        """Compare all items of X (N, M) SciPy CSR, on the host."""
        from implicit.nearest_neighbours import BM25Recommender

        model = BM25Recommender(neighbours, K1, B, num_threads=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how implicit calls itself
            model.fit(_matrix(X), show_progress=False)
        return cls(sparse.csr_array(model.similarity))

    def scores(self, X) -> np.ndarray:
        """X S for the users of X (B, M) SciPy CSR -> (B, M)."""
        return (X.astype(self.S.dtype) @ self.S).toarray()


def _matrix(X):
    return sparse.csr_matrix(X, dtype=np.float32)  # implicit knows no sparse arrays
