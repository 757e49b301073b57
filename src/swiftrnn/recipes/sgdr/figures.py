"""Errors and rates, epoch by epoch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from swiftrnn.recipes.sgdr.model import schedule_of
from swiftrnn.report.plots import STYLES
from swiftrnn.runs import folder

FINE = 20  # points of a rate's curve in an epoch


def curves(errors: Mapping[str, Sequence[float]], epochs: int, path: Path) -> Path:
    """Draw the error on valid after each epoch, and what multiplies the rate.

    Args:
        errors: in percent, by schedule.
        epochs: of all.
        path: the PNG file.

    Returns:
        The file.
    """
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, values), (color, marker) in zip(errors.items(), STYLES, strict=False):
        style = {"color": color, "marker": marker, "ms": 4, "lw": 1.2}
        label = name.replace("_", ", ")
        each = max(1, epochs // 8)
        left.plot(range(1, len(values) + 1), values, markevery=each, label=label, **style)
        rate, steps = schedule_of(name, epochs * FINE), range(epochs * FINE)
        places = [step / FINE for step in steps]
        right.plot(places, [rate(s) for s in steps], markevery=each * FINE, label=label, **style)
    left.set_ylabel("error on valid, %")
    right.set_ylabel("learning rate, of its first")
    for plot in (left, right):
        plot.set_xlabel("epoch")
        plot.grid(alpha=0.25)
    left.legend(fontsize=8)  # the right plot has the same lines
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
    return path
