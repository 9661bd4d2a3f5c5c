"""Features of pictures: of a folder, interrupted and continued, of Amazon; training from them."""

import json
import os
import shutil
import struct

import numpy as np
import pytest
from helpers import refused
from test_reading import BROKEN, plain, saved

from macrid import npz
from macrid.data import shop_pictures
from macrid.errors import UserError
from macrid.pictures import alexnet, features, reading


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "random.onnx"
    with open(path, "wb") as file:
        alexnet.write_random(file, seed=3, width=64)
    return alexnet.AlexNet(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """70 pictures, three broken, in chunks of 32."""
    monkeypatch.setattr(features, "BATCHES_A_CHUNK", 1)
    place = tmp_path / "pictures"
    place.mkdir()
    for number in range(70):
        shop_pictures.draw("mug", (number / 70, 0.5, 0.5, 0.5, 0.5)).save(
            place / f"{number:02d}.png"
        )
    for name, broken in (("03", "empty"), ("40", "truncated"), ("69", "text")):
        (place / f"{name}.png").write_bytes(BROKEN[broken][0])
    (place / "notes.txt").write_text("not a picture")
    return place


def test_every_row_is_its_own_picture(net, folder):
    found = features.extract(net, features.in_folder(folder))
    assert list(found.ids) == [f"{n:02d}" for n in range(70) if n not in (3, 40, 69)]
    assert sorted(os.path.basename(path) for path in found.description["unreadable"]) == [
        "03.png",
        "40.png",
        "69.png",
    ]
    for row in (0, 3, 50, 66):
        alone = net.features(reading.read_square(folder / f"{found.ids[row]}.png")[0][None])
        np.testing.assert_allclose(found.features[row], alone[0], rtol=1e-4, atol=1e-5)
    assert list(found.rows(["69", "01", "nobody"])) == [-1, 1, -1]


def test_an_interrupted_extraction_continues(net, folder, tmp_path):
    listed = features.in_folder(folder)
    whole = features.extract(net, listed)
    seen = []

    def stop(n):
        seen.append(n)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features.extract(net, listed, tmp_path / "chunks", stop)
    assert os.listdir(tmp_path / "chunks") == ["000000.npz"]
    stamp = os.stat(tmp_path / "chunks/000000.npz").st_mtime_ns
    resumed = features.extract(net, listed, tmp_path / "chunks")
    assert os.stat(tmp_path / "chunks/000000.npz").st_mtime_ns == stamp
    assert (
        resumed.features.tobytes() == whole.features.tobytes()
        and resumed.description == whole.description
    )
    shop_pictures.draw("shoe", (0.5,) * 5).save(
        folder / "00.png"
    )  # a picture changes: its chunk is not used again
    assert not np.allclose(
        features.extract(net, listed, tmp_path / "chunks").features[0], whole.features[0]
    )


def test_only_broken_pictures_are_an_error(net, tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(
        UserError, match="none of 1 pictures could be read; the first .*a.jpg is empty"
    ):
        features.extract(net, features.in_folder(tmp_path))


def test_a_file_with_a_fixed_batch_gives_the_same(net, folder, tmp_path):
    import onnx

    model = onnx.load(net.path)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    onnx.save(model, tmp_path / "fixed.onnx")
    fixed = alexnet.AlexNet(tmp_path / "fixed.onnx")
    assert fixed.batch == 3
    listed = features.in_folder(folder)
    np.testing.assert_allclose(
        features.extract(fixed, listed).features,
        features.extract(net, listed).features,
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_command_says_what_it_read_and_writes_one_file(command, net, folder, tmp_path):
    words = ("--pictures", folder, "--alexnet", net.path)
    done = command("features", *words, "--out", tmp_path / "f.npz")
    assert done.returncode == 0 and done.stderr == "", done.stderr
    for words in ("67 items, 64 numbers each", "NOT TRAINED", "03.png is empty"):
        assert words in done.stdout
    assert sorted(os.listdir(tmp_path)) == ["f.npz", "pictures"], "no chunks are left"
    found = features.load(tmp_path / "f.npz")
    assert found.features.shape == (67, 64) and found.description["sha256"] == net.sha256


def test_the_command_takes_ids(call, net, folder, tmp_path):
    (tmp_path / "ids.txt").write_text("05\n07\n")
    words = ("--pictures", folder, "--alexnet", net.path, "--ids", tmp_path / "ids.txt")
    done = call("features --quiet", *words, "--out", tmp_path / "f.npz")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(features.load(tmp_path / "f.npz").ids) == ["05", "07"]


def test_the_command_tells_mistakes_in_one_line(call, net, folder, tmp_path):
    alexnet, out = ("--alexnet", net.path), ("--out", tmp_path / "f.npz")
    refused(call("features --pictures", folder, *out), "--alexnet FILE")
    missing = tmp_path / "none"
    refused(call("features --pictures", missing, *alexnet, *out), "is not a folder")
    saved(folder / "05.jpg", plain())
    refused(call("features --pictures", folder, *alexnet, *out), "second picture of item '05'")
    assert not (tmp_path / "f.npz").exists()


@pytest.fixture
def amazon(tmp_path, rng):
    """A file of Amazon's form, seven records of six items, and its numbers."""
    ids = [f"B{number:09d}" for number in range(6)] + ["B000000001"]
    values = rng.standard_normal((len(ids), 4096)).astype("<f4")
    path = tmp_path / "image_features_X.b"
    path.write_bytes(b"".join(name.encode() + row.tobytes() for name, row in zip(ids, values)))
    return path, values


def test_amazon_features_of_some_items(amazon):
    path, values = amazon
    found = features.read_amazon(path, {"B000000001", "B000000004", "B999999999"})
    assert list(found.ids) == ["B000000001", "B000000004"] and found.description["duplicates"] == 1
    np.testing.assert_array_equal(found.features, values[[1, 4]])


def test_amazon_features_by_the_command(call, amazon, tmp_path):
    done = call("features --amazon", amazon[0], "--out", tmp_path / "f.npz")
    assert done.returncode == 0 and "6 items, 4096 numbers each" in done.stdout


DAMAGED = {
    "cut": (lambda whole: whole[:-5], "ends in the middle of record 7"),
    "no id": (lambda whole: b"\xff" + whole[1:], "begins with no id"),
    "empty": (lambda whole: b"", "none of the wanted"),
    "NaN": (
        lambda whole: whole[:10] + struct.pack("<f", float("nan")) + whole[14:],
        "item 'B000000000' .*not finite",
    ),
}


@pytest.mark.parametrize("damage, message", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_amazon_file_is_refused(amazon, tmp_path, damage, message):
    path = tmp_path / "bad.b"
    path.write_bytes(damage(amazon[0].read_bytes()))
    with pytest.raises(UserError, match=f"bad.b.*{message}"):
        features.read_amazon(path)


FOREIGN = {
    "no features": ({"ids": np.array(["a"])}, "it lacks 'features'"),
    "twice": ({"ids": np.array(["a", "a"]), "features": np.ones((2, 3))}, "an id twice"),
    "NaN": ({"ids": np.array(["a"]), "features": np.full((1, 3), np.nan)}, "'features' holds nan"),
}


@pytest.mark.parametrize("arrays, reason", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_feature_file_is_refused(tmp_path, arrays, reason):
    described = {"convention": "caffe", "random": None, "unreadable": {}, "remarks": {}}
    npz.save(tmp_path / "f.npz", arrays, described)
    with pytest.raises(UserError, match=reason):
        features.load(tmp_path / "f.npz")


def test_a_damaged_feature_file_says_how_to_make_it_again(tmp_path):
    (tmp_path / "f.npz").write_bytes(b"PK no")
    remedy = "not a whole feature file .*make it again with python -m macrid.features"
    with pytest.raises(UserError, match=remedy):
        features.load(tmp_path / "f.npz")


@pytest.fixture
def ratings_of_80(tmp_path):
    """A ratings file of 80 items, most of them with a picture in `folder`, and their kinds."""
    rng = np.random.default_rng(0)
    rows = [(u, f"{i:02d}") for u in range(60) for i in rng.choice(80, 15, replace=False)]
    (tmp_path / "r.csv").write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in rows))
    kinds = "".join(f"{i:02d},{'even|all' if i % 2 == 0 else 'all'}\n" for i in range(80))
    (tmp_path / "items.csv").write_text("id,kind\n" + kinds)
    return tmp_path / "r.csv"


TRAIN = "train --K 2 --d 8 --batch-size 20 --max-epochs 2 --data r.csv"


def test_training_starts_from_pictures(command, net, folder, ratings_of_80, tmp_path):
    """Pictures of most items, and categories in a table of items, all by flags; it resumes without
    the pictures.
    """
    semantic = "--pictures pictures --categories items.csv:kind --category-weight 1 --out run"
    done = command(f"{TRAIN} {semantic} --alexnet", net.path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "67 of 80 items have a picture; the others start at random" in done.stdout
    assert "NOT TRAINED" in done.stdout
    history = (tmp_path / "run/history.jsonl").read_text().splitlines()
    assert json.loads(history[0])["categorical"] > 0
    shutil.rmtree(folder)
    resumed = command("train --resume --max-epochs 3 --quiet --out run", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert command("evaluate --run run", cwd=tmp_path).returncode == 0


NOT_TOGETHER = {
    "no network": ("--pictures pictures", ["needs --alexnet FILE"]),
    "no pictures": ("--pictures empty", ["has no pictures"]),
    "no features": ("--start pictures", ["needs --features FILE"]),
    "another start": (
        "--pictures pictures --start random",
        ["--pictures is given but --start is 'random'"],
    ),
    "no column": ("--categories kind", ["r.csv, line 1", "without a column 'kind'"]),
    "strange items": ("--categories other.csv:kind", ["names a category of none of the items"]),
    "strange pictures": ("--features f.npz", ["has a picture of none of the items"]),
}


@pytest.mark.parametrize("words, messages", NOT_TOGETHER.values(), ids=NOT_TOGETHER)
def test_what_training_cannot_start_from(call, folder, ratings_of_80, tmp_path, words, messages):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.csv").write_text("id,kind\nx,y\n")
    arrays = {"ids": np.array(["zz"]), "features": np.ones((1, 4), np.float32)}
    description = {"unreadable": {}, "remarks": {}, "random": None, "convention": "x"}
    npz.save(tmp_path / "f.npz", arrays, description)
    refused(call(f"{TRAIN} {words} --out run", cwd=tmp_path), *messages)
    assert not (tmp_path / "run").exists()
