"""Ridge regression of each item on its nearest: EASE's kin where all are near, a system an item."""

import itertools
import json

import numpy as np
import pytest
from helpers import users

from macrid import Recommender, UserError, model
from macrid.baselines import Neighbours
from macrid.data.splits import HeldOut
from macrid.evaluation import metrics
from macrid.model import linear
from macrid.training import linear_path
from macrid.training.neighbours import SHRINK, nearest_items


@pytest.fixture
def X(rng):
    return users([np.flatnonzero(row) for row in rng.random((40, 9)) < 0.4], 9)


def test_with_all_items_near_it_is_ease_of_users_who_hide_half_of_their_items(X):
    """EASE's closed form, its Gram matrix with the diagonal that dropout adds to it."""
    found = Neighbours.fit(X, regularisation=3.0, neighbours=8).scores(X)
    G = (X.T @ X).toarray()
    P = np.linalg.inv(G + np.diag(np.diag(G)) + 3.0 * np.eye(9))
    B = -P / np.diag(P)
    np.fill_diagonal(B, 0)
    np.testing.assert_allclose(found, X @ B, rtol=1e-4, atol=1e-6)


def test_the_penalty_is_what_hiding_half_of_the_items_comes_to(rng):
    """On average over all 2^3 ways to hide what a user has of three items, the others doubled."""
    x, target, g = np.array([1.0, 1.0, 0.0]), 1.0, rng.standard_normal(3)
    kept = np.array(list(itertools.product((0, 1), repeat=3)))
    hidden = np.mean((target - (2 * kept * x) @ g) ** 2)
    assert hidden == pytest.approx((target - x @ g) ** 2 + x @ g**2)


def test_each_item_is_regressed_on_those_with_the_highest_cosine(X):
    fitted = Neighbours.fit(X, regularisation=2.0, neighbours=3)
    dense = X.toarray()
    length = np.sqrt(dense.sum(axis=0))
    cosine = dense.T @ dense / (np.outer(length, length) + SHRINK)
    np.fill_diagonal(cosine, -1)
    for i in range(9):
        nearest = np.argsort(-cosine[i], kind="stable")[:3]
        np.testing.assert_array_equal(fitted.nearest[i], nearest)
        A = dense[:, nearest]
        penalty = np.diag(2 + A.sum(axis=0))
        g = np.linalg.solve(A.T @ A + penalty, A.T @ dense[:, i])
        np.testing.assert_allclose(fitted.influence[i], g, rtol=1e-5)


def test_an_item_that_shares_users_with_few_has_the_few():
    X = users([(0, 1), (0, 1), (2,), (1, 3)], 4)
    fitted = Neighbours.fit(X, regularisation=1.0, neighbours=3)
    np.testing.assert_array_equal(nearest_items(X, 3)[2], [2, 2, 2], "nobody speaks for it")
    assert not fitted.influence[2].any() and fitted.nearest[3].tolist() == [1, 3, 3]
    assert fitted.influence[3, 0] != 0 and not fitted.influence[3, 1:].any()
    assert np.isfinite(fitted.scores(X)).all()


def test_the_regularisation_is_what_serves_validation_users(X, rng):
    hidden = rng.random((40, 9)) < 0.3
    part = HeldOut(
        np.arange(40),
        users([np.flatnonzero(row) for row in X.toarray() * ~hidden], 9),
        users([np.flatnonzero(row) for row in X.toarray() * hidden], 9),
    )
    figure = lambda value: metrics.summary(
        metrics.evaluate(Neighbours.fit(X, regularisation=value, neighbours=4).scores, part)
    )["ndcg@100"]["mean"]
    found = {value: figure(value) for value in (10.0, 100.0, 1000.0, 10_000.0)}
    chosen = Neighbours.fit(X, part, neighbours=4).regularisation
    assert figure(chosen) >= max(found.values()) and len(set(found.values())) > 1


