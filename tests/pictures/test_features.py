"""Features of pictures: of a folder, interrupted and continued, of Amazon; training from them."""

import json
import os
import struct

import numpy as np
import pytest
from helpers import refused
from test_reading import BROKEN, plain, saved

from macrid import files
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


def test_the_command(command, net, folder, tmp_path):
    words = ("features", "--pictures", folder, "--alexnet", net.path, "--out", tmp_path / "f.npz")
    done = command(*words)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert (
        "67 items, 64 numbers each" in done.stdout
        and "NOT TRAINED" in done.stdout
        and "03.png is empty" in done.stdout
    )
    assert sorted(os.listdir(tmp_path)) == ["f.npz", "pictures"], "no chunks are left"
    found = features.load(tmp_path / "f.npz")
    assert found.features.shape == (67, 64) and found.description["sha256"] == net.sha256
    (tmp_path / "ids.txt").write_text("05\n07\n")
    assert (
        command(*words[:-1], tmp_path / "g.npz", "--ids", tmp_path / "ids.txt", "--quiet").stdout
        == ""
    )
    assert list(features.load(tmp_path / "g.npz").ids) == ["05", "07"]
    refused(
        command("features", "--pictures", folder, "--out", tmp_path / "h.npz"), "--alexnet FILE"
    )
    refused(
        command(
            "features",
            "--pictures",
            tmp_path / "none",
            "--alexnet",
            net.path,
            "--out",
            tmp_path / "h.npz",
        ),
        "is not a folder",
    )
    saved(folder / "05.jpg", plain())
    refused(command(*words), "second picture of item '05'")


def amazon_file(path, ids, rng):
    values = rng.standard_normal((len(ids), 4096)).astype("<f4")
    path.write_bytes(b"".join(name.encode() + row.tobytes() for name, row in zip(ids, values)))
    return values


def test_amazon_features(command, tmp_path, rng):
    ids = [f"B{number:09d}" for number in range(6)] + ["B000000001"]
    values = amazon_file(tmp_path / "image_features_X.b", ids, rng)
    found = features.read_amazon(
        tmp_path / "image_features_X.b", {"B000000001", "B000000004", "B999999999"}
    )
    assert list(found.ids) == ["B000000001", "B000000004"] and found.description["duplicates"] == 1
    np.testing.assert_array_equal(found.features, values[[1, 4]])
    done = command(
        "features", "--amazon", tmp_path / "image_features_X.b", "--out", tmp_path / "f.npz"
    )
    assert done.returncode == 0 and "6 items, 4096 numbers each" in done.stdout
    whole = (tmp_path / "image_features_X.b").read_bytes()
    for content, words in (
        (whole[:-5], "ends in the middle of record 7"),
        (b"\xff" + whole[1:], "begins with no id"),
        (b"", "none of the wanted"),
    ):
        (tmp_path / "bad.b").write_bytes(content)
        refused(
            command("features", "--amazon", tmp_path / "bad.b", "--out", tmp_path / "g.npz"),
            "bad.b",
            words,
        )
    broken = bytearray(whole)
    broken[10:14] = struct.pack("<f", float("nan"))
    (tmp_path / "bad.b").write_bytes(broken)
    refused(
        command("features", "--amazon", tmp_path / "bad.b", "--out", tmp_path / "g.npz"),
        "item 'B000000000'",
        "not finite",
    )
    assert not (tmp_path / "g.npz").exists()


def test_foreign_feature_files_are_refused(tmp_path):
    (tmp_path / "f.npz").write_bytes(b"PK no")
    with pytest.raises(
        UserError, match="not a whole feature file .*make it again with python -m macrid.features"
    ):
        features.load(tmp_path / "f.npz")
    for arrays, reason in (
        ({"ids": np.array(["a"])}, "is not a feature file"),
        ({"ids": np.array(["a", "a"]), "features": np.ones((2, 3))}, "an id twice"),
        ({"ids": np.array(["a"]), "features": np.full((1, 3), np.nan)}, "not finite"),
    ):
        files.save(tmp_path / "f.npz", arrays, {})
        with pytest.raises(UserError, match=reason):
            features.load(tmp_path / "f.npz")


def test_training_starts_from_pictures(command, net, folder, tmp_path):
    """A ratings file, pictures of most items, categories in a table of items: all by flags;
    resumable without the pictures.
    """
    rng = np.random.default_rng(0)
    rows = [(u, f"{i:02d}") for u in range(60) for i in rng.choice(80, 15, replace=False)]
    (tmp_path / "r.csv").write_text("user,item\n" + "".join(f"{u},{i}\n" for u, i in rows))
    (tmp_path / "items.csv").write_text(
        "id,kind\n" + "".join(f"{i:02d},{'even|all' if i % 2 == 0 else 'all'}\n" for i in range(80))
    )
    base = (
        "train",
        "--data",
        tmp_path / "r.csv",
        "--K",
        2,
        "--d",
        8,
        "--batch-size",
        20,
        "--max-epochs",
        2,
    )
    semantic = (
        "--pictures",
        folder,
        "--alexnet",
        net.path,
        "--categories",
        f"{tmp_path / 'items.csv'}:kind",
        "--category-weight",
        1,
    )
    done = command(*base, *semantic, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert (
        "67 of 80 items have a picture; the others start at random" in done.stdout
        and "NOT TRAINED" in done.stdout
    )
    history = [
        json.loads(line) for line in (tmp_path / "run/history.jsonl").read_text().splitlines()
    ]
    assert history[0]["categorical"] > 0
    refused(command(*base, "--pictures", folder, "--out", tmp_path / "b"), "needs --alexnet FILE")
    for path in folder.iterdir():
        path.unlink()
    refused(command(*base, "--pictures", folder, "--out", tmp_path / "b"), "has no pictures")
    assert (
        command(
            "train", "--resume", "--out", tmp_path / "run", "--max-epochs", 3, "--quiet"
        ).returncode
        == 0
    )
    assert command("evaluate", "--run", tmp_path / "run").returncode == 0
    refused(command(*base, "--start", "pictures", "--out", tmp_path / "b"), "needs --features FILE")
    refused(
        command(*base, "--pictures", folder, "--start", "random", "--out", tmp_path / "b"),
        "--pictures is given but --start is 'random'",
    )
    refused(
        command(*base, "--categories", "kind", "--out", tmp_path / "b"),
        "r.csv, line 1",
        "without a column 'kind'",
    )
    (tmp_path / "other.csv").write_text("id,kind\nx,y\n")
    refused(
        command(*base, "--categories", f"{tmp_path / 'other.csv'}:kind", "--out", tmp_path / "b"),
        "names a category of none of the items",
    )
    files.save(
        tmp_path / "f.npz",
        {"ids": np.array(["zz"]), "features": np.ones((1, 4), np.float32)},
        {"unreadable": {}, "remarks": {}, "random": None, "convention": "x"},
    )
    refused(
        command(*base, "--features", tmp_path / "f.npz", "--out", tmp_path / "b"),
        "has a picture of none of the items",
    )
