"""The same ranking for everyone: how many adopted an item."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from macrid.backend import array_module, to_device
from macrid.training import saved


@dataclass(frozen=True)
class Popularity:
    """Scores of an item: the number of its training adoptions."""

    form: ClassVar = {"counts": saved.array("M", low=0.0)}

    counts: np.ndarray  # (M,)

    @classmethod
    def fit(cls, X, validation=None, *, seed=0, xp=np, on_epoch=None) -> "Popularity":
        """Count the adoptions of each item. X (N, M) SciPy CSR."""
        return cls(to_device(xp, np.asarray(X.sum(axis=0), dtype=float).reshape(-1)))

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        """(B, M): the counts for every user of X (B, M)."""
        return array_module(self.counts).tile(self.counts, (X.shape[0], 1))

    save, load = saved.save, classmethod(saved.load)
