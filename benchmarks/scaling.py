"""How the cost grows: of a step in B, K, d, M; of an epoch in N; of recommending in users.

    python benchmarks/scaling.py [--backend numpy] [--repeats 5] [--plot docs/images/scaling.png]

One size at a time is varied from a base point (B=256, K=4, d=100, M=8,000). At each point the step,
its bare matrix products (the floor: three (B, d) by (d, M) products a concept) and the plain twin
are timed in turn; medians are printed as Markdown with the spread from fastest to slowest, and
drawn. An epoch's floor is its steps' bare products; recommending's floor is one (B, d) by (d, M)
product a concept. Peak memory is what NumPy allocates during a step beyond what stands before it
(not on a device).
"""

import argparse

import numpy as np
from step import bare_products, peak_bytes, plain_step, random_users, setting, step, timed

from macrid import backend, model
from macrid.config import Config
from macrid.training import adam
from macrid.training.batch import epoch_batches

BASE = {"B": 256, "K": 4, "d": 100, "M": 8000}
VARIED = {
    "B": (64, 128, 256, 512, 1024),
    "K": (1, 2, 4, 8, 16),
    "d": (25, 50, 100, 200, 400),
    "M": (2000, 4000, 8000, 16000, 32000),
}
MEANING = {
    "B": "users of a batch, B",
    "K": "concepts, K",
    "d": "dimensions of a concept, d",
    "M": "items, M",
}
CURVES = (  # (place in a point, label, marker, colour)
    (3, "plain twin", "s", "#D55E00"),
    (2, "macrid", "o", "#0072B2"),
    (1, "bare matrix products", "^", "#555555"),
)
USERS = (1000, 2000, 4000, 8000)
PLAIN_LIMIT = 1 << 27  # elements of (B, K, M) beyond which the plain twin is left out


def step_point(xp, repeats, B, K, d, M):
    """Seconds of the step, its floor and its plain twin at these sizes; the step's peak memory."""
    config = Config(K=K, d=d, batch_size=B)
    X, parameters, z, out, rng = setting(xp, config, M)
    moments = adam.start(parameters)
    functions = {
        "bare products": lambda: bare_products(xp, z, parameters["H"], out),
        "step": lambda: step(xp, parameters, moments, X, config, rng),
    }
    if B * K * M <= PLAIN_LIMIT:
        functions["plain"] = lambda: plain_step(xp, parameters, moments, X, config, rng)
    seconds = timed(functions, repeats, xp)
    return seconds, peak_bytes(functions["step"]) if xp is np else None


def epoch_point(xp, repeats, N):
    """Seconds of an epoch over N users, noise, steps and Adam, and of its floor."""
    config = Config(K=BASE["K"], d=BASE["d"], batch_size=BASE["B"])
    _, parameters, z, out, rng = setting(xp, config, BASE["M"])
    X = random_users(N, BASE["M"], rng)
    moments = adam.start(parameters)

    def epoch():
        for batch, noise in epoch_batches(X, config, 1, xp):
            noise = backend.to_device(xp, noise)
            _, gradients = model.loss_and_gradients(parameters, batch, noise, config, config.beta)
            adam.update(parameters, gradients, moments, 10, config)

    def floor():
        for _ in range(N // BASE["B"]):
            bare_products(xp, z, parameters["H"], out)

    return timed({"bare products": floor, "epoch": epoch}, repeats, xp)


def recommend_point(xp, repeats, B, M, d=200, K=4):
    """Seconds of the 20 best of M items for B users, 500 at a time, and of the floor."""
    config = Config(K=K, d=d, batch_size=500)
    X, parameters, z, out, _ = setting(xp, config, M)

    def recommend():
        for _ in range(B // 500):
            backend.to_host(model.rank(parameters, X, config, 20)[0])

    def floor():
        for _ in range(B // 500):
            for z_k in z:
                xp.matmul(z_k, parameters["H"].T, out=out)

    return timed({"bare products": floor, "recommend": recommend}, repeats, xp)


def row(what, size, seconds, name, peak=None):
    """Print a line of the table; return its point of the curves, (size, floor, median, plain)."""
    floor, median = np.median(seconds["bare products"]), np.median(seconds[name])
    plain = np.median(seconds["plain"]) if "plain" in seconds else None
    spread = f"{min(seconds[name]):.4f} to {max(seconds[name]):.4f}"
    plain_ratio = f"{plain / median:.1f}" if plain else ""
    memory = f"{peak / 1e6:.0f}" if peak else ""
    print(
        f"| {what} | {size:,} | {floor:.4f} | {median:.4f} | {spread} | {median / floor:.2f} |"
        f" {plain_ratio} | {memory} |",
        flush=True,
    )
    return size, floor, median, plain


def plot(points, path):
    """One panel for each size: floor, step and plain twin against it, both axes logarithmic."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure = Figure(figsize=(12, 6.6), layout="constrained", facecolor="white")
    for axis, (title, rows) in zip(figure.subplots(2, 3).flat, points.items()):
        sizes = [row[0] for row in rows]
        for column, label, marker, colour in CURVES:
            seconds = [row[column] for row in rows]
            if any(seconds):
                milliseconds = [np.nan if value is None else 1000 * value for value in seconds]
                axis.plot(sizes, milliseconds, marker=marker, color=colour, label=label)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_xlabel(title)
        axis.set_ylabel("milliseconds")
        axis.grid(True, which="both", color="#dddddd", linewidth=0.6)
        axis.legend(frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)


def main():
    """Measure, print, draw."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--backend", default="numpy", choices=backend.NAMES)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--plot", help="write the curves to this PNG or SVG file")
    flags = arguments.parse_args()
    backend.keep_freed_memory()
    xp = backend.load(flags.backend)
    base = ", ".join(f"{name}={size:,}" for name, size in BASE.items())
    print(
        f"{backend.device_name(xp)}; base point {base}\n\n"
        "| varied | to | floor s | median s | fastest to slowest | ratio to floor |"
        " plain twin / ours | peak MB |\n|---|---|---|---|---|---|---|---|"
    )
    points = {}
    for name, sizes in VARIED.items():
        points[f"a step: {MEANING[name]}"] = rows = []
        for size in sizes:
            seconds, peak = step_point(xp, flags.repeats, **{**BASE, name: size})
            rows.append(row(f"step, {name}", size, seconds, "step", peak))
    points["an epoch: users, N"] = [
        row("epoch, N", N, epoch_point(xp, flags.repeats, N), "epoch") for N in USERS
    ]
    points["20 best items for 2,000 users: items, M"] = [
        row("recommend, M", M, recommend_point(xp, flags.repeats, 2000, M), "recommend")
        for M in (2000, 10000, 50000)
    ]
    if flags.plot:
        plot(points, flags.plot)


if __name__ == "__main__":
    main()
