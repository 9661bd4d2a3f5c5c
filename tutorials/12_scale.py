# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 12. Scale: a GPU, and millions of items
#
# [← 11](11_control.ipynb) · [all notebooks](README.md) ·
# [this one, to fill in yourself](blank/12_scale.ipynb). It takes some 24 CPU seconds.
#
# ![Algorithm 1 as a graph: you are here](images/12_scale.svg)
#
# *After this notebook you know what has to change in the code to run on a GPU (almost nothing),
# what a training step costs and why, and how catalogues of millions are trained and ranked without
# touching all of them.*
#
# You need NumPy, and what the decoder computes:
# $E_{u,k,i} = \exp(\mathrm{COSINE}(\mathbf z_u^{(k)}, \mathbf h_i) / \tau)$ for all $B$ users of a
# batch, $K$ concepts and $M$ items ([notebook 1](01_story.ipynb); its gradient is in
# [notebook 3](03_reconstruction.ipynb)). About 25 minutes with the two functions that are yours to
# write.
#
# No time is measured here: times belong to machines. What is counted, multiplications and bytes, is
# the same everywhere; where a measured *ratio* is quoted, it comes from the
# [benchmark notes](../benchmarks/README.md).

# %%
import copy
import dataclasses
import re
import sys
import tracemalloc
from pathlib import Path

import numpy as np
from lesson import figure_style, progress, show
from plots import scale as plots
from scipy import sparse

from macrid import Config, backend, model, run_folder
from macrid.data import shop
from macrid.evaluation import metrics
from macrid.model import candidates, decoder, encoder, ops
from macrid.model.objective import rows_of_step
from macrid.training import adam, batch, fit

figure_style()


# %%
def users(B, M, n, rng):
    """A batch of B users with n items each."""
    columns = np.concatenate([np.sort(rng.choice(M, n, replace=False)) for _ in range(B)])
    values, starts = np.ones(B * n, np.float32), np.arange(0, B * n + 1, n)
    return sparse.csr_array((values, columns.astype(np.int32), starts), shape=(B, M))


# %% [markdown]
# ## 1. From NumPy to CuPy
#
# CuPy is NumPy's interface on a GPU. So the mathematics is written once, and every function *asks
# its arrays* where they live:

# %%
show(backend.array_module, ops.normalise)

# %% [markdown]
# `xp` is `numpy` or `cupy`, decided by the argument and not by a global switch. Arrays cross
# between the two memories in three places only: `backend.to_device`, data loading, checkpoints.
# What decides the *shape* of a step (which items its users have) stays on the host as a SciPy
# matrix.
#
# If this machine has a GPU and CuPy, the next cell uses them. Otherwise it takes the **stand-in**
# from `tests/standin`: arrays computed by NumPy that *refuse whatever CuPy refuses*, such as being
# mixed silently with host arrays. It is how the GPU path is tested where there is no GPU.

# %%
try:
    xp = backend.load("cupy")
except Exception:
    sys.path.insert(0, "../tests/standin")
    for name in [name for name in sys.modules if name.split(".")[0] in ("cupy", "cupyx")]:
        del sys.modules[name]
    xp = backend.load("cupy")

# %%
config = Config(K=3, d=6, hidden_layers=1, hidden_units=5, precision="float64", init_deviation=0.5)
rng = np.random.default_rng(0)
X = users(8, 40, 5, rng)
parameters = model.initial_parameters(40, config, rng)
noise = batch.draw_noise(rng, X, config)

terms, gradients = model.loss_and_gradients(parameters, X, noise, config, beta=0.2)
there, noise_there = backend.to_device(xp, parameters), backend.to_device(xp, noise)
# the same call
terms_there, gradients_there = model.loss_and_gradients(there, X, noise_there, config, beta=0.2)

assert all(backend.array_module(gradient) is xp for gradient in gradients_there.values())
for name, gradient in backend.to_host(gradients_there).items():
    assert np.allclose(gradient, gradients[name], rtol=1e-10, atol=1e-12)
assert np.isclose(float(terms_there["loss"]), terms["loss"])

# %%
try:
    np.tanh(there["H"]) if xp.__version__ == "stand-in" else there["H"] + parameters["H"]
    refused = False
except TypeError:
    refused = True
