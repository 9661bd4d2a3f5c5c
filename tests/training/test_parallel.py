"""Several processes train as one with a larger batch: real processes, started by a real mpiexec."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT

from macrid import files

MPIEXEC = shutil.which(
    "mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
)
pytestmark = pytest.mark.skipif(
    MPIEXEC is None, reason='no mpiexec here: pip install ".[test]" brings one'
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    rng = np.random.default_rng(0)
    pairs = sorted({(u, i) for u in range(53) for i in rng.permutation(30)[:8]})
    path.write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in pairs))
    return path


def mpiexec(processes, *arguments, start=subprocess.run):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    words = [
        MPIEXEC,
        "-n",
        str(processes),
        sys.executable,
        "-m",
        "macrid.train",
        *map(str, arguments),
    ]
    if start is subprocess.Popen:
        return subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
    return subprocess.run(words, capture_output=True, text=True, env=environment)


OPTIONS = {
    "full": (5, ()),
    "sampled": (5, ("--candidates", 8)),
    "awkward": (21, ("--hidden-layers", 1, "--item-dropout", 0.2)),
}
CASES = [
    pytest.param(*case, id=name, marks=() if name == "awkward" else pytest.mark.long)
    for name, case in OPTIONS.items()
]


@pytest.mark.parametrize("size, extra", CASES)
def test_two_processes_do_what_one_does_with_twice_the_batch(command, table, tmp_path, size, extra):
    """Up to rounding. 'awkward' ends each epoch with a batch of fewer users than processes: 43 are
    42 and one.
    """
    common = (
        "--data",
        table,
        "--K",
        2,
        "--d",
        4,
        "--max-epochs",
        3,
        "--precision",
        "float64",
        "--quiet",
        *extra,
    )
    two = mpiexec(2, *common, "--batch-size", size, "--out", tmp_path / "two")
    assert two.returncode == 0, two.stdout + two.stderr
    one = command("train", *common, "--batch-size", 2 * size, "--out", tmp_path / "one")
    assert one.returncode == 0, one.stderr
    (found, _), (expected, _) = (
        files.load(tmp_path / name / "checkpoint.npz") for name in ("two", "one")
    )
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-8, atol=1e-10, err_msg=name)
    found, expected = (
        [json.loads(line) for line in (tmp_path / name / "history.jsonl").read_text().splitlines()]
        for name in ("two", "one")
    )
    for a, b in zip(found, expected, strict=True):
        assert a == pytest.approx(b)


def test_a_mistake_is_told_once(table, tmp_path):
    process = mpiexec(2, "--data", tmp_path / "missing.csv", "--out", tmp_path / "run")
    assert process.returncode != 0
    assert (process.stdout + process.stderr).count(
        "error: "
    ) == 1 and "missing.csv" in process.stderr


@pytest.mark.long
def test_a_process_that_dies_ends_the_job_which_can_go_on(command, table, tmp_path):
    options = (
        "--data",
        table,
        "--K",
        2,
        "--d",
        4,
        "--batch-size",
        2,
        "--precision",
        "float64",
        "--quiet",
        "--patience",
        10000,
    )
    job = mpiexec(
        2, *options, "--max-epochs", 100000, "--out", tmp_path / "run", start=subprocess.Popen
    )
    history = tmp_path / "run" / "history.jsonl"
    while not (history.exists() and len(history.read_text().splitlines()) > 3):
        assert job.poll() is None, job.communicate()[0]
        time.sleep(0.05)
    ranks = subprocess.run(
        ["pgrep", "-f", f"macrid.train.*{tmp_path}"], capture_output=True, text=True
    ).stdout.split()
    workers = [
        int(pid)
        for pid in ranks
        if Path(f"/proc/{pid}/environ").read_bytes().find(b"PMI_RANK=1") >= 0
    ]
    os.kill(workers[0], signal.SIGKILL)
    output, _ = job.communicate()
    assert job.returncode != 0 and "KILLED" in output.upper(), output
    epochs = files.load(tmp_path / "run" / "checkpoint.npz")[1]["epoch"]
    resumed = mpiexec(
        2, *options, "--max-epochs", epochs + 2, "--resume", "--out", tmp_path / "run"
    )
    assert resumed.returncode == 0, resumed.stderr
    whole = mpiexec(2, *options, "--max-epochs", epochs + 2, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    (found, _), (expected, _) = (
        files.load(tmp_path / name / "checkpoint.npz") for name in ("run", "whole")
    )
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
