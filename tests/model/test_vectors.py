"""Scores as inner products: the same as the scorer's, whatever the options."""

import numpy as np
import pytest

from macrid import model


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"K": 1},
        {"tau": 0.002},
        {"similarity": "inner", "unit_mu": False},
        {"hard_concepts": True},
        {"hidden_layers": 0, "K": 3},
    ],
)
@pytest.mark.parametrize("path", [False, True])
def test_a_log_sum_of_k_inner_products_is_the_score(tiny, rng, options, path):
    case = tiny(**options)
    if path:
        case.parameters["L"] = rng.standard_normal((7, 3))
    v = model.item_vectors(case.parameters, case.config)
    q = model.user_vectors(case.parameters, case.X, case.config)
    K = case.config.K
    assert v.shape == (7, 5 + K + 3 * path) and q.shape == (3, K, 5 + K + 3 * path)
    expected = model.log_predict(case.parameters, case.X, case.config)
    np.testing.assert_allclose(np.logaddexp.reduce(q @ v.T, axis=1), expected, rtol=1e-9)


def test_the_first_coordinates_are_directions_under_cosine(tiny):
    case = tiny()
    v = model.item_vectors(case.parameters, case.config)
    q = model.user_vectors(case.parameters, case.X, case.config)
    np.testing.assert_allclose(np.linalg.norm(v[:, :5], axis=1), 1)
    np.testing.assert_allclose(np.linalg.norm(q[..., :5], axis=2), 1 / case.config.tau)
