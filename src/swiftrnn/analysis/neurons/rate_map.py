"""Rate maps: how active each unit is on average at each place; unvisited places are nan."""

from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis import _check

CHUNK = 1 << 26  # numbers of rates that are added up at a time


def bins_of(positions: Tensor, extent: float, bins: int) -> Tensor:
    """Positions (..., 2) to the number of their bin (...), row by row from the least y.

    What lies beyond the edge belongs to the bin at the edge.
    """
    at = ((positions / extent + 1) / 2 * bins).long().clamp(0, bins - 1)
    return at[..., 1] * bins + at[..., 0]


def rate_maps(positions: Any, rates: Any, extent: float, bins: int = 20) -> Tensor:
    """The mean rate of each unit in each bin of a square from -extent to extent.

    Args:
        positions: (S, 2) or (T, N, 2).
        rates: (S, U) or (T, N, U), of the same samples; they may be negative.
        extent: half of the square's width.
        bins: of a side.

    Returns:
        (U, bins, bins), rows from the least y, nan where no sample lies.

    Raises:
        TypeError: these are no numbers.
        ValueError: the shapes do not fit together, or numbers are not finite.

    Examples:
        >>> maps = rate_maps([[-0.5, -0.5], [0.5, -0.5]], [[1.0], [3.0]], 1.0, bins=2)
        >>> maps.tolist()
        [[[1.0, 3.0], [nan, nan]]]
    """
    where, what = _samples(positions, rates)
    if not 0 < extent < float("inf") or bins < 1:
        raise ValueError(f"rate_maps needs an extent above 0 and bins; got {extent!r} and {bins!r}")
    place, units = bins_of(where, extent, bins), what.shape[1]
    sums = what.new_zeros(bins**2, units)
    step = max(1, CHUNK // max(1, units))
    for first in range(0, len(what), step):
        sums.index_add_(0, place[first : first + step], what[first : first + step])
    visits = torch.bincount(place, minlength=bins**2).to(what.dtype)
    visits = torch.where(visits > 0, visits, torch.nan)
    return (sums / visits[:, None]).t().reshape(units, bins, bins)


def _samples(positions: Any, rates: Any) -> tuple[Tensor, Tensor]:
    where = _check.wide(_check.numbers("rate_maps", "positions", positions))
    what = _check.wide(_check.numbers("rate_maps", "rates", rates))
    if where.shape[-1:] != (2,) or where.dim() != what.dim() or where.dim() < 2 or (
        where.shape[:-1] != what.shape[:-1]
    ):  # fmt: skip
        raise ValueError(
            "rate_maps needs positions (..., 2) and rates (..., U) of the same samples; got "
            f"{tuple(where.shape)} and {tuple(what.shape)}"
        )
    _check.finite("rate_maps", "positions", where)
    _check.finite("rate_maps", "rates", what)
    return where.reshape(-1, 2), what.reshape(-1, what.shape[-1])


def smoothed(maps: Tensor, width: float) -> Tensor:
    """Maps (U, n, n) averaged with Gaussian weights over places that were visited.

    Args:
        maps: with nan where nobody was; it stays nan.
        width: standard deviation of the weights, in bins; 0 changes nothing.
    """
    if width == 0:
        return maps
    n = maps.shape[-1]
    apart = torch.arange(n, dtype=maps.dtype, device=maps.device)
    weights = torch.exp(-((apart[:, None] - apart) ** 2) / (2 * width**2))
    seen = maps.isfinite()
    total = weights @ maps.nan_to_num(0.0) @ weights
    found = total / (weights @ seen.to(maps.dtype) @ weights)
    return torch.where(seen, found, torch.nan)
