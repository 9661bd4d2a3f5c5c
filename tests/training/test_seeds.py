"""Several seeds: their models side by side, ln P averaged, and what uses a run of them."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT, SMALL, contents, same, standin

from macrid import Recommender, data, evaluate, model, run_folder, train
from macrid.data.splits import split
from macrid.errors import UserError
from macrid.model import ensemble
from macrid.training import fit, linear_path, seeds
from macrid.training.workers import cores

CONFIG = SMALL.replace(max_epochs=3, seed=4, seeds=3)
NAMES = [f"seed-{seed}/H" for seed in (5, 6)]


def adoptions(users=60, items=40):
    rng = np.random.default_rng(5)
    return [(f"u{u}", f"i{i}") for u in range(users) for i in rng.choice(items, 9, replace=False)]


@pytest.fixture(scope="module")
def parts():
    return split(data.from_pairs(*zip(*adoptions())), "holdout", 0)


def fitted(parts, config, **options):
    return seeds.fit(
        parts, config, None, [fit.start(parts, one) for one in seeds.each(config)], **options
    )


@pytest.fixture(scope="module")
def apart(parts):
    """The three models, each trained by itself."""
    return [fit.fit(parts, one) for one in seeds.each(CONFIG)]


def one_after_another(monkeypatch):
    monkeypatch.setattr(seeds, "cores", lambda config: 1)


@pytest.mark.parametrize("options", [{}, {"tau": 0.002}, {"similarity": "inner"}, {"K": 1}])
@pytest.mark.parametrize("path", [False, True])
def test_scores_are_the_mean_of_the_models_ln_P(tiny, rng, options, path):
    case = tiny(rows=((0, 2, 5), (), (1, 2, 3, 10)), M=11, **options)
    models = [case.parameters] + [
        {name: p + 0.3 * rng.standard_normal(p.shape) for name, p in case.parameters.items()}
        for _ in range(2)
    ]
    expected = sum(model.log_predict(p, case.X, case.config) for p in models) / 3
    together = ensemble.joined(dict(zip((4, 5, 6), models)))
    if path:
        together["L"] = rng.standard_normal((11, 3))
        expected = expected + case.X @ together["L"] @ together["L"].T
    scores = model.log_predict(together, case.X, case.config)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)
    assert np.abs(scores - model.log_predict(models[0], case.X, case.config)).max() > 0.01
    for prepared in (None, model.prepare(together, case.config)):
        items, values = model.rank(
            together, case.X, case.config, 4, False, items_at_a_time=3, prepared=prepared
        )
        np.testing.assert_array_equal(items, np.argsort(-expected, axis=1)[:, :4])
        np.testing.assert_allclose(values, np.take_along_axis(expected, items, axis=1))
    np.testing.assert_array_equal(
        model.concepts(together, case.config), model.concepts(models[0], case.config)
    )


def test_side_by_side_is_one_after_another_is_each_by_itself(parts, apart, monkeypatch):
    epochs = []
    monkeypatch.setattr(seeds, "cores", lambda config: 2)
    together = fitted(parts, CONFIG, on_epoch=lambda one, state: epochs.append((one.seed, state)))
    one_after_another(monkeypatch)
    in_turn = fitted(parts, CONFIG)
    models = ensemble.split(together[0].best)
    for s, state in enumerate(apart):
        for name, p in state.best.items():
            np.testing.assert_array_equal(models[s][name], p)
        assert together[s].history == in_turn[s].history == state.history
    for name, p in together[0].best.items():
        np.testing.assert_array_equal(in_turn[0].best[name], p)
    same(apart[0], in_turn[0])
    assert sorted((seed, state.epoch) for seed, state in epochs) == [
        (seed, epoch) for seed in (4, 5, 6) for epoch in (1, 2, 3)
    ]
    assert not any(state.best or state.parameters for _, state in epochs)
    assert len({p["H"].tobytes() for p in models}) == 3


def test_the_path_is_added_to_the_average(parts, apart, monkeypatch):
    one_after_another(monkeypatch)
    config = CONFIG.replace(linear_path=0.5)
    best = ensemble.joined({4 + s: state.best for s, state in enumerate(apart)})
    expected, chosen, _ = linear_path.add(best, parts, config)
    state = fitted(parts, config)[0]
    assert state.path == chosen
    for name, p in expected.items():
        np.testing.assert_array_equal(state.best[name], p)
    assert "L" in expected and len(ensemble.split(expected)) == 3


def test_on_a_device_they_are_trained_one_after_another(parts, monkeypatch):
    config = CONFIG.replace(linear_path=0.5, max_epochs=2)
    one_after_another(monkeypatch)
    expected = fitted(parts, config)[0].best
    monkeypatch.undo()
    xp = standin(monkeypatch)
    best = fitted(parts, config.replace(backend="cupy"))[0].best
    for name, p in expected.items():
        assert isinstance(best[name], xp.ndarray)
        np.testing.assert_allclose(best[name].get(), p, rtol=1e-3, atol=1e-5)


def test_what_goes_wrong_names_the_seed(parts):
    config = CONFIG.replace(learning_rate=1e30)
    with pytest.raises(UserError, match="^seed [456]: .* try a lower learning_rate"):
        fitted(parts, config)


@pytest.fixture(scope="module")
def ratings(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "ratings.csv"
    rows = "".join(f"{user},{item}\n" for user, item in adoptions())
    path.write_text("user,item\n" + rows)
    return path


def options(ratings, folder, epochs, *more):
    words = f"--data {ratings} --K 2 --d 8 --batch-size 20 --seeds 3 --seed 4 --linear-path 0.5"
    words += " --averaging 0.5"
    return [*words.split(), "--max-epochs", str(epochs), "--out", str(folder), "--quiet", *more]


@pytest.fixture(scope="module")
def run(ratings, tmp_path_factory):
    """A run of three seeds."""
    folder = tmp_path_factory.mktemp("runs") / "three"
    train.main(options(ratings, folder, 4))
    return folder


def states_of(folder):
    paths = (folder, folder / "seed-5", folder / "seed-6")
    return [(place / "history.jsonl").read_text() for place in paths]


def test_interrupted_and_resumed_is_uninterrupted(run, ratings, tmp_path, monkeypatch):
    """Once after two epochs, once when a seed had not begun."""
    one_after_another(monkeypatch)
    folder = tmp_path / "run"
    train.main(options(ratings, folder, 2))
    shutil.rmtree(folder / "seed-6")
    for name in ("metrics.json", "model.npz"):
        (folder / name).unlink()
    train.main(["--resume", "--out", str(folder), "--max-epochs", "4", "--quiet"])
    _, metrics, arrays = contents(folder)
    _, expected_metrics, expected = contents(run)
    assert metrics == expected_metrics and states_of(folder) == states_of(run)
    arrays.pop("description"), expected.pop("description")  # has the path of the data
    assert arrays == expected and f"best/{NAMES[0]}" in arrays
    of_seeds = run_folder.load_metrics(folder)["seeds"]
    assert list(of_seeds) == ["4", "5", "6"] and of_seeds["5"]["epochs"] == 4


def test_an_unfinished_run_is_continued_first(run, tmp_path):
    """Its first model alone would be taken for the average."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    shutil.copy(folder / "seed-5" / "checkpoint.npz", folder / "checkpoint.npz")
    config = run_folder.load_config(folder)
    run_folder.save_config(folder, config.replace(seed=5))
    with pytest.raises(UserError, match="not all its seeds are trained; .* --resume --out"):
        run_folder.load(folder)


