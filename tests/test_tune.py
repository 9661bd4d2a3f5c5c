"""The search for options: what it draws, that it can be stopped, shared and trusted; and that it
never learns of test users.
"""

import csv
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import ROOT, refused
from tqdm import tqdm

from macrid import config, data, tune
from macrid.data import splits
from macrid.errors import UserError
from macrid.experiments import search
from macrid.terminal import run as run_command
from macrid.training import fit

optuna = pytest.importorskip("optuna")
QUIET = lambda *lines: None
QUICK = ("--d", 4, "--max-epochs", 3, "--batch-size", 100, "--item-dropout", 0, "--quiet")


def trials(folder):
    """The rows of trials.csv without what a clock says."""
    with open(folder / "trials.csv", newline="") as file:
        return [
            {name: value for name, value in row.items() if name != "seconds"}
            for row in csv.DictReader(file)
        ]


def start(*arguments):
    words = [sys.executable, "-m", "macrid.tune", *map(str, arguments)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.fixture
def tuned(capsys):
    """`python -m macrid.tune` without the time it takes to start Python."""

    def run(*arguments):
        status = run_command(tune.main, [str(word) for word in arguments])
        return SimpleNamespace(returncode=status, stderr=capsys.readouterr().err)

    return run


@pytest.fixture(scope="module")
def searched(tmp_path_factory, ratings):
    """Thirteen trials at one go: three after the random ones."""
    folder = tmp_path_factory.mktemp("searched") / "new"
    process = start("--data", ratings, *QUICK, "--trials", 13, "--figure", "--out", folder)
    assert process.communicate()[1] == "" and process.returncode == 0
    return folder


def test_every_trial_lies_in_the_papers_space(searched):
    rows = trials(searched)
    assert [row["trial"] for row in rows] == [str(n) for n in range(13)]
    widths = 0
    for row in rows:
        layers = int(row["hidden_layers"])
        for name, (low, high, kind) in search.SPACE.items():
            if name in search.OF_LAYERS and layers == 0:
                assert row[name] == "", "no layer, no width and no dropout"
                continue
            value = float(row[name])
            assert low <= value <= high and (not isinstance(kind, int) or (value - low) % kind == 0)
        widths += layers > 0
        assert (
            0 < float(row["validation_ndcg@100"]) < 1
            and 1 <= int(row["best_epoch"]) <= int(row["epochs"]) <= 3
        )
    assert 0 < widths < 13 and len({row["sigma0"] for row in rows}) == 13


def test_the_first_trial_is_that_of_no_search(searched, command, ratings, tmp_path):
    first, second = trials(searched)[:2]
    alone = (*QUICK, "--linear-path", 0)  # a search is for the model
    assert command("train", "--data", ratings, *alone, "--out", tmp_path / "run").returncode == 0
    saved = json.loads((tmp_path / "run/config.json").read_text())
    for name in set(search.SPACE) - set(search.OF_LAYERS):
        assert float(first[name]) == saved[name] != float(second[name])
    assert saved["averaging"] != config.Config().averaging, "the data chose"
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["validation"]["ndcg@100"]["mean"] == float(first["validation_ndcg@100"])


def test_train_takes_the_best_as_it_is(command, ratings, searched, tmp_path):
    """And comes to the very figure that was found."""
    best = max(trials(searched), key=lambda row: float(row["validation_ndcg@100"]))
    words = ("--config", searched / "best.toml", "--linear-path", 0, "--out", tmp_path / "run")
    trained = command("train --quiet", *words)
    assert trained.returncode == 0, trained.stderr
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["validation"]["ndcg@100"]["mean"] == float(best["validation_ndcg@100"])
    saved = json.loads((tmp_path / "run/config.json").read_text())
    assert (saved["data"], saved["d"], str(saved["K"]), str(saved["beta"])) == (
        str(ratings),
        4,
        best["K"],
        best["beta"],
    )


def test_the_figure(searched):
    from PIL import Image

    with Image.open(searched / "search.png") as picture:
        assert picture.width > 1200 and len(picture.convert("RGB").getcolors(1 << 24)) > 100


@pytest.mark.long
def test_a_second_call_adds_what_is_missing_and_ends_where_one_call_would(
    command, ratings, searched, tmp_path
):
    arguments = ("tune", "--data", ratings, *QUICK, "--out", tmp_path / "run", "--trials")
    assert command(*arguments, 6).returncode == 0
    first = (tmp_path / "run/trials.csv").read_text()
    assert command(*arguments, 13).returncode == 0
    whole = (tmp_path / "run/trials.csv").read_text()
    assert whole.startswith(first), "the first six were not trained again"
    assert trials(tmp_path / "run") == trials(searched)
    assert (
        command(*arguments, 13).returncode == 0
        and (tmp_path / "run/trials.csv").read_text() == whole
    )
    assert (tmp_path / "run/best.toml").read_text() == (searched / "best.toml").read_text()


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_of_a_trial(command, ratings, searched, tmp_path, how):
    """The trial that was cut off does not count, nor does it change what comes after."""
    process = start("--data", ratings, *QUICK, "--out", tmp_path / "run", "--trials", 500)
    while not ((tmp_path / "run/trials.csv").exists() and trials(tmp_path / "run")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(how)
    errors = process.communicate()[1]
    if how == signal.SIGINT:
        assert (
            process.returncode == 2
            and errors.startswith("error: interrupted after ")
            and errors.count("\n") == 1
        ), errors
    done = len(trials(tmp_path / "run"))
    assert 0 < done < 12
    again = command("tune", "--data", ratings, *QUICK, "--out", tmp_path / "run", "--trials", 13)
    assert again.returncode == 0, again.stderr
    assert trials(tmp_path / "run") == trials(searched)
    assert not list((tmp_path / "run").glob("*.part"))


@pytest.mark.long
def test_two_processes_at_once_share_a_study(ratings, tmp_path):
    """From an empty folder: both work, no trial is done twice, none too many."""
    options = "--d 4 --max-epochs 20 --patience 20 --quiet --trials 14".split()
    arguments = ("--data", ratings, *options, "--out", tmp_path / "run")
    both = [start(*arguments), start(*arguments)]
    for process in both:
        assert process.communicate()[1] == "" and process.returncode == 0
    study = optuna.load_study(
        study_name="macrid", storage=f"sqlite:///{tmp_path / 'run/trials.db'}"
    )
    counted = [trial for trial in study.trials if search.counts(trial)]
    assert len(counted) == 14 == len(trials(tmp_path / "run"))
    assert {trial.user_attrs["owner"][1] for trial in counted} == {process.pid for process in both}
    assert len({trial.params["beta"] for trial in counted}) == 14


def scrambled(path, source, users, rng):
    """A copy of a ratings file in which these users like other films, as many as before."""
    rows = [line.split(",") for line in source.read_text().splitlines()[1:]]
    for user in users:
        own = [row for row in rows if row[0] == user]
        for row, item in zip(own, rng.choice(40, len(own), replace=False)):
            row[1] = str(item)
    path.write_text("user,item,rating\n" + "".join(",".join(row) + "\n" for row in rows))


@pytest.mark.long
def test_test_users_have_no_say(command, ratings, searched, tmp_path, rng):
    """Other adoptions of theirs change nothing; those of validation users do."""
    found = data.load(str(ratings))
    parts = splits.split(found, "holdout", config.Config().split_seed)
    for name in ("test", "validation"):
        scrambled(
            tmp_path / f"{name}.csv", ratings, found.users[getattr(parts, name).users].tolist(), rng
        )
        goal = ("--trials", 13 if name == "test" else 2)
        source = ("--data", tmp_path / f"{name}.csv", "--out", tmp_path / name)
        done = command("tune", *source, *QUICK, *goal)
        assert done.returncode == 0, done.stderr
    assert trials(tmp_path / "test") == trials(searched)
    for ours, theirs in zip(trials(tmp_path / "validation"), trials(searched)):
        assert (
            ours["beta"] == theirs["beta"]
            and ours["validation_ndcg@100"] != theirs["validation_ndcg@100"]
        )


def study(tmp_path, name="one"):
    return search.open_study(f"sqlite:///{tmp_path / 'trials.db'}", name)


def scores(*values):
    """A training whose best validation figure after each epoch is one of `values`."""

    def train(trial, on_step, on_epoch):
        for epoch, value in enumerate(values, 1):
            on_epoch(fit.State({}, {}, {}, epoch=epoch, best_score=value))
        return fit.State({}, {}, {}, best_score=values[-1])

    return train


def test_a_hopeless_trial_is_pruned_and_a_failed_one_is_recorded(tmp_path):
    own = study(tmp_path)
    add = lambda train, goal: search.run(own, train, goal, 0, tqdm(disable=True), QUIET)

    def fails(trial, on_step, on_epoch):
        on_epoch(fit.State({}, {}, {}, epoch=1, best_score=0.9))
        raise UserError("the loss became nan in epoch 2\nand more")

    add(scores(*np.linspace(0.2, 0.4, 12)), search.RANDOM_TRIALS)
    add(scores(*np.linspace(0.1, 0.3, 12)), search.RANDOM_TRIALS + 1)
    add(fails, search.RANDOM_TRIALS + 2)
    add(scores(*np.linspace(0.2, 0.5, 12)), search.RANDOM_TRIALS + 3)
    *_, pruned, failed, best = search.rows(own)
    assert (pruned.state, pruned.epochs) == ("pruned", search.WARM_UP)
    assert (failed.state, failed.reason, failed.score) == (
        "failed",
        "the loss became nan in epoch 2",
        0.9,
    )
    assert (best.state, best.number, best.epochs) == ("complete", search.RANDOM_TRIALS + 2, 12)
    assert search.best_of(search.rows(own)) == best, "what failed is never the best"


def test_a_trial_far_behind_the_best_ends_early_from_the_second_on(tmp_path):
    own = study(tmp_path)
    add = lambda train, goal: search.run(own, train, goal, 0, tqdm(disable=True), QUIET)
    for goal, last in enumerate((0.4, 0.1, 0.3), 1):
        add(scores(*np.linspace(last / 2, last, 14)), goal)
    first, far_behind, behind = search.rows(own)
    assert (far_behind.state, far_behind.epochs) == ("pruned", search.WARM_UP)
    assert first.state == behind.state == "complete" and behind.epochs == 14
    add(scores(*np.linspace(0.1, 0.7, 20)), 4)
    assert search.rows(own)[-1].state == "complete", "one that begins slowly may still win"
    add(scores(*[0.36] * 30), 5)
    assert search.rows(own)[-1].state == "complete", "the best has 20 epochs, then it stays at .7"
    add(scores(*[0.34] * 30), 6)
    assert search.rows(own)[-1].state == "pruned"


def test_when_all_fail_the_first_reason_is_told(tuned, ratings, tmp_path):
    done = tuned(
        "--data", ratings, *QUICK, "--learning-rate", 1e30, "--trials", 2, "--out", tmp_path / "run"
    )
    refused(done, "none of 2 trials", "in epoch", "lower learning_rate")
    assert [row["state"] for row in trials(tmp_path / "run")] == ["failed", "failed"] and not (
        tmp_path / "run/best.toml"
    ).exists()


HOST, PARENT = socket.gethostname(), os.getppid()
LONG_AGO = datetime.now() - timedelta(seconds=2 * search.UNOWNED)


def is_counted(owner, since=LONG_AGO):
    """Does a trial count that is marked as running, and is so owned?"""
    attributes = {} if owner is None else {"owner": owner}
    running = SimpleNamespace(name="RUNNING")
    return search.counts(
        SimpleNamespace(state=running, user_attrs=attributes, datetime_start=since)
    )


@pytest.fixture(scope="module")
def owner(tmp_path_factory):
    """What this process writes into its trials."""
    owners = []

    def train(trial, on_step, on_epoch):
        owners.append(trial.study.trials[trial.number].user_attrs["owner"])
        on_epoch(fit.State({}, {}, {}, epoch=1, best_score=0.5))
        return fit.State({}, {}, {}, best_score=0.5)

    own = study(tmp_path_factory.mktemp("owner"))
    search.run(own, train, 1, 0, tqdm(disable=True), QUIET)
    return owners[0]


def test_who_is_at_work(owner):
    host, number, namespace, began, token = owner
    assert (host, number) == (HOST, os.getpid()) and is_counted(owner)
    assert is_counted([HOST, PARENT]), "as earlier versions wrote it"
    assert is_counted([HOST, PARENT, "", "", "another"])
    assert is_counted(["elsewhere", 1]), "of another machine only its heartbeat tells"
    assert is_counted([HOST, 1, "pid:[1]", "5", "another"]), "nor of another container"
    assert is_counted(None, datetime.now()) and not is_counted(None)


def test_who_is_not(owner):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    host, number, namespace, began, token = owner
    assert not is_counted([HOST, gone.pid])
    assert not is_counted([HOST, number]), "the number is ours now, as in a container started anew"
    assert not is_counted([HOST, number, namespace, began, "another"])
    if began:
        assert not is_counted([HOST, PARENT, namespace, "1", "another"]), "it began at another time"


@pytest.mark.parametrize(
    "since", [datetime.now() + timedelta(days=1), LONG_AGO, datetime.min, datetime.max, None]
)
def test_a_start_in_the_future_is_an_old_one(since):
    assert not is_counted(None, since)


@pytest.mark.parametrize(
    "owner",
    [5, "x", [], ["h"], [HOST, "1"], [HOST, -1], [HOST, True], [1, 2], {}, [HOST, 1, 2, 3, 4]],
)
def test_an_owner_that_nobody_wrote_is_none(owner):
    assert not is_counted(owner) and is_counted(owner, datetime.now())
    assert not is_counted([HOST, 10**30])


def test_a_trial_of_a_dead_machine_is_failed_also_where_the_goal_counts_it(tmp_path, monkeypatch):
    own = study(tmp_path)
    dead = own.ask()
    dead.set_user_attr("owner", ["elsewhere", 1])
    own._storage.record_heartbeat(dead._trial_id)
    assert search.count(own) == 1, "until its heartbeat stays away"
    monkeypatch.setattr(own._storage._backend, "grace_period", 1)
    time.sleep(2.1)
    search.run(own, scores(0.5), 1, 0, tqdm(disable=True), QUIET)
    assert [trial.state.name for trial in own.trials] == ["FAIL", "COMPLETE"]


@pytest.mark.parametrize("name", ["t?a", "%41", "a b#c", "{x}", "é 商", "a&b=c;d", "x@y:z"])
def test_a_folder_has_any_name(ratings, tmp_path, tuned, name):
    done = tuned("--data", ratings, *QUICK, "--trials", 1, "--out", tmp_path / name)
    assert done.returncode == 0, done.stderr
    files = ["best.toml", "trials.csv", "trials.db"]
    assert os.listdir(tmp_path) == [name] and sorted(os.listdir(tmp_path / name)) == files


def test_the_line_that_trains_the_best_is_for_a_shell(ratings, tmp_path, capsys):
    words = ["--data", str(ratings), *map(str, QUICK[:-1]), "--trials", "1", "--out"]
    assert run_command(tune.main, [*words, str(tmp_path / "a b")]) == 0
    assert f"macrid.train --config '{tmp_path}/a b/best.toml'" in capsys.readouterr().out


def damaged_header(path):
    path.write_bytes(b"no database at all" * 100)


def damaged_middle(path):
    content = bytearray(path.read_bytes())
    content[1024:-1024] = b"\xff" * (len(content) - 2048)
    path.write_bytes(bytes(content))


def with_sql(*statements):
    def change(path):
        with sqlite3.connect(path) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return change


DAMAGES = {
    "no database": damaged_header,
    "its middle": damaged_middle,
    "empty folder": lambda path: (path.unlink(), path.mkdir()),
    "no epochs": with_sql("DELETE FROM trial_intermediate_values"),
    "another mark": with_sql("UPDATE study_user_attributes SET value_json = '[1]'"),
    "a mark without parts": with_sql("UPDATE study_user_attributes SET value_json = '{}'"),
    "half a mark": with_sql("UPDATE study_user_attributes SET value_json = '{\"held\": '"),
    "its direction": with_sql("UPDATE study_directions SET direction = 'MINIMIZE'"),
    "an unknown option": with_sql(
        "UPDATE trial_params SET param_name = 'evil' WHERE param_name = 'beta'"
    ),
    "a distribution": with_sql("UPDATE trial_params SET distribution_json = '{'"),
    "a value": with_sql("UPDATE trial_params SET param_value = 1e300"),
    "a score": with_sql("UPDATE trial_intermediate_values SET intermediate_value = 'x'"),
    "a state": with_sql("UPDATE trials SET state = 'EVIL'"),
    "a time": with_sql("UPDATE trials SET datetime_complete = 'yesterday'"),
}


@pytest.fixture(scope="module")
def template(ratings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("one") / "run"
    words = ["--data", ratings, *QUICK, "--trials", 1, "--out", folder]
    assert run_command(tune.main, list(map(str, words))) == 0
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_foreign_study_is_one_line(damage, template, ratings, tmp_path, tuned):
    folder = shutil.copytree(template, tmp_path / "run")
    DAMAGES[damage](folder / "trials.db")
    refused(tuned("--data", ratings, *QUICK, "--trials", 2, "--out", folder), "trials.db")


@pytest.mark.parametrize("content", [b"\xff\xfe\0", b"", b"\0" * 10**6, b"# \x1b[2J" * 1000])
def test_a_damaged_best_toml_is_one_line(content, template, ratings, tmp_path, tuned):
    folder = shutil.copytree(template, tmp_path / "run")
    (folder / "best.toml").write_bytes(content)
    done = tuned("--data", ratings, *QUICK, "--trials", 1, "--out", folder)
    refused(done, "holds another study than 'macrid'")
    assert len(done.stderr) < 1000 and "\x1b" not in done.stderr


@pytest.mark.parametrize("name", ["a\nK = 19\n", "'\u2028\x07", "x" * 400, "#", "a\rb"])
def test_the_name_of_a_study_never_writes_toml(name, ratings, tmp_path, tuned):
    words = ("--data", ratings, *QUICK, "--K", 2, "--trials", 1, "--out", tmp_path / "run")
    assert tuned(*words, "--study", name).returncode == 0
    text = (tmp_path / "run" / "best.toml").read_text()
    assert config.from_dict(config.read_toml(tmp_path / "run" / "best.toml")).K == 2
    assert text.splitlines()[1].startswith("data = ")
    assert tuned(*words, "--study", name).returncode == 0, "it is known by its name again"
    refused(tuned(*words, "--study", name + "b"), "another study than")


def test_cut_off_before_it_said_whose_it_is(tmp_path, monkeypatch):
    """Such a trial is waited for, and then does not count: the next one takes its place and its
    seed.
    """
    monkeypatch.setattr(search, "UNOWNED", 1)
    drawn = {}
    for name in ("undisturbed", "cut"):
        own = search.open_study(f"sqlite:///{tmp_path / name}.db", "one")
        if name == "cut":
            own.ask()

        def train(trial, on_step, on_epoch):
            on_epoch(fit.State({}, {}, {}, epoch=1, best_score=trial.suggest_float("beta", 0, 1)))
            return fit.State({}, {}, {}, best_score=trial.params["beta"])

        search.run(own, train, 2, 0, tqdm(disable=True), QUIET)
        drawn[name] = [row.values for row in search.rows(own)]
    assert drawn["cut"] == drawn["undisturbed"] and len(drawn["cut"]) == 2


def test_a_configuration_as_toml(tmp_path):
    settings = config.Config(
        data='a "b" \\ \t é 😀\x7f',
        learning_rate=1e-8,
        beta=1.0,
        gumbel_noise=False,
        min_rating=3.5,
    )
    (tmp_path / "c.toml").write_text(search.toml(settings, "a remark"), encoding="utf-8")
    assert config.from_dict(config.read_toml(tmp_path / "c.toml")) == settings
    assert "min_rating" not in search.toml(config.Config())


def test_what_is_given_is_held(command, ratings, tmp_path):
    (tmp_path / "held.toml").write_text("K = 2\nhidden_layers = 0\n")
    options = "tune --d 4 --max-epochs 3 --config held.toml --l2 0 --trials 2 --out run"
    done = command(options, "--data", ratings, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        "search    sigma0, beta, learning_rate\n" in done.stdout and "test users" not in done.stdout
    )
    assert trials(tmp_path / "run")[0].keys() == {
        "trial",
        "state",
        "validation_ndcg@100",
        "epochs",
        "best_epoch",
        "sigma0",
        "beta",
        "learning_rate",
        "reason",
    }
    best = config.from_dict(config.read_toml(tmp_path / "run/best.toml"))
    assert (best.K, best.hidden_layers, best.l2) == (2, 0, 0.0)


@pytest.fixture
def one_trial(tuned, ratings, tmp_path):
    """The words of a search of one trial in tmp_path / "run", which is made."""
    words = (*QUICK, "--trials", 1, "--data", ratings, "--out", tmp_path / "run")
    assert tuned(*words).returncode == 0
    return words


OTHERS = {
    "an option": ("--tau 0.2", ["made with tau = 0.1, not 0.2", "--out"]),
    "what is searched": ("--K 2", ["made with K = searched, not 2"]),
    "a study": ("--study other", ["holds another study than 'other'"]),
    "data": ("--data other.csv", ["made from other data"]),
}


@pytest.mark.parametrize("more, messages", OTHERS.values(), ids=OTHERS)
def test_a_study_is_not_mixed_with_another(
    tuned, one_trial, ratings, tmp_path, monkeypatch, rng, more, messages
):
    before = (tmp_path / "run/best.toml").read_text()
    scrambled(tmp_path / "other.csv", ratings, ["3"], rng)
    monkeypatch.chdir(tmp_path)
    refused(tuned(*one_trial, *more.split()), *messages)
    assert (tmp_path / "run/best.toml").read_text() == before


def test_a_study_of_another_program_is_refused(tuned, ratings, tmp_path):
    storage = f"sqlite:///{tmp_path / 'foreign.db'}"
    optuna.create_study(storage=storage, study_name="macrid").optimize(lambda trial: 1.0, 1)
    words = (*QUICK, "--trials", 1, "--data", ratings, "--out", tmp_path / "run")
    refused(tuned(*words, "--storage", storage), "is not a study of macrid.tune")


def test_one_study_is_seen_from_two_folders(tuned, one_trial, tmp_path):
    storage = ("--storage", f"sqlite:///{tmp_path / 'run/trials.db'}")
    assert tuned(*one_trial, *storage, "--out", tmp_path / "other").returncode == 0
    assert trials(tmp_path / "other") == trials(tmp_path / "run")


EVERYTHING = " ".join(f"--{name.replace('_', '-')} 1" for name in search.SPACE)
NOWHERE = "cannot be used as --storage"
MISTAKES = {
    "no trials": ("--trials 0", ["--trials is 0"]),
    "nothing to search": (EVERYTHING, ["nothing is left to search"]),
    "no categories": ("--category-weight 1", ["has no categories"]),
    "an option": ("--tau 0", ["tau is 0.0"]),
    "no folder": ("--storage sqlite:////nowhere/x.db", [NOWHERE, "unable to open"]),
    "no database": ("--storage sqlite:///ratings.csv", [NOWHERE, "not a database"]),
    "no address": ("--storage no", [NOWHERE, "parse"]),
    "no such database": ("--storage a://b", [NOWHERE, "plugin"]),
}


@pytest.mark.parametrize("more, messages", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line(tuned, ratings, tmp_path, monkeypatch, more, messages):
    monkeypatch.chdir(ratings.parent)
    out = tmp_path / "run"
    refused(tuned("--data", ratings, *QUICK, "--out", out, *more.split()), *messages)


def test_mistakes_leave_no_folder(tuned, ratings, tmp_path):
    refused(tuned("--data", ratings, *QUICK, "--tau", 0, "--out", tmp_path / "run"), "tau is 0.0")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_other_things_is_refused(tuned, ratings, tmp_path):
    (tmp_path / "best.toml").write_text("mine")
    done = tuned("--data", ratings, *QUICK, "--out", tmp_path)
    refused(done, "holds 'best.toml' but no search")


WITHOUT_OPTUNA = """
import sys
sys.modules["optuna"] = None
from macrid import terminal, tune
sys.exit(terminal.run(tune.main, []))
"""


def test_without_optuna_it_says_what_to_install():
    words = [sys.executable, "-c", WITHOUT_OPTUNA]
    process = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    refused(process, "needs Optuna", 'pip install "macrid[tune]"')
