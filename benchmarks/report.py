"""Makes the tables of README, docs and this folder from what was measured.

Times are in `results/*.csv` and, of GPUs, in `results/gpu/*.csv`; comparisons in
`results/compare-*.json` (the `metrics.json` of a run), tuning and seeds in
`results/quality-*.json`, results of recipes in their `results.json`.

A table stands between `<!-- generated: NAME -->` and `<!-- end -->`. `python benchmarks/report.py`
writes them anew; `--check` only says which are out of date (exit status 1).
"""

import argparse
import json
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path

import rows
from epochs import epochs
from gpu import asked, everything
from grid import every_cell, lead, means
from large_hsic import large_hsic
from lengths import ragged
from parallel import crossover
from plane import plane
from predict import predicted
from quality import quality, trials
from random_fields import random_fields
from rows import Results, caption
from serve import served
from tables import number, ratio, table, verdict
from tagging import tagging

from swiftrnn import recipes
from swiftrnn.bench import OURS, PRODUCTS, RIVALS
from swiftrnn.compare import show
from swiftrnn.runs import record
from swiftrnn.runs.claims import NOT_SEEN, NOT_TESTED, SEEN

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / page
    for page in ("README.md", "README.zh-CN.md", "docs/benchmarks.md", "docs/results.md")
]
OPENING, CLOSING = "<!-- generated: ", "<!-- end -->"
HEADLINE = (32, 256, 512)
LSTM = "nn.LSTM"


def headline(results: Results) -> str:
    """Every layer at the headline's size."""
    parts = []
    for dtype in ("float32", "bfloat16"):
        here = [
            r
            for r in results.by_key.values()
            if (r.B, r.H, r.dtype) == (HEADLINE[0], HEADLINE[2], dtype)
            and r.subject == "layer"
            and r.T in (1, HEADLINE[1])
        ]
        names = [p for p in (*OURS, *RIVALS, "sru 2.6.0") if any(r.provider == p for r in here)]
        lines = [headline_line(results, name, dtype) for name in names]
        if lines:
            B, T, H = HEADLINE
            size = f"B {B}, T {T}, H {H}, {dtype}; medians. {caption(here)}"
            header = (
                "layer",
                "forward ms",
                "training step ms",
                "speed-up over nn.LSTM",
                "forward / bare product",
                "step / bare products",
                "streamed step µs",
                "peak MB",
            )
            parts += [size, table(header, lines)]
    return "\n\n".join(parts)


def headline_line(results: Results, name: str, dtype: str) -> list[str]:
    forward = results.seconds(name, "forward", HEADLINE, dtype)
    step = results.seconds(name, "step", HEADLINE, dtype)
    memory = results.get("layer", name, "memory", HEADLINE, dtype)
    return [
        name,
        number(forward, ".1f", 1e3),
        number(step, ".1f", 1e3),
        number(ratio(results.seconds(LSTM, "step", HEADLINE, dtype), step), ".2f"),
        number(ratio(forward, results.floor(name, "forward", HEADLINE, dtype)), ".2f"),
        number(ratio(step, results.floor(name, "step", HEADLINE, dtype)), ".2f"),
        number(results.seconds(name, "stream", HEADLINE, dtype), ".1f", 1e6),
        number(memory.bytes if memory else None, ".0f", 1e-6),
    ]


def kernels(results: Results) -> str:
    """How far each kernel is from what memory allows."""
    found = [
        r
        for r in results.by_key.values()
        if r.subject == "kernel" and r.bytes and r.mode != "copy" and results.copy_share(r)
    ]
    if not found:
        return ""
    lines = []
    for r in sorted(found, key=lambda r: (r.provider, r.mode, r.dtype, r.bytes)):
        share = results.copy_share(r) or 0.0
        lines.append(
            [
                f"{r.provider} {r.mode}",
                *(r.dtype, str(r.B), str(r.T), str(r.H), f"{r.bytes / 1e6:.1f}"),
                f"{r.median_s * share * 1e3:.2f}",
                f"{r.median_s * 1e3:.2f}",
                f"{r.bytes / r.median_s / 1e9:.1f}",
                f"{share:.0%}",
            ]
        )
    header = ["kernel", "dtype", "B", "T", "H", "MB", "floor ms", "measured ms", "GB/s", "of copy"]
    return f"{caption(found)}\n\n{table(header, lines)}"


def products(results: Results) -> str:
    """The bare products at the headline's size: which library, how fast."""
    lines = []
    for layer, name, dtype in product(OURS, PRODUCTS, ("float32", "bfloat16")):
        if row := results.product(layer, name, HEADLINE, dtype):
            ours = results.product(layer, name, HEADLINE, dtype, own=True)
            lines.append(
                [
                    *(f"{layer} {name}", dtype, row.provider.removeprefix(f"{layer} ")),
                    f"{row.median_s * 1e3:.1f}",
                    f"{ours.median_s * 1e3:.1f}" if ours else "-",
                ]
            )
    header = ("product", "dtype", "fastest library", "ms", "our own ms")
    return f"{table(header, lines)}\n\n{over_own(results)}" if lines else ""


