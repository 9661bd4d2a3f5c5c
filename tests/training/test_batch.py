"""Batches cover every user once an epoch; noise has the distribution that it should; a seed fixes
both.
"""

import numpy as np
from helpers import users

from macrid.config import Config
from macrid.training.batch import draw_noise, epoch_batches


def test_an_epoch_covers_every_user_once():
    X = users([(u,) for u in range(10)], 10)
    seen = [batch.indices for batch, _ in epoch_batches(X, Config(batch_size=4, d=2), 1)]
    assert [len(batch) for batch in seen] == [4, 4, 2]
    assert sorted(np.concatenate(seen)) == list(range(10))


def test_seed_and_epoch_fix_order_and_noise():
    X = users([(u, 3) for u in range(10)], 11)

    def draw(seed, epoch):
        config = Config(batch_size=4, d=2, seed=seed, item_dropout=0.5)
        return [(batch.indices.copy(), noise) for batch, noise in epoch_batches(X, config, epoch)]

    for (first, noise), (again, noise_again) in zip(draw(0, 1), draw(0, 1)):
        np.testing.assert_array_equal(first, again)
        for name in ("gumbel", "epsilon", "items"):
            np.testing.assert_array_equal(getattr(noise, name), getattr(noise_again, name))
    for other in (draw(1, 1), draw(0, 2)):
        assert not np.array_equal(draw(0, 1)[0][1].epsilon, other[0][1].epsilon)


def test_moments_of_the_noise(rng):
    """Gumbel(0, 1): mean .5772, variance pi^2/6. Dropout: mean 1. Item mask: a share of 1 - p is
    kept.
    """
    X = users([range(200)] * 50, 200)
    config = Config(K=50, d=40, hidden_layers=1, dropout=0.25, item_dropout=0.3)
    noise = draw_noise(rng, X, config)
    n = noise.gumbel.size
    assert abs(noise.gumbel.mean() - 0.5772) < 4 * (np.pi**2 / 6 / n) ** 0.5
    assert abs(noise.gumbel.var() - np.pi**2 / 6) < 0.1
    assert (
        abs(noise.epsilon.mean()) < 4 / noise.epsilon.size**0.5
        and abs(noise.epsilon.std() - 1) < 0.02
    )
    mask = noise.dropout[0]
    assert set(np.unique(mask)) == {0, np.float32(1 / 0.75)} and abs(mask.mean() - 1) < 0.02
    assert abs(noise.items.mean() - 0.7) < 0.02
    assert noise.kept(X).sum() == noise.items.sum() and X.sum() == 50 * 200
    assert noise.gumbel.dtype == noise.epsilon.dtype == mask.dtype == np.float32


def test_what_is_switched_off_is_not_drawn(rng):
    noise = draw_noise(rng, users([(0,)], 3), Config(dropout=0.0, gumbel_noise=False, d=2))
    assert noise.dropout is None and noise.items is None and not noise.gumbel.any()
    assert draw_noise(rng, users([(0,)], 3), Config(hidden_layers=0, d=2)).dropout == []
    widths = [
        mask.shape[1]
        for mask in draw_noise(
            rng, users([(0,)], 3), Config(hidden_layers=2, hidden_units=9, d=2)
        ).dropout
    ]
    assert widths == [2, 9]  # before every layer but the last
