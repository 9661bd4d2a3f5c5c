"""`python -m macrid.doctor`: what is installed, which device is seen, and whether both backends
agree here.
"""

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


def main(argv=None):
    """Print a line for each thing that was looked at; a broken one ends with status 2 and its
    remedy.
    """
    arguments = terminal.parser(
        "doctor", "Say what is installed and whether it works.", "python -m macrid.doctor"
    )
    arguments.parse_args(argv)
    print(f"{'python':14}{platform.python_version()} on {platform.platform()}")
    for name in PACKAGES:
        print(f"{name:14}{_version(name) or 'missing: pip install ' + name}")
    for name, remedy in OPTIONAL.items():
        print(f"{name:14}{_version(name) or 'not installed (optional): ' + remedy}")
    missing = [name for name in PACKAGES if not _version(name)]
    if missing:
        raise UserError(f"{', '.join(missing)} is missing; pip install {' '.join(missing)}")
    cuda = driver_cuda()
    print(
        f"{'driver':14}{'none: no nvidia-smi here, so no NVIDIA GPU' if cuda is None else 'NVIDIA, for CUDA up to ' + cuda}"
    )
    installed = [
        (name, _version(name))
        for name in ("cupy-cuda13x", "cupy-cuda12x", "cupy")
        if _version(name)
    ]
    if not installed and "cupy" not in sys.modules and not _importable("cupy"):
        extra = "gpu12" if cuda is not None and int(cuda.split(".")[0]) < 13 else "gpu"
        print(f'{"cupy":14}not installed (optional, for a GPU): pip install "macrid[{extra}]"')
        print(f"{'backend':14}numpy works; cupy needs " + ("CuPy, see above" if cuda else "a GPU"))
        return
    print(f"{'cupy':14}{', '.join(f'{name} {version}' for name, version in installed) or 'found'}")
    if len(installed) > 1:
        raise UserError(
            f"{' and '.join(name for name, _ in installed)} are both installed and break each"
            " other; pip uninstall one of them"
        )
    xp = backend.load("cupy")
    print(f"{'device':14}{backend.device_name(xp)}")
    for precision in ("float64", "float32"):
        difference = step_difference(xp, precision)
        good = difference < TOLERANCE[precision]
        print(
            f"{'step':14}{precision}: gradients on the device differ from NumPy's by"
            f" {difference:.1e} of the largest ({'good' if good else 'BAD'})"
        )
        if not good:
            raise UserError(
                f"a training step in {precision} is wrong on this device; reinstall CuPy for your"
                f" CUDA ({cuda}), and report it to us"
            )
    print(f"{'backend':14}numpy and cupy work")


def step_difference(xp, precision, B=32, M=500, seed=0):
    """The largest difference between the gradients of one step on both backends, over the largest
    gradient of its kind.
    """
    config = Config(
        K=3, d=16, hidden_layers=1, hidden_units=24, init_deviation=0.5, precision=precision
    )
    rng = np.random.default_rng(seed)
    X = sparse.csr_matrix((rng.random((B, M)) < 0.05).astype(np.float32))
    parameters = model.initial_parameters(M, config, rng)
    noise = draw_noise(rng, X, config)
    _, here = model.loss_and_gradients(parameters, X, noise, config, 0.2)
    _, there = model.loss_and_gradients(
        *backend.to_device(xp, (parameters,)), X, backend.to_device(xp, noise), config, 0.2
    )
    return max(
        float(np.abs(backend.to_host(there[name]) - g).max() / np.abs(g).max())
        for name, g in here.items()
    )


def driver_cuda():
    """The newest CUDA that the NVIDIA driver serves, such as '12.4'; None without a driver."""
    if not shutil.which("nvidia-smi"):
        return None
    told = subprocess.run(["nvidia-smi"], capture_output=True, text=True, check=False).stdout
    return told.split("CUDA Version:")[1].split()[0] if "CUDA Version:" in told else None


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _importable(name):
    return importlib.util.find_spec(name) is not None


if __name__ == "__main__":
    sys.exit(terminal.run(main))
