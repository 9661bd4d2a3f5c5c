"""The same code on CuPy: on the strict stand-in everywhere, and on a GPU where there is one."""

import importlib
import os

import numpy as np
import pytest
from helpers import NO_GPU, STANDIN, close, standin

from macrid import backend, data, doctor, model
from macrid.baselines import (
    EASE,
    ItemKNN,
    MultiDAE,
    MultiVAE,
    Neighbours,
    Popularity,
    Ridge,
    multivae,
)
from macrid.config import Config
from macrid.data.splits import split as make_split
from macrid.errors import UserError
from macrid.evaluation import metrics
from macrid.interpret import truth
from macrid.model.objective import rows_of_step
from macrid.training import adam, batch, checkpoint, fit, linear_path


@pytest.mark.device
def test_cupy_itself_was_tested():
    """One visible skip for all that only a GPU can show."""
    if NO_GPU:
        pytest.skip(NO_GPU)


def step_on(xp, t, beta=0.7):
    """A step's terms and gradients with the arrays of `xp`."""
    return model.loss_and_gradients(
        backend.to_device(xp, t.parameters),
        t.X,
        backend.to_device(xp, t.noise),
        t.config,
        beta,
        backend.to_device(xp, t.targets),
    )


OPTIONS = {
    "default": {},
    "inner product": {"similarity": "inner"},
    "sampled softmax": {"candidates": 3},
    "sampled by popularity": {"candidates": 3, "candidate_sampling": "popularity"},
    "item dropout": {"item_dropout": 0.4},
    "no noise in the concepts": {"gumbel_noise": False},
    "one item": {"rows": ((0,), ()), "M": 1},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_step_is_the_same_on_both_backends(xp, tiny, options):
    t = tiny(category_weight=0.5, **options)
    terms, gradients = step_on(xp, t)
    expected_terms, expected = model.loss_and_gradients(
        t.parameters, t.X, t.noise, t.config, 0.7, t.targets
    )
    assert all(backend.array_module(gradient) is xp for gradient in gradients.values())
    for name, value in expected_terms.items():
        assert float(terms[name]) == pytest.approx(value, rel=1e-10), name
    close(gradients, expected)


@pytest.mark.parametrize("options", ({}, {"candidates": 3}), ids=("full", "sampled"))
def test_adam_is_the_same_on_both_backends(xp, tiny, options):
    t = tiny(decoupled_decay=0.1, **options)
    _, gradients = model.loss_and_gradients(t.parameters, t.X, t.noise, t.config, 0.7)
    there, moments = backend.to_device(xp, (t.parameters, adam.start(t.parameters)))
    here, moments_here = (
        {name: p.copy() for name, p in t.parameters.items()},
        adam.start(t.parameters),
    )
    for step in (1, 2, 3):
        adam.update(
            there, backend.to_device(xp, gradients), moments, step, t.config, rows_of_step(t.noise)
        )
        adam.update(here, gradients, moments_here, step, t.config, rows_of_step(t.noise))
    close(there, here)


def test_a_step_reads_nothing_back(tiny, monkeypatch):
    xp = standin(monkeypatch)
    t = tiny(category_weight=0.5, candidates=3, item_dropout=0.2)
    arguments = backend.to_device(xp, (t.parameters, adam.start(t.parameters), t.targets))
    parameters, moments, targets = arguments
    before = xp.reads
    terms, gradients = model.loss_and_gradients(
        parameters, t.X, backend.to_device(xp, t.noise), t.config, 0.7, targets
    )
    adam.update(parameters, gradients, moments, 1, t.config, rows_of_step(t.noise))
    assert xp.reads == before
    float(terms["loss"])
    assert xp.reads == before + 1  # the counter counts


def small_split():
    rng = np.random.default_rng(3)
    taken = rng.random((60, 40)) < np.where(
        np.arange(40) % 2 == np.arange(60)[:, None] % 2, 0.35, 0.05
    )
    u, i = np.nonzero(taken)
    return make_split(data.from_pairs(u.astype(str), i.astype(str), min_user_items=5), "holdout", 1)


@pytest.mark.parametrize(
    "options, exact",
    (
        ({}, 6000),
        ({"candidates": 8}, 6000),
        ({"averaging": 0.6, "adaptive_K": 0.9}, 6000),
        ({"linear_path": "chosen"}, 6000),
        ({"linear_path": 1.0}, 5),
    ),
    ids=("full", "sampled", "averaged", "linear", "neighbours"),
)
def test_training_and_evaluation_follow_the_same_path(xp, options, exact, monkeypatch):
    monkeypatch.setattr(linear_path, "MOST_EXACT", exact)
    split = small_split()
    config = Config(K=2, d=6, batch_size=20, max_epochs=4, precision="float64", **options)
    here = fit.fit(split, config)
    there = fit.fit(split, config.replace(backend="cupy"))
    for state in (there, here):  # the sign of a direction is free
        if "L" in state.best:
            state.best["L"] = state.best["L"] @ state.best["L"].T
    close(there.best, here.best, 1e-8)
    for name in ("loss", "validation_ndcg@100"):
        assert [record[name] for record in there.history] == pytest.approx(
            [record[name] for record in here.history]
        )
    close(
        truth.independence_scores(split, there.best, config),
        truth.independence_scores(split, here.best, config),
        1e-6,
    )


def test_a_run_goes_on_with_the_other_backend(xp, tmp_path):
    split = small_split()
    config = Config(K=2, d=6, batch_size=20, max_epochs=2, precision="float64")
    device = config.replace(backend="cupy")
    checkpoint.save(tmp_path / "run.npz", fit.fit(split, device), device, split)
    longer = config.replace(max_epochs=4)
    resumed = fit.fit(split, longer, state=checkpoint.load(tmp_path / "run.npz", longer, split))
    close(resumed.best, fit.fit(split, longer).best, 1e-8)


NETWORK = {"latent": 3, "hidden": (4,), "batch_size": 20, "max_epochs": 3, "precision": "float64"}


@pytest.mark.parametrize(
    "baseline, options",
    [
        (Popularity, {}),
        (EASE, {}),
        (Ridge, {}),
        (Neighbours, {}),
        (ItemKNN, {"neighbours": 5}),
        (MultiDAE, NETWORK),
        (MultiVAE, NETWORK),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_baselines_are_the_same_on_both_backends(xp, baseline, options, tmp_path):
    split = small_split()
    here, there = (
        baseline.fit(split.train, split.validation, xp=module, **options) for module in (np, xp)
    )
    assert backend.array_module(there.scores(split.test.fold_in)) is xp
    close(
        {"scores": there.scores(split.test.fold_in)},
        {"scores": here.scores(split.test.fold_in)},
        1e-8,
    )
    close(metrics.evaluate(there.scores, split.test), metrics.evaluate(here.scores, split.test))
    there.save(tmp_path / "there.npz")
    loaded = baseline.load(tmp_path / "there.npz")
    for again in (loaded, backend.to_device(xp, loaded)):  # kept on the host, and brought back
        close(
            {"scores": again.scores(split.test.fold_in)},
            {"scores": here.scores(split.test.fold_in)},
            1e-8,
        )


@pytest.mark.parametrize("code", (0, 3), ids=("MultiDAE", "MultiVAE"))
def test_a_step_of_multivae_reads_nothing_back(monkeypatch, code):
    xp = standin(monkeypatch)
    config, rng = Config(precision="float64", item_dropout=0.3), np.random.default_rng(0)
    X = small_split().train[:9]
    parameters = multivae.initial_parameters(X.shape[1], (4,), 3, code > 0, config)
    noise = multivae.draw_noise(rng, X, code, config)
    before = xp.reads
    terms, gradients = multivae.loss_and_gradients(
        backend.to_device(xp, parameters), X, backend.to_device(xp, noise), 0.7, 0.01
    )
    assert xp.reads == before
    expected_terms, expected = multivae.loss_and_gradients(parameters, X, noise, 0.7, 0.01)
    close(gradients, expected)
    assert float(terms["loss"]) == pytest.approx(expected_terms["loss"], rel=1e-10)


def test_noise_can_be_drawn_on_the_device(xp):
    split = small_split()
    config = Config(
        K=2, d=6, batch_size=20, random="device", backend="cupy", dropout=0.3, hidden_layers=1
    )
    first, again = (
        [noise for _, noise in batch.epoch_batches(split.train, config, 1, xp)] for _ in range(2)
    )
    assert (
        backend.array_module(first[0].epsilon) is xp
        and backend.array_module(first[0].dropout[0]) is xp
    )
    np.testing.assert_array_equal(
        backend.to_host(first[0].gumbel), backend.to_host(again[0].gumbel)
    )
    assert not np.array_equal(backend.to_host(first[0].epsilon), backend.to_host(first[1].epsilon))
    assert fit.fit(split, config.replace(max_epochs=2)).epoch == 2


def test_the_stand_in_refuses_what_cupy_refuses(monkeypatch):
    xp = standin(monkeypatch)
    there, here = xp.asarray(np.ones(3)), np.ones(3)
    for mixture in (
        lambda: there + here,
        lambda: here + there,
        lambda: here * there,
        lambda: np.exp(there),
        lambda: np.sum(there),
        lambda: np.asarray(there),
        lambda: xp.exp(here),
        lambda: there[np.array([0])],
        lambda: here[there],
        lambda: xp.concatenate([there, here]),
        lambda: here.__iadd__(there),
        lambda: there.__setitem__(0, here),
    ):
        with pytest.raises((TypeError, IndexError)):
            mixture()
    with pytest.raises(AttributeError):
        xp.trapz  # noqa: B018  a name of NumPy that CuPy lacks
    assert isinstance(there.sum(), xp.ndarray) and float(2 * there.sum()) == 6.0


def run_with_standin(command, monkeypatch, *arguments):
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(STANDIN), os.environ.get("PYTHONPATH", "")])
    )
    return command(*arguments)


