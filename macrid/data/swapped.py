"""Whether the columns of users and items seem exchanged: by their ids, and who has how many."""

import re
from collections.abc import Callable
from itertools import islice

import numpy as np

SAMPLE = 1000  # ids that are looked at
USER_WORDS = set("u user usr userid customer cust client member reviewer visitor reader".split())
ITEM_WORDS = set("i item itemid product prod movie film book song track sku article asin".split())


def why_swapped(
    user_ids: list[str],
    item_ids: list[str],
    u: np.ndarray | None = None,
    i: np.ndarray | None = None,
) -> str:
    """Why these users seem to be items and these items users, or ''.

    u and i (n,), if given, are each adoption's places in these lists: then the numbers of
    adoptions are compared too.

    >>> why_swapped(["item-1", "item-2"], ["user-1", "user-2", "user-3"])
    'users are called such as item-1, items such as user-1'
    """
    users, items = (list(islice(texts, SAMPLE)) for texts in (user_ids, item_ids))
    if _most(users, is_article_number) and not _most(items, is_article_number):
        return (
            "most users look like article numbers (ASIN, ISBN, EAN), such as"
            f" {next(filter(is_article_number, users))}, and most items do not"
        )
    if _most(users, lambda text: _word(text) in ITEM_WORDS) and _most(
        items, lambda text: _word(text) in USER_WORDS
    ):
        return f"users are called such as {users[0]}, items such as {items[0]}"
    if u is not None and i is not None and _by_counts(u, i, len(user_ids), len(item_ids)):
        return (
            f"{len(user_ids):,} users have {len(item_ids):,} items, and an item has hardly more"
            " than one user"
        )
    return ""


def is_article_number(text: str) -> bool:
    """Whether a text is an ASIN (B and nine more), an ISBN, an EAN or a UPC with its check digit.

    >>> is_article_number("B00004Y2UT"), is_article_number("0306406152")
    (True, True)
    """
    if re.fullmatch("B[0-9A-Z]{9}", text):
        return True
    digits = text.replace("-", "")
    if re.fullmatch("[0-9]{9}[0-9X]", digits):  # ISBN-10, which older ASINs are too
        values = [10 if digit == "X" else int(digit) for digit in digits]
        return sum(weight * value for weight, value in zip(range(10, 0, -1), values)) % 11 == 0
    if re.fullmatch("[0-9]{12,13}", digits):
        values = [int(digit) for digit in digits.zfill(13)]
        return (sum(values[::2]) + 3 * sum(values[1::2])) % 10 == 0
    return False


def _most(texts: list[str], condition: Callable[[str], bool]) -> bool:
    return 2 * sum(map(condition, texts)) > len(texts)


def _word(text: str) -> str:
    """The letters that a text such as 'user_12' begins with, '' if no number follows them."""
    match = re.fullmatch(r"([A-Za-z]+)[ _:#-]*\d+", text)
    return match[1].casefold() if match else ""


def _by_counts(u, i, N, M):
    """Whether the numbers of adoptions look like those of items where those of users should be.

    Popularity is unequal, and a catalogue is smaller than the number of its customers: so "users"
    are suspected that are few beside the "items" and far less equal than these, while an "item"
    has hardly more than one "user".
    """
    if M < 5 * N:
        return False
    pairs = np.unique(u.astype(np.int64) * M + i)
    of_users, of_items = np.bincount(pairs // M), np.bincount(pairs % M)
    if N < M / 50 and of_items.mean() < 2:
        return True
    return N >= 50 and of_items.mean() < 2.5 and _gini(of_users) > _gini(of_items) + 0.2


def _gini(counts):
    """How unequal counts are, from 0 (all the same) to 1."""
    counts = np.sort(counts)
    n = len(counts)
    return (2 * np.arange(1, n + 1) - n - 1) @ counts / (n * counts.sum())
