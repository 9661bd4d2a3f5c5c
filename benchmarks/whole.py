"""Whole runs of `macrid.train` by part, in CPU seconds, each part beside its floor if it has one.

    OPENBLAS_NUM_THREADS=1 python benchmarks/whole.py --data ml-latest-small --min-user-items 15

takes the flags of `macrid.train` (without --out the run folder is a temporary one) and prints
Markdown. A part is what is spent in the functions named in `PARTS`, less what is spent in others of
them. Floors are timed after the run on arrays of the run's sizes: of steps the three products of
(B, d) by (d, items) a concept; of Adam seven passes over memory, four to read and three to write;
of checkpoints their bytes, written to a file as they are.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from functools import wraps
from pathlib import Path

import numpy as np

from macrid import backend, files, recommender, run_folder, train
from macrid.baselines import EASE
from macrid.interpret import truth
from macrid.training import adam, batch, checkpoint, fit, linear_path, log, ridge

PARTS = {
    "read and split": [(run_folder, "load_data"), (run_folder, "prepare")],
    "start": [(fit, "start")],
    "noise": [(batch, "draw_noise")],
    "steps": [(fit, "loss_and_gradients")],
    "Adam": [(adam, "update")],
    "validation": [(fit, "evaluate_ranking")],
    "checkpoints and history": [
        (checkpoint, "save"),
        (files, "save_lines"),
        (train.Progress, "epoch"),
        (log, "epoch"),
    ],
    "ridge": [(ridge.Ridge, "fit"), (linear_path.Neighbours, "fit")],
    "weight of the path": [(linear_path, "add")],
    "EASE": [(EASE, "fit")],
    "independence": [(truth, "independence_scores"), (truth, "shop_scores")],
    "test scores": [(train, "_evaluated")],
    "model saved": [(recommender.Recommender, "save")],
}


class Clock:
    """CPU seconds and calls by part; `names` holds the parts that are open, the innermost last."""

    def __init__(self):
        self.seconds, self.calls, self.names = Counter(), Counter(), ["the rest"]
        self.since = time.process_time()

    def turn(self):
        """Put what went by since the last turn down to the innermost part."""
        now = time.process_time()
        self.seconds[self.names[-1]] += now - self.since
        self.since = now

    def watch(self, owner, name, part, seen=None):
        """Replace a function by one that is timed; `seen` is called with its arguments."""
        function = getattr(owner, name)
        is_method = isinstance(owner, type) and hasattr(function, "__self__")
        function = function.__func__ if is_method else function

        @wraps(function)
        def timed(*arguments, **options):
            self.turn()
            self.names.append(part)
            self.calls[part] += 1
            try:
                return function(*arguments, **options)
            finally:
                self.turn()
                self.names.pop()
                if seen:
                    seen(*arguments, **options)

        setattr(owner, name, classmethod(timed) if is_method else timed)


def cpu_seconds(function, repeats=3):
    """The median of some calls."""
    seconds = []
    for _ in range(repeats):
        began = time.process_time()
        function()
        seconds.append(time.process_time() - began)
    return float(np.median(seconds))


def products(B, items, d, K):
    """A function that makes the decoder's three products."""
    z, H = np.ones((B, d), np.float32), np.ones((items, d), np.float32)
    out = np.empty((B, items), np.float32)

    def make():
        for _ in range(K):
            np.matmul(z, H.T, out=out)
            out @ H
            out.T @ z

    return make


def passes(size):
    """A function that reads four arrays of float32 and writes three, some numbers at a time."""
    arrays = np.ones((4, size), np.float32)

    def make():
        for start in range(0, size, adam.CHUNK):
            p, m, v, g = arrays[:, start : start + adam.CHUNK]
            p += g
            m += g
            v += g

    return make


def written(size):
    """A function that writes so many bytes to a temporary file."""
    numbers = np.random.default_rng(0).bytes(size)

    def make():
        with tempfile.TemporaryFile() as file:
            file.write(numbers)

    return make


def main():
    """Run, and print the table."""
    began = time.process_time()  # imports, up to here
    backend.keep_freed_memory()
    clock, sizes = Clock(), {"items": [], "bytes": [], "updated": []}
    seen = {
        (fit, "loss_and_gradients"): lambda p, X, noise, config, *rest: (
            sizes.update(B=config.batch_size, d=config.d, K=config.K),
            sizes["items"].append(len(noise.gumbel)),
        ),
        (adam, "update"): lambda p, gradients, *rest: sizes["updated"].append(
            sum(g.size for g in gradients.values())
        ),
        (checkpoint, "save"): lambda path, *rest: sizes["bytes"].append(os.path.getsize(path)),
    }
    for part, functions in PARTS.items():
        for owner, name in functions:
            clock.watch(owner, name, part, seen.get((owner, name)))
    with tempfile.TemporaryDirectory() as folder:
        train.main(["--out", str(Path(folder) / "run"), "--quiet", *sys.argv[1:]])
    clock.turn()
    whole = began + sum(clock.seconds.values())

    steps, items = clock.calls["Adam"], int(np.mean(sizes["items"]))
    bare_products = products(sizes["B"], items, sizes["d"], sizes["K"])
    floors = {
        "steps": steps * cpu_seconds(bare_products),
        "Adam": steps * cpu_seconds(passes(int(np.mean(sizes["updated"])))),
        "checkpoints and history": len(sizes["bytes"]) * cpu_seconds(written(sizes["bytes"][-1])),
    }
    print(f"| part | CPU s | calls | floor s |\n|---|---|---|---|\n| import | {began:.1f} | | |")
    for part in [*PARTS, "the rest"]:
        floor = f"{floors[part]:.1f}" if part in floors else ""
        print(f"| {part} | {clock.seconds[part]:.2f} | {clock.calls[part]} | {floor} |")
    print(f"| **whole** | **{whole:.1f}** | | |")
    print(f"\n{steps} steps over {items:,} items, {clock.calls['validation']} validations,", end="")
    print(f" {len(sizes['bytes'])} checkpoints of {sizes['bytes'][-1] / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
