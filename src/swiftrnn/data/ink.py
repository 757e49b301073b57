"""Drawings of one's own: what is ink, whatever its colour, brought to a size and a place."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

FAINT = 0.2  # of the strongest ink, below which there is none


def cropped(image: Tensor) -> Tensor | None:
    """The ink of an image (H, W) of uint8, bright on black, 255 where it is strongest.

    What is dark on a bright ground is turned round.

    Returns:
        (h, w) of float, cut off around the ink; None without ink.

    Examples:
        >>> page = torch.full((100, 300), 255, dtype=torch.uint8)
        >>> page[10:90, 10:290] = 0
        >>> cropped(page).shape
        torch.Size([80, 280])
    """
    x = image.float()
    if torch.cat([x[0], x[-1], x[:, 0], x[:, -1]]).median() > 127:  # the ground, at the edge
        x = 255 - x
    x = x - x.min()
    inked = x > FAINT * x.max()
    if not bool(inked.any()):
        return None
    rows, columns = inked.any(1).nonzero()[:, 0], inked.any(0).nonzero()[:, 0]
    return x[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] * (255 / x.max())


def placed(image: Tensor, size: tuple[int, int], most: tuple[int, int]) -> Tensor:
    """The ink of an image in the middle of a black one, as large as fits.

    Args:
        image: (H, W) of uint8.
        size: (high, wide) of what is returned.
        most: pixels that the ink is high and wide at most.

    Returns:
        `size` of uint8, bright on black; black without ink.
    """
    found, ink = torch.zeros(*size), cropped(image)
    if ink is not None:
        scale = min(most[0] / ink.shape[0], most[1] / ink.shape[1])
        inner = [max(1, round(side * scale)) for side in ink.shape]
        small = interpolate(
            ink[None, None], inner, mode="bilinear", antialias=True, align_corners=False
        )
        top, left = ((whole - part) // 2 for whole, part in zip(size, inner, strict=True))
        found[top : top + inner[0], left : left + inner[1]] = small[0, 0]
    return found.round().clamp(0, 255).to(torch.uint8)
