"""Each baseline against a plain computation, and what all of them share."""

import os

import numpy as np
import pytest
from helpers import users

from macrid import data, npz
from macrid.baselines import (
    DGCF,
    EASE,
    ItemKNN,
    MultiDAE,
    MultiVAE,
    Neighbours,
    Popularity,
    Ridge,
    ease,
    itemknn,
)
from macrid.data.splits import split
from macrid.errors import UserError
from macrid.evaluation import metrics
from macrid.training import ridge

SMALL = {"latent": 3, "max_epochs": 2, "batch_size": 16}
OPTIONS = {
    Popularity: {},
    EASE: {},
    Ridge: {"regularisation": 5.0},
    Neighbours: {"regularisation": 5.0},
    ItemKNN: {},
    MultiDAE: SMALL,
    MultiVAE: {**SMALL, "hidden": (4,)},
    DGCF: {"K": 2, "d": 4, "sample": 6, "max_epochs": 2},
}
EVERY = pytest.mark.parametrize("baseline", OPTIONS, ids=lambda baseline: baseline.__name__)


@pytest.fixture
def X(rng):
    return users([np.flatnonzero(row) for row in rng.random((40, 9)) < 0.3], 9)


def test_popularity_counts_adopters_and_is_the_same_for_everyone():
    X = users([(0, 2), (2,), (1, 2)], 4)
    np.testing.assert_array_equal(Popularity.fit(X).scores(X[:2]), [[1, 1, 3, 0]] * 2)


def test_ease_is_a_ridge_regression_of_each_item_on_the_others(X):
    """Column j of W solves the ridge regression of column j of X on the other columns, one system
    at a time.
    """
    model = EASE.fit(X, regularisation=3.0)
    dense = X.toarray()
    for j in range(9):
        others = np.delete(np.arange(9), j)
        A = dense[:, others]
        w = np.linalg.solve(A.T @ A + 3.0 * np.eye(8), A.T @ dense[:, j])
        np.testing.assert_allclose(model.W[others, j], w, rtol=1e-9)
    assert not np.diag(model.W).any()
    np.testing.assert_allclose(model.scores(X), dense @ model.W, rtol=1e-12)


def direct_ease(X, regularisation):
    """W as it stands, from the inverse of the (M, M) matrix."""
    P = np.linalg.inv((X.T @ X).toarray() + regularisation * np.eye(X.shape[1]))
    return np.where(np.eye(len(P)), 0, P / -np.diag(P))


@pytest.mark.parametrize("N, M", [(6, 11), (11, 6), (7, 7)])
def test_ease_of_few_users_is_that_of_the_items_matrix(N, M, rng, monkeypatch, tmp_path):
    """With fewer users than items no (M, M) array is made; the scores are the same, also of others,
    also where the users are taken some at a time.
    """
    monkeypatch.setattr(ease, "USERS_AT_A_TIME", 4)
    X = users([np.flatnonzero(row) for row in rng.random((N, M)) < 0.4], M)
    others = users([np.flatnonzero(row) for row in rng.random((5, M)) < 0.5], M)
    model = EASE.fit(X, regularisation=2.0)
    assert (model.W is None) == (N < M) and (model.A is None) == (N >= M)
    for rows in (X, others):
        np.testing.assert_allclose(model.scores(rows), rows @ direct_ease(X, 2.0), atol=1e-12)


def test_the_lambda_of_ease_is_the_one_that_ranks_best(two_worlds):
    """All are tried by one decomposition; the plain way is one inverse each."""
    X, validation = two_worlds.train, two_worlds.validation
    for some in (X, X[:20]):
        found = {}
        for value in ridge.REGULARISATIONS:
            W = direct_ease(some, value)
            scored = metrics.evaluate(lambda rows, W=W: rows @ W, validation)
            found[value] = metrics.summary(scored)["ndcg@100"]["mean"]
        chosen = EASE.fit(some, validation, regularisation=None)
        W = direct_ease(some, max(found, key=found.get))
        np.testing.assert_allclose(chosen.scores(X[:9]), X[:9] @ W, atol=1e-10)
    with pytest.raises(UserError, match="EASE needs a regularisation"):
        EASE.fit(X, regularisation=None)


def test_an_ease_that_was_saved_as_it_used_to_be_loads(X, tmp_path):
    W = EASE.fit(X).W
    form = {"baseline": "EASE", "shapes": {}, "values": {}}
    npz.save(tmp_path / "old.npz", {"W": W}, form)
    np.testing.assert_array_equal(EASE.load(tmp_path / "old.npz").scores(X), EASE(W).scores(X))


