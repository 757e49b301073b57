"""Comma- and tab-separated values, as RFC 4180 has them: reading and writing."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from swiftrnn.deploy.batch.lines import LONG, decoded, given, lines
from swiftrnn.deploy.batch.rows import MOST, Row, Unreadable, clean, identity, needs


@dataclass
class _Place:
    """How far a file was read, and whether a line of the row was too long."""

    end: int = 0
    long: bool = False


class Table:
    """A file whose first row names the columns; blank lines are no rows.

    Args:
        path: the file.
        column: which holds the input.
        delimiter: between two cells.

    Raises:
        ValueError: it has no header, a name twice, or no such column.
    """

    def __init__(self, path: Path, column: str, delimiter: str = ",") -> None:
        self.path, self.size, self.delimiter = path, path.stat().st_size, delimiter
        try:
            header = next(self._cells(_Place()), [])
        except csv.Error as error:
            raise ValueError(f"{path} needs a first row with names; got: {error}") from None
        if not header or "" in header or len(set(header)) < len(header):
            raise ValueError(
                f"a {path.suffix} file needs a first row with a different name for each column; "
                f"got {', '.join(header) or 'none'} in {path}; add one"
            )
        self.columns, self.column = tuple(map(clean, header)), column
        needs(column, self.columns, path)

    def rows(self) -> Iterator[Row]:
        """See `Source`."""
        place, at = _Place(), self.columns.index(self.column)
        cells = self._cells(place)
        next(cells)
        while True:
            row, wrong = [], ""
            try:
                row = next(cells)
            except StopIteration:
                return
            except csv.Error as error:
                wrong = f"a row needs its cells quoted in full; got: {error}"
            if place.long:
                wrong, place.long = LONG.why, False
            if not row and not wrong:
                continue
            if len(row) != len(self.columns) and not wrong:
                wrong = f"a row needs {len(self.columns)} cells, as the header has; got {len(row)}"
            found = dict(zip(self.columns, row, strict=False))
            yield Row(found, Unreadable(wrong) if wrong else given(row[at]), place.end)

    def _cells(self, place: _Place) -> Iterator[list[str]]:
        csv.field_size_limit(MOST)  # Python's own limit, which holds for all readers, is lower
        return csv.reader(self._lines(place), delimiter=self.delimiter, strict=True)

    def _lines(self, place: _Place) -> Iterator[str]:
        for line, end in lines(self.path):
            place.end, place.long = end, place.long or line is None
            yield "\n" if line is None else decoded(line)

    def fields(self) -> dict[str, str]:
        """See `Source`."""
        return dict.fromkeys(self.columns, "string")

    def identity(self) -> dict[str, Any]:
        """See `Source`."""
        return identity(self.path)


class _Rows:
    """Takes rows that end in a carriage return and a line feed, writes them without the first.

    Python's writer quotes what holds either sign only where both end its rows.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def write(self, row: str) -> None:
        self.file.write(row[:-2].encode() + b"\n")


def write(
    rows: Iterable[Mapping[str, Any]], names: Iterable[str], delimiter: str, file: IO[bytes]
) -> None:
    """A row of names, then the cells of each row; empty where it has none."""
    names = list(names)
    writer = csv.writer(_Rows(file), delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(map(clean, names))
    for row in rows:
        writer.writerow([cell(row.get(name)) for name in names])


def cell(value: Any) -> str:
    """A text or number as it is, anything else as JSON, None as nothing.

    Examples:
        >>> cell("a, b"), cell(0.5), cell(True), cell(["x"]), cell(None)
        ('a, b', '0.5', 'true', '["x"]', '')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return clean(value)
    return clean(json.dumps(value, ensure_ascii=False))
