"""`python -m macrid.figures`: the paper's figures 2 to 8 of a run, or one of the embedded shop."""

import sys
import textwrap
from dataclasses import asdict
from pathlib import Path

import numpy as np

from macrid import files, run_folder, terminal, train
from macrid.config import Config
from macrid.data import shop
from macrid.errors import UserError
from macrid.experiments.systems import BETAS
from macrid.interpret import drawing, knobs, maps, trajectory
from macrid.interpret.maps import Learned
from macrid.run_folder import Run

STEPS = 7  # of a strip
ROWS = 2  # strips a concept

STRIPS = (
    "Framed: where it starts, the concept's best known item. To its right: the items"
    " retrieved while one dimension is turned from end to end and the others are held"
    " (section 3.5, equation 12). Above each item, what it was turned for (or its coordinate, where"
    " nothing known changes). In brackets, the mean rank correlation of the named trait"
    " with the step, over walks from 12 random items of the concept that had no part in"
    " choosing the dimension."
)


def main(argv: list[str] | None = None) -> None:
    """Write the figures of a run, or without --run the figure that shows the embedded shop."""
    flags = _flags(argv)
    folder, say = Path(flags.out), terminal.say(flags.quiet)
    if not flags.run:
        folder.mkdir(parents=True, exist_ok=True)
        with files.replacing(folder / "shop.png") as file:
            drawing.write(file, "png", drawing.shop_sheet(shop.make()), dpi=110)
        say(folder / "shop.png")
        return

    # the runs: the one of the map and the strips, one with the inner product, those of figure 5
    run = run_folder.load(flags.run)
    inner = run_folder.load(flags.inner_run) if flags.inner_run else None
    of_betas = [_finished(path) for path in flags.beta_runs]
    folder.mkdir(parents=True, exist_ok=True)
    if flags.train:
        settings = run_folder.load_config(flags.run)
        if inner is None:
            path = folder / "runs" / "inner"
            inner = run_folder.load(_trained(path, settings.replace(similarity="inner"), say))
        if not of_betas:
            paths = {beta: folder / "runs" / f"beta-{beta:g}" for beta in BETAS}
            of_betas = [
                _finished(_trained(path, settings.replace(beta=beta), say))
                for beta, path in paths.items()
            ]

    # figures 2 to 4
    learned, left_out = maps.learned(run), []
    drawing.save(folder, "map", _map(run, learned, inner), say)
    if run.interactions.categories is None:
        left_out.append(f"panel (b) of map: {run.settings.data} has no categories")
    if inner is None:
        left_out.append("panel (c) of map: give --inner-run RUN, or --train")

    # figure 5
    if len({settings.beta for settings, _ in of_betas}) > 1:
        drawing.save(folder, "independence", drawing.independence_curve(_labelled(of_betas)), say)
    else:
        left_out.append(
            "independence: give --beta-runs with two values of beta or more, or --train"
        )

    # figures 6 to 8
    rows = _strips(run, learned, flags.pictures)
    if rows:
        drawing.save(folder, "strips", drawing.strips(rows, STEPS, STRIPS), say)
    else:
        left_out.append("strips: no concept has two items to go between")
    say(*(f"left out  {line}" for line in left_out))


def _flags(argv):
    """The flags, as far as they can be checked without reading the run."""
    arguments = terminal.parser(
        "figures",
        "Write the figures that a run allows (the paper's 2 to 8), or without --run the sheet of"
        " the embedded shop.",
        "python -m macrid.figures --run runs/shop --train --out figures",
    )
    arguments.add_argument("--out", required=True, help="the folder to write into")
    arguments.add_argument("--run", help="a run folder of macrid.train")
    arguments.add_argument(
        "--inner-run",
        metavar="RUN",
        help="a run with --similarity inner, for panel (c) of Figures 2 to 4",
    )
    arguments.add_argument(
        "--beta-runs",
        nargs="+",
        default=[],
        metavar="RUN",
        help="runs that differ in --beta (and --seed), for Figure 5",
    )
    arguments.add_argument(
        "--train",
        action="store_true",
        help="train what the two options above lack, with RUN's options, into OUT/runs",
    )
    arguments.add_argument(
        "--pictures",
        help=(
            "a folder of pictures named <item id>.jpg for the strips (default: as the run has them)"
        ),
    )
    terminal.add_quiet_flag(arguments)
    flags = arguments.parse_args(argv)
    if not flags.run and (flags.inner_run or flags.beta_runs or flags.train or flags.pictures):
        raise UserError("--inner-run, --beta-runs, --train and --pictures need --run RUN")
    files.check_folder(Path(flags.out))
    if flags.inner_run and run_folder.load_config(flags.inner_run).similarity != "inner":
        raise UserError(
            f"--inner-run: {flags.inner_run} was not trained with --similarity inner; give one"
            " that was"
        )
    return flags


