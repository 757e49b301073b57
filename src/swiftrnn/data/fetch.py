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
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError

BLOCK = 1 << 20  # bytes read at a time, so that a large file never lies in memory whole
TIMEOUT = 30  # seconds without one byte


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes:
        name: in the data set's folder; `*.gz` is packed when it is stored.
        url: where it is downloaded from.
        sha256: of the content, unpacked, because no two packers give the same bytes.
        size: of the content in bytes.
    """

    name: str
    url: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Dataset:
    """What a data set is, under which licence, and its files."""

    about: str
    licence: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """Bytes of all files, unpacked."""
        return sum(file.size for file in self.files)


_GITHUB = "https://raw.githubusercontent.com"  # addresses name a commit: they cannot change
_WIKITEXT = (
    f"{_GITHUB}/pytorch/examples/77f55b912142e11fcfdf5b530231fb9c52f181e8"
    "/word_language_model/data/wikitext-2"
)
_SHAKESPEARE = f"{_GITHUB}/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data"
DATASETS = {
    "wikitext-2": Dataset(
        about="2 million words of Wikipedia, rare words as <unk> (Merity et al. 2016)",
        licence="CC BY-SA 3.0",
        files=(
            File(
                "wiki.train.tokens.gz",
                f"{_WIKITEXT}/train.txt",
                "9e9fa1ad55b1c2c95b08e37dd8e653f638fac2c6de904b79e813611eefbc985f",
                10_797_148,
            ),
            File(
                "wiki.valid.tokens.gz",
                f"{_WIKITEXT}/valid.txt",
                "f0737ed31fc1329026e95cb8b98e19c2a182c39c240ab909dc31abf2f8af58e8",
                1_121_681,
            ),
            File(
                "wiki.test.tokens.gz",
                f"{_WIKITEXT}/test.txt",
                "d790b833ef8cf03a90db7bf1271b7520b83c45ce07ba3c1a9699df81e239eca0",
                1_256_449,
            ),
        ),
    ),
    "tinyshakespeare": Dataset(
        about="40,000 lines of plays (Karpathy 2015)",
        licence="MIT; the text is in the public domain",
        files=(
            File(
                "input.txt",
                f"{_SHAKESPEARE}/tinyshakespeare/input.txt",
                "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                1_115_394,
            ),
        ),
    ),
}


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
            with gzip.open(part, "wb", 6) if path.suffix == ".gz" else part.open("wb") as out:
                while block := source.read(BLOCK):
                    seen.update(block)
                    out.write(block)
            if seen.hexdigest() != file.sha256:
                raise ValueError(
                    f"{path.name} needs sha256 {file.sha256[:12]}...; got "
                    f"{seen.hexdigest()[:12]}... from {file.url}; the source has changed or the "
                    f"network altered it, so nothing was kept"
                )
    except (HTTPException, URLError, TimeoutError, ConnectionError) as error:
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
