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
# # 6. The encoder, and gradients through noise
#
# [← 05](05_prototypes.ipynb) · [all notebooks](README.md) · [07 →](07_semantics.ipynb) ·
# [this one, to fill in yourself](blank/06_encoder.ipynb). It takes some 9 CPU seconds.
#
# ![Algorithm 1 as a graph: you are here](images/06_encoder.svg)
#
# *After this notebook you know how a handful of adoptions becomes a distribution over tastes
# (equation (9)), why there is a square root in it, and how one differentiates through a roll of
# dice.*
#
# You need calculus, NumPy and the story of [notebook 1](01_story.ipynb). About 25 minutes.

# %%
import numpy as np
import shopper
from lesson import figure_style, show, the_shop
from plots import encoder as plots
from scipy import sparse

from macrid import model
from macrid.model import decoder, encoder, plain
from macrid.model.gradcheck import check_op
from macrid.model.ops import normalise
from macrid.training import fit

figure_style()
rng = np.random.default_rng(1)

# %%
made, parts, config = the_shop()
parameters = {name: p.astype(float) for name, p in fit.fit(parts, config).best.items()}
C = model.concepts(parameters, config)  # (M, K)
T = parameters["T"]  # (M, d): context representations t_i
X = parts.train[:300].astype(float)  # (B, M)

# %% [markdown]
# ## Equation (9)
#
# The story went from tastes to items. The encoder $q_\theta(\mathbf z_u\mid\mathbf x_u,\mathbf C)$
# goes back. It has a second set of item representations, the **context representations**
# $\mathbf t_i\in\mathbb R^d$ (what it *means about a user* to have item $i$; $\mathbf h_i$ is what
# the item *is like*), and, for each concept by itself,
#
# $$\big(\mathbf a_u^{(k)},\mathbf b_u^{(k)}\big)
# =f_{\rm nn}\!\left(\frac{\sum_{i:x_{u,i}=1}c_{i,k}\,\mathbf t_i}
# {\sqrt{\sum_{i:x_{u,i}=1}c_{i,k}^2}}\right),\qquad
# \boldsymbol\mu_u^{(k)}=\frac{\mathbf a_u^{(k)}}{\|\mathbf a_u^{(k)}\|_2},\qquad
# \boldsymbol\sigma_u^{(k)}=\sigma_0\exp\!\big(-\tfrac12\mathbf b_u^{(k)}\big).\tag{9}$$
#
# $q$ is then the normal distribution with these means and standard deviations, all $Kd$ numbers
# independent. In lines: 19 is the first part, 20 and 21 the second and third; 22 and 23 put the $K$
# concepts side by side, as the arrays here are anyway. The network
# $f_{\rm nn}:\mathbb R^d\to\mathbb R^{2d}$ is the same for all concepts.
#
# Take the argument of $f_{\rm nn}$ first. With soft concepts every item speaks in every concept, as
# loudly as $c_{i,k}$ says.
#
# **Your turn**, for one user:


# %%
# your turn
def my_aggregate(items, C, T):
    """The argument of f_nn in (9), (K, d): `items` are her rows of C (M, K) and of T (M, d)."""
    raise NotImplementedError("a loop over the concepts is fine")


# %%
# solution
def my_aggregate(items, C, T):
    """The argument of f_nn in (9), (K, d): `items` are her rows of C (M, K) and of T (M, d)."""
    A = []
    for k in range(C.shape[1]):
        c = C[items, k]
        A.append((c[:, None] * T[items]).sum(axis=0) / np.sqrt((c**2).sum()))
    return np.array(A)


# %%
by_hand = my_aggregate([0, 2], np.array([[3.0], [7.0], [4.0]]), np.eye(3))
np.testing.assert_allclose(by_hand, [[3 / 5, 0, 4 / 5]], err_msg="c of 3 and 4: divide by 5")

# %% [markdown]
# A second judge is the page that holds the whole model, `macrid/model/plain.py`. There the weights
# $c_{i,k}/\sqrt{\dots}$ are called `share`: each row of $x_{u,i}c_{i,k}$ divided by its length.
# (What stands in its inner function is the way back: notebook 8.)

# %%
show(plain.encoder)

# %% [markdown]
# For **the shopper**, line by line: from her three items, and her products' concepts $\mathbf C$
# (notebook 5), to her tastes.

