"""What may be wrong with data that can be read: each suspicion with its remedy."""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from macrid.data import ids
from macrid.data.adoptions import Interactions
from macrid.data.column_names import HOW_TO_SAY
from macrid.data.in_memory import Table
from macrid.data.swapped import why_swapped
from macrid.errors import UserError

DROPPED = {  # key of the report: what it counts
    "rows_before": "rows before {since}",
    "rows_below_min_rating": "ratings below {min_rating:g}",
    "duplicate_rows": "duplicate rows",
    "users_without_adoptions": "users without an adoption",
    "users_dropped": "users with too few adoptions",
    "adoptions_of_dropped_users": "adoptions of theirs",
    "items_dropped": "items that nobody is left for",
}


def adoption_threshold(table: Table, min_rating: float | None) -> float | None:
    """The rating from which on a row is an adoption, None without ratings.

    It is 4 on a scale up to 5; on another it must be given as `min_rating`.
    """
    source = table.source
    if table.ratings is None:
        if min_rating is not None:
            raise UserError(
                f"{source}: min_rating is {min_rating:g} but there is no rating"
                f" ({table.columns_used}); say which column is by columns (--columns"
                " USER,ITEM,RATING), or leave min_rating out"
            )
        return None
    highest = table.ratings.max()
    if table.rating_column:
        source = f"{source}, column {table.rating_column}"
    if highest > 1e6:
        raise UserError(
            f"{source}: ratings go up to {highest:.0f}, so they are timestamps; name the columns in"
            f" a first line user,item,timestamp, or {HOW_TO_SAY}"
        )
    if min_rating is None and highest > 5:
        raise UserError(
            f"{source}: ratings go up to {highest:g}, not 5; say by min_rating which count as"
            " adoptions (--min-rating 8 on a scale of 10, --min-rating 1 for counts)"
        )
    return 4.0 if min_rating is None else min_rating


def describe(interactions: Interactions) -> list[str]:
    """A short report of the data, a line each: what is there, what was dropped, what looks odd.

    >>> describe(load("ml-latest-small"))[0]
    '603 users, 6,298 items, 48,562 adoptions (1.279% of all pairs)'
    """
    N, M = interactions.X.shape
    report, nnz = interactions.report, interactions.X.nnz
    lines = [f"{N:,} users, {M:,} items, {nnz:,} adoptions ({nnz / N / M:.3%} of all pairs)"]
    if "columns" in report:
        lines.append(f"columns: {report['columns']}")
    if interactions.categories is not None:
        known = np.count_nonzero(np.diff(interactions.categories.indptr))
        G = len(interactions.category_names)
        lines.append(f"{G} categories; {known:,} of {M:,} items have one or more")

    if "items" in report:
        lines.append(f"items: {report['items']}")
    if "events" in report:
        lines.append(report["events"])
    if n := report.get("given_back"):
        lines.append(f"{n:,} pair{'s' * (n != 1)} given back: left out of their users' lists")
    values = {"min_rating": report.get("min_rating") or 0, "since": report.get("since")}
    counts = [
        f"{report[key]:,} {text.format(**values)}"
        for key, text in DROPPED.items()
        if report.get(key)
    ]
    if counts:
        lines.append("dropped: " + ", ".join(counts))

    if "rows" in report:
        how_read = f"; {report['how_read']}" if "how_read" in report else ""
        lines.append(f"read: {report['rows']:,} rows{how_read}")

    if report.get("contradicting"):
        lines.append(
            f"warning: {report['contradicting']:,} pairs were rated both above and below the"
            " threshold; they count as adoptions"
        )
    users_dropped = report.get("users_dropped", 0)
    if users_dropped > N:
        lines.append(
            f"warning: {users_dropped / (users_dropped + N):.0%} of the users are dropped for too"
            " few adoptions; see min_user_items and min_rating"
        )
    return lines + report.get("remarks", []) + eager_users(interactions)


def with_remarks(interactions: Interactions, lines: list[str]) -> Interactions:
    """The same interactions with more remarks in their report."""
    if not lines:
        return interactions
    report = interactions.report
    return replace(interactions, report=report | {"remarks": report.get("remarks", []) + lines})