def test_what_is_saved_is_what_recommends(run, capsys, tmp_path):
    loaded, trained = Recommender.load(run), run_folder.load(run)
    assert [name for name in loaded.parameters if name in NAMES] == NAMES
    X = loaded.histories[:5]
    expected = model.rank(trained.parameters, X, trained.settings, 5)
    items, scores = loaded.recommend(loaded.users[:5].tolist(), n=5)
    np.testing.assert_array_equal(items, loaded.items[expected[0]])
    np.testing.assert_array_equal(scores, expected[1])
    first = model.rank(ensemble.split(trained.parameters)[0], X, trained.settings, 5)
    assert (first[0] != expected[0]).any()
    loaded.save(tmp_path / "model.npz")
    again = Recommender.load(tmp_path / "model.npz").recommend(loaded.users[:5].tolist(), n=5)
    np.testing.assert_array_equal(again[1], scores)
    evaluate.main(["--run", str(run), "--at", "20"])
    mean = run_folder.load_metrics(run)["test"]["recall@20"]["mean"]
    assert f"{mean:.4f}" in capsys.readouterr().out


def test_factors_explanations_and_new_items_are_of_the_sum_and_vectors_are_refused(run):
    loaded = Recommender.load(run)
    user = loaded.users[0]
    only_0, _ = loaded.recommend(user, n=5, concepts={1: 0.0})
    assert (loaded.concepts[np.isin(loaded.items, only_0)].argmax(axis=1) == 0).all()
    assert loaded.explain(user, loaded.items[0]).concepts.sum() == pytest.approx(1)
    for call in (loaded.item_vectors, lambda: loaded.user_vectors(user)):
        with pytest.raises(UserError, match="3 seeds are no inner products.*--seeds 1"):
            call()
    labels = {"item": [*loaded.items, "new"], "category": ["a", "b"] * 20 + ["a"]}
    loaded.add_items(labels)
    assert {len(loaded.parameters[name]) for name in ("H", "L", *NAMES)} == {41}
    items, _ = loaded.recommend(user, n=41, exclude_seen=False)
    assert "new" in items


