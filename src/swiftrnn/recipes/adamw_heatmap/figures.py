"""The heat maps, as the paper draws them: rate by decay, the ten best cells marked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swiftrnn.recipes.adamw_heatmap.model import METHODS, TOP, of_method
from swiftrnn.runs import folder

TITLES = {
    "adam": "Adam, L2", "adamw": "AdamW, decay times rate",
    "adamw_paper": "AdamW, decay times schedule", "sgd": "SGD, L2",
    "sgdw": "SGDW, decay times schedule",
}  # fmt: skip


def heat_maps(rows: Sequence[Any], path: Path) -> Path:
    """Draw what `swiftrnn.training.sweep.finished` reads from a study; nothing else is needed.

    Args:
        rows: points with method, rate and decay, and metrics with error, in percent.
        path: the PNG file.

    Returns:
        The file.
    """
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    methods = list(dict.fromkeys(point["method"] for point, _ in rows))
    rates, decays = (sorted({point[axis] for point, _ in rows}) for axis in ("rate", "decay"))
    errors = sorted(found["error"] for _, found in rows)
    low, high = errors[0], errors[int(0.8 * (len(errors) - 1))]  # failures would take all colours
    size = 1.5 + 2.6 * len(methods), 1.2 + 0.36 * len(decays)
    figure = Figure(figsize=size, layout="constrained")
    plots = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    image: Any = None
    for plot, method in zip(plots, methods, strict=True):
        here = of_method(rows, method)
        grid = [[float("nan")] * len(rates) for _ in decays]
        for point, found in here:
            grid[decays.index(point["decay"])][rates.index(point["rate"])] = found["error"]
        image = plot.imshow(
            grid, origin="lower", aspect="auto", cmap="viridis_r", vmin=low, vmax=high
        )
        best = [point for point, _ in here[:TOP]]
        plot.scatter(
            [rates.index(p["rate"]) for p in best], [decays.index(p["decay"]) for p in best],
            s=42, facecolors="none", edgecolors="black", linewidths=1.4,
            label=f"the {len(best)} best",
        )  # fmt: skip
        rate, decay = METHODS[method]
        plot.set_title(TITLES[method], fontsize=9)
        plot.set_xlabel(f"learning rate, in units of {rate:g}")
        plot.set_ylabel(f"decay, in units of {decay:g}")
        plot.set_xticks(range(len(rates)), [f"{each:g}" for each in rates])
        plot.set_yticks(range(len(decays)), [f"{each:g}" for each in decays])
    bar = figure.colorbar(image, ax=list(plots), extend="max")
    bar.set_label("error on valid, %")
    beside: Any = "outside lower center"  # its type lacks the places outside
    missing = len(rows) < len(methods) * len(rates) * len(decays)
    title = "white: diverged" if missing else None
    figure.legend(*plots[0].get_legend_handles_labels(), loc=beside, title=title)
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)
    return path