def _map(run: Run, learned: Learned, inner: Run | None):
    """Figures 2 to 4: of a run, and of one with the inner product, if there is one."""
    items = maps.sample(len(learned.H), maps.MOST_ITEMS)
    users = maps.sample(run.split.train.shape[0], maps.MOST_USERS)
    points, of_users = maps.components(run, learned.C, users)
    places = maps.flatten(np.concatenate([learned.H[items], points]))
    panel = None
    if inner is not None:
        other = maps.learned(inner)
        its_items = maps.sample(len(other.H), maps.MOST_ITEMS)
        panel = (other, its_items, maps.flatten(other.H[its_items]))
    return drawing.concept_map(learned, items, of_users, places, panel)


def _trained(folder: Path, settings: Config, say) -> Path:
    """A finished run in `folder` with these settings: trained now, unless it is there."""
    finished = (folder / "metrics.json").is_file()
    if not finished or run_folder.load_config(folder) != run_folder.absolute(settings):
        say(f"training  {folder}")
        train.train(folder, run_folder.choose(folder, asdict(settings), False, True), quiet=True)
    return folder


def _finished(folder) -> tuple[Config, dict]:
    """The configuration and metrics.json of a finished run."""
    settings = run_folder.load_config(folder)
    metrics = run_folder.load_metrics(folder)
    if "independence" not in metrics or "ndcg@100" not in metrics.get("test", {}):
        raise UserError(
            f"{folder}: its metrics.json has no independence; train again with --overwrite"
        )
    return settings, metrics


def _labelled(runs: list) -> list:
    """(label, beta, metrics) for Figure 5.

    The label names the options, beside beta and seed, in which the runs differ.
    """
    names = [name for name in vars(runs[0][0]) if name not in ("beta", "seed")]
    values = lambda name: {getattr(settings, name) for settings, _ in runs}
    differ = [name for name in names if len(values(name)) > 1]
    label = lambda settings: ", ".join(f"{name} {getattr(settings, name)}" for name in differ)
    return [
        (label(settings) or "SEM-MacridVAE", settings.beta, metrics) for settings, metrics in runs
    ]


def _strips(run: Run, learned: Learned, pictures) -> list:
    """Rows for `drawing.strips`: the dimensions most worth turning of each concept.

    Each starts from the concept's best known item.
    """
    interactions, items = run.interactions, run.split.items
    space = trajectory.space(run.parameters, run.settings)
    known_traits, paths = knobs.traits(interactions, run.split), knobs.pictures(run, pictures)
    is_telling = knobs.beyond_chance(space, known_traits)
    titles, categories = interactions.item_titles(items), interactions.item_categories(items)
    entry = lambda i: (paths.get(int(i)), titles[i], categories[i])
    rows = []
    for concept in learned.concepts:
        if concept.count < 2:
            continue
        start = concept.best_known[0]
        such = "; ".join(textwrap.shorten(title, 30, placeholder="…") for title in concept.examples)
        of_concept = f"{concept.name}, such as {such}" if such else concept.name
        k = concept.number
        for knob in knobs.worth_turning(space, k, known_traits, ROWS, is_telling=is_telling[k]):
            label = f"{of_concept}: dimension {knob.dimension}" + ", high to low" * knob.backwards
            label += "".join(
                f", {low} → {high} ({rho:.2f})" for rho, low, high in knob.meanings[:1]
            )
            retrieved, _ = knobs.turn(space, space.H[start], knob, STEPS)
            of = lambda i: (*entry(i), knob.said_of(space, i))
            rows.append((label, of(start), [of(i) for i in retrieved]))
    return rows


if __name__ == "__main__":
    sys.exit(terminal.run(main))
