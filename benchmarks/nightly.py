"""A start from an earlier model against one from nothing, on newer data, as Markdown.

    python data_scripts/shop_log.py --out data/shop-log --months 4 --customers 4000 --products 1500
    python benchmarks/nightly.py shop data/shop-log
    python benchmarks/nightly.py movielens data/ml-latest-small

The earlier model knows what happened before the first date, the later ones what happened before the
second; they are asked for what came after it, which neither has seen. In the shop these are the
purchases of two months, of three, and of the same customers in the fourth. On MovieLens, where
hardly anybody comes back, the dates are 2009 and 2010, and who came after is asked for the last
fifth of her films by those before. Half of the users choose the epoch, the others are the test.

The figures after a number of epochs, too, are those minus the best of the start from nothing. The
control is a start from the same model with its items shuffled. A user's figures are averaged over
the seeds, then differences are taken user by user.
"""

import argparse
import csv
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from macrid import data
from macrid.config import Config
from macrid.data import splits
from macrid.data.adoptions import csr_of_rows
from macrid.data.splits import HeldOut, Split
from macrid.evaluation import metrics
from macrid.model.objective import OF_ITEMS
from macrid.model.scoring import ranker
from macrid.training import fit, warm_start

FEWEST = 5  # adoptions of a user
NDCG = "ndcg@100"
EPOCHS = (1, 2, 4, 8, 16)
LATER_SHARE = 0.2  # of a newcomer's films: what is asked for


def shop(folder):
    """(user, item, time) of purchases, and the dates: May and June."""
    rows = csv.DictReader(open(folder / "events.csv", encoding="utf-8"))
    bought = [
        (row["customer"], row["product"], row["time"]) for row in rows if row["event"] == "purchase"
    ]
    return bought, "2025-05-01", "2025-06-01"


def movielens(folder):
    """(user, item, time) of ratings of 4 and more, and the dates."""
    rows = csv.DictReader(open(folder / "ratings.csv", encoding="utf-8"))
    liked = [
        (
            row["userId"],
            row["movieId"],
            datetime.fromtimestamp(int(row["timestamp"]), UTC).isoformat(),
        )
        for row in rows
        if float(row["rating"]) >= 4
    ]
    return liked, "2009-01-01", "2010-01-01"


def interactions(rows):
    """Rows of (user, item, time) as `Interactions`."""
    users, items, _ = zip(*rows)
    return data.from_pairs(users, items, FEWEST)


def later_split(rows, date, newcomers):
    """All that came before the date is training; half of the users after it validation, half test.

    They are newcomers, or the users who come back.
    """
    known = interactions([row for row in rows if row[2] < date])
    everyone = splits.everyone(known)
    ids = known.items[everyone.items]
    column = {item: i for i, item in enumerate(ids.tolist())}
    row_of = {user: u for u, user in enumerate(known.users.tolist())}
    after: dict[str, list[int]] = {}
    for user, item, at in sorted(rows, key=lambda row: row[2]):
        if at >= date and item in column and (newcomers or user in row_of):
            after.setdefault(user, []).append(column[item])
    before = {user for user, _, at in rows if at < date}
    fold_in, held_out = [], []
    for user, items in sorted(after.items()):
        items = list(dict.fromkeys(items))
        if not newcomers:
            has = everyone.train[[row_of[user]]].indices
            items = [i for i in items if i not in has]
        elif user in before or len(items) < FEWEST:
            continue
        else:
            cut = len(items) - int(LATER_SHARE * len(items))
            has, items = items[:cut], items[cut:]
        if items:
            fold_in.append(np.sort(has))
            held_out.append(np.sort(items))
    order = np.random.default_rng(0).permutation(len(fold_in))
    parts = [
        HeldOut(
            part,
            csr_of_rows([fold_in[u] for u in part], len(ids)),
            csr_of_rows([held_out[u] for u in part], len(ids)),
        )
        for part in np.array_split(order, 2)
    ]
    return Split(everyone.train, everyone.train_users, everyone.items, *parts, {}), ids


