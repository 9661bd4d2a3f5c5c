"""Serving a trained model: an approximate index against ranking, and the HTTP service, as Markdown.

    python benchmarks/serving.py runs/mine [--users 300] [--clients 1 4 16] [--requests 100]

Recall is the share of the exact 20 best items, without those that a user has, that come by the
index. Times are of one user at a time, one thread, the median over users with the 99th percentile.
The service runs in a process of its own; each client has a connection and asks one user after the
other for 10 items.
"""

import argparse
import http.client
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np

from macrid import Recommender

EXAMPLES = Path(__file__).parents[1] / "examples"
N = 20


def percentiles(seconds):
    """The median and the 99th percentile, in milliseconds."""
    return [1000 * value for value in np.percentile(seconds, [50, 99])]


def timed(work, users):
    """What `work(user)` gives for each of the users, and the seconds that it took."""
    results, seconds = [], []
    for user in users:
        begun = time.perf_counter()
        results.append(work(user))
        seconds.append(time.perf_counter() - begun)
    return results, seconds


def index_table(model, users):
    """Rows of the index by its number of candidates, after that of ranking all items."""
    import faiss
    from index import Index

    faiss.omp_set_num_threads(1)
    model.recommend(users[0])
    exact, seconds = timed(lambda user: model.recommend(user, N)[0], users)
    p50, p99 = percentiles(seconds)
    print("| | candidates a query | recall of the exact 20 | p50 ms | p99 ms | p50 of ranking |")
    print("|---|---|---|---|---|---|")
    print(f"| `recommend` | all | 1 | {p50:.2f} | {p99:.2f} | 1.00 |", flush=True)
    begun = time.perf_counter()
    index = Index(model)
    built = time.perf_counter() - begun
    index.recommend(users[0])
    for candidates in (20, 50, 100, 200, 400, 800):
        index.candidates = candidates
        found, seconds = timed(lambda user: index.recommend(user, N)[0], users)
        recall = statistics.mean(len(set(a) & set(b)) / N for a, b in zip(exact, found))
        of_index = percentiles(seconds)
        cells = [f"{recall:.3f}", *(f"{value:.2f}" for value in of_index)]
        cells += [f"{of_index[0] / p50:.2f}"]
        print(f"| index | {candidates} | {' | '.join(cells)} |", flush=True)
    print(f"\nThe index was built in {built:.1f} s.\n")


def client(address, users, seconds):
    """Ask for one user after the other on one connection; append the seconds of each answer."""
    connection = http.client.HTTPConnection(*address)
    for user in users:
        begun = time.perf_counter()
        connection.request("GET", f"/recommend?n=10&user={quote(user)}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        seconds.append(time.perf_counter() - begun)
    connection.close()


def service_table(run, model, users, clients, requests):
    """Rows of the HTTP service by the number of clients at once, after that of the call itself."""
    _, seconds = timed(lambda user: model.recommend(user, 10), users)
    p50, p99 = percentiles(seconds)
    print("| | clients | p50 ms | p99 ms | answers a second | p50 of the call |")
    print("|---|---|---|---|---|---|")
    print(f"| `recommend` | - | {p50:.2f} | {p99:.2f} | {1000 / p50:.0f} | 1.00 |", flush=True)
    words = [sys.executable, str(EXAMPLES / "service.py"), run, "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().split("/")[2].split(":")
        address = (address[0], int(address[1]))
        client(address, users[:20], [])
        for count in clients:
            seconds = []
            each = [(users * requests)[c * 17 : c * 17 + requests] for c in range(count)]
            threads = [threading.Thread(target=client, args=(address, u, seconds)) for u in each]
            begun = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rate = len(seconds) / (time.perf_counter() - begun)
            of_it = percentiles(seconds)
            cells = [f"{of_it[0]:.2f}", f"{of_it[1]:.2f}", f"{rate:.0f}", f"{of_it[0] / p50:.2f}"]
            print(f"| HTTP | {count} | {' | '.join(cells)} |", flush=True)
        process.terminate()


def main():
    """Measure, and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--requests", type=int, default=100)
    flags = parser.parse_args()
    sys.path.insert(0, str(EXAMPLES))
    model = Recommender.load(flags.run)
    rng = np.random.default_rng(0)
    users = model.users[rng.permutation(len(model.users))[: flags.users]].tolist()
    print(f"{model!r}; {len(users)} users\n")
    index_table(model, users)
    service_table(flags.run, model, users, flags.clients, flags.requests)


if __name__ == "__main__":
    main()
