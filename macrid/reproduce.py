"""`python -m macrid.reproduce table2|table3|figure5|suite`: the tables of the paper, and a suite.

The suite is macrid as it comes beside its peers, on several data sets.
"""

import math
import subprocess
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path

import macrid
from macrid import backend as backends
from macrid import files, run_folder, terminal
from macrid.config import option_names
from macrid.data import checks
from macrid.errors import UserError
from macrid.experiments import planning, results, running, suite, suite_table, systems
from macrid.interpret import drawing

TITLES = {
    "table2": "Table 2: overall comparison",
    "table3": "Table 3: ablations",
    "figure5": "Figure 5: independence and recommendation",
}
FULL = (
    f"With other defaults here: min-user-items {systems.PAPER_MIN_USER_ITEMS}, as in the paper;"
    f" category-weight {systems.CATEGORY_WEIGHT}; and the shop has its own."
)


def main(argv=None):
    """Plan the units, run those that are missing, write the table and its pictures."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == ["suite"]:
        run_suite(suite_parser().parse_args(words[1:]))
        return
    flags = parser().parse_args(words)
    say = terminal.say(flags.quiet)
    given = given_options(flags)
    name = Path(given.get("data", "shop")).stem or "run"
    folder = Path(flags.out or Path("runs") / f"{name}-{flags.table}")
    files.check_folder(folder)

    # what is to be run, on which data
    full, interactions, missing = systems.full_model(given)
    backends.load(full.backend, full.precision)  # a device that is missing is said now
    request = asked_for(flags)
    units, left_out = planning.plan(request, full, missing, min(interactions.X.shape))
    rows = list(dict.fromkeys(unit.system.name for unit in units))
    reference = planning.reference_row(flags.reference, rows)
    lines = [f"          {line}" for line in checks.describe(interactions)]
    say(f"data      {full.data}", *lines)
    say(*(f"left out  {name}: {reason}" for name, reason in left_out.items()))
    hashes = {"data": running.hash_of_data(interactions)}
    if any(unit.config.start == "pictures" for unit in units):
        # they are made here, once for all processes
        with terminal.bar(flags.quiet, desc="features of pictures", unit="", delay=1) as bar:
            features, lines = systems.all_features(interactions, full, bar.update)
        say(*lines)
        hashes["features"] = running.hash_of_features(*features)

    # the units
    no_part = (*option_names(paths=True), *planning.DECIDED)
    made_of = {"table": flags.table, "folds": request.folds, "hash of the data": hashes["data"]}
    made_of |= {name: value for name, value in asdict(full).items() if name not in no_part}
    running.check_folder(folder, made_of, flags.overwrite)
    with run_folder.held(folder), terminal.log_lines(flags.quiet):
        running.begin(folder, made_of, flags.overwrite)
        bar_of = partial(terminal.bar, flags.quiet)
        finished = running.run(folder, units, hashes, _commit(), flags.jobs, bar_of)

        # the table
        rows_of_table = results.rows(units, finished, full)
        table = {
            "table": flags.table,
            "title": TITLES[flags.table],
            "header": results.header(request, full, interactions, rows_of_table, flags.paired_test),
            "left_out": left_out,
        }
        table |= results.compare(rows_of_table, reference, flags.paired_test)
        results.write(folder, table)
        say("", *results.markdown(table, whole=False), "")
        for name, picture in _pictures(table).items():
            drawing.save(folder, name, picture, say)
    say(f"saved     {folder}: table.md, table.csv, table.json, {len(units)} units")


def run_suite(flags):
    """Many data sets: plan the units, run those that are missing and can be run in time, write the
    table of what is there and its picture.
    """
    say = terminal.say(flags.quiet)
    _check_least(flags, folds=1, jobs=1)
    if flags.folds > suite.FOLDS:
        raise UserError(f"--folds is {flags.folds}, expected at most {suite.FOLDS}")
    folder = Path(flags.out or Path("runs") / "suite")
    files.check_folder(folder)

    # what is to be run, on which data
    sets = suite.data_sets(flags.data, flags.options, flags.folds, flags.seeds, flags.short)
    units, left_out = suite.plan(sets, flags.systems)
    hashes = {}
    for one in sets:
        lines = [f"          {line}" for line in checks.describe(one.interactions)]
        say(f"data      {one.name}: {one.folds} of {suite.FOLDS} folds", *lines)
        say(*(f"left out  {row}: {reason}" for row, reason in left_out[one.name].items()))
        hashes[one.name] = {"data": running.hash_of_data(one.interactions)}
        starts = [unit.config for unit in units if unit.data == one.name]
        config = next((each for each in starts if each.start == "pictures"), None)
        if config:
            features, lines = systems.all_features(one.interactions, config)
            hashes[one.name]["features"] = running.hash_of_features(*features)
    config = units[0].config
    backends.load(config.backend, config.precision)

    # the units
    made_of = {"table": "suite", "split seed": config.split_seed}
    running.check_folder(folder, made_of, flags.overwrite)
    with run_folder.held(folder), terminal.log_lines(flags.quiet):
        running.begin(folder, made_of, flags.overwrite)
        bar_of = partial(terminal.bar, flags.quiet)
        finished = running.run(
            folder,
            units,
            hashes,
            _commit(),
            flags.jobs,
            bar_of,
            alone=True,
            seconds=flags.minutes * 60,
        )

        # the table
        commits = {result.facts["commit"] for result in finished.values()}
        seconds = sum(result.facts["seconds"] for result in finished.values())
        header = {
            "split": (
                f"{suite.FOLDS} folds of the users (split seed {config.split_seed}); a fold is"
                " tested, the one before is for validation, three are for training"
            ),
            "units": f"{len(finished)} of {len(units)} finished",
            "commit": ", ".join(sorted(commits)),
            "time": f"{seconds:,.0f} s, a process of one thread each",
        }
        of_sets = [suite_table.of_data(one, units, finished) for one in sets]
        table = suite_table.whole(header, of_sets, left_out)
        suite_table.write(folder, table)
        say("", *suite_table.markdown(table, full=False), "")
        if any(one["beside_peer"] for one in of_sets):
            drawing.save(folder, "suite", drawing.suite_sheet(table), say)
    say(f"saved     {folder}: table.md, table.csv, table.json, {len(finished)} units")


def suite_parser():
    """The flags of `suite`."""
    arguments = terminal.parser(
        "reproduce suite",
        "macrid as it comes, beside linear maps, nearest items, matrix factorisation and MultiVAE,"
        " on several data sets: figures, times, memory, verdicts. An interrupted run goes on where"
        " it was.",
        "python -m macrid.reproduce suite --data shop ml-latest-small steam/ratings.csv --seeds 0"
        " 1 2 --out runs/suite",
    )
    add = arguments.add_argument
    text = "'shop', MovieLens folders, files as of macrid.train --data"
    add("--data", nargs="+", required=True, metavar="DATA", help=text)
    add("--out", help="the folder to write, or to continue (default: runs/suite)")
    text = f"how many of the {suite.FOLDS} folds are run (default: all)"
    add("--folds", type=int, default=suite.FOLDS, metavar="N", help=text)
    text = "seeds of the systems that have randomness (default: 0)"
    add("--seeds", type=int, nargs="+", default=[0], metavar="SEED", help=text)
    text = f"large data sets, of which {suite.OF_SHORT} folds and the first seed are run"
    add("--short", nargs="+", default=[], metavar="NAME", help=text)
    add("--systems", nargs="+", default=[], metavar="NAME", help="only these systems")
    text = "a TOML file: for a data set [its name], options such as min_rating"
    add("--options", metavar="FILE", help=text)
    text = "after these no fit is begun: the table is of what is there, 0 of what there was"
    add("--minutes", type=float, default=math.inf, metavar="MINUTES", help=text)
    text = "processes at a time, of one thread each (default: one a core)"
    add("--jobs", type=int, metavar="N", help=text)
    add("--overwrite", action="store_true", help="replace what is in --out")
    add("--quiet", action="store_true", help="print nothing but errors")
    return arguments


def _check_least(flags, **least_of):
    for name, least in least_of.items():
        value = getattr(flags, name)
        if value is not None and value < least:
            raise UserError(f"--{name} is {value}, expected at least {least}")


def parser():
    """The flags of the command."""
    arguments = terminal.parser(
        "reproduce",
        "Reproduce a table of the paper: all systems on the same folds, compared user by user. An"
        " interrupted run goes on where it was. 'suite' compares on several data sets: see"
        " python -m macrid.reproduce suite --help.",
        "python -m macrid.reproduce table2 --data ml-latest-small --folds 10 --seeds 0 1 2 --out"
        " runs/table2",
    )
    add = arguments.add_argument
    text = "table2: all systems; table3: ablations; figure5: independence as beta varies"
    add("table", choices=tuple(TITLES), help=text)
    text = "the folder to write, or to continue (default: runs/<name of the data>-<table>)"
    add("--out", help=text)
    text = f"N folds: every user is a test user once (default: {planning.FOLDS})"
    add("--folds", type=int, metavar="N", help=text)
    text = "one split instead of folds; 'authors': as the paper's"
    add("--split", dest="one_split", choices=("authors", "holdout"), help=text)
    text = "seeds of the systems that have randomness (default: 0)"
    add("--seeds", dest="of_seeds", type=int, nargs="+", default=[0], metavar="SEED", help=text)
    add("--systems", nargs="+", default=[], metavar="NAME", help="only these rows")
    text = "the row that the others are compared with (default: the first SEM row)"
    add("--reference", metavar="NAME", help=text)
    text = "the paired test: Student's t (default), or sign flips"
    add("--test", dest="paired_test", choices=tuple(results.TESTS), default="t", help=text)
    betas = " ".join(f"{beta:g}" for beta in systems.BETAS)
    text = f"figure5: the values of beta (default: {betas})"
    add("--betas", type=float, nargs="+", metavar="BETA", help=text)
    text = "a TOML file: for a row [its name], its own options"
    add("--options", metavar="FILE", help=text)
    text = "processes at a time, of one thread each (default: one a core; 1 on a GPU)"
    add("--jobs", type=int, metavar="N", help=text)
    add("--overwrite", action="store_true", help="replace what is in --out")
    add("--quiet", action="store_true", help="print nothing but errors")
    text = (
        "a TOML file of the full model's options; flags go before it. Its seed, split and start"
        " are passed over"
    )
    add("--config", help=text)
    group = arguments.add_argument_group("options of the full model, which the rows change", FULL)
    terminal.add_config_flags(group, planning.DECIDED)
    return arguments


def given_options(flags) -> dict:
    """The full model's options, from --config and flags.

    What this command decides itself is passed over in a file, as macrid.tune writes all.
    """
    decided = (*planning.DECIDED, "beta") if flags.table == "figure5" else planning.DECIDED
    flagged = terminal.given_config(flags)
    if flags.table == "figure5" and "beta" in flagged:
        raise UserError("--beta is given, but figure5 varies it; give --betas")
    if flags.folds is not None and flags.one_split:
        raise UserError("--folds and --split exclude each other; give one of them")
    _check_least(flags, folds=3, jobs=1)
    if flags.betas and flags.table != "figure5":
        raise UserError("--betas is for figure5; give --beta instead")
    options = terminal.options(flags)
    return {name: options[name] for name in options if name in flagged or name not in decided}


def asked_for(flags) -> planning.Request:
    """What the flags ask for."""
    return planning.Request(
        table=flags.table,
        folds=flags.one_split or flags.folds or planning.FOLDS,
        seeds=tuple(flags.of_seeds),
        named=tuple(flags.systems),
        betas=tuple(flags.betas or systems.BETAS),
        options=planning.row_options(flags.options),
    )


def _commit():
    """The commit of this package's repository, marked where files differ from it.

    The version where it was installed.
    """

    def git(*words):
        call = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(call, capture_output=True, text=True, check=False)

    try:
        if git("ls-files", "--error-unmatch", Path(__file__).name).returncode == 0:
            commit = git("rev-parse", "--short=12", "HEAD").stdout.strip()
            changed = git("status", "--porcelain", "-uno").stdout.strip()
            return f"{commit}-dirty" if changed else commit
    except OSError:
        pass  # no git here
    return f"macrid {macrid.__version__}"


def _pictures(table):
    """{name of its files: picture} of a table."""
    if table["table"] != "figure5":
        return {table["table"]: drawing.comparison(table)}
    runs = []
    for row in table["systems"]:
        entries = row["independence"]
        metrics = {
            "independence": {name: entry["mean"] for name, entry in entries.items()},
            "independence_stderr": {name: entry["stderr"] for name, entry in entries.items()},
            "test": row["figures"],
        }
        runs.append((row["series"], row["beta"], metrics))
    return {
        "figure5": drawing.independence_curve(runs),
        "figure5_recall20": drawing.independence_curve(runs, "recall@20"),
    }


if __name__ == "__main__":
    sys.exit(terminal.run(main))
