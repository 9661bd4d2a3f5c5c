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
# # 1. The story that makes the data
#
# [← 00](00_tour.ipynb) · [all notebooks](README.md) · [02 →](02_elbo.ipynb) ·
# [this one, to fill in yourself](blank/01_story.ipynb). It takes some 16 CPU seconds.
#
# ![Algorithm 1 as a graph: you are here](images/01_story.svg)
#
# *After this notebook you can tell, as a story with dice, how SEM-MacridVAE believes that people
# come to adopt items: equations (1), (2), (7) and (8) of the paper. And you will have rolled the
# dice.*
#
# You need calculus and NumPy. About 25 minutes. All later notebooks build on this one.
#
# A generative model is a story about how the data came to be. Once the story is precise enough to
# be *simulated*, it is also precise enough to be *inverted*: from what a person adopted, back to
# what she likes. This notebook goes forwards; notebooks 2 to 6 go back.

# %%
import itertools

import numpy as np
import shopper
from lesson import figure_style, show, the_shop
from plots import story as plots
from scipy import sparse
from scipy.stats import spearmanr

from macrid import model
from macrid.data import shop
from macrid.model import decoder, plain
from macrid.model.ops import normalise, softmax
from macrid.model.prototypes import concept_logits
from macrid.training import fit

figure_style()

# %% [markdown]
# ## A shop whose truth is known
#
# `macrid` carries a made dataset: 2,000 shoppers, 1,500 products in six categories, and a picture
# of each product. It has its own story (told at the head of `macrid/data/shop.py`), and we know
# what really happened. Let us look at three shoppers: what they came for, and what they took.

# %%
made, parts, config = the_shop()
X, truth = made.X, made.truth  # X (N, M) sparse, 0/1: the data
N, M = X.shape
print(
    f"{N} users, {M} items, {X.nnz} adoptions; a user has {X.nnz / N:.0f} on average,"
    f" {X.nnz / (N * M):.1%} of the catalogue"
)


# the items of user u, in the order of her visits
of = lambda u: X.indices[X.indptr[u] : X.indptr[u + 1]]
intents = (truth.intentions > 0).sum(axis=1)
people = [int(np.flatnonzero(intents == n)[1]) for n in (1, 2, 3)]
plots.shoppers(truth, {u: of(u) for u in people})

# %% [markdown]
# Two levels are visible, and they are what the paper wants to pull apart:
#
# * **macro**: *what* she came for, an intention (mugs, or shoes and lamps);
# * **micro**: *how* she likes it (dark, small, plain).
#
# The odd item out is a gift: a tenth of the visits have nothing to do with the shopper. That makes
# a claim we can check at once:

# %%
# (N, M): is the item's category one of her intentions?
fitting = truth.intentions[:, truth.category] > 0
share = (X.toarray() * fitting).sum() / X.nnz
# nine tenths, and the gifts that happen to fit
visits = 0.9 + 0.1 * (truth.intentions > 0).sum(axis=1).mean() / 6
print(
    f"{share:.1%} of the adoptions are of a category that the user came for, {visits:.1%} of the"
    " visits should be"
)
assert visits - 0.06 < share < visits  # a little fewer: see below

without_gifts = shop.make(users=300, noise=0.0)
fits = without_gifts.truth.intentions[:, without_gifts.truth.category] > 0
assert (fits[without_gifts.X.toarray() > 0]).all()  # not one exception