def test_a_final_run_and_a_warm_start_take_each_seed_from_its_own(run, ratings, tmp_path):
    final = tmp_path / "final"
    train.main(["--final", str(run), "--out", str(final), "--quiet"])
    settings, chosen = run_folder.load_config(final), run_folder.load_metrics(run)["seeds"]
    mean = sum(facts["best_epoch"] for facts in chosen.values()) / 3
    assert settings.seeds == 3 and settings.max_epochs == max(1, round(mean))
    assert [name for name in Recommender.load(final).parameters if name in NAMES] == NAMES
    of_final = run_folder.load_metrics(final)["seeds"]["5"]  # nobody was held out to ask
    assert of_final == dict.fromkeys(("best_epoch", "epochs"), settings.max_epochs)

    warm = tmp_path / "warm"
    still = ["--learning-rate", "0", "--l2", "0", "--max-epochs", "1"]
    train.main(["--warm-start", str(run), "--out", str(warm), "--quiet", *still])
    before, now = Recommender.load(run).parameters, Recommender.load(warm).parameters
    for name in ("H", *NAMES):
        np.testing.assert_array_equal(now[name], before[name])


def test_a_recommender_of_several_seeds(parts, monkeypatch):
    one_after_another(monkeypatch)
    trained = Recommender(CONFIG).fit(adoptions())
    assert [name for name in trained.parameters if name in NAMES] == NAMES
    assert trained.metrics["ndcg@100"]["users"] == 6
    with pytest.raises(UserError, match="on_epoch follows one model, but seeds is 3"):
        Recommender(CONFIG).fit(adoptions(), on_epoch=print)
    warm = Recommender(CONFIG.replace(learning_rate=0.0, l2=0.0, max_epochs=1))
    warm.fit(adoptions(), warm_start=trained)
    np.testing.assert_array_equal(warm.parameters[NAMES[1]], trained.parameters[NAMES[1]])


def test_overwrite_takes_the_folders_of_seeds_away_but_not_what_else_is_there(
    run, ratings, tmp_path
):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "seed-6" / "notes.txt").write_text("mine")
    words = options(ratings, folder, 1, "--overwrite")
    words[words.index("--seeds") + 1] = "1"
    train.main(words)
    assert not (folder / "seed-5").exists()
    assert [path.name for path in (folder / "seed-6").iterdir()] == ["notes.txt"]
    assert "seed-5/H" not in Recommender.load(folder).parameters


@pytest.mark.skipif(cores(CONFIG) < 2, reason="with one core they are trained in this process")
def test_a_script_without_a_main_is_told_so(ratings, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"import macrid\nmacrid.Recommender(seeds=2, d=8).fit({str(ratings)!r})\n")
    done = subprocess.run(
        [sys.executable, script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode and "if __name__ == '__main__':" in done.stderr.splitlines()[-1]
