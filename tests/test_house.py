"""The house rules that a machine can hold: which room may use which, what is imported, how wide."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest
from helpers import ROOT

PACKAGE = ROOT / "macrid"
MODULES = sorted(PACKAGE.rglob("*.py"))

# What each room, or file at the top, may import of the others; the model knows of no files.
GROUND = {"errors", "early", "backend", "files", "npz", "config"}
COMMAND = GROUND | {"terminal", "run_folder", "model", "data", "training", "evaluation"}
MAY_USE = {
    "errors": set(),
    "early": set(),
    "backend": {"errors"},
    "files": {"errors"},
    "npz": {"errors", "files"},
    "config": {"errors"},
    "model": {"backend", "errors"},
    "model.plain": {"data"},  # the page runs by itself: it shows its training on the shop
    "data": {"errors", "files"},
    "evaluation": {"backend", "errors", "model", "data"},
    "pictures": {"errors", "files", "npz"},
    "training": GROUND | {"model", "data", "evaluation"},
    "baselines": GROUND | {"model", "data", "evaluation", "training"},
    "run_folder": GROUND | {"model", "data", "training", "evaluation", "pictures"},
    "suited": GROUND,
    "model_file": GROUND | {"model", "data", "training", "evaluation"},
    "recommender": GROUND
    | {"model", "data", "training", "evaluation", "pictures", "run_folder", "suited"}
    | {"model_file"},
    "interpret": GROUND | {"model", "data", "evaluation", "pictures", "run_folder"},
    "experiments": GROUND
    | {"model", "data", "training", "evaluation", "baselines", "run_folder", "interpret"}
    | {"suited"},
    "terminal": {"early", "errors", "backend", "config", "evaluation"},
    "train": COMMAND | {"baselines", "interpret", "recommender", "suited"},
    "evaluate": COMMAND | {"interpret"},
    "recommend": COMMAND | {"recommender"},
    "control": COMMAND | {"interpret"},
    "figures": COMMAND | {"interpret", "experiments", "train"},
    "report": COMMAND | {"interpret", "pictures"},
    "features": COMMAND | {"pictures"},
    "tune": COMMAND | {"experiments", "interpret", "suited"},
    "reproduce": COMMAND | {"experiments", "interpret", "baselines", "__init__"},
    "doctor": COMMAND,
    "__main__": {"errors", "terminal", "__init__"},
    "__init__": {"early", "config", "data", "errors", "recommender"},
}


def module_name(path):
    """'model.ops' of macrid/model/ops.py; a room's face is 'model.__init__'."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def room_of(module):
    """The room of a module, or its own name where the table has it."""
    return module if module in MAY_USE else module.split(".")[0]


def imports(source):
    """All that a source text imports, wherever it does, as 'package.module' or 'module.name'."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used_modules(source):
    """The modules of macrid that a source text imports, by `module_name`."""
    known = {module_name(path) for path in MODULES}
    for name in imports(source):
        parts = name.split(".")
        if parts[0] != "macrid":
            continue
        for end in range(len(parts), 0, -1):
            candidate = ".".join(parts[1:end])
            if candidate in known:
                yield candidate
                break
            if f"{candidate}.__init__".lstrip(".") in known:
                yield f"{candidate}.__init__".lstrip(".")
                break


def forbidden(module, source):
    """The rooms that a module uses though the table does not let its room."""
    own = room_of(module)
    rooms = {room_of(used) for used in used_modules(source)}
    return rooms - MAY_USE[own] - {own, own.split(".")[0]}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_room_uses_only_the_rooms_that_it_may(path):
    assert not forbidden(module_name(path), path.read_text())


def test_a_forbidden_import_is_seen_wherever_it_hides():
    assert forbidden("model.ops", "from macrid import files") == {"files"}
    assert forbidden("model.ops", "def f():\n    from macrid.training.ridge import Ridge") == {
        "training"
    }
    assert forbidden("data.splits", "import macrid.train") == {"train"}
    assert forbidden("interpret.maps", "from macrid.figures import BETAS") == {"figures"}
    assert not forbidden("training.fit", "from macrid.model.scoring import ranker")
    assert not forbidden("data.shop", "from macrid.data import loading")


def test_no_module_is_in_a_circle_not_even_by_a_lazy_import():
    uses = {module_name(path): set(used_modules(path.read_text())) for path in MODULES}
    for face in [name for name in uses if name.endswith("__init__")]:
        for module in uses:  # to import a module is to import its room's face first
            if module.startswith(face.removesuffix("__init__")) and module != face:
                uses[module].discard(face)
    assert list(TopologicalSorter(uses).static_order())  # raises CycleError


def test_the_table_names_what_there_is():
    rooms = {module_name(path).split(".")[0] for path in MODULES}
    assert {name for name in MAY_USE if "." not in name} == rooms


def test_import_is_light_and_warns_of_nothing():
    names = {"matplotlib", "sklearn", "onnxruntime", "onnx", "cupy", "PIL", "pandas", "optuna"}
    words = f"import sys, macrid; print({names} & set(sys.modules) or 'light')"
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", words], capture_output=True, text=True, cwd=ROOT
    )
    assert process.stdout.strip() == "light", process.stdout + process.stderr


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_forbidden_things_are_nowhere(path):
    """No other framework, no pickle, no eval, no bare except; CuPy only in backend.py."""
    source = path.read_text()
    roots = {name.split(".")[0] for name in imports(source)}
    assert not roots & {"torch", "tensorflow", "jax", "pickle"}
    assert "cupy" not in roots or path.name == "backend.py"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec")
        assert not isinstance(node, ast.ExceptHandler) or node.type is not None, "a bare except"


def test_no_line_is_wider_than_a_hundred_columns():
    folders = ("macrid", "tests", "data_scripts", "benchmarks")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    wide = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 100
    ]
    assert len(paths) > 100 and not wide, wide


def test_the_path_that_a_learner_reads_stays_short():
    """The model and what trains it, without the page `plain.py` that comes first."""
    path = "ops prototypes encoder decoder candidates objective scoring".split()
    files = [PACKAGE / "model" / f"{name}.py" for name in path]
    files += [PACKAGE / "training" / f"{name}.py" for name in ("batch", "adam", "fit")]
    assert sum(len(file.read_text().splitlines()) for file in files) < 1300


def test_no_test_reaches_into_private_functions_of_the_package():
    private = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        modules = "|".join({module_name(module).split(".")[-1] for module in MODULES})
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(rf"\b({modules})\._[a-z]\w*", line):
                private.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert not private, "\n".join(private)
