"""What the Triton kernels share.

One program walks through time for a block of channels of one sequence, the state in registers; so
the number of programs is that of sequences times blocks. Where that is few and time is long, the
recurrences that are linear in their state are cut into stretches of time (`walk`). Rows are counted
in 64 bits. T and B are in no specialisation: a new length or batch compiles nothing. States, gates
and sums are in the dtype of the state, whatever that of the arrays.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64  # channels of a program
WIDE = 128  # of one where programs are many: fewer instructions for each channel
MANY = 8  # programs on a multiprocessor: with more there is enough to read at a time
SHORTEST = 64  # steps of a stretch: below, starting a program costs more than it walks
FEWEST = 4  # stretches: below, reading all twice costs more than is gained
RESIDENT = 16  # programs on a multiprocessor at a time


@triton.jit
def place(H, BLOCK: tl.constexpr):
    """The sequence of this program and its channels, which of them there are, and their column."""
    program = tl.program_id(0).to(tl.int64)
    blocks = tl.cdiv(H, BLOCK)
    b = program // blocks
    h = program % blocks * BLOCK + tl.arange(0, BLOCK)
    return b, h, h < H, b * H + h


@triton.jit
def first_row(b, first, T, B, FALLING: tl.constexpr):
    """The row, of T * B, where a walk from its step `first` on begins; the next one is B away."""
    if FALLING:
        first = T - 1 - first
    return B.to(tl.int64) * first + b


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
def stretch(L, T):
    """The first step of this program's stretch of time, in the order of the walk; and how many."""
    first = tl.program_id(1) * L
    return first, tl.minimum(L, T - first)


@triton.jit
def start_of(state, column, N, inside, SUMMARY: tl.constexpr):
    """What is carried into this program's stretch; a summary starts from nothing."""
    at = state + tl.program_id(1).to(tl.int64) * N + column
    return tl.load(at, mask=inside & (SUMMARY == 0), other=0.0)


@triton.jit
def finish(carried, product, end, products, column, N, inside, SUMMARY: tl.constexpr):
    """Store what leaves a stretch: of every one for a summary, else of the last."""
    k = tl.program_id(1)
    if SUMMARY:
        tl.store(end + k.to(tl.int64) * N + column, carried, mask=inside)
        tl.store(products + k.to(tl.int64) * N + column, product, mask=inside)
    else:
        tl.store(end + column, carried, mask=inside & (k == tl.num_programs(1) - 1))


@triton.jit(do_not_specialize=["K", "N"])
def _pass_on(state, end, products, K, N, BLOCK: tl.constexpr):
    """From what leaves stretches that start from nothing, (K, N), to what each is to start from.

    In place; `state` (N) is what the first one starts from.
    """
    column = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = column < N
    carried = tl.load(state + column, mask=inside, other=0.0)
    for _ in range(K):
        added = tl.load(end + column, mask=inside, other=0.0)
        tl.store(end + column, carried, mask=inside)
        carried = added + tl.load(products + column, mask=inside, other=0.0) * carried
        column += N


@triton.jit
def hyperbolic_tangent(x):
    """With an absolute error of a unit in the last place of 1."""
    shrunk = tl.exp(-2 * tl.abs(x))
    size = (1 - shrunk) / (1 + shrunk)
    return tl.where(x < 0, -size, size)


