"""Figures of a run as files, and what is said of the ones left out."""

import json
import shutil
import xml.etree.ElementTree

import numpy as np
import pytest
from helpers import refused
from PIL import Image

SMALL = "--K 3 --d 6 --max-epochs 2 --quiet"


@pytest.fixture(scope="module")
def runs(command, tmp_path_factory):
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
        "plain": "--categories kind",
        "inner": "--categories kind --similarity inner",
        "beta": "--categories kind --beta 5",
        "bare": "",
    }
    for name, options in several.items():
        done = command(f"train --data some.csv {SMALL} {options} --out {name}", cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def drawn(command, runs):
    """The folder of all figures of the runs, and what was printed."""
    others = "--inner-run inner --beta-runs plain beta --pictures pictures"
    done = command(f"figures --run plain {others} --out drawn", cwd=runs)
    assert done.returncode == 0, done.stderr
    return runs / "drawn", done.stdout


@pytest.mark.parametrize("name", ["map", "independence", "strips"])
def test_each_figure_is_png_and_svg(drawn, name):
    folder, printed = drawn
    assert "left out" not in printed
    with Image.open(folder / f"{name}.png") as picture:
        assert min(picture.size) > 600
    root = xml.etree.ElementTree.parse(folder / f"{name}.svg").getroot()
    assert root.tag.endswith("svg")


def test_the_same_figure_has_the_same_bytes(call, drawn, runs, tmp_path):
    done = call("figures --run plain --beta-runs plain beta --out", tmp_path, cwd=runs)
    expected = (drawn[0] / "independence.svg").read_bytes()
    assert (tmp_path / "independence.svg").read_bytes() == expected
    assert "left out  panel (c) of map: give --inner-run RUN, or --train" in done.stdout


def test_a_bare_run_says_what_it_leaves_out(call, runs, tmp_path):
    done = call("figures --run bare --out", tmp_path, cwd=runs)
    assert done.returncode == 0, done.stderr
    for words in ("panel (b) of map", "has no categories", "panel (c) of map"):
        assert words in done.stdout
    assert "independence: give --beta-runs" in done.stdout
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["map.png", "map.svg", "strips.png", "strips.svg"]


@pytest.mark.long
def test_train_makes_the_missing_runs_once(command, runs, tmp_path):
    first = command("figures --run plain --train --out", tmp_path, cwd=runs)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("training") == 6 and "left out" not in first.stdout
    again = command("figures --run plain --train --out", tmp_path, cwd=runs)
    assert again.returncode == 0 and "training" not in again.stdout


MISTAKES = {
    "no run": ("--train", "need --run RUN"),
    "another similarity": ("--run plain --inner-run beta", "--similarity inner"),
    "no pictures": ("--run plain --pictures no", "is not a folder"),
    "a run that is not there": ("--run no", "is this a run folder?"),
    "no independence": ("--run bare --beta-runs old", "has no independence"),
}


@pytest.mark.parametrize("words, message", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(call, runs, tmp_path, words, message):
    if not (runs / "old").exists():
        shutil.copytree(runs / "bare", runs / "old")
        (runs / "old" / "metrics.json").write_text(json.dumps({"test": {}}))
    refused(call(f"figures {words} --out", tmp_path / "f", cwd=runs), message)
