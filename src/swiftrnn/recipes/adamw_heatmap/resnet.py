"""The paper's net: a residual net of 26 layers with two branches in each block, for CIFAR-10.

Source: Gastaldi (2017), "Shake-Shake regularization", section 2, without the shaking.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

CROP = 4  # pixels that an image may be moved by


class FlipAndCrop(nn.Module):
    """While training, images (B, C, S, S) mirrored half of the time and moved by a few pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """Each image by a draw of its own; what comes in from outside is 0."""
        if not self.training:
            return x
        B, _, S, _ = x.shape
        x = torch.where((torch.rand(B, 1, 1, 1, device=x.device) < 0.5), x.flip(3), x)
        wide, span = pad(x, (CROP,) * 4), torch.arange(S, device=x.device)
        rows, columns = torch.randint(2 * CROP + 1, (2, B, 1), device=x.device) + span
        each = torch.arange(B, device=x.device)[:, None, None]
        return wide.movedim(1, 3)[each, rows[:, :, None], columns[:, None]].movedim(3, 1)


class Shortcut(nn.Module):
    """Past a block that changes the channels: half of them from each of two shifted grids."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.even = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.odd = nn.Conv2d(inputs, outputs // 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, S, S) to (B, outputs, S / stride, S / stride)."""
        x = torch.relu(x)
        moved = pad(x, (0, 1, 0, 1))[:, :, 1:, 1:]
        step = self.stride
        both = self.even(x[:, :, ::step, ::step]), self.odd(moved[:, :, ::step, ::step])
        return self.norm(torch.cat(both, 1))


class Block(nn.Module):
    """x or its shortcut, and the mean of two branches of two convolutions each."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.ReLU(), nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
                nn.BatchNorm2d(outputs),
            )
            for _ in range(2)
        )  # fmt: skip
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else Shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, S, S) to (B, outputs, S / stride, S / stride)."""
        first, second = (branch(x) for branch in self.branches)
        return self.shortcut(x) + (first + second) / 2


def residual(shape: torch.Size, width: int, classes: int) -> nn.Sequential:
    """26 layers: three stages of four blocks, `width`, twice and four times as many channels.

    Args:
        shape: of an image, (C, S, S) or (S, S); S a multiple of 4.
        width: channels of the first stage; 64 is the paper's 26 2x64d, with 11.6 million weights.
        classes: K.

    Returns:
        Flat images (B, C * S * S) to scores (B, K); it moves and mirrors images while it trains.
    """
    colours, side = (1 if len(shape) == 2 else shape[0]), shape[-1]
    stages, inputs = [], 16
    for outputs, stride in ((width, 1), (2 * width, 2), (4 * width, 2)):
        for _ in range(4):
            stages.append(Block(inputs, outputs, stride))
            inputs, stride = outputs, 1
    return nn.Sequential(
        nn.Unflatten(1, (colours, side, side)), FlipAndCrop(),
        nn.Conv2d(colours, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), *stages, nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes),
    )  # fmt: skip
