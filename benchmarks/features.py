"""Feature extraction against the bare onnxruntime session on the same, already decoded pictures.

    python benchmarks/features.py FOLDER [--pictures 320] [--repeats 5] [--alexnet FILE]

Both are timed in turns, in one run. Without --alexnet: full width, random weights.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from macrid.pictures import alexnet, features
from macrid.pictures.reading import Unreadable, read_square


def main():
    """Print seconds, pictures a second and the ratio."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("folder")
    arguments.add_argument("--pictures", type=int, default=320)
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--alexnet")
    flags = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(flags.alexnet or Path(folder) / "random.onnx")
        if not flags.alexnet:
            with open(path, "wb") as file:
                alexnet.write_random(file)
        net = alexnet.AlexNet(path)
        content = path.read_bytes()
    pictures = features.in_folder(flags.folder)[: flags.pictures]
    squares = []
    for _, path in pictures:
        try:
            squares.append(read_square(path)[0])
        except Unreadable:
            continue
    pixels = alexnet.normalised(np.stack(squares), net.convention)
    size = net.batch or features.BATCH
    whole = len(pixels) // size * size

    import onnxruntime

    options = onnxruntime.SessionOptions()  # the default: all cores work on one batch
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def bare():
        for start in range(0, whole, size):
            session.run(None, {net.input: pixels[start : start + size]})
        return whole

    def extraction():
        return len(features.extract(net, pictures).ids)

    rates = {"bare session": [], "extraction": []}
    for repeat in range(flags.repeats + 1):
        for name, work in (("bare session", bare), ("extraction", extraction)):
            start = time.perf_counter()
            done = work()
            if repeat:  # the first is a warm-up
                rates[name].append(done / (time.perf_counter() - start))
    print("| what | pictures a second, median | slowest to fastest | ratio of medians |")
    print("|---|---|---|---|")
    floor = statistics.median(rates["bare session"])
    for name, values in rates.items():
        median, spread = statistics.median(values), f"{min(values):.1f} to {max(values):.1f}"
        print(f"| {name} | {median:.1f} | {spread} | {floor / median:.2f} |")


if __name__ == "__main__":
    main()
