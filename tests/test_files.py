"""Files are whole or not there, hold no pickle, and a damaged one is named."""

import os
import pickle
import stat
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT

from macrid import files, npz
from macrid.errors import UserError


@pytest.fixture
def saved(tmp_path, rng):
    path = tmp_path / "checkpoint.npz"
    npz.save(
        path,
        {"best/H": rng.standard_normal((30, 4)).astype(np.float32), "x": np.arange(3)},
        {"epoch": 3},
    )
    return path


def test_round_trip(saved):
    arrays, description = npz.load(saved)
    assert description == {"epoch": 3} and list(arrays) == ["best/H", "x"]
    np.testing.assert_array_equal(
        arrays["best/H"], np.random.default_rng(7).standard_normal((30, 4)).astype(np.float32)
    )
    assert os.listdir(saved.parent) == ["checkpoint.npz"]


@pytest.mark.parametrize("keep", [0, 1, 50, 300, -30])
def test_a_file_cut_off_is_refused_with_its_name(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(UserError, match="is not a whole checkpoint") as error:
        npz.load(saved)
    assert str(saved) in str(error.value)


def test_a_flipped_byte_is_noticed(saved):
    content = bytearray(saved.read_bytes())
    content[content.index(b"best/H") + 200] ^= 1
    saved.write_bytes(content)
    with pytest.raises(UserError, match="is not a whole checkpoint"):
        npz.load(saved)


def test_pickles_and_missing_files_are_refused(tmp_path):
    bad = tmp_path / "x.npz"
    np.savez(bad, description=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="is not a whole checkpoint"):
        npz.load(bad)
    bad.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match="is not a whole checkpoint"):
        npz.load(bad)
    with pytest.raises(UserError, match="does not exist"):
        npz.load(tmp_path / "none.npz")


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(saved):
    before = saved.read_bytes()
    with pytest.raises(RuntimeError), files.replacing(saved) as file:
        file.write(b"half")
        raise RuntimeError
    assert saved.read_bytes() == before and os.listdir(saved.parent) == ["checkpoint.npz"]


def test_a_signal_amid_the_opening_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(*words, **options):
        open(*words, **options).close()
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "open", interrupted, raising=False)
    with pytest.raises(KeyboardInterrupt), files.replacing(tmp_path / "a", "w"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_user_without_a_home_has_a_cache(tmp_path, monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "MACRID_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # KeyError, as without an entry
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tmp_path.chmod(0o1777)
    folder = files.cache_folder()
    assert folder.parent == tmp_path and folder.is_dir() and folder.stat().st_mode & 0o777 == 0o700


def test_a_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    for text in ("new", "newer"):  # where the link leads to nothing yet, and to a file
        with files.replacing(tmp_path / "link", "w") as file:
            file.write(text)
            assert not (tmp_path / "there" / "file").exists() or text == "newer"
        assert (tmp_path / "there" / "file").read_text() == text and (
            tmp_path / "link"
        ).is_symlink()
    assert os.listdir(tmp_path / "there") == ["file"]


def test_a_pipe_is_written_into(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        reader = os.open(tmp_path / name, os.O_RDONLY | os.O_NONBLOCK)
        files.check_file(tmp_path / name)
        files.save_json(tmp_path / name, [1])
        assert os.read(reader, 100) == b"[\n 1\n]\n"
        os.close(reader)
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode) and sorted(os.listdir(tmp_path)) == [
        "link",
        "pipe",
    ]


def test_our_own_output_is_written_into_after_what_it_holds(tmp_path):
    words = "from macrid import files; files.save_json('/dev/fd/1', 1); print(2)"
    for mode in ("w", "a"):  # as a shell's > and >>
        with open(tmp_path / "log", mode) as log:
            subprocess.run([sys.executable, "-c", words], cwd=ROOT, stdout=log, check=True)
    assert (tmp_path / "log").read_text() == "1\n2\n1\n2\n"


def test_an_error_of_the_system_names_the_file_that_was_asked_for(tmp_path):
    long = tmp_path / ("x" * 256)  # one more than a name may have
    with pytest.raises(OSError, match="too long") as error, files.replacing(long):
        pass
    assert error.value.filename == str(long)
    with pytest.raises(OSError, match="full of it") as error, files.replacing(tmp_path / "file"):
        raise OSError(28, "full of it")
    assert error.value.filename == str(tmp_path / "file") and not list(tmp_path.iterdir())
