"""How many characters are recognised from one drawing of each, beside what needs no training."""

import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from swiftrnn.recipes.one_shot import episodes, published
from swiftrnn.recipes.one_shot.data import Drawings
from swiftrnn.recipes.one_shot.episodes import Run
from swiftrnn.runs import machine

RUNS = 20  # as many as were published
ACROSS = 50  # runs across alphabets
SEED = 12_345  # test runs are the same for all seeds
TIMED = 5  # runs, one by one


def test_runs(config: Any, test: Drawings) -> dict[str, list[Run]]:
    """Runs of one alphabet each, the published ones where there are such, and across alphabets."""
    draw = torch.Generator().manual_seed(SEED)
    own = config.made_up or config.drawings or config.ways != RUNS
    within = episodes.runs(test, RUNS, config.ways, draw) if own else published.runs()
    return {"within": within, "across": episodes.runs(test, ACROSS, config.ways, draw, across=True)}


def accuracy(model: Any, runs: Sequence[Run]) -> float:
    """Percent of queries whose right candidate is the most similar one."""
    right = torch.cat(
        [model.similar(run.query, run.support).argmax(1) == run.right for run in runs]
    )
    return 100 * right.float().mean().item()


def scores(model: Any, runs: dict[str, list[Run]]) -> dict[str, float]:
    """Percent that is recognised, in runs of one alphabet and across alphabets."""
    return {name: accuracy(model, some) for name, some in runs.items()}


def verified(model: Any, runs: Sequence[Run]) -> float:
    """Percent of pairs that are called the same or not rightly, both kinds weighing the same."""
    said, same = [], []
    for run in runs:
        said.append(model.similar(run.query, run.support) > 0)
        same.append(torch.arange(len(run.support)) == run.right[:, None])
    found, truth = (torch.cat([each.flatten() for each in both]) for both in (said, same))
    return 50 * sum((found == truth)[truth == kind].float().mean().item() for kind in (True, False))


def seconds(model: Any, run: Run) -> float:
    """Median time of all comparisons of a run, in both orders, on one thread."""
    taken = []
    with machine.one_thread():
        for _ in range(TIMED + 1):
            began = time.perf_counter()
            model.similar(run.query, run.support)
            taken.append(time.perf_counter() - began)
    return statistics.median(taken[1:])


class Pixels:
    """Similar is what has the nearest pixels."""

    def similar(self, query: Tensor, support: Tensor) -> Tensor:
        """Drawings (Q, N, N) and (K, N, N) to minus their distances (Q, K)."""
        return -torch.cdist(query.flatten(1).float(), support.flatten(1).float())
