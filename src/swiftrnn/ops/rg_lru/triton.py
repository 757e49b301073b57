"""Triton kernels of `rg_lru`; see `cpu.c` for the equations. Backward computes gates again."""

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
    room_for_sums,
    start_of,
    stretch,
    stretches_of,
    walk,
)


@triton.jit
def _less_one(x):
    """e^x - 1 for x <= 0, with the digits of small x."""
    p = tl.full(x.shape, 1.0, x.dtype)
    for k in tl.static_range(9):
        p = 1 + x * p * (1 / (10 - k))
    return tl.where(x > -0.1, x * p, tl.exp(x) - 1)


@triton.jit
def _gates(gates, bias, rate, at, h, here, inside, H, real: tl.constexpr):
    """r, i, log a over r, a, the root of 1 - a^2 and its slope over log a."""
    r = tl.load(gates + at, mask=here, other=0.0).to(real)
    i = tl.load(gates + at + H, mask=here, other=0.0).to(real)
    r = tl.sigmoid(r + tl.load(bias + h, mask=inside, other=0.0))
    i = tl.sigmoid(i + tl.load(bias + H + h, mask=inside, other=0.0))
    k = tl.load(rate + h, mask=inside, other=0.0)
    a, z = tl.exp(k * r), -_less_one(2 * k * r)
    s = tl.sqrt(z)
    root = tl.where(s > 0.0005, 0.5 / tl.maximum(s, 0.0005), 1000.0)  # STEEPEST of reference.py
    return r, i, k, a, s, -2 * a * a * root


@triton.jit(do_not_specialize=["L", "T", "B"])
def _forward(
    state, end, products, gates, skip, bias, rate, lengths, reset, output, states, L, T, B, H,
    SUMMARY: tl.constexpr, KEEP: tl.constexpr, FALLING: tl.constexpr, LENGTHS: tl.constexpr,
    RESET: tl.constexpr, BLOCK: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    first, steps = stretch(L, T)
    N = B.to(tl.int64) * H
    c = start_of(state, column, N, inside, SUMMARY)
    product = tl.zeros_like(c) + 1
    row, last = first_row(b, first, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in tl.range(steps, num_stages=AHEAD):
        here = inside & ((T - 1 - first - step if FALLING else first + step) <= last)
        _, i, _, a, s, _ = _gates(gates, bias, rate, row * 2 * H + h, h, here, inside, H, c.dtype)
        x = tl.load(skip + row * H + h, mask=here, other=0.0).to(c.dtype)
        new = a * before_or_nothing(c, reset, row, RESET) + s * i * x
        c = tl.where(here, new, c)
        if SUMMARY:
            product = tl.where(here, a * before_or_nothing(product, reset, row, RESET), product)
        else:
            tl.store(output + row * H + h, tl.where(here, new, 0.0), mask=inside)
            if KEEP:
                tl.store(states + row * H + h, c, mask=inside)
        row += -B if FALLING else B
    finish(c, product, end, products, column, N, inside, SUMMARY)


@triton.jit(do_not_specialize=["L", "T", "B"])
def _backward(
    state, end, products, gates, skip, bias, rate, initial, lengths, reset, states, grad, d_gates,
    d_skip, sums, L, T, B, H, SUMMARY: tl.constexpr, FALLING: tl.constexpr, LENGTHS: tl.constexpr,
    RESET: tl.constexpr, BLOCK: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    first, steps = stretch(L, T)
    N = B.to(tl.int64) * H
    q = start_of(state, column, N, inside, SUMMARY)
    product = tl.zeros_like(q) + 1
    start = tl.load(initial + column, mask=inside, other=0.0)
    sum_r, sum_i, sum_rate = tl.zeros_like(q), tl.zeros_like(q), tl.zeros_like(q)
    row, last = first_row(b, first, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in tl.range(steps, num_stages=AHEAD):
        here = inside & ((T - 1 - first - step if FALLING else first + step) <= last)
        at = row * 2 * H + h
        r, i, k, a, s, slope = _gates(gates, bias, rate, at, h, here, inside, H, q.dtype)
        earlier = (row - B if FALLING else row + B) * H + h
        before = tl.load(states + earlier, mask=here & (first + step < T - 1), other=0.0)
        before = before_or_nothing(tl.where(first + step < T - 1, before, start), reset, row, RESET)
        x = tl.load(skip + row * H + h, mask=here, other=0.0).to(q.dtype)
        dc = tl.load(grad + row * H + h, mask=here, other=0.0).to(q.dtype) + q
        d_log_a = tl.where(here, dc * (a * before + slope * i * x), 0.0)
        dr = d_log_a * k * r * (1 - r)
        di = tl.where(here, dc * s * x * i * (1 - i), 0.0)
        if SUMMARY:
            product = tl.where(here, before_or_nothing(product * a, reset, row, RESET), product)
        else:
            tl.store(d_gates + at, dr, mask=inside)
            tl.store(d_gates + at + H, di, mask=inside)
            tl.store(d_skip + row * H + h, tl.where(here, dc * s * i, 0.0), mask=inside)
            sum_r += dr
            sum_i += di
            sum_rate += d_log_a * r
        q = tl.where(here, before_or_nothing(dc * a, reset, row, RESET), q)
        row += -B if FALLING else B
    finish(q, product, end, products, column, N, inside, SUMMARY)
    if not SUMMARY:
        at, of_gate = sums + tl.program_id(1).to(tl.int64) * N + column, N * tl.num_programs(1)
        tl.store(at, sum_r, mask=inside)
        tl.store(at + of_gate, sum_i, mask=inside)
        tl.store(at + 2 * of_gate, sum_rate, mask=inside)


def forward(
    gates: Tensor,
    skip: Tensor,
    bias: Tensor,
    rate: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`: output, final and, to keep, the states (T, B, H)."""
    T, B, H = skip.shape
    output, states = torch.empty_like(skip), initial.new_empty(skip.shape if keep else 0)
    final = walk(
        _forward, (T, B, H), initial, gates, skip, bias, rate, lengths, reset, output, states,
        stretches=stretches_of((T, B, H), skip.device), KEEP=keep, FALLING=reverse,
        LENGTHS=lengths is not None, RESET=reset is not None,
    )  # fmt: skip
    return output, final, states


def backward(
    gates: Tensor,
    skip: Tensor,
    bias: Tensor,
    rate: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
    states: Tensor,
    grad: Tensor,
    grad_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of gates, skip, bias, rate and initial."""
    d_gates, d_skip, (T, B, H) = torch.empty_like(gates), torch.empty_like(skip), skip.shape
    stretches = stretches_of((T, B, H), skip.device)
    sums = room_for_sums(initial, 3, (T, B, H), stretches)  # over time, of bias and rate
    d_initial = walk(
        _backward, (T, B, H), grad_final, gates, skip, bias, rate, initial, lengths, reset, states,
        grad, d_gates, d_skip, sums, stretches=stretches, FALLING=not reverse,
        LENGTHS=lengths is not None, RESET=reset is not None,
    )  # fmt: skip
    found = sums.sum((1, 2))
    return d_gates, d_skip, found[:2].flatten(), found[2], d_initial
