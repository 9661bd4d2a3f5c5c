r"""SEM-MacridVAE on one page: Algorithm 1 of the paper in plain NumPy, every gradient by hand.

`python -m macrid.model.plain` trains on the embedded shop in less than half a minute. Read it with
the paper open: (6) is an equation, "line 14" a line of Algorithm 1; B users, M items, K concepts, d
dimensions; B K rows hold each user's K concepts in turn. A function returns its value and its
pullback: from the loss's gradient by the value, dy, to those by the arguments, dx. The fast code is
this page, made fast, and is tested equal to it: prototypes, encoder.aggregate,
decoder.log_likelihood, objective.elbo, training.adam and training.fit.
"""

import numpy as np

TAU, SIGMA0, BETA, CATEGORY_WEIGHT = 0.1, 0.4, 0.2, 2.0  # tau, sigma_0, beta; the weight of (11)
D, HIDDEN, DROPOUT, GUMBEL_TEMPERATURE = 10, [200], 0.2, 0.5  # d; widths of the hidden layers
DEVIATION, EPOCHS, BATCH_SIZE, LEARNING_RATE, L2, ANNEAL_STEPS = 0.5, 40, 100, 0.03, 1e-7, 200


def unit(x):
    r"""y = x / ||x|| along the last axis; the part of dy along y changes nothing."""
    length = np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-8)
    y = x / length
    return y, lambda dy: (dy - y * (y * dy).sum(-1, keepdims=True) * (length > 1e-8)) / length


def cosine(x, y):
    r"""s_ij = x_i . y_j / (tau ||x_i|| ||y_j||) for x (n, d), y (q, d) -> s (n, q)."""
    (x, pull_x), (y, pull_y) = unit(x), unit(y)
    return x @ y.T / TAU, lambda ds: (pull_x(ds @ y / TAU), pull_y(ds.T @ x / TAU))


def log_softmax(s):
    r"""y_j = s_j - ln sum_l exp(s_l) along the last axis."""
    y = s - np.log(np.exp(s).sum(axis=-1, keepdims=True))  # a cosine's s is small enough for exp
    return y, lambda dy: dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)


def initial_parameters(X, targets, rng):
    r"""Line 2, and (10), lines 3 to 11, where an item's adopters stand for its picture."""
    V = X.T / np.sqrt((1 + X.sum(axis=0))[:, None] * X.sum(axis=1))  # line 4: v_i in rows, (M, N)
    V = V - V.mean(axis=0)  # line 6
    _, Q = np.linalg.eigh(V.T @ V / len(V))  # lines 7 and 8; the largest eigenvalue is the last
    H = V @ Q[:, : -D - 1 : -1]  # line 9: (M, d)
    H *= DEVIATION / H.std(axis=0)  # a cosine gives every dimension an equal say
    cluster = targets  # line 10: k-means; category k is the first cluster k, (M, K)
    for _ in range(10):
        m = unit(cluster.T @ unit(H)[0])[0] * DEVIATION * D**0.5  # (K, d)
        cluster = np.eye(len(m))[cosine(H, m)[0].argmax(axis=1)]
    p = {"H": H, "m": m, "T": rng.standard_normal(H.shape) * DEVIATION}  # line 11; T (M, d)
    for j, (n, q) in enumerate(zip([D, *HIDDEN], [*HIDDEN, 2 * D])):
        p |= {f"W{j}": rng.uniform(-1, 1, (n, q)) * (6 / (n + q)) ** 0.5, f"b{j}": np.zeros(q)}
    return {name: x.astype(X.dtype) for name, x in p.items()}


def prototype_clustering(H, m, gumbel):
    r"""(6), lines 12 to 16: which concepts an item belongs to, as ln c_i."""
    s, pull_s = cosine(H, m)  # line 14: (M, K)
    log_C, pull_softmax = log_softmax((s + gumbel) / GUMBEL_TEMPERATURE)  # line 15: (M, K)
    return log_C, lambda dlog_C: pull_s(pull_softmax(dlog_C) / GUMBEL_TEMPERATURE)


