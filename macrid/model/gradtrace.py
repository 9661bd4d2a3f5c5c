r"""Where is the model's gradient wrong? Every cotangent is checked, from the loss back.

On the way back an op is handed the cotangents of what it gave and hands on those of what it took.
All are derivatives of the loss, so central differences can tell each by adding a little to that
array alone. The first wrong one on the way back is at the mistake; all after it may be wrong too.
"""

from types import FunctionType, SimpleNamespace
from typing import NamedTuple

import numpy as np

from macrid.model import objective
from macrid.model.gradcheck import (
    FLOOR,
    STEP,
    as_tuple,
    check,
    compare,
    likely_mistake,
    numerical_gradient,
)


class Way(NamedTuple):
    """An op of the objective: its line of Algorithm 1, what it takes ("" has no gradient) and
    gives, and the formula backward.
    """

    line: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    backward: str


OPS = {
    "concept_logits": Way("14", ("unit H", "unit m"), ("s",), "dH = ds m / tau, dm = ds^T H / tau"),
    "gumbel_logits": Way("15", ("s",), ("logits",), "ds = dlogits / temperature"),
    "softmax": Way("15", ("logits",), ("C",), "dlogits = C (dC - sum_k C_k dC_k)"),
    "log_softmax": Way("15", ("logits",), ("ln C",), "dlogits = dlnC - C sum_k dlnC_k"),
    "aggregate": Way(
        "19",
        ("", "C", "T"),
        ("A",),
        "dn = dA / r, ds = -(dA . A) / (2 r^2), Y_k = X^T dn_k,"
        " dT = sum_k c_k * Y_k, dC_ik = t_i . Y_ki + 2 c_ik (X^T ds)_ik",
    ),
    "f_nn": Way(
        "19",
        ("A", "W, b"),
        ("ab",),
        "a layer: dx = dy W^T, dW = x^T dy, db = sum dy; tanh: dy (1 - y^2); dropout: dy * mask",
    ),
    "posterior": Way(
        "20, 21", ("ab",), ("mu", "b"), "da = (dmu - mu (mu . dmu)) / ||a||, beside it db"
    ),
    "sample": Way("25", ("mu", "b"), ("z",), "dmu = dz, db = -1/2 dz epsilon sigma"),
    "kl_divergence": Way(
        "26",
        ("mu", "b"),
        ("KL",),
        "dmu = mu / sigma0^2 / B, db = (1 - exp(-b)) / 2 / B, times the beta of line 34",
    ),
    "log_likelihood": Way(
        "28, 29",
        ("unit z", "unit H", "ln C"),
        ("ln p",),
        "da_uki = (n_u G_uki / Z_u - x_ui q_uki) / B",
    ),
    "cross_entropy": Way(
        "34",
        ("logits", ""),
        ("cross-entropy",),
        "dlogits = (softmax(logits) - target) / n, times category_weight",
    ),
}
UNIT = {
    f"normalise {of}": Way(line, (of,), (f"unit {of}",), "dx = (dy - y (y . dy)) / ||x||")
    for of, line in (("H", "14, 28"), ("m", "14"), ("z", "28"))  # in the order of elbo
}


def check_objective(parameters, X, noise, config, beta, targets=None):
    """Check every cotangent of `objective.elbo`, from the loss back to the parameters.

    Arguments as in `objective.loss_and_gradients`, in float64 and without candidates. The first
    that is not the derivative of the loss is named in an AssertionError, with the op's line of
    Algorithm 1 and the formula backward. If what an op hands on is wrong, that op is; if what it is
    handed is, a path is missing from a sum, or a weight of line 34. Returns {place: error}.
    """
    __tracebackhide__ = True
    given = X, noise, config, beta, targets
    loss = lambda shifts: _tapped(shifts, {})(parameters, *given)[0]["loss"]
    assert loss({}) == loss({}), "the loss itself changes from call to call: draw its noise outside"
    handed: dict = {}
    _, pullback = _tapped({}, handed)(parameters, *given)
    gradients = {name: np.array(gradient) for name, gradient in pullback(1.0).items()}
    first = dict(handed)
    pullback(1.0)
    for place, cotangent in first.items():
        assert np.array_equal(cotangent, handed[place], equal_nan=True), (
            f"{_told(place)} changes when the pullback is called again: it writes into its closure"
        )

    errors, constants = {}, _constants(X, config, beta)
    for place, cotangent in first.items():
        numerical = _numerical(loss, place, cotangent)
        hint = lambda analytic, numerical, place=place: (
            _left_out(place, first, numerical - analytic)
            or likely_mistake(analytic, numerical, constants) + _others(loss, place, first)
        )
        errors[place], complaint = compare(place[1], cotangent, numerical, hint=hint)
        assert not complaint, (
            f"{_told(place)} is the first wrong one on the way back.\n"
            f"Backward: {(OPS | UNIT)[place[0]].backward}\n{complaint}"
        )
        _, noticed = compare(place[1], 1.001 * cotangent, numerical)
        assert noticed or np.abs(cotangent).max(initial=0.0) < FLOOR, (
            f"{_told(place)}: the check did not notice that it is scaled by 1.001"
        )
    value = lambda **changed: objective.elbo(changed, *given)[0]["loss"]
    return errors | check(value, parameters, gradients, what="every op is right, but")


