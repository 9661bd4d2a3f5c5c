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
# # 8. Backpropagation by hand
#
# [← 07](07_semantics.ipynb) · [all notebooks](README.md) · [09 →](09_training.ipynb) ·
# [this one, to fill in yourself](blank/08_backpropagation.ipynb). It takes some 11 CPU seconds.
#
# ![Algorithm 1 as a graph: you are here](images/08_backpropagation.svg)
#
# *After this notebook you can write the gradient of every line of Algorithm 1 without a framework,
# and find a wrong one in minutes: twelve bugs are planted for you.*
#
# You need the chain rule for vectors, NumPy, and what the symbols mean
# ([notebook 1](01_story.ipynb), or the [glossary](glossary.md)). About 40 minutes with the five
# functions that are yours to write; the hunt is not counted.

# %%
import bugs
import numpy as np
import shopper
from lesson import figure_style, progress, show
from plots import backpropagation as plots
from scipy import sparse

from macrid import Config, model
from macrid.data import shop, splits
from macrid.model import decoder, encoder, gradcheck, gradtrace, objective, ops, plain, prototypes
from macrid.training import adam
from macrid.training.batch import draw_noise

figure_style()
rng = np.random.default_rng(7)

# %% [markdown]
# ## 1. One op: a value and its pullback
#
# Let $y = f(x)$ be one step of a computation whose end is a number $L$, the loss. Write
# $\bar y = \partial L / \partial y$ for the **cotangent** of $y$: it has $y$'s shape and says how
# much $L$ moves when $y$ does. If we know $\bar y$, the chain rule gives $\bar x$ from the Jacobian
# $J_{ij} = \partial y_i / \partial x_j$:
#
# $$\bar x_j = \sum_i \bar y_i \frac{\partial y_i}{\partial x_j}, \qquad\text{that is}
# \qquad \bar x = J^T \bar y .$$
#
# The function $\bar y \mapsto J^T \bar y$ is the **pullback**. In `macrid` an op is one function
# that returns both, the derivative under the formula it belongs to, and what backward needs is in
# the closure:

# %%
show(ops.tanh, ops.linear)

# %% [markdown]
# For `tanh`, $J$ is diagonal with entries $1 - y_i^2$. For `linear`,
# $y_{r,q} = \sum_p x_{r,p} W_{p,q} + b_q$ in every row $r$. So $W_{p,q}$ takes part in $y_{r,q}$ of
# every row, each time with the factor $x_{r,p}$: $\bar W_{p,q} = \sum_r x_{r,p}\, \bar y_{r,q}$,
# that is $x^T \bar y$. Likewise $\bar x = \bar y\, W^T$, and $\bar b_q = \sum_r \bar y_{r,q}$.
#
# Nobody ever builds $J$. To see that the pullbacks are nevertheless $J^T \bar y$, build it once,
# column by column, by moving one coordinate at a time:


# %%
def jacobian(f, x, h=1e-6):
    """J[i, j] = dy_i / dx_j by central differences, for a vector x."""
    columns = []
    for j in range(len(x)):
        e = np.zeros(len(x))
        e[j] = h
        columns.append((f(x + e)[0] - f(x - e)[0]) / (2 * h))
    return np.stack(columns, axis=1)


# %%
x, dy = rng.standard_normal(4), rng.standard_normal(4)
y, pullback = ops.tanh(x)
J = jacobian(ops.tanh, x)
assert np.allclose(J, np.diag(1 - y * y), atol=1e-8)
assert np.allclose(pullback(dy), J.T @ dy, atol=1e-8)

rows, W, b, push = (rng.standard_normal(shape) for shape in ((2, 4), (4, 3), 3, (2, 3)))
of_W = jacobian(lambda w: (ops.linear(rows, w.reshape(4, 3), b)[0].ravel(),), W.ravel())
_, pullback = ops.linear(rows, W, b)
_, dW, _ = pullback(push)
assert of_W.shape == (6, 12), "six outputs, twelve weights"
assert np.allclose(dW, (of_W.T @ push.ravel()).reshape(4, 3), atol=1e-8)

# %% [markdown]
# **Why backwards?** Two ops in a row, $x \to y \to w$, have the Jacobian $J_w J_y$, so
#
# $$\bar x = (J_w J_y)^T \bar w = J_y^T \, (J_w^T \, \bar w) .$$
#
# Read from the right: start at the loss, where $\bar L = 1$, and apply pullbacks in reverse order.
# Each is matrix times *vector*. The other order, $J_w J_y$ first, is matrix times matrix. That is
# the entire reason for going backwards: one number at the end, very many parameters at the start.

# %%
hidden, pull_linear = ops.linear(x[None], W, b)
w, pull_tanh = ops.tanh(hidden)
dw = rng.standard_normal((1, 3))
dx, dW, db = pull_linear(pull_tanh(dw))  # the reverse order
both = lambda x: (ops.tanh(ops.linear(x[None], W, b)[0])[0][0],)
assert np.allclose(dx[0], jacobian(both, x).T @ dw[0], atol=1e-8)

# %% [markdown]
# ## 2. Four pullbacks worth deriving
#
# **Unit length.** $\mathbf y = \mathbf x / \|\mathbf x\|$ occurs wherever the paper writes COSINE.
# By the quotient rule, with $\partial \|\mathbf x\| / \partial x_j = x_j / \|\mathbf x\| = y_j$,
# and $\delta_{ij}$ for 1 if $i = j$ and 0 if not,
#
# $$\frac{\partial y_i}{\partial x_j} = \frac{\delta_{ij}}{\|\mathbf x\|} -
# \frac{x_i y_j}{\|\mathbf x\|^2} = \frac{\delta_{ij} - y_i y_j}{\|\mathbf x\|},
# \qquad \bar{\mathbf x}
# = \frac{\bar{\mathbf y} - \mathbf y\, (\mathbf y \cdot \bar{\mathbf y})}{\|\mathbf x\|} .$$
#
# In words: the part of the push along $\mathbf y$ is taken out, because a longer vector has the
# same direction. Write it. (The checker compares with central differences; how it works, and what
# it cannot see, is section 5.)


