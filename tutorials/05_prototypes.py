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
# # 5. Prototypes and Gumbel-Softmax: a choice that has a gradient
#
# [← 04](04_kl.ipynb) · [all notebooks](README.md) · [06 →](06_encoder.ipynb) ·
# [this one, to fill in yourself](blank/05_prototypes.ipynb). It takes some 38 CPU seconds.
#
# ![Algorithm 1 as a graph: you are here](images/05_prototypes.svg)
#
# *After this notebook you know how items are dealt out to concepts (equation (6)), how a roll of
# dice can have a derivative, and why the paper insists on the cosine.*
#
# You need calculus, NumPy and the story of [notebook 1](01_story.ipynb). About 25 minutes.

# %%
import numpy as np
import shopper
from lesson import figure_style, progress, show, the_shop
from plots import prototypes as plots

from macrid import model
from macrid.interpret import macro
from macrid.model import plain, prototypes
from macrid.model.gradcheck import check_op
from macrid.model.ops import normalise, softmax
from macrid.training import adaptive, fit

figure_style()
rng = np.random.default_rng(1)

# %% [markdown]
# ## Equation (6)
#
# Which concept does item $i$ belong to? A table with $K-1$ free numbers for each item would do, and
# would have to learn each of them from that item's few buyers. The paper instead gives every
# *concept* a **prototype** $\mathbf m_k\in\mathbb R^d$, and asks which prototype the item
# resembles. The item's $\mathbf h_i$ is there anyway (the decoder has it), so there is little to
# learn: $Kd$ numbers for the whole catalogue.
#
# $$\mathbf c_i\sim\text{CATEGORICAL}\big(\text{Softmax}([s_{i,1};s_{i,2};\dots;s_{i,K}])\big),
# \qquad s_{i,k}=\text{COSINE}(\mathbf h_i,\mathbf m_k)/\tau .\tag{6}$$
#
# Lines 12 to 16 of Algorithm 1 (PrototypeClustering) on the page that holds the whole model,
# `macrid/model/plain.py`; what comes after each `return` value is its derivative, to which we come:

# %%
show(plain.unit, plain.cosine, plain.prototype_clustering)

# %% [markdown]
# The cosine of two unit vectors is their product, so the package normalises the rows once, for all
# who need them, and multiplies then. Line 14 is

# %%
show(prototypes.concept_logits)

# %%
tau = 0.1
raw_h, raw_m = rng.standard_normal((5, 4)), rng.standard_normal((3, 4))
s, _ = prototypes.concept_logits(normalise(raw_h)[0], normalise(raw_m)[0], tau)  # (M, K)
for i in range(5):
    for k in range(3):
        cosine = raw_h[i] @ raw_m[k] / (np.linalg.norm(raw_h[i]) * np.linalg.norm(raw_m[k]))
        np.testing.assert_allclose(s[i, k], cosine / tau, rtol=1e-12)  # equation (6)
p, _ = softmax(s)
np.testing.assert_allclose(p, np.exp(s) / np.exp(s).sum(axis=1, keepdims=True), rtol=1e-12)

# with tau = .1 a cosine that is larger by .2 makes a concept e^2 = 7.4 times as probable
two = softmax(np.array([0.6, 0.4]) / tau)[0]
np.testing.assert_allclose(two[0] / two[1], np.exp(0.2 / tau), rtol=1e-12)
print(f"a table would have {1500 * (6 - 1):,} numbers for the shop, six prototypes have {6 * 10}")

# %% [markdown]
# **The shopper.** The eight products that she chooses from, the two prototypes, and equation (6).
# Her three have a star.

# %%
her = shopper.follow()
H, m = shopper.parameters["H"], shopper.parameters["m"]
lengths = np.linalg.norm(H, axis=1)[:, None] * np.linalg.norm(m, axis=1)
np.testing.assert_allclose(her.s, H @ m.T / lengths / plain.TAU)
p, _ = softmax(her.s)
shopper.write(h=H, cosine=her.s * plain.TAU, s=her.s, p=p)

