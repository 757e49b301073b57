"""What `--output` may be: made of the input's columns and the answers to it, row by row."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from swiftrnn.deploy import predict
from swiftrnn.deploy.batch import table
from swiftrnn.deploy.batch.answers import ERROR, LINE, ROW
from swiftrnn.deploy.batch.inputs import DELIMITERS
from swiftrnn.deploy.batch.rows import Source, clean
from swiftrnn.runs.extras import needs_extra

KINDS = (".jsonl", ".csv", ".tsv", ".parquet", ".txt", ".conll")


def kind_of(path: Path) -> str:
    """The kind of a file that is to be written, by its name.

    Raises:
        ValueError: there is no such kind.
        ModuleNotFoundError: an optional dependency that writes it is missing.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise ValueError(
            f"swiftrnn predict --output needs a file that ends in {', '.join(KINDS)}; got {path}; "
            "choose one of them"
        )
    if kind == ".parquet":
        needs_extra("swiftrnn predict with a .parquet file", "parquet", "pyarrow")
    return kind


def write(kind: str, source: Source, answers: Iterator[bytes], names: Mapping[str, str],
          path: Path) -> None:  # fmt: skip
    """Write all rows.

    Args:
        kind: one of `KINDS`.
        source: of the columns.
        answers: the line of each row, as `answers.Answering` gives it.
        names: what each row gets beside its columns, and its type.
        path: the file.

    Raises:
        ValueError: there are more rows than answers, or fewer.
    """
    if kind == ".parquet":
        from swiftrnn.deploy.batch import parquet

        parquet.write(source, map(json.loads, answers), names, path)
        return
    with path.open("wb", buffering=1 << 20) as file:
        if kind == ".txt":
            file.writelines(map(_in_a_line, map(json.loads, answers)))
        elif kind == ".conll":
            file.writelines(map(_in_columns, map(json.loads, answers)))
        elif kind == ".jsonl":
            _json_lines(source, answers, file)
        else:
            columns = [ROW, *source.fields(), *names]
            both = zip(source.rows(), map(json.loads, answers), strict=True)
            rows = ({**row.columns, **line} for row, line in both)
            table.write(rows, columns, DELIMITERS[kind], file)


def _json_lines(source: Source, answers: Iterator[bytes], file: IO[bytes]) -> None:
    """Put the columns into each line, behind its number."""
    for number, (row, line) in enumerate(zip(source.rows(), answers, strict=True)):
        head = f'{{"{ROW}": {number}, '.encode()
        columns = clean(predict.json_line({**row.columns}))[1:-2].encode()
        file.write(head + columns + b", " * bool(columns) + line.removeprefix(head))


def _in_columns(answer: dict[str, Any]) -> bytes:
    """The words of an input with their tags; what has none is a comment."""
    if answer[ERROR] is not None:
        return f"# error: {answer[ERROR]}\n\n".encode()
    return f"{answer[LINE]}\n".encode()


def _in_a_line(answer: dict[str, Any]) -> bytes:
    """An answer as people read it; in JSON where it has several lines, or looks like JSON."""
    if answer[ERROR] is not None:
        return f"error: {answer[ERROR]}\n".encode()
    text = answer[LINE]
    if len(text.splitlines()) > 1 or text.endswith(("\n", "\r")) or text.startswith('"'):
        return predict.json_line(text).encode()
    return f"{text}\n".encode()