# %% [markdown]
# (Of her *visits* 93% should be, nine tenths and the gifts that happen to fit. A visit that ends
# with an item that she already has does not count again, and that happens more often within her
# intentions.)
#
# ## The paper's symbols
#
# | symbol | in the code | shape | meaning |
# |---|---|---|---|
# | $N$, $M$ | `N`, `M` | | how many users, how many items |
# | $x_{u,i}\in\{0,1\}$, $\mathbf x_u$ | `X` | $(N, M)$ sparse | 1 if user $u$ adopted item $i$; $\mathbf x_u$ is the set of her adoptions |
# | $K$, $d$ | `config.K`, `config.d` | | how many concepts, how many numbers for each |
# | $\mathbf c_i$, $\mathbf C$ | `C` | $(M, K)$ | one-hot: $c_{i,k}=1$ if item $i$ belongs to concept $k$ |
# | $\mathbf z_u^{(k)}\in\mathbb R^d$ | `z` | $(B, K, d)$ | what user $u$ likes *inside* concept $k$ ($B$ users in a batch) |
# | $\mathbf h_i\in\mathbb R^d$ | `H` | $(M, d)$ | what item $i$ is like |
# | $\mathbf m_k\in\mathbb R^d$ | `m` | $(K, d)$ | the prototype of concept $k$ |
# | $\tau$, $\sigma_0$ | `tau`, `sigma0` | | temperature; standard deviation of the prior of $\mathbf z$ |
# | $\theta$ | `parameters` | | all that is learned |
#
# These are lines 1 and 2 of Algorithm 1. ($\mathbf t_i$ and $f_{\rm nn}$, which are also part of
# $\theta$, serve the way back: notebook 6. Line 2 lists the items' categories too; those are given,
# not learned: notebook 7.)
#
# ## The story
#
# 1. Every item is put into one concept, by a roll of dice: $\mathbf c_i\sim p_\theta(\mathbf c_i)$.
#    (The dice are equation (6): notebook 5.) Once for the shop, or anew for each user? In equation
#    (1) below, anew: each user meets a $\mathbf C$ of her own. Where an item's dice are nearly
#    certain it makes no difference; notebook 2 comes back to it.
# 2. Every user is born with a taste for each concept:
#    $\mathbf z_u\sim p_\theta(\mathbf z_u)=\mathcal N(\mathbf 0,\sigma_0^2\mathbf I)$, all $K d$
#    numbers independent. She does not look at $\mathbf C$ for this:
#    $p_\theta(\mathbf z_u)=p_\theta(\mathbf z_u\mid\mathbf C)$.
# 3. She takes items, one after another. Each time, item $i$ is taken with a probability that
#    depends on what *she* likes in *its* concept.
#
# ## Equations (7) and (8): which item?
#
# $$p_\theta(x_{u,i}\mid\mathbf z_u,\mathbf C)\
# \propto\ \sum_{k=1}^K c_{i,k}\; g_\theta^{(i)}(\mathbf z_u^{(k)}),\tag{7}$$
#
# $$g_\theta^{(i)}(\mathbf z_u^{(k)})
# =\exp\!\big(\text{COSINE}(\mathbf z_u^{(k)},\mathbf h_i)/\tau\big),\qquad
# \text{COSINE}(\mathbf a,\mathbf b)
# =\frac{\mathbf a^\top\mathbf b}{\|\mathbf a\|_2\,\|\mathbf b\|_2}.\tag{8}$$
#
# Read (7) from the right. $g$ says how much a taste and an item agree: it lies between
# $e^{-1/\tau}$ and $e^{1/\tau}$ and depends on directions only. The sum over $k$ has a single term,
# since $\mathbf c_i$ is one-hot: *an item of concept $k$ listens to $\mathbf z^{(k)}_u$ and is deaf
# to the rest*. That is macro disentanglement; it is built in, not learned. What is learned is
# *which* items form a concept. The sign $\propto$ means: divide by the sum over all items, so that
# probabilities sum to one,
#
# $$P_{u,i}=\sum_k c_{i,k}\,g_\theta^{(i)}(\mathbf z_u^{(k)}),\qquad Z_u=\sum_{i=1}^M P_{u,i},
# \qquad p_\theta(x_{u,i}\mid\mathbf z_u,\mathbf C)=P_{u,i}/Z_u .$$
#
# The whole model stands on one page of the package, `macrid/model/plain.py`. These lines of it are
# (7) and (8) for a batch of users; what comes after the values is their derivatives, which are
# notebook 3's:

# %%
show(plain.cosine, plain.decoder)

# %% [markdown]
# The package is that page made fast: there $\ln P$ is `model.decoder.log_scores`. Rows of `H` and
# `z` come already divided by their lengths.

# %%
show(decoder.log_scores)

# %% [markdown]
# A world small enough to see: eight items on a circle ($d=2$), two concepts, one user with one
# taste for each concept.

# %%
angle = np.deg2rad([10, 60, 100, 150, 190, 240, 280, 330])
on_circle = lambda radians: np.stack([np.cos(radians), np.sin(radians)], axis=-1)
H = on_circle(angle)  # (8, 2), unit rows
C = np.zeros((8, 2))
C[[0, 1, 3, 6], 0] = 1  # items of concept 1
C[[2, 4, 5, 7], 1] = 1  # items of concept 2
toward = lambda *degrees: on_circle(np.deg2rad(degrees))[None]  # (1, K, 2)
tau = 0.5
z = toward(40, 220)
P = np.exp(decoder.log_scores(z, H, C, tau))  # (1, 8)
p = P / P.sum()

# %% [markdown]
# **Your turn.** Equations (7) and (8) for one user, letter by letter. (The judge also gives you
# vectors that are *not* of length one.)


# %%
# your turn
def my_P(z, H, C, tau):
    """P (M,) for one user: z (K, d), H (M, d), C (M, K), rows of any length."""
    raise NotImplementedError("loops are fine")


# %%
# solution
def my_P(z, H, C, tau):
    """P (M,) for one user: z (K, d), H (M, d), C (M, K), rows of any length."""
    P = np.zeros(len(H))
    for i in range(len(H)):
        for k in range(len(z)):
            cosine = z[k] @ H[i] / (np.linalg.norm(z[k]) * np.linalg.norm(H[i]))
            P[i] += C[i, k] * np.exp(cosine / tau)
    return P


# %%
np.testing.assert_allclose(my_P(z[0], H, C, tau), P[0], rtol=1e-12)  # (7) and (8)
np.testing.assert_allclose(my_P(3 * z[0], 0.2 * H, C, tau), P[0], rtol=1e-12, err_msg="lengths")
assert abs(p.sum() - 1) < 1e-12 and (np.exp(-1 / tau) <= P).all() and (P <= np.exp(1 / tau)).all()

# %% [markdown]
# Now turn the user's taste for concept 2 by 120 degrees and leave her taste for concept 1 alone.
#
# **Predict:** what happens to the probabilities of the items of concept 1? Not nothing.

# %%
turned = np.exp(decoder.log_scores(toward(40, 340), H, C, tau))
p_turned = turned / turned.sum()
one, two = C[:, 0] == 1, C[:, 1] == 1
# deaf to z^(2)
np.testing.assert_allclose(p_turned[0, one] / p_turned[0, 0], p[0, one] / p[0, 0], rtol=1e-12)
# while these listen
assert np.abs(p_turned[0, two] / p_turned[0, 2] - p[0, two] / p[0, 2]).max() > 0.5

plots.circles(H, C, (z[0], p[0]), (toward(40, 340)[0], p_turned[0]))

# %%
from lesson import touch

touch("01_ratios")

# %% [markdown]
# In the circles an item's area is its probability. The items of concept 1 (round) share $Z_u$ with
# the others, so a common factor changes; their *ratios* stay. Those of concept 2 (square) are dealt
# anew.
#
# The temperature $\tau$ says how choosy she is: the best imaginable item beats the worst by a
# factor $e^{2/\tau}$ at most. With the paper's $\tau=0.1$ that is $e^{20}\approx 5\cdot10^8$; with
# $\tau=1$ a mere 7.4. Notebook 3 shows why 7.4 is not enough for 1,500 items.