# %% [markdown]
# ## Rolling dice by finding a maximum
#
# Training needs samples $\mathbf c_i$. Here is a curious way to draw from
# $\text{Softmax}(\mathbf s)$: add independent noise $g_k$ of a certain kind to each logit, and take
# the largest.
#
# $$\Pr\big[\arg\max_k\,(s_k+g_k)=k\big]=\frac{e^{s_k}}{\sum_le^{s_l}},
# \qquad g_k\sim\text{Gumbel}(0,1):\quad F(g)=\Pr[g_k\le g]=\exp(-e^{-g}) .$$
#
# *Why?* The density is $F'(g)=e^{-g}\exp(-e^{-g})$. Concept $k$ wins with the value $y=s_k+g_k$ if
# all others stay below $y$:
#
# $$\Pr[k\text{ wins}]=\int F'(y-s_k)\prod_{l\ne k}F(y-s_l)\,dy
# =\int e^{s_k-y}\,\exp\Big(-e^{-y}\sum_le^{s_l}\Big)dy .$$
#
# (All $K$ exponentials have been gathered into one, that of $F'$ included.) Substitute $v=e^{-y}$,
# $dv=-e^{-y}dy$:
#
# $$=e^{s_k}\int_0^\infty\exp\Big(-v\sum_le^{s_l}\Big)dv=\frac{e^{s_k}}{\sum_le^{s_l}}.
# \qquad\square$$
#
# *And how to draw $g$?* If $\eta$ is exponential, $\Pr[\eta\ge t]=e^{-t}$, then
# $\Pr[-\ln\eta\le g]=\Pr[\eta\ge e^{-g}]=\exp(-e^{-g})$: so $g=-\ln\eta$. That is what
# `training.batch.draw_noise` does.

# %%
logits = np.array([1.0, 0.0, -0.5, 2.0])
target = softmax(logits)[0]

y = np.linspace(-8, 30, 20_001)  # the integral above, by the trapezoid rule
density, F = (lambda g: np.exp(-g - np.exp(-g))), (lambda g: np.exp(-np.exp(-g)))  # F' and F
for k in range(4):
    others = np.prod([F(y - logits[other]) for other in range(4) if other != k], axis=0)
    integral = np.trapezoid(density(y - logits[k]) * others, y)
    np.testing.assert_allclose(integral, target[k], rtol=1e-6)

# %% [markdown]
# **Your turn:** both lines, as code.


# %%
# your turn
def my_gumbel(exponential):
    """Gumbel(0, 1) numbers from exponential ones, of any shape."""
    raise NotImplementedError("one line")


def my_choice(s, g):
    """The concept that wins, for logits s (K,) and noise g (n, K): n numbers from 0 to K - 1."""
    raise NotImplementedError("one line")


# %%
# solution
def my_gumbel(exponential):
    """Gumbel(0, 1) numbers from exponential ones, of any shape."""
    return -np.log(exponential)


def my_choice(s, g):
    """The concept that wins, for logits s (K,) and noise g (n, K): n numbers from 0 to K - 1."""
    return (s + g).argmax(axis=1)


# %%
rolls = 100_000
g = my_gumbel(rng.standard_exponential((rolls, 4)))
for at in (-1.0, 0.0, 2.0):
    assert abs((g <= at).mean() - F(at)) < 0.003, (
        f"{(g <= at).mean():.3f} of g are at most {at}, and F says {F(at):.3f}"
    )
winners = my_choice(logits, g)
frequency = np.bincount(winners, minlength=4) / rolls
assert (abs(frequency - target) < 4 * np.sqrt(target * (1 - target) / rolls)).all(), (
    f"the shares of the winners are {frequency.round(3)}, and softmax says {target.round(3)}"
)
# whoever wins, the winning value is the same on average: ln sum_l e^s_l, and Euler's constant
average = np.log(np.exp(logits).sum()) + np.euler_gamma
for k in range(4):
    value = (logits + g)[winners == k, k]
    assert abs(value.mean() - average) < 4 * value.std() / len(value) ** 0.5

