"""The definition of `rg_lru`: any device, any dtype, any order of gradient."""

import torch
from torch import Tensor

from swiftrnn.ops._walk import loop

STEEPEST = 1000.0  # slope of the square root; it has none at 0, where the gate is shut


def forward(
    gates: Tensor,
    skip: Tensor,
    bias: Tensor,
    rate: Tensor,
    initial: Tensor,
    lengths: Tensor | None,
    reset: Tensor | None,
    reverse: bool,
) -> tuple[Tensor, Tensor]:
    """Shapes as in `rg_lru`, to output (T, B, H) and final (B, H)."""
    r, i = torch.sigmoid(gates.to(initial.dtype) + bias).chunk(2, -1)
    log_a = rate * r
    scaled = bounded_sqrt(-torch.expm1(2 * log_a)) * i * skip.to(initial.dtype)

    def step(h: Tensor, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        a, x = inputs
        new = a * h + x
        return new, new

    output, final = loop(step, initial, (log_a.exp(), scaled), lengths, reset, reverse)
    return output.to(gates.dtype), final


def bounded_sqrt(x: Tensor) -> Tensor:
    """The square root of x >= 0, with a slope of at most `STEEPEST`."""
    floor = 1 / (4 * STEEPEST**2)
    steep = x.sqrt().detach() + STEEPEST * (x - x.detach())
    return torch.where(x > floor, x.clamp(min=floor).sqrt(), steep)
