"""`python -m macrid.evaluate`: the figures of a trained run, at any cutoff, or its concepts."""

import sys
from collections.abc import Iterable

from macrid import run_folder, terminal
from macrid.errors import UserError, shown
from macrid.evaluation.metrics import KINDS, cutoffs_of, measured
from macrid.interpret import knobs, maps, trajectory
from macrid.model.scoring import ranker
from macrid.run_folder import Run

SHOWN = 5  # items of a concept


def main(argv: list[str] | None = None) -> None:
    """Load a run and print its metrics, or its concepts."""
    arguments = terminal.parser(
        "evaluate",
        "Evaluate a trained run.",
        "python -m macrid.evaluate --run runs/ml --at 10 20 100",
    )
    arguments.add_argument("--run", required=True, help="a run folder of macrid.train")
    arguments.add_argument(
        "--at",
        type=int,
        nargs="+",
        default=[20, 50, 100],
        metavar="K",
        help="cutoffs (default: 20 50 100)",
    )
    arguments.add_argument(
        "--metrics",
        nargs="+",
        choices=KINDS,
        metavar="NAME",
        help=f"what to measure, of {', '.join(KINDS)} (default: ndcg and recall, or after a"
        " temporal or given split all but recall)",
    )
    arguments.add_argument(
        "--concepts",
        action="store_true",
        help="print the concepts instead: their share of the items, the categories that stand out,"
        " items",
    )
    terminal.add_backend_flag(arguments)
    flags = arguments.parse_args(argv)
    if min(flags.at) < 1:
        raise UserError(f"--at is {min(flags.at)}, expected at least 1")
    run = run_folder.load(flags.run, flags.backend)
    if flags.concepts:
        terminal.say()(*_concepts(run))
    else:
        kinds = dict.fromkeys(flags.metrics or [kind for _, kind in cutoffs_of(run.settings.split)])
        terminal.say()(*_metrics(run, flags.at, kinds))


def _metrics(run: Run, at: list[int], kinds: Iterable[str]) -> list[str]:
    """A table of metrics at some cutoffs, of validation and test users."""
    cutoffs = [(k, kind) for kind in kinds for k in sorted(set(at))]
    if run.settings.split == "all":
        whose = f"those of {run.settings.final}" if run.settings.final else "those of one that does"
        raise UserError(
            f"this run holds no one out, so there are no figures of it; look at {whose}"
        )
    rank = ranker(run.parameters, run.settings)
    parts = {"validation": run.split.validation, "test": run.split.test}
    return terminal.metric_table(
        {name: measured(rank, part, cutoffs)[1] for name, part in parts.items()}
    )


def _concepts(run: Run) -> list[str]:
    """Lines that say what each concept holds."""
    titles = list(map(shown, run.interactions.item_titles(run.split.items)))
    space = trajectory.space(run.parameters, run.settings)
    traits = knobs.traits(run.interactions, run.split)
    is_telling = knobs.beyond_chance(space, traits)
    lines = []
    for concept in maps.learned(run).concepts:
        told = [" of what is adopted there", " of all", " of its items"]  # once, at the first
        categories: list[str] = []
        for name, share, overall, of_items in concept.telling:
            there, of_all, held = told if not categories else ("", "", "")
            shares = f"{share:.0%}{there} ({overall:.0%}{of_all}), {of_items:.0%}{held}"
            categories.append(f"{shown(name)} {shares}")
        size = f"{concept.count:,} items, {concept.share:.0%}"
        lines.append("; ".join([f"{shown(concept.name)}  {size}", *categories]))
        for words, items in (("best known", concept.best_known), ("typical", concept.typical)):
            lines.append(f"  {words:10}  {'; '.join(titles[i] for i in items[:SHOWN])}")
        named = knobs.names(space, concept.number, traits, is_telling[concept.number])
        turns = [f"{j} turns {shown(name)}, {rho:+.2f}" for j, name, rho in named[:SHOWN]]
        if turns:
            lines.append(f"  {'coordinates':11} {'; '.join(turns)}")
    return lines


if __name__ == "__main__":
    sys.exit(terminal.run(main))
