"""Sets of vectors held against random directions: effective dimension, a test of isotropy."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swiftrnn.analysis import _check, _scale
from swiftrnn.analysis._scipy import special, stats
from swiftrnn.analysis.samples.angles import (
    angle,
    angle_between,
    directions,
)
from swiftrnn.analysis.samples.dimension import dimension_of_log_sine, dimension_of_variance

CHUNK = 2**22  # numbers of vectors in float64 at a time: 32 MiB


@dataclass(frozen=True)
class Estimate:
    """A value and its standard error, nan where the value is infinite."""

    value: float
    error: float


@dataclass(frozen=True)
class EffectiveDimension:
    """In how many dimensions random directions have angles like these; 1 to infinity.

    Attributes:
        by_square: 1 / E cos^2, the participation ratio of the directions' second moments: falls by
            a common direction and by unequal axes.
        by_variance: 1 / Var cos: blind to what all cosines have in common.
        by_angle: from Var theta = trigamma(n / 2) / 2; as blind.
        by_likelihood: of the greatest likelihood. The smallest angles rule it: near duplicates
            pull it to 1.
        pairs: how many were measured.
    """

    by_square: Estimate
    by_variance: Estimate
    by_angle: Estimate
    by_likelihood: Estimate
    pairs: int


@dataclass(frozen=True)
class IsotropyTest:
    """p-values: how likely directions that favour none look like these.

    Attributes:
        pvalue: the smallest of the others times their number, at most 1.
        mean: of the mean direction (Rayleigh's test); None if the centre was removed.
        axes: of the second moments (Bingham's test): some axes have more than others. It and the
            one before see too much of something, not vectors spread too evenly.
        angles: of angles of pairs that share no vector against their distribution
            (Kolmogorov-Smirnov); exact, and weaker.
    """

    pvalue: float
    mean: float | None
    axes: float
    angles: float


def effective_dimension(
    vectors: Any, centred: bool = False, pairs: int = 200_000, seed: int = 0
) -> EffectiveDimension:
    """Measure the spread of the angles between vectors of a set.

    Standard errors allow for pairs that share a vector: two estimates from new sets of as many
    vectors differ by them, not only two draws of pairs.

    Args:
        vectors: (N, d), at least 4 and none zero.
        centred: subtract the mean vector first; what it points to no longer counts.
        pairs: all of them are measured if they are not more, else so many at random.
        seed: decides which.

    Raises:
        TypeError: these are no numbers.
        ValueError: too few vectors or pairs, a vector is zero, a number is not finite, or all
            vectors are the same.

    Examples:
        >>> found = effective_dimension(np.random.default_rng(0).normal(size=(500, 100)))
        >>> round(found.by_square.value), round(found.by_square.error, 1)
        (100, 0.4)

    Source: standard errors: Aronow, Samii, Assenova (2015), "Cluster-Robust Variance Estimation for
    Dyadic Data".
    """
    who = "effective_dimension"
    found, centre = _set(who, vectors, centred)
    if pairs < 4:
        raise ValueError(f"{who} needs at least 4 pairs; got {pairs}")
    first, second = _pairs(len(found), pairs, seed)
    theta = _angles(found, centre, first, second)
    cosine, log_sine = np.cos(theta), np.log(np.maximum(np.sin(theta), np.finfo(float).tiny))
    square, spread = cosine**2, (cosine - cosine.mean()) ** 2
    turned = (theta - theta.mean()) ** 2

    def estimate(values: np.ndarray, n: float, slope: float) -> Estimate:
        error = _error(values, first, second, len(found))
        return Estimate(n, float(abs(slope)) * error if math.isfinite(n) else math.nan)

    with np.errstate(divide="ignore", invalid="ignore"):
        by_square, by_variance = float(1 / square.mean()), float(1 / spread.mean())
        by_angle = dimension_of_variance(float(turned.mean()))
        by_likelihood = dimension_of_log_sine(float(log_sine.mean()))
        z = (by_likelihood - 1) / 2
        bend = special.polygamma(1, z) - special.polygamma(1, z + 0.5)
        return EffectiveDimension(
            estimate(square, by_square, by_square**2),
            estimate(spread, by_variance, by_variance**2),
            estimate(turned, by_angle, 4 / special.polygamma(2, by_angle / 2)),
            estimate(log_sine, by_likelihood, 4 / bend),
            len(first),
        )


def isotropy_test(vectors: Any, centred: bool = False, seed: int = 0) -> IsotropyTest:
    """Test whether directions of vectors favour none, as those of normal vectors do.

    Args:
        vectors: (N, d), independent, at least 4 (8 if centred), none zero; d of 2 or more.
        centred: test the spread about an unknown centre instead: of differences of pairs that share
            no vector, which are independent whatever the centre is.
        seed: decides which vectors are paired.

    Raises:
        TypeError: these are no numbers.
        ValueError: too few vectors or dimensions, a vector is zero, a number is not finite, or all
            vectors are the same.

    Examples:
        >>> normal = np.random.default_rng(0).normal(size=(500, 100))
        >>> isotropy_test(normal).pvalue > 0.05, isotropy_test(normal + 0.2).pvalue < 1e-9
        (True, True)

    Source: Mardia, Jupp (2000), "Directional Statistics", chapter 10; with many dimensions:
    Paindaveine, Verdebout (2016), "On High-Dimensional Sign Tests".
    """
    who = "isotropy_test"
    found, _ = _set(who, vectors, centred)
    count, d = found.shape
    if centred and count < 8:
        raise ValueError(f"{who} needs at least 8 vectors to remove their centre; got {count}")
    order = torch.from_numpy(np.random.default_rng(seed).permutation(count))
    first, second = order[: count // 2], order[count // 2 : 2 * (count // 2)]
    if centred:
        found = found[first].double() - found[second].double()
        _directed(who, found, "differences of paired vectors; leave duplicates out")
        count = len(found)
        first, second = torch.arange(count)[: count // 2], torch.arange(count)[-(count // 2) :]
    theta = _angles(found, torch.zeros(1), first.numpy(), second.numpy())
    by_angles = float(stats.kstest(theta, angle(d).cdf).pvalue)
    cosines, squares = (each / (count * (count - 1)) for each in _sums(who, found))
    # both are standardised by their exact spread; chi-squared laws hold for any number of axes
    pairs, axes = count * (count - 1) / 2, (d - 1) * (d + 2) / 2
    shift = (squares - 1 / d) / math.sqrt(2 * (d - 1) / (d + 2) / pairs) * d
    by_axes = float(stats.chi2.sf(axes + shift * math.sqrt(2 * axes), axes))
    by_mean = float(stats.chi2.sf(d + cosines * math.sqrt(pairs * d * 2 * d), d))
    every = [by_axes, by_angles] if centred else [by_mean, by_axes, by_angles]
    overall = min(1.0, len(every) * min(every))
    return IsotropyTest(overall, None if centred else by_mean, by_axes, by_angles)


def _set(who: str, vectors: Any, centred: bool) -> tuple[Tensor, Tensor]:
    """Checked vectors, and the centre to subtract."""
    found = _check.samples(who, "vectors", vectors).detach()
    if found.dtype == torch.float64:  # no direction depends on a scale, and a mean can be too large
        found = _scale.unit(found)[0]
    if found.shape[1] < 2:
        raise ValueError(
            f"{who} needs vectors (N, d) with d of 2 or more; got {tuple(found.shape)}"
        )
    _check.varies(who, "vectors", found)
    if not centred:
        _directed(who, found, "vectors; leave them out")
    return found, found.mean(0, dtype=torch.float64) if centred else torch.zeros(1)


def _directed(who: str, vectors: Tensor, what: str) -> None:
    if zero := int((vectors == 0).all(1).sum()):
        raise ValueError(f"{who} needs a direction; got {zero} zeros among {len(vectors)} {what}")


def _pairs(count: int, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of all pairs, or of so many drawn at random."""
    if count * (count - 1) // 2 <= most:
        first, second = np.triu_indices(count, 1)
        return first, second
    draw = np.random.default_rng(seed)
    first, second = draw.integers(count, size=most), draw.integers(count - 1, size=most)
    return first, second + (second >= first)


def _angles(vectors: Tensor, centre: Tensor, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles of pairs, a chunk of gathered vectors at a time."""
    size, centre = max(1, CHUNK // vectors.shape[1]), centre.to(vectors.device)
    parts = []
    for start in range(0, len(first), size):
        sides = (torch.from_numpy(side[start : start + size]) for side in (first, second))
        u, v = (vectors[side.to(vectors.device)].double() - centre for side in sides)
        parts.append(angle_between(u, v))
    return np.concatenate(parts)


def _error(values: np.ndarray, first: np.ndarray, second: np.ndarray, count: int) -> float:
    """The standard error of a mean over pairs that share vectors.

    What a vector adds to all its pairs, squared, over all vectors: pairs themselves are in there
    twice. Never below the error of independent pairs, as no covariance of two pairs is negative.
    """
    off = values - values.mean()
    each = np.bincount(first, off, count) + np.bincount(second, off, count)
    own = float(off @ off)
    return math.sqrt(max(own, float(each @ each) - own)) / len(off)


def _sums(who: str, vectors: Tensor) -> tuple[float, float]:
    """Sums over ordered pairs of the cosine and of its square."""
    count, d = vectors.shape
    if count <= d:
        unit = directions(who, "vectors", vectors)
        gram = unit @ unit.T
        return float(gram.sum()) - count, float((gram**2).sum()) - count
    total, second = (torch.zeros(size, dtype=torch.float64, device=vectors.device)
                     for size in ((d,), (d, d)))  # fmt: skip
    for part in vectors.split(max(1, CHUNK // d)):
        unit = directions(who, "vectors", part)
        total, second = total + unit.sum(0), second + unit.T @ unit
    return float(total @ total) - count, float((second**2).sum()) - count
