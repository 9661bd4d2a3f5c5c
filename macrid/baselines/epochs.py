"""The epochs of the baselines that are trained by Adam."""

import math

import numpy as np

from macrid.errors import UserError
from macrid.evaluation.metrics import evaluate, summary
from macrid.training import adam
from macrid.training.fit import State, finished


def train(name, parameters, batches, step, model, validation, options, on_epoch):
    r"""The parameters of the best validation NDCG@100, or without `validation` the last ones.

    batches     (rng) -> an epoch's (weight in the mean of the loss terms, batch)
    step        (parameters, batch, updates so far) -> ({"loss", ...}, gradients)
    model       parameters -> what has the `scores` that are evaluated
    options     `Config`: seed, max_epochs, patience and what `adam.update` reads
    on_epoch    is called with the epoch and a dict of its loss terms and validation figure, or None
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
        figures = {term: float(total) / weights for term, total in totals.items()}
        if not math.isfinite(figures["loss"]):
            raise UserError(
                f"{name}: the loss became {figures['loss']} in epoch {state.epoch}; try a lower"
                " learning_rate"
            )
        if validation is None:
            state.best_epoch, state.best = state.epoch, state.parameters
        else:
            figures["validation_ndcg@100"] = score = summary(
                evaluate(model(state.parameters).scores, validation)
            )["ndcg@100"]["mean"]
            if score > state.best_score:
                state.best_score, state.best_epoch = score, state.epoch
                state.best = {key: p.copy() for key, p in state.parameters.items()}
        if on_epoch:
            on_epoch(state.epoch, figures)
    return state.best
