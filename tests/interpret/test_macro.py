"""Concepts against categories, on concepts whose answer is known: perfect, random, collapsed."""

import numpy as np
import pytest
from helpers import users
from scipy import sparse

from macrid.interpret import macro


@pytest.fixture
def category(rng):
    return rng.integers(0, 4, 400)


def test_concepts_that_are_the_categories_renamed_are_perfect(category):
    C = np.eye(4)[(category + 1) % 4]
    scores = macro.concept_scores(C, category)
    assert scores["accuracy"] == scores["ari"] == pytest.approx(1) and scores[
        "nmi"
    ] == pytest.approx(1)
    assert macro.match(C.argmax(axis=1), category) == {k: (k - 1) % 4 for k in range(4)}


def test_random_concepts_score_near_nothing(category, rng):
    scores = macro.concept_scores(rng.random((400, 4)), category)
    assert scores["accuracy"] < 0.4 and abs(scores["ari"]) < 0.05 and scores["nmi"] < 0.05


def test_collapse_shows(category):
    scores = macro.concept_scores(np.eye(4)[np.zeros(400, int)], category)
    assert (
        scores["largest"] == 1
        and scores["ari"] == 0
        and scores["nmi"] == pytest.approx(0, abs=1e-12)
    )


def test_more_concepts_than_categories_leaves_some_unmatched(category):
    halves = category + 4 * (np.arange(400) % 2)  # each category in two concepts
    scores = macro.concept_scores(np.eye(8)[halves], category)
    assert 0.45 < scores["accuracy"] < 0.6


def test_confidence_and_intentions():
    C = np.eye(3)[[0, 0, 1, 1, 2, 2]]
    category = np.array([2, 2, 0, 0, 1, 1])  # concept 0 is category 2, and so on
    X = users([(0, 1, 2), (4,)], 6)
    np.testing.assert_array_equal(macro.confidence(X, C), [[2, 1, 0], [0, 0, 1]])
    intentions = np.array(
        [[0.5, 0, 0.5], [0.5, 0.5, 0]]
    )  # the second user has bought nothing of category 0 yet
    np.testing.assert_array_equal(macro.intention_scores(X, C, category, intentions), [1.0, 0.5])
    np.testing.assert_array_equal(
        macro.intention_scores(X[[1]], C, category, np.array([[1.0, 0, 0]])), [0.0]
    )


def test_greedy_matching_takes_the_nearest_pair_first():
    m = np.array([[0.9, 0.0], [1.0, 0.0]])
    H = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    categories = sparse.csr_array(np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]]))
    assert macro.match_greedily(m, H, categories) == {
        1: 0,
        0: 1,
    }, "prototype 1 is nearer to category 0; the empty category is nobody's"


def test_items_of_several_categories_have_no_single_one():
    categories = sparse.csr_array(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]]))
    among = macro.frequent(categories, 2)
    assert among.tolist() == [0, 1]
    assert macro.single_category(categories, among).tolist() == [0, -1, -1, 1, 1]


def test_troubles_name_dead_and_duplicate_concepts():
    C = np.eye(3)[np.zeros(200, int)]
    found = macro.troubles(np.array([[1.0, 0], [0.99, 0.05], [0, 1.0]]), C)
    assert len(found[0]) == 1 and "concept 1" in found[0][0]
    assert len(found[1]) == 2 and "Almost unused" in found[1][0]
    assert len(found[2]) == 1 and "Almost unused" in found[2][0]


def test_strongest_components():
    X, C = (
        sparse.csr_array(np.array([[1, 1, 0], [0, 0, 1]])),
        np.array([[0.9, 0.1, 0], [0.6, 0.4, 0], [0, 0.2, 0.8]]),
    )
    assert macro.strongest(X, C).tolist() == [[0, 1], [2, 1]]
