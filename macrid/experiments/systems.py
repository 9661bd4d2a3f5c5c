r"""The rows of the paper's tables: each a name, a phrase, and how to go from one split of the data
to figures of its test users.

A row of the model is the full model's configuration with some fields changed; a baseline is a class
of `macrid.baselines` with its options. Everything a row needs is found in the `Config` that it is
given, so that it can be run in another process.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from macrid import backend as backends
from macrid import baselines, run_folder
from macrid import config as configs
from macrid.baselines import multivae
from macrid.data import shop
from macrid.errors import UserError
from macrid.evaluation.metrics import evaluate, evaluate_ranking, summary
from macrid.interpret import truth
from macrid.model.scoring import ranker
from macrid.training import fit

PAPER_MIN_USER_ITEMS = 15
CATEGORY_WEIGHT = 0.5  # where the data is not the shop: see docs/semantics.md
BETAS = (0.01, 0.2, 1.0, 5.0, 20.0)
SMALL = {
    "batch_size": 100,
    "max_epochs": 500,
    "patience": 25,
    "item_dropout": 0.2,
}  # for some hundred or thousand users; see docs/results.md


@dataclass(frozen=True)
class System:
    """One row of a table.

    name     what --systems, tables and files call it
    says     what it is, for the reader
    score    (config, options) -> (test users (n,), figures of each {"ndcg@100": (n,), ...}, a dict
             of what else was seen)
    changes  full model's config -> the fields that make this row of it
    options  a baseline's options, by keyword
    needs    which of 'pictures' and 'categories' the data must have
    seeded   does it depend on the seed?
    beta     with `series`, the place of the row in Figure 5
    """

    name: str
    says: str
    score: Callable
    changes: Callable = lambda config: {}
    options: dict = field(default_factory=dict)
    needs: tuple = ()
    seeded: bool = True
    series: str = ""
    beta: float | None = None


def score_model(config, options=None):
    """Train the model of `config`, keep the epoch of the best validation NDCG@100, and score the
    test users.
    """
    split, targets = run_folder.prepare(_interactions(_of_the_data(config)), config)
    features = None
    if config.start == "pictures":
        features = tuple(values[split.items] for values in _features(_of_the_data(config)))
    state = fit.fit(split, config, targets, fit.start(split, config, features, targets))
    ranked = ranker(state.best, config)
    seen = {
        "validation": summary(evaluate_ranking(ranked, split.validation))["ndcg@100"]["mean"],
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "items": len(split.items),
        "independence": truth.independence_scores(split, state.best, config),
    }
    return split.test.users, evaluate_ranking(ranked, split.test), seen


def score_baseline(cls, config, options):
    """Fit a baseline on the training users, with the validation users to stop by, and score the
    test users.
    """
    split, _ = run_folder.prepare(
        _interactions(_of_the_data(config)), config.replace(category_weight=0.0)
    )
    epochs = []
    xp = backends.load(config.backend, config.precision)
    fitted = cls.fit(
        split.train,
        split.validation,
        seed=config.seed,
        xp=xp,
        on_epoch=lambda epoch, figures: epochs.append(epoch),
        **options,
    )
    seen = {
        "validation": summary(evaluate(fitted.scores, split.validation))["ndcg@100"]["mean"],
        "items": len(split.items),
    }
    if epochs:
        seen["epochs"] = epochs[-1]
    if cls is baselines.MultiVAE:
        seen["independence"] = _multivae_independence(fitted.parameters, split)
    return split.test.users, evaluate(fitted.scores, split.test), seen


def _baseline(name, cls, says, seeded=True, **options):
    return System(name, says, partial(score_baseline, cls), options=options, seeded=seeded)


def _model(name, says, changes=lambda config: {}, needs=()):
    return System(name, says, score_model, changes, needs=needs)


def _without_pictures(config):
    """A random start, with the deviation that suits it where the full model's suits pictures."""
    return (
        {"start": "random", "init_deviation": configs.Config.init_deviation}
        if config.start == "pictures"
        else {}
    )


def _without_categories(config):
    return {"category_weight": 0.0}


def _plain(config):
    return _without_pictures(config) | _without_categories(config)


