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

import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, figure_style, show
from scipy import sparse

from macrid import model
from macrid.config import Config
from macrid.model import decoder, encoder
from macrid.training import adam
from macrid.training.batch import Noise, draw_noise

figure_style()
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

# (16, M, K) one-hot
all_C = np.array([np.eye(2)[list(ks)] for ks in itertools.product(range(2), repeat=4)])
dice = model.concepts(parameters, config)  # (M, K): p(c_i), equation (6)
p_C = np.array([(dice * C).sum(axis=1).prod() for C in all_C])  # (16,): p(C) = prod_i p(c_i)
assert abs(p_C.sum() - 1) < 1e-12

side = np.linspace(-5.5, 5.5, 21)
cell = (side[1] - side[0]) ** 4
# (points, K, d)
z = np.stack(np.meshgrid(side, side, side, side, indexing="ij"), axis=-1).reshape(-1, 2, 2)


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

rng = np.random.default_rng(3)
total = 100_000  # the same without a grid: tell the story (C, then z) and average the likelihood
which = rng.choice(len(all_C), total, p=p_C)
from_prior = lambda n: config.sigma0 * rng.standard_normal((n, 2, 2))
likelihoods = [
    np.exp(ln_likelihood(from_prior((which == c).sum()), C)) for c, C in enumerate(all_C)
]
likelihoods = np.concatenate(likelihoods)
error = likelihoods.std() / total**0.5 / likelihoods.mean()
by_story = np.log(likelihoods.mean())
print(f"ln p(x) = {ln_p_x:.6f} on the grid, {by_story:.4f} ± {error:.4f} by telling the story")
assert abs(by_story - ln_p_x) < 4 * error

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

p_C_given_x = np.exp(ln_posterior).sum(axis=1) * cell  # (16,): p(C | x)
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


figure, axes = plt.subplots(1, 2, figsize=(9.5, 4.4), sharey=True)
mu, sigma = (a[0] for a in model.represent(parameters, x, config, all_C[shown]))
for k, axis in enumerate(axes):
    axis.add_patch(plt.Circle((0, 0), 1, fill=False, color=GREY, lw=0.8))
    at, given = plane[:, None, :], "(\\mathbf{z}|\\mathbf{x},\\mathbf{C})"
    prior, guessed = np.exp(ln_normal(at, 0.0, 1.0)), np.exp(ln_normal(at, mu[k], sigma[k]))
    for density, colour, style, name in (
        (prior, GREY, ":", "prior $p(\\mathbf{z})$"),
        (posterior_of_component(k), COLOURS[0], "-", f"true posterior $p{given}$"),
        (guessed, COLOURS[1], "--", f"encoder's $q{given}$"),
    ):
        levels, grid = density.max() * np.array([0.1, 0.4, 0.8]), density.reshape(len(fine), -1)
        line = {"colors": colour, "linestyles": style, "linewidths": 1.6}
        axis.contour(fine, fine, grid.T, levels=levels, **line)
        axis.plot([], [], color=colour, ls=style, label=name)
    for i in np.flatnonzero(all_C[shown, :, k]):
        mark, colour, size = ("*", "black", 11) if i in items else ("o", GREY, 6)
        axis.plot(*parameters["H"][i], mark, color=colour, ms=size)
        axis.text(*(parameters["H"][i] + [0.2, -0.1]), f"$\\mathbf{{h}}_{i}$")
    axis.plot([], [], "*", color="black", ms=11, label="item that she adopted")
    axis.plot([], [], "o", color=GREY, ms=6, label="item that she did not")
    axis.set(aspect="equal", title=f"concept {k + 1}")
    axis.set(xlabel=f"$z^{{({k + 1})}}_1$", ylabel=f"$z^{{({k + 1})}}_2$")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
plt.show()

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
# So far every line is an equation; here are all five as numbers.

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
# ## The same in `macrid`
#
# `model.elbo` goes through concepts, encoder, decoder and loss. Read its first half (up to
# `terms`); the whole as a graph, lines 31 to 34 of Algorithm 1, and the pullback are the business
# of notebook 8. The weight `beta` is 1 in equation (3); notebook 4 says what other values do
# (equation (5)), and notebook 7 what `targets` are.

# %%
show(model.elbo)

# %% [markdown]
# It does not integrate anything. It takes *samples*, handed in from outside: `noise.gumbel` decides
# $\mathbf C$, `noise.epsilon` decides $\mathbf z$. Two checks. First we force each of the 16
# matrices $\mathbf C$ in turn (a Gumbel noise of 1000 on the wanted concept leaves the softmax no
# choice) and average over 20,000 copies of our user: that must be equation (3).

# %%
copies = 20_000
crowd = sparse.csr_array(np.repeat(x.toarray(), copies, axis=0))


