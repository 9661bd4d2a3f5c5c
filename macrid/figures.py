"""`python -m macrid.figures`: the figures of a run, the paper's 2 to 8, or of the embedded shop, as
files.
"""

import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from macrid import files, run_folder, terminal, train
from macrid.data import shop
from macrid.errors import UserError
from macrid.experiments.systems import BETAS
from macrid.files import replacing
from macrid.interpret import drawing, knobs, maps, trajectory

STEPS = 7  # of a strip
ROWS = 2  # strips a concept
write = drawing.save


def main(argv=None):
    """Write the figures of a run, or without --run the figure that shows the embedded shop."""
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
    arguments.add_argument("--quiet", action="store_true", help="print nothing but errors")
    flags = arguments.parse_args(argv)
    folder = Path(flags.out)
    if not flags.run and (flags.inner_run or flags.beta_runs or flags.train or flags.pictures):
        raise UserError("--inner-run, --beta-runs, --train and --pictures need --run RUN")
    files.check_folder(folder)
    say = terminal.say(flags.quiet)
    if not flags.run:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "shop.png") as file:
            drawing.shop_sheet(shop.make()).savefig(file, format="png", dpi=110)
        say(folder / "shop.png")
        return

    if flags.inner_run and run_folder.load_config(flags.inner_run).similarity != "inner":
        raise UserError(
            f"--inner-run: {flags.inner_run} was not trained with --similarity inner; give one"
            " that was"
        )
    loaded = run_folder.load(flags.run)
    of_inner = run_folder.load(flags.inner_run) if flags.inner_run else None
    of_beta = [_metrics(path) for path in flags.beta_runs]
    folder.mkdir(parents=True, exist_ok=True)
    if flags.train:
        settings = run_folder.load_config(flags.run)
        if of_inner is None:
            of_inner = run_folder.load(
                _trained(folder / "runs" / "inner", settings.replace(similarity="inner"), say)
            )
        if not of_beta:
            of_beta = [
                _metrics(
                    _trained(folder / "runs" / f"beta-{beta:g}", settings.replace(beta=beta), say)
                )
                for beta in BETAS
            ]
    left_out = []
    drawing.save(folder, "map", _map(loaded, of_inner), say)
    if loaded.interactions.categories is None:
        left_out.append(f"panel (b) of map: {loaded.settings.data} has no categories")
    if of_inner is None:
        left_out.append("panel (c) of map: give --inner-run RUN, or --train")
    if len({settings.beta for settings, _ in of_beta}) > 1:
        drawing.save(folder, "independence", drawing.independence_curve(_labelled(of_beta)), say)
    else:
        left_out.append(
            "independence: give --beta-runs with two values of beta or more, or --train"
        )
    rows = _strips(loaded, flags.pictures)
    if rows:
        caption = (
            "Framed: where it starts, the concept's best known item. To its right: the items"
            " retrieved while one dimension is turned from end to end and the others are held"
            " (section 3.5, equation 12). In brackets, the mean rank correlation of the named trait"
            " with the step, over walks from 12 random items of the concept that had no part in"
            " choosing the dimension."
        )
        drawing.save(folder, "strips", drawing.strips(rows, STEPS, caption), say)
    else:
        left_out.append("strips: no concept has two items to go between")
    for line in left_out:
        say(f"left out  {line}")


def _map(run, inner):
    """Figures 2 to 4: of a run, and of one with the inner product, if there is one."""
    learned = maps.learned(run)
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


def _trained(folder, settings, say):
    """A finished run in `folder` with these settings: trained now, unless it is there."""
    if not (
        (folder / "metrics.json").is_file()
        and run_folder.load_config(folder) == run_folder.absolute(settings)
    ):
        say(f"training  {folder}")
        train.train(folder, run_folder.choose(folder, asdict(settings), False, True), quiet=True)
    return folder


def _metrics(folder):
    """(config, metrics.json) of a finished run."""
    settings, found = run_folder.load_config(folder), files.load_json(Path(folder) / "metrics.json")
    if not isinstance(found, dict) or "independence" not in found:
        raise UserError(
            f"{folder}: its metrics.json has no independence; train again with --overwrite"
        )
    return settings, found


def _labelled(of_beta):
    """(label, beta, metrics) for Figure 5: the label names the options, beside beta and seed, in
    which the runs differ.
    """
    differ = [
        name
        for name in vars(of_beta[0][0])
        if name not in ("beta", "seed") and len({getattr(s, name) for s, _ in of_beta}) > 1
    ]
    label = lambda settings: (
        ", ".join(f"{name} {getattr(settings, name)}" for name in differ) or "SEM-MacridVAE"
    )  # noqa: E731
    return [(label(settings), settings.beta, found) for settings, found in of_beta]


def _strips(loaded, pictures):
    """Rows for `figures.strips`: the dimensions most worth turning of each concept, from its best
    known item.
    """
    interactions, split = loaded.interactions, loaded.split
    concepts = maps.learned(loaded).concepts
    space = trajectory.space(loaded.parameters, loaded.settings)
    known, paths = (
        knobs.traits(interactions, split),
        knobs.pictures(loaded, pictures),
    )
    titles, kinds = interactions.item_titles(split.items), interactions.item_categories(split.items)
    entry = lambda i: (paths.get(int(i)), titles[i], kinds[i])  # noqa: E731
    rows = []
    for concept in concepts:
        if concept.count < 2:
            continue
        start = concept.best_known[0]
        such = [line for title in concept.examples for line in drawing.wrapped(title, 32, 1)]
        for knob in knobs.worth_turning(space, concept.number, known, ROWS):
            items, _ = knobs.turn(space, space.H[start], knob, STEPS)
            said = [f"{low} → {high} ({rho:.2f})" for rho, low, high in knob.meanings[:1]]
            label = [
                concept.name + ", such as" * bool(such),
                *such,
                f"dimension {knob.dimension}" + ", high to low" * knob.backwards,
                *said,
            ]
            rows.append(("\n".join(label), entry(start), [entry(i) for i in items]))
            such = []  # with a concept's first row
    return rows


if __name__ == "__main__":
    sys.exit(terminal.run(main))
