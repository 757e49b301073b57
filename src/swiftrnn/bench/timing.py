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
    after_round: Callable[[], object] | None = None,
    wait: Callable[[], object] | None = None,
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
        after_round: called after every round, the warm-up's too: a progress bar.
        wait: called within the time, behind the calls of a sample: `torch.cuda.synchronize`.

    Returns:
        Name to `Timing`, in the order of `cases`.

    Raises:
        ValueError: `repeats` is below 1 or `warmup` below 0.

    Examples:
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
    gc.collect()
    if freezing := not gc.get_freeze_count():
        gc.freeze()  # what is there stays: the collections between rounds look at what is new
    try:
        for done in range(-warmup, repeats):
            gc.collect()
            gc.disable()  # a collection inside a timed call would be charged to that call
            shift = done % len(names) if names else 0
            for name in names[shift:] + names[:shift]:
                each = _seconds(cases[name], calls[name], wait)
                if done >= 0:
                    seconds[name].append(each)
                elif done == -1:
                    calls[name] = max(1, min(1000, round(SAMPLE_S / each)))
            if after_round is not None:
                after_round()
            over = limit_s is not None and time.perf_counter() - began > limit_s
            if over and done + 1 >= min(FEWEST_ROUNDS, repeats):
                break
    finally:
        if collecting:
            gc.enable()
        if freezing:
            gc.unfreeze()
    return {n: Timing(statistics.median(s), min(s), len(s)) for n, s in seconds.items()}


def _seconds(
    call: Callable[[], object], times: int, wait: Callable[[], object] | None = None
) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    if wait is not None:
        wait()
    return (time.perf_counter() - start) / times


def copy_call(bytes: int) -> tuple[Callable[[], object], int]:
    """A plain copy in memory, both sides touched before, to be timed beside what it is compared to.

    A kernel that reads and writes each array once cannot beat it by much, beyond the cache. How
    fast it is changes from minute to minute on a machine that others share.

    Args:
        bytes: size of the source; as many again are written.

    Returns:
        The call, and how many bytes it moves.

    Raises:
        ValueError: `bytes` is below 4.
    """
    if bytes < 4:
        raise ValueError(f"copy_call needs at least 4 bytes; got {bytes}; give a larger number")
    source = torch.ones(bytes // 4)
    target = torch.zeros_like(source).fill_(2.0)  # touched: fresh pages would be timed otherwise
    return lambda: target.copy_(source), 2 * 4 * source.numel()
