"""Files as a stranger may have made them: a function of a folder for each, and how it is read."""

import io
import json
import struct
import zipfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from macrid import Recommender, config, data, files
from macrid.baselines import DGCF, EASE, ItemKNN, MultiVAE, Popularity
from macrid.data.splits import split
from macrid.pictures import features
from macrid.training import checkpoint, fit

SMALL = config.Config(K=2, d=3, hidden_layers=1, hidden_units=4, max_epochs=2)
N, M = 30, 20


@cache
def interactions():
    rng = np.random.default_rng(0)
    pairs = sorted({(f"u{u}", f"i{i}") for u in range(N) for i in rng.permutation(M)[:8]})
    return data.from_pairs(*zip(*pairs))


@cache
def parts():
    return split(interactions(), "holdout", 0)


def npz(path, arrays, description):
    """Write a file as anybody may: `description` a value or the JSON itself, arrays as they are."""
    if not isinstance(description, np.ndarray):
        text = description if isinstance(description, str) else json.dumps(description)
        description = np.array(text)
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in {"description": description, **arrays}.items():
            archive.writestr(f"{name}.npy", np_bytes(array))


def np_bytes(array):
    """An array as an .npy member."""
    member = io.BytesIO()
    np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=True)
    return member.getvalue()


def header(descr, shape):
    """The first bytes of an .npy member that claims this."""
    member = io.BytesIO()
    facts = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(member, facts)
    return member.getvalue()


def text_of(*code_points):
    """A text array of one character each, which may be none."""
    return np.array(code_points, np.uint32).view("<U1")


# a model


@cache
def model():
    """(arrays, description) of a whole model."""
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "model.npz"
        trained = Recommender(SMALL.replace(data="memory")).fit(interactions())
        trained.save(path)
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
    return arrays, json.loads(str(arrays.pop("description")))


def with_model(change):
    """What writes a model with some arrays changed; None in place of one leaves it out."""

    def write(path):
        arrays, description = model()
        arrays = {name: array.copy() for name, array in arrays.items()}
        changed = change(arrays) if callable(change) else change
        arrays |= {name: array for name, array in changed.items() if array is not None}
        for name in [name for name, array in changed.items() if array is None]:
            arrays.pop(name, None)
        npz(path, arrays, description)

    return write


def with_value(name, value, place=0):
    def change(arrays):
        arrays[name].reshape(-1)[place] = value
        return {}

    return with_model(change)


def described(change):
    """What writes a model with another description: a text, or a function of it."""

    def write(path):
        arrays, description = model()
        npz(path, arrays, change if isinstance(change, str) else change(dict(description)))

    return write


def as_type(name, kind):
    return with_model(lambda arrays: {name: arrays[name].astype(kind)})


def members(*content, directory=None):
    """A zip of stored members (name, bytes); `directory` may say something else of it."""

    def write(path):
        with zipfile.ZipFile(path, "w") as archive:
            for name, part in content:
                archive.writestr(name, part)
        if directory:
            directory(path)

    return write


def overlapping(path):
    """Forty members of one's bytes: the list says so."""
    zeros = np.zeros(250_000)
    with zipfile.ZipFile(path, "w") as archive:
        member = io.BytesIO()
        np.lib.format.write_array(member, zeros)
        archive.writestr("parameters/H.npy", member.getvalue())
        (only,) = archive.filelist
        for number in range(40):
            twin = zipfile.ZipInfo(f"parameters/H{number}.npy")
            for fact in ("CRC", "compress_size", "file_size", "header_offset", "compress_type"):
                setattr(twin, fact, getattr(only, fact))
            twin.filename = twin.orig_filename = only.filename
            archive.filelist.append(twin)