# %%
her = shopper.follow()
p, x = shopper.parameters, shopper.x
share, _ = plain.unit(x * her.C.T)  # (K, M)
shopper.write(t=p["T"], c=her.C, share=share.T)
yours = my_aggregate(np.flatnonzero(x), her.C, p["T"])
np.testing.assert_allclose(yours, share @ p["T"], err_msg="each concept has its own divisor")

# %%
a, b = np.split(share @ p["T"] @ p["W0"] + p["b0"], 2, axis=1)  # line 19
mu, sigma = a / np.linalg.norm(a, axis=1, keepdims=True), plain.SIGMA0 * np.exp(-b / 2)
z = mu + shopper.EPSILON * sigma  # line 25
shopper.write(A=her.A, a=a, b=b)
shopper.write(mu=mu, sigma=sigma, epsilon=shopper.EPSILON, z=z)
by_the_page, kl, _ = plain.encoder(x, her.C, p, shopper.EPSILON, [])
np.testing.assert_allclose(z, by_the_page)
np.testing.assert_allclose(z, her.z)

# %% [markdown]
# **Predict** before you look: her mugs' $\mathbf t_i$ point left. Where will her $\mathbf z^{(2)}$
# point? (Is there a reason why the encoder's space and the decoder's should agree?)

# %%
plots.her_tastes(p["T"], her.A, mu, z, x[0], shopper.ITEMS)

# %% [markdown]
# The aggregate is where her items are, in the space of $\mathbf t$; $f_{\rm nn}$ turns it to where
# such items' $\mathbf h_i$ are, in the other space. (Her mugs' $\mathbf h_i$ point right: notebook
# 5's table.) Her concept 1 rests on a single lamp; the two mugs' $c$ is nearly 0 there. Concept 2
# hears the mugs at 0.71 each, and the lamp, at 0.06, hardly. And the lamp's own $c$, 0.91, comes
# out as a share of 1.00: the divisor makes a lone item loud, however large its $c$ is. We come back
# to that.
#
# The package never makes `share`, which has a number for every user, concept and item. It goes
# through one sparse product per concept:

# %%
show(encoder.aggregate)

# %%
A, _ = encoder.aggregate(X, C, T)  # %%
A, _ = encoder.aggregate(X, C, T)  # (B, K, d)
for u in (0, 7):
    np.testing.assert_allclose(my_aggregate(X[[u]].indices, C, T), A[u], rtol=1e-10)
# and the plain twin, with a dense X
np.testing.assert_allclose(A, encoder.aggregate_plain(X, C, T)[0], rtol=1e-9)

# %% [markdown]
# ## Why the square root?
#
# Without a divisor a user with 60 items would shout at $f_{\rm nn}$ where one with 15 speaks. What
# is the right divisor? Suppose that the $\mathbf t_i$ of a user's items were independent random
# vectors with mean zero and the same mean squared length $\mathbb E\|\mathbf t\|^2$. In
# $\|\sum_ic_{i,k}\mathbf t_i\|^2=\sum_{i,j}c_{i,k}c_{j,k}\,\mathbf t_i^\top\mathbf t_j$ the terms
# with $i\ne j$ vanish on average:
#
# $$\mathbb E\Big\|\sum_ic_{i,k}\,\mathbf t_i\Big\|^2=\sum_ic_{i,k}^2\;\mathbb E\|\mathbf t_i\|^2
# =\mathbb E\|\mathbf t\|^2\sum_ic_{i,k}^2 .$$
#
# Divide by $\sqrt{\sum_ic_{i,k}^2}$, and the mean squared length is $\mathbb E\|\mathbf t\|^2$ for
# every user. (With $c=1$ for $n$ items this is $\sqrt n$: a sum of random vectors grows like
# $\sqrt n$, a random walk.) Dividing by $n$, a plain average, would *shrink* the vector like
# $1/\sqrt n$: the more we know about somebody, the more softly she would speak.
#
# That was an assumption. What do real users' items do? Their $\mathbf t_i$ are *not* independent;
# alike items are bought together. We take random vectors first, then the trained $T$ with the
# users' true items, all concepts' weights set to one.

