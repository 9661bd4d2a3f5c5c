"""Every choice of a run in one frozen dataclass, from TOML and from flags."""

import dataclasses
import difflib
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

from macrid.errors import UserError


def option(default, text, low=None, high=None, choices=None):
    """A field with the sentence that `--help` shows and the values that make sense (bounds
    included).
    """
    return dataclasses.field(
        default=default, metadata={"help": text, "low": low, "high": high, "choices": choices}
    )


@dataclass(frozen=True)
class Config:
    """The configuration of one run. The names of the model's fields are the paper's symbols.

    Impossible values raise `UserError` at construction, so a `Config` that exists is sound.
    """

    # data
    data: str = option(
        "shop", "'shop', a MovieLens folder, or a CSV/TSV of user,item[,rating[,timestamp]]"
    )
    columns: str = option(
        None,
        "USER,ITEM[,RATING]: columns of --data, by name or by number from 1 (default: by known"
        " names)",
    )
    min_rating: float = option(
        None, "a rating of at least this counts as an adoption (default: 4, if ratings go up to 5)"
    )
    min_user_items: int = option(5, "users with fewer adoptions are dropped (the paper: 15)", low=1)
    categories: str = option(
        "",
        "a column of --data with categories ('a|b' for several), or FILE:COLUMN of a table of"
        " items",
    )
    pictures: str = option("", "a folder of pictures named <item id>.jpg; the shop has its own")
    features: str = option(
        "", "a file of picture features from macrid.features, instead of --pictures and --alexnet"
    )
    alexnet: str = option(
        "", "an AlexNet ONNX file for --pictures, or 'random' for untrained weights"
    )
    split: str = option(
        "holdout", "'holdout', 'kfold:F/N' or 'authors' (the paper's published procedure)"
    )
    split_seed: int = option(
        98765, "seed of the split; independent of --seed, ignored by 'authors'", low=0
    )
    # model
    K: int = option(2, "number of concepts (prototypes)", low=1)
    adaptive_K: float = option(
        0.0,
        "drop concepts less than this apart, Jensen-Shannon in bits, after an epoch (4.1.4);"
        " 0: off",
        low=0.0,
        high=1.0,
    )
    d: int = option(200, "dimensions of a concept's representation", low=1)
    tau: float = option(
        0.1, "temperature of both similarities, equations (6) and (8)", low=1e-3, high=100.0
    )
    sigma0: float = option(0.115, "standard deviation of the prior, equation (9)", low=1e-6)
    beta: float = option(0.2, "weight of the KL term, equation (5), after annealing", low=0.0)
    gumbel_temperature: float = option(
        1.0, "temperature of the Gumbel-Softmax, apart from tau", low=1e-3
    )
    gumbel_noise: bool = option(
        True, "sample concepts in training (off: C = softmax(s), as in the 2019 code)"
    )
    similarity: str = option(
        "cosine", "'inner' is the ablation of section 4.3.2", choices=("cosine", "inner")
    )
    unit_mu: bool = option(
        True, "mu = a / ||a||, equation (9) (off: mu = a, as in the authors' code)"
    )
    hidden_layers: int = option(0, "hidden tanh layers of f_nn", low=0, high=3)
    hidden_units: int = option(200, "width of a hidden layer of f_nn", low=1)
    category_weight: float = option(
        0.0, "weight of the mean cross-entropy to the categories, (11)", low=0.0
    )
    linear_path: float = option(
        0.0,
        "least weight of a ridge regression added to the trained logits; 1: as much as the model"
        " (docs/linear.md)",
        low=0.0,
        high=100.0,
    )
    hard_concepts: bool = option(
        False, "at test time C is the mode, one-hot, as Algorithm 1 has it"
    )
    # training
    seed: int = option(0, "fixes the start, the order of users and all noise", low=0)
    batch_size: int = option(100, "users a step", low=1)
    learning_rate: float = option(4e-3, "Adam's step size", low=0.0)
    l2: float = option(1e-7, "L2 regularisation: l2 * theta is added to the gradient", low=0.0)
    decoupled_decay: float = option(
        0.0, "AdamW: theta shrinks by learning_rate * this, past Adam", low=0.0
    )
    dropout: float = option(
        0.2, "dropout before every layer of f_nn but the last", low=0.0, high=0.99
    )
    item_dropout: float = option(
        0.0, "share of a user's items hidden from the encoder", low=0.0, high=0.99
    )
    candidates: int = option(
        0, "sampled softmax: items drawn a step beside the batch's own; 0: the full softmax", low=0
    )
    candidate_sampling: str = option(
        "uniform", "how candidates are drawn", choices=("uniform", "popularity")
    )
    anneal_steps: int = option(200, "updates over which beta grows linearly from 0", low=0)
    start: str = option(
        "random",
        "how h and m start: at random, or by (10) from 'pictures' or 'adoptions'",
        choices=("random", "adoptions", "pictures"),
    )
    whiten: bool = option(
        True, "scale principal components to init_deviation (off: (10) to the letter)"
    )
    init_deviation: float = option(0.02, "standard deviation of h, t and m at the start", low=1e-9)
    max_epochs: int = option(200, "most epochs", low=1)
    patience: int = option(
        15, "stop after this many epochs without a better validation NDCG@100", low=1
    )
    # machine
    backend: str = option(
        "numpy",
        "'numpy', 'cupy' (a GPU), or 'auto': CuPy where it works",
        choices=("numpy", "cupy", "auto"),
    )
    random: str = option(
        "host",
        "where noise is drawn: 'host', the same for every backend, or 'device'",
        choices=("host", "device"),
    )
    precision: str = option(
        "float32",
        "tf32: tensor cores (GPU); float64 is for checking",
        choices=("float32", "tf32", "float64"),
    )

    def __post_init__(self):
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _checked(field, getattr(self, field.name)))

    @property
    def dtype(self):
        """The type of all arrays: tf32 is a way to multiply float32."""
        return "float64" if self.precision == "float64" else "float32"

    def replace(self, **changes):
        """A copy with some fields changed; an unknown name is a `UserError`."""
        return from_dict({**dataclasses.asdict(self), **changes})


def from_dict(values, where="the configuration"):
    """Build a `Config` from a plain dict; `where` names the source in errors."""
    names = {field.name for field in dataclasses.fields(Config)}
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(names))}"
            raise UserError(f"{where}: unknown option '{name}'; {hint}")
    try:
        return Config(**values)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def read_toml(path):
    """Read the options of a TOML file (flat `name = value` lines) as a dict."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); give --config a TOML file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: is not TOML ({error}); write lines such as  K = 7") from None


def _checked(field, value):
    """The value in the field's own type, or a `UserError` that says what was expected."""
    name, meta = field.name, field.metadata
    if value is None and field.default is None:
        return None
    if field.type is float and type(value) is int:
        value = float(value)
    if type(value) is not field.type:
        raise UserError(f"{name} is {value!r}, expected {field.type.__name__}")
    if field.type is float and not math.isfinite(value):
        raise UserError(f"{name} is {value}, expected a finite number")
    if meta["choices"] and value not in meta["choices"]:
        raise UserError(f"{name} is {value!r}, expected one of {', '.join(meta['choices'])}")
    if meta["low"] is not None and value < meta["low"]:
        raise UserError(f"{name} is {value}, expected at least {meta['low']}")
    if meta["high"] is not None and value > meta["high"]:
        raise UserError(f"{name} is {value}, expected at most {meta['high']}")
    return value
