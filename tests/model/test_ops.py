"""Each op's pullback is the vector-Jacobian product of its formula."""

import numpy as np
import pytest

from macrid.model import ops
from macrid.model.gradcheck import check_op


@pytest.mark.parametrize("op", [ops.tanh, ops.normalise, ops.softmax, ops.identity])
@pytest.mark.parametrize("shape", [(3, 5), (1, 2), (2, 3, 4)])
def test_elementwise_and_rowwise_ops(op, shape, rng):
    check_op(op, {("x" if op is not ops.softmax else "s"): rng.standard_normal(shape)}, rng)


def test_linear(rng):
    check_op(
        ops.linear,
        {
            "x": rng.standard_normal((3, 5)),
            "W": rng.standard_normal((5, 2)),
            "b": rng.standard_normal(2),
        },
        rng,
    )


def test_mask(rng):
    noise = np.array([[0, 2.0, 2.0], [2.0, 0, 0]])
    check_op(
        ops.mask, {"x": rng.standard_normal((2, 3)), "noise": noise}, rng, differentiable=["x"]
    )


def test_normalise_gives_unit_rows_and_survives_zero(rng):
    x = rng.standard_normal((4, 3))
    x[2] = 0
    y, pullback = ops.normalise(x)
    np.testing.assert_allclose(np.linalg.norm(y, axis=1), [1, 1, 0, 1], atol=1e-15)
    dx = pullback(np.ones((4, 3)))
    assert np.isfinite(dx).all()
    np.testing.assert_array_equal(dx[2], 1 / ops.EPSILON)  # below the floor y = x / 1e-8 is linear


def test_normalise_cannot_feel_a_push_along_itself(rng):
    y, pullback = ops.normalise(rng.standard_normal((4, 3)))
    np.testing.assert_allclose(pullback(5 * y), 0, atol=1e-12)


def test_softmax_of_huge_logits_is_finite():
    y, _ = ops.softmax(np.array([[1000.0, 1000.0, -1000.0]]))
    np.testing.assert_allclose(y, [[0.5, 0.5, 0]])


def test_cross_entropy(rng):
    target = np.array([[1, 0, 0], [0, 0, 0], [0.5, 0.5, 0], [0, 0, 1.0]])
    logits = rng.standard_normal((4, 3))
    check_op(ops.cross_entropy, {"s": logits, "target": target}, rng, differentiable=["s"])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    by_hand = (
        -(np.log(p[0, 0]) + (np.log(p[2, 0]) + np.log(p[2, 1])) / 2 + np.log(p[3, 2])) / 3
    )  # item 1 is unknown
    value, _ = ops.cross_entropy(logits, target)
    assert value == pytest.approx(by_hand, rel=1e-12), "equation (11), line 34"


def test_cross_entropy_without_a_known_item_is_zero(rng):
    value, pullback = ops.cross_entropy(rng.standard_normal((4, 3)), np.zeros((4, 3)))
    assert value == 0 and not pullback(1.0).any()
