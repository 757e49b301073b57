"""Finding a cell: by policies that share weights, or by training every cell."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lightning import seed_everything

from swiftrnn.data.lanes import Lanes
from swiftrnn.recipes.enas.alone import train_alone
from swiftrnn.recipes.enas.cells import Cell, cells_of, count, distinct
from swiftrnn.recipes.enas.data import Words
from swiftrnn.recipes.enas.measure import (
    TRUTH,
    agreement,
    derived,
    percentile,
    policy_gain,
    shared_losses,
    table,
)
from swiftrnn.recipes.enas.search import Search, search, uniform
from swiftrnn.runs import folder, machine
from swiftrnn.runs.folder import RunFolder

AGAIN = 32  # cells that are trained a second time, to see how sure their ranking is
SEEDS = 1_000_003  # between the seeds of the two
REPEATS = 5  # of what is timed


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        numbers: the metrics.
        cells: of each policy.
        told: of each controller, mean reward and entropy at its updates.
        perplexities: of cells that were trained alone, on valid.
        best: the cell that is used.
    """

    numbers: dict[str, float]
    cells: dict[str, Cell]
    told: dict[str, list[tuple[float, float]]]
    perplexities: list[float]
    best: Cell


def searched(config: Any, out: RunFolder, words: Words, known: Mapping[Cell, float]) -> Found:
    """Search by each policy; train what they found and random cells alone."""
    numbers: dict[str, float] = {}
    cells, told, models = {}, {}, {}
    for policy in config.policies:
        model, fitted = search(config, policy, out.part(f"search-{policy}"), words)
        seed_everything(config.seed, verbose=False)
        cells[policy], _ = derived(model, words.valid, config)
        gains = policy_gain(model, words.valid, config)
        numbers |= {f"{key}_{policy}": value for key, value in gains.items()}
        numbers[f"search_seconds_{policy}"] = fitted.seconds
        models[policy] = model
        if model.told:
            told[policy] = model.told
            entropy = statistics.fmean(entropy for _, entropy in model.told[-20:])
            numbers[f"entropy_{policy}"] = 100 * entropy / model.controller.most_entropy
    seed_everything(config.seed, verbose=False)
    random = random_cells(config)
    tried = [*cells.values(), *random]
    alone = train_alone(config, tried, out.part("alone"), words, "cells")
    for name, valid, test in zip(cells, alone.valid, alone.test, strict=False):
        numbers |= {f"valid_{name}": valid, f"test_{name}": test}
    first = len(cells)
    best = min(range(first, len(tried)), key=alone.valid.__getitem__)  # chosen on valid
    numbers |= {
        "test_random_best": alone.test[best],
        "test_random_median": statistics.median(alone.test[first:]),
        "seconds_alone": alone.seconds / len(tried),
        **speed(config, words),
    }  # fmt: skip
    numbers["all_seconds"] = numbers["seconds_alone"] * (len(known) or count(config.nodes))
    compared = known or dict(zip(random, alone.valid[first:], strict=True))
    for policy, model in models.items():
        losses = shared_losses(model.shared, [*compared], words.valid, config.together)
        numbers[f"tau_{policy}"] = agreement(losses.tolist(), [*compared.values()])
        if known:
            numbers[f"place_{policy}"] = percentile(known[cells[policy]], [*known.values()])
    return Found(numbers, cells, told, [*compared.values()], cells[config.policies[0]])


def random_cells(config: Any) -> list[Cell]:
    """Cells of which all descriptions are equally likely, no network twice where there are more."""
    drawn = cells_of(*uniform(64 * config.random, config.nodes))
    different = [*dict.fromkeys(cell.canonical() for cell in drawn)]
    return different[: config.random]


def every_cell(config: Any, out: RunFolder, words: Words) -> Found:
    """Train every cell of the space alone, and some of them twice."""
    cells = distinct(config.nodes)
    alone = train_alone(config, cells, out.part("alone"), words, "cells")
    folder.write_text(out / TRUTH, table(cells, alone.valid))
    step = max(1, len(cells) // AGAIN)
    some = range(0, len(cells), step)[:AGAIN]
    other = replace(config, seed=config.seed + SEEDS)
    again = train_alone(other, [cells[i] for i in some], out.part("again"), words, "again")
    ranked = sorted(range(len(cells)), key=alone.valid.__getitem__)
    numbers = {
        "cells": float(len(cells)), "descriptions": float(count(config.nodes)),
        "best": alone.valid[ranked[0]], "worst": alone.valid[ranked[-1]],
        "median": statistics.median(alone.valid), "test_best": alone.test[ranked[0]],
        "tau_again": agreement([alone.valid[i] for i in some], again.valid),
        "seconds_alone": alone.seconds / len(cells),
    }  # fmt: skip
    return Found(numbers, {}, {}, alone.valid, cells[ranked[0]])


def speed(config: Any, words: Words) -> dict[str, float]:
    """Seconds of an update of all cells together, and of one update for each of them."""
    seed_everything(config.seed, verbose=False)
    model = Search(config, "uniform", len(words.vocabulary), words.valid)
    batch = Lanes(words.train, config.groups * config.rows, config.time, config.seed).batch(0)
    grouped = batch.view(len(batch), config.groups, -1)
    before, functions = model.draw(config.groups)
    optimizer = model.configure_optimizers()

    def update(*some: int) -> None:
        chosen = [*some]
        losses, _ = model.shared.losses(grouped[:, chosen], before[chosen], functions[chosen])
        optimizer.zero_grad()
        losses.mean().backward()
        optimizer.step()

    together, apart = [], []
    with machine.one_thread():
        for _ in range(REPEATS):
            began = time.perf_counter()
            update(*range(config.groups))
            middle = time.perf_counter()
            for each in range(config.groups):
                update(each)
            together.append(middle - began)
            apart.append(time.perf_counter() - middle)
    return {
        "update_seconds": statistics.median(together),
        "update_seconds_each": statistics.median(apart),
    }
