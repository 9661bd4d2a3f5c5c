"""Equation (9): the encoder's parts, each checked alone, and the moments of what it samples."""

import numpy as np
import pytest
from helpers import check_moments, users

from macrid.model import encoder
from macrid.model.gradcheck import check_op

ROWS = {
    "several users, one without items": ((0, 2, 5), (), (1, 2, 3, 6)),
    "one item": ((4,),),
    "all users alike": ((1, 3), (1, 3), (1, 3)),
}


@pytest.fixture(params=ROWS, ids=str)
def aggregate_arguments(request, rng):
    C = rng.dirichlet(np.ones(2), size=7)
    return {"X": users(ROWS[request.param], 7), "C": C, "T": rng.standard_normal((7, 5))}


@pytest.mark.parametrize("op", [encoder.aggregate, encoder.aggregate_plain])
def test_aggregate(op, aggregate_arguments, rng):
    check_op(op, aggregate_arguments, rng, differentiable=["C", "T"])


def test_aggregate_with_one_concept(rng):
    arguments = {
        "X": users(ROWS["one item"] + ((0, 1),), 7),
        "C": np.full((7, 1), 0.8),
        "T": rng.standard_normal((7, 5)),
    }
    check_op(encoder.aggregate, arguments, rng, differentiable=["C", "T"])


