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
# # 9. Training, and what its figures let you say
#
# [← 08](08_backpropagation.ipynb) · [all notebooks](README.md) · [10 →](10_disentanglement.ipynb) ·
# [this one, to fill in yourself](blank/09_training.ipynb). It takes some 66 CPU seconds.
#
# ![Algorithm 1 as a graph: you are here](images/09_training.svg)
#
# *After this notebook you know what Adam does with a gradient, what annealing and regularisation
# are for, how to read a learning curve, and how large a difference between two models has to be
# before it means something.*
#
# You need gradients, variance, NumPy, and the story of [notebook 1](01_story.ipynb). About 30
# minutes with the three functions that are yours to write.

# %%
import copy
import os
from pathlib import Path
from unittest import mock

import numpy as np
from lesson import figure_style, progress, show
from plots import training as plots
from scipy import sparse

from macrid import Config, model, run_folder
from macrid.baselines import EASE, Popularity
from macrid.data import shop
from macrid.evaluation import metrics
from macrid.model import plain
from macrid.training import adam, batch, fit
from macrid.training.batch import draw_noise

figure_style()
rng = np.random.default_rng(0)

# %% [markdown]
# ## 1. Adam
#
# Line 35 of Algorithm 1: "update $\theta$ ..., using the gradient". With Adam (Kingma and Ba,
# 2014), which keeps two running averages of each coordinate's gradient $g_t$ at step $t$, of the
# gradient itself and of its square, with $\beta_1 = .9$, $\beta_2 = .999$ (Adam's letters: neither
# is the $\beta$ of the KL term, nor are $\hat m$ and $\hat v$ below prototypes or features). Each
# average starts at 0 and takes in a little of every new gradient; unrolled, it is a weighted sum of
# all of them:
#
# $$\text{mean}_t = \beta_1\, \text{mean}_{t-1} + (1 - \beta_1)\, g_t
# = (1 - \beta_1) \sum_{s=1}^t \beta_1^{t-s} g_s .$$
#
# Early on it is too small, being mostly the 0 of its start. By how much? If all $g_s$ have the same
# expectation $\mathbb E g$, then with the geometric series
# $(1 - \beta_1) \sum_s \beta_1^{t-s} = 1 - \beta_1^t$,
#
# $$\mathbb E[\text{mean}_t] = (1 - \beta_1^t)\, \mathbb E g, \qquad \text{so}
# \quad \hat m_t = \frac{\text{mean}_t}{1 - \beta_1^t},
# \quad \hat v_t = \frac{\text{square}_t}{1 - \beta_2^t}$$
#
# are right on average from the first step. The update is
# $\theta \leftarrow \theta - \text{lr} \cdot \hat m_t / (\sqrt{\hat v_t} + 10^{-8})$.

# You wrote this update in [notebook 8](08_backpropagation.ipynb). Here is why its two corrections
# are needed. Write $\hat m_t$ and $\hat v_t$ from all gradients so far, as the weighted sums that
# they are:


# %%
def follow(gradient, start, steps, **options):
    """Adam from `start` with the one parameter w and gradient(w): the path (steps + 1, n) of w, and
    the moments.
    """
    config = Config(precision="float64", **{"learning_rate": 0.01, "l2": 0.0, **options})
    parameters = {"w": np.array(start, float)}
    moments, path = adam.start(parameters), [parameters["w"].copy()]
    for step in range(1, steps + 1):
        adam.update(parameters, {"w": gradient(parameters["w"])}, moments, step, config)
        path.append(parameters["w"].copy())
    return np.array(path), moments["w"]


# %%
# your turn
def corrected(g, beta1=0.9, beta2=0.999):
    """m-hat and v-hat after the gradients g (t,) of one coordinate, oldest first."""
    t = len(g)
    age = np.arange(t - 1, -1, -1)  # t - s for s = 1, ..., t
    return ..., ...


