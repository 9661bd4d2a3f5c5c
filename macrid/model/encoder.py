r"""The encoder q(z | x, C), equation (9): from a user's items to a Gaussian for each concept."""

import numpy as np

from macrid.backend import array_module, to_device
from macrid.model import cuda
from macrid.model.ops import EPSILON, linear, mask, normalise, row_dot, tanh


def aggregate(X, C, T):
    r"""A user's items seen through each concept, the argument of f_nn in equation (9).

        n_uk = sum_i x_ui c_ik t_i      r_uk = sqrt(sum_i x_ui c_ik^2)      A_uk = n_uk / r_uk

    X (B, M) SciPy CSR 0/1, C (M, K), T (M, d) -> A (B, K, d). One sparse product (X * c_k) @ T a
    concept: the dense (B K, M) matrix that it stands for is never made. Dividing by r keeps the
    length of A the same for users with few and with many items: a sum of n random vectors grows as
    sqrt(n).

    Backward, with dn = dA / r, ds = -(dA . A) / (2 r^2) the cotangent of r^2, and Y_k = X^T dn_k:

        dT = sum_k c_k * Y_k        dC_ik = t_i . Y_ki + 2 c_ik (X^T ds)_ik

    Only the items that someone in the batch adopted have rows that are not zero.
    """
    if cuda.has_kernels(T):
        return cuda.aggregate(X, C, T)
    xp = array_module(T)
    M, K = C.shape
    items, X = adopted(X)  # X (B, m), m <= M
    items, X, XT = to_device(xp, (items, X, X.T.tocsr()))
    C, T = C[items], T[items]
    r = xp.maximum(xp.sqrt(X @ (C * C)), EPSILON)  # (B, K)
    x, columns = X.data, X.indices
    A = xp.empty((X.shape[0], K, T.shape[1]), dtype=T.dtype)
    for k in range(K):
        X.data = x * C[columns, k]
        A[:, k] = X @ T
    A /= r[:, :, None]

    def pullback(dA):
        dn = dA / r[:, :, None]
        ds = row_dot(dn, A) / (-2 * r) * (r > EPSILON)  # (B, K)
        dC_items = 2 * C * (XT @ ds)
        dT_items = xp.zeros_like(T)
        for k in range(K):
            Y = XT @ xp.ascontiguousarray(dn[:, k])  # (m, d)
            dC_items[:, k] += row_dot(T, Y)
            Y *= C[:, k, None]
            dT_items += Y
        return _scatter(dC_items, items, M, xp), _scatter(dT_items, items, M, xp)

    return A, pullback


def aggregate_plain(X, C, T):
    """The plain twin of `aggregate`, for tests and benchmarks: equation (9) with a dense X."""
    xp = array_module(T)
    X = to_device(xp, X.toarray().astype(T.dtype))  # (B, M)
    n = xp.stack([X @ (C[:, [k]] * T) for k in range(C.shape[1])], axis=1)  # (B, K, d)
    r = xp.maximum(xp.sqrt(X @ (C * C)), EPSILON)[:, :, None]  # (B, K, 1)

    def pullback(dA):
        dn = dA / r
        ds = (-dA * n / r**2).sum(axis=2) / (2 * r[:, :, 0])  # of r^2, (B, K)
        dC, dT = 2 * C * (X.T @ ds), xp.zeros_like(T)
        for k in range(C.shape[1]):
            weighted = X.T @ dn[:, k]  # of c_k * T
            dC[:, k] += (weighted * T).sum(axis=1)
            dT += weighted * C[:, [k]]
        return dC, dT

    return n / r, pullback


