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
# # 11. Control: turning one knob
#
# [← 10](10_disentanglement.ipynb) · [all notebooks](README.md) · [12 →](12_scale.ipynb) ·
# [this one, to fill in yourself](blank/11_control.ipynb). It takes some 40 CPU seconds.
#
# ![Algorithm 1 as a graph: you are here](images/11_control.svg)
#
# *After this notebook you can derive and run section 3.5 of the paper, equation (12) and its beam
# search: take an item or a shopper, turn one dimension of her representation, and retrieve items
# that change in that respect and in as little else as possible.*
#
# You need vectors, NumPy, and the story of [notebook 1](01_story.ipynb):
# $\mathbf h_i \in \mathbb R^d$ represents item $i$, $\mathbf m_k$ is the prototype of concept $k$,
# and everything is compared by its cosine over a temperature $\tau$. About 30 minutes with the
# three functions that are yours to write.

# %%
import itertools

import numpy as np
from lesson import figure_style, progress, show
from plots import control as plots

from macrid import Config, model, run_folder
from macrid.data import shop, shop_pictures
from macrid.interpret import trajectory
from macrid.model import steering
from macrid.model.ops import normalise
from macrid.training import fit

figure_style()

# %%
config = Config(**shop.OPTIONS)
made = run_folder.load_data(config)
parts, targets = run_folder.prepare(made, config)
features, _ = run_folder.item_features(made, parts.items, config)
state = fit.fit(parts, config, targets, fit.start(parts, config, features, targets))

# %%
space = trajectory.space(state.best, config)  # unit rows H (M, d) and m (K, d), in double precision
category, attributes = made.truth.category[parts.items], made.truth.attributes[parts.items]
names = made.items[parts.items]
ATTRIBUTES = made.truth.attribute_names
concept_name = [
    shop.CATEGORIES[np.bincount(category[space.concept == k]).argmax()] for k in range(config.K)
]
print("concepts:", dict(enumerate(concept_name)))
assert len(set(concept_name)) == config.K, "each concept holds another category"

# %% [markdown]
# ## 1. What it means to turn dimension $j$
#
# Let $\mathbf h_*$ be what we start from: an item's $\mathbf h_i$ or a component
# $\boldsymbol\mu_u^{(k)}$ of a shopper. All comparisons are cosines, so only its direction counts;
# take it as a unit vector. Raise its coordinate $j$ and normalise again: the vector walks along a
# half circle towards the axis of $j$. With $v$ the new coordinate and $\mathbf h_{*,-j}$ the vector
# without coordinate $j$,
#
# $$h_j(v) = v, \qquad \mathbf h_{-j}(v) = \sqrt{1 - v^2}\;
# \frac{\mathbf h_{*,-j}}{\|\mathbf h_{*,-j}\|} .$$
#
# The other coordinates keep their ratios to each other: nothing else is turned.


# %%
# your turn
def turned(h, j, v):
    """The unit vector (d,) whose coordinate j is v, and whose others have the ratios of h's."""
    others = np.delete(h, j)
    return ...  # np.insert puts a coordinate back


# %%
# solution
def turned(h, j, v):
    """The unit vector (d,) whose coordinate j is v, and whose others have the ratios of h's."""
    others = np.delete(h, j)
    others = (1 - v**2) ** 0.5 * others / np.linalg.norm(others)
    return np.insert(others, j, v)  # np.insert puts a coordinate back


# %%
start = int(np.flatnonzero(names == "shoe-010")[0])
h, j = space.H[start], 3
raised = h.copy()
raised[j] += 0.8  # before normalising
raised = normalise(raised)[0]
assert np.allclose(turned(h, j, raised[j]), raised), "the same walk"
walked = turned(h, j, 0.5)
assert np.isclose(walked @ walked, 1) and np.isclose(walked[j], 0.5)
assert np.allclose(np.delete(walked, j), np.sqrt(1 - 0.5**2) * normalise(np.delete(h, j))[0])
for v in (-0.9, 0.0, 0.3):
    assert np.allclose(turned(h, j, v), trajectory.turned(h, j, v))
show(trajectory.turned)

