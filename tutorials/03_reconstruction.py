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
# [← 02](02_elbo.ipynb) · [all notebooks](README.md) · [04 →](04_kl.ipynb) ·
# [this one, to fill in yourself](blank/03_reconstruction.ipynb). It takes some 36 CPU seconds.
#
# ![Algorithm 1 as a graph: you are here](images/03_reconstruction.svg)
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
import numpy as np
import shopper
from lesson import figure_style, progress, show, the_shop
from plots import reconstruction as plots

from macrid import model
from macrid.config import Config
from macrid.model import candidates, decoder, plain
from macrid.model.gradcheck import check, check_op, numerical_gradient
from macrid.model.ops import normalise, softmax
from macrid.training import fit

figure_style()

# %%
made, parts, config = the_shop()
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
value, _ = decoder.log_likelihood(z, H, np.log(C), X, config.tau)
# macrid averages over the users of a batch
np.testing.assert_allclose(value, one_by_one.mean(), rtol=1e-12)
print(
    f"{value:.1f} nats per user; a guess at random among {M} items: {-(n * np.log(M)).mean():.1f}"
)
assert value > -(n * np.log(M)).mean()

# %% [markdown]
# **The shopper.** Her taste as it was sampled (notebook 6), eight products, and equation (7) in
# numbers. Her likelihood is the sum of three logarithms.

# %%
her = shopper.follow()
shopper.write(c=her.C, E=her.E.T, P=her.P, p=her.p)
print(
    f"Z = {her.Z:.0f}; ln p(x | z, C) = {np.log(her.p[shopper.x[0] == 1]).round(2)} added,", end=" "
)
print(f"{her.reconstruction:.2f}")
np.testing.assert_allclose((her.C * her.E.T).sum(axis=1), her.P)  # (7)
np.testing.assert_allclose((shopper.x[0] * np.log(her.P / her.Z)).sum(), her.reconstruction)

# %% [markdown]
# The page that holds the whole model, `macrid/model/plain.py`, does this for a batch:

# %%
show(plain.decoder)

# %% [markdown]
# Its inner function is the way back, to which we come now.
#
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

# **Your turn.** Write it as an *op*: a function that returns its value and its *pullback*. The
# pullback takes $\bar v$, the derivative of some number (the loss) with respect to the value $v$,
# and returns that number's derivatives with respect to the arguments, here $\bar v\,\partial
# v/\partial\ell_i$. `check_op` judges it by central differences, $(v(\ell_i+h)-v(\ell_i-h))/2h$.
# (Notebook 8 makes a craft of it.)


# %%
# your turn
def my_likelihood(logits, x):
    """sum_i x_i (l_i - ln sum_j exp(l_j)) for logits (M,) and the items x (M,), 0 or 1."""

    def pullback(dvalue):
        raise NotImplementedError("return the derivative by the logits, (M,)")

    raise NotImplementedError("return the value, a number, and the pullback")


# %%
# solution
def my_likelihood(logits, x):
    """sum_i x_i (l_i - ln sum_j exp(l_j)) for logits (M,) and the items x (M,), 0 or 1."""
    total = np.exp(logits).sum()

    def pullback(dvalue):
        return dvalue * (x - x.sum() * np.exp(logits) / total)

    return (x * (logits - np.log(total))).sum(), pullback


# %%
rng = np.random.default_rng(4)
arguments = {"logits": np.log(her.P / her.Z), "x": shopper.x[0]}
assert abs(my_likelihood(**arguments)[0] - her.reconstruction) < 1e-9, "the value"
print(check_op(my_likelihood, arguments, rng, ["logits"]))

# %% [markdown]
# The same for a user of the shop, and its sum over all items:

# %%
u = 3
x = X[[u]].toarray()[0]
# a few of the 1,500 coordinates: three of hers, three others
some = np.r_[np.flatnonzero(x)[:3], 0, 700, M - 1]


def through(f, start, some):
    """f as a function of the coordinates `some` of its array, the others as in `start`."""

    def of_some(values):
        array = start.copy()
        array[some] = values
        return f(array)

    return of_some


log_likelihood_of = lambda logits: (x * (logits - np.log(np.exp(logits).sum()))).sum()
at_some = through(log_likelihood_of, np.log(P[u]), some)
numeric = numerical_gradient(at_some, np.log(P[u])[some])
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

# **Your turn**, for one user with scores `P` (M,) and items `x` (M,):


