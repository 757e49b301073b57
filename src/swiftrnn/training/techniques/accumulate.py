"""Gradient accumulation that gives the very gradient of the large batch.

The usual form, a mean of the means of micro-batches, weighs an example by how few others came with
it: where micro-batches have 4 to 300 tokens, it points elsewhere. Here each micro-batch adds the
gradient of its *summed* loss, and once a window the whole is divided by how much was summed.
Nothing has to be known before: neither the counts to come nor whether the window will be full.
Dropout draws anew for each micro-batch, as it would for each example of the large one, so its
gradient is as random as there, not the same.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm

from swiftrnn.training.fit.clip import clip_norm, numbers_of

HALF = (torch.bfloat16, torch.float16)


class Accumulator:
    """Updates of an optimiser from windows of several micro-batches.

    Until a window is full nothing of the optimiser moves: no moment, no step, no weight. Between
    micro-batches the gradients are kept here and `.grad` is None, so that nobody zeroes them; those
    of parameters with 16 bits are summed in 32, since sums in 16 bits lose what is added last. The
    optimiser's groups are read anew each time: parameters may be added and frozen. Whatever raises
    inside `add` or `flush` (the optimiser's step, Ctrl-C) drops the window; the next micro-batch
    starts another one.

    Where processes train together, each with batches of its own, gradients and counts are summed
    over all of them once a window, whether the model is wrapped in DistributedDataParallel or not
    (then only its parameters must be the same everywhere).

    Args:
        model: what is trained; wrapped or not.
        optimizer: of its parameters, dense or sparse gradients.
        window: micro-batches of an update, at least 1.
        clip: the largest norm of an update's gradient, all parameters together.
        scaler: a torch.amp.GradScaler; it unscales once a window, and a window with an overflow is
            left out as a whole.
        scheduler: stepped after every update.
        batch_norm: whether a model that normalises by statistics of the batch is taken all the
            same: it sees micro-batches, and its gradient is not that of the large batch.

    Raises:
        ValueError: the window or the norm is not above 0, or the model has such a layer.

    Examples:
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
        self._held: dict[Tensor, Tensor] = {}  # the window's gradients
        self._known, self._stale = set(self._params()), set[Tensor]()
        self._nothing()

    def _params(self) -> list[Tensor]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def _nothing(self) -> None:
        device = self._params()[0].device
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)  # of losses, of counts
        self._held.clear()
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
            ValueError: the loss is no single number or depends on no parameter, or the count is
                negative or no single number.
            RuntimeError: somebody else has put gradients there, or a parameter that was added
                inside the window has some of before.
        """
        if loss.numel() != 1 or not _counts(count):
            raise ValueError(
                "Accumulator.add needs one summed loss and a count of at least 0; "
                f"got {tuple(loss.shape)} and {count!r}; sum the losses"
            )
        if not loss.requires_grad and not (isinstance(count, float | int) and count == 0):
            raise ValueError(
                "Accumulator.add needs a loss with a gradient; got one of no trained parameter "
                f"and a count of {count!r}; leave it out, or say that it counts 0"
            )
        params = self._look()
        with self._or_drop():
            if loss.requires_grad:
                self._backward(loss if self.scaler is None else self.scaler.scale(loss), params)
            both = torch.stack([loss.detach().double().reshape(()), _number(count, loss)])
            self._sums += both.to(self._sums.device)
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
        if self.waiting:
            self._look()
        with self._or_drop():
            self._update()
        return True

    @contextmanager
    def _or_drop(self) -> Iterator[None]:
        """What raises inside leaves no part of a window behind."""
        try:
            yield
        except BaseException:
            for p in self._params():
                p.grad = None
            self._nothing()
            raise

    def _look(self) -> list[Tensor]:
        """The parameters there are now, without gradients; a window begins where none is open."""
        params = self._params()
        new = [p for p in params if p not in self._known]
        late = next((p for p in new if self.waiting and p in self._stale), None)
        if late is not None:
            raise RuntimeError(
                "Accumulator needs parameters to be added between windows, or without a gradient; "
                f"got one of shape {tuple(late.shape)} with a gradient of earlier windows; "
                "call flush() before"
            )
        for p in new:
            if self.waiting and p.grad is not None:  # all of it is of this window
                self._held[p] = p.grad.float() if p.dtype in HALF else p.grad
            p.grad = None
        foreign = next((p for p in params if p.grad is not None), None)
        if foreign is not None:
            raise RuntimeError(
                "Accumulator needs every gradient of its parameters to come from add; got one of "
                f"another backward for a parameter of shape {tuple(foreign.shape)}; "
                "call optimizer.zero_grad() before add, which loses nothing of the window"
            )
        self._known = set(params)
        if not self.waiting:
            self._nothing()
            others = (p for p in self.model.parameters() if p.grad is not None)
            self._stale = {p for p in others if p not in self._known}
        return params

    def _backward(self, loss: Tensor, params: list[Tensor]) -> None:
        """Adds a micro-batch to what is held: in place, where torch does so."""
        for p in params:
            p.grad = None if p.dtype in HALF else self._held.get(p)
        with self.micro_batch():
            loss.backward()
        for p in params:
            if p.grad is not None:
                known = self._held.get(p) if p.dtype in HALF else None
                grad = p.grad.float() if p.dtype in HALF else p.grad
                self._held[p] = grad if known is None else known + grad
                p.grad = None

    @torch.no_grad()
    def _update(self) -> None:
        if _together():
            self._sum_over_processes()
        total, count = self._sums
        if count == 0:  # nothing to learn from
            self._nothing()
            return
        self.loss = total / count
        params = [p for p in self._params() if p in self._held and p.requires_grad]
        for p in params:
            held = self._held[p]
            p.grad = (held / count).to(p.dtype) if p.dtype in HALF else held
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        grads = [numbers_of(p) for p in params if p.dtype not in HALF]
        if grads:
            torch._foreach_div_(grads, float(count))  # pyright: ignore
        if self.clip is not None:
            self.norm = clip_norm(params, self.clip)
        self._step()
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
        for p in self._params():
            p.grad = None
        if left_out:
            return
        if self.scheduler is not None:
            self.scheduler.step()
        self.updates += 1

    def _sum_over_processes(self) -> None:
        """Gradients, counts, and who has a gradient: who has none anywhere keeps none."""
        params, held = self._params(), self._held
        here = [[p in held, p in held and held[p].is_sparse] for p in params]
        known = torch.tensor(here, dtype=torch.float64, device=self._sums.device)
        _all_reduce([self._sums, known])
        kinds = [
            (p, sparse) for p, (has, sparse) in zip(params, known.tolist(), strict=True) if has
        ]
        for p, _ in kinds:
            if p not in held:
                held[p] = torch.zeros_like(p, dtype=torch.float32 if p.dtype in HALF else None)
            elif held[p].is_sparse:
                held[p] = held[p].to_dense()
        _all_reduce([held[p] for p, _ in kinds])
        for p, sparse in kinds:
            if sparse:
                held[p] = held[p].to_sparse(1)


def check_no_batch_norm(model: nn.Module) -> None:
    """Refuse a model whose gradient depends on which examples a micro-batch has.

    Raises:
        ValueError: a layer that is being trained normalises by statistics of its batch.

    Examples:
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


def _counts(count: Any) -> bool:
    """Whether it is one number of at least 0; what lies on a GPU is not looked at."""
    if not isinstance(count, Tensor):
        return 0 <= count < math.inf
    return count.numel() == 1 and (count.device.type != "cpu" or bool(count >= 0))


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
