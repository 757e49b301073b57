"""Reading an image of one's own: brought to the size, place and ink of those trained on."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from swiftrnn.recipes.vector_to_sequence.data import DIGITS, SIDE
from swiftrnn.recipes.vector_to_sequence.model import Speller
from swiftrnn.tasks import NoOptions

INK = 20  # pixels of a digit's height, of the 28 of its image, as in MNIST
FAINT = 0.2  # of the darkest ink, below which there is none


def answer(model: Speller, images: Sequence[Tensor], _: NoOptions) -> list[str]:
    """The number in each image (H, W), three digits side by side, in words."""
    if not images:
        return []
    return model.read(torch.stack([strip(image) for image in images]).to(model.device))


def strip(image: Tensor) -> Tensor:
    """An image (H, W) of any size as (28, 84): digits 20 pixels high, bright on black.

    What is dark on a bright ground is turned round. Without ink it is black.

    Examples:
        >>> page = torch.full((100, 300), 255, dtype=torch.uint8)
        >>> page[10:90, 10:290] = 0
        >>> strip(page)[14].nonzero().numel()
        70
    """
    x = image.float()
    if torch.cat([x[0], x[-1], x[:, 0], x[:, -1]]).median() > 127:  # the ground, at the edge
        x = 255 - x
    x = x - x.min()
    inked = x > FAINT * x.max()
    if not bool(inked.any()):
        return torch.zeros(SIDE, DIGITS * SIDE, dtype=torch.uint8)
    rows, columns = inked.any(1).nonzero()[:, 0], inked.any(0).nonzero()[:, 0]
    x = x[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] * (255 / x.max())
    most = DIGITS * SIDE - (SIDE - INK)
    scale = min(INK / x.shape[0], most / x.shape[1])
    size = [max(1, round(side * scale)) for side in x.shape]
    small = interpolate(x[None, None], size, mode="bilinear", antialias=True, align_corners=False)
    found = torch.zeros(SIDE, DIGITS * SIDE)
    top, left = (SIDE - size[0]) // 2, (DIGITS * SIDE - size[1]) // 2
    found[top : top + size[0], left : left + size[1]] = small[0, 0]
    return found.round().clamp(0, 255).to(torch.uint8)
