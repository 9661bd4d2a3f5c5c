"""data_scripts/alexnet.py as a user runs it, against a real HTTP server on the loopback."""

import hashlib
import os

import pytest
from helpers import refused
from loopback import Server, call_script, run_script


@pytest.fixture
def server():
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """The bytes of a small AlexNet and their checksum."""
    out = tmp_path_factory.mktemp("network") / "small.onnx"
    assert run_script("alexnet", "--random", "--width", 64, "--out", out, "--quiet").returncode == 0
    content = out.read_bytes()
    return content, hashlib.sha256(content).hexdigest()


def test_random_weights_are_labelled(tmp_path):
    made = call_script(
        "alexnet", "--random", "--width", 64, "--seed", 2, "--out", tmp_path / "new" / "r.onnx"
    )
    assert made.returncode == 0, made.stderr
    assert (
        "64 features, input convention torchvision" in made.stdout
        and "NOT TRAINED: random He weights, seed 2, width 64" in made.stdout
    )
    refused(
        call_script("alexnet", "--random", "--out", tmp_path / "new" / "r.onnx"), "is there already"
    )
    refused(
        call_script("alexnet", "--random", "--width", 5, "--out", tmp_path / "w.onnx"),
        "the width is 5",
    )
    assert os.listdir(tmp_path / "new") == ["r.onnx"] and not (tmp_path / "w.onnx").exists()


def test_a_whole_download(server, network, tmp_path):
    server.files["/a"], sha256 = network
    out = tmp_path / "a.onnx"
    done = run_script("alexnet", "--url", f"{server.url}/a", "--sha256", sha256, "--out", out)
    assert done.returncode == 0, done.stderr
    assert (
        out.read_bytes() == server.files["/a"]
        and sha256 in done.stdout
        and server.ranges() == [None]
    )
    assert (
        run_script(
            "alexnet", "--url", f"{server.url}/a", "--sha256", sha256, "--out", out
        ).returncode
        == 0
        and len(server.asked) == 1
    ), "not twice"


@pytest.mark.parametrize("plain", [False, True])
def test_a_cut_connection_is_continued(server, network, tmp_path, plain):
    server.files["/a"], sha256 = network
    source = ("--url", f"{server.url}/a", "--sha256", sha256)
    arguments = ("alexnet", *source, "--out", tmp_path / "a.onnx")
    server.cut = 10_000
    refused(
        call_script(*arguments),
        "ended after 10,000 of",
        "10,000 bytes are kept, run again to continue",
    )
    assert not (tmp_path / "a.onnx").exists()
    server.cut, server.plain = 0, plain  # a server that knows no ranges sends the whole again
    assert call_script(*arguments).returncode == 0
    assert (tmp_path / "a.onnx").read_bytes() == server.files["/a"] and server.ranges() == [
        None,
        "bytes=10000-",
    ]
    assert not (tmp_path / "a.onnx.part").exists()


def test_a_wrong_checksum_leaves_nothing(server, network, tmp_path):
    content, sha256 = network
    server.files["/a"] = content[:-1] + b"?"
    refused(
        call_script(
            "alexnet", "--url", f"{server.url}/a", "--sha256", sha256, "--out", tmp_path / "a.onnx"
        ),
        "sent a file with SHA-256",
        sha256,
    )
    assert not list(tmp_path.iterdir())


def test_the_next_address_is_tried(server, network, tmp_path):
    server.files["/a"], sha256 = network
    sources = ("--url", f"{server.url}/missing", "--url", f"{server.url}/a")
    arguments = (*sources, "--sha256", sha256, "--out", tmp_path / "a.onnx")
    assert call_script("alexnet", *arguments).returncode == 0 and len(server.asked) == 2


def test_no_network_and_no_file_say_what_to_do(server, tmp_path):
    out = ("--out", tmp_path / "a.onnx")
    refused(
        call_script("alexnet", "--url", f"{server.url}/missing", *out),
        "answered 404",
        "fetch it elsewhere and give --file",
    )
    refused(
        call_script("alexnet", "--url", "http://127.0.0.1:9/a", *out),
        "cannot be reached",
        "give --file",
    )
    refused(call_script("alexnet", "--file", tmp_path / "none.onnx"), "none.onnx: cannot be read")
    assert not list(tmp_path.iterdir())


def test_another_file_than_promised_is_refused_by_its_size(server, tmp_path):
    server.files["/a"] = b"x" * 1000
    refused(
        call_script("alexnet", "--url", f"{server.url}/a", "--out", tmp_path / "a.onnx"), "SHA-256"
    )
    server.files["/b"] = b""
    (tmp_path / "b.onnx").write_bytes(b"mine")
    refused(
        call_script("alexnet", "--url", f"{server.url}/a", "--out", tmp_path / "b.onnx"),
        "is there already",
        "move it away",
    )
    assert (tmp_path / "b.onnx").read_bytes() == b"mine"
