"""The paper, and nothing that knows of files: Algorithm 1 in the order of its lines.

plain.py        the whole model on one page, to read first
ops             values and pullbacks: tanh, linear, normalise, softmax, cross-entropy
prototypes      equation (6): items are routed to concepts
encoder         equation (9): a user's items become a Gaussian for each concept
decoder         equations (7) and (8): how likely the user adopts each item
candidates      the same over some items only, line 29
objective       equations (5) and (11), line 34: the loss and its gradients
scoring         at test time: concepts, representations, ranked items
ensemble        several models as one: ln P averaged
linear          what a linear path adds to the logits
vectors         scores as inner products, for an index
steering        a factor on a concept
semantics       equations (10) and (11): starting from pictures, taught by categories
placing         items that nobody has adopted yet, placed by those that look like them
ranking         the k best of many scores
cuda            on a GPU, what a step does most in one kernel each
gradcheck       is a gradient right? central differences
gradtrace       where is the model's gradient wrong? the first wrong cotangent on the way back
"""

from macrid.model.objective import (
    elbo,
    initial_parameters,
    loss_and_gradients,
    parameter_shapes,
)
from macrid.model.scoring import concepts, log_predict, predict, prepare, rank, ranker, represent
from macrid.model.vectors import item_vectors, user_vectors

__all__ = [
    "concepts",
    "elbo",
    "initial_parameters",
    "item_vectors",
    "log_predict",
    "loss_and_gradients",
    "parameter_shapes",
    "predict",
    "prepare",
    "rank",
    "ranker",
    "represent",
    "user_vectors",
]
