"""Commands as a user runs them: real processes, real files, real signals."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT, contents, refused

QUICK = (
    "--K",
    2,
    "--d",
    8,
    "--hidden-units",
    8,
    "--batch-size",
    20,
    "--max-epochs",
    4,
    "--seed",
    1,
)


def test_train_then_evaluate(command, ratings, tmp_path):
    trained = command("train", "--data", ratings, *QUICK, "--out", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr
    assert (
        "60 users" in trained.stdout
        and "dropped:" in trained.stdout
        and "ndcg@100" in trained.stdout
    )
    assert trained.stderr == "", "progress bars are silent where no terminal reads them"
    run = tmp_path / "run"
    assert sorted(os.listdir(run)) == [
        "checkpoint.npz",
        "config.json",
        "history.jsonl",
        "metrics.json",
        "model.npz",
    ]
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["ndcg@100"].keys() == {"mean", "stderr", "users", "left_out"}
    assert json.loads((run / "config.json").read_text())["K"] == 2
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]
    assert history[0].keys() >= {
        "loss",
        "reconstruction",
        "kl",
        "categorical",
        "beta",
        "validation_ndcg@100",
    }

    evaluated = command("evaluate", "--run", run, "--at", 3, 100)
    assert evaluated.returncode == 0 and "recall@3" in evaluated.stdout
    assert (
        f"{metrics['test']['ndcg@100']['mean']:.4f} ± {metrics['test']['ndcg@100']['stderr']:.4f}"
        in evaluated.stdout
    )
    assert (
        command("train", "--data", ratings, *QUICK, "--out", tmp_path / "quiet", "--quiet").stdout
        == ""
    )
    assert contents(tmp_path / "quiet") == contents(run)


def test_toml_and_flags_together(command, ratings, tmp_path):
    (tmp_path / "c.toml").write_text(f'data = "{ratings}"\nK = 3\nd = 8\nmax_epochs = 1\n')
    assert (
        command(
            "train", "--config", tmp_path / "c.toml", "--K", 2, "--out", tmp_path / "run", "--quiet"
        ).returncode
        == 0
    )
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (saved["K"], saved["d"], saved["data"]) == (2, 8, str(ratings))


def test_a_run_is_not_overwritten_unless_asked(command, ratings, tmp_path):
    arguments = ("train", "--data", ratings, *QUICK, "--out", tmp_path / "run", "--quiet")
    assert command(*arguments).returncode == 0
    before = contents(tmp_path / "run")
    refused(command(*arguments), tmp_path / "run", "finished run", "--overwrite")
    assert contents(tmp_path / "run") == before
    assert command(*arguments, "--resume").returncode == 0 and contents(tmp_path / "run") == before
    assert (
        command(*arguments, "--overwrite").returncode == 0 and contents(tmp_path / "run") == before
    )
    refused(command(*arguments, "--resume", "--tau", 0.2), "tau = 0.1, not 0.2")
    refused(command(*arguments, "--resume", "--overwrite"), "exclude each other")
    longer = command("train", "--out", tmp_path / "run", "--resume", "--max-epochs", 6)
    assert longer.returncode == 0 and "after epoch 4" in longer.stdout
    assert json.loads((tmp_path / "run" / "config.json").read_text())["max_epochs"] == 6
    assert len((tmp_path / "run" / "history.jsonl").read_text().splitlines()) == 6


SLOWED = """
import os, sys, time
from macrid import files, terminal, train
place, at = sys.argv[1], int(sys.argv[2])
seen = 0
class Dying(files.zipfile.ZipFile):
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
def slow_replace(source, target):
    replace(source, target)
    if place == "after" and seen == at and target.name == "checkpoint.npz":
        os.kill(os.getpid(), 9)
    if place == "before history" and seen == at and target.name == "history.jsonl":
        os.kill(os.getpid(), 9)
