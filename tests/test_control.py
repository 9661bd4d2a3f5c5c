"""The command that turns a dimension: from an item, from a user's component, with a strip."""

import re

import numpy as np
import pytest
from helpers import refused
from PIL import Image


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A ratings file of 90 users and 60 items."""
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("control") / "r.csv"
    lines = [f"u{u},i{i}\n" for u in range(90) for i in rng.choice(60, 12, replace=False)]
    path.write_text("user,item\n" + "".join(lines))
    return path


@pytest.fixture(scope="module")
def run(command, data):
    """A run on it, of two concepts and four dimensions."""
    options = "--K 2 --d 4 --max-epochs 2 --quiet --out"
    done = command("train --data", data, *options.split(), data.parent / "run")
    assert done.returncode == 0, done.stderr
    return data.parent / "run"


def test_from_an_item_of_the_shop_with_a_strip(command, shop_run, tmp_path):
    strip = tmp_path / "strip.png"
    done = command("control --item mug-003 --steps 5 --run", shop_run, "--out", strip)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r"^ +(\d) +([+-][\d.]+) +mug-\d+", done.stdout, re.MULTILINE)
    assert [int(step) for step, _ in rows] == [1, 2, 3, 4, 5]
    assert sorted(rows, key=lambda row: float(row[1])) == rows, "values rise"
    assert "dimensions most worth turning" in done.stdout
    assert "Spearman of step and hue" in done.stdout
    with Image.open(strip) as picture:
        assert picture.width > 2 * picture.height
    assert list(tmp_path.iterdir()) == [strip]


def test_from_a_component_of_a_user(command, run):
    done = command("control --user u3 --concept 1 --dimension 2 --steps 3 --run", run)
    assert done.returncode == 0, done.stderr
    assert "user u3, component 1 (confidence" in done.stdout
    assert "dimensions most worth" not in done.stdout, "one is chosen"


def test_gamma_is_a_tenth_unless_given(call, run):
    usual, tenth = (
        call(f"control --user u3 --dimension 2 {gamma} --run", run).stdout
        for gamma in ("", "--gamma 0.1")
    )
    assert usual == tenth


def test_gamma_changes_the_walk(call, run):
    """In one dimension of four at least."""
    nearest, smoothest = (
        [call(f"control --user u3 --dimension {j} {gamma} --run", run).stdout for j in range(4)]
        for gamma in ("--gamma 0", "--gamma 1000")
    )
    assert nearest != smoothest


def test_what_the_user_has_is_marked(command, run, data):
    done = command("control --item i3 --user u3 --dimension 2 --steps 60 --run", run)
    assert done.returncode == 0 and "item i3" in done.stdout, done.stderr
    has = set(re.findall("^u3,(i.*)$", data.read_text(), re.MULTILINE)) - {"i3"}
    retrieved = set(re.findall(r"  (i\d+)", done.stdout))
    assert set(re.findall(r"  (i\d+) *\(has\)", done.stdout)) == retrieved & has


@pytest.mark.parametrize("more", ["", "--pictures pictures"], ids=["none", "broken"])
def test_without_a_picture_that_can_be_read_the_strip_has_words(command, run, tmp_path, more):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "i3.jpg").write_bytes(b"no picture")
    words = f"control --item i3 --dimension 0 --out s.svg {more} --run"
    done = command(words, run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    items = re.findall(r"^ +\d+ +[-+]\S+  (i\d+)", done.stdout, re.MULTILINE)
    svg = (tmp_path / "s.svg").read_text()
    assert svg.startswith("<?xml")
    assert items and set(items) <= set(re.findall(r"<!-- (i\d+) -->", svg))


MISTAKES = {
    "no start": ("", "nothing to start from; give --item ID or --user ID"),
    "no item": ("--item x", "--item is 'x', unknown to the run; its ids look like 'i"),
    "no dimension": ("--item i3 --dimension 4", "--dimension is 4, expected 0 to 3"),
    "no concept": ("--user u3 --concept 2", "--concept is 2, expected 0 to 1"),
    "no steps": ("--item i3 --steps 0", "--steps is 0"),
    "NaN": ("--item i3 --gamma nan", "--gamma is nan"),
    "no picture": ("--item i3 --out s.gif", "expected a name that ends in .png or .svg"),
}


@pytest.mark.parametrize("words, message", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(call, run, tmp_path, words, message):
    refused(call(f"control {words} --run", run, cwd=tmp_path), message)
    assert not list(tmp_path.iterdir())
