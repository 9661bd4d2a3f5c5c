"""Fixtures: a tiny model, MovieLens where it is at hand, commands as subprocesses, the backends."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

# One thread a process: tests run beside each other, and their matrices are small.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from helpers import BROWSER, DRIVER, NO_GPU, ROOT, Tiny, standin

from macrid import backend, data, files, terminal
from macrid.data.splits import split

MOVIELENS = Path(os.environ.get("MACRID_MOVIELENS", ROOT.parent / "shared/data/ml-latest-small"))
LEFT_OUT = pytest.StashKey()  # how many long tests were not asked for


def pytest_configure(config):
    config.stash[LEFT_OUT] = 0


def pytest_deselected(items):
    for item in items:
        item.config.stash[LEFT_OUT] += item.get_closest_marker("long") is not None


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # one of several processes of pytest-xdist
        session.config.workeroutput["left out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    left_out = getattr(node, "workeroutput", {}).get("left out", 0)
    node.config.stash[LEFT_OUT] = max(left_out, node.config.stash[LEFT_OUT])


def pytest_terminal_summary(terminalreporter, config):
    left_out = config.stash[LEFT_OUT]
    if left_out:
        terminalreporter.write_line(
            f"{left_out} long tests were left out; they run with: python -m pytest -m long"
        )


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """Pictures and features are kept in a folder of this test run, not in the user's cache."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the processes of a run share one
        folder = folder.parent
    (folder / "cache").mkdir(exist_ok=True)
    os.environ["MACRID_CACHE"] = str(folder / "cache")
    return folder / "cache"


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture
def movielens():
    """The MovieLens ml-latest-small folder; the tests that need it are skipped, visibly, where it
    is not there.
    """
    if not (MOVIELENS / "ratings.csv").is_file():
        pytest.skip(
            f"{MOVIELENS} is not there; set MACRID_MOVIELENS to a MovieLens ml-latest-small folder"
        )
    return MOVIELENS


@pytest.fixture(scope="session")
def command():
    """Run `python -m macrid.<name> ...` as a user would; returns the finished process.

    The name may bring arguments: command("train --quiet", "--data", path).
    """

    def run(name, *arguments, cwd=None):
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        }
        words = [sys.executable, "-m", *f"macrid.{name}".split(), *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, cwd=cwd, env=environment)

    return run


@pytest.fixture
def call(capsys, monkeypatch):
    """`command` within this process, without the time that it takes to start Python: for mistakes,
    and where nothing depends on a process of its own.
    """

    def run(name, *arguments, cwd=None):
        name, *words = [*name.split(), *map(str, arguments)]
        with monkeypatch.context() as patch:
            if cwd:
                patch.chdir(cwd)
            status = terminal.run(importlib.import_module(f"macrid.{name}").main, words)
        return subprocess.CompletedProcess(words, status, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def shop_run(command, cache):
    """A run of two epochs on the shop as `macrid.train` makes it without data, once for all
    processes of a test run; what was printed lies beside it.
    """
    folder = cache.parent / "shop"
    folder.mkdir(exist_ok=True)
    with files.locked(folder):
        if not (folder / "printed").exists():
            done = command("train --max-epochs 2", cwd=folder)
            assert done.returncode == 0 and done.stderr.count("  epoch ") == 2, done.stderr
            (folder / "printed").write_text(done.stdout)
    return folder / "runs" / "shop"


@pytest.fixture
def tiny(rng):
    """Make a `Tiny` with some options changed."""
    return lambda **options: Tiny(rng, **options)


@pytest.fixture(scope="session")
def ratings(tmp_path_factory):
    """A ratings file of 60 users and 40 films."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "ratings.csv"
    rows = [
        (u, i, r)
        for u in range(60)
        for i, r in zip(rng.choice(40, 15, replace=False), rng.choice([3, 4, 4.5, 5], 15))
    ]
    path.write_text("user,item,rating\n" + "".join(f"{u},{i},{r}\n" for u, i, r in rows))
    return path


@pytest.fixture(scope="session")
def two_worlds():
    """120 users who each adopt 12 of the 30 items of one of two worlds; the answer is: recommend
    your own world.
    """
    rng = np.random.default_rng(0)
    rows = [
        (f"u{u}", f"{'ab'[u % 2]}{i}")
        for u in range(120)
        for i in rng.choice(30, 12, replace=False)
    ]
    return split(data.from_pairs(*zip(*rows)), "holdout", 0)


ON_CUPY = [] if NO_GPU else [pytest.param("cupy", marks=pytest.mark.device)]


@pytest.fixture(params=["stand-in", *ON_CUPY])
def xp(request, monkeypatch):
    """The stand-in and, where there is a GPU, CuPy itself."""
    return standin(monkeypatch) if request.param == "stand-in" else backend.load("cupy")


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window, driven by Selenium."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in ("--no-sandbox", "--headless=new", "--disable-gpu", "--window-size=1200,900"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()
