"""The matrix products of a layer, each through the library that is fastest at it on a CPU.

Measured (benchmarks/README.md): oneDNN for the forward product and the gradient of the input,
torch's default for the gradient of the weight. oneDNN has no operator with a given output, so
callers go through time in blocks, whose products are small enough for the allocator to give the
same memory again; a fresh large tensor costs more than the work of filling it.
"""

import torch
from torch import Tensor

BLOCK_BYTES = 12 << 20  # gates of one block of time: they stay in the shared cache


def _onednn(x: Tensor) -> bool:
    return x.numel() > 0 and x.dtype != torch.float64 and torch.backends.mkldnn.is_available()


def rows_times(x: Tensor, weight: Tensor) -> Tensor:
    """(R, I) and weight (G, I) to (R, G): x @ weight.T."""
    if _onednn(x):
        return torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return torch.mm(x, weight.t())


def add_outer(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total (G, I) += left.T (G, R) @ right (R, I); a float32 total beside bfloat16 rows."""
    if total.dtype == left.dtype:
        total.addmm_(left.t(), right)
    else:
        total.add_(left.t() @ right)
