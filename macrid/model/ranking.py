"""The best columns of each row of scores, without sorting all of them."""

import numpy as np

from macrid.backend import array_module


def top_k(scores, k: int):
    """The k best columns of each row of scores (B, M), best first -> (B, k).

    Ties go to the lower column.
    """
    xp = array_module(scores)
    k = min(k, scores.shape[1])
    threshold = _largest(scores, k)[:, None]
    chosen = scores >= threshold
    if int(xp.count_nonzero(chosen)) > chosen.shape[0] * k:  # more than k because some are equal
        above, tied = scores > threshold, scores == threshold
        chosen = above | (tied & (xp.cumsum(tied, axis=1) <= k - above.sum(axis=1, keepdims=True)))
    columns = (xp.flatnonzero(chosen) % scores.shape[1]).reshape(-1, k)  # ascending in each row
    best = xp.argsort(-xp.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return xp.take_along_axis(columns, best, axis=1)


def _largest(scores, k: int):
    """The k-th largest of each row of scores (B, M) -> (B,)."""
    xp = array_module(scores)
    if xp is np:
        place = scores.shape[1] - k
        return np.partition(scores, place, axis=1)[:, place]
    # CuPy sorts as many as come before the place: from below all of them, from above k
    return -xp.partition(-scores, k - 1, axis=1)[:, k - 1]


def above(scores, bound):
    """The columns of each row of scores (B, M) that are above its bound (B,) -> (B, most).

    Ascending, and -1 at the end where another row has more.
    """
    xp = array_module(scores)
    rows, columns = xp.divmod(xp.flatnonzero(scores > bound[:, None]), scores.shape[1])
    counts = xp.bincount(rows, minlength=scores.shape[0])
    place = xp.arange(rows.size) - (xp.cumsum(counts) - counts)[rows]  # in the row's own list
    padded = xp.full((scores.shape[0], int(counts.max())), -1)
    padded[rows, place] = columns
    return padded


def merged(best_items, best, scores, start, n: int) -> tuple:
    """The n best of those so far and of a tile of scores (B, items) whose first item is `start`.

    best_items, best (B, up to n), best first -> the same. From the second tile on only what is
    above the n-th best so far is looked at.
    """
    xp = array_module(scores)
    columns = top_k(scores, n) if best.shape[1] < n else above(scores, best[:, -1])
    better = xp.where(columns >= 0, xp.take_along_axis(scores, columns, axis=1), -xp.inf)
    best_items = xp.concatenate([best_items, columns + start], axis=1)
    best = xp.concatenate([best, better.astype(best.dtype)], axis=1)
    keep = top_k(best, n)
    return xp.take_along_axis(best_items, keep, axis=1), xp.take_along_axis(best, keep, axis=1)


def among(tile, offset):
    """The slice `tile`, or the numbers of its items that an offset (M,) leaves in if they are few.

    Less than half: of more, the numbers would cost as much as the scores that they spare.
    """
    if offset is None:
        return tile
    xp = array_module(offset)
    kept = xp.flatnonzero(offset[tile] > -xp.inf)
    kept = kept if kept.size else xp.zeros(1, dtype=int)  # one that is left out, to have some
    return kept + tile.start if 2 * kept.size < tile.stop - tile.start else tile


def spread(scores, items, tile):
    """Scores (B, items) of `among` as those of the whole tile (B, tile), -inf where it has none."""
    if isinstance(items, slice):
        return scores
    xp = array_module(scores)
    whole = xp.full((len(scores), tile.stop - tile.start), -xp.inf, dtype=scores.dtype)
    whole[:, items - tile.start] = scores
    return whole
