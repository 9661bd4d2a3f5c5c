"""A real HTTP server on the loopback that serves files from memory, and data_scripts/ run as a user
would run them.
"""

import hashlib
import importlib
import io
import os
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from helpers import ROOT

from macrid import terminal


def start_script(name, *arguments):
    """`python data_scripts/<name>.py ...`, running."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "no_proxy": "127.0.0.1"}
    words = [sys.executable, str(ROOT / "data_scripts" / f"{name}.py"), *map(str, arguments)]
    return subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def run_script(name, *arguments):
    """The same, finished."""
    process = start_script(name, *arguments)
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def call_script(name, *arguments):
    """The same within this process, without the time that it takes to start Python."""
    output, errors, words = io.StringIO(), io.StringIO(), list(map(str, arguments))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.syspath_prepend(str(ROOT / "data_scripts"))
        patch.setenv("no_proxy", "127.0.0.1")
        status = terminal.run(importlib.import_module(name).main, words)
    return subprocess.CompletedProcess(words, status, output.getvalue(), errors.getvalue())


class Server(ThreadingHTTPServer):
    """Serves `files` {path: bytes, or a status, or another address}, and keeps what was asked for.

    It cuts an answer after `cut` bytes, waits `pause` seconds each `block` bytes, and knows no
    ranges if it is `plain`; `headers` are sent instead of those that it would send. `asked` has
    (path, Range, User-Agent) of each request.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cut, self.pause, self.plain, self.asked = {}, 0, 0, False, []
        self.block, self.headers, self.phrase = 65536, {}, None
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *words):
        self.shutdown()
        self.thread.join()
        self.server_close()

    def paths(self):
        return [path for path, *_ in self.asked]

    def ranges(self):
        return [asked for _, asked, _ in self.asked]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(
            (self.path, self.headers.get("Range"), self.headers.get("User-Agent"))
        )
        content = self.server.files.get(self.path, 404)
        if isinstance(content, str):
            self.send_response(302)
            self.send_header("Location", content)
            return self.end_headers()
        if isinstance(content, int):
            return self.send_error(content, self.server.phrase)
        version = f'"{hashlib.sha256(content).hexdigest()}"'
        is_current = self.headers.get("If-Range", version) == version
        asked = self.headers.get("Range") if is_current and not self.server.plain else None
        start = int((asked or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        headers = {"Content-Length": len(content) - start, "ETag": version}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        for name, value in (headers | self.server.headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        content = content[start : start + self.server.cut] if self.server.cut else content[start:]
        try:
            for block in range(0, len(content), self.server.block):
                self.wfile.write(content[block : block + self.server.block])
                time.sleep(self.server.pause)
        except ConnectionError:
            pass  # the other side was killed

    def log_message(self, *words):
        pass


README = """SUMMARY
================================================================================

Made by a test.

USAGE LICENSE
================================================================================

Not for commercial purposes.\x1b[31m

CITATION
================================================================================

None.
"""


TITLE = "Misérables, Les (1995)"


def rows(seed=0, users=60, items=40, each=20):
    rng = np.random.default_rng(seed)
    return [
        (u, i, r, 978300760 + u)
        for u in range(1, users + 1)
        for i, r in zip(
            1 + rng.choice(items, each, replace=False),
            rng.choice([3, 4, 5], each, p=[0.1, 0.4, 0.5]),
        )
    ]


def zipped(files):
    """A zip of {name: text or bytes}."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def ml_1m(**more):
    """The files of ml-1m: '::' between fields, Latin-1, no header."""
    titles = [TITLE if i == 1 else f"Film, The {i} (1990)" for i in range(1, 41)]
    return {
        "ml-1m/": b"",
        "ml-1m/README": README,
        "ml-1m/ratings.dat": "".join(f"{u}::{i}::{r}::{t}\n" for u, i, r, t in rows()),
        "ml-1m/movies.dat": (
            "".join(f"{i}::{title}::Drama|Comedy\n" for i, title in enumerate(titles, 1)).encode(
                "latin-1"
            )
        ),
        **{name.replace("__", "/"): content for name, content in more.items()},
    }


def serve(server, content, name="ml-1m"):
    """Serve a zip with its MD5 beside it; returns the words that name it and its MD5."""
    md5 = hashlib.md5(content).hexdigest()
    server.files = {
        f"/{name}.zip": content,
        f"/{name}.zip.md5": f"MD5 ({name}.zip) = {md5}\n".encode(),
    }
    return (name, "--url", f"{server.url}/{name}.zip"), md5
