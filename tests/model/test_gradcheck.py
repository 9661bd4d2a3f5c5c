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


def test_float32_is_refused():
    with pytest.raises(AssertionError, match="float64"):
        check(lambda x: x.sum(), {"x": np.ones(2, np.float32)}, {"x": np.ones(2, np.float32)})
