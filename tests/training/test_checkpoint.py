"""The state of a training, saved and resumed: exactly, and only with what it was made from."""

import pytest
from helpers import SMALL, same

from macrid import data
from macrid.data.splits import split
from macrid.errors import UserError
from macrid.training import checkpoint, fit


@pytest.mark.parametrize("averaging", [0.0, 0.7])
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_interrupted_and_resumed_equals_uninterrupted(two_worlds, tmp_path, stop, averaging):
    config = SMALL.replace(averaging=averaging)
    whole = fit.fit(two_worlds, config)
    partial = fit.fit(two_worlds, config.replace(max_epochs=stop))
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, partial, config, two_worlds)
    same(fit.fit(two_worlds, config, state=checkpoint.load(path, config, two_worlds)), whole)


def test_a_checkpoint_without_the_average_is_not_whole(two_worlds, tmp_path):
    path, config = tmp_path / "checkpoint.npz", SMALL.replace(averaging=0.7, max_epochs=2)
    state = fit.fit(two_worlds, config)
    state.average = {}
    checkpoint.save(path, state, config, two_worlds)
    with pytest.raises(UserError, match="not a whole checkpoint .*it lacks 'average/H'"):
        checkpoint.load(path, config, two_worlds)


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


def test_a_large_state_is_saved_now_and_then_a_small_one_always(two_worlds):
    small = fit.start(two_worlds, SMALL)
    large = fit.start(two_worlds, SMALL.replace(d=600))
    assert checkpoint.is_due(small, 0.0) and not checkpoint.is_due(large, 0.0)
    assert checkpoint.is_due(large, float("inf")), "the first time"
