r"""The decoder p(x | z, C), equations (7) and (8), with the full softmax over all M items.

    E_uki = exp(z_uk . h_i / tau)    P_ui = sum_k c_ik E_uki    p_ui = P_ui / sum_i P_ui

Two ways to the same numbers. With cosines and tau of 1/40 and more, exponents lie in [-40, 40]:
`log_likelihood` works with E itself, which single precision holds. Otherwise E and c can leave its
range, by far, and `log_likelihood_by_logs` works with their logarithms throughout.
"""

import numpy as np

from macrid.backend import array_module, scalar, to_device
from macrid.model.ops import row_dot

LARGEST_EXPONENT = 40.0  # exp of it, and of its negative, is far inside single precision
# users are taken in tiles whose (users, K, M) array is about so large ...
TILE_BYTES = {"numpy": 1 << 23, "cupy": 1 << 30}
TILE_USERS = 64  # ... but not fewer than these, or the matrix products starve


def bounded(tau: float, cosine: bool = True) -> bool:
    """Can z . h / tau not leave [-40, 40]?"""
    return cosine and tau * LARGEST_EXPONENT >= 1


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

    Where exponents are not bounded the plain twin does the work; training takes
    `log_likelihood_by_logs`.

    The two products of E with a vector are einsums because those stay on one core: BLAS would leave
    E in the caches of two, and to write it then (E *= CT) takes ten times as long.
    """
    if not bounded(tau, cosine):
        return log_likelihood_plain(z, H, C, X, tau)
    xp = array_module(z, H)
    B, K, d = z.shape
    M = H.shape[0]
    u, i, x, n = positives(X, xp, z.dtype)
    CT = xp.ascontiguousarray(C.T)  # (K, M)
    value = 0.0
    dz = xp.empty_like(z)  # (B, K, d)
    dH = xp.zeros_like(H)  # (M, d)
    dCT = xp.zeros_like(CT)  # (K, M)
    for tile, s in exponents(z, H, tau):
        E = xp.exp(s, out=s)
        users = tile.stop - tile.start
        part = slice(X.indptr[tile.start], X.indptr[tile.stop])
        row, column, one = u[part] - tile.start, i[part], x[part]
        # the places of the positives in E, (nonzeros, K)
        place = (row * (K * M) + column)[:, None] + xp.arange(K) * M

        flat = E.reshape(users, K * M)
        Z = xp.einsum("ui,i->u", flat, CT.reshape(K * M))  # (users,); on one core
        w = n[tile] / Z
        positive = flat.reshape(-1)[place]
        P = row_dot(positive, C[column])  # at least exp(-40) / K
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


def log_likelihood_by_logs(z, H, log_C, X, tau):
    r"""sum_i x_ui ln p_ui, averaged over the users of the batch, from ln c_ik: for any exponents.

    z (B, K, d), H (M, d), log_C (M, K), -inf where c is 0; X (B, M) SciPy CSR -> scalar. With

        a_uki   = z_uk . h_i / tau + ln c_ik      ln P_ui = ln sum_k exp(a_uki)
        ln Z_u  = ln sum_ki exp(a_uki)            q_uki   = exp(a_uki - ln P_ui)

    each logarithm of a sum taken from its largest term on,

        dloss/da_uki = R_uki = n_u exp(a_uki - ln Z_u) - x_ui q_uki
        dln c_ik = sum_u R_uki      dz_uk = sum_i R_uki h_i / tau
                                    dh_i  = sum_uk R_uki z_uk / tau

    loss being minus the value. A derivative by ln c, and not by c, stays finite where c is too
    small to be written.
    """
    xp = array_module(z, H)
    B, K, d = z.shape
    M = H.shape[0]
    u, i, x, n = positives(X, xp, z.dtype)
    log_CT = xp.ascontiguousarray(log_C.T)  # (K, M)
    value = 0.0
    dz, dH, dlog_CT = xp.empty_like(z), xp.zeros_like(H), xp.zeros_like(log_CT)
    for tile, a in exponents(z, H, tau):
        users = tile.stop - tile.start
        part = slice(X.indptr[tile.start], X.indptr[tile.stop])
        row, column, one = u[part] - tile.start, i[part], x[part]
        # the places of the positives in a, (nonzeros, K)
        place = (row * (K * M) + column)[:, None] + xp.arange(K) * M

        a += log_CT
        flat = a.reshape(users, K * M)
        of_positives = flat.reshape(-1)[place]  # (nonzeros, K)
        log_P = _log_sum(of_positives)
        largest = flat.max(axis=1)
        flat -= largest[:, None]
        R = xp.exp(flat, out=flat)
        Z = R.sum(axis=1)
        log_Z = largest + xp.log(Z)
        value += scalar((one * (log_P - log_Z[row])).sum(dtype=xp.float64)) / B

        R *= (n[tile] / Z)[:, None]
        q = xp.exp(of_positives - log_P[:, None])
        R.reshape(-1)[place] -= one[:, None] * q
        dlog_CT += R.reshape(users, K, M).sum(axis=0)
        R = R.reshape(users * K, M)
        dz[tile] = (R @ H).reshape(users, K, d) / tau
        dH += R.T @ (z[tile] / tau).reshape(users * K, d)

    def pullback(dvalue):
        scale = -dvalue / B
        return dz * scale, dH * scale, dlog_CT.T * scale

    return value, pullback


def log_likelihood_plain(z, H, C, X, tau):
    """The plain twin of both, for any exponents: every array of equations (7) and (8) in full."""
    xp = array_module(z, H)
    B, K, d = z.shape
    X = to_device(xp, X.toarray().astype(z.dtype))  # (B, M)
    s = z @ H.T / tau  # (B, K, M)
    log_P = _log_sum((s + _log(C).T).transpose(0, 2, 1))  # (B, M)
    log_p = log_P - _log_sum(log_P)[:, None]
    value = scalar((X * log_p).sum() / B)

    def pullback(dvalue):
        dln_p = dvalue * X / B
        dln_P = dln_p - dln_p.sum(axis=1, keepdims=True) * xp.exp(log_p)  # softmax of ln P
        dP = dln_P[:, None, :] * xp.exp(s - log_P[:, None, :])  # times E_uki, (B, K, M)
        ds = dP * C.T / tau
        dH = ds.reshape(B * K, -1).T @ z.reshape(B * K, d)
        return ds @ H, dH, dP.sum(axis=0).T

    return value, pullback


def log_scores(z, H, C, tau, cosine=True, log_C=None):
    r"""What ranks a user's items: ln P_ui = ln sum_k c_ik exp(z_uk . h_i / tau), equation (7).

    z (B, K, d), H (M, d), C (M, K) -> (B, M). With `log_C` instead of C, any exponents and any c.
    """
    xp = array_module(z, H)
    log_P = xp.empty((z.shape[0], H.shape[0]), dtype=z.dtype)
    if log_C is None and bounded(tau, cosine):
        CT = xp.ascontiguousarray(C.T)  # (K, M)
        for tile, s in exponents(z, H, tau):
            log_P[tile] = xp.einsum("uki,ki->ui", xp.exp(s, out=s), CT)
        return xp.log(log_P, out=log_P)
    log_CT = xp.ascontiguousarray((_log(C) if log_C is None else log_C).T)
    for tile, a in exponents(z, H, tau):
        a += log_CT
        log_P[tile] = _log_sum(a.transpose(0, 2, 1))
    return log_P


def positives(X, xp, dtype):
    """The users, items and values of the ones of X (B, M) CSR, and each user's sum n (B,).

    In the memory of `xp`.
    """
    u = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    n = np.asarray(X.sum(axis=1), dtype).reshape(-1)
    return to_device(xp, (u, X.indices, X.data.astype(dtype, copy=False), n))


def exponents(z, H, tau):
    r"""Go through tiles of users: yield (slice, s), s_uki = z_uk . h_i / tau, (users, K, M).

    s is one buffer that the caller may change and the next tile overwrites.
    """
    xp = array_module(z, H)
    B, K, d = z.shape
    M = H.shape[0]
    size = max(1, min(B, max(TILE_USERS, TILE_BYTES[xp.__name__] // (z.itemsize * K * M))))
    buffer = xp.empty((size * K, M), dtype=z.dtype)
    for start in range(0, B, size):
        tile = slice(start, min(start + size, B))
        rows = (tile.stop - start) * K
        s = xp.matmul(z[tile].reshape(rows, d) / tau, H.T, out=buffer[:rows])
        yield tile, s.reshape(tile.stop - start, K, M)


def _log(C):
    """ln c, -inf where c is 0."""
    xp = array_module(C)
    return xp.where(C > 0, xp.log(xp.maximum(C, xp.finfo(C.dtype).tiny)), -xp.inf)


def _log_sum(a):
    """ln sum_k exp(a_k) along the last axis, from its largest term on."""
    xp = array_module(a)
    largest = a.max(axis=-1)
    shift = xp.where(xp.isfinite(largest), largest, 0)
    total = xp.exp(a - shift[..., None]).sum(axis=-1)
    return xp.where(total > 0, xp.log(xp.maximum(total, xp.finfo(a.dtype).tiny)) + shift, -xp.inf)
