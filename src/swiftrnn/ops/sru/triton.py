"""Triton kernels of `sru`; see `cpu.c` for the equations. Backward computes f and r again."""

from struct import pack, unpack

import torch
import triton
import triton.language as tl
from torch import Tensor

from swiftrnn.ops._triton import (
    before_or_nothing,
    empty_or,
    first_row,
    hyperbolic_tangent,
    last_of,
    launch,
    place,
    room_for_sums,
)


@triton.jit
def _step(
    gates, skip, at, own, before, v_f, v_r, b_f, b_r, scale, here, H,
    SKIP: tl.constexpr, TANH: tl.constexpr,
):  # fmt: skip
    """u, f, r, c, g(c) and the skip of one step; `at`, `own`: where its gates and its skip stand.

    SKIP: 3 for a skip beside the gates, 4 for one that is a gate, 0 for none.
    """
    real: tl.constexpr = before.dtype
    u = tl.load(gates + at, mask=here, other=0.0).to(real)
    f = tl.load(gates + at + H, mask=here, other=0.0).to(real)
    r = tl.load(gates + at + 2 * H, mask=here, other=0.0).to(real)
    f, r = tl.sigmoid(f + v_f * before + b_f), tl.sigmoid(r + v_r * before + b_r)
    c = u + f * (before - u)
    s = tl.zeros_like(c)
    if SKIP == 3:
        s = tl.load(skip + own, mask=here, other=0.0).to(real) * scale
    if SKIP == 4:
        s = tl.load(gates + at + 3 * H, mask=here, other=0.0).to(real) * scale
    return u, f, r, c, hyperbolic_tangent(c) if TANH else c, s


@triton.jit
def _vectors(weight_c, bias, mask, h, inside, column, H, MASK: tl.constexpr):
    """v_f, v_r, b_f, b_r and the dropout mask of a program's channels."""
    v_f = tl.load(weight_c + h, mask=inside, other=0.0)
    v_r = tl.load(weight_c + H + h, mask=inside, other=0.0)
    b_f = tl.load(bias + h, mask=inside, other=0.0)
    b_r = tl.load(bias + H + h, mask=inside, other=0.0)
    m = tl.full(v_f.shape, 1.0, v_f.dtype)
    if MASK:
        m = tl.load(mask + column, mask=inside, other=0.0)
    return v_f, v_r, b_f, b_r, m


