"""What the machine is, how busy it is, and how much memory and how many threads it has to give.

A time is worth nothing without the machine it was taken on, so these go into every row of
`benchmarks/results/` and into every report.
"""

import contextlib
import ctypes
import functools
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from swiftrnn import __version__

BUSY_CORES = 0.15  # what others may use of all cores together before we call it a busy machine


def machine() -> dict[str, object]:
    """What the times were taken on, ready for JSON.

    Returns:
        cpu (model name), cores (that this process may use), memory_gb, os, python, torch, swiftrnn,
        threads (of torch) and commit (the last that changed `src/`, with "+changes" where there
        are uncommitted ones; "" outside a checkout).
    """
    import torch

    return {
        "cpu": _cpu_model(),
        "cores": _cores(),
        "memory_gb": round(_memory() / 2**30, 1) if _memory() < math.inf else None,
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "swiftrnn": __version__,
        "threads": torch.get_num_threads(),
        "commit": commit(),
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


def peak_bytes(
    call: Callable[[], object], release: Callable[[], object] = lambda: None
) -> int | None:
    """How many bytes one call needs beyond what is there before it.

    Args:
        call: what is measured; it is made twice, the second time counts.
        release: frees what the first call left to be used again.

    Returns:
        Bytes at the highest point, or None where the system cannot tell (it takes Linux and glibc).
    """
    call()  # so that caches of the libraries are not charged to the layer
    try:
        release()
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again
        before = _status_bytes("VmRSS")
        call()
        return max(0, _status_bytes("VmHWM") - before)
    except (OSError, AttributeError):
        return None


def _status_bytes(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}")


def keep_pages() -> bool:
    """Let malloc keep what is freed, so that outputs of timed kernels are pages touched before.

    It cannot be taken back, so call it after everything that should meet malloc as users do.

    Returns:
        Whether the system has it (glibc).
    """
    trim, mmap = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of <malloc.h>
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(mmap, 1 << 30)) and bool(mallopt(trim, 2**31 - 1))


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


def _memory() -> float:
    """Bytes, infinity where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # no POSIX
        return math.inf


@functools.cache  # of the code that this process loaded
def commit() -> str:
    """The last commit that changed `src/`, with "+changes" where there are uncommitted ones.

    What `--record` writes there is no change. "" outside a checkout.
    """
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        return ""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments, "--", "src", ":!*/results*.json"]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()

    try:  # only what is timed counts: a commit of results or prose is no new version of it
        return git("log", "-1", "--format=%h") + (
            "+changes" if git("status", "--porcelain") else ""
        )
    except (OSError, subprocess.SubprocessError):  # no git
        return ""


def _busy_seconds() -> float | None:
    """CPU seconds that all processes and the hypervisor have taken since boot; Linux only."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        user, nice, system, _, _, irq, softirq, steal = (int(f) for f in fields[1:9])
    except (OSError, ValueError):
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def peak_memory() -> int:
    """The largest resident memory of this process so far, in bytes; 0 where nobody knows.

    Linux is asked through /proc, not through `getrusage`: there a child starts with the peak of
    the process that started it.

    Examples:
        >>> peak_memory() >= 0
        True
    """
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return 0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def most_threads() -> int:
    """How many threads make sense here: torch ends with a fault at far more."""
    return max(16, 4 * (os.cpu_count() or 1))


def use_threads(count: int) -> None:
    """Let torch use so many threads; 0 leaves its setting alone.

    Raises:
        ValueError: that many make no sense here.
    """
    if not 0 <= count <= most_threads():
        raise ValueError(
            f"training needs --threads from 0 up to {most_threads()} on this machine; got {count}; "
            "0 leaves the number to torch"
        )
    if count:
        import torch

        torch.set_num_threads(count)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Inside it torch has one thread: for times on one core."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def check_memory(build: Callable[[], Any]) -> None:
    """Refuse a model whose training needs more memory than the machine has.

    Args:
        build: makes the model, here without memory.

    Raises:
        ValueError: it is too large, or cannot be built.
    """
    import torch

    try:
        with torch.device("meta"):
            model = build()
        needed = 4 * sum(p.numel() * p.element_size() for p in model.parameters())
    except (RuntimeError, OverflowError) as error:
        raise ValueError(
            f"training needs sizes that fit in memory; got: {str(error).splitlines()[0]}; "
            "choose smaller ones"
        ) from error
    if needed > (there := _memory()):
        raise ValueError(
            f"training needs memory for its weights, gradients and two moments; got a model that "
            f"takes {needed / 2**30:,.1f} GiB where this machine has {there / 2**30:,.1f}; choose "
            "smaller sizes"
        )
