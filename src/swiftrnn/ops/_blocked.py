"""A product and the recurrence over it, block after block of time: `op(x @ weight.T, ...)`.

The gates of a block are used while they are still in cache: what backward needs takes their place,
and without gradients their memory serves the next block. The gradient of the gates never exists as
a whole, it goes into the two other products block by block. Where our own product runs, the kernels
call it themselves, for runs of time so short that they stay in the caches of the cores. Where rows
are many, those of the weight are put in such an order that the gates of a chunk of channels
come to lie together, as the kernels like them.

In eager mode only: a graph (torch.compile, torch.export) gets the product and the op one after the
other. What happens on a GPU is in `_fused`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from swiftrnn.ops import _fused, _native, _pool
from swiftrnn.ops._matmul import Gates, Sink, can_multiply
from swiftrnn.ops._op import Op, needs_gradients
from swiftrnn.ops._plain import as_saved, dense, eager, kinds_of, plain
from swiftrnn.ops._product import (
    BLOCK_BYTES,
    PACKED_ROWS,
    add_outer,
    linear,
    times,
    write,
    zeros_for_outer,
)
from swiftrnn.ops._reference_grads import beside, kernels_can, of_project

Taps = tuple[int, ...]


def multiplies_alone(op: Op, x: Tensor) -> bool:
    """Whether the kernel multiplies x (T, B, I) by itself: then it sees nothing beyond lengths."""
    if not x.is_cpu or not eager() or (x.device.type, x.dtype) not in op.kernels:
        return False
    return x.shape[0] * x.shape[1] >= PACKED_ROWS and can_multiply(x.dtype)


def project(
    op: Op, x: Tensor, weight: Tensor, skip: Tensor | None, *rest: Any, taps: Taps = (0,)
) -> tuple[Tensor, Tensor]:
    """The op over the gates `x @ weight.T`, or over those of several rows of x side by side.

    Args:
        op: one whose inputs are (gates, [skip,] ..., lengths, reset, *flags), the last of which is
            `reverse`, and whose outputs are (output, final, states).
        x: (T + max(taps), B, I).
        weight: (G, I * taps).
        skip: the op's, (T, B, H), which may be x itself; None where the op has none.
        taps: the gates at t see x[t + tap] for each of these, in this order.
        rest: the op's other inputs, those after gates and skip.

    Returns:
        output (T, B, H) and final (B, H).
    """
    count = op.tensors - _before(op)
    if eager() and (x.device.type, x.dtype) in op.kernels and weight.dtype == x.dtype:
        residual = skip is x
        tensors = [x, weight, None if residual else skip, *rest[:count]]
        if plain(tensors) or plain(tensors := [None if t is None else dense(t) for t in tensors]):
            return _run(op, tensors, residual, taps, rest[count:])
    return _apart(op, x, weight, skip, taps, rest)


def _run(
    op: Op, tensors: list[Any], residual: bool, taps: Taps, flags: tuple[Any, ...]
) -> tuple[Tensor, Tensor]:
    """Product and op together, over dense tensors."""
    x, weight, own, *rest = tensors
    if needs_gradients(tensors):
        function = _Blocked if x.is_cpu else _fused.Fused
        return function.apply(op, x, weight, own, residual, taps, *rest, *flags)  # pyright: ignore
    forward = _forward if x.is_cpu else _fused.forward
    skip = x if residual else own
    return forward(op, x, weight, skip, taps, (*rest, *flags), False)[:2]  # pyright: ignore


def _apart(
    op: Op, x: Tensor, weight: Tensor, skip: Tensor | None, taps: Taps, rest: Sequence[Any]
) -> tuple[Tensor, Tensor]:
    """The product, then the op: for graphs, and for gradients of gradients."""
    gates = linear(beside(x, taps), weight, None)
    inputs = (gates, skip, *rest) if op.skips else (gates, *rest)
    return op.raw["call"](*inputs)


def _blocks(T: int, step_bytes: int, reverse: bool) -> list[slice]:
    """Runs of time in the order in which the recurrence goes through them."""
    size = max(1, BLOCK_BYTES // max(step_bytes, 1))
    blocks = [slice(t, min(t + size, T)) for t in range(0, max(T, 1), size)]
    return blocks[::-1] if reverse else blocks


def _longest(blocks: list[slice]) -> int:
    return max(b.stop - b.start for b in blocks)


def _rows(x: Tensor, block: slice, tap: int) -> Tensor:
    """The rows of x that the gates of a block see through a tap, as a matrix."""
    return x[block.start + tap : block.stop + tap].view(-1, x.shape[2])


def _in_chunks(weight: Tensor, H: int) -> Tensor:
    """The rows of a weight in the order in which the gates of a chunk come to lie together."""
    starts, gates = range(0, H, _native.CHUNK), range(0, len(weight), H)
    runs = [weight[gate + h : gate + min(h + _native.CHUNK, H)] for h in starts for gate in gates]
    return torch.cat(runs, out=_pool.empty(weight.shape, weight.dtype))


def _beside(sums: list[Tensor], dtype: torch.dtype) -> Tensor:
    """The gradient of a weight from those of its taps."""
    shape = len(sums[0]), sum(part.shape[1] for part in sums)
    return torch.cat(sums, 1, out=_pool.empty(shape, sums[0].dtype)).to(dtype)


def _before(op: Op) -> int:
    """How many inputs come before `rest`."""
    return 2 if op.skips else 1


def _lengths(op: Op, rest: Sequence[Any]) -> Tensor | None:
    return rest[op.tensors - 2 - _before(op)]


def _inputs(
    op: Op, gates: Tensor, skip: Tensor | None, rest: tuple, state: Tensor, start: int
) -> tuple:
    """The op's inputs for one block that starts at a time."""
    inputs, at = [gates, skip, *rest] if op.skips else [gates, *rest], op.tensors - 2
    inputs[op.state], lengths = state, _lengths(op, rest)
    if start and lengths is not None:
        inputs[at] = lengths - start
    for i in op.timed:
        if inputs[i] is not None and inputs[i].dim() > 1:
            inputs[i] = inputs[i][start:]
    return tuple(inputs)


