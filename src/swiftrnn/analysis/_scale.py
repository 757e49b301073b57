"""Samples moved and scaled by powers of two, so that no square is too large, too small or noise.

A power of two changes no digit. What is done here is undone in the result, or does not matter to
it: kernels that see only differences, correlations, directions.
"""

import math

import torch
from torch import Tensor

STEP = 1000  # of an exponent: 2^1000 is a float, 2^2000 is not


def shifted(x: Tensor, power: int) -> Tensor:
    """x 2^power; infinite or 0 only where that is too large or too small for its dtype."""
    while power:
        step = max(-STEP, min(STEP, power))
        x, power = x * math.ldexp(1.0, step), power - step
    return x


def shifted_each(x: Tensor, powers: Tensor) -> Tensor:
    """Numbers or matrices (..., *) times 2^powers (...), a power for each."""
    if not powers.ndim:
        return shifted(x, int(powers))
    return torch.stack([shifted_each(a, p) for a, p in zip(x, powers, strict=True)])


def exponent(x: Tensor) -> int:
    """The power of two just above the largest size among numbers; 0 if there is none but 0."""
    return math.frexp(float(x.detach().abs().max()))[1] if x.numel() else 0


def unit(x: Tensor) -> tuple[Tensor, int]:
    """x scaled to at most 1, and the power of two that gives x back."""
    power = exponent(x)
    return shifted(x, -power), power


def centred(x: Tensor) -> tuple[Tensor, int]:
    """Rows (n, d) less their mean in float64, of about 1; and the power of two that undoes that.

    First less the median, one of the numbers: constant columns become 0, and not what rounding
    leaves of them.
    """
    x, power = unit(x.double())
    x = x - x.detach().median(0).values
    x, more = unit(x)
    for _ in range(2):  # the second time takes away what rounding left
        x = x - x.detach().mean(0)
    return x, power + more
