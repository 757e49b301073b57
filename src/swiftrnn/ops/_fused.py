"""A product and the recurrence over it on a GPU: one node of autograd, few kernels to start.

Where batches are small the GPU waits for Python, so what counts there is how many calls a step
makes. The gradient of a skip that is the input itself is what the product adds to.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops._op import Op
from swiftrnn.ops._plain import as_saved, dense, kinds_of
from swiftrnn.ops._reference_grads import beside, kernels_can, of_project

Taps = tuple[int, ...]


def forward(
    op: Op, x: Tensor, weight: Tensor, skip: Tensor | None, taps: Taps, rest: Sequence[Any],
    keep: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The outputs of an op over the gates of `x`; to keep, then the gates and what they saw."""
    T, B, rows = len(x) - max(taps), x.shape[1], _seen(x, taps)
    gates = torch.mm(rows, weight.t()).view(T, B, len(weight))
    outputs = op.kernel("forward", "cuda")(*_inputs(op, gates, skip, rest), keep)
    return (*outputs, gates, rows) if keep else outputs


def _seen(x: Tensor, taps: Taps) -> Tensor:
    """What gates see, as rows."""
    return beside(x, taps).view((len(x) - max(taps)) * x.shape[1], -1)


def _inputs(op: Op, gates: Tensor, skip: Tensor | None, rest: Sequence[Any]) -> tuple[Any, ...]:
    return (gates, skip, *rest) if op.skips else (gates, *rest)


class Fused(torch.autograd.Function):
    """See `_blocked.project`; `residual` where the skip is x itself, and `own` is None then."""

    @staticmethod
    def forward(
        ctx: Any,
        op: Op,
        x: Tensor,
        weight: Tensor,
        own: Tensor | None,
        residual: bool,
        taps: Taps,
        *rest: Any,
    ) -> Any:
        skip = x if residual else own
        output, final, states, gates, rows = forward(op, x, weight, skip, taps, rest, True)
        tensors = op.tensors - len(_inputs(op, x, None, ()))
        ctx.op, ctx.residual, ctx.taps, ctx.flags = op, residual, taps, rest[tensors:]
        saved = x, weight, own, rows, gates, states, *rest[:tensors]
        ctx.save_for_backward(*saved)
        ctx.kinds = kinds_of(saved)
        return output, final

    @staticmethod
    def backward(ctx: Any, *output_grads: Tensor) -> Any:  # pyright: ignore
        op, needs, residual = ctx.op, ctx.needs_input_grad, ctx.residual
        saved = as_saved(op.name, ctx.saved_tensors, ctx.kinds)
        x, weight, own, rows, gates, states, *rest = saved
        if not kernels_can(output_grads):
            inputs = x, weight, own, *rest, *ctx.flags
            return of_project(ctx, inputs, output_grads)
        skip = x if residual else own
        inputs = _inputs(op, gates, skip, (*rest, *ctx.flags))
        grads = [dense(g) for g in output_grads]
        d_gates, *d_rest = op.kernel("backward", "cuda")(*inputs, states, *grads)
        d_skip = d_rest.pop(0) if op.skips else None
        d_rows = d_gates.view(-1, len(weight))
        d_x = d_skip if residual else None
        if needs[1]:
            d_x = _d_x(d_rows, weight, ctx.taps, x.shape, d_x)
        d_weight = torch.mm(d_rows.t(), rows) if needs[2] else None
        d_own = None if residual or skip is None else d_skip
        nothing = (None,) * (op.tensors - len(op.differentiable) + len(ctx.flags))
        found = None, d_x, d_weight, d_own, None, None, *d_rest, *nothing
        return tuple(g if need else None for g, need in zip(found, needs, strict=True))


def _d_x(
    d_rows: Tensor, weight: Tensor, taps: Taps, shape: torch.Size, total: Tensor | None
) -> Tensor:
    """The gradient of x, added to that of the skip where there is one."""
    if total is None and len(taps) == 1:
        return torch.mm(d_rows, weight).view(shape)
    total = d_rows.new_zeros(shape) if total is None else total
    flat, B = total.view(-1, shape[2]), shape[1]
    for tap, part in zip(taps, weight.chunk(len(taps), 1), strict=True):
        flat[tap * B : tap * B + len(d_rows)].addmm_(d_rows, part)
    return total
