"""The paper's tables as a user makes them: real processes on a small table, killed and continued,
against a direct computation.
"""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from helpers import ROOT, leftover, refused
from PIL import Image
from scipy import stats

from macrid import config, model, npz, reproduce, run_folder
from macrid.baselines import EASE, MultiVAE, Ridge
from macrid.baselines.ensemble import Ensemble
from macrid.errors import UserError
from macrid.evaluation import metrics
from macrid.evaluation.statistics import holm, paired_comparison
from macrid.experiments import planning, results, systems
from macrid.interpret import drawing
from macrid.training import fit

QUICK = "--K 2 --d 6 --max-epochs 3 --min-user-items 3 --precision float64 --folds 3 --jobs 2"
ROWS = ("popularity", "EASE", "MultiVAE", "MacridVAE", "SEM-MacridVAE-categorical")


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    """A table of 60 users and 70 items with a category; some users are too light to have anything
    held out.
    """
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "some.csv"
    rows = [
        f"{u},{i},{'ab'[i % 2]}"
        for u in range(60)
        for i in rng.choice(70, 4 if u % 12 == 0 else 14, replace=False)
    ]
    path.write_text("\n".join(["user,item,kind", *rows, ""]))
    return path


@pytest.fixture(scope="module")
def words(ratings):
    """Words of a quick Table 2 of two seeds."""
    options = ratings.with_name("options.toml")
    options.write_text(
        "[MultiVAE]\nhidden = [8]\nlatent = 4\nmax_epochs = 3\n[EASE]\nregularisation = 20.0\n"
    )
    data = ("--data", ratings, "--categories", "kind", "--options", options)
    return ["table2", *data, *QUICK.split(), "--seeds", 0, 1, "--systems", *ROWS]


def start(words, **more):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "macrid.reproduce", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **more,
    )


@pytest.fixture(scope="module")
def made(words, tmp_path_factory):
    """The folder of that table, made without disturbance, and what was printed."""
    folder = tmp_path_factory.mktemp("made") / "table"
    process = start([*words, "--out", folder])
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    lines = errors.splitlines()  # no terminal reads it
    units = len(list((folder / "units").iterdir()))
    assert len(lines) == units and all("  fit " in line for line in lines), errors
    return folder, output


def table(folder):
    """table.json without what differs from run to run: how long it took."""
    found = json.loads((folder / "table.json").read_text())
    found["header"].pop("time")
    for system in found["systems"]:
        system.pop("seconds")
    return found


def test_the_table_is_what_a_direct_computation_gives(made, ratings):
    """Fold by fold and seed by seed with the functions below the command; seeds averaged user by
    user, folds joined.
    """
    found = table(made[0])
    base = config.Config(
        data=str(ratings),
        categories="kind",
        K=2,
        d=6,
        max_epochs=3,
        min_user_items=3,
        precision="float64",
    )
    interactions = run_folder.load_data(base)
    of_ease, of_macrid = [], []
    for fold in range(3):
        settings = base.replace(split=f"kfold:{fold}/3")
        split, _ = run_folder.prepare(interactions, settings)
        of_ease.append(
            metrics.evaluate(EASE.fit(split.train, regularisation=20.0).scores, split.test)[
                "ndcg@100"
            ]
        )
        of_seeds = []
        for seed in (0, 1):
            trained = fit.fit(split, settings.replace(seed=seed)).best
            of_seeds.append(
                metrics.evaluate(lambda X: model.predict(trained, X, settings), split.test)[
                    "ndcg@100"
                ]
            )
        of_macrid.append(np.mean(of_seeds, axis=0))
    expected = {"EASE": np.concatenate(of_ease), "MacridVAE": np.concatenate(of_macrid)}
    rows = {row["name"]: row["figures"]["ndcg@100"] for row in found["systems"]}
    assert list(rows) == list(ROWS)
    for name, values in expected.items():
        scored = values[~np.isnan(values)]
        assert rows[name]["mean"] == pytest.approx(scored.mean(), rel=1e-9)
        assert rows[name]["stderr"] == pytest.approx(
            scored.std(ddof=1) / len(scored) ** 0.5, rel=1e-9
        )
        assert (rows[name]["users"], rows[name]["left_out"]) == (
            55,
            5,
        ), "users too light to hold anything out are counted"
    assert found["reference"] == "SEM-MacridVAE-categorical"
    assert rows["EASE"]["between_seeds"] is None and rows["MacridVAE"]["between_seeds"] > 0


