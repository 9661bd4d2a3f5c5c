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
# # 2. The ELBO: a floor under what cannot be computed
#
# [← 01](01_story.ipynb) · [all notebooks](README.md) · [03 →](03_reconstruction.ipynb) ·
# [this one, to fill in yourself](blank/02_elbo.ipynb). It takes some 13 CPU seconds.
#
# ![Algorithm 1 as a graph: you are here](images/02_elbo.svg)
#
# *After this notebook you know where the objective of the model comes from, equation (3), line by
# line; and you have seen that it is a lower bound, by how much, and why.*
#
# You need calculus, NumPy, and the story of [notebook 1](01_story.ipynb): concepts
# $\mathbf C\sim p_\theta(\mathbf C)$, tastes $\mathbf z_u\sim p_\theta(\mathbf z_u)$, then items.
# About 25 minutes.
#
# Training should make the data probable: make $\sum_u\ln p_\theta(\mathbf x_u)$ large. But by
# equation (1) each $p_\theta(\mathbf x_u)$ is a sum over all assignments of items to concepts, of
# an integral over all tastes. The way out is to climb a floor that lies below
# $\ln p_\theta(\mathbf x_u)$ and *can* be computed: the **evidence lower bound**, ELBO.
#
# (*All assignments*, for each user: in equation (1) the sum over $\mathbf C$ stands inside
# $p_\theta(\mathbf x_u)$. Every user meets a $\mathbf C$ of her own; it is not drawn once for the
# whole shop. Keep that in mind. It will matter twice.)
#
# We write $\mathbf x,\mathbf z$ for one user's $\mathbf x_u,\mathbf z_u$, and leave out $\theta$
# where nothing is lost.
#
# ## A world with every number in reach
#
# Four items, two concepts, tastes of two numbers each ($M=4$, $K=2$, $d=2$): there are $2^4=16$
# matrices $\mathbf C$, and $\mathbf z$ is a point in $\mathbb R^4$, which a grid can still cover.
# We use the inner product instead of the cosine (an option of `macrid`): its densities are smooth
# everywhere, so that a coarse grid is as good as exact. Nothing below depends on that choice.

# %%
import itertools

import numpy as np
import shopper
from lesson import COLOURS, GREY, figure_style, progress, show
from plots import elbo as plots
from scipy import sparse

from macrid import model
from macrid.config import Config
from macrid.model import decoder, encoder, plain
from macrid.training import adam
from macrid.training.batch import Noise, draw_noise

figure_style()

# %%
config = Config(
    K=2,
    d=2,
    tau=1.0,
    sigma0=1.0,
    similarity="inner",
    hidden_layers=0,
    dropout=0.0,
    precision="float64",
    learning_rate=0.05,
)

# %%
parameters = {
    "H": np.array([[2.0, 0.6], [-1.2, -1.6], [1.4, 1.5], [0.5, -1.8]]),  # h_i: (M, d)
    "m": np.array([[0.2, 0.5], [-0.3, -0.2]]),  # prototypes: (K, d)
    "T": np.array([[-0.5, 0.8], [0.9, -0.4], [0.3, 0.8], [0.6, 0.2]]),  # t_i, for the encoder
    # f_nn, one linear layer d -> 2d
    "W0": np.array([[0.9, -0.5, 0.3, 0.1], [0.4, 0.7, -0.1, 0.2]]),
    "b0": np.array([-0.4, 0.2, 1.0, 0.8]),
}
x = sparse.csr_array(np.array([[1.0, 0, 1, 0]]))  # she adopted the items 0 and 2
items = x.indices


# %%
# (16, M, K) one-hot
all_C = np.array([np.eye(2)[list(ks)] for ks in itertools.product(range(2), repeat=4)])
dice = model.concepts(parameters, config)  # (M, K): p(c_i), equation (6)
p_C = np.array([(dice * C).sum(axis=1).prod() for C in all_C])  # (16,): p(C) = prod_i p(c_i)
assert abs(p_C.sum() - 1) < 1e-12

# %%
side = np.linspace(-5.5, 5.5, 21)
cell = (side[1] - side[0]) ** 4
# (points, K, d)
z = np.stack(np.meshgrid(side, side, side, side, indexing="ij"), axis=-1).reshape(-1, 2, 2)


# %%
def ln_normal(z, mean, deviation):
    """ln N(z; mean, deviation^2), summed over concepts and dimensions."""
    squares = ((z - mean) / deviation) ** 2
    return (-0.5 * squares - np.log(deviation) - 0.5 * np.log(2 * np.pi)).sum(axis=(-2, -1))


def ln_likelihood(z, C):
    """ln p(x | z, C), equations (2), (7), (8), for every z."""
    P = np.exp(decoder.log_scores(z, parameters["H"], C, config.tau, cosine=False))
    return np.log(P[:, items] / P.sum(axis=1, keepdims=True)).sum(axis=1)


ln_prior = ln_normal(z, 0.0, config.sigma0)  # ln p(z)
ln_like = np.array([ln_likelihood(z, C) for C in all_C])  # (16, points): ln p(x | z, C)
assert abs(np.exp(ln_prior).sum() * cell - 1) < 1e-6  # the grid is wide and fine enough

