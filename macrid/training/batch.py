"""Shuffled batches of users and all the randomness that a training step uses."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from macrid.backend import array_module, generator
from macrid.model import candidates


@dataclass(frozen=True)
class Noise:
    """The random numbers of one step, drawn outside: the loss is a function of its arguments.

    gumbel      (M, K) Gumbel(0, 1) noise of the concept assignment
    epsilon     (B, K, d) standard normal noise of the sample z
    dropout     a mask (B K, width) of 0 and 1/(1-p) for each layer of f_nn but the last, or None
    items       (nonzeros of X,) 0/1 mask of the items that the encoder sees, or None for all
    candidates  (m,) the items of a sampled softmax, or None for all; then gumbel is (m, K)
    weight      (m,) their weights (`macrid.model.candidates`)

    `items` and `candidates` choose among the adoptions, so they stay on the host; the others live
    where the parameters do.
    """

    gumbel: np.ndarray
    epsilon: np.ndarray
    dropout: list | None = None
    items: np.ndarray | None = field(default=None, metadata={"host": True})
    candidates: np.ndarray | None = field(default=None, metadata={"host": True})
    weight: np.ndarray | None = None

    def kept(self, X):
        """X without the items that item dropout hides from the encoder."""
        if self.items is None:
            return X
        return type(X)((X.data * self.items, X.indices, X.indptr), shape=X.shape)


def draw_noise(rng, X, config, counts=None, device_rng=None) -> Noise:
    """Draw the `Noise` of one step for a batch X (B, M), in a fixed order, in the run's precision.

    `counts` (M,), the training adoptions of each item, are needed for candidates by popularity.
    `device_rng`, a generator of CuPy, draws what the device computes with; without it all is drawn
    by `rng`, on the host.
    """
    B, M = X.shape
    sampled = weight = None
    if config.candidates > 0:
        sampled, weight = candidates.draw(rng, X, config, counts)
        M = len(sampled)
    dtype = np.dtype(config.dtype)
    large = rng if device_rng is None else device_rng
    gumbel = np.zeros((M, config.K), dtype)
    if config.gumbel_noise:
        exponential = large.standard_exponential((M, config.K), dtype=dtype)
        xp = array_module(exponential)
        gumbel = -xp.log(xp.maximum(exponential, np.finfo(dtype).tiny))  # -ln Exp(1) is Gumbel
    epsilon = large.standard_normal((B, config.K, config.d), dtype=dtype)
    dropout = None
    if config.dropout > 0:
        widths = [config.d] + [config.hidden_units] * config.hidden_layers
        shapes = [(B * config.K, width) for width in widths[: config.hidden_layers]]
        dropout = [_mask(large, shape, config.dropout, dtype) for shape in shapes]
    items = None
    if config.item_dropout > 0:
        items = (rng.random(X.nnz, dtype=dtype) >= config.item_dropout).astype(dtype)
    return Noise(gumbel, epsilon, dropout, items, sampled, weight)


def epoch_batches(X, config, epoch: int, xp=np, batch_size: int | None = None) -> Iterator:
    """Yield (batch, noise) over the users of X (N, M) in an order that (seed, epoch) fixes.

    A generator of its own for each epoch: an interrupted run resumes at an epoch with nothing to
    restore. The noise is drawn on the host, the same for every backend, unless config.random is
    'device'.
    """
    rng = np.random.default_rng([config.seed, epoch])
    on_device = config.random == "device" and xp is not np
    device_rng = generator(xp, [config.seed, epoch]) if on_device else None
    order = rng.permutation(X.shape[0])
    counts = None
    if config.candidates > 0 and config.candidate_sampling == "popularity":
        counts = np.bincount(X.indices, minlength=X.shape[1])
    batch_size = batch_size or config.batch_size
    for start in range(0, len(order), batch_size):
        batch = X[order[start : start + batch_size]]
        yield batch, draw_noise(rng, batch, config, counts, device_rng)


def _mask(rng, shape, rate, dtype):
    """Dropout: 0 with probability `rate`, else 1 / (1 - rate), so that the mean stays."""
    mask = rng.random(shape, dtype=dtype)
    array_module(mask).greater_equal(mask, dtype.type(rate), out=mask)
    mask *= dtype.type(1 / (1 - rate))
    return mask
