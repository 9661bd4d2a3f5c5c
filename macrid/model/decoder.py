r"""The decoder p(x | z, C), equations (7) and (8), with the full softmax over all M items."""

import numpy as np

from macrid.backend import array_module, scalar, to_device
from macrid.model.ops import row_dot

# users are taken in tiles whose (users, K, M) array is about so large ...
TILE_BYTES = {"numpy": 1 << 23, "cupy": 1 << 30}
TILE_USERS = 64  # ... but not fewer than these, or the matrix products starve


def log_likelihood(z, H, C, X, tau, cosine=True):
    r"""sum_i x_ui ln p_ui, averaged over the users of the batch.

    z (B, K, d), H (M, d): unit rows if cosine; C (M, K); X (B, M) SciPy CSR -> scalar. With

        E_uki  = exp(z_uk . h_i / tau)      P_ui = sum_k c_ik E_uki
        Z_u    = sum_i P_ui                 n_u  = sum_i x_ui
        loss_u = -sum_i x_ui (ln P_ui - ln Z_u)

    the derivative needs no matrix of probabilities, only a number per user and a sparse part:

        dloss_u/dP_ui = n_u/Z_u - x_ui/P_ui = w_u (1 - x_ui / (w_u P_ui)),     w_u = n_u / Z_u

    So multiply E by the bracket, which differs from 1 only where x_ui = 1, call it E', and

        dC_ik  = sum_u w_u E'_uki
        dz_uk  = w_u sum_i E'_uki c_ik h_i / tau
        dh_i   = sum_uk  c_ik E'_uki w_u z_uk / tau

    What is left of the step is three matrix products, one exponential pass in place, and sparse
    work. The op is fused: as nothing but a scalar follows it, the gradients are made in the same
    sweep over tiles of users, where E is at hand, and the pullback only scales them. No (B, K, M)
    array is kept.

    E cannot overflow while 1/tau is moderate (cosine); otherwise each user's largest exponent is
    subtracted, which cancels in P/Z.

    The two products of E with a vector are einsums because those stay on one core: BLAS would leave
    E in the caches of two, and to write it then (E *= CT) takes ten times as long.
    """
    xp = array_module(z, H)
    B, K, d = z.shape
    M = H.shape[0]
    u, i, x, n = positives(X, xp, z.dtype)
    CT = xp.ascontiguousarray(C.T)  # (K, M)
    value = 0.0
    dz = xp.empty_like(z)  # (B, K, d)
    dH = xp.zeros_like(H)  # (M, d)
    dCT = xp.zeros_like(CT)  # (K, M)
    for tile, E, _ in exponentials(z, H, tau, cosine):
        users = tile.stop - tile.start
        part = slice(X.indptr[tile.start], X.indptr[tile.stop])
        row, column, one = u[part] - tile.start, i[part], x[part]
        place = (row * (K * M) + column)[:, None] + xp.arange(
            K
        ) * M  # of the positives in E, (nonzeros, K)

        flat = E.reshape(users, K * M)
        Z = xp.einsum("ui,i->u", flat, CT.reshape(K * M))  # (users,); on one core
        w = n[tile] / Z
        positive = flat.reshape(-1)[place]
        P = xp.maximum(
            row_dot(positive, C[column]), 1e-30
        )  # a floor that only the inner product can reach
        value += scalar((one * (xp.log(P) - xp.log(Z)[row])).sum(dtype=xp.float64)) / B

        positive *= (1 - one / (w[row] * P))[:, None]
        flat.reshape(-1)[place] = positive  # E is now E'
        dCT += xp.einsum("u,ui->i", w, flat).reshape(K, M)
        E *= CT
        G = E.reshape(users * K, M)  # c_ik E'_uki
        weights = w[:, None, None] / tau
        dz[tile] = (G @ H).reshape(users, K, d) * weights
        dH += G.T @ (z[tile] * weights).reshape(users * K, d)

    def pullback(dvalue):
        scale = -dvalue / B
        return dz * scale, dH * scale, dCT.T * scale

    return value, pullback


def log_likelihood_plain(z, H, C, X, tau, cosine=True):
    """The plain twin of `log_likelihood`, for tests and benchmarks.

    Every array of equations (7) and (8) in full.
    """
    xp = array_module(z, H)
    B, K, d = z.shape
    X = to_device(xp, X.toarray().astype(z.dtype))  # (B, M)
    s = z @ H.T / tau  # (B, K, M)
    E = xp.exp(s - s.max(axis=(1, 2), keepdims=True))
    P = (C.T * E).sum(axis=1)  # (B, M)
    p = P / P.sum(axis=1, keepdims=True)
    value = scalar((X * xp.log(xp.maximum(p, 1e-30))).sum() / B)

    def pullback(dvalue):
        dln_p = dvalue * X / B
        dP = (dln_p - dln_p.sum(axis=1, keepdims=True) * p) / P  # softmax of ln P
        dE = dP[:, None, :] * C.T  # (B, K, M)
        ds = dE * E / tau
        dH = ds.reshape(B * K, -1).T @ z.reshape(B * K, d)
        return ds @ H, dH, (dP[:, None, :] * E).sum(axis=0).T

    return value, pullback


def scores(z, H, C, tau, cosine=True):
    r"""What ranks a user's items: P_ui exp(-shift_u), P_ui = sum_k c_ik exp(z_uk . h_i / tau), (7).

    z (B, K, d), H (M, d), C (M, K) -> P (B, M), shift (B,). The shift keeps exponents in range; it
    is 0 under cosine.
    """
    xp = array_module(z, H)
    CT = xp.ascontiguousarray(C.T)  # (K, M)
    P = xp.empty((z.shape[0], H.shape[0]), dtype=z.dtype)
    shifts = xp.zeros(z.shape[0], dtype=z.dtype)
    for tile, E, shift in exponentials(z, H, tau, cosine):
        P[tile] = xp.einsum("uki,ki->ui", E, CT)
        shifts[tile] = shift
    return P, shifts


def positives(X, xp, dtype):
    """The users, items and values of the ones of X (B, M) CSR, and each user's sum n (B,).

    In the memory of `xp`.
    """
    u = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    return to_device(
        xp,
        (
            u,
            X.indices,
            X.data.astype(dtype, copy=False),
            np.asarray(X.sum(axis=1), dtype).reshape(-1),
        ),
    )


def exponentials(z, H, tau, cosine):
    r"""Go through tiles of users: yield (slice, E, shift), E (users, K, M).

        E_uki = exp(z_uk . h_i / tau - shift_u)

    E is one buffer that the caller may change and the next tile overwrites.
    """
    xp = array_module(z, H)
    B, K, d = z.shape
    M = H.shape[0]
    size = max(1, min(B, max(TILE_USERS, TILE_BYTES[xp.__name__] // (z.itemsize * K * M))))
    buffer = xp.empty((size * K, M), dtype=z.dtype)
    for start in range(0, B, size):
        tile = slice(start, min(start + size, B))
        rows = (tile.stop - start) * K
        E = xp.matmul(z[tile].reshape(rows, d) / tau, H.T, out=buffer[:rows])
        E = E.reshape(tile.stop - start, K, M)
        shift = 0.0
        if not cosine or tau < 1 / 40:
            shift = E.max(axis=(1, 2))  # (users,)
            E -= shift[:, None, None]
        xp.exp(E, out=E)
        yield tile, E, shift