# %% [markdown]
# **Predict:** concept 4 wins most often. When concept 3, the unlikeliest, wins all the same, does
# it come out higher than concept 4 does when it wins, or lower?

# %%
plots.winners(logits, (logits + g)[np.arange(rolls), winners], winners, frequency, target)

# %% [markdown]
# (On the left a small wonder: the four humps are one, up to the noise of counting. *How high* the
# winner comes out does not depend on *who* wins. You can read it off the integral: $s_k$ is only a
# factor in front.)
#
# ## Softening the maximum
#
# The maximum is a step: nudge $\mathbf s$ a little and nothing happens, or everything. No gradient.
# So replace $\arg\max$ by a softmax with a temperature $\tau_{\rm g}$ of its own, the
# **Gumbel-Softmax** (Jang et al., Maddison et al., 2016), line 15 of Algorithm 1:
#
# $$\mathbf c_i=\text{Softmax}\big((\mathbf s_i+\mathbf g_i)/\tau_{\rm g}\big) .$$
#
# The noise is drawn outside and handed in, so that $\mathbf c_i$ is a smooth function of
# $\mathbf s_i$. Do not confuse the two temperatures: $\tau$ says how sharply the *probabilities* of
# (6) follow the cosine, $\tau_{\rm g}$ how close a *sample* is to one-hot. In `macrid` they are
# `tau` and `gumbel_temperature`.

# %%
show(prototypes.gumbel_logits)

# %% [markdown]
# The shopper's dice, rolled once, and what the roll made of her products' concepts:

# %%
by_hand, _ = softmax((her.s + shopper.GUMBEL) / plain.GUMBEL_TEMPERATURE)
np.testing.assert_allclose(by_hand, her.C)
shopper.write(p=p, s=her.s, g=shopper.GUMBEL, c=her.C)

# %% [markdown]
# Lamp 3 had odds of three to two, and came out as .85 of concept 1. With other dice it would have
# been otherwise. The mugs are too sure of themselves for these dice.

# %%
three = np.array([0.8, 0.0, 0.3])
noise = -np.log(rng.standard_exponential((1500, 3)))
hard = (three + noise).argmax(axis=1)
sampled = lambda temperature: softmax(prototypes.gumbel_logits(three, noise, temperature)[0])[0]
clouds = {temperature: sampled(temperature) for temperature in (0.1, 0.5, 1.0, 5.0)}
for soft in clouds.values():
    np.testing.assert_allclose(soft.sum(axis=1), 1)
    assert (soft.argmax(axis=1) == hard).all()  # the temperature never changes who wins

# %% [markdown]
# **Predict:** three concepts are the corners of a triangle, a sample is a point in it. Where will
# the points lie at temperature 0.1, where at 5? And how many have each colour?

# %%
plots.simplex(clouds, hard)
assert sampled(0.001).max(axis=1).mean() > 0.999  # to 0: one-hot
averages = {temperature: soft.mean(axis=0).round(2) for temperature, soft in clouds.items()}
print("Softmax(s):", softmax(three)[0].round(2), " mean of c by temperature:")
print({temperature: average.tolist() for temperature, average in averages.items()})
assert np.abs(averages[0.1] - softmax(three)[0]).max() < 0.03
assert np.abs(averages[5.0] - 1 / 3).max() < 0.04

# %%
from lesson import touch

touch("05_simplex")

