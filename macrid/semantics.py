r"""Where the model starts, and what teaches it besides adoptions: equations (10) and (11)."""

import numpy as np
from scipy import sparse


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


def adoption_features(X):
    r"""Items as their adopters see them: x_ui / sqrt(n_u (1 + n_i)), transposed. X (N, M) -> (M, N) CSR.

    n_u and n_i count a user's and an item's adoptions: neither heavy users nor popular items dominate.
    """
    user = 1 / np.sqrt(np.maximum(np.asarray(X.sum(axis=1)).reshape(-1), 1))
    item = 1 / np.sqrt(1 + np.asarray(X.sum(axis=0)).reshape(-1))
    return (sparse.diags_array(item) @ X.T @ sparse.diags_array(user)).tocsr()


def start_from_features(features, K, d, deviation, seed):
    r"""Items and prototypes from features of items, equation (10): principal components, then k-means.

    features (M, p), sparse (then without centring, which would make them dense) or dense -> H (M, d), m (K, d).

    Each component is scaled to the same deviation as a random start has: the cosine decoder gives every dimension an
    equal say, and Adam's steps have a fixed size, so that raw features, whose scales differ by orders of magnitude,
    would hardly move. k-means clusters the directions of the leading K components, where K clusters lie; m_k is the
    mean direction of the items of cluster k. If there are fewer than d components, the rest start at random.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA, TruncatedSVD

    rng = np.random.default_rng(seed)
    M, p = features.shape
    components = min(d, M - 1, p - 1)
    reduce = TruncatedSVD if sparse.issparse(features) else PCA
    V = reduce(components, random_state=seed).fit_transform(features) if components > 0 else np.zeros((M, 0))
    H = rng.standard_normal((M, d)) * deviation
    H[:, :components] = V / np.maximum(np.sqrt((V * V).mean(axis=0)), 1e-12) * deviation
    leading = _directions(H[:, :K])
    cluster = KMeans(K, n_init=10, random_state=seed).fit_predict(leading)
    directions = _directions(H)
    m = np.stack([directions[cluster == k].mean(axis=0) for k in range(K)])
    return H, _directions(m) * deviation * d**0.5


def _directions(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
