"""Recommendations over HTTP, by the standard library alone.

    python examples/service.py runs/mine --port 8000
    curl 'http://localhost:8000/recommend?user=42&n=10'          # a customer, by her id
    curl 'http://localhost:8000/recommend?item=7&item=19&n=10'   # someone new, by what she has
    curl 'http://localhost:8000/recommend?user=42&without=category=Bags&concept=2:3'

A thread for each connection; the model is read only, so that they share it.
"""

import argparse
import json
import sys
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from macrid import Recommender, UserError, terminal

PARAMETERS = ("user", "item", "n", "only", "without", "concept")


class Handler(BaseHTTPRequestHandler):
    """Answers GET /recommend with {"items", "titles", "scores", "by"}, a mistake with {"error"}."""

    protocol_version = "HTTP/1.1"  # a connection is kept for the next request
    wbufsize = -1  # head and body leave in one packet
    model: Recommender

    def do_GET(self):
        url = urlsplit(self.path)
        status, answer = 404, {"error": f"there is no {url.path}; ask for /recommend?user=ID"}
        if url.path == "/recommend":
            try:
                status, answer = 200, self.recommended(parse_qs(url.query))
            except UserError as error:
                status, answer = 400, {"error": str(error)}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def recommended(self, asked):
        """What a query {"user": [...], "item": [...], "n": [...], ...} is answered with."""
        if asked.keys() - set(PARAMETERS) or len(asked.keys() & {"user", "item"}) != 1:
            raise UserError(f"found {list(asked)}, expected user or item, of {list(PARAMETERS)}")
        n = asked.get("n", ["10"])[0]
        if not n.isdecimal():
            raise UserError(f"n is '{n}', expected a whole number")
        try:
            factors = (text.split(":") for text in asked.get("concept", []))
            concepts = {int(k): float(factor) for k, factor in factors}
        except ValueError:
            raise UserError(f"concept is {asked['concept']}, expected K:FACTOR as 2:3") from None
        chosen = {name: asked[name] for name in ("only", "without") if name in asked}
        user = asked["user"][0] if "user" in asked else [asked["item"]]
        items, scores = self.model.recommend(user, int(n), concepts=concepts, **chosen)
        there = items != ""  # where fewer than n are left
        items, scores = items[there], scores[there]
        answer = {"items": items, "titles": self.model.item_titles(items), "scores": scores}
        by = self.model.list_by(user)[0]
        return {name: values.tolist() for name, values in answer.items()} | {"by": str(by)}

    def log_message(self, format, *arguments):
        """Say nothing of each request."""


class Server(ThreadingHTTPServer):
    """Serves a model, on this machine only; port 0 takes a free one."""

    request_queue_size = 128  # of connections that come at once

    def __init__(self, model: Recommender, port: int = 0):
        super().__init__(("localhost", port), type("Handler", (Handler,), {"model": model}))


def main(argv: list[str] | None = None) -> None:
    """Load a model and serve it until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a run folder of macrid.train, or a file of Recommender.save")
    parser.add_argument("--port", type=int, default=8000)
    flags = parser.parse_args(argv)
    warnings.simplefilter("ignore")  # of unknown users: the answer's "by" says it
    with Server(Recommender.load(flags.run), flags.port) as serving:
        print(f"http://localhost:{serving.server_port}/recommend?user=ID&n=10", flush=True)
        serving.serve_forever()


if __name__ == "__main__":
    sys.exit(terminal.run(main))  # a mistake is one line, and status 2
