"""`python -m macrid.tune`: the search for options of section 4.1.3, on validation users alone."""

import sys
from pathlib import Path

import numpy as np

from macrid import backend, files, run_folder, suited, terminal
from macrid.config import option_names
from macrid.data import checks
from macrid.errors import UserError
from macrid.experiments import search
from macrid.interpret import drawing
from macrid.model import semantics
from macrid.training import checkpoint, fit


def main(argv=None):
    """Search, and write best.toml and trials.csv."""
    flags = _parser().parse_args(argv)
    optuna = search.load_optuna()
    backend.keep_freed_memory()
    say = terminal.say(flags.quiet)
    of_runs = option_names(about="runs")  # a search begins anew each time
    given = {name: value for name, value in terminal.options(flags).items() if name not in of_runs}
    searched = _searched(given)
    if flags.trials < 1:
        raise UserError(f"--trials is {flags.trials}, expected at least 1")
    settings = run_folder.fresh(given)
    folder = Path(flags.out or Path("runs") / f"{Path(settings.data).stem or 'run'}-tune")
    search.check_folder(folder, flags.study)
    search.toml(settings)  # what cannot be written is told before the work

    # the data
    backend.load(settings.backend, settings.precision)
    interactions = run_folder.load_data(settings)
    split, _ = run_folder.prepare(interactions, settings)
    settings, about_options = suited.fill(settings, run_folder.decided(given), split.train)
    if not len(split.validation.users):
        raise UserError("split is 'all', but a search needs validation users; leave it out")
    lines = [f"          {line}" for line in checks.describe(interactions)]
    say(f"data      {settings.data}", *lines)
    say(
        f"split     {settings.split}: {split.train.shape[0]:,} training,"
        f" {len(split.validation.users):,} validation users; {len(split.items):,} items"
    )
    with terminal.bar(flags.quiet, desc="features of pictures", unit="", delay=1) as bar:
        features, lines = run_folder.item_features(interactions, split.items, settings, bar.update)
    say(*lines, *about_options, f"search    {', '.join(searched)}")

    # the study
    folder.mkdir(parents=True, exist_ok=True)
    storage = flags.storage or search.database((folder / "trials.db").resolve())
    study = search.open_study(storage, flags.study)
    search.check_study(study, storage, settings, searched, checkpoint.fingerprint(split))

    def train(trial, on_step, on_epoch):
        drawn = search.draw(trial, searched, len(split.items))
        chosen = settings.replace(**drawn, linear_path=0.0)  # a path comes after, by `train`
        targets = semantics.targets(interactions, split, chosen)
        with np.errstate(all="ignore"):  # a learning rate of 1 is allowed to overflow
            start = fit.start(split, chosen, features, targets)
            return fit.fit(split, chosen, targets, start, on_step, on_epoch)

    def publish():
        return search.publish(folder, study, settings, searched)

    # the trials
    bar = terminal.bar(flags.quiet, total=flags.trials, unit="trial", dynamic_ncols=True)
    try:
        first = {name: getattr(settings, name) for name in searched}
        search.run(study, train, flags.trials, settings.seed, bar, say, publish, first)
    except KeyboardInterrupt:
        done = len(search.rows(study))
        raise KeyboardInterrupt(
            f"interrupted after {done} of {flags.trials} trials; the same command goes on"
        ) from None
    except optuna.exceptions.StorageInternalError as error:
        where, reason = (
            search.without_password(storage),
            search.first_line(error.__cause__ or error),
        )
        raise UserError(f"{where}: {reason}; mend it, then the same command goes on") from None

    # what came of it
    finished = publish()
    best = search.best_of(finished)
    running = search.count(study) - len(finished)
    if best is None:
        reason = next((row.reason for row in finished if row.reason), "still running")
        raise UserError(f"none of {len(finished)} trials came to a figure; the first: {reason}")
    if flags.figure:
        space = {name: search.SPACE[name] for name in searched}
        with files.locked(folder), files.replacing(folder / "search.png") as file:
            drawing.write(file, "png", drawing.search_sheet(finished, space), dpi=110)
    states = [row.state for row in finished]
    counts = [f"{states.count(state)} {state}" for state in ("complete", "pruned", "failed")]
    say(f"trials    {len(finished)}: {', '.join(counts)}")
    if running:
        say(f"          {running} more are at work elsewhere; call again to take them in")
    say(
        f"best      {search.describe(best)}",
        f"saved     {folder}",
        "train     " + terminal.command("python -m macrid.train --config", folder / "best.toml"),
    )


def _parser():
    arguments = terminal.parser(
        "tune",
        "Search for good options (section 4.1.3: TPE, 200 trials) by the figures of validation"
        " users; test users are not looked at.\nCall it again to go on; several processes may"
        f" share one study.\n\nSearched are {', '.join(search.SPACE)}; any of them that is given"
        " as an option is held.",
        "python -m macrid.tune --data ratings.csv --trials 200 --out runs/tuned\n"
        "  python -m macrid.train --config runs/tuned/best.toml",
    )
    add = arguments.add_argument
    text = "the folder for best.toml and trials.csv (default: runs/<name of the data>-tune)"
    add("--out", help=text)
    text = "how many trials the study is to have in all (default: 200)"
    add("--trials", type=int, default=200, help=text)
    text = "the study's database, such as sqlite:///FILE (default: trials.db in --out)"
    add("--storage", help=text)
    text = "the study's name in its database (default: macrid)"
    add("--study", default="macrid", metavar="NAME", help=text)
    text = "draw search.png: the best so far, and the figure against each option"
    add("--figure", action="store_true", help=text)
    add("--config", help="a TOML file of options that are held; flags go before it")
    add("--quiet", action="store_true", help="print nothing but errors")
    terminal.add_config_flags(arguments, option_names(about="runs"), suited.NAMES)
    return arguments


def _searched(given):
    """The options to search: those of the paper's space that are not given."""
    idle = search.OF_LAYERS if given.get("hidden_layers") == 0 else ()
    searched = [name for name in search.SPACE if name not in given and name not in idle]
    if not searched:
        names = ", ".join(search.SPACE)
        raise UserError(f"{names} are all given, so nothing is left to search; leave some out")
    return searched


if __name__ == "__main__":
    sys.exit(terminal.run(main))
