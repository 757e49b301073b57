"""Triton kernels of `gated_scan`; see `cpu.c` for the equations. Backward computes gates again."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from swiftrnn.ops._triton import (
    before_or_nothing,
    first_row,
    hyperbolic_tangent,
    last_of,
    launch,
    place,
)


@triton.jit
def _gates(
    gates, bias, at, h, here, inside, H, real: tl.constexpr,
    TANH: tl.constexpr, UPDATE: tl.constexpr, OUTPUT: tl.constexpr,
):  # fmt: skip
    """u, f and o of one step, from where its first gate stands."""
    first = tl.load(gates + at, mask=here, other=0.0).to(real)
    second = tl.load(gates + at + H, mask=here, other=0.0).to(real)
    first += tl.load(bias + h, mask=inside, other=0.0)
    second += tl.load(bias + H + h, mask=inside, other=0.0)
    u = second if UPDATE else first
    f = tl.sigmoid(-first) if UPDATE else tl.sigmoid(second)
    o = tl.full(f.shape, 1.0, real)
    if OUTPUT:
        third = tl.load(gates + at + 2 * H, mask=here, other=0.0).to(real)
        o = tl.sigmoid(third + tl.load(bias + 2 * H + h, mask=inside, other=0.0))
    return hyperbolic_tangent(u) if TANH else u, f, o


@triton.jit(do_not_specialize=["T", "B"])
def _forward(
    gates, bias, initial, lengths, reset, output, final, states, T, B, H,
    TANH: tl.constexpr, UPDATE: tl.constexpr, OUTPUT: tl.constexpr, KEEP: tl.constexpr,
    FALLING: tl.constexpr, LENGTHS: tl.constexpr, RESET: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    G = H * (3 if OUTPUT else 2)
    c = tl.load(initial + column, mask=inside, other=0.0)
    row, last = first_row(b, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in range(T):
        here = inside & ((T - 1 - step if FALLING else step) <= last)
        u, f, o = _gates(
            gates, bias, row * G + h, h, here, inside, H, c.dtype, TANH, UPDATE, OUTPUT
        )
        before = before_or_nothing(c, reset, row, RESET)
        new = u + f * (before - u)
        c = tl.where(here, new, c)
        tl.store(output + row * H + h, tl.where(here, o * new, 0.0), mask=inside)
        if KEEP:
            tl.store(states + row * H + h, c, mask=inside)
        row += -B if FALLING else B
    tl.store(final + column, c, mask=inside)


@triton.jit(do_not_specialize=["T", "B"])
def _backward(
    gates, bias, initial, lengths, reset, states, grad, d_gates, carry, sums, T, B, H,
    TANH: tl.constexpr, UPDATE: tl.constexpr, OUTPUT: tl.constexpr,
    FALLING: tl.constexpr, LENGTHS: tl.constexpr, RESET: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    G = H * (3 if OUTPUT else 2)
    N = B.to(tl.int64) * H
    q = tl.load(carry + column, mask=inside, other=0.0)
    start = tl.load(initial + column, mask=inside, other=0.0)
    sum_u, sum_f, sum_o = tl.zeros_like(q), tl.zeros_like(q), tl.zeros_like(q)
    row, last = first_row(b, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in range(T):
        here = inside & ((T - 1 - step if FALLING else step) <= last)
        u, f, o = _gates(
            gates, bias, row * G + h, h, here, inside, H, q.dtype, TANH, UPDATE, OUTPUT
        )
        earlier = (row - B if FALLING else row + B) * H + h
        before = tl.load(states + earlier, mask=here & (step < T - 1), other=0.0)
        before = before_or_nothing(tl.where(step < T - 1, before, start), reset, row, RESET)
        gh = tl.load(grad + row * H + h, mask=here, other=0.0).to(q.dtype)
        dc = gh * o + q
        du = dc * (1 - f) * (1 - u * u if TANH else 1.0)
        df = dc * (before - u) * f * (1 - f)
        df = -df if UPDATE else df
        du, df = tl.where(here, du, 0.0), tl.where(here, df, 0.0)
        at = d_gates + row * G + h
        tl.store(at + (H if UPDATE else 0), du, mask=inside)
        tl.store(at + (0 if UPDATE else H), df, mask=inside)
        sum_u += du
        sum_f += df
        if OUTPUT:
            do = tl.where(here, gh * (u + f * (before - u)) * o * (1 - o), 0.0)
            tl.store(at + 2 * H, do, mask=inside)
            sum_o += do
        q = tl.where(here, before_or_nothing(dc * f, reset, row, RESET), q)
        row += -B if FALLING else B
    tl.store(carry + column, q, mask=inside)
    tl.store(sums + column + (N if UPDATE else 0), sum_u, mask=inside)
    tl.store(sums + column + (0 if UPDATE else N), sum_f, mask=inside)
    if OUTPUT:
        tl.store(sums + column + 2 * N, sum_o, mask=inside)


def forward(
    gates: Tensor,
    bias: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    tanh: bool,
    update: bool,
    reverse: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`: output, final and, to keep, the states (T, B, H)."""
    (T, B, G), H = gates.shape, initial.shape[-1]
    output, final = gates.new_empty(T, B, H), initial.clone()
    states = initial.new_empty((T, B, H) if keep else 0)
    launch(
        _forward, (T, B, H), gates, bias, initial, lengths, reset, output, final, states,
        TANH=tanh, UPDATE=update, OUTPUT=G > 2 * H, KEEP=keep, FALLING=reverse,
        LENGTHS=lengths is not None, RESET=reset is not None,
    )  # fmt: skip
    return output, final, states


def backward(
    gates: Tensor,
    bias: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    tanh: bool,
    update: bool,
    reverse: bool,
    states: Tensor,
    grad: Tensor,
    grad_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of gates, bias and initial."""
    (T, B, G), H = gates.shape, initial.shape[-1]
    d_gates, carry = torch.empty_like(gates), grad_final.clone()
    sums = initial.new_zeros(G // max(H, 1), B, H)  # of bias, over time
    launch(
        _backward, (T, B, H), gates, bias, initial, lengths, reset, states, grad, d_gates, carry,
        sums, TANH=tanh, UPDATE=update, OUTPUT=G > 2 * H, FALLING=not reverse,
        LENGTHS=lengths is not None, RESET=reset is not None,
    )  # fmt: skip
    return d_gates, sums.sum(1).flatten(), carry
