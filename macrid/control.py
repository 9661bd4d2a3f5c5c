"""`python -m macrid.control`: turn one dimension of an item or of a user, and see the items change.

This is section 3.5 of the paper.
"""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from macrid import backend, files, model, run_folder, terminal
from macrid.data.ids import other_spelling
from macrid.errors import UserError, shown
from macrid.interpret import drawing, knobs, macro, trajectory
from macrid.interpret.trajectory import Space, Trajectory
from macrid.model.ops import normalise
from macrid.run_folder import Run

SHOWN = 10  # dimensions in the table
SUFFIXES = (".png", ".svg")


@dataclass(frozen=True)
class Start:
    """Where the walk starts: h_* (d,), it in words, the item that it is, and what the user has."""

    h: np.ndarray
    words: str
    item: int | None
    seen: set[int]


def main(argv: list[str] | None = None) -> None:
    """Load a run, retrieve one item a step, print them, and write the strip where asked."""
    flags = _flags(argv)
    run = run_folder.load(flags.run, flags.backend)
    space = trajectory.space(run.parameters, run.settings)
    start = _start(flags, run, space)
    pictures = knobs.pictures(run, flags.pictures) if flags.out else {}
    k, j = int((space.m @ start.h).argmax()), flags.dimension
    if j is None:
        j = _best_dimension(run, space, k, flags)
    path = trajectory.trajectory(space, start.h, j, flags.steps, flags.gamma)
    if not len(path.items):
        raise UserError(
            f"no item of concept {k} lies where dimension {j} can be turned to; give another"
            " --dimension, or start elsewhere"
        )
    say = terminal.say()
    say(*_lines(run, start, path, j, flags.steps))
    if flags.out:
        figure = drawing.strip(_strip(run, start, path, j, pictures), j)
        with files.replacing(flags.out) as file:
            drawing.write(file, Path(flags.out).suffix[1:].lower(), figure, dpi=110)
        say(flags.out)


def _flags(argv):
    """The flags, as far as they can be checked without reading the run."""
    arguments = terminal.parser(
        "control",
        "Turn one dimension of an item or of a user, and see the items change step by step.",
        "python -m macrid.control --run runs/shop --item mug-003 --steps 8 --out strip.png",
    )
    arguments.add_argument("--run", required=True, help="a run folder of macrid.train")
    arguments.add_argument(
        "--item", help="start from this item; with --user as well, the items she has are marked"
    )
    arguments.add_argument("--user", help="start from a component of this user")
    arguments.add_argument(
        "--concept",
        type=int,
        metavar="K",
        help="the user's component (default: the one with most confidence)",
    )
    arguments.add_argument(
        "--dimension",
        type=int,
        metavar="J",
        help="what to turn (default: the dimension most worth turning)",
    )
    arguments.add_argument(
        "--steps", type=int, default=8, metavar="B", help="items to retrieve (default: 8)"
    )
    default = f"{trajectory.GAMMA:g}; from a user's component {trajectory.USER_GAMMA:g}"
    arguments.add_argument(
        "--gamma", type=float, help=f"weight of smoothness, equation (12) (default: {default})"
    )
    arguments.add_argument("--out", help="write the strip of pictures to this .png or .svg file")
    arguments.add_argument(
        "--pictures", help="a folder of pictures named <item id>.jpg (default: the run's)"
    )
    terminal.add_backend_flag(arguments)
    flags = arguments.parse_args(argv)
    if flags.gamma is None:
        flags.gamma = trajectory.USER_GAMMA if flags.item is None else trajectory.GAMMA
    if flags.item is None and flags.user is None:
        raise UserError("nothing to start from; give --item ID or --user ID")
    if flags.steps < 1:
        raise UserError(f"--steps is {flags.steps}, expected at least 1")
    if not (math.isfinite(flags.gamma) and flags.gamma >= 0):
        raise UserError(f"--gamma is {flags.gamma}, expected a number of at least 0")
    if flags.out and Path(flags.out).suffix.lower() not in SUFFIXES:
        raise UserError(
            f"--out is '{flags.out}', expected a name that ends in {' or '.join(SUFFIXES)}"
        )
    if flags.out:
        files.check_file(flags.out)
    return flags


