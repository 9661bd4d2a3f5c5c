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
# # 7. Semantics: a start from pictures, names from categories
#
# [← 06](06_encoder.ipynb) · [all notebooks](README.md) · [08 →](08_backpropagation.ipynb) ·
# [this one, to fill in yourself](blank/07_semantics.ipynb). It takes some 21 CPU seconds.
#
# ![Algorithm 1 as a graph: you are here](images/07_semantics.svg)
#
# *After this notebook you can derive the start of SEM-MacridVAE, equation (10), and its categorical
# loss, equation (11), and you know what each is worth on data whose truth is known.*
#
# You need eigenvectors, Lagrange multipliers, NumPy, and the story of [notebook 1](01_story.ipynb):
# items have representations $\mathbf h_i \in \mathbb R^d$, concepts have prototypes
# $\mathbf m_k \in \mathbb R^d$, and $c_{i,k}$ says how much item $i$ belongs to concept $k$. About
# 30 minutes with the three functions that are yours to write.
#
# The "SEM" in the name is this: where do $\mathbf h$ and $\mathbf m$ *start*, and what besides
# adoptions *teaches* the concepts? Pictures answer the first question, categories the second.

# %%
import numpy as np
import shopper
from lesson import figure_style, progress, show
from plots import semantics as plots

from macrid import Config, model, run_folder
from macrid.data import shop, shop_pictures
from macrid.evaluation import metrics
from macrid.interpret import macro
from macrid.model import gradcheck, ops, plain, semantics
from macrid.pictures import alexnet
from macrid.training import fit

figure_style()

# %%
config = Config(**shop.OPTIONS)
print("the shop's own options:", shop.OPTIONS)
made = run_folder.load_data(config)
parts, targets = run_folder.prepare(made, config)  # the split; targets (M, K), see below
category = made.truth.category[parts.items]  # (M,) the true category of each item
attributes = made.truth.attributes[parts.items]
M, K, d = len(category), config.K, config.d

# %% [markdown]
# ## 1. From a picture to numbers
#
# AlexNet (Krizhevsky et al., 2012) has five convolutions and three fully connected layers. What the
# last but one fully connected layer gives, 4,096 numbers after a ReLU, is the paper's $\mathbf v_i$
# (Algorithm 1, line 4). `macrid.pictures.alexnet` finds that layer in any AlexNet file by its
# shape:

# %%
show(alexnet.normalised, alexnet.feature_layer)

# %% [markdown]
# No weights are downloaded here. The shop uses a smaller AlexNet with **random** weights (1,024
# numbers instead of 4,096), and whatever is made with it says so. That sounds absurd, and is not: a
# random convolutional network still maps similar pictures to similar numbers. It knows nothing of
# the *world*; a trained one has learned which differences matter to people.

# Predict: how often will the nearest neighbour of a picture show a thing of the same category?

# %%
(features, known), lines = run_folder.item_features(made, parts.items, config)
print(*lines, sep="\n")
assert features.shape == (M, 1024) and known.all() and (features >= 0).all(), (
    "after a ReLU nothing is negative"
)
direction, _ = ops.normalise(features.astype(float))
cosine = direction @ direction.T
np.fill_diagonal(cosine, -1)
drawing = lambda i: shop_pictures.draw(shop.CATEGORIES[category[i]], attributes[i])
draw = lambda i: np.asarray(drawing(i).resize((72, 72)))
plots.neighbours(draw, [int(np.flatnonzero(category == g)[4]) for g in range(6)], cosine)

# %%
nearest_share = (category[cosine.argmax(axis=1)] == category).mean()
print(f"the nearest neighbour is of the same category for {nearest_share:.1%} of the items")
print(f"by chance: {1 / 6:.1%}")
assert nearest_share > 0.9

