"""What was seen in each training, step by step."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from swiftrnn.analysis.networks.landscape import draw_bands
from swiftrnn.recipes.batchnorm_study.model import chosen, history, smoothed
from swiftrnn.report.plots import STYLES
from swiftrnn.runs import folder

LABELS = {
    "none": "without", "batch": "batch norm", "noisy": "noisy batch norm",
    "centring": "centring only", "scaling": "scaling only", "layer": "layer norm",
    "group": "group norm", "rms": "root mean square",
}  # fmt: skip
BANDS = ("none", "batch")  # more would hide one another
CROWDED = 30  # from this ratio on, names of minor ticks would lie on one another
WIDE = 9  # looks that a running median goes over
PANELS = (  # what it shows, under which name it is kept, whether its axis is logarithmic
    ("losses", "training loss, nats\n(mean of ten steps)", True),
    ("along", "loss along the step, nats\n(at ½ to 4 times the rate)", False),
    ("gradient_change", "largest change of the gradient\nalong the step, over its norm", True),
    ("beta", "β in raw units, nats / weight²\n(smaller is smoother)", True),
    ("own_beta", "β in units of layers' norms, nats\n(smaller is smoother)", True),
    ("shift", "covariate shift: cosine of\ngradients before and after", False),
)


def panels(config: Any, rows: Sequence[Any], axes: Any, out: Path) -> Path:
    """Six plots over the steps, a line for each norm at the rate where it trains best.

    All but the loss of the training and the shift are running medians of nine looks.
    """
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.5, 5.6), layout="constrained")
    plots = figure.subplots(2, 3).flat
    for plot, (name, label, logarithmic) in zip(plots, PANELS, strict=True):
        plot.set_prop_cycle(color=[color for color, _ in STYLES])
        for number, norm in enumerate(config.norms):
            row = chosen(rows, norm)
            if row is not None and (name != "along" or norm in BANDS):
                color, marker = STYLES[number % len(STYLES)]
                how = {"color": color, "marker": marker, "ms": 4, "lw": 1.2}
                title = f"{LABELS[norm]}, {row[0]['rate']:g}"
                line(plot, name, history(row, axes, out), label=title, **how)
        if logarithmic:
            plot.set_yscale("log")
            plot.yaxis.set_major_formatter("{x:g}")
            low, high = plot.get_ylim()
            plot.yaxis.set_minor_formatter("{x:g}" if high < CROWDED * low else "")
            plot.tick_params("y", which="minor", labelsize=8)
        plot.set_xlabel("step")
        plot.set_ylabel(label)
        plot.grid(alpha=0.25)
    beside: Any = "outside right"  # its type lacks the places outside
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc=beside, title="norm, and its rate")
    with folder.whole(out / "panels.png") as part:
        figure.savefig(part, format="png", dpi=150)
    return out / "panels.png"


def line(plot: Any, name: str, seen: dict[str, list[Any]], **how: Any) -> None:
    """One line, or one band; gaps where a value is not finite."""
    if name == "losses":
        values = smoothed(seen["losses"])
        plot.plot(range(1, len(values) + 1), values, markevery=max(1, len(values) // 6), **how)
        return
    steps, table = seen["shift_step" if name == "shift" else "step"], seen[name]
    table = [row if name == "along" else [row] for row in table]
    table = [[math.inf if value is None else value for value in row] for row in table]
    if name != "shift":  # single looks jump: one batch, at the edge of what is stable
        near = [table[max(0, k - WIDE // 2) : k + WIDE // 2 + 1] for k in range(len(table))]
        table = [[median(column) for column in zip(*rows, strict=True)] for rows in near]
    draw_bands(plot, steps, table, markevery=max(1, len(table) // 6), **how)
