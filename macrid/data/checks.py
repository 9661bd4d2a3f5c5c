"""What may be wrong with data that can be read: each suspicion with its remedy."""

import numpy as np

from macrid.errors import UserError


def threshold(ratings, min_rating, source, told):
    """The rating from which on a row is an adoption: 4 on a scale up to 5; on another it must be
    said. None without ratings.

    told: the columns that were taken, in words.
    """
    if ratings is None:
        if min_rating is not None:
            raise UserError(
                f"{source}: min_rating is {min_rating:g} but there is no rating ({told}); say which"
                " column is by columns (--columns USER,ITEM,RATING), or leave min_rating out"
            )
        return None
    highest = ratings.max()
    if highest > 1e6:
        raise UserError(
            f"{source}: ratings go up to {highest:.0f}, so they are timestamps; name the columns in"
            " a first line user,item,timestamp"
        )
    if min_rating is None and highest > 5:
        raise UserError(
            f"{source}: ratings go up to {highest:g}, not 5; say by min_rating which count as"
            " adoptions (--min-rating 8 on a scale of 10, --min-rating 1 for counts)"
        )
    return 4.0 if min_rating is None else min_rating


def describe(interactions):
    """A short report of the data, a line each: what is there and what was dropped."""
    N, M = interactions.X.shape
    report, nnz = interactions.report, interactions.X.nnz
    lines = [f"{N:,} users, {M:,} items, {nnz:,} adoptions ({nnz / N / M:.3%} of all pairs)"]
    if "columns" in report:
        lines.append(f"columns: {report['columns']}")
    if interactions.categories is not None:
        known = np.count_nonzero(np.diff(interactions.categories.indptr))
        lines.append(
            f"{len(interactions.category_names)} categories; {known:,} of {M:,} items have one or"
            " more"
        )
    dropped = [
        f"{report[key]:,} {text}"
        for key, text in (
            ("rows_below_min_rating", f"ratings below {report.get('min_rating') or 0:g}"),
            ("duplicate_rows", "duplicate rows"),
            ("users_without_adoptions", "users without an adoption"),
            ("users_dropped", "users with too few adoptions"),
            ("adoptions_of_dropped_users", "adoptions of theirs"),
            ("items_dropped", "items that nobody is left for"),
        )
        if report.get(key)
    ]
    if dropped:
        lines.append("dropped: " + ", ".join(dropped))
    if report.get("contradicting"):
        lines.append(
            f"warning: {report['contradicting']:,} pairs were rated both above and below the"
            " threshold; they count as adoptions"
        )
    lost = report.get("users_dropped", 0)
    if lost > N:
        lines.append(
            f"warning: {lost / (lost + N):.0%} of the users are dropped for too few adoptions; see"
            " min_user_items and min_rating"
        )
    if N < M / 50 and nnz / M < 2:
        lines.append(
            "warning: very few users and very many items; are the user and item columns swapped?"
        )
    return lines


def mismatch(ids, interactions):
    """Why `ids` from elsewhere might fit none of the items: a remedy, or ''."""
    ids = set(ids)
    if ids & set(interactions.users.tolist()):
        return "its ids are those of users: are the user and item columns swapped?"
    numbers = {_number(name) for name in ids} - {None}
    if numbers & {_number(name) for name in interactions.items.tolist()}:
        example = next(name for name in sorted(ids) if _number(name) is not None)
        return (
            f"ids are compared as text, and '{example}' there is written otherwise than"
            f" '{interactions.items[0]}' here; write both alike"
        )
    return ""


def _number(text):
    try:
        return float(text)
    except ValueError:
        return None
