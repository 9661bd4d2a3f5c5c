"""Which concept an item's categories ask for, and the start of equation (10)."""

import numpy as np
import pytest
from scipy import sparse

from macrid.errors import UserError
from macrid.model.semantics import (
    category_targets,
    order_by_targets,
    start_from_features,
)

CATEGORIES = sparse.csr_array(
    np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]], float)
)  # counts 2, 1, 3


def test_concepts_are_taught_by_the_most_frequent_categories():
    targets, taught = category_targets(CATEGORIES, 2)
    assert list(taught) == [2, 0]
    np.testing.assert_array_equal(targets, [[0.5, 0.5], [1, 0], [0.5, 0.5], [0, 0], [0, 0]])


def test_more_concepts_than_categories_leave_the_last_free():
    targets, taught = category_targets(CATEGORIES, 5)
    assert list(taught) == [2, 0, 1] and targets.shape == (5, 5)
    np.testing.assert_array_equal(targets.sum(axis=1), [1, 1, 1, 1, 0])
    assert not targets[:, 3:].any()


# Equation (10)


@pytest.fixture
def clusters(rng):
    """90 items in three far clusters of 20-d features, and which cluster each is in."""
    which = np.arange(90) % 3
    centres = rng.standard_normal((3, 20)) * 5
    return centres[which] + rng.standard_normal((90, 20)), which


def test_the_literal_form_is_equation_10(clusters):
    """H = P v of the centred features, P the leading eigenvectors of their covariance V, up to the
    sign of each.
    """
    features, _ = clusters
    H, m = start_from_features(features, 3, 4, 0.02, seed=0, whiten=False)
    v = features - features.mean(axis=0)
    eigenvalues, Q = np.linalg.eigh(v.T @ v / len(v))
    expected = v @ Q[:, ::-1][:, :4]
    np.testing.assert_allclose(np.abs(H), np.abs(expected), atol=1e-8)
    np.testing.assert_allclose((H * H).mean(axis=0), eigenvalues[::-1][:4])
    nearest = ((H[:, None] - m) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_allclose(
        m,
        [H[nearest == k].mean(axis=0) for k in range(3)],
        err_msg="m_k is the centre of its items",
    )


def test_whitened_components_have_the_deviation_of_a_random_start(clusters):
    features, which = clusters
    H, m = start_from_features(features * 1000, 3, 4, 0.02, seed=0)
    np.testing.assert_allclose(np.sqrt((H * H).mean(axis=0)), 0.02, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(m, axis=1), 0.02 * 2)
    nearest = (H @ m.T).argmax(axis=1)
    assert all(len(set(nearest[which == k])) == 1 for k in range(3)) and len(set(nearest)) == 3, (
        "prototypes find the clusters"
    )


@pytest.mark.parametrize("whiten", [True, False])
def test_items_without_a_picture_start_at_random_at_the_same_scale(clusters, whiten):
    features, _ = clusters
    known = np.arange(90) % 9 > 2
    features[~known] = np.nan  # never looked at
    H, m = start_from_features(features, 3, 4, 0.02, seed=0, whiten=whiten, known=known)
    assert np.isfinite(H).all() and np.isfinite(m).all()
    scale = np.sqrt((H[known] ** 2).mean(axis=0))
    assert (np.abs(np.log(np.sqrt((H[~known] ** 2).mean(axis=0)) / scale)) < 0.5).all()
    alone, _ = start_from_features(features[known], 3, 4, 0.02, seed=0, whiten=whiten)
    np.testing.assert_allclose(H[known], alone)


def test_fewer_features_than_dimensions(clusters):
    H, m = start_from_features(clusters[0][:, :3], 2, 6, 0.02, seed=0)
    assert H.shape == (90, 6) and m.shape == (2, 6)
    np.testing.assert_allclose(H.std(axis=0), 0.02, rtol=0.25)
    with pytest.raises(UserError, match="only 90 items have features, too few for K = 90"):
        start_from_features(clusters[0], 90, 6, 0.02, seed=0)


def test_prototypes_are_put_in_the_order_of_the_categories(clusters):
    features, which = clusters
    H, m = start_from_features(features, 3, 4, 0.02, seed=0)
    targets = np.eye(3)[(which + 1) % 3]
    targets[::4] = 0  # unknown
    nearest = (H @ order_by_targets(H, m, targets).T).argmax(axis=1)
    np.testing.assert_array_equal(nearest, (which + 1) % 3)


@pytest.mark.parametrize("whiten", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_empty_clusters_start_at_random_and_are_told(kind, whiten, recwarn):
    features = kind(np.eye(6)[[0] * 10 + [1] * 20])  # two kinds of items
    H, m = start_from_features(features, 5, 5, 0.02, seed=0, whiten=whiten)
    told = [str(warning.message) for warning in recwarn]
    assert len(told) == 1 and "start at random; lower K" in told[0]
    assert np.isfinite(H).all() and np.isfinite(m).all()
    assert len(np.unique(m.round(9), axis=0)) == 5, "no two prototypes are the same"
    lengths = np.linalg.norm(m, axis=1)
    assert lengths.min() > 0.1 * lengths.max(), "at the scale of the others"


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_features_that_are_all_alike_are_refused(value, recwarn):
    with pytest.raises(UserError, match="all alike.*leave start out"):
        start_from_features(np.full((30, 8), value), 3, 4, 0.02, seed=0)
    assert not recwarn
