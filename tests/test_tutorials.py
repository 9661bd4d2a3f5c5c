"""The notebooks: each is executed from scratch, and what is committed is what its .py says and what
the code now is. Pixels are not compared.
"""

import ast
import inspect
import pkgutil
import re
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import sparse

from macrid import model
from macrid.data import shop
from macrid.model import plain
from macrid.training import adam
from macrid.training.batch import draw_noise

jupytext, nbformat, nbclient, *_ = (
    pytest.importorskip(
        name, reason=f'{name} is not installed; pip install ".[tutorials]" to test the notebooks'
    )
    for name in ("jupytext", "nbformat", "nbclient", "ipykernel", "ipywidgets")
)

HERE = Path(__file__).parent
TUTORIALS = HERE.parent / "tutorials"
sys.path.insert(0, str(TUTORIALS))
import build  # noqa: E402
import graph  # noqa: E402
import shopper  # noqa: E402

SOURCES = build.sources()
INDEX = (TUTORIALS / "README.md").read_text(encoding="utf-8")
LARGEST = 400_000  # bytes of an .ipynb: it is read in a browser
LONGEST = 18  # lines of a code cell that are not blank: a cell is for reading
each = pytest.mark.parametrize("path", SOURCES, ids=[path.stem for path in SOURCES])


def committed(path):
    """The notebook beside a .py file, with its outputs as they are committed."""
    return nbformat.read(path.with_suffix(".ipynb"), as_version=4)


@pytest.mark.long
@each
def test_it_runs_from_scratch(path):
    notebook, seconds = build.executed(path)
    assert seconds > 0 and build.pictures(notebook), f"{path.name} draws no figure"


@each
def test_its_twin_is_fresh_and_without_answers(path):
    twin = nbformat.read(TUTORIALS / "blank" / f"{path.stem}.ipynb", as_version=4)
    assert twin == build.blank(path), f"run  python tutorials/build.py --listings {path.stem}"
    words = "\n".join(cell.source for cell in twin.cells)
    assert build.STUB in words, "the reader has something to fill in"
    assert build.ANSWER not in words and "<summary>Solution" not in words
    assert not [cell.outputs for cell in build.code(twin) if cell.outputs]
    text = "\n".join(cell.source for cell in twin.cells if cell.cell_type == "markdown")
    for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (TUTORIALS / "blank" / link).exists(), f"{link} leads nowhere from blank/"


@pytest.mark.long
@each
def test_its_twin_stops_at_the_first_blank(path, tmp_path):
    """What is not filled in is noticed: the cell after the stub does not pass."""
    notebook = build.read(path)
    notebook.cells = [cell for cell in notebook.cells if not cell.source.startswith(build.ANSWER)]
    (tmp_path / path.name).write_text(jupytext.writes(notebook, "py:percent"), encoding="utf-8")
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        build.executed(tmp_path / path.name)


@each
def test_a_stub_is_followed_by_its_answer_and_that_by_a_judge(path):
    cells = [cell for cell in build.read(path).cells if cell.cell_type == "code"]
    for stub, answer, judge in zip(cells, cells[1:], cells[2:]):
        if stub.source.startswith(build.STUB):
            assert answer.source.startswith(build.ANSWER)
            assert any(_asserts(node) for node in ast.walk(ast.parse(judge.source)))
        else:
            assert not answer.source.startswith(build.ANSWER)


@each
def test_its_head_leads_to_the_others_and_says_what_it_costs(path):
    words = build.read(path).cells[0].source.splitlines()
    seconds = int(words[3].split()[-3])
    assert words[2:6] == build.head(path, seconds), f"run  python tutorials/build.py {path.stem}"
    drawing = (TUTORIALS / "images" / f"{path.stem}.svg").read_text(encoding="utf-8")
    assert drawing == graph.svg(graph.HERE[path.stem])


@each
def test_its_cells_are_for_reading(path):
    cells = [cell.source for cell in build.code(build.read(path))]
    long = [cell for cell in cells if len([line for line in cell.splitlines() if line]) > LONGEST]
    assert not long, f"{long[0]}\n\nmove what draws to plots/"


@each
def test_what_is_committed_is_the_source_with_its_outputs(path):
    source, notebook = jupytext.read(path), committed(path)
    again = f"run  python tutorials/build.py {path.stem}"
    contents = lambda notebook: [(cell.cell_type, cell.source) for cell in notebook.cells]
    assert contents(notebook) == contents(source), again
    code = build.code(notebook)
    counts = [cell.execution_count for cell in code if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1)), (
        f"{path.stem} was not executed from top to bottom; {again}"
    )
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs and build.pictures(notebook), f"{path.stem} has no figure; {again}"
    assert not [output for output in outputs if output.output_type == "error"]
    streams = [output for output in outputs if output.output_type == "stream"]
    assert not [output.text for output in streams if output.name == "stderr"], (
        "a warning is printed"
    )
    text = path.with_suffix(".ipynb").read_text(encoding="utf-8")
    assert len(text) < LARGEST, f"{path.stem}.ipynb has {len(text):,} bytes"
    assert not re.search(r"/home/|/tmp/|/work/|/Users/", text), "a path of the machine is in it"


