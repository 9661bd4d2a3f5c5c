"""Items that nobody has adopted yet: how well `Recommender.add_items` places them, as Markdown.

    python benchmarks/new_items.py shop    five seeds on the embedded shop: by pictures, by
                                           categories, by both
    python benchmarks/new_items.py data/ml-latest-small
                                           the same on MovieLens: by genres
    python benchmarks/new_items.py data/shop-log/clicks.csv --items data/shop-log/items.csv
                                           by the table of a made shop (data_scripts/shop_log.py):
                                           by its categories, and by its brands and prices too

A tenth of the items is hidden from training, and placed afterwards. All users but those of
validation who adopted hidden items are judged by these adoptions: the hidden items are ranked among
themselves (NDCG@20, recall@20), and among all that the user does not have (NDCG@100, and the share
of the first 20 that is new: a tenth of the catalogue is). "popularity" ranks by the user's share of
an item's categories, each divided among the items of that category, times the item's adoptions, or
where it is new, their mean in its categories (on MovieLens among the best of seven such rules);
"shuffled" gives each new item another's knowledge. "together" is what new items do to whole lists,
by test users of whom a fifth of the other items is hidden too: NDCG@100 of both, minus that of the
model without new items. Ties are broken at random. Differences are paired by user; standard errors
are over users and seeds.
"""

import argparse
from dataclasses import replace

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from macrid import model, run_folder
from macrid.config import Config, from_dict
from macrid.data import likeness, shop, splits
from macrid.data.catalogue import Catalogue
from macrid.evaluation.metrics import per_user, top_k
from macrid.model import placing, semantics
from macrid.training import fit

MOST_USERS = 600  # of a seed
PICTURES = ("start", "alexnet")  # options of the shop that ask for them


def options(flags, seed):
    """The configuration of one run."""
    chosen = {"seed": seed, "split_seed": seed, "linear_path": flags.linear_path}
    if flags.data == "shop":
        return from_dict(shop.OPTIONS | chosen)
    if flags.items:
        of_shop = {name: shop.OPTIONS[name] for name in shop.OPTIONS if name not in PICTURES}
        return Config(data=flags.data, items=flags.items, max_epochs=60, **of_shop, **chosen)
    return Config(data=flags.data, min_user_items=15, **chosen)


def knowledge(interactions, settings):
    """{name: vectors (M, p)} of what an item may be placed by."""
    known = interactions.known_of(np.arange(len(interactions.items)))
    categories = Catalogue(known.ids, paths=known.paths, paths_of_item=known.paths_of_item)
    found = {"categories": likeness.vectors(categories)}
    if settings.start == "pictures":
        every = np.arange(len(known.ids))
        pictures, _ = run_folder.item_features(interactions, every, settings)
        found["pictures"] = likeness.vectors(Catalogue(known.ids), pictures)
        found["pictures and categories"] = likeness.vectors(categories, pictures)
    if known.brands is not None:
        found["categories, brands and prices"] = likeness.vectors(known)
    return found


