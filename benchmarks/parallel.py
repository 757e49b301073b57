"""Whether it pays on a CPU to run a recurrence in parallel over time.

    python benchmarks/parallel.py           a minute or two
    python benchmarks/parallel.py --quick   one tiny size: tests the script

SRU by Newton's method beside its serial kernel. And `linear_scan` beside the least that a scan in
chunks of time has to do, were its chunks laid out at no cost: every chunk from a state of zeros,
and one pass that adds what the states before it are worth.

Rows are appended to `benchmarks/results/<machine>.csv`; `benchmarks/report.py` makes the table.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import rows
import torch
from rows import Results, caption
from tables import number, ratio, table

from swiftrnn import bench, ops
from swiftrnn.ops import OPS

CELLS = [(B, T, H) for B in (1, 8) for H in (32, 128, 512) for T in (512, 4096)]
CHUNKS = 16
SRU = next(op for op in OPS if op.name == "sru")
PROVIDERS = ("sru serial", "sru newton", "scan serial", "scan chunked")


def calls_of(B: int, T: int, H: int) -> dict[tuple[str, str, str], bench.Call]:
    """The four, by (subject, provider, mode)."""
    torch.manual_seed(0)
    inputs = SRU.sample(T, B, H)
    decay, x = torch.rand(T, B, H), torch.randn(T, B, H)
    short = (T // CHUNKS, CHUNKS * B, H)
    decays, xs = decay.view(short), x.view(short)
    room = torch.empty_like(xs)
    made: tuple[bench.Call, ...] = (
        lambda: ops.sru(*inputs),
        lambda: ops.sru_newton(*inputs),
        lambda: ops.linear_scan(decay, x),
        lambda: torch.addcmul(ops.linear_scan(decays, xs)[0], decays, xs, out=room),
    )
    names = [("parallel", provider, "forward") for provider in PROVIDERS]
    return dict(zip(names, made, strict=True))


@torch.no_grad()
def main(cells: Sequence[tuple[int, int, int]], repeats: int, limit_s: float, out: Path) -> None:
    bench.keep_pages()  # as in ops.py: fresh pages would be charged to whoever makes more arrays
    for cell in cells:
        busy = rows.others()
        times = bench.interleaved(calls_of(*cell), repeats, limit_s=limit_s)
        found = rows.make(times, {}, (*cell, "float32"), max(busy, rows.others()))
        rows.append(out, found)
        said = ", ".join(f"{row.provider} {row.median_s * 1e3:.3f} ms" for row in found)
        print(f"B {cell[0]}, T {cell[1]}, H {cell[2]}: {said}", flush=True)


def crossover(results: Results) -> str:
    """Times, and what parallel over serial is; below 1 it would pay."""
    lines, shown = [], []
    for cell in CELLS:
        found = [results.get("parallel", name, "forward", cell, "float32") for name in PROVIDERS]
        shown += [row for row in found if row]
        serial, newton, scan, chunked = (row.median_s if row else None for row in found)
        if serial:
            times = [number(t, ".2f", 1e3) for t in (serial, newton)]
            more = [number(t, ".3f", 1e3) for t in (scan, chunked)]
            over = [number(ratio(a, b), ".2f") for a, b in ((newton, serial), (chunked, scan))]
            lines.append([*map(str, cell), *times, over[0], *more, over[1]])
    header = (
        "B", "T", "H", "SRU serial ms", "Newton ms", "Newton / serial", "linear_scan ms",
        "chunked, at least ms", "chunked / serial",
    )  # fmt: skip
    return f"{caption(shown)}\n\n{table(header, lines)}" if lines else ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time recurrences in parallel over time.")
    parser.add_argument("--quick", action="store_true", help="one tiny size: tests the script")
    parser.add_argument("--repeats", type=int, default=7, help="timed rounds")
    parser.add_argument("--limit", type=float, default=10.0, help="seconds per size")
    parser.add_argument("--out", type=Path, default=rows.default_path(), help="the CSV file")
    given = parser.parse_args()
    main([(1, 32, 8)] if given.quick else CELLS, given.repeats, given.limit, given.out)
