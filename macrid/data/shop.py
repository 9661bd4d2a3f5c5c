r"""The embedded shop: a made catalogue and its shoppers, whose intentions and tastes are known.

The generative story, with all random numbers uniform on [0, 1) unless said otherwise:

1. An item i has a category g_i, attributes a_i in [0,1]^J (hue, lightness, size, pattern, and one
  detail that only its
   category has), and a popularity  w_i = 1 / (rank of i in its category + POPULARITY_OFFSET):
                                    Zipf's law, flattened at
   the top.
2. A user u has one to three intentions: categories k with shares pi_uk that sum to one. Inside an
  intention she has an
   ideal t_uk in [0,1]^J and weights v_uk in [0,1]^J, one for each attribute: how much she minds it.
3. On each visit she has an intention k ~ pi_u. The shop shows a shelf of S items of category k,
  drawn with
   probabilities in proportion to w. She takes the one that she likes best,

       argmax_{i on the shelf}   -taste * sum_j v_ukj (a_ij - t_ukj)^2 + e_i,

   with e_i the centred sum of three uniforms (nearly normal: a probit choice). With probability
   `noise` the visit has nothing to do with her: a gift, of a category drawn at random, that she
   takes from the shelf by e alone.
4. She visits until she has n_u different items, n_u = fewest + (most - fewest) r^3 with r uniform:
  many light users and
   few heavy ones. After 2 * most visits she stops with what she has.

Only sums, products, divisions and comparisons in fixed order are used, on the raw 64-bit stream of
PCG64, which NumPy guarantees: the same seed gives the same shop on every machine.
"""

from dataclasses import replace

import numpy as np

from macrid.data import shop_pictures
from macrid.data.adoptions import Interactions, Truth, csr_of_rows, with_categories
from macrid.errors import UserError

CATEGORIES = tuple(shop_pictures.SHAPES)
SHARED = ("hue", "lightness", "size", "pattern")
DETAIL = {
    "bag": "handle",
    "chair": "back",
    "guitar": "waist",
    "lamp": "shade",
    "mug": "slimness",
    "shoe": "heel",
}
POPULARITY_OFFSET = 5
# the configuration that suits the shop: what `python -m macrid.train` without arguments uses
OPTIONS = {
    "K": 6,
    "d": 10,
    "sigma0": 0.4,
    "gumbel_temperature": 0.5,
    "hidden_layers": 1,
    "learning_rate": 0.01,
    "patience": 25,
    "start": "pictures",
    "alexnet": "random",
    "init_deviation": 0.5,
    "category_weight": 2.0,
}
USERS_AT_A_TIME = 2000


def make(
    users=2000,
    items=1500,
    seed=0,
    fewest=15,
    most=60,
    noise=0.1,
    taste=8.0,
    shelf=20,
    pictures=False,
):
    """Make a shop's `Interactions`, with the truth; see the story at the head of this file.

    `pictures` draws each item once into the user's cache folder (about 4 ms an item).
    Impossible sizes are a UserError.
    """
    G = len(CATEGORIES)
    if (
        items < G * most
        or users < 1
        or not 1 <= fewest <= most
        or not 0 <= noise <= 1
        or taste < 0
        or shelf < 1
    ):
        raise UserError(
            f"a shop of {users} users, {items} items, {fewest} to {most} items a user, noise"
            f" {noise}, taste {taste}, shelf {shelf} is impossible; expected at least {G} * most"
            " items, 1 <= fewest <= most, 0 <= noise <= 1, taste >= 0, shelf >= 1"
        )
    stream = np.random.PCG64(seed)
    J = len(SHARED) + 1
    category = np.arange(items) % G
    attributes = _uniform(stream, (items, J))
    intentions = _intentions(stream, users, G)
    ideals, weights = _uniform(stream, (users, G, J)), _uniform(stream, (users, G, J))
    wanted = fewest + ((most - fewest + 1) * _cube(_uniform(stream, users))).astype(int)
    shelves = _Shelves(category, G)
    rows = []
    for start in range(0, users, USERS_AT_A_TIME):
        part = slice(start, start + USERS_AT_A_TIME)
        rows += _visits(
            stream,
            shelves,
            attributes,
            intentions[part],
            ideals[part],
            weights[part],
            wanted[part],
            most,
            noise,
            taste,
            shelf,
        )
    X = csr_of_rows(rows, items)
    truth = Truth(category, attributes, (*SHARED, "detail"), intentions, ideals, weights)
    names = [CATEGORIES[g] for g in category]
    ids = np.array([f"{name}-{i // G:03d}" for i, name in enumerate(names)])
    made = Interactions(
        X,
        np.array([f"user-{u:04d}" for u in range(users)]),
        ids,
        titles=ids,
        truth=truth,
        report={"rows": X.nnz},
    )
    made = with_categories(made, [[name] for name in names])
    return replace(made, pictures=list(made.picture_paths().values())) if pictures else made