# %%
# your turn
def unit_length(x):
    """y = x / ||x|| along the last axis: x is one vector (d,), or rows of them (n, d)."""
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    y = x / length

    def pullback(dy):
        return ...

    return y, pullback


# %%
# solution
def unit_length(x):
    """y = x / ||x|| along the last axis: x is one vector (d,), or rows of them (n, d)."""
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    y = x / length

    def pullback(dy):
        return (dy - y * (y * dy).sum(axis=-1, keepdims=True)) / length

    return y, pullback


# %%
gradcheck.check_op(unit_length, {"x": rng.standard_normal((3, 5))}, rng)  # this is the judge
y, pullback = unit_length(x)
by_formula = (np.eye(4) - np.outer(y, y)) / np.linalg.norm(x)
assert np.allclose(jacobian(unit_length, x), by_formula, atol=1e-8)
assert np.allclose(pullback(dy), by_formula.T @ dy)
assert np.allclose(pullback(y), 0), "a push along y itself moves nothing"

# %% [markdown]
# So it stands in `plain.py`, the whole model on one page, and so in the fast code, which spares a
# temporary array and, as Algorithm 1 asks, does not divide by zero:

# %%
show(plain.unit, ops.normalise)

# %% [markdown]
# **Softmax.** $y_k = e^{s_k} / \sum_l e^{s_l}$. Since $\ln y_k = s_k - \ln \sum_l e^{s_l}$, we have
# $\partial \ln y_k / \partial s_l = \delta_{kl} - y_l$, so
#
# $$\frac{\partial y_k}{\partial s_l} = y_k (\delta_{kl} - y_l),
# \qquad \bar s_l = y_l \Big( \bar y_l - \sum_k y_k \bar y_k \Big) .$$

# %%
show(ops.softmax)
y, pullback = ops.softmax(x)
assert np.allclose(jacobian(ops.softmax, x), np.diag(y) - np.outer(y, y), atol=1e-8)
assert np.allclose(pullback(dy), y * (dy - y @ dy))

# %% [markdown]
# **The encoder's average**, the argument of $f_\mathrm{nn}$ in equation (9)
# ([notebook 6](06_encoder.ipynb) says why it is what it is). For one user and one concept write
# $\mathbf n$ for the sum above the line and $q$ for the one under the root:
#
# $$\mathbf n = \sum_i x_i c_i \mathbf t_i, \qquad q = \sum_i x_i c_i^2,
# \qquad \mathbf A = \mathbf n \, q^{-1/2} .$$
#
# Backward, first through the product, then through the sums:
# $\bar{\mathbf n} = \bar{\mathbf A}\, q^{-1/2}$ and
# $\bar q = \bar{\mathbf A} \cdot \mathbf n \cdot (-\tfrac12) q^{-3/2}$, which is
# $- \frac{\bar{\mathbf A} \cdot \mathbf A}{2 q}$,
# and $c_i$ occurs in **both** sums:
#
# $$\bar{\mathbf t}_i = x_i c_i \bar{\mathbf n},
# \qquad \bar c_i = x_i \, (\mathbf t_i \cdot \bar{\mathbf n}) + 2 x_i c_i \, \bar q .$$
#
# Write the second.


# %%
# your turn
def aggregate_dc(x, c, t, dA):
    """The cotangent of c (M,), for A = sum_i x_i c_i t_i / sqrt(sum_i x_i c_i^2), of one user:
    x (M,), t (M, d), dA (d,). n, the sum above the line, and A are yours to make.
    """
    q = x @ c**2
    dn = ...  # (d,), through the product
    dq = ...  # a number
    return ...  # (M,): c_i stands in both sums


# %%
# solution
def aggregate_dc(x, c, t, dA):
    """The cotangent of c (M,), for A = sum_i x_i c_i t_i / sqrt(sum_i x_i c_i^2), of one user:
    x (M,), t (M, d), dA (d,). n, the sum above the line, and A are yours to make.
    """
    q = x @ c**2
    dn = dA / q**0.5  # (d,), through the product
    dq = -0.5 * (dA @ ((x * c) @ t)) / q**1.5  # a number
    return x * (t @ dn) + 2 * x * c * dq  # (M,): c_i stands in both sums


# %%
x_u, c, t, push = np.array([1, 0, 1, 1.0]), *(rng.uniform(0.2, 1, n) for n in (4, (4, 5), 5))
value = lambda c: push @ ((x_u * c) @ t / (x_u @ c**2) ** 0.5)
by_hand = {"c": aggregate_dc(x_u, c, t, push)}
gradcheck.check(value, {"c": c}, by_hand)
gradcheck.negative_control(value, {"c": c}, by_hand)
A, pullback = encoder.aggregate(sparse.csr_array(x_u[None]), c[:, None], t)  # macrid's
dC, dT = pullback(push[None, None])
assert np.allclose(A[0, 0], (x_u * c) @ t / (x_u @ c**2) ** 0.5)
assert np.allclose(dC[:, 0], by_hand["c"])
assert np.allclose(dT, np.outer(x_u * c, push / (x_u @ c**2) ** 0.5))

# %% [markdown]
# With several users their contributions add up; $\mathbf t_i$ also collects those of all concepts.
# `plain.py` does it with `unit` (the shares $x_{u,i} c_{i,k}$ of a user's items, made unit length)
# and a dense array of users by items. In the fast code $r = \sqrt q$ and `ds` $= \bar q$; an $r$ of
# zero, a user without items, is held at $10^{-8}$ and passes nothing on.

# %%
show(plain.encoder, encoder.aggregate)

