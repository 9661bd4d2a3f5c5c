r"""Adam (Kingma and Ba, 2014), with plain L2 or decoupled decay, in place."""

import numpy as np

from macrid.backend import array_module, to_device
from macrid.model import cuda

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
CHUNK = 1 << 15  # elements updated at a time: the temporaries stay in cache


def start(parameters: dict) -> dict:
    """Zero first and second moments: a (mean, square) pair of arrays for each parameter."""
    zeros_like = lambda p: array_module(p).zeros_like(p)  # noqa: E731
    return {name: (zeros_like(p), zeros_like(p)) for name, p in parameters.items()}


def update(
    parameters: dict, gradients: dict, moments: dict, step: int, config, rows: dict | None = None
) -> None:
    r"""One step of Adam, in place; `step` counts from 1.

        g     <- g + l2 theta                   (plain L2 regularisation, in the gradient)
        mean  <- .9 mean + .1 g                 square <- .999 square + .001 g^2
        theta <- theta - lr mean_hat / (sqrt(square_hat) + 1e-8) - lr decoupled_decay theta

    with mean_hat = mean / (1 - .9^step), square_hat = square / (1 - .999^step). The last term is
    AdamW's (Loshchilov and Hutter, 2019): it does not pass through the moments.

    `rows` {name: (m,) unique} names parameters whose gradient is that of these rows alone (a
    sampled softmax). Other rows and their moments stay as they are, where dense Adam, with a
    gradient of zero, would let the moments decay and move the row on by its old momentum (and L2).
    """
    for name, parameter in parameters.items():
        mean, square = moments[name]
        if not rows or name not in rows:
            _update(parameter, mean, square, gradients[name], step, config)
            continue
        xp, m = array_module(parameter), len(rows[name])
        at_a_time = max(1, CHUNK // parameter.shape[1]) if xp is np else m
        for start in range(0, m, at_a_time):
            some = slice(start, start + at_a_time)
            places = to_device(xp, rows[name][some])
            p, first, second = (a.take(places, axis=0) for a in (parameter, mean, square))
            _update(p, first, second, gradients[name][some], step, config)
            parameter[places], mean[places], square[places] = p, first, second


def _update(parameter, mean, square, gradient, step, config):
    """Adam on one parameter, in place."""
    if cuda.has_kernels(parameter):
        rates = (BETA1, BETA2, EPSILON)
        cuda.adam(parameter, mean, square, gradient, rates, step, config)
        return
    lr, decay = config.learning_rate, config.decoupled_decay
    correct1, correct2 = 1 - BETA1**step, 1 - BETA2**step
    xp = array_module(parameter)
    arrays = [array.reshape(-1) for array in (parameter, mean, square, gradient)]
    chunk = CHUNK if xp is np else max(parameter.size, 1)
    for i in range(0, parameter.size, chunk):
        theta, mean, square, g = (array[i : i + chunk] for array in arrays)
        g = g + config.l2 * theta
        mean *= BETA1
        mean += (1 - BETA1) * g
        square *= BETA2
        g *= g
        g *= 1 - BETA2
        square += g
        root = xp.sqrt(square, out=g)
        root *= correct2**-0.5
        root += EPSILON
        change = xp.divide(mean, root, out=root)
        change *= lr / correct1
        if decay:
            change += (lr * decay) * theta
        theta -= change
