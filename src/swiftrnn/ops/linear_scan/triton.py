"""Triton kernels of `linear_scan`; see `cpu.c` for the equations."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from swiftrnn.ops._triton import (
    before_or_nothing,
    finish,
    first_row,
    last_of,
    place,
    start_of,
    stretch,
    stretches_of,
    walk,
)


@triton.jit(do_not_specialize=["L", "T", "B"])
def _forward(
    state, end, products, decay, input, lengths, reset, output, L, T, B, H,
    SUMMARY: tl.constexpr, FALLING: tl.constexpr, LENGTHS: tl.constexpr, RESET: tl.constexpr,
    BLOCK: tl.constexpr,
    AHEAD: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    first, steps = stretch(L, T)
    N = B.to(tl.int64) * H
    h_before = start_of(state, column, N, inside, SUMMARY)
    product = tl.zeros_like(h_before) + 1
    row, last = first_row(b, first, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in tl.range(steps, num_stages=AHEAD):
        at = row * H + h
        here = inside & ((T - 1 - first - step if FALLING else first + step) <= last)
        a = tl.load(decay + at, mask=here, other=0.0).to(product.dtype)
        x = tl.load(input + at, mask=here, other=0.0).to(product.dtype)
        new = a * before_or_nothing(h_before, reset, row, RESET) + x
        if SUMMARY:
            product = tl.where(here, a * before_or_nothing(product, reset, row, RESET), product)
        else:
            tl.store(output + at, tl.where(here, new, 0.0), mask=inside)
        h_before = tl.where(here, new, h_before)
        row += -B if FALLING else B
    finish(h_before, product, end, products, column, N, inside, SUMMARY)


@triton.jit(do_not_specialize=["L", "T", "B"])
def _backward(
    state, end, products, decay, initial, lengths, reset, output, grad, d_decay, d_input,
    L, T, B, H, SUMMARY: tl.constexpr, FALLING: tl.constexpr, LENGTHS: tl.constexpr,
    RESET: tl.constexpr, BLOCK: tl.constexpr,
    AHEAD: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    first, steps = stretch(L, T)
    N = B.to(tl.int64) * H
    q = start_of(state, column, N, inside, SUMMARY)
    product = tl.zeros_like(q) + 1
    start = tl.load(initial + column, mask=inside, other=0.0)
    row, last = first_row(b, first, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in tl.range(steps, num_stages=AHEAD):
        at = row * H + h
        t = T - 1 - first - step if FALLING else first + step
        here = inside & (t <= last)
        begins = t == (0 if FALLING else last)  # FALLING is backward of the usual direction
        earlier = (row - B if FALLING else row + B) * H + h
        before = tl.load(output + earlier, mask=here & (begins == 0), other=0.0).to(q.dtype)
        before = before_or_nothing(tl.where(begins, start, before), reset, row, RESET)
        a = tl.load(decay + at, mask=here, other=0.0).to(q.dtype)
        g = tl.load(grad + at, mask=here, other=0.0).to(q.dtype) + q
        if SUMMARY:
            product = tl.where(here, before_or_nothing(product * a, reset, row, RESET), product)
        else:
            tl.store(d_input + at, tl.where(here, g, 0.0), mask=inside)
            tl.store(d_decay + at, tl.where(here, g * before, 0.0), mask=inside)
        q = tl.where(here, before_or_nothing(g * a, reset, row, RESET), q)
        row += -B if FALLING else B
    finish(q, product, end, products, column, N, inside, SUMMARY)


def forward(
    decay: Tensor,
    input: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """See `Op`: output and final."""
    T, B, H = input.shape
    output = torch.empty_like(input)
    final = walk(
        _forward, (T, B, H), initial, decay, input, lengths, reset, output,
        stretches=stretches_of((T, B, H), input.device),
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
    T, B, H = output.shape
    d_decay, d_input = torch.empty_like(output), torch.empty_like(output)
    d_initial = walk(
        _backward, (T, B, H), grad_final, decay, initial, lengths, reset, output, grad, d_decay,
        d_input, stretches=stretches_of((T, B, H), output.device),
        FALLING=not reverse, LENGTHS=lengths is not None, RESET=reset is not None,
    )  # fmt: skip
    return d_decay, d_input, d_initial
