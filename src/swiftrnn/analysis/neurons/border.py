"""Border scores: whether a unit is active along a wall."""

from typing import Any

import torch
from torch import Tensor

ACTIVE = 0.3  # of a map's largest rate, above its least: what belongs to a field
SMALLEST = 0.02  # of the visited bins, that a field has: 200 square centimetres of a square metre


def border_scores(maps: Tensor, arena: Any, extent: float) -> Tensor:
    """(c - d) / (c + d): the cover of the best wall, and how far from walls a unit is active.

    c is the largest share, over fields and walls, of the visited bins along a wall that belong to
    the field; d the mean distance of all fields from the nearest wall, weighted by rate, over the
    largest distance that there is. A field is connected, and larger than 2 % of the arena. Rates
    count from the least rate of the map, since those of networks may be negative.

    Args:
        maps: (U, n, n) of a square from -extent to extent, nan where nobody was.
        arena: with straight walls: a `data.walking.arenas.Polygon`.
        extent: half of the square's width.

    Returns:
        (U), from -1 to 1; nan for a map without a field, such as a constant.

    Raises:
        TypeError: the arena has no straight walls.

    Examples:
        >>> from swiftrnn.analysis.neurons.ideal import border, lattice
        >>> from swiftrnn.data.walking.arenas import arena
        >>> maps = torch.stack([border(20), lattice(20, 0.5)])
        >>> along, inside = border_scores(maps, arena("square"), 1.0).tolist()
        >>> along > 0.7, inside < 0
        (True, True)

    Source: Solstad et al. (2008), "Representation of geometric borders in the entorhinal cortex".
    """
    if not hasattr(arena, "distances"):
        raise TypeError(
            f"border_scores needs an arena with straight walls; got {type(arena).__name__}"
        )
    n = maps.shape[-1]
    at = ((torch.arange(n, dtype=maps.dtype, device=maps.device) + 0.5) / n * 2 - 1) * extent
    y, x = torch.meshgrid(at, at, indexing="ij")
    away = arena.distances(torch.stack([x, y], -1))  # (n, n, K)
    room = away.amin(-1)
    seen = maps.isfinite() & (room >= 0)
    value = torch.where(seen, maps, torch.inf)
    value = torch.where(seen, maps - value.amin((1, 2), keepdim=True), 0)
    most = value.amax((1, 2), keepdim=True)
    field = _large(fields(seen & (value > ACTIVE * most)), seen)
    c = torch.zeros_like(most[:, 0, 0])
    for k in range(away.shape[-1]):
        near = (away[..., k] < 2 * extent / n) & (away[..., k] == room)  # bins along this wall
        along = (seen & near).sum((1, 2)).clamp(min=1)
        covered = _counts(field * near)[:, 1:].amax(1)
        c = torch.maximum(c, covered / along)
    weight = value * (field > 0)
    d = (weight * room.clamp(min=0)).sum((1, 2)) / weight.sum((1, 2)) / room.amax()
    return torch.where((field > 0).any(2).any(1), (c - d) / (c + d), torch.nan)


def fields(active: Tensor) -> Tensor:
    """Numbers of connected parts, (U, n, n), 0 where nothing is; bins meet at their sides.

    Examples:
        >>> active = torch.tensor([[[1, 1, 0], [0, 0, 0], [0, 1, 1]]]).bool()
        >>> len(fields(active).unique())
        3
    """
    _, high, wide = active.shape
    number = torch.arange(1, high * wide + 1, device=active.device).view(1, high, wide) * active
    while True:
        around = torch.nn.functional.pad(number, (1, 1, 1, 1))
        found = torch.stack([
            number, around[:, :-2, 1:-1], around[:, 2:, 1:-1], around[:, 1:-1, :-2],
            around[:, 1:-1, 2:],
        ]).amax(0) * active  # fmt: skip
        if found.equal(number):
            return number
        number = found


def _counts(field: Tensor) -> Tensor:
    """How many bins each number has, (U, n^2 + 1)."""
    U, high, wide = field.shape
    found = torch.zeros(U, high * wide + 1, dtype=torch.long, device=field.device)
    return found.scatter_add_(1, field.flatten(1), torch.ones_like(field.flatten(1)))


def _large(field: Tensor, seen: Tensor) -> Tensor:
    """The fields that are large enough."""
    size = _counts(field).gather(1, field.flatten(1)).view_as(field)
    return torch.where(size >= SMALLEST * seen.sum((1, 2), keepdim=True), field, 0)
