"""What several tests share: tiny arrays, a tiny configuration, MovieLens where it is at hand, commands as subprocesses."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from macrid.batch import draw_noise
from macrid.config import Config
from macrid.model import initial_parameters

MOVIELENS = Path(os.environ.get("MACRID_MOVIELENS", Path(__file__).parents[2] / "shared/data/ml-latest-small"))


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """Pictures and features are kept in a folder of this test run, not in the user's cache."""
    os.environ["MACRID_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def movielens():
    """The MovieLens ml-latest-small folder; the tests that need it are skipped, visibly, where it is not there."""
    if not (MOVIELENS / "ratings.csv").is_file():
        pytest.skip(f"{MOVIELENS} is not there; set MACRID_MOVIELENS to a MovieLens ml-latest-small folder")
    return MOVIELENS


@pytest.fixture
def command():
    """Run `python -m macrid.<name> ...` as a user would; returns the finished process."""

    def run(name, *arguments, cwd=None):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])}
        words = [sys.executable, "-m", f"macrid.{name}", *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, cwd=cwd, env=environment)

    return run


def users(rows, M):
    """CSR (len(rows), M) float64 of users with these items."""
    X = np.zeros((len(rows), M))
    for u, items in enumerate(rows):
        X[u, list(items)] = 1
    return sparse.csr_array(X)


class Tiny:
    """A model of B, K, d, M = 3, 2, 5, 7 in float64, one user without items, and its noise."""

    def __init__(self, rng, rows=((0, 2, 5), (), (1, 2, 3, 6)), M=7, **options):
        chosen = {"K": 2, "d": 5, "hidden_layers": 1, "hidden_units": 4, "init_deviation": 1.0, "dropout": 0.3, "precision": "float64"}
        self.config = Config(**{**chosen, **options})
        self.X = users(rows, M)
        self.parameters = initial_parameters(M, self.config, rng)
        for name, p in self.parameters.items():
            if name[0] == "b":
                p += rng.standard_normal(p.shape) * 0.3  # zero biases would hide mistakes
        self.noise = draw_noise(rng, self.X, self.config, np.arange(M))
        targets = np.zeros((M, self.config.K))
        targets[np.arange(M), rng.integers(0, self.config.K, M)] = 1
        targets[0] *= M == 1  # an item without a category
        targets[1:2] = 1 / self.config.K  # an item of several
        self.targets = targets


@pytest.fixture
def tiny(rng):
    """Make a `Tiny` with some options changed."""
    return lambda **options: Tiny(rng, **options)
