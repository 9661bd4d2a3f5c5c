"""`python -m macrid.report`: one page that shows what a run learned and lets a reader turn it."""

import base64
import hashlib
import io
import sys
from pathlib import Path

import numpy as np

from macrid import files, model, run_folder, terminal
from macrid.backend import to_host
from macrid.config import Config
from macrid.interpret import drawing, knobs, macro, maps, trajectory
from macrid.pictures.reading import Unreadable, read
from macrid.run_folder import Run

MOST_ITEMS = 6000  # on the page: of a larger catalogue, those that it names, and the best known
STARTS, USERS = 160, 40  # items that can be turned, shared among the concepts, and test users
KNOBS, STEPS = 4, 8  # dimensions a concept, items a turn
SOME, RECOMMENDED = 16, 12  # items that a user has, that are recommended to her
SHAPES = 4  # that the page can draw: disc, triangle, square, diamond
PICTURE_BYTES = 11_000_000  # of all thumbnails in base64; their size is chosen to fit
METRICS = {  # what they are, for a reader; {k} guesses
    "ndcg": "the same over {k} guesses, early ones counting more",
    "recall": "the share of the hidden items (of {k} at most) among the first {k} guesses",
    "recall_all": "the share of all hidden items that is among the first {k} guesses",
    "mrr": "one over the place of the first hit, 0 if it is after {k}",
    "hit": "whether there is a hit among the first {k} guesses",
    "coverage": "the share of all items that stand among the first {k} guesses for somebody",
}
LARGEST, SIDES = 160, (160, 128, 112, 96, 80, 72, 64, 56, 48, 40, 32)  # the longer side, pixels


def main(argv: list[str] | None = None) -> None:
    """Write the page."""
    arguments = terminal.parser(
        "report",
        "Write one self-contained page about a run.",
        "python -m macrid.report --run runs/shop --out page.html",
    )
    arguments.add_argument("--run", required=True, help="a run folder of macrid.train")
    arguments.add_argument("--out", required=True, help="the page to write, such as page.html")
    arguments.add_argument(
        "--pictures", help="a folder of pictures named <item id>.jpg (default: as the run has them)"
    )
    arguments.add_argument(
        "--anonymous",
        action="store_true",
        help="to show to others: users have numbers for ids, and the data's name is left out",
    )
    terminal.add_quiet_flag(arguments)
    flags = arguments.parse_args(argv)
    files.check_file(flags.out)
    is_finished = (Path(flags.run) / "metrics.json").is_file()
    metrics = run_folder.load_metrics(flags.run) if is_finished else {}
    run = run_folder.load(flags.run)
    data, cards = gather(run, flags.pictures, flags.quiet, flags.anonymous)
    text = render(data, cards, metrics, run.settings)
    with files.replacing(flags.out, "w") as file:
        file.write(text)
    say = terminal.say(flags.quiet)
    say(f"saved     {flags.out} ({len(text.encode()) / 1e6:.1f} MB)")


def gather(
    run: Run, pictures=None, quiet: bool = True, anonymous: bool = False
) -> tuple[dict, list]:
    r"""What the page shows: data for its script, as plain JSON values, and cards.

    A card is a (`maps.Concept`, warnings). Items are named by their row in H everywhere;
    `data["items"]` says what they are. `pictures` is a folder, by default the run's. Where it is
    `anonymous`, users are called by numbers, and the data have no name.
    """
    learned, space = maps.learned(run), trajectory.space(run.parameters, run.settings)
    adopters = np.asarray(run.split.train.sum(axis=0)).ravel()
    known_traits = knobs.traits(run.interactions, run.split)
    is_telling = knobs.beyond_chance(space, known_traits)
    turnable = [
        knobs.worth_turning(space, k, known_traits, KNOBS, is_telling=is_telling[k])
        for k in range(run.settings.K)
    ]
    users = _users(run, learned, anonymous)
    starts = _starts(run, space, adopters, turnable, users, quiet)
    named = _named_items(learned, users, starts)
    rows = _shown_items(named, adopters)
    paths = knobs.pictures(run, pictures)
    shown = [paths.get(i) for i in rows.tolist()]
    thumbnail = thumbnails(shown, np.isin(rows, named))
    terminal.say(quiet)(*_left_out(shown, thumbnail))
    concepts = [
        {
            "name": concept.name,
            "such": "; ".join(concept.examples),
            **_sign(concept.number),
            "knobs": [{"dimension": knob.dimension, "meanings": knob.meanings} for knob in of_it],
        }
        for concept, of_it in zip(learned.concepts, turnable)
    ]
    data = {
        "items": {**_items(run, learned, rows, adopters), "picture": thumbnail},
        "category_names": list(run.interactions.category_names),
        "starts": starts,
        "first": _first(starts),
        "users": users,
        "concepts": concepts,
        "taught_by": _taught_by(run),
        "name": "" if anonymous else Path(run.settings.data).name,
        "final_of": "" if anonymous else Path(run.settings.final).name,
        "is_weak": run.settings.split.startswith(("temporal", "given")),
    }
    return data, list(zip(learned.concepts, macro.troubles(learned.m, learned.C)))