# %% [markdown]
# ## 2. Equation (10): principal components
#
# $\mathbf v_i$ has 1,024 numbers, $\mathbf h_i$ has $d = 10$. Which ten numbers keep most of what
# tells items apart? Let $\bar{\mathbf v} = \frac1M \sum_i \mathbf v_i$ be the mean (the paper
# writes $\mathbf v_i$ for both) and look along one direction $\mathbf q$ of unit length. The items'
# coordinates along it have the variance
#
# $$\frac1M \sum_{i=1}^M \big(\mathbf q^T (\mathbf v_i - \bar{\mathbf v})\big)^2 \;
# =\; \mathbf q^T V \mathbf q, \qquad V = \frac1M \sum_{i=1}^M (\mathbf v_i -
# \bar{\mathbf v})(\mathbf v_i - \bar{\mathbf v})^T .$$
#
# $V$, the covariance, is line 7 of Algorithm 1.

# %%
v = features.astype(float)
centred = v - v.mean(axis=0)
V = centred.T @ centred / M  # (1024, 1024)
rng = np.random.default_rng(0)
q = ops.normalise(rng.standard_normal(v.shape[1]))[0]
assert np.isclose(np.var(v @ q), q @ V @ q, rtol=1e-10)

# %% [markdown]
# **The direction of maximum variance.** Maximise $\mathbf q^T V \mathbf q$ subject to
# $\mathbf q^T \mathbf q = 1$. With a Lagrange multiplier $\lambda$ the gradient of
# $\mathbf q^T V \mathbf q - \lambda (\mathbf q^T \mathbf q - 1)$ has to vanish (and $V = V^T$):
#
# $$2 V \mathbf q - 2 \lambda \mathbf q = 0 \quad\Longleftrightarrow
# \quad V \mathbf q = \lambda \mathbf q, \qquad\text{and there}
# \quad \mathbf q^T V \mathbf q = \lambda .$$
#
# So every candidate is an eigenvector, the variance along it *is* its eigenvalue, and the best one
# belongs to the largest. To see that it really is the maximum and not merely stationary, write any
# unit vector in the orthonormal eigenvectors, $\mathbf q = \sum_j a_j \mathbf q_j$ with
# $\sum_j a_j^2 = 1$: $\mathbf q^T V \mathbf q = \sum_j a_j^2 \lambda_j$, a weighted mean of the
# eigenvalues, at most $\lambda_1$. The next direction, orthogonal to the first, has $a_1 = 0$: at
# most $\lambda_2$. And so on.

# %%
eigenvalues, Q = np.linalg.eigh(V)  # V = Q Lambda Q^T, ascending
eigenvalues, Q = eigenvalues[::-1], Q[:, ::-1]  # descending, as the paper wants them
assert np.allclose(Q @ np.diag(eigenvalues) @ Q.T, V, atol=1e-8 * eigenvalues[0])
assert np.allclose(V @ Q[:, 0], eigenvalues[0] * Q[:, 0], atol=1e-8 * eigenvalues[0])
a = Q.T @ q
assert np.isclose(q @ V @ q, (a**2) @ eigenvalues)
many = ops.normalise(rng.standard_normal((2000, v.shape[1])))[0]
assert (np.einsum("nj,nj->n", many @ V, many) < eigenvalues[0]).all(), (
    "2,000 random directions: none beats q_1"
)

# %% [markdown]
# **Keeping $d$ of them.** $P$ holds the first $d$ eigenvectors as rows (so the paper's $Q^T[:,d]$
# must be read: the first $d$ *rows* of $Q^T$), and $\mathbf h_i = P \mathbf v_i$. Maximum variance
# is also minimum loss. In the orthonormal eigenvectors
# $\mathbf v_i - \bar{\mathbf v} = \sum_j a_{i,j} \mathbf q_j$, and rebuilding it from $d$
# coordinates leaves out the terms $j > d$. By Pythagoras $\sum_{j > d} a_{i,j}^2$ is missing, and
# the mean of $a_{i,j}^2$ over the items is the variance along $\mathbf q_j$, which is $\lambda_j$:
#
# $$\frac1M \sum_i \big\| (\mathbf v_i - \bar{\mathbf v}) -
# P^T P (\mathbf v_i - \bar{\mathbf v}) \big\|^2 \;=\; \sum_{j > d} \lambda_j .$$


# %%
# your turn
def principal(v, d):
    """P (d, p), the d directions of largest variance of v (M, p) as rows, the first d rows of Q^T,
    and the coordinates (M, d) of the rows of v, without their mean, along them.
    """
    centred = v - v.mean(axis=0)
    _, Q = np.linalg.eigh(centred.T @ centred / len(v))  # ascending: the largest is the last
    P = ...
    return P, ...


