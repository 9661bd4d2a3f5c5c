"""benchmarks/gowalla.py: its maps and metrics are those of macrid, and all of it rehearsed."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT, STANDIN
from scipy import sparse

from macrid.baselines import EASE, Popularity, Ridge
from macrid.data.splits import HeldOut
from macrid.evaluation.metrics import evaluate
from macrid.training.neighbours import Neighbours

SCRIPT = ROOT / "benchmarks" / "gowalla.py"


@pytest.fixture(scope="module")
def gowalla():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("gowalla", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["gowalla"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gowalla"]


@pytest.fixture
def folder(tmp_path, rng):
    """train.txt and test.txt of 60 users and 40 items, each user with 12 and 3 of them."""
    for name in ("train.txt", "test.txt"):
        (tmp_path / name).write_text("")
    for user in range(60):
        items = rng.permutation(40)[:15]
        for name, its in (("train.txt", items[:12]), ("test.txt", items[12:])):
            with open(tmp_path / name, "a") as file:
                file.write(" ".join(map(str, [user, *its])) + "\n")
    return tmp_path


def test_places_and_maps_are_those_of_the_package(gowalla, folder, rng):
    data = gowalla.read(folder)
    held, X = data.split.test, data.split.train
    assert (data.whole.train != held.fold_in).nnz == 0  # what the test knows is all there is
    assert X.nnz + data.split.validation.held_out.nnz == data.whole.train.nnz
    assert not set(data.stopping.users) & set(data.choosing.users)
    mean = X.sum() / X.shape[0]
    systems = {
        "popularity": (Popularity.fit(X), gowalla.OfFoldIn(Popularity.fit(X))),  # with ties
        "ridge": (Ridge.fit(X, regularisation=3 * mean), (0.0, 0.0)),
        "EASE": (EASE.fit(X, regularisation=3 * mean), (0.0, 1.0)),
        "nearest": (Neighbours.fit(X, regularisation=3 * mean, neighbours=9), None),
    }
    for name, (ours, theirs) in systems.items():
        if name == "nearest":
            theirs = gowalla.Nearest.of(ours.nearest, ours.influence, np)
        elif isinstance(theirs, tuple):
            ((_, theirs),) = gowalla.Linear.maps(X, 0.0, [3.0], [theirs], np)
        part = data.split.validation  # whose fold-in the maps were fitted to
        expected = evaluate(ours.scores, part, [(20, "recall_all"), (20, "ndcg")])
        found = gowalla.alone(theirs, part, data, np)
        for metric in expected:
            np.testing.assert_allclose(found[metric], expected[metric], err_msg=name)


def test_a_scaled_map_is_a_ridge_with_a_penalty_for_each_item(gowalla, rng):
    X = sparse.csr_array((rng.random((12, 7)) < 0.4).astype(np.float32))
    dense = X.toarray()
    ((_, fitted),) = gowalla.Linear.maps(X, 0.25, [2.0], [(0.25, 0.0)], np)
    n = np.maximum(dense.sum(axis=0), 1)
    strength = 2 * (dense**2 / n**0.5).sum() / len(dense)
    W = np.linalg.solve(dense.T @ dense + strength * np.diag(n**0.5), dense.T @ dense)
    np.testing.assert_allclose(fitted.scores(np.arange(12), X), dense @ W, atol=1e-5)


def test_a_walk_goes_from_items_to_users_to_items(gowalla, rng):
    X = sparse.csr_array((rng.random((12, 7)) < 0.4).astype(np.float32))
    dense = X.toarray()
    n_u, n_i = np.maximum(dense.sum(axis=1), 1), np.maximum(dense.sum(axis=0), 1)
    expected = (dense / n_i**0.6) @ (dense / n_u[:, None] ** 0.6).T @ dense / n_i**0.3
    walk = gowalla.Walk.fit(X, 0.6, 0.3, np)
    np.testing.assert_allclose(walk.scores(np.arange(12), X), expected, rtol=1e-5)


def test_who_has_nothing_hidden_has_no_metrics(gowalla):
    hidden = sparse.csr_array(np.array([[0, 1.0], [0, 0]]))
    part = HeldOut(np.arange(2), sparse.csr_array((2, 2)), hidden)
    scores = np.zeros((2, 2))
    places = gowalla.places(scores, part.fold_in, hidden, np)
    assert places.tolist() == [1]  # of two equal items the second
    assert np.isnan(gowalla.measured(places, hidden)["ndcg@20"]).tolist() == [False, True]


def test_a_rehearsal_on_the_stand_in_tells_all_rows(folder, tmp_path):
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{STANDIN}"}
    out = tmp_path / "report"
    words = [sys.executable, SCRIPT, folder, "--rehearse", "--seconds", "400", "--out", out]
    process = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert process.returncode == 0, process.stdout + process.stderr
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    assert not [row for row in rows if row["part"] == "failed"], process.stdout + process.stderr
    systems = {row["system"] for row in rows if row["part"] == "test"}
    expected = {"popularity", "ItemKNN", "ridge", "EASE", "scaled", "model", "model, faithful"}
    expected |= {"default", "default + nearest", "nearest", "walk", "model + walk"}
    assert expected | {"model, 3 seeds + scaled", "nearest + scaled"} <= systems
    assert all(row["used"] for row in rows if row["part"] == "refit")
    process = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert process.returncode == 2 and "is not empty" in process.stderr
