"""Tables: a file of comma-separated values, or one made up, of columns that hide something."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

WORDS_AT_MOST = 0.5  # of the rows may be different words; above that they are names of rows
DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Column:
    """Values (n), and whether they stand for words, which are only the same or not."""

    values: Tensor
    words: bool = False


def read_table(
    path: Path, names: Sequence[str] = (), rows: int = 500, seed: int = 0, in_order: bool = False
) -> dict[str, Column]:
    """Read columns of a table whose first line names them.

    Args:
        path: the file; fields parted by comma, semicolon, tab or |.
        names: of the columns to read; all unless given.
        rows: at most so many, drawn at random, or the first ones.
        seed: of that.
        in_order: whether the rows are a series.

    Raises:
        ValueError: it is no such table, or a column has gaps, does not vary, or names its rows; the
            message names the column and the line.
    """
    header, lines = _fields(path)
    for name in names:
        if name not in header:
            raise ValueError(
                f"hsic_test needs columns of {path}: {', '.join(header)}; got {name!r}"
            )
    chosen = list(names) or header
    if len(chosen) < 2 or len(lines) < 4:
        raise ValueError(
            f"hsic_test needs two columns and four rows; got {len(chosen)} and {len(lines)} in "
            f"{path}"
        )
    places = range(len(lines))
    if len(lines) > rows:
        order = torch.randperm(len(lines), generator=torch.Generator().manual_seed(seed))
        places = range(rows) if in_order else sorted(order[:rows].tolist())
    return {
        name: _column(name, [(lines[i][0], lines[i][1][header.index(name)]) for i in places], path)
        for name in chosen
    }


def _fields(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"hsic_test needs a text in UTF-8; got {path}: {error.reason}") from None
    except OSError as error:
        raise ValueError(f"hsic_test needs a table to read; got {path}: {error.strerror}") from None
    first = text.partition("\n")[0]
    by = max(DELIMITERS, key=first.count)
    read = csv.reader(text.splitlines(), delimiter=by)
    found = [(read.line_num, fields) for fields in read if fields]
    if not found:
        raise ValueError(
            f"hsic_test needs a table with names in its first line; got none in {path}"
        )
    header = [name.strip() for name in found[0][1]]
    if len(set(header)) < len(header) or "" in header:
        raise ValueError(
            f"hsic_test needs names in the first line, a different one for each column; "
            f"got {header}"
        )
    for line, fields in found[1:]:
        if len(fields) != len(header):
            raise ValueError(
                f"hsic_test needs {len(header)} fields in each line; got {len(fields)} in line "
                f"{line} of {path}"
            )
    return header, found[1:]


def _column(name: str, cells: list[tuple[int, str]], path: Path) -> Column:
    numbers, words = [], False
    for line, cell in cells:
        value = _number(cell)
        if not cell.strip() or (value is not None and not math.isfinite(value)):
            raise ValueError(
                f"hsic_test needs a value in each row; got {cell.strip()!r} for {name} in line "
                f"{line} of {path}; fill it, or leave out the row, or the column with --columns"
            )
        words = words or value is None
        numbers.append(value)
    kinds = sorted({cell.strip() for _, cell in cells})
    if len(kinds) < 2:
        raise ValueError(
            f"hsic_test needs columns that vary; got {kinds[0]!r} in every row of {name} in "
            f"{path}; leave it out with --columns"
        )
    if not words:
        return Column(torch.tensor(numbers, dtype=torch.float64))
    if len(kinds) > WORDS_AT_MOST * len(cells):
        raise ValueError(
            f"hsic_test needs numbers, or words that come back; got {len(kinds)} different ones in "
            f"{len(cells)} rows of {name} in {path}; leave it out with --columns"
        )
    places = {word: float(i) for i, word in enumerate(kinds)}
    codes = [places[cell.strip()] for _, cell in cells]
    return Column(torch.tensor(codes, dtype=torch.float64), words=True)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def made_up(rows: int, seed: int) -> dict[str, Column]:
    """Seven columns: a number and its noisy square, a circle, words of its side, and two alone."""
    draw = torch.Generator().manual_seed(seed)

    def normal() -> Tensor:
        return torch.randn(rows, generator=draw, dtype=torch.float64)

    angle = 2 * math.pi * torch.rand(rows, generator=draw, dtype=torch.float64)
    number = normal()
    across = angle.cos() + 0.2 * normal()
    return {
        "number": Column(number),
        "square": Column(number.square() + 0.5 * normal()),
        "circle x": Column(across),
        "circle y": Column(angle.sin() + 0.2 * normal()),
        "side": Column((across > 0).double(), words=True),
        "alone": Column(normal()),
        "die": Column(torch.randint(6, (rows,), generator=draw).double(), words=True),
    }
