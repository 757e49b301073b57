"""Walks to learn from and to test on."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from swiftrnn.data.batches import generator
from swiftrnn.data.walking.arenas import Circle, Polygon, arena
from swiftrnn.data.walking.walks import Motion, Walk, anywhere, brownian, foraging, walk

WIDTHS = {"coordinates": 2.0}  # of the arena; others: in metres
METRES = 2.2
POOL = 512  # walks that are drawn together


def arena_of(config: Any) -> Circle | Polygon:
    """The arena; for place cells 2.2 metres wide."""
    return arena(config.arena, WIDTHS.get(config.target, METRES))


def motion_of(config: Any) -> Motion:
    """How an animal moves, as in the paper of each target."""
    return brownian(2.0, config.rests) if config.target == "coordinates" else foraging()


def batch_of(found: Walk, columns: slice = slice(None)) -> dict[str, Tensor]:
    """Some walks as a model takes them, with the change of direction before each step."""
    heading = found.headings[:, columns]
    return {
        "positions": found.positions[:, columns], "speeds": found.speeds[:, columns],
        "headings": heading, "turns": heading.diff(dim=0, prepend=heading[:1]),
    }  # fmt: skip


def drawn(config: Any, steps: int, count: int, draw: torch.Generator | None = None) -> Walk:
    """Walks; for coordinates from the middle, else from anywhere."""
    place = arena_of(config)
    start = None if config.target == "coordinates" else anywhere(place, count, draw)
    return walk(place, motion_of(config), steps, count, draw, start)


class Walks:
    """Endless batches of walks.

    Args:
        config: the settings of the recipe.
    """

    def __init__(self, config: Any) -> None:
        self.config, self.draw = config, generator()

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        size = self.config.batch_size
        count = math.ceil(POOL / size) * size
        while True:
            found = drawn(self.config, self.config.length, count, self.draw)
            for first in range(0, count, size):
                yield batch_of(found, slice(first, first + size))
