"""Grid scores: whether an autocorrelogram looks the same when it is turned by 60, or 90, degrees.

    60:  (r60 + r120) / 2 - (r30 + r90 + r150) / 3          triangular lattices
    90:  r90 - (r45 + r135) / 2                             square lattices

r is the correlation of a ring around the middle with itself, turned. The largest score of several
rings counts, so that lattices of any spacing are seen: on noise it is above 0 for that alone, which
is why a score is held against those of shuffled data (`null`).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

ANGLES = (30, 45, 60, 90, 120, 135, 150)
INNER = 0.2  # of a map's side: what is nearer belongs to the peak in the middle
OUTER = (0.4, 1.0, 10)  # of a map's side: the first and last outer radius of a ring, how many
LEAST = 20  # places of a ring that a correlation needs


class GridScores(NamedTuple):
    """Scores of U maps, from -2 to 2; nan where no ring has enough places.

    Attributes:
        triangular: (U), by turns of 60 degrees.
        square: (U), by turns of 90 degrees.
    """

    triangular: Tensor
    square: Tensor


def grid_scores(autocorrelograms: Tensor) -> GridScores:
    """The scores of autocorrelograms (U, 2 n - 1, 2 n - 1).

    Places that are nan, or that are turned to from outside, take no part in a correlation.

    Raises:
        ValueError: they have another shape.

    Examples:
        >>> from swiftrnn.analysis.neurons.autocorrelogram import autocorrelograms
        >>> from swiftrnn.analysis.neurons.ideal import lattice
        >>> maps = torch.stack([lattice(20, 0.4, angles=(0, 60, 120)), lattice(20, 0.4, (0, 90))])
        >>> triangular, square = grid_scores(autocorrelograms(maps))
        >>> bool(triangular[0] > 1), bool(square[1] > 0.8)
        (True, True)

    Source: Sargolini et al. (2006), "Conjunctive representation of position, direction, and
    velocity in entorhinal cortex", supplementary methods; the rings as in Banino et al. (2018),
    "Vector-based navigation using grid-like representations in artificial agents".
    """
    if autocorrelograms.dim() != 3 or autocorrelograms.shape[1] != autocorrelograms.shape[2]:
        raise ValueError(
            "grid_scores needs autocorrelograms (U, 2 n - 1, 2 n - 1); got "
            f"{tuple(autocorrelograms.shape)}"
        )
    size = autocorrelograms.shape[-1]
    rings = _rings(size, autocorrelograms)  # (R, size, size)
    seen = autocorrelograms.isfinite().to(autocorrelograms.dtype)
    value = autocorrelograms.nan_to_num(0.0) * seen
    r = {angle: _correlation(value, seen, _turned(value, seen, angle), rings) for angle in ANGLES}
    triangular = (r[60] + r[120]) / 2 - (r[30] + r[90] + r[150]) / 3
    square = r[90] - (r[45] + r[135]) / 2
    return GridScores(_largest(triangular), _largest(square))


def _rings(size: int, like: Tensor) -> Tensor:
    n = (size + 1) // 2
    at = torch.arange(size, dtype=like.dtype, device=like.device) - (n - 1)
    radius = (at[:, None] ** 2 + at**2).sqrt()
    outer = torch.linspace(*OUTER, dtype=like.dtype, device=like.device) * n
    return ((radius >= INNER * n) & (radius <= outer[:, None, None])).to(like.dtype)


def _turned(value: Tensor, seen: Tensor, degrees: float) -> tuple[Tensor, Tensor]:
    """Images turned around their middle, and where all that a number is made of was seen."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    theta = value.new_tensor([[cos, -sin, 0.0], [sin, cos, 0.0]])
    grid = torch.nn.functional.affine_grid(
        theta.expand(len(value), 2, 3), [len(value), 1, *value.shape[1:]], align_corners=True
    )
    both = [grid_sample(each[:, None], grid, align_corners=True)[:, 0] for each in (value, seen)]
    return both[0], (both[1] > 1 - 1e-3).to(value.dtype)


def _correlation(
    value: Tensor, seen: Tensor, turned: tuple[Tensor, Tensor], rings: Tensor
) -> Tensor:
    """Pearson's correlation within each ring (U, R), over places that both have."""
    other, there = turned
    both = seen * there
    flat = rings.flatten(1).t()  # (size^2, R)

    def summed(x: Tensor) -> Tensor:
        return (x * both).flatten(1) @ flat

    count = summed(torch.ones_like(value))
    a, b = summed(value), summed(other)
    covariance = count * summed(value * other) - a * b
    spread = (count * summed(value.square()) - a.square()) * (
        count * summed(other.square()) - b.square()
    )
    floor = (1e3 * torch.finfo(value.dtype).eps * count.square()).square()
    found = covariance / spread.clamp(min=0).sqrt()
    return torch.where((count >= LEAST) & (spread > floor), found, torch.nan)


def _largest(scores: Tensor) -> Tensor:
    best = scores.nan_to_num(-math.inf).amax(1)
    return torch.where(best.isfinite(), best, torch.nan)
