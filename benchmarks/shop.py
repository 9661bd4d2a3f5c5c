"""What the embedded shop shows of the model: variants over five seeds, paired by user, as Markdown.

    python benchmarks/shop.py [--seeds 5] [--processes 2] [--only "K = 1" "beta = 5"]

Each variant changes the options that `python -m macrid.train` uses on the shop, without its
pictures (semantics.py measures those). A user's figure is her mean over the seeds; the difference
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
VARIANTS = {
    REFERENCE: {"category_weight": 0.0},
    "with category labels": {},
    "K = 1": {"category_weight": 0.0, "K": 1},
    "K = 1, d = 60": {"category_weight": 0.0, "K": 1, "d": 60},
    "K = 3": {"category_weight": 0.0, "K": 3},
    "K = 12": {"category_weight": 0.0, "K": 12},
    "random start": {"category_weight": 0.0, "start": "random"},
    "random start of deviation .02": {
        "category_weight": 0.0,
        "start": "random",
        "init_deviation": 0.02,
    },
    "random start of deviation .02, labels": {"start": "random", "init_deviation": 0.02},
    "inner product": {"category_weight": 0.0, "similarity": "inner"},
    "inner product, random start": {
        "category_weight": 0.0,
        "similarity": "inner",
        "start": "random",
    },
    "inner product, random start of deviation .02": {
        "category_weight": 0.0,
        "similarity": "inner",
        "start": "random",
        "init_deviation": 0.02,
    },
    "no Gumbel noise": {"category_weight": 0.0, "gumbel_noise": False},
    "one-hot concepts at test time": {"category_weight": 0.0, "hard_concepts": True},
    "beta = 0": {"category_weight": 0.0, "beta": 0.0},
    "beta = 1": {"category_weight": 0.0, "beta": 1.0},
    "beta = 5": {"category_weight": 0.0, "beta": 5.0},
    "beta = 20": {"category_weight": 0.0, "beta": 20.0},
    "beta = 50": {"category_weight": 0.0, "beta": 50.0},
}
FIGURES = (
    "accuracy",
    "ari",
    "largest",
    "intentions",
    "mig",
    "sap",
    "disentanglement",
    "informativeness",
    "mu",
    "z",
    "h",
)


def one(variant, seed):
    """Train one variant with one seed: per-user NDCG@100 and the truth's scores."""
    with threadpool_limits(1):
        settings = from_dict(
            {**shop.OPTIONS, "start": "adoptions", **VARIANTS[variant], "seed": seed}
        )
        interactions = run_folder.load_data(settings)
        split, targets = run_folder.prepare(interactions, settings)
        state = fit.fit(split, settings, targets)
        ndcg = evaluate(lambda X: predict(state.best, X, settings), split.test)["ndcg@100"]
        scores = truth.shop_scores(interactions, split, state.best, settings)
        independence = truth.independence_scores(split, state.best, settings)
    flat = {
        **scores["macro"],
        **scores["micro"],
        **independence,
        "intentions": scores["intentions"]["mean"],
    }
    return ndcg, {name: np.nan if flat[name] is None else flat[name] for name in FIGURES}


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
    print(
        "| variant | NDCG@100 (over seeds) | minus reference, paired | "
        + " | ".join(FIGURES)
        + " |"
    )
    print("|---" * (3 + len(FIGURES)) + "|")
    reference = None
    with Pool(flags.processes) as pool:
        for variant in chosen:
            runs = pool.map(partial(one, variant), range(flags.seeds), chunksize=1)
            ndcg = np.array([run[0] for run in runs])  # (seeds, users)
            user = ndcg.mean(axis=0)
            reference = user if reference is None else reference
            difference = user - reference
            cells = [f"{user.mean():.4f} ± {ndcg.mean(axis=1).std(ddof=1):.4f}"]
            cells.append(
                "-"
                if variant == REFERENCE
                else f"{difference.mean():+.4f} ± {difference.std(ddof=1) / len(user) ** 0.5:.4f}"
            )
            for name in FIGURES:
                values = np.array([run[1][name] for run in runs])
                cells.append(f"{values.mean():.3f} ± {values.std(ddof=1) / len(values) ** 0.5:.3f}")
            print(f"| {variant} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
