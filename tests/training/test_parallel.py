"""Several processes train as one with a larger batch: real processes, started by a real mpiexec."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import ROOT

from macrid import npz
from macrid.errors import UserError
from macrid.training import parallel

MPIEXEC = shutil.which(
    "mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
)
pytestmark = pytest.mark.skipif(
    MPIEXEC is None, reason='no mpiexec here: pip install ".[test]" brings one'
)


OPTIONS = "--K 2 --d 4 --precision float64 --quiet".split()


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    rng = np.random.default_rng(0)
    pairs = sorted({(u, i) for u in range(53) for i in rng.permutation(30)[:8]})
    path.write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in pairs))
    return path


def start(*arguments):
    """Two processes of `mpiexec python -m macrid.train ...`, running."""
    words = [MPIEXEC, "-n", "2", sys.executable, "-m", "macrid.train", *map(str, arguments)]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(words, **options, env={**os.environ, "PYTHONPATH": str(ROOT)})


def run(*arguments):
    """The same, finished: (status, output)."""
    job = start(*arguments)
    output, _ = job.communicate()
    return job.returncode, output


def history(folder):
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


CASES = {
    "full": (5, ""),
    "sampled": (5, "--candidates 8"),
    "awkward": (21, "--hidden-layers 1 --item-dropout 0.2 --averaging 0.5"),
}


@pytest.mark.parametrize(
    "size, extra",
    [
        pytest.param(*case, id=name, marks=() if name == "awkward" else pytest.mark.long)
        for name, case in CASES.items()
    ],
)
def test_two_processes_do_what_one_does_with_twice_the_batch(command, table, tmp_path, size, extra):
    """Up to rounding. 'awkward' ends each epoch with a batch of fewer users than processes: 43 are
    42 and one.
    """
    options = ("--data", table, *OPTIONS, "--max-epochs", 3, *extra.split())
    code, output = run(*options, "--batch-size", size, "--out", tmp_path / "two")
    assert code == 0, output
    one = command("train", *options, "--batch-size", 2 * size, "--out", tmp_path / "one")
    assert one.returncode == 0, one.stderr
    (found, _), (expected, _) = (
        npz.load(tmp_path / name / "checkpoint.npz") for name in ("two", "one")
    )
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-8, atol=1e-10, err_msg=name)
    for two, one in zip(history(tmp_path / "two"), history(tmp_path / "one"), strict=True):
        assert two == pytest.approx(one)


def test_a_mistake_is_told_once(tmp_path):
    code, output = run("--data", tmp_path / "missing.csv", "--out", tmp_path / "run")
    assert code != 0
    assert output.count("error: ") == 1 and "missing.csv" in output


def second_process(folder):
    """The number of the second of the processes that train into a folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            words = (process / "cmdline").read_bytes()
            if b"macrid.train" in words and str(folder).encode() in words:
                if b"PMI_RANK=1" in (process / "environ").read_bytes():
                    return int(process.name)
    raise AssertionError("no second process")


@pytest.mark.long
def test_a_process_that_dies_ends_the_job_which_can_go_on(table, tmp_path):
    options = ("--data", table, *OPTIONS, "--batch-size", 2, "--patience", 10000)
    folder = tmp_path / "run"
    job = start(*options, "--max-epochs", 100000, "--out", folder)
    while not ((folder / "history.jsonl").exists() and len(history(folder)) > 3):
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.05)
    os.kill(second_process(folder), signal.SIGKILL)
    output, _ = job.communicate()
    assert job.returncode != 0 and "KILLED" in output.upper(), output
    epochs = npz.load(folder / "checkpoint.npz")[1]["epoch"] + 2
    code, output = run(*options, "--max-epochs", epochs, "--resume", "--out", folder)
    assert code == 0, output
    code, output = run(*options, "--max-epochs", epochs, "--out", tmp_path / "whole")
    assert code == 0, output
    (found, _), (expected, _) = (
        npz.load(tmp_path / name / "checkpoint.npz") for name in ("run", "whole")
    )
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize(
    "error, said, status",
    [
        (KeyboardInterrupt(), "error: interrupted\n", 2),
        (KeyboardInterrupt("interrupted; continue"), "error: interrupted; continue\n", 2),
        (UserError("a\nb\x1b"), "error: a b\\x1b\n", 2),
    ],
)
def test_one_process_says_why_all_end(error, said, status, capsys):
    ended = []
    comm = SimpleNamespace(size=2, rank=1, Abort=ended.append)

    def work():
        raise error

    parallel.run(parallel.Team(comm), work)
    assert ended == [status] and capsys.readouterr().err == said
