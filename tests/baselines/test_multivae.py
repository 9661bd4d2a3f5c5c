"""MultiDAE and MultiVAE: each op checked alone, then the whole loss; then that they learn, and
stop, as they say.
"""

import numpy as np
import pytest
from helpers import users

from macrid.baselines import MultiDAE, MultiVAE, Popularity, multivae
from macrid.baselines.multivae import Noise, loss_and_gradients
from macrid.config import Config
from macrid.data.splits import HeldOut
from macrid.errors import UserError
from macrid.evaluation.metrics import evaluate, summary
from macrid.model.gradcheck import check, check_op, negative_control
from macrid.model.ops import linear
from macrid.training import adam

ROWS = {
    "several users, one without items": ((0, 2, 5), (), (1, 2, 3, 6)),
    "one item": ((4,),),
    "everything": (range(7),),
}
DOUBLE = Config(precision="float64", item_dropout=0.4)


@pytest.fixture(params=ROWS, ids=str)
def X(request):
    return users(ROWS[request.param], 7)


def make(rng, X, sampled, hidden=(4,), latent=3, options=DOUBLE):
    """Parameters and noise; biases as large as weights, so that a mistake in them would show."""
    parameters = multivae.initial_parameters(X.shape[1], hidden, latent, sampled, options)
    for p in parameters.values():
        p += rng.standard_normal(p.shape) * 0.3
    return parameters, multivae.draw_noise(rng, X, latent if sampled else 0, options)


def test_sparse_linear(X, rng):
    check_op(
        multivae.sparse_linear,
        {"X": X, "W": rng.standard_normal((7, 4)), "b": rng.standard_normal(4)},
        rng,
        ["W", "b"],
    )


def test_sparse_linear_equals_its_plain_twin(X, rng):
    W, b, dy = (
        rng.standard_normal((7, 4)),
        rng.standard_normal(4),
        rng.standard_normal((X.shape[0], 4)),
    )
    fast, pull_fast = multivae.sparse_linear(X, W, b)
    plain, pull_plain = linear(X.toarray(), W, b)
    for ours, theirs in zip((fast, *pull_fast(dy)), (plain, *pull_plain(dy)[1:]), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("op", [multivae.multinomial, multivae.multinomial_plain])
def test_multinomial(op, X, rng):
    check_op(op, {"logits": rng.standard_normal((X.shape[0], 7)), "X": X}, rng, ["logits"])


def test_multinomial_equals_its_plain_twin(X, rng):
    logits = rng.standard_normal((X.shape[0], 7))
    fast, pull_fast = multivae.multinomial(logits, X)
    plain, pull_plain = multivae.multinomial_plain(logits, X)
    assert fast == pytest.approx(plain, rel=1e-12)
    np.testing.assert_allclose(pull_fast(0.7), pull_plain(0.7), rtol=1e-11, atol=1e-14)
    value, pullback = multivae.multinomial(
        (1e4 * logits).astype(np.float32), X
    )  # exponents that the twin cannot take
    assert np.isfinite(value) and np.isfinite(pullback(1.0)).all()


def test_gaussian(rng):
    check_op(
        multivae.gaussian,
        {"h": rng.standard_normal((3, 10)), "epsilon": rng.standard_normal((3, 5))},
        rng,
        ["h"],
    )


@pytest.mark.parametrize("sampled", [False, True], ids=["MultiDAE", "MultiVAE"])
@pytest.mark.parametrize("hidden", [(), (4,), (5, 4)], ids=str)
def test_every_gradient_of_the_loss(X, sampled, hidden, rng):
    """All parameters, with the KL term and the L2 term; also after three steps of Adam, where
    nothing is small any more.
    """
    parameters, noise = make(rng, X, sampled, hidden)
    moments = adam.start(parameters)
    loss = lambda **p: loss_and_gradients(p, X, noise, 0.7, 0.05)[0]["loss"]
    for steps in (0, 3):
        for step in range(steps):
            _, gradients = loss_and_gradients(parameters, X, noise, 0.7, 0.05)
            adam.update(
                parameters,
                gradients,
                moments,
                step + 1,
                Config(learning_rate=0.05, precision="float64"),
            )
        _, gradients = loss_and_gradients(parameters, X, noise, 0.7, 0.05)
        assert gradients.keys() == parameters.keys()
        check(loss, parameters, gradients)
        negative_control(loss, parameters, gradients)


def test_each_term_of_the_loss_alone(rng):
    X = users(ROWS["several users, one without items"], 7)
    parameters, noise = make(rng, X, True)
    for weights, name in (((0.0, 0.0), "reconstruction"), ((1e3, 0.0), "KL"), ((0.0, 10.0), "L2")):
        loss = lambda **p: loss_and_gradients(p, X, noise, *weights)[0]["loss"]
        gradients = loss_and_gradients(parameters, X, noise, *weights)[1]
        assert max(check(loss, parameters, gradients).values()) < 1e-6, name


@pytest.mark.parametrize("sampled", [False, True], ids=["MultiDAE", "MultiVAE"])
def test_the_loss_is_what_the_paper_writes(sampled, rng):
    """Written out for dense rows: a row of length one, dropout, tanh between layers, softmax, KL to
    N(0, 1), L2.
    """
    X = users(ROWS["several users, one without items"], 7)
    p, noise = make(rng, X, sampled)
    kept = np.zeros((3, 7))
    kept[X.nonzero()] = noise.items
    x = X.toarray()
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-8)
    first = np.tanh(unit * kept @ p["items/W0"] + p["items/b0"])
    h = first @ p["encoder/W0"] + p["encoder/b0"]
    mu, b = h[:, :3], h[:, 3:]
    z = mu + np.exp(-b / 2) * noise.epsilon if sampled else np.tanh(h)
    kl = 0.5 * (np.exp(-b) + b - 1 + mu**2).sum() / 3 if sampled else 0
    inner = np.tanh(z @ p["decoder/W0"] + p["decoder/b0"])
    logits = inner @ p["decoder/W1"] + p["decoder/b1"]
    ln_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    weights = ("items/W0", "encoder/W0", "decoder/W0", "decoder/W1")
    squares = sum((p[name] ** 2).sum() for name in weights)  # no biases
    terms, _ = loss_and_gradients(p, X, noise, 0.7, 0.05)
    assert terms["reconstruction"] == pytest.approx((x * ln_p).sum() / 3, rel=1e-12)
    assert terms["kl"] == pytest.approx(kl, rel=1e-12)
    assert terms["loss"] == pytest.approx(
        -(x * ln_p).sum() / 3 + 0.7 * kl + 0.05 * squares, rel=1e-12
    )


