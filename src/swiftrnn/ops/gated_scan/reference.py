"""The definition of `gated_scan`: any device, any dtype, any order of gradient."""

import torch
from torch import Tensor


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
    T, B, H, c = gates.shape[0], *initial.shape, initial
    wide = gates.to(c.dtype).unflatten(2, (len(bias) // H, H)) + bias.view(-1, H)
    z, u, f = wide[:, :, 0], wide[:, :, 1 if update else 0], wide[:, :, 1]
    f = torch.sigmoid(-z) if update else torch.sigmoid(f)
    u = u.tanh() if tanh else u
    o = torch.sigmoid(wide[:, :, 2]) if wide.shape[2] == 3 else torch.ones_like(u)
    outputs = [torch.empty(0)] * T
    for t in reversed(range(T)) if reverse else range(T):
        before = c if reset is None else torch.where(reset[t, :, None], 0, c)
        new = u[t] + f[t] * (before - u[t])
        h = o[t] * new
        if lengths is None:
            outputs[t], c = h, new
        else:
            inside = (t < lengths)[:, None]
            outputs[t], c = torch.where(inside, h, 0), torch.where(inside, new, c)
    output = torch.stack(outputs) if T else gates.new_empty(0, B, H)
    return output.to(gates.dtype), c
