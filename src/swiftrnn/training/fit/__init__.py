"""One call of Lightning, with what it lacks: a budget in training seconds, and an exact resume.

Lightning trains: loops, devices, nodes, precision, clipping, the layout of checkpoints. Added here
and in `hooks.py` are a clock that stands still while the model is measured or saved, checkpoints
that hold the random state and the place in the data, and a stop on Ctrl-C that loses nothing.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from swiftrnn.runs import folder

folder.needs_extra("swiftrnn.training.fit", "train", "lightning")

import lightning as L  # noqa: E402 (what is missing is said first)
from lightning.fabric.utilities.exceptions import (  # noqa: E402
    MisconfigurationException,
)

from swiftrnn.runs.progress import Progress  # noqa: E402
from swiftrnn.training.fit import clip as clipping  # noqa: E402
from swiftrnn.training.fit.checkpoint import Checkpoints, last  # noqa: E402
from swiftrnn.training.fit.hooks import Budget, Fitted, Measure, Rate, Run  # noqa: E402
from swiftrnn.training.fit.source import usable  # noqa: E402
from swiftrnn.training.techniques.average import MovingAverage  # noqa: E402

__all__ = ["Budget", "Fitted", "Measure", "Rate", "fit"]


def fit(
    model: L.LightningModule,
    batches: Iterable[Any],
    *,
    out: Path,
    steps: int | None = None,
    seconds: float | None = None,
    valid: Measure | None = None,
    every: float = 1 / 8,
    average: bool | float = False,
    snapshots: int | None = None,
    clip: float | None = None,
    rate: Rate | None = None,
    resume: bool = False,
    name: str = "",
    save_every: float = 60.0,
    progress: bool = True,
    accelerator: str = "cpu",
    devices: int = 1,
    nodes: int = 1,
    strategy: str = "auto",
    precision: Any = "32-true",
) -> Fitted:
    """Train `model` on `batches`, over and over, until the budget is spent.

    A run that was killed goes on with `resume=True` to the very same weights: the checkpoint holds
    the model, the optimiser, the moving average, the random state, the place in the data, the
    seconds spent, and whatever the model adds in `on_save_checkpoint`. The place in the data is
    found again by drawing as many batches as were drawn before, from the same random state: that of
    the process, and the generators (torch's, NumPy's, Python's) and counters that the loader, its
    samplers and its dataset hold. If other batches come, `fit` says so and stops. A model should do
    its work of each update inside `training_step`, because the checkpoint is written just after it;
    where several processes train together, what it adds must be the same in all of them.

    Args:
        model: a LightningModule with `training_step` and `configure_optimizers`. On return its
            weights are the averaged ones where `average` is set.
        batches: a DataLoader, a list of batches or any iterable of them; each epoch iterates it
            once. Several loaders are given as Lightning's CombinedLoader.
        out: the run folder; holds `checkpoints/` and `snapshots/`.
        steps: stop after so many batches.
        seconds: stop after so many seconds of training.
        valid: measures a model; called without gradients, in eval mode, outside the budget, and
            without touching the random state.
        every: the part of the budget between two measurements.
        average: keep a moving average of the weights, to measure, to snapshot and to return; a
            number is its decay, from 0 to below 1, and True is 0.99.
        snapshots: write the weights every so many updates, thinned out as they become many.
        clip: the largest norm of the gradient.
        rate: what the learning rates of the optimizers are multiplied by, from the number of the
            update, 1 or more, and the part of the budget that is spent; such as
            `schedule.OverBudget`. For a model without schedulers of its own.
        resume: go on from the last checkpoint in `out`, if there is one.
        name: what to call the run in the progress line.
        save_every: seconds between two checkpoints, more where writing takes long; 0 writes one
            after every update.
        progress: whether to draw the progress line.
        accelerator: as Lightning's Trainer; so are the next four.
        devices: how many on each machine.
        nodes: how many machines.
        strategy: how they share the work.
        precision: of the arithmetic.

    Returns:
        What was done, including what was done before a resume.

    Raises:
        TypeError: `batches` is no iterable of batches.
        ValueError: there is no budget, no batch, no such accelerator, or no whole checkpoint to
            resume from, the batches before it cannot be drawn again, or the learning rates come
            from two sides.
        BlockingIOError: another process trains in `out`.
        OSError: the run folder cannot be written to.
        KeyboardInterrupt: Ctrl-C was pressed; a checkpoint was written.
        SystemExit: the process was told to end; a checkpoint was written.
    """
    budget = Budget(steps, seconds)
    bar = Progress(name or type(model).__name__, shown=progress and folder.leads())
    averaging = MovingAverage.of_option(average)
    batches = usable(batches)
    run = Run(budget, Path(out), bar, averaging, valid, every, snapshots, save_every, batches, rate)
    checkpoint = last(run.checkpoints) if resume else None
    machine = {"accelerator": accelerator, "devices": devices, "num_nodes": nodes}
    with _quiet(), run.stopped_by_signals(), folder.held(out, make=True):
        trainer = _trainer(
            machine | {"strategy": strategy, "precision": precision},
            gradient_clip_val=clip,
            callbacks=[*([averaging] if averaging else []), run],  # it saves what is averaged
            default_root_dir=out,
        )
        clipping.sparse_too(trainer)
        trainer.fit(model, batches, ckpt_path=checkpoint, weights_only=True)
    bar.close()
    run.raise_if_out_of_batches()
    run.raise_if_told_to_stop()
    return run.fitted


def _trainer(machine: dict[str, Any], **options: Any) -> L.Trainer:
    try:
        return L.Trainer(
            **machine,
            **options,
            max_epochs=-1,
            plugins=[Checkpoints()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
    except (MisconfigurationException, ImportError, ValueError, RuntimeError, TypeError) as error:
        given = ", ".join(f"{name} {value}" for name, value in machine.items())
        raise ValueError(
            f"training needs what this machine has; got {given}: {folder.why(error)}; "
            "accelerator cpu and devices 1 run everywhere"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's remarks on devices, workers and its own products are not for our users."""
    names = (
        "lightning",
        "lightning.pytorch",
        "lightning.fabric",
        "lightning.pytorch.utilities.rank_zero",
    )
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