@triton.jit(do_not_specialize=["T", "B"])
def _forward(
    gates, skip, weight_c, bias, initial, mask, lengths, reset, output, final, states, scale, rest,
    T, B, H, SKIP: tl.constexpr, MASK: tl.constexpr, TANH: tl.constexpr, KEEP: tl.constexpr,
    FALLING: tl.constexpr, LENGTHS: tl.constexpr, RESET: tl.constexpr, BLOCK: tl.constexpr,
    AHEAD: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    G = H * (4 if SKIP == 4 else 3)
    v_f, v_r, b_f, b_r, m = _vectors(weight_c, bias, mask, h, inside, column, H, MASK)
    state = tl.load(initial + column, mask=inside, other=0.0)
    size = tl.zeros_like(state) + scale + rest
    row, last = first_row(b, 0, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in tl.range(T, num_stages=AHEAD):
        here = inside & ((T - 1 - step if FALLING else step) <= last)
        before = before_or_nothing(state, reset, row, RESET)
        _, _, r, c, g, s = _step(
            gates, skip, row * G + h, row * H + h, before, v_f, v_r, b_f, b_r, size, here, H,
            SKIP, TANH,
        )  # fmt: skip
        tl.store(output + row * H + h, tl.where(here, s + (g - s) * m * r, 0.0), mask=inside)
        state = tl.where(here, c, state)
        if KEEP:
            tl.store(states + row * H + h, state, mask=inside)
        row += -B if FALLING else B
    tl.store(final + column, state, mask=inside)


@triton.jit(do_not_specialize=["T", "B"])
def _backward(
    gates, skip, weight_c, bias, initial, mask, lengths, reset, states, grad, grad_final, d_gates,
    d_skip, d_initial, sums, scale, rest, T, B, H, SKIP: tl.constexpr, MASK: tl.constexpr,
    TANH: tl.constexpr, FALLING: tl.constexpr, LENGTHS: tl.constexpr, RESET: tl.constexpr,
    BLOCK: tl.constexpr, AHEAD: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    G = H * (4 if SKIP == 4 else 3)
    N = B.to(tl.int64) * H
    v_f, v_r, b_f, b_r, m = _vectors(weight_c, bias, mask, h, inside, column, H, MASK)
    q = tl.load(grad_final + column, mask=inside, other=0.0)
    start = tl.load(initial + column, mask=inside, other=0.0)
    none = tl.zeros_like(q)
    size = none + scale + rest
    sum_vf, sum_vr, sum_bf, sum_br = none, none, none, none
    row, last = first_row(b, 0, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in tl.range(T, num_stages=AHEAD):
        here = inside & ((T - 1 - step if FALLING else step) <= last)
        earlier = (row - B if FALLING else row + B) * H + h
        before = tl.load(states + earlier, mask=here & (step < T - 1), other=0.0)
        before = before_or_nothing(tl.where(step < T - 1, before, start), reset, row, RESET)
        u, f, r, _, g, s = _step(
            gates, skip, row * G + h, row * H + h, before, v_f, v_r, b_f, b_r, size, here, H,
            SKIP, TANH,
        )  # fmt: skip
        gh = tl.load(grad + row * H + h, mask=here, other=0.0).to(q.dtype)
        dr = tl.where(here, gh * (g - s) * m * r * (1 - r), 0.0)
        dc = gh * m * r * (1 - g * g if TANH else 1.0) + q
        df = tl.where(here, dc * (before - u) * f * (1 - f), 0.0)
        ds = tl.where(here, size * gh * (1 - m * r), 0.0)
        at = d_gates + row * G + h
        tl.store(at, tl.where(here, dc * (1 - f), 0.0), mask=inside)
        tl.store(at + H, df, mask=inside)
        tl.store(at + 2 * H, dr, mask=inside)
        if SKIP == 3:
            tl.store(d_skip + row * H + h, ds, mask=inside)
        if SKIP == 4:
            tl.store(at + 3 * H, ds, mask=inside)
        sum_vf += df * before
        sum_vr += dr * before
        sum_bf += df
        sum_br += dr
        new = before_or_nothing(dc * f + df * v_f + dr * v_r, reset, row, RESET)
        q = tl.where(here, new, q)
        row += -B if FALLING else B
    tl.store(d_initial + column, q, mask=inside)
    tl.store(sums + column, sum_vf, mask=inside)
    tl.store(sums + column + N, sum_vr, mask=inside)
    tl.store(sums + column + 2 * N, sum_bf, mask=inside)
    tl.store(sums + column + 3 * N, sum_br, mask=inside)


def _flags(
    gates: Tensor, skip: Tensor | None, initial: Tensor, mask: Tensor | None,
    lengths: Tensor | None, reset: Tensor | None, tanh: bool,
) -> dict[str, int]:  # fmt: skip
    by_product = gates.shape[-1] == 4 * initial.shape[-1]
    return {
        "SKIP": 4 if by_product else 0 if skip is None else 3, "MASK": mask is not None,
        "TANH": tanh, "LENGTHS": lengths is not None, "RESET": reset is not None,
    }  # fmt: skip


def forward(
    gates: Tensor,
    skip: Tensor | None,
    weight_c: Tensor,
    bias: Tensor,
    initial: Tensor,
    mask: Tensor | None,
    lengths: Tensor | None,
    reset: Tensor | None,
    scale: float,
    tanh: bool,
    reverse: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`: output, final and, to keep, the states (T, B, H)."""
    shape = *gates.shape[:2], initial.shape[-1]
    output, final = gates.new_empty(shape), empty_or(initial, shape)
    states = initial.new_empty(shape if keep else 0)
    launch(
        _forward, shape, gates, skip, weight_c, bias, initial, mask, lengths, reset, output,
        final, states, *in_two(scale), KEEP=keep, FALLING=reverse,
        **_flags(gates, skip, initial, mask, lengths, reset, tanh),
    )  # fmt: skip
    return output, final, states


def backward(
    gates: Tensor,
    skip: Tensor | None,
    weight_c: Tensor,
    bias: Tensor,
    initial: Tensor,
    mask: Tensor | None,
    lengths: Tensor | None,
    reset: Tensor | None,
    scale: float,
    tanh: bool,
    reverse: bool,
    states: Tensor,
    grad: Tensor,
    grad_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of gates, skip, weight_c, bias, initial."""
    shape = *gates.shape[:2], initial.shape[-1]
    d_gates, d_initial = torch.empty_like(gates), empty_or(grad_final, shape)
    d_skip = gates.new_empty(0) if skip is None else torch.empty_like(skip)
    sums = room_for_sums(initial, 4, shape)  # over time, of weight_c and of bias
    launch(
        _backward, shape, gates, skip, weight_c, bias, initial, mask, lengths, reset, states, grad,
        grad_final, d_gates, d_skip, d_initial, sums, *in_two(scale), FALLING=not reverse,
        **_flags(gates, skip, initial, mask, lengths, reset, tanh),
    )  # fmt: skip
    d_weight_c, d_bias = sums.sum(1).split(2)
    return d_gates, d_skip, d_weight_c, d_bias, d_initial


def in_two(x: float) -> tuple[float, float]:
    """A number as two of 32 bits, in which Triton takes it, with the digits of one of 64."""
    (high,) = unpack("f", pack("f", x))
    return high, x - high
