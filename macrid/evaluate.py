"""`python -m macrid.evaluate`: the figures of a trained run, at any cutoff, or its concepts."""

import sys

from macrid import backend, run_folder, terminal
from macrid.errors import UserError
from macrid.evaluation.metrics import evaluate_ranking, summary
from macrid.interpret import maps
from macrid.model.scoring import ranker

SHOWN = 5  # items of a concept


def main(argv=None):
    """Load a run and print its figures, or its concepts."""
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
        "--concepts",
        action="store_true",
        help=(
            "print the concepts instead: their share of the items, the categories that stand out,"
            " items"
        ),
    )
    arguments.add_argument(
        "--backend",
        choices=backend.NAMES,
        help="numpy, cupy or auto (default: as the run was made)",
    )
    flags = arguments.parse_args(argv)
    if min(flags.at) < 1:
        raise UserError(f"--at is {min(flags.at)}, expected at least 1")
    loaded = run_folder.load(flags.run, flags.backend)
    settings, split, state = loaded.settings, loaded.split, loaded.state
    if flags.concepts:
        print(
            *concept_lines(
                maps.learned(loaded).concepts, loaded.interactions.item_titles(split.items)
            ),
            sep="\n",
        )
        return
    cutoffs = tuple((k, kind) for kind in ("ndcg", "recall") for k in sorted(set(flags.at)))
    parts = {
        part: summary(evaluate_ranking(ranker(state.best, settings), getattr(split, part), cutoffs))
        for part in ("validation", "test")
    }
    print(*terminal.figure_table(parts), sep="\n")


def concept_lines(concepts, titles):
    """Lines that say what each of `maps.Concept`s holds."""
    lines = []
    for concept in concepts:
        told = "".join(
            f"; {name} {share:.0%} ({usual:.0%} of all)" for name, share, usual in concept.telling
        )
        lines.append(f"{concept.name}  {concept.count:,} items, {concept.share:.0%}{told}")
        for words, items in (("best known", concept.best_known), ("typical", concept.typical)):
            lines.append(f"  {words:10}  {'; '.join(titles[i] for i in items[:SHOWN])}")
    return lines


if __name__ == "__main__":
    sys.exit(terminal.run(main))
