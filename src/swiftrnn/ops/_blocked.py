"""A product and the recurrence over it, block after block of time: `op(x @ weight.T, ...)`.

The gates of a block are used while they are still in cache; their gradient never exists as a whole,
it goes into the two other products block by block. On the CPU only and in eager mode only: a graph
(torch.compile, torch.export) gets the product and the op one after the other.
"""

from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops import _native
from swiftrnn.ops._op import Op, transformed
from swiftrnn.ops._product import BLOCK_BYTES, add_outer, rows_times

# Where an op that can run in blocks has what, among its inputs.
GATES, SKIP, INITIAL, LENGTHS, FIRST_FLAG = 0, 1, 4, 6, 7


def can_block(op: Op, x: Tensor) -> bool:
    """Whether x is a plain tensor on a CPU with kernels, outside of any tracing."""
    return (
        type(x) in (Tensor, torch.nn.Parameter)
        and not torch.compiler.is_compiling()
        and not transformed()
        and op.has_kernel(x.device.type, x.dtype)
    )


def project(op: Op, x: Tensor, weight: Tensor, residual: bool, *rest: Any) -> tuple[Tensor, Tensor]:
    """The op over the gates `x @ weight.T`.

    Args:
        op: one whose inputs are (gates, skip, ..., initial, mask, lengths, *flags), the last of
            which is `reverse`, and whose outputs are (output, final, states).
        x: (T, B, I).
        weight: (G, I).
        residual: whether x is also the op's skip (then I = H); else the op has none.
        rest: the op's other inputs, from the third on.

    Returns:
        output (T, B, H) and final (B, H).
    """
    tensors = (x, weight, *rest[: FIRST_FLAG - 2])
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors):
        return _Blocked.apply(op, x, weight, residual, *rest)  # pyright: ignore
    return _forward(op, x, weight, residual, rest, None)


def _blocks(T: int, step_bytes: int, reverse: bool) -> list[slice]:
    """Runs of time in the order in which the recurrence goes through them."""
    size = max(1, BLOCK_BYTES // max(step_bytes, 1))
    blocks = [slice(t, min(t + size, T)) for t in range(0, max(T, 1), size)]
    return blocks[::-1] if reverse else blocks


def _inputs(gates: Tensor, skip: Tensor | None, rest: tuple, state: Tensor, start: int) -> tuple:
    """The op's inputs for one block that starts at a time."""
    inputs = [gates, skip, *rest]
    inputs[INITIAL] = state
    if start and inputs[LENGTHS] is not None:
        inputs[LENGTHS] = inputs[LENGTHS] - start
    return tuple(inputs)


def _forward(
    op: Op, x: Tensor, weight: Tensor, residual: bool, rest: tuple, kept: list | None
) -> tuple[Tensor, Tensor]:
    """Runs all blocks; where `kept` is a list it gets (slice, gates, state before, states)."""
    T, B, I = x.shape
    state, reverse = rest[INITIAL - 2], rest[-1]
    blocks = _blocks(T, B * weight.shape[0] * x.element_size(), reverse)
    output = x.new_empty(T, B, state.shape[-1]) if len(blocks) > 1 else None
    for block in blocks:
        piece = x[block]
        gates = rows_times(piece.reshape(-1, I), weight).view(*piece.shape[:2], len(weight))
        inputs = _inputs(gates, piece if residual else None, rest, state, block.start)
        whole, final, states = op.kernel("forward")(
            *inputs,
            kept is not None,
            None if output is None else output[block],
            kept is not None and _in_place(x),
        )
        if kept is not None:
            kept.append((block, gates, state, states))
        state = final
        output = whole if output is None else output
    assert output is not None  # there is at least one block
    return output, state


def _in_place(x: Tensor) -> bool:
    """Whether gates are kept after their sigmoid; 1 - f would lose its digits in 16 bits."""
    return x.dtype in (torch.float32, torch.float64)


class _Blocked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, op: Op, x: Tensor, weight: Tensor, residual: bool, *rest: Any) -> Any:
        kept: list[tuple] = []
        outputs = _forward(op, x, weight, residual, rest, kept)
        ctx.op, ctx.residual, ctx.flags = op, residual, rest[FIRST_FLAG - 2 :]
        ctx.blocks = [k[0] for k in kept]
        ctx.save_for_backward(
            x, weight, *rest[: FIRST_FLAG - 2], *(t for _, *tensors in kept for t in tensors)
        )
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *output_grads: Tensor) -> Any:  # pyright: ignore
        x, weight, *saved = ctx.saved_tensors
        n = FIRST_FLAG - 2
        rest, kept = (*saved[:n], *ctx.flags), saved[n:]
        need_x, need_weight = ctx.needs_input_grad[1], ctx.needs_input_grad[2]
        weight_t = weight.t().contiguous()
        d_x = torch.empty_like(x)
        d_weight = torch.zeros_like(weight, dtype=_native.state_dtype(weight.dtype))
        sums: list[Tensor] | None = None
        grad, carry = output_grads[0].contiguous(), output_grads[1]
        scratch = torch.empty_like(max(kept[::3], key=len))
        for i in reversed(range(len(ctx.blocks))):
            block, (gates, state, states) = ctx.blocks[i], kept[3 * i : 3 * i + 3]
            piece, d_piece = x[block], d_x[block]
            inputs = _inputs(gates, piece if ctx.residual else None, rest, state, block.start)
            d_gates, _, *d_vectors, carry = ctx.op.kernel("backward")(
                *inputs, states, grad[block], carry,
                scratch[: len(piece)], d_piece if ctx.residual else None, _in_place(x),
            )  # fmt: skip
            rows = d_gates.view(-1, d_gates.shape[-1])
            if need_x:
                product = rows_times(rows, weight_t).view_as(piece)
                d_piece.add_(product) if ctx.residual else d_piece.copy_(product)
            if need_weight:
                add_outer(d_weight, rows, piece.reshape(-1, x.shape[-1]))
            sums = [a + b for a, b in zip(sums, d_vectors, strict=True)] if sums else d_vectors
        nothing = (None,) * (1 + len(ctx.flags))  # lengths and the flags; the mask has none either
        d_weight = d_weight.to(weight.dtype) if need_weight else None
        return None, d_x if need_x else None, d_weight, None, *(sums or []), carry, None, *nothing
