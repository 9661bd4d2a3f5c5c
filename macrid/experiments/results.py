"""From figures of users to a table of systems: means, paired comparisons with a reference,
Markdown, CSV, JSON.
"""

import csv
from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from macrid import files
from macrid.evaluation.metrics import summary
from macrid.evaluation.statistics import holm, paired_comparison

METRICS = {"ndcg@100": "NDCG@100", "recall@20": "Recall@20", "recall@50": "Recall@50"}
INDEPENDENCE = ("mu", "z", "h")
LEVEL = 0.05
NOTES = (
    (
        "± is the standard error over test users, of the models as trained. Several seeds are"
        " averaged user by user first; *between seeds* is the deviation of the seeds' means."
        " Intervals and p say nothing of what another seed would give: *ahead in* does, and more"
        " seeds do."
    ),
    (
        "Intervals are for one comparison each. The smallest detectable difference is what a paired"
        " t test of these users at 5% finds four times in five, before correction: a smaller"
        " difference may be real and not be seen."
    ),
)


def build(header, rows, finished, reference, test="t"):
    r"""All that a table says, as a dict for JSON.

    header     {"table", "title", "data", ...}: text above the table
    rows       the `systems.System` of each row, with its options {name: value}
    finished   {row: {seed: [(users (n,), figures {metric: (n,)}, a dict of what else was seen), a
               fold each]}}
    reference  the row that all others are compared with; p by `test` and corrected by Holm for all
               comparisons of the table
    """
    averaged = {name: per_user(runs) for name, runs in finished.items()}
    systems = [
        _system(system, options, finished[system.name], averaged[system.name])
        for system, options in rows
    ]
    pairs = [(name, metric) for metric in METRICS for name in averaged if name != reference]
    compared = [
        paired_comparison(averaged[reference][metric], averaged[name][metric], test, LEVEL)
        for name, metric in pairs
    ]
    corrected = holm([one.p for one in compared])
    comparisons = [
        {
            "system": name,
            "metric": metric,
            **asdict(one),
            "p_holm": float(p),
            "ahead": _ahead(finished[reference], finished[name], metric),
        }
        for (name, metric), one, p in zip(pairs, compared, corrected)
    ]
    return {
        **header,
        "reference": reference,
        "test": test,
        "systems": systems,
        "comparisons": comparisons,
    }


def per_user(runs: Mapping):
    """{metric: (n,)} over all test users in ascending order, the mean over the seeds; NaN for users
    without held-out items.
    """
    of_seeds = []
    for folds in runs.values():
        users = np.concatenate([users for users, _, _ in folds])
        order = np.argsort(users, kind="stable")
        of_seeds.append(
            {
                metric: np.concatenate([figures[metric] for _, figures, _ in folds])[order]
                for metric in METRICS
            }
        )
    return {
        metric: np.mean([figures[metric] for figures in of_seeds], axis=0) for metric in METRICS
    }


def _ahead(first, second, metric):
    """[in how many pairs of fits of one fold and seed the first has the higher mean, of how many].

    A system without randomness has one fit for all seeds.
    """
    ahead, pairs = 0, 0
    for seed in max(first, second, key=len):
        ours, theirs = (runs.get(seed) or next(iter(runs.values())) for runs in (first, second))
        for (_, figures, _), (_, others, _) in zip(ours, theirs):
            ahead, pairs = ahead + bool(np.nanmean(figures[metric] - others[metric]) > 0), pairs + 1
    return [ahead, pairs]


def _system(system, options, runs, averaged):
    """What is told of one row."""
    figures = summary(averaged)
    for metric, figure in figures.items():
        means = [per_user({seed: folds})[metric] for seed, folds in runs.items()]
        figure["between_seeds"] = (
            float(np.std([np.nanmean(values) for values in means], ddof=1))
            if len(means) > 1
            else None
        )
    told = [one for folds in runs.values() for _, _, one in folds]
    row = {
        "name": system.name,
        "says": system.says,
        "options": options,
        "seeds": list(runs) if system.seeded else [],
        "figures": figures,
    }
    row |= {
        "validation_ndcg@100": float(np.mean([one["validation"] for one in told])),
        "seconds": float(sum(one["seconds"] for one in told)),
    }
    if "epochs" in told[0]:
        row["epochs"] = float(np.mean([one["epochs"] for one in told]))
    if "independence" in told[0]:
        row["independence"] = {
            name: _over_runs([one["independence"][name] for one in told])
            for name in told[0]["independence"]
        }
    if system.series:
        row |= {"series": system.series, "beta": system.beta}
    return row


def _over_runs(values):
    """Mean and standard error over fits (folds and seeds)."""
    return {
        "mean": float(np.mean(values)),
        "stderr": float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else None,
    }


