"""The epochs of the baselines that are trained by Adam."""

import math
from collections.abc import Callable

import numpy as np

from macrid.config import Config
from macrid.data.splits import HeldOut
from macrid.errors import UserError
from macrid.evaluation.metrics import evaluate, summary
from macrid.training import adam
from macrid.training.fit import State, finished


def train(
    name: str,
    parameters: dict,
    batches: Callable,
    step: Callable,
    model: Callable,
    validation: HeldOut | None,
    options: Config,
    on_epoch: Callable | None,
) -> dict:
    r"""The parameters of the best validation NDCG@100, or without `validation` the last ones.

    batches     (rng) -> an epoch's (weight in the mean of the loss terms, batch)
    step        (parameters, batch, updates so far) -> ({"loss", ...}, gradients)
    model       parameters -> what has the `scores` that are evaluated
    options     seed, max_epochs, patience and what `adam.update` reads
    on_epoch    called with the epoch and a dict of its loss terms and validation NDCG@100
    """
    state = State(parameters, adam.start(parameters), parameters)
    while not finished(state, options):
        totals: dict = {}
        weights = 0
        for weight, batch in batches(np.random.default_rng([options.seed, state.epoch + 1])):
            terms, gradients = step(state.parameters, batch, state.step)
            state.step += 1
            adam.update(state.parameters, gradients, state.moments, state.step, options)
            totals = {term: totals.get(term, 0.0) + value * weight for term, value in terms.items()}
            weights += weight
        state.epoch += 1
        record = {term: float(total) / weights for term, total in totals.items()}
        if not math.isfinite(record["loss"]):
            raise UserError(
                f"{name}: the loss became {record['loss']} in epoch {state.epoch}; try a lower"
                " learning_rate"
            )
        if validation is None:
            state.best_epoch, state.best = state.epoch, state.parameters
        else:
            metrics = summary(evaluate(model(state.parameters).scores, validation))
            score = record["validation_ndcg@100"] = metrics["ndcg@100"]["mean"]
            if score > state.best_score:
                state.best_score, state.best_epoch = score, state.epoch
                state.best = {key: p.copy() for key, p in state.parameters.items()}
        if on_epoch:
            on_epoch(state.epoch, record)
    return state.best
