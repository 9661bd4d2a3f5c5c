"""What the model is compared with, all with one interface.

popularity   how many training users have an item
itemknn      items that are like those of the user
ease         EASE: a linear map of items to items, in closed form
multivae     MultiDAE and MultiVAE: autoencoders
dgcf         DGCF: a graph of users and items, in intents
epochs       the training loop of the last three
ensemble     the sum of two that are fitted

`Ridge` and `Neighbours` lie in `macrid.training`, as the model trains with them.

    baseline = EASE.fit(X, validation)   X (N, M) SciPy CSR 0/1; validation: a `HeldOut`
    baseline.scores(X)                   (B, M), higher is better, for users of X (B, M)
    baseline.save(path)                  one npz file
    EASE.load(path)                      into NumPy arrays; `backend.to_device` moves them

`fit` takes the options of each by keyword, with the defaults of its paper; and `seed`, `xp` (where
it computes) and `on_epoch(epoch, record)`. Those that are trained stop by NDCG@100 on
`validation`; the others need neither.
"""

from macrid.baselines.dgcf import DGCF
from macrid.baselines.ease import EASE
from macrid.baselines.itemknn import ItemKNN
from macrid.baselines.multivae import MultiDAE, MultiVAE
from macrid.baselines.popularity import Popularity
from macrid.training.neighbours import Neighbours
from macrid.training.ridge import Ridge

__all__ = [
    "DGCF",
    "EASE",
    "ItemKNN",
    "MultiDAE",
    "MultiVAE",
    "Neighbours",
    "Popularity",
    "Ridge",
]