# %%
# solution
def principal(v, d):
    """P (d, p), the d directions of largest variance of v (M, p) as rows, the first d rows of Q^T,
    and the coordinates (M, d) of the rows of v, without their mean, along them.
    """
    centred = v - v.mean(axis=0)
    _, Q = np.linalg.eigh(centred.T @ centred / len(v))  # ascending: the largest is the last
    P = Q[:, : -d - 1 : -1].T
    return P, centred @ P.T


# %%
P, coordinates = principal(v, d)  # (d, 1024), (M, d)
assert np.allclose(P @ P.T, np.eye(d), atol=1e-8) and coordinates.shape == (M, d)
assert np.allclose(coordinates.var(axis=0), eigenvalues[:d], rtol=1e-8), "variance = eigenvalue"
missing = ((centred - coordinates @ P) ** 2).sum(axis=1).mean()
assert np.isclose(missing, eigenvalues[d:].sum())
worse = centred - centred @ Q[:, 1 : d + 1] @ Q[:, 1 : d + 1].T  # the first left out
assert (worse**2).sum(axis=1).mean() > missing, "other directions lose more"
assert np.isclose(np.trace(V), eigenvalues.sum()), "all variance is in the eigenvalues"
plots.components(eigenvalues / eigenvalues.sum(), coordinates, category, shop.CATEGORIES)

# %% [markdown]
# Nobody told the network what a mug is, yet in two of ten components the categories already lie
# partly apart. `plain.py` does just this, with an item's adopters for its picture, and then scales
# (section 4). The fast code is `model.semantics.start_from_features`; with `whiten=False` it is the
# equation to the letter (scikit-learn's PCA subtracts $\bar{\mathbf v}$ and leaves the sign of each
# component open).

# %%
show(plain.initial_parameters, semantics.start_from_features)
H_letter, m_letter = semantics.start_from_features(
    features, K, d, config.init_deviation, seed=0, whiten=False
)
assert np.allclose(np.abs(H_letter), np.abs(coordinates), atol=1e-3 * coordinates.std()), (
    "H = P (v - mean), up to the signs"
)

# %% [markdown]
# *Does the mean matter?* $P \mathbf v_i = P(\mathbf v_i - \bar{\mathbf v}) + P \bar{\mathbf v}$,
# the same shift for every item. Distances do not notice. But the model works with **cosines**, and
# a large common part makes every cosine nearly one. So centring it is.

# %%
between = lambda H: ops.normalise(H)[0] @ ops.normalise(H)[0].T
uncentred = v @ P.T
assert np.allclose(uncentred, coordinates + P @ v.mean(axis=0))
print(
    f"mean cosine of two items: {between(coordinates).mean():.3f} centred,"
    f" {between(uncentred).mean():.3f} not centred"
)
assert between(uncentred).mean() > 0.5 > abs(between(coordinates).mean())

# %% [markdown]
# ## 3. Equation (10), last line: k-means
#
# The prototypes start as the centres of $K$ clusters of the $\mathbf h_i$. k-means looks for
# centres $\mathbf m_k$ and a cluster $k(i)$ for each item that make
#
# $$J = \sum_{i=1}^M \| \mathbf h_i - \mathbf m_{k(i)} \|^2$$
#
# small. Two half-steps, neither of which can raise $J$: (a) give each item to its nearest centre;
# (b) with clusters fixed,
# $\partial J / \partial \mathbf m_k = -2 \sum_{i: k(i) = k} (\mathbf h_i - \mathbf m_k) = 0$, so
# the best centre is the mean. $J$ falls and there are finitely many clusterings, so it stops; in a
# local minimum, which is why scikit-learn tries ten starts. Its answer cannot be improved by either
# half-step:


# %%
# your turn
def half_steps(H, m):
    """The cluster (M,) of each item by (a), and then the centres (K, d) by (b)."""
    squared = ((H[:, None] - m) ** 2).sum(axis=2)  # (M, K)
    cluster = ...
    return cluster, ...


