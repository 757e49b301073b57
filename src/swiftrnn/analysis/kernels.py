"""Kernels between samples, and how wide a Gaussian should be.

A kernel takes samples (n, d) and (m, d) and gives (n, m); one of several bandwidths (S) gives
(S, n, m). Any function that does the same is a kernel of your own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis import _check

Kernel = Callable[[Tensor, Tensor], Tensor]
FEW = 2000  # samples that a median distance is taken of


@dataclass(frozen=True)
class Gaussian:
    """exp(-|x - y|² / (2 bandwidth²)); characteristic: it sees every kind of dependence.

    Attributes:
        bandwidth: above 0; several as a tensor (S) give S matrices at once.

    Raises:
        ValueError: a bandwidth is not above 0.

    Example:
        >>> Gaussian(1.0)(torch.zeros(1, 2), torch.ones(1, 2)).item()  # exp(-1)
        0.3678...

    Source: Gretton et al. (2005), "Measuring Statistical Dependence with Hilbert-Schmidt Norms".
    """

    bandwidth: float | Tensor

    def __post_init__(self) -> None:
        if not bool((torch.as_tensor(self.bandwidth) > 0).all()):
            raise ValueError(f"Gaussian needs a bandwidth above 0; got {self.bandwidth}")

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """The matrix, or one for each bandwidth."""
        width = torch.as_tensor(self.bandwidth, dtype=x.dtype, device=x.device)
        return torch.exp(squared_distances(x, y) / (-2 * width.square()[..., None, None]))


@dataclass(frozen=True)
class Linear:
    """x · y; with it CKA and HSIC see linear dependence alone.

    Example:
        >>> Linear()(torch.ones(1, 2), torch.ones(1, 2)).item()
        2.0
    """

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """The matrix."""
        return x @ y.T


@dataclass(frozen=True)
class Delta:
    """1 where two samples are the same and 0 elsewhere: for classes and words.

    Example:
        >>> Delta()(torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0]])).T.tolist()
        [[0.0, 1.0]]
    """

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """The matrix."""
        return (x[:, None] == y).all(-1).to(x.dtype)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|² as (n, m), from one product; 0 at least, and exactly 0 from x to itself.

    Both are moved by x's mean first, so that far away from 0 no digits are lost.
    """
    middle = x.detach().mean(0)
    same, x = x is y, x - middle
    y = x if same else y - middle
    norms = x.square().sum(1), y.square().sum(1)
    found = (norms[0][:, None] + norms[1] - 2 * x @ y.T).clamp_min(0)
    return (
        found.masked_fill(torch.eye(len(x), dtype=torch.bool, device=x.device), 0)
        if same
        else found
    )


def median_bandwidth(x: Any, seed: int = 0) -> float:
    """The bandwidth at which 2 bandwidth² is the median squared distance of different samples.

    Others take the median distance itself, which is wider by the square root of 2.

    Args:
        x: (n) or (n, d); of more than 2,000 samples a random part decides.
        seed: of that.

    Raises:
        TypeError, ValueError: these are no samples, or they are all the same.

    Example:
        >>> median_bandwidth(torch.tensor([0.0, 0.0, 2.0, 2.0, 2.0]))  # most pairs are 2 apart
        1.414...
    """
    found = _check.samples("median_bandwidth", "x", x).detach()
    _check.varies("median_bandwidth", "x", found)
    if len(found) > FEW:
        draw = torch.Generator().manual_seed(seed)
        found = found[torch.randperm(len(found), generator=draw)[:FEW].to(found.device)]
    distances = torch.pdist(found.double()).square()
    middle = distances.median()
    if middle == 0:  # more than half of the samples are one: what is left decides
        distances = distances[distances > 0]
        if not len(distances):
            raise ValueError(
                f"median_bandwidth needs samples that differ as x; got {FEW} equal ones in a "
                "random part; give a bandwidth"
            )
        middle = distances.median()
    return float((middle / 2).sqrt())


def of_samples(x: Tensor) -> Gaussian:
    """The Gaussian at the median bandwidth of samples, which is fixed for gradients."""
    return Gaussian(median_bandwidth(x))
