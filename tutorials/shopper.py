"""One shopper, followed in numbers through the notebooks, by a model that fits on a page.

She is user-0012 of the embedded shop; of its hundreds of products we keep eight, the four most
popular lamps and mugs, of which she took three. The model has K = 2 concepts and tastes of d = 2
numbers, so that every array can be printed and drawn; it is `macrid.model.plain` with its own
constants and no hidden layer. It was trained once, on the 360 shoppers who took two of the eight
or more, and rounded to two decimals; a test trains it again. The dice (GUMBEL, EPSILON) were
rolled once.

>>> her = follow()
>>> her.p.round(2)
array([0.21, 0.  , 0.06, 0.16, 0.21, 0.07, 0.24, 0.04])
"""

from types import SimpleNamespace

import numpy as np
from scipy import sparse

from macrid.config import Config
from macrid.model import plain
from macrid.training.batch import Noise

NAME = "user-0012"
ITEMS = tuple(f"{kind}-{number:03d}" for kind in ("lamp", "mug") for number in range(4))
x = np.array([[1.0, 0, 0, 0, 1, 0, 1, 0]])  # (1, M): lamp-000, mug-000 and mug-002
targets = np.repeat(np.eye(2), 4, axis=0)  # (M, K): concept 1 is for the lamps, 2 for the mugs
parameters = {
    "H": np.array(
        [
            [-0.18, 1.33],
            [-0.55, -0.68],
            [-0.47, 0.46],
            [-0.03, 0.83],
            [1.12, 0.40],
            [0.46, 0.38],
            [0.39, 0.07],
            [0.35, 0.34],
        ]
    ),
    "T": np.array(
        [
            [0.22, -0.34],
            [0.94, 0.75],
            [1.08, -0.56],
            [0.29, -0.47],
            [-0.62, -0.15],
            [-0.35, -0.56],
            [-0.98, -0.01],
            [-0.25, -0.57],
        ]
    ),
    "m": np.array([[-0.70, 0.17], [0.78, 0.21]]),
    "W0": np.array([[-0.98, 0.09, 0.25, -0.07], [-0.09, -1.60, -0.86, -0.23]]),
    "b0": np.array([0.12, -0.12, 1.14, 1.26]),
}
GUMBEL = np.array(
    [
        [-0.0, 1.2],
        [3.2, 4.1],
        [-0.5, -0.9],
        [0.1, -0.3],
        [0.2, -1.0],
        [-0.5, 5.9],
        [-0.7, 3.4],
        [-0.3, 1.6],
    ]
)  # (M, K)
EPSILON = np.array([[-0.5, -0.3], [0.4, 1.0]])  # (K, d)
config = Config(
    K=2,
    d=2,
    tau=plain.TAU,
    sigma0=plain.SIGMA0,
    beta=plain.BETA,
    gumbel_temperature=plain.GUMBEL_TEMPERATURE,
    category_weight=plain.CATEGORY_WEIGHT,
    hidden_layers=0,
    dropout=0.0,
    precision="float64",
)
X = sparse.csr_array(x)  # what the package takes
noise = Noise(gumbel=GUMBEL, epsilon=EPSILON[None])


def follow() -> SimpleNamespace:
    """Every array of Algorithm 1 for her, from the concepts to the loss, one user: no axis for B.

    s, C (M, K); A, a, b, mu, sigma, z (K, d); E (K, M); P, p (M,); Z, reconstruction, kl,
    categorical, loss are numbers.
    """
    H, T, m = (parameters[name] for name in "HTm")
    s, _ = plain.cosine(H, m)  # line 14
    log_C, _ = plain.prototype_clustering(H, m, GUMBEL)  # line 15
    C = np.exp(log_C)
    share, _ = plain.unit(x * C.T)  # (K, M): x_i c_ik / sqrt(sum x_i c_ik^2)
    A = share @ T
    a, b = np.split(A @ parameters["W0"] + parameters["b0"], 2, axis=1)  # line 19
    mu, sigma = plain.unit(a)[0], plain.SIGMA0 * np.exp(-b / 2)  # lines 20 and 21
    z, kl, _ = plain.encoder(x, C, parameters, EPSILON, [])  # lines 25 and 26
    E = np.exp(plain.cosine(z, H)[0])
    P = (C.T * E).sum(axis=0)  # line 28
    log_p, _ = plain.decoder(z, C, H)  # line 29
    reconstruction = float((x * log_p).sum())
    categorical = float(-(targets * log_C).sum() / len(targets))
    loss = -reconstruction + plain.BETA * kl + plain.CATEGORY_WEIGHT * categorical  # line 34
    return SimpleNamespace(
        s=s, C=C, A=A, a=a, b=b, mu=mu, sigma=sigma, z=z, E=E, P=P, Z=P.sum(), p=np.exp(log_p[0]),
        reconstruction=reconstruction, kl=float(kl), categorical=categorical, loss=float(loss),
    )  # fmt: skip


def write(**columns) -> None:
    """Print arrays as the columns of a table: a row for each product (she took those with a star),
    or for each concept.
    """
    columns = {name: np.asarray(values, float) for name, values in columns.items()}
    rows = len(next(iter(columns.values())))
    stars = [f"{item} {'*' if took else ' '}" for item, took in zip(ITEMS, x[0])]
    labels = stars if rows == len(ITEMS) else [f"concept {k + 1}" for k in range(rows)]
    cells = [[label] for label in labels]
    heads = [""]
    for name, values in columns.items():
        heads.append(name)
        for line, value in zip(cells, values):
            line.append(
                "  ".join(f"{number + 0.0:6.2f}" for number in np.atleast_1d(value).round(2))
            )
    widths = [max(map(len, column)) for column in zip(heads, *cells)]
    for line in (heads, *cells):
        print("   ".join(cell.rjust(width) for cell, width in zip(line, widths)).rstrip())
