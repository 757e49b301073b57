"""Layers against cuDNN, random fields against pytorch-crf, and kernels against what memory can do.

On an NVIDIA GPU. A layer's step is timed as a loop in Python makes it, and replayed from a CUDA
graph, where no Python is left; kernels are always timed in a graph, ten calls at a time.

    python benchmarks/gpu.py            a few minutes
    python benchmarks/gpu.py --quick    tiny sizes: tests the script

float32 products may use TF32, everybody's alike. Before anything is timed our layers are held
against float64 on the CPU. Rows are appended to `benchmarks/results/gpu/<name>.csv`;
`benchmarks/report.py` makes the tables.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import rows
import torch
from random_fields import CELLS, calls_of, random_fields
from rows import Results, Row, caption
from tables import number, ratio, table, verdict

from swiftrnn import bench, nn
from swiftrnn.ops import OPS

Cell = tuple[int, int, int]  # B, T, H
LAYERS: list[Cell] = [
    *((32, 128, 512), (32, 512, 512), (8, 512, 512), (1, 2048, 512), (1, 4096, 128)),
    *((128, 128, 1024), (128, 512, 256), (256, 32, 512)),
]
KERNELS: list[Cell] = [(32, 256, 512), (128, 512, 1024), (8, 2048, 512), (1, 8192, 512)]
DTYPES = (torch.float32, torch.bfloat16)
PROVIDERS = (*bench.OURS, *bench.MORE, *bench.RIVALS)
CLOSE = 5e-3  # of a layer's output and its input's gradient, with TF32 products
LSTM = "nn.LSTM"
MODES = ("forward", "step", "graph")
REPLAYED = 10  # calls of a kernel in a graph, so that starting it does not count
HEADLINE: Cell = (32, 128, 512)
LARGE: Cell = (128, 512, 1024)  # far beyond the cache


def check(layer: str) -> None:
    """Leave unless a layer on the GPU gives what it gives on the CPU in float64."""
    torch.manual_seed(0)
    module = getattr(nn, layer)(64, 96).double()
    x = torch.randn(33, 5, 64, dtype=torch.float64, requires_grad=True)
    exact = module(x)[0]
    exact.sum().backward()
    there = x.detach().float().cuda().requires_grad_()
    found = module.float().cuda()(there)[0]
    found.sum().backward()
    pairs = ((found, exact), (there.grad, x.grad))
    error = max((a.cpu().double() - b).abs().max().item() for a, b in pairs)  # pyright: ignore
    if not error < CLOSE:
        sys.exit(f"benchmarks/gpu.py: {layer} is off by {error:.3g} on this GPU; mend it first")


def graphed(call: bench.Call, times: int = 1) -> bench.Call:
    """So many calls as one CUDA graph."""
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(times):
            call()
    return graph.replay


def timed(
    subject: str,
    calls: dict[tuple[str, str], bench.Call],
    sizes: dict[tuple[str, str], int],
    cell: Cell,
    dtype: torch.dtype,
    given: argparse.Namespace,
    times_each: int = 1,
) -> None:
    """Time everyone in the same rounds, and keep the rows."""
    busy = rows.others()
    cases = {(subject, *key): call for key, call in calls.items()}
    times = bench.interleaved(
        cases, given.repeats, limit_s=given.limit, wait=torch.cuda.synchronize
    )
    times = {
        key: replace(t, median=t.median / times_each, minimum=t.minimum / times_each)
        for key, t in times.items()
    }
    name = str(dtype).removeprefix("torch.")
    named = {(subject, *key): size for key, size in sizes.items()}
    found = rows.make(times, named, (*cell, name), max(busy, rows.others()))
    gpu = torch.cuda.get_device_name()
    rows.append(given.out, [replace(row, cpu=gpu, commit=given.commit) for row in found])
    said = ", ".join(f"{r.provider} {r.mode} {r.median_s * 1e3:.3f}" for r in found)
    print(f"{subject} B {cell[0]}, T {cell[1]}, H {cell[2]}, {name}, ms: {said}", flush=True)


def time_layers(cell: Cell, dtype: torch.dtype, given: argparse.Namespace) -> None:
    calls = {}
    with torch.device("cuda"):
        for provider in PROVIDERS:
            made = bench.layer_calls(provider, *cell, dtype)
            made["graph"] = graphed(made["step"])
            calls |= {(provider, mode): made[mode] for mode in MODES}
    timed("layer", calls, {}, cell, dtype, given)


def time_kernels(cell: Cell, dtype: torch.dtype, given: argparse.Namespace) -> None:
    for op in OPS:
        with torch.device("cuda"):
            made = bench.kernel_calls(op, *cell, dtype)
        sizes = {(op.name, mode): size for mode, (_, size) in made.items()}
        with torch.no_grad():
            calls = {(op.name, mode): graphed(call, REPLAYED) for mode, (call, _) in made.items()}
            timed("kernel", calls, sizes, cell, dtype, given, REPLAYED)


def time_fields(cell: Cell, given: argparse.Namespace) -> None:
    calls = {key[1:]: call for key, call in calls_of(*cell, "cuda").items()}
    timed("crf", calls, {}, cell, torch.float32, given)


def main(
    layers: Sequence[Cell], kernels: Sequence[Cell], fields: Sequence[Cell],
    given: argparse.Namespace,
) -> None:  # fmt: skip
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    for layer in (*bench.OURS, *bench.MORE):
        check(layer)
    for cell in fields:
        time_fields(cell, given)
    for dtype in DTYPES:
        for cell in layers:
            time_layers(cell, dtype, given)
        for cell in kernels:
            time_kernels(cell, dtype, given)


def speed(results: Results, mode: str) -> str:
    """LSTM's training step over everybody's, cell by cell; below 1 cuDNN's LSTM is faster."""
    others = [name for name in PROVIDERS if name != LSTM]
    lines = []
    for dtype in ("float32", "bfloat16"):
        for cell in LAYERS:
            lstm = {m: results.seconds(LSTM, m, cell, dtype) for m in (mode, "forward")}
            if lstm[mode] is None:
                continue
            each = [ratio(lstm[mode], results.seconds(p, mode, cell, dtype)) for p in others]
            sru = ratio(lstm["forward"], results.seconds("SRU", "forward", cell, dtype))
            times = number(lstm[mode], ".3f", 1e3)
            line = [dtype, *map(str, cell), times, *(number(v, ".2f") for v in each)]
            lines.append(line if mode == "graph" else [*line, number(sru, ".2f")])
    header = ("dtype", "B", "T", "H", "LSTM step ms", *others)
    return table(header if mode == "graph" else (*header, "SRU's forward"), lines) if lines else ""