# %% [markdown]
# **The decoder's sum.** Let $P_{u,i}$ be what (7) makes of item $i$, before it is divided by
# $Z_u = \sum_i P_{u,i}$, and $n_u$ the number of the user's items. Her loss is
# $-\sum_i x_{u,i} (\ln P_{u,i} - \ln Z_u)$. In it $P_{u,i}$ stands twice: in its own logarithm
# and, as $\partial Z_u / \partial P_{u,i} = 1$, in the $\ln Z_u$ of each of her $n_u$ items. So
# for the mean over $B$ users
#
# $$\bar P_{u,i} = \frac1B \Big( \frac{n_u}{Z_u} - \frac{x_{u,i}}{P_{u,i}} \Big) .$$
#
# A number for each user, the same for all items, and a part that is zero but at her own items: the
# whole speed of the fast code rests on this line ([notebook 3](03_reconstruction.ipynb)).


# %%
# your turn
def decoder_dP(P, x):
    """The cotangent of P, for loss = -1/B sum_ui x_ui (ln P_ui - ln sum_l P_ul); both (B, M)."""
    return ...


# %%
# solution
def decoder_dP(P, x):
    """The cotangent of P, for loss = -1/B sum_ui x_ui (ln P_ui - ln sum_l P_ul); both (B, M)."""
    n, Z = x.sum(axis=1, keepdims=True), P.sum(axis=1, keepdims=True)  # (B, 1) each
    return (n / Z - x / P) / len(P)


# %%
P, x_of = rng.uniform(0.5, 2, (3, 7)), (rng.random((3, 7)) < 0.4) * 1.0
loss_of_P = lambda P: -(x_of * (np.log(P) - np.log(P.sum(axis=1, keepdims=True)))).sum() / 3
gradcheck.check(loss_of_P, {"P": P}, {"P": decoder_dP(P, x_of)})
gradcheck.negative_control(loss_of_P, {"P": P}, {"P": decoder_dP(P, x_of)})
along_P = (decoder_dP(P, x_of) * P).sum(axis=1)  # if all P of a user grow alike, no p changes
assert np.allclose(along_P, 0)

# %% [markdown]
# ## 3. Fan-out is a sum
#
# What if a value is used twice, $L = f(x, x)$? Give the two uses names, $L = f(x_1, x_2)$ with
# $x_1 = x_2 = x$. The chain rule runs over both:
#
# $$\bar x = \bar x_1 + \bar x_2 .$$
#
# Every path from $x$ to the loss contributes, and contributions add. In the model the items
# $\mathbf h_i$ are used twice, by the prototypes and by the decoder. Here is just that part, with
# the model's own ops:

# %%
H, m, z = (rng.standard_normal(shape) for shape in ((7, 5), (2, 5), (3, 2, 5)))
m, z = ops.normalise(m)[0], ops.normalise(z)[0]
X = sparse.csr_array((rng.random((3, 7)) < 0.5) * 1.0)
log_C, _ = ops.log_softmax(rng.standard_normal((7, 2)))
push = rng.standard_normal((7, 2))  # whatever wants something of the logits s


# %%
def two_uses(H):
    unit, pull_H = ops.normalise(H)
    s, pull_s = prototypes.concept_logits(unit, m, 0.1)  # use 1
    value, pull_value = decoder.log_likelihood(z, unit, log_C, X, 0.1)  # use 2

    def pullback(dL):
        dH_prototypes, _ = pull_s(dL * push)
        _, dH_decoder, _ = pull_value(dL)
        return pull_H(dH_prototypes + dH_decoder), pull_H(dH_prototypes), pull_H(dH_decoder)

    return (s * push).sum() + value, pullback


# %%
numerical = gradcheck.numerical_gradient(lambda H: two_uses(H)[0], H)
whole, first, second = two_uses(H)[1](1.0)
assert np.allclose(whole, numerical, atol=1e-6) and np.allclose(first + second, whole)
for alone in (first, second):
    assert not np.allclose(alone, numerical, atol=1e-2), "one path alone is wrong"

# %% [markdown]
# ## 4. The whole graph
#
# Lines 31 to 34 of Algorithm 1 as a graph. Orange is used twice, so its cotangent is a sum.
# Before you look: which four arrays are used twice?

# %%
plots.graph()
assert plots.TWICE == {"H", "logits", "C", "mu"}

# %% [markdown]
# `plain.py` is the graph: its `loss_and_gradients` calls the functions from left to right and keeps
# their pullbacks, then calls the pullbacks from right to left.

# %%
show(plain.loss_and_gradients)

# %% [markdown]
# The fast code is the same graph, with options. Look for the four sums: `added(...)` for
# $(\boldsymbol\mu, \mathbf b)$, `pull_C(dC_encoder) + pull_log_C(dlog_C)` (its decoder takes
# $\ln\mathbf C$, [3](03_reconstruction.ipynb), so that the two uses of $\mathbf C$ meet a node
# earlier, at the logits), the categorical term's `dlogits + ...`, and `dH_prototypes + dH_decoder`.
# Three things in it are for other notebooks and do nothing here: `noise.candidates` and
# `noise.weight` (a sampled softmax, [12](12_scale.ipynb)), `noise.kept` (hides some of a user's
# items), and `identity` in place of `normalise` (the inner product,
# [10](10_disentanglement.ipynb)).

# %%
show(objective.elbo, objective.added)

