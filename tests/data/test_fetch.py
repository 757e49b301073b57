"""Data sets are downloaded once, checked, and kept; against a server on this machine."""

import contextlib
import gzip
import hashlib
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import URLError
from urllib.request import Request

import pytest

from swiftrnn.data.sources import fetch
from swiftrnn.data.sources.catalogue import DATASETS, Dataset, File

CONTENT = b"to be or not to be\n" * 1000


PACKED = gzip.compress(CONTENT)
BOMB = gzip.compress(CONTENT + b"0" * 10_000_000)
LONG_NAME = b"\x1f\x8b\x08\x08\0\0\0\0\0\3" + b"x" * 100_000  # a name that does not end
BODIES = {
    "/cut": [CONTENT[:500]],
    "/changed": [CONTENT[:-1] + b"!"],
    "/endless": [b"0" * 100_000] * 1000,
    "/drip": [b"0"] * 1000,
    "/packed": [PACKED],
    "/packed-cut": [PACKED[:-9]],
    "/packed-damaged": [PACKED[:20] + b"junk" + PACKED[24:]],
    "/bomb": [BOMB],
    "/name": [LONG_NAME] * 100,
    "/empty-members": [gzip.compress(b"") * 5000] * 100,
}


@pytest.fixture
def server():
    """Serves CONTENT under any path but those of BODIES and /missing; counts in `asked`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            if self.path == "/missing":
                self.send_error(404)
                return
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/to/"))
                self.end_headers()
                return
            self.send_response(200)
            if self.path in ("/good", "/cut", "/changed"):  # others say no length
                self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            with contextlib.suppress(OSError):  # the client has gone
                for piece in BODIES.get(self.path, [CONTENT]):
                    self.wfile.write(piece)
                    self.server.sent += len(piece)
                    time.sleep(self.server.pause)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.asked, http.sent, http.pause = [], 0, 0
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield http
        http.shutdown()
        thread.join()


@pytest.fixture
def dataset(server, tmp_path, monkeypatch):
    """A data set of one file at the address /<name>; gives a function that asks for it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SWIFTRNN_DATA", str(tmp_path / "kept"))

    def ask(address="good", name="plays.txt.gz", packed=False):
        digest = hashlib.sha256(CONTENT).hexdigest()
        url = f"http://127.0.0.1:{server.server_port}/{address}"
        file = File(name, url, digest, len(CONTENT), packed)
        monkeypatch.setitem(DATASETS, "plays", Dataset("plays", "none", (file,)))
        return fetch.read("plays", name)

    return ask


@pytest.mark.parametrize("name", ["plays.txt", "plays.txt.gz"])
def test_a_file_is_downloaded_once(dataset, server, tmp_path, name):
    assert dataset(name=name) == dataset(name=name) == CONTENT
    assert server.asked == ["/good"]
    assert [path.name for path in (tmp_path / "kept/plays").iterdir()] == [name]


def test_a_file_that_lies_there_needs_no_network(dataset, server, tmp_path):
    path = tmp_path / "kept/plays/plays.txt.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(CONTENT, 1))  # another packer, the same content
    assert dataset() == CONTENT
    assert server.asked == []


CUT = gzip.compress(CONTENT)[:-20]


@pytest.mark.parametrize("damage", [b"", b"junk", CUT], ids=["empty", "junk", "cut"])
def test_a_damaged_file_is_fetched_again(dataset, server, tmp_path, damage):
    path = tmp_path / "kept/plays/plays.txt.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(damage)
    assert dataset() == CONTENT
    assert server.asked == ["/good"]


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        ("missing", ConnectionError, r"downloaded once \(0.0 MB\); got Not Found from .*/missing"),
        ("cut", ConnectionError, r"downloaded once .*; got 500 of 19,000 bytes from .*/cut; try"),
        ("endless", ValueError, r"needs 19,000 bytes; got more from .*/endless; .* nothing was"),
        ("changed", ValueError, r"needs sha256 .*; got .* from .*/changed; .* nothing was kept"),
    ],
)
def test_what_is_not_right_is_not_kept(dataset, tmp_path, address, kind, message):
    with pytest.raises(kind, match=message):
        dataset(address)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("name", ["plays.txt", "plays.txt.gz"])
