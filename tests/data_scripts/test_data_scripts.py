"""data_scripts/ as a user runs them, against a real HTTP server on the loopback."""

import hashlib
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from helpers import ROOT, refused


@pytest.fixture
def script():
    """Run `python data_scripts/<name>.py ...`."""

    def run(name, *arguments, cwd=None):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "no_proxy": "127.0.0.1"}
        words = [sys.executable, str(ROOT / "data_scripts" / f"{name}.py"), *map(str, arguments)]
        return subprocess.run(words, capture_output=True, text=True, cwd=cwd, env=environment)

    return run


@pytest.fixture
def server(tmp_path):
    """Serves `content`; cuts the connection after `cut` bytes; records the ranges asked for; no
    ranges if `plain`.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.asked.append(self.headers.get("Range"))
            if self.path == "/missing":
                self.send_error(404)
                return
            start = 0
            if self.headers.get("Range") and not state.plain:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            body = state.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cut] if state.cut else body)

        def log_message(self, *words):
            pass

    class State(ThreadingHTTPServer):
        content, cut, plain, asked = b"", 0, False, []

    state = State(("127.0.0.1", 0), Handler)
    state.asked = []
    state.url = f"http://127.0.0.1:{state.server_port}"
    thread = threading.Thread(target=state.serve_forever)
    thread.start()
    yield state
    state.shutdown()
    thread.join()
    state.server_close()


@pytest.fixture
def network(script, tmp_path):
    """The bytes of a small AlexNet and their checksum."""
    assert (
        script(
            "alexnet", "--random", "--width", 64, "--out", tmp_path / "small.onnx", "--quiet"
        ).returncode
        == 0
    )
    content = (tmp_path / "small.onnx").read_bytes()
    return content, hashlib.sha256(content).hexdigest()


def test_random_weights_are_labelled(script, tmp_path):
    made = script(
        "alexnet", "--random", "--width", 64, "--seed", 2, "--out", tmp_path / "new" / "r.onnx"
    )
    assert made.returncode == 0, made.stderr
    assert (
        "64 features, input convention torchvision" in made.stdout
        and "NOT TRAINED: random He weights, seed 2, width 64" in made.stdout
    )
    refused(script("alexnet", "--random", "--out", tmp_path / "new" / "r.onnx"), "is there already")
    refused(
        script("alexnet", "--random", "--width", 5, "--out", tmp_path / "w.onnx"), "the width is 5"
    )
    assert os.listdir(tmp_path / "new") == ["r.onnx"] and not (tmp_path / "w.onnx").exists()


def test_a_whole_download(script, server, network, tmp_path):
    server.content, sha256 = network
    out = tmp_path / "a.onnx"
    done = script("alexnet", "--url", f"{server.url}/a", "--sha256", sha256, "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == server.content and sha256 in done.stdout and server.asked == [None]
    assert (
        script("alexnet", "--url", f"{server.url}/a", "--sha256", sha256, "--out", out).returncode
        == 0
        and len(server.asked) == 1
    ), "not twice"


@pytest.mark.parametrize("plain", [False, True])
def test_a_cut_connection_is_continued(script, server, network, tmp_path, plain):
    server.content, sha256 = network
    arguments = (
        "alexnet",
        "--url",
        f"{server.url}/a",
        "--sha256",
        sha256,
        "--out",
        tmp_path / "a.onnx",
    )
    server.cut = 10_000
    refused(
        script(*arguments), "ended after 10,000 of", "10,000 bytes are kept, run again to continue"
    )
    assert not (tmp_path / "a.onnx").exists()
    server.cut, server.plain = 0, plain  # a server that knows no ranges sends the whole again
    assert script(*arguments).returncode == 0
    assert (tmp_path / "a.onnx").read_bytes() == server.content and server.asked == [
        None,
        "bytes=10000-",
    ]
    assert not (tmp_path / "a.onnx.part").exists()


def test_a_wrong_checksum_leaves_nothing(script, server, network, tmp_path):
    content, sha256 = network
    server.content = content[:-1] + b"?"
    refused(
        script(
            "alexnet", "--url", f"{server.url}/a", "--sha256", sha256, "--out", tmp_path / "a.onnx"
        ),
        "sent a file with SHA-256",
        sha256,
    )
    assert sorted(os.listdir(tmp_path)) == ["small.onnx"]


def test_the_next_address_is_tried(script, server, network, tmp_path):
    server.content, sha256 = network
    arguments = (
        "--url",
        f"{server.url}/missing",
        "--url",
        f"{server.url}/a",
        "--sha256",
        sha256,
        "--out",
        tmp_path / "a.onnx",
    )
    assert script("alexnet", *arguments).returncode == 0 and len(server.asked) == 2


def test_no_network_and_no_file_say_what_to_do(script, server, tmp_path):
    out = ("--out", tmp_path / "a.onnx")
    refused(
        script("alexnet", "--url", f"{server.url}/missing", *out),
        "answered 404",
        "fetch it elsewhere and give --file",
    )
    refused(
        script("alexnet", "--url", "http://127.0.0.1:9/a", *out), "cannot be reached", "give --file"
    )
    refused(script("alexnet", "--file", tmp_path / "none.onnx"), "none.onnx: cannot be read")
    assert not list(tmp_path.iterdir())


def test_another_file_than_promised_is_refused_by_its_size(script, server, tmp_path):
    server.content = b"x" * 1000
    refused(script("alexnet", "--url", f"{server.url}/a", "--out", tmp_path / "a.onnx"), "SHA-256")
    server.content, server.cut = b"", 0
    (tmp_path / "b.onnx").write_bytes(b"mine")
    refused(
        script("alexnet", "--url", f"{server.url}/a", "--out", tmp_path / "b.onnx"),
        "is there already",
        "move it away",
    )
    assert (tmp_path / "b.onnx").read_bytes() == b"mine"
