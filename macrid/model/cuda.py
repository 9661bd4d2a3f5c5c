r"""What a step does most, each in one CUDA kernel: for a GPU alone.

Every function here has its plain twin of the same name, in ops, encoder, decoder or
macrid.training.adam, which says what it computes and why, and which NumPy takes. There the
operations are told apart; here one kernel does a sweep at once, as to start one takes a GPU as
long as to go through some 10^5 numbers, and as memory is slower than arithmetic.
`python -m macrid.doctor` and benchmarks/device.py compare the two on the card at hand.

A kernel is CUDA C++ for `real`, which is float or double; CuPy compiles it once for each.
"""

from functools import cache

import numpy as np

from macrid.backend import array_module

STRETCH = 4096  # numbers of a row that one block of `exp_rows` takes

# the sum of a value over the threads of a block, for its first thread
BLOCK_SUM = r"""
__device__ real block_sum(real value) {
    __shared__ real of_warps[32];
    for (int far = 16; far; far /= 2) value += __shfl_down_sync(~0u, value, far);
    __syncthreads();
    if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = value;
    __syncthreads();
    value = threadIdx.x < (blockDim.x + 31) / 32 ? of_warps[threadIdx.x] : (real)0;
    if (threadIdx.x < 32)
        for (int far = 16; far; far /= 2) value += __shfl_down_sync(~0u, value, far);
    return value;
}
"""


def has_kernels(*arrays) -> bool:
    """Are these arrays on a GPU that compiles CUDA?"""
    return hasattr(array_module(*arrays), "RawKernel")


@cache
def _compiled(xp, name: str, real: str):
    """The kernel of a name, for 'float' or 'double'."""
    return xp.RawKernel(f"typedef {real} real;\n{BLOCK_SUM}\n{KERNELS[name]}", name)


def _launch(name, blocks, threads, *arguments):
    """Start a kernel; of its arguments the first is an array whose type is `real`."""
    first = arguments[0]
    real = {"f": "float", "d": "double"}[first.dtype.char]
    as_c = {int: np.int32, float: first.dtype.type}
    arguments = tuple(as_c.get(type(value), lambda array: array)(value) for value in arguments)
    _compiled(array_module(first), name, real)(blocks, threads, arguments)


