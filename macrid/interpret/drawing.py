"""Figures. Each function returns a matplotlib Figure; `python -m macrid.figures` writes them."""

import numpy as np

from macrid.data import shop_pictures
from macrid.data.shop import CATEGORIES, DETAIL, SHARED
from macrid.files import replacing

INK = "#333333"
GREY = "#bbbbbb"
COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#000000",
    "#F0E442",
)  # Okabe and Ito (2008)
MARKERS = ("o", "^", "s", "D", "v", "P", "X")  # a second sign for a colour that comes again
CARD = "#f4f2ec"  # stands for a picture, with text on it


def style(place):
    """(colour, marker) of the concept at `place`: no two of 56 are the same."""
    return COLOURS[place % len(COLOURS)], MARKERS[place // len(COLOURS) % len(MARKERS)]


def save(folder, name: str, figure, say=print) -> None:
    """Write a figure as PNG and SVG, and say where; the same figure gives the same bytes."""
    import matplotlib

    for kind, metadata in (("png", {}), ("svg", {"Date": None})):
        path = folder / f"{name}.{kind}"
        with matplotlib.rc_context({"svg.hashsalt": "macrid"}), replacing(path) as file:
            figure.savefig(file, format=kind, dpi=150, metadata=metadata)
        say(path)


def concept_map(found, points, inner=None):
    r"""Figures 2 to 4: items and users' two strongest components in one t-SNE map, coloured by
    concept and by category.

    found   `maps.Learned`
    points  (items (n,), users' concepts (2B,), places (n + 2B, 2)): rows of H, then the components
            of B users
    inner   (`maps.Learned`, items (n',), places (n', 2)) of a run with the inner product, for panel
            (c), or None
    A panel that the data does not allow (no categories, no second run) is left out; the letters are
    the paper's.
    """
    from matplotlib.figure import Figure

    items, of_users, places = points
    n = len(items)
    kinds = [(style(concept.number), concept.name) for concept in found.concepts]
    panels = [("(a) Items, by predicted concept", places[:n], found.assigned[items], kinds)]
    if found.category is not None:
        truth, truth_kinds = _by_category(found, items)
        panels.append(("(b) Items, by true category", places[:n], truth, truth_kinds))
    if inner is not None:
        other, its_items, its_places = inner
        its_kinds = [(style(concept.number), concept.name) for concept in other.concepts]
        panels.append(
            (
                "(c) Items of the inner-product model",
                its_places,
                other.assigned[its_items],
                its_kinds,
            )
        )
    panels.append(("(d) Users' two strongest components", places[n:], of_users, kinds))
    panels.append(
        ("(e) Items and users", places, np.concatenate([found.assigned[items], of_users]), kinds)
    )

    columns = 2 if len(panels) == 4 else min(3, len(panels))
    rows = -(-len(panels) // columns)
    typical = [
        f"Typical of {concept.name}: {'; '.join(concept.examples)}"
        for concept in found.concepts
        if concept.examples
    ]
    figure = Figure(
        figsize=(4.6 * columns, (4.8 + 0.1 * len(found.m)) * rows + 0.9 + 0.2 * len(typical)),
        layout="constrained",
        facecolor="white",
    )
    lower, upper = places.min(axis=0), places.max(axis=0)
    margin = 0.04 * (upper - lower)
    for place, (title, at, groups, signs) in enumerate(panels):
        axis = figure.add_subplot(rows, columns, place + 1)
        for group, ((colour, marker), name) in enumerate(signs):
            here = at[groups == group]
            axis.scatter(
                *here.T,
                s=7,
                c=colour,
                marker=marker,
                linewidths=0,
                alpha=0.85,
                label=f"{name} ({len(here):,})",
            )
        rest = at[groups < 0]
        if len(rest):
            axis.scatter(
                *rest.T,
                s=4,
                c=GREY,
                marker="o",
                linewidths=0,
                zorder=0,
                label=f"none or several of these ({len(rest):,})",
            )
        if not title.startswith("(c)"):  # panels of one map have one scale
            axis.set_xlim(lower[0] - margin[0], upper[0] + margin[0])
            axis.set_ylim(lower[1] - margin[1], upper[1] + margin[1])
        axis.set_title(title, fontsize=11, color=INK)
        axis.set_xlabel("t-SNE 1", color=INK, fontsize=9)
        axis.set_ylabel("t-SNE 2", color=INK, fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, -0.06),
            ncols=2,
            fontsize=8,
            markerscale=2.5,
            frameon=False,
            handletextpad=0.3,
        )
    text = (
        f"t-SNE of {n:,} of {len(found.H):,} items and of the two most confident components of"
        f" {len(of_users) // 2:,} training users, in one map; in brackets, how many points. An"
        " item's concept is arg max over k of c_ik. A concept is called after a category only"
        " where that stands out in it."
    )
    if len(found.m) > len(COLOURS):
        text += f" After {len(COLOURS)} concepts the colours come again with another marker."
    if found.category is not None:
        text += (
            " In (b) a category has the colour of the concept called after it, the others as"
            " section 4.3's greedy matching pairs them, near or not."
        )
    if inner is not None:
        share = np.bincount(inner[0].assigned).max() / len(inner[0].assigned)
        text += (
            f" Panel (c) is a map of its own; its largest concept holds {share:.0%} of the items,"
            f" {np.bincount(found.assigned).max() / len(found.assigned):.0%} in (a)."
        )
    _caption(figure, text, *typical)
    return figure


def _by_category(found, items):
    """(groups (n,), [(style, name)]) of the true categories, those matched to a concept in its
    colour, a few others after.
    """
    others = [
        g
        for g in np.unique(found.category[found.category >= 0])
        if g not in found.matching.values()
    ]
    chosen = [found.matching.get(k, -2) for k in range(len(found.m))] + others[
        : max(0, len(COLOURS) - len(found.m))
    ]
    place = {g: at for at, g in enumerate(chosen)}
    groups = np.array([place.get(g, -1) for g in found.category[items]])
    return groups, [
        (style(at), found.category_names[g] if g >= 0 else "no category")
        for at, g in enumerate(chosen)
    ]


def independence_curve(runs, metric="ndcg@100"):
    r"""Figure 5: independence of dimensions against the metric, one point a run, for mu, for
    sampled z and for h apart.

    runs: a list of (label, beta, metrics.json as a dict). Runs of one label are joined in order of
    beta (the mean, where seeds repeat a beta). "independence_stderr", where a run has it, becomes a
    bar across. The dashed line is what independent dimensions would give in a sample of this size.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    measured = (
        ("mu", "users' means μ", "users_ceiling"),
        ("z", "users' samples z", "users_ceiling"),
        ("h", "items' h", "items_ceiling"),
    )
    figure = Figure(figsize=(13, 4.8), layout="constrained", facecolor="white")
    axes = figure.subplots(1, 3, sharey=True)
    labels, betas = (
        list(dict.fromkeys(label for label, _, _ in runs)),
        sorted({beta for _, beta, _ in runs}),
    )
    shade = {
        beta: colormaps["viridis"](0.85 * place / max(1, len(betas) - 1))
        for place, beta in enumerate(betas)
    }
    lines = ("-", "--", ":", "-.")
    for axis, (name, title, ceiling) in zip(axes, measured):
        for place, label in enumerate(labels):
            marker, line = MARKERS[place % len(MARKERS)], lines[place % len(lines)]
            own = {
                beta: [found for of, b, found in runs if (of, b) == (label, beta)] for beta in betas
            }
            x, y = (
                {beta: [read(found) for found in own[beta]] for beta in betas if own[beta]}
                for read in (
                    lambda found: found["independence"][name],
                    lambda found: found["test"][metric]["mean"],
                )
            )
            axis.plot(
                [np.mean(x[beta]) for beta in x],
                [np.mean(y[beta]) for beta in x],
                color=GREY,
                linewidth=1,
                linestyle=line,
                zorder=1,
                label=label,
            )
            for beta in x:
                spread = [found["test"][metric]["stderr"] or 0 for found in own[beta]]
                across = [
                    found.get("independence_stderr", {}).get(name) or 0 for found in own[beta]
                ]
                axis.errorbar(
                    x[beta],
                    y[beta],
                    yerr=spread,
                    xerr=across,
                    fmt=marker,
                    color=shade[beta],
                    capsize=2,
                    linewidth=0.8,
                    markersize=6,
                )
        axis.axvline(runs[0][2]["independence"][ceiling], color=INK, linestyle="--", linewidth=0.8)
        axis.set_title(f"Independence of {title}", fontsize=11, color=INK)
        axis.set_xlabel("1 - mean |correlation| of two dimensions", color=INK, fontsize=9)
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel(f"test {metric.upper()} ± standard error", color=INK, fontsize=9)
    signs = [
        Line2D([], [], color=shade[beta], marker="o", linestyle="", label=f"β = {beta:g}")
        for beta in betas
    ]
    signs += [
        Line2D(
            [],
            [],
            color=GREY,
            marker=MARKERS[place % len(MARKERS)],
            linestyle=lines[place % len(lines)],
            label=label,
        )
        for place, label in enumerate(labels)
    ]
    signs.append(
        Line2D([], [], color=INK, linestyle="--", linewidth=0.8, label="independent,\nthis sample")
    )
    figure.legend(handles=signs, loc="outside right upper", fontsize=9, frameon=False)
    _caption(
        figure,
        "Independence is 1 - 2/(d(d-1)) sum |corr_ij| (section 4.4.1), of the posterior's means, of"
        " samples from it (which add noise, and noise is independent), and of item representations."
        " The paper's Figure 5 does not say which. Bars: one standard error over test users. The"
        " line joins the means in order of β.",
    )
    return figure


def comparison(table):
    r"""Tables 2 and 3 as a picture: above, each system's means; below, the reference minus each,
    paired by user.

    table: the dict of `macrid.experiments.results.build`. Bars above are one standard error; below
    they are 95% intervals, filled where zero is rejected after Holm's correction.
    """
    from matplotlib.figure import Figure

    names = [system["name"] for system in table["systems"]]
    metrics = list(table["systems"][0]["figures"])
    compared = [name for name in names if name != table["reference"]]
    rows = [names, compared] if compared else [names]
    heights = [len(row) + 2.5 for row in rows]
    figure = Figure(figsize=(13, 0.3 * sum(heights) + 1.6), layout="constrained", facecolor="white")
    grid = figure.subplots(
        len(rows), len(metrics), squeeze=False, sharey="row", gridspec_kw={"height_ratios": heights}
    )
    for axis, metric in zip(grid[0], metrics):
        for place, system in enumerate(table["systems"]):
            found = system["figures"][metric]
            colour = COLOURS[5] if system["name"] == table["reference"] else COLOURS[0]
            axis.errorbar(
                found["mean"],
                place,
                xerr=found["stderr"] or 0,
                fmt="o",
                color=colour,
                capsize=3,
                markersize=5,
            )
        axis.set_title(metric.upper().replace("RECALL", "Recall"), fontsize=11, color=INK)
        _rows(axis, names, "mean ± standard error")
    for axis, metric in zip(grid[1] if compared else [], metrics):
        axis.axvline(0, color=INK, linestyle="--", linewidth=0.8)
        pairs = [
            next(
                one
                for one in table["comparisons"]
                if (one["system"], one["metric"]) == (name, metric)
            )
            for name in compared
        ]
        far = 3 * np.median(
            [max(abs(one["low"]), abs(one["high"])) for one in pairs]
        )  # one system far away would hide how the others differ
        for place, found in enumerate(pairs):
            if abs(found["mean"]) > far > 0:
                side = np.sign(found["mean"])
                arrow = ("← {}", "{} →")[int(side > 0)]
                axis.annotate(
                    arrow.format(f"{found['mean']:+.3f}"),
                    (0.98 if side > 0 else 0.02, place),
                    xycoords=("axes fraction", "data"),
                    ha="right" if side > 0 else "left",
                    va="center",
                    fontsize=8,
                    color=INK,
                )
                continue
            half = [[found["mean"] - found["low"]], [found["high"] - found["mean"]]]
            fill = COLOURS[0] if found["p_holm"] < 0.05 else "white"
            axis.errorbar(
                found["mean"],
                place,
                xerr=half,
                fmt="o",
                color=COLOURS[0],
                markerfacecolor=fill,
                capsize=3,
                markersize=5,
            )
        _rows(axis, compared, f"{table['reference']} minus this row, 95% interval")
    text = f"{table['title']}. {table['header']['data']}. {table['header']['split']}."
    if compared:
        text += (
            " Above, ± one standard error over test users, who differ more than systems do:"
            " compare systems below, where each user's difference counts. Filled: not zero at 5%"
            f" after Holm's correction for {len(table['comparisons'])} comparisons."
        )
    _caption(figure, text)
    return figure


def search_sheet(rows, searched):
    r"""A search for options: the best figure so far over the trials, and the figure of each trial
    against each option.

    rows: `macrid.tune.Row`s; searched: {option: (lowest, highest, kind)} as in `macrid.tune.SPACE`.
    Trials without a figure, failed in their first epoch, are left out of the panels and counted in
    the caption.
    """
    from matplotlib.figure import Figure

    shown = [row for row in rows if row.score is not None]
    complete = [row for row in shown if row.state == "complete"]
    best = max(complete, key=lambda row: row.score, default=None)
    of = lambda row, name: row.number if name == "trial" else row.values.get(name)  # noqa: E731
    signs = {
        "complete": ("o", COLOURS[0]),
        "pruned": ("x", COLOURS[1]),
        "failed": ("v", COLOURS[5]),
    }
    columns = 3
    figure = Figure(
        figsize=(12, 3.2 * -(-(len(searched) + 1) // columns) + 0.8),
        layout="constrained",
        facecolor="white",
    )
    axes = figure.subplots(
        -(-(len(searched) + 1) // columns), columns, sharey=True, squeeze=False
    ).ravel()
    for axis, name in zip(axes, ("trial", *searched)):
        for state, (marker, colour) in signs.items():
            own = [
                (of(row, name), row.score)
                for row in shown
                if row.state == state and of(row, name) is not None
            ]
            if own:
                axis.scatter(
                    *zip(*own),
                    s=22,
                    marker=marker,
                    color=colour,
                    linewidths=1.2 if marker == "x" else 0,
                    alpha=0.75,
                    label=state,
                )
        if best and of(best, name) is not None:
            axis.scatter(
                of(best, name),
                best.score,
                s=110,
                facecolors="none",
                edgecolors=INK,
                linewidths=1.2,
                label=f"the best, trial {best.number}",
            )
        if name == "trial":
            so_far = np.maximum.accumulate([row.score for row in complete]) if complete else []
            axis.step(
                [row.number for row in complete],
                so_far,
                where="post",
                color=INK,
                linewidth=1.2,
                label="best so far",
            )
        else:
            low, high, kind = searched[name]
            margin = 0.03 * (high - low)
            if kind == "log":
                axis.set_xscale("log")
                low, high, margin = low / 3, high * 3, 0
            axis.set_xlim(low - margin, high + margin)
        if name in ("trial", "K", "hidden_layers"):
            axis.xaxis.get_major_locator().set_params(integer=True)
        axis.set_xlabel(name, color=INK, fontsize=10)
        axis.tick_params(labelsize=8)
        axis.grid(color=GREY, alpha=0.4, linewidth=0.5)
    for axis in axes[len(searched) + 1 :]:
        axis.axis("off")
    for axis in axes[::columns]:
        axis.set_ylabel("validation NDCG@100", color=INK, fontsize=9)
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        fontsize=9,
        loc="outside upper left",
        ncols=5,
        frameon=False,
    )
    text = (
        "Each point is a trial: its best validation NDCG@100; a pruned one was stopped at an epoch"
        " where it lay below the median of the others."
    )
    if len(shown) < len(rows):
        text += f" {len(rows) - len(shown)} trials failed before they had a figure."
    _caption(figure, text)
    return figure


def _rows(axis, names, label):
    """One system a line, the first on top."""
    axis.set_yticks(range(len(names)), names, fontsize=9, color=INK)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set_xlabel(label, fontsize=9, color=INK)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="y", color="#eeeeee")
    axis.set_axisbelow(True)


def strips(rows, steps, caption):
    r"""Figures 6 to 8: a row for each turned dimension, the retrieved items from its low end to its
    high end.

    rows: a list of (label, start, items), an item being (picture or None, title, category); a
    picture is a path.
    """
    from matplotlib.figure import Figure

    pictured = any(picture for _, start, items in rows for picture, _, _ in (start, *items))
    figure = Figure(
        figsize=(1.35 * (steps + 2.4), (1.45 if pictured else 1.0) * len(rows) + 1.3),
        layout="constrained",
        facecolor="white",
    )
    axes = figure.subplots(len(rows), steps + 1, squeeze=False)
    for row, (label, start, items) in zip(axes, rows):
        for column, axis in enumerate(row):
            entry = start if column == 0 else items[column - 1] if column <= len(items) else None
            if entry is None:
                axis.axis("off")
                continue
            if show_item(axis, *entry):
                axis.set_title("\n".join(wrapped(entry[1], 20, 2)), fontsize=7, color=INK, pad=2)
            elif pictured:
                axis.set_box_aspect(1)
            if column == 0:
                axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8, color=INK)
                for spine in axis.spines.values():
                    spine.set(visible=True, color=INK, linewidth=1.2)
    _caption(figure, caption)
    return figure


def show_item(axis, picture, title, category="", width=18):
    """Fill an axis with an item's picture (a path), or where there is none that can be read with
    its title and category on a card; whether it was a picture.
    """
    pixels = opened(picture)
    if pixels is not None:
        _picture(axis, pixels)
        return True
    axis.set(xticks=[], yticks=[], facecolor=CARD)
    for spine in axis.spines.values():
        spine.set_visible(False)
    lines, below = wrapped(title, width, 4), wrapped(category, width + 1, 2)
    axis.annotate(
        "\n".join(lines),
        (0.5, 0.5 + 0.08 * len(below)),
        xycoords="axes fraction",
        ha="center",
        va="center",
        fontsize=7.5,
        color=INK,
    )
    axis.annotate(
        "\n".join(below),
        (0.5, 0.05),
        xycoords="axes fraction",
        ha="center",
        va="bottom",
        fontsize=6.5,
        color="#666666",
    )
    return False


def opened(path):
    """A picture's pixels, of at most 256 x 256; None where there is none (None) or none that can be
    read.
    """
    from PIL import Image

    try:
        with Image.open(path or "") as picture:
            picture.thumbnail((256, 256))
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError):
        return None


def wrapped(text, width, lines):
    """Plain text in at most `lines` lines of `width` characters; what is left out is '…'. A dollar
    is not mathematics here.
    """
    import textwrap

    return textwrap.wrap(str(text).replace("$", r"\$"), width, max_lines=lines, placeholder="…")


def _caption(figure, *paragraphs):
    width = int(figure.get_figwidth() * 13.5)
    lines = [line for text in paragraphs for line in wrapped(text, width, 99)]
    figure.supxlabel("\n".join(lines), fontsize=9, color=INK, x=0.01, ha="left")


def shop_sheet(shop, users=4, taken=14):
    """The shop for a stranger: its products by category and attribute, and what some users adopted."""
    from matplotlib.figure import Figure

    steps = (0.0, 0.5, 1.0)
    groups = (*SHARED, "detail")
    columns = len(groups) * len(steps)
    figure = Figure(figsize=(13, 11), layout="constrained", facecolor="white")
    above, below = figure.subfigures(2, 1, height_ratios=(len(CATEGORIES) + 0.9, users + 0.4))

    above.suptitle(
        "The products: six categories, five attributes from low to high (the others held fixed)",
        color=INK,
        fontsize=13,
    )
    axes = above.subplots(len(CATEGORIES), columns)
    for place, (row, category) in enumerate(zip(axes, CATEGORIES)):
        for column, axis in enumerate(row):
            j, step = divmod(column, len(steps))
            attributes = np.array([0.62, 0.5, 0.8, 0.35, 0.5])
            attributes[j] = steps[step]
            _picture(axis, shop_pictures.draw(category, attributes))
            if step == 1 and (place == 0 or groups[j] == "detail"):
                axis.set_title(
                    DETAIL[category] if groups[j] == "detail" else groups[j],
                    fontsize=11,
                    color=INK,
                    pad=2,
                )
        row[0].set_ylabel(category, rotation=0, ha="right", va="center", fontsize=12, color=INK)

    below.suptitle(
        "Some users: their intentions, and the first items they adopted", color=INK, fontsize=13
    )
    axes = below.subplots(users, taken)
    for row, u in zip(axes, _telling_users(shop, users)):
        items = shop.X.indices[shop.X.indptr[u] : shop.X.indptr[u + 1]][:taken]
        for axis, i in zip(row, items):
            _picture(
                axis,
                shop_pictures.draw(CATEGORIES[shop.truth.category[i]], shop.truth.attributes[i]),
            )
        for axis in row[len(items) :]:
            axis.axis("off")
        shares = [
            f"{CATEGORIES[g]} {share:.0%}"
            for g, share in enumerate(shop.truth.intentions[u])
            if share > 0
        ]
        row[0].set_ylabel(
            "\n".join([str(shop.users[u]), *shares]),
            rotation=0,
            ha="right",
            va="center",
            fontsize=10,
            color=INK,
        )
    return figure


def _telling_users(shop, count):
    """The first users with one, two, three, three, ... intentions."""
    intentions = (shop.truth.intentions > 0).sum(axis=1)
    chosen = []
    for place in range(count):
        candidates = np.flatnonzero(intentions == min(place + 1, intentions.max()))
        chosen.append(int(next(u for u in candidates if u not in chosen)))
    return chosen


def _picture(axis, picture):
    axis.imshow(picture)
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
