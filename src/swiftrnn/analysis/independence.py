"""Tests of independence by HSIC: p-values from permutations, or from a gamma distribution.

Permutations are exact at every n: under independence a p-value of 0.05 or less comes up in 5 %
of all cases or fewer. The gamma distribution is faster and only about right: of few samples it
rejects a little too many, how many is in docs/recipes.md under hsic_test.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis import _check
from swiftrnn.analysis.hsic import biased_of, centred, joint_matrices, joint_of, matrices
from swiftrnn.analysis.kernels import Kernel, of_samples
from swiftrnn.analysis.large_samples import nystroem

AT_ONCE = 2**24  # numbers of permuted matrices that are in memory together
SAME = 1e-10  # relative: statistics that differ by less differ in how they were rounded


@dataclass(frozen=True)
class Verdict:
    """What a test of independence found.

    Attributes:
        statistic: what was compared; larger is further from independence.
        p_value: how often independent samples would be so far from it, above 0 and at most 1.
    """

    statistic: float
    p_value: float


def permutation_test(
    x: Any, y: Any, kernel_x: Kernel | None = None, kernel_y: Kernel | None = None,
    permutations: int = 999, seed: int = 0, block: int = 1, rank: int = 0,
) -> Verdict:  # fmt: skip
    """Whether x and y depend on one another, by HSIC against that of y in other orders.

    Args:
        x: n samples, (n) or (n, d).
        y: the samples that were drawn together with x's, (n) or (n, e).
        kernel_x: the Gaussian at x's median bandwidth unless given. With several bandwidths the
            statistic is the largest over them, each in standard deviations of its permutations:
            one test, at the level of one.
        kernel_y: the same for y; of as many bandwidths, or of one.
        permutations: how many; the smallest p-value is 1 / (permutations + 1).
        seed: decides which.
        block: so many samples that follow one another stay together: for time series, longer than
            what they remember.
        rank: 0 compares all pairs; otherwise so many Nystroem features stand for the kernels,
            for n in the ten thousands and above.

    Raises:
        TypeError, ValueError: as `hsic`, or permutations, block or rank make no sense.

    Example:
        >>> t = torch.linspace(0, 6.28, 60)
        >>> permutation_test(t.cos(), t.sin()).p_value  # a circle: uncorrelated
        0.005

    Source: Gretton et al. (2008), "A Kernel Statistical Test of Independence", section 3.1; the
    largest over bandwidths: Schrab et al. (2023), "MMD Aggregated Two-Sample Test", for the idea.
    """
    orders = _orders("permutation_test", x, permutations, block, seed)
    if rank:
        found = _by_features(x, y, kernel_x, kernel_y, orders, rank, seed)
    else:
        k, l = matrices("permutation_test", x, y, kernel_x, kernel_y)
        k = centred(k) / k.shape[-1] ** 2
        found = _over_orders(
            lambda some: torch.einsum("...ij,...rij->...r", k, _permuted(l, some)),
            orders,
            max(k.numel(), l.numel()),
        )
    return _judged(found)


def joint_test(
    *variables: Any, kernels: Any = None, permutations: int = 999, seed: int = 0
) -> Verdict:
    """Whether several variables are jointly independent, by dHSIC against other orders of them.

    Args:
        variables: n samples each, (n) or (n, d).
        kernels: one for each; Gaussians at the median bandwidths unless given.
        permutations: how many; all variables but the first are put into another order in each.
        seed: decides which.

    Raises:
        TypeError, ValueError: as `dhsic`.

    Example:
        >>> bits = torch.randint(2, (2, 100), generator=torch.Generator().manual_seed(0))
        >>> joint_test(bits[0], bits[1], bits.sum(0) % 2).p_value
        0.001

    Source: Pfister et al. (2018), "Kernel-based Tests for Joint Independence", section 3.2.
    """
    k, *others = joint_matrices("joint_test", variables, kernels)
    orders = torch.stack(
        [
            _orders("joint_test", variables[0], permutations, 1, seed + i)
            for i in range(len(others))
        ],
        1,
    )

    def joint(some: Tensor) -> Tensor:
        permuted = [_permuted(l, some[:, i]) for i, l in enumerate(others)]
        return joint_of(k[..., None, :, :], *permuted)

    return _judged(_over_orders(joint, orders, len(others) * k.numel()))


def pairwise_test(
    columns: Mapping[str, Any],
    kernels: Mapping[str, Kernel] | None = None,
    permutations: int = 999,
    seed: int = 0,
    block: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> tuple[Tensor, Tensor]:
    """Which of several columns depend on one another, by `permutation_test` of every pair.

    Orders are drawn once, and a column in another order is held against all others in one product.

    Args:
        columns: C columns of n samples each, (n) or (n, d), by name.
        kernels: of some of them; Gaussians at the median bandwidth for the others.
        permutations: how many; see `holm` for p-values of many pairs.
        seed: decides which.
        block: as for `permutation_test`.
        progress: called after each column with the part of the work that is done, 0 to 1.

    Returns:
        Centred kernel alignments (C, C), 0 to 1, and p-values (C, C), nan on the diagonal.

    Raises:
        TypeError, ValueError: as `permutation_test`, or there are fewer than two columns.

    Example:
        >>> x = torch.linspace(-1, 1, 50)
        >>> aligned, p_values = pairwise_test({"x": x, "its square": x.square()}, permutations=99)
        >>> round(p_values[0, 1].item(), 3)
        0.01

    Source: Gretton et al. (2008), "A Kernel Statistical Test of Independence".
    """
    if len(columns) < 2:
        raise ValueError(f"pairwise_test needs two columns or more; got {len(columns)}")
    given = [(kernels or {}).get(name) for name in columns]
    k = torch.stack(
        [each.double() for each in joint_matrices("pairwise_test", (*columns.values(),), given,
                                                  (*columns,))]
    )  # fmt: skip
    orders = _orders("pairwise_test", next(iter(columns.values())), permutations, block, seed)
    middle = centred(k)
    found = torch.full((len(k), len(k)), torch.nan, dtype=k.dtype, device=k.device)
    for j in range(1, len(k)):
        others = middle[:j] / k.shape[-1] ** 2
        values = _over_orders(
            lambda some, j=j, others=others: torch.einsum(
                "aij,rij->ar", others, _permuted(k[j], some)
            ),
            orders,
            j * k[0].numel(),
        )
        for i, row in enumerate(values):
            found[i, j] = found[j, i] = _judged(row[None]).p_value
        progress(j * (j + 1) / (len(k) * (len(k) - 1)))
    products = torch.einsum("aij,bij->ab", middle, middle)
    norms = products.diagonal().sqrt()
    return (products / torch.outer(norms, norms)).fill_diagonal_(1), found


def gamma_test(
    x: Any, y: Any, kernel_x: Kernel | None = None, kernel_y: Kernel | None = None
) -> Verdict:
    """Whether x and y depend on one another; n HSIC against a gamma distribution of its moments.

    Only about right: see the module.

    Args:
        x: n samples, at least 6.
        y: the samples that were drawn together with x's.
        kernel_x: as for `hsic`; from x to itself it has to be 1.
        kernel_y: the same for y.

    Raises:
        TypeError, ValueError: as `hsic`, or a kernel is not 1 from a sample to itself.

    Example:
        >>> t = torch.linspace(0, 6.28, 60)
        >>> bool(gamma_test(t.cos(), t.sin()).p_value < 0.01)
        True

    Source: Gretton et al. (2008), "A Kernel Statistical Test of Independence", theorems 3 and 4.
    """
    x = _check.samples("gamma_test", "x", x, least=6)
    k, l = matrices("gamma_test", x, y, kernel_x, kernel_y)
    k, l, n = k.double(), l.double(), k.shape[-1]
    for each in (k, l):
        if each.ndim > 2:
            raise ValueError(
                f"gamma_test needs one bandwidth; got {len(each)}; use permutation_test"
            )
        own = each.diagonal()
        if not torch.allclose(own, torch.ones_like(own)):
            raise ValueError(
                "gamma_test needs kernels that are 1 from a sample to itself; "
                f"got {float(own.max()):.3g}; use permutation_test"
            )
    statistic = n * biased_of(k, l)
    there = 1 - torch.eye(n, dtype=k.dtype, device=k.device)
    pairs = n * (n - 1)
    mean_k, mean_l = ((each * there).sum() / pairs for each in (k, l))
    mean = (1 + mean_k * mean_l - mean_k - mean_l) / n
    spread = ((centred(k) * centred(l)).square() * there).sum() / pairs
    variance = 2 * (n - 4) * (n - 5) / (pairs * (n - 2) * (n - 3)) * spread
    shape, scale = mean.square() / variance, n * variance / mean
    p_value = torch.special.gammaincc(shape, statistic / scale)
    return Verdict(float(statistic), float(p_value.clamp(torch.finfo(k.dtype).tiny, 1)))


def holm(p_values: Any) -> Tensor:
    """P-values of several tests, such that all that are at most 0.05 are wrong in 5 % at most.

    Args:
        p_values: of the tests, any shape, in 0..1.

    Raises:
        ValueError: one is not in 0..1.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]

    Source: Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    given = torch.as_tensor(p_values, dtype=torch.float64)
    if not bool(((given >= 0) & (given <= 1)).all()):
        raise ValueError(f"holm needs p-values in 0..1; got {given.flatten().tolist()}")
    flat, order = given.flatten().sort()
    left = torch.arange(len(flat), 0, -1, dtype=flat.dtype)
    found = torch.empty_like(flat)
    found[order] = (flat * left).cummax(0).values.clamp_max(1) if len(flat) else flat
    return found.reshape(given.shape)


