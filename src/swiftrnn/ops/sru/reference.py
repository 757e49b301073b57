"""The definition of `sru`: any device, any dtype, any order of gradient."""

import torch
from torch import Tensor

from swiftrnn.ops._walk import loop


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
) -> tuple[Tensor, Tensor]:
    """Shapes as in `sru`, to output (T, B, H) and final (B, H)."""
    H = initial.shape[-1]
    u, f, r = (gates[..., i * H : (i + 1) * H].to(initial.dtype) for i in range(3))
    s = gates[..., 3 * H :] if gates.shape[-1] == 4 * H else skip
    s = torch.zeros_like(u) if s is None else scale * s.to(initial.dtype)

    def step(c: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        u, f, r, s = inputs
        forget = torch.sigmoid(f + weight_c[0] * c + bias[0])
        highway = torch.sigmoid(r + weight_c[1] * c + bias[1])
        highway = highway if mask is None else highway * mask
        new = u + forget * (c - u)
        return new, s + ((new.tanh() if tanh else new) - s) * highway

    output, final = loop(step, initial, (u, f, r, s), lengths, reset, reverse)
    return output.to(gates.dtype), final
