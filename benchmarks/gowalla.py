r"""Gowalla, split as LightGCN's paper and its successors have it: our systems beside their table.

    python benchmarks/gowalla.py FOLDER [--seconds 170] [--out gowalla-report] [--backend cupy]
    python benchmarks/gowalla.py FOLDER --backend numpy --rehearse    # 200 users, anywhere

FOLDER holds train.txt and test.txt, lines of "user item item ...". The test part is looked at once,
at the end. Everything is chosen before, by a tenth of the training pairs of 10,000 users that is
hidden from training: models stop by the NDCG@100 of 3,000 of them, and by the NDCG@20 of the other
7,000 are chosen the linear map, the model and the weights of their sums, 0 among them.

    search   a process for each of `SEARCHED` and one for the options that macrid.train would take,
             side by side; twice the worse half of them ends
    linear   before it, here: the maps of `MAPS`, by inverting an (N, N) matrix of users; beside it,
             on the host, the linear path of macrid.train and ItemKNN
    refit    the chosen models on all training pairs, for the epochs that validation chose; not the
             default, which macrid.train does not refit either
    test     recall@20 over all hidden items, and NDCG@20, by user, with standard errors

Whatever is measured is printed as it comes and appended to --out/rows.jsonl. A model that is not
refitted in time is tested as the search left it, without the pairs of the validation in its
training, and its row says so. A part that fails is told, and the others go on.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from scipy import sparse

from macrid import backend
from macrid.baselines import ItemKNN, Popularity
from macrid.config import Config
from macrid.data import splits
from macrid.data.sources import interactions_of
from macrid.data.splits import TRAIN, VALIDATION, HeldOut, Split
from macrid.evaluation.metrics import OF_LATER_ITEMS, paired, summary
from macrid.evaluation.metrics import evaluate as evaluate_lists
from macrid.model.scoring import log_predict
from macrid.suited import suited
from macrid.training.fit import fit, start
from macrid.training.neighbours import Neighbours

ROOT = Path(__file__).parents[1]
SEED = 0
VALIDATION_USERS, STOPPING_USERS = 10_000, 3_000
K_BEST = 20
REHEARSED = 200  # users
TILE = 1_000  # users whose scores are made at a time
PAIRS = 1_024  # hidden items whose places are counted at a time
WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 1000.0)  # from one system to the other alone
KEPT_EVERY = 8.0  # seconds after which a process saves its best parameters again

# what share of the time is over when no more maps are tried, when the search ends, and the refit;
# and what share of the search when it is halved
MAPS_UNTIL, SEARCHED_UNTIL, REFITTED_UNTIL = 0.17, 0.62, 0.86
HALVED = (0.45, 0.7)

MAPS = (  # a, strengths, {name and a note: (c, e)}
    (0.25, (3.0, 6.0, 1.5), {"scaled": (0.25, 0.0), "scaled, then EASE": (0.125, 1.0)}),
    (0.0, (1.0, 3.0, 10.0), {"ridge": (0.0, 0.0), "EASE": (0.0, 1.0)}),
)
NEAREST = "nearest "  # and lambda: a process that fits the linear path of macrid.train
REGULARISATIONS = (10, 30, 100)
WALKS = ((0.65, 0.3), (0.8, 0.3), (0.65, 0.35), (0.5, 0.35))  # a, b of `Walk`
SUMS = (  # the last without our model
    ("default", "nearest"),
    ("model", "nearest"),
    ("model", "scaled"),
    ("model", "ridge"),
    ("model", "EASE"),
    ("model", "walk"),
    ("nearest", "scaled"),
)
PUBLISHED = {  # recall@20, NDCG@20, and where they were read
    "MacridVAE": (0.1618, 0.1202, "DGCF's paper, by the BARS leaderboard"),
    "MultiVAE": (0.1641, 0.1335, "LightGCN's paper, by the BARS leaderboard"),
    "EASE": (0.1765, 0.1467, "the BARS leaderboard"),
    "DGCF": (0.1794, 0.1521, "DGCF's paper, by the BARS leaderboard"),
    "LightGCN": (0.1830, 0.1554, "LightGCN's paper, by the page of UltraGCN"),
}
STEPS = {"batch_size": 1024, "learning_rate": 2e-3, "max_epochs": 200, "patience": 10}
OURS = STEPS | {"K": 4, "item_dropout": 0.5}
# d and tau as the paper fixes them; the share of items hidden from the encoder is the published
# code's, or less; the rest the paper tunes as well
FAITHFUL = {
    "K 4": OURS,
    "K 2": OURS | {"K": 2},
    "slower": OURS | {"learning_rate": 1e-3},
    "small batches": OURS | {"K": 2, "batch_size": 400, "learning_rate": 1e-3},
    "less hidden": OURS | {"item_dropout": 0.3},
    "more noise": OURS | {"sigma0": 0.2},
}
ADOPTIONS = OURS | {"start": "adoptions", "learning_rate": 1e-3}
SEARCHED: dict[str, dict] = FAITHFUL | {
    "adoptions": ADOPTIONS,
    "adoptions, K 2": ADOPTIONS | {"K": 2},
    "adoptions, K 8": ADOPTIONS | {"K": 8},
    "adoptions, d 400": ADOPTIONS | {"d": 400},
    "adoptions, faster": ADOPTIONS | {"learning_rate": 2e-3},
}
BY_THE_RULES = "default"  # a model with what macrid.train chooses for these data: `macrid.suited`
REHEARSED_MODELS = ("K 4", "adoptions")
SMALL = {"d": 16, "batch_size": 100, "max_epochs": 4}  # in a rehearsal


@dataclass(frozen=True)
class Data:
    """What the parts of the run see.

    split     training without what is hidden for validation, all of validation, and the test
    stopping  the validation users by whom models stop
    choosing  the others
    whole     all training pairs, nobody for validation, and the test
    """

    split: Split
    stopping: HeldOut
    choosing: HeldOut
    whole: Split


def read(folder: Path) -> Data:
    """Read both files, and hide a tenth of the training pairs of some users."""
    config = Config(split="given", data=str(folder / "train.txt"), test=str(folder / "test.txt"))
    interactions = interactions_of(config.data, config)
    rng = np.random.default_rng(SEED)
    parts = with_validation(interactions.X, interactions.parts, rng)
    split = splits.given(replace(interactions, parts=parts), SEED)
    held = split.validation
    stops = np.zeros(len(held.users), bool)
    stops[rng.permutation(len(stops))[: min(STOPPING_USERS, len(stops) // 2)]] = True
    return Data(split, some(held, stops), some(held, ~stops), on_all_pairs(split))


def beginning(folder: Path, to: Path) -> Path:
    """A folder with the first `REHEARSED` users alone."""
    to.mkdir()
    for name in ("train.txt", "test.txt"):
        with open(folder / name) as file:
            (to / name).write_text("".join(islice(file, REHEARSED)))
    return to


def with_validation(X, parts, rng):
    """The parts with a tenth of some users' training pairs for validation; no item loses all."""
    parts = parts.copy()
    left = np.bincount(X.indices[parts == TRAIN], minlength=X.shape[1])
    for user in rng.permutation(X.shape[0])[:VALIDATION_USERS]:
        own = np.arange(X.indptr[user], X.indptr[user + 1])
        own = rng.permutation(own[parts[own] == TRAIN])
        for place in own[: int(len(own) / 10 + 0.5)]:
            if left[X.indices[place]] > 1:
                left[X.indices[place]] -= 1
                parts[place] = VALIDATION
    return parts