# %% [markdown]
# ## 2. How far? The range $(a, b)$
#
# Turn a shoe too far and it is no shoe. The paper allows those values for which the prototype $k_*$
# nearest to $\mathbf h_*$ stays the nearest. Is that an interval, so that binary search finds its
# ends? Before normalising, only $h_j$ moves, and the norm is common to all concepts. Prototype
# $k_*$ beats $l$ where
#
# $$\mathbf m_{k_*} \cdot \mathbf h - \mathbf m_l \cdot \mathbf h
# = \sum_{j' \ne j} (m_{k_*,j'} - m_{l,j'}) h_{j'} + (m_{k_*,j} - m_{l,j})\, h_j \;\ge\; 0 .$$
#
# That is linear in $h_j$: a half line for every $l$. The intersection of half lines is an interval,
# and $v$ grows with $h_j$. So yes. Predict for the figure: how many maxima can the cosine with one
# prototype have as $v$ goes from $-1$ to 1?

# %%
show(trajectory.nearest_range)
a, b, k = trajectory.nearest_range(h, j, space.m)
values = np.linspace(-0.999, 0.999, 801)
cosines = np.array([space.m @ trajectory.turned(h, j, v) for v in values])  # (801, K)
inside = (values > a) & (values < b)
assert (cosines[inside].argmax(axis=1) == k).all() and (cosines[~inside].argmax(axis=1) != k).all()
assert np.allclose(trajectory.nearest_range_plain(h, j, space.m)[:2], (a, b), atol=1.1e-3), (
    "a scan of a grid agrees"
)
plots.prototypes(values, cosines, k, (a, b), h[j], concept_name, j, names[start])

# %% [markdown]
# ## 3. Steps: subranges with as many items in each
#
# Divide $(a, b)$ into $B$ subranges (section 3.5's $B$: the number of steps, not a batch of users),
# $a = a_0 < a_1 < \dots < a_B = b$. Equal *widths* would leave most of them nearly empty. So the
# paper asks for about equally many items of concept $k_*$ in each: with $n$ such items in the
# range,
#
# $$\#\{ i : c_i = k_*,\; a_{t-1} < h_{i,j} \le a_t \} \approx \frac{n}{B}
# \qquad\text{for } t = 1, \dots, B .$$


# %%
# your turn
def edges_of(coordinate, a, b, B):
    """a = a_0 < ... < a_B = b, with about equally many of the coordinates in (a, b] between two."""
    inside = np.sort(coordinate[(coordinate > a) & (coordinate <= b)])
    return ...  # np.quantile, and mind the two ends


# %%
# solution
def edges_of(coordinate, a, b, B):
    """a = a_0 < ... < a_B = b, with about equally many of the coordinates in (a, b] between two."""
    inside = np.sort(coordinate[(coordinate > a) & (coordinate <= b)])
    between = np.quantile(inside, np.arange(1, B) / B)  # and mind the two ends
    return np.array([a, *between, b])


# %%
B = 8
members = np.flatnonzero(space.concept == k)
coordinate = space.H[members, j]
edges = trajectory.subranges(coordinate, a, b, B)
n = ((coordinate > a) & (coordinate <= b)).sum()
for ends in (edges, edges_of(coordinate, a, b, B)):
    counts = np.histogram(coordinate, ends)[0]
    assert np.isclose(ends[0], a) and np.isclose(ends[-1], b), "they begin at a and end at b"
    assert counts.sum() == n and np.abs(counts - n / B).max() <= 2, f"items in each: {counts}"
equal_widths = np.histogram(coordinate, np.linspace(a, b, B + 1))[0]
assert np.abs(equal_widths - n / B).max() > 10, "equal widths would not do"
subranges = [(coordinate > low) & (coordinate <= high) for low, high in zip(edges, edges[1:])]
counts = np.array([inside.sum() for inside in subranges])
assert np.abs(counts - n / B).max() <= 1
plots.subranges(coordinate, edges, counts, j)
show(trajectory.subranges)

