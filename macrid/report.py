"""`python -m macrid.report`: one page that shows what a run learned and lets a reader turn it."""

import base64
import hashlib
import io
import sys
from pathlib import Path

import numpy as np

from macrid import files, model, run_folder, terminal
from macrid.backend import to_host
from macrid.interpret import drawing, knobs, macro, maps, trajectory
from macrid.pictures.reading import FORMATS, MOST_PIXELS

# items on the page; of a larger catalogue, the best known and those that the page refers to
MOST_ITEMS = 6000
STARTS, USERS = 160, 40  # items that can be turned, shared among the concepts, and test users
KNOBS, STEPS = 4, 8  # dimensions a concept, items a turn
OWN, RECOMMENDED = 16, 12  # items of a user, recommended
SHAPES = 4  # that the page can draw: disc, triangle, square, diamond
PICTURE_BYTES = 11_000_000  # of all thumbnails in base64; their size is chosen to fit
LARGEST, SIDES = 160, (160, 128, 112, 96, 80, 72, 64, 56, 48, 40, 32)  # the longer side, pixels


def main(argv=None):
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
    arguments.add_argument("--quiet", action="store_true", help="print nothing but errors")
    flags = arguments.parse_args(argv)
    files.check_file(flags.out)
    metrics = Path(flags.run) / "metrics.json"
    loaded = run_folder.load(flags.run)
    text = render(
        *gather(loaded, flags.pictures, flags.quiet),
        files.load_json(metrics) if metrics.is_file() else {},
        loaded.settings,
    )
    with files.replacing(flags.out, "w") as file:
        file.write(text)
    if not flags.quiet:
        print(f"saved     {flags.out} ({len(text.encode()) / 1e6:.1f} MB)")


def gather(loaded, pictures=None, quiet=True):
    r"""(data, cards): what the page's script needs, as plain JSON values, and (`maps.Concept`,
    warnings) for each concept.

    Items are named by their row in H everywhere; `data["items"]` says what they are.
    """
    settings, interactions = loaded.settings, loaded.interactions
    split, state = loaded.split, loaded.state
    found, space = maps.learned(loaded), trajectory.space(state.best, settings)
    known, known_by = knobs.traits(interactions, split), np.asarray(split.train.sum(axis=0)).ravel()
    turnable = [knobs.worth_turning(space, k, known, KNOBS) for k in range(settings.K)]
    cards = list(zip(found.concepts, macro.troubles(found.m, found.C)))
    users = _users(loaded, found)
    starts = _starts(loaded, space, known_by, turnable, users, quiet)

    wanted = [
        int(row) for concept in found.concepts for row in (*concept.typical, *concept.best_known)
    ]
    wanted += [
        row for user in users for row in (*user["has"], *(row for row, _ in user["recommended"]))
    ]
    wanted += [
        row
        for start in starts
        for turn in start["turns"]
        for row in (start["item"], *turn["items"])
        if row >= 0
    ]
    rest = np.setdiff1d(np.argsort(-known_by, kind="stable")[:MOST_ITEMS], wanted)
    rows = np.concatenate(
        [np.unique(wanted), rest[: max(0, MOST_ITEMS - len(set(wanted)))]]
    ).astype(int)
    places = maps.flatten(found.H[rows])
    places = np.round(
        1000 * (places - places.min(axis=0)) / np.maximum(np.ptp(places, axis=0), 1e-12)
    ).astype(int)
    titles, paths = (
        interactions.item_titles(split.items),
        knobs.pictures(loaded, pictures),
    )
    categories = None if interactions.categories is None else interactions.categories[split.items]
    data = {
        "items": {
            "row": rows.tolist(),
            "title": [titles[i] for i in rows],
            "concept": found.assigned[rows].tolist(),
            "share": np.round(found.C[rows, found.assigned[rows]], 3).tolist(),
            "x": places[:, 0].tolist(),
            "y": places[:, 1].tolist(),
            "known": known_by[rows].astype(int).tolist(),
            "categories": (
                [] if categories is None else [categories[[i]].indices.tolist() for i in rows]
            ),
            "picture": thumbnails([paths.get(int(i)) for i in rows], np.isin(rows, wanted)),
        },
        "category_names": list(interactions.category_names),
        "starts": starts,
        "users": users,
        "concepts": [
            {
                "name": concept.name,
                "such": "; ".join(concept.examples),
                **_sign(concept.number),
                "knobs": [{"dimension": knob.dimension, "meanings": knob.meanings} for knob in own],
            }
            for concept, own in zip(found.concepts, turnable)
        ],
    }
    return data, cards


def _sign(k):
    """The colour and the shape of concept k on the page: the figures'. Black is the page's ink,
    which is light in the dark.
    """
    colour, marker = drawing.style(k)
    return {
        "colour": "currentColor" if colour == "#000000" else colour,
        "shape": drawing.MARKERS.index(marker) % SHAPES,
    }


