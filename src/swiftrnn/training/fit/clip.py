"""Clipping by the norm of all gradients, those of sparse embeddings among them.

torch's own has no norm of a sparse gradient. Its numbers are the values of the rows, each row once.
"""

from collections.abc import Iterable
from functools import partial
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn


def numbers_of(p: Tensor) -> Tensor | None:
    """The dense tensor in which the gradient of a parameter lies, None if it has none.

    Examples:
        >>> import torch
        >>> table = nn.Embedding(5, 2, sparse=True)
        >>> table(torch.tensor([3, 1, 3])).sum().backward()
        >>> numbers_of(table.weight)
        tensor([[1., 1.],
                [2., 2.]])
    """
    if p.grad is None or not p.grad.is_sparse:
        return p.grad
    p.grad = p.grad.coalesce()
    return p.grad._values()


def clip_norm(parameters: Iterable[Tensor], largest: float) -> Tensor:
    """Scale all gradients together so that their norm is at most `largest`.

    The same as torch.nn.utils.clip_grad_norm_, also where gradients are sparse.

    Args:
        parameters: whose gradients are scaled in place.
        largest: the norm, above 0.

    Returns:
        The norm before, ().

    Examples:
        >>> import torch
        >>> table = nn.Embedding(5, 1, sparse=True)
        >>> table(torch.tensor([3, 3, 1])).sum().backward()
        >>> round(clip_norm(table.parameters(), 1.0).item(), 4)
        2.2361
    """
    numbers: Any = [SimpleNamespace(grad=numbers_of(p)) for p in parameters]
    return nn.utils.clip_grad_norm_(numbers, largest)


def clip_value(parameters: Iterable[Tensor], largest: float) -> None:
    """Bring every number of all gradients into -largest..largest, also of sparse ones."""
    numbers: Any = [SimpleNamespace(grad=numbers_of(p)) for p in parameters]
    nn.utils.clip_grad_value_(numbers, largest)


def sparse_too(trainer: Any) -> None:
    """Let a Lightning Trainer clip sparse gradients, where the clipping is Lightning's own."""
    from lightning.pytorch.plugins.precision import Precision

    plugin = trainer.precision_plugin
    for name, ours in (("clip_grad_by_norm", clip_norm), ("clip_grad_by_value", clip_value)):
        if getattr(type(plugin), name) is getattr(Precision, name):
            setattr(plugin, name, partial(_of_optimizer, plugin, ours))


def _of_optimizer(plugin: Any, clip: Any, optimizer: Any, clip_val: float) -> None:
    clip(list(plugin.main_params(optimizer)), clip_val)
