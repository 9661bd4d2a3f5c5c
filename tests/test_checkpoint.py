"""Files are whole or not there, hold no pickle, and a damaged one is named."""

import os
import pickle

import numpy as np
import pytest

from macrid import checkpoint
from macrid.errors import UserError


@pytest.fixture
def saved(tmp_path, rng):
    path = tmp_path / "checkpoint.npz"
    checkpoint.save(path, {"best/H": rng.standard_normal((30, 4)).astype(np.float32), "x": np.arange(3)}, {"epoch": 3})
    return path


def test_round_trip(saved):
    arrays, description = checkpoint.load(saved)
    assert description == {"epoch": 3} and list(arrays) == ["best/H", "x"]
    np.testing.assert_array_equal(arrays["best/H"], np.random.default_rng(7).standard_normal((30, 4)).astype(np.float32))
    assert os.listdir(saved.parent) == ["checkpoint.npz"]


@pytest.mark.parametrize("keep", [0, 1, 50, 300, -30])
def test_a_file_cut_off_is_refused_with_its_name(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(UserError, match="is not a whole checkpoint") as error:
        checkpoint.load(saved)
    assert str(saved) in str(error.value)


def test_a_flipped_byte_is_noticed(saved):
    content = bytearray(saved.read_bytes())
    content[content.index(b"best/H") + 200] ^= 1
    saved.write_bytes(content)
    with pytest.raises(UserError, match="is not a whole checkpoint"):
        checkpoint.load(saved)


def test_pickles_and_missing_files_are_refused(tmp_path):
    bad = tmp_path / "x.npz"
    np.savez(bad, description=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match="is not a whole checkpoint"):
        checkpoint.load(bad)
    bad.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match="is not a whole checkpoint"):
        checkpoint.load(bad)
    with pytest.raises(UserError, match="does not exist"):
        checkpoint.load(tmp_path / "none.npz")


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(saved):
    before = saved.read_bytes()
    with pytest.raises(RuntimeError), checkpoint.replacing(saved) as file:
        file.write(b"half")
        raise RuntimeError
    assert saved.read_bytes() == before and os.listdir(saved.parent) == ["checkpoint.npz"]
