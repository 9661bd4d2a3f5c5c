"""Equations (7) and (8): the decoder's likelihood and the gradient that is a number per user minus
a sparse part.
"""

import numpy as np
import pytest
from helpers import users
from scipy.special import logsumexp

from macrid.config import Config
from macrid.model import decoder
from macrid.model.gradcheck import check_op
from macrid.model.objective import loss_and_gradients
from macrid.model.ops import normalise
from macrid.training.batch import Noise

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
        "log_C": np.log(rng.dirichlet(np.ones(K), size=M)),
        "X": users(rows, M),
        "tau": tau,
        "cosine": cosine,
    }


@pytest.fixture(params=ROWS, ids=str)
def rows(request):
    return ROWS[request.param]


@pytest.mark.parametrize("cosine", [True, False], ids=["cosine", "inner product"])
def test_log_likelihood(rows, cosine, rng):
    arguments = make(rng, rows, cosine)
    check_op(decoder.log_likelihood, arguments, rng, differentiable=["z", "H", "log_C"])


def test_one_concept(rng):
    """With K = 1 the weight c cancels in P / Z only where it is the same for all items: here it is
    not.
    """
    arguments = make(rng, ROWS["several users, one without items"], K=1)
    arguments["log_C"] = np.log(rng.random((7, 1)) + 0.5)
    check_op(decoder.log_likelihood, arguments, rng, differentiable=["z", "H", "log_C"])


@pytest.mark.parametrize("tau", [0.001, 0.01, 0.02, 0.1, 1.0])
@pytest.mark.parametrize("cosine", [True, False], ids=["cosine", "inner product"])
def test_equals_its_plain_twin(rows, cosine, tau, rng):
    arguments = make(rng, rows, cosine, tau)
    arguments["log_C"][2, 0] = -np.inf  # c = 0
    fast, pull_fast = decoder.log_likelihood(**arguments)
    plain, pull_plain = decoder.log_likelihood_plain(**arguments)
    assert fast == pytest.approx(plain, rel=1e-11)
    for ours, theirs in zip(pull_fast(0.7), pull_plain(0.7), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11 * np.abs(theirs).max())


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
    C = np.exp(a["log_C"])
    P = np.array(
        [
            [
                sum(C[i, k] * np.exp(a["z"][u, k] @ a["H"][i] / 0.1) for k in range(2))
                for i in range(7)
            ]
            for u in range(2)
        ]
    )
    p = P / P.sum(axis=1, keepdims=True)
    by_hand = (np.log(p[0, 0]) + np.log(p[0, 3]) + np.log(p[1, 2])) / 2
    value, _ = decoder.log_likelihood(**a)
    assert value == pytest.approx(by_hand, rel=1e-12), "equations (2) and (7), line 29"
    for cosine in (True, False):  # by E itself, and by logarithms
        scores = np.exp(decoder.log_scores(a["z"], a["H"], C, 0.1, cosine))
        np.testing.assert_allclose(scores, P, rtol=1e-12, err_msg="equations (7), (8), line 28")


def test_float32_survives_a_small_tau_and_a_large_inner_product(rng):
    for cosine, tau, scale in ((True, 0.005, 1), (False, 0.1, 30)):
        a = make(rng, [(0, 3), (2,)], cosine=cosine, tau=tau)
        z, H, log_C = (a[name].astype(np.float32) for name in ("z", "H", "log_C"))
        z, H, X = z * scale, H * scale, a["X"].astype(np.float32)
        value, pullback = decoder.log_likelihood(z, H, log_C, X, tau, cosine)
        assert np.isfinite(value) and all(np.isfinite(g).all() for g in pullback(1.0))


@pytest.mark.parametrize("tau", [0.001, 0.003, 0.01, 0.02, 0.025, 0.1, 1.0])
@pytest.mark.parametrize("similarity", ["cosine", "inner"])
def test_any_tau_gives_what_a_plain_log_sum_exp_does(tiny, tau, similarity):
    """The whole objective against every array in full, where c and E leave double precision."""
    t = tiny(tau=tau, similarity=similarity, dropout=0.0, hidden_layers=0)
    p, config, X = t.parameters, t.config, t.X.toarray()
    unit = (lambda x: normalise(x)[0]) if config.cosine else (lambda x: x)
    terms, gradients = loss_and_gradients(p, t.X, t.noise, config, 0.7)

    def reconstruction(H, T, m, W0, b0):
        """Equations (6) to (9) by logarithms, one line each."""
        s = unit(H) @ unit(m).T / tau + t.noise.gumbel
        log_C = s - logsumexp(s, axis=1, keepdims=True)
        C = np.exp(log_C)
        r = np.maximum(np.sqrt(X @ C**2), 1e-8)
        A = np.einsum("ui,ik,ij->ukj", X, C, T) / r[:, :, None]
        a, b = np.split(A @ W0 + b0, 2, axis=2)
        z = unit(normalise(a)[0] + t.noise.epsilon * config.sigma0 * np.exp(-b / 2))
        log_P = logsumexp(z @ unit(H).T / tau + log_C.T, axis=1)
        return (X * (log_P - logsumexp(log_P, axis=1, keepdims=True))).sum() / len(X)

    assert terms["reconstruction"] == pytest.approx(reconstruction(**p), rel=1e-9)
    without_kl = loss_and_gradients(p, t.X, t.noise, config, 0.0)[1]
    for name in ("H", "m"):  # along a random direction
        step = 1e-4 * tau
        direction = np.random.default_rng(1).standard_normal(p[name].shape)
        ends = [reconstruction(**(p | {name: p[name] + x * direction})) for x in (step, -step)]
        slope = -(ends[0] - ends[1]) / (2 * step)
        assert (without_kl[name] * direction).sum() == pytest.approx(slope, rel=1e-5, abs=1e-6)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


def test_small_tau_has_no_floor():
    """One user, who has the item that points away from her: ln p is -2 / tau."""
    parameters = {
        "H": np.array([[1.0, 0], [-1, 0]]),
        "T": np.array([[-1.0, 0], [0, 0]]),
        "m": np.array([[1.0, 0]]),
        "W0": np.hstack([np.eye(2), np.zeros((2, 2))]),
        "b0": np.zeros(4),
    }
    config = Config(K=1, d=2, tau=0.02, precision="float64")
    noise = Noise(np.zeros((2, 1)), np.zeros((1, 1, 2)))
    terms, _ = loss_and_gradients(parameters, users([(0,)], 2), noise, config, 0.0)
    assert terms["reconstruction"] == pytest.approx(-2 / 0.02, rel=1e-12)


def test_single_precision_is_enough_for_training(rng):
    """float32 against float64 at the sizes of training: relative error of every gradient below
    1e-4.
    """
    B, K, d, M = 20, 4, 50, 600
    z, H = normalise(rng.standard_normal((B, K, d)))[0], normalise(rng.standard_normal((M, d)))[0]
    a = {
        "z": z,
        "H": H,
        "log_C": np.log(rng.dirichlet(np.ones(K), size=M)),
        "X": users([rng.choice(M, 30, replace=False) for _ in range(B)], M),
    }
    exact = decoder.log_likelihood(**a, tau=0.1)[1](1.0)
    rough = decoder.log_likelihood(
        **{name: value.astype(np.float32) for name, value in a.items()}, tau=0.1
    )[1](1.0)
    for ours, theirs in zip(rough, exact, strict=True):
        assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)
