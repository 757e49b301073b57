"""Widths at which models are equally large, so that a comparison is fair."""

from bisect import bisect_left
from collections.abc import Callable

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