def _threads(width: int) -> tuple:
    """Of a block that goes along `width` numbers."""
    return (min(256, -(-width // 32) * 32),)


def _rows(X, xp, dtype):
    """The values, columns and row ends of X, SciPy CSR, on the device."""
    parts = X.data.astype(dtype), X.indices.astype(np.int32), X.indptr.astype(np.int32)
    return tuple(xp.asarray(part) for part in parts)


def normalise(x):
    """`ops.normalise`."""
    xp = array_module(x)
    x = xp.ascontiguousarray(x)
    d = x.shape[-1]
    rows, y, norm = x.size // d, xp.empty_like(x), xp.empty(x.shape[:-1], x.dtype)
    _launch("unit_rows", (rows,), _threads(d), x, y, norm, d)

    def pullback(dy):
        dx = xp.empty_like(y)
        _launch("unit_rows_back", (rows,), _threads(d), xp.ascontiguousarray(dy), y, norm, dx, d)
        return dx

    return y, pullback


def aggregate(X, C, T):
    """`encoder.aggregate`; what the pullback needs by items is sorted on the device."""
    xp = array_module(T)
    (B, M), K, d = X.shape, C.shape[1], T.shape[1]
    C, T = xp.ascontiguousarray(C), xp.ascontiguousarray(T)
    x, items, ends = _rows(X, xp, T.dtype)
    A, r = xp.empty((B, K, d), T.dtype), xp.empty((B, K), T.dtype)
    _launch("aggregate", (B,), _threads(K * d), x, items, ends, C, T, A, r, K, d)

    def pullback(dA):
        dA = xp.ascontiguousarray(dA)
        ds = xp.empty_like(r)
        _launch("aggregate_ds", (B * K,), _threads(d), dA, A, r, ds, d)
        user = xp.asarray(np.repeat(np.arange(B, dtype=np.int32), np.diff(X.indptr)))
        order = xp.argsort(items)  # stable: the users of an item in order
        ends_of_items = xp.searchsorted(items[order], xp.arange(M + 1)).astype(np.int32)
        dC, dT = xp.empty_like(C), xp.empty_like(T)
        _launch("aggregate_back", (M,), _threads(d), x[order], user[order], ends_of_items, C, T,
                dA, r, ds, dC, dT, K, d)  # fmt: skip
        return dC, dT

    return A, pullback


def log_likelihood(z, H, log_C, X, tau, tiles):
    """`decoder.log_likelihood` for bounded exponents, which come as `decoder.exponents`."""
    xp = array_module(z, H)
    (B, K, d), M = z.shape, H.shape[0]
    log_CT = xp.ascontiguousarray(log_C.T)  # (K, M)
    x, items, ends = _rows(X, xp, z.dtype)
    n = xp.asarray(np.asarray(X.sum(axis=1), z.dtype).reshape(-1))
    log_p = xp.empty(B, z.dtype)
    dz, dH, dlog_CT = xp.empty_like(z), xp.zeros_like(H), xp.zeros_like(log_CT)
    stretches = -(-M // STRETCH)
    for tile, G in tiles:
        users = len(G)
        rows = users * K
        G = G.reshape(rows, M)
        sums = xp.empty((rows, stretches), z.dtype)
        _launch("exp_rows", (rows, stretches), (256,), G, log_CT, sums, K, M, STRETCH)
        Z = sums.reshape(users, -1).sum(axis=1)
        w = n[tile] / Z
        # log_p of each user, and of G at the positives what is left: G (1 - x / (w P))
        _launch("positives", (users,), (128,), G, x, items, ends[tile.start :], w, Z,
                log_p[tile], K, M)  # fmt: skip
        dlog_CT += (w @ G.reshape(users, K * M)).reshape(K, M)
        weights = (w / tau)[:, None, None]
        dz[tile] = (G @ H).reshape(users, K, d) * weights
        dH += G.T @ (z[tile] * weights).reshape(rows, d)

    def pullback(dvalue):
        scale = -dvalue / B
        return dz * scale, dH * scale, dlog_CT.T * scale

    return log_p.sum(dtype=np.float64) / B, pullback


def log_scores(z, H, log_C, tiles):
    """`decoder.log_scores` for bounded exponents, which come as `decoder.exponents`."""
    xp = array_module(z, H)
    (B, K, _), M = z.shape, H.shape[0]
    log_CT, log_P = xp.ascontiguousarray(log_C.T), xp.empty((B, M), z.dtype)
    for tile, a in tiles:
        blocks = (len(a), -(-M // 256))
        _launch("log_scores", blocks, (256,), a, log_CT, log_P[tile], K, M)
    return log_P


def adam(parameter, mean, square, gradient, rates: tuple, step: int, config) -> None:
    """`macrid.training.adam.update` of one parameter, in place; rates beta1, beta2, epsilon."""
    beta1, beta2, epsilon = rates
    lr = config.learning_rate / (1 - beta1**step)
    correct2, decay = (1 - beta2**step) ** -0.5, config.learning_rate * config.decoupled_decay
    numbers = map(float, (config.l2, beta1, beta2, correct2, epsilon, lr, decay))
    gradient = array_module(parameter).ascontiguousarray(gradient)
    arrays, blocks = (parameter, mean, square, gradient), (-(-parameter.size // 256),)
    _launch("adam", blocks, (256,), *arrays, *numbers, np.int64(parameter.size))


KERNELS = {}

# one block a row of x (rows, d)
KERNELS["unit_rows"] = r"""
extern "C" __global__ void unit_rows(const real* x, real* y, real* norm, int d) {
    __shared__ real length;
    x += (long long)blockIdx.x * d;
    y += (long long)blockIdx.x * d;
    real square = 0;
    for (int j = threadIdx.x; j < d; j += blockDim.x) square += x[j] * x[j];
    square = block_sum(square);
    if (threadIdx.x == 0) norm[blockIdx.x] = length = sqrt(square);
    __syncthreads();
    for (int j = threadIdx.x; j < d; j += blockDim.x) y[j] = x[j] / max(length, (real)1e-8);
}
"""

KERNELS["unit_rows_back"] = r"""
extern "C" __global__ void unit_rows_back(
    const real* dy, const real* y, const real* norm, real* dx, int d
) {
    __shared__ real along;
    long long row = (long long)blockIdx.x * d;
    real sum = 0, length = norm[blockIdx.x];
    for (int j = threadIdx.x; j < d; j += blockDim.x) sum += y[row + j] * dy[row + j];
    sum = block_sum(sum);
    if (threadIdx.x == 0) along = length > (real)1e-8 ? sum : (real)0;
    __syncthreads();
    for (int j = threadIdx.x; j < d; j += blockDim.x)
        dx[row + j] = (dy[row + j] - y[row + j] * along) / max(length, (real)1e-8);
}
"""

# one block a user; a thread sums over the user's items for one (k, j) after the other
KERNELS["aggregate"] = r"""
extern "C" __global__ void aggregate(
    const real* x, const int* items, const int* ends, const real* C, const real* T,
    real* A, real* r, int K, int d
) {
    long long user = blockIdx.x;
    for (int place = threadIdx.x; place < K * d; place += blockDim.x) {
        int k = place / d, j = place % d;
        real sum = 0, squares = 0;
        for (int one = ends[user]; one < ends[user + 1]; one++) {
            long long item = items[one];
            real c = C[item * K + k];
            sum += x[one] * c * T[item * d + j];
            squares += x[one] * c * c;
        }
        real root = max(sqrt(squares), (real)1e-8);
        A[user * K * d + place] = sum / root;
        if (j == 0) r[user * K + k] = root;
    }
}
"""

# one block a user and concept: ds = -(dA . A) / (2 r^2), the cotangent of r^2
KERNELS["aggregate_ds"] = r"""
extern "C" __global__ void aggregate_ds(
    const real* dA, const real* A, const real* r, real* ds, int d
) {
    long long row = (long long)blockIdx.x * d;
    real sum = 0, root = r[blockIdx.x];
    for (int j = threadIdx.x; j < d; j += blockDim.x) sum += dA[row + j] * A[row + j];
    sum = block_sum(sum);
    if (threadIdx.x == 0) ds[blockIdx.x] = root > (real)1e-8 ? -sum / (2 * root * root) : (real)0;
}
"""

# one block an item, whose users stand in rows ends[item] to ends[item + 1]
KERNELS["aggregate_back"] = r"""
extern "C" __global__ void aggregate_back(
    const real* x, const int* users, const int* ends, const real* C, const real* T,
    const real* dA, const real* r, const real* ds, real* dC, real* dT, int K, int d
) {
    long long item = blockIdx.x;
    int first = ends[item], last = ends[item + 1];
    for (int j = threadIdx.x; j < d; j += blockDim.x) dT[item * d + j] = 0;
    for (int k = 0; k < K; k++) {
        real c = C[item * K + k], dot = 0, squares = 0;
        for (int j = threadIdx.x; j < d && first < last; j += blockDim.x) {
            real Y = 0;
            for (int one = first; one < last; one++) {
                long long row = (long long)users[one] * K + k;
                Y += x[one] * dA[row * d + j] / r[row];
            }
            dT[item * d + j] += c * Y;
            dot += T[item * d + j] * Y;
        }
        for (int one = first + threadIdx.x; one < last; one += blockDim.x)
            squares += x[one] * ds[(long long)users[one] * K + k];
        if (first < last) dot = block_sum(dot + 2 * c * squares);
        if (threadIdx.x == 0) dC[item * K + k] = dot;
    }
}
"""

# a block a stretch of a row (u, k): a = z_uk . h_i / tau becomes G = exp(a + ln c_ik), in place
KERNELS["exp_rows"] = r"""
extern "C" __global__ void exp_rows(
    real* G, const real* log_CT, real* sums, int K, int M, int stretch
) {
    long long row = blockIdx.x;
    const real* log_c = log_CT + row % K * M;
    real* g = G + row * M;
    int first = blockIdx.y * stretch, last = min(first + stretch, M);
    real sum = 0;
    #pragma unroll 4
    for (int i = first + threadIdx.x; i < last; i += blockDim.x) {
        real e = exp(g[i] + log_c[i]);
        g[i] = e;
        sum += e;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[row * gridDim.y + blockIdx.y] = sum;
}
"""

# a block a user; ends[0] is where the first user's items begin
KERNELS["positives"] = r"""
extern "C" __global__ void positives(
    real* G, const real* x, const int* items, const int* ends, const real* w, const real* Z,
    real* log_p, int K, int M
) {
    long long user = blockIdx.x;
    real sum = 0, log_Z = log(Z[user]);
    for (int one = ends[user] + threadIdx.x; one < ends[user + 1]; one += blockDim.x) {
        real* g = G + user * K * M + items[one];
        real P = 0;
        for (int k = 0; k < K; k++) P += g[(long long)k * M];
        sum += x[one] * (log(P) - log_Z);
        real left = x[one] == 0 ? (real)1 : 1 - x[one] / (w[user] * P);
        for (int k = 0; k < K; k++) g[(long long)k * M] *= left;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) log_p[user] = sum;
}
"""

# a thread a score: ln sum_k exp(z_uk . h_i / tau + ln c_ik)
KERNELS["log_scores"] = r"""
extern "C" __global__ void log_scores(
    const real* a, const real* log_CT, real* log_P, int K, int M
) {
    long long user = blockIdx.x;
    int i = blockIdx.y * blockDim.x + threadIdx.x;
    if (i >= M) return;
    real P = 0;
    for (int k = 0; k < K; k++)
        P += exp(a[(user * K + k) * M + i] + log_CT[(long long)k * M + i]);
    log_P[user * M + i] = log(P);
}
"""

# a thread a number
KERNELS["adam"] = r"""
extern "C" __global__ void adam(
    real* theta, real* mean, real* square, const real* gradient,
    real l2, real beta1, real beta2, real correct2, real epsilon, real lr, real decay,
    long long size
) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= size) return;
    real g = gradient[i] + l2 * theta[i];
    real m = beta1 * mean[i] + (1 - beta1) * g;
    real s = beta2 * square[i] + (1 - beta2) * g * g;
    mean[i] = m;
    square[i] = s;
    theta[i] -= lr * m / (sqrt(s) * correct2 + epsilon) + decay * theta[i];
}
"""
