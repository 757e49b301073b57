"""HSIC, the Hilbert-Schmidt independence criterion: how far samples depend on one another.

With a Gaussian kernel it is 0 just where two variables are independent, whatever kind of dependence
there could be. The functions at the end take kernel matrices, batched if you like, and check
nothing: for losses. All are differentiable. For p-values see `independence`, for large n
`large_samples`.
"""

from functools import reduce
from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis import _check
from swiftrnn.analysis.kernels import Kernel, Linear, of_samples


def hsic(
    x: Any, y: Any, kernel_x: Kernel | None = None, kernel_y: Kernel | None = None,
    unbiased: bool = False,
) -> Tensor:  # fmt: skip
    """How far x and y depend on one another: 0 where they do not.

    Args:
        x: n samples, (n) or (n, d).
        y: the samples that were drawn together with x's, (n) or (n, e).
        kernel_x: see `kernels`; the Gaussian at x's median bandwidth unless given.
        kernel_y: the same for y.
        unbiased: right on average and sometimes below 0, by Song et al.; otherwise tr(KHLH) / n²,
            which is never below 0 and about 1/n too large.

    Returns:
        One number; one for each bandwidth, where kernels have several.

    Raises:
        TypeError, ValueError: these are no n pairs of samples, fewer than 4, or all the same.

    Example:
        >>> x = torch.randn(500, generator=torch.Generator().manual_seed(0))
        >>> print(f"{hsic(x, x.square()):.3f}")  # uncorrelated, and dependent
        0.047

    Source: Gretton et al. (2005), "Measuring Statistical Dependence with Hilbert-Schmidt Norms",
    section 3; Song et al. (2012), "Feature Selection via Dependence Maximization", theorem 2.
    """
    k, l = matrices("hsic", x, y, kernel_x, kernel_y)
    return (unbiased_of if unbiased else biased_of)(k, l)


def cka(
    x: Any, y: Any, kernel_x: Kernel | None = None, kernel_y: Kernel | None = None,
    unbiased: bool = False,
) -> Tensor:  # fmt: skip
    """Centred kernel alignment: HSIC as a correlation, to compare two layers' activations.

    Args:
        x: n samples, (n) or (n, d).
        y: the samples that were drawn together with x's, (n) or (n, e).
        kernel_x: `kernels.Linear` unless given: then rotations and scales change nothing.
        kernel_y: the same for y.
        unbiased: for few samples of many dimensions, where the other form is near 1 for any.

    Returns:
        One number: in 0..1 (unbiased: up to 1).

    Raises:
        TypeError, ValueError: as `hsic`.

    Example:
        >>> x = torch.randn(50, 3)
        >>> print(f"{cka(x, 2 * x + 1):.3f}")
        1.000

    Source: Kornblith et al. (2019), "Similarity of Neural Network Representations Revisited",
    section 3; the unbiased form: Nguyen, Raghu and Kornblith (2021), "Do Wide and Deep Networks
    Learn the Same Things?".
    """
    k, l = matrices("cka", x, y, kernel_x or Linear(), kernel_y or Linear())
    of = unbiased_of if unbiased else biased_of
    return of(k, l) / (of(k, k) * of(l, l)).sqrt()


def normalised_hsic(
    x: Any, y: Any, kernel_x: Kernel | None = None, kernel_y: Kernel | None = None,
    epsilon: float = 1e-3,
) -> Tensor:  # fmt: skip
    """HSIC of whitened features (NOCCO), which no kernel's scale changes.

    Args:
        x: n samples, (n) or (n, d).
        y: the samples that were drawn together with x's, (n) or (n, e).
        kernel_x: as for `hsic`.
        kernel_y: the same for y.
        epsilon: above 0; n of it are added to the eigenvalues, so that inverses exist.

    Returns:
        One number, 0 at least, and less than n.

    Raises:
        TypeError, ValueError: as `hsic`, or epsilon is not above 0.

    Example:
        >>> x = torch.randn(100, generator=torch.Generator().manual_seed(0))
        >>> bool(normalised_hsic(x, x) > normalised_hsic(x, x.flip(0)))
        True

    Source: Fukumizu et al. (2008), "Kernel Measures of Conditional Dependence", section 2.
    """
    if not epsilon > 0:
        raise ValueError(f"normalised_hsic needs an epsilon above 0; got {epsilon}")
    k, l = matrices("normalised_hsic", x, y, kernel_x, kernel_y)
    return (whitened(k, epsilon) * whitened(l, epsilon)).sum((-2, -1))


