"""benchmarks/device.py, rehearsed without a GPU: on NumPy and on the stand-in of CuPy."""

import json
import os
import subprocess
import sys

import pytest
from helpers import ROOT, STANDIN

PEER = """
class TorchStep:
    def __init__(self, parameters, config, X, device):
        assert device == "cpu" and parameters["H"].shape == (X.shape[1], config.d)

    def step(self):
        return 7.0
"""


def rehearse(folder, backend, *options, peer=PEER):
    """The finished process, and the report that it left."""
    (folder / "peer.py").write_text(peer)
    path = [str(STANDIN)] if backend == "cupy" else []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    words = [sys.executable, ROOT / "benchmarks/device.py", "--rehearse", "--backend", backend]
    words += ["--out", folder / "report", "--peer", folder / "peer.py", *options]
    process = subprocess.run(words, capture_output=True, text=True, env=environment)
    return process, json.loads((folder / "report/device.json").read_text())["parts"]


@pytest.mark.parametrize("backend", ("numpy", "cupy"))
def test_a_rehearsal_measures_and_reads_nothing_back(backend, tmp_path):
    process, parts = rehearse(tmp_path, backend, "--parts", "parity,step,peer")
    assert process.returncode == 0, process.stdout + process.stderr
    assert all(row["good"] for row in parts["parity"]["rows"]["parity"])
    steps = parts["step"]["rows"]["step by part, ms"]
    assert len(steps) == (2 if backend == "numpy" else 8)  # sizes, noises, precisions
    assert all(row["aggregate back"] > 0 and row["whole"] > row["Adam"] for row in steps)
    if backend == "cupy":
        assert all(row["reads of the device"] == 0 for row in steps)
    assert parts["peer"]["rows"]["peer alone"][0]["its first loss"] == 7.0
    page = (tmp_path / "report/device.md").read_text()
    assert "| gradient of H | float32 |" in page and "peer / ours" in page


def test_a_part_that_fails_is_told_and_the_next_goes_on(tmp_path):
    process, parts = rehearse(tmp_path, "numpy", "--parts", "peer,ranking", peer="1 / 0")
    assert process.returncode == 1
    assert parts["peer"]["errors"] == [
        "float32: ended with status 1: ZeroDivisionError: division by zero"
    ]
    assert parts["ranking"]["rows"] and not parts["ranking"]["errors"]
    # the mended part alone; what the other had measured stays
    process, again = rehearse(tmp_path, "numpy", "--parts", "peer")
    assert process.returncode == 0 and not again["peer"]["errors"]
    assert again["ranking"] == parts["ranking"]


def test_a_part_that_hangs_is_ended(tmp_path):
    hangs = PEER.replace("return 7.0", "import time; time.sleep(60)")
    options = ("--parts", "peer,ranking", "--minutes", "0.1")
    process, parts = rehearse(tmp_path, "numpy", *options, peer=hangs)
    assert process.returncode == 1
    assert "was ended after its" in parts["peer"]["errors"][0]
    assert "not begun, the time is up" in parts["ranking"]["errors"][0]


@pytest.mark.long
@pytest.mark.parametrize("backend", ("numpy", "cupy"))
def test_all_parts_can_be_rehearsed(backend, tmp_path):
    process, parts = rehearse(tmp_path, backend)
    assert process.returncode == 0, process.stdout + process.stderr
    assert len(parts) == 10 and not any(part["errors"] for part in parts.values())
    *skips, verdict = [row["line"] for row in parts["tests"]["rows"]["tests"]]
    assert ("3 passed" in verdict) == (backend == "cupy")
    assert ("SKIPPED" in "".join(skips)) == (backend == "numpy")
