"""Where the information of a layer is known exactly: one neuron, and linear nets of Gaussians."""

import math
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis import _check


def one_neuron(weights: Any, edges: Any, inverse: Callable[[Tensor], Tensor]) -> Tensor:
    """I(X;T) of one neuron in bins, h = f(w X) with X ~ N(0, 1): exact, without samples.

    A bin between h_1 and h_2 has the probability `Phi(f^-1(h_2) / w) - Phi(f^-1(h_1) / w)`, and
    I(X;T) is the entropy of these. For tanh it rises with w and then falls towards 1 bit, when
    nearly all is in the two outermost bins; for ReLU it keeps rising, while there are bins.

    Args:
        weights: w, positive, any shape.
        edges: between the bins (m), rising; the outermost bins reach to infinity.
        inverse: of the activation; -inf where it never gets so low, inf where never so high. For
            ReLU `lambda h: torch.where(h > 0, h, -torch.inf)`.

    Returns:
        Bits, in the shape of weights, float64.

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite, weights are not positive, or edges do not rise.

    Examples:
        >>> edges = torch.linspace(-1, 1, 31, dtype=torch.float64)[1:-1]
        >>> [round(bits, 2) for bits in one_neuron([0.01, 1, 1000], edges, torch.atanh).tolist()]
        [1.0, 4.88, 1.02]

    Source: Saxe et al. (2018), "On the Information Bottleneck Theory of Deep Learning", ICLR,
        the minimal model.
    """
    scale = _check.numbers("one_neuron", "weights", weights).double()
    _check.finite("one_neuron", "weights", scale)
    if not bool((scale > 0).all()):
        raise ValueError(
            f"one_neuron needs positive weights; got {float(scale.min()):g}; take their size"
        )
    cuts = _check.numbers("one_neuron", "edges", edges).to(scale)
    _check.finite("one_neuron", "edges", cuts)
    if cuts.ndim != 1 or not bool((cuts.diff() > 0).all()):
        raise ValueError(
            f"one_neuron needs edges (m) that rise; got {tuple(cuts.shape)} numbers; sort them"
        )
    net = inverse(cuts)
    undefined = int(net.isnan().sum())
    if undefined:
        raise ValueError(
            f"one_neuron needs an inverse defined at all edges; got nan at {undefined} of "
            f"{len(cuts)}; give -inf or inf where the activation never gets"
        )
    at = net / scale[..., None]
    outer = torch.full_like(at[..., :1], math.inf)
    at = torch.cat([-outer, at, outer], -1)
    odds = torch.special.ndtr(at).diff(dim=-1).clamp(min=0)  # rounding can leave less than nothing
    return torch.special.entr(odds).sum(-1) / math.log(2)


def linear_information(weight: Any, noise: float = 1.0) -> Tensor:
    """I(X;T) of a linear layer with noise, T = W X + N(0, noise), X ~ N(0, I / inputs): exact.

    `1/2 log2 det(I + W W^T / (inputs noise))`, from the singular values of W.

    Args:
        weight: W (units, inputs): of a deep linear net the product of its layers up to this one.
        noise: its variance.

    Returns:
        Bits, a scalar of float64.

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite or no matrix, or the noise is not positive.

    Examples:
        >>> linear_information(torch.eye(2) * 2.0, 2.0).item()  # two channels of 1/2 bit
        1.0

    Source: Saxe et al. (2018), deep linear networks.
    """
    found = _matrix("linear_information", "weight", weight)
    _positive("linear_information", "noise", noise)
    return _log2_one_plus(torch.linalg.svdvals(found), found.shape[1] * noise) / 2


def _log2_one_plus(sizes: Tensor, variance: float) -> Tensor:
    """The sum of log2(1 + size² / variance), also of sizes whose squares are no floats."""
    ratio = sizes / math.sqrt(variance)
    small = ratio.clamp(max=1.0).square().log1p()
    large = 2 * ratio.clamp(min=1.0).log() + ratio.clamp(min=1.0).reciprocal().square().log1p()
    return torch.where(ratio < 1, small, large).sum() / math.log(2)


def linear_label_information(
    weight: Any, teacher: Any, label_noise: float, noise: float = 1.0
) -> Tensor:
    """I(T;Y) of a linear layer with noise and a linear teacher's labels, all Gaussian: exact.

    Y = W_0 X + N(0, label_noise); X and T as in `linear_information`. From the covariances C,
    `1/2 log2(det C_Y / det(C_Y - C_YT C_T^-1 C_TY))`.

    Args:
        weight: W (units, inputs).
        teacher: W_0 (outputs, inputs).
        label_noise: its variance.
        noise: that of T.

    Returns:
        Bits, a scalar of float64.

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite or no matrices of as many inputs, or a noise is not
            positive.

    Examples:
        >>> one = torch.ones(1, 1)
        >>> round(linear_label_information(one, one, 1.0).item(), 4)  # correlation 1/2
        0.2075

    Source: Saxe et al. (2018), deep linear networks.
    """
    who = "linear_label_information"
    layer, target = _pair(who, weight, teacher)
    _positive(who, "noise", noise)
    _positive(who, "label_noise", label_noise)
    # C_Y less what T tells of it is a covariance as well, of what is left of each direction of X
    units, inputs = layer.shape
    padded = torch.cat([layer, layer.new_zeros(max(0, inputs - units), inputs)])
    _, sizes, directions = torch.linalg.svd(padded, full_matrices=False)
    seen = target @ directions.T
    left = seen / torch.hypot(torch.ones_like(sizes), sizes / math.sqrt(inputs * noise))
    before, after = (_log2_one_plus(torch.linalg.svdvals(each), inputs * label_noise)
                     for each in (seen, left))  # fmt: skip
    return ((before - after) / 2).clamp(min=0)


