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
# *After this notebook you can write the gradient of every line of Algorithm 1 without a framework,
# and find a wrong one in minutes: twelve bugs are planted for you.*
#
# You need the chain rule for vectors, NumPy, and what the symbols mean
# ([notebook 1](01_story.ipynb), or the [glossary](glossary.md)). About 30 minutes, the hunt not
# counted.

# %%
import bugs
import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, GREY, INK, figure_style, show
from scipy import sparse

from macrid import Config, model
from macrid.model import decoder, encoder, gradcheck, objective, ops, prototypes
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
# ## 2. Three pullbacks worth deriving
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
# same direction.

# %%
show(ops.normalise)
y, pullback = ops.normalise(x)
by_formula = (np.eye(4) - np.outer(y, y)) / np.linalg.norm(x)
assert np.allclose(jacobian(ops.normalise, x), by_formula, atol=1e-8)
assert np.allclose(pullback(dy), (dy - y * (y @ dy)) / np.linalg.norm(x))
assert np.allclose(pullback(y), 0), "a push along y itself moves nothing"

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
# With several users their contributions add up; $\mathbf t_i$ also collects those of all concepts.
# (In the code $r = \sqrt q$ and `ds` $= \bar q$; an $r$ of zero, a user without items, is held at
# $10^{-8}$ and passes nothing on.)

# %%
show(encoder.aggregate)
X = sparse.csr_array(np.array([[1, 0, 1, 1.0]]))
C, T, dA = rng.uniform(0.2, 1, (4, 1)), rng.standard_normal((4, 5)), rng.standard_normal((1, 1, 5))
A, pullback = encoder.aggregate(X, C, T)
xi, ci = X.toarray()[0], C[:, 0]
q = xi @ ci**2
n_bar, q_bar = dA[0, 0] / q**0.5, -(dA[0, 0] @ A[0, 0]) / (2 * q)
dC, dT = pullback(dA)
assert np.allclose(A[0, 0], (xi * ci) @ T / q**0.5)
assert np.allclose(dT, np.outer(xi * ci, n_bar))
assert np.allclose(dC[:, 0], xi * (T @ n_bar) + 2 * xi * ci * q_bar)

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
C, _ = ops.softmax(rng.standard_normal((7, 2)))
push = rng.standard_normal((7, 2))  # whatever wants something of the logits s


def two_uses(H):
    unit, pull_H = ops.normalise(H)
    s, pull_s = prototypes.concept_logits(unit, m, 0.1)  # use 1
    value, pull_value = decoder.log_likelihood(z, unit, C, X, 0.1)  # use 2

    def pullback(dL):
        dH_prototypes, _ = pull_s(dL * push)
        _, dH_decoder, _ = pull_value(dL)
        return pull_H(dH_prototypes + dH_decoder), pull_H(dH_prototypes), pull_H(dH_decoder)

    return (s * push).sum() + value, pullback


numerical = gradcheck.numerical_gradient(lambda H: two_uses(H)[0], H)
whole, first, second = two_uses(H)[1](1.0)
assert np.allclose(whole, numerical, atol=1e-6) and np.allclose(first + second, whole)
for alone in (first, second):
    assert not np.allclose(alone, numerical, atol=1e-2), "one path alone is wrong"

# %% [markdown]
# ## 4. The whole graph
#
# Lines 31 to 34 of Algorithm 1 as a graph. Orange is used twice, so its cotangent is a sum.