# %%
d = T.shape[1]
counts = np.arange(1, 61)
random_t = rng.standard_normal((60, 4000, d))  # 4,000 users with up to 60 items
# (n, users): length of the sum of n vectors
walk = np.linalg.norm(np.cumsum(random_t, axis=0), axis=2)
mean_square = (walk**2).mean(axis=1)
# E|sum|^2 = n E|t|^2, with E|t|^2 = d
np.testing.assert_allclose(mean_square, counts * d, rtol=0.06)

# %%
weights = rng.random(20)
weighted = (weights[:, None, None] * random_t[:20]).sum(axis=0)
# with any weights
np.testing.assert_allclose((weighted**2).sum(axis=1).mean() / (weights**2).sum(), d, rtol=0.05)

# %%
n_items = np.diff(parts.train.indptr)
sums = parts.train.astype(float) @ T  # (N, d)
length = np.linalg.norm(sums, axis=1) / np.sqrt((T**2).sum(axis=1).mean())
at = [15, 20, 30, 40, 50, 60]
having = [length[np.abs(n_items - n) <= 2] for n in at]  # the users with about n items
real = np.array([lengths.mean() for lengths in having])
errors = np.array([lengths.std() / len(lengths) ** 0.5 for lengths in having])
print("users with about n items:", {n: len(lengths) for n, lengths in zip(at, having)})

# %%
# what all t_i share, as a part of their squared length
common = (T.mean(axis=0) ** 2).sum() / (T**2).sum(axis=1).mean()
some = lambda n: np.linalg.norm(T[rng.choice(len(T), n)].sum(axis=0))  # n items at random
shuffled = np.array([np.sqrt(np.mean([some(n) ** 2 for _ in range(1000)])) for n in at])
shuffled /= np.sqrt((T**2).sum(axis=1).mean())
expected = np.sqrt(1 + (np.array(at) - 1) * common)
np.testing.assert_allclose(shuffled / np.sqrt(at), expected, rtol=0.1)

# %% [markdown]
# **Predict:** the items of real users are alike. Will their sums, divided by $\sqrt n$, grow with
# $n$, fall, or stay?

# %%
plots.square_root(counts, np.sqrt(mean_square / d), at, real, errors, shuffled)

# %% [markdown]
# For random vectors the square root keeps the length at one, exactly as derived. Real users' items
# point the same way to some extent, so that their sums grow faster than $\sqrt n$: a user with a
# clear taste is heard more clearly, and one with many such items more clearly still (of 60 items
# only a few users know). Items at random rise a little too: all $\mathbf t_i$ have a small part in
# common, which adds up. The square root removes what is due to numbers alone.
#
# ## What the divisor forgets
#
# Multiply all $c_{i,k}$ of a concept by the same factor: above and below change by that factor, and
# it cancels. So the *amount* of a user's interest in a concept never reaches the encoder. A single
# item with $c_{i,k}=0.001$ is heard exactly as one with $c_{i,k}=1$.

# %%
quiet = C * np.array([0.001, 1, 1, 1, 1, 1])
np.testing.assert_allclose(encoder.aggregate(X, quiet, T)[0], A, rtol=1e-9)
single = sparse.csr_array(([1.0], ([0], [5])), shape=(1, len(T)))
for loudness in (1.0, 0.001):
    heard, _ = encoder.aggregate(single, np.full((len(T), 1), loudness), T)
    np.testing.assert_allclose(heard[0, 0], T[5], rtol=1e-12)
nobody = sparse.csr_array((1, len(T)))
# a user without items: the zero vector, and no division by zero
assert np.abs(encoder.aggregate(nobody, C, T)[0]).max() == 0

# %% [markdown]
# That is why $\mathbf z^{(k)}$ exists, with length one, even for a concept in which the user has
# nothing: it is a whisper of all her other items, amplified. Whoever wants to know *how much* a
# concept matters to her must look at the confidence $\sum_ix_{u,i}c_{i,k}$ instead (section 4.3 of
# the paper, notebook 10).
#
# ## From the aggregate to a distribution
#
# $f_{\rm nn}$ is a multilayer perceptron with tanh between layers; `posterior` splits its answer
# into $\mathbf a$ and $\mathbf b$ and normalises $\mathbf a$.

# %%
show(encoder.f_nn, encoder.posterior)

