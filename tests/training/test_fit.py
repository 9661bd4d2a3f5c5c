"""The training loop: annealing, early stopping, and a made dataset whose answer is known."""

import math

import numpy as np
import pytest
from helpers import SMALL, same
from threadpoolctl import threadpool_info, threadpool_limits

from macrid import model
from macrid.config import Config
from macrid.errors import UserError
from macrid.evaluation import metrics
from macrid.training import fit, workers


def test_it_learns_what_there_is_to_learn(two_worlds):
    """Within a world nothing can be told apart: of the hidden items nearly all should be among 21,
    where chance gives .4.
    """
    state = fit.fit(two_worlds, SMALL.replace(max_epochs=40, learning_rate=0.02))
    figures = metrics.evaluate(
        lambda X: model.predict(state.best, X, SMALL), two_worlds.test, ((21, "recall"),)
    )
    assert metrics.summary(figures)["recall@21"]["mean"] > 0.8
    assert state.history[-1]["loss"] < state.history[0]["loss"]


def test_the_seed_fixes_everything(two_worlds):
    same(fit.fit(two_worlds, SMALL), fit.fit(two_worlds, SMALL))
    assert fit.fit(two_worlds, SMALL.replace(seed=7)).history != fit.fit(two_worlds, SMALL).history


def test_beta_grows_linearly_then_stays():
    config = Config(beta=2.0, anneal_steps=4)
    assert [fit.annealed_beta(step, config) for step in (0, 1, 4, 100)] == [0.0, 0.5, 2.0, 2.0]
    assert fit.annealed_beta(0, Config(beta=2.0, anneal_steps=0)) == 2.0


def test_it_stops_when_validation_no_longer_improves_and_keeps_the_best(two_worlds):
    config = SMALL.replace(max_epochs=60, patience=3)
    state = fit.fit(two_worlds, config)
    scores = [record["validation_ndcg@100"] for record in state.history]
    assert (
        state.epoch - state.best_epoch == 3 < 60
        and scores[state.best_epoch - 1] == max(scores) == state.best_score
    )
    figures = metrics.summary(
        metrics.evaluate(lambda X: model.predict(state.best, X, config), two_worlds.validation)
    )
    assert figures["ndcg@100"]["mean"] == state.best_score


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_what_is_kept_is_the_mean_of_epochs_of_which_earlier_ones_are_a_share(two_worlds, share):
    """Of the first epochs it is the plain mean; the steps themselves do not notice."""
    after = []

    def remember(state):
        after.append({name: p.copy() for name, p in state.parameters.items()})

    state = fit.fit(two_worlds, SMALL.replace(averaging=share), on_epoch=remember)
    plain = fit.fit(two_worlds, SMALL)
    kept = share ** np.arange(state.best_epoch)  # the newest first
    plain_mean_of = min(state.best_epoch, round(1 / (1 - share))) if share else 1
    kept[-plain_mean_of:] = share ** (state.best_epoch - plain_mean_of) / plain_mean_of
    kept[:-plain_mean_of] *= 1 - share
    for name, p in state.best.items():
        np.testing.assert_array_equal(state.parameters[name], plain.parameters[name])
        mean = sum(w * of_epoch[name] for w, of_epoch in zip(kept[::-1], after))
        np.testing.assert_allclose(p, mean, rtol=1e-4, atol=1e-6)


def test_a_loss_that_is_not_finite_stops_with_a_remedy(two_worlds):
    state = fit.start(two_worlds, SMALL)
    state.parameters["T"][3] = math.nan
    with pytest.raises(UserError, match="the loss became nan in epoch 1, .*lower learning_rate"):
        fit.fit(two_worlds, SMALL, state=state)


def test_parameters_are_looked_at_before_they_are_ranked_by(two_worlds, monkeypatch, recwarn):
    def break_one(parameters, *_):
        parameters["m"][0] = math.inf  # as the last step of an epoch may, after its loss is known

    monkeypatch.setattr(fit.adam, "update", break_one)
    config = SMALL.replace(batch_size=1000, tau=0.005, learning_rate=0.05)
    message = r"parameter m became .* in epoch 1.*: try .*rate \(it is 0.05\) or .* \(it is 0.005\)"
    with pytest.raises(UserError, match=message.replace(".*: try", ".*; try")):
        fit.fit(two_worlds, config)
    assert not recwarn


@pytest.mark.parametrize("options", [{"tau": 0.001}, {"similarity": "inner"}, {}])
def test_steps_that_are_too_large_end_in_one_line_without_warnings(two_worlds, options, recwarn):
    with pytest.raises(UserError, match="became .* in epoch .* lower learning_rate"):
        fit.fit(two_worlds, SMALL.replace(learning_rate=1e20, **options))
    assert not recwarn


@pytest.mark.parametrize("seed", [2**32, 2**32 + 5, 2**63, 2**70])
@pytest.mark.parametrize("start", ["random", "adoptions"])
def test_a_seed_has_any_length(two_worlds, seed, start):
    config = SMALL.replace(seed=seed, start=start, max_epochs=1)
    same(fit.fit(two_worlds, config), fit.fit(two_worlds, config))


@pytest.mark.parametrize("seed", range(4))
def test_a_learning_rate_far_too_high_stops_with_a_remedy(two_worlds, seed):
    """Whether it is the loss or a parameter that is out of bounds first."""
    with pytest.raises(UserError, match="in epoch [12], .*lower learning_rate"):
        fit.fit(two_worlds, SMALL.replace(learning_rate=1e30, seed=seed))


def test_more_concepts_than_items_are_refused(two_worlds):
    with pytest.raises(UserError, match="K is 99 but training has only 60 items"):
        fit.start(two_worlds, SMALL.replace(K=99))


@pytest.mark.parametrize(("given", "small", "threads"), [(0, 2**31, 1), (2, 2**31, 2), (0, 1, 3)])
def test_threads_are_those_given_or_one_for_small_steps(
    two_worlds, monkeypatch, given, small, threads
):
    """Within the training alone; a large step is left what BLAS has."""
    monkeypatch.setattr(workers, "SMALL_STEP", small)
    of_blas = lambda: {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}
    look = workers.limited(lambda split, config: of_blas())
    with threadpool_limits(3, user_api="blas"):
        assert look(two_worlds, SMALL.replace(threads=given)) == {threads}
        assert of_blas() == {3}
