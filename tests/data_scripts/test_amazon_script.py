"""data_scripts/amazon.py with files of the 2014 formats, made here and served on the loopback."""

import csv
import gzip
import io
import json
import os
import signal
import time

import numpy as np
import pytest
from helpers import leftover, refused
from loopback import Server, call_script, run_script, start_script
from PIL import Image

from macrid.pictures import features

NAME = "Musical_Instruments"
RATINGS, METADATA, FEATURES = (
    f"ratings_{NAME}.csv",
    f"meta_{NAME}.json.gz",
    f"image_features_{NAME}.b",
)
PICTURES = ("--pictures", "--private-addresses", "--delay", 0)
ITEMS = [f"B{i:09d}" if i else "0006428320" for i in range(30)]


@pytest.fixture
def server():
    with Server() as server:
        yield server


def picture(i):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (8 * i, 100, 200)).save(file, "JPEG")
    return file.getvalue()


def rows():
    """60 users with 20 items each, 18 at least liked; user 0 has too few."""
    rng = np.random.default_rng(0)
    for u in range(60):
        for i in rng.choice(29, 3 if u == 0 else 20, replace=False):
            yield (
                f"A{u:012d}X",
                ITEMS[i],
                rng.choice([2, 4, 5], p=[0.05, 0.45, 0.5]),
                1_400_000_000 + u,
            )
    yield "A000000000000X", ITEMS[29], 2, 1_400_000_000  # an item that the filter drops


def ratings(order=(0, 1)):
    return "".join(f"{row[order[0]]},{row[order[1]]},{row[2]}.0,{row[3]}\n" for row in rows())


def item(i, url):
    paths = [
        ["Musical Instruments", ["Guitars", "Drums & more", "A|B"][i % 3], f"Leaf {i % 5}"]
    ] + [["Toys"]] * (i == 4)
    value = {
        "asin": ITEMS[i],
        "title": f"It's &quot;good&quot;, {i}\\d\n",
        "imUrl": f"{url}/I/{i}.jpg",
        "salesRank": {"Toys": i},
        "categories": paths,
    }
    if i == 3:
        value = {
            "asin": ITEMS[3],
            "imUrl": "http://127.0.0.1:9/x-site/icons/no-img-sm.gif",
        }  # as real files have
    return value


def metadata(url, write=repr, more=""):
    return (
        "".join(write(item(i, url)) + "\n" for i in range(30))
        + "{'asin': 'B999999999', 'title': 'Nobody rated it'}\n" * (write is repr)
        + more
    )


def folder(path, ratings_text=None, metadata_text=None):
    """The files of --from."""
    path.mkdir()
    (path / RATINGS).write_text(ratings_text or ratings())
    (path / METADATA.removesuffix(".gz")).write_text(
        metadata_text or metadata("http://127.0.0.1:9")
    )
    return path


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def served(server):
    """The server with all of it; one picture is missing, one is no picture."""
    server.files = {
        f"/categoryFiles/{RATINGS}": ratings().encode(),
        f"/categoryFiles/{METADATA}": gzip.compress(metadata(server.url).encode()),
    }
    server.files |= {f"/I/{i}.jpg": picture(i) for i in range(30) if i != 5} | {
        "/I/6.jpg": b"<html>gone</html>"
    }
    block = lambda i: (
        ITEMS[i].encode() + np.random.default_rng(i).random(4096, np.float32).tobytes()
    )
    server.files[f"/image_features/categoryFiles/{FEATURES}"] = b"".join(
        block(i) for i in range(8, 30)
    )
    return server


def test_ratings_and_items_from_the_server(served, tmp_path):
    out = tmp_path / "data" / "x"
    done = run_script("amazon", NAME, "--url", served.url, "--out", out)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "the paper's Table 1                655    10,377      15,540   0.2286%" in done.stdout
    assert f"{NAME:28}        59" in done.stdout
    assert "metadata  of 30 of 30 rated items, 29 with a category" in done.stdout
    assert sorted(os.listdir(out)) == ["items.csv", "pictures.csv", "ratings.csv"]
    assert sorted(os.listdir(out.parent)) == [METADATA, RATINGS, "x"]
    header, first, *_ = table(out / "ratings.csv")
    assert header == ["user", "item", "rating", "timestamp"]
    assert first == ratings().split("\n")[0].split(",")