# %%
opposite = np.array([[1.0, 0], [-1.0, 0]])  # an item just as she likes it, and its opposite
[[best, worst]] = np.exp(decoder.log_scores(toward(0), opposite, np.ones((2, 1)), 0.1))
np.testing.assert_allclose(best / worst, np.exp(20), rtol=1e-12)

# %% [markdown]
# ## Equation (2): all of her items
#
# Given her tastes, the visits are independent, so probabilities multiply:
#
# $$p_\theta(\mathbf x_u\mid\mathbf z_u,\mathbf C)
# =\prod_{x_{u,i}\in\mathbf x_u}p_\theta(x_{u,i}\mid\mathbf z_u,\mathbf C).\tag{2}$$
#
# Nobody multiplies a hundred small numbers; one adds their logarithms,
# $\ln p_\theta(\mathbf x_u\mid\mathbf z_u,\mathbf C)=\sum_i x_{u,i}\,(\ln P_{u,i}-\ln Z_u)$.
# `model.decoder.log_likelihood` returns just this, from $\ln\mathbf C$ (averaged over the users of
# a batch; here the batch is one user).

# %%
x = sparse.csr_array(np.array([[1.0, 1, 0, 0, 1, 0, 0, 0]]))  # she took the items 0, 1 and 4
log_C = np.where(C > 0, 0, -np.inf)  # ln 1 and ln 0
value, _ = decoder.log_likelihood(z, H, log_C, x, tau)
np.testing.assert_allclose(np.exp(value), p[0, 0] * p[0, 1] * p[0, 4], rtol=1e-12)  # equation (2)
print(f"p(x | z, C) = {np.exp(value):.5f}")

# %% [markdown]
# **The shopper.** From here on one shopper accompanies us. She is user-0012 of the shop. Of its
# 1,500 products we keep eight, four lamps and four mugs, of which she took the three with a star.
# Her model is small enough to print: two concepts, tastes of two numbers, $\tau=0.1$. It was
# trained on the 360 shoppers who took at least two of the eight (`tutorials/shopper.py`). Where her
# $\mathbf C$ and $\mathbf z$ come from is for notebooks 5 and 6; *given* them, here is what the
# story says she would take.

# %%
her = shopper.follow()
shopper.write(h=shopper.parameters["H"], c=her.C)
shopper.write(z=her.z)

# %%
np.testing.assert_allclose(my_P(her.z, shopper.parameters["H"], her.C, plain.TAU), her.P)
shopper.write(P=her.P, p=her.p)
print(f"Z = {her.Z:.0f}")
hers = her.p[shopper.x[0] == 1]
print(f"p(x | z, C) = {' x '.join(f'{p:.3f}' for p in hers)} = {np.prod(hers):.4f}", end="; ")
print(f"ln of it {np.log(np.prod(hers)):.2f}; at random {np.log(1 / 8) * 3:.2f}")
np.testing.assert_allclose(np.log(hers).sum(), her.reconstruction)  # (2)

# %% [markdown]
# (Look at lamp 1: a lamp, but its $\mathbf h$ points away from her taste for lamps. And at $\mathbf
# C$: its rows are not quite one-hot, since training softens the dice, notebook 5.)
#
# *Is this a probability distribution?* Of an ordered list of $n$ visits, yes: summed over all $M^n$
# lists it gives one. For "which items, in any order" one would multiply by the number of orders,
# $n!$ if all are different; that factor does not depend on $\theta$, and everyone drops it. And how
# many visits there are, $n_u=\sum_i x_{u,i}$, is taken as given.

# %%
lists = list(itertools.product(range(8), repeat=3))
np.testing.assert_allclose(sum(np.prod(p[0, list(visits)]) for visits in lists), 1, rtol=1e-12)

