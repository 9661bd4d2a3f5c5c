"""Figures. Each function returns a matplotlib Figure; `python -m macrid.figures` writes them."""

import sys
import warnings
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from macrid.data import Interactions, shop_pictures
from macrid.data.shop import CATEGORIES, DETAIL, SHARED
from macrid.errors import shown
from macrid.files import replacing
from macrid.interpret.maps import Learned
from macrid.pictures.reading import Unreadable, read

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#333333"
GREY = "#bbbbbb"
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, BLACK, YELLOW = "#56B4E9", "#D55E00", "#000000", "#F0E442"
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, RED, BLACK, YELLOW)  # Okabe and Ito (2008)
MARKERS = ("o", "^", "s", "D", "v", "P", "X")  # a second sign for a colour that comes again
LINES: tuple = ("-", "--", ":", "-.")  # of the series of Figure 5
CARD = "#f4f2ec"  # stands for a picture, with text on it


def style(place: int) -> tuple[str, str]:
    """(colour, marker) of the concept at `place`: no two of 56 are the same."""
    return COLOURS[place % len(COLOURS)], MARKERS[place // len(COLOURS) % len(MARKERS)]


def save(folder: Path, name: str, figure, say=print) -> None:
    """Write a figure as PNG and SVG, and say where; the same figure gives the same bytes."""
    import matplotlib

    for kind, metadata in (("png", {}), ("svg", {"Date": None})):
        path = folder / f"{name}.{kind}"
        with matplotlib.rc_context({"svg.hashsalt": "macrid"}), replacing(path) as file:
            write(file, kind, figure, dpi=150, metadata=metadata)
        say(path)


def write(file, kind: str, figure: "Figure", **options) -> None:
    """Write a figure to an open file, as matplotlib's `savefig` does, with fonts for all of it.

    Where no font of this machine has a character, that is said once, on standard error.
    """
    from matplotlib.text import Text

    texts = figure.findobj(Text)
    others = {letter for text in texts for letter in text.get_text() if ord(letter) > 126}
    fonts, missing = fonts_for("".join(sorted(others)))
    for text in texts if fonts else []:
        text.set_fontfamily([*text.get_fontfamily(), *fonts])
    if missing:
        _say_once_what_is_missing(missing)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")
        figure.savefig(file, format=kind, **options)


@cache
def fonts_for(letters: str) -> tuple[list[str], str]:
    """(names of fonts that have what the default font lacks of some letters, what none has)."""
    from matplotlib import font_manager

    def without(letters, path):
        known = font_manager.get_font(path).get_charmap()
        return "".join(letter for letter in letters if ord(letter) not in known)

    default = font_manager.findfont(font_manager.FontProperties())
    missing, fonts = without(letters, default), []
    for font in sorted(font_manager.fontManager.ttflist, key=lambda font: (font.name, font.fname)):
        if not missing:
            break
        if font.style != "normal" or "Last Resort" in font.name:  # that one has boxes for all
            continue
        try:
            left = without(missing, font.fname)
        except (OSError, RuntimeError):  # it is not there any more, or damaged
            continue
        if left != missing:
            fonts.append(font.name)
            missing = left
    return fonts, missing


@cache
def _say_once_what_is_missing(letters):
    few = letters if len(letters) <= 20 else f"{letters[:20]} and {len(letters) - 20} more"
    print(
        f"warning: no font here has {shown(few)}: they are boxes in the figures; install one that"
        " has them, such as Noto Sans CJK or Noto Emoji",
        file=sys.stderr,
    )


def concept_map(learned: Learned, items, of_users, places, inner=None) -> "Figure":
    r"""Figures 2 to 4: items and users' two strongest components in one t-SNE map.

    They are coloured by concept, and by category.

    items     (n,) rows of H
    of_users  (2B,) the concepts of the two strongest components of B users
    places    (n + 2B, 2) of the items, then of the components
    inner     (`Learned`, items (n',), places (n', 2)) of a run with the inner product, for panel
              (c), or None

    A panel that the data does not allow (no categories, no second run) is left out; the letters are
    the paper's.
    """
    # the panels: (title, places, group of each, [(style, name)] of the groups)
    n, assigned, concepts = len(items), learned.assigned[items], _concept_signs(learned)
    panels = [("(a) Items, by predicted concept", places[:n], assigned, concepts)]
    if learned.category is not None:
        panels.append(("(b) Items, by true category", places[:n], *_by_category(learned, items)))
    if inner is not None:
        other, its_items, its_places = inner
        its_groups = (other.assigned[its_items], _concept_signs(other))
        panels.append(("(c) Items of the inner-product model", its_places, *its_groups))
    panels.append(("(d) Users' two strongest components", places[n:], of_users, concepts))
    together = np.concatenate([assigned, of_users])
    panels.append(("(e) Items and users", places, together, concepts))

    # their grid, with room for legends and caption
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    rows = -(-len(panels) // columns)
    typical = [
        f"Typical of {concept.name}: {'; '.join(concept.examples)}"
        for concept in learned.concepts
        if concept.examples
    ]
    height = (4.8 + 0.1 * len(learned.m)) * rows + 0.9 + 0.2 * len(typical)
    figure = _figure(4.6 * columns, height)

    lower, upper = places.min(axis=0), places.max(axis=0)
    margin = 0.04 * (upper - lower)
    for number, (title, points, groups, signs) in enumerate(panels, 1):
        axis = figure.add_subplot(rows, columns, number)
        _scatter(axis, points, groups, signs)
        if not title.startswith("(c)"):  # panels of one map have one scale
            axis.set_xlim(lower[0] - margin[0], upper[0] + margin[0])
            axis.set_ylim(lower[1] - margin[1], upper[1] + margin[1])
        axis.set_title(title, fontsize=11, color=INK)
        axis.set_xlabel("t-SNE 1", color=INK, fontsize=9)
        axis.set_ylabel("t-SNE 2", color=INK, fontsize=9)
        axis.set_xticks([])
        axis.set_yticks([])
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.06), "ncols": 2}
        axis.legend(**below, fontsize=8, markerscale=2.5, frameon=False, handletextpad=0.3)
    other = None if inner is None else inner[0]
    _caption(figure, _map_caption(learned, n, len(of_users) // 2, other), *typical)
    return figure


def _concept_signs(learned):
    """[(style, name)] of the concepts."""
    return [(style(concept.number), plain(concept.name)) for concept in learned.concepts]


def _by_category(learned, items):
    """The true categories of `items` as groups (n,), and [(style, name)] of the groups.

    Categories that are matched to a concept have its colour; a few others come after them.
    """
    K, matching = len(learned.m), learned.matching
    present = np.unique(learned.category[learned.category >= 0])
    others = [g for g in present if g not in matching.values()]
    in_legend = [matching.get(k, -2) for k in range(K)] + others[: max(0, len(COLOURS) - K)]
    place = {g: number for number, g in enumerate(in_legend)}
    groups = np.array([place.get(g, -1) for g in learned.category[items]])
    names = [plain(learned.category_names[g]) if g >= 0 else "no category" for g in in_legend]
    return groups, [(style(number), name) for number, name in enumerate(names)]


def _scatter(axis, points, groups, signs):
    """Points (n, 2) in the style of their groups (n,), with how many they are; -1 is no group."""
    for group, ((colour, marker), name) in enumerate(signs):
        x, y = points[groups == group].T
        look = {"c": colour, "marker": marker, "linewidths": 0, "alpha": 0.85}
        axis.scatter(x, y, s=7, label=f"{name} ({len(x):,})", **look)
    if (groups < 0).any():
        x, y = points[groups < 0].T
        look = {"c": GREY, "marker": "o", "linewidths": 0, "zorder": 0}
        axis.scatter(x, y, s=4, label=f"none or several of these ({len(x):,})", **look)


def _map_caption(learned, items, users, inner):
    """What the map of so many items and users shows; `inner` is the second run's `Learned`."""
    text = (
        f"t-SNE of {items:,} of {len(learned.H):,} items and of the two most confident components"
        f" of {users:,} training users, in one map; in brackets, how many points. An item's concept"
        " is arg max over k of c_ik. A concept is called after a category only where that stands"
        " out in it."
    )
    if len(learned.m) > len(COLOURS):
        text += f" After {len(COLOURS)} concepts the colours come again with another marker."
    if learned.category is not None:
        text += (
            " In (b) a category has the colour of the concept called after it, the others as"
            " section 4.3's greedy matching pairs them, near or not."
        )
    if inner is not None:
        largest = lambda assigned: np.bincount(assigned).max() / len(assigned)
        text += (
            " Panel (c) is a map of its own; its largest concept holds"
            f" {largest(inner.assigned):.0%} of the items, {largest(learned.assigned):.0%} in (a)."
        )
    return text


def independence_curve(runs: list, metric: str = "ndcg@100") -> "Figure":
    r"""Figure 5: independence of dimensions against a metric, for mu, for sampled z and for h.

    runs: a list of (label, beta, metrics.json as a dict), one point each. Runs of one label are
    joined in order of beta (the mean, where seeds repeat a beta). "independence_stderr", where a
    run has it, becomes a bar across. The dashed line is what independent dimensions would give in a
    sample of this size.
    """
    from matplotlib import colormaps
    from matplotlib.lines import Line2D

    runs = [(plain(label), beta, metrics) for label, beta, metrics in runs]
    labels = list(dict.fromkeys(label for label, _, _ in runs))
    betas = sorted({beta for _, beta, _ in runs})
    colour, last = colormaps["viridis"], max(1, len(betas) - 1)
    shade = {beta: colour(0.85 * place / last) for place, beta in enumerate(betas)}
    signs = {
        label: (MARKERS[place % len(MARKERS)], LINES[place % len(LINES)])
        for place, label in enumerate(labels)
    }
    panels = (
        ("mu", "users' means μ", "users_ceiling"),
        ("z", "users' samples z", "users_ceiling"),
        ("h", "items' h", "items_ceiling"),
    )

    figure = _figure(13, 4.8)
    axes = figure.subplots(1, 3, sharey=True)
    for axis, (name, title, ceiling) in zip(axes, panels):
        for label, (marker, line) in signs.items():
            of_label = [(beta, metrics) for its, beta, metrics in runs if its == label]
            of_beta = {b: [metrics for beta, metrics in of_label if beta == b] for b in betas}
            _series(axis, of_beta, name, metric, label, marker, line, shade)
        axis.axvline(runs[0][2]["independence"][ceiling], color=INK, linestyle="--", linewidth=0.8)
        axis.set_title(f"Independence of {title}", fontsize=11, color=INK)
        axis.set_xlabel("1 - mean |correlation| of two dimensions", color=INK, fontsize=9)
        axis.tick_params(labelsize=8)
    axes[0].set_ylabel(f"test {metric.upper()} ± standard error", color=INK, fontsize=9)

    handles = [
        Line2D([], [], color=shade[beta], marker="o", linestyle="", label=f"β = {beta:g}")
        for beta in betas
    ]
    handles += [
        Line2D([], [], color=GREY, marker=marker, linestyle=line, label=label)
        for label, (marker, line) in signs.items()
    ]
    label = "independent,\nthis sample"
    handles.append(Line2D([], [], color=INK, linestyle="--", linewidth=0.8, label=label))
    figure.legend(handles=handles, loc="outside right upper", fontsize=9, frameon=False)
    _caption(
        figure,
        "Independence is 1 - 2/(d(d-1)) sum |corr_ij| (section 4.4.1), of the posterior's means, of"
        " samples from it (which add noise, and noise is independent), and of item representations."
        " The paper's Figure 5 does not say which. Bars: one standard error over test users. The"
        " line joins the means in order of β.",
    )
    return figure


def _series(axis, of_beta, name, metric, label, marker, line, shade):
    """One label's runs, {beta: [metrics.json, ...]}, as points joined by a line."""
    of_beta = {beta: runs for beta, runs in of_beta.items() if runs}
    x = {b: [run["independence"][name] for run in runs] for b, runs in of_beta.items()}
    y = {b: [run["test"][metric]["mean"] for run in runs] for b, runs in of_beta.items()}
    means = ([np.mean(values[beta]) for beta in of_beta] for values in (x, y))
    axis.plot(*means, color=GREY, linewidth=1, linestyle=line, zorder=1, label=label)
    for beta, runs in of_beta.items():
        up = [run["test"][metric]["stderr"] or 0 for run in runs]
        across = [run.get("independence_stderr", {}).get(name) or 0 for run in runs]
        look = {"fmt": marker, "color": shade[beta], "markersize": 6, "linewidth": 0.8}
        axis.errorbar(x[beta], y[beta], yerr=up, xerr=across, capsize=2, **look)


def comparison(table: dict) -> "Figure":
    r"""Tables 2 and 3 as a picture: each system's means; below, the reference minus each, paired.

    table: the dict of `experiments.results.compare`. Bars above are one standard error; below they
    are 95% intervals over users, filled where zero is rejected after Holm's correction, over users
    and by folds.
    """
    names = [system["name"] for system in table["systems"]]
    metrics = list(table["systems"][0]["figures"])
    compared = [name for name in names if name != table["reference"]]
    rows = [names, compared] if compared else [names]
    heights = [len(row) + 2.5 for row in rows]
    figure = _figure(13, 0.3 * sum(heights) + 1.6)
    shape = {"squeeze": False, "sharey": "row", "gridspec_kw": {"height_ratios": heights}}
    grid = figure.subplots(len(rows), len(metrics), **shape)
    for axis, metric in zip(grid[0], metrics):
        _means(axis, table, metric)
        axis.set_title(metric.upper().replace("RECALL", "Recall"), fontsize=11, color=INK)
        _rows(axis, names, "mean ± standard error")
    for axis, metric in zip(grid[1] if compared else [], metrics):
        pairs = {pair["system"]: pair for pair in table["comparisons"] if pair["metric"] == metric}
        _differences(axis, [pairs[name] for name in compared])
        _rows(axis, compared, f"{plain(table['reference'])} minus this row, 95% interval")
    text = f"{table['title']}. {table['header']['data']}. {table['header']['split']}."
    if compared:
        text += (
            " Above, ± one standard error over test users, who differ more than systems do:"
            " compare systems below, where each user's difference counts. Filled: not zero at 5%,"
            " over users and by folds, after Holm's correction for"
            f" {len(table['comparisons'])} comparisons."
        )
    _caption(figure, text)
    return figure


def _means(axis, table, metric):
    """The mean of each system, with one standard error; the reference in red."""
    for place, system in enumerate(table["systems"]):
        value = system["figures"][metric]
        colour = RED if system["name"] == table["reference"] else BLUE
        look = {"fmt": "o", "color": colour, "capsize": 3, "markersize": 5}
        axis.errorbar(value["mean"], place, xerr=value["stderr"] or 0, **look)


def _differences(axis, pairs):
    """The paired difference to each system, with its interval; an arrow where it is far away."""
    axis.axvline(0, color=INK, linestyle="--", linewidth=0.8)
    # one system far away would hide how the others differ
    far = 3 * np.median([max(abs(pair["low"]), abs(pair["high"])) for pair in pairs])
    for place, pair in enumerate(pairs):
        mean = pair["mean"]
        if abs(mean) > far > 0:
            text, x, side = f"← {mean:+.3f}", 0.02, "left"
            if mean > 0:
                text, x, side = f"{mean:+.3f} →", 0.98, "right"
            look = {"ha": side, "va": "center", "fontsize": 8, "color": INK}
            axis.annotate(text, (x, place), xycoords=("axes fraction", "data"), **look)
            continue
        interval = [[mean - pair["low"]], [pair["high"] - mean]]
        by_folds = pair["by_folds"] or {"p_holm": 0.0}
        fill = BLUE if max(pair["p_holm"], by_folds["p_holm"]) < 0.05 else "white"
        look = {"fmt": "o", "color": BLUE, "markerfacecolor": fill, "capsize": 3, "markersize": 5}
        axis.errorbar(mean, place, xerr=interval, **look)


def _rows(axis, names, label):
    """One system a line, the first on top."""
    axis.set_yticks(range(len(names)), list(map(plain, names)), fontsize=9, color=INK)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set_xlabel(label, fontsize=9, color=INK)
    axis.tick_params(axis="x", labelsize=8)
    axis.grid(axis="y", color="#eeeeee")
    axis.set_axisbelow(True)


def suite_sheet(table: dict) -> "Figure":
    r"""All systems of the suite, a panel a data set: NDCG@100 less that of the best simple peer.

    table: the dict of `experiments.suite_table.whole`. Bars are 95% intervals by folds, cut where
    they are very wide, with a number for the end; a system far away is a number, too.
    """
    shown = [one for one in table["data"] if one["beside_peer"]]
    names: dict = {}  # in the order of the rows
    for one in sorted(shown, key=lambda one: -len(one["systems"])):
        names |= dict.fromkeys(row["name"] for row in one["systems"])
    places = {name: place for place, name in enumerate(names)}
    figure = _figure(11, 1.75 * len(shown) + 2.2)
    axes = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axis, one in zip(axes, shown):
        _beside_peer(axis, one, places)
    axes[-1].set_xticks(range(len(names)), list(map(plain, names)), rotation=35, ha="right")
    axes[-1].set_xlim(-0.6, len(names) - 0.4)
    handles = []
    for text, (colour, marker) in OF_SUITE.items():
        handles += axes[0].plot([], [], marker, color=colour, label=text)
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    text = (
        "NDCG@100 less that of the best simple peer of the data set, which is the dashed line, by"
        " the same users. Bars: 95% intervals by folds (of one fold, over its users), several seeds"
        " averaged. What is far away is a number with an arrow: a difference, or the end of a bar."
    )
    _caption(figure, text)
    return figure


OF_SUITE = {
    "simple peers": (BLUE, "o"),
    "MultiVAE, and its ensembles": (GREEN, "s"),
    "macrid's model by itself": (ORANGE, "^"),
    "macrid, as it comes": (RED, "D"),
}


def _look_in_suite(name):
    """(colour, marker) of a row of the suite."""
    kinds = list(OF_SUITE.values())
    starts = ("", "MultiVAE", "model", "macrid")
    return next(kind for kind, start in zip(kinds[::-1], starts[::-1]) if name.startswith(start))


def _interval(pair):
    """(low, high) by folds, or over the users of the one fold."""
    interval = pair["by_folds"] or pair
    return interval["low"], interval["high"]


def _off_scale(axis, place, value, beside=False):
    """A value that the axis does not reach, as a number with an arrow; `beside` what is drawn."""
    up = value > 0
    text, y = f"{value:+.3f} {'↑' if up else '↓'}", 0.97 if up else 0.03
    look = {"va": "top" if up else "bottom", "ha": "left" if beside else "center", "color": INK}
    where, offset = ("data", "axes fraction"), (5 * beside, 0)
    axis.annotate(text, (place, y), offset, where, "offset points", fontsize=8, **look)


def _beside_peer(axis, of_set, places):
    """A panel: the differences of one data set, with their intervals by folds."""
    axis.axhline(0, color=INK, linestyle="--", linewidth=0.8)
    pairs = of_set["beside_peer"]
    far = 2.5 * np.median([abs(pair["mean"]) for pair in pairs]) + 0.01
    near = [pair for pair in pairs if abs(pair["mean"]) <= far]
    for pair in near:
        low, high = _interval(pair)
        reach = np.abs([[pair["mean"] - low], [high - pair["mean"]]])
        colour, marker = _look_in_suite(pair["first"])
        look = {"fmt": marker, "color": colour, "capsize": 3, "markersize": 6}
        axis.errorbar(places[pair["first"]], pair["mean"], yerr=reach, **look)
    ends = [end for pair in near for end in _interval(pair)]
    low, high = np.clip([min(ends, default=0), max(ends, default=0)], -1.5 * far, 1.5 * far)
    edge = 0.1 * (high - low) + 0.003
    axis.set_ylim(min(low, 0) - edge, max(high, 0) + edge)
    for pair in pairs:
        place = places[pair["first"]]
        if abs(pair["mean"]) > far:
            _off_scale(axis, place, pair["mean"])
            continue
        bottom, top = axis.get_ylim()
        for end in _interval(pair):
            if not bottom <= end <= top:
                _off_scale(axis, place, end, beside=True)
    peer = plain(of_set["peer"])
    axis.plot(places[of_set["peer"]], 0, "o", color=BLUE, markerfacecolor="white", markersize=7)
    axis.set_ylabel(f"minus {peer}", fontsize=9, color=INK)
    title = f"{plain(of_set['name'])}: {of_set['users']:,} users, {of_set['items']:,} items"
    folds = f"{of_set['folds']} folds" if of_set["folds"] > 1 else "one fold"
    axis.set_title(f"{title}, {folds}", fontsize=10, color=INK, loc="left")
    axis.tick_params(labelsize=8)
    axis.grid(axis="both", color="#eeeeee")
    axis.set_axisbelow(True)


def search_sheet(rows: list, searched: dict) -> "Figure":
    r"""A search for options: the best score so far, and the scores against each option.

    rows: of `experiments.search`; searched: {option: (lowest, highest, kind)}, as in its `SPACE`.
    Trials without a score, failed in their first epoch, are left out of the panels and counted in
    the caption.
    """
    scored = [row for row in rows if row.score is not None]
    complete = [row for row in scored if row.state == "complete"]
    best = max(complete, key=lambda row: row.score, default=None)
    panels, columns = ("trial", *searched), 3
    lines = -(-len(panels) // columns)
    figure = _figure(12, 3.2 * lines + 0.8)
    axes = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
    for axis, name in zip(axes, panels):
        _trials(axis, name, scored, best)
        if name == "trial":
            numbers, scores = [row.number for row in complete], [row.score for row in complete]
            so_far = np.maximum.accumulate(scores) if scores else scores
            look = {"color": INK, "linewidth": 1.2, "label": "best so far"}
            axis.step(numbers, so_far, where="post", **look)
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
    for axis in axes[len(panels) :]:
        axis.axis("off")
    for axis in axes[::columns]:
        axis.set_ylabel("validation NDCG@100", color=INK, fontsize=9)
    handles, labels = axes[0].get_legend_handles_labels()
    above = {"loc": "outside upper left", "ncols": 5}
    figure.legend(handles, labels, fontsize=9, frameon=False, **above)
    text = (
        "Each point is a trial: its best validation NDCG@100; a pruned one was stopped at an epoch"
        " where it lay below the median of the others."
    )
    if len(scored) < len(rows):
        text += f" {len(rows) - len(scored)} trials failed before they had a figure."
    _caption(figure, text)
    return figure


def _trials(axis, name, rows, best):
    """The scores of trials against the option `name`, or their number; a ring around the best."""
    value = lambda row: row.number if name == "trial" else row.values.get(name)
    looks = {"complete": ("o", BLUE), "pruned": ("x", ORANGE), "failed": ("v", RED)}
    for state, (marker, colour) in looks.items():
        of_state = [row for row in rows if row.state == state and value(row) is not None]
        if of_state:
            x, y = [value(row) for row in of_state], [row.score for row in of_state]
            width = 1.2 if marker == "x" else 0
            look = {"marker": marker, "color": colour, "linewidths": width, "alpha": 0.75}
            axis.scatter(x, y, s=22, label=state, **look)
    if best and value(best) is not None:
        ring = {"facecolors": "none", "edgecolors": INK, "linewidths": 1.2}
        label = f"the best, trial {best.number}"
        axis.scatter(value(best), best.score, s=110, label=label, **ring)


def strips(rows: list, steps: int, caption: str) -> "Figure":
    r"""Figures 6 to 8: a row for each turned dimension, its items from one end to the other.

    rows: a list of (label, start, items), an item being (picture or None, title, category, what is
    turned, in words); a picture is a path.
    """
    pictured = any(entry[0] for _, start, items in rows for entry in (start, *items))
    height, foot = 2.3 if pictured else 1.9, 0.9
    figure = _figure(1.3 * (steps + 1.1), height * len(rows) + foot)
    heights = [*[height] * len(rows), foot]
    *parts, below = figure.subfigures(len(rows) + 1, 1, height_ratios=heights)
    for part, row in zip(parts, rows):
        _one_strip(part, steps, pictured, *row)
    _caption(below, caption)
    return figure


def _one_strip(figure, steps, pictured, label, start, items):
    """A row of `strips`: where it starts, framed, and at its right what is retrieved."""
    heading = {"x": 0.01, "ha": "left", "fontsize": 11, "fontweight": "bold", "color": INK}
    figure.suptitle("\n".join(wrapped(label, 100, 2)), **heading)
    widths = {"width_ratios": [1, 0.12, *[1] * steps]}
    first, gap, *others = figure.subplots(1, steps + 2, gridspec_kw=widths)
    for axis in (gap, *others[len(items) :]):
        axis.axis("off")
    for axis, (picture, title, category, value) in zip((first, *others), (start, *items)):
        name = []
        if show_item(axis, picture, title, category, 14):
            name = wrapped(title, 15, 2)
        elif pictured:
            axis.set_box_aspect(1)
        axis.set_title(plain(value), fontsize=9.5, color=INK, pad=3)
        axis.set_xlabel("\n".join(name), fontsize=9.5, color=INK, labelpad=2)
    for spine in first.spines.values():
        spine.set(visible=True, color=INK, linewidth=1.8)


def strip(entries: list, j: int) -> "Figure":
    """The items that are retrieved while dimension j is turned, in a row, the start at the left.

    entries: (picture or None, title, category, value of dimension j, whether it is the start).
    """
    pictured = any(picture for picture, *_ in entries)
    figure = _figure(1.45 * len(entries) + 0.5, 2.9 if pictured else 2.4)
    title = f"Dimension {j} turned from low to high, all else held as alike as the catalogue allows"
    figure.suptitle(title, fontsize=11)
    label = f"step, and the item's value of dimension {j}   \N{RIGHTWARDS ARROW}"
    figure.supxlabel(label, fontsize=10)
    axes = figure.subplots(1, len(entries))
    for place, (axis, entry) in enumerate(zip(axes, entries)):
        picture, title, category, value, is_start = entry
        name = wrapped(title, 18, 2) if show_item(axis, picture, title, category, 18) else []
        if pictured:
            axis.set_box_aspect(1)
        axis.set_xlabel("\n".join([*name, f"{value:+.3f}"]), fontsize=9)
        heading, weight = (str(place), "normal") if place else ("start", "bold")
        axis.set_title(heading, fontsize=10, fontweight=weight)
        colour, width = (INK, 2.5) if is_start else ("#cccccc", 0.8)
        for spine in axis.spines.values():
            spine.set(visible=True, edgecolor=colour, linewidth=width)
    return figure


def show_item(axis, picture, title: str, category: str = "", width: int = 18) -> bool:
    """Fill an axis with an item's picture (a path); was it one that can be read?

    Where there is none, the title and the category are shown on a card.
    """
    pixels = opened(picture)
    if pixels is not None:
        _picture(axis, pixels)
        return True
    axis.set(facecolor=CARD)
    _bare(axis)
    lines, below = wrapped(title, width, 4), wrapped(category, width + 1, 2)
    middle, foot = (0.5, 0.5 + 0.08 * len(below)), (0.5, 0.05)
    look = {"xycoords": "axes fraction", "ha": "center"}
    axis.annotate("\n".join(lines), middle, va="center", fontsize=7.5, color=INK, **look)
    axis.annotate("\n".join(below), foot, va="bottom", fontsize=6.5, color="#666666", **look)
    return False


def opened(path) -> np.ndarray | None:
    """A picture's pixels, of at most 256 x 256; None where there is none that can be read."""
    if path is None:
        return None
    try:
        picture, _ = read(path, 512)
    except Unreadable:
        return None
    picture.thumbnail((256, 256))
    return np.asarray(picture)


def plain(text: object) -> str:
    r"""Somebody's text as matplotlib is to draw it: on one line, and what it says.

    A dollar is not mathematics here, and a leading '_' does not take a name out of the legend.

    >>> plain("_$5-$9")
    '\u200a_\\$5-\\$9'
    """
    line = shown(" ".join(str(text).split())).replace("$", r"\$")
    return f"\N{HAIR SPACE}{line}" if line.startswith("_") else line


def wrapped(text: str, width: int, lines: int) -> list[str]:
    """Plain text in at most `lines` lines of `width` characters; "…" stands for what is left."""
    import textwrap

    text = shown(" ".join(str(text).split()), 100 * width)
    return [plain(line) for line in textwrap.wrap(text, width, max_lines=lines, placeholder="…")]


def shop_sheet(shop: Interactions, users: int = 4, taken: int = 14) -> "Figure":
    """The shop for a stranger: its products by category and attribute, and what users adopted."""
    figure = _figure(13, 11)
    heights = (len(CATEGORIES) + 0.9, users + 0.4)
    above, below = figure.subfigures(2, 1, height_ratios=heights)
    _products(above)
    _shoppers(below, shop, users, taken)
    return figure


def _products(figure):
    """A row for each category: a product with each attribute low, in the middle and high."""
    title = "The products: six categories, five attributes from low to high (the others held fixed)"
    figure.suptitle(title, color=INK, fontsize=13)
    steps, groups = (0.0, 0.5, 1.0), (*SHARED, "detail")
    axes = figure.subplots(len(CATEGORIES), len(groups) * len(steps))
    for place, (row, category) in enumerate(zip(axes, CATEGORIES)):
        for column, axis in enumerate(row):
            j, step = divmod(column, len(steps))
            attributes = np.array([0.62, 0.5, 0.8, 0.35, 0.5])
            attributes[j] = steps[step]
            _picture(axis, shop_pictures.draw(category, attributes))
            if step == 1 and (place == 0 or groups[j] == "detail"):
                name = DETAIL[category] if groups[j] == "detail" else groups[j]
                axis.set_title(name, fontsize=11, color=INK, pad=2)
        row[0].set_ylabel(category, rotation=0, ha="right", va="center", fontsize=12, color=INK)


def _shoppers(figure, shop, users, taken):
    """A row for each of some users: her intentions, and the first items that she adopted."""
    title = "Some users: their intentions, and the first items they adopted"
    figure.suptitle(title, color=INK, fontsize=13)
    axes = figure.subplots(users, taken)
    truth = shop.truth
    for row, u in zip(axes, _telling_users(truth.intentions, users)):
        items = shop.X.indices[shop.X.indptr[u] : shop.X.indptr[u + 1]][:taken]
        for axis, i in zip(row, items):
            _picture(axis, shop_pictures.draw(CATEGORIES[truth.category[i]], truth.attributes[i]))
        for axis in row[len(items) :]:
            axis.axis("off")
        shares = [f"{CATEGORIES[g]} {s:.0%}" for g, s in enumerate(truth.intentions[u]) if s > 0]
        label = "\n".join([plain(shop.users[u]), *shares])
        row[0].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10, color=INK)


def _telling_users(intentions, count):
    """The first users with one, two, three, three, ... of `intentions` (N, G)."""
    numbers = (intentions > 0).sum(axis=1)
    chosen: list[int] = []
    for place in range(count):
        candidates = np.flatnonzero(numbers == min(place + 1, numbers.max()))
        chosen.append(int(next(u for u in candidates if u not in chosen)))
    return chosen


def _figure(width, height):
    """An empty white figure of so many inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _caption(figure, *paragraphs):
    """Text below a figure, as wide as it is."""
    width = int(figure.bbox.width / figure.dpi * 13.5)
    lines = [line for text in paragraphs for line in wrapped(text, width, 99)]
    figure.supxlabel("\n".join(lines), fontsize=9, color=INK, x=0.01, ha="left")


def _picture(axis, pixels):
    """A picture and nothing else."""
    axis.imshow(pixels)
    _bare(axis)


def _bare(axis):
    """No ticks and no frame."""
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)