# %%
# solution
def corrected(g, beta1=0.9, beta2=0.999):
    """m-hat and v-hat after the gradients g (t,) of one coordinate, oldest first."""
    t = len(g)
    age = np.arange(t - 1, -1, -1)  # t - s for s = 1, ..., t
    mean = (1 - beta1) * (beta1**age @ g)
    square = (1 - beta2) * (beta2**age @ g**2)
    return mean / (1 - beta1**t), square / (1 - beta2**t)


# %%
g = rng.standard_normal(8)
series = iter(g)
path, (mean, square) = follow(lambda w: np.array([next(series)]), [0.0], 8)
m_hat, v_hat = corrected(g)
assert np.isclose(mean[0] / (1 - adam.BETA1**8), m_hat)
assert np.isclose(square[0] / (1 - adam.BETA2**8), v_hat)
assert np.isclose(path[8, 0] - path[7, 0], -0.01 * m_hat / (np.sqrt(v_hat) + 1e-8)), "the last step"
assert np.allclose(corrected(np.full(5, 3.0)), (3, 9)), (
    "steady gradients: right from the first step"
)
weights = (1 - adam.BETA1) * adam.BETA1 ** np.arange(7, -1, -1)
assert np.isclose(weights.sum(), 1 - adam.BETA1**8), "uncorrected, weights do not sum to one"
show(plain.adam, adam.update)

# %% [markdown]
# **What it buys: steps without a scale.** If the gradient is steady, $\hat m_t = g$ and
# $\hat v_t = g^2$, and every step is
#
# $$\theta_{t} - \theta_{t-1} = - \text{lr} \cdot \frac{g}{|g| + 10^{-8}}
# \approx - \text{lr} \cdot \mathrm{sign}(g),$$
#
# whether $g$ is large or small. That is why `learning_rate` reads as "how far a coordinate may move
# in a step", and why the scale at which $\mathbf h$ starts acts as a learning rate: under cosine
# only $\mathbf h$'s direction counts, and a step of .01 turns a short vector a lot and a long one
# hardly ([notebook 7](07_semantics.ipynb)).

# %%
small, _ = follow(lambda w: np.array([-0.001]), [0.0], 50)
large, _ = follow(lambda w: np.array([-1000.0]), [0.0], 50)
assert np.allclose(large[:, 0], 0.01 * np.arange(51)) and np.allclose(small, large, rtol=1e-4)

# %% [markdown]
# Predict, before you look: in a valley that is a hundred times as steep in $y$ as in $x$, how will
# plain descent walk, with a careful step and with a bold one?

# %%
# the gradient of (x^2 + 100 y^2) / 2: a narrow valley
bowl = lambda w: np.array([w[0], 100 * w[1]])
paths = {"Adam, lr .1": follow(bowl, [-2.0, 1.0], 60, learning_rate=0.1)[0]}
for rate in (0.005, 0.0195):
    path = [np.array([-2.0, 1.0])]
    for _ in range(60):
        path.append(path[-1] - rate * bowl(path[-1]))
    paths[f"plain descent, lr {rate}"] = np.array(path)
plots.valley(paths)
away = {name: np.abs(path[-1, 0]) for name, path in paths.items()}
assert away["Adam, lr .1"] < min(away[name] for name in paths if name.startswith("plain"))

# %% [markdown]
# Plain descent must take steps that the steep direction can bear, and then crawls along the flat
# one, or zigzags. Adam gives each coordinate its own scale. Here the steep and the flat directions
# are popular and rare items: section 4 measures how much larger the gradients of the popular ones
# are.
#
# ## 2. Two kinds of weight decay
#
# `l2` adds $l_2\, \theta$ to the gradient, *before* Adam: the textbook's L2 penalty.
# `decoupled_decay` shrinks $\theta$ past Adam (AdamW, Loshchilov and Hutter, 2019). With plain
# descent the two would be the same. With Adam they are not. Suppose that the loss does not care
# about a coordinate, $g = 0$. Then
#
# $$\text{l2:}\quad \theta \leftarrow \theta - \text{lr}\,
# \frac{l_2 \theta}{\sqrt{(l_2 \theta)^2} + 10^{-8}}
# \approx \theta - \text{lr} \cdot \mathrm{sign}(\theta), \qquad \text{decoupled:}
# \quad \theta \leftarrow (1 - \text{lr} \cdot \text{decay})\, \theta .$$
#
# The first does not depend on $l_2$ at all, as long as $l_2 |\theta|$ is well above $10^{-8}$! Adam
# divides its strength away. (The formula takes $l_2 \theta$ for steady; it changes slowly, as
# $\theta$ shrinks.) L2 in the gradient only matters *relative* to the gradient of the loss.

