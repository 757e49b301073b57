"""Scores of bands, of head direction and of speed."""

import math
from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis import _check

SECTORS = 36  # of head direction
APART = 30.0  # degrees by which another wave has to differ


def band_scores(maps: Tensor) -> Tensor:
    """How far one plane wave explains a map: its share of the power, less that of the next one.

    The power spectrum is of the map less its mean, nan counting as the mean, with a Hann window.
    The wave is its largest peak and what lies next to it; the next one differs in direction by at
    least 30 degrees. Bands have a score near 1, lattices, which have several waves, near 0.

    Args:
        maps: (U, n, n), nan where nobody was.

    Returns:
        (U), from 0 to 1; nan for a map that is constant.

    Examples:
        >>> from swiftrnn.analysis.neurons.ideal import lattice
        >>> bands, grid = band_scores(torch.stack([lattice(20, 0.5, (30,)), lattice(20, 0.5)]))
        >>> bool(bands > 0.7), bool(grid < 0.3)
        (True, True)

    Source: Krupic, Burgess, O'Keefe (2012), "Neural representations of location composed of
    spatially periodic bands"; the form of the score is ours.
    """
    n, seen = maps.shape[-1], maps.isfinite()
    count = seen.sum((1, 2)).clamp(min=1)
    value = maps.nan_to_num(0.0)
    value = (value - (value.sum((1, 2)) / count)[:, None, None]) * seen
    hann = torch.hann_window(n + 2, periodic=False, dtype=maps.dtype, device=maps.device)[1:-1]
    window = hann[:, None] * hann
    value = value * window
    value = value - window * (value.sum((1, 2)) / window.sum())[:, None, None]
    size = 4 * n
    power = torch.fft.fft2(value, s=(size, size)).abs().square()
    wave = torch.fft.fftfreq(size, dtype=maps.dtype, device=maps.device) * size
    v, u = torch.meshgrid(wave, wave, indexing="ij")
    total = power.sum((1, 2))
    best = _peak(power, v, u)
    angle = torch.rad2deg(torch.atan2(v, u))
    turned = torch.remainder(angle - angle.flatten()[best][:, None, None] + 90, 180) - 90
    other = _peak(torch.where(turned.abs() >= APART, power, 0), v, u)
    shares = [_around(power, v, u, each) / total for each in (best, other)]
    return torch.where(total > 0, shares[0] - shares[1], torch.nan)


def _peak(power: Tensor, v: Tensor, u: Tensor) -> Tensor:
    """Where each spectrum (U, m, m) is largest, beyond the waves that are longer than the map."""
    inside = v.square() + u.square() >= 4.0**2
    return torch.where(inside, power, -1).flatten(1).argmax(1)


def _around(power: Tensor, v: Tensor, u: Tensor, peak: Tensor) -> Tensor:
    """The power near a peak and near its mirror image."""
    at = v.flatten()[peak][:, None, None], u.flatten()[peak][:, None, None]
    radius = 6.0  # in bins of a spectrum of four times the map's size
    near = torch.zeros_like(power, dtype=torch.bool)
    for sign in (1, -1):
        near |= (v - sign * at[0]).square() + (u - sign * at[1]).square() <= radius**2
    return (power * near).sum((1, 2))


def direction_scores(headings: Any, rates: Any) -> Tensor:
    """The length of the mean vector of rates by head direction, 0 (none) to 1 (one direction).

    Rates are averaged in 36 sectors, so that directions that were taken more often do not count
    more, and count from the least of these averages.

    Args:
        headings: (...), in radians.
        rates: (..., U), of the same samples.

    Returns:
        (U); nan for a unit that is constant.

    Raises:
        TypeError, ValueError: these are no numbers, or do not fit together.
    """
    where, what = _both("direction_scores", "headings", headings, rates)
    sector = (torch.remainder(where, 2 * math.pi) / (2 * math.pi) * SECTORS).long() % SECTORS
    sums = what.new_zeros(SECTORS, what.shape[1]).index_add_(0, sector, what)
    visits = torch.bincount(sector, minlength=SECTORS).to(what.dtype)
    seen = visits > 0
    mean = sums[seen] / visits[seen, None]
    mean = mean - mean.amin(0)
    angle = (torch.arange(SECTORS, dtype=what.dtype, device=what.device) + 0.5)[seen]
    angle = angle * (2 * math.pi / SECTORS)
    x, y = (mean * each[:, None] for each in (angle.cos(), angle.sin()))
    total = mean.sum(0)
    return torch.where(total > 0, torch.hypot(x.sum(0), y.sum(0)) / total, torch.nan)


def speed_scores(speeds: Any, rates: Any) -> Tensor:
    """Pearson's correlation of speed and rate.

    Args:
        speeds: (...).
        rates: (..., U), of the same samples.

    Returns:
        (U), from -1 to 1; nan for a unit or a speed that is constant.

    Raises:
        TypeError, ValueError: these are no numbers, or do not fit together.

    Source: Kropff et al. (2015), "Speed cells in the medial entorhinal cortex".
    """
    where, what = _both("speed_scores", "speeds", speeds, rates)
    x, y = where.to(what.dtype)[:, None] - where.mean(), what - what.mean(0)
    spread = (x.square().sum(0) * y.square().sum(0)).sqrt()
    floor = torch.finfo(what.dtype).eps * len(x) * what.abs().amax(0).clamp(min=1e-30)
    return torch.where(spread > floor, (x * y).sum(0) / spread, torch.nan)


def _both(who: str, name: str, values: Any, rates: Any) -> tuple[Tensor, Tensor]:
    where = _check.wide(_check.numbers(who, name, values))
    what = _check.wide(_check.numbers(who, "rates", rates))
    if where.shape != what.shape[:-1] or not where.numel():
        raise ValueError(
            f"{who} needs {name} (...) and rates (..., U) of the same samples; got "
            f"{tuple(where.shape)} and {tuple(what.shape)}"
        )
    _check.finite(who, name, where)
    _check.finite(who, "rates", what)
    return where.reshape(-1), what.reshape(-1, what.shape[-1])
