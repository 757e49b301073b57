"""What a report of a search shows: its cells, how they were ranked, and what they look like."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swiftrnn.recipes.enas.cells import Cell
from swiftrnn.recipes.enas.drawing import drawn
from swiftrnn.report.page import Column, Table
from swiftrnn.runs import folder

NAMES = {
    "controller": "controller", "uniform": "random search with shared weights",
    "shuffled": "controller, shuffled rewards",
}  # fmt: skip
COLORS = {"controller": "#0072b2", "uniform": "#009e73", "shuffled": "#d55e00"}


def sections(
    found: Mapping[str, float], cells: Mapping[str, Cell], best: Cell
) -> list[tuple[str, Any]]:
    """The cell that is used, and what each policy found."""
    parts: list[tuple[str, Any]] = [("The cell", drawn(best))]
    if not cells:
        return parts
    columns = [
        Column("name", "cells drawn by"), Column("cell", "cell"),
        Column("test", "perplexity,\ntrained alone", 1, "lower"),
        Column("gain", "reward above chance,\nstandard errors", 1, "higher"),
        Column("entropy", "entropy,\n% of the most", 0),
        Column("tau", "Kendall's tau,\nshared and alone", 2, "higher"),
    ]  # fmt: skip
    if any(key.startswith("place_") for key in found):
        columns.append(Column("place", "worse cells,\n% of all", 0, "higher"))
    keys = ("test", "gain", "entropy", "tau", "place")
    rows: list[dict[str, Any]] = [
        {"name": NAMES[name], "cell": str(cell),
         **{key: found.get(f"{key}_{name}") for key in keys}}
        for name, cell in cells.items()
    ]  # fmt: skip
    for key in ("best", "median"):
        rows.append({"name": f"random cells, {key}", "test": found[f"test_random_{key}"]})
    note = (
        "A cell is written as its nodes: which node each one reads, and its function. A policy "
        "draws cells; those with the best shared weights on all of valid are trained alone."
    )
    return [*parts, ("What was found", Table(columns, rows, note))]


def draw(
    told: Mapping[str, Sequence[tuple[float, float]]], perplexities: Sequence[float],
    marked: Mapping[str, float], path: Path,
) -> None:  # fmt: skip
    """Rewards during the search, and the found cells among cells that were trained alone."""
    folder.needs_extra("a picture", "report", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, rows in told.items():
        mean = _smooth([reward for reward, _ in rows])
        left.plot(range(1, len(mean) + 1), mean, color=COLORS[name], label=NAMES[name])
    left.set_xlabel("updates of the controller")
    left.set_ylabel("mean reward")
    ranked = sorted(perplexities)
    places = range(1, len(ranked) + 1)
    right.plot(places, ranked, ".", color="#7b8794", label="cells, trained alone")
    for name, value in marked.items():
        right.axhline(value, color=COLORS[name], linewidth=1, linestyle="--",
                      label=f"found: {NAMES[name]}")  # fmt: skip
    right.set_xlabel("cells, the best first")
    right.set_ylabel("perplexity")
    for panel in (left, right):
        panel.grid(alpha=0.3)
        if panel.get_legend_handles_labels()[0]:
            panel.legend(fontsize=8, frameon=False, loc="upper left")
    with folder.whole(path) as part:
        figure.savefig(part, format="png", dpi=150)


def _smooth(values: Sequence[float], window: int = 20) -> list[float]:
    """The mean of the last values at each place."""
    return [
        sum(values[max(0, end - window) : end]) / min(end, window)
        for end in range(1, len(values) + 1)
    ]
