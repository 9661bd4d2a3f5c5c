"""The figures that one can touch, as still pictures and for notebooks.

`python tutorials/figures/still.py` draws each as it first is, in Chromium, into NAME.svg: what is
shown where nothing runs. `--knob RUN` puts a model's chairs into 11_knob.js first, RUN being a
folder of `python -m macrid.train` on the shop.
"""

import argparse
import base64
import json
import shutil
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
NAMES = sorted(path.stem for path in HERE.glob("[0-9]*.js"))
DATA = "  const DATA = "  # the line of 11_knob.js that is made here
CATEGORY = "chair"


def script(*names):
    """The JavaScript of these figures, with what all share."""
    return "\n".join(
        (HERE / f"{name}.js").read_text(encoding="utf-8") for name in ("touch", *names)
    )


def page(*names):
    """A page of these figures and nothing else."""
    places = "".join(f'<figure class="touch" data-touch="{name}"></figure>' for name in names)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    icon = '<link rel="icon" href="data:,">'
    body = f"{places}<script>{script(*names)}\ntouch.mountAll();</script>"
    return f"<!doctype html>{head}{icon}<title>figures</title><body>{body}</body>"


def html(name):
    """A figure for a notebook: alive where scripts run, its still picture elsewhere."""
    svg = base64.b64encode((HERE / f"{name}.svg").read_bytes()).decode()
    picture = f'<img alt="{name}, a figure to touch" src="data:image/svg+xml;base64,{svg}">'
    figure = f'<figure class="touch" data-touch="{name}">{picture}</figure>'
    return f"{figure}<script>{script(name)}touch.mountAll();</script>"


def chairs(run):
    """What 11_knob.js needs of a run: unit rows to three digits, prototypes, attributes, names."""
    from macrid import run_folder
    from macrid.data import shop
    from macrid.interpret import trajectory

    run = run_folder.load(run)
    space, items = trajectory.space(run.parameters, run.settings), run.split.items
    truth = run.interactions.truth
    is_chair = truth.category[items] == list(shop.CATEGORIES).index(CATEGORY)
    k = int(np.bincount(space.concept[is_chair]).argmax())
    inside = np.flatnonzero((space.concept == k) & is_chair)
    adopters = np.asarray(run.split.train.sum(axis=0)).ravel()[inside]
    return {
        "names": run.interactions.items[items[inside]].tolist(),
        "starts": np.argsort(-adopters, kind="stable")[:10].tolist(),
        "tau": run.settings.tau,
        "m": space.m.round(4).tolist(),
        "H": space.H[inside].round(3).tolist(),
        "attributes": truth.attributes[items[inside]].round(2).tolist(),
    }


def main():
    """Draw the still pictures."""
    from selenium import webdriver

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--knob", help="a run folder of the shop, for 11_knob.js")
    flags = parser.parse_args()
    if flags.knob:
        path = HERE / "11_knob.js"
        lines = path.read_text(encoding="utf-8").splitlines()
        at = next(number for number, row in enumerate(lines) if row.startswith(DATA))
        lines[at] = f"{DATA}{json.dumps(chairs(flags.knob), separators=(',', ':'))};"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--no-sandbox", "--headless=new", "--disable-gpu"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        for name in NAMES:
            (HERE / f"{name}.svg").write_text(drawn(driver, name), encoding="utf-8")
            print(HERE / f"{name}.svg")
    finally:
        driver.quit()


def drawn(driver, name):
    """The still picture of a figure, drawn by a browser."""
    driver.get("data:text/html,<title>still</title>")
    driver.execute_script(script(name))
    return driver.execute_script(f"return touch.still({json.dumps(name)})") + "\n"


if __name__ == "__main__":
    main()
