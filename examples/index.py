"""The n best items by an approximate index: for catalogues that are too large to go through.

    pip install "macrid[index]"
    python examples/index.py runs/mine --user 42 --n 10

An index of the items' vectors gives candidates, the nearest to each of the user's K queries; the
model's own scores give their order. What is missed is an item that none of the K searches found.

Searched are the items' h, which say nearly all; with a linear path, whole vectors. A graph of
neighbours needs distances, where scores are inner products: one more coordinate makes all vectors
equally long, and the largest inner product the nearest.
"""

import argparse
import sys

import numpy as np

from macrid import Recommender, UserError, terminal

try:
    import faiss
except ModuleNotFoundError:
    faiss = None

LINKS = 32  # of an item in the graph that is searched (HNSW)


class Index:
    """An index of a trained model; `candidates` for each of a user's K queries."""

    def __init__(self, model: Recommender, candidates: int = 200):
        if faiss is None:
            raise UserError('faiss is not installed; pip install "macrid[index]"')
        self.model, self.candidates = model, candidates
        self.vectors = model.item_vectors()  # (M, D)
        self.row = {user: row for row, user in enumerate(model.users.tolist())}
        self.width = self.vectors.shape[1] if "L" in model.parameters else model.config.d
        searched = self.vectors[:, : self.width]
        squares = (searched**2).sum(axis=1, keepdims=True)
        self.index = faiss.IndexHNSWFlat(self.width + 1, LINKS)
        self.index.add(np.hstack([searched, np.sqrt(squares.max() - squares)]).astype(np.float32))

    def recommend(self, user: str, n: int = 10) -> tuple[np.ndarray, np.ndarray]:
        """As `Recommender.recommend` of one user."""
        if user not in self.row:
            raise UserError(f"user '{user}' is unknown to the model")
        queries = self.model.user_vectors(user)  # (K, D)
        searched = np.pad(queries[:, : self.width], ((0, 0), (0, 1))).astype(np.float32)
        self.index.hnsw.efSearch = self.candidates
        _, nearest = self.index.search(searched, self.candidates)
        row = [self.row[user]]
        has, gave_back = self.model.histories[row].indices, self.model.refused[row].indices
        rows = np.setdiff1d(nearest, [-1, *has, *gave_back])  # each once
        scores = np.logaddexp.reduce(self.vectors[rows] @ queries.T, axis=1)  # ln P, exactly
        best = np.argsort(-scores, kind="stable")[:n]
        return self.model.items[rows[best]], scores[best]


def main(argv: list[str] | None = None) -> None:
    """Print the n best items for a user."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="a run folder of macrid.train, or a file of Recommender.save")
    parser.add_argument("--user", required=True)
    parser.add_argument("--n", type=int, default=10)
    flags = parser.parse_args(argv)
    items, scores = Index(Recommender.load(flags.run)).recommend(flags.user, flags.n)
    for item, score in zip(items, scores):
        print(f"{score:8.3f}  {item}")


if __name__ == "__main__":
    sys.exit(terminal.run(main))  # a mistake is one line, and status 2
