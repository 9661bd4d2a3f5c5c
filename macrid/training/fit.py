"""The training loop: epochs of Adam steps, validation after each, the best parameters kept."""

import math
from dataclasses import dataclass, field

import numpy as np

from macrid import backend
from macrid.errors import UserError
from macrid.evaluation.metrics import evaluate_ranking, summary
from macrid.model import semantics
from macrid.model.objective import initial_parameters, loss_and_gradients
from macrid.model.scoring import ranker
from macrid.training import adam, adaptive, linear_path
from macrid.training.batch import epoch_batches
from macrid.training.parallel import ALONE

TERMS = ("loss", "reconstruction", "kl", "categorical")
CHECK_EVERY = 100  # steps between looks at the loss: on a device, to look is to wait


@dataclass
class State:
    """All that training needs to go on after an epoch; `history` holds a record for each, `path`
    what `linear_path` chose.
    """

    parameters: dict
    moments: dict
    best: dict
    step: int = 0
    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -1.0
    history: list = field(default_factory=list)
    path: dict = field(default_factory=dict)


def start(split, config, features=None, targets=None):
    r"""The state before the first step, from the seed and, with `start = "pictures"`, from features
    of the items.

    features: (values (M, p), known (M,) bool), M the training items. targets (M, K) put the
    prototypes in order.
    """
    M = len(split.items)
    if config.K > M:
        raise UserError(f"K is {config.K} but training has only {M} items; lower K")
    parameters = initial_parameters(M, config, np.random.default_rng([config.seed, 0]))
    if config.start == "pictures" and features is None:
        raise UserError(
            "start is 'pictures' but no features of pictures are given; give some, or start"
            " 'adoptions'"
        )
    if config.start != "random":
        values, known = (
            (semantics.adoption_features(split.train), None)
            if config.start == "adoptions"
            else features
        )
        H, m = semantics.start_from_features(
            values, config.K, config.d, config.init_deviation, config.seed, config.whiten, known
        )
        parameters["H"][:] = H
        parameters["m"][:] = m if targets is None else semantics.order_by_targets(H, m, targets)
    return State(
        parameters, adam.start(parameters), {name: p.copy() for name, p in parameters.items()}
    )


def fit(split, config, targets=None, state=None, on_step=None, on_epoch=None, team=ALONE):
    """Train until `max_epochs` or `patience`, and return the final `State`.

    `targets` (M, K) teach the concepts, or None. `state` continues an earlier one.
    `on_step(epoch, terms, beta)` and `on_epoch(state)` are called as training goes: for a progress
    bar, and to save. The arrays of the state are those of config.backend; what a step uses is
    brought there before it, and nothing is read back before the epoch ends. `team` are the
    processes that train together (macrid.parallel), each with batches of config.batch_size.
    """
    xp = backend.load(config.backend, config.precision)
    state = start(split, config, targets=targets) if state is None else state
    state.parameters, state.moments, state.best = backend.to_device(
        xp, (state.parameters, state.moments, state.best)
    )
    targets = backend.to_device(xp, adaptive.replay(targets, state.history))
    while not finished(state, config):
        config = config.replace(
            K=len(state.parameters["m"])
        )  # less than at the start where adaptive_K dropped some
        totals, users = dict.fromkeys(TERMS, 0.0), 0
        for X, noise in epoch_batches(
            split.train, config, state.epoch + 1, xp, config.batch_size * team.size
        ):
            beta = annealed_beta(state.step, config)
            B = X.shape[0]
            X, noise, weight = team.share(X, noise, config.K)
            noise = backend.to_device(xp, noise)
            terms, gradients = loss_and_gradients(state.parameters, X, noise, config, beta, targets)
            gradients = team.sum(gradients, weight)
            state.step += 1
            adam.update(
                state.parameters, gradients, state.moments, state.step, config, noise.candidates
            )
            for name in TERMS:
                totals[name] += terms[name] * (weight * B)
            users += weight * B
            if state.step % CHECK_EVERY == 0:
                _check_finite(totals["loss"], state)
            if on_step:
                on_step(state.epoch + 1, terms, beta)
        totals = team.totals({**totals, "users": users})
        users = totals.pop("users")
        _check_finite(totals["loss"], state)
        state.epoch += 1
        best = ranker(state.parameters, config)
        figures = summary(
            team.evaluate(lambda part: evaluate_ranking(best, part), split.validation)
        )
        record = {
            "epoch": state.epoch,
            **{name: float(total) / users for name, total in totals.items()},
            "beta": beta,
        }
        record.update({f"validation_{name}": figure["mean"] for name, figure in figures.items()})
        state.history.append(record)
        if record["validation_ndcg@100"] > state.best_score:
            state.best_score, state.best_epoch = record["validation_ndcg@100"], state.epoch
            state.best = {name: p.copy() for name, p in state.parameters.items()}
        targets = adaptive.shrink(state, config, targets)
        if on_epoch:
            on_epoch(state)
    if config.linear_path:
        state.best, state.path = linear_path.add(state.best, split, config)
    return state


def finished(state, config):
    """Has training reached `max_epochs`, or gone `patience` epochs without a better validation
    figure?
    """
    return state.epoch >= config.max_epochs or (
        state.epoch > 0 and state.epoch - state.best_epoch >= config.patience
    )


def annealed_beta(step, config):
    """beta grows linearly from 0 over the first `anneal_steps` updates, as in MultiVAE; `step`
    counts from 0.
    """
    return (
        config.beta * min(1.0, step / config.anneal_steps) if config.anneal_steps else config.beta
    )


def _check_finite(loss, state):
    loss = float(loss)
    if not math.isfinite(loss):
        raise UserError(
            f"the loss became {loss} in epoch {state.epoch + 1}, at step {state.step} or shortly"
            f" before; the checkpoint of epoch {state.epoch} is kept: try a lower learning_rate or"
            " a larger tau"
        )
