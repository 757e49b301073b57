"""The definition of `gated_scan`: any device, any dtype, any order of gradient."""

import torch
from torch import Tensor
from torch.nn.functional import silu, softplus

from swiftrnn.ops._walk import loop

GATES = {"min_gru": 2, "min_lstm": 3, "qrnn_f": 2, "qrnn_fo": 3, "qrnn_ifo": 4, "hgrn": 2}


def forward(
    gates: Tensor,
    bias: Tensor,
    floor: Tensor | None,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    cell: str,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """Shapes as in `gated_scan`, to output (T, B, H) and final (B, H)."""
    H = initial.shape[-1]
    wide = gates.to(initial.dtype) + bias
    f, i, u, o = gates_of(cell, wide.unflatten(2, (GATES[cell], H)).unbind(2))
    if floor is not None:
        floor = constant_or_learnt(floor, cell)
        f, i = floor + (1 - floor) * f, (1 - floor) * i

    def step(c: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        f, i, u, o = inputs
        new = f * c + i * u
        return new, o * new

    output, final = loop(step, initial, (f, i, u, o), lengths, reset, reverse)
    return output.to(gates.dtype), final


def constant_or_learnt(floor: Tensor, cell: str) -> Tensor:
    """The floor, which has a gradient in HGRN and one for each channel only."""
    return floor if cell == "hgrn" and floor.dim() == 1 else floor.detach()


def gates_of(cell: str, raw: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """f, i, u and o from the gates of a row."""
    one = torch.ones_like(raw[0])
    match cell:
        case "min_gru":
            z, u = raw
            return torch.sigmoid(-z), torch.sigmoid(z), u, one
        case "min_lstm":
            i, f, u = raw
            balance = softplus(-i) - softplus(-f)  # log of sigmoid(f) / sigmoid(i)
            return torch.sigmoid(balance), torch.sigmoid(-balance), u, one
        case "hgrn":
            u, f = raw
            return torch.sigmoid(f), torch.sigmoid(-f), silu(u), one
    u, f, *more = raw  # a QRNN
    o = torch.sigmoid(more[0]) if more else one
    i = torch.sigmoid(more[1] if len(more) > 1 else -f)
    return torch.sigmoid(f), i, u.tanh(), o
