"""What `python -m macrid.reproduce suite` runs: macrid as it comes, and peers, on many data sets.

A unit is a fit of one system on one fold of one data set with one seed, in a process of its own, so
that its memory can be told. A fit may give several rows: macrid's what is recommended and the model
by itself, MultiVAE's its sums with linear maps. What a peer can choose it chooses by the validation
users of every fold.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from macrid import backend as backends
from macrid import run_folder, suited
from macrid.baselines import EASE, ItemKNN, MultiVAE, Neighbours, Popularity, Ridge
from macrid.baselines.ensemble import Ensemble
from macrid.config import Config, option_names, read_toml
from macrid.data import Interactions
from macrid.errors import UserError, meant
from macrid.evaluation.metrics import by_scores, evaluate, evaluate_ranking, summary
from macrid.experiments import outside, systems
from macrid.experiments.planning import Unit
from macrid.experiments.systems import Result, System
from macrid.model.scoring import ranker
from macrid.training import fit, linear_path
from macrid.training.ridge import MOST_EXACT

FOLDS = 5
OF_SHORT = 2  # folds of a data set that is named in --short
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".dat", ".inter")


@dataclass(frozen=True)
class DataSet:
    """A data set: its name in tables, how it is read, and how much of it is run.

    given         options that are given for it, "data" among them
    folds, seeds  the first of the `FOLDS` folds; the seeds of systems that have randomness
    """

    name: str
    given: dict
    interactions: Interactions
    folds: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class SuiteUnit(Unit):
    """A `Unit` of a data set; hashes are {data set: those of a `Unit`}."""

    data: str = ""

    @property
    def name(self) -> str:
        """Of its file, such as "steam.EASE.fold0"."""
        return f"{self.data}.{super().name}"

    def made_of(self, hashes) -> dict:
        """As `Unit.made_of`; of a peer without the options of the model."""
        made_of = super().made_of(hashes[self.data])
        if "decided" in self.options:
            return made_of
        of_model = {name for about in ("model", "training") for name in option_names(about=about)}
        no_part = of_model - {"seed"} - {*self.options}
        return {name: value for name, value in made_of.items() if name not in no_part}


def data_sets(
    paths: Sequence[str],
    options: str | None = None,
    folds: int = FOLDS,
    seeds: Sequence[int] = (0,),
    short: Sequence[str] = (),
) -> list[DataSet]:
    """Read the data sets of `paths`.

    options  a TOML file with a table of options for each data set that needs some, by its name
    short    names of those of which `OF_SHORT` folds and the first seed are enough
    """
    names = [name_of(path) for path in paths]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"--data: two data sets are called {twice}; rename a file or a folder")
    tables = read_toml(options) if options else {}
    for where, several in ((options, tables), ("--short", short)):
        for name in several:
            if name not in names:
                hint = meant(name, names)
                raise UserError(f"{where}: there is no data set '{name}'; {hint}")
    sets = []
    for name, path in zip(names, paths):
        given = {"data": path, **tables.get(name, {})}
        interactions = run_folder.load_data(run_folder.fresh(given))
        few = name in short
        its_seeds = tuple(dict.fromkeys(seeds))[: 1 if few else None]
        its_folds = min(folds, OF_SHORT) if few else folds
        sets.append(DataSet(name, given, interactions, its_folds, its_seeds))
    return sets


def name_of(path: str) -> str:
    """What a data set is called: its folder, or its file unless that is just 'ratings'.

    >>> name_of("data/ml-latest-small"), name_of("steam/ratings.csv"), name_of("shop.csv")
    ('ml-latest-small', 'steam', 'shop')
    """
    place = Path(path)
    name = place.stem if place.suffix in SUFFIXES else place.name
    return place.absolute().parent.name if name == "ratings" else name


def plan(
    data: Sequence[DataSet], named: Sequence[str] = ()
) -> tuple[list[SuiteUnit], dict[str, dict[str, str]]]:
    """The units in the order in which they are run, and {data set: {row: why it is left out}}.

    `named` are the systems to run, all where there are none. Every data set has its first seed
    before a second begins.
    """
    known = [system.name for system in SYSTEMS]
    unknown = next((name for name in named if name not in known), None)
    if unknown:
        raise UserError(f"--systems: there is no '{unknown}'; {meant(unknown, known)}")
    units: list[SuiteUnit] = []
    left_out: dict[str, dict[str, str]] = {}
    for turn in range(max(len(one.seeds) for one in data)):
        for one in data:
            chosen, left_out[one.name] = _systems(one, named)
            units += [
                _unit(one, system, fold, seed)
                for seed in one.seeds[turn : turn + 1]
                for fold in range(one.folds)
                for system in chosen
                if system.seeded or turn == 0
            ]
    return units, left_out


def _systems(data, named):
    """The systems for a data set, and {row: why it is left out}."""
    config, (N, M) = run_folder.fresh(data.given), data.interactions.X.shape
    side, of_training = min(N, M), (N * (FOLDS - 2) // FOLDS, M)
    has_semantics = config.start == "pictures" or config.category_weight > 0
    no = {}
    if not outside.is_installed():
        no["implicit"] = outside.MISSING
    if side > EASE.most:
        no["EASE"] = f"it inverts a matrix of {side:,} by {side:,}, more than {EASE.most:,}"
    chosen: list[System] = []
    left_out: dict[str, str] = {}
    for system in SYSTEMS:
        if named and system.name not in named:
            continue
        if "semantics" in system.needs and not has_semantics:
            continue  # it would be macrid again
        if "many" in system.needs and min(of_training) <= MOST_EXACT:
            continue  # it would be about EASE again
        reasons = [no[need] for need in system.needs if need in no]
        if reasons:
            left_out |= dict.fromkeys(system.rows, "; ".join(reasons))
            continue
        if system is MULTIVAE and "EASE" in no:
            *rows, last = system.rows
            left_out[last] = no["EASE"]
            system = _multivae(*rows)
        chosen.append(system)
    return chosen, left_out


def _unit(data, system, fold, seed):
    config = run_folder.fresh(data.given)
    config = config.replace(**system.changes(config))
    split = f"kfold:{fold}/{FOLDS}"
    config = config.replace(split=split, seed=seed if system.seeded else 0)
    options = dict(system.options)
    if system.rows[0].startswith("macrid"):
        options["decided"] = sorted(run_folder.decided(data.given) | {*system.changes(config)})
    return SuiteUnit(system, config, options, f"fold{fold}", data.name)


class Fits:
    """The rows of a unit as they are fitted: their metrics, and what they cost until then."""

    def __init__(self, split):
        self.split = split
        self.metrics: dict[str, np.ndarray] = {}
        self.rows: dict[str, dict] = {}
        self.cpu = self.wall = 0.0

    def timed(self, call: Callable, *arguments, **options):
        """What a call returns; its time is counted."""
        cpu, wall = time.process_time(), time.perf_counter()
        value = call(*arguments, **options)
        self.cpu += time.process_time() - cpu
        self.wall += time.perf_counter() - wall
        return value

    def add(self, name: str, rank: Callable, **facts) -> None:
        """A row that ranks by `rank(fold_in, k)`; `facts` are to be told of it."""
        cost = {"cpu": self.cpu, "wall": self.wall, "peak_mb": peak_mb()}
        validation = summary(evaluate_ranking(rank, self.split.validation))["ndcg@100"]["mean"]
        self.rows[name] = {**cost, **facts, "validation": validation}
        for metric, values in evaluate_ranking(rank, self.split.test).items():
            self.metrics[f"{name}/{metric}"] = values

    def result(self) -> Result:
        """What the unit gives."""
        first = next(iter(self.rows.values()))
        facts = {"validation": first["validation"], "items": len(self.split.items)}
        return Result(self.split.test.users, self.metrics, facts | {"rows": self.rows})


def peak_mb() -> float:
    """The most memory of this process until now, in MB of 10^6 bytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would tell also of the program that started this one
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource  # Windows has none

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 1e6


