"""Triton kernels of `linear_scan`; see `cpu.c` for the equations."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from swiftrnn.ops._triton import before_or_nothing, first_row, last_of, launch, place


@triton.jit(do_not_specialize=["T", "B"])
def _forward(
    decay, input, initial, lengths, reset, output, final, T, B, H,
    FALLING: tl.constexpr, LENGTHS: tl.constexpr, RESET: tl.constexpr, BLOCK: tl.constexpr,
    AHEAD: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    state = tl.load(initial + column, mask=inside, other=0.0)
    row, last = first_row(b, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in tl.range(T, num_stages=AHEAD):
        at = row * H + h
        here = inside & ((T - 1 - step if FALLING else step) <= last)
        a = tl.load(decay + at, mask=here, other=0.0).to(state.dtype)
        x = tl.load(input + at, mask=here, other=0.0).to(state.dtype)
        new = a * before_or_nothing(state, reset, row, RESET) + x
        tl.store(output + at, tl.where(here, new, 0.0), mask=inside)
        state = tl.where(here, new, state)
        row += -B if FALLING else B
    tl.store(final + column, state, mask=inside)


@triton.jit(do_not_specialize=["T", "B"])
def _backward(
    decay, initial, lengths, reset, output, grad, d_decay, d_input, carry, T, B, H,
    FALLING: tl.constexpr, LENGTHS: tl.constexpr, RESET: tl.constexpr, BLOCK: tl.constexpr,
    AHEAD: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    q = tl.load(carry + column, mask=inside, other=0.0)
    start = tl.load(initial + column, mask=inside, other=0.0)
    row, last = first_row(b, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in tl.range(T, num_stages=AHEAD):
        at = row * H + h
        t = T - 1 - step if FALLING else step
        here = inside & (t <= last)
        begins = t == (0 if FALLING else last)  # FALLING is backward of the usual direction
        earlier = (row - B if FALLING else row + B) * H + h
        before = tl.load(output + earlier, mask=here & (begins == 0), other=0.0).to(q.dtype)
        before = before_or_nothing(tl.where(begins, start, before), reset, row, RESET)
        a = tl.load(decay + at, mask=here, other=0.0).to(q.dtype)
        g = tl.load(grad + at, mask=here, other=0.0).to(q.dtype) + q
        tl.store(d_input + at, tl.where(here, g, 0.0), mask=inside)
        tl.store(d_decay + at, tl.where(here, g * before, 0.0), mask=inside)
        q = tl.where(here, before_or_nothing(g * a, reset, row, RESET), q)
        row += -B if FALLING else B
    tl.store(carry + column, q, mask=inside)


def forward(
    decay: Tensor,
    input: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """See `Op`: output and final."""
    output, final = torch.empty_like(input), initial.clone()
    launch(
        _forward, tuple(input.shape), decay, input, initial, lengths, reset, output, final,
        FALLING=reverse, LENGTHS=lengths is not None, RESET=reset is not None,
    )  # fmt: skip
    return output, final


def backward(
    decay: Tensor,
    input: Tensor,  # noqa: ARG001
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
    output: Tensor,
    grad: Tensor,
    grad_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of decay, input and initial."""
    d_decay, d_input, carry = torch.empty_like(output), torch.empty_like(output), grad_final.clone()
    launch(
        _backward, tuple(output.shape), decay, initial, lengths, reset, output, grad, d_decay,
        d_input, carry, FALLING=not reverse, LENGTHS=lengths is not None, RESET=reset is not None,
    )  # fmt: skip
    return d_decay, d_input, carry
