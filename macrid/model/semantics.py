r"""Where the model starts, and what teaches it besides adoptions: equations (10) and (11)."""

import warnings

import numpy as np
from scipy import sparse

from macrid.errors import UserError


def targets(interactions, split, config):
    """The targets (M, K) that teach the concepts, M the items of `split`.

    None if category_weight is 0.
    """
    if config.category_weight == 0:
        return None
    if interactions.categories is None:
        found = (
            f"category_weight is {config.category_weight:g} but the data ({config.data}) has no"
            " categories"
        )
        raise UserError(
            f"{found}; give categories (--categories COLUMN of the ratings, or FILE:COLUMN), or"
            " leave category_weight out"
        )
    return category_targets(interactions.categories[split.items], config.K, config.dtype)[0]


def category_targets(categories, K, dtype="float32"):
    r"""The distribution over K concepts that an item's categories ask for, c-hat in equation (11).

    categories (M, G) CSR 0/1 -> targets (M, K), taught (list of the K or fewer category columns).

    Concept k is taught by the k-th most frequent category. An item of several such categories gets
    an equal share of each; an item of none is unknown: its row is zero and it teaches nothing. So
    with K < G the rare categories teach nothing, and with K > G the concepts from G on are free.
    """
    counts = np.asarray(categories.sum(axis=0)).reshape(-1)
    taught = np.argsort(-counts, kind="stable")[:K]
    taught = taught[counts[taught] > 0]
    targets = np.zeros((categories.shape[0], K), dtype)
    targets[:, : len(taught)] = categories[:, taught].toarray()
    targets /= np.maximum(targets.sum(axis=1, keepdims=True), 1)
    return targets, taught


def adoption_features(X):
    r"""Items as their adopters see them: X (N, M) -> (M, N) CSR.

        x_ui / sqrt(n_u (1 + n_i)), transposed

    n_u and n_i count a user's and an item's adoptions: neither heavy users nor popular items
    dominate.
    """
    user = 1 / np.sqrt(np.maximum(np.asarray(X.sum(axis=1)).reshape(-1), 1))
    item = 1 / np.sqrt(1 + np.asarray(X.sum(axis=0)).reshape(-1))
    return (sparse.diags_array(item) @ X.T @ sparse.diags_array(user)).tocsr()


def start_from_features(features, K, d, deviation, seed, whiten=True, known=None):
    r"""Items and prototypes from features of items: PCA, then k-means, equation (10).

    features (M, p), sparse (then without centring, which would make them dense) or dense -> H (M,
    d), m (K, d). `known` (M,) bool says which items have features (default: all); the others start
    at random, at the same scale.

    With `whiten`, dense features are first scaled to unit length (a brighter picture is not another
    thing), and each component to the same deviation as a random start has: the cosine decoder gives
    every dimension an equal say, and Adam's steps have a fixed size, so that raw features, whose
    scales differ by orders of magnitude, would hardly move. k-means clusters the directions of the
    leading K components, where K clusters lie; m_k is the mean direction of the items of cluster k.
    Without it, H is P v_i and m the centres of k-means, to the letter of the equation. If there are
    fewer than d components, the rest start at random, as do the prototypes of clusters that stay
    empty, which is told: there are fewer different items than concepts.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA, TruncatedSVD

    rng, seed = np.random.default_rng(seed), seed % 2**32  # scikit-learn takes no more
    known = np.ones(features.shape[0], bool) if known is None else np.asarray(known)
    v = features[known]
    n, p = v.shape
    if n <= K:
        raise UserError(
            f"only {n} items have features, too few for K = {K} concepts; add pictures, lower K, or"
            " leave start out"
        )
    if whiten and not sparse.issparse(v):
        v = _directions(v)
    components = min(d, n - 1, p - 1)
    reduce = TruncatedSVD if sparse.issparse(v) else PCA
    V = np.zeros((n, 0))
    if components > 0:
        with np.errstate(invalid="ignore"):  # features that are all alike
            V = reduce(components, random_state=seed).fit_transform(v)
    scale = np.sqrt((V * V).mean(axis=0))
    if components > 0 and scale.max() < 1e-12:
        raise UserError("the items' features are all alike; give others, or leave start out")
    H = rng.standard_normal((len(known), d)) * deviation
    k_means = KMeans(K, n_init=10, random_state=seed)
    if not whiten:
        H[:, :components] *= scale / deviation
        H[np.ix_(known, np.arange(components))] = V
        m, cluster = _centres(k_means, H[known])
        empty = _empty(cluster, m)
        m[empty] = rng.standard_normal((len(empty), d)) * deviation
        m[empty, :components] *= scale / deviation
        return H, m
    H[np.ix_(known, np.arange(components))] = V / np.maximum(scale, 1e-12) * deviation
    _, cluster = _centres(k_means, _directions(H[known, :K]))
    directions = _directions(H[known])
    members = [directions[cluster == k] for k in range(K)]
    m = np.stack([each.mean(axis=0) if len(each) else np.zeros(d) for each in members])
    empty = _empty(cluster, m)
    m[empty] = rng.standard_normal((len(empty), d))
    return H, _directions(m) * deviation * d**0.5


def _centres(k_means, points):
    """The centres of k-means (K, d), and each point's cluster (n,)."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # _empty says it in our words
        k_means.fit(points)
    return k_means.cluster_centers_, k_means.labels_


def _empty(cluster, m):
    """The clusters without members, or with the centre (K, d) of an earlier one: they are told."""
    apart = np.linalg.norm(m[:, None] - m, axis=2) > 1e-6 * np.linalg.norm(m, axis=1).max()
    is_first = [apart[k, :k].all() for k in range(len(m))]
    has_members = np.bincount(cluster, minlength=len(m)) > 0
    empty = np.flatnonzero(~(has_members & is_first & m.any(axis=1)))
    if len(empty):
        warnings.warn(
            f"the items' features have fewer different values than K = {len(m)}, so that"
            f" {len(empty)} of the concepts start at random; lower K, or leave start out",
            stacklevel=4,
        )
    return empty


def order_by_targets(H, m, targets):
    r"""The prototypes m (K, d) in the order in which their items' categories ask for them.

    Clusters come in no order, but concept k is taught by category k: the one-to-one order is taken
    that agrees with the targets (M, K) of most items (Kuhn, 1955). Otherwise the labels would first
    undo the start.
    """
    from scipy.optimize import linear_sum_assignment

    assigned = (_directions(H) @ _directions(m).T).argmax(axis=1)
    agreement = np.stack([targets[assigned == k].sum(axis=0) for k in range(len(m))])  # (K, K)
    clusters, concepts = linear_sum_assignment(-agreement)
    ordered = np.empty_like(m)
    ordered[concepts] = m[clusters]
    return ordered


def _directions(x):
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
