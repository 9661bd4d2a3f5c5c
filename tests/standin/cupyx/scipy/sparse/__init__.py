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

    @property
    def data(self):
        return cupy.ndarray(self._host.data)

    @data.setter
    def data(self, values):
        host = self._host
        self._host = sparse.csr_matrix((values._host, host.indices, host.indptr), shape=host.shape)

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
        return cupy.ndarray(numpy.asfortranarray(self._host @ other._host))  # as cuSPARSE gives it


class csr_matrix(_Matrix):
    """CSR, made from a SciPy matrix or from device arrays (data, indices, indptr), for which CuPy
    14 reads the ends of indptr back.
    """

    def __init__(self, matrix, shape=None):
        if isinstance(matrix, tuple):
            if not all(isinstance(part, cupy.ndarray) for part in matrix):
                raise ValueError("data, indices, and indptr must be 1-D cupy arrays")
            cupy._read()
            matrix = sparse.csr_matrix(tuple(part._host for part in matrix), shape=shape)
        super().__init__(matrix)
