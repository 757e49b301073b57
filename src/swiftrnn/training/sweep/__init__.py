"""Grid sweeps: every point of a grid runs once, whoever is killed meanwhile.

A study in a database of Optuna has one trial for each point, numbered as the grid counts. Workers
on any number of machines take waiting trials; a trial whose worker died waits again, under its
number, so that it goes on in its folder. All that changes a study happens under a lock of the
database, which ends with the process that holds it. Optuna alone reads the state of a trial and
writes it in two steps: on SQLite, 8 of 60 trials went to more than one of four processes.
"""

import contextlib
import gc
import math
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from swiftrnn.runs.progress import Progress
from swiftrnn.training.sweep import records
from swiftrnn.training.sweep.study import GRACE, Axes, Study

Point = dict[str, Any]
Objective = Callable[[Point, Path], Mapping[str, float]]
"""Takes a point and a folder of its own, which may hold what a killed worker left; gives metrics.
ValueError and ArithmeticError mean that it diverged; any other error ends the worker."""

POLL = 0.5  # seconds between two looks at a study of which all is taken


def work(
    objective: Objective,
    axes: Axes,
    storage: str | Path,
    name: str,
    *,
    out: Path,
    metric: str | None,
    maximize: bool = False,
    seeds: Sequence[int] = (),
    about: Mapping[str, Any] | None = None,
    grace: float = GRACE,
    progress: bool = True,
) -> list[tuple[Point, dict[str, float]]]:
    """Work on a sweep until nothing is left of it, beside all others that do.

    Start it again, anywhere, to go on after a kill, or to help: what is done is not done again.

    Args:
        objective: measures a point; see `Objective`.
        axes: the values of each name: numbers, words, None; a Path becomes text.
        storage: a file of SQLite, or the URL of a database.
        name: of the study; those who give the same work together.
        out: where trials have their folders, `trial-<number>`.
        metric: the one to compare by.
        maximize: whether more of it is better.
        seeds: one more axis, `seed`.
        about: what else those who work together must have in common, ready for JSON.
        grace: seconds without a sign of life until a worker on another machine counts as dead.
        progress: whether to draw the progress line.

    Returns:
        What `finished` does.

    Raises:
        ValueError: the study began with something else, or trials do not give the metric.
        OSError: the database does not answer.
        ModuleNotFoundError: Optuna is missing.

    Examples:
        >>> import tempfile
        >>> def square(point, out):
        ...     return {"loss": point["x"] ** 2}
        >>> with tempfile.TemporaryDirectory() as made:
        ...     there = {"out": Path(made), "storage": Path(made) / "study.db"}
        ...     work(square, {"x": [-1, 3]}, name="a", metric="loss", progress=False, **there)
        [({'x': -1}, {'loss': 1}), ({'x': 3}, {'loss': 9})]
    """
    bar, parent = Progress("sweep", shown=progress), multiprocessing.parent_process()
    with contextlib.closing(Study(storage, name, maximize, grace)) as study:
        study.begin({**axes, "seed": [*seeds]} if seeds else axes, metric, about or {})
        gc.freeze()  # what is there now is not searched again after every trial
        try:
            while parent is None or parent.is_alive():
                study.draw(bar)
                if trial := study.claim():
                    _try(study, trial, objective, Path(out) / f"trial-{trial.number}", metric)
                elif study.others:
                    time.sleep(POLL)
                else:
                    break
        finally:
            gc.unfreeze()
            bar.close()
            study.leave()
    return finished(storage, name)


def _try(study: "Study", trial: Any, objective: Objective, out: Path, metric: str | None) -> None:
    try:
        with study.living(trial):
            out.mkdir(parents=True, exist_ok=True)
            found = objective(dict(trial.params), out)
    except (ValueError, ArithmeticError) as error:
        study.end(trial, "FAIL", error=" ".join(f"{type(error).__name__}: {error}".split())[:1000])
        return
    gc.collect()  # a training leaves its data in a cycle of objects: hundreds of them fill memory
    if (value := found.get(metric or "")) is None:  # the trial waits again, as `work` leaves
        raise ValueError(
            f"a sweep needs one of the metrics {', '.join(sorted(found))} to compare by; "
            f"got {metric or 'none'}; name it, on the command line by --metric"
        )
    if math.isfinite(value):
        check = records.checksum(dict(trial.params), found)
        study.end(trial, "COMPLETE", [float(value)], metrics=dict(found), checksum=check)
    else:
        study.end(trial, "FAIL", metrics=dict(found), error=f"{metric} is {value}")


def finished(storage: str | Path, name: str) -> list[tuple[Point, dict[str, float]]]:
    """Read the points of a study that were measured, and their metrics, in the grid's order.

    Raises:
        ValueError, OSError, ModuleNotFoundError: as `Study` does.
    """
    with contextlib.closing(Study(storage, name)) as study:
        base, done = study.file or study.url, study.trials("COMPLETE")
        return [(each.params, records.metrics(each, base)) for each in done]


def failed(storage: str | Path, name: str) -> list[tuple[Point, str]]:
    """Read the points of a study that could not be measured, and why, in the grid's order.

    Raises:
        ValueError, OSError, ModuleNotFoundError: as `Study` does.
    """
    with contextlib.closing(Study(storage, name)) as study:
        return [(t.params, t.user_attrs.get("error", "")) for t in study.trials("FAIL")]