def test_ease_finds_that_two_items_go_together(rng):
    pairs = rng.integers(0, 2, 200)
    X = users([(0, 1) if pair else (2, 3) for pair in pairs], 4)
    scores = EASE.fit(X, regularisation=1.0).scores(users([(0,), (3,)], 4))
    assert scores[0].argmax() == 1 and scores[1].argmax() == 2


@pytest.mark.parametrize("at_a_time", [1000, 4])
def test_itemknn_written_out_with_loops(X, at_a_time, monkeypatch):
    """For a user and an item: the likeness of the item's 3 nearest, summed over those that the user
    has.
    """
    monkeypatch.setattr(itemknn, "ITEMS_AT_A_TIME", at_a_time)
    model = ItemKNN.fit(X, neighbours=3, shrink=2.0)
    dense = X.toarray()
    expected = np.zeros(dense.shape)
    for i in range(9):
        likeness = []
        for j in range(9):
            dot = sum(dense[u, i] * dense[u, j] for u in range(40))
            likeness.append(
                0
                if i == j
                else dot / (np.sqrt(dense[:, i].sum()) * np.sqrt(dense[:, j].sum()) + 2.0)
            )
        for j in sorted(range(9), key=lambda j: (-likeness[j], j))[:3]:
            expected[:, i] += dense[:, j] * likeness[j]
    np.testing.assert_allclose(model.scores(X), expected, rtol=1e-12)
    assert model.S.nnz == 27


def test_itemknn_of_items_that_nobody_shares():
    model = ItemKNN.fit(users([(0,), (1, 2)], 4), shrink=0.0)  # item 3: nobody's
    np.testing.assert_allclose(
        model.S.toarray(), [[0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    )
    with pytest.raises(UserError, match="neighbours is 0"):
        ItemKNN.fit(users([(0, 1)], 2), neighbours=0)


@pytest.mark.parametrize(
    "baseline, validation, test", [(Popularity, 0.239, 0.201), (ItemKNN, 0.396, 0.337)]
)
def test_the_figures_of_the_authors_split(movielens, baseline, validation, test):
    """NDCG@100 on MovieLens, to the digits that an implementation apart from this one had found."""
    parts = split(data.load(movielens, 4.0, 15), "authors", 0)
    model = baseline.fit(parts.train)
    for part, expected in ((parts.validation, validation), (parts.test, test)):
        assert metrics.summary(metrics.evaluate(model.scores, part))["ndcg@100"][
            "mean"
        ] == pytest.approx(expected, abs=6e-4)


@EVERY
@pytest.mark.parametrize("N", (40, 7), ids=("many users", "few"))
def test_saved_and_loaded_it_scores_the_same_to_the_bit(baseline, N, X, tmp_path):
    X = X[:N]
    fitted = baseline.fit(X, **OPTIONS[baseline])
    fitted.save(tmp_path / "b.npz")
    loaded = baseline.load(tmp_path / "b.npz")
    assert type(loaded) is baseline and os.listdir(tmp_path) == ["b.npz"]
    np.testing.assert_array_equal(loaded.scores(X), fitted.scores(X))
    assert loaded.scores(X).shape == X.shape and loaded.scores(X).dtype == fitted.scores(X).dtype


@EVERY
def test_another_s_file_and_a_damaged_one_are_refused_with_their_name(baseline, X, tmp_path):
    path, name = tmp_path / "b.npz", baseline.__name__
    baseline.fit(X, **OPTIONS[baseline]).save(path)
    other = EASE if baseline is Popularity else Popularity
    with pytest.raises(
        UserError, match=f"b.npz: is a saved {name}, expected a saved {other.__name__}"
    ):
        other.load(path)
    arrays, description = npz.load(path)
    npz.save(
        path, dict(list(arrays.items())[1:] if name == "ItemKNN" else {}), description
    )  # a part is gone
    with pytest.raises(UserError, match=f"b.npz: is not a whole saved {name}"):
        baseline.load(path)
    npz.save(path, arrays, {"epoch": 3})
    with pytest.raises(UserError, match="b.npz: is not a saved baseline"):
        baseline.load(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UserError, match=f"b.npz: is not a whole saved {name}"):
        baseline.load(path)