def test_the_command_trains_on_the_device_and_evaluates_on_the_host(command, monkeypatch, tmp_path):
    table = tmp_path / "table.csv"
    rng = np.random.default_rng(0)
    pairs = {(u, i) for u in range(50) for i in rng.permutation(30)[:8]}
    table.write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in sorted(pairs)))
    options = ("--data", table, "--K", 2, "--d", 4, "--max-epochs", 2, "--quiet")
    trained = run_with_standin(
        command, monkeypatch, "train", *options, "--backend", "cupy", "--out", tmp_path / "there"
    )
    assert trained.returncode == 0, trained.stderr
    monkeypatch.delenv("PYTHONPATH")
    assert command("train", *options, "--out", tmp_path / "here").returncode == 0
    here, there = (
        command("evaluate", "--run", tmp_path / name, "--backend", "numpy").stdout
        for name in ("here", "there")
    )
    assert here == there and "ndcg@100" in here


def test_a_missing_gpu_is_one_clear_line(command, tmp_path):
    if importlib.util.find_spec("cupy"):
        pytest.skip("CuPy is installed here")
    process = command("train", "--backend", "cupy", "--out", tmp_path / "run", "--quiet")
    assert (
        process.returncode == 2 and "gpu12" in process.stderr and "Traceback" not in process.stderr
    )
    assert not (tmp_path / "run").exists()
    process = command("train", "--precision", "tf32", "--out", tmp_path / "run", "--quiet")
    assert process.returncode == 2 and "needs a GPU" in process.stderr


def test_the_doctor_compares_a_step_on_both_backends(command, monkeypatch):
    process = run_with_standin(command, monkeypatch, "doctor")
    assert process.returncode == 0, process.stderr
    assert "numpy and cupy work" in process.stdout and process.stdout.count("(good)") == 2


def test_the_doctor_names_the_remedy_where_cupy_is_missing(command):
    if importlib.util.find_spec("cupy"):
        pytest.skip("CuPy is installed here")
    process = command("doctor")
    assert process.returncode == 0, process.stderr
    assert 'pip install "macrid[gpu' in process.stdout and "numpy works" in process.stdout


def test_the_doctor_notices_a_wrong_step(monkeypatch, capsys):
    standin(monkeypatch)
    right = model.loss_and_gradients

    def wrong(parameters, *arguments):
        terms, gradients = right(parameters, *arguments)
        return terms, {
            name: g if backend.array_module(g) is np else g * 1.01 for name, g in gradients.items()
        }

    monkeypatch.setattr(model, "loss_and_gradients", wrong)
    with pytest.raises(UserError, match="wrong on this device"):
        doctor.main([])
    assert "BAD" in capsys.readouterr().out