def nested(path, count=100, size=2_000_000):
    """Members of which each holds all that follow, as a part of its array."""
    content, directory = b"\0" * size, []
    for number in reversed(range(count)):
        name = b"H%d.npy" % number
        content = header("|u1", (len(content),)) + content
        facts = struct.pack("<III", zlib.crc32(content), len(content), len(content))
        begin = struct.pack("<4s5H", b"PK\3\4", 20, 0, 0, 0, 0) + facts
        content = begin + struct.pack("<HH", len(name), 0) + name + content
        directory.append((name, facts, len(content)))
    entries = b""
    for name, facts, length in directory:
        entry = struct.pack("<4s6H", b"PK\1\2", 20, 20, 0, 0, 0, 0) + facts
        offset = len(content) - length
        entries += entry + struct.pack("<5HII", len(name), 0, 0, 0, 0, 0, offset) + name
    end = struct.pack("<4s4H", b"PK\5\6", 0, 0, count, count)
    path.write_bytes(content + entries + end + struct.pack("<IIH", len(entries), len(content), 0))


def long_directory(path):
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(60_000):
            archive.writestr(zipfile.ZipInfo(f"{number}.npy"), b"")


def cut(path):
    with_model({})(path)
    path.write_bytes(path.read_bytes()[:-200])


def flipped(path):
    with_model({})(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"H.npy") + 300] ^= 64  # of its numbers
    path.write_bytes(content)


