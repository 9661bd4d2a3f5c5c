"""Which concept an item's categories ask for."""

import numpy as np
from scipy import sparse

from macrid.semantics import category_targets

CATEGORIES = sparse.csr_array(np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]], float))  # counts 2, 1, 3


def test_concepts_are_taught_by_the_most_frequent_categories():
    targets, taught = category_targets(CATEGORIES, 2)
    assert list(taught) == [2, 0]
    np.testing.assert_array_equal(targets, [[0.5, 0.5], [1, 0], [0.5, 0.5], [0, 0], [0, 0]])


def test_more_concepts_than_categories_leave_the_last_free():
    targets, taught = category_targets(CATEGORIES, 5)
    assert list(taught) == [2, 0, 1] and targets.shape == (5, 5)
    np.testing.assert_array_equal(targets.sum(axis=1), [1, 1, 1, 1, 0])
    assert not targets[:, 3:].any()