@pytest.mark.parametrize("name, linear", (("MultiVAE+Ridge", Ridge), ("MultiVAE+EASE", EASE)))
def test_a_sum_is_that_of_its_two_parts(name, linear, ratings):
    """Each fitted as its own row has it, a linear map's regularisation by validation users."""
    row = next(row for row in systems.TABLE2 if row.name == name)
    full, interactions, _ = systems.full_model({"data": str(ratings), "min_user_items": 3})
    settings = full.replace(split="kfold:0/3")
    settings, options = systems.settled(row, settings, {"max_epochs": 2, "latent": 4})
    split, _ = run_folder.prepare(interactions, settings)
    parts = (
        MultiVAE.fit(split.train, split.validation, **options),
        linear.fit(split.train, split.validation, regularisation=None),
    )
    scores = Ensemble.of(*parts, split.validation).scores
    result = row.score(settings, options)
    expected = metrics.evaluate(scores, split.test)["ndcg@100"]
    np.testing.assert_allclose(result.metrics["ndcg@100"], expected)
    validation = metrics.summary(metrics.evaluate(scores, split.validation))["ndcg@100"]["mean"]
    assert result.facts["validation"] == pytest.approx(validation) and "weight" in result.facts


def test_comparisons_are_of_users_with_the_reference(made):
    """From the units' own files: each user's difference, its test, and Holm over all comparisons of
    the table.
    """
    folder = made[0]
    found = table(folder)["comparisons"]
    assert len(found) == 4 * 3

    def of_users(name, metric, seeds):
        values, folds = [], []
        for fold in range(3):
            files = [np.load(folder / "units" / f"{name}.fold{fold}{seed}.npz") for seed in seeds]
            values.append(
                np.mean([file[metric] for file in files], axis=0)[np.argsort(files[0]["users"])]
            )
            folds.append(np.nanmean(values[-1]))
        users = np.concatenate(
            [
                np.sort(np.load(folder / "units" / f"{name}.fold{fold}{seeds[0]}.npz")["users"])
                for fold in range(3)
            ]
        )
        return np.concatenate(values)[np.argsort(users)], np.array(folds)

    for one in found:
        seeds = (".seed0", ".seed1")
        ours, our_folds = of_users("SEM-MacridVAE-categorical", one["metric"], seeds)
        theirs, their_folds = of_users(
            one["system"],
            one["metric"],
            ("",) if one["system"] in ("popularity", "EASE") else (".seed0", ".seed1"),
        )
        expected = paired_comparison(ours, theirs)
        for name in ("mean", "stderr", "low", "high", "p", "detectable"):
            assert one[name] == pytest.approx(getattr(expected, name), rel=1e-9, abs=1e-15)
        by_folds = stats.ttest_rel(our_folds, their_folds).pvalue
        assert one["by_folds"]["p"] == pytest.approx(by_folds, rel=1e-6)
        assert one["users"] == 55 and one["ahead"][1] == 6
    for unit in (found, [one["by_folds"] for one in found]):
        p = [[one[name] for one in unit] for name in ("p_holm", "p")]
        np.testing.assert_allclose(p[0], holm(p[1]))


