"""What pictures and categories are worth (the paper's Table 3), paired by user, as Markdown.

    python benchmarks/semantics.py shop    five seeds on the embedded shop
    python benchmarks/semantics.py cold    the same with 200 training users: 3 adoptions an item
    python benchmarks/semantics.py data/ml-latest-small
                                           ten folds of MovieLens with posters in posters/

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
from macrid.interpret.macro import concept_scores
from macrid.model.semantics import category_targets
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
        changes = {"start": start, "whiten": whiten, "seed": number}
        if start == "random":
            changes["init_deviation"] = 0.02
        if not labels:
            changes["category_weight"] = 0.0
        return from_dict({**shop.OPTIONS, **changes})
    posters = {}
    if start == "pictures":
        folder = str(Path(data) / "posters")
        posters = {"pictures": folder, "alexnet": "random", "whiten": whiten}
    return Config(
        data=data,
        min_user_items=15,
        split=f"kfold:{number}/10",
        start=start,
        category_weight=0.5 if labels else 0.0,
        **posters,
    )


def train(data, variant, number):
    """Train once.

    Returns NDCG@100 of each test user, epochs to 90% of the best validation NDCG, concept accuracy.
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
    epochs = 1 + int(np.argmax(np.array(validation) >= 0.9 * max(validation)))
    C = model.concepts(state.best, settings)
    if interactions.truth is not None:
        accuracy = concept_scores(C, interactions.truth.category[split.items])["accuracy"]
    else:  # the share of films of a taught genre whose strongest concept is one of theirs
        targets, _ = category_targets(interactions.categories[split.items], settings.K)
        known = targets.any(axis=1)
        accuracy = (targets[known, C[known].argmax(axis=1)] > 0).mean()
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
        "| variant | NDCG@100 ± s.e. over users | minus neither, paired | epochs to 90% |"
        " concept accuracy |\n|---|---|---|---|---|"
    )
    reference = None
    with Pool(flags.processes) as pool:
        for variant in [name for name in VARIANTS if name in ("neither", *flags.only)]:
            runs = pool.map(partial(train, flags.data, variant), numbers, chunksize=1)
            ndcg, epochs, accuracy = zip(*runs)
            # seeds share users, folds do not
            user = np.mean(ndcg, axis=0) if made else np.concatenate(ndcg)
            user = user[~np.isnan(user)]
            reference = user if reference is None else reference
            cells = [
                variant,
                _mean(user),
                "-" if reference is user else _mean(user - reference, "+"),
                _mean(np.array(epochs, float), places=1),
                _mean(np.array(accuracy), places=3),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


def _mean(values, sign="", places=4):
    stderr = values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():{sign}.{places}f} ± {stderr:.{places}f}"


if __name__ == "__main__":
    main()
