"""Residual convolutions: a feature map of a drawing, of half its size."""

from torch import Tensor, nn


class Block(nn.Module):
    """x + conv(relu(norm(conv(relu(norm(x)))))), with dropout between.

    Args:
        inputs: channels.
        outputs: channels.
        stride: of the first convolution.
        dropout: before the second one.

    Source: Zagoruyko, Komodakis (2016), "Wide Residual Networks", figure 1d.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.rest = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs),
            nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
        )  # fmt: skip
        same = inputs == outputs and stride == 1
        self.across = None if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, N, N) to (B, outputs, N / stride, N / stride)."""
        y = self.first(x)
        return self.rest(y) + (x if self.across is None else self.across(y))


class Front(nn.Module):
    """Drawings (B, 1, N, N) to features (B, 3 channels, N / 2, N / 2).

    Args:
        channels: of the first convolution; the next blocks have two and three times as many.
        blocks: with three times as many.
        dropout: in the blocks.
    """

    def __init__(self, channels: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.channels = 3 * channels
        wide = [2 * channels] + [self.channels] * blocks
        parts: list[nn.Module] = [nn.Conv2d(1, channels, 3, 1, 1, bias=False)]
        for i, (inputs, outputs) in enumerate(zip([channels, *wide], wide, strict=False)):
            parts.append(Block(inputs, outputs, 1 if i else 2, dropout))
        self.whole = nn.Sequential(*parts, nn.BatchNorm2d(self.channels), nn.ReLU())

    def forward(self, drawings: Tensor) -> Tensor:
        """(B, 1, N, N) to (B, 3 channels, N / 2, N / 2)."""
        return self.whole(drawings)
