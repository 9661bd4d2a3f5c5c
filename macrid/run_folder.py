"""A run on disk: a folder of config.json, history.jsonl, metrics.json, checkpoint.npz, model.npz.

`choose` says with which options a command trains into a folder, `held` keeps others out of it,
`create` begins it, and `load` reads what was trained there as one `Run`.
"""

import hashlib
import os
import re
import shlex
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from macrid import backend as backends
from macrid import config, data, files
from macrid.config import Config, is_path, option_names
from macrid.data import Interactions, shop, sources, splits
from macrid.data.splits import Split
from macrid.errors import UserError
from macrid.evaluation import metrics
from macrid.model import ensemble, semantics
from macrid.pictures import alexnet, features
from macrid.training import checkpoint, seeds
from macrid.training.fit import State

OF_SEED = re.compile(r"seed-\d+")  # the folder of a model beside the first
FILES = ("config.json", "history.jsonl", "metrics.json", "checkpoint.npz", "model.npz")
OF_USERS = {str: metrics.FORM}
OF_DIMENSIONS = dict.fromkeys(("mu", "z", "h", "users_ceiling", "items_ceiling"), float)
METRICS = {  # of metrics.json, at least
    "final?": {"epochs": int, "users": int, "goes_by": str},
    "validation?": OF_USERS,
    "test?": OF_USERS,
    "model?": OF_USERS,
    "baselines?": {str: OF_USERS},
    "differences?": {str: OF_USERS},
    "macro?": {"accuracy": float},
    "independence?": OF_DIMENSIONS,
    "independence_stderr?": {str: float},
}


@dataclass(frozen=True)
class Run:
    """A trained run: with what options, on which data, how they were split, and what came of it.

    `settings.K` is that of the best parameters: less than config.json says where adaptive_K dropped
    some.
    """

    settings: Config
    interactions: Interactions
    split: Split
    state: State

    @property
    def parameters(self) -> dict:
        """Those of the best epoch, which the model is judged by."""
        return self.state.best


def load(folder, backend: str | None = None) -> Run:
    """The run in a folder, its parameters in the memory of `backend` (default: as trained)."""
    settings = _present(folder, load_config(folder))
    settings = settings.replace(backend=backend) if backend else settings
    xp = backends.load(settings.backend, settings.precision)
    interactions = load_data(settings)
    split, _ = prepare(interactions, settings)
    state = checkpoint.load(Path(folder) / "checkpoint.npz", settings, split)
    if len(ensemble.split(state.best)) < settings.seeds:
        again = f"python -m macrid.train --resume --out {shlex.quote(str(folder))}"
        raise UserError(f"{folder}: not all its seeds are trained; continue it first: {again}")
    state.best = backends.to_device(xp, state.best)
    return Run(settings.replace(K=len(state.best["m"])), interactions, split, state)


def choose(path, given: dict, resume: bool, overwrite: bool) -> Config:
    """The configuration for the options `given` and the run folder `path`, which must be free.

    A folder that holds a run is refused unless `overwrite`, or `resume`, which takes the options
    from it: any that are given must agree, but for those that may change on resume. Paths are
    absolute, so that the run can be used from any folder. Nothing is written yet: see `create`.
    """
    folder = Path(path)
    files.check_folder(folder)
    for name in option_names(about="runs"):
        if given.get(name) and os.path.realpath(given[name]) == os.path.realpath(folder):
            raise UserError(f"{folder}: is {name} and --out at once; give another --out")
    if not (folder / "config.json").is_file():
        if resume:
            raise UserError(
                f"no run to resume in {folder}; check --out, or leave --resume out to begin one"
                " there"
            )
        strangers = sorted(name for name in _names_in(folder) if not _of_a_run(name))
        if strangers and not overwrite:
            raise UserError(f"{folder}: holds '{strangers[0]}' but no run; give --out a new folder")
        return absolute(fresh(given))
    if resume:
        saved = load_config(folder)
        for name, value in given.items():
            before = getattr(saved, name, value)
            if _unchanging(name, before) != _unchanging(name, value):
                raise UserError(
                    f"{folder}: was made with {name} = {before}, not {value}; leave it out, or give"
                    " --overwrite"
                )
        return _present(folder, absolute(saved.replace(**given)))
    if not overwrite:
        state = "a finished run" if (folder / "metrics.json").is_file() else "an unfinished run"
        raise UserError(
            f"{folder}: holds {state}; give --resume to continue it, --overwrite to replace it, or"
            " another --out"
        )
    return absolute(fresh(given))


@contextmanager
def held(path):
    """Hold the run folder, made if it is missing, for this process alone.

    A second training in it is a UserError.
    """
    folder = Path(path)
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(files.locked(folder, wait=False))
        except BlockingIOError:
            raise UserError(
                f"{folder}: another training is at work in it; wait for it, or give another --out"
            ) from None
        try:
            yield
        finally:
            for place in made:  # what came to nothing leaves no folders
                with suppress(OSError):
                    place.rmdir()


