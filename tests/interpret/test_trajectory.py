"""Section 3.5: the range of a dimension, its subranges, equation (12), the walk."""

import numpy as np
import pytest

from macrid.errors import UserError
from macrid.interpret import trajectory
from macrid.interpret.trajectory import Space
from macrid.model.ops import normalise


def directions(rng, n, d):
    return normalise(rng.standard_normal((n, d)))[0]


def random_space(rng, M=60, K=3, d=4, tau=0.1, cosine=True):
    H, m = (directions(rng, n, d) if cosine else rng.standard_normal((n, d)) for n in (M, K))
    return Space(H, m, tau, cosine, (H @ m.T).argmax(axis=1))


@pytest.mark.parametrize("cosine", [True, False])
def test_binary_search_finds_the_range_that_a_scan_finds(rng, cosine):
    for _ in range(40):
        space = random_space(rng, cosine=cosine)
        h, j = space.H[0], int(rng.integers(4))
        a, b, k = trajectory.nearest_range(h, j, space.m, -2.0 + cosine, 2.0 - cosine, cosine)
        low, high, same = trajectory.nearest_range_plain(
            h, j, space.m, -2.0 + cosine, 2.0 - cosine, cosine, points=4001
        )
        assert k == same and a <= low <= high <= b
        assert low - a < 1e-3 and b - high < 1e-3, "at most a step of the scan's grid"


def test_at_both_ends_another_prototype_is_as_near(rng):
    space = random_space(rng, K=6)
    h = space.H[0]
    a, b, k = trajectory.nearest_range(h, 0, space.m)
    for end in (end for end in (a, b) if abs(end) < 1):
        nearness = np.sort(space.m @ trajectory.turned(h, 0, end))
        assert nearness[-1] - nearness[-2] < 1e-12


def test_one_concept_has_the_whole_half_circle(rng):
    assert trajectory.nearest_range(directions(rng, 1, 4)[0], 1, directions(rng, 1, 4)) == (
        -1.0,
        1.0,
        0,
    )


def test_turning_sets_one_coordinate_and_keeps_the_ratios_of_the_others(rng):
    h = directions(rng, 1, 5)[0]
    turned = trajectory.turned(h, 2, 0.7)
    assert turned[2] == 0.7 and turned @ turned == pytest.approx(1)
    ratios = np.delete(turned, 2) / np.delete(h, 2)
    np.testing.assert_allclose(ratios, ratios[0])
    np.testing.assert_allclose(trajectory.turned(h, 2, h[2]), h)
    assert np.array_equal(np.delete(trajectory.turned(h, 2, 7.0, cosine=False), 2), np.delete(h, 2))


def test_subranges_hold_equally_many(rng):
    values = rng.random(800)
    edges = trajectory.subranges(values, 0.0, 1.0, 8)
    counts = [
        ((values > left) & (values <= right)).sum() for left, right in zip(edges[:-1], edges[1:])
    ]
    assert counts == [100] * 8 and edges[0] == 0 and edges[-1] == 1


@pytest.mark.parametrize(
    "values, B, edges",
    [
        ([], 3, [0.0]),  # no item: no subrange
        ([0.4], 3, [0.0, 1.0]),  # fewer items than steps
        ([0.2, 0.4, 0.4], 3, [0.0, 0.2, 1.0]),  # equal values share a subrange
        ([0.5] * 9 + [0.6], 2, [0.0, 0.5, 1.0]),  # a tie that is most of the items
        ([0.0, 1.0, 1.1], 2, [0.0, 1.0]),  # (a, b]: 0 lies outside, 1 inside
        ([0.1, 0.2, 0.3, 0.4], 2, [0.0, 0.2, 1.0]),
    ],
)
def test_subranges_by_hand(values, B, edges):
    np.testing.assert_array_equal(trajectory.subranges(np.array(values), 0.0, 1.0, B), edges)


def test_no_subrange_is_empty_whatever_the_ties(rng):
    for _ in range(200):
        values = rng.integers(0, 6, rng.integers(1, 20)) / 6
        edges = trajectory.subranges(values, -0.1, 1.0, int(rng.integers(1, 9)))
        assert all(
            ((values > left) & (values <= right)).any()
            for left, right in zip(edges[:-1], edges[1:])
        )


def test_objective_by_hand():
    """Two items at right angles, one of them the start: e^(1/tau) + e^0 + gamma e^0, times
    e^(-1/tau).
    """
    chosen, tau = np.eye(2), 0.5
    expected = (np.exp(1 / tau) + 1 + 3.0 * 1) * np.exp(-1 / tau)
    assert trajectory.objective(chosen, chosen[0], 3.0, tau) == pytest.approx(expected, rel=1e-12)