# %% [markdown]
# | forward (line) | $\bar{\phantom{x}}$ of the inputs from that of the output | derived in |
# |---|---|---|
# | $s = \mathbf h \cdot \mathbf m / \tau$ of unit rows (14) | $\bar H = \bar s\, m / \tau,\ \bar m = \bar s^T H / \tau$ | as `linear`; the factor $1/\tau$ stays |
# | $(s + g) / \tau_\mathrm{g}$ with $\tau_\mathrm{g}$ the `gumbel_temperature`, then softmax (15) | $\bar s = \overline{\text{logits}} / \tau_\mathrm{g}$; softmax above | here |
# | $\mathbf A$ (19) | above | here |
# | $f_\mathrm{nn}$: linear, tanh, dropout mask (19) | $\bar x = \bar y W^T,\ \bar W = x^T \bar y,\ \bar b = \sum \bar y$; $\bar y (1 - y^2)$; $\bar y\, \cdot$ mask | here |
# | $\boldsymbol\mu = \mathbf a / \lVert \mathbf a \rVert$ (20) | unit length, above | here |
# | $\mathbf z = \boldsymbol\mu + \boldsymbol\epsilon \circ \boldsymbol\sigma$ (21, 25) | $\bar{\boldsymbol\mu} = \bar{\mathbf z},\ \bar{\mathbf b} = -\tfrac12 \bar{\mathbf z} \circ \boldsymbol\epsilon \circ \boldsymbol\sigma$ | [6](06_encoder.ipynb) |
# | KL (26) | $\bar{\boldsymbol\mu} = \boldsymbol\mu / \sigma_0^2,\ \bar{\mathbf b} = \tfrac12 (1 - e^{-\mathbf b})$, both times $\beta / B$ | [4](04_kl.ipynb) |
# | $-\ln p$ (28, 29) | $\bar P_{u,i} = n_u / Z_u - x_{u,i} / P_{u,i}$, times $1 / B$ | here, and [3](03_reconstruction.ipynb) |
# | cross-entropy (34) | $\bar{\text{logits}}_i = \mathbf c_i - \hat{\mathbf c}_i$, times $w_c$ over the number of known items | [7](07_semantics.ipynb) |
#
# The factors in the last rows come from the loss: line 34 with its sign turned (we minimise;
# [7](07_semantics.ipynb) on the sign of its last term) and averaged over the $B$ users of a batch,
# with $w_c$ the `category_weight`:
#
# $$\text{loss} = - \frac1B \sum_u \sum_{i: x_{u,i} = 1} \ln p_{u,i} +
# \beta\, \frac1B \sum_u D_{\mathrm{KL},u} + w_c \cdot \text{Cross-Entropy} .$$
#
# **In numbers.** The one shopper whom these notebooks follow (eight products, three of them hers,
# two concepts of two dimensions), and every cotangent of her loss, from the loss back: $z$,
# $\boldsymbol\mu$, $\mathbf b$ and $\mathbf A$ by concept, $\mathbf C$, $s$ and $\mathbf h$ by
# product. A `d` before a name is the bar over it.

# %%
her = shopper.follow()
given = shopper.X, shopper.noise, shopper.config, shopper.config.beta, shopper.targets
back = gradtrace.cotangents(shopper.parameters, *given)
of = {symbol: value for (_, symbol, side), value in back.items() if side == "given"}
shopper.write(z=her.z, dz=of["z"][0], mu=her.mu, dmu=of["mu"][0])
shopper.write(b=her.b, db=of["b"][0], A=her.A, dA=of["A"][0])
dC = of["C"] + of["ln C"] / her.C  # the encoder's, and the decoder's
shopper.write(C=her.C, dC=dC, ds=of["s"], dH=back["normalise H", "H", "taken"])

# %%
terms, gradients = model.loss_and_gradients(shopper.parameters, *given)
assert np.isclose(terms["loss"], her.loss)
assert np.allclose(gradients["H"], back["normalise H", "H", "taken"])
dP = decoder_dP(her.P[None], shopper.x)[0]  # yours
by_log = back["log_likelihood", "ln C", "taken"]
assert np.allclose(by_log, her.C * (dP * her.E).T), "P_i = sum_k c_ik E_ki, dln c = c dc"
uses = [back[op, "logits", "taken"] for op in ("softmax", "log_softmax", "cross_entropy")]
assert np.allclose(of["logits"], sum(uses)), "the logits are used three times"

# %% [markdown]
# A product that she took (starred) has a negative $\bar{\mathbf C}$ in its own concept: more of it
# would lower the loss. For the others it is positive or nearly zero: they take from her $Z$. And
# every row of $\bar s$ sums to zero, as only differences of logits count.
#
# A tiny model for what follows: three users (one without items), two concepts, five dimensions,
# seven items. All sizes differ on purpose: a transposed matrix cannot hide. One item has no
# category, one has two.

# %%
config = Config(
    K=2,
    d=5,
    hidden_layers=1,
    hidden_units=4,
    init_deviation=1.0,
    dropout=0.3,
    precision="float64",
    category_weight=0.5,
)
X = np.zeros((3, 7))
X[0, [0, 2, 5]] = X[2, [1, 2, 3, 6]] = 1
X = sparse.csr_array(X)

# %%
rng = np.random.default_rng(7)
parameters = model.initial_parameters(7, config, rng)
for name, p in parameters.items():
    if name[0] == "b":
        p += 0.3 * rng.standard_normal(p.shape)  # biases of zero would hide mistakes
noise = draw_noise(rng, X, config)  # all randomness is drawn here, once: the loss is a function
targets = np.eye(2)[rng.integers(0, 2, 7)]
targets[0], targets[1] = 0, 0.5
BETA = 0.7

terms, gradients = model.loss_and_gradients(parameters, X, noise, config, BETA, targets)
taught = config.category_weight * terms["categorical"]
assert np.isclose(terms["loss"], -terms["reconstruction"] + BETA * terms["kl"] + taught)
print({name: gradient.shape for name, gradient in gradients.items()})

