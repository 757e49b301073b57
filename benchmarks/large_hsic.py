"""HSIC of a million samples: seconds, memory, and how far each form is from the exact value.

    python benchmarks/large_hsic.py                a million samples, for the table
    python benchmarks/large_hsic.py --samples 20000 --out seen.json

Each form runs in a process of its own, so that its peak of memory, as Linux tells it, is its own.
The exact value is of 10,000 samples, where all pairs can still be compared; errors are relative.
"""

import argparse
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rows
import torch
from tables import number, table
from torch import Tensor

from swiftrnn.analysis.samples.hsic import hsic
from swiftrnn.analysis.samples.kernels import Gaussian
from swiftrnn.analysis.samples.large_samples import block_hsic, nystroem_hsic, random_feature_hsic
from swiftrnn.runs.machine import machine

EXACT, SEEDS = 10_000, 5
WIDTHS = 1.0, 1.0
Form = Callable[[Tensor, Tensor, int], float]
K, L = (Gaussian(width) for width in WIDTHS)
FORMS: dict[str, Form] = {
    "Nystroem, 100 landmarks": lambda x, y, s: float(nystroem_hsic(x, y, K, L, 100, s)),
    "Nystroem, 400 landmarks": lambda x, y, s: float(nystroem_hsic(x, y, K, L, 400, s)),
    "random features, 400": lambda x, y, s: float(random_feature_hsic(x, y, *WIDTHS, 400, s)),
    "random features, 1,000": lambda x, y, s: float(random_feature_hsic(x, y, *WIDTHS, 1000, s)),
    "blocks of 100": lambda x, y, s: block_hsic(x, y, K, L, 100, s).value,
    "blocks of 1,000": lambda x, y, s: block_hsic(x, y, K, L, 1000, s).value,
}


def samples(count: int, dimensions: int = 3) -> tuple[Tensor, Tensor]:
    """Normal numbers, and noisy squares of them: dependent, and hardly correlated."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(count, dimensions, generator=draw)
    noise = torch.randn(count, dimensions, generator=draw)
    return x, 0.5 * x.square() + 0.5 * noise


def one(name: str, count: int) -> dict[str, float]:
    """Seconds and the peak of memory of one form; this process does nothing else."""
    x, y = samples(count)
    began = time.perf_counter()
    value = FORMS[name](x, y, 0)
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()  # getrusage would count the parent's, too
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return {"value": value, "seconds": seconds, "peak MB": peak}


def errors(name: str, count: int) -> dict[str, float]:
    """The relative error, root mean square over seeds; of blocks against the unbiased value."""
    x, y = samples(count)
    exact = float(hsic(x.double(), y.double(), K, L, unbiased=name.startswith("blocks")))
    found = [FORMS[name](x, y, seed) / exact - 1 for seed in range(SEEDS)]
    return {"exact": exact, "error": math.sqrt(sum(e * e for e in found) / SEEDS)}


def large_hsic(results: Path) -> str:
    """What was recorded, by machine."""
    parts = []
    for file in sorted(results.glob("hsic-*.json")):
        content = json.loads(file.read_text())
        facts = content["machine"]
        heads = ("form", "seconds", "peak MB of its process", f"error at n = {content['exact']:,}")
        lines = [[row["form"], number(row["seconds"], ".1f"), number(row["peak MB"], ",.0f"),
                  f"{row['error']:.2%}"] for row in content["rows"]]  # fmt: skip
        where = (
            f"{content['samples']:,} samples of 3 and 3 dimensions, float32. {facts['cpu']}, "
            f"{facts['cores']} cores, {content['threads']} threads, torch {facts['torch']}, "
            f"swiftrnn {facts['swiftrnn']} ({facts['commit']})."
        )
        parts.append(f"{where}\n\n{table(heads, lines)}")
    return "\n\n".join(parts)


def main(count: int, exact: int, out: Path) -> int:
    found: list[dict[str, Any]] = []
    for name in FORMS:
        command = [sys.executable, __file__, "--samples", str(count), "--form", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append({"form": name, **json.loads(done.stdout), **errors(name, exact)})
        shown = {k: f"{v:.4g}" if isinstance(v, float) else v for k, v in found[-1].items()}
        print(", ".join(f"{k} {v}" for k, v in shown.items()), flush=True)
    content = {"machine": machine(), "threads": torch.get_num_threads(), "samples": count,
               "exact": exact, "rows": found}  # fmt: skip
    out.write_text(json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Time HSIC of many samples.")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--exact", type=int, default=EXACT, help="samples of the exact value")
    parser.add_argument("--form", help="only this one, and print it as JSON")
    parser.add_argument("--out", type=Path, help="where to write; results/hsic-<machine>.json")
    given = parser.parse_args()
    if given.form:
        print(json.dumps(one(given.form, given.samples)))
        sys.exit(0)
    beside = rows.default_path()
    default = beside.with_name(f"hsic-{beside.stem}.json")
    sys.exit(main(given.samples, given.exact, given.out or default))