# %% [markdown]
# ## 4. Equation (12): which item in each subrange?
#
# One item $i_t$ from each subrange makes coordinate $j$ rise with $t$, whatever we pick. What is
# left to choose is that *nothing else* changes. Leave coordinate $j$ out,
# $\mathbf h_{i,-j} \in \mathbb R^{d-1}$, and maximise
#
# $$\underbrace{\sum_{1 \le t \le B}
# e^{\mathrm{COSINE}(\mathbf h_{i_t,-j},\, \mathbf h_{*,-j}) / \tau}}_{\text{stay near the start}}
# \;+\; \gamma \underbrace{\sum_{1 \le t < t' \le B}
# e^{\mathrm{COSINE}(\mathbf h_{i_t,-j},\, \mathbf h_{i_{t'},-j}) / \tau}}
# _{\text{stay near each other}} . \tag{12}$$
#
# The exponential with $\tau = 0.1$ makes a near match count far more than several middling ones:
# from cosine .9 to 1 the term grows by a factor $e$. There are $B$ terms of the first kind and
# $B (B-1) / 2$ of the second, so $\gamma = 1$ already gives the pairs the larger say. (The paper
# leaves $\gamma$ open; section 8 shows when 1 is too much.) The code multiplies all by
# $e^{-1/\tau}$, which changes no order and cannot overflow.


# %%
# your turn
def objective(chosen, start, gamma, tau):
    """Equation (12): chosen (B, d - 1) and start (d - 1,), unit vectors without coordinate j."""
    near_start = ...
    near_each_other = ...
    return near_start + gamma * near_each_other


# %%
# solution
def objective(chosen, start, gamma, tau):
    """Equation (12): chosen (B, d - 1) and start (d - 1,), unit vectors without coordinate j."""
    near_start = np.exp(chosen @ start / tau).sum()
    pairs = np.triu_indices(len(chosen), 1)
    near_each_other = np.exp((chosen @ chosen.T)[pairs] / tau).sum()
    return near_start + gamma * near_each_other


# %%
without = lambda rows: normalise(np.delete(rows, j, axis=-1))[0]
groups = [without(space.H[members[inside]]) for inside in subranges]
tau, gamma = config.tau, 0.7
chosen = np.array([group[0] for group in groups])  # any choice will do for the check
near_start = sum(np.exp(row @ without(h) / tau) for row in chosen)
pairs = itertools.combinations(chosen, 2)
near_each_other = sum(np.exp(first @ second / tau) for first, second in pairs)
value = near_start + gamma * near_each_other
mine = objective(chosen, without(h), gamma, tau)
assert np.isclose(mine, value), f"{mine} and not {value}: is each pair taken once?"
assert np.isclose(trajectory.objective(chosen, without(h), gamma, tau), value * np.exp(-1 / tau))
show(trajectory.objective)
gamma = 1.0

# %% [markdown]
# ## 5. Beam search
#
# With some 30 items in each of 8 subranges there are $30^8 \approx 6 \cdot 10^{11}$ choices. But
# (12) builds up step by step. Let $F_t$ be the terms among the first $t$ items. Then
#
# $$F_t = F_{t-1} + e^{\mathrm{COSINE}(\mathbf h_{i_t,-j}, \mathbf h_{*,-j}) / \tau} +
# \gamma \sum_{s < t} e^{\mathrm{COSINE}(\mathbf h_{i_s,-j}, \mathbf h_{i_t,-j}) / \tau} .$$
#
# **Beam search** goes from subrange to subrange and keeps only the `width` partial choices with the
# largest $F_t$. Width 1 is greedy; a width that keeps all is exhaustive; between them it may miss
# the optimum, because an early item with a smaller $F_t$ may have better partners later.

# %%
show(trajectory.beam_search)
F = 0.0
for t, row in enumerate(chosen):
    F += np.exp((row @ without(h) - 1) / tau) + gamma * np.exp((chosen[:t] @ row - 1) / tau).sum()
assert np.isclose(F, trajectory.objective(chosen, without(h), gamma, tau))

# %% [markdown]
# How much does it miss? On 100 problems small enough to try every choice (4 subranges of 9 items:
# 6,561 choices), and on 60 walks as they are, against a beam a hundred times as wide. Predict: in
# how many of the hundred will greedy search, of width 1, find the best?

# %%
rng = np.random.default_rng(0)
widths = (1, 2, 5, 10, 20)


def small_problem():
    """Four subranges of nine items, and the start, both without the coordinate that turns."""
    k_of = rng.integers(config.K)
    pool = rng.choice(np.flatnonzero(space.concept == k_of), 37, replace=False)
    j_of, origin, pool = rng.integers(config.d), pool[0], pool[1:]
    pool = pool[np.argsort(space.H[pool, j_of])]
    leave_out = lambda rows: normalise(np.delete(rows, j_of, axis=-1))[0]
    groups = [leave_out(space.H[pool[9 * t : 9 * t + 9]]) for t in range(4)]
    return groups, leave_out(space.H[origin])


