"""The number of dimensions whose random directions have angles like these."""

import math
from collections.abc import Callable

from swiftrnn.analysis._scipy import special
from swiftrnn.analysis.samples import _tails


def dimension_of_variance(variance: float) -> float:
    """The n whose angles vary so much: the inverse of trigamma(n / 2) / 2.

    Args:
        variance: of angles in radians; the plane has 0.822, more gives n below 2, and 0 infinity.

    Raises:
        ValueError: it is negative or infinite.

    Examples:
        >>> from swiftrnn.analysis.samples.angles import angle
        >>> round(dimension_of_variance(float(angle(768).var())), 6)
        768.0
    """
    if not 0 <= variance < math.inf:
        raise ValueError(f"dimension_of_variance needs a variance of 0 or more; got {variance}")
    return 2 * _solved(lambda z: float(special.polygamma(1, z)), 2 * variance)


def dimension_of_log_sine(mean: float) -> float:
    """The n of greatest likelihood for angles whose sines have this mean logarithm.

    Raises:
        ValueError: it is above 0, or infinite.

    Examples:
        >>> round(dimension_of_log_sine(-math.log(2)), 6)  # the mean on a circle
        2.0
    """
    if not -math.inf < mean <= 0:
        raise ValueError(f"dimension_of_log_sine needs a mean of 0 or less; got {mean}")
    return 1 + 2 * _solved(lambda z: float(_tails.log_ratio_slope(z)), -2 * mean)


def _solved(falling: Callable[[float], float], target: float) -> float:
    """Where a function that falls from infinity to 0 has this value, by halving the logarithm."""
    if not target > 0:
        return math.inf
    low, high = -70.0, 70.0
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(math.exp(middle)) > target else (low, middle)
    return math.exp((low + high) / 2)
