"""Recommending to many users, and reading many ratings.

    pip install implicit    # or the column of implicit stays empty
    python benchmarks/recommend.py [--users 100000] [--items 50000] [--ratings 20000000]

Recommending: 20 of `--items` items for `--users` users, by ids, K=4, d=200, through
Recommender.recommend; against the bare (B, d) by (d, M) product a concept that it cannot avoid, for
as many users, timed in the same run (on 1,000 users before every 10,000). The same with items left
out, or few left in, and with a factor, against without, for the first 2,000 users. One user:
the median over 200 calls, by CPU time, of 10 items for one known user, against the bare product of
her representation (K, d) with H, and `implicit`'s AlternatingLeastSquares.recommend with as many
factors, its vectors random too. Reading: a made CSV of
user,item,rating,timestamp rows, read and split in a process of its own; its time and peak memory.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from scipy import sparse

from macrid import Config, backend, model
from macrid.data.adoptions import Interactions, csr_of_rows
from macrid.recommender import from_run
from macrid.run_folder import Run

READ = """
import resource, sys, time
from macrid import data
from macrid.data import splits
start = time.perf_counter()
interactions = data.load(sys.argv[1])
read = time.perf_counter()
splits.split(interactions, "holdout", 0)
end = time.perf_counter()
rows, peak = interactions.report["rows"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
print(f"| {rows:,} | {read - start:.1f} | {end - read:.1f} | {peak:.2f} |")
"""


def random_recommender(users, items, rng, d=200, K=4, each=30):
    """A recommender with random parameters and histories of 30 items."""
    config = Config(K=K, d=d, data="made")
    state = SimpleNamespace(best=model.initial_parameters(items, config, rng))
    part = items // each  # an item of each thirtieth of the catalogue, so none twice
    histories = rng.integers(0, part, (users, each)) + np.arange(each) * part
    ids = np.arange(users).astype(str), np.arange(items).astype(str)
    interactions = Interactions(csr_of_rows(histories, items), *ids)
    split = SimpleNamespace(items=np.arange(items))
    return from_run(Run(config, interactions, split, state))


def products(recommender):
    """Seconds of the bare products for a user, over 500 at a time, twice."""
    K, d, H = recommender.config.K, recommender.config.d, recommender.parameters["H"]
    z = np.random.default_rng(0).standard_normal((K, 500, d), dtype=np.float32)
    out = np.empty((500, len(H)), np.float32)
    np.matmul(z[0], H.T, out=out)  # not timed: its memory is touched here for the first time
    start = time.perf_counter()
    for z_k in (*z, *z):
        np.matmul(z_k, H.T, out=out)
    return (time.perf_counter() - start) / 1000


def one_user(items, K, calls=200, n=10):
    """Median milliseconds of CPU time: the bare product, ours, with a factor, and implicit's."""
    recommender = random_recommender(calls, items, np.random.default_rng(0), K=K)
    H, z = recommender.parameters["H"], np.random.default_rng(0).standard_normal((K, 200))
    z = z.astype(np.float32)
    ways = {
        "product": lambda user: z @ H.T,
        "recommend": lambda user: recommender.recommend(user, n),
        "with a factor": lambda user: recommender.recommend(user, n, concepts={0: 3.0}),
    }
    if importlib.util.find_spec("implicit"):
        from implicit.als import AlternatingLeastSquares

        als = AlternatingLeastSquares(factors=200, num_threads=1)
        als.item_factors = H
        als.user_factors = H[:calls]
        X = sparse.csr_matrix(recommender.histories)
        ways["implicit"] = lambda user: als.recommend(int(user), X[int(user)], N=n)
    times = {name: [] for name in ways}
    for user in recommender.users.tolist():  # one way after another, so that all see the same hour
        for name, way in ways.items():
            start = time.process_time()
            way(user)
            times[name].append(1000 * (time.process_time() - start))
    return {name: float(np.median(of_way[5:])) for name, of_way in times.items()}


def selections(recommender, users):
    """CPU seconds of the lists of some users: all items, some left out, few left in, a factor."""
    order = np.random.default_rng(1).permutation(recommender.items)
    tenth = len(order) // 10
    ways = {
        "all items": {},
        "without a tenth": {"without": order[:tenth]},
        "only a tenth": {"only": order[:tenth]},
        "only a hundredth": {"only": order[: tenth // 10]},
        "a factor": {"concepts": {0: 3.0}},
    }
    recommender.recommend(users[:10], 20, concepts={0: 3.0})  # what is made once is made
    times = {name: [] for name in ways}
    for _ in range(3):
        for name, more in ways.items():
            start = time.process_time()
            recommender.recommend(users, 20, **more)
            times[name].append(time.process_time() - start)
    return {name: float(np.median(of_way)) for name, of_way in times.items()}


def write_ratings(path, rows, rng):
    """Ratings like those of MovieLens: sorted by user, half stars, a few popular items."""
    users = np.sort(rng.integers(0, max(20, rows // 140), rows))
    items = (rng.pareto(0.8, rows) * 30).astype(np.int64) % 27000 + 1
    stars, times = rng.integers(1, 11, rows) / 2, rng.integers(789652009, 1427784002, rows)
    with open(path, "w") as file:
        file.write("userId,movieId,rating,timestamp\n")
        for start in range(0, rows, 1_000_000):
            part = slice(start, start + 1_000_000)
            columns = (column[part].tolist() for column in (users, items, stars, times))
            file.writelines(f"{u},{i},{s},{t}\n" for u, i, s, t in zip(*columns))


def main():
    """Measure and print Markdown."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--users", type=int, default=100_000)
    arguments.add_argument("--items", type=int, default=50_000)
    arguments.add_argument(
        "--ratings", type=int, default=20_000_000, help="at least 1000, or 0 to leave reading out"
    )
    flags = arguments.parse_args()
    if 0 < flags.ratings < 1000:
        arguments.error(f"--ratings is {flags.ratings}, expected 0 or at least 1000")
    backend.keep_freed_memory()
    rng = np.random.default_rng(0)
    if flags.users:
        recommender = random_recommender(flags.users, flags.items, rng)
        seconds = floor = 0.0
        for first in range(0, flags.users, 10_000):
            users = recommender.users[first : first + 10_000].tolist()
            floor += products(recommender) * len(users)
            start = time.perf_counter()
            recommender.recommend(users, 20)
            seconds += time.perf_counter() - start
        print("| users | items | bare products s | recommend s | ratio |\n|---|---|---|---|---|")
        print(
            f"| {flags.users:,} | {flags.items:,} | {floor:.1f} | {seconds:.1f} |"
            f" {seconds / floor:.2f} |\n",
            flush=True,
        )
        print("| lists of | CPU s | ratio |\n|---|---|---|")
        of_way = selections(recommender, recommender.users[:2000].tolist())
        for name, seconds in of_way.items():
            print(f"| {name} | {seconds:.2f} | {seconds / of_way['all items']:.2f} |")
        print(
            "\n| M | K | product ms | recommend | ratio | with a factor | implicit | ours / its |"
        )
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for items in (5_000, 50_000):
            for K in (2, 7):
                ms = one_user(items, K)
                ours, its = ms["recommend"], ms.get("implicit", float("nan"))
                print(
                    f"| {items:,} | {K} | {ms['product']:.2f} | {ours:.2f} |"
                    f" {ours / ms['product']:.2f} | {ms['with a factor']:.2f} | {its:.2f} |"
                    f" {ours / its:.2f} |",
                    flush=True,
                )
        print()
    if flags.ratings:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ratings.csv"
            write_ratings(path, flags.ratings, rng)
            print("| rows | read s | split s | peak GB |\n|---|---|---|---|", flush=True)
            subprocess.run([sys.executable, "-c", READ, str(path)], check=True)


if __name__ == "__main__":
    main()
