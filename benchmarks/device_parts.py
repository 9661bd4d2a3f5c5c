"""What device.py measures: each part is a function of `Part`, run in a process of its own.

device.py starts this file; its docstring says what each part is.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from candidates import users as users_of_candidates
from step import bare_products, step

from macrid import backend, data, doctor, model
from macrid.baselines import EASE, MultiVAE, Ridge
from macrid.config import Config
from macrid.data.adoptions import csr_of_rows
from macrid.data.splits import split as make_split
from macrid.model import objective, prototypes, scoring
from macrid.model.decoder import positives
from macrid.model.objective import rows_of_step
from macrid.training import adam, fit
from macrid.training.batch import draw_noise

ROOT = Path(__file__).parents[1]
SIZES = ((100, 5297, 2), (425, 5297, 7), (400, 50_000, 7), (1024, 100_000, 7))  # B, M, K
ITEMS_A_USER = 87
PACKAGES = """
numpy scipy cupy-cuda13x cupy-cuda12x torch scikit-learn pillow matplotlib tqdm onnx onnxruntime
jinja2 pytest pytest-xdist hypothesis nvidia-cublas nvidia-cusparse
""".split()


@dataclass
class Part:
    """What a part is given, and where it writes what it finds."""

    xp: object
    precision: str
    rehearse: bool
    seconds: float
    rows_file: Path
    peer: str | None
    data: str | None
    begun: float

    def row(self, table: str, **values) -> None:
        """Print a row of a table, and keep it for the report."""
        text = "  ".join(f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                         for name, value in values.items())  # fmt: skip
        print(f"{table}: {text}", flush=True)
        with open(self.rows_file, "a") as file:
            file.write(json.dumps({"table": table, "row": values}) + "\n")

    def left(self) -> float:
        """Seconds until this part is ended."""
        return self.seconds - (time.monotonic() - self.begun)

    @property
    def dtype(self):
        return np.float64 if self.precision == "float64" else np.float32

    def timed(self, functions: dict, repeats: int, most_seconds: float) -> dict:
        """{name: (seconds until the host is free, until the device is done) of each repeat}.

        The functions are taken in turn, after a round that warms up; fewer rounds where they would
        take longer than `most_seconds`.
        """
        seconds: dict = {name: [] for name in functions}
        start = time.perf_counter()
        for repeat in range((2 if self.rehearse else repeats) + 1):
            for name, function in functions.items():
                begin = time.perf_counter()
                function()
                host = time.perf_counter() - begin
                backend.synchronise(self.xp)
                if repeat:
                    seconds[name].append((host, time.perf_counter() - begin))
            if repeat and time.perf_counter() - start > most_seconds:
                break
        return seconds


class Clock:
    """Time by part: on a device by events in its own queue, else by the host's clock."""

    def __init__(self, xp):
        self.xp, self.spans = xp, []

    def now(self):
        if self.xp is np:
            return time.perf_counter()
        event = self.xp.cuda.Event()
        event.record()
        return event

    def watched(self, name, function):
        """`function`, and the pullback that it may return last, watched under a name."""

        def call(*arguments, **options):
            begin = self.now()
            result = function(*arguments, **options)
            self.spans.append((name, begin, self.now()))
            if isinstance(result, tuple) and callable(result[-1]):
                result = (*result[:-1], self.watched(f"{name} back", result[-1]))
            return result

        return call

    def milliseconds(self):
        """{name: milliseconds of all its spans}; waits for the device."""
        backend.synchronise(self.xp)
        sums: dict = {}
        for name, begin, end in self.spans:
            if self.xp is np:
                elapsed = 1000 * (end - begin)
            else:
                elapsed = self.xp.cuda.get_elapsed_time(begin, end)
            sums[name] = sums.get(name, 0.0) + elapsed
        return sums


def sizes_of(part):
    """(B, M, K, d) of the steps."""
    if part.rehearse:
        return ((20, 300, 2, 16), (30, 400, 3, 16))
    return tuple((*size, 200) for size in SIZES)