def adoptions(N=120, M=40):
    """Items come in pairs: who has one of a pair mostly has the other."""
    rng = np.random.default_rng(5)
    pairs = rng.random((N, M // 2)) < 0.3
    taken = np.repeat(pairs, 2, axis=1) & (rng.random((N, M)) < 0.9)
    return [(f"u{u}", f"i{i}") for u, i in zip(*np.nonzero(taken))]


@pytest.fixture
def trained(monkeypatch):
    """A Recommender whose path goes by neighbours, as that of a large catalogue does."""
    monkeypatch.setattr(linear_path, "MOST_EXACT", 5)
    return Recommender(K=2, d=8, max_epochs=3, linear_path=1.0).fit(adoptions())


def test_a_path_by_neighbours_is_added_to_the_logits(trained):
    config, parameters, X = trained.config, trained.parameters, trained.histories
    assert parameters["nearest"].shape == (40, 39) and "L" not in parameters
    W = np.zeros((40, 40))
    np.put_along_axis(W, parameters["nearest"], parameters["influence"], axis=1)
    alone = model.log_predict(linear.without(parameters), X, config)
    expected = alone + X @ W.T
    np.testing.assert_allclose(model.log_predict(parameters, X, config), expected, rtol=1e-4)
    for at_a_time in (7, 100):
        items, _ = model.rank(parameters, X, config, 5, items_at_a_time=at_a_time)
        best = metrics.top_k(np.where(X.toarray() > 0, -np.inf, expected), 5)
        assert np.mean(items == best) > 0.99, "but for what is level in single precision"


def test_the_rows_of_the_users_items_say_what_all_neighbours_say(trained):
    """`prepare` turns the neighbours round, so that a request looks at few; a device has none."""
    parameters = {name: trained.parameters[name] for name in ("nearest", "influence")}
    W = linear.prepare(parameters)
    assert W.shape == (40, 40) and W.nnz == 40 * 39
    for X in (trained.histories, trained.histories[:1], trained.histories[:0], users([(), ()], 40)):
        for items in (slice(None), slice(7, 12), np.array([3, 0, 39])):
            expected = linear.logits(parameters, X)(items)
            found = linear.logits(parameters, X, W)(items)
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert linear.prepare(linear.without(trained.parameters)) is None


def test_training_says_neighbours_where_it_is_those(monkeypatch, call, tmp_path):
    monkeypatch.setattr(linear_path, "MOST_EXACT", 5)
    (tmp_path / "own.csv").write_text("".join(f"{u},{i}\n" for u, i in adoptions()))
    words = "train --K 2 --d 8 --max-epochs 2 --linear-path 1 --data own.csv --out run"
    done = call(words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "macrid = model + neighbours (" in done.stdout and "\nneighbours " in done.stdout
    assert "ridge" not in done.stdout
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert list(found["baselines"]) == ["neighbours", "EASE", "popularity"]


def test_it_is_saved_loaded_and_explained(trained, tmp_path):
    trained.save(tmp_path / "model.npz")
    again = Recommender.load(tmp_path / "model.npz")
    for own, loaded in zip(trained.recommend(["u2", "u5"], 7), again.recommend(["u2", "u5"], 7)):
        np.testing.assert_array_equal(own, loaded)
    item = again.recommend("u2", 1)[0][0]
    assert len(again.explain("u2", item).effects) > 0
    assert len(again.recommend("u2", 5, concepts={1: 2.0})[0]) == 5
    with pytest.raises(UserError, match="neighbours, which are no vectors.*--linear-path 0"):
        again.item_vectors()


def test_an_item_like_another_is_scored_as_that_is(trained):
    parameters = trained.parameters
    known = {name: parameters[name] for name in ("nearest", "influence")}
    w = np.zeros((2, 40))
    w[0, 7], w[1, [3, 5]] = 1, 0.5
    new = linear.mixed(w, known)
    own = linear.logits(known, trained.histories)(slice(None))
    of_new = linear.by_nearest(new["nearest"], new["influence"], trained.histories)(slice(None))
    np.testing.assert_allclose(of_new[:, 0], own[:, 7], rtol=1e-4, atol=1e-5)
    left_out = np.abs(of_new[:, 1] - own[:, [3, 5]].mean(axis=1)).max()
    assert left_out <= np.abs(new["influence"][1]).min(), "the one with the least influence"


def test_a_file_whose_neighbours_are_none_is_refused(trained, tmp_path):
    path = tmp_path / "model.npz"
    trained.parameters["nearest"][3, 2] = 40
    trained.save(path)
    with pytest.raises(UserError, match="'nearest' names an item that there is not"):
        Recommender.load(path)
    del trained.parameters["influence"]
    trained.save(path)
    with pytest.raises(UserError, match="lacks 'nearest' or 'influence'"):
        Recommender.load(path)