def test_dropout_hides_items_from_the_encoder_alone(rng):
    """With all items hidden every user has the same code; but her likelihood is that of all of her
    items.
    """
    X = users(((0, 2), (1, 5, 6)), 7)
    p, _ = make(rng, X, False)
    h, _ = multivae.encode(p, X, np.zeros(5))
    np.testing.assert_array_equal(h[0], h[1])
    terms, _ = loss_and_gradients(p, X, Noise(np.zeros(5)))
    assert (
        terms["reconstruction"]
        == multivae.multinomial(MultiDAE(p).scores(users(((), ()), 7)), X)[0]
    )


def test_noise_has_the_mean_and_variance_that_it_should(rng):
    X = users([range(50)] * 200, 50)
    noise = multivae.draw_noise(rng, X, 20, DOUBLE)
    assert (
        set(np.round(noise.items, 12)) == {0, round(1 / 0.6, 12)}
        and abs(noise.items.mean() - 1) < 0.04
    )
    assert noise.epsilon.shape == (200, 20) and abs(noise.epsilon.std() - 1) < 0.05
    assert multivae.draw_noise(rng, X, 0, DOUBLE).epsilon is None


def test_the_start_is_glorot_s_with_small_biases():
    parameters = multivae.initial_parameters(300, (60,), 20, True, Config())
    assert {name: p.shape for name, p in parameters.items()} == {
        "items/W0": (300, 60),
        "items/b0": (60,),
        "encoder/W0": (60, 40),
        "encoder/b0": (40,),
        "decoder/W0": (20, 60),
        "decoder/b0": (60,),
        "decoder/W1": (60, 300),
        "decoder/b1": (300,),
    }
    for name, p in parameters.items():
        assert p.dtype == np.float32
        bound = (6 / sum(p.shape)) ** 0.5 if p.ndim == 2 else 0.002
        assert (
            0.9 * bound < np.abs(p).max() <= bound * (1 + 1e-6)
            or p.ndim == 1
            and 0.001 < np.abs(p).max() <= 0.002
        ), name
    with pytest.raises(UserError, match="layers of at least 1"):
        multivae.initial_parameters(7, (0,), 3, False, Config())


@pytest.mark.parametrize("baseline", [MultiDAE, MultiVAE])
def test_a_file_with_the_names_of_before_is_read(baseline, rng, tmp_path):
    X = users(ROWS["several users, one without items"], 7)
    fitted = baseline.fit(X, latent=3, hidden=(5, 4), max_epochs=1)
    short = {"items/W0": "E", "items/b0": "e"}
    for name in fitted.parameters.keys() - short:
        part, layer = name.split("/")
        short[name] = {"encoder": "q", "decoder": "p"}[part] + layer
    before = baseline({short[name]: p for name, p in fitted.parameters.items()})
    before.save(tmp_path / "before.npz")
    np.testing.assert_array_equal(
        baseline.load(tmp_path / "before.npz").scores(X), fitted.scores(X)
    )