# %%
# solution
def half_steps(H, m):
    """The cluster (M,) of each item by (a), and then the centres (K, d) by (b)."""
    squared = ((H[:, None] - m) ** 2).sum(axis=2)  # (M, K)
    cluster = squared.argmin(axis=1)
    return cluster, np.stack([H[cluster == k].mean(axis=0) for k in range(len(m))])


# %%
cluster, means = half_steps(H_letter, m_letter)
assert np.allclose(means, m_letter), "(b) changes nothing: each m_k is the mean of its items"
J_of = lambda cluster, m: ((H_letter - m[cluster]) ** 2).sum()
moved = m_letter + 0.1 * rng.standard_normal(m_letter.shape) * H_letter.std()
assert J_of(cluster, moved) > J_of(cluster, m_letter), "other centres are worse"
sums, m_now = [], H_letter[:K]  # from a bad start J falls, or stays, at every step
for _ in range(20):
    clusters, m_now = half_steps(H_letter, m_now)
    sums.append(J_of(clusters, m_now))
assert (np.diff(sums) <= 1e-9 * sums[0]).all() and sums[-1] < sums[0]
scores_letter = macro.concept_scores(np.eye(K)[cluster], category)
print(f"clusters matched to categories: {scores_letter['accuracy']:.1%} of the items agree")
assert scores_letter["accuracy"] > 0.8

# %% [markdown]
# ## 4. The scale of a start is a learning rate
#
# To the letter, the columns of $H$ have the deviations $\sqrt{\lambda_j}$, here from 14 down to 5.
# Two things follow.
#
# * The decoder uses cosines, so the first component has three times the say of the tenth, only
#   because pictures differ more in what it measures.
# * Adam moves each coordinate by about the learning rate per step, whatever its size
#   ([notebook 9](09_training.ipynb)). On the shop that is .01, so $\mathbf h_i$ moves by at most
#   $.01 \sqrt{10} = .03$. Of its length, about 27 here, that is a thousandth of a radian; of 1.6,
#   the length at a deviation of .5, it is twenty times as much. A large start turns slowly:
#   [measured](../docs/semantics.md), it takes twice the epochs on the shop, and costs a quarter of
#   the NDCG on MovieLens.
#
# So `whiten=True`, the default, first takes the direction of each $\mathbf v_i$ (a brighter picture
# is not another thing), then scales every component to the deviation that a random start would have
# (`init_deviation`, on the shop .5), and clusters *directions*, since the model's own distance is
# the cosine, in the leading $K$ components, where $K$ clusters lie.

# %%
H_white, m_white = semantics.start_from_features(
    features, K, d, config.init_deviation, seed=0, whiten=True
)
assert np.allclose(np.sqrt((H_white**2).mean(axis=0)), config.init_deviation, rtol=1e-4)
length = lambda H: np.median(np.linalg.norm(H, axis=1))
assert 25 < length(H_letter) < 29 and 1.4 < length(H_white) < 1.7
assigned = (ops.normalise(H_white)[0] @ ops.normalise(m_white)[0].T).argmax(axis=1)
scores_white = macro.concept_scores(np.eye(K)[assigned], category)
accuracies = [scores_letter["accuracy"], scores_white["accuracy"]]
plots.scales({"to the letter": H_letter, "whitened": H_white}, accuracies)
assert scores_white["accuracy"] > scores_letter["accuracy"]

# %% [markdown]
# ## 5. Equation (11): categories teach the concepts
#
# Clusters have no names. If items have categories, concept $k$ can be *taught*: let
# $\hat{\mathbf c}_i$ be the distribution over concepts that the item's categories ask for (the
# paper: one-hot, for its one category), and add to the loss
#
# $$\text{Cross-Entropy}(\mathbf c_i, \hat{\mathbf c}_i)
# = - \sum_{k=1}^K \hat c_{i,k} \ln c_{i,k} .$$
#
# For one category it is $-\ln c_{i,k}$ of the right $k$: minus the log-probability of the truth.
# Why this and not, say, a squared difference? Split it:
#
# $$- \sum_k \hat c_{i,k} \ln c_{i,k} \;=\; \underbrace{-
# \sum_k \hat c_{i,k} \ln \hat c_{i,k}}_{\text{entropy of } \hat{\mathbf c}_i}
# \;+\; \underbrace{\sum_k \hat c_{i,k} \ln \frac{\hat c_{i,k}}{c_{i,k}}}
# _{D_\mathrm{KL}(\hat{\mathbf c}_i \| \mathbf c_i) \;\ge\; 0} .$$
#
# The first part does not depend on the model. The second is zero at
# $\mathbf c_i = \hat{\mathbf c}_i$ and nowhere else ([notebook 4](04_kl.ipynb)), so that is the
# minimum.

