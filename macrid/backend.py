"""Where arrays live: NumPy on the host, or CuPy on a GPU. The only file that knows of CuPy.

The mathematics asks its arrays for their module (`array_module`) and is written once. What decides
the shape of a step, which items its users adopted, stays on the host as SciPy CSR; only what is
computed with goes to the device.
"""

import ctypes
import dataclasses
import importlib
import os
import sys

import numpy as np
from scipy import sparse

from macrid.errors import UserError

NAMES = ("numpy", "cupy", "auto")


def array_module(*arrays):
    """Return the module (`numpy` or `cupy`) whose functions take these arrays.

    CuPy is never imported here: whoever holds a CuPy array has imported it already.
    """
    cupy = sys.modules.get("cupy")
    if cupy is not None and any(isinstance(array, cupy.ndarray) for array in arrays):
        return cupy
    return np


def load(name, precision="float32"):
    """The array module that `--backend` names: 'numpy', 'cupy' or 'auto'.

    'auto' is CuPy where it works and NumPy elsewhere.

    'tf32' lets CuPy's float32 matrix products use tensor cores, with 10 bits of mantissa; it needs
    a GPU. A UserError says what is missing and what to install.
    """
    if name != "numpy":
        try:
            return _cupy(precision)
        except UserError:
            if name == "cupy":
                raise
    if precision == "tf32":
        raise UserError("precision tf32 needs a GPU: give backend cupy, or precision float32")
    return np


def to_device(xp, value):
    """`value` with its arrays in the memory of `xp`.

    Dicts, lists, tuples and dataclasses are gone through.

    A SciPy matrix becomes CSR of the other library. A dataclass keeps its fields of metadata
    {"host": True}.
    """
    if xp is np or value is None or np.isscalar(value):
        return value
    if isinstance(value, (dict, list, tuple)):
        return _each(lambda part: to_device(xp, part), value)
    if sparse.issparse(value):
        matrix = importlib.import_module("cupyx.scipy.sparse").csr_matrix(sparse.csr_matrix(value))
        matrix.has_canonical_format = True  # as all of ours; to look would wait for the device
        return matrix
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        moved = {
            f.name: to_device(xp, getattr(value, f.name))
            for f in dataclasses.fields(value)
            if not f.metadata.get("host")
        }
        return dataclasses.replace(value, **moved)
    return xp.asarray(value)


def csr(xp, values, columns, width: int):
    """A CSR matrix (rows, width) by the values (rows, n) and their columns, n in each row."""
    rows, n = values.shape
    library = sparse if xp is np else importlib.import_module("cupyx.scipy.sparse")
    ends = xp.arange(0, rows * n + 1, n, dtype=columns.dtype)
    return library.csr_matrix((values.ravel(), columns.ravel(), ends), shape=(rows, width))


def to_host(value):
    """`value` with its arrays in NumPy; waits for the device.

    Dicts, lists and tuples are gone through.
    """
    if isinstance(value, (dict, list, tuple)):
        return _each(to_host, value)
    return value if array_module(value) is np else value.get()


def scalar(value):
    """A sum for reading later, in double precision.

    A float, or on a device a 0-d array, which does not wait for it.
    """
    return float(value) if array_module(value) is np else value.astype(np.float64)


def generator(xp, seed):
    """Random numbers drawn where `xp` computes; `seed` as for `numpy.random.default_rng`."""
    return xp.random.default_rng(seed)


def synchronise(xp):
    """Wait until the device has done all that it was asked: for timings."""
    if xp is not np:
        xp.cuda.Stream.null.synchronize()


def device_name(xp):
    """What computes, in words."""
    if xp is np:
        return f"CPU, NumPy {np.__version__}"
    properties = xp.cuda.runtime.getDeviceProperties(xp.cuda.Device().id)
    return f"{properties['name'].decode()}, CuPy {xp.__version__}"


def keep_freed_memory():
    """Ask glibc to keep up to 1 GiB of freed memory; elsewhere do nothing.

    A training step frees and asks for the same arrays again and again. Returned pages must be
    faulted in and zeroed each time, which costs a fifth of a step at B=425, M=5297
    (benchmarks/step.py). For commands, not for a library.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    m_trim_threshold, m_mmap_threshold = -1, -3
    mallopt(m_mmap_threshold, 1 << 25)  # the most that glibc takes
    mallopt(m_trim_threshold, 1 << 30)


def _cupy(precision):
    """CuPy, after a look at its device, with the choice about tensor cores made."""
    if precision == "tf32":
        os.environ["CUPY_TF32"] = "1"  # CuPy reads it at its first matrix product
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "cupy":
            raise UserError(
                'backend cupy: CuPy is not installed; pip install "macrid[gpu]" for CUDA 13,'
                ' "macrid[gpu12]" for CUDA 12'
            ) from None
        raise UserError(
            f"backend cupy: CuPy cannot be loaded ({error}); python -m macrid.doctor says more"
        ) from None
    if not hasattr(cupy, "cuda"):
        raise UserError(
            f"backend cupy: {list(cupy.__path__)[0]} is not CuPy; rename that folder, or run"
            " elsewhere"
        )
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise UserError(
            f"backend cupy: no GPU can be used ({error}); python -m macrid.doctor says more"
        ) from None
    if devices == 0:
        raise UserError(
            "backend cupy: no GPU is seen; look at nvidia-smi and CUDA_VISIBLE_DEVICES, or give"
            " backend numpy"
        )
    return cupy


def _each(change, value):
    """`change` applied to every part of a dict, a list or a tuple."""
    if isinstance(value, dict):
        return {name: change(part) for name, part in value.items()}
    return type(value)(change(part) for part in value)