# %%
PLACES = {  # name: (x, y, label)
    "m": (0, 3.1, "m\n(K, d)"),
    "H": (0, 2.1, "H\n(M, d)"),
    "T": (0, 1.0, "T\n(M, d)"),
    "f": (0, 0, "W, b\nof f_nn"),
    "logits": (1.7, 3.1, "logits\n(M, K)"),
    "C": (3.1, 2.6, "C\n(M, K)"),
    "A": (3.9, 1.0, "A\n(B, K, d)"),
    "mu": (5.4, 0.5, "μ, b\n(B, K, d)"),
    "z": (6.7, 1.3, "z\n(B, K, d)"),
    "kl": (7.2, 0, "KL"),
    "rec": (8.1, 2.1, "ln p"),
    "cat": (5.6, 3.4, "cross-\nentropy"),
    "loss": (9.6, 2.6, "loss"),
}
EDGES = [
    ("m", "logits", "14"),
    ("H", "logits", "14"),
    ("logits", "C", "15"),
    ("logits", "cat", "34"),
    ("C", "A", "19"),
    ("T", "A", "19"),
    ("A", "mu", "19–21"),
    ("f", "mu", "19"),
    ("mu", "z", "25"),
    ("mu", "kl", "26"),
    ("z", "rec", "28, 29"),
    ("H", "rec", "28"),
    ("C", "rec", "28"),
    ("rec", "loss", "34"),
    ("kl", "loss", "34"),
    ("cat", "loss", "34"),
]
twice = {name for name in PLACES if sum(a == name for a, _, _ in EDGES) > 1}
figure, axis = plt.subplots(figsize=(11, 4.6))
boxes = {}
for name, (xa, ya, label) in PLACES.items():
    colour = "#fbe3b0" if name in twice else "#eeeeee"
    edge = COLOURS[1] if name in twice else GREY
    look = {"ha": "center", "va": "center", "color": INK, "fontsize": 10}
    look["bbox"] = {"boxstyle": "round,pad=0.35", "fc": colour, "ec": edge}
    boxes[name] = axis.text(xa, ya, label, **look).get_bbox_patch()
for a, c, line in EDGES:
    (xa, ya, _), (xc, yc, _) = PLACES[a], PLACES[c]
    arrow = {"arrowstyle": "-|>", "color": GREY, "lw": 1.4, "shrinkA": 2, "shrinkB": 2}
    arrow |= {"patchA": boxes[a], "patchB": boxes[c]}
    axis.annotate("", (xc, yc), (xa, ya), arrowprops=arrow)
    look = {"fontsize": 8, "color": COLOURS[0], "ha": "center", "va": "center"}
    look["bbox"] = {"fc": "white", "ec": "none", "pad": 0.6}
    axis.text(0.52 * xa + 0.48 * xc, 0.52 * ya + 0.48 * yc, line, **look)
along = "forward along the arrows, backward against them (blue: its lines)"
axis.set(xlim=(-0.6, 10.1), ylim=(-0.5, 3.9), title=f"Algorithm 1 as a graph: {along}")
axis.axis("off")
plt.show()
assert twice == {"H", "logits", "C", "mu"}

# %% [markdown]
# The code is the graph. `elbo` calls the ops from left to right and keeps their pullbacks; its own
# pullback calls them from right to left. Look for the four sums: `added(...)` for
# $(\boldsymbol\mu, \mathbf b)$, `dC_encoder + dC_decoder`, the categorical term's `dlogits + ...`,
# and `dH_prototypes + dH_decoder`. Three things in it are for other notebooks and do nothing here:
# `noise.candidates` and `noise.weight` (a sampled softmax, [12](12_scale.ipynb)), `noise.kept`
# (hides some of a user's items), and `identity` in place of `normalise` (the inner product,
# [10](10_disentanglement.ipynb)).

# %%
show(objective.elbo, objective.added)