# %% [markdown]
# Equation (1), computed without mercy, and with it the **true posterior**, what the user's items
# really say about $\mathbf z$ and $\mathbf C$ (Bayes' rule):
#
# $$p(\mathbf x)=\sum_{\mathbf C}p(\mathbf C)\int p(\mathbf x
# \mid\mathbf z,\mathbf C)\,p(\mathbf z)\,d\mathbf z,\qquad
# p(\mathbf z,\mathbf C\mid\mathbf x)
# =\frac{p(\mathbf x\mid\mathbf z,\mathbf C)\,p(\mathbf z)\,p(\mathbf C)}{p(\mathbf x)} .$$

# %%
ln_joint = ln_like + ln_prior + np.log(p_C)[:, None]  # ln p(x, z, C): (16, points)
ln_p_x = np.log(np.exp(ln_joint).sum() * cell)
ln_posterior = ln_joint - ln_p_x  # ln p(z, C | x)
assert abs(np.exp(ln_posterior).sum() * cell - 1) < 1e-12

# %% [markdown]
# **A witness that knows no formula.** The three lines above are algebra: if
# `ln_likelihood` were wrong they would agree with each other all the same. So we tell the story
# 600,000 times, to the very end: a $\mathbf C$, a $\mathbf z$, two visits. How often do the visits
# happen to be hers, item 0 and then item 2? And of *those* stories, what were $\mathbf C$ and
# $\mathbf z$? That is the posterior, without Bayes.

# %%
rng = np.random.default_rng(3)
told = 600_000
which = rng.choice(len(all_C), told, p=p_C)
tastes = config.sigma0 * rng.standard_normal((told, 2, 2))  # (told, K, d)
h, concept_of = parameters["H"], all_C[which].argmax(axis=2)  # (told, M): each item's concept
agreement = np.einsum("nmd,md->nm", tastes[np.arange(told)[:, None], concept_of], h)
upto = np.exp(agreement).cumsum(axis=1)
visit = lambda: (rng.random((told, 1)) * upto[:, -1:] > upto).sum(axis=1)
hers = (visit() == 0) & (visit() == 2)
share = hers.mean()
error = np.sqrt((1 - share) / share / told)  # of ln share
print(f"ln p(x) = {ln_p_x:.4f} on the grid, {np.log(share):.4f} ± {error:.4f} by counting stories")
assert abs(np.log(share) - ln_p_x) < 4 * error

# %%
p_C_given_x = np.exp(ln_posterior).sum(axis=1) * cell  # (16,): p(C | x)
counted = np.bincount(which[hers], minlength=len(all_C)) / hers.sum()
close = 4 * np.sqrt(p_C_given_x * (1 - p_C_given_x) / hers.sum())
assert (abs(counted - p_C_given_x) < close).all()
mean_z = np.einsum("cn,nkd->kd", np.exp(ln_posterior) * cell, z)  # (K, d)
of_hers = tastes[hers]
assert (abs(of_hers.mean(axis=0) - mean_z) < 4 * of_hers.std(axis=0) / len(of_hers) ** 0.5).all()
print(f"mean of z given x, on the grid {mean_z.ravel().round(3)}")
print(f"      in the {len(of_hers):,} stories {of_hers.mean(axis=0).ravel().round(3)}")

# %% [markdown]
# ## The encoder's guess
#
# With 1,500 items nobody can tabulate the posterior. So an **encoder** guesses it: for given items
# and concepts it names a normal distribution (how it does that is notebook 6),
#
# $$q(\mathbf z\mid\mathbf x,\mathbf C)=\prod_{k}\mathcal N
# \big(\boldsymbol\mu^{(k)},\operatorname{diag}(\boldsymbol\sigma^{(k)})^2\big).$$
#
# About $\mathbf C$ it guesses nothing new. The paper *chooses* to take the concepts as they come
# from the prototypes:
#
# $$q(\mathbf z,\mathbf C\mid\mathbf x)=q(\mathbf z\mid\mathbf x,\mathbf C)\;p(\mathbf C).$$
#
# This is a definition, not a claim about the world. A user's items do tell something about
# $\mathbf C$, and this $q$ does not listen; we shall see what that costs.


# %%
def guess(parameters):
    """ln q(z | x, C) on the grid for all 16 C: (16, points)."""
    of_C = lambda C: [a[0] for a in model.represent(parameters, x, config, C)]  # mu, sigma
    return np.array([ln_normal(z, *of_C(C)) for C in all_C])


ln_q = guess(parameters) + np.log(p_C)[:, None]  # ln q(z, C | x)
q = np.exp(ln_q) * cell  # probability of every cell, for every C
assert abs(q.sum() - 1) < 1e-5
E_q = lambda f: (q * f).sum()  # expectation under q(z, C | x)

# %%
# look at one C: items 0 and 3 in concept 1, items 1 and 2 in concept 2
shown = int(np.flatnonzero((all_C[:, :, 0] == [1, 0, 0, 1]).all(axis=1))[0])
fine = np.linspace(-2.7, 3.1, 59)
plane = np.stack(np.meshgrid(fine, fine, indexing="ij"), axis=-1).reshape(-1, 2)
coarse = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)


