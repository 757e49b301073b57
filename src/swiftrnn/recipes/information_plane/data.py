"""Patterns of points on a sphere, and a rule that no rotation of the sphere changes."""

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

GOLDEN = (1 + math.sqrt(5)) / 2


@dataclass(frozen=True)
class Task:
    """All patterns there are, their classes, and which of them to learn from."""

    inputs: Tensor  # (N, bits) of -1 and 1, float64
    labels: Tensor  # (N) of 0 and 1
    train: Tensor  # rows to learn from
    test: Tensor  # all others


def solid(points: int) -> Tensor:
    """Points (points, 3) of the unit sphere that look alike: a cube's 8, an icosahedron's 12."""
    signs = (-1.0, 1.0)
    if points == 8:
        corners = list(itertools.product(signs, repeat=3))
    elif points == 12:
        pairs = [(a, b * GOLDEN) for a, b in itertools.product(signs, repeat=2)]
        corners = [c for a, b in pairs for c in ((0.0, a, b), (a, b, 0.0), (b, 0.0, a))]
    else:
        raise ValueError(f"information_plane needs 8 or 12 bits; got {points}; take 12")
    found = torch.tensor(corners, dtype=torch.float64)
    return found / found.norm(dim=1, keepdim=True)


def strength(bits: Tensor, points: Tensor) -> Tensor:
    """How many points a pattern (N, bits) of 0 and 1 has, and how far they lean to one side.

    `sum_i b_i + |sum_i b_i r_i|^2`: what the pattern's spherical harmonics of degree 0 and 1 hold,
    and no rotation or reflection changes.
    """
    return bits.sum(1) + (bits @ points).square().sum(1)


def made(config: Any) -> Task:
    """Every pattern; class 1 is the stronger half, as nearly as equal strengths allow."""
    both = (0.0, 1.0)
    bits = torch.tensor(list(itertools.product(both, repeat=config.bits)), dtype=torch.float64)
    power = strength(bits, solid(config.bits))
    levels = torch.unique(power.round(decimals=9))
    middles = (levels[1:] + levels[:-1]) / 2
    shares = (power[:, None] > middles).double().mean(0)
    threshold = middles[(shares - 0.5).abs().argmin()]
    drawn = torch.Generator().manual_seed(config.seed)
    if config.softness:
        odds = torch.sigmoid((power - threshold) / (config.softness * power.std()))
        labels = torch.bernoulli(odds, generator=drawn).long()
    else:
        labels = (power > threshold).long()
    order = torch.randperm(len(bits), generator=drawn)
    first = round(config.train_share * len(bits))
    return Task(2 * bits - 1, labels, order[:first], order[first:])


def shuffled(task: Task, seed: int) -> Task:
    """The same patterns with the labels of others: nothing to learn but to memorise."""
    order = torch.randperm(len(task.labels), generator=torch.Generator().manual_seed(seed))
    return replace(task, labels=task.labels[order])


def by_count(task: Task) -> float:
    """Test accuracy of the best rule that only counts points: the naive baseline."""
    counts = (task.inputs > 0).sum(1)
    right = [((counts > k).long() == task.labels).double() for k in range(task.inputs.shape[1])]
    return float(max(right, key=lambda each: float(each[task.train].mean()))[task.test].mean())
