"""Widths at which models are equally large, so that a comparison is fair."""

from bisect import bisect_left
from collections.abc import Callable

import torch
from torch import nn

WIDEST = 1 << 16


def nearest_width(size: Callable[[int], int], wanted: int) -> int:
    """The width at which a model comes nearest to a number of parameters.

    Args:
        size: a width to how many parameters there are; it rises.
        wanted: how many there should be.

    Examples:
        >>> nearest_width(lambda width: width * width, 90)
        9
    """
    above = bisect_left(range(1, WIDEST), wanted, key=size) + 1
    if above == 1:
        return 1
    return above if size(above) - wanted < wanted - size(above - 1) else above - 1


def width_for(layer: str, hidden: int, make: Callable[[str, int], nn.Module]) -> int:
    """The width at which what is made of a layer is as large as what is made of SRU.

    Args:
        layer: its name.
        hidden: the width of SRU.
        make: a name and a width to a module; nothing is allocated.

    Examples:
        >>> width_for("lstm", 64, lambda name, width: nn.LSTM(8, width) if name == "lstm"
        ...           else nn.Linear(8, 100 * width))
        115
    """

    def size(name: str, width: int) -> int:
        with torch.device("meta"):
            return sum(each.numel() for each in make(name, width).parameters())

    if layer == "sru":
        return hidden
    return nearest_width(lambda width: size(layer, width), size("sru", hidden))