TABLE2 = (
    _baseline(
        "popularity",
        baselines.Popularity,
        "the number of adopters, the same for everyone",
        seeded=False,
    ),
    _baseline(
        "ItemKNN",
        baselines.ItemKNN,
        "items like the user's, by cosine of their adopters",
        seeded=False,
        neighbours=100,
    ),
    _baseline(
        "EASE",
        baselines.EASE,
        "a linear map of items to items, in closed form",
        seeded=False,
        regularisation=100.0,
    ),
    _baseline(
        "Ridge", baselines.Ridge, "a linear map as EASE's, without its constraint", seeded=False
    ),
    _baseline("MultiDAE", baselines.MultiDAE, "a denoising autoencoder", **SMALL, l2=2e-3),
    _baseline(
        "MultiVAE",
        baselines.MultiVAE,
        "a variational autoencoder without concepts",
        **SMALL,
        hidden=(),
        learning_rate=2e-3,
        beta=0.5,
        anneal_steps=200,
    ),
    _baseline("DGCF", baselines.DGCF, "a graph of users and items, its edges routed to intents"),
    _model("MacridVAE", "the model without semantics: a random start, no categories", _plain),
    _model(
        "MacridVAE+linear",
        "MacridVAE with a linear path beside it",
        lambda config: _plain(config) | {"linear_path": 0.5},
    ),
    _model(
        "SEM-MacridVAE",
        "the full model: starts from pictures, taught by categories",
        needs=("pictures", "categories"),
    ),
    _model(
        "SEM-MacridVAE-visual", "starts from pictures", _without_categories, needs=("pictures",)
    ),
    _model(
        "SEM-MacridVAE-categorical",
        "taught by categories",
        _without_pictures,
        needs=("categories",),
    ),
    _model(
        "SEM-MacridVAE+linear",
        "with what the data has, and a linear path beside it",
        lambda config: {"linear_path": 0.5},
    ),
)

TABLE3 = (
    _model("SEM-MacridVAE", "the full model, with what the data has of pictures and categories"),
    _model("without-macro", "one concept", lambda c: {"K": 1}),
    _model(
        "without-macro-wide",
        "one concept, with as many numbers a user as all had",
        lambda c: {"K": 1, "d": c.K * c.d},
    ),
    _model("without-micro", "no KL term", lambda c: {"beta": 0.0}),
    _model("without-visual", "a random start", _without_pictures, needs=("pictures",)),
    _model(
        "without-categorical",
        "not taught by categories",
        _without_categories,
        needs=("categories",),
    ),
    _model("without-both", "MacridVAE", _plain, needs=("pictures", "categories")),
    _model(
        "without-gumbel-noise",
        "concepts are not sampled in training",
        lambda c: {"gumbel_noise": False},
    ),
    _model(
        "one-hot-at-test",
        "the most likely concept alone at test time, as Algorithm 1 has it",
        lambda c: {"hard_concepts": True},
    ),
    _model(
        "inner-product", "instead of the cosine (section 4.3.2)", lambda c: {"similarity": "inner"}
    ),
    _model(
        "start-adoptions",
        "starts from who adopted what instead of pictures",
        lambda c: {"start": "adoptions"},
    ),
    _model(
        "start-to-the-letter",
        "equation (10) without whitening",
        lambda c: {"whiten": False},
        needs=("pictures",),
    ),
    _model("sigma0-halved", "half the prior's deviation", lambda c: {"sigma0": c.sigma0 / 2}),
    _model("sigma0-doubled", "twice the prior's deviation", lambda c: {"sigma0": c.sigma0 * 2}),
    _model("sigma0-one", "a prior N(0, I), as in the authors' code", lambda c: {"sigma0": 1.0}),
    _model(
        "free-mu",
        "mu = a instead of a / ||a||, as in the authors' code",
        lambda c: {"unit_mu": False},
    ),
    _model(
        "kl-mean",
        "the KL term averaged over concepts, as in the authors' code, not summed",
        lambda c: {"beta": c.beta / c.K},
    ),
    _model(
        "item-dropout",
        "half of a user's items hidden from the encoder, as in the authors' code",
        lambda c: {"item_dropout": 0.5},
    ),
    _model(
        "other-depth",
        "one tanh layer in f_nn where the full model has none, none where it has some",
        lambda c: {"hidden_layers": int(not c.hidden_layers)},
    ),
)


