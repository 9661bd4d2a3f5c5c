"""data_scripts/movielens.py with zips of the real formats, made here, served on the loopback."""

import csv
import os
import zipfile

import numpy as np
import pytest
from helpers import refused
from loopback import README, TITLE, Server, call_script, ml_1m, rows, run_script, serve, zipped


@pytest.fixture
def server():
    with Server() as server:
        yield server


def csv_files(name="ml-20m", **more):
    return {
        f"{name}/README.txt": README.replace("USAGE LICENSE", "Usage License"),
        f"{name}/ratings.csv": (
            "userId,movieId,rating,timestamp\n"
            + "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in rows())
        ),
        f"{name}/movies.csv": (
            "movieId,title,genres\n" + "".join(f'{i},"{TITLE}",Drama\n' for i in range(1, 41))
        ),
        **more,
    }


def test_ml_1m_from_the_server_to_a_trained_model(server, command, tmp_path):
    words, _ = serve(server, zipped(ml_1m()))
    out = tmp_path / "new" / "ml-1m"
    done = run_script("movielens", *words, "--out", out)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert server.paths() == ["/ml-1m.zip.md5", "/ml-1m.zip"]
    assert (
        "USAGE LICENSE" in done.stdout
        and "Not for commercial purposes.[31m" in done.stdout
        and "CITATION" not in done.stdout
    )
    good = np.array([(u, i) for u, i, r, _ in rows() if r >= 4])
    kept = good[np.bincount(good[:, 0])[good[:, 0]] >= 15]
    users, items = (len(set(column)) for column in kept.T)
    assert (
        f"{users:>10,}{items:>10,}{len(kept):>12,}{len(kept) / users / items:>10.4%}" in done.stdout
        and "Table 1" not in done.stdout
    )
    assert sorted(os.listdir(out)) == ["README.txt", "movies.csv", "ratings.csv"] and sorted(
        os.listdir(out.parent)
    ) == ["ml-1m", "ml-1m.zip"]
    with open(out / "movies.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file))[:2] == [
            ["movieId", "title", "genres"],
            ["1", TITLE, "Drama|Comedy"],
        ]
    trained = command(
        "train",
        "--data",
        out,
        "--max-epochs",
        2,
        "--K",
        2,
        "--d",
        8,
        "--category-weight",
        0.1,
        "--out",
        tmp_path / "run",
    )
    assert trained.returncode == 0, trained.stderr
    refused(run_script("movielens", *words, "--out", out), out, "is there already")
    assert run_script("movielens", *words, "--out", out.parent / "again").returncode == 0, (
        "the zip is there"
    )
    assert server.paths().count("/ml-1m.zip") == 1


@pytest.mark.parametrize("name", ["ml-latest-small", "ml-20m", "ml-25m", "ml-32m"])
def test_csv_zips_and_unpacked_folders(name, tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped(csv_files(name)))
    done = call_script("movielens", name, "--from", tmp_path / "a.zip", "--out", tmp_path / "zip")
    assert done.returncode == 0, done.stderr
    assert (
        "the paper's Table 1                531     4,807      46,217   1.8106%" in done.stdout
    ) == (name == "ml-latest-small")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path)
    again = call_script(
        "movielens", name, "--from", tmp_path / name, "--out", tmp_path / "folder", "--quiet"
    )
    assert again.returncode == 0 and again.stdout == ""
    for file in ("README.txt", "movies.csv", "ratings.csv"):
        assert (
            (tmp_path / "zip" / file).read_bytes()
            == (tmp_path / "folder" / file).read_bytes()
            == (tmp_path / name / file).read_bytes()
        )


def test_movielens_itself(movielens, tmp_path):
    done = run_script("movielens", "ml-latest-small", "--from", movielens, "--out", tmp_path / "ml")
    assert done.returncode == 0, done.stderr
    assert "ml-latest-small                    531 " in done.stdout, "as many users as in Table 1"


def test_a_cut_download_is_resumed(server, tmp_path):
    words, md5 = serve(server, zipped(ml_1m()))
    server.cut = 2000
    refused(
        call_script("movielens", *words, "--out", tmp_path / "ml"),
        "2,000 bytes are kept, run again to continue",
        "--from",
    )
    begun = ".macrid-download-ml-1m.zip"
    assert sorted(os.listdir(tmp_path)) == [f"{begun}.json", f"{begun}.part"]
    server.cut = 0
    assert (
        call_script("movielens", *words, "--out", tmp_path / "ml", "--md5", md5.upper()).returncode
        == 0
    )
    assert server.asked[-1][:2] == ("/ml-1m.zip", "bytes=2000-") and sorted(
        os.listdir(tmp_path)
    ) == ["ml", "ml-1m.zip"]


