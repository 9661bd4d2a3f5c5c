"""From the metrics of users to a table: means, paired comparisons, as Markdown, CSV and JSON."""

import csv
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from macrid import files
from macrid.config import Config, option_names
from macrid.data import Interactions
from macrid.evaluation.metrics import summary
from macrid.evaluation.statistics import holm, over_folds, paired_comparison
from macrid.experiments.planning import DECIDED, Request, Unit
from macrid.experiments.systems import Result, System

METRICS = {"ndcg@100": "NDCG@100", "recall@20": "Recall@20", "recall@50": "Recall@50"}
INDEPENDENCE = ("mu", "z", "h")
TESTS = {
    "t": "Student's paired t test",
    "permutation": "sign flips of the users' differences",
}
LEVEL = 0.05
NOTES = (
    (
        "± is the standard error over test users, of the models as trained. Several seeds are"
        " averaged user by user first; *between seeds* is the deviation of the seeds' means."
        " Intervals and p of users say nothing of what another seed would give: *ahead in* does,"
        " and more seeds do."
    ),
    (
        "Users of one fold share a model: *by folds* takes the means of the folds as the"
        " observations. Better means that both tests survive Holm's correction."
    ),
    (
        "Intervals are for one comparison each. The smallest detectable difference is what a paired"
        " t test of these users at 5% finds four times in five, before correction: a smaller"
        " difference may be real and not be seen."
    ),
)


@dataclass(frozen=True)
class Row:
    """A row of a table: its system, the options that it is shown with, and its fits.

    fits   {seed: a `Result` for each fold}
    """

    system: System
    options: dict
    fits: dict[int, list[Result]]

    @property
    def results(self) -> list[Result]:
        """Of all seeds and folds."""
        return [result for folds in self.fits.values() for result in folds]


def rows(units: list[Unit], finished: dict[str, Result], full: Config) -> list[Row]:
    """The rows of a table from its units and their results."""
    named: dict[str, Row] = {}
    for unit in units:
        row = named.setdefault(
            unit.system.name, Row(unit.system, unit.shown_options(full), fits={})
        )
        row.fits.setdefault(unit.config.seed, []).append(finished[unit.name])
    return list(named.values())


def header(
    request: Request, full: Config, interactions: Interactions, rows: list[Row], test: str
) -> dict[str, str]:
    """The text above a table: {"data": ..., "split": ..., ...}."""
    # what the fits tell
    results = [result for row in rows for result in row.results]
    folds = next(iter(rows[0].fits.values()))  # each test user once
    N, M = interactions.X.shape
    is_nan = np.isnan(np.concatenate([fold.metrics["ndcg@100"] for fold in folds]))
    items = [result.facts["items"] for result in results]
    seen = [f"{count:,}" for count in sorted({min(items), max(items)})]
    seeds = [str(seed) for seed in dict.fromkeys(request.seeds)]
    seconds = sum(result.facts["seconds"] for result in results)

    # in words
    if isinstance(request.folds, str):
        split = f"'{request.folds}', one split"
    else:
        split = (
            f"{request.folds} folds of the users: each is tested once, by models that were not"
            " trained on them"
        )
    if request.folds != "authors":
        split += f" (split seed {full.split_seed})"
    users = f"{(~is_nan).sum():,}"
    if is_nan.any():
        users += f"; {is_nan.sum():,} more are left out, as nothing of theirs is held out"
    no_part = (*option_names(about="data"), *DECIDED, "split_seed")
    model = [
        f"{name} {value}"
        for name, value in asdict(full).items()
        if name not in no_part and value != getattr(Config, name)
    ]
    return {
        "data": (
            f"{full.data}: {N:,} users with at least {full.min_user_items} adoptions, {M:,} items,"
            f" {interactions.X.nnz:,} adoptions"
        ),
        "split": split,
        "items": f"{' to '.join(seen)} seen in training",
        "test users": users,
        "seeds": f"{', '.join(seeds)}; systems without randomness are run once a fold",
        "compared by": TESTS[test],
        "full model": ", ".join(model) or "the defaults",
        "commit": ", ".join(sorted({result.facts["commit"] for result in results})),
        "time": f"{seconds:,.0f} s of one core, in {len(results)} fits",
    }


