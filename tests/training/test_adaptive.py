"""The adaptive number of concepts: the divergence, who is dropped, what the others take over, and
that a run can be interrupted.
"""

from itertools import product

import numpy as np
import pytest
from helpers import SMALL, contents, refused, same, standin
from scipy.spatial.distance import jensenshannon

from macrid import Recommender, data, model, run_folder
from macrid.backend import to_device, to_host
from macrid.config import Config
from macrid.data import shop
from macrid.data.splits import split
from macrid.interpret import macro
from macrid.training import adam, adaptive, checkpoint, fit


def test_the_divergence_is_scipys(rng):
    """SciPy's is the square root of ours; an item that a concept never takes, and a concept that
    takes none, do no harm.
    """
    C = rng.dirichlet(np.full(4, 0.3), 30)
    C[3] = [0, 1, 0, 0]
    D = adaptive.divergences(C.astype("float32"))
    for k in range(4):
        for other in range(4):
            expected = jensenshannon(C[:, k], C[:, other], base=2) ** 2 if k != other else 0
            assert D[k, other] == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(adaptive.divergences(np.array([[1.0, 0.0], [1.0, 0.0]]))).all()


def test_it_is_zero_for_equal_columns_whatever_they_hold_and_one_for_disjoint_ones():
    C = np.array([[0.6, 0.2, 0.2, 0], [0.3, 0.1, 0.6, 0], [0, 0, 0, 1]])
    D = adaptive.divergences(C)
    assert D[0, 1] == pytest.approx(0, abs=1e-12) and D[0, 3] == pytest.approx(1)
    assert adaptive.closest(C) == (
        0,
        1,
        pytest.approx(0, abs=1e-12),
    ), "the one with fewer items goes"
    assert adaptive.closest(C[:, [1, 0, 2, 3]])[:2] == (1, 0)


def twin(m, H, threshold, tau):
    """Section 4.1.4 in plain words: (rows of m that are left, [(dropped, kept), ...] by their first
    numbers).
    """
    left, dropped = list(range(len(m))), []
    while len(left) > 1:
        cosine = [[h @ m[k] / np.linalg.norm(h) / np.linalg.norm(m[k]) for k in left] for h in H]
        C = np.array(
            [np.exp(np.array(row) / tau) / np.exp(np.array(row) / tau).sum() for row in cosine]
        )
        pairs = [
            (jensenshannon(C[:, a], C[:, b], base=2) ** 2, a, b)
            for a in range(len(left))
            for b in range(a)
        ]
        divergence, a, b = min(pairs)
        if divergence >= threshold:
            break
        lighter, heavier = (a, b) if C[:, a].sum() < C[:, b].sum() else (b, a)
        dropped.append((left[lighter], left[heavier]))
        del left[lighter]
    return left, dropped