def _taught_by(run):
    """What training saw, in words."""
    settings, teachers = run.settings, ["who chose what"]
    if settings.category_weight > 0 and run.interactions.categories is not None:
        teachers.append("the items' known categories")
    if settings.start == "pictures":
        teachers.append("the items' pictures, where it begins")
    if settings.warm_start:
        teachers.append("an earlier model, which it goes on from")
    return teachers


def _first(starts):
    """The place of the start that a reader sees first: where a knob works best."""
    worth = [start["worth"] if start["item"] >= 0 else -1.0 for start in starts]
    return int(np.argmax(worth)) if starts else -1


def _named_items(learned, users, starts):
    """The rows of the items that the page shows outside the map, some of them more than once."""
    rows: list[int] = []
    for concept in learned.concepts:
        rows += [*concept.typical.tolist(), *concept.best_known.tolist()]
    for user in users:
        rows += [*user["has"], *(row for row, _ in user["recommended"])]
    for start in starts:
        for turn in start["turns"]:
            rows += [row for row in (start["item"], *turn["items"]) if row >= 0]
    return rows


def _shown_items(named, adopters):
    """The rows of the items that are on the page: those named, and the best known of the others."""
    best_known = np.argsort(-adopters, kind="stable")[:MOST_ITEMS]
    others = np.setdiff1d(best_known, named)
    room = max(0, MOST_ITEMS - len(set(named)))
    return np.concatenate([np.unique(named), others[:room]]).astype(int)


def _items(run, learned, rows, adopters):
    """What the page knows of the items of these rows, a list for each fact."""
    interactions, items = run.interactions, run.split.items
    places = maps.flatten(learned.H[rows])
    extent = np.maximum(np.ptp(places, axis=0), 1e-12)
    places = np.round(1000 * (places - places.min(axis=0)) / extent).astype(int)
    concept, categories = learned.assigned[rows], []
    if interactions.categories is not None:
        one_hot = interactions.categories[items]
        categories = [one_hot[[i]].indices.tolist() for i in rows]
    return {
        "row": rows.tolist(),
        "title": interactions.item_titles(items[rows]),
        "concept": concept.tolist(),
        "share": np.round(learned.C[rows, concept], 3).tolist(),
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "known": adopters[rows].astype(int).tolist(),
        "categories": categories,
        "about": _in_catalogue(interactions.catalogue, items[rows]),
    }


def _in_catalogue(catalogue, items):
    """What a table of items says of each of `items` beside title and category: brand, numbers."""
    if catalogue is None:
        return [""] * len(items)
    brands = catalogue.brands if catalogue.brands is not None else [""] * len(catalogue.ids)
    numbers = [(name, values) for name, values in catalogue.numbers.items()]
    facts = [
        [
            brands[i],
            *(f"{name} {values[i]:g}" for name, values in numbers if values[i] == values[i]),
        ]
        for i in items
    ]
    return [", ".join(filter(None, map(str, of_item))) for of_item in facts]


def _sign(k):
    """The colour and the shape of concept k on the page: the figures'.

    Black is the page's ink, which is light in the dark.
    """
    colour, marker = drawing.style(k)
    return {
        "colour": "currentColor" if colour == "#000000" else colour,
        "shape": drawing.MARKERS.index(marker) % SHAPES,
    }


def _shown_users(run):
    """The test users on the page: places in `split.test`, of those who have an item."""
    return np.flatnonzero(np.diff(run.split.test.fold_in.indptr))[:USERS]


def _users(run, learned, anonymous):
    """Test users: what they look for, some of what they have, and what is recommended to them.

    confidence   of their components, as shares
    recommended  [(row, whether it is among the items that were hidden)]
    """
    test, shown = run.split.test, _shown_users(run)
    X = test.fold_in[shown]
    n = min(RECOMMENDED, X.shape[1])
    ranked = to_host(model.rank(run.parameters, X, run.settings, n)[0])
    confidence = macro.confidence(X, learned.C)
    certainty = learned.C.max(axis=1)  # of each item's concept
    users, names = [], run.interactions.users
    for place, u in enumerate(shown):
        hidden = set(test.held_out[[u]].indices.tolist())
        has = X[[place]].indices
        recommended = [(i, i in hidden) for i in ranked[place].tolist() if i not in has]
        users.append(
            {
                "id": f"user {place + 1}" if anonymous else str(names[test.users[u]]),
                "count": len(has),
                "hidden": len(hidden),
                "confidence": np.round(confidence[place] / confidence[place].sum(), 3).tolist(),
                "has": has[np.argsort(-certainty[has], kind="stable")[:SOME]].tolist(),
                "recommended": recommended,
            }
        )
    return users