files.zipfile.ZipFile, os.replace = Dying, slow_replace
sys.exit(terminal.run(train.main, sys.argv[3:]))
"""


@pytest.mark.parametrize(
    "place, at", [("half", 1), ("half", 3), ("after", 2), ("before history", 2), ("after", 4)]
)
def test_killed_at_the_worst_moments_of_saving_and_resumed(command, ratings, tmp_path, place, at):
    """A run killed while, just before or just after it saves ends as an undisturbed one, bit for
    bit.
    """
    arguments = [str(word) for word in ("--data", ratings, *QUICK, "--quiet")]
    assert command("train", *arguments, "--out", tmp_path / "whole").returncode == 0
    words = [
        sys.executable,
        "-c",
        SLOWED,
        place,
        str(at),
        *arguments,
        "--out",
        str(tmp_path / "run"),
    ]
    killed = subprocess.run(words, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    resumed = command("train", "--resume", "--out", tmp_path / "run")
    assert resumed.returncode == 0, resumed.stderr
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")
    assert not list((tmp_path / "run").glob("*.part"))


def start(ratings, out, *more):
    words = [
        sys.executable,
        "-m",
        "macrid.train",
        "--data",
        ratings,
        *QUICK[:-4],
        "--max-epochs",
        3000,
        "--patience",
        3000,
        "--out",
        out,
        *more,
    ]
    return subprocess.Popen(
        [str(word) for word in words],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_epochs(out, epochs):
    while (
        not (out / "history.jsonl").exists()
        or len((out / "history.jsonl").read_text().splitlines()) < epochs
    ):
        time.sleep(0.01)


def test_killed_at_random_moments_and_resumed(command, ratings, tmp_path, rng):
    for attempt in range(4):
        process = start(ratings, tmp_path / "run", "--quiet", *(["--resume"] * (attempt > 0)))
        wait_for_epochs(tmp_path / "run", 5 * attempt + 1)
        time.sleep(rng.random() * 0.1)
        process.kill()
        process.communicate()
    epochs = len((tmp_path / "run" / "history.jsonl").read_text().splitlines()) + 3
    assert (
        command(
            "train", "--resume", "--out", tmp_path / "run", "--max-epochs", epochs, "--quiet"
        ).returncode
        == 0
    )
    arguments = (
        "--data",
        ratings,
        *QUICK[:-4],
        "--patience",
        3000,
        "--max-epochs",
        epochs,
        "--quiet",
    )
    assert command("train", *arguments, "--out", tmp_path / "whole").returncode == 0
    assert contents(tmp_path / "run")[:2] == contents(tmp_path / "whole")[:2]
    ours, theirs = contents(tmp_path / "run")[2], contents(tmp_path / "whole")[2]
    assert all(ours[name] == theirs[name] for name in theirs if name != "description")


def test_ctrl_c_leaves_a_resumable_run(command, ratings, tmp_path):
    process = start(ratings, tmp_path / "run", "--quiet")
    wait_for_epochs(tmp_path / "run", 2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 2 and errors.count("\n") == 1
    assert (
        f"interrupted; continue with: python -m macrid.train --resume --out {tmp_path / 'run'}"
        in errors
    )
    assert (
        command(
            "train", "--resume", "--out", tmp_path / "run", "--max-epochs", 3, "--quiet"
        ).returncode
        == 0
    )


def test_resume_without_a_run_is_refused(command, ratings, tmp_path):
    refused(
        command("train", "--data", ratings, *QUICK, "--out", tmp_path / "typo", "--resume"),
        f"no run to resume in {tmp_path / 'typo'}; check --out",
    )
    assert not list(tmp_path.iterdir())


def test_a_run_holds_from_any_folder_and_its_data_may_move(command, ratings, tmp_path):
    for name in ("home", "away", "new"):
        (tmp_path / name).mkdir()
    (tmp_path / "home" / "r.csv").write_bytes(ratings.read_bytes())
    (tmp_path / "home" / "kinds.csv").write_text(
        "item,kind\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40))
    )
    options = (
        "--data",
        "r.csv",
        "--categories",
        "kinds.csv:kind",
        "--category-weight",
        0.1,
        *QUICK,
    )
    assert (
        command("train", *options, "--out", "run", "--quiet", cwd=tmp_path / "home").returncode == 0
    )
    away = {"cwd": tmp_path / "away"}
    figures = command("evaluate", "--run", "../home/run", **away)
    assert figures.returncode == 0, figures.stderr
    for name in ("r.csv", "kinds.csv"):
        (tmp_path / "home" / name).rename(tmp_path / "new" / name)
    for name in ("evaluate --run", "train --resume --out"):
        gone = command(*name.split(), "../home/run", **away)
        refused(
            gone,
            tmp_path / "home" / "r.csv",
            "--resume --out ../home/run --data PATH --categories FILE:kind",
        )
    moved = (
        "train",
        "--resume",
        "--out",
        "../home/run",
        "--quiet",
        "--data",
        "../new/r.csv",
        "--categories",
    )
    refused(command(*moved, "../new/kinds.csv:other", **away), "was made with categories")
    assert command(*moved, "../new/kinds.csv:kind", **away).returncode == 0
    assert command("evaluate", "--run", "home/run", cwd=tmp_path).stdout == figures.stdout
    written = (tmp_path / "home" / "run" / "config.json").read_text()
    (tmp_path / "home" / "run" / "config.json").write_text(
        written.replace(str(tmp_path / "new"), "../new")
    )  # as runs had it once
    assert command("evaluate", "--run", "../home/run", **away).stdout == figures.stdout
    assert (
        command(
            "train", "--resume", "--out", "../home/run", "--data", "../new/r.csv", "--quiet", **away
        ).returncode
        == 0
    )


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
def test_out_is_looked_at_before_all_else(command, tmp_path, name):
    """Of all that is wrong here, a run or data that are not there too, the place that cannot be
    written is told.
    """
    words = name.split() + (
        ["--run", "nowhere"]
        if name.split()[0] in ("recommend", "report", "control", "figures")
        else []
    )
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.png").mkdir()
    takes_folder = words[0] in ("train", "figures", "tune", "reproduce")
    places = (
        {"file": "is a file; give --out a folder", "file/x": "file: is a file"}
        if takes_folder
        else {"folder.png": "folder.png: is a folder", "no/x.png": "no: is no folder; make it"}
    )
    for place, told in (places | {"/proc/x.png": "/proc: cannot be written into"}).items():
        refused(command(*words, "--out", place, cwd=tmp_path), told)
    assert (
        sorted(os.listdir(tmp_path)) == ["file", "folder.png"]
        and (tmp_path / "file").read_text() == "mine"
    )


def test_bad_input_is_one_line_with_status_2(command, ratings, tmp_path):
    train = ("train", "--out", tmp_path / "run", "--data")
    (tmp_path / "bad.csv").write_text("user,item,rating\n1,2,good\n")
    refused(
        command(*train, tmp_path / "bad.csv"),
        tmp_path / "bad.csv",
        "line 2",
        "'good' is not a number",
    )
    refused(command(*train, tmp_path / "none.csv"), tmp_path / "none.csv", "No such file")
    refused(command(*train, ratings, "--min-user-items", 99), ratings, "no user has 99 adoptions")
    assert not (tmp_path / "run").exists(), "data is read before a folder is made"
    refused(command(*train, ratings, "--K", 1000), "K is 1000", "40 items")
    refused(command(*train, ratings, "--K", "many"), "--K", "see --help")
    refused(command(*train, ratings, "--tau", 0), "tau is 0.0, expected at least")
    refused(command(*train, ratings, "--concepts", 3), "--concepts", "see --help")
    refused(command(*train, ratings, "--split", "half"), "split is 'half'")
    assert not (tmp_path / "run").exists()
    refused(
        command("train", "--min-rating", 3, "--out", tmp_path / "run"),
        "min_rating is given, but the shop",
        "--data FILE",
    )
    (tmp_path / "pairs.csv").write_text("".join(f"u{u},i{i}\n" for u in range(6) for i in range(6)))
    refused(command(*train, tmp_path / "pairs.csv"), "6 users are left, too few", "min_user_items")
    refused(
        command(*train, tmp_path / "pairs.csv", "--min-rating", 4),
        tmp_path / "pairs.csv",
        "no rating",
        "--columns USER,ITEM,RATING",
    )
    refused(
        command(*train, ratings, "--category-weight", 1),
        "ratings.csv) has no categories; give categories (--categories COLUMN",
    )
    (tmp_path / "c.toml").write_text("K = 3\nmax_epoch = 1\n")
    refused(
        command("train", "--config", tmp_path / "c.toml", "--out", tmp_path / "run"),
        tmp_path / "c.toml",
        "did you mean max_epochs?",
    )
    assert not (tmp_path / "run").exists()
    refused(
        command("evaluate", "--run", tmp_path / "nowhere"),
        tmp_path / "nowhere",
        "is this a run folder?",
    )


def test_folders_that_cannot_be_used(command, ratings, tmp_path):
    (tmp_path / "file").write_text("mine")
    refused(command("train", "--data", ratings, "--out", tmp_path / "file"), "is a file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    refused(
        command("train", "--data", ratings, "--out", tmp_path / "full"),
        "holds 'thesis.tex' but no run",
    )
    assert (tmp_path / "full" / "thesis.tex").read_text() == "mine"


def test_a_read_only_folder(command, ratings, tmp_path):
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o500)
    if os.access(tmp_path / "locked", os.W_OK):
        pytest.skip(
            "this user may write anywhere; test_folders_that_cannot_be_used covers the message"
        )
    refused(
        command("train", "--data", ratings, "--out", tmp_path / "locked" / "run"),
        "locked",
        "permissions",
    )


def test_a_damaged_run_is_named(command, ratings, tmp_path):
    run = tmp_path / "run"
    assert command("train", "--data", ratings, *QUICK, "--out", run, "--quiet").returncode == 0
    whole = (run / "checkpoint.npz").read_bytes()
    (run / "checkpoint.npz").write_bytes(whole[: len(whole) // 2])
    refused(command("evaluate", "--run", run), run / "checkpoint.npz", "not a whole checkpoint")
    refused(command("train", "--resume", "--out", run), run / "checkpoint.npz", "--overwrite")
    (run / "config.json").write_text('{"K": 2')
    refused(command("evaluate", "--run", run), run / "config.json", "damaged")
    (run / "config.json").write_text('{"Q": 2}')
    refused(command("evaluate", "--run", run), run / "config.json", "unknown option 'Q'")


def test_without_arguments_it_does_the_main_job_on_the_shop(command, tmp_path):
    """The full model on the shop: a table beside popularity and EASE, what the truth says, and
    where the run lies.
    """
    trained = command("train", cwd=tmp_path)
    assert trained.returncode == 0 and trained.stderr == "", trained.stderr
    for words in (
        "2,000 users, 1,500 items",
        "macrid - EASE",
        "macrid - popularity",
        "macro ",
        "micro ",
        "saved     runs/shop",
    ):
        assert words in trained.stdout
    metrics = json.loads((tmp_path / "runs/shop/metrics.json").read_text())
    ours, theirs = (
        metrics["test"]["ndcg@100"]["mean"],
        metrics["baselines"]["popularity"]["ndcg@100"]["mean"],
    )
    assert ours > 0.33 and ours > theirs + 0.2
    assert (
        metrics["macro"]["accuracy"] > 0.98
        and metrics["macro"]["largest"] < 0.2
        and metrics["intentions"]["mean"] > 0.95
    )


def test_figures_writes_the_contact_sheet(command, tmp_path):
    from PIL import Image

    written = command("figures", "--out", tmp_path / "new" / "figures")
    assert written.returncode == 0, written.stderr
    with Image.open(written.stdout.strip()) as picture:
        assert (
            picture.size == (1430, 1210) and len(picture.convert("RGB").getcolors(1 << 24)) > 1000
        )


@pytest.mark.parametrize("name", ["train", "evaluate", "features", "figures", "tune"])
def test_help_has_an_example(command, name):
    shown = command(name, "--help")
    assert shown.returncode == 0 and f"example:\n  python -m macrid.{name}" in shown.stdout


def test_macrid_alone_lists_the_commands():
    package = ROOT / "macrid"
    listed = subprocess.run(
        [sys.executable, "-m", "macrid"], capture_output=True, text=True, cwd=package.parent
    )
    names = [
        line.split()[2].removeprefix("macrid.")
        for line in listed.stdout.splitlines()
        if line.startswith("python -m")
    ]
    assert set(names) == {
        path.stem for path in package.glob("[a-z]*.py") if "terminal.run(main)" in path.read_text()
    }
    refused(
        subprocess.run(
            [sys.executable, "-m", "macrid", "train"],
            capture_output=True,
            text=True,
            cwd=package.parent,
        ),
        "found 'train'",
    )


def test_output_that_cannot_be_written_is_told(command, ratings, tmp_path):
    assert (
        command("train", "--data", ratings, *QUICK, "--out", tmp_path / "run", "--quiet").returncode
        == 0
    )
    words = [sys.executable, "-m", "macrid.evaluate", "--run", tmp_path / "run"]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            words,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": ""},
        )
    refused(ended, "No space left", "free space")


def test_a_full_disk_leaves_the_last_checkpoint(command, ratings, tmp_path):
    """A file-size limit stands in for a full disk: the write fails, the old files stay whole."""
    run = tmp_path / "run"
    assert command("train", "--data", ratings, *QUICK, "--out", run, "--quiet").returncode == 0
    before = (run / "checkpoint.npz").read_bytes()
    limited = (
        "import resource, signal, sys; from macrid import terminal,"
        " train;signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));sys.exit(terminal.run(train.main,"
        " sys.argv[1:]))"
    )
    words = [
        sys.executable,
        "-c",
        limited,
        "--resume",
        "--out",
        run,
        "--max-epochs",
        "9",
        "--quiet",
    ]
    process = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    refused(
        process,
        run / "checkpoint.npz",
        "File too large",
        "free space",
        f"continue with: python -m macrid.train --resume --out {run}",
    )
    assert (run / "checkpoint.npz").read_bytes() == before and not list(run.glob("*.part"))