# %% [markdown]
# | forward (line) | $\bar{\phantom{x}}$ of the inputs from that of the output | derived in |
# |---|---|---|
# | $s = \mathbf h \cdot \mathbf m / \tau$ of unit rows (14) | $\bar H = \bar s\, m / \tau,\ \bar m = \bar s^T H / \tau$ | as `linear`; the factor $1/\tau$ stays |
# | $(s + g) / T_G$ with $T_G$ the `gumbel_temperature`, then softmax (15) | $\bar s = \overline{\text{logits}} / T_G$; softmax above | here |
# | $\mathbf A$ (19) | above | here |
# | $f_\mathrm{nn}$: linear, tanh, dropout mask (19) | $\bar x = \bar y W^T,\ \bar W = x^T \bar y,\ \bar b = \sum \bar y$; $\bar y (1 - y^2)$; $\bar y\, \cdot$ mask | here |
# | $\boldsymbol\mu = \mathbf a / \lVert \mathbf a \rVert$ (20) | unit length, above | here |
# | $\mathbf z = \boldsymbol\mu + \boldsymbol\epsilon \circ \boldsymbol\sigma$ (21, 25) | $\bar{\boldsymbol\mu} = \bar{\mathbf z},\ \bar{\mathbf b} = -\tfrac12 \bar{\mathbf z} \circ \boldsymbol\epsilon \circ \boldsymbol\sigma$ | [6](06_encoder.ipynb) |
# | KL (26) | $\bar{\boldsymbol\mu} = \boldsymbol\mu / \sigma_0^2,\ \bar{\mathbf b} = \tfrac12 (1 - e^{-\mathbf b})$, both times $\beta / B$ | [4](04_kl.ipynb) |
# | $-\ln p$ (28, 29) | $\bar P_{u,i} = n_u / Z_u - x_{u,i} / P_{u,i}$, times $1 / B$ | [3](03_reconstruction.ipynb) |
# | cross-entropy (34) | $\bar{\text{logits}}_i = \mathbf c_i - \hat{\mathbf c}_i$, times $w_c$ over the number of known items | [7](07_semantics.ipynb) |
#
# The factors in the last rows come from the loss: line 34 with its sign turned (we minimise;
# [7](07_semantics.ipynb) on the sign of its last term) and averaged over the $B$ users of a batch,
# with $w_c$ the `category_weight`:
#
# $$\text{loss} = - \frac1B \sum_u \sum_{i: x_{u,i} = 1} \ln p_{u,i} +
# \beta\, \frac1B \sum_u D_{\mathrm{KL},u} + w_c \cdot \text{Cross-Entropy} .$$
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
s, one_hot, e1 = np.array([0.3, -0.5, 1.1, 0.2]), np.array([1.0, 0, 0, 0]), np.array([1.0, 0, 0, 0])
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

# %%
steps = 10.0 ** np.arange(-15, 0.25, 0.25)
single = np.float32
methods = {
    "one-sided, float64": [(f(h) - f(0.0)) / h for h in steps],
    "central, float32": [(float(f(h, single)) - float(f(-h, single))) / (2 * h) for h in steps],
    "central, float64": [(f(h) - f(-h)) / (2 * h) for h in steps],
    "complex step": [f(1j * h, complex).imag / h for h in steps],
}
errors = {
    name: np.maximum(np.abs(np.array(values) - slope), 1e-17) for name, values in methods.items()
}
figure, axis = plt.subplots(figsize=(10.5, 4.6))
for place, (name, error) in enumerate(errors.items()):
    axis.loglog(steps, error, color=COLOURS[place], marker="os^D"[place], ms=4, lw=1.2, label=name)
axis.loglog(steps, steps / 2 * bend, color=INK, ls="-.", lw=1, label="h f'' / 2")
axis.loglog(steps, steps**2 / 6 * abs(third), color=INK, ls=":", label="h² |f'''| / 6")
axis.loglog(steps, 1.1e-16 * f(0.0) / steps, color=INK, ls="--", lw=1, label="ε |f| / h")
axis.axvline(gradcheck.STEP, color=GREY, lw=1)
axis.text(gradcheck.STEP * 1.2, 4, "the checker's step", color=INK, fontsize=9)
axis.set(
    xlabel="step h",
    ylabel="absolute error of the derivative",
    ylim=(5e-18, 30),
    title="too large a step: truncation; too small: rounding (an error of 0 is drawn at 1e-17)",
)
axis.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

best_step = (3 * 1.1e-16 * f(0.0) / abs(third)) ** (1 / 3)
assert gradcheck.STEP / 3 < best_step < 3 * gradcheck.STEP
at = int(np.argmin(np.abs(steps - gradcheck.STEP)))
central = errors["central, float64"]
assert central[at] < 1e-9 and central[:4].max() > 1e-3 < central[-1]
assert errors["central, float32"].min() > 1e-7, "in single precision no step is good enough"
assert errors["complex step"][: at + 1].max() < 1e-10

