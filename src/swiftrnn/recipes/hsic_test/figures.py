"""A matrix of what HSIC sees, beside one of what correlation sees."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swiftrnn.runs import folder

PANELS = (
    ("alignment", "adjusted", "HSIC: centred kernel alignment", "any dependence"),
    ("correlation", "adjusted_correlation", "correlation, its absolute value", "linear dependence"),
)


def matrices(pairs: Sequence[Any], names: Sequence[str], level: float, path: Path) -> Path:
    """Two matrices of all pairs; a dot marks those that depend on one another, by Holm."""
    folder.needs_extra("a picture", "report", "matplotlib")
    import numpy as np
    from matplotlib.figure import Figure

    side, places = 0.5 * len(names) + 1.6, {name: i for i, name in enumerate(names)}
    figure = Figure(figsize=(2 * side + 1.5, side + 0.7), layout="constrained")
    for plot, (value, adjusted, title, kind) in zip(
        figure.subplots(1, 2, sharey=True), PANELS, strict=True
    ):
        shown = np.full((len(names), len(names)), np.nan)
        dots = []
        for pair in pairs:
            i, j = places[pair["first"]], places[pair["second"]]
            shown[i, j] = shown[j, i] = abs(pair[value])
            dots += [(i, j), (j, i)] if pair[adjusted] <= level else []
        image = plot.imshow(shown, cmap="Blues", vmin=0, vmax=1)
        plot.plot([d[0] for d in dots] or [np.nan], [d[1] for d in dots] or [np.nan], "o",
                  color="#d55e00", ms=6, label=f"dependent, p ≤ {level:g} by Holm")  # fmt: skip
        plot.set_title(f"{title}\n({kind})", fontsize=10)
        plot.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=9)
        plot.set_yticks(range(len(names)), names, fontsize=9)
        plot.set_xlabel("column")
        figure.colorbar(image, ax=plot, shrink=0.8, label="0: none, 1: full")
    figure.axes[0].set_ylabel("column")
    below: Any = "outside lower center"  # its type lacks the places outside
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc=below)
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
    return path
