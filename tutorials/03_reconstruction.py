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
# # 3. The reconstruction term, and its gradient without a matrix
#
# *After this notebook you can read `model.decoder.log_likelihood` line by line: why its gradient is
# one number per user and a sparse rest, why there is a cosine and a $1/\tau$, and what one may skip
# when the catalogue is large.*
#
# You need calculus, NumPy, and equations (2), (7), (8) from [notebook 1](01_story.ipynb). About 25
# minutes.
#
# The first term of the bound (3) asks: how probable are a user's items, given her tastes? In
# training a taste $\mathbf z$ is a sample from the encoder, which here is simply given.

# %%
import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK, figure_style, show

from macrid import model
from macrid.config import Config
from macrid.data import shop, splits
from macrid.model import candidates, decoder
from macrid.model.gradcheck import check, numerical_gradient
from macrid.model.ops import normalise, softmax
from macrid.training import fit

figure_style()
made = shop.make()
config = Config(**shop.OPTIONS).replace(
    start="adoptions", alexnet="", category_weight=0.0, max_epochs=40
)
parts = splits.split(made, config.split, config.split_seed)
first = fit.fit(parts, config)  # a few seconds of training: a model to look at
parameters = first.best
H = normalise(parameters["H"])[0].astype(float)  # (M, d), unit rows
C = model.concepts(parameters, config).astype(float)  # (M, K)
X = parts.train[:50].astype(float)  # fifty users
z = model.represent(parameters, X, config)[0].astype(float)  # (B, K, d), unit rows
B, M = X.shape
P = np.exp(decoder.log_scores(z, H, C, config.tau))  # (B, M): (7), not yet divided by Z_u

# %% [markdown]
# ## The multinomial likelihood
#
# With $P_{u,i}=\sum_kc_{i,k}\,g^{(i)}_\theta(\mathbf z_u^{(k)})$, $Z_u=\sum_iP_{u,i}$ and
# $p_{u,i}=P_{u,i}/Z_u$, the logarithm of equation (2) is
#
# $$\ln p_\theta(\mathbf x_u\mid\mathbf z_u,\mathbf C)
# =\sum_{i=1}^Mx_{u,i}\,\big(\ln P_{u,i}-\ln Z_u\big)=\sum_ix_{u,i}\ln P_{u,i}-n_u\ln Z_u,
# \qquad n_u=\sum_ix_{u,i}.$$
#
# Lines 27 to 30 of Algorithm 1, the function Decoder, compute this: line 28 is $P_{u,i}$ (equations
# (7) and (8)), and line 29 writes the division by $Z_u$ as
# $\text{Softmax}([\ln P_{u,1};\dots;\ln P_{u,M}])$. It is the same:
# $e^{\ln P_{u,i}}/\sum_je^{\ln P_{u,j}}=P_{u,i}/Z_u$.

# %%
Z = P.sum(axis=1)
p = P / Z[:, None]
np.testing.assert_allclose(softmax(np.log(P))[0], p, rtol=1e-10)  # line 29
n = np.asarray(X.sum(axis=1)).ravel()  # how many items each user has
one_by_one = np.array([np.log(p[u, X[[u]].indices]).sum() for u in range(B)])
value, _ = decoder.log_likelihood(z, H, C, X, config.tau)
# macrid averages over the users of a batch
np.testing.assert_allclose(value, one_by_one.mean(), rtol=1e-12)
print(f"{value:.1f} nats a user; a guess at random among {M} items: {-(n * np.log(M)).mean():.1f}")
assert value > -(n * np.log(M)).mean()