def test_files_say_the_same(made, words):
    folder, output = made
    found = table(folder)
    text = (folder / "table.md").read_text()
    assert (
        "55; 5 more are left out" in text
        and "3 folds" in text
        and "0, 1" in text
        and "commit" in text
    )
    for row in found["systems"]:
        figure = row["figures"]["ndcg@100"]
        cell = f"{figure['mean']:.4f} ± {figure['stderr']:.4f}"
        assert cell in text and cell in output
    rows = list(csv.DictReader((folder / "table.csv").open()))
    assert (
        len(rows) == len(ROWS) * 3
        and float(rows[0]["mean"]) == found["systems"][0]["figures"]["ndcg@100"]["mean"]
    )
    assert next(row for row in found["systems"] if row["name"] == "MultiVAE")["options"][
        "hidden"
    ] == [8]
    with Image.open(folder / "table2.png") as picture:
        assert min(picture.size) > 600
    assert (folder / "table2.svg").stat().st_size > 1000
    assert len(list((folder / "units").glob("*.npz"))) == 2 * 3 + 3 * 3 * 2


@pytest.mark.long
def test_killed_and_begun_again_it_ends_as_if_it_had_not_been(made, words, tmp_path):
    folder = tmp_path / "table"
    units = lambda: set((folder / "units").glob("*.npz"))
    kept = {}
    for _ in range(2):
        process = start([*words, "--out", folder])
        while len(units()) < len(kept) + 3:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()  # ends when the last holder of its pipes has: the workers die with it
        kept = {path: path.stat().st_mtime_ns for path in units()}
    leftover(folder / "units").write_bytes(b"half")
    process = start([*words, "--out", folder])
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, (
        "what was finished was not done again"
    )
    assert table(folder) == table(made[0]) and not list(folder.rglob("*.part"))
    assert (folder / "table2.svg").read_bytes() == (made[0] / "table2.svg").read_bytes()


