r"""What a linear path adds to the logits: x_u W, W a linear map from a user's items to all items.

A model may hold one beside the concepts, as more arrays of its parameters (made by
`macrid.training.linear_path`), in one of two forms:

    L (M, r)                       (x_u L L^T)_i             the strongest directions, or all
    nearest, influence (M, n)      sum_j g_ij x_u,n_ij       few items speak for each: n_ij, by g_ij
"""

from collections.abc import Callable

import numpy as np

from macrid.backend import array_module, csr, to_device
from macrid.model.encoder import adopted
from macrid.model.ranking import top_k

NAMES = ("L", "nearest", "influence")


def without(parameters: dict) -> dict:
    """The parameters of the concepts alone."""
    return {name: p for name, p in parameters.items() if name not in NAMES}


def check(parameters: dict) -> None:
    """Raise a ValueError unless the arrays of a path are there together, and of these items."""
    if ("nearest" in parameters) != ("influence" in parameters):
        raise ValueError("it lacks 'nearest' or 'influence'")
    if "nearest" in parameters and parameters["nearest"].max(initial=0) >= len(parameters["H"]):
        raise ValueError("'nearest' names an item that there is not")


def prepare(parameters: dict):
    """Of neighbours on the host W (M, M) CSR, a row for each item of those that it speaks for.

    To be kept: with it a request goes through the rows of the user's items alone, without it
    through every item's neighbours, as a device does. None where there is none.
    """
    if "nearest" not in parameters or array_module(parameters["nearest"]) is not np:
        return None
    nearest, influence = parameters["nearest"], parameters["influence"]
    return csr(np, influence, nearest, len(nearest)).T.tocsr()


def logits(parameters: dict, X, W=None) -> Callable | None:
    r"""x_u W for the users of X (B, M): a function of items, a slice or numbers -> (B, items).

    None where there is no linear path. W of `prepare`, where there is one.
    """
    if "L" in parameters:
        L = parameters["L"]
        XL = to_device(array_module(L), X.astype(L.dtype)) @ L  # (B, r)
        return lambda items: XL @ L[items].T
    if W is not None:
        items, X = adopted(X)
        XW = (X.astype(W.dtype) @ W[items]).T.tocsr()  # (M, B)
        return lambda items: XW[items].toarray().T
    if "nearest" in parameters:
        return by_nearest(parameters["nearest"], parameters["influence"], X)
    return None


def by_nearest(nearest, influence, X) -> Callable:
    r"""sum_j g_ij x_u,n_ij for the users of X (B, M): a function of items -> (B, items).

    nearest, influence (M, n)
    """
    xp, M = array_module(influence), X.shape[1]
    XT = to_device(xp, X.T.tocsr().astype(influence.dtype))  # (M, B)

    def of_items(items):
        rows, g = nearest[items], influence[items]
        return (csr(xp, g, rows, M) @ XT).toarray().T

    return of_items


def mixed(w, parameters: dict) -> dict:
    """The rows of "nearest" and "influence" of items that are mixtures w (B, M) of known ones.

    Of all that speak for those, the n with the most influence. {} where the path has another form.
    """
    if "nearest" not in parameters:
        return {}
    nearest, influence = parameters["nearest"], parameters["influence"]
    g = w @ csr(np, influence, nearest, len(nearest))  # (B, M)
    most = top_k(np.abs(g), nearest.shape[1])
    return {"nearest": most, "influence": np.take_along_axis(g, most, axis=1)}