# %% [markdown]
# Why this likelihood, and not "adopted or not" for each item by itself? Because the items *compete*
# for a budget of one: the only way to raise $p_{u,i}$ is to lower others. That is ranking, which is
# what we shall be judged by (MultiVAE made the same choice, Liang et al., 2018). The competition is
# visible in the derivative with respect to the logits $\ell_i=\ln P_{u,i}$, which is what the
# softmax of line 29 is applied to. Since $\partial\ln Z_u/\partial\ell_i=P_{u,i}/Z_u$,
#
# $$\frac{\partial\ln p(\mathbf x_u\mid\cdot)}{\partial\ell_i}=x_{u,i}-n_u\,p_{u,i}:
# \qquad\text{what happened, minus what was expected.}$$
#
# Over all items these numbers sum to $n_u-n_u=0$: whatever is given to some is taken from others.

# %%
u = 3
x = X[[u]].toarray()[0]
# a few of the 1,500 coordinates: three of hers, three others
some = np.r_[np.flatnonzero(x)[:3], 0, 700, M - 1]


def through(f, start):
    """f as a function of the coordinates `some` of its array, the others as in `start`."""

    def of_some(values):
        array = start.copy()
        array[some] = values
        return f(array)

    return of_some


log_likelihood_of = lambda logits: (x * (logits - np.log(np.exp(logits).sum()))).sum()
numeric = numerical_gradient(through(log_likelihood_of, np.log(P[u])), np.log(P[u])[some])
np.testing.assert_allclose((x - n[u] * p[u])[some], numeric, atol=1e-6)
assert abs((x - n[u] * p[u]).sum()) < 1e-9

# %% [markdown]
# ## One number per user, and a sparse rest
#
# From here on we minimise,
# $\text{loss}_u=-\ln p(\mathbf x_u\mid\mathbf z_u,\mathbf C)=n_u\ln Z_u-\sum_ix_{u,i}\ln P_{u,i}$,
# and differentiate with respect to $P_{u,i}$ itself. Two lines of calculus,
# $\partial\ln Z_u/\partial P_{u,i}=1/Z_u$ and $\partial\ln P_{u,i}/\partial P_{u,i}=1/P_{u,i}$,
# give
#
# $$\frac{\partial\,\text{loss}_u}{\partial P_{u,i}}
# =\underbrace{\frac{n_u}{Z_u}}_{\text{the same for all items}}-
# \underbrace{\frac{x_{u,i}}{P_{u,i}}}_{\text{zero but for her }n_u\text{ items}} .$$
#
# That is the observation on which `macrid`'s decoder is built. The derivative of a user's loss with
# respect to 1,500 scores is *one number*, and twenty corrections.

# %%
loss_of = lambda scores: (x * -np.log(scores)).sum() + n[u] * np.log(scores.sum())
dP = n[u] / Z[u] - x / P[u]
np.testing.assert_allclose(
    dP[some],
    numerical_gradient(through(loss_of, P[u]), P[u][some], step=1e-4 * P[u][some].min()),
    rtol=1e-3,
)
assert len(np.unique(dP[x == 0])) == 1  # one number

order = np.argsort(-P[u], kind="stable")
rank = np.arange(1, M + 1)
hers = x[order] == 1
figure, axes = plt.subplots(1, 2, figsize=(10, 3.5))
by_P, by_ln_P = dP[order], (n[u] * p[u] - x)[order]
for axis, values, label in (
    (axes[0], by_P, "$\\partial\\,$loss$/\\partial P_{u,i}$"),
    (axes[1], by_ln_P, "$\\partial\\,$loss$/\\partial\\ln P_{u,i}=n_u p_{u,i}-x_{u,i}$"),
):
    others = f"the {(~hers).sum():,} other items"
    axis.plot(rank[~hers], values[~hers], ".", color=COLOURS[0], ms=4, label=others)
    axis.plot(
        rank[hers], values[hers], "^", color=COLOURS[5], ms=6, label=f"her {hers.sum()} items"
    )
    axis.axhline(0, color=GREY, lw=0.8)
    axis.set(xscale="log", xlabel="rank of the item, the most probable first", ylabel=label)
axes[0].ticklabel_format(axis="y", scilimits=(-3, -3))
axes[0].legend(loc="lower left")
plt.show()

