r"""Scores as inner products: what an index of nearest vectors can search.

    ln P_ui = ln sum_k exp(q_uk . v_i)

    v_i  = [h_i,  ln c_i1 ... ln c_iK,  L_i]         (D,), D = d + K, and r more with a linear path
    q_uk = [z_uk / tau,  e_k,  x_u L]                (D,), e_k the k-th row of the identity

since c_ik exp(z_uk . h_i / tau) = exp(z_uk . h_i / tau + ln c_ik), and as what the linear path adds
to ln P_ui may be added to each exponent as well. Vectors as they are compared: h and z of unit
length under cosine, z = mu. docs/serving.md: how to serve by them. A mean of several models' ln P
is no such sum.
"""

from macrid.backend import array_module, to_device
from macrid.errors import UserError
from macrid.model import ensemble
from macrid.model.objective import compared
from macrid.model.scoring import concept_logits, log_concepts, represent


def item_vectors(parameters: dict, config):
    """v (M, D) of all items."""
    _check_one(parameters)
    xp, (H, _) = array_module(parameters["H"]), compared(config)(parameters["H"])
    log_C = log_concepts(concept_logits(parameters, config, H), config)
    return xp.concatenate([H, log_C, *([parameters["L"]] if "L" in parameters else [])], axis=1)


def user_vectors(parameters: dict, X, config, C=None):
    """q (B, K, D) of the users of X (B, M) SciPy CSR, the items that each has.

    C, the `concepts`, spares their making.
    """
    _check_one(parameters)
    xp = array_module(parameters["H"])
    z, _ = represent(parameters, X, config, C)
    B, K, _ = z.shape
    e = xp.broadcast_to(xp.eye(K, dtype=z.dtype), (B, K, K))
    parts = [z / z.dtype.type(config.tau), e]
    if "L" in parameters:
        XL = to_device(xp, X.astype(z.dtype)) @ parameters["L"]  # (B, r)
        parts.append(xp.broadcast_to(XL[:, None], (B, K, XL.shape[1])))
    return xp.concatenate(parts, axis=2)


def _check_one(parameters):
    if (n := len(ensemble.split(parameters))) > 1:
        raise UserError(
            f"scores averaged over {n} seeds are no inner products, so there are no vectors of"
            " them; train with seeds 1 for an index (--seeds 1)"
        )
    if "nearest" in parameters:
        raise UserError(
            "the linear path of a large catalogue goes by items' neighbours, which are no vectors;"
            " train without it for an index (--linear-path 0)"
        )
