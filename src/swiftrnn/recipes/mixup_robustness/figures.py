"""The error on valid, epoch by epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swiftrnn.report.plots import STYLES
from swiftrnn.runs import folder
from swiftrnn.training.sweep.grid import folder_of


def curves(rows: Sequence[Any], axes: Mapping[str, Sequence[Any]], out: Path) -> Path:
    """A plot for each amount of noise, a line for each alpha, at the rate best on valid."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    noises = axes["noise"]
    figure = Figure(figsize=(2.4 * len(noises) + 1.6, 3.2), layout="constrained")
    plots = figure.subplots(1, len(noises), sharey=True, squeeze=False)[0]
    for plot, noise in zip(plots, noises, strict=True):
        for alpha, (color, marker) in zip(axes["alpha"], STYLES, strict=False):
            here = [r for r in rows if (r[0]["noise"], r[0]["alpha"]) == (noise, alpha)]
            best = min(here, key=lambda row: row[1]["last"])[0]
            if not alpha:  # plain training at its fullest
                best = max(here, key=lambda row: row[1]["fit"])[0]
            path = folder_of(axes, best, out) / "history.json"
            errors = folder.read_json(path, ("error",))["error"]
            epochs = range(1, len(errors) + 1)
            label = f"alpha {alpha:g}" if alpha else "without"
            each = max(1, len(errors) // 8)
            plot.plot(epochs, errors, color=color, marker=marker, markevery=each, ms=4, label=label)
        plot.set_title(f"{noise:.0%} of labels replaced at random", fontsize=9)
        plot.set_xlabel("epoch")
        plot.grid(alpha=0.25)
    plots[0].set_ylabel("error on valid, %")
    beside: Any = "outside right"  # its type lacks the places outside
    figure.legend(*plots[0].get_legend_handles_labels(), loc=beside, title="mixup")
    with folder.whole(out / "curves.png") as part:
        figure.savefig(part, format="png", dpi=150)
    return out / "curves.png"