def some(held: HeldOut, chosen) -> HeldOut:
    """Some of the users who are scored."""
    return HeldOut(held.users[chosen], held.fold_in[chosen], held.held_out[chosen])


def on_all_pairs(split: Split) -> Split:
    """The split with its validation pairs back in the training, on the same items."""
    rows = np.searchsorted(split.train_users, split.validation.users)
    back = split.validation.held_out.tocoo()
    pairs = (back.data, (rows[back.row], back.col))
    train = (split.train + sparse.csr_array(pairs, shape=split.train.shape)).tocsr()
    train.sort_indices()
    return replace(split, train=train, validation=some(split.validation, slice(0)))


@dataclass(frozen=True)
class Linear:
    r"""Ridge regression or EASE of adoptions that are scaled by the items' popularity n_j.

        Y = X D^-a        W = (Y^T Y + lambda I)^-1 Y^T Y        D = diag(n)

    With A = (Y Y^T + lambda I)^-1, (N, N), the rows of Y W are those of Y - lambda A Y, and users
    are scored by

        s_uj = (Y - lambda A Y)_uj n_j^c / (1 - q_j)^e        q_j = (Y^T A Y)_jj

    a = c = 0 is ridge regression, and with e = 1 EASE for items that a user does not have; a = c
    is a ridge regression that holds back an item's weights by lambda n_j^2a. lambda is `strength`
    times the mean of Y Y^T's diagonal.
    """

    A: object  # lambda A, (N, N)
    YT: object  # (M, N) sparse
    into: object  # n_j^-a, (M,)
    out_of: object  # n_j^c / (1 - q_j)^e, (M,)

    @classmethod
    def maps(cls, X, a: float, strengths, outs, xp):
        """Yield (options, map) for each lambda of `strengths` and each (c, e) of `outs`."""
        N, M = X.shape
        n = np.maximum(X.sum(axis=0), 1.0)
        Y = sparse.csr_array(X @ sparse.diags_array(n**-a), dtype=np.float32)
        on_device, YT = backend.to_device(xp, (Y, Y.T))
        G = xp.empty((N, N), np.float32)
        for rows in tiles(N):
            dense = backend.to_device(xp, Y[rows].toarray())
            G[rows] = (on_device @ dense.T).T
        diagonal = xp.arange(N)
        scale = float(Y.power(2).sum()) / N
        for strength in strengths:
            A = G.copy()
            A[diagonal, diagonal] += np.float32(strength * scale)
            A = xp.linalg.inv(A)
            q = _own(A, Y, YT, xp) if any(e for _, e in outs) else np.zeros(M)
            A *= np.float32(strength * scale)
            for c, e in outs:
                of_items = (n**-a).astype(np.float32), (n**c / (1 - q) ** e).astype(np.float32)
                fitted = cls(A, YT, *backend.to_device(xp, of_items))
                yield {"a": a, "strength": strength, "c": c, "e": e}, fitted

    def scores(self, rows, X):
        """The scores (users, M) of the training rows `rows`, which X holds."""
        xp = backend.array_module(self.A)
        rows, (user, item) = backend.to_device(xp, (rows, pairs(X)))
        scores = -(self.YT @ self.A[rows].T).T
        scores[user, item] += self.into[item]
        return scores * self.out_of


