"""Information in the layers of a network, in bits: binned patterns, and bounds from kernels.

A deterministic layer T = f(X) of a continuous X has infinite I(X;T). What is finite is the
information in something coarser: T in bins, or T with noise. Each is a choice, and results depend
on it; measure with several. All samples count as equally likely, and as all there are.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from swiftrnn.analysis import _check, _scale

TILE = 256  # rows of a tile of pairs on a CPU: two of them stay in its cache; measured, not guessed
TILE_GPU = 4096
FARTHEST = -80.0  # exp of less is nothing beside the sample's own 1, and far slower
EXACT = 1e-6  # of an exponent: more is lost by one product only where clusters are far apart
LARGEST = 2**62  # of a pattern's number; above it patterns are numbered anew


class Information(NamedTuple):
    """What a layer T tells, in bits."""

    input: Tensor  # I(X;T), of the input
    label: Tensor  # I(T;Y), of the label


class Bounds(NamedTuple):
    """What a layer with noise tells, from both sides."""

    lower: Information
    upper: Information


def fixed_edges(low: float, high: float, bins: int) -> Tensor:
    """Equal bins between two values; what lies outside belongs to the first or the last one.

    Args:
        low: where the first bin begins, such as -1 for tanh.
        high: where the last one ends.
        bins: how many, 2 or more. Saxe et al. take 30 on [-1, 1].

    Returns:
        The (bins - 1) edges between them, float64.

    Raises:
        ValueError: there is nothing between low and high, or fewer than two bins.

    Examples:
        >>> fixed_edges(-1, 1, 4).tolist()
        [-0.5, 0.0, 0.5]

    Source: Saxe et al. (2018), "On the Information Bottleneck Theory of Deep Learning", ICLR.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"fixed_edges needs low < high; got {low:g} and {high:g}; swap them")
    _at_least_two("fixed_edges", bins)
    return torch.linspace(low, high, bins + 1, dtype=torch.float64)[1:-1]


def net_input_edges(
    activation: Callable[[Tensor], Tensor], low: float, high: float, bins: int
) -> Tensor:
    """Bins that are equal in what goes into an activation, mapped to what comes out of it.

    Where an activation saturates these bins are narrow, and where `fixed_edges` sees patterns fall
    together they stay apart. Give float64 activations: float32 tanh is 1 from 9.1 on.

    Args:
        activation: never falls, element by element.
        low: the net input where the first bin begins; Saxe et al. take -50.
        high: where the last one ends.
        bins: how many, 2 or more.

    Returns:
        The (bins - 1) edges between them, float64; some may be equal, and their bins are empty.

    Raises:
        ValueError: as `fixed_edges`; or the activation falls.

    Examples:
        >>> net_input_edges(torch.relu, -2, 2, 4).tolist()
        [0.0, 0.0, 1.0]

    Source: Saxe et al. (2018), bins of the net input.
    """
    edges = activation(fixed_edges(low, high, bins))
    if bool((edges.diff() < 0).any()):
        raise ValueError(
            "net_input_edges needs an activation that never falls; got one that falls between "
            f"{low:g} and {high:g}; bin its net input by fixed_edges"
        )
    return edges


def quantile_edges(values: Any, bins: int) -> Tensor:
    """Adaptive bins: equally many activations of a layer in each.

    Args:
        values: activations (..., n, d); all units of a layer share their edges.
        bins: how many, 2 or more.

    Returns:
        The edges between them (..., bins - 1).

    Raises:
        TypeError, ValueError: as `patterns`; or fewer than two bins.

    Examples:
        >>> quantile_edges([[0.0], [1.0], [10.0], [100.0], [1000.0]], 2).tolist()
        [10.0]
    """
    found = layers("quantile_edges", values)
    _at_least_two("quantile_edges", bins)
    ordered = np.sort(found.flatten(-2).numpy(force=True))  # torch.quantile takes 2^24 at most
    flat = torch.from_numpy(ordered).to(found.device)
    at = torch.linspace(0, 1, bins + 1, dtype=torch.float64)[1:-1] * (flat.shape[-1] - 1)
    before = at.floor().long().to(flat.device)
    part = (at - at.floor()).to(flat.device)
    low, high = flat[..., before], flat[..., (before + 1).clamp(max=flat.shape[-1] - 1)]
    between = (low.double() * (1 - part) + high.double() * part).to(flat.dtype)
    return torch.where(low == high, low, torch.minimum(torch.maximum(between, low), high))


