"""The house rules that a machine can hold: the reading path stays short, imports stay light and go
one way.
"""

import ast
import subprocess
import sys

import pytest
from helpers import ROOT

PACKAGE = ROOT / "macrid"
READING_PATH = (
    "config",
    "data",
    "split",
    "candidates",
    "batch",
    "ops",
    "prototypes",
    "encoder",
    "decoder",
    "model",
    "adam",
    "fit",
    "metrics",
)
COMMANDS = {
    "train",
    "evaluate",
    "figures",
    "report",
    "control",
    "tune",
    "reproduce",
    "features",
    "command",
    "run",
    "doctor",
}


def test_the_path_that_a_learner_reads_stays_short():
    lines = {name: len((PACKAGE / f"{name}.py").read_text().splitlines()) for name in READING_PATH}
    assert sum(lines.values()) < 1500, lines


def test_import_is_light_and_warns_of_nothing():
    heavy = (
        "{'matplotlib', 'sklearn', 'onnxruntime', 'onnx', 'cupy', 'PIL', 'pandas'} &"
        " set(sys.modules)"
    )
    words = [sys.executable, "-W", "error", "-c", f"import sys, macrid; print({heavy} or 'light')"]
    process = subprocess.run(words, capture_output=True, text=True, cwd=PACKAGE.parent)
    assert process.stdout.strip() == "light", process.stdout + process.stderr


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("name", READING_PATH)
def test_no_room_imports_a_command(name):
    assert not {f"macrid.{other}" for other in COMMANDS} & set(imports(PACKAGE / f"{name}.py"))


def test_forbidden_things_are_nowhere():
    """No other framework, no pickle, no eval; CuPy only in backend.py."""
    for path in PACKAGE.rglob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert not roots & {"torch", "tensorflow", "jax", "pickle"}, path
        assert "cupy" not in roots or path.name == "backend.py", path
        calls = {
            node.func.id
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert not calls & {"eval", "exec"}, path
        handlers = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ExceptHandler)
        ]
        assert all(handler.type is not None for handler in handlers), f"{path}: a bare except"