# %%
layers = {name: value for name, value in parameters.items() if name[0] in "Wb"}
ab, _ = encoder.f_nn(A.reshape(-1, d), layers, None)
hidden = np.tanh(A.reshape(-1, d) @ layers["W0"] + layers["b0"])
# one hidden layer here
np.testing.assert_allclose(ab, hidden @ layers["W1"] + layers["b1"], rtol=1e-9)
(mu, b), _ = encoder.posterior(ab.reshape(A.shape[0], config.K, 2 * d))
sigma = config.sigma0 * np.exp(-b / 2)
np.testing.assert_allclose(np.linalg.norm(mu, axis=-1), 1, rtol=1e-9)
for mine, of_the_model in zip((mu, sigma), model.represent(parameters, X, config)):
    # the encoder at test time, when z = mu
    np.testing.assert_allclose(mine, of_the_model, rtol=1e-9)

# %% [markdown]
# Why $\exp(-\frac12\mathbf b)$? Because a standard deviation must be positive and $\mathbf b$ may
# be any number; at $\mathbf b=0$ it is the prior's $\sigma_0$; and the KL term becomes simple
# (notebook 4). Why normalise the mean? Because the decoder sees directions only.
#
# ## Gradients through noise
#
# The bound (3) contains $\mathbb E_{q(\mathbf z)}[f(\mathbf z)]$, with $f$ the log-likelihood, and
# we need its derivative with respect to $\boldsymbol\mu$ and $\mathbf b$, *which sit in the
# distribution* that we average over. We can sample $\mathbf z$, but what is "the derivative of a
# sample"?
#
# **The reparameterisation trick** (lines 24 and 25): draw the noise first, from a distribution
# without parameters, and *compute* the sample from it.
#
# $$\boldsymbol\epsilon\sim\mathcal N(\mathbf 0,\mathbf I),
# \qquad\mathbf z=\boldsymbol\mu+\boldsymbol\epsilon\circ\boldsymbol\sigma .$$
#
# Now $\mathbb E_q[f(\mathbf z)]$ is
# $\mathbb E_{\boldsymbol\epsilon}[f(\boldsymbol\mu+\boldsymbol\epsilon\circ\boldsymbol\sigma)]$,
# the distribution of $\boldsymbol\epsilon$ does not depend on anything, and the derivative goes
# inside. With $\sigma_j=\sigma_0e^{-b_j/2}$, so $\partial\sigma_j/\partial b_j=-\frac12\sigma_j$,
#
# $$\frac\partial{\partial\mu_j}\mathbb E_q[f]=\mathbb E_{\boldsymbol\epsilon}
# \Big[\frac{\partial f}{\partial z_j}\Big],\qquad
# \frac\partial{\partial b_j}\mathbb E_q[f]=\mathbb E_{\boldsymbol\epsilon}
# \Big[\frac{\partial f}{\partial z_j}\,\epsilon_j\cdot\big(-\tfrac12\sigma_j\big)\Big].$$

# %% [markdown]
# **Your turn**, as an *op*: a function that returns its value and its *pullback*, which takes the
# derivative of the loss with respect to the value, here $\bar{\mathbf z}=\partial L/\partial\mathbf
# z$, and returns those with respect to the arguments. (Notebook 8 is about nothing else.)
# `check_op` judges it by central differences, the noise held still, and makes sure that it would
# have noticed an error of a thousandth.


# %%
# your turn
def my_sample(mu, b, epsilon, sigma0):
    """z = mu + epsilon sigma, sigma = sigma0 exp(-b / 2); arrays of one shape."""

    def pullback(dz):
        raise NotImplementedError("return two arrays: for mu and for b")

    raise NotImplementedError("return z and the pullback")


# %%
# solution
def my_sample(mu, b, epsilon, sigma0):
    """z = mu + epsilon sigma, sigma = sigma0 exp(-b / 2); arrays of one shape."""
    sigma = sigma0 * np.exp(-b / 2)

    def pullback(dz):
        return dz, dz * epsilon * -0.5 * sigma

    return mu + epsilon * sigma, pullback


# %%
arguments = {"mu": her.mu, "b": her.b, "epsilon": shopper.EPSILON, "sigma0": plain.SIGMA0}
np.testing.assert_allclose(my_sample(**arguments)[0], her.z, err_msg="the value z")
errors = check_op(my_sample, arguments, rng, ["mu", "b"])
print({name: f"{error:.0e}" for name, error in errors.items()}, "relative error")

