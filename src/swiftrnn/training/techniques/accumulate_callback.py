"""Exact gradient accumulation inside Lightning's own loop."""

# ruff: noqa: ARG002 (hooks get more than each of them needs)

import math
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor, distributed

from swiftrnn.training.fit import clip
from swiftrnn.training.techniques.accumulate import check_no_batch_norm


class ExactAccumulation(Callback):
    """Makes `Trainer(accumulate_grad_batches=k)` give the gradient of the large batch.

    Lightning divides every loss by k, also in a last window that has fewer. Let `training_step`
    return the *sum* of its losses and call `seen(count)` with how many they are. Just before
    clipping and the optimiser's step the gradient is divided by the counts of the window in place
    of k, over all processes. A step that returns None counts nothing, whatever it has seen, and a
    window of such steps alone changes nothing. Sparse gradients are clipped like dense ones.

    Args:
        batch_norm: as in `Accumulator`.

    Examples:
        >>> class Model(LightningModule):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.layer, self.accumulation = torch.nn.Linear(3, 1), ExactAccumulation()
        ...
        ...     def configure_callbacks(self):
        ...         return [self.accumulation]
        ...
        ...     def training_step(self, batch, _):
        ...         self.accumulation.seen(len(batch))
        ...         return self.layer(batch).square().sum()
    """

    def __init__(self, batch_norm: bool = False) -> None:
        self.batch_norm = batch_norm
        self.total = 0.0  # of the window, of losses whose gradient was made
        self._said: float | None = None  # of the batch, whose gradient may come
        self._losses = self._uncounted = 0  # of the window
        self._gone = False  # whether the batch's gradient was made

    def seen(self, count: Tensor | float) -> None:
        """Say over how many examples or tokens the loss to come is summed; counts add up.

        Args:
            count: at least 0; 0 is a micro-batch that says nothing.

        Raises:
            ValueError: it is negative or no number.
        """
        number = float(count)
        if not 0 <= number < math.inf:
            raise ValueError(
                f"ExactAccumulation.seen needs a count of at least 0; got {number:g}; "
                "say how many losses were summed"
            )
        self._said = (self._said or 0.0) + number

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot be exact."""
        if not self.batch_norm:
            check_no_batch_norm(pl_module)
        clip.sparse_too(trainer)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Forget what a step said that returned None; what was said behind a loss is missing."""
        self._uncounted += self._gone and self._said is not None
        self._said, self._gone = None, False

    def on_before_zero_grad(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Any
    ) -> None:
        """A window begins: what is left of another one is zeroed, and its counts with it."""
        self.total, self._losses, self._uncounted = 0.0, 0, 0

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """The step has returned a loss: take in what was said of it."""
        self._losses += 1
        self._uncounted += self._said is None
        self.total += self._said or 0.0
        self._said, self._gone = None, True

    @torch.no_grad()
    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Any
    ) -> None:
        """Undo Lightning's division, and DistributedDataParallel's, and divide by the counts.

        Raises:
            ValueError: a loss came without its count, or a count behind its loss.
        """
        if self._uncounted or (self._gone and self._said is not None):
            none = self._uncounted == self._losses
            got = "none in this window" if none else "a loss without one, or one behind its loss"
            raise ValueError(
                f"ExactAccumulation needs the counts of the summed losses; got {got}; "
                "call self.accumulation.seen(count) in training_step"
            )
        total = torch.tensor(self.total, dtype=torch.float64, device=pl_module.device)
        processes = 1
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(total)
            processes = distributed.get_world_size()
        # where all counts are 0 there is nothing to learn from, and to be sure no gradient
        factor = trainer.accumulate_grad_batches * processes / float(total) if total > 0 else 0.0
        for p in (p for g in optimizer.param_groups for p in g["params"]):
            if p.grad is not None and not factor:
                p.grad = None
            elif p.grad is not None:
                p.grad.mul_(factor)
        self.on_before_zero_grad(trainer, pl_module, optimizer)