# %%
logits = rng.standard_normal((5, 3))
# the third has two categories, the last none
asked = np.array([[1, 0, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 0.0]])
c, _ = ops.softmax(logits)
value, _ = ops.cross_entropy(logits, asked)
by_item = -(asked * np.log(c)).sum(axis=1)
assert np.isclose(value, by_item[:4].mean()), "the mean over the four items whose category is known"
positive = np.where(asked > 0, asked, 1)
entropy = -(asked * np.log(positive)).sum(axis=1)
divergence = (asked * np.log(positive / c)).sum(axis=1)
assert np.allclose(by_item, entropy + divergence) and (divergence >= 0).all()

# %% [markdown]
# **Its gradient.** $\mathbf c_i = \mathrm{softmax}(\mathbf s_i)$, so
# $\ln c_{i,k} = s_{i,k} - \ln \sum_l e^{s_{i,l}}$, and with $\sum_k \hat c_{i,k} = 1$
#
# $$\frac{\partial}{\partial s_{i,l}} \Big( - \sum_k \hat c_{i,k} s_{i,k} +
# \ln \sum_k e^{s_{i,k}} \Big) = - \hat c_{i,l} + \frac{e^{s_{i,l}}}{\sum_k e^{s_{i,k}}}
# = c_{i,l} - \hat c_{i,l} .$$
#
# What the model says minus what it should say: the simplest gradient of the whole model.


# %%
# your turn
def taught(s, target):
    """The mean cross-entropy of softmax(s) (M, K) to target, over the rows that are not zero."""
    known = target.sum(axis=1, keepdims=True)  # (M, 1), 0 or 1
    n = known.sum()
    c, _ = ops.softmax(s)
    value = -(target * np.log(c)).sum() / n

    def pullback(dvalue):
        return ...  # a row of zeros for an item of no known category

    return value, pullback


# %%
# solution
def taught(s, target):
    """The mean cross-entropy of softmax(s) (M, K) to target, over the rows that are not zero."""
    known = target.sum(axis=1, keepdims=True)  # (M, 1), 0 or 1
    n = known.sum()
    c, _ = ops.softmax(s)
    value = -(target * np.log(c)).sum() / n

    def pullback(dvalue):
        return (c - target) * known * dvalue / n  # a row of zeros for an item of no known category

    return value, pullback


# %%
arguments = {"s": logits, "target": asked}
errors = gradcheck.check_op(taught, arguments, rng, differentiable=["s"])
print(f"relative error against central differences (notebook 8): {errors['s']:.0e}")
assert np.allclose(taught(**arguments)[1](1.0)[:4], (c - asked)[:4] / 4)
assert not taught(**arguments)[1](1.0)[4].any()
assert np.isclose(taught(**arguments)[0], ops.cross_entropy(**arguments)[0])
show(ops.cross_entropy)

# %% [markdown]
# **In numbers.** The one shopper whom these notebooks follow has eight products before her, lamps
# and mugs, and $K = 2$: concept 1 is taught by the lamps. The logits are those of line 15, with
# their noise; what the model says, $\mathbf c$, minus what it should say, $\hat{\mathbf c}$, over
# eight items, is the gradient.

# %%
her = shopper.follow()
logits = (her.s + shopper.GUMBEL) / shopper.config.gumbel_temperature
value, pullback = ops.cross_entropy(logits, shopper.targets)
gradient = pullback(1.0)
each = -(shopper.targets * np.log(her.C)).sum(axis=1)
shopper.write(s=her.s, C=her.C, asked=shopper.targets, loss=each, gradient=gradient)
assert np.isclose(value, her.categorical) and np.isclose(value, each.mean())
assert np.allclose(gradient, (her.C - shopper.targets) / 8)

