"""Which columns of a table depend on one another, in any way; and how good the tests for it are.

Paper: Gretton et al. (2008), "A Kernel Statistical Test of Independence".
Differs: permutations beside the paper's gamma distribution; all pairs of a table.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from swiftrnn.recipes.hsic_test.data import made_up, read_table
from swiftrnn.recipes.hsic_test.figures import matrices
from swiftrnn.recipes.hsic_test.model import of_table, of_tests, write_pairs


@dataclass(frozen=True)
class Config:
    """Ours throughout; the paper's experiments are on rotated mixtures and on texts."""

    csv: Path | None = None  # a table of yours, with names in its first line; else a made-up one
    columns: tuple[str, ...] = ()  # of it, by name; all of them unless given
    words: tuple[str, ...] = ()  # of these columns, those that are words, whatever they look like
    missing: Literal["refuse", "drop"] = "refuse"  # drop leaves out rows that lack a value
    delimiter: Literal["auto", "comma", "semicolon", "tab", "bar"] = "auto"  # between fields
    decimal: Literal["auto", "point", "comma"] = "auto"  # sign of its numbers
    rows: int = 500  # at most so many of its rows, drawn at random, or in order for --block
    level: float = 0.05  # of all pairs together, by Holm: so seldom is any of them wrong
    permutations: int = 999  # of a column; more where there are so many pairs that these are few
    block: int = 1  # of a time series: longer than what it remembers; then rows keep their order
    draws: int = 2000  # independent pairs, to see how often each test is wrong
    circles: int = 300  # dependent pairs, to see how often each test is right
    samples: int = 60  # of each of these
    noise: float = 0.2  # standard deviation around the circle of radius 1
    seed: int = 0


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