# %% [markdown]
# On the left the blue points form a line: that is the constant. On the right the same in terms of
# $\ln P$: every other item is pushed down in proportion to its probability, and each of hers is
# pulled up by $1-n_up_{u,i}$: by nearly one if it comes as a surprise, by little if the model
# expects it (her first).
#
# Now backwards through $P_{u,i}=\sum_kc_{i,k}E_{u,k,i}$ with
# $E_{u,k,i}=\exp(\mathbf z_u^{(k)\top}\mathbf h_i/\tau)$ (rows of unit length, equation (8)). Write
# $w_u=n_u/Z_u$ and pull it out of the bracket,
#
# $$\frac{\partial\,\text{loss}_u}{\partial P_{u,i}}=w_u\Big(1-\frac{x_{u,i}}{w_uP_{u,i}}\Big),
# \qquad E'_{u,k,i}=E_{u,k,i}\Big(1-\frac{x_{u,i}}{w_uP_{u,i}}\Big),$$
#
# so that $E'$ differs from $E$ *only at the adopted items*. The chain rule with
# $\partial P_{u,i}/\partial c_{i,k}=E_{u,k,i}$,
# $\;\partial P_{u,i}/\partial\mathbf z_u^{(k)}=c_{i,k}E_{u,k,i}\mathbf h_i/\tau\;$ and
# $\;\partial P_{u,i}/\partial\mathbf h_i=\sum_kc_{i,k}E_{u,k,i}\mathbf z_u^{(k)}/\tau\;$ gives
#
# $$\frac{\partial\,\text{loss}}{\partial c_{i,k}}=\sum_uw_uE'_{u,k,i},\qquad
# \frac{\partial\,\text{loss}}{\partial\mathbf z_u^{(k)}}
# =\frac{w_u}\tau\sum_iE'_{u,k,i}c_{i,k}\,\mathbf h_i,\qquad
# \frac{\partial\,\text{loss}}{\partial\mathbf h_i}
# =\frac1\tau\sum_{u,k}E'_{u,k,i}c_{i,k}\,w_u\mathbf z_u^{(k)} .$$
#
# No matrix of probabilities appears. What remains is one product to make $E$, one pass of `exp`,
# two products to go back, and work on the adopted items alone. Here it is; the names are those of
# the formulas.

# %%
show(decoder.log_likelihood)

# %% [markdown]
# Is it right? Three witnesses: the formulas above, written with full arrays; the plain twin in
# `macrid`, which goes through the probabilities; and central differences (notebook 8 makes a craft
# of them).

# %%
value, pullback = decoder.log_likelihood(z, H, C, X, config.tau)
dz, dH, dC = (-g for g in pullback(1.0))  # of the loss = -value

dense = X.toarray()
E = np.exp(np.einsum("ukj,ij->uki", z, H) / config.tau)
w = n / Z
bracket = 1 - dense / (w[:, None] * P)
np.testing.assert_allclose(w[u] * bracket[u], dP, rtol=1e-12)  # the same derivative, w_u pulled out
E_prime = E * bracket[:, None, :]
np.testing.assert_allclose(dC, np.einsum("u,uki->ik", w, E_prime) / B, atol=1e-10)
by_z = np.einsum("u,uki,ik,ij->ukj", w, E_prime, C, H, optimize=True) / config.tau
by_H = np.einsum("uki,ik,u,ukj->ij", E_prime, C, w, z, optimize=True) / config.tau
np.testing.assert_allclose(dz, by_z / B, atol=1e-10)
np.testing.assert_allclose(dH, by_H / B, atol=1e-10)

plain_value, plain = decoder.log_likelihood_plain(z, H, C, X, config.tau)
np.testing.assert_allclose(value, plain_value, rtol=1e-10)
for fused, written_out in zip(pullback(1.0), plain(1.0)):
    np.testing.assert_allclose(fused, written_out, atol=1e-9)

