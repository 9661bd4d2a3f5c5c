"""What a larger `--category-weight` buys, and what it costs.

    python benchmarks/category_weight.py runs/weight-*

takes run folders of `macrid.train` that differ in the weight and in the seed (docs/guide.md has the
command). For each weight: NDCG@20 of the test users minus that of the least weight, the same users
and seeds, a user's differences averaged over the seeds first, with the standard error over users;
how many concepts `evaluate --concepts` calls after a category; and, every concept in its turn, the
share of *the category that teaches it* in the ten best of test and validation users, at factor 1
and 3 on the concept.
"""

import argparse

import numpy as np
from scipy import sparse

from macrid import Recommender, run_folder
from macrid.evaluation import metrics
from macrid.interpret import maps
from macrid.model import semantics
from macrid.model.scoring import ranker


def measured(folder):
    """{user: NDCG@20}, the number of named concepts, and shares (K, 2) at factor 1 and 3."""
    run = run_folder.load(folder)
    made, split = run.interactions, run.split
    values, _ = metrics.measured(ranker(run.parameters, run.settings), split.test, ((20, "ndcg"),))
    ndcg = dict(zip(made.users[split.test.users].tolist(), values["ndcg@20"].tolist()))

    concepts = maps.learned(run).concepts
    categories = made.categories[split.items]
    _, taught = semantics.category_targets(categories, len(concepts))
    row = {item: i for i, item in enumerate(made.items[split.items].tolist())}
    people = made.users[np.concatenate([split.test.users, split.validation.users])].tolist()
    model = Recommender.load(f"{folder}/model.npz")
    shares = []
    for k, column in enumerate(taught):
        is_of = sparse.csr_array(categories[:, [column]]).toarray()[:, 0] > 0
        lists = [model.recommend(people, n=10, concepts={k: f})[0] for f in (1.0, 3.0)]
        shown = [[row[item] for items in of_factor for item in items] for of_factor in lists]
        shares.append([is_of[rows].mean() for rows in shown])
    return ndcg, sum(c.category is not None for c in concepts), np.array(shares)


def main():
    """Measure the runs; print Markdown."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("runs", nargs="+", metavar="RUN", help="run folders of macrid.train")
    of_weight = {}  # {weight: {seed: measured}}
    for folder in arguments.parse_args().runs:
        settings = run_folder.load_config(folder)
        of_weight.setdefault(settings.category_weight, {})[settings.seed] = measured(folder)
    least = of_weight[min(of_weight)]
    print("| weight | NDCG@20 | minus the least | called after a category | factor 1 | factor 3 |")
    print("|---|---|---|---|---|---|")
    for weight, runs in sorted(of_weight.items()):
        differences = {}
        for seed, (ndcg, _, _) in runs.items():
            for user, value in ndcg.items():
                differences.setdefault(user, []).append(value - least[seed][0][user])
        means = np.array([np.mean(values) for values in differences.values()])
        means = means[np.isfinite(means)]  # without users of no held-out items
        stderr = means.std(ddof=1) / len(means) ** 0.5
        mean = np.mean([np.nanmean(list(ndcg.values())) for ndcg, _, _ in runs.values()])
        named = " ".join(str(n) for _, n, _ in runs.values())
        one, three = np.mean([shares for _, _, shares in runs.values()], axis=(0, 1))
        print(
            f"| {weight:g} | {mean:.3f} | {means.mean():+.4f} ± {stderr:.4f} ({len(means)}) |"
            f" {named} | {one:.3f} | {three:.3f} |"
        )


if __name__ == "__main__":
    main()