def _start(flags, run: Run, space: Space) -> Start:
    """From an item, or from the component of a user that the flags name."""
    d, K = space.H.shape[1], len(space.m)
    if flags.dimension is not None and not 0 <= flags.dimension < d:
        raise UserError(f"--dimension is {flags.dimension}, expected 0 to {d - 1}")
    if flags.concept is not None and not 0 <= flags.concept < K:
        raise UserError(f"--concept is {flags.concept}, expected 0 to {K - 1}")
    interactions, items = run.interactions, run.split.items
    seen: set[int] = set()
    if flags.user is not None:
        u = _place(flags.user, interactions.users, "--user")
        X = interactions.X[[u]][:, items]
        seen = set(X.indices.tolist())
    if flags.item is not None:
        i = _place(flags.item, interactions.items[items], "--item")
        if flags.concept not in (None, space.concept[i]):
            raise UserError(
                f"--concept is {flags.concept}, but item '{flags.item}' is of concept"
                f" {space.concept[i]}; leave --concept out"
            )
        title = interactions.item_titles(items[[i]])[0]
        words = f"item {flags.item}" + ("" if title == flags.item else f" {title}")
        return Start(space.H[i], words, i, seen)
    if not seen:
        raise UserError(
            f"user '{flags.user}' has no item that the model knows; give --item instead"
        )
    C = backend.to_host(model.concepts(run.parameters, run.settings))
    confidence = macro.confidence(X, C)[0]  # (K,)
    k = int(confidence.argmax()) if flags.concept is None else flags.concept
    h = trajectory.component(run.parameters, X, k, run.settings)
    h = normalise(h)[0] if space.cosine else h
    share = f"{confidence[k]:.1f} of {confidence.sum():.0f} items"
    words = f"user {flags.user}, component {k} (confidence {share})"
    if (space.m @ h).argmax() != k:
        words += ", whose nearest prototype is another"
    return Start(h, words, None, seen)


def _place(name, ids, flag):
    """The place of an id among `ids`."""
    places = np.flatnonzero(ids == name)
    if not len(places):
        near = other_spelling(name, ids.tolist())
        hint = f"there it is '{near}'" if near else f"its ids look like '{ids[0]}'"
        raise UserError(f"{flag} is '{name}', unknown to the run; {hint}")
    return int(places[0])


def _best_dimension(run: Run, space: Space, k: int, flags) -> int:
    """Print the dimensions of concept k most worth turning, and return the first."""
    truth = run.interactions.truth
    attributes = truth and truth.attributes[run.split.items]
    with terminal.bar(False, desc="dimensions", total=space.H.shape[1], unit="") as bar:
        rows = trajectory.rank_dimensions(
            space, k, flags.steps, gamma=flags.gamma, attributes=attributes, progress=bar.update
        )
    of_truth = "  |Spearman|  information  attribute" if truth else ""
    say = terminal.say()
    say(
        f"concept {k}: the {min(SHOWN, len(rows))} of {len(rows)} dimensions most worth turning"
        " (means over starts inside the concept)",
        f"dimension  share of movement{of_truth}",
    )
    for row in rows[:SHOWN]:
        line = f"{row['dimension']:9d}  {row['share']:17.3f}"
        if truth and "rho" in row:
            name = truth.attribute_names[row["attribute"]]
            line += f"  {row['monotone']:10.2f}  {row['information']:11.2f}  {name}"
        say(line)
    say("")
    return rows[0]["dimension"]


def _lines(run: Run, start: Start, path: Trajectory, j: int, steps: int) -> list[str]:
    """The walk: where it starts, the range of dimension j, and an item a step."""
    interactions, items = run.interactions, run.split.items[path.items]
    low, high = path.edges[[0, -1]]
    lines = [
        f"start     {start.words}, dimension {j} at {start.h[j]:+.3f}",
        f"concept   {path.concept}, which stays the nearest for dimension {j} in ({low:+.3f},"
        f" {high:+.3f})",
    ]
    n = len(items)
    if n < steps:
        lines.append(f"          only {n} steps: the concept has no more different items there")
    ids, titles = interactions.items[items].tolist(), interactions.item_titles(items)
    ids, titles = list(map(shown, ids)), list(map(shown, titles))
    width = max(len(name) for name in ids)
    lines.append(f"{'step':>4}  {'value':>7}  {'item':{width}}")
    for t, (i, value, name, title) in enumerate(zip(path.items, path.values, ids, titles), 1):
        text = "" if title == name else f"  {title}"
        mark = "  (start)" if i == start.item else "  (has)" if i in start.seen else ""
        lines.append(f"{t:4d}  {value:+7.3f}  {name:{width}}{text}{mark}")
    if interactions.truth:
        rho = trajectory.step_correlation(interactions.truth.attributes[items])
        names = interactions.truth.attribute_names
        pairs = ", ".join(f"{name} {r:+.2f}" for name, r in zip(names, rho))
        lines.append(f"truth     Spearman of step and {pairs}")
    return lines


def _strip(run: Run, start: Start, path: Trajectory, j: int, pictures: dict) -> list:
    """The entries of `drawing.strip`: the start, and an item a step."""
    titles = run.interactions.item_titles(run.split.items)
    categories = run.interactions.item_categories(run.split.items)
    first = (None, start.words, "", start.h[j], True)
    if (i := start.item) is not None:
        first = (pictures.get(i), titles[i], categories[i], start.h[j], True)
    return [
        first,
        *(
            (pictures.get(i), titles[i], categories[i], value, i == start.item)
            for i, value in zip(path.items, path.values)
        ),
    ]


if __name__ == "__main__":
    sys.exit(terminal.run(main))
