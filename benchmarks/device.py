"""Everything that only a GPU can show, in one command of at most seven minutes.

    python benchmarks/device.py [--out FOLDER] [--parts doctor,parity] [--peer FILE] [--data PATH]
    python benchmarks/device.py --rehearse --backend numpy    # small sizes, anywhere

Each part runs as a process of its own, with a budget of seconds: one that fails, crashes or runs
out is told with its error, and the next goes on. What a part has measured is printed as it comes,
and after each part device.json and device.md are written to --out (default: $OUT, else
device-report). A second call with --parts measures those again and leaves the others as they are.

    doctor      what is installed and missing, the card, python -m macrid.doctor
    parity      NumPy against the device in float32, float64 and tf32: the loss, each gradient, ten
                steps of Adam, scores, the history of a whole short run
    step        a training step at four sizes, noise drawn on the host and on the device, beside the
                card's own products of the same sizes in the same precision; by part; its memory
    peer        --peer FILE: a step of its class TorchStep, TorchStep(parameters, config, X,
                device="cuda").step(), at the same sizes, drawing its own noise on the device
    probes      other ways to do what a step and a ranking do, for whoever makes them faster
    candidates  a step of the sampled softmax at M = 10^5, 10^6 and 10^7
    ranking     the 20 best of 50,000 items for 100,000 users
    tests       python -m pytest -m device: those that run on CuPy, every skip told
    baselines   EASE, Ridge and MultiVAE, fitted on the host and on the device
    train       python -m macrid.train on the shop, and on --data, beside the CPU

Nothing is fetched. What has to be there: CuPy for the card's CUDA, and what macrid and its tests
need (numpy, scipy, scikit-learn, pillow, matplotlib, tqdm, onnx, onnxruntime, jinja2, pytest,
hypothesis); PyTorch for a peer that uses it. Whatever is missing is told first. On a machine
without a network, wheels that were fetched elsewhere do:

    pip download --no-deps --only-binary=:all: --python-version 3.12 -d wheels NAME==VERSION
    pip install --no-index --no-deps --target /tmp/site wheels/*.whl; export PYTHONPATH=/tmp/site
"""

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
NEEDED = "numpy scipy sklearn PIL matplotlib tqdm onnx onnxruntime jinja2 pytest hypothesis".split()
PARTS = {  # {name: (seconds that it may take, the precisions of its processes)}
    "doctor": (60, ("float32",)),
    "parity": (75, ("float32", "tf32")),
    "step": (90, ("float32", "tf32")),
    "peer": (60, ("float32", "tf32")),
    "probes": (45, ("float32",)),
    "candidates": (40, ("float32",)),
    "ranking": (50, ("float32",)),
    "tests": (90, ("float32",)),
    "baselines": (45, ("float32",)),
    "train": (110, ("float32",)),
}
ENOUGH = 5  # seconds: with less no part is begun


def run_part(name, precision, seconds, flags):
    """Run a process of device_parts.py: its rows {table: [row, ...]} and what went wrong, or None.

    CuPy reads CUPY_TF32 once in a process: so each precision has its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows_file = Path(folder) / "rows.jsonl"
        words = [sys.executable, str(ROOT / "benchmarks" / "device_parts.py"), name]
        words += ["--rows", str(rows_file), "--backend", flags.backend, "--precision", precision]
        words += ["--seconds", str(seconds)] + ["--rehearse"] * flags.rehearse
        for option in ("peer", "data"):
            if getattr(flags, option):
                words += [f"--{option}", str(Path(getattr(flags, option)).resolve())]
        path = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}
        environment["PYTHONUNBUFFERED"] = "1"
        process = subprocess.Popen(words, env=environment, cwd=ROOT, start_new_session=True)
        try:
            status = process.wait(seconds)
            error = None if status == 0 else f"ended with status {status}"
        except subprocess.TimeoutExpired:
            error = f"was ended after its {seconds:.0f} seconds"
        finally:
            end(process)
        rows, told = read_rows(rows_file)
        return rows, f"{error}: {told}" if error and told else error


def end(process):
    """End a part's process and all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def read_rows(path):
    """({table: [row, ...]}, the last line of a traceback or None) of a part's file.

    A last line that is not whole, of a process that was ended, is left out.
    """
    rows: dict = {}
    told = None
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "error" in record:
            told = record["error"]
        else:
            rows.setdefault(record["table"], []).append(record["row"])
    return rows, told


