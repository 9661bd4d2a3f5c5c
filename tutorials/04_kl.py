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
# [← 03](03_reconstruction.ipynb) · [all notebooks](README.md) · [05 →](05_prototypes.ipynb) ·
# [this one, to fill in yourself](blank/04_kl.ipynb). It takes some 110 CPU seconds.
#
# ![Algorithm 1 as a graph: you are here](images/04_kl.svg)
#
# *After this notebook you can derive the KL term's closed form and equation (4), and you will know
# what $\sigma_0$ and $\beta$ do in this model, which is not quite what the paper says.*
#
# You need calculus, NumPy, the story of [notebook 1](01_story.ipynb), and the bound (3) of notebook
# 2: $\text{ELBO}=\mathbb E[\ln p(\mathbf x\mid\mathbf z,\mathbf C)]-D_{\rm KL}(q\|p)$. About 30
# minutes.

# %%
import numpy as np
import shopper
from lesson import figure_style, progress, show, the_shop
from plots import kl as plots

from macrid import model
from macrid.model import decoder, encoder, plain
from macrid.model.gradcheck import check_op
from macrid.model.objective import mlp
from macrid.model.ops import normalise
from macrid.training import adam, fit
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
def ln_normal(z, mean, deviation):
    return -0.5 * ((z - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * np.log(2 * np.pi)


mu, b, sigma0 = 0.3 * rng.standard_normal((1, 2, 3)), rng.standard_normal((1, 2, 3)), 0.4
sigma = sigma0 * np.exp(-b / 2)
formula = np.log(sigma0 / sigma) - 0.5 + (sigma**2 + mu**2) / (2 * sigma0**2)
np.testing.assert_allclose(formula, (np.exp(-b) + b - 1 + mu**2 / sigma0**2) / 2)

# by sampling: the average of ln q - ln p over samples of q
samples = 200_000
z = mu + sigma * rng.standard_normal((samples, 2, 3))
each = (ln_normal(z, mu, sigma) - ln_normal(z, 0.0, sigma0)).sum(axis=(1, 2))
error = each.std() / samples**0.5
print(f"closed form {formula.sum():.4f}, sampled {each.mean():.4f} +- {error:.4f}")
assert abs(each.mean() - formula.sum()) < 4 * error

# %% [markdown]
# **Your turn.** Write it as an *op*, as `macrid` does: a function that returns its value and its
# *pullback*. The pullback takes $\bar v=\partial L/\partial v$, the derivative of some number $L$
# (the loss) with respect to the value $v$, and returns the derivatives of $L$ with respect to the
# arguments: by the chain rule $\bar v\,\partial v/\partial\mu_j$ and
# $\bar v\,\partial v/\partial b_j$. (Notebook 8 is about nothing else.) `check_op` compares them
# with central differences, $(v(\mu_j+h)-v(\mu_j-h))/2h$, and then makes sure that it would have
# noticed an error of a thousandth.


# %%
# your turn
def my_kl(mu, b, sigma0):
    """The KL divergence summed over concepts and dimensions, averaged over users (B, K, d)."""

    def pullback(dvalue):
        raise NotImplementedError("return two arrays: for mu and for b")

    raise NotImplementedError("return the value, a number, and the pullback")


# %%
# solution
def my_kl(mu, b, sigma0):
    """The KL divergence summed over concepts and dimensions, averaged over users (B, K, d)."""
    B = len(mu)
    value = 0.5 * (np.exp(-b) + b - 1 + mu**2 / sigma0**2).sum() / B

    def pullback(dvalue):
        return dvalue * mu / sigma0**2 / B, dvalue * (1 - np.exp(-b)) / 2 / B

    return value, pullback


# %%
assert abs(my_kl(mu, b, sigma0)[0] - formula.sum()) < 1e-9, (
    f"the value for one user is {my_kl(mu, b, sigma0)[0]}, and should be {formula.sum()}"
)
twice = my_kl(np.repeat(mu, 2, axis=0), np.repeat(b, 2, axis=0), sigma0)[0]
assert abs(twice - formula.sum()) < 1e-9, (
    f"of the same user twice the mean is {formula.sum()}, as of one; my_kl says {twice}"
)
two_users = {"mu": rng.standard_normal((2, 2, 3)), "b": rng.standard_normal((2, 2, 3))}
errors = check_op(my_kl, {**two_users, "sigma0": sigma0}, rng, ["mu", "b"])
print({name: f"{error:.0e}" for name, error in errors.items()}, "relative error")

# %% [markdown]
# On the page that holds the whole model, `macrid/model/plain.py`, it is the line with
# "line 26" at its end, and its derivatives are the terms with `dkl`. The package has the same as an
# op by itself:

# %%
show(plain.encoder, encoder.kl_divergence)

# %% [markdown]
# **The shopper.** Here are the two normal distributions that the encoder names for
# our shopper of eight products (notebook 1 introduces her, notebook 6 says where these numbers come
# from), and what each of their numbers costs:

# %%
her = shopper.follow()
cost = (np.exp(-her.b) + her.b - 1 + her.mu**2 / plain.SIGMA0**2) / 2  # (K, d)
shopper.write(mu=her.mu, b=her.b, sigma=her.sigma, cost=cost)
print(f"KL {cost.sum():.2f}, of which {(her.mu**2).sum() / 2 / plain.SIGMA0**2:.2f} for the means")
np.testing.assert_allclose(cost.sum(), her.kl)
one_user = encoder.kl_divergence(her.mu[None], her.b[None], plain.SIGMA0)[0]
np.testing.assert_allclose(one_user, her.kl)

# %% [markdown]
# The part with $b$, $\frac12(e^{-b}+b-1)$, is zero at $b=0$, where $\sigma=\sigma_0$, and nowhere
# else (its derivative $\frac12(1-e^{-b})$ has the sign of $b$). To know *less* than the prior
# ($b<0$) costs exponentially, to know *more* only linearly: in the end half a nat per unit of $b$.
# Nearly all of the shopper's cost is for the means, and it is the same $1/(2\sigma_0^2)=3.125$ in
# both concepts. That is no accident.
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
# **The KL term does not push the mean.** Its gradient with respect to $\boldsymbol\mu$ is
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
# collapse"). Here it cannot.
#
# **But the mean is not safe from it.** $\mathbf a$ gets no push, yet $\mathbf a$ and $\mathbf b$
# come out of the same network, from the same $\mathbf t_i$. To please the KL term, $\mathbf b$ must
# become 0; whoever changes $\mathbf t_i$ or a hidden layer to that end changes $\mathbf a$ as well.
# We take a trained model and let Adam loose on the KL term *alone*: once on all that the encoder
# has, once on its last layer only, in which $\mathbf a$ and $\mathbf b$ have weights of their own.
#
# **Predict:** by how many degrees will the means turn in each case?

# %%
made, split_of, config = the_shop()
X = split_of.train[:400]
trained = fit.fit(split_of, config).best
trained = {name: p.astype(float) for name, p in trained.items()}
concepts = model.concepts(trained, config)


def kl_alone(p):
    """The means (B, K, d), and the gradients of the KL term with respect to T and f_nn."""
    A, pull_A = encoder.aggregate(X.astype(float), concepts, p["T"])
    ab, pull_f = encoder.f_nn(A.reshape(-1, config.d), mlp(p), None)
    (mu, b), pull_posterior = encoder.posterior(ab.reshape(*A.shape[:2], -1))
    _, pull_kl = encoder.kl_divergence(mu, b, config.sigma0)
    dab = pull_posterior(*pull_kl(1.0))
    dA, gradients = pull_f(dab.reshape(-1, 2 * config.d))
    return mu, gradients | {"T": pull_A(dA.reshape(A.shape))[1]}


# %%
bare = config.replace(l2=0.0)  # Adam would make much even of a tiny L2, where there is nothing else


def turned_by_kl(names, steps=60):
    """Adam on the KL term alone: the mean angle to the means of the start, after every step."""
    p = {name: value.copy() for name, value in trained.items()}
    free = {name: p[name] for name in names}
    moments, angles, (start, _) = adam.start(free), [], kl_alone(p)
    for step in range(1, steps + 1):
        mu, gradients = kl_alone(p)
        angles.append(np.degrees(np.arccos(np.clip((mu * start).sum(-1), -1, 1))).mean())
        adam.update(free, gradients, moments, step, bare)
    return angles


everything = turned_by_kl(["T", "W0", "b0", "W1", "b1"])
last_layer = turned_by_kl(["W1", "b1"])
plots.turning([everything, last_layer], ["all of the encoder", "its last layer only"])
print(f"all of the encoder {everything[-1]:.0f} degrees, last layer {last_layer[-1]:.4f} degrees")
assert everything[-1] > 5 > 0.1 > last_layer[-1]

# %% [markdown]
# So: the KL term has *no preference* about the means (its value does not depend on them), and it
# moves them all the same, as a by-product, wherever they share parameters with $\boldsymbol\sigma$.
# In training the other term pulls them back.
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


# %% [markdown]
# **Predict:** with $\sigma\sqrt d=1$, what is the angle between a sample and its mean?

# %%
loads = np.linspace(0.02, 3.2, 22)
cosines = {
    d: np.array([cosine_to_mean(load / d**0.5, d)[:, 0] for load in loads]) for d in (2, 10, 200)
}
formula = 1 / np.sqrt(1 + loads**2)
np.testing.assert_allclose(cosines[200].mean(axis=1), formula, rtol=0.02)
plots.closeness(loads, cosines)

# %% [markdown]
# (45 degrees: the cosine is $1/\sqrt2$.)
#
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


# %%
def marginals_of(q):
    """The probabilities of strips along either axis, and ln of the density of their product."""
    table = q.reshape(len(side), len(side))
    marginals = [table.sum(axis=1 - j) for j in (0, 1)]
    return marginals, np.log(np.outer(*marginals) / cell).ravel()


# %%
def count(mu, sigma, sigma0):
    """I, TC, "each" and the mean KL, all on the grid, for equally frequent users (n, d)."""
    ln_q_x = ln_normal(plane, mu, sigma).sum(axis=-1)  # (points, n): ln q(z | x)
    q_x = np.exp(ln_q_x) * cell
    q = q_x.mean(axis=1)  # q(z | C), as probabilities of cells
    ln_q, ln_p = np.log(q / cell), ln_normal(plane, 0.0, sigma0).sum(axis=(1, 2))
    marginals, product = marginals_of(q)
    of_strip = lambda m: m * (np.log(m / cell**0.5) - ln_normal(side, 0.0, sigma0))
    return {
        "I": (q_x * (ln_q_x - ln_q[:, None])).sum() / len(mu),
        "TC": (q * (ln_q - product)).sum(),
        "each": sum(of_strip(m).sum() for m in marginals),
        "KL(q(z)||p)": (q * (ln_q - ln_p)).sum(),
        "mean KL": (q_x * (ln_q_x - ln_p[:, None])).sum() / len(mu),
    }


# %%
def around(*degrees):
    """Means of length one at these angles: (n, 2)."""
    angle = np.deg2rad(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


# %%
sigma0 = 0.6
hexagon = around(*range(0, 360, 60))  # six users, evenly around the circle
panels = []
for ratio in (0.3, 0.6, 1.0):
    sigma = np.full_like(hexagon, ratio * sigma0)
    parts = count(hexagon, sigma, sigma0)
    closed, _ = encoder.kl_divergence(
        hexagon[:, None], -2 * np.log(sigma / sigma0)[:, None], sigma0
    )
    np.testing.assert_allclose(parts["mean KL"], closed, rtol=1e-5)
    # equation (4), and its second half
    np.testing.assert_allclose(parts["mean KL"], parts["I"] + parts["KL(q(z)||p)"], rtol=1e-9)
    np.testing.assert_allclose(parts["KL(q(z)||p)"], parts["TC"] + parts["each"], rtol=1e-6)
    assert min(parts.values()) > 0 and parts["I"] < np.log(6)
    terms = f"$I_q$ {parts['I']:.2f} + TC {parts['TC']:.2f} + each {parts['each']:.2f}"
    title = f"$\\sigma$ = {ratio} $\\sigma_0$: KL {closed:.2f}\n= {terms}"
    density = np.exp(ln_normal(plane, hexagon, sigma).sum(axis=-1)).mean(axis=1)
    panels.append((title, hexagon, density.reshape(len(side), -1)))

# %% [markdown]
# **Predict** before you look: from left to right the users' noise grows. Which of the three parts
# fall, which rise?

# %%
plots.heaps(side, panels, sigma0)

# %%
from lesson import touch

touch("04_means")

# %% [markdown]
# Blue, the darker the denser: everybody's tastes, $q(\mathbf z\mid\mathbf C)$. Dots:
# the six means, on the unit circle. Dashed: one standard deviation of the prior. From left to right
# the noise grows until the users run into each other: a sample tells less about whose it is ($I_q$
# falls; its limit is $\ln 6=1.79$, "exactly who"), and the dimensions become less dependent (TC
# falls). "Each" falls and rises again: along one axis the heap first loses its gaps, and then grows
# wider ($\frac12+\sigma^2=0.86$ is the variance of $z_j$ on the right) than the prior
# ($\sigma_0^2=0.36$).
#
# Even at $\sigma=\sigma_0$, the least that the KL can be, its value $1/(2\sigma_0^2)=1.39$ is not
# nothing: it pays for $I_q$, for TC, and for living on a circle instead of in a heap around 0.
#
# And one thing deserves a second look. The means are as evenly spread as can be, $z_1$ and $z_2$
# are *uncorrelated*, and still TC is not 0: if $z_1$ is near 1, $z_2$ must be near 0.

# %%
assert abs(np.corrcoef(hexagon.T)[0, 1]) < 1e-12
least = count(hexagon, np.full_like(hexagon, sigma0), sigma0)["mean KL"]
np.testing.assert_allclose(least, 1 / (2 * sigma0**2), rtol=1e-5)
# the variance of z_j when sigma = sigma0
np.testing.assert_allclose((hexagon**2).mean(axis=0) + sigma0**2, 0.86)

# %% [markdown]
# **Your turn.** Is it the circle's fault? Can means of length one be arranged so that $z_1$ and
# $z_2$ are *independent*, TC exactly 0, with as little noise as you please? Find four such means.


# %%
# your turn
def four_means():
    """Four different means of length one, (4, 2), whose coordinates are independent."""
    raise NotImplementedError("an array of four rows; `around` makes them from degrees")


# %%
# solution
def four_means():
    """The corners of a square that stands on its side."""
    return around(45, 135, 225, 315)


# %%
mine = four_means()
assert mine.shape == (4, 2) and len(np.unique(mine.round(6), axis=0)) == 4, (
    f"four different rows of two numbers, not\n{mine}"
)
np.testing.assert_allclose((mine**2).sum(axis=1), 1, err_msg="of length one")
for ratio in (0.3, 0.6, 1.0):
    parts = count(mine, np.full_like(mine, ratio * sigma0), sigma0)
    assert abs(parts["TC"]) < 1e-6, f"TC is {parts['TC']:.3f}, and should be 0"
print({name: round(float(value), 3) for name, value in parts.items()})

# %% [markdown]
# The corners of a square that stands on its side, $(\pm1,\pm1)/\sqrt2$: knowing $z_1$ tells nothing
# of $z_2$, since both signs of either go with both signs of the other. Turn that square by 45
# degrees, onto a corner, and its means are $(\pm1,0)$ and $(0,\pm1)$: very dependent. So the circle
# does not forbid independence, and noise is not the only way to it; the *arrangement* matters. But
# here is the point: does the KL term care which way the square stands?

# %%
panels = []
for degrees, name in ((45, "on its side"), (0, "on a corner")):
    square = around(*range(degrees, 360 + degrees, 90))
    sigma = np.full_like(square, 0.3 * sigma0)
    parts = count(square, sigma, sigma0)
    density = np.exp(ln_normal(plane, square, sigma).sum(axis=-1)).mean(axis=1)
    terms = f"$I_q$ {parts['I']:.2f} + TC {parts['TC']:.2f} + each {parts['each']:.2f}"
    title = f"{name}: KL {parts['mean KL']:.3f}\n= {terms}"
    panels.append((title, square, density.reshape(len(side), -1)))
    np.testing.assert_allclose(parts["mean KL"], 2.8875, atol=1e-3)  # the same for both
    assert (parts["TC"] < 1e-6) == (name == "on its side") and (degrees or parts["TC"] > 0.5)
plots.heaps(side, panels, sigma0)

# %% [markdown]
# It does not. What TC loses "each" gains, to the last digit: noise and prior look the same in all
# directions, so the objective sees only their sum.
#
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
# during training is a matter for notebook 9.) `model.elbo` estimates (5) with one sample of
# $\mathbf C$ and $\mathbf z$, averages over the users of the batch, and turns the sign: a loss.
# Here it is against (5) from its parts, with the noise of $\mathbf z$ given and none on
# $\mathbf C$:

# %%
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
#
# **A trap.** Four hundred small clouds in ten dimensions are *lonely*: around a user's cloud there
# is nobody else, and one coordinate of a sample already gives away the other nine, whatever the law
# that the users come from. TC counts that as dependence. So beside each TC stands its control: the
# same numbers, each coordinate *shuffled* among the users by itself. What each coordinate does
# alone stays as it is; any true dependence is gone; what is left of TC is loneliness.


# %%
def ln_mean_exp(values, axis):
    top = values.max(axis=axis, keepdims=True)
    return np.log(np.exp(values - top).mean(axis=axis)) + top.squeeze(axis)


def estimate(mu, sigma, sigma0, per_user=5):
    """I_q, TC and "each" of one concept, by samples; and a standard error. mu, sigma (n, d)."""
    owner = np.tile(np.arange(len(mu)), per_user)
    z = mu[owner] + sigma[owner] * rng.standard_normal((len(owner), mu.shape[1]))
    ln = ln_normal(z[:, None], mu[None], sigma[None])  # (samples, users, d)
    ln_q_x = ln[np.arange(len(z)), owner].sum(axis=1)
    ln_q = ln_mean_exp(ln.sum(axis=2), axis=1)
    ln_marginals = ln_mean_exp(ln, axis=1).sum(axis=1)
    ln_p = ln_normal(z, 0.0, sigma0).sum(axis=1)
    parts = [ln_q_x - ln_q, ln_q - ln_marginals, ln_marginals - ln_p]
    return np.mean(parts, axis=1), (ln_q_x - ln_p).std() / len(z) ** 0.5


# %%
def shuffled(mu, sigma):
    """Every coordinate, mu_j with its sigma_j, dealt out anew among the users."""
    order = rng.permuted(np.tile(np.arange(len(mu))[:, None], mu.shape[1]), axis=0)
    return np.take_along_axis(mu, order, axis=0), np.take_along_axis(sigma, order, axis=0)


def total_correlation(mu, sigma, n=400):
    """TC of the first n users and of their shuffled twins, means over concepts. (B, K, d)"""
    of = lambda pair: estimate(*pair, config.sigma0)[0][1]
    pairs = [(mu[:n, k], sigma[:n, k]) for k in range(config.K)]
    return np.mean([[of(pair), of(shuffled(*pair))] for pair in pairs], axis=0)


# %%
results, kept = {}, {}
for beta in progress((0.2, 1.0, 5.0, 20.0, 100.0), "beta"):
    state = fit.fit(split_of, config.replace(beta=beta))
    mu, sigma = (a.astype(float) for a in model.represent(state.best, X, config))
    of_concepts = [estimate(mu[:, k], sigma[:, k], config.sigma0) for k in range(config.K)]
    parts, errors = (np.mean(column, axis=0) for column in zip(*of_concepts))
    closed, _ = encoder.kl_divergence(mu, -2 * np.log(sigma / config.sigma0), config.sigma0)
    # I_q + TC + each = KL, within the sampling error
    assert abs(parts.sum() - closed / config.K) < 4 * errors
    z = normalise(mu + sigma * rng.standard_normal(mu.shape))[0]
    results[beta] = {
        "parts": [*parts, total_correlation(mu, sigma)[1]],
        "noise": (sigma / config.sigma0).mean(),
        "cosine": (z * mu).sum(axis=-1).mean(),
        "ndcg": state.best_score,
    }
    kept[beta] = mu, sigma

# %%
for beta, r in results.items():
    of_x, tc, alone, chance = r["parts"]
    print(
        f"beta {beta:5}: I_q {of_x:.2f} + TC {tc:.2f} + each {alone:.2f}; TC of the shuffled"
        f" {chance:.2f}; sigma / sigma0 {r['noise']:.2f}, NDCG@100 {r['ndcg']:.3f}"
    )
information, tc, _, chance = np.array([r["parts"] for r in results.values()]).T
assert 0.6 < chance[0] / tc[0] < 0.9  # most of it is loneliness
assert (tc - chance)[0] > 3 * (tc - chance)[-1] > 0  # the rest falls too
lonelier = total_correlation(*kept[0.2], n=100)
print(f"the first 100 users, beta 0.2: TC {lonelier[0]:.2f}, of the shuffled {lonelier[1]:.2f}")
assert lonelier[1] > 1.2 * chance[0]  # fewer users, more of it

# %% [markdown]
# **Predict:** which of the three panels will go on changing from $\beta=20$ to $\beta=100$?

# %%
plots.betas(results, config.sigma0)
noise = [r["noise"] for r in results.values()]
assert (np.diff(noise) > 0).all() and noise[-1] > 0.95  # sigma is pinned to sigma0 ...
assert information[-1] > 1  # ... and the code is alive all the same
least = sum(results[100.0]["parts"][:3])
np.testing.assert_allclose(least, 1 / (2 * config.sigma0**2), rtol=0.05)

# %% [markdown]
# **Noise or means?** The means of one extreme with the noise of the other, and beside each its
# shuffled twin:

# %%
(mu_small, sigma_small), (mu_large, _) = kept[0.2], kept[100.0]
much_noise = total_correlation(mu_small, np.full_like(mu_small, config.sigma0))
little_noise = total_correlation(mu_large, sigma_small)
for name, (here, twin) in (
    ("means of beta 0.2, sigma = sigma0", much_noise),
    ("means of beta 100, sigma of beta 0.2", little_noise),
):
    print(f"{name}: TC {here:.2f}, shuffled {twin:.2f}, beyond it {here - twin:.2f}")
# it is the noise, not the means, that makes dimensions independent
beyond = lambda pair: pair[0] - pair[1]
assert beyond(much_noise) < 0.5 * (tc - chance)[0] < beyond(little_noise)

# %% [markdown]
# (The third.) So this is what $\beta$ really does here:
#
# 1. It pulls $\boldsymbol\sigma$ to $\sigma_0$, and once it is there, more $\beta$ changes nothing
#    in the KL: the rest is the constant.
# 2. Total correlation falls, as promised. But at $\beta=0.2$ three quarters of it are loneliness,
#    which shuffling leaves in place, and what lies beyond falls *because noise is added*, the same
#    in all directions: exchange the noise of the two extremes, and it goes with the noise. Nothing
#    in the term prefers a mean along one axis to a mean between two.
# 3. Mutual information falls too, and NDCG with it (in these 40 epochs; trained to the end,
#    $\beta=1$ is as good as 0.2 and only the larger ones lose: `docs/shop.md`). But it never falls
#    to zero: 400 users remain distinguishable by about one and a half nats per concept, at
#    $\beta=100$ as at $\beta=20$.
#
# **Why does NDCG fall on, from $\beta=5$ to $100$,** where $\boldsymbol\sigma$ hardly changes any
# more? Two suspects: the last of the noise, and the turning of the means by way of shared
# parameters, which a large $\beta$ makes strong. We hold them apart, with three seeds each.
# *Confined:* at $\beta=100$ the gradient of the KL term reaches only what belongs to $\mathbf b$
# alone, the last layer's second half. *Calm:* at $\beta=100$, but with a $\sigma_0$ of 0.36 times
# its size, which is the noise that $\beta=0.2$ ends with.


# %%
def confined(p, X, noise, config, beta, targets=None):
    """The gradients, the KL's own kept from all but the last layer's half for b."""
    terms, whole = model.loss_and_gradients(p, X, noise, config, beta, targets)
    _, gradients = model.loss_and_gradients(p, X, noise, config, 0.0, targets)
    for name in ("W1", "b1"):
        gradients[name][..., config.d :] = whole[name][..., config.d :]
    return terms, gradients


def three_seeds(compute=model.loss_and_gradients, **options):
    """Validation NDCG@100 after training with three seeds, with gradients by `compute`."""
    fit.loss_and_gradients = compute  # what fit calls
    scores = [fit.fit(split_of, config.replace(seed=s, **options)).best_score for s in range(3)]
    fit.loss_and_gradients = model.loss_and_gradients
    return np.array(scores)


# %%
ndcg = {
    "beta 0.2": three_seeds(beta=0.2),
    "beta 5": three_seeds(beta=5.0),
    "beta 100": three_seeds(beta=100.0),
    "beta 100, confined": three_seeds(confined, beta=100.0),
    "beta 100, calm": three_seeds(beta=100.0, sigma0=0.36 * config.sigma0),
}
for name, scores in ndcg.items():
    print(f"{name:20} NDCG@100", *(f"{score:.3f}" for score in scores))
means = {name: scores.mean() for name, scores in ndcg.items()}
assert means["beta 5"] - means["beta 100"] > 0.02  # it falls
assert means["beta 100, confined"] < means["beta 5"] - 0.02  # and not by the turning
assert abs(means["beta 100, calm"] - means["beta 0.2"]) < 0.03  # it is the noise

# %% [markdown]
# The turning is acquitted: confined, $\beta=100$ does no better. And with little
# noise it does as well as $\beta=0.2$: nearly all that $\beta$ does to this model's quality it does
# by the noise. From 5 to 100 the average noise grows by a sixteenth only; $\sigma_0$ smaller by a
# sixteenth wins back a fifth of what is lost between them (.009 of .045; the same three seeds, not
# shown). The rest must be sought in *where* the noise is: at $\beta=5$ the encoder may still be
# surer in one dimension than in another, at 100 it may not. That is a guess; we have not tested it.
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
# change?
#
# <details><summary>Solution</summary>
#
# $I_q$ and the whole KL stay, as with the square; TC and "each" trade with one another, since they
# ask about the axes. (A rotation by 60 degrees puts the hexagon on itself and changes nothing at
# all. No rotation makes TC 0: six means on a circle cannot be a product of two sets, unlike four.)
#
# ```python
# for degrees in (0, 15):
#     six = around(*range(degrees, 360 + degrees, 60))
#     counted = count(six, np.full_like(six, 0.18), 0.6)
#     print(degrees, {name: round(float(value), 3) for name, value in counted.items()})
# # 0 {'I': 1.776, 'TC': 0.43, 'each': 0.681, 'KL(q(z)||p)': 1.111, 'mean KL': 2.887}
# # 15 {'I': 1.776, 'TC': 0.686, 'each': 0.425, 'KL(q(z)||p)': 1.111, 'mean KL': 2.887}
# ```
# </details>
#
# **Next:** [notebook 5](05_prototypes.ipynb), where the concepts come from.
