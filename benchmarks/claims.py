"""Claims of the paper that its tables do not test, as Markdown (docs/claims.md).

    python benchmarks/claims.py rare shop           do rare items borrow from their category?
    python benchmarks/claims.py few shop            is it robust with few users, or few adoptions?
    python benchmarks/claims.py setting             section 4.4.2: d 10, beta 50, sigma0 .3
    python benchmarks/claims.py figure5 DIR ...     correlations of `macrid.reproduce figure5`

`rare` and `few` take a MovieLens folder too (at least 15 adoptions a user). Every user of the folds
that are run is a test user once; differences are paired by user, ± their standard error, and the
folds in which they are above zero are counted.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.stats import special_ortho_group
from threadpoolctl import threadpool_limits

from macrid import model, run_folder
from macrid.baselines import EASE, MultiVAE, Popularity
from macrid.config import Config, from_dict
from macrid.data import shop
from macrid.evaluation.metrics import evaluate
from macrid.experiments.systems import TABLE2
from macrid.interpret import knobs, micro, trajectory, truth
from macrid.training import fit

FOLDS = 5
NAMES = ("rare", "middle", "popular")
SHARES = (0.1, 0.3, 1.0)
TAUGHT = "taught by categories"
RARE = {  # the options of the shop, and of MovieLens
    TAUGHT: ({}, {}),
    "taught by shuffled categories": ({}, {}),
    "not taught": ({"category_weight": 0.0}, {"category_weight": 0.0}),
    "one concept": ({"K": 1, "d": 60, "category_weight": 0.0}, {"K": 1, "category_weight": 0.0}),
}
OURS = "MacridVAE"
FEW = {
    OURS: {},
    "no KL term": {"beta": 0.0},
    "one concept": {"K": 1},
}
SETTINGS = {
    "beta .2, sigma0 .4 (default)": {},
    "beta .2, sigma0 .3": {"sigma0": 0.3},
    "beta 50, sigma0 .3 (section 4.4.2)": {"beta": 50.0, "sigma0": 0.3},
}
CODES = ("the attributes", "the attributes, turned", "random numbers")
SCORES = ("mig", "sap", "disentanglement", "completeness", "informativeness")


def options(data, fold, **changes) -> Config:
    """The configuration of one fit of the model, from a random start."""
    split = {"split": f"kfold:{fold}/{FOLDS}", "min_user_items": 15}
    if data == "shop":
        made = {**shop.OPTIONS, "start": "random", "init_deviation": 0.02}
        return from_dict({**made, **split, **changes})
    return from_dict({"data": data, "category_weight": 0.5, **split, **changes})


@lru_cache(maxsize=1)
def interactions_of(data):
    """The data, read once in each process."""
    return run_folder.load_data(options(data, 0))


def thirds(train) -> np.ndarray:
    """0, 1, 2 for each item: those with the fewest adoptions, which together have a third of all,
    and so on. train (N, M) CSR -> (M,).
    """
    counts = np.asarray(train.sum(axis=0)).ravel()
    order = np.argsort(counts, kind="stable")
    before = np.cumsum(counts[order]) - counts[order]
    number = np.empty(len(counts), int)
    number[order] = np.minimum(3 * before / counts.sum(), 2).astype(int)
    return number


def only(part, inside):
    """The held-out part with those hidden items alone that are `inside` (M,) bool."""
    held_out = sparse.csr_array(part.held_out @ sparse.diags_array(inside.astype(np.float32)))
    held_out.eliminate_zeros()
    return replace(part, held_out=held_out)


def rare(data, variant, fold):
    """Of each third of the items, and each test user: recall@100 of its hidden items in the list of
    all, and NDCG@100 in the list of its own -> {name: (users,)}.
    """
    with threadpool_limits(1):
        settings = options(data, fold, **RARE[variant][data != "shop"])
        split, targets = run_folder.prepare(interactions_of(data), settings)
        if "shuffled" in variant:
            targets = targets[np.random.default_rng(fold).permutation(len(targets))]
        best = fit.fit(split, settings, targets).best
        score = lambda X: model.predict(best, X, settings)
        third, figures = thirds(split.train), {}
        for number, name in enumerate(NAMES):
            inside = third == number
            among = lambda X, inside=inside: np.where(inside, score(X), -np.inf)
            part = only(split.test, inside)
            recall = evaluate(score, part, [(100, "recall_all")])
            figures[f"{name}: recall@100"] = recall["recall_all@100"]
            figures[f"{name}: NDCG@100"] = evaluate(among, part, [(100, "ndcg")])["ndcg@100"]
        figures["all: NDCG@100"] = evaluate(score, split.test, [(100, "ndcg")])["ndcg@100"]
    items = np.bincount(third, minlength=3)
    return figures, (items, [int(only(split.test, third == n).held_out.nnz) for n in range(3)])


def print_rare(data, folds, pool):
    """The table of `rare`: the row and its difference to the first."""
    reference = None
    for variant in RARE:
        runs = pool.map(partial(rare, data, variant), range(folds), chunksize=1)
        figures = [figures for figures, _ in runs]
        if reference is None:
            reference = figures
            sizes = np.array([size for _, size in runs])  # (folds, 2, 3)
            counts = [sizes[:, 0].mean(axis=0).round().astype(int), sizes[:, 1].sum(axis=0)]
            print(f"items of each third {counts[0].tolist()}, hidden {counts[1].tolist()}\n")
            print_header("minus the first", *figures[0])
        print_row(variant, (difference(name, figures, reference) for name in figures[0]))


def thinned(split, of_users, share, rng):
    """The split with a share of the training users, or of everybody's known adoptions."""
    if of_users:
        N = split.train.shape[0]
        return replace(split, train=split.train[rng.permutation(N)[: round(share * N)]])

    def less(X):
        kept = X.copy()
        kept.data *= rng.random(kept.nnz) < share
        kept.eliminate_zeros()
        return kept

    parts = {
        name: replace(part, fold_in=less(part.fold_in))
        for name, part in (("validation", split.validation), ("test", split.test))
    }
    return replace(split, train=less(split.train), **parts)