def figure5(betas=BETAS):
    """The rows of Figure 5: the model, without semantics, and MultiVAE, at each beta."""
    rows, named = [], {row.name: row for row in TABLE2}
    for base in (TABLE3[0], named["MacridVAE"], named["MultiVAE"]):
        for beta in betas:
            changes = partial(_with_beta, base.changes, beta)
            options = base.options | {"beta": beta} if base.options else {}
            rows.append(
                System(
                    f"{base.name}-beta-{beta:g}",
                    base.says,
                    base.score,
                    changes,
                    options,
                    series=base.name,
                    beta=beta,
                )
            )
    return tuple(rows)


def _with_beta(changes, beta, config):
    return changes(config) | {"beta": beta}


def full_model(given):
    """The full model's `Config` for the options `given`, with what the data has; the data; and what
    is missing, in words.

    Returns (config, interactions, {need: why it is not met}). The paper's threshold of 15 adoptions
    a user is the default, and a MovieLens folder's posters are taken where --alexnet is given.
    """
    defaults = (
        shop.OPTIONS
        if given.get("data", "shop") == "shop"
        else {"category_weight": CATEGORY_WEIGHT}
    )
    config = configs.from_dict({"min_user_items": PAPER_MIN_USER_ITEMS, **defaults, **given})
    interactions = run_folder.load_data(config)
    posters = Path(config.data) / "posters"
    if config.alexnet and not (config.pictures or config.features) and posters.is_dir():
        config = config.replace(pictures=str(posters))
    missing = {}
    if interactions.categories is None:
        missing["categories"] = f"{config.data} has no categories; --categories names some"
    elif config.category_weight == 0:
        missing["categories"] = "--category-weight is 0"
    if not (interactions.has_pictures or config.features or (config.pictures and config.alexnet)):
        missing["pictures"] = (
            "no features of pictures were given; --features FILE, or --pictures DIR and --alexnet"
            " FILE"
        )
    changes = {"start": "random" if "pictures" in missing else "pictures"}
    if "categories" in missing:
        changes["category_weight"] = 0.0
    return config.replace(**changes), interactions, missing


def option_names(system):
    """The options that a row takes: fields of `Config`, or the keywords of a baseline's `fit`."""
    if system.score is score_model:
        return {field.name for field in fields(configs.Config)} - {
            *configs.option_names(about="data"),
            "split",
            "split_seed",
            "seed",
        }
    keywords = inspect.signature(system.score.args[0].fit).parameters.values()
    return {one.name for one in keywords if one.kind is one.KEYWORD_ONLY} - {
        "seed",
        "xp",
        "on_epoch",
    }


def settled(system, config, given):
    """(config, options) of a row: of the full model's `config`, with the row's changes and then the
    options `given` for it.
    """
    for name in given:
        if name not in option_names(system):
            raise UserError(
                f"options of {system.name}: unknown '{name}'; known are"
                f" {', '.join(sorted(option_names(system)))}"
            )
    if system.score is score_model:
        return (
            configs.from_dict(
                {**vars(config), **system.changes(config), **given}, where=system.name
            ),
            {},
        )
    keywords = inspect.signature(system.score.args[0].fit).parameters
    defaults = {name: keywords[name].default for name in sorted(option_names(system))}
    return config.replace(start="random"), defaults | system.options | given


def _of_the_data(config):
    return tuple((name, getattr(config, name)) for name in configs.option_names(about="data"))


@lru_cache(maxsize=1)
def _interactions(of_the_data):
    return run_folder.load_data(configs.from_dict(dict(of_the_data)))


@lru_cache(maxsize=1)
def _features(of_the_data):
    interactions = _interactions(of_the_data)
    return all_features(
        interactions, configs.from_dict(dict(of_the_data)).replace(start="pictures")
    )[0]


def all_features(interactions, config, progress=None):
    """Features of all items, (values (M, p), known (M,)), and lines that describe them; see
    `run.item_features`.
    """
    return run_folder.item_features(
        interactions, np.arange(len(interactions.items)), config, progress
    )


def _multivae_independence(parameters, split, seed=0):
    """As `truth.independence_scores`, of the code's mean and samples, and of the items' rows of the
    last layer.
    """
    rng, users = truth.some_users(split, seed)
    h = backends.to_host(multivae.encode(parameters, split.train[users])[0])
    mu, b = np.split(h, 2, axis=1)
    last = max(
        (name for name in parameters if name.startswith("pW")), key=lambda name: int(name[2:])
    )
    return truth.independence_of(
        mu[:, None], np.exp(-0.5 * b)[:, None], backends.to_host(parameters[last]).T, rng
    )
