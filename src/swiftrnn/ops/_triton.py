"""What the Triton kernels share.

One program walks through time for a block of channels of one sequence, the state in registers; so
the number of programs is that of sequences times blocks. Rows are counted in 64 bits. T and B are
in no specialisation: a new length or batch compiles nothing. States, gates and sums are in the
dtype of the state, whatever that of the arrays.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64  # channels of a program


@triton.jit
def place(H, BLOCK: tl.constexpr):
    """The sequence of this program and its channels, which of them there are, and their column."""
    program = tl.program_id(0).to(tl.int64)
    blocks = tl.cdiv(H, BLOCK)
    b = program // blocks
    h = program % blocks * BLOCK + tl.arange(0, BLOCK)
    return b, h, h < H, b * H + h


@triton.jit
def first_row(b, T, B, FALLING: tl.constexpr):
    """The row, of T * B, where a sequence's walk begins; the next one is B away."""
    row = b
    if FALLING:
        row += (T - 1).to(tl.int64) * B
    return row


@triton.jit
def last_of(lengths, b, T, LENGTHS: tl.constexpr):
    """The last step of a sequence, -1 if it has none."""
    last = (T - 1).to(tl.int64)
    if LENGTHS:
        last = tl.load(lengths + b) - 1
    return last


@triton.jit
def before_or_nothing(state, reset, row, RESET: tl.constexpr):
    """The state before a step, 0 where a sequence starts there."""
    if RESET:
        state = tl.where(tl.load(reset + row) != 0, 0.0, state)
    return state


@triton.jit
def hyperbolic_tangent(x):
    """With an absolute error of a unit in the last place of 1."""
    shrunk = tl.exp(-2 * tl.abs(x))
    size = (1 - shrunk) / (1 + shrunk)
    return tl.where(x < 0, -size, size)


def launch(kernel: Any, shape: tuple[int, int, int], *arguments: Any, **constants: Any) -> None:
    """Run a kernel over (T, B, H); nothing where there is nothing to do."""
    T, B, H = shape
    if T * B * H == 0:
        return
    device = arguments[0].device
    pointers = [a.view(torch.uint8) if _is_bool(a) else a for a in arguments]
    grid = (B * triton.cdiv(H, BLOCK),)
    if device.type != "cuda":  # the interpreter
        kernel[grid](*pointers, T, B, H, BLOCK=BLOCK, AHEAD=1, **constants)
        return
    constants |= reading(arguments[0].dtype, amd=torch.version.hip is not None)
    with torch.cuda.device(device):
        kernel[grid](*pointers, T, B, H, BLOCK=BLOCK, **constants)


def reading(dtype: torch.dtype, amd: bool) -> dict[str, int]:
    """Warps of a program, and the steps it reads ahead of the one it computes.

    What comes after a step is on its way while the step is computed: else every step waits for
    memory. A thread copies no less than 4 bytes that way, so two channels of 2 bytes. Nothing is
    read ahead on AMD, where that spills registers.
    """
    if amd:
        return {"num_warps": 1, "AHEAD": 1}
    return {"num_warps": 2, "AHEAD": 7} if dtype.itemsize >= 4 else {"num_warps": 1, "AHEAD": 4}


def _is_bool(x: object) -> bool:
    return isinstance(x, Tensor) and x.dtype == torch.bool
