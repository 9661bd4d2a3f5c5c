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
# # 4. The KL term: what it costs to know a user, and what $\beta$ really does
#
# *After this notebook you can derive the KL term's closed form and equation (4), and you will know
# what $\sigma_0$ and $\beta$ do in this model, which is not quite what the paper says.*
#
# You need calculus, NumPy, the story of [notebook 1](01_story.ipynb), and the bound (3) of notebook
# 2: $\text{ELBO}=\mathbb E[\ln p(\mathbf x\mid\mathbf z,\mathbf C)]-D_{\rm KL}(q\|p)$. About 30
# minutes.

# %%
import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, INK, figure_style, show

from macrid import model
from macrid.config import Config
from macrid.data import shop, splits
from macrid.model import decoder, encoder
from macrid.model.gradcheck import check
from macrid.model.ops import normalise
from macrid.training import fit
from macrid.training.batch import Noise

figure_style()
rng = np.random.default_rng(1)

# %% [markdown]
# ## The closed form
#
# The encoder says $q=\mathcal N(\mu,\sigma^2)$ for each number $z$ of a taste, the prior says
# $p=\mathcal N(0,\sigma_0^2)$. With
# $\ln\mathcal N(z;\mu,\sigma^2)=-\frac12\ln(2\pi)-\ln\sigma-\frac{(z-\mu)^2}{2\sigma^2}$,
#
# $$D_{\rm KL}(q\|p)=\mathbb E_q[\ln q(z)-\ln p(z)]
# =\mathbb E_q\Big[\ln\frac{\sigma_0}\sigma-\frac{(z-\mu)^2}{2\sigma^2}+
# \frac{z^2}{2\sigma_0^2}\Big].$$
#
# Two moments of $q$ are needed, $\mathbb E_q(z-\mu)^2=\sigma^2$ and
# $\mathbb E_qz^2=\sigma^2+\mu^2$:
#
# $$D_{\rm KL}(q\|p)=\ln\frac{\sigma_0}\sigma-\frac12+\frac{\sigma^2+\mu^2}{2\sigma_0^2}.$$
#
# The network does not give $\sigma$ but $b$, with $\sigma=\sigma_0e^{-b/2}$ (equation (9)); then
# $\ln(\sigma_0/\sigma)=b/2$, $\sigma^2/\sigma_0^2=e^{-b}$, and
#
# $$D_{\rm KL}(q\|p)=\tfrac12\Big[e^{-b}+b-1+\frac{\mu^2}{\sigma_0^2}\Big].$$
#
# Numbers are independent under both $q$ and $p$, so logarithms and KLs add up over the $d$
# dimensions and $K$ concepts. That is line 26 of Algorithm 1. (The paper prints
# $\mathcal N(\mathbf 0,\sigma_0\cdot\mathbf I)$ there; the text has $\sigma_0^2\mathbf I$, and so
# has the code: $\sigma_0$ is a standard deviation.)

# %%
show(encoder.kl_divergence)

# %%
mu, b, sigma0 = 0.3 * rng.standard_normal((1, 2, 3)), rng.standard_normal((1, 2, 3)), 0.4
sigma = sigma0 * np.exp(-b / 2)
closed, pullback = encoder.kl_divergence(mu, b, sigma0)
formula = np.log(sigma0 / sigma) - 0.5 + (sigma**2 + mu**2) / (2 * sigma0**2)
np.testing.assert_allclose(closed, formula.sum(), rtol=1e-12)


