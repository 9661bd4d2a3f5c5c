"""The objective (5) with (11): each term alone, the whole, and again after some steps of Adam."""

import itertools

import numpy as np
import pytest
from scipy import sparse

from macrid import model
from macrid.model import decoder, ops
from macrid.model.gradcheck import check, negative_control
from macrid.model.gradtrace import check_objective
from macrid.training import adam
from macrid.training.batch import Noise, draw_noise


def check_model(t, beta, targets=None):
    """Every coordinate of every parameter, and the negative control. A failure says where the
    gradient goes wrong.
    """
    __tracebackhide__ = True

    def loss(**parameters):
        return model.elbo(parameters, t.X, t.noise, t.config, beta, targets)[0]["loss"]

    _, gradients = model.loss_and_gradients(t.parameters, t.X, t.noise, t.config, beta, targets)
    assert gradients.keys() == t.parameters.keys()
    try:
        check(loss, t.parameters, gradients)
    except AssertionError:
        check_objective(t.parameters, t.X, t.noise, t.config, beta, targets)  # points to the line
        raise
    negative_control(loss, t.parameters, gradients)


def test_reconstruction_alone(tiny):
    check_model(tiny(), beta=0.0)


def test_kl_with_a_large_weight(tiny):
    check_model(tiny(), beta=50.0)


def test_categories_with_a_large_weight(tiny):
    t = tiny(category_weight=30.0)
    check_model(t, beta=0.0, targets=t.targets)


