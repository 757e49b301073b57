"""Arenas: convex floors with walls, in which an animal walks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

SHAPES = ("square", "circle", "triangle", "hexagon")


class Arena(Protocol):
    """A convex floor around the origin."""

    @property
    def extent(self) -> float:
        """The largest distance of a wall from the origin, along x or y: half of its width."""
        ...

    def room(self, points: Tensor) -> Tensor:
        """Points (..., 2) to their distance from the nearest wall (...); below 0 outside."""
        ...

    def walls(self, points: Tensor) -> Tensor:
        """Points (..., 2) to the unit vector (..., 2) that leads to the nearest wall."""
        ...


@dataclass(frozen=True)
class Circle:
    """A round arena.

    Args:
        radius: above 0.

    Raises:
        ValueError: the radius is not above 0.
    """

    radius: float

    def __post_init__(self) -> None:
        if not 0 < self.radius < math.inf:
            raise ValueError(f"Circle needs a radius above 0; got {self.radius!r}")

    @property
    def extent(self) -> float:
        """See `Arena`."""
        return self.radius

    def room(self, points: Tensor) -> Tensor:
        """See `Arena`."""
        return self.radius - points.norm(dim=-1)

    def walls(self, points: Tensor) -> Tensor:
        """See `Arena`; at the centre, where all directions lead to a wall, that of x."""
        away = points.norm(dim=-1, keepdim=True)
        ahead = torch.zeros_like(points)
        ahead[..., 0] = 1
        return torch.where(away > 1e-12, points / away.clamp(min=1e-12), ahead)


@dataclass(frozen=True)
class Polygon:
    """An arena with straight walls.

    Args:
        corners: at least three, counter-clockwise around the origin.

    Raises:
        ValueError: there are fewer, they do not go counter-clockwise, the arena is not convex, or
            the origin is not inside.

    Examples:
        >>> room = Polygon(((-1, -1), (1, -1), (1, 1), (-1, 1))).room
        >>> room(torch.tensor([[0.0, 0.0], [0.75, 0.0], [2.0, 0.0]])).tolist()
        [1.0, 0.25, -1.0]
    """

    corners: Sequence[tuple[float, float]]

    def __post_init__(self) -> None:
        corners = [(float(x), float(y)) for x, y in self.corners]
        if len(corners) < 3 or not all(math.isfinite(each) for two in corners for each in two):
            raise ValueError(f"Polygon needs at least three finite corners; got {self.corners!r}")
        after = [*corners[1:], corners[0]]
        along = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(corners, after, strict=True)]
        turns = [_turn(a, b) for a, b in zip(along, [*along[1:], along[0]], strict=True)]
        around = [_turn(a, b) for a, b in zip(corners, after, strict=True)]
        if min(turns) <= 0 or min(around) <= 0:
            raise ValueError(
                "Polygon needs corners of a convex arena, counter-clockwise around the origin; "
                f"got {self.corners!r}"
            )

    @property
    def extent(self) -> float:
        """See `Arena`."""
        return max(abs(float(each)) for corner in self.corners for each in corner)

    def distances(self, points: Tensor) -> Tensor:
        """Points (..., 2) to their distance from each wall (..., K); below 0 outside of it."""
        normals, offsets = self._planes(points)
        return offsets - points @ normals.t()

    def room(self, points: Tensor) -> Tensor:
        """See `Arena`."""
        return self.distances(points).amin(-1)

    def walls(self, points: Tensor) -> Tensor:
        """See `Arena`."""
        return self._planes(points)[0][self.distances(points).argmin(-1)]

    def _planes(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Normals (K, 2) that lead out, and how far the walls are from the origin (K)."""
        corners = torch.tensor(
            [tuple(map(float, each)) for each in self.corners], dtype=like.dtype, device=like.device
        )
        along = corners.roll(-1, 0) - corners
        normals = torch.stack([along[:, 1], -along[:, 0]], -1)
        normals = normals / normals.norm(dim=1, keepdim=True)
        return normals, (normals * corners).sum(1)


def _turn(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Above 0 where b leads to the left of a."""
    return a[0] * b[1] - a[1] * b[0]


def arena(shape: str, width: float = 2.0) -> Circle | Polygon:
    """A regular arena.

    Args:
        shape: one of `SHAPES`.
        width: of the square and the circle from wall to wall; a triangle and a hexagon have their
            corners on a circle of this diameter.

    Raises:
        ValueError: there is no such shape, or the width is not above 0.

    Examples:
        >>> arena("hexagon", 2.0).extent
        1.0
    """
    if shape not in SHAPES:
        raise ValueError(f"arena needs one of {', '.join(SHAPES)}; got {shape!r}")
    if not 0 < width < math.inf:
        raise ValueError(f"arena needs a width above 0; got {width!r}")
    half = width / 2
    if shape == "circle":
        return Circle(half)
    if shape == "square":
        return Polygon(((-half, -half), (half, -half), (half, half), (-half, half)))
    count, first = (3, math.pi / 2) if shape == "triangle" else (6, 0.0)
    angles = [first + 2 * math.pi * i / count for i in range(count)]
    return Polygon(tuple((half * math.cos(a), half * math.sin(a)) for a in angles))
