r"""The raw event log of a made shop, as a shop would have it: events, a table of items, pictures.

The shoppers and their tastes are those of `macrid/data/shop.py`, whose truth is written beside the
log. What a shopper takes there is here something that she *looks for*, in the same order:

1. She comes with the first day of the log, or (two of five) later; what she looks for is spread
   over her visits from then to the end, about three things a visit.
2. She views it, clicks it (.7), and buys what she clicked (.65); the worse it suits her, the sooner
   she returns it. What she kept she may buy again, some days later (.15).
3. On top, as many views as she has things to look for show her whatever is popular: they say little
   of her taste.
4. A tenth of the products come new, at some day of the second half; before it nobody sees them.

`events.csv` has customer, product, event and time, in the order of time; `items.csv` product,
title, category (a path such as Home > Kitchen > Mugs), brand, price and picture; `truth.csv` what
the pictures show, from 0 to 1, and which products came when. A seed fixes all of it.
"""

from macrid import early  # noqa: F401  # first: the others take their time

# isort: split
import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from prepare import new_folder

from macrid import terminal
from macrid.data import shop, shop_pictures
from macrid.data.adoptions import Truth
from macrid.errors import UserError

FIRST_DAY = np.datetime64("2025-03-01")
KINDS = ("view", "click", "purchase", "return")
PATHS = {  # of a category of the made shop
    "bag": "Fashion > Accessories > Bags",
    "chair": "Home > Furniture > Chairs",
    "guitar": "Leisure > Music > Guitars",
    "lamp": "Home > Lighting > Lamps",
    "mug": "Home > Kitchen > Mugs",
    "shoe": "Fashion > Footwear > Shoes",
}
USUAL_PRICE = {"bag": 60, "chair": 90, "guitar": 250, "lamp": 45, "mug": 9, "shoe": 70}
HUES = ("red", "orange", "green", "teal", "blue", "violet")  # from 0 to 1, as the pictures show it
SHADES = ("dark", "", "light")
SIZES = ("small", "", "large")
STRIPES = ("plain", "", "striped")
BRANDS = (  # bright and bold, bright and plain, dark and bold, dark and plain
    ("Aurora", "Kiki", "Solara"),
    ("Birch", "Linnea", "Snow & Co"),
    ("Corvus", "Ember", "Tiger Bay"),
    ("Anthracite", "Mole", "Nocturne"),
)
MOST_LOOKED_FOR = 60  # by one customer


@dataclass(frozen=True)
class Log:
    """What happened, n events in the order of time, in a shop of N customers and M products.

    customer, product  (n,) their numbers
    kind               (n,) places in KINDS
    time               (n,) datetime64[s]
    launch             (M,) datetime64[s]: when a product came
    truth              what stands behind it, by number
    """

    customer: np.ndarray
    product: np.ndarray
    kind: np.ndarray
    time: np.ndarray
    launch: np.ndarray
    truth: Truth


def main(argv: list[str] | None = None) -> None:
    """Make a folder of events.csv, items.csv and truth.csv, perhaps with pictures."""
    arguments = terminal.parser(
        "shop_log",
        "The raw event log of a made shop.",
        "python data_scripts/shop_log.py --out data/shop-log --months 2 --pictures",
    )
    arguments.prog = "python data_scripts/shop_log.py"
    arguments.add_argument("--out", required=True, help="the folder to make")
    arguments.add_argument("--customers", type=int, default=6000, help="(default: 6000)")
    arguments.add_argument("--products", type=int, default=3000, help="(default: 3000)")
    arguments.add_argument("--months", type=int, default=2, help="from March 2025 (default: 2)")
    arguments.add_argument("--seed", type=int, default=0, help="(default: 0)")
    arguments.add_argument(
        "--pictures", action="store_true", help="draw every product (about 5 ms each)"
    )
    terminal.add_quiet_flag(arguments)
    flags = arguments.parse_args(argv)
    log = make(flags.customers, flags.products, flags.months, flags.seed)
    with new_folder(flags.out) as folder:
        write(log, folder, flags.pictures)
    say = terminal.say(flags.quiet)
    counts = np.bincount(log.kind, minlength=len(KINDS)).tolist()
    bought = np.bincount(log.product[log.kind == KINDS.index("purchase")], minlength=flags.products)
    say(
        ", ".join(f"{n:,} {name}s" for n, name in zip(counts, KINDS))
        + f" by {len(np.unique(log.customer)):,} customers, {log.time[0]} to {log.time[-1]}",
        f"{np.count_nonzero(bought):,} of {flags.products:,} products were bought;"
        f" {np.count_nonzero(log.launch > log.launch.min()):,} came in the second half",
        f"saved     {flags.out}",
    )


