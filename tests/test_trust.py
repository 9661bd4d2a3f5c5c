"""What comes from a stranger is a value or one line: never a traceback, nor a wrong answer."""

import errno
import gzip
import os
import resource
import subprocess
import sys
import threading
import tracemalloc
import warnings

import hostile
import numpy as np
import pytest
from helpers import ROOT, leftover, refused

from macrid import Recommender, UserError, config, data, files, npz, run_folder
from macrid.data import shop_pictures
from macrid.pictures import alexnet, features, reading
from macrid.training import checkpoint


def one_line(read, path):
    """Reading is a UserError of one line, of bearable length, that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError) as error:
            read(path)
    message = str(error.value)
    assert "\n" not in message and len(message) < 600 and path.name in message, message
    return message


@pytest.mark.parametrize("name", hostile.MODELS)
def test_a_model_that_is_none(name, tmp_path):
    hostile.MODELS[name](tmp_path / "model.npz")
    one_line(hostile.read_model, tmp_path / "model.npz")


@pytest.mark.parametrize("name", hostile.CHECKPOINTS)
def test_a_checkpoint_that_is_none(name, tmp_path):
    hostile.CHECKPOINTS[name](tmp_path / "checkpoint.npz")
    one_line(hostile.read_checkpoint, tmp_path / "checkpoint.npz")


@pytest.mark.parametrize("name", hostile.FEATURES)
def test_features_that_are_none(name, tmp_path):
    hostile.FEATURES[name](tmp_path / "features.npz")
    one_line(hostile.read_features, tmp_path / "features.npz")


@pytest.mark.parametrize("name", hostile.BASELINES)
def test_a_baseline_that_is_none(name, tmp_path):
    baseline, write = hostile.BASELINES[name]
    write(tmp_path / "baseline.npz")
    one_line(lambda path: hostile.read_baseline(baseline, path), tmp_path / "baseline.npz")


@pytest.mark.parametrize("name", hostile.METRICS)
def test_metrics_that_are_none(name, tmp_path):
    hostile.write_any(tmp_path / "metrics.json", hostile.METRICS[name])
    one_line(lambda path: run_folder.load_metrics(path.parent), tmp_path / "metrics.json")


@pytest.mark.parametrize("name", hostile.TOML)
def test_options_that_are_none(name, tmp_path):
    hostile.write_any(tmp_path / "run.toml", hostile.TOML[name])
    with pytest.raises(UserError) as error:
        hostile.read_toml(tmp_path / "run.toml")
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


def test_the_whole_ones_are_read(tmp_path):
    """What the files above were made from, also as older files are, without a checksum."""
    hostile.with_model({})(tmp_path / "model.npz")
    hostile.read_model(tmp_path / "model.npz")
    hostile.checkpoint_with()(tmp_path / "checkpoint.npz")
    hostile.read_checkpoint(tmp_path / "checkpoint.npz")
    hostile.features_with()(tmp_path / "features.npz")
    hostile.read_features(tmp_path / "features.npz")
    for name in hostile.FITTED:
        hostile.baseline_with(name, lambda arrays, _: arrays)(tmp_path / "baseline.npz")
        hostile.read_baseline(name, tmp_path / "baseline.npz")
    hostile.write_any(tmp_path / "metrics.json", hostile.json.dumps(hostile.WHOLE))
    assert run_folder.load_metrics(tmp_path) == hostile.WHOLE


def test_another_order_of_bytes_is_read(tmp_path):
    arrays, description = hostile.model()
    swapped = {name: a.astype(a.dtype.newbyteorder(">")) for name, a in arrays.items()}
    hostile.npz(tmp_path / "swapped.npz", swapped, description)
    hostile.npz(tmp_path / "model.npz", arrays, description)
    one, other = (Recommender.load(tmp_path / name) for name in ("swapped.npz", "model.npz"))
    users = other.users.tolist()
    np.testing.assert_array_equal(one.recommend(users)[1], other.recommend(users)[1])
    assert one.parameters["H"].dtype == np.float32 and one.items.tolist() == other.items.tolist()


GREEDY = {
    "texts of no bytes": (hostile.FEATURES["10^7 ids of no bytes"], features.load),
    "members inside each other": (hostile.nested, npz.load),
    "members of the same bytes": (hostile.overlapping, npz.load),
    "60,000 members": (hostile.long_directory, npz.load),
    "200,000 brackets": (hostile.MODELS["description of 200,000 brackets"], Recommender.load),
}


@pytest.mark.parametrize("name", GREEDY)
def test_a_file_takes_no_more_memory_than_it_has_bytes(name, tmp_path):
    write, read = GREEDY[name]
    write(tmp_path / "x.npz")
    tracemalloc.start()
    one_line(read, tmp_path / "x.npz")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5_000_000 + 1.2 * os.path.getsize(tmp_path / "x.npz")


def test_an_id_may_have_a_thousand_characters():
    pairs = [(user, item) for user in ("a" * 1000, "b") for item in "xyz"]
    assert len(data.from_pairs(*zip(*pairs)).users[0]) == 1000
    for user, fault in (("a" * 1001, "1,001 characters"), ("\ud800", "lone surrogate")):
        with pytest.raises(UserError, match=fault):
            data.from_pairs([user, "b"], ["x", "y"])


# resuming


def test_resuming_notices_what_taught_the_run(tmp_path):
    state = hostile.fit.start(hostile.parts(), hostile.SMALL)
    state.seen = {"categories": "a", "features": "b"}
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, state, hostile.SMALL, hostile.parts())
    for seen in ({}, {"categories": "a"}, {"pictures": "c"}, state.seen):
        again = checkpoint.load(path, hostile.SMALL, hostile.parts(), seen)
        assert again.seen == state.seen | seen
    with pytest.raises(UserError, match="other features than there are now"):
        checkpoint.load(path, hostile.SMALL, hostile.parts(), {"features": "c"})


@pytest.mark.parametrize("changed", ["categories", "features", "pictures"])
def test_resume_refuses_other_categories_features_and_pictures(changed, command, tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{u},{i}\n" for u in range(60) for i in rng.choice(40, 15, replace=False)]
    (tmp_path / "r.csv").write_text("user,item\n" + "".join(rows))
    words = f"train --data {tmp_path}/r.csv --K 2 --d 8 --max-epochs 1 --quiet"
    if changed == "categories":
        table = tmp_path / "items.csv"
        table.write_text("item,kind\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(40)))
        words += f" --categories {table}:kind --category-weight 1"
    elif changed == "features":
        table = tmp_path / "f.npz"
        described = {"convention": "caffe", "random": None, "unreadable": {}, "remarks": {}}
        ids, values = np.array([str(i) for i in range(40)]), rng.standard_normal((40, 9))
        npz.save(table, {"ids": ids, "features": values}, described)
        words += f" --features {table}"
    else:
        table = tmp_path / "pictures" / "3.png"
        table.parent.mkdir()
        for i in range(40):
            pixels = rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)
            hostile.Image.fromarray(pixels).save(table.with_name(f"{i}.png"))
        words += f" --pictures {table.parent} --alexnet random"
    before = command(words, "--out", tmp_path / "run")
    assert before.returncode == 0, before.stderr
    whole = table.read_bytes()
    if changed == "categories":
        table.write_text("item,kind\n" + "".join(f"{i},{'ba'[i % 2]}\n" for i in range(40)))
    elif changed == "features":
        npz.save(table, {"ids": ids, "features": values + 1}, described)
    else:
        table.write_bytes(table.with_name("4.png").read_bytes())
    resume = ("train --quiet --resume --max-epochs 2", "--out", tmp_path / "run")
    refused(command(*resume), "checkpoint.npz", f"other {changed} than there are now")
    table.write_bytes(whole)
    assert command(*resume).returncode == 0


# what is half-written


def test_nothing_of_others_is_written_over_or_removed(tmp_path):
    """A planted link, a pipe, and a user's own file, by the names that were once used."""
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "a.csv.part").symlink_to(tmp_path / "victim")
    os.mkfifo(tmp_path / "b.csv.part")
    (tmp_path / "c.csv.part").write_text("mine")
    for name in "abc":
        with files.replacing(tmp_path / f"{name}.csv", "w") as file:
            file.write("new")
        assert (tmp_path / f"{name}.csv").read_text() == "new"
    assert (tmp_path / "victim").read_text() == (tmp_path / "c.csv.part").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 7


