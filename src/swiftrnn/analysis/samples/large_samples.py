"""HSIC of a million samples: features in place of kernel matrices, or blocks, in bounded memory.

Samples are read in chunks of rows; what is kept are r x r numbers of r features. Features give the
biased estimate, whose bias goes as 1/n; blocks the unbiased one, with its standard error. As in
`hsic`, everything is computed in float64, of samples that were centred and scaled where the kernel
allows it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from swiftrnn.analysis import _check
from swiftrnn.analysis.samples.hsic import centred, checked, result_dtype, scaled, unbiased_of
from swiftrnn.analysis.samples.kernels import Gaussian, Kernel, matrix, prepared

ROWS = 8192  # samples of a chunk
Features = Callable[[Tensor], Tensor]
SAME = 1e-12  # of their mean: what blocks differ by is more, or rounding
NOISE = 1e-12  # of squared features: those that vary by less do not vary
SMALL = 1e-7  # of the largest eigenvalue: directions below are left out, as rounding rules there


@dataclass(frozen=True)
class Estimate:
    """A mean over blocks.

    Attributes:
        value: HSIC, unbiased; may be below 0.
        standard_error: of it.
        p_value: of independence: that of Student's t with one degree of freedom less than blocks.
        blocks: how many.
    """

    value: float
    standard_error: float
    p_value: float
    blocks: int


def nystroem(x: Any, kernel: Kernel, rank: int, seed: int = 0) -> Features:
    """Features whose products are about a kernel: samples (n, d) to (n, at most rank).

    Args:
        x: samples (n, d), of which some become landmarks.
        kernel: any.
        rank: how many landmarks; at most n are taken.
        seed: decides which.

    Raises:
        TypeError, ValueError: these are no samples, or rank is below 1.

    Examples:
        >>> x = torch.linspace(-1, 1, 50)[:, None]
        >>> z = nystroem(x, Gaussian(1.0), rank=10)(x)
        >>> torch.allclose(z @ z.T, Gaussian(1.0)(x, x), atol=1e-3)
        True

    Source: Williams and Seeger (2001), "Using the Nystroem Method to Speed Up Kernel Machines".
    """
    found = _check.samples("nystroem", "x", x, least=1)
    _check.whole("nystroem", "rank", rank, 1)
    features = _nystroem("nystroem", found.double(), kernel, rank, seed)
    return lambda rows: features(rows.double()).to(_check.wide(rows).dtype)


def _nystroem(who: str, x: Tensor, kernel: Kernel, rank: int, seed: int) -> Features:
    """In float64."""
    draw = torch.Generator().manual_seed(seed)
    places = torch.randperm(len(x), generator=draw)[:rank].to(x.device)
    landmarks = x[places].detach()
    k = matrix(who, landmarks, landmarks, kernel)
    if k.ndim > 2:
        raise ValueError(f"{who} needs one bandwidth; got {len(k)}; take one after the other")
    values, vectors = torch.linalg.eigh(k)
    kept = values > SMALL * values[-1]
    to_features = vectors[:, kept] / values[kept].sqrt()
    return lambda rows: matrix(who, rows, landmarks, kernel) @ to_features


def random_features(dimensions: int, bandwidth: float, count: int, seed: int = 0) -> Features:
    """Random Fourier features of the Gaussian kernel: samples (n, d) to (n, count).

    Args:
        dimensions: d.
        bandwidth: of the kernel, above 0.
        count: even; half of them cosines, half sines. Errors fall as its square root.
        seed: of the frequencies.

    Raises:
        ValueError: count is odd or below 2, or the bandwidth not above 0.

    Examples:
        >>> z = random_features(1, 1.0, 4000)(torch.tensor([[0.0], [1.0]]))
        >>> print(f"{z[0] @ z[1]:.1f}")  # exp(-1/2)
        0.6

    Source: Rahimi and Recht (2007), "Random Features for Large-Scale Kernel Machines".
    """
    _check.whole("random_features", "dimensions", dimensions, 1)
    if count < 2 or count % 2 or not 0 < bandwidth < math.inf:
        raise ValueError(
            "random_features needs an even count of at least 2 and a bandwidth above 0; "
            f"got {count} and {bandwidth}"
        )
    draw = torch.Generator().manual_seed(seed)
    frequencies = torch.randn(dimensions, count // 2, generator=draw, dtype=torch.float64)

    def features(rows: Tensor) -> Tensor:
        angles = (rows.double() / bandwidth) @ frequencies.to(rows.device)
        found = torch.cat([angles.cos(), angles.sin()], 1) / math.sqrt(count // 2)
        return found.to(_check.wide(rows).dtype)

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

    Examples:
        >>> x = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
        >>> print(f"{nystroem_hsic(x, x.square(), rank=50):.2f}")
        0.04

    Source: Zhang et al. (2018), "Large-Scale Kernel Methods for Independence Testing", section 3.
    """
    who = "nystroem_hsic"
    a, b = features_of(who, x, y, kernel_x, kernel_y, rank, seed)
    return scaled(who, of_features(who, a, b), torch.tensor(a.power + b.power), a.dtype)