assert refused, "host and device do not mix by accident"
second = "the stand-in" if xp.__version__ == "stand-in" else "CuPy on a GPU"
print("the second backend here:", second)

# %% [markdown]
# The gradients agree to the last digits. Three habits make it fast as well as right:
#
# * **Nothing is read back within a step.** To read a number from a GPU is to wait for it. The loss
#   terms stay on the device as 0-d arrays and are read at the end of an epoch
#   (`test_backend.py::test_a_step_reads_nothing_back` counts the reads: none).
# * **Noise is an argument**, drawn on the host by default. So both backends follow the same
#   trajectory, and a run may be continued on the other one.
# * **In place where it is large**: `xp.exp(flat, out=flat)`.
#
# In use it is one option: `--backend cupy`, or `Config(backend="cupy")`.
#
# ## 2. What a step costs: counted
#
# Let a user have $n$ items. With two uses on the way back for every one on the way forth, the
# multiplications in matrix products are
#
# $$\underbrace{3\, B M d K + 2\, B M K^2}_{\text{decoder: logits, } \bar z, \bar h}
# \;+\; \underbrace{3\, M d K}_{\text{prototypes: } s, \bar h, \bar m}
# \;+\; \underbrace{3\, B K d \cdot 2d}_{f_\mathrm{nn} \text{ without a hidden layer}} .$$
#
# ($2\, B M K^2$: $\ln\mathbf c$ stands beside $\mathbf h$ as $K$ further coordinates, in the logits
# and on the way back. The encoder's products with $X$ are sparse, $2\, B n d K + 2\, B n K$: twice
# and not three times, as $X$ has no gradient. Adam touches $2 M d$ numbers.) Do not believe it,
# count. This array notes every matrix product that it takes part in:


# %%
class Counted(np.ndarray):
    """An array that counts the multiplications of its matrix products: output times common axis."""

    total = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        bare = [np.asarray(x) if isinstance(x, np.ndarray) else x for x in inputs]
        if out is not None:
            options["out"] = tuple(np.asarray(x) for x in out)
        result = getattr(ufunc, method)(*bare, **options)
        if ufunc is np.matmul:
            Counted.total += result.size * bare[0].shape[-1]
        return result.view(Counted) if isinstance(result, np.ndarray) else result

    def __array_function__(self, function, types, arguments, options):
        result = super().__array_function__(function, types, arguments, options)
        return result.view(Counted) if isinstance(result, np.ndarray) else result


# %%
def counted(B, M, K, d, n=5):
    """Multiplications in the dense matrix products of one step."""
    settings = Config(K=K, d=d, hidden_layers=0, precision="float32")
    rng = np.random.default_rng(0)
    X = users(B, M, n, rng)
    start = model.initial_parameters(M, settings, rng)
    start = {name: value.view(Counted) for name, value in start.items()}
    noise = batch.draw_noise(rng, X, settings)
    epsilon, gumbel = noise.epsilon.view(Counted), noise.gumbel.view(Counted)
    noise = dataclasses.replace(noise, epsilon=epsilon, gumbel=gumbel)
    Counted.total = 0
    model.loss_and_gradients(start, X, noise, settings, 0.2)
    return Counted.total


# %%
for B, M, K, d in ((20, 300, 3, 10), (7, 500, 2, 16), (32, 200, 4, 8)):
    decoders = 3 * B * M * d * K + 2 * B * M * K * K
    formula = decoders + 3 * M * d * K + 3 * B * K * d * 2 * d
    count = counted(B, M, K, d)
    print(
        f"B = {B}, M = {M}, K = {K}, d = {d}: {count:,} multiplications counted, {formula:,} by the"
        f" formula, {decoders / formula:.0%} of them the decoder's"
    )
    assert count == formula


# %%
class Rows(sparse.csr_array):
    """A sparse matrix that counts the multiplications of its products, and of its transpose's."""

    total = 0

    def __matmul__(self, other):
        Rows.total += self.nnz * (other.shape[1] if other.ndim > 1 else 1)
        return super().__matmul__(other)

    @property
    def T(self):
        return Rows(super().transpose())


