"""The angle between random directions in n dimensions: its distribution, p-values of cosines.

    p(theta) = Gamma(n/2) / (Gamma((n-1)/2) sqrt(pi)) sin(theta)^(n-2),     theta in 0..pi

Its mean is pi / 2 and its variance trigamma(n / 2) / 2, about 1 / n; one direction may be fixed.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swiftrnn.analysis import _check
from swiftrnn.analysis._scipy import _ShapeInfo, special, stats
from swiftrnn.analysis.samples import _tails
from swiftrnn.analysis.samples.dimension import dimension_of_log_sine


class Angle(stats.rv_continuous):
    """The distribution of the angle; used through `angle`, as `scipy.stats.norm` is.

    `angle(n)` has all that frozen distributions of SciPy have (pdf, cdf, sf, their logarithms, ppf,
    isf, rvs, fit, moments, entropy, interval ...) for n of 2 or more, whole or not. `angle.fit`
    needs no bounds; `scipy.stats.fit(angle, data, bounds={"n": (2, 1000)})` searches within them.

    Examples:
        >>> float(np.degrees(angle(768).std()).round(3))  # about 1 / sqrt(n) radians
        2.069
        >>> print(f"{angle(768).cdf(np.radians(80)):.3g}")
        6.35e-07

    Source: Cai, Fan, Jiang (2013), "Distributions of Angles in Random Packing on Spheres", JMLR 14
    (the density); moments follow from its characteristic function, a ratio of Gamma functions.
    """

    def freeze(self, *args: Any, **kwds: Any) -> Any:
        """A distribution whose n is fixed; loc and scale as in SciPy.

        Raises:
            ValueError: n is below 2 or not finite.
        """
        frozen = super().freeze(*args, **kwds)
        _dimensions("angle", frozen.args[0] if frozen.args else frozen.kwds["n"])
        return frozen

    def fit(self, data: Any, *args: Any, **kwds: Any) -> tuple[float, ...]:
        """The n of greatest likelihood, at least 2; then loc 0 and scale 1, which stay as they are.

        Args:
            data: at least 4 angles, in radians.
            *args: a start. With it, or with keywords other than floc=0 and fscale=1, SciPy's own
                search fits loc and scale too.
            **kwds: as in SciPy.

        Raises:
            ValueError: there are fewer angles, or one is not in 0..pi.
        """
        if args or {"floc": 0, "fscale": 1} | kwds != {"floc": 0, "fscale": 1}:
            return super().fit(data, *args, **kwds)
        theta = _check.samples("angle.fit", "data", data).double().numpy(force=True)
        if theta.min() < 0 or theta.max() > np.pi:
            raise ValueError(
                f"angle.fit needs angles in 0..pi, in radians; got {theta.min():g} to "
                f"{theta.max():g}; convert degrees by numpy.radians"
            )
        mean = float(_tails.log_power(np.cos(theta), np.sin(theta), 1.0).mean())
        return max(2.0, dimension_of_log_sine(mean)), 0.0, 1.0

    def _shape_info(self):  # what scipy.stats.fit asks for
        return [_ShapeInfo("n", False, (2, np.inf), (True, False))]

    def _argcheck(self, *n):
        return (n[0] >= 2) & np.isfinite(n[0])

    def _logpdf(self, x, *n):
        return _tails.log_factor(*n) + _tails.log_power(np.cos(x), np.sin(x), n[0] - 2)

    def _pdf(self, x, *n):
        return np.exp(self._logpdf(x, *n))

    def _cdf(self, x, *n):
        return _tails.below(np.cos(x), np.sin(x), *n)

    def _sf(self, x, *n):
        return _tails.below(-np.cos(x), np.sin(x), *n)

    def _logcdf(self, x, *n):
        return _tails.log_below(np.cos(x), np.sin(x), *n)

    def _logsf(self, x, *n):
        return _tails.log_below(-np.cos(x), np.sin(x), *n)

    def _ppf(self, q, *n):
        near = _tails.quantile(np.minimum(q, 1 - q), *n)
        return np.where(q <= 0.5, near, np.pi - near)

    def _isf(self, q, *n):
        return np.pi - self._ppf(q, *n)

    def _rvs(self, *n, size=None, random_state=None):
        draw: Any = random_state  # a normal vector against the first axis: exact in both tails
        return np.arctan2(np.sqrt(draw.chisquare(n[0] - 1, size)), draw.standard_normal(size))

    def _stats(self, *n, **_):
        var = special.polygamma(1, n[0] / 2) / 2
        kurtosis = -special.polygamma(3, n[0] / 2) / 8 / var**2
        return np.full_like(var, np.pi / 2), var, np.zeros_like(var), kurtosis

    def _munp(self, n, *args):
        order, half = int(n), args[0] / 2
        # E exp(i t (angle - pi / 2)) = Gamma(half)^2 / (Gamma(half + t / 2) Gamma(half - t / 2))
        cumulants: list[Any] = [0.0, np.pi / 2, *[0.0] * order]
        for r in range(2, order + 1, 2):
            cumulants[r] = -2 * (-0.25) ** (r // 2) * special.polygamma(r - 1, half)
        moments = [np.ones_like(half)]
        for r in range(1, order + 1):
            terms = (math.comb(r - 1, j - 1) * cumulants[j] * moments[-j] for j in range(1, r + 1))
            moments.append(sum(terms))
        return moments[order]

    def _entropy(self, *n):
        return (n[0] - 2) * _tails.log_ratio_slope((n[0] - 1) / 2) / 2 - _tails.log_factor(*n)


angle = Angle(a=0.0, b=math.pi, name="angle", shapes="n")


def cosine(n: float) -> Any:
    """The distribution of the cosine of the angle: SciPy's Beta((n - 1) / 2, (n - 1) / 2) on -1..1.

    Raises:
        ValueError: n is below 2 or not finite.

    Examples:
        >>> float(cosine(100).var())
        0.01
    """
    half = (_dimensions("cosine", n) - 1) / 2
    return stats.beta(half, half, loc=-1, scale=2)


def angle_between(first: Any, second: Any) -> np.ndarray:
    """Angles between vectors, in radians; those near 0 and pi are exact too.

    Args:
        first: (..., n) vectors.
        second: (..., n), as many, or one for all.

    Returns:
        (...) of 0..pi: 2 atan2(|u - v|, |u + v|) of the vectors at unit length.

    Raises:
        TypeError: these are no numbers.
        ValueError: the shapes do not fit together, a vector is zero, or a number is not finite.

    Examples:
        >>> float(np.degrees(angle_between([1.0, 0.0], [1.0, 1.0])).round(9))
        45.0

    Source: Kahan (2006), "How Futile are Mindless Assessments of Roundoff in Floating-Point
    Computation?", on angles.
    """
    u, v = (
        directions("angle_between", name, value)
        for name, value in (("first", first), ("second", second))
    )
    try:
        torch.broadcast_shapes(u.shape[:-1], v.shape[:-1])
        fits = u.shape[-1] == v.shape[-1]
    except RuntimeError:
        fits = False
    if not fits:
        raise ValueError(
            "angle_between needs as many vectors of one length; got "
            f"{tuple(u.shape)} and {tuple(v.shape)}; pair them first"
        )
    apart, along = (torch.linalg.vector_norm(each, dim=-1) for each in (u - v, u + v))
    return (2 * torch.atan2(apart, along)).numpy(force=True)[()]


def directions(who: str, name: str, vectors: Any) -> Tensor:
    """Vectors (..., n) at unit length, in float64.

    Raises:
        TypeError: these are no numbers.
        ValueError: a vector is zero or empty, or a number is not finite; `who` needs it.
    """
    found = _check.numbers(who, name, vectors).detach().double()
    _check.finite(who, name, found)
    found = found if found.ndim else found[None]
    size = found.abs().amax(-1, keepdim=True) if found.shape[-1] else torch.zeros(1)
    if not bool((size > 0).all()):
        raise ValueError(
            f"{who} needs vectors with a direction as {name}; got {int((size == 0).sum())} of "
            f"{size.numel()} that are zero; leave them out"
        )
    found = found / size  # so that no square is too large or too small
    return found / torch.linalg.vector_norm(found, dim=-1, keepdim=True)


def cosine_pvalue(
    cosine: Any, n: float, alternative: str = "two-sided", log: bool = False
) -> np.ndarray | float:
    """How likely random directions have a cosine like this one or a more extreme one.

    Args:
        cosine: (...) of -1..1.
        n: dimensions, 2 or more.
        alternative: "two-sided" (as far from 0), "greater" (this or above) or "less".
        log: give natural logarithms, exact even where the p-value is 0 as a float.

    Returns:
        (...) of 0..1, or their logarithms.

    Raises:
        TypeError: these are no numbers.
        ValueError: a cosine is not in -1..1, n is below 2, or there is no such alternative.

    Examples:
        >>> print(f"{cosine_pvalue(0.1, 768):.6f}")
        0.005511
        >>> print(f"{cosine_pvalue(0.9, 768, 'greater', log=True):.2f}")
        -641.03
    """
    value = _check.numbers("cosine_pvalue", "cosine", cosine)
    _check.finite("cosine_pvalue", "cosine", value)
    slack = 8 * torch.finfo(value.dtype).eps  # rounded sums of products end a little above 1
    if bool((value.abs() > 1 + slack).any()):
        worst = float(value.flatten()[value.abs().argmax()])
        raise ValueError(
            f"cosine_pvalue needs cosines in -1..1; got {worst:g}; divide by both lengths"
        )
    c = value.double().numpy(force=True).clip(-1, 1)
    return _pvalue("cosine_pvalue", c, np.sqrt((1 - c) * (1 + c)), n, alternative, log)


def cosine_test(
    first: Any, second: Any, alternative: str = "two-sided", log: bool = False
) -> np.ndarray | float:
    """`cosine_pvalue` of vectors: (..., n) and as many, or one for all.

    Raises:
        TypeError, ValueError: as `angle_between` and `cosine_pvalue` do.

    Examples:
        >>> cosine_test([[3.0, 4.0, 0.0], [1.0, 1.0, 1.0]], [1.0, 0.0, 0.0], "greater").round(4)
        array([0.2   , 0.2113])
    """
    theta = angle_between(first, second)
    n = _check.numbers("cosine_test", "first", first).shape[-1]
    return _pvalue("cosine_test", np.cos(theta), np.sin(theta), n, alternative, log)


def largest_cosine(count: int, n: float) -> float:
    """The expected largest |cosine| among all pairs of so many random directions.

    Pairs are taken as independent, which two of them are and all of them are not: exact for two
    directions, and in the limit of many.

    Args:
        count: of directions, 2 or more.
        n: dimensions, 2 or more.

    Raises:
        ValueError: count or n is below 2.

    Examples:
        >>> round(largest_cosine(1000, 768), 3)
        0.174

    Source: Cai, Fan, Jiang (2013), "Distributions of Angles in Random Packing on Spheres".
    """
    n = _dimensions("largest_cosine", n)
    if not 2 <= count < math.inf:
        raise ValueError(f"largest_cosine needs a count of 2 or more directions; got {count}")
    pairs, step = count * (count - 1) / 2, 1 / 64
    g = np.arange(-8, 64, step)  # P(all pairs below) = exp(-exp(-g)); a sum over g converges fast
    above = -np.expm1(-np.exp(-g) / pairs)
    places = np.sqrt(special.betainccinv(0.5, (n - 1) / 2, above))
    return float(np.sum(places * np.exp(-g - np.exp(-g))) * step)


def log_density(theta: Any, n: Tensor | float) -> Tensor:
    """The log density in torch, differentiable in the angle and in n.

    Args:
        theta: (...) angles in 0..pi, radians; -inf comes out of others.
        n: dimensions, 2 or more; a tensor may have gradients.

    Raises:
        TypeError: these are no numbers.
        ValueError: n is below 2, or a number is not finite.

    Examples:
        >>> log_density(torch.tensor(1.0), 3).exp()  # half the sine of 1
        tensor(0.4207)
    """
    given = _check.numbers("log_density", "theta", theta)
    _check.finite("log_density", "theta", given)
    theta, kind = given.double(), _check.wide(given).dtype
    n = torch.as_tensor(n, dtype=torch.float64, device=theta.device)  # float32 loses the factor
    _dimensions("log_density", n)
    factor = torch.lgamma(n / 2) - torch.lgamma((n - 1) / 2) - math.log(math.pi) / 2
    square = theta.cos() ** 2
    near = square < 0.5  # to the right angle, where the sine itself is rounded to 1
    flat = torch.log1p(-torch.where(near, square, 0.0)) / 2
    inside = (theta >= 0) & (theta <= math.pi) | (given == given.new_tensor(math.pi))
    steep = torch.xlogy(n - 2, torch.where(near | ~inside, 1.0, theta.sin().clamp_min(0)))
    found = (factor + torch.where(near, (n - 2) * flat, steep)).to(kind)
    return torch.where(inside, found, -torch.inf)


def draw(axes: Any, dimensions: Sequence[float] = (2, 3, 10, 50, 200, 1000)) -> None:
    """Draw the densities of angles on matplotlib axes, per degree.

    Args:
        axes: to draw on.
        dimensions: a curve each, 2 or more.

    Raises:
        ValueError: one is below 2 or not finite.
    """
    degrees = np.linspace(0, 180, 721)
    for n in np.atleast_1d(_dimensions("draw", dimensions)):
        axes.plot(degrees, angle.pdf(np.radians(degrees), n) * np.pi / 180, label=f"n = {n:g}")
    axes.set_xlabel("angle, degrees")
    axes.set_ylabel("density, per degree")
    axes.set_xticks(range(0, 181, 30))
    axes.legend()


def _dimensions(who: str, n: Any) -> Any:
    value = _check.numbers(who, "n", n).detach()
    good = (value >= 2) & torch.isfinite(value)
    if not bool(good.all()):
        raise ValueError(
            f"{who} needs n of 2 or more dimensions, finite; got {float(value[~good].flatten()[0])}"
        )
    return value.double().numpy(force=True)[()]


def _pvalue(who: str, cosine: Any, sine: Any, n: Any, alternative: str, log: bool) -> Any:
    n, sides = _dimensions(who, n), ("two-sided", "greater", "less")
    if alternative not in sides:
        raise ValueError(
            f"{who} needs one of {', '.join(sides)} as alternative; got {alternative!r}"
        )
    if alternative == "two-sided":
        found = math.log(2) + _tails.log_below(np.abs(cosine), sine, n)
    else:
        found = _tails.log_below(cosine if alternative == "greater" else -cosine, sine, n)
    return (found if log else np.exp(found))[()]
