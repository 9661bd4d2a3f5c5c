"""SEM-MacridVAE in NumPy, every gradient written by hand. Where things are:

    model/          the paper, and nothing that knows of files; plain.py is all of it on one page
    data/           from a ratings file or a table to a split; the shop, made data with known truth
    training/       batches, Adam, the loop, the linear path, several processes, checkpoints
    evaluation/     NDCG, recall, and what a difference between two systems is worth
    pictures/       from picture files through AlexNet to features
    baselines/      what the model is compared with, all with one interface
    experiments/    the tables of `reproduce`, the search of `tune`
    interpret/      concepts against categories, scores of disentanglement, knobs, maps, drawing
    train evaluate recommend control figures report features tune reproduce doctor
                    the commands: `python -m macrid.train`
    config          every option, its default and its bounds
    suited          the options that the data choose, where the user has not
    recommender     `Recommender`, the model by your own ids
    model_file      it in one file, model.npz
    run_folder      a run on the disk: made, resumed, read
    files           files that are whole or not there, and locks
    npz             arrays in a file, from whomever it comes
    errors          what a user can mend
    backend         NumPy or CuPy; the only file that imports CuPy
    terminal        what commands share: flags, tables, one line for a mistake
    early           that line for Ctrl-C while a command is still being imported

A room uses only rooms below it. Read model/plain.py first, then the files of model/ in the order
that its own docstring gives, then training/fit.py. `macrid.model.loss_and_gradients` is the one
call from arrays to the loss terms and all gradients.
"""

from macrid import early  # noqa: F401  # first: the others take their time

# isort: split
import logging

from macrid.config import Config
from macrid.data import Interactions, load
from macrid.errors import UserError
from macrid.recommender import Recommender

__all__ = ["Config", "Interactions", "Recommender", "UserError", "load"]
__version__ = "0.1.0"

logging.getLogger("macrid").addHandler(logging.NullHandler())  # silent until a program asks
