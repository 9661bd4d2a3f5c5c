r"""The rows of the paper's tables: a name, a phrase, and how to score it on one split of the data.

A row of the model is the full model's configuration with some fields changed; a baseline is a class
of `macrid.baselines` with its options. Everything that a row needs is found by the `Config` that it
is given, so that it can be run in another process.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from macrid import backend as backends
from macrid import config as configs
from macrid import run_folder
from macrid.baselines import DGCF, EASE, ItemKNN, MultiDAE, MultiVAE, Popularity, Ridge, multivae
from macrid.baselines.ensemble import Ensemble
from macrid.config import Config
from macrid.data import Interactions, shop
from macrid.errors import UserError
from macrid.evaluation.metrics import evaluate, evaluate_ranking, summary
from macrid.interpret import truth
from macrid.model.scoring import ranker
from macrid.training import fit, seeds

PAPER_MIN_USER_ITEMS = 15
CATEGORY_WEIGHT = 0.5  # where the data is not the shop: see docs/semantics.md
BETAS = (0.01, 0.2, 1.0, 5.0, 20.0)
# for some hundred or thousand users; see docs/results.md
FEW_USERS = {"batch_size": 100, "max_epochs": 500, "patience": 25, "item_dropout": 0.2}
WITHOUT_SEED = (Popularity, ItemKNN, EASE, Ridge)  # baselines that draw nothing


@dataclass(frozen=True)
class Result:
    """What one fit of a system gives.

    users    (n,) the test users
    metrics  of each of them: {"ndcg@100": (n,), ...}; "row/ndcg@100" where a fit gives rows
    facts    about the fit: "validation" (NDCG@100), "items", "epochs", "seconds", ...
    """

    users: np.ndarray
    metrics: dict[str, np.ndarray]
    facts: dict


@dataclass(frozen=True)
class System:
    """One row of a table.

    name         what --systems, tables and files call it
    description  what it is, for the reader
    score        (config, options) -> `Result`
    changes      full model's config -> the fields that make this row of it
    options      a baseline's options, by keyword
    needs        which of 'pictures' and 'categories' the data must have
    seeded       does it depend on the seed?
    beta         with `series`, the place of the row in Figure 5
    rows         names of the rows that one fit gives, where there are several: see `suite`
    """

    name: str
    description: str
    score: Callable[[Config, dict], Result]
    changes: Callable[[Config], dict] = lambda config: {}
    options: dict = field(default_factory=dict)
    needs: tuple = ()
    seeded: bool = True
    series: str = ""
    beta: float | None = None
    rows: tuple = ()


def score_model(config: Config, options: dict | None = None) -> Result:
    """Train the model of `config` and score the test users with its best epoch."""
    split, targets = run_folder.prepare(_interactions(_data_options(config)), config)
    features = None
    if config.start == "pictures":
        values, known = _features(_data_options(config))
        features = values[split.items], known[split.items]
    states = [fit.start(split, one, features, targets) for one in seeds.each(config)]
    state, *_ = seeds.fit(split, config, targets, states)
    ranked = ranker(state.best, config)
    facts = {
        "validation": summary(evaluate_ranking(ranked, split.validation))["ndcg@100"]["mean"],
        "epochs": state.epoch,
        "best_epoch": state.best_epoch,
        "items": len(split.items),
        "independence": truth.independence_scores(split, state.best, config),
    }
    return Result(split.test.users, evaluate_ranking(ranked, split.test), facts)


def score_baseline(cls, config: Config, options: dict, linear=None) -> Result:
    """Fit a baseline on the training users, to stop by the validation users, and score the test.

    With `linear`, `Ridge` or EASE, what is scored is the `Ensemble` of both.
    """
    interactions = _interactions(_data_options(config))
    split, _ = run_folder.prepare(interactions, config.replace(category_weight=0.0))
    xp = backends.load(config.backend, config.precision)
    epochs: list[int] = []
    fitted = cls.fit(
        split.train,
        split.validation,
        seed=config.seed,
        xp=xp,
        on_epoch=lambda epoch, _: epochs.append(epoch),
        **options,
    )
    facts: dict = {"items": len(split.items)}
    if epochs:
        facts["epochs"] = epochs[-1]
    if cls is MultiVAE:
        facts["independence"] = _multivae_independence(fitted.parameters, split)
    if linear:
        beside = linear.fit(split.train, split.validation, regularisation=None, xp=xp)
        fitted = Ensemble.of(fitted, beside, split.validation)
        facts["weight"] = fitted.weight
    facts["validation"] = summary(evaluate(fitted.scores, split.validation))["ndcg@100"]["mean"]
    return Result(split.test.users, evaluate(fitted.scores, split.test), facts)


def _baseline(name, cls, description, linear=None, **options):
    score, seeded = partial(score_baseline, cls, linear=linear), cls not in WITHOUT_SEED
    return System(name, description, score, options=options, seeded=seeded)


def _model(name, description, changes: dict | Callable, *needs):
    """A row of the model: `changes` are fields, or a function of the full model's config."""
    function = changes if callable(changes) else lambda config: changes
    return System(name, description, score_model, function, needs=needs)