class Hidden:
    """A model that was trained without a tenth of the items, and who adopted those."""

    def __init__(self, interactions, settings, seed):
        self.rng, self.settings = np.random.default_rng(seed), settings
        M = len(interactions.items)
        hidden = self.rng.permutation(M)[: M // 10]  # in no order, so that ties are fair
        left = np.setdiff1d(np.arange(M), hidden)
        seen = replace(
            interactions,
            X=interactions.X[:, left],
            items=interactions.items[left],
            titles=None,
            categories=interactions.categories[left],
            catalogue=None,
            pictures=None,
            truth=None,
        )
        split = splits.split(seen, "holdout", seed)
        self.known, self.new = left[split.items], hidden
        features = None
        if settings.start == "pictures":
            every = np.arange(M)
            values, has_one = run_folder.item_features(interactions, every, settings)[0]
            features = values[self.known], has_one[self.known]
        targets = semantics.targets(seen, split, settings)
        start = fit.start(split, settings, features, targets)
        self.parameters = fit.fit(split, settings, targets, start).best

        users = np.setdiff1d(np.arange(interactions.X.shape[0]), split.validation.users)
        self.X, G = interactions.X, interactions.categories
        self.adoptions = self.X[users][:, self.known].sum(axis=0)
        adopters = np.flatnonzero((self.X[:, hidden].sum(axis=1) > 0) & (self._count() > 0))
        users = self.rng.permutation(np.intersect1d(users, adopters))[:MOST_USERS]
        self.history, self.held = self.X[users][:, self.known], self._new_of(users)
        self.test = split.test.users
        kept = self.X[self.test][:, self.known].toarray()
        is_hidden = self.rng.random(kept.shape) < 0.2
        self.test_history = sparse.csr_array(kept * ~is_hidden)
        self.test_held = sparse.hstack([kept * is_hidden, self.X[self.test][:, hidden]])
        self.of_known, self.of_new = G[self.known].toarray(), G[hidden].toarray()

    def _count(self):
        return self.X[:, self.known].sum(axis=1)

    def _new_of(self, users):
        nothing = sparse.csr_array((len(users), len(self.known)))
        return sparse.csr_array(sparse.hstack([nothing, self.X[users][:, self.new]]))

    def scores(self, v, v_new, history):
        """ln P of all items, the new ones last."""
        rows = placing.placed(self.parameters, v, v_new, self.adoptions)
        both = {name: np.concatenate([self.parameters[name], part]) for name, part in rows.items()}
        nothing = sparse.csr_array((history.shape[0], len(self.new)))
        X = sparse.csr_array(sparse.hstack([history, nothing]), dtype=np.float32)
        return model.log_predict(self.parameters | both, X, self.settings).astype(float)

    def popularity(self):
        """The user's share of an item's categories, divided among theirs, times its adoptions."""
        share = self.history @ self.of_known
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-12)
        size = np.maximum(self.of_known.sum(axis=0), 1)
        mean = (self.adoptions @ self.of_known) / size
        of_each = np.maximum(self.of_new.sum(axis=1), 1)
        adoptions = np.concatenate([self.adoptions, self.of_new @ mean / of_each])
        one_hot = np.concatenate([self.of_known, self.of_new])
        one_hot = one_hot / np.maximum(one_hot.sum(axis=1, keepdims=True), 1)
        return (share @ (one_hot / size).T + 1e-9) * adoptions

    def judged(self, scores):
        """[NDCG@20, recall@20 among new items, NDCG@100 among all, share of new of 20] by user."""
        n = len(self.known)
        scores = scores + 1e-9 * self.rng.random(scores.shape)
        among, kinds = scores[:, n:], ((20, "ndcg"), (20, "recall"))
        own = per_user(top_k(among, 20), sparse.csr_array(self.held[:, n:]), kinds)
        scores[:, :n][self.history.toarray() > 0] = -np.inf
        best = top_k(scores, 100)
        every = per_user(best, self.held, ((100, "ndcg"),))
        return np.array([*own.values(), *every.values(), (best[:, :20] >= n).mean(axis=1)])

    def together(self, v, v_new):
        """NDCG@100 of test users with the new items, minus without them."""
        n = len(self.known)
        scores = self.scores(v, v_new, self.test_history)
        scores[:, :n][self.test_history.toarray() > 0] = -np.inf
        without = scores.copy()
        without[:, n:] = -1e9
        held = sparse.csr_array(self.test_held)
        with_new, before = (
            per_user(top_k(each, 100), held, ((100, "ndcg"),))["ndcg@100"]
            for each in (scores, without)
        )
        return with_new - before


def main():
    """Train without some items, place them, print the table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("data", help="'shop', a MovieLens folder, or a ratings file")
    arguments.add_argument("--items", default="", help="its table of items")
    arguments.add_argument("--linear-path", type=float, default=0.0)
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--first", type=int, default=0, help="the first seed")
    flags = arguments.parse_args()
    rows: dict[str, list] = {}
    together: dict[str, list] = {}
    with threadpool_limits(1):
        interactions = run_folder.load_data(options(flags, 0))
        vectors = knowledge(interactions, options(flags, 0))
        for seed in range(flags.first, flags.first + flags.seeds):
            run = Hidden(interactions, options(flags, seed), seed)
            shape = run.history.shape[0], len(run.known) + len(run.new)
            rows.setdefault("chance", []).append(run.judged(run.rng.random(shape)))
            rows.setdefault("popularity in the category", []).append(run.judged(run.popularity()))
            for name, v in vectors.items():
                shuffled = run.rng.permutation(run.new)
                for kind, new in ((f"by {name}", run.new), (f"by {name}, shuffled", shuffled)):
                    scores = run.scores(v[run.known], v[new], run.history)
                    rows.setdefault(kind, []).append(run.judged(scores))
                    difference = run.together(v[run.known], v[new])
                    together.setdefault(kind, []).append(difference)
    reference = np.concatenate(rows["popularity in the category"], axis=1)
    print(
        "| placed | NDCG@20 | recall@20 | minus popularity, NDCG@20 | among all, NDCG@100 |"
        " new of the first 20 | together, NDCG@100 |\n|---|---|---|---|---|---|---|"
    )
    for name, parts in rows.items():
        values = np.concatenate(parts, axis=1)
        ndcg, recall, every, share = values
        cells = [name, _mean(ndcg), _mean(recall)]
        cells.append("-" if values is reference else _mean(ndcg - reference[0], "+"))
        cells += [_mean(every), f"{share.mean():.0%}"]
        cells.append(_mean(np.concatenate(together[name]), "+") if name in together else "-")
        print(f"| {' | '.join(cells)} |", flush=True)


def _mean(values, sign=""):
    values = values[~np.isnan(values)]
    return f"{values.mean():{sign}.4f} ± {values.std(ddof=1) / len(values) ** 0.5:.4f}"


if __name__ == "__main__":
    main()