def create(path, settings: Config) -> None:
    """Make the run folder, free of an earlier run's files, with its config.json."""
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    of_seeds = [folder / name for name in _names_in(folder) if OF_SEED.fullmatch(name)]
    for place in (folder, *filter(Path.is_dir, of_seeds)):
        for name in _names_in(place):
            if _of_a_run(name):
                (place / name).unlink()
    for place in of_seeds:  # unless something else is in it
        with suppress(OSError):
            place.rmdir()
    save_config(folder, settings)


def save_config(folder, settings: Config) -> None:
    """Write the configuration of a run folder."""
    files.save_json(Path(folder) / "config.json", asdict(settings))


def load_config(folder) -> Config:
    """The configuration of a run folder."""
    path = Path(folder) / "config.json"
    values = files.load_json(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: is damaged (not an object); train again with --overwrite")
    return config.from_dict(values, where=str(path))


def load_metrics(folder) -> dict:
    """metrics.json of a run folder: {"test": {"ndcg@100": {"mean": ..., ...}, ...}, ...}.

    What its readers take from it is there, and is numbers.
    """
    path = Path(folder) / "metrics.json"
    values = files.load_json(path, METRICS)
    test = values.get("test", {})
    beside = {"model": values["model"]} if "model" in values else {}
    for name, baseline in (values.get("baselines", {}) | beside).items():
        if not test.keys() <= baseline.keys():
            raise UserError(
                f"{path}: is damaged ('{name}' lacks a metric); train again with --overwrite"
            )
    return values


def absolute(settings: Config) -> Config:
    """The same configuration with absolute paths: it holds from any folder."""
    values = {name: getattr(settings, name) for name in option_names(paths=True)}
    paths = {name: os.path.abspath(path) for name, path in values.items() if is_path(name, path)}
    file, column = data.file_and_column(settings.categories)
    categories = f"{os.path.abspath(file)}:{column}" if file else column
    return settings.replace(**paths, categories=categories)


def load_data(settings: Config) -> Interactions:
    """The interactions that a configuration names."""
    if settings.data == "shop":
        names = "columns min_rating categories items events since test validation"
        for name in names.split():
            if getattr(settings, name) not in ("", None):
                raise UserError(
                    f"{name} is given, but the shop has columns and categories of its own; leave it"
                    " out, or give data (--data FILE)"
                )
        return shop.make()
    return sources.interactions_of(settings.data, settings)


def prepare(interactions: Interactions, settings: Config) -> tuple:
    """The `Split`, and the targets that teach the concepts (None if there is nothing to teach)."""
    split = splits.split(interactions, settings.split, settings.split_seed)
    return split, semantics.targets(interactions, split, settings)


def hashes(
    interactions: Interactions, split: Split, targets, settings: Config, given=None
) -> dict[str, str]:
    """Hashes of what training sees beside the adoptions: of categories, and of what it starts from.

    Of pictures it is the files' content, as features of them differ from machine to machine; the
    shop's are drawn from the data. What is no longer there has none. `given` are the features, if
    they have been read.
    """
    found = {} if targets is None else {"categories": checkpoint.hash_of(targets)}
    if settings.start != "pictures":
        return found
    if settings.features:
        if given or os.path.exists(settings.features):
            values, known = given or item_features(interactions, split.items, settings)[0]
            found["features"] = checkpoint.hash_of(values[known], known)
    elif settings.pictures and os.path.isdir(settings.pictures):
        digest, own = hashlib.sha256(), set(interactions.items[split.items].tolist())
        for name, path in features.in_folder(settings.pictures):
            if name in own and path.is_file():
                digest.update(hashlib.sha256(path.read_bytes()).digest() + name.encode() + b"\0")
        found["pictures"] = digest.hexdigest()
    return found


def item_features(interactions: Interactions, items, settings: Config, progress=None) -> tuple:
    """Picture features of the training `items` (columns of X), and lines that describe them.

    Features as `fit.start` takes them: (values (M, p), known (M,)).

    From --features, or from pictures through AlexNet: those are kept in the cache folder, so that
    they are made once. (None, []) where the start needs none.
    """
    if settings.start != "pictures":
        return None, []
    if settings.features:
        extracted = features.load(settings.features)
    else:
        pictures = _pictures(interactions, settings)
        extracted = features.cached(_alexnet(settings), pictures, progress)
    rows = extracted.rows(interactions.items[items])
    known = rows >= 0
    if not known.any():
        raise UserError(
            f"{settings.features or settings.pictures}: has a picture of none of the items; are its"
            f" names the ids of {settings.data}?"
        )
    count = f"{known.sum():,} of {len(items):,} items have a picture; the others start at random"
    lines = [*features.report(extracted, most=3), f"          {count}"]
    return (extracted.features[np.maximum(rows, 0)], known), lines


def fresh(given: dict) -> Config:
    """The configuration of a new run; the shop has defaults of its own."""
    defaults = _of_shop(given)
    has_items = given.get("items") and given.get("alexnet")  # whose pictures it is to look at
    if given.get("pictures") or given.get("features") or has_items:
        defaults = {**defaults, "start": "pictures"}
    settings = config.from_dict(defaults | given)
    for name in ("pictures", "features"):
        if getattr(settings, name) and settings.start != "pictures":
            raise UserError(
                f"--{name} is given but --start is '{settings.start}'; leave --start out, or the"
                f" {name}"
            )
    return settings


def decided(given: dict) -> set:
    """The names of the options that are given, or that the shop has of its own: the others are
    for the data to choose.
    """
    return {*given, *_of_shop(given)}


def check_finished(folder: Path) -> None:
    """A UserError that says how to go on, where a run has begun and not ended."""
    if (folder / "config.json").is_file() and not (folder / "metrics.json").is_file():
        again = f"python -m macrid.train --resume --out {shlex.quote(str(folder))}"
        raise UserError(f"{folder}: is no finished run; continue it first: {again}")


def inherited(given: dict) -> dict:
    """The options `given`, before those of the run that `final` or `warm_start` names.

    A final run trains with that run's options, on all users, for the epochs that its validation
    chose, the mean of its seeds. A warm start takes them too, with as many concepts as were left,
    but beta is not annealed again; after a final run, users are held out again. A file of
    `Recommender.save` brings none.
    """
    annealing = {"anneal_steps": 0} if given.get("warm_start") else {}
    if given.get("final"):
        folder = Path(given["final"])
        settings = load_config(folder)
        if settings.final or settings.split == "all":
            remedy = f"give the run that it goes by, {settings.final}" if settings.final else ""
            raise UserError(f"{folder}: held no one out itself; {remedy or 'give one that did'}")
        check_finished(folder)
        if given.get("split", "all") != "all":
            raise UserError(
                f"final trains on all users, but split is '{given['split']}'; leave one of them out"
            )
        paths = [seeds.folder_of(folder, settings, one) for one in seeds.each(settings)]
        chosen = [checkpoint.choices(path / "checkpoint.npz")[0] for path in paths]
        epochs = max(1, round(sum(chosen) / len(chosen)))
        return asdict(settings) | {"split": "all", "max_epochs": epochs} | annealing | given
    folder = Path(given.get("warm_start") or ".")
    if not given.get("warm_start") or not folder.is_dir():
        return annealing | given
    settings = load_config(folder)
    _, K, _ = checkpoint.choices(folder / "checkpoint.npz")
    options = asdict(settings) | {"K": K}
    own = (*option_names(about="runs"), *(("split", "max_epochs") if settings.final else ()))
    options = {name: value for name, value in options.items() if name not in own}
    return options | annealing | given


def path_of_final(settings: Config) -> dict:
    """What the `linear_path` of the run that `final` names chose; {} where none is asked for.

    A weight that is given anew counts.
    """
    if not (settings.final and settings.linear_path):
        return {}
    _, _, chosen = checkpoint.choices(Path(settings.final) / "checkpoint.npz")
    if not chosen:
        raise UserError(f"{settings.final}: has no linear path to go by; leave --linear-path out")
    weight = settings.linear_path
    is_new = weight not in ("chosen", load_config(settings.final).linear_path)
    return chosen | ({"weight": weight} if is_new else {})


def _of_shop(given):
    return shop.OPTIONS if given.get("data", "shop") == "shop" else {}


def _alexnet(settings: Config):
    if not settings.alexnet:
        raise UserError(
            "--pictures needs --alexnet FILE (see data_scripts/alexnet.py), or --alexnet random for"
            " untrained weights"
        )
    if settings.alexnet == "random":
        return alexnet.cached_random()
    return alexnet.AlexNet(settings.alexnet)


def _pictures(interactions: Interactions, settings: Config) -> list:
    if settings.pictures:
        return features.in_folder(settings.pictures)
    if interactions.has_pictures:
        return list(interactions.picture_paths().items())
    raise UserError("--start pictures needs --features FILE, or --pictures DIR with --alexnet FILE")


def _present(folder, settings: Config) -> Config:
    """The `settings` of the run `folder`, provided that the data that they name are there."""
    file, column = data.file_and_column(settings.categories)
    missing = {f"--categories FILE:{column}": file} if file and not os.path.exists(file) else {}
    if settings.items and not os.path.exists(settings.items):
        missing["--items FILE"] = settings.items
    for name in ("validation", "test", "data"):
        path = getattr(settings, name)
        if is_path(name, path) and not os.path.exists(path):
            missing = {f"--{name} PATH": path} | missing
    if missing:
        gone, flags = ", ".join(map(os.path.abspath, missing.values())), " ".join(missing)
        again = f"python -m macrid.train --resume --out {shlex.quote(str(folder))} {flags}"
        raise UserError(
            f"{gone}: is not there, and {folder} needs it; put it back, or say where it is: {again}"
        )
    return settings


def _unchanging(name: str, value):
    """The part of an option's value that a resumed run must share.

    None of what may change, but for `categories` the column.
    """
    if name == "categories":
        return data.file_and_column(value)[1]
    return None if name in option_names(may_change=True) else value


def _names_in(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()] if folder.exists() else []


def _of_a_run(name: str) -> bool:
    return name in FILES or files.is_temporary(name)
