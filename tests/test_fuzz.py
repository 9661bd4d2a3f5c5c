"""Whatever is in a file, a reader gives a value or one clear UserError: never a traceback, never a
hang.
"""

import io

import numpy as np
import pytest

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from macrid import Recommender, UserError, config, data, npz  # noqa: E402
from macrid.pictures import features  # noqa: E402

lenient = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)

CELLS = st.one_of(
    st.sampled_from(
        [
            "user",
            "item",
            "rating",
            "timestamp",
            "u1",
            "1",
            "4",
            "5.0",
            "nan",
            "inf",
            "-1",
            "1e999",
            "",
            '"',
            '"a',
            "1300000000",
            "\ufeff",
        ]
    ),
    st.text(max_size=6),
)
TABLES = st.lists(st.lists(CELLS, max_size=5), max_size=8).flatmap(
    lambda rows: st.sampled_from([",", "\t", ";"]).map(
        lambda mark: "\n".join(mark.join(row) for row in rows).encode("utf-8", "surrogatepass")
    )
)


def survives(read, path, content):
    """Read a file of this content: any value, or a UserError of one line that names the file."""
    path.write_bytes(content)
    try:
        read(path)
    except UserError as error:
        assert path.name in str(error), error


@lenient
@given(
    content=st.one_of(TABLES, st.binary(max_size=80)),
    columns=st.sampled_from([None, "1,2", "2,1,3", "user,item", "item,user,rating"]),
)
def test_ratings(tmp_path, content, columns):
    survives(
        lambda path: data.load(path, min_user_items=1, columns=columns),
        tmp_path / "ratings.csv",
        content,
    )


@lenient
@given(content=st.one_of(TABLES, st.binary(max_size=80)))
def test_categories(tmp_path, content):
    survives(lambda path: data.read_categories(path, "kind"), tmp_path / "items.csv", content)


@lenient
@given(
    content=st.one_of(
        st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.sampled_from([b"K = 3", b"K = 'x'", b"tau = nan"]),
    )
)
def test_configurations(tmp_path, content):
    survives(
        lambda path: config.from_dict(config.read_toml(path), where=str(path)),
        tmp_path / "run.toml",
        content,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small model as bytes, and a small file of features."""
    rng = np.random.default_rng(0)
    pairs = sorted({(str(u), str(i)) for u in range(30) for i in rng.permutation(20)[:6]})
    path = tmp_path_factory.mktemp("whole") / "model.npz"
    Recommender(K=2, d=3, max_epochs=1).fit(pairs).save(path)
    return path.read_bytes()


EDITS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
)


def edited(content, edits, cut):
    """The same bytes with some changed, and perhaps cut off."""
    content = bytearray(content)
    for place, value in edits:
        content[int(place * len(content))] = value
    return bytes(content[: int(cut * len(content))])


@lenient
@given(edits=EDITS, cut=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_models(tmp_path, whole, edits, cut):
    survives(Recommender.load, tmp_path / "model.npz", edited(whole, edits, cut))


@lenient
@given(edits=EDITS, cut=st.one_of(st.just(1.0), st.floats(0, 1)))
def test_features(tmp_path, whole, edits, cut):
    survives(features.load, tmp_path / "features.npz", edited(whole, edits, cut))


def test_an_array_that_claims_to_be_enormous_is_refused(tmp_path):
    """The header says 8 TB; nothing of that size is touched."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    )
    import zipfile

    with zipfile.ZipFile(tmp_path / "model.npz", "w") as file:
        file.writestr("parameters/H.npy", header.getvalue() + b"0" * 64)
    with pytest.raises(UserError, match="is not a whole"):
        npz.load(tmp_path / "model.npz")


def test_a_compressed_file_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", description=np.array("{}"), zeros=np.zeros(10**6))
    with pytest.raises(UserError, match="compressed"):
        npz.load(tmp_path / "bomb.npz")
