"""What the options that the data choose are worth (`macrid.suited`), on validation users alone.

    python benchmarks/suited.py --data ratings.csv --folds 0 1 2
    python benchmarks/suited.py --data big.csv --folds 0 --d 64 --max-epochs 24 --users 600
    python benchmarks/suited.py --data big.csv --folds 0 --d 64 --first candidates=2000

trains folds of five with `Config()`'s options (or those that --first says) and with what suits the
data (or what --second says), and scores the validation users after every epoch; test users are not
looked at. Which epoch a user is scored by is chosen by the other half of the validation users, mean
over ten halvings, so that a figure that jumps from epoch to epoch gains nothing by it. Differences
are paired by user; CPU seconds are those of steps and of validation, twice, without reading and
saving.
"""

import argparse
import time
from dataclasses import replace

import numpy as np

from macrid import Config, run_folder, suited
from macrid.config import option_names
from macrid.evaluation.metrics import evaluate_ranking
from macrid.model.scoring import ranker
from macrid.training import fit

HALVINGS = 10


def cross_fitted(scores):
    """Each user's NDCG (users,) of (epochs, users), at the best epoch of the other half of them."""
    users = scores.shape[1]
    figure = np.zeros(users)
    for halving in range(HALVINGS):
        order = np.random.default_rng(halving).permutation(users)
        for half, other in (np.array_split(order, 2), np.array_split(order, 2)[::-1]):
            figure[half] += scores[scores[:, other].mean(axis=1).argmax(), half] / HALVINGS
    return figure


def trained(split, config):
    """NDCG@100 of the validation users after each epoch (epochs, users), and CPU seconds."""
    scores = []

    def after_epoch(state):
        per_user = evaluate_ranking(ranker(state.parameters, config), split.validation)
        scores.append(per_user["ndcg@100"])

    began = time.process_time()
    fit.fit(split, config, on_epoch=after_epoch)
    seconds = time.process_time() - began
    scores = np.array(scores)
    return scores[:, ~np.isnan(scores[0])], seconds


def changed(config, texts):
    """The configuration with options given as name=number."""
    values = dict(text.split("=") for text in texts)
    return config.replace(**{n: type(getattr(config, n))(value) for n, value in values.items()})


def main():
    """Measure the folds; print a line of Markdown for each, and one for all."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = arguments.add_argument
    add("--data", required=True, help="as for macrid.train")
    add("--folds", nargs="+", type=int, default=[0], help="some of 0 to 4")
    add("--users", type=int, default=10**9, help="so many validation users at most")
    add("--first", nargs="*", default=[], metavar="NAME=VALUE", help="options beside Config()'s")
    add("--second", nargs="*", metavar="NAME=VALUE", help="these instead of what suits the data")
    for name, kind in (("d", int), ("max-epochs", int), ("min-user-items", int)):
        add(f"--{name}", type=kind, help="an option of both")
    add("--min-rating", type=float, help="an option of both")
    flags = arguments.parse_args()
    given = {n: v for n, v in vars(flags).items() if n in option_names() and v is not None}

    print("| fold | first | second | second - first | best epoch | CPU seconds |")
    print("|---|---|---|---|---|---|")
    differences = []
    for fold in flags.folds:
        config = Config(**given, split=f"kfold:{fold}/5")
        split, _ = run_folder.prepare(run_folder.load_data(config), config)
        some, part = slice(0, flags.users), split.validation
        part = replace(
            part, users=part.users[some], fold_in=part.fold_in[some], held_out=part.held_out[some]
        )
        split = replace(split, validation=part)
        second = suited.fill(config, given, split.train)[0]
        if flags.second is not None:
            second = changed(config, flags.second)
        pair = [trained(split, one) for one in (changed(config, flags.first), second)]
        figures = [cross_fitted(scores) for scores, _ in pair]
        differences.append(figures[1] - figures[0])
        means = " | ".join(f"{figure.mean():.4f}" for figure in figures)
        best = ", ".join(str(scores.mean(axis=1).argmax() + 1) for scores, _ in pair)
        seconds = ", ".join(f"{seconds:.1f}" for _, seconds in pair)
        print(f"| {fold} | {means} | {differences[-1].mean():+.4f} | {best} | {seconds} |")
    of_all = np.concatenate(differences)
    error = of_all.std(ddof=1) / len(of_all) ** 0.5
    print(f"\n{of_all.mean():+.4f} ± {error:.4f} over {len(of_all)} users", end="")
    if len(differences) > 1:
        of_folds = [difference.mean() for difference in differences]
        print(f", ± {np.std(of_folds, ddof=1) / len(of_folds) ** 0.5:.4f} over folds", end="")
    print()


if __name__ == "__main__":
    main()
