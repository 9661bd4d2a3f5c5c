"""Which array library an array belongs to. The only file that will know about CuPy."""

import ctypes
import sys

import numpy as np


def array_module(*arrays):
    """Return the module (`numpy` or `cupy`) whose functions take these arrays.

    CuPy is never imported here: whoever holds a CuPy array has imported it already.
    """
    cupy = sys.modules.get("cupy")
    if cupy is not None and any(isinstance(array, cupy.ndarray) for array in arrays):
        return cupy
    return np


def keep_freed_memory():
    """Ask glibc to keep up to 1 GiB of freed memory instead of returning it to the system; elsewhere do nothing.

    A training step frees and asks for the same arrays again and again. Returned pages must be faulted in and zeroed
    each time, which costs a fifth of a step at B=425, M=5297 (benchmarks/step.py). For commands, not for a library.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    m_trim_threshold, m_mmap_threshold = -1, -3
    mallopt(m_mmap_threshold, 1 << 25)  # the most that glibc takes
    mallopt(m_trim_threshold, 1 << 30)
