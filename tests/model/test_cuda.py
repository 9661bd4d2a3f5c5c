"""The CUDA kernels, each against its plain twin, without a card: C++ for one thread after another.

A C++ compiler takes the kernels' own text. A block is one thread here where its threads work
together, so what is seen is the arithmetic and the places; benchmarks/device.py sees the rest.
"""

import ctypes
import itertools
import shutil
import subprocess
import types

import numpy as np
import pytest
from scipy import sparse

from macrid.config import Config
from macrid.model import cuda, decoder, ops
from macrid.model.encoder import aggregate
from macrid.training import adam

COMPILER = shutil.which("g++") or shutil.which("clang++")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler, g++ or clang++")

CPU = r"""
#include <cmath>
#include <algorithm>
using std::sqrt; using std::exp; using std::log; using std::max; using std::min;
#define __global__
#define __device__ static
#define __shared__ static
#define __syncthreads()
#define __shfl_down_sync(mask, value, far) 0
struct { int x, y; } threadIdx, blockIdx, blockDim, gridDim;
extern "C" void stand(int tx, int bx, int by, int threads, int gx, int gy) {
    threadIdx = {tx, 0}; blockIdx = {bx, by}; blockDim = {threads, 1}; gridDim = {gx, gy};
}
"""


@pytest.fixture(scope="module")
def like_cupy(tmp_path_factory):
    """An array module with a RawKernel, text and name -> what starts it, over NumPy's arrays."""
    folder = tmp_path_factory.mktemp("kernels")

    def raw_kernel(text, name):
        source, library = folder / f"{name}.cpp", folder / f"{name}.so"
        source.write_text(CPU + text)
        words = [COMPILER, "-shared", "-fPIC", "-Wno-unknown-pragmas", "-o", library, source]
        subprocess.run(words, check=True, timeout=120)
        kernel = ctypes.CDLL(str(library))
        return lambda blocks, threads, arguments: start(
            kernel, text, name, blocks, threads[0], arguments
        )

    module = types.ModuleType("like_cupy")
    vars(module).update(vars(np), RawKernel=raw_kernel, __name__="cupy")
    return module


def start(kernel, text, name, blocks, threads, arguments):
    """Every thread of every block, one after the other."""
    together = "block_sum(" in text.split("extern", 1)[1]  # its threads wait for each other
    threads = 1 if together else threads
    columns, rows = (*blocks, 1)[:2]
    for bx, by, tx in itertools.product(range(columns), range(rows), range(threads)):
        kernel.stand(tx, bx, by, threads, columns, rows)
        getattr(kernel, name)(*(as_c(value) for value in arguments))


def as_c(value):
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return ctypes.c_void_p(value.ctypes.data)
    kinds = {"f": ctypes.c_float, "d": ctypes.c_double, "i": ctypes.c_int, "l": ctypes.c_longlong}
    return kinds[value.dtype.char](value)


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch, like_cupy):
    """The kernels' functions, with NumPy's arrays."""
    monkeypatch.setattr(cuda, "array_module", lambda *arrays: like_cupy)
    monkeypatch.setattr(cuda, "STRETCH", 3)


def test_only_a_gpu_has_kernels(rng, monkeypatch):
    assert cuda.has_kernels(rng.random(3))
    monkeypatch.setattr(cuda, "array_module", lambda *arrays: np)
    assert not cuda.has_kernels(rng.random(3))


def test_normalise(rng):
    x, dy = rng.standard_normal((2, 3, 4, 5))
    x[0, 0] = 0
    x[1, 1] *= 1e-9
    (y, pullback), (expected, pullback_of_twin) = cuda.normalise(x), ops.normalise(x)
    close(y, expected)
    close(pullback(dy), pullback_of_twin(dy))


def close(values, expected):
    """Arrays, or tuples or dicts of them, up to rounding."""
    if isinstance(expected, dict):
        values, expected = list(values.values()), list(expected.values())
    if isinstance(expected, (tuple, list)):
        for one, other in zip(values, expected, strict=True):
            close(one, other)
    else:
        np.testing.assert_allclose(values, expected, rtol=1e-10, atol=1e-12)


def batch(rng, B=5, M=7, K=3, d=4):
    """X with a user who has nothing and an item that nobody has, some values of 0; z, H, T, C."""
    X = sparse.csr_array(rng.random((B, M)) < 0.5, dtype=float)
    X = X.multiply(np.arange(B)[:, None] != 2).multiply(np.arange(M) != 4).tocsr()
    X.sort_indices()
    log_C, _ = ops.log_softmax(3 * rng.standard_normal((M, K)))
    z, H, T = (
        ops.normalise(rng.standard_normal(shape))[0] for shape in ((B, K, d), (M, d), (M, d))
    )
    return X, z, H, T, log_C


def test_aggregate(rng):
    X, z, _, T, log_C = batch(rng)
    X.data[::4] = 0  # item dropout
    C, dA = np.exp(log_C), rng.standard_normal(z.shape)
    C[:, 0] = 0  # a concept without items
    (A, pullback), (expected, pullback_of_twin) = cuda.aggregate(X, C, T), aggregate(X, C, T)
    close(A, expected)
    close(pullback(dA), pullback_of_twin(dA))


@pytest.mark.parametrize("tile", (1 << 30, 400), ids=("one tile", "tiles"))
def test_log_likelihood(rng, monkeypatch, tile):
    monkeypatch.setattr(decoder, "TILE_USERS", 1)
    monkeypatch.setitem(decoder.TILE_BYTES, "numpy", tile)
    X, z, H, _, log_C = batch(rng)
    tiles = list(decoder.exponents(z, H, 0.1))
    assert (len(tiles) > 1) == (tile == 400)
    value, pullback = cuda.log_likelihood(z, H, log_C, X, 0.1, decoder.exponents(z, H, 0.1))
    expected, pullback_of_twin = decoder.log_likelihood_plain(z, H, log_C, X, 0.1)
    assert float(value) == pytest.approx(expected, rel=1e-12)
    close(pullback(0.7), pullback_of_twin(0.7))


def test_log_scores(rng):
    _, z, H, _, log_C = batch(rng)
    scores = cuda.log_scores(z, H, log_C, decoder.exponents(z, H, 0.1))
    close(scores, decoder.log_scores(z, H, np.exp(log_C), 0.1))


def test_adam(rng):
    config = Config(l2=0.01, decoupled_decay=0.1)
    theta, gradient = rng.standard_normal((2, 300, 2))
    here, there = ({"H": theta.copy()} for _ in range(2))
    rates = (adam.BETA1, adam.BETA2, adam.EPSILON)
    moments, moments_there = adam.start(here), adam.start(there)
    for step in (1, 2, 3):
        adam.update(here, {"H": gradient}, moments, step, config)
        cuda.adam(there["H"], *moments_there["H"], gradient, rates, step, config)
    close(there, here)
    close(moments_there, moments)