@pytest.mark.parametrize("threshold", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("hard_concepts", [False, True])
def test_shrinking_is_its_plain_twin(tiny, rng, threshold, hard_concepts):
    """Six prototypes of which three are nearly one: m, the moments and the targets of those that
    are left; the best stays.
    """
    t = tiny(K=6, adaptive_K=threshold, hard_concepts=hard_concepts, M=20)
    t.parameters["m"][[3, 5]] = t.parameters["m"][1] * [[2.0], [0.5]] + 0.01 * rng.standard_normal(
        (2, 5)
    )
    moments = {name: (rng.random(p.shape), rng.random(p.shape)) for name, p in t.parameters.items()}
    targets = rng.dirichlet(np.ones(6), 20)
    before = {name: p.copy() for name, p in t.parameters.items()}
    state = fit.State(dict(t.parameters), dict(moments), before, epoch=1, history=[{"epoch": 1}])
    found = adaptive.shrink(state, t.config, targets)

    left, dropped = twin(before["m"], before["H"], threshold, t.config.tau)
    assert {0.05: 4, 0.3: 4, 1.0: 1}[threshold] == len(left)
    np.testing.assert_array_equal(state.parameters["m"], before["m"][left])
    np.testing.assert_array_equal(state.parameters["H"], before["H"])
    for own, whole in zip(state.moments["m"], moments["m"]):
        np.testing.assert_array_equal(own, whole[left])
    owner = np.arange(6)
    for one, other in dropped:
        owner[owner == one] = other
    np.testing.assert_allclose(
        found, np.stack([targets[:, owner == k].sum(axis=1) for k in left], axis=1)
    )
    np.testing.assert_array_equal(adaptive.replay(targets, state.history), found)
    assert len(state.best["m"]) == 6 and state.history[0]["K"] == 6
    assert adaptive.left(6, state.history, 1) == 6 and adaptive.left(6, state.history, 2) == len(
        left
    )


def test_on_a_device(monkeypatch, tiny):
    xp = standin(monkeypatch)
    t = tiny(K=6, adaptive_K=0.9, M=20)
    results = []
    for module in (np, xp):
        parameters = to_device(module, {name: p.copy() for name, p in t.parameters.items()})
        state = fit.State(parameters, adam.start(parameters), parameters, history=[{}])
        targets = adaptive.shrink(
            state, t.config, to_device(module, np.tile(np.eye(6), (4, 1))[:20])
        )
        results.append(
            (to_host(state.parameters["m"]), to_host(targets), state.history[0]["dropped"])
        )
    assert 0 < len(results[0][2]) == 6 - len(results[0][0])
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])
    assert results[0][2] == results[1][2]


SHRINKING = SMALL.replace(
    K=10,
    max_epochs=8,
    learning_rate=0.05,
    category_weight=0.1,
    candidates=8,
    hidden_layers=1,
)


@pytest.fixture(scope="module")
def shrunk(two_worlds):
    """(configuration, targets, an undisturbed run) whose K falls more than once, its best
    parameters with more concepts than its last: of the first seed and threshold that give one.
    """
    targets = np.eye(10, dtype="float32")[np.arange(len(two_worlds.items)) % 10]
    for seed, threshold in product(range(10), np.arange(0.3, 0.95, 0.03)):
        config = SHRINKING.replace(seed=seed, adaptive_K=float(threshold))
        state = fit.fit(two_worlds, config, targets)
        K = [record["K"] for record in state.history]
        assert K == sorted(K, reverse=True) and len(state.best["m"]) == K[state.best_epoch - 1]
        if len(set(K)) > 2 and len(state.best["m"]) > len(state.parameters["m"]):
            return config, targets, state
    raise AssertionError("in no run K falls more than once")


@pytest.mark.parametrize("averaging", [0.0, 0.5])
@pytest.mark.parametrize("stop", [1, 2, 3, 4, 6])
def test_interrupted_and_resumed_equals_uninterrupted(
    two_worlds, shrunk, tmp_path, stop, averaging
):
    """What the concepts that are left are taught is worked out again from the history."""
    config, targets, whole = shrunk
    if averaging:
        config = config.replace(averaging=averaging)
        whole = fit.fit(two_worlds, config, targets)
        assert len(whole.average["m"]) == len(whole.parameters["m"]) < config.K
    partial = fit.fit(two_worlds, config.replace(max_epochs=stop), targets)
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, partial, config, two_worlds)
    resumed = fit.fit(two_worlds, config, targets, checkpoint.load(path, config, two_worlds))
    same(resumed, whole)


def test_off_it_leaves_no_trace(two_worlds):
    state = fit.fit(two_worlds, SMALL.replace(max_epochs=1, K=6))
    assert len(state.parameters["m"]) == 6 and "K" not in state.history[0]


@pytest.fixture(scope="module")
def small_shop():
    """Six categories. The start finds clusters without being told of them."""
    made = shop.make(users=1200, items=900)
    options = {
        **shop.OPTIONS,
        "alexnet": "",
        "start": "adoptions",
        "category_weight": 0.0,
        "max_epochs": 30,
    }
    return made, split(made, "holdout", 0), Config(**options)