def markdown(report):
    """The report as Markdown: a section for each part, a table for each kind of row."""
    lines = ["# macrid on a device", ""]
    for name, part in report["parts"].items():
        lines += [f"## {name} ({part['seconds']:.0f} s)", ""]
        lines += [f"**{error}**\n" for error in part["errors"]]
        for table, rows in part["rows"].items():
            columns = list(dict.fromkeys(column for row in rows for column in row))
            lines += [
                f"{table}:",
                "",
                "| " + " | ".join(columns) + " |",
                "|---" * len(columns) + "|",
            ]
            lines += ["| " + " | ".join(cell(row.get(c)) for c in columns) + " |" for row in rows]
            lines.append("")
    return "\n".join(lines)


def cell(value):
    """A value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", "/").replace("\n", " ")


def save(report, folder):
    """Write device.json and device.md, each whole or not at all."""
    for name, text in (
        ("device.json", json.dumps(report, indent=1)),
        ("device.md", markdown(report)),
    ):
        temporary = folder / f".{name}"
        temporary.write_text(text)
        temporary.replace(folder / name)


def main():
    """Run the parts in turn."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--out", default=os.environ.get("OUT") or "device-report")
    arguments.add_argument("--parts", default=",".join(PARTS), help="some of them, with commas")
    arguments.add_argument("--backend", default="cupy", choices=("cupy", "numpy"))
    arguments.add_argument("--minutes", type=float, default=7.0, help="for all parts together")
    arguments.add_argument("--peer", help="a Python file with a class TorchStep")
    arguments.add_argument("--data", help="also train on this: what macrid.train takes as --data")
    arguments.add_argument("--rehearse", action="store_true", help="small sizes, few repeats")
    flags = arguments.parse_args()
    names = flags.parts.split(",")
    if unknown := set(names) - set(PARTS):
        arguments.error(
            f"there is no part {', '.join(sorted(unknown))}; some of {', '.join(PARTS)}"
        )
    begun = time.monotonic()
    folder = Path(flags.out)
    folder.mkdir(parents=True, exist_ok=True)
    report: dict = {"parts": {}}
    if (folder / "device.json").exists():  # of an earlier call: its other parts stay
        report = json.loads((folder / "device.json").read_text())
    for module in NEEDED:
        if importlib.util.find_spec(module) is None:
            print(f"missing: {module}; what needs it will fail", flush=True)

    for name in names:
        seconds, precisions = PARTS[name]
        if flags.backend == "numpy":
            precisions = precisions[:1]
        part = report["parts"][name] = {"seconds": 0.0, "errors": [], "rows": {}}
        if name == "peer" and not flags.peer:
            del report["parts"][name]
            continue
        start = time.monotonic()
        for number, precision in enumerate(precisions):
            # what one precision leaves of the part's budget is for the next
            share = (seconds - (time.monotonic() - start)) / (len(precisions) - number)
            allowed = min(share, 60 * flags.minutes - (time.monotonic() - begun))
            if allowed < ENOUGH:
                part["errors"].append(f"{precision}: not begun, the time is up; --parts {name}")
                continue
            print(f"\n== {name}, {precision} (at most {allowed:.0f} s)", flush=True)
            rows, error = run_part(name, precision, allowed, flags)
            for table, some in rows.items():
                part["rows"].setdefault(table, []).extend(some)
            if error:
                part["errors"].append(f"{precision}: {error}")
                print(f"!! {name}, {precision}: {error}", flush=True)
        part["seconds"] = time.monotonic() - start
        save(report, folder)
    total = time.monotonic() - begun
    failed = [name for name in names if report["parts"].get(name, {}).get("errors")]
    print(
        f"\n{total:.0f} s; {folder / 'device.md'}" + (f"; with errors: {failed}" if failed else "")
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
