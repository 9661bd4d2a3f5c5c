r"""The decoder p(x | z, C), equations (7) and (8), with the full softmax over all M items.

    P_ui = sum_k c_ik exp(z_uk . h_i / tau)    p_ui = P_ui / sum_i P_ui

With ln c as K further coordinates of the inner product, a concept's share is one exponential:

    c_ik exp(z_uk . h_i / tau) = exp(a_uki)    a_uki = [z_uk, tau e_k] . [h_i, ln c_i] / tau

e_k being 1 at k and 0 elsewhere. With cosines and tau of 1/40 and more, z . h / tau lies in
[-40, 40], of which single precision holds the exponentials; otherwise they can leave its range, by
far, and every sum of them is taken from its largest term on.
"""

import numpy as np

from macrid.backend import array_module, scalar, to_device
from macrid.model import cuda

LARGEST_EXPONENT = 40.0  # exp of it, and of its negative, is far inside single precision
LOG_OF_ZERO = -1e30  # what stands for ln 0: times a coordinate of 0 it is 0
# users are taken in tiles whose (users, K, M) array is about so large ...
TILE_BYTES = {"numpy": 1 << 23, "cupy": 1 << 30}
TILE_USERS = 64  # ... but not fewer than these, or the matrix products starve


def bounded(tau: float, cosine: bool = True) -> bool:
    """Can z . h / tau not leave [-40, 40]?"""
    return cosine and tau * LARGEST_EXPONENT >= 1


def log_likelihood(z, H, log_C, X, tau, cosine=True):
    r"""sum_i x_ui ln p_ui, averaged over the users of the batch.

    z (B, K, d), H (M, d): unit rows if cosine; log_C (M, K), -inf where c is 0; X (B, M) SciPy CSR
    -> scalar. With

        G_uki  = exp(a_uki)             P_ui = sum_k G_uki      q_uki = G_uki / P_ui
        Z_u    = sum_ki G_uki           n_u  = sum_i x_ui       w_u   = n_u / Z_u
        loss_u = -sum_i x_ui (ln P_ui - ln Z_u)

    the derivative needs no matrix of probabilities, only a number per user and a sparse part:

        dloss_u/da_uki = w_u G_uki - x_ui q_uki = w_u G'_uki,      G' = G - x q / w

    where G' differs from G only where x_ui = 1. The derivative by ln c, which stays finite where c
    is too small to be written, comes out of the same product as that by h:

        dz_uk = w_u sum_i G'_uki h_i / tau     [dh_i, dln c_i] = sum_uk G'_uki w_u [z_uk / tau, e_k]

    What is left of the step is three matrix products, an exponential and a sum over G, and sparse
    work. The op is fused: as nothing but a scalar follows it, the gradients are made in the same
    sweep over tiles of users, where G is at hand, and the pullback only scales them. No (B, K, M)
    array is kept.

    Where exponents are not bounded, G and Z are those of a_uki less the user's largest: only ln Z
    notices.
    """
    if bounded(tau, cosine) and cuda.has_kernels(z):
        return cuda.log_likelihood(z, H, log_C, X, tau, exponents(z, H, tau))
    xp = array_module(z, H)
    B, K, d = z.shape
    M = H.shape[0]
    u, i, x, n = positives(X, xp, z.dtype)
    of_concept = xp.broadcast_to(tau * xp.eye(K, dtype=z.dtype), (B, K, K))
    z_e = xp.concatenate([z, of_concept], axis=2)  # (B, K, d + K)
    h_c = xp.concatenate([H, xp.maximum(log_C, LOG_OF_ZERO)], axis=1)  # (M, d + K)
    value = 0.0
    dz, dh_c = xp.empty_like(z), xp.zeros((), z.dtype)  # (B, K, d) and, at the end, (M, d + K)
    for tile, a in exponents(z_e, h_c, tau):
        users = tile.stop - tile.start
        part = slice(X.indptr[tile.start], X.indptr[tile.stop])
        row, column, one = u[part] - tile.start, i[part], x[part]
        # the places of the positives in a, (K, nonzeros)
        place = row * (K * M) + column + (xp.arange(K) * M)[:, None]

        flat = a.reshape(users, K * M)
        of_positives = flat.reshape(-1)[place]
        log_P = _log_sum(of_positives, axis=0)
        largest = 0.0
        if not bounded(tau, cosine):
            largest = flat.max(axis=1)
            flat -= largest[:, None]
        G = xp.exp(flat, out=flat)
        Z = G.sum(axis=1)
        w = n[tile] / Z
        log_Z = largest + xp.log(Z)
        value += scalar((one * (log_P - log_Z[row])).sum(dtype=xp.float64)) / B

        q = xp.exp(of_positives - log_P)
        G.reshape(-1)[place] -= q * (one / w[row])  # G is now G'
        G = G.reshape(users * K, M)
        weights = w[:, None, None] / tau
        dz[tile] = (G @ H).reshape(users, K, d) * weights
        of_tile = G.T @ (z_e[tile] * weights).reshape(users * K, d + K)
        dh_c = xp.add(dh_c, of_tile, out=of_tile)

    def pullback(dvalue):
        scale = -dvalue / B
        return dz * scale, dh_c[:, :d] * scale, xp.asfortranarray(dh_c[:, d:]) * scale

    return value, pullback


def log_likelihood_plain(z, H, log_C, X, tau, cosine=True):
    """Its plain twin: every array of equations (7) and (8) in full, whatever the similarity."""
    xp = array_module(z, H)
    B, K, d = z.shape
    X = to_device(xp, X.toarray().astype(z.dtype))  # (B, M)
    a = z @ H.T / tau + log_C.T  # (B, K, M)
    log_P = _log_sum(a, axis=1)  # (B, M)
    log_p = log_P - _log_sum(log_P, axis=1)[:, None]
    value = scalar((X * log_p).sum() / B)

    def pullback(dvalue):
        dln_p = dvalue * X / B
        dln_P = dln_p - dln_p.sum(axis=1, keepdims=True) * xp.exp(log_p)  # softmax of ln P
        da = dln_P[:, None, :] * xp.exp(a - log_P[:, None, :])  # (B, K, M)
        dH = da.reshape(B * K, -1).T @ z.reshape(B * K, d)
        return da @ H / tau, dH / tau, da.sum(axis=0).T

    return value, pullback


def log_scores(z, H, C, tau, cosine=True, log_C=None):
    r"""What ranks a user's items: ln P_ui = ln sum_k c_ik exp(z_uk . h_i / tau), equation (7).

    z (B, K, d), H (M, d), C (M, K) -> (B, M). With `log_C` instead of C, any exponents and any c.
    """
    if bounded(tau, cosine) and cuda.has_kernels(z):
        log_C = _log(C) if log_C is None else log_C
        return cuda.log_scores(z, H, log_C, exponents(z, H, tau))
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
        log_P[tile] = _log_sum(a, axis=1)
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


def _log_sum(a, axis):
    """ln sum exp(a) along an axis, from its largest term on."""
    xp = array_module(a)
    largest = a.max(axis=axis)
    shift = xp.where(xp.isfinite(largest), largest, 0)
    total = xp.exp(a - xp.expand_dims(shift, axis)).sum(axis=axis)
    return xp.where(total > 0, xp.log(xp.maximum(total, xp.finfo(a.dtype).tiny)) + shift, -xp.inf)
