"""The table of `python -m macrid.reproduce suite`, with verdicts: as Markdown, CSV and JSON."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from macrid import files
from macrid.evaluation.metrics import summary
from macrid.experiments import results
from macrid.experiments.results import LEVEL, METRICS, grid
from macrid.experiments.suite import SIMPLE, SYSTEMS, DataSet, SuiteUnit
from macrid.experiments.systems import Result

Fits = dict[int, list[Result]]  # {seed: a result for each fold}
ROWS = tuple(row for system in SYSTEMS for row in system.rows)  # in the order of tables
NOT_FINISHED = "not finished"
OURS = ("macrid", "model")
BESIDE_MODEL = ("MultiVAE", "ALS")  # peers of the model by itself
MEASURED = ("mean", "stderr", "users", "left_out", "between_seeds")
COSTS = ("cpu", "wall", "peak_mb", "cpu_of_tries")
NOTES = (
    (
        "± is the standard error over test users; several seeds are averaged user by user first."
        " Compare systems by their differences, not by these errors: users differ more than systems"
        " do."
    ),
    (
        "The best simple peer is the row among popularity, ItemKNN, BM25, ALS and the linear maps"
        " with the highest NDCG@100 on the test users themselves, which favours it. Differences are"
        " paired by user. p over users: Student's paired t; by folds: the same of the folds' means,"
        " as the users of a fold share a model."
    ),
    (
        f"Verdict: best or behind where both p are below {LEVEL:.0%}, else level; * where both stay"
        " below it after Holm's correction for the data sets."
    ),
    (
        "CPU seconds of one fit, one thread, in the mean over fits; with the choice of a linear"
        " path or a regularisation, where a system has one; in brackets of all options that were"
        " tried for it. Peak memory is of the fit's process, with Python, libraries and the data."
    ),
)


def of_data(data: DataSet, units: Sequence[SuiteUnit], finished: Mapping[str, Result]) -> dict:
    """What the table says of a data set by the units that are finished.

    Its folds are those that all systems have finished with one seed, but for systems that have
    finished nothing; a seed counts if it has all these folds.
    """
    done: dict[str, dict[int, dict[str, Result]]] = {}  # {system: {seed: {fold: its result}}}
    left_out: dict[str, str] = {}
    for unit in units:
        if unit.data == data.name:
            of_seeds = done.setdefault(unit.system.name, {})
            if unit.name in finished:
                of_seeds.setdefault(unit.config.seed, {})[unit.fold] = finished[unit.name]
            if not of_seeds:
                left_out |= dict.fromkeys(unit.system.rows, NOT_FINISHED)
    most = [max(of_seeds.values(), key=len).keys() for of_seeds in done.values() if of_seeds]
    folds = sorted(set.intersection(*map(set, most))) if most else []
    rows: dict[str, Fits] = {row: {} for row in ROWS}
    for of_seeds in done.values():
        for seed, of_folds in of_seeds.items():
            if folds and of_folds.keys() >= {*folds}:
                for row in of_folds[folds[0]].facts["rows"]:
                    rows[row][seed] = [_row(of_folds[fold], row) for fold in folds]
    rows = {row: fits for row, fits in rows.items() if fits}
    X = data.interactions.X
    return {
        "name": data.name,
        "users": X.shape[0],
        "items": X.shape[1],
        "adoptions": int(X.nnz),
        "given": {name: value for name, value in data.given.items() if name != "data"},
        "folds": len(folds),
        "folds_asked": data.folds,
        "left_out": {row: reason for row, reason in left_out.items() if row not in rows},
        "systems": [_described(name, fits) for name, fits in rows.items()],
        **_compared(rows),
    }


def _row(result, name):
    """One row of a fit that gives several."""
    metrics = {metric: result.metrics[f"{name}/{metric}"] for metric in METRICS}
    facts = {**result.facts["rows"][name], "commit": result.facts["commit"]}
    return Result(result.users, metrics, facts)


def _described(name, fits):
    """What table.json says of a row."""
    averaged = results.per_user(fits)
    metrics = summary(averaged)
    for metric, entry in metrics.items():
        means = [np.nanmean(results.per_user({0: folds})[metric]) for folds in fits.values()]
        entry["between_seeds"] = float(np.std(means, ddof=1)) if len(means) > 1 else None
    facts = [fold.facts for folds in fits.values() for fold in folds]
    cost = {key: float(np.mean([each[key] for each in facts])) for key in COSTS if key in facts[0]}
    chosen = list(dict.fromkeys(each["options"] for each in facts if each.get("options")))
    return {
        "name": name,
        "seeds": len(fits),
        "figures": metrics,
        "cost": cost,
        "validation_ndcg@100": float(np.mean([each["validation"] for each in facts])),
        "chosen": chosen,
    }


def _compared(rows):
    """The best simple peer; differences of ours from the others, and of all from that peer."""
    means = {
        name: float(np.nanmean(results.per_user(rows[name])["ndcg@100"]))
        for name in SIMPLE
        if name in rows
    }
    pairs = [(ours, name, metric) for metric in METRICS for ours in OURS for name in rows]
    comparisons = [
        {"first": ours, "second": name, "metric": metric}
        | results.difference(rows[ours], rows[name], metric)
        for ours, name, metric in pairs
        if ours in rows and name not in OURS
    ]
    peer = max(means, key=lambda name: means[name], default=None)
    beside_peer = [
        {"first": name, **results.difference(fits, rows[peer], "ndcg@100")}
        for name, fits in rows.items()
        if peer not in (None, name)
    ]
    return {"peer": peer, "pairs": comparisons, "beside_peer": beside_peer}


def whole(header: dict, of_sets: list[dict], left_out: Mapping[str, Mapping[str, str]]) -> dict:
    """What table.json says: of each data set, with its verdict, corrected for their number."""
    for one in of_sets:
        one["left_out"] = {**left_out.get(one["name"], {}), **one["left_out"]}
    asked = [_pair(one, "macrid", one["peer"]) for one in of_sets]
    verdicts = [pair for pair in asked if pair]
    results.correct(verdicts)
    for one, pair in zip(of_sets, asked):
        one["verdict"] = verdict(pair) if pair else "not run"
    title = "Suite: macrid as it comes, beside its peers"
    return {"table": "suite", "title": title, "header": header, "data": of_sets}


def _pair(of_set, first, second, metric="ndcg@100"):
    """The comparison of two rows, or None."""
    asked = (first, second, metric)
    keys = ("first", "second", "metric")
    return next((p for p in of_set["pairs"] if tuple(p[key] for key in keys) == asked), None)


def verdict(pair: dict) -> str:
    """Best, level or behind, with a star where it survives the correction.

    With one fold it goes by users alone, and is said to.
    """
    in_one = "" if pair["by_folds"] else " (one fold)"
    p = max(pair["p"], (pair["by_folds"] or pair)["p"])
    if p >= LEVEL:
        return f"level{in_one}"
    star = " *" if results.is_apart(pair) and not in_one else ""
    return ("best" if pair["mean"] > 0 else "behind") + star + in_one


def markdown(table: dict, full: bool = True) -> list[str]:
    """The table as lines; without `full`, NDCG@100 and the verdicts alone."""
    shown = [one for one in table["data"] if one["systems"]]
    lines = _metric_table(shown, "ndcg@100")
    lines += ["", "## macrid beside the best simple peer, NDCG@100", "", *_verdicts(table["data"])]
    if not full:
        return lines
    header = [f"# {table['title']}", "", *grid(("", ""), table["header"].items()), ""]
    lines = [*header, *grid(*_about(table["data"])), "", "## NDCG@100", "", *lines]
    lines += ["", "## The model without its linear path, NDCG@100", "", *grid(*_of_model(shown))]
    lines += ["", "## CPU seconds of a fit / peak memory, MB", "", *_costs(shown)]
    for metric in list(METRICS)[1:]:
        lines += ["", f"## {METRICS[metric]}", "", *_metric_table(shown, metric)]
    lines += ["", *(f"- {note}" for note in NOTES), "", "## What was chosen", ""]
    lines += grid(("data", "system", "options"), _chosen(shown))
    reasons = [
        f"- {one['name']}, {row}: {reason}"
        for one in table["data"]
        for row, reason in one["left_out"].items()
    ]
    return [*lines, *(["", "## Left out", "", *reasons] if reasons else [])]


def _about(data):
    titles = ("data", "users", "items", "adoptions", "folds", "seeds", "options")
    rows = []
    for one in data:
        folds, asked = one["folds"], one["folds_asked"]
        seeds = max((row["seeds"] for row in one["systems"]), default=0)
        given = ", ".join(f"{name} {value}" for name, value in one["given"].items())
        counts = [f"{one[name]:,}" for name in ("users", "items", "adoptions")]
        rows.append(
            [one["name"], *counts, f"{folds} of {asked}" if folds < asked else folds, seeds, given]
        )
    return titles, rows


def _names(data):
    """The rows that some data set has."""
    there = {row["name"] for one in data for row in one["systems"]}
    return [row for row in ROWS if row in there]


def _metric_table(data, metric):
    rows = []
    for name in _names(data):
        cells = [name]
        for one in data:
            figures = {row["name"]: row["figures"][metric] for row in one["systems"]}
            best = max(figures, key=lambda each: figures[each]["mean"])
            cell = results.spread(figures[name]) if name in figures else ""
            cells.append(f"**{cell}**" if name == best else cell)
        rows.append(cells)
    if metric == "ndcg@100":
        rows.append(["macrid is", *(one["verdict"] for one in data)])
    return grid(["system", *(one["name"] for one in data)], rows)


def _verdicts(data):
    titles = ["data", "best simple peer", "macrid minus it", "s.e. by folds", "p over users"]
    titles += ["p by folds", "ahead in", "macrid is"]
    rows = []
    for one in data:
        pair = _pair(one, "macrid", one["peer"])
        cells = [one["peer"], *_difference(pair)] if pair else [one["peer"] or "", *[""] * 5]
        rows.append([one["name"], *cells, one["verdict"]])
    return grid(titles, rows)


def _difference(pair):
    by_folds = pair["by_folds"]
    return [
        f"{pair['mean']:+.4f} ± {pair['stderr']:.4f}",
        f"{by_folds['stderr']:.4f}" if by_folds else "",
        results.shown_p(pair["p"]),
        results.shown_p(by_folds["p"]) if by_folds else "",
        "{} of {} fits".format(*pair["ahead"]),
    ]


def _of_model(data):
    titles = ["data", "the model minus", "difference", "s.e. by folds", "p over users"]
    titles += ["p by folds", "ahead in"]
    rows: list[list[str]] = []
    for one in data:
        for name in (*BESIDE_MODEL, one["peer"]):
            pair = _pair(one, "model", name)
            if pair and [one["name"], name] not in [row[:2] for row in rows]:
                rows.append([one["name"], name, *_difference(pair)])
    return titles, rows


def _costs(data):
    rows = []
    for name in _names(data):
        cells = [name]
        for one in data:
            cost = next((row["cost"] for row in one["systems"] if row["name"] == name), None)
            cells.append(_cost(cost) if cost else "")
        rows.append(cells)
    return grid(["system", *(one["name"] for one in data)], rows)


def _cost(cost):
    tries = cost.get("cpu_of_tries", cost["cpu"])
    in_brackets = f" ({tries:.3g})" if tries > 1.05 * cost["cpu"] else ""
    return f"{cost['cpu']:.3g}{in_brackets} / {cost['peak_mb']:,.0f}"


def _chosen(data):
    for one in data:
        for row in one["systems"]:
            if row["chosen"]:
                yield one["name"], row["name"], "; ".join(row["chosen"])


def write(folder: Path, table: dict) -> None:
    """table.md, table.csv and table.json in `folder`, each all or nothing."""
    with files.replacing(folder / "table.md", "w") as file:
        file.write("\n".join([*markdown(table), ""]))
    with files.replacing(folder / "table.csv", "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        titles = ["data", "system", "metric", *MEASURED, *COSTS, "macrid_minus_this"]
        titles += ["stderr_of_it", "p", "stderr_by_folds", "p_by_folds"]
        writer.writerow(titles)
        for one in table["data"]:
            for row in one["systems"]:
                for metric, entry in row["figures"].items():
                    cells = [one["name"], row["name"], metric]
                    cells += [entry[name] for name in MEASURED]
                    cells += [row["cost"].get(name, "") for name in COSTS]
                    pair = _pair(one, "macrid", row["name"], metric)
                    if pair:
                        by_folds = pair["by_folds"] or {}
                        cells += [pair["mean"], pair["stderr"], pair["p"]]
                        cells += [by_folds.get("stderr", ""), by_folds.get("p", "")]
                    writer.writerow(cells + [""] * (len(titles) - len(cells)))
    files.save_json(folder / "table.json", table)
