"""The page is the package: its terms, gradients and steps are equal; it is short, and it learns."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import Tiny, users

from macrid import model
from macrid.data.splits import HeldOut
from macrid.evaluation.metrics import evaluate
from macrid.model import gradcheck, plain
from macrid.training import adam
from macrid.training.batch import draw_noise

TERMS = ("loss", "reconstruction", "kl", "categorical")
NEAR = 1e-10  # relative: both are float64, in another order
BETA = 0.7

OPTIONS = {
    "one hidden layer": {},
    "no hidden layer": {"hidden_layers": 0},
    "three hidden layers": {"hidden_layers": 3},
    "a cool Gumbel-Softmax": {"gumbel_temperature": 0.5, "category_weight": 2.0},
    "one concept": {"K": 1},
    "one user of one item": {"rows": ((4,),)},
}


@pytest.fixture
def page(monkeypatch):
    """Give the page's constants the values of a `Config`."""

    def set_constants(config):
        constants = {
            "TAU": config.tau,
            "SIGMA0": config.sigma0,
            "GUMBEL_TEMPERATURE": config.gumbel_temperature,
            "CATEGORY_WEIGHT": config.category_weight,
            "HIDDEN": [config.hidden_units] * config.hidden_layers,
            "L2": config.l2,
            "LEARNING_RATE": config.learning_rate,
        }
        for name, value in constants.items():
            monkeypatch.setattr(plain, name, value)

    return set_constants


def noise_of(noise, d):
    """The package's noise as the page takes it: a row of epsilon for each user and concept."""
    return noise.gumbel, noise.epsilon.reshape(-1, d), *noise.dropout


def on_the_page(t, targets, parameters=None):
    """Terms and gradients of a `Tiny` by the page; None for targets is a table of zeros there."""
    parameters = t.parameters if parameters is None else parameters
    targets = np.zeros_like(t.targets) if targets is None else targets
    noise = noise_of(t.noise, t.config.d)
    terms, gradients = plain.loss_and_gradients(parameters, t.X.toarray(), targets, BETA, *noise)
    return dict(zip(TERMS, terms, strict=True)), gradients


def difference(some, others):
    """The largest difference of two dicts of arrays, each relative to its largest value."""
    assert some.keys() == others.keys()
    apart = {name: np.abs(some[name] - others[name]).max() for name in some}
    return max(apart[name] / max(np.abs(others[name]).max(), gradcheck.FLOOR) for name in some)