# %%
show(encoder.sample)

# %% [markdown]
# A case with a known answer: $f(z)=z^2$ has $\mathbb E_q[f]=\mu^2+\sigma^2$, so the derivatives are
# $2\mu$ and $\partial\sigma_0^2e^{-b}/\partial b=-\sigma^2$.

# %%
mu1, b1, sigma0, n = 0.7, 0.5, 0.4, 400_000
sigma1 = sigma0 * np.exp(-b1 / 2)
full = lambda value: np.full((n, 1, 1), value)
z, pull_z = encoder.sample(full(mu1), full(b1), rng.standard_normal((n, 1, 1)), sigma0)
by_mu, by_b = pull_z(2 * z)  # the cotangent of z is f'(z) = 2z
for samples, exact in ((by_mu, 2 * mu1), (by_b, -(sigma1**2))):
    assert abs(samples.mean() - exact) < 4 * samples.std() / n**0.5
print(
    f"d/dmu: {by_mu.mean():.4f}, exact {2 * mu1:.4f};   d/db: {by_b.mean():.4f}, exact"
    f" {-(sigma1**2):.4f}"
)

# %% [markdown]
# Since $\boldsymbol\epsilon$ is handed in, the whole loss is an ordinary function of
# $\boldsymbol\mu$ and $\mathbf b$, and its gradient can be checked by central differences like any
# other, *noise included*: both sides of the difference use the same $\boldsymbol\epsilon$. (Draw it
# twice, and the check measures noise.)

# %%
small_H = normalise(rng.standard_normal((6, 4)))[0]
small_C = rng.random((6, 2)) + 0.1
small_X = sparse.csr_array(np.array([[1.0, 0, 1, 0, 0, 1], [0, 1, 0, 0, 1, 0]]))
epsilon = rng.standard_normal((2, 2, 4))


def through_the_decoder(mu, b):
    z, pull_z = encoder.sample(mu, b, epsilon, 0.3)
    direction, pull_direction = normalise(z)
    value, pull = decoder.log_likelihood(direction, small_H, np.log(small_C), small_X, 0.5)
    return value, lambda dvalue: pull_z(pull_direction(pull(dvalue)[0]))


unit, b_small = normalise(rng.standard_normal((2, 2, 4)))[0], rng.standard_normal((2, 2, 4))
errors = check_op(through_the_decoder, {"mu": unit, "b": b_small}, rng)
print({name: f"{error:.0e}" for name, error in errors.items()}, "relative error")

# %% [markdown]
# ## The other way: the score function
#
# Is the trick necessary? There is an estimator that needs no derivative of $f$ at all.
# Differentiate the *density*, and use $\nabla q=q\,\nabla\ln q$:
#
# $$\frac\partial{\partial\mu_j}\int q(\mathbf z)f(\mathbf z)\,d\mathbf z
# =\int q(\mathbf z)\,\frac{\partial\ln q(\mathbf z)}{\partial\mu_j}\,f(\mathbf z)\,d\mathbf z
# =\mathbb E_q\Big[f(\mathbf z)\,\frac{z_j-\mu_j}{\sigma_j^2}\Big]
# =\mathbb E_{\boldsymbol\epsilon}\Big[f(\mathbf z)\,\frac{\epsilon_j}{\sigma_j}\Big],$$
#
# since $\ln q=-\sum_j\frac{(z_j-\mu_j)^2}{2\sigma_j^2}+\dots$. This is the **score-function
# estimator** (REINFORCE). Its average is right. Its noise is another matter: it multiplies the
# whole value $f$, a log-likelihood of about $-70$, by a random number of size $1/\sigma$. A
# constant $f$ has derivative 0, and it would still rattle. The usual cure is to subtract a
# **baseline**, a number $f_0$ that does not depend on the sample: $(f-f_0)\,\epsilon_j/\sigma_j$
# has the same average, since $\mathbb E[\epsilon_j]=0$. We take the mean of $f$ over the samples
# (2,000 of them, so that it hardly depends on any one).
#
# We try all three on a real user of the trained model: $f$ is her log-likelihood as a function of
# $\mathbf z$, for 2,000 samples.

# %%
u, copies = 3, 2000
H = normalise(parameters["H"])[0]
who = sparse.csr_array(np.repeat(X[[u]].toarray(), copies, axis=0))
taste, doubt = mu[[u]], sigma[[u]]  # (1, K, d)


