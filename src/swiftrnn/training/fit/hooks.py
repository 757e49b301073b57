"""What happens around the updates of a training: the clock, measurements, checkpoints, the end."""

# ruff: noqa: ARG002 (hooks get more than each of them needs)

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.utilities.seed import isolate_rng

from swiftrnn.runs import machine
from swiftrnn.runs.progress import Progress
from swiftrnn.training import weights
from swiftrnn.training.fit import random_state, source
from swiftrnn.training.fit.checkpoint import LAST
from swiftrnn.training.techniques.average import MovingAverage

Measure = Callable[[Any], dict[str, float]]  # of the model that is trained
Rate = Callable[[int, float], float]  # of the update, and of the part of the budget that is spent
MOST_SNAPSHOTS = 24  # more, and every second one goes
SAVING = 50  # a checkpoint that took a second to write is not renewed within so many seconds


@dataclass(frozen=True)
class Budget:
    """When training ends: after so many updates, so many training seconds, or what comes first."""

    steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.steps is None and self.seconds is None:
            raise ValueError("fit needs a budget; got neither steps nor seconds; give one of them")
        for name in ("steps", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"fit needs {name} above 0; got {value}; give a larger budget")

    def done(self, steps: int, seconds: float) -> float:
        """The part that is spent, 0 to 1."""
        by_steps = steps / self.steps if self.steps else 0.0
        by_seconds = seconds / self.seconds if self.seconds else 0.0
        return min(1.0, max(by_steps, by_seconds))


@dataclass
class Fitted:
    """What a training did.

    Attributes:
        steps: updates made.
        seconds: spent on training, without measuring and saving.
        history: one row for each measurement: `step`, `seconds`, `loss`, and what `valid` gave.
        peak_memory: of the process in bytes, before the first measurement; 0 where unknown.
    """

    steps: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    peak_memory: int = 0


