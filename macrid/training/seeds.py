"""Models of several seeds, trained side by side, whose ln P is averaged (`macrid.model.ensemble`).

Each is what training with that seed alone gives, in one thread; none depends on how many are
trained at a time. A linear path is added to the average.
"""

from collections.abc import Callable
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

from macrid import files
from macrid.backend import load, to_device, to_host
from macrid.config import Config
from macrid.data.splits import Split
from macrid.errors import UserError
from macrid.model import ensemble, linear
from macrid.training import checkpoint, linear_path
from macrid.training.fit import State
from macrid.training.fit import fit as fit_one
from macrid.training.parallel import ALONE, Team
from macrid.training.workers import cores, tell, workers


def each(config: Config) -> list[Config]:
    """The configuration of each model; the first is `config` itself.

    >>> [one.seed for one in each(Config(seed=7, seeds=3))]
    [7, 8, 9]
    """
    return [config.replace(seed=config.seed + s) for s in range(config.seeds)]


def folder_of(folder: Path, config: Config, one: Config) -> Path:
    """Where a run's folder keeps the state of `one` of its models: the first's is its own."""
    return folder if one.seed == config.seed else folder / f"seed-{one.seed}"


def fit(
    split: Split,
    config: Config,
    targets,
    states: list[State],
    folder: Path | None = None,
    on_epoch: Callable[[Config, State], object] | None = None,
    team: Team = ALONE,
) -> list[State]:
    """Train a model from each of `states`, those of `each(config)`, and return their last ones.

    The best parameters of the first are then all models' together, with the linear path if there is
    to be one. Of the others only counters and history are left.

    folder     a run's, which must exist, to save each model's state in after an epoch
    on_epoch   called here as `on_epoch(config, state)` after an epoch of the model of that
               configuration, with the state's counters and last record alone
    team       if several processes sum gradients, they train one model after the other
    """
    configs = each(config)
    jobs = 1 if team.size > 1 else min(len(states), cores(config))
    on_epoch = on_epoch or (lambda *_: None)
    calls = []
    for one, state in zip(configs, states, strict=True):
        place = folder_of(folder, config, one) if folder and team.rank == 0 else None
        if place:
            place.mkdir(exist_ok=True)
            files.remove_leftovers(place)
        calls.append((split, one, targets, state, place, one is configs[0]))
    if jobs == 1:
        trained = [_train(*call, lambda message: on_epoch(*message), team) for call in calls]
    else:
        trained = _side_by_side(calls, jobs, lambda message: on_epoch(*message))

    # the models as one, and the path beside them
    first, xp = trained[0], load(config.backend, config.precision)
    alone = [ensemble.split(state.best)[0] for state in trained]
    best = ensemble.joined({one.seed: p for one, p in zip(configs, alone)})
    first.best = to_device(xp, linear.without(best))
    if config.linear_path:
        path = linear_path.add(first.best, split, config, first.path)
        first.best, first.path, first.ridge = path
    return [first, *(_counters(state) for state in trained[1:])]


def _train(split, config, targets, state, folder, is_first, on_epoch=tell, team=ALONE):
    """Train one model, without a path; keep its state in the folder if there is one.

    Of all but the first, only the best parameters are returned.
    """

    def after_epoch(state):
        if folder:
            checkpoint.save(folder / "checkpoint.npz", state, config, split)
            files.save_lines(folder / "history.jsonl", state.history)
        on_epoch((config, replace(_counters(state), history=state.history[-1:])))

    alone = config.replace(linear_path=0.0)
    state = fit_one(split, alone, targets, state, on_epoch=after_epoch, team=team)
    last = (state.parameters, state.moments, state.average) if is_first else ({}, {}, {})
    parameters, moments, average, best = to_host((*last, state.best))
    return replace(state, parameters=parameters, moments=moments, average=average, best=best)


def _side_by_side(calls, jobs, on_message):
    """What `_train` returns of each call, by so many processes at a time."""
    try:
        with workers(jobs, on_message) as submit:
            futures = {submit(_train, *call): call for call in calls}
            for future in as_completed(futures):
                try:
                    future.result()
                except UserError as error:
                    raise UserError(f"seed {futures[future][1].seed}: {error}") from None
            return [future.result() for future in futures]
    except BrokenProcessPool:
        raise UserError(
            "a process that trains one of the seeds was ended, perhaps for want of memory: give"
            " fewer --seeds, or --resume; a script of your own must train below"
            " if __name__ == '__main__':"
        ) from None


def _counters(state):
    """A state without its arrays."""
    return replace(state, parameters={}, moments={}, average={}, best={})
