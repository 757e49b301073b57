"""Memory for large arrays, used again by the next step.

malloc gives tens of megabytes back to the system as soon as they are free, and the next step pays
for every page anew: the system clears them, which takes several times as long as the kernels that
fill them. So large arrays are lent from here, and come back when the last tensor on them is gone.
"""

import contextlib
import weakref

import numpy as np
import torch
from torch import Tensor

from swiftrnn.ops import _native

SMALLEST = 1 << 20  # bytes; malloc keeps what is smaller
SLACK = 1.25  # a loan is at most so much larger than what was asked for
MOST = 1 << 30  # bytes that may lie free, unless `keep` says otherwise
LINE = 64  # bytes of a cache line, where every array starts


class _Memory:
    """A run of bytes that starts at a cache line."""

    def __init__(self, size: int) -> None:
        whole = np.empty(size + LINE, np.uint8)
        start = -whole.ctypes.data % LINE
        self.size, self.bytes = size, whole[start : start + size]


class _Loan(np.ndarray):
    """An array on lent memory: its end is the end of the loan."""


_free: list[_Memory] = []  # changed by single methods of list only, so by any thread
_most = MOST


def empty(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """A CPU tensor with any content, on memory that came back where some fits."""
    size = torch.Size(shape).numel() * dtype.itemsize
    if size < SMALLEST:
        return torch.empty(shape, dtype=dtype, device=_native.CPU)
    memory = _take(size)
    loan = memory.bytes[:size].view(_Loan)
    weakref.finalize(loan, _take_back, memory).atexit = False
    return torch.from_numpy(loan).view(dtype).view(shape)


def _take(size: int) -> _Memory:
    fitting = [m for m in reversed(list(_free)) if size <= m.size <= SLACK * size]
    for memory in sorted(fitting, key=lambda m: m.size):  # of one size the last: it may be cached
        try:
            _free.remove(memory)
        except ValueError:  # another thread was faster
            continue
        return memory
    return _Memory(size)


def _take_back(memory: _Memory) -> None:
    _free.append(memory)
    _bound()


def _bound() -> None:
    """What came back first is given to the system first."""
    while sum(m.size for m in list(_free)) > _most:
        with contextlib.suppress(IndexError):  # another thread took the last one
            _free.pop(0)


def release() -> None:
    """Give memory that is kept for the next training step, and not in use now, back to the system.

    Layers on the CPU keep their large arrays from step to step, up to 1 GiB that lies free; after
    training, or before something else needs the memory, this frees them.

    Examples:
        >>> from swiftrnn import ops
        >>> ops.release_memory()
    """
    _free.clear()


def keep(bytes: int = MOST) -> None:
    """Set how much memory may lie free for the next training step.

    More than 1 GiB pays where one step needs more (large batches, many layers, several models in
    turn); 0 gives all of it back to the system at once, as malloc does.

    Args:
        bytes: 0 or more.

    Raises:
        ValueError: it is negative.

    Examples:
        >>> from swiftrnn import ops
        >>> ops.keep_memory(256 << 20)  # on a small machine
        >>> ops.keep_memory()  # 1 GiB again
    """
    global _most
    if bytes < 0:
        raise ValueError(f"keep_memory needs 0 bytes or more; got {bytes}; give 0 to keep nothing")
    _most = bytes
    _bound()