def few(data, of_users, share, fold):
    """NDCG@100 of each test user, trained on a share of the users or adoptions: {system: (n,)}."""
    with threadpool_limits(1):
        start = {"start": "adoptions", "init_deviation": shop.OPTIONS["init_deviation"]}
        changes = {"category_weight": 0.0, **(start if data == "shop" else {})}
        settings = options(data, fold, **changes, patience=25, max_epochs=500)
        split, _ = run_folder.prepare(interactions_of(data), settings)
        split = thinned(split, of_users, share, np.random.default_rng([fold, 1]))
        systems: dict[str, Callable] = {}
        for name, change in FEW.items():
            changed = settings.replace(**change)
            best = fit.fit(split, changed, None, fit.start(split, changed)).best
            systems[name] = partial(predicted, best, changed)
        of_the_table = next(row for row in TABLE2 if row.name == "MultiVAE").options
        fitted = MultiVAE.fit(split.train, split.validation, seed=fold, **of_the_table)
        systems["MultiVAE"] = fitted.scores
        systems["popularity"] = Popularity.fit(split.train).scores
        systems["EASE"] = EASE.fit(split.train, split.validation, regularisation=None).scores
        return {name: evaluate(score, split.test)["ndcg@100"] for name, score in systems.items()}


def predicted(parameters, settings, X):
    """The scores of the model."""
    return model.predict(parameters, X, settings)


def print_few(data, folds, pool):
    """The table of `few`: popularity, the model, and its difference to each of the others."""
    others = [*list(FEW)[1:], "MultiVAE", "EASE"]
    print_header("trained on", "popularity", OURS, *(f"minus {name}" for name in others))
    for of_users in (True, False):
        for share in SHARES if of_users else SHARES[:-1]:  # all of them is the same twice
            runs = pool.map(partial(few, data, of_users, share), range(folds), chunksize=1)
            cells = [difference("popularity", runs), difference(OURS, runs)]
            for name in others:
                cells.append(difference(OURS, runs, [{OURS: run[name]} for run in runs]))
            what = "users" if of_users else "adoptions"
            print_row(f"{share:.0%} of the {what}", cells)


def setting(variant, seed):
    """NDCG@100 of the test users, and scores of the dimensions against the shop's attributes."""
    with threadpool_limits(1):
        settings = from_dict({**shop.OPTIONS, **SETTINGS[variant], "seed": seed})
        interactions = run_folder.load_data(settings)
        split, targets = run_folder.prepare(interactions, settings)
        features, _ = run_folder.item_features(interactions, split.items, settings)
        state = fit.fit(split, settings, targets, fit.start(split, settings, features, targets))
        ndcg = evaluate(lambda X: model.predict(state.best, X, settings), split.test)["ndcg@100"]
        against = truth.shop_scores(interactions, split, state.best, settings)["micro"]
        space = trajectory.space(state.best, settings)
        telling = knobs.beyond_chance(
            space, knobs.traits(interactions, split)[:-1]
        )  # no popularity
    named = telling.any(axis=1).sum() / (settings.K * settings.d)
    independence = truth.independence_scores(split, state.best, settings)
    scores = [against[name] for name in SCORES] + [independence[name] for name in ("mu", "z", "h")]
    return ndcg, [*scores, named]


