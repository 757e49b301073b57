"""What a model of bytes must beat: counts of what follows what, and a general compressor."""

import lzma
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

PRIME = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio, odd: for hashes


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

    See `by_order`; the first two bytes of `test` are not counted.

    Args:
        train: where to count.
        test: where to measure.

    Raises:
        ValueError: the test has fewer than three bytes.
    """
    if len(test) < 3:
        raise ValueError(f"order_2 needs a test of 3 bytes or more; got {len(test)}; give some")
    return by_order(train, test, (0, 1, 2))[2]


def by_order(
    train: bytes, test: bytes, orders: Sequence[int], places: NDArray[Any] | None = None
) -> dict[int, float]:
    """Bits per byte of `test` by counts of what follows each k bytes in `train`, for several k.

        p_k(c | a) = (n(ac) + u(a) * p_j(c | a')) / (n(a) + u(a))

    and so on down to a uniform p, where a' is the last j bytes of a, j is the next smaller one of
    the orders, and u counts the different bytes seen after a context: the more there were, the
    likelier is a new one. A context that was never seen gives p_j.

    Args:
        train: where to count.
        test: where to measure.
        orders: rising; each k gives the bits of a model that mixes all orders up to k. Contexts
            beyond 7 bytes are told apart by 56 bits of a hash.
        places: which bytes of `test` are measured, each with at least as many bytes before it as
            the highest order; by default all that have so many.

    Returns:
        Bits per byte for each order.

    Raises:
        ValueError: the orders do not rise, or a place has too few bytes before it, or there is
            nothing to measure.

    Examples:
        >>> found = by_order(b"abcabd" * 500, b"abcabcabdabd", (0, 1, 2, 3))
        >>> {order: round(bits, 2) for order, bits in found.items()}
        {0: 1.92, 1: 0.33, 2: 0.33, 3: 2.22}

    Source: Witten and Bell (1991), "The zero-frequency problem", method C.
    """
    if not orders or [*orders] != sorted({*orders}) or orders[0] < 0:
        raise ValueError(f"by_order needs orders that rise, from 0 up; got {[*orders]}")
    known, asked = (np.frombuffer(part, np.uint8) for part in (train, test))
    where = np.arange(orders[-1], len(asked)) if places is None else np.asarray(places)
    if not len(where) or not orders[-1] <= int(where.min()) <= int(where.max()) < len(asked):
        raise ValueError(
            f"by_order needs places from {orders[-1]} to below {len(asked)}, and some; got "
            f"{len(where)}; give a longer test, or lower orders"
        )
    p, found = np.full(len(where), 1 / 256), {}
    for order in orders:
        counts, total, kinds = _counted(_grams(known, order), _grams(asked, order)[where - order])
        better = (counts + kinds * p) / (total + kinds).clip(1)
        p = np.where(total == 0, p, better)
        found[order] = float(-np.log2(p).mean())
    return found


def _grams(content: NDArray[np.uint8], order: int) -> NDArray[Any]:
    """Each run of `order + 1` bytes as one number: the last byte lowest, the others above it."""
    if len(content) <= order:
        return np.zeros(0, np.uint32)
    kind, factor = (np.uint32, 256) if order <= 3 else (np.uint64, 256 if order <= 7 else PRIME)
    bytes_, count = content.astype(kind), len(content) - order
    context = np.zeros(count, kind)
    for start in range(order):
        context = context * kind(factor) + bytes_[start : start + count]
    if order > 7:
        context = context ^ (context >> kind(29))  # the upper bits are lost below
    return (context << kind(8)) | bytes_[order:]


def _counted(known: NDArray[Any], asked: NDArray[Any]) -> tuple[Any, Any, Any]:
    """Of each gram asked for: how often it and its context are known, and how many follow that."""
    grams, counts = _runs(np.sort(known))
    contexts, kinds = _runs(grams >> grams.dtype.type(8))
    total = np.add.reduceat(counts, np.cumsum(kinds) - kinds) if len(kinds) else counts
    context = asked >> asked.dtype.type(8)
    return (
        _looked_up(grams, counts, asked), _looked_up(contexts, total, context),
        _looked_up(contexts, kinds, context),
    )  # fmt: skip


def _runs(ordered: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Different numbers of a sorted array, and how often each is there."""
    if not len(ordered):
        return ordered, np.zeros(0, np.int64)
    starts = np.concatenate([[0], np.flatnonzero(ordered[1:] != ordered[:-1]) + 1])
    return ordered[starts], np.diff(np.append(starts, len(ordered)))


def _looked_up(known: NDArray[Any], values: NDArray[Any], asked: NDArray[Any]) -> NDArray[Any]:
    """The values of sorted numbers; 0 for one that is not there."""
    if not len(known):
        return np.zeros(len(asked), np.int64)
    place = np.searchsorted(known, asked).clip(max=len(known) - 1)
    return np.where(known[place] == asked, values[place], 0)


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
