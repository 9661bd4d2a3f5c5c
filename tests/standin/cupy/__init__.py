"""A strict stand-in for CuPy, computed by NumPy: it refuses what CuPy refuses, so that tests
without a GPU mean something.

Refused, as CuPy does: names that CuPy lacks, host arrays where device arrays are due, conversion to
a NumPy array other than by `.get()` or `asnumpy`. Stricter than CuPy: NumPy's own functions do not
take these arrays. Reductions give 0-d arrays, not numbers. `reads` counts what would make the host
wait for the device.
"""

import builtins  # any and bool below are CuPy's
import time
import types

import numpy

from cupy import names

__version__ = "stand-in"
reads = 0

inf, nan, pi, newaxis = numpy.inf, numpy.nan, numpy.pi, None
finfo, iinfo, dtype, result_type = numpy.finfo, numpy.iinfo, numpy.dtype, numpy.result_type
for _name in names.TYPES:
    globals()[_name] = getattr(numpy, _name, None)  # None: a name younger than this NumPy

WAITING = {
    "nonzero",
    "flatnonzero",
    "argwhere",
    "unique",
    "bincount",
    "array_equal",
    "allclose",
    "isin",
    "setdiff1d",
    "intersect1d",
}
NO_SUCH_OPTION = {
    "unique": {"sorted"},
    "sum": {"where", "initial"},
    "max": {"where", "initial"},
    "min": {"where", "initial"},
}


def _read():
    global reads
    reads += 1


def _unwrap(value):
    """The NumPy array within; a host array is refused, numbers pass."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, numpy.ndarray):
        raise TypeError(f"Unsupported type {type(value)}: a host array among device arrays")
    if isinstance(value, (list, tuple)):
        return type(value)(_unwrap(part) for part in value)
    return value


def _wrap(value):
    if isinstance(value, tuple):
        return tuple(_wrap(part) for part in value)
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return ndarray(numpy.asarray(value))
    return value


def _index(key):
    parts = key if isinstance(key, tuple) else (key,)
    if builtins.any(isinstance(part, ndarray) and part.dtype == numpy.bool_ for part in parts):
        _read()  # how many are true decides the shape
    return _unwrap(key)


class ndarray:
    """An array that pretends to be far away."""

    __array_ufunc__ = None

    def __init__(self, host):
        self._host = host

    def __array__(self, *arguments, **options):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_function__(self, *arguments, **options):
        raise TypeError(
            "a function of NumPy was given a device array: ask array_module for the right one"
        )

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    flags = property(lambda self: self._host.flags)
    T = property(lambda self: ndarray(self._host.T))

    def get(self):
        _read()
        return self._host.copy()

    def item(self):
        _read()
        return self._host.item()

    def tolist(self):
        _read()
        return self._host.tolist()

    def __float__(self):
        _read()
        return float(self._host)

    def __int__(self):
        _read()
        return int(self._host)

    def __bool__(self):
        _read()
        return builtins.bool(self._host)

    def __index__(self):
        _read()
        return self._host.__index__()

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (_wrap(part) for part in self._host)

    def __getitem__(self, key):
        return _wrap(self._host[_index(key)])

    def __setitem__(self, key, value):
        self._host[_index(key)] = _unwrap(value)

    def __repr__(self):
        return f"device {self._host!r}"


def _operator(name):
    def operate(self, *others):
        return _wrap(getattr(self._host, name)(*(_unwrap(other) for other in others)))

    return operate


def _in_place(name):
    def operate(self, other):
        getattr(self._host, name)(_unwrap(other))
        return self

    return operate


for _name in "add sub mul truediv floordiv mod pow matmul and or xor".split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(ndarray, f"__r{_name}__", _operator(f"__r{_name}__"))
    setattr(ndarray, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in "lt le gt ge eq ne neg pos abs invert".split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))


def _method(name):
    def call(self, *arguments, **options):
        if "out" in options and options["out"] is not None:
            getattr(self._host, name)(
                *_unwrap(arguments), **{key: _unwrap(value) for key, value in options.items()}
            )
            return options["out"]
        refused = NO_SUCH_OPTION.get(name, set()) & set(options)
        if refused:
            raise TypeError(f"{name}() got an unexpected keyword argument {refused}")
        return _wrap(
            getattr(self._host, name)(
                *_unwrap(arguments), **{key: _unwrap(value) for key, value in options.items()}
            )
        )

    return call


METHODS = """
sum max min mean std var prod all any argmax argmin argsort cumsum astype copy reshape ravel
transpose fill take clip
""".split()
for _name in METHODS:
    setattr(ndarray, _name, _method(_name))


def _function(name):
    real = getattr(numpy, name)

    def call(*arguments, **options):
        if name in WAITING or (name == "repeat" and isinstance(arguments[1], ndarray)):
            _read()
        refused = NO_SUCH_OPTION.get(name, set()) & set(options)
        if refused:
            raise TypeError(f"{name}() got an unexpected keyword argument {refused}")
        result = real(
            *_unwrap(arguments), **{key: _unwrap(value) for key, value in options.items()}
        )
        return options["out"] if options.get("out") is not None else _wrap(result)

    return call


for _name in names.FUNCTIONS:
    if _name not in globals() and hasattr(numpy, _name):
        globals()[_name] = _function(_name)


def asarray(value, dtype=None):
    """The way to the device."""
    return ndarray(numpy.array(value._host if isinstance(value, ndarray) else value, dtype=dtype))


array = asarray


def asnumpy(value):
    """The way back."""
    return value.get()


def _inverse(a):
    return _wrap(numpy.linalg.inv(_unwrap(a)))


def _eigh(a):
    return tuple(_wrap(part) for part in numpy.linalg.eigh(_unwrap(a)))


linalg = types.SimpleNamespace(inv=_inverse, eigh=_eigh)


class _Generator:
    """What cupy.random.Generator has and we use."""

    def __init__(self, seed):
        self._rng = numpy.random.default_rng(seed)

    def random(self, size=None, dtype=numpy.float64):
        return _wrap(self._rng.random(size, dtype))

    def standard_normal(self, size=None, dtype=numpy.float64):
        return _wrap(self._rng.standard_normal(size, dtype))

    def standard_exponential(self, size=None, dtype=numpy.float64):
        return _wrap(self._rng.standard_exponential(size, dtype))


random = types.SimpleNamespace(default_rng=_Generator)


class _CUDARuntimeError(RuntimeError):
    pass


class _Device:
    id = 0


class _Event:
    """A mark in the device's queue."""

    def record(self):
        self.time = time.perf_counter()


class _MemoryPool:
    def total_bytes(self):
        return 0

    def free_all_blocks(self):
        pass


def get_default_memory_pool():
    """What CuPy keeps of freed memory."""
    return _MemoryPool()


cuda = types.SimpleNamespace(
    Device=_Device,
    Event=_Event,
    get_elapsed_time=lambda begin, end: 1000 * (end.time - begin.time),
    Stream=types.SimpleNamespace(null=types.SimpleNamespace(synchronize=lambda: None)),
    runtime=types.SimpleNamespace(
        CUDARuntimeError=_CUDARuntimeError,
        getDeviceCount=lambda: 1,
        runtimeGetVersion=lambda: 0,
        driverGetVersion=lambda: 0,
        getDeviceProperties=lambda device: {
            "name": b"stand-in",
            "totalGlobalMem": 0,
            "major": 0,
            "minor": 0,
        },
    ),
)
