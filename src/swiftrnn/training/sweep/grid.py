"""Recipes that train at every point of a grid: several processes on one machine, in one call."""

import itertools
import multiprocessing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swiftrnn.runs.children import end_with_starter
from swiftrnn.training.sweep import Objective, Point, work

STUDY = "study.db"  # of a run folder


def train_all(
    objective: Objective, axes: Mapping[str, Sequence[Any]], out: Path, metric: str,
    about: Any = None, workers: int = 1,
) -> list[tuple[Point, dict[str, float]]]:  # fmt: skip
    """Measure every point of a grid; what was done before a kill is not done again.

    Args:
        objective: a function that other processes can import; see `sweep.Objective`.
        axes: the values of each name.
        out: the run folder, with the study and a folder for each trial, `trial-<number>`.
        metric: the one by which points compare.
        about: what else must be the same when the run goes on, ready for JSON.
        workers: processes that share the work.

    Returns:
        Points and metrics, in the grid's order.
    """
    how = {"out": out, "metric": metric, "about": about}
    given = (objective, axes, out / STUDY, out.name)
    context = multiprocessing.get_context("spawn")  # a fork would take torch's threads along
    others = [
        context.Process(target=_help, args=given, kwargs=how | {"progress": False}, daemon=True)
        for _ in range(workers - 1)
    ]
    for each in others:
        each.start()
    try:
        return work(*given, **how)
    finally:
        for each in others:
            each.join()


def _help(*given: Any, **how: Any) -> None:
    end_with_starter()
    work(*given, **how)


def folder_of(axes: Mapping[str, Sequence[Any]], point: Point, out: Path) -> Path:
    """Where the trial of a point has its files."""
    points = list(itertools.product(*axes.values()))
    return out / f"trial-{points.index(tuple(point[name] for name in axes))}"
