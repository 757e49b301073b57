"""The matrix products of a layer, each through the library that is fastest at it on a CPU.

Measured (benchmarks/README.md): oneDNN for all three, in blocks of rows whose operands and result
stay in cache: it has no operator with a given output, and a fresh large tensor costs more than the
work of filling it. float64, which oneDNN does not know, bfloat16's gradient of the weight, whose
sums are kept in float32, and products of few rows go through torch's default.
"""

from typing import Any

import torch
from torch import Tensor, nn

from swiftrnn.ops import _pool
from swiftrnn.ops._op import transformed
from swiftrnn.ops._transpose import transposed

BLOCK_BYTES = 6 << 20  # the result of one block of rows
OUTER_BYTES = 4 << 20  # both factors of one product of the weight gradient; oneDNN copies them
FEW_ROWS = 64  # below, oneDNN's overhead of 10 to 20 microseconds shows


def _onednn(dtype: torch.dtype, rows: int) -> bool:
    return rows >= FEW_ROWS and dtype != torch.float64 and torch.backends.mkldnn.is_available()


def packed(weight: Tensor, rows: int, blocks: int) -> Tensor:
    """The weight (G, I) in the layout in which `rows_times` is fastest, for several calls."""
    if not _onednn(weight.dtype, rows):
        return weight  # the other library reads it either way round
    if blocks > 1:
        return torch.ops.mkldnn._reorder_linear_weight(weight, rows)
    return weight.contiguous()


def rows_times(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """(R, I), a weight (G, I) that may be packed and a bias (G) to (R, G): x @ weight.T + bias."""
    if _onednn(x.dtype, len(x)) or weight.is_mkldnn:
        return onednn(x, weight, bias)
    return nn.functional.linear(x, weight, bias)


def onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As `rows_times`, always through oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def zeros_for_outer(weight: Tensor, rows: int) -> Tensor:
    """The sum (G, I) of the gradients of a weight before any, laid out as `add_outer` likes it."""
    G, I = weight.shape
    dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
    if I < G and _outer_by_onednn(weight.dtype, rows):
        return weight.new_zeros(I, G, dtype=dtype).t()
    return weight.new_zeros(G, I, dtype=dtype)


def add_outer(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total (G, I) += left.T (G, R) @ right (R, I); a float32 total beside bfloat16 rows."""
    if _outer_by_onednn(left.dtype, len(left)):
        if right.shape[1] < left.shape[1]:  # the smaller factor is the one to transpose
            total, left, right = total.t(), right, left
        rows = max(
            FEW_ROWS, OUTER_BYTES // ((left.shape[1] + right.shape[1]) * left.element_size())
        )
        for a, b in zip(left.split(rows), right.split(rows), strict=True):
            total.add_(onednn(transposed(a), b.t()))
    elif total.dtype == left.dtype:
        total.addmm_(left.t(), right)
    else:
        total.add_(left.t() @ right)


def _outer_by_onednn(dtype: torch.dtype, rows: int) -> bool:
    return dtype == torch.float32 and _onednn(dtype, rows // 4)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """As `nn.functional.linear` (its float32 products on a CPU take torch's default library)."""
    if x.dtype == torch.float32 and plain(x) and _onednn(x.dtype, x.numel() // x.shape[-1]):
        return _Linear.apply(x, weight, bias)  # pyright: ignore
    return nn.functional.linear(x, weight, bias)


def plain(x: Tensor) -> bool:
    """Whether x is a plain tensor on a CPU, outside of any tracing."""
    return (
        type(x) in (Tensor, nn.Parameter)
        and x.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not transformed()
    )


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Any number of rows, in blocks."""
    blocks = x.split(max(FEW_ROWS, BLOCK_BYTES // (len(weight) * x.element_size())))
    weight = packed(weight, len(blocks[0]), len(blocks))
    if len(blocks) == 1:
        return rows_times(x, weight, bias)
    output = _pool.empty((len(x), weight.shape[0]), x.dtype)
    for piece, target in zip(blocks, output.split(len(blocks[0])), strict=True):
        target.copy_(rows_times(piece, weight, bias))
    return output


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        rows = x.reshape(-1, x.shape[-1])
        return _product(rows, weight, bias).view(*x.shape[:-1], len(weight))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:  # pyright: ignore
        x, weight = ctx.saved_tensors
        rows, grad = x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1])
        need_x, need_weight, need_bias = ctx.needs_input_grad
        d_weight = zeros_for_outer(weight, len(rows))
        if need_weight:
            add_outer(d_weight, grad, rows)
        return (
            _product(grad, weight.t(), None).view_as(x) if need_x else None,
            d_weight.contiguous() if need_weight else None,
            grad.sum(0) if need_bias else None,
        )
