"""Tables: a file of comma-separated values, or one made up, of columns that hide something."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swiftrnn.data import tables

WORDS_AT_MOST = 0.5  # of the rows may be different words; above that they are names of rows


@dataclass(frozen=True)
class Column:
    """Values (n), and whether they stand for words, which are only the same or not."""

    values: Tensor
    words: bool = False


def read_table(
    path: Path, names: Sequence[str] = (), rows: int = 500, seed: int = 0, in_order: bool = False,
    **how: Any,
) -> dict[str, Column]:  # fmt: skip
    """Read columns of a table whose first line names them.

    Args:
        path: the file.
        names: of the columns to read; all unless given.
        rows: at most so many, drawn at random, or the first ones.
        seed: of that.
        in_order: whether the rows are a series.
        how: words, missing, delimiter and decimal of `swiftrnn.data.tables.columns`; how many rows
            are left out is said on stderr.

    Raises:
        ValueError: it is no such table, or a column has gaps, does not vary, or names its rows; the
            message names the column and the line.
    """
    found = tables.columns(path, names, **how)
    if found.dropped and in_order:
        raise ValueError(
            f"hsic_test needs every row of a series; got {found.dropped} rows of {path} that lack "
            "a value, which --missing drop leaves out; fill them, or leave out --block"
        )
    if found.dropped:
        print(f"{path}: {found.dropped} of {found.rows} rows lack a value, left out",
              file=sys.stderr)  # fmt: skip
    size = found.rows - found.dropped
    if len(found.values) < 2 or size < 4:
        raise ValueError(
            f"hsic_test needs two columns and four rows; got {len(found.values)} and "
            f"{size} in {path}; give a larger table"
        )
    places = list(range(size))
    if size > rows:
        order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
        places = places[:rows] if in_order else sorted(order[:rows].tolist())
    return {
        name: _column(name, [values[i] for i in places], path)
        for name, values in found.values.items()
    }


def _column(name: str, values: list[Any], path: Path) -> Column:
    kinds = sorted(set(values))
    if len(kinds) < 2:
        raise ValueError(
            f"hsic_test needs columns that vary; got {kinds[0]!r} in every row of {name} in "
            f"{path}; leave it out with --columns"
        )
    if isinstance(kinds[0], float):
        return Column(torch.tensor(values, dtype=torch.float64))
    if len(kinds) > WORDS_AT_MOST * len(values):
        raise ValueError(
            f"hsic_test needs numbers, or words that come back; got {len(kinds)} different ones in "
            f"{len(values)} rows of {name} in {path}; leave it out with --columns"
        )
    places = {word: float(i) for i, word in enumerate(kinds)}
    return Column(torch.tensor([places[v] for v in values], dtype=torch.float64), words=True)


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