def forced(C, epsilon, X, parameters=parameters):
    """The terms of the ELBO, and their pullback, with the concepts fixed to a one-hot C."""
    noise = Noise(gumbel=1000.0 * C, epsilon=epsilon)
    return model.elbo(parameters, X, noise, config, beta=1.0)


epsilon = rng.standard_normal((copies, 2, 2))
sampled = p_C @ [-forced(C, epsilon, crowd)[0]["loss"] for C in all_C]
print(f"ELBO by samples {sampled:.4f}, by the grid {elbo:.4f}")
assert abs(sampled - elbo) < 0.02  # the average of 20,000 samples

# %% [markdown]
# Second, as training does it: draw the Gumbel noise too. The concepts are then only *nearly*
# one-hot (the Gumbel-Softmax, notebook 5; its temperature `gumbel_temperature` is not the $\tau$ of
# (6) and (8)): a relaxation, whose value is near that of equation (3) at a low temperature and not
# so near at 1.

# %%
for temperature, tolerance in ((1.0, None), (0.05, None), (0.001, 0.04)):
    soft = config.replace(gumbel_temperature=temperature)
    group = crowd[:50]
    noises = (draw_noise(rng, group, soft) for _ in range(2000))
    draws = [-model.elbo(parameters, group, noise, soft, 1.0)[0]["loss"] for noise in noises]
    print(
        f"Gumbel temperature {temperature:5}: {np.mean(draws):.3f} +-"
        f" {np.std(draws) / len(draws) ** 0.5:.3f}, exact {elbo:.3f}"
    )
    assert tolerance is None or abs(np.mean(draws) - elbo) < tolerance

# %% [markdown]
# Is the relaxed value a lower bound too? Of the $\ln p(\mathbf x)$ of a story with soft concepts,
# yes; of ours nothing guarantees it, although here it lies well below. (And why is even .05 not low
# enough? Mostly because with hard concepts a concept that holds none of her items is told nothing
# at all. With soft ones it hears a whisper, and equation (9), which divides by the volume, makes
# that as loud as the rest: notebook 6 shows it. With two items a user, that happens all the time.)
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
for step in range(1, 121):
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

figure, axis = plt.subplots(figsize=(7, 3.4))
axis.axhline(ln_p_x, color=COLOURS[0], lw=2, label="$\\ln p(\\mathbf{x})$")
axis.axhline(
    ln_p_x - of_C,
    color=COLOURS[2],
    ls="--",
    lw=1.5,
    label="the best that any encoder could do: only the concepts' room is left",
)
axis.plot(steps, values, color=COLOURS[1], lw=2, label="ELBO")
axis.fill_between(steps, values, ln_p_x, color=GREY, alpha=0.2, label="the gap")
axis.set(xlim=(0, 120), xlabel="steps of Adam on the encoder", ylabel="nats")
axis.legend(loc="lower right")
plt.show()

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
sizes = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, 1000])
bounds, errors = [], []
for S in sizes:
    of_group = np.log(np.exp(ln_omega).reshape(-1, S).mean(axis=1))
    bounds.append(of_group.mean())
    errors.append(of_group.std() / len(of_group) ** 0.5)
assert abs(bounds[0] - values[-1]) < 4 * errors[0]  # S = 1 is the ELBO
bounds, errors = np.array(bounds), np.array(errors)
# rises, and stays below
assert (np.diff(bounds) > -errors[1:]).all() and (bounds < ln_p_x + 2 * errors).all()
assert abs(np.log(np.exp(ln_omega).mean()) - ln_p_x) < 0.01  # all samples together find ln p(x)

figure, axis = plt.subplots(figsize=(7, 3.2))
axis.axhline(ln_p_x, color=COLOURS[0], lw=2, label="$\\ln p(\\mathbf{x})$ from the grid")
axis.axhline(values[-1], color=COLOURS[1], ls="--", label="ELBO from the grid")
axis.errorbar(
    sizes,
    bounds,
    2 * errors,
    color=COLOURS[2],
    marker="o",
    ms=4,
    capsize=3,
    label="$\\mathcal{L}_S$ from samples, $\\pm$ 2 s.e.",
)
axis.set(xscale="log", xlabel="samples averaged inside the logarithm, $S$", ylabel="nats")
axis.legend()
plt.show()

# %% [markdown]
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
# # 0 -2.811 1.636 -4.446
# # 2 -2.285 4.94 -7.226
# # 4 -2.216 8.846 -11.063
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
# explains both. In the shop 1,500 items are judged by 2,000 users together, $\mathbf C$ is all but
# certain, and the room is small for each.
# </details>
#
# **Next:** [notebook 3](03_reconstruction.ipynb) takes the first term of the bound and makes it
# fast.
