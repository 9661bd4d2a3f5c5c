"""`python -m macrid.figures`: figures as files."""

import sys
from pathlib import Path

from macrid import command, shop
from macrid.checkpoint import replacing
from macrid.interpret import figures


def main(argv=None):
    """Write the figure that shows the embedded shop."""
    arguments = command.parser("figures", "Write the figure that shows the embedded shop.", "python -m macrid.figures --out figures")
    arguments.add_argument("--out", required=True, help="the folder to write shop.png into")
    flags = arguments.parse_args(argv)
    folder = Path(flags.out)
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "shop.png") as file:
        figures.shop_sheet(shop.make()).savefig(file, format="png", dpi=110)
    print(folder / "shop.png")


if __name__ == "__main__":
    sys.exit(command.run(main))