ratios = {width: [] for width in widths}
for _ in progress(range(100), "problems"):
    problem = small_problem()
    _, best = trajectory.exhaustive_search(*problem, gamma, tau)
    for width in widths:
        ratios[width].append(trajectory.beam_search(*problem, gamma, tau, width)[1] / best)

# %%
ratios = {width: np.array(of_width) for width, of_width in ratios.items()}
optimal = {width: (of_width > 1 - 1e-9).mean() for width, of_width in ratios.items()}
plots.beams(optimal, [of_width.min() for of_width in ratios.values()])
assert all((of_width <= 1 + 1e-9).all() for of_width in ratios.values()), (
    "never better than every choice"
)
assert optimal[20] > 0.7 > 0.5 > optimal[1]

# %%
reached, near = [], []  # of a wide beam's value: what width 20 reaches, and the first term's share
for k_of, j_of in progress(list(itertools.product(range(config.K), range(config.d))), "walks"):
    origin = space.H[np.flatnonzero(space.concept == k_of)[7]]
    walk = lambda width: trajectory.trajectory(space, origin, j_of, B, width=width)
    leave_out = lambda rows: normalise(np.delete(rows, j_of, axis=-1))[0]
    wide, usual = walk(2000), walk(20)
    rest = leave_out(space.H[wide.items])
    reached.append(usual.score / wide.score)
    near.append(trajectory.objective(rest, leave_out(origin), 0.0, tau) / wide.score)
reached, near = np.array(reached), np.array(near)
print(
    f"{len(reached)} walks, of the value of width 2,000 width 20 reaches {reached.mean():.2f}",
    end="",
)
print(f" on average, {reached.min():.2f} at worst, all in {(reached > 1 - 1e-9).mean():.0%}")
print(f"the first term's share of the value: {near.mean():.2f} on average")
assert 0.8 < reached.mean() < 1.01 and near.mean() < 0.4

# %% [markdown]
# Greedy finds the optimum in a fifth of the small problems and can be far below it. The default
# width of 20 finds it in nine of ten, and where it misses it a fifth of the value may be lost. On
# walks as they are, with eight subranges of some thirty items, it reaches all that a far wider beam
# does in about half of them, and nearly all of the value on average: for a list of recommendations
# that will do; for measurements take a wider one.
#
# ## 6. Which knob does what?
#
# A dimension has no name. On the shop we know the truth, so we can ask: start from 20 items of a
# concept, turn dimension $j$, and correlate (by ranks) the step with each true attribute of what is
# retrieved. The best of many is partly luck, so choose on ten of the starts and measure on the
# other ten.

# %%
show(trajectory.trajectory)
some_of = lambda k: np.random.default_rng(k).permutation(np.flatnonzero(space.concept == k))[:20]
starts = {k: some_of(k) for k in range(config.K)}
walked = lambda i, j: trajectory.trajectory(space, space.H[i], j, B).items
of_concept = lambda k: [[walked(i, j) for i in starts[k]] for j in range(config.d)]
# (K, d, 20, B): items
retrieved = np.array([of_concept(k) for k in progress(range(config.K), "concepts")])


# %%
def choose_and_measure(table):
    """The mean rank correlations (K, d, 5) on the first ten starts, the dimension (K, 5) where each
    is largest, and the correlation that it has on the other ten.
    """
    of_walk = [trajectory.step_correlation(table[items]) for items in retrieved.reshape(-1, B)]
    by_start = np.reshape(of_walk, (config.K, config.d, 20, 5))
    rho, fresh = by_start[:, :, :10].mean(axis=2), by_start[:, :, 10:].mean(axis=2)
    best = np.abs(rho).argmax(axis=1)
    of_best = lambda values: np.take_along_axis(values, best[:, None], axis=1)[:, 0]
    # positive: it moves as it did on the first ten
    return rho, best, np.sign(of_best(rho)) * of_best(fresh)


