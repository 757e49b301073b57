"""HSIC of a million samples: features in place of kernel matrices, or blocks, in bounded memory.

Samples are read in chunks of rows; what is kept are r x r numbers of r features. Features give the
biased estimate, whose bias goes as 1/n; blocks the unbiased one, with its standard error.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis import _check
from swiftrnn.analysis.hsic import unbiased_of
from swiftrnn.analysis.kernels import Kernel, median_bandwidth, of_samples

ROWS = 8192  # samples of a chunk
Features = Callable[[Tensor], Tensor]
SMALL = 1e-7  # of the largest eigenvalue: directions below are left out, as rounding rules there


@dataclass(frozen=True)
class Estimate:
    """A mean over blocks.

    Attributes:
        value: HSIC, unbiased; may be below 0.
        standard_error: of it.
        p_value: of independence: that of a normal distribution around 0.
    """

    value: float
    standard_error: float
    p_value: float


def nystroem(x: Any, kernel: Kernel, rank: int, seed: int = 0) -> Features:
    """Features whose products are about a kernel: samples (n, d) to (n, at most rank).

    Args:
        x: samples (n, d), of which some become landmarks.
        kernel: any.
        rank: how many landmarks; at most n are taken.
        seed: decides which.

    Raises:
        TypeError, ValueError: these are no samples, or rank is below 1.

    Example:
        >>> from swiftrnn.analysis.kernels import Gaussian
        >>> x = torch.linspace(-1, 1, 50)[:, None]
        >>> z = nystroem(x, Gaussian(1.0), rank=10)(x)
        >>> torch.allclose(z @ z.T, Gaussian(1.0)(x, x), atol=1e-3)
        True

    Source: Williams and Seeger (2001), "Using the Nystroem Method to Speed Up Kernel Machines".
    """
    found = _check.samples("nystroem", "x", x, least=1)
    _at_least_one("nystroem", "rank", rank)
    draw = torch.Generator().manual_seed(seed)
    places = torch.randperm(len(found), generator=draw)[:rank].to(found.device)
    landmarks = found[places].detach()
    values, vectors = torch.linalg.eigh(kernel(landmarks, landmarks).double())
    kept = values > SMALL * values[-1]
    to_features = (vectors[:, kept] / values[kept].sqrt()).to(found.dtype)
    return lambda rows: kernel(rows, landmarks) @ to_features


def random_features(dimensions: int, bandwidth: float, count: int, seed: int = 0) -> Features:
    """Random Fourier features of the Gaussian kernel: samples (n, d) to (n, count).

    Args:
        dimensions: d.
        bandwidth: of the kernel, above 0.
        count: even; half of them cosines, half sines. Errors fall as its square root.
        seed: of the frequencies.

    Raises:
        ValueError: count is odd or below 2, or the bandwidth not above 0.

    Example:
        >>> z = random_features(1, 1.0, 4000)(torch.tensor([[0.0], [1.0]]))
        >>> print(f"{z[0] @ z[1]:.1f}")  # exp(-1/2)
        0.6

    Source: Rahimi and Recht (2007), "Random Features for Large-Scale Kernel Machines".
    """
    if count < 2 or count % 2 or not bandwidth > 0:
        raise ValueError(
            "random_features needs an even count of at least 2 and a bandwidth above 0; "
            f"got {count} and {bandwidth}"
        )
    draw = torch.Generator().manual_seed(seed)
    frequencies = torch.randn(dimensions, count // 2, generator=draw, dtype=torch.float64)
    frequencies = frequencies / bandwidth

    def features(rows: Tensor) -> Tensor:
        angles = rows @ frequencies.to(rows)
        return torch.cat([angles.cos(), angles.sin()], 1) / math.sqrt(count // 2)

    return features


def nystroem_hsic(
    x: Any, y: Any, kernel_x: Kernel | None = None, kernel_y: Kernel | None = None,
    rank: int = 200, seed: int = 0,
) -> Tensor:  # fmt: skip
    """HSIC, biased, by Nystroem features: O(n rank²) time, O(rank²) memory beside the samples.

    Args:
        x: n samples, (n) or (n, d).
        y: the samples that were drawn together with x's.
        kernel_x: as for `hsic`; the median is of a random part.
        kernel_y: the same for y.
        rank: landmarks of each.
        seed: decides which.

    Raises:
        TypeError, ValueError: as `hsic`, or rank is below 1.

    Example:
        >>> x = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
        >>> print(f"{nystroem_hsic(x, x.square(), rank=50):.2f}")
        0.04

    Source: Zhang et al. (2018), "Large-Scale Kernel Methods for Independence Testing", section 3.
    """
    a, b = _check.paired("nystroem_hsic", x=x, y=y).values()
    maps = [
        nystroem(each, kernel or of_samples(each), rank, seed + i)
        for i, (each, kernel) in enumerate(((a, kernel_x), (b, kernel_y)))
    ]
    return of_features(a, b, *maps)


def random_feature_hsic(
    x: Any, y: Any, bandwidth_x: float | None = None, bandwidth_y: float | None = None,
    count: int = 400, seed: int = 0,
) -> Tensor:  # fmt: skip
    """HSIC, biased, by random Fourier features of Gaussian kernels.

    Args:
        x: n samples, (n) or (n, d).
        y: the samples that were drawn together with x's.
        bandwidth_x: the median's, of a random part, unless given.
        bandwidth_y: the same for y.
        count: features of each, even.
        seed: of the frequencies.

    Raises:
        TypeError, ValueError: as `hsic` and `random_features`.

    Example:
        >>> x = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
        >>> print(f"{random_feature_hsic(x, x.square()):.2f}")
        0.04

    Source: Zhang et al. (2018), "Large-Scale Kernel Methods for Independence Testing", section 4.
    """
    a, b = _check.paired("random_feature_hsic", x=x, y=y).values()
    maps = [
        random_features(
            each.shape[1], median_bandwidth(each) if width is None else width, count, seed + i
        )
        for i, (each, width) in enumerate(((a, bandwidth_x), (b, bandwidth_y)))
    ]
    return of_features(a, b, *maps)


def block_hsic(
    x: Any, y: Any, kernel_x: Kernel | None = None, kernel_y: Kernel | None = None,
    block: int = 500, seed: int = 0,
) -> Estimate:  # fmt: skip
    """HSIC, unbiased, as the mean over blocks of samples: O(n block) time, O(block²) memory.

    Args:
        x: n samples, (n) or (n, d), at least two blocks of them.
        y: the samples that were drawn together with x's.
        kernel_x: as for `hsic`.
        kernel_y: the same for y.
        block: samples of a block, at least 4; what is left over is not looked at.
        seed: which samples share a block.

    Raises:
        TypeError, ValueError: as `hsic`, or there are not two blocks.

    Example:
        >>> x = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
        >>> found = block_hsic(x, x.square())
        >>> found.p_value, found.value > 50 * found.standard_error
        (0.0, True)

    Source: Zhang et al. (2018), "Large-Scale Kernel Methods for Independence Testing", section 2.
    """
    a, b = (each.detach() for each in _check.paired("block_hsic", x=x, y=y).values())
    count = len(a) // block if block >= 4 else 0
    if count < 2:
        raise ValueError(
            f"block_hsic needs two blocks of at least 4 samples; got {len(a)} samples and "
            f"blocks of {block}"
        )
    k, l = kernel_x or of_samples(a), kernel_y or of_samples(b)
    order = torch.randperm(len(a), generator=torch.Generator().manual_seed(seed)).to(a.device)
    found = torch.stack([
        unbiased_of(k(a[rows], a[rows]), l(b[rows], b[rows])).double()
        for rows in order[: count * block].split(block)
    ])  # fmt: skip
    mean, error = float(found.mean()), float(found.std() / math.sqrt(count))
    p_value = 0.5 * math.erfc(mean / (error * math.sqrt(2))) if error else float(mean <= 0)
    return Estimate(mean, error, p_value)


def of_features(a: Tensor, b: Tensor, map_a: Features, map_b: Features) -> Tensor:
    """|Za' H Zb|² / n², read in chunks of rows."""
    sums: list[Any] = [0.0, 0.0, 0.0]
    for rows_a, rows_b in zip(a.split(ROWS), b.split(ROWS), strict=True):
        za, zb = map_a(rows_a), map_b(rows_b)
        for i, part in enumerate((za.sum(0), zb.sum(0), za.T @ zb)):
            sums[i] = sums[i] + part.double()
    n = len(a)
    return (sums[2] / n - torch.outer(sums[0], sums[1]) / n**2).square().sum().to(a.dtype)


def _at_least_one(who: str, name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{who} needs {name} of at least 1; got {value}")
