r"""DGCF, "Disentangled Graph Collaborative Filtering" (Wang et al., SIGIR 2020).

Users and items are the nodes of one graph, adoptions its edges, each in both directions. Every node
has K chunks of d/K numbers, one for each intent. A layer sums a node's neighbours chunk by chunk;
then each edge asks which intent it stands for: a neighbour whose chunk agrees with that sum counts
for more in it the next time (`route`). Users and items are compared by the inner product of their
chunks, trained by pairs (`bpr`), and the chunks are kept independent (`distance_correlation`).

    U      (K, N, d/K)   the chunks of users before the graph: parameters
    H      (K, M, d/K)   the chunks of items before the graph: parameters
    x, y   (K, n, d/K)   what a layer takes and gives; users above items, n = N + M
    s, a   (K, E)        logits of the edges, and their softmax over intents; both directions count
    e      (K, n, d/K)   x of the first layer + y of every layer: what is compared

Where the authors' code is not what their paper says, and where ours differs from it:

- Gradients pass through the routing, logits and degrees and all, as in their code; a sum and a
  neighbour are brought to unit length before they are compared, and each direction of an edge has
  its own logits.
- In their code a layer goes on with the logits of the last one, layers are averaged, and
  neighbouring pairs of intents alone are made independent, the mean of them, with weight 0 unless
  it is given. Here as in the paper: logits start anew, layers are added, all pairs are summed.
- A step takes users drawn evenly, and an adoption of each, as in their code; there a user stands in
  a batch once as long as they suffice, here she may stand in it again.
- Paper and code test on the users of training. Here a user is new. She enters the graph by her
  items: edges lead to her from the trained items, none from her, so that nothing changes for
  others, and her neighbours are routed as in training. Her own chunks before the graph are not
  known; they are zero, where U starts.
- So that training fits this, the edges of a batch, those to be predicted, are not in the graph of
  that batch. Otherwise the item to be predicted is among the neighbours of the user already.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import sparse

from macrid.backend import array_module, scalar, to_device
from macrid.baselines.epochs import train
from macrid.config import Config
from macrid.data.splits import HeldOut
from macrid.errors import UserError
from macrid.model.ops import normalise, row_dot, softmax, tanh
from macrid.training import saved

FEWEST_BATCHES = 5  # of an epoch: never is more than a fifth of the graph hidden
FLOOR = 1e-8  # under the roots of distances and covariances, as in the authors' code


@dataclass(frozen=True)
class DGCF:
    """What the graph leaves for users who enter it: the items, and what each layer took of them."""

    form: ClassVar = {
        "inputs": saved.array("L", "K", "M", "d/K"),
        "scales": saved.array("L", "T", "K", "M", low=0.0),
        "items": saved.array("K", "M", "d/K"),
    }

    inputs: np.ndarray  # (L, K, M, d/K)
    scales: np.ndarray  # (L, T, K, M), degree^(-1/2) of each item at each iteration
    items: np.ndarray  # (K, M, d/K)

    @classmethod
    def fit(
        cls,
        X: sparse.csr_array,
        validation: HeldOut | None = None,
        *,
        K=4,
        d=64,
        layers=1,
        iterations=2,
        l2=1e-3,
        independence=0.01,
        sample=100,
        learning_rate=0.01,
        batch_size=4096,
        max_epochs=200,
        patience=20,
        precision="float32",
        seed=0,
        xp=np,
        on_epoch=None,
    ) -> "DGCF":
        """Train on the users of X (N, M) SciPy CSR 0/1; the epoch of the best validation is kept.

        K, d          intents, and numbers of all chunks together: K divides d
        layers        how many steps of the graph a node looks out
        iterations    of the routing in each layer (1: no routing)
        l2            weight of the squared chunks before the graph, of the nodes of a batch
        independence  weight of the distance correlation between intents
        sample        how many users, and how many items, it is measured on in a step
        batch_size    adoptions a step, each with an item that the user lacks (the authors: 1024)
        validation    a `HeldOut`; without it all epochs are run and the last one is kept
        patience      stop after this many epochs without a better NDCG@100
        on_epoch      called with the epoch and a dict of its loss terms and validation NDCG@100

        The defaults are about the authors'. For some hundred users K=2, d=256, l2=0.01 and
        learning_rate=0.003 are better (docs/results.md).
        """
        if min(K, layers, iterations) < 1 or d < K or d % K:
            raise UserError(
                f"K is {K}, d {d}, layers {layers}, iterations {iterations}; expected at least 1"
                " each, and d a multiple of K"
            )
        options = Config(
            learning_rate=learning_rate,
            l2=0.0,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            precision=precision,
            seed=seed,
        )
        X = sparse.csr_array(X)
        X.sort_indices()
        N, M = X.shape
        parameters = to_device(xp, initial_parameters(N, M, K, d, options))
        whole = to_device(xp, make_graph(*edges(X), N, M, K))
        model = lambda current: cls.from_graph(current, whole, layers, iterations)

        def batches(rng):
            for batch in epoch_batches(X, K, sample, options, rng):
                yield len(batch.nodes) // 3, to_device(xp, batch)

        def step(current, batch, _):
            return loss_and_gradients(current, batch, layers, iterations, l2, independence)

        return model(train("DGCF", parameters, batches, step, model, validation, options, on_epoch))

    @classmethod
    def from_graph(cls, parameters, graph, layers, iterations):
        """Keep of a trained graph what new users meet: the items."""
        xp, N = array_module(parameters["H"]), parameters["U"].shape[1]
        (e, inputs, scales), _ = represent(_join(parameters), graph, layers, iterations)
        items = [xp.ascontiguousarray(array[..., N:, :]) for array in (xp.stack(inputs), e)]
        return cls(items[0], xp.ascontiguousarray(xp.stack(scales)[..., N:]), items[1])

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        """e_u . e_i of all items, (B, M), for the users of X (B, M) SciPy CSR."""
        K, M, width = self.items.shape
        users = self.users(X).transpose(1, 0, 2).reshape(-1, K * width)
        return users @ self.items.transpose(0, 2, 1).reshape(K * width, M)

    def users(self, X):
        """The chunks (K, B, d/K) that the edges from the items of X (B, M) SciPy CSR make."""
        xp = array_module(self.items)
        graph = to_device(xp, _graph(*edges(X), X.shape, self.items.shape[0]))
        e = 0.0
        for x, scales in zip(self.inputs, self.scales):
            s = xp.zeros((graph.K, graph.head.size), dtype=x.dtype)
            target = tanh(normalise(x)[0])[0]
            for scale in scales:
                a = softmax(s.T)[0].T
                y = _scale(_degree(a, graph)) * _sum(a, scale[..., None] * x, graph)
                s = s + _dot(normalise(y)[0], target, graph)
            e = e + y
        return e

    save, load = saved.save, classmethod(saved.load)


@dataclass(frozen=True)
class Graph:
    """Edges from tail to head, in order of their heads.

    head, tail  (E,) indices of nodes
    reverse     (E,) where each edge's opposite stands; None if there are none
    copies      (K heads, K tails) CSR of ones: K copies of the graph, so that one sparse product
                serves all intents
    """

    head: np.ndarray
    tail: np.ndarray
    reverse: np.ndarray | None
    copies: sparse.csr_array
    K: int


@dataclass(frozen=True)
class Batch:
    """A step's adoptions and all that was drawn for it.

    graph   the `Graph` without these adoptions
    nodes   (3 B,) B users, B items that they have, B items that they do not have, as nodes
    gather  (n, 3 B) CSR, a one for each of `nodes`: its product adds up what belongs to a node
    counts  (n,) how often a node is among `nodes`
    sample  (S,) different nodes whose chunks are to be independent
    """

    graph: Graph
    nodes: np.ndarray
    gather: sparse.csr_array
    counts: np.ndarray
    sample: np.ndarray


def edges(X) -> tuple[np.ndarray, np.ndarray]:
    """The adoptions of X (N, M) SciPy CSR: users and items, in the order of the users."""
    return np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)), X.indices


def make_graph(users, items, N: int, M: int, K: int) -> Graph:
    """The `Graph` of all nodes, N users above M items, from adoptions in the order of the users."""
    E = len(users)
    order = np.argsort(items, kind="stable")
    reverse = np.empty(2 * E, np.int64)
    reverse[E:] = order
    reverse[order] = E + np.arange(E)
    head = np.concatenate([users, N + items[order]])
    tail = np.concatenate([N + items, users[order]])
    return _graph(head, tail, (N + M, N + M), K, reverse)


def _graph(head, tail, shape, K, reverse=None):
    """A `Graph` of edges in the order of their heads, among shape = (heads, tails) nodes."""
    ends = np.cumsum(np.bincount(head, minlength=shape[0]))
    copy, E = np.arange(K)[:, None], len(head)
    indptr = np.concatenate([[0], (copy * E + ends).reshape(-1)])
    indices = (copy * shape[1] + tail).reshape(-1)
    dtype = np.int32 if K * max(E, *shape) < 2**31 else np.int64
    ones = np.ones(K * E, bool)
    copies = sparse.csr_array(
        (ones, indices.astype(dtype), indptr.astype(dtype)), shape=(K * shape[0], K * shape[1])
    )
    return Graph(head, tail, reverse, copies, K)


def epoch_batches(X, K: int, sample: int, options: Config, rng) -> Iterator[Batch]:
    """Yield the `Batch`es of an epoch: as many adoptions in all as X (N, M) SciPy CSR, sorted, has.

    A user is drawn, each as likely as the next, and an adoption of hers. Who has no item or every
    item is not: there is nothing to compare.
    """
    N, M = X.shape
    users, items = edges(X)
    count = np.diff(X.indptr)
    apt = np.flatnonzero((count > 0) & (count < M))
    if not len(apt):
        return
    steps = max(FEWEST_BATCHES, -(-X.nnz // options.batch_size))
    for _ in range(steps):
        drawn = rng.choice(apt, -(-X.nnz // steps))
        chosen = X.indptr[drawn] + rng.integers(0, count[drawn])
        shown = np.ones(X.nnz, bool)
        shown[chosen] = False
        graph = make_graph(users[shown], items[shown], N, M, K)
        negatives = draw_negatives(rng, X, drawn)
        nodes = np.concatenate([drawn, N + items[chosen], N + negatives])
        ones, place = np.ones(len(nodes), options.dtype), np.arange(len(nodes))
        gather = sparse.csr_array((ones, (nodes, place)), shape=(N + M, len(nodes)))
        counts = np.bincount(nodes, minlength=N + M).astype(options.dtype)
        some_users = rng.choice(N, min(N, sample), replace=False)
        some_items = N + rng.choice(M, min(M, sample), replace=False)
        yield Batch(graph, nodes, gather, counts, np.concatenate([some_users, some_items]))


def draw_negatives(rng, X, users):
    r"""An item that she does not have for each of `users` (B,), uniformly.

    X (N, M) SciPy CSR, columns sorted. A user has items c_0 < c_1 < ... . Of those she has not, the
    r-th (from 0) is r + j, where j counts the c_t with c_t - t <= r: each such item stands before
    it. All users' c_t - t form one ascending list, so one search finds all j.
    """
    M = X.shape[1]
    user, item = edges(X)
    free = user * (M + 1) + item - (np.arange(X.nnz) - X.indptr[user])
    r = rng.integers(0, M - np.diff(X.indptr)[users])
    return r + np.searchsorted(free, users * (M + 1) + r, side="right") - X.indptr[users]


def initial_parameters(N: int, M: int, K: int, d: int, options: Config) -> dict[str, np.ndarray]:
    """U (K, N, d/K) and H (K, M, d/K): normal, of Glorot's deviation for (N, d) and (M, d)."""
    rng = np.random.default_rng([options.seed, 0])

    def draw(n):
        deviation = (2 / (n + d)) ** 0.5
        return (rng.standard_normal((K, n, d // K)) * deviation).astype(options.dtype)

    return {"U": draw(N), "H": draw(M)}


def loss_and_gradients(parameters, batch, layers, iterations, l2, independence):
    r"""The loss of a `Batch` and its gradients.

        loss =   1/B sum ln(1 + exp(-(e_u . e_i - e_u . e_j)))
               + independence dCor
               + l2 / (2B) sum of x^2

    over B users u with an item i that they have and an item j that they do not have; x are U and H
    of these nodes. A function of its arguments alone, none of which it changes. Returns
    ({"loss", "ranking", "independence"}, {"U", "H"}).
    """
    xp, N = array_module(parameters["H"]), parameters["U"].shape[1]
    B = batch.nodes.size // 3
    x = _join(parameters)
    (e, _, _), pull_graph = represent(x, batch.graph, layers, iterations)
    chosen = e[:, batch.nodes]  # (K, 3 B, d/K)
    ranking, pull_ranking = bpr(chosen[:, :B], chosen[:, B : 2 * B], chosen[:, 2 * B :])
    correlation, pull_correlation = distance_correlation(e[:, batch.sample])
    counts = batch.counts[:, None]
    loss = ranking + independence * correlation + (l2 / (2 * B)) * scalar((counts * x * x).sum())

    dchosen = xp.concatenate(pull_ranking(1.0), axis=1)
    de = xp.stack([batch.gather @ chunk for chunk in dchosen])
    de[:, batch.sample] += pull_correlation(independence)
    dx = pull_graph(de)
    dx += (l2 / B) * counts * x
    terms = {"loss": loss, "ranking": ranking, "independence": correlation}
    return terms, {"U": dx[:, :N], "H": dx[:, N:]}


def represent(x, graph, layers, iterations):
    r"""e = x + sum of the layers' outputs; each layer routes what the last one gave.

    x (K, n, d/K) -> e (K, n, d/K). Returns (e, the layers' inputs, their scales (T, K, n)) and the
    pullback from de to dx.
    """
    e, inputs, scales, pulls = x, [], [], []
    for _ in range(layers):
        inputs.append(x)
        (x, scale), pull = route(x, graph, iterations)
        e = e + x
        scales.append(scale)
        pulls.append(pull)

    def pullback(de):
        dy = de
        for pull in reversed(pulls):
            dy = de + pull(dy)
        return dy

    return (e, inputs, scales), pullback


def route(x, graph, iterations):
    r"""A layer: sum the neighbours, ask each edge for its intent, and sum again.

        s^0         = 0
        y^t         = propagate(s^t, x)      the first sum is that of `smooth`
        s^(t+1)_kht = s^t_kht + y^t_kh / |y^t_kh| . tanh(x_kt / |x_kt|)

    for t = 0 .. iterations - 1; x (K, n, d/K) -> y (K, n, d/K). Returns (y, scales (T, K, n)) and
    the pullback from dy to dx; scales say how a node was weighted for its degree.
    """
    xp = array_module(x)
    (y, scale), pull_smooth = smooth(x, graph)
    unit, pull_unit = normalise(x)
    target, pull_tanh = tanh(unit)
    s, scales, pulls = 0.0, [scale], []
    for _ in range(iterations - 1):
        direction, pull_direction = normalise(y)
        agreement, pull_agreement = edge_dot(direction, target, graph)
        s = s + agreement
        (y, scale), pull_y = propagate(s, x, graph)
        scales.append(scale)
        pulls.append((pull_y, pull_agreement, pull_direction))

    def pullback(dy):
        dx, ds, dtarget = 0.0, 0.0, xp.zeros_like(x)
        for pull_y, pull_agreement, pull_direction in reversed(pulls):
            ds_now, dx_now = pull_y(dy)
            ds = ds + ds_now  # s goes on into all later iterations
            dx = dx + dx_now
            ddirection, dtarget_now = pull_agreement(ds)
            dtarget += dtarget_now
            dy = pull_direction(ddirection)
        return dx + pull_smooth(dy) + pull_unit(pull_tanh(dtarget))

    return (y, xp.stack(scales)), pullback


def propagate(s, x, graph):
    r"""Sum the neighbours of each node, chunk by chunk, as the logits of the edges weight them.

        a_k  = softmax over k of s_k
        D_kh = sum_t a_kht
        y_kh = sum_t a_kht / sqrt(D_kh D_kt) x_kt

    s (K, E), x (K, n, d/K) -> y (K, n, d/K), and D^(-1/2) (K, n), which is 0 for a node without
    edges. With g = D^(-1/2), z = g x and v = A z it is y = g v. So

        dg = v . dy + x . dz      dD = -g^3 dg / 2, which goes to all edges of a head
    """
    a, pull_softmax = softmax(s.T)
    a = a.T
    g = _scale(_degree(a, graph))  # (K, n, 1)
    v, pull_sum = edge_sum(a, g * x, graph)

    def pullback(dy):
        da, dz = pull_sum(g * dy)
        dg = row_dot(v, dy) + row_dot(x, dz)
        dD = -0.5 * g[..., 0] ** 3 * dg
        da += dD[:, graph.head]
        return pull_softmax(da.T).T, g * dz

    return (g * v, g[..., 0]), pullback


def smooth(x, graph):
    r"""`propagate` before anything is known: all logits are equal.

        y_kh = sum_t x_kt / sqrt(n_h n_t)      n: the number of a node's edges

    It is linear and symmetric, so it is its own pullback. Returns y and (n/K)^(-1/2) (K, n), as
    `propagate` would.
    """
    xp = array_module(x)
    a = xp.full((graph.K, graph.head.size), 1 / graph.K, dtype=x.dtype)
    g = _scale(_degree(a, graph))

    def apply(x):
        return g * _sum(a, g * x, graph)

    return (apply(x), g[..., 0]), apply


def edge_sum(w, x, graph):
    r"""y_kh = sum over the edges e of head h of w_ke x_k,tail(e).

    w (K, E), x (K, n, d/K) -> (K, n, d/K). dw is an `edge_dot` and dx an `edge_sum` over the
    opposite edges: the two ops are each other's derivatives.
    """

    def pullback(dy):
        return _dot(dy, x, graph), _sum(w[:, graph.reverse], dy, graph)

    return _sum(w, x, graph), pullback


def edge_dot(y, x, graph):
    r"""s_ke = y_k,head(e) . x_k,tail(e): y and x (K, n, d/K) -> (K, E)."""

    def pullback(ds):
        return _sum(ds, x, graph), _sum(ds[:, graph.reverse], y, graph)

    return _dot(y, x, graph), pullback


def bpr(u, i, j):
    r"""Bayesian personalised ranking (Rendle et al., 2009).

        value = mean of ln(1 + exp(-m)),   m = u . i - u . j      dm = -1 / (1 + exp(m)) / B

    u, i, j (K, B, d/K) -> scalar; the inner products run over all chunks.
    """
    xp = array_module(u)
    difference = i - j
    margin = row_dot(u, difference).sum(axis=0)  # (B,)
    value = scalar(xp.logaddexp(-margin, xp.zeros_like(margin)).mean())

    def pullback(dvalue):
        dmargin = (-dvalue / margin.size) * xp.exp(-xp.logaddexp(margin, xp.zeros_like(margin)))
        di = dmargin[:, None] * u
        return dmargin[:, None] * difference, di, -di

    return value, pullback


def distance_correlation(x):
    r"""sum over k < l of the distance correlation of chunks k and l (Szekely et al., 2007).

        D_kab   = |x_ka - x_kb|
        Z_k     = D_k less its row and column means, plus its mean
        V_kl    = mean of Z_k Z_l
        dCor_kl = sqrt(V_kl / sqrt(V_kk V_ll)),   0 only where they are independent

    x (K, S, w), of S nodes -> scalar.

    dCor_kl depends on ln V alone, by 1/2 for V_kl and by -1/4 for V_kk and V_ll. Centring is a
    symmetric projection that Z has passed, so dD = dZ, a combination of the Z; and D_ab pulls x_a
    away from x_b by dD_ab / D_ab.
    """
    xp = array_module(x)
    K, S, _ = x.shape
    squares = row_dot(x, x)  # (K, S)
    D = squares[:, :, None] + squares[:, None, :] - 2 * (x @ x.transpose(0, 2, 1))
    D = xp.sqrt(xp.maximum(D, 0) + FLOOR)  # (K, S, S)
    Z = D - D.mean(axis=1, keepdims=True) - D.mean(axis=2, keepdims=True)
    Z = (Z + D.mean(axis=(1, 2), keepdims=True)).reshape(K, S * S)
    V = xp.maximum(Z @ Z.T / S**2, 0) + FLOOR  # (K, K)
    variance = xp.diag(V)
    off_diagonal = 1 - xp.eye(K, dtype=x.dtype)
    dCor = xp.sqrt(V / xp.sqrt(variance[:, None] * variance)) * off_diagonal  # each pair twice

    def pullback(dvalue):
        dV = dCor / (2 * V)  # both halves of the symmetric V_kl
        dV -= xp.diag(dCor.sum(axis=1) / (2 * variance))
        W = (dV @ Z).reshape(D.shape) * (dvalue / S**2) / D
        return 2 * (W.sum(axis=2, keepdims=True) * x - W @ x)

    return scalar(dCor.sum() / 2), pullback


def _join(parameters):
    return array_module(parameters["H"]).concatenate([parameters["U"], parameters["H"]], axis=1)


def _sum(w, x, graph):
    """`edge_sum` as one sparse product."""
    copies = graph.copies
    A = copy(copies)  # CuPy waits for the device where one is made of its parts
    A.data = w.reshape(-1)
    return (A @ x.reshape(-1, x.shape[-1])).reshape(graph.K, -1, x.shape[-1])


def _dot(y, x, graph):
    """`edge_dot`, intent by intent: only one intent's chunks are copied out to the edges."""
    xp = array_module(y)
    s = xp.empty((graph.K, graph.head.size), dtype=y.dtype)
    for k in range(graph.K):
        s[k] = row_dot(xp.take(y[k], graph.head, axis=0), xp.take(x[k], graph.tail, axis=0))
    return s


def _degree(a, graph):
    """The sum of each head's edges: a (K, E) -> (K, heads, 1)."""
    return _sum(a, array_module(a).ones((graph.copies.shape[1], 1), dtype=a.dtype), graph)


def _scale(D):
    """D^(-1/2), and 0 where D is 0."""
    return (D > 0) / array_module(D).sqrt(D + (D == 0))
