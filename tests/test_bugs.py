"""The planted bugs of notebook 8: each is found, by its finder, with words that say where."""

import importlib
import sys

import numpy as np
import pytest
from helpers import ROOT, check_moments

from macrid.model import encoder, gradtrace, objective, ops
from macrid.model.gradcheck import check_op

sys.path.insert(0, str(ROOT / "tutorials"))
bugs = importlib.import_module("bugs")

# what the trace of the whole model says: the place, the formula, and what is wrong with it
TRACED = {
    "A": r"Line 14 .*concept_logits.*unit H.*dH = ds m / tau.*0.1 times .*, which is tau:",
    "B": r"Line 28 .*normalise z: .*dx = \(dy - y \(y . dy\)\) / \|\|x\|\|.*not a multiple",
    "C": r"the loss itself changes from call to call: draw its noise outside",
    "D": r"Line 14, 28 .*handed for unit H .*concept_logits hands on for it, .* is left out",
    "E": r"Line 19 .*aggregate: what it hands on for C.*2 c_ik \(X\^T ds\)_ik.*besides: T right",
    "F": r"Line 26 .*kl_divergence: what it hands on for b .*/ 2 / B.*3 times .*, which is B:",
    "G": r"Line 19 .*f_nn: what it hands on for A.*W0 right, b0 right, W1 right, b1 right",
    "H": r"Line 19 .*f_nn: what it hands on for A.*W0 wrong, b0 wrong, W1 right, b1 right",
    "I": r"Line 15 .*softmax: what it hands on for logits.*C \(dC - sum_k C_k dC_k\)",
    "J": r"Line 25 .*sample: what it hands on for b.*-1/2 dz epsilon sigma.*2 times",
    "K": r"Line 15 .*softmax.* changes when the pullback is called again: it writes into its clos",
}

# and other mistakes: of weights, of what is returned, of shapes
OTHERS = {
    "beta lost": (
        (objective.elbo, ("dloss * beta", "dloss")),
        r"Line 26 .*kl_divergence: what it is handed for KL.*1.42857 .*, which is 1/beta:",
    ),
    "category_weight lost": (
        (objective.elbo, ("dloss * config.category_weight", "dloss")),
        r"Line 34 .*cross_entropy: what it is handed .*, which is 1/category_weight:",
    ),
    "a norm squared": (
        (ops.normalise, ("dx /= floored", "dx /= floored * floored")),
        r"Line 28 .*normalise z: .*Each row is a multiple of the right one, by ",
    ),
    "a weight's gradient turned": (
        (ops.linear, ("x.T @ dy", "(x.T @ dy).T")),
        r"Line 19 .*f_nn: what it hands on for W0 has shape \(4, 5\), it should have \(5, 4\)",
    ),
    "right inside, returned wrong": (
        (objective.elbo, ('gradients["m"] = pull_m(dm)', 'gradients["m"] = pull_m(dm) * 1.5')),
        r"every op is right, but: the gradient of m .*1.5 times",
    ),
}


def trace(t):
    gradtrace.check_objective(t.parameters, t.X, t.noise, t.config, 0.7, t.targets)


def test_every_letter_has_its_finder():
    assert [*TRACED, "L"] == list(bugs.BUGS)


@pytest.mark.parametrize("letter", TRACED)
def test_the_trace_finds_it_and_says_where(tiny, letter):
    t = tiny(category_weight=0.3)
    with bugs.planted(letter), pytest.raises(AssertionError, match=f"(?s){TRACED[letter]}"):
        trace(t)


@pytest.mark.parametrize("name", OTHERS)
def test_it_finds_other_mistakes_too(tiny, name, monkeypatch):
    bug, words = OTHERS[name]
    monkeypatch.setitem(bugs.BUGS, name, bug)
    t = tiny(category_weight=0.3)
    with bugs.planted(name), pytest.raises(AssertionError, match=f"(?s){words}"):
        trace(t)


def test_without_a_bug_nothing_is_found_also_after_one_was_planted(tiny):
    t = tiny(category_weight=0.3)
    with bugs.planted("A"):
        pass
    trace(t)


def test_k_is_found_by_the_check_of_its_op(rng):
    with bugs.planted("K") as softmax, pytest.raises(AssertionError, match="when called again"):
        check_op(softmax, {"s": rng.standard_normal((3, 4))}, rng)


def test_l_is_consistent_and_found_by_its_value_alone(tiny, rng):
    """No gradient check can see it; the moments of samples do, and name (9)."""
    mean = np.full((100_000, 1, 1), 0.4), np.full((100_000, 1, 1), 0.7)
    epsilon = rng.standard_normal((100_000, 1, 1))
    with bugs.planted("L") as sample:
        trace(tiny(category_weight=0.3))
        with pytest.raises(AssertionError, match=r"equation \(9\), line 21"):
            check_moments(sample, *mean, epsilon)
    check_moments(encoder.sample, *mean, epsilon)
