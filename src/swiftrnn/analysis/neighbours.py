"""Entropy and mutual information of continuous samples, in bits, from nearest neighbours.

Distances are the largest difference in any coordinate. Memory is (chunk, n), whatever n.
"""

import math
from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis import _check

CHUNK = 512


@torch.no_grad()
def kozachenko_leonenko(values: Any, k: int = 2, least: float = 0.0, chunk: int = CHUNK) -> Tensor:
    """Differential entropy of continuous samples: `psi(n) - psi(k) + d mean log(2 eps_i)`.

    eps_i is the distance to the k-th neighbour. Of a layer of a network this is an entropy and no
    I(X;T), which would be infinite; it may be negative.

    Args:
        values: samples (n, d).
        k: which neighbour, 1 to n - 1; Saxe et al. take 2.
        least: shorter distances count as this one. Copies, of units that saturate, need some; the
            entropy then depends on it.
        chunk: rows at a time.

    Returns:
        Bits, a scalar of float64.

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite or too few, k does not fit, or there are copies and no least
            distance.

    Example:
        >>> uniform = torch.rand(1000, generator=torch.Generator().manual_seed(0)) * 4
        >>> abs(kozachenko_leonenko(uniform).item() - 2) < 0.2  # of an interval of 4: 2 bits
        True

    Source: Kraskov, Stoegbauer, Grassberger (2004), "Estimating mutual information", Physical
        Review E 69, equation 20.
    """
    found = _check.samples("kozachenko_leonenko", "values", values).double()
    _rank("kozachenko_leonenko", k, found)
    far = torch.cat(
        [_distances(rows, found).kthvalue(k + 1, dim=1).values for rows in found.split(chunk)]
    )
    _no_copies("kozachenko_leonenko", far.clamp(min=least), k)
    n, d = found.shape
    spread = d * (2 * far.clamp(min=least)).log().mean()
    return (_psi(n) - _psi(k) + spread) / math.log(2)


@torch.no_grad()
def ksg(x: Any, y: Any, k: int = 3, chunk: int = CHUNK) -> Tensor:
    """Mutual information of continuous variables, by the first estimator of Kraskov et al.

    `I = psi(k) + psi(n) - mean(psi(n_x + 1) + psi(n_y + 1))`: n_x and n_y count the samples that
    are nearer in x alone, and in y alone, than the k-th neighbour is in both.

    Args:
        x: samples (n, d).
        y: samples (n, e), drawn together with x. Bring both to like scales.
        k: which neighbour, 1 to n - 1; more gives less variance and more bias.
        chunk: rows at a time.

    Returns:
        Bits, a scalar of float64; around 0 for independent samples, at times below it.

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite, too few, of unequal length or constant; k does not fit; or
            there are copies, so that the samples are not continuous.

    Example:
        >>> x = torch.randn(1000, generator=torch.Generator().manual_seed(0))
        >>> 3 < ksg(x, x + 0.01 * x.flip(0)).item() < 8
        True

    Source: Kraskov, Stoegbauer, Grassberger (2004), equation 8.
    """
    first = _check.samples("ksg", "x", x).double()
    second = _check.samples("ksg", "y", y).double()
    _check.same_length("ksg", x=first, y=second)
    _check.varies("ksg", "x", first)
    _check.varies("ksg", "y", second)
    _rank("ksg", k, first)
    n, total = len(first), first.new_zeros(())
    for a, b in zip(first.split(chunk), second.split(chunk), strict=True):
        in_x, in_y = _distances(a, first), _distances(b, second)
        far = torch.maximum(in_x, in_y).kthvalue(k + 1, dim=1).values
        _no_copies("ksg", far, k)
        for each in (in_x, in_y):
            nearer = (each < far[:, None]).sum(1)  # with the sample itself: n_x + 1
            total += torch.special.digamma(nearer.double()).sum()
    return (_psi(k) + _psi(n) - total / n) / math.log(2)


def _distances(rows: Tensor, all_rows: Tensor) -> Tensor:
    """(r, n), the largest difference over the units, one unit at a time to save memory."""
    far = rows.new_zeros(len(rows), len(all_rows))
    for mine, theirs in zip(rows.unbind(1), all_rows.unbind(1), strict=True):
        torch.maximum(far, (mine[:, None] - theirs).abs_(), out=far)
    return far


def _psi(count: int) -> float:
    return float(torch.special.digamma(torch.tensor(float(count), dtype=torch.float64)))


def _rank(who: str, k: int, found: Tensor) -> None:
    if not 1 <= k < len(found):
        raise ValueError(
            f"{who} needs k from 1 to {len(found) - 1}, one less than the samples; got {k}; take 3"
        )


def _no_copies(who: str, far: Tensor, k: int) -> None:
    copies = int((far <= 0).sum())
    if copies:
        raise ValueError(
            f"{who} needs continuous samples; got {copies} with {k} or more copies; "
            "add a little noise to them"
        )