OPTIONS = {
    "default": {},
    "inner product": {"similarity": "inner"},
    "no hidden layer": {"hidden_layers": 0},
    "three hidden layers": {"hidden_layers": 3},
    "means of any length": {"unit_mu": False},
    "item dropout": {"item_dropout": 0.4},
    "no noise in the concepts": {"gumbel_noise": False},
    "a cool Gumbel-Softmax": {"gumbel_temperature": 0.5},
    "one concept": {"K": 1},
    "one user of one item": {"rows": ((4,),)},
    "one item": {"rows": ((0,), ()), "M": 1},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_the_whole_objective(tiny, options):
    t = tiny(category_weight=0.5, **options)
    check_model(t, beta=0.7, targets=t.targets)


def test_the_whole_objective_after_some_steps_of_adam(tiny, rng):
    t = tiny(category_weight=0.5, learning_rate=0.05)
    moments = adam.start(t.parameters)
    for step in range(1, 6):
        noise = draw_noise(rng, t.X, t.config)
        _, gradients = model.loss_and_gradients(t.parameters, t.X, noise, t.config, 0.7, t.targets)
        adam.update(t.parameters, gradients, moments, step, t.config)
    check_model(t, beta=0.7, targets=t.targets)


def test_the_loss_is_the_sum_of_its_terms_and_a_function_of_its_arguments(tiny):
    t = tiny(category_weight=0.5)
    before = {name: p.copy() for name, p in t.parameters.items()}
    terms, gradients = model.loss_and_gradients(
        t.parameters, t.X, t.noise, t.config, 0.7, t.targets
    )
    again, gradients_again = model.loss_and_gradients(
        t.parameters, t.X, t.noise, t.config, 0.7, t.targets
    )
    assert terms == again
    assert terms["loss"] == pytest.approx(
        -terms["reconstruction"] + 0.7 * terms["kl"] + 0.5 * terms["categorical"], rel=1e-14
    )
    for name, p in t.parameters.items():
        np.testing.assert_array_equal(p, before[name])
        np.testing.assert_array_equal(gradients[name], gradients_again[name])


def test_the_pullback_is_linear(tiny):
    t = tiny()
    _, pullback = model.elbo(t.parameters, t.X, t.noise, t.config, 0.7)
    once, thrice = pullback(1.0), pullback(3.0)
    for name in once:
        np.testing.assert_allclose(thrice[name], 3 * once[name], rtol=1e-12, atol=1e-15)


def test_the_bound_is_a_bound(tiny, rng):
    """Equation (3) on a tiny model: its expectation over C, taken over all 2^7 assignments and by
    Gumbel noise, stays below ln p(x), which is equation (1) by telling the story.
    """
    t = tiny(rows=((0, 2, 5),), dropout=0.0, sigma0=0.5, tau=0.5, gumbel_temperature=1e-3)
    copies, items, H = 1000, [0, 2, 5], ops.normalise(t.parameters["H"])[0]
    X = sparse.csr_array(np.repeat(t.X.toarray(), copies, axis=0))
    dice = model.concepts(t.parameters, t.config)  # (M, K): p(c_i)
    all_C = [np.eye(2)[list(ks)] for ks in itertools.product(range(2), repeat=len(dice))]
    p_C = np.array([(dice * C).sum(axis=1).prod() for C in all_C])
    assert p_C.sum() == pytest.approx(1)

    def likelihood(z, C):
        """p(x | z, C), equation (2), for z (n, K, d) of any length."""
        P = np.exp(decoder.log_scores(ops.normalise(z)[0], H, C, t.config.tau))
        return (P / P.sum(axis=1, keepdims=True))[:, items].prod(axis=1)

    elbos, sampled, told = (np.empty(len(all_C)) for _ in range(3))
    for c, C in enumerate(all_C):
        noise = Noise(gumbel=1000.0 * C, epsilon=rng.standard_normal((copies, 2, 5)))  # C for sure
        elbos[c] = -model.elbo(t.parameters, X, noise, t.config, beta=1.0)[0]["loss"]
        mu, sigma = (a[0] for a in model.represent(t.parameters, t.X, t.config, C))
        z = mu + sigma * noise.epsilon
        ln_q = (-0.5 * noise.epsilon**2 - np.log(sigma)).sum(axis=(1, 2))
        ln_p = (-0.5 * (z / 0.5) ** 2 - np.log(0.5)).sum(axis=(1, 2))
        sampled[c] = (np.log(likelihood(z, C)) + ln_p - ln_q).mean()
        told[c] = likelihood(rng.standard_normal((copies, 2, 5)), C).mean()  # p(x | C)

    bound, ln_p_x = p_C @ elbos, np.log(p_C @ told)
    assert (elbos < np.log(told)).all() and ln_p_x - bound > 0.5  # each gap is a KL divergence
    np.testing.assert_allclose(sampled, elbos, atol=0.5)  # the KL, by samples; deviation about .1
    # and the Gumbel noise of training takes the same expectation over C
    draws = (draw_noise(rng, t.X, t.config) for _ in range(4000))
    drawn = [-model.elbo(t.parameters, t.X, noise, t.config, 1.0)[0]["loss"] for noise in draws]
    error = np.std(drawn) / len(drawn) ** 0.5
    assert np.mean(drawn) == pytest.approx(bound, abs=4 * error)
    print(
        "STAT",
        bound,
        ln_p_x,
        np.mean(drawn),
        error,
        (np.log(told) - elbos).min(),
        np.abs(sampled - elbos).max(),
        elbos[p_C.argmax()],
        elbos.std(),
        p_C.max(),
    )
    assert abs(elbos[p_C.argmax()] - bound) > 8 * error  # the likeliest C would not do


def test_initial_parameters_are_seeded_and_of_the_asked_size(tiny):
    t = tiny(hidden_layers=2)
    shapes = {name: p.shape for name, p in t.parameters.items()}
    assert shapes == {
        "H": (7, 5),
        "T": (7, 5),
        "m": (2, 5),
        "W0": (5, 4),
        "b0": (4,),
        "W1": (4, 4),
        "b1": (4,),
        "W2": (4, 10),
        "b2": (10,),
    }
    first, second = (
        model.initial_parameters(7, t.config, np.random.default_rng(3)) for _ in range(2)
    )
    assert all((first[name] == second[name]).all() for name in first)
