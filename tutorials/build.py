"""Execute the notebooks from scratch: `python tutorials/build.py [NAME ...]`, NAME such as 08 or
08_backpropagation.

NN_*.py (jupytext, py:percent) is what is written by hand; the paired NN_*.ipynb, made here, holds
the outputs, so that it reads well in a browser. Its first figure (or that of THUMBNAIL_FROM)
becomes images/NN_*.png, the thumbnail of the index. Nothing that differs from run to run is kept:
no random ids, no state of widgets; nor anything of MovieLens, which is not ours to publish.
`--check` writes nothing and fails on an error. `--listings` executes nothing: it puts the sources
that the notebooks show, and their words, as they are now, for when no code of theirs has changed.

Two marks in the .py make exercises. A code cell that begins with `# your turn` holds a stub for the
reader to fill; the next begins with `# solution` and answers it (folded). The twin in blank/, made
here too, leaves out the answers and all outputs. What stands between a title and the first
paragraph is kept here as well: the way to the other notebooks, the CPU seconds of one core, as
measured, and the graph with "you are here".
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

import graph
import jupytext
import nbformat
from figures import still
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "jupytext": {"formats": "ipynb,py:percent"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
STUB, ANSWER = "# your turn", "# solution"
FOLDED = {"jupyter": {"source_hidden": True}, "tags": ["hide-input"]}
# what the kernel of a twin needs first
FROM_BLANK = """# lesson.py, and what else the cells read, is in the folder above blank/
import os

if os.path.basename(os.getcwd()) == "blank":
    os.chdir("..")"""
THUMBNAIL = (320, 200)
# which figure, counted from 0, where it is not the first
THUMBNAIL_FROM = {"04_kl": 2, "05_prototypes": 1, "06_encoder": 1}


def sources(names=()):
    """The notebooks' .py files in reading order; `names` chooses by number or by name."""
    notebooks = sorted(HERE.glob("[0-9][0-9]_*.py"))
    prefixes = tuple(Path(name).stem for name in names)
    for prefix in prefixes:
        if not any(path.stem.startswith(prefix) for path in notebooks):
            there_are = ", ".join(path.stem for path in notebooks)
            sys.exit(f"{prefix}: no such notebook; there are {there_are}")
    return [path for path in notebooks if path.stem.startswith(prefixes or "")]


def read(path):
    """The notebook of a .py file, not executed."""
    notebook = jupytext.read(path)
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{number:02d}", nbformat.from_dict({})
        if cell.source.startswith(ANSWER):
            cell.metadata = nbformat.from_dict(FOLDED)
    return notebook


def executed(path):
    """The notebook of a .py file with the outputs of a fresh kernel, and the CPU seconds it took;
    or CellExecutionError.
    """
    notebook = read(path)
    notebook.cells.append(nbformat.v4.new_code_cell("import time; print(time.process_time())"))
    paths = filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # unless it is set
    environment = {**threads, **os.environ, "MACRID_MOVIELENS": "none"}
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    options = {"timeout": None, "kernel_name": "python3"}
    options |= {"record_timing": False, "coalesce_streams": True}
    here = {"metadata": {"path": str(HERE)}}  # the folder that the kernel starts in
    NotebookClient(notebook, resources=here, **options).execute(env=environment)
    seconds = float(notebook.cells.pop().outputs[0].text)
    for cell in code(notebook):
        kept = (output for output in cell.outputs if WIDGET not in output.get("data", {}))
        cell.outputs = [tidy(output) for output in kept]
    notebook.metadata = nbformat.from_dict(METADATA)
    return notebook, seconds


def head(path, seconds):
    """What stands under the title of a notebook: four lines."""
    paths = sources()
    place = paths.index(path)
    before = [f"[← {each.stem[:2]}]({each.stem}.ipynb) · " for each in paths[:place][-1:]]
    after = [f" · [{each.stem[:2]} →]({each.stem}.ipynb)" for each in paths[place + 1 :][:1]]
    blank = f"[this one, to fill in yourself](blank/{path.stem}.ipynb)"
    links = "".join([*before, "[all notebooks](README.md)", *after])
    drawing = f"![Algorithm 1 as a graph: you are here](images/{path.stem}.svg)"
    return [f"{links} ·", f"{blank}. It takes some {seconds} CPU seconds.", "", drawing]


