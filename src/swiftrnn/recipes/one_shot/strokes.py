"""Made-up characters: a few random strokes, drawn by hands that tremble."""

import torch
from torch import Tensor

from swiftrnn.recipes.one_shot.data import SIDE, Drawings

STROKES, POINTS = 3, 3  # of a character, and of a stroke
TREMBLE, SHIFT = 0.03, 0.1  # standard deviation of a point, and of all, in sides of the image
WIDTH = 1.2  # of a line, in pixels


def made_up(seed: int, alphabets: int = 8, characters: int = 12, drawers: int = 10) -> Drawings:
    """Random strokes, each character drawn by several trembling hands; nothing is downloaded."""
    count = alphabets * characters
    pixels = drawn(count, drawers, SIDE, seed)
    character = torch.arange(count).repeat_interleave(drawers)
    names = tuple(f"alphabet {i + 1}" for i in range(alphabets))
    drawer = torch.arange(drawers).repeat(count)
    return Drawings(pixels.flatten(0, 1), character // characters, character, drawer, names)


def drawn(characters: int, drawers: int, side: int, seed: int) -> Tensor:
    """Each character by each hand, (characters, drawers, side, side) of uint8, bright on black."""
    draw = torch.Generator().manual_seed(seed)
    points = 0.15 + 0.7 * torch.rand(characters, 1, STROKES, POINTS, 2, generator=draw)
    moved = torch.randn(characters, drawers, STROKES, POINTS, 2, generator=draw)
    shift = torch.randn(characters, drawers, 1, 1, 2, generator=draw)
    points = (points + TREMBLE * moved + SHIFT * shift) * side
    starts, ends = points[..., :-1, :].flatten(2, 3), points[..., 1:, :].flatten(2, 3)
    found = torch.zeros(characters, drawers, side, side)
    pixel = torch.stack(torch.meshgrid(*[torch.arange(side) + 0.5] * 2, indexing="ij"), -1)
    for i in range(starts.shape[2]):  # segments
        start, along = (each[:, :, i, None, None] for each in (starts, ends - starts))
        away = pixel - start
        t = ((away * along).sum(-1) / along.square().sum(-1).clamp(min=1e-6)).clamp(0, 1)
        distance = (away - t[..., None] * along).norm(dim=-1)
        found = torch.maximum(found, (WIDTH + 0.5 - distance).clamp(0, 1))
    return (255 * found).round().to(torch.uint8)
