r"""Adam (Kingma and Ba, 2014), with plain L2 or decoupled decay, in place."""

from macrid.backend import array_module

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
CHUNK = 1 << 15  # elements updated at a time: the temporaries stay in cache


def start(parameters):
    """Zero first and second moments: a dict of (mean, square) array pairs with the parameters' keys."""
    return {name: (array_module(p).zeros_like(p), array_module(p).zeros_like(p)) for name, p in parameters.items()}


def update(parameters, gradients, moments, step, config, rows=None):
    r"""One step of Adam, in place; `step` counts from 1.

    `rows` (m,), unique, says that the gradients of H and T are those of these rows alone (a sampled softmax). Other
    rows and their moments stay as they are, where dense Adam, with a gradient of zero, would let the moments decay
    and move the row on by its old momentum (and by L2).

        g     <- g + l2 theta                               (plain L2 regularisation, in the gradient)
        mean  <- .9 mean + .1 g          square <- .999 square + .001 g^2
        theta <- theta - lr mean_hat / (sqrt(square_hat) + 1e-8) - lr decoupled_decay theta

    with mean_hat = mean / (1 - .9^step), square_hat = square / (1 - .999^step). The last term is AdamW's
    (Loshchilov and Hutter, 2019): it does not pass through the moments.
    """
    for name, parameter in parameters.items():
        arrays = (parameter, *moments[name])
        if rows is None or name not in ("H", "T"):
            _update(*arrays, gradients[name], step, config)
        else:
            touched = [array[rows] for array in arrays]
            _update(*touched, gradients[name], step, config)
            for array, values in zip(arrays, touched):
                array[rows] = values


def _update(parameter, mean, square, gradient, step, config):
    """Adam on one parameter, in place."""
    lr, l2, decay = config.learning_rate, config.l2, config.decoupled_decay
    correct1, correct2 = 1 - BETA1**step, 1 - BETA2**step
    xp = array_module(parameter)
    theta, mean, square, g = (array.reshape(-1) for array in (parameter, mean, square, gradient))
    chunk = CHUNK if xp.__name__ == "numpy" else max(theta.size, 1)
    for i in range(0, theta.size, chunk):
        part = slice(i, i + chunk)
        gradient = g[part] + l2 * theta[part]
        mean[part] += (1 - BETA1) * (gradient - mean[part])
        square[part] += (1 - BETA2) * (gradient * gradient - square[part])
        change = mean[part] / correct1
        change /= xp.sqrt(square[part] / correct2) + EPSILON
        change += decay * theta[part]
        theta[part] -= lr * change