def patterns(values: Any, edges: Any = None) -> Tensor:
    """Number the joint patterns of a layer: rows with every unit in the same bin are equal.

    Args:
        values: activations (..., n, d) of n samples and d units, n at least 4; (n) is one unit.
        edges: between the bins, rising: (m) for all layers or (..., m) for each; a value on an edge
            belongs above it. None compares at machine precision.

    Returns:
        Whole numbers (..., n).

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite or too few, or edges fall or do not fit.

    Examples:
        >>> patterns([[0.1, 0.9], [0.9, 0.1], [0.2, 0.8], [0.3, 0.7]], [0.5]).tolist()
        [1, 2, 1, 1]
    """
    found = layers("patterns", values)
    if edges is None:
        distinct, codes = torch.unique(found, return_inverse=True)
        size = len(distinct)
    else:
        cuts = _edges(edges, found)
        flat = found.flatten(-2).contiguous()
        codes = torch.searchsorted(cuts, flat, right=True).view(found.shape)
        size = cuts.shape[-1] + 1
    whole, span = codes[..., 0], size
    for unit in codes.unbind(-1)[1:]:
        if span * size > LARGEST:
            distinct, whole = torch.unique(whole, return_inverse=True)
            span = len(distinct)
        whole, span = whole * size + unit, span * size
    return whole