def bandwidth(results: Results) -> str:
    """How far each Triton kernel is from a plain copy."""
    lines = []
    for row, share in sorted(shares(results), key=lambda pair: pair[0].cell[::-1]):
        rate = f"{row.bytes / row.median_s / 1e9:.0f}"
        name, time = f"{row.provider} {row.mode}", f"{row.median_s * 1e3:.3f}"
        lines.append([name, row.dtype, *map(str, row.cell[:3]), time, rate, f"{share:.0%}"])
    header = ("kernel", "dtype", "B", "T", "H", "ms", "GB/s", "of copy")
    return table(header, lines) if lines else ""


def shares(results: Results) -> list[tuple[Row, float]]:
    """Rows of kernels, and their rates over a copy's."""
    rows_of_kernels = [r for r in results.by_key.values() if r.bytes and r.mode != "copy"]
    found = [(row, results.copy_share(row)) for row in rows_of_kernels]
    return [(row, share) for row, share in found if share is not None]


def targets(results: Results) -> str:
    """What was asked of SRU and of the kernels beside what was measured."""
    lines = []
    for dtype in ("float32", "bfloat16"):
        sru, lstm, conv = (
            {mode: results.seconds(name, mode, HEADLINE, dtype) for mode in MODES}
            for name in ("SRU", LSTM, "nn.Conv1d k2")
        )
        at_large = [share for row, share in shares(results) if row.cell == (*LARGE, dtype)]
        over = [
            (layer, cell, ratio(results.seconds(LSTM, mode, cell, dtype), seconds))
            for layer in (*bench.OURS, *bench.MORE)
            for cell in LAYERS
            for mode in MODES
            if (seconds := results.seconds(layer, mode, cell, dtype))
        ]
        slower = sorted(
            {f"{layer} at {cell}" for layer, cell, value in over if value and value < 1}
        )
        where = f" ({'; '.join(slower)})" if slower else ""
        ways = {"step": "", "graph": ", both in CUDA graphs"}
        found = [
            *(
                (f"SRU: {who} / step{how}", ratio(their[mode], sru[mode]), "≥", bound)
                for mode, how in ways.items()
                for who, their, bound in (
                    ("cuDNN LSTM's step", lstm, 10),
                    ("nn.Conv1d kernel 2's step", conv, 1),
                )
            ),
            (
                f"the slowest kernel at {LARGE}: rate / copy bandwidth",
                min(at_large, default=None),
                "≥",
                0.8,
            ),
            (f"layers and sizes where cuDNN's LSTM is faster{where}", len(slower), "≤", 0),
        ]
        lines += [
            [what, dtype, *verdict(got, sign, bound)]
            for what, got, sign, bound in found
            if got is not None
        ]
    header = (f"on the GPU, at {HEADLINE} where no size is named", "dtype")
    return table((*header, "target", "measured", "met"), lines)


