"""Coverage-guided fuzzing of the readers of others' files, by atheris: what is read, or one line.

    pip install ".[fuzz]" && python benchmarks/fuzz.py arrays 600      (seconds; or pictures, table)

Begins with the small files of tests/hostile.py, does without CRCs, which would hide what is behind
them, and stops at the first find, whose bytes it keeps as crash-* in the working folder.
"""

import contextlib
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests")]

with atheris.instrument_imports(include=["macrid", "zipfile", "json", "csv", "PIL", "numpy.lib"]):
    import hostile
    from PIL import PngImagePlugin

    from macrid import UserError, data
    from macrid.pictures import reading

warnings.simplefilter("ignore")
zipfile.ZipExtFile._update_crc = lambda self, data: None
PngImagePlugin.ChunkStream.crc = lambda self, kind, data: self.fp.read(4)
PLACE = Path(tempfile.mkdtemp(prefix="macrid-fuzz-"))


def arrays(path):
    for read in (hostile.read_model, hostile.read_features, hostile.read_checkpoint):
        with contextlib.suppress(UserError):
            read(path)


def pictures(path):
    with contextlib.suppress(reading.Unreadable):
        reading.read_square(path)
    with contextlib.suppress(reading.Unreadable):
        reading.read(path, 40)


def table(path):
    for columns in (None, "1,2", "2,1,3"):
        with contextlib.suppress(UserError):
            data.load(path, min_user_items=1, columns=columns)


def seeds(target):
    """Small files to begin with."""
    if target == "table":
        yield from (b"user,item,rating\na,b,5\na,c,4\n", b"1\t2\n3\t4\n", b'"a","b\n"\n1,2\n')
    elif target == "pictures":
        yield from hostile.UNREADABLE.values()
        yield from hostile.STILL_READ.values()
        yield from (hostile.picture(kind) for kind in reading.FORMATS)
    else:
        whole = [hostile.with_model({}), hostile.checkpoint_with(), hostile.features_with()]
        for write in [*whole, *hostile.MODELS.values(), *hostile.CHECKPOINTS.values()]:
            write(PLACE / "seed")
            yield (PLACE / "seed").read_bytes()


def main():
    target, seconds = sys.argv[1], sys.argv[2]
    read = {"arrays": arrays, "pictures": pictures, "table": table}[target]
    corpus = PLACE / "corpus"
    corpus.mkdir()
    for number, content in enumerate(seeds(target)):
        if len(content) < 20_000:
            (corpus / str(number)).write_bytes(content)

    def one(content):
        (PLACE / "x").write_bytes(content)
        read(PLACE / "x")

    options = ["-max_len=20000", f"-max_total_time={seconds}", "-rss_limit_mb=2000", "-timeout=20"]
    atheris.Setup([sys.argv[0], str(corpus), *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
