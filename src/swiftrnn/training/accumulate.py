"""Gradient accumulation that gives the very gradient of the large batch.

The usual form, a mean of the means of micro-batches, weighs an example by how few others came with
it: where micro-batches have 4 to 300 tokens, it points elsewhere. Here each micro-batch adds the
gradient of its *summed* loss, and once a window the whole is divided by how much was summed.
Nothing has to be known before: neither the counts to come nor whether the window will be full.
Dropout draws anew for each micro-batch, as it would for each example of the large one, so its
gradient is as random as there, not the same.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import clip_grad_norm_


class Accumulator:
    """Updates of an optimiser from windows of several micro-batches.

    Until a window is full nothing of the optimiser moves: no moment, no step, no weight. `.grad` is
    the buffer; parameters of 16 bits get one of 32 beside it, since sums in 16 bits lose what is
    added last. Where processes train together, each with batches of its own, gradients and counts
    are summed over all of them once a window, whether the model is wrapped in
    DistributedDataParallel or not (then only its parameters must be the same everywhere).

    Args:
        model: what is trained; wrapped or not.
        optimizer: of its parameters.
        window: micro-batches of an update, at least 1.
        clip: the largest norm of an update's gradient, all parameters together.
        scaler: a torch.amp.GradScaler; it unscales once a window, and a window with an overflow is
            left out as a whole.
        scheduler: stepped after every update.
        batch_norm: whether a model that normalises by statistics of the batch is taken all the
            same: it sees micro-batches, and its gradient is not that of the large batch.

    Raises:
        ValueError: the window or the norm is not above 0, or the model has such a layer.

    Example:
        >>> model = nn.Linear(3, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> accumulator = Accumulator(model, optimizer, window=2)
        >>> for rows in (torch.ones(5, 3), torch.ones(2, 3), torch.ones(4, 3)):
        ...     with accumulator.micro_batch():
        ...         loss = model(rows).square().sum()
        ...     updated = accumulator.add(loss, count=len(rows))  # a sum, and over how many
        >>> accumulator.updates, accumulator.waiting
        (1, 1)
        >>> accumulator.flush()  # the last window is as exact as the others
        True

    Source: Su (2019), "Gradient accumulation", kexue.fm/archives/6794, for the idea; the weights of
    tokens: transformers pull request 34191 (2024).
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        window: int,
        clip: float | None = None,
        scaler: Any = None,
        scheduler: Any = None,
        batch_norm: bool = False,
    ) -> None:
        if not isinstance(window, int) or window < 1:
            raise ValueError(f"Accumulator needs a window of at least 1; got {window!r}")
        if clip is not None and not clip > 0:
            raise ValueError(f"Accumulator needs clip above 0; got {clip!r}; None clips nothing")
        if not batch_norm:
            check_no_batch_norm(model)
        self.model, self.optimizer, self.window, self.clip = model, optimizer, window, clip
        self.scaler, self.scheduler = scaler, scheduler
        self.updates = self.waiting = 0  # so many were made; so many micro-batches wait
        self.norm = torch.tensor(torch.nan)  # of the last update's gradient, before it was clipped
        self.loss = torch.tensor(torch.nan)  # the mean of the last window, over all processes
        self._params = [p for g in optimizer.param_groups for p in g["params"]]
        self._wide: dict[Tensor, Tensor] = {}
        self._nothing()

    def _nothing(self) -> None:
        device = self._params[0].device
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)  # of losses, of counts
        self.waiting = 0

    @contextmanager
    def micro_batch(self) -> Iterator[None]:
        """Around a micro-batch's forward: DistributedDataParallel leaves the summing to us."""
        quiet: Callable[[], AbstractContextManager[Any]] = getattr(
            self.model, "no_sync", nullcontext
        )
        with quiet():
            yield

    def add(self, loss: Tensor, count: Tensor | float) -> bool:
        """Take in the gradient of a micro-batch; update, where that fills the window.

        Args:
            loss: the sum, not the mean, of the losses of its examples or tokens.
            count: how many those are; 0 is a micro-batch that says nothing.

        Returns:
            Whether there was an update.

        Raises:
            ValueError: the loss is no single number, or the count is negative.
        """
        if loss.numel() != 1 or not (isinstance(count, Tensor) or count >= 0):
            raise ValueError(
                "Accumulator.add needs one summed loss and a count of at least 0; "
                f"got {tuple(loss.shape)} and {count!r}; sum the losses"
            )
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        with self.micro_batch():
            scaled.backward()
        self._widen()
        self._sums += torch.stack([loss.detach().double(), _number(count, loss)])
        self.waiting += 1
        if self.waiting < self.window:
            return False
        self._update()
        return True

    def flush(self) -> bool:
        """Update from a window that is not full, at the end of an epoch, say.

        Returns:
            Whether anything waited. Processes that train together must all call it.
        """
        if not self.waiting and not _together():
            return False
        self._update()
        return True

    def _widen(self) -> None:
        for p in self._params:
            if p.grad is not None and p.dtype in (torch.bfloat16, torch.float16):
                known = self._wide.get(p)
                grad = p.grad.float()
                self._wide[p] = grad if known is None else known.add_(grad)
                p.grad = None

    @torch.no_grad()
    def _update(self) -> None:
        if _together():
            self._sum_over_processes()
        total, count = self._sums
        if count == 0:  # nothing to learn from
            self.optimizer.zero_grad()
            self._wide.clear()
            self._nothing()
            return
        self.loss = total / count
        for p, wide in self._wide.items():
            p.grad = (wide / count).to(p.dtype)
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        grads = [p.grad for p in self._params if p.grad is not None and p not in self._wide]
        if grads:
            torch._foreach_div_(grads, float(count))  # pyright: ignore[reportPrivateImportUsage]
        if self.clip is not None:
            self.norm = clip_grad_norm_(self._params, self.clip)
        self._step()
        self._wide.clear()
        self._nothing()

    def _step(self) -> None:
        left_out = False
        if self.scaler is None:
            self.optimizer.step()
        else:
            before = self.scaler.get_scale()
            self.scaler.step(self.optimizer)
            self.scaler.update()
            left_out = self.scaler.get_scale() < before  # there was an overflow
        self.optimizer.zero_grad()
        if left_out:
            return
        if self.scheduler is not None:
            self.scheduler.step()
        self.updates += 1

    def _sum_over_processes(self) -> None:
        """Gradients, counts, and who has a gradient: who has none anywhere keeps none."""
        has = [p.grad is not None or p in self._wide for p in self._params]
        known = torch.tensor(has, dtype=torch.float64, device=self._sums.device)
        for p, here in zip(self._params, has, strict=True):
            if not here:
                p.grad = torch.zeros_like(p)
        grads = [g for p in self._params if (g := self._wide.get(p, p.grad)) is not None]
        _all_reduce([self._sums, known, *grads])
        for p, processes in zip(self._params, known.tolist(), strict=True):
            if not processes:
                p.grad = None


def check_no_batch_norm(model: nn.Module) -> None:
    """Refuse a model whose gradient depends on which examples a micro-batch has.

    Raises:
        ValueError: a layer that is being trained normalises by statistics of its batch.

    Example:
        >>> check_no_batch_norm(nn.LayerNorm(3))
    """
    for name, part in model.named_modules():
        by_batch = isinstance(part, _BatchNorm) and (part.training or part.running_mean is None)
        if by_batch:
            raise ValueError(
                "exact accumulation needs a model whose examples do not see each other; got "
                f"{type(part).__name__} at {name or 'the top'}; use GroupNorm or LayerNorm, put it "
                "into eval mode, or allow it with batch_norm=True, which is then not exact"
            )


def _number(count: Tensor | float, like: Tensor) -> Tensor:
    return torch.as_tensor(count, dtype=torch.float64, device=like.device).reshape(())


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _all_reduce(tensors: list[Tensor]) -> None:
    """In place; tensors of one dtype and device in one message."""
    kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    for each in kinds.values():
        flat = torch.cat([tensor.flatten() for tensor in each])
        distributed.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in each])
        for tensor, part in zip(each, parts, strict=True):
            tensor.copy_(part.view_as(tensor))
