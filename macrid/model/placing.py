r"""Items that nobody has adopted yet, placed by those that look like them.

Nothing of (7) can train the h of an item without adoptions. Equation (10) says what else there is:
items start where their semantic features are, those that look alike together. A new item stays
there: with v_i what is known of item i, of unit length (`macrid.data.likeness`), n_i its adoptions,

    h_new = sum_i w_i h_i / sum_i w_i,    w_i = sqrt(n_i) exp(cos(v_new, v_i) / TEMPERATURE)

and t_new likewise; its concepts follow from h_new by (6). The well known count more: with n_i^0
new items hardly appear in anybody's list, with n_i^1 they fill it (docs/new-items.md has the
figures). One reason, for inner products, is Jensen's inequality: if u adopts the new item as she
does one of those like it, E_u,new = mean_i exp(z . h_i / tau), which is above
exp(z . mean_i h_i / tau). Under cosine the mean is brought to unit length again, and need not be.
"""

import numpy as np

from macrid.backend import to_host
from macrid.model import linear

TEMPERATURE = 0.1  # as tau of (6) and (8)
TILE_PAIRS = 1 << 22  # similarities that are held at once


def placed(parameters: dict, v, v_new, adoptions) -> dict:
    """The rows of H, T and, where there is one, of the linear path, of n new items.

    So are those of other seeds' models among the parameters.

    v (M, p) and v_new (n, p), SciPy CSR, have rows of unit length, or zero where nothing is known
    of an item, which then counts for no other; adoptions (M,). -> {"H": (n, d), ...}.

    >>> placed(parameters, v, v[:1], adoptions)["H"].shape
    (1, 200)
    """
    rowwise = ("H", "T", *linear.NAMES)
    of_items = [name for name in parameters if name.rpartition("/")[2] in rowwise]
    known = to_host({name: parameters[name] for name in of_items})
    is_known = np.diff(v.indptr) > 0
    says = np.sqrt(adoptions) * is_known  # (M,)
    parts: dict[str, list] = {name: [np.zeros((0, p.shape[1]))] for name, p in known.items()}
    columns = v.T.tocsr()  # (p, M)
    at_a_time = max(1, TILE_PAIRS // len(says))
    for start in range(0, v_new.shape[0], at_a_time):
        likeness = (v_new[start : start + at_a_time] @ columns).toarray()  # (tile, M)
        w = says * np.exp((likeness - likeness.max(axis=1, keepdims=True)) / TEMPERATURE)
        w /= w.sum(axis=1, keepdims=True)
        mixed = linear.mixed(w, known)
        for name, p in known.items():
            parts[name].append(mixed[name] if name in mixed else w @ p)
    return {name: np.concatenate(parts[name]).astype(p.dtype) for name, p in known.items()}
