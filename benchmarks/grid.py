"""Stacks of layers against nn.LSTM over a fixed list of cells: training and inference, float32.

    python benchmarks/grid.py            the list, about 20 minutes; goes on where it stopped
    python benchmarks/grid.py --package  four cells against the package sru 2.6.0
    python benchmarks/grid.py --quick    two tiny cells: tests the script

Rows are appended to `benchmarks/results/<machine>.csv`; `benchmarks/report.py` makes the tables.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import rows
import torch
from layers import KEPT, SRU_PACKAGE, has_sru_package
from rows import Results
from tables import number, table

from swiftrnn import bench
from swiftrnn.ops import OPS, keep_memory

Cell = tuple[int, int, int, int, int]  # B, T, H, layers, directions

LSTM, CONV = "nn.LSTM", "nn.Conv1d k2"
ASKED = {"MinGRU": 3.0, "SRU": 2.5, "QRNN": 1.0}  # geometric mean of LSTM's step over it
NEVER_SLOWER = ("SRU", "MinGRU")
NOISE = 1.05
MODES = ("step", "forward")
ONE_LAYER = [
    *((1, T, H) for H in (128, 512) for T in (32, 128, 512, 2048, 4096)),
    *((1, T, 1024) for T in (128, 1024)),
    *((8, T, H) for H in (128, 512) for T in (32, 128, 512, 2048)),
    *((32, T, H) for H in (128, 256, 512) for T in (32, 128, 512)),
    *((32, 128, 1024), (32, 2048, 128)),
    *((128, T, H) for H in (128, 256, 512) for T in (32, 128)),
    *((128, 512, 128), (256, 32, 128), (256, 128, 128), (256, 32, 256), (256, 128, 256)),
    (256, 32, 512),
]
STACKS = [
    *((1, 512, 256, 2), (8, 128, 256, 2), (32, 128, 256, 2), (32, 128, 512, 2)),
    *((8, 128, 512, 3), (32, 128, 256, 4), (1, 128, 512, 4), (128, 32, 256, 4)),
]
BOTH_WAYS = [
    *((1, 512, 256, 1), (8, 128, 256, 1), (32, 128, 256, 1), (32, 128, 512, 1)),
    *((128, 64, 256, 1), (32, 128, 256, 2), (8, 256, 256, 2), (1, 128, 128, 2), (32, 64, 256, 4)),
]
CELLS: list[Cell] = [
    *((*cell, 1, 1) for cell in ONE_LAYER),
    *((*cell, 1) for cell in STACKS),
    *((*cell, 2) for cell in BOTH_WAYS),
]
PACKAGE_CELLS: list[Cell] = [
    (32, 256, 512, 1, 1), (4, 1024, 512, 1, 1), (128, 32, 512, 1, 1), (1, 512, 256, 1, 1),
]  # fmt: skip


def measure(cell: Cell, providers: Sequence[str], repeats: int, limit_s: float) -> list[rows.Row]:
    """Times of one cell, everyone in the same rounds."""
    B, T, H, layers, directions = cell
    busy, calls = rows.others(), {}
    for provider in providers:
        made = bench.layer_calls(provider, B, T, H, torch.float32, layers, directions)
        calls |= {("stack", provider, mode): made[mode] for mode in MODES}
    times = bench.interleaved(calls, repeats, warmup=1, limit_s=limit_s)
    found = rows.make(times, {}, (B, T, H, "float32"), max(busy, rows.others()))
    return [replace(row, layers=layers, directions=directions) for row in found]


def main(cells: Sequence[Cell], package: bool, repeats: int, limit_s: float, out: Path) -> None:
    keep_memory(KEPT)
    for op in OPS:
        try:
            bench.check_parity(op)
        except RuntimeError as error:
            sys.exit(f"benchmarks/grid.py: {error}")
    commit, threads = bench.machine()["commit"], bench.machine()["threads"]
    for i, cell in enumerate(cells, 1):
        name = (
            f"{i}/{len(cells)}: B {cell[0]}, T {cell[1]}, H {cell[2]}, layers {cell[3]} x {cell[4]}"
        )
        convolves = cell[3:] == (1, 1)
        providers = [LSTM, *bench.OURS, *bench.MORE, *([CONV] if convolves else [])]
        if package:
            providers = [SRU_PACKAGE, "SRU"]
        stacks = Results(
            [r for r in rows.read(out) if (r.commit, r.threads) == (commit, threads)]
        ).stacks
        if all((*cell, provider, "step") in stacks for provider in providers):
            print(f"{name}: measured before at this commit")
            continue
        found = measure(cell, providers, repeats, limit_s)
        rows.append(out, found)
        steps = {row.provider: row.median_s for row in found if row.mode == "step"}
        print(
            f"{name}: " + ", ".join(f"{p} {s * 1e3:.2f} ms" for p, s in steps.items()), flush=True
        )


def ratios(results: Results, over: str, under: str, mode: str) -> dict[Cell, float]:
    """Of the times of two providers in each cell of the list that has both."""
    found = {}
    for cell in CELLS:
        pair = [results.stacks.get((*cell, provider, mode)) for provider in (over, under)]
        if pair[0] and pair[1]:
            found[cell] = pair[0].median_s / pair[1].median_s
    return found


def mean(values: Sequence[float]) -> float | None:
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def package_ratios(results: Results) -> dict[Cell, float]:
    """Of a training step of the package sru to ours."""
    found = {}
    for cell in PACKAGE_CELLS:
        pair = [results.stacks.get((*cell, provider, "step")) for provider in (SRU_PACKAGE, "SRU")]
        if pair[0] and pair[1]:
            found[cell] = pair[0].median_s / pair[1].median_s
    return found


def said(cells: dict[Cell, float]) -> str:
    return ", ".join(f"{'/'.join(map(str, cell))} {value:.2f}" for cell, value in cells.items())


def means(results: Results) -> str:
    """Geometric means over the list, and the cells that lose."""
    if not ratios(results, LSTM, "SRU", "step"):
        return ""
    lines, losing = [], []
    for layer in (*bench.OURS, *bench.MORE):
        found = {mode: ratios(results, LSTM, layer, mode) for mode in MODES}
        asked = ASKED.get(layer)
        got = mean(list(found["step"].values()))
        verdict = "–" if asked is None or got is None else "yes" if got >= asked else "**no**"
        slower = {m: {c: v for c, v in found[m].items() if v * NOISE < 1} for m in MODES}
        lines.append(
            [
                layer, number(got, ".2f"), "–" if asked is None else f"≥ {asked:.1f}", verdict,
                number(mean(list(found["forward"].values())), ".2f"),
                *(f"{len(slower[m])} of {len(found[m])}" for m in MODES),
                number(mean(list(ratios(results, CONV, layer, "step").values())), ".2f"),
            ]
        )  # fmt: skip
        for mode, cells in slower.items():
            if cells:
                losing.append(f"{layer} {mode}: {said(cells)}")
    header = (
        "layer", "step: speed-up over nn.LSTM", "target", "met", "forward: speed-up over nn.LSTM",
        *(f"{mode}: cells slower than nn.LSTM" for mode in MODES),
        "step: speed-up over nn.Conv1d k2",
    )  # fmt: skip
    lost = "Slower than nn.LSTM by more than 5 % (B/T/H/layers/directions, LSTM's time over it): "
    text = f"{table(header, lines)}\n\n{lost}{'; '.join(losing) or 'nowhere'}."
    if versus := package_ratios(results):
        text += (
            f"\n\nA training step of the package sru 2.6.0 over ours: {said(versus)}; geometric "
            f"mean {mean(list(versus.values())):.1f} (target: ≥ 5)."
        )
    return text


def lead(results: Results) -> str:
    """What the whole list says, in a sentence or two."""
    found = {name: ratios(results, LSTM, name, "step") for name in (*bench.OURS, *bench.MORE)}
    if not found["SRU"]:
        return ""
    times = [
        f"{name} {mean(list(each.values())):.1f} times ({min(each.values()):.1f} to "
        f"{max(each.values()):.1f})"
        for name, each in found.items()
    ]
    slower = {n: sum(v * NOISE < 1 for v in each.values()) for n, each in found.items()}
    lost = ", ".join(f"{name} at {count}" for name, count in slower.items() if count)
    return (
        f"**A training step is faster than that of `nn.LSTM`** by, as the geometric mean over "
        f"{len(found['SRU'])} sizes (smallest to largest): {', '.join(times)}. Sizes where it is "
        f"slower by more than 5 %: {lost or 'none'}."
    )


def every_cell(results: Results) -> str:
    """LSTM's time over each layer's, cell by cell."""
    lines = []
    shown = (*bench.OURS, *bench.MORE)
    for cell in CELLS:
        lstm = results.stacks.get((*cell, LSTM, "step"))
        if lstm:
            each = [ratios(results, LSTM, name, m).get(cell) for m in MODES for name in shown]
            convolution = ratios(results, LSTM, CONV, "step").get(cell)
            times = [number(lstm.median_s, ".2f", 1e3), *(number(v, ".2f") for v in each)]
            lines.append([*map(str, cell), *times, number(convolution, ".2f")])
    header = ["B", "T", "H", "layers", "directions", "LSTM step ms"]
    header += [f"{name} {mode}" for mode in MODES for name in shown]
    return table([*header, "Conv1d k2 step"], lines) if lines else ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time stacks of layers against nn.LSTM.")
    parser.add_argument("--package", action="store_true", help="against the package sru 2.6.0")
    parser.add_argument("--quick", action="store_true", help="two tiny cells: tests the script")
    parser.add_argument("--repeats", type=int, default=7, help="timed rounds")
    parser.add_argument("--limit", type=float, default=15.0, help="seconds per cell")
    parser.add_argument("--out", type=Path, default=rows.default_path(), help="the CSV file")
    given = parser.parse_args()
    if given.package and not has_sru_package():
        sys.exit("benchmarks/grid.py --package needs the package sru; install '.[bench]'")
    tiny: list[Cell] = [(2, 16, 32, 1, 1), (2, 8, 16, 2, 2)]
    chosen = PACKAGE_CELLS if given.package else tiny if given.quick else CELLS
    repeats = 3 if given.quick else given.repeats
    main(chosen, given.package, repeats, given.limit, given.out)
