"""What all commands share: one line for a mistake or a signal; what others' text shows."""

import io
import os
import shlex
import signal
import subprocess
import sys
import time
import warnings

import pytest
from helpers import ROOT

from macrid import config, terminal
from macrid.errors import UserError, shown, shown_line

HOSTILE = {  # text: how it is shown
    "mug\x1b[2J": r"mug\x1b[2J",
    "\x07\b\0": r"\x07\x08\x00",
    "\x9b31m\x85": r"\x9b31m\x85",
    "a\u202eb\u2066c": r"a\u202eb\u2066c",
    "a\u2028b": r"a\u2028b",
    "\ud800": r"\ud800",
    "é 商品 👩\u200d🔬": "é 商品 👩\u200d🔬",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_terminal_would_obey_is_written_out(text, capsys):
    assert shown(text) == HOSTILE[text]
    terminal.say()(f"saved     {text}", "  next")
    terminal.warn(text)

    def mistaken(argv):
        raise UserError(f"item '{text}' is unknown")

    assert terminal.run(mistaken, []) == 2
    out, err = capsys.readouterr()
    assert out == f"saved     {HOSTILE[text]}\n  next\n"
    assert err == f"warning: {HOSTILE[text]}\nerror: item '{HOSTILE[text]}' is unknown\n"


def test_long_texts_lose_their_middle():
    assert len(shown("x" * 10**6)) == len(shown("\x1b" * 10**6)) == 200
    assert shown("a" * 150 + "b" * 150).startswith("a" * 100)
    line = shown_line(f"item '{'x' * 10**6}' is unknown; check it")
    assert len(line) < 250 and line.endswith("unknown; check it")
    assert len(shown_line("a b " * 10**5)) == 2000


def test_lines_for_a_shell_are_quoted():
    line = terminal.command("python -m macrid.train --out", "runs/a b;'c'", 5)
    assert shlex.split(line)[-2:] == ["runs/a b;'c'", "5"]
    assert terminal.command("x --out", "runs/plain") == "x --out runs/plain"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "utf-16"])
def test_no_encoding_of_the_output_ends_a_command(encoding, monkeypatch):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])

    def main(argv):
        terminal.say()("± é 😀")
        raise UserError("商品 is unknown")

    assert terminal.run(main, []) == 2
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)
    assert ("±" in out) == (encoding != "ascii")
    assert out.count("\n") == 1 and err.startswith("error: ") and "is unknown" in err


def test_warnings_are_one_line(capsys):
    def main(argv):
        warnings.warn("2 concepts\nstart\x1b at random", stacklevel=2)

    before = warnings.showwarning
    assert terminal.run(main, []) == 0 and warnings.showwarning is before
    assert capsys.readouterr().err == "warning: 2 concepts start\\x1b at random\n"


SIGNALS = {signal.SIGINT: 2, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_one_line_and_its_own_status(number, capsys):
    def main(argv):
        os.kill(os.getpid(), number)
        time.sleep(5)

    before = signal.getsignal(number)
    assert terminal.run(main, []) == SIGNALS[number]
    assert capsys.readouterr().err == "error: interrupted\n"
    assert signal.getsignal(number) == before


def test_a_signal_that_is_ignored_stays_so(monkeypatch):
    def main(argv):
        os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        assert terminal.run(main, []) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


SCRIPT = [str(ROOT / "data_scripts" / "amazon.py"), "--help"]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("words", [["-m", "macrid.train"], ["-m", "macrid.report"], SCRIPT])
def test_ctrl_c_amid_the_imports_is_one_line_too(words, number, tmp_path):
    (tmp_path / "numpy").mkdir()  # an import that takes its time, and says that it has begun
    slow = "print('begun', flush=True)\nimport time\ntime.sleep(60)\n"
    (tmp_path / "numpy" / "__init__.py").write_text(slow)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    _, errors = process.communicate()
    assert (process.returncode, errors) == (SIGNALS[number], "error: interrupted\n")


def parsed(*words):
    arguments = terminal.parser("x", "", "")
    arguments.add_argument("--user", nargs="+", action="extend")
    arguments.add_argument("--item")
    return arguments.parse_args(words)


@pytest.mark.parametrize("flag", ["--user", "--item"])
def test_an_id_that_begins_with_a_dash_says_how_it_is_given(flag):
    with pytest.raises(UserError, match=f"if '-u;1' is its value, use {flag}='-u;1'"):
        parsed(flag, "-u;1")
    assert getattr(parsed(f"{flag}=-u;1"), flag[2:]) in ("-u;1", ["-u;1"])


def test_and_so_does_one_among_several():
    with pytest.raises(UserError, match="arguments: -u1; if '-u1' is its value, use --user=-u1"):
        parsed("--user", "anna", "-u1")
    assert parsed("--user=-u1", "--user=-u2").user == ["-u1", "-u2"]
    with pytest.raises(UserError, match="see --help"):
        parsed("--users", "anna")


# --config


def written(folder, content):
    path = folder / "options"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [b"K = 3", b"\xef\xbb\xbfK = 3", b'{"K": 3}', b'\xef\xbb\xbf\n {"K": 3, "min_rating": null}'],
)
def test_options_are_toml_or_json_with_or_without_a_mark(content, tmp_path):
    assert config.from_dict(config.read_toml(written(tmp_path, content))).K == 3


@pytest.mark.parametrize(
    "content, remedy",
    [
        (rb'data = "C:\new\ratings.csv"' + b"\n" + rb'out = "C:\x"', "between single quotes"),
        (rb'data = "C:\users\me"', "between single quotes"),
        ("K = 3".encode("utf-16"), "save it as UTF-8"),
        (b"K: 3", "write lines such as  K = 7"),
        (b'{"K": 3', "write lines such as  K = 7"),
        (b"[" * 10**5, "write lines such as  K = 7"),
        (b"{" * 10**5, "write lines such as  K = 7"),
    ],
)
def test_what_is_neither_gets_one_line_with_the_remedy(content, remedy, tmp_path):
    with pytest.raises(UserError, match=remedy) as error:
        config.read_toml(written(tmp_path, content))
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
