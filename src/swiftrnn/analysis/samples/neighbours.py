"""Entropy and mutual information of continuous samples, in bits, from nearest neighbours.

Distances are the largest difference in any coordinate. Neighbours are found by SciPy's k-d tree,
n log n for few coordinates; `ksg` of more than three coordinates on a side looks at all pairs, a
chunk of rows at a time.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from swiftrnn.analysis import _check, _scale
from swiftrnn.analysis._scipy import spatial, special

FEW = 3  # coordinates: with more, counting by the tree is slower than by all pairs
CHUNK = 256  # rows of these
NOISE = 1e-10  # of what samples typically differ by


def kozachenko_leonenko(values: Any, k: int = 2, least: float = 0.0) -> Tensor:
    """Differential entropy of continuous samples: `psi(n) - psi(k) + d mean log(2 eps_i)`.

    eps_i is the distance to the k-th neighbour. Of a layer of a network this is an entropy and no
    I(X;T), which would be infinite; it may be negative.

    Args:
        values: samples (n, d).
        k: which neighbour, 1 to n - 1; Saxe et al. take 2.
        least: shorter distances count as this one, 0 or more. Copies, of units that saturate, need
            some; the entropy then depends on it.

    Returns:
        Bits, a scalar of float64.

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite or too few, k or least does not fit, or there are copies and
            no least distance.

    Examples:
        >>> uniform = torch.rand(1000, generator=torch.Generator().manual_seed(0)) * 4
        >>> abs(kozachenko_leonenko(uniform).item() - 2) < 0.2  # of an interval of 4: 2 bits
        True

    Source: Kraskov, Stoegbauer, Grassberger (2004), "Estimating mutual information", Physical
        Review E 69, equation 20.
    """
    who = "kozachenko_leonenko"
    found = _check.samples(who, "values", values).detach()
    _rank(who, k, len(found))
    if not 0 <= least < math.inf:
        raise ValueError(f"{who} needs a least distance of 0 or more; got {least}; leave it out")
    rows, power = _scale.unit(found.double())
    far = _kth(rows.numpy(force=True), k)
    copies = int((far <= 0).sum())
    if copies and not least:
        raise ValueError(
            f"{who} needs continuous samples; got {copies} with {k} or more copies; "
            "give a least distance"
        )
    with np.errstate(divide="ignore"):
        logs = np.log2(2 * far) + power
    logs = np.maximum(logs, 1 + math.log2(least)) if least else logs
    n, d = rows.shape
    bits = (special.psi(n) - special.psi(k)) / math.log(2) + d * float(logs.mean())
    return torch.tensor(bits, dtype=torch.float64, device=found.device)


def ksg(x: Any, y: Any, k: int = 3, noise: float = NOISE, seed: int = 0) -> Tensor:
    """Mutual information of continuous variables, by the first estimator of Kraskov et al.

    `I = psi(k) + psi(n) - mean(psi(n_x + 1) + psi(n_y + 1))`: n_x and n_y count the samples that
    are nearer in x alone, and in y alone, than the k-th neighbour is in both.

    Distances that are the same, as those of rounded samples, would make it wrong. So a little noise
    is added to every column, as scikit-learn and others do; differences much smaller than it are
    lost. Of samples with few values, it makes the estimate that of discrete variables.

    Args:
        x: samples (n, d).
        y: samples (n, e), drawn together with x; scaled by a power of two, to be about as large.
        k: which neighbour, 1 to n - 1; more gives less variance and more bias.
        noise: standard deviation of the noise, over the median distance of a column from its
            median. With 0, copies in x or in y are an error.
        seed: of the noise.

    Returns:
        Bits, a scalar of float64; around 0 for independent samples, at times below it.

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite, too few, of unequal length or constant; k or noise does not
            fit; or there are copies and no noise.

    Examples:
        >>> x = torch.randn(1000, generator=torch.Generator().manual_seed(0))
        >>> 3 < ksg(x, x + 0.01 * x.flip(0)).item() < 8
        True

    Source: Kraskov, Stoegbauer, Grassberger (2004), equation 8 and section II.B, on noise.
    """
    found = _check.paired("ksg", x=x, y=y)
    n = len(found["x"])
    _rank("ksg", k, n)
    if not 0 <= noise < math.inf:
        raise ValueError(f"ksg needs noise of 0 or more; got {noise}; leave it out")
    draw = np.random.default_rng(seed)
    draw = np.random.default_rng(seed)
    sides, sizes = zip(*(_moved("ksg", name, each, noise, draw) for name, each in found.items()),
                       strict=True)  # fmt: skip
    sides = [sides[0], np.ldexp(sides[1], round(sizes[0] - sizes[1]))]
    far = _kth(np.concatenate(sides, 1), k)
    counts = np.concatenate([_nearer(each, far) for each in sides])
    total = float(special.psi(counts).sum())  # with the sample itself: n_x + 1
    bits = (special.psi(k) + special.psi(n) - total / n) / math.log(2)
    return torch.tensor(bits, dtype=torch.float64, device=found["x"].device)


def _moved(
    who: str, name: str, values: Tensor, noise: float, draw: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Samples (n, d) about their median, with noise; and the logarithm of what they differ by."""
    rows = _scale.unit(values.detach().double())[0].numpy(force=True)
    copies = 0 if noise else len(rows) - len(np.unique(rows, axis=0))
    if copies:
        raise ValueError(
            f"{who} needs continuous samples as {name}; got {copies} copies of others; leave the "
            "noise as it is"
        )
    rows = rows - np.quantile(rows, 0.5, axis=0, method="lower")
    rows = _scale.unit(torch.from_numpy(rows))[0].numpy()
    typical = np.array([_typical(column) for column in rows.T])
    rows = rows + noise * typical * draw.standard_normal(rows.shape)
    return rows, math.log2(_typical(rows))


def _typical(values: np.ndarray) -> float:
    """The median of sizes that are not 0; 0 where all are."""
    sizes = np.abs(values[values != 0])
    return float(np.median(sizes)) if len(sizes) else 0.0


def _kth(rows: np.ndarray, k: int) -> np.ndarray:
    """The distance (n) of each row to its k-th neighbour."""
    return spatial.KDTree(rows).query(rows, [k + 1], p=np.inf)[0][:, 0]  # pyright: ignore


def _nearer(rows: np.ndarray, far: np.ndarray) -> np.ndarray:
    """How many (n) are nearer than that to each row, itself among them."""
    if rows.shape[1] <= FEW:
        below, tree = np.nextafter(far, 0), spatial.KDTree(rows)
        return tree.query_ball_point(rows, below, p=np.inf, return_length=True)
    every, limits = torch.from_numpy(rows), torch.from_numpy(far)[:, None].split(CHUNK)
    parts = zip(every.split(CHUNK), limits, strict=True)
    return torch.cat([(torch.cdist(part, every, p=torch.inf) < limit).sum(1)
                      for part, limit in parts]).numpy()  # fmt: skip


def _rank(who: str, k: int, n: int) -> None:
    if not 1 <= _check.whole(who, "k", k, 0) < n:
        raise ValueError(
            f"{who} needs k from 1 to {n - 1}, one less than the samples; got {k}; take 3"
        )