# %% [markdown]
# A point is a sample $\mathbf c$; a corner is one-hot; its colour and shape tell the winner. Cold
# samples sit in the corners, hot ones crowd in the middle. The share of points of each colour is
# the same in all four pictures, as the noise is the same. The *mean* of $\mathbf c$ is not the
# softmax, unless $\tau_{\rm g}$ is small: relaxed samples are biased towards the middle.
#
# ## The gradient, and what the temperature does to it
#
# Backwards, step by step. A bar means the derivative of the loss $L$ with respect to what is under
# it: $\bar{\mathbf c}=\partial L/\partial\mathbf c$ for an item. Given $\bar{\mathbf c}$, the
# function that returns $\bar{\mathbf s}$ is called the *pullback* of the step from $\mathbf s$ to
# $\mathbf c$; notebook 8 is about pullbacks and nothing else. From $\partial
# c_k/\partial\ell_l=c_k(\delta_{kl}-c_l)$ ($\delta_{kl}$ is 1 if $k=l$, else 0) for the logits
# $\boldsymbol\ell=(\mathbf s+\mathbf g)/\tau_{\rm g}$,
#
# $$\bar\ell_k=c_k\Big(\bar c_k-\sum_lc_l\bar c_l\Big),
# \qquad\bar{\mathbf s}=\bar{\boldsymbol\ell}/\tau_{\rm g},\qquad
# \bar{\mathbf h}_i=\frac1\tau\sum_k\bar s_{i,k}\,\mathbf m_k,
# \qquad\bar{\mathbf m}_k=\frac1\tau\sum_i\bar s_{i,k}\,\mathbf h_i,$$
#
# and last the normalisation. With $\mathbf y=\mathbf x/\|\mathbf x\|$ and $\partial\|\mathbf
# x\|/\partial\mathbf x=\mathbf y$, the quotient rule gives $\;\partial\mathbf y/\partial\mathbf
# x=\mathbf I/\|\mathbf x\|-\mathbf x\mathbf y^\top/\|\mathbf x\|^2 =(\mathbf I-\mathbf y\mathbf
# y^\top)/\|\mathbf x\|$: the part of a push along $\mathbf y$ is taken out, since moving $\mathbf
# x$ along itself changes nothing.
#
# **Your turn:** the step from $\mathbf s$ to $\mathbf c$ as an op, a function that returns its
# value and its pullback. `check_op` judges it by central differences, and makes sure that it would
# have noticed an error of a thousandth.


# %%
# your turn
def my_gumbel_softmax(s, g, temperature):
    """C = softmax((s + g) / temperature) in every row; s, g (M, K)."""

    def pullback(dC):
        raise NotImplementedError("return the derivative by s, (M, K)")

    raise NotImplementedError("return C and the pullback")


# %%
# solution
def my_gumbel_softmax(s, g, temperature):
    """C = softmax((s + g) / temperature) in every row; s, g (M, K)."""
    E = np.exp((s + g) / temperature)
    C = E / E.sum(axis=1, keepdims=True)

    def pullback(dC):
        return C * (dC - (C * dC).sum(axis=1, keepdims=True)) / temperature

    return C, pullback


# %%
arguments = {"s": rng.standard_normal((5, 3)), "g": rng.standard_normal((5, 3)), "temperature": 0.7}
assert np.allclose(my_gumbel_softmax(her.s, shopper.GUMBEL, 0.5)[0], her.C), (
    "the value: C is not the softmax of (s + g) / temperature, row by row"
)
print(check_op(my_gumbel_softmax, arguments, rng, ["s"]))

# %% [markdown]
# The package has the two halves apart, and the normalisation:

# %%
show(softmax, normalise)

# %%
arguments = {"H": rng.standard_normal((5, 4)), "m": rng.standard_normal((3, 4))}
gumbel = -np.log(rng.standard_exponential((5, 3)))


def route(H, m):
    """From raw vectors to C: normalise, (6), Gumbel, softmax; the pullback as in model.elbo."""
    unit_H, pull_H = normalise(H)
    unit_m, pull_m = normalise(m)
    s, pull_s = prototypes.concept_logits(unit_H, unit_m, tau)
    logits, pull_logits = prototypes.gumbel_logits(s, gumbel, 0.7)
    C, pull_C = softmax(logits)

    def pullback(dC):
        dH, dm = pull_s(pull_logits(pull_C(dC)))
        return pull_H(dH), pull_m(dm)

    return C, pullback


errors = check_op(route, arguments, rng)  # central differences, and a negative control
print({name: f"{error:.0e}" for name, error in errors.items()}, "relative error")
assert max(errors.values()) < 1e-6

