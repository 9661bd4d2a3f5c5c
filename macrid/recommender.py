r"""The model by outside ids: fit, recommend, find similar items, explain, save, load.

from macrid import Recommender
model = Recommender(K=4).fit("ratings.csv")
items, scores = model.recommend(["alice", "bob"], n=10)
"""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from scipy import sparse

from macrid import backend, data, files, model
from macrid import config as configs
from macrid.data import checks, splits
from macrid.data.adoptions import csr_of_ones, csr_of_rows
from macrid.data.in_memory import as_id, frame_columns
from macrid.errors import UserError
from macrid.evaluation import metrics
from macrid.model import semantics
from macrid.model.objective import compared
from macrid.model.ops import normalise
from macrid.training import checkpoint, fit

USERS_AT_A_TIME = 2000
FILE = "model.npz"


@dataclass(frozen=True)
class Explanation:
    r"""Why an item was given its score for a user.

    concepts    (K,) the share of each concept in the score, c_ik E_uki / P_ui; they sum to one
    items       the user's items, the one that speaks most for the item first
    effects     how much ln p_ui falls when that item is taken out of her history; negative: it
                speaks against
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
    """SEM-MacridVAE for users and items with ids of their own (text). Options are the fields of
    `macrid.Config`.

    After `fit` or `load`: `items` (M,) and `users` (N,) ids, `titles` (M,) or None, `histories` (N,
    M) CSR, `config`, `parameters`, `figures`, the metrics of the held-out test users with standard
    errors, and `report`, lines that say what `fit` read and what it dropped (None after `load`).
    What a user can mend is a `macrid.UserError` of one line.
    """

    config: configs.Config
    parameters: dict
    items: np.ndarray
    users: np.ndarray
    titles: np.ndarray | None
    histories: sparse.csr_array
    figures: dict | None
    report: list[str] | None

    def __init__(self, config: configs.Config | None = None, **options):
        self.config = (config or configs.Config(data="memory")).replace(**options)

    def __getattr__(self, name):
        if name in Recommender.__annotations__:
            raise UserError("the model is not trained yet; call fit, or Recommender.load")
        raise AttributeError(f"Recommender has no {name}")

    def __repr__(self):
        """The options that differ from the defaults, and what the model knows."""
        changed = [
            field.name
            for field in fields(configs.Config)
            if field.name == "K" or getattr(self.config, field.name) != field.default
        ]
        chosen = [f"{name}={getattr(self.config, name)!r}" for name in changed if name != "data"]
        trained = (
            f"{len(self.users):,} users, {len(self.items):,} items"
            if "items" in vars(self)
            else "not trained"
        )
        return f"<Recommender({', '.join(chosen)}): {trained}>"

    def fit(self, interactions) -> "Recommender":
        """Train on `interactions` and return self.

        They are a path (CSV, TSV, MovieLens folder), `macrid.Interactions`, a list of (user, item)
        or (user, item, rating), a SciPy matrix of users by items (ids are row and column numbers;
        every value but 0 is an adoption, or with `min_rating` every value from it on), or a pandas
        DataFrame whose columns have known names (`macrid.data.column_names`) or are named by the
        option `columns`. A tenth of the users each is held out for validation, which stops
        training, and for the test figures; they can be recommended to like all others. Items that
        no training user has are left out.
        """
        if self.config.start == "pictures":
            remedy = (
                "train with python -m macrid.train --pictures or --features and take"
                " Recommender.load(folder), or choose start 'adoptions'"
            )
            raise UserError(
                f"start is 'pictures', which a Recommender cannot do by itself; {remedy}"
            )
        found = _interactions(interactions, self.config)
        parts = splits.split(found, self.config.split, self.config.split_seed)
        targets = semantics.targets(found, parts, self.config)
        state = fit.fit(parts, self.config, targets)
        own = from_state(state, self.config, found, parts)
        vars(self).update(vars(own))
        self.report = checks.describe(found)
        self.figures = metrics.summary(
            metrics.evaluate_ranking(model.ranker(self.parameters, self.config), parts.test)
        )
        return self

    def recommend(
        self,
        users,
        n: int = 10,
        exclude_seen: bool = True,
        concepts: dict[int, float] | None = None,
    ):
        r"""The n best items: (ids, scores), both (n,) for one user, (B, n) for several; best first.

        users     an id, a list of ids, or for users that the model has not seen a list of histories
                  (lists of item ids) or a SciPy matrix (B, M) whose columns are `items`
        concepts  {k: factor}: factors of the concepts in P_ui = sum_k factor_k c_ik E_uki; those
                  not named keep 1
        scores    ln P_ui up to a constant of the user. A user with fewer than n items left has ''
                  at -inf at the end.
        """
        X, single = self._rows(users)
        factors = np.ones(self.config.K, self.config.dtype)
        if concepts is not None and not isinstance(concepts, Mapping):
            raise UserError(
                f"concepts is {concepts!r}, expected a dict of concept: factor such as {{2: 3.0}}"
            )
        for k, factor in (concepts or {}).items():
            factors[self._concept(k)] = _positive(factor)
        _check_count(n)
        ids: list[np.ndarray] = []
        scores: list[np.ndarray] = []
        for start in range(0, X.shape[0], USERS_AT_A_TIME):
            xp = backend.array_module(self.parameters["H"])
            emphasis = backend.to_device(xp, factors) if concepts else None
            columns, found = backend.to_host(
                model.rank(
                    self.parameters,
                    X[start : start + USERS_AT_A_TIME],
                    self.config,
                    n,
                    exclude_seen,
                    emphasis=emphasis,
                )
            )
            ids.append(np.where(np.isfinite(found), self.items[columns], ""))
            scores.append(found)
        if not ids:
            return np.zeros((0, n), str), np.zeros((0, n))
        return (
            (ids[0][0], scores[0][0]) if single else (np.concatenate(ids), np.concatenate(scores))
        )

    def similar_items(self, item: str, n: int = 10, concept: int | None = None):
        r"""The n items nearest to an item by cos(h_i, h_j), without itself: (ids, scores), nearest
        first.

        With `concept`, only items whose most probable concept it is.
        """
        _check_count(n)
        i = self._item(item)
        H, _ = normalise(backend.to_host(self.parameters["H"]))
        similarity = H @ H[i]
        similarity[i] = -np.inf
        if concept is not None:
            k = self._concept(concept)
            similarity[self.concepts.argmax(axis=1) != k] = -np.inf
        best = metrics.top_k(similarity[None], n)[0]
        best = best[np.isfinite(similarity[best])]
        return self.items[best], similarity[best]

    def explain(self, user, item: str) -> Explanation:
        """Which concept, and which of the user's items, speak for `item`. `user` is an id or a
        history.

        The effects come from leaving out one item of the history at a time: one prediction an item.
        """
        X, _ = self._rows(user if _is_id(user) else [user])
        i = self._item(item)
        own = X.indices[X.indptr[0] : X.indptr[1]]
        n = len(own)
        without_one = [np.delete(own, place) for place in range(n)]
        batch = csr_of_rows([own, *without_one], X.shape[1])
        log_p = np.concatenate(
            [self._log_p(batch[start : start + 100], i) for start in range(0, n + 1, 100)]
        )
        effects = log_p[0] - log_p[1:]
        order = np.argsort(-effects, kind="stable")
        return Explanation(
            str(self.items[i]),
            self._shares(X, i),
            [str(name) for name in self.items[own[order]]],
            effects[order],
        )

    @property
    def concepts(self) -> np.ndarray:
        """C (M, K): how strongly each item belongs to each concept; rows sum to one."""
        return backend.to_host(model.concepts(self.parameters, self.config))

    def save(self, path) -> None:
        """Write everything that recommending needs to one npz file, all or nothing."""
        if not Path(path).parent.is_dir():
            raise UserError(f"{Path(path).parent}: is no folder; make it, or save to another path")
        arrays = {
            f"parameters/{name}": value for name, value in backend.to_host(self.parameters).items()
        }
        arrays |= {
            "items": self.items,
            "users": self.users,
            "indices": self.histories.indices,
            "indptr": self.histories.indptr,
        }
        if self.titles is not None:
            arrays["titles"] = self.titles
        files.save(path, arrays, {"config": asdict(self.config), "figures": self.figures})

    @classmethod
    def load(cls, path, backend_name: str | None = None) -> "Recommender":
        """Read what `save` wrote, or the run folder of `macrid.train`; `backend_name` 'numpy',
        'cupy' or 'auto' (default: as trained).
        """
        path = Path(path) / FILE if Path(path).is_dir() else Path(path)
        arrays, description = files.load(path, "model", "train again, or save it again")
        try:
            settings = configs.from_dict(description["config"], where=str(path))
            own = cls(settings.replace(backend=backend_name) if backend_name else settings)
            own.figures, own.report = description["figures"], None
            own.items, own.users, own.titles = (
                arrays["items"],
                arrays["users"],
                arrays.get("titles"),
            )
            shape = (len(own.users), len(own.items))
            own.histories = csr_of_ones(arrays["indices"], arrays["indptr"], shape)
            own.histories.check_format()
            parameters = {
                name.split("/")[1]: value
                for name, value in arrays.items()
                if name.startswith("parameters/")
            }
            if not checkpoint.fit_shapes(parameters, len(own.items), settings, path=True):
                raise ValueError("its parameters have other shapes than its configuration")
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path}: is not a whole model ({error}); train again, or save it again"
            ) from None
        own.parameters = backend.to_device(
            backend.load(own.config.backend, own.config.precision), parameters
        )
        own._number()
        return own

    def _number(self):
        self._item_number = {name: i for i, name in enumerate(self.items.tolist())}
        self._user_number = {name: u for u, name in enumerate(self.users.tolist())}

    def _rows(self, users):
        """The items of users (an id, ids, histories, a matrix) as CSR (B, M), and whether it is one
        user.
        """
        if sparse.issparse(users):
            if users.shape[1] != len(self.items):
                raise UserError(
                    f"the histories have {users.shape[1]} columns, expected {len(self.items)}, one"
                    " for each of model.items"
                )
            X = sparse.csr_array(users).astype(np.float32)
            X.eliminate_zeros()
            X.sort_indices()
            X.data[:] = 1
            return X, False
        single = _is_id(users)
        wanted = (
            [users]
            if single
            else _listed(
                users, "users", "an id, a list of ids, a list of histories, or a SciPy matrix"
            )
        )
        if all(_is_id(user) for user in wanted):
            return self.histories[[self._user(user) for user in wanted]], single
        if any(_is_id(user) for user in wanted):
            raise UserError(
                "found ids and histories mixed; give a list of user ids, or a list of lists of"
                " item ids"
            )
        rows, unknown = [], []
        for history in wanted:
            names = [as_id(item) for item in _listed(history, "a history", "a list of item ids")]
            numbers = {self._item_number.get(name) for name in names}
            unknown += [name for name in names if name not in self._item_number]
            rows.append(np.array(sorted(numbers - {None}), int))
        if unknown:
            warnings.warn(
                f"{len(unknown)} items of the histories are unknown to the model and left out, such"
                f" as '{unknown[0]}'",
                stacklevel=3,
            )
        return csr_of_rows(rows, len(self.items)), False

    def _user(self, user):
        try:
            return self._user_number[as_id(user)]
        except KeyError:
            fewest = self.config.min_user_items
            raise UserError(
                f"user '{user}' is unknown, or had fewer than {fewest} adoptions and was left out;"
                f" give a history of item ids instead, or an id such as '{self.users[0]}'"
            ) from None

    def _item(self, item):
        try:
            return self._item_number[as_id(item)]
        except KeyError:
            raise UserError(
                f"item '{item}' is unknown to the model; its ids look like '{self.items[0]}'"
            ) from None

    def _concept(self, k):
        if not (isinstance(k, (int, np.integer)) and 0 <= k < self.config.K):
            raise UserError(
                f"concept {k!r} is unknown; concepts are numbered 0 to {self.config.K - 1}"
            )
        return int(k)

    def _log_p(self, X, i):
        """ln p_ui of item i for the users of X, normalised over all items."""
        P = backend.to_host(model.predict(self.parameters, X, self.config)).astype(float)
        return np.log(np.maximum(P[:, i], 1e-300)) - np.log(P.sum(axis=1))

    def _shares(self, X, i):
        """c_ik E_uki / P_ui of the first user of X: (K,)."""
        host = backend.to_host(self.parameters)
        mu, _ = model.represent(host, X, self.config)
        unit = compared(self.config)
        logits = mu[0].astype(float) @ unit(host["H"][i : i + 1])[0][0] / self.config.tau  # (K,)
        parts = self.concepts[i] * np.exp(logits - logits.max())
        return parts / parts.sum()


def from_state(state, config, interactions, parts) -> Recommender:
    """The recommender of a trained state: the best parameters, and all users' items among those of
    training.
    """
    own = Recommender(config.replace(K=len(state.best["m"])))  # adaptive_K may have dropped some
    own.parameters = state.best
    own.items, own.users = interactions.items[parts.items], interactions.users
    own.titles = None if interactions.titles is None else interactions.titles[parts.items]
    own.histories = sparse.csr_array(interactions.X[:, parts.items])
    own.histories.sort_indices()
    own.figures = own.report = None
    own._number()
    return own


def _is_id(value):
    return isinstance(value, (str, int, float, np.integer, np.floating))


def _listed(values, name, expected):
    """A list of some values that stand in for `expected`."""
    if isinstance(values, Mapping) or not isinstance(values, Iterable):
        raise UserError(f"{name} is {values!r}, expected {expected}")
    return list(values)


def _check_count(n):
    if not (isinstance(n, (int, np.integer)) and n >= 1):
        raise UserError(f"n is {n!r}, expected a whole number of at least 1")


def _positive(factor):
    if not (np.isscalar(factor) and np.isfinite(factor) and factor >= 0):
        raise UserError(f"a concept's factor is {factor!r}, expected a number of at least 0")
    return factor


def _interactions(source, config):
    """What `fit` was given, as Interactions."""
    if isinstance(source, data.Interactions):
        return source
    if isinstance(source, (str, Path)):
        return data.load(
            source, config.min_rating, config.min_user_items, config.categories, config.columns
        )
    frame = hasattr(source, "columns") and hasattr(
        source, "to_numpy"
    )  # pandas, which is not required
    if config.columns and not frame:
        raise UserError(
            "columns is given, but only a file or a DataFrame has columns to name; leave it out"
        )
    if frame:
        (users, items, *ratings), columns_used = frame_columns(source, config.columns)
    elif sparse.issparse(source):
        users, items, *ratings = _entries(source, config.min_rating)
        columns_used = "a matrix of users by items"
    else:
        users, items, *ratings = _columns(source)
        columns_used = f"rows of user,item{',rating' * len(ratings)}"
    found = data.from_pairs(
        users,
        items,
        config.min_user_items,
        ratings=ratings[0] if ratings else None,
        min_rating=config.min_rating,
        columns_used=columns_used,
    )
    return data.categorised(found, config.categories) if config.categories else found


def _entries(matrix, min_rating):
    """Row numbers, column numbers and, with `min_rating`, values of a SciPy matrix; without it,
    those of its values other than 0.
    """
    X = sparse.coo_array(matrix)
    u, i = X.coords
    wrong = ~np.isfinite(X.data) | ((X.data < 0) if min_rating is None else False)
    if wrong.any():
        at = int(np.argmax(wrong))
        remedy = (
            "mend or remove it"
            if not np.isfinite(X.data[at])
            else "say by min_rating which values count as adoptions"
        )
        raise UserError(f"row {u[at]}, column {i[at]} of the matrix is {X.data[at]}; {remedy}")
    return (u[X.data != 0], i[X.data != 0]) if min_rating is None else (u, i, X.data)


def _columns(source):
    """Users, items and perhaps ratings of an iterable of (user, item[, rating])."""
    expected = (
        "a path, Interactions, a SciPy matrix, a DataFrame, or a list of (user, item[, rating])"
    )
    rows = _listed(source, "interactions", expected)
    if not rows:
        raise UserError(f"interactions is empty, expected {expected}")
    for number, row in enumerate(rows):
        if isinstance(row, str) or not isinstance(row, Iterable):
            raise UserError(f"row {number} (the first is 0) is {row!r}, expected {expected}")
    rows = [tuple(row) for row in rows]
    width = len(rows[0])
    for number, row in enumerate(rows):
        if len(row) != width or width not in (2, 3):
            found = f"row {number} (the first is 0) has {len(row)} value{'s' * (len(row) != 1)}"
            raise UserError(
                f"{found}, expected {width if width in (2, 3) else '2 or 3'}: {expected}"
            )
    return zip(*rows)
