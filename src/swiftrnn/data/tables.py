"""Tables: files of separated values, read as their author meant them, or refused by line."""

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from swiftrnn.data.cells import Cell, Decimal, decimal_sign, is_missing, is_number, values
from swiftrnn.data.sources import packed

Delimiter = Literal["auto", "comma", "semicolon", "tab", "bar"]
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
SAMPLE = 1000  # rows that tell by what fields are parted
MOST = 1 << 30  # bytes of a table
OPENING, CLOSING, SHIELD = "([{", ")]}", "\ue000"
Row = tuple[int, list[str]]  # the line where it begins, from 1, and its fields


class Columns(NamedTuple):
    """Columns of a table, each of numbers or of words.

    Attributes:
        values: for each name what it holds, row by row.
        rows: how many rows there were.
        dropped: how many of them were left out, because a value was missing.
    """

    values: dict[str, list[float] | list[str]]
    rows: int
    dropped: int


class Way(NamedTuple):
    """A way to part lines into fields, and how well it fits."""

    by: str
    names: list[str]
    fitting: float  # share of the rows with as many fields as there are names
    numbers: float  # share of the cells that are numbers or missing


def read(path: Path, delimiter: Delimiter = "auto") -> dict[str, list[Cell]]:
    """Read a table whose first line names its columns.

    Fields may be quoted as in RFC 4180. Separators at the ends of lines, and empty lines, are left
    out. A separator inside brackets of a name belongs to the name where the rows say so.

    Args:
        path: a text in UTF-8 of at most a gigabyte, or such a text packed by gzip.
        delimiter: comma, semicolon, tab or bar; auto takes the one by which all rows have as many
            fields as there are names.

    Returns:
        For each column its cells, without the spaces around them.

    Raises:
        ValueError: it is no such table; the message names the line.
    """
    lines = list(io.StringIO(_text(path), newline=""))
    told = DELIMITERS.get(delimiter)
    if lines and (hint := re.fullmatch(r"sep=(.)\s*", lines[0])):  # as Excel writes it
        told, lines[0] = told or hint[1], "\n"
    with _wide_cells(sum(map(len, lines))):
        way = _way(lines, told, path)
        try:
            rows = list(_rows(lines, way.by))[1:]
        except csv.Error as error:
            raise ValueError(
                f"a table needs quoted fields that end; got {error} of {path}; correct its quotes"
            ) from None
    names = _names(way, rows, path)
    while rows and not _used(rows[-1][1]):
        rows.pop()
    if len(names) > 1:
        rows = [(line, fields) for line, fields in rows if len(fields) > 1 or _used(fields)]
    for line, fields in rows:
        if not _used(fields) <= len(names) <= len(fields):
            raise ValueError(
                f"a table needs {len(names)} fields in each line; got {len(fields)} in line "
                f"{line} of {path}; fill it up, or quote what belongs together"
            )
    return {
        name: [Cell(fields[i], line, name, path) for line, fields in rows]
        for i, name in enumerate(names)
    }


def columns(
    path: Path,
    names: Sequence[str] = (),
    words: Sequence[str] = (),
    missing: Literal["refuse", "drop"] = "refuse",
    delimiter: Delimiter = "auto",
    decimal: Decimal = "auto",
) -> Columns:
    """Read columns of a table as numbers, or as words where no cell looks like a number.

    Args:
        path: see `read`.
        names: of the columns; all unless given.
        words: those that are words, whatever they look like.
        missing: drop leaves out the rows where a column that is read has no value.
        delimiter: see `read`.
        decimal: sign; auto takes a comma where some cell has one that cannot part thousands.

    Raises:
        ValueError: it is no such table, or a cell is missing, is a number but not a plain, finite
            one (1_0, 0x1F, 1 000, inf), or a number among words; the message names the column and
            the line.
    """
    table = read(path, delimiter)
    for name in (*names, *words):
        if name not in table:
            raise ValueError(
                f"a table needs its columns by name; got {name!r}, and {path} has "
                f"{', '.join(table)}; name one of them"
            )
    chosen = {name: table[name] for name in (names or table)}
    rows = [*zip(*chosen.values(), strict=True)]
    kept = [row for row in rows if missing != "drop" or not any(is_missing(c.text) for c in row)]
    if not kept:
        raise ValueError(
            f"a table needs rows without missing values; got none of {len(rows)} in {path}; "
            "choose fewer columns with --columns"
        )
    found = {name: [row[i] for row in kept] for i, name in enumerate(chosen)}
    sign = decimal_sign([c for name in found if name not in words for c in found[name]], decimal)
    typed = {name: values(cells, sign, name in words) for name, cells in found.items()}
    _check_header(typed, path)
    return Columns(typed, len(rows), len(rows) - len(kept))


