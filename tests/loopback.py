"""A real HTTP server on the loopback that serves files from memory, and data_scripts/ run as a user
would run them.
"""

import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from helpers import ROOT


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


class Server(ThreadingHTTPServer):
    """Serves `files` {path: bytes, or a status}; cuts after `cut` bytes; waits `pause` seconds each
    64 KiB; `asked` has (path, Range, User-Agent) of each request.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cut, self.pause, self.asked = {}, 0, 0, []
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
            return self.send_error(content)
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        content = content[start : start + self.server.cut] if self.server.cut else content[start:]
        try:
            for block in range(0, len(content), 65536):
                self.wfile.write(content[block : block + 65536])
                time.sleep(self.server.pause)
        except ConnectionError:
            pass  # the other side was killed

    def log_message(self, *words):
        pass