def f_nn(x, p, masks):
    r"""The network of (9): tanh between the layers, dropout before all but the last."""
    inputs, masks = [], [*masks, 1.0]
    for j, mask in enumerate(masks):
        inputs.append(np.tanh(x) if j else x)
        x = (inputs[j] * mask) @ p[f"W{j}"] + p[f"b{j}"]

    def pullback(dy):
        gradients: dict = {}
        for j in reversed(range(len(masks))):
            gradients |= {f"W{j}": (inputs[j] * masks[j]).T @ dy, f"b{j}": dy.sum(axis=0)}
            dx = dy @ p[f"W{j}"].T * masks[j]
            dy = dx * (1 - inputs[j] ** 2)  # through the tanh before this layer
        return dx, gradients

    return x, pullback


def encoder(X, C, p, epsilon, masks):
    r"""(9), lines 17 to 26: from a user's items to z, and the KL term of (5)."""
    (B, M), K = X.shape, C.shape[1]
    share, pull_share = unit((X[:, None, :] * C.T.copy()).reshape(B * K, M))  # (B K, M)
    ab, pull_f = f_nn(share @ p["T"], p, masks)  # line 19: (B K, 2d)
    a, b = np.split(ab, 2, axis=1)  # (B K, d) each
    mu, pull_mu = unit(a)  # line 20: (B K, d)
    sigma = SIGMA0 * np.exp(-b / 2)  # line 21: (B K, d)
    z = mu + epsilon * sigma  # line 25: (B K, d)
    kl = 0.5 * (np.exp(-b) + b - 1 + mu**2 / SIGMA0**2).sum() / B  # line 26

    def pullback(dz, dkl):
        da = pull_mu(dz + dkl * mu / SIGMA0**2 / B)
        db = -0.5 * dz * epsilon * sigma + 0.5 * dkl * (1 - np.exp(-b)) / B
        dA, gradients = pull_f(np.concatenate([da, db], axis=1))
        gradients["T"] = share.T @ dA
        dC = X[:, None, :] * pull_share(dA @ p["T"].T).reshape(B, K, M)  # each user's part
        return dC.sum(axis=0).T, gradients

    return z, kl, pullback


def decoder(z, C, H):
    r"""(7) and (8), lines 27 to 30: ln p_ui, how likely the user takes each item."""
    s, pull_s = cosine(z, H)  # (B K, M)
    E, CT = np.exp(s).reshape(-1, *C.T.shape), C.T.copy()  # (B, K, M), (K, M)
    P = (E * CT).sum(axis=1)  # line 28: (B, M)
    log_p, pull_softmax = log_softmax(np.log(P))  # line 29: (B, M)

    def pullback(dlog_p):
        dC = (pull_softmax(dlog_p) / P)[:, None, :] * E  # each user's part: (B, K, M)
        dz, dH = pull_s((dC * CT).reshape(s.shape))
        return dz, dC.sum(axis=0).T, dH

    return log_p, pullback


def loss_and_gradients(p, X, targets, beta, gumbel, epsilon, *masks):
    r"""(5) and (11), lines 31 to 34; X (B, M) is 0/1, targets (M, K) categories, 0 if unknown."""
    B, known = len(X), max(targets.sum(), 1)
    log_C, pull_clustering = prototype_clustering(p["H"], p["m"], gumbel)  # line 31: (M, K)
    C = np.exp(log_C)
    z, kl, pull_encoder = encoder(X, C, p, epsilon, masks)  # line 32: (B K, d) and a number
    log_p, pull_decoder = decoder(z, C, p["H"])  # line 33: (B, M)
    reconstruction = (X * log_p).sum() / B  # (2), a mean over users
    categorical = -(targets * log_C).sum() / known  # (11), over the items of known category
    loss = -reconstruction + beta * kl + CATEGORY_WEIGHT * categorical  # line 34, its sign changed

    dz, dC_decoder, dH_decoder = pull_decoder(-X / B)
    dC_encoder, gradients = pull_encoder(dz, beta)
    dlog_C = C * (dC_encoder + dC_decoder) - CATEGORY_WEIGHT * targets / known
    dH_clustering, gradients["m"] = pull_clustering(dlog_C)
    gradients["H"] = dH_clustering + dH_decoder  # each use of h adds its part
    return (loss, reconstruction, kl, categorical), gradients