def ln_normal(z, mean, deviation):
    return -0.5 * ((z - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * np.log(2 * np.pi)


# by sampling: the average of ln q - ln p over samples of q
samples = 200_000
many_mu, many_b = np.repeat(mu, samples, 0), np.repeat(b, samples, 0)
z, _ = encoder.sample(many_mu, many_b, rng.standard_normal((samples, 2, 3)), sigma0)
each = (ln_normal(z, mu, sigma) - ln_normal(z, 0.0, sigma0)).sum(axis=(1, 2))
error = each.std() / samples**0.5
print(f"closed form {closed:.4f}, sampled {each.mean():.4f} +- {error:.4f}")
assert abs(each.mean() - closed) < 4 * error

# the gradient in the docstring, against central differences
value_of = lambda mu, b: encoder.kl_divergence(mu, b, sigma0)[0]
errors = check(value_of, {"mu": mu, "b": b}, dict(zip(("mu", "b"), pullback(1.0))))
assert max(errors.values()) < 1e-6

# %% [markdown]
# The part with $b$, $\frac12(e^{-b}+b-1)$, is zero at $b=0$, where $\sigma=\sigma_0$, and nowhere
# else (its derivative $\frac12(1-e^{-b})$ has the sign of $b$). To know *less* than the prior
# ($b<0$) costs exponentially, to know *more* only linearly: half a nat for each unit of $b$.
#
# ## Why the part with $\mu$ is a constant
#
# Equation (9) divides the mean by its length,
# $\boldsymbol\mu^{(k)}=\mathbf a^{(k)}/\|\mathbf a^{(k)}\|_2$. So $\sum_j\mu_j^2=1$ whatever the
# network says, and a concept's KL is
#
# $$D_{\rm KL}^{(k)}=\tfrac12\sum_{j=1}^d\big[e^{-b_j}+b_j-1\big]+
# \underbrace{\frac1{2\sigma_0^2}}_{\text{constant}} .$$
#
# **The KL term cannot move the mean.** Its gradient with respect to $\boldsymbol\mu$ is
# $\boldsymbol\mu/\sigma_0^2$: it pushes the mean towards zero, straight along itself. But a push
# along itself is exactly what a vector of fixed length does not feel: the derivative of
# $\mathbf a/\|\mathbf a\|$ is $(\mathbf I-\boldsymbol\mu\boldsymbol\mu^\top)/\|\mathbf a\|$, and
# $(\mathbf I-\boldsymbol\mu\boldsymbol\mu^\top)\boldsymbol\mu=\mathbf 0$.

# %%
ab = rng.standard_normal((4, 3, 10))  # (B, K, 2d): what f_nn says
(mu, b), pull_posterior = encoder.posterior(ab)
value, pull_kl = encoder.kl_divergence(mu, b, sigma0)
of_b = 0.5 * (np.exp(-b) + b - 1).sum() / 4
np.testing.assert_allclose(value, of_b + 3 / (2 * sigma0**2), rtol=1e-12)
dab = pull_posterior(*pull_kl(1.0))
assert np.abs(pull_kl(1.0)[0]).max() > 0.1  # there is a push on mu ...
assert np.abs(dab[..., :5]).max() < 1e-14  # ... and none of it reaches a
assert np.abs(dab[..., 5:]).max() > 0.01  # while b is moved

# %% [markdown]
# In an ordinary VAE a large $\beta$ drives $\boldsymbol\mu$ to 0, and the code dies ("posterior
# collapse"). Here it cannot. All that a weight on this term can do is to pull $\boldsymbol\sigma$
# towards $\sigma_0$.
#
# ## So $\sigma_0$ sets the noise
#
# And the decoder only looks at the *direction* of
# $\mathbf z=\boldsymbol\mu+\boldsymbol\epsilon\circ\boldsymbol\sigma$. How far is it from the
# direction of $\boldsymbol\mu$, if $\sigma_j=\sigma$ for all $j$? Along $\boldsymbol\mu$ the sample
# has $\mathbf z^\top\boldsymbol\mu=1+\sigma\,\boldsymbol\epsilon^\top\boldsymbol\mu$, on average 1.
# Its squared length is on average $1+d\sigma^2$. For large $d$ both hardly vary, so
#
# $$\text{COSINE}(\mathbf z,\boldsymbol\mu)\approx\frac1{\sqrt{1+d\,\sigma^2}} .$$
#
# What counts is $\sigma\sqrt d$, not $\sigma$: the shop's $\sigma_0=0.4$ with $d=10$ is about as
# noisy as $\sigma_0=0.09$ with $d=200$. That is a reason for the paper's "e.g., around 0.1" at its
# $d=200$.

# %%
show(encoder.sample)


def cosine_to_mean(deviation, d, samples=4000):
    mean = np.zeros((samples, 1, d))
    mean[..., 0] = 1.0
    # b = 0: sigma = sigma0
    z, _ = encoder.sample(mean, np.zeros_like(mean), rng.standard_normal(mean.shape), deviation)
    return (z * mean).sum(-1) / np.linalg.norm(z, axis=-1)


loads = np.linspace(0.02, 3.2, 22)
figure, axis = plt.subplots(figsize=(6.5, 3.5))
for place, d in enumerate((2, 10, 200)):
    cosines = np.array([cosine_to_mean(load / d**0.5, d) for load in loads])[:, :, 0]
    axis.plot(
        loads,
        cosines.mean(axis=1),
        ("s", "o", "^")[place],
        ms=4,
        color=COLOURS[place],
        label=f"sampled, $d$ = {d}",
    )
    low, high = np.quantile(cosines, [0.1, 0.9], axis=1)
    axis.fill_between(loads, low, high, color=COLOURS[place], alpha=0.12, lw=0)
    if d == 200:
        np.testing.assert_allclose(cosines.mean(axis=1), 1 / np.sqrt(1 + loads**2), rtol=0.02)
axis.plot(loads, 1 / np.sqrt(1 + loads**2), color=INK, label="$1/\\sqrt{1+d\\sigma^2}$")
axis.set(
    xlabel="$\\sigma\\sqrt{d}$",
    ylabel="cosine of $\\mathbf{z}$ and $\\mathbf{\\mu}$ (mean; band: 80%)",
    ylim=(-1, 1.02),
)
axis.legend(fontsize=8, loc="lower left")
plt.show()

# %% [markdown]
# ## Equation (4): two things in one term
#
# What does the KL term do for *all* users together? Let $p_{\rm data}(\mathbf x)$ be the
# distribution of users (of those we have: each is as probable as any other), and
# $q(\mathbf z\mid\mathbf C)$, that is
# $\mathbb E_{p_{\rm data}(\mathbf x)}[q(\mathbf z\mid\mathbf x,\mathbf C)]$, the **aggregated
# posterior**: the tastes of everybody, in one heap. Then
#
# $$\mathbb E_{p_{\rm data}(\mathbf x_u)}
# \big[D_{\rm KL}(q_\theta(\mathbf z_u\mid\mathbf x_u,\mathbf C)\,\|\,p_\theta(\mathbf z_u))\big]
# =I_q(\mathbf x_u;\mathbf z_u)
# +D_{\rm KL}\big(q_\theta(\mathbf z_u\mid\mathbf C)\,\|\,p_\theta(\mathbf z_u)\big).\tag{4}$$
#
# *Proof, as in the paper.* Write out the definition,
#
# $$\mathbb E_{p_{\rm data}}\mathbb E_{q(\mathbf z|\mathbf x,\mathbf C)}
# \big[\ln\frac{q(\mathbf z|\mathbf x,\mathbf C)}{p(\mathbf z)}\big] .$$
#
# Multiply and divide by $q(\mathbf z\mid\mathbf C)$ inside the logarithm and split:
#
# $$=\mathbb E_{p_{\rm data}}\mathbb E_{q(\mathbf z|\mathbf x,\mathbf C)}
# \Big[\ln\frac{q(\mathbf z\mid\mathbf x,\mathbf C)}{q(\mathbf z\mid\mathbf C)}\Big]+
# \mathbb E_{p_{\rm data}}\mathbb E_{q(\mathbf z|\mathbf x,\mathbf C)}
# \Big[\ln\frac{q(\mathbf z\mid\mathbf C)}{p(\mathbf z)}\Big].$$
#
# The first term is a definition of the mutual information $I_q(\mathbf x;\mathbf z)$ between user
# and taste, under the joint distribution
# $q(\mathbf z\mid\mathbf x,\mathbf C)\,p_{\rm data}(\mathbf x)$: how many nats a sample $\mathbf z$
# tells about whose it is. In the second, the quantity inside depends on $\mathbf z$ alone, so only
# the distribution of $\mathbf z$ matters, which is $q(\mathbf z\mid\mathbf C)$ by its definition:
# it is
#
# $$\mathbb E_{q(\mathbf z|\mathbf C)}\Big[\ln\frac{q(\mathbf z|\mathbf C)}{p(\mathbf z)}\Big]
# =D_{\rm KL}(q(\mathbf z\mid\mathbf C)\|p(\mathbf z)) .\qquad\square$$
#
# If the prior is a product, as ours is, the second term splits once more (Chen et al., 2018).
# Multiply and divide by the product of the marginals $\prod_jq(z_j\mid\mathbf C)$:
#
# $$D_{\rm KL}\big(q(\mathbf z\mid\mathbf C)\|p(\mathbf z)\big)
# =\underbrace{D_{\rm KL}\Big(q(\mathbf z\mid\mathbf C)\,\Big\|\,\prod_jq(z_j\mid\mathbf C)\Big)}
# _{\text{TC, total correlation: 0 if and only if dimensions are independent}}
# +\underbrace{\sum_jD_{\rm KL}\big(q(z_j\mid\mathbf C)\,\|\,p(z_j)\big)}
# _{\text{"each": each dimension against the prior}} .$$
#
# TC is what the paper is after: "Penalizing the latter KL term would encourage independence between
# the dimensions". So the KL term is $I_q$ + TC + "each". We count all of them in a world of six
# users, one concept and $d=2$, where a grid covers everything.

# %%
side = np.linspace(-4, 4, 321)
cell = (side[1] - side[0]) ** 2
# (points, 1, d)
plane = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 1, 2)


def count(mu, sigma, sigma0):
    """I, TC, "each" and the mean KL, all on the grid, for equally frequent users (n, d)."""
    ln_q_x = ln_normal(plane, mu, sigma).sum(axis=-1)  # (points, n): ln q(z | x)
    q_x = np.exp(ln_q_x) * cell
    q = q_x.mean(axis=1)  # q(z | C), as probabilities of cells
    ln_q = np.log(q / cell)
    ln_p = ln_normal(plane, 0.0, sigma0).sum(axis=(1, 2))
    table = q.reshape(len(side), len(side))
    width = cell**0.5
    marginals = [table.sum(axis=1 - j) for j in (0, 1)]  # probabilities of strips
    product = np.log(np.outer(*marginals) / cell).ravel()
    each = sum((m * (np.log(m / width) - ln_normal(side, 0.0, sigma0))).sum() for m in marginals)
    return {
        "I": (q_x * (ln_q_x - ln_q[:, None])).sum() / len(mu),
        "TC": (q * (ln_q - product)).sum(),
        "each": each,
        "KL(q(z)||p)": (q * (ln_q - ln_p)).sum(),
        "mean KL": (q_x * (ln_q_x - ln_p[:, None])).sum() / len(mu),
    }


sigma0 = 0.6
corner = 2 * np.pi * np.arange(6) / 6
mu = np.stack([np.cos(corner), np.sin(corner)], axis=1)  # six users, evenly around the circle
figure, axes = plt.subplots(1, 3, figsize=(10.5, 3.9), sharey=True)
for axis, ratio in zip(axes, (0.3, 0.6, 1.0)):
    sigma = np.full_like(mu, ratio * sigma0)
    parts = count(mu, sigma, sigma0)
    closed, _ = encoder.kl_divergence(mu[:, None], -2 * np.log(sigma / sigma0)[:, None], sigma0)
    np.testing.assert_allclose(parts["mean KL"], closed, rtol=1e-5)
    # equation (4)
    np.testing.assert_allclose(parts["mean KL"], parts["I"] + parts["KL(q(z)||p)"], rtol=1e-9)
    # and its second half
    np.testing.assert_allclose(parts["KL(q(z)||p)"], parts["TC"] + parts["each"], rtol=1e-6)
    assert min(parts.values()) > 0 and parts["I"] < np.log(6)
    density = np.exp(ln_normal(plane, mu, sigma).sum(axis=-1)).mean(axis=1).reshape(len(side), -1)
    axis.contourf(side, side, density.T, levels=8, cmap="Blues")
    axis.add_patch(plt.Circle((0, 0), sigma0, fill=False, color=COLOURS[1], ls="--", lw=1.5))
    axis.plot(*mu.T, "o", color=COLOURS[5], ms=4)
    axis.set(aspect="equal", xlim=(-2.4, 2.4), ylim=(-2.4, 2.4), xlabel="$z_1$")
    total = f"$\\sigma$ = {ratio} $\\sigma_0$: KL {closed:.2f}"
    terms = f"$I_q$ {parts['I']:.2f} + TC {parts['TC']:.2f} + each {parts['each']:.2f}"
    axis.set_title(f"{total}\n= {terms}", fontsize=10)
axes[0].set_ylabel("$z_2$")
plt.show()

# %% [markdown]
# Blue, the darker the denser: everybody's tastes, $q(\mathbf z\mid\mathbf C)$. Dots: the six means.
# Dashed: one standard deviation of the prior. From left to right the noise grows until the users
# run into each other: a sample tells less about whose it is ($I_q$ falls; its limit is
# $\ln 6=1.79$, "exactly who"), and the dimensions become less dependent (TC falls). "Each" falls
# and rises again: along one axis the heap first loses its gaps, and then grows wider
# ($\frac12+\sigma^2=0.86$ is the variance of $z_j$ on the right) than the prior
# ($\sigma_0^2=0.36$).
#
# Two things deserve a second look.
#
# * The means are as evenly spread as can be, $z_1$ and $z_2$ are *uncorrelated*, and still TC is
#   not 0. On a circle the coordinates are never independent: if $z_1$ is near 1, $z_2$ must be
#   near 0. With means of unit length only noise can make dimensions independent.
# * Even at $\sigma=\sigma_0$, the least that the KL can be, its value $1/(2\sigma_0^2)=1.39$ is not
#   nothing: it pays for $I_q$, for TC, and for living on a circle instead of in a heap around 0.

# %%
assert abs(np.corrcoef(mu.T)[0, 1]) < 1e-12
least = count(mu, np.full_like(mu, sigma0), sigma0)["mean KL"]
np.testing.assert_allclose(least, 1 / (2 * sigma0**2), rtol=1e-5)
# the variance of z_j when sigma = sigma0
np.testing.assert_allclose((mu**2).mean(axis=0) + sigma0**2, 0.86)

# %% [markdown]
# ## Equation (5): a weight on both
#
# The paper follows $\beta$-VAE and strengthens the KL term, with all of its parts, by a factor:
#
# $$\mathbb E_{p_\theta(\mathbf C)}\Big[\mathbb E_{q_\theta(\mathbf z_u\mid\mathbf x_u,\mathbf C)}[
# \ln p_\theta(\mathbf x_u\mid\mathbf z_u,\mathbf C)]-
# \beta\,D_{\rm KL}\big(q_\theta(\mathbf z_u\mid\mathbf x_u,\mathbf C)\,
# \|\,p_\theta(\mathbf z_u)\big)\Big].\tag{5}$$
#
# With $\beta\ge1$ it is still a lower bound of $\ln p(\mathbf x)$ (a KL is never negative), with
# $\beta<1$ it need not be one; either may recommend better. (That it *grows* from 0 to $\beta$
# during training is the business of notebook 9.) `model.elbo` estimates (5) with one sample of
# $\mathbf C$ and $\mathbf z$, averages over the users of the batch, and turns the sign: a loss.
# Here it is against (5) from its parts, with the noise of $\mathbf z$ given and none on
# $\mathbf C$:

# %%
made = shop.make()
config = Config(**shop.OPTIONS).replace(
    start="adoptions", alexnet="", category_weight=0.0, max_epochs=40
)
split_of = splits.split(made, config.split, config.split_seed)
X = split_of.train[:400]
# with zero Gumbel noise: C = softmax(s)
still = config.replace(gumbel_temperature=1.0, precision="float64")
untrained = model.initial_parameters(X.shape[1], still, rng)
epsilon = rng.standard_normal((400, config.K, config.d))
C, (mu, sigma) = model.concepts(untrained, still), model.represent(untrained, X, still)
z, H = normalise(mu + epsilon * sigma)[0], normalise(untrained["H"])[0]
P = np.exp(decoder.log_scores(z, H, C, config.tau))
# ln p(x | z, C), the mean over users
ln_like = (X.toarray() * np.log(P / P.sum(axis=1, keepdims=True))).sum() / 400
kl = (np.log(config.sigma0 / sigma) - 0.5 + (sigma**2 + mu**2) / (2 * config.sigma0**2)).sum() / 400
noise = Noise(gumbel=np.zeros_like(C), epsilon=epsilon)
for beta in (0.0, 0.2, 20.0):
    terms, _ = model.elbo(untrained, X, noise, still, beta)
    np.testing.assert_allclose(-terms["loss"], ln_like - beta * kl, rtol=1e-9)  # equation (5)

# %% [markdown]
# Now we train on the shop with five values of $\beta$, and estimate all parts, concept by concept,
# for 400 users. A grid does not reach into ten dimensions; samples do. As $p_{\rm data}$ we take
# just these 400, so that $q(\mathbf z\mid\mathbf C)$ is a mixture of 400 known normal
# distributions, and $I_q\le\ln400=5.99$.

# %%


def ln_mean_exp(values, axis):
    top = values.max(axis=axis, keepdims=True)
    return np.log(np.exp(values - top).mean(axis=axis)) + top.squeeze(axis)


def estimate(mu, sigma, sigma0, per_user=5):
    """The parts of the KL of one concept by sampling; mu, sigma (n, d)."""
    n, d = mu.shape
    owner = np.tile(np.arange(n), per_user)
    z = mu[owner] + sigma[owner] * rng.standard_normal((n * per_user, d))
    ln = ln_normal(z[:, None], mu[None], sigma[None])  # (samples, users, d)
    ln_q_x = ln[np.arange(len(z)), owner].sum(axis=1)
    ln_q = ln_mean_exp(ln.sum(axis=2), axis=1)
    ln_marginals = ln_mean_exp(ln, axis=1).sum(axis=1)
    ln_p = ln_normal(z, 0.0, sigma0).sum(axis=1)
    return (
        np.array([ln_q_x - ln_q, ln_q - ln_marginals, ln_marginals - ln_p]).mean(axis=1),
        (ln_q_x - ln_p).std() / len(z) ** 0.5,
    )


betas = (0.2, 1.0, 5.0, 20.0, 100.0)
rows, noise, quality, angles, kept = [], [], [], [], {}
for beta in betas:
    here = config.replace(beta=beta)
    state = fit.fit(split_of, here)
    mu, sigma = (a.astype(float) for a in model.represent(state.best, X, here))
    estimates, errors = zip(*(estimate(mu[:, k], sigma[:, k], here.sigma0) for k in range(here.K)))
    parts = np.mean(estimates, axis=0)
    closed, _ = encoder.kl_divergence(mu, -2 * np.log(sigma / here.sigma0), here.sigma0)
    # I_q + TC + each = KL, within the sampling error
    assert abs(parts.sum() - closed / here.K) < 4 * np.mean(errors)
    rows.append(parts)
    kept[beta] = mu, sigma
    noise.append((sigma / here.sigma0).mean())
    quality.append(state.best_score)
    z = mu + sigma * rng.standard_normal(mu.shape)
    angles.append(((z * mu).sum(-1) / np.linalg.norm(z, axis=-1)).mean())
    print(
        f"beta {beta:5}: KL a concept {closed / here.K:5.2f} = I_q {parts[0]:.2f} + TC"
        f" {parts[1]:.2f} + each {parts[2]:.2f};  sigma / sigma0 {noise[-1]:.2f}, NDCG@100"
        f" {quality[-1]:.3f}"
    )
rows = np.array(rows)

# the means of one model with the noise of the other
tc_of = lambda means, deviations: np.mean(
    [estimate(means[:, k], deviations[:, k], config.sigma0)[0][1] for k in range(config.K)]
)
(mu_small, sigma_small), (mu_large, sigma_large) = kept[0.2], kept[100.0]
swapped = tc_of(mu_small, np.full_like(mu_small, config.sigma0)), tc_of(mu_large, sigma_small)
print(
    f"TC with the means of beta 0.2 and sigma = sigma0: {swapped[0]:.2f}; with the means of beta"
    f" 100 and the sigma of beta 0.2: {swapped[1]:.2f}"
)
# it is the noise, not the means, that makes dimensions independent
assert swapped[0] < (rows[0, 1] + rows[-1, 1]) / 2 < swapped[1]

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), width_ratios=[1.5, 1, 1])
bottom = np.zeros(len(betas))
places = np.arange(len(betas))
for values, name, colour, hatch in zip(
    rows.T,
    ("mutual information $I_q$", "total correlation", "each dimension against the prior"),
    COLOURS,
    ("", "//", ".."),
):
    axes[0].bar(
        places, values, bottom=bottom, color=colour, hatch=hatch, edgecolor="white", label=name
    )
    bottom += values
