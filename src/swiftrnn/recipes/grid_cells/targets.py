"""What networks predict of a position: place cells and head direction cells."""

import math

import torch
from torch import Tensor, nn

from swiftrnn.data.walking.arenas import Arena
from swiftrnn.data.walking.walks import anywhere

TOP = 3  # place cells whose centres give a position back
DIRECTIONS, SHARPNESS = 12, 20.0  # head direction cells, and their concentration (von Mises)
SURROUND = 2.0  # by how much the variance of the surround is larger


class PlaceCells(nn.Module):
    """Place fields at random places of an arena.

        p = softmax(-d^2 / 2 s^2),  less softmax(-d^2 / 2 (2 s^2)) where there is a surround

    and then raised to 0 and divided by the sum.

    Args:
        arena: where they lie.
        count: of cells.
        width: s.
        surround: whether there is one.
        seed: of the places.

    Source: Sorscher et al. (2019), "A unified theory for the origin of grid cells through the lens
    of pattern formation", appendix.
    """

    centres: Tensor

    def __init__(self, arena: Arena, count: int, width: float, surround: bool, seed: int) -> None:
        super().__init__()
        self.width, self.surround = width, surround
        with torch.device("cpu"):  # also where a network is built without numbers
            centres = anywhere(arena, count, torch.Generator().manual_seed(seed))
        self.register_buffer("centres", centres)

    def forward(self, positions: Tensor) -> Tensor:
        """Positions (..., 2) to how active each cell is (..., P), which sums to 1."""
        away = torch.cdist(positions.flatten(0, -2), self.centres).square()
        code = (-away / (2 * self.width**2)).softmax(-1)
        if self.surround:
            code = code - (-away / (2 * SURROUND * self.width**2)).softmax(-1)
            code = code - code.amin(-1, keepdim=True)
            code = code / code.sum(-1, keepdim=True)
        return code.view(*positions.shape[:-1], -1)

    def decoded(self, scores: Tensor) -> Tensor:
        """Scores of cells (..., P) to a position: the mean of the centres of the largest three."""
        best = scores.topk(min(TOP, scores.shape[-1]), -1).indices
        return self.centres[best].mean(-2)


def direction_cells(headings: Tensor) -> Tensor:
    """Headings (...) to how active each of 12 cells is (..., 12), which sums to 1."""
    centre = torch.arange(DIRECTIONS, device=headings.device) * (2 * math.pi / DIRECTIONS)
    return (SHARPNESS * torch.cos(headings[..., None] - centre)).softmax(-1)
