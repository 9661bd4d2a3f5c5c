"""A run folder: config.json, history.jsonl, metrics.json, checkpoint.npz; opened, resumed, loaded."""

from dataclasses import asdict
from pathlib import Path

from macrid import checkpoint, config, data, fit, semantics, shop
from macrid import split as splits
from macrid.errors import UserError

OWN_FILES = ("config.json", "history.jsonl", "metrics.json", "checkpoint.npz")


def open_folder(path, given, resume, overwrite):
    """Make or reopen the run folder for the options `given` (a dict) and return (folder, Config).

    A folder that holds a run is refused unless `resume` (which takes the options from it; any that are given must
    agree, but for max_epochs and patience) or `overwrite` (which removes the old run's files).
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file; give --out a folder")
    present = folder.is_dir() and any(folder.iterdir())
    if present and not (folder / "config.json").is_file() and not overwrite:
        strangers = [entry.name for entry in folder.iterdir() if not entry.name.endswith(".part")]
        if strangers:
            raise UserError(f"{folder}: holds '{sorted(strangers)[0]}' but no run; give --out a new folder")
    if present and resume and (folder / "config.json").is_file():
        return folder, _resumed(folder, given)
    if present and (folder / "config.json").is_file() and not overwrite:
        state = "a finished run" if (folder / "metrics.json").is_file() else "an unfinished run"
        raise UserError(f"{folder}: holds {state}; give --resume to continue it, --overwrite to replace it, or another --out")
    chosen = config.from_dict(given)
    folder.mkdir(parents=True, exist_ok=True)
    for name in OWN_FILES:
        (folder / name).unlink(missing_ok=True)
    checkpoint.save_json(folder / "config.json", asdict(chosen))
    return folder, chosen


def load_config(folder):
    """The configuration of a run folder."""
    path = Path(folder) / "config.json"
    values = checkpoint.load_json(path)
    if not isinstance(values, dict):
        raise UserError(f"{path}: is damaged (not an object); train again with --overwrite")
    return config.from_dict(values, where=str(path))


def load_data(settings):
    """The interactions that a configuration names."""
    if settings.data == "shop":
        return shop.make()
    return data.load(settings.data, settings.min_rating, settings.min_user_items)


def prepare(interactions, settings):
    """The split, and the targets that teach the concepts (None if there is nothing to teach)."""
    split = splits.split(interactions, settings.split, settings.split_seed)
    targets = None
    if settings.category_weight > 0:
        if interactions.categories is None:
            raise UserError(f"--category-weight is {settings.category_weight:g} but {settings.data} has no categories; set it to 0")
        targets, _ = semantics.category_targets(interactions.categories[split.items], settings.K, settings.precision)
    return split, targets


def load(folder):
    """A trained run: (Config, Interactions, Split, State)."""
    settings = load_config(folder)
    interactions = load_data(settings)
    split, _ = prepare(interactions, settings)
    return settings, interactions, split, fit.load(Path(folder) / "checkpoint.npz", settings, split)


def _resumed(folder, given):
    saved = load_config(folder)
    for name, value in given.items():
        if name not in ("max_epochs", "patience") and getattr(saved, name) != value:
            raise UserError(f"{folder}: was made with {name} = {getattr(saved, name)}, not {value}; leave it out, or give --overwrite")
    return saved.replace(**{name: given[name] for name in ("max_epochs", "patience") if name in given})
