"""Figures. Each function returns a matplotlib Figure; `python -m macrid.figures` writes them."""

import numpy as np

from macrid import shop_pictures
from macrid.shop import CATEGORIES, DETAIL, SHARED

INK = "#333333"


def shop_sheet(shop, users=4, taken=14):
    """The shop for a stranger: its products by category and attribute, and what some users adopted."""
    from matplotlib.figure import Figure

    steps = (0.0, 0.5, 1.0)
    groups = (*SHARED, "detail")
    columns = len(groups) * len(steps)
    figure = Figure(figsize=(13, 11), layout="constrained", facecolor="white")
    above, below = figure.subfigures(2, 1, height_ratios=(len(CATEGORIES) + 0.9, users + 0.4))

    above.suptitle("The products: six categories, five attributes from low to high (the others held fixed)", color=INK, fontsize=13)
    axes = above.subplots(len(CATEGORIES), columns)
    for place, (row, category) in enumerate(zip(axes, CATEGORIES)):
        for column, axis in enumerate(row):
            j, step = divmod(column, len(steps))
            attributes = np.array([0.62, 0.5, 0.8, 0.35, 0.5])
            attributes[j] = steps[step]
            _picture(axis, shop_pictures.draw(category, attributes))
            if step == 1 and (place == 0 or groups[j] == "detail"):
                axis.set_title(DETAIL[category] if groups[j] == "detail" else groups[j], fontsize=11, color=INK, pad=2)
        row[0].set_ylabel(category, rotation=0, ha="right", va="center", fontsize=12, color=INK)

    below.suptitle("Some users: their intentions, and the first items they adopted", color=INK, fontsize=13)
    axes = below.subplots(users, taken)
    for row, u in zip(axes, _telling_users(shop, users)):
        items = shop.X.indices[shop.X.indptr[u] : shop.X.indptr[u + 1]][:taken]
        for axis, i in zip(row, items):
            _picture(axis, shop_pictures.draw(CATEGORIES[shop.truth.category[i]], shop.truth.attributes[i]))
        for axis in row[len(items) :]:
            axis.axis("off")
        shares = [f"{CATEGORIES[g]} {share:.0%}" for g, share in enumerate(shop.truth.intentions[u]) if share > 0]
        row[0].set_ylabel("\n".join([str(shop.users[u]), *shares]), rotation=0, ha="right", va="center", fontsize=10, color=INK)
    return figure


def _telling_users(shop, count):
    """The first users with one, two, three, three, ... intentions."""
    intentions = (shop.truth.intentions > 0).sum(axis=1)
    chosen = []
    for place in range(count):
        candidates = np.flatnonzero(intentions == min(place + 1, intentions.max()))
        chosen.append(int(next(u for u in candidates if u not in chosen)))
    return chosen


def _picture(axis, picture):
    axis.imshow(picture)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
