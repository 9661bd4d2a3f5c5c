"""Figures of a run as files, and what is said of the ones left out."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree

import numpy as np
import pytest
from helpers import refused
from PIL import Image

SMALL = ("--K", 3, "--d", 6, "--max-epochs", 2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Small runs of a ratings file: with categories, with the inner product, with another beta; and
    bare.
    """
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    rows = [f"{u},{i},{'abc'[i % 3]}" for u in range(60) for i in rng.choice(60, 12, replace=False)]
    (folder / "some.csv").write_text("\n".join(["user,item,kind", *rows, ""]))
    (folder / "pictures").mkdir()
    for i in range(30):
        Image.new("RGB", (20 + i, 30), (8 * i, 90, 120)).save(folder / "pictures" / f"{i}.png")
    several = {
        "plain": ("--categories", "kind"),
        "inner": ("--categories", "kind", "--similarity", "inner"),
        "beta": ("--categories", "kind", "--beta", 5),
        "bare": (),
    }
    for name, options in several.items():
        words = [
            sys.executable,
            "-m",
            "macrid.train",
            "--data",
            folder / "some.csv",
            "--quiet",
            "--out",
            folder / name,
            *SMALL,
            *options,
        ]
        subprocess.run([str(word) for word in words], check=True)
    return folder


def test_all_figures_as_png_and_svg(command, runs, tmp_path):
    done = command(
        "figures",
        "--run",
        runs / "plain",
        "--inner-run",
        runs / "inner",
        "--beta-runs",
        runs / "plain",
        runs / "beta",
        "--pictures",
        runs / "pictures",
        "--out",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stdout
    for name in ("map", "independence", "strips"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert min(picture.size) > 600
        root = xml.etree.ElementTree.parse(tmp_path / f"{name}.svg").getroot()
        assert root.tag.endswith("svg")
    before = (tmp_path / "independence.svg").read_bytes()
    again = command(
        "figures",
        "--run",
        runs / "plain",
        "--beta-runs",
        runs / "plain",
        runs / "beta",
        "--out",
        tmp_path,
    )
    assert (tmp_path / "independence.svg").read_bytes() == before, "the same figure, the same bytes"
    assert "left out  panel (c) of map: give --inner-run RUN, or --train" in again.stdout


def test_a_bare_run_says_what_it_leaves_out(command, runs, tmp_path):
    done = command("figures", "--run", runs / "bare", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for words in (
        "panel (b) of map",
        "has no categories",
        "panel (c) of map",
        "independence: give --beta-runs",
    ):
        assert words in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "map.png",
        "map.svg",
        "strips.png",
        "strips.svg",
    ]


@pytest.mark.long
def test_train_makes_the_missing_runs_once(command, runs, tmp_path):
    first = command("figures", "--run", runs / "plain", "--train", "--out", tmp_path)
    assert (
        first.returncode == 0
        and first.stdout.count("training") == 6
        and "left out" not in first.stdout
    ), first.stderr
    assert (
        "training"
        not in command("figures", "--run", runs / "plain", "--train", "--out", tmp_path).stdout
    )


def test_mistakes_are_one_line(call, runs, tmp_path):
    refused(call("figures", "--out", tmp_path, "--train"), "need --run RUN")
    refused(
        call("figures", "--run", runs / "plain", "--inner-run", runs / "beta", "--out", tmp_path),
        "--similarity inner",
    )
    refused(
        call("figures", "--run", runs / "plain", "--pictures", tmp_path / "no", "--out", tmp_path),
        "is not a folder",
    )
    refused(call("figures", "--run", tmp_path / "no", "--out", tmp_path), "is this a run folder?")


def test_metrics_json_without_independence_is_named(call, runs, tmp_path):
    shutil.copytree(runs / "bare", tmp_path / "old")
    (tmp_path / "old" / "metrics.json").write_text(json.dumps({"test": {}}))
    refused(
        call(
            "figures",
            "--run",
            runs / "bare",
            "--beta-runs",
            tmp_path / "old",
            "--out",
            tmp_path / "f",
        ),
        "has no independence",
    )
