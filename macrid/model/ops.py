r"""The differentiable pieces: each function returns its value and its pullback.

A pullback takes the cotangent dL/dy and returns dL/dx for every differentiable argument, in
argument order. What it needs is in its closure; it never changes what it is given, and may be
called again.
"""

from macrid.backend import array_module
from macrid.model import cuda

EPSILON = 1e-8  # Algorithm 1: "we add 1e-8 to prevent division by zero"; here as max(norm, 1e-8)


def tanh(x):
    r"""y = tanh(x) and dL/dx = dL/dy (1 - y^2); any shape."""
    y = array_module(x).tanh(x)

    def pullback(dy):
        return dy * (1 - y * y)

    return y, pullback


def linear(x, W, b):
    r"""y = x W + b for x (n, p), W (p, q), b (q,).

    dx = dy W^T,  dW = x^T dy,  db = sum over rows of dy.
    """
    y = x @ W
    y += b

    def pullback(dy):
        return dy @ W.T, x.T @ dy, dy.sum(axis=0)

    return y, pullback


def mask(x, noise):
    r"""y = x * noise: dropout, whose mask of 0 and 1/(1-p), drawn outside, is a factor."""

    def pullback(dy):
        return dy * noise

    return x * noise, pullback


def normalise(x):
    r"""Unit length along the last axis: y = x / max(||x||, 1e-8); any shape (..., d).

    dy/dx = (I - y y^T) / ||x||: the part of the cotangent along y cannot change a direction.
    Below the floor y = x / 1e-8 is linear.
    """
    if cuda.has_kernels(x):
        return cuda.normalise(x)
    xp = array_module(x)
    norm = xp.sqrt(row_dot(x, x))[..., None]
    floored = xp.maximum(norm, EPSILON)
    y = x / floored

    def pullback(dy):
        along = row_dot(y, dy)[..., None] * (norm > EPSILON)
        dx = y * along
        xp.subtract(dy, dx, out=dx)
        dx /= floored
        return dx

    return y, pullback


def identity(x):
    """y = x: what stands in for `normalise` when the similarity is the inner product."""
    return x, lambda dy: dy


def softmax(s):
    r"""y_k = exp(s_k) / sum_l exp(s_l) along the last axis.

    ds = y (dy - sum_k y_k dy_k).
    """
    xp = array_module(s)
    y = xp.exp(s - s.max(axis=-1, keepdims=True))
    y /= y.sum(axis=-1, keepdims=True)

    def pullback(dy):
        return y * (dy - row_dot(y, dy)[..., None])

    return y, pullback


def log_softmax(s):
    r"""y_k = ln softmax(s)_k = s_k - ln sum_l exp(s_l) along the last axis.

    ds = dy - exp(y) sum_k dy_k.
    """
    xp = array_module(s)
    shifted = s - s.max(axis=-1, keepdims=True)
    y = shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))

    def pullback(dy):
        return dy - xp.exp(y) * dy.sum(axis=-1, keepdims=True)

    return y, pullback


def cross_entropy(s, target):
    r"""Mean cross-entropy of softmax(s) to target distributions, equation (11).

    s (M, K) are logits; the rows of target (M, K) sum to one, or to zero where nothing is known.

        L = -1/n sum_i sum_k target_ik ln softmax(s_i)_k,     n = number of known rows

    With target rows that sum to one, ds = (softmax(s) - target) / n on the known rows.
    """
    xp = array_module(s)
    known = target.sum(axis=-1, keepdims=True)  # (M, 1), 0 or 1
    count = xp.maximum(known.sum(), 1)
    log_p, _ = log_softmax(s)
    value = -(target * log_p).sum() / count

    def pullback(dvalue):
        return (xp.exp(log_p) * known - target) * (dvalue / count)

    return value, pullback


def row_dot(x, y):
    """sum_j x_j y_j along the last axis, without the temporary that (x * y).sum() makes."""
    return array_module(x).einsum("...j,...j->...", x, y)
