r"""Is a hand-written gradient the derivative of its value? Central differences will tell.

    df/dx_j  ~  (f(x + h e_j) - f(x - h e_j)) / (2h)

The truncation error falls as h^2 and the rounding error grows as 1/h: in float64, h = 1e-5 leaves
about 1e-9. A check proves that value and gradient agree, not that the value is the right one.
"""

import numpy as np

STEP = 1e-5
TOLERANCE = 1e-6
# gradients below this everywhere count as zero: central differences see only rounding there
FLOOR = 1e-3


def numerical_gradient(f, x, step=STEP):
    """Central differences of the scalar function f at x (float64): an array of x's shape."""
    gradient = np.empty_like(x)
    for j in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[j] += step
        below[j] -= step
        gradient[j] = (f(above) - f(below)) / (2 * step)
    return gradient


def check(f, arguments, gradients, step=STEP, tolerance=TOLERANCE, what=""):
    """Compare `gradients` with the central differences of f(**arguments), a scalar.

    `gradients` is a dict of some of the arguments.

    The error of an argument is max|numerical - analytic| / max(max|numerical|, FLOOR). Raises
    AssertionError that says `what` was checked and names the argument, the coordinate, both values
    and the likely mistake; returns the errors as a dict.
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    errors = {}
    for name, analytic in gradients.items():
        x = arguments[name]
        assert x.dtype == np.float64, f"{name} is {x.dtype}: a gradient check needs float64"
        assert analytic.shape == x.shape, (
            f"{name} has shape {x.shape} but its gradient has {analytic.shape}"
        )
        numerical = numerical_gradient(lambda value: f(**{**arguments, name: value}), x, step)
        scale = np.abs(numerical).max(initial=0.0)
        difference = np.abs(numerical - analytic)
        errors[name] = float(difference.max(initial=0.0) / max(scale, FLOOR))
        if not errors[name] < tolerance:
            worst = np.argmax(np.where(np.isnan(difference), np.inf, difference))
            j = np.unravel_index(worst, x.shape)
            wrong = int((~(difference < tolerance * max(scale, FLOOR))).sum())
            hint = _hint(analytic, numerical)
            if not np.array_equal(f(**arguments), f(**arguments), equal_nan=True):
                hint = "The value itself changes from call to call: draw its noise outside."
            raise AssertionError(
                f"{what}{': ' * bool(what)}the gradient of {name} is wrong at {wrong} of {x.size}"
                f" coordinates: worst at {tuple(map(int, j))}, by hand {analytic[j]:.9g}, by"
                f" central differences {numerical[j]:.9g}, error {errors[name]:.2e} (allowed"
                f" {tolerance:.0e}). {hint}"
            )
    return errors


def check_op(op, arguments, rng, differentiable=None, tolerance=TOLERANCE):
    """Check an op (value and pullback) with a random cotangent, and that the check can fail.

    `arguments` is a dict in the order of the op's arguments; `differentiable` names those that the
    pullback returns gradients for, in order (all of them by default). Values may be an array, a
    scalar or a tuple of arrays. Also required: some gradient is not zero, the pullback gives the
    same when called twice and changes no argument, and (negative control) the same check fails when
    the gradients are scaled by 1.001. Returns the errors. What fails is named by the op and the
    first line of its docstring, where its formula stands.
    """
    __tracebackhide__ = True
    formula = (op.__doc__ or "without a formula").strip().splitlines()[0].rstrip(".")
    what = f"{op.__name__} ({formula})"
    names = list(arguments) if differentiable is None else differentiable
    before = {name: np.array(arguments[name]) for name in names}
    value, pullback = op(**arguments)
    outputs = value if isinstance(value, tuple) else (value,)
    cotangents = tuple(rng.standard_normal(np.shape(output)) for output in outputs)
    first, second = pullback(*cotangents), pullback(*cotangents)
    first, second = (g if isinstance(g, tuple) else (g,) for g in (first, second))
    gradients = dict(zip(names, first, strict=True))
    for name, again in zip(names, second):
        np.testing.assert_array_equal(
            gradients[name],
            again,
            f"{what}: the pullback changed {name}'s gradient when called again",
        )
        np.testing.assert_array_equal(
            arguments[name], before[name], f"{what}: the op changed its argument {name}"
        )

    def scalar(**arguments):
        value, _ = op(**arguments)
        outputs = value if isinstance(value, tuple) else (value,)
        return sum(float(np.sum(y * dy)) for y, dy in zip(outputs, cotangents))

    errors = check(scalar, arguments, gradients, tolerance=tolerance, what=what)
    negative_control(scalar, arguments, gradients, tolerance=tolerance)
    return errors


def negative_control(f, arguments, gradients, tolerance=TOLERANCE):
    """The check must fail for every gradient that is not zero when it is scaled by 1.001."""
    __tracebackhide__ = True
    nonzero = {name: g for name, g in gradients.items() if np.abs(g).max(initial=0.0) > FLOOR}
    assert nonzero, "every gradient is zero: the check would prove nothing"
    for name, gradient in nonzero.items():
        try:
            check(f, arguments, {name: gradient * 1.001}, tolerance=tolerance)
        except AssertionError:
            continue
        raise AssertionError(f"the check of {name} did not notice a gradient scaled by 1.001")


def _hint(analytic, numerical):
    """Guess the mistake from the ratio of the two gradients."""
    if not np.isfinite(analytic).all():
        return "It is not finite: look for a division by zero."
    ratio = float(np.vdot(numerical, analytic)) / max(float(np.vdot(numerical, numerical)), 1e-300)
    if not np.abs(analytic).max(initial=0.0):
        return "It is zero: is this argument's path left out of the sum?"
    residual = np.abs(analytic - ratio * numerical).max() / np.abs(analytic).max()
    if residual < 1e-4:
        return (
            f"It is {ratio:.6g} times the right one everywhere: a factor (1/tau, 1/B, 2, a sign) is"
            " missing, or one too many."
        )
    return (
        "It is not a multiple of the right one: a path of the fan-out, or a part of a Jacobian, may"
        " be missing. Check the ops of its paths one by one."
    )
