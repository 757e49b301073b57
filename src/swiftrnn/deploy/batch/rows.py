"""Inputs with what stands beside them, one a row; in batches, from a row on."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from swiftrnn.tasks.text import SURROGATE

MOST = 1 << 27  # bytes of a line, of a cell, or of a file in a folder
AT_ONCE = 1 << 24  # bytes of inputs that are answered together


class Unreadable(NamedTuple):
    """In the place of an input that cannot be read, the reason."""

    why: str


class Row(NamedTuple):
    """An input and what stands beside it.

    Attributes:
        columns: of the row, as JSON has them.
        given: what the task is to read, or `Unreadable`.
        end: about how many bytes of the source lie before its end.
    """

    columns: Mapping[str, Any]
    given: Any
    end: int


class Source(Protocol):
    """Where inputs come from; it can be pickled.

    Attributes:
        path: the file or folder.
        size: of all of it, in bytes.
        columns: those that are known before all is read.
    """

    path: Path
    size: int
    columns: tuple[str, ...]

    def rows(self) -> Iterator[Row]:
        """Everything, from the start."""
        ...

    def fields(self) -> dict[str, str]:
        """Each column that any row has, and its type in JSON; "json" where it has several."""
        ...

    def identity(self) -> dict[str, Any]:
        """What tells it from another, or from itself after a change."""
        ...


class Batch(NamedTuple):
    """Inputs that are answered together.

    Attributes:
        first: the number of its first row, from 0.
        given: what the task is to read, or `Unreadable`.
        end: as of its last row.
    """

    first: int
    given: list[Any]
    end: int


def batches(
    source: Source,
    first: int,
    most: int,
    large: int | None = None,
    of: Callable[[Row], Any] = attrgetter("given"),
) -> Iterator[Batch]:
    """The rows of a source, in batches.

    Args:
        source: of the rows.
        first: the number of the first one.
        most: rows of a batch.
        large: bytes of a batch, `AT_ONCE` unless given: where rows are large it has fewer of them.
        of: what of each row it has.

    Raises:
        ValueError: there are fewer rows than that.
    """
    number, start, end = 0, 0, 0
    given: list[Any] = []
    for number, row in enumerate(source.rows(), 1):
        end = row.end
        if number <= first:
            start = end
            continue
        given.append(of(row))
        if len(given) == most or end - start >= (large or AT_ONCE):
            yield Batch(number - len(given), given, end)
            given, start = [], end
    if number < first:
        raise ValueError(
            f"swiftrnn predict needs the --input that it began with; got {source.path} with "
            f"{number:,} rows, of which {first:,} are answered; give --anew to start over"
        )
    if given:
        yield Batch(number - len(given), given, end)


def identity(path: Path) -> dict[str, Any]:
    """What tells a file from another, or from itself after a change."""
    found = path.stat()
    seconds, rest = divmod(found.st_mtime_ns, 10**9)
    when = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{rest:09} UTC"
    return {"path": str(path.resolve()), "bytes": found.st_size, "modified": when}


def needs(column: str, columns: Collection[str], path: Path) -> None:
    """Refuse a file without the column of the inputs."""
    if column not in columns:
        raise ValueError(
            f"swiftrnn predict needs a column with the inputs; got no {column!r} in {path}, whose "
            f"columns are {', '.join(columns)}; name one of them with --column"
        )


def clean(text: str) -> str:
    """A text that can be written as UTF-8: what is no Unicode becomes U+FFFD."""
    if text.isascii():
        return text
    return SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