def _own(A, Y, YT, xp):
    """q_j = sum_u y_uj (A Y)_uj, in double precision on the host."""
    q = np.zeros(Y.shape[1])
    for rows in tiles(Y.shape[0]):
        some_rows = Y[rows].tocoo()
        AY = (YT @ A[rows].T).T
        of_pairs = AY[backend.to_device(xp, (some_rows.row, some_rows.col))]
        q += np.bincount(some_rows.col, some_rows.data * backend.to_host(of_pairs), Y.shape[1])
    return np.minimum(q, 1 - 1e-6)


@dataclass(frozen=True)
class Walk:
    r"""A walk from a user's items to their users and on to the items of those, without any fit.

        s_uj = n_j^-b sum_v sum_i x_ui n_i^-a x_vi n_v^-a x_vj

    RP3beta (Paudel et al., 2017) with all neighbours: a few sparse products for a user.
    """

    X: object  # (N, M) sparse
    XT: object  # (M, N) sparse
    of_users: object  # n_v^-a, (N, 1)
    into: object  # n_i^-a, (M,)
    out_of: object  # n_j^-b, (M,)

    @classmethod
    def fit(cls, X, a: float, b: float, xp):
        """Count, and take the powers."""
        of_users, of_items = (np.maximum(X.sum(axis=axis), 1.0) for axis in (1, 0))
        powers = of_users[:, None] ** -a, of_items**-a, of_items**-b
        powers = tuple(each.astype(np.float32) for each in powers)
        X = X.astype(np.float32)
        return cls(*backend.to_device(xp, (X, X.T, *powers)))

    def scores(self, rows, X):
        """The scores (users, M) of users' items X."""
        xp = backend.array_module(self.into)
        given = backend.to_device(xp, X.astype(np.float32).toarray()) * self.into
        reached = (self.X @ given.T) * self.of_users  # (N, users)
        return (self.XT @ reached).T * self.out_of


@dataclass(frozen=True)
class Nearest:
    """The linear path that macrid.train takes here, EASE on the items nearest to each."""

    W: object  # (M, M) sparse, a row for each item that is scored

    @classmethod
    def of(cls, nearest, influence, xp):
        """From the arrays of `macrid.training.neighbours.Neighbours` on the host."""
        M, n = nearest.shape
        ends = np.arange(0, M * n + 1, n)
        rows = influence.ravel(), nearest.ravel(), ends
        W = sparse.csr_array(rows, shape=(M, M), dtype=np.float32, copy=True)
        W.eliminate_zeros()  # an item stands for itself where it has fewer neighbours
        W.sort_indices()
        return cls(backend.to_device(xp, W))

    def scores(self, rows, X):
        """The scores (users, M) of users' items X."""
        xp = backend.array_module(self.W.data)
        given = backend.to_device(xp, X.astype(np.float32).toarray())
        return (self.W @ given.T).T