rng = np.random.default_rng(4)
tiny = {
    "z": normalise(rng.standard_normal((3, 2, 4)))[0],
    "H": normalise(rng.standard_normal((6, 4)))[0],
    "C": rng.random((6, 2)) + 0.1,
}
few = X[:3, :6].tolil()
# the middle user may well have no item at all: that must work too
few[0, 1] = few[0, 4] = few[2, 3] = 1
few = type(X)(few)
f = lambda **arrays: decoder.log_likelihood(**arrays, X=few, tau=0.5)[0]
gradients = dict(zip(("z", "H", "C"), decoder.log_likelihood(**tiny, X=few, tau=0.5)[1](1.0)))
errors = check(f, tiny, gradients)
print("relative error against central differences:")
print({name: f"{error:.0e}" for name, error in errors.items()})
assert max(errors.values()) < 1e-6

# %% [markdown]
# ## Why a cosine, and why $1/\tau$
#
# **Cosine.** With an inner product an item of large $\|\mathbf h_i\|$ is loud everywhere, and a
# user of large $\|\mathbf z\|$ is very sure of herself; lengths would carry popularity and
# confidence, and $\exp$ of them would overflow. With the cosine only directions speak, they share
# one sphere with the encoder's $\boldsymbol\mu$ and the prototypes, and $E$ is bounded:
# $e^{-1/\tau}\le E\le e^{1/\tau}$.
#
# **Temperature.** But a bounded score has a price. Suppose one item agrees perfectly (cosine $1$)
# and all others disagree perfectly (cosine $-1$). Its probability is as high as it can ever be:
#
# $$p_{\max}=\frac{e^{1/\tau}}{e^{1/\tau}+(M-1)\,e^{-1/\tau}}=\frac1{1+(M-1)\,e^{-2/\tau}} .$$
#
# With $\tau=1$ and the shop's items that is half a percent: such a model *cannot* be sure of
# anything, however long it is trained. Half the probability needs $e^{2/\tau}=M-1$, that is
# $\tau=2/\ln(M-1)$, about 0.27. And nobody can be opposite to all others: in $d$ dimensions the
# cosine of two random directions has mean 0 and standard deviation $1/\sqrt d$ (each of the $d$
# squared coordinates of a unit vector is $1/d$ on average), so the exponents spread by only
# $1/(\tau\sqrt d)$.


# %%
def p_max(tau, M):
    return 1 / (1 + (M - 1) * np.exp(-2 / tau))


extreme = np.vstack([np.eye(1, 10), np.repeat(-np.eye(1, 10), M - 1, axis=0)])
for tau in (1.0, 0.1):
    scores = np.exp(decoder.log_scores(np.eye(1, 10)[None], extreme, np.ones((M, 1)), tau))
    np.testing.assert_allclose(scores[0, 0] / scores.sum(), p_max(tau, M), rtol=1e-9)
print(
    f"M = {M}: p_max is {p_max(1.0, M):.4f} at tau = 1, {p_max(0.1, M):.6f} at tau = .1; one half"
    f" at tau = {2 / np.log(M - 1):.3f}"
)
np.testing.assert_allclose(p_max(2 / np.log(M - 1), M), 0.5)
for d in (10, 200):
    cosines = normalise(rng.standard_normal((20_000, d)))[0] @ np.eye(d)[0]
    assert abs(cosines.std() * d**0.5 - 1) < 0.02

# %% [markdown]
# So what happens if we train with other temperatures, 40 epochs each?

# %%
taus = (0.03, 0.05, 0.1, 0.2, 0.4, 1.0)
quality, sharpness = [], []
for tau in taus:
    here = config.replace(tau=tau)
    state = first if tau == config.tau else fit.fit(parts, here)
    quality.append(state.best_score)
    tastes, _ = model.represent(state.best, parts.train[:200], here)
    of_items, concepts = normalise(state.best["H"])[0], model.concepts(state.best, here)
    scores = np.exp(decoder.log_scores(tastes, of_items, concepts, tau))
    of_user = (scores / scores.sum(axis=1, keepdims=True)).astype(float)
    sharpness.append(np.exp(-(of_user * np.log(np.maximum(of_user, 1e-30))).sum(axis=1)).mean())
