"""A trained model against what is known of its data: the tables that `macrid.train` ends with."""

import numpy as np

from macrid import model
from macrid.backend import to_host
from macrid.data import Interactions
from macrid.data.splits import Split
from macrid.evaluation.metrics import summary
from macrid.interpret import macro, micro
from macrid.model.ops import normalise

MOST_USERS = 2000  # independence is measured on this many training users at most


def shop_scores(shop: Interactions, split: Split, parameters: dict, config) -> dict:
    r"""Macro and micro scores on the embedded shop, where the truth is known.

    macro       `macro.concept_scores` of C against the items' categories
    intentions  `macro.intention_scores` of the test users' fold-in items, with standard error
    micro       `micro.attribute_scores` of the unit rows of H against the items' attributes
    """
    truth = shop.truth
    assert truth is not None  # only the shop is asked
    C = to_host(model.concepts(parameters, config))
    category, attributes = truth.category[split.items], truth.attributes[split.items]
    H, _ = normalise(to_host(parameters["H"]))
    intentions = truth.intentions[split.test.users]
    named = macro.intention_scores(split.test.fold_in, C, category, intentions)
    return {
        "macro": macro.concept_scores(C, category),
        "intentions": summary({"named": named})["named"],
        "micro": micro.attribute_scores(H, C.argmax(axis=1), category, attributes),
    }


def independence_scores(split: Split, parameters: dict, config, seed: int = 0) -> dict[str, float]:
    r"""Independence of dimensions, section 4.4.1, of what the paper's figure might mean.

    mu, z   of the posterior's means and of samples from it, over training users, averaged over the
            K components
    h       of the unit rows of H over items
    Each with its finite-sample ceiling: what independent normal dimensions would give.
    """
    rng, users = some_users(split, seed)
    mu, sigma = to_host(model.represent(parameters, split.train[users], config))
    return independence_of(mu, sigma, normalise(to_host(parameters["H"]))[0], rng)


def some_users(split: Split, seed: int) -> tuple:
    """A generator, and the rows of at most `MOST_USERS` training users that it drew."""
    rng = np.random.default_rng(seed)
    return rng, rng.permutation(split.train.shape[0])[:MOST_USERS]


def independence_of(mu, sigma, H, rng) -> dict[str, float]:
    """Independence of mu and of z ~ N(mu, sigma^2), (B, K, d), and of H (M, d), with ceilings."""
    z = mu + sigma * rng.standard_normal(mu.shape)
    average = lambda Z: float(np.mean([micro.independence(Z[:, k]) for k in range(Z.shape[1])]))
    return {
        "mu": average(mu),
        "z": average(z),
        "users_ceiling": micro.independence_ceiling(len(mu)),
        "h": micro.independence(H),
        "items_ceiling": micro.independence_ceiling(len(H)),
    }