def _orders(who: str, x: Any, permutations: int, block: int, seed: int) -> Tensor:
    """Orders (1 + permutations, n): the one that samples came in, and others."""
    n = len(_check.samples(who, "the first variable", x))
    if permutations < 1 or not 1 <= block <= n // 2:
        raise ValueError(
            f"{who} needs permutations of at least 1 and block in 1..{n // 2}; "
            f"got {permutations} and {block}"
        )
    draw, blocks = torch.Generator().manual_seed(seed), -(-n // block)
    if block == 1:
        others = torch.rand(permutations, n, generator=draw).argsort(1)
        return torch.cat([torch.arange(n)[None], others])
    parts = torch.arange(n).split(block)
    drawn = (torch.randperm(blocks, generator=draw).tolist() for _ in range(permutations))
    others = [torch.cat([parts[i] for i in order]) for order in drawn]
    return torch.stack([torch.arange(n), *others])


def _permuted(l: Tensor, orders: Tensor) -> Tensor:
    """Rows and columns of (..., n, n) in each of (R, n) orders: (..., R, n, n)."""
    n = l.shape[-1]
    places = orders[:, :, None] * n + orders[:, None, :]
    found = l.flatten(-2).index_select(-1, places.flatten().to(l.device))
    return found.unflatten(-1, places.shape)


def _over_orders(statistic: Callable[[Tensor], Tensor], orders: Tensor, size: int) -> Tensor:
    """(S, 1 + R) statistics; as many orders at once as memory is for."""
    with torch.no_grad():
        found = [statistic(some) for some in orders.split(max(1, AT_ONCE // size))]
    return torch.cat(found, -1).reshape(-1, len(orders)).double()


def _judged(found: Tensor) -> Verdict:
    """A verdict on (S, 1 + R) statistics, of which the first of each row are the samples' own."""
    if len(found) > 1:
        found = (found - found.mean(1, keepdim=True)) / found.std(1, keepdim=True).clamp_min(1e-300)
    found = found.max(0).values
    reached = found >= found[0] - SAME * found.abs().max()
    return Verdict(float(found[0]), float(reached.double().mean()))


def _by_features(
    x: Any, y: Any, kernel_x: Kernel | None, kernel_y: Kernel | None, orders: Tensor, rank: int,
    seed: int,
) -> Tensor:  # fmt: skip
    """As `_over_orders`, of features in place of kernels: n rank² operations for each order."""
    found = _check.paired("permutation_test", x=x, y=y)
    features = [
        nystroem(each, kernel or of_samples(each), rank, seed + i)(each).detach()
        for i, (each, kernel) in enumerate(zip(found.values(), (kernel_x, kernel_y), strict=True))
    ]
    a, b = (each - each.mean(0) for each in features)
    products = [a.T @ b[order.to(b.device)] for order in orders]
    return torch.stack([(each / len(a)).square().sum() for each in products])[None].double()