def test_wrong_checksums_and_missing_files_leave_nothing(server, tmp_path):
    words, md5 = serve(server, zipped(ml_1m()))
    out = ("--out", tmp_path / "ml")
    refused(
        call_script("movielens", *words, *out, "--md5", "0" * 32), f"MD5 {md5}, expected {'0' * 32}"
    )
    refused(call_script("movielens", *words, *out, "--md5", "12"), "--md5 is '12'")
    server.files["/ml-1m.zip.md5"] = b"<html>"
    refused(call_script("movielens", *words, *out), ".md5: holds no MD5", "--md5")
    server.files["/ml-1m.zip.md5"] = 404
    refused(
        call_script("movielens", *words, *out),
        ".md5: the checksum cannot be fetched",
        "404",
        "--from",
    )
    server.files["/ml-1m.zip"] = 404
    refused(call_script("movielens", *words, *out, "--md5", md5), "answered 404", "--from")
    server.files["/ml-1m.zip"] = "file:///etc/passwd"
    refused(call_script("movielens", *words, *out, "--md5", md5), "/ml-1m.zip")
    refused(
        call_script("movielens", "ml-1m", *out, "--url", "file:///etc/passwd", "--md5", md5),
        "cannot be reached",
    )
    refused(call_script("movielens", "ml-2m", *out), "ml-2m", "--help")
    assert os.listdir(tmp_path) == []


def link(target="/etc/passwd"):
    member = zipfile.ZipInfo("ml-1m/ratings.csv")
    member.create_system, member.external_attr = 3, 0o120777 << 16
    return member, target


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"../evil": "x"}, ("'../evil'", "leads outside")),
        ({"ml-1m/..\\..\\evil": "x"}, ("leads outside",)),
        ({"/evil": "x"}, ("leads outside",)),
        ({"C:evil": "x"}, ("leads outside",)),
        (dict([link()]), ("ml-1m/ratings.csv", "a link")),
        ({"ml-1m/ratings.dat": b"0" * (20 << 20)}, ("would unpack to", "too many")),
        ({"other/ratings.dat": "1::1::5::1\n"}, ("'ratings.dat' twice",)),
    ],
)
def test_hostile_zips(files, words, tmp_path):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.zip"
    path.write_bytes(zipped({**ml_1m(), **files}))
    refused(
        call_script("movielens", "ml-1m", "--from", path, "--out", tmp_path / "ml"), path, *words
    )
    assert os.listdir(tmp_path) == ["in"] and os.listdir(tmp_path / "in") == ["a.zip"]


def test_damaged_zips(tmp_path):
    content = zipped(ml_1m())
    at = content.index(b"ml-1m/ratings.dat") + 300
    for name, damaged in (
        ("cut", content[:-500]),
        ("text", b"no zip"),
        ("flipped", content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :]),
    ):
        path = tmp_path / f"{name}.zip"
        path.write_bytes(damaged)
        refused(
            call_script("movielens", "ml-1m", "--from", path, "--out", tmp_path / "ml"),
            path,
            "is not a whole zip",
        )
    refused(
        call_script(
            "movielens", "ml-1m", "--from", tmp_path / "none.zip", "--out", tmp_path / "ml"
        ),
        "none.zip: does not exist",
    )
    (tmp_path / "empty").mkdir()
    refused(
        call_script("movielens", "ml-1m", "--from", tmp_path / "empty", "--out", tmp_path / "ml"),
        "holds neither",
    )
    assert not (tmp_path / "ml").exists() and not (tmp_path / "ml.part").exists()


def test_malformed_lines_are_named(tmp_path):
    good = ml_1m()
    wrong = (
        (
            ml_1m(**{"ml-1m__ratings.dat": good["ml-1m/ratings.dat"] + "1::2::5\n"}),
            "a.zip/ratings.dat, line 1201: '1::2::5' is not userId::movieId",
        ),
        (ml_1m(**{"ml-1m__movies.dat": "1::A::B\n::C::D\n"}), "a.zip/movies.dat, line 2"),
        (
            ml_1m(**{"ml-1m__ratings.dat": "1::2::five::9\n"}),
            "a.zip/ratings.dat, line 1: '1::2::five::9' is not",
        ),
        (
            csv_files(**{"ml-20m/ratings.csv": "userId,movieId,rating,timestamp\n1,2,5,9\n1,2\n"}),
            "a.zip/ratings.csv, line 3: found 2 fields",
        ),
        (
            csv_files(**{"ml-20m/movies.csv": "movieId,name\n1,2\n"}),
            "a.zip/movies.csv, line 1: the header is",
        ),
    )
    for files, message in wrong:
        (tmp_path / "a.zip").write_bytes(zipped(files))
        refused(
            call_script(
                "movielens", "ml-1m", "--from", tmp_path / "a.zip", "--out", tmp_path / "ml"
            ),
            tmp_path,
            message,
        )
        assert os.listdir(tmp_path) == ["a.zip"]


def test_help_has_an_example():
    shown = run_script("movielens", "--help")
    assert (
        shown.returncode == 0
        and "python data_scripts/movielens.py ml-1m --out data/ml-1m" in shown.stdout
    )
