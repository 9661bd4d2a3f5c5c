"""Execute the notebooks from scratch: `python tutorials/build.py [NAME ...]`, NAME such as 08 or
08_backpropagation.

NN_*.py (jupytext, py:percent) is what is written by hand; the paired NN_*.ipynb, made here, holds
the outputs, so that it reads well in a browser. Its first figure (or that of THUMBNAIL_FROM)
becomes images/NN_*.png, the thumbnail of the index. Nothing that differs from run to run is kept:
no times, no random ids, no state of widgets; nor anything of MovieLens, which is not ours to
publish. `--check` writes nothing and fails on an error. `--listings` executes nothing: it puts the
sources that the notebooks show as they are now, for when only comments or docstrings have changed.
"""

import argparse
import ast
import base64
import inspect
import io
import os
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "jupytext": {"formats": "ipynb,py:percent"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
THUMBNAIL = (320, 200)
# which figure, counted from 0, where it is not the first
THUMBNAIL_FROM = {"04_kl": 1, "05_prototypes": 1, "06_encoder": 1}


def sources(names=()):
    """The notebooks' .py files in reading order; `names` chooses by number or by name."""
    notebooks = sorted(HERE.glob("[0-9][0-9]_*.py"))
    prefixes = tuple(Path(name).stem for name in names)
    for prefix in prefixes:
        if not any(path.stem.startswith(prefix) for path in notebooks):
            there_are = ", ".join(path.stem for path in notebooks)
            sys.exit(f"{prefix}: no such notebook; there are {there_are}")
    return [path for path in notebooks if path.stem.startswith(prefixes or "")]


def executed(path):
    """The notebook of a .py file with the outputs of a fresh kernel, or CellExecutionError."""
    notebook = jupytext.read(path)
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number:02d}", nbformat.from_dict({})
    paths = filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "MACRID_MOVIELENS": "none", "PYTHONPATH": os.pathsep.join(paths)}
    options = {"timeout": None, "kernel_name": "python3"}
    options |= {"record_timing": False, "coalesce_streams": True}
    here = {"metadata": {"path": str(HERE)}}  # the folder that the kernel starts in
    NotebookClient(notebook, resources=here, **options).execute(env=environment)
    for cell in code(notebook):
        kept = (output for output in cell.outputs if WIDGET not in output.get("data", {}))
        cell.outputs = [tidy(output) for output in kept]
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def code(notebook):
    """The code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(notebook):
    """The functions whose source the notebook shows, in order."""
    statements = [node for cell in code(notebook) for node in ast.parse(cell.source).body]
    imports = [node for node in statements if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {}
    exec(compile(ast.Module(imports, []), "the imports of a notebook", "exec"), names)
    calls = [node.value for node in statements if ast.unparse(node).startswith("show(")]
    return [eval(ast.unparse(argument), names) for call in calls for argument in call.args]


def listings(notebook):
    """The outputs that `show` has made, in order."""
    outputs = [
        output for cell in code(notebook) if "show(" in cell.source for output in cell.outputs
    ]
    return [output for output in outputs if "text/html" in output.get("data", {})]


def relisted(path):
    """The committed notebook of a .py file with the listings of today."""
    from IPython.core.formatters import DisplayFormatter
    from IPython.display import Code

    notebook = nbformat.read(path.with_suffix(".ipynb"), as_version=4)
    for function, output in zip(shown(notebook), listings(notebook), strict=True):
        listing = Code(inspect.getsource(function), language="python")
        output.data = nbformat.from_dict(DisplayFormatter().format(listing)[0])
        tidy(output)
    return notebook


def tidy(output):
    """An output without addresses in memory or a LaTeX twin, its picture in few colours."""
    data = output.get("data", {})
    if "image/png" in data:
        data["image/png"] = base64.b64encode(smaller(base64.b64decode(data["image/png"]))).decode()
    if "text/html" in data:
        data.pop("text/latex", None)
    if "text/plain" in data:
        data["text/plain"] = re.sub(r" at 0x[0-9a-f]+", "", data["text/plain"])
    return output


def smaller(png, colours=256):
    """The PNG with a palette, if that saves anything."""
    from PIL import Image

    out, picture = io.BytesIO(), Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(colours, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return min(png, out.getvalue(), key=len)


def pictures(notebook):
    """The PNGs among a notebook's outputs, as bytes."""
    data = [output.get("data", {}) for cell in code(notebook) for output in cell.outputs]
    return [base64.b64decode(shown["image/png"]) for shown in data if "image/png" in shown]


def thumbnail(png):
    """A small PNG of a large one."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return smaller(out.getvalue(), 64)


def main():
    """Execute what is asked for and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", help="notebooks by number or name; all if left out")
    parser.add_argument("--check", action="store_true", help="execute without writing")
    parser.add_argument("--listings", action="store_true", help="only the sources shown, as now")
    flags = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    for path in sources(flags.names):
        print(path.stem, flush=True)
        notebook = relisted(path) if flags.listings else executed(path)
        if flags.check:
            continue
        nbformat.write(notebook, path.with_suffix(".ipynb"))
        figures = pictures(notebook)
        if figures:
            small = thumbnail(figures[THUMBNAIL_FROM.get(path.stem, 0)])
            (HERE / "images").mkdir(exist_ok=True)
            (HERE / "images" / f"{path.stem}.png").write_bytes(small)


if __name__ == "__main__":
    main()
