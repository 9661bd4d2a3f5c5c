"""The suite as a user runs it, on two small tables, against direct computations."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
from helpers import ROOT, refused
from PIL import Image
from scipy import sparse, stats

from macrid import npz, run_folder, suited
from macrid.baselines import EASE, Ridge
from macrid.config import Config
from macrid.data import shop
from macrid.evaluation.metrics import evaluate, evaluate_ranking
from macrid.experiments import outside, results, suite, suite_table
from macrid.experiments.systems import Result
from macrid.interpret import drawing
from macrid.model.scoring import ranker
from macrid.training import fit

QUICK = "K = 2\nd = 6\nmax_epochs = 2\nlinear_path = 0.5\nbatch_size = 40\n"
FIT = r"fit \d+ of \d+  (first|second)\.(popularity|Ridge|macrid)\.fold\d(\.seed\d)?  [\d.]+ s$"
METRICS = ("ndcg@100", "recall@20", "recall@50")


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """Words of a suite on a table 'first', and on 'second', in a file called ratings, cut short."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("data")
    (folder / "second").mkdir()
    paths = [folder / "first.csv", folder / "second" / "ratings.csv"]
    for path, N in zip(paths, (90, 60)):
        rows = [f"{u},{i}" for u in range(N) for i in rng.zipf(1.3, 40) if i < 50]
        path.write_text("\n".join(["user,item", *rows, ""]))
    (folder / "options.toml").write_text(f"[first]\n{QUICK}[second]\n{QUICK}min_user_items = 6\n")
    words = ["suite", "--data", *paths, "--options", folder / "options.toml", "--folds", 3]
    words += ["--seeds", 0, 1, "--short", "second", "--systems", "popularity", "Ridge", "macrid"]
    return [*words, "--jobs", 2]


@pytest.fixture(scope="module")
def made(command, words, tmp_path_factory):
    """The folder of that suite, and what was printed."""
    folder = tmp_path_factory.mktemp("made") / "suite"
    done = command("reproduce", *words, "--out", folder)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()  # no terminal reads it
    units = len(list((folder / "units").iterdir()))
    assert len(lines) == units and all(re.search(FIT, line) for line in lines), done.stderr
    return folder, done.stdout


def read(folder):
    return json.loads((folder / "table.json").read_text())


def of_first(table):
    """{row: its NDCG@100} of the first data set."""
    return {row["name"]: row["figures"]["ndcg@100"] for row in table["data"][0]["systems"]}


def split_of(words, fold):
    config = Config(data=str(words[2]), split=f"kfold:{fold}/5")
    interactions = run_folder.load_data(config)
    return run_folder.prepare(interactions, config)[0]


def test_rows_are_what_a_direct_computation_gives(made, words):
    """Both rows of one fit: with the linear path, and without."""
    given = {"K": 2, "d": 6, "max_epochs": 2, "linear_path": 0.5, "batch_size": 40}
    of_ridge, recommended, alone = [], [], []
    for fold in range(3):
        split = split_of(words, fold)
        ridge = Ridge.fit(split.train, split.validation)
        of_ridge.append(evaluate(ridge.scores, split.test)["ndcg@100"])
        for seed in (0, 1):
            config = as_it_comes(given, split, seed)
            best = fit.fit(split, config).best
            recommended.append(evaluate_ranking(ranker(best, config), split.test)["ndcg@100"])
            best.pop("L")
            alone.append(evaluate_ranking(ranker(best, config), split.test)["ndcg@100"])
    averaged = lambda values: [np.mean(values[f : f + 2], axis=0) for f in range(0, 6, 2)]
    expected = {"Ridge": of_ridge, "macrid": averaged(recommended), "model": averaged(alone)}
    found = of_first(read(made[0]))
    assert list(found) == ["popularity", "Ridge", "macrid", "model"]
    for name, folds in expected.items():
        values = np.concatenate(folds)
        assert found[name]["mean"] == pytest.approx(np.nanmean(values), rel=1e-6), name
        stderr = stats.sem(values, nan_policy="omit")
        assert found[name]["stderr"] == pytest.approx(stderr, rel=1e-6)
    assert found["macrid"]["mean"] != found["model"]["mean"]


def as_it_comes(given, split, seed):
    """The options of `macrid.train` for these data."""
    return suited.fill(Config(**given, seed=seed), given, split.train)[0]