def posterior_of_component(k):
    """p(z^(k) | x, C) on the plane: the other component is summed out."""
    both = np.empty((len(plane), len(coarse), 2, 2))
    both[:, :, k], both[:, :, 1 - k] = plane[:, None], coarse
    flat = both.reshape(-1, 2, 2)
    ln_both = ln_likelihood(flat, all_C[shown]) + ln_normal(flat, 0.0, 1.0)
    return np.exp(ln_both).reshape(len(plane), -1).sum(axis=1)


# %%
mu, sigma = (a[0] for a in model.represent(parameters, x, config, all_C[shown]))
at, given = plane[:, None, :], "(\\mathbf{z}|\\mathbf{x},\\mathbf{C})"
densities = [
    [
        (np.exp(ln_normal(at, 0.0, 1.0)), GREY, ":", "prior $p(\\mathbf{z})$"),
        (posterior_of_component(k), COLOURS[0], "-", f"true posterior $p{given}$"),
        (np.exp(ln_normal(at, mu[k], sigma[k])), COLOURS[1], "--", f"encoder's $q{given}$"),
    ]
    for k in range(2)
]

# %% [markdown]
# **Predict:** she adopted the items 0 and 2. Where, in the plane of each concept, will the true
# posterior lie, compared with the prior's circles? And what shape can the encoder's guess have?

# %%
plots.guesses(fine, densities, parameters["H"], all_C[shown], items)

# %% [markdown]
# Contours at 10%, 40% and 80% of the maximum, under the $\mathbf C$ that puts the items 0 and 3
# into concept 1, 1 and 2 into concept 2. The true posterior leans towards the adopted items. The
# encoder, untrained, guesses something else, and its mean sits on the unit circle (thin), as
# equation (9) has it.
#
# ## Equation (3), line by line
#
# $$\ln p_\theta(\mathbf x_u)\ \ge\ \mathbb E_{p_\theta(\mathbf C)}
# \Big[\mathbb E_{q_\theta(\mathbf z_u\mid\mathbf x_u,\mathbf C)}
# \big[\ln p_\theta(\mathbf x_u\mid\mathbf z_u,\mathbf C)\big]-
# D_{\rm KL}\big(q_\theta(\mathbf z_u\mid\mathbf x_u,\mathbf C)\,
# \|\,p_\theta(\mathbf z_u)\big)\Big].\tag{3}$$
#
# $D_{\rm KL}(q\|p)=\mathbb E_q[\ln(q/p)]$ is the Kullback-Leibler divergence: how many nats (units
# of $\ln$) a person loses on average who believes $p$ while $q$ is true. Below, $\mathbb E_q$ is
# the expectation over $q(\mathbf z,\mathbf C\mid\mathbf x)$.
#
# **Line 1.** $\ln p(\mathbf x)$ does not depend on $\mathbf z$ or $\mathbf C$, and the average of a
# constant is the constant:
# $$\ln p(\mathbf x)=\mathbb E_q[\ln p(\mathbf x)].$$
#
# **Line 2.** The product rule says
# $p(\mathbf x,\mathbf z,\mathbf C)=p(\mathbf z,\mathbf C\mid\mathbf x)\,p(\mathbf x)$, for *every*
# $\mathbf z,\mathbf C$. Solve for $p(\mathbf x)$:
# $$=\mathbb E_q
# \Big[\ln\frac{p(\mathbf x,\mathbf z,\mathbf C)}{p(\mathbf z,\mathbf C\mid\mathbf x)}\Big].$$
#
# **Line 3.** Multiply and divide by $q(\mathbf z,\mathbf C\mid\mathbf x)$ inside the logarithm, and
# split it:
# $$=\mathbb E_q
# \Big[\ln\frac{q(\mathbf z,\mathbf C\mid\mathbf x)}{p(\mathbf z,\mathbf C\mid\mathbf x)}\Big]
# +\mathbb E_q
# \Big[\ln\frac{p(\mathbf x,\mathbf z,\mathbf C)}{q(\mathbf z,\mathbf C\mid\mathbf x)}\Big].$$
#
# **Line 4.** In the second term use the story,
# $p(\mathbf x,\mathbf z,\mathbf C)=p(\mathbf x\mid\mathbf z,\mathbf C)\,p(\mathbf z,\mathbf C)$,
# and split once more:
# $$=\mathbb E_q
# \Big[\ln\frac{q(\mathbf z,\mathbf C\mid\mathbf x)}{p(\mathbf z,\mathbf C\mid\mathbf x)}\Big]
# +\mathbb E_q[\ln p(\mathbf x\mid\mathbf z,\mathbf C)]
# +\mathbb E_q\Big[\ln\frac{p(\mathbf z,\mathbf C)}{q(\mathbf z,\mathbf C\mid\mathbf x)}\Big].$$
#
# **Line 5.** The first and the last term have a name:
# $$=\underbrace{D_{\rm KL}\big(q(\mathbf z,\mathbf C\mid\mathbf x)\,
# \|\,p(\mathbf z,\mathbf C\mid\mathbf x)\big)}_{\text{the gap}}+
# \underbrace{\mathbb E_q[\ln p(\mathbf x\mid\mathbf z,\mathbf C)]-
# D_{\rm KL}\big(q(\mathbf z,\mathbf C\mid\mathbf x)\,
# \|\,p(\mathbf z,\mathbf C)\big)}_{\text{the ELBO}}.$$
#
# So far every line is an equation; here are all five as numbers. On the grid the five must agree
# whatever the likelihood is, since they are algebra on one definition of the posterior. The two
# witnesses below them do not share it: the stories that were counted, for $\ln p(\mathbf x)$; and
# the ELBO of line 5 as `macrid` computes it, from samples and a closed form, without a grid.