# a cold model whose z is calmer in proportion
calm = fit.fit(parts, config.replace(tau=0.03, sigma0=config.sigma0 * 0.3)).best_score

figure, axes = plt.subplots(1, 3, figsize=(11, 3.2))
grid = np.geomspace(0.03, 1, 100)
for size, style in ((1500, "-"), (100_000, "--")):
    axes[0].plot(grid, p_max(grid, size), style, color=INK, label=f"$M$ = {size:,}")
axes[0].set(ylabel="largest possible probability of an item")
axes[0].legend()
axes[1].plot(taus, sharpness, "o-", color=COLOURS[0])
axes[1].axhline(M, color=GREY, ls=":")
axes[1].text(0.03, M, "all items alike", va="bottom", color=INK)
axes[1].set(ylabel="items among which a user's $p_u$ chooses\n(exp of its entropy)", yscale="log")
axes[2].plot(taus, quality, "o-", color=COLOURS[5])
axes[2].set(ylabel="validation NDCG@100", ylim=(0, 0.4))
for axis in axes:
    axis.set(xscale="log", xlabel="temperature $\\tau$")
    axis.set_xticks([0.03, 0.1, 0.3, 1], ["0.03", "0.1", "0.3", "1"])
    axis.minorticks_off()
axes[1].set_yticks([100, 200, 400, 800, 1500], ["100", "200", "400", "800", "1,500"])
axes[1].set(ylim=(70, 2000))
axes[1].minorticks_off()
plt.show()
print("NDCG@100 by tau:", {tau: round(value, 3) for tau, value in zip(taus, quality)})
print(f"tau = 0.03 with sigma0 = {config.sigma0 * 0.3:.2f}: {calm:.3f}")
assert quality[taus.index(0.1)] > 1.2 * quality[taus.index(1.0)]

# %% [markdown]
# The paper's $\tau=0.1$ does well here (one seed and 200 validation users: a standard error of
# .012, so that 0.1 and 0.2 cannot be told apart). Warm models cannot be sure. Cold ones could, but
# do not learn to in 40 epochs. It is tempting to blame the noise of $\mathbf z$, which $1/\tau$
# magnifies; but with a $\sigma_0$ that is smaller in proportion $\tau=0.03$ does little better. It
# may be $1/\tau$ in the gradient itself (the formulas above): the loss is steep, and bends within a
# small angle.
#
# ## A large catalogue: sampled softmax
#
# $Z_u$ is a sum over *all* items, at every step. With a million items one would like to look at a
# few. Line 29's remark allows it: compute $P_{u,i}$ only for a set $S$, the items that the batch
# adopted and $n$ more, drawn at random. Each drawn item then has to speak for those that were not
# drawn. If $n$ items are drawn, item $i$ with probability $q_i$ each time, and it comes up $f_i$
# times,
#
# $$\hat Z_u=\sum_{i\in\text{adopted}}P_{u,i}+\sum_{i\notin\text{adopted}}w_i\,P_{u,i},
# \qquad w_i=\frac{f_i}{n\,q_i} .$$
#
# **The correction** is the weight $w_i$ (of an item; $w_u$ above belongs to a user). Since
# $\mathbb E[f_i]=nq_i$, it is 1 on average and makes $\mathbb E[\hat Z_u]=Z_u$: unbiased, if no
# $q_i$ is zero. In `macrid` the weights multiply $c_{i,k}$, and the decoder is the same function
# over fewer items (adopted ones keep weight 1).

# %%
show(candidates.draw)

