"""Files in which two columns count: a text and its class, or a sentence and its translation."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from swiftrnn.data.sources.packed import gunzip
from swiftrnn.data.tagged.lines import decoded

MOST = 1 << 27  # characters of a cell
DELIMITERS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


class About(NamedTuple):
    """What the two columns hold, for whoever reads a message.

    Attributes:
        what: a file is of, such as "labelled texts".
        each: what a row has, such as "a text and a class".
        keys: of an object, and names of the columns of a Parquet file, unless others are given.
        usual: the columns of a table, by number from 1 or, with a minus, from the end.
        options: by which others are given.
    """

    what: str
    each: str
    keys: tuple[str, str]
    usual: tuple[str, str]
    options: tuple[str, str]


class Row(NamedTuple):
    """Where a row is in its file, from 1, and what its two columns hold."""

    line: int
    first: Any
    second: Any


class Rows(NamedTuple):
    """All rows; `named` if columns have names, so that the first one is data for sure."""

    rows: list[Row]
    named: bool


def read(
    path: Path, about: About, columns: tuple[str | None, str | None], encoding: str = "utf-8"
) -> Rows:
    """The rows of a table (.csv as RFC 4180 has it, .tsv or .txt with tabs), .jsonl or .parquet.

    Rows of white space alone are left out. Where a column of a table is given by name, its first
    row names the columns, and is left out too.

    Args:
        path: the file; `.gz` behind its ending says that it is packed.
        about: what the columns hold.
        columns: number, name or key of each; None for the usual one.
        encoding: of text, as Python names it.

    Raises:
        OSError: it cannot be read.
        ValueError: a row does not fit; the message names its line.
    """
    keys = columns[0] or about.keys[0], columns[1] or about.keys[1]
    if path.suffix == ".parquet":
        return Rows(_parquet(path, keys, about), True)
    content, name = path.read_bytes(), path.name
    if path.suffix == ".gz":
        content, name = gunzip(content, 1 << 31), path.stem
    text, end = decoded(content, str(path), encoding), Path(name).suffix
    if end == ".jsonl":
        return Rows([*_objects(text, path, keys, about)], True)
    if end not in DELIMITERS:
        raise ValueError(
            f"{about.what} need a file that ends in {', '.join(DELIMITERS)}, .jsonl or .parquet; "
            f"got {path}; rename or convert it"
        )
    return _table(text, path, DELIMITERS[end], columns, about)


def _table(
    text: str, path: Path, delimiter: str, columns: tuple[str | None, str | None], about: About
) -> Rows:
    rows = [*_cells(text, path, delimiter)]
    if not rows:
        return Rows([], False)
    wide = len(rows[0][1])
    for line, cells in rows:
        if len(cells) != wide or wide < 2:
            raise ValueError(
                f"{path}:{line} needs {max(2, wide)} cells parted by "
                f"{'a comma' if delimiter == ',' else 'a tab'}, as the first row has or "
                f"{about.each} need; got {len(cells)}; quote what holds a separator, or convert "
                "the file"
            )
    usual = (columns[0] or about.usual[0], columns[1] or about.usual[1])
    at, of = (_column(word, rows[0][1], path) for word in usual)
    if at == of:
        raise ValueError(
            f"{path} needs two columns, of {about.each}; got column {at + 1} for both; give "
            f"{' and '.join(about.options)}"
        )
    named = any(word and not _is_number(word) for word in columns)
    found = [Row(line, cells[at].strip(), cells[of].strip()) for line, cells in rows]
    return Rows(found[1:] if named else found, named)


def _cells(text: str, path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows, each with the line where it ends; only commas come with quotes."""
    csv.field_size_limit(MOST)
    quoting = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    lines = io.StringIO(text.replace("\r\n", "\n"), newline="\n")  # U+0085 and others end no line
    rows = csv.reader(lines, delimiter=delimiter, quoting=quoting, strict=True)
    try:
        for cells in rows:
            if any(each.strip() for each in cells):
                yield rows.line_num, cells
    except csv.Error as error:
        raise ValueError(
            f"{path}:{rows.line_num} needs cells as RFC 4180 has them; got: {error}; quote what "
            "holds commas, quotes or ends of lines, and double the quotes in it"
        ) from None


def _is_number(word: str) -> bool:
    return word.removeprefix("-").isdecimal()


def _column(word: str, first: Sequence[str], path: Path) -> int:
    """The place of a column given by its number or name."""
    names = [each.strip() for each in first]
    if not _is_number(word):
        if word in names:
            return names.index(word)
        got, known = repr(word), ", ".join(names)
    else:
        number = int(word)
        if 1 <= abs(number) <= len(names):
            return number - 1 if number > 0 else number + len(names)
        got, known = word, f"1 to {len(names)}"
    raise ValueError(f"{path} needs a column that it has; got {got}; choose one of {known:.200}")


def _objects(text: str, path: Path, keys: tuple[str, str], about: About) -> Iterator[Row]:
    """What two keys of each object hold."""
    for i, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            first, second = (given[key] for key in keys)
        except (ValueError, TypeError, LookupError, RecursionError):
            raise ValueError(
                f"{path}:{i} needs a JSON object with the keys {keys[0]} and {keys[1]}; got "
                f"{line[:60]!r}; {' and '.join(about.options)} name others"
            ) from None
        yield Row(i, first, second)


def _parquet(path: Path, keys: tuple[str, str], about: About) -> list[Row]:
    """What two columns of a Parquet file hold."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            f"reading {path.name} needs the extra parquet; {missing.name} is missing; "
            "run pip install 'swiftrnn[parquet]'",
            name=missing.name,
        ) from None

    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if missing := [key for key in keys if names.count(key) != 1]:
                raise ValueError(
                    f"{path} needs a column that it has, once; got {missing[0]!r}; choose one of "
                    f"{', '.join(names):.200} with {' and '.join(about.options)}"
                )
            found = file.read(columns=list(keys)).to_pydict()
    except pyarrow.ArrowException as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{path} needs to be a Parquet file; got: {said:.200}") from None
    pairs = zip(found[keys[0]], found[keys[1]], strict=True)
    return [Row(i, *pair) for i, pair in enumerate(pairs, 1)]
