"""The checker that points: right models pass, and a wrong line is named, with what is wrong."""

import pytest

from macrid.model import encoder, objective, ops
from macrid.model.gradtrace import check_objective


def traced(t, beta=0.7):
    return check_objective(t.parameters, t.X, t.noise, t.config, beta, t.targets)


@pytest.mark.parametrize(
    "options",
    [{}, {"similarity": "inner"}, {"unit_mu": False}, {"hidden_layers": 0}, {"tau": 0.02}],
    ids=str,
)
def test_a_right_model_has_right_cotangents_everywhere(tiny, options):
    errors = traced(tiny(category_weight=0.3, **options))
    ops_of = {place[0] for place in errors if isinstance(place, tuple)}
    assert len(ops_of) == 14 and max(errors.values()) < 1e-6
    assert {"H", "T", "m"} < errors.keys(), "and the parameters themselves"


def wrong(op, name, monkeypatch, change):
    """Put an op into the objective whose cotangents are changed: change(what it hands on)."""

    def changed(*arguments):
        value, pullback = op(*arguments)
        return value, lambda *dy: change(pullback, *dy)

    monkeypatch.setattr(objective, name, changed)


def test_a_factor_that_differs_from_row_to_row_is_named(tiny, monkeypatch):
    """||x||^2 for ||x||."""

    def squared(x):
        y, pullback = ops.normalise(x)
        return y, lambda dy: pullback(dy) / ops.row_dot(x, x)[..., None] ** 0.5

    monkeypatch.setattr(objective, "normalise", squared)
    with pytest.raises(
        AssertionError, match=r"Line 28 .*normalise z[^$]*Each row is a multiple[^$]*\|\|x\|\|\^2"
    ):
        traced(tiny())


def test_a_path_that_is_not_added_is_named(tiny, monkeypatch):
    monkeypatch.setattr(objective, "added", lambda first, second: first)
    with pytest.raises(
        AssertionError,
        match=r"Line 20, 21 .*posterior: what it is handed for mu[^$]*"
        r"what kl_divergence hands on for it, which is right, is left out",
    ):
        traced(tiny())


def test_a_cotangent_of_another_shape_is_named(tiny, monkeypatch):
    turn = lambda pullback, dA: tuple(gradient.T for gradient in pullback(dA))
    wrong(encoder.aggregate, "aggregate", monkeypatch, turn)
    with pytest.raises(
        AssertionError, match=r"aggregate: what it hands on for C has shape \(2, 7\), .* \(7, 2\)"
    ):
        traced(tiny())
