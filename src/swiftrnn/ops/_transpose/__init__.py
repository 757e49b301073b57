"""A matrix turned round in memory: torch's own way reads it against the grain, one by one."""

from torch import Tensor

from swiftrnn.ops import _native, _pool

_transpose = _native.Kernel("transpose", "pp" + "iii" + "i")


def transposed(x: Tensor) -> Tensor:
    """(R, C) on the CPU to a dense (C, R) of the same dtype and content."""
    R, C = x.shape
    if _native.library() is None or x.dtype not in _native.DTYPES or x.stride(1) != 1:
        return x.t().contiguous()
    output = _pool.empty((C, R), x.dtype)
    _transpose(x.dtype, x, output, R, C, x.stride(0), _native.threads(R * C))
    return output