class Run(Callback):
    """Lightning's hooks for one call of `fit`; see there for the arguments."""

    def __init__(
        self,
        budget: Budget,
        out: Path,
        bar: Progress,
        averaging: MovingAverage | None = None,
        valid: Measure | None = None,
        every: float = 1 / 8,
        snapshots: int | None = None,
        save_every: float = 60.0,
        batches: Any = None,
        rate: Rate | None = None,
    ) -> None:
        self.budget, self.bar, self.averaging = budget, bar, averaging
        self.valid, self.every = valid, every
        self.snapshots, self.save_every = snapshots, save_every
        self.checkpoints, self.shots = out / "checkpoints", out / "snapshots"
        self.fitted = Fitted()
        self.signal: int | None = None
        self.batches, self.rate = batches, rate
        self._fresh = self._began = source.state(batches)  # of the loader, before it was used
        self._resumed: dict[str, Any] = {}  # the random state of a checkpoint
        self._epoch_random: dict[str, Any] = {}  # before this epoch's batches were ordered
        self._last: int | None = None  # the fingerprint of the last batch before the checkpoint
        self._epoch_from: int | None = None  # updates before this epoch
        self._drawn = 0  # batches of this epoch, at the last checkpoint
        self._start = self._saved = 0.0
        self._mark = 1  # the next measurement is due at mark * every
        self._done = 0.0  # of the budget, the part that is spent
        self._warned = False

    # ------------------------------------------------------------------ resume

    def state_dict(self) -> dict[str, Any]:
        """What `fit` must know to go on; Lightning puts it into the checkpoint."""
        return {
            **asdict(self.fitted),
            "drawn": self._drawn,
            "random": random_state.of_all_processes(
                (self._epoch_random, self._random(), self._last, self._began)
            ),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.fitted = Fitted(**{key: state_dict[key] for key in asdict(Fitted())})
        self._drawn = state_dict["drawn"]
        states = state_dict["random"]
        mine = states[random_state.process() % len(states)]
        self._epoch_random, self._resumed, *loader = mine
        if loader:  # older versions saved the state of the process only
            self._last, self._began = loader

    def _random(self) -> dict[str, Any]:
        """The state of the process and of the loader, which decide what comes next."""
        return {**random_state.get(), "loader": source.state(self.batches)}

    def _put(self, state: dict[str, Any]) -> None:
        random_state.put(state)
        source.restore(self.batches, state.get("loader", {}), self._began, self._fresh)

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Before the first epoch's batches are ordered: the random state that orders them."""
        if not self._resumed:
            self._epoch_random = self._random()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The same for the epochs that follow; their batches are ordered after this hook.

        Raises:
            ValueError: the epoch before had no batches.
        """
        if self._epoch_from == self.fitted.steps:
            self.raise_if_out_of_batches()
        self._epoch_from = self.fitted.steps
        if trainer.current_epoch > 0:
            self._epoch_random = self._random()

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw again what was drawn before the checkpoint, then start the clock."""
        if self.rate is not None and trainer.lr_scheduler_configs:
            raise ValueError(
                "fit needs learning rates by `rate` or by the model's schedulers; got both; leave "
                "one of them out"
            )
        source.watch(trainer.fit_loop._data_fetcher)
        if self._resumed:
            self._draw_again(trainer)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._told_to_stop)  # in place of Lightning's
        self._start = time.perf_counter() - self.fitted.seconds
        self._saved = time.perf_counter()
        done = self._done = self.budget.done(self.fitted.steps, self.fitted.seconds)
        self._mark = self._next_mark(done)
        if done >= 1:
            trainer.should_stop = True

    def _draw_again(self, trainer: L.Trainer) -> None:
        """Order this epoch's batches as they were ordered, and pass those that were used."""
        fetcher, loader = trainer.fit_loop._data_fetcher, trainer.train_dataloader
        if fetcher is not None and not hasattr(loader, "load_state_dict"):  # else Lightning does
            for part in ("sampler", "batch_sampler"):
                if set_epoch := getattr(getattr(loader, part, None), "set_epoch", None):
                    set_epoch(trainer.current_epoch)  # Lightning would do so too late
            self._put(self._epoch_random)
            if self._drawn and trainer.current_epoch == 0:
                source.checked(trainer.fit_loop._combined_loader)  # so it was the first time
            if not isinstance(self.batches, Iterator) or self._fresh:  # else it stays where it is
                iter(fetcher)
            self._pass(fetcher)
            fetcher.fetched -= self._drawn  # Lightning adds them itself
        if self._drawn:  # else a new epoch begins, ordered just now
            self._put(self._resumed)
        self._resumed = {}

    def _pass(self, fetcher: Any) -> None:
        """Draw the batches that were used, and make sure that they are the same.

        What is drawn from the random state of the process as batches are made, such as noise on
        images, differs here and is right again afterwards. Not so what was fetched in advance,
        as Lightning does where a loader has no length.
        """
        before = random_state.get()
        with contextlib.suppress(StopIteration):
            for _ in range(self._drawn):
                next(fetcher)
        moves = fetcher.length is not None and not random_state.same(before, random_state.get())
        if self._drawn and self._last not in (None, fetcher.latest) and not moves:
            raise ValueError(
                f"resume needs the batches that training had before; got another one at "
                f"{self._drawn} of this epoch; give the same data, in a loader whose order comes "
                "from generators or counters that it holds, or start over"
            )

    # ---------------------------------------------------------------- each update

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Set the learning rates, where they follow the budget."""
        if self.rate is None:
            return
        factor = self.rate(self.fitted.steps + 1, self._done)
        for optimizer in trainer.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Count, show, measure, save, stop."""
        now = time.perf_counter()
        fitted = self.fitted
        fitted.steps, fitted.seconds = fitted.steps + 1, now - self._start
        done = self.budget.done(fitted.steps, fitted.seconds)
        save, stop = now - self._saved >= self.save_every, self.signal is not None
        if trainer.world_size > 1:  # clocks differ; all must do the same
            done, save, stop = trainer.strategy.broadcast((done, save, stop))
        self._done = done
        if self.bar.due(done):
            self.bar.draw(done, self._left(done), self._told(_loss(outputs, fitted.steps)))
        with self._outside():
            if self.valid is not None and not stop and done >= self._mark * self.every - 1e-9:
                loss = torch.tensor(_loss(outputs, fitted.steps), dtype=torch.float64)
                self._measure(pl_module, float(trainer.strategy.reduce(loss, reduce_op="mean")))
                self._mark = self._next_mark(done)
            if self.snapshots is not None and fitted.steps % self.snapshots == 0:
                self._snapshot(pl_module, trainer.is_global_zero)
            fitted.peak_memory = fitted.peak_memory or (machine.peak_memory() if done >= 1 else 0)
            if save or stop or done >= 1:
                self._last = getattr(trainer.fit_loop._data_fetcher, "latest", None)
                self._save(trainer, last=stop or done >= 1)
        if stop or done >= 1:
            trainer.should_stop = True

    @contextmanager
    def _outside(self) -> Iterator[None]:
        """Time in here is not training time."""
        began = time.perf_counter()
        yield
        self._start += time.perf_counter() - began

    def _told(self, loss: float) -> str:
        """The loss, and what was last measured."""
        known = {"step", "seconds", "loss"}
        row = self.fitted.history[-1] if self.fitted.history else {}
        told = [f"valid {name} {value:.4g}" for name, value in row.items() if name not in known]
        return ", ".join([f"loss {loss:.3f}", *told])

    def _next_mark(self, done: float) -> int:
        return 1 + math.floor(done / self.every + 1e-9)

    def _left(self, done: float) -> float | None:
        """Seconds of training left, at the pace so far."""
        if done == 0:
            return None
        return self.fitted.seconds * (1 - done) / done

    def _measure(self, pl_module: L.LightningModule, loss: float) -> None:
        assert self.valid is not None
        self.fitted.peak_memory = self.fitted.peak_memory or machine.peak_memory()
        model = self.averaging.of(pl_module) if self.averaging else pl_module
        training = model.training
        model.eval()
        with torch.no_grad(), isolate_rng():
            measured = self.valid(model)
        model.train(training)
        row = {"step": self.fitted.steps, "seconds": self.fitted.seconds, "loss": loss}
        self.fitted.history.append(row | measured)

    def _snapshot(self, pl_module: L.LightningModule, write: bool) -> None:
        """Keep the weights at multiples of a step that doubles as training goes on."""
        assert self.snapshots is not None
        gap = self.snapshots
        while self.fitted.steps > MOST_SNAPSHOTS * gap:
            gap *= 2
        if not write or self.fitted.steps % gap:
            return
        model = self.averaging.of(pl_module) if self.averaging else pl_module
        self.shots.mkdir(parents=True, exist_ok=True)
        weights.save(model, self.shots / f"{self.fitted.steps:08}.safetensors")
        for step, path in snapshots(self.shots.parent).items():
            if step % gap:
                path.unlink(missing_ok=True)

    def _save(self, trainer: L.Trainer, last: bool) -> None:
        """A checkpoint; if the disk is full, only the last one is worth stopping for."""
        began = time.perf_counter()
        # drawn to the end, the next epoch is what a resume starts with
        ended = trainer.is_last_batch
        self._drawn = 0 if ended else trainer.fit_loop.epoch_loop.batch_progress.current.ready
        if ended:
            self._epoch_random = self._random()
        try:
            trainer.save_checkpoint(self.checkpoints / LAST)
        except OSError as error:
            if last:
                raise
            if not self._warned:
                print(f"warning: {error}; training goes on", file=sys.stderr)
            self._warned = True
        self._saved = time.perf_counter()
        if self.save_every:
            self.save_every = max(self.save_every, SAVING * (self._saved - began))

    # ---------------------------------------------------------------------- stop

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """Let Ctrl-C and SIGTERM end the training after the update at hand."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        for each in before:
            signal.signal(each, self._told_to_stop)
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _told_to_stop(self, number: int, _: Any) -> None:
        if self.signal is not None:  # the second time at once
            raise KeyboardInterrupt
        self.signal = number

    def raise_if_out_of_batches(self) -> None:
        """ValueError if there is budget left, which there is where nothing was drawn."""
        if self.signal is None and self.budget.done(self.fitted.steps, self.fitted.seconds) < 1:
            raise ValueError(
                f"fit needs batches; got none after update {self.fitted.steps}; give a loader "
                "that can be iterated over and over, and holds at least one batch"
            )

    def raise_if_told_to_stop(self) -> None:
        """Pass on what the signal asked for, now that a checkpoint is written."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise SystemExit(128 + self.signal)


def snapshots(out: Path) -> dict[int, Path]:
    """The snapshots in a run folder: update -> file, earliest first."""
    found = (out / "snapshots").glob("*.safetensors")
    return {int(path.stem): path for path in sorted(found) if path.stem.isdigit()}


def _loss(outputs: Any, step: int) -> float:
    """The loss of a batch, from what Lightning gives to callbacks; nan if the model keeps it.

    Raises:
        FloatingPointError: training diverged.
    """
    value = outputs.get("loss") if isinstance(outputs, dict) else outputs
    if value is None:
        return math.nan
    if not math.isfinite(loss := float(value)):
        raise FloatingPointError(
            f"training needs a finite loss; got {loss} at update {step}; lower the learning rate"
        )
    return loss