def _forward(
    op: Op, x: Tensor, weight: Tensor, skip: Tensor | None, taps: Taps, rest: tuple, keep: bool
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None, bool]:
    """Output, final and, to keep, what replaces the gates for backward and the states.

    And whether what replaces the gates lies chunk by chunk.
    """
    T, B, G = len(x) - max(taps), x.shape[1], len(weight)
    state, reverse = rest[op.state - _before(op)], rest[-1]
    H, many = state.shape[-1], T * B >= PACKED_ROWS
    alone = many and can_multiply(x.dtype)  # the kernel multiplies
    chunked = many and H > _native.CHUNK and (keep or alone)
    weight = _in_chunks(weight, H) if chunked else weight
    output = _pool.empty((T, B, H), x.dtype)
    states = _pool.empty(output.shape, state.dtype) if keep else None

    def recur(block: slice, gates: Tensor, room: Tensor, source: Gates | None = None) -> Tensor:
        own = None if skip is None else skip[block]
        inputs = _inputs(op, gates.view(room.shape), own, rest, state, block.start)
        given = output[block], None if states is None else states[block]
        kept = room if keep else None
        return op.kernel("forward")(*inputs, keep, *given, kept, chunked, source)[1]

    if alone:
        source = Gates(x, weight, taps, _lengths(op, rest))
        kept = _pool.empty((T if keep else source.room, B, G), x.dtype)
        state = recur(slice(0, T), kept, kept, source)
        return output, state, kept if keep else None, states, chunked
    blocks = _blocks(T, B * G * x.element_size(), reverse)
    rows = B * _longest(blocks)
    products = [times(part, rows, len(blocks)) for part in weight.chunk(len(taps), 1)]
    kept = _pool.empty((T if keep else _longest(blocks), B, G), x.dtype)
    for block in blocks:
        room = kept[block] if keep else kept[: block.stop - block.start]
        gates = room.view(-1, G)
        for i, (tap, product) in enumerate(zip(taps, products, strict=True)):
            gates = product(_rows(x, block, tap), gates, i > 0)
        state = recur(block, gates, room)
    return output, state, kept if keep else None, states, chunked