def _uniform(stream, shape):
    """Doubles in [0, 1) from the top 53 bits of the raw stream."""
    return (stream.random_raw(shape) >> np.uint64(11)) * 2.0**-53


def _cube(x):
    """x^3 as products: a power function may differ in the last bit between machines."""
    return x * x * x


def _intentions(stream, users, G):
    """Shares of one to three categories a user."""
    how_many = 1 + (3 * _uniform(stream, users)).astype(int)
    order = np.argsort(_uniform(stream, (users, G)), axis=1, kind="stable")
    raw = 0.3 + _uniform(stream, (users, G))
    shares = np.zeros((users, G))
    for place in range(3):
        rows = np.flatnonzero(how_many > place)
        shares[rows, order[rows, place]] = raw[rows, place]
    total = shares[:, 0].copy()
    for g in range(1, G):
        total += shares[:, g]
    return shares / total[:, None]


class _Shelves:
    """Draws items of a category in proportion to their popularity."""

    def __init__(self, category, G):
        self.members = [np.flatnonzero(category == g) for g in range(G)]
        self.cumulative = [
            np.cumsum(1.0 / (np.arange(len(rank)) + POPULARITY_OFFSET)) for rank in self.members
        ]

    def draw(self, g, uniform):
        at = np.searchsorted(self.cumulative[g], uniform * self.cumulative[g][-1], side="right")
        return self.members[g][np.minimum(at, len(self.members[g]) - 1)]


def _visits(
    stream, shelves, attributes, intentions, ideals, weights, wanted, most, noise, taste, shelf
):
    """The different items that each of these users takes, in the order of the visits."""
    users, G = intentions.shape
    visits = 2 * most
    cumulative = np.cumsum(intentions, axis=1)
    draw = _uniform(stream, (users, visits))
    k = np.minimum(
        (draw[:, :, None] >= cumulative[:, None, :]).sum(axis=2), G - 1
    )  # (users, visits)
    gift = _uniform(stream, (users, visits)) < noise
    k = np.where(gift, (G * _uniform(stream, (users, visits))).astype(int), k)
    taken = np.empty((users, visits), int)
    u, v = np.indices((users, visits))
    for g in range(G):
        here = k == g
        rows = u[here]
        items = shelves.draw(g, _uniform(stream, (len(rows), shelf)))  # (n, S)
        utility = (
            _uniform(stream, items.shape)
            + _uniform(stream, items.shape)
            + _uniform(stream, items.shape)
        )
        fit = np.zeros(items.shape)
        for j in range(attributes.shape[1]):
            away = attributes[items, j] - ideals[rows, g, j, None]
            fit += weights[rows, g, j, None] * (away * away)
        utility -= np.where(gift[here][:, None], 0.0, taste * fit)
        taken[here] = items[np.arange(len(rows)), utility.argmax(axis=1)]
    rows = []
    for user in range(users):
        _, first = np.unique(taken[user], return_index=True)
        rows.append(taken[user, np.sort(first)][: wanted[user]])
    return rows
