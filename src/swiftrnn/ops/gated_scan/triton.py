"""Triton kernels of `gated_scan`; see `cpu.c` for the equations. Backward computes gates again."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from swiftrnn.ops._triton import (
    before_or_nothing,
    finish,
    first_row,
    hyperbolic_tangent,
    last_of,
    place,
    room_for_sums,
    start_of,
    stretch,
    stretches_of,
    walk,
)


@triton.jit
def _gate(gates, bias, at, h, place: tl.constexpr, here, inside, H, real: tl.constexpr):
    """One gate of a step with its bias."""
    raw = tl.load(gates + at + place * H, mask=here, other=0.0).to(real)
    return raw + tl.load(bias + place * H + h, mask=inside, other=0.0)


@triton.jit
def _shares(f, i):
    """sigmoid(f) / (sigmoid(f) + sigmoid(i)) and its rest, however far both are shut."""
    low_f, low_i = tl.minimum(f, 0.0), tl.minimum(i, 0.0)
    high = tl.maximum(low_f, low_i)
    p = tl.exp(low_f - high) * (1 + tl.exp(-tl.abs(i)))
    q = tl.exp(low_i - high) * (1 + tl.exp(-tl.abs(f)))
    return p / (p + q), q / (p + q)


@triton.jit
def _gates(
    gates, bias, at, h, here, inside, H, real: tl.constexpr, CELL: tl.constexpr,
):  # fmt: skip
    """f, i, u and o of one step, from where its first gate stands; and what else backward needs.

    That is: how fast u grows with what it comes from, and 1 - sigmoid of minLSTM's gates f and i.
    """
    if CELL == "min_gru":
        z = _gate(gates, bias, at, h, 0, here, inside, H, real)
        u = _gate(gates, bias, at, h, 1, here, inside, H, real)
        f, i = tl.sigmoid(-z), tl.sigmoid(z)
    elif CELL == "min_lstm":
        i = _gate(gates, bias, at, h, 0, here, inside, H, real)
        f = _gate(gates, bias, at, h, 1, here, inside, H, real)
        u = _gate(gates, bias, at, h, 2, here, inside, H, real)
    else:
        u = _gate(gates, bias, at, h, 0, here, inside, H, real)
        f = _gate(gates, bias, at, h, 1, here, inside, H, real)
        f, i = tl.sigmoid(f), tl.sigmoid(-f)
    one = tl.full(u.shape, 1.0, real)
    o, slope, shut_f, shut_i = one, one, one, one
    if CELL == "min_lstm":
        shut_f, shut_i = tl.sigmoid(-f), tl.sigmoid(-i)
        f, i = _shares(f, i)
    if CELL == "hgrn":
        opened = tl.sigmoid(u)
        u = u * opened
        slope = opened + u * (1 - opened)
    if CELL == "qrnn_f" or CELL == "qrnn_fo" or CELL == "qrnn_ifo":
        u = hyperbolic_tangent(u)
        slope = 1 - u * u
    if CELL == "qrnn_fo" or CELL == "qrnn_ifo":
        o = tl.sigmoid(_gate(gates, bias, at, h, 2, here, inside, H, real))
    if CELL == "qrnn_ifo":
        i = tl.sigmoid(_gate(gates, bias, at, h, 3, here, inside, H, real))
    return f, i, u, o, slope, shut_f, shut_i


@triton.jit
def _least(floor, row, h, here, like, H, FLOOR: tl.constexpr):
    """The floor of one step: 0, a row for all, or as large as the states (FLOOR 0, 1, 3)."""
    least = tl.zeros_like(like)
    if FLOOR == 1:
        least = tl.load(floor + h, mask=here, other=0.0)
    if FLOOR == 3:
        least = tl.load(floor + row * H + h, mask=here, other=0.0)
    return least


@triton.jit(do_not_specialize=["L", "T", "B"])
def _forward(
    state, end, products, gates, bias, floor, lengths, reset, output, states, L, T, B, H,
    SUMMARY: tl.constexpr, CELL: tl.constexpr, GATES: tl.constexpr, FLOOR: tl.constexpr,
    KEEP: tl.constexpr,
    FALLING: tl.constexpr, LENGTHS: tl.constexpr, RESET: tl.constexpr, BLOCK: tl.constexpr,
    AHEAD: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    first, steps = stretch(L, T)
    N, G = B.to(tl.int64) * H, H * GATES
    c = start_of(state, column, N, inside, SUMMARY)
    product = tl.zeros_like(c) + 1
    row, last = first_row(b, first, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in tl.range(steps, num_stages=AHEAD):
        here = inside & ((T - 1 - first - step if FALLING else first + step) <= last)
        f, i, u, o, _, _, _ = _gates(gates, bias, row * G + h, h, here, inside, H, c.dtype, CELL)
        least = _least(floor, row, h, here, c, H, FLOOR)
        before = before_or_nothing(c, reset, row, RESET)
        kept = least + (1 - least) * f
        new = kept * before + (1 - least) * i * u
        c = tl.where(here, new, c)
        if SUMMARY:
            product = tl.where(here, kept * before_or_nothing(product, reset, row, RESET), product)
        else:
            tl.store(output + row * H + h, tl.where(here, o * new, 0.0), mask=inside)
            if KEEP:
                tl.store(states + row * H + h, c, mask=inside)
        row += -B if FALLING else B
    finish(c, product, end, products, column, N, inside, SUMMARY)


@triton.jit
def _gradients(f, i, u, o, slope, shut_f, shut_i, least, before, gh, q, CELL: tl.constexpr):
    """Of u, f, i, o before their functions, the floor, the state before the step; what was kept."""
    dc = gh * o + q
    kept, taken, below = least + (1 - least) * f, (1 - least) * i, dc * (1 - least)
    df, di = below * f * i * (before - u), below
    if CELL == "min_gru":
        df = -df
    if CELL == "min_lstm":
        di = -df * shut_i
        df *= shut_f
    if CELL == "qrnn_ifo":
        df = below * before * f * (1 - f)
        di = below * u * i * (1 - i)
    do = gh * (kept * before + taken * u) * o * (1 - o)
    return dc * taken * slope, df, di, do, dc * i * (before - u), dc * kept, kept


@triton.jit(do_not_specialize=["L", "T", "B"])
def _backward(
    state, end, products, gates, bias, floor, initial, lengths, reset, states, grad, d_gates, sums,
    L, T, B, H, SUMMARY: tl.constexpr, CELL: tl.constexpr, GATES: tl.constexpr, FLOOR: tl.constexpr,
    FALLING: tl.constexpr, LENGTHS: tl.constexpr, RESET: tl.constexpr, BLOCK: tl.constexpr,
    AHEAD: tl.constexpr,
):  # fmt: skip
    b, h, inside, column = place(H, BLOCK)
    AT_U: tl.constexpr = 1 if CELL == "min_gru" else 2 if CELL == "min_lstm" else 0
    AT_F: tl.constexpr = 0 if CELL == "min_gru" else 1
    AT_I: tl.constexpr = 0 if CELL == "min_lstm" else 3
    first, steps = stretch(L, T)
    N = B.to(tl.int64) * H
    q = start_of(state, column, N, inside, SUMMARY)
    product, none = tl.zeros_like(q) + 1, tl.zeros_like(q)
    start = tl.load(initial + column, mask=inside, other=0.0)
    sum_u, sum_f, sum_i, sum_o, sum_least = none, none, none, none, none
    row, last = first_row(b, first, T, B, FALLING), last_of(lengths, b, T, LENGTHS)
    for step in tl.range(steps, num_stages=AHEAD):
        here = inside & ((T - 1 - first - step if FALLING else first + step) <= last)
        at = row * GATES * H + h
        f, i, u, o, slope, shut_f, shut_i = _gates(
            gates, bias, at, h, here, inside, H, q.dtype, CELL
        )
        least = _least(floor, row, h, here, q, H, FLOOR)
        earlier = (row - B if FALLING else row + B) * H + h
        before = tl.load(states + earlier, mask=here & (first + step < T - 1), other=0.0)
        before = before_or_nothing(tl.where(first + step < T - 1, before, start), reset, row, RESET)
        gh = tl.load(grad + row * H + h, mask=here, other=0.0).to(q.dtype)
        du, df, di, do, d_least, dq, kept = _gradients(
            f, i, u, o, slope, shut_f, shut_i, least, before, gh, q, CELL
        )
        if SUMMARY:
            product = tl.where(here, before_or_nothing(product * kept, reset, row, RESET), product)
        else:
            sum_u += _put(d_gates + at + AT_U * H, du, here, inside)
            sum_f += _put(d_gates + at + AT_F * H, df, here, inside)
            if CELL == "min_lstm" or CELL == "qrnn_ifo":
                sum_i += _put(d_gates + at + AT_I * H, di, here, inside)
            if CELL == "qrnn_fo" or CELL == "qrnn_ifo":
                sum_o += _put(d_gates + at + 2 * H, do, here, inside)
            if CELL == "hgrn":
                sum_least += tl.where(here, d_least, 0.0)
        q = tl.where(here, before_or_nothing(dq, reset, row, RESET), q)
        row += -B if FALLING else B
    finish(q, product, end, products, column, N, inside, SUMMARY)
    if not SUMMARY:
        at, of_gate = sums + tl.program_id(1).to(tl.int64) * N + column, N * tl.num_programs(1)
        tl.store(at + AT_U * of_gate, sum_u, mask=inside)
        tl.store(at + AT_F * of_gate, sum_f, mask=inside)
        _store_others(at, of_gate, sum_i, sum_o, sum_least, inside, CELL)


@triton.jit
def _store_others(at, of_gate, sum_i, sum_o, sum_least, inside, CELL: tl.constexpr):
    """Store the sums of what is neither u nor f."""
    if CELL == "min_lstm":
        tl.store(at, sum_i, mask=inside)
    elif CELL == "hgrn":
        tl.store(at + 2 * of_gate, sum_least, mask=inside)
    elif CELL == "qrnn_fo" or CELL == "qrnn_ifo":
        tl.store(at + 2 * of_gate, sum_o, mask=inside)
    if CELL == "qrnn_ifo":
        tl.store(at + 3 * of_gate, sum_i, mask=inside)


@triton.jit
def _put(at, gradient, here, inside):
    """Store the gradient of a gate, 0 where a sequence has ended; and give what was stored."""
    gradient = tl.where(here, gradient, 0.0)
    tl.store(at, gradient, mask=inside)
    return gradient


def _floor_kind(floor: Tensor | None) -> int:
    return 0 if floor is None else floor.dim()


def forward(
    gates: Tensor,
    bias: Tensor,
    floor: Tensor | None,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    cell: str,
    reverse: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`: output, final and, to keep, the states (T, B, H)."""
    (T, B, G), H = gates.shape, initial.shape[-1]
    output = gates.new_empty(T, B, H)
    states = initial.new_empty((T, B, H) if keep else 0)
    final = walk(
        _forward, (T, B, H), initial, gates, bias, floor, lengths, reset, output, states,
        stretches=stretches_of((T, B, H), gates.device), CELL=cell, GATES=G // max(H, 1),
        FLOOR=_floor_kind(floor), KEEP=keep, FALLING=reverse,
        LENGTHS=lengths is not None, RESET=reset is not None,
    )  # fmt: skip
    return output, final, states


def backward(
    gates: Tensor,
    bias: Tensor,
    floor: Tensor | None,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    cell: str,
    reverse: bool,
    states: Tensor,
    grad: Tensor,
    grad_final: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of gates, bias, floor and initial."""
    (T, B, G), H = gates.shape, initial.shape[-1]
    d_gates, stretches = torch.empty_like(gates), stretches_of((T, B, H), gates.device)
    n_gates, learnt = G // max(H, 1), cell == "hgrn" and floor is not None and floor.dim() == 1
    count = n_gates + (cell == "hgrn")  # sums over time, of bias and floor
    sums = room_for_sums(initial, count, (T, B, H), stretches)
    d_initial = walk(
        _backward, (T, B, H), grad_final, gates, bias, floor, initial, lengths, reset, states,
        grad, d_gates, sums, stretches=stretches, CELL=cell, GATES=n_gates,
        FLOOR=_floor_kind(floor), FALLING=not reverse,
        LENGTHS=lengths is not None, RESET=reset is not None,
    )  # fmt: skip
    found = sums.sum((1, 2))
    d_floor = found[n_gates] if learnt else initial.new_empty(0)
    return d_gates, found[:n_gates].flatten(), d_floor, d_initial