def test_a_guessed_name_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "00000000")
    name = files.temporary_path(tmp_path)
    (tmp_path / "victim").write_text("mine")
    name.symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError), files.replacing(tmp_path / "a.csv", "w") as file:
        file.write("new")
    assert (tmp_path / "victim").read_text() == "mine" and name.is_symlink()


def test_two_that_write_one_file_leave_that_of_one(tmp_path):
    texts = [letter * 100_000 for letter in "abcd"]

    def write(text):
        for _ in range(20):
            with files.replacing(tmp_path / "r.csv", "w") as file:
                for start in range(0, len(text), 1000):
                    file.write(text[start : start + 1000])

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if (tmp_path / "r.csv").exists():
            assert (tmp_path / "r.csv").read_text() in texts
    assert os.listdir(tmp_path) == ["r.csv"]


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    (tmp_path / "of the dead").mkdir()
    gone = leftover(tmp_path)
    gone.mkdir()
    (gone / "half.csv").write_text("half")
    leftover(tmp_path).write_text("half")
    leftover(tmp_path).symlink_to(tmp_path / "of the dead")
    another = "0" * 8
    of_today = f".macrid-{another}-1-00000000.part"  # of another machine: it may be at work
    of_old = f".macrid-{another}-1-11111111.part"
    of_ours = files.temporary_path(tmp_path).name
    alike = [".macrid-x-1-00000000.part", f".macrid-{another}-1-0000000.part", "a.csv.part"]
    for name in (of_today, of_old, of_ours, *alike):
        (tmp_path / name).write_text("kept")
    os.utime(tmp_path / of_old, (0, 0))
    files.remove_leftovers(tmp_path)
    kept = {of_today, of_ours, *alike, "of the dead"}
    assert set(os.listdir(tmp_path)) == kept