def test_aggregate_equals_its_plain_twin(aggregate_arguments, rng):
    fast, pull_fast = encoder.aggregate(**aggregate_arguments)
    plain, pull_plain = encoder.aggregate_plain(**aggregate_arguments)
    np.testing.assert_allclose(fast, plain, rtol=1e-13)
    dA = rng.standard_normal(fast.shape)
    for ours, theirs in zip(pull_fast(dA), pull_plain(dA), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_aggregate_is_equation_9(rng):
    """n_uk / r_uk item by item, for one user and one concept."""
    C, T = rng.dirichlet(np.ones(3), size=7), rng.standard_normal((7, 4))
    A, _ = encoder.aggregate(users([(1, 4, 6)], 7), C, T)
    numerator = sum(C[i, 2] * T[i] for i in (1, 4, 6))
    r = np.sqrt(sum(C[i, 2] ** 2 for i in (1, 4, 6)))
    np.testing.assert_allclose(A[0, 2], numerator / r, err_msg="equation (9), line 19")


def test_a_user_without_items_is_the_zero_vector(rng):
    A, pullback = encoder.aggregate(
        users([()], 7), np.full((7, 2), 0.5), rng.standard_normal((7, 5))
    )
    assert not A.any()
    assert all(np.isfinite(gradient).all() for gradient in pullback(np.ones_like(A)))


@pytest.mark.parametrize("hidden", [0, 1, 2, 3])
def test_f_nn(hidden, rng):
    widths = [5] + [4] * hidden + [10]
    layers = {}
    for layer, (p, q) in enumerate(zip(widths[:-1], widths[1:])):
        layers[f"W{layer}"], layers[f"b{layer}"] = (
            rng.standard_normal((p, q)),
            rng.standard_normal(q),
        )
    masks = [(rng.random((6, width)) > 0.3) / 0.7 for width in widths[:-2]]

    def op(A, **layers):
        value, pullback = encoder.f_nn(A, layers, masks)

        def in_order(dx):
            dA, gradients = pullback(dx)
            return dA, *(gradients[name] for name in layers)

        return value, in_order

    check_op(op, {"A": rng.standard_normal((6, 5)), **layers}, rng)


def test_dropout_is_before_every_layer_but_the_last(rng):
    layers = {"W0": np.eye(3), "b0": np.zeros(3), "W1": np.eye(3), "b1": np.zeros(3)}
    x = rng.standard_normal((2, 3))
    value, _ = encoder.f_nn(x, layers, [np.array([[0, 2, 2], [2, 0, 2.0]])])
    np.testing.assert_allclose(value, np.tanh(x * [[0, 2, 2], [2, 0, 2]]))


def test_posterior(rng):
    """mu = a / ||a||, equation (9); b is handed on as it is."""
    ab = rng.standard_normal((3, 2, 10))
    check_op(encoder.posterior, {"ab": ab}, rng)
    (mu, b), _ = encoder.posterior(ab)
    np.testing.assert_allclose(
        mu, ab[..., :5] / np.linalg.norm(ab[..., :5], axis=-1, keepdims=True)
    )
    np.testing.assert_array_equal(b, ab[..., 5:])


def test_sample(rng):
    mu, b, epsilon = rng.standard_normal((3, 3, 2, 5))
    check_op(
        encoder.sample,
        {"mu": mu, "b": b, "epsilon": epsilon, "sigma0": 0.3},
        rng,
        differentiable=["mu", "b"],
    )


def test_samples_have_the_posterior_s_moments(rng):
    """z ~ N(mu, sigma^2) with sigma = sigma0 exp(-b/2), equation (9)."""
    ones = np.ones((100_000, 1, 1))
    check_moments(encoder.sample, 0.4 * ones, 0.7 * ones, rng.standard_normal(ones.shape))


def test_kl_divergence(rng):
    mu, b = rng.standard_normal((2, 3, 2, 5))
    check_op(
        encoder.kl_divergence, {"mu": mu, "b": b, "sigma0": 0.3}, rng, differentiable=["mu", "b"]
    )


def test_kl_in_closed_form_equals_the_sampled_kl(rng):
    """KL = E_q[ln q(z) - ln p(z)], estimated with 200,000 samples of z."""
    mu, b, sigma0, n = (
        rng.standard_normal((1, 2, 3)) * 0.2,
        rng.standard_normal((1, 2, 3)),
        0.3,
        200_000,
    )
    sigma = sigma0 * np.exp(-b / 2)
    z = mu + sigma * rng.standard_normal((n, 2, 3))
    ln_q = -0.5 * ((z - mu) / sigma) ** 2 - np.log(sigma)
    ln_p = -0.5 * (z / sigma0) ** 2 - np.log(sigma0)
    sampled = (ln_q - ln_p).sum(axis=(1, 2))
    apart = abs(sampled.mean() - encoder.kl_divergence(mu, b, sigma0)[0])
    assert apart < 4 * sampled.std() / np.sqrt(n), "the KL term of equation (5), line 26"


def test_the_mean_kl_is_equation_4():
    """Four users, one number each: the mean KL is I_q(x; z) + KL(q(z | C) || p(z)), both integrated
    on a grid.
    """
    mu, b, sigma0 = np.array([-0.9, 0.1, 0.6, 1.2]), np.array([-0.3, 0.0, 0.8, 0.4]), 0.8
    z = np.linspace(-8, 8, 20_001)[:, None]
    normal = lambda mean, deviation: (
        np.exp(-0.5 * ((z - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
    )
    q_x, p = (
        normal(mu, sigma0 * np.exp(-b / 2)),
        normal(0.0, sigma0),
    )  # (points, users), (points, 1)
    q = q_x.mean(axis=1, keepdims=True)  # everybody in one heap
    integral = lambda f: f.sum() * (z[1, 0] - z[0, 0])
    information, distance = integral(q_x * np.log(q_x / q)) / 4, integral(q * np.log(q / p))
    value, _ = encoder.kl_divergence(mu[:, None, None], b[:, None, None], sigma0)
    assert information > 0.1 and distance > 0.1
    assert abs(information + distance - value) < 1e-8, "equation (4)"


def test_its_second_part_is_total_correlation_and_marginals():
    """Three users of two numbers, on a grid: the distance of the heap q(z | C) from the prior is
    its distance from independence plus that of each dimension from the prior; neither is nothing.
    """
    mu, sigma, sigma0 = np.array([[-0.5, -0.4], [0.6, 0.5], [0.1, 0.3]]), 0.3, 0.5
    z, step = np.linspace(-4, 4, 401, retstep=True)
    normal = lambda mean, deviation: (
        np.exp(-0.5 * ((z - mean) / deviation) ** 2) / (deviation * np.sqrt(2 * np.pi))
    )
    q = np.mean([np.outer(normal(a, sigma), normal(b, sigma)) for a, b in mu], axis=0)
    first, second, p = q.sum(axis=1) * step, q.sum(axis=0) * step, normal(0, sigma0)
    divergence = lambda q, p: (q * np.log(q / p)).sum() * step**q.ndim
    whole, total_correlation = divergence(q, np.outer(p, p)), divergence(q, np.outer(first, second))
    marginals = divergence(first, p) + divergence(second, p)
    assert whole == pytest.approx(total_correlation + marginals, abs=1e-9), "equation (4)"
    assert total_correlation > 0.02 and marginals > 0.02, "neither is the whole of it"


def test_kl_of_a_unit_mean_is_never_below_its_constant(rng):
    """With ||mu_k|| = 1 the KL is at least K / (2 sigma0^2), reached at b = 0 (sigma = sigma0)."""
    (mu, _), _ = encoder.posterior(rng.standard_normal((4, 3, 10)))
    constant = 3 / (2 * 0.1**2)
    assert encoder.kl_divergence(mu, np.zeros((4, 3, 5)), 0.1)[0] == pytest.approx(
        constant, rel=1e-12
    )
    assert encoder.kl_divergence(mu, rng.standard_normal((4, 3, 5)), 0.1)[0] > constant
