"""Every choice of a run in one frozen dataclass, from TOML and from flags."""

import dataclasses
import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

from macrid.errors import UserError, nearest

MOST = 10**18  # of a number that is only counted to
LARGEST_SEED = 2**128
NO_TEXT = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")  # the others stand for bytes of a path
LONGEST = 1_000_000  # bytes of a file of options
LONGEST_TEXT = 10_000  # characters of an option, such as a path


def option(
    about,
    default,
    text,
    low=None,
    high=None,
    choices=None,
    may_change=False,
    no_path=None,
    alias="",
    word=None,
):
    """A field that carries its own facts.

    about       what it is about: "data", "split", "model", "training", "machine" or earlier "runs"
    text        the sentence that `--help` shows
    low, high   the values that make sense, bounds included; `choices`, all of them
    may_change  may it change when a run is resumed?
    no_path     for a path: the word that is none
    alias       a second name of its flag
    word        of a number: a word that may stand in its place
    """
    facts = {"about": about, "help": text, "low": low, "high": high, "choices": choices}
    facts |= {"may_change": may_change, "no_path": no_path, "alias": alias, "word": word}
    return dataclasses.field(default=default, metadata=facts)


of_data, of_split, of_model, of_training, of_machine, of_runs = (
    partial(option, about) for about in ("data", "split", "model", "training", "machine", "runs")
)