axes[0].axhline(1 / (2 * config.sigma0**2), color=INK, ls="--", lw=1)
axes[0].text(4.5, 1 / (2 * config.sigma0**2), "$1/(2\\sigma_0^2)$ ", va="bottom", ha="right")
axes[0].set(ylabel="KL of a concept, nats")
axes[0].legend(fontsize=8)
axes[1].plot(places, noise, "o-", color=COLOURS[0], label="mean of $\\sigma/\\sigma_0$")
axes[1].plot(
    places, angles, "^--", color=COLOURS[5], label="cosine of $\\mathbf{z}$ and $\\mathbf{\\mu}$"
)
axes[1].set(ylim=(0, 1.05), ylabel="mean over users and concepts")
axes[1].legend(fontsize=8, loc="lower right")
axes[2].plot(places, quality, "o-", color=COLOURS[2])
axes[2].set(ylim=(0, 0.4), ylabel="validation NDCG@100")
for axis in axes:
    axis.set(xticks=places, xticklabels=[f"{beta:g}" for beta in betas], xlabel="$\\beta$")
plt.show()
assert (np.diff(noise) > 0).all() and noise[-1] > 0.95  # sigma is pinned to sigma0 ...
assert rows[-1, 0] > 1  # ... and the code is alive all the same
np.testing.assert_allclose(rows[-1].sum(), 1 / (2 * config.sigma0**2), rtol=0.05)
assert rows[-1, 1] < 0.2 * rows[0, 1]