# %%
line = {
    1: E_q(ln_p_x),
    2: E_q(ln_joint - ln_posterior),
    3: E_q(ln_q - ln_posterior) + E_q(ln_joint - ln_q),
    4: E_q(ln_q - ln_posterior) + E_q(ln_like) + E_q(ln_prior + np.log(p_C)[:, None] - ln_q),
}
gap = E_q(ln_q - ln_posterior)  # KL(q(z, C | x) || p(z, C | x))
reconstruction = E_q(ln_like)
kl = E_q(ln_q - ln_prior - np.log(p_C)[:, None])  # KL(q(z, C | x) || p(z, C))
line[5] = gap + reconstruction - kl
for number, value in line.items():
    print(f"line {number}: {value:.6f}")
    np.testing.assert_allclose(value, ln_p_x, atol=1e-4)  # all are ln p(x), up to the grid

# %%
crowd = sparse.csr_array(np.repeat(x.toarray(), 20_000, axis=0))  # 20,000 copies of our user


def forced(C, epsilon, X, parameters=parameters):
    """The terms of macrid's ELBO, and their pullback, with the concepts fixed to a one-hot C: a
    Gumbel noise of 1000 on the concept that is asked for leaves the softmax no choice.
    """
    noise = Noise(gumbel=1000.0 * C, epsilon=epsilon)
    return model.elbo(parameters, X, noise, config, beta=1.0)


epsilon = rng.standard_normal((crowd.shape[0], 2, 2))
sampled = p_C @ [-forced(C, epsilon, crowd)[0]["loss"] for C in all_C]
print(f"gap on the grid + ELBO of macrid {gap + sampled:.3f}; stories {np.log(share):.3f}")
assert abs(gap + sampled - np.log(share)) < 0.02 + 4 * error  # line 5 = line 1, three ways

# %% [markdown]
# **Line 6.** A KL divergence is never negative, because $\ln t\le t-1$:
# $-D_{\rm KL}(q\|p)=\mathbb E_q[\ln(p/q)]\le\mathbb E_q[p/q-1]=1-1=0$ (a normal density $q$ is
# nowhere 0, so $\mathbb E_q[p/q]=\int p=1$). Leave the gap out, and equality becomes $\ge$:
# $$\ln p(\mathbf x)\ \ge\ \mathbb E_q[\ln p(\mathbf x\mid\mathbf z,\mathbf C)]-
# D_{\rm KL}\big(q(\mathbf z,\mathbf C\mid\mathbf x)\,\|\,p(\mathbf z,\mathbf C)\big).$$
#
# **Line 7.** Now the choice
# $q(\mathbf z,\mathbf C\mid\mathbf x)=q(\mathbf z\mid\mathbf x,\mathbf C)\,p(\mathbf C)$ and the
# story's independence $p(\mathbf z,\mathbf C)=p(\mathbf z)\,p(\mathbf C)$: inside the logarithm
# $p(\mathbf C)$ cancels,
# $$D_{\rm KL}\big(q(\mathbf z,\mathbf C\mid\mathbf x)\,\|\,p(\mathbf z,\mathbf C)\big)
# =\mathbb E_{p(\mathbf C)}\Big[\mathbb E_{q(\mathbf z\mid\mathbf x,\mathbf C)}
# \Big[\ln\frac{q(\mathbf z\mid\mathbf x,\mathbf C)\,p(\mathbf C)}
# {p(\mathbf z)\,p(\mathbf C)}\Big]\Big]
# =\mathbb E_{p(\mathbf C)}
# \big[D_{\rm KL}(q(\mathbf z\mid\mathbf x,\mathbf C)\,\|\,p(\mathbf z))\big],$$
# and $\mathbb E_q$ is $\mathbb E_{p(\mathbf C)}\mathbb E_{q(\mathbf z\mid\mathbf x,\mathbf C)}$.
# That is equation (3). $\square$
#
# We check line 7 with the closed form of the KL that `macrid` uses (derived in notebook 4). It
# knows nothing of our grid.


# %%
def posterior_of(C, parameters=parameters):
    """The encoder's mu and b (sigma = sigma0 exp(-b/2)) for a given C."""
    mu, sigma = model.represent(parameters, x, config, C)
    return mu, -2 * np.log(sigma / config.sigma0)