@dataclass(frozen=True)
class Trained:
    """A trained model's ln P, or the mean over several."""

    models: list  # [(parameters, config), ...]

    def scores(self, rows, X):
        return sum(log_predict(p, X, config) for p, config in self.models) / len(self.models)


@dataclass(frozen=True)
class OfFoldIn:
    """A baseline of `macrid.baselines` that scores by the fold-in."""

    baseline: object

    def scores(self, rows, X):
        return self.baseline.scores(X)


def alone(system, part: HeldOut, data: Data, xp) -> dict:
    """The metrics of each user of one system."""
    return evaluate({"": system}, {"": {"": 1.0}}, part, data, xp)[""]


def tiles(n: int):
    """Slices of `TILE` of n rows."""
    return (slice(begin, min(begin + TILE, n)) for begin in range(0, n, TILE))


def places(scores, known, hidden, xp):
    """The place, from 0, of each hidden item in its user's list, known items left out.

    scores (B, M), changed; known, hidden (B, M) SciPy CSR -> (pairs,) on the host. Equal scores are
    ranked by the item's column, as `macrid.model.ranking` has it.
    """
    (u, i), (of_user, item) = (backend.to_device(xp, pairs(part)) for part in (known, hidden))
    scores[u, i] = -xp.inf
    own = scores[of_user, item]
    column = xp.arange(scores.shape[1])
    found = []
    for begin in range(0, len(own), PAIRS):
        some_pairs = slice(begin, begin + PAIRS)
        others = scores[of_user[some_pairs]]
        mine = own[some_pairs][:, None]
        before = (others > mine) | ((others == mine) & (column < item[some_pairs][:, None]))
        found.append(before.sum(axis=1))
    return backend.to_host(xp.concatenate(found)) if found else np.zeros(0, int)


def pairs(X):
    """The rows and columns of the ones of X, SciPy CSR."""
    return np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)), X.indices


def measured(places_, hidden):
    """recall@20 over all hidden items and NDCG@20 of each user, NaN without hidden items."""
    n = np.diff(hidden.indptr)
    user, _ = pairs(hidden)
    hit = places_ < K_BEST
    gain = hit / np.log2(places_ + 2.0)
    ideal = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, K_BEST + 2)))])
    with np.errstate(invalid="ignore"):
        return {
            "recall_all@20": np.bincount(user, hit, len(n)) / n,
            "ndcg@20": np.bincount(user, gain, len(n)) / ideal[np.minimum(n, K_BEST)] / (n > 0),
        }


def evaluate(systems: dict, sums: dict, part: HeldOut, data: Data, xp) -> dict:
    """{name: metrics of each user} of weighted sums, {name: {system: weight}}, of the systems."""
    found: dict = {name: [] for name in sums}
    rows = np.searchsorted(data.split.train_users, part.users)
    for tile in tiles(len(part.users)):
        known, hidden = part.fold_in[tile], part.held_out[tile]
        scores = {name: system.scores(rows[tile], known) for name, system in systems.items()}
        for name, weights in sums.items():
            total = sum(scores[system] * weight for system, weight in weights.items() if weight)
            found[name].append(measured(places(total, known, hidden, xp), hidden))
    return {
        name: {key: np.concatenate([m[key] for m in of_tiles]) for key in of_tiles[0]}
        for name, of_tiles in found.items()
    }


class Report:
    """Prints what is found, and keeps it."""

    def __init__(self, folder: Path, seconds: float):
        self.begun = time.time()
        self.seconds = seconds
        self.folder = folder

    def row(self, part: str, **values) -> None:
        """Print the values, and add them to rows.jsonl."""
        values = {"part": part, "second": round(time.time() - self.begun, 1), **values}
        print("  ".join(f"{name} {shown(value)}" for name, value in values.items()), flush=True)
        with open(self.folder / "rows.jsonl", "a") as file:
            file.write(json.dumps(values) + "\n")

    def moment(self, share: float) -> float:
        """The time when this share of the seconds is over."""
        return self.begun + share * self.seconds


def shown(value):
    """A number as a line shows it."""
    return f"{value:.4f}" if isinstance(value, float) else value


