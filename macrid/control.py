"""`python -m macrid.control`: turn one dimension of an item or of a user, and see the items change
(section 3.5).
"""

import math
import sys
from pathlib import Path

import numpy as np

from macrid import backend, files, model, run_folder, terminal
from macrid.errors import UserError
from macrid.interpret import drawing, knobs, macro, trajectory
from macrid.model.ops import normalise

SHOWN = 10  # dimensions in the table
SUFFIXES = (".png", ".svg")


def main(argv=None):
    """Load a run, retrieve one item a step, print them, and write the strip where asked."""
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
    arguments.add_argument(
        "--backend",
        choices=backend.NAMES,
        help="numpy, cupy or auto (default: as the run was made)",
    )
    flags = arguments.parse_args(argv)
    if flags.gamma is None:
        flags.gamma = trajectory.USER_GAMMA if flags.item is None else trajectory.GAMMA
    _check(flags)
    run = run_folder.load(flags.run, flags.backend)
    settings, interactions, split, state = run.settings, run.interactions, run.split, run.state
    ids = interactions.items[split.items]
    names = interactions.item_titles(split.items)
    space = trajectory.space(state.best, settings)
    h, first, seen, start = _start(
        flags, settings, interactions, split, state.best, space, ids, names
    )
    pictures = knobs.pictures(run, flags.pictures) if flags.out else {}
    k = int((space.m @ h).argmax())
    truth = interactions.truth

    j = flags.dimension
    if j is None:
        j = _best(
            space,
            k,
            flags,
            truth and truth.attributes[split.items],
            truth and truth.attribute_names,
        )
    found = trajectory.trajectory(space, h, j, flags.steps, flags.gamma)
    if not len(found.items):
        raise UserError(
            f"no item of concept {k} lies where dimension {j} can be turned to; give another"
            " --dimension, or start elsewhere"
        )
    print(f"start     {start}, dimension {j} at {h[j]:+.3f}")
    print(
        f"concept   {k}, which stays the nearest for dimension {j} in ({found.edges[0]:+.3f},"
        f" {found.edges[-1]:+.3f})"
    )
    if len(found.items) < flags.steps:
        print(
            f"          only {len(found.items)} steps: the concept has no more different items"
            " there"
        )
    width = max(len(str(ids[i])) for i in found.items)
    print(f"{'step':>4}  {'value':>7}  {'item':{width}}")
    for step, (i, value) in enumerate(zip(found.items, found.values), 1):
        title = "" if str(names[i]) == str(ids[i]) else f"  {names[i]}"
        mark = "  (start)" if i == first else "  (has)" if i in seen else ""
        print(f"{step:4d}  {value:+7.3f}  {ids[i]:{width}}{title}{mark}")
    if truth:
        rho = trajectory.step_correlation(truth.attributes[split.items][found.items])
        print(
            "truth     Spearman of step and",
            ", ".join(f"{name} {r:+.2f}" for name, r in zip(truth.attribute_names, rho)),
        )
    if flags.out:
        kinds = interactions.item_categories(split.items)
        shown = [
            (pictures.get(i), str(names[i]), kinds[i], value, i == first)
            for i, value in zip(found.items, found.values)
        ]
        origin = (
            pictures.get(first),
            start if first is None else str(names[first]),
            "" if first is None else kinds[first],
            h[j],
            True,
        )
        with files.replacing(flags.out) as file:
            drawing.strip([origin, *shown], j).savefig(
                file, format=Path(flags.out).suffix[1:].lower(), dpi=110
            )
        print(flags.out)


def _check(flags):
    """What can be said without reading the run."""
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


def _start(flags, settings, interactions, split, parameters, space, ids, names):
    """Where the walk starts: (h_* (d,), the starting item or None, the user's items, words that say
    so).
    """
    d, K = space.H.shape[1], len(space.m)
    if flags.dimension is not None and not 0 <= flags.dimension < d:
        raise UserError(f"--dimension is {flags.dimension}, expected 0 to {d - 1}")
    if flags.concept is not None and not 0 <= flags.concept < K:
        raise UserError(f"--concept is {flags.concept}, expected 0 to {K - 1}")
    seen = ()
    if flags.user is not None:
        X = interactions.X[[_find(flags.user, interactions.users, "--user")]][:, split.items]
        seen = set(X.indices.tolist())
    if flags.item is not None:
        i = _find(flags.item, ids, "--item")
        if flags.concept not in (None, space.concept[i]):
            raise UserError(
                f"--concept is {flags.concept}, but item '{flags.item}' is of concept"
                f" {space.concept[i]}; leave --concept out"
            )
        title = "" if str(names[i]) == flags.item else f" {names[i]}"
        return space.H[i], i, seen, f"item {flags.item}{title}"
    if not seen:
        raise UserError(
            f"user '{flags.user}' has no item that the model knows; give --item instead"
        )
    confidence = macro.confidence(X, backend.to_host(model.concepts(parameters, settings)))[
        0
    ]  # (K,)
    k = int(confidence.argmax()) if flags.concept is None else flags.concept
    h = trajectory.component(parameters, X, k, settings)
    h = normalise(h)[0] if space.cosine else h
    words = (
        f"user {flags.user}, component {k} (confidence {confidence[k]:.1f} of"
        f" {confidence.sum():.0f} items)"
    )
    if (space.m @ h).argmax() != k:
        words += ", whose nearest prototype is another"
    return h, None, seen, words


def _find(name, known, flag):
    places = np.flatnonzero(known == name)
    if not len(places):
        raise UserError(f"{flag} is '{name}', unknown to the run; its ids look like '{known[0]}'")
    return int(places[0])


def _best(space, k, flags, attributes, attribute_names):
    """Print the dimensions of concept k most worth turning, and return the first."""
    with terminal.bar(False, desc="dimensions", total=space.H.shape[1], unit="") as bar:
        rows = trajectory.rank_dimensions(
            space, k, flags.steps, gamma=flags.gamma, attributes=attributes, progress=bar.update
        )
    print(
        f"concept {k}: the {min(SHOWN, len(rows))} of {len(rows)} dimensions most worth turning"
        " (means over starts inside the concept)"
    )
    print(
        "dimension  share of movement"
        + ("" if attributes is None else "  |Spearman|  information  attribute")
    )
    for row in rows[:SHOWN]:
        known = (
            ""
            if "rho" not in row
            else (
                f"  {row['monotone']:10.2f}  {row['information']:11.2f} "
                f" {attribute_names[row['attribute']]}"
            )
        )
        print(f"{row['dimension']:9d}  {row['share']:17.3f}{known}")
    print()
    return rows[0]["dimension"]


if __name__ == "__main__":
    sys.exit(terminal.run(main))
