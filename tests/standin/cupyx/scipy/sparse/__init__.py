"""The stand-in of cupyx.scipy.sparse: products of a CSR or CSC matrix with a dense one."""

import cupy
import numpy
from scipy import sparse


class _Matrix:
    def __init__(self, host):
        if not isinstance(host, sparse.csr_matrix):
            raise TypeError(f"expected a scipy.sparse.csr_matrix, found {type(host)}")
        if host.dtype.char not in "fdFD?":
            raise ValueError("Only bool, float32, float64, complex64 and complex128 are supported")
        self._host, self.shape, self.dtype = host, host.shape, host.dtype
        self.has_canonical_format = False

    def __matmul__(self, other):
        if not isinstance(other, cupy.ndarray):
            raise TypeError(f"expected a device array, found {type(other)}")
        if not self.has_canonical_format:
            cupy._read()  # sum_duplicates looks
        return cupy.ndarray(numpy.asarray(self._host @ other._host))


class csr_matrix(_Matrix):
    """CSR, made from a SciPy matrix, which does not wait for the device."""
