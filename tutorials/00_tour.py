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
# # 0. A tour
#
# *After this notebook you know what SEM-MacridVAE is for: it recommends, it says why, and it lets a
# shopper turn one aspect of what she is shown.*
#
# You need Python and NumPy, no mathematics yet. About 10 minutes. Pictures first; the twelve
# notebooks that follow take each of them apart.

# %%
import matplotlib.pyplot as plt
import numpy as np
from lesson import COLOURS, INK, figure_style

from macrid import Recommender
from macrid.baselines import Popularity
from macrid.data import shop, shop_pictures, splits
from macrid.evaluation import metrics
from macrid.interpret import macro, trajectory

figure_style()

# %% [markdown]
# ## The shop
#
# `macrid` brings a shop of its own: 2,000 shoppers, 1,500 products, and a drawing of each product.
# The shop is made, not crawled, for one reason: we know the truth behind it. Every product has a
# category and five attributes; every shopper has one to three *intentions* (categories that she
# comes for) and a *taste* inside each (the attributes that she likes). The model sees none of that.
# It sees who took what.

# %%
made = shop.make()
truth = made.truth
N, M = made.X.shape
number = {name: i for i, name in enumerate(made.items)}  # a product's id -> its number


def picture(name):
    """The drawing of a product."""
    i = number[name]
    drawing = shop_pictures.draw(shop.CATEGORIES[truth.category[i]], truth.attributes[i])
    return np.asarray(drawing.resize((72, 72)))


def rows_of_pictures(rows, width, title, size=0.78):
    """Draw rows of products: a list of (label, ids)."""
    inches = (2.0 + size * width, 0.45 + size * 1.05 * len(rows))
    figure, axes = plt.subplots(len(rows), width, figsize=inches, squeeze=False)
    for line, (label, names) in zip(axes, rows):
        for axis in line:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        for axis, name in zip(line, names):
            axis.imshow(picture(name))
        line[0].set_ylabel(label, rotation=0, ha="right", va="center", color=INK)
    figure.suptitle(title, fontsize=11, color=INK)
    return figure, axes


by_category = [
    (kind, made.items[truth.category == g][:12]) for g, kind in enumerate(shop.CATEGORIES)
]
rows_of_pictures(by_category, 12, "Twelve products of each category")
plt.show()

# %% [markdown]
# Here are three shoppers and what they took. Read the labels as an answer key that the model never
# gets.

# %%
intentions = (truth.intentions > 0).sum(axis=1)
people = [int(np.flatnonzero(intentions == n)[0]) for n in (1, 2, 3)]
taken = {u: made.items[made.X.indices[made.X.indptr[u] : made.X.indptr[u + 1]]] for u in people}


def answer(u):
    """A shopper's name and true intentions."""
    shares = zip(shop.CATEGORIES, truth.intentions[u])
    return "\n".join([made.users[u], *(f"{kind} {share:.0%}" for kind, share in shares if share)])


rows = [(answer(u), taken[u][:12]) for u in people]
rows_of_pictures(rows, 12, "What three shoppers took (the first twelve)")
plt.show()

print(
    f"{N:,} shoppers, {M:,} products, {made.X.nnz:,} adoptions: {made.X.nnz / (N * M):.1%} of the"
    " table is filled"
)
assert made.X.nnz < 0.02 * N * M, "the data is sparse: that is what makes the task hard"

# %% [markdown]
# Two kinds of regularity are in each row. *What* she came for, the **macro** level. And *how* she
# likes it, the **micro** level: within a category a row's products are not any products. The odd
# one out (the shoe among bags and mugs) is a gift, bought for someone else. Disentangling means to
# pull the two levels apart, and the micro level into separate dimensions.
#
# ## Training
#
# One object, by outside ids. `K = 6` concepts, each with a representation of `d = 10` numbers; the
# other options are the shop's own (`data.shop.OPTIONS`), but for the start, which here needs no
# pictures. A tenth of the shoppers is held out to stop training, another tenth to test.

