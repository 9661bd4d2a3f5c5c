"""What training says of itself as it goes on, by Python's `logging`: a line an epoch."""

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)
EVERY = 3.0  # seconds between lines on what takes a while


def counted(what: str, update: Callable[[int], object]) -> Callable[[int], None]:
    """`update(n)`, which also logs how many `what` are done by now, every few seconds."""
    done, told = 0, None

    def count(n):
        nonlocal done, told
        update(n)
        done += n
        told = told or time.monotonic()  # what is done at once is not worth a line
        if time.monotonic() - told >= EVERY:
            told = time.monotonic()
            logger.info(f"{done:,} {what}")

    return count


def epoch(state, config) -> None:
    """Log the last epoch of a `fit.State`: its loss terms, and how the validation users fare."""
    record = state.history[-1]
    line = f"seed {config.seed}  " if config.seeds > 1 else ""
    line += "epoch {epoch}/{last}  loss {loss:.2f}  -ln p {log_p:.2f}  KL {kl:.2f}"
    line += "  cat {categorical:.3f}  beta {beta:.3f}"
    if "validation_ndcg@100" in record:
        line += "  validation NDCG@100 {validation_ndcg@100:.4f}  best {best:.4f} (epoch {of})"
    more = {"last": config.max_epochs, "log_p": -record["reconstruction"]}
    more |= {"best": state.best_score, "of": state.best_epoch}
    logger.info(line.format(**record, **more))