def test_a_folder_is_looked_into_when_something_is_made_there(tmp_path):
    name = leftover(tmp_path).name
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / name).write_text("half")
    files.save_json(tmp_path / "new" / "a.json", 1)
    assert os.listdir(tmp_path / "new") == ["a.json"]


def test_a_new_folder_leaves_others_alone(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "data_scripts"))
    import prepare

    (tmp_path / "m.part").mkdir()
    (tmp_path / "m.part" / "mine").write_text("mine")
    with prepare.new_folder(tmp_path / "m") as folder:
        (folder / "ratings.csv").write_text("")
    with pytest.raises(KeyboardInterrupt), prepare.new_folder(tmp_path / "n") as folder:
        raise KeyboardInterrupt
    assert sorted(os.listdir(tmp_path)) == ["m", "m.part"]
    assert (tmp_path / "m.part" / "mine").exists()


def test_chunks_of_features_leave_others_alone(tmp_path):
    chunks = features.chunks_beside(tmp_path / "f.npz")
    assert chunks != tmp_path / "f.npz.chunks"
    chunks.mkdir()
    (chunks / "000000.npz").write_text("ours")
    (chunks / "mine").write_text("mine")
    features.remove_chunks(chunks)
    assert os.listdir(chunks) == ["mine"]
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with pytest.raises(UserError, match="is a link"):
        features.extract(None, [], tmp_path / "link")
    chunks.joinpath("mine").unlink()
    with files.locked(chunks), pytest.raises(UserError, match="another process is at work"):
        features.extract(None, [], chunks)


# locks, and the cache


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP, errno.EBADF])
def test_where_there_are_no_locks_it_is_said_once_and_work_goes_on(
    code, tmp_path, monkeypatch, capsys
):
    import fcntl

    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    for _ in range(2):
        with files.locked(tmp_path), files.locked(tmp_path, wait=False):
            pass
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and str(tmp_path) in said and "warning" in said


@pytest.mark.skipif(os.name != "posix", reason="users and permissions of POSIX")
def test_a_shared_cache_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("MACRID_CACHE", str(tmp_path / "cache"))
    assert files.cache_folder() == tmp_path / "cache", "made later"
    (tmp_path / "cache").mkdir(mode=0o755)
    assert files.cache_folder() == tmp_path / "cache"
    (tmp_path / "cache").chmod(0o777)
    own = files.cache_folder()
    assert own == tmp_path / "cache" / f"macrid-user-{os.geteuid()}"
    assert own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)
    with pytest.raises(UserError, match="other users; remove it, or set MACRID_CACHE"):
        files.cache_folder()


def test_a_damaged_file_in_the_cache_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MACRID_CACHE", str(tmp_path))

    class Net:
        sha256, convention, random, width = "0" * 64, "caffe", None, 3

        def features(self, squares):
            return np.arange(3 * len(squares), dtype=np.float32).reshape(-1, 3)

    (tmp_path / "a.png").write_bytes(hostile.picture())
    first = features.cached(Net(), [("a", tmp_path / "a.png")])
    (kept,) = tmp_path.glob("features-*.npz")
    kept.write_bytes(kept.read_bytes()[:-40])
    again = features.cached(Net(), [("a", tmp_path / "a.png")])
    np.testing.assert_array_equal(first.features, again.features)
    assert features.load(kept).ids.tolist() == ["a"]