def entropy(codes: Any) -> Tensor:
    """Entropy of what `patterns` gives, in bits, each sample with the same probability.

    Args:
        codes: whole numbers (..., n).

    Returns:
        (...) in float64, from 0 to log2 n.

    Raises:
        TypeError: these are no whole numbers.
        ValueError: there are none.

    Examples:
        >>> entropy([7, 7, 3, 5]).item()
        1.5
    """
    found = _check.tensor("entropy", "codes", codes)
    if found.is_floating_point():
        raise TypeError(
            f"entropy needs whole numbers as codes; got {found.dtype}; number them by patterns"
        )
    found = found.long()  # of 64 bits without a sign those above 2^63 stay apart
    if not found.numel():
        raise ValueError(f"entropy needs codes (..., n); got {tuple(found.shape)}; give samples")
    n = found.shape[-1]
    rows = found.reshape(-1, n).sort(-1).values
    new = torch.ones_like(rows, dtype=torch.bool)
    new[:, 1:] = rows[:, 1:] != rows[:, :-1]
    starts = new.flatten().nonzero().squeeze(1)
    ends = torch.cat([starts[1:], starts.new_tensor([rows.numel()])])
    counts = (ends - starts).double()
    sums = counts.new_zeros(len(rows)).index_add(0, starts // n, counts * counts.log2())
    return (math.log2(n) - sums / n).clamp(min=0).reshape(found.shape[:-1])


def binned(values: Any, labels: Any, edges: Any = None) -> Information:
    """What a layer in bins tells of its input and of the label.

    For a deterministic net and distinct inputs, all of them equally likely:
    `I(X;T) = H(T)`, `I(T;Y) = H(T) - sum_y p(y) H(T|y)`.

    Args:
        values: activations (..., n, d); dimensions in front are networks or layers.
        labels: (n), a class for each sample, numbers or words, two classes or more.
        edges: see `patterns`.

    Returns:
        Both (...), float64, in bits; at most log2 n and H(Y).

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite, too few, of unequal length, or labels are all the same.

    Examples:
        >>> inputs = torch.tensor([[0.1], [0.4], [0.6], [0.9]])
        >>> [each.item() for each in binned(inputs, [0, 0, 1, 1], fixed_edges(0, 1, 2))]
        [1.0, 1.0]

    Source: Saxe et al. (2018), binning.
    """
    found = layers("binned", values)
    classes = _classes("binned", labels, found)
    codes = torch.unique(patterns(found, edges), return_inverse=True)[1]  # room for the label
    total = entropy(codes)
    joint = entropy(codes * (int(classes.max()) + 1) + classes)
    return Information(total, (total + entropy(classes) - joint).clamp(min=0))


@torch.no_grad()
def kde(values: Any, labels: Any, variance: float, chunk: int | None = None) -> Bounds:
    """What a layer with Gaussian noise tells: bounds on the entropy of a mixture of Gaussians.

    With T = h + N(0, variance) and squared distances d_ij between samples,
    `I_up(X;T) = -mean_i log2 mean_j exp(-d_ij / (2 variance))`, and `I_low` has 8 for 2. `label` is
    that minus its mean within the classes; bounds of H(T) and of H(T|Y) go the same way, so what
    is named the upper or the lower I(T;Y) follows the papers and bounds nothing for certain.

    Args:
        values: activations (n, d). float32 is exact to about 1e-5 bits and the faster one:
            distances are float64 in any case.
        labels: (n), a class for each sample, numbers or words, two classes or more.
        variance: of the noise, in squared units of the activations; theirs: 0.1 and 1e-3.
        chunk: rows of a tile; memory is chunk x chunk and O(n). None fits the device.

    Returns:
        Bounds in bits; at most log2 n. Not differentiable.

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite, too few, of unequal length, or labels are all the same; or
            variance or chunk is not positive.

    Examples:
        >>> two = torch.tensor([[0.0], [0.0], [9.0], [9.0]])
        >>> found = kde(two, [0, 0, 1, 1], 0.1)
        >>> round(found.upper.input.item(), 6), round(found.lower.label.item(), 6)
        (1.0, 1.0)

    Source: Kolchinsky, Tracey (2017), "Estimating Mixture Entropy with Pairwise Distances",
        Entropy 19; Saxe et al. (2018), kernel density estimation.
    """
    found = _check.samples("kde", "values", values)
    classes = _classes("kde", labels, found)
    if not (math.isfinite(variance) and variance > 0):
        raise ValueError(f"kde needs a positive variance; got {variance:g}; the paper's is 0.1")
    chunk = chunk or (TILE if found.device.type == "cpu" else TILE_GPU)
    if chunk < 1:
        raise ValueError(f"kde needs a positive chunk; got {chunk}; leave it out")
    found = found if found.dtype == torch.float64 else found.float()
    order = classes.argsort(stable=True)
    counts = torch.bincount(classes)
    own, lower, upper = classes[order], *_kernel_sums(found[order], counts, variance, chunk)
    return Bounds(_informed(lower, own, counts), _informed(upper, own, counts))


def _kernel_sums(
    values: Tensor, counts: Tensor, variance: float, chunk: int
) -> tuple[Tensor, Tensor]:
    """Sums (n, classes) of exp(-d/8s²) and of its fourth power, exp(-d/2s²), over each class.

    Samples are sorted by class, so that a tile of pairs has one class on each side, and each tile
    above the diagonal serves twice.
    """
    exponents = _exponents(values.double(), variance)
    ends = counts.cumsum(0).tolist()
    tiles = [
        (a, min(a + chunk, end), label)
        for label, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True))
        for a in range(start, end, chunk)
    ]
    sums = torch.zeros(2, len(counts), len(values), dtype=torch.float64, device=values.device)
    for at, (a, b, mine) in enumerate(tiles):
        for c, d, other in tiles[at:]:
            kernel = exponents(a, b, c, d).clamp_(FARTHEST, 0).to(values.dtype).exp_()
            for power in range(2):
                if power:
                    kernel.square_().square_()
                sums[power, other, a:b] += kernel.sum(1)
                if a != c:
                    sums[power, mine, c:d] += kernel.sum(0)
    return sums[0].T, sums[1].T


