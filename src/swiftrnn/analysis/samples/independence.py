"""Tests of independence by HSIC: p-values from permutations, or from a gamma distribution.

Permutations are exact at every n: under independence a p-value of 0.05 or less comes up in 5 %
of all cases or fewer. The gamma distribution is faster and only about right: of few samples it
rejects a little too many, how many is in docs/recipes.md under hsic_test.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis import _check, _scale
from swiftrnn.analysis.samples.hsic import (
    NOISE,
    centred,
    centred_matrices,
    checked,
    joint_matrices,
    joint_of,
    matrices,
)
from swiftrnn.analysis.samples.kernels import Gaussian, Kernel, Prepared, matrix, prepared
from swiftrnn.analysis.samples.large_samples import Featured, features_of

AT_ONCE = 2**24  # numbers of permuted matrices that are in memory together
SAME = 1e-10  # relative: statistics that differ by less differ in how they were rounded


@dataclass(frozen=True)
class Verdict:
    """What a test of independence found.

    Attributes:
        statistic: what was compared; larger is further from independence. Infinite or 0 where it
            is too large or too small for a float, which says nothing of the p-value.
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

    Examples:
        >>> t = torch.linspace(0, 6.28, 60)
        >>> permutation_test(t.cos(), t.sin()).p_value  # a circle: uncorrelated
        0.005

    Source: Gretton et al. (2008), "A Kernel Statistical Test of Independence", section 3.1; the
    largest over bandwidths: Schrab et al. (2023), "MMD Aggregated Two-Sample Test", for the idea.
    """
    who = "permutation_test"
    if rank:
        features = features_of(who, x, y, kernel_x, kernel_y, rank, seed)
        orders = _orders(who, len(features[0].rows), permutations, block, seed)
        return _by_features(who, features, orders)
    k, l = matrices(who, x, y, kernel_x, kernel_y)
    orders = _orders(who, k.values.shape[-1], permutations, block, seed)
    found = _over_orders(
        lambda some: torch.einsum("...ij,...rij->...r", k.values, _permuted(l.values, some)),
        orders,
        max(k.values.numel(), l.values.numel()),
    )
    powers = k.powers + l.powers
    own = found[:, 0].reshape(powers.shape) / k.values.shape[-1] ** 2
    return _judged(who, found, _scale.shifted_each(own, powers))


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

    Examples:
        >>> bits = torch.randint(2, (2, 100), generator=torch.Generator().manual_seed(0))
        >>> joint_test(bits[0], bits[1], bits.sum(0) % 2).p_value
        0.001

    Source: Pfister et al. (2018), "Kernel-based Tests for Joint Independence", section 3.2.
    """
    who = "joint_test"
    made = joint_matrices(who, variables, kernels)
    k, *others = (each.values for each in made)
    drawn = (_orders(who, k.shape[-1], permutations, 1, seed + i) for i in range(len(others)))
    every = torch.stack([*drawn], 1)

    def joint(some: Tensor) -> Tensor:
        permuted = [_permuted(l, some[:, i]) for i, l in enumerate(others)]
        return joint_of(k[..., None, :, :], *permuted)

    found = _over_orders(joint, every, len(others) * k.numel())
    powers = torch.stack([each.powers for each in made]).sum(0)
    own = found[:, 0].reshape(powers.shape)
    return _judged(who, found, _scale.shifted_each(own, powers))


