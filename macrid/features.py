"""`python -m macrid.features`: a folder of pictures to a file of AlexNet features."""

import sys
from pathlib import Path

from macrid import files, terminal
from macrid.errors import UserError
from macrid.pictures.alexnet import CONVENTIONS, AlexNet
from macrid.pictures.features import (
    chunks_beside,
    extract,
    in_folder,
    read_amazon,
    remove_chunks,
    report,
    save,
)


def main(argv: list[str] | None = None) -> None:
    """Extract the features of a folder of pictures, or convert Amazon's."""
    flags = _flags(argv)
    out = Path(flags.out)
    files.check_file(out)
    ids = _ids(flags.ids) if flags.ids else None
    chunks = None
    if flags.amazon:
        extracted = read_amazon(flags.amazon, ids)
    else:
        if not flags.alexnet:
            raise UserError("--pictures needs --alexnet FILE; get one with data_scripts/alexnet.py")
        net = AlexNet(flags.alexnet, flags.convention)
        pictures = in_folder(flags.pictures)
        pictures = [(name, path) for name, path in pictures if ids is None or name in ids]
        if out.is_file() or not out.exists():
            chunks = chunks_beside(out)
        with terminal.bar(flags.quiet, total=len(pictures), unit=" pictures") as bar:
            try:
                extracted = extract(net, pictures, chunks, bar.update)
            except KeyboardInterrupt:
                remedy = "run the same command again to continue"
                raise KeyboardInterrupt(f"interrupted; {remedy}") from None
    save(out, extracted)
    if chunks:
        remove_chunks(chunks)
    say = terminal.say(flags.quiet)
    say(*report(extracted), f"saved     {out}")


def _flags(argv):
    arguments = terminal.parser(
        "features",
        "AlexNet features of pictures, for `macrid.train --features`.",
        "python -m macrid.features --pictures posters --alexnet bvlcalexnet-12.onnx --out"
        " features.npz",
    )
    source = arguments.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--pictures", help="a folder of pictures named <item id>.jpg (png, gif, webp, bmp, tiff)"
    )
    source.add_argument("--amazon", help="Amazon's image_features_*.b instead of pictures")
    arguments.add_argument("--alexnet", help="an AlexNet ONNX file, see data_scripts/alexnet.py")
    arguments.add_argument(
        "--convention",
        choices=CONVENTIONS,
        help="how pixels enter it (default: guessed from the graph)",
    )
    arguments.add_argument("--ids", help="keep only the item ids of this text file, one a line")
    arguments.add_argument(
        "--out",
        required=True,
        help="the feature file to write (.npz); an interrupted run continues",
    )
    terminal.add_quiet_flag(arguments)
    return arguments.parse_args(argv)


def _ids(path):
    """The item ids of a text file."""
    try:
        return set(Path(path).read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error}); give a text file of item ids") from None


if __name__ == "__main__":
    sys.exit(terminal.run(main))