# %% [markdown]
# **The bias that stays.** We need $\ln Z_u$, and the logarithm of an unbiased number is biased. Put
# $\hat Z=Z(1+\varepsilon)$ with $\mathbb E\varepsilon=0$ and expand
# $\ln(1+\varepsilon)=\varepsilon-\varepsilon^2/2+\dots$:
#
# $$\mathbb E[\ln\hat Z]\approx\ln Z-\frac{\operatorname{Var}(\hat Z)}{2Z^2} .$$
#
# Too low, so the likelihood looks better than it is. The variance falls as $1/n$, and the bias with
# it. For the uniform draw of $n$ items without replacement it is the textbook formula for a sampled
# sum: with $y_i=P_{u,i}$ for the items not adopted and $y_i=0$ for the others, and $s_y^2$ their
# variance over the catalogue (with divisor $M-1$),
# $\operatorname{Var}(\hat Z)=\frac{M^2}{n}\big(1-\frac nM\big)s_y^2$.

# %%
u = 3
hers = X[[u]].indices
y = P[u].copy()
y[hers] = 0
counts = np.bincount(parts.train.indices, minlength=M)
sizes = (20, 50, 100, 300, 1000)
repeats = 1500
results = {}
for kind in ("uniform", "popularity"):
    for size in sizes:
        drawing = Config(candidates=size, candidate_sampling=kind, precision="float64")
        rng = np.random.default_rng(5)
        estimates, bare = np.empty(repeats), np.empty(repeats)
        for r in range(repeats):
            items, weight = candidates.draw(rng, X[[u]], drawing, counts)
            estimates[r] = weight @ P[u, items]
            bare[r] = P[u, items].sum()  # without the correction
        results[kind, size] = estimates, bare

for (kind, size), (estimates, _) in results.items():
    # unbiased
    assert abs(estimates.mean() - Z[u]) < 4 * estimates.std() / repeats**0.5, (kind, size)
variance = {size: M**2 / size * (1 - size / M) * y.var(ddof=1) for size in sizes}
for size in (20, 50, 100):
    assert np.log(results["uniform", size][0]).mean() < np.log(Z[u])  # too low
for size in (100, 300, 1000):
    estimates, _ = results["uniform", size]
    np.testing.assert_allclose(estimates.var(), variance[size], rtol=0.3)
    bias, second_order = np.log(estimates).mean() - np.log(Z[u]), -variance[size] / (2 * Z[u] ** 2)
    error = np.log(estimates).std() / repeats**0.5
    assert abs(bias - second_order) < 0.3 * abs(second_order) + 4 * error

# all items as candidates: the full softmax, exactly
items, weight = candidates.draw(rng, X[[u]], Config(candidates=M, precision="float64"))
assert len(items) == M and (weight == 1).all()

# %%
figure, axis = plt.subplots(figsize=(7.5, 3.8))
for place, (kind, marker) in enumerate((("uniform", "o"), ("popularity", "^"))):
    logs = [np.log(results[kind, size][0]) for size in sizes]
    bias = [log.mean() - np.log(Z[u]) for log in logs]
    errors = [2 * log.std() / repeats**0.5 for log in logs]
    look = {"color": COLOURS[place], "marker": marker, "capsize": 3}
    axis.errorbar(sizes, bias, errors, label=f"{kind} draws, corrected by $w_i$", **look)
second_order = [-variance[size] / (2 * Z[u] ** 2) for size in sizes]
axis.plot(sizes, second_order, ":", color=INK, label="$-$Var$(\\hat Z)/(2Z^2)$, uniform")
uncorrected = [np.log(results["uniform", size][1]).mean() - np.log(Z[u]) for size in sizes]
axis.plot(sizes, uncorrected, "s--", color=COLOURS[5], label="uniform draws, not corrected")
axis.axhline(0, color=GREY, lw=0.8)
axis.set(xscale="log", xlabel="items drawn, $n$ (of 1,500)", ylabel="bias of $\\ln\\hat Z_u$, nats")
axis.set_xticks(sizes, sizes)
axis.minorticks_off()
axis.legend(fontsize=9)
plt.show()

