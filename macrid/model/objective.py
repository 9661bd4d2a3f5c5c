r"""The evidence lower bound of SEM-MacridVAE: parameters, value and gradients.

Reads as Algorithm 1: prototypes -> encoder -> decoder -> loss (line 34), and back again.
"""

from collections.abc import Callable

import numpy as np

from macrid.backend import array_module, scalar, to_device
from macrid.model import candidates, prototypes
from macrid.model.decoder import log_likelihood
from macrid.model.encoder import aggregate, f_nn, kl_divergence, posterior, sample
from macrid.model.ops import cross_entropy, identity, log_softmax, normalise, softmax

OF_ITEMS = ("H", "T")  # parameters with a row for each item
REPRESENTATIONS = (*OF_ITEMS, "m")


def initial_parameters(M: int, config, rng: np.random.Generator) -> dict:
    r"""Random parameters: h, t, m ~ N(0, init_deviation^2), Glorot for f_nn, zero biases.

    A dict of arrays: H (M, d), T (M, d), m (K, d), W0 (d, hidden), b0, ..., the last layer 2d wide.
    """
    parameters = {}
    for name, shape in parameter_shapes(M, config).items():
        if name in REPRESENTATIONS:
            values = rng.standard_normal(shape) * config.init_deviation
        elif len(shape) == 2:
            bound = (6.0 / sum(shape)) ** 0.5  # Glorot and Bengio (2010)
            values = rng.uniform(-bound, bound, shape)
        else:
            values = np.zeros(shape)
        parameters[name] = values.astype(config.dtype)
    return parameters


def parameter_shapes(M: int, config) -> dict[str, tuple[int, ...]]:
    """{name: shape} of the parameters of a model of M items, in the order they are drawn in."""
    d, K = config.d, config.K
    shapes: dict[str, tuple[int, ...]] = {"H": (M, d), "T": (M, d), "m": (K, d)}
    widths = [d] + [config.hidden_units] * config.hidden_layers + [2 * d]
    for layer, (p, q) in enumerate(zip(widths[:-1], widths[1:])):
        shapes |= {f"W{layer}": (p, q), f"b{layer}": (q,)}
    return shapes


def loss_and_gradients(
    parameters: dict, X, noise, config, beta: float, targets=None
) -> tuple[dict, dict]:
    r"""One call from arrays to numbers: the loss terms and a dict of gradients.

    parameters  dict of arrays as `initial_parameters` makes them
    X           (B, M) SciPy CSR, 0/1: the batch's adopted items, on the host with either backend
    noise       `macrid.training.batch.Noise`: gumbel (M, K), epsilon (B, K, d), dropout masks, item
                mask, all given
    config      `macrid.Config`: K, d, tau, sigma0, gumbel_temperature, similarity, category_weight
    beta        the weight of the KL term at this step
    targets     (M, K) category distribution of each item, zero rows where unknown, or None

    The loss is a deterministic function of its arguments, in their precision:

        loss = -reconstruction + beta * kl + category_weight * categorical

    Returns ({"loss", "reconstruction", "kl", "categorical"}, {"H": (M, d), ...}), the gradients
    with the parameters' keys. Nothing given is changed. The terms are floats; on a device they are
    0-d arrays, as to read one is to wait for the device. With `noise.candidates` (m,), a sampled
    softmax, only those items take part: the gradients of H and T are (m, d), their rows, and the
    categorical term is the mean over the known ones among them.
    """
    terms, pullback = elbo(parameters, X, noise, config, beta, targets)
    return terms, pullback(1.0)


