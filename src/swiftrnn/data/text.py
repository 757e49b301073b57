"""Texts to train on: the machine's own Python library, one file of yours, or a known corpus."""

import hashlib
import platform
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from swiftrnn.data.sources.fetch import read

LEAST_LIBRARY = 1_000_000  # bytes; a stripped library (zip, .pyc only) has next to nothing
LEAST_FILE = 20_000  # bytes; below it the test part is too short to measure anything
# Not program text one would want to learn: other packages, tests, and generated tables.
LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3"}
LEFT_OUT |= {"encodings", "pydoc_data", "__pycache__"}


@dataclass(frozen=True)
class Text:
    """A text in three parts that share no document.

    Attributes:
        train, valid, test: the bytes of each part.
        name: what to call it in tables.
        sha256: of all that was read, names and contents, so that two results can be compared.
        facts: what a reader of a result should know: where it came from, how many files.
        test_files: the documents of the test part, one by one.
    """

    train: bytes
    valid: bytes
    test: bytes
    name: str
    sha256: str
    facts: dict[str, str] = field(default_factory=dict)
    test_files: tuple[bytes, ...] = ()


def standard_library(root: Path | None = None) -> Text:
    """The source code of this Python's standard library, split by file.

    Packages that were installed, tests and generated tables (`encodings`, `pydoc_data`) are left
    out. A file belongs to test, valid or train by a hash of its path, so the split stays the same
    where a file is added or lost.

    Args:
        root: the folder to read; by default the one `sysconfig` calls `stdlib`.

    Raises:
        ValueError: there are too few sources, as where an installation was stripped.

    Examples:
        >>> text = standard_library()
        >>> b"import" in text.train
        True
    """
    root = Path(sysconfig.get_path("stdlib")) if root is None else root
    parts: dict[str, list[bytes]] = {"train": [], "valid": [], "test": []}
    corpus = hashlib.sha256()
    for name, path in _sources(root):
        try:
            content = path.read_bytes()
        except OSError:  # a dangling link or a file of another user: the corpus hash shows it
            continue
        parts[part_of(name)].append(content)
        corpus.update(f"{name}\0{len(content)}\0".encode() + content)
    size = sum(map(len, parts["train"] + parts["valid"] + parts["test"]))
    if size < LEAST_LIBRARY or not all(parts.values()):
        raise ValueError(
            f"the standard library's text needs at least {LEAST_LIBRARY:,} bytes of .py files; "
            f"got {size:,} in {root}; give a text of your own with --text FILE"
        )
    facts = {
        "python": platform.python_version(),
        "files": str(sum(map(len, parts.values()))),
        "bytes": str(size),
    }
    joined = {part: b"".join(contents) for part, contents in parts.items()}
    name = f"Python {platform.python_version()} standard library"
    files = tuple(parts["test"])
    return Text(**joined, name=name, sha256=corpus.hexdigest(), facts=facts, test_files=files)


def _sources(root: Path) -> list[tuple[str, Path]]:
    """Path from `root` and file, in the order of the paths."""
    found = []
    for path in root.rglob("*.py"):
        relative = path.relative_to(root)
        if LEFT_OUT.isdisjoint(relative.parts) and path.is_file():
            found.append((PurePosixPath(relative).as_posix(), path))
    return sorted(found)


def part_of(name: str) -> str:
    """Which part the file at this POSIX path belongs to: 3 % valid, 3 % test, the rest train.

    Examples:
        >>> part_of("ast.py")
        'train'
    """
    percent = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100
    return "valid" if percent < 3 else "test" if 6 <= percent < 9 else "train"


def read_text(path: Path, option: str = "--text") -> Text:
    """One file of yours, any bytes: the first 90 % train, then 5 % valid and 5 % test.

    Args:
        path: of the file.
        option: that named it, for messages.

    Raises:
        ValueError: the file cannot be read, is empty, or is too short to be split.
    """
    content = _content(option, path)
    if len(content) < LEAST_FILE:
        got = f"{len(content):,} bytes" if content else "an empty file"
        raise ValueError(
            f"{option} needs at least {LEAST_FILE:,} bytes; got {got} in {path}; give a longer text"
        )
    first, second = len(content) * 90 // 100, len(content) * 95 // 100
    return _from_parts(content[:first], content[first:second], content[second:], Path(path).name)


def read_parts(train: Path, valid: Path, test: Path) -> Text:
    """Three files of yours, any bytes.

    Raises:
        ValueError: one cannot be read, or is empty.
    """
    parts = []
    for option, path in (("--train", train), ("--valid", valid), ("--test", test)):
        parts.append(_content(option, path))
        if not parts[-1]:
            raise ValueError(f"{option} needs a text; got an empty file, {path}; give another file")
    return _from_parts(*parts, name=Path(train).name)


def shuffled(text: Text, seed: int) -> Text:
    """The same bytes in random order: nothing but their counts is left."""
    draw = np.random.default_rng(seed)

    def mixed(part: bytes) -> bytes:
        return draw.permutation(np.frombuffer(part, np.uint8)).tobytes()

    return rearranged(text, mixed)


def rearranged(text: Text, mixed: Callable[[bytes], bytes]) -> Text:
    """A text whose parts were mixed by a function, one after the other."""
    train, valid, test = map(mixed, (text.train, text.valid, text.test))
    return Text(train, valid, test, f"{text.name}, shuffled", text.sha256, test_files=(test,))


def _content(option: str, path: Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(
            f"{option} needs a file that can be read; got {path} ({error.strerror}); "
            "give another file"
        ) from None


def wikitext_2() -> Text:
    """WikiText-2 (Merity et al. 2016): 2 million words, rare ones `<unk>`; fetched once."""
    parts = [read("wikitext-2", f"wiki.{part}.tokens.gz") for part in ("train", "valid", "test")]
    return _from_parts(*parts, name="WikiText-2")


def tiny_shakespeare() -> Text:
    """Tiny Shakespeare (Karpathy 2015): 1.1 MB of plays; fetched once; 90 / 5 / 5 %."""
    content = read("tinyshakespeare", "input.txt")
    first, second = len(content) * 90 // 100, len(content) * 95 // 100
    return _from_parts(content[:first], content[first:second], content[second:], "Tiny Shakespeare")


def _from_parts(train: bytes, valid: bytes, test: bytes, name: str) -> Text:
    corpus = hashlib.sha256(train + valid + test).hexdigest()
    facts = {"bytes": str(len(train) + len(valid) + len(test))}
    return Text(train, valid, test, name, corpus, facts, (test,))