def make(customers: int = 6000, products: int = 3000, months: int = 2, seed: int = 0) -> Log:
    """A log of so many months, of customers and products of the made shop of this seed.

    >>> make(customers=200, products=400).kind.shape
    """
    G = len(PATHS)
    if customers < 1 or products < G or not (1 <= months <= 120 and 0 <= seed < 2**63):
        raise UserError(
            f"a log of {customers} customers, {products} products, {months} months and seed {seed}"
            f" is impossible; expected at least 1 customer, {G} products, 1 to 120 months, and a"
            " seed of at least 0"
        )
    most = min(MOST_LOOKED_FOR, products // G)
    made = shop.make(customers, products, seed, fewest=1, most=most)
    end = (FIRST_DAY.astype("datetime64[M]") + months).astype("datetime64[D]")
    days = int((end - FIRST_DAY).astype(int))
    rng = np.random.default_rng([seed, 1])

    # what each customer looks for, and when
    X = made.X
    n = np.diff(X.indptr)
    u, i = np.repeat(np.arange(customers), n), X.indices
    place = np.arange(len(u)) - X.indptr[u]  # in her order
    t = _visits(rng, n, u, place, days)
    half = -(-days // 2)
    is_new, day = rng.random(products) < 0.1, half + (days - half) * rng.random(products)
    launch = np.where(is_new, day, 0.0)
    is_there = t >= launch[i]
    u, i, t = u[is_there], i[is_there], t[is_there]

    # what becomes of it; half a minute or more between two steps
    parts = [(u, i, t, "view")]
    clicks = np.flatnonzero(rng.random(len(u)) < 0.7)
    parts.append((u[clicks], i[clicks], t[clicks] + _minutes(rng, len(clicks), 3), "click"))
    bought = clicks[rng.random(len(clicks)) < 0.65]
    when = t[bought] + _minutes(rng, len(bought), 8, after=4)
    parts.append((u[bought], i[bought], when, "purchase"))
    misfit = _misfit(made.truth, u[bought], i[bought])
    is_back = rng.random(len(bought)) < np.minimum(0.03 + 0.25 * misfit, 0.8)
    back = bought[is_back]
    parts.append((u[back], i[back], t[back] + 2 + 12 * rng.random(len(back)), "return"))
    again = bought[~is_back]
    again = again[rng.random(len(again)) < 0.15]
    parts.append((u[again], i[again], t[again] + 4 + 30 * rng.random(len(again)), "purchase"))

    # views of what is popular, in the same visits
    around = rng.permutation(len(u))
    browsed = i[around]
    is_there = t >= launch[browsed]
    when = t + _minutes(rng, len(t), 10)
    parts.append((u[is_there], browsed[is_there], when[is_there], "view"))

    customer, product, time = (np.concatenate(column) for column in list(zip(*parts))[:3])
    kind = np.concatenate([np.full(len(part[0]), KINDS.index(part[3])) for part in parts])
    order = np.argsort(time, kind="stable")
    order = order[time[order] < days]
    times = FIRST_DAY + (time[order] * 86400).astype("timedelta64[s]")
    launched = FIRST_DAY + (launch * 86400).astype("timedelta64[s]")
    return Log(customer[order], product[order], kind[order], times, launched, made.truth)


def _visits(rng, n, u, place, days):
    """The time of each thing looked for, in days from the first: visits of about three things."""
    first_day = np.where(rng.random(len(n)) < 0.4, days * rng.random(len(n)), 0.0)
    visits = -(-n // 3)
    of_visit = np.repeat(np.arange(len(n)), visits)
    day = np.floor(first_day[of_visit] + (days - first_day[of_visit]) * rng.random(len(of_visit)))
    start = day + (8 + 14 * rng.random(len(of_visit))) / 24
    start = start[np.lexsort((start, of_visit))]  # a customer's visits in order
    number = np.concatenate([[0], np.cumsum(visits)])[u] + place // 3
    return start[number] + (place % 3) * 0.25 / 24


def _minutes(rng, n, most, after=0.5):
    return (after + most * rng.random(n)) / (24 * 60)


def _misfit(truth, u, i):
    """How badly items i suit users u, by what each of them minds: (n,)."""
    g = truth.category[i]
    distance = truth.attributes[i] - truth.ideals[u, g]
    return (truth.weights[u, g] * distance**2).sum(axis=1)


def write(log: Log, folder: Path, pictures: bool = False) -> None:
    """Write events.csv, items.csv, truth.csv and, if asked for, the pictures into a folder."""
    truth = log.truth
    names = [shop.CATEGORIES[g] for g in truth.category]
    products = [f"p{number:05d}" for number in range(len(names))]
    paths: Sequence[str] = [""] * len(products)
    if pictures:
        drawn = shop_pictures.write_all(
            folder / "pictures", names, truth.attributes, np.array(products)
        )
        paths = [f"pictures/{path.name}" for path in drawn]
    customer = [f"c{number:06d}" for number in range(len(truth.intentions))]
    events = zip(
        (customer[u] for u in log.customer.tolist()),
        (products[i] for i in log.product.tolist()),
        (KINDS[kind] for kind in log.kind.tolist()),
        np.datetime_as_string(log.time).tolist(),
    )
    _table(folder / "events.csv", ("customer", "product", "event", "time"), events)
    items = zip(products, *_descriptions(truth, names), paths)
    header = ("product", "title", "category", "brand", "price", "picture")
    _table(folder / "items.csv", header, items)
    values = [[f"{value:.4f}" for value in row] for row in truth.attributes.tolist()]
    launch = np.datetime_as_string(log.launch).tolist()
    known = ((product, day, *row) for product, day, row in zip(products, launch, values))
    _table(folder / "truth.csv", ("product", "launch", *truth.attribute_names), known)


def _descriptions(truth, names):
    """Titles, categories, brands and prices of the products."""
    hue, lightness, size, pattern, detail = truth.attributes.T
    titles, brands, prices = [], [], []
    for i, name in enumerate(names):
        shade, large, stripes = (
            words[min(int(3 * value[i]), 2)]
            for words, value in ((SHADES, lightness), (SIZES, size), (STRIPES, pattern))
        )
        colour = HUES[round(5 * hue[i])]
        group = BRANDS[2 * (lightness[i] < 0.5) + (pattern[i] < 0.5)]
        brand = group[min(int(3 * detail[i]), 2)]
        words = [brand, large, stripes, shade, colour, name]
        titles.append(" ".join(word for word in words if word))
        brands.append(brand)
        # from half to twice the usual price: size and detail make it dear
        cents = USUAL_PRICE[name] * (0.5 + 1.0 * size[i] + 0.5 * detail[i])
        prices.append(f"{max(int(cents), 1) - 0.01:.2f}")
    return titles, [PATHS[name] for name in names], brands, prices


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(terminal.run(main))
