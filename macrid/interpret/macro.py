"""Macro disentanglement against known categories and intentions."""

import numpy as np


def match(assigned, category):
    r"""The one-to-one matching of concepts to categories that agrees on most items (Kuhn, 1955).

    assigned, category (M,) whole numbers from 0 -> dict concept: category. If there are more of one than of the other,
    the rest stays unmatched.
    """
    from scipy.optimize import linear_sum_assignment

    concepts, categories = linear_sum_assignment(-confusion(assigned, category))
    return {int(k): int(g) for k, g in zip(concepts, categories)}


def confusion(assigned, category):
    """counts (K, G): how many items of category g were assigned to concept k."""
    counts = np.zeros((assigned.max() + 1, category.max() + 1), int)
    np.add.at(counts, (assigned, category), 1)
    return counts


def concept_scores(C, category):
    r"""How well concepts agree with categories. C (M, K) assignment, category (M,) -> dict of floats.

    accuracy     share of items whose concept is matched to their category, after the optimal matching
    ari          adjusted Rand index (Hubert and Arabie, 1985): 1 for equal partitions, 0 on average for random ones
    nmi          mutual information over the mean of the two entropies (Strehl and Ghosh, 2002)
    largest      share of items in the largest concept: 1 is mode collapse (section 4.3.2), 1/K is balance
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    assigned = C.argmax(axis=1)
    matching = match(assigned, category)
    matched = np.array([matching.get(k, -1) for k in range(C.shape[1])])[assigned]
    return {
        "accuracy": float((matched == category).mean()),
        "ari": float(adjusted_rand_score(category, assigned)),
        "nmi": float(normalized_mutual_info_score(category, assigned)),
        "largest": float(np.bincount(assigned).max() / len(assigned)),
    }


def confidence(X, C):
    r"""Confidence of a user's components, section 4.3: sum_i x_ui c_ik. X (B, M) CSR, C (M, K) -> (B, K)."""
    return np.asarray(X @ C)


def intention_scores(X, C, category, intentions):
    r"""Do a user's strongest components name her true intentions?

    For a user with n intentions, the share of her n most confident components that are matched to one of them.
    X (B, M) CSR her items, C (M, K), category (M,), intentions (B, G) shares -> (B,), one figure a user.
    """
    matching = match(C.argmax(axis=1), category)
    strongest = np.argsort(-confidence(X, C), axis=1, kind="stable")
    shares = np.zeros(len(intentions))
    for u, true in enumerate(intentions > 0):
        named = {matching.get(int(k), -1) for k in strongest[u, : true.sum()]}
        shares[u] = len(named & set(np.flatnonzero(true))) / true.sum()
    return shares