@each
def test_the_source_that_it_shows_is_the_source_as_it_is(path):
    """What `show(...)` printed into the committed notebook, against the function now."""
    listings = [output.data["text/plain"] for output in build.listings(committed(path))]
    shown = build.shown(jupytext.read(path))
    for function, listing in zip(shown, listings, strict=True):
        again = f"run  python tutorials/build.py --listings {path.stem}"
        assert listing.strip() == inspect.getsource(function).strip(), again


@each
def test_no_line_is_wider_than_the_others_but_rows_of_tables(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    wide = [line for line in lines if len(line) > 100 and not line.startswith("# |")]
    assert not wide


@each
def test_every_displayed_identity_is_asserted(path):
    """A display ($$) outside a folded solution is followed by a code cell with an assert, before
    the next display.

    Markdown cells in a row count as one, and cells that only show source are passed over.
    """
    waiting, asserts = None, 0
    for cell in jupytext.read(path).cells:
        unfolded = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
        if cell.cell_type == "markdown" and "$$" in unfolded:
            assert waiting is None or waiting == "no code yet", (
                f"no assert between two displays, before: {cell.source[:200]}"
            )
            waiting = "no code yet"
        elif cell.cell_type == "code":
            tree = ast.parse(cell.source)
            if all(ast.unparse(statement).startswith("show(") for statement in tree.body):
                continue
            here = sum(_asserts(node) for node in ast.walk(tree))
            asserts += here
            waiting = None if here or waiting is None else "code without an assert"
    assert waiting is None, "the last display is not asserted"
    assert asserts >= 3, f"{asserts} asserts"


def _asserts(node):
    """Is this an assert, or a call that asserts: NumPy's assert_..., or the gradient checker?"""
    if isinstance(node, ast.Assert):
        return True
    name = ast.unparse(node.func).split(".")[-1] if isinstance(node, ast.Call) else ""
    return name.startswith("assert_") or name in ("check", "check_op", "negative_control")


@each
def test_it_says_what_a_reader_needs(path):
    cells = jupytext.read(path).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert text.startswith("# ") and "minutes" in text, "a title and the time it takes"
    assert text.count("<details>") == text.count("</details>") >= 2, "folded solutions"
    assert "<summary>Solution</summary>" in text
    assert f"]({path.stem}.ipynb)" in INDEX, "it is in the index"
    assert f"images/{path.stem}.png" in INDEX, "and so is its picture"
    assert (TUTORIALS / "images" / f"{path.stem}.png").is_file()


@each
def test_the_functions_and_tests_that_its_table_names_exist(path):
    """A row of `| what | functions | tests |`; a test without a file is of the file before it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("# | ") and re.search(r"`[\w/]*test_", line)]
    rows = [line.rsplit(" | ", 2)[1:] for line in rows]
    assert len(rows) >= 3, "the table of what the notebook showed"
    for functions, tests in rows:
        for name in re.findall(r"`(\w+(?:\.\w+)+)`", functions):
            pkgutil.resolve_name(f"macrid.{name.removeprefix('macrid.')}")
        source = ""
        for file, test in re.findall(r"`(?:([\w/]+\.py)::)?(\w+)`", tests):
            source = (HERE / file).read_text(encoding="utf-8") if file else source
            assert re.search(rf"^def {test}\(", source, re.MULTILINE), f"{path.name}: {test}"


def test_each_equation_has_a_notebook_a_function_and_a_test_that_exist():
    """The table of docs/equations.md: (1) to (12), and what has no number."""
    text = (HERE.parent / "docs" / "equations.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]  # without its head
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    numbered = [f"({n})" for n in range(1, 13)]
    unnumbered = ["line 15", "line 29", "line 35", "4.1.4", "4.4.1"]
    assert [row[0] for row in rows] == numbered + unnumbered
    for equation, _, notebooks, functions, tests in rows:
        links = re.findall(r"\]\(\.\./tutorials/(\w+)\.ipynb\)", notebooks)
        assert links and {path.stem for path in SOURCES} >= set(links), equation
        names = re.findall(r"\[`([\w.]+)`\]\(api/\w+\.md#([\w.]+)\)", functions)
        assert names, equation
        for name, anchor in names:
            assert name == anchor and callable(pkgutil.resolve_name(name)), equation
        places = re.findall(r"\[`(\w+)`\]\(\.\./tests/([\w/]+\.py)\)", tests)
        assert places, equation
        for test, file in places:
            source = (HERE / file).read_text(encoding="utf-8")
            assert re.search(rf"^def {test}\(", source, re.MULTILINE), f"{file}::{test}"
    for equation in numbered:
        assert rf"\qquad {equation}" in text, f"{equation} is written out"


def test_the_links_of_index_and_glossary_lead_somewhere():
    for name in ("README.md", "glossary.md"):
        text = (TUTORIALS / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", text):
            target = "".join(link)
            assert target.startswith("http") or (TUTORIALS / target).exists(), f"{name}: {target}"


def test_the_graph_marks_where_each_notebook_is():
    assert list(graph.HERE) == [path.stem for path in SOURCES]
    for here in graph.HERE.values():
        drawing = ElementTree.fromstring(graph.svg(here))
        frames = [box for box in drawing.findall(".//{*}rect") if box.get("stroke") == graph.MARK]
        assert len(frames) == len(here)  # a thick frame, which needs no eye for colours
        assert {float(box.get("stroke-width")) for box in frames} == {3.5}
        assert len(drawing.findall(".//{*}path")) >= len(graph.ARROWS)
    with pytest.raises(ValueError, match="no such step"):
        graph.svg(("nowhere",))


def test_the_shopper_is_of_the_shop_and_her_model_was_trained():
    """Her row is what she took; the recipe trains the parameters that stand in the file."""
    made, config = shop.make(), shopper.config
    columns = [made.items.tolist().index(item) for item in shopper.ITEMS]
    adopted = made.X[:, columns].toarray().astype(float)
    np.testing.assert_array_equal(adopted[made.users.tolist().index(shopper.NAME)], shopper.x[0])
    X = sparse.csr_array(adopted[adopted.sum(axis=1) >= 2])
    assert X.shape[0] == 360
    config, rng = config.replace(init_deviation=0.5, learning_rate=0.02), np.random.default_rng(11)
    parameters = model.initial_parameters(len(columns), config, rng)
    moments = adam.start(parameters)
    for step in range(1, 301):
        noise = draw_noise(rng, X, config)
        _, gradients = model.loss_and_gradients(
            parameters, X, noise, config, config.beta, shopper.targets
        )
        adam.update(parameters, gradients, moments, step, config)
    for name, written in shopper.parameters.items():
        # half a unit of the last digit written, and what 300 steps make of rounding: the decoder's
        # sums in another order, equal to 1e-15 in a step, ended .033 away
        np.testing.assert_allclose(parameters[name], written, atol=0.05, err_msg=name)


def test_the_shopper_s_numbers_are_the_package_s_and_the_page_s():
    her = shopper.follow()
    terms, _ = model.elbo(
        shopper.parameters, shopper.X, shopper.noise, shopper.config, 0.2, shopper.targets
    )
    for name, term in terms.items():
        assert getattr(her, name) == pytest.approx(term, rel=1e-9), name
    by_the_page, _ = plain.loss_and_gradients(
        shopper.parameters, shopper.x, shopper.targets, 0.2, shopper.GUMBEL, shopper.EPSILON
    )
    assert her.loss == pytest.approx(by_the_page[0], rel=1e-12)
    np.testing.assert_allclose(her.p, her.P / her.Z, rtol=1e-12)
    np.testing.assert_allclose(her.z, her.mu + shopper.EPSILON * her.sigma, rtol=1e-12)


def test_a_letter_of_the_glossary_has_one_meaning_or_is_listed():
    """The first letters of the symbols of all tables: whichever occurs twice is an exception."""
    text = (TUTORIALS / "glossary.md").read_text(encoding="utf-8")
    symbols, _, exceptions = text.partition("## Letters with more than one meaning")
    first_cells = lambda text: [
        row.split("|")[1] for row in re.findall(r"^\|.*", text, re.MULTILINE)
    ]
    in_use = Counter(_letter(s) for cell in first_cells(symbols) for s in _symbols(cell))
    assert {"h", "m", "\\tau", "P"} <= in_use.keys()
    listed = {_letter(s) for cell in first_cells(exceptions) for s in _symbols(cell)}
    twice = {letter for letter, count in in_use.items() if count > 1}
    assert twice <= listed, f"with two meanings and not listed: {sorted(twice - listed)}"
    assert set("STPgw") <= listed


def _symbols(cell):
    """The symbols of a table's cell: what stands between dollars, at commas outside of brackets."""
    inside = re.findall(r"\$([^$]+)\$", cell)
    return [part for math in inside for part in re.split(r"[,;]\s*(?![^{(]*[})])", math)]


def _letter(symbol):
    """Its letter, without font, hat and indices: h of \\mathbf{h}_i, \\tau of \\tau_\\mathrm{g}."""
    fonts = r"\\(?:mathbf|mathcal|mathrm|mathbb|boldsymbol|text|hat|bar)\b|[{} ]"
    plain_symbol = re.sub(fonts, "", symbol)
    return re.match(r"\\[A-Za-z]+|.", plain_symbol).group()
