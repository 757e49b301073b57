"""Random walks in arenas: where animals are, which way they go, and how fast."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from swiftrnn.data.walking.arenas import Arena

TRIES = 16  # directions that are tried before an animal turns to the middle


class Walk(NamedTuple):
    """Several walks of equal length.

    Attributes:
        positions: (T + 1, N, 2), before the first step and after each one.
        headings: (T, N), the direction of each step, in radians from the x axis.
        speeds: (T, N), the length of each step, in units of the arena.
    """

    positions: Tensor
    headings: Tensor
    speeds: Tensor

    @property
    def steps(self) -> Tensor:
        """(T, N, 2): the way of each step."""
        return self.positions.diff(dim=0)


@dataclass(frozen=True)
class Motion:
    """How an animal moves, from step to step.

    Args:
        speed: the length of a step; with `rayleigh` the scale of its distribution.
        turn: standard deviation of the change of direction, in radians.
        straight: share of steps that go straight on.
        still: share of steps without any way.
        rayleigh: whether the length of steps varies, with a Rayleigh distribution.
        border: within this distance of a wall it turns away and slows down; 0 for none. Steps that
            would lead out of the arena go in another direction, which is drawn at random.
        slow: what is left of the speed there.

    Raises:
        ValueError: a number is out of its range.
    """

    speed: float
    turn: float
    straight: float = 0.0
    still: float = 0.0
    rayleigh: bool = False
    border: float = 0.0
    slow: float = 0.25

    def __post_init__(self) -> None:
        for name in ("speed", "turn", "border"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"Motion needs {name} of at least 0; got {getattr(self, name)!r}")
        for name in ("straight", "still", "slow"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"Motion needs {name} from 0 to 1; got {getattr(self, name)!r}")


def brownian(width: float, still: float = 0.9) -> Motion:
    """Long straight runs, and rests: as in Cueva and Wei (2018), section 2.2; the numbers are ours.

    Args:
        width: of the arena.
        still: share of steps at rest.
    """
    return Motion(speed=0.03 * width, turn=1.0, straight=0.9, still=still)


def foraging(dt: float = 0.02) -> Motion:
    """A rat in search of food, in metres: as in Sorscher et al. (2019) and Banino et al. (2018).

    Args:
        dt: seconds of a step.
    """
    return Motion(
        speed=0.13 * 2 * math.pi * dt, turn=5.76 * 2 * dt, rayleigh=True, border=0.03, slow=0.25
    )


def walk(
    arena: Arena,
    motion: Motion,
    steps: int,
    count: int,
    draw: torch.Generator | None = None,
    start: Tensor | None = None,
) -> Walk:
    """Random walks that stay in the arena.

    Args:
        arena: a convex one.
        motion: how an animal moves.
        steps: T.
        count: N walks, all at once.
        draw: of random numbers; torch's own by default.
        start: (N, 2), where they begin; in the middle by default.

    Raises:
        ValueError: a start lies outside, or a step is longer than the arena.

    Examples:
        >>> from swiftrnn.data.walking.arenas import arena
        >>> found = walk(arena("square"), brownian(2.0), steps=100, count=5)
        >>> found.positions.shape, bool((arena("square").room(found.positions) >= 0).all())
        (torch.Size([101, 5, 2]), True)
    """
    place = torch.zeros(count, 2) if start is None else start.float().clone()
    if tuple(place.shape) != (count, 2) or bool((arena.room(place) < 0).any()):
        raise ValueError(
            f"walk needs start ({count}, 2) inside the arena; got {tuple(place.shape)}"
        )
    if motion.speed > arena.extent:
        raise ValueError(
            f"walk needs steps shorter than the arena; got a speed of {motion.speed:g} in one of "
            f"{2 * arena.extent:g}"
        )
    heading = 2 * math.pi * torch.rand(count, generator=draw)
    positions, headings, speeds = [place], [], []
    for _ in range(steps):
        chance = torch.rand(3, count, generator=draw)
        turned = heading + motion.turn * torch.randn(count, generator=draw)
        heading = torch.where(chance[0] < motion.straight, heading, turned)
        speed = place.new_full((count,), motion.speed)
        if motion.rayleigh:
            speed = speed * (-2 * torch.log1p(-chance[1])).sqrt()
        speed = torch.where(chance[2] < motion.still, 0, speed)
        if motion.border:
            heading, speed = _away(arena, motion, place, heading, speed)
        heading, speed = _inside(arena, place, heading, speed, draw)
        place = place + speed[:, None] * _ahead(heading)
        positions.append(place)
        headings.append(heading)
        speeds.append(speed)
    if not steps:
        return Walk(torch.stack(positions), place.new_zeros(0, count), place.new_zeros(0, count))
    return Walk(torch.stack(positions), torch.stack(headings), torch.stack(speeds))


def anywhere(arena: Arena, count: int, draw: torch.Generator | None = None) -> Tensor:
    """Random places of an arena, (count, 2), everywhere as likely.

    Examples:
        >>> from swiftrnn.data.walking.arenas import arena
        >>> anywhere(arena("circle"), 5).shape
        torch.Size([5, 2])
    """
    found = torch.zeros(0, 2)
    while len(found) < count:
        points = arena.extent * (2 * torch.rand(4 * count, 2, generator=draw) - 1)
        found = torch.cat([found, points[arena.room(points) >= 0]])
    return found[:count]


def _ahead(heading: Tensor) -> Tensor:
    return torch.stack([heading.cos(), heading.sin()], -1)


def _away(
    arena: Arena, motion: Motion, place: Tensor, heading: Tensor, speed: Tensor
) -> tuple[Tensor, Tensor]:
    """Turn along a wall that is near and ahead, and slow down."""
    wall = arena.walls(place)
    normal = torch.atan2(wall[:, 1], wall[:, 0])
    angle = torch.remainder(heading - normal + math.pi, 2 * math.pi) - math.pi
    near = (arena.room(place) < motion.border) & (angle.abs() < math.pi / 2)
    along = normal + torch.where(angle < 0, -math.pi / 2, math.pi / 2)
    return torch.where(near, along, heading), torch.where(near, motion.slow * speed, speed)


def _inside(
    arena: Arena, place: Tensor, heading: Tensor, speed: Tensor, draw: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Other directions for steps that would lead out; to the middle where none is found."""

    def out() -> Tensor:
        return arena.room(place + speed[:, None] * _ahead(heading)) < 0

    for _ in range(TRIES):
        if not bool((outside := out()).any()):
            return heading, speed
        other = 2 * math.pi * torch.rand(len(heading), generator=draw)
        heading = torch.where(outside, other, heading)
    outside = out()
    middle = torch.atan2(-place[:, 1], -place[:, 0])
    heading = torch.where(outside, middle, heading)
    return heading, torch.where(outside, torch.minimum(speed, place.norm(dim=1)), speed)
