"""The linear path: ridge regression in closed form, and its sum with the model's logits."""

import numpy as np
import pytest
from helpers import users

from macrid import Recommender, data, model
from macrid.baselines import Ridge
from macrid.config import Config
from macrid.data.splits import split
from macrid.errors import UserError
from macrid.evaluation import metrics
from macrid.training import checkpoint, fit, linear_path, ridge

SMALL = Config(K=2, d=8, batch_size=20, max_epochs=3, linear_path=0.5)


def adoptions(users=60, items=40):
    """Items come in pairs: who has one of a pair mostly has the other."""
    rng = np.random.default_rng(5)
    pairs = rng.random((users, items // 2)) < 0.3
    taken = np.repeat(pairs, 2, axis=1) & (rng.random((users, items)) < 0.9)
    return [(f"u{u}", f"i{i}") for u, i in zip(*np.nonzero(taken))]


@pytest.fixture(scope="module")
def parts():
    return split(data.from_pairs(*zip(*adoptions())), "holdout", 0)


def closed_form(X, regularisation):
    """W = (X^T X + lambda I)^-1 X^T X as it stands."""
    G = (X.T @ X).toarray().astype(float)
    return np.linalg.solve(G + regularisation * np.eye(len(G)), G)


@pytest.mark.parametrize("N, M", [(6, 11), (11, 6), (7, 7)])
def test_ridge_is_the_closed_form(N, M, rng):
    """With fewer users than items, or fewer items, or a row twice."""
    X = users([np.flatnonzero(row) for row in rng.random((N, M)) < 0.4], M)
    X = X[[*range(N - 1), 0]]
    np.testing.assert_allclose(
        Ridge.fit(X, regularisation=2.0).scores(X), X @ closed_form(X, 2.0), atol=1e-12
    )


def test_of_very_many_users_and_items_the_strongest_directions(rng, monkeypatch):
    monkeypatch.setattr(ridge, "MOST_EXACT", 5)
    monkeypatch.setattr(ridge, "STRONGEST", 4)
    X = users([np.flatnonzero(row) for row in rng.random((12, 9)) < 0.4], 9)
    _, s, Vt = np.linalg.svd(X.toarray())
    W = (Vt[:4].T * (s[:4] ** 2 / (s[:4] ** 2 + 2.0))) @ Vt[:4]
    np.testing.assert_allclose(Ridge.fit(X, regularisation=2.0).scores(X), X @ W, atol=1e-10)


def test_lambda_is_the_one_that_ranks_best_for_validation(parts):
    figure = lambda value: metrics.summary(
        metrics.evaluate(lambda X: X @ closed_form(parts.train, value), parts.validation)
    )["ndcg@100"]["mean"]
    found = {value: figure(value) for value in ridge.REGULARISATIONS}
    assert Ridge.fit(parts.train, parts.validation).regularisation == max(found, key=found.get)
    assert len(set(found.values())) > 1
    with pytest.raises(UserError, match="regularisation"):
        Ridge.fit(parts.train)


def summed(parameters, X, W, gamma, config):
    """ln P_ui + gamma (x_u W)_i, where the user's largest is 0."""
    plain = {name: p for name, p in parameters.items() if name != "L"}
    logits = np.log(model.predict(plain, X, config)) + gamma * (X @ W)
    return logits - logits.max(axis=1, keepdims=True)


@pytest.mark.parametrize("options", ({}, {"similarity": "inner"}, {"K": 1}), ids=str)
def test_the_logits_are_the_sum(parts, options):
    config = SMALL.replace(precision="float64", **options)
    state = fit.fit(parts, config)
    X, W = parts.test.fold_in, closed_form(parts.train, state.path["lambda"])
    expected = summed(state.best, X, W, state.path["gamma"], config)
    P = model.predict(state.best, X, config)
    np.testing.assert_allclose(np.log(P / P.max(axis=1, keepdims=True)), expected, atol=1e-9)
    for at_a_time in (3, 1000):
        items, values = model.rank(
            state.best, X, config, 7, exclude_seen=False, items_at_a_time=at_a_time
        )
        np.testing.assert_array_equal(items, metrics.top_k(expected, 7))
        np.testing.assert_allclose(
            values - values[:, :1], np.take_along_axis(expected, items, axis=1) - 0.0, atol=1e-9
        )


def test_the_weight_is_that_of_the_spread_from_item_to_item(parts):
    config = SMALL.replace(precision="float64")
    state = fit.fit(parts, config)
    X, W = parts.validation.fold_in, closed_form(parts.train, state.path["lambda"])
    plain = {name: p for name, p in state.best.items() if name != "L"}
    own, path = np.log(model.predict(plain, X, config)), state.path["gamma"] * (X @ W)
    assert path.std(axis=1).mean() == pytest.approx(
        state.path["weight"] * own.std(axis=1).mean(), rel=1e-9
    )
    again, _, _ = linear_path.add(state.best, parts, config)
    np.testing.assert_array_equal(
        again["L"], state.best["L"], "a path is replaced, not added to another"
    )


@pytest.mark.parametrize("weight", [0.3, 2.0])
def test_a_number_is_the_weight(parts, weight):
    assert fit.fit(parts, SMALL.replace(linear_path=weight)).path["weight"] == weight


def test_a_run_of_before_keeps_the_weight_that_it_chose(parts):
    """A number was the least weight then."""
    state = fit.fit(parts, SMALL)
    earlier = state.path | {"weight": 2.0}
    _, path, _ = linear_path.add(state.best, parts, SMALL, earlier)
    assert path["weight"] == 2 and path["gamma"] == pytest.approx(4 * state.path["gamma"])


def gains(parts, best, path, config):
    """{weight: by how much it serves validation users better than FIRST}, by the plain sum.

    `path` is what was chosen with the weight 1.
    """
    W, even = closed_form(parts.train, path["lambda"]), path["gamma"]

    def ndcg(weight):
        score = lambda X: summed(best, X, W, weight * even, config)
        return metrics.evaluate(score, parts.validation)["ndcg@100"]

    first = ndcg(linear_path.FIRST)
    return {
        weight: metrics.summary({"gain": ndcg(weight) - first})["gain"]
        for weight in linear_path.WEIGHTS
    }


@pytest.mark.parametrize("seed", range(6))
def test_the_weight_leaves_the_first_only_for_more_than_two_standard_errors(seed):
    """A model that knows nothing, one that is good, and some between."""
    parts = split(data.from_pairs(*zip(*adoptions(users=200))), "holdout", seed)
    config = Config(K=1 + seed % 2, d=2 + seed, batch_size=20, precision="float64", seed=seed)
    config = config.replace(max_epochs=1 + 6 * seed, linear_path="chosen")
    state = fit.fit(parts, config)
    _, one, _ = linear_path.add(state.best, parts, config.replace(linear_path=1.0))
    gain = gains(parts, state.best, one, config)
    clear = {w: g["mean"] for w, g in gain.items() if g["mean"] > 2 * g["stderr"] > 0}
    assert state.path["weight"] == max(clear, key=clear.get, default=linear_path.FIRST)


def test_where_one_of_the_two_knows_nothing_the_other_is_left(parts, rng):
    parts = split(data.from_pairs(*zip(*adoptions(users=300))), "holdout", 0)
    config = SMALL.replace(linear_path="chosen", precision="float64", max_epochs=30)
    state = fit.fit(parts, config.replace(max_epochs=1, learning_rate=1e-9))
    assert state.path["weight"] == linear_path.WEIGHTS[-1]
    ranked, _ = model.rank(state.best, parts.test.fold_in, config, 10)
    alone = metrics.by_scores(state.ridge.scores)(parts.test.fold_in, 10)
    assert np.mean(ranked == alone) > 0.9, "all but what is nearly level"

    trained = fit.fit(parts, config.replace(linear_path=0.0, d=20, learning_rate=0.02)).best
    noise = ridge.Ridge(rng.standard_normal((len(parts.items), 5)), np.ones(5), 1.0)
    own = lambda X: model.log_predict(trained, X, config)
    assert linear_path.best_weight(own, noise.scores, 1.0, parts.validation) == 0


def test_with_the_weight_0_there_is_the_model_alone(parts, monkeypatch):
    monkeypatch.setattr(linear_path, "best_weight", lambda *_: 0.0)
    config = SMALL.replace(linear_path="chosen")
    state, plain = fit.fit(parts, config), fit.fit(parts, SMALL.replace(linear_path=0.0))
    assert state.path["weight"] == state.path["gamma"] == 0
    assert state.best.keys() == plain.best.keys()
    assert state.ridge.regularisation == state.path["lambda"]


def test_training_is_the_same_with_and_without(parts):
    with_path, without = fit.fit(parts, SMALL), fit.fit(parts, SMALL.replace(linear_path=0.0))
    assert "L" not in without.best and with_path.history == without.history
    for name, p in without.best.items():
        np.testing.assert_array_equal(with_path.best[name], p)


def test_a_finished_run_goes_on_to_what_one_call_gives(parts, tmp_path):
    whole = fit.fit(parts, SMALL)
    first = SMALL.replace(max_epochs=1)
    checkpoint.save(tmp_path / "run.npz", fit.fit(parts, first), first, parts)
    resumed = fit.fit(parts, SMALL, state=checkpoint.load(tmp_path / "run.npz", SMALL, parts))
    assert resumed.path == whole.path
    for name, p in whole.best.items():
        np.testing.assert_array_equal(resumed.best[name], p)


def test_it_helps_where_items_come_in_pairs():
    """A model of one small concept cannot say which two items go together."""
    parts = split(data.from_pairs(*zip(*adoptions(users=600))), "holdout", 0)
    config = SMALL.replace(K=1, d=2, max_epochs=20)
    figures = {}
    for weight in (0.0, 1.0):
        own = config.replace(linear_path=weight)
        best = fit.fit(parts, own).best
        figures[weight] = metrics.evaluate(
            lambda X: model.predict(best, X, own), parts.test, ((5, "recall"),)
        )["recall@5"]
    gain = metrics.summary({"gain": figures[1.0] - figures[0.0]})["gain"]
    assert gain["mean"] > 3 * gain["stderr"] > 0


def test_the_recommender_keeps_it(tmp_path):
    own = Recommender(K=2, d=8, max_epochs=2, linear_path=1.0).fit(adoptions())
    own.save(tmp_path / "model.npz")
    again = Recommender.load(tmp_path / "model.npz")
    for mine, theirs in zip(again.recommend(["u2", "u5"], 7), own.recommend(["u2", "u5"], 7)):
        np.testing.assert_array_equal(mine, theirs)
    plain = Recommender(K=2, d=8, max_epochs=2, linear_path=0.0).fit(adoptions())
    assert not np.array_equal(plain.recommend("u2", 7)[1], own.recommend("u2", 7)[1])


def test_the_command_says_what_it_took(command, tmp_path):
    lines = "".join(f"{user},{item}\n" for user, item in adoptions())
    (tmp_path / "a.csv").write_text("user,item\n" + lines)
    flags = "--d 4 --max-epochs 2 --linear-path 0.5 --data a.csv --out run"
    done = command(f"train {flags}", cwd=tmp_path)
    assert done.returncode == 0 and "path      lambda " in done.stdout, done.stderr
    scored = command("evaluate", "--run", tmp_path / "run")
    first = lambda text: next(line for line in text.splitlines() if line.startswith("ndcg@100"))
    assert scored.returncode == 0 and first(scored.stdout) == first(done.stdout)
