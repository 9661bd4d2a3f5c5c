"""The training loop: epochs of Adam steps, validation after each, the best parameters kept."""

import math
from dataclasses import dataclass, field

import numpy as np

from macrid import backend
from macrid.data.splits import Split
from macrid.errors import UserError
from macrid.evaluation.metrics import evaluate_ranking, summary
from macrid.model import semantics
from macrid.model.objective import initial_parameters, loss_and_gradients, rows_of_step
from macrid.model.scoring import ranker
from macrid.training import adam, adaptive, linear_path
from macrid.training.batch import epoch_batches
from macrid.training.parallel import ALONE, Team
from macrid.training.workers import limited

TERMS = ("loss", "reconstruction", "kl", "categorical")
CHECK_EVERY = 100  # steps between looks at the loss: on a device, to look is to wait


@dataclass
class State:
    """All that training needs to go on after an epoch.

    parameters, moments   of the last epoch, with Adam's (mean, square) pairs
    best                  those kept of `best_epoch`, whose validation NDCG@100 is `best_score`
    average               with `config.averaging`, the running mean of the parameters over epochs
    step, epoch           how many are done
    history               a record for each epoch
    path, ridge           what `linear_path` chose, if it is on, and the regression by itself
    seen                  hashes of what it was taught by beside the adoptions, to notice a change
    """

    parameters: dict
    moments: dict
    best: dict
    average: dict = field(default_factory=dict)
    step: int = 0
    epoch: int = 0
    best_epoch: int = 0
    best_score: float = -1.0
    history: list = field(default_factory=list)
    path: dict = field(default_factory=dict)
    ridge: linear_path.Ridge | linear_path.Neighbours | None = None
    seen: dict = field(default_factory=dict)


def start(split: Split, config, features=None, targets=None) -> State:
    r"""The state before the first step, by the seed and what `config.start` says.

    features   for start "pictures": values (M, p) and known (M,) bool, M the training items
    targets    (M, K) put the prototypes in the order of the categories, or None
    """
    M = len(split.items)
    if config.K > M:
        raise UserError(f"K is {config.K} but training has only {M} items; lower K")
    if config.start == "pictures" and features is None:
        raise UserError(
            "start is 'pictures' but no features of pictures are given; give some, or start"
            " 'adoptions'"
        )
    parameters = initial_parameters(M, config, np.random.default_rng([config.seed, 0]))
    if config.start != "random":
        if config.start == "adoptions":
            features = semantics.adoption_features(split.train), None
        values, known = features
        H, m = semantics.start_from_features(
            values, config.K, config.d, config.init_deviation, config.seed, config.whiten, known
        )
        parameters["H"][:] = H
        parameters["m"][:] = m if targets is None else semantics.order_by_targets(H, m, targets)
    best = {name: p.copy() for name, p in parameters.items()}
    return State(parameters, adam.start(parameters), best)