def adam(p, gradients, moments, step):
    r"""Line 35: one step of Adam, in place, with L2 in the gradient; steps count from 1."""
    for name, (mean, square) in moments.items():
        g = gradients[name] + L2 * p[name]
        mean += 0.1 * (g - mean)
        square += 0.001 * (g**2 - square)
        root = np.sqrt(square / (1 - 0.999**step)) + 1e-8
        p[name] -= LEARNING_RATE * mean / (1 - 0.9**step) / root


def training(X, targets, rng):
    r"""Epochs over the users of X (N, M): yields the number, the parameters and the mean loss."""
    p, step, K = initial_parameters(X, targets, rng), 0, targets.shape[1]
    moments = {name: (np.zeros_like(x), np.zeros_like(x)) for name, x in p.items()}
    for epoch in range(1, EPOCHS + 1):
        losses = []
        for users in np.split(rng.permutation(len(X)), range(BATCH_SIZE, len(X), BATCH_SIZE)):
            n = len(users) * K
            masks = [(rng.random((n, q)) >= DROPOUT) / (1 - DROPOUT) for q in [D, *HIDDEN][:-1]]
            drawn = rng.gumbel(size=targets.shape), rng.standard_normal((n, D)), *masks
            noise = [x.astype(X.dtype) for x in drawn]  # (M, K), (B K, d), (B K, width) each
            beta = BETA * min(1, step / ANNEAL_STEPS)  # the KL term comes in slowly
            terms, gradients = loss_and_gradients(p, X[users], targets, beta, *noise)
            step += 1
            adam(p, gradients, moments, step)
            losses.append(terms[0])
        yield epoch, p, np.mean(losses)


def predict(p, X):
    r"""ln p_ui without noise, (B, M): at test time c_i = softmax(s_i) and z = mu."""
    C = np.exp(log_softmax(cosine(p["H"], p["m"])[0])[0])
    return decoder(encoder(X, C, p, 0.0, [1.0] * len(HIDDEN))[0], C, p["H"])[0]


def ndcg(scores, part, k=100):
    r"""Mean NDCG@k of the users of `part`, some of whose items are shown and some held out."""
    shown, held_out = part.fold_in.toarray(), part.held_out.toarray()  # (B, M) each
    ranked = np.argsort(np.where(shown, np.inf, -scores), axis=1, kind="stable")[:, :k]
    gain = 1 / np.log2(np.arange(2, ranked.shape[1] + 2))
    best = np.cumsum(gain)[np.minimum(held_out.sum(axis=1), k).astype(int) - 1]
    return np.mean(np.take_along_axis(held_out, ranked, axis=1) @ gain / best)


if __name__ == "__main__":
    from macrid.data import shop, splits  # the page above needs NumPy alone

    interactions = shop.make()
    split = splits.split(interactions, "holdout", seed=98765)
    X, names = split.train.toarray(), np.array(interactions.item_categories(split.items))
    targets = (names[:, None] == np.array(shop.CATEGORIES)).astype(X.dtype)
    for epoch, p, loss in training(X, targets, np.random.default_rng(0)):
        score = ndcg(predict(p, split.validation.fold_in.toarray()), split.validation)
        print(f"epoch {epoch:2}  loss {loss:.2f}  validation NDCG@100 {score:.4f}", flush=True)
    score = ndcg(predict(p, split.test.fold_in.toarray()), split.test)
    print(f"test NDCG@100 {score:.4f}; popularity {ndcg(X.sum(axis=0), split.test):.4f}")
