"""Shuffled batches of users and all the randomness that a training step uses."""

from dataclasses import dataclass, field

import numpy as np

from macrid import candidates


@dataclass(frozen=True)
class Noise:
    """The random numbers of one step, drawn outside so that the loss is a function of its arguments.

    gumbel   (M, K) Gumbel(0, 1) noise of the concept assignment
    epsilon  (B, K, d) standard normal noise of the sample z
    dropout  one mask (B K, width) of 0 and 1/(1-p) for each layer of f_nn but the last, or None for none
    items    (nonzeros of X,) 0/1 mask of the items that the encoder sees, or None for all
    candidates, weight   (m,) the items of a sampled softmax and their weights (macrid.candidates), or None for all
                         items; then gumbel is (m, K)
    """

    gumbel: np.ndarray
    epsilon: np.ndarray
    dropout: list = field(default=None)
    items: np.ndarray = field(default=None)
    candidates: np.ndarray = field(default=None)
    weight: np.ndarray = field(default=None)

    def kept(self, X):
        """X without the items that item dropout hides from the encoder."""
        if self.items is None:
            return X
        return type(X)((X.data * self.items, X.indices, X.indptr), shape=X.shape)


def draw_noise(rng, X, config, counts=None):
    """Draw the `Noise` of one step for a batch X (B, M), in a fixed order, in the run's precision.

    `counts` (M,), the training adoptions of each item, are needed for candidates by popularity.
    """
    B, M = X.shape
    chosen = weight = None
    if config.candidates > 0:
        chosen, weight = candidates.draw(rng, X, config, counts)
        M = len(chosen)
    dtype = np.dtype(config.precision)
    gumbel = np.zeros((M, config.K), dtype)
    if config.gumbel_noise:
        exponential = rng.standard_exponential((M, config.K), dtype=dtype)
        gumbel = -np.log(np.maximum(exponential, np.finfo(dtype).tiny))  # -ln Exp(1) is Gumbel(0, 1)
    epsilon = rng.standard_normal((B, config.K, config.d), dtype=dtype)
    dropout = None
    if config.dropout > 0:
        widths = ([config.d] + [config.hidden_units] * config.hidden_layers)[: config.hidden_layers]
        dropout = [_mask(rng, (B * config.K, width), config.dropout, dtype) for width in widths]
    items = None
    if config.item_dropout > 0:
        items = (rng.random(X.nnz, dtype=dtype) >= config.item_dropout).astype(dtype)
    return Noise(gumbel, epsilon, dropout, items, chosen, weight)


def epoch_batches(X, config, epoch):
    """Yield (batch, noise) over the users of X (N, M) in an order that (seed, epoch) fixes.

    A generator of its own for each epoch: an interrupted run resumes at an epoch with nothing to restore.
    """
    rng = np.random.default_rng([config.seed, epoch])
    order = rng.permutation(X.shape[0])
    counts = np.bincount(X.indices, minlength=X.shape[1]) if config.candidates > 0 and config.candidate_sampling == "popularity" else None
    for start in range(0, len(order), config.batch_size):
        batch = X[order[start : start + config.batch_size]]
        yield batch, draw_noise(rng, batch, config, counts)


def _mask(rng, shape, rate, dtype):
    """Dropout: 0 with probability `rate`, else 1 / (1 - rate), so that the mean stays."""
    mask = rng.random(shape, dtype=dtype)
    np.greater_equal(mask, dtype.type(rate), out=mask)
    mask *= dtype.type(1 / (1 - rate))
    return mask
