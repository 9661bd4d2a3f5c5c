"""The recipes of docs/serving.md, run as they stand in examples/."""

import importlib.util
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import numpy as np
import pytest
from helpers import ROOT

from macrid import Recommender

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Files of models of 200 users and 90 items in two worlds, with a linear path and without."""
    rng = np.random.default_rng(0)
    own = [(u, 2 * i + u % 2) for u in range(200) for i in rng.choice(45, 12, replace=False)]
    rows = [(f"u{u}", f"i{i}, {'ab'[i % 2]}") for u, i in own]
    folder = tmp_path_factory.mktemp("models")
    for linear_path in (0.0, 0.5):
        model = Recommender(K=3, d=8, max_epochs=9, batch_size=40, linear_path=linear_path)
        model.fit(rows).save(folder / f"{linear_path}.npz")
    return folder


@pytest.fixture(scope="module")
def saved(models):
    return models / "0.0.npz"


@pytest.fixture(scope="module")
def service(saved):
    """The address of a service that was started as the page says."""
    words = [sys.executable, EXAMPLES / "service.py", saved, "--port", "0"]
    process = subprocess.Popen(list(map(str, words)), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().partition("/recommend")[0]
    process.terminate()
    process.communicate()


def asked(service, path="/recommend", **query):
    """(status, answer) of a request."""
    try:
        url = f"{service}{path}?{urlencode(query, doseq=True)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_many_at_once_are_answered_as_recommend_would(service, saved):
    model = Recommender.load(saved)
    users = model.users[:60].tolist()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda user: asked(service, user=user, n=7), users))
    items, scores = model.recommend(users, n=7)
    for (status, answer), expected, values in zip(answers, items, scores):
        assert status == 200 and answer["items"] == expected.tolist()
        np.testing.assert_allclose(answer["scores"], values, rtol=1e-4)


def test_someone_new_and_more_than_there_is(service, saved):
    model = Recommender.load(saved)
    has = model.items[[3, 5]].tolist()
    status, answer = asked(service, item=has, n=4)
    assert status == 200 and answer["items"] == model.recommend([has], n=4)[0][0].tolist()
    status, answer = asked(service, user="u1", n=1000)
    assert status == 200 and len(answer["items"]) == len(model.items) - 12


def test_a_request_says_what_a_list_may_have_and_is_told_what_it_goes_by(service, saved):
    model = Recommender.load(saved)
    only, chosen = model.items[:20].tolist(), {"concepts": {0: 4.0, 1: 0.5}}
    query = {"only": only, "without": only[:3], "concept": ["0:4", "1:.5"]}
    status, answer = asked(service, user="u1", n=9, **query)
    items, scores = model.recommend("u1", 9, only=only, without=only[:3], **chosen)
    assert status == 200 and answer["items"] == items[items != ""].tolist()
    np.testing.assert_allclose(answer["scores"], scores[items != ""], rtol=1e-4)
    assert answer["titles"] == model.item_titles(answer["items"]).tolist()
    assert answer["by"] == "history"
    assert asked(service, user="nobody")[1]["by"] == "popularity"


@pytest.mark.parametrize(
    "path, query, status, told",
    [
        ("/recommend", {"user": "u1", "n": "-3"}, 400, "n is '-3', expected a whole number"),
        ("/recommend", {"user": "u1", "n": "0"}, 400, "n is 0, expected a whole number"),
        (
            "/recommend",
            {"usr": "u1"},
            400,
            "found ['usr'], expected user or item, of ['user', 'item'",
        ),
        ("/recommend", {"user": "u1", "N": "3"}, 400, "'concept']"),
        ("/recommend", {}, 400, "found [], expected user or item"),
        ("/recommend", {"user": "u1", "concept": "2=3"}, 400, "expected K:FACTOR as 2:3"),
        ("/recommend", {"user": "u1", "concept": "7:3"}, 400, "concept 7 is unknown"),
        ("/recommend", {"user": "u1", "only": "file=x"}, 400, "file=x"),
        ("/metrics", {}, 404, "there is no /metrics"),
    ],
)
def test_mistakes_are_told(service, path, query, status, told):
    found, answer = asked(service, path, **query)
    assert found == status and told in answer["error"]


@pytest.mark.parametrize("linear_path", [0.0, 0.5])
def test_the_index_finds_what_ranking_finds(models, linear_path):
    faiss = pytest.importorskip("faiss")
    faiss.omp_set_num_threads(1)
    spec = importlib.util.spec_from_file_location("index", EXAMPLES / "index.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = Recommender.load(models / f"{linear_path}.npz")
    index = module.Index(model)

    def recall(candidates):
        index.candidates, shares = candidates, []
        for row, user in enumerate(model.users[:50].tolist()):
            items, scores = index.recommend(user, n=10)
            exact, values = model.recommend(user, n=10)
            shares.append(len(set(items) & set(exact)) / 10)
            if items.tolist() == exact.tolist():
                np.testing.assert_allclose(scores, values, rtol=1e-4)
            assert not set(items) & set(model.items[model.histories[[row]].indices])
        return np.mean(shares)

    assert recall(60) > 0.97 and recall(5) < 0.9, "candidates are what counts"


def test_the_index_as_a_command(saved):
    pytest.importorskip("faiss")
    words = [sys.executable, EXAMPLES / "index.py", saved, "--user", "u3", "--n", "4"]
    done = subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    exact = Recommender.load(saved).recommend("u3", n=4)[0]
    assert [line.split(maxsplit=1)[1] for line in done.stdout.splitlines()] == exact.tolist()


@pytest.mark.parametrize("example", ["service", "index"])
def test_a_mistake_on_the_command_line_is_one_line(example, saved, tmp_path):
    (tmp_path / "faiss.py").write_text("raise ModuleNotFoundError(name='faiss')\n")
    without_faiss = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    run, told = (saved, "pip install") if example == "index" else ("no/run", "no/run")
    words = [
        sys.executable,
        EXAMPLES / f"{example}.py",
        run,
        *["--user", "u1"][: 2 * (run == saved)],
    ]
    done = subprocess.run(
        list(map(str, words)), cwd=ROOT, capture_output=True, text=True, env=without_faiss
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and told in done.stderr