def walk(
    kernel: Any,
    shape: tuple[int, int, int],
    state: Tensor,
    *arguments: Any,
    stretches: int,
    **constants: Any,
) -> Tensor:
    """Run a recurrence that is linear in what it carries; give what it carries at the end.

    Where time is cut into stretches, the kernel runs twice: first for what leaves each stretch if
    nothing is carried into it, and the product of its decays; from these follows what is carried
    into each. The stretches of a run do not wait for one another.

    Args:
        kernel: takes `state, end, products, *arguments, L, T, B, H` and constants with SUMMARY.
        shape: (T, B, H).
        state: (B, H), what is carried into the first step.
        arguments: the kernel's own, an array of the large dtype first.
        stretches: how many, of `stretches_of`.
        constants: of the kernel.

    Source: Blelloch (1990), "Prefix sums and their applications", section 1.4.
    """
    T, B, H = shape
    if T * B * H == 0:
        return state.clone()
    end, products, L = torch.empty_like(state), state, -(-T // stretches)
    if stretches > 1:
        first, state = state, state.new_empty(stretches, B, H)
        products = torch.empty_like(state)
        launch(
            kernel, shape, first, state, products, *arguments, L, stretches=stretches,
            SUMMARY=True, **constants,
        )  # fmt: skip
        N = B * H
        with on(state.device):
            grid = (triton.cdiv(N, BLOCK),)
            _pass_on[grid](first, state, products, stretches, N, BLOCK=BLOCK)
    launch(
        kernel, shape, state, end, products, *arguments, L, stretches=stretches,
        SUMMARY=False, **constants,
    )  # fmt: skip
    return end


def empty_or(given: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Room for what a kernel over `shape` makes of a tensor: that tensor where it has no step."""
    return torch.empty_like(given) if shape[0] else given.clone()


def room_for_sums(like: Tensor, count: int, shape: tuple[int, int, int], *more: int) -> Tensor:
    """Room (count, *more, B, H) for sums over time that a kernel writes; 0 where it has no step."""
    make = like.new_empty if shape[0] else like.new_zeros
    return make(count, *more, *shape[1:])


def stretches_of(shape: tuple[int, int, int], device: torch.device) -> int:
    """Into how many stretches of time a linear recurrence is cut: as many as run at a time.

    1 where sequences and channels fill the GPU, and where time is short.
    """
    if device.type != "cuda":
        return 1
    T, B, H = shape
    return fitting(T, B * triton.cdiv(H, BLOCK), multiprocessors(device) * RESIDENT)


@cache
def multiprocessors(device: torch.device) -> int:
    """How many the GPU has."""
    return torch.cuda.get_device_properties(device).multi_processor_count


def fitting(T: int, programs: int, room: int) -> int:
    """Stretches of T steps, where `room` programs run at a time and each stretch is so many.

    None is empty: the last one has what the others leave.
    """
    count = min(room // max(programs, 1), T // SHORTEST)
    if count < FEWEST:
        return 1
    return -(-T // -(-T // count))


def launch(
    kernel: Any, shape: tuple[int, int, int], *arguments: Any, stretches: int = 1, **constants: Any
) -> None:
    """Run a kernel over (T, B, H); nothing where there is nothing to do."""
    T, B, H = shape
    if T * B * H == 0:
        return
    device = arguments[0].device
    dtype = arguments[3 if "SUMMARY" in constants else 0].dtype
    pointers = [a.view(torch.uint8) if _is_bool(a) else a for a in arguments]
    constants |= {"BLOCK": BLOCK, "AHEAD": 1}
    if device.type == "cuda":  # else the interpreter
        many = B * triton.cdiv(H, BLOCK) > MANY * multiprocessors(device)
        constants |= reading(dtype, torch.version.hip is not None, many)
    with on(device):
        grid = B * triton.cdiv(H, constants["BLOCK"]), stretches
        kernel[grid](*pointers, T, B, H, **constants)


def on(device: torch.device) -> AbstractContextManager[Any]:
    """A context where kernels start on that device; nothing where they do already."""
    if device.type != "cuda" or device.index == torch.cuda.current_device():
        return nullcontext()
    return torch.cuda.device(device)


def reading(dtype: torch.dtype, amd: bool, many: bool) -> dict[str, int]:
    """Channels and warps of a program, and the steps it reads ahead of the one it computes.

    What comes after a step is on its way while the step is computed: else every step waits for
    memory. A thread copies no less than 4 bytes that way, so two channels of 2 bytes. Nothing is
    read ahead on AMD, where that spills registers; nor a seventh step of 8-byte numbers, nor, of
    many channels, a fourth of 4-byte ones.

    Args:
        dtype: of the large arrays.
        amd: whether the GPU is of AMD.
        many: whether programs of `BLOCK` channels are more than `MANY` a multiprocessor.
    """
    if amd:
        return {"num_warps": 1, "AHEAD": 1, "BLOCK": BLOCK}
    if dtype.itemsize == 8:
        return {"num_warps": 2, "AHEAD": 6, "BLOCK": BLOCK}
    if many:
        return {"num_warps": 1, "AHEAD": 3 if dtype.itemsize == 4 else 4, "BLOCK": WIDE}
    return {"num_warps": 1, "AHEAD": 7 if dtype.itemsize == 4 else 4, "BLOCK": BLOCK}


def _is_bool(x: object) -> bool:
    return isinstance(x, Tensor) and x.dtype == torch.bool