def ln_p(direction):
    """ln p(x | z, C) for every sample: (copies,)."""
    P = np.exp(decoder.log_scores(direction, H, C, config.tau))
    return (np.log(P[:, X[[u]].indices]) - np.log(P.sum(axis=1, keepdims=True))).sum(axis=1)


# %%
def estimates(scale, rng):
    """The gradient of E_q[ln p(x | z, C)] with respect to mu, sample by sample (copies, K, d), by
    each of three estimators; and ln p. Sigma is scaled.
    """
    spread = doubt * scale
    epsilon = rng.standard_normal((copies, *taste.shape[1:]))
    b = -2 * np.log(spread / config.sigma0)
    many_mu, many_b = np.repeat(taste, copies, 0), np.repeat(b, copies, 0)
    z, pull_z = encoder.sample(many_mu, many_b, epsilon, config.sigma0)
    direction, pull_direction = normalise(z)
    _, pull = decoder.log_likelihood(direction, H, np.log(C), who, config.tau)
    # macrid averages over users: times `copies` for each
    trick, _ = pull_z(pull_direction(pull(1.0)[0] * copies))
    f = ln_p(direction)[:, None, None]
    return trick, f * epsilon / spread, (f - f.mean()) * epsilon / spread, f


# %%
noise_of = lambda g: np.sqrt(g.var(axis=0).sum())
trick, score, with_baseline, f = estimates(1.0, np.random.default_rng(2))
names = ("reparameterisation", "score function, baseline", "score function")
print(
    f"f is {f.mean():.0f} on average, with deviation {f.std():.1f}; the gradient has length"
    f" {np.linalg.norm(trick.mean(axis=0)):.1f}"
)
for name, g in zip(names, (trick, with_baseline, score)):
    print(f"{name:25} noise of one sample {noise_of(g):8.1f}")

# %%
difference = with_baseline.mean(axis=0) - trick.mean(axis=0)
allowed = np.sqrt((with_baseline.var(axis=0) + trick.var(axis=0)) / copies)
assert (np.abs(difference) < 4.5 * allowed).all()  # both estimate the same 60 numbers
assert 3 * noise_of(trick) < noise_of(with_baseline) < noise_of(score) / 3
times_as_many = lambda g: (noise_of(g) / noise_of(trick)) ** 2
print(
    f"the score function with baseline needs {times_as_many(with_baseline):.0f} times as many"
    f" samples for the same precision, without it {times_as_many(score):.0f}"
)

# %% [markdown]
# **Predict:** when $q$ gets narrower, $\sigma\to0$, which of the three gets better, which worse?

# %%
scales = np.geomspace(0.1, 3, 9)
of_scale = lambda scale: estimates(scale, np.random.default_rng(3))[:3]
table = np.array([[noise_of(g) for g in of_scale(scale)] for scale in scales])
_, pull = decoder.log_likelihood(taste, H, np.log(C), X[[u]], config.tau)
signal = np.linalg.norm(normalise(taste)[1](pull(1.0)[0]))  # the gradient at z = mu
plots.estimators(scales * doubt.mean(), table, signal, doubt.mean())
print(
    "noise with the baseline, in units of the trick's, from the smallest sigma to the largest:",
    *(f"{value:.0f}" for value in table[:, 2] / table[:, 0]),
)
assert (table[:, 0] < table[:, 2]).all() and (table[:, 2] < table[:, 1]).all()