rho, best, signed = choose_and_measure(attributes)
# the control: attributes of other items
_, _, luck = choose_and_measure(np.random.default_rng(0).permutation(attributes))

plots.knobs(rho[k], concept_name[k], ATTRIBUTES, {"true attributes": signed, "shuffled": luck})

# %%
print("30 pairs of concept and attribute, the chosen knob on fresh starts:")
print(f"median correlation {np.median(signed):.2f} (least {signed.min():.2f}),", end=" ")
print(f"shuffled control {np.median(luck):.2f} (most {luck.max():.2f})")
assert np.median(signed) > 0.5 > np.median(luck) + 0.1 and (signed > 0).mean() > 0.8

# %% [markdown]
# So for most attributes some dimension of the concept moves it, reliably. (The control chooses a
# knob for shuffled attributes in the same way. It is not zero: starts of one concept retrieve many
# of the same items, so some luck carries over to fresh ones.) Look at the rows of the left panel
# though: most attributes are moved by *several* dimensions, and most dimensions move several
# attributes. Good knobs are not yet disentanglement; [notebook 10](10_disentanglement.ipynb)
# measures that.
#
# ## 7. Strips

# %%
drawing = lambda i: shop_pictures.draw(shop.CATEGORIES[category[i]], attributes[i])
picture = lambda i: np.asarray(drawing(i).resize((72, 72)))


strips = lambda rows, title: plots.strips(rows, title, picture, B)
rows = []
for t in range(5):
    k_of = int(np.abs(signed[:, t]).argmax())
    j_of, origin = best[k_of, t], starts[k_of][12]
    items = trajectory.trajectory(space, space.H[origin], j_of, B).items
    assert (np.diff(space.H[items, j_of]) > 0).all(), "coordinate j rises at every step"
    items = items if rho[k_of, j_of, t] > 0 else items[::-1]
    moved = trajectory.step_correlation(attributes[items])[t]
    label = f"{ATTRIBUTES[t]}\n({concept_name[k_of]}, dim. {j_of},\nρ = {moved:+.2f})"
    rows.append((label, origin, items))
strips(rows, "one knob turned, low to high in the attribute that it was chosen for")

# %%
from lesson import touch

touch("11_knob")

# %% [markdown]
# For each attribute the best of the six concepts is shown, from a fresh start; ρ is the rank
# correlation of the step with the true attribute. Hue is a circle cut open at red, so its low and
# high ends look alike: from red through green and blue to violet. That is the shop's doing, and
# hard for any one dimension.
#
# **What does (12) add to "one item from each subrange"?** Compare three ways to choose within the
# subranges, by how alike the retrieved items are in all other dimensions:


# %%
def three_ways(origin, j_of):
    """How alike the items of a walk are, chosen at random, without pairs, and by (12)."""
    path = trajectory.trajectory(space, space.H[origin], j_of, B)
    no_pairs = trajectory.trajectory(space, space.H[origin], j_of, B, gamma=0.0)
    pool = np.flatnonzero(space.concept == path.concept)
    at, ends = space.H[pool, j_of], zip(path.edges, path.edges[1:])
    anyone = [rng.choice(pool[(at > low) & (at <= high)]) for low, high in ends]
    cosines_of = []
    for items in (anyone, no_pairs.items, path.items):
        rest = normalise(np.delete(space.H[items], j_of, axis=-1))[0]
        cosines_of.append((rest @ rest.T)[np.triu_indices(len(items), 1)].mean())
    return cosines_of


# %%
# the walks from one start are averaged: they are not independent
origins = [origin for k_of in range(config.K) for origin in starts[k_of]]
by_start = [
    np.mean([three_ways(origin, j_of) for j_of in range(0, config.d, 3)], axis=0)
    for origin in progress(origins, "starts")
]
alike = dict(zip(("any item", "γ = 0", "γ = 1"), np.transpose(by_start)))
plots.likeness(alike)

# %%
means = [cosines_of.mean() for cosines_of in alike.values()]
difference = alike["γ = 1"] - alike["γ = 0"]
# starts of one concept share items: only concepts are independent
by_concept = difference.reshape(config.K, -1).mean(axis=1)
error = by_concept.std(ddof=1) / config.K**0.5
print(f"γ = 1 minus γ = 0: {difference.mean():.3f} ± {error:.3f} (standard error over", end=" ")
print(f"{config.K} concepts, {by_concept.min():.3f} to {by_concept.max():.3f})")
assert means[1] > means[0] + 0.1 and difference.mean() > 0