def test_the_objective_is_equation_12(rng):
    """The two sums as they stand, for five items of six dimensions."""
    chosen, start, gamma, tau = directions(rng, 5, 6), directions(rng, 1, 6)[0], 0.7, 0.3
    first = sum(np.exp(h @ start / tau) for h in chosen)
    second = sum(np.exp(chosen[t] @ chosen[s] / tau) for s in range(5) for t in range(s))
    assert trajectory.objective(chosen, start, gamma, tau) == pytest.approx(
        (first + gamma * second) * np.exp(-1 / tau), rel=1e-12
    )


@pytest.mark.parametrize("gamma", [0.0, 1.0, 20.0])
def test_a_wide_beam_is_exhaustive_and_a_narrow_one_no_better(rng, gamma):
    worse = 0
    for _ in range(30):
        groups = [directions(rng, int(n), 3) for n in rng.integers(1, 5, 5)]
        start = directions(rng, 1, 3)[0]
        best, most = trajectory.exhaustive_search(groups, start, gamma, 0.3)
        places, score = trajectory.beam_search(groups, start, gamma, 0.3, width=4**5)
        np.testing.assert_array_equal(places, best)
        assert score == pytest.approx(most, rel=1e-12)
        greedy, of_greedy = trajectory.beam_search(groups, start, gamma, 0.3, width=1)
        assert of_greedy == pytest.approx(
            trajectory.objective(
                np.array([g[i] for g, i in zip(groups, greedy)]), start, gamma, 0.3
            ),
            rel=1e-12,
        )
        worse += of_greedy < most - 1e-9
    assert (worse == 0) == (gamma == 0), "without smoothness greedy is best; with it, not always"


def test_a_small_tau_does_not_overflow(rng):
    groups = [directions(rng, 4, 3) for _ in range(3)]
    assert np.isfinite(trajectory.beam_search(groups, groups[0][0], 1.0, 1e-4)[1])


def test_a_walk_rises_stays_in_its_concept_and_in_its_range(rng):
    space = random_space(rng, M=200)
    found = trajectory.trajectory(space, space.H[0], 1, 6)
    assert len(found.items) == 6 and (np.diff(found.values) > 0).all()
    assert (space.concept[found.items] == found.concept).all() and found.concept == space.concept[0]
    assert (found.values > found.edges[:-1]).all() and (found.values <= found.edges[1:]).all()


def test_without_smoothness_the_start_itself_is_retrieved(rng):
    space = random_space(rng, M=200)
    found = trajectory.trajectory(space, space.H[0], 1, 6, gamma=0.0)
    assert 0 in found.items, "nothing is nearer to it"


def test_a_small_concept_gives_fewer_steps_and_an_empty_one_none(rng):
    H = directions(rng, 4, 3)
    space = Space(H, directions(rng, 1, 3), 0.1, True, np.zeros(4, int))
    assert sorted(trajectory.trajectory(space, H[0], 0, 8).items) == [0, 1, 2, 3]
    nobody = Space(H, space.m, 0.1, True, np.full(4, 5))
    assert not len(trajectory.trajectory(nobody, H[0], 0, 8).items)


def test_an_unbounded_range_ends_with_the_concepts_items(rng):
    space = Space(
        rng.standard_normal((30, 3)), rng.standard_normal((1, 3)), 0.5, False, np.zeros(30, int)
    )
    found = trajectory.trajectory(space, space.H[0], 2, 30)
    assert len(found.items) == 30 and np.isfinite(found.edges).all()


def test_a_dimension_that_is_not_there_and_no_steps(rng):
    space = random_space(rng)
    with pytest.raises(UserError, match="numbered 0 to 3"):
        trajectory.trajectory(space, space.H[0], 4, 3)
    with pytest.raises(UserError, match="at least 1"):
        trajectory.trajectory(space, space.H[0], 0, 0)


def test_ranking_finds_the_dimension_that_carries_an_attribute(rng):
    space = random_space(rng, M=300, K=1, d=5)
    attributes = np.column_stack([rng.random(300), -space.H[:, 3], rng.random(300)])
    first = trajectory.rank_dimensions(space, 0, attributes=attributes)[0]
    assert (
        first["dimension"] == 3
        and first["attribute"] == 1
        and first["monotone"] > 0.99
        and first["information"] > 1
    )
    stretched = normalise(rng.standard_normal((300, 5)) * [1, 1, 4, 1, 1])[0]
    bare = trajectory.rank_dimensions(Space(stretched, space.m, 0.1, True, np.zeros(300, int)), 0)
    assert bare[0]["dimension"] == 2, "most of the movement is along it"


def test_step_correlation_is_spearmans(rng):
    from scipy.stats import spearmanr

    values = rng.integers(0, 4, (8, 3)).astype(float)
    np.testing.assert_allclose(
        trajectory.step_correlation(values),
        [spearmanr(np.arange(8), column).statistic for column in values.T],
    )
    assert trajectory.step_correlation(np.ones((5, 1))) == 0 and trajectory.step_correlation(
        np.ones((1, 2))
    ).tolist() == [0, 0]
