"""Equations (7) and (8): the decoder's likelihood and the gradient that is a number per user minus
a sparse part.
"""

import numpy as np
import pytest
from helpers import users

from macrid.model import decoder
from macrid.model.gradcheck import check_op
from macrid.model.ops import normalise

ROWS = {
    "several users, one without items": ((0, 2, 5), (), (1, 2, 3, 6)),
    "one item": ((4,),),
    "everything": (range(7),),
}


def make(rng, rows, cosine=True, tau=0.1, B=None, K=2, M=7):
    z, H = rng.standard_normal((len(rows), K, 5)), rng.standard_normal((M, 5))
    if cosine:
        z, H = normalise(z)[0], normalise(H)[0]
    return {
        "z": z,
        "H": H,
        "C": rng.dirichlet(np.ones(K), size=M),
        "X": users(rows, M),
        "tau": tau,
        "cosine": cosine,
    }


@pytest.fixture(params=ROWS, ids=str)
def rows(request):
    return ROWS[request.param]


@pytest.mark.parametrize("op", [decoder.log_likelihood, decoder.log_likelihood_plain])
@pytest.mark.parametrize("cosine", [True, False], ids=["cosine", "inner product"])
def test_log_likelihood(op, rows, cosine, rng):
    check_op(op, make(rng, rows, cosine), rng, differentiable=["z", "H", "C"])


def test_one_concept(rng):
    """With K = 1 the weight c cancels in P / Z only where it is the same for all items: here it is
    not.
    """
    arguments = make(rng, ROWS["several users, one without items"], K=1)
    arguments["C"] = rng.random((7, 1)) + 0.5
    check_op(decoder.log_likelihood, arguments, rng, differentiable=["z", "H", "C"])


@pytest.mark.parametrize("tau", [1.0, 0.1, 0.02])
def test_equals_its_plain_twin(rows, tau, rng):
    arguments = make(rng, rows, tau=tau)
    fast, pull_fast = decoder.log_likelihood(**arguments)
    plain, pull_plain = decoder.log_likelihood_plain(**arguments)
    assert fast == pytest.approx(plain, rel=1e-12)
    for ours, theirs in zip(pull_fast(0.7), pull_plain(0.7), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_tiles_of_users_change_nothing(rng, monkeypatch):
    arguments = make(rng, [rng.choice(7, 3, replace=False) for _ in range(11)])
    whole, pull_whole = decoder.log_likelihood(**arguments)
    monkeypatch.setitem(decoder.TILE_BYTES, "numpy", 1)
    monkeypatch.setattr(decoder, "TILE_USERS", 4)
    tiled, pull_tiled = decoder.log_likelihood(**arguments)
    assert whole == pytest.approx(tiled, rel=1e-13)
    for ours, theirs in zip(pull_tiled(1.0), pull_whole(1.0), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-14)


def test_probabilities_are_equation_7(rng):
    """p_ui written out with loops; the scores are the same up to a factor per user."""
    a = make(rng, [(0, 3), (2,)])
    P = np.array(
        [
            [
                sum(a["C"][i, k] * np.exp(a["z"][u, k] @ a["H"][i] / 0.1) for k in range(2))
                for i in range(7)
            ]
            for u in range(2)
        ]
    )
    p = P / P.sum(axis=1, keepdims=True)
    by_hand = (np.log(p[0, 0]) + np.log(p[0, 3]) + np.log(p[1, 2])) / 2
    assert decoder.log_likelihood(**a)[0] == pytest.approx(by_hand, rel=1e-12)
    scores, shift = decoder.scores(a["z"], a["H"], a["C"], 0.1)
    assert not shift.any()
    np.testing.assert_allclose(scores / scores.sum(axis=1, keepdims=True), p, rtol=1e-12)


def test_float32_survives_a_small_tau_and_a_large_inner_product(rng):
    for cosine, tau, scale in ((True, 0.005, 1), (False, 0.1, 30)):
        a = make(rng, [(0, 3), (2,)], cosine=cosine, tau=tau)
        z, H, C = (
            a[name].astype(np.float32) * (scale if name != "C" else 1) for name in ("z", "H", "C")
        )
        value, pullback = decoder.log_likelihood(z, H, C, a["X"].astype(np.float32), tau, cosine)
        assert np.isfinite(value) and all(np.isfinite(g).all() for g in pullback(1.0))


def test_single_precision_is_enough_for_training(rng):
    """float32 against float64 at the sizes of training: relative error of every gradient below
    1e-4.
    """
    B, K, d, M = 20, 4, 50, 600
    z, H = normalise(rng.standard_normal((B, K, d)))[0], normalise(rng.standard_normal((M, d)))[0]
    a = {
        "z": z,
        "H": H,
        "C": rng.dirichlet(np.ones(K), size=M),
        "X": users([rng.choice(M, 30, replace=False) for _ in range(B)], M),
    }
    exact = decoder.log_likelihood(**a, tau=0.1)[1](1.0)
    rough = decoder.log_likelihood(
        **{name: value.astype(np.float32) for name, value in a.items()}, tau=0.1
    )[1](1.0)
    for ours, theirs in zip(rough, exact, strict=True):
        assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)