@pytest.mark.long
def test_ctrl_c_is_one_line_and_keeps_what_is_finished(words, tmp_path):
    folder = tmp_path / "table"
    process = start(
        [*words, "--max-epochs", 2000, "--patience", 2000, "--out", folder], start_new_session=True
    )
    while not list((folder / "units").glob("*.npz")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all processes of the group
    _, errors = process.communicate()
    assert (
        process.returncode == 2
        and errors.count("error: ") == 1
        and "error: interrupted" in errors.splitlines()[-1]
        and "the same command" in errors
    ), errors
    assert not (folder / "table.md").exists()


OTHERS = {
    "an option": ("--K 3", ["K = 2, not 3", "--overwrite"]),
    "folds": ("--folds 4", ["folds = 3, not 4"]),
    "a row's option": (
        "--options other.toml",
        ["EASE.fold0.npz", "regularisation = 20.0, not 10.0"],
    ),
    "data": ("--data other.csv", ["hash of the data"]),
}


@pytest.mark.parametrize("more, messages", OTHERS.values(), ids=OTHERS)
def test_other_options_are_refused_in_a_folder(
    call, made, words, ratings, tmp_path, more, messages
):
    folder, before = made[0], (made[0] / "table.json").read_bytes()
    (tmp_path / "other.toml").write_text("[EASE]\nregularisation = 10.0\n")
    (tmp_path / "other.csv").write_text(ratings.read_text() + "59,0,a\n")
    done = call("reproduce", *words, *more.split(), "--out", folder, cwd=tmp_path)
    refused(done, *messages)
    assert (folder / "table.json").read_bytes() == before


def test_a_folder_of_before_an_option_goes_on(call, made, words, tmp_path):
    folder = shutil.copytree(made[0], tmp_path / "earlier")
    for path in (folder / "units").iterdir():
        arrays, description = npz.load(path)
        del description["made of"]["threads"]
        npz.save(path, arrays, description)
    before = {path: path.read_bytes() for path in (folder / "units").iterdir()}
    done = call("reproduce", *words, "--out", folder)
    assert done.returncode == 0, done.stderr
    after = {path: path.read_bytes() for path in (folder / "units").iterdir()}
    assert after == before, "nothing is fitted again"


def test_another_table_is_refused_in_a_folder(call, made, words):
    rows = words[1 : words.index("--systems")]
    done = call("reproduce table3", *rows, "--out", made[0])
    refused(done, "table = table2, not table3")


def test_a_folder_of_other_things_is_refused(call, words, ratings):
    done = call("reproduce", *words, "--out", ratings.parent)
    refused(done, "holds '", "give --out a new folder")
    refused(call("reproduce", *words, "--out", ratings), "is a file")


@pytest.fixture(scope="module")
def few(command, words, tmp_path_factory):
    """(a table of two rows by one process, its words)."""
    folder = tmp_path_factory.mktemp("few") / "table"
    rows = ("--systems", "MacridVAE", "EASE", "--jobs", 1, "--quiet")
    few = [*words[: words.index("--systems")], *rows, "--reference", "EASE"]
    done = command("reproduce", *few, "--test", "permutation", "--out", folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder, few


def test_fewer_rows_and_one_process_give_the_same_figures(few, made):
    found = table(few[0])
    whole = {row["name"]: row["figures"] for row in table(made[0])["systems"]}
    assert [row["name"] for row in found["systems"]] == ["EASE", "MacridVAE"]
    for row in found["systems"]:
        assert row["figures"] == whole[row["name"]]


def test_another_reference_and_the_permutation_test(few):
    found = table(few[0])
    assert found["reference"] == "EASE"
    for comparison in found["comparisons"]:
        assert 1e-4 <= comparison["p"] <= 1 and comparison["system"] == "MacridVAE"


def test_a_damaged_unit_is_named_and_made_anew(call, few, tmp_path):
    folder, words = few
    expected = table(folder)["systems"]
    damaged = shutil.copytree(folder, tmp_path / "table")
    (damaged / "units" / "EASE.fold1.npz").write_bytes(b"PK")
    refused(call("reproduce", *words, "--out", damaged), "EASE.fold1.npz", "delete it")
    again = call("reproduce", *words, "--out", damaged, "--overwrite")
    assert again.returncode == 0, again.stderr
    assert table(damaged)["systems"] == expected


MISTAKES = {
    "no such row": ("--systems EASY", ["there is no 'EASY' in table2; did you mean EASE?"]),
    "no pictures": ("--systems SEM-MacridVAE", ["no features of pictures", "--features FILE"]),
    "no reference": ("--reference ItemKNN", ["no row 'ItemKNN'"]),
    "two splits": ("--split holdout", ["exclude each other"]),
    "betas": ("--betas 1", ["--betas is for figure5"]),
    "a row's option": ("--options layers.toml", ["unknown 'layers'", "hidden"]),
    "options of no row": ("--options typo.toml", ["'MultiVEA' is no row"]),
    "a seed": ("--seeds -1", ["seed is -1"]),
}


@pytest.mark.parametrize("more, messages", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_leaves_no_folder(call, words, tmp_path, more, messages):
    (tmp_path / "layers.toml").write_text("[MultiVAE]\nlayers = 3\n")
    (tmp_path / "typo.toml").write_text("[MultiVEA]\nhidden = [3]\n")
    refused(call("reproduce", *words, *more.split(), "--out", "no", cwd=tmp_path), *messages)
    assert not (tmp_path / "no").exists()


def test_beta_is_not_given_where_it_varies(call, tmp_path):
    refused(call("reproduce figure5 --beta 1 --out no", cwd=tmp_path), "beta", "--betas")


def test_what_fails_in_a_worker_names_its_unit(command, words, tmp_path):
    done = command("reproduce", *words, "--K", 100, "--quiet", "--out", tmp_path / "no")
    refused(done, "MacridVAE.fold", "lower K")


def planned(*words):
    """The rows of a table on the data that the words name, and what is left out: {row: its
    configuration}, {row: why}.
    """
    flags = reproduce.parser().parse_args(list(map(str, words)))
    full, interactions, missing = systems.full_model(reproduce.given_options(flags))
    units, left_out = planning.plan(
        reproduce.asked_for(flags), full, missing, min(interactions.X.shape)
    )
    return {unit.system.name: unit.config for unit in units}, left_out, full


def test_table_2_on_the_shop_has_all_rows(ratings):
    rows, left_out, _ = planned("table2")
    assert list(rows) == [row.name for row in systems.TABLE2] and not left_out
    start = {
        name: (rows[name].start, rows[name].category_weight > 0)
        for name in list(rows)
        if "Macrid" in name
    }
    assert start == {
        "MacridVAE": ("random", False),
        "SEM-MacridVAE": ("pictures", True),
        "MacridVAE-adoptions": ("adoptions", False),
        "SEM-MacridVAE-visual": ("pictures", False),
        "SEM-MacridVAE-categorical": ("random", True),
        "MacridVAE+linear": ("random", False),
        "SEM-MacridVAE+linear": ("pictures", True),
    }
    rows, left_out, full = planned("table2", "--data", ratings, "--min-user-items", 3)
    assert {name: why.split(";")[0] for name, why in left_out.items() if name.endswith("l")} == {
        "SEM-MacridVAE-visual": "no features of pictures were given",
        "SEM-MacridVAE-categorical": f"{ratings} has no categories",
    }
    assert (
        "MacridVAE" in rows
        and "SEM-MacridVAE" in left_out
        and full.start == "random"
        and full.category_weight == 0
    )


def test_a_row_is_left_out_for_what_it_lacks_and_no_other_with_it(ratings):
    """With categories and no pictures, what is left of the full model is the row of categories: it
    stays, and is the reference.
    """
    rows, left_out, _ = planned(
        "table2", "--data", ratings, "--categories", "kind", "--min-user-items", 3
    )
    assert set(left_out) == {"SEM-MacridVAE", "SEM-MacridVAE-visual"} and all(
        "no features" in why and "same" not in why for why in left_out.values()
    )
    assert planning.reference_row(None, list(rows)) == "SEM-MacridVAE-categorical"


def test_a_file_of_tuned_options_is_taken_but_for_what_the_table_decides(tmp_path):
    """`macrid.tune` writes all fields of the configuration, the seed, the split and the start among
    them.
    """
    (tmp_path / "best.toml").write_text(
        'data = "shop"\nK = 3\nseed = 5\nsplit = "holdout"\nstart = "random"\nbeta = 7.0\n'
    )
    rows, _, full = planned("table2", "--config", tmp_path / "best.toml", "--seeds", 2)
    assert (full.K, full.beta) == (3, 7.0) and {
        (row.seed, row.split) for name, row in rows.items() if "Macrid" in name
    } == {(2, "kfold:4/5")}
    assert rows["SEM-MacridVAE"].start == "pictures"
    assert (
        planned("figure5", "--config", tmp_path / "best.toml", "--betas", 1)[0][
            "SEM-MacridVAE-beta-1"
        ].beta
        == 1.0
    )


def test_each_ablation_changes_what_it_says_and_nothing_else(ratings):
    rows, left_out, full = planned("table3", "--folds", 3)
    assert not left_out and len(set(rows.values())) == len(systems.TABLE3), (
        "no two rows are the same"
    )
    changed = {
        name: {field: value for field, value in vars(row).items() if value != vars(full)[field]}
        for name, row in rows.items()
    }
    for fields in changed.values():
        fields.pop("split")
    assert changed["SEM-MacridVAE"] == {}
    assert changed["without-macro"] == {"K": 1} and changed["without-macro-wide"] == {
        "K": 1,
        "d": full.K * full.d,
    }
    assert changed["without-micro"] == {"beta": 0.0} and changed["without-categorical"] == {
        "category_weight": 0.0
    }
    assert changed["without-visual"] == {"start": "random", "init_deviation": 0.02}
    without = {"start": "adoptions", "category_weight": 0.0}
    assert changed["without-semantics"] == {**without, "d": 100}, "on the shop, what suits it there"
    assert changed["inner-product"] == {"similarity": "inner"} and changed["one-hot-at-test"] == {
        "hard_concepts": True
    }
    rows, left_out, _ = planned("table3", "--data", ratings, "--min-user-items", 3, "--K", 1)
    assert left_out["without-macro"] == "it is the same as SEM-MacridVAE here"
    assert left_out["without-semantics"] == "it is the same as start-adoptions here"
    assert rows["start-adoptions"].d == 200
    with pytest.raises(UserError, match="without-visual: no features"):
        planned("table3", "--data", ratings, "--min-user-items", 3, "--systems", "without-visual")


def test_pictures_by_fold_are_the_rows_of_all_items():
    """A worker makes features of all items once and takes the rows of a fold: the same start as
    `macrid.train` has.
    """
    settings = planned("table2", "--systems", "SEM-MacridVAE", "--max-epochs", 1)[0][
        "SEM-MacridVAE"
    ]
    interactions = run_folder.load_data(settings)
    split, targets = run_folder.prepare(interactions, settings)
    features, _ = run_folder.item_features(interactions, split.items, settings)
    trained = fit.fit(split, settings, targets, fit.start(split, settings, features, targets)).best
    expected = metrics.evaluate_ranking(
        lambda X, k: model.rank(trained, X, settings, k)[0], split.test
    )
    result = systems.score_model(settings)
    np.testing.assert_array_equal(result.users, split.test.users)
    for metric in results.METRICS:
        np.testing.assert_array_equal(result.metrics[metric], expected[metric])
    assert result.facts["epochs"] == 1 and result.facts["items"] == len(split.items)


@pytest.fixture(scope="module")
def figure5(command, ratings, tmp_path_factory):
    """The folder of a quick Figure 5, of which one row has an option of its own."""
    folder = tmp_path_factory.mktemp("figure5")
    of_multivae = "[MultiVAE]\nhidden = [8]\nlatent = 4\nmax_epochs = 3\n"
    (folder / "o.toml").write_text(of_multivae + "[SEM-MacridVAE-beta-5]\nmax_epochs = 2\n")
    data = ("--data", ratings, "--categories", "kind", "--options", folder / "o.toml")
    done = command(f"reproduce figure5 {QUICK} --betas 5 0.1", *data, "--out", folder / "f")
    assert done.returncode == 0, done.stderr
    return folder / "f"


def test_figure_5_has_a_point_for_each_beta(figure5):
    rows = table(figure5)["systems"]
    series = ("SEM-MacridVAE", "MacridVAE", "MultiVAE")
    points = [(name, beta) for name in series for beta in (0.1, 5.0)]
    assert [(row["series"], row["beta"]) for row in rows] == points
    assert [row["epochs"] for row in rows[:2]] == [3, 2]
    assert rows[4]["options"]["beta"] == 0.1


def test_figure_5_measures_independence(figure5):
    for row in table(figure5)["systems"]:
        for name in results.INDEPENDENCE:
            figure = row["independence"][name]
            assert 0 <= figure["mean"] <= 1 and figure["stderr"] >= 0
    assert "Independence of dimensions" in (figure5 / "table.md").read_text()


@pytest.mark.parametrize("name", ["figure5", "figure5_recall20"])
def test_figure_5_is_drawn(figure5, name):
    with Image.open(figure5 / f"{name}.png") as picture:
        assert min(picture.size) > 600


def test_the_picture_of_a_table_says_what_is_off_its_scale(made):
    found = json.loads((made[0] / "table.json").read_text())
    for one in found["comparisons"]:
        if one["system"] == "popularity":
            one.update(mean=9.0, low=8.0, high=10.0)
    drawn = drawing.comparison(found)
    told = [text.get_text() for axis in drawn.axes[3:] for text in axis.texts]
    assert told == ["+9.000 →"] * 3 and max(axis.get_xlim()[1] for axis in drawn.axes[3:]) < 8
