"""The information plane: one layer by several estimators, whether it is compressed, the picture."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from swiftrnn.analysis import _check
from swiftrnn.analysis.samples import information
from swiftrnn.analysis.samples.information import Information

NET_INPUT = (-50.0, 50.0, 100)  # net inputs, and bins between them


def several(
    values: Any,
    labels: Any,
    edges: Any,
    activation: Callable[[Tensor], Tensor],
    bins: int = 30,
    variances: Sequence[float] = (0.1, 1e-3),
) -> dict[str, Information]:
    """What a layer tells by every estimator: whether it is compressed depends on which.

    Args:
        values: activations (..., n, d), best in float64; dimensions in front are networks.
        labels: (n), a class for each sample.
        edges: of fixed bins, see `information.patterns`.
        activation: from which the values come, for bins of its net input.
        bins: of the adaptive ones.
        variances: of the noise of kernel bounds, which are taken in float32.

    Returns:
        (...) in bits, by name: `binned`, `adaptive` (as many samples in each bin), `net_input`
        (bins equal in what goes into the activation), `float32` (every number a bin of its own),
        and `kde_V` and `kde_lower_V`, the bounds at variance V.

    Raises:
        TypeError, ValueError: as `information.binned` and `information.kde`.

    Examples:
        >>> x = torch.linspace(-3, 3, 64, dtype=torch.float64)[:, None]
        >>> edges = information.fixed_edges(-1, 1, 30)
        >>> found = several(x.tanh(), x[:, 0] > 0, edges, torch.tanh, variances=[0.1])
        >>> {name: round(each.input.item(), 1) for name, each in found.items()}
        {'binned': 3.9, 'adaptive': 4.9, 'net_input': 2.7, 'float32': 6.0, 'kde_0.1': 1.6, \
'kde_lower_0.1': 1.1}

    Source: Saxe et al. (2018), "On the Information Bottleneck Theory of Deep Learning", ICLR.
    """
    layer = information.layers("several", values)
    adaptive = information.quantile_edges(layer, bins)
    net = information.net_input_edges(activation, *NET_INPUT)
    single = layer.float()
    _check.finite("several", "values in float32", single.flatten(0, -2))
    found = {
        "binned": information.binned(layer, labels, edges),
        "adaptive": information.binned(layer, labels, adaptive),
        "net_input": information.binned(layer, labels, net),
        "float32": information.binned(single, labels),
    }
    each = single.reshape(-1, *single.shape[-2:])
    for variance in variances:
        bounds = [information.kde(one, labels, variance) for one in each]
        for name, side in (("kde", "upper"), ("kde_lower", "lower")):
            pairs = zip(*(getattr(one, side) for one in bounds), strict=True)
            stacked = [torch.stack(pair).reshape(layer.shape[:-2]) for pair in pairs]
            found[f"{name}_{variance:g}"] = Information(*stacked)
    return found


def compression(bits: Any, since: int = 0) -> tuple[Tensor, Tensor]:
    """How far I(X;T) falls while a network learns.

    Args:
        bits: (..., R), at R recorded epochs.
        since: the record from which on it may fall, such as that of the best fit.

    Returns:
        The drop from the peak to the end, 0 or more, and the change from `since` to the end, both
        (...). A noisy curve has a drop as well: look at both.

    Raises:
        TypeError: these are no numbers.
        ValueError: they are not finite, or there is no such record before the last one.

    Examples:
        >>> [each.item() for each in compression([1.0, 9.0, 8.0, 3.0], since=2)]
        [6.0, -5.0]
    """
    found = _check.wide(_check.numbers("compression", "bits", bits))
    _check.finite("compression", "bits", found)
    if not found.ndim or not 0 <= since < found.shape[-1] - 1:
        raise ValueError(
            f"compression needs records (..., R) after the one it counts from; got "
            f"{tuple(found.shape)} and since={since}; record more epochs"
        )
    end = found[..., -1]
    return found.amax(-1) - end, end - found[..., since]


def draw_plane(
    axes: Any, bits: Any, names: Sequence[str], styles: Sequence[tuple[str, str]]
) -> None:
    """Draw the path of every layer, from its first record (hollow) to its last one (large).

    Args:
        axes: of matplotlib.
        bits: I(X;T) and I(T;Y), (R, layers, 2).
        names: of the layers, for the legend.
        styles: a colour and a marker for each layer.

    Raises:
        TypeError, ValueError: bits are no finite numbers of that shape, or of other layers.
    """
    found = _check.numbers("draw_plane", "bits", bits)
    _check.finite("draw_plane", "bits", found)
    if found.ndim != 3 or found.shape[1:] != (len(names), 2) or len(styles) < len(names):
        raise ValueError(
            f"draw_plane needs bits (R, {len(names)} layers, 2) and a style for each layer; got "
            f"{tuple(found.shape)} and {len(styles)} styles; name every layer"
        )
    for layer, (name, (color, marker)) in enumerate(zip(names, styles, strict=False)):
        x, y = found[:, layer].cpu().unbind(-1)
        axes.plot(x, y, color=color, marker=marker, ms=3, lw=0.8, alpha=0.8, label=name)
        axes.plot(x[:1], y[:1], color=color, marker=marker, ms=6, mfc="white", zorder=3)
        axes.plot(x[-1:], y[-1:], color=color, marker=marker, ms=8, mec="black", zorder=4)
    axes.set_xlabel("I(X;T), bits")
    axes.set_ylabel("I(T;Y), bits")