def dhsic(*variables: Any, kernels: Any = None) -> Tensor:
    """HSIC of two or more variables: 0 where they are jointly independent.

    Three variables may depend on one another though no two of them do, as x, y and x xor y.

    Args:
        variables: n samples each, (n) or (n, d).
        kernels: one for each; Gaussians at the median bandwidths unless given.

    Returns:
        One number, 0 at least; of two variables, what `hsic` gives.

    Raises:
        TypeError, ValueError: as `hsic`, or fewer than two variables, or as many kernels.

    Example:
        >>> bits = torch.randint(2, (2, 500), generator=torch.Generator().manual_seed(0))
        >>> a, b = bits.double()
        >>> bool(dhsic(a, b, (a + b) % 2) > 10 * hsic(a, (a + b) % 2))
        True

    Source: Pfister et al. (2018), "Kernel-based Tests for Joint Independence", definition 2.
    """
    return joint_of(*joint_matrices("dhsic", variables, kernels))


def matrices(
    who: str, x: Any, y: Any, kernel_x: Kernel | None, kernel_y: Kernel | None
) -> tuple[Tensor, Tensor]:
    """Both kernel matrices of samples that were checked."""
    k, l = joint_matrices(who, (x, y), (kernel_x, kernel_y), ("x", "y"))
    return k, l


def joint_matrices(
    who: str, variables: Any, kernels: Any = None, names: Any = None
) -> list[Tensor]:
    """A kernel matrix for each of several variables that were checked."""
    names = names or [f"variable_{i + 1}" for i in range(len(variables))]
    kernels = kernels or [None] * len(variables)
    if len(variables) < 2 or len(kernels) != len(variables):
        raise ValueError(
            f"{who} needs two variables or more and a kernel for each; got {len(variables)} "
            f"and {len(kernels)}"
        )
    found = _check.paired(who, **dict(zip(names, variables, strict=True)))
    return [
        (kernel or of_samples(each))(each, each)
        for each, kernel in zip(found.values(), kernels, strict=True)
    ]


def centred(k: Tensor) -> Tensor:
    """H K H, H = I - 1/n: as if the features had a mean of 0."""
    rows = k.mean(-1, keepdim=True)
    return k - rows - rows.mT + rows.mean(-2, keepdim=True)


def biased_of(k: Tensor, l: Tensor) -> Tensor:
    """tr(KHLH) / n² of matrices (..., n, n)."""
    return (centred(k) * l).mean((-2, -1))


def unbiased_of(k: Tensor, l: Tensor) -> Tensor:
    """Without bias, of matrices (..., n, n) whose diagonals do not matter; n at least 4.

    [tr(KL) + 1'K1 1'L1 / ((n-1)(n-2)) - 2 1'KL1 / (n-2)] / (n(n-3)), both diagonals 0.
    """
    n = k.shape[-1]
    there = ~torch.eye(n, dtype=torch.bool, device=k.device)
    k, l = k * there, l * there
    rows, columns = k.sum(-1), l.sum(-1)
    whole = rows.sum(-1) * columns.sum(-1) / ((n - 1) * (n - 2))
    cross = (rows * columns).sum(-1) * 2 / (n - 2)
    return ((k * l).sum((-2, -1)) + whole - cross) / (n * (n - 3))


def whitened(k: Tensor, epsilon: float) -> Tensor:
    """Kc (Kc + epsilon n I)⁻¹, by Cholesky; Kc is K centred, so the result is symmetric."""
    n = k.shape[-1]
    k = centred(k)
    k = (k + k.mT) / 2
    factor = torch.linalg.cholesky(k + epsilon * n * torch.eye(n, dtype=k.dtype, device=k.device))
    return torch.cholesky_solve(k, factor)


def joint_of(*k: Tensor) -> Tensor:
    """dHSIC of matrices (..., n, n), one for each variable."""
    together = reduce(torch.mul, k).mean((-2, -1))
    apart = reduce(torch.mul, [each.mean((-2, -1)) for each in k])
    across = reduce(torch.mul, [each.mean(-1) for each in k]).mean(-1)
    return together + apart - 2 * across