def compare(rows: list[Row], reference: str, test: str = "t") -> dict:
    r"""What table.json says of the rows, and of each paired by user with the reference.

    reference   the name of the row that all others are compared with
    test        "t" or "permutation" of users; p are corrected by Holm for all comparisons of the
                table, those by folds for themselves
    """
    named = {row.system.name: row for row in rows}
    averaged = {name: per_user(row.fits) for name, row in named.items()}
    pairs = [(name, metric) for metric in METRICS for name in named if name != reference]
    comparisons = [
        {"system": name, "metric": metric}
        | difference(named[reference].fits, named[name].fits, metric, test)
        for name, metric in pairs
    ]
    correct(comparisons)
    return {
        "reference": reference,
        "test": test,
        "systems": [_described(row, averaged[name]) for name, row in named.items()],
        "comparisons": comparisons,
    }


def per_user(fits: dict[int, list[Result]]) -> dict[str, np.ndarray]:
    """{metric: (n,)} over all test users in ascending order, the mean over the seeds.

    NaN for users without held-out items.
    """
    of_seeds: dict[str, list] = {metric: [] for metric in METRICS}
    for folds in fits.values():
        order = np.argsort(np.concatenate([fold.users for fold in folds]), kind="stable")
        for metric, values in of_seeds.items():
            values.append(np.concatenate([fold.metrics[metric] for fold in folds])[order])
    return {metric: np.mean(values, axis=0) for metric, values in of_seeds.items()}


def difference(
    first: dict[int, list[Result]], second: dict[int, list[Result]], metric: str, test: str = "t"
) -> dict:
    """First minus second, of fits as in `Row`, over users and by folds, as table.json has it.

    Without folds, "by_folds" is None.
    """
    ours, theirs = _folds(first, metric), _folds(second, metric)
    compared = paired_comparison(np.concatenate(ours), np.concatenate(theirs), test, LEVEL)
    by_folds = over_folds([a - b for a, b in zip(ours, theirs)], LEVEL)
    return {
        **asdict(compared),
        "by_folds": by_folds and asdict(by_folds),
        "ahead": _ahead(first, second, metric),
    }


def correct(comparisons: list[dict]) -> None:
    """Add "p_holm" to each and to its "by_folds": p after Holm's correction for all of them."""
    p = holm([one["p"] for one in comparisons])
    for one, corrected in zip(comparisons, p):
        one["p_holm"] = float(corrected)
    by_folds = [one["by_folds"] for one in comparisons if one["by_folds"]]
    for one, corrected in zip(by_folds, holm([one["p"] for one in by_folds])):
        one["p_holm"] = float(corrected)


def is_apart(pair: dict) -> bool:
    """Whether a comparison holds at `LEVEL` after correction, over users and by folds."""
    by_folds = pair["by_folds"]
    return pair["p_holm"] < LEVEL and (not by_folds or by_folds["p_holm"] < LEVEL)


def _folds(fits, metric):
    """Each fold's users (n_f,) by the metric, the mean over the seeds."""
    return [
        np.mean([fold.metrics[metric] for fold in seeds], axis=0) for seeds in zip(*fits.values())
    ]


def _ahead(first, second, metric):
    """[in how many pairs of fits of one fold and seed the first has the higher mean, of how many].

    A system without randomness has one fit for all seeds.
    """
    folds_of = lambda fits, seed: fits.get(seed) or next(iter(fits.values()))
    differences = [
        np.nanmean(ours.metrics[metric] - theirs.metrics[metric])
        for seed in max(first, second, key=len)
        for ours, theirs in zip(folds_of(first, seed), folds_of(second, seed))
    ]
    return [sum(bool(difference > 0) for difference in differences), len(differences)]


