"""The best columns of each row of scores, without sorting all of them."""

from macrid.backend import array_module


def top_k(scores, k):
    """The k best columns of each row of scores (B, M), best first; ties go to the lower column. ->
    (B, k).
    """
    xp = array_module(scores)
    k = min(k, scores.shape[1])
    threshold = xp.partition(scores, scores.shape[1] - k, axis=1)[
        :, scores.shape[1] - k, None
    ]  # the k-th best
    chosen = scores >= threshold
    if int(xp.count_nonzero(chosen)) > chosen.shape[0] * k:  # more than k because some are equal
        above, tied = scores > threshold, scores == threshold
        chosen = above | (tied & (xp.cumsum(tied, axis=1) <= k - above.sum(axis=1, keepdims=True)))
    columns = (xp.flatnonzero(chosen) % scores.shape[1]).reshape(-1, k)  # ascending in each row
    best = xp.argsort(-xp.take_along_axis(scores, columns, axis=1), axis=1, kind="stable")
    return xp.take_along_axis(columns, best, axis=1)


def above(scores, bound):
    """The columns of each row of scores (B, M) that are above its bound (B,), ascending; -1 where
    another row has more. -> (B, most).
    """
    xp = array_module(scores)
    rows, columns = xp.divmod(xp.flatnonzero(scores > bound[:, None]), scores.shape[1])
    counts = xp.bincount(rows, minlength=scores.shape[0])
    found = xp.full((scores.shape[0], int(counts.max())), -1)
    found[rows, xp.arange(rows.size) - (xp.cumsum(counts) - counts)[rows]] = columns
    return found