# %% [markdown]
# ## 5. Gradient checking as a craft
#
# Is a hand-written gradient the derivative of its value? Ask the value. For a function $f$ of one
# number, Taylor's theorem gives
#
# $$\frac{f(x + h) - f(x - h)}{2h} = f'(x) + \frac{h^2}{6} f'''(x) + O(h^4) .$$
#
# (the even terms cancel; a one-sided $(f(x + h) - f(x)) / h$ keeps the error $\tfrac h2 f''(x)$).
# So small $h$ is good. But a computer rounds: each of the two $f$ carries an error of up to about
# $\varepsilon |f|$ with $\varepsilon \approx 10^{-16}$, and dividing by $2h$ makes of them up to
# $\varepsilon |f| / h$. So large $h$ is good. The sum $\tfrac{h^2}6 |f'''| + \varepsilon |f| / h$
# has the derivative $\tfrac h3 |f'''| - \varepsilon |f| / h^2$, which is zero at
# $h = (3 \varepsilon |f| / |f'''|)^{1/3}$, about $10^{-5}$, where some ten digits are right. There
# is a trick without that trade: step into the *imaginary* direction,
#
# $$\frac{\operatorname{Im} f(x + ih)}{h} = f'(x) - \frac{h^2}{6} f'''(x) + O(h^4) .$$
#
# (by the same series, with $(ih)^2 = -h^2$). Nothing is subtracted, so nothing is lost, and
# $h = 10^{-100}$ is fine. (It needs $f$ to be analytic, in code that takes complex numbers: no
# absolute values, no comparisons of the argument.)
#
# To see all that, take a function whose derivatives we know: the cross-entropy of one item as its
# logit moves, $f(t) = \ln \sum_k e^{s_k + t \delta_{k1}} - s_1 - t$, with
# $p = \mathrm{softmax}(\mathbf s)_1$: $f' = p - 1$, $f'' = p (1 - p)$, $f''' = p (1 - p)(1 - 2p)$.

# %%
s, one_hot = np.array([0.3, -0.5, 1.1, 0.2]), np.array([1.0, 0, 0, 0])
e1 = one_hot  # the direction in which the logits move
p = ops.softmax(s)[0][0]
slope, bend, third = p - 1, p * (1 - p), p * (1 - p) * (1 - 2 * p)


def f(t, dtype=float):
    """The cross-entropy of one item, by macrid's op."""
    return ops.cross_entropy((s + t * e1).astype(dtype)[None], one_hot.astype(dtype)[None])[0]


h = 1e-2
assert np.isclose((f(h) - f(-h)) / (2 * h) - slope, h**2 / 6 * third, rtol=1e-3)
assert np.isclose((f(h) - f(0.0)) / h - slope, h / 2 * bend, rtol=1e-2), "one-sided"
assert np.isclose(f(1j * h, complex).imag / h - slope, -(h**2) / 6 * third, rtol=1e-3)
assert abs(f(1e-100j, complex).imag / 1e-100 - slope) < 1e-15

# %% [markdown]
# Predict before you look: on double-logarithmic axes, what are the slopes of the errors for large
# $h$, one-sided and central? And for small $h$?

# %%
steps = 10.0 ** np.arange(-15, 0.25, 0.25)
single = np.float32
methods = {
    "one-sided, float64": [(f(h) - f(0.0)) / h for h in steps],
    "central, float32": [(float(f(h, single)) - float(f(-h, single))) / (2 * h) for h in steps],
    "central, float64": [(f(h) - f(-h)) / (2 * h) for h in steps],
    "complex step": [f(1j * h, complex).imag / h for h in steps],
}
away = lambda values: np.maximum(np.abs(np.array(values) - slope), 1e-17)
errors = {name: away(values) for name, values in methods.items()}
laws = {
    "h f'' / 2": steps / 2 * bend,
    "h² |f'''| / 6": steps**2 / 6 * abs(third),
    "ε |f| / h": 1.1e-16 * f(0.0) / steps,
}
plots.steps(steps, errors, laws)

# %%
best_step = (3 * 1.1e-16 * f(0.0) / abs(third)) ** (1 / 3)
assert gradcheck.STEP / 3 < best_step < 3 * gradcheck.STEP
at = int(np.argmin(np.abs(steps - gradcheck.STEP)))
central = errors["central, float64"]
assert central[at] < 1e-9 and central[:4].max() > 1e-3 < central[-1]
assert errors["central, float32"].min() > 1e-7, "in single precision no step is good enough"
assert errors["complex step"][: at + 1].max() < 1e-10

# %%
from lesson import touch

touch("08_steps")

# %% [markdown]
# The left branch jitters because rounding is erratic; the right branches are straight because
# truncation is not. In single precision some five digits are the best that can be had, and at
# another step: **check in float64.** The complex step needs code that is complex all the way, which
# `log_likelihood` is not, so the checker uses central differences with $h = 10^{-5}$. Its heart is
# yours to write:


# %%
# your turn
def numerical_gradient(f, x, step=1e-5):
    """Central differences of the scalar function f at x: an array of x's shape."""
    gradient = np.empty_like(x)
    for j in np.ndindex(x.shape):
        gradient[j] = np.nan  # move coordinate j of a copy of x, up and down
    return gradient


# %%
# solution
def numerical_gradient(f, x, step=1e-5):
    """Central differences of the scalar function f at x: an array of x's shape."""
    gradient = np.empty_like(x)
    for j in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[j] += step
        below[j] -= step
        gradient[j] = (f(above) - f(below)) / (2 * step)
    return gradient


# %%
cube, at = (lambda x: (x**3).sum()), rng.standard_normal((2, 3))
before = at.copy()
assert np.allclose(numerical_gradient(cube, before.copy()), 3 * at**2, atol=1e-8), (
    "of x^3 it should be 3 x^2, to eight digits,"
    f" not {numerical_gradient(cube, before.copy()) / at**2} x^2"
)
assert not np.allclose(numerical_gradient(cube, at), 3.003 * at**2, atol=1e-4), "it can fail"
assert (at == before).all(), "x has changed, be it in its last digit: move a copy"
show(gradcheck.check, gradcheck.compare, gradcheck.check_op, gradcheck.negative_control)

