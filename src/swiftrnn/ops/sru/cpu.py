"""Calls `cpu.c`."""

import torch
from torch import Tensor

from swiftrnn.ops import _native, _states
from swiftrnn.ops._matmul import Gates, Sink

_forward = _native.Kernel("sru_forward", "p" * 11 + "i" * 7 + "d" + "iiipi")
_backward = _native.Kernel("sru_backward", "p" * 15 + "i" * 6 + "d" + "iiiipi")


def _rows(gates: Tensor, skip: Tensor | None, H: int) -> tuple[Tensor | None, int]:
    """The skip, None where it is a gate, or one row of zeros; and the distance between its rows."""
    if gates.shape[-1] == 4 * H:
        return None, 4 * H
    return (gates.new_zeros(H), 0) if skip is None else (skip, H)


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
    output: Tensor | None = None,
    states: Tensor | None = None,
    kept: Tensor | None = None,
    chunked: bool = False,
    source: Gates | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`: output, final and, to keep, the states (T, B, H); written where given.

    `kept` gets what backward reads in place of the gates; it may be the gates themselves.
    `chunked`: the gates, and so what is kept, lie chunk by chunk. `source`: they are computed here,
    and `gates` is only room: for all of them, if they are kept, else for those of two runs.
    """
    (_, B, G), H = gates.shape, initial.shape[-1]
    T = source.T if source else len(gates)
    output = gates.new_empty(T, B, H) if output is None else output
    states = _states.room(initial, T, keep, states)
    skip, skip_row = _rows(gates, skip, H)
    mask, mask_row = (initial.new_ones(H), 0) if mask is None else (mask, H)
    _forward(
        gates.dtype, gates, skip, weight_c, bias, mask, lengths, reset, initial, states, output,
        kept, T, B, H, G, skip_row, mask_row, B * H if keep else 0, scale, tanh, reverse,
        chunked, source and source.table, _native.threads(T * B * H),
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
    reset: Tensor | None,
    scale: float,
    tanh: bool,
    reverse: bool,
    states: Tensor,
    grad: Tensor,
    grad_final: Tensor,
    d_gates: Tensor | None = None,
    d_skip: Tensor | None = None,
    kept: bool = False,
    chunked: bool = False,
    sink: Sink | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of gates and skip (written where given), weight_c, bias, initial.

    `kept`: the gates are what forward kept. `chunked`: they lie chunk by chunk, their gradients
    never do. `sink`: those enter products here, and `d_gates` is only room for two runs of them.
    """
    T, B, G = gates.shape
    H = initial.shape[-1]
    d_gates = torch.empty_like(gates) if d_gates is None else d_gates
    carry = grad_final.clone()
    sums = initial.new_zeros(2, 2, B, H)  # of weight_c and of bias, over time
    x, skip_row = _rows(gates, skip, H)
    if d_skip is None:
        d_skip = gates.new_empty(0) if skip is None else torch.empty_like(skip)
    ones, mask_row = (initial.new_ones(H), 0) if mask is None else (mask, H)
    _backward(
        gates.dtype, gates, x, weight_c, bias, ones, lengths, reset, initial, states, grad,
        d_gates, d_skip, carry, sums[0], sums[1], T, B, H, G, skip_row, mask_row,
        scale, tanh, reverse, kept, chunked,
        sink and sink.table, sink.threads if sink else _native.threads(T * B * H),
    )  # fmt: skip
    d_weight_c, d_bias = (part.sum(1) for part in sums)
    return d_gates, d_skip, d_weight_c, d_bias, carry
