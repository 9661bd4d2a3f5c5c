"""The stand-in of cupyx.scipy.sparse: products of a CSR matrix with a dense one or another CSR
matrix.
"""

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

    data = property(lambda self: cupy.ndarray(self._host.data))
    indices = property(lambda self: cupy.ndarray(self._host.indices))
    indptr = property(lambda self: cupy.ndarray(self._host.indptr))

    def toarray(self):
        return cupy.ndarray(self._host.toarray())

    def __matmul__(self, other):
        if isinstance(other, csr_matrix):
            cupy._read()  # how many nonzeros it has decides the shape
            return csr_matrix(self._host @ other._host)
        if not isinstance(other, cupy.ndarray):
            raise TypeError(f"expected a device array, found {type(other)}")
        if not self.has_canonical_format:
            cupy._read()  # sum_duplicates looks
        return cupy.ndarray(numpy.asarray(self._host @ other._host))


class csr_matrix(_Matrix):
    """CSR, made from a SciPy matrix or from device arrays (data, indices, indptr), which does not
    wait for the device.
    """

    def __init__(self, matrix, shape=None):
        if isinstance(matrix, tuple):
            if not all(isinstance(part, cupy.ndarray) for part in matrix):
                raise ValueError("invalid input format")
            matrix = sparse.csr_matrix(tuple(part._host for part in matrix), shape=shape)
        super().__init__(matrix)
