"""Screenshots that vary while training: moved a little, in other colours, with noise."""

import torch
from torch import Tensor
from torch.nn.functional import pad

MOVE = 16  # pixels at most, for an amount of 1


def jittered(pixels: Tensor, amount: float) -> Tensor:
    """Screenshots (B, 3, H, W) of uint8, each changed at random.

    Args:
        pixels: what is changed.
        amount: 0 for nothing, 1 for a lot: moves by 16 pixels, contrast by half, noise of 5 %.
    """
    if not amount:
        return pixels
    B, _, H, W = pixels.shape
    most = round(MOVE * amount)
    x = pixels.float()
    if most:
        wide = pad(x, (most,) * 4, mode="replicate")
        moves = torch.randint(2 * most + 1, (B, 2)).tolist()
        x = torch.stack([wide[i, :, a : a + H, b : b + W] for i, (a, b) in enumerate(moves)])
    shape = (B, 3, 1, 1)
    scale = 1 + amount * (torch.rand(B, 1, 1, 1) - 0.5) + amount * 0.4 * (torch.rand(shape) - 0.5)
    x = (x - 127.5) * scale + 127.5 + 60 * amount * (torch.rand(shape) - 0.5)
    x = x + 12 * amount * torch.randn_like(x)
    return x.round().clamp(0, 255).to(torch.uint8)
