"""What the notebooks share: `show` prints macrid's own source, `figure_style` sets the look of the
figures, `progress` tells that a long cell is at work.
"""

import inspect

import matplotlib.pyplot as plt
from figures import still
from IPython.display import HTML, Code, display
from tqdm.auto import tqdm

from macrid.config import Config
from macrid.data import shop, splits
from macrid.interpret.drawing import COLOURS

INK, GREY = "#333333", "#999999"


def show(*functions):
    """Display the source of functions of macrid, as they are."""
    for function in functions:
        display(Code(inspect.getsource(function), language="python"))


def touch(name):
    """Display a figure of figures/ that one can touch, or where nothing runs, a still picture."""
    display(HTML(still.html(name)))


def progress(steps, what=""):
    """A bar while a long cell goes through `steps`; gone when it is done."""
    return tqdm(steps, desc=what, leave=False)


def figure_style():
    """Okabe and Ito's colours, safe for colour-blind eyes; legible type; small files."""
    plt.rcParams.update(
        {
            "figure.dpi": 80,
            "savefig.dpi": 80,
            "font.size": 10,
            "axes.prop_cycle": plt.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "figure.constrained_layout.use": True,
        }
    )


def the_shop(**options):
    """The shop as most notebooks train on it: (the shop, its split, the options). Its own options,
    but started from the adoptions, without pictures, without labels, for 40 epochs.
    """
    made = shop.make()
    defaults = {"start": "adoptions", "alexnet": "", "category_weight": 0.0, "max_epochs": 40}
    config = Config(**{**shop.OPTIONS, **defaults, **options})
    return made, splits.split(made, config.split, config.split_seed), config
