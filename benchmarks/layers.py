"""Times layers against torch's, against convolutions and against their own bare products.

    python benchmarks/layers.py --headline     B 32, T 256, H 512, float32 and bfloat16 in turn
    python benchmarks/layers.py                the grid; goes on where it stopped
    python benchmarks/layers.py --cell 1 32 128
    python benchmarks/layers.py --quick        one tiny cell: tests the script

Rows are appended to `benchmarks/results/<machine>.csv`; `benchmarks/report.py` makes the tables.
"""

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import rows
import torch

from swiftrnn import bench
from swiftrnn.ops import OPS, keep_memory

HEADLINE = (32, 256, 512)
GRID = [
    (B, T, H) for H, B, T in product((128, 256, 512, 1024), (1, 8, 32, 128), (32, 128, 512, 2048))
]
SLOWEST_LSTM_S = 3.0  # a cell whose LSTM step takes longer is left out
KEPT = 8 << 30  # bytes of lent memory: nine layers take turns, each shall find its own again
SRU_PACKAGE = "sru 2.6.0"  # trains in a Python loop on the CPU: up to the headline's size only


@cache
def has_sru_package() -> bool:
    """Whether the package is installed and its compilation at import succeeds."""
    warnings.filterwarnings("ignore", module="sru")  # it warns of every step that it trains
    if find_spec("sru") is None:
        return False
    try:
        import_module("sru")
    except Exception as error:  # whatever a compiler, ninja or a stale build lock may raise
        print(f"the package sru takes no part: {error}")
        return False
    return True


def has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16; where not, libraries do it in float32."""
    found = torch.cpu._is_avx512_bf16_supported()
    if not found:
        print("bfloat16 is left out: this processor has no instructions for it")
    return found


def providers(cell: tuple[int, int, int], dtype: str) -> list[str]:
    """Who takes part in a cell."""
    B, T, H = cell
    small = HEADLINE[1] >= T and HEADLINE[0] * HEADLINE[2] >= B * H
    package = small and dtype == "float32" and has_sru_package()
    return [*bench.OURS, *bench.RIVALS, *([SRU_PACKAGE] if package else [])]


def calls_of(
    cell: tuple[int, int, int], dtype: str
) -> Iterator[tuple[tuple[str, str, str], bench.Call]]:
    """Everything that is timed in a cell, by (subject, provider, mode)."""
    B, T, H = cell
    kind = getattr(torch, dtype)
    for provider in providers(cell, dtype):
        for mode, call in bench.layer_calls(provider, B, T, H, kind).items():
            yield ("layer", provider, mode), call
    for layer in bench.OURS:
        (shape,) = bench.weight_shapes(layer, H)
        for name, libraries in bench.product_calls(*shape, T * B, kind).items():
            for library, call in libraries.items():
                yield ("product", f"{layer} {library}", name), call


def lstm_seconds(cell: tuple[int, int, int]) -> float:
    """What a step of nn.LSTM would take there, from one of at most 32 time steps."""
    B, T, H = cell
    short = min(T, 32)
    step = bench.layer_calls("nn.LSTM", B, short, H, torch.float32)["step"]
    return bench.interleaved({"step": step}, repeats=1, warmup=1)["step"].median * T / short


def measure(
    cell: tuple[int, int, int], dtypes: Sequence[str], repeats: int, limit_s: float
) -> list[rows.Row]:
    """Times and peak memory of one cell, every dtype in the same rounds."""
    busy = rows.others()
    calls = {dtype: dict(calls_of(cell, dtype)) for dtype in dtypes}
    times = bench.interleaved(
        {(dtype, key): call for dtype in dtypes for key, call in calls[dtype].items()},
        repeats,
        limit_s=limit_s,
    )
    found = []
    for dtype in dtypes:
        sizes = {
            (subject, provider, "memory"): size
            for (subject, provider, mode), call in calls[dtype].items()
            if mode == "step" and (size := bench.peak_bytes(call, bench.release_memory)) is not None
        }
        here = {key: times[dtype, key] for key in calls[dtype]}
        found += rows.make(here, sizes, (*cell, dtype), max(busy, rows.others()))
    return found


def main(
    cells: Sequence[tuple[int, int, int]],
    dtypes: Sequence[str],
    repeats: int,
    limit_s: float,
    out: Path,
) -> None:
    keep_memory(KEPT)
    for op in OPS:
        try:
            bench.check_parity(op)
        except RuntimeError as error:
            sys.exit(f"benchmarks/layers.py: {error}")
    commit, threads = bench.machine()["commit"], bench.machine()["threads"]
    for number, cell in enumerate(cells, 1):
        name = f"{number}/{len(cells)}: B {cell[0]}, T {cell[1]}, H {cell[2]}"
        done = {
            row.cell
            for row in rows.read(out)
            if row.subject == "layer" and (row.commit, row.threads) == (commit, threads)
        }
        if {(*cell, dtype) for dtype in dtypes} <= done:
            print(f"{name}: measured before at this commit")
            continue
        if (guess := lstm_seconds(cell)) > SLOWEST_LSTM_S:
            print(f"{name}: left out, a step of nn.LSTM would take {guess:.1f} s")
            continue
        found = measure(cell, dtypes, repeats, limit_s)
        rows.append(out, found)
        for dtype in dtypes:
            steps = [r for r in found if (r.mode, r.dtype) == ("step", dtype)]
            said = ", ".join(f"{r.provider} {r.median_s * 1e3:.2f} ms" for r in steps)
            print(f"{name}, {dtype}: {said}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time layers against their rivals.")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--headline", action="store_true", help="the one cell of the README")
    which.add_argument("--cell", type=int, nargs=3, metavar=("B", "T", "H"), help="one cell")
    which.add_argument("--quick", action="store_true", help="one tiny cell: tests the script")
    parser.add_argument("--repeats", type=int, default=20, help="timed rounds")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds per cell")
    parser.add_argument("--out", type=Path, default=rows.default_path(), help="the CSV file")
    given = parser.parse_args()
    if given.headline:
        kinds = ["float32", "bfloat16"] if has_bfloat16() else ["float32"]
        main([HEADLINE], kinds, max(given.repeats, 30), max(given.limit, 600.0), given.out)
    elif given.quick:
        main([(2, 16, 32)], ["float32"], 3, given.limit, given.out)
    else:
        wanted = [tuple(given.cell)] if given.cell else GRID
        main(wanted, ["float32"], given.repeats, given.limit, given.out)
