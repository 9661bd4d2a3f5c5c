"""Figures of a run as files, and what is said of the ones left out."""

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree

import numpy as np
import pytest
from helpers import refused
from PIL import Image
from scipy import sparse

from macrid import config, run_folder
from macrid.data import shop, splits
from macrid.interpret import drawing, knobs, macro, maps, trajectory

SMALL = ("--K", 3, "--d", 6, "--max-epochs", 2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Small runs of a ratings file: with categories, with the inner product, with another beta; and
    bare.
    """
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    rows = [f"{u},{i},{'abc'[i % 3]}" for u in range(60) for i in rng.choice(60, 12, replace=False)]
    (folder / "some.csv").write_text("\n".join(["user,item,kind", *rows, ""]))
    (folder / "pictures").mkdir()
    for i in range(30):
        Image.new("RGB", (20 + i, 30), (8 * i, 90, 120)).save(folder / "pictures" / f"{i}.png")
    several = {
        "plain": ("--categories", "kind"),
        "inner": ("--categories", "kind", "--similarity", "inner"),
        "beta": ("--categories", "kind", "--beta", 5),
        "bare": (),
    }
    for name, options in several.items():
        words = [
            sys.executable,
            "-m",
            "macrid.train",
            "--data",
            folder / "some.csv",
            "--quiet",
            "--out",
            folder / name,
            *SMALL,
            *options,
        ]
        subprocess.run([str(word) for word in words], check=True)
    return folder


def test_all_figures_as_png_and_svg(command, runs, tmp_path):
    done = command(
        "figures",
        "--run",
        runs / "plain",
        "--inner-run",
        runs / "inner",
        "--beta-runs",
        runs / "plain",
        runs / "beta",
        "--pictures",
        runs / "pictures",
        "--out",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stdout
    for name in ("map", "independence", "strips"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert min(picture.size) > 600
        root = xml.etree.ElementTree.parse(tmp_path / f"{name}.svg").getroot()
        assert root.tag.endswith("svg")
    before = (tmp_path / "independence.svg").read_bytes()
    again = command(
        "figures",
        "--run",
        runs / "plain",
        "--beta-runs",
        runs / "plain",
        runs / "beta",
        "--out",
        tmp_path,
    )
    assert (tmp_path / "independence.svg").read_bytes() == before, "the same figure, the same bytes"
    assert "left out  panel (c) of map: give --inner-run RUN, or --train" in again.stdout


def test_a_bare_run_says_what_it_leaves_out(command, runs, tmp_path):
    done = command("figures", "--run", runs / "bare", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for words in (
        "panel (b) of map",
        "has no categories",
        "panel (c) of map",
        "independence: give --beta-runs",
    ):
        assert words in done.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "map.png",
        "map.svg",
        "strips.png",
        "strips.svg",
    ]


def test_train_makes_the_missing_runs_once(command, runs, tmp_path):
    first = command("figures", "--run", runs / "plain", "--train", "--out", tmp_path)
    assert (
        first.returncode == 0
        and first.stdout.count("training") == 6
        and "left out" not in first.stdout
    ), first.stderr
    assert (
        "training"
        not in command("figures", "--run", runs / "plain", "--train", "--out", tmp_path).stdout
    )


def test_mistakes_are_one_line(command, runs, tmp_path):
    refused(command("figures", "--out", tmp_path, "--train"), "need --run RUN")
    refused(
        command(
            "figures", "--run", runs / "plain", "--inner-run", runs / "beta", "--out", tmp_path
        ),
        "--similarity inner",
    )
    refused(
        command(
            "figures", "--run", runs / "plain", "--pictures", tmp_path / "no", "--out", tmp_path
        ),
        "is not a folder",
    )
    refused(
        command("figures", "--run", tmp_path / "no", "--out", tmp_path), "is this a run folder?"
    )


def test_eight_colours_differ_and_then_the_marker_does():
    assert len({drawing.style(k)[0] for k in range(8)}) == 8
    assert len({drawing.style(k) for k in range(56)}) == 56


def test_a_concept_is_called_after_a_category_only_where_that_is_reliable():
    usual = np.array([0.45, 0.10, 0.02])
    names = lambda p, n: maps.namesake(np.array(p), usual, n)  # noqa: E731
    assert names([0.70, 0.10, 0.02], 200) == 0
    assert names([0.60, 0.10, 0.02], 2000) is None, (
        "most of its items, but nearly as many of all items"
    )
    assert names([0.45, 0.35, 0.02], 60) == 1, "no majority, but three times what is usual"
    assert names([0.45, 0.35, 0.02], 20) is None, "7 items"
    assert names([0.45, 0.10, 0.12], 2000) is None, (
        "six times what is usual, and still one item of eight"
    )
    assert names([0.70, 0.10, 0.02], 20) is None, (
        "14 items, where chance gives 9 and a standard error of 2.2"
    )
    assert names([0.0, 0.0, 0.0], 0) is None


def test_names_shares_and_typical_items_of_concepts():
    C = (
        np.repeat(np.eye(3)[:2], (30, 20), axis=0) * 0.8 + np.linspace(0, 0.1, 50)[:, None]
    )  # concept 2 holds no item
    categories = sparse.csr_array(np.eye(5)[np.r_[np.zeros(28, int), 1, 1, 1 + np.arange(20) % 4]])
    first, second, empty = maps.described(
        C,
        categories,
        ("bag", "mug", "lamp", "shoe", "chair"),
        np.arange(50)[::-1],
        [f"t{i}" for i in range(50)],
    )
    assert (first.name, first.category, first.count, first.share, first.such) == (
        "concept 0: bag",
        0,
        30,
        0.6,
        (),
    )
    assert first.telling == [("bag", pytest.approx(28 / 30), pytest.approx(28 / 50))]
    assert (second.name, second.category) == ("concept 1", None) and second.such == (
        "t47",
        "t48",
        "t49",
    ), "equal to two digits: the better known first"
    assert second.best_known.tolist() == list(range(30, 38)) and [
        name for name, *_ in second.telling
    ] == ["lamp", "shoe", "chair"]
    assert (empty.name, empty.count, empty.telling) == ("concept 2", 0, [])
    assert maps.described(C, None, (), np.ones(50), [""] * 50)[0].name == "concept 0"


def test_independence_curve_labels_series_and_joins_seeds():
    found = lambda y: {
        "independence": {
            "mu": y,
            "z": y,
            "h": y,
            "users_ceiling": 0.98,
            "items_ceiling": 0.97,
        },  # noqa: E731
        "test": {"ndcg@100": {"mean": y, "stderr": 0.01}},
    }
    figure = drawing.independence_curve(
        [("one", 0.1, found(0.2)), ("one", 0.1, found(0.4)), ("two", 1.0, found(0.5))]
    )
    assert len(figure.axes) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "β = 0.1",
        "β = 1",
        "one",
        "two",
        "independent,\nthis sample",
    ]
    means = {line.get_label(): line.get_xdata() for line in figure.axes[0].lines}
    np.testing.assert_allclose([means["one"], means["two"]], [[0.3], [0.5]])


def test_an_item_without_a_picture_is_a_card_of_words(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    Image.new("RGB", (20, 30)).save(tmp_path / "good.png")
    items = [
        (None, "A $5 title, which is long enough for several lines", "Drama, War"),
        (tmp_path / "broken.jpg", "i2", ""),
        (tmp_path / "good.png", "i3", "mug"),
    ]
    axes = drawing.strips([("concept 0", items[0], items)], 3, "").axes
    words = lambda axis: [text.get_text() for text in axis.texts if text.get_text()]  # noqa: E731
    assert [len(axis.images) for axis in axes] == [0, 0, 0, 1]
    assert (
        words(axes[0])
        == words(axes[1])
        == ["A \\$5 title, which\nis long enough for\nseveral lines", "Drama, War"]
    )
    assert words(axes[2]) == ["i2"] and not words(axes[3]) and axes[3].get_title() == "i3"


def test_greedy_matching_takes_the_nearest_pair_first():
    m = np.array([[0.9, 0.0], [1.0, 0.0]])
    H = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    categories = sparse.csr_array(np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]]))
    assert macro.match_greedily(m, H, categories) == {
        1: 0,
        0: 1,
    }, "prototype 1 is nearer to category 0; the empty category is nobody's"


def test_items_of_several_categories_have_no_single_one():
    categories = sparse.csr_array(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]]))
    among = macro.frequent(categories, 2)
    assert among.tolist() == [0, 1]
    assert macro.single_category(categories, among).tolist() == [0, -1, -1, 1, 1]


def test_troubles_name_dead_and_duplicate_concepts():
    C = np.eye(3)[np.zeros(200, int)]
    found = macro.troubles(np.array([[1.0, 0], [0.99, 0.05], [0, 1.0]]), C)
    assert len(found[0]) == 1 and "concept 1" in found[0][0]
    assert len(found[1]) == 2 and "Almost unused" in found[1][0]
    assert len(found[2]) == 1 and "Almost unused" in found[2][0]


def test_strongest_components():
    X, C = (
        sparse.csr_array(np.array([[1, 1, 0], [0, 0, 1]])),
        np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0, 0.2, 0.8]]),
    )
    assert macro.strongest(X, C).tolist() == [[0, 1], [2, 1]]


@pytest.mark.parametrize("n, d", [(1, 3), (3, 2), (5, 1), (80, 60)])
def test_the_map_takes_few_points_and_one_dimension(rng, n, d):
    points = rng.standard_normal((n, d))
    places = maps.flatten(points)
    assert places.shape == (n, 2) and np.isfinite(places).all()
    np.testing.assert_array_equal(places, maps.flatten(points))


def test_worth_turning_finds_the_planted_traits(rng):
    made = shop.make(users=60, items=360)
    parts = splits.split(made, "holdout", 0)
    known = knobs.traits(made, parts)
    M = len(parts.items)
    H = rng.standard_normal((M, 5))
    H[:, 3] = -known[0].values + 0.01 * rng.standard_normal(M)  # hue, upside down
    space = trajectory.Space(H, np.ones((1, 5)), 0.1, True, np.zeros(M, int))
    first = knobs.worth_turning(space, 0, known, 3)[0]
    assert (
        first.dimension == 3
        and first.meanings[0] == (pytest.approx(1, abs=0.05), "low hue", "high hue")
        and first.backwards
    )
    up, down = (
        knobs.turn(space, space.H[5], knobs.Knob(3, [], backwards), 6)
        for backwards in (False, True)
    )
    assert down == (up[0][::-1], 5 - up[1]) and (np.diff(known[0].values[down[0]]) > 0).all(), (
        "from low hue to high hue"
    )
    assert (
        len(knobs.worth_turning(space, 0, [known[-1]], 3)) <= 2
        and knobs.worth_turning(space, 1, known, 3) == []
    )


def test_traits_of_titles_and_categories(rng):
    from macrid.data.loading import from_pairs, with_categories

    plain = from_pairs(np.repeat(np.arange(40), 8), rng.integers(0, 20, 320))
    titles = np.array([f"Film {i} ({1980 + i})" for i in range(len(plain.items))])
    films = with_categories(plain, [["Drama"] if i % 2 else [] for i in range(len(titles))], titles)
    parts = splits.split(films, "holdout", 0)
    found = {trait.name: trait for trait in knobs.traits(films, parts)}
    assert set(found) == {"popularity", "year", "Drama"} and found["year"].values.min() >= 1980
    assert knobs.pictures(run_folder.Run(config.Config(data="x"), films, parts, None)) == {}


def test_metrics_json_without_independence_is_named(command, runs, tmp_path):
    shutil.copytree(runs / "bare", tmp_path / "old")
    (tmp_path / "old" / "metrics.json").write_text(json.dumps({"test": {}}))
    refused(
        command(
            "figures",
            "--run",
            runs / "bare",
            "--beta-runs",
            tmp_path / "old",
            "--out",
            tmp_path / "f",
        ),
        "has no independence",
    )
