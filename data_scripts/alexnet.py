"""AlexNet weights for `macrid.train --alexnet`: download, check a file, or write random ones."""

from macrid import early  # noqa: F401  # first: the others take their time

# isort: split
import sys
from pathlib import Path

from download import download, hash_of

from macrid import terminal
from macrid.errors import UserError
from macrid.files import replacing
from macrid.pictures.alexnet import FULL_WIDTH, AlexNet, write_random

NAME = "bvlcalexnet-12.onnx"  # BVLC's, from the ONNX model zoo; trained on ImageNet
SHA256 = "6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945"
BYTES = 243_863_787
IN_ZOO = f"validated/vision/classification/alexnet/model/{NAME}"
URLS = (
    f"https://media.githubusercontent.com/media/onnx/models/main/{IN_ZOO}",
    f"https://github.com/onnx/models/raw/main/{IN_ZOO}",
    f"https://huggingface.co/onnxmodelzoo/bvlcalexnet-12/resolve/main/{NAME}",
)


def main(argv=None):
    """Put an AlexNet file at the path that is asked for and say what it is."""
    example = "python data_scripts/alexnet.py --out models/bvlcalexnet-12.onnx"
    arguments = terminal.parser("alexnet", __doc__, example)
    arguments.prog = "python data_scripts/alexnet.py"
    arguments.add_argument(
        "--out", help=f"the file to write (default: {NAME}, or alexnet-random.onnx)"
    )
    arguments.add_argument(
        "--file", help="check this local file instead of downloading; nothing is written"
    )
    arguments.add_argument(
        "--url",
        action="append",
        help="download from this address instead (give --sha256 too if it is another file)",
    )
    arguments.add_argument(
        "--sha256", help="the expected checksum (default: that of the ONNX model zoo's file)"
    )
    arguments.add_argument(
        "--random",
        action="store_true",
        help="write an AlexNet with random weights: works offline, knows nothing",
    )
    arguments.add_argument("--seed", type=int, default=0, help="of the random weights (default: 0)")
    arguments.add_argument(
        "--width",
        type=int,
        default=FULL_WIDTH,
        help=f"of the random network's features (default: {FULL_WIDTH})",
    )
    arguments.add_argument("--quiet", action="store_true", help="print nothing but errors")
    flags = arguments.parse_args(argv)
    if flags.seed < 0:
        raise UserError(f"--seed is {flags.seed}, expected at least 0")
    if flags.random:
        path = Path(flags.out or "alexnet-random.onnx")
        if path.exists():
            raise UserError(f"{path}: is there already; give another --out")
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            write_random(file, flags.seed, flags.width)
    elif flags.file:
        path = Path(flags.file)
    else:
        size = BYTES if flags.sha256 is None else None
        sha256 = flags.sha256 or SHA256
        path = download(flags.url or URLS, flags.out or NAME, sha256, size, flags.quiet)
    net = AlexNet(path)
    if not flags.quiet:
        known = " (the ONNX model zoo's)" if hash_of(path) == SHA256 else ""
        terminal.say()(
            f"{path}: AlexNet, {net.width} features, input convention {net.convention}, SHA-256"
            f" {net.sha256}{known}"
        )
        if net.random:
            terminal.say()(f"NOT TRAINED: {net.random}")


if __name__ == "__main__":
    sys.exit(terminal.run(main))
