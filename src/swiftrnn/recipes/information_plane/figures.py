"""The information plane of every activation, and the last hidden layer by every estimator."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from swiftrnn.analysis.networks.plane import draw_plane
from swiftrnn.recipes.information_plane.measure import estimators
from swiftrnn.recipes.information_plane.model import epochs_of, layers_of
from swiftrnn.report.plots import STYLES
from swiftrnn.runs import folder


def planes(config: Any, results: Mapping[str, Mapping[str, Tensor]], path: Path) -> Path:
    """Draw means over live networks: a column for each activation, two planes, all estimators."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    names, styles = estimators(config), [*STYLES, ("#000000", "*")] * 2
    layers = [*(name.replace("_", " ") for name in list(layers_of(config))[:-1]), "output"]
    figure = Figure(figsize=(3.6 * len(results) + 2.4, 9.5), layout="constrained")
    rows = figure.subplots(3, len(results), squeeze=False, sharey="row")
    for column, (activation, found) in zip(rows.T, results.items(), strict=True):
        bits = found["bits"][~found["dead"]].mean(0)
        for axes, name in zip(column, ("binned", f"kde_{config.variances[0]:g}"), strict=False):
            draw_plane(axes, bits[:, :, names.index(name)], layers, styles)
            axes.set_title(f"{activation}, {name}", fontsize=10)
        for name, line, (color, marker) in zip(names, bits[:, -2, :, 0].T, styles, strict=False):
            column[2].plot(epochs_of(config), line, c=color, marker=marker, ms=3, lw=1, label=name)
        column[2].set(xlabel="epoch", xscale="symlog", ylabel="I(X;T), bits")
        column[2].set_title(f"{activation}, last hidden layer", fontsize=10)
    for axes in rows.flat:
        axes.grid(alpha=0.25)
    for axes, title in zip(rows[:, -1], ("layers T", "layers T", "estimators"), strict=True):
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), title=title, fontsize=9)
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
    return path
