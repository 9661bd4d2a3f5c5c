"""The one door for matrices of users by items: what `fit` refuses, `recommend` refuses too."""

import numpy as np
from scipy import sparse

from macrid.errors import UserError


def checked(matrix, min_rating: float | None = None, name: str = "the matrix") -> sparse.csr_array:
    """A SciPy matrix or array of users by items as canonical CSR, float64: (N, M).

    Entries of one place are summed, as SciPy means them; zeros are gone; a row of one dimension is
    one user. Numbers must be real and finite, and without `min_rating` none below 0: whether it
    would be an adoption must be said.
    """
    if getattr(matrix, "ndim", 2) == 1:
        matrix = sparse.coo_array(matrix).reshape(1, -1)
    if getattr(matrix, "ndim", 2) != 2:
        raise UserError(f"{name} has {matrix.ndim} dimensions, expected users by items")
    if matrix.dtype.kind not in "buif":
        raise UserError(f"{name} holds {matrix.dtype}, expected real numbers")
    try:
        if hasattr(matrix, "check_format"):  # SciPy's own code would read outside of it
            matrix.check_format(full_check=True)
        X = sparse.csr_array(matrix).astype(np.float64)
    except ValueError as error:  # a place outside of it, a pointer that does not ascend
        raise UserError(f"{name} does not hold together ({error}); make it anew") from None
    _refuse(X, ~np.isfinite(X.data), name, "mend or remove it")
    X.sum_duplicates()
    X.eliminate_zeros()
    X.sort_indices()
    if min_rating is None:
        remedy = "say by min_rating which values count as adoptions"
        _refuse(X, X.data < 0, name, remedy)
    return X


def adoptions(matrix, min_rating: float | None = None, name: str = "the matrix"):
    """Who adopted what, by `checked`: CSR float32 of ones (N, M).

    Every value above 0 is an adoption, or with `min_rating` every value from it on.
    """
    X = checked(matrix, min_rating, name)
    if min_rating is not None:
        X.data[X.data < min_rating] = 0
        X.eliminate_zeros()
    X = X.astype(np.float32)
    X.data[:] = 1
    return X


def _refuse(X, wrong, name, remedy):
    if wrong.any():
        place = int(np.argmax(wrong))
        row = int(np.searchsorted(X.indptr, place, side="right")) - 1
        value, column = X.data[place], X.indices[place]
        raise UserError(f"row {row}, column {column} of {name} is {value:g}; {remedy}")
