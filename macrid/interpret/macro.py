"""Macro disentanglement against known categories and intentions."""

import numpy as np

from macrid.model.ops import normalise

DEAD = 0.01  # a concept with a smaller share of the items
DUPLICATE = 0.9  # the cosine of two prototypes


def match(assigned, category) -> dict[int, int]:
    r"""The one-to-one matching of concepts to categories that agrees on most items (Kuhn, 1955).

    assigned, category (M,) whole numbers from 0 -> {concept: category}. If there are more of one
    than of the other, the rest stays unmatched.
    """
    from scipy.optimize import linear_sum_assignment

    concepts, categories = linear_sum_assignment(-confusion(assigned, category))
    return {int(k): int(g) for k, g in zip(concepts, categories)}


def confusion(assigned, category) -> np.ndarray:
    """counts (K, G): how many items of category g were assigned to concept k."""
    counts = np.zeros((assigned.max() + 1, category.max() + 1), int)
    np.add.at(counts, (assigned, category), 1)
    return counts


def concept_scores(C, category) -> dict[str, float]:
    r"""How well concepts agree with categories. C (M, K) assignment, category (M,) -> floats.

    accuracy  share of items whose concept is matched to their category, by the optimal matching
    ari       adjusted Rand index (Hubert and Arabie, 1985): 1 for equal partitions, 0 on average
              for random ones
    nmi       mutual information over the mean of the two entropies (Strehl and Ghosh, 2002)
    largest   share of items in the largest concept: 1 is mode collapse (section 4.3.2), 1/K is
              balance
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


def confidence(X, C) -> np.ndarray:
    r"""Confidence of a user's components, section 4.3: sum_i x_ui c_ik. X (B, M) CSR -> (B, K)."""
    return np.asarray(X @ C)


def intention_scores(X, C, category, intentions) -> np.ndarray:
    r"""Do a user's strongest components name her true intentions?

    For a user with n intentions, the share of her n most confident components that are matched to
    one of them. X (B, M) CSR her items, C (M, K), category (M,), intentions (B, G) shares -> (B,).
    """
    matching = match(C.argmax(axis=1), category)
    strongest = np.argsort(-confidence(X, C), axis=1, kind="stable")
    shares = np.zeros(len(intentions))
    for u, true in enumerate(intentions > 0):
        named = {matching.get(int(k), -1) for k in strongest[u, : true.sum()]}
        shares[u] = len(named & set(np.flatnonzero(true))) / true.sum()
    return shares


def match_greedily(m, H, categories) -> dict[int, int]:
    r"""Section 4.3's matching: the nearest pair of a prototype and a category's centre first.

    Then the nearest of the rest, and so on. m (K, d) and H (M, d), unit rows for a model with
    cosines; categories (M, G) 0/1 CSR -> {concept: category}. The centre is the mean of a
    category's items, each shared out among its categories; categories without items match nothing.
    `match` is the optimal matching, by counts.
    """
    share = 1 / np.maximum(categories.sum(axis=1), 1)[:, None]  # (M, 1)
    weight = categories.multiply(share).T.tocsr()  # (G, M)
    total = np.asarray(weight.sum(axis=1)).ravel()
    centres = (weight @ H) / np.maximum(total, 1e-12)[:, None]  # (G, d)
    distance = np.linalg.norm(m[:, None] - centres, axis=2)  # (K, G)
    distance[:, total == 0] = np.inf
    matching = {}
    while np.isfinite(distance).any():
        k, g = np.unravel_index(distance.argmin(), distance.shape)
        matching[int(k)] = int(g)
        distance[k], distance[:, g] = np.inf, np.inf
    return matching


def frequent(categories, n: int) -> np.ndarray:
    """Column numbers of the n most frequent of categories (M, G), ascending."""
    counts = np.asarray(categories.sum(axis=0)).ravel()
    return np.sort(np.argsort(-counts, kind="stable")[:n])


def single_category(categories, among) -> np.ndarray:
    r"""The category of each item, as Figures 2 to 4 need one: categories (M, G) 0/1 CSR -> (M,).

    Column numbers; -1 for an item of none, or several, of `among`.
    """
    inside = categories[:, among].toarray() > 0  # (M, n)
    return np.where(inside.sum(axis=1) == 1, among[inside.argmax(axis=1)], -1)


def strongest(X, C, n: int = 2) -> np.ndarray:
    r"""The n components of each user with the highest confidence, section 4.3, strongest first.

    X (B, M) CSR, C (M, K) -> (B, n) concepts.
    """
    return np.argsort(-confidence(X, C), axis=1, kind="stable")[:, :n]


def troubles(m, C) -> list[list[str]]:
    r"""What may be wrong with each concept, as K lists of sentences.

    dead        it is the most probable one of fewer than 1% of the items
    duplicate   the cosine of its prototype with another's is above .9
    m (K, d), C (M, K).
    """
    share = np.bincount(C.argmax(axis=1), minlength=C.shape[1]) / len(C)
    unit, _ = normalise(m)
    cosine = unit @ unit.T
    sentences: list[list[str]] = [[] for _ in m]
    for k, of_concept in enumerate(sentences):
        if share[k] < DEAD:
            unused = f"Almost unused: it holds {share[k]:.1%} of the items."
            of_concept.append(f"{unused} K may be too large.")
        for other in np.flatnonzero(cosine[k] > DUPLICATE):
            if other != k:
                alike = f"their prototypes' cosine is {cosine[k, other]:.2f}"
                of_concept.append(f"Nearly the same as concept {other}: {alike}.")
    return sentences