# (16,)
closed = np.array([encoder.kl_divergence(*posterior_of(C), config.sigma0)[0] for C in all_C])
np.testing.assert_allclose(kl, p_C @ closed, atol=1e-4)  # line 7
elbo = reconstruction - kl
assert gap > 0 and elbo < ln_p_x  # line 6
print(
    f"ln p(x) {ln_p_x:.4f}  =  gap {gap:.4f}  +  ELBO {elbo:.4f}        ELBO = reconstruction"
    f" {reconstruction:.4f} - KL {kl:.4f}"
)

# %% [markdown]
# **Your turn.** Lines 3 to 5 hide a shorter form of the ELBO, with one expectation and two
# logarithms. Write it for the grid: `q` holds the probability of every cell, (16, points).


# %%
# your turn
def my_elbo(q, ln_joint, ln_q):
    """The ELBO from q(z, C | x), ln p(x, z, C) and ln q(z, C | x) in every cell."""
    raise NotImplementedError("a number: a sum over all cells")


# %%
# solution
def my_elbo(q, ln_joint, ln_q):
    """The ELBO from q(z, C | x), ln p(x, z, C) and ln q(z, C | x) in every cell."""
    return (q * (ln_joint - ln_q)).sum()


# %%
assert abs(my_elbo(q, ln_joint, ln_q) - sampled) < 0.02, (
    f"macrid's samples say {sampled:.4f}, and yours is {my_elbo(q, ln_joint, ln_q):.4f}:"
    " an expectation weighs each cell by its probability under q, once"
)
print(f"yours {my_elbo(q, ln_joint, ln_q):.4f}, macrid's {sampled:.4f}")

# %% [markdown]
# ## The same in `macrid`
#
# On the one page, `macrid/model/plain.py`, it is four calls and a sum (lines 31 to 34 of Algorithm
# 1); the lines after the blank one go back and are notebook 8's. `BETA` is 1 in equation (3);
# notebook 4 says what other values do (equation (5)), and notebook 7 what `targets` are.

# %%
show(plain.loss_and_gradients)

# %% [markdown]
# `model.elbo` is that page made fast and general. Read its first half (up to `terms`) beside it.

# %%
show(model.elbo)

# %% [markdown]
# It does not integrate anything. It takes *samples*, handed in from outside:
# `noise.gumbel` decides $\mathbf C$, `noise.epsilon` decides $\mathbf z$. For $\mathbf z$ that is
# what the check above did. For $\mathbf C$ there are two things to know.
#
# **One draw for all users of a batch.** `noise.gumbel` has the shape $(M,K)$: a batch shares one
# $\mathbf C$, although in (1) and (3) every user has her own. Is that allowed? The loss is a *mean
# over users* of expectations over $\mathbf C$, and a mean of expectations may be estimated with one
# common draw: it is right on average. Only its noise is another: with separate draws the users'
# errors partly cancel, with a common one those of like users go together (and those of unlike users
# may cancel better still). What it is *not*: the bound of a story in which the whole shop shares
# one $\mathbf C$. That story has another, larger likelihood; exercise 3. Two pairs of users,
# exactly, over all 16 matrices:


# %%
def elbo_by_C(user):
    """(16,): the ELBO of a user, a row of 0 and 1, given each C."""
    copies = sparse.csr_array(np.repeat([user], 5000, axis=0))
    return np.array([-forced(C, epsilon[:5000], copies)[0]["loss"] for C in all_C])


variance = lambda p, values: (p * values**2).sum() - (p * values).sum() ** 2
for name, user in (
    ("one who took the same", [1.0, 0, 1, 0]),
    ("one of items 0 and 1", [1.0, 1, 0, 0]),
):
    hers, others = elbo_by_C(x.toarray()[0]), elbo_by_C(user)
    common = (hers + others) / 2  # both users meet the same C
    separate = (hers[:, None] + others) / 2  # (16, 16): each meets her own
    np.testing.assert_allclose(p_C @ common, p_C @ separate @ p_C)  # the same on average
    shared, apart = variance(p_C, common), variance(np.outer(p_C, p_C), separate)
    print(f"{name}: mean {p_C @ common:.3f} both ways; variance {shared:.3f}, apart {apart:.3f}")
    assert abs(shared - 2 * apart) < 1e-9 if user[2] else shared < 0.8 * apart

# %% [markdown]
# **Soft concepts.** In training the Gumbel noise is drawn too, and the concepts are
# then only *nearly* one-hot (the Gumbel-Softmax, notebook 5; its temperature `gumbel_temperature`
# is not the $\tau$ of (6) and (8)): a relaxation, whose value is near that of equation (3) at a low
# temperature and not so near at 1.

# %%
for temperature, tolerance in ((1.0, None), (0.05, None), (0.001, 0.04)):
    soft = config.replace(gumbel_temperature=temperature)
    group = crowd[:50]
    noises = (draw_noise(rng, group, soft) for _ in progress(range(2000)))
    draws = [-model.elbo(parameters, group, noise, soft, 1.0)[0]["loss"] for noise in noises]
    print(
        f"Gumbel temperature {temperature:5}: {np.mean(draws):.3f} +-"
        f" {np.std(draws) / len(draws) ** 0.5:.3f}, exact {elbo:.3f}"
    )
    assert tolerance is None or abs(np.mean(draws) - elbo) < tolerance