def score_macrid(rows: Sequence[str], config: Config, options: dict) -> Result:
    """What `python -m macrid.train` makes of the data, and its model without the linear path."""
    interactions = run_folder.load_data(config)
    split, targets = run_folder.prepare(interactions, config)
    settings, _ = suited.fill(config, options["decided"], split.train)
    features = None
    if settings.start == "pictures":
        (values, known), _ = systems.all_features(interactions, settings)
        features = values[split.items], known[split.items]
    alone = settings.replace(linear_path=0.0)
    fits = Fits(split)
    state = fits.timed(fit.start, split, alone, features, targets)
    state = fits.timed(fit.fit, split, alone, targets, state)
    best, path = state.best, {"lambda": 0.0, "weight": 0.0}
    recommended, model = rows
    fits.add(model, ranker(best, alone), epochs=state.epoch, options=_changed(config, settings))
    if settings.linear_path:
        best, path, *_ = fits.timed(linear_path.add, best, split, settings)
    shown = {name: path[name] for name in ("lambda", "weight")}
    fits.add(recommended, ranker(best, settings), options=_in_words(shown))
    return fits.result()


def score_peer(rows: Sequence[str], cls, config: Config, options: dict) -> Result:
    """A peer, with the one of `options["tries"]` that ranks best for the validation users."""
    split = _split(config)
    xp = backends.load(config.backend, config.precision)
    best: tuple = ()
    best_ndcg, seconds = -1.0, 0.0
    for chosen in options["tries"]:
        fits = Fits(split)
        train = (split.train, split.validation)
        fitted = fits.timed(cls.fit, *train, seed=config.seed, xp=xp, **chosen)
        ndcg = summary(evaluate(fitted.scores, split.validation))["ndcg@100"]["mean"]
        seconds += fits.cpu
        if ndcg > best_ndcg:
            best, best_ndcg = (fits, fitted, chosen), ndcg
    fits, fitted, chosen = best
    if hasattr(fitted, "regularisation"):  # which `fit` has chosen
        chosen = {"regularisation": fitted.regularisation}
    rank, tries = by_scores(fitted.scores), len(options["tries"])
    fits.add(rows[0], rank, options=_in_words(chosen), tries=tries, cpu_of_tries=seconds)
    return fits.result()