def over_own(results: Results) -> str:
    """What a step takes beside its products as we multiply."""
    said = []
    for layer in OURS:
        found = [results.product(layer, name, HEADLINE, own=True) for name in PRODUCTS]
        step = results.seconds(layer, "step", HEADLINE)
        if step and all(found):
            said.append(f"{layer} {step / sum(row.median_s for row in found if row):.2f}")
    return f"A step in float32 over its products by our own kernel: {', '.join(said)}."


def grid(results: Results) -> str:
    """LSTM's time over ours, everywhere in the grid; below 1 LSTM is faster."""
    cells = results.cells()
    if not cells:
        return ""
    lines = []
    for cell in cells:
        line = [
            str(cell[2]),
            str(cell[0]),
            str(cell[1]),
            number(results.seconds(LSTM, "step", cell), ".2f", 1e3),
        ]
        for mode in ("step", "forward"):
            for layer in OURS:
                lstm, ours = results.seconds(LSTM, mode, cell), results.seconds(layer, mode, cell)
                line.append(number(ratio(lstm, ours), ".2f"))
        for name in ("nn.GRU", "nn.Conv1d k3"):
            line.append(
                number(
                    ratio(results.seconds(LSTM, "step", cell), results.seconds(name, "step", cell)),
                    ".2f",
                )
            )
        lines.append(line)
    header = [
        "H",
        "B",
        "T",
        "LSTM step ms",
        *(f"{x} step" for x in OURS),
        *(f"{x} forward" for x in OURS),
        "GRU step",
        "Conv1d k3 step",
    ]
    found = [r for r in results.by_key.values() if r.subject == "layer" and r.dtype == "float32"]
    return f"{caption(found)}\n\n{table(header, lines)}"


def streams(results: Results) -> str:
    """One streamed step of a single sequence, in microseconds."""
    lines = []
    for H in sorted({r.H for r in results.by_key.values() if r.mode == "stream" and r.B == 1}):
        times = [results.seconds(p, "stream", (1, 1, H)) for p in (*OURS, LSTM, "nn.GRU")]
        lines.append([str(H), *(number(t, ".1f", 1e6) for t in times)])
    return table(("H", *OURS, LSTM, "nn.GRU"), lines) if lines else ""


def targets(results: Results) -> str:
    """What was asked of SRU at the headline's size beside what was measured."""
    lines = [
        [what, *verdict(got, sign, bound)]
        for what, got, sign, bound in [*layer_targets(results), *kernel_targets(results)]
        if got is not None
    ]
    return table(("float32, headline's size", "target", "measured", "met"), lines) if lines else ""


def layer_targets(results: Results) -> list[tuple[str, float | None, str, float]]:
    seconds, floor = results.seconds, results.floor
    step, forward = (seconds("SRU", mode, HEADLINE) for mode in ("step", "forward"))
    half = seconds("SRU", "step", HEADLINE, "bfloat16")
    products = [floor("SRU", mode, HEADLINE, "float32") for mode in ("step", "forward")]
    lstm = [seconds(LSTM, mode, HEADLINE) for mode in ("step", "forward")]
    conv = seconds("nn.Conv1d k3", "step", HEADLINE)
    stream = [seconds(name, "stream", (1, 1, HEADLINE[2])) for name in ("SRU", LSTM)]
    return [
        ("SRU: step / its three bare products", ratio(step, products[0]), "≤", 1.10),
        ("SRU: step / nn.Conv1d kernel 3's step", ratio(step, conv), "≤", 1.0),
        ("SRU: nn.LSTM's step / step", ratio(lstm[0], step), "≥", 2.5),
        ("SRU: forward / its bare product", ratio(forward, products[1]), "≤", 1.15),
        ("SRU: nn.LSTM's forward / forward", ratio(lstm[1], forward), "≥", 2.0),
        ("SRU: float32 step / bfloat16 step", ratio(step, half), "≥", 1.7),
        ("SRU, B 1: streamed step / nn.LSTM's", ratio(*stream), "≤", 1.0),
    ]


def kernel_targets(results: Results) -> list[tuple[str, float | None, str, float]]:
    found = []
    for op in ("linear_scan", "gated_scan", "rg_lru", "sru"):
        for mode in ("forward", "forward kept", "backward"):
            row = results.get("kernel", op, mode, HEADLINE, "float32")
            if row and (share := results.copy_share(row)):
                found.append((f"{op} {mode}: rate / copy bandwidth", share, "≥", 0.70))
    return found