# %% [markdown]
# ## Equation (1): what we can see
#
# We never see $\mathbf z_u$ and $\mathbf C$. The probability of what we *do* see is the average
# over everything that we do not:
#
# $$p_\theta(\mathbf x_u)=\mathbb E_{p_\theta(\mathbf C)}
# \Big[\int p_\theta(\mathbf x_u\mid\mathbf z_u,\mathbf C)\;
# p_\theta(\mathbf z_u)\,d\mathbf z_u\Big].\tag{1}$$
#
# Training would like to make this large for every user. In the shop it means a sum over $6^{1500}$
# assignments of an integral over 60 dimensions, which is why notebook 2 exists. In a world of three
# items it can be done exactly, and we should do it once.
#
# *The sum over $\mathbf C$.* Items are independent,
# $p_\theta(\mathbf C)=\prod_i p_\theta(\mathbf c_i)$, and with $M=3$, $K=2$ there are $2^3=8$
# assignments.
#
# *The integral over $\mathbf z$.* $g$ depends on the direction of $\mathbf z^{(k)}$ only. The prior
# $\mathcal N(\mathbf 0,\sigma_0^2\mathbf I)$ has no preferred direction, so the direction is
# uniform, in two dimensions an angle uniform on the circle. The integral over $\mathbb R^4$ is an
# average over two angles, and we need not even know $\sigma_0$. Keep that in mind: **in this story
# $\sigma_0$ makes no difference to the data.** It will matter very much on the way back (notebook
# 4).

# %%
rng = np.random.default_rng(1)
unit_rows = lambda n: normalise(rng.standard_normal((n, 2)))[0]
small = {"H": unit_rows(3), "m": unit_rows(2)}
# (3, 2), equation (6): the dice of every item
p_c = softmax(concept_logits(small["H"], small["m"], tau)[0])[0]
# eight matrices C (3, 2)
assignments = [np.eye(2)[list(ks)] for ks in itertools.product(range(2), repeat=3)]
p_C = np.array([np.prod((p_c * C_).sum(axis=1)) for C_ in assignments])
np.testing.assert_allclose(p_C.sum(), 1, rtol=1e-12)

# %%
around = 2 * np.pi * np.arange(100) / 100  # angles
first, second = (a.ravel() for a in np.meshgrid(around, around))
# (10000, K, d) directions
grid = np.stack([np.stack([np.cos(a), np.sin(a)], axis=1) for a in (first, second)], axis=1)


def probability(items):
    """Equation (1) for a list of visits: the exact sum over C, the angles on a grid."""
    total = 0.0
    for C_, weight in zip(assignments, p_C):
        P = np.exp(decoder.log_scores(grid, small["H"], C_, tau))
        total += weight * (P / P.sum(axis=1, keepdims=True))[:, items].prod(axis=1).mean()
    return total


exact = {pair: probability(list(pair)) for pair in itertools.product(range(3), repeat=2)}
np.testing.assert_allclose(sum(exact.values()), 1, rtol=1e-12)  # all that can happen in two visits

# %% [markdown]
# Now tell the story instead, 60,000 times, and count. For $\sigma_0=0.1$ and for $\sigma_0=3$, to
# see that it makes no difference.


# %%
def tell(sigma0, times):
    """Roll the dice: C, then z, then two visits. Returns how often each pair occurred."""
    which = rng.choice(len(assignments), times, p=p_C)
    counts = np.zeros((3, 3))
    for number, C_ in enumerate(assignments):
        n = (which == number).sum()
        z = sigma0 * rng.standard_normal((n, 2, 2))  # the prior
        P = np.exp(decoder.log_scores(normalise(z)[0], small["H"], C_, tau))
        upto = np.cumsum(P / P.sum(axis=1, keepdims=True), axis=1)  # (n, 3)
        visits = [np.minimum((rng.random((n, 1)) >= upto).sum(axis=1), 2) for _ in range(2)]
        np.add.at(counts, tuple(visits), 1)
    return counts / times