def elbo(
    parameters: dict, X, noise, config, beta: float, targets=None
) -> tuple[dict, Callable[[float], dict]]:
    r"""The objective (5) with the categorical term (11), line 34 of Algorithm 1, and its pullback.

    Arguments and terms as in `loss_and_gradients`; the pullback takes dloss and returns the dict of
    gradients.
    """
    p = parameters
    if noise.candidates is not None:  # line 29: some items instead of all
        items = to_device(array_module(p["H"]), noise.candidates)
        p = p | {name: p[name][items] for name in OF_ITEMS}  # (m, d)
        X = candidates.restrict(X, noise.candidates)  # (B, m)
        targets = None if targets is None else targets[items]
    B, K, d = X.shape[0], config.K, config.d
    unit = compared(config)
    unit_mu = normalise if config.unit_mu else identity

    # Prototypes, equation (6)
    H, pull_H = unit(p["H"])  # (M, d)
    m, pull_m = unit(p["m"])  # (K, d)
    s, pull_s = prototypes.concept_logits(H, m, config.tau)  # (M, K)
    logits, pull_logits = prototypes.gumbel_logits(s, noise.gumbel, config.gumbel_temperature)
    C, pull_C = softmax(logits)  # (M, K)

    # Encoder, equation (9)
    A, pull_A = aggregate(noise.kept(X), C, p["T"])  # (B, K, d)
    ab, pull_f = f_nn(A.reshape(B * K, d), mlp(p), noise.dropout)  # (B K, 2d)
    (mu, b), pull_posterior = posterior(ab.reshape(B, K, 2 * d), unit_mu)  # (B, K, d) each
    z, pull_z = sample(mu, b, noise.epsilon, config.sigma0)  # (B, K, d)
    kl, pull_kl = kl_divergence(mu, b, config.sigma0)

    # Decoder, equations (7) and (8)
    direction, pull_direction = unit(z)  # (B, K, d)
    log_C, pull_log_C = log_softmax(logits)  # (M, K)
    weighted = log_C
    if noise.weight is not None:
        weighted = log_C + array_module(H).log(noise.weight)[:, None]
    reconstruction, pull_reconstruction = log_likelihood(
        direction, H, weighted, X, config.tau, config.cosine
    )

    # Categories, equation (11), and line 34
    categorical, pull_categorical = 0.0, None
    if targets is not None and config.category_weight > 0:
        categorical, pull_categorical = cross_entropy(logits, targets)
    loss = -reconstruction + beta * kl + config.category_weight * categorical
    terms = {"loss": loss, "reconstruction": reconstruction, "kl": kl, "categorical": categorical}
    terms = {name: scalar(term) for name, term in terms.items()}

    def pullback(dloss):
        ddirection, dH_decoder, dlog_C = pull_reconstruction(-dloss)
        dmu, db = added(pull_z(pull_direction(ddirection)), pull_kl(dloss * beta))
        dab = pull_posterior(dmu, db)
        del ddirection, dmu, db  # (B, K, d) each; what follows is the step's largest
        dA, gradients = pull_f(dab.reshape(B * K, 2 * d))
        del dab
        dC_encoder, gradients["T"] = pull_A(dA.reshape(B, K, d))
        dlogits = pull_C(dC_encoder) + pull_log_C(dlog_C)
        if pull_categorical is not None:
            dlogits = dlogits + pull_categorical(dloss * config.category_weight)
        dH_prototypes, dm = pull_s(pull_logits(dlogits))
        gradients["H"] = pull_H(dH_prototypes + dH_decoder)
        gradients["m"] = pull_m(dm)
        return gradients

    return terms, pullback


def compared(config) -> Callable:
    """The op that prepares vectors to be compared by their inner product.

    `normalise`, after which that is the cosine of equations (6) and (8), or `identity` for the
    ablation of section 4.3.2.
    """
    return normalise if config.cosine else identity


def mlp(parameters: dict) -> dict:
    """The parameters of f_nn alone: W0, b0, W1, b1, ..."""
    layers: dict = {}
    while (W := f"W{len(layers) // 2}") in parameters:
        b = W.replace("W", "b")
        layers |= {W: parameters[W], b: parameters[b]}
    return layers


def rows_of_step(noise) -> dict:
    """{name: rows} of the parameters whose gradients are those of some rows alone.

    With candidates, H and T.
    """
    return {} if noise.candidates is None else dict.fromkeys(OF_ITEMS, noise.candidates)


def added(first: tuple, second: tuple) -> tuple:
    """Fan-out: an array used twice has the sum of both cotangents. Tuples, place by place."""
    return tuple(a + b for a, b in zip(first, second, strict=True))
