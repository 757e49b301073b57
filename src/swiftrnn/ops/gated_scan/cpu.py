"""Calls `cpu.c`."""

from torch import Tensor, empty_like

from swiftrnn.ops import _native, _states
from swiftrnn.ops._matmul import Gates, Sink

_forward = _native.Kernel("gated_scan_forward", "p" * 9 + "i" * 9 + "pi")
_backward = _native.Kernel("gated_scan_backward", "p" * 11 + "i" * 9 + "pi")
_CELLS = ("min_gru", "min_lstm", "qrnn_f", "qrnn_fo", "qrnn_ifo", "hgrn")  # by number, as in cpu.c


def _row(floor: Tensor | None, initial: Tensor) -> tuple[Tensor, int]:
    """The floor, or one row of zeros; and the distance between its rows."""
    if floor is None:
        return initial.new_zeros(initial.shape[-1]), 0
    return floor, floor.shape[-1] if floor.dim() == 3 else 0


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
    floor, floor_row = _row(floor, initial)
    _forward(
        gates.dtype, gates, bias, floor, lengths, reset, initial, states, output, kept, T, B, H, G,
        floor_row, B * H if keep else 0, _CELLS.index(cell), reverse, chunked,
        source and source.table, _native.threads(T * B * H),
    )  # fmt: skip
    return _states.outputs(output, states, T, keep, reverse)


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
    d_gates: Tensor | None = None,
    kept: bool = False,
    chunked: bool = False,
    sink: Sink | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See `Op`; the gradients of gates (written where given), bias, floor and initial.

    `kept`, `chunked` and `sink` as in `sru`.
    """
    (T, B, G), H = gates.shape, initial.shape[-1]
    d_gates = empty_like(gates) if d_gates is None else d_gates
    carry = grad_final.clone()
    n_gates, learnt = G // max(H, 1), cell == "hgrn" and floor is not None and floor.dim() == 1
    sums = initial.new_zeros(n_gates + (cell == "hgrn"), B, H)  # of bias and floor, over time
    row, floor_row = _row(floor, initial)
    _backward(
        gates.dtype, gates, bias, row, lengths, reset, initial, states, grad, d_gates, carry, sums,
        T, B, H, G, floor_row, _CELLS.index(cell), reverse, kept, chunked,
        sink and sink.table, sink.threads if sink else _native.threads(T * B * H),
    )  # fmt: skip
    d_floor = sums[n_gates].sum(0) if learnt else initial.new_empty(0)
    return d_gates, sums[:n_gates].sum(1).flatten(), d_floor, carry
