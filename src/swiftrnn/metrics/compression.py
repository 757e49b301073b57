"""What a model of bytes must beat: counts of what follows what, and a general compressor."""

import lzma
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def order_0(train: NDArray[Any] | bytes, test: NDArray[Any] | bytes, kinds: int = 256) -> float:
    """Bits per token of `test` if each is drawn as often as in `train`, counted from one.

    Args:
        train: bytes, or an array of integers in 0..kinds-1.
        test: the same.
        kinds: how many different tokens there are.

    Example:
        >>> round(order_0(b"ab" * 10_000, b"abba" * 1_000), 3)
        1.018
    """
    known, asked = (
        np.frombuffer(part, np.uint8) if isinstance(part, bytes) else part for part in (train, test)
    )
    counts = np.bincount(known, minlength=kinds) + 1.0
    bits = -np.log2(counts / counts.sum())
    return float(bits[asked].mean())


def order_2(train: bytes, test: bytes) -> float:
    """Bits per byte of `test` by the counts of what follows each two bytes in `train`.

        p2(c | ab) = (n(abc) + u(ab) * p1(c | b)) / (n(ab) + u(ab))

    and so on down to a uniform p, where u counts the different bytes seen after a context: the
    more there were, the likelier is a new one.

    Args:
        train: where to count.
        test: where to measure; its first two bytes are not counted.

    Returns:
        Bits per byte.

    Source: Witten and Bell (1991), "The zero-frequency problem", method C.
    """
    known, asked = (np.frombuffer(part, np.uint8).astype(np.int64) for part in (train, test))
    p = np.full(max(len(asked) - 2, 0), 1 / 256)
    for order in range(3):
        seen, at = _grams(known, order), _grams(asked, order)[2 - order :]
        counts = np.bincount(seen, minlength=256 ** (order + 1)).astype(np.int32)
        by_context = counts.reshape(-1, 256)
        total, kinds = by_context.sum(1), (by_context > 0).sum(1)
        context = at >> 8
        blank = total[context] == 0
        better = (counts[at] + kinds[context] * p) / (total + kinds)[context].clip(1)
        p = np.where(blank, p, better)
    return float(-np.log2(p).mean()) if len(p) else math.nan


def _grams(content: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """Each run of `order + 1` bytes as one number, the last byte lowest."""
    grams = content[order:].copy()
    for back in range(1, order + 1):
        grams += content[order - back : len(content) - back] << (8 * back)
    return grams


def xz(files: Sequence[bytes]) -> float:
    """Bits per byte of `xz -9`, each file compressed by itself."""
    packed = sum(len(lzma.compress(content, preset=9)) for content in files)
    return 8 * packed / max(sum(map(len, files)), 1)


def baselines(train: bytes, test: bytes, files: Sequence[bytes]) -> dict[str, float]:
    """Bits per byte of `test`, which is made of `files`, by everything here."""
    return {
        "order_0": order_0(train, test),
        "order_2": order_2(train, test),
        "xz_file": xz(files),
        "xz_stream": xz([test]),
    }