# %% [markdown]
# So this is what $\beta$ really does here:
#
# 1. It pulls $\boldsymbol\sigma$ to $\sigma_0$, and once it is there, more $\beta$ changes nothing
#    in the KL: the rest is the constant.
# 2. Total correlation falls, as promised. But it falls *because noise is added*, the same in all
#    directions. Exchange the noise of the two extremes (the last line printed) and TC goes with the
#    noise: the means of $\beta=0.2$ would be at least as independent under the noise of
#    $\beta=100$, and those of $\beta=100$, without it, about as dependent. Nothing in the term
#    prefers a mean along one axis to a mean between two.
# 3. Mutual information falls too, and NDCG with it (in these 40 epochs, one seed, a standard error
#    of .012; trained to the end, $\beta=1$ is as good as 0.2 and only the larger ones lose:
#    `docs/shop.md`). But it never falls to zero: 400 users remain distinguishable by about one and
#    a half nats a concept, at $\beta=100$ as at $\beta=20$.
#
# "Each dimension independent" is therefore not yet "each dimension a factor of taste".
# [Notebook 10](10_disentanglement.ipynb) measures the latter on the shop, where the factors are
# known.
#
# ## Where you are
#
# | equation, line | function | test |
# |---|---|---|
# | the KL term; line 26 | `model.encoder.kl_divergence` | `model/test_encoder.py::test_kl_divergence`, `test_kl_in_closed_form_equals_the_sampled_kl` |
# | its constant $K/(2\sigma_0^2)$ | `model.encoder.posterior`, `model.encoder.kl_divergence` | `model/test_encoder.py::test_kl_of_a_unit_mean_is_never_below_its_constant` |
# | (4) | `model.encoder.kl_divergence`, decomposed above | `model/test_encoder.py::test_the_mean_kl_is_equation_4` |
# | (5) | `model.objective.elbo` | `model/test_objective.py::test_kl_with_a_large_weight`, `test_the_loss_is_the_sum_of_its_terms_and_a_function_of_its_arguments` |
#
# ## Exercises
#
# **1.** Some programs leave $\sigma_0$ out of the KL: $\boldsymbol\sigma=\sigma_0e^{-\mathbf b/2}$
# as in (9), but the KL against $\mathcal N(0,1)$. For $\sigma_0=0.1$, to which $\sigma$ does this
# KL pull, and what would that mean for the cosine of $\mathbf z$ and $\boldsymbol\mu$ with $d=200$?
#
# <details><summary>Solution</summary>
#
# $\frac12[\sigma^2-2\ln\sigma-1]$ is least at $\sigma=1$, ten times $\sigma_0$. With
# $\sigma\sqrt d=14$ the cosine is $1/\sqrt{1+200}\approx0.07$: the decoder would see next to
# nothing but noise.
#
# ```python
# print(cosine_to_mean(1.0, 200).mean().round(2), cosine_to_mean(0.1, 200).mean().round(2))
# # 0.07 0.58
# ```
# </details>
#
# **2.** Two normal numbers with correlation $\rho$ have $\text{TC}=-\frac12\ln(1-\rho^2)$. Derive
# it from the definition and check it with samples for $\rho=0.8$.
#
# <details><summary>Solution</summary>
#
# $$\ln q(\mathbf z)-\ln q(z_1)-\ln q(z_2)
# =-\frac12\ln(1-\rho^2)-\frac{z_1^2-2\rho z_1z_2+z_2^2}{2(1-\rho^2)}+\frac{z_1^2+z_2^2}2 .$$
#
# On average $z_1^2=z_2^2=1$ and $z_1z_2=\rho$, so the last two terms are
# $-\frac{2-2\rho^2}{2(1-\rho^2)}+1=0$.
#
# ```python
# rho = 0.8
# z1, e = rng.standard_normal((2, 200_000))
# z2 = rho * z1 + np.sqrt(1 - rho**2) * e
# tc = -0.5 * np.log(1 - rho**2)
# together = (z1**2 - 2 * rho * z1 * z2 + z2**2) / (2 * (1 - rho**2))
# ratio = tc - together + (z1**2 + z2**2) / 2
# print(ratio.mean().round(2), tc.round(2))
# # 0.51 0.51
# ```
# </details>
#
# **3.** Rotate all six means by 15 degrees, at $\sigma=0.3\,\sigma_0$. Which of $I_q$, TC, "each"
# change? Why does the objective not care?
#
# <details><summary>Solution</summary>
#
# $I_q$ and the whole KL stay: noise and prior look the same in all directions. TC and "each" trade
# with one another, since they ask about the axes. The objective contains only their sum. (A
# rotation by 60 degrees puts the hexagon on itself and changes nothing at all.)
#
# ```python
# for degrees in (0, 15):
#     turned = corner + np.deg2rad(degrees)
#     six = np.stack([np.cos(turned), np.sin(turned)], axis=1)
#     counted = count(six, np.full_like(six, 0.18), 0.6)
#     print(degrees, {name: round(float(value), 3) for name, value in counted.items()})
# # 0 {'I': 1.776, 'TC': 0.43, 'each': 0.681, 'KL(q(z)||p)': 1.111, 'mean KL': 2.887}
# # 15 {'I': 1.776, 'TC': 0.686, 'each': 0.425, 'KL(q(z)||p)': 1.111, 'mean KL': 2.887}
# ```
# </details>
#
# **Next:** [notebook 5](05_prototypes.ipynb), where the concepts come from.