class Featured(NamedTuple):
    """Samples, what makes features of them, and the power of two that products lack."""

    rows: Tensor
    map: Features
    power: int
    dtype: torch.dtype


def features_of(
    who: str, x: Any, y: Any, kernel_x: Kernel | None, kernel_y: Kernel | None, rank: int, seed: int
) -> tuple[Featured, Featured]:
    """Nystroem features of samples that were checked."""
    _check.whole(who, "rank", rank, 1)
    kernels = {"x": kernel_x, "y": kernel_y}
    found, made = checked(who, {"x": x, "y": y}, kernels), []
    for i, (name, each) in enumerate(found.items()):
        ready = prepared(who, each, kernels[name])
        features = _nystroem(who, ready.samples, ready.kernel, rank, seed + i)
        made.append(Featured(ready.samples, features, ready.power, result_dtype(found)))
    return made[0], made[1]


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

    Examples:
        >>> x = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
        >>> print(f"{random_feature_hsic(x, x.square()):.2f}")
        0.04

    Source: Zhang et al. (2018), "Large-Scale Kernel Methods for Independence Testing", section 4.
    """
    who, made = "random_feature_hsic", []
    found = _check.paired(who, x=x, y=y)
    for i, (each, width) in enumerate(zip(found.values(), (bandwidth_x, bandwidth_y), strict=True)):
        ready = prepared(who, each, None if width is None else Gaussian(width))
        rows, kernel = ready.samples, ready.kernel
        wide = float(kernel.bandwidth) if isinstance(kernel, Gaussian) else 1.0
        features = random_features(rows.shape[1], wide, count, seed + i)
        middle = rows.detach().median(0).values  # large angles have lost the digits of their cosine
        made.append(Featured(rows - middle, features, 0, result_dtype(found)))
    a, b = made
    return _check.held(who, of_features(who, a, b), a.dtype)


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
        ModuleNotFoundError: SciPy is missing.
        TypeError, ValueError: as `hsic`; or there are not two blocks, or all give the same.

    Examples:
        >>> x = torch.randn(20_000, generator=torch.Generator().manual_seed(0))
        >>> found = block_hsic(x, x.square())
        >>> found.blocks, found.p_value < 1e-30, found.value > 50 * found.standard_error
        (40, True, True)

    Source: Zhang et al. (2018), "Large-Scale Kernel Methods for Independence Testing", section 2.
    """
    from swiftrnn.analysis._scipy import special  # all else here does without

    who, kernels = "block_hsic", {"x": kernel_x, "y": kernel_y}
    found = checked(who, {"x": x, "y": y}, kernels)
    n = len(found["x"])
    count = n // _check.whole(who, "block", block, 1) if block >= 4 else 0
    if count < 2:
        raise ValueError(
            f"{who} needs two blocks of at least 4 samples; got {n} samples and blocks of {block}"
        )
    a, b = (prepared(who, each.detach(), kernels[name]) for name, each in found.items())
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).to(a.samples.device)

    def of_block(rows: Tensor) -> Tensor:
        parts = ((each.samples[rows], each.kernel) for each in (a, b))
        k, l = (centred(matrix(who, part, part, kernel, True)) for part, kernel in parts)
        if k.ndim > 2 or l.ndim > 2:
            raise ValueError(f"{who} needs one bandwidth; got several; take one after the other")
        return unbiased_of(k, l)

    values = torch.stack([of_block(rows) for rows in order[: count * block].split(block)])
    values = scaled(who, values, torch.tensor(a.power + b.power))
    mean, error = float(values.mean()), float(values.std() / math.sqrt(count))
    if not error > SAME * abs(mean):
        raise ValueError(
            f"{who} needs blocks that differ; got {count} that all give {mean:.3g}; leave copies "
            "of samples out"
        )
    return Estimate(mean, error, float(special.stdtr(count - 1, -mean / error)), count)


def of_features(who: str, a: Featured, b: Featured) -> Tensor:
    """|Za' H Zb|² / n², read in chunks of rows; features are moved first, as Z may have a mean."""
    sums: list[Any] = [0.0, 0.0, 0.0, 0.0, 0.0]
    middles: list[Tensor] = []
    for rows_a, rows_b in zip(a.rows.split(ROWS), b.rows.split(ROWS), strict=True):
        za, zb = a.map(rows_a), b.map(rows_b)
        middles = middles or [each.detach().mean(0) for each in (za, zb)]
        za, zb = za - middles[0], zb - middles[1]
        squares = za.detach().square().sum(0), zb.detach().square().sum(0)
        for i, part in enumerate((za.sum(0), zb.sum(0), za.T @ zb, *squares)):
            sums[i] = sums[i] + part
    n = len(a.rows)
    for middle, square in zip(middles, sums[3:], strict=True):
        if not float(square.sum()) > NOISE * n * float(middle.square().sum()):
            raise ValueError(
                f"{who} needs features that tell samples apart; got ones that are the same for "
                "all; take a smaller bandwidth"
            )
    return (sums[2] / n - torch.outer(sums[0], sums[1]) / n**2).square().sum()