@pytest.mark.parametrize("taught", [True, False], ids=["categories", "no categories"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_term_and_gradient_is_the_packages(rng, page, options, taught):
    t = Tiny(rng, **{"category_weight": 0.5, **options})
    page(t.config)
    targets = t.targets if taught else None
    expected = model.loss_and_gradients(t.parameters, t.X, t.noise, t.config, BETA, targets)
    terms, gradients = on_the_page(t, targets)
    assert terms == pytest.approx(expected[0], rel=NEAR)
    assert difference(gradients, expected[1]) < NEAR


def test_a_concept_that_no_item_of_a_user_has(rng, page):
    """The floor of 1e-8 under a length, in values and in gradients."""
    t = Tiny(rng, tau=0.05, gumbel_noise=False, rows=((0, 1), (2,)))
    t.parameters["H"][:2] = t.parameters["m"][0] + 0.01 * rng.standard_normal((2, t.config.d))
    t.parameters["m"][1] = -t.parameters["m"][0]
    page(t.config)
    assert model.concepts(t.parameters, t.config)[:2, 1].max() < 1e-8
    expected = model.loss_and_gradients(t.parameters, t.X, t.noise, t.config, BETA)
    terms, gradients = on_the_page(t, None)
    assert terms == pytest.approx(expected[0], rel=NEAR)
    assert difference(gradients, expected[1]) < NEAR


def test_ten_steps_of_adam_are_the_packages(rng, page):
    t = Tiny(rng, category_weight=0.5, learning_rate=0.03, l2=0.01)
    page(t.config)
    start = {name: p.copy() for name, p in t.parameters.items()}
    fast, slow = t.parameters, {name: p.copy() for name, p in start.items()}
    moments = adam.start(fast)
    slow_moments = {name: (np.zeros_like(p), np.zeros_like(p)) for name, p in slow.items()}
    for step in range(1, 11):
        t.noise = draw_noise(rng, t.X, t.config)
        _, g = model.loss_and_gradients(fast, t.X, t.noise, t.config, BETA, t.targets)
        adam.update(fast, g, moments, step, t.config)
        plain.adam(slow, on_the_page(t, t.targets, slow)[1], slow_moments, step)
    assert difference(slow, fast) < 1e-9
    assert difference(fast, start) > 0.1


@pytest.mark.parametrize("hidden_layers", [0, 1])
def test_the_pages_own_gradients_against_central_differences(rng, page, hidden_layers):
    t = Tiny(rng, category_weight=0.5, hidden_layers=hidden_layers)
    page(t.config)
    loss = lambda **parameters: on_the_page(t, t.targets, parameters)[0]["loss"]
    _, gradients = on_the_page(t, t.targets)
    gradcheck.check(loss, t.parameters, gradients)
    gradcheck.negative_control(loss, t.parameters, gradients)


def test_predictions_and_their_ndcg_are_the_packages(rng, page):
    rows = ((0, 2, 5), (4,), (1, 2, 3, 6))
    t = Tiny(rng, rows=rows, gumbel_temperature=0.5)  # which has no say at test time
    page(t.config)
    predict = lambda X: model.predict(t.parameters, X, t.config)
    P = predict(t.X)
    log_p = plain.predict(t.parameters, t.X.toarray())
    np.testing.assert_allclose(np.exp(log_p), P / P.sum(axis=1, keepdims=True), rtol=NEAR)
    part = HeldOut(np.arange(3), t.X, users(((1, 4), (2, 6, 5), (0,)), 7))
    for k in (1, 3, 100):
        expected = evaluate(predict, part, ((k, "ndcg"),))
        assert plain.ndcg(log_p, part, k) == pytest.approx(expected[f"ndcg@{k}"].mean())


def two_worlds(rng):
    """400 users who adopt 15 of the 40 items of one of two worlds: training X, targets, a part."""
    rows = [u % 2 * 40 + rng.choice(40, 15, replace=False) for u in range(400)]
    X = users(rows[:100], 80).toarray().astype(np.float32)
    shown = users([row[:10] for row in rows[100:]], 80).astype(np.float32)
    held_out = users([row[10:] for row in rows[100:]], 80).astype(np.float32)
    targets = np.eye(2, dtype=np.float32)[np.arange(80) // 40]
    return X, targets, HeldOut(np.arange(300), shown, held_out)


def test_it_learns(rng, monkeypatch):
    """The answer is: recommend a user's own world, which doubles what popularity can do."""
    for name, value in {"D": 6, "HIDDEN": [16], "EPOCHS": 12, "BATCH_SIZE": 20}.items():
        monkeypatch.setattr(plain, name, value)
    X, targets, part = two_worlds(rng)
    epochs = list(plain.training(X, targets, rng))
    (first, _, loss), (last, p, final_loss) = epochs[0], epochs[-1]
    assert (first, last) == (1, 12) and final_loss < 0.8 * loss
    assert {x.dtype for x in p.values()} == {X.dtype}
    score = plain.ndcg(plain.predict(p, part.fold_in.toarray()), part, k=10)
    assert score > 1.5 * plain.ndcg(X.sum(axis=0), part, k=10)


@pytest.mark.long
def test_as_a_program_it_learns_the_shop(command):
    process = command("model.plain")
    assert process.returncode == 0, process.stderr
    *epochs, last = process.stdout.splitlines()
    assert len(epochs) == plain.EPOCHS and all(line.startswith("epoch") for line in epochs)
    learned, popularity = map(float, re.findall(r"\d\.\d+", last))
    assert learned > 0.33 and popularity == pytest.approx(0.1047, abs=2e-4), last


def test_it_is_one_page_of_numpy():
    source = Path(plain.__file__).read_text()
    assert len(source.splitlines()) <= 190
    nodes = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Import | ast.ImportFrom)]
    at_the_top = [ast.unparse(node) for node in nodes if node.col_offset == 0]
    when_run = [ast.unparse(node) for node in nodes if node.col_offset > 0]
    assert at_the_top == ["import numpy as np"]
    assert when_run == ["from macrid.data import shop, splits"]
    lines = [int(line) for line in re.findall(r"# lines? (\d+)", source)]
    assert set(lines) >= {4, 6, 9, 10, 14, 15, 19, 20, 21, 25, 26, 28, 29, 31, 32, 33, 34}
