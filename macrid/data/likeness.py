"""What is known of items as vectors whose cosine says how alike they are."""

import numpy as np
from scipy import sparse

from macrid.data.catalogue import Catalogue

COMPONENTS = 50  # of pictures: fewer tell less apart, of many the last are noise
ITEMS_A_COMPONENT = 10  # at least: of n points, n - 1 whitened components make all unlike


def vectors(known: Catalogue, pictures: tuple | None = None) -> sparse.csr_array:
    r"""What is known of n items as rows of unit length (n, p), zero where that is nothing.

    Each kind of knowledge is a part of the row, of unit length itself, so that all count alike:

    categories  which they are, at every level: the more of a path two share, the more alike
    brands      which it is
    numbers     each as (cos, sin) of pi times its rank from 0 to 1: the lowest and the highest
                price are opposite
    pictures    (values (n, q), has one (n,) bool) of AlexNet: to unit length, as equation (10)
                takes them, and of the leading COMPONENTS all alike long

    >>> v = vectors(table)
    >>> (v @ v.T).toarray().round(1)  # two of one category, one of another
    array([[1., 1., 0.],
           [1., 1., 0.],
           [0., 0., 1.]])
    """
    n = len(known.ids)
    parts = [sparse.csr_array((n, 1))]
    if known.paths_of_item is not None:
        parts.append(known.paths_of_item @ _prefixes(known.paths))
    if known.brands is not None:
        names, brand = np.unique(known.brands, return_inverse=True)
        has_one = known.brands != ""
        parts.append(_ones(np.flatnonzero(has_one), brand[has_one], (n, len(names))))
    if known.numbers:
        parts.append(sparse.hstack([_half_circle(values) for values in known.numbers.values()]))
    if pictures is not None:
        parts.append(_of_pictures(*pictures))
    return _unit(sparse.hstack([_unit(part) for part in parts]))


def _prefixes(paths):
    """Which paths from the top each of P paths holds, itself the longest: (P, all prefixes)."""
    all_of = [[path[: end + 1] for end in range(len(path))] for path in paths]
    column = {prefix: 0 for of_path in all_of for prefix in of_path}
    column = {prefix: j for j, prefix in enumerate(column)}
    rows = np.repeat(np.arange(len(paths)), [len(of_path) for of_path in all_of])
    columns = [column[prefix] for of_path in all_of for prefix in of_path]
    return _ones(rows, columns, (len(paths), max(1, len(column))))


def _ones(rows, columns, shape):
    return sparse.csr_array((np.ones(len(rows)), (rows, np.asarray(columns, int))), shape=shape)


def _half_circle(values):
    """Numbers (n,) by their rank as points of a half circle (n, 2), zero where unknown."""
    from scipy.stats import rankdata

    known = np.flatnonzero(np.isfinite(values))
    angle = np.pi * (rankdata(values[known]) - 0.5) / max(1, len(known))
    points = np.zeros((len(values), 2))
    points[known] = np.column_stack([np.cos(angle), np.sin(angle)])
    return sparse.csr_array(points)


def _of_pictures(values, has_one):
    """The leading whitened components of features, zero where an item has none."""
    from sklearn.decomposition import PCA

    x = values[has_one].astype(float)
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    size = min(COMPONENTS, max(1, len(x) // ITEMS_A_COMPONENT), x.shape[1])
    points = np.zeros((len(values), size))
    if len(x) > 1:
        with np.errstate(invalid="ignore"):  # pictures that are all alike
            points[has_one] = PCA(size, whiten=True, random_state=0).fit_transform(x)
    return sparse.csr_array(np.nan_to_num(points))


def _unit(x):
    """Rows of unit length, those of zeros as they are."""
    length = np.sqrt(np.asarray(x.multiply(x).sum(axis=1))).reshape(-1)
    inverse = np.divide(1, length, out=np.zeros_like(length), where=length > 1e-12)
    unit = sparse.csr_array(sparse.diags_array(inverse) @ sparse.csr_array(x))
    unit.eliminate_zeros()
    return unit
