"""Integrals of powers of the sine, exact far out in their tails and in many dimensions.

They take both the cosine and the sine of an angle theta in 0..pi: close to a right angle the sine
has lost what the cosine still has, and close to 0 the cosine what the sine has.
"""

import math
from typing import Any

import numpy as np

from swiftrnn.analysis._scipy import special

LARGE = 20.0  # from here on the terms below give log Gamma(z + 1/2) - log Gamma(z) to all digits
SERIES = (-1 / 8, 1 / 192, -1 / 640, 17 / 14336, -31 / 18432)  # of z^-1, z^-3, z^-5 ...
NODES, WEIGHTS = np.polynomial.laguerre.laggauss(32)
TINY = 1e-250  # below, probabilities are near the smallest float: their logarithm is integrated


def log_ratio(z: Any) -> Any:
    """log Gamma(z + 1/2) - log Gamma(z), without their difference where both are large."""
    far = np.maximum(z, LARGE)
    series = np.log(far) / 2 + sum(c * far ** (-1 - 2 * k) for k, c in enumerate(SERIES))
    near = np.minimum(z, LARGE)
    return np.where(z < LARGE, special.gammaln(near + 0.5) - special.gammaln(near), series)


def log_ratio_slope(z: Any) -> Any:
    """Its derivative, digamma(z + 1/2) - digamma(z)."""
    far = np.maximum(z, LARGE)
    terms = (-(1 + 2 * k) * c * far ** (-2 - 2 * k) for k, c in enumerate(SERIES))
    near = np.minimum(z, LARGE)
    exact = special.digamma(near + 0.5) - special.digamma(near)
    return np.where(z < LARGE, exact, 0.5 / far + sum(terms))


def log_factor(n: Any) -> Any:
    """log of Gamma(n/2) / (Gamma((n-1)/2) sqrt(pi)), which makes the density's integral 1."""
    return log_ratio((n - 1) / 2) - math.log(math.pi) / 2


def log_power(cosine: Any, sine: Any, power: Any) -> Any:
    """power log(sine), by the cosine near the right angle, where the sine is rounded to 1."""
    square = np.minimum(cosine * cosine, 0.5)
    near = special.xlog1py(power / 2, -square)
    return np.where(square < 0.5, near, special.xlogy(power, sine))


def below(cosine: Any, sine: Any, n: Any) -> Any:
    """P(angle <= theta) of the cosine and the sine of theta."""
    p = acute(np.abs(cosine), sine, n)
    return np.where(cosine >= 0, p, 1 - p)


def log_below(cosine: Any, sine: Any, n: Any) -> Any:
    """log P(angle <= theta), also where that is 0 as a float."""
    cosine, sine, n = np.broadcast_arrays(cosine, sine, n)
    p = acute(np.abs(cosine), sine, n)
    with np.errstate(divide="ignore"):
        found = np.where(cosine >= 0, np.log(p), np.log1p(-p))
    tiny = (cosine >= 0) & (p < TINY)
    if tiny.any():
        found[tiny] = log_acute(cosine[tiny], sine[tiny], n[tiny])
    return found


def acute(cosine: Any, sine: Any, n: Any) -> Any:
    """P(angle <= theta) for theta of at most a right angle."""
    cosine, sine, n = np.broadcast_arrays(cosine, sine, n)
    half, square = (n - 1) / 2, np.minimum(cosine * cosine, 1.0)
    by_sine = special.betainc(half, 0.5, np.minimum(sine * sine, 1.0))
    found = np.asarray(np.where(square < 0.5, special.betaincc(0.5, half, square), by_sine) / 2)
    if (tiny := sine < 1e-8).any():  # its square may be too small for a float
        found[tiny] = np.exp(log_acute(cosine[tiny], sine[tiny], n[tiny]))
    return found


def log_acute(cosine: Any, sine: Any, n: Any) -> Any:
    """The logarithm of `acute`, deep in the tail, by Gauss-Laguerre quadrature.

    With eta^2 = 1 - sine^2 exp(-2 v / (n-1)) the integral of (1 - eta^2)^((n-3)/2) over eta, a
    cosine, becomes sine^(n-1) / (n-1) times that of exp(-v) / eta over v, where eta hardly changes.
    """
    total = 0.0
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        total += weight / np.sqrt(cosine**2 - sine**2 * np.expm1(-2 * node / (n - 1)))
    with np.errstate(divide="ignore"):
        return log_factor(n) + log_power(cosine, sine, n - 1) + np.log(total / (n - 1))


def quantile(q: Any, n: Any) -> Any:
    """The angle below which a share q of at most a half lies."""
    half = (n - 1) / 2
    sine2, cosine2 = special.betaincinv(half, 0.5, 2 * q), special.betainccinv(0.5, half, 2 * q)
    with np.errstate(divide="ignore"):  # the square of a small sine may be too small for a float
        small = np.exp((np.log(q * (n - 1)) - log_factor(n)) / (n - 1))
    return np.where(sine2 < 1e-30, small, np.arctan2(np.sqrt(sine2), np.sqrt(cosine2)))
