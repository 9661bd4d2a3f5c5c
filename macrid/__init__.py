"""SEM-MacridVAE in NumPy, every gradient written by hand.

Read the modules in this order: config, data, split, batch, ops, prototypes, encoder, decoder,
model, adam, fit, metrics. `model.loss_and_gradients` is the one call from arrays to the loss terms
and all gradients.
"""

from macrid.config import Config
from macrid.data.loading import Interactions, load
from macrid.errors import UserError
from macrid.recommender import Recommender

__all__ = ["Config", "Interactions", "Recommender", "UserError", "load"]
__version__ = "0.1.0"
