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

from macrid import files
from macrid.pictures import alexnet

KILLS = 40
OPTIONS = ("--K", 2, "--d", 16, "--batch-size", 2, "--max-epochs", 60, "--patience", 60, "--quiet")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("faults") / "table.csv"
    rng = np.random.default_rng(0)
    pairs = sorted({(u, i) for u in range(60) for i in rng.permutation(40)[:9]})
    path.write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in pairs))
    return path


def start(name, *arguments, before=""):
    """A command as a process of its own, under a shell's limits if `before` sets some."""
    words = " ".join(
        ["exec", sys.executable, "-m", f"macrid.{name}", *(f"'{word}'" for word in arguments)]
    )
    return subprocess.Popen(
        ["bash", "-c", before + words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    output, errors = process.communicate()
    return process.returncode, output + errors


@pytest.fixture(scope="module")
def undisturbed(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    code, output = finish(start("train", "--data", table, *OPTIONS, "--out", folder))
    assert code == 0, output
    return folder


@pytest.mark.long
def test_training_killed_at_random_moments_ends_as_if_it_had_not_been(table, undisturbed, tmp_path):
    moments, kills, runs = random.Random(1), 0, 0
    while kills < KILLS:
        folder, runs, done = tmp_path / f"run{runs}", runs + 1, False
        while not done:
            process = start(
                "train",
                "--data",
                table,
                *OPTIONS,
                *["--resume"] * (folder / "config.json").is_file(),
                "--out",
                folder,
            )
            if kills < KILLS:
                try:
                    process.wait(moments.uniform(0.3, 1.5))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    kills += 1
            code, output = finish(process)
            done = code == 0
            assert code in (0, -signal.SIGKILL), output
        for name in ("checkpoint.npz", "model.npz"):
            (found, told), (expected, told_there) = (
                files.load(at / name) for at in (folder, undisturbed)
            )
            assert told == told_there and found.keys() == expected.keys()
            for key, values in expected.items():
                np.testing.assert_array_equal(found[key], values, err_msg=key)
        for name in ("config.json", "history.jsonl", "metrics.json"):
            assert (folder / name).read_text() == (undisturbed / name).read_text()


@pytest.mark.long
def test_recommending_killed_leaves_the_old_file_or_the_new_one(undisturbed, tmp_path):
    out, expected, moments = tmp_path / "recs.csv", tmp_path / "expected.csv", random.Random(2)
    assert finish(start("recommend", "--run", undisturbed, "--n", 30, "--out", expected))[0] == 0
    out.write_text("old")
    for _ in range(10):
        process = start("recommend", "--run", undisturbed, "--n", 30, "--out", out)
        time.sleep(moments.uniform(0.3, 0.8))
        process.send_signal(signal.SIGKILL)
        finish(process)
        assert out.read_text() in ("old", expected.read_text())
    assert finish(start("recommend", "--run", undisturbed, "--n", 30, "--out", out))[0] == 0
    assert out.read_text() == expected.read_text()


def until_done(begin, kills, longest):
    """Begin a process again and again, killed at `kills` random moments, until one ends well."""
    moments = random.Random(kills)
    while True:
        process = begin()
        if kills:
            try:
                process.wait(moments.uniform(0.2, longest))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills -= 1
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
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(
            tmp_path / "pictures" / f"{i}.png"
        )
    with open(tmp_path / "net.onnx", "wb") as file:
        alexnet.write_random(file, seed=3, width=16)
    words = (
        "features",
        "--pictures",
        tmp_path / "pictures",
        "--alexnet",
        tmp_path / "net.onnx",
        "--quiet",
        "--out",
    )
    assert finish(start(*words, tmp_path / "expected.npz"))[0] == 0
    expected = (tmp_path / "expected.npz").read_bytes()
    for code in until_done(lambda: start(*words, tmp_path / "found.npz"), 25, 5.0):
        if code == 0:  # whole before the last kill: once more
            assert (tmp_path / "found.npz").read_bytes() == expected
            (tmp_path / "found.npz").unlink()
    assert (tmp_path / "found.npz").read_bytes() == expected
    assert {path.name for path in tmp_path.iterdir()} == {
        "pictures",
        "net.onnx",
        "expected.npz",
        "found.npz",
    }


@pytest.mark.long
def test_a_download_killed_at_random_moments_ends_as_if_it_had_not_been(tmp_path):
    with Server() as server:
        content = zipped(ml_1m(**{"ml-1m__more.bin": np.random.default_rng(0).bytes(6 << 20)}))
        words, _ = serve(server, content)
        server.pause = 0.02
        assert (
            finish(start_script("movielens", *words, "--out", tmp_path / "expected", "--quiet"))[0]
            == 0
        )
        expected = {path.name: path.read_bytes() for path in (tmp_path / "expected").iterdir()}
        assert sorted(expected) == ["README.txt", "movies.csv", "ratings.csv"]
        (tmp_path / "ml-1m.zip").unlink()
        for _ in until_done(
            lambda: start_script("movielens", *words, "--out", tmp_path / "ml", "--quiet"), 25, 2.5
        ):
            if (tmp_path / "ml").exists():  # all of the folder or nothing of it; once more
                assert {
                    path.name: path.read_bytes() for path in (tmp_path / "ml").iterdir()
                } == expected
                shutil.rmtree(tmp_path / "ml")
                (tmp_path / "ml-1m.zip").unlink()
        assert any(begin for _, begin, _ in server.asked), (
            "some went on where a killed one had stopped"
        )
    assert (tmp_path / "ml-1m.zip").read_bytes() == content
    assert {path.name: path.read_bytes() for path in (tmp_path / "ml").iterdir()} == expected
    assert {path.name for path in tmp_path.iterdir()} == {"expected", "ml", "ml-1m.zip"}


def test_a_full_disk_is_one_line_and_keeps_what_was_whole(table, undisturbed, tmp_path):
    code, output = finish(
        start("train", "--data", table, *OPTIONS, "--out", tmp_path / "run", before="ulimit -f 8; ")
    )
    assert code == 2 and output.count("\n") == 1 and "free space" in output, output
    assert not list(tmp_path.rglob("*.part"))
    code, output = finish(
        start(
            "recommend",
            "--run",
            undisturbed,
            "--n",
            30,
            "--out",
            tmp_path / "recs.csv",
            before="ulimit -f 4; ",
        )
    )
    assert (
        code == 2
        and "free space" in output
        and not (tmp_path / "recs.csv").exists()
        and not list(tmp_path.rglob("*.part"))
    ), output


def test_two_trainings_do_not_share_a_folder(table, tmp_path):
    first = start(
        "train",
        "--data",
        table,
        *OPTIONS,
        "--max-epochs",
        100000,
        "--patience",
        100000,
        "--out",
        tmp_path / "run",
    )
    while not (tmp_path / "run" / "checkpoint.npz").exists():
        assert first.poll() is None, finish(first)
        time.sleep(0.05)
    for way in ("--overwrite", "--resume"):
        code, output = finish(
            start(
                "train",
                "--data",
                table,
                *OPTIONS,
                "--max-epochs",
                100000,
                "--patience",
                100000,
                way,
                "--out",
                tmp_path / "run",
            )
        )
        assert code == 2 and "another training is at work in it" in output, output
    first.send_signal(signal.SIGINT)
    code, output = finish(first)
    assert code == 2 and "--resume" in output and "Traceback" not in output
    assert files.load(tmp_path / "run" / "checkpoint.npz")[1]["epoch"] >= 1


def test_a_mistake_leaves_no_folder(tmp_path):
    code, _ = finish(start("train", "--data", tmp_path / "missing.csv", "--out", tmp_path / "run"))
    assert code == 2 and not (tmp_path / "run").exists()
