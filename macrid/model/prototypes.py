r"""Macro disentanglement: items are routed to prototypes, equation (6) and PrototypeClustering."""

from macrid.backend import array_module


def concept_logits(H, m, tau):
    r"""s_ik = h_i . m_k / tau for rows already normalised (cosine) or not (inner product).

    H (M, d), m (K, d) -> s (M, K).   dH = ds m / tau,  dm = ds^T H / tau.
    """
    s = (H @ m.T) / tau  # (M, K)

    def pullback(ds):
        ds = ds / tau
        return ds @ m, ds.T @ H

    return s, pullback


def gumbel_logits(s, gumbel, temperature):
    r"""The Gumbel-Softmax trick: the softmax of these is a relaxed one-hot sample of p(c_i).

        c_i = softmax((s_i + g_i) / temperature),     g_ik ~ Gumbel(0, 1) drawn outside

    s, gumbel (M, K) -> logits (M, K). argmax_k (s_ik + g_ik) is an exact sample of softmax(s_i); as
    the temperature falls to 0, c_i becomes that one-hot sample (Jang et al., 2016; Maddison et al.,
    2016).
    """

    def pullback(dlogits):
        return dlogits / temperature

    # a column lies in one piece: the sums over k that follow then take all items at once
    logits = array_module(s).asfortranarray(s + gumbel)
    return logits / temperature, pullback


def mode(s):
    r"""The one-hot argmax of p(c_i), which Algorithm 1 takes at test time. s (M, K) -> C (M, K)."""
    return (s == s.max(axis=1, keepdims=True)).astype(s.dtype)
