"""Exact gradient accumulation inside Lightning's own loop."""

# ruff: noqa: ARG002 (hooks get more than each of them needs)

from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor, distributed

from swiftrnn.training.accumulate import check_no_batch_norm


class ExactAccumulation(Callback):
    """Makes `Trainer(accumulate_grad_batches=k)` give the gradient of the large batch.

    Lightning divides every loss by k, also in a last window that has fewer. Let `training_step`
    return the *sum* of its losses and call `seen(count)` with how many they are. Just before
    clipping and the optimiser's step the gradient is divided by the counts of the window in place
    of k, over all processes.

    Args:
        batch_norm: as in `Accumulator`.

    Example:
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
        self.batch_norm, self.total = batch_norm, 0.0

    def seen(self, count: Tensor | float) -> None:
        """Say over how many examples or tokens the loss to come, or just made, is summed."""
        self.total += float(count)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot be exact."""
        if not self.batch_norm:
            check_no_batch_norm(pl_module)

    @torch.no_grad()
    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Any
    ) -> None:
        """Undo Lightning's division, and DistributedDataParallel's, and divide by the counts.

        Raises:
            ValueError: nothing was said to be seen.
        """
        total = torch.tensor(self.total, dtype=torch.float64, device=pl_module.device)
        processes = 1
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(total)
            processes = distributed.get_world_size()
        if not total > 0:
            raise ValueError(
                "ExactAccumulation needs the counts of the summed losses; got none in this "
                "window; call self.accumulation.seen(count) in training_step"
            )
        factor = trainer.accumulate_grad_batches * processes / float(total)
        for p in (p for g in optimizer.param_groups for p in g["params"]):
            if p.grad is not None:
                p.grad.mul_(factor)
        self.total = 0.0
