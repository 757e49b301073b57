"""nn.CRF beside the package pytorch-crf: a training step, and decoding.

    pip install pytorch-crf==0.7.2
    python benchmarks/random_fields.py           a few seconds; parity first
    python benchmarks/random_fields.py --quick   one tiny size, without the package, too

A step is the loss of given emissions and tags, and every gradient. Lengths are drawn evenly from 1
to T. Rows are appended to `benchmarks/results/<machine>.csv`; `benchmarks/report.py` makes the
table.
"""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import rows
import torch
from rows import Results, caption
from tables import number, ratio, table

from swiftrnn import bench
from swiftrnn.nn import CRF

CELLS = [(32, 40, 20), (32, 40, 9), (8, 20, 9), (1, 30, 9), (64, 100, 40)]  # B, T, K
PACKAGE = "pytorch-crf 0.7.2"
MODES = ("step", "decode")


def calls_of(B: int, T: int, K: int, device: str = "cpu") -> dict[tuple[str, str, str], bench.Call]:
    """Both, by (subject, provider, mode); only ours where the package is missing."""
    draw = torch.Generator().manual_seed(0)
    emissions = torch.randn(T, B, K, generator=draw).to(device).requires_grad_()
    tags = torch.randint(K, (T, B), generator=draw).to(device)
    lengths = torch.randint(1, T + 1, (B,), generator=draw).to(device)
    lengths[0] = T
    mask, ours = torch.arange(T, device=device)[:, None] < lengths, CRF(K).to(device)

    def step() -> None:
        ours(emissions, tags, lengths, "sum").backward()

    def decode() -> None:
        with torch.no_grad():
            ours.decode(emissions, lengths)

    calls: dict[tuple[str, str, str], bench.Call] = {
        ("crf", "nn.CRF", "step"): step, ("crf", "nn.CRF", "decode"): decode,
    }  # fmt: skip
    if find_spec("torchcrf") is None:
        return calls
    from torchcrf import CRF as Package  # pyright: ignore[reportMissingImports]

    theirs: Any = Package(K).to(device)
    theirs.load_state_dict(ours.state_dict())
    loss = ours(emissions, tags, lengths, "sum")
    torch.testing.assert_close(loss, -theirs(emissions, tags, mask), rtol=1e-4, atol=1e-3)

    def their_step() -> None:
        (-theirs(emissions, tags, mask)).backward()

    def their_decode() -> None:
        with torch.no_grad():
            theirs.decode(emissions, mask)

    calls["crf", PACKAGE, "step"] = their_step
    calls["crf", PACKAGE, "decode"] = their_decode
    return calls


def main(cells: Sequence[tuple[int, int, int]], repeats: int, limit_s: float, out: Path) -> None:
    for cell in cells:
        busy = rows.others()
        times = bench.interleaved(calls_of(*cell), repeats, limit_s=limit_s)
        found = rows.make(times, {}, (*cell, "float32"), max(busy, rows.others()))
        rows.append(out, found)
        said = ", ".join(f"{row.provider} {row.mode} {row.median_s * 1e3:.3f} ms" for row in found)
        print(f"B {cell[0]}, T {cell[1]}, K {cell[2]}: {said}", flush=True)


def random_fields(results: Results) -> str:
    """Times, and the package's over ours."""
    lines, shown = [], []
    for cell in CELLS:
        line = [*map(str, cell)]
        for mode in MODES:
            found = [results.get("crf", name, mode, cell, "float32") for name in
                     ("nn.CRF", PACKAGE)]  # fmt: skip
            shown += [row for row in found if row]
            ours, theirs = (row.median_s if row else None for row in found)
            line += [number(ours, ".3f", 1e3), number(theirs, ".2f", 1e3),
                     number(ratio(theirs, ours), ".1f")]  # fmt: skip
        lines.append(line)
    header = ("B", "T", "K", "step ms", "package's ms", "package / ours", "decode ms",
              "package's ms", "package / ours")  # fmt: skip
    return f"{caption(shown)}\n\n{table(header, lines)}" if shown else ""


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time conditional random fields.")
    parser.add_argument("--quick", action="store_true", help="one tiny size: tests the script")
    parser.add_argument("--repeats", type=int, default=100, help="timed rounds")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds per size")
    parser.add_argument("--out", type=Path, default=rows.default_path(), help="the CSV file")
    given = parser.parse_args()
    main([(2, 5, 3)] if given.quick else CELLS, given.repeats, given.limit, given.out)