def code(name, seed):
    """The same scores of a code that is known, 10 dimensions of the shop's items."""
    interactions = interactions_of("shop")
    category, attributes = interactions.truth.category, interactions.truth.attributes
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((len(category), 10))
    centred = attributes - attributes.mean(axis=0)
    Z = np.column_stack([centred, 1e-3 * noise[:, 5:]])
    if name == CODES[1]:
        Z = Z @ special_ortho_group.rvs(10, random_state=seed)
    elif name == CODES[2]:
        Z = noise
    scores = micro.attribute_scores(Z, category, category, attributes)
    return [scores[name] for name in SCORES] + [np.nan, np.nan, micro.independence(Z), np.nan]


def print_setting(seeds, pool):
    """The table of `setting`, and codes whose scores are known beside it."""
    print_header("", "NDCG@100", "minus the first", *SCORES, "mu", "z", "h", "named")
    reference = None
    for variant in SETTINGS:
        ndcg, scores = zip(*pool.map(partial(setting, variant), range(seeds), chunksize=1))
        user = np.mean(ndcg, axis=0)
        reference = user if reference is None else reference
        cells = [spread(user), spread(user - reference, "+") if reference is not user else ""]
        print_row(variant, [*cells, *(spread(column, places=3) for column in np.transpose(scores))])
    for name in CODES:
        scores = np.transpose([code(name, seed) for seed in range(seeds)])
        print_row(name, ["", "", *(spread(column, places=3) for column in scores)])


def print_figure5(folders):
    """Rank and plain correlations over beta, of independence and each metric, series by series."""
    from scipy.stats import pearsonr, spearmanr

    print_header("folder", "series", "independence of", "metric", "n", "Spearman", "Pearson")
    for folder in folders:
        rows = json.loads((Path(folder) / "table.json").read_text())["systems"]
        every = list(dict.fromkeys(row["series"] for row in rows))
        for series in every:
            chosen = [row for row in rows if row["series"] == series]
            for of in ("mu", "z", "h"):
                for metric in ("recall@20", "ndcg@100"):
                    x = [row["independence"][of]["mean"] for row in chosen]
                    y = [row["figures"][metric]["mean"] for row in chosen]
                    both = f"{spearmanr(x, y)[0]:+.2f}", f"{pearsonr(x, y)[0]:+.2f}"
                    print_row(Path(folder).name, [series, of, metric, str(len(x)), *both])


def difference(name, runs, others=None) -> str:
    """Mean ± standard error over the users of all folds; minus `others`', and in how many folds it
    is above zero.
    """
    values = [run[name] for run in runs]
    if others is None or others is runs:
        return spread(np.concatenate(values))
    apart = [ours - theirs[name] for ours, theirs in zip(values, others)]
    ahead = sum(np.nanmean(fold) > 0 for fold in apart)
    return f"{spread(np.concatenate(apart), '+')} ({ahead} of {len(apart)})"


def spread(values, sign="", places=4) -> str:
    """Mean ± standard error of what is not NaN."""
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return ""
    if len(values) == 1:
        return f"{values[0]:{sign}.{places}f}"
    stderr = values.std(ddof=1) / len(values) ** 0.5
    return f"{values.mean():{sign}.{places}f} ± {stderr:.{places}f}"


def print_header(*titles):
    """The head of a Markdown table."""
    print(f"| {' | '.join(titles)} |\n" + "|---" * len(titles) + "|", flush=True)


def print_row(name, cells):
    """One of its rows."""
    print(f"| {' | '.join([name, *cells])} |", flush=True)


def main():
    """Run one of the tests and print its table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("claim", choices=("rare", "few", "setting", "figure5"))
    arguments.add_argument("data", nargs="*", help="shop (default), or folders", default=["shop"])
    arguments.add_argument("--runs", type=int, default=FOLDS, help="folds, or seeds (5)")
    arguments.add_argument("--processes", type=int, default=2)
    flags = arguments.parse_args()
    if flags.claim == "figure5":
        print_figure5(flags.data)
        return
    with Pool(flags.processes) as pool:
        if flags.claim == "setting":
            print_setting(flags.runs, pool)
        else:
            table = print_rare if flags.claim == "rare" else print_few
            table(flags.data[0], flags.runs, pool)


if __name__ == "__main__":
    main()