B, M, K, d, n = 20, 300, 3, 10, 5
drawn = np.random.default_rng(0)
C, T = drawn.random((M, K)), drawn.standard_normal((M, d))
A, pullback = encoder.aggregate(Rows(users(B, M, n, drawn)), C, T)
pullback(np.ones_like(A))
print(f"the encoder: {Rows.total:,} counted, 2 B n d K + 2 B n K = {2 * B * n * K * (d + 1):,}")
assert Rows.total == 2 * B * n * d * K + 2 * B * n * K

# %% [markdown]
# To the last multiplication. The prototypes' share is $1 / B$ of the decoder's and
# $f_\mathrm{nn}$'s $2d / M$: so with hundreds of users per batch and thousands of items the
# decoder decides, and **three (B, d) by (d, M) products per concept** are the floor that no full
# softmax can go below. The plain way needs more: `log_likelihood_plain` builds every array of
# equations (7) and (8) in full. How near `macrid` comes to the floor, measured on two cores
# ([numbers and spreads](../benchmarks/README.md)). Predict: does a step come nearer to its floor
# or move away as $d$ grows? As $K$ does?

# %%
text = Path("../benchmarks/README.md").read_text(encoding="utf-8")
row = r"^\| step, (\w) \| ([\d,]+) \|[^|]+\|[^|]+\|[^|]+\| ([\d.]+) \| ([\d.]+) \|"
rows = re.findall(row, text, re.MULTILINE)
plots.ratios(rows)
assert len(rows) == 20 and all(1 < float(ratio) < 4 for _, _, ratio, _ in rows)

# %% [markdown]
# The larger each size, the nearer to the floor, down to 1.6 to 1.8 times. On the left stand the
# parts that do not grow with that size: with small $B$ prototypes and Adam, with small $d$ the
# exponentials, $B M K$ of them, with small $M$ encoder and noise ([cost](../docs/cost.md)). The
# plain twin's jumps, at $K = 2$ and $M = 32{,}000$, are as measured; nobody has looked for their
# cause.
#
# ## 3. What a step needs to remember
#
# The exponentials alone are $B K M$ numbers; the plain way holds several of that size at once.
# `log_likelihood` goes through the users in tiles and never holds more than one tile of them:

# %%
show(decoder.exponents)


def step_of(what, M, B=100, K=4, d=16, n=20):
    """A function that makes one step with M items, its parameters and moments made before."""
    settings = Config(K=K, d=d, hidden_layers=0, candidates=1000 if what == "sampled" else 0)
    rng = np.random.default_rng(0)
    X = users(B, M, n, rng)
    parameters = model.initial_parameters(M, settings, rng)
    moments = adam.start(parameters)

    def step():
        noise = batch.draw_noise(rng, X, settings)
        _, gradients = model.loss_and_gradients(parameters, X, noise, settings, 0.2)
        adam.update(parameters, gradients, moments, 1, settings, rows_of_step(noise))

    return step


# %%
def plain_decoder(M, B=100, K=4, d=16, n=20):
    """The same for the decoder's plain twin alone."""
    rng = np.random.default_rng(0)
    X, H = users(B, M, n, rng), rng.standard_normal((M, d)).astype(np.float32)
    z, _ = ops.normalise(rng.standard_normal((B, K, d)).astype(np.float32))
    log_C = np.full((M, K), -np.log(K), np.float32)
    return lambda: decoder.log_likelihood_plain(z, H, log_C, X, 0.1)[1](1.0)


def peak(what, M):
    """The most memory, in MB, that NumPy takes during a step beyond parameters and moments."""
    step = plain_decoder(M) if what == "plain" else step_of(what, M)
    tracemalloc.start()
    step()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return round(most / 1e6, 1)


# %% [markdown]
# Predict: which of the three grow with the catalogue?