# %% [markdown]
# Is the relaxed value a lower bound too? Of the $\ln p(\mathbf x)$ of a story with
# soft concepts, yes; of ours nothing guarantees it, although here it lies well below. (And why is
# even .05 not low enough? Mostly because with hard concepts a concept that holds none of her items
# is told nothing at all. With soft ones it hears a whisper, and equation (9), which divides by the
# volume, makes that as loud as the rest: notebook 6 shows it. With two items per user, that happens
# all the time.)
#
# ## The gap has two rooms
#
# Split the gap with
# $q(\mathbf z,\mathbf C\mid\mathbf x)=q(\mathbf z\mid\mathbf x,\mathbf C)\,p(\mathbf C)$ and
# $p(\mathbf z,\mathbf C\mid\mathbf x)$, which is
# $p(\mathbf z\mid\mathbf x,\mathbf C)\,p(\mathbf C\mid\mathbf x)$;
# the logarithm of the ratio falls into two:
#
# $$\text{gap}=\underbrace{D_{\rm KL}\big(p(\mathbf C)\,
# \|\,p(\mathbf C\mid\mathbf x)\big)}
# _{\text{the user's items told about the concepts, and }q\text{ did not listen}}
# +\ \underbrace{\mathbb E_{p(\mathbf C)}
# \Big[D_{\rm KL}\big(q(\mathbf z\mid\mathbf x,\mathbf C)\,
# \|\,p(\mathbf z\mid\mathbf x,\mathbf C)\big)\Big]}
# _{\text{the encoder's normal distribution is not the true posterior}} .$$

# %%
of_C = (p_C * np.log(p_C / p_C_given_x)).sum()
ln_post_z = ln_posterior - np.log(p_C_given_x)[:, None]  # ln p(z | x, C)
of_z = E_q(guess(parameters) - ln_post_z)
np.testing.assert_allclose(of_C + of_z, gap, atol=1e-4)
print(f"gap {gap:.4f}  =  concepts {of_C:.4f}  +  tastes {of_z:.4f}")

# %% [markdown]
# Which parameters do what? $\mathbf h$ and $\mathbf m$ stand in the story, so they move
# $\ln p(\mathbf x)$ itself. The encoder's own ($\mathbf t$, $f_{\rm nn}$) do not occur in the story
# at all: *they can raise the ELBO only by closing the gap*, and of the gap only the second room.
# Let us watch. We train the encoder alone, with gradients averaged over all 16 matrices
# $\mathbf C$.

# %%
learned = {name: p.copy() for name, p in parameters.items()}
of_encoder = {name: learned[name] for name in ("T", "W0", "b0")}
moments = adam.start(of_encoder)
group, floors = crowd[:200], []
for step in progress(range(1, 121)):
    gradients = dict.fromkeys(of_encoder, 0.0)
    noise = rng.standard_normal((200, 2, 2))
    for C, weight in zip(all_C, p_C):
        here = forced(C, noise, group, learned)[1](weight)
        gradients = {name: gradients[name] + here[name] for name in of_encoder}
    adam.update(of_encoder, gradients, moments, step, config)
    if step % 5 == 0:
        ln_q_now = guess(learned)
        mass = np.exp(ln_q_now) * cell * p_C[:, None]
        floors.append((step, (mass * (ln_like + ln_prior - ln_q_now)).sum()))
steps, values = np.array([(0, elbo), *floors]).T
# higher, and never through the ceiling
assert values[-1] > elbo + 1 and (values < ln_p_x - of_C + 1e-4).all()

# %% [markdown]
# **Predict:** will the ELBO reach $\ln p(\mathbf x)$? If not, what will be left?

# %%
plots.climb(steps, values, ln_p_x, of_C)

# %% [markdown]
# The ELBO rises to a limit that this encoder cannot pass: it must name a normal distribution, with
# independent numbers and means of length one, for a posterior that is nothing of the kind. Above it
# lies the room that no encoder of this form can enter.
#
# ## The bound from the other side: importance sampling
#
# Here is another, shorter proof. Write
# $\omega=p(\mathbf x,\mathbf z,\mathbf C)/q(\mathbf z,\mathbf C\mid\mathbf x)$ for the **importance
# weight** of a sample from $q$. Its average is exactly $p(\mathbf x)$:
#
# $$\mathbb E_q[\omega]=\sum_{\mathbf C}\int q\,
# \frac{p(\mathbf x,\mathbf z,\mathbf C)}{q}\,d\mathbf z=p(\mathbf x),
# \qquad\text{and}\qquad \text{ELBO}=\mathbb E_q[\ln\omega]\le\ln\mathbb E_q[\omega]
# =\ln p(\mathbf x),$$
#
# since the logarithm is concave (Jensen's inequality). The gap is what the logarithm of a *noisy*
# number loses on average. So make it less noisy: average $S$ weights before taking the logarithm,
# $\mathcal L_S=\mathbb E\big[\ln\frac1S\sum_{s=1}^S\omega_s\big]$. $\mathcal L_1$ is the ELBO,
# $\mathcal L_S$ never falls with $S$ (Burda et al., 2016), and it tends to $\ln p(\mathbf x)$. That
# is how one estimates $\ln p(\mathbf x)$ where no grid reaches. (We sample from the encoder that we
# have just trained. A $q$ narrower than the posterior would make a poor sampler: rare weights would
# be huge.)

