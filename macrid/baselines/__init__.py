"""What the model is compared with. Each baseline is a class with `fit(X)` and `scores(X)`, X (users, M) CSR 0/1."""

from macrid.baselines.ease import EASE
from macrid.baselines.popularity import Popularity

__all__ = ["EASE", "Popularity"]