class Process:
    """A process of this file that trains: it gets ready, and begins when it is told."""

    def __init__(self, name: str, flags, report: Report):
        self.name = name
        self.job: dict = {}
        self.path = partial(path_of, report.folder, name)
        words = [sys.executable, __file__, flags.folder, "--work", name, "--out", report.folder]
        words += ["--backend", flags.backend, "--precision", flags.precision]
        words += ["--rehearse"] * flags.rehearse
        threads = "2" if name in SEARCHED else "4"  # of the host, for the start from adoptions
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        with open(self.path("log"), "w") as log:
            self.process = subprocess.Popen(words, env=environment, stdout=log, stderr=log)

    def begin(self, **job) -> None:
        """Say what it is to do, by {"options", "whole", "until"}."""
        self.job = job
        self.path("tmp").write_text(json.dumps(job))
        self.path("tmp").replace(self.path("job"))

    def alive(self) -> bool:
        """Is it still at work?"""
        return self.process.poll() is None

    def told(self) -> dict:
        """How far it is: epochs, the best validation NDCG@100 and its epoch, seconds an epoch."""
        path = self.path("jsonl")
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        if not lines:
            return {"epochs": 0, "best_epoch": 0, "validation": 0.0}
        epochs = [json.loads(line) for line in lines]
        best = max(epochs, key=lambda epoch: epoch["validation"])
        seconds = epochs[-1]["seconds"] / len(epochs)
        last = {"epochs": len(epochs), "best_epoch": best["epoch"]}
        memory = {name: epochs[-1][name] for name in ("host_gb", "device_gb")}
        return last | {"validation": best["validation"], "seconds_an_epoch": seconds} | memory

    def end(self, until: float, stop: bool = True):
        """Wait for its end until then: its arrays on the host, and their epoch; or None, None."""
        if stop:
            self.path("stop").touch()
        try:
            self.process.wait(max(until - time.time(), 0.1))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if not self.path("npz").exists():
            return None, None
        with np.load(self.path("npz")) as file:
            arrays = dict(file)
        return arrays, int(arrays.pop("epoch"))


def path_of(folder: Path, name: str, kind: str) -> Path:
    """Where a process and the one that started it look: its job, what it tells, its arrays."""
    return folder / f"{name.replace(',', '').replace(' ', '-')}.{kind}"