def test_a_packed_file_is_unpacked_and_checked(dataset, server, name):
    assert dataset("packed", name, packed=True) == CONTENT


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        ("bomb", ValueError, r"needs 19,000 bytes; got more from .*/bomb; .* nothing was kept"),
        ("name", ValueError, r"needs 19,000 bytes; got more from .*/name; .* nothing was kept"),
        ("empty-members", ValueError, r"needs 19,000 bytes; got more from .*/empty-members"),
        ("packed-cut", ConnectionError, r"downloaded once .*; got .* from .*/packed-cut; try"),
        ("packed-damaged", ConnectionError, r"downloaded once .*; got .* from .*/packed-damaged"),
        ("good", ConnectionError, r"downloaded once .*; got Not a gzipped file .* from .*/good"),
    ],
)
def test_a_packed_file_that_is_not_right_is_not_kept(dataset, tmp_path, address, kind, message):
    with pytest.raises(kind, match=message):
        dataset(address, packed=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(("address", "packed"), [("endless", False), ("name", True)])
def test_a_download_stops_at_the_known_size(dataset, server, address, packed):
    with pytest.raises(ValueError, match="needs 19,000 bytes; got more"):
        dataset(address, packed=packed)
    assert server.sent < 9_000_000  # of 10 MB or more: what fits into the buffers between


def test_a_download_that_drips_is_given_up(dataset, server, monkeypatch):
    monkeypatch.setattr(fetch, "TIMEOUT", 0.1)
    monkeypatch.setattr(fetch, "SLOWEST", 1_000_000)
    server.pause = 0.02
    begun = time.monotonic()
    with pytest.raises(ConnectionError, match=r"got fewer than 1,000,000 bytes a second from"):
        dataset("drip")
    assert time.monotonic() - begun < 5


def test_a_redirection_is_followed_to_where_it_is_safe(dataset, server, tmp_path):
    here = f"http://127.0.0.1:{server.server_port}"
    assert dataset(f"to/{here}/good") == CONTENT
    assert server.asked[-1] == "/good"
    secret = tmp_path / "secret"
    secret.write_bytes(CONTENT)
    for target in (f"file://{secret}", "ftp://127.0.0.1/x", "data:,x"):
        with pytest.raises(ConnectionError, match=r"downloaded once .*edirection"):
            dataset(f"to/{target}", name="other.txt")
    asked = Request("https://example.org/x")
    with pytest.raises(URLError, match=r"a redirection from https to http://example.org/y"):
        fetch._Redirected().redirect_request(asked, None, 302, "", {}, "http://example.org/y")
    other = fetch._Redirected().redirect_request(asked, None, 302, "", {}, "https://example.org/y")
    assert other.full_url == "https://example.org/y"


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x"])
def test_only_http_is_asked(dataset, monkeypatch, url):
    monkeypatch.setitem(DATASETS, "odd", Dataset("", "", (File("x", url, "0" * 64, 9),)))
    with pytest.raises(ConnectionError, match="unknown url type"):
        fetch.fetch("odd", "x")


def test_parts_of_killed_downloads_are_swept_up_and_others_are_left(dataset, tmp_path):
    kept = tmp_path / "kept/plays"
    kept.mkdir(parents=True)
    old, new = kept / ".plays.txt.gz.77.part", kept / ".plays.txt.gz.78.part"
    for part in (old, new):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert dataset() == CONTENT
    assert sorted(kept.iterdir()) == [new, kept / "plays.txt.gz"]


def test_a_kept_file_that_unpacks_to_far_more_is_fetched_again(dataset, server, tmp_path):
    path = tmp_path / "kept/plays/plays.txt.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(BOMB)
    assert dataset() == CONTENT
    assert server.asked == ["/good"]


def test_a_file_that_was_there_survives_a_failed_download(dataset, tmp_path):
    path = tmp_path / "kept/plays/plays.txt.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"old")
    with pytest.raises(ConnectionError):
        dataset("missing")
    assert path.read_bytes() == b"old"


def test_without_a_network_one_line_says_where_to_put_the_file(dataset, server, tmp_path):
    server.server_close()
    server.server_port = 9  # nobody listens there
    with pytest.raises(ConnectionError, match=r"Connection refused.*put the file at .*txt.gz$"):
        dataset()


def test_a_folder_that_cannot_be_made_is_named(dataset, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SWIFTRNN_DATA", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"can be written to; got .*file.plays .*set SWIFTRNN_DATA"):
        dataset()


def test_unknown_names_are_answered_with_the_known():
    with pytest.raises(ValueError, match="got 'wiki'; choose one of wikitext-2, tinyshakespeare"):
        fetch.fetch("wiki", "x")
    with pytest.raises(ValueError, match="got 'x'; choose one of input"):
        fetch.fetch("tinyshakespeare", "x")


def test_the_table_is_complete():
    for dataset in DATASETS.values():
        assert dataset.licence
        assert dataset.size > 100_000
        for file in dataset.files:
            assert file.url.startswith("https://")
            assert len(file.sha256) == 64
            assert not file.name.startswith("/")
            assert ".." not in file.name.split("/")


def test_the_folder_is_the_users_cache_unless_told(monkeypatch, tmp_path):
    monkeypatch.delenv("SWIFTRNN_DATA", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert fetch.folder() == tmp_path / "swiftrnn"
