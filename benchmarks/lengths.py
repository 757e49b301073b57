"""What a training step costs over sequences of different lengths, beside one over equal lengths.

    python benchmarks/lengths.py           about two minutes
    python benchmarks/lengths.py --quick   one tiny size: tests the script

Lengths are drawn evenly from 1 to T, so that about half of a padded batch is padding. `nn.LSTM` has
no lengths: it takes a PackedSequence, in any order, packed inside the step as a model would; or the
padded batch as it is, with answers for the second direction that depend on the padding.

Rows are appended to `benchmarks/results/<machine>.csv`; `benchmarks/report.py` makes the table.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import rows
import torch
from rows import Results, caption
from tables import number, ratio, table
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from swiftrnn import bench
from swiftrnn.nn import QRNN, SRU, MinGRU

CELLS = [(64, 64, 256), (32, 128, 512), (16, 512, 256)]
LAYERS = (SRU, QRNN, MinGRU, nn.LSTM, nn.GRU)
MODES = "equal", "lengths"


def name_of(kind: type[nn.Module]) -> str:
    return kind.__name__ if kind.__module__.startswith("swiftrnn") else f"nn.{kind.__name__}"


def draw(B: int, T: int) -> torch.Tensor:
    """The lengths of a size; the first is T."""
    lengths = torch.randint(1, T + 1, (B,), generator=torch.Generator().manual_seed(0))
    lengths[0] = T
    return lengths


def calls_of(B: int, T: int, H: int) -> dict[tuple[str, str, str], bench.Call]:
    """A training step of each layer, by (subject, provider, mode)."""
    torch.manual_seed(0)
    x, lengths, calls = torch.randn(T, B, H), draw(B, T), {}
    for kind in LAYERS:
        layer, ours = kind(H, H), kind in (SRU, QRNN, MinGRU)

        def step(ragged: bool, layer: nn.Module = layer, ours: bool = ours) -> None:
            if ragged and not ours:
                packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
                output = layer(packed)[0].data
            else:
                output = layer(x, lengths=lengths)[0] if ragged else layer(x)[0]
            output.sum().backward()

        for mode in MODES:
            calls["lengths", name_of(kind), mode] = lambda m=mode, s=step: s(m == "lengths")
    return calls


def main(cells: Sequence[tuple[int, int, int]], repeats: int, limit_s: float, out: Path) -> None:
    bench.keep_pages()
    for cell in cells:
        busy = rows.others()
        times = bench.interleaved(calls_of(*cell), repeats, limit_s=limit_s)
        found = rows.make(times, {}, (*cell, "float32"), max(busy, rows.others()))
        rows.append(out, found)
        said = ", ".join(f"{row.provider} {row.mode} {row.median_s * 1e3:.1f} ms" for row in found)
        print(f"B {cell[0]}, T {cell[1]}, H {cell[2]}: {said}", flush=True)


def ragged(results: Results) -> str:
    """Times, what a batch of different lengths costs beside a full one, and LSTM over each."""
    lines, shown = [], []
    for B, T, H in CELLS:
        by_layer = {
            name_of(kind): [results.get("lengths", name_of(kind), m, (B, T, H), "float32")
                            for m in MODES]
            for kind in LAYERS
        }  # fmt: skip
        lstm = by_layer["nn.LSTM"][1]
        for name, found in by_layer.items():
            equal, other = (row.median_s if row else None for row in found)
            shown += [row for row in found if row]
            if equal:
                part = int(draw(B, T).sum()) / (B * T)
                lines.append([
                    name, str(B), str(T), str(H), f"{part:.2f}",
                    number(equal, ".1f", 1e3), number(other, ".1f", 1e3),
                    number(ratio(other, equal), ".2f"),
                    number(ratio(lstm.median_s if lstm else None, other), ".1f"),
                ])  # fmt: skip
    header = (
        "layer", "B", "T", "H", "not padding", "equal lengths ms", "different lengths ms",
        "different / equal", "speed-up over packed nn.LSTM",
    )  # fmt: skip
    return f"{caption(shown)}\n\n{table(header, lines)}" if lines else ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time sequences of different lengths.")
    parser.add_argument("--quick", action="store_true", help="one tiny size: tests the script")
    parser.add_argument("--repeats", type=int, default=9, help="timed rounds")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds per size")
    parser.add_argument("--out", type=Path, default=rows.default_path(), help="the CSV file")
    given = parser.parse_args()
    main([(3, 8, 8)] if given.quick else CELLS, given.repeats, given.limit, given.out)