def work(flags) -> None:
    """What a `Process` does."""
    folder = Path(flags.out)
    path = partial(path_of, folder, flags.work)
    data = read(Path(flags.folder))
    if flags.work == "ItemKNN":
        part = data.whole.test
        metrics = evaluate_lists(ItemKNN.fit(data.whole.train).scores, part, OF_LATER_ITEMS)
        save(path("npz"), metrics | {"epoch": np.array(0)})
        return

    if flags.work.startswith(NEAREST):
        arrays = {}
        for part, X in (("training", data.split.train), ("all", data.whole.train)):
            fitted = Neighbours.fit(X, regularisation=float(flags.work.removeprefix(NEAREST)))
            arrays |= {f"{part}/nearest": fitted.nearest, f"{part}/influence": fitted.influence}
        save(path("npz"), arrays | {"epoch": np.array(0)})
        return

    # compile what the device needs, make the start, and wait
    machine = of_machine(flags)
    few = some(data.stopping, slice(0, 50))
    first = replace(data.split, train=data.split.train[:100], validation=few)
    fit(first, Config(**options_of(flags)[next(iter(SEARCHED))] | machine | {"max_epochs": 1}))
    for_search = replace(data.split, validation=data.stopping)
    known = options_of(flags).get(flags.work)
    state = start(for_search, Config(**known | machine)) if known else None
    parent = os.getppid()
    while not path("job").exists():
        if path("stop").exists() or os.getppid() != parent:
            return
        time.sleep(0.1)

    # train
    job = json.loads(path("job").read_text())
    split = data.whole if job["whole"] else for_search
    kept_at = begun = time.time()

    def on_epoch(state):
        nonlocal kept_at
        last = state.history[-1]
        row = {"epoch": state.epoch, "seconds": time.time() - begun, "loss": last["loss"]}
        row["validation"] = last.get("validation_ndcg@100", 0.0)
        row["host_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        row["device_gb"] = held_on_device(backend.load(flags.backend)) / 1e9
        with open(path("jsonl"), "a") as file:
            file.write(json.dumps(row) + "\n")
        if time.time() - kept_at > KEPT_EVERY:
            keep(path("npz"), state)
            kept_at = time.time()
        return path("stop").exists() or time.time() > job["until"]

    state = fit(split, Config(**job["options"] | machine), state=state, on_epoch=on_epoch)
    keep(path("npz"), state)


def held_on_device(xp) -> int:
    """Bytes of the device that CuPy holds, which is its most so far."""
    return 0 if xp is np else xp.get_default_memory_pool().total_bytes()


def keep(path, state) -> None:
    """Save the best parameters and their epoch."""
    save(path, backend.to_host(state.best) | {"epoch": np.array(state.best_epoch)})


def save(path, arrays: dict) -> None:
    """Write arrays, whole or not at all."""
    temporary = path.with_name(path.name + ".tmp.npz")
    np.savez(temporary, **arrays)
    temporary.replace(path)


def options_of(flags) -> dict:
    """{name: options} of the models."""
    default = {BY_THE_RULES: {}}  # filled in when the data are known
    if not flags.rehearse:
        return SEARCHED | default
    return {name: SEARCHED[name] | SMALL for name in REHEARSED_MODELS} | default


def of_machine(flags) -> dict:
    """The options about where a model is trained."""
    if flags.backend == "numpy":
        return {"backend": "numpy"}
    return {"backend": flags.backend, "precision": flags.precision, "random": "device"}


def linear_maps(data: Data, report: Report, xp) -> dict:
    """{name: (map, the same on all pairs)}: of each name the one that the validation prefers."""
    best: dict = {}
    for a, strengths, outs in MAPS:
        names = {out: name.split(",")[0] for name, out in outs.items()}
        for options, fitted in Linear.maps(data.split.train, a, strengths, outs.values(), xp):
            name = names[options["c"], options["e"]]
            if name in best and time.time() > report.moment(MAPS_UNTIL):
                break
            found = alone(fitted, data.choosing, data, xp)
            means = {metric: s["mean"] for metric, s in summary(found).items()}
            report.row("linear", system=name, **options, **means)
            if name not in best or means["ndcg@20"] > best[name][0]:
                best[name] = (means["ndcg@20"], options, fitted)
    for a, b in WALKS:
        fitted = Walk.fit(data.split.train, a, b, xp)
        means = {m: s["mean"] for m, s in summary(alone(fitted, data.choosing, data, xp)).items()}
        report.row("linear", system="walk", a=a, b=b, **means)
        if means["ndcg@20"] > best.get("walk", (0.0,))[0]:
            best["walk"] = (means["ndcg@20"], {"a": a, "b": b}, fitted)
    kept = {}
    for name, (_, o, fitted) in best.items():
        if name == "walk":
            kept[name] = fitted, Walk.fit(data.whole.train, o["a"], o["b"], xp)
            continue
        begun = time.time()
        maps = Linear.maps(data.whole.train, o["a"], [o["strength"]], [(o["c"], o["e"])], xp)
        kept[name] = fitted, next(maps)[1]
        backend.synchronise(xp)
        report.row("linear on all pairs", system=name, **o, seconds=time.time() - begun)
    if xp is not np:
        xp.get_default_memory_pool().free_all_blocks()
    return kept


def path_of_train(processes: list, data: Data, report: Report, xp) -> tuple | None:
    """(`Nearest`, the same on all pairs) of the lambda that the validation prefers."""
    best, kept = -1.0, None
    for process in processes:
        arrays, _ = process.end(report.moment(SEARCHED_UNTIL + 0.05), stop=False)
        if arrays is None:
            continue
        names = ("nearest", "influence")
        fitted, whole = (
            Nearest.of(*(arrays[f"{part}/{name}"] for name in names), xp)
            for part in ("training", "all")
        )
        means = {m: s["mean"] for m, s in summary(alone(fitted, data.choosing, data, xp)).items()}
        report.row("linear", system=process.name, **means)
        if means["ndcg@20"] > best:
            best, kept = means["ndcg@20"], (fitted, whole)
    return kept


def search(processes: list, report: Report) -> list:
    """Train side by side, end the worse half of them twice, and return those that are left.

    The best of `FAITHFUL` and the default stay in any case.
    """
    running, begun = processes, time.time()
    for share in (*HALVED, 1.0):
        until = begun + share * (report.moment(SEARCHED_UNTIL) - begun)
        while time.time() < until and any(p.alive() for p in running):
            time.sleep(0.2)
        for process in running:
            report.row("search", model=process.name, **process.told())
        if share < 1.0:
            order = sorted(running, key=lambda process: -process.told()["validation"])
            kept = order[: (len(order) + 1) // 2]
            if not FAITHFUL.keys() & {process.name for process in kept}:
                kept.append(next(process for process in order if process.name in FAITHFUL))
            kept += [p for p in order if p.name == BY_THE_RULES and p not in kept]
            for process in running:
                if process not in kept:
                    process.path("stop").touch()
            running = kept
    return running


def refit(processes, chosen: dict, told: dict, report: Report) -> None:
    """Begin to train on all pairs: the chosen models, and two more seeds of the first if they fit.

    chosen  {name: options}
    told    {name: what its `Process` told}
    """
    first = next(iter(chosen))
    seconds = told[first]["best_epoch"] * told[first]["seconds_an_epoch"]
    left = report.moment(REFITTED_UNTIL) - time.time()
    jobs = [(name, 0) for name in chosen] + [(first, 1), (first, 2)] * (seconds < 0.8 * left)
    for process, (name, seed) in zip(processes, jobs):
        epochs = told[name]["best_epoch"]
        options = chosen[name] | {"max_epochs": epochs, "patience": epochs, "seed": seed}
        until = report.moment(REFITTED_UNTIL)
        process.begin(name=name, options=options, whole=True, until=until)


def weight_of(first, other, data: Data, xp) -> tuple[float, dict]:
    """What times one system to add to another: (what validation prefers, {weight: NDCG@20}).

    At weight 1 both differ equally much from item to item, as in `macrid.training.linear_path`.
    """
    equal = spread(first, data, xp) / spread(other, data, xp)
    sums = {weight: {"first": 1.0, "other": weight * equal} for weight in WEIGHTS}
    found = evaluate({"first": first, "other": other}, sums, data.choosing, data, xp)
    means = {weight: summary(found[weight])["ndcg@20"]["mean"] for weight in WEIGHTS}
    return max(means, key=means.get), means


def spread(system, data: Data, xp) -> float:
    """The mean over some users of the standard deviation over the items."""
    part = some(data.choosing, slice(0, TILE))
    rows = np.searchsorted(data.split.train_users, part.users)
    return float(system.scores(rows, part.fold_in).std(axis=1).mean())


def attempt(report: Report, name: str, function: Callable, *arguments):
    """What the function returns; if it fails, that is told, and None."""
    try:
        return function(*arguments)
    except Exception as error:
        traceback.print_exc()
        report.row("failed", what=name, error=f"{type(error).__name__}: {error}")
        return None


def run(flags, processes: list, report: Report) -> None:
    """All parts in turn; the `processes` that were started are added to the list."""
    xp = backend.load(flags.backend)
    options = options_of(flags)
    searched = [Process(name, flags, report) for name in options]
    neighbours = Process("ItemKNN", flags, report)
    regularisations = REGULARISATIONS[1:2] if flags.rehearse else REGULARISATIONS
    nearest = [Process(f"{NEAREST}{value}", flags, report) for value in regularisations]
    again = [Process(f"refit {number}", flags, report) for number in range(4)]
    processes += [*searched, neighbours, *nearest, *again]
    data = read(Path(flags.folder))
    N, M = data.split.train.shape
    options[BY_THE_RULES] |= suited(data.split.train)
    counts = {"training": data.whole.train.nnz, "test": data.split.test.held_out.nnz}
    report.row("data", device=backend.device_name(xp), users=N, items=M, **counts)
    maps = attempt(report, "linear", linear_maps, data, report, xp) or {}
    for process in searched:
        until = report.moment(SEARCHED_UNTIL)
        process.begin(options=options[process.name], whole=False, until=until)
    left = search(searched, report)

    # the models that are left, judged by the users who did not stop them
    models, told, scores = {}, {}, {}
    for process in left:
        arrays, epoch = process.end(report.moment(SEARCHED_UNTIL + 0.05))
        name = process.name
        if arrays is None:
            report.row("failed", what=name, error=process.path("log").read_text()[-300:])
            continue
        models[name] = trained([(arrays, options[name])], xp)
        told[name] = process.told() | {"best_epoch": epoch}
        found = attempt(report, name, alone, models[name], data.choosing, data, xp)
        means = {metric: s["mean"] for metric, s in summary(found or {}).items()}
        scores[name] = means.get("ndcg@20", 0.0)
        report.row("search", model=name, best_epoch=epoch, **means)
    default = models.pop(BY_THE_RULES, None)
    scores.pop(BY_THE_RULES, None)
    best = max(scores, key=scores.get, default=None)
    faithful = max(scores.keys() & FAITHFUL.keys(), key=scores.get, default=None)
    chosen = {name: options[name] for name in (best, faithful) if name}
    report.row("chosen", model=best, faithful=faithful, options=chosen)
    if best:
        refit(again, chosen, told, report)

    path = attempt(report, "nearest", path_of_train, nearest, data, report, xp)
    maps |= {"nearest": path} if path else {}

    # the weights of the sums, while the chosen models train on all pairs
    weights = {}
    of_validation = {name: fitted for name, (fitted, _) in maps.items()}
    of_validation |= {"model": models[best]} if best else {}
    of_validation |= {"default": default} if default else {}
    for first, other in SUMS:
        if first in of_validation and other in of_validation:
            both = of_validation[first], of_validation[other]
            found = attempt(report, f"{first} + {other}", weight_of, *both, data, xp)
            if found:
                weights[first, other] = found[0]
                report.row("weight", sum=f"{first} + {other}", weight=found[0], ndcg=found[1])

    # the models on all pairs
    final = {}
    for process in again:
        ends = report.moment(REFITTED_UNTIL + 0.03)
        arrays, epoch = process.end(ends, stop=not process.job)
        if arrays is None:
            continue
        name, seed = process.job["name"], process.job["options"]["seed"]
        done = epoch == told[name]["best_epoch"]
        costs = {
            key: value for key, value in process.told().items() if "_gb" in key or "seconds" in key
        }
        report.row("refit", model=name, seed=seed, epochs=epoch, used=done, **costs)
        if done:
            final[name, seed] = arrays, options[name]

    systems = {"popularity": OfFoldIn(Popularity.fit(data.whole.train, xp=xp))}
    systems |= {name: whole for name, (_, whole) in maps.items()}
    for system, name, seeds in (
        ("model, faithful", faithful, (0,)),
        ("model", best, (0,)),
        ("model, 3 seeds", best, (0, 1, 2)),
    ):
        of_seeds = [final[name, seed] for seed in seeds if (name, seed) in final]
        if name:
            systems[system] = trained(of_seeds, xp) if of_seeds else models[name]
    systems |= {"default": default} if default else {}
    for name, (recall, ndcg, source) in PUBLISHED.items():
        report.row("published", system=name, recall=recall, ndcg=ndcg, source=source)
    attempt(report, "test", test, systems, weights, data, report, xp)
    arrays, _ = neighbours.end(report.moment(1.0), stop=False)
    if arrays is not None:
        report.row("test", system="ItemKNN", **figures(summary(arrays)))


def test(systems: dict, weights: dict, data: Data, report: Report, xp) -> None:
    """The look at the test part: each system, the sums, and what each sum gains on its parts."""
    sums = {name: {name: 1.0} for name in systems}
    for (first, other), weight in weights.items():
        for name in (first, f"{first}, 3 seeds"):
            if name in systems:
                equal = spread(systems[name], data, xp) / spread(systems[other], data, xp)
                sums[f"{name} + {other}"] = {name: 1.0, other: weight * equal}
    found = evaluate(systems, sums, data.whole.test, data, xp)
    for name, metrics in found.items():
        report.row("test", system=name, **figures(summary(metrics)))
    arrays = {f"{name}|{metric}": m[metric] for name, m in found.items() for metric in m}
    save(report.folder / "test.npz", arrays)
    for name in found:
        for part in sums[name] if len(sums[name]) > 1 else ():
            difference = figures(paired(found[name], found[part]))
            report.row("test, paired", system=name, minus=part, **difference)


def figures(summaries) -> dict:
    """Mean and standard error of each metric of a `summary`, flat."""
    return {
        f"{metric}{suffix}": s[key]
        for metric, s in summaries.items()
        for suffix, key in (("", "mean"), (" +-", "stderr"))
    }


def trained(models: list, xp) -> Trained:
    """The `Trained` of [(arrays on the host, options), ...]."""
    return Trained([(backend.to_device(xp, arrays), Config(**o)) for arrays, o in models])


def main():
    """Read the flags, and run what they ask for."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("folder", help="a folder with train.txt and test.txt")
    arguments.add_argument("--out", default="gowalla-report", help="a new folder")
    arguments.add_argument("--seconds", type=float, default=170.0, help="for all of it")
    arguments.add_argument("--backend", default="cupy", choices=("cupy", "numpy"))
    arguments.add_argument("--precision", default="tf32", choices=("float32", "tf32"))
    arguments.add_argument("--rehearse", action="store_true", help="200 users, small models")
    arguments.add_argument("--work", help=argparse.SUPPRESS)
    flags = arguments.parse_args()
    if flags.work:
        work(flags)
        return
    folder = Path(flags.out)
    if folder.exists() and any(folder.iterdir()):
        arguments.error(f"{folder} is not empty; give --out a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    if flags.rehearse:
        flags.folder = beginning(Path(flags.folder), folder / "data")
    report = Report(folder, flags.seconds)
    processes: list[Process] = []
    try:
        run(flags, processes, report)
    finally:
        for process in processes:
            process.process.kill()
    report.row("done")


if __name__ == "__main__":
    main()
