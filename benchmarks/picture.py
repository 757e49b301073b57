"""Draws the pictures of README and docs from the recorded results.

python benchmarks/picture.py    writes docs/pictures/overview.png and docs/pictures/speedups.png
"""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grid
import quality
import rows
from matplotlib.figure import Figure
from rows import Results, caption

from swiftrnn.bench import MORE
from swiftrnn.bench import OURS as COMPARED
from swiftrnn.compare.show import NAMES
from swiftrnn.runs.files import whole

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
MACHINE = "amd-epyc-2-cores"
EQUAL, RAGGED = (32, 256, 512), (16, 512, 256)  # B, T, H
OURS, OTHERS, SLOWER = "#1f6fb2", "#9aa5b1", "#c0392b"
STEPS = ("MinGRU", "SRU", "QRNN", "nn.Conv1d k3", "nn.LSTM", "nn.GRU")
LENGTHS = {"MinGRU": "MinGRU", "SRU": "SRU", "QRNN": "QRNN", "nn.GRU": "nn.GRU, packed",
           "nn.LSTM": "nn.LSTM, packed"}  # fmt: skip


def bars(axes: Any, values: Mapping[str, float], title: str, label: str) -> None:
    """Horizontal bars, ours in blue, each with its value."""
    names = list(values)
    colors = [OTHERS if name.startswith("nn.") else OURS for name in names]
    axes.barh(names, list(values.values()), color=colors)
    axes.invert_yaxis()
    for i, value in enumerate(values.values()):
        axes.text(value, i, f" {value:,.0f}", va="center", fontsize=9)
    axes.set_xlim(0, 1.18 * max(values.values()))
    dress(axes, title, label)


def dress(axes: Any, title: str, label: str) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(label, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def draw(results: Results, tuned: Mapping[str, Any]) -> Figure:
    """Speed on equal lengths, on different ones, and quality after equal time."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    first, second, third = figure.subplots(1, 3)
    steps = {name: 1e3 * (results.seconds(name, "step", EQUAL) or 0.0) for name in STEPS}
    B, T, H = EQUAL
    title = f"Training step, equal lengths\nbatch {B}, {T} steps, {H} units"
    bars(first, steps, title, "milliseconds, lower is better")
    times = {}
    for name, shown in LENGTHS.items():
        row = results.get("lengths", name, "lengths", RAGGED, "float32")
        times[shown] = 1e3 * row.median_s if row else 0.0
    B, T, H = RAGGED
    title = f"Training step, different lengths\nbatch {B}, 1 to {T} steps, {H} units"
    bars(second, times, title, "milliseconds, lower is better")
    seeds = list(tuned["test"].values())
    for i, layer in enumerate(tuned["settings"]["layers"]):
        scores = [seed[layer]["equal_time"] for seed in seeds]
        mean, sd = statistics.fmean(scores), statistics.stdev(scores)
        color = OTHERS if layer in ("lstm", "gru", "conv") else OURS
        third.errorbar([mean], [i], xerr=[sd], fmt="o", color=color, capsize=3)
        third.text(mean, i - 0.18, f"{mean:.3f}", ha="center", fontsize=9)
    layers = [NAMES[layer] for layer in tuned["settings"]["layers"]]
    third.set_yticks(range(len(layers)), layers)
    third.set_ylim(len(layers) - 0.5, -0.7)
    title = f"Text model after equal training time\nequal size, {len(seeds)} seeds, mean and sd"
    dress(third, title, "bits per byte on test text, lower is better")
    return figure


def speedups(results: Results) -> Figure:
    """How many times faster than nn.LSTM a training step is, at every size; the mean is a line."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    axes = figure.subplots()
    names = [*COMPARED, *MORE]
    for i, name in enumerate(names):
        found = sorted(grid.ratios(results, grid.LSTM, name, "step").values())
        colors = [OURS if value * grid.NOISE >= 1 else SLOWER for value in found]
        spread = [i + 0.5 * (k / max(1, len(found) - 1) - 0.5) for k in range(len(found))]
        axes.scatter(spread, found, s=14, color=colors)
        mean = statistics.geometric_mean(found)
        axes.plot([i - 0.35, i + 0.35], [mean, mean], color="black", linewidth=1)
        axes.text(i + 0.37, mean, f"{mean:.1f}", va="center", fontsize=9)
    axes.axhline(1, color=OTHERS, linestyle="--", linewidth=1)
    axes.text(-0.48, 1.02, "nn.LSTM", color="#5f6b78", va="bottom", fontsize=9)
    axes.set_xlim(-0.5, len(names) - 0.3)
    axes.set_yscale("log", base=2)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks(range(len(names)), names)
    title = (
        f"Training step: every dot is one of {len(grid.CELLS)} sizes, the line their geometric mean"
    )
    dress(axes, title, "")
    axes.set_ylabel("speed-up over nn.LSTM, higher is better", fontsize=9)
    return figure


def main() -> None:
    everything = rows.read(rows.RESULTS / f"{MACHINE}.csv")
    results = Results([row for row in everything if row.threads == row.cores])
    tuned = quality.read(rows.RESULTS / f"quality-{MACHINE}.json")
    pictures = {"overview.png": draw(results, tuned), "speedups.png": speedups(results)}
    for name, figure in pictures.items():
        with whole(PICTURES / name) as part:
            figure.savefig(part, format="png", dpi=130)
    shown = [results.get("layer", name, "step", EQUAL, "float32") for name in STEPS]
    print(f"{', '.join(pictures)}: {caption([row for row in shown if row])}")


if __name__ == "__main__":
    main()
