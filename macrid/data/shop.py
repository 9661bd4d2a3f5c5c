r"""The embedded shop: a made catalogue and its shoppers, whose intentions and tastes are known.

The story, with all random numbers uniform on [0, 1) unless said otherwise:

1. An item i has a category g_i, attributes a_i in [0,1]^J (hue, lightness, size, pattern, and one
   detail that only its category has), and a popularity
   w_i = 1 / (rank of i in its category + POPULARITY_OFFSET): Zipf's law, flattened at the top.
2. A user u has one to three intentions: categories k with shares pi_uk that sum to one. Inside an
   intention she has an ideal t_uk in [0,1]^J and weights v_uk in [0,1]^J: how much she minds each
   attribute.
3. On each visit she has an intention k ~ pi_u. The shop shows a shelf of S items of category k,
   drawn with probabilities in proportion to w. She takes the one that she likes best,

       argmax_{i on the shelf}   -taste * sum_j v_ukj (a_ij - t_ukj)^2 + e_i,

   with e_i the sum of three uniforms (nearly normal: a probit choice). With probability `noise` the
   visit has nothing to do with her: a gift, of a category drawn at random, that she takes from the
   shelf by e alone.
4. She visits until she has n_u different items, n_u = fewest + (most - fewest) r^3 with r uniform:
   many light users and few heavy ones. After 2 * most visits she stops with what she has.

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
OPTIONS = {  # what suits the shop: `python -m macrid.train` without arguments uses them
    "K": 6,
    "d": 10,
    "sigma0": 0.4,
    "gumbel_temperature": 0.5,
    "hidden_layers": 1,
    "learning_rate": 0.01,
    "averaging": 0.0,
    "item_dropout": 0.0,
    "patience": 25,
    "start": "pictures",
    "alexnet": "random",
    "init_deviation": 0.5,
    "category_weight": 2.0,
}
WITHOUT_SEMANTICS = {"d": 100}  # of them, where the start is from adoptions and labels are not used
USERS_AT_A_TIME = 2000


def make(
    users: int = 2000,
    items: int = 1500,
    seed: int = 0,
    fewest: int = 15,
    most: int = 60,
    noise: float = 0.1,
    taste: float = 8.0,
    shelf: int = 20,
    pictures: bool = False,
) -> Interactions:
    """Make a shop, with the truth behind it; the story at the head of this file says how.

    `pictures` draws each item once into the user's cache folder (about 4 ms an item). Impossible
    sizes are a UserError.

    >>> made = make(users=100)
    >>> made.X.shape, made.truth.attributes.shape
    ((100, 1500), (1500, 5))
    """
    G = len(CATEGORIES)
    sizes_fit = items >= G * most and users >= 1 and 1 <= fewest <= most and shelf >= 1
    if not (sizes_fit and 0 <= noise <= 1 and taste >= 0):
        raise UserError(
            f"a shop of {users} users, {items} items, {fewest} to {most} items a user, noise"
            f" {noise}, taste {taste}, shelf {shelf} is impossible; expected at least {G} * most"
            " items, 1 <= fewest <= most, 0 <= noise <= 1, taste >= 0, shelf >= 1"
        )

    # the catalogue and what its users like; the order of the draws makes the shop
    stream = np.random.PCG64(seed)
    J = len(SHARED) + 1
    category = np.arange(items) % G
    attributes = _uniform(stream, (items, J))
    intentions = _intentions(stream, users, G)
    ideals, weights = _uniform(stream, (users, G, J)), _uniform(stream, (users, G, J))
    truth = Truth(category, attributes, (*SHARED, "detail"), intentions, ideals, weights)
    sizes = fewest + ((most - fewest + 1) * _cube(_uniform(stream, users))).astype(int)

    # their visits
    shelves = _Shelves(category, G, shelf)
    rows = []
    for start in range(0, users, USERS_AT_A_TIME):
        part = np.arange(start, min(start + USERS_AT_A_TIME, users))
        taken = _visits(stream, truth, shelves, part, 2 * most, noise, taste)
        rows += [_first_different(items, n) for items, n in zip(taken, sizes[part])]
    X = csr_of_rows(rows, items)

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
    """Draws shelves of items of a category, each item in proportion to its popularity."""

    def __init__(self, category, G, size):
        self.size = size
        self.members = [np.flatnonzero(category == g) for g in range(G)]
        self.cumulative = [
            np.cumsum(1.0 / (np.arange(len(items)) + POPULARITY_OFFSET)) for items in self.members
        ]

    def draw(self, stream, g, n):
        """n shelves of category g, (n, S)."""
        uniform = _uniform(stream, (n, self.size))
        cumulative, members = self.cumulative[g], self.members[g]
        places = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
        return members[np.minimum(places, len(members) - 1)]


def _visits(stream, truth, shelves, users, visits, noise, taste):
    """The items that these users take on each of their visits, (users, visits)."""
    intentions, ideals, weights = truth.intentions[users], truth.ideals[users], truth.weights[users]
    shape, G = (len(users), visits), intentions.shape[1]

    # each visit's category
    cumulative = np.cumsum(intentions, axis=1)
    draw = _uniform(stream, shape)
    k = np.minimum((draw[:, :, None] >= cumulative[:, None, :]).sum(axis=2), G - 1)
    is_gift = _uniform(stream, shape) < noise
    k = np.where(is_gift, (G * _uniform(stream, shape)).astype(int), k)

    # the best item on each shelf
    taken = np.empty(shape, int)
    rows, _ = np.indices(shape)
    for g in range(G):
        here = k == g
        u = rows[here]
        items = shelves.draw(stream, g, len(u))  # (n, S)
        utility = _uniform(stream, items.shape)
        utility = utility + _uniform(stream, items.shape) + _uniform(stream, items.shape)
        misfit = np.zeros(items.shape)
        for j in range(ideals.shape[2]):
            distance = truth.attributes[items, j] - ideals[u, g, j, None]
            misfit += weights[u, g, j, None] * (distance * distance)
        utility -= np.where(is_gift[here][:, None], 0.0, taste * misfit)
        taken[here] = items[np.arange(len(u)), utility.argmax(axis=1)]
    return taken


def _first_different(items, n):
    """The first n different ones of a user's items, in order."""
    _, first = np.unique(items, return_index=True)
    return items[np.sort(first)][:n]
