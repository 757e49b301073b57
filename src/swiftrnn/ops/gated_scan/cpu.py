"""Calls `cpu.c`."""

from torch import Tensor, empty_like

from swiftrnn.ops import _native, _states
from swiftrnn.ops._matmul import Gates, Sink

_forward = _native.Kernel("gated_scan_forward", "p" * 8 + "i" * 7 + "d" + "iiipi")
_backward = _native.Kernel("gated_scan_backward", "p" * 10 + "i" * 6 + "d" + "iiiipi")


def _form(update: bool) -> tuple[int, int, float]:
    """Where candidate and gate stand in a row, and the sign before the gate's sigmoid."""
    return (1, 0, -1.0) if update else (0, 1, 1.0)


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
    output: Tensor | None = None,
    states: Tensor | None = None,
    kept: Tensor | None = None,
    chunked: bool = False,
    source: Gates | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`: output, final and, to keep, the states (T, B, H); written where given.

    `kept`, `chunked` and `source` as in `sru`.
    """
    (_, B, G), H = gates.shape, initial.shape[-1]
    T = source.T if source else len(gates)
    output = gates.new_empty(T, B, H) if output is None else output
    states = _states.room(initial, T, keep, states)
    _forward(
        gates.dtype, gates, bias, lengths, reset, initial, states, output, kept, T, B, H, G,
        B * H if keep else 0, *_form(update), tanh, reverse, chunked,
        source and source.table, _native.threads(T * B * H),
    )  # fmt: skip
    return _states.outputs(output, states, T, keep, reverse)


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
    d_gates: Tensor | None = None,
    kept: bool = False,
    chunked: bool = False,
    sink: Sink | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of gates (written where given), bias and initial.

    `kept`, `chunked` and `sink` as in `sru`.
    """
    (T, B, G), H = gates.shape, initial.shape[-1]
    d_gates = empty_like(gates) if d_gates is None else d_gates
    carry = grad_final.clone()
    sums = initial.new_zeros(G // max(H, 1), B, H)  # of bias, over time
    _backward(
        gates.dtype, gates, bias, lengths, reset, initial, states, grad, d_gates, carry, sums,
        T, B, H, G, *_form(update), tanh, reverse, kept, chunked,
        sink and sink.table, sink.threads if sink else _native.threads(T * B * H),
    )  # fmt: skip
    return d_gates, sums.sum(1).flatten(), carry
