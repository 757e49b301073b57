"""Kernels between samples, and how wide a Gaussian should be.

A kernel takes samples (n, d) and (m, d) and gives (n, m); one of several bandwidths (S) gives
(S, n, m). Any function that does the same is a kernel of your own; instruments call it with
float64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from swiftrnn.analysis import _check, _scale

Kernel = Callable[[Tensor, Tensor], Tensor]
FEW = 2000  # samples that a median distance is taken of
FEWER = 200  # samples that tell its order of magnitude
AT_ONCE = 2**22  # numbers of differences that are in memory together


@dataclass(frozen=True)
class Gaussian:
    """exp(-|x - y|² / (2 bandwidth²)); characteristic: it sees every kind of dependence.

    Attributes:
        bandwidth: above 0 and finite; several as a tensor (S) give S matrices at once.

    Raises:
        ValueError: a bandwidth is not above 0, or not finite.

    Examples:
        >>> Gaussian(1.0)(torch.zeros(1, 2), torch.ones(1, 2)).item()  # exp(-1)
        0.3678...

    Source: Gretton et al. (2005), "Measuring Statistical Dependence with Hilbert-Schmidt Norms".
    """

    bandwidth: float | Tensor

    def __post_init__(self) -> None:
        given = torch.as_tensor(self.bandwidth, dtype=torch.float64)
        if not bool(((given > 0) & given.isfinite()).all()):
            raise ValueError(f"Gaussian needs a bandwidth above 0; got {self.bandwidth}")

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """The matrix, or one for each bandwidth."""
        return torch.exp(self._exponents(x, y))

    def less_one(self, x: Tensor, y: Tensor) -> Tensor:
        """The matrix less 1: to all digits also where the bandwidth is far above distances."""
        return torch.expm1(self._exponents(x, y))

    def _exponents(self, x: Tensor, y: Tensor) -> Tensor:
        width = torch.as_tensor(self.bandwidth, dtype=torch.float64, device=x.device)
        power, same = _scale.exponent(width), x is y
        x = _scale.shifted(_check.wide(x), -power)
        y = x if same else _scale.shifted(_check.wide(y), -power)
        width = _scale.shifted(width, -power).to(x.dtype)[..., None, None]
        return squared_distances(x, y) / width / width / -2  # its square could be too small


@dataclass(frozen=True)
class Linear:
    """x · y; with it CKA and HSIC see linear dependence alone.

    Examples:
        >>> Linear()(torch.ones(1, 2), torch.ones(1, 2)).item()
        2.0
    """

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """The matrix."""
        return x @ y.T


@dataclass(frozen=True)
class Delta:
    """1 where two samples are the same and 0 elsewhere: for classes and words.

    Examples:
        >>> Delta()(torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0]])).T.tolist()
        [[0.0, 1.0]]
        >>> Delta()(["a", "b"], ["b"]).T.tolist()
        [[0.0, 1.0]]
    """

    def __call__(self, x: Any, y: Any) -> Tensor:
        """The matrix; of words (n) or (n, d) and numbers, in an array or a list."""
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            kind = x.dtype if x.is_floating_point() else torch.float64
            return (x[:, None] == y).flatten(2).all(-1).to(kind)
        a, b = (np.asarray(each) for each in (x, y))
        a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
        return torch.from_numpy((a[:, None] == b).all(-1).astype(np.float64))


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|² as (n, m), exactly 0 where samples are the same.

    From one product, of samples less x's mean; where that has lost digits, because two samples are
    much nearer to one another than to the mean, from their difference.
    """
    middle = x.detach().mean(0)
    a, b = x - middle, y - middle
    sizes = a.square().sum(1)[:, None] + b.square().sum(1)
    found = sizes - 2 * a @ b.T
    lost = ~(found > 64 * torch.finfo(x.dtype).eps ** 0.5 * sizes)  # and where that is nan
    places = lost.nonzero()
    step = max(1, AT_ONCE // max(1, x.shape[1]))
    exact = [(x[some[:, 0]] - y[some[:, 1]]).square().sum(1) for some in places.split(step)]
    return found.masked_scatter(lost, torch.cat(exact))


def median_bandwidth(x: Any, seed: int = 0) -> float:
    """The bandwidth at which 2 bandwidth² is the median squared distance of different samples.

    Others take the median distance itself, which is wider by the square root of 2. Where more than
    half of all distances are 0, the median is that of the others.

    Args:
        x: (n) or (n, d); of more than 2,000 samples a random part decides.
        seed: of that.

    Raises:
        TypeError, ValueError: these are no samples, or they are all the same; or the bandwidth is
            too large or too small for a float.

    Examples:
        >>> median_bandwidth(torch.tensor([0.0, 0.0, 2.0, 2.0, 2.0]))  # most pairs are 2 apart
        1.414...
    """
    who = "median_bandwidth"
    found = _check.samples(who, "x", x).detach()
    _check.varies(who, "x", found)
    width, power = _median(who, found.double(), seed)
    return float(_check.held(who, _scale.shifted(torch.tensor(width, dtype=torch.float64), power)))


def _median(who: str, x: Tensor, seed: int) -> tuple[float, int]:
    """A bandwidth of about 1, and the power of two that makes it that of x."""
    draw = torch.Generator().manual_seed(seed)
    if len(x) > FEW:
        x = x[torch.randperm(len(x), generator=draw)[:FEW].to(x.device)]
    x, power = _scale.unit(x)
    _alike(who, x)
    part = x[torch.linspace(0, len(x) - 1, min(len(x), FEWER), device=x.device).long()]
    far = torch.pdist(part, p=torch.inf)  # the largest of differences: no square is too small
    order = _scale.exponent(far[far > 0].median()) if bool((far > 0).any()) else 0
    x = _scale.shifted(x, -order)
    places = torch.triu_indices(len(x), len(x), 1, device=x.device)
    distances = squared_distances(x, x)[places[0], places[1]]
    middle = distances.median()
    if middle == 0:  # more than half of the samples are one: what is left decides
        middle = distances[distances > 0].median()
    return float((middle / 2).sqrt()), power + order


def _alike(who: str, x: Tensor) -> None:
    if bool((x == x[:1]).all()):
        raise ValueError(
            f"{who} needs samples that differ as x; got {len(x)} equal ones in a random part; "
            "give a bandwidth"
        )


def of_samples(x: Tensor) -> Gaussian:
    """The Gaussian at the median bandwidth of samples, which is fixed for gradients."""
    return Gaussian(median_bandwidth(x))


class Prepared(NamedTuple):
    """Samples that a kernel can take without losing digits.

    `kernel(samples, samples) 2^power` is what it was, up to what is added to all features.
    """

    samples: Tensor
    kernel: Kernel
    power: int


def prepared(who: str, samples: Tensor, kernel: Kernel | None, seed: int = 0) -> Prepared:
    """Samples and a kernel for instruments that see no additive constants.

    Args:
        who: asks, for messages.
        samples: checked, (n, d).
        kernel: None takes the Gaussian at their median bandwidth.
        seed: of that.
    """
    x = samples.double()
    if kernel is None:
        width, power = _median(who, x.detach(), seed)
        return Prepared(_scale.shifted(x, -power), Gaussian(width), 0)
    if isinstance(kernel, Linear):
        x, power = _scale.centred(x)
        return Prepared(x, kernel, 2 * power)
    return Prepared(x, kernel, 0)


def matrix(who: str, x: Tensor, y: Tensor, kernel: Kernel, less_one: bool = False) -> Tensor:
    """A kernel's matrix in float64, or several, checked.

    Raises:
        ValueError: the kernel gives another shape, or no finite numbers.
    """
    less = less_one and isinstance(kernel, Gaussian)
    found = kernel.less_one(x, y) if less and isinstance(kernel, Gaussian) else kernel(x, y)
    if not isinstance(found, Tensor) or found.shape[-2:] != (len(x), len(y)):
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(
            f"{who} needs a kernel that gives a tensor ({len(x)}, {len(y)}); got {got}; "
            "compare every sample with every other one"
        )
    found = found.double()
    if not bool(found.isfinite().all()):
        raise ValueError(
            f"{who} needs a kernel that gives finite numbers; got "
            f"{int((~found.isfinite()).sum())} of {found.numel()} that are not; scale the samples"
        )
    return found