def users(B, M, items, rng):
    """(B, M) CSR of users with `items` items each, popular ones more often."""
    weights = np.cumsum(1 / (np.arange(M) + 20.0))
    rows = np.empty((B, items), int)
    for row in rows:
        drawn = np.unique(np.searchsorted(weights, rng.random(3 * items) * weights[-1]))
        while len(drawn) < items:
            drawn = np.union1d(drawn, rng.integers(0, M, items))
        row[:] = np.sort(rng.choice(drawn, items, replace=False))
    return csr_of_rows(rows, M)


def setting(part, B, M, K, d):
    """A config, a batch X on the host, parameters, z and a place for logits on the device."""
    config = Config(K=K, d=d, batch_size=B, precision=part.precision)
    rng = np.random.default_rng(0)
    X = users(B, M, min(ITEMS_A_USER, M // 4), rng)
    parameters = model.initial_parameters(M, config, rng)
    z = rng.standard_normal((K, B, d)).astype(part.dtype)
    on_device = backend.to_device(part.xp, (parameters, z, np.empty((B, M), part.dtype)))
    return config, X, *on_device, rng


def relative(there, here):
    """The largest difference, of the largest number."""
    there, here = np.asarray(backend.to_host(there), float), np.asarray(here, float)
    return float(np.abs(there - here).max() / max(np.abs(here).max(), 1e-300))


def median(values):
    return float(np.median(values))


def spread(values):
    """From the fastest to the slowest, in milliseconds."""
    return f"{1000 * min(values):.3g} to {1000 * max(values):.3g}"


def pool_bytes(xp):
    """What CuPy holds of the device's memory."""
    return 0 if xp is np else xp.get_default_memory_pool().total_bytes()


def free_pool(xp):
    if xp is not np:
        backend.synchronise(xp)
        xp.get_default_memory_pool().free_all_blocks()


def run_doctor(part):
    """What is there, and whether it works."""
    part.row("machine", what="device", value=backend.device_name(part.xp))
    part.row("machine", what="python", value=sys.version.split()[0])
    part.row("machine", what="CPU cores", value=os.cpu_count())
    commit = output("git", "rev-parse", "--short", "HEAD") or "not known: no git here"
    part.row("machine", what="commit", value=commit.strip())
    if part.xp is not np:
        runtime = part.xp.cuda.runtime
        versions = f"runtime {runtime.runtimeGetVersion()}, driver {runtime.driverGetVersion()}"
        part.row("machine", what="CUDA", value=versions)
    query = "name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit"
    for line in output("nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader").splitlines():
        part.row("machine", what=query, value=line)
    for name in PACKAGES:
        try:
            part.row("packages", name=name, version=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            part.row("packages", name=name, version="not there")
    process = subprocess.run(
        [sys.executable, "-m", "macrid.doctor"], capture_output=True, text=True, check=False
    )
    for line in (process.stdout + process.stderr).splitlines():
        part.row("python -m macrid.doctor", line=line)
    if process.returncode:
        raise RuntimeError(f"macrid.doctor ended with status {process.returncode}")


def output(*words):
    """What a command prints, or nothing where there is none."""
    if not shutil.which(words[0]):
        return ""
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False).stdout


def run_parity(part):
    """NumPy against the device; for float32 also NumPy's own distance from float64."""
    precisions = ("float32", "float64") if part.precision == "float32" else (part.precision,)
    wrong = []
    for precision in precisions:
        part.precision = precision
        wrong += _parity_of_steps(part)
        _parity_of_a_run(part)
    if wrong:
        raise RuntimeError(f"differ by more than they may: {', '.join(wrong)}")


def _parity_of_steps(part):
    xp, precision = part.xp, part.precision
    B, M = (32, 300) if part.rehearse else (128, 2000)
    config = Config(K=3, d=64, hidden_layers=1, hidden_units=96, precision=precision, dropout=0.2)
    config = config.replace(init_deviation=0.5, category_weight=0.5)
    tolerance = doctor.TOLERANCE[precision]
    rng = np.random.default_rng(1)
    X = users(B, M, 20, rng)
    targets = np.eye(3, dtype=part.dtype)[rng.integers(0, 3, M)]
    start = model.initial_parameters(M, config, rng)
    noises = [draw_noise(rng, X, config) for _ in range(10)]

    def steps(module, dtype):
        """The first step's terms and gradients, and the parameters after ten."""
        cast = lambda tree: backend.to_device(module, _cast(tree, dtype))
        parameters, its_targets = cast(start), backend.to_device(module, targets.astype(dtype))
        moments, first = adam.start(parameters), None
        for number, noise in enumerate(noises, 1):
            there = backend.to_device(module, _cast(noise, dtype))
            terms, gradients = model.loss_and_gradients(
                parameters, X, there, config, 0.2, its_targets
            )
            first = first or (terms, gradients)
            adam.update(parameters, gradients, moments, number, config)
        return *first, parameters

    (terms, gradients, after), here = steps(xp, part.dtype), steps(np, part.dtype)
    exact = steps(np, np.float64)

    wrong = []

    def compare(what, there, here, exact, times=1):
        distance = relative(there, here)
        good = distance < times * tolerance
        values = {"device - NumPy": distance, "NumPy - float64": relative(here, exact)}
        part.row("parity", what=what, precision=precision, **values, good=good)
        wrong.extend([] if good else [what])

    for name in terms:
        compare(name, *(np.array([float(group[name])]) for group in (terms, here[0], exact[0])))
    for name in gradients:
        compare(f"gradient of {name}", gradients[name], here[1][name], exact[1][name])
    for name in after:  # Adam divides by small gradients
        compare(f"{name} after ten steps", after[name], here[2][name], exact[2][name], 10)
    scores = model.log_predict(after, X, config)
    compare("scores", scores, *(model.log_predict(group[2], X, config) for group in (here, exact)))
    lists = [backend.to_host(model.rank(p, X, config, 20)[0]) for p in (after, here[2])]
    same = float(np.mean(lists[0] == lists[1]))
    part.row("ranking", precision=precision, **{"equal places of the 20 best": same})
    return [f"{what} in {precision}" for what in wrong]


def _cast(tree, dtype):
    """Its arrays of floats in another precision."""
    if isinstance(tree, dict):
        return {name: _cast(value, dtype) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_cast(value, dtype) for value in tree]
    if isinstance(tree, np.ndarray) and tree.dtype.kind == "f":
        return tree.astype(dtype)
    if hasattr(tree, "__dataclass_fields__"):
        names = tree.__dataclass_fields__
        return type(tree)(**{name: _cast(getattr(tree, name), dtype) for name in names})
    return tree


def made_split(part, N, M, items):
    """A split of N users in two tastes."""
    rng = np.random.default_rng(3)
    X = users(N, M // 2, items, rng).tocoo()
    pairs = (X.row.astype(str), (2 * X.col + X.row % 2).astype(str))
    return make_split(data.from_pairs(*pairs, min_user_items=5), "holdout", 1)


def _parity_of_a_run(part):
    split = made_split(part, *((80, 60, 12) if part.rehearse else (1000, 800, 30)))
    config = Config(K=2, d=32, batch_size=50, max_epochs=2 if part.rehearse else 6)
    config = config.replace(precision="float32" if part.precision == "tf32" else part.precision)
    begin = time.perf_counter()
    here = fit.fit(split, config).history
    middle = time.perf_counter()
    device = config.replace(backend="numpy" if part.xp is np else "cupy", precision=part.precision)
    there = fit.fit(split, device).history
    end = time.perf_counter()
    for a, b in zip(there, here):
        part.row(
            "history",
            precision=part.precision,
            epoch=a["epoch"],
            **{
                "loss on the device": a["loss"],
                "of it the difference": abs(a["loss"] / b["loss"] - 1),
                "NDCG@100 on the device": a["validation_ndcg@100"],
                "NDCG@100 on the host": b["validation_ndcg@100"],
            },
        )
    part.row("history", precision=part.precision, epoch="seconds: device, host", **{
        "loss on the device": end - middle, "of it the difference": middle - begin})  # fmt: skip


def run_step(part):
    """The step beside the bare products, and where its time goes."""
    for size in sizes_of(part):
        _step_at(part, *size)
        free_pool(part.xp)


def _step_at(part, B, M, K, d):
    xp = part.xp
    config, X, parameters, z, out, rng = setting(part, B, M, K, d)
    moments = adam.start(parameters)
    draws = {"host": None} if xp is np else {"host": None, "device": backend.generator(xp, 0)}
    functions = {"bare products": lambda: bare_products(xp, z, parameters["H"], out)}
    for name, device_rng in draws.items():
        arguments = (xp, parameters, moments, X, config, rng, device_rng)
        functions[name] = partial(step, *arguments)
    free_pool(xp)
    before = pool_bytes(xp)
    seconds = part.timed(functions, 25, 8)
    floor = median([total for _, total in seconds["bare products"]])
    operations = 3 * 2 * B * K * M * d
    for name, device_rng in draws.items():
        host, total = zip(*seconds[name])
        values = {
            "ms": 1000 * median(total),
            "fastest to slowest": spread(total),
            "host ms": 1000 * median(host),
            "bare products ms": 1000 * floor,
            "step / bare products": median(total) / floor,
            "TFLOP/s of the products": operations / floor / 1e12,
            "TFLOP/s of the step": operations / median(total) / 1e12,
            "MB that the pool grew by": (pool_bytes(xp) - before) / 1e6,
        }
        part.row("step", B=B, M=M, K=K, precision=part.precision, noise=name, **values)
        by_part(part, (xp, parameters, moments, X, config, rng, device_rng), name)


def by_part(part, arguments, noise):
    """A row of milliseconds by part of a step, and its reads of the device where they are counted.

    The median of some steps. On a device a part's time is that between its marks in the queue:
    where the host is slower, it is the host's. "rest" is what no part covers.
    """
    xp, parameters, moments, X, config, rng, device_rng = arguments
    runs = []
    reads = getattr(xp, "reads", None)  # the stand-in of the tests counts them
    for _ in range(2 if part.rehearse else 7):
        clock = Clock(xp)
        compared = objective.compared
        watch = clock.watched
        patches = {
            name: watch(name, getattr(objective, name))
            for name in ("aggregate", "f_nn", "log_likelihood", "softmax", "posterior", "sample")
        }
        patches["compared"] = lambda config, w=watch: w("normalise", compared(config))
        logits = watch("concept logits", prototypes.concept_logits)
        begin = clock.now()
        with (
            mock.patch.multiple(objective, **patches),
            mock.patch.object(prototypes, "concept_logits", logits),
        ):
            noise_drawn = watch("draw noise", draw_noise)(rng, X, config, None, device_rng)
            there = watch("noise to device", backend.to_device)(xp, noise_drawn)
            _, gradients = model.loss_and_gradients(parameters, X, there, config, config.beta)
            watch("Adam", adam.update)(parameters, gradients, moments, 10, config)
        end = clock.now()
        sums = clock.milliseconds()
        clock.spans = [("whole", begin, end)]
        whole = clock.milliseconds()["whole"]
        runs.append({**sums, "rest": whole - sum(sums.values()), "whole": whole})
    values = {name: median([run[name] for run in runs]) for name in runs[0]}
    if reads is not None:
        values["reads of the device"] = xp.reads - reads
    part.row("step by part, ms", B=X.shape[0], M=X.shape[1], K=config.K, noise=noise,
             precision=part.precision, **values)  # fmt: skip


def run_peer(part):
    """Another implementation's step at the same sizes, and ours beside it."""
    spec = importlib.util.spec_from_file_location("peer", part.peer)
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    torch = sys.modules.get("torch")
    on_card = part.xp is not np and torch is not None and torch.cuda.is_available()
    if torch is not None and part.precision == "tf32":
        torch.backends.cuda.matmul.allow_tf32 = True
    wait = torch.cuda.synchronize if on_card else lambda: None
    for size in sizes_of(part):
        _beside_peer(part, peer.TorchStep, wait, "cuda" if on_card else "cpu", *size)
        free_pool(part.xp)
        if on_card:
            torch.cuda.empty_cache()


def _beside_peer(part, TorchStep, wait, device, B, M, K, d):
    config = Config(K=K, d=d, batch_size=B)
    rng = np.random.default_rng(0)
    X = users(B, M, min(ITEMS_A_USER, M // 4), rng)
    start = model.initial_parameters(M, config, rng)
    theirs = TorchStep(start, config, X, device=device)
    losses = []

    def their_step():
        losses.append(theirs.step())
        wait()

    size = {"B": B, "M": M, "K": K, "precision": part.precision}
    alone = [total for _, total in part.timed({"": their_step}, 15, 5)[""]]
    first = losses[0].item() if hasattr(losses[0], "item") else losses[0]
    values = {"ms": 1000 * median(alone), "spread": spread(alone), "its first loss": float(first)}
    part.row("peer alone", **size, **values)
    parameters = backend.to_device(part.xp, start)
    moments = adam.start(parameters)
    device_rng = None if part.xp is np else backend.generator(part.xp, 0)
    ours = partial(step, part.xp, parameters, moments, X, config, rng, device_rng)
    seconds = part.timed({"peer": their_step, "ours": ours}, 15, 6)
    totals = {name: [total for _, total in values] for name, values in seconds.items()}
    part.row(
        "peer and ours in turn",
        **size,
        **{f"{name} ms": 1000 * median(values) for name, values in totals.items()},
        **{f"{name} spread": spread(values) for name, values in totals.items()},
        **{"peer / ours": median(totals["peer"]) / median(totals["ours"])},
    )


def run_probes(part):
    """Pairs of ways to the same numbers, for whoever makes the step or the ranking faster."""
    xp, rng = part.xp, np.random.default_rng(0)
    M, d, K, B = (500, 16, 3, 20) if part.rehearse else (100_000, 200, 7, 1024)
    x, y = backend.to_device(xp, [rng.random((M, d), dtype=np.float32) for _ in range(2)])
    probe(part, f"row_dot ({M}, {d})", {
        "einsum": lambda: xp.einsum("...j,...j->...", x, y),
        "multiply and sum": lambda: (x * y).sum(axis=-1),
    } | fused_dot(xp, x, y))  # fmt: skip
    x = y = None
    B2, tile = (30, 200) if part.rehearse else (2000, 4096)
    scores = xp.asarray(rng.random((B2, tile), dtype=np.float32))
    for k in (20, 100):
        from_above, from_below = tile - k, k - 1
        probe(part, f"the {k}th of ({B2}, {tile})", {
            "partition": lambda p=from_above: xp.partition(scores, p, axis=1)[:, p],
            "partition of -x": lambda p=from_below: -xp.partition(-scores, p, axis=1)[:, p],
            "sort": lambda p=from_above: xp.sort(scores, axis=1)[:, p],
        })  # fmt: skip
    E = xp.asarray(rng.random((min(B2, 300), K, tile), dtype=np.float32))
    CT = xp.asarray(rng.random((K, tile), dtype=np.float32))
    probe(part, f"sum_k c E {E.shape}", {
        "einsum": lambda: xp.einsum("uki,ki->ui", E, CT),
        "multiply and sum": lambda: (E * CT).sum(axis=1),
        "concept by concept": lambda: sum(E[:, k] * CT[k] for k in range(1, K)) + E[:, 0] * CT[0],
    })  # fmt: skip
    w = xp.asarray(rng.random(len(E), dtype=np.float32))
    flat = E.reshape(len(E), -1)
    probe(part, f"sum_u w E ({len(E)}, {K * tile})", {
        "einsum": lambda: xp.einsum("u,ui->i", w, flat),
        "matmul": lambda: w @ flat,
    })  # fmt: skip
    X = users(B, M, min(ITEMS_A_USER, M // 4), rng)
    config = Config(K=K, d=d)
    items, columns = np.unique(X.indices, return_inverse=True)
    compact = type(X)((X.data, columns.reshape(-1).astype(X.indices.dtype), X.indptr),
                      shape=(B, len(items)))  # fmt: skip
    probe(part, f"a batch on the host, B {B}, M {M}", {
        "the items that occur": lambda: np.unique(X.indices, return_inverse=True),
        "transpose and send both": lambda: backend.to_device(xp, (compact, compact.T)),
        "send the positives": lambda: positives(X, xp, np.float32),
        "draw the noise": lambda: draw_noise(rng, X, config),
    }, equal=False)  # fmt: skip
    T = xp.asarray(rng.random((len(items), d), dtype=np.float32))
    by_columns, there = xp.asfortranarray(T), backend.to_device(xp, compact)
    probe(part, f"sparse product ({B}, {len(items)}) by {d}", {
        "T row by row": lambda: there @ T,
        "T column by column": lambda: there @ by_columns,
    })  # fmt: skip


def fused_dot(xp, x, y):
    """One kernel for the row-wise product and sum, where CuPy can make one."""
    if not hasattr(xp, "ReductionKernel"):
        return {}
    kernel = xp.ReductionKernel("T x, T y", "T z", "x * y", "a + b", "z = a", "0", "macrid_row_dot")
    return {"one kernel": lambda: kernel(x, y, axis=-1)}


def probe(part, what, ways, equal=True):
    """A row for each way, with its distance from the first."""
    expected = backend.to_host(next(iter(ways.values()))()) if equal else None
    distance = {}
    for name, way in list(ways.items()):
        try:
            result = way()
            distance[name] = relative(result, expected) if equal else None
        except Exception as error:  # one way that a device refuses does not end the others
            part.row("probes", what=what, way=name, error=f"{type(error).__name__}: {error}"[:200])
            del ways[name]
    for name, values in part.timed(ways, 15, 3).items():
        host, total = zip(*values)
        part.row("probes", what=what, way=name, ms=1000 * median(total), spread=spread(total),
                 **{"host ms": 1000 * median(host), "from the first": distance[name]})  # fmt: skip


def run_candidates(part):
    """A step of the sampled softmax over growing catalogues."""
    first = None
    for M in (2000, 4000) if part.rehearse else (100_000, 1_000_000, 10_000_000):
        host, total, megabytes = _sampled_step(part, M)
        first = first or median(total)
        values = {"host ms": 1000 * median(host), "of the first": median(total) / first}
        values |= {"spread": spread(total), "MB on the device": megabytes}
        part.row("sampled softmax", M=M, ms=1000 * median(total), **values)
        free_pool(part.xp)


def _sampled_step(part, M):
    xp, rng = part.xp, np.random.default_rng(0)
    d, n = (16, 300) if part.rehearse else (64, 2000)
    config = Config(K=7, d=d, candidates=n)
    parameters = backend.to_device(xp, model.initial_parameters(config.K, config, rng))
    draw = backend.generator(xp, 0)
    for name in ("H", "T"):  # on the device: 10^7 items take a while on the host
        parameters[name] = draw.standard_normal((M, d), dtype=np.float32)
        parameters[name] *= np.float32(config.init_deviation)
    moments, X = adam.start(parameters), users_of_candidates(M, rng)

    def one():
        noise = draw_noise(rng, X, config)
        there = backend.to_device(xp, noise)
        _, gradients = model.loss_and_gradients(parameters, X, there, config, 0.2)
        adam.update(parameters, gradients, moments, 1, config, rows_of_step(noise))

    return *zip(*part.timed({"": one}, 15, 8)[""]), pool_bytes(xp) / 1e6


def run_ranking(part):
    """Lists of 20 for many users."""
    N, M, d = (400, 600, 16) if part.rehearse else (100_000, 50_000, 200)
    B = 100 if part.rehearse else 2000
    xp, rng = part.xp, np.random.default_rng(0)
    config = Config(K=4, d=d)
    parameters = backend.to_device(xp, model.initial_parameters(M, config, rng))
    batches = [users(B, M, 30, rng) for _ in range(4)]
    z, out = backend.to_device(xp, (rng.random((4, B, d), dtype=np.float32),
                                    np.empty((B, M), np.float32)))  # fmt: skip
    floor = lambda: [xp.matmul(z_k, parameters["H"].T, out=out) for z_k in z]
    lists = lambda X: backend.to_host(scoring.rank(parameters, X, config, 20)[0])
    lists(batches[0])
    bare = median([total for _, total in part.timed({"": floor}, 5, 3)[""]])
    begin, done = time.perf_counter(), 0
    while done < N and part.left() > 3:
        lists(batches[done // B % len(batches)])
        done += B
        if done % (5 * B) == 0 or done >= N or part.left() <= 3:
            seconds = time.perf_counter() - begin
            part.row("20 best of each user", users=done, items=M, s=seconds,
                     **{"users a second": done / seconds,
                        "of the bare products": seconds / (bare * done / B)})  # fmt: skip


def run_tests(part):
    """pytest -m device: its verdict, its failures and every skip."""
    words = [sys.executable, "-m", "pytest", "-m", "device", "-rsfE", "-q", "--tb=short"]
    words += ["-o", "addopts=--strict-markers", "--continue-on-collection-errors"]
    words += ["-p", "no:cacheprovider"]
    if part.rehearse:
        words += ["tests/test_backend.py", "-k", "adam or cupy_itself"]
    elif importlib.util.find_spec("xdist"):
        words += ["-n", "4"]
    begin = time.perf_counter()
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    last = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line.strip() or last
        if re.match(r"(SKIPPED|FAILED|ERROR)\b", line):
            part.row("tests", line=line.strip()[:300])
    status = process.wait()
    part.row("tests", line=f"{last} ({time.perf_counter() - begin:.0f} s)")
    if status:
        raise RuntimeError(f"pytest ended with status {status}: {last}")


def run_baselines(part):
    """Fits on the host and on the device, and how far their scores are from each other."""
    split = made_split(part, *((150, 80, 12) if part.rehearse else (6000, 8000, 40)))
    epochs = 2 if part.rehearse else 5
    some = split.test.fold_in[:200]
    for baseline, options in (
        (EASE, {}),
        (Ridge, {}),
        (MultiVAE, {"max_epochs": epochs, "batch_size": 100}),
    ):
        fits, seconds = [], []
        for module in (np, part.xp, part.xp):  # on the device the second time counts
            begin = time.perf_counter()
            fits.append(baseline.fit(split.train, split.validation, xp=module, **options))
            backend.synchronise(part.xp)
            seconds.append(time.perf_counter() - begin)
        here, there = (backend.to_host(fitted.scores(some)) for fitted in (fits[0], fits[-1]))
        N, M = split.train.shape
        values = {"host s": seconds[0], "device s": seconds[2], "first time s": seconds[1]}
        values["scores differ by"] = relative(there, here)
        part.row("baselines", baseline=baseline.__name__, N=N, M=M, **values)


def run_train(part):
    """The command itself, on the host and on the device, with the same options."""
    device = "numpy" if part.xp is np else "cupy"
    epochs = "2" if part.rehearse else "15"
    with tempfile.TemporaryDirectory() as folder:
        shop = ["--data", "shop", "--max-epochs", epochs]
        if part.rehearse:
            shop += ["--start", "random"]  # without pictures
        else:
            seconds, _ = train(folder, "first", [*shop[:3], "1"])
            part.row("train", data="shop", run="one epoch, pictures drawn", epochs=1, s=seconds)
        runs = [("shop", shop)]
        if part.data:
            runs.append((part.data, ["--data", part.data, "--max-epochs", epochs]))
        for data_name, options in runs:
            for name, more in (
                ("host", ["--backend", "numpy"]),
                ("device", ["--backend", device]),
                ("device, its own random numbers", ["--backend", device, "--random", "device"]),
            )[: 2 if part.rehearse else 3]:
                seconds, metrics = train(folder, f"{Path(data_name).stem}-{name[:9]}-{len(more)}",
                                         [*options, *more])  # fmt: skip
                ndcg = metrics["test"]["ndcg@100"]
                values = {"epochs": int(epochs), "s": seconds, "test NDCG@100": ndcg["mean"]}
                values["s.e."] = ndcg["stderr"]
                part.row("train", data=Path(data_name).name, run=name, **values)


def train(folder, name, options):
    """Seconds of `python -m macrid.train`, and its metrics."""
    run = Path(folder) / name
    begin = time.perf_counter()
    words = [sys.executable, "-m", "macrid.train", "--quiet", "--out", str(run), *options]
    process = subprocess.run(words, capture_output=True, text=True, check=False, cwd=folder)
    if process.returncode:
        raise RuntimeError(f"macrid.train {' '.join(options)}: {process.stderr.strip()[-300:]}")
    return time.perf_counter() - begin, json.loads((run / "metrics.json").read_text())


def main():
    """Run one part."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("part")
    arguments.add_argument("--rows", type=Path, required=True)
    arguments.add_argument("--backend", default="cupy")
    arguments.add_argument("--precision", default="float32")
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--rehearse", action="store_true")
    arguments.add_argument("--peer")
    arguments.add_argument("--data")
    flags = arguments.parse_args()
    begun = time.monotonic()
    try:
        backend.keep_freed_memory()
        xp = backend.load(flags.backend, flags.precision)
        part = Part(xp, flags.precision, flags.rehearse, flags.seconds, flags.rows, flags.peer,
                    flags.data, begun)  # fmt: skip
        globals()[f"run_{flags.part}"](part)
    except Exception as error:
        with open(flags.rows, "a") as file:
            file.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
        raise


if __name__ == "__main__":
    main()
