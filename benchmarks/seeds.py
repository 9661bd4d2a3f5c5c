"""What averaging ln P over three seeds gives, and what it costs, as Markdown.

    python benchmarks/seeds.py --data ml-latest-small --min-user-items 15
    python benchmarks/seeds.py --data shop --K 6

Each of the first folds of five is a split with its own test users; options as in OPTIONS. NDCG@100
of one model (its mean over the seeds) and of their average, without a linear path and with the one
that validation users choose; and of one model trained three times as long. Differences are paired
by user, ± the standard error over users; CPU seconds are of this process.
"""

import argparse
import time

import numpy as np

from macrid import Config, backend, run_folder
from macrid.evaluation.metrics import evaluate_ranking, paired
from macrid.model import ensemble, ranker
from macrid.training import fit, linear_path

OPTIONS = {"item_dropout": 0.3, "learning_rate": 1e-3, "patience": 20, "max_epochs": 150}
THREE_TIMES = {"learning_rate": 1e-3 / 3, "patience": 60, "max_epochs": 450}
SEEDS = (0, 1, 2)


def of_fold(config, with_long):
    """{system: NDCG@100 of each test user} and {system: CPU seconds to train or to rank}."""
    split, _ = run_folder.prepare(run_folder.load_data(config), config)
    ndcg, seconds = {}, {}

    def measure(name, parameters):
        start = time.process_time()
        ndcg[name] = evaluate_ranking(ranker(parameters, config), split.test)["ndcg@100"]
        seconds[f"ranking, {name}"] = time.process_time() - start

    def trained(name, **options):
        start = time.process_time()
        best = fit.fit(split, config.replace(**options)).best
        seconds[name] = time.process_time() - start
        measure(name, best)
        return best

    models = {seed: trained(f"seed {seed}", seed=seed) for seed in SEEDS}
    average = ensemble.joined(models)
    measure("average", average)
    for name, parameters in (("seed 0 + path", models[0]), ("average + path", average)):
        path = linear_path.add(parameters, split, config.replace(linear_path="chosen"))
        measure(name, path[0])
    if with_long:
        trained("three times as long", **THREE_TIMES)
    ndcg["one model"] = np.mean([ndcg[f"seed {seed}"] for seed in SEEDS], axis=0)
    return ndcg, seconds


def main():
    """Print the figures of the folds together."""
    arguments = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    arguments.add_argument("--data", required=True)
    arguments.add_argument("--min-user-items", type=int, default=5)
    arguments.add_argument("--min-rating", type=float)
    arguments.add_argument("--K", type=int, default=2)
    arguments.add_argument("--folds", type=int, default=2, help="how many of the five (default: 2)")
    arguments.add_argument(
        "--long", action="store_true", help="also one model, three times as long"
    )
    flags = arguments.parse_args()
    backend.keep_freed_memory()
    given = {name: getattr(flags, name) for name in ("data", "min_user_items", "min_rating", "K")}
    folds = [
        of_fold(Config(split=f"kfold:{fold}/5", **given, **OPTIONS), flags.long)
        for fold in range(flags.folds)
    ]
    ndcg = {name: np.concatenate([each[name] for each, _ in folds]) for name in folds[0][0]}
    print("| | NDCG@100 | minus one model |\n|---|---|---|")
    for name, values in ndcg.items():
        gain = paired({"it": values}, {"it": ndcg["one model"]})["it"]
        cells = f"{np.nanmean(values):.4f} | {gain['mean']:+.4f} ± {gain['stderr']:.4f}"
        print(f"| {name} | {cells} |")
    gain = paired({"it": ndcg["average + path"]}, {"it": ndcg["seed 0 + path"]})["it"]
    print(f"\naverage + path minus seed 0 + path: {gain['mean']:+.4f} ± {gain['stderr']:.4f}")
    for name in folds[0][1]:
        print(f"{name}: {sum(each[name] for _, each in folds):.2f} CPU seconds")


if __name__ == "__main__":
    main()