# %%
options = {**shop.OPTIONS, "start": "adoptions", "alexnet": ""}
model = Recommender(**options).fit(made)

# the same split that fit used
parts = splits.split(made, model.config.split, model.config.split_seed)
popular = metrics.summary(metrics.evaluate(Popularity.fit(parts.train).scores, parts.test))
for name in ("ndcg@100", "recall@20"):
    ours, base = model.figures[name], popular[name]
    print(
        f"{name:10s} macrid {ours['mean']:.3f} ± {ours['stderr']:.3f}    most popular first"
        f" {base['mean']:.3f} ± {base['stderr']:.3f}    ({ours['users']} test shoppers)"
    )
    assert ours["mean"] - 4 * ours["stderr"] > base["mean"], (
        "better than recommending what everybody takes, and not by luck"
    )

# %% [markdown]
# A part of each test shopper's products was hidden from the model. NDCG@100 asks how high they
# stand in her list of 100, recall@20 how many of them are among her first 20; 1 is perfect. The ±
# is one standard error over the shoppers ([notebook 9](09_training.ipynb) says more of all three).
#
# ## A recommendation
#
# Eight products for each of our three shoppers, none of which they have.

# %%
suggested, scores = model.recommend([made.users[u] for u in people], n=8)
rows = []
for u, names in zip(people, suggested):
    rows += [(f"{made.users[u]}\ntook", taken[u][:8]), ("is shown", names)]
rows_of_pictures(rows, 8, "Her products, and what the model recommends")
plt.show()

assert not any(set(names) & set(taken[u]) for u, names in zip(people, suggested))
everyone, _ = model.recommend(made.users.tolist(), n=8)  # (N, 8)
kind = truth.category[np.vectorize(number.get)(everyone)]
right = (np.take_along_axis(truth.intentions, kind, axis=1) > 0).sum(axis=1)
print(
    f"of 8 recommended products, {right.mean():.1f} are of a category that the shopper really comes"
    f" for (mean over all {N:,}; by chance {8 * (truth.intentions > 0).mean():.1f})"
)
print(f"the worst tenth of the shoppers: {np.quantile(right, 0.1):.0f} of 8 or fewer")
assert right.mean() > 6

# %% [markdown]
# A stranger works too: give her items instead of an id. Three mugs and a lamp, and the model has an
# opinion.

# %%
history = ["mug-003", "mug-014", "mug-020", "lamp-005"]
names, _ = model.recommend([history], n=8)
rows = [("a stranger's\nhistory", history), ("is shown", names[0])]
rows_of_pictures(rows, 8, "Someone the model has never seen")
plt.show()
fitting = sum(name.split("-")[0] in ("mug", "lamp") for name in names[0])
assert fitting > 8 * 2 / 6, "more than by chance: two of six categories"

# %% [markdown]
# ## Why this one?
#
# `explain` takes a product apart in two ways: which concept its score comes from, and which of her
# products speak for it: by how much the logarithm of its probability, ln p, falls when that one is
# taken from her history.

# %%
shopper, product = made.users[people[1]], str(suggested[1][0])
why = model.explain(shopper, product)
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), width_ratios=(1, 2))
axes[0].bar(np.arange(6), why.concepts, color=COLOURS[:6])
axes[0].set(
    xlabel="concept $k$",
    xticks=range(6),
    ylabel="share of the score",
    ylim=(0, 1),
    title=f"{product} for {shopper}",
)
shown = 5
axes[1].barh(np.arange(shown)[::-1], why.effects[:shown], color=COLOURS[0])
axes[1].set_yticks(np.arange(shown)[::-1], why.items[:shown])
axes[1].set(
    xlabel="how much ln p falls without it, nats", title="her products that speak most for it"
)
plt.show()
assert np.isclose(why.concepts.sum(), 1) and (np.diff(why.effects) <= 0).all()