def of_categories(names_of: dict[str, list[str]], items: np.ndarray) -> list[str]:
    """What looks odd about the categories {item: names} of a table, a line each."""
    lines = otherwise_written(names_of, items, "category")
    different = {name for names in names_of.values() for name in names}
    for mark, what in ((", ", "commas"), (";", "';'"), ("/", "'/'"), (" ", "blanks")):
        parts = {part.strip() for name in different for part in name.split(mark)} - {""}
        if len(different) > 20 and 3 * len(parts) < len(different):
            lines.append(
                f"warning: {len(different):,} categories are {len(parts):,} if divided at {what};"
                " divide several of one item by '|'"
            )
            break
    return lines


def otherwise_written(known: Iterable[str], items: np.ndarray, what: str) -> list[str]:
    """A line on the `items` that lack `what` as a table has them in another spelling."""
    known = set(known)
    by_spelling = ids.by_spelling(known)
    unknown = [item for item in items.tolist() if item not in known]
    otherwise = [item for item in unknown if ids.alike(item) in by_spelling]
    if not otherwise:
        return []
    there = by_spelling[ids.alike(otherwise[0])]
    return [
        f"warning: {len(otherwise):,} items have no {what} as they are written otherwise there,"
        f" such as '{there}' for '{otherwise[0]}'; write both alike"
    ]


def missing_pictures(paths: Iterable[Path | None]) -> list[str]:
    """A line on the pictures that are not there."""
    missing = [path for path in paths if path and not os.path.isfile(path)]
    if not missing:
        return []
    return [f"warning: {len(missing):,} pictures are not there, such as {missing[0]}; left out"]


def remarks(table: Table, min_rating: float | None = None) -> list[str]:
    """What looks odd about a table, a line each."""
    lines = list(table.remarks) + _of_scale(table, min_rating)
    lines += ids.remarks(table.user_ids, "user") + ids.remarks(table.item_ids, "item")
    if why := why_swapped(table.user_ids, table.item_ids, table.u, table.i):
        lines.append(
            f"warning: {why}; are the user and item columns swapped? then say so by columns"
            " (--columns USER,ITEM[,RATING])"
        )
    return lines


def _of_scale(table, min_rating):
    """A line where the usual threshold, 4, suits the scale of the ratings badly."""
    if table.ratings is None or min_rating is not None:
        return []
    lowest, highest = table.ratings.min(), table.ratings.max()
    below = np.count_nonzero(table.ratings < 4)
    if not below or (highest > 4 and below <= 0.55 * len(table.ratings)):
        return []
    median, above = np.median(table.ratings), table.ratings[table.ratings > lowest]
    return [
        f"warning: {below:,} of {len(table.ratings):,} ratings are below 4 and count for nothing;"
        f" they go from {lowest:g} to {highest:g}: say by min_rating which count (--min-rating"
        f" {max(median, above.min(initial=highest)):g})"
    ]


def eager_users(interactions: Interactions) -> list[str]:
    """A line on the users who have so many adoptions that they may be no customers, or none."""
    M = interactions.X.shape[1]
    adoptions = np.diff(interactions.X.indptr)
    has_half_of_all = (adoptions > M / 2) & (M >= 200) & (adoptions > 5 * adoptions.mean())
    is_eager = (adoptions > 20 * adoptions.mean()) | has_half_of_all
    share = adoptions[is_eager].sum() / max(adoptions.sum(), 1)
    if share < 0.05 and not has_half_of_all.any():
        return []
    who = interactions.users[np.argmax(adoptions)]
    return [
        f"warning: {is_eager.sum():,} of {len(adoptions):,} users have {share:.1%} of the"
        f" adoptions, such as '{who}' with {adoptions.max():,} (the median is"
        f" {np.median(adoptions):g}); if they are robots or shops, remove their rows"
    ]


def mismatch(texts: Iterable[str], users: np.ndarray, items: np.ndarray) -> str:
    """Why ids from elsewhere might fit none of the `items`: a remedy, or ''."""
    texts = set(texts)
    if texts & set(users.tolist()):
        return "its ids are those of users: are the user and item columns swapped?"
    by_spelling = ids.by_spelling(items.tolist())
    for text in sorted(texts):
        if there := by_spelling.get(ids.alike(text)):
            return (
                f"ids are compared as text, and '{text}' there is written otherwise than '{there}'"
                " here; write both alike"
            )
    return ""