@pytest.fixture
def tastes(rng):
    """300 users of two tastes, even items and odd ones of 40; training, and a `HeldOut` of 100
    whose every fifth item is hidden.
    """
    taste = rng.integers(0, 2, 300)
    likes = np.where(np.arange(40) % 2 == taste[:, None], 0.4, 0.03)
    rows = [np.flatnonzero(row) for row in rng.random((300, 40)) < likes]
    fold_in = users([np.delete(row, np.s_[::5]) for row in rows[200:]], 40)
    return users(rows[:200], 40), HeldOut(
        np.arange(200, 300), fold_in, users([row[::5] for row in rows[200:]], 40)
    )


def ndcg(scores, part):
    return summary(evaluate(scores, part))["ndcg@100"]["mean"]


@pytest.mark.parametrize("baseline", [MultiDAE, MultiVAE])
def test_it_learns_tastes_and_keeps_the_best_epoch(baseline, tastes):
    train, held = tastes
    seen = []
    options = {
        "latent": 8,
        "hidden": (16,),
        "batch_size": 20,
        "learning_rate": 5e-3,
        "max_epochs": 60,
        "patience": 5,
    }
    model = baseline.fit(
        train,
        held,
        **options,
        on_epoch=lambda epoch, figures: seen.append((epoch, figures["validation_ndcg@100"])),
    )
    epochs, scores = zip(*seen)
    assert epochs == tuple(range(1, len(seen) + 1)) and len(seen) < 60  # it stopped by itself ...
    assert np.argmax(scores) == len(seen) - 1 - 5  # ... 5 epochs after the best ...
    assert ndcg(model.scores, held) == max(scores)  # ... which is the one kept
    assert max(scores) > ndcg(Popularity.fit(train).scores, held) + 0.05
    again = baseline.fit(train, held, **options)
    other = baseline.fit(train, held, **options, seed=7)
    for name, p in model.parameters.items():
        np.testing.assert_array_equal(p, again.parameters[name])
        assert not np.array_equal(p, other.parameters[name])


def test_without_validation_all_epochs_are_run(tastes):
    seen = []
    MultiVAE.fit(
        tastes[0],
        latent=4,
        hidden=(8,),
        max_epochs=7,
        patience=2,
        on_epoch=lambda epoch, figures: seen.append(figures),
    )
    assert len(seen) == 7 and set(seen[0]) == {"loss", "reconstruction", "kl"}
    assert seen[-1]["reconstruction"] > seen[0]["reconstruction"]


def test_every_epoch_has_its_own_order_and_noise(tastes, monkeypatch):
    drawn, draw = [], multivae.draw_noise
    monkeypatch.setattr(
        multivae,
        "draw_noise",
        lambda rng, X, *rest: drawn.append((X.indices, draw(rng, X, *rest))) or drawn[-1][1],
    )
    MultiVAE.fit(tastes[0], latent=4, hidden=(), max_epochs=2)
    (order, noise), (other_order, other_noise) = drawn
    assert not np.array_equal(order, other_order)
    assert not np.array_equal(noise.epsilon, other_noise.epsilon) and not np.array_equal(
        noise.items, other_noise.items
    )


def test_beta_grows_to_its_cap(tastes):
    """The slower beta grows, the larger the KL that training settles on."""
    kl = []
    for steps in (0, 400, 10**9):
        last = {}
        MultiVAE.fit(
            tastes[0],
            latent=4,
            hidden=(8,),
            batch_size=50,
            learning_rate=0.01,
            max_epochs=40,
            beta=2.0,
            anneal_steps=steps,
            on_epoch=lambda epoch, figures: last.update(figures),
        )
        kl.append(last["kl"])
    assert kl[0] < kl[1] < kl[2]


def test_a_loss_that_is_not_finite_is_one_clear_line(tastes):
    with pytest.raises(
        UserError, match="MultiVAE: the loss became .* in epoch 1; try a lower learning_rate"
    ):
        with np.errstate(all="ignore"):
            MultiVAE.fit(tastes[0], latent=4, hidden=(8,), batch_size=50, learning_rate=1e30)


def test_float32_is_enough_for_training(rng):
    X = users([rng.choice(300, 20, replace=False) for _ in range(20)], 300)
    parameters, noise = make(rng, X, True, (50,), 20)
    _, exact = loss_and_gradients(parameters, X, noise, 0.2, 1e-3)
    single = {name: p.astype(np.float32) for name, p in parameters.items()}
    _, rough = loss_and_gradients(
        single,
        X.astype(np.float32),
        Noise(noise.items.astype(np.float32), noise.epsilon.astype(np.float32)),
        0.2,
        1e-3,
    )
    for name, gradient in exact.items():
        assert rough[name].dtype == np.float32
        assert np.linalg.norm(rough[name] - gradient) < 1e-4 * np.linalg.norm(gradient), name
