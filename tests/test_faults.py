"""Killed, out of disk, twice at once: a run goes on exactly, and nothing is left half-written."""

import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import ROOT
from loopback import Server, ml_1m, serve, start_script, zipped
from PIL import Image

from macrid import npz
from macrid.pictures import alexnet

KILLS = 40
SMALL = "--K 2 --d 16 --batch-size 2 --quiet".split()
SHORT, ENDLESS = (
    [*SMALL, "--max-epochs", epochs, "--patience", epochs] for epochs in ("60", "100000")
)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("faults") / "table.csv"
    rng = np.random.default_rng(0)
    pairs = sorted({(u, i) for u in range(60) for i in rng.permutation(40)[:9]})
    path.write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in pairs))
    return path


def start(name, *arguments, limits=":"):
    """A command as a process of its own, under a shell's limits if there are some."""
    words = [sys.executable, "-m", f"macrid.{name}", *map(str, arguments)]
    return subprocess.Popen(
        ["bash", "-c", f'{limits}; exec "$@"', "bash", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    output, errors = process.communicate()
    return process.returncode, output + errors


def run(name, *arguments, **options):
    return finish(start(name, *arguments, **options))


def killed_after(process, seconds):
    """Kill a process that has not ended within so many seconds; was it killed?"""
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        return True


@pytest.fixture(scope="module")
def undisturbed(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    code, output = run("train", "--data", table, *SHORT, "--out", folder)
    assert code == 0, output
    return folder


def same_run(folder, expected):
    for name in ("checkpoint.npz", "model.npz"):
        arrays, description = npz.load(folder / name)
        expected_arrays, expected_description = npz.load(expected / name)
        assert description == expected_description and arrays.keys() == expected_arrays.keys()
        for key, values in expected_arrays.items():
            np.testing.assert_array_equal(arrays[key], values, err_msg=key)
    for name in ("config.json", "history.jsonl", "metrics.json"):
        assert (folder / name).read_text() == (expected / name).read_text()


# Killed at dozens of random moments


@pytest.mark.long
def test_training_killed_at_random_moments_ends_as_if_it_had_not_been(table, undisturbed, tmp_path):
    moments, kills, runs = random.Random(1), 0, 0
    while kills < KILLS:
        folder, runs, done = tmp_path / f"run{runs}", runs + 1, False
        while not done:
            resume = ["--resume"] * (folder / "config.json").is_file()
            process = start("train", "--data", table, *SHORT, *resume, "--out", folder)
            if kills < KILLS:
                kills += killed_after(process, moments.uniform(0.3, 1.5))
            code, output = finish(process)
            done = code == 0
            assert code in (0, -signal.SIGKILL), output
        same_run(folder, undisturbed)


@pytest.mark.long
def test_recommending_killed_leaves_the_old_file_or_the_new_one(undisturbed, tmp_path):
    out, expected, moments = tmp_path / "recs.csv", tmp_path / "expected.csv", random.Random(2)
    words = ("recommend", "--run", undisturbed, "--n", 30, "--out")
    assert run(*words, expected)[0] == 0
    out.write_text("old")
    for _ in range(10):
        process = start(*words, out)
        killed_after(process, moments.uniform(0.3, 0.8))
        finish(process)
        assert out.read_text() in ("old", expected.read_text())
    assert run(*words, out)[0] == 0
    assert out.read_text() == expected.read_text()


def timed(process):
    """How many seconds a process takes that is left alone."""
    began = time.monotonic()
    code, output = finish(process)
    assert code == 0, output
    return time.monotonic() - began


def until_done(begin, kills, seconds):
    """Begin a process that takes so many seconds again and again, killed at random moments, until
    one ends well; yields the status of each before.
    """
    moments = random.Random(kills)
    while True:
        process = begin()
        if kills:
            kills -= killed_after(process, moments.uniform(0.1, 1.1) * seconds)
        code, output = finish(process)
        assert code in (0, -signal.SIGKILL), output
        if code == 0 and not kills:
            return
        yield code


@pytest.mark.long
def test_extraction_killed_at_random_moments_ends_as_if_it_had_not_been(tmp_path):
    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for i in range(600):  # two chunks
        pixels = rng.integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "pictures" / f"{i}.png")
    with open(tmp_path / "net.onnx", "wb") as file:
        alexnet.write_random(file, seed=3, width=16)
    words = ("--pictures", tmp_path / "pictures", "--alexnet", tmp_path / "net.onnx", "--quiet")
    out = tmp_path / "found.npz"
    seconds = timed(start("features", *words, "--out", tmp_path / "expected.npz"))
    expected = (tmp_path / "expected.npz").read_bytes()
    for code in until_done(lambda: start("features", *words, "--out", out), 25, seconds):
        if code == 0:  # whole before the last kill: once more
            assert out.read_bytes() == expected
            out.unlink()
    assert out.read_bytes() == expected
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"pictures", "net.onnx", "expected.npz", "found.npz"}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.long
def test_a_download_killed_at_random_moments_ends_as_if_it_had_not_been(tmp_path):
    out, archive = tmp_path / "ml", tmp_path / "ml-1m.zip"
    with Server() as server:
        content = zipped(ml_1m(**{"ml-1m__more.bin": np.random.default_rng(0).bytes(6 << 20)}))
        words, _ = serve(server, content)
        server.pause = 0.02
        begin = lambda out: start_script("movielens", *words, "--out", out, "--quiet")
        seconds = timed(begin(tmp_path / "expected"))
        expected = contents(tmp_path / "expected")
        assert sorted(expected) == ["README.txt", "movies.csv", "ratings.csv"]
        archive.unlink()
        for _ in until_done(lambda: begin(out), 25, seconds):
            if out.exists():  # all of the folder or nothing of it; once more
                assert contents(out) == expected
                shutil.rmtree(out)
                archive.unlink()
        assert any(server.ranges()), "some went on where a killed one had stopped"
    assert archive.read_bytes() == content and contents(out) == expected
    assert {path.name for path in tmp_path.iterdir()} == {"expected", "ml", "ml-1m.zip"}


# Out of disk, twice at once, a mistake


def test_training_on_a_full_disk_is_one_line(table, tmp_path):
    words = ("--data", table, *SHORT, "--out", tmp_path / "run")
    code, output = run("train", *words, limits="ulimit -f 8")
    assert code == 2 and output.count("\n") == 1 and "free space" in output, output
    assert not list(tmp_path.rglob("*.part"))


def test_recommending_on_a_full_disk_leaves_no_file(undisturbed, tmp_path):
    words = ("--run", undisturbed, "--n", 30, "--out", tmp_path / "recs.csv")
    code, output = run("recommend", *words, limits="ulimit -f 4")
    assert code == 2 and "free space" in output, output
    assert not list(tmp_path.iterdir())


def test_two_trainings_do_not_share_a_folder(table, tmp_path):
    folder = tmp_path / "run"
    words = ("--data", table, *ENDLESS, "--out", folder)
    first = start("train", *words)
    while not (folder / "checkpoint.npz").exists():
        assert first.poll() is None, finish(first)
        time.sleep(0.05)
    for way in ("--overwrite", "--resume"):
        code, output = run("train", *words, way)
        assert code == 2 and "another training is at work in it" in output, output
    first.send_signal(signal.SIGINT)
    code, output = finish(first)
    assert code == 2 and "--resume" in output and "Traceback" not in output
    assert npz.load(folder / "checkpoint.npz")[1]["epoch"] >= 1


def test_a_mistake_leaves_no_folder(tmp_path):
    code, _ = run("train", "--data", tmp_path / "missing.csv", "--out", tmp_path / "run")
    assert code == 2 and not (tmp_path / "run").exists()