def markdown(table, whole=True):
    """The table for a reader; without `whole`, the main table and the first metric's comparisons."""
    several = any(
        system["figures"]["ndcg@100"]["between_seeds"] is not None for system in table["systems"]
    )
    lines = (
        [
            f"# {table['title']}",
            "",
            *grid(("", ""), [(name, text) for name, text in table["header"].items()]),
        ]
        if whole
        else []
    )
    titles = ["system", *METRICS.values(), *(["between seeds (NDCG@100)"] if several else [])]
    rows = []
    for system in table["systems"]:
        cells = [_spread(system["figures"][metric]) for metric in METRICS]
        spread = system["figures"]["ndcg@100"]["between_seeds"]
        rows.append(
            [
                system["name"],
                *cells,
                *(["" if spread is None else f"{spread:.4f}"] if several else []),
            ]
        )
    lines += ["", *grid(titles, rows)]
    for metric in METRICS if whole else list(METRICS)[:1]:
        if table["comparisons"]:
            lines += [
                "",
                f"## {METRICS[metric]}: {table['reference']} minus each, paired by user",
                "",
                *grid(*_comparisons(table, metric)),
            ]
    if not whole:
        return lines[1:]
    if "independence" in table["systems"][0] and "beta" in table["systems"][0]:
        lines += [
            "",
            "## Independence of dimensions (section 4.4.1), ± standard error over fits",
            "",
            *grid(*_independence(table)),
        ]
    lines += ["", *(f"- {note}" for note in NOTES), "", "## The rows", ""]
    lines += grid(
        ("system", "what it is", "options"),
        [(one["name"], one["says"], _options(one["options"])) for one in table["systems"]],
    )
    if table["left_out"]:
        lines += [
            "",
            "## Left out",
            "",
            *(f"- {name}: {why}" for name, why in table["left_out"].items()),
        ]
    return lines


def write(folder, table):
    """table.md, table.csv and table.json in `folder`, each all or nothing."""
    with files.replacing(folder / "table.md", "w") as file:
        file.write("\n".join([*markdown(table), ""]))
    with files.replacing(folder / "table.csv", "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        compared = ("mean", "stderr", "low", "high", "p", "p_holm", "detectable")
        writer.writerow(
            [
                "system",
                "metric",
                "mean",
                "stderr",
                "users",
                "left_out",
                "between_seeds",
                "reference",
                *(f"difference_{name}" for name in compared),
            ]
        )
        found = {(one["system"], one["metric"]): one for one in table["comparisons"]}
        for system in table["systems"]:
            for metric, figure in system["figures"].items():
                own = [
                    figure[name]
                    for name in ("mean", "stderr", "users", "left_out", "between_seeds")
                ]
                pair = found.get((system["name"], metric))
                rest = (
                    [table["reference"], *(pair[name] for name in compared)]
                    if pair
                    else [""] * (1 + len(compared))
                )
                writer.writerow([system["name"], metric, *own, *rest])
    files.save_json(folder / "table.json", table)


def grid(titles, rows):
    """A Markdown table that is also aligned for those who read it as text."""
    cells = [
        list(map(str, titles)),
        *([str(cell).replace("|", r"\|") for cell in row] for row in rows),
    ]
    widths = [max(len(row[j]) for row in cells) for j in range(len(titles))]
    drawn = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
        for row in cells
    ]
    return [drawn[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *drawn[1:]]


def verdict(pair, reference):
    """What a comparison says after correction, in a word or two."""
    if pair["p_holm"] >= LEVEL:
        return "not told apart"
    return f"{reference if pair['mean'] > 0 else pair['system']} is better"


def _comparisons(table, metric):
    """(titles, rows) of the comparisons of one metric."""
    count = len(table["comparisons"])
    titles = (
        "minus",
        "difference",
        "95% interval",
        "p",
        f"p, Holm for {count}",
        "smallest detectable",
        "ahead in",
        f"at {LEVEL:.0%}, corrected",
    )
    rows = []
    for one in table["comparisons"]:
        if one["metric"] == metric:
            interval = f"{one['low']:+.4f} to {one['high']:+.4f}"
            cells = (
                f"{one['mean']:+.4f} ± {one['stderr']:.4f}",
                interval,
                _p(one["p"]),
                _p(one["p_holm"]),
                f"{one['detectable']:.4f}",
                "{} of {} fits".format(*one["ahead"]),
            )
            rows.append((one["system"], *cells, verdict(one, table["reference"])))
    return titles, rows


def _independence(table):
    """(titles, rows) of the independence of each row that has it."""
    rows = [one for one in table["systems"] if "independence" in one]
    cells = [
        [one["name"], *(_spread(one["independence"][name]) for name in INDEPENDENCE)]
        for one in rows
    ]
    ceilings = rows[0]["independence"]
    cells.append(
        [
            "independent, this many",
            *(
                f"{ceilings[name]['mean']:.4f}"
                for name in ("users_ceiling", "users_ceiling", "items_ceiling")
            ),
        ]
    )
    return ("system", "users' means mu", "users' samples z", "items' h"), cells


def _spread(figure):
    return f"{figure['mean']:.4f}" + (
        "" if figure["stderr"] is None else f" ± {figure['stderr']:.4f}"
    )


def _p(p):
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}" if p >= 1e-9 else "<1e-9"


def _options(options):
    return ", ".join(f"{name} {value}" for name, value in options.items())
