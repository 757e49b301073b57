"""Which columns of a table depend on one another, in any way; and how good the tests for it are.

Paper: Gretton et al. (2008), "A Kernel Statistical Test of Independence".
Differs: permutations beside the paper's gamma distribution; all pairs of a table.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch

from swiftrnn import limits
from swiftrnn.recipes.hsic_test.data import made_up, read_table
from swiftrnn.recipes.hsic_test.figures import matrices
from swiftrnn.recipes.hsic_test.model import of_table, of_tests, write_pairs


@dataclass(frozen=True)
class Config(limits.Checked):
    """Ours throughout; the paper's experiments are on rotated mixtures and on texts."""

    csv: Path | None = None  # a table of yours, with names in its first line; else a made-up one
    # of it, by name; all of them unless given
    columns: Annotated[tuple[str, ...], limits.With("csv")] = ()
    # of these columns, those that are words, whatever they look like
    words: Annotated[tuple[str, ...], limits.With("csv")] = ()
    # drop leaves out rows that lack a value
    missing: Annotated[Literal["refuse", "drop"], limits.With("csv")] = "refuse"
    # of its fields; auto takes the one by which all rows have as many fields as there are names
    delimiter: Annotated[
        Literal["auto", "comma", "semicolon", "tab", "bar"], limits.With("csv")
    ] = "auto"
    # sign of its numbers; auto takes a comma where some cell has one that parts no thousands
    decimal: Annotated[Literal["auto", "point", "comma"], limits.With("csv")] = "auto"
    # at most so many of its rows, drawn at random, or in order for --block
    rows: Annotated[int, limits.Range(4, 10_000)] = 500
    # of all pairs together, by Holm: so seldom is any of them wrong
    level: Annotated[float, limits.Range(1e-4, 1, open_high=True)] = 0.05
    # of a column; more where there are so many pairs that these are few
    permutations: Annotated[int, limits.Range(1, 1_000_000)] = 999
    # of a time series: longer than what it remembers; then rows keep their order
    block: limits.Count = 1
    # independent pairs, to see how often each test is wrong
    draws: Annotated[int, limits.Range(2), limits.Without("csv")] = 2000
    # dependent pairs, to see how often each test is right
    circles: Annotated[int, limits.Range(1), limits.Without("csv")] = 300
    samples: Annotated[int, limits.Range(6, 10_000), limits.Without("csv")] = 60  # of each of these
    # standard deviation around the circle of radius 1
    noise: Annotated[float, limits.Range(0), limits.Without("csv")] = 0.2
    seed: limits.Seed = 0  # of all that is drawn


SMOKE = Config(rows=80, draws=60, circles=30)
CLAIMS: dict[str, float] = {}  # the paper's figures have no numbers
PICTURE = "matrices.png"  # of the run folder, for the documentation
HEADLINE = ("level_permutation", "level_gamma", "power_permutation", "power_gamma",
            "baseline_power_correlation", "dependent_pairs",
            "control_dependent_pairs_shuffled")  # fmt: skip


def run(config: Config, out: Path) -> dict[str, float]:
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
    matrices(pairs, list(table), config.level, out / PICTURE)
    if not config.csv:
        found |= of_tests(config)
    return found
