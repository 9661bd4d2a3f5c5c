"""What several tests share: tiny arrays, a tiny model, what a refusal looks like, the stand-in."""

import importlib
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from macrid import backend, files
from macrid.config import Config
from macrid.errors import UserError
from macrid.model import initial_parameters
from macrid.training.batch import draw_noise

ROOT = Path(__file__).parents[1]
STANDIN = ROOT / "tests" / "standin"
SMALL = Config(
    K=2, d=16, hidden_units=16, batch_size=20, max_epochs=6, dropout=0.1, anneal_steps=20
)


def users(rows, M):
    """CSR (len(rows), M) float64 of users with these items."""
    X = np.zeros((len(rows), M))
    for u, items in enumerate(rows):
        X[u, list(items)] = 1
    return sparse.csr_array(X)


class Tiny:
    """A model of B, K, d, M = 3, 2, 5, 7 in float64, one user without items, and its noise."""

    def __init__(self, rng, rows=((0, 2, 5), (), (1, 2, 3, 6)), M=7, **options):
        chosen = {
            "K": 2,
            "d": 5,
            "hidden_layers": 1,
            "hidden_units": 4,
            "init_deviation": 1.0,
            "dropout": 0.3,
            "precision": "float64",
        }
        self.config = Config(**{**chosen, **options})
        self.X = users(rows, M)
        self.parameters = initial_parameters(M, self.config, rng)
        for name, p in self.parameters.items():
            if name[0] == "b":
                p += rng.standard_normal(p.shape) * 0.3  # zero biases would hide mistakes
        self.noise = draw_noise(rng, self.X, self.config, np.arange(M))
        targets = np.zeros((M, self.config.K))
        targets[np.arange(M), rng.integers(0, self.config.K, M)] = 1
        targets[0] *= M == 1  # an item without a category
        targets[1:2] = 1 / self.config.K  # an item of several
        self.targets = targets


def check_moments(sample, mu, b, epsilon, sigma0=0.3):
    """Many samples have the mean mu and the deviation sigma that equation (9) asks for."""
    z, _ = sample(mu, b, epsilon, sigma0)
    sigma = sigma0 * np.exp(-b.flat[0] / 2)
    line = "equation (9), line 21 of Algorithm 1, sigma = sigma0 exp(-b / 2)"
    assert abs(z.mean() - mu.flat[0]) < 4 * sigma / z.size**0.5, f"mean of z: {line}"
    assert abs(z.std() - sigma) < 4 * sigma / (2 * z.size) ** 0.5, f"deviation of z: {line}"


def refused(process, *words):
    """Status 2, one line that says what and what to do, no traceback."""
    assert process.returncode == 2, process.stderr
    assert process.stderr.startswith("error: ") and process.stderr.count("\n") == 1, process.stderr
    for word in words:
        assert str(word) in process.stderr


def leftover(folder):
    """The name that a process which is no more gave to what it was making in a folder."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    ours = files.temporary_path(folder).name
    return folder / ours.replace(f"-{os.getpid()}-", f"-{gone.pid}-")


def contents(folder):
    """All that a run's result is: history, metrics and every array of the checkpoint."""
    with np.load(folder / "checkpoint.npz") as file:
        arrays = {name: file[name].tobytes() for name in file.files}
    return (folder / "history.jsonl").read_text(), (folder / "metrics.json").read_text(), arrays


def same(first, second):
    assert first.history == second.history
    assert (first.step, first.best_epoch, first.best_score) == (
        second.step,
        second.best_epoch,
        second.best_score,
    )
    for name in first.parameters:
        np.testing.assert_array_equal(first.parameters[name], second.parameters[name])
        np.testing.assert_array_equal(first.best[name], second.best[name])
        np.testing.assert_array_equal(first.moments[name], second.moments[name])


def standin(monkeypatch):
    """Import the stand-in in place of CuPy, for one test."""
    found = [name for name in sys.modules if name.split(".")[0] in ("cupy", "cupyx")]
    for name in {*found, "cupy", "cupy.names", "cupyx", "cupyx.scipy", "cupyx.scipy.sparse"}:
        monkeypatch.setitem(
            sys.modules, name, None
        )  # to be put back, or to be forgotten, after the test
        del sys.modules[name]
    monkeypatch.syspath_prepend(str(STANDIN))
    return importlib.import_module("cupy")


def no_gpu():
    """Why CuPy cannot be used here; None if it can."""
    try:
        backend.load("cupy")
    except UserError as error:
        return str(error)


NO_GPU = no_gpu()
BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
NO_BROWSER = not (BROWSER and DRIVER)


@contextmanager
def screen(browser, width, height=900, scale=1, mobile=False):
    """Within it, the browser's screen has this size, in pixels of CSS; `scale` dots make one."""
    size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def with_browser(test):
    """The test takes a real browser: it is a long one, and is skipped where there is none."""
    there = pytest.mark.skipif(NO_BROWSER, reason="chromium and chromedriver are not installed")
    return pytest.mark.long(there(test))


def close(device, host, tolerance=1e-10):
    """Both backends agree, array by array."""
    for name, expected in host.items():
        found = backend.to_host(device[name])
        np.testing.assert_allclose(
            found,
            expected,
            rtol=tolerance,
            atol=tolerance * max(1.0, np.abs(expected).max(initial=0.0)),
            err_msg=name,
        )


def write(folder, text, name="ratings.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def pairs(interactions):
    """The set of (user, item) ids."""
    X = interactions.X.tocoo()
    return {(str(interactions.users[u]), str(interactions.items[i])) for u, i in zip(X.row, X.col)}
