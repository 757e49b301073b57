"""The accuracy on valid, epoch by epoch, of both ways to train."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swiftrnn.training import folder
from swiftrnn.training.grid import folder_of
from swiftrnn.training.report import STYLES

NAMES = {"backprop": "back-propagation", "hsic": "HSIC, layer by layer"}


def curves(chosen: Mapping[str, Any], axes: Mapping[str, Any], out: Path) -> Path:
    """A line for each method at its best rate; dashed, HSIC with labels drawn at random."""
    folder.needs_extra("hsic_bottleneck", "report", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    plot = figure.subplots()
    lines = [(NAMES[m], folder_of(axes, row[0], out)) for m, row in chosen.items()]
    lines.append(("HSIC, labels drawn at random", out / "control"))
    for (label, where), (color, marker) in zip(lines, STYLES, strict=False):
        errors = folder.read_json(where / "history.json", ("error",))["error"]
        right = [100 - error for error in errors]
        plot.plot(range(1, len(right) + 1), right, color=color, marker=marker, ms=5, label=label)
    plot.set_xlabel("epoch")
    plot.set_ylabel("accuracy on valid, %")
    plot.grid(alpha=0.25)
    beside: Any = "outside right"  # its type lacks the places outside
    figure.legend(loc=beside)
    with folder.whole(out / "curves.png") as part:
        figure.savefig(part, format="png", dpi=150)
    return out / "curves.png"