class _Blocked(torch.autograd.Function):
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
        output, final, *kept, chunked = _forward(op, x, weight, skip, taps, rest, True)
        tensors = op.tensors - _before(op)
        ctx.op, ctx.residual, ctx.taps, ctx.flags = op, residual, taps, rest[tensors:]
        saved = *kept, x, weight, own, *rest[:tensors]
        ctx.chunked, ctx.kinds = chunked, kinds_of(saved)
        ctx.save_for_backward(*saved)
        return output, final

    @staticmethod
    def backward(ctx: Any, *output_grads: Tensor) -> Any:  # pyright: ignore
        op = ctx.op  # saved tensors are asked for once: checkpoints recompute them
        saved = as_saved(op.name, ctx.saved_tensors, ctx.kinds)
        if not kernels_can(output_grads):
            return of_project(ctx, (*saved[2:], *ctx.flags), output_grads)
        (T, B), x, own = saved[0].shape[:2], *saved[2:5:2]
        d_x = _pool.empty(x.shape, x.dtype)
        if len(ctx.taps) > 1 or _lengths(op, saved[5:]) is not None:
            d_x.zero_()
        d_skip = d_x if ctx.residual else None if own is None else _pool.empty(own.shape, x.dtype)
        grads = dense(output_grads[0]), dense(output_grads[1])
        alone = T * B >= PACKED_ROWS and can_multiply(x.dtype)  # the kernel multiplies
        multiply = _backward_alone if alone else _backward_in_blocks
        d_weight, *d_rest = multiply(ctx, saved, d_x, d_skip, *grads)
        nothing = (None,) * (op.tensors - len(op.differentiable) + len(ctx.flags))
        found = None, d_x, d_weight, d_skip, None, None, *d_rest, *nothing
        needs = ctx.needs_input_grad
        return tuple(g if need else None for g, need in zip(found, needs, strict=True))


def _backward_alone(
    ctx: Any, saved: Any, d_x: Tensor, d_skip: Tensor | None, grad: Tensor, carry: Tensor
) -> list[Tensor | None]:
    """Gradients of weight, vectors and first state; those of x and skip into d_x and d_skip.

    By the kernel alone.
    """
    kept, states, x, weight, own, *rest = saved
    op, sums_up, threads = (
        ctx.op,
        ctx.residual or len(ctx.taps) > 1,
        _native.threads(states.numel()),
    )
    need_x, need_weight = ctx.needs_input_grad[1:3]
    lengths = _lengths(op, rest)
    sink = Sink(
        x, d_x if need_x else None, weight, ctx.taps, threads, sums_up, need_weight, lengths
    )
    first = rest[op.state - _before(op)]
    inputs = _inputs(op, kept, x if ctx.residual else own, (*rest, *ctx.flags), first, 0)
    room = _pool.empty((sink.room, *kept.shape[1:]), x.dtype)
    into = room, *((d_skip,) * op.skips)
    _, *d_rest = op.kernel("backward")(*inputs, states, grad, carry, *into, True, ctx.chunked, sink)
    d_weight = _beside(sink.d_weight, weight.dtype) if need_weight else None
    return [d_weight, *d_rest[op.skips :]]  # the skip's went into d_skip


def _backward_in_blocks(
    ctx: Any, saved: Any, d_x: Tensor, d_skip: Tensor | None, grad: Tensor, carry: Tensor
) -> list[Tensor | None]:
    """The same: kernel and products by turns, block after block."""
    kept, states, x, weight, own, *rest = saved
    op, taps, (T, B, G), reverse = ctx.op, ctx.taps, kept.shape, ctx.flags[-1]
    need_x, need_weight = ctx.needs_input_grad[1:3]
    parts = weight.chunk(len(taps), 1)
    d_parts = [zeros_for_outer(part) for part in parts if need_weight]
    sums: list[Tensor] | None = None
    blocks = _blocks(T, B * G * x.element_size(), not reverse)
    scratch = _pool.empty((_longest(blocks), B, G), x.dtype)
    most = B * _longest(blocks)
    products = [times(part.t(), most, len(blocks)) for part in parts if need_x]
    skip = x if ctx.residual else own
    for block in blocks:
        earlier = block.stop if reverse else block.start - 1
        before = states[earlier] if 0 <= earlier < T else rest[op.state - _before(op)]
        here, d_here = (None if s is None else s[block] for s in (skip, d_skip))
        inputs = _inputs(op, kept[block], here, (*rest, *ctx.flags), before, block.start)
        into = scratch[: block.stop - block.start], *((d_here,) * op.skips)
        d_gates, *d_vectors, carry = op.kernel("backward")(
            *inputs, states[block], grad[block], carry, *into, True, ctx.chunked
        )
        d_vectors = d_vectors[op.skips :]  # the skip's went into d_skip
        rows = d_gates.view(-1, G)
        for tap, product in zip(taps, products, strict=False):
            write(product, rows, _rows(d_x, block, tap), ctx.residual or len(taps) > 1)
        for tap, d_part in zip(taps, d_parts, strict=False):
            add_outer(d_part, rows, _rows(x, block, tap))
        sums = [a + b for a, b in zip(sums, d_vectors, strict=True)] if sums else d_vectors
    d_weight = _beside(d_parts, weight.dtype) if need_weight else None
    return [d_weight, *(sums or []), carry]