def test_verdicts_are_paired_tests_over_users_and_by_folds(made):
    folder = made[0]
    first = read(folder)["data"][0]
    peer = first["peer"]
    of_folds = []
    for fold in range(3):
        theirs = np.load(folder / "units" / f"first.{peer}.fold{fold}.npz")
        ours = [
            np.load(folder / "units" / f"first.macrid.fold{fold}.seed{seed}.npz") for seed in (0, 1)
        ]
        mean = np.mean([one["macrid/ndcg@100"] for one in ours], axis=0)
        of_folds.append(mean - theirs[f"{peer}/ndcg@100"])
    d = np.concatenate(of_folds)
    pair = next(
        pair
        for pair in first["pairs"]
        if (pair["first"], pair["second"], pair["metric"]) == ("macrid", peer, "ndcg@100")
    )
    assert pair["mean"] == pytest.approx(np.nanmean(d), rel=1e-9)
    assert pair["p"] == pytest.approx(stats.ttest_1samp(d, 0, nan_policy="omit").pvalue, rel=1e-9)
    of_means = stats.ttest_1samp([np.nanmean(each) for each in of_folds], 0)
    assert pair["by_folds"]["p"] == pytest.approx(of_means.pvalue, rel=1e-9)
    assert first["verdict"] == suite_table.verdict(pair)


@pytest.mark.parametrize(
    "mean, p, by_folds, p_holm, expected",
    [
        (0.1, 0.01, 0.04, 0.06, "best"),
        (0.1, 0.01, 0.01, 0.02, "best *"),
        (-0.1, 0.01, 0.01, 0.02, "behind *"),
        (0.1, 0.001, 0.06, 0.06, "level"),
        (-0.1, 0.06, 0.001, 0.06, "level"),
        (0.1, 0.01, None, 0.02, "best (one fold)"),
        (0.1, 0.06, None, 0.02, "level (one fold)"),
    ],
)
def test_a_verdict_needs_both_tests(mean, p, by_folds, p_holm, expected):
    of_folds = by_folds and {"p": by_folds, "p_holm": p_holm}
    pair = {"mean": mean, "p": p, "p_holm": p_holm, "by_folds": of_folds}
    assert suite_table.verdict(pair) == expected


def test_a_data_set_of_one_fold_does_not_keep_others_from_a_star():
    """Holm's correction by folds is for those that have some."""
    some = {"mean": 0.1, "p": 1e-4, "by_folds": None}
    pairs = [some, *({**some, "by_folds": {"p": p}} for p in (0.02, 0.03))]
    results.correct(pairs)
    assert [pair["p_holm"] for pair in pairs] == pytest.approx([3e-4] * 3)
    assert [pair["by_folds"]["p_holm"] for pair in pairs[1:]] == pytest.approx([0.04, 0.04])
    assert [suite_table.verdict(pair) for pair in pairs] == ["best (one fold)", *["best *"] * 2]


def test_files_say_the_same(made):
    folder, output = made
    text, table = (folder / "table.md").read_text(), read(folder)
    first, second = table["data"]
    assert (first["folds"], second["folds"]) == (3, 2), "the second is cut short"
    assert [row["seeds"] for row in second["systems"]] == [1] * 4
    assert second["given"]["min_user_items"] == 6 and "min_user_items 6" in text
    best = max(of_first(table).values(), key=lambda entry: entry["mean"])
    cell = f"**{best['mean']:.4f} ± {best['stderr']:.4f}**"
    assert cell in text and cell in output
    for row in first["systems"]:
        assert 0 <= row["cost"]["cpu"] < 60 and 30 < row["cost"]["peak_mb"] < 2000
    rows = (folder / "table.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 4 * 3 and len({row.count(",") for row in rows}) == 1
    with Image.open(folder / "suite.png") as picture:
        assert min(picture.size) > 600


def test_the_same_command_does_nothing_twice(call, made, words):
    """Nor does one with more data sets, seeds or systems do what is there again."""
    folder = made[0]
    before = {path: path.stat().st_mtime_ns for path in (folder / "units").iterdir()}
    assert len(before) == (2 * 3 + 3 * 2) + (2 * 2 + 2)
    table = read(folder)
    assert call("reproduce", *words, "--out", folder).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (folder / "units").iterdir()} == before
    assert read(folder) == table