def score_multivae(rows: Sequence[str], config: Config, options: dict) -> Result:
    """MultiVAE, and its ensembles with linear maps: with that of the linear path, and with EASE."""
    split = _split(config)
    xp = backends.load(config.backend, config.precision)
    train = (split.train, split.validation)
    fits = Fits(split)
    model = fits.timed(MultiVAE.fit, *train, seed=config.seed, xp=xp, **options)
    fits.add(rows[0], by_scores(model.scores))
    cpu, wall = fits.cpu, fits.wall
    kinds: tuple[Any, ...] = (linear_path.regression(split.train), EASE)
    for name, cls in zip(rows[1:], kinds):
        fits.cpu, fits.wall = cpu, wall
        linear = fits.timed(cls.fit, *train, regularisation=None, xp=xp)
        both = fits.timed(Ensemble.of, model, linear, split.validation)
        fits.add(name, by_scores(both.scores), options=_in_words({"weight": both.weight}))
    return fits.result()


def _split(config):
    split, _ = run_folder.prepare(run_folder.load_data(config), config)
    return split


def _changed(before, after):
    """The options that another configuration has otherwise, in words."""
    values = asdict(after).items()
    return ", ".join(f"{name} {value}" for name, value in values if value != getattr(before, name))


def _in_words(options):
    return ", ".join(f"{name} {value:g}" for name, value in options.items() if value is not None)


def _peer(name, cls, description, *needs, tries, seeded=False):
    score = partial(score_peer, (name,), cls)
    options = {"tries": tries}
    return System(
        name, description, score, _plain, options, needs=needs, seeded=seeded, rows=(name,)
    )


def _plain(config):
    """A peer knows of no pictures and of no categories."""
    return {"start": "random", "category_weight": 0.0}


def _macrid(name, model, description, changes, *needs):
    score = partial(score_macrid, (name, model))
    return System(name, description, score, changes, needs=needs, rows=(name, model))


def _multivae(*rows):
    table2 = {row.name: row for row in systems.TABLE2}
    score = partial(score_multivae, rows)
    text = "a variational autoencoder; beside it its ensembles with Ridge and EASE"
    return System("MultiVAE", text, score, _plain, table2["MultiVAE"].options, rows=rows)


MULTIVAE = _multivae("MultiVAE", "MultiVAE+Ridge", "MultiVAE+EASE")
SIMPLE = ("popularity", "ItemKNN", "BM25", "ALS", "Ridge", "EASE", "Neighbours")  # no network
SYSTEMS = (
    _peer("popularity", Popularity, "the number of adopters", tries=[{}]),
    _peer(
        "ItemKNN",
        ItemKNN,
        "nearest items by cosine",
        tries=[{"neighbours": neighbours} for neighbours in (20, 50, 100, 200)],
    ),
    _peer(
        "BM25",
        outside.BM25,
        "nearest items, users weighted as words of a text (implicit)",
        "implicit",
        tries=[
            {"neighbours": neighbours, "K1": K1, "B": B}
            for neighbours in (20, 100, 500)
            for K1 in (1.2, 100)
            for B in (0, 0.2)
        ],
    ),
    _peer(
        "ALS",
        outside.ALS,
        "matrix factorisation (implicit)",
        "implicit",
        tries=[
            {"factors": factors, "confidence": confidence, "regularisation": regularisation}
            for factors in (32, 64, 128)
            for confidence, regularisation in ((1, 3), (1, 10), (10, 10), (10, 50), (10, 100))
        ],
        seeded=True,
    ),
    _peer("Ridge", Ridge, "a linear map of items to items", tries=[{}]),
    _peer(
        "EASE",
        EASE,
        "a linear map without its diagonal",
        "EASE",
        tries=[{"regularisation": None}],
    ),
    _peer(
        "Neighbours",
        Neighbours,
        "each item regressed on its nearest: the linear path of many users and items",
        "many",
        tries=[{}],
    ),
    MULTIVAE,
    _macrid(
        "macrid",
        "model",
        "what macrid.train recommends by; and its model without the linear path",
        lambda config: {},
    ),
    _macrid(
        "macrid-plain",
        "model-plain",
        "both without pictures and categories, started from adoptions",
        systems.from_adoptions,
        "semantics",
    ),
)