def cotangents(parameters, X, noise, config, beta, targets=None):
    """Every cotangent of `objective.elbo`, from the loss back: {(op, symbol, side): array}.

    Arguments as in `check_objective`. The side is "given" for what an op gave, whose cotangent it
    is handed (all uses of it added up), and "taken" for what it took, whose cotangent it hands on.
    """
    handed: dict = {}
    _tapped({}, handed)(parameters, X, noise, config, beta, targets)[1](1.0)
    return handed


def _tapped(shifts, handed):
    """A copy of `objective.elbo` whose ops add shifts[place] to what they take and give, and note
    the cotangents, in order, in `handed`. A place is (op, symbol, "given" or "taken").
    """

    def tapped(name, op):
        _, takes, gives, _ = (OPS | UNIT)[name]
        shifted = lambda side, symbol, x: x + shifts.get((name, symbol, side), 0.0)

        def note(side, symbol, cotangent, shape):
            place = (name, symbol, side)
            assert np.shape(cotangent) == shape, (
                f"{_told(place)} has shape {np.shape(cotangent)}, it should have {shape}"
            )
            handed[place] = np.array(cotangent, dtype=float)

        def watched(*given, **options):
            arguments, taken = list(given), []
            for j, symbol in enumerate(takes):
                if symbol:
                    x = arguments[j]
                    parts = x if isinstance(x, dict) else {symbol: x}
                    parts = {part: shifted("taken", part, y) for part, y in parts.items()}
                    taken.append(parts)
                    arguments[j] = parts if isinstance(x, dict) else parts[symbol]
            value, pullback = op(*arguments, **options)
            values = [shifted("given", *pair) for pair in zip(gives, as_tuple(value), strict=True)]
            shapes = [np.shape(y) for y in values]

            def watched_pullback(*cotangents):
                for symbol, dy, shape in zip(gives, cotangents, shapes, strict=True):
                    note("given", symbol, dy, shape)
                back = pullback(*cotangents)
                for parts, dx in zip(taken, as_tuple(back), strict=True):
                    parts_of = dx if isinstance(dx, dict) else dict.fromkeys(parts, dx)
                    for symbol, x in parts.items():
                        note("taken", symbol, parts_of[symbol], np.shape(x))
                return back

            return tuple(values) if isinstance(value, tuple) else values[0], watched_pullback

        return watched

    names = objective.elbo.__globals__
    room = vars(names["prototypes"])
    ops = {name: tapped(name, names.get(name) or room[name]) for name in OPS}

    def compared(config):
        unit, in_turn = names["compared"](config), iter(UNIT)
        return lambda x: tapped(next(in_turn), unit)(x)

    changed = names | ops | {"compared": compared, "prototypes": SimpleNamespace(**ops)}
    return FunctionType(objective.elbo.__code__, changed, "elbo", objective.elbo.__defaults__)


def _numerical(loss, place, cotangent):
    """The derivative of the loss by what is added at a place.

    By smaller steps if need be: where a c is tiny the loss bends within a step.
    """
    at, zero = lambda shift: loss({place: shift}), np.zeros(np.shape(cotangent))
    usual = numerical_gradient(at, zero)
    right = not compare("", cotangent, usual)[1]
    return usual if right else numerical_gradient(at, zero, STEP / 10)


def _told(place):
    """Whose cotangent it is, in words."""
    op, symbol, side = place
    verb = "hands on for" if side == "taken" else "is handed for"
    return f"Line {(OPS | UNIT)[op].line} of Algorithm 1, {op}: what it {verb} {symbol}"


def _left_out(place, handed, difference):
    """Which part is left out of a sum, if that is all the difference."""
    for (op, symbol, side), part in handed.items():
        is_part = (symbol, side, place[2]) == (place[1], "taken", "given")
        if is_part and np.allclose(part, difference, atol=1e-6):
            return f"It is a sum, and what {op} hands on for it, which is right, is left out."
    return ""


def _others(loss, place, handed):
    """What else its op hands on, and whether that is right."""
    words = []
    for other, cotangent in handed.items():
        if other[::2] == (place[0], "taken") == place[::2] and other != place:
            _, complaint = compare("", cotangent, _numerical(loss, other, cotangent))
            words.append(f"{other[1]} {'wrong' if complaint else 'right'}")
    return f" Of what it hands on besides: {', '.join(words)}." if words else ""


def _constants(X, config, beta):
    """Numbers of the model that get lost, by name, with their inverses."""
    numbers = {
        "tau": config.tau,
        "B": X.shape[0],
        "beta": beta,
        "sigma0": config.sigma0,
        "sigma0^2": config.sigma0**2,
        "gumbel_temperature": config.gumbel_temperature,
        "category_weight": config.category_weight,
    }
    # a ratio of 2 or 1/2 is more often a plain factor
    numbers = {name: x for name, x in numbers.items() if x not in (0, 0.5, 1, 2)}
    return numbers | {f"1/{name}": 1 / number for name, number in numbers.items()}