# %% [markdown]
# So there is a gradient. But of what? We want the derivative of an average over *hard* choices,
# $\frac\partial{\partial s_k}\mathbb E_{\mathbf c}[f(\mathbf c)]$, and get the average derivative
# over *soft* ones. Take the very thing that the decoder does with $\mathbf c$,
# $f(\mathbf c)=\ln\sum_kc_kE_k$ with $E_k$ for $g_\theta^{(i)}(\mathbf z_u^{(k)})$ of (8). For
# one-hot $\mathbf c$ the exact answer is known: $f$ is $\ln E_k$ with probability $p_k$,
# $p=\text{Softmax}(\mathbf s)$, and
#
# $$\frac\partial{\partial s_k}\sum_lp_l\ln E_l=p_k\Big(\ln E_k-\sum_lp_l\ln E_l\Big) .$$
#
# We compare, for many temperatures: the systematic error (bias) and the noise (standard deviation)
# of one sample's gradient.

# %%
E = np.exp(np.array([2.0, -1.0, 0.5]))  # how well an item agrees with a user's three tastes
p3 = softmax(three)[0]
exact = p3 * (np.log(E) - p3 @ np.log(E))
grid = np.geomspace(0.05, 5, 25)
noise = -np.log(rng.standard_exponential((100_000, 3)))
bias, spread = [], []
for temperature in grid:
    logits, pull_logits = prototypes.gumbel_logits(three, noise, temperature)
    c, pull_c = softmax(logits)
    ds = pull_logits(pull_c(E / (c @ E)[:, None]))  # df/dc_k = E_k / sum_l c_l E_l
    bias.append(np.linalg.norm(ds.mean(axis=0) - exact))
    spread.append(np.sqrt(ds.var(axis=0).sum()))
bias, spread = np.array(bias), np.array(spread)
assert bias[0] < bias[-1] / 3 and spread[0] > 5 * spread[-1]

# %%
shift = 1e-4  # the exact formula, against central differences; a row for each s_k
up, down = (softmax(three + sign * shift * np.eye(3))[0] @ np.log(E) for sign in (1, -1))
np.testing.assert_allclose((up - down) / (2 * shift), exact, rtol=1e-6)

# %% [markdown]
# **Predict:** which of the two errors grows with the temperature, which falls?

# %%
plots.trade(grid, bias, spread, np.linalg.norm(exact))

# %% [markdown]
# Cold: nearly unbiased but wild, since now and then a near tie gives a huge slope and else there is
# none. Hot: calm but wrong. `macrid` takes $\tau_{\rm g}=1$ by default and $0.5$ on the shop.
#
# **At test time** no dice are rolled. Algorithm 1 takes the mode of $p(\mathbf c_i)$, one-hot;
# `macrid` by default keeps the probabilities $\text{Softmax}(\mathbf s_i)$, which ranks a little
# better (by $.009\pm.003$ NDCG@100 on the shop: `docs/shop.md`), and does as the paper says with
# `hard_concepts`.

# %%
show(prototypes.mode, model.concepts)
one_hot = prototypes.mode(her.s)
assert (one_hot.sum(axis=1) == 1).all() and (one_hot.argmax(axis=1) == p.argmax(axis=1)).all()

# %% [markdown]
# ## Mode collapse: what the cosine prevents
#
# Suppose that (6) used the inner product,
# $s_{i,k}=\mathbf h_i^\top\mathbf m_k/\tau=\|\mathbf h_i\|\,\|\mathbf m_k\|\cos/\tau$. Then a
# prototype that happens to be *long* wins every item that is at all on its side, whatever the
# direction. And length is something that gradient descent is free to change. With the cosine it is
# not even visible: the gradient with respect to $\mathbf m_k$ has no part along $\mathbf m_k$.

# %%
_, pullback = route(**arguments)
dH, dm = pullback(rng.standard_normal((5, 3)))
# cosine: no push along m_k
assert np.abs((dm * arguments["m"]).sum(axis=1)).max() < 1e-12 * np.abs(dm).max() + 1e-14
_, pull_s = prototypes.concept_logits(arguments["H"], arguments["m"], tau)
_, dm_inner = pull_s(rng.standard_normal((5, 3)))
# inner product: a push along m_k
assert np.abs((dm_inner * arguments["m"]).sum(axis=1)).min() > 0.1