def _starts(run, space, adopters, turnable, users, quiet):
    """Where a reader can start to turn, and the items that come when each knob is turned there.

    The best known items of each concept, and users' two strongest components.
    """
    starts: list[tuple] = []  # (h, what it is)
    K = run.settings.K
    for k in range(K):
        inside = np.flatnonzero(space.concept == k)
        best_known = inside[np.argsort(-adopters[inside], kind="stable")]
        for i in best_known[: max(1, STARTS // K)]:
            starts.append((space.H[i], {"item": int(i), "user": -1, "component": k}))
    X = run.split.test.fold_in[_shown_users(run)]
    mu = to_host(model.represent(run.parameters, X, run.settings)[0]).astype(float)  # (B, K, d)
    for u, user in enumerate(users):
        for k in np.argsort(-np.array(user["confidence"]), kind="stable")[:2]:
            starts.append((mu[u, k], {"item": -1, "user": u, "component": int(k)}))
    turned = []
    for h, start in terminal.bar(quiet, starts, desc="turning"):
        concept = int((space.m @ h).argmax())
        turns = [_turn(space, h, knob) for knob in turnable[concept]]
        worth = np.array([_worth(*pair) for pair in zip(turnable[concept], turns)])
        order = [j for j in np.argsort(-worth, kind="stable").tolist() if turns[j]["items"]]
        if order:
            about = {
                "concept": concept,
                "turns": turns,
                "order": order,
                "worth": float(worth[order[0]]),
            }
            turned.append(start | about)
    return turned


def _turn(space, h, knob):
    """The items that come when a knob is turned from h, and what it turns at each step.

    at      the place of h among the items
    values  what the knob turns, of each item, in words; `coordinates`, the dimension itself
    rho     how steadily the trait grows along them
    """
    items, at = knobs.turn(space, h, knob, STEPS)
    return {
        "items": items,
        "at": at,
        "values": [knob.said_of(space, i) for i in items],
        "coordinates": np.round(space.H[items, knob.dimension], 2).tolist(),
        "rho": round(knobs.steadiness(knob, items), 2),
    }


def _worth(knob, turn):
    """How steadily a knob turns something: on average and from here.

    Popularity goes with everything a little: it comes after what else there is.
    """
    if knob.trait is None or not turn["items"]:
        return 0.0
    worth = knob.meanings[0][0] * turn["rho"]
    return round(worth * (0.1 if knob.trait.name == "popularity" else 1.0), 3)


def thumbnails(paths: list, named) -> list[str]:
    """Pictures (paths, or None) as base64 JPEGs, '' where there is none or it cannot be read.

    Their size fits PICTURE_BYTES. Those `named` (a bool each), which the page shows at once, are
    twice the size of those that only the map shows.
    """
    groups = [
        [path for path, is_named in zip(paths, named) if path and is_named == group]
        for group in (False, True)
    ]
    for side in SIDES:
        sides = (side, min(LARGEST, 2 * side))
        if sum(map(_expected, groups, sides)) <= PICTURE_BYTES:
            break
    return [
        _thumbnail(path, sides[bool(is_named)]) if path else ""
        for path, is_named in zip(paths, named)
    ]


def _expected(paths, side):
    """About how many characters these thumbnails take, from some of them."""
    some = paths[:: max(1, len(paths) // 40)]
    return len(paths) * float(np.mean([len(_thumbnail(path, side)) for path in some] or [0]))


def _left_out(paths, pictures):
    """A line on the pictures that cannot be read, if there are some, with why of the first."""
    unreadable = [path for path, picture in zip(paths, pictures) if path and not picture]
    for path in unreadable[:1]:
        try:
            read(path)
        except Unreadable as reason:
            yield f"left out  {len(unreadable):,} pictures, such as {path}, which {reason}"


def _thumbnail(path, side):
    """A picture as base64 JPEG of at most so many pixels a side; '' if it cannot be read."""
    try:
        small, _ = read(path, 2 * side)
    except Unreadable:
        return ""
    small.thumbnail((side, side))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=60, optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def render(data: dict, cards: list, metrics: dict, settings: Config) -> str:
    """The page as text.

    Jinja2 escapes all that it fills in; the policy lets the browser run this one script and fetch
    nothing.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("macrid")
    pages = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    test, baselines = metrics.get("test", {}), metrics.get("baselines", {})
    first = next(iter(test), None)  # the metric of the headline: NDCG
    best = max(baselines, key=lambda name: baselines[name][first]["mean"], default=None)
    script, styles = (loader.get_source(pages, f"report.{kind}")[0] for kind in ("js", "css"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return pages.get_template("report.html.j2").render(
        data=data,
        cards=cards,
        metrics=metrics,
        first=first,
        best=best,
        difference=metrics.get("differences", {}).get(best, {}).get(first),
        explained=_explained(test),
        settings=settings,
        script=script,
        styles=styles,
        allowed=allowed,
        steps=STEPS,
        colours=len(drawing.COLOURS),
    )


def _explained(metrics):
    """[(metric, what it is)], the recall before NDCG, which is told by it."""
    named = [(name, *name.split("@")) for name in metrics if "@" in name]
    named = [(name, kind, k) for name, kind, k in named if kind in METRICS]
    named.sort(key=lambda each: not each[1].startswith("recall"))
    kinds = [kind for _, kind, _ in named]
    firsts = [each for place, each in enumerate(named) if each[1] not in kinds[:place]]
    return [(name, METRICS[kind].format(k=k)) for name, kind, k in firsts]


if __name__ == "__main__":
    sys.exit(terminal.run(main))
