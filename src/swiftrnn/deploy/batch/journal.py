"""What is answered so far, beside OUTPUT: a line for each row, in their order, that outlives kills.

The first line says which work it is of. A line counts once its end is written.
"""

import itertools
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from swiftrnn.deploy.batch.answers import ROW
from swiftrnn.runs.files import why

EVERY = 1.0  # seconds between two times that the disk is waited for
ABOUT = "swiftrnn predict"  # the one key of the first line


class Journal:
    """The lines of one work.

    Args:
        path: the file; what it holds of the same work is gone on with.
        about: what the work is.
        anew: forget what the file holds.

    Attributes:
        rows: how many are answered.

    Raises:
        ValueError: it is of another work, or no journal.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, about: Mapping[str, Any], anew: bool = False) -> None:
        self.path, self.rows, self._synced = path, 0, time.monotonic()
        first = json.dumps({ABOUT: about}).encode() + b"\n"
        end = 0 if anew else self._read(about)
        self.file = path.open("r+b" if path.exists() else "x+b")
        try:
            self.file.truncate(end)
            self.file.seek(end)
            self.file.write(b"" if end else first)
            self._sync()
        except OSError:
            self.file.close()
            raise

    def add(self, lines: bytes) -> None:
        """Append the lines of the rows that follow."""
        self.file.write(lines)
        self.file.flush()
        self.rows += lines.count(b"\n")
        if time.monotonic() - self._synced >= EVERY:
            self._sync()

    def lines(self) -> Iterator[bytes]:
        """The line of each row, from the first, once the journal is closed."""
        with self.path.open("rb", buffering=1 << 20) as file:
            yield from itertools.islice(file, 1, self.rows + 1)

    def close(self) -> None:
        """Let go of the file, once all of it is on the disk."""
        try:
            self._sync()
        finally:
            self.file.close()

    def _sync(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self._synced = time.monotonic()

    def _read(self, about: Mapping[str, Any]) -> int:
        """Count the rows that are answered; gives where the last of them ends."""
        if not self.path.exists():
            return 0
        with self.path.open("rb", buffering=1 << 20) as file:
            first = file.readline()
            if not first.endswith(b"\n"):  # killed before it began
                return 0
            _same(self.path, first, about)
            end = len(first)
            for line in file:
                if not (line.endswith(b"\n") and _number(line) == self.rows):
                    break
                end += len(line)
                self.rows += 1
        return end


def _number(line: bytes) -> Any:
    """The number of a row; None where the line is damaged, as a machine without power leaves it."""
    try:
        return json.loads(line)[ROW]
    except (ValueError, KeyError, TypeError):
        return None


def _same(path: Path, first: bytes, about: Mapping[str, Any]) -> None:
    """Refuse the journal of another work."""
    try:
        there = json.loads(first)[ABOUT]
        differ = [
            f"{name} {_shown(there.get(name))}, which is now {_shown(about.get(name))}"
            for name in {**there, **about}
            if there.get(name) != json.loads(json.dumps(about.get(name)))
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"swiftrnn predict needs {path} for its own; got something else there ({why(error)}); "
            "remove it, or give another --output"
        ) from None
    if differ:
        raise ValueError(
            f"swiftrnn predict needs the work that it began with; got, in {path}, "
            f"{'; '.join(differ)}; give --anew to start over, or another --output"
        )


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items()) or "none"
    return "none" if value is None else str(value)