# %%
# three clear clusters, a prototype in the middle of each; then the first prototype grows
angle = np.deg2rad(np.array([0, 50, -50]))
centres = np.stack([np.cos(angle), np.sin(angle)], axis=1)
points = np.repeat(centres, 60, axis=0) + 0.08 * rng.standard_normal((180, 2))
factors = np.geomspace(1, 10, 40)
share = {"inner product": [], "cosine": []}
first = lambda h, m: (prototypes.concept_logits(h, m, tau)[0].argmax(axis=1) == 0).mean()
for factor in factors:
    m = centres * np.array([[factor], [1], [1]])
    share["inner product"].append(first(points, m))
    share["cosine"].append(first(normalise(points)[0], normalise(m)[0]))
assert share["inner product"][-1] == 1 and np.ptp(share["cosine"]) == 0

# %% [markdown]
# That was staged (the left panel below). Now live, on the shop, six concepts, 25 epochs, two
# experiments, each with three seeds. **Planted:** start from clusters that are nearly the true
# ones, by k-means of the adoptions (the shop's own settings do so with pictures: notebook 7), but
# make one prototype ten times too long. Does training mend it? **Random:** start from nothing. We
# watch the share of the largest concept; a sixth would be even.
#
# **Predict** for both: will the inner product get away from a concept that is too large?

# %%
made, parts, base = the_shop(max_epochs=25)
category = made.truth.category[parts.items]
starts = {"planted": {"start": "adoptions"}, "random": {"start": "random", "init_deviation": 0.02}}


def watch(kind, similarity, seed):
    """The share of the largest concept, before training and after each epoch; and at the end: the
    share of items in the concept of their category, validation NDCG@100.
    """
    settings = base.replace(similarity=similarity, seed=seed, **starts[kind])
    state = fit.start(parts, settings)
    state.parameters["m"][0] *= 10 if kind == "planted" else 1
    of = lambda state: model.concepts(state.parameters, settings)
    share_of_largest = lambda C: np.bincount(C.argmax(axis=1)).max() / len(C)
    largest = [share_of_largest(of(state))]
    look = lambda state: largest.append(share_of_largest(of(state)))
    fit.fit(parts, settings, state=state, on_epoch=look)
    return largest, (macro.concept_scores(of(state), category)["accuracy"], state.best_score)


# %%
cases = [(kind, similarity) for kind in starts for similarity in ("inner", "cosine")]
runs = {case: [watch(*case, seed) for seed in range(3)] for case in progress(cases, "runs")}
plots.collapse(factors, share, runs)

# %%
at_most, at_the_end, right, ndcg = {}, {}, {}, {}
for case, seeds in runs.items():
    at_most[case] = np.array([max(largest) for largest, _ in seeds])
    at_the_end[case] = np.array([largest[-1] for largest, _ in seeds])
    right[case], ndcg[case] = np.array([scores for _, scores in seeds]).T
    print(
        f"{case[0]:7} {case[1]:6}  largest {at_most[case].round(2)}, at the end"
        f" {at_the_end[case].round(2)}; right {right[case].round(2)}, NDCG {ndcg[case].round(3)}"
    )
assert at_the_end["planted", "inner"].min() > 1.4 * at_the_end["planted", "cosine"].max()
assert at_most["random", "inner"].min() > 1.2 * at_most["random", "cosine"].max()
# from a random start the inner product is the better one on this shop
assert right["random", "inner"].mean() > right["random", "cosine"].mean() + 0.05
assert ndcg["random", "inner"].mean() > ndcg["random", "cosine"].mean() + 0.02
by_random_start = max(right["random", similarity].max() for similarity in ("inner", "cosine"))
assert by_random_start < 0.75 < right["planted", "cosine"].min()