@dataclass(frozen=True)
class Config:
    """The configuration of one run. The names of the model's fields are the paper's symbols.

    A field says itself what it is about, whether it is a path, and whether it may change when a run
    is resumed (`option_names`). Impossible values raise `UserError` at construction, so a `Config`
    that exists is sound.
    """

    data: str = of_data(
        "shop",
        "'shop', a MovieLens folder, or a CSV/TSV of user,item[,rating[,timestamp]]",
        may_change=True,
        no_path="shop",
        alias="train",
    )
    columns: str = of_data(
        None,
        "USER,ITEM[,RATING][,event=NAME][,time=NAME]: columns of --data, by name or by number from"
        " 1 (default: by known names)",
    )
    min_rating: float = of_data(
        None, "a rating of at least this counts as an adoption (default: 4, if ratings go up to 5)"
    )
    events: str = of_data(
        "",
        "KIND=WEIGHT,...: what each kind of event counts, such as purchase=1,click=.2,return=-1; a"
        " user's sum of 1 (or --min-rating) is an adoption",
    )
    since: str = of_data("", "a date: rows of before it do not count")
    min_user_items: int = of_data(
        5, "users with fewer adoptions are dropped (the paper: 15)", low=1, high=1_000_000
    )
    categories: str = of_data(
        "",
        "a column of --data with categories ('a|b' for several), or FILE:COLUMN of a table of"
        " items",
        may_change=True,
    )
    items: str = of_data(
        "",
        "a table of items: title, category (also 'Home > Kitchen > Mugs'), brand, price, picture,"
        " other numbers",
        may_change=True,
        no_path="",
    )
    item_columns: str = of_data(
        "", "columns of --items whose names are not known, such as item=SKU,title=NAME"
    )
    category_level: int = of_data(
        0,
        "level of --items' categories, 1 the uppermost (default: the first with K or more of them)",
        low=0,
        high=100,
    )
    pictures: str = of_data(
        "",
        "a folder of pictures named <item id>.jpg; the shop has its own",
        may_change=True,
        no_path="",
    )
    features: str = of_data(
        "",
        "a file of picture features from macrid.features, instead of --pictures and --alexnet",
        may_change=True,
        no_path="",
    )
    alexnet: str = of_data(
        "",
        "an AlexNet ONNX file for --pictures, or 'random' for untrained weights",
        may_change=True,
        no_path="random",
    )
    split: str = of_split(
        "holdout",
        "'holdout', 'kfold:F/N', 'authors' (the paper's published procedure), 'temporal:DATE' or"
        " 'temporal:SHARE' (each user's later items are hidden), 'given' (by --test), or 'all': no"
        " one is held out",
    )
    test: str = of_split(
        "",
        "with --split given: a file like --data, the items that are hidden for the test",
        may_change=True,
        no_path="",
    )
    validation: str = of_split(
        "",
        "the same for validation (default: a tenth of --data, drawn)",
        may_change=True,
        no_path="",
    )
    split_seed: int = of_split(
        98765,
        "seed of the split; independent of --seed, ignored by 'authors'",
        low=0,
        high=LARGEST_SEED,
    )
    K: int = of_model(2, "number of concepts (prototypes)", low=1, high=10_000)
    adaptive_K: float = of_model(
        0.0,
        "drop concepts less than this apart, Jensen-Shannon in bits, after an epoch (4.1.4);"
        " 0: off",
        low=0.0,
        high=1.0,
    )
    d: int = of_model(200, "dimensions of a concept's representation", low=1, high=100_000)
    tau: float = of_model(
        0.1, "temperature of both similarities, equations (6) and (8)", low=1e-3, high=100.0
    )
    sigma0: float = of_model(
        0.115, "standard deviation of the prior, equation (9)", low=1e-6, high=1e3
    )
    beta: float = of_model(
        0.2, "weight of the KL term, equation (5), after annealing", low=0.0, high=1e9
    )
    gumbel_temperature: float = of_model(
        1.0, "temperature of the Gumbel-Softmax, apart from tau", low=1e-3, high=1e6
    )
    gumbel_noise: bool = of_model(
        True, "sample concepts in training (off: C = softmax(s), as in the 2019 code)"
    )
    similarity: str = of_model(
        "cosine", "'inner' is the ablation of section 4.3.2", choices=("cosine", "inner")
    )
    unit_mu: bool = of_model(
        True, "mu = a / ||a||, equation (9) (off: mu = a, as in the authors' code)"
    )
    hidden_layers: int = of_model(0, "hidden tanh layers of f_nn", low=0, high=3)
    hidden_units: int = of_model(200, "width of a hidden layer of f_nn", low=1, high=100_000)
    category_weight: float = of_model(
        0.0, "weight of the mean cross-entropy to the categories, (11)", low=0.0, high=1e9
    )
    linear_path: float | str = of_model(
        0.0,
        "weight of a ridge regression added to the trained logits: 1 is as much as the model,"
        " 'chosen' what serves validation users (docs/linear.md)",
        low=0.0,
        high=100.0,
        word="chosen",
    )
    hard_concepts: bool = of_model(
        False, "at test time C is the mode, one-hot, as Algorithm 1 has it"
    )
    seed: int = of_training(
        0, "fixes the start, the order of users and all noise", low=0, high=LARGEST_SEED
    )
    seeds: int = of_training(
        1,
        "models to train, with seeds seed, seed + 1, ..., whose ln P is averaged (docs/guide.md)",
        low=1,
        high=100,
    )
    batch_size: int = of_training(100, "users a step", low=1, high=100_000_000)
    learning_rate: float = of_training(4e-3, "Adam's step size", low=0.0)
    l2: float = of_training(1e-7, "L2 regularisation: l2 * theta is added to the gradient", low=0.0)
    decoupled_decay: float = of_training(
        0.0, "AdamW: theta shrinks by learning_rate * this, past Adam", low=0.0
    )
    dropout: float = of_training(
        0.2, "dropout before every layer of f_nn but the last", low=0.0, high=0.99
    )
    item_dropout: float = of_training(
        0.0, "share of a user's items hidden from the encoder", low=0.0, high=0.99
    )
    averaging: float = of_training(
        0.0,
        "validate and keep a running mean of the parameters over epochs, of which earlier epochs"
        " are this share; 0: the last epoch's",
        low=0.0,
        high=0.999,
    )
    candidates: int = of_training(
        0,
        "sampled softmax: items drawn a step beside the batch's own; 0: the full softmax",
        low=0,
        high=100_000_000,
    )
    candidate_sampling: str = of_training(
        "uniform", "how candidates are drawn", choices=("uniform", "popularity")
    )
    anneal_steps: int = of_training(
        200, "updates over which beta grows linearly from 0", low=0, high=MOST
    )
    start: str = of_training(
        "random",
        "how h and m start: at random, or by (10) from 'pictures' or 'adoptions'",
        choices=("random", "adoptions", "pictures"),
    )
    whiten: bool = of_training(
        True, "scale principal components to init_deviation (off: (10) to the letter)"
    )
    init_deviation: float = of_training(
        0.02, "standard deviation of h, t and m at the start", low=1e-9, high=1e6
    )
    max_epochs: int = of_training(200, "most epochs", low=1, high=MOST, may_change=True)
    patience: int = of_training(
        15,
        "stop after this many epochs without a better validation NDCG@100",
        low=1,
        high=MOST,
        may_change=True,
    )
    backend: str = of_machine(
        "numpy",
        "'numpy', 'cupy' (a GPU), or 'auto': CuPy where it works",
        may_change=True,
        choices=("numpy", "cupy", "auto"),
    )
    random: str = of_machine(
        "host",
        "where noise is drawn: 'host', the same for every backend, or 'device'",
        choices=("host", "device"),
    )
    precision: str = of_machine(
        "float32",
        "tf32: tensor cores (GPU); float64 is for checking",
        choices=("float32", "tf32", "float64"),
    )
    threads: int = of_machine(
        0,
        "threads of the products in training (default: one where a step is small, else all cores);"
        " another number rounds sums otherwise",
        low=0,
        high=1024,
        may_change=True,
    )
    warm_start: str = of_runs(
        "",
        "an earlier run to begin from, and to take other options from (docs/nightly.md)",
        may_change=True,
        no_path="",
    )
    final: str = of_runs(
        "",
        "a finished run: train with its options on all users, for the epochs that its validation"
        " chose",
        may_change=True,
        no_path="",
    )

    def __post_init__(self):
        if isinstance(self.events, Mapping):  # in Python: {"purchase": 1, "return": -1}
            text = ",".join(f"{kind}={weight}" for kind, weight in self.events.items())
            object.__setattr__(self, "events", text)
        if isinstance(self.since, date):  # or a datetime
            object.__setattr__(self, "since", self.since.isoformat())
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))
        if self.split == "all" and self.linear_path and not self.final:
            raise UserError(
                "linear_path is chosen by validation users, but split is 'all'; give final, a run"
                " that has chosen it (--final RUN)"
            )

    @property
    def cosine(self) -> bool:
        """Are vectors compared by the cosine, equations (6) and (8), not by the inner product?"""
        return self.similarity == "cosine"

    @property
    def dtype(self) -> str:
        """The type of all arrays: tf32 is a way to multiply float32."""
        return "float64" if self.precision == "float64" else "float32"

    def replace(self, **changes) -> "Config":
        """A copy with some fields changed; an unknown name is a `UserError`."""
        return from_dict({**dataclasses.asdict(self), **changes})


