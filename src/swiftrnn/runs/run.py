"""Training something once per seed: what was interrupted goes on, what is done is kept."""

import contextlib
import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from swiftrnn.runs import folder, machine, results, settings
from swiftrnn.runs.folder import RunFolder
from swiftrnn.runs.results import Result


class Trains(Protocol):
    """What can be run: a recipe, as `recipes.find` gives it."""

    @property
    def name(self) -> str:
        """Its identity, which config.json holds."""
        ...

    @property
    def typed(self) -> str:
        """How it is named on the command line."""
        ...

    @property
    def code(self) -> Path | None:
        """The folder of its code, where that is no part of swiftrnn."""
        ...

    @property
    def run(self) -> Callable[[Any, RunFolder], Result]:
        """What trains and measures."""
        ...


Finished = Callable[[Any, RunFolder, Result], object]
"""Called after each seed, with its settings: writes the report."""


@dataclass(frozen=True)
class Done:
    """A run that is complete.

    Attributes:
        config: its settings; with several seeds, those of the first.
        preset: that they are of; None for the default.
        metrics: of each seed.
        out: the run folder.
    """

    config: Any
    preset: str | None
    metrics: list[dict[str, float]]
    out: Path


def run(
    recipe: Trains,
    config: Any,
    out: Path | None = None,
    resume: bool = False,
    seeds: int = 1,
    finished: Finished | None = None,
    preset: str | None = None,
    load: Callable[[Path], Any] | None = None,
) -> Done:
    """Train and measure, once per seed; seeds that are done are not done again.

    Args:
        recipe: what is run.
        config: its settings; with several seeds the first one is `config.seed`.
        out: the run folder; `runs/<name>-<time>` unless given.
        resume: go on with the run in `out`, or with the newest of this recipe.
        seeds: how many.
        finished: see `Finished`.
        preset: that the settings are of; None for the default, or for that of a run to resume.
        load: reads a run folder, for recipes that compare with another run.

    Returns:
        What was done, with what was done before.

    Raises:
        ValueError: `seeds` is below 1, the folder is not empty, or is not one to resume.
        KeyboardInterrupt: it was interrupted; the message says how to go on.
    """
    if seeds < 1:
        raise ValueError(f"swiftrnn run needs at least one seed; got --seeds {seeds}; give more")
    if resume:
        out = out or folder.newest(recipe.name)
        config, began = _resumed(recipe, config, out)
        here = _of(recipe, out, preset or began, load)
        with folder.held(out) if folder.leads() else contextlib.nullcontext():
            return _all_seeds(recipe, config, here, seeds, finished)
    with folder.new(out, recipe.name) as out:
        here = _of(recipe, out, preset, load)
        here.begin(config)
        return _all_seeds(recipe, config, here, seeds, finished)


def _of(
    recipe: Trains,
    out: Path,
    preset: str | None = None,
    load: Callable[[Path], Any] | None = None,
) -> RunFolder:
    return RunFolder(out, recipe.name, recipe.code, machine.commit(), preset, load)


def _resumed(recipe: Trains, config: Any, out: Path) -> tuple[Any, str | None]:
    """The settings of a run to go on with, and their preset."""
    path = out / folder.CONFIG
    saved = folder.read_json(path, needs=("recipe", "config"))
    if saved["recipe"] != recipe.name or "sweep" in saved:
        what, verb = saved["recipe"], "sweep" if "sweep" in saved else "run"
        raise ValueError(
            f"swiftrnn run {recipe.typed} --resume needs a run of {recipe.name}; got {out}, a "
            f"{verb} of {what}; use swiftrnn {verb} {what} --resume"
        )
    who = f"swiftrnn run {recipe.typed} --resume"
    return settings.resumed(config, saved["config"], path, who), saved.get("preset")


def _all_seeds(
    recipe: Trains, config: Any, out: RunFolder, seeds: int, finished: Finished | None
) -> Done:
    again = f"swiftrnn run {recipe.typed} --resume --out {out.path}"
    again += f" --seeds {seeds}" * (seeds > 1)
    found = []
    try:
        for seed in range(config.seed, config.seed + seeds):
            here = out.part(f"seed-{seed}") if seeds > 1 else out
            found.append(_once(recipe, dataclasses.replace(config, seed=seed), here, finished))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"go on with {again}") from None
    _part_from_others()
    if seeds > 1:
        folder.end(out.path, results.spread(found))
    return Done(config, out.preset, found, out.path)


def _part_from_others() -> None:
    """Where processes trained together, end together: gloo aborts one whose partner is gone."""
    distributed: Any = sys.modules.get("torch.distributed")  # nothing loads torch for this
    if distributed and distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def once(recipe: Trains, config: Any, out: Path) -> dict[str, float]:
    """Train and measure in a folder, unless that is done; gives the metrics."""
    return _once(recipe, config, _of(recipe, out), None)


def _once(
    recipe: Trains, config: Any, out: RunFolder, finished: Finished | None
) -> dict[str, float]:
    if (out / folder.METRICS).is_file():  # done before the interruption
        return results.read(out.path)
    out.path.mkdir(exist_ok=True)
    out = dataclasses.replace(out, settings=config)
    with folder.held(out.path):
        out.begin(config)
        result = recipe.run(config, out)
        if finished and folder.leads():
            finished(config, out, result)
        result.write(out.path)
    return results.numbers(result.metrics)