# %% [markdown]
# Six habits are in these few lines.
#
# 1. **Every coordinate of every parameter**, on a model so tiny that this costs nothing. Sizes all
#    different, and the awkward cases in: an empty user, a missing category.
# 2. **Noise is an argument.** A loss that draws its own noise has no derivative to check.
# 3. **Errors relative to the largest entry**, with a floor: where the true gradient is zero,
#    central differences see only rounding.
# 4. **Random cotangents** for an op on its own. With $\bar y = 1$ everywhere the gradient of
#    `softmax` is zero, and a lost factor or a wrong sign of zero is zero.
# 5. **The negative control.** A check that cannot fail proves nothing: the same check must fail for
#    $1.001$ times the gradient.
# 6. **Twice.** A pullback that spoils its closure is right the first time. (And copy the first
#    answer: the spoiled array may *be* the answer, and would be compared with itself.)
#
# And four things that it cannot see:
#
# * *A kink.* At the tip of $|x|$ central differences give 0, and no slope is right. The model has
#   one, $\max(\|\mathbf x\|, 10^{-8})$: a vector of no length cannot be checked.
# * *What is small beside the largest entry.* In an array whose largest entry is $10^8$, an entry of
#   1 may be wrong altogether.
# * *What is below the floor.* If the true gradient is below $10^{-3}$ everywhere, its errors are
#   taken relative to that.
# * *A value that is wrong itself.* More of that with bug L.

# %%
zero, ones = {"x": np.array([0.0])}, {"x": np.ones(2)}
tip = lambda x: np.abs(x).sum()
for guess in (-1.0, 0.5, 1.0):
    error = gradcheck.check(tip, zero, {"x": np.array([guess])}, tolerance=np.inf)["x"]
    assert error > 0.1, "no slope is right at a kink"
steep = np.array([1e8, 1.0])
two_for_one, three_times = {"x": np.array([1e8, 2.0])}, {"x": np.full(2, 3e-10)}
errors = gradcheck.check(lambda x: (steep * x).sum(), ones, two_for_one)  # it does not complain,
errors |= gradcheck.check(lambda x: 1e-10 * x.sum(), ones, three_times)  # and not here
assert max(errors.values()) < gradcheck.TOLERANCE

# %% [markdown]
# A whole model, every coordinate:

# %%
loss = lambda **changed: model.elbo(changed, X, noise, config, BETA, targets)[0]["loss"]
worst = gradcheck.check(loss, parameters, gradients)
gradcheck.negative_control(loss, parameters, gradients)
gradtrace.check_objective(parameters, X, noise, config, BETA, targets)  # and all between
print({name: f"{error:.0e}" for name, error in worst.items()})
assert max(worst.values()) < 1e-7

# %% [markdown]
# When a model is too large for every coordinate, check along one random direction $v$ in the space
# of all parameters: two evaluations instead of two per coordinate,
#
# $$\frac{f(\theta + h v) - f(\theta - h v)}{2h}
# \approx \sum_j \frac{\partial f}{\partial \theta_j} v_j .$$
#
# It finds almost every bug (a wrong gradient is orthogonal to a random direction with probability
# zero) and says nothing about where.

# %%
v = {name: rng.standard_normal(p.shape) for name, p in parameters.items()}
moved = lambda h: loss(**{name: p + h * v[name] for name, p in parameters.items()})
along = sum((gradients[name] * v[name]).sum() for name in v)
assert np.isclose((moved(1e-5) - moved(-1e-5)) / 2e-5, along, rtol=1e-7)
assert not np.isclose((moved(1e-5) - moved(-1e-5)) / 2e-5, 1.001 * along, rtol=1e-7)

# %% [markdown]
# ## 6. A gallery of twelve bugs
#
# `tutorials/bugs.py` holds twelve mistakes that people really make, A to L, each a line or two
# changed in a function of `macrid`. Do not open it yet. `bugs.planted("A")` puts one in place for a
# while. Look at A with the checker:


# %%
def verdicts():
    """The error of each parameter's gradient, as the code now stands."""
    _, gradients = model.loss_and_gradients(parameters, X, noise, config, BETA, targets)
    return gradcheck.check(loss, parameters, gradients, tolerance=np.inf)


def complaint(names):
    """What the checker says of these parameters."""
    _, gradients = model.loss_and_gradients(parameters, X, noise, config, BETA, targets)
    try:
        gradcheck.check(loss, parameters, {name: gradients[name] for name in names})
    except AssertionError as error:
        return str(error)
    return "nothing to complain of"


with bugs.planted("A"):
    print({name: f"{error:.0e}" for name, error in verdicts().items()})
    print(f"\n{complaint(['m'])}")
    assert "0.1 times the right one" in complaint(["m"])
assert complaint(parameters) == "nothing to complain of", "the bug is gone again"

# %% [markdown]
# How a detective reads this. The gradients of $T$ and of $f_\mathrm{nn}$ are right, so everything
# between them and the loss is right: decoder, sample, KL, encoder, up to $\mathbf C$. Wrong are $m$
# and $H$, so the bug lies between $\mathbf C$ and these two: softmax, Gumbel, or the logits. And
# $m$'s gradient is wrong by a factor of exactly $0.1 = \tau$. ($H$'s is not: its second path,
# through the decoder, is right, and a right part plus a tenth of the other is no multiple.) In the
# pullback of `concept_logits`, $1/\tau$ is missing. Case closed, without reading code.
#
# That is the general rule. On the way back every cotangent is right up to the bug and wrong beyond
# it: **the wrong parameters are those upstream of the first wrong cotangent.** (Not of the bug's
# *op*: an op of two arguments may return one cotangent right and the other wrong.)
#
# Predict: bug D leaves one path out of the sum for $H$. Which of $m$, $H$, $T$, $W$, $b$ will be
# wrong? And F, a bug in the KL term? Here they are for all twelve.

# %%
names = ["m", "H", "T", "W0", "b0", "W1", "b1"]
table = {}
for letter in progress(bugs.BUGS, "bugs"):
    with bugs.planted(letter):
        errors_of = verdicts()
    table[letter] = np.array([errors_of[name] for name in names])
plots.errors_of_bugs(table, names)
wrong = np.array([row > gradcheck.TOLERANCE for row in table.values()])
assert wrong[:10].any(axis=1).all(), "A to J are found"
assert not wrong[10:].any(), "K and L are not. They are bugs all the same"

# %% [markdown]
# Bugs with the same pattern are told apart by checking the ops on their own, with
# `model.gradcheck.check_op` (that is what `tests/model/test_ops.py`, `tests/model/test_encoder.py`,
# ... do). For the hunt, here is each op that may be guilty, checked while a bug is planted:

# %%
x, mask, H, m = (rng.standard_normal(shape) for shape in ((3, 5), (3, 5), (7, 5), (2, 5)))
mu, b, epsilon = rng.standard_normal((3, 3, 2, 5))
arguments = {
    ops.tanh: {"x": x},
    ops.mask: {"x": x, "noise": mask},
    ops.normalise: {"x": x},
    ops.softmax: {"s": x},
    prototypes.concept_logits: {"H": H, "m": m, "tau": 0.1},
    encoder.aggregate: {"X": X, "C": rng.uniform(0.1, 1, (7, 2)), "T": rng.standard_normal((7, 5))},
    encoder.sample: {"mu": mu, "b": b, "epsilon": epsilon, "sigma0": 0.3},
    encoder.kl_divergence: {"mu": mu, "b": b, "sigma0": 0.3},
}

# %%
with_gradient = {
    ops.mask: ["x"],
    prototypes.concept_logits: ["H", "m"],
    encoder.aggregate: ["C", "T"],
    encoder.sample: ["mu", "b"],
    encoder.kl_divergence: ["mu", "b"],
}


# %%
def fails(op, values, names):
    """Does an op fail its own check?"""
    try:
        gradcheck.check_op(op, values, np.random.default_rng(0), names)
    except AssertionError:
        return True
    return False


def guilty(letter):
    """The ops that fail their own check with the bug in place."""
    with bugs.planted(letter) as changed:
        now = {op: changed if op.__name__ == changed.__name__ else op for op in arguments}
        failing = [op for op in arguments if fails(now[op], arguments[op], with_gradient.get(op))]
    return [op.__name__ for op in failing]


assert guilty("A") == ["concept_logits"]
assert sum(len(guilty(letter)) == 1 for letter in bugs.BUGS) == 9, (
    "nine of twelve are in an op; the other three need thought"
)

# %% [markdown]
# **A checker that points.** By its parameters a model says *that* it is wrong, not where. But the
# detective's rule can be followed by a machine. Every op on the way back is *handed* the cotangents
# of what it gave and *hands on* those of what it took. Each is a derivative of the loss, so central
# differences can tell it: add a little to that array, in that op alone, and watch the loss.
# `gradtrace.check_objective` does so from the loss back and names the first wrong one. If an op
# hands on something wrong though all that it was handed is right, it is the op. If what it is
# handed is wrong though every part of it is right, it is the sum, or a weight of line 34.

# %%
show(gradtrace.check_objective)


def traced(letter):
    """What the checker that points says of the model with a bug in it."""
    with bugs.planted(letter):
        try:
            gradtrace.check_objective(parameters, X, noise, config, BETA, targets)
        except AssertionError as error:
            return str(error)
    return "every cotangent is the derivative of the loss"


of_A = traced("A")
print(of_A)
assert of_A.startswith("Line 14 of Algorithm 1, concept_logits") and "which is tau" in of_A
assert traced("L").startswith("every cotangent"), "L needs another finder"

# %% [markdown]
# ## 7. The last line
#
# Line 35 of Algorithm 1 uses the gradient: "update $\theta$", with Adam. For every coordinate two
# running averages, of the gradient and of its square, both corrected for having started at 0
# ([notebook 9](09_training.ipynb) says why). With $g$ the gradient plus $l_2$ times $\theta$, at
# step $t = 1, 2, \dots$:
#
# $$\text{mean} \leftarrow .9\, \text{mean} + .1\, g,
# \qquad \text{square} \leftarrow .999\, \text{square} + .001\, g^2, \qquad
# \theta \leftarrow \theta - \text{lr} \cdot
# \frac{\text{mean} / (1 - .9^t)}{\sqrt{\text{square} / (1 - .999^t)} + 10^{-8}} .$$
#
# Write it for `plain.py`, in place.


# %%
# your turn
def my_adam(p, gradients, moments, step):
    """One step of Adam, in place; steps count from 1. plain.L2 and plain.LEARNING_RATE apply."""
    for name, (mean, square) in moments.items():
        g = gradients[name] + plain.L2 * p[name]
        ...  # change mean, square and p[name], in place: +=, -=


# %%
# solution
def my_adam(p, gradients, moments, step):
    """One step of Adam, in place; steps count from 1. plain.L2 and plain.LEARNING_RATE apply."""
    for name, (mean, square) in moments.items():
        g = gradients[name] + plain.L2 * p[name]
        mean += 0.1 * (g - mean)
        square += 0.001 * (g**2 - square)
        root = np.sqrt(square / (1 - 0.999**step)) + 1e-8
        p[name] -= plain.LEARNING_RATE * mean / (1 - 0.9**step) / root


# %%
settings = Config(precision="float64", learning_rate=plain.LEARNING_RATE, l2=plain.L2)
mine, theirs = {"w": np.ones(4)}, {"w": np.ones(4)}
my_moments, their_moments = {"w": (np.zeros(4), np.zeros(4))}, adam.start(theirs)
for step in range(1, 6):
    g = {"w": rng.standard_normal(4)}
    my_adam(mine, g, my_moments, step)
    adam.update(theirs, g, their_moments, step, settings)
    apart = f"step {step}: w is {mine['w']}, and should be {theirs['w']}"
    apart += "; if step 1 was right, are mean and square changed in place, the corrections not?"
    assert np.allclose(mine["w"], theirs["w"], rtol=1e-10) and not np.allclose(mine["w"], 1), apart

# %% [markdown]
# And now your functions in their place: `plain.py`, the page of the whole model, with your unit
# length and your Adam, for three epochs on the shop. Does it learn as with its own?

# %%
interactions = shop.make()
parts = splits.split(interactions, "holdout", seed=98765)
X_shop, category = parts.train.toarray(), np.array(interactions.item_categories(parts.items))
targets_shop = (category[:, None] == np.array(shop.CATEGORIES)).astype(X_shop.dtype)