# %%
times = 60_000
simulated = {sigma0: tell(sigma0, times) for sigma0 in (0.1, 3.0)}
print("visits   equation (1)   told, sigma0 = 0.1   told, sigma0 = 3")
for pair, value in exact.items():
    narrow, wide = simulated[0.1][pair], simulated[3.0][pair]
    print(f" {pair[0]}, {pair[1]} {value:12.4f} {narrow:17.4f} {wide:19.4f}")
    for counts in simulated.values():
        # four standard errors
        assert abs(counts[pair] - value) < 4 * np.sqrt(value * (1 - value) / times)
single = [sum(exact[i, j] for j in range(3)) for i in range(3)]
assert exact[0, 0] > single[0] ** 2  # the two visits are not independent ...

# %% [markdown]
# The last line is worth a thought. *Given* $\mathbf z$ and $\mathbf C$ two visits are independent
# (equation (2)). Seen from outside they are not: whoever took item 0 once is more likely to take it
# again. That dependence is all that a recommender lives on: her first items tell about
# $\mathbf z_u$, and $\mathbf z_u$ tells about the next.
#
# ## Shoppers out of the model
#
# Now a real $\theta$. We train on the shop, which takes a few seconds; the other notebooks say how.
# The story then runs with what was learned.

# %%
parameters = fit.fit(parts, config).best
category = truth.category[parts.items]
H, _ = normalise(parameters["H"])  # (M, d)
C_mean = model.concepts(parameters, config)  # (M, K): p(c_ik = 1), equation (6)
np.testing.assert_allclose(C_mean.sum(axis=1), 1, rtol=1e-5)
rng = np.random.default_rng(2)


# %%
def roll_concepts():
    """Step 1 of the story: one-hot C, item by item."""
    k = (rng.random((len(H), 1)) >= np.cumsum(C_mean, axis=1)).sum(axis=1)
    return np.eye(config.K, dtype="float32")[np.minimum(k, config.K - 1)]


def shoppers(z, n):
    """Step 3: visits until each user has n different items (0/1 data hide repetitions)."""
    rows = []
    for taste in z:  # (K, d)
        # as in (1), each user meets a C of her own
        P = np.exp(decoder.log_scores(normalise(taste[None])[0], H, roll_concepts(), config.tau))
        P = P[0].astype(float)
        rows.append(rng.choice(len(H), n, replace=False, p=P / P.sum()))
    return np.array(rows)


# %%
users = rng.choice(parts.train.shape[0], 300, replace=False)
real = [parts.train.indices[parts.train.indptr[u] : parts.train.indptr[u + 1]][:15] for u in users]
# what the encoder makes of these users: notebook 6
mu, sigma = model.represent(parameters, parts.train[users], config)
# z from q(z | x): the taste of a real user
twins = shoppers(mu + sigma * rng.standard_normal(mu.shape), 15)
# z from the prior: step 2 of the story
born = shoppers(config.sigma0 * rng.standard_normal(mu.shape), 15)

# %% [markdown]
# Three kinds of shoppers: **real** ones; their **twins**, each of whom got the taste that the model
# infers for one real user; and shoppers **born** from the prior, the story as equation (1) tells
# it. Of each kind we ask two things. How many of a shopper's items are of a category that her real
# user came for? (For the born, who are nobody's twins, any real user serves: that is pure chance.)
# And how many are among the tenth of the items that is most popular?