def option_names(about: str | None = None, may_change: bool = False, paths: bool = False) -> list:
    """The names of the options that are `about` this, may change on resume, or are paths."""
    facts = {field.name: field.metadata for field in dataclasses.fields(Config)}
    return [
        name
        for name, fact in facts.items()
        if (about is None or fact["about"] == about)
        and (not may_change or fact["may_change"])
        and (not paths or fact["no_path"] is not None)
    ]


def is_path(name: str, value: str) -> bool:
    """Is this value of an option a path, and not the word for none, such as 'shop'?"""
    no_path = Config.__dataclass_fields__[name].metadata["no_path"]
    return no_path is not None and value not in ("", no_path)


def from_dict(values: dict, where: str = "the configuration") -> Config:
    """Build a `Config` from a plain dict; `where` names the source in errors."""
    names = option_names()
    for name in values:
        if name not in names:
            near = nearest(name, [*names, "faithful"])  # of the command and of Recommender
            some = ", ".join(sorted(names)[:30])
            others = f"known are {some} and {len(names) - 30} more (see --help)"
            hint = f"did you mean {near}?" if near else others
            raise UserError(f"{where}: unknown option '{name}'; {hint}")
    try:
        return Config(**values)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def read_toml(path) -> dict:
    """Read the options of a TOML file (flat `name = value` lines), or of a run's config.json."""
    try:
        with open(path, "rb") as file:
            content = file.read(LONGEST + 1)
        if len(content) > LONGEST:
            raise UserError(f"{path}: is longer than {LONGEST:,} bytes; give --config a TOML file")
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise UserError(f"{path}: is UTF-16 text; save it as UTF-8")
        text = content.decode("utf-8-sig")
        if text.lstrip().startswith("{"):
            return json.loads(text)
        return tomllib.loads(text)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); give --config a TOML file"
        ) from None
    except UserError:
        raise
    except (ValueError, RecursionError) as error:  # brackets without end, numbers of 5000 digits
        reason = str(error).splitlines()[0][:200]
        remedy = "write lines such as  K = 7"
        if b"\\" in content:
            remedy = r"write a path with \ between single quotes, such as  data = 'C:\ratings.csv'"
        raise UserError(f"{path}: is not TOML ({reason}); {remedy}") from None


def _checked(field, value):
    """The value in the field's own type, or a `UserError` that says what was expected."""
    name, meta = field.name, field.metadata
    kind: Any = float if meta["word"] else field.type
    if (value is None and field.default is None) or (meta["word"] and value == meta["word"]):
        return value
    if kind is float and type(value) is int and abs(value) < MOST:
        value = float(value)
    if type(value) is not kind:
        expected = kind.__name__ + (f" or '{meta['word']}'" if meta["word"] else "")
        raise UserError(f"{name} is {_shown(value)}, expected {expected}")
    if kind is str and NO_TEXT.search(value):
        raise UserError(f"{name} is {_shown(value)}, which is neither text nor a path")
    if kind is float and not math.isfinite(value):
        raise UserError(f"{name} is {value}, expected a finite number")
    if kind is str and len(value) > LONGEST_TEXT:
        raise UserError(f"{name} is {_shown(value)}, expected at most {LONGEST_TEXT:,} characters")
    if meta["choices"] and value not in meta["choices"]:
        raise UserError(f"{name} is {_shown(value)}, expected one of {', '.join(meta['choices'])}")
    if meta["low"] is not None and value < meta["low"]:
        raise UserError(f"{name} is {_shown(value)}, expected at least {meta['low']}")
    if meta["high"] is not None and value > meta["high"]:
        raise UserError(f"{name} is {_shown(value)}, expected at most {meta['high']}")
    return value


def _shown(value):
    """A value as Python writes it, of at most 100 characters."""
    if type(value) is int and abs(value) > LARGEST_SEED:
        return "a number of very many digits"
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
