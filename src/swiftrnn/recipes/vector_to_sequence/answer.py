"""Reading an image of one's own: brought to the size, place and ink of those trained on."""

from collections.abc import Sequence

import torch
from torch import Tensor

from swiftrnn.data.ink import placed
from swiftrnn.recipes.vector_to_sequence.data import DIGITS, SIDE
from swiftrnn.recipes.vector_to_sequence.model import Speller
from swiftrnn.tasks import NoOptions

INK = 20  # pixels of a digit's height, of the 28 of its image, as in MNIST


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
    return placed(image, (SIDE, DIGITS * SIDE), (INK, DIGITS * SIDE - (SIDE - INK)))
