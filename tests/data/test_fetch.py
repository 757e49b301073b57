"""Data sets are downloaded once, checked, and kept; against a server on this machine."""

import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from swiftrnn.data import fetch
from swiftrnn.data.catalogue import DATASETS, Dataset, File

CONTENT = b"to be or not to be\n" * 1000


@pytest.fixture
def server():
    """Serves CONTENT under any path but /missing, /cut and /changed; counts in `asked`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            if self.path == "/missing":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            content = {"/cut": CONTENT[:500], "/changed": CONTENT[:-1] + b"!"}
            self.wfile.write(content.get(self.path, CONTENT))

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.asked = []
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

    def ask(address="good", name="plays.txt.gz"):
        digest = hashlib.sha256(CONTENT).hexdigest()
        url = f"http://127.0.0.1:{server.server_port}/{address}"
        file = File(name, url, digest, len(CONTENT))
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
        ("cut", (ConnectionError, ValueError), "plays.txt.gz needs"),
        ("changed", ValueError, r"needs sha256 .*; got .* from .*/changed; .* nothing was kept"),
    ],
)
def test_what_is_not_right_is_not_kept(dataset, tmp_path, address, kind, message):
    with pytest.raises(kind, match=message):
        dataset(address)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


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


def test_the_folder_is_the_users_cache_unless_told(monkeypatch, tmp_path):
    monkeypatch.delenv("SWIFTRNN_DATA", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert fetch.folder() == tmp_path / "swiftrnn"