def _described(row, averaged):
    """What table.json says of a row; `averaged` are its metrics, user by user."""
    metrics = summary(averaged)
    for metric, entry in metrics.items():
        means = [np.nanmean(per_user({0: folds})[metric]) for folds in row.fits.values()]
        entry["between_seeds"] = float(np.std(means, ddof=1)) if len(means) > 1 else None
    facts = [result.facts for result in row.results]
    described = {
        "name": row.system.name,
        "says": row.system.description,
        "options": row.options,
        "seeds": list(row.fits) if row.system.seeded else [],
        "figures": metrics,
        "validation_ndcg@100": float(np.mean([fact["validation"] for fact in facts])),
        "seconds": float(sum(fact["seconds"] for fact in facts)),
    }
    if "epochs" in facts[0]:
        described["epochs"] = float(np.mean([fact["epochs"] for fact in facts]))
    if "independence" in facts[0]:
        described["independence"] = {
            name: _over_fits([fact["independence"][name] for fact in facts])
            for name in facts[0]["independence"]
        }
    if row.system.series:
        described |= {"series": row.system.series, "beta": row.system.beta}
    return described


def _over_fits(values):
    """Mean and standard error over fits (folds and seeds)."""
    n = len(values)
    stderr = float(np.std(values, ddof=1) / n**0.5) if n > 1 else None
    return {"mean": float(np.mean(values)), "stderr": stderr}


def markdown(table: dict, whole: bool = True) -> list[str]:
    """The table as lines; without `whole`, the main table and the first metric's comparisons."""
    lines = _main_table(table)
    for metric in METRICS if whole else list(METRICS)[:1]:
        if table["comparisons"]:
            title = f"## {METRICS[metric]}: {table['reference']} minus each, paired by user"
            lines += ["", title, "", *grid(*_comparisons(table, metric))]
    if not whole:
        return lines
    header = [(name, text) for name, text in table["header"].items()]
    lines = [f"# {table['title']}", "", *grid(("", ""), header), "", *lines]
    if "independence" in table["systems"][0] and "beta" in table["systems"][0]:
        title = "## Independence of dimensions (section 4.4.1), ± standard error over fits"
        lines += ["", title, "", *grid(*_independence(table))]
    lines += ["", *(f"- {note}" for note in NOTES), "", "## The rows", ""]
    systems = [(row["name"], row["says"], _options(row["options"])) for row in table["systems"]]
    lines += grid(("system", "what it is", "options"), systems)
    if table["left_out"]:
        reasons = [f"- {name}: {reason}" for name, reason in table["left_out"].items()]
        lines += ["", "## Left out", "", *reasons]
    return lines


def _main_table(table):
    """Lines: the metrics of each system, and between seeds where there are several."""
    titles, rows = ["system", *METRICS.values()], []
    for system in table["systems"]:
        metrics = system["figures"]
        rows.append([system["name"], *(spread(metrics[metric]) for metric in METRICS)])
    between = [system["figures"]["ndcg@100"]["between_seeds"] for system in table["systems"]]
    if any(deviation is not None for deviation in between):
        titles.append("between seeds (NDCG@100)")
        for row, deviation in zip(rows, between):
            row.append("" if deviation is None else f"{deviation:.4f}")
    return grid(titles, rows)


