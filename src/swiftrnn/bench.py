"""Timing: interleaved medians, what the machine is, how busy it is, and what its memory can do.

`swiftrnn bench` and the grids in `benchmarks/` use it. A time is worth nothing without the machine
it was taken on, so `machine` and `load` go into every row and every report.
"""

import gc
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from swiftrnn import __version__

FEWEST_ROUNDS = 3  # a median of fewer says nothing
BUSY_CORES = 0.15  # what others may use of all cores together before we call it a busy machine


@dataclass(frozen=True)
class Timing:
    """How long one call takes: seconds, over `repeats` calls."""

    median: float
    minimum: float
    repeats: int


def interleaved(
    cases: dict[str, Callable[[], object]],
    repeats: int = 20,
    warmup: int = 2,
    limit_s: float | None = None,
) -> dict[str, Timing]:
    """Time every case in turn, round after round, so that a slow minute hits all of them.

    Each round starts with another case, so that none always runs behind the same neighbour.

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
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    names, began, collecting = list(cases), time.perf_counter(), gc.isenabled()
    try:
        for done in range(-warmup, repeats):
            gc.collect()
            gc.disable()  # a collection inside a timed call would be charged to that call
            shift = done % len(names) if names else 0
            for name in names[shift:] + names[:shift]:
                start = time.perf_counter()
                cases[name]()
                if done >= 0:
                    seconds[name].append(time.perf_counter() - start)
            over = limit_s is not None and time.perf_counter() - began > limit_s
            if over and done + 1 >= min(FEWEST_ROUNDS, repeats):
                break
    finally:
        if collecting:
            gc.enable()
    return {n: Timing(statistics.median(s), min(s), len(s)) for n, s in seconds.items()}


def machine() -> dict[str, object]:
    """What the times were taken on, ready for JSON.

    Returns:
        cpu (model name), cores (that this process may use), memory_gb, os, python, torch, swiftrnn,
        threads (of torch) and commit (of the source checkout; "" outside one).
    """
    return {
        "cpu": _cpu_model(),
        "cores": _cores(),
        "memory_gb": _memory_gb(),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "swiftrnn": __version__,
        "threads": torch.get_num_threads(),
        "commit": _commit(),
    }


def load(sample_s: float = 0.5) -> dict[str, object]:
    """How busy the machine is with other things, measured while this process sleeps.

    Children of this process count as others: call it while none of them works.

    Args:
        sample_s: seconds to watch.

    Returns:
        load_1, load_5, load_15 (load averages, None where the system has none), others (cores that
        other processes and the hypervisor took, None where the system does not tell), idle and
        note (one line for a report).
    """
    averages = os.getloadavg() if hasattr(os, "getloadavg") else (None, None, None)
    before, own, start = _busy_seconds(), time.process_time(), time.perf_counter()
    time.sleep(sample_s)
    after, spent = _busy_seconds(), time.perf_counter() - start
    others = None
    if before is not None and after is not None:
        others = max(0.0, (after - before - (time.process_time() - own)) / spent)
    # Without a sample the load average is all there is; our own work is in it, so allow one core.
    idle = others < BUSY_CORES if others is not None else (averages[0] or 0.0) < 1.0
    seen = f"other processes take {others:.2f}" if others is not None else "others take an unknown"
    average = f"{averages[0]:.2f}" if averages[0] is not None else "unknown"
    note = f"{seen} of {_cores()} cores; load average {average}"
    if not idle:
        note = f"the machine is busy, so the times are too high: {note}"
    return {
        **dict(zip(("load_1", "load_5", "load_15"), averages, strict=True)),
        "others": None if others is None else round(others, 3),
        "idle": idle,
        "note": note,
    }


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


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:  # no Linux
        pass
    return platform.processor() or platform.machine()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):  # no POSIX
        return None


def _commit() -> str:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):  # no git, or a checkout without a commit
        return ""
    return done.stdout.strip()


def _busy_seconds() -> float | None:
    """CPU seconds that all processes and the hypervisor have taken since boot; Linux only."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        user, nice, system, _, _, irq, softirq, steal = (int(f) for f in fields[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