def test_titles_categories_and_addresses_of_items(served, tmp_path):
    assert call_script("amazon", NAME, "--url", served.url, "--out", tmp_path / "x").returncode == 0
    header, *rows = table(tmp_path / "x" / "items.csv")
    assert header == ["item", "title", "category"] and len(rows) == 30
    found = {item: (title, category) for item, title, category in rows}
    assert found[ITEMS[1]] == ('It\'s "good", 1\\d', "Drums & more")
    assert found[ITEMS[2]][1] == "A/B" and found[ITEMS[4]][1] == "Drums & more"
    assert found[ITEMS[3]] == ("", "")
    pictured = {row[0] for row in table(tmp_path / "x" / "pictures.csv")}
    assert ITEMS[28] in pictured and ITEMS[29] not in pictured


def test_pictures_and_features_from_the_server(served, tmp_path):
    words = ("amazon", NAME, "--url", served.url, "--out", tmp_path / "x")
    assert call_script(*words).returncode == 0
    done = call_script(*words, *PICTURES, "--features")
    assert done.returncode == 0, done.stderr
    assert "pictures  26 fetched, 0 settled before, 2 left out" in done.stdout
    assert f"{ITEMS[5]} {served.url}/I/5.jpg answered 404" in done.stdout
    assert f"{ITEMS[6]} {served.url}/I/6.jpg is not a picture" in done.stdout
    pictures = tmp_path / "x" / "pictures"
    assert len(os.listdir(pictures)) == 26
    assert (pictures / f"{ITEMS[1]}.jpg").read_bytes() == picture(1)
    found = features.load(tmp_path / "x" / "features.npz")
    assert found.ids.tolist() == ITEMS[8:29], "item 29 is not kept"
    for path in (f"/categoryFiles/{RATINGS}", "/I/5.jpg"):
        assert served.paths().count(path) == 1, "asked for once"
    assert all("macrid" in agent for *_, agent in served.asked)


@pytest.mark.parametrize("start", ["--pictures x/pictures --alexnet random", "--features x/f.npz"])
def test_training_takes_what_was_fetched(served, command, tmp_path, start):
    words = ("amazon", NAME, "--url", served.url, "--out", tmp_path / "x")
    assert call_script(*words, *PICTURES, "--features").returncode == 0
    (tmp_path / "x" / "features.npz").rename(tmp_path / "x" / "f.npz")
    options = "--max-epochs 2 --K 2 --d 8 --categories x/items.csv:category --category-weight 0.1"
    trained = command(f"train --data x {options} {start} --out run", cwd=tmp_path)
    assert trained.returncode == 0 and "items have a picture" in trained.stdout, trained.stderr


def test_pictures_continue_where_they_stopped(served, tmp_path):
    out = tmp_path / "x"
    served.files |= {f"/I/{i}.jpg": 503 for i in range(10, 30)}
    words = (NAME, "--url", served.url, "--out", out, *PICTURES)
    refused(
        call_script("amazon", *words),
        "19 pictures could not be fetched, ",
        "answered 503",
        "4 times",
        "run again later",
    )
    first = set(os.listdir(out / "pictures"))
    assert len(first) == 7 and not any(name.endswith(".part") for name in first)
    assert sum(path in [f"/I/{i}.jpg" for i in range(10, 30)] for path in served.paths()) == 12, (
        "three pictures, four times each"
    )
    served.files |= {f"/I/{i}.jpg": picture(i) for i in range(10, 29)}
    served.asked.clear()
    done = call_script("amazon", *words)
    assert done.returncode == 0 and "19 fetched, 9 settled before, 0 left out" in done.stdout, (
        done.stderr + done.stdout
    )
    assert len(served.asked) == 19 and len(os.listdir(out / "pictures")) == 26
    (out / "pictures_failed.csv").unlink()
    served.files["/I/5.jpg"] = picture(5)
    assert "1 fetched" in call_script("amazon", *words).stdout, "asked anew, on request"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_amid_pictures_continues(served, tmp_path, sent):
    out = tmp_path / "x"
    leftover(tmp_path).mkdir()  # as a run leaves it that was killed amid the preparation
    words = (NAME, "--url", served.url, "--out", out, *PICTURES[:-1])
    process = start_script("amazon", *words, 0.1)
    while len(list(out.glob("pictures/*.jpg"))) < 3 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(sent)
    _, message = process.communicate()
    assert process.returncode == (2 if sent == signal.SIGINT else -sent) and (
        "continue" in message
    ) == (sent == signal.SIGINT)
    assert not list(tmp_path.glob("*.part"))
    before = len(list(out.glob("pictures/*.jpg")))
    assert 3 <= before < 26
    assert call_script("amazon", *words, 0).returncode == 0
    assert {path.name: path.read_bytes() for path in out.glob("pictures/*")} == {
        f"{ITEMS[i]}.jpg": picture(i) for i in range(29) if i not in (3, 5, 6)
    }