def test_a_damaged_network_in_the_cache_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("MACRID_CACHE", str(tmp_path))
    (tmp_path / "alexnet-random-0-16.onnx").write_bytes(b"half")
    assert alexnet.cached_random(0, 16).width == 16
    assert os.listdir(tmp_path) == ["alexnet-random-0-16.onnx"]


def test_the_shop_s_pictures_appear_whole(tmp_path):
    attributes = np.full((2, 5), 0.5)
    for _ in range(2):
        paths = shop_pictures.write_all(tmp_path / "shop", ["mug", "bag"], attributes, ["a", "b"])
    assert sorted(os.listdir(tmp_path / "shop")) == ["a.png", "b.png"]
    assert os.listdir(tmp_path) == ["shop"] and all(path.is_file() for path in paths)


# pictures


@pytest.mark.parametrize("name", hostile.STILL_READ)
def test_a_picture_is_read_whatever_else_is_in_its_file(name, tmp_path):
    hostile.write_any(tmp_path / "x.jpg", hostile.STILL_READ[name])
    assert reading.read_square(tmp_path / "x.jpg")[0].shape == (224, 224, 3)
    picture, _ = reading.read(tmp_path / "x.jpg", 64)
    turned = name in ("EXIF with a RATIONAL Make", "EXIF with a Make of no bytes")
    assert picture.size == ((40, 60) if turned else (60, 40)) or not name.startswith("EXIF with")


@pytest.mark.parametrize("name", hostile.UNREADABLE)
def test_a_picture_that_is_none_is_told(name, tmp_path):
    hostile.write_any(tmp_path / "x.jpg", hostile.UNREADABLE[name])
    with pytest.raises(reading.Unreadable) as error:
        reading.read_square(tmp_path / "x.jpg")
    assert "\n" not in str(error.value) and len(str(error.value)) < 150


def test_mutated_pictures_are_read_or_told(tmp_path):
    for content in hostile.mutated(160):
        hostile.write_any(tmp_path / "x.jpg", content)
        try:
            reading.read_square(tmp_path / "x.jpg")
            reading.read(tmp_path / "x.jpg", 40)
        except reading.Unreadable as error:
            assert "\n" not in str(error)


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "x.jpg")  # to open it would be to wait for ever
    with pytest.raises(reading.Unreadable, match="no regular file"):
        reading.read(tmp_path / "x.jpg")
    with pytest.raises(reading.Unreadable, match="no regular file"):
        reading.read("/dev/zero")
    for read in (npz.load, files.load_json, features.load, features.read_amazon):
        with pytest.raises(UserError, match="x.jpg: is a pipe or a device"):
            read(tmp_path / "x.jpg")


def test_a_line_without_end_is_told(tmp_path):
    with gzip.open(tmp_path / "r.csv.gz", "wb") as file:
        file.write(b"user,item\n")
        for _ in range(60):
            file.write(b"a" * 1_000_000)
    tracemalloc.start()
    message = one_line(data.load, tmp_path / "r.csv.gz")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "more than 10,000,000 bytes" in message and most < 60_000_000
    with pytest.raises(UserError, match="/dev/zero: has a line of more"):
        data.load("/dev/zero")


def test_a_title_is_kept_as_far_as_it_can_be_shown(tmp_path):
    rows = [f"{u},{i},5,0\n" for u in range(3) for i in range(9)]
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + "".join(rows))
    (tmp_path / "movies.csv").write_text(f"movieId,title,genres\n1,{'x' * 100_000},a\n")
    assert {len(title) for title in data.load(tmp_path).titles} == {1, 1000}


# absurd sizes


@pytest.mark.parametrize(
    "option", ["d", "K", "hidden_units", "batch_size", "candidates", "sigma0", "min_user_items"]
)
def test_absurd_options_are_refused(option):
    for value in (10**9, 10**5000):
        value = float(value) if option == "sigma0" and value < 1e300 else value
        with pytest.raises(UserError, match=option) as error:
            config.Config(**{option: value})
        assert len(str(error.value)) < 200


def test_want_of_memory_is_one_line(ratings, tmp_path):
    """The most that an option allows, in a process that may have 3 GB."""
    words = ["-m", "macrid.train", "--data", ratings, "--d", 100_000, "--out", tmp_path / "run"]
    limit = 3 << 30
    process = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    refused(process, "not enough memory", "lower --d")
