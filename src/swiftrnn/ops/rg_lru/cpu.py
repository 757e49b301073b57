"""Calls `cpu.c`."""

from torch import Tensor, empty_like

from swiftrnn.ops import _native, _states
from swiftrnn.ops._matmul import Gates, Sink

_forward = _native.Kernel("rg_lru_forward", "p" * 10 + "i" * 6 + "pi")
_backward = _native.Kernel("rg_lru_backward", "p" * 13 + "i" * 6 + "pi")


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
    output: Tensor | None = None,
    states: Tensor | None = None,
    kept: Tensor | None = None,
    chunked: bool = False,
    source: Gates | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `Op`: output, final and, to keep, the states (T, B, H); written where given.

    `kept`, `chunked` and `source` as in `sru`.
    """
    T, B, H = skip.shape
    output = gates.new_empty(T, B, H) if output is None else output
    states = _states.room(initial, T, keep, states)
    _forward(
        gates.dtype, gates, skip, bias, rate, lengths, reset, initial, states, output, kept,
        T, B, H, B * H if keep else 0, reverse, chunked,
        source and source.table, _native.threads(T * B * H),
    )  # fmt: skip
    return _states.outputs(output, states, T, keep, reverse)


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
    d_gates: Tensor | None = None,
    d_skip: Tensor | None = None,
    kept: bool = False,
    chunked: bool = False,
    sink: Sink | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of gates and skip (written where given), bias, rate and initial.

    `kept`, `chunked` and `sink` as in `sru`.
    """
    T, B, H = gates.shape[0], *initial.shape
    d_gates = empty_like(gates) if d_gates is None else d_gates
    d_skip = empty_like(skip) if d_skip is None else d_skip
    carry, sums = grad_final.clone(), initial.new_zeros(3, B, H)
    _backward(
        gates.dtype, gates, skip, bias, rate, lengths, reset, initial, states, grad, d_gates,
        d_skip, carry, sums, T, B, H, reverse, kept, chunked,
        sink and sink.table, sink.threads if sink else _native.threads(T * B * H),
    )  # fmt: skip
    return d_gates, d_skip, sums[:2].sum(1).flatten(), sums[2].sum(0), carry
