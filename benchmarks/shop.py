"""What the embedded shop shows of the model: variants over five seeds, paired by user, as Markdown.

    python benchmarks/shop.py [--seeds 5] [--processes 2] [--only "K = 1" "beta = 5"]

Each variant changes the options that `python -m macrid.train` uses on the shop, without its
pictures (semantics.py measures those). A user's NDCG is her mean over the seeds; the difference
to the reference is paired over the 200 test users of the holdout split, with its standard error;
the deviation over seeds is that of the seeds' means. Accuracy, MIG and the rest are means over
seeds ± the standard error of that mean.
"""

import argparse
from functools import partial
from multiprocessing import Pool

import numpy as np
from threadpoolctl import threadpool_limits

from macrid import run_folder
from macrid.config import from_dict
from macrid.data import shop
from macrid.evaluation.metrics import evaluate
from macrid.interpret import truth
from macrid.model.scoring import predict
from macrid.training import fit

REFERENCE = "K = 6, no labels"
SMALL = {"start": "random", "init_deviation": 0.02}
WITH_LABELS = {
    "with category labels": {},
    "random start of deviation .02, labels": SMALL,
}
WITHOUT_LABELS = {
    REFERENCE: {},
    "K = 1": {"K": 1},
    "K = 1, d = 60": {"K": 1, "d": 60},
    "K = 3": {"K": 3},
    "K = 12": {"K": 12},
    "random start": {"start": "random"},
    "random start of deviation .02": SMALL,
    "inner product": {"similarity": "inner"},
    "inner product, random start": {"similarity": "inner", "start": "random"},
    "inner product, random start of deviation .02": {"similarity": "inner", **SMALL},
    "no Gumbel noise": {"gumbel_noise": False},
    "one-hot concepts at test time": {"hard_concepts": True},
    "beta = 0": {"beta": 0.0},
    "beta = 1": {"beta": 1.0},
    "beta = 5": {"beta": 5.0},
    "beta = 20": {"beta": 20.0},
    "beta = 50": {"beta": 50.0},
}
VARIANTS = {
    name: {"category_weight": 0.0, **changes} for name, changes in WITHOUT_LABELS.items()
} | WITH_LABELS
SCORES = "accuracy ari largest intentions mig sap disentanglement informativeness mu z h".split()


def train(variant, seed):
    """Train one variant with one seed: NDCG@100 of each user, and the scores against the truth."""
    with threadpool_limits(1):
        options = {**shop.OPTIONS, "start": "adoptions", **VARIANTS[variant], "seed": seed}
        settings = from_dict(options)
        interactions = run_folder.load_data(settings)
        split, targets = run_folder.prepare(interactions, settings)
        state = fit.fit(split, settings, targets)
        ndcg = evaluate(lambda X: predict(state.best, X, settings), split.test)["ndcg@100"]
        against_truth = truth.shop_scores(interactions, split, state.best, settings)
        independence = truth.independence_scores(split, state.best, settings)
    scores = {**against_truth["macro"], **against_truth["micro"], **independence}
    scores["intentions"] = against_truth["intentions"]["mean"]
    return ndcg, [np.nan if scores[name] is None else scores[name] for name in SCORES]


def main():
    """Run all variants and print the table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument(
        "--only", nargs="+", default=list(VARIANTS), help="some variants beside the reference"
    )
    flags = arguments.parse_args()
    chosen = [name for name in VARIANTS if name in (REFERENCE, *flags.only)]
    header = ["variant", "NDCG@100 (over seeds)", "minus reference, paired", *SCORES]
    print(f"| {' | '.join(header)} |\n" + "|---" * len(header) + "|")
    reference = None
    with Pool(flags.processes) as pool:
        for variant in chosen:
            runs = pool.map(partial(train, variant), range(flags.seeds), chunksize=1)
            ndcg, scores = (np.array(values) for values in zip(*runs))  # (seeds, users), (seeds, n)
            user = ndcg.mean(axis=0)
            reference = user if reference is None else reference
            difference = "-" if variant == REFERENCE else _mean(user - reference, "+.4f")
            over_seeds = ndcg.mean(axis=1).std(ddof=1)
            cells = [variant, f"{user.mean():.4f} ± {over_seeds:.4f}", difference]
            cells += [_mean(column, ".3f") for column in scores.T]
            print(f"| {' | '.join(cells)} |", flush=True)


def _mean(values, form):
    stderr = values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():{form}} ± {stderr:{form.lstrip('+')}}"


if __name__ == "__main__":
    main()
