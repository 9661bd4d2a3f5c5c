"""`python -m macrid.features`: a folder of pictures to a file of AlexNet features."""

import shutil
import sys
from pathlib import Path

from macrid import files, terminal
from macrid.errors import UserError
from macrid.pictures.alexnet import CONVENTIONS, AlexNet
from macrid.pictures.features import extract, in_folder, read_amazon, report, save


def main(argv=None):
    """Extract the features of a folder of pictures, or convert Amazon's."""
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
    arguments.add_argument("--quiet", action="store_true", help="print nothing but errors")
    flags = arguments.parse_args(argv)
    out = Path(flags.out)
    files.check_file(out)
    wanted = None
    if flags.ids:
        try:
            wanted = set(Path(flags.ids).read_text(encoding="utf-8").split())
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{flags.ids}: cannot be read ({error}); give a text file of item ids"
            ) from None
    if flags.amazon:
        found = read_amazon(flags.amazon, wanted)
    else:
        if not flags.alexnet:
            raise UserError("--pictures needs --alexnet FILE; get one with data_scripts/alexnet.py")
        net = AlexNet(flags.alexnet, flags.convention)
        pictures = [
            (name, path)
            for name, path in in_folder(flags.pictures)
            if wanted is None or name in wanted
        ]
        chunks = None if out.exists() and not out.is_file() else out.with_name(out.name + ".chunks")
        with terminal.bar(flags.quiet, total=len(pictures), unit=" pictures") as bar:
            try:
                found = extract(net, pictures, chunks, bar.update)
            except KeyboardInterrupt:
                raise KeyboardInterrupt(
                    "interrupted; run the same command again to continue"
                ) from None
    save(out, found)
    if not flags.amazon and chunks:
        shutil.rmtree(chunks, ignore_errors=True)
    if not flags.quiet:
        print(*report(found), f"saved     {out}", sep="\n")


if __name__ == "__main__":
    sys.exit(terminal.run(main))