# %%
peak("full", 1000)  # the first call also fills caches
sizes = {
    "plain": (1000, 3000, 10_000, 30_000),
    "full": (1000, 3000, 10_000, 30_000, 100_000),
    "sampled": (1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
}
memory = {
    what: np.array([peak(what, M) for M in progress(several, what)])
    for what, several in sizes.items()
}
plots.memory(sizes, memory)
assert memory["plain"][-1] > 3 * memory["full"][3] and memory["plain"][-1] / memory["plain"][0] > 20
assert memory["sampled"][-1] < 1.3 * memory["sampled"][2], "independent of the catalogue"

# %% [markdown]
# The tiled step still grows with $M$: a tile has at least 64 users, or the matrix products would
# starve, and the gradients of $\mathbf h$ and $\mathbf t$ are $(M, d)$ arrays whatever one does.
# Only a step that does not touch all items is free of $M$.
#
# ## 4. Very many items: candidates
#
# Line 29 of Algorithm 1: when $M$ is very large, compute $p_{u,i}$ only for the batch's own items
# and some sampled ones. [Notebook 3](03_reconstruction.ipynb) derives the estimate of $Z_u$ and its
# bias. In the code it costs almost nothing: the same functions over a *subset* of items, with a
# weight $w_i$ on each candidate that multiplies $c_{i,k}$. If $S$ are the candidates, then for
# every user
#
# $$Z_u \approx \sum_{i \in S} w_i \sum_k c_{i,k}\, E_{u,k,i},
# \qquad w_i = 1 \text{ for the batch's own items},
# \quad w_i = \tfrac{M}{|\text{drawn}|} \text{ for others drawn uniformly}.$$
#
# An item outside the batch is drawn with probability $|\text{drawn}| / M$ and then counts
# $M / |\text{drawn}|$ times: 1 on average, like every item of the full sum, so the estimate is
# right on average. And if every item is a candidate, all weights are 1 and nothing is approximated.


# %%
# your turn
def estimate(P, own, drawn):
    """An estimate of Z = sum_i P_i of P (M,), from the P of `own`, items that are always in, and of
    `drawn`, items drawn uniformly; those of `drawn` that are in `own` count once, as own.
    """
    others = np.setdiff1d(drawn, own)
    return ...


# %%
# solution
def estimate(P, own, drawn):
    """An estimate of Z = sum_i P_i of P (M,), from the P of `own`, items that are always in, and of
    `drawn`, items drawn uniformly; those of `drawn` that are in `own` count once, as own.
    """
    others = np.setdiff1d(drawn, own)
    return P[own].sum() + len(P) / len(drawn) * P[others].sum()


# %%
P, own, several = rng.exponential(size=40), np.array([1, 5, 8]), np.random.default_rng(3)
estimates = [estimate(P, own, several.choice(40, 12, replace=False)) for _ in range(4000)]
error = np.std(estimates) / 4000**0.5
assert np.isclose(estimate(P, own, np.arange(40)), P.sum()), (
    "every item drawn: nothing is estimated"
)
assert abs(np.mean(estimates) - P.sum()) < 4 * error, "right on average"
assert abs(P[own].sum() - P.sum()) > 40 * error, "the own items alone would not do"

# %%
show(candidates.draw)
whole = terms["loss"]
for drawn in (40, 12):
    settings = config.replace(candidates=drawn)
    chosen, weights = candidates.draw(np.random.default_rng(1), X, settings)
    mine = np.isin(chosen, X.indices)
    assert (weights[mine] == 1).all() and np.allclose(weights[~mine], 40 / drawn)
    of_subset = {"gumbel": noise.gumbel[chosen], "candidates": chosen, "weight": weights}
    noise_of_subset = dataclasses.replace(noise, **of_subset)
    some = model.loss_and_gradients(parameters, X, noise_of_subset, settings, 0.2)[0]["loss"]
    print(f"{len(chosen)} of 40 items as candidates: loss {some:.4f}, full softmax {whole:.4f}")
    assert drawn < 40 or np.isclose(some, whole)

# %%
total, several = np.zeros(40), np.random.default_rng(2)
for _ in range(2000):
    chosen, weights = candidates.draw(several, X, settings)
    total[chosen] += weights
assert np.abs(total / 2000 - 1).max() < 4 * np.sqrt((40 / 12 - 1) / 2000), (
    "each item counts once on average, within four standard errors"
)

# %% [markdown]
# Adam then moves only the rows of $\mathbf h$ and $\mathbf t$ that took part; the others keep their
# values *and* their moments. (Dense Adam sees a zero gradient there, and would move them on by old
# momentum.)

# %%
settings = config.replace(candidates=5)
noise_of_step = batch.draw_noise(np.random.default_rng(2), X[:2], settings)
_, few = model.loss_and_gradients(parameters, X[:2], noise_of_step, settings, 0.2)
moved = {name: value.copy() for name, value in parameters.items()}
adam.update(moved, few, adam.start(moved), 1, settings, rows_of_step(noise_of_step))
assert few["H"].shape == (len(noise_of_step.candidates), settings.d), "a gradient of a few rows"
took_part = np.isin(np.arange(40), noise_of_step.candidates)
assert ((moved["H"] == parameters["H"]).all(axis=1) == ~took_part).all()

# %% [markdown]
# What does it cost in accuracy? The shop is far too small to need it, and that is the point: there
# the full softmax is at hand to compare with.

# %%
base = Config(**shop.OPTIONS).replace(max_epochs=60, patience=60)
made = run_folder.load_data(base)
parts, targets = run_folder.prepare(made, base)
features, _ = run_folder.item_features(made, parts.items, base)
begun, results = fit.start(parts, base, features, targets), {}
for drawn in progress((0, 300, 100), "trainings"):
    settings = base.replace(candidates=drawn)
    state = fit.fit(parts, settings, targets, copy.deepcopy(begun))
    results[drawn] = metrics.evaluate_ranking(model.ranker(state.best, settings), parts.test)

# %%
batches = [parts.train[start : start + 100] for start in range(0, parts.train.shape[0], 100)]
brought = np.mean([len(np.unique(X.indices)) for X in batches])
print(f"items that a batch of 100 users brings itself: {brought:,.0f} of {len(parts.items):,}")
assert 1000 < brought < 1100
for drawn, by_user in results.items():
    line = metrics.summary(by_user)["ndcg@100"]
    against = metrics.paired(by_user, results[0])["ndcg@100"]
    print(
        f"{drawn or 'all':>4} candidates: NDCG@100 {line['mean']:.3f} ± {line['stderr']:.3f}, minus"
        f" the full softmax {against['mean']:+.3f} ± {against['stderr']:.3f} (paired)"
    )
    assert against["mean"] > -0.05

# %% [markdown]
# Neither differs by more than about one standard error (one seed). It is an easy test: a batch of
# 100 users brings two thirds of the items itself, and only the rest is estimated. On MovieLens,
# over ten folds, none of the settings tried differed significantly from the full softmax
# ([docs/large.md](../docs/large.md)). Measured: at $M = 50{,}000$ a step with 2,000 candidates
# takes .087 of the full softmax's time, and from $M = 10^4$ to $M = 10^7$ it grows by a factor of
# 1.3.
#
# ## 5. Ranking without a row of all scores
#
# For recommending, all items do count, but only the best $n$ are kept. Go through the catalogue in
# tiles $A_1, A_2, \dots$ and use that the best of the best are the best:
#
# $$\mathrm{top}_n(A_1 \cup A_2)
# = \mathrm{top}_n\big( \mathrm{top}_n(A_1) \cup \mathrm{top}_n(A_2) \big) .$$
#
# (An item outside the first $n$ of its own tile has $n$ better ones already.) So no $(B, M)$ array
# is ever made.


# %%
# your turn
def best_of_tiles(scores, n, size):
    """The places of the n best of scores (M,), best first, from tiles of `size` of them."""
    best = np.arange(0)  # places; never more than n
    for start in range(0, len(scores), size):
        tile = np.arange(start, min(start + size, len(scores)))
        best = ...
    return best


# %%
# solution
def best_of_tiles(scores, n, size):
    """The places of the n best of scores (M,), best first, from tiles of `size` of them."""
    best = np.arange(0)  # places; never more than n
    for start in range(0, len(scores), size):
        tile = np.arange(start, min(start + size, len(scores)))
        both = np.concatenate([best, tile])
        best = both[np.argsort(-scores[both])[:n]]
    return best


# %%
scores = rng.standard_normal(1000)
for size in (1, 64, 1000):
    mine, right = best_of_tiles(scores, 20, size), np.argsort(-scores)[:20]
    assert np.array_equal(mine, right), f"tiles of {size}: {mine}, and not {right}"
show(model.rank)
_, whole = model.rank(state.best, parts.test.fold_in, settings, 20)
_, tiles = model.rank(state.best, parts.test.fold_in, settings, 20, items_at_a_time=64)
assert np.allclose(whole, tiles, rtol=1e-4, atol=1e-4), "the same scores, rounding apart"

# %% [markdown]
# ## 6. Several processes
#
# The loss of a batch is a mean over its users. Divide the users among $R$ processes, $B_r$ each;
# then
#
# $$\nabla L = \sum_{r=1}^R \frac{B_r}{B}\, \nabla L_r .$$
#
# Each process computes its own $\nabla L_r$, MPI sums them, and all make the same update, so the
# parameters stay equal without being sent (`macrid.training.parallel`,
# `mpiexec -n 4 python -m macrid.train`). Here by hand, with shares of 3 and 5 of 8 users:

# %%
total = dict.fromkeys(gradients, 0.0)
for rows in (slice(0, 3), slice(3, 8)):
    of_rows = slice(rows.start * config.K, rows.stop * config.K)
    masks = [mask[of_rows] for mask in noise.dropout]
    their_noise = dataclasses.replace(noise, epsilon=noise.epsilon[rows], dropout=masks)
    _, their_gradients = model.loss_and_gradients(parameters, X[rows], their_noise, config, 0.2)
    share = (rows.stop - rows.start) / 8
    total = {name: total[name] + share * their_gradients[name] for name in total}
for name, gradient in gradients.items():
    assert np.allclose(total[name], gradient, rtol=1e-9, atol=1e-12)

# %% [markdown]
# The categorical term is a mean over items, not users; every process has all of it, and since the
# shares add up to one, so does it.
#
# ## What changes, in one table
#
# | to run on | what changes in the mathematics | what one types |
# |---|---|---|
# | a GPU | nothing: `xp` comes from the arrays | `--backend cupy` |
# | a catalogue of millions | a subset of items, a weight on $c_{i,k}$ | `--candidates 2000` |
# | several processes | nothing: gradients are summed | `mpiexec -n 4 ...` |
#
# ## Exercises
#
# **1.** $B = 400$, $M = 50{,}000$, $K = 7$, $d = 200$: how many multiplications has the decoder's
# floor, and how many bytes one $(B, K, M)$ array of float32?
#
# <details><summary>Solution</summary>
#
# $3 \cdot 400 \cdot 50{,}000 \cdot 200 \cdot 7 = 8.4 \cdot 10^{10}$ and
# $4 \cdot 400 \cdot 7 \cdot 50{,}000 = 560$ MB. The plain step's measured peak was 5.04 times that,
# 2.8 GB; the tiled step's 319 MB, most of it $(M, d)$ arrays: the gradients.
#
# </details>
#
# **2.** Halve $d$ and double $K$: the same number of decoder multiplications. Is the step as fast?
#
# <details><summary>Solution</summary>
#
# No: $B M K$ exponentials, which no $d$ makes smaller, double. In the figure of section 2 the step
# is at 1.8 times its floor with $K = 16$, but at 2.6 times with $d = 25$.
#
# </details>
#
# **3.** Why is it not enough to draw candidates and forget the weights $w_i$?
#
# <details><summary>Solution</summary>
#
# Then $Z_u$ is too small, and by different amounts: the batch's own items, mostly popular ones, are
# all in $S$, other items only with probability $|\text{drawn}| / M$. Unweighted, the model is
# trained for a world in which rare items hardly exist. Set `weight=np.ones(len(chosen))` in section
# 4 with 12 drawn and the loss falls from 56.94 to 56.11, without the model having become better.
#
# </details>
#
# | what | function | test |
# |---|---|---|
# | one code, two backends | `macrid.backend.array_module` | `test_backend.py::test_a_step_is_the_same_on_both_backends` |
# | tiles of users | `macrid.model.decoder.exponents` | `model/test_decoder.py::test_tiles_of_users_change_nothing` |
# | candidates | `macrid.model.candidates.draw` | `model/test_candidates.py::test_all_items_as_candidates_are_the_full_softmax` |
# | memory | `macrid.model.objective.loss_and_gradients` | `model/test_candidates.py::test_the_memory_of_a_step_does_not_depend_on_the_catalogue` |
# | tiles of items | `macrid.model.scoring.rank` | `model/test_scoring.py::test_tiles_change_nothing`, `test_no_array_of_users_by_items_is_made` |
# | processes | `macrid.training.parallel` | `training/test_parallel.py::test_two_processes_do_what_one_does_with_twice_the_batch` |
#
# That was the last one. You have now seen every equation of the paper, every line of Algorithm 1,
# and the code that computes them. [Back to the index](README.md).
