"""README and the pages of docs/: what they quote, link, name and show is there, and runs."""

import csv
import importlib
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from helpers import ROOT

import macrid

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "benchmarks" / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
}
PACKAGE = ROOT / "macrid"
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
COMMANDS = {
    path.stem for path in PACKAGE.glob("*.py") if 'if __name__ == "__main__"' in path.read_text()
} - {"__main__"}
TOP = {path.stem for path in PACKAGE.glob("*.py")} - COMMANDS - {"__init__", "__main__"}
each_page = pytest.mark.parametrize("page", PAGES)


def blocks(text, language):
    """The blocks of code of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_readme_is_short():
    lines = README.splitlines()
    assert len(lines) <= 110
    assert max(map(len, lines)) <= 110


def test_readme_gives_its_two_commands_on_lines_of_their_own():
    lines = README.splitlines()
    assert "pip install . && python -m macrid.train" in lines
    assert 'pip install ".[test]" && python -m pytest' in lines


def test_readme_quotes_plain_py_within_two_screens():
    quoted = blocks(README, "python")[0]
    source = (PACKAGE / "model" / "plain.py").read_text(encoding="utf-8")
    assert textwrap.indent(quoted, "    ") in source
    assert README[: README.index(quoted)].count("\n") < 60


@each_page
def test_links_and_pictures_are_there(page):
    text = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        target = link.partition("#")[0]
        if target and not link.startswith("http"):
            assert (ROOT / page).parent.joinpath(target).exists(), link


@each_page
def test_what_is_named_is_there(page):
    text = PAGES[page]
    for name in re.findall(r"`(macrid(?:\.\w+)+)|#(macrid(?:\.\w+)+)\)|^::: (\S+)", text, re.M):
        pkgutil.resolve_name("".join(name))
    for path in re.findall(r"\b(?:macrid|tests|benchmarks|data_scripts)/[\w/]+\.py\b", text):
        assert (ROOT / path).is_file(), path
    for line in "\n".join(blocks(text, "python")).splitlines():
        if line.startswith(("import ", "from ")):
            exec(line, {})


def test_what_docstrings_name_is_there():
    for path in PACKAGE.rglob("*.py"):
        for name in re.findall(r"`(macrid(?:\.\w+)+)", path.read_text(encoding="utf-8")):
            pkgutil.resolve_name(name)


@each_page
def test_commands_have_the_flags_that_are_shown(page, capsys):
    for command, words in re.findall(r"python -m macrid\.(\w+)([^`#\n]*)", PAGES[page]):
        flags = set(re.findall(r"(?<=\s)--[\w-]+", words))
        if flags:
            with pytest.raises(SystemExit):
                importlib.import_module(f"macrid.{command}").main(["--help"])
            known = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
            assert flags <= known, (command, flags - known)


@pytest.mark.parametrize("where", ("README.md", "docs/index.md", "macrid/__init__.py"))
def test_the_map_shows_every_room_and_every_file_at_the_top(where):
    shown = macrid.__doc__ if where.endswith(".py") else PAGES[where]
    assert ROOMS == set(re.findall(r"(?:^    |\| \[)(\w+)/", shown, re.MULTILINE))
    for name in TOP:
        assert re.search(rf"\b{name}\b", shown), name
    if where != "README.md":
        assert all(re.search(rf"\b{name}\b", shown) for name in COMMANDS)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_says_what_is_in_it(room):
    """One line a file, in the order of reading; the reference is made from it (docs/hooks.py)."""
    inside = {path.stem for path in (PACKAGE / room).glob("*.py")} - {"__init__"}
    text = importlib.import_module(f"macrid.{room}").__doc__
    assert inside == set(re.findall(r"^(\w+)(?:\.py)?  ", text, re.MULTILINE))


def test_the_reference_shows_every_room_and_every_file_at_the_top():
    shown = re.findall(r"^::: (\S+)", "\n".join(PAGES.values()), re.MULTILINE)
    assert sorted(shown) == sorted(f"macrid.{name}" for name in ROOMS | TOP)


@pytest.mark.parametrize(
    "page, block", [("README.md", 1), ("docs/guide.md", 0)], ids=("README", "guide")
)
def test_its_python_runs(page, block, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    rows = [f"{u},{i}" for u in range(30, 50) for i in rng.permutation(30)[:8] if i not in (7, 19)]
    rows += [f"{u},{i}" for u in range(30, 50) for i in (7, 19)]
    (tmp_path / "ratings.csv").write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    exec(blocks(PAGES[page], "python")[block], {})
    assert "mean" in capsys.readouterr().out


@pytest.mark.long
def test_own_data_from_a_log_of_events_to_a_list_for_every_customer(tmp_path):
    """The commands of README's "Your own data", each as it stands there."""
    block = blocks(README[README.index("## Your own data") :], "sh")[0]
    commands = block.replace("\\\n", "").splitlines()
    assert len(commands) <= 12
    for command in commands:
        words = shlex.split(command, comments=True)
        assert words[0] == "python"
        words = [str(ROOT / word) if word.startswith("data_scripts/") else word for word in words]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, *words[1:]],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, (command, done.stderr)

    log = (tmp_path / "log" / "events.csv").read_text(encoding="utf-8").splitlines()
    customers = {line.split(",")[0] for line in log[1:]}
    titles = (tmp_path / "log" / "items.csv").read_text(encoding="utf-8").splitlines()
    bags = {line.split(",")[0] for line in titles if "> Bags" in line}
    with open(tmp_path / "recs.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["user"] for row in rows} == customers  # nobody is left out
    assert bags and not bags & {row["item"] for row in rows}
    assert all(row["title"] for row in rows)