def _without_pictures(config):
    """A random start, with the deviation that suits it where the full model's suits pictures."""
    if config.start != "pictures":
        return {}
    return {"start": "random", "init_deviation": Config.init_deviation}


def _without_categories(config):
    return {"category_weight": 0.0}


def from_adoptions(config):
    """Without semantics, from who adopted what; on the shop with options that suit this start."""
    own = shop.WITHOUT_SEMANTICS if config.data == "shop" else {}
    return _without_categories(config) | {"start": "adoptions"} | own


def _neither(config):
    return _without_pictures(config) | _without_categories(config)


_OF_MULTIVAE = FEW_USERS | {
    "hidden": (),
    "learning_rate": 2e-3,
    "beta": 0.5,
    "anneal_steps": 200,
}

TABLE2 = (
    _baseline("popularity", Popularity, "the number of adopters, the same for everyone"),
    _baseline(
        "ItemKNN", ItemKNN, "items like the user's, by cosine of their adopters", neighbours=100
    ),
    _baseline("EASE", EASE, "a linear map of items to items, in closed form", regularisation=None),
    _baseline("Ridge", Ridge, "a linear map as EASE's, without its constraint"),
    _baseline("MultiDAE", MultiDAE, "a denoising autoencoder", **FEW_USERS, l2=2e-3),
    _baseline(
        "MultiVAE",
        MultiVAE,
        "a variational autoencoder without concepts",
        **_OF_MULTIVAE,
    ),
    _baseline(
        "MultiVAE+Ridge",
        MultiVAE,
        "its ensemble with Ridge, which tells whether concepts are needed for the sum",
        Ridge,
        **_OF_MULTIVAE,
    ),
    _baseline(
        "MultiVAE+EASE",
        MultiVAE,
        "its ensemble with EASE",
        EASE,
        **_OF_MULTIVAE,
    ),
    _baseline(
        "DGCF",
        DGCF,
        "a graph of users and items, its edges routed to intents",
        K=2,
        d=256,
        l2=0.01,
        learning_rate=3e-3,
    ),
    _model("MacridVAE", "the model without semantics: a random start, no categories", _neither),
    _model(
        "MacridVAE-adoptions",
        "without semantics, as well as it can be: starts from who adopted what",
        from_adoptions,
    ),
    _model(
        "MacridVAE+linear",
        "MacridVAE with a linear path beside it",
        lambda config: _neither(config) | {"linear_path": "chosen"},
    ),
    _model(
        "SEM-MacridVAE",
        "the full model: starts from pictures, taught by categories",
        {},
        "pictures",
        "categories",
    ),
    _model("SEM-MacridVAE-visual", "starts from pictures", _without_categories, "pictures"),
    _model("SEM-MacridVAE-categorical", "taught by categories", _without_pictures, "categories"),
    _model(
        "SEM-MacridVAE+linear",
        "with what the data has, and a linear path beside it",
        {"linear_path": "chosen"},
    ),
)

TABLE3 = (
    _model(
        "SEM-MacridVAE", "the full model, with what the data has of pictures and categories", {}
    ),
    _model("without-macro", "one concept", {"K": 1}),
    _model(
        "without-macro-wide",
        "one concept, with as many numbers a user as all had",
        lambda config: {"K": 1, "d": config.K * config.d},
    ),
    _model("without-micro", "no KL term", {"beta": 0.0}),
    _model("without-visual", "a random start", _without_pictures, "pictures"),
    _model("without-categorical", "not taught by categories", _without_categories, "categories"),
    _model("without-both", "MacridVAE", _neither, "pictures", "categories"),
    _model("without-gumbel-noise", "concepts are not sampled in training", {"gumbel_noise": False}),
    _model(
        "one-hot-at-test",
        "the most likely concept alone at test time, as Algorithm 1 has it",
        {"hard_concepts": True},
    ),
    _model("inner-product", "instead of the cosine (section 4.3.2)", {"similarity": "inner"}),
    _model(
        "start-adoptions",
        "starts from who adopted what instead of pictures",
        {"start": "adoptions"},
    ),
    _model(
        "without-semantics",
        "the same, and not taught by categories",
        from_adoptions,
    ),
    _model("start-to-the-letter", "equation (10) without whitening", {"whiten": False}, "pictures"),
    _model(
        "sigma0-halved", "half the prior's deviation", lambda config: {"sigma0": config.sigma0 / 2}
    ),
    _model(
        "sigma0-doubled",
        "twice the prior's deviation",
        lambda config: {"sigma0": config.sigma0 * 2},
    ),
    _model("sigma0-one", "a prior N(0, I), as in the authors' code", {"sigma0": 1.0}),
    _model("free-mu", "mu = a instead of a / ||a||, as in the authors' code", {"unit_mu": False}),
    _model(
        "kl-mean",
        "the KL term averaged over concepts, as in the authors' code, not summed",
        lambda config: {"beta": config.beta / config.K},
    ),
    _model(
        "item-dropout",
        "half of a user's items hidden from the encoder, as in the authors' code",
        {"item_dropout": 0.5},
    ),
    _model(
        "other-depth",
        "one tanh layer in f_nn where the full model has none, none where it has some",
        lambda config: {"hidden_layers": int(not config.hidden_layers)},
    ),
)