# %% [markdown]
# The left branch jitters because rounding is erratic; the right branches are straight because
# truncation is not. In single precision some five digits are the best that can be had, and at
# another step: **check in float64.** The complex step needs code that is complex all the way, which
# `log_likelihood` is not, so the checker uses central differences with $h = 10^{-5}$.

# %%
show(gradcheck.numerical_gradient, gradcheck.check, gradcheck.check_op, gradcheck.negative_control)

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
# 6. **Twice.** A pullback that spoils its closure is right the first time.
#
# A whole model, every coordinate:

# %%
loss = lambda **changed: model.elbo(changed, X, noise, config, BETA, targets)[0]["loss"]
worst = gradcheck.check(loss, parameters, gradients)
gradcheck.negative_control(loss, parameters, gradients)
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
    print("\n" + complaint(["m"]))
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
# *op*: an op of two arguments may return one cotangent right and the other wrong.) Here they are
# for all twelve.

# %%
names = ["m", "H", "T", "W0", "b0", "W1", "b1"]
table = {}
for letter in bugs.BUGS:
    with bugs.planted(letter):
        errors_of = verdicts()
    table[letter] = [errors_of[name] for name in names]
table = {letter: np.array(row) for letter, row in table.items()}

figure, axis = plt.subplots(figsize=(7.5, 5.6))
wrong = np.array([row > gradcheck.TOLERANCE for row in table.values()])
axis.imshow(wrong, cmap=plt.matplotlib.colors.ListedColormap(["#d6e9f5", "#f3b48a"]), aspect="auto")
for row, errors_of in enumerate(table.values()):
    for column, error in enumerate(errors_of):
        text = f"{error:.0e}" if error < 1e-6 else f"{error:.2g}"
        look = {"ha": "center", "va": "center", "fontsize": 9, "color": INK}
        look["weight"] = "bold" if wrong[row, column] else "normal"
        axis.text(column, row, text, **look)
axis.set_xticks(range(7), names)
axis.set_yticks(range(12), table)
axis.set(xlabel="parameter", ylabel="planted bug")
axis.set(title="relative error of each gradient (orange: wrong)")
axis.spines[:].set_visible(False)
plt.show()
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
with_gradient = {
    ops.mask: ["x"],
    prototypes.concept_logits: ["H", "m"],
    encoder.aggregate: ["C", "T"],
    encoder.sample: ["mu", "b"],
    encoder.kl_divergence: ["mu", "b"],
}


def guilty(letter):
    """The ops that fail their own check with the bug in place."""
    failing = []
    with bugs.planted(letter) as changed:
        for op, values in arguments.items():
            current = changed if op.__name__ == changed.__name__ else op
            try:
                gradcheck.check_op(current, values, np.random.default_rng(0), with_gradient.get(op))
            except AssertionError:
                failing.append(op.__name__)
    return failing


assert guilty("A") == ["concept_logits"]
assert sum(len(guilty(letter)) == 1 for letter in bugs.BUGS) == 9, (
    "nine of twelve are in an op; the other three need thought"
)

# %% [markdown]
# ## Exercises: find them
#
# Use the table, the graph of section 4, `guilty(letter)`, and `complaint(names)` inside
# `with bugs.planted(letter):`. Guess first, then unfold.
#
# **1.** B, C and F, J spoil everything. What tells them apart?
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
# * **K**: `guilty("K")` is `["softmax"]`, and the message of `check_op` is that the pullback
#   changed its gradient when called again. It **writes into its own closure** (`out=y`). Training
#   calls each pullback once and never notices, until someone adds a second loss.
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
# | the checker | `macrid.model.gradcheck` | `model/test_gradcheck.py::test_names_a_wrong_pullback` |
#
# Next: [9. Training](09_training.ipynb).
