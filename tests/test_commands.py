"""Commands as a user runs them: real processes, real files, real signals."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import ROOT, contents, refused
from PIL import Image

QUICK = "--K 2 --d 8 --hidden-units 8 --batch-size 20 --max-epochs 4 --seed 1".split()
ENDLESS = "--K 2 --d 8 --hidden-units 8 --batch-size 20 --max-epochs 3000 --patience 3000".split()


@pytest.fixture(scope="module")
def finished(command, ratings, tmp_path_factory):
    """A finished run of QUICK, not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    done = command("train --quiet", "--data", ratings, *QUICK, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it, to be changed."""
    return shutil.copytree(finished, tmp_path / "run")


def history(run):
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


def saved_config(run):
    return json.loads((run / "config.json").read_text())


def test_no_encoding_of_the_output_loses_a_run(command, tmp_path, monkeypatch):
    path, run = tmp_path / "ratings.csv", tmp_path / "run"
    rows = [f"é{u},商😀{(u * i) % 17}\n" for u in range(40) for i in range(1, 8)]
    path.write_text("user,item\n" + "".join(rows), encoding="utf-8")
    words = ("--data", path, *QUICK, "--out", run)
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONIOENCODING", "ascii:strict")
        for call in ("train", "train --resume"):
            done = command(call, *words)
            assert done.returncode == 0 and "rror" not in done.stderr, done.stderr
        assert (run / "model.npz").is_file() and (run / "metrics.json").is_file()
        shown = command("evaluate --concepts", "--run", run)
        assert shown.returncode == 0 and r"\u5546" in shown.stdout
        done = command("recommend --user=é1 --n 3", "--run", run)
    assert done.returncode == 0 and done.stdout.count("é1,商😀") == 3, "a table is exact"


# Training, and what it leaves


def test_training_prints_its_figures_and_writes_a_run(command, ratings, finished, tmp_path):
    trained = command("train", "--data", ratings, *QUICK, "--out", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr
    for words in ("60 users", "dropped:", "ndcg@100"):
        assert words in trained.stdout
    lines = trained.stderr.splitlines()  # no bar, as no terminal reads it
    best = max(record["validation_ndcg@100"] for record in history(tmp_path / "run"))
    for number, line in enumerate(lines, 1):
        assert re.match(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  epoch {number}/4  loss \d", line)
    assert len(lines) == 4 and f"best {best:.4f} (epoch " in lines[-1]
    files = ["checkpoint.npz", "config.json", "history.jsonl", "metrics.json", "model.npz"]
    assert sorted(os.listdir(tmp_path / "run")) == files
    assert contents(tmp_path / "run") == contents(finished), "the same again, to the bit"


def test_a_run_holds_figures_options_and_a_line_an_epoch(finished):
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["test"]["ndcg@100"].keys() == {"mean", "stderr", "users", "left_out"}
    assert saved_config(finished)["K"] == 2
    assert [record["epoch"] for record in history(finished)] == [1, 2, 3, 4]
    terms = {"loss", "reconstruction", "kl", "categorical", "beta", "validation_ndcg@100"}
    assert history(finished)[0].keys() >= terms


def test_evaluating_a_run_gives_its_figures(command, finished):
    metric = json.loads((finished / "metrics.json").read_text())["test"]["ndcg@100"]
    evaluated = command("evaluate", "--run", finished, "--at", 3, 100)
    assert evaluated.returncode == 0 and "recall@3" in evaluated.stdout
    assert f"{metric['mean']:.4f} ± {metric['stderr']:.4f}" in evaluated.stdout


def test_quiet_prints_nothing(command, ratings, finished, tmp_path):
    done = command("train --quiet", "--data", ratings, *QUICK, "--out", tmp_path / "quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert contents(tmp_path / "quiet") == contents(finished)


def test_toml_and_flags_together(command, ratings, tmp_path):
    (tmp_path / "c.toml").write_text(f'data = "{ratings}"\nK = 3\nd = 8\nmax_epochs = 1\n')
    toml = ("--config", tmp_path / "c.toml")
    assert command("train --K 2 --quiet", *toml, "--out", tmp_path / "run").returncode == 0
    saved = saved_config(tmp_path / "run")
    assert (saved["K"], saved["d"], saved["data"]) == (2, 8, str(ratings))


def test_a_run_behind_a_baseline_points_to_the_remedy(command, tmp_path):
    rng = np.random.default_rng(0)
    own = [(u, 2 * i + u % 2) for u in range(200) for i in rng.choice(45, 12, replace=False)]
    (tmp_path / "worlds.csv").write_text("".join(f"u{u},i{i}\n" for u, i in own))
    page = "behind ridge and EASE: see docs/guide.md, 'If it is worse than EASE'"
    path = "; --linear-path chosen is the first thing to try"
    assert "## If it is worse than EASE" in (ROOT / "docs" / "guide.md").read_text()

    def printed(*words):
        where = ("--data", tmp_path / "worlds.csv", "--out", tmp_path / "run")
        done = command("train --K 2 --d 8 --batch-size 20 --overwrite", *where, *words)
        assert done.returncode == 0, done.stderr
        differences = json.loads((tmp_path / "run" / "metrics.json").read_text())["differences"]
        return done.stdout, differences["EASE"]["ndcg@100"]

    told, ease = printed("--max-epochs", 1, "--learning-rate", 1e-6, "--linear-path", 0)
    assert page + path in told and ease["mean"] < -2 * ease["stderr"]
    told, ease = printed("--K", 1, "--max-epochs", 40, "--learning-rate", 0.01)
    assert "see docs/guide.md" not in told and ease["mean"] > -2 * ease["stderr"]
    told, ease = printed("--max-epochs", 1, "--learning-rate", 1e-6, "--linear-path", 1e-6)
    assert page + "\n" in told and ease["mean"] < -2 * ease["stderr"], "it has a path"


# A run that is there already


def test_a_finished_run_is_not_overwritten_unless_asked(command, ratings, finished, run):
    again = ("--data", ratings, *QUICK, "--out", run)
    refused(command("train", *again), run, "finished run", "--overwrite")
    assert contents(run) == contents(finished)
    (run / "history.jsonl").write_text("")
    assert command("train --overwrite --quiet", *again).returncode == 0
    assert contents(run) == contents(finished)


def test_a_finished_run_resumed_stays_as_it_is(command, ratings, finished, run):
    again = ("--data", ratings, *QUICK, "--out", run)
    done = command("train --resume", *again)
    assert done.returncode == 0 and "it was finished already; a larger --max-" in done.stdout
    assert contents(run) == contents(finished)
    refused(command("train --resume --tau 0.2", *again), "tau = 0.1, not 0.2")
    refused(command("train --resume --overwrite", *again), "exclude each other")
    assert contents(run) == contents(finished)


def test_a_finished_run_goes_on_for_more_epochs(command, run):
    longer = command("train --resume --max-epochs 6", "--out", run)
    assert longer.returncode == 0 and "after epoch 4" in longer.stdout
    assert "finished already" not in longer.stdout
    assert saved_config(run)["max_epochs"] == 6 and len(history(run)) == 6


def test_resume_without_a_run_is_refused(call, ratings, tmp_path):
    done = call("train --resume", "--data", ratings, *QUICK, "--out", tmp_path / "typo")
    refused(done, f"no run to resume in {tmp_path / 'typo'}; check --out")
    assert not list(tmp_path.iterdir())


def test_a_damaged_run_is_named(call, run):
    whole = (run / "checkpoint.npz").read_bytes()
    (run / "checkpoint.npz").write_bytes(whole[: len(whole) // 2])
    evaluate, resume = ("evaluate", "--run", run), ("train --resume", "--out", run)
    refused(call(*evaluate), run / "checkpoint.npz", "not a whole checkpoint")
    refused(call(*resume), run / "checkpoint.npz", "--overwrite")
    for text, message in (('{"K": 2', "damaged"), ('{"Q": 2}', "unknown option 'Q'")):
        (run / "config.json").write_text(text)
        refused(call(*evaluate), run / "config.json", message)


# Killed, interrupted, out of disk


DYING = """
import os, sys
from macrid import npz, terminal, train
place, at = sys.argv[1], int(sys.argv[2])
seen = 0
class Dying(npz.zipfile.ZipFile):
    def __exit__(self, *exception):
        global seen
        file = self.fp
        super().__exit__(*exception)
        seen += self.mode == "w"
        if place == "half" and seen == at:  # die in the middle of writing a checkpoint
            file.truncate(file.tell() // 2)
            file.flush()
            os.kill(os.getpid(), 9)
replace = os.replace
def dying_replace(source, target):
    replace(source, target)
    if place == "after" and seen == at and target.name == "checkpoint.npz":
        os.kill(os.getpid(), 9)
    if place == "before history" and seen == at and target.name == "history.jsonl":
        os.kill(os.getpid(), 9)
npz.zipfile.ZipFile, os.replace = Dying, dying_replace
sys.exit(terminal.run(train.main, sys.argv[3:]))
"""


@pytest.mark.parametrize(
    "place, at", [("half", 1), ("half", 3), ("after", 2), ("before history", 2), ("after", 4)]
)
def test_killed_at_the_worst_moments_of_saving_and_resumed(
    command, ratings, finished, tmp_path, place, at
):
    """Killed while, just before or just after it saves, a run ends as an undisturbed one, bit for
    bit.
    """
    train = ("--data", ratings, *QUICK, "--quiet", "--out", tmp_path / "run")
    words = [sys.executable, "-c", DYING, place, at, *train]
    assert subprocess.run(list(map(str, words)), cwd=ROOT).returncode == -signal.SIGKILL
    resumed = command("train --resume", "--out", tmp_path / "run")
    assert resumed.returncode == 0, resumed.stderr
    assert contents(tmp_path / "run") == contents(finished)
    assert not list((tmp_path / "run").glob("*.part"))


def start(ratings, out, *more):
    words = [sys.executable, "-m", "macrid.train", "--data", ratings, *ENDLESS, "--out", out, *more]
    return subprocess.Popen(list(map(str, words)), cwd=ROOT, stderr=subprocess.PIPE, text=True)


def wait_for_epochs(out, epochs):
    while not (out / "history.jsonl").exists() or len(history(out)) < epochs:
        time.sleep(0.01)


@pytest.mark.long
def test_killed_at_random_moments_and_resumed(command, ratings, tmp_path, rng):
    for attempt in range(4):
        process = start(ratings, tmp_path / "run", "--quiet", *(["--resume"] * (attempt > 0)))
        wait_for_epochs(tmp_path / "run", 5 * attempt + 1)
        time.sleep(rng.random() * 0.1)
        process.kill()
        process.communicate()
    last = ("--max-epochs", len(history(tmp_path / "run")) + 3, "--quiet")
    assert command("train --resume", "--out", tmp_path / "run", *last).returncode == 0
    whole = ("--data", ratings, *ENDLESS, *last, "--out", tmp_path / "whole")
    assert command("train", *whole).returncode == 0
    assert contents(tmp_path / "run")[:2] == contents(tmp_path / "whole")[:2]
    resumed, undisturbed = contents(tmp_path / "run")[2], contents(tmp_path / "whole")[2]
    undisturbed.pop("description")  # it says how often the training was begun
    assert all(resumed[name] == values for name, values in undisturbed.items())


@pytest.mark.parametrize(
    "sent, status", [(signal.SIGINT, 2), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_ctrl_c_leaves_a_resumable_run(command, ratings, tmp_path, sent, status):
    run = tmp_path / "run"
    process = start(ratings, run, "--quiet")
    wait_for_epochs(run, 2)
    process.send_signal(sent)
    _, errors = process.communicate()
    assert process.returncode == status and errors.count("\n") == 1
    assert not list(run.glob("*.part")) and not list(run.glob(".*"))
    assert f"interrupted; continue with: python -m macrid.train --resume --out {run}" in errors
    assert command("train --resume --max-epochs 3 --quiet", "--out", run).returncode == 0


LIMITED = """
import resource, signal, sys
from macrid import terminal, train
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
sys.exit(terminal.run(train.main, sys.argv[1:]))
"""


def test_a_full_disk_leaves_the_last_checkpoint(run):
    """A file-size limit stands in for a full disk: the write fails, the old files stay whole."""
    before = (run / "checkpoint.npz").read_bytes()
    words = [sys.executable, "-c", LIMITED, "--resume", "--out", run, "--max-epochs", "9"]
    process = subprocess.run([*words, "--quiet"], capture_output=True, text=True, cwd=ROOT)
    remedy = f"continue with: python -m macrid.train --resume --out {run}"
    refused(process, run / "checkpoint.npz", "File too large", "free space", remedy)
    assert (run / "checkpoint.npz").read_bytes() == before and not list(run.glob("*.part"))


def test_output_that_cannot_be_written_is_told(finished):
    words = [sys.executable, "-m", "macrid.evaluate", "--run", finished]
    options = {"text": True, "cwd": ROOT, "env": {**os.environ, "PYTHONUNBUFFERED": ""}}
    with open("/dev/full", "w") as full:
        ended = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, **options)
    refused(ended, "No space left", "free space")


# Data that move


@pytest.fixture
def home(command, ratings, tmp_path):
    """A folder home/ with a run in it that was made there by relative paths; away/ and new/ are
    empty.
    """
    for name in ("home", "away", "new"):
        (tmp_path / name).mkdir()
    home = tmp_path / "home"
    (home / "r.csv").write_bytes(ratings.read_bytes())
    kinds = "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40))
    (home / "kinds.csv").write_text("item,kind\n" + kinds)
    options = "--data r.csv --categories kinds.csv:kind --category-weight 0.1 --quiet --out run"
    assert command(f"train {options}", *QUICK, cwd=home).returncode == 0
    return home


def test_a_run_holds_from_any_folder(call, home):
    here, there = (
        call("evaluate", "--run", run, cwd=home.parent / folder)
        for run, folder in (("run", "home"), ("../home/run", "away"))
    )
    assert here.returncode == 0 and there.stdout == here.stdout, here.stderr + there.stderr


def test_data_that_moved_are_missed_and_named_anew(call, home):
    at = {"cwd": home.parent / "away"}
    figures = call("evaluate --run ../home/run", **at).stdout
    for name in ("r.csv", "kinds.csv"):
        (home / name).rename(home.parent / "new" / name)
    remedy = "--resume --out ../home/run --data PATH --categories FILE:kind"
    for name in ("evaluate --run", "train --resume --out"):
        refused(call(f"{name} ../home/run", **at), home / "r.csv", remedy)
    moved = "train --resume --out ../home/run --quiet --data ../new/r.csv --categories ../new"
    refused(call(f"{moved}/kinds.csv:other", **at), "was made with categories")
    assert call(f"{moved}/kinds.csv:kind", **at).returncode == 0
    assert call("evaluate --run home/run", cwd=home.parent).stdout == figures


def test_relative_paths_in_a_run_as_they_were_once(call, home):
    at = {"cwd": home.parent / "away"}
    figures = call("evaluate --run ../home/run", **at).stdout
    written = (home / "run" / "config.json").read_text()
    (home / "run" / "config.json").write_text(written.replace(str(home), "../home"))
    assert call("evaluate --run ../home/run", **at).stdout == figures
    resumed = call("train --resume --quiet --out ../home/run --data ../home/r.csv", **at)
    assert resumed.returncode == 0, resumed.stderr


# Mistakes


@pytest.mark.parametrize(
    "name",
    [
        "recommend",
        "report",
        "control --item 3",
        "features --pictures nowhere",
        "train --data nowhere",
        "figures",
        "tune --data nowhere",
        "reproduce table2 --data nowhere",
    ],
)
def test_out_is_looked_at_before_all_else(call, tmp_path, name):
    """Of all that is wrong here, a run or data that are not there too, the place that cannot be
    written is told.
    """
    first = name.split()[0]
    if first in ("recommend", "report", "control", "figures"):
        name += " --run nowhere"
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.png").mkdir()
    if first in ("train", "figures", "tune", "reproduce"):
        places = {"file": "is a file; give --out a folder", "file/x": "file: is a file"}
    else:
        places = {"folder.png": "folder.png: is a folder", "no/x.png": "no: is no folder; make it"}
    places["/proc/x.png"] = "/proc: cannot be written into"
    for place, message in places.items():
        refused(call(name, "--out", place, cwd=tmp_path), message)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.png"]
    assert (tmp_path / "file").read_text() == "mine"


PAIRS = "".join(f"u{u},i{i}\n" for u in range(6) for i in range(6))
BAD_DATA = {
    "a rating": ("user,item,rating\n1,2,good\n", "", ["bad.csv, line 2", "'good' is not a number"]),
    "few users": (PAIRS, "", ["6 users are left, too few", "min_user_items"]),
    "no rating": (PAIRS, "--min-rating 4", ["bad.csv", "no rating", "--columns USER,ITEM,RATING"]),
}


@pytest.mark.parametrize("text, words, messages", BAD_DATA.values(), ids=BAD_DATA)
def test_bad_data_are_one_line(call, tmp_path, text, words, messages):
    (tmp_path / "bad.csv").write_text(text)
    train = ("--data", tmp_path / "bad.csv", "--out", tmp_path / "run")
    refused(call(f"train {words}", *train), *messages)
    assert not (tmp_path / "run").exists(), "data are read before a folder is made"


BAD_OPTIONS = {
    "adoptions": ("--min-user-items 99", ["ratings.csv", "no user has 99 adoptions"]),
    "concepts": ("--K 1000", ["K is 1000", "40 items"]),
    "no number": ("--K many", ["--K: invalid int value: 'many'; expected a whole number"]),
    "a comma": ("--beta 0,2", ["'0,2'; expected a number such as 0.5 (see --help)"]),
    "a word": ("--linear-path chose", ["'chose', expected a number or 'chosen'"]),
    "one dash": ("-K 3", ["unrecognized arguments: -K 3; did you mean --K?"]),
    "a flag in a file": ("--config f.toml", ["f.toml: faithful is no option", "--faithful"]),
    "out of range": ("--tau 0", ["tau is 0.0, expected at least"]),
    "unknown": ("--concepts 3", ["--concepts", "see --help"]),
    "in small": ("--k 3", ["unrecognized arguments: --k 3; did you mean --K?"]),
    "in short": ("--epochs=3", ["--epochs=3; did you mean --max-epochs?"]),
    "a split": ("--split half", ["split is 'half'"]),
    "no categories": ("--category-weight 1", ["ratings.csv) has no categories; give categories"]),
    "no data": ("--data none.csv", ["none.csv", "No such file"]),
    "not of the shop": ("--data shop --min-rating 3", ["min_rating is given", "--data FILE"]),
    "in a file": ("--config c.toml", ["c.toml", "did you mean max_epochs?"]),
}


@pytest.mark.parametrize("words, messages", BAD_OPTIONS.values(), ids=BAD_OPTIONS)
def test_a_bad_option_is_one_line(call, ratings, tmp_path, words, messages):
    (tmp_path / "c.toml").write_text("K = 3\nmax_epoch = 1\n")
    (tmp_path / "f.toml").write_text("faithful = true\n")
    done = call("train --data", ratings, "--out", "run", *words.split(), cwd=tmp_path)
    refused(done, *messages)
    assert not (tmp_path / "run").exists()


def test_a_file_without_its_flag_is_one_line(call, ratings):
    refused(call("train", ratings), f"did you mean --data {ratings}?")


def test_a_run_that_is_not_there(call, tmp_path):
    refused(call("evaluate --run", tmp_path), tmp_path, "is this a run folder?")


def test_folders_that_cannot_be_used(call, ratings, tmp_path):
    (tmp_path / "file").write_text("mine")
    refused(call("train", "--data", ratings, "--out", tmp_path / "file"), "is a file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    done = call("train", "--data", ratings, "--out", tmp_path / "full")
    refused(done, "holds 'thesis.tex' but no run")
    assert (tmp_path / "full" / "thesis.tex").read_text() == "mine"


def test_a_read_only_folder(call, ratings, tmp_path):
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o500)
    if os.access(tmp_path / "locked", os.W_OK):
        pytest.skip("this user may write anywhere; the test above covers the message")
    done = call("train", "--data", ratings, "--out", tmp_path / "locked" / "run")
    refused(done, "locked", "permissions")


# The shop, and what commands say of themselves


def test_without_data_it_trains_on_the_shop(shop_run):
    """A table beside popularity and EASE, what the truth says, and where the run lies."""
    printed = (shop_run.parents[1] / "printed").read_text()
    for words in ("2,000 users, 1,500 items", "macrid - EASE", "macrid - popularity"):
        assert words in printed
    for words in ("macro ", "micro ", "saved     runs/shop"):
        assert words in printed
    metrics = json.loads((shop_run / "metrics.json").read_text())
    assert metrics.keys() >= {"validation", "test", "baselines", "macro", "intentions"}


@pytest.mark.long
def test_the_main_job_finds_what_the_shop_was_made_of(command, tmp_path):
    trained = command("train --quiet", cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    metrics = json.loads((tmp_path / "runs/shop/metrics.json").read_text())
    ours = metrics["test"]["ndcg@100"]["mean"]
    popularity = metrics["baselines"]["popularity"]["ndcg@100"]["mean"]
    assert ours > 0.33 and ours > popularity + 0.2
    assert metrics["macro"]["accuracy"] > 0.98 and metrics["macro"]["largest"] < 0.2
    assert metrics["intentions"]["mean"] > 0.95


def test_figures_writes_the_contact_sheet(command, tmp_path):
    written = command("figures", "--out", tmp_path / "new" / "figures")
    assert written.returncode == 0, written.stderr
    with Image.open(written.stdout.strip()) as picture:
        assert picture.size == (1430, 1210)
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 1000


COMMANDS = [
    path.stem
    for path in sorted((ROOT / "macrid").glob("[a-z]*.py"))
    if "terminal.run(main)" in path.read_text()
]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(command, name):
    shown = command(name, "--help")
    assert shown.returncode == 0 and f"example:\n  python -m macrid.{name}" in shown.stdout


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The console script as pip makes it of setup.py; this copy of the package is on its path."""
    line = re.search(
        r'"console_scripts": \["macrid = (.+):(.+)"\]', (ROOT / "setup.py").read_text()
    )
    path = tmp_path_factory.mktemp("bin") / "macrid"
    text = (
        f"#!{sys.executable}\nimport sys\nfrom {line[1]} import {line[2]}\nsys.exit({line[2]}())\n"
    )
    path.write_text(text)
    path.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(*words):  # in a folder without runs of a user's
        called = [path, *map(str, words)]
        options = {"capture_output": True, "text": True, "env": environment}
        return subprocess.run(called, cwd=path.parent, **options)

    return run


def test_macrid_lists_the_commands_in_a_line_each(script, command):
    listed = script("--help")
    lines = [line.split(maxsplit=1) for line in listed.stdout.splitlines()[2:-2]]
    assert [name for name, does in lines if does] == sorted(COMMANDS)
    assert max(map(len, listed.stdout.splitlines())) <= 100
    assert script().stdout == listed.stdout == command("__main__").stdout
    assert re.fullmatch(r"macrid \d+\.\d+\.\d+\n", script("--version").stdout)


def test_macrid_calls_a_command(script, ratings, finished, tmp_path):
    done = script("train", "--quiet", "--data", ratings, *QUICK, "--out", tmp_path / "run")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert contents(tmp_path / "run") == contents(finished)
    refused(script("train", "--K", 0), "K is 0")
    refused(script("tarin"), "no command 'tarin'; did you mean train?")
    refused(script("1"), "known are control, doctor")


# A table of items


def test_a_run_with_a_table_of_items(command, ratings, tmp_path):
    table, run = tmp_path / "items.csv", tmp_path / "run"
    lines = [f"{i},Thing {i},{'A > B' if i % 2 else 'A > C'},{i}.5" for i in range(200)]
    table.write_text("\n".join(["item,title,category,price", *lines]))
    words = ("--data", ratings, *QUICK, "--out", run)
    done = command("train --items items.csv", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "have a row" in done.stdout and "categories of level 2" in done.stdout
    table.rename(tmp_path / "moved.csv")
    rows = command("recommend --titles --n 1", "--run", run).stdout.splitlines()
    assert rows[0] == "user,item,rank,score,by,title"
    assert all(row.split(",")[5] == f"Thing {row.split(',')[1]}" for row in rows[1:])
    assert "title" not in command("recommend --no-titles --n 1", "--run", run).stdout
    lines = [f"n{i},New {i},{'A > B' if i % 2 else 'A > C'},{i}.5" for i in range(50)]
    (tmp_path / "new.csv").write_text("\n".join(["item,title,category,price", *lines]))
    done = command("recommend --n 70 --add-items new.csv", "--run", run, cwd=tmp_path)
    assert ",New 7\n" in done.stdout and ",Thing 7\n" in done.stdout, done.stderr
    refused(command("recommend --features x", "--run", run), "without --add-items; leave it out")
    refused(command("evaluate", "--run", run), "items.csv: is not there", "--items FILE")
    done = command("train --quiet --resume --items moved.csv", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Thing" in command("evaluate --concepts", "--run", run).stdout


def test_titles_are_asked_of_a_run_without_any(command, run):
    refused(command("recommend --titles", "--run", run), "has no titles; train with --items FILE")


def test_the_shop_refuses_a_table_of_items(command, tmp_path):
    done = command("train --items items.csv", "--out", tmp_path / "run")
    refused(done, "items is given, but the shop has", "leave it out")
