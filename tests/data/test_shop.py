"""The embedded shop: the same bytes everywhere, sizes as promised, and a truth that stands behind
what users took.
"""

import hashlib
import multiprocessing
import os

import numpy as np
import pytest
from PIL import Image

from macrid.data import shop, shop_pictures
from macrid.errors import UserError

DATA = "f11a213976c3fbf7e1c1a90236d7d1a1cb050899de5a7a302b3780466bcaffbd"
PIXELS = "3a68fd4cae3dbbddebb9b18e19790708c442f7728e4c305538e60b3034a443b1"


@pytest.fixture(scope="module")
def default():
    return shop.make()


def sha256(*arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def test_the_same_bytes_on_every_machine(default):
    truth = default.truth
    found = sha256(
        default.X.indptr.astype("<i8"),
        default.X.indices.astype("<i4"),
        truth.attributes,
        truth.intentions,
        truth.ideals,
        truth.weights,
    )
    assert found == DATA


def test_the_same_pixels_on_every_machine():
    values = (0.3, 0.6, 0.8, 0.5, 0.7)
    assert (
        sha256(*(np.asarray(shop_pictures.draw(category, values)) for category in shop.CATEGORIES))
        == PIXELS
    )


def test_another_seed_is_another_shop(default):
    other = shop.make(seed=1)
    assert (other.X != default.X).nnz > default.X.nnz and not np.array_equal(
        other.truth.attributes, default.truth.attributes
    )


def test_the_default_shop_is_as_promised(default):
    assert default.X.shape == (2000, 1500)
    lengths = np.diff(default.X.indptr)
    assert lengths.min() == 15 and lengths.max() == 60
    assert default.X.dtype == np.float32 and set(default.X.data) == {1.0}
    assert all(
        len(set(default.X.indices[a:b])) == b - a
        for a, b in zip(default.X.indptr, default.X.indptr[1:])
    ), "no item twice"
    truth = default.truth
    assert list(default.category_names) == list(shop.CATEGORIES)
    np.testing.assert_array_equal(default.categories.toarray().argmax(axis=1), truth.category)
    np.testing.assert_allclose(truth.intentions.sum(axis=1), 1)
    assert set((truth.intentions > 0).sum(axis=1)) == {1, 2, 3}
    assert (
        truth.attributes.shape == (1500, 5)
        and 0 <= truth.attributes.min()
        and truth.attributes.max() < 1
    )


def test_users_take_what_their_intentions_and_tastes_say():
    """Without noise every item is of an intention's category; and it is nearer to the ideal than
    others of the category are.
    """
    made = shop.make(users=300, noise=0.0)
    truth = made.truth
    u, i = made.X.nonzero()
    g = truth.category[i]
    assert (truth.intentions[u, g] > 0).all()

    def distance(items):
        return (truth.weights[u, g] * (truth.attributes[items] - truth.ideals[u, g]) ** 2).sum(
            axis=1
        )

    others = (
        np.random.default_rng(0).permutation(250)[np.arange(len(i)) % 250] * len(shop.CATEGORIES)
        + g
    )
    assert distance(i).mean() < 0.7 * distance(others).mean()
    shares = (
        np.bincount(u * 6 + g, minlength=1800).reshape(300, 6) / np.diff(made.X.indptr)[:, None]
    )
    assert np.corrcoef(shares.ravel(), truth.intentions.ravel())[0, 1] > 0.9


def test_without_taste_and_noise_only_popularity_speaks():
    """Counts of items fall with their rank in the category as 1 / (rank + offset) does."""
    made = shop.make(users=4000, noise=0.0, taste=0.0)
    counts = (
        np.bincount(made.X.indices, minlength=1500).reshape(-1, 6).sum(axis=1)
    )  # by rank, over the categories
    assert counts[:10].sum() / counts[100:110].sum() == pytest.approx(
        sum(1 / (r + 5) for r in range(10)) / sum(1 / (r + 5) for r in range(100, 110)), rel=0.35
    ), "a user takes an item once, so the most popular fall a little short"
    assert (np.diff(counts.reshape(-1, 25).sum(axis=1)) < 0).all()


def draw_a_shop(folder):
    os.environ["MACRID_CACHE"] = folder
    return [
        str(path) for path in shop.make(users=5, items=60, fewest=2, most=5, pictures=True).pictures
    ]


def test_painting_within_the_masks_is_painting_the_whole(monkeypatch):
    """Also of the least and the largest product."""
    rng = np.random.default_rng(0)
    looks = [*rng.random((3, 5)), np.zeros(5), np.ones(5)]
    draw = lambda: [  # noqa: E731
        shop_pictures.draw(category, row).tobytes()
        for category in shop_pictures.SHAPES
        for row in looks
    ]
    within = draw()
    monkeypatch.setattr(Image.Image, "getbbox", lambda self: (0, 0, *self.size))
    assert draw() == within


def test_pictures_are_written_once_and_whole(tmp_path, monkeypatch):
    from PIL import Image

    with multiprocessing.get_context("spawn").Pool(2) as pool:  # two at the same time
        paths, same = pool.map(draw_a_shop, [str(tmp_path)] * 2)
    assert paths == same and len(paths) == 60
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 60, "and no half-written folder is left"
    with Image.open(paths[0]) as picture:
        assert picture.size == (128, 128) and picture.mode == "RGB"
    before = os.stat(paths[0]).st_mtime_ns
    monkeypatch.setenv("MACRID_CACHE", str(tmp_path))
    shop.make(users=5, items=60, fewest=2, most=5, pictures=True)
    assert os.stat(paths[0]).st_mtime_ns == before


def test_an_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(category, attributes):
        raise KeyboardInterrupt

    monkeypatch.setenv("MACRID_CACHE", str(tmp_path))
    monkeypatch.setattr(shop_pictures, "draw", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shop.make(users=5, items=60, fewest=2, most=5, pictures=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("category", shop.CATEGORIES)
@pytest.mark.parametrize("j", range(5))
def test_a_picture_shows_each_attribute(category, j):
    low, high = np.full(5, 0.5), np.full(5, 0.5)
    low[j], high[j] = 0.1, 0.9
    difference = np.abs(
        np.asarray(shop_pictures.draw(category, low), float)
        - np.asarray(shop_pictures.draw(category, high), float)
    )
    assert (difference.max(axis=2) > 20).mean() > 0.02, (
        "at least two per cent of the pixels change plainly"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"items": 100},
        {"users": 0},
        {"fewest": 0},
        {"fewest": 70},
        {"noise": 1.5},
        {"taste": -1.0},
        {"shelf": 0},
    ],
)
def test_impossible_sizes_say_what_was_expected(wrong):
    with pytest.raises(UserError, match="is impossible; expected at least 6 \\* most items"):
        shop.make(**wrong)
