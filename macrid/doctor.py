"""`python -m macrid.doctor`: what is installed, which device is seen, do both backends agree."""

import importlib.metadata
import importlib.util
import platform
import shutil
import subprocess
import sys

import numpy as np
from scipy import sparse

from macrid import backend, model, terminal
from macrid.config import Config
from macrid.errors import UserError
from macrid.training.batch import draw_noise

PACKAGES = ("numpy", "scipy", "scikit-learn", "pillow", "matplotlib", "onnx", "onnxruntime", "tqdm")
OPTIONAL = {"mpi4py": 'training over several processes: pip install "macrid[mpi]"'}
TOLERANCE = {"float32": 1e-4, "tf32": 2e-2, "float64": 1e-10}


def main(argv: list[str] | None = None) -> None:
    """Print a line for each thing that was looked at.

    A broken one ends with status 2 and its remedy.
    """
    arguments = terminal.parser(
        "doctor", "Say what is installed and whether it works.", "python -m macrid.doctor"
    )
    arguments.parse_args(argv)

    # what is installed
    _line("python", f"{platform.python_version()} on {platform.platform()}")
    for name in PACKAGES:
        _line(name, _version(name) or f"missing: pip install {name}")
    for name, remedy in OPTIONAL.items():
        _line(name, _version(name) or f"not installed (optional): {remedy}")
    missing = [name for name in PACKAGES if not _version(name)]
    if missing:
        raise UserError(f"{', '.join(missing)} is missing; pip install {' '.join(missing)}")

    # the device, and CuPy for it
    cuda = driver_cuda()
    no_gpu = "none: no nvidia-smi here, so no NVIDIA GPU"
    _line("driver", no_gpu if cuda is None else f"NVIDIA, for CUDA up to {cuda}")
    versions = {name: _version(name) for name in ("cupy-cuda13x", "cupy-cuda12x", "cupy")}
    installed = [name for name, version in versions.items() if version]
    if not installed and "cupy" not in sys.modules and not _importable("cupy"):
        extra = "gpu12" if cuda is not None and int(cuda.split(".")[0]) < 13 else "gpu"
        _line("cupy", f'not installed (optional, for a GPU): pip install "macrid[{extra}]"')
        _line("backend", f"numpy works; cupy needs {'CuPy, see above' if cuda else 'a GPU'}")
        return
    _line("cupy", ", ".join(f"{name} {versions[name]}" for name in installed) or "found")
    if len(installed) > 1:
        raise UserError(
            f"{' and '.join(installed)} are both installed and break each other; pip uninstall"
            " one of them"
        )
    xp = backend.load("cupy")
    _line("device", backend.device_name(xp))

    # does it compute what NumPy does?
    for precision in ("float64", "float32"):
        difference = step_difference(xp, precision)
        good = difference < TOLERANCE[precision]
        verdict = f"by {difference:.1e} of the largest ({'good' if good else 'BAD'})"
        _line("step", f"{precision}: gradients on the device differ from NumPy's {verdict}")
        if not good:
            raise UserError(
                f"a training step in {precision} is wrong on this device; reinstall CuPy for your"
                f" CUDA ({cuda}), and report it to us"
            )
    _line("backend", "numpy and cupy work")


def _line(name, text):
    print(f"{name:14}{text}")


def step_difference(xp, precision: str, B: int = 32, M: int = 500, seed: int = 0) -> float:
    """How far the gradients of one step on both backends differ, relative to the largest.

    The worst over the parameters.
    """
    config = Config(
        K=3, d=16, hidden_layers=1, hidden_units=24, init_deviation=0.5, precision=precision
    )
    rng = np.random.default_rng(seed)
    X = sparse.csr_matrix((rng.random((B, M)) < 0.05).astype(np.float32))
    parameters = model.initial_parameters(M, config, rng)
    noise = draw_noise(rng, X, config)
    _, here = model.loss_and_gradients(parameters, X, noise, config, 0.2)
    on_device, its_noise = backend.to_device(xp, parameters), backend.to_device(xp, noise)
    _, there = model.loss_and_gradients(on_device, X, its_noise, config, 0.2)
    difference = lambda name, g: np.abs(backend.to_host(there[name]) - g).max() / np.abs(g).max()
    return max(float(difference(name, g)) for name, g in here.items())


def driver_cuda() -> str | None:
    """The newest CUDA that the NVIDIA driver serves, such as '12.4'; None without a driver."""
    if not shutil.which("nvidia-smi"):
        return None
    output = subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=False).stdout
    _, found, rest = output.partition("CUDA Version:")
    return rest.split()[0] if found else None


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _importable(name):
    return importlib.util.find_spec(name) is not None


if __name__ == "__main__":
    sys.exit(terminal.run(main))