def pairwise_test(
    columns: Mapping[str, Any] | Any,
    kernels: Mapping[str, Kernel] | None = None,
    permutations: int = 999,
    seed: int = 0,
    block: int = 1,
    progress: Callable[[float], None] = lambda _: None,
) -> tuple[Tensor, Tensor]:
    """Which of several columns depend on one another, by `permutation_test` of every pair.

    Orders are drawn once, and a column in another order is held against all others in one product.

    Args:
        columns: C columns of n samples each, (n) or (n, d), by name; a DataFrame as well.
        kernels: of some of them, `kernels.Delta` for words; Gaussians at the median bandwidth for
            the others.
        permutations: how many; see `holm` for p-values of many pairs.
        seed: decides which.
        block: as for `permutation_test`.
        progress: called after each column with the part of the work that is done, 0 to 1.

    Returns:
        Centred kernel alignments (C, C), 0 to 1, and p-values (C, C), nan on the diagonal.

    Raises:
        TypeError, ValueError: as `permutation_test`; or there are fewer than two columns, two of
            one name, or a kernel of none.

    Examples:
        >>> x = torch.linspace(-1, 1, 50)
        >>> aligned, p_values = pairwise_test({"x": x, "its square": x.square()}, permutations=99)
        >>> round(p_values[0, 1].item(), 3)
        0.01

    Source: Gretton et al. (2008), "A Kernel Statistical Test of Independence".
    """
    who, names = "pairwise_test", list(columns)
    if len(names) < 2:
        raise ValueError(f"{who} needs two columns or more; got {len(names)}")
    if len({*map(str, names)}) < len(names):
        raise ValueError(
            f"{who} needs columns of different names; got {', '.join(map(str, names[:9]))}; "
            "rename them"
        )
    unknown = [str(name) for name in kernels or {} if name not in names]
    if unknown:
        raise ValueError(
            f"{who} needs kernels of its columns; got one of {', '.join(unknown)}; "
            f"there are {', '.join(map(str, names))}"
        )
    given = {str(name): (columns[name], (kernels or {}).get(name)) for name in names}
    k = torch.stack([each.values for each in centred_matrices(who, given).values()])
    orders = _orders(who, k.shape[-1], permutations, block, seed)
    found = torch.full((len(k), len(k)), torch.nan, dtype=k.dtype, device=k.device)
    for j in range(1, len(k)):
        values = _over_orders(
            lambda some, j=j: torch.einsum("aij,rij->ar", k[:j], _permuted(k[j], some)),
            orders,
            j * k[0].numel(),
        )
        for i, row in enumerate(values):
            found[i, j] = found[j, i] = _judged(who, row[None]).p_value
        progress(j * (j + 1) / (len(k) * (len(k) - 1)))
    products = torch.einsum("aij,bij->ab", k, k)
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

    Examples:
        >>> t = torch.linspace(0, 6.28, 60)
        >>> bool(gamma_test(t.cos(), t.sin()).p_value < 0.01)
        True

    Source: Gretton et al. (2008), "A Kernel Statistical Test of Independence", theorems 3 and 4.
    """
    who = "gamma_test"
    raw = [
        matrix(who, ready.samples, ready.samples, ready.kernel, less_one=True)
        + (0.0 if isinstance(ready.kernel, Gaussian) else -1.0)
        for ready in _prepared_pair(who, x, y, kernel_x, kernel_y)
    ]
    for each in raw:
        if each.ndim > 2:
            raise ValueError(f"{who} needs one bandwidth; got {len(each)}; use permutation_test")
        own = each.diagonal()
        if not torch.allclose(own, torch.zeros_like(own), atol=1e-8):
            raise ValueError(
                f"{who} needs kernels that are 1 from a sample to itself; got "
                f"{float(own.max()) + 1:.3g}; use permutation_test"
            )
    k, l = (each / each.abs().amax().clamp_min(torch.finfo(each.dtype).tiny) for each in raw)
    n = len(k)
    centred_k, centred_l = centred(k), centred(l)
    statistic = n * (centred_k * centred_l).mean()
    there = 1 - torch.eye(n, dtype=k.dtype, device=k.device)
    pairs = n * (n - 1)
    mean = (k * there).sum() / pairs * ((l * there).sum() / pairs) / n
    spread = ((centred_k * centred_l).square() * there).sum() / pairs
    variance = 2 * (n - 4) * (n - 5) / (pairs * (n - 2) * (n - 3)) * spread
    if not bool((variance > NOISE * mean.square()) & (mean > 0)):
        raise ValueError(
            f"{who} needs kernels that tell samples apart; got ones that are alike for all pairs; "
            "use another bandwidth"
        )
    p_value = torch.special.gammaincc(mean.square() / variance, statistic * mean / (n * variance))
    whole = statistic * (raw[0].abs().amax() * raw[1].abs().amax())
    tiny = torch.finfo(k.dtype).tiny
    return Verdict(float(whole), float(p_value.clamp(tiny, 1)))


def holm(p_values: Any) -> Tensor:
    """P-values of several tests, such that all that are at most 0.05 are wrong in 5 % at most.

    Args:
        p_values: of the tests, any shape, in 0..1. A square matrix whose diagonal is nan, as
            `pairwise_test` gives it, has every pair twice: it counts once, and the diagonal stays.

    Raises:
        TypeError: these are no numbers.
        ValueError: one is not in 0..1, or is nan elsewhere; or a matrix with a diagonal of nan is
            not symmetric.

    Examples:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]

    Source: Holm (1979), "A Simple Sequentially Rejective Multiple Test Procedure".
    """
    given = _check.numbers("holm", "p_values", p_values).detach().double()
    square = given.ndim == 2 and len(given) == given.shape[1] > 1
    if square and bool(given.diagonal().isnan().all()):
        return _holm_of_pairs(given)
    if not bool(((given >= 0) & (given <= 1)).all()):
        wrong = given[~((given >= 0) & (given <= 1))].flatten().tolist()
        raise ValueError(f"holm needs p-values in 0..1; got {wrong[:5]}")
    flat, order = given.flatten().sort()
    left = torch.arange(len(flat), 0, -1, dtype=flat.dtype, device=flat.device)
    found = torch.empty_like(flat)
    found[order] = (flat * left).cummax(0).values.clamp_max(1) if len(flat) else flat
    return found.reshape(given.shape)


def _holm_of_pairs(given: Tensor) -> Tensor:
    """Of a symmetric matrix, above its diagonal."""
    above = torch.triu_indices(len(given), len(given), 1, device=given.device).unbind()
    pairs = given[above]
    if not torch.equal(pairs, given.T[above]) and not bool(pairs.isnan().any()):
        raise ValueError(
            "holm needs a symmetric matrix where the diagonal is nan; got one that is not; "
            "give the pairs alone"
        )
    found = torch.full_like(given, torch.nan)
    found[above] = holm(pairs)
    found.T[above] = found[above]
    return found


def _orders(who: str, n: int, permutations: int, block: int, seed: int) -> Tensor:
    """Orders (1 + permutations, n): the one that samples came in, and others."""
    if permutations < 1 or not 1 <= block <= n // 2:
        raise ValueError(
            f"{who} needs permutations of at least 1 and block in 1..{n // 2}; "
            f"got {permutations} and {block}"
        )
    _check.whole(who, "permutations", permutations, 1)
    _check.whole(who, "block", block, 1)
    draw, blocks = torch.Generator().manual_seed(seed), -(-n // block)
    if block == 1:
        others = torch.rand(permutations, n, generator=draw).argsort(dim=1, stable=True)
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


def _judged(who: str, found: Tensor, own: Tensor | None = None) -> Verdict:
    """A verdict on (S, 1 + R) statistics, of which the first of each row are the samples' own.

    Args:
        who: asks, for messages.
        found: in any units.
        own: the first ones in their right units; found's unless given.
    """
    if not bool(found.isfinite().all()):
        raise ValueError(f"{who} needs statistics that are finite; got nan or infinity; scale "
                         "the samples")  # fmt: skip
    if len(found) > 1:
        spread = found.std(1, keepdim=True)
        off = found - found.mean(1, keepdim=True)
        flat = spread <= SAME * found.abs().amax(1, keepdim=True)  # every order gives the same
        found = torch.where(flat, 0.0, off / spread.where(~flat, 1.0))
        own = None
    found = found.max(0).values
    reached = found >= found[0] - SAME * found.abs().max()
    statistic = found[0] if own is None else own.flatten()[0]
    return Verdict(float(statistic), float(reached.double().mean()))


def _by_features(who: str, features: Sequence[Featured], orders: Tensor) -> Verdict:
    """Of features in place of kernels: n rank² operations for each order."""
    a, b = (each.map(each.rows).detach() for each in features)
    a, b = a - a.mean(0), b - b.mean(0)
    products = [a.T @ b[order.to(b.device)] for order in orders]
    found = torch.stack([(each / len(a)).square().sum() for each in products])
    power = sum(each.power for each in features)
    return _judged(who, found[None], _scale.shifted(found[0], power))


def _prepared_pair(
    who: str, x: Any, y: Any, kernel_x: Kernel | None, kernel_y: Kernel | None
) -> list[Prepared]:
    found = checked(who, {"x": x, "y": y}, {"x": kernel_x, "y": kernel_y})
    if len(found["x"]) < 6:
        raise ValueError(
            f"{who} needs at least 6 samples (n, d) as x; got {tuple(found['x'].shape)}; "
            "use permutation_test"
        )
    x, y = (each.detach() for each in found.values())
    return [prepared(who, x, kernel_x), prepared(who, y, kernel_y)]