# %% [markdown]
# The first term of (12) does most of the work: items near the start are near one another. The
# second, though most of the *value*, adds a little.
#
# ## 8. A shopper's own knob
#
# $\mathbf h_*$ may be a shopper: component $k$ of her representation, $\boldsymbol\mu_u^{(k)}$. It
# lives in the same space, since the decoder compares it with $\mathbf h_i$ coordinate by
# coordinate. Turn her knob for lightness and she should browse from dark to light, otherwise near
# *her* taste. Does she? Take 50 test shoppers, the concept that each took most of, its knobs for
# all five attributes, and three values of $\gamma$. (A walk begins at the nearest prototype. So
# they are shoppers whose component is nearest to the prototype of that concept, as nearly all are.)

# %%
LIGHTNESS = 1


def strongest(u):
    """Test shopper u's strongest concept k, and component k of her representation."""
    X = parts.test.fold_in[[u]]
    k = int(np.bincount(space.concept[X.indices], minlength=config.K).argmax())
    return k, trajectory.component(state.best, X, k, config)


def browse(u, gamma, t=LIGHTNESS):
    """Items from low to high in attribute t, and ρ; their mean cosine with test shopper u's
    component, and that of all items of the concept (both without dimension j).
    """
    k, mu = strongest(u)
    j = best[k, t]
    items = trajectory.trajectory(space, mu, j, B, gamma).items
    items = items if rho[k, j, t] > 0 else items[::-1]
    near = normalise(np.delete(space.H, j, axis=1))[0] @ normalise(np.delete(mu, j))[0]
    moved = trajectory.step_correlation(attributes[items])[t]
    return items, moved, near[items].mean(), near[space.concept == k].mean()


# %%
everyone = {u: strongest(u) for u in range(len(parts.test.users))}
assert all(np.isclose(np.linalg.norm(mu), 1, atol=1e-5) for _, mu in everyone.values())
at_home = [u for u, (k, mu) in everyone.items() if (space.m @ mu).argmax() == k]
print(f"{len(at_home)} of {len(everyone)} shoppers' components are nearest to their own prototype")
people = at_home[:50]

# %%
close = {}
for gamma_of in progress((0.0, 0.1, 1.0), "γ"):
    walks = [[browse(u, gamma_of, t)[1:] for t in range(5)] for u in people]
    moved, near, anywhere = np.mean(walks, axis=1).T  # (50,) each: a figure per shopper
    close[gamma_of] = near - anywhere
    error = close[gamma_of].std(ddof=1) / 50**0.5
    print(f"γ = {gamma_of:<3g} cosine with her {near.mean():.2f}, of the whole concept", end=" ")
    print(
        f"{anywhere.mean():.2f}, difference {close[gamma_of].mean():+.3f} ± {error:.3f};", end=" "
    )
    print(f"ρ {moved.mean():+.2f}")
assert close[0.0].mean() > close[1.0].mean() and close[0.1].mean() > close[1.0].mean() + 0.05

# %% [markdown]
# With $\gamma = 1$ not much: a fifth of what is possible. Her component is a mixed taste: the
# items that are best for her lie at a cosine of .74, while items among themselves can be had at
# nearly .9 (section 7). So a pair counts some $e^{(.9 - .74) / \tau} \approx 5$ times a term of
# hers, there are 28 pairs to 8 such terms, and the walk goes to where items lie dense. With
# $\gamma = .1$ she is heard, and the knob still works. So for shoppers take a small $\gamma$. The
# first of these shoppers who mostly took bags, the first of mugs and the first of shoes (single
# walks are less regular than their mean):

# %%
rows = []
for k_of in (0, 4, 5):
    u = next(u for u in at_home if everyone[u][0] == k_of)
    items, moved, _, _ = browse(u, 0.1)
    rows.append((f"test shopper {u},\n{concept_name[k_of]} (ρ = {moved:+.2f})", None, items))
strips(rows, "three shoppers, the knob for lightness: dark to light")