# %% [markdown]
# Without weights a step would believe that the adopted items are most of the world. With them the
# bias is small and known (the dotted line is its second-order formula, which is rough at $n=20$);
# what remains is noise. Draws by popularity help only as far as popular items are the ones with
# large $P_{u,i}$.
#
# ## Where you are
#
# | equation, line | function | test |
# |---|---|---|
# | the first term of (3); lines 27 to 30 | `model.decoder.log_likelihood` | `model/test_decoder.py::test_log_likelihood`, `test_equals_its_plain_twin` |
# | $\partial\,\text{loss}/\partial P=n_u/Z_u-x_{u,i}/P_{u,i}$ | `model.decoder.log_likelihood` | `model/test_decoder.py::test_log_likelihood` |
# | the range of (8), small $\tau$ | `model.decoder.exponents` | `model/test_decoder.py::test_any_tau_gives_what_a_plain_log_sum_exp_does` |
# | line 29's remark: sampled softmax | `model.candidates.draw` | `model/test_candidates.py::test_the_estimate_of_the_partition_function_is_unbiased`, `test_all_items_as_candidates_are_the_full_softmax` |
#
# ## Exercises
#
# **1.** At a maximum of the likelihood in $P$ alone (nothing else constrains it), what is
# $p_{u,i}$? Read it off the gradient.
#
# <details><summary>Solution</summary>
#
# $x_{u,i}-n_up_{u,i}=0$ for all $i$: $p_{u,i}=x_{u,i}/n_u$, all probability on the items that she
# has already. That is perfect memory and a useless recommender. What keeps the model from it is
# that $P$ is *not* free: $d$ numbers a concept must serve all users, and $\mathbf z$ is noisy.
#
# ```python
# print("a perfect memory would reach", round(float(-(n * np.log(n)).mean()), 1), "nats a user")
# print("this model reaches", round(float(value), 1))
# # a perfect memory would reach -77.9 nats a user
# # this model reaches -117.0
# ```
# </details>
#
# **2.** The weights make $\hat Z$ unbiased. Add the second-order term back,
# $\ln\hat Z+\widehat{\operatorname{Var}}/(2\hat Z^2)$, with the variance estimated from the sample
# itself, and see how much of the bias goes for $n=50$ uniform draws.
#
# <details><summary>Solution</summary>
#
# ```python
# size, rng = 50, np.random.default_rng(6)
# drawing, plain_logs, mended = Config(candidates=size, precision="float64"), [], []
# for _ in range(2000):
#     items, weight = candidates.draw(rng, X[[u]], drawing)
#     new = P[u, items[weight > 1]]
#     Z_hat = weight @ P[u, items]
#     s2 = ((new**2).sum() - new.sum() ** 2 / size) / (size - 1)
#     plain_logs.append(np.log(Z_hat))
#     mended.append(np.log(Z_hat) + M**2 / size * (1 - size / M) * s2 / (2 * Z_hat**2))
# print(np.round([np.mean(plain_logs) - np.log(Z[u]), np.mean(mended) - np.log(Z[u])], 3))
# # [-0.062 -0.019]
# ```
# Two thirds of it.
# </details>
#
# **3.** In the tiny check one user may have no items. Which line of `log_likelihood` makes her
# gradient zero?
#
# <details><summary>Solution</summary>
#
# `w = n[tile] / Z`: with $n_u=0$ her weight is 0, and she has no positives. Nothing is divided by
# $n_u$.
#
# ```python
# empty = type(X)((1, M), dtype=float)
# _, pullback = decoder.log_likelihood(z[:1], H, C, empty, config.tau)
# print([float(np.abs(gradient).max()) for gradient in pullback(1.0)])
# # [0.0, 0.0, 0.0]
# ```
# </details>
#
# **Next:** [notebook 4](04_kl.ipynb), the other term of the bound.
