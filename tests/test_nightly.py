"""A shop's night: a model for use, trained on everybody, and one that goes on from an earlier."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import ROOT, contents, refused

from macrid import Recommender, UserError, run_folder
from macrid.training import checkpoint

QUICK = "--K 2 --d 8 --batch-size 20 --max-epochs 4 --seed 1".split()


def month(path, first, users):
    """A ratings file: `users` each have 12 of the 40 items from number `first` on."""
    rng = np.random.default_rng(first)
    rows = [(u, i) for u in users for i in rng.choice(40, 12, replace=False) + first]
    path.write_text("user,item\n" + "".join(f"u{u},i{i}\n" for u, i in rows))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory, command):
    """Two months of data, and a run on the first."""
    folder = tmp_path_factory.mktemp("nightly")
    january = month(folder / "january.csv", 0, range(60))
    month(folder / "february.csv", 3, range(20, 90))
    options = ("--data", january, *QUICK, "--linear-path", 0.5)
    done = command("train --quiet", *options, "--out", folder / "january")
    assert done.returncode == 0, done.stderr
    return folder


def saved(run):
    return json.loads((run / "config.json").read_text())


def metrics(run):
    return json.loads((run / "metrics.json").read_text())


def test_final_trains_on_all_for_the_epochs_that_were_chosen(command, folder, tmp_path):
    run = tmp_path / "final"
    done = command("train --final", folder / "january", "--out", run)
    assert done.returncode == 0, done.stderr
    epochs, _, path = checkpoint.choices(folder / "january" / "checkpoint.npz")
    assert done.stderr.count("\n") == epochs and "NDCG" not in done.stderr + done.stdout
    assert "split     all: 60 training, no one is held out" in done.stdout
    assert f"{epochs} epochs on all users, as the validation of {folder / 'january'}" in done.stdout
    changed = {"split": "all", "max_epochs": epochs, "final": str(folder / "january")}
    assert saved(run) == saved(folder / "january") | changed
    goes_by = {"epochs": epochs, "users": 60, "goes_by": str(folder / "january")}
    assert metrics(run) == {"final": goes_by}
    trained = run_folder.load(run)
    assert trained.split.train.shape[0] == 60 == len(trained.interactions.users)
    assert trained.state.best_epoch == trained.state.epoch == epochs
    for name in ("lambda", "weight"):
        assert trained.state.path[name] == path[name], "the linear path is as strong as chosen"
    other = trained.settings.replace(linear_path=2.0)
    assert run_folder.path_of_final(other) == path | {"weight": 2.0}, "a number given anew counts"
    model = Recommender.load(run)
    assert model.metrics is None and len(model.recommend("u3", n=5)[0]) == 5


def test_what_a_final_run_says_of_its_figures(command, call, folder, tmp_path):
    run = tmp_path / "final"
    assert command("train --quiet --final", folder / "january", "--out", run).returncode == 0
    refused(call("evaluate", "--run", run), "no figures", folder / "january")
    assert "best known" in call("evaluate --concepts", "--run", run).stdout
    assert call("report", "--run", run, "--out", tmp_path / "page.html").returncode == 0
    page = (tmp_path / "page.html").read_text()
    assert "all 60 users" in page and "no one was held out" in page and "recall@20" not in page
    refused(call("train --final", run, "--out", tmp_path / "x"), "held no one out itself")


def test_a_warm_start_takes_the_options_and_what_was_learned(command, folder, tmp_path):
    words = ("--data", folder / "february.csv", "--max-epochs", 2, "--out", tmp_path / "february")
    done = command("train --warm-start", folder / "january", *words)
    assert done.returncode == 0, done.stderr
    assert "37 items go on from there, 3 are new, 3 are gone" in done.stdout
    assert "the figures flatter where the earlier model has seen" in done.stdout
    changed = {"data": str(folder / "february.csv"), "max_epochs": 2}
    changed |= {"warm_start": str(folder / "january"), "anneal_steps": 0}
    assert saved(tmp_path / "february") == saved(folder / "january") | changed
    cold = command(
        "train --quiet --config", folder / "january" / "config.json", *words[:-1], tmp_path / "cold"
    )
    assert cold.returncode == 0, cold.stderr
    first = [
        json.loads((tmp_path / run / "history.jsonl").read_text().splitlines()[0])["reconstruction"]
        for run in ("february", "cold")
    ]
    assert first[0] > first[1] + 5


def test_both_together_and_a_night_after(command, folder, tmp_path):
    """Validated warm, then on everybody from the same start; the night after holds out again."""
    data = ("--data", folder / "february.csv")
    calls = [
        ("--warm-start", folder / "january", *data, "--out", tmp_path / "validated"),
        ("--final", tmp_path / "validated", "--out", tmp_path / "final"),
        ("--warm-start", tmp_path / "final", *QUICK[-4:], "--out", tmp_path / "after"),
        ("--config", tmp_path / "final" / "config.json", "--out", tmp_path / "again"),
    ]
    for words in calls:
        done = command("train --quiet", *words)
        assert done.returncode == 0, done.stderr
    final = saved(tmp_path / "final")
    assert (final["split"], final["warm_start"]) == ("all", str(folder / "january"))
    assert final["anneal_steps"] == 0
    after = saved(tmp_path / "after")
    assert (after["split"], after["final"]) == ("holdout", "")
    assert after["warm_start"] == str(tmp_path / "final") and "test" in metrics(tmp_path / "after")
    assert contents(tmp_path / "again") == contents(tmp_path / "final")


def test_killed_and_resumed_equals_undisturbed(command, folder, tmp_path):
    """Both at once, killed before the first epoch is saved, and later."""
    words = ["--warm-start", folder / "january", "--data", folder / "february.csv", "--quiet"]
    words += ["--max-epochs", "30", "--patience", "30"]
    assert command("train", *words, "--out", tmp_path / "v").returncode == 0
    final = ["--final", tmp_path / "v", "--max-epochs", "200", "--quiet"]
    assert command("train", *final, "--out", tmp_path / "whole").returncode == 0
    for place in ("config.json", "checkpoint.npz"):
        run = tmp_path / place
        called = [sys.executable, "-m", "macrid.train", *final, "--out", run]
        process = subprocess.Popen(list(map(str, called)), cwd=ROOT)
        while not (run / place).exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        resumed = command("train --quiet --resume", "--out", run)
        assert resumed.returncode == 0, resumed.stderr
        assert contents(run)[:2] == contents(tmp_path / "whole")[:2]
        ours, theirs = contents(run)[2], contents(tmp_path / "whole")[2]
        assert all(ours[name] == values for name, values in theirs.items())


@pytest.mark.parametrize(
    "words, told",
    [
        ("--final {}/nowhere", "nowhere/config.json: cannot be read"),
        ("--final {}/january --split holdout", "final trains on all users, but split is 'holdout'"),
        ("--warm-start {}/january --K 3", "the earlier model has K = 2, not 3; give the same"),
        ("--warm-start {}/nowhere", "nowhere: does not exist"),
        ("--warm-start {}/january --out {}/january --overwrite", "is warm_start and --out at once"),
        ("--final {}/january --out {}/january --overwrite", "is final and --out at once"),
        ("--split all --linear-path 1", "linear_path is chosen by validation users"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(call, folder, tmp_path, words, told):
    before = sorted(os.listdir(folder / "january"))
    out = [] if "--out" in words else ["--out", tmp_path / "run"]
    data = [] if "{}" in words else ["--data", folder / "january.csv"]
    refused(call("train --quiet", *words.format(*[folder] * 2).split(), *data, *out), told)
    assert not (tmp_path / "run").exists() and sorted(os.listdir(folder / "january")) == before


def test_a_run_that_is_not_finished_has_chosen_nothing(call, folder, tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("config.json", "checkpoint.npz", "history.jsonl"):
        (tmp_path / "run" / name).write_bytes((folder / "january" / name).read_bytes())
    unfinished = "is no finished run; continue it first: python -m macrid.train --resume --out"
    refused(call("train --final", tmp_path / "run", "--out", tmp_path / "x"), unfinished)
    refused(call("recommend --n 3 --run", tmp_path / "run"), unfinished)


def test_a_config_of_another_program_is_told(call, folder, tmp_path):
    options = saved(folder / "january") | {"learning_rates": 0.1}
    (tmp_path / "config.json").write_text(json.dumps(options))
    words = ("--config", tmp_path / "config.json", "--out", tmp_path / "run")
    refused(call("train", *words), "unknown option 'learning_rates'; did you mean learning_rate?")


def test_a_search_needs_someone_held_out_and_begins_anew(call, folder, tmp_path):
    data = ("--data", folder / "january.csv")
    refused(call("tune --split all", *data, "--out", tmp_path / "x"), "needs validation users")
    refused(call("tune --warm-start", folder / "january"), "unrecognized arguments: --warm-start")


def test_the_same_from_python(folder, tmp_path):
    options = {"K": 2, "d": 8, "batch_size": 20, "max_epochs": 3}
    january = Recommender(**options).fit(folder / "january.csv")
    january.save(tmp_path / "january.npz")
    february = folder / "february.csv"
    cold = Recommender(**options).fit(february)
    warm = Recommender(**options).fit(february, warm_start=january)
    by_option = Recommender(**options, warm_start=str(tmp_path / "january.npz")).fit(february)
    by_path = Recommender(**options).fit(february, warm_start=tmp_path / "january.npz")
    for model in (by_option, by_path):
        np.testing.assert_array_equal(warm.parameters["H"], model.parameters["H"])
    assert not np.array_equal(warm.parameters["m"], cold.parameters["m"])
    assert warm.config.anneal_steps == 0 < warm.get_params()["anneal_steps"]
    everybody = Recommender(**options, split="all").fit(february, warm_start=january)
    assert everybody.metrics is None and len(everybody.recommend("u50")[0]) == 10
    with pytest.raises(UserError, match="not trained yet"):
        cold.fit(february, warm_start=Recommender())