# %%
came_for = truth.intentions[parts.train_users[users]] > 0  # (300, G)
popularity = np.asarray(parts.train.sum(axis=0)).ravel()
popular = np.argsort(-popularity, kind="stable")[: len(H) // 10]
groups = {"real": real, "twins": twins, "born": born}
hits = {
    name: np.mean([came_for[u, category[row]].mean() for u, row in enumerate(rows)])
    for name, rows in groups.items()
}
common = {
    name: np.mean([np.isin(row, popular).mean() for row in rows]) for name, rows in groups.items()
}
chance = (truth.intentions > 0).mean()

one_of_each = {name: parts.items[rows[0]] for name, rows in groups.items()}

# %% [markdown]
# **Predict:** which of the three kinds will take the popular items?

# %%
plots.three_kinds(truth, hits, common, chance, one_of_each)
each = [came_for[u, category[row]].mean() for u, row in enumerate(born)]
assert abs(hits["born"] - chance) < 4 * np.std(each) / 300**0.5  # four standard errors
assert chance < hits["twins"] / 1.8 and common["born"] < 0.15 < common["twins"] < common["real"]

# %% [markdown]
# The twins shop much as their real users do (0.80 against 0.89): the representation has kept what
# they came for, and the popular items too. The born have an orderly taste as well (look at their
# row: it is not a random heap), but it is nobody's, and the popular items get no more of it than
# their number. How does an item come to be popular in this story at all? In (8) all items have
# length one: none has a louder voice. The model can only say "this item is popular" by letting
# *many users' tastes point towards it*, and the prior has no preferred direction.
#
# Does the prior then give all items alike? Let us look at every item: its probability, averaged
# over tastes.
#
# **Predict** the sign of its correlation with the number of adoptions, for the twins' tastes and
# for the prior's.


# %%
def mean_probability(p, z):
    """p(i), the mean over users with tastes z (n, K, d): (M,)."""
    H, C = normalise(p["H"])[0], model.concepts(p, config)
    total = 0.0
    for some in np.array_split(normalise(z)[0].astype("float32"), len(z) // 200):
        P = np.exp(decoder.log_scores(some, H, C, config.tau)).astype(float)
        total = total + (P / P.sum(axis=1, keepdims=True)).sum(axis=0)
    return total / len(z)


def crowding(p):
    """How much company an item has: sum_j exp(cosine / tau) over the items of its concept."""
    H, k = normalise(p["H"])[0], model.concepts(p, config).argmax(axis=1)
    return (np.exp(H @ H.T / config.tau) * (k[:, None] == k)).sum(axis=1)


# %%
rows = []
for seed in range(3):
    p = parameters if seed == 0 else fit.fit(parts, config.replace(seed=seed)).best
    mu, sigma = model.represent(p, parts.train, config)
    of_twins = mean_probability(p, mu + sigma * rng.standard_normal(mu.shape))
    of_born = mean_probability(p, rng.standard_normal((10_000, *mu.shape[1:])))
    ranks = lambda a, b: spearmanr(a, b).statistic
    pairs = ((of_twins, popularity), (of_born, popularity), (of_born, crowding(p)))
    rows.append([*(ranks(*pair) for pair in pairs), ranks(popularity, crowding(p))])
    print(
        f"seed {seed}: twins {rows[-1][0]:+.2f}, born {rows[-1][1]:+.2f}", end=" with popularity; "
    )
    print(f"born {rows[-1][2]:+.2f}, popularity {rows[-1][3]:+.2f} with crowding")
by_chance = ranks(of_born, rng.permutation(popularity))
print(f"born with popularity dealt out at random: {by_chance:+.2f}")

# %%
rows = np.array(rows)
assert (rows[:, 0] > 0.9).all() and (rows[:, 1] < -0.12).all() and abs(by_chance) < 0.12
assert (rows[:, 2] < -0.6).all() and (rows[:, 3] > 0.1).all()
plots.popularity(popularity, of_twins, of_born)

# %% [markdown]
# With the users' own tastes $p(i)$ follows the adoptions almost perfectly. Under the prior all
# items lie within a factor of three or so of $1/M$, and what correlation there is has the *wrong
# sign* (about -0.3, with each of three seeds): popular items lie where many tastes point, so they
# have company, and must share what that direction gets; an unpopular item that lies alone has a
# direction to itself. So the prior does not just ignore what is popular. It slightly prefers what
# is not.
#
# As a story about people, then, equation (1) misses something: the tastes of real users are not
# spread like the prior. Notebook 4 measures this gap (it is the second term of equation (4)). For
# recommending it matters little: there one always has a user's own items in hand, and never needs
# the prior's newborns.
#
# ## Where you are
#
# | equation, line | function | test |
# |---|---|---|
# | (1): probability of what we see | exact sum and simulation above; bounded by `model.objective.elbo` | `model/test_objective.py::test_the_bound_is_a_bound` |
# | (2): product over adoptions | `model.decoder.log_likelihood` | `model/test_decoder.py::test_probabilities_are_equation_7`, `test_equals_its_plain_twin` |
# | (7), (8): which item | `model.decoder.log_scores`, `model.decoder.exponents` | `model/test_decoder.py::test_probabilities_are_equation_7` |
# | lines 1 and 2: input and parameters | `model.objective.initial_parameters` | `model/test_objective.py::test_initial_parameters_are_seeded_and_of_the_asked_size` |
# | the shop's own story | `data.shop.make` | `data/test_shop.py::test_users_take_what_their_intentions_and_tastes_say` |
#
# ## Exercises
#
# **1.** In the world of eight items, what happens to `p` as $\tau\to\infty$, and as $\tau\to0$?
# Answer first, then run.
#
# <details><summary>Solution</summary>
#
# As $\tau\to\infty$ every $g\to1$: all items are equally likely, 1/8 each. As $\tau\to0$ all
# probability goes to the item with the largest cosine to its own concept's taste.
#
# ```python
# z = toward(40, 220)
# for tau in (100, 0.02):
#     P = np.exp(decoder.log_scores(z, np.stack([np.cos(angle), np.sin(angle)], 1), C, tau))
#     print((P / P.sum()).round(3))
# # [[0.126 0.126 0.124 0.124 0.126 0.126 0.124 0.124]]
# # [[0.012 0.488 0.    0.    0.012 0.488 0.    0.   ]]
# ```
# Two items share the first place (numbers 1 and 5 are both 20 degrees from their taste), so they
# halve most of the probability.
# </details>
#
# **2.** Equation (7) lets *all* concepts compete within one softmax. A user whose $\mathbf z^{(1)}$
# agrees perfectly with many items of concept 1 thereby takes fewer of concept 2. Show with the
# eight items that the probability of concept 2 as a whole depends on $\mathbf z^{(1)}$, and say
# what an alternative would be.
#
# <details><summary>Solution</summary>
#
# ```python
# for a in (40, 190):
#     items = np.stack([np.cos(angle), np.sin(angle)], 1)
#     P = np.exp(decoder.log_scores(toward(a, 220), items, C, 0.5))
#     print(round(float((P / P.sum())[0, C[:, 1] == 1].sum()), 3))
# # 0.5
# # 0.684
# ```
# An alternative is a two-step choice: first a concept with shares $\pi_{u,k}$ (as the shop itself
# does), then an item by a softmax *within* the concept. The paper's single softmax needs no extra
# parameters: how much a user wants a concept has to be said by the direction of $\mathbf z^{(k)}$
# too.
# </details>
#
# **3.** Show with `probability` that knowing the first visit changes the odds of the second:
# compute $p(\text{second}=0\mid\text{first}=0)$ and $p(\text{second}=0\mid\text{first}=2)$.
#
# <details><summary>Solution</summary>
#
# ```python
# for i in (0, 2):
#     first = sum(exact[i, j] for j in range(3))
#     print(round(exact[i, 0] / first, 3), "against", round(single[0], 3))
# # 0.553 against 0.328
# # 0.309 against 0.328
# ```
# With this $\theta$ the first is larger than $p(0)$ and the second smaller: that difference is the
# recommender's whole knowledge.
# </details>
#
# **Next:** [notebook 2](02_elbo.ipynb) turns the hopeless sum and integral of equation (1) into
# something that can be climbed.
