r"""Is a hand-written gradient the derivative of its value? Central differences will tell.

    df/dx_j  ~  (f(x + h e_j) - f(x - h e_j)) / (2h)

The truncation error falls as h^2 and the rounding error grows as 1/h: in float64, h = 1e-5 leaves
about 1e-9. `check` compares a gradient, `check_op` an op on its own; `gradtrace` follows the whole
model's.

What these cannot see. A value that is wrong itself: value and gradient may agree on the wrong
thing. A kink: where f bends within h of x, as max(||x||, 1e-8) does near 0, central differences are
the mean of two slopes and no gradient agrees. What is small beside the largest entry of its array,
as errors are relative to that; and all of an array below FLOOR, where only rounding would be seen.
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
        assert np.shape(analytic) == x.shape, (
            f"{what}{': ' * bool(what)}{name} has shape {x.shape} but its gradient has"
            f" {np.shape(analytic)}"
        )
        numerical = numerical_gradient(lambda value: f(**{**arguments, name: value}), x, step)
        errors[name], complaint = compare(name, analytic, numerical, tolerance)
        if complaint:
            if not np.array_equal(f(**arguments), f(**arguments), equal_nan=True):
                complaint += " The value itself changes from call to call: draw its noise outside."
            raise AssertionError(f"{what}{': ' * bool(what)}{complaint}")
    return errors


def compare(name, analytic, numerical, tolerance=TOLERANCE, hint=None):
    """The error of a gradient, and what is wrong with it in words: "" if nothing is.

    `hint` (analytic, numerical) guesses the mistake.
    """
    scale = max(np.abs(numerical).max(initial=0.0), FLOOR)
    difference = np.abs(numerical - analytic)
    error = float(difference.max(initial=0.0) / scale)
    if error < tolerance:
        return error, ""
    worst = np.argmax(np.where(np.isnan(difference), np.inf, difference))
    j = np.unravel_index(worst, np.shape(numerical))
    wrong = int((~(difference < tolerance * scale)).sum())
    return error, (
        f"the gradient of {name} is wrong at {wrong} of {np.size(numerical)} coordinates: worst at"
        f" {tuple(map(int, j))}, by hand {np.asarray(analytic)[j]:.9g}, by central differences"
        f" {numerical[j]:.9g}, error {error:.2e} (allowed {tolerance:.0e})."
        f" {(hint or likely_mistake)(np.asarray(analytic), numerical)}"
    )


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
    cotangents = tuple(rng.standard_normal(np.shape(output)) for output in as_tuple(value))
    # copies: a pullback that writes into its closure may return the same array each time
    first = [np.array(gradient) for gradient in as_tuple(pullback(*cotangents))]
    second = as_tuple(pullback(*cotangents))
    assert len(first) == len(names), (
        f"{what}: the pullback gives {len(first)} gradients for {len(names)} arguments"
    )
    gradients = dict(zip(names, first))
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
        return sum(float(np.sum(y * dy)) for y, dy in zip(as_tuple(value), cotangents))

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


def likely_mistake(analytic, numerical, constants=()):
    """Guess the mistake from the ratio of two gradients that differ.

    `constants` {name: number}: a ratio that is one of them is named.
    """
    if not np.isfinite(analytic).all():
        return "It is not finite: look for a division by zero."
    if not np.abs(analytic).max(initial=0.0):
        return "It is zero: is this argument's path left out of the sum?"
    ratio, residual = _ratio(analytic, numerical)
    if residual < 1e-4:
        named = [name for name in constants if np.isclose(ratio, constants[name], rtol=1e-4)]
        return (
            f"It is {ratio:.6g} times the right one everywhere"
            f"{', which is ' * bool(named)}{' or '.join(named)}: a factor (1/tau, 1/B, 2, a sign)"
            " is missing, or one too many."
        )
    if analytic.ndim > 1:
        pairs = zip(*(x.reshape(-1, x.shape[-1]) for x in (analytic, numerical)))
        rows = [_ratio(*pair) for pair in pairs if np.abs(pair).max() > FLOOR]
        if rows and max(residual for _, residual in rows) < 1e-4:
            return (
                f"Each row is a multiple of the right one, by {min(rows)[0]:.6g} to"
                f" {max(rows)[0]:.6g}: a factor that differs from row to row (a norm, ||x||^2 for"
                " ||x||; n_u; 1/Z_u) is missing, or one too many."
            )
    return (
        "It is not a multiple of the right one: a path of the fan-out, or a part of a Jacobian, may"
        " be missing. Check the ops of its paths one by one."
    )


def _ratio(analytic, numerical):
    """The factor between two arrays, and how far they are from being multiples."""
    ratio = float(np.vdot(numerical, analytic)) / max(float(np.vdot(numerical, numerical)), 1e-300)
    largest = max(float(np.abs(analytic).max(initial=0.0)), 1e-300)
    return ratio, float(np.abs(analytic - ratio * numerical).max(initial=0.0)) / largest


def as_tuple(value):
    """What an op gives, or its pullback, as a tuple."""
    return value if isinstance(value, tuple) else (value,)
