"""Calls `cpu.c`."""

import torch
from torch import Tensor

from swiftrnn.ops import _native, _states

_forward = _native.Kernel("sru_forward", "p" * 10 + "i" * 7 + "d" + "iii")
_backward = _native.Kernel("sru_backward", "p" * 14 + "i" * 7 + "d" + "iiii")


def _rows(gates: Tensor, skip: Tensor | None, H: int) -> tuple[Tensor, int]:
    """The skip and the distance between its rows: in the gates, an array, or one row of zeros."""
    if gates.shape[-1] == 4 * H:
        return gates[..., 3 * H :], 4 * H
    return (gates.new_zeros(H), 0) if skip is None else (skip, H)


def forward(
    gates: Tensor,
    skip: Tensor | None,
    weight_c: Tensor,
    bias: Tensor,
    initial: Tensor,
    mask: Tensor | None,
    lengths: Tensor | None,
    scale: float,
    tanh: bool,
    reverse: bool,
    keep: bool,
    output: Tensor | None = None,
    states: Tensor | None = None,
    kept: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`: output, final and, to keep, the states (T, B, H); written where given.

    `kept` is for callers whose gates are gone after the call and who call backward themselves: an
    array like the gates, which gets what backward reads in their place (then they are `packed`).
    """
    T, B, G = gates.shape
    H = initial.shape[-1]
    output = gates.new_empty(T, B, H) if output is None else output
    states = _states.room(initial, T, keep, states)
    skip, skip_row = _rows(gates, skip, H)
    mask, mask_row = (initial.new_ones(H), 0) if mask is None else (mask, H)
    _forward(
        gates.dtype, gates, skip, weight_c, bias, mask, lengths, initial, states, output, kept,
        T, B, H, G, skip_row, mask_row, B * H if keep else 0, scale, tanh, reverse,
        _native.threads(T * B * H),
    )  # fmt: skip
    return _states.outputs(output, states, T, keep, reverse)


def backward(
    gates: Tensor,
    skip: Tensor | None,
    weight_c: Tensor,
    bias: Tensor,
    initial: Tensor,
    mask: Tensor | None,
    lengths: Tensor | None,
    scale: float,
    tanh: bool,
    reverse: bool,
    states: Tensor,
    grad: Tensor,
    grad_final: Tensor,
    d_gates: Tensor | None = None,
    d_skip: Tensor | None = None,
    packed: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of gates and skip (written where given), weight_c, bias, initial.

    `packed`: the gates are what forward kept.
    """
    T, B, G = gates.shape
    H = initial.shape[-1]
    d_gates = torch.empty_like(gates) if d_gates is None else d_gates
    carry = grad_final.clone()
    sums = initial.new_zeros(2, 2, B, H)  # of weight_c and of bias, over time
    x, skip_row = _rows(gates, skip, H)
    if d_skip is None:
        d_skip = gates.new_empty(0) if skip is None else torch.empty_like(skip)
    dx = d_gates[..., 3 * H :] if G == 4 * H else d_skip
    ones, mask_row = (initial.new_ones(H), 0) if mask is None else (mask, H)
    _backward(
        gates.dtype, gates, x, weight_c, bias, ones, lengths, initial, states, grad,
        d_gates, dx, carry, sums[0], sums[1], T, B, H, G, skip_row, mask_row, skip_row,
        scale, tanh, reverse, packed, _native.threads(T * B * H),
    )  # fmt: skip
    d_weight_c, d_bias = (part.sum(1) for part in sums)
    return d_gates, d_skip, d_weight_c, d_bias, carry
