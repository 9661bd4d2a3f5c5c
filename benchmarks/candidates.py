"""One step of the sampled softmax against the full one, and over growing catalogues, as Markdown.

    python benchmarks/candidates.py [--repeats 15] [--largest 10000000]

B=400 users of 87 items, K=7; d=200 against the full softmax at M=50000, d=64 over the sizes. 2000
candidates. A step is noise, loss, gradients and Adam.
"""

import argparse
import statistics
import time
import tracemalloc

import numpy as np

from macrid import backend, model
from macrid.config import Config
from macrid.data.adoptions import csr_of_ones
from macrid.model.objective import rows_of_step
from macrid.training import adam, batch

B, ITEMS = 400, 87


def users(M, rng):
    """A batch whose items are drawn with popularity 1 / (rank + 10), the same ranks for every M."""
    weights = np.cumsum(1 / (np.arange(min(M, 10_000)) + 10))

    def draw():
        return np.unique(np.searchsorted(weights, rng.random(2 * ITEMS) * weights[-1]))[:ITEMS]

    items = np.concatenate([draw() for _ in range(B)])
    each = len(items) // B
    return csr_of_ones(items[: B * each], np.arange(B + 1) * each, (B, M))


def blank(M, config, rng):
    """Initial parameters, made in float32: at M = 10^7 a float64 copy would not fit."""
    parameters = model.initial_parameters(config.K, config, rng)
    for name in ("H", "T"):
        parameters[name] = rng.standard_normal((M, config.d), dtype=np.float32)
        parameters[name] *= np.float32(config.init_deviation)
    return parameters


def measure(M, config, repeats):
    """Seconds of each repeat, and NumPy's peak beyond parameters and moments in bytes."""
    rng = np.random.default_rng(0)
    X, parameters = users(M, rng), blank(M, config, rng)
    moments = adam.start(parameters)

    def step():
        noise = batch.draw_noise(rng, X, config)
        _, gradients = model.loss_and_gradients(parameters, X, noise, config, 0.2)
        adam.update(parameters, gradients, moments, 1, config, rows_of_step(noise))

    for _ in range(3):
        step()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, peak


def main():
    """Print the two tables."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--repeats", type=int, default=15)
    arguments.add_argument("--largest", type=int, default=10_000_000)
    flags = arguments.parse_args()
    backend.keep_freed_memory()
    rows = [
        ("full, d=200", 50_000, Config(K=7, candidates=0)),
        ("2000 candidates, d=200", 50_000, Config(K=7, candidates=2000)),
    ]
    for M in (10_000, 100_000, 1_000_000, 10_000_000):
        if M <= flags.largest:
            rows.append(("2000 candidates, d=64", M, Config(K=7, d=64, candidates=2000)))
    print("| what | M | median s | fastest to slowest | ratio to the first of its d | peak MB |")
    print("|---|---|---|---|---|---|")
    first = {}
    for what, M, config in rows:
        seconds, peak = measure(M, config, flags.repeats)
        median = statistics.median(seconds)
        ratio = median / first.setdefault(config.d, median)
        print(
            f"| {what} | {M:,} | {median:.4f} | {min(seconds):.4f} to {max(seconds):.4f} |"
            f" {ratio:.3f} | {peak / 1e6:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