# %% [markdown]
# The smaller $\sigma$, the *better* the trick (a sample close to $\boldsymbol\mu$ has nearly the
# gradient at $\boldsymbol\mu$), and the *worse* the score function, which divides by $\sigma$; the
# baseline saves it from that, but not from being seven to some sixty times as noisy (exercise 2
# shows where the rest comes from). With one sample per user and step, as Algorithm 1 has it, only
# the trick is usable. The price: $f$ must be differentiable in $\mathbf z$. For $\mathbf z$ it is;
# for the one-hot $\mathbf c_i$ it is not, and the Gumbel-Softmax (notebook 5) is the same trick
# bent to a discrete choice: noise outside, a smooth function inside.
#
# At test time (the remark at line 25) nothing is sampled: $\mathbf z_u=\boldsymbol\mu_u$.
#
# ## Where you are
#
# | equation, line | function | test |
# |---|---|---|
# | (9), first part; lines 17 to 19 | `model.encoder.aggregate`, `model.encoder.f_nn` | `model/test_encoder.py::test_aggregate_is_equation_9`, `test_aggregate_equals_its_plain_twin`, `test_f_nn` |
# | (9), $\boldsymbol\mu$ and $\boldsymbol\sigma$; lines 20 to 23 | `model.encoder.posterior` | `model/test_encoder.py::test_posterior` |
# | lines 24 and 25 | `model.encoder.sample`, `training.batch.draw_noise` | `model/test_encoder.py::test_sample`, `test_samples_have_the_posterior_s_moments` |
# | at test time $\mathbf z=\boldsymbol\mu$ | `model.scoring.represent` | `model/test_scoring.py::test_at_test_time_nothing_is_random_and_fold_in_alone_decides` |
#
# ## Exercises
#
# **1.** Derive the pullback of `aggregate` with respect to $r^2=\sum_ix_{u,i}c_{i,k}^2$: show that
# the cotangent of $r^2$ is $-\bar{\mathbf A}^\top\mathbf A/(2r^2)$, where $\bar{\mathbf A}$ is the
# cotangent of $\mathbf A=\mathbf n/r$ (the derivative of the loss with respect to it) and
# $\mathbf n=\sum_ix_{u,i}c_{i,k}\mathbf t_i$. Find it in the code.
#
# <details><summary>Solution</summary>
#
# $\mathbf A=\mathbf n\,(r^2)^{-1/2}$, so
# $\partial\mathbf A/\partial(r^2)=-\frac12\mathbf n\,(r^2)^{-3/2}=-\mathbf A/(2r^2)$. In the code
# $\bar{\mathbf A}/r$ is `dn`, and `ds = row_dot(dn, A) / (-2 * r)`.
#
# ```python
# t = {"C": rng.random((5, 2)) + 0.1, "T": rng.standard_normal((5, 3))}
# x5 = sparse.csr_array(np.array([[1.0, 0, 1, 1, 0]]))
# errors = check_op(lambda C, T: encoder.aggregate(x5, C, T), t, rng)
# print({name: error < 1e-6 for name, error in errors.items()})
# # {'C': True, 'T': True}
# ```
# </details>
#
# **2.** For a linear $f(\mathbf z)=\mathbf g^\top\mathbf z$ with one dimension, what are the
# variances of the two estimators of $\partial/\partial\mu$?
#
# <details><summary>Solution</summary>
#
# The trick gives $f'(z)=g$ every time: variance 0. The score function gives
# $g(\mu+\sigma\epsilon)\,\epsilon/\sigma=g\mu\epsilon/\sigma+g\epsilon^2$. With
# $\mathbb E\epsilon^4=3$ and odd moments 0 its variance is $g^2\mu^2/\sigma^2+2g^2$, which explodes
# as $\sigma\to0$. With the baseline $g\mu$ it is $2g^2$.
#
# ```python
# g, e = 1.5, rng.standard_normal(400_000)
# print(np.var(g * (0.7 + 0.1 * e) * e / 0.1).round(1), round(g**2 * 0.7**2 / 0.1**2 + 2 * g**2, 1))
# # 114.6 114.7
# ```
# </details>
#
# **3.** With two concepts, a user's items all belong to concept 2 with $c_{i,2}=0.999$. What does
# the encoder say about concept 1? Compare the direction of $\boldsymbol\mu^{(1)}$ with that for a
# user with the same items whose $c_{i,1}$ are a hundred times larger.
#
# <details><summary>Solution</summary>
#
# The same: the factor cancels. Her $\mathbf z^{(1)}$ is made of her items of concept 2 alone, with
# equal weights. It does no harm as long as it points nowhere near the items of concept 1.
#
# ```python
# strong, weak = np.tile([0.1, 0.9], (len(T), 1)), np.tile([0.001, 0.999], (len(T), 1))
# first, second = (encoder.aggregate(X[:1], c, T)[0][0, 0] for c in (strong, weak))
# print(np.allclose(first, second))
# # True
# ```
# </details>
#
# **Next:** [notebook 7](07_semantics.ipynb) gives the concepts a start and a name;
# [notebook 8](08_backpropagation.ipynb) puts all the gradients together.