def of_every_gpu(folder: Path, show: Callable[[Results], str]) -> str:
    """A text for each GPU that was measured, under where and when."""
    parts = []
    for path in sorted((folder / "gpu").glob("*.csv")):
        found = rows.read(path)
        said = f"{caption(found)} The cores are the host's; sizes are B, T, H."
        parts += [said, show(Results(found))]
    return "\n\n".join(parts)


def asked(folder: Path) -> str:
    """The targets of every GPU."""
    return of_every_gpu(folder, targets)


def everything(folder: Path) -> str:
    """Layers and kernels of every GPU."""
    return of_every_gpu(folder, layers_and_kernels)


def layers_and_kernels(results: Results) -> str:
    parts = [
        ("Float32 products in TF32, cuDNN's too. A training step of cuDNN's LSTM over that of each "
         "layer, and its forward over SRU's:", speed(results, "step")),
        ("The same steps, everybody's replayed from a CUDA graph:", speed(results, "graph")),
        ("nn.CRF beside pytorch-crf:", random_fields(results)),
        ("Kernels, against a copy of 128 MiB in the same rounds; small sizes fit in the cache:",
         bandwidth(results)),
    ]  # fmt: skip
    return "\n\n".join(f"{said}\n\n{shown}" for said, shown in parts if shown)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time layers and Triton kernels on a GPU.")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: tests the script")
    parser.add_argument("--repeats", type=int, default=15, help="timed rounds")
    parser.add_argument("--limit", type=float, default=5.0, help="seconds per size")
    parser.add_argument("--out", type=Path, help="the CSV file")
    commit = bench.machine()["commit"]
    parser.add_argument("--commit", default=commit, help="of this code, where git does not tell")
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks/gpu.py needs an NVIDIA GPU; got none; run it on a machine with one")
    if chosen.out is None:
        name = re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name().lower())
        chosen.out = rows.RESULTS / "gpu" / f"{name}.csv"
    small = [(2, 16, 32)] if chosen.quick else None
    main(small or LAYERS, small or KERNELS, [(2, 5, 3)] if small else CELLS, chosen)