def _check_header(typed: dict[str, list[float] | list[str]], path: Path) -> None:
    """Refuse a first line that looks as all others do: numbers above numbers, words among words."""
    if all(is_number(n) if isinstance(v[0], float) else n in v for n, v in typed.items()):
        raise ValueError(
            f"a table needs names in its first line; got {', '.join(typed)} in {path}, like the "
            "rows below; put a line of names above them"
        )


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MOST + 1)
    except OSError as error:
        raise ValueError(f"a table needs a file to read; got {path}: {error.strerror}") from None
    if content.startswith(packed.MAGIC):
        try:
            content = packed.gunzip(content, MOST)
        except ValueError as error:
            raise ValueError(f"{error}, which is {path}") from None
    if len(content) > MOST:
        raise ValueError(f"a table needs at most {MOST:,} bytes; got more in {path}; cut it down")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(f"a table needs a text in UTF-8; got UTF-16 in {path}; save it as UTF-8")
    odd = _odd_byte(content)
    if odd >= 0:
        line = content.count(b"\n", 0, odd) + 1
        raise ValueError(
            f"a table needs a text in UTF-8; got the byte 0x{content[odd]:02x} in line {line} of "
            f"{path}; save it as UTF-8"
        )
    return content.decode("utf-8-sig")


def _odd_byte(content: bytes) -> int:
    """Where the first byte lies that is 0 or no UTF-8; -1 where there is none."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return content.find(b"\0")


@contextmanager
def _wide_cells(most: int) -> Iterator[None]:
    """Let a cell be as wide as the file; the module's own limit is 131,072 characters."""
    before = csv.field_size_limit(max(most, 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _rows(lines: list[str], by: str) -> Iterator[Row]:
    """From the first one that holds something."""
    read, first, begun = _reader(lines, by), 1, False
    while True:
        try:
            fields = [field.strip() for field in next(read)] or [""]
        except StopIteration:
            return
        except csv.Error as error:
            raise csv.Error(f"{error} in the row that begins in line {first}") from None
        begun = begun or _used(fields) > 0
        if begun:
            yield first, fields
        first = read.line_num + 1


def _reader(lines: list[str], by: str):  # the reader's type has no public name
    return csv.reader(lines, delimiter=by, strict=True, skipinitialspace=True)


def _used(fields: list[str]) -> int:
    """How many fields there are up to the last one that is not empty."""
    return max((i + 1 for i, field in enumerate(fields) if field), default=0)


def _way(lines: list[str], told: str | None, path: Path) -> Way:
    """By what the fields are parted: that by which all rows fit; where two do, it is refused."""
    ways, errors = [], []
    for by in [told] if told else DELIMITERS.values():
        try:
            ways += _ways(lines, by)
        except csv.Error as error:
            errors.append(error)
    best = max(ways, key=lambda way: (len(way.names) > 1, *way[2:]), default=None)
    if errors and (best is None or best.fitting < 1 or len(best.names) == 1):
        raise ValueError(
            f"a table needs quoted fields that end; got {errors[0]} of {path}; correct its quotes"
        )
    if best is None:
        raise ValueError(f"a table needs names in its first line; got none in {path}; add them")
    equal = [way for way in ways if len(way.names) > 1 and way[2:] == best[2:]]
    if best.fitting == 1 and len(equal) > 1:
        shown = " and ".join(repr(way.by) for way in equal)
        raise ValueError(
            f"a table needs fields that are parted in one way; got {shown}, which both fit, in "
            f"{path}; choose one with --delimiter"
        )
    return best


def _ways(lines: list[str], by: str) -> list[Way]:
    """How well a delimiter fits; nothing where the file is empty."""
    sample = list(itertools.islice(_rows(lines, by), SAMPLE + 1))
    if not sample:
        return []
    rows = [fields for _, fields in sample[1:] if _used(fields)]
    found = []
    for names in (_shielded(lines, sample[0][0], by), sample[0][1]):
        if names:
            size = _size(names, rows)
            good = sum(_used(row) <= size <= len(row) for row in rows)
            cells = [cell for row in rows for cell in row[:size]]
            numbers = sum(is_number(cell) or is_missing(cell) for cell in cells)
            ratios = good / max(len(rows), 1), numbers / max(len(cells), 1)
            found.append(Way(by, names[:size], *ratios))
    return [max(found, key=lambda way: way.fitting)]


def _size(names: list[str], rows: list[list[str]]) -> int:
    """How many columns there are: less names that are empty at the end, above nothing."""
    below = max((_used(row) for row in rows), default=0)
    return max(_used(names), min(below, len(names)))


def _shielded(lines: list[str], first: int, by: str) -> list[str] | None:
    """The names of the header where separators in brackets part nothing; None if none closes."""
    read = _reader(lines[first - 1 :], by)
    next(read)
    text, depth = [], 0
    for sign in "".join(lines[first - 1 : first - 1 + read.line_num]):
        depth += (sign in OPENING) - (sign in CLOSING)
        if depth < 0:
            return None
        text.append(SHIELD if sign == by and depth else sign)
    if depth:
        return None
    fields = next(_reader(io.StringIO("".join(text), newline="").readlines(), by))
    return [field.replace(SHIELD, by).strip() for field in fields]


def _names(way: Way, rows: list[Row], path: Path) -> list[str]:
    """A different name for each column, and at least one row below them."""
    names = way.names
    if "" in names:
        raise ValueError(
            f"a table needs a name for each column in its first line; got none for column "
            f"{names.index('') + 1} of {path}; name it"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"a table needs names in the first line, a different one for each column; got "
            f"{names}, with {twice[0]!r} more than once, in {path}; rename it"
        )
    if all(is_number(name) for name in names):
        raise ValueError(
            f"a table needs names in its first line; got only numbers, {', '.join(names)}, in "
            f"{path}; put a line of names above them"
        )
    if not any(_used(fields) for _, fields in rows):
        raise ValueError(f"a table needs rows below its names; got none in {path}; add them")
    return names
