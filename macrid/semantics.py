r"""What is known about items besides who adopted them: categories that teach the concepts."""

import numpy as np


def category_targets(categories, K, dtype="float32"):
    r"""The distribution over K concepts that an item's categories ask for, c-hat in equation (11).

    categories (M, G) CSR 0/1 -> targets (M, K), taught (list of the K or fewer category columns).

    Concept k is taught by the k-th most frequent category. An item of several such categories gets an equal share of
    each; an item of none is unknown: its row is zero and it teaches nothing. So with K < G the rare categories teach
    nothing, and with K > G the concepts from G on are free.
    """
    counts = np.asarray(categories.sum(axis=0)).reshape(-1)
    taught = np.argsort(-counts, kind="stable")[:K]
    taught = taught[counts[taught] > 0]
    targets = np.zeros((categories.shape[0], K), dtype)
    targets[:, : len(taught)] = categories[:, taught].toarray()
    targets /= np.maximum(targets.sum(axis=1, keepdims=True), 1)
    return targets, taught
