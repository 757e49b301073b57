"""What a model of bytes must beat: counts of what follows what, and a general compressor."""

import lzma
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

    Raises:
        TypeError: tokens are no whole numbers.
        ValueError: a token is not in 0..kinds-1, or there is none to measure.

    Examples:
        >>> round(order_0(b"ab" * 10_000, b"abba" * 1_000), 3)
        1.018
    """
    if isinstance(kinds, bool) or not isinstance(kinds, int) or kinds < 1:
        raise ValueError(f"order_0 needs kinds of at least 1; got {kinds}; count the tokens")
    known = _tokens("train", train, kinds)
    asked = _tokens("test", test, kinds)
    if not len(asked):
        raise ValueError("order_0 needs tokens to measure as test; got none; give some")
    counts = np.bincount(known, minlength=kinds) + 1.0
    bits = -np.log2(counts / counts.sum())
    return float(bits[asked].mean())


def _tokens(name: str, part: Any, kinds: int) -> NDArray[np.int64]:
    """Tokens, checked."""
    found = np.frombuffer(part, np.uint8) if isinstance(part, bytes) else np.asarray(part).ravel()
    if found.dtype.kind not in "iub" and found.size:
        raise TypeError(
            f"order_0 needs whole numbers as {name}; got {found.dtype}; number the tokens"
        )
    if found.size and not 0 <= int(found.min()) <= int(found.max()) < kinds:
        raise ValueError(
            f"order_0 needs tokens in 0..{kinds - 1} as {name}; got {int(found.min())} to "
            f"{int(found.max())}; say how many kinds there are"
        )
    return found.astype(np.int64)


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

    Raises:
        ValueError: the test has fewer than three bytes.

    Source: Witten and Bell (1991), "The zero-frequency problem", method C.
    """
    known, asked = (np.frombuffer(part, np.uint8).astype(np.int64) for part in (train, test))
    if len(asked) < 3:
        raise ValueError(f"order_2 needs a test of 3 bytes or more; got {len(asked)}; give some")
    p = np.full(len(asked) - 2, 1 / 256)
    for order in range(3):
        seen, at = _grams(known, order), _grams(asked, order)[2 - order :]
        counts = np.bincount(seen, minlength=256 ** (order + 1)).astype(np.int32)
        by_context = counts.reshape(-1, 256)
        total, kinds = by_context.sum(1), (by_context > 0).sum(1)
        context = at >> 8
        blank = total[context] == 0
        better = (counts[at] + kinds[context] * p) / (total + kinds)[context].clip(1)
        p = np.where(blank, p, better)
    return float(-np.log2(p).mean())


def _grams(content: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """Each run of `order + 1` bytes as one number, the last byte lowest."""
    grams = content[order:].copy()
    for back in range(1, order + 1):
        grams += content[order - back : len(content) - back] << (8 * back)
    return grams


def xz(files: Sequence[bytes]) -> float:
    """Bits per byte of `xz -9`, each file compressed by itself.

    Raises:
        ValueError: the files have no bytes.
    """
    size = sum(map(len, files))
    if not size:
        raise ValueError(f"xz needs bytes to compress; got none in {len(files)} files; give some")
    packed = sum(len(lzma.compress(content, preset=9)) for content in files)
    return 8 * packed / size


def baselines(train: bytes, test: bytes, files: Sequence[bytes]) -> dict[str, float]:
    """Bits per byte of `test`, which is made of `files`, by everything here."""
    return {
        "order_0": order_0(train, test),
        "order_2": order_2(train, test),
        "xz_file": xz(files),
        "xz_stream": xz([test]),
    }
