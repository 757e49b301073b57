"""Parquet files: reading and writing; needs pyarrow."""

import base64
import datetime
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet

from swiftrnn.deploy.batch.rows import Row, Source, batches, clean, identity, needs
from swiftrnn.deploy.batch.table import cell
from swiftrnn.runs.files import why

GROUP = 8192  # rows that are read or written together, at most
LARGE = 1 << 26  # bytes of them
TYPES = {
    "string": pyarrow.string(), "integer": pyarrow.int64(), "number": pyarrow.float64(),
    "boolean": pyarrow.bool_(),
}  # fmt: skip


class Parquet:
    """A Parquet file.

    Args:
        path: the file.
        column: which holds the input.

    Raises:
        ValueError: it cannot be read, has a name twice, or no such column.
    """

    def __init__(self, path: Path, column: str) -> None:
        self.path, self.column = path, column
        try:
            with parquet.ParquetFile(path) as file:
                self.schema: pyarrow.Schema = file.schema_arrow.remove_metadata()
                self.count, groups = file.metadata.num_rows, range(file.num_row_groups)
                self.size = sum(file.metadata.row_group(i).total_byte_size for i in groups)
        except pyarrow.ArrowException as error:
            raise ValueError(
                f"swiftrnn predict needs a Parquet file; got {path} ({why(error)}); convert it"
            ) from error
        self.columns = tuple(self.schema.names)
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(
                f"swiftrnn predict needs a different name for each column; got "
                f"{', '.join(self.columns)} in {path}; rename some"
            )
        needs(column, self.columns, path)

    def batches(self) -> Iterator[pyarrow.RecordBatch]:
        """Everything, some rows at a time."""
        some = LARGE * self.count // max(1, self.size)  # so many are as large as they may be
        with parquet.ParquetFile(self.path) as file:
            yield from file.iter_batches(max(1, min(GROUP, some)))

    def rows(self) -> Iterator[Row]:
        """See `Source`."""
        number, at = 0, self.columns.index(self.column)
        for batch in self.batches():
            found = [each.to_pylist() for each in batch.columns]
            columns = [list(map(plain, each)) for each in found]
            for given, *row in zip(found[at], *columns, strict=True):
                number += 1
                end = self.size * number // self.count
                yield Row(dict(zip(self.columns, row, strict=True)), given, end)

    def fields(self) -> dict[str, str]:
        """See `Source`."""
        return dict.fromkeys(self.columns, "json")

    def identity(self) -> dict[str, Any]:
        """See `Source`."""
        return identity(self.path)


def plain(value: Any) -> Any:
    """A value as JSON has it: times and decimals as text, bytes as base64, NaN as null."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return list(map(plain, value))
    return str(value)


def write(
    source: Source, answers: Iterator[dict[str, Any]], kinds: Mapping[str, str], path: Path
) -> None:
    """Write a file: the number of each row, its columns, then its answers.

    Args:
        source: of the columns; those of another Parquet file keep their types.
        answers: of each row, by name.
        kinds: of the answers, as `Source.fields` has those of columns.
        path: the file.
    """
    columns = _same(source) if isinstance(source, Parquet) else _made(source)
    fields = [("row", pyarrow.int64()), *next(columns), *((n, _type(k)) for n, k in kinds.items())]
    schema, number = pyarrow.schema(fields), 0
    with parquet.ParquetWriter(path, schema) as file:
        for count, arrays in columns:
            some = list(itertools.islice(answers, count))
            arrays = [pyarrow.array(range(number, number + count)), *arrays]
            arrays += [_array([each[n] for each in some], kind) for n, kind in kinds.items()]
            file.write_batch(pyarrow.record_batch(arrays, schema=schema))
            number += count


def _same(source: Parquet) -> Iterator[Any]:
    """The fields, then how many rows and their arrays, some at a time."""
    yield [(name, source.schema.field(name).type) for name in source.columns]
    for batch in source.batches():
        yield batch.num_rows, batch.columns


def _made(source: Source) -> Iterator[Any]:
    """The same of a file that has no types but those of JSON."""
    kinds = source.fields()
    yield [(clean(name), _type(kind)) for name, kind in kinds.items()]
    for some in batches(source, 0, GROUP, LARGE, lambda row: row.columns):
        found = [_array([e.get(n) for e in some.given], kind) for n, kind in kinds.items()]
        yield len(some.given), found


def _type(kind: str) -> pyarrow.DataType:
    return TYPES.get(kind, pyarrow.string())


def _array(values: Sequence[Any], kind: str) -> pyarrow.Array:
    if kind not in TYPES or kind == "string":
        values = [None if each is None else cell(each) for each in values]
    return pyarrow.array(values, _type(kind))
