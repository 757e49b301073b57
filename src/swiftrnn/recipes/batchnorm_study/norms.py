"""Batch norm, its two halves, what one puts in its place, and the net that they stand in."""

import torch
from torch import Tensor, nn

NORMS = ("none", "batch", "noisy", "centring", "scaling", "layer", "group", "rms")
EPS, GROUPS = 1e-5, 4  # groups of channels, in group norm
MOMENTUM = 0.1  # of running statistics, as torch's batch norm
SHIFT, SCALE, JITTER = 0.5, 1.25, 0.1  # of the noise


class Halves(nn.Module):
    """Batch norm that centres, scales, or both; with a slope and a shift, whichever it does.

    Args:
        channels: C.
        centre: whether the mean of each channel is taken away.
        scale: whether it is divided by its standard deviation, about its mean in any case.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, channels: int, centre: bool, scale: bool) -> None:
        super().__init__()
        self.centre, self.scale = centre, scale
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, rows, columns) to the same."""
        mean, variance = self.mean, self.variance
        if self.training:
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            with torch.no_grad():
                self.mean.lerp_(mean, MOMENTUM)
                self.variance.lerp_(variance, MOMENTUM)
        slope = self.weight * (variance + EPS).rsqrt() if self.scale else self.weight
        shift = self.bias - slope * mean if self.centre else self.bias
        return x * slope[:, None, None] + shift[:, None, None]


class Noisy(nn.Module):
    """Batch norm, and noise behind it whose mean and scale change at every step.

    For each channel and step, a mean in -0.5..0.5 and a scale in 1..1.25; each example has its own,
    within 0.1 of these. Without training only the mean of the scale is left.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, EPS, MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, rows, columns) to the same."""
        x = self.norm(x)
        if not self.training:
            return x * (1 + SCALE) / 2
        of_step, of_each = (1, x.shape[1], 1, 1), (*x.shape[:2], 1, 1)
        jitter = JITTER * (2 * torch.rand(2, *of_each, dtype=x.dtype, device=x.device) - 1)
        drawn = torch.rand(2, *of_step, dtype=x.dtype, device=x.device)
        scale = 1 + (SCALE - 1) * drawn[0] + jitter[0]
        return x * scale + SHIFT * (2 * drawn[1] - 1) + jitter[1]


class RootMeanSquare(nn.Module):
    """Divides each example by the root of the mean square of all of its channels and pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, rows, columns) to the same."""
        size = x.square().mean((1, 2, 3), keepdim=True)
        return x * (size + EPS).rsqrt() * self.weight[:, None, None]


def norm(name: str, channels: int) -> nn.Module:
    """A layer of this name, one of `NORMS`.

    Raises:
        ValueError: there is none.
    """
    made = {
        "none": nn.Identity,
        "batch": lambda: nn.BatchNorm2d(channels, EPS, MOMENTUM),
        "noisy": lambda: Noisy(channels),
        "centring": lambda: Halves(channels, centre=True, scale=False),
        "scaling": lambda: Halves(channels, centre=False, scale=True),
        "layer": lambda: nn.GroupNorm(1, channels, EPS),
        "group": lambda: nn.GroupNorm(GROUPS, channels, EPS),
        "rms": lambda: RootMeanSquare(channels),
    }
    if name not in made or (name == "group" and channels % GROUPS):
        raise ValueError(
            f"batchnorm_study needs norms among {', '.join(NORMS)}, and --width in fours for "
            f"group; got {name!r} and {channels}; change one of them"
        )
    return made[name]()


def vgg(shape: torch.Size, name: str, width: int, classes: int, he: bool) -> nn.Sequential:
    """Six convolutions of 3 by 3, every other with a stride of 2, each with a norm behind it.

    Args:
        shape: of an image, (S, S) or (C, S, S).
        name: of the norm.
        width: channels of the first two convolutions; the others have twice as many.
        classes: K.
        he: weights drawn so that rectified layers keep the size of their input; else as torch does.
    """
    colours, side = (1 if len(shape) == 2 else shape[0]), shape[-1]
    layers: list[nn.Module] = [nn.Unflatten(1, (colours, side, side))]
    channels = colours
    for number in range(6):
        outputs, stride = width * (1 if number < 2 else 2), 2 - number % 2
        layers += [nn.Conv2d(channels, outputs, 3, stride, 1), norm(name, outputs), nn.ReLU()]
        channels = outputs
    net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * (-(-side // 8)) ** 2, classes))
    for layer in net if he else ():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    return net
