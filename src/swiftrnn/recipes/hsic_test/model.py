"""Every pair of a table; and how often each test is wrong, and right, on pairs made for it."""

import csv
import itertools
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis.samples.hsic import biased_of, unbiased_of
from swiftrnn.analysis.samples.independence import gamma_test, holm, pairwise_test, permutation_test
from swiftrnn.analysis.samples.kernels import Delta, of_samples
from swiftrnn.recipes.hsic_test.data import Column
from swiftrnn.runs import folder
from swiftrnn.runs.progress import Progress

MANY = 28  # pairs of a table, the surest, that are metrics: all of eight columns
Pair = dict[str, Any]


def of_table(table: Mapping[str, Column], config: Any) -> tuple[dict[str, float], list[Pair]]:
    """All pairs, how many of them are dependent, and how many of shuffled columns: the control."""
    pairs = tested(table, config, "the table")
    draw = torch.Generator().manual_seed(config.seed + 1)
    shuffled = {
        name: Column(each.values[torch.randperm(len(each.values), generator=draw)], each.words)
        for name, each in table.items()
    }
    control = tested(shuffled, config, "the control")
    found = {
        "pairs": float(len(pairs)),
        "dependent_pairs": float(sum(p["adjusted"] <= config.level for p in pairs)),
        "baseline_correlated_pairs": float(
            sum(p["adjusted_correlation"] <= config.level for p in pairs)
        ),
        "control_dependent_pairs_shuffled": float(
            sum(p["adjusted"] <= config.level for p in control)
        ),
    }
    keys = Counter(map(key, pairs))
    for pair in surest(pairs)[:MANY]:
        alone = keys[key(pair)] == 1
        found[key(pair) if alone else f"p_{pair['first']}|{pair['second']}"] = pair["adjusted"]
    return found, pairs


def key(pair: Pair) -> str:
    """The metric of a pair; those of "a" and "b_c" and of "a_b" and "c" have the same one."""
    return f"p_{pair['first']}_{pair['second']}".replace(" ", "_")


def tested(table: Mapping[str, Column], config: Any, name: str) -> list[Pair]:
    """Each pair with its alignment, its correlation, and their p-values, Holm's last."""
    words = {name: Delta() for name, each in table.items() if each.words}
    values = {name: each.values for name, each in table.items()}
    least = math.ceil(2 * math.comb(len(values), 2) / config.level)  # fewer would show little
    orders = max(config.permutations, least)
    bar = Progress(name)

    def progress(done: float) -> None:
        if bar.due(done):
            bar.draw(done, None, f"{orders:,} orders of each column")

    aligned, p_values = pairwise_test(
        values, words, orders, config.seed, config.block, progress=progress
    )
    bar.close()
    sizes = [each / each.abs().max() for each in values.values()]  # no square is too large
    correlation = torch.corrcoef(torch.stack(sizes))
    pairs = [
        {
            "first": a, "second": b, "alignment": float(aligned[i, j]), "p": float(p_values[i, j]),
            "correlation": float(correlation[i, j]),
            "p_correlation": of_correlation(float(correlation[i, j]), len(values[a])),
        }
        for (i, a), (j, b) in itertools.combinations(enumerate(values), 2)
    ]  # fmt: skip
    for name, adjusted in (("p", "adjusted"), ("p_correlation", "adjusted_correlation")):
        for pair, value in zip(pairs, holm([p[name] for p in pairs]).tolist(), strict=True):
            pair[adjusted] = value
    return pairs


def of_correlation(r: float, n: int) -> float:
    """The p-value of a correlation of n pairs, two-sided, by Fisher's transformation."""
    if n < 4 or abs(r) >= 1:
        return float(abs(r) < 1)
    return math.erfc(abs(math.atanh(r)) * math.sqrt(n - 3) / math.sqrt(2))


def write_pairs(pairs: list[Pair], path: Path) -> None:
    """All pairs as a table, the surest first."""
    with folder.whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(pairs[0]))
        writer.writeheader()
        writer.writerows(surest(pairs))


def surest(pairs: list[Pair]) -> list[Pair]:
    """Those first whose dependence is the least likely to be chance."""
    return sorted(pairs, key=lambda p: (p["adjusted"], -p["alignment"]))


def noisy_circle(samples: int, noise: float, draw: torch.Generator) -> Tensor:
    """Both coordinates (2, samples) of places around a circle: uncorrelated, not independent."""
    angle = 2 * math.pi * torch.rand(samples, generator=draw, dtype=torch.float64)
    ring = torch.stack([angle.cos(), angle.sin()])
    return ring + noise * torch.randn(2, samples, generator=draw, dtype=torch.float64)


def of_tests(config: Any) -> dict[str, float]:
    """How often each test says that pairs depend on one another: independent ones, and circles."""
    bar, count = Progress("pairs"), config.draws + config.circles
    draw, level = torch.Generator().manual_seed(config.seed), config.level
    counted: dict[str, list[float]] = {}
    for number in range(count):
        null = number < config.draws
        x, y = (
            torch.randn(2, config.samples, generator=draw, dtype=torch.float64)
            if null
            else noisy_circle(config.samples, config.noise, draw)
        )
        p_values = {
            "permutation": permutation_test(x, y, permutations=199, seed=number).p_value,
            "gamma": gamma_test(x, y).p_value,
            "correlation": of_correlation(float(torch.corrcoef(torch.stack([x, y]))[0, 1]), len(x)),
        }
        for name, p in p_values.items():
            counted.setdefault(f"{'level' if null else 'power'}_{name}", []).append(p <= level)
        if null:
            k, l = (of_samples(v[:, None])(v[:, None], v[:, None]) for v in (x, y))
            counted.setdefault("mean_biased", []).append(float(biased_of(k, l)))
            counted.setdefault("mean_unbiased", []).append(float(unbiased_of(k, l)))
        if bar.due((number + 1) / count):
            bar.draw((number + 1) / count, None, f"{number + 1:,} of {count:,} pairs")
    bar.close()
    found = {name: float(torch.tensor(v).double().mean()) for name, v in counted.items()}
    unbiased = torch.tensor(counted["mean_unbiased"])
    found["mean_unbiased_standard_error"] = float(unbiased.std() / math.sqrt(len(unbiased)))
    found["baseline_power_correlation"] = found.pop("power_correlation")
    return found