def test_without_time_the_table_is_of_what_is_there(call, made, words, tmp_path):
    """A system without any unit is left out by name; a fold that a system lacks is no fold."""
    folder = tmp_path / "suite"
    done = call("reproduce", *words, "--minutes", 0, "--out", folder)
    assert done.returncode == 0 and "0 units" in done.stdout
    for name in ("first.Ridge.fold0", "first.Ridge.fold1", "first.macrid.fold0.seed0"):
        data = (made[0] / "units" / f"{name}.npz").read_bytes()
        (folder / "units" / f"{name}.npz").write_bytes(data)
    done = call("reproduce", *words, "--minutes", 0, "--out", folder)
    assert done.returncode == 0, done.stderr
    first, second = read(folder)["data"]
    assert first["folds"] == 1 and first["left_out"] == {"popularity": "not finished"}
    assert [row["name"] for row in first["systems"]] == ["Ridge", "macrid", "model"]
    assert second["folds"] == 0 and not second["systems"] and second["verdict"] == "not run"
    text = (folder / "table.md").read_text()
    assert "1 of 3" in text and "- first, popularity: not finished" in text


def test_a_perfect_user_s_rounding_is_no_damage(call, made, words, tmp_path):
    """A sum of discounts over the same sum in another order."""
    folder = shutil.copytree(made[0], tmp_path / "suite")
    path = folder / "units" / "first.Ridge.fold0.npz"
    for value, returncode in ((1 + 2.3e-16, 0), (1.001, 2)):
        arrays, description = npz.load(path)
        arrays["Ridge/ndcg@100"][0] = value
        npz.save(path, arrays, description)
        done = call("reproduce", *words, "--minutes", 0, "--out", folder)
        assert done.returncode == returncode
        assert ("not a whole unit" in done.stderr) == (returncode == 2)


@pytest.mark.long
def test_interrupted_it_ends_its_processes_and_goes_on(made, words, tmp_path):
    """Ctrl-C reaches all processes of a terminal; each fit has one of its own."""
    folder = tmp_path / "suite"
    call = [sys.executable, "-m", "macrid.reproduce", *map(str, words), "--out", str(folder)]
    options = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, "stderr": subprocess.PIPE}
    process = subprocess.Popen(call, text=True, start_new_session=True, **options)
    while len(list((folder / "units").glob("*.npz"))) < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate()  # ends when the last of its processes has
    *_, error = errors.splitlines()
    assert process.returncode == 2 and errors.count("error: ") == 1, errors
    assert "interrupted" in error and "the same command goes on" in error
    kept = {path: path.stat().st_mtime_ns for path in (folder / "units").glob("*.npz")}
    assert subprocess.run(call, capture_output=True, env=options["env"]).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert of_first(read(folder)) == of_first(read(made[0]))


def test_another_option_is_refused(call, made, words, tmp_path):
    (tmp_path / "other.toml").write_text(f"[first]\n{QUICK}[second]\n{QUICK}")
    more = ("--options", tmp_path / "other.toml", "--out", made[0])
    refused(call("reproduce", *words, *more), "second.", "min_user_items = 6, not 5")


MISTAKES = {
    "no such system": ("--systems SVD", ["there is no 'SVD'; known are popularity, ItemKNN"]),
    "another case": ("--systems ridge", ["there is no 'ridge'; did you mean Ridge?"]),
    "no such data set": ("--short third", ["--short", "no data set 'third'", "first, second"]),
    "options of nothing": ("--options typo.toml", ["'frist'; did you mean first?"]),
    "folds": ("--folds 6", ["--folds is 6", "at most 5"]),
    "one name": ("--data shop shop", ["two data sets are called shop"]),
    "no data": ("--data first.csv second.csv", ["first.csv"]),
}


