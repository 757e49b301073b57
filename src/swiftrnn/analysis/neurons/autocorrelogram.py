"""Spatial autocorrelograms of many maps at once, by fast Fourier transforms."""

import torch
from torch import Tensor

LEAST = 20  # pairs of places that a correlation needs


def autocorrelograms(maps: Tensor, least: int = LEAST) -> Tensor:
    """Pearson's correlation of each map with itself, moved by each whole number of bins.

    Places that are nan take no part, whichever way the map is moved: the mean and variance of each
    lag are of the places that overlap. Six transforms serve all maps and lags.

    Args:
        maps: (U, n, n), nan where nobody was.
        least: pairs of places that a lag needs, else it is nan.

    Returns:
        (U, 2 n - 1, 2 n - 1); the middle is lag 0, where it is 1.

    Raises:
        ValueError: the maps are not (U, n, n).

    Examples:
        >>> maps = torch.rand(3, 20, 20, dtype=torch.float64)
        >>> found = autocorrelograms(maps)
        >>> found.shape, bool((found[:, 19, 19] - 1).abs().max() < 1e-9)
        (torch.Size([3, 39, 39]), True)

    Source: Hafting et al. (2005), "Microstructure of a spatial map in the entorhinal cortex",
    supplementary methods.
    """
    if maps.dim() != 3 or maps.shape[1] != maps.shape[2]:
        raise ValueError(f"autocorrelograms needs maps (U, n, n); got {tuple(maps.shape)}")
    n = maps.shape[1]
    seen = maps.isfinite()
    mask, count = seen.to(maps.dtype), seen.sum((1, 2)).clamp(min=1)
    # a map less its mean, over its largest value, has the same correlations and loses no digits
    value = maps.nan_to_num(0.0)
    value = (value - (value.sum((1, 2)) / count)[:, None, None]) * mask
    value = value / value.abs().amax((1, 2), keepdim=True).clamp(min=torch.finfo(maps.dtype).tiny)
    size = (2 * n, 2 * n)
    of = {name: torch.fft.rfft2(each, s=size)
          for name, each in (("1", mask), ("x", value), ("xx", value.square()))}  # fmt: skip

    def lagged(a: str, b: str) -> Tensor:
        """sum_p a[p] b[p + lag], for all lags."""
        product = torch.fft.irfft2(of[a].conj() * of[b], s=size)
        return product.roll((n - 1, n - 1), (1, 2))[:, : 2 * n - 1, : 2 * n - 1]

    pairs = lagged("1", "1").round()
    first, second = lagged("x", "1"), lagged("1", "x")
    covariance = pairs * lagged("x", "x") - first * second
    variances = [pairs * lagged(*names) - total.square()
                 for names, total in ((("xx", "1"), first), (("1", "xx"), second))]  # fmt: skip
    floor = 1e3 * torch.finfo(maps.dtype).eps * pairs.square()  # a constant has no correlation
    enough = (pairs >= least) & (variances[0] > floor) & (variances[1] > floor)
    found = covariance / (variances[0] * variances[1]).clamp(min=0).sqrt()
    return torch.where(enough, found.clamp(-1, 1), torch.nan)