NOT_MEASURED = {
    **dict.fromkeys(
        ("headline", "products", "targets"), "`python benchmarks/layers.py --headline`"
    ),
    **dict.fromkeys(("grid", "streams"), "`python benchmarks/layers.py`"),
    **dict.fromkeys(("lead", "means", "cells"), "`python benchmarks/grid.py`"),
    "parallel": "`python benchmarks/parallel.py`",
    "lengths": "`python benchmarks/lengths.py`",
    "epochs": "`python benchmarks/epochs.py`",
    "crf": "`python benchmarks/random_fields.py`",
    "tagging": "`python benchmarks/tagging.py`",
    "serve": "`python benchmarks/serve.py RUN --record`",
    "predict": "`python benchmarks/predict.py RUN --record`",
    "hsic": "`python benchmarks/large_hsic.py`",
    "plane": "`python benchmarks/plane.py RUN`",
    "kernels": "`python benchmarks/ops.py`",
    **dict.fromkeys(("gpu", "gpu targets"), "`python benchmarks/gpu.py`"),
    "compare": "`swiftrnn compare`, copy its metrics.json to benchmarks/results/compare-NAME.json",
    "trials": "`python benchmarks/quality.py tune`",
    "quality": "`python benchmarks/quality.py tune`, then `test`",
    "recipes": "`swiftrnn run RECIPE --seeds 3 --record`",
}
TABLES: dict[str, Callable[[Results], str]] = {
    "lead": lead,
    "headline": headline,
    "kernels": kernels,
    "products": products,
    "grid": grid,
    "streams": streams,
    "targets": targets,
    "means": means,
    "cells": every_cell,
    "parallel": crossover,
    "lengths": ragged,
    "epochs": epochs,
    "crf": random_fields,
}


def compared(folder: Path) -> str:
    """The comparisons that were kept: the table that `swiftrnn compare` prints."""
    parts = []
    for path in sorted(folder.glob("compare-*.json")):
        metrics = json.loads(path.read_text())
        made = show.table(metrics)
        best = made.best()
        lines = [
            [
                f"**{text}**" if (i, c.key) in best else text
                for c in made.columns
                for text in [c.show(row.get(c.key))]
            ]
            for i, row in enumerate(made.rows)
        ]
        heads = [head.strip().replace("\n", " ") for head in made.heads()]
        facts, text = metrics["machine"], metrics["text"]
        where = (
            f"`{metrics['command']}` on {facts['cpu']}, {facts['cores']} cores, "
            f"{facts['threads']} threads, torch {facts['torch']}, swiftrnn {facts['swiftrnn']} "
            f"({facts['commit'] or 'no commit'}); text: {text['name']}. "
            + "; ".join(load["note"] for load in metrics["load"].values())
            + "."
        )
        parts.append(f"{where}\n\n{table(heads, lines)}\n\n{made.note}")
    return "\n\n".join(parts)


def of_recipes() -> str:
    """What each recipe does, the first of its claims that was tested, and how all of them fared."""
    lines = []
    for name in recipes.names():
        found = recipes.find(name)
        verdicts = record.summary(found.folder)
        kinds = [each.verdict for each in verdicts]
        link = f"[{name}](src/swiftrnn/recipes/{name}/README.md)"
        first = next((each for each in verdicts if each.verdict != NOT_TESTED), None)
        claim, seen = (first.says, f"**{first.verdict}**") if first else ("–", "–")
        counts = f"{kinds.count(SEEN)} / {kinds.count(NOT_SEEN)} / {kinds.count(NOT_TESTED)}"
        lines.append([link, found.about.partition("\n")[0].rstrip("."), claim, seen, counts])
    heads = ("system", "what it does", "its first claim", "verdict", "seen / not seen / not tested")
    return table(heads, lines)


OF_RUNS: dict[str, Callable[[Path], str]] = {
    "compare": compared,
    "gpu": everything,
    "gpu targets": asked,
    "trials": trials,
    "quality": quality,
    "tagging": tagging,
    "serve": served,
    "predict": predicted,
    "hsic": large_hsic,
    "plane": plane,
    "recipes": lambda _: of_recipes(),
}


def render(name: str, folder: Path) -> str:
    """The text of one table over all machines."""
    if name in OF_RUNS:
        text = OF_RUNS[name](folder)
    else:
        parts = []
        for path in sorted(folder.glob("*.csv")):
            found = rows.read(path)
            for threads in sorted({r.threads for r in found}, reverse=True):
                parts.append(TABLES[name](Results([r for r in found if r.threads == threads])))
        text = "\n\n".join(p for p in parts if p)
    return (
        text or f"Not measured yet: run {NOT_MEASURED[name]}, then `python benchmarks/report.py`."
    )


def fill(text: str, folder: Path) -> str:
    """A page with every table between markers made anew."""
    head, *parts = text.split(OPENING)
    for part in parts:
        name, _, rest = part.partition(" -->")
        if name not in NOT_MEASURED or CLOSING not in rest:
            raise ValueError(
                f"benchmarks/report.py needs a marker of {', '.join(NOT_MEASURED)} with {CLOSING} "
                f"behind it; got {name!r}; mend the page"
            )
        head += (
            f"{OPENING}{name} -->\n{render(name, folder)}\n{CLOSING}{rest.partition(CLOSING)[2]}"
        )
    return head


def main(check: bool) -> int:
    stale = []
    for page in (p for p in PAGES if p.exists()):
        text = page.read_text()
        if (new := fill(text, rows.RESULTS)) != text:
            stale.append(str(page.relative_to(ROOT)))
            if not check:
                page.write_text(new)
    for name in stale:
        print(f"{name}: {'out of date; run python benchmarks/report.py' if check else 'written'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the tables from results/*.csv.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if out of date")
    sys.exit(main(parser.parse_args().check))
