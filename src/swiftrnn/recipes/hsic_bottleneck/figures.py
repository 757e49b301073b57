"""The error on valid by epoch, of both ways to train; and what each readout finds on test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swiftrnn.report.plots import STYLES
from swiftrnn.runs import folder
from swiftrnn.training.sweep.grid import folder_of

NAMES = {"backprop": "back-propagation", "hsic": "HSIC, layer by layer"}
READOUTS = {
    "class_mean": "nearest class mean", "argmax": "most active unit", "format": "linear layer",
    "hidden_class_mean": "class mean, wide layer", "hidden_format": "linear layer, wide layer",
}  # fmt: skip


def curves(
    chosen: Mapping[str, Any], axes: Mapping[str, Any], found: Mapping[str, float], out: Path
) -> Path:
    """Left, a line for each method and for random labels; right, two bars for each readout."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    lines = [(NAMES[m], folder_of(axes, row[0], out)) for m, row in chosen.items()]
    lines.append(("HSIC, labels drawn at random", out / "control"))
    for (label, where), (color, marker) in zip(lines, STYLES, strict=False):
        errors = folder.read_json(where / "history.json", ("error",))["error"]
        epochs = range(1, len(errors) + 1)
        left.plot(epochs, errors, color=color, marker=marker, ms=5, label=label)
    left.set_yscale("log")
    left.set_xlabel("epoch")
    left.set_ylabel("error on valid, %")
    for place, (kind, name, color) in enumerate(
        (("accuracy_hsic", "HSIC", STYLES[0][0]), ("baseline_random", "untrained", STYLES[6][0]))
    ):
        values = [found[f"{kind}_{readout}"] for readout in READOUTS]
        rows = [row + 0.4 * place for row in range(len(values))]
        right.barh(rows, values, 0.38, color=color, label=f"{name}, test")
        for row, value in zip(rows, values, strict=True):
            right.text(value - 1, row, f"{value:.1f}", va="center", ha="right", fontsize=8)
    right.axvline(found["accuracy_backprop"], color=STYLES[1][0], label="back-propagation, test")
    right.set_yticks([row + 0.2 for row in range(len(READOUTS))], list(READOUTS.values()))
    right.invert_yaxis()
    right.set_xlabel("accuracy, %")
    right.set_ylabel("readout")
    for plot in (left, right):
        plot.grid(alpha=0.25)
    below: Any = "outside lower center"  # its type lacks the places outside
    figure.legend(loc=below, ncols=3)
    with folder.whole(out / "curves.png") as part:
        figure.savefig(part, format="png", dpi=150)
    return out / "curves.png"
