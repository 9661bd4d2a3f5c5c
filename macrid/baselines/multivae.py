r"""MultiDAE and MultiVAE: autoencoders of a user's items (Liang et al., 2018).

A user's items, as a row of length one, pass through a multilayer perceptron to a code of `latent`
numbers, and through another one to logits of all items. The items that she has are one multinomial
draw from their softmax:

    x~_u = dropout(x_u / ||x_u||)
    h_u  = encoder(x~_u)

    MultiDAE   z_u = tanh(h_u)
    MultiVAE   z_u ~ N(mu_u, sigma_u^2),   (mu_u, b_u) = h_u,   sigma_u = exp(-b_u / 2)

    loss = -sum_i x_ui ln softmax(decoder(z_u))_i          averaged over the users of a batch
           + beta KL(N(mu_u, sigma_u^2) || N(0, 1))        likewise; MultiVAE alone
           + l2 ||weights||^2

What macrid adds to MultiVAE is the concepts; what it leaves out is the layers as wide as all items.
Parameters are "items/W0", "items/b0" of the first layer, "encoder/W0", ... of the others up to the
code, and "decoder/W0", ...: the first weights have M rows, the last ones M columns.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

from macrid.backend import array_module, scalar, to_device
from macrid.baselines.epochs import train
from macrid.config import Config
from macrid.data.splits import HeldOut
from macrid.errors import UserError
from macrid.model.decoder import positives
from macrid.model.encoder import f_nn, kl_divergence, sample
from macrid.model.ops import row_dot, tanh
from macrid.training import saved
from macrid.training.fit import annealed_beta

Arrays = dict[str, np.ndarray]


def _load(cls, path):
    """Read what `save` wrote."""
    baseline = saved.load(cls, path)
    arrays = baseline.parameters
    return replace(baseline, parameters={_name_of_today(name): arrays[name] for name in arrays})


def _name_of_today(name):
    """Of parameters that older files call E, e, qW0, qb0, ..., pW0, pb0, ..."""
    if "/" in name:
        return name
    of_items = {"E": "items/W0", "e": "items/b0"}
    return of_items.get(name) or {"q": "encoder/", "p": "decoder/"}.get(name[:1], "") + name[1:]


@dataclass(frozen=True)
class MultiDAE:
    r"""The denoising autoencoder: no sampling, `l2` on the weights instead of the KL term."""

    parameters: Arrays

    @classmethod
    def fit(
        cls,
        X: sparse.csr_array,
        validation: HeldOut | None = None,
        *,
        hidden=(),
        latent=200,
        item_dropout=0.5,
        l2=0.01 / 500,
        learning_rate=1e-3,
        batch_size=500,
        max_epochs=200,
        patience=200,
        precision="float32",
        seed=0,
        xp=np,
        on_epoch=None,
    ) -> "MultiDAE":
        """Train on the users of X (N, M) SciPy CSR 0/1; the epoch of the best validation is kept.

        hidden        widths of the layers between items and code; in reverse in the decoder
        item_dropout  share of a user's items that the encoder does not see
        l2            the authors' .01 divided by their batch of 500
        validation    a `HeldOut`; without it all epochs are run and the last one is kept
        patience      stop after this many epochs without a better NDCG@100 (the authors: never)
        on_epoch      called with the epoch and a dict of its loss terms and validation NDCG@100

        The defaults are the authors' for ML-20M. With few users smaller batches learn more in as
        many epochs: on MovieLens ml-latest-small (ten folds over 531 users, split seed 98765)
        NDCG@100 is .350 ± .008, .367 with batch_size=100.
        """
        options = Config(
            item_dropout=item_dropout,
            learning_rate=learning_rate,
            l2=0.0,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            precision=precision,
            seed=seed,
        )
        start = initial_parameters(X.shape[1], hidden, latent, False, options)
        return cls(_train(cls, start, X, validation, options, l2, xp, on_epoch))

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        """The logits of all items, (B, M), for the users of X (B, M) SciPy CSR."""
        h, _ = encode(self.parameters, X)
        return f_nn(tanh(h)[0], layers(self.parameters, "decoder"), None)[0]

    @staticmethod
    def form(arrays: Arrays) -> dict:
        """What the arrays of a file have to be, as `saved.load` asks."""
        return _form(1, arrays)

    save, load = saved.save, classmethod(_load)


@dataclass(frozen=True)
class MultiVAE:
    r"""The variational autoencoder; its mean is used at test time."""

    parameters: Arrays

    @classmethod
    def fit(
        cls,
        X: sparse.csr_array,
        validation: HeldOut | None = None,
        *,
        hidden=(600,),
        latent=200,
        item_dropout=0.5,
        beta=0.2,
        anneal_steps=40_000,
        l2=0.0,
        learning_rate=1e-3,
        batch_size=500,
        max_epochs=200,
        patience=200,
        precision="float32",
        seed=0,
        xp=np,
        on_epoch=None,
    ) -> "MultiVAE":
        """As `MultiDAE.fit`, and: beta grows linearly from 0 to `beta` over `anneal_steps` updates.

        The authors' beta is min(.2, step / 200,000), which is .2 after 40,000 updates. Their layer
        of 600 is too much for a few hundred users: give hidden=() and batch_size=100 there. On
        MovieLens ml-latest-small (ten folds over 531 users, split seed 98765) NDCG@100 is then
        .359 ± .008, .330 with hidden=(600,), and .328 with all defaults.
        """
        options = Config(
            item_dropout=item_dropout,
            learning_rate=learning_rate,
            l2=0.0,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            precision=precision,
            seed=seed,
            beta=beta,
            anneal_steps=anneal_steps,
        )
        start = initial_parameters(X.shape[1], hidden, latent, True, options)
        return cls(_train(cls, start, X, validation, options, l2, xp, on_epoch))

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        """The logits of all items, (B, M), for the users of X (B, M) SciPy CSR, from z = mu."""
        h, _ = encode(self.parameters, X)
        mu = h[:, : h.shape[1] // 2]
        return f_nn(mu, layers(self.parameters, "decoder"), None)[0]

    @staticmethod
    def form(arrays: Arrays) -> dict:
        """What the arrays of a file have to be, as `saved.load` asks."""
        return _form(2, arrays)

    save, load = saved.save, classmethod(_load)


@dataclass(frozen=True)
class Noise:
    """The random numbers of one step: which items the encoder sees, and what z is sampled with.

    items     (nonzeros of X,) 0 or 1 / (1 - item_dropout), on the host
    epsilon   (B, latent) standard normal, or None for MultiDAE
    """

    items: np.ndarray = field(metadata={"host": True})
    epsilon: np.ndarray | None = None


def initial_parameters(M: int, hidden, latent: int, sampled: bool, options: Config) -> Arrays:
    r"""Glorot for the weights, small biases: as the authors have them.

    The encoder goes from M items through `hidden` to the code: `latent` numbers, or twice as many
    if it is sampled (mu and b). The decoder goes from `latent` through `hidden` in reverse to M.
    Biases are normal with deviation .001, without the tails beyond two deviations.
    """
    if min([latent, *hidden]) < 1:
        raise UserError(f"hidden is {hidden} and latent {latent}, expected layers of at least 1")
    rng = np.random.default_rng([options.seed, 0])
    code = 2 * latent if sampled else latent
    encoder = [M, *hidden, code]
    widths = {
        "items": encoder[:2],
        "encoder": encoder[1:],
        "decoder": [latent, *reversed(hidden), M],
    }
    parameters = {}
    for part in widths:
        for i, (p, q) in enumerate(zip(widths[part][:-1], widths[part][1:])):
            b = rng.standard_normal(q)
            while (far := np.abs(b) > 2).any():
                b[far] = rng.standard_normal(far.sum())
            bound = (6.0 / (p + q)) ** 0.5  # Glorot and Bengio (2010)
            W = rng.uniform(-bound, bound, (p, q))
            parameters[f"{part}/W{i}"] = W.astype(options.dtype)
            parameters[f"{part}/b{i}"] = (0.001 * b).astype(options.dtype)
    return parameters


def layers(parameters: Arrays, part: str) -> Arrays:
    """The layers W0, b0, W1, ... of a part: "items", "encoder" or "decoder"."""
    prefix = f"{part}/"
    return {
        name.removeprefix(prefix): array
        for name, array in parameters.items()
        if name.startswith(prefix)
    }


def item_weights(parameters: Arrays) -> np.ndarray:
    """The last weights of the decoder, (q, M): a column for each item."""
    decoder = layers(parameters, "decoder")
    return decoder[f"W{len(decoder) // 2 - 1}"]


def _form(codes, arrays):
    """What the saved parameters have to be: each layer takes what the one before it gives.

    The encoder gives `codes` times what the decoder takes: mu and b, or z itself.
    """
    in_file = {_name_of_today(name.removeprefix("parameters/")): name for name in arrays}
    first = arrays.get(in_file.get("decoder/W0"))
    latent = first.shape[0] if first is not None and first.ndim else 0
    form: dict = {}
    counts = {part: sum(f"{part}/W" in name for name in in_file) for part in ("encoder", "decoder")}
    to_code = ["items/W0", *(f"encoder/W{i}" for i in range(counts["encoder"]))]
    from_code = [f"decoder/W{i}" for i in range(max(1, counts["decoder"]))]
    for weights, start, end in ((to_code, "M", codes * latent), (from_code, latent, "M")):
        widths = [start, *weights[:-1], end]  # a width is called by the layer that gives it
        for W, p, q in zip(weights, widths, widths[1:]):
            b = W.replace("W", "b")
            form[in_file.get(W, W)], form[in_file.get(b, b)] = saved.array(p, q), saved.array(q)
    return form


def loss_and_gradients(
    parameters: Arrays, X, noise: Noise, beta: float = 0.0, l2: float = 0.0
) -> tuple[dict, Arrays]:
    r"""The loss of a batch X (B, M) SciPy CSR and its gradients.

    A function of its arguments alone, none of which it changes. Returns ({"loss", "reconstruction",
    "kl"}, a dict with the parameters' keys); the terms are as in `macrid.model`.
    """
    h, pull_encoder = encode(parameters, X, noise.items)  # (B, latent) or (B, 2 latent)
    if noise.epsilon is None:
        z, pull_z = tanh(h)
        kl = 0.0
    else:
        (z, kl), pull_code = gaussian(h, noise.epsilon)
        pull_z = lambda dz: pull_code(dz, beta)
    logits, pull_decoder = f_nn(z, layers(parameters, "decoder"), None)  # (B, M)
    reconstruction, pull_reconstruction = multinomial(logits, X)
    weights = {name: W for name, W in parameters.items() if l2 and W.ndim == 2}
    penalty = l2 * sum(scalar(row_dot(W, W).sum()) for W in weights.values())
    loss = -reconstruction + beta * kl + penalty

    dz, gradients = pull_decoder(pull_reconstruction(-1.0))
    gradients = {f"decoder/{name}": g for name, g in gradients.items()} | pull_encoder(pull_z(dz))
    for name, W in weights.items():
        gradients[name] += (2 * l2) * W
    return {"loss": loss, "reconstruction": reconstruction, "kl": kl}, gradients


def encode(parameters: Arrays, X, noise=None):
    r"""The encoder: h from the rows of X (B, M) SciPy CSR, brought to length one.

    `noise` (nonzeros,) multiplies them then. The pullback takes dh and returns the dict of the
    encoder's gradients.
    """
    length = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).reshape(-1))  # (B,)
    values = X.data / np.repeat(length, np.diff(X.indptr))
    if noise is not None:
        values = values * noise
    W, b = parameters["items/W0"], parameters["items/b0"]
    X = type(X)((values.astype(W.dtype), X.indices, X.indptr), shape=X.shape)
    h, pull_items = sparse_linear(X, W, b)
    others, pull_tanh = layers(parameters, "encoder"), None
    if others:
        h, pull_tanh = tanh(h)
    h, pull_others = f_nn(h, others, None)

    def pullback(dh):
        dh, gradients = pull_others(dh)
        gradients = {f"encoder/{name}": g for name, g in gradients.items()}
        dW, db = pull_items(dh if pull_tanh is None else pull_tanh(dh))
        return gradients | {"items/W0": dW, "items/b0": db}

    return h, pullback


def sparse_linear(X, W, b):
    r"""y = X W + b for a sparse X (B, M) SciPy CSR, W (M, q), b (q,).

    Only rows of W that X has items of take part.

        dW = X^T dy      db = sum over rows of dy      X is data

    The plain twin is `macrid.model.ops.linear` with a dense X.
    """
    X, XT = to_device(array_module(W), (X, X.T))
    y = X @ W
    y += b

    def pullback(dy):
        return XT @ dy, dy.sum(axis=0)

    return y, pullback


def gaussian(h, epsilon):
    r"""A sample z (B, d) and KL(N(mu, exp(-b)) || N(0, 1)) from h = (mu, b) side by side (B, 2d).

    `macrid.model.encoder.sample` and `kl_divergence` with sigma0 = 1; mu is used twice, and b too.
    """
    d = epsilon.shape[1]
    mu, b = h[:, :d], h[:, d:]
    z, pull_sample = sample(mu, b, epsilon, 1.0)
    kl, pull_kl = kl_divergence(mu, b, 1.0)

    def pullback(dz, dkl):
        (dmu, db), (dmu_kl, db_kl) = pull_sample(dz), pull_kl(dkl)
        return array_module(h).concatenate([dmu + dmu_kl, db + db_kl], axis=1)

    return (z, scalar(kl)), pullback


def multinomial(logits, X):
    r"""sum_i x_ui ln softmax(logits_u)_i, averaged over the users.

    logits (B, M), X (B, M) SciPy CSR -> scalar. With n_u = sum_i x_ui:

        dlogits_ui = (x_ui - n_u softmax(logits_u)_i) / B

    a multiple of the exponentials for each user, and a sparse part.
    """
    xp = array_module(logits)
    B = X.shape[0]
    row, column, ones, n = positives(X, xp, logits.dtype)
    shifted = logits - logits.max(axis=1, keepdims=True)
    chosen = shifted[row, column]
    E = xp.exp(shifted, out=shifted)
    Z = E.sum(axis=1)  # (B,)
    value = scalar((ones * (chosen - xp.log(Z)[row])).sum(dtype=xp.float64)) / B

    def pullback(dvalue):
        scale = dvalue / B
        dlogits = E * (n * -scale / Z)[:, None]
        dlogits[row, column] += ones * scale
        return dlogits

    return value, pullback


def multinomial_plain(logits, X):
    """The plain twin of `multinomial`: the matrix of all ln p, for tests."""
    xp = array_module(logits)
    X = to_device(xp, X.toarray().astype(logits.dtype))  # (B, M)
    ln_p = logits - xp.log(xp.exp(logits).sum(axis=1, keepdims=True))
    value = (X * ln_p).sum() / len(X)

    def pullback(dvalue):
        dln_p = X * (dvalue / len(X))
        return dln_p - xp.exp(ln_p) * dln_p.sum(axis=1, keepdims=True)

    return value, pullback


def draw_noise(rng, X, code: int, options: Config) -> Noise:
    """Draw the `Noise` of one step for a batch X (B, M), on the host.

    `code` is the length of a sample, or 0 for MultiDAE.
    """
    kept = rng.random(X.nnz, dtype=options.dtype) >= options.item_dropout
    items = kept.astype(options.dtype) / (1 - options.item_dropout)
    if not code:
        return Noise(items)
    return Noise(items, rng.standard_normal((X.shape[0], code), dtype=options.dtype))


def _train(cls, parameters, X, validation, options, l2, xp, on_epoch):
    """Epochs of Adam steps; the parameters of the best validation, or the last without it."""
    code = len(parameters["decoder/W0"]) if cls is MultiVAE else 0

    def batches(rng):
        order = rng.permutation(X.shape[0])
        for start in range(0, len(order), options.batch_size):
            batch = X[order[start : start + options.batch_size]]
            yield batch.shape[0], (batch, to_device(xp, draw_noise(rng, batch, code, options)))

    def step(current, batch, updates):
        X, noise = batch
        return loss_and_gradients(current, X, noise, annealed_beta(updates, options), l2)

    start = to_device(xp, parameters)
    return train(cls.__name__, start, batches, step, cls, validation, options, on_epoch)