@np.errstate(all="ignore")  # what leaves the range is looked for in time
@limited
def fit(
    split: Split, config, targets=None, state=None, on_step=None, on_epoch=None, team: Team = ALONE
) -> State:
    """Train until `max_epochs` or `patience`, and return the final `State`.

    targets    (M, K) teach the concepts, or None
    state      an earlier one to go on from
    on_step    called as `on_step(epoch, terms, beta)` after a step, for a progress bar
    on_epoch   called as `on_epoch(state)` after an epoch, to save; True ends the training
    team       the processes that train together, each with batches of `config.batch_size`

    The arrays of the state are those of `config.backend`; what a step uses is brought there before
    it, and nothing is read back before the epoch ends.
    """
    xp = backend.load(config.backend, config.precision)
    state = start(split, config, targets=targets) if state is None else state
    arrays = (state.parameters, state.moments, state.best, state.average)
    state.parameters, state.moments, state.best, state.average = backend.to_device(xp, arrays)
    targets = backend.to_device(xp, adaptive.replay(targets, state.history))
    batch_size = config.batch_size * team.size
    while not finished(state, config):
        # adaptive_K may have dropped concepts
        config = config.replace(K=len(state.parameters["m"]))

        # an epoch of steps
        totals, users = dict.fromkeys(TERMS, 0.0), 0.0
        for X, noise in epoch_batches(split.train, config, state.epoch + 1, xp, batch_size):
            beta = annealed_beta(state.step, config)
            B = X.shape[0]
            X, noise, weight = team.share(X, noise, config.K)
            noise = backend.to_device(xp, noise)
            terms, gradients = loss_and_gradients(state.parameters, X, noise, config, beta, targets)
            gradients = team.sum(gradients, weight)
            state.step += 1
            rows = rows_of_step(noise)
            adam.update(state.parameters, gradients, state.moments, state.step, config, rows)
            for name in TERMS:
                totals[name] += terms[name] * (weight * B)
            users += weight * B
            if state.step % CHECK_EVERY == 0:
                _check_finite(totals["loss"], state, config)
            if on_step:
                on_step(state.epoch + 1, terms, beta)

        # its mean loss terms
        totals = team.totals({**totals, "users": users})
        users = totals.pop("users")
        _check_finite(totals["loss"], state, config, state.parameters)
        state.epoch += 1
        means = {name: float(total) / users for name, total in totals.items()}

        # how well the model as it is now serves the validation users
        now = averaged(state, config.averaging)
        ranked = ranker(now, config)
        scored = team.evaluate(lambda part: evaluate_ranking(ranked, part), split.validation)
        validation = {f"validation_{name}": s["mean"] for name, s in summary(scored).items()}
        state.history.append({"epoch": state.epoch, **means, "beta": beta, **validation})
        score = validation.get("validation_ndcg@100", 0.0)
        if score > state.best_score or not validation:  # no one is held out: the last is the best
            state.best_score, state.best_epoch = score, state.epoch
            state.best = {name: p.copy() for name, p in now.items()}

        # section 4.1.4, and whoever looks on
        targets = adaptive.shrink(state, config, targets)
        if on_epoch and on_epoch(state):
            break
    if config.linear_path:
        state.best, state.path, state.ridge = linear_path.add(state.best, split, config, state.path)
    return state


def finished(state: State, config) -> bool:
    """Has training reached `max_epochs`, or gone `patience` epochs without a better validation?"""
    waited = state.epoch - state.best_epoch
    return state.epoch >= config.max_epochs or (state.epoch > 0 and waited >= config.patience)


def averaged(state: State, share: float) -> dict:
    """The parameters, or their running mean over epochs, of which the earlier ones are a `share`.

    Steps lead to and fro around what they lead to; the mean is nearer to it (Polyak, 1992).
    """
    if not share:
        return state.parameters
    if not state.average:
        state.average = {name: p.copy() for name, p in state.parameters.items()}
    newest = max(1 - share, 1 / state.epoch)  # at first the mean of all
    for name, p in state.parameters.items():
        state.average[name] += newest * (p - state.average[name])
    return state.average


def annealed_beta(step: int, config) -> float:
    """beta grows linearly from 0 over the first `anneal_steps` updates, as in MultiVAE.

    `step` counts from 0.
    """
    share = step / config.anneal_steps if config.anneal_steps else 1.0
    return config.beta * min(1.0, share)


def _check_finite(loss, state, config, parameters=()):
    """A UserError unless the loss is a number, and the parameters are none that overflow."""
    wrong = [] if math.isfinite(float(loss)) else [f"the loss became {float(loss)}"]
    for name in () if wrong else parameters:
        p = parameters[name]
        largest = max(float(p.max()), -float(p.min()))  # NaN if one of them is
        if not largest < float(np.finfo(p.dtype).max) ** 0.25:  # its products would be infinite
            wrong = [f"the parameter {name} became {largest:.0e}"]
    if wrong:
        kept = f"the checkpoint of epoch {state.epoch} is kept: " if state.epoch else ""
        raise UserError(
            f"{wrong[0]} in epoch {state.epoch + 1}, at step {state.step} or shortly before; {kept}"
            f"try a lower learning_rate (it is {config.learning_rate:g}) or a larger tau (it is"
            f" {config.tau:g})"
        )
