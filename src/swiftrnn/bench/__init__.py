"""What is timed: kernels and layers, their rivals, the floors they are held against; parity first.

`swiftrnn bench` and the grids in `benchmarks/` use it; `timing` and `machine` measure.
"""

import contextlib
import math
from pathlib import Path

from swiftrnn.bench import measure, show
from swiftrnn.bench.kernels import check_parity, kernel_calls, operations, scan_work
from swiftrnn.bench.layers import (
    MORE,
    OURS,
    OWN,
    PRODUCTS,
    RIVALS,
    Call,
    Work,
    layer_calls,
    product_calls,
    step_work,
    weight_shapes,
)
from swiftrnn.bench.timing import Timing, interleaved
from swiftrnn.ops import OPS, release_memory
from swiftrnn.report import page as report
from swiftrnn.runs import folder
from swiftrnn.runs.machine import keep_pages, load, machine, peak_bytes

__all__ = [  # the measuring belongs to what `benchmarks/` needs
    "MORE",
    "OURS",
    "OWN",
    "PRODUCTS",
    "RIVALS",
    "Call",
    "Timing",
    "Work",
    "check_parity",
    "interleaved",
    "keep_pages",
    "kernel_calls",
    "layer_calls",
    "load",
    "machine",
    "main",
    "operations",
    "peak_bytes",
    "product_calls",
    "release_memory",
    "scan_work",
    "step_work",
    "weight_shapes",
]


def main(
    op: str | None = None,
    hidden: int = 512,
    batch: int = 32,
    time: int = 256,
    seconds: float = 90.0,
    out: Path | None = None,
) -> None:
    """Time kernels and layers on this machine and print the tables; `swiftrnn bench` runs it.

    Args:
        op: an op (`linear_scan`) or a layer (`SRU`) to time alone; None for all.
        hidden: H of the tables, at least 1; the plots go around half of it, of B and of T.
        batch: B, at least 1.
        time: T, at least 1.
        seconds: for all together, above 0; nothing is timed less than three times, so where they
            are very few it takes longer.
        out: a new folder for `report.html`, with plots of speed against T, B and H and a roofline,
            and for `metrics.json`; None prints the tables only.

    Raises:
        ValueError: there is no such op or layer, a size is below 1, there is no time, or something
            in the folder.
        RuntimeError: a kernel is missing or wrong.
        ModuleNotFoundError: there is to be a report, and the extra `report` is not installed.
        OSError: the folder cannot be written.
    """
    _check(op, (hidden, batch, time), seconds)
    if out is not None:
        report.needs_extra("swiftrnn bench --out")
    for each in OPS:
        if each.has_kernel("cpu") or (out is not None and each.name == op):
            check_parity(each)
    if out is not None:
        out = folder.create(out, "bench", resumes=False)
    try:
        facts = machine()
        print(", ".join(f"{name} {value}" for name, value in facts.items()))
        found = measure.measure(op, (batch, time, hidden), seconds, sweeps=out is not None)
        print(show.closing(found))
        if out is not None:
            show.write(found, out)
            print(f"\nReport:  {(out / 'report.html').resolve()}")
        else:
            print("\nPlots of speed against T, B and H, and a roofline: swiftrnn bench --out DIR")
    except BaseException:
        if out is not None:
            with contextlib.suppress(OSError):
                out.rmdir()  # nothing was written: leave nothing
        raise


def _check(op: str | None, sizes: tuple[int, int, int], seconds: float) -> None:
    known = (*(o.name for o in OPS), *OURS, *MORE)
    if op is not None and op not in known:
        raise ValueError(
            f"swiftrnn bench needs one of {', '.join(known)}; got {op!r}; "
            "name one of them, or none for all"
        )
    if min(sizes) < 1:
        hidden, batch, time = sizes
        raise ValueError(
            "swiftrnn bench needs sizes of at least 1; "
            f"got hidden {hidden}, batch {batch} and time {time}; give larger numbers"
        )
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(
            f"swiftrnn bench needs --seconds above 0; got {seconds:g}; 90 is the default"
        )
