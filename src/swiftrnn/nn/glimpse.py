"""Glimpses: small windows on images, at a place and of a width that a network chooses."""

import torch
from torch import Tensor, nn

from swiftrnn.nn._options import at_least

LEAST = 1e-4  # added to the sum of a filter, as published


def cauchy_filters(place: Tensor, size: int, window: int) -> Tensor:
    """The filters of glimpses: one bank down, one across.

        mu[i] = (N - 1) (c + 1) / 2 + delta (i - (n - 1) / 2)     i = 0 .. n - 1
        delta = N / n (1 - |d|),    gamma = exp(1 - 2 |d|)
        F[i, a] = 1 / (pi gamma (1 + ((a - mu[i]) / gamma)^2))    a = 0 .. N - 1

    and each row F[i] divided by its sum + 1e-4. The tails of a Cauchy density are heavy, so that
    each pixel has a gradient wherever a glimpse is.

    Args:
        place: (..., 3): the centre down and across, each in -1..1 from edge to edge, and d in
            -1..1: 0 for a glimpse of the whole image, 1 for one of a point.
        size: N, pixels of a side of the image.
        window: n, pixels of a side of the glimpse.

    Returns:
        (..., 2, n, N): F down and F across.

    Raises:
        ValueError: `place` is not (..., 3).

    Examples:
        >>> filters = cauchy_filters(torch.tensor([[0.0, 0.5, 0.9]]), 32, 4)
        >>> filters.shape, int(filters[0, 1].sum(0).argmax())
        (torch.Size([1, 2, 4, 32]), 23)

    Source: Shyam, Gupta, Dukkipati (2017), "Attentive Recurrent Comparators", section 2.2.
    """
    if not place.dim() or place.shape[-1] != 3:
        raise ValueError(f"cauchy_filters needs place (..., 3); got {tuple(place.shape)}")
    centre, width = place[..., :2, None], place[..., 2:, None].abs()
    delta, gamma = size / window * (1 - width), torch.exp(1 - 2 * width)[..., None]
    step = torch.arange(window, dtype=place.dtype, device=place.device) - (window - 1) / 2
    mu = (size - 1) * (centre + 1) / 2 + delta * step
    pixel = torch.arange(size, dtype=place.dtype, device=place.device)
    filters = 1 / (torch.pi * gamma * (1 + ((pixel - mu[..., None]) / gamma).square()))
    return filters / (filters.sum(-1, keepdim=True) + LEAST)


class Glimpse(nn.Module):
    """Small windows on each image, F_down image F_across^T; see `cauchy_filters`.

    All windows on all channels of all images are seen in two products.

    Args:
        window: n, pixels of a side of a window.

    Shapes:
        Images (B, C, N, N) and places (B, R, 3), of R windows on each, to (B, R, C, n, n). Images
        whose channels are last in memory (`torch.channels_last`) are not copied.

    Raises:
        ValueError: the window is below 1, or the shapes do not fit.
        TypeError: the window is no integer.

    Examples:
        >>> look = Glimpse(4)
        >>> look(torch.ones(2, 3, 32, 32), torch.zeros(2, 5, 3)).shape
        torch.Size([2, 5, 3, 4, 4])

    Source: Shyam, Gupta, Dukkipati (2017), "Attentive Recurrent Comparators", section 2.2.
    """

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = at_least(1)("Glimpse", "window", window)

    def forward(self, images: Tensor, place: Tensor) -> Tensor:
        """Images (B, C, N, N) and places (B, R, 3) to windows (B, R, C, n, n)."""
        square = images.dim() == 4 and images.shape[2] == images.shape[3]
        if not square or place.dim() != 3 or len(images) != len(place):
            raise ValueError(
                "Glimpse needs images (B, C, N, N) and place (B, R, 3); got "
                f"{tuple(images.shape)} and {tuple(place.shape)}"
            )
        B, C, N, _ = images.shape
        R, n = place.shape[1], self.window
        down, across = cauchy_filters(place, N, n).unbind(2)
        rows = down.reshape(B, R * n, N) @ images.permute(0, 2, 3, 1).reshape(B, N, N * C)
        seen = across[:, :, None] @ rows.view(B, R, n, N, C)
        return seen.permute(0, 1, 4, 2, 3)

    def extra_repr(self) -> str:
        """The window, for `print`."""
        return f"window={self.window}"


def boxes(place: Tensor, size: int) -> Tensor:
    """What glimpses see: (..., 3) to (..., 4), top, left, bottom and right in shares of a side.

    They may reach beyond the image.

    Args:
        place: as in `cauchy_filters`.
        size: N, pixels of a side of the image.

    Examples:
        >>> boxes(torch.tensor([0.0, 0.0, 0.0]), 32)
        tensor([0., 0., 1., 1.])
    """
    centre = ((size - 1) * (place[..., :2] + 1) / 2 + 0.5) / size
    half = (1 - place[..., 2:].abs()) / 2
    return torch.cat([centre - half, centre + half], -1)
