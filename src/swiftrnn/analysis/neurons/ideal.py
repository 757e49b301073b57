"""Maps whose scores are known: lattices, borders, and noise with a spectrum of one's choice."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def places(bins: int) -> Tensor:
    """The middles of bins of a square from -1 to 1, (bins, bins, 2) of float64: x, then y."""
    at = (torch.arange(bins, dtype=torch.float64) + 0.5) / bins * 2 - 1
    y, x = torch.meshgrid(at, at, indexing="ij")
    return torch.stack([x, y], -1)


def lattice(
    bins: int,
    spacing: float,
    angles: Sequence[float] = (0, 60, 120),
    turn: float = 0.0,
    phase: Sequence[float] = (0.0, 0.0),
) -> Tensor:
    """A sum of plane waves, from 0 to 1: with three at 60 degrees a triangular lattice of peaks.

    Args:
        bins: of a side of the square from -1 to 1.
        spacing: distance of neighbouring peaks.
        angles: of the waves, in degrees; (0, 90) give a square lattice, one gives bands.
        turn: degrees that all are turned by.
        phase: (x, y) of a peak.

    Returns:
        (bins, bins) of float64.
    """
    at = places(bins) - torch.tensor(tuple(phase), dtype=torch.float64)
    apart = spacing * math.sin(math.radians(60)) if len(angles) == 3 else spacing
    total = torch.zeros(bins, bins, dtype=torch.float64)
    for angle in angles:
        way = math.radians(angle + turn)
        along = at[..., 0] * math.cos(way) + at[..., 1] * math.sin(way)
        total += torch.cos(2 * math.pi * along / apart)
    low = -len(angles) / 2 if len(angles) == 3 else -float(len(angles))
    return (total - low) / (len(angles) - low)


def border(bins: int, width: float = 0.2, wall: int = 0) -> Tensor:
    """Active within a distance of one wall: 0 of the least x, 1 the least y, 2 and 3 opposite."""
    at = places(bins)
    away = (at[..., 0] + 1, at[..., 1] + 1, 1 - at[..., 0], 1 - at[..., 1])[wall]
    return (away < width).double()


def noise(bins: int, count: int, width: float, draw: torch.Generator | None = None) -> Tensor:
    """Smooth Gaussian noise, (count, bins, bins) of float64 with a variance of about 1.

    Args:
        bins: of a side.
        count: of maps.
        width: standard deviation of the smoothing, in bins.
        draw: of random numbers; torch's own by default.
    """
    white = torch.randn(count, 3 * bins, 3 * bins, dtype=torch.float64, generator=draw)
    away = torch.fft.fftfreq(3 * bins, dtype=torch.float64)
    low = torch.exp(-2 * (math.pi * width * away) ** 2)
    smooth = torch.fft.ifft2(torch.fft.fft2(white) * low[:, None] * low).real
    smooth = smooth / smooth.std((1, 2), keepdim=True)
    return smooth[:, bins : 2 * bins, bins : 2 * bins]


def same_spectrum(maps: Tensor, draw: torch.Generator | None = None) -> Tensor:
    """Maps (U, n, n) with the power of each frequency kept and all phases drawn at random."""
    spectrum = torch.fft.fft2(maps)
    white = torch.randn(maps.shape, dtype=maps.dtype, generator=draw)
    phase = torch.fft.fft2(white)
    turned = spectrum.abs() * phase / phase.abs().clamp(min=1e-12)
    turned[..., 0, 0] = spectrum[..., 0, 0]
    return torch.fft.ifft2(turned).real
