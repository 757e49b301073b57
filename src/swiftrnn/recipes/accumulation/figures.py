"""Losses of the four ways, and how far they are from those of the whole batch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from swiftrnn.report.plots import STYLES
from swiftrnn.runs import folder

LABELS = {"whole": "1 x B", "exact": "k x B/k, exact", "usual": "k x B/k, mean of means",
          "small": "1 x B/k"}  # fmt: skip
LEAST = 1e-17  # where there is no gap, on a logarithmic axis


def curves(losses: Mapping[str, Sequence[float]], path: Path) -> Path:
    """Draw two plots: the losses, and their relative gaps to the whole batch's.

    Args:
        losses: of every update, by way.
        path: the PNG file.

    Returns:
        The file.
    """
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (way, values), (color, marker) in zip(losses.items(), STYLES, strict=False):
        each, steps = max(1, len(values) // 8), range(1, len(values) + 1)
        style = {"color": color, "marker": marker, "markevery": each, "ms": 4, "lw": 1}
        over = {"whole": (3, 2.5, "-"), "exact": (4, 1.2, "--"), "usual": (2, 1, "-")}
        height, width, line = over.get(way, (1, 0.6, "-"))  # the noisiest lies below
        left.plot(
            steps, values, label=LABELS[way], **style | {"zorder": height, "lw": width, "ls": line}
        )
        if way != "whole":
            gaps = [
                max(LEAST, abs(a - b) / b) for a, b in zip(values, losses["whole"], strict=True)
            ]
            right.semilogy(steps, gaps, label=LABELS[way], **style)
    left.set_ylabel("loss of the batch, nats per byte")
    right.set_ylabel("relative gap to 1 x B")
    for plot in (left, right):
        plot.set_xlabel("update")
        plot.grid(alpha=0.25)
        plot.legend(fontsize=8)
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
    return path