def test_from_too_many_it_finds_the_shops_six_intentions(small_shop):
    made, parts, config = small_shop
    accuracy = {}
    for threshold in (0.0, 0.8):
        state = fit.fit(parts, config.replace(K=12, adaptive_K=threshold))
        C = model.concepts(state.parameters, config)
        assert C.shape[1] == (6 if threshold else 12)
        accuracy[threshold] = macro.concept_scores(C, made.truth.category[parts.items])["accuracy"]
    assert accuracy[0.8] > 0.85 > 0.7 > accuracy[0.0]


def test_from_too_few_it_stays_there_and_a_threshold_too_high_leaves_one(small_shop):
    """The rule of the paper only shrinks."""
    _, parts, config = small_shop
    left = lambda threshold: len(
        fit.fit(parts, config.replace(K=3, adaptive_K=threshold, max_epochs=3)).parameters["m"]
    )
    assert (left(0.1), left(1.0)) == (3, 1)


# The commands, for a run whose best parameters have fewer concepts than it began with


@pytest.fixture(scope="module")
def fewer(command, ratings, tmp_path_factory):
    """(such a run, its options, how many concepts it has left), with the first seed and threshold
    that give one.
    """
    options = {"data": str(ratings), "K": 6, "d": 8, "batch_size": 20, "max_epochs": 4}
    options["learning_rate"] = 0.004  # the data would choose less
    parts = split(data.load(ratings), "holdout", Config().split_seed)
    for seed, threshold in product(range(10), (0.5, 0.6, 0.7, 0.8)):
        options |= {"seed": seed, "adaptive_K": threshold}
        K = len(fit.fit(parts, Config(**options)).best["m"])
        if 1 < K < 6:
            break
    folder = tmp_path_factory.mktemp("fewer") / "run"
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    done = command("train", *flags, "--out", folder)
    assert done.returncode == 0, done.stderr
    assert 1 < K < 6 and f"concepts  {K} of 6" in done.stdout
    return folder, flags, K


def test_the_run_and_its_recommender_know_how_many_there_are(fewer):
    folder, _, K = fewer
    assert len(run_folder.load(folder).parameters["m"]) == K
    assert run_folder.load(folder).settings.K == Recommender.load(folder).config.K == K


def test_a_run_of_fewer_concepts_is_resumed(command, fewer, tmp_path):
    folder, flags, _ = fewer
    quiet = ("--quiet", "--out", tmp_path / "run")
    assert command("train", *flags, "--max-epochs=2", *quiet).returncode == 0
    assert command("train --resume --max-epochs 4", *quiet).returncode == 0
    assert contents(tmp_path / "run")[:2] == contents(folder)[:2]
    same(run_folder.load(tmp_path / "run").state, run_folder.load(folder).state)


@pytest.mark.parametrize(
    "words", ["evaluate", "control --user 3 --steps 2", "report --quiet --out page.html"]
)
def test_what_reads_a_run_takes_fewer_concepts(call, fewer, tmp_path, words):
    done = call(words, "--run", fewer[0], cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_recommending_knows_the_concepts_that_are_left(call, fewer):
    folder, _, K = fewer
    done = call(f"recommend --user 3 --concept {K - 1}=3", "--run", folder)
    assert done.returncode == 0 and done.stdout.count("\n") == 11
    done = call(f"recommend --user 3 --concept {K}=3", "--run", folder)
    refused(done, f"numbered 0 to {K - 1}")


def test_a_recommender_of_its_own(ratings):
    own = Recommender(K=6, adaptive_K=1.0, d=8, max_epochs=2).fit(ratings)
    K = len(own.parameters["m"])
    assert own.config.K == K and own.concepts.shape == (len(own.items), K)
    assert own.recommend("3", 4, concepts={K - 1: 2.0})[0].shape == (4,)