# %% [markdown]
# ## A concept
#
# The model has sorted the products into six concepts. It was taught their names here (the options
# have `category_weight = 2`); [notebook 10](10_disentanglement.ipynb) shows how well it does
# without. These are the most typical products of each concept, and how its products spread over the
# true categories.

# %%
C = model.concepts  # (M, K): how strongly product i belongs to concept k; rows sum to one
category = truth.category[[number[name] for name in model.items]]
known = np.asarray(model.histories.sum(axis=0)).ravel()
table = macro.confusion(C.argmax(axis=1), category)
rows = []
for k in range(6):
    typical = np.lexsort((-known, -np.round(C[:, k], 2)))[:10]
    size, most = table[k].sum(), table[k].argmax()
    label = f"concept {k}: {size}\n{table[k].max() / size:.0%} {shop.CATEGORIES[most]}"
    rows.append((label, model.items[typical]))
rows_of_pictures(rows, 10, "The six concepts: their number of products, and their ten most typical")
plt.show()

accuracy = macro.concept_scores(C, category)["accuracy"]
print(f"{accuracy:.1%} of the products lie in the concept of their category")
assert np.allclose(C.sum(axis=1), 1, atol=1e-5) and accuracy > 0.95

# %% [markdown]
# Since the taste is kept concept by concept, you can ask for more of one: `concepts={k: 20}`
# multiplies concept k's part of every score by twenty.

# %%
person = made.users[people[2]]
# the third strongest of her concepts
k = int(np.argsort((model.histories[[people[2]]] @ C)[0])[-3])
before, _ = model.recommend(person, n=10)
after, _ = model.recommend(person, n=10, concepts={k: 20})
rows = [("as she is", before), (f"concept {k}\ntimes 20", after)]
rows_of_pictures(rows, 10, f"{person}, and {person} in the mood for concept {k}")
plt.show()
in_concept = lambda names: sum(C[model.items.tolist().index(name)].argmax() == k for name in names)
print(f"products of concept {k} among ten: {in_concept(before)} before, {in_concept(after)} after")
assert in_concept(after) > in_concept(before)

# %% [markdown]
# ## A knob
#
# Inside a concept each product is ten numbers. If they are disentangled, one of them may stand for
# lightness, another for hue. Pick the dimension that goes with lightness among the chairs, start
# from a chair, turn that one number from its low to its high end, and retrieve a product at each
# step that otherwise stays as near to the start as possible. That is section 3.5 of the paper;
# [notebook 11](11_control.ipynb) is about how.

# %%
space = trajectory.space(model.parameters, model.config)
attributes = truth.attributes[[number[name] for name in model.items]]
chairs = int(np.bincount(space.concept[category == 1]).argmax())
ranked = trajectory.rank_dimensions(space, chairs, attributes=attributes)
LIGHTNESS = 1
knob = max(ranked, key=lambda row: abs(row["rho"][LIGHTNESS]))
j, rising = knob["dimension"], knob["rho"][LIGHTNESS] > 0
starts = np.flatnonzero(space.concept == chairs)[[0, 7, 11]]
rows = []
for i in starts:
    items = trajectory.trajectory(space, space.H[i], j, 8).items
    rows.append((f"from {model.items[i]}", model.items[items if rising else items[::-1]]))
rows_of_pictures(rows, 8, f"Turning dimension {j} of concept {chairs}: dark to light")
plt.show()

step_and_lightness = abs(knob["rho"][LIGHTNESS])
print(f"rank correlation of step and true lightness, mean over 20 starts: {step_and_lightness:.2f}")
signed = knob["rho"] if rising else -np.asarray(knob["rho"])
by_attribute = zip((*shop.SHARED, "detail"), signed)
print("of step and each attribute:", ", ".join(f"{name} {rho:+.2f}" for name, rho in by_attribute))

