"""The sum of two systems, by the rule of the model's linear path."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import users
from scipy import sparse

from macrid.baselines.ensemble import Ensemble
from macrid.data.splits import HeldOut
from macrid.evaluation import metrics


@pytest.fixture
def part(rng):
    """A `HeldOut` of 30 users: each has items of one half of twelve, half of them hidden."""
    half = rng.integers(0, 2, 30)
    taken = [np.sort(rng.permutation(6)[:4]) + 6 * h for h in half]
    fold_in = users([items[::2] for items in taken], 12)
    return HeldOut(np.arange(30), fold_in, users([items[1::2] for items in taken], 12))


def scorer(scores):
    """A fitted system that scores `scores(X)`, (B, M)."""
    return SimpleNamespace(scores=scores)


def test_at_weight_1_both_differ_equally_from_item_to_item(part):
    noise = np.random.default_rng(4).standard_normal(12)
    first = scorer(lambda X: np.tile(5 * noise, (X.shape[0], 1)))
    second = scorer(lambda X: X @ sparse.csr_array(np.ones((12, 12))) + X.toarray() * 3)
    one = Ensemble.of(first, second, part)
    X = part.fold_in
    spread = lambda system: system.scores(X).std(axis=1).mean()
    assert one.gamma == pytest.approx(one.weight * spread(first) / spread(second))
    expected = first.scores(X) + one.gamma * second.scores(X)
    np.testing.assert_allclose(one.scores(X), expected)


def test_the_weight_is_what_validation_users_are_served_best_by(part):
    """Where one of the two knows everything it has the say, and where both do neither is lost."""
    knows = scorer(lambda X: (X @ np.kron(np.eye(2), np.ones((6, 6)))).astype(float))
    wrong = scorer(lambda X: -knows.scores(X))
    ndcg = lambda one: metrics.summary(metrics.evaluate(one.scores, part))["ndcg@100"]["mean"]
    with_knowing, with_wrong = Ensemble.of(wrong, knows, part), Ensemble.of(knows, wrong, part)
    assert with_knowing.weight > 1 and with_wrong.weight < 1
    assert ndcg(wrong) < ndcg(knows) == ndcg(with_knowing) == ndcg(with_wrong)
