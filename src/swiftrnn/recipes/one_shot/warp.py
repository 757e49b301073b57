"""Drawings that vary while training: turned, scaled, sheared, moved, and mirrored."""

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

TURN, SHEAR = 20.0, 10.0  # degrees at most
SCALE = 0.2  # at most, up and down
MOVE = 5 / 32  # at most, in sides of an image


def warped(images: Tensor, group: Tensor | None = None) -> Tensor:
    """Images (M, N, N) of float, each changed at random; what comes in from outside is 0.

    Args:
        images: what is changed.
        group: (M): images of one group are mirrored alike, so that characters that are the same
            stay the same; none is mirrored without.

    Source: the amounts are those of the published code.
    """
    M, device = len(images), images.device

    def amount(most: float) -> Tensor:
        return most * (2 * torch.rand(M, device=device) - 1)

    turn, shear = (torch.deg2rad(amount(most)) for most in (TURN, SHEAR))
    scale_y, scale_x = (1 + amount(SCALE) for _ in range(2))
    sign_y, sign_x = torch.ones(2, M, device=device)
    if group is not None and M:
        signs = 1.0 - 2.0 * torch.randint(2, (2, int(group.max()) + 1), device=device)
        sign_y, sign_x = signs[0, group], signs[1, group]
    cos, sin, lean = turn.cos(), turn.sin(), shear.tan()
    x = torch.stack([sign_x * scale_x * cos, sign_x * scale_x * (lean * cos - sin),
                     amount(2 * MOVE)], -1)  # fmt: skip
    y = torch.stack([sign_y * scale_y * sin, sign_y * scale_y * (lean * sin + cos),
                     amount(2 * MOVE)], -1)  # fmt: skip
    grid = affine_grid(torch.stack([x, y], 1), [M, 1, *images.shape[1:]], align_corners=False)
    return grid_sample(images[:, None], grid, align_corners=False)[:, 0]