by_luck, rng, members = [], np.random.default_rng(0), np.flatnonzero(space.concept == chairs)
# we took the best of ten dimensions: how good is the best of ten if lightness is dealt out at
# random among the chairs?
for _ in range(5):
    dealt = attributes.copy()
    dealt[members, LIGHTNESS] = rng.permutation(dealt[members, LIGHTNESS])
    at_random = trajectory.rank_dimensions(space, chairs, attributes=dealt)
    by_luck.append(max(abs(row["rho"][LIGHTNESS]) for row in at_random))
print("the best of ten dimensions by luck, five times:", *(f"{value:.2f}" for value in by_luck))
assert step_and_lightness > max(by_luck), "nobody told the model what lightness is"

# %% [markdown]
# Not perfect: the rows are not even, and the same dimension moves hue and the other attributes too.
# Nor does every dimension mean something to a human; the paper says so as well. But it is more than
# luck, and nobody told the model that lightness exists. It saw who took what. (The truth served
# only to find the dimension.)
#
# ## Where to go from here
#
# | you want to know | notebook |
# |---|---|
# | what story the model tells about shoppers, and the terms of its objective | [1](01_story.ipynb) to [4](04_kl.ipynb) |
# | how concepts and tastes are found | [5](05_prototypes.ipynb), [6](06_encoder.ipynb), [7](07_semantics.ipynb) |
# | how it learns, with every gradient by hand | [8](08_backpropagation.ipynb), [9](09_training.ipynb) |
# | whether it means anything | [10](10_disentanglement.ipynb) |
# | how to turn a knob, and how to make it large | [11](11_control.ipynb), [12](12_scale.ipynb) |
#
# ## Exercises
#
# **1.** A shopper's history is a single gift, say `guitar-010`. What does the model recommend, and
# why is that reasonable? Then give it the guitar and ten mugs.
#
# <details><summary>Solution</summary>
#
# `model.recommend([["guitar-010"]], n=8)` gives five guitars, two mugs and a chair: one adoption is
# all that the model knows, most adoptions are no gifts, but it is not sure. With the guitar and the
# mugs `mug-000` to `mug-009`, seven of eight are mugs. (The last digits of training differ between
# machines, so you may count one more or less.) Each concept has a taste of its own; how *much* of a
# list a concept gets is decided by all products together, which share one probability of 1
# ([notebook 1](01_story.ipynb), exercise 2).
#
# </details>
#
# **2.** Take an explanation apart: which of her products speaks *against* the recommended one, and
# can you see why?
#
# <details><summary>Solution</summary>
#
# `why.items[-1], why.effects[-1]`: negative effects come last. Here a mug speaks most against the
# bag (-0.11): a product of another concept takes a part of her list. Then come three bags (-0.06 to
# -0.07) that are darker than the recommended one and have smaller handles. Look at them:
# `rows_of_pictures([("against", why.items[-8:])], 8, "")`, and compare
# `truth.attributes[[number[name] for name in why.items[-4:]]]` with
# `truth.attributes[number[product]]`.
#
# </details>
#
# **3.** Turn `size` (attribute 2) instead of lightness, in the concept of the shoes.
#
# <details><summary>Solution</summary>
#
# Replace `category == 1` by `category == 5` and `LIGHTNESS` by 2. The best dimension has a mean
# rank correlation of about .8 (negative: its low end is large), but several others have .4 and
# more: size is spread over them, and each of them moves something else too. Print `row["rho"]` for
# all dimensions. A dimension that follows size in one concept need not do so in another: concepts
# share the network that reads a history ([notebook 6](06_encoder.ipynb)), not the meaning of
# dimensions.
#
# </details>
#
# | what you saw | function | test |
# |---|---|---|
# | train, recommend, explain | `macrid.Recommender` | `test_recommender.py::test_an_explanation_adds_up` |
# | concepts against categories | `macrid.interpret.macro.concept_scores` | `interpret/test_macro.py::test_random_concepts_score_near_nothing` |
# | a knob turned | `macrid.interpret.trajectory.trajectory` | `interpret/test_trajectory.py::test_a_walk_rises_stays_in_its_concept_and_in_its_range` |
#
# Next: [1. The story that makes the data](01_story.ipynb).
