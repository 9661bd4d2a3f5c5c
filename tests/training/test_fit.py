"""The training loop: annealing, early stopping, exact resumption, and a made dataset whose answer
is known.
"""

import math

import pytest
from helpers import SMALL, same

from macrid import data, model
from macrid.config import Config
from macrid.data.splits import split
from macrid.errors import UserError
from macrid.evaluation import metrics
from macrid.training import checkpoint, fit


def test_it_learns_what_there_is_to_learn(two_worlds):
    """Within a world nothing can be told apart: recall@18 of the 18 items left there should be near
    1.
    """
    state = fit.fit(two_worlds, SMALL.replace(max_epochs=40, learning_rate=0.02))
    figures = metrics.evaluate(
        lambda X: model.predict(state.best, X, SMALL), two_worlds.test, ((21, "recall"),)
    )
    assert metrics.summary(figures)["recall@21"]["mean"] > 0.95
    assert state.history[-1]["loss"] < state.history[0]["loss"]


def test_the_seed_fixes_everything(two_worlds):
    same(fit.fit(two_worlds, SMALL), fit.fit(two_worlds, SMALL))
    assert fit.fit(two_worlds, SMALL.replace(seed=1)).history != fit.fit(two_worlds, SMALL).history


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_interrupted_and_resumed_equals_uninterrupted(two_worlds, tmp_path, stop):
    whole = fit.fit(two_worlds, SMALL)
    partial = fit.fit(two_worlds, SMALL.replace(max_epochs=stop))
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, partial, SMALL, two_worlds)
    same(fit.fit(two_worlds, SMALL, state=checkpoint.load(path, SMALL, two_worlds)), whole)


def test_a_checkpoint_of_another_configuration_or_other_data_is_refused(two_worlds, tmp_path, rng):
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, fit.start(two_worlds, SMALL), SMALL, two_worlds)
    with pytest.raises(UserError, match="made with tau = 0.1, not 0.2"):
        checkpoint.load(path, SMALL.replace(tau=0.2), two_worlds)
    checkpoint.load(
        path, SMALL.replace(max_epochs=99, patience=3), two_worlds
    )  # these only say when to stop
    rows = [(f"u{u}", f"i{i}") for u in range(30) for i in rng.choice(30, 12, replace=False)]
    with pytest.raises(UserError, match="from other data"):
        checkpoint.load(path, SMALL, split(data.from_pairs(*zip(*rows)), "holdout", 0))


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


def test_a_loss_that_is_not_finite_stops_with_a_remedy(two_worlds):
    state = fit.start(two_worlds, SMALL)
    state.parameters["T"][3] = math.nan
    with pytest.raises(UserError, match="the loss became nan in epoch 1, .*lower learning_rate"):
        fit.fit(two_worlds, SMALL, state=state)


def test_more_concepts_than_items_are_refused(two_worlds):
    with pytest.raises(UserError, match="K is 99 but training has only 60 items"):
        fit.start(two_worlds, SMALL.replace(K=99))
