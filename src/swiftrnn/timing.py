"""Timing: interleaved medians, and how fast memory is."""

import gc
import statistics
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

import torch

K = TypeVar("K", bound=Hashable)
FEWEST_ROUNDS = 3  # a median of fewer says nothing
SAMPLE_S = 1e-3  # shorter calls are repeated this long within one sample


@dataclass(frozen=True)
class Timing:
    """How long one call takes: seconds, over `repeats` calls."""

    median: float
    minimum: float
    repeats: int


def interleaved(
    cases: dict[K, Callable[[], object]],
    repeats: int = 20,
    warmup: int = 2,
    limit_s: float | None = None,
) -> dict[K, Timing]:
    """Time every case in turn, round after round, so that a slow minute hits all of them.

    Each round starts with another case, so that none always runs behind the same neighbour. A
    call under a millisecond is made many times within a sample, where there is a warm-up to
    count from.

    Args:
        cases: name to a function without arguments; what it returns is dropped.
        repeats: timed rounds, at least 1.
        warmup: rounds before them that are not timed.
        limit_s: stop after the round that passes this many seconds, warm-up included, but never
            before 3 timed rounds (or `repeats`, where that is less).

    Returns:
        Name to `Timing`, in the order of `cases`.

    Raises:
        ValueError: `repeats` is below 1 or `warmup` below 0.

    Example:
        >>> interleaved({"add": lambda: 1 + 1}, repeats=5)["add"].repeats
        5
    """
    if repeats < 1 or warmup < 0:
        raise ValueError(
            "interleaved needs repeats of at least 1 and warmup of at least 0; "
            f"got repeats {repeats} and warmup {warmup}; give larger numbers"
        )
    seconds: dict[K, list[float]] = {name: [] for name in cases}
    calls = dict.fromkeys(cases, 1)
    names, began, collecting = list(cases), time.perf_counter(), gc.isenabled()
    try:
        for done in range(-warmup, repeats):
            gc.collect()
            gc.disable()  # a collection inside a timed call would be charged to that call
            shift = done % len(names) if names else 0
            for name in names[shift:] + names[:shift]:
                each = _seconds(cases[name], calls[name])
                if done >= 0:
                    seconds[name].append(each)
                elif done == -1:
                    calls[name] = max(1, min(1000, round(SAMPLE_S / each)))
            over = limit_s is not None and time.perf_counter() - began > limit_s
            if over and done + 1 >= min(FEWEST_ROUNDS, repeats):
                break
    finally:
        if collecting:
            gc.enable()
    return {n: Timing(statistics.median(s), min(s), len(s)) for n, s in seconds.items()}


def _seconds(call: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def copy_bandwidth(bytes: int, threads: int, repeats: int = 10) -> float:
    """Bytes per second that memory gives to a plain copy, both sides touched before.

    A kernel that reads and writes each array once cannot beat it by much, beyond the cache.

    Args:
        bytes: size of the source; as many again are written.
        threads: how many threads of torch copy.
        repeats: copies; the median counts.

    Returns:
        2 * bytes / seconds of one `copy_`.

    Raises:
        ValueError: `bytes` is below 4 or `threads` below 1.
    """
    if bytes < 4 or threads < 1:
        raise ValueError(
            "copy_bandwidth needs at least 4 bytes and 1 thread; "
            f"got {bytes} and {threads}; give larger numbers"
        )
    source = torch.ones(bytes // 4)
    target = torch.zeros_like(source).fill_(2.0)  # touched: fresh pages would be timed otherwise
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        timing = interleaved({"copy": lambda: target.copy_(source)}, repeats)["copy"]
    finally:
        torch.set_num_threads(before)
    return 2 * 4 * source.numel() / timing.median