# %%
# your turn
def my_dP(P, x):
    """The derivative of n ln Z - sum_i x_i ln P_i by every P_i: (M,)."""
    raise NotImplementedError("one number for all, and a correction")


# %%
# solution
def my_dP(P, x):
    """The derivative of n ln Z - sum_i x_i ln P_i by every P_i: (M,)."""
    return x.sum() / P.sum() - x / P


# %% [markdown]
# The judge knows no formula. It moves the score of an item a little, up and down, and looks at the
# loss: for three of her items, and for twelve others, which must all give *the same* number.

# %%
loss_of = lambda scores: (x * -np.log(scores)).sum() + n[u] * np.log(scores.sum())
others = np.flatnonzero(x == 0)[:: M // 12]
moved = np.r_[np.flatnonzero(x)[:3], others]
step = 1e-4 * P[u][moved].min()
numeric = numerical_gradient(through(loss_of, P[u], moved), P[u][moved], step=step)
one_number = numeric[3:]
print(f"{len(others)} other items: {one_number.min():.6g} to {one_number.max():.6g}")
assert np.ptp(one_number) < 1e-3 * one_number.mean()  # the same for all, by differences alone
assert np.ptp(P[u][others]) > P[u][others].min()  # however unlike their scores are
np.testing.assert_allclose(my_dP(P[u], x)[moved], numeric, rtol=1e-3)

# %%
print(f"the shopper: n / Z = 3 / {her.Z:.0f}; in units of 1 / Z:")
shopper.write(P=her.P, **{"Z dloss/dP": my_dP(her.P, shopper.x[0]) * her.Z})

# %% [markdown]
# **Predict** how the derivative will look, item by item, in the order of their probability: by $P$,
# and by $\ln P$.

# %%
order = np.argsort(-P[u], kind="stable")
dP = n[u] / Z[u] - x / P[u]
plots.derivatives(dP[order], (n[u] * p[u] - x)[order], x[order] == 1)

# %% [markdown]
# On the left the blue points form a line: that is the constant. On the right the same in terms of
# $\ln P$: every other item is pushed down in proportion to its probability, and each of hers is
# pulled up by $1-n_up_{u,i}$: by nearly one if it comes as a surprise, by little if the model
# expects it (her first).
#
# Now backwards through $P_{u,i}=\sum_kG_{u,k,i}$ with $G_{u,k,i}=c_{i,k}\exp(\mathbf
# z_u^{(k)\top}\mathbf h_i/\tau)$. Here and below $\mathbf z$ and $\mathbf h$ are the vectors
# *after* division by their lengths, and the derivatives are with respect to these. (From there to
# the vectors as they are stored is one more step, the pullback of $\mathbf a/\|\mathbf a\|$:
# notebook 5.) A weight inside an exponential is one more term of the exponent, so with
# $\mathbf e_k$, 1 at $k$ and 0 elsewhere, and $\ln\mathbf c_i$ as $K$ further coordinates,
#
# $$G_{u,k,i}=\exp a_{u,k,i},\qquad
# a_{u,k,i}=\frac{\mathbf z_u^{(k)\top}\mathbf h_i}\tau+\ln c_{i,k}
# =\frac1\tau\big[\mathbf z_u^{(k)},\tau\mathbf e_k\big]^\top\big[\mathbf h_i,\ln\mathbf c_i\big].$$
#
# $\partial P_{u,i}/\partial a_{u,k,i}=G_{u,k,i}$. Write $w_u=n_u/Z_u$ and $q_{u,k,i}=
# G_{u,k,i}/P_{u,i}$, the share of concept $k$ in the score, and pull $w_u$ out:
#
# $$\frac{\partial\,\text{loss}_u}{\partial a_{u,k,i}}=w_uG_{u,k,i}-x_{u,i}q_{u,k,i}=w_uG'_{u,k,i},
# \qquad G'_{u,k,i}=G_{u,k,i}-\frac{x_{u,i}q_{u,k,i}}{w_u},$$
#
# so that $G'$ differs from $G$ *only at the adopted items*. As $a$ is an inner product, so are
# its derivatives, of $G'$ with one side or the other:
#
# $$\frac{\partial\,\text{loss}}{\partial\mathbf z_u^{(k)}}
# =\frac{w_u}\tau\sum_iG'_{u,k,i}\,\mathbf h_i,\qquad
# \Big[\frac{\partial\,\text{loss}}{\partial\mathbf h_i},
# \frac{\partial\,\text{loss}}{\partial\ln\mathbf c_i}\Big]
# =\frac1\tau\sum_{u,k}G'_{u,k,i}\,w_u\big[\mathbf z_u^{(k)},\tau\mathbf e_k\big] .$$
#
# No matrix of probabilities appears. What remains is one product to make $a$, one pass of `exp`,
# two products to go back, and work on the adopted items alone. `plain.decoder`, above, does go
# through a matrix of probabilities; here is the fast one. The names are those of the formulas.

# %%
show(decoder.log_likelihood)

# %% [markdown]
# Is it right? Three witnesses: the formulas above, written with full arrays; the plain twin in
# `macrid`, which goes through the probabilities; and central differences (notebook 8 makes a craft
# of them).

# %%
value, pullback = decoder.log_likelihood(z, H, np.log(C), X, config.tau)
dz, dH, dlog_C = (-g for g in pullback(1.0))  # of the loss = -value

dense = X.toarray()
G, w = np.exp(np.einsum("ukj,ij->uki", z, H) / config.tau) * C.T, n / Z
q = G / P[:, None, :]
G_prime = G - dense[:, None, :] * q / w[:, None, None]
np.testing.assert_allclose(w[u] * G_prime[u], dP * G[u], atol=1e-9)  # the same, w_u pulled out
np.testing.assert_allclose(dlog_C, np.einsum("u,uki->ik", w, G_prime) / B, atol=1e-10)
by_z = np.einsum("u,uki,ij->ukj", w, G_prime, H, optimize=True) / config.tau
by_H = np.einsum("uki,u,ukj->ij", G_prime, w, z, optimize=True) / config.tau
np.testing.assert_allclose(dz, by_z / B, atol=1e-10)
np.testing.assert_allclose(dH, by_H / B, atol=1e-10)

plain_value, plain_pullback = decoder.log_likelihood_plain(z, H, np.log(C), X, config.tau)
np.testing.assert_allclose(value, plain_value, rtol=1e-10)
for fused, written_out in zip(pullback(1.0), plain_pullback(1.0)):
    np.testing.assert_allclose(fused, written_out, atol=1e-9)

# %%
tiny = {
    "z": normalise(rng.standard_normal((3, 2, 4)))[0],
    "H": normalise(rng.standard_normal((6, 4)))[0],
    "log_C": np.log(rng.random((6, 2)) + 0.1),
}
few = X[:3, :6].tolil()
# the middle user may well have no item at all: that must work too
few[0, 1] = few[0, 4] = few[2, 3] = 1
few = type(X)(few)
f = lambda **arrays: decoder.log_likelihood(**arrays, X=few, tau=0.5)[0]
gradients = dict(zip(tiny, decoder.log_likelihood(**tiny, X=few, tau=0.5)[1](1.0)))
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

# %%
from lesson import touch

touch("03_tau")

# %% [markdown]
# So what happens if we train with other temperatures, 40 epochs each? **Predict:** which do worst,
# the cold or the warm, and why?


# %%
def mean_choice(state, here):
    """exp of the entropy of p_u, the mean over 200 users: among how many items they choose."""
    tastes, _ = model.represent(state.best, parts.train[:200], here)
    of_items, concepts = normalise(state.best["H"])[0], model.concepts(state.best, here)
    scores = np.exp(decoder.log_scores(tastes, of_items, concepts, here.tau))
    of_user = (scores / scores.sum(axis=1, keepdims=True)).astype(float)
    return np.exp(-(of_user * np.log(np.maximum(of_user, 1e-30))).sum(axis=1)).mean()


# %%
taus = (0.03, 0.05, 0.1, 0.2, 0.4, 1.0)
quality, sharpness = [], []
for tau in progress(taus, "temperature"):
    here = config.replace(tau=tau)
    state = first if tau == config.tau else fit.fit(parts, here)
    quality.append(state.best_score)
    sharpness.append(mean_choice(state, here))
# a cold model whose z is calmer in proportion
calm = fit.fit(parts, config.replace(tau=0.03, sigma0=config.sigma0 * 0.3)).best_score
print("NDCG@100 by tau:", {tau: round(value, 3) for tau, value in zip(taus, quality)})
print(f"tau = 0.03 with sigma0 = {config.sigma0 * 0.3:.2f}: {calm:.3f}")
assert quality[taus.index(0.1)] > 1.2 * quality[taus.index(1.0)]

# %%
plots.temperatures(p_max, taus, sharpness, quality, M)

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

# %% [markdown]
# **Your turn:** the weight of a drawn item.


# %%
# your turn
def my_weight(drawn, n, q):
    """The weight of an item that came up `drawn` times in n draws, each with probability q."""
    raise NotImplementedError("so that the mean of weight times y is y, whatever y is")


# %%
# solution
def my_weight(drawn, n, q):
    """The weight of an item that came up `drawn` times in n draws, each with probability q."""
    return drawn / (n * q)


# %%
q = np.array([0.5, 0.3, 0.15, 0.05])
drawn = rng.multinomial(10, q, size=200_000)  # 10 draws from four items, many times
values = np.array([3.0, 1.0, 4.0, 1.5])
estimates = (my_weight(drawn, 10, q) * values).sum(axis=1)
print(f"sum {values.sum()}, estimated {estimates.mean():.3f} on average")
assert abs(estimates.mean() - values.sum()) < 4 * estimates.std() / len(drawn) ** 0.5

# %% [markdown]
# Now for a user of the shop: 4,000 estimates for each number of draws. They must be right on
# average, and their logarithms wrong by what the formula says. At $n=50$ the bias stands out from
# its standard error six times over, so that a formula that said 0 would not pass.


# %%
def estimate(size, kind, repeats=4000):
    """Estimates of Z_u from `size` draws, with weights and without: (repeats, 2)."""
    drawing = Config(candidates=size, candidate_sampling=kind, precision="float64")
    rng, estimates = np.random.default_rng(5), []
    for _ in range(repeats):
        items, weight = candidates.draw(rng, X[[u]], drawing, counts)
        estimates.append((weight @ P[u, items], P[u, items].sum()))
    return np.array(estimates)


counts = np.bincount(parts.train.indices, minlength=M)
sizes = (20, 50, 100, 300, 1000)
cases = [(kind, size) for kind in ("uniform", "popularity") for size in sizes]
results = {(kind, size): estimate(size, kind) for kind, size in progress(cases, "draws")}
for case, estimates in results.items():
    estimates = estimates[:, 0]  # unbiased
    assert abs(estimates.mean() - Z[u]) < 4 * estimates.std() / len(estimates) ** 0.5, case

# %%
y = np.where(x == 1, 0.0, P[u])  # what is estimated: the items not adopted
variance = {size: M**2 / size * (1 - size / M) * y.var(ddof=1) for size in sizes}
second_order = {size: -variance[size] / (2 * Z[u] ** 2) for size in sizes}
for size in (50, 100, 300):
    logs = np.log(results["uniform", size][:, 0])
    bias, error = logs.mean() - np.log(Z[u]), logs.std() / len(logs) ** 0.5
    print(f"n = {size}: bias {bias:.4f} ± {error:.4f}, by the formula {second_order[size]:.4f}")
    assert abs(bias - second_order[size]) < 0.3 * abs(second_order[size]) + 3 * error
    np.testing.assert_allclose(results["uniform", size][:, 0].var(), variance[size], rtol=0.2)
    assert size > 50 or abs(bias) > 6 * error  # so 0 is not within what was allowed

# all items as candidates: the full softmax, exactly
items, weight = candidates.draw(rng, X[[u]], Config(candidates=M, precision="float64"))
assert len(items) == M and (weight == 1).all()

# %% [markdown]
# **Predict:** what will the bias be without the weights, at $n=20$ and at $n=1000$?


# %%
def of_logs(kind, column):
    """The bias of ln Z and its standard error, by size; column 0 is with weights."""
    logs = np.log([results[kind, size][:, column] for size in sizes])
    return logs.mean(axis=1) - np.log(Z[u]), logs.std(axis=1) / logs.shape[1] ** 0.5


curves = {kind: of_logs(kind, 0) for kind in ("uniform", "popularity")}
plots.bias(sizes, curves, list(second_order.values()), of_logs("uniform", 1)[0])

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
# that $P$ is *not* free: $d$ numbers per concept must serve all users, and $\mathbf z$ is noisy.
#
# ```python
# print("a perfect memory would reach", round(float(-(n * np.log(n)).mean()), 1), "nats per user")
# print("this model reaches", round(float(value), 1))
# # a perfect memory would reach -77.9 nats per user
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
# # [-0.061 -0.018]
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
# _, pullback = decoder.log_likelihood(z[:1], H, np.log(C), empty, config.tau)
# print([float(np.abs(gradient).max()) for gradient in pullback(1.0)])
# # [0.0, 0.0, 0.0]
# ```
# </details>
#
# **Next:** [notebook 4](04_kl.ipynb), the other term of the bound.