# %% [markdown]
# With the cosine a planted length is invisible. With the inner product the long prototype keeps
# nearly twice its share for all 25 epochs. (It does not get *all* items, because in ten dimensions
# most items are not on its side; see exercise 3.) From a random start the inner product runs, with
# each of the three seeds, through a phase in which one concept holds .43 to .64 of all items. On
# this shop it recovers; the paper saw cases where it did not (its figures 3c and 4c).
#
# And now what the paper does not say: from a random start the inner product ends *better* here,
# with .46 to .48 of the items in the concept of their category against .26 to .39, and a higher
# NDCG with every seed. Whoever recommends the cosine should say "with a good start". From the
# adoptions the cosine wins, by .024 NDCG after a full training (`docs/shop.md`). Even spread is not
# yet *right*, by the way: from a random start neither finds the shop's categories. Notebooks 7 and
# 10 are about that.
#
# ## How many prototypes?
#
# Section 4.1.4: begin with a $K$ that is surely too large. After every epoch look at how each
# concept spreads over the items, $p_{i\mid k}=p(c_{i,k}=1)/\sum_{i'}p(c_{i',k}=1)$, and where two
# concepts spread alike, drop one. *Alike* means that their Jensen-Shannon divergence is below a
# threshold:
#
# $$\text{JS}(p,q)=\tfrac12D_{\text{KL}}\big(p\,\|\,\tfrac{p+q}2\big)+
# \tfrac12D_{\text{KL}}\big(q\,\|\,\tfrac{p+q}2\big)
# =H\big(\tfrac{p+q}2\big)-\tfrac12\big(H(p)+H(q)\big),$$
#
# with $H$ the entropy. In bits it is 0 for equal spreads and 1 for concepts that share no item.
# (Why the second form: $\tfrac12\sum_i(p_i+q_i)\log_2\tfrac{p_i+q_i}2$ is $-H$ of the mean.) In
# `macrid` it is the option `adaptive_K`. The shop has six categories; we start with twelve
# concepts.

# %%
show(adaptive.divergences)

# %%
columns = softmax(rng.standard_normal((40, 3)))[0]  # (M, K)
columns[:, 2] = np.where(np.arange(40) < 20, 0, columns[:, 2])
columns[20:, 0] = 0  # concepts 0 and 2 share no item
spread = columns / columns.sum(axis=0)
with np.errstate(divide="ignore", invalid="ignore"):
    # 0 ln 0 = 0
    to_mean = [[np.nansum(p * np.log2(p / ((p + q) / 2))) for q in spread.T] for p in spread.T]
js = adaptive.divergences(columns)
np.testing.assert_allclose(js, (np.array(to_mean) + np.transpose(to_mean)) / 2, atol=1e-12)
np.testing.assert_allclose(js[[0, 0], [0, 2]], [0, 1], atol=1e-12)
# how much a concept holds does not enter
np.testing.assert_allclose(adaptive.divergences(columns * [1, 7, 7]), js, atol=1e-12)

# %%
left = {}
for threshold in progress((0.0, 0.5, 0.8, 0.9)):
    settings = base.replace(K=12, adaptive_K=threshold, max_epochs=8)
    state = fit.fit(parts, settings)
    C = model.concepts(state.parameters, settings)
    left[threshold] = C.shape[1]
    score = macro.concept_scores(C, category)["accuracy"]
    by_epoch = [record.get("K", settings.K) for record in state.history]
    print(
        f"threshold {threshold}: K by epoch {by_epoch}; at the end {score:.2f} of the items in the"
        " concept of their category"
    )
assert 12 == left[0.0] >= left[0.5] > left[0.8] > left[0.9]