def generalisation_error(weight: Any, teacher: Any, label_noise: float) -> Tensor:
    """Expected squared error of a linear net on new samples of a linear teacher: exact.

    `|W_0 - W|^2 / inputs + outputs label_noise`, for X ~ N(0, I / inputs), summed over outputs.

    Args:
        weight: W (outputs, inputs), the product of all layers.
        teacher: W_0 (outputs, inputs).
        label_noise: variance of what is added to each label, 0 or more.

    Returns:
        A scalar of float64.

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite or differ in shape, or the noise is negative.

    Examples:
        >>> generalisation_error(torch.zeros(1, 4), torch.ones(1, 4), 0.5).item()
        1.5

    Source: Saxe et al. (2018), deep linear networks.
    """
    net, target = _pair("generalisation_error", weight, teacher)
    if net.shape != target.shape:
        raise ValueError(
            f"generalisation_error needs as many outputs of both; got {len(net)} of weight and "
            f"{len(target)} of teacher; multiply all layers"
        )
    if not (math.isfinite(label_noise) and label_noise >= 0):
        raise ValueError(
            f"generalisation_error needs label_noise of 0 or more; got {label_noise:g}; "
            "give a variance"
        )
    found = (target - net).square().sum() / net.shape[1] + len(net) * label_noise
    return _check.held("generalisation_error", found)


def descend(
    inputs: Any, labels: Any, hidden: Sequence[int], epochs: Sequence[int], rate: float = 0.1,
    scale: float = 0.1, seed: int = 0,
) -> list[list[Tensor]]:  # fmt: skip
    """Train a deep linear net on all samples at once, by plain gradient descent.

    The loss is `|Y - W_L ... W_1 X|^2 / n`, summed over outputs.

    Args:
        inputs: X (n, inputs).
        labels: Y (n, outputs) or (n).
        hidden: units of each hidden layer.
        epochs: to record, rising; 0 is before the first step.
        rate: of a step.
        scale: of new weights, times 1 / sqrt(inputs of the layer).
        seed: of new weights.

    Returns:
        For each recorded epoch the products W_l ... W_1 (units, inputs) of every layer l, float64;
        the last one is the whole net.

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite, too few, of unequal length; epochs do not rise from 0 on;
            or the weights diverge.

    Examples:
        >>> x = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
        >>> first, last = descend(x, 3 * x, [2], [0, 500], rate=0.01)
        >>> round(last[-1].item(), 6)
        3.0
    """
    x = _check.samples("descend", "inputs", inputs).double()
    y = _check.samples("descend", "labels", labels).double()
    _check.same_length("descend", inputs=x, labels=y)
    at = torch.as_tensor(epochs)
    if at.ndim != 1 or not len(at) or int(at[0]) < 0 or bool((at.diff() <= 0).any()):
        raise ValueError(f"descend needs epochs that rise from 0 on; got {list(epochs)}; sort them")
    chance, widths = torch.Generator().manual_seed(seed), [x.shape[1], *hidden, y.shape[1]]
    layers = [
        (torch.randn(b, a, dtype=torch.float64, generator=chance) * scale / math.sqrt(a)).to(x)
        for a, b in pairwise(widths)
    ]
    found = []
    for epoch in range(int(at[-1]) + 1):
        if epoch in epochs:
            found.append(list(accumulate(layers, lambda below, layer: layer @ below)))
        passed = list(accumulate([x.T, *layers], lambda below, layer: layer @ below))
        error = 2 * (passed[-1] - y.T) / len(x)
        for number in range(len(layers) - 1, -1, -1):
            step = error @ passed[number].T
            error = layers[number].T @ error
            layers[number] = layers[number] - rate * step
    if not all(bool(torch.isfinite(each).all()) for each in found[-1]):
        raise ValueError(f"descend needs a rate at which it converges; got {rate:g}; take less")
    return found


def _matrix(who: str, name: str, values: Any) -> Tensor:
    found = _check.numbers(who, name, values).double()
    if found.ndim != 2 or not found.numel():
        raise ValueError(
            f"{who} needs a matrix (units, inputs) as {name}; got {tuple(found.shape)}; "
            "multiply the layers into one"
        )
    _check.finite(who, name, found)
    return found


def _pair(who: str, weight: Any, teacher: Any) -> tuple[Tensor, Tensor]:
    layer, target = _matrix(who, "weight", weight), _matrix(who, "teacher", teacher)
    if layer.shape[1] != target.shape[1]:
        raise ValueError(
            f"{who} needs as many inputs of both; got {layer.shape[1]} of weight and "
            f"{target.shape[1]} of teacher; transpose one"
        )
    return layer, target


def _positive(who: str, name: str, variance: float) -> None:
    if not (math.isfinite(variance) and variance > 0):
        raise ValueError(f"{who} needs a positive {name}; got {variance:g}; give a variance")
