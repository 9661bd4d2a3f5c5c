"""The checker is itself checked: it must accept what is right and name what is wrong."""

import numpy as np
import pytest

from macrid.model.gradcheck import check, check_op, negative_control, numerical_gradient


def test_central_differences_of_a_known_function(rng):
    """f(x) = sum x^3 has the gradient 3 x^2; the error of central differences is h^2 = 1e-10."""
    x = rng.standard_normal((2, 3))
    np.testing.assert_allclose(numerical_gradient(lambda x: (x**3).sum(), x), 3 * x**2, atol=1e-9)


def square(x):
    return x * x, lambda dy: 2 * x * dy


def test_accepts_a_right_pullback(rng):
    assert check_op(square, {"x": rng.standard_normal(4)}, rng)["x"] < 1e-6


@pytest.mark.parametrize(
    "pullback, hint",
    [
        (lambda x, dy: x * dy, "0.5 times the right one"),
        (lambda x, dy: -2 * x * dy, "-1 times the right one"),
        (lambda x, dy: 0 * x, "It is zero"),
        (lambda x, dy: 2 * x * dy + 1, "not a multiple"),
        (lambda x, dy: x * np.nan, "not finite"),
    ],
)
def test_names_a_wrong_pullback(rng, pullback, hint):
    x = rng.standard_normal(4)
    with pytest.raises(AssertionError, match=hint):
        dy = np.ones(4)
        check(lambda x: (x * x).sum(), {"x": x}, {"x": pullback(x, dy)})


def test_the_message_names_the_op_with_its_formula_and_counts_the_wrong_coordinates(rng):
    def half(x):
        """y = x^2, which is not an equation of the paper."""
        return x * x, lambda dy: np.where(np.arange(4) < 3, x, 2 * x) * dy

    with pytest.raises(
        AssertionError,
        match=(
            r"half \(y = x\^2, which is not an equation of the paper\): the gradient of x is wrong"
            r" at 3 of 4"
        ),
    ):
        check_op(half, {"x": rng.standard_normal(4)}, rng)


def test_noise_that_is_drawn_inside_is_named(rng):
    with pytest.raises(AssertionError, match="draw its noise outside"):
        check(lambda x: (x * rng.standard_normal(3)).sum(), {"x": np.ones(3)}, {"x": np.ones(3)})


def test_one_wrong_coordinate_of_many_is_found(rng):
    x = rng.standard_normal(200)
    gradient = 2 * x
    gradient[137] *= 1.01
    with pytest.raises(AssertionError, match=r"worst at \(137,\)"):
        check(lambda x: (x * x).sum(), {"x": x}, {"x": gradient})


def test_a_gradient_of_zeros_proves_nothing(rng):
    with pytest.raises(AssertionError, match="prove nothing"):
        negative_control(lambda x: 0.0, {"x": rng.standard_normal(3)}, {"x": np.zeros(3)})


def test_a_pullback_that_changes_its_closure_is_found(rng):
    def impatient(x):
        kept = x.copy()

        def pullback(dy):
            nonlocal kept
            kept = kept * 2
            return kept * dy

        return x * x, pullback

    with pytest.raises(AssertionError, match="called again"):
        check_op(impatient, {"x": rng.standard_normal(3)}, rng)


def test_a_pullback_that_returns_what_it_spoils_is_found(rng):
    """It gives the same array each time: compared with itself, it would seem unchanged."""

    def softmax(s):
        y = np.exp(s) / np.exp(s).sum()
        return y, lambda dy: np.multiply(y, dy - y @ dy, out=y)

    with pytest.raises(AssertionError, match="called again"):
        check_op(softmax, {"s": rng.standard_normal(3)}, rng)


def test_a_factor_that_differs_from_row_to_row_is_named(rng):
    x = rng.standard_normal((3, 2))
    wrong = 2 * x * np.array([[0.5], [2], [3]])
    with pytest.raises(
        AssertionError, match="Each row is a multiple of the right one, by 0.5 to 3"
    ):
        check(lambda x: (x * x).sum(), {"x": x}, {"x": wrong})


def test_rows_below_the_floor_have_no_ratio(rng):
    x, small = rng.standard_normal((3, 2)), 1e-4
    with pytest.raises(AssertionError, match="not a multiple"):
        wrong = {"x": small * np.array([[1, 2], [3, 0], [1, 1.0]])}
        check(lambda x: small * x.sum(), {"x": x}, wrong)


def test_a_gradient_of_another_shape_is_refused(rng):
    with pytest.raises(AssertionError, match=r"x has shape \(2, 3\) but its gradient has \(3, 2\)"):
        check_op(lambda x: (x, lambda dy: dy.T), {"x": rng.standard_normal((2, 3))}, rng)
    with pytest.raises(AssertionError, match="gives 2 gradients for 1 argument"):
        check_op(lambda x: (x, lambda dy: (dy, dy)), {"x": rng.standard_normal(3)}, rng)


def test_what_it_cannot_see(rng):
    """Its limits: a kink has no gradient that agrees, and what is far smaller than the largest
    entry, or than the floor, may be wrong.
    """
    at_the_kink = {"x": np.array([0.0])}
    for slope in (-1.0, 0.5, 1.0):
        with pytest.raises(AssertionError):
            check(lambda x: np.abs(x).sum(), at_the_kink, {"x": np.array([slope])})
    steep = np.array([1e8, 1.0])
    check(lambda x: (steep * x).sum(), {"x": np.ones(2)}, {"x": np.array([1e8, 2.0])})
    check(lambda x: 1e-10 * x.sum(), {"x": np.ones(2)}, {"x": np.full(2, 3e-10)})


def test_float32_is_refused():
    with pytest.raises(AssertionError, match="float64"):
        check(lambda x: x.sum(), {"x": np.ones(2, np.float32)}, {"x": np.ones(2, np.float32)})