def figure5(betas=BETAS) -> tuple[System, ...]:
    """The rows of Figure 5: the model, without semantics, and MultiVAE, at each beta."""
    rows, named = [], {row.name: row for row in TABLE2}
    for base in (TABLE3[0], named["MacridVAE"], named["MultiVAE"]):
        for beta in betas:
            row = replace(
                base,
                name=f"{base.name}-beta-{beta:g}",
                changes=partial(_with_beta, base.changes, beta),
                options=base.options | {"beta": beta} if base.options else {},
                needs=(),
                series=base.name,
                beta=beta,
            )
            rows.append(row)
    return tuple(rows)


def _with_beta(changes, beta, config):
    return changes(config) | {"beta": beta}


def full_model(given: dict) -> tuple[Config, Interactions, dict[str, str]]:
    """The full model's `Config` for the options `given`; the data; and what is missing, in words.

    What the model has of pictures and categories is what the data has; the last dict is {need: why
    it is not met}. The paper's threshold of 15 adoptions a user is the default, and a MovieLens
    folder's posters are taken where --alexnet is given.
    """
    is_shop = given.get("data", "shop") == "shop"
    defaults = shop.OPTIONS if is_shop else {"category_weight": CATEGORY_WEIGHT}
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
    config = config.replace(start="random" if "pictures" in missing else "pictures")
    if "categories" in missing:
        config = config.replace(category_weight=0.0)
    return config, interactions, missing


def option_names(system: System) -> set[str]:
    """The options that a row takes: fields of `Config`, or the keywords of a baseline's `fit`."""
    if system.score is score_model:
        of_the_table = {*configs.option_names(about="data"), "split", "split_seed", "seed"}
        of_the_table |= {*configs.option_names(about="runs")}
        return set(configs.option_names()) - of_the_table
    return _fit_defaults(system).keys() - {"seed", "xp", "on_epoch"}


def _fit_defaults(system):
    """{keyword: its default} of a baseline's `fit`."""
    cls = system.score.args[0]
    parameters = inspect.signature(cls.fit).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def settled(system: System, full: Config, given: dict) -> tuple[Config, dict]:
    """(config, options) of a row: the full model's, with its changes and then the options `given`.

    The options are a baseline's; a row of the model has all in its config.
    """
    known = option_names(system)
    for name in given:
        if name not in known:
            raise UserError(
                f"options of {system.name}: unknown '{name}'; known are {', '.join(sorted(known))}"
            )
    if system.score is score_model:
        values = {**vars(full), **system.changes(full), **given}
        return configs.from_dict(values, where=system.name), {}
    defaults = _fit_defaults(system)
    options = {name: defaults[name] for name in sorted(known)} | system.options | given
    return full.replace(start="random"), options


def _data_options(config):
    """What the data depend on, as pairs: the key of a cache."""
    return tuple((name, getattr(config, name)) for name in configs.option_names(about="data"))


@lru_cache(maxsize=1)
def _interactions(data_options):
    return run_folder.load_data(configs.from_dict(dict(data_options)))


@lru_cache(maxsize=1)
def _features(data_options):
    config = configs.from_dict(dict(data_options)).replace(start="pictures")
    features, _ = all_features(_interactions(data_options), config)
    return features


def all_features(interactions: Interactions, config: Config, progress=None) -> tuple:
    """Features of all items, (values (M, p), known (M,)), and lines that describe them.

    See `run_folder.item_features`.
    """
    items = np.arange(len(interactions.items))
    return run_folder.item_features(interactions, items, config, progress)


def _multivae_independence(parameters, split, seed=0):
    """As `truth.independence_scores`, of the code and of the items' weights in the last layer."""
    rng, users = truth.some_users(split, seed)
    code, _ = multivae.encode(parameters, split.train[users])
    mu, b = np.split(backends.to_host(code), 2, axis=1)
    sigma = np.exp(-0.5 * b)
    H = backends.to_host(multivae.item_weights(parameters)).T
    return truth.independence_of(mu[:, None], sigma[:, None], H, rng)
