"""The options that the data choose, where the user has not."""

import dataclasses
import json

import numpy as np
import pytest
from helpers import contents
from scipy import sparse

from macrid import Config, Recommender, run_folder
from macrid.data import splits
from macrid.errors import UserError
from macrid.suited import NAMES, fill, suited

USERS = (1, 12, 49, 100, 318, 1000, 3000, 20_000, 300_000)
ITEMS = (1, 50, 1500, 12_000, 30_000, 40_000, 1_000_000)


def adoptions(N, M):
    return sparse.csr_array((N, M), dtype=np.float32)


@pytest.mark.parametrize("M", ITEMS)
def test_the_options_are_sound_and_follow_the_number_of_users(M):
    before = None
    for N in USERS:
        options = suited(adoptions(N, M))
        assert options.keys() == NAMES
        Config(**options)  # all in their ranges
        steps = -(-N // options["batch_size"])
        assert options["patience"] * steps >= 75 or options["patience"] == 8
        if before:
            assert options["batch_size"] >= before["batch_size"]
            assert options["patience"] <= before["patience"]
            assert options["item_dropout"] >= before["item_dropout"]
        before = options


def test_a_step_samples_only_where_all_items_cost_too_much():
    def candidates(N, M):
        return suited(adoptions(N, M))["candidates"]

    assert candidates(300_000, 5000) == candidates(1000, 40_000) == candidates(2500, 17_000) == 0
    few, more, most = (
        candidates(4500, 17_000),
        candidates(15_000, 40_000),
        candidates(10**6, 10**6),
    )
    assert 0 < few < 17_000 / 4 and few < more < 40_000 / 4 and more < most <= 10_000


def test_patience_goes_by_the_batch_that_is_given():
    train = adoptions(3000, 50)
    settings, lines = fill(Config(batch_size=3000), {"batch_size"}, train)
    assert settings.batch_size == 3000 and settings.patience == 8
    assert settings.patience > fill(Config(), (), train)[0].patience
    assert "batch_size" not in lines[0]


def test_what_is_given_stays_and_the_rest_is_said():
    train = adoptions(3000, 50)
    given = Config(item_dropout=0.0, learning_rate=0.004)
    settings, (line, ensemble) = fill(given, {"item_dropout", "learning_rate"}, train)
    assert (settings.item_dropout, settings.learning_rate) == (0.0, 0.004)
    assert line.startswith("options   by the data, as not given: ") and "patience" in line
    assert ensemble.startswith("ensemble  the model and ridge regression")
    assert "item_dropout" not in line and "linear_path" not in line
    assert fill(given, NAMES, train) == (given, [])
    names = [field.name for field in dataclasses.fields(Config)]
    changed = {name for name in names if getattr(settings, name) != getattr(given, name)}
    of_line = {word.split()[0] for word in line.split(": ")[1].split(", ")}
    assert changed == of_line | {"linear_path"}
    assert fill(given, NAMES - {"linear_path"}, train)[1] == [ensemble]


def test_where_nobody_is_held_out_nothing_is_chosen_by_them():
    settings, _ = fill(Config(split="all"), (), adoptions(3000, 50))
    assert settings.linear_path == 0 and settings.item_dropout > 0


# A run


def saved(run):
    return json.loads((run / "config.json").read_text())


@pytest.fixture(scope="module")
def by_the_data(command, ratings, tmp_path_factory):
    """A run whose options the data chose, but for a few, and what it printed."""
    run = tmp_path_factory.mktemp("suited") / "run"
    words = "--d 8 --max-epochs 3 --item-dropout 0".split()
    done = command("train", "--data", ratings, *words, "--out", run)
    assert done.returncode == 0, done.stderr
    return run, done.stdout


def expected(ratings, **given):
    settings = Config(data=str(ratings), **given)
    split = splits.split(run_folder.load_data(settings), settings.split, settings.split_seed)
    return suited(split.train)


def test_a_run_says_and_keeps_what_was_chosen(by_the_data, ratings):
    run, printed = by_the_data
    options = expected(ratings) | {"item_dropout": 0.0, "d": 8, "max_epochs": 3}
    assert saved(run).items() >= options.items()
    (line,) = [line for line in printed.splitlines() if line.startswith("options ")]
    assert f"batch_size {options['batch_size']}" in line and "item_dropout" not in line
    assert "\nensemble  the model and ridge" in printed
    explained = printed.index("mean ± standard\nerror over users")
    assert printed.index("macrid - popularity") < explained


def test_such_a_run_resumes_and_its_config_trains_the_same(command, by_the_data, ratings, tmp_path):
    run, _ = by_the_data
    short = ("--data", ratings, "--d", 8, "--item-dropout", 0, "--out", tmp_path / "short")
    assert command("train --quiet --max-epochs 1", *short).returncode == 0
    resumed = command("train --resume --max-epochs 3", "--out", tmp_path / "short")
    assert resumed.returncode == 0 and "by the data" not in resumed.stdout, resumed.stderr
    words = ("--config", run / "config.json", "--out", tmp_path / "again")
    again = command("train", *words)
    assert again.returncode == 0 and "by the data" not in again.stdout, again.stderr
    assert contents(tmp_path / "again") == contents(run)
    assert saved(tmp_path / "short") == saved(run)
    for name in ("history.jsonl", "metrics.json"):
        assert (tmp_path / "short" / name).read_bytes() == (run / name).read_bytes()


def test_a_warm_start_takes_the_options_of_the_earlier_run(command, by_the_data, ratings, tmp_path):
    run, _ = by_the_data
    words = ("--data", ratings, "--warm-start", run, "--out", tmp_path / "warm")
    done = command("train", *words)
    assert done.returncode == 0 and "by the data" not in done.stdout, done.stderr
    differ = {name for name, value in saved(run).items() if saved(tmp_path / "warm")[name] != value}
    assert differ == {"warm_start", "anneal_steps"}


# From Python


def test_a_recommender_trains_with_what_suits_the_data(ratings):
    model = Recommender(d=8, max_epochs=1, patience=7).fit(str(ratings))
    chosen = expected(ratings)
    assert model.config.averaging == chosen["averaging"] != Config().averaging
    assert model.config.patience == 7 != chosen["patience"]
    assert any(line.startswith("options ") for line in model.report)
    assert model.get_params()["averaging"] is None and model.get_params()["patience"] == 7
    copy = Recommender(**model.get_params()).fit(str(ratings))
    np.testing.assert_array_equal(copy.parameters["H"], model.parameters["H"])


def test_a_recommender_of_a_config_trains_with_that(ratings):
    config = Config(data="memory", d=8, max_epochs=1)
    model = Recommender(config).fit(str(ratings))
    assert model.config == config and not any("by the data" in line for line in model.report)
    assert model.set_params(item_dropout=None).get_params()["item_dropout"] is None


# The paper and nothing else


def test_a_faithful_run_has_the_defaults_of_config(command, ratings, tmp_path):
    words = ("train --faithful --d 8 --max-epochs 2 --data", ratings, "--out", tmp_path / "run")
    done = command(*words)
    assert done.returncode == 0 and "by the data" not in done.stdout, done.stderr
    given = Config(data=str(ratings), d=8, max_epochs=2)
    assert saved(tmp_path / "run") == dataclasses.asdict(given)
    assert "\nmodel " not in done.stdout and "\nridge " in done.stdout, "it is the model alone"
    for flags in ("--resume", "--overwrite --warm-start run", "--overwrite --final run"):
        done = command(*words, *flags.split(), cwd=tmp_path)
        assert done.returncode == 2 and "--faithful is for a new run, but --" in done.stderr


def test_faithful_beside_a_linear_path_is_refused(command, ratings, tmp_path):
    (tmp_path / "options.json").write_text('{"linear_path": "chosen"}')
    for more in (("--linear-path", "1"), ("--config", tmp_path / "options.json")):
        done = command("train", "--faithful", "--data", ratings, "--out", tmp_path / "run", *more)
        assert done.returncode == 2 and "faithful is the paper and nothing else" in done.stderr
        assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="linear_path is 0.5; leave one of them out"):
        Recommender(linear_path=0.5, faithful=True)
    with pytest.raises(UserError, match="faithful is 'yes', expected True or False"):
        Recommender(faithful="yes")


def test_a_faithful_recommender_too(ratings):
    own = Recommender(d=8, max_epochs=1, faithful=True)
    model = Recommender(**own.get_params()).fit(str(ratings))
    assert model.config == Config(data="memory", d=8, max_epochs=1)
    assert "L" not in model.parameters and model.get_params()["faithful"]
    model.set_params(faithful=False).fit(str(ratings))
    assert model.config.averaging != Config.averaging