# %%
nothing = lambda w: np.zeros(1)
weak, strong = (follow(nothing, [1.0], 20, l2=l2)[0][:, 0] for l2 in (1e-4, 1.0))
assert np.allclose(weak[:11], strong[:11], atol=1e-4)
assert np.isclose(weak[1] - weak[0], -0.01, atol=1e-5)
shrunk = follow(nothing, [1.0], 20, decoupled_decay=0.5)[0][:, 0]
assert np.allclose(shrunk, (1 - 0.01 * 0.5) ** np.arange(21))

# %% [markdown]
# ## 3. Annealing
#
# At the start the decoder knows nothing, and the cheapest way to lower the loss is to obey the KL
# term and forget the data. So $\beta$ grows linearly over the first $t_\beta$ updates
# (`anneal_steps`, 200), as in MultiVAE:
#
# $$\beta_t = \beta \cdot \min(1,\ t / t_\beta) .$$

# %%
show(fit.annealed_beta)
config = Config(**shop.OPTIONS)
t_beta = config.anneal_steps
beta_at = lambda step: fit.annealed_beta(step, config)
assert beta_at(0) == 0 and beta_at(5 * t_beta) == config.beta
assert np.isclose(beta_at(t_beta // 4), config.beta / 4)

# %% [markdown]
# In this model it is less vital than in MultiVAE: $\boldsymbol\mu$ has unit length, so the KL term
# cannot shrink the mean to nothing ([notebook 4](04_kl.ipynb)). Exercise 2 measures it.
#
# ## 4. A run, and how to read it

# %%
made = run_folder.load_data(config)
parts, targets = run_folder.prepare(made, config)
features, _ = run_folder.item_features(made, parts.items, config)
starts = {}  # the states before the first step: from pictures they take a while


def trained(**changes):
    """Train with some options changed: (configuration, state)."""
    settings = config.replace(**changes)
    taught = targets if settings.category_weight else None
    begun = settings.start, settings.K, settings.seed
    if begun not in starts:
        starts[begun] = fit.start(parts, settings, features, taught)
    return settings, fit.fit(parts, settings, taught, copy.deepcopy(starts[begun]))


# %%
def tested(settings, state):
    """The figures of a trained model, test user by test user."""
    return metrics.evaluate_ranking(model.ranker(state.best, settings), parts.test)


def history_of(state):
    """The records of a training as arrays over epochs."""
    return {key: np.array([record[key] for record in state.history]) for key in state.history[0]}


# %%
popularity = np.asarray(parts.train.sum(axis=0)).ravel()
tenth = len(popularity) // 10
popular, rare = np.argsort(-popularity)[:tenth], np.argsort(popularity)[:tenth]
first, X = fit.start(parts, config, features, targets).parameters, parts.train[:400]
noise = draw_noise(rng, X, config)
_, gradients = model.loss_and_gradients(first, X, noise, config, 0.0, targets)
steep = {name: np.linalg.norm(gradients[name], axis=1) for name in ("H", "T")}
steep = {name: norms[popular].mean() / norms[rare].mean() for name, norms in steep.items()}
print("gradients of the most popular tenth of the items over those of the rarest:", end=" ")
print(f"{steep['H']:.0f} times for h, {steep['T']:.0f} times for t")
assert min(steep.values()) > 2

# %% [markdown]
# Predict: which of the three, loss, KL and validation, will go down all the way, and which only
# for a while?

# %%
settings, state = trained()
history = history_of(state)
constant = config.K / (2 * config.sigma0**2)
plots.run(history, constant, state.best_epoch)

# %%
taught = config.category_weight * history["categorical"]
whole = -history["reconstruction"] + history["beta"] * history["kl"] + taught
# epochs after annealing
settled = history["epoch"] * -(-parts.train.shape[0] // config.batch_size) > t_beta + 16
assert np.allclose(whole[settled], history["loss"][settled], rtol=1e-4), "line 34, epoch by epoch"
assert history["kl"].min() > constant and state.best_score == history["validation_ndcg@100"].max()
each = parts.train.sum() / parts.train.shape[0]
late = history["validation_ndcg@100"][-50:]
chance = each * np.log(len(parts.items))
print(f"{each:.1f} items per user; by chance {each:.1f} ln {len(parts.items)} = {chance:.0f} nats")
print(f"validation NDCG@100, the last fifty epochs: mean {late.mean():.3f}, best {late.max():.3f},")
print(f"from one epoch to the next ± {np.abs(np.diff(late)).mean():.3f}")
assert history["loss"][0] > chance > history["loss"][5]

# %% [markdown]
# What to look at, from left to right.
#
# * **The loss** falls fast, then slowly. For scale: a model that finds all items equally likely
#   pays $\ln M$ nats for each item, 187 for the mean user. It *starts* above that: at first every
#   item's cosine, and so its probability, is an accident, and confident accidents cost more than
#   none. Where the two curves part, the KL term comes in.
# * **KL.** It first shoots up ($\beta$ is near 0: precise, small $\boldsymbol\sigma$ is free), then
#   $\beta$ bites and pulls $\boldsymbol\sigma$ towards $\sigma_0$. It cannot fall below the dotted
#   constant.
# * **Validation** rises, then wavers. Training stops after `patience` epochs without a better
#   NDCG@100, and the *best* parameters are kept. The wavering, some .003 from epoch to epoch on the
#   very same users, is the first hint of how large a difference must be to mean anything. And the
#   best of many wavering values is too high: never report it, report the *test* users'.
#
# **Over- and underfitting** show in the gap between the two sides. Less regularisation lets the
# loss fall further and validation fall with it:

# %%
variants = {
    "as above": {},
    "little noise in z (σ₀ = .05)": {"sigma0": 0.05},
    "no dropout": {"dropout": 0.0},
    "one concept": {"K": 1, "category_weight": 0.0, "start": "adoptions"},
}
short = {"max_epochs": 60, "patience": 60}
fitted = {name: trained(**short, **variants[name]) for name in progress(variants, "variants")}


def silent(*arguments):
    """The noise of a step, its epsilon 0: z is mu."""
    noise = draw_noise(*arguments)
    noise.epsilon[:] = 0
    return noise


with mock.patch.object(batch, "draw_noise", silent):
    fitted["no noise in z (ε = 0)"] = trained(**short)
curves = {name: history_of(state) for name, (_, state) in fitted.items()}
plots.variants(curves)

# %%
loss = {name: -curve["reconstruction"][-1] for name, curve in curves.items()}
ndcg = {name: curve["validation_ndcg@100"][-5:].mean() for name, curve in curves.items()}
for name in curves:
    print(f"{name:30s} −ln p {loss[name]:6.1f}   validation NDCG@100 {ndcg[name]:.3f}")
assert loss["no dropout"] < loss["as above"] < loss["one concept"]
assert ndcg["one concept"] < ndcg["as above"], "it fits worse and recommends worse"

# %% [markdown]
# *No dropout* is overfitting: by far the lowest training curve (partly because it is measured as
# one trains: nothing is dropped there), and a validation curve that suffers. *One concept* of ten
# dimensions is underfitting: both are bad. *Little noise* and *no noise* fit better and recommend
# no worse: here, with ten dimensions per concept, dropout does the work. With wide representations
# and no hidden layer to drop from it may be the noise. Which regulariser matters is a question to
# the data, not to the method. (One run each.)
#
# ## 5. The figures: NDCG and recall
#
# A test user's items are split: from the *fold-in* the model recommends, the $n$ *held-out* ones
# judge it. Let $\text{hit}_r$ be 1 if the item at rank $r$ is held out.
#
# $$\text{DCG@}k = \sum_{r=1}^k \frac{\text{hit}_r}{\log_2 (r + 1)},
# \qquad \text{NDCG@}k = \frac{\text{DCG@}k}{\sum_{r=1}^{\min(k, n)} 1 / \log_2 (r + 1)},
# \qquad \text{Recall@}k = \frac{\sum_{r=1}^k \text{hit}_r}{\min(k, n)} .$$
#
# NDCG divides by what a perfect list would get, so it lies in $[0, 1]$; a hit at rank 1 counts 1,
# at rank 3 half, at rank 100 some .15. ($n$ is this user's; with fewer than $k$ held out, a perfect
# list cannot have $k$ hits.)


# %%
# your turn
def ndcg_of(ranked, held_out, k):
    """NDCG@k of one user: ranked, item numbers, best first; held_out, a set of item numbers."""
    hits = np.array([item in held_out for item in ranked[:k]], float)
    return ...


# %%
# solution
def ndcg_of(ranked, held_out, k):
    """NDCG@k of one user: ranked, item numbers, best first; held_out, a set of item numbers."""
    hits = np.array([item in held_out for item in ranked[:k]], float)
    gain = 1 / np.log2(np.arange(2, k + 2))  # of ranks 1 to k
    return hits @ gain[: len(hits)] / gain[: min(k, len(held_out))].sum()


# %%
held_out = sparse.csr_array(np.array([[0, 1, 0, 0, 1, 0, 1.0]]))  # items 1, 4, 6
ranked = np.array([[4, 0, 1, 2]])  # hits at ranks 1 and 3
figures = metrics.per_user(ranked, held_out, ((4, "ndcg"), (2, "recall")))
assert np.isclose(figures["ndcg@4"][0], (1 + 1 / 2) / (1 + 1 / np.log2(3) + 1 / 2))
assert np.isclose(ndcg_of(ranked[0], {1, 4, 6}, 4), figures["ndcg@4"][0])
assert np.isclose(ndcg_of([4, 6, 1, 0], {1, 4, 6}, 4), 1) and ndcg_of([0, 2, 3], {1, 4, 6}, 3) == 0
assert np.isclose(figures["recall@2"][0], 1 / 2)
show(plain.ndcg, metrics.per_user)

# %% [markdown]
# ## 6. What the statistics allow you to say
#
# Each test user $u$ has a figure $a_u$, and a table shows the mean $\bar a$ over $N$ users. Other
# users would have given another mean. If users are independent, its **standard error** is
#
# $$\text{s.e.}(\bar a) = \frac{\mathrm{sd}(a)}{\sqrt N} .$$
#
# Twice that on either side holds the mean over *all* users in about 95 of 100 such tests. (It says
# nothing of other seeds; more on them below.)
#
# Now two models on the *same* users. Some users are easy for both, some hard for both, and this
# common part drops out of the differences $a_u - b_u$. The **paired** standard error follows from
#
# $$\mathrm{Var}(a_u - b_u) = \mathrm{Var}(a_u) + \mathrm{Var}(b_u) - 2\, \mathrm{Cov}(a_u, b_u) :$$
#
# the better two models agree about who is easy, the smaller it is. Comparing two means by whether
# their ± overlap forgets the covariance, and misses real differences.


# %%
# your turn
def standard_errors(a, b):
    """The standard error of mean(a) - mean(b), paired, and as if on different users."""
    N = len(a)
    return ..., ...


# %%
# solution
def standard_errors(a, b):
    """The standard error of mean(a) - mean(b), paired, and as if on different users."""
    N = len(a)
    return (a - b).std(ddof=1) / N**0.5, ((a.var(ddof=1) + b.var(ddof=1)) / N) ** 0.5


# %%
ours = tested(settings, state)
linear = metrics.evaluate(EASE.fit(parts.train).scores, parts.test)
popular_ones = metrics.evaluate(Popularity.fit(parts.train).scores, parts.test)
a, b = ours["ndcg@100"], linear["ndcg@100"]
N = len(a)
paired, unpaired = standard_errors(a, b)
assert np.isclose(paired, metrics.paired(ours, linear)["ndcg@100"]["stderr"])
assert np.isclose(paired**2 * N, a.var(ddof=1) + b.var(ddof=1) - 2 * np.cov(a, b)[0, 1])
of = lambda figures: metrics.summary(figures)["ndcg@100"]
assert np.isclose(unpaired, np.hypot(of(ours)["stderr"], of(linear)["stderr"]))
for name, figures in {"macrid": ours, "EASE": linear, "popularity": popular_ones}.items():
    print(f"{name:12s} {of(figures)['mean']:.3f} ± {of(figures)['stderr']:.3f}")

# %% [markdown]
# Another seed is another model. So two comparisons, each with three seeds: the model against EASE,
# and with dropout against without (60 epochs, the best kept: only dropout differs). Predict: which
# of the two will be clear?

# %%
by_seed = {0: (tested(*fitted["as above"]), tested(*fitted["no dropout"]))}
for seed in progress((1, 2), "seeds"):
    with_it, without = (trained(seed=seed, dropout=p, **short) for p in (config.dropout, 0.0))
    by_seed[seed] = tested(*with_it), tested(*without)


def row(first, second):
    """The mean difference and its two standard errors."""
    first, second = first["ndcg@100"], second["ndcg@100"]
    return (first - second).mean(), *standard_errors(first, second)


compared = {
    "macrid minus EASE": [row(ours_of, linear) for ours_of, _ in by_seed.values()],
    "dropout minus none": [row(*pair) for pair in by_seed.values()],
}
plots.differences(a, b, compared)

# %%
for name, rows in compared.items():
    for seed, (mean, paired, unpaired) in enumerate(rows):
        print(f"{name}, seed {seed}: {mean:+.3f} ± {paired:.3f} paired, ± {unpaired:.3f} unpaired")
        assert paired < unpaired
    means = [mean for mean, _, _ in rows]
    print(f"{name}, three seeds: {np.mean(means):+.3f} ± {np.std(means, ddof=1) / 3**0.5:.3f}")
assert max(unpaired for rows in compared.values() for _, _, unpaired in rows) < 0.03

# %% [markdown]
# *Against EASE* zero lies inside the paired interval, with each of the seeds: from these 200 users
# one may **not** say that this model is better than EASE on the shop, though its mean is higher
# each time. (Three seeds do not make 600 users: all three stand before the same 200.)
#
# *Dropout*: with seed 0 zero is far outside, paired; unpaired one could not have told. Had we
# trained once, we should have written it down as a fact. With the seeds 1 and 2 zero is inside. The
# standard error counts users, and says nothing of the luck of a training. Over the three seeds the
# difference is +.014 ± .010: it takes more of them. And not only seeds: with two threads sums are
# rounded otherwise, every training takes another course, and your figures differ from these (one
# thread) in the third digit, sometimes in the second.
#
# **How many users does a difference need?** For a true difference $\delta$ to *be* two standard
# errors, $N = (2\, \mathrm{sd}(a - b) / \delta)^2$. What one then measures lies above two in half
# of all tests. To see it in four of five, the difference has to be 2.8 standard errors, which takes
# twice as many users.
#
# **The best of many.** Try $S$ settings that are in truth *equal* and report the best. The largest
# of $S$ normal variables has the density $S\, \varphi(x)\, \Phi(x)^{S-1}$ (one of them is at $x$,
# the others below; $\Phi$ and $\varphi$ are the normal distribution function and density), so the
# best figure is too high by
#
# $$\mathbb E \max_{1 \le s \le S} \xi_s = S \int x\, \varphi(x)\, \Phi(x)^{S-1}\, dx \;
# \le\; \sqrt{2 \ln S}, \qquad \xi_s \sim \mathcal N(0, 1),$$
#
# standard errors, if the errors of the settings are independent. On the same users they share a
# part, which lifts all alike; the rest is inflated so.

# %%
from scipy.stats import norm

x = np.linspace(-8, 8, 4001)
largest = lambda S: S * np.trapezoid(x * norm.pdf(x) * norm.cdf(x) ** (S - 1), x)
expected = {S: largest(S) for S in (1, 5, 20, 200)}
for S, value in expected.items():
    drawn = rng.standard_normal((4000, S)).max(axis=1).mean()
    assert np.isclose(drawn, value, atol=0.06) and value <= np.sqrt(2 * np.log(S)) + 1e-9
too_high = ", of ".join(f"{S}: {value:.2f}" for S, value in expected.items())
print("standard errors too high, the best of", too_high)

# %%
deviation = (a - b).std(ddof=1)
needed, surer = (int((z * deviation / 0.01) ** 2) for z in (2, 2.8))
print(f"users for a difference of .01 between macrid and EASE: {needed:,}, paired;")
print(f"to see it in four of five tests, {surer:,}")
# the share of tests that measure two standard errors
power = lambda N: norm.sf(2 - 0.01 * np.sqrt(N) / deviation)
assert np.isclose(power(needed), 0.5, atol=0.01) and np.isclose(power(surer), 0.8, atol=0.02)
assert needed > 2 * N, "this test has too few"

# %% [markdown]
# **The paper's Table 2 in this light.** On ML-latest-small it has some 53 test users (a tenth of
# 531, in the authors' procedure), and prints SEM-MacridVAE .35129 ± .03204, MacridVAE .34180 ±
# .03190, MultiVAE .33233 ± .03031. The paper does not say what its ± is; a standard error over 53
# users whose figures deviate by .23 (ours: .21) would be .032. Then the differences, about .01 and
# .02, are each a fraction of *one* standard error. The best of 200 trials was chosen for each, on
# as few validation users. Pairing would help, but the paper's figures cannot be paired afterwards.
# So where it says that its model "outperforms the baseline methods significantly in all but one
# case", this row alone does not show that the semantics helped; nor that they did not. On Movies&TV
# there are about 1,500 test users, and there the gap between MacridVAE and MultiVAE (.0166, with
# errors of .0036) is real, while that between SEM-MacridVAE and MacridVAE (.0006) is again a
# fraction of one.

# %%
table = {
    "SEM-MacridVAE": (0.35129, 0.03204),
    "MacridVAE": (0.34180, 0.03190),
    "MultiVAE": (0.33233, 0.03031),
}


def gap(first, second):
    """The difference of two rows in standard errors, as if on different users."""
    (mean, error), (its_mean, its_error) = table[first], table[second]
    return (mean - its_mean) / np.hypot(error, its_error)


assert gap("SEM-MacridVAE", "MacridVAE") < 0.3 and gap("SEM-MacridVAE", "MultiVAE") < 0.5
assert np.isclose(0.23 / np.sqrt(53), 0.032, atol=0.001) and abs(a.std(ddof=1) - 0.21) < 0.04
assert (0.11619 - 0.09953) / np.hypot(0.00365, 0.00338) > 3, "Movies&TV, MacridVAE against MultiVAE"
assert (0.11674 - 0.11619) / np.hypot(0.00367, 0.00365) < 0.2, "and SEM-MacridVAE against MacridVAE"

# %% [markdown]
# Four habits follow. Compare on the same users, paired. Use all users, by ten folds, if data is
# small. Say how many settings were tried. And train with several **seeds**: a difference smaller
# than that between two seeds is not a property of the method.

# %%
means = [ours_of["ndcg@100"].mean() for ours_of, _ in by_seed.values()]
print("three seeds, the same split, 60 epochs:", "  ".join(f"{mean:.3f}" for mean in means))
mean, paired, _ = row(by_seed[1][0], by_seed[0][0])
print(f"seed 1 minus seed 0, paired: {mean:+.3f} ± {paired:.3f}")
assert np.ptp(means) < 0.05

# %% [markdown]
# ## 7. MovieLens
#
# If you have ml-latest-small
# (`python data_scripts/movielens.py ml-latest-small --out data/ml-latest-small`, or
# `$MACRID_MOVIELENS` set to its folder), the next cell trains on it. Its data is not ours to
# publish, so on this page the cell stays quiet.

# %%
folder = Path(os.environ.get("MACRID_MOVIELENS") or "../data/ml-latest-small")
if (folder / "ratings.csv").is_file():
    films = Config(data=str(folder), min_user_items=15)
    ratings = run_folder.load_data(films)
    folds, _ = run_folder.prepare(ratings, films)
    learned = fit.fit(folds, films)
    judged = metrics.evaluate_ranking(model.ranker(learned.best, films), folds.test)
    by_ease = metrics.evaluate(EASE.fit(folds.train).scores, folds.test)
    mean, paired, _ = row(judged, by_ease)
    print(f"macrid {of(judged)['mean']:.3f}, EASE {of(by_ease)['mean']:.3f},", end=" ")
    print(f"difference {mean:+.3f} ± {paired:.3f}, paired ({len(judged['ndcg@100'])} users)")
else:
    print("no MovieLens here")

# %% [markdown]
# What you will see there: with the 53 test users of one split the two cannot be told apart. With
# ten folds over all 531 users they can: .362 ± .008 for this model
# ([docs/model.md](../docs/model.md)) and .377 for EASE, a linear model in closed form that has no
# concepts; paired, the difference is significant. On the shop, which is made of concepts, 200 users
# cannot decide. What a model with concepts offers beyond accuracy is in the next two notebooks.
#
# ## Exercises
#
# **1.** In the valley of section 1 plain descent diverges for lr > .02. Why just there?
#
# <details><summary>Solution</summary>
#
# In $y$ a step multiplies by $1 - 100\, \text{lr}$. Its size is below 1 only for
# $\text{lr} < 2/100$. At .0195 the factor is $-.95$: it zigzags and shrinks slowly, while $x$
# shrinks by the factor $.9805$ a step.
#
# </details>
#
# **2.** Train with `anneal_steps=0`. Does annealing matter here?
#
# <details><summary>Solution</summary>
#
# `metrics.paired(tested(*trained(anneal_steps=0)), ours)["ndcg@100"]` was $+.008 \pm .005$ (one
# seed, and more than one thread): nothing that one could tell from zero. At this $\beta$ (.2) and
# with means that cannot collapse, annealing is a habit and not a need.
#
# </details>
#
# **3.** Two models have the same NDCG@100 for every user but one, where one has .9 and the other
# .1; $N = 200$. Mean difference, paired standard error, and is it "significant"?
#
# <details><summary>Solution</summary>
#
# Mean .8/200 = .004. The differences have the variance $(0.8^2 - 200 \cdot .004^2)/199 = .0032$, so
# sd .0566, s.e. .004: one standard error. It is not, whatever the size of the jump: one user is one
# observation.
#
# </details>
#
# | what | function | test |
# |---|---|---|
# | Adam | `macrid.training.adam.update` | `training/test_adam.py::test_two_steps_by_hand` |
# | the two decays | same | `training/test_adam.py::test_l2_passes_through_the_moments_and_decoupled_decay_does_not` |
# | annealing | `macrid.training.fit.annealed_beta` | `training/test_fit.py::test_beta_grows_linearly_then_stays` |
# | early stopping | `macrid.training.fit.fit` | `training/test_fit.py::test_it_stops_when_validation_no_longer_improves_and_keeps_the_best` |
# | NDCG, recall | `macrid.evaluation.metrics.per_user` | `evaluation/test_metrics.py::test_equal_to_a_plain_loop` |
# | standard errors, pairing | `macrid.evaluation.metrics.summary`, `paired` | `evaluation/test_metrics.py::test_standard_error_is_the_deviation_over_the_root_of_users` |
#
# Next: [10. Disentanglement, measured](10_disentanglement.ipynb).
