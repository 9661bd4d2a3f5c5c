"""`python -m macrid.evaluate`: the figures of a trained run, at any cutoff."""

import sys

from macrid import backend, command, run
from macrid.errors import UserError
from macrid.metrics import evaluate_ranking, summary
from macrid.model import rank


def main(argv=None):
    """Load a run and print its figures."""
    arguments = command.parser("evaluate", "Evaluate a trained run.", "python -m macrid.evaluate --run runs/ml --at 10 20 100")
    arguments.add_argument("--run", required=True, help="a run folder of macrid.train")
    arguments.add_argument("--at", type=int, nargs="+", default=[20, 50, 100], metavar="K", help="cutoffs (default: 20 50 100)")
    arguments.add_argument("--backend", choices=backend.NAMES, help="numpy, cupy or auto (default: as the run was made)")
    flags = arguments.parse_args(argv)
    if min(flags.at) < 1:
        raise UserError(f"--at is {min(flags.at)}, expected at least 1")
    settings, _, split, state = run.load(flags.run, flags.backend)
    cutoffs = tuple((k, kind) for kind in ("ndcg", "recall") for k in sorted(set(flags.at)))
    parts = {
        part: summary(evaluate_ranking(lambda X, k: rank(state.best, X, settings, k)[0], getattr(split, part), cutoffs))
        for part in ("validation", "test")
    }
    print(*command.figure_table(parts), sep="\n")


if __name__ == "__main__":
    sys.exit(command.run(main))