# %%
total = 400_000
which = rng.choice(len(all_C), total, p=p_C)
ln_omega = np.empty(total)
for c, C in enumerate(all_C):
    n = (which == c).sum()
    mu, sigma = model.represent(learned, x, config, C)
    drawn = mu + sigma * rng.standard_normal((n, 2, 2))
    ln_joint_now = ln_likelihood(drawn, C) + ln_normal(drawn, 0.0, config.sigma0)
    ln_omega[which == c] = ln_joint_now - ln_normal(drawn, mu, sigma)

# %% [markdown]
# **Your turn.** $\mathcal L_S$ from these samples: put them into groups of $S$, average the weights
# (not their logarithms) within a group, take the logarithm of each average.


# %%
# your turn
def groups(ln_omega, S):
    """ln of the average weight in each group of S samples; the mean of these estimates L_S."""
    raise NotImplementedError("an array of len(ln_omega) / S numbers")


# %%
# solution
def groups(ln_omega, S):
    """ln of the average weight in each group of S samples; the mean of these estimates L_S."""
    return np.log(np.exp(ln_omega).reshape(-1, S).mean(axis=1))


# %%
sizes = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000])
by_size = [groups(ln_omega, S) for S in sizes]
bounds = np.array([each.mean() for each in by_size])
errors = np.array([each.std() / len(each) ** 0.5 for each in by_size])
assert abs(bounds[0] - values[-1]) < 4 * errors[0], (
    f"S = 1 is the ELBO, {values[-1]:.2f}, not {bounds[0]:.2f}"
)
assert (np.diff(bounds) > -errors[1:]).all() and bounds[-1] > bounds[0] + 0.1, (
    f"L_S rises with S, and yours goes {bounds.round(2)}"
)
assert (bounds < ln_p_x + 2 * errors).all(), (
    f"and stays below ln p(x), {ln_p_x:.2f}; yours goes {bounds.round(2)}"
)
assert abs(groups(ln_omega, total)[0] - np.log(share)) < 0.01 + 4 * error  # all find ln p(x)

# %%
plots.importance(sizes, bounds, errors, ln_p_x, values[-1])

# %% [markdown]
# **The shopper.** For her of the eight products (notebook 1) no grid is needed either. Her concepts
# $\mathbf C$ as they were rolled, one sample of $\mathbf z$, and the two terms of (3):

# %%
her = shopper.follow()
print(f"{her.reconstruction:.2f} - {her.kl:.2f} = {her.reconstruction - her.kl:.2f} by one sample")
rolls = np.random.default_rng(0).standard_normal((100_000, 2, 2))


def ln_like_her(z):
    """ln p(x | z, C) of her items for every z (n, K, d), by equations (2), (7), (8)."""
    unit_z, unit_h = plain.unit(z)[0], plain.unit(shopper.parameters["H"])[0]
    P = np.exp(decoder.log_scores(unit_z, unit_h, her.C, plain.TAU))  # (n, M)
    return np.log(P / P.sum(axis=1, keepdims=True)) @ shopper.x[0]


# %%
z = her.mu + rolls * her.sigma  # samples of q
ln_weight = ln_like_her(z) + ln_normal(z, 0.0, plain.SIGMA0) - ln_normal(z, her.mu, her.sigma)
by_samples = {S: groups(ln_weight, S).mean() for S in (1, 100, 10_000)}
by_prior = np.log(np.exp(ln_like_her(rolls)).mean())  # tastes from the prior: telling the story
for S, bound in by_samples.items():
    print(f"L_{S} = {bound:.2f}")
print(f"ln p(x | C) {by_prior:.2f}; three items at random among eight {3 * np.log(1 / 8):.2f}")
assert by_samples[1] < by_samples[100] < by_samples[10_000] < by_prior
assert abs(ln_like_her(z).mean() - by_samples[1] - her.kl) < 0.05  # reconstruction - L_1 = KL