def headed(path, seconds):
    """Write its head into a .py file: two digits, left alone if they are right to a third."""
    lines = path.read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("# # ")) + 2
    kept = int(float(f"{max(seconds, 1):.2g}"))
    if lines[at + 1].endswith(" CPU seconds."):
        known = int(lines[at + 1].split()[-3])
        kept = known if 3 / 4 < seconds / known < 4 / 3 else kept
        del lines[at : at + 5]
    lines[at:at] = [f"# {line}".rstrip() for line in [*head(path, kept), ""]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def blank(path):
    """The twin of a notebook for the reader to fill in: neither answers nor outputs."""
    notebook = read(path)
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith(ANSWER)]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = from_blank(cell.source, path.stem)
    notebook.cells.insert(1, nbformat.v4.new_code_cell(FROM_BLANK))
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
    return notebook


def from_blank(words, stem):
    """A markdown cell without folded solutions, its links as they are from blank/."""
    words = re.sub(
        r"<details><summary>Solution</summary>.*?</details>\n*", "", words, flags=re.DOTALL
    ).rstrip()
    own = f"[this one, to fill in yourself](blank/{stem}.ipynb)"
    words = words.replace(own, f"[this one, with the answers](../{stem}.ipynb)")
    return re.sub(r"\]\((?!https?:|#|\d\d_\w+\.ipynb|\.\./\d\d_)", "](../", words)


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


def touched(notebook):
    """The outputs that `touch` has made: (name of the figure, output)."""
    for cell in code(notebook):
        for output in cell.outputs:
            html = output.get("data", {}).get("text/html", "")
            for name in re.findall(r'data-touch="(\w+)"', html)[:1]:
                yield name, output


def reworded(path):
    """The committed notebook of a .py file with the words, listings and live figures of today."""
    from IPython.core.formatters import DisplayFormatter
    from IPython.display import Code

    notebook = read(path)
    committed = code(nbformat.read(path.with_suffix(".ipynb"), as_version=4))
    if [cell.source for cell in code(notebook)] != [cell.source for cell in committed]:
        sys.exit(f"{path.stem}: its code has changed; it has to be executed")
    for cell, as_executed in zip(code(notebook), committed, strict=True):
        cell.outputs, cell.execution_count = as_executed.outputs, as_executed.execution_count
    for function, output in zip(shown(notebook), listings(notebook), strict=True):
        listing = Code(inspect.getsource(function), language="python")
        output.data = nbformat.from_dict(DisplayFormatter().format(listing)[0])
        tidy(output)
    for name, output in touched(notebook):
        output.data["text/html"] = still.html(name)
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
    parser.add_argument(
        "--listings", action="store_true", help="only the words and the sources shown"
    )
    flags = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    for path in sources(flags.names):
        print(path.stem, flush=True)
        if flags.listings:
            notebook = reworded(path)
        else:
            notebook, seconds = executed(path)
            print(f"  {seconds:.0f} CPU seconds", flush=True)
        if flags.check:
            continue
        if not flags.listings:
            headed(path, seconds)
            notebook.cells[0].source = read(path).cells[0].source
        nbformat.write(notebook, path.with_suffix(".ipynb"))
        for folder in ("blank", "images"):
            (HERE / folder).mkdir(exist_ok=True)
        nbformat.write(blank(path), HERE / "blank" / f"{path.stem}.ipynb")
        drawing = graph.svg(graph.HERE[path.stem])
        (HERE / "images" / f"{path.stem}.svg").write_text(drawing, encoding="utf-8")
        figures = pictures(notebook)
        if figures:
            small = thumbnail(figures[THUMBNAIL_FROM.get(path.stem, 0)])
            (HERE / "images" / f"{path.stem}.png").write_bytes(small)


if __name__ == "__main__":
    main()