# %% [markdown]
# ## 9. A coarser knob: more of a whole concept
#
# "Three times as much of the mugs, please." Which change of her list does that? Weights inside the
# sum of (7), $\sum_k f_k c_{i,k} E_{u,i,k}$, look natural and saturate: with the softmax of (6)
# every item has a little of every concept, so however large $f_k$ grows, what she likes best stays
# ahead by its $E_{u,i,k}$; and what else is added to the logits, such as
# [the linear path](../docs/linear.md), is not touched. So ask for the distribution
# $q$ over items that is nearest to hers, $p_u$, and has more of concept $k$. Write $k(i)$ for the
# item's largest concept:
#
# $$\min_q \sum_i q_i \ln \frac{q_i}{p_{u,i}} \quad\text{with}\quad \sum_{i:\, k(i) = k} q_i = s
# \qquad\Longrightarrow\qquad q_i \propto p_{u,i}\; e^{\delta\, [k(i) = k]} .$$
#
# (A Lagrange multiplier $\delta$ for the share, one for the sum.) The order inside the concept
# stays hers, and the odds $s / (1 - s)$ of *one draw* from $q$ are $e^\delta$ times what they were.
# A list is no draw, but the ten best: so the scale is measured. With $\delta = \kappa \ln f$,
# $\kappa$ is such that a factor of 3 multiplies the odds of a concept *in the ten best* by 3, on
# average over the concepts. $f \to \infty$ gives her best mugs and nothing else, $f = 0$ none.

# %%
show(steering.offsets)
prepared, shoppers = model.prepare(state.best, config), parts.test.fold_in
kappa = steering.kappa(state.best, shoppers, config, prepared)
of_concept = prepared.C.argmax(axis=1)
log_P = model.log_predict(state.best, shoppers, config).astype(float)


# %%
def share(k, offset):
    """Concept k's share of the shoppers' ten best, `offset` (M,) or (B, M) added to ln P."""
    scores = np.where(shoppers.toarray() > 0, -np.inf, log_P + offset)
    return (of_concept[np.argsort(-scores, axis=1)[:, :10]] == k).mean()


def inside(k, f):
    """What weights inside the sum of (7) add to ln P: ln of (1 + (f - 1) concept k's part of P)."""
    mu, _ = model.represent(state.best, shoppers, config)
    part = prepared.C[:, k] * np.exp(mu[:, k] @ prepared.H.T / config.tau - log_P)
    return np.log(1 + (f - 1) * part)


# %%
factors = np.array([0.01, 0.1, 0.3, 1, 3, 10, 30, 100, 1e3, 1e4])
ours = np.zeros((config.K, len(factors)))
weights = np.zeros((config.K, len(factors)))
for k_of in range(config.K):
    for place, f in enumerate(factors):
        by_concept = np.where(np.arange(config.K) == k_of, f, 1.0)
        ours[k_of, place] = share(k_of, steering.offsets(prepared.C, by_concept, kappa))
        weights[k_of, place] = share(k_of, inside(k_of, f))

# %%
at = {f: place for place, f in enumerate(factors.tolist())}
one, three = ours[:, at[1]].mean(), ours[:, at[3]].mean()
print(
    f"kappa {kappa:.2f}: at 3, a share of {three:.2f} where it was {one:.2f};"
    f" 3 times the odds are {3 * one / (1 + 2 * one):.2f}"
)
plots.factors(factors, ours, weights, concept_name)
assert (np.diff(ours, axis=1) >= 0).all() and (ours[:, -1] == 1).all()
assert 1.5 < three / one < 3 and (ours[:, at[1e3]] > 0.9).all()
assert (weights[:, -1] < ours[:, -1]).all(), "weights saturate"
zero = steering.offsets(prepared.C, np.r_[0.0, np.ones(config.K - 1)], kappa)
assert share(0, zero) == 0, "0 leaves the concept out"

# %% [markdown]
# Does it serve someone who *wants* the concept? [docs/control.md](../docs/control.md) measures it,
# against items dealt to concepts at random. `model.recommend(user, concepts={k: 3})` of a
# `Recommender` and `macrid.recommend --concept k=3` go by this rule.
#
# ## 10. Your turn
#
# In a live notebook the next cell gives you the knobs. In a browser that only shows this page you
# see what it shows first.