def member_gone(path):
    """A whole file that lost a member by accident: only its checksum tells."""
    trained = Recommender(SMALL.replace(data="memory")).fit(
        data.from_pairs(*zip(*[(f"u{u}", f"i{(u + i) % M}") for u in range(N) for i in range(8)]))
    )
    trained.titles = trained.items
    trained.save(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.filelist = [m for m in archive.filelist if m.filename != "titles.npy"]
        archive._didModify = True


def of_no_bytes(name, length):
    """What writes a model with an array of texts that take no bytes, however many."""

    def write(path):
        with_model({name: None})(path)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{name}.npy", header("<U0", (length,)))

    return write


def long_ids(arrays):
    items = arrays["items"].tolist()
    return {"items": np.array(["x" * 1_000_000, *items[1:]])}


MODELS = {
    "NaN in H": with_value("parameters/H", np.nan),
    "infinity in T": with_value("parameters/T", np.inf),
    "3e38 in H": with_value("parameters/H", 3e38),
    "H as text": as_type("parameters/H", str),
    "H complex": as_type("parameters/H", complex),
    "H float16": as_type("parameters/H", "float16"),
    "H float64": as_type("parameters/H", "float64"),
    "H whole numbers": as_type("parameters/H", int),
    "H bool": as_type("parameters/H", bool),
    "H structured": with_model(lambda a: {"parameters/H": a["parameters/H"].astype([("x", "f4")])}),
    "H of objects": with_model(lambda a: {"parameters/H": a["parameters/H"].astype(object)}),
    "H of 1 axis": with_model(lambda a: {"parameters/H": a["parameters/H"].reshape(-1)}),
    "H of 3 axes": with_model(lambda a: {"parameters/H": a["parameters/H"][None]}),
    "H short": with_model(lambda a: {"parameters/H": a["parameters/H"][1:]}),
    "W0 missing": with_model({"parameters/W0": None}),
    "H replaced by a name below it": with_model(
        lambda a: {"parameters/H/evil": a["parameters/H"] * 0}
    ),
    "an unknown parameter": with_model(lambda a: {"parameters/Q": a["parameters/H"]}),
    "L of other items": with_model({"parameters/L": np.ones((M + 1, 2), np.float32)}),
    "L NaN": with_model({"parameters/L": np.full((M, 2), np.nan, np.float32)}),
    "items lone surrogate": with_model(lambda a: {"items": np.array([*a["items"][1:], "\ud800"])}),
    "items above the last code point": with_model({"items": text_of(*range(65, 64 + M), 0x110000)}),
    "users above the last code point": with_model(
        {"users": text_of(*range(65, 64 + N), 0xFFFFFFFF)}
    ),
    "items twice": with_model(lambda a: {"items": np.array([*a["items"][1:], a["items"][1]])}),
    "items empty": with_model({"items": np.array([""] * M)}),
    "items one blank": with_model(lambda a: {"items": np.array([*a["items"][1:], " "])}),
    "items with NUL": with_model(lambda a: {"items": np.array([*a["items"][1:], "a\0b"])}),
    "items bytes": as_type("items", bytes),
    "items numbers": with_model({"items": np.arange(M)}),
    "items 2-D": with_model(lambda a: {"items": a["items"][:, None]}),
    "items short": with_model(lambda a: {"items": a["items"][1:]}),
    "items none": with_model({"items": np.zeros(0, "U1")}),
    "items of no bytes": of_no_bytes("items", M),
    "items of 10^6 characters": with_model(long_ids),
    "users all alike": with_model({"users": np.array(["u"] * N)}),
    "users empty": with_model({"users": np.array([""] * N)}),
    "users lone surrogate": with_model(lambda a: {"users": np.array([*a["users"][1:], "\udfff"])}),
    "users missing": with_model({"users": None}),
    "titles short": with_model(lambda a: {"titles": a["items"][:-1]}),
    "titles 2-D": with_model(lambda a: {"titles": a["items"][:, None]}),
    "titles bytes": with_model(lambda a: {"titles": a["items"].astype(bytes)}),
    "titles numbers": with_model({"titles": np.arange(M)}),
    "titles lone surrogate": with_model(
        lambda a: {"titles": np.array([*a["items"][1:], "\ud800"])}
    ),
    "titles above the last code point": with_model(
        {"titles": text_of(*range(65, 64 + M), 0x110000)}
    ),
    "titles of no bytes": of_no_bytes("titles", M),
    "indices bool": with_model(lambda a: {"indices": a["indices"] > 3}),
    "indices and a half": with_model(lambda a: {"indices": a["indices"] + 0.5}),
    "indices as text": as_type("indices", str),
    "indices complex": as_type("indices", complex),
    "indices repeated": with_model(lambda a: {"indices": a["indices"] * 0}),
    "indices descending": with_model(lambda a: {"indices": a["indices"][::-1].copy()}),
    "indices too large": with_value("indices", M),
    "indices negative": with_value("indices", -1),
    "indices 2-D": with_model(lambda a: {"indices": a["indices"][:, None]}),
    "indices above 2^63": with_model(lambda a: {"indices": a["indices"].astype("u8") + 2**63}),
    "indices short": with_model(lambda a: {"indices": a["indices"][:-1]}),
    "given back without rows": with_model(lambda a: {"refused_indices": a["indices"]}),
    "given back too large": with_model(
        lambda a: {"refused_indices": a["indices"] + M, "refused_indptr": a["indptr"]}
    ),
    "indptr all 0": with_model(lambda a: {"indptr": a["indptr"] * 0}),
    "indptr descending": with_value("indptr", 99, 1),
    "indptr negative": with_value("indptr", -8, 0),
    "indptr short": with_model(lambda a: {"indptr": a["indptr"][:-1]}),
    "indptr long": with_model(lambda a: {"indptr": np.append(a["indptr"], a["indptr"][-1])}),
    "indptr 2-D": with_model(lambda a: {"indptr": a["indptr"][None]}),
    "indptr of fractions": as_type("indptr", float),
    "indptr bool": as_type("indptr", bool),
    "indptr as text": as_type("indptr", str),
    "metrics a text": described(lambda d: d | {"figures": "good"}),
    "metrics of another form": described(lambda d: d | {"figures": {"ndcg@100": {"mean": "x"}}}),
    "metrics missing": described(lambda d: {"config": d["config"]}),
    "config missing": described(lambda d: {"figures": d["figures"]}),
    "config a list": described(lambda d: d | {"config": []}),
    "config of unknown names": described(lambda d: d | {"config": {"depth": 3}}),
    "config of another K": described(lambda d: d | {"config": d["config"] | {"K": 3}}),
    "config of an absurd d": described(lambda d: d | {"config": d["config"] | {"d": 10**8}}),
    "config of an absurd sigma0": described(
        lambda d: d | {"config": d["config"] | {"sigma0": 1e200}}
    ),
    "matrix_columns a text": described(lambda d: d | {"matrix_columns": "20"}),
    "matrix_columns of other items": described(lambda d: d | {"matrix_columns": 20}),
    "description a list": described("[1, 2]"),
    "description a number": described("3"),
    "description no JSON": described("{"),
    "description of NaN": described('{"config": {}, "figures": {"a": {"mean": NaN}}}'),
    "description of 1e999": described('{"config": {"tau": 1e999}, "figures": null}'),
    "description of 200,000 brackets": described("[" * 200_000),
    "description of a number of 10^5 digits": described("1" * 100_000),
    "description 1-D": lambda path: npz(path, {}, np.array(["{}"])),
    "description bytes": lambda path: npz(path, {}, np.array(b"{}")),
    "description numbers": lambda path: npz(path, {}, np.arange(3)),
    "description missing": members(("items.npy", header("<U1", (0,)))),
    "cut": cut,
    "a byte flipped": flipped,
    "a member gone": member_gone,
    "no bytes": lambda path: path.write_bytes(b""),
    "PK and no more": lambda path: path.write_bytes(b"PK\x03\x04"),
    "text": lambda path: path.write_text("user,item\n"),
    "10^8 texts of no bytes": members(("items.npy", header("<U0", (10**8,)))),
    "claims 8 TB": members(("H.npy", header("<f8", (10**12,)) + b"0" * 64)),
    "claims a negative length": members(("H.npy", header("<f8", (-1,)) + b"0" * 64)),
    "claims 10^18 of 0": members(("H.npy", header("<f8", (10**18, 0)))),
    "claims a true length": members(("H.npy", header("<f8", (True,)) + b"0" * 8)),
    "claims 40 axes": members(("H.npy", header("<f8", (1,) * 40) + b"0" * 8)),
    "bytes behind an array": members(("H.npy", header("<f8", (1,)) + b"0" * 80)),
    "no header": members(("H.npy", b"\x93NUMPY\x01\x00")),
    "a header that is no dict": members(
        ("H.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 20) + b"[" * 19 + b"\n")
    ),
    "a header of 60,000 brackets": members(
        ("H.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b"[" * 60_000)
    ),
    "version 3 of npy": members(("H.npy", b"\x93NUMPY\x03\x00" + header("<f8", (1,))[8:])),
    "a subarray": members(("H.npy", header(("<f8", (4,)), (1,)) + b"0" * 32)),
    "no .npy": members(("description", b"{}")),
    "one name twice": members(
        ("items.npy", header("<U1", (1,)) + b"a\0\0\0"),
        ("items.npy", header("<U1", (1,)) + b"b\0\0\0"),
    ),
    "members of the same bytes": overlapping,
    "members inside each other": nested,
    "60,000 members": long_directory,
    "compressed": lambda path: np.savez_compressed(
        path, description=np.array("{}"), zeros=np.zeros(10**6)
    ),
}


def read_model(path):
    found = Recommender.load(path)
    if found.config.K > 1e4:
        raise AssertionError
    found.recommend(found.users.tolist()[:3], n=3)
    found.save(path.with_name("again.npz"))


# a checkpoint


@cache
def trained():
    """(arrays, description) of a whole checkpoint."""
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "checkpoint.npz"
        checkpoint.save(path, fit.fit(parts(), SMALL), SMALL, parts())
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
    return arrays, json.loads(str(arrays.pop("description")))


def checkpoint_with(change=None, **values):
    def write(path):
        arrays, description = trained()
        arrays = {name: array.copy() for name, array in arrays.items()}
        changed = change(arrays) if change else {}
        arrays = {n: a for n, a in (arrays | changed).items() if a is not None}
        npz(path, arrays, json.loads(json.dumps(description)) | values)

    return write


def history_with(**values):
    def write(path):
        arrays, description = trained()
        history = [record | values for record in description["history"]]
        npz(path, arrays, description | {"history": history})

    return write


CHECKPOINTS = {
    "NaN in the best H": checkpoint_with(lambda a: {"best/H": a["best/H"] * np.nan}),
    "3e38 in H": checkpoint_with(lambda a: {"parameters/H": a["parameters/H"] * 0 + 3e38}),
    "H of other type": checkpoint_with(lambda a: {"parameters/H": a["parameters/H"].astype("f8")}),
    "H of whole numbers": checkpoint_with(lambda a: {"best/H": a["best/H"].astype(int)}),
    "H complex": checkpoint_with(lambda a: {"best/H": a["best/H"].astype(complex)}),
    "H text": checkpoint_with(lambda a: {"best/H": a["best/H"].astype(str)}),
    "squares below 0": checkpoint_with(lambda a: {"square/H": a["square/H"] - 1}),
    "a mean NaN": checkpoint_with(lambda a: {"mean/H": a["mean/H"] * np.nan}),
    "a mean text": checkpoint_with(lambda a: {"mean/H": a["mean/H"].astype(str)}),
    "a mean missing": checkpoint_with(lambda a: {"mean/H": None}),
    "a square missing": checkpoint_with(lambda a: {"square/H": None}),
    "a name below H": checkpoint_with(lambda a: {"best/H/evil": a["best/H"]}),
    "an unknown array": checkpoint_with(lambda a: {"worst/H": a["best/H"]}),
    "step a text": checkpoint_with(step="3"),
    "step a fraction": checkpoint_with(step=1.5),
    "step true": checkpoint_with(step=True),
    "step below 0": checkpoint_with(step=-3),
    "step null": checkpoint_with(step=None),
    "epoch a text": checkpoint_with(epoch="2"),
    "epoch of 10^9": checkpoint_with(epoch=10**9),
    "best_epoch after the last": checkpoint_with(best_epoch=99),
    "best_epoch below 0": checkpoint_with(best_epoch=-1),
    "best_score a text": checkpoint_with(best_score="0.3"),
    "best_score null": checkpoint_with(best_score=None),
    "best_score a list": checkpoint_with(best_score=[0.3]),
    "history a dict": checkpoint_with(history={}),
    "history of numbers": checkpoint_with(history=[1, 2]),
    "history none": checkpoint_with(history=[]),
    "history of texts": history_with(loss="x"),
    "history without a score": history_with(**{"validation_ndcg@100": None}),
    "dropped a number": history_with(dropped=3),
    "dropped all": history_with(dropped=[[0, 1], [0, 1], [0, 1]]),
    "dropped what there is not": history_with(dropped=[[7, 9]]),
    "path a text": checkpoint_with(path="x"),
    "path of texts": checkpoint_with(path={"gamma": "x"}),
    "seen a list": checkpoint_with(seen=[1]),
    "config a list": checkpoint_with(config=[]),
    "config another": checkpoint_with(config={"tau": 0.5}),
    "data another": checkpoint_with(data="0" * 64),
    "data a number": checkpoint_with(data=3),
    "a model": with_model({}),
}


def read_checkpoint(path):
    state = checkpoint.load(path, SMALL.replace(max_epochs=3), parts())
    fit.fit(parts(), SMALL.replace(max_epochs=3), state=state)


# features and baselines


ABOUT = {"convention": "caffe", "random": None, "unreadable": {}, "remarks": {}}


def features_with(**changes):
    whole = {"ids": np.array(["a", "b"]), "features": np.ones((2, 3), np.float32)}
    about = ABOUT | changes.pop("described", {})
    arrays = {name: array for name, array in (whole | changes).items() if array is not None}
    return lambda path: npz(path, arrays, about)


FEATURES = {
    "no ids": features_with(ids=None),
    "no features": features_with(features=None),
    "ids twice": features_with(ids=np.array(["a", "a"])),
    "ids empty": features_with(ids=np.array(["a", ""])),
    "ids lone surrogate": features_with(ids=np.array(["a", "\ud800"])),
    "ids above the last code point": features_with(ids=text_of(65, 0x110000)),
    "10^7 ids of no bytes": members(
        ("description.npy", np_bytes(np.array(json.dumps(ABOUT)))),
        ("ids.npy", header("<U0", (10**7,))),
        ("features.npy", header("<f4", (10**7, 0))),
    ),
    "ids numbers": features_with(ids=np.arange(2)),
    "ids short": features_with(ids=np.array(["a"])),
    "features NaN": features_with(features=np.full((2, 3), np.nan)),
    "features 3e38": features_with(features=np.full((2, 3), 3e38)),
    "features text": features_with(features=np.array([["a"], ["b"]])),
    "features complex": features_with(features=np.ones((2, 3), complex)),
    "features bool": features_with(features=np.ones((2, 3), bool)),
    "features whole numbers": features_with(features=np.ones((2, 3), int)),
    "features structured": features_with(features=np.ones((2, 3), [("x", "f4")])),
    "features of no numbers": features_with(features=np.ones((2, 0))),
    "features 1-D": features_with(features=np.ones(2)),
    "an unknown array": features_with(more=np.ones(2)),
    "convention a number": features_with(described={"convention": 3}),
    "remarks a list": features_with(described={"remarks": [1]}),
    "remarks of numbers": features_with(described={"remarks": {"a": 1}}),
    "unreadable null": features_with(described={"unreadable": None}),
    "a model": with_model({}),
}


def read_features(path):
    found = features.load(path)
    found.rows(["a", "z"])
    features.report(found)


FITTED = {
    "EASE": (EASE, {}),
    "Popularity": (Popularity, {}),
    "ItemKNN": (ItemKNN, {}),
    "MultiVAE": (MultiVAE, {"max_epochs": 1, "latent": 4, "hidden": (5,)}),
    "DGCF": (DGCF, {"max_epochs": 1, "K": 2, "d": 4}),
}


@cache
def fitted(name):
    """(arrays, description) of a whole baseline."""
    import tempfile

    cls, options = FITTED[name]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "b.npz"
        cls.fit(parts().train, **options).save(path)
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
    return arrays, json.loads(str(arrays.pop("description")))


def baseline_with(name, change, about=None):
    def write(path):
        arrays, description = fitted(name)
        first = "S/data" if name == "ItemKNN" else next(iter(arrays))
        changed = change({key: array.copy() for key, array in arrays.items()}, first)
        npz(path, changed, description | (about or {}))

    return write


CHANGES = {
    "NaN": lambda a, first: a | {first: a[first] * np.nan},
    "text": lambda a, first: a | {first: a[first].astype(str)},
    "complex": lambda a, first: a | {first: a[first].astype(complex)},
    "whole numbers": lambda a, first: a | {first: a[first].astype(int)},
    "another shape": lambda a, first: a | {first: a[first][None]},
    "short": lambda a, first: a | {first: a[first][:-1]},
    "a name below": lambda a, first: a | {f"{first}/evil": a[first]},
    "an array gone": lambda a, first: {key: a[key] for key in a if key != first},
}
BASELINES = {
    f"{name}: {what}": (name, baseline_with(name, change))
    for name in FITTED
    for what, change in CHANGES.items()
    if (name, what) != ("Popularity", "short")  # one of fewer items is as whole
} | {
    "ItemKNN: columns too large": (
        "ItemKNN",
        baseline_with("ItemKNN", lambda a, _: a | {"S/indices": a["S/indices"] + 99}),
    ),
    "ItemKNN: columns and a half": (
        "ItemKNN",
        baseline_with("ItemKNN", lambda a, _: a | {"S/indices": a["S/indices"] + 0.5}),
    ),
    "ItemKNN: columns repeated": (
        "ItemKNN",
        baseline_with("ItemKNN", lambda a, _: a | {"S/indices": a["S/indices"] * 0}),
    ),
    "ItemKNN: indptr all 0": (
        "ItemKNN",
        baseline_with("ItemKNN", lambda a, _: a | {"S/indptr": a["S/indptr"] * 0}),
    ),
    "ItemKNN: a matrix of 10^12 columns": (
        "ItemKNN",
        baseline_with("ItemKNN", lambda a, _: a, {"shapes": {"S": [M, 10**12]}}),
    ),
    "ItemKNN: shapes a text": (
        "ItemKNN",
        baseline_with("ItemKNN", lambda a, _: a, {"shapes": {"S": "x"}}),
    ),
    "ItemKNN: shapes a list": (
        "ItemKNN",
        baseline_with("ItemKNN", lambda a, _: a, {"shapes": []}),
    ),
}


def read_baseline(name, path):
    found = FITTED[name][0].load(path)
    scores = found.scores(parts().test.fold_in)
    assert scores.shape == parts().test.fold_in.shape


# JSON and TOML

GOOD = {"mean": 0.3, "stderr": 0.01, "users": 3, "left_out": 0}
WHOLE = {
    "validation": {"ndcg@100": GOOD},
    "test": {"ndcg@100": GOOD, "recall@20": GOOD},
    "baselines": {"EASE": {"ndcg@100": GOOD, "recall@20": GOOD}},
    "K": 2,
    "independence": dict.fromkeys(("mu", "z", "users_ceiling", "h", "items_ceiling"), 0.5),
}
METRICS = {
    "a list": "[]",
    "a number": "3",
    "a text": '"x"',
    "null": "null",
    "no JSON": "{",
    "no bytes": "",
    "NaN": json.dumps(WHOLE).replace("0.3", "NaN"),
    "1e999": json.dumps(WHOLE).replace("0.3", "1e999"),
    "200,000 brackets": "[" * 200_000,
    "200,000 objects": '{"a":' * 200_000,
    "10^5 digits": "1" * 100_000,
    "no UTF-8": b"\xff\xfe",
    **{
        name: json.dumps(WHOLE | change)
        for name, change in {
            "test a list": {"test": []},
            "test a number": {"test": 3},
            "test null": {"test": None},
            "test of numbers": {"test": {"ndcg@100": 0.3}},
            "test of lists": {"test": {"ndcg@100": [0.3]}},
            "test without means": {"test": {"ndcg@100": {"stderr": 1.0}}},
            "test without users": {"test": {"ndcg@100": {"mean": 1.0, "stderr": 1.0}}},
            "a mean text": {"test": {"ndcg@100": GOOD | {"mean": "0.3"}}},
            "a mean null": {"test": {"ndcg@100": GOOD | {"mean": None}}},
            "a mean true": {"test": {"ndcg@100": GOOD | {"mean": True}}},
            "a stderr text": {"test": {"ndcg@100": GOOD | {"stderr": "x"}}},
            "users a text": {"test": {"ndcg@100": GOOD | {"users": "x"}}},
            "a name of half a character": {"test": {"\ud800": GOOD}},
            "baselines a list": {"baselines": [1]},
            "baselines a text": {"baselines": "EASE"},
            "baselines of numbers": {"baselines": {"EASE": 3}},
            "baselines without a metric": {"baselines": {"EASE": {}}},
            "baselines with a mean text": {"baselines": {"EASE": {"ndcg@100": {"mean": "x"}}}},
            "macro a text": {"macro": "x"},
            "macro without accuracy": {"macro": {}},
            "macro of texts": {"macro": {"accuracy": "x"}},
            "independence a list": {"independence": [1]},
            "independence of texts": {"independence": {"mu": "x"}},
            "independence_stderr a number": {"independence_stderr": 3},
        }.items()
    },
}
TOML = {
    "200,000 brackets": "x = " + "[" * 200_000,
    "200,000 tables": "x = " + "{a=" * 200_000,
    "10^5 digits": "K = " + "1" * 100_000,
    "no UTF-8": b"K = \xff",
    "2 MB": "# " + "x" * 2_000_000,
    "a table": "[K]\nx = 1",
    "a date": "K = 2026-01-01",
    "an absurd d": "d = 100000000",
    "an absurd sigma0": "sigma0 = 1e200",
    "sigma0 of 400 digits": "sigma0 = 1" + "0" * 400,
    "infinity": "tau = inf",
    "an absurd split": 'split = "kfold:0/1000000000"',
    "a split of 10^5 digits": f'split = "kfold:0/{"9" * 100_000}"',
}


def write_any(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))


def read_toml(path):
    settings = config.from_dict(config.read_toml(path), where=str(path))
    split(interactions(), settings.split, 0)


# pictures


def picture(kind="PNG", **options):
    file = io.BytesIO()
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def exif_with(entries):
    """A JPEG whose EXIF has these entries: (tag, kind, count, four bytes)."""
    table = struct.pack("<H", len(entries))
    for tag, kind, count, value in entries:
        table += struct.pack("<HHI", tag, kind, count) + value
    body = b"Exif\0\0" + b"II*\0\x08\0\0\0" + table + b"\0" * 12
    jpeg = picture("JPEG")
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def chunk(kind, content):
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def png_with(kind, content):
    """A PNG with one more chunk, before its pixels."""
    png = picture("PNG")
    at = png.index(b"IDAT") - 4
    return png[:at] + chunk(kind, content) + png[at:]


TURNED = (0x0112, 3, 1, struct.pack("<HH", 6, 0))
STILL_READ = {  # what is damaged is not what is read
    "EXIF with a RATIONAL Make": exif_with([(0x010F, 5, 1, struct.pack("<I", 8)), TURNED]),
    "EXIF with a Make of no bytes": exif_with([(0x010F, 5, 0, b"\0" * 4), TURNED]),
    "EXIF of an unknown kind": exif_with([(0x010F, 99, 1, b"\0" * 4), TURNED]),
    "EXIF that claims 4 GB": exif_with([(0x010F, 2, 2**32 - 1, b"\0" * 4), TURNED]),
    "EXIF orientation a text": exif_with([(0x0112, 2, 4, b"six\0")]),
    "EXIF orientation 99": exif_with([(0x0112, 3, 1, struct.pack("<HH", 99, 0))]),
    "EXIF of no bytes": exif_with([]),
    "PNG with EXIF of one byte": png_with(b"eXIf", b"I"),
}
UNREADABLE = {
    "no bytes": b"",
    "text": b"user,item\n",
    "cut": picture("JPEG")[:200],
    "PNG cut": picture()[:100],
    "PNG of a short IHDR": picture()[:8] + chunk(b"IHDR", b"\0" * 3),
    "PNG of 0 x 0": picture()[:8] + chunk(b"IHDR", b"\0" * 8 + b"\x08\x02\0\0\0"),
    "PNG of 2^31 x 2^31": picture()[:8]
    + chunk(b"IHDR", struct.pack(">II", 2**31 - 1, 2**31 - 1) + b"\x08\x02\0\0\0")
    + chunk(b"IDAT", b"\0" * 9),
    "PNG chunk of negative length": picture()[:33] + b"\xff\xff\xff\xffIDAT" + b"\0" * 9,
    "PNG with a short tRNS": png_with(b"tRNS", b"\0"),
    "PNG with a short gAMA": png_with(b"gAMA", b"\0"),
    "PNG with a short pHYs": png_with(b"pHYs", b"\0" * 3),
    "PNG with a short cHRM": png_with(b"cHRM", b"\0" * 3),
    "PNG with a short acTL": png_with(b"acTL", b"\0"),
    "PNG with a short fcTL": png_with(b"fcTL", b"\0" * 3),
    "PNG with a text bomb": png_with(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 10**8)),
    "GIF cut": picture("GIF")[:30],
    "GIF of 65535 x 65535": b"GIF89a\xff\xff\xff\xff\0\0\0;",
    "BMP of a negative width": b"BM" + b"\0" * 12 + struct.pack("<IiiHHI", 40, -9, 9, 1, 24, 0),
    "TIFF of no entries": b"II*\0\x08\0\0\0\0\0\0\0\0\0",
    "TIFF of tiles": b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 5, 1, 8) + b"\0" * 12,
    "WEBP cut": picture("WEBP")[:40],
}


def mutated(count=200, seed=0):
    """Pictures with some bytes changed, of every format."""
    rng = np.random.default_rng(seed)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    whole = [picture(kind) for kind in ("PNG", "GIF", "WEBP", "BMP", "TIFF")]
    whole += [picture("JPEG", exif=exif), picture("PNG", exif=exif), picture("TIFF", exif=exif)]
    for number in range(count):
        content = bytearray(whole[number % len(whole)])
        for _ in range(rng.integers(1, 9)):
            near_the_start = rng.integers(0, min(len(content), 300))
            content[near_the_start] = rng.integers(0, 256)
        yield bytes(content[: rng.integers(1, len(content) + 1) if number % 3 == 0 else None])


def read_picture(path):
    """The picture as both of its readers take it, whatever the version; or Unreadable."""
    from macrid import report
    from macrid.pictures import reading

    report.thumbnails([path], [True])
    try:
        reading.read_square(path)
    except reading.Unreadable as error:
        raise files.UserError(f"{path} {error}") from None
