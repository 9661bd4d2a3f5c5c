"""What a table asks for on the data at hand: its rows, and the units of work, one fit each."""

import json
from dataclasses import asdict, dataclass, field

from macrid.baselines import EASE
from macrid.config import Config, option_names, read_toml
from macrid.errors import UserError, meant
from macrid.experiments import systems
from macrid.experiments.systems import System

FOLDS = 5
DECIDED = (  # options that a row or the request decides, not the full model
    "seed",
    "seeds",
    "split",
    "test",
    "validation",
    "start",
    *option_names(about="runs"),
)


@dataclass(frozen=True)
class Request:
    """Which table is asked for, and how much of it.

    table    "table2", "table3" or "figure5"
    folds    how many folds, or "authors" or "holdout" for one split
    seeds    of the systems that have randomness
    named    the names of rows or series to run; all where there are none
    betas    of figure5
    options  {row or series: its own options}
    """

    table: str
    folds: int | str = FOLDS
    seeds: tuple[int, ...] = (0,)
    named: tuple[str, ...] = ()
    betas: tuple[float, ...] = systems.BETAS
    options: dict[str, dict] = field(default_factory=dict)

    @property
    def splits(self) -> dict[str, str]:
        """{name for files: --split} of the folds.

        >>> Request("table2", folds=3).splits
        {'fold0': 'kfold:0/3', 'fold1': 'kfold:1/3', 'fold2': 'kfold:2/3'}
        """
        if isinstance(self.folds, str):
            return {self.folds: self.folds}
        return {f"fold{fold}": f"kfold:{fold}/{self.folds}" for fold in range(self.folds)}

    @property
    def rows(self) -> tuple[System, ...]:
        """All rows of the table."""
        if self.table == "figure5":
            return systems.figure5(sorted(set(self.betas)))
        return {"table2": systems.TABLE2, "table3": systems.TABLE3}[self.table]


@dataclass(frozen=True)
class Unit:
    """One fit of one system: kept as one file, and the most that an interruption loses."""

    system: System
    config: Config
    options: dict
    fold: str

    @property
    def name(self) -> str:
        """Of its file, such as "EASE.fold0" or "MultiVAE.fold0.seed1"."""
        seed = f".seed{self.config.seed}" if self.system.seeded else ""
        return f"{self.system.name}.{self.fold}{seed}"

    def made_of(self, hashes: dict[str, str]) -> dict:
        """What must be equal for a file to stand for this unit: options, and hashes of the data."""
        paths = option_names(paths=True)
        made_of = {name: value for name, value in asdict(self.config).items() if name not in paths}
        made_of |= self.options
        made_of["hash of the data"] = hashes["data"]
        if self.config.start == "pictures":
            made_of["hash of the features"] = hashes["features"]
        return json.loads(json.dumps(made_of))  # as it is read again

    def shown_options(self, full: Config) -> dict:
        """The options that a reader is shown: a baseline's, or what differs from the full model."""
        if self.system.score is not systems.score_model:
            return self.options
        return {
            name: value
            for name, value in asdict(self.config).items()
            if name not in ("seed", "split") and value != getattr(full, name)
        }


def plan(
    request: Request, full: Config, missing: dict[str, str], side: int
) -> tuple[list[Unit], dict[str, str]]:
    """The units of a table, row by row, and {row: why it is left out}.

    `missing` says which needs the data do not meet, see `systems.full_model`; `side` is the number
    of users or that of items, the smaller. A row that was named and cannot be run is a UserError.
    """
    _check_names(request)
    units: list[Unit] = []
    left_out: dict[str, str] = {}
    first_with: dict[Config, str] = {}  # the first row of the model with each configuration
    for system in request.rows:
        named = bool({system.name, system.series} & set(request.named))
        if request.named and not named:
            continue
        given = request.options.get(system.series, {}) | request.options.get(system.name, {})
        config, options = systems.settled(system, full, given)

        # why it cannot be run, or need not be
        reasons = [missing[need] for need in system.needs if need in missing]
        if system.name.endswith("EASE") and side > EASE.most and not named:
            reasons.append(
                f"it inverts a matrix of {side:,} by {side:,}; name it in --systems to have it"
                " nevertheless"
            )
        if not reasons and system.score is systems.score_model:
            twin = first_with.setdefault(config, system.name)
            if twin != system.name:
                reasons.append(f"it is the same as {twin} here")
        if reasons and named:
            raise UserError(f"--systems {system.name}: {'; '.join(reasons)}")
        if reasons:
            left_out[system.name] = "; ".join(reasons)
            continue

        for seed in dict.fromkeys(request.seeds) if system.seeded else (0,):
            for fold, split in request.splits.items():
                units.append(Unit(system, config.replace(split=split, seed=seed), options, fold))
    if not units:
        reasons = [f"{name}: {reason}" for name, reason in left_out.items()]
        raise UserError(f"no row of {request.table} can be run: {'; '.join(reasons)}")
    return units, left_out


def _check_names(request):
    names = {name for system in request.rows for name in (system.name, system.series)}
    for name in request.named:
        if not name or name not in names:
            known = [system.series or system.name for system in request.rows]
            hint = meant(name, known)
            raise UserError(f"--systems: there is no '{name}' in {request.table}; {hint}")


def row_options(path: str | None) -> dict[str, dict]:
    """{row or series: its options} from a TOML file of tables."""
    tables = read_toml(path) if path else {}
    rows = tuple(system.name for system in (*systems.TABLE2, *systems.TABLE3))
    for name, options in tables.items():
        if not isinstance(options, dict) or not name.startswith(rows):
            raise UserError(
                f"{path}: '{name}' is no row of a table; write  [MultiVAE]  and its options"
                " below it"
            )
    return tables


def reference_row(name: str | None, rows: list[str]) -> str:
    """The row to compare with: as named, else the first that begins with SEM, else the last."""
    if name is None:
        return next((row for row in rows if row.startswith("SEM")), rows[-1])
    if name not in rows:
        raise UserError(f"--reference: there is no row '{name}'; {meant(name, rows)}")
    return name