# %% [markdown]
# Her ELBO lies four nats below her $\ln p(\mathbf x\mid\mathbf C)$: most of it is
# what the KL charges for means of length one when $\sigma_0$ is 0.4, 6.25 nats (notebook 4). It is
# charged to every user alike. As something to climb the bound is none the worse; a constant has no
# gradient. (And why is $\ln p(\mathbf x\mid\mathbf C)$ lower than a blind guess? A taste drawn from
# the prior is somebody's taste, at $\tau=0.1$ a decided one, and most of them are not hers.)
#
# ## Where you are
#
# | equation, line | function | test |
# |---|---|---|
# | (3) | `model.objective.elbo` | `model/test_objective.py::test_the_bound_is_a_bound`, `test_the_loss_is_the_sum_of_its_terms_and_a_function_of_its_arguments` |
# | its first term, $\mathbb E_q\ln p(\mathbf x\mid\mathbf z,\mathbf C)$ | `model.decoder.log_likelihood` (notebook 3) | `model/test_objective.py::test_reconstruction_alone` |
# | its second, $D_{\rm KL}(q\|p)$ | `model.encoder.kl_divergence` (notebook 4) | `model/test_objective.py::test_kl_with_a_large_weight` |
#
# One thing the bound does not do: it says nothing about *which* $\mathbf z$ the model should use
# for what. Any $\theta$ with the same $p_\theta(\mathbf x)$ and the same gap is equally good to it.
# Disentanglement has to come from elsewhere: from the routing (7), from the prior, from $\beta$.
#
# ## Exercises
#
# **1.** What is the ELBO if the encoder ignores the user and answers with the prior,
# $q(\mathbf z\mid\mathbf x,\mathbf C)=p(\mathbf z)$? Compute it on the grid. Is the KL term at its
# best?
#
# <details><summary>Solution</summary>
#
# The KL term is 0, its best value, and the ELBO is the average likelihood of a random taste.
#
# ```python
# of_the_prior = (p_C[:, None] * np.exp(ln_prior) * cell * ln_like).sum()
# print(round(float(of_the_prior), 4), round(float(elbo), 4))
# # -4.7179 -4.4471
# ```
# A smaller KL alone is not better; the sum counts. A VAE that falls into this state ("posterior
# collapse") has learned nothing about its users. Notebook 4 shows why this model cannot: its mean
# has length one.
# </details>
#
# **2.** Make the encoder ever more certain: subtract nothing from $\boldsymbol\mu$, but add $s$ to
# `b0[2:]`, the bias of $\mathbf b$, so that $\sigma\to\sigma e^{-s/2}$. Compute the ELBO for
# $s=0,2,4,8$. Which term goes where?
#
# <details><summary>Solution</summary>
#
# ```python
# for s in (0, 2, 4, 8):
#     changed = {**parameters, "b0": parameters["b0"] + np.array([0, 0, s, s])}
#     kl_of = lambda C: encoder.kl_divergence(*posterior_of(C, changed), config.sigma0)[0]
#     cost = p_C @ [kl_of(C) for C in all_C]
#     gain = p_C @ [forced(C, epsilon, crowd, changed)[0]["reconstruction"] for C in all_C]
#     print(s, round(float(gain), 3), round(float(cost), 3), round(float(gain - cost), 3))
# # 0 -2.806 1.636 -4.442
# # 2 -2.286 4.94 -7.227
# # 4 -2.217 8.846 -11.063
# # 8 -2.206 16.832 -19.038
# ```
# The reconstruction settles at its value for $\mathbf z=\boldsymbol\mu$; the KL grows like $s/2$
# for each of the four numbers, without end: $-\ln\sigma$ is the price of certainty.
# </details>
#
# **3.** The first room, $D_{\rm KL}(p(\mathbf C)\|p(\mathbf C\mid\mathbf x))$, would vanish if a
# user's items told nothing about $\mathbf C$. Which assignments become more probable by seeing
# $\mathbf x$? Print the three with the largest ratio and say why.
#
# <details><summary>Solution</summary>
#
# ```python
# for number in np.argsort(-p_C_given_x / p_C)[:3]:
#     print(1 + all_C[number].argmax(axis=1), round(float(p_C_given_x[number] / p_C[number]), 3))
# # [2 2 2 2] 1.255
# # [1 1 1 1] 1.255
# # [1 2 1 2] 1.145
# ```
# Those in which the items 0 and 2, both adopted and alike, are in one concept: a single taste then
# explains both.
#
# Will this room vanish in the shop, where 2,000 users tell about the same items? No: in (1) each
# user has a $\mathbf C$ of her own, and only *her* items tell about it. The room stays open for
# every one of them. If the whole shop shared one $\mathbf C$, drawn once, the likelihood of all
# users would be $\mathbb E_{p(\mathbf C)}\big[\prod_u\int p(\mathbf x_u\mid\mathbf z,\mathbf C)\,
# p(\mathbf z)\,d\mathbf z\big]$, and the users' evidence would add up: a different story, with one
# room for all of them, which grows with their number. With users who all took what ours did:
#
# ```python
# p_x_given_C = np.exp(ln_like + ln_prior).sum(axis=1) * cell  # (16,)
# for users in (1, 10, 100):
#     posterior = p_C * p_x_given_C**users
#     posterior /= posterior.sum()
#     room = (p_C * np.log(p_C / posterior)).sum()
#     print(users, "users: the room", room.round(2), "the likeliest C", posterior.max().round(2))
# # 1 users: the room 0.02 the likeliest C 0.49
# # 10 users: the room 1.19 the likeliest C 0.64
# # 100 users: the room 22.0 the likeliest C 0.61
# ```
# (Two assignments share the end, all items in concept 1 or all in concept 2: to the items 0 and 2
# they are alike.)
# </details>
#
# **Next:** [notebook 3](03_reconstruction.ipynb) takes the first term of the bound and makes it
# fast.
