"""HSIC, the Hilbert-Schmidt independence criterion: how far samples depend on one another.

With a Gaussian kernel it is 0 just where two variables are independent, whatever kind of dependence
there could be. Everything is computed in float64, of samples that were centred and scaled first
where the kernel allows it, so neither their mean nor their scale costs digits; what comes out has
the samples' own dtype, float32 at least. The functions at the end take kernel matrices, batched if
you like, keep their dtype and check nothing: for losses. All are differentiable. For p-values see
`independence`, for large n `large_samples`.
"""

from functools import reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor

from swiftrnn.analysis import _check, _scale
from swiftrnn.analysis.samples.kernels import Delta, Kernel, Linear, Prepared, matrix, prepared

NOISE = 1e-12  # relative: what centring leaves of a matrix and is less than this is rounding
CLEAR = 1e-4  # the same where three or more are multiplied


def hsic(
    x: Any, y: Any, kernel_x: Kernel | None = None, kernel_y: Kernel | None = None,
    unbiased: bool = False,
) -> Tensor:  # fmt: skip
    """How far x and y depend on one another: 0 where they do not.

    Args:
        x: n samples, (n) or (n, d); words as well, for `kernels.Delta`.
        y: the samples that were drawn together with x's, (n) or (n, e).
        kernel_x: see `kernels`; the Gaussian at x's median bandwidth unless given.
        kernel_y: the same for y.
        unbiased: right on average and sometimes below 0, by Song et al.; otherwise tr(KHLH) / n²,
            which is never below 0 and about 1/n too large.

    Returns:
        One number; one for each bandwidth, where kernels have several.

    Raises:
        TypeError, ValueError: these are no n pairs of samples, fewer than 4, or all the same; or a
            kernel does not tell them apart, or the result's dtype cannot hold it.

    Examples:
        >>> x = torch.randn(500, generator=torch.Generator().manual_seed(0))
        >>> print(f"{hsic(x, x.square()):.3f}")  # uncorrelated, and dependent
        0.047

    Source: Gretton et al. (2005), "Measuring Statistical Dependence with Hilbert-Schmidt Norms",
    section 3; Song et al. (2012), "Feature Selection via Dependence Maximization", theorem 2.
    """
    k, l = matrices("hsic", x, y, kernel_x, kernel_y)
    found = unbiased_of(k.values, l.values) if unbiased else (k.values * l.values).mean((-2, -1))
    return scaled("hsic", found, k.powers + l.powers, k.dtype)


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
        One number: in 0..1 (unbiased: up to 1), whatever the samples' means and scales are.

    Raises:
        TypeError, ValueError: as `hsic`.

    Examples:
        >>> x = torch.randn(50, 3)
        >>> print(f"{cka(x, 2 * x + 1):.3f}")
        1.000

    Source: Kornblith et al. (2019), "Similarity of Neural Network Representations Revisited",
    section 3; the unbiased form: Nguyen, Raghu and Kornblith (2021), "Do Wide and Deep Networks
    Learn the Same Things?".
    """
    k, l = matrices("cka", x, y, kernel_x or Linear(), kernel_y or Linear())
    products = [
        unbiased_of(a, b) if unbiased else (a * b).mean((-2, -1))
        for a, b in ((k.values, l.values), (k.values, k.values), (l.values, l.values))
    ]
    if not bool((torch.stack(products[1:]) > NOISE**2).all()):
        raise ValueError(
            "cka needs kernels that relate samples to one another; got one that is 0 between all; "
            "take a wider one"
        )
    found = products[0] / (products[1].sqrt() * products[2].sqrt())
    return _check.held("cka", found, k.dtype)


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
        TypeError, ValueError: as `hsic`, or epsilon is not above 0, or too small for inverses.

    Examples:
        >>> x = torch.randn(100, generator=torch.Generator().manual_seed(0))
        >>> bool(normalised_hsic(x, x) > normalised_hsic(x, x.flip(0)))
        True

    Source: Fukumizu et al. (2008), "Kernel Measures of Conditional Dependence", section 2.
    """
    if not epsilon > 0:
        raise ValueError(f"normalised_hsic needs an epsilon above 0; got {epsilon}")
    k, l = matrices("normalised_hsic", x, y, kernel_x, kernel_y)
    try:
        white = [whitened(m.values, _epsilons(epsilon, m)) for m in (k, l)]
    except torch.linalg.LinAlgError:  # pyright: ignore[reportPrivateImportUsage]
        raise ValueError(
            f"normalised_hsic needs an epsilon that inverses exist with; got {epsilon}; take more"
        ) from None
    return _check.held("normalised_hsic", (white[0] * white[1]).sum((-2, -1)), k.dtype)


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

    Examples:
        >>> bits = torch.randint(2, (2, 500), generator=torch.Generator().manual_seed(0))
        >>> a, b = bits.double()
        >>> bool(dhsic(a, b, (a + b) % 2) > 10 * hsic(a, (a + b) % 2))
        True

    Source: Pfister et al. (2018), "Kernel-based Tests for Joint Independence", definition 2.
    """
    found = joint_matrices("dhsic", variables, kernels)
    powers = torch.stack([m.powers for m in found]).sum(0)
    value = joint_of(*(m.values for m in found))
    return scaled("dhsic", value, powers, found[0].dtype)


class Matrix(NamedTuple):
    """A kernel matrix of about 1 in float64; times 2^powers it is the kernel's.

    `powers` has one for each bandwidth; `dtype` is that of results, float32 at least.
    """

    values: Tensor
    powers: Tensor
    dtype: torch.dtype


def matrices(
    who: str, x: Any, y: Any, kernel_x: Kernel | None, kernel_y: Kernel | None
) -> tuple[Matrix, Matrix]:
    """Both kernel matrices of samples that were checked, centred.

    Raises:
        TypeError, ValueError: as `hsic`.
    """
    given = {"x": (x, kernel_x), "y": (y, kernel_y)}
    found = centred_matrices(who, given)
    return found["x"], found["y"]


def centred_matrices(who: str, given: dict[str, tuple[Any, Kernel | None]]) -> dict[str, Matrix]:
    """A centred kernel matrix for each variable, from samples and a kernel by name."""
    kernels = {name: kernel for name, (_, kernel) in given.items()}
    found = checked(who, {name: values for name, (values, _) in given.items()}, kernels)
    kind = result_dtype(found)
    return {name: _centred_matrix(who, name, each, kernels[name], kind)
            for name, each in found.items()}  # fmt: skip


def checked(who: str, values: dict[str, Any], kernels: dict[str, Any]) -> dict[str, Tensor]:
    """Samples by name; where the kernel is Delta, whatever can be compared."""
    words = [name for name, kernel in kernels.items() if isinstance(kernel, Delta)]
    return _check.paired(who, words, **values)


def result_dtype(found: dict[str, Tensor]) -> torch.dtype:
    """Of all samples that have one together, float32 at least."""
    kinds = {each.dtype for each in found.values() if each.is_floating_point()}
    return torch.float32 if kinds == {torch.float32} else torch.float64


def _centred_matrix(
    who: str, name: str, x: Tensor, kernel: Kernel | None, kind: torch.dtype
) -> Matrix:
    ready = prepared(who, x, kernel)
    raw = matrix(who, ready.samples, ready.samples, ready.kernel, less_one=True)
    k = centred(raw)
    largest, before = (each.detach().abs().amax((-2, -1)) for each in (k, raw))
    if not bool((largest > NOISE * before).all()):
        raise ValueError(
            f"{who} needs a kernel that tells samples of {name} apart; got one that is the same "
            "for all of them; take another bandwidth"
        )
    powers = largest.log2().ceil().long()
    return Matrix(_scale.shifted_each(k, -powers), powers + ready.power, kind)


def scaled(who: str, found: Tensor, powers: Tensor, kind: torch.dtype = torch.float64) -> Tensor:
    """A product of matrices as their kernels have it, in a dtype that can hold it."""
    powers = powers.expand(found.shape)
    value = _scale.shifted_each(found, powers)
    if bool(((value == 0) & (found != 0) | ~value.isfinite()).any()):
        raise ValueError(
            f"{who} needs samples whose result float64 can hold; got one of about "
            f"2^{int(powers.flatten()[0])}; scale them"
        )
    return _check.held(who, value, kind)


def _epsilons(epsilon: float, k: Matrix) -> Tensor:
    """Epsilon in units of each matrix."""
    given = torch.full(k.powers.shape, epsilon, dtype=torch.float64, device=k.values.device)
    return _scale.shifted_each(given, -k.powers)[..., None, None]


def joint_matrices(who: str, variables: Any, kernels: Any = None) -> list[Matrix]:
    """A kernel matrix for each of several variables that were checked; of two they are centred.

    Raises:
        TypeError, ValueError: as `hsic`; or of three or more, whose means count, a kernel is so
            nearly constant that its products would be rounding.
    """
    names = [f"variable_{i + 1}" for i in range(len(variables))]
    kernels = kernels or [None] * len(variables)
    if len(variables) < 2 or len(kernels) != len(variables):
        raise ValueError(
            f"{who} needs two variables or more and a kernel for each; got {len(variables)} "
            f"and {len(kernels)}"
        )
    given = dict(zip(names, zip(variables, kernels, strict=True), strict=True))
    if len(given) == 2:
        return list(centred_matrices(who, given).values())
    by_name = dict(zip(names, kernels, strict=True))
    found = checked(who, dict(zip(names, variables, strict=True)), by_name)
    kind = result_dtype(found)
    return [_raw_matrix(who, name, x, by_name[name], kind) for name, x in found.items()]


def _raw_matrix(who: str, name: str, x: Tensor, kernel: Kernel | None, kind: torch.dtype) -> Matrix:
    linear = isinstance(kernel, Linear)  # three variables see its means
    ready = Prepared(x.double(), kernel, 0) if linear else prepared(who, x, kernel)
    k = matrix(who, ready.samples, ready.samples, ready.kernel)
    largest, varied = (each.detach().abs().amax((-2, -1)) for each in (k, centred(k)))
    if not bool((varied > CLEAR * largest).all()):
        raise ValueError(
            f"{who} needs a kernel that tells samples of {name} apart; got one that varies by "
            f"{float((varied / largest).min()):.1g} of itself; take another bandwidth, or samples "
            "of mean 0"
        )
    powers = largest.log2().ceil().long()
    return Matrix(_scale.shifted_each(k, -powers), powers, kind)


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


def whitened(k: Tensor, epsilon: float | Tensor) -> Tensor:
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
