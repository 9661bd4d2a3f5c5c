"""New items are placed by those that look like them: the fast way against the plain one."""

import numpy as np
import pytest
from scipy import sparse

from macrid.model import placing


def rows(rng, n, p=6):
    v = rng.standard_normal((n, p))
    return v / np.linalg.norm(v, axis=1, keepdims=True)


@pytest.fixture
def known(rng):
    parameters = {name: rng.standard_normal((7, 5)) for name in ("H", "T", "L", "m")}
    v = rows(rng, 7)
    v[2] = 0  # nothing is known of it
    return parameters, v, rng.integers(1, 9, 7)


def test_placed_equals_its_plain_twin_and_tiles_change_nothing(rng, known, monkeypatch):
    parameters, v, adoptions = known
    v_new = rows(rng, 5)
    found = placing.placed(parameters, sparse.csr_array(v), sparse.csr_array(v_new), adoptions)
    assert set(found) == {"H", "T", "L"}, "what has a row an item"
    for j in range(5):
        w = [np.sqrt(n) * np.exp(v_new[j] @ v_i / 0.1) for v_i, n in zip(v, adoptions)]
        w[2] = 0
        for name in found:
            expected = sum(w[i] * parameters[name][i] for i in range(7)) / sum(w)
            np.testing.assert_allclose(found[name][j], expected, rtol=1e-10)
    monkeypatch.setattr(placing, "TILE_PAIRS", 15)  # two new items at a time
    tiled = placing.placed(parameters, sparse.csr_array(v), sparse.csr_array(v_new), adoptions)
    np.testing.assert_allclose(tiled["H"], found["H"], rtol=1e-12)


def test_an_item_like_one_and_unlike_all_others_lies_where_that_lies(known):
    parameters, _, adoptions = known
    v = sparse.csr_array(np.eye(7))
    found = placing.placed(parameters, v, v[[4]], adoptions)
    np.testing.assert_allclose(found["H"][0], parameters["H"][4], atol=0.01)
    assert found["H"].dtype == parameters["H"].dtype
    assert placing.placed(parameters, v, v[:0], adoptions)["T"].shape == (0, 5)
