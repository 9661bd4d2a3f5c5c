"""What pictures and categories are worth (the paper's Table 3), paired by user, as Markdown.

    python benchmarks/semantics.py shop                       five seeds on the embedded shop
    python benchmarks/semantics.py cold                       the same with 200 training users:
    about 3 adoptions an item
    python benchmarks/semantics.py ../shared/data/ml-latest-small    ten folds of MovieLens with
    posters in posters/

Pictures go through AlexNet with random weights (seed 0, width 1024). "shuffled" gives each item
another's picture: what is left then is the start's scale, not what the pictures show. A random
start has deviation .02, the better one for it on the shop.
"""

import argparse
from dataclasses import replace
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from macrid import model, run_folder
from macrid.config import Config, from_dict
from macrid.data import shop
from macrid.evaluation.metrics import evaluate
from macrid.training import fit

VARIANTS = {  # (visual, labels)
    "neither": ("random", False),
    "categories": ("random", True),
    "pictures": ("pictures", False),
    "pictures, shuffled": ("shuffled", False),
    "pictures, (10) to the letter": ("literal", False),
    "pictures and categories": ("pictures", True),
    "pictures, shuffled, and categories": ("shuffled", True),
}
COLD_USERS = 200


def options(data, visual, labels, number):
    """The configuration of one run; `number` is the seed, on MovieLens the fold."""
    start = "random" if visual == "random" else "pictures"
    whiten = visual != "literal"
    if data in ("shop", "cold"):
        deviation = 0.02 if start == "random" else shop.OPTIONS["init_deviation"]
        weight = shop.OPTIONS["category_weight"] if labels else 0.0
        return from_dict(
            {
                **shop.OPTIONS,
                "start": start,
                "whiten": whiten,
                "init_deviation": deviation,
                "category_weight": weight,
                "seed": number,
            }
        )
    posters = (
        {"pictures": str(Path(data) / "posters"), "alexnet": "random", "whiten": whiten}
        if start == "pictures"
        else {}
    )
    return Config(
        data=data,
        min_user_items=15,
        split=f"kfold:{number}/10",
        start=start,
        category_weight=0.5 if labels else 0.0,
        **posters,
    )


def one(data, variant, number):
    """Train once: NDCG@100 of each test user, epochs to 90% of the best validation figure, concept
    accuracy.
    """
    visual, labels = VARIANTS[variant]
    settings = options(data, visual, labels, number)
    with threadpool_limits(1):
        interactions = run_folder.load_data(settings)
        split, targets = run_folder.prepare(interactions, settings)
        if data == "cold":
            split = replace(split, train=split.train[:COLD_USERS])
        features, _ = run_folder.item_features(interactions, split.items, settings)
        if visual == "shuffled":
            order = np.random.default_rng(number).permutation(len(split.items))
            features = tuple(values[order] for values in features)
        state = fit.fit(split, settings, targets, fit.start(split, settings, features, targets))
        ndcg = evaluate(lambda X: model.predict(state.best, X, settings), split.test)["ndcg@100"]
    validation = [record["validation_ndcg@100"] for record in state.history]
    epochs = next(
        epoch for epoch, figure in enumerate(validation, 1) if figure >= 0.9 * max(validation)
    )
    C = model.concepts(state.best, settings)
    if interactions.truth is not None:
        from macrid.interpret.macro import concept_scores

        accuracy = concept_scores(C, interactions.truth.category[split.items])["accuracy"]
    else:  # the share of films of a taught genre whose strongest concept is one of theirs
        from macrid.model.semantics import category_targets

        wanted, _ = category_targets(interactions.categories[split.items], settings.K)
        known = wanted.any(axis=1)
        accuracy = (wanted[known, C[known].argmax(axis=1)] > 0).mean()
    return ndcg, epochs, accuracy


def main():
    """Run all variants and print the table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("data", help="'shop', 'cold' or a MovieLens folder")
    arguments.add_argument("--runs", type=int, help="seeds (default 5) or folds (default 10)")
    arguments.add_argument(
        "--only", nargs="+", default=list(VARIANTS), help="some variants beside 'neither'"
    )
    arguments.add_argument("--processes", type=int, default=2)
    flags = arguments.parse_args()
    made = flags.data in ("shop", "cold")
    numbers = range(flags.runs or (5 if made else 10))
    print(
        "| variant | NDCG@100 ± s.e. over users | minus neither, paired | epochs to 90% | concept"
        " accuracy |\n|---|---|---|---|---|"
    )
    reference = None
    with Pool(flags.processes) as pool:
        for variant in [name for name in VARIANTS if name in ("neither", *flags.only)]:
            runs = pool.map(partial(one, flags.data, variant), numbers, chunksize=1)
            ndcg = [run[0] for run in runs]
            user = (
                np.mean(ndcg, axis=0) if made else np.concatenate(ndcg)
            )  # seeds share users, folds do not
            user = user[~np.isnan(user)]
            reference = user if reference is None else reference
            rest = [_mean(user), "-" if reference is user else _mean(user - reference, "+")]
            rest += [
                _mean(np.array([run[1] for run in runs], float), places=1),
                _mean(np.array([run[2] for run in runs]), places=3),
            ]
            print(f"| {variant} | " + " | ".join(rest) + " |", flush=True)


def _mean(values, sign="", places=4):
    return (
        f"{values.mean():{sign}.{places}f} ± {values.std(ddof=1) / len(values) ** 0.5:.{places}f}"
    )


if __name__ == "__main__":
    main()
