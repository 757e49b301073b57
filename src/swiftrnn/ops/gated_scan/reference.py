"""The definition of `gated_scan`: any device, any dtype, any order of gradient."""

import torch
from torch import Tensor

from swiftrnn.ops._walk import loop


def forward(
    gates: Tensor,
    bias: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    tanh: bool,
    update: bool,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """Shapes as in `gated_scan`, to output (T, B, H) and final (B, H)."""
    H = initial.shape[-1]
    wide = gates.to(initial.dtype).unflatten(2, (len(bias) // H, H)) + bias.view(-1, H)
    u, f = wide[:, :, 1 if update else 0], wide[:, :, 0 if update else 1]
    f = torch.sigmoid(-f) if update else torch.sigmoid(f)
    u = u.tanh() if tanh else u
    o = torch.sigmoid(wide[:, :, 2]) if wide.shape[2] == 3 else torch.ones_like(u)

    def step(c: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        u, f, o = inputs
        new = u + f * (c - u)
        return new, o * new

    output, final = loop(step, initial, (u, f, o), lengths, reset, reverse)
    return output.to(gates.dtype), final
