"""What `--input` may be."""

import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from swiftrnn.deploy.batch.lines import JsonLines, Lines, Sentences
from swiftrnn.deploy.batch.rows import MOST, Row, Source, Unreadable
from swiftrnn.deploy.batch.table import Table
from swiftrnn.runs.extras import needs_extra
from swiftrnn.runs.files import why

KINDS = (".txt", ".conll", ".csv", ".tsv", ".jsonl", ".parquet")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
FILE = "file"  # the column with the name of a file in a folder


def opened(path: Path, column: str | None, usual: str, taken: Collection[str]) -> Source:
    """The inputs of a file or folder.

    Args:
        path: the file or folder; the end of a file's name tells what is in it.
        column: which holds the inputs, where there are several.
        usual: what it is unless given.
        taken: names that columns may not have.

    Raises:
        ValueError: there is no such file, it is none of these, or its columns do not fit.
        ModuleNotFoundError: an optional dependency that reads it is missing.
    """
    source = _opened(path, column, usual, taken)
    if both := [name for name in source.columns if name in taken]:
        raise ValueError(
            f"swiftrnn predict needs columns of other names than --output adds, which are "
            f"{', '.join(taken)}; got {', '.join(both)} in {path}; "
            + ("give a .csv, whose column can have any name, and --column"
               if isinstance(source, Lines) else "rename what is in the way")
        )  # fmt: skip
    return source


def _opened(path: Path, column: str | None, usual: str, taken: Collection[str]) -> Source:
    kind = path.suffix.lower()
    single = path.is_dir() or kind == ".txt"
    if not path.is_dir() and not path.is_file():
        raise ValueError(
            f"swiftrnn predict --input needs a file or a folder; got {path}, "
            f"{'which is neither' if path.exists() else 'which does not exist'}; give another"
        )
    if not path.is_dir() and kind not in KINDS:
        raise ValueError(
            f"swiftrnn predict --input needs a file that ends in {', '.join(KINDS)}, or a folder; "
            f"got {path}; convert or rename it"
        )
    if column is not None and single:
        raise ValueError(
            f"swiftrnn predict --column needs an --input with columns; got {path}; leave it out"
        )
    try:
        if kind == ".conll" and not path.is_dir():
            return Sentences(path, usual, column)
        return _of_kind(path, kind, column or usual, taken)
    except OSError as error:
        raise ValueError(
            f"swiftrnn predict --input needs a file that can be read; got {path} ({why(error)})"
        ) from error


def _of_kind(path: Path, kind: str, column: str, taken: Collection[str]) -> Source:
    if path.is_dir():
        return Folder(path)
    if kind == ".txt":
        return Lines(path, column)
    if kind == ".jsonl":
        return JsonLines(path, column, taken)
    if kind == ".parquet":
        needs_extra("swiftrnn predict with a .parquet file", "parquet", "pyarrow")
        from swiftrnn.deploy.batch.parquet import Parquet

        return Parquet(path, column)
    return Table(path, column, DELIMITERS[kind])


class Folder:
    """A folder: each file, also those in folders inside, is an input; hidden ones are left out.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.columns, self.names = path, (FILE,), sorted(_names(path))
        stats = [(path / name).stat() for name in self.names]
        self.size, listed = sum(each.st_size for each in stats), hashlib.sha256()
        for name, each in zip(self.names, stats, strict=True):
            about = f"{name}\0{each.st_size}\0{each.st_mtime_ns}\0"
            listed.update(about.encode("utf-8", "surrogateescape"))
        self.listed = listed.hexdigest()

    def rows(self) -> Iterator[Row]:
        """In the order of their names."""
        end = 0
        for name in self.names:
            content = _content(self.path / name)
            end += len(content)
            yield Row({FILE: name}, content, end)

    def fields(self) -> dict[str, str]:
        """See `Source`."""
        return {FILE: "string"}

    def identity(self) -> dict[str, Any]:
        """Names, sizes and times of all."""
        now = Folder(self.path)
        return {"path": str(self.path.resolve()), "bytes": now.size, "files": now.listed}


def _names(path: Path) -> Iterator[str]:
    for here, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith(".") and (file := Path(here, name)).is_file():
                yield file.relative_to(path).as_posix()


def _content(path: Path) -> bytes | Unreadable:
    try:
        with path.open("rb") as file:
            content = file.read(MOST + 1)
    except OSError as error:
        return Unreadable(f"an input needs a file that can be read; got: {why(error)}")
    if len(content) > MOST:
        return Unreadable(f"an input needs a file of at most {MOST:,} bytes; got more")
    return content