def test_pictures_from_strange_addresses_are_left_out(served, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(picture(1))
    strange = [
        f"file://{tmp_path}/secret.jpg",
        "ftp://127.0.0.1/a.jpg",
        "http://[::1/a.jpg",
        "javascript:1",
        f"{served.url}/redirect",
    ]
    served.files["/redirect"] = f"file://{tmp_path}/secret.jpg"
    values = [
        {**item(i, served.url), "imUrl": strange[i] if i < len(strange) else ""} for i in range(30)
    ]
    served.files[f"/categoryFiles/{METADATA}"] = gzip.compress(
        "".join(map("{}\n".format, values)).encode()
    )
    done = call_script("amazon", NAME, "--url", served.url, "--out", tmp_path / "x", *PICTURES)
    assert done.returncode == 0 and "0 fetched, 0 settled before, 5 left out" in done.stdout, (
        done.stderr
    )
    assert os.listdir(tmp_path / "x" / "pictures") == []


def test_an_item_id_is_no_path(served, tmp_path):
    evil = "../../evil"
    served.files[f"/categoryFiles/{RATINGS}"] = ratings().replace(ITEMS[1], evil).encode()
    served.files[f"/categoryFiles/{METADATA}"] = gzip.compress(
        metadata(served.url).replace(ITEMS[1], evil).encode()
    )
    done = call_script(
        "amazon",
        NAME,
        "--url",
        served.url,
        "--out",
        tmp_path / "a" / "x",
        *PICTURES,
    )
    assert done.returncode == 0 and "left out: ../../evil" in done.stdout, done.stderr
    assert sorted(os.listdir(tmp_path)) == ["a"] and sorted(os.listdir(tmp_path / "a")) == [
        METADATA,
        RATINGS,
        "x",
    ]


def test_json_lines_gz_and_leaf_categories(tmp_path):
    source = folder(tmp_path / "in", metadata_text=metadata("http://x", json.dumps))
    assert (
        call_script("amazon", NAME, "--from", source, "--out", tmp_path / "second").returncode == 0
    )
    (source / f"{RATINGS}.gz").write_bytes(gzip.compress((source / RATINGS).read_bytes()))
    (source / RATINGS).unlink()
    assert (
        call_script(
            "amazon", NAME, "--from", source, "--category", "leaf", "--out", tmp_path / "leaf"
        ).returncode
        == 0
    )
    assert (tmp_path / "leaf" / "ratings.csv").read_bytes() == (
        tmp_path / "second" / "ratings.csv"
    ).read_bytes()
    second, leaf = (
        {row[0]: row[2] for row in table(tmp_path / level / "items.csv")}
        for level in ("second", "leaf")
    )
    assert second[ITEMS[1]] == "Drums & more" and leaf[ITEMS[1]] == "Leaf 1"


def test_the_order_of_2018_warns_and_is_read_right(tmp_path):
    source = folder(tmp_path / "in")
    assert call_script("amazon", NAME, "--from", source, "--out", tmp_path / "a").stderr == ""
    (source / RATINGS).write_text(ratings((1, 0)))
    done = call_script("amazon", NAME, "--from", source, "--out", tmp_path / "b")
    assert (
        done.returncode == 0
        and done.stderr.startswith("warning: ")
        and "order of 2018" in done.stderr
        and done.stderr.count("\n") == 1
    )
    assert (tmp_path / "a" / "ratings.csv").read_bytes() == (
        tmp_path / "b" / "ratings.csv"
    ).read_bytes()
    assert (
        call_script(
            "amazon", NAME, "--from", source, "--columns", "item,user", "--out", tmp_path / "c"
        ).stderr
        == ""
    )
    refused(
        call_script(
            "amazon", NAME, "--from", source, "--columns", "user,item", "--out", tmp_path / "d"
        ),
        "describes none of the items",
        "--columns",
    )


@pytest.mark.parametrize(
    "line",
    [
        "__import__('os').system('touch evil')",
        "{'asin': __import__('os').system('touch evil')}",
        "{'asin': 'A'",
        "[1, 2]",
        "{'title': 'no asin'}",
        "{'asin': 'A', 'categories': 'x'}",
        "{'asin': 'A', 'title': 5}",
        "(" * 100_000,
        "[" * 100_000,
        "9" * 10_000,
        "{'asin': 'A', 'x': 9**9**9}",
        "{[]: 1}",
    ],
    ids=range(12),
)
def test_malformed_and_hostile_metadata(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = folder(tmp_path / "in", metadata_text=metadata("http://x", more=line + "\n"))
    refused(
        call_script("amazon", NAME, "--from", source, "--out", tmp_path / "x"),
        f"{source / METADATA.removesuffix('.gz')}, line 32: ",
        "mend or remove",
    )
    assert os.listdir(tmp_path) == ["in"]


@pytest.mark.parametrize(
    "line",
    [
        "A1,B1,5.0",
        "A1,B1,5.0,1,1",
        "A1,,5.0,1",
        "A1,B1,nan,1",
        "A1,B1,6,1",
        "A1,B1,x,1",
        "user,item,rating,time",
    ],
)
def test_malformed_ratings(line, tmp_path):
    source = folder(tmp_path / "in", ratings_text=ratings() + line + "\n")
    number = len(ratings().splitlines()) + 1
    refused(
        call_script("amazon", NAME, "--from", source, "--out", tmp_path / "x"),
        f"{source / RATINGS}, line {number}: '{line}' is not user,item,rating,time",
    )
    assert os.listdir(tmp_path) == ["in"]


def test_damaged_and_missing_files(tmp_path):
    source = folder(tmp_path / "in")
    words = (NAME, "--from", source, "--out", tmp_path / "x")
    packed, plain = source / METADATA, source / METADATA.removesuffix(".gz")
    packed.write_bytes(gzip.compress(plain.read_bytes())[:-100])
    text = plain.read_bytes()
    plain.unlink()
    refused(call_script("amazon", *words), METADATA, "is cut or damaged", "fetch it again")
    packed.write_bytes(gzip.compress(text + b"{'asin': '\xff'}\n"))
    refused(call_script("amazon", *words), METADATA, "is not UTF-8")
    packed.write_bytes(gzip.compress(b" " * (5 << 20)))
    refused(call_script("amazon", *words), f"{METADATA}, line 1: is longer than")
    packed.unlink()
    refused(call_script("amazon", *words), f"has no {plain.name}", "leave --from out")
    (source / RATINGS).write_text("")
    plain.write_bytes(text)
    refused(call_script("amazon", *words), f"{source / RATINGS}: has no ratings")
    (source / RATINGS).write_text("A1,B1,1.0,1\n")
    refused(call_script("amazon", *words), f"{source / RATINGS}: no user has")
    refused(call_script("amazon", *words, "--delay", -1), "--delay is -1")
    assert os.listdir(tmp_path) == ["in"]


def test_a_cut_download_is_resumed(served, tmp_path):
    words = (NAME, "--url", served.url, "--out", tmp_path / "x")
    served.cut = 5000
    refused(call_script("amazon", *words), "5,000 bytes are kept, run again to continue")
    begun = f".macrid-download-{RATINGS}"
    assert sorted(os.listdir(tmp_path)) == [f"{begun}.json", f"{begun}.part"]
    served.cut = 0
    assert (
        call_script("amazon", *words).returncode == 0
        and (tmp_path / RATINGS).read_text() == ratings()
    )
    assert ("/categoryFiles/" + RATINGS, "bytes=5000-", "macrid") in served.asked
    served.files[f"/categoryFiles/{METADATA}"] = 404
    (tmp_path / METADATA).unlink()
    refused(
        call_script("amazon", NAME, "--url", served.url, "--out", tmp_path / "y"),
        "answered 404",
        "--from FOLDER",
    )
    assert sorted(os.listdir(tmp_path)) == [RATINGS, "x"]


def test_help_has_an_example():
    shown = run_script("amazon", "--help")
    assert (
        shown.returncode == 0
        and "python data_scripts/amazon.py Musical_Instruments --out data/instruments"
        in shown.stdout
    )
