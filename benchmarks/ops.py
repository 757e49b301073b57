"""Times the C kernels against their references and against what memory can do.

`python benchmarks/ops.py` runs parity first and stops if it is red. Outputs are pages touched
before. Rows are appended to `benchmarks/results/<machine>.csv`; `benchmarks/report.py` makes the
tables.
"""

import argparse
import sys
from pathlib import Path

import rows
import torch

from swiftrnn import bench
from swiftrnn.ops import OPS
from swiftrnn.ops._op import Op

CELLS = ((32, 256, 512), (1, 2048, 512), (8, 512, 1024), (128, 512, 512))  # B, T, H
QUICK = ((2, 16, 64),)


def measure(
    op: Op, cell: tuple[int, int, int], dtype: torch.dtype, repeats: int, limit_s: float
) -> list[rows.Row]:
    """Time one op at one size: kernel, reference, and a plain copy in the same rounds."""
    B, T, H = cell
    calls = bench.kernel_calls(op, B, T, H, dtype)
    inputs = op.sample(T=T, B=B, H=H, dtype=dtype)
    cases = {("kernel", op.name, mode): call for mode, (call, _) in calls.items()}
    cases["kernel", f"{op.name} reference", "forward"] = lambda: op.reference(*inputs)
    sizes = {("kernel", op.name, mode): size for mode, (_, size) in calls.items()}
    busy = rows.others()
    with torch.no_grad():
        times = bench.interleaved(cases, repeats, limit_s=limit_s)
    name = str(dtype).removeprefix("torch.")
    return rows.make(times, sizes, (B, T, H, name), max(busy, rows.others()))


def show(found: list[rows.Row]) -> None:
    for row in found:
        rate = f"{row.bytes / row.median_s / 1e9:6.1f} GB/s" if row.bytes else ""
        print(f"{row.provider:22} {row.mode:13} {row.cell} {row.median_s * 1e3:9.3f} ms {rate}")


def main(quick: bool, limit_s: float, out: Path) -> None:
    for op in OPS:
        try:
            bench.check_parity(op)
        except RuntimeError as error:
            sys.exit(f"benchmarks/ops.py: {error}")
    bench.keep_pages()
    for op in OPS:
        for cell in QUICK if quick else CELLS:
            for dtype in (torch.float32, torch.bfloat16):
                found = measure(op, cell, dtype, 3 if quick else 20, limit_s)
                rows.append(out, found)
                show(found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time the C kernels, parity first.")
    parser.add_argument("--quick", action="store_true", help="one tiny size: tests the script")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds per size")
    parser.add_argument("--out", type=Path, default=rows.default_path(), help="the CSV file")
    given = parser.parse_args()
    main(given.quick, given.limit, given.out)
