"""Data sets: downloaded once, checked against a hash, kept in one folder.

The folder is `$SWIFTRNN_DATA`, or `swiftrnn` in the user's cache folder; each data set has a
folder of its own in it. A file that lies there already, with the right content, needs no network.
"""

import contextlib
import gzip
import hashlib
import os
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from ssl import SSLError
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    UnknownHandler,
)

from swiftrnn.data.sources.catalogue import DATASETS, File
from swiftrnn.data.sources.packed import DAMAGED, gunzip

BLOCK = 1 << 20  # bytes read at a time, so that a large file never lies in memory whole
TIMEOUT = 30  # seconds without one byte
SLOWEST = 10_000  # bytes a second; a download that is slower on the whole is given up
FORGOTTEN = 3600  # seconds after which the part of a download is one that was killed


def folder() -> Path:
    """Where data sets are kept: `$SWIFTRNN_DATA`, or `swiftrnn` in the user's cache folder."""
    if chosen := os.environ.get("SWIFTRNN_DATA"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "swiftrnn"
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/swiftrnn"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "swiftrnn"


def fetch(name: str, file_name: str) -> Path:
    """Have one file of a data set here, and right.

    Args:
        name: a key of `DATASETS`.
        file_name: of one of its files.

    Returns:
        The file.

    Raises:
        ValueError: there is no such data set or file, or what came is not what was asked for.
        ConnectionError: the file could not be downloaded.
        OSError: it could not be written.
    """
    if name not in DATASETS:
        known = ", ".join(DATASETS)
        raise ValueError(f"fetch needs the name of a data set; got {name!r}; choose one of {known}")
    files = {file.name: file for file in DATASETS[name].files}
    if file_name not in files:
        raise ValueError(
            f"fetch needs a file of {name}; got {file_name!r}; choose one of {', '.join(files)}"
        )
    file, path = files[file_name], folder() / name / file_name
    content = _unpacked(path, file.size)
    if content is None or hashlib.sha256(content).hexdigest() != file.sha256:
        _download(file, path)
    return path


def read(name: str, file_name: str) -> bytes:
    """The content of one file of a data set, unpacked; arguments and errors as `fetch`."""
    path = fetch(name, file_name)
    size = next(file.size for file in DATASETS[name].files if file.name == file_name)
    if (content := _unpacked(path, size)) is None:
        raise OSError(f"{path} cannot be read, though it was a moment ago; try again")
    return content


def _unpacked(path: Path, size: int) -> bytes | None:
    """None where there is no such file, or none of this size that can be unpacked."""
    try:
        with path.open("rb") as file:
            content = file.read(size + _slack(size))
        content = gunzip(content, size) if path.suffix == ".gz" else content
    except (OSError, ValueError):
        return None
    return content if len(content) == size else None


def _slack(size: int) -> int:
    """Bytes that a packed file of this size may have above it: gzip's head, tail and blocks."""
    return size // 1000 + (1 << 16)


def _download(file: File, path: Path) -> None:
    """Get the file, whole or not at all."""
    seen, most = hashlib.sha256(), file.size + (_slack(file.size) if file.packed else 1)
    try:
        with _open(file.url) as answer, _whole(path) as part:
            source: Any = _Source(answer, most, file.size)
            unpacked = gzip.GzipFile(fileobj=source) if file.packed else source
            with gzip.open(part, "wb", 6) if path.suffix == ".gz" else part.open("wb") as out:
                count = 0
                while block := unpacked.read(min(BLOCK, file.size + 1 - count)):
                    seen.update(block)
                    out.write(block)
                    if (count := count + len(block)) > file.size:
                        raise _TooMuch
            if count < file.size:
                raise EOFError(f"{count:,} of {file.size:,} bytes")
            if seen.hexdigest() != file.sha256:
                raise ValueError(
                    f"{path.name} needs sha256 {file.sha256[:12]}...; got "
                    f"{seen.hexdigest()[:12]}... from {file.url}; the source has changed or the "
                    f"network altered it, so nothing was kept"
                )
    except _TooMuch:
        raise ValueError(
            f"{path.name} needs {file.size:,} bytes; got more from {file.url}; the source has "
            "changed or the network altered it, so nothing was kept"
        ) from None
    except (HTTPException, URLError, TimeoutError, ConnectionError, SSLError, *DAMAGED) as error:
        raise ConnectionError(
            f"{path.name} needs to be downloaded once ({file.size / 1e6:.1f} MB); got "
            f"{getattr(error, 'reason', None) or error} from {file.url}; "
            f"try again, or put the file at {path}"
        ) from error


class _TooMuch(Exception):
    """More came than the file is long."""


class _Source:
    """What a server sends, up to a number of bytes and of seconds."""

    def __init__(self, answer: Any, most: int, size: int) -> None:
        self.answer, self.left = answer, most
        self.until = time.monotonic() + TIMEOUT + size / SLOWEST

    def read(self, size: int = -1) -> bytes:
        """What has come, at most `size` bytes; it never waits for all of them."""
        if time.monotonic() > self.until:
            raise TimeoutError(f"fewer than {SLOWEST:,} bytes a second")
        found = self.answer.read1(min(size, BLOCK) if size >= 0 else BLOCK)
        self.left -= len(found)
        if self.left < 0:
            raise _TooMuch
        return found


class _Redirected(HTTPRedirectHandler):
    """Follows a redirection to another https address; never to a file or an open connection."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str):
        """As the class it comes from; None ends in an error that names the code."""
        if urlsplit(newurl).scheme not in ("https", req.type):
            raise URLError(f"a redirection from {req.type} to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(url: str) -> Any:
    """Ask for an address of http or https, and of nothing else that Python's opener knows."""
    opener = OpenerDirector()
    for handler in (ProxyHandler(), UnknownHandler(), HTTPHandler(), HTTPSHandler(),
                    HTTPDefaultErrorHandler(), HTTPErrorProcessor(), _Redirected()):  # fmt: skip
        opener.add_handler(handler)
    return opener.open(url, timeout=TIMEOUT)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a file to write that becomes `path` at the end, and vanishes if anything fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"data sets need a folder that can be written to; got {path.parent} "
            f"({error.strerror}); set SWIFTRNN_DATA to another"
        ) from error
    for left in path.parent.glob(f".{path.name}.*.part"):  # of a process that was killed
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > FORGOTTEN:
                left.unlink()
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