# %%
def look(concept=0, dimension=0, start=0):
    """Turn a dimension of a concept, from one of its first ten items."""
    origin = np.flatnonzero(space.concept == concept)[start]
    path = trajectory.trajectory(space, space.H[origin], dimension, B)
    moved = trajectory.step_correlation(attributes[path.items])
    title = ",  ".join(f"{name} {value:+.1f}" for name, value in zip(ATTRIBUTES, moved))
    strips([(names[origin], origin, path.items)], title)


look(concept=4, dimension=int(best[4, 2]))

# %%
try:
    from ipywidgets import IntSlider, interact

    concepts = [(name, k) for k, name in enumerate(concept_name)]
    dimensions, origins = IntSlider(0, 0, config.d - 1), IntSlider(0, 0, 9)
    interact(look, concept=concepts, dimension=dimensions, start=origins)
except ImportError:
    print("look(concept, dimension, start) draws a walk; pip install ipywidgets to have knobs here")

# %% [markdown]
# ## Exercises
#
# **1.** With $\gamma = 0$, is greedy search (width 1) optimal?
#
# <details><summary>Solution</summary>
#
# Yes. Without pairs (12) is a sum with one term for each subrange, so the best item of each can be
# chosen on its own: `trajectory.beam_search(groups, without(h), 0.0, tau, width=1)[1]` is the
# optimum
# (`interpret/test_trajectory.py::test_a_wide_beam_is_exhaustive_and_a_narrow_one_no_better`).
#
# </details>
#
# **2.** A range may end because $v$ reaches 1 and not because another prototype takes over. When
# does $k_*$ stay the nearest all the way to $v = 1$?
#
# <details><summary>Solution</summary>
#
# At $v = 1$ the vector is the axis $\mathbf e_j$, and $\mathbf m_l \cdot \mathbf e_j = m_{l,j}$. So
# exactly if $m_{k_*,j}$ is the largest of all $m_{l,j}$; and down to $v = -1$ if it is the
# smallest. So, for each $j$, one concept has no upper end, $d$ of the $K d$ pairs:
# `(space.m.argmax(axis=0)[:, None] == np.arange(config.K)).sum()` is $d = 10$.
#
# </details>
#
# **3.** Why leave coordinate $j$ out of the cosines? Try (12) with it.
#
# <details><summary>Solution</summary>
#
# With $j$ in, an item far along $j$ is punished for being far along $j$, in the very subrange that
# demands it, and pairs of distant subranges count for less. But within one subrange $h_{i,j}$
# varies little, so the *order* of its items changes little. It hardly matters:
#
# ```python
# def with_j(i, j):
#     path = trajectory.trajectory(space, space.H[i], j, B)
#     pool = np.flatnonzero(space.concept == path.concept)
#     at = space.H[pool, j]
#     ends = zip(path.edges[:-1], path.edges[1:])
#     inside = [pool[(at > low) & (at <= high)] for low, high in ends]
#     places, _ = trajectory.beam_search([space.H[group] for group in inside], space.H[i], 1.0, tau)
#     return np.array([group[place] for group, place in zip(inside, places)])
# ```
#
# The mean cosine of two retrieved items without $j$, over the walks of section 7, is .857 with
# these items and .864 with those of (12).
#
# </details>
#
# | what | function | test |
# |---|---|---|
# | the range $(a, b)$ | `macrid.interpret.trajectory.nearest_range` | `interpret/test_trajectory.py::test_binary_search_finds_the_range_that_a_scan_finds` |
# | subranges | `macrid.interpret.trajectory.subranges` | `interpret/test_trajectory.py::test_subranges_by_hand` |
# | (12) | `macrid.interpret.trajectory.objective` | `interpret/test_trajectory.py::test_the_objective_is_equation_12` |
# | beam search | `macrid.interpret.trajectory.beam_search` | `interpret/test_trajectory.py::test_a_wide_beam_is_exhaustive_and_a_narrow_one_no_better` |
# | a factor on a concept | `macrid.model.steering.offsets`, `kappa` | `model/test_steering.py::test_three_multiplies_the_odds_in_the_ten_best_by_three` |
# | all together | `macrid.interpret.trajectory.trajectory`; `python -m macrid.control` on your own data | `interpret/test_trajectory.py::test_a_walk_rises_stays_in_its_concept_and_in_its_range` |
#
# Next: [12. Scale](12_scale.ipynb).
