"""Gradients by way of the reference: where kernels have none, as for gradients of gradients."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops._plain import recorded


def kernels_can(grads: Sequence[Tensor]) -> bool:
    """Whether the kernels may turn these gradients of outputs into those of inputs.

    They cannot where a graph of backward is asked for, or a batch of backwards at once
    (`is_grads_batched`, `functional.jacobian(vectorize=True)`).
    """
    if recorded():
        return torch.compiler.is_compiling() or not torch.is_grad_enabled()
    return not torch.is_grad_enabled() and all(torch._C._has_storage(g) for g in grads)


def by_reference(
    function: Callable[..., Sequence[Tensor]],
    inputs: Sequence[Any],
    needs: Sequence[bool],
    output_grads: Sequence[Tensor],
) -> tuple[Tensor | None, ...]:
    """The gradients of inputs, themselves differentiable where backward is.

    Args:
        function: in plain PyTorch, from inputs to outputs.
        inputs: tensors and others.
        needs: for each input whether its gradient is wanted.
        output_grads: those of the outputs.
    """
    higher = torch.is_grad_enabled()

    def alias(x: Any, need: bool) -> Any:
        """An input that was computed from another must not send its gradient on to that one."""
        return x if not need else x.view_as(x) if higher else x.detach().requires_grad_()

    with torch.enable_grad():
        own = [alias(x, need) for x, need in zip(inputs, needs, strict=True)]
        outputs = zip(function(*own), output_grads, strict=True)
        pairs = [(y, g) for y, g in outputs if y.requires_grad]
        leaves = [x for x, need in zip(own, needs, strict=True) if need]
        found = [None] * len(leaves)
        if pairs:
            ys, grads = zip(*pairs, strict=True)
            found = torch.autograd.grad(ys, leaves, grads, create_graph=higher, allow_unused=True)
    rest = iter(found)
    return tuple(next(rest) if need else None for need in needs)


def beside(x: Tensor, taps: tuple[int, ...]) -> Tensor:
    """What a gate sees through each tap, side by side: (T, B, I * taps)."""
    T = x.shape[0] - max(taps)
    return x if len(taps) == 1 else torch.cat([x[tap : tap + T] for tap in taps], -1)


def of_project(
    ctx: Any, inputs: Sequence[Any], output_grads: Sequence[Tensor]
) -> tuple[Tensor | None, ...]:
    """The gradients of `_blocked.project` and `_fused`, whose forward filled ctx."""
    op, residual, taps = ctx.op, ctx.residual, ctx.taps

    def function(x: Tensor, weight: Tensor, own: Tensor | None, *rest: Any) -> Any:
        gates, skip = beside(x, taps) @ weight.t(), x if residual else own
        return op.reference(*((gates, skip, *rest) if op.skips else (gates, *rest)))

    needs = *ctx.needs_input_grad[1:4], *ctx.needs_input_grad[6:]
    d_x, d_weight, d_own, *d_rest = by_reference(function, inputs, needs, output_grads)
    return None, d_x, d_weight, d_own, None, None, *d_rest