def three_epochs(unit, adam):
    """The mean loss of each, by the page with these functions in it."""
    own = plain.unit, plain.adam
    plain.unit, plain.adam = unit, adam
    training = plain.training(X_shop, targets_shop, np.random.default_rng(0))
    losses = [next(training)[2] for _ in progress(range(3), "epochs")]
    plain.unit, plain.adam = own
    return losses


its_losses, my_losses = three_epochs(plain.unit, plain.adam), three_epochs(unit_length, my_adam)
print("mean loss of three epochs:", "  ".join(f"{loss:.2f}" for loss in my_losses))
assert np.allclose(my_losses, its_losses, rtol=1e-3) and my_losses[2] < my_losses[0] - 5, (
    f"plain.py with its own has {np.round(its_losses, 2)};"
    " does the 1e-8 of your Adam stand outside the root?"
)

# %% [markdown]
# ## Exercises: find them
#
# Use the table, the graph of section 4, `guilty(letter)`, and `complaint(names)` inside
# `with bugs.planted(letter):`. Guess first; `traced(letter)` tells whether you were right.
#
# **1.** B, C, F and J spoil everything. What tells them apart?
#
# <details><summary>Solution</summary>
#
# All parameters wrong, and even $W_1$: the bug is between $(\boldsymbol\mu, \mathbf b)$ and the
# loss, or it is everywhere.
#
# * **B**: errors of 2 to 16, not a fraction. `guilty("B")` is `["normalise"]`: **the Jacobian of
#   the normalisation is dropped**, the push along $\mathbf y$ is not taken out. `normalise` is used
#   four times (H, m, z, a), so all are wrong.
# * **C**: every error is 1, and by central differences the gradient is in the hundred thousands. An
#   error of 1 means that the numerical value dwarfs ours: $f(x + h)$ and $f(x - h)$ differ by
#   something that has nothing to do with $h$. **Noise is drawn anew at each call.** Test: evaluate
#   the loss twice; with C it gives two values. `complaint` does, and says so. No op is guilty.
# * **F**: small errors of some percent. `guilty("F")` is `["kl_divergence"]`: the average over
#   users, **$1/B$, is missing in $\bar{\mathbf b}$**. Set $\beta$ to 0 and F vanishes: taking one
#   term at a time is half of debugging.
# * **J**: small errors too, but it survives $\beta = 0$. `guilty("J")` is `["sample"]`: **the
#   factor $\tfrac12$ of $\sigma = \sigma_0 e^{-b/2}$ is lost**.
#
# </details>
#
# **2.** D, E, I (and A) leave all of $f_\mathrm{nn}$ and $T$ right.
#
# <details><summary>Solution</summary>
#
# * **D**: only $H$ is wrong, and $m$, right beside it, is right. So the path through the prototypes
#   works; it is not *added*: **a path of the fan-out is left out**, `pull_H(dH_decoder)`. No op is
#   guilty, the sum is.
# * **E**: $m$ and $H$ wrong, not by a factor. `guilty("E")` is `["aggregate"]`: **the square root's
#   dependence on $c$ is forgotten**, the term $2 x_i c_i \bar q$ of section 2. Its other gradient,
#   that of $T$, is right, which is why $T$ is.
# * **I**: the same pattern. `guilty("I")` is `["softmax"]`: **the sum $\sum_k y_k \bar y_k$ is
#   missing**.
#
# </details>
#
# **3.** G and H: $W_1$ and $b_1$ are right.
#
# <details><summary>Solution</summary>
#
# So the bug is upstream of the last layer.
#
# * **H**: $W_0$ and $b_0$ are wrong too: it lies between the two layers, and only `tanh` is there.
#   **$1 - x^2$ instead of $1 - y^2$.**
# * **G**: $W_0$, $b_0$ right, $T$ wrong: between the first layer and $\mathbf A$, where the
#   **dropout mask** is. It was **applied on the way forward and not on the way back**.
#
# </details>
#
# **4.** K and L pass. Find what is wrong with them all the same.
#
# <details><summary>Solution</summary>
#
# * **K**: `guilty("K")` is `["softmax"]`; `check_op` and `traced("K")` say that a cotangent changes
#   when the pullback is called again. It **writes into its own closure** (`out=y`). Training calls
#   each pullback once and never notices, until someone adds a second loss.
# * **L**: nobody is guilty. Value and pullback agree perfectly, and both are wrong:
#   $\sigma = \sigma_0 e^{+b/2}$, while the KL term believes in $e^{-b/2}$. **A gradient check
#   proves consistency, not truth.** What finds it is a check of the *value*: the moments of many
#   samples against $\mu$ and $\sigma$
#   (`model/test_encoder.py::test_samples_have_the_posterior_s_moments`). Here it is:
#
# ```python
# mu, b, epsilon = np.zeros(100_000), np.full(100_000, 0.8), rng.standard_normal(100_000)
# with bugs.planted("L") as sample:
#     print(encoder.sample(mu, b, epsilon, 0.3)[0].std(), 0.3 * np.exp(-0.4))   # 0.447 and 0.201
# ```
#
# </details>
#
# | what | function | test |
# |---|---|---|
# | Algorithm 1, lines 31 to 35 | `macrid.model.objective.elbo` | `model/test_objective.py::test_the_whole_objective` |
# | fan-out | `macrid.model.objective.added` | same: fails without a path, as bug D does |
# | unit length, softmax, linear, tanh, mask | `macrid.model.ops` | `model/test_ops.py::test_elementwise_and_rowwise_ops`, `test_linear`, `test_mask` |
# | (9), backward | `macrid.model.encoder.aggregate` | `model/test_encoder.py::test_aggregate` |
# | the checker | `macrid.model.gradcheck` | `model/test_gradcheck.py::test_names_a_wrong_pullback`, `test_what_it_cannot_see` |
# | the checker that points, and the twelve bugs | `macrid.model.gradtrace.check_objective` | `test_bugs.py::test_the_trace_finds_it_and_says_where`, `test_l_is_consistent_and_found_by_its_value_alone` |
#
# Next: [9. Training](09_training.ipynb).
