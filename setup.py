"""Install with `pip install .`; the extras `test`, `gpu` and so on are described in README.md."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
NOTEBOOKS = [
    "jupytext>=1.16",
    "nbclient>=0.10",
    "nbformat>=5.9",
    "ipykernel>=6.29,<7",  # 7 can lose a request and wait for ever (ipython/ipykernel#1554)
    "ipywidgets>=8.1",
]

setup(
    name="macrid",
    version="0.1.0",
    description="SEM-MacridVAE: disentangled recommendation in NumPy, gradients written by hand",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.11",
    packages=find_packages(include=["macrid", "macrid.*"]),
    package_data={"macrid": ["py.typed", "templates/*"]},
    entry_points={"console_scripts": ["macrid = macrid.__main__:script"]},
    install_requires=[
        "numpy>=2.0",
        "scipy>=1.13",
        "scikit-learn>=1.5",
        "threadpoolctl>=3.1",  # which scikit-learn brings
        "pillow>=10.3",
        "matplotlib>=3.9",
        "tqdm>=4.60",
        "onnx>=1.17",
        "onnxruntime>=1.19",
        "jinja2>=3.1",
    ],
    extras_require={
        "test": [
            "pytest>=7.4",
            "pytest-xdist>=3.3",
            "hypothesis>=6.90",
            "mpi4py>=4.1",
            "mpich>=4.3",
            "selenium>=4.20",
            "optuna>=4.0",
            "faiss-cpu>=1.9",
            "implicit>=0.7.3",
            *NOTEBOOKS,
        ],
        "tune": ["optuna>=4.0"],
        "index": ["faiss-cpu>=1.9"],  # examples/index.py
        "suite": ["implicit>=0.7.3"],  # ALS and BM25 as rows of `macrid.reproduce suite`
        "tutorials": ["jupyterlab>=4.0", *NOTEBOOKS],
        "dev": [
            "ruff>=0.6",
            "mypy>=1.11",
            "mkdocs>=1.6",
            "mkdocs-material>=9.5",
            "mkdocstrings[python]>=0.26",
            "latex2mathml>=3.77",
        ],
        "fuzz": ["atheris>=3.0"],  # benchmarks/fuzz.py; for Linux and macOS
        "gpu": ["cupy-cuda13x[ctk]>=14.0"],
        "gpu12": ["cupy-cuda12x>=13.0"],
        "mpi": ["mpi4py>=4.1"],  # and an MPI: pip install mpich, or your system's mpich or openmpi
    },
)
