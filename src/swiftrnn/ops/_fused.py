"""A product and the recurrence over it on a GPU: one node of autograd, few kernels to start.

Where batches are small the GPU waits for Python, so what counts there is how many calls a step
makes. The gradient of a skip that is the input itself is what the product adds to, and gates are
never joined to others in memory.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops._op import Op

Taps = tuple[int, ...]


def forward(
    op: Op, x: Tensor, weight: Tensor, skip: Tensor | None, taps: Taps, rest: Sequence[Any],
    keep: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """The outputs of an op over the gates of `x` and, to keep, the gates after them."""
    T, B, _ = x.shape
    gates = _gates(x.view(T * B, -1), weight, taps, (T - max(taps)) * B, B)
    gates = gates.view(T - max(taps), B, len(weight))
    outputs = op.kernel("forward", "cuda")(*_inputs(op, gates, skip, rest), keep)
    return (*outputs, gates) if keep else outputs


def _gates(rows: Tensor, weight: Tensor, taps: Taps, count: int, B: int) -> Tensor:
    parts = weight.chunk(len(taps), 1)
    gates = torch.mm(_seen(rows, taps[0], count, B), parts[0].t())
    for tap, part in zip(taps[1:], parts[1:], strict=True):
        gates.addmm_(_seen(rows, tap, count, B), part.t())
    return gates


def _seen(rows: Tensor, tap: int, count: int, B: int) -> Tensor:
    """The rows that the gates see through a tap."""
    return rows[tap * B : tap * B + count]


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
        outputs = forward(op, x, weight, x if residual else own, taps, rest, True)
        tensors = op.tensors - len(_inputs(op, x, None, ()))
        ctx.op, ctx.residual, ctx.taps, ctx.flags = op, residual, taps, rest[tensors:]
        ctx.save_for_backward(x, weight, own, outputs[-1], outputs[2], *rest[:tensors])
        return outputs[:2]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *output_grads: Tensor) -> Any:  # pyright: ignore
        op, needs = ctx.op, ctx.needs_input_grad
        x, weight, own, gates, states, *rest = ctx.saved_tensors
        inputs = _inputs(op, gates, x if ctx.residual else own, (*rest, *ctx.flags))
        dense = [g.contiguous() for g in output_grads]
        d_gates, *d_rest = op.kernel("backward", "cuda")(*inputs, states, *dense)
        d_skip = d_rest.pop(0) if op.skips else None
        rows = d_gates.view(-1, len(weight))
        d_x = d_skip if ctx.residual else None
        if needs[1]:
            d_x = _d_x(rows, x, weight, ctx.taps, d_x)
        d_weight = _d_weight(rows, x, ctx.taps) if needs[2] else None
        d_own = None if own is None else d_skip
        nothing = (None,) * (op.tensors - len(op.differentiable) + len(ctx.flags))
        found = None, d_x, d_weight, d_own, None, None, *d_rest, *nothing
        return tuple(g if need else None for g, need in zip(found, needs, strict=True))


def _d_x(rows: Tensor, x: Tensor, weight: Tensor, taps: Taps, total: Tensor | None) -> Tensor:
    """The gradient of x, added to that of the skip where there is one."""
    if total is None and len(taps) == 1:
        return torch.mm(rows, weight).view_as(x)
    total = torch.zeros_like(x) if total is None else total
    flat, B = total.view(-1, x.shape[2]), x.shape[1]
    for tap, part in zip(taps, weight.chunk(len(taps), 1), strict=True):
        _seen(flat, tap, len(rows), B).addmm_(rows, part)
    return total


def _d_weight(rows: Tensor, x: Tensor, taps: Taps) -> Tensor:
    flat, left = x.view(-1, x.shape[2]), rows.t()
    parts = [torch.mm(left, _seen(flat, tap, len(rows), x.shape[1])) for tap in taps]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)