@pytest.mark.parametrize("more, messages", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_leaves_no_folder(call, words, tmp_path, more, messages):
    (tmp_path / "typo.toml").write_text("[frist]\nK = 3\n")
    done = call("reproduce", *words, *more.split(), "--out", "no", cwd=tmp_path)
    refused(done, *messages)
    assert not (tmp_path / "no").exists()


@pytest.fixture
def a_shop():
    return [suite.DataSet("shop", {}, shop.make(), 1, (0,))]


def test_what_is_not_installed_is_left_out_with_the_reason(monkeypatch, a_shop):
    monkeypatch.setattr(outside, "find_spec", lambda name: None)
    units, left_out = suite.plan(a_shop)
    assert left_out == {"shop": {"ALS": outside.MISSING, "BM25": outside.MISSING}}
    assert "macrid[suite]" in outside.MISSING
    assert not {unit.system.name for unit in units} & {"ALS", "BM25"}


def test_what_is_too_large_for_ease_is_left_out_with_the_reason(monkeypatch, a_shop):
    """MultiVAE stays, without the sum with EASE."""
    monkeypatch.setattr(EASE, "most", 1000)
    units, left_out = suite.plan(a_shop, ["EASE", "MultiVAE"])
    assert {*left_out["shop"]} == {"EASE", "MultiVAE+EASE"}
    assert "1,500 by 1,500" in left_out["shop"]["EASE"]
    assert [unit.system.rows for unit in units] == [("MultiVAE", "MultiVAE+Ridge")]


def test_the_linear_path_of_many_users_and_items_is_a_row_there(monkeypatch, a_shop):
    """1,200 users train of the shop's 2,000."""
    for most, named in ((1199, {"Neighbours", "Ridge"}), (1200, {"Ridge"})):
        monkeypatch.setattr(suite, "MOST_EXACT", most)
        units, left_out = suite.plan(a_shop, ["Neighbours", "Ridge"])
        assert {unit.system.name for unit in units} == named and left_out == {"shop": {}}


def test_semantics_are_taken_away_where_there_are_some(a_shop, words):
    units, _ = suite.plan(a_shop, ["macrid", "macrid-plain", "Ridge"])
    configs = {unit.system.name: unit.config for unit in units}
    semantics = {name: (one.start, one.category_weight > 0) for name, one in configs.items()}
    plain = ("adoptions", False)
    expected = {"macrid": ("pictures", True), "macrid-plain": plain, "Ridge": ("random", False)}
    assert semantics == expected
    units, left_out = suite.plan(suite.data_sets([str(words[2])]), ["macrid", "macrid-plain"])
    assert {unit.system.name for unit in units} == {"macrid"} and left_out == {"first": {}}


def test_options_of_the_model_are_no_part_of_a_peer(a_shop):
    """So that its fits remain where the model's options change."""
    other = [replace(a_shop[0], given={"K": 3, "split_seed": 7})]
    hashes = {"shop": {"data": "abc", "features": "def"}}
    named = ["Ridge", "ALS", "MultiVAE", "macrid"]
    pairs = zip(suite.plan(a_shop, named)[0], suite.plan(other, named)[0])
    for unit, changed in pairs:
        before, now = unit.made_of(hashes), changed.made_of(hashes)
        differing = {name for name in before if before[name] != now[name]} - {"decided"}
        assert differing == {"split_seed"} | ({"K"} if unit.system.name == "macrid" else set())
        assert before["hash of the data"] == "abc" and before["split"] == "kfold:0/5"


def test_the_first_seed_of_all_comes_before_a_second(a_shop):
    two = [replace(one, name=name, seeds=(3, 4)) for one in a_shop for name in ("a", "b")]
    units, _ = suite.plan(two, ["Ridge", "macrid"])
    names = [unit.name for unit in units]
    assert names == [
        "a.Ridge.fold0",
        "a.macrid.fold0.seed3",
        "b.Ridge.fold0",
        "b.macrid.fold0.seed3",
        "a.macrid.fold0.seed4",
        "b.macrid.fold0.seed4",
    ]


def test_a_peer_has_the_options_that_validation_users_like_best(words):
    config = Config(data=str(words[2]), split="kfold:0/5")
    tries = [{"regularisation": value} for value in (1e6, 30.0, 1e-3)]
    split = split_of(words, 0)
    ndcg = [
        np.nanmean(evaluate(Ridge.fit(split.train, **each).scores, split.validation)["ndcg@100"])
        for each in tries
    ]
    result = suite.score_peer(("Ridge",), Ridge, config, {"tries": tries})
    row = result.facts["rows"]["Ridge"]
    assert row["validation"] == pytest.approx(max(ndcg)) and row["tries"] == 3
    assert row["options"] == f"regularisation {tries[np.argmax(ndcg)]['regularisation']:g}"
    assert row["cpu"] <= row["cpu_of_tries"]


def test_multivae_is_fitted_once_for_three_rows(words):
    config = Config(data=str(words[2]), split="kfold:0/5")
    rows = ("MultiVAE", "MultiVAE+Ridge", "MultiVAE+EASE")
    options = {"hidden": (), "latent": 4, "max_epochs": 2, "batch_size": 20}
    result = suite.score_multivae(rows, config, options)
    assert [*result.facts["rows"]] == [*rows]
    assert {*result.metrics} == {f"{row}/{metric}" for row in rows for metric in METRICS}
    cpu = [result.facts["rows"][row]["cpu"] for row in rows]
    assert cpu[0] < min(cpu[1:]) and "weight" in result.facts["rows"][rows[1]]["options"]


def test_memory_is_seen():
    before = suite.peak_mb()
    assert 20 < before < 20_000
    np.ones(int(before * 1e6 / 8) + 10_000_000)  # more than there ever was
    assert suite.peak_mb() > before + 60


def some_result(value, row="Ridge"):
    metrics = {f"{row}/{metric}": np.array([value, value + 0.1]) for metric in METRICS}
    facts = {"rows": {row: {"cpu": 1.0, "wall": 1.0, "peak_mb": 1.0, "validation": 0.5}}}
    return Result(np.array([0, 1]), metrics, facts | {"commit": "c"})


def test_a_seed_counts_where_it_has_all_folds(a_shop):
    data = replace(a_shop[0], folds=3, seeds=(0, 1))
    units, _ = suite.plan([data], ["Ridge", "ALS"])
    of_als = [unit.name for unit in units if unit.system.name == "ALS"]
    assert len(of_als) == 6
    finished = {f"shop.Ridge.fold{fold}": some_result(0.1 * fold) for fold in range(3)}
    finished |= {f"shop.ALS.fold{fold}.seed0": some_result(0.2, "ALS") for fold in range(2)}
    finished |= {"shop.ALS.fold0.seed1": some_result(0.2, "ALS")}
    found = suite_table.of_data(data, units, finished)
    assert found["folds"] == 2 and [row["seeds"] for row in found["systems"]] == [1, 1]
    ridge = next(row for row in found["systems"] if row["name"] == "Ridge")
    assert ridge["figures"]["ndcg@100"]["mean"] == pytest.approx(0.1)


def test_the_picture_says_what_is_off_its_scale(made):
    table = read(made[0])
    for one in table["data"]:
        far, near, *others = one["beside_peer"]
        far.update(mean=-9.0)
        near.update(mean=0.0, by_folds={"low": -7.0, "high": 0.01})
        for other in others:
            other.update(mean=0.0, by_folds={"low": -0.01, "high": 0.01})
    drawn = drawing.suite_sheet(table)
    told = [text.get_text() for axis in drawn.axes for text in axis.texts]
    assert told == ["-9.000 ↓", "-7.000 ↓"] * 2 and all(
        axis.get_ylim()[0] > -2 for axis in drawn.axes
    )
    assert [axis.get_ylabel()[:6] for axis in drawn.axes] == ["minus "] * 2


@pytest.fixture
def implicit():
    return pytest.importorskip("implicit", reason=outside.MISSING)


@pytest.mark.parametrize("cls, name", [(outside.ALS, "ALS"), (outside.BM25, "BM25")])
def test_outside_rows_recommend_what_their_package_does(implicit, words, cls, name):
    """For users of the training, whom implicit can serve by itself."""
    X = split_of(words, 0).train
    fitted = cls.fit(X, seed=3)
    expected = np.argsort(-np.where(X.toarray() > 0, -np.inf, fitted.scores(X)), axis=1)[:, :5]
    if name == "ALS":
        from implicit.cpu.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(64, 1.0, 10.0, num_threads=1, random_state=3)
    else:
        from implicit.nearest_neighbours import BM25Recommender

        model = BM25Recommender(100, num_threads=1)
    counts = sparse.csr_matrix(X, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of how implicit calls itself
        model.fit(counts, show_progress=False)
    options = {"recalculate_user": True} if name == "ALS" else {}
    found, scores = model.recommend(np.arange(X.shape[0]), counts, N=5, **options)
    chosen = np.take_along_axis(fitted.scores(X), found.astype(int), axis=1)
    best = np.take_along_axis(fitted.scores(X), expected, axis=1)
    np.testing.assert_allclose(scores, chosen, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(chosen, best, rtol=1e-4, atol=1e-5)
