"""The command that turns a dimension: from an item, from a user's component, with a strip."""

import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run on a small file of its own, and one on the shop."""
    folder, rng = tmp_path_factory.mktemp("control"), np.random.default_rng(1)
    lines = [f"u{u},i{i}" for u in range(90) for i in rng.choice(60, 12, replace=False)]
    (folder / "r.csv").write_text("user,item\n" + "\n".join(lines) + "\n")
    quick = ("--max-epochs", "2", "--quiet", "--out")
    for words in (
        ["--data", folder / "r.csv", "--K", 2, "--d", 4, *quick, folder / "csv"],
        [*quick, folder / "shop"],
    ):
        subprocess.run(
            [sys.executable, "-m", "macrid.train", *map(str, words)],
            check=True,
            capture_output=True,
        )
    return folder


def refused(process, words):
    assert process.returncode == 2 and re.search(words, process.stderr), process.stderr
    assert process.stderr.count("\n") == 1 and "Traceback" not in process.stderr


def test_from_an_item_of_the_shop_with_a_strip(command, runs, tmp_path):
    done = command(
        "control",
        "--run",
        runs / "shop",
        "--item",
        "mug-003",
        "--steps",
        5,
        "--out",
        tmp_path / "strip.png",
    )
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^ +(\d) +([+-][\d.]+) +mug-\d+", done.stdout, re.MULTILINE)
    assert [int(step) for step, _ in rows] == [1, 2, 3, 4, 5]
    assert sorted(rows, key=lambda row: float(row[1])) == rows, "values rise"
    assert (
        "dimensions most worth turning" in done.stdout and "Spearman of step and hue" in done.stdout
    )
    with Image.open(tmp_path / "strip.png") as strip:
        assert strip.width > 2 * strip.height
    assert list(tmp_path.iterdir()) == [tmp_path / "strip.png"]


def test_from_a_user_s_component(command, runs, tmp_path):
    done = command(
        "control",
        "--run",
        runs / "csv",
        "--user",
        "u3",
        "--concept",
        1,
        "--dimension",
        2,
        "--steps",
        3,
    )
    assert done.returncode == 0, done.stderr
    assert (
        "user u3, component 1 (confidence" in done.stdout
        and "dimensions most worth" not in done.stdout
    )
    of_gamma = {
        gamma: (
            command(
                "control", "--run", runs / "csv", "--user", "u3", "--dimension", 2, *gamma
            ).stdout
        )
        for gamma in ((), ("--gamma", "0.1"), ("--gamma", "1"))
    }
    assert of_gamma[()] == of_gamma["--gamma", "0.1"] != of_gamma["--gamma", "1"]
    both = command(
        "control",
        "--run",
        runs / "csv",
        "--item",
        "i3",
        "--user",
        "u3",
        "--dimension",
        2,
        "--steps",
        60,
    )
    hers = set(re.findall("^u3,(i.*)$", (runs / "r.csv").read_text(), re.MULTILINE)) - {"i3"}
    retrieved, marked = (
        set(re.findall(rf"  (i\d+) *{mark}", both.stdout)) for mark in ("", r"\(has\)")
    )
    assert "item i3" in both.stdout and marked and marked == retrieved & hers


def test_without_a_picture_that_can_be_read_the_strip_has_words(command, runs, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "i3.jpg").write_bytes(b"no picture")
    for more in ((), ("--pictures", tmp_path / "pictures")):
        done = command(
            "control",
            "--run",
            runs / "csv",
            "--item",
            "i3",
            "--dimension",
            0,
            "--out",
            tmp_path / "s.svg",
            *more,
        )
        assert done.returncode == 0 and (tmp_path / "s.svg").read_text().startswith("<?xml"), (
            done.stderr
        )
        items = re.findall(r"^ +\d+ +[-+]\S+  (i\d+)", done.stdout, re.MULTILINE)
        assert len(items) > 1 and set(items) <= set(
            re.findall(r"<!-- (i\d+) -->", (tmp_path / "s.svg").read_text())
        )


def test_mistakes_are_one_line(command, runs, tmp_path):
    at = ("control", "--run", runs / "csv")
    refused(command(*at), "nothing to start from; give --item ID or --user ID")
    refused(command(*at, "--item", "x"), "--item is 'x', unknown to the run; its ids look like 'i")
    refused(command(*at, "--item", "i3", "--dimension", 4), "--dimension is 4, expected 0 to 3")
    refused(command(*at, "--user", "u3", "--concept", 2), "--concept is 2, expected 0 to 1")
    refused(command(*at, "--item", "i3", "--steps", 0), "--steps is 0")
    refused(command(*at, "--item", "i3", "--gamma", "nan"), "--gamma is nan")
    refused(
        command(*at, "--item", "i3", "--out", tmp_path / "s.gif"),
        "expected a name that ends in .png or .svg",
    )
    assert not list(tmp_path.iterdir())
