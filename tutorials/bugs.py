"""Twelve planted bugs for notebook 8. Do not read on before you have looked for them with the
checker.

Each is a function of macrid with a line or two changed. `planted` puts it in the function's place
for a while.
"""

import inspect
import sys
from contextlib import contextmanager

import numpy as np

from macrid import model
from macrid.model import encoder, objective, ops, prototypes

BUGS = {
    "A": (prototypes.concept_logits, ("ds = ds / tau", "pass")),
    "B": (ops.normalise, ("xp.subtract(dy, dx, out=dx)", "dx = dy * 1.0")),
    "C": (objective.elbo, ("noise.epsilon", "bug_rng.standard_normal(mu.shape)")),
    "D": (objective.elbo, ("pull_H(dH_prototypes + dH_decoder)", "pull_H(dH_decoder)")),
    "E": (encoder.aggregate, ("dC_items = 2 * C * (XT @ ds)", "dC_items = xp.zeros_like(C)")),
    "F": (encoder.kl_divergence, ("dvalue / (2 * B)", "dvalue / 2")),
    "G": (ops.mask, ("return dy * noise", "return dy * 1.0")),
    "H": (ops.tanh, ("1 - y * y", "1 - x * x")),
    "I": (ops.softmax, ("y * (dy - row_dot(y, dy)[..., None])", "y * dy")),
    "J": (encoder.sample, ("noise * -0.5", "noise * -1.0")),
    "K": (
        ops.softmax,
        (
            "return y * (dy - row_dot(y, dy)[..., None])",
            "return np.multiply(y, dy - row_dot(y, dy)[..., None], out=y)",
        ),
    ),
    "L": (encoder.sample, ("b * -0.5", "b * 0.5"), ("noise * -0.5", "noise * 0.5")),
}


@contextmanager
def planted(letter):
    """Within the block, macrid has the bug."""
    original, *changes = BUGS[letter]
    source = inspect.getsource(original)
    for old, new in changes:
        assert source.count(old) == 1, (
            f"{original.__name__} has changed; bug {letter} needs another place"
        )
        source = source.replace(old, new)
    names = {
        **vars(sys.modules[original.__module__]),
        "np": np,
        "bug_rng": np.random.default_rng(0),
    }
    exec(source, names)
    places = [
        module
        for module in (ops, prototypes, encoder, objective, model)
        if getattr(module, original.__name__, None) is original
    ]
    try:
        for module in places:
            setattr(module, original.__name__, names[original.__name__])
        yield names[original.__name__]
    finally:
        for module in places:
            setattr(module, original.__name__, original)