def f_nn(A, parameters, dropout_masks):
    r"""The multilayer perceptron f_nn of equation (9): (n, d) -> (n, 2d).

    Tanh between layers, dropout before all but the last.

    Layers are W0, b0, W1, b1, ... in `parameters`; dropout_masks[l] (n, width of layer l) or None
    multiplies the input of layer l. The pullback returns dA and a dict of the layers' gradients.
    """
    layers = len(parameters) // 2
    pullbacks = []
    x = A
    for layer in range(layers):
        last = layer == layers - 1
        if not last and dropout_masks is not None:
            x, pull_mask = mask(x, dropout_masks[layer])
        else:
            pull_mask = None
        x, pull_linear = linear(x, parameters[f"W{layer}"], parameters[f"b{layer}"])
        pull_tanh = None
        if not last:
            x, pull_tanh = tanh(x)
        pullbacks.append((layer, pull_mask, pull_linear, pull_tanh))

    def pullback(dx):
        gradients = {}
        for layer, pull_mask, pull_linear, pull_tanh in reversed(pullbacks):
            if pull_tanh is not None:
                dx = pull_tanh(dx)
            dx, gradients[f"W{layer}"], gradients[f"b{layer}"] = pull_linear(dx)
            if pull_mask is not None:
                dx = pull_mask(dx)
        return dx, gradients

    return x, pullback


def posterior(ab, unit=normalise):
    r"""mu = a / ||a||, and b of sigma = sigma0 exp(-b / 2), equation (9).

    With `unit` = `ops.identity`, mu = a.

    ab (B, K, 2d) holds a and b side by side -> mu, b (B, K, d); sigma is left to `sample`, since
    the KL term wants b itself.
    """
    xp = array_module(ab)
    d = ab.shape[-1] // 2
    mu, pull_mu = unit(ab[..., :d])
    b = ab[..., d:]

    def pullback(dmu, db):
        return xp.concatenate([pull_mu(dmu), db], axis=-1)

    return (mu, b), pullback


def sample(mu, b, epsilon, sigma0):
    r"""The reparameterisation trick: z = mu + epsilon * sigma with sigma = sigma0 exp(-b / 2).

    All (B, K, d); epsilon ~ N(0, 1) drawn outside.   dmu = dz,  db = -1/2 dz epsilon sigma.
    """
    noise = array_module(b).exp(b * -0.5)
    noise *= sigma0
    noise *= epsilon  # epsilon * sigma

    def pullback(dz):
        return dz, dz * noise * -0.5

    return mu + noise, pullback


def kl_divergence(mu, b, sigma0):
    r"""KL(N(mu, sigma^2) || N(0, sigma0^2)), averaged over users.

    Summed over concepts and dimensions:

        ln(sigma0 / sigma) + (sigma^2 + mu^2) / (2 sigma0^2) - 1/2   with sigma = sigma0 exp(-b/2)
        = 1/2 [exp(-b) + b - 1 + mu^2 / sigma0^2]

    mu, b (B, K, d) -> scalar.   dmu = mu / sigma0^2 / B,   db = (1 - exp(-b)) / 2 / B.
    As ||mu_k|| = 1 the last term adds the constant K / (2 sigma0^2); it stays, so that the number
    is the KL.
    """
    xp = array_module(b)
    B = b.shape[0]
    variance = xp.exp(-b)  # sigma^2 / sigma0^2
    value = 0.5 * ((variance.sum() + b.sum() - b.size) + row_dot(mu, mu).sum() / sigma0**2) / B

    def pullback(dvalue):
        return mu * (dvalue / (B * sigma0**2)), (1 - variance) * (dvalue / (2 * B))

    return value, pullback


def adopted(X):
    """The sorted items that occur in X, and X over these columns alone."""
    occurs = np.bincount(X.indices, minlength=X.shape[1]) > 0
    items = np.flatnonzero(occurs)
    columns = (np.cumsum(occurs, dtype=X.indices.dtype) - 1)[X.indices]
    compact = type(X)((X.data, columns, X.indptr), shape=(X.shape[0], len(items)))
    return items, compact


def _scatter(rows, items, M, xp):
    """A (M, ...) array that holds `rows` at `items` (unique) and zeros elsewhere."""
    full = xp.zeros((M, *rows.shape[1:]), dtype=rows.dtype)
    full[items] = rows
    return full