def _users(loaded, found):
    """Test users: id, confidence of their components as shares, some items they have, what is
    recommended, and whether they had it.
    """
    settings, interactions = loaded.settings, loaded.interactions
    split, state = loaded.split, loaded.state
    test = split.test
    chosen = np.flatnonzero(np.diff(test.fold_in.indptr))[:USERS]
    X = test.fold_in[chosen]
    ranked = to_host(model.rank(state.best, X, settings, min(RECOMMENDED, X.shape[1]))[0])
    confidence = macro.confidence(X, found.C)
    users = []
    for place, u in enumerate(chosen):
        held_out = set(test.held_out[[u]].indices.tolist())
        own = X[[place]].indices
        users.append(
            {
                "id": str(interactions.users[test.users[u]]),
                "count": len(own),
                "hidden": len(held_out),
                "confidence": np.round(confidence[place] / confidence[place].sum(), 3).tolist(),
                "has": own[np.argsort(-found.C[own].max(axis=1), kind="stable")[:OWN]].tolist(),
                "recommended": [
                    (int(i), int(i) in held_out) for i in ranked[place] if i not in own
                ],
            }
        )
    return users


def _starts(loaded, space, known_by, turnable, users, quiet):
    """Where a reader can start to turn: the best known items of each concept, and users' two
    strongest components.
    """
    settings, split, state = loaded.settings, loaded.split, loaded.state
    places = []
    for k in range(settings.K):
        inside = np.flatnonzero(space.concept == k)
        for i in inside[
            np.argsort(-known_by[inside], kind="stable")[: max(1, STARTS // settings.K)]
        ]:
            places.append((space.H[i], {"item": int(i), "user": -1, "component": k}))
    chosen = np.flatnonzero(np.diff(split.test.fold_in.indptr))[:USERS]
    mu = to_host(model.represent(state.best, split.test.fold_in[chosen], settings)[0]).astype(
        float
    )  # (B, K, d)
    for u, user in enumerate(users):
        for k in np.argsort(-np.array(user["confidence"]), kind="stable")[:2]:
            places.append((mu[u, k], {"item": -1, "user": u, "component": int(k)}))
    starts = []
    for h, start in terminal.bar(quiet, places, desc="turning"):
        concept = int((space.m @ h).argmax())
        turns = [
            dict(zip(("items", "at"), knobs.turn(space, h, knob, STEPS)))
            for knob in turnable[concept]
        ]
        if any(turn["items"] for turn in turns):
            starts.append(start | {"concept": concept, "turns": turns})
    return starts


def thumbnails(paths, named):
    """Pictures (paths, or None) as base64 JPEGs, '' where there is none or it cannot be read; their
    size fits PICTURE_BYTES.

    Those `named` (a bool each), which the page shows at once, are twice the size of those that only
    the map shows.
    """
    groups = [
        [path for path, own in zip(paths, named) if path and own == which]
        for which in (False, True)
    ]
    for small in SIDES:
        sides = (small, min(LARGEST, 2 * small))
        if sum(_expected(group, side) for group, side in zip(groups, sides)) <= PICTURE_BYTES:
            break
    return [_thumbnail(path, sides[bool(own)]) if path else "" for path, own in zip(paths, named)]


def _expected(paths, side):
    """About how many characters these thumbnails take, from some of them."""
    return len(paths) * float(
        np.mean([len(_thumbnail(path, side)) for path in paths[:: max(1, len(paths) // 40)]] or [0])
    )


def _thumbnail(path, side):
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                return ""
            picture.draft("RGB", (2 * side, 2 * side))
            small = ImageOps.exif_transpose(picture).convert("RGBA")
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        IndexError,
        TypeError,
        OverflowError,
        Image.DecompressionBombError,
    ):
        return ""  # empty, damaged or foreign, as `macrid.features` reports
    small.thumbnail((side, side))
    file = io.BytesIO()
    Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("RGB").save(
        file, "JPEG", quality=60, optimize=True
    )
    return base64.b64encode(file.getvalue()).decode()


def render(data, cards, metrics, settings):
    """The page as text. Jinja2 escapes all that it fills in; the policy lets the browser run this
    one script and fetch nothing.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(
        loader=PackageLoader("macrid"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script, styles = (pages.loader.get_source(pages, f"report.{kind}")[0] for kind in ("js", "css"))
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return pages.get_template("report.html.j2").render(
        data=data,
        cards=cards,
        metrics=metrics,
        settings=settings,
        script=script,
        styles=styles,
        allowed=allowed,
        steps=STEPS,
        colours=len(drawing.COLOURS),
    )


if __name__ == "__main__":
    sys.exit(terminal.run(main))