def _exponents(values: Tensor, variance: float) -> Callable[[int, int, int, int], Tensor]:
    """-d / 8s² between rows a:b and c:d, as a function of these.

    By one product, unless |a|² + |b|² - 2ab would lose what counts beside the variance.
    """
    power = math.frexp(math.sqrt(variance))[1]
    values, variance = (
        _scale.shifted(values, -power),
        math.ldexp(math.ldexp(variance, -power), -power),
    )
    _check.finite("kde", "values over the root of the variance", values)
    wide = values - values.mean(0)  # small numbers lose less
    squares = wide.square().sum(1, keepdim=True)
    lost = float(squares.max()) * torch.finfo(wide.dtype).eps / variance
    if not lost < EXACT:

        def by_differences(a: int, b: int, c: int, d: int) -> Tensor:
            how = "donot_use_mm_for_euclid_dist"
            far = torch.cdist(values[a:b], values[c:d], compute_mode=how)
            return far.square_().div_(-8 * variance)

        return by_differences
    half, one = -squares / 2, torch.ones_like(wide[:, :1])
    left = torch.cat([wide, half, one], 1) / (4 * variance)
    right = torch.cat([wide, one, half], 1).T.contiguous()
    return lambda a, b, c, d: left[a:b] @ right[:, c:d]


def _informed(sums: Tensor, own: Tensor, counts: Tensor) -> Information:
    """I(X;T) and I(T;Y) from kernel sums; every sum has the sample itself, so it is 1 or more."""
    n = len(own)
    total = -(sums.sum(1) / n).log2().mean()
    mine = sums.gather(1, own[:, None]).squeeze(1)
    within = -(mine / counts[own]).log2().mean()  # a mean over samples weighs classes by p(y)
    return Information(total.clamp(min=0), (total - within).clamp(min=0))


def layers(who: str, values: Any) -> Tensor:
    """Activations (..., n, d), checked; (n) becomes (n, 1)."""
    found = _check.wide(_check.numbers(who, "values", values))
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim < 2 or found.shape[-2] < 4 or not found.numel():
        raise ValueError(
            f"{who} needs at least 4 samples (..., n, d) as values; got {tuple(found.shape)}; "
            "give one row for each sample"
        )
    _check.finite(who, "values", found.reshape(-1, found.shape[-1]))
    return found.detach()


def _classes(who: str, labels: Any, values: Tensor) -> Tensor:
    """Labels as whole numbers from 0, on the device of the values."""
    found = _check.classes(who, "labels", labels)
    if found.shape[1] != 1:
        raise ValueError(
            f"{who} needs one label for each sample (n); got {tuple(found.shape)}; "
            "give class numbers"
        )
    _check.same_length(who, values=values.movedim(-2, 0), labels=found)
    _check.varies(who, "labels", found)
    return torch.unique(found.squeeze(1), return_inverse=True)[1].to(values.device)


def _edges(edges: Any, values: Tensor) -> Tensor:
    """Edges on the values' device, with the values' leading dimensions or none."""
    found = _check.numbers("patterns", "edges", edges).to(values.device, values.dtype)
    leading = values.shape[:-2]
    if not found.ndim or not found.shape[-1] or found.shape[:-1] not in ((), leading):
        raise ValueError(
            f"patterns needs edges (m) or {(*leading, 'm')}; got {tuple(found.shape)}; "
            "make them by fixed_edges"
        )
    if not bool((found.diff() >= 0).all()):  # nan as well
        raise ValueError("patterns needs edges that rise; got some that fall; sort them")
    return found if found.ndim == 1 else found.contiguous()


def _at_least_two(who: str, bins: int) -> None:
    if bins < 2:
        raise ValueError(f"{who} needs at least 2 bins; got {bins}; the paper has 30")