# %% [markdown]
# The fine print, where the paper is brief:
#
# * *Several categories, or none.* An item of two taught categories asks for half of each; an item
#   of none has a row of zeros and teaches nothing (the last row above).
# * *Which concept learns which category?* Concept $k$ is taught by the $k$-th most frequent one. A
#   start from pictures finds its clusters in another order, so `order_by_targets` permutes the
#   prototypes first.
# * *The sign.* Line 34 of Algorithm 1 has $+ \sum_i \text{Cross-Entropy}$ in an objective $L$ that
#   line 35 *maximises*: to the letter, concepts would be driven away from their categories.
#   Equation (11) says $\min$. So it is a minus in $L$, and a plus in the loss $-L$ that we
#   minimise.
# * *Sum or mean.* Line 34 adds the **sum** over all $M$ items to the objective of **one** user.
#   Here it is the mean over the known items, times `category_weight`; the paper's is
#   `category_weight` $= M$.
# * The logits are the *perturbed* ones of line 15 (with Gumbel noise,
#   [notebook 5](05_prototypes.ipynb)): the sampled $\mathbf c_i$ is what is taught.

# %%
show(semantics.category_targets)
assert targets.shape == (M, K) and np.allclose(targets.sum(axis=1), 1), (
    "in the shop every item has one category"
)
assert (targets.argmax(axis=1) == category).all(), (
    "equally frequent: concept k is taught by category k"
)

# %% [markdown]
# ## 6. What they are worth
#
# Four models, the same split, 40 epochs each: a random start or one from pictures, with and without
# the categorical loss. (A random start does best with a small deviation; it gets it.) Predict the
# order of the four, after one epoch and after forty.

# %%
variants = {
    "neither": {"start": "random", "init_deviation": 0.02, "category_weight": 0.0},
    "categories": {"start": "random", "init_deviation": 0.02},
    "pictures": {"category_weight": 0.0},
    "pictures and categories": {},
}


def right(state, config):
    """The share of items in the concept of their category."""
    C = model.concepts(state.parameters, config)
    return macro.concept_scores(C, category)["accuracy"]


# %%
def watched(changes):
    """Train 40 epochs: the share of right items and NDCG@100 by epoch, and at the end by user."""
    settings = config.replace(max_epochs=40, patience=40, **changes)
    taught = targets if settings.category_weight else None
    state = fit.start(parts, settings, (features, known), taught)
    accuracy = [right(state, settings)]
    watch = lambda state: accuracy.append(right(state, settings))
    state = fit.fit(parts, settings, taught, state, on_epoch=watch)
    ndcg = [record["validation_ndcg@100"] for record in state.history]
    by_user = metrics.evaluate_ranking(model.ranker(state.parameters, settings), parts.validation)
    return {"accuracy": accuracy, "ndcg": ndcg, "users": by_user}


curves = {name: watched(variants[name]) for name in progress(variants, "trainings")}
plots.learning(curves)

# %%
for name, curve in curves.items():
    mine = metrics.summary(curve["users"])["ndcg@100"]
    against = metrics.paired(curve["users"], curves["neither"]["users"])["ndcg@100"]
    compared = f", minus neither {against['mean']:+.3f} ± {against['stderr']:.3f}"
    compared = compared if name != "neither" else ""
    print(f"{name:24s} {mine['mean']:.3f} ± {mine['stderr']:.3f}{compared}")
ends = lambda curve: (np.mean(curve["ndcg"][-5:]), np.mean(curve["accuracy"][-5:]))
last = {name: ends(curve) for name, curve in curves.items()}
assert min(last["pictures"][0], last["categories"][0]) > last["neither"][0] + 0.02
assert last["pictures and categories"][1] > 0.9 > last["neither"][1]

