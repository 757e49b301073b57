"""The matrix products of a layer, each by what is fastest at it on a CPU.

float32 and float64 on x86-64: our own kernel (`_matmul`), which needs no new memory and no
transposition. Else, and for the forward product of few rows, a library: oneDNN, whose weight may be
packed once for several blocks; and torch's default for the gradient of the weight, for products so
small that oneDNN's overhead of 10 to 20 microseconds shows, for what oneDNN does not know, and for
bfloat16, where the default is oneDNN too, but writes and adds where we say.
docs/benchmarks.md has the measurements.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.ops import _matmul, _pool
from swiftrnn.ops._op import needs_gradients
from swiftrnn.ops._plain import as_saved, dense, eager, kinds_of, plain
from swiftrnn.ops._reference_grads import kernels_can

BLOCK_BYTES = 6 << 20  # the result of one block of rows
FEW_ROWS = 64  # below, oneDNN's overhead shows
PACKED_ROWS = 512  # below, packing costs more than our kernel gains, if it has to transpose

Times = Callable[[Tensor, Tensor, bool], Tensor]


def times(weight: Tensor, rows: int, blocks: int) -> Times:
    """How to multiply rows by a weight (G, I), of which several blocks are to come.

    Args:
        weight: either way round in memory.
        rows: in the longest block.
        blocks: how many of them.

    Returns:
        A function of x (R, I), out (R, G) and add, which gives x @ weight.T, or out += that where
        add is true. What it gives is `out`, but where a library insists on memory of its own.
    """
    transposing = weight.stride(1) == 1
    if _matmul.can_multiply(weight.dtype) and rows * blocks >= (
        PACKED_ROWS if transposing else FEW_ROWS
    ):
        return _matmul.Packed(weight).times
    packed = for_onednn(weight, rows, blocks)

    def by_library(x: Tensor, out: Tensor, add: bool) -> Tensor:
        if _onednn(x.dtype, len(x)) or packed.is_mkldnn:
            return out.add_(onednn(x, packed)) if add else onednn(x, packed)
        return out.addmm_(x, packed.t()) if add else torch.mm(x, packed.t(), out=out)

    return by_library


def for_onednn(weight: Tensor, rows: int, blocks: int) -> Tensor:
    """The weight as oneDNN likes it, where it takes part."""
    if not _onednn(weight.dtype, rows):
        return weight  # the other library reads it either way round
    if blocks > 1:
        return torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    return weight.contiguous()


def _onednn(dtype: torch.dtype, rows: int) -> bool:
    return rows >= FEW_ROWS and dtype == torch.float32 and torch.backends.mkldnn.is_available()


def onednn(x: Tensor, weight: Tensor) -> Tensor:
    """x @ weight.T, with a weight that may be packed, always through oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")


def write(product: Times, x: Tensor, out: Tensor, add: bool) -> None:
    """As `product`, and what it gives lies in `out` in any case."""
    found = product(x, out, add)
    if found is not out:
        out.copy_(found)


def zeros_for_outer(weight: Tensor) -> Tensor:
    """The sum (G, I) of the gradients of a weight before any, laid out as `add_outer` likes it."""
    G, I = weight.shape
    dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
    if I < G and _matmul.can_multiply(weight.dtype):
        return _pool.empty((I, G), dtype).zero_().t()
    return _pool.empty((G, I), dtype).zero_()


def add_outer(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total (G, I) += left.T (G, R) @ right (R, I); a float32 total beside bfloat16 rows."""
    if _matmul.can_multiply(left.dtype):
        if total.stride(1) != 1:
            total, left, right = total.t(), right, left
        _matmul.add_outer(total, left, right)
    elif total.dtype == left.dtype:
        total.addmm_(left.t(), right)
    else:
        total.add_(left.t() @ right)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As `nn.functional.linear` (its float32 products on a CPU take torch's default library)."""
    if x.is_cpu and eager() and x.numel() // max(1, x.shape[-1]) >= 4 * FEW_ROWS:
        parts = [None if part is None else dense(part) for part in (x, weight, bias)]
        if plain(parts) and _fit(*parts):  # pyright: ignore
            return (_Linear.apply if needs_gradients(parts) else _linear)(*parts)  # pyright: ignore
    return nn.functional.linear(x, weight, bias)


def _fit(x: Tensor, weight: Tensor, bias: Tensor | None) -> bool:
    """Whether our kernel takes a product; torch, who gets it then, says what is wrong with it."""
    return (
        weight.shape == (weight.shape[0], x.shape[-1])
        and (bias is None or bias.shape == weight.shape[:1])
        and all(p is None or p.dtype == torch.float32 for p in (x, weight, bias))
    )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Any number of rows, in blocks."""
    output = _pool.empty((len(x), len(weight)), x.dtype)
    size = max(FEW_ROWS, BLOCK_BYTES // (len(weight) * x.element_size()))
    if bias is not None:
        output.copy_(bias)
    multiply = times(weight, min(size, len(x)), -(-len(x) // size))
    for piece, target in zip(x.split(size), output.split(size), strict=True):
        write(multiply, piece, target, bias is not None)
    return output


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    rows = x.view(-1, x.shape[-1])
    return _product(rows, weight, bias).view(*x.shape[:-1], len(weight))


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.kinds = kinds_of((x, weight))
        return _linear(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # pyright: ignore
        need_x, need_weight, need_bias = ctx.needs_input_grad
        if not kernels_can((grad,)):
            x, weight = ctx.saved_tensors
            rows, flat = x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1])
            return (
                grad @ weight if need_x else None,
                flat.t() @ rows if need_weight else None,
                flat.sum(0) if need_bias else None,
            )
        x, weight = as_saved("Linear", ctx.saved_tensors, ctx.kinds)
        rows, grad = x.view(-1, x.shape[-1]), dense(grad).view(-1, grad.shape[-1])
        d_weight = zeros_for_outer(weight)
        if need_weight:
            add_outer(d_weight, grad, rows)
        return (
            _product(grad, weight.t(), None).view_as(x) if need_x else None,
            d_weight.contiguous() if need_weight else None,
            grad.sum(0) if need_bias else None,
        )
