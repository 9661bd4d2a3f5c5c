"""The time and memory of one training step against its bare matrix products and its plain twin.

    python benchmarks/step.py [--repeats 7] [--no-plain]
    python benchmarks/step.py --backend cupy [--precision tf32] [--device-random]

A step is everything: noise, loss, all gradients, Adam. The floor is what it cannot avoid: three
products of (B, d) by (d, M) a concept, the decoder's logits and their two pullbacks. All three are
timed in turn inside one run; medians (and the spread from the fastest to the slowest) are printed
as Markdown, as are ratios to the floor. Memory is the peak that NumPy allocates during a step
(tracemalloc), beyond what stands before it: data, parameters, moments. Data: random users with 87
items each.
"""

import argparse
import time
import tracemalloc
from unittest import mock

import numpy as np

from macrid import backend, model
from macrid.config import Config
from macrid.data.adoptions import csr_of_rows
from macrid.model import decoder, encoder, objective
from macrid.training import adam
from macrid.training.batch import draw_noise

SIZES = ((425, 5297), (400, 50000))
ITEMS_A_USER = 87


def random_users(B, M, rng):
    """(B, M) CSR with 87 different items a user, some items more popular than others."""
    weight = 1 / (np.arange(M) + 20.0)
    keys = np.log(weight) + rng.gumbel(size=(B, M))
    chosen = np.argpartition(-keys, ITEMS_A_USER, axis=1)[:, :ITEMS_A_USER]
    return csr_of_rows(np.sort(chosen, axis=1), M)


def bare_products(xp, z, H, out):
    """Three products of (B, d) by (d, M) a concept."""
    for z_k in z:
        xp.matmul(z_k, H.T, out=out)
        out @ H
        out.T @ z_k


def step(xp, parameters, moments, X, config, rng, device_rng=None):
    """One whole training step."""
    noise = backend.to_device(xp, draw_noise(rng, X, config, device_rng=device_rng))
    _, gradients = model.loss_and_gradients(parameters, X, noise, config, config.beta)
    adam.update(parameters, gradients, moments, 10, config)


def plain_step(*arguments):
    """The same step through the plain twins of encoder and decoder."""
    with mock.patch.multiple(
        objective,
        aggregate=encoder.aggregate_plain,
        log_likelihood=decoder.log_likelihood_plain,
    ):
        step(*arguments)


def peak_bytes(function):
    """Peak of what NumPy allocates during one call."""
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def timed(functions, repeats, xp):
    """{name: seconds of each repeat}, the functions taken in turn, after a round that warms up."""
    seconds = {name: [] for name in functions}
    for repeat in range(repeats + 1):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            backend.synchronise(xp)
            if repeat:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def setting(xp, config, M):
    """A batch, parameters, z, a place for the logits, and the generator; arrays on the backend."""
    rng = np.random.default_rng(0)
    B = config.batch_size
    X = random_users(B, M, rng)
    parameters = backend.to_device(xp, model.initial_parameters(M, config, rng))
    z = rng.standard_normal((config.K, B, config.d), dtype=np.float32)
    z, out = backend.to_device(xp, (z, np.empty((B, M), np.float32)))
    return X, parameters, z, out, rng


def main():
    """Time and weigh a step at all sizes."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--backend", default="numpy", choices=backend.NAMES)
    arguments.add_argument("--precision", default="float32", choices=("float32", "tf32"))
    arguments.add_argument(
        "--device-random", action="store_true", help="draw the noise on the device"
    )
    arguments.add_argument("--no-plain", action="store_true", help="leave out the slow plain twin")
    flags = arguments.parse_args()
    backend.keep_freed_memory()  # as macrid.train does
    xp = backend.load(flags.backend, flags.precision)
    sizes = SIZES if xp is np else (*SIZES, (1024, 100000))
    print(f"{backend.device_name(xp)}, {flags.precision}\n")
    print(
        "| B | M | what | median s | fastest to slowest | ratio to floor | peak MB |"
        " ratio to (K, B, M) float32 |\n|---|---|---|---|---|---|---|---|"
    )
    for B, M in sizes:
        config = Config(K=7, d=200, batch_size=B)
        X, parameters, z, out, rng = setting(xp, config, M)
        moments = adam.start(parameters)
        device_rng = backend.generator(xp, 0) if flags.device_random else None
        functions = {
            "bare products": lambda: bare_products(xp, z, parameters["H"], out),
            "step": lambda: step(xp, parameters, moments, X, config, rng, device_rng),
        }
        if not flags.no_plain:
            functions["plain step"] = lambda: plain_step(xp, parameters, moments, X, config, rng)
        seconds = timed(functions, flags.repeats, xp)
        floor = np.median(seconds["bare products"])
        for name, values in seconds.items():
            peak = peak_bytes(functions[name]) if xp is np else float("nan")
            median, spread = np.median(values), f"{min(values):.3f} to {max(values):.3f}"
            print(
                f"| {B} | {M} | {name} | {median:.3f} | {spread} | {median / floor:.2f} |"
                f" {peak / 1e6:.0f} | {peak / (4 * config.K * B * M):.2f} |"
            )


if __name__ == "__main__":
    main()
