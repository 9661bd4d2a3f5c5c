"""Each baseline against a plain computation."""

import numpy as np
import pytest
from conftest import users

from macrid.baselines import EASE, Popularity


@pytest.fixture
def X(rng):
    return users([np.flatnonzero(row) for row in rng.random((40, 9)) < 0.3], 9)


def test_popularity_counts_adopters_and_is_the_same_for_everyone():
    X = users([(0, 2), (2,), (1, 2)], 4)
    np.testing.assert_array_equal(Popularity.fit(X).scores(X[:2]), [[1, 1, 3, 0]] * 2)


def test_ease_is_a_ridge_regression_of_each_item_on_the_others(X):
    """Column j of W solves the ridge regression of column j of X on the other columns, one system at a time."""
    model = EASE.fit(X, regularisation=3.0)
    dense = X.toarray()
    for j in range(9):
        others = np.delete(np.arange(9), j)
        A = dense[:, others]
        w = np.linalg.solve(A.T @ A + 3.0 * np.eye(8), A.T @ dense[:, j])
        np.testing.assert_allclose(model.W[others, j], w, rtol=1e-9)
    assert not np.diag(model.W).any()
    np.testing.assert_allclose(model.scores(X), dense @ model.W, rtol=1e-12)


def test_ease_finds_that_two_items_go_together(rng):
    pairs = rng.integers(0, 2, 200)
    X = users([(0, 1) if pair else (2, 3) for pair in pairs], 4)
    scores = EASE.fit(X, regularisation=1.0).scores(users([(0,), (3,)], 4))
    assert scores[0].argmax() == 1 and scores[1].argmax() == 2