# %% [markdown]
# (One seed.) With .8 the six categories come out; with .5 nearly all twelve stay, with .9 a single
# one does. So the threshold has taken the place of $K$, and here you could only choose it because
# the six are known. From a random start all prototypes are about equally far apart at first, which
# says nothing of the data. The paper found the scheme no better than to choose $K$ by validation,
# and so does [this package](../docs/model.md#an-adaptive-number-of-concepts), where the figures
# are.
#
# ## Where you are
#
# | equation, line | function | test |
# |---|---|---|
# | (6); lines 12, 13, 14, 16 | `model.prototypes.concept_logits`, `model.ops.softmax` | `model/test_prototypes.py::test_logits_are_equation_6`, `test_concept_logits` |
# | the Gumbel-max trick | `training.batch.draw_noise` | `model/test_prototypes.py::test_the_largest_perturbed_logit_is_a_sample_of_the_softmax`, `training/test_batch.py::test_moments_of_the_noise` |
# | line 15: Gumbel-Softmax | `model.prototypes.gumbel_logits` | `model/test_prototypes.py::test_gumbel_logits`, `test_a_low_temperature_gives_one_hot_rows` |
# | "at test time the mode" | `model.prototypes.mode`, `model.scoring.concepts` | `model/test_prototypes.py::test_mode_is_one_hot`, `model/test_scoring.py::test_hard_concepts_route_each_item_to_one_prototype` |
# | section 4.1.4: how many | `training.adaptive.divergences`, `training.adaptive.shrink` | `training/test_adaptive.py::test_the_divergence_is_scipys`, `test_shrinking_is_its_plain_twin` |
# | section 3.3.2: the cosine | `model.ops.normalise` | `model/test_ops.py::test_normalise_cannot_feel_a_push_along_itself` |
#
# ## Exercises
#
# **1.** For $K=2$ show that $c_1=1/(1+e^{-(s_1-s_2+\Delta)/\tau_{\rm g}})$ with $\Delta=g_1-g_2$,
# and that $\Delta$ is logistic: $\Pr[\Delta\le x]=1/(1+e^{-x})$. (Use the Gumbel-max result.)
#
# <details><summary>Solution</summary>
#
# Divide numerator and denominator of the softmax by $e^{(s_1+g_1)/\tau_{\rm g}}$. And
# $\Pr[\Delta\le x]=\Pr[g_1-x\le g_2]$ is the probability that the second wins with logits $(-x,0)$:
# $1/(1+e^{-x})$.
#
# ```python
# g1, g2 = -np.log(rng.standard_exponential((2, 200_000)))
# for x in (-1, 0, 2):
#     print(round(float((g1 - g2 <= x).mean()), 3), round(float(1 / (1 + np.exp(-x))), 3))
# # 0.269 0.269
# # 0.5 0.5
# # 0.881 0.881
# ```
# </details>
#
# **2.** What if all logits of an item are raised by the same number? What does that say about the
# gradient $\bar{\mathbf s}_i$?
#
# <details><summary>Solution</summary>
#
# Nothing changes: the softmax sees differences only. So $\sum_k\bar s_{i,k}=0$: what draws an item
# to one prototype pushes it from others. (Read it off $\bar\ell_k$:
# $\sum_kc_k\bar c_k-\sum_kc_k\sum_lc_l\bar c_l=0$.)
#
# ```python
# c, pull_c = softmax(rng.standard_normal((1, 6)))
# print(abs(pull_c(rng.standard_normal((1, 6))).sum()) < 1e-12)
# # True
# ```
# </details>
#
# **3.** How many items can an arbitrarily long prototype win by inner product? Compute the share of
# the shop's items on the side of `m[0]` at the start, and compare with the middle panel.
#
# <details><summary>Solution</summary>
#
# Those with $\mathbf h_i^\top\mathbf m_0>0$ and no more: an opposed item is only driven away more
# strongly.
#
# ```python
# state = fit.start(parts, base)
# share = float((state.parameters["H"] @ state.parameters["m"][0] > 0).mean())
# print(round(share, 2), round(runs["planted", "inner"][0][0][0], 2))
# # 0.57 0.32
# ```
# The longer the prototype, the nearer it comes to that bound. In few dimensions, or where all
# $\mathbf h_i$ share a direction (popularity!), the bound is no comfort.
# </details>
#
# **Next:** [notebook 6](06_encoder.ipynb), from a user's items to her tastes.