def write(folder: Path, table: dict) -> None:
    """table.md, table.csv and table.json in `folder`, each all or nothing."""
    with files.replacing(folder / "table.md", "w") as file:
        file.write("\n".join([*markdown(table), ""]))
    measured = ("mean", "stderr", "users", "left_out", "between_seeds")
    compared = ("mean", "stderr", "low", "high", "p", "p_holm", "detectable")
    of_folds = ("stderr", "low", "high", "p", "p_holm")
    pairs = {(pair["system"], pair["metric"]): pair for pair in table["comparisons"]}
    with files.replacing(folder / "table.csv", "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        differences = [f"difference_{name}" for name in compared]
        differences += [f"by_folds_{name}" for name in of_folds]
        writer.writerow(["system", "metric", *measured, "reference", *differences])
        for system in table["systems"]:
            for metric, entry in system["figures"].items():
                cells = [system["name"], metric, *(entry[name] for name in measured)]
                pair = pairs.get((system["name"], metric))
                if pair:
                    cells += [table["reference"], *(pair[name] for name in compared)]
                    cells += [(pair["by_folds"] or {}).get(name, "") for name in of_folds]
                else:
                    cells += [""] * (1 + len(differences))
                writer.writerow(cells)
    files.save_json(folder / "table.json", table)


def grid(titles, rows) -> list[str]:
    r"""A Markdown table that is also aligned for those who read it as text.

    >>> grid(("user", "item"), [("ann", 7)])
    ['| user | item |', '|------|------|', '| ann  | 7    |']
    """
    cells = [[str(title) for title in titles]]
    cells += [[str(cell).replace("|", r"\|") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for row in cells:
        padded = [cell.ljust(width) for cell, width in zip(row, widths)]
        lines.append(f"| {' | '.join(padded)} |")
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def verdict(pair: dict, reference: str) -> str:
    """What a comparison says after correction, in a word or two."""
    if not is_apart(pair):
        return "not told apart"
    return f"{reference if pair['mean'] > 0 else pair['system']} is better"


def _comparisons(table, metric):
    """(titles, rows) of the comparisons of one metric."""
    holm_title = f"Holm for {len(table['comparisons'])}"
    titles = ["minus", "difference", "95% interval", "p", f"p, {holm_title}", "smallest detectable"]
    titles += ["s.e. by folds", "p by folds", f"by folds, {holm_title}", "ahead in"]
    titles += [f"at {LEVEL:.0%}, corrected"]
    rows = []
    for pair in table["comparisons"]:
        if pair["metric"] == metric:
            row = [
                pair["system"],
                f"{pair['mean']:+.4f} ± {pair['stderr']:.4f}",
                f"{pair['low']:+.4f} to {pair['high']:+.4f}",
                shown_p(pair["p"]),
                shown_p(pair["p_holm"]),
                f"{pair['detectable']:.4f}",
                *_by_folds(pair),
                "{} of {} fits".format(*pair["ahead"]),
                verdict(pair, table["reference"]),
            ]
            rows.append(row)
    return titles, rows


def _by_folds(pair):
    """Three cells: standard error, p and corrected p with the folds as the unit."""
    of_folds = pair["by_folds"]
    if not of_folds:
        return ["", "", ""]
    return [f"{of_folds['stderr']:.4f}", shown_p(of_folds["p"]), shown_p(of_folds["p_holm"])]


def _independence(table):
    """(titles, rows) of the independence of each row that has it."""
    having = [system for system in table["systems"] if "independence" in system]
    rows = []
    for system in having:
        entries = [system["independence"][name] for name in INDEPENDENCE]
        rows.append([system["name"], *map(spread, entries)])
    ceilings = [
        f"{having[0]['independence'][name]['mean']:.4f}"
        for name in ("users_ceiling", "users_ceiling", "items_ceiling")
    ]
    rows.append(["independent, this many", *ceilings])
    return ("system", "users' means mu", "users' samples z", "items' h"), rows


def spread(entry: dict) -> str:
    """A mean and its standard error."""
    stderr = "" if entry["stderr"] is None else f" ± {entry['stderr']:.4f}"
    return f"{entry['mean']:.4f}{stderr}"


def shown_p(p: float) -> str:
    """A p value, as short as it can be read."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}" if p >= 1e-9 else "<1e-9"


def _options(options):
    return ", ".join(f"{name} {value}" for name, value in options.items())
