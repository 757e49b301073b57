"""Data sets: downloaded once, checked against a hash, kept in one folder.

The folder is `$SWIFTRNN_DATA`, or `swiftrnn` in the user's cache folder; each data set has a
folder of its own in it. A file that lies there already, with the right content, needs no network.
"""

import gzip
import hashlib
import os
import sys
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

from swiftrnn.data.catalogue import DATASETS, File

BLOCK = 1 << 20  # bytes read at a time, so that a large file never lies in memory whole
TIMEOUT = 30  # seconds without one byte


def folder() -> Path:
    """Where data sets are kept: `$SWIFTRNN_DATA`, or `swiftrnn` in the user's cache folder."""
    if chosen := os.environ.get("SWIFTRNN_DATA"):
        return Path(chosen)
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
    content = _unpacked(path)
    if content is None or hashlib.sha256(content).hexdigest() != file.sha256:
        _download(file, path)
    return path


def read(name: str, file_name: str) -> bytes:
    """The content of one file of a data set, unpacked; arguments and errors as `fetch`."""
    path = fetch(name, file_name)
    if (content := _unpacked(path)) is None:
        raise OSError(f"{path} cannot be read, though it was a moment ago; try again")
    return content


def _unpacked(path: Path) -> bytes | None:
    """None where there is no such file, or none that can be unpacked."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error):
        return None


def _download(file: File, path: Path) -> None:
    """Get the file, whole or not at all."""
    seen = hashlib.sha256()
    try:
        with urllib.request.urlopen(file.url, timeout=TIMEOUT) as source, _whole(path) as part:
            unpacked = gzip.GzipFile(fileobj=source) if file.packed else source
            with gzip.open(part, "wb", 6) if path.suffix == ".gz" else part.open("wb") as out:
                while block := unpacked.read(BLOCK):
                    seen.update(block)
                    out.write(block)
            if seen.hexdigest() != file.sha256:
                raise ValueError(
                    f"{path.name} needs sha256 {file.sha256[:12]}...; got "
                    f"{seen.hexdigest()[:12]}... from {file.url}; the source has changed or the "
                    f"network altered it, so nothing was kept"
                )
    except (HTTPException, URLError, TimeoutError, ConnectionError, EOFError, zlib.error) as error:
        raise ConnectionError(
            f"{path.name} needs to be downloaded once ({file.size / 1e6:.1f} MB); got "
            f"{getattr(error, 'reason', None) or error} from {file.url}; "
            f"try again, or put the file at {path}"
        ) from error


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
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
