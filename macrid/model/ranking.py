"""The best columns of each row of scores, without sorting all of them."""

from macrid.backend import array_module


def top_k(scores, k: int):
    """The k best columns of each row of scores (B, M), best first -> (B, k).

    Ties go to the lower column.
    """
    xp = array_module(scores)
    k = min(k, scores.shape[1])
    place = scores.shape[1] - k
    threshold = xp.partition(scores, place, axis=1)[:, place, None]  # the k-th best
    chosen = scores >= threshold
    if int(xp.count_nonzero(chosen)) > chosen.shape[0] * k:  # more than k because some are equal
        above, tied = scores > threshold, scores == threshold
        chosen = above | (tied & (xp.cumsum(tied, axis=1) <= k - above.sum(axis=1, keepdims=True)))
    columns = (xp.flatnonzero(chosen) % scores.shape[1]).reshape(-1, k)  # ascending in each row
    best = xp.argsort(-xp.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return xp.take_along_axis(columns, best, axis=1)


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
