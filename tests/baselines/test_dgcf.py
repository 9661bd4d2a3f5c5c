"""DGCF: each piece against loops that spell it out and against central differences; then the loss;
then new users.
"""

from itertools import combinations

import numpy as np
import pytest
from helpers import close, standin, users
from scipy import sparse

from macrid import backend
from macrid.baselines import Popularity, dgcf
from macrid.baselines.dgcf import DGCF
from macrid.config import Config
from macrid.data.splits import HeldOut
from macrid.errors import UserError
from macrid.evaluation import metrics
from macrid.model.gradcheck import check, check_op, negative_control
from macrid.training import adam

ROWS = {
    "several users, one without items, an item of nobody": ((0, 2, 5), (), (1, 2, 3, 5), (0, 1, 2)),
    "one edge": ((4,),),
}
M, WIDTH = 7, 3
DOUBLE = Config(precision="float64", batch_size=4)


@pytest.fixture(params=ROWS, ids=str)
def X(request):
    return users(ROWS[request.param], M)


@pytest.fixture(params=(1, 2, 3), ids="K={}".format)
def graph(request, X):
    return dgcf.make_graph(*dgcf.edges(X), *X.shape, request.param)


def chunks(rng, graph):
    return rng.standard_normal((graph.K, graph.copies.shape[1] // graph.K, WIDTH))


def logits(rng, graph):
    return rng.standard_normal((graph.K, len(graph.head)))


def value_alone(op, graph, *options):
    """The op without what it returns besides its value: scales, which nothing is learnt from."""

    def alone(*arguments, **named):
        (value, *_), pullback = op(*arguments, *named.values(), graph, *options)
        return value, pullback

    return alone


def propagate_plain(s, x, graph):
    """`propagate`, an edge at a time."""
    a = np.exp(s) / np.exp(s).sum(axis=0)
    D, y = np.zeros(x.shape[:2]), np.zeros_like(x)
    for k in range(graph.K):
        for e, h in enumerate(graph.head):
            D[k, h] += a[k, e]
        for e, (h, t) in enumerate(zip(graph.head, graph.tail)):
            y[k, h] += a[k, e] / np.sqrt(D[k, h] * D[k, t]) * x[k, t]
    return y


def route_plain(x, graph, iterations):
    """`route`, an edge and an intent at a time."""
    s = np.zeros((graph.K, len(graph.head)))
    for _ in range(iterations):
        y = propagate_plain(s, x, graph)
        for k in range(graph.K):
            for e, (h, t) in enumerate(zip(graph.head, graph.tail)):
                s[k, e] += (
                    y[k, h] / np.linalg.norm(y[k, h]) @ np.tanh(x[k, t] / np.linalg.norm(x[k, t]))
                )
    return y


def test_the_graph_has_every_adoption_in_both_directions(X, graph):
    N = X.shape[0]
    adoptions = {(int(u), int(N + i)) for u, i in zip(*X.nonzero())}
    assert set(zip(graph.head.tolist(), graph.tail.tolist())) == adoptions | {
        (i, u) for u, i in adoptions
    }
    assert len(graph.head) == 2 * X.nnz and (np.diff(graph.head) >= 0).all()
    np.testing.assert_array_equal(graph.head[graph.reverse], graph.tail)
    np.testing.assert_array_equal(graph.tail[graph.reverse], graph.head)
    A = sparse.bmat([[None, X], [X.T, None]], format="csr").toarray()
    np.testing.assert_array_equal(graph.copies.toarray(), np.kron(np.eye(graph.K), A))


def test_the_sums_over_edges(graph, rng):
    x, w = chunks(rng, graph), logits(rng, graph)
    y, s = np.zeros_like(x), np.zeros_like(w)
    for k in range(graph.K):
        for e, (h, t) in enumerate(zip(graph.head, graph.tail)):
            y[k, h] += w[k, e] * x[k, t]
            s[k, e] = x[k, h] @ x[k, t]
    np.testing.assert_allclose(dgcf.edge_sum(w, x, graph)[0], y, atol=1e-14)
    np.testing.assert_allclose(dgcf.edge_dot(x, x, graph)[0], s, atol=1e-14)
    check_op(lambda w, x: dgcf.edge_sum(w, x, graph), {"w": w, "x": x}, rng)
    check_op(lambda y, x: dgcf.edge_dot(y, x, graph), {"y": chunks(rng, graph), "x": x}, rng)


def test_propagation_weights_edges_by_intent_and_degree(graph, rng):
    s, x = logits(rng, graph), chunks(rng, graph)
    np.testing.assert_allclose(
        dgcf.propagate(s, x, graph)[0][0], propagate_plain(s, x, graph), atol=1e-14
    )
    differentiable = (
        ["x"] if graph.K == 1 else ["s", "x"]
    )  # with one intent the logits do not matter
    if graph.K > 1:
        check_op(value_alone(dgcf.propagate, graph), {"s": s, "x": x}, rng, differentiable)
    else:
        ds, _ = dgcf.propagate(s, x, graph)[1](x)
        np.testing.assert_allclose(ds, 0, atol=1e-14)


def test_before_anything_is_known_all_intents_are_equal(graph, rng):
    """Then the layer is LightGCN's, whatever K: neighbours divided by the roots of both degrees."""
    x = chunks(rng, graph)
    (y, scale), _ = dgcf.smooth(x, graph)
    (expected, expected_scale), _ = dgcf.propagate(np.zeros((graph.K, len(graph.head))), x, graph)
    np.testing.assert_allclose(y, expected, atol=1e-14)
    np.testing.assert_allclose(scale, expected_scale, atol=1e-14)
    check_op(value_alone(dgcf.smooth, graph), {"x": x}, rng)


@pytest.mark.parametrize("iterations", (1, 2, 4))
def test_routing(graph, iterations, rng):
    x = chunks(rng, graph)
    (y, _), _ = dgcf.route(x, graph, iterations)
    np.testing.assert_allclose(y, route_plain(x, graph, iterations), atol=1e-13)
    check_op(value_alone(dgcf.route, graph, iterations), {"x": x}, rng)


def test_routing_finds_which_intent_an_edge_stands_for():
    """User 0 has two items alike in chunk 0 and one that differs there; in chunk 1 all agree."""
    graph = dgcf.make_graph(*dgcf.edges(users(((0, 1, 2),), 3)), 1, 3, 2)
    x = np.array([[[0, 0], [1, 0], [1, 0], [-1, 0]], [[0, 0], [0, 1], [0, 1], [0, 1]]], float)
    first, last = (dgcf.route(x, graph, iterations)[0][0] for iterations in (1, 3))
    np.testing.assert_allclose(first[0, 0], [1 / 3**0.5, 0])
    assert last[0, 0, 0] > first[0, 0, 0]  # the odd one counts for less in chunk 0


def test_bpr(rng):
    u, i, j = rng.standard_normal((3, 2, 5, WIDTH))
    plain = np.mean(
        [np.log1p(np.exp(-sum(u[k, b] @ (i[k, b] - j[k, b]) for k in range(2)))) for b in range(5)]
    )
    value, _ = dgcf.bpr(u, i, j)
    assert value == pytest.approx(plain, rel=1e-12)
    check_op(dgcf.bpr, {"u": u, "i": i, "j": j}, rng)
    value, pullback = dgcf.bpr(1e3 * u, i, j)
    assert np.isfinite(value) and all(np.isfinite(gradient).all() for gradient in pullback(1.0))


def distance_correlation_plain(x):
    """Every distance, mean and product by its own loop."""
    K, S, _ = x.shape
    Z = np.zeros((K, S, S))
    for k in range(K):
        D = np.array(
            [
                [np.sqrt(((x[k, a] - x[k, b]) ** 2).sum() + dgcf.FLOOR) for b in range(S)]
                for a in range(S)
            ]
        )
        Z[k] = [
            [D[a, b] - D[a].mean() - D[:, b].mean() + D.mean() for b in range(S)] for a in range(S)
        ]
    V = lambda j, k: (Z[j] * Z[k]).mean() + dgcf.FLOOR
    return sum(np.sqrt(V(j, k) / np.sqrt(V(j, j) * V(k, k))) for j, k in combinations(range(K), 2))


@pytest.mark.parametrize("K", (2, 3))
def test_distance_correlation(K, rng):
    x = rng.standard_normal((K, 6, 2))
    assert dgcf.distance_correlation(x)[0] == pytest.approx(
        distance_correlation_plain(x), rel=1e-12
    )
    check_op(dgcf.distance_correlation, {"x": x}, rng)


def test_distance_correlation_knows_the_independent_from_the_dependent(rng):
    a, b = rng.standard_normal((2, 400, 1))
    correlation = lambda *chunks: dgcf.distance_correlation(np.stack(chunks))[0]
    assert correlation(a, 5 * a + 1) == pytest.approx(
        1, abs=1e-6
    )  # neither place nor scale matters
    assert correlation(a, a**2) > 0.4  # uncorrelated, and yet dependent
    assert correlation(a, b) < 0.2
    assert correlation(a) == 0  # one intent has nothing to be independent of
    twice = np.concatenate([a, a])[None].repeat(2, axis=0)  # nodes at the same place
    assert np.isfinite(dgcf.distance_correlation(twice)[1](1.0)).all()


def a_step(X, rng, K=2):
    batch = next(dgcf.epoch_batches(X, K, 3, DOUBLE, rng))
    parameters = {
        name: 3 * p for name, p in dgcf.initial_parameters(*X.shape, K, K * WIDTH, DOUBLE).items()
    }
    return parameters, batch


@pytest.mark.parametrize("layers, iterations", ((1, 2), (2, 3), (1, 1)))
@pytest.mark.parametrize(
    "weights",
    ((0.3, 0.7), (0.0, 0.0), (5.0, 0.0), (0.0, 5.0)),
    ids=("all", "ranking", "L2", "independence"),
)
def test_every_gradient_of_the_loss(layers, iterations, weights, rng):
    """Also after three steps of Adam."""
    X = users(ROWS["several users, one without items, an item of nobody"], M)
    parameters, batch = a_step(X, rng)
    moments = adam.start(parameters)
    loss = lambda **p: dgcf.loss_and_gradients(p, batch, layers, iterations, *weights)[0]["loss"]
    for steps in (0, 3):
        for step in range(steps):
            _, gradients = dgcf.loss_and_gradients(parameters, batch, layers, iterations, *weights)
            adam.update(
                parameters,
                gradients,
                moments,
                step + 1,
                Config(learning_rate=0.05, l2=0.0, precision="float64"),
            )
        _, gradients = dgcf.loss_and_gradients(parameters, batch, layers, iterations, *weights)
        assert gradients.keys() == parameters.keys()
        check(loss, parameters, gradients)
        negative_control(loss, parameters, gradients)


def test_the_loss_is_what_the_paper_writes(rng):
    X = users(ROWS["several users, one without items, an item of nobody"], M)
    parameters, batch = a_step(X, rng)
    x = np.concatenate([parameters["U"], parameters["H"]], axis=1)
    y = route_plain(x, batch.graph, 2)
    e = x + y + route_plain(y, batch.graph, 2)
    u, i, j = np.split(batch.nodes, 3)
    score = lambda a, b: (e[:, a] * e[:, b]).sum(axis=(0, 2))
    ranking = np.log1p(np.exp(score(u, j) - score(u, i))).mean()
    independence = distance_correlation_plain(e[:, batch.sample])
    squares = sum((x[:, node] ** 2).sum() for node in batch.nodes) / len(u)
    terms, _ = dgcf.loss_and_gradients(parameters, batch, 2, 2, 0.3, 0.7)
    assert terms["ranking"] == pytest.approx(ranking, rel=1e-12)
    assert terms["independence"] == pytest.approx(independence, rel=1e-12)
    assert terms["loss"] == pytest.approx(ranking + 0.7 * independence + 0.15 * squares, rel=1e-12)


def test_a_batch_is_not_in_its_own_graph(rng):
    """Each adoption of a batch is predicted from the others."""
    X = users([np.flatnonzero(row) for row in rng.random((9, 12)) < 0.4] + [range(12), ()], 12)
    N, everything = X.shape[0], set(zip(*map(list, X.nonzero())))
    drawn = 0
    for batch in dgcf.epoch_batches(X, 2, 5, DOUBLE, rng):
        u, i, j = np.split(batch.nodes, 3)
        mine = set(zip(u, i - N))
        there = {(h, t - N) for h, t in zip(batch.graph.head, batch.graph.tail) if h < N}
        assert not mine & there and mine | there == everything
        assert not set(zip(u, j - N)) & everything
        drawn += len(u)
        np.testing.assert_array_equal(
            batch.gather.toarray(), np.arange(N + 12)[:, None] == batch.nodes
        )
        np.testing.assert_array_equal(batch.counts, batch.gather.sum(axis=1))
        assert len(set(batch.sample)) == 10 and (batch.sample < N).sum() == 5
    assert X.nnz <= drawn < X.nnz + DOUBLE.batch_size


def test_users_are_drawn_evenly_and_so_are_the_items_of_each(rng):
    """But for those who have nothing and those who have all: there is nothing to compare."""
    X = users([(0,), (1, 2, 4), (), range(M), (0, 1, 2, 3, 5, 6)], M)
    options = DOUBLE.replace(batch_size=20_000)
    drawn = [
        batch.nodes for _ in range(4000) for batch in dgcf.epoch_batches(X, 1, 1, options, rng)
    ]
    u, i, _ = np.split(np.array(drawn).reshape(len(drawn), 3, -1).transpose(1, 0, 2), 3)
    for user, share in enumerate((1 / 3, 1 / 3, 0, 0, 1 / 3)):
        assert (u == user).mean() == pytest.approx(share, rel=0.05)
        items, counts = np.unique(i[u == user] - X.shape[0], return_counts=True)
        if share:
            np.testing.assert_array_equal(items, X[[user]].indices)
            np.testing.assert_allclose(counts, counts.mean(), rtol=0.1)
    assert not list(dgcf.epoch_batches(users([(), range(M)], M), 1, 1, options, rng))


def test_negatives_are_drawn_evenly_from_what_a_user_does_not_have(rng):
    X = users(((0, 1, 4), (), (2, 6), range(6)), M)
    drawn = dgcf.draw_negatives(rng, X, np.repeat([2, 0, 1, 3], 7000)).reshape(4, 7000)
    for row, free in zip(drawn, ((0, 1, 3, 4, 5), (2, 3, 5, 6), range(7), (6,))):
        found, counts = np.unique(row, return_counts=True)
        np.testing.assert_array_equal(found, free)
        np.testing.assert_allclose(counts, 7000 / len(found), rtol=0.15)


@pytest.mark.parametrize("layers, iterations", ((1, 1), (1, 3), (2, 2)))
def test_who_enters_with_a_training_user_s_items_is_what_she_is_in_the_graph(
    layers, iterations, rng
):
    """All but her own chunks before the graph. Whoever enters with her changes nothing."""
    X = users([np.flatnonzero(row) for row in rng.random((9, 12)) < 0.4], 12)
    parameters = dgcf.initial_parameters(9, 12, 3, 6, DOUBLE)
    whole = dgcf.make_graph(*dgcf.edges(X), 9, 12, 3)
    model = DGCF.from_graph(parameters, whole, layers, iterations)
    (e, _, _), _ = dgcf.represent(
        np.concatenate([parameters["U"], parameters["H"]], axis=1), whole, layers, iterations
    )
    np.testing.assert_allclose(model.users(X), e[:, :9] - parameters["U"], atol=1e-14)
    np.testing.assert_allclose(
        model.scores(X), np.einsum("kuj,kij->ui", model.users(X), e[:, 9:]), atol=1e-14
    )
    np.testing.assert_allclose(model.scores(X[4:6]), model.scores(X)[4:6], atol=1e-14)
    assert not model.scores(users(((),), 12)).any()


@pytest.fixture
def tastes(rng):
    """Users of two tastes, even items and odd ones; training users and a `HeldOut` whose every
    fourth item is hidden.
    """
    taken = rng.random((160, 40)) < np.where(
        np.arange(40) % 2 == rng.integers(0, 2, 160)[:, None], 0.4, 0.04
    )
    X = users([np.flatnonzero(row) for row in taken], 40).astype(np.float32)
    hidden = users([np.flatnonzero(row)[::4] for row in taken[100:]], 40).astype(np.float32)
    return X[:100], HeldOut(np.arange(60), sparse.csr_array(X[100:] - hidden), hidden)


OPTIONS = {"K": 2, "d": 8, "batch_size": 300, "max_epochs": 12, "sample": 20}


def test_it_learns_two_tastes_and_the_best_epoch_is_kept(tastes):
    X, part = tastes
    history = []
    model = DGCF.fit(
        X, part, **OPTIONS, on_epoch=lambda epoch, figures: history.append((epoch, figures))
    )
    ndcg = lambda score: metrics.summary(metrics.evaluate(score, part))["ndcg@100"]["mean"]
    assert ndcg(model.scores) > ndcg(Popularity.fit(X).scores) + 0.05
    assert [epoch for epoch, _ in history] == list(range(1, 13))
    assert history[-1][1]["ranking"] < 0.7 * history[0][1]["ranking"]
    assert ndcg(model.scores) == max(figures["validation_ndcg@100"] for _, figures in history)


def test_a_seed_fixes_everything(tastes):
    X, part = tastes
    first, again, other = (
        DGCF.fit(X, **{**OPTIONS, "max_epochs": 2}, seed=seed).scores(part.fold_in)
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3 * np.abs(first).max()


def test_training_stops_when_validation_does_not_improve(tastes):
    epochs = []
    DGCF.fit(
        *tastes,
        **{**OPTIONS, "max_epochs": 50, "learning_rate": 1e-12},
        patience=3,
        on_epoch=lambda epoch, _: epochs.append(epoch),
    )
    assert len(epochs) < 50


@pytest.mark.parametrize("options", ({"K": 3}, {"K": 0}, {"layers": 0}, {"iterations": 0}), ids=str)
def test_impossible_shapes_are_refused(tastes, options):
    with pytest.raises(UserError, match="d a multiple of K"):
        DGCF.fit(*tastes, **{**OPTIONS, **options})


def test_it_is_the_same_on_both_backends(xp, tastes):
    X, part = tastes
    options = {**OPTIONS, "max_epochs": 2, "precision": "float64"}
    here, there = (DGCF.fit(X, part, **options, xp=module) for module in (np, xp))
    close(vars(there), vars(here), 1e-8)
    close({"scores": there.scores(part.fold_in)}, {"scores": here.scores(part.fold_in)}, 1e-8)


def test_a_step_reads_nothing_back(monkeypatch, rng):
    device = standin(monkeypatch)
    parameters, batch = a_step(
        users(ROWS["several users, one without items, an item of nobody"], M), rng
    )
    there = backend.to_device(device, (parameters, batch))
    before = device.reads
    terms, gradients = dgcf.loss_and_gradients(*there, 2, 2, 0.3, 0.7)
    assert device.reads == before
    expected_terms, expected = dgcf.loss_and_gradients(parameters, batch, 2, 2, 0.3, 0.7)
    close(gradients, expected)
    assert float(terms["loss"]) == pytest.approx(expected_terms["loss"], rel=1e-10)