# %% [markdown]
# Either signal alone lifts a random start by many standard errors (printed after 40 epochs, over
# 200 validation users, differences paired by user: [notebook 9](09_training.ipynb)); the three with
# a signal cannot be told apart here, and two of them were still rising. Pictures, even through
# random weights, put the concepts right before the first step. One run for each does not make a
# table: the [measured one](../docs/semantics.md) has five seeds, full training, test users, a
# *shuffled* control (each item gets another's picture: worse than none, so the gain is what the
# pictures show), and MovieLens, where posters through random weights are worth nothing and the
# start to the letter is harmful. No trained AlexNet was at hand, so nothing here speaks of one.
#
# ## Exercises
#
# **1.** Show that the covariance of $H = P(\mathbf v - \bar{\mathbf v})$ is diagonal. What does
# that say about micro disentanglement?
#
# <details><summary>Solution</summary>
#
# $\frac1M \sum_i P(\mathbf v_i - \bar{\mathbf v})(\mathbf v_i - \bar{\mathbf v})^T P^T = P V P^T$
# and that is $P Q \Lambda Q^T P^T = \mathrm{diag}(\lambda_1, \dots, \lambda_d)$,
# because the rows of $P$ are columns of $Q$. In code:
# `np.allclose(np.cov(H_letter.T, bias=True), np.diag(eigenvalues[:d]), atol=1e-3 * eigenvalues[0])`
# is `True`. So the start is perfectly *uncorrelated* over all items. It is not disentangled: inside
# one category dimensions are correlated again, in each of the six with a pair at .7 to .9
# (`np.corrcoef(H_white[category == g].T)`), and uncorrelated is weaker than independent.
#
# </details>
#
# **2.** An item has two taught categories. How small can its cross-entropy get?
#
# <details><summary>Solution</summary>
#
# The KL part can vanish, the entropy stays: $\ln 2 = 0.693$. So on data with several categories per
# item (MovieLens has 2.3 genres per film on average), a categorical loss that "does not go to zero"
# may be perfect.
#
# </details>
#
# **3.** Give each item the features of another (`features[rng.permutation(M)]`) and train
# "pictures" again. Before you run it: will NDCG be that of "neither"?
#
# <details><summary>Solution</summary>
#
# It is worse than "neither". The start is then not uninformed but *misinformed*, at a scale (.5)
# from which Adam needs long to move it. The table in [docs/semantics.md](../docs/semantics.md) has
# .196 for shuffled pictures against .254 for neither and .368 for pictures (NDCG@100 of 200 test
# users, five seeds).
#
# </details>
#
# **4.** Would raw pixels do as well as a random network?
#
# <details><summary>Solution</summary>
#
# Partly. With the 32 by 32 pixels of each picture for $\mathbf v_i$ (mean taken off, scaled to unit
# length) the nearest neighbour is of the same category for all items, as above: these pictures are
# easy. But k-means in ten principal components puts only 78% of the items right, where the
# network's features reach 93%.
#
# ```python
# small = lambda i: shop_pictures.draw(shop.CATEGORIES[category[i]], attributes[i]).resize((32, 32))
# pixels = np.stack([np.asarray(small(i), float).ravel() for i in range(M)])
# pixels = ops.normalise(pixels - pixels.mean(axis=0))[0]
# H_pixels, m_pixels = semantics.start_from_features(pixels, K, d, 0.5, seed=0, whiten=False)
# macro.concept_scores(-((H_pixels[:, None] - m_pixels) ** 2).sum(axis=2), category)["accuracy"]
# ```
#
# </details>
#
# | equation | function | test |
# |---|---|---|
# | (10) | `macrid.model.semantics.start_from_features` | `model/test_semantics.py::test_the_literal_form_is_equation_10` |
# | whitening | same | `model/test_semantics.py::test_whitened_components_have_the_deviation_of_a_random_start` |
# | (11) | `macrid.model.ops.cross_entropy` | `model/test_ops.py::test_cross_entropy` |
# | $\hat{\mathbf c}_i$ | `macrid.model.semantics.category_targets` | `model/test_semantics.py::test_concepts_are_taught_by_the_most_frequent_categories` |
# | Algorithm 1, lines 3 to 11 | `macrid.training.fit.start` | `pictures/test_features.py::test_training_starts_from_pictures` |
#
# Next: [8. Backpropagation by hand](08_backpropagation.ipynb).
