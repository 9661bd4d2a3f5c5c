"""What data_scripts ask of servers, and what they take from them: whom, how long, how much."""

import socket
import sys
import threading
import time
import urllib.request

import pytest
from helpers import ROOT
from loopback import Server

from macrid.errors import UserError

sys.path.append(str(ROOT / "data_scripts"))
import amazon_pictures
import download
import web

PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07::1"]
NOT_PUBLIC = [
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "192.168.0.1",
    "172.16.0.1",
    "169.254.169.254",  # where clouds keep secrets
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1,127.0.0.2")
    with Server() as server:
        server.files["/a"] = bytes(range(256)) * 40
        yield server


def read(url, seconds=10, public=False):
    with web.opened(urllib.request.Request(url), seconds, public) as answer:
        return answer.read()


@pytest.mark.parametrize("number", PUBLIC)
def test_what_everybody_can_reach_is_public(number):
    assert web.is_public(number)


@pytest.mark.parametrize("number", NOT_PUBLIC)
def test_what_only_this_machine_or_its_network_can_reach_is_not(number):
    assert not web.is_public(number)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1"])
def test_a_picture_is_not_fetched_from_here_whatever_the_name(server, host):
    with pytest.raises(web.NotPublic, match="no public address"):
        read(f"http://{host}:{server.server_port}/a", public=True)
    assert not server.asked


def test_nor_after_a_redirection(server, monkeypatch):
    monkeypatch.setattr(web, "is_public", lambda number: number == "127.0.0.1")
    assert read(f"{server.url}/a", public=True) == server.files["/a"]
    server.files["/b"] = f"http://127.0.0.2:{server.server_port}/a"
    with pytest.raises(web.NotPublic):
        read(f"{server.url}/b", public=True)


def test_nor_through_a_proxy_by_a_name_that_is_not_public(server, monkeypatch):
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", server.url)
    server.files["http://93.184.215.14/a"] = b"by the proxy"
    assert read("http://93.184.215.14/a", public=True) == b"by the proxy"
    with pytest.raises(web.NotPublic):
        read("http://10.0.0.1/a", public=True)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:,x"])
def test_only_http_is_spoken(url):
    with pytest.raises(urllib.request.URLError):
        read(url)


def test_a_server_that_drips_is_left_at_the_deadline(server):
    server.block, server.pause = 1, 0.05
    before = time.monotonic()
    with pytest.raises(TimeoutError):
        read(f"{server.url}/a", 0.5)
    assert time.monotonic() - before < 5


def test_and_one_that_drips_its_headers():
    listening = socket.create_server(("127.0.0.1", 0))

    def drip():
        connection, _ = listening.accept()
        with connection:
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                pass

    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises(OSError):
        read(f"http://127.0.0.1:{listening.getsockname()[1]}/", 0.5)
    thread.join()
    listening.close()


def cut(server, path, checksum=None):
    """The first part of a download, which the server breaks off."""
    server.cut = 5000
    with pytest.raises(UserError, match="5,000 bytes are kept"):
        download.download([f"{server.url}/a"], path, checksum, quiet=True)
    server.cut = 0


def test_a_file_that_has_changed_is_never_half_old_and_half_new(server, tmp_path):
    cut(server, tmp_path / "a")
    server.files["/a"] = b"new" * 4000
    download.download([f"{server.url}/a"], tmp_path / "a", None, quiet=True)
    assert (tmp_path / "a").read_bytes() == b"new" * 4000
    assert server.ranges() == [None, "bytes=5000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_nor_where_the_server_says_so_only_afterwards(server, tmp_path):
    cut(server, tmp_path / "a")
    server.headers = {"ETag": '"another"'}
    with pytest.raises(UserError, match="has another file now .* run again"):
        download.download([f"{server.url}/a"], tmp_path / "a", None, quiet=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("headers", [{"ETag": ""}, {"ETag": 'W/"weak"'}])
def test_nor_where_it_has_no_name_for_its_versions(server, tmp_path, headers):
    server.headers = headers
    cut(server, tmp_path / "a")
    download.download([f"{server.url}/a"], tmp_path / "a", None, quiet=True)
    assert server.ranges() == [None, None]


@pytest.mark.parametrize("where", ["bytes 0-9/10240", "bytes */10240", "nonsense", ""])
def test_another_part_than_was_asked_for_is_refused(server, tmp_path, where):
    cut(server, tmp_path / "a")
    server.headers = {"Content-Range": where}
    with pytest.raises(UserError, match="another part than the one from byte 5,000 on; 5,000"):
        download.download([f"{server.url}/a"], tmp_path / "a", None, quiet=True)


def test_a_file_has_a_largest_size(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MOST_BYTES", 1000)
    with pytest.raises(UserError, match="offers 10,240 bytes, expected at most 1,000"):
        download.download([f"{server.url}/a"], tmp_path / "a", None, quiet=True)


STRANGE = {  # (item, address): why there is no picture
    ("a" * 300, "/a"): "whose id is no file name",
    ("b", "/" + "a" * 131_072): "more than 2,000 characters",
    ("c", "/a"): "is no public address",
    ("d", "/" + "%" * 1900): "is no public address",
}


def test_strange_items_and_addresses_are_left_out_each_with_its_reason(server, tmp_path):
    rows = [f"{item},{server.url}{path}\n" for item, path in STRANGE]
    (tmp_path / "pictures.csv").write_text("item,url\n" + "".join(rows))
    lines = amazon_pictures.fetch_pictures(tmp_path, 0, True)
    assert "0 fetched" in lines[0]
    for line, reason in zip(lines[1:], STRANGE.values()):
        assert reason in line
    again = amazon_pictures.fetch_pictures(tmp_path, 0, True)
    assert "4 settled before" in again[0] and not server.asked


def test_a_picture_has_a_deadline_and_a_size(server, tmp_path, monkeypatch):
    (tmp_path / "pictures.csv").write_text(f"item,url\nx,{server.url}/a\n")
    monkeypatch.setattr(amazon_pictures, "MOST_SECONDS", 0.3)
    monkeypatch.setattr(amazon_pictures, "TRIES", 1)
    server.block, server.pause = 1, 0.05
    with pytest.raises(UserError, match="takes too long|timed out"):
        amazon_pictures.fetch_pictures(tmp_path, 0, True, public=False)
    monkeypatch.setattr(amazon_pictures, "MOST_BYTES", 1000)
    server.block, server.pause = 65536, 0
    lines = amazon_pictures.fetch_pictures(tmp_path, 0, True, public=False)
    assert "is larger than 1,000 bytes" in lines[1]
