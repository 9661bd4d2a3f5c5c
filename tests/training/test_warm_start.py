"""A start from an earlier model: common items by their ids, wherever they stand, the rest new."""

import numpy as np
import pytest
from helpers import SMALL

from macrid import data
from macrid.data.splits import split
from macrid.errors import UserError
from macrid.training import fit, warm_start

CONFIG = SMALL.replace(max_epochs=2, hidden_layers=1)


def month(first, seed=0):
    """60 users with 12 of 40 items, i3 to i42 if `first` is 3, in an order that the seed fixes."""
    rng = np.random.default_rng(seed)
    rows = [(f"u{u}", f"i{i + first}") for u in range(60) for i in rng.choice(40, 12, False)]
    interactions = data.from_pairs(*zip(*rows))
    parts = split(interactions, "all", 0)
    return parts, interactions.items[parts.items]


def test_what_is_kept_and_what_is_new():
    (january, before), (february, now) = month(0), month(3, seed=1)
    earlier = fit.fit(january, CONFIG).best
    cold, state = fit.start(february, CONFIG), fit.start(february, CONFIG)
    told = warm_start.warm(state, now, earlier, before, CONFIG)
    assert told == "37 items go on from there, 3 are new, 3 are gone"
    place = {item: row for row, item in enumerate(before.tolist())}
    for row, item in enumerate(now.tolist()):
        for name in ("H", "T"):
            expected = earlier[name][place[item]] if item in place else cold.parameters[name][row]
            np.testing.assert_array_equal(state.parameters[name][row], expected)
    for name in ("m", "W0", "b0", "W1", "b1"):
        np.testing.assert_array_equal(state.parameters[name], earlier[name])
    for name, p in state.parameters.items():
        np.testing.assert_array_equal(state.best[name], p)
        assert state.best[name] is not p and earlier.get(name) is not p
        assert not any(moment.any() for moment in state.moments[name]), "Adam begins anew"
    assert (state.step, state.epoch) == (0, 0)


def test_on_the_same_data_it_goes_on_where_the_earlier_one_was():
    january, items = month(0)
    long = CONFIG.replace(max_epochs=30)
    earlier = fit.fit(january, long)
    state = fit.start(january, CONFIG)
    warm_start.warm(state, items, earlier.best, items, CONFIG)
    first, cold = fit.fit(january, CONFIG, state=state), fit.fit(january, CONFIG)
    begins, would_begin, was = (
        state.history[epoch]["reconstruction"]
        for state, epoch in ((first, 0), (cold, 0), (earlier, -1))
    )
    assert begins > would_begin + 5 and abs(begins - was) < 3


@pytest.mark.parametrize(
    "options, differ",
    [
        ({"K": 3}, "has K = 2, not 3;"),
        ({"d": 5, "hidden_units": 7}, "has d = 16, not 5, hidden_units = 16, not 7;"),
        ({"hidden_layers": 0}, "has hidden_layers = 1, not 0"),
        ({"hidden_layers": 2}, "has hidden_layers = 1, not 2"),
    ],
)
def test_another_shape_is_told(options, differ):
    january, items = month(0)
    earlier = fit.start(january, CONFIG).best
    other = CONFIG.replace(**options)
    with pytest.raises(UserError, match=differ):
        warm_start.warm(fit.start(january, other), items, earlier, items, other)


def test_a_linear_path_is_made_anew_and_other_ids_are_told():
    january, items = month(0)
    earlier = {**fit.start(january, CONFIG).best, "L": np.ones((40, 3))}
    warm_start.warm(state := fit.start(january, CONFIG), items, earlier, items, CONFIG)
    assert "L" not in state.parameters
    with pytest.raises(UserError, match="none of the 40 items; its ids look like '.*', those of"):
        warm_start.warm(state, items, earlier, np.char.add("sku-", items), CONFIG)