def start(split, config, ids, earlier=None, earlier_ids=None, keep_moments=False):
    """A `fit.State` to begin with: from nothing, or from an earlier one."""
    state = fit.start(split, config)
    if earlier is None:
        return state
    warm_start.warm(state, ids, earlier.best, earlier_ids, config)
    if keep_moments:
        _, rows, earlier_rows = np.intersect1d(ids, earlier_ids, return_indices=True)
        state.step = earlier.step
        for name, moments in state.moments.items():
            for ours, theirs in zip(moments, earlier.moments[name]):
                if name in OF_ITEMS:
                    ours[rows] = theirs[earlier_rows]
                else:
                    ours[:] = theirs
    return state


def trained(split, config, state):
    """{what: value} of a training: its best epoch, users' figures there and after some epochs."""
    begun, stops, after = time.process_time(), [], {}
    test = lambda p: metrics.evaluate_ranking(ranker(p, config), split.test)[NDCG]

    def on_epoch(state):
        stops.append(time.process_time())
        if state.epoch in EPOCHS:
            after[state.epoch] = test(state.parameters)
            nonlocal begun
            begun += time.process_time() - stops[-1]  # which is not of the training

    state = fit.fit(split, config, state=state, on_epoch=on_epoch)
    cpu = (stops[-1] - begun) / len(stops)
    return {"epoch": state.best_epoch, "cpu": cpu, "best": test(state.best), "after": after}


def mean(values):
    """A mean and its standard error, over seeds or users."""
    values = np.asarray(values, float)
    values = values[~np.isnan(values)]
    return values.mean(), values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0.0


def main():
    """Train, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["shop", "movielens"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--d", type=int, default=64)
    flags = parser.parse_args()
    rows, first, second = {"shop": shop, "movielens": movielens}[flags.what](flags.folder)
    known = interactions([row for row in rows if row[2] < first])
    split, ids = later_split(rows, second, newcomers=flags.what == "movielens")
    begun = splits.split(known, "holdout", Config().split_seed)
    earlier_ids = known.items[begun.items]
    new = len(set(ids.tolist()) - set(earlier_ids.tolist()))
    print(
        f"{flags.what}: {known.X.nnz:,} adoptions before {first}, {split.train.nnz:,} before"
        f" {second}, {new:,} of {len(ids):,} items new; {len(split.validation.users)} validation,"
        f" {len(split.test.users)} test users; d = {flags.d}, {flags.seeds} seeds\n",
        flush=True,
    )
    results: dict[str, list[dict]] = {}
    for seed in range(flags.seeds):
        config = Config(seed=seed, d=flags.d)
        earlier = fit.fit(begun, config)
        shuffled = np.random.default_rng(seed).permutation(earlier_ids)
        annealed, at_once = config, config.replace(anneal_steps=0)
        warm = lambda of_items=earlier_ids, keep_moments=False: start(
            split, config, ids, earlier, of_items, keep_moments
        )
        for name, begin, options in (
            ("from nothing", start(split, config, ids), annealed),
            ("warm", warm(), at_once),
            ("warm, beta annealed again", warm(), annealed),
            ("warm, Adam's moments kept", warm(keep_moments=True), at_once),
            ("warm from a shuffled model", warm(shuffled), at_once),
        ):
            results.setdefault(name, []).append(trained(split, options, begin))

    print(f"| start | CPU s an epoch | best epoch | {NDCG} there | minus from nothing |", end="")
    print("".join(f" after {epochs} |" for epochs in EPOCHS))
    print("|---" * (5 + len(EPOCHS)) + "|")
    of_cold = np.mean([run["best"] for run in results["from nothing"]], axis=0)
    for name, runs in results.items():
        best = np.mean([run["best"] for run in runs], axis=0)
        cells = [name, f"{np.mean([run['cpu'] for run in runs]):.2f}"]
        cells += ["{:.1f} ± {:.1f}".format(*mean([run["epoch"] for run in runs]))]
        cells += ["{:.4f} ± {:.4f}".format(*mean(best))]
        cells += ["{:+.4f} ± {:.4f}".format(*mean(best - of_cold))]
        for epochs in EPOCHS:
            then = np.mean([run["after"][epochs] for run in runs], axis=0)
            cells += ["{:+.4f} ± {:.4f}".format(*mean(then - of_cold))]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
