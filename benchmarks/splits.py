"""What evaluation at random promises and what evaluation by time finds, as Markdown.

    python benchmarks/splits.py --data ml-latest-small --time temporal:.2
    python benchmarks/splits.py --data shop-log/events.csv --events purchase=1,return=-1 \
        --time temporal:2025-04-15

Three splits: users held out at random (`holdout`); a tenth of everybody's adoptions, drawn, hidden
(a given split); later adoptions hidden. NDCG@20 and recall@20 over all that is hidden, coverage@20,
of the model (its mean over the seeds), EASE and popularity, with standard errors over the users.
"""

import argparse
from dataclasses import replace

import numpy as np

from macrid import Config, backend
from macrid.baselines import EASE, Popularity
from macrid.data import sources, splits
from macrid.evaluation.metrics import by_scores, measured, paired, summary
from macrid.model import ranker
from macrid.training import fit

CUTOFFS = ((20, "ndcg"), (20, "recall_all"), (20, "coverage"))


def all_splits(interactions, time, seed):
    """{name: `Split`}."""
    is_hidden = np.random.default_rng(seed).random(interactions.X.nnz) < 0.1
    drawn = replace(interactions, parts=np.where(is_hidden, splits.TEST, splits.TRAIN))
    return {
        time: splits.split(interactions, time, seed),
        "holdout": splits.split(interactions, "holdout", seed),
        "a tenth of each, drawn": splits.split(drawn, "given", seed),
    }


def model(split, config, seeds):
    """The metrics of the test users, their mean over the seeds, and the mean coverage."""
    results = []
    for seed in seeds:
        settings = config.replace(seed=seed)
        state = fit.fit(split, settings)
        results.append(measured(ranker(state.best, settings), split.test, CUTOFFS))
    per_user = {name: np.mean([r[0][name] for r in results], axis=0) for name in results[0][0]}
    coverage = float(np.mean([means["coverage@20"]["mean"] for _, means in results]))
    return per_user, coverage


def main():
    """Print a table of the data's splits."""
    arguments = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    arguments.add_argument("--data", required=True)
    arguments.add_argument("--events", default="")
    arguments.add_argument("--time", default="temporal:.2")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    arguments.add_argument("--split-seed", type=int, default=0)
    flags = arguments.parse_args()
    backend.keep_freed_memory()
    config = Config(data=flags.data, events=flags.events, split=flags.time)
    interactions = sources.interactions_of(flags.data, config)
    print("| split | users | system | NDCG@20 | recall@20 | coverage@20 | system - EASE, NDCG@20 |")
    print("|---|---|---|---|---|---|---|")
    for name, split in all_splits(interactions, flags.time, flags.split_seed).items():
        systems = {"macrid": model(split, config, flags.seeds)}
        for baseline in (EASE, Popularity):
            rank = by_scores(baseline.fit(split.train).scores)
            per_user, means = measured(rank, split.test, CUTOFFS)
            systems[baseline.__name__] = per_user, means["coverage@20"]["mean"]
        for system, (per_user, coverage) in systems.items():
            ndcg, recall = summary(per_user).values()
            difference = paired(per_user, systems["EASE"][0])["ndcg@20"]
            print(
                f"| {name} | {ndcg['users']:,} | {system} | {in_words(ndcg)} | {in_words(recall)}"
                f" | {coverage:.3f} | {in_words(difference, '+')} |",
                flush=True,
            )


def in_words(value, sign=""):
    """A mean and its standard error."""
    return f"{value['mean']:{sign}.4f} ± {value['stderr']:.4f}"


if __name__ == "__main__":
    main()
