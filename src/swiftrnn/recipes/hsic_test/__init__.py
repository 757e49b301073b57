"""Which columns of a table depend on one another, in any way; and how good the tests for it are.

Paper: Gretton et al. (2008), "A Kernel Statistical Test of Independence".
Differs: permutations beside the paper's gamma distribution; all pairs of a table.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch

from swiftrnn.recipes.hsic_test.claims import CLAIMS as CLAIMS
from swiftrnn.recipes.hsic_test.data import made_up, read_table
from swiftrnn.recipes.hsic_test.figures import matrices
from swiftrnn.recipes.hsic_test.model import of_table, of_tests, write_pairs
from swiftrnn.runs import limits
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result


@dataclass(frozen=True)
class Config(limits.Checked):
    """The defaults are ours; the paper tests rotated mixtures and texts."""

    # your table, with column names in the first line; default: a synthetic one
    csv: Path | None = None
    # columns to test, by name; default: all
    columns: Annotated[tuple[str, ...], limits.With("csv")] = ()
    # columns to treat as words, whatever they look like
    words: Annotated[tuple[str, ...], limits.With("csv")] = ()
    # rows that lack a value: refuse them, or drop them
    missing: Annotated[Literal["refuse", "drop"], limits.With("csv")] = "refuse"
    # field delimiter; auto: the one that gives every row as many fields as there are names
    delimiter: Annotated[
        Literal["auto", "comma", "semicolon", "tab", "bar"], limits.With("csv")
    ] = "auto"
    # decimal sign; auto: a comma if some cell has one that is no thousands separator
    decimal: Annotated[Literal["auto", "point", "comma"], limits.With("csv")] = "auto"
    # largest number of rows; a random sample, or the first ones with --block
    rows: Annotated[int, limits.Range(4, 10_000)] = 500
    # significance level of all pairs together (Holm correction)
    level: Annotated[float, limits.Range(1e-4, 1, open_high=True)] = 0.05
    # permutations of a column; raised automatically for many pairs
    permutations: Annotated[int, limits.Range(1, 1_000_000)] = 999
    # block length for time series, longer than their memory; rows then keep their order
    block: limits.Count = 1
    # independent pairs, to measure the false positive rate of each test
    draws: Annotated[int, limits.Range(2), limits.Without("csv")] = 2000
    # dependent pairs, to measure the power of each test
    circles: Annotated[int, limits.Range(1), limits.Without("csv")] = 300
    # samples of each of these pairs
    samples: Annotated[int, limits.Range(6, 10_000), limits.Without("csv")] = 60
    # standard deviation around the circle of radius 1
    noise: Annotated[float, limits.Range(0), limits.Without("csv")] = 0.2
    seed: limits.Seed = 0  # random seed


SMOKE = Config(rows=80, draws=60, circles=30)
TASK = None


def run(config: Config, out: RunFolder) -> Result:
    """Test every pair of columns; without a table of yours, measure the tests themselves."""
    torch.set_num_threads(1)
    if config.csv:
        names = "words", "missing", "delimiter", "decimal"
        how = {name: getattr(config, name) for name in names}
        at_most = config.rows, config.seed, config.block > 1
        table = read_table(config.csv, config.columns, *at_most, **how)
    else:
        table = made_up(config.rows, config.seed)
    found, pairs = of_table(table, config)
    write_pairs(pairs, out / "pairs.csv")
    matrices(pairs, list(table), config.level, out / "matrices.png")
    if not config.csv:
        found |= of_tests(config)
    return Result(found, picture="matrices.png")
