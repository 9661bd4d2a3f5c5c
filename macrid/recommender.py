r"""The model by outside ids: fit, recommend, find similar items, explain, save, load.

from macrid import Recommender
model = Recommender(K=4).fit("ratings.csv")
items, scores = model.recommend(["alice", "bob"], n=10)
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from macrid import backend, model, model_file, suited
from macrid import config as configs
from macrid.data import checks, likeness, splits
from macrid.data.adoptions import csr_of_ones, csr_of_rows
from macrid.data.catalogue import Catalogue
from macrid.data.ids import is_id
from macrid.data.items import read as read_items
from macrid.data.lookup import Lookup
from macrid.data.selection import selected
from macrid.data.sources import interactions_of
from macrid.errors import NotTrained, UserError
from macrid.evaluation import metrics
from macrid.model import ensemble, placing, semantics, steering
from macrid.model.objective import compared
from macrid.model.ops import normalise
from macrid.pictures import features as feature_files
from macrid.run_folder import Run, check_finished
from macrid.training import fit, log, seeds
from macrid.training import warm_start as warm_starts

logger = logging.getLogger(__name__)

USERS_AT_A_TIME = 2000
USERS_FOR_KAPPA = 100
FILE = "model.npz"
OF_REQUEST = ("_requested", "_decided", "_faithful", "_given_items")  # what `fit` trains with


@dataclass(frozen=True)
class Explanation:
    r"""Why an item was given its score for a user.

    concepts    (K,) the share of each concept in the score, c_ik E_uki / P_ui; they sum to one
    items       the user's items, the one that adds most first
    effects     what each of them adds to ln p_ui: how much it falls when that item is taken out of
                her history. A negative effect takes away: that item speaks against, and without it
                the recommended one would be more likely. All of them can be negative
    """

    item: str
    concepts: np.ndarray
    items: list[str]
    effects: np.ndarray

    @property
    def concept(self) -> int:
        """The concept with the largest share."""
        return int(np.argmax(self.concepts))


class Recommender:
    """SEM-MacridVAE for users and items with ids of their own (text).

    Options are the fields of `macrid.Config`; those of `macrid.suited` that are not given, or
    None, are chosen by the data. A `config` gives them all; with `faithful` they are those of
    `Config`, the paper and nothing else. What a user can mend is a `macrid.UserError` of one line.
    After `fit` or `load` there are

    items, users  (M,) and (N,) ids; the users with too few adoptions to train on come last
    titles        (M,), or None
    catalogue     what is known of the items: categories of all levels, as a `Catalogue`
    histories     (N, M) CSR: what each user has
    refused       (N, M) CSR: what each has given back, by events of negative weight
    config        the options, with as many concepts as `adaptive_K` left
    parameters    the arrays of the model
    metrics       of the held-out test users, with standard errors, or None where there are none;
                  `figures` is an older name of it
    report        lines that say what `fit` read and what it dropped, None after `load`

    >>> Recommender(K=4, seed=1)
    <Recommender(K=4, seed=1): not trained>
    """

    config: configs.Config
    parameters: dict
    items: np.ndarray
    users: np.ndarray
    titles: np.ndarray | None
    catalogue: Catalogue
    histories: sparse.csr_array
    refused: sparse.csr_array
    metrics: dict | None
    report: list[str] | None
    matrix_columns: int | None
    _lookup: Lookup

    def __init__(
        self,
        config: configs.Config | None = None,
        items: Any = "",
        faithful: bool = False,
        **options,
    ):
        if isinstance(items, (str, Path)):
            options |= {"items": str(items)} if items else {}
            items = None
        self._given_items = items  # a table in memory, which no option can name
        self._faithful = faithful
        undecided = {name for name in suited.NAMES if config is None and options.get(name) is None}
        self._decided = {*configs.option_names()} - undecided
        options = {name: value for name, value in options.items() if name not in undecided}
        self.config = (config or configs.Config(data="memory")).replace(**options)
        if not isinstance(faithful, bool):
            raise UserError(f"faithful is {faithful!r:.100}, expected True or False")
        if faithful:
            suited.refuse_path(self.config.linear_path)
        self._requested = self.config  # what `fit` trains with; `config` becomes what it made

    def __getattr__(self, name):
        if name in Recommender.__annotations__:
            raise NotTrained("the model is not trained yet; call fit, or Recommender.load")
        raise AttributeError(f"Recommender has no {name}")

    def __repr__(self):
        """The given options that differ from the defaults, and what the model knows."""
        changed = [
            field.name
            for field in fields(configs.Config)
            if field.name == "K" or getattr(self._requested, field.name) != field.default
        ]
        options = [f"{name}={getattr(self.config, name)!r}" for name in changed if name != "data"]
        state = "not trained"
        if "items" in vars(self):
            state = f"{len(self.users):,} users, {len(self.items):,} items"
        return f"<Recommender({', '.join(options)}): {state}>"

    @property
    def figures(self) -> dict | None:
        """`metrics`, by an older name."""
        return self.metrics

    @property
    def concepts(self) -> np.ndarray:
        """C (M, K): how strongly each item belongs to each concept; rows sum to one.

        >>> model.concepts[model.items == "tea"].round(2)
        array([[0.93, 0.07]], dtype=float32)
        """
        return backend.to_host(self._prepared.C)

    def get_params(self, deep: bool = True) -> dict:
        """All options that `fit` trains with, by name, as scikit-learn asks for them.

        None are those that `fit` chooses by the data.

        >>> sklearn.base.clone(Recommender(K=4)).get_params()["K"]
        4
        """
        table = {} if self._given_items is None else {"items": self._given_items}
        undecided = dict.fromkeys(set(suited.NAMES) - self._decided)
        return asdict(self._requested) | undecided | table | {"faithful": self._faithful}

    def set_params(self, **options) -> "Recommender":
        """Change options that the next `fit` trains with, and return self.

        >>> Recommender(K=4).set_params(K=8)
        <Recommender(K=8): not trained>
        """
        asked_for = Recommender(**{**self.get_params(), **options})
        for name in OF_REQUEST:
            setattr(self, name, getattr(asked_for, name))
        if "items" not in vars(self):
            self.config = self._requested
        return self

    def fit(
        self,
        interactions: Any,
        items: Any = None,
        test: Any = None,
        validation: Any = None,
        on_epoch: Callable[[int, dict], Any] | None = None,
        warm_start: "Recommender | str | Path | None" = None,
    ) -> "Recommender":
        """Train on `interactions` and return self.

        They are a path (CSV, TSV, MovieLens folder), `macrid.Interactions`, a list of (user, item)
        or (user, item, rating), a SciPy matrix of users by items (ids are row and column numbers;
        every value above 0 is an adoption, or with `min_rating` every value from it on), or a
        pandas DataFrame whose columns have known names (`macrid.data.column_names`) or are named by
        the option `columns`. A tenth of the users each is held out for validation, which stops
        training, and for the test metrics; they can be recommended to like all others. Items that
        no training user has are left out. Other ways to split are those of the option `split`: with
        'given', `interactions` is the training, and `test`, perhaps also `validation`, in the same
        forms, has what is hidden; with 'temporal:DATE' a file or a table has a column of times.

        `items` is a table of items, a path, a DataFrame or a dict of columns (default: that which
        the Recommender was made with): titles, categories and more, see `macrid.data.items`.

        `on_epoch(epoch, figures)` is called after each epoch, figures a dict of the mean loss terms
        and of the metrics of validation users; what it returns is of no matter, and StopIteration
        ends the training: the best epoch so far is kept. The same numbers are logged, a line an
        epoch, for whom `logging.basicConfig(level="INFO")` asks.

        `warm_start` is an earlier model, or the path of one, to begin from on newer data: items
        that it knows keep what they learned. The option of that name is such a path.

        >>> model = Recommender(K=2).fit("ratings.csv", items="products.csv")
        >>> model.metrics["ndcg@100"]["mean"]
        0.3413
        """
        config = self._requested
        if config.start == "pictures":
            remedy = (
                "train with python -m macrid.train --pictures or --features and take"
                " Recommender.load(folder), or choose start 'adoptions'"
            )
            raise UserError(
                f"start is 'pictures', which a Recommender cannot do by itself; {remedy}"
            )
        items = self._given_items if items is None else items
        adoptions = interactions_of(interactions, config, items, test, validation)
        split = splits.split(adoptions, config.split, config.split_seed)
        decided = configs.option_names() if self._faithful else self._decided
        config, about_options = suited.fill(config, decided, split.train)
        targets = semantics.targets(adoptions, split, config)
        report = [*checks.describe(adoptions), *about_options]
        logger.info("\n".join(report))
        if on_epoch and config.seeds > 1:
            raise UserError(
                f"on_epoch follows one model, but seeds is {config.seeds}; leave on_epoch out (the"
                " log has a line an epoch of each), or give seeds 1"
            )
        states = [fit.start(split, one, None, targets) for one in seeds.each(config)]
        if begin_from := warm_start or config.warm_start:
            is_model = isinstance(begin_from, Recommender)
            earlier: Any = begin_from if is_model else Recommender.load(begin_from, "numpy")
            models, known = ensemble.split(backend.to_host(earlier.parameters)), earlier.items
            now = adoptions.items[split.items]
            for s, state in enumerate(states):
                of_seed = models[s % len(models)]
                kept = warm_starts.warm(state, now, of_seed, known, config)
            logger.info(kept)
            config = config.replace(anneal_steps=0)  # beta has its full weight at once
        if config.seeds == 1:
            hook = partial(_after_epoch, config, on_epoch)
            state = fit.fit(split, config, targets, states[0], on_epoch=hook)
        else:
            about = lambda one, state: log.epoch(state, one)  # noqa: E731
            state = seeds.fit(split, config, targets, states, on_epoch=about)[0]
        trained = from_run(Run(config, adoptions, split, state))
        vars(self).update(vars(trained), **{name: getattr(self, name) for name in OF_REQUEST})
        self._index()
        self.report = report
        ranker = model.ranker(self.parameters, self.config)
        cutoffs = metrics.cutoffs_of(config.split)
        self.metrics = metrics.measured(ranker, split.test, cutoffs)[1] or None
        return self

    def add_items(self, items: Any, features: Any = None, item_columns: str = "") -> "Recommender":
        r"""Add items that nobody has adopted yet, placed by those that look like them; return self.

        items     a table of items, a path, a DataFrame or a dict of columns, as for `fit`; those
                  that the model knows already are not added again. They are described by the table
                  too, if it has rows of them, else by what the model was trained with
        features  of pictures, of known and of new items: a file of `macrid.features`, or
                  `macrid.pictures.features.Features`
        item_columns
                  which columns of `items` hold what (default: those that the training named, as
                  far as the table has them, and those with known names)

        An item is placed where those are that have its categories, brand, numbers and picture, see
        `macrid.model.placing`; without any of those it is left out, with a warning. Training does
        the rest, once there are adoptions.

        >>> model.add_items({"item": ["chai"], "category": ["Drinks > Tea"]})
        >>> model.recommend("alice", n=2)[0]
        array(['chai', 'jam'], dtype='<U4')
        """
        names = item_columns or self.config.item_columns
        table = read_items(items, names, or_known=not item_columns)
        M, place = len(self.items), {name: row for row, name in enumerate(table.ids.tolist())}
        places = np.array([place.get(name, -1) for name in self.items.tolist()])
        new = np.setdiff1d(np.arange(len(table.ids)), places)
        columns = self.matrix_columns
        if columns is not None:
            columns = _columns_with(columns, table.ids[new])

        # what is known of both, and that as vectors: without any, an item is placed nowhere
        known = replace(self.catalogue, ids=self.items, titles=self.titles).joined(table)
        rows = np.where(places >= 0, M + places, np.arange(M))
        known = known.rows(np.concatenate([rows, M + new]))
        v = likeness.vectors(known, _of_pictures(features, known.ids))
        is_known = np.diff(v.indptr) > 0
        if not is_known[:M].any():
            raise UserError(
                f"{table.source}: nothing is known of the model's own items that new ones could be"
                " like; give their categories, brands or numbers too, or features of pictures"
            )
        if not is_known[M:].all():
            left_out = table.ids[new[~is_known[M:]]]
            warnings.warn(
                f"{len(left_out):,} of {len(new):,} new items are left out, such as"
                f" '{left_out[0]}', as nothing is known of them that could place them",
                stacklevel=2,
            )
        adoptions = np.bincount(self.histories.indices, minlength=M)
        of_new = placing.placed(self.parameters, v[:M], v[M:][is_known[M:]], adoptions)

        # the same model, with a row more of each
        xp = backend.array_module(self.parameters["H"])
        both = {
            name: xp.concatenate([self.parameters[name], backend.to_device(xp, rows)])
            for name, rows in of_new.items()
        }
        self.parameters, self.matrix_columns = self.parameters | both, columns
        self.catalogue = known.rows(np.flatnonzero(is_known | (np.arange(len(is_known)) < M)))
        self.items, titles = self.catalogue.ids, self.catalogue.titles
        self.titles = None if titles is None else np.where(titles == "", self.items, titles)
        shape = (len(self.users), len(self.items))
        self.histories = csr_of_ones(self.histories.indices, self.histories.indptr, shape)
        self.refused = csr_of_ones(self.refused.indices, self.refused.indptr, shape)
        self._index()
        return self

    def item_titles(self, items: Any) -> np.ndarray:
        """The titles of items by their ids, an array of any shape; the id where there is none.

        >>> ids, scores = model.recommend("alice", n=2)
        >>> model.item_titles(ids)
        array(['Green tea', 'Plum jam'], dtype='<U9')
        """
        ids = np.asarray(items)
        if self.titles is None:
            return ids
        places = [self._lookup.item(name) if name != "" else -1 for name in ids.ravel().tolist()]
        return np.where(ids == "", "", self.titles[places].reshape(ids.shape))

    def recommend(
        self,
        users: Any,
        n: int = 10,
        exclude_seen: bool = True,
        concepts: Mapping[int, float] | None = None,
        only: Any = None,
        without: Any = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        r"""The n best items: (ids, scores), both (n,) for one user, (B, n) for several; best first.

        Without what a user has, or has given back, unless `exclude_seen` is False.

        users     an id, a list of ids, or for users that the model has not seen a list of histories
                  (lists of item ids) or a SciPy matrix: of a model that was trained on a matrix
                  its columns are those of that one, else `items` in their order. Who has nothing,
                  or is unknown, gets popular items: `list_by` tells who
        concepts  {k: factor}: 3 makes the odds of concept k in a list about three times what they
                  are, .3 a third, 0 leaves its items out (`macrid.model.steering`, docs/control.md)
        only, without
                  the items that a list may have, and those it may not: ids, "category=NAME", a Path
                  of a file of ids, or several of these; or bools, as `select` gives them
        scores    the logarithm of how likely the model finds it that a user takes the item, but for
                  a constant of hers (and with factors, for what they add): compare them inside one
                  list only, and with a linear path by their order only: its differences are no
                  odds. Of popular items, of the share of users who have them. A user with fewer
                  than n items left has '' at -inf at the end.

        >>> model.recommend("alice", n=2)
        (array(['tea', 'jam'], dtype='<U3'), array([7.81, 7.67], dtype=float32))
        >>> model.recommend([["tea", "jam"]], concepts={1: 3.0})  # a new user, concept 1 emphasised
        >>> model.recommend("alice", only="category=Home > Kitchen", without=Path("sold_out.txt"))
        """
        users = list(users) if isinstance(users, Iterator) else users
        X, single = self._lookup.rows(users, strangers=True)
        refused = self._lookup.refused_by(users) if exclude_seen else None
        offset = self._offset(concepts, only, without)
        n = self._count(n)
        ids, scores = [np.zeros((0, n), self.items.dtype)], [np.zeros((0, n), self.config.dtype)]
        for start in range(0, X.shape[0], USERS_AT_A_TIME):
            batch = X[start : start + USERS_AT_A_TIME]
            given_back = None if refused is None else refused[start : start + USERS_AT_A_TIME]
            more = 0 if given_back is None else int(np.diff(given_back.indptr).max())
            ranking = model.rank(
                self.parameters,
                batch,
                self.config,
                n + more,
                exclude_seen,
                offset=offset,
                prepared=self._prepared,
            )
            columns, values = backend.to_host(ranking)
            has_nothing = np.diff(batch.indptr) == 0
            if has_nothing.any():
                columns[has_nothing], values[has_nothing] = self._popular(n + more, offset)
            if more:
                columns, values = _first_without(given_back, columns, values, n)
            ids.append(np.where(np.isfinite(values), self.items[columns], ""))
            scores.append(values)
        if single:
            return ids[-1][0], scores[-1][0]
        return np.concatenate(ids), np.concatenate(scores)

    def list_by(self, users: Any) -> np.ndarray:
        """What the list of each user goes by: her 'history', or 'popularity' as she has none.

        `users` as for `recommend`, an array also for one user.

        >>> model.list_by(["alice", "a stranger"])
        array(['history', 'popularity'], dtype='<U10')
        """
        X, _ = self._lookup.rows(users, strangers=True)
        return np.where(np.diff(X.indptr) > 0, "history", "popularity")

    def select(self, only: Any = None, without: Any = None) -> np.ndarray:
        """(M,) bool: the items that `recommend` may list with `only` and `without`.

        >>> model.items[model.select(only="category=Tea", without=["earl grey"])]
        array(['assam', 'sencha'], dtype='<U9')
        """
        mask = np.ones(len(self.items), bool)
        for option, chosen in (("only", only), ("without", without)):
            if chosen is not None:
                named = selected(chosen, self._lookup.items, self.catalogue, option)
                mask &= named if option == "only" else ~named
        if not mask.any():
            raise UserError("only and without leave no item to recommend")
        return mask

    def similar_items(
        self, item: str, n: int = 10, concept: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        r"""The n items nearest to an item by cos(h_i, h_j), without itself: (ids, scores).

        The nearest comes first. With `concept`, only items whose most probable concept it is.

        >>> model.similar_items("tea", n=1)
        (array(['jam'], dtype='<U3'), array([0.62], dtype=float32))
        """
        _check_count(n)
        i = self._lookup.item(item)
        H, _ = normalise(backend.to_host(self.parameters["H"]))
        similarity = H @ H[i]
        similarity[i] = -np.inf
        if concept is not None:
            k = self._concept(concept)
            similarity[self.concepts.argmax(axis=1) != k] = -np.inf
        best = metrics.top_k(similarity[None], int(n))[0]
        best = best[np.isfinite(similarity[best])]
        return self.items[best], similarity[best]

    def explain(self, user: Any, item: str) -> Explanation:
        """Which concepts speak for `item`, and what each of the user's items adds, or takes away.

        `user` is an id or a history. The effects come from leaving out one item of the history at a
        time: one prediction an item. Items with a positive effect come first and speak for it;
        those with a negative one speak against it.

        >>> model.explain("alice", "tea").items[0]
        'jam'
        """
        X, _ = self._lookup.rows(user if is_id(user) else [user])
        i = self._lookup.item(item)
        history = X.indices[X.indptr[0] : X.indptr[1]]
        n = len(history)
        without_one = [np.delete(history, place) for place in range(n)]
        batch = csr_of_rows([history, *without_one], X.shape[1])
        log_p = np.concatenate(
            [self._log_p(batch[start : start + 100], i) for start in range(0, n + 1, 100)]
        )
        effects = log_p[0] - log_p[1:]
        order = np.argsort(-effects, kind="stable")
        items = [str(name) for name in self.items[history[order]]]
        return Explanation(str(self.items[i]), self._shares(X, i), items, effects[order])

    def item_vectors(self) -> np.ndarray:
        r"""v (M, D) of `items`, for an index: ln P_ui = ln sum_k exp(q_uk . v_i), docs/serving.md.

        The first d numbers are h_i as it is compared, of unit length under cosine.

        >>> model.item_vectors().shape  # d = 200, K = 2, without a linear path
        (1500, 202)
        """
        return backend.to_host(model.item_vectors(self.parameters, self.config))

    def user_vectors(self, users: Any) -> np.ndarray:
        r"""q (K, D) of a user, (B, K, D) of several: the other half of `item_vectors`.

        `users` as `recommend` takes them, by their ids or by what they have.

        >>> exponents = model.item_vectors() @ model.user_vectors("alice").T  # (M, K)
        >>> model.items[np.logaddexp.reduce(exponents, axis=1).argmax()]  # also of what she has
        'tea'
        """
        X, single = self._lookup.rows(users)
        kept = self._prepared.C
        vectors = backend.to_host(model.user_vectors(self.parameters, X, self.config, kept))
        return vectors[0] if single else vectors

    def save(self, path) -> None:
        """Write everything that recommending needs to one npz file, all or nothing.

        >>> model.save("model.npz")
        """
        model_file.save(path, {name: getattr(self, name) for name in model_file.VALUES})

    @classmethod
    def load(cls, path, backend_name: str | None = None) -> "Recommender":
        """Read what `save` wrote, or the run folder of `macrid.train`.

        `backend_name` is 'numpy', 'cupy' or 'auto' (default: as trained).

        >>> model = Recommender.load("runs/shop")
        """
        if Path(path).is_dir():
            check_finished(Path(path))
            path = Path(path) / FILE
        values = model_file.load(Path(path)) | {"report": None}
        config = values["config"]
        loaded = cls(config.replace(backend=backend_name) if backend_name else config)
        vars(loaded).update(values | {"config": loaded.config})
        xp = backend.load(loaded.config.backend, loaded.config.precision)
        loaded.parameters = backend.to_device(xp, loaded.parameters)
        loaded._index()
        return loaded

    def _index(self):
        """Make users and items findable by their ids, and forget what was made of others."""
        for made_once in ("_prepared", "_kappa"):
            vars(self).pop(made_once, None)
        columns, threshold = self.matrix_columns, self.config.min_rating
        self._lookup = Lookup(
            self.items, self.users, self.histories, columns, threshold, self.refused
        )

    def _count(self, n):
        """How many items a list has: n, or all there are, with a warning."""
        _check_count(n)
        if n > len(self.items):
            warnings.warn(
                f"n is {n}, but the model knows {len(self.items)} items: the lists have those",
                stacklevel=3,
            )
        return min(int(n), len(self.items))

    def _offset(self, concepts, only, without):
        """What is added to each item's score (M,): by factors of the concepts, -inf for what is
        not selected; None where that is nothing.
        """
        if concepts is not None and not isinstance(concepts, Mapping):
            raise UserError(
                f"concepts is {concepts!r}, expected a dict of concept: factor such as {{2: 3.0}}"
            )
        factors = np.ones(self.config.K)
        for k, factor in (concepts or {}).items():
            number = isinstance(factor, (int, float, np.integer, np.floating))
            if not (number and np.isfinite(factor) and factor >= 0):
                raise UserError(
                    f"a concept's factor is {factor!r}, expected a number of at least 0"
                )
            factors[self._concept(k)] = factor
        if not factors.any():
            raise UserError("every concept has the factor 0; give one of them a larger one")
        C = self._prepared.C
        offset = steering.offsets(C, factors, self._kappa) if concepts else None
        if only is None and without is None:
            return offset
        mask = self.select(only, without)
        nothing = np.where(mask, 0, -np.inf).astype(self.config.dtype)
        nothing = backend.to_device(backend.array_module(C), nothing)
        return nothing if offset is None else offset + nothing

    def _popular(self, n, offset):
        """The n items that most users have, and ln of their share, with an offset: (n,) each."""
        counts = self.histories.sum(axis=0)
        scores = np.log(np.maximum(counts, 0.5) / max(self.histories.shape[0], 1))
        scores = scores if offset is None else scores + backend.to_host(offset)
        best = metrics.top_k(scores[None], n)[0]
        return best, scores[best]

    @cached_property
    def _prepared(self):
        """What ranking takes of the parameters, whoever the user is: made once."""
        return model.prepare(self.parameters, self.config)

    @cached_property
    def _kappa(self):
        """What a factor is worth in scores, by the lists of some of the users: made once."""
        N = self.histories.shape[0]
        some = np.linspace(0, N - 1, min(N, USERS_FOR_KAPPA)).astype(int)
        return steering.kappa(self.parameters, self.histories[some], self.config, self._prepared)

    def _concept(self, k):
        """A concept's number, as a whole number of Python's."""
        if not (isinstance(k, (int, np.integer)) and 0 <= k < self.config.K):
            raise UserError(
                f"concept {k!r} is unknown; concepts are numbered 0 to {self.config.K - 1}"
            )
        return int(k)

    def _log_p(self, X, i):
        """ln p_ui of item i for the users of X, normalised over all items."""
        log_P = model.log_predict(self.parameters, X, self.config, self._prepared)
        log_P = backend.to_host(log_P).astype(float)
        return log_P[:, i] - np.logaddexp.reduce(log_P, axis=1)

    def _shares(self, X, i):
        """c_ik E_uki / P_ui of the first user of X: (K,)."""
        host = backend.to_host(self.parameters)
        mu, _ = model.represent(host, X, self.config)
        unit = compared(self.config)
        logits = mu[0].astype(float) @ unit(host["H"][i : i + 1])[0][0] / self.config.tau  # (K,)
        parts = self.concepts[i] * np.exp(logits - logits.max())
        return parts / parts.sum()


def _after_epoch(config, on_epoch, state):
    """Log an epoch and call a hook of `fit`; True where the hook ends the training."""
    log.epoch(state, config)
    epoch, figures = state.epoch, {**state.history[-1]}
    figures.pop("epoch")
    try:
        if on_epoch:
            on_epoch(epoch, figures)
    except StopIteration:
        return True
    return False


def from_run(run: Run) -> Recommender:
    """The recommender of a run: the best parameters, and all users' items among those of training.

    >>> from_run(run_folder.load("runs/shop")).recommend("user-0001")
    """
    trained = Recommender(run.settings.replace(K=len(run.parameters["m"])))
    trained.parameters = run.parameters
    interactions, items = run.interactions, run.split.items
    trained.items, trained.users = interactions.items[items], interactions.users
    histories = interactions.X[:, items]
    if interactions.few is not None:  # too few to train on, enough to recommend by
        trained.users = np.concatenate([trained.users, interactions.few_users])
        histories = sparse.vstack([histories, interactions.few[:, items]], format="csr")
    trained.catalogue = interactions.known_of(items)
    trained.titles = trained.catalogue.titles
    trained.histories = sparse.csr_array(histories)
    trained.histories.sort_indices()
    trained.refused = sparse.csr_array(trained.histories.shape, dtype=np.float32)
    if interactions.refused is not None:
        trained.refused = sparse.csr_array(interactions.refused[:, items])
        trained.refused.sort_indices()
    trained.matrix_columns = interactions.matrix_columns
    trained.metrics = trained.report = None
    trained._index()
    return trained


def _first_without(refused, columns, values, n):
    """The first n of each user's ranking (B, n + ...) that she has not given back (B, M)."""
    rows, M = np.arange(len(columns))[:, None], refused.shape[1]
    users, items = refused.nonzero()
    is_refused = np.isin(rows * M + columns, users.astype(np.int64) * M + items)
    order = np.argsort(is_refused, axis=1, kind="stable")[:, :n]
    return columns[rows, order], np.where(is_refused, -np.inf, values)[rows, order]


def _columns_with(columns, new):
    """How many columns a matrix of so many has with new ones, by their numbers as text."""
    for name in new.tolist():
        if not (name.isdecimal() and name.isascii() and len(name) < 10):
            raise UserError(
                f"the model was trained on a matrix, whose items are numbers of columns; found"
                f" '{name}', expected such a number"
            )
    return max([columns, *(int(name) + 1 for name in new.tolist())])


def _of_pictures(features, ids):
    """The features of the pictures of some items, and who has one; None without `features`."""
    if features is None:
        return None
    if not isinstance(features, feature_files.Features):
        features = feature_files.load(features)
    rows = features.rows(ids.tolist())
    return features.features[np.maximum(rows, 0)], rows >= 0


def _check_count(n):
    if isinstance(n, bool) or not (isinstance(n, (int, np.integer)) and n >= 1):
        raise UserError(f"n is {n!r}, expected a whole number of at least 1")
